//! Which records are worth parsing, told from the few bytes behind the key `"eventSource"`.

use memchr::memchr2;

/// The key that every record has once.
pub(super) const KEY: &[u8] = b"\"eventSource\"";
const NAME_KEY: &[u8] = b"\"eventName\"";

/// How many bytes behind the key are looked at.
pub(super) const LOOK_AHEAD: usize = 256;

/// The wanted names of one source.
#[derive(Debug)]
struct Source {
    source: &'static [u8],
    names: Vec<&'static [u8]>,
}

/// The wanted events, by source.
#[derive(Debug)]
pub(super) struct Wanted {
    sources: Vec<Source>,
}

impl Wanted {
    /// Of pairs of source and name.
    pub(super) fn new(events: impl IntoIterator<Item = (&'static str, &'static str)>) -> Self {
        let mut sources: Vec<Source> = Vec::new();
        for (source, name) in events {
            let source = source.as_bytes();
            match sources.iter_mut().find(|known| known.source == source) {
                Some(known) => known.names.push(name.as_bytes()),
                None => sources.push(Source { source, names: vec![name.as_bytes()] }),
            }
        }
        Self { sources }
    }

    /// Whether a record has to be parsed. `rest` is what follows the key, at least [`LOOK_AHEAD`] bytes of it unless the
    /// file ends. What cannot be told from it has to be parsed: only a source or a name that is plainly another one
    /// answers no.
    pub(super) fn may_be(&self, rest: &[u8]) -> bool {
        let rest = match token(rest) {
            Some((b':', rest)) => rest,
            // The text was a value and no key.
            Some(_) => return false,
            None => return true,
        };
        let rest = match token(rest) {
            Some((b'"', rest)) => rest,
            Some(_) => return false,
            None => return true,
        };
        let Some((source, rest)) = plain_text(rest) else { return true };
        let Some(known) = self.sources.iter().find(|known| known.source == source) else { return false };
        let Some((b',', rest)) = token(rest) else { return true };
        let Some(rest) = rest.trim_ascii_start().strip_prefix(NAME_KEY) else { return true };
        let Some((b':', rest)) = token(rest) else { return true };
        let Some((b'"', rest)) = token(rest) else { return true };
        let Some((name, _)) = plain_text(rest) else { return true };
        known.names.contains(&name)
    }
}

/// The next byte that is no white space, and what follows it.
fn token(text: &[u8]) -> Option<(u8, &[u8])> {
    match text.split_first() {
        Some((first, rest)) if !first.is_ascii_whitespace() => Some((*first, rest)),
        _ => text.trim_ascii_start().split_first().map(|(first, rest)| (*first, rest)),
    }
}

/// A string without escapes that ends within what is looked at, and what follows its end.
fn plain_text(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.get(..LOOK_AHEAD).unwrap_or(text);
    let end = memchr2(b'"', b'\\', text)?;
    let (inner, rest) = text.split_at_checked(end)?;
    rest.strip_prefix(b"\"").map(|rest| (inner, rest))
}
