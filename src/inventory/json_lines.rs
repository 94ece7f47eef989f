//! Compressed JSON Lines, and files that appear whole or not at all.
//!
//! In: serialisable records, one at a time. Out: gzip bytes that are the same for the same records, and back again one
//! record at a time, so that no file has to fit in memory. It stands below [`super::file`] because findings are spooled
//! in the same way as inventories.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest line that is written or read: far above any resource, and a bound for a file that lies.
const LONGEST_LINE: u64 = 64 * 1024 * 1024;
/// "Unknown", so that the bytes do not tell on which operating system they were written.
const NO_OPERATING_SYSTEM: u8 = 255;
const PARTIAL: &str = ".partial";
/// Reports are written in pieces of this size: a gigabyte in eight-kilobyte pieces is a hundred thousand calls.
const WRITTEN_AT_ONCE: usize = 64 * 1024;

/// A file under a temporary name beside its target; it takes the target's name when it is kept and vanishes otherwise.
#[derive(Debug)]
pub struct PendingFile {
    writer: BufWriter<File>,
    place: CompleteFile,
}

/// A [`PendingFile`] whose bytes are on the disk; it holds no open file, so there may be thousands of them.
#[derive(Debug)]
pub struct CompleteFile {
    target: PathBuf,
    temporary: PathBuf,
    kept: bool,
}

impl PendingFile {
    /// Starts a file that will stand at `target`. The folder must exist.
    ///
    /// # Errors
    /// If the temporary file cannot be created.
    pub fn create(target: &Path) -> io::Result<Self> {
        let name = target.file_name().ok_or_else(|| io::Error::other("the path names no file"))?;
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(PARTIAL);
        let temporary = target.with_file_name(hidden);
        let writer = BufWriter::with_capacity(WRITTEN_AT_ONCE, File::create(&temporary)?);
        Ok(Self { writer, place: CompleteFile { target: target.to_owned(), temporary, kept: false } })
    }

    /// Brings everything written to the disk and closes the file; it still has its temporary name.
    ///
    /// # Errors
    /// Whatever the disk answers.
    pub fn complete(mut self) -> io::Result<CompleteFile> {
        self.writer.flush()?;
        self.writer.get_ref().sync_all()?;
        Ok(self.place)
    }

    /// Gives the file its name, replacing an older file of that name.
    ///
    /// # Errors
    /// If the bytes do not reach the disk or the name cannot be given; the older file is then still there.
    pub fn keep(self) -> io::Result<()> {
        self.complete()?.keep()
    }

    /// Whether `name` is one that a process left behind when it was killed.
    #[must_use]
    pub fn is_leftover(name: &str) -> bool {
        name.starts_with('.') && name.ends_with(PARTIAL)
    }
}

impl Write for PendingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl CompleteFile {
    /// Gives the file its name, replacing an older file of that name.
    ///
    /// # Errors
    /// If the name cannot be given; the older file is then still there.
    pub fn keep(mut self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.target)?;
        self.kept = true;
        sync_folder_of(&self.target)
    }

    /// Where it will stand.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }
}

impl Drop for CompleteFile {
    fn drop(&mut self) {
        if !self.kept {
            // Nobody is left to tell; a leftover is recognised by its name and removed by the next run.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// A rename is on the disk only once its folder is.
///
/// # Errors
/// Whatever the disk answers.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    if cfg!(unix)
        && let Some(folder) = path.parent()
    {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        return File::open(folder)?.sync_all();
    }
    Ok(())
}

/// Writes records as compressed JSON Lines.
pub struct LinesWriter<W: Write> {
    out: GzEncoder<W>,
    line: Vec<u8>,
}

impl<W: Write> LinesWriter<W> {
    /// Starts with nothing written but what gzip needs.
    pub fn new(out: W) -> Self {
        let out = GzBuilder::new().mtime(0).operating_system(NO_OPERATING_SYSTEM).write(out, Compression::default());
        Self { out, line: Vec::new() }
    }

    /// Writes one record as one line.
    ///
    /// # Errors
    /// If the record cannot be JSON, is too long, or the writer fails.
    pub fn push<T: Serialize + ?Sized>(&mut self, record: &T) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, record)?;
        self.line.push(b'\n');
        if self.line.len() as u64 > LONGEST_LINE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a single record is longer than 64 MiB"));
        }
        self.out.write_all(&self.line)
    }

    /// Ends the compressed stream and gives the writer back.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn finish(self) -> io::Result<W> {
        self.out.finish()
    }
}

