//! Lines on a page of some width, for what a person reads on a terminal or in a text file.
//!
//! In: text, labels, tones. Out: lines in a writer, wrapped, and coloured only if the page is.

use std::io::{self, Write};

use super::text::wrap;
use super::tone::Tone;

/// Columns of the narrowest page.
pub(super) const NARROWEST: usize = 80;
/// Columns of the widest page: text never gets wider than is pleasant to read.
pub(super) const WIDEST: usize = 120;
/// Where text begins beside a label; the longest label is `unsupported`.
pub(super) const TEXT: usize = 14;

/// Lines on a page of some width.
pub(super) struct Page<'a> {
    out: &'a mut dyn Write,
    pub(super) width: usize,
    color: bool,
}

impl<'a> Page<'a> {
    pub(super) fn new(out: &'a mut dyn Write, width: usize, color: bool) -> Self {
        Self { out, width: width.clamp(NARROWEST, WIDEST), color }
    }

    pub(super) fn paint(&self, tone: Tone, text: &str) -> String {
        if self.color { format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code()) } else { text.to_owned() }
    }

    pub(super) fn line(&mut self, indent: usize, text: &str) -> io::Result<()> {
        if text.is_empty() { writeln!(self.out) } else { writeln!(self.out, "{:indent$}{text}", "") }
    }

    /// `text` at `indent`, its further lines at `hanging`.
    pub(super) fn wrapped(&mut self, indent: usize, hanging: usize, tone: Option<Tone>, text: &str) -> io::Result<()> {
        let lines = wrap(text, self.width.saturating_sub(indent.max(hanging)));
        for (number, line) in lines.iter().enumerate() {
            let indent = if number == 0 { indent } else { hanging };
            let painted = tone.map_or_else(|| line.clone(), |tone| self.paint(tone, line));
            self.line(indent, &painted)?;
        }
        Ok(())
    }

    /// A short label, and text beside it.
    pub(super) fn labelled(&mut self, label: &str, tone: Tone, text: &str) -> io::Result<()> {
        let lines = wrap(text, self.width.saturating_sub(TEXT));
        for (number, line) in lines.iter().enumerate() {
            if number == 0 {
                let painted = self.paint(tone, label);
                let gap = (TEXT - 2).saturating_sub(label.chars().count()).max(1);
                self.line(2, &format!("{painted}{:gap$}{line}", ""))?;
            } else {
                self.line(TEXT, line)?;
            }
        }
        Ok(())
    }

    pub(super) fn heading(&mut self, title: &str, aside: &str) -> io::Result<()> {
        let used = title.chars().count() + aside.chars().count() + 2;
        let rule = "─".repeat(self.width.saturating_sub(used + usize::from(!aside.is_empty())).max(3));
        let title = self.paint(Tone::Strong, title);
        let aside = if aside.is_empty() { String::new() } else { format!(" {aside}") };
        self.line(0, "")?;
        self.line(0, &format!("{title}{aside} {rule}"))
    }
}
