//! `findings.json`: everything, for programs.
//!
//! In: a report. Out: one JSON document in the shape of `reports/schema/findings.v1.schema.json`, one finding per line,
//! written finding by finding. What the run before had and this one has not stands apart from the findings, under `gone`.
//! The version is raised when a field changes its meaning or goes; new fields may come.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::json_document::{ArrayWriter, end, start, write_array, write_field};
use super::{Counts, Report, ReportFormat};
use crate::finding::{ComplianceType, Finding, Severity};

/// The `json` format.
pub struct Json;

/// A finding with its control's remediation filled in.
#[derive(Serialize)]
struct FindingRow<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    #[serde(skip_serializing_if = "Option::is_none")]
    remediation: Option<String>,
}

/// [`Counts`] with the zeros written out, so that a reader need not know which keys may be missing.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CountsRow {
    by_compliance: BTreeMap<ComplianceType, u64>,
    violations: BTreeMap<Severity, u64>,
    excepted: u64,
}

impl CountsRow {
    fn of(counts: &Counts) -> Self {
        Self {
            by_compliance: ComplianceType::ALL.into_iter().map(|word| (word, counts.of(word))).collect(),
            violations: Severity::ALL
                .into_iter()
                .map(|severity| (severity, counts.violations.get(&severity).copied().unwrap_or(0)))
                .collect(),
            excepted: counts.excepted,
        }
    }
}

impl ReportFormat for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn file_name(&self) -> &'static str {
        "findings.json"
    }

    fn about(&self) -> &'static str {
        "everything in one versioned document, for programs"
    }

    fn write(&self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
        start(out)?;
        write_field(out, "run", &report.run)?;
        write_field(out, "counts", &CountsRow::of(&report.counts))?;
        write_field(out, "calls", &report.calls)?;
        write_field(out, "overTime", &report.over_time)?;
        write_array(out, "accounts", report.accounts.values().map(Ok))?;
        write_array(out, "controls", report.controls.values().map(Ok))?;
        write_findings(report, out)?;
        write_array(out, "gone", report.findings.gone()?)?;
        end(out)
    }
}

fn write_findings(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = ArrayWriter::start(out, "findings")?;
    for finding in report.findings.findings()? {
        let finding = finding?;
        let remediation = report
            .controls
            .get(&finding.control)
            .filter(|_| finding.compliance == ComplianceType::NonCompliant)
            .map(|control| control.remediation_for(&finding.evidence));
        rows.push(&FindingRow { finding: &finding, remediation })?;
    }
    rows.end()
}
