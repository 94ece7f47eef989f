//! JSON for programs: everything that was found, and what was looked at.

use std::io::{self, Write};

use serde_json::json;

use super::{CheckFormat, CheckReport};

/// `--format json`
pub struct CheckJson;

impl CheckFormat for CheckJson {
    fn name(&self) -> &'static str {
        "json"
    }

    fn about(&self) -> &'static str {
        "everything, for programs"
    }

    fn write(&self, report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
        let document = json!({
            "schemaVersion": crate::report::SCHEMA_VERSION,
            "toolVersion": report.tool_version,
            "policyHash": report.policy_hash,
            "files": report.files,
            "ignoredFiles": report.ignored,
            "unreadable": report.unreadable,
            "notices": report.notices,
            "findings": report.findings,
            "removed": report.removed,
            "resolved": report.resolved,
        });
        serde_json::to_writer_pretty(&mut *out, &document)?;
        writeln!(out)
    }
}
