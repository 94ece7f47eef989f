//! The records of one log file that may be wanted, cut out of its bytes.
//!
//! In: the inflated bytes `{"Records":[{…},{…}]}`, in pieces. Out: the bytes of each record that has to be parsed. The
//! sweep for names is `memchr`'s; that a name stands where it counts, as a key of a record and not in a text or deeper
//! within, is told by counting brackets outside of strings. Neither the order of keys nor white space matters, and a
//! record is held whole only up to a limit, so memory does not grow with the file. Between wanted records the walk leaps
//! where the file is written as CloudTrail writes it: to a place that can only be a record's beginning if no array but
//! `Records` is open there. Where that is not so, every bracket is counted.
//!
//! Only the records that are handed out are checked to be JSON; of everything else, that its brackets are balanced.

mod arrays;
mod pieces;

use std::io::{self, Read};

use memchr::memrchr;

use self::arrays::Arrays;
use self::pieces::Pieces;
use super::structure::{BLOCK, Carry, Structure};
use super::sweep::{Marks, Sweep};
use super::wanted::{KEY, LOOK_AHEAD, Wanted};

/// How every record begins that CloudTrail writes, but the first. A bracket before a quote is in no string, unless what
/// follows the quote could follow a string's end; so wherever this stands in JSON, an object begins.
const BEGIN: &[u8] = b",{\"eventVersion\":";

/// From how far on the walk leaps to the next name.
const FAR: usize = 256;

/// Depths of brackets: in the file's object, in its array of records, in a record.
const FILE: u32 = 1;
const RECORDS: u32 = 2;
const RECORD: u32 = 3;

/// How much of a file is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Bytes of one record. CloudTrail's own limit is 256 KB, or 1 MB for trails that say so.
    pub(super) record: usize,
    /// Inflated bytes of a file.
    pub(super) file: u64,
    /// Bytes that are read and swept at once; more than a name and what is looked at behind it.
    pub(super) piece: usize,
    /// Bytes that are held before what they are is settled. The inflated bytes are still in the processor's cache then.
    pub(super) window: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { record: 8 << 20, file: 4 << 30, piece: 128 << 10, window: 256 << 10 }
    }
}

/// Why a file could not be read to its end, or is no log file. What was handed out before counts.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScanError {
    /// Reading or inflating failed.
    #[error("reading failed after {inflated} inflated bytes: {error}")]
    Read {
        /// What was read before.
        inflated: u64,
        /// Why.
        error: io::Error,
    },
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// Something else than a JSON object.
    #[error("the file is not a JSON object `{{\"Records\":[…]}}`")]
    NotALog,
    /// JSON, but no log file.
    #[error("the file has no array `Records`")]
    NoRecords,
    /// It ends within something.
    #[error("the file ends in the middle, after {inflated} inflated bytes: it was cut off")]
    CutOff {
        /// Length.
        inflated: u64,
    },
    /// More closing than opening brackets.
    #[error("the file is not JSON: brackets do not match")]
    Unbalanced,
    /// Too many bytes.
    #[error("the file inflates to more than {limit} bytes; the rest was not read")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// Wanted records that are larger than the limit.
    #[error("{count} wanted records of more than {limit} bytes were not read")]
    RecordsTooLarge {
        /// How many.
        count: u64,
        /// The limit.
        limit: usize,
    },
}

/// Hands each record of `source` to `found` that has to be parsed.
///
/// # Errors
/// [`ScanError`], after everything that could be read was handed out.
///
/// `buffer` is room to read into; what is in it does not matter, it is only not to be made anew for each file.
pub(super) fn scan(
    source: impl Read,
    buffer: &mut Vec<u8>,
    wanted: &Wanted,
    limits: Limits,
    found: &mut dyn FnMut(&[u8]),
) -> Result<(), ScanError> {
    let mut pieces = Pieces::new(source, buffer, limits);
    let mut walk = Walk { limits, ..Walk::default() };
    let sweep = Sweep::new(wanted);
    loop {
        pieces.fill();
        walk.ended = pieces.ended;
        if !walk.begun
            && let Err(error) = walk.begin(pieces.held())
        {
            return Err(pieces.failure().unwrap_or(error));
        }
        walk.advance(pieces.held(), &sweep, found)?;
        if pieces.ended {
            break;
        }
        let keep = if pieces.is_full() { walk.forget(pieces.held(), found)? } else { 0 };
        pieces.make_room(keep);
    }
    pieces.failure().map_or_else(|| walk.end(pieces.inflated), Err)
}

