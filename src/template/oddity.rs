//! What is odd about a document that can be read all the same.
//!
//! In: what the readers come across. Out: notices with their places, no more of them than a person reads, because a
//! hostile file has as many as it likes.

use std::collections::BTreeMap;

use super::node::Entry;
use crate::inventory::Span;

/// Notices of one document, at most.
const MOST: usize = 50;

/// The notices of a document.
#[derive(Debug, Default)]
pub(super) struct Oddities {
    noticed: Vec<(Span, String)>,
    more: usize,
    last: Span,
}

impl Oddities {
    /// Notes one.
    pub(super) fn note(&mut self, span: Span, message: impl FnOnce() -> String) {
        if self.noticed.len() < MOST {
            self.noticed.push((span, message()));
        } else {
            self.more += 1;
            self.last = span;
        }
    }

    /// Notes every key that stands in a mapping more than once.
    pub(super) fn repeated(&mut self, entries: &[Entry]) {
        // Comparing each with each is faster as long as there are few.
        if entries.len() <= 8 {
            for (index, entry) in entries.iter().enumerate() {
                if let Some(first) = entries.iter().take(index).find(|first| first.key == entry.key) {
                    self.again(entry, first.key_span.start.line);
                }
            }
            return;
        }
        let mut lines: BTreeMap<&str, u32> = BTreeMap::new();
        for entry in entries {
            match lines.get(entry.key.as_str()) {
                Some(line) => self.again(entry, *line),
                None => {
                    lines.insert(&entry.key, entry.key_span.start.line);
                }
            }
        }
    }

    fn again(&mut self, entry: &Entry, line: u32) {
        self.note(entry.key_span, || {
            let key: String = entry.key.chars().take(60).collect();
            format!("the key `{key}` stands here again, after line {line}; the last one counts")
        });
    }

    /// All of them, in the order they were noted.
    pub(super) fn finish(mut self) -> Vec<(Span, String)> {
        if self.more > 0 {
            self.noticed.push((self.last, format!("and {} more like these", self.more)));
        }
        self.noticed
    }
}
