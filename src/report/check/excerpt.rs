//! Places → the lines that stand there, fit to be shown.
//!
//! In: the texts of all files, and places in them. Out: one line each, without secrets and without anything that a
//! terminal obeys, and which part of it is meant. Every file is indexed once, and no line is ever walked from its begin to
//! a place far behind: the whole of a plan may be one line.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::secret;
use crate::finding::SourcePlace;
use crate::report::text::visible;

/// Longer lines are shown from the place on.
const LONG: usize = 240;
/// Every so many characters of a long line, their place in bytes is kept.
const STEP: usize = 1024;
/// So much of the text before a place may be its name.
const NAME_BEFORE: usize = 200;

/// One line of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// From 1.
    pub(super) line: usize,
    /// What is shown of it.
    pub(super) text: String,
    /// The part that is meant, in bytes of the text.
    pub(super) marked: Range<usize>,
}

/// The texts, and an index of each that was asked for.
pub(super) struct Excerpts<'a> {
    sources: &'a BTreeMap<Arc<str>, Arc<str>>,
    indexes: BTreeMap<Arc<str>, Index>,
}

/// Where lines begin, and where every [`STEP`]th character of the long ones does.
struct Index {
    lines: Vec<usize>,
    steps: BTreeMap<usize, Vec<usize>>,
}

impl Index {
    fn of(text: &str) -> Self {
        let mut lines = vec![0];
        lines.extend(text.match_indices('\n').map(|(at, _)| at + 1));
        let mut steps = BTreeMap::new();
        let ends = lines.iter().skip(1).copied().chain(std::iter::once(text.len()));
        for (number, (start, end)) in lines.iter().zip(ends).enumerate() {
            if end - start > STEP {
                let line = text.get(*start..end).unwrap_or_default();
                steps.insert(number, line.char_indices().step_by(STEP).map(|(at, _)| at).collect());
            }
        }
        Self { lines, steps }
    }

    fn line<'t>(&self, text: &'t str, number: usize) -> Option<&'t str> {
        let start = *self.lines.get(number)?;
        let end = self.lines.get(number + 1).copied().unwrap_or(text.len());
        text.get(start..end).map(|line| line.trim_end_matches(['\n', '\r']))
    }

    /// The byte at which a character of a line begins, or the end of the line.
    fn byte(&self, line: &str, number: usize, character: usize) -> usize {
        let from = self.steps.get(&number).and_then(|steps| steps.get(character / STEP)).copied();
        let (from, left) = from.map_or((0, character), |from| (from, character % STEP));
        let rest = line.get(from..).unwrap_or_default();
        rest.char_indices().nth(left).map_or(line.len(), |(at, _)| from + at)
    }
}

impl<'a> Excerpts<'a> {
    pub(super) fn of(sources: &'a BTreeMap<Arc<str>, Arc<str>>) -> Self {
        Self { sources, indexes: BTreeMap::new() }
    }

    /// The line at a place; `all` hides every value in it.
    pub(super) fn at(&mut self, place: &SourcePlace, all: bool) -> Option<Excerpt> {
        let text: &str = self.sources.get(&place.file)?;
        let index = self.indexes.entry(Arc::clone(&place.file)).or_insert_with(|| Index::of(text));
        let (start, end) = (place.span.start, place.span.end);
        let number = usize::try_from(start.line).ok()?.checked_sub(1)?;
        let line = index.line(text, number)?;
        let column = |column: u32| usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1);
        let from = index.byte(line, number, column(start.column));
        let to = if end.line == start.line { index.byte(line, number, column(end.column)) } else { line.len() };
        // A mapping is known by where it begins; a mark that ends inside its first word points at nothing.
        let inside = |at: usize| line.get(at..).and_then(|rest| rest.chars().next()).is_some_and(char::is_alphanumeric);
        let to = if to == from + 1 && inside(from) && inside(to) { line.trim_end().len() } else { to };
        let cut = if line.len() > LONG { from } else { 0 };
        let rest = line.get(cut..)?;
        let length = rest.char_indices().nth(LONG).map_or(rest.len(), |(at, _)| at);
        // What is hidden is decided on more than what is shown, because a value may be cut.
        let wide = rest.char_indices().nth(LONG * 4).map_or(rest.len(), |(at, _)| at);
        let before = line.get(..cut)?;
        let near = before.char_indices().rev().nth(NAME_BEFORE).map_or(0, |(at, _)| at);
        let hidden = secret::parts(rest.get(..wide)?, before.get(near..)?, all);
        let (mut shown, marked) =
            drawn(rest.get(..length)?, &hidden, from - cut..to.saturating_sub(cut), if cut > 0 { "…" } else { "" });
        if length < rest.len() {
            shown.push('…');
        }
        Some(Excerpt { line: number + 1, text: shown, marked })
    }
}

