//! An inventory as a file of compressed JSON Lines.
//!
//! In: an [`Inventory`] and the account it is of. Out: a header line, one line per resource, gap, reference, line of the
//! ledger and skip, and an end record with their counts, so that a file that was cut off is never taken for a small
//! account. Reading streams: one record is in memory at a time.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::json_lines::{LineError, LinesReader, LinesWriter, PendingFile};
use super::{AccountId, CallCounts, CoverageKey, Gap, Inventory, Reference, Resource, SCHEMA_VERSION, Skip};

/// An inventory file that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum InventoryFileError {
    /// The disk refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `write` or `read`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file ends before its end record.
    #[error(
        "{} ends at line {line} without its end record, so it was cut off; delete it and collect this account again",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The line that is missing or cut.
        line: u64,
    },
    /// The file is damaged or was written by something else.
    #[error("{} line {line}: {problem}; {hint}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Line, from one.
        line: u64,
        /// What is wrong.
        problem: String,
        /// How to mend it.
        hint: &'static str,
    },
    /// The file is in another version's shape.
    #[error(
        "{} has schema version {found}, but this pipewarden reads version {SCHEMA_VERSION}; \
         collect again, or use the pipewarden that wrote it",
        path.display()
    )]
    SchemaVersion {
        /// The file.
        path: PathBuf,
        /// The version it says.
        found: u64,
    },
}

const DAMAGED: &str = "the file is damaged, delete it and collect this account again";
const NOT_OURS: &str = "this is not an inventory that pipewarden wrote, check the path";

/// First line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Shape of the lines that follow.
    pub schema_version: u32,
    /// Version of the pipewarden that wrote it.
    pub tool_version: String,
    /// The account it is of; none for the organization itself.
    pub account: Option<AccountId>,
}

/// Read first and alone: a later version may have another header.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionOnly {
    schema_version: u64,
}

/// One line after the header; its only key says what kind it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Record {
    /// A resource.
    Resource(Resource),
    /// Something that could not be seen.
    Gap(Gap),
    /// Something that is named here and may live elsewhere.
    Reference(Reference),
    /// A line of the ledger of calls.
    Coverage(CoverageRow),
    /// Something left out on purpose.
    Skip(Skip),
    /// The last line.
    End(End),
}

/// A line of the ledger of calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageRow {
    /// Where and what.
    pub key: CoverageKey,
    /// How many, and how they ended.
    pub counts: CallCounts,
}

/// How many records of each kind stand before the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Resources.
    pub resources: u64,
    /// Gaps.
    pub gaps: u64,
    /// References.
    pub references: u64,
    /// Lines of the ledger.
    pub coverage: u64,
    /// Skips.
    pub skipped: u64,
}

impl End {
    fn count(&mut self, record: &Record) {
        match record {
            Record::Resource(_) => self.resources += 1,
            Record::Gap(_) => self.gaps += 1,
            Record::Reference(_) => self.references += 1,
            Record::Coverage(_) => self.coverage += 1,
            Record::Skip(_) => self.skipped += 1,
            Record::End(_) => {}
        }
    }
}

