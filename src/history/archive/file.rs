//! One file of an archive: opened, inflated, and its wanted events read.

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ring::digest::{Context, SHA256};

use super::objects::ArchiveObjects;
use super::scan::{Limits, ScanError, scan};
use super::wanted::Wanted;
use crate::history::{EVENTS, Event};
use crate::inventory::GapCause;

/// Bytes of a gzip file that are read at once.
const PIECE: usize = 64 * 1024;

/// The first bytes of gzip.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// What was read of a log file.
#[derive(Debug, Default)]
pub(super) struct LogFile {
    pub(super) events: Vec<Event>,
    /// What could not be read.
    pub(super) problems: Vec<GapCause>,
    /// SHA-256 of the inflated bytes in hexadecimal digits, if it was asked for and the file could be read to its end.
    pub(super) hash: Option<String>,
}

/// The wanted events, as the scanner wants them.
pub(super) fn wanted() -> Wanted {
    Wanted::new(EVENTS.iter().map(|event| (event.source, event.name)))
}

/// What is needed to read log files, shared by all threads.
pub(super) struct Reader<'a> {
    pub(super) objects: &'a dyn ArchiveObjects,
    pub(super) wanted: Wanted,
    pub(super) limits: Limits,
    /// Whether hashes are wanted.
    pub(super) hashes: bool,
}

impl Reader<'_> {
    /// Reads a log file; events that `keep` refuses are left out.
    pub(super) fn read(&self, key: &str, buffer: &mut Vec<u8>, keep: &dyn Fn(&Event) -> bool) -> LogFile {
        let mut file = LogFile::default();
        let opened = match self.objects.open(key) {
            Ok(opened) => opened,
            Err(cause) => {
                file.problems.push(cause);
                return file;
            }
        };
        let hash = RefCell::new(self.hashes.then(|| Context::new(&SHA256)));
        let source = Hashed { source: inflated(opened.body), hash: &hash };
        let (mut broken, mut first) = (0_u64, None);
        let outcome = scan(source, buffer, &self.wanted, self.limits, &mut |record| match Event::from_json(record) {
            Ok(event) if crate::history::is_wanted(&event.source, &event.name) && keep(&event) => {
                file.events.push(event);
            }
            Ok(_) => {}
            Err(error) => {
                broken += 1;
                first.get_or_insert(error);
            }
        });
        if let Some(error) = first {
            file.problems.push(GapCause::Malformed {
                message: format!("{broken} records cannot be read, the first because {error}"),
            });
        }
        match outcome {
            Ok(()) => file.hash = hash.into_inner().map(|hash| crate::inventory::hex(hash.finish().as_ref())),
            Err(error @ ScanError::Read { .. }) => {
                file.problems.push(GapCause::Endpoint { message: error.to_string() });
            }
            Err(error) => file.problems.push(GapCause::Malformed { message: error.to_string() }),
        }
        file
    }
}

/// The bytes, inflated if they are gzip, whatever the name says.
pub(super) fn inflated(body: Box<dyn Read + Send>) -> impl Read {
    let mut body = BufReader::with_capacity(PIECE, body);
    // An error comes again when it is read.
    let gzip = body.fill_buf().is_ok_and(|begin| begin.starts_with(GZIP));
    if gzip { Inflated::Gzip(Box::new(MultiGzDecoder::new(body))) } else { Inflated::Plain(body) }
}

enum Inflated<R> {
    Gzip(Box<MultiGzDecoder<R>>),
    Plain(R),
}

impl<R: BufRead> Read for Inflated<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(source) => source.read(room),
            Self::Plain(source) => source.read(room),
        }
    }
}

/// Hashes what passes.
struct Hashed<'h, R> {
    source: R,
    hash: &'h RefCell<Option<Context>>,
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(room)?;
        if let Some(hash) = self.hash.borrow_mut().as_mut() {
            hash.update(room.get(..count).unwrap_or_default());
        }
        Ok(count)
    }
}
