//! Annotations in the log of GitHub Actions.
//!
//! In: a report. Out: workflow commands, the worst first. GitHub shows ten errors, ten warnings and ten notices of a step
//! and drops the rest without a word, so no more are written, and the last one says how many are left.

use std::io::{self, Write};

use super::overview::{Overview, ending};
use super::{CheckFormat, CheckReport, wording};
use crate::finding::{Severity, TemplateFinding};
use crate::report::text::{NAME, counted, short, visible};

/// The `github` format.
pub struct GitHub;

/// Annotations of a kind that GitHub shows of a step.
const SHOWN: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Error,
    Warning,
    Notice,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }

    fn of(severity: Severity) -> Self {
        match severity {
            Severity::Critical | Severity::High => Self::Error,
            Severity::Medium => Self::Warning,
            Severity::Low => Self::Notice,
        }
    }
}

impl CheckFormat for GitHub {
    fn name(&self) -> &'static str {
        "github"
    }

    fn about(&self) -> &'static str {
        "annotations of GitHub Actions, the worst first"
    }

    fn is_document(&self) -> bool {
        false
    }

    fn write(&self, report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
        let overview = Overview::of(report);
        let mut commands = Commands { out, written: [0; 3], left: 0 };
        for file in &report.unreadable {
            let path = report.roots.path(&file.file);
            let at = file.at.map(|at| (at.line, at.column, at.line, at.column));
            commands.write(Kind::Error, Some((&path, at)), "cannot be read", &short(&file.message, 400))?;
        }
        for removal in &report.removed {
            let path = report.roots.path(&removal.place.file);
            let at = position(&removal.place.span);
            let what = format!("This change removes: {}", short(&removal.what, 300));
            commands.write(Kind::Warning, Some((&path, at)), "protection removed", &what)?;
        }
        for finding in &overview.violations {
            let blocks = report.fail_on.is_some_and(|from| finding.blocks(from));
            let kind = if blocks { Kind::of(finding.finding.severity) } else { Kind::Notice };
            commands.finding(report, finding, kind)?;
        }
        for reason in &overview.undecided {
            let answers = counted(reason.findings.len() as u64, "answer");
            let text = format!("Not decided: {answers}: {}", short(&wording::because(reason), 600));
            let kind = if report.fail_on_gaps { Kind::Warning } else { Kind::Notice };
            commands.write(kind, None, "not decided", &text)?;
        }
        commands.end(&ending(report, &overview).1)
    }
}

type At = (u32, u32, u32, u32);

fn position(span: &crate::inventory::Span) -> Option<At> {
    let (start, end) = (span.start, span.end);
    (start.line > 0).then_some((start.line, start.column, end.line.max(start.line), end.column))
}

struct Commands<'a> {
    out: &'a mut dyn Write,
    written: [usize; 3],
    left: u64,
}

impl Commands<'_> {
    fn finding(&mut self, report: &CheckReport, finding: &TemplateFinding, kind: Kind) -> io::Result<()> {
        let title = format!("{} {}", finding.finding.severity, short(&finding.finding.control, NAME));
        let message = wording::message(report, finding);
        if wording::is_generated(report, finding) {
            // The lines of what a tool wrote are in no diff, so GitHub would show the annotation nowhere.
            let message = format!("{message} ({})", wording::at(report, &finding.place));
            return self.write(kind, None, &title, &message);
        }
        let path = report.roots.path(&finding.place.file);
        self.write(kind, Some((&path, position(&finding.place.span))), &title, &message)
    }

    fn write(&mut self, kind: Kind, file: Option<(&str, Option<At>)>, title: &str, message: &str) -> io::Result<()> {
        let Some(written) = self.written.get_mut(kind as usize) else { return Ok(()) };
        // The last notice is kept for what is left.
        if *written >= SHOWN - usize::from(kind == Kind::Notice) {
            self.left += 1;
            return Ok(());
        }
        *written += 1;
        write!(self.out, "::{} ", kind.word())?;
        if let Some((path, at)) = file {
            write!(self.out, "file={},", property(&visible(path)))?;
            if let Some((line, column, end_line, end_column)) = at {
                write!(self.out, "line={line},endLine={end_line},")?;
                // GitHub takes columns only where a place is within one line.
                if line == end_line && end_column >= column {
                    write!(self.out, "col={column},endColumn={end_column},")?;
                }
            }
        }
        writeln!(self.out, "title={}::{}", property(title), data(message))
    }

    fn end(mut self, sentence: &str) -> io::Result<()> {
        if self.left == 0 {
            return Ok(());
        }
        let left = counted(self.left, "more annotation");
        let message =
            format!("{left} left out, because GitHub shows ten of a kind; the job summary has all. {sentence}");
        writeln!(&mut self.out, "::notice title=pipewarden::{}", data(&message))
    }
}

/// Text behind `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_can_end_a_command() {
        assert_eq!(property("a,b:c%0A::error\r\n"), "a%2Cb%3Ac%250A%3A%3Aerror%0D%0A");
        assert_eq!(data("100%\n::error::x"), "100%25%0A::error::x");
    }

    #[test]
    fn ten_of_a_kind_and_a_word_about_the_rest() {
        let mut bytes = Vec::new();
        let mut commands = Commands { out: &mut bytes, written: [0; 3], left: 0 };
        for kind in [Kind::Error, Kind::Warning, Kind::Notice] {
            (0..15).for_each(|_| commands.write(kind, None, "t", "m").unwrap());
        }
        commands.end("x").unwrap();
        let text = String::from_utf8(bytes).unwrap();
        for (word, count) in [("error", 10), ("warning", 10), ("notice", 10)] {
            assert_eq!(text.matches(&format!("::{word} ")).count(), count, "{text}");
        }
        assert!(text.contains("16 more annotations"), "{text}");
    }
}