/// Where the walk through the brackets is. Positions are of the held bytes.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about where the walk is")]
struct Walk {
    limits: Limits,
    carry: Carry,
    depth: u32,
    /// The last place between two records; none is open where that is not known.
    arrays: Arrays,
    /// Everything before was walked through.
    walked: usize,
    /// Names before were looked for. Never before `walked`.
    swept: usize,
    /// Whether what no wanted name stands in may stay uncounted: the file begins as CloudTrail writes it.
    lazy: bool,
    /// In the value of `Records`.
    in_records: bool,
    /// Where the record begins that the walk is in.
    record: usize,
    /// Whether that record has to be parsed.
    flagged: bool,
    /// Whether the record's beginning was forgotten, because it grew too large.
    lost: bool,
    /// In the file's object: what follows may be a key.
    top: usize,
    begun: bool,
    ended: bool,
    seen_records: bool,
    too_large: u64,
}

impl Walk {
    /// Looks at how the file begins.
    fn begin(&mut self, held: &[u8]) -> Result<(), ScanError> {
        let text = held.strip_prefix(b"\xef\xbb\xbf").unwrap_or(held).trim_ascii_start();
        match text.first() {
            Some(b'{') => {
                self.begun = true;
                self.lazy = text.starts_with(b"{\"Records\":[");
                Ok(())
            }
            None if self.ended => Err(ScanError::Empty),
            // So much white space begins no log file.
            _ => Err(ScanError::NotALog),
        }
    }

    /// Looks for wanted names in what came new, and walks as far as they make it necessary.
    fn advance(&mut self, held: &[u8], sweep: &Sweep<'_>, found: &mut dyn FnMut(&[u8])) -> Result<(), ScanError> {
        // Names need room behind them, and only the end of the file may be no whole block.
        let end = if self.ended {
            held.len()
        } else {
            let room = held.len().saturating_sub(self.walked + KEY.len() + LOOK_AHEAD);
            self.walked + room / BLOCK * BLOCK
        };
        let begin = self.swept.max(self.walked);
        if end > begin {
            let mut marks = sweep.marks(held, begin, end);
            self.swept = end;
            self.walk(held, end, &mut marks, found)?;
        }
        if self.ended && self.walked < held.len() {
            // The end of a whole file; anything else is looked at closely.
            if !self.flagged && held.trim_ascii_end().ends_with(b"]}") {
                (self.depth, self.carry, self.seen_records) = (0, Carry::default(), true);
            } else {
                self.lazy = false;
                self.walk(held, held.len(), &mut Marks::none(), found)?;
            }
        }
        Ok(())
    }

