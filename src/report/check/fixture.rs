//! A report for the tests of single formats.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{CheckReport, CheckedFile, Roots};
use crate::finding::{
    Blind, ComplianceType, Control, Finding, ResourceRef, Severity, SourcePlace, TemplateChange, TemplateFinding,
};
use crate::inventory::{Position, Region, ResourceUid, Span, TypeName};

/// A violation of `control` at a line of `file`.
pub(super) fn finding(control: &str, severity: Severity, file: &str, line: u32) -> TemplateFinding {
    let resource = Arc::new(ResourceRef {
        uid: ResourceUid(format!("{file}#R{line}")),
        type_name: TypeName::PIPELINE,
        account: "000000000000".parse().unwrap(),
        region: Region::GLOBAL,
    });
    let at = |column| Position { line, column };
    let logical_id = format!("R{line}");
    TemplateFinding {
        fingerprint: TemplateFinding::fingerprint_of(control, &logical_id, ""),
        finding: Finding {
            id: Finding::stable_id(control, &resource),
            control: control.to_owned(),
            severity,
            compliance: ComplianceType::NonCompliant,
            resource,
            evidence: BTreeMap::new(),
            gaps: Vec::new(),
            exception: None,
            owner: None,
            lifecycle: None,
        },
        logical_id,
        construct_path: None,
        place: SourcePlace { file: file.into(), span: Span { start: at(3), end: at(5) } },
        related: Vec::new(),
        property_path: String::new(),
        alternatives: Vec::new(),
        blind: None,
        change: TemplateChange::New,
    }
}

/// The same, not decided for a reason.
pub(super) fn undecided(control: &str, line: u32, blind: Blind, gap: &str) -> TemplateFinding {
    let mut finding = finding(control, Severity::High, "a.yaml", line);
    finding.finding.compliance = ComplianceType::InsufficientData;
    finding.finding.gaps = vec![gap.to_owned()];
    finding.blind = Some(blind);
    finding
}

/// A report of findings.
pub(super) fn report(mut findings: Vec<TemplateFinding>) -> CheckReport {
    findings.sort_by(|a, b| a.order().cmp(&b.order()));
    let controls = findings.iter().map(|one| {
        let control = Control {
            id: one.finding.control.clone(),
            title: format!("{} holds", one.finding.control),
            severity: one.finding.severity,
            resource_type: TypeName::PIPELINE,
            remediation: "Mend {thing}.".to_owned(),
            frameworks: (0..20).map(|number| format!("F-{number}")).collect(),
        };
        (control.id.clone(), control)
    });
    CheckReport {
        tool_version: "0.0.0".to_owned(),
        policy_hash: "ab".repeat(32),
        controls: controls.collect(),
        frameworks: BTreeMap::new(),
        fixes: BTreeMap::new(),
        findings,
        files: vec![CheckedFile { file: "a.yaml".into(), format: "CloudFormation".to_owned(), resources: 1 }],
        ignored: 0,
        unreadable: Vec::new(),
        notices: Vec::new(),
        removed: Vec::new(),
        resolved: Vec::new(),
        sources: BTreeMap::new(),
        fail_on: Some(Severity::Low),
        fail_on_gaps: false,
        compared: false,
        roots: Roots::default(),
    }
}