/// The line with the hidden parts replaced, and the marked part of what came out.
fn drawn(line: &str, hidden: &[Range<usize>], marked: Range<usize>, lead: &str) -> (String, Range<usize>) {
    let mut out = lead.to_owned();
    let (mut from, mut to) = (None, None);
    let mut hidden = hidden.iter().peekable();
    let mut covered = 0;
    let mut character_bytes = [0_u8; 4];
    for (at, character) in line.char_indices() {
        if at < covered {
            continue;
        }
        let part = hidden.next_if(|part| part.start <= at);
        let end = part.map_or(at + character.len_utf8(), |part| part.end);
        if from.is_none() && end > marked.start {
            from = Some(out.len());
        }
        if to.is_none() && at >= marked.end {
            to = Some(out.len());
        }
        match (part, character) {
            (Some(_), _) => out.push_str(secret::HIDDEN),
            (None, '\t') => out.push_str("    "),
            (None, plain) => out.push_str(&visible(plain.encode_utf8(&mut character_bytes))),
        }
        covered = end;
    }
    let from = from.unwrap_or(out.len());
    let to = to.unwrap_or(out.len()).max(from);
    (out, from..to)
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "places of the test are at the borders of characters")]
mod tests {
    use super::*;
    use crate::inventory::{Position, Span};

    fn place(line: u32, from: u32, to: u32) -> SourcePlace {
        let at = |column| Position { line, column };
        SourcePlace { file: "f".into(), span: Span { start: at(from), end: at(to) } }
    }

    fn marked(text: &str, place: &SourcePlace, all: bool) -> (String, String) {
        let sources = BTreeMap::from([(Arc::from("f"), Arc::from(text))]);
        let excerpt = Excerpts::of(&sources).at(place, all).unwrap();
        let marked = excerpt.text[excerpt.marked.clone()].to_owned();
        (excerpt.text, marked)
    }

    #[test]
    fn columns_count_characters_and_survive_what_is_written_out() {
        let text = "a:\r\n\tü\u{202e}名: 😀 x\r\n";
        assert_eq!(marked(text, &place(2, 2, 5), false), ("    ü\\u{202e}名: 😀 x".into(), "ü\\u{202e}名".into()));
        assert_eq!(marked("Pass: 1\nTOKEN: hunter2\n", &place(2, 8, 15), false).1, "[redacted]");
        assert_eq!(marked("  x: y", &place(1, 3, 4), true), ("  x: [redacted]".into(), "x".into()));
    }

    #[test]
    fn places_that_are_not_there_give_nothing_or_the_end() {
        let sources = BTreeMap::from([(Arc::from("f"), Arc::from("ab"))]);
        let mut excerpts = Excerpts::of(&sources);
        assert_eq!(excerpts.at(&place(0, 0, 0), false), None);
        assert_eq!(excerpts.at(&place(9, 1, 1), false), None);
        assert_eq!(excerpts.at(&place(1, 50, 60), false).unwrap().marked, 2..2);
    }

    #[test]
    fn one_endless_line_is_cut_at_the_place_and_not_walked() {
        let mut line = String::from("{");
        for number in 0..200_000 {
            line.push_str(&["\"ü", &number.to_string(), "\":{\"password\":\"hunter2\"},"].concat());
        }
        let sources = BTreeMap::from([(Arc::from("f"), Arc::from(line.as_str()))]);
        let mut excerpts = Excerpts::of(&sources);
        for number in 0..2_000 {
            let excerpt = excerpts.at(&place(1, 2_000 * number + 2, 2_000 * number + 6), false).unwrap();
            assert!(excerpt.text.chars().count() < 300, "{}", excerpt.text);
            assert!(
                number > 0 || excerpt.text.starts_with("…\"ü0\":{\"password\":\"[redacted]\"}"),
                "{}",
                excerpt.text
            );
        }
    }
}
