//! Where wanted names may stand, by `memchr`'s sweep.
//!
//! In: bytes of a log file. Out: the places, in order, that make the record around them one to parse, if they stand where
//! it counts; whether they do is told by who counts brackets.

use memchr::memchr;
use memchr::memmem::{FindIter, Finder};

use super::wanted::{KEY, Wanted};

/// How any ASCII letter begins that is written as an escape; so a key may be spelled, though CloudTrail never does.
const ESCAPE: &[u8] = b"\\u00";

/// How far behind a backslash more of them are expected: a policy in a string has dozens. Looking for a single byte costs
/// a quarter of looking for a text, but each byte found costs as much as hundreds of others.
const NEAR: usize = 512;

/// What is looked for.
pub(super) struct Sweep<'w> {
    wanted: &'w Wanted,
    keys: Finder<'static>,
    escapes: Finder<'static>,
}

impl<'w> Sweep<'w> {
    pub(super) fn new(wanted: &'w Wanted) -> Self {
        Self { wanted, keys: Finder::new(KEY), escapes: Finder::new(ESCAPE) }
    }

    /// The places between `begin` and `end` that make a record one to parse, if they stand where it counts.
    pub(super) fn marks<'a>(&'a self, held: &'a [u8], begin: usize, end: usize) -> Marks<'a> {
        let seen = |length: usize| held.get(begin..(end + length - 1).min(held.len())).unwrap_or_default();
        let (keys, escapes) = (seen(KEY.len()), seen(ESCAPE.len()));
        let mut marks = Marks {
            begin,
            held,
            wanted: Some(self.wanted),
            keys: Some(self.keys.find_iter(keys)),
            escapes: Some(Escapes { finder: &self.escapes, text: escapes, at: 0 }),
            ..Marks::none()
        };
        marks.step_key();
        marks.step_escape();
        marks
    }
}

/// The places of possible names, in order; `usize::MAX` is behind the last.
pub(super) struct Marks<'a> {
    begin: usize,
    held: &'a [u8],
    wanted: Option<&'a Wanted>,
    keys: Option<FindIter<'a, 'a>>,
    escapes: Option<Escapes<'a>>,
    key: usize,
    escape: usize,
    /// The next of both.
    pub(super) next: usize,
}

/// The places of [`ESCAPE`] in a text.
struct Escapes<'a> {
    finder: &'a Finder<'static>,
    text: &'a [u8],
    at: usize,
}

impl Iterator for Escapes<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        loop {
            let begin = self.at + memchr(b'\\', self.text.get(self.at..)?)?;
            let end = (begin + NEAR).min(self.text.len());
            if let Some(found) = self.finder.find(self.text.get(begin..end)?) {
                self.at = begin + found + 1;
                return Some(begin + found);
            }
            // What begins at the end may go on behind it.
            self.at = (begin + 1).max(end.saturating_sub(ESCAPE.len() - 1));
        }
    }
}

impl Marks<'_> {
    pub(super) fn none() -> Self {
        Self {
            begin: 0,
            held: &[],
            wanted: None,
            keys: None,
            escapes: None,
            key: usize::MAX,
            escape: usize::MAX,
            next: usize::MAX,
        }
    }

    pub(super) fn is_key(&self) -> bool {
        self.next == self.key
    }

    pub(super) fn step(&mut self) {
        if self.is_key() { self.step_key() } else { self.step_escape() }
    }

    fn step_key(&mut self) {
        let (begin, held, wanted) = (self.begin, self.held, self.wanted);
        let counts = |at: &usize| {
            // A quote behind a backslash begins no key: this is a text about a record.
            let escaped = at.checked_sub(1).and_then(|before| held.get(before)) == Some(&b'\\');
            let rest = held.get(at + KEY.len()..).unwrap_or_default();
            !escaped && wanted.is_some_and(|wanted| wanted.may_be(rest))
        };
        let next = self.keys.as_mut().and_then(|keys| keys.map(|at| at + begin).find(counts));
        self.key = next.unwrap_or(usize::MAX);
        self.next = self.key.min(self.escape);
    }

    fn step_escape(&mut self) {
        let (begin, held) = (self.begin, self.held);
        // `\u004x` to `\u007x` hold the letters.
        let counts = |at: &usize| held.get(at + ESCAPE.len()).is_some_and(|digit| (b'4'..=b'7').contains(digit));
        let next = self.escapes.as_mut().and_then(|escapes| escapes.map(|at| at + begin).find(counts));
        self.escape = next.unwrap_or(usize::MAX);
        self.next = self.key.min(self.escape);
    }
}
