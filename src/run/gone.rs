//! What the run before had and this one has not, on the disk beside the spool.
//!
//! In: [`Gone`] records in the order of [`Finding::sort_key`](crate::finding::Finding::sort_key). Out: a compressed file
//! that every format streams from. It stands apart from the findings, so that a pass over the few that are gone does not
//! read all those that are there.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{RunError, SCHEMA_VERSION};
use crate::finding::Gone;
use crate::inventory::json_lines::{LineError, LinesReader, LinesWriter, PendingFile};

/// Name of the file; a run that was compared with none has it as well, with nothing in it.
pub const GONE: &str = "gone.spool.jsonl.gz";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    schema_version: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Record {
    Gone(Box<Gone>),
    End { gone: u64 },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum RecordRef<'a> {
    Gone(&'a Gone),
    End { gone: u64 },
}

/// Takes what is gone; the file appears when it is finished.
pub(super) struct GoneWriter {
    path: PathBuf,
    lines: LinesWriter<PendingFile>,
    gone: u64,
}

impl GoneWriter {
    pub(super) fn create(path: &Path) -> Result<Self, RunError> {
        let start = || {
            let mut lines = LinesWriter::new(PendingFile::create(path)?);
            lines.push(&Header { schema_version: SCHEMA_VERSION })?;
            Ok(lines)
        };
        Ok(Self { path: path.to_owned(), lines: start().map_err(RunError::not_writable(path))?, gone: 0 })
    }

    pub(super) fn push(&mut self, gone: &Gone) -> Result<(), RunError> {
        self.gone += 1;
        self.lines.push(&RecordRef::Gone(gone)).map_err(RunError::io("write", &self.path))
    }

    pub(super) fn finish(mut self) -> Result<(), RunError> {
        let end = RecordRef::End { gone: self.gone };
        let ended = self.lines.push(&end).and_then(|()| self.lines.finish()).and_then(PendingFile::keep);
        ended.map_err(RunError::io("write", &self.path))
    }
}

/// Reads it back, one record at a time.
pub(super) struct GoneReader {
    path: PathBuf,
    lines: LinesReader<File>,
    gone: u64,
    done: bool,
}

impl GoneReader {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file =
            File::open(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        let mut reader = Self { path: path.to_owned(), lines: LinesReader::new(file), gone: 0, done: false };
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

    fn step(&mut self) -> io::Result<Option<Gone>> {
        match self.lines.next_record::<Record>() {
            Ok(Some(Record::Gone(gone))) => {
                self.gone += 1;
                Ok(Some(*gone))
            }
            Ok(Some(Record::End { gone })) if gone == self.gone => {
                match self.lines.next_record::<serde_json::Value>() {
                    Ok(None) => Ok(None),
                    Ok(Some(_)) => Err(self.invalid("there is a line after the end record")),
                    Err(error) => Err(self.failed(error)),
                }
            }
            Ok(Some(Record::End { gone })) => {
                Err(self.invalid(&format!("the end record counts {gone}, but there are {}", self.gone)))
            }
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

impl Iterator for GoneReader {
    type Item = io::Result<Gone>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step();
        self.done = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}
