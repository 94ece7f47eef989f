//! An archive in a folder: a copy of a trail's bucket, or just log files at any depth.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::objects::{ArchiveObjects, KeyRange, Opened};
use crate::inventory::GapCause;

/// The most of a signature file that is read; a signature of the longest key is 2 KB of hexadecimal digits.
const LONGEST_SIGNATURE: u64 = 16 * 1024;

/// A folder. Links are not followed out of it, and files beside the log files do not matter.
///
/// S3 keeps a digest's signature in the object's metadata, which a copy of the file does not have: the text of
/// `x-amz-meta-signature` is looked for in a file with the digest's name and `.signature` behind it.
#[derive(Debug, Clone)]
pub struct ArchiveFolder {
    root: PathBuf,
}

impl ArchiveFolder {
    /// Of a path.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

impl ArchiveObjects for ArchiveFolder {
    fn place(&self) -> String {
        self.root.display().to_string()
    }

    fn folders(&self, prefix: &str) -> Result<Vec<String>, GapCause> {
        let path = self.root.join(prefix);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(&path, &error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&path, &error))?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn keys(&self, range: KeyRange<'_>) -> Result<Vec<String>, GapCause> {
        let mut keys = Vec::new();
        let mut folders = vec![(self.root.clone(), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            for entry in fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))? {
                let entry = entry.map_err(|error| unreadable(&folder, &error))?;
                let key = format!("{prefix}{}", entry.file_name().to_string_lossy());
                let kind = entry.file_type().map_err(|error| unreadable(&entry.path(), &error))?;
                if kind.is_dir() {
                    folders.push((entry.path(), format!("{key}/")));
                } else if range.contains(&key) {
                    keys.push(key);
                }
            }
        }
        keys.sort();
        Ok(keys)
    }

    fn open(&self, key: &str) -> Result<Opened, GapCause> {
        let path = self.root.join(key);
        let file = File::open(&path).map_err(|error| unreadable(&path, &error))?;
        let mut beside = path.into_os_string();
        beside.push(".signature");
        let mut signature = String::new();
        let read = File::open(&beside).and_then(|file| file.take(LONGEST_SIGNATURE).read_to_string(&mut signature));
        Ok(Opened { body: Box::new(file), signature: read.is_ok().then(|| signature.trim().to_owned()) })
    }

    fn is_loose(&self) -> bool {
        true
    }
}

fn unreadable(path: &Path, error: &io::Error) -> GapCause {
    let message = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied => GapCause::AccessDenied { message },
        _ => GapCause::Endpoint { message },
    }
}