/// Why a line could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The bytes end in the middle.
    #[error("the file ends in the middle")]
    Truncated,
    /// The bytes are not what a pipewarden wrote.
    #[error("{0}")]
    Corrupt(String),
    /// The disk failed.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for LineError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Self::Corrupt(error.to_string()),
            _ => Self::Io(error),
        }
    }
}

/// Reads compressed JSON Lines one record at a time.
#[derive(Debug)]
pub struct LinesReader<R> {
    input: BufReader<GzDecoder<BufReader<R>>>,
    line: Vec<u8>,
    number: u64,
}

impl<R: Read> LinesReader<R> {
    /// Reads nothing yet.
    pub fn new(input: R) -> Self {
        Self { input: BufReader::new(GzDecoder::new(BufReader::new(input))), line: Vec::new(), number: 0 }
    }

    /// The number of the line that was read last, from one.
    #[must_use]
    pub fn line_number(&self) -> u64 {
        self.number
    }

    /// The next record; `None` at the end of an undamaged file.
    ///
    /// # Errors
    /// [`LineError`]; [`Self::line_number`] says where.
    pub fn next_record<T: DeserializeOwned>(&mut self) -> Result<Option<T>, LineError> {
        if !self.next_line()? {
            return Ok(None);
        }
        serde_json::from_slice(&self.line).map(Some).map_err(|error| LineError::Corrupt(error.to_string()))
    }

    fn next_line(&mut self) -> Result<bool, LineError> {
        self.line.clear();
        self.number += 1;
        let read = (&mut self.input).take(LONGEST_LINE + 1).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return self.nothing_follows().map(|()| false);
        }
        if self.line.last() == Some(&b'\n') {
            return Ok(true);
        }
        if read as u64 > LONGEST_LINE {
            return Err(LineError::Corrupt("the line is longer than 64 MiB".to_owned()));
        }
        Err(LineError::Truncated)
    }

    fn nothing_follows(&mut self) -> Result<(), LineError> {
        // The decoder stops at gzip's own end; bytes behind it were not written by pipewarden.
        if self.input.get_mut().get_mut().fill_buf()?.is_empty() {
            Ok(())
        } else {
            Err(LineError::Corrupt("there are bytes after the end of the compressed data".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(records: &[&str]) -> Vec<u8> {
        let mut writer = LinesWriter::new(Vec::new());
        for record in records {
            writer.push(record).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn the_same_records_are_the_same_bytes_and_come_back() {
        let bytes = written(&["a", "line\nbreak"]);
        assert_eq!(bytes, written(&["a", "line\nbreak"]));
        assert_eq!(bytes.get(4..8), Some(&[0, 0, 0, 0][..]), "gzip's modification time must not be the clock's");
        let mut reader = LinesReader::new(bytes.as_slice());
        assert_eq!(reader.next_record::<String>().unwrap().as_deref(), Some("a"));
        assert_eq!(reader.next_record::<String>().unwrap().as_deref(), Some("line\nbreak"));
        assert_eq!(reader.next_record::<String>().unwrap(), None);
    }

    #[test]
    fn every_cut_is_noticed() {
        let bytes = written(&["some", "records"]);
        for length in 0..bytes.len() {
            let mut reader = LinesReader::new(bytes.get(..length).unwrap());
            let mut result = reader.next_record::<String>();
            while let Ok(Some(_)) = result {
                result = reader.next_record::<String>();
            }
            assert!(matches!(result, Err(LineError::Truncated)), "cut at {length}: {result:?}");
        }
    }

    #[test]
    fn bytes_behind_the_end_are_noticed() {
        let mut bytes = written(&["a"]);
        bytes.extend_from_slice(b"more");
        let mut reader = LinesReader::new(bytes.as_slice());
        reader.next_record::<String>().unwrap();
        assert!(matches!(reader.next_record::<String>(), Err(LineError::Corrupt(_))));
    }

    #[test]
    fn a_file_that_is_not_kept_leaves_nothing_and_spares_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("file.txt");
        fs::write(&target, "old").unwrap();
        let mut pending = PendingFile::create(&target).unwrap();
        pending.write_all(b"new").unwrap();
        drop(pending);
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let mut pending = PendingFile::create(&target).unwrap();
        pending.write_all(b"new").unwrap();
        pending.keep().unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
