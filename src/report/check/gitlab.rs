//! Code Quality reports of GitLab.
//!
//! In: a report. Out: one JSON list. GitLab compares the fingerprints of two branches and shows one finding of each, so
//! they are made unique here, with the file in them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{CheckFormat, CheckReport, wording};
use crate::finding::{ComplianceType, Severity, TemplateFinding, hex};

/// The `gitlab` format.
pub struct GitLab;

#[derive(Serialize)]
struct Issue<'a> {
    description: String,
    check_name: &'a str,
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: u32,
    end: u32,
}

impl CheckFormat for GitLab {
    fn name(&self) -> &'static str {
        "gitlab"
    }

    fn about(&self) -> &'static str {
        "a Code Quality report of GitLab"
    }

    fn write(&self, report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        let mut unique = |path: &str, fingerprint: &str| {
            let mut hash = Sha256::new();
            for part in [path, fingerprint] {
                hash.update(part.as_bytes());
                hash.update([0]);
            }
            let times = seen.entry(hex(hash.clone().finalize().get(..16).unwrap_or_default())).or_default();
            *times += 1;
            hash.update(times.to_be_bytes());
            hex(hash.finalize().get(..16).unwrap_or_default())
        };
        let mut issues: Vec<Issue<'_>> = Vec::new();
        for file in &report.unreadable {
            let path = report.roots.path(&file.file);
            let line = file.at.map_or(1, |at| at.line.max(1));
            issues.push(Issue {
                description: format!("cannot be read: {}", crate::report::text::short(&file.message, 400)),
                check_name: "unreadable",
                fingerprint: unique(&path, "unreadable"),
                severity: "blocker",
                location: Location { path, lines: Lines { begin: line, end: line } },
            });
        }
        for finding in &report.findings {
            let open = finding.finding.compliance == ComplianceType::NonCompliant || finding.is_gap();
            if !open {
                continue;
            }
            let path = report.roots.path(&finding.place.file);
            let span = finding.place.span;
            let begin = span.start.line.max(1);
            issues.push(Issue {
                description: description(report, finding),
                check_name: &finding.finding.control,
                fingerprint: unique(&path, &finding.fingerprint),
                severity: severity(finding),
                location: Location { path, lines: Lines { begin, end: span.end.line.max(begin) } },
            });
        }
        serde_json::to_writer_pretty(&mut *out, &issues)?;
        writeln!(out)
    }
}

fn description(report: &CheckReport, finding: &TemplateFinding) -> String {
    let message = wording::message(report, finding);
    wording::exception(finding).map_or_else(|| message.clone(), |exception| format!("{message} ({exception})"))
}

fn severity(finding: &TemplateFinding) -> &'static str {
    if finding.is_gap() || finding.finding.exception.is_some() {
        return "info";
    }
    match finding.finding.severity {
        Severity::Critical => "blocker",
        Severity::High => "critical",
        Severity::Medium => "major",
        Severity::Low => "minor",
    }
}
