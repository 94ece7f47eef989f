//! Paths on the command line → groups to judge.
//!
//! In: files, folders, patterns and stdin. Out: everything that was recognised in them; a file that cannot be read never
//! keeps another one from being read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use super::super::failure::Failure;
use crate::inventory::Span;
use crate::template::{Document, Files, Group, Limits, Place, Reading, Unreadable, format_of, mentions_delivery};

/// What the paths hold.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) groups: Vec<Group>,
    pub(super) documents: Vec<Document>,
    pub(super) unreadable: Vec<Unreadable>,
    pub(super) notices: Vec<(Arc<str>, Span, String)>,
    /// Files with nothing of the delivery path in them.
    pub(super) ignored: usize,
}

/// Files of the disk.
pub(super) struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(path).map_err(|error| error.to_string())
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut files: Vec<String> =
            entries.map(|entry| entry.path()).filter(|path| path.is_file()).map(|path| named(&path)).collect();
        files.sort();
        files
    }
}

/// A path as it is shown: with `/`, and without a `./` before it.
pub(super) fn named(path: &Path) -> String {
    let text = path.to_string_lossy().replace('\\', "/");
    text.strip_prefix("./").map_or_else(|| text.clone(), str::to_owned)
}

/// Reads everything.
pub(super) fn read(
    paths: &[String],
    parameters: &BTreeMap<String, String>,
    place: &Place,
    limits: Limits,
) -> Result<Inputs, Failure> {
    Ok(read_listed(files(paths)?, &Disk, parameters, place, limits))
}

/// Reads files that are known by name and bytes; what they refer to comes from `beside`.
pub(super) fn read_listed(
    listed: Listed,
    beside: &dyn Files,
    parameters: &BTreeMap<String, String>,
    place: &Place,
    limits: Limits,
) -> Inputs {
    let mut inputs = Inputs::default();
    let reading = Reading { files: beside, parameters, place, limits };
    let mut claimed = BTreeSet::new();
    for (file, bytes) in listed {
        if claimed.contains(&file) {
            continue;
        }
        match bytes {
            Ok(bytes) => inputs.take(&file, &bytes, &reading, &mut claimed),
            Err(message) => inputs.unreadable.push(Unreadable { file: file.as_str().into(), at: None, message }),
        }
    }
    inputs
}

impl Inputs {
    fn take(&mut self, file: &str, bytes: &[u8], reading: &Reading<'_>, claimed: &mut BTreeSet<String>) {
        match Document::read(file, bytes, &reading.limits) {
            Ok(document) => match format_of(&document) {
                Some(format) => {
                    let parsed = format.read(document, reading);
                    self.groups.extend(parsed.groups);
                    self.documents.extend(parsed.documents);
                    self.unreadable.extend(parsed.unreadable);
                    self.notices.extend(parsed.notices);
                    claimed.extend(parsed.claimed);
                }
                None => self.ignored += 1,
            },
            Err(unreadable) if mentions_delivery(&String::from_utf8_lossy(bytes)) => self.unreadable.push(unreadable),
            Err(_) => self.ignored += 1,
        }
    }
}

/// Files with their bytes, or why they cannot be read.
pub(super) type Listed = Vec<(String, Result<Vec<u8>, String>)>;

/// All files that paths mean.
pub(super) fn files(paths: &[String]) -> Result<Listed, Failure> {
    let here = [".".to_owned()];
    let mut found: BTreeMap<String, Result<Vec<u8>, String>> = BTreeMap::new();
    for path in if paths.is_empty() { &here } else { paths } {
        if path == "-" {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes).map_err(|error| error.to_string());
            found.insert("stdin".to_owned(), read.map(|_| bytes));
        } else if Path::new(path).is_dir() {
            for entry in walkdir::WalkDir::new(path).sort_by_file_name().into_iter().flatten() {
                if entry.file_type().is_file() {
                    let file = named(entry.path());
                    let bytes = Disk.read(&file);
                    found.insert(file, bytes);
                }
            }
        } else if Path::new(path).exists() {
            let file = named(Path::new(path));
            let bytes = Disk.read(&file);
            found.insert(file, bytes);
        } else {
            return Err(Failure::usage(format!("{path} does not exist")));
        }
    }
    Ok(found.into_iter().collect())
}
