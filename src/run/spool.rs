//! All findings of a run, in order, on the disk.
//!
//! In: findings account by account. Out: a compressed file that every format streams from, as often as it wants, so that
//! the findings of a whole organization never have to fit in memory.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::gone::{GONE, GoneReader};
use super::{RunError, SCHEMA_VERSION};
use crate::finding::Finding;
use crate::inventory::json_lines::{LineError, LinesReader, LinesWriter, PendingFile};
use crate::report::{Counts, FindingPass, FindingSource, GonePass};

/// Name of the file.
pub const SPOOL: &str = "findings.spool.jsonl.gz";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    schema_version: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Record {
    Finding(Box<Finding>),
    End(End),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum RecordRef<'a> {
    Finding(&'a Finding),
    End(&'a End),
}

#[derive(Serialize, Deserialize)]
struct End {
    findings: u64,
    counts: Counts,
}

/// Takes findings in the order of [`Finding::sort_key`]; the file appears when it is finished.
pub struct FindingSpoolWriter {
    path: PathBuf,
    lines: LinesWriter<PendingFile>,
    findings: u64,
    counts: Counts,
    last: Option<Finding>,
}

impl FindingSpoolWriter {
    pub(super) fn create(path: &Path) -> Result<Self, RunError> {
        let failed = RunError::not_writable(path);
        let start = || {
            let mut lines = LinesWriter::new(PendingFile::create(path)?);
            lines.push(&Header { schema_version: SCHEMA_VERSION })?;
            Ok(lines)
        };
        let lines = start().map_err(failed)?;
        Ok(Self { path: path.to_owned(), lines, findings: 0, counts: Counts::default(), last: None })
    }

    /// Adds one finding.
    ///
    /// # Errors
    /// [`RunError::Order`] if it does not sort behind the one before it, [`RunError::Io`] if the disk refuses.
    pub fn push(&mut self, finding: Finding) -> Result<(), RunError> {
        if self.last.as_ref().is_some_and(|last| last.sort_key() >= finding.sort_key()) {
            return Err(RunError::Order {
                id: finding.id,
                control: finding.control,
                resource: finding.resource.uid.to_string(),
            });
        }
        self.lines.push(&RecordRef::Finding(&finding)).map_err(RunError::io("write", &self.path))?;
        self.findings += 1;
        self.counts.add(&finding);
        self.last = Some(finding);
        Ok(())
    }

    /// Adds the findings of one account, sorted; accounts come in order too.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn append(&mut self, findings: impl IntoIterator<Item = Finding>) -> Result<(), RunError> {
        findings.into_iter().try_for_each(|finding| self.push(finding))
    }

    /// Ends the spool and gives the file its name.
    ///
    /// # Errors
    /// [`RunError::Io`] if the disk refuses.
    pub fn finish(mut self) -> Result<FindingSpool, RunError> {
        let end = End { findings: self.findings, counts: self.counts };
        self.lines
            .push(&RecordRef::End(&end))
            .and_then(|()| self.lines.finish())
            .and_then(PendingFile::keep)
            .map_err(RunError::io("write", &self.path))?;
        Ok(FindingSpool { path: self.path, counts: end.counts })
    }
}

/// The findings of a run, read from the disk each time they are asked for.
#[derive(Debug, Clone)]
pub struct FindingSpool {
    path: PathBuf,
    counts: Counts,
}

impl FindingSpool {
    /// Opens a finished spool and reads it through once, so that a damaged one is found before a report begins.
    ///
    /// # Errors
    /// [`RunError`] if it is missing, damaged or in another version's shape.
    pub(super) fn open(path: &Path) -> Result<Self, RunError> {
        let invalid = |error: io::Error| RunError::Invalid {
            path: path.to_owned(),
            problem: format!("cannot be read: {error}"),
            hint: "delete it and evaluate again",
        };
        let mut findings = SpoolReader::open(path).map_err(invalid)?;
        findings.by_ref().try_for_each(|finding| finding.map(drop)).map_err(invalid)?;
        let spool = Self { path: path.to_owned(), counts: findings.counts };
        spool.gone().and_then(|mut gone| gone.try_for_each(|gone| gone.map(drop))).map_err(invalid)?;
        Ok(spool)
    }

    /// A spool of which nothing is read, for what stands beside it.
    pub(super) fn unread(path: &Path) -> Self {
        Self { path: path.to_owned(), counts: Counts::default() }
    }

    /// All findings counted.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl FindingSource for FindingSpool {
    fn findings(&self) -> io::Result<FindingPass<'_>> {
        Ok(Box::new(SpoolReader::open(&self.path)?.map(|finding| finding.map(Arc::new))))
    }

    fn gone(&self) -> io::Result<GonePass<'_>> {
        match GoneReader::open(&self.path.with_file_name(GONE)) {
            Ok(gone) => Ok(Box::new(gone)),
            // A run that was never put among others has no such file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Box::new(std::iter::empty())),
            Err(error) => Err(error),
        }
    }
}

struct SpoolReader {
    path: PathBuf,
    lines: LinesReader<File>,
    findings: u64,
    counts: Counts,
    done: bool,
}

impl SpoolReader {
    fn open(path: &Path) -> io::Result<Self> {
        let file =
            File::open(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        let mut reader = Self {
            path: path.to_owned(),
            lines: LinesReader::new(file),
            findings: 0,
            counts: Counts::default(),
            done: false,
        };
        match reader.lines.next_record::<Header>() {
            Ok(Some(header)) if header.schema_version == SCHEMA_VERSION => Ok(reader),
            Ok(Some(header)) => {
                let (found, ours) = (header.schema_version, SCHEMA_VERSION);
                Err(reader.invalid(&format!("schema version {found}, but this pipewarden reads version {ours}")))
            }
            Ok(None) => Err(reader.invalid("the file ends in the middle")),
            Err(error) => Err(reader.failed(error)),
        }
    }

    fn step(&mut self) -> io::Result<Option<Finding>> {
        match self.lines.next_record::<Record>() {
            Ok(Some(Record::Finding(finding))) => {
                self.findings += 1;
                Ok(Some(*finding))
            }
            Ok(Some(Record::End(end))) if end.findings == self.findings => {
                self.counts = end.counts;
                match self.lines.next_record::<serde_json::Value>() {
                    Ok(None) => Ok(None),
                    Ok(Some(_)) => Err(self.invalid("there is a line after the end record")),
                    Err(error) => Err(self.failed(error)),
                }
            }
            Ok(Some(Record::End(end))) => Err(self
                .invalid(&format!("the end record counts {} findings, but there are {}", end.findings, self.findings))),
            Ok(None) => Err(self.invalid("the file ends without its end record")),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn invalid(&self, problem: &str) -> io::Error {
        let text = format!("{} line {}: {problem}", self.path.display(), self.lines.line_number());
        io::Error::new(io::ErrorKind::InvalidData, text)
    }

    fn failed(&self, error: LineError) -> io::Error {
        match error {
            LineError::Io(error) => error,
            damage => self.invalid(&damage.to_string()),
        }
    }
}

impl Iterator for SpoolReader {
    type Item = io::Result<Finding>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step();
        self.done = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}