/// The same lines as [`Record`], borrowed, so that writing copies nothing.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum RecordRef<'a> {
    Resource(&'a Resource),
    Gap(&'a Gap),
    Reference(&'a Reference),
    Coverage { key: &'a CoverageKey, counts: &'a CallCounts },
    Skip(&'a Skip),
    End(End),
}

/// Writes `inventory` to `path`: under a temporary name first, so that nobody ever sees half of it.
///
/// # Errors
/// [`InventoryFileError::Io`] if the folder is missing or the disk refuses; `path` is then untouched.
pub fn write(path: &Path, account: Option<&AccountId>, inventory: &Inventory) -> Result<(), InventoryFileError> {
    let failed = |source| InventoryFileError::Io { action: "write", path: path.to_owned(), source };
    let pending = PendingFile::create(path).map_err(failed)?;
    encode(pending, account, inventory).and_then(PendingFile::keep).map_err(failed)
}

/// Writes `inventory` into any writer and gives the writer back.
///
/// # Errors
/// Whatever the writer answers.
pub fn encode<W: Write>(out: W, account: Option<&AccountId>, inventory: &Inventory) -> io::Result<W> {
    let mut lines = LinesWriter::new(out);
    lines.push(&Header {
        schema_version: SCHEMA_VERSION,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        account: account.cloned(),
    })?;
    let mut end = End {
        resources: inventory.resources.len() as u64,
        gaps: inventory.gaps.len() as u64,
        references: inventory.references.len() as u64,
        coverage: 0,
        skipped: inventory.coverage.skipped.len() as u64,
    };
    for resource in &inventory.resources {
        lines.push(&RecordRef::Resource(resource))?;
    }
    for gap in &inventory.gaps {
        lines.push(&RecordRef::Gap(gap))?;
    }
    for reference in &inventory.references {
        lines.push(&RecordRef::Reference(reference))?;
    }
    for (key, counts) in inventory.coverage.rows() {
        lines.push(&RecordRef::Coverage { key, counts })?;
        end.coverage += 1;
    }
    for skip in &inventory.coverage.skipped {
        lines.push(&RecordRef::Skip(skip))?;
    }
    lines.push(&RecordRef::End(end))?;
    lines.finish()
}

/// Reads a whole inventory.
///
/// # Errors
/// [`InventoryFileError`], with file and line.
pub fn read(path: &Path) -> Result<Inventory, InventoryFileError> {
    let mut inventory = Inventory::default();
    for record in InventoryReader::open(path)? {
        match record? {
            Record::Resource(resource) => inventory.resources.push(resource),
            Record::Gap(gap) => inventory.gaps.push(gap),
            Record::Reference(reference) => inventory.references.push(reference),
            Record::Coverage(row) => inventory.coverage.add(row.key, row.counts),
            Record::Skip(skip) => inventory.coverage.skipped.push(skip),
            Record::End(_) => {}
        }
    }
    Ok(inventory)
}

/// The records of an inventory file, one at a time; the end record is checked and not handed out.
#[derive(Debug)]
pub struct InventoryReader<R> {
    path: PathBuf,
    lines: LinesReader<R>,
    header: Header,
    seen: End,
    done: bool,
}

impl InventoryReader<File> {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// [`InventoryFileError`] if the file is missing, in another version's shape, or no inventory.
    pub fn open(path: &Path) -> Result<Self, InventoryFileError> {
        let file = File::open(path).map_err(|source| InventoryFileError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        Self::new(path, file)
    }
}

impl<R: Read> InventoryReader<R> {
    /// Reads the header from `input`; `path` is what errors call it.
    ///
    /// # Errors
    /// [`InventoryFileError`] if it is in another version's shape or no inventory.
    pub fn new(path: &Path, input: R) -> Result<Self, InventoryFileError> {
        let mut lines = LinesReader::new(input);
        let invalid =
            |problem: String| InventoryFileError::Invalid { path: path.to_owned(), line: 1, problem, hint: NOT_OURS };
        let first = match lines.next_record::<serde_json::Value>() {
            Ok(Some(first)) => first,
            Ok(None) | Err(LineError::Truncated) => {
                return Err(InventoryFileError::Truncated { path: path.to_owned(), line: 1 });
            }
            Err(LineError::Corrupt(problem)) => return Err(invalid(problem)),
            Err(LineError::Io(source)) => {
                return Err(InventoryFileError::Io { action: "read", path: path.to_owned(), source });
            }
        };
        let version: VersionOnly =
            serde_json::from_value(first.clone()).map_err(|_| invalid("no header with a schemaVersion".to_owned()))?;
        if version.schema_version != u64::from(SCHEMA_VERSION) {
            return Err(InventoryFileError::SchemaVersion { path: path.to_owned(), found: version.schema_version });
        }
        let header = serde_json::from_value(first).map_err(|error| invalid(format!("header: {error}")))?;
        Ok(Self { path: path.to_owned(), lines, header, seen: End::default(), done: false })
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    fn step(&mut self) -> Result<Option<Record>, InventoryFileError> {
        let record = match self.lines.next_record::<Record>() {
            Ok(Some(record)) => record,
            Ok(None) => return Err(self.truncated()),
            Err(error) => return Err(self.failed(error)),
        };
        let Record::End(expected) = record else {
            self.seen.count(&record);
            return Ok(Some(record));
        };
        if expected != self.seen {
            return Err(self.invalid(format!("the end record counts {expected:?}, but there are {:?}", self.seen)));
        }
        match self.lines.next_record::<serde_json::Value>() {
            Ok(None) => Ok(None),
            Ok(Some(_)) => Err(self.invalid("there is a line after the end record".to_owned())),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn truncated(&self) -> InventoryFileError {
        InventoryFileError::Truncated { path: self.path.clone(), line: self.lines.line_number() }
    }

    fn invalid(&self, problem: String) -> InventoryFileError {
        InventoryFileError::Invalid { path: self.path.clone(), line: self.lines.line_number(), problem, hint: DAMAGED }
    }

    fn failed(&self, error: LineError) -> InventoryFileError {
        match error {
            LineError::Truncated => self.truncated(),
            LineError::Corrupt(problem) => self.invalid(problem),
            LineError::Io(source) => InventoryFileError::Io { action: "read", path: self.path.clone(), source },
        }
    }
}

impl<R: Read> Iterator for InventoryReader<R> {
    type Item = Result<Record, InventoryFileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step();
        self.done = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Affects, GapCause, Outcome, Region, TypeName};

    fn account() -> AccountId {
        "111111111111".parse().unwrap()
    }

    fn sample() -> Inventory {
        let region: Region = "eu-central-1".parse().unwrap();
        let gap = Gap {
            account: account(),
            region: region.clone(),
            service: "codebuild".to_owned(),
            action: "codebuild:ListProjects".to_owned(),
            cause: GapCause::Throttled { attempts: 4 },
            affects: Affects::Types { types: vec![TypeName::PROJECT] },
        };
        let mut pipeline = Resource::live(
            TypeName::PIPELINE,
            "arn:aws:codepipeline:eu-central-1:111111111111:web".to_owned(),
            account(),
            region.clone(),
        );
        pipeline.properties.insert("Name".to_owned(), "line\nbreak \u{1b}[31m".into());
        pipeline.unseen.insert("Tags".to_owned(), gap.clone());
        let mut inventory = Inventory {
            resources: vec![pipeline],
            gaps: vec![gap],
            references: vec![Reference {
                type_name: TypeName::BUCKET,
                name: "artifacts".to_owned(),
                account: account(),
                region: region.clone(),
            }],
            ..Inventory::default()
        };
        let key = CoverageKey {
            account: account(),
            region: region.clone(),
            service: "codebuild".to_owned(),
            action: "ListProjects".to_owned(),
        };
        inventory.coverage.record(key.clone(), Outcome::Ok);
        inventory.coverage.record(key, Outcome::Throttled);
        inventory.coverage.skipped.push(Skip { account: account(), region, reason: "Region is off".to_owned() });
        inventory
    }

    fn lines_of(bytes: &[u8]) -> Vec<serde_json::Value> {
        let mut reader = LinesReader::new(bytes);
        std::iter::from_fn(|| reader.next_record().unwrap()).collect()
    }

    fn packed(lines: &[serde_json::Value]) -> Vec<u8> {
        let mut writer = LinesWriter::new(Vec::new());
        for line in lines {
            writer.push(line).unwrap();
        }
        writer.finish().unwrap()
    }

    fn read_bytes(bytes: &[u8]) -> Result<Vec<Record>, InventoryFileError> {
        InventoryReader::new(Path::new("some.jsonl.gz"), bytes)?.collect()
    }

    #[test]
    fn everything_comes_back_and_the_bytes_are_always_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inventory.jsonl.gz");
        write(&path, Some(&account()), &sample()).unwrap();
        let first = std::fs::read(&path).unwrap();
        assert_eq!(read(&path).unwrap(), sample());
        write(&path, Some(&account()), &sample()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(InventoryReader::open(&path).unwrap().header().account, Some(account()));
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error() {
        let bytes = encode(Vec::new(), None, &sample()).unwrap();
        for length in 0..bytes.len() {
            let error = read_bytes(bytes.get(..length).unwrap()).unwrap_err();
            assert!(matches!(error, InventoryFileError::Truncated { .. }), "cut at {length}: {error}");
        }
    }

    #[test]
    fn a_flipped_byte_is_an_error() {
        let bytes = encode(Vec::new(), None, &sample()).unwrap();
        // Bytes 4 to 9 are gzip's time, level and system: they carry nothing of ours.
        for place in (0..4).chain(10..bytes.len()) {
            let mut damaged = bytes.clone();
            *damaged.get_mut(place).unwrap() ^= 0x40;
            if let Ok(records) = read_bytes(&damaged) {
                panic!("byte {place} flipped, and still {records:?}");
            }
        }
    }

    #[test]
    fn a_cleanly_packed_file_without_its_end_or_with_fewer_lines_is_an_error() {
        let lines = lines_of(&encode(Vec::new(), None, &sample()).unwrap());
        let without_end = packed(lines.get(..lines.len() - 1).unwrap());
        let error = read_bytes(&without_end).unwrap_err();
        assert!(error.to_string().contains("without its end record"), "{error}");
        let mut fewer = lines.clone();
        fewer.remove(1);
        let error = read_bytes(&packed(&fewer)).unwrap_err().to_string();
        assert!(error.contains("some.jsonl.gz line 6") && error.contains("collect this account again"), "{error}");
        let mut more = lines.clone();
        more.push(lines.get(1).unwrap().clone());
        assert!(read_bytes(&packed(&more)).unwrap_err().to_string().contains("after the end record"));
    }

    #[test]
    fn a_wrong_version_says_both_versions() {
        let bytes = packed(&[serde_json::json!({"schemaVersion": 99, "whatever": true})]);
        let error = read_bytes(&bytes).unwrap_err().to_string();
        assert!(error.contains("schema version 99") && error.contains("reads version 1"), "{error}");
    }

    #[test]
    fn something_else_is_no_inventory() {
        for bytes in [b"plain text".to_vec(), packed(&[serde_json::json!(["a", "b"])])] {
            let error = read_bytes(&bytes).unwrap_err().to_string();
            assert!(error.contains("line 1"), "{error}");
        }
        let error = read(Path::new("/nonexistent/inventory.jsonl.gz")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read /nonexistent/inventory.jsonl.gz"), "{error}");
    }

    #[test]
    fn writing_into_a_missing_folder_fails_and_says_where() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("inventory.jsonl.gz");
        let error = write(&path, None, &sample()).unwrap_err().to_string();
        assert!(error.contains("cannot write") && error.contains("missing"), "{error}");
    }
}