    /// Walks to `end`, or until nothing more has to be known.
    fn walk(
        &mut self,
        held: &[u8],
        end: usize,
        marks: &mut Marks<'_>,
        found: &mut dyn FnMut(&[u8]),
    ) -> Result<(), ScanError> {
        let mut sight = Sight { held, found };
        let mut refused = None;
        'leaping: loop {
            if self.is_idle(marks.next, refused) {
                if marks.next == usize::MAX {
                    return Ok(());
                }
                refused = Some(marks.next);
                self.leap(end, marks, &mut sight)?;
            }
            let (blocks, rest) = held.get(self.walked..end).unwrap_or_default().as_chunks::<BLOCK>();
            for block in blocks {
                self.block(block, marks, &mut sight)?;
                if self.is_idle(marks.next, refused) {
                    continue 'leaping;
                }
            }
            if !rest.is_empty() {
                let mut last = [b' '; BLOCK];
                last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                self.block(&last, marks, &mut sight)?;
                self.walked = end;
            }
            return Ok(());
        }
    }

    /// Whether nothing has to be known of what comes until the `next` name, and that one is far enough to leap.
    fn is_idle(&self, next: usize, refused: Option<usize>) -> bool {
        let far = self.arrays.open > 0 && next > self.walked + FAR && refused != Some(next);
        self.lazy && !self.flagged && (next == usize::MAX || far)
    }

    /// Goes on at the beginning of the record that the next name stands in, if that can be told without a walk.
    fn leap(&mut self, end: usize, marks: &mut Marks<'_>, sight: &mut Sight<'_>) -> Result<(), ScanError> {
        let Some(begin) = self.last_record(sight.held, marks.next) else { return Ok(()) };
        // Blocks stay where they would be, so that only the last one is not whole.
        let outside = (begin - self.walked) % BLOCK;
        let at = begin - outside;
        let Some(whole) = sight.held.get(at..end).and_then(<[u8]>::first_chunk::<BLOCK>) else { return Ok(()) };
        let mut block = *whole;
        block.iter_mut().take(outside).for_each(|byte| *byte = b' ');
        self.enter(at);
        self.block(&block, marks, sight)
    }

    /// Where the last record begins of those that begin before `end`, further on than the walk.
    fn last_record(&mut self, held: &[u8], end: usize) -> Option<usize> {
        let text = held.get(self.walked..end)?;
        let mut rest = text;
        let comma = loop {
            let comma = memrchr(b'{', rest)?.checked_sub(1)?;
            if text.get(comma..).is_some_and(|text| text.starts_with(BEGIN)) {
                break comma;
            }
            rest = rest.get(..=comma)?;
        };
        let begin = self.walked + comma + 1;
        (self.arrays.at <= begin && self.arrays.advance(held, begin) && self.arrays.open == 1).then_some(begin)
    }

    /// Takes up the walk between two records.
    fn enter(&mut self, at: usize) {
        (self.walked, self.depth, self.carry) = (at, RECORDS, Carry::default());
        (self.flagged, self.lost) = (false, false);
    }

    #[inline]
    fn block(&mut self, block: &[u8; BLOCK], marks: &mut Marks<'_>, sight: &mut Sight<'_>) -> Result<(), ScanError> {
        let at = self.walked;
        self.walked += BLOCK;
        let named = marks.next < self.walked;
        let Some(structure) = self.carry.next(block, named) else { return Ok(()) };
        let (opens, closes) = (structure.opens.count_ones(), structure.closes.count_ones());
        if !named && self.depth >= RECORD + closes {
            self.depth = self.depth + opens - closes;
            return Ok(());
        }
        self.carefully(at, structure, marks, sight)
    }

    /// A block in which a record begins or ends, or that holds one of the names.
    fn carefully(
        &mut self,
        at: usize,
        structure: Structure,
        marks: &mut Marks<'_>,
        sight: &mut Sight<'_>,
    ) -> Result<(), ScanError> {
        let mut brackets = structure.opens | structure.closes;
        loop {
            let bracket = at + brackets.trailing_zeros() as usize;
            if marks.next < bracket.min(at + BLOCK) {
                self.name(marks.next - at, structure, marks);
                marks.step();
                continue;
            }
            if brackets == 0 {
                return Ok(());
            }
            let bit = brackets & brackets.wrapping_neg();
            brackets ^= bit;
            if structure.opens & bit == 0 {
                self.close(bracket, sight)?;
            } else {
                self.open(bracket, sight.held);
            }
        }
    }

    /// What may be a wanted name, `offset` bytes into the block: it counts as a record's own key, and where it may be one
    /// that is spelled with escapes.
    fn name(&mut self, offset: usize, structure: Structure, marks: &Marks<'_>) {
        let key = self.depth == RECORD && structure.quotes & structure.strings & (1 << offset) != 0;
        self.flagged |= self.in_records && self.depth >= RECORD && (key || !marks.is_key());
    }

    fn open(&mut self, at: usize, held: &[u8]) {
        if self.depth == FILE && held.get(at) == Some(&b'[') {
            self.in_records = is_after_records_key(held.get(self.top..at).unwrap_or_default());
            self.seen_records |= self.in_records;
            self.arrays = Arrays::new(at + 1, usize::from(self.in_records));
        }
        if self.depth == RECORDS {
            self.record = at;
            self.flagged = false;
            self.lost = false;
        }
        self.depth = self.depth.saturating_add(1);
    }

    fn close(&mut self, at: usize, sight: &mut Sight<'_>) -> Result<(), ScanError> {
        self.depth = self.depth.checked_sub(1).ok_or(ScanError::Unbalanced)?;
        if self.depth == RECORDS && self.in_records && self.flagged {
            if self.lost || at + 1 - self.record > self.limits.record {
                self.too_large += 1;
            } else {
                (sight.found)(sight.held.get(self.record..=at).unwrap_or_default());
            }
            self.flagged = false;
        }
        if self.depth == RECORDS && self.in_records {
            self.arrays = Arrays::new(at + 1, 1);
        }
        if self.depth <= FILE {
            self.in_records = false;
            self.arrays = Arrays::default();
            self.top = at + 1;
        }
        Ok(())
    }

    /// Walks through everything that was swept, or leaps to the last record in it; gives whether it leapt.
    fn pass(&mut self, held: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool, ScanError> {
        if self.lazy && !self.flagged {
            if self.walked == 0
                && self.depth == 0
                && let Some(block) = held.first_chunk::<BLOCK>()
            {
                self.block(block, &mut Marks::none(), &mut Sight { held, found })?;
            }
            if let Some(begin) = self.last_record(held, self.swept) {
                self.enter(begin);
                return Ok(true);
            }
        }
        let lazy = std::mem::take(&mut self.lazy);
        let walked = self.walk(held, self.swept, &mut Marks::none(), found);
        self.lazy = lazy;
        walked.map(|()| false)
    }

    /// How many of the held bytes are no more needed; positions are then counted from behind them.
    fn forget(&mut self, held: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<usize, ScanError> {
        let leapt = self.pass(held, found)?;
        let (mut keep, mut between) = if self.depth >= RECORD && self.in_records && !self.lost {
            (self.record, true)
        } else if self.depth <= FILE {
            (self.top, false)
        } else {
            (self.walked, leapt)
        };
        if self.walked.saturating_sub(keep) > self.limits.record {
            if self.depth <= FILE {
                return Err(ScanError::NoRecords);
            }
            self.lost = true;
            (keep, between) = (self.walked, false);
        }
        self.walked -= keep;
        self.swept = self.walked;
        self.record = self.record.saturating_sub(keep);
        self.top = self.top.saturating_sub(keep);
        self.arrays = if between { Arrays::new(0, 1) } else { Arrays::default() };
        Ok(keep)
    }

    fn end(&self, inflated: u64) -> Result<(), ScanError> {
        if self.depth > 0 || self.carry.is_in_string() {
            Err(ScanError::CutOff { inflated })
        } else if !self.seen_records {
            Err(ScanError::NoRecords)
        } else if self.too_large > 0 {
            Err(ScanError::RecordsTooLarge { count: self.too_large, limit: self.limits.record })
        } else {
            Ok(())
        }
    }
}

/// What a walk looks at and whom it tells.
struct Sight<'a> {
    held: &'a [u8],
    found: &'a mut dyn FnMut(&[u8]),
}

/// Whether text ends in the key `Records` and a colon, however the key is spelled.
fn is_after_records_key(text: &[u8]) -> bool {
    let Some(key) = text.trim_ascii_end().strip_suffix(b":").map(<[u8]>::trim_ascii_end) else { return false };
    let Some(inner) = key.strip_suffix(b"\"") else { return false };
    if inner.ends_with(b"\"Records") {
        return true;
    }
    // A quote within the key would stand behind a backslash, so the last one without begins it.
    let begin = inner.iter().zip(inner.iter().skip(1)).rposition(|(before, byte)| *byte == b'"' && *before != b'\\');
    let Some(spelled) = begin.and_then(|at| key.get(at + 1..)) else { return false };
    serde_json::from_slice::<String>(spelled).is_ok_and(|name| name == "Records")
}

#[cfg(test)]
mod tests;
