//! Findings as rows of a spreadsheet.
//!
//! In: findings, one by one. Out: RFC 4180 with a header line, each row written as soon as it comes. It is a file of its own
//! because more than one file of a run, and attachments of messages, have these columns.

use std::io::{self, Write};

use csv::Writer;

use super::Report;
use super::spreadsheet::{table, write_row};
use crate::finding::{ComplianceType, Finding};

pub(super) const COLUMNS: [&str; 24] = [
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

/// A table of findings, with the columns of `findings.csv`.
pub struct FindingTable<W: Write>(Writer<W>);

impl<W: Write> FindingTable<W> {
    /// Writes the header line.
    ///
    /// # Errors
    /// Whatever the writer answers.
    pub fn start(out: W) -> io::Result<Self> {
        let mut table = table(out);
        table.write_record(COLUMNS)?;
        Ok(Self(table))
    }

    /// The same without a header line, for rows that stand below one.
    pub(super) fn without_head(out: W) -> Self {
        Self(table(out))
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Whatever the writer answers.
    pub fn push(&mut self, report: &Report<'_>, finding: &Finding) -> io::Result<()> {
        write_finding(report, finding, &mut self.0)
    }

    /// Brings all rows to the writer.
    ///
    /// # Errors
    /// Whatever the writer answers.
    pub fn finish(&mut self) -> io::Result<()> {
        self.0.flush()
    }

    /// The writer, as far as rows were brought to it.
    #[must_use]
    pub fn written(&self) -> &W {
        self.0.get_ref()
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
        lifecycle.and_then(|lifecycle| lifecycle.last_observed_at.as_deref()).unwrap_or_default(),
        lifecycle.and_then(|lifecycle| lifecycle.last_known).map_or("", ComplianceType::as_str),
    ];
    write_row(table, &cells)
}
