//! `frameworks.csv`: one line per requirement of every framework, with how the controls on it came out.
//!
//! In: a report. Out: RFC 4180 with a header line, requirements in the order of their framework.

use std::io::{self, Write};

use super::spreadsheet::{table, write_row};
use super::{Report, ReportFormat, framework_coverage};

/// The `frameworks-csv` format.
pub struct FrameworksCsv;

const COLUMNS: [&str; 11] = [
    "framework",
    "framework_name",
    "framework_version",
    "requirement",
    "title",
    "status",
    "violations",
    "excepted",
    "could_not_be_seen",
    "compliant",
    "controls",
];

impl ReportFormat for FrameworksCsv {
    fn name(&self) -> &'static str {
        "frameworks-csv"
    }

    fn file_name(&self) -> &'static str {
        "frameworks.csv"
    }

    fn about(&self) -> &'static str {
        "one line per requirement of every framework"
    }

    fn write(&self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
        let mut table = table(out);
        table.write_record(COLUMNS)?;
        for answered in framework_coverage::of(report)? {
            let framework = answered.framework;
            for line in &answered.lines {
                let tally = line.tally;
                let numbers = [tally.violations, tally.excepted, tally.insufficient, tally.compliant];
                let [violations, excepted, insufficient, compliant] = numbers.map(|number| number.to_string());
                let controls = line.controls.join(" ");
                let cells: [&str; 11] = [
                    &framework.id,
                    &framework.name,
                    &framework.version,
                    &line.requirement.id,
                    &line.requirement.title,
                    line.status.as_str(),
                    &violations,
                    &excepted,
                    &insufficient,
                    &compliant,
                    &controls,
                ];
                write_row(&mut table, &cells)?;
            }
        }
        table.flush()
    }
}
