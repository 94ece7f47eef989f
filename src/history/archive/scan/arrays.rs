//! How many arrays are open, told from square brackets alone.
//!
//! In: a place in a log file at which that is known, and one further on. Out: the number there. It exists because what
//! stands between two wanted records does not matter, only whether the second is a record of the file and no object deep
//! within another one, and because square brackets are rare: to find them costs a tenth of looking at every quote.
//!
//! Whether a bracket stands in a string is nearly always told by its neighbours, because JSON allows few: nothing but a
//! string's own quote may stand before a bracket that closes, and so on. Where they leave it open, quotes are counted from
//! the last bracket on. All of this is exact for whatever is JSON, with or without white space.

use memchr::memchr2;

/// What JSON allows before the quote that begins a string.
const BEFORE_STRING: &[u8] = b"{[,: \t\r\n";

/// What JSON allows behind the quote that ends a string.
const AFTER_STRING: &[u8] = b"}],: \t\r\n";

/// A place in a file, and how many arrays are open there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Arrays {
    /// Brackets before were counted.
    pub(super) at: usize,
    /// How many arrays are open, the file's `Records` among them.
    pub(super) open: usize,
    /// A place at or before `at`, with no square bracket outside of strings between.
    known: usize,
    /// Whether that place lies in a string.
    string: bool,
}

impl Arrays {
    /// A place outside of strings.
    pub(super) fn new(at: usize, open: usize) -> Self {
        Self { at, open, known: at, string: false }
    }

    /// Goes on to `end`, or behind the bracket that closes the last array. Gives whether arrays are still open.
    pub(super) fn advance(&mut self, held: &[u8], end: usize) -> bool {
        while self.open > 0
            && let Some(found) = held.get(self.at..end).and_then(|text| memchr2(b'[', b']', text))
        {
            let bracket = self.at + found;
            self.string = in_string(held, bracket).unwrap_or_else(|| self.counted(held, bracket));
            self.at = bracket + 1;
            self.known = self.at;
            match held.get(bracket) {
                _ if self.string => {}
                Some(b'[') => self.open += 1,
                _ => self.open -= 1,
            }
        }
        self.at = self.at.max(end);
        self.open > 0
    }

    /// Whether `end` lies in a string, told by the quotes from where it is known.
    fn counted(self, held: &[u8], end: usize) -> bool {
        let Self { known: mut at, mut string, .. } = self;
        while let Some(found) = held.get(at..end).and_then(|text| memchr2(b'"', b'\\', text)) {
            at += found;
            if held.get(at) == Some(&b'"') {
                string = !string;
                at += 1;
            } else {
                at += 2;
            }
        }
        string
    }
}

/// Whether the square bracket at a place stands in a string, if its neighbours tell.
pub(super) fn in_string(held: &[u8], at: usize) -> Option<bool> {
    let before = |count: usize| at.checked_sub(count).and_then(|place| held.get(place)).copied();
    let after = |count: usize| held.get(at + count).copied();
    // Backslashes are in strings only, and end none.
    if before(1) == Some(b'\\') || after(1) == Some(b'\\') {
        return Some(true);
    }
    if held.get(at) == Some(&b'[') {
        // No array follows a string, so the quote is within one or begins it.
        if before(1) == Some(b'"') {
            return Some(true);
        }
        let quote = if after(1) == Some(b'{') { 2 } else { 1 };
        match after(quote) {
            // The quote is not escaped. If it ended a string, something else would follow.
            Some(b'"') if after(quote + 1).is_some_and(|next| !AFTER_STRING.contains(&next)) => return Some(false),
            Some(b'\\') => return Some(true),
            _ => {}
        }
        return if before(1) == Some(b':') && before(2) == Some(b'"') {
            behind_quote(before(3), before(4))
        } else {
            None
        };
    }
    // No string follows an array.
    if after(1) == Some(b'"') {
        return Some(true);
    }
    let mut quote = 1;
    while quote < 8 && before(quote) == Some(b'}') {
        quote += 1;
    }
    if before(quote) == Some(b'"') { behind_quote(before(quote + 1), before(quote + 2)) } else { None }
}

/// Whether a place behind a quote is in a string, if the two bytes before the quote tell: the quote is escaped, or it ends
/// a string, or it may begin one.
fn behind_quote(before: Option<u8>, further: Option<u8>) -> Option<bool> {
    match before {
        Some(b'\\') => (further != Some(b'\\')).then_some(true),
        Some(byte) if !BEFORE_STRING.contains(&byte) => Some(false),
        _ => None,
    }
}
