//! JSON for programs: everything that was found, and what was looked at.
//!
//! In: a report. Out: one document in the shape of `reports/schema/check.v1.schema.json`, one finding per line.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

use super::{CheckFormat, CheckReport};
use crate::finding::{ComplianceType, Severity, TemplateFinding};
use crate::report::Counts;
use crate::report::json_document::{end, start, write_array, write_field};

/// `--format json`
pub struct CheckJson;

/// A finding with its control's remediation filled in.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    #[serde(flatten)]
    finding: &'a TemplateFinding,
    /// Whether it makes the check fail.
    blocks: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    remediation: Option<String>,
}

impl CheckFormat for CheckJson {
    fn name(&self) -> &'static str {
        "json"
    }

    fn about(&self) -> &'static str {
        "everything, for programs"
    }

    fn write(&self, report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
        let mut counts = Counts::default();
        report.findings.iter().for_each(|one| counts.add(&one.finding));
        let by_compliance: BTreeMap<ComplianceType, u64> =
            ComplianceType::ALL.into_iter().map(|word| (word, counts.of(word))).collect();
        let violations: BTreeMap<Severity, u64> = Severity::ALL
            .into_iter()
            .map(|severity| (severity, counts.violations.get(&severity).copied().unwrap_or(0)))
            .collect();
        let counts = json!({
            "byCompliance": by_compliance,
            "violations": violations,
            "excepted": counts.excepted,
            "blocking": report.blocking().count(),
            "gaps": report.gaps().count(),
        });
        start(out)?;
        write_field(out, "toolVersion", &report.tool_version)?;
        write_field(out, "policyHash", &report.policy_hash)?;
        write_field(out, "failOn", &report.fail_on)?;
        write_field(out, "failOnGaps", &report.fail_on_gaps)?;
        write_field(out, "compared", &report.compared)?;
        write_field(out, "counts", &counts)?;
        write_array(out, "files", report.files.iter().map(Ok))?;
        write_field(out, "ignoredFiles", &report.ignored)?;
        write_array(out, "unreadable", report.unreadable.iter().map(Ok))?;
        write_array(out, "notices", report.notices.iter().map(Ok))?;
        write_array(out, "removed", report.removed.iter().map(Ok))?;
        write_array(out, "resolved", report.resolved.iter().map(Ok))?;
        write_array(out, "findings", report.findings.iter().map(|finding| Ok(row(report, finding))))?;
        end(out)
    }
}

fn row<'a>(report: &CheckReport, finding: &'a TemplateFinding) -> Row<'a> {
    let violated = finding.finding.compliance == ComplianceType::NonCompliant;
    Row {
        finding,
        blocks: report.fail_on.is_some_and(|from| finding.blocks(from)),
        remediation: report
            .controls
            .get(&finding.finding.control)
            .filter(|_| violated)
            .map(|control| control.remediation_for(&finding.finding.evidence)),
    }
}
