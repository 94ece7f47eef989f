//! `findings.csv`: one line per finding, for a spreadsheet or a database.
//!
//! In: a report. Out: RFC 4180 with a header line. A cell that a spreadsheet would take for a formula gets a leading
//! apostrophe; everything else is written exactly as it is. Readers that need exact bytes read `findings.json`. New columns
//! come last. A finding that the run before had and this one has not is no row: whoever counts rows counts this run.

use std::io::{self, Write};

use super::finding_table::FindingTable;
use super::{Report, ReportFormat};

/// The `csv` format.
pub struct Csv;

impl ReportFormat for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn file_name(&self) -> &'static str {
        "findings.csv"
    }

    fn about(&self) -> &'static str {
        "one line per finding, safe to open in a spreadsheet"
    }

    fn write(&self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
        let mut table = FindingTable::start(out)?;
        for finding in report.findings.findings()? {
            let finding = finding?;
            table.push(report, &finding)?;
        }
        table.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding_table::COLUMNS;

    #[test]
    fn the_page_exports_the_same_columns_and_why_a_finding_is_gone() {
        let script = include_str!("../../reports/html/export.js");
        let (_, rest) = script.split_once("const CELLS = [").unwrap();
        let (list, _) = rest.split_once("];").unwrap();
        let exported: Vec<&str> = list.split('\'').skip(1).step_by(2).collect();
        assert_eq!(exported, [&COLUMNS[..], &["gone"]].concat());
    }
}
