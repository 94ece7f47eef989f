//! `docs/controls.md`: every control for a reader, from the policies themselves.
//!
//! In: policies. Out: Markdown, the same bytes for the same policies. It exists so that the document cannot say anything
//! else than the policies do.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Guidance, Policies};
use crate::finding::Control;

/// The whole document.
#[must_use]
pub fn handbook(policies: &Policies) -> String {
    let mut by_type: BTreeMap<&str, Vec<&Control>> = BTreeMap::new();
    for control in policies.controls().values() {
        by_type.entry(control.resource_type.as_str()).or_default().push(control);
    }
    let mut out = String::from(HEAD);
    // Writing into a `String` cannot fail.
    let _ = writeln!(out, "\n{} controls judge {} kinds of resources.\n", policies.controls().len(), by_type.len());
    let _ = writeln!(out, "| kind | control | severity | what must hold |\n|---|---|---|---|");
    for (kind, controls) in &by_type {
        for control in controls {
            let (id, severity, title) = (&control.id, control.severity, &control.title);
            let _ = writeln!(out, "| `{kind}` | [{id}](#{id}) | {severity} | {title} |");
        }
    }
    for (kind, controls) in &by_type {
        let _ = writeln!(out, "\n## {kind}");
        for control in controls {
            write_control(&mut out, policies, control);
        }
    }
    out
}

const HEAD: &str = "# Controls

Written by `UPDATE_DOCUMENTS=1 cargo test --test main documents` from the policies in `policies/controls`; a test holds it
true. `pipewarden controls show ID` prints the same for one control, with its policy.
";

fn write_control(out: &mut String, policies: &Policies, control: &Control) {
    let nothing = Guidance::default();
    let guidance = policies.guidance(&control.id).unwrap_or(&nothing);
    let _ = writeln!(out, "\n### {}\n\n{}.\n", control.id, control.title);
    let severity = format!("**{}**", control.severity);
    let said = if guidance.severity_reason.is_empty() {
        severity
    } else {
        format!("{severity}: {}", guidance.severity_reason)
    };
    let _ = writeln!(out, "{said}\n");
    for text in [&guidance.rationale, &control.remediation] {
        if !text.is_empty() {
            let _ = writeln!(out, "{text}\n");
        }
    }
    if !guidance.console.is_empty() {
        let _ = writeln!(out, "In the console: {}\n", guidance.console);
    }
    for (name, text) in [("sh", &guidance.cli), ("yaml", &guidance.cloudformation), ("hcl", &guidance.terraform)] {
        if !text.is_empty() {
            let _ = writeln!(out, "```{name}\n{text}\n```\n");
        }
    }
    let reads: Vec<String> = policies.facts_read_by(&control.id).iter().map(|fact| format!("`{fact}`")).collect();
    let _ = writeln!(out, "Reads {}. Helps with {}.", reads.join(", "), control.frameworks.join(", "));
}
