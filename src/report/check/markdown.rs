//! The summary of a job, as Markdown.
//!
//! In: a report. Out: the verdict, what the change takes away, every violation in a table, and what could not be decided.
//! GitHub takes a mebibyte of it per step, so it is cut before, with a line that says so.

use std::io::{self, Write};

use super::overview::{Overview, ending};
use super::{CheckFormat, CheckReport, wording};
use crate::finding::TemplateFinding;
use crate::report::markup::plain;
use crate::report::text::{NAME, counted};

/// The `markdown` format.
pub struct CheckMarkdown;

/// Bytes of a summary; what comes after the tables still fits under GitHub's limit of 1,048,576.
const LARGEST: usize = 960 * 1024;
/// Bytes of a table, so that one does not leave the others out.
const TABLE: usize = 600 * 1024;
/// Second places that a row names.
const RELATED: usize = 3;

impl CheckFormat for CheckMarkdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn about(&self) -> &'static str {
        "a summary for pull requests and jobs"
    }

    fn write(&self, report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
        let overview = Overview::of(report);
        let mut page = Vec::new();
        let (end, sentence) = ending(report, &overview);
        writeln!(page, "## pipewarden: {}\n\n{}\n", end.name(), capital(&plain(&sentence, 600)))?;
        writeln!(page, "- Violations: {}", overview.by_severity())?;
        writeln!(
            page,
            "- Answers: {}\n- Files: {}",
            overview.answers().join(", "),
            plain(&wording::files(report), 600),
        )?;
        let unreadable = report.unreadable.iter().map(|file| {
            let at = file.at.map_or_else(String::new, |at| format!(":{}:{}", at.line, at.column));
            let path = plain(&format!("{}{at}", report.roots.path(&file.file)), 2 * NAME);
            format!("- {path}: {}\n", plain(&file.message, 400))
        });
        list(&mut page, "Cannot be read", "", unreadable)?;
        let removed = report.removed.iter().map(|removal| {
            format!("- {} ({})\n", plain(&removal.what, 300), plain(&wording::at(report, &removal.place), 400))
        });
        list(&mut page, "This change removes", "", removed)?;
        let head = "| severity | what must hold | where | what to do |\n|---|---|---|---|\n";
        list(
            &mut page,
            "What must hold and does not, worst first",
            head,
            overview.violations.iter().map(|one| row(report, one)),
        )?;
        let head = "| severity | what must hold | where | exception |\n|---|---|---|---|\n";
        let excepted = overview.excepted.iter().map(|one| {
            let cells = [
                one.finding.severity.to_string(),
                control(report, one),
                place(report, one),
                plain(&wording::exception(one).unwrap_or_default(), 600),
            ];
            format!("| {} |\n", cells.join(" | "))
        });
        list(&mut page, "Under a valid exception", head, excepted)?;
        let undecided = overview.undecided.iter().map(|reason| {
            let answers = counted(reason.findings.len() as u64, "answer");
            let mut names: Vec<&str> = reason.findings.iter().map(|one| one.finding.control.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let because = plain(&wording::because(reason), 900);
            let names = plain(&names.join(", "), 600);
            format!("- {answers}, the worst {}: {because} ({names})\n", reason.worst())
        });
        list(&mut page, "Not decided", "", undecided)?;
        if !overview.only_deployed.is_empty() {
            let text = wording::only_deployed(overview.only_deployed.len());
            writeln!(page, "\n{}", plain(&text, 300))?;
        }
        let resolved = report
            .resolved
            .iter()
            .map(|one| format!("- {} of {}\n", plain(&one.finding.control, NAME), plain(&one.logical_id, NAME)));
        list(&mut page, "This change mends", "", resolved)?;
        out.write_all(&page)
    }
}

/// A part of the page with as many lines as fit, and a word about the rest.
fn list(page: &mut Vec<u8>, title: &str, head: &str, lines: impl Iterator<Item = String>) -> io::Result<()> {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return Ok(());
    }
    write!(page, "\n### {title}\n\n{head}")?;
    let most = LARGEST.min(page.len() + TABLE);
    let mut left = 0;
    for line in lines {
        if left > 0 || page.len() + line.len() > most {
            left += 1;
        } else {
            page.extend_from_slice(line.as_bytes());
        }
    }
    if left > 0 {
        writeln!(
            page,
            "\n… and {} that GitHub's limit leaves no room for; the log or `--output json=FILE` has them.",
            counted(left, "more line")
        )?;
    }
    Ok(())
}

fn row(report: &CheckReport, finding: &TemplateFinding) -> String {
    let change = wording::change(report, finding).map_or_else(String::new, |change| format!(" ({change})"));
    let cells = [
        format!("{}{change}", finding.finding.severity),
        control(report, finding),
        place(report, finding),
        plain(&wording::advice(report, finding), 900),
    ];
    format!("| {} |\n", cells.join(" | "))
}

fn control(report: &CheckReport, finding: &TemplateFinding) -> String {
    let title = plain(&wording::title(report, &finding.finding.control), 400);
    format!("{title}<br><sub>{}</sub>", plain(&finding.finding.control, NAME))
}

fn place(report: &CheckReport, finding: &TemplateFinding) -> String {
    let related: Vec<String> = finding
        .related
        .iter()
        .take(RELATED)
        .map(|one| format!("<br>{}: {}", plain(&wording::at(report, &one.place), 400), plain(&one.message, 200)))
        .collect();
    let at = plain(&wording::at(report, &finding.place), 400);
    format!("{at}<br>{}{}", plain(&wording::subject(finding), 600), related.concat())
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_never_grows_over_the_limit_and_says_what_it_left_out() {
        let mut page = Vec::new();
        for title in ["a", "b", "c"] {
            list(&mut page, title, "", (0..20_000).map(|number| format!("{number} {}\n", "x".repeat(100)))).unwrap();
        }
        assert!(page.len() < 1024 * 1024, "{}", page.len());
        assert_eq!(String::from_utf8_lossy(&page).matches("more lines").count(), 3);
        let before = page.len();
        list(&mut page, "d", "", std::iter::empty()).unwrap();
        assert_eq!(page.len(), before);
    }
}
