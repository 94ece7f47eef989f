//! Lines of text that fit the terminal.
//!
//! In: headings, paragraphs and literal blocks. Out: text with one indentation and one width.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::failure::Failure;
use super::super::options::print;
use crate::report::{visible, wrap};

/// Text in the making.
pub(super) struct Page {
    text: String,
    width: usize,
}

impl Page {
    pub(super) fn new(width: usize) -> Self {
        Self { text: String::new(), width }
    }

    /// A line as it is.
    pub(super) fn line(&mut self, indent: usize, line: &str) {
        let line = visible(line);
        // Writing into a `String` cannot fail.
        let _ = writeln!(self.text, "{:indent$}{}", "", line.trim_end());
    }

    /// Whether a line ends before the terminal does.
    pub(super) fn fits(&self, indent: usize, line: &str) -> bool {
        indent + line.chars().count() <= self.width
    }

    /// Words, broken where the terminal ends.
    pub(super) fn words(&mut self, indent: usize, words: &str) {
        for line in wrap(&visible(words.trim()), self.width.saturating_sub(indent)) {
            self.line(indent, &line);
        }
    }

    /// A name, and words beside it; long ones go on under themselves.
    pub(super) fn entry(&mut self, name: &str, width: usize, words: &str) {
        let lines = wrap(&visible(words.trim()), self.width.saturating_sub(width));
        for (nth, line) in lines.iter().enumerate() {
            let name = if nth == 0 { name } else { "" };
            let _ = writeln!(self.text, "{name:<width$}{line}");
        }
    }

    /// A heading and, line by line, text that must stay as it is.
    pub(super) fn block(&mut self, heading: &str, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        self.heading(heading);
        // Indentation is part of the text: in YAML it is meaning.
        for line in text.trim_matches('\n').lines() {
            self.line(2, line);
        }
    }

    pub(super) fn heading(&mut self, heading: &str) {
        let _ = writeln!(self.text, "\n{heading}");
    }

    pub(super) fn print(self) -> Result<(), Failure> {
        print(&|out| out.write_all(self.text.as_bytes()))
    }
}

/// `1 control`, `2 controls`
pub(super) fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Prints a value as JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::failed(&error))?;
    print(&|out| writeln!(out, "{text}"))
}
