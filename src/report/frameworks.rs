//! `frameworks.md`: per framework, what the run says of each requirement, and which requirements no control covers.
//!
//! In: a report. Out: GitHub-flavoured Markdown, one section per framework. No line says that a requirement is met:
//! controls cover parts of requirements, and what could not be seen is named.

use std::io::{self, Write};

use super::framework_coverage::{self, Answered, Line, Status};
use super::markup::plain;
use super::text::counted;
use super::{Report, ReportFormat};

/// The `frameworks` format.
pub struct Frameworks;

/// The longest title of a requirement.
const TITLE: usize = 160;

impl ReportFormat for Frameworks {
    fn name(&self) -> &'static str {
        "frameworks"
    }

    fn file_name(&self) -> &'static str {
        "frameworks.md"
    }

    fn about(&self) -> &'static str {
        "what the run says of each requirement of each framework"
    }

    fn write(&self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "# Frameworks, run {}\n", plain(&report.run.run_id, TITLE))?;
        writeln!(
            out,
            "Controls answer for parts of requirements: \"no violation found\" means that everything these controls asked \
             about was seen and is good, not that the requirement is met as a whole."
        )?;
        for answered in framework_coverage::of(report)? {
            write_framework(out, &answered)?;
        }
        Ok(())
    }
}

fn write_framework(out: &mut dyn Write, answered: &Answered<'_>) -> io::Result<()> {
    let framework = answered.framework;
    writeln!(out, "\n## {} ({})\n", plain(&framework.name, TITLE), plain(&framework.version, TITLE))?;
    writeln!(out, "{}\n", plain(&framework.note, 400))?;
    let (uncovered, covered): (Vec<&Line<'_>>, Vec<&Line<'_>>) =
        answered.lines.iter().partition(|line| line.status == Status::NoControl);
    let with = |status: Status| covered.iter().filter(|line| line.status == status).count() as u64;
    let sum: Vec<String> = [Status::Violated, Status::NotSeen, Status::NoViolation, Status::NotApplicable]
        .into_iter()
        .map(|status| format!("{} {}", with(status), status.as_str()))
        .collect();
    let all = counted(answered.lines.len() as u64, "requirement");
    writeln!(out, "{} of {all} have controls: {}.", covered.len(), sum.join(", "))?;
    if !covered.is_empty() {
        writeln!(out, "\n| requirement | | status | violations | excepted | not seen | compliant | controls |")?;
        writeln!(out, "|---|---|---|--:|--:|--:|--:|---|")?;
    }
    for line in covered {
        let tally = line.tally;
        let controls: Vec<String> = line.controls.iter().map(|id| format!("`{id}`")).collect();
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            plain(&line.requirement.id, TITLE),
            plain(&line.requirement.title, TITLE),
            line.status.as_str(),
            tally.violations,
            tally.excepted,
            tally.insufficient,
            tally.compliant,
            controls.join(" ")
        )?;
    }
    if !uncovered.is_empty() {
        writeln!(out, "\nNo control covers {}:\n", counted(uncovered.len() as u64, "requirement"))?;
    }
    for line in uncovered {
        writeln!(out, "- {} {}", plain(&line.requirement.id, TITLE), plain(&line.requirement.title, TITLE))?;
    }
    Ok(())
}
