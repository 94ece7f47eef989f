//! `findings.csv`: one line per finding, for a spreadsheet or a database.
//!
//! In: a report. Out: RFC 4180 with a header line. A cell that a spreadsheet would take for a formula gets a leading
//! apostrophe; everything else is written exactly as it is. Readers that need exact bytes read `findings.json`. New columns
//! come last. A finding that the run before had and this one has not is no row: whoever counts rows counts this run.

use std::io::{self, Write};

use csv::Writer;

use super::spreadsheet::{table, write_row};
use super::{Report, ReportFormat};
use crate::finding::{ComplianceType, Finding};

/// The `csv` format.
pub struct Csv;

const COLUMNS: [&str; 24] = [
    "finding_id",
    "control",
    "title",
    "severity",
    "compliance",
    "account",
    "account_name",
    "organizational_unit",
    "region",
    "resource_type",
    "resource",
    "evidence",
    "gaps",
    "remediation",
    "exception_id",
    "exception_owner",
    "exception_expires",
    "frameworks",
    "owner",
    "owner_source",
    "change",
    "first_observed_at",
    "last_observed_at",
    "last_known",
];

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
        let mut table = table(out);
        table.write_record(COLUMNS)?;
        for finding in report.findings.findings()? {
            let finding = finding?;
            write_finding(report, &finding, &mut table)?;
        }
        table.flush()
    }
}

fn write_finding<W: Write>(report: &Report<'_>, finding: &Finding, table: &mut Writer<W>) -> io::Result<()> {
    let control = report.controls.get(&finding.control);
    let account = report.accounts.get(&finding.resource.account);
    let exception = finding.exception.as_ref();
    let evidence = if finding.evidence.is_empty() { String::new() } else { serde_json::to_string(&finding.evidence)? };
    let remediation = control
        .filter(|_| finding.compliance == ComplianceType::NonCompliant)
        .map_or_else(String::new, |control| control.remediation_for(&finding.evidence));
    let gaps = finding.gaps.join("; ");
    let frameworks = control.map_or_else(String::new, |control| control.frameworks.join(", "));
    let owner = finding.owner.as_ref();
    let owner_source = owner.map_or_else(String::new, |owner| owner.source.to_string());
    let lifecycle = finding.lifecycle.as_ref();
    let cells: [&str; 24] = [
        &finding.id,
        &finding.control,
        control.map_or("", |control| &control.title),
        finding.severity.as_str(),
        finding.compliance.as_str(),
        finding.resource.account.as_str(),
        account.map_or("", |account| &account.name),
        account.map_or("", |account| &account.organizational_unit_path),
        finding.resource.region.as_str(),
        finding.resource.type_name.as_str(),
        finding.resource.uid.as_str(),
        &evidence,
        &gaps,
        &remediation,
        exception.map_or("", |exception| &exception.id),
        exception.map_or("", |exception| &exception.owner),
        exception.map_or("", |exception| &exception.expires),
        &frameworks,
        owner.map_or("", |owner| &owner.name),
        &owner_source,
        lifecycle.map_or("", |lifecycle| lifecycle.change.as_str()),
        lifecycle.map_or("", |lifecycle| &lifecycle.first_observed_at),
        lifecycle.map_or("", |lifecycle| &lifecycle.last_observed_at),
        lifecycle.and_then(|lifecycle| lifecycle.last_known).map_or("", ComplianceType::as_str),
    ];
    write_row(table, &cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_exports_the_same_columns_and_why_a_finding_is_gone() {
        let script = include_str!("../../reports/html/export.js");
        let (_, rest) = script.split_once("const CELLS = [").unwrap();
        let (list, _) = rest.split_once("];").unwrap();
        let exported: Vec<&str> = list.split('\'').skip(1).step_by(2).collect();
        assert_eq!(exported, [&COLUMNS[..], &["gone"]].concat());
    }
}
