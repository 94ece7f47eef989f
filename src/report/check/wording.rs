//! Sentences about findings that several formats share.
//!
//! In: a finding and its report. Out: its title, what to do, where it is and what decides it, in plain text; every format
//! escapes it in its own way.

use super::CheckReport;
use super::overview::Undecided;
use crate::finding::{Alternative, Blind, ComplianceType, SourcePlace, TemplateChange, TemplateFinding};
use crate::report::text::{NAME, counted, grouped, short};
use std::fmt::Write as _;

/// The longest advice.
const ADVICE: usize = 900;

/// What must hold.
pub(super) fn title(report: &CheckReport, control: &str) -> String {
    report.controls.get(control).map_or_else(|| short(control, 400), |control| short(&control.title, 400))
}

/// What to do, with the evidence filled in.
pub(super) fn advice(report: &CheckReport, finding: &TemplateFinding) -> String {
    let control = report.controls.get(&finding.finding.control);
    control.map_or_else(String::new, |control| short(&control.remediation_for(&finding.finding.evidence), ADVICE))
}

/// A fragment to write, in the language of the file.
pub(super) fn fragment<'a>(report: &'a CheckReport, finding: &TemplateFinding) -> &'a str {
    let Some(fix) = report.fixes.get(&finding.finding.control) else { return "" };
    match format_of(report, finding) {
        format if format.contains("Terraform") => &fix.terraform,
        format if ["CloudFormation", "CDK", "SAM"].iter().any(|known| format.contains(known)) => &fix.cloudformation,
        _ => "",
    }
}

/// The format of the file that a finding is about.
pub(super) fn format_of<'a>(report: &'a CheckReport, finding: &TemplateFinding) -> &'a str {
    let file = &finding.place.file;
    if file.ends_with(".tf") {
        return "Terraform";
    }
    // The files are sorted.
    let place = report.files.partition_point(|one| one.file < *file);
    match report.files.get(place).filter(|one| one.file == *file) {
        Some(named) => &named.format,
        None if finding.construct_path.is_some() => "CDK",
        None => report.files.first().map_or("", |one| one.format.as_str()),
    }
}

/// Whether a tool wrote the file, so that a change under review does not have its lines.
pub(super) fn is_generated(report: &CheckReport, finding: &TemplateFinding) -> bool {
    let file = &finding.place.file;
    if file.ends_with(".tf") {
        return false;
    }
    let format = format_of(report, finding);
    let assembly = file.starts_with("cdk.out/") || file.contains("/cdk.out/");
    assembly || finding.construct_path.is_some() || format.contains("CDK") || format.contains("plan")
}

/// `infra/pipeline.yaml:12:3`; just the file where no line is known.
pub(super) fn at(report: &CheckReport, place: &SourcePlace) -> String {
    let path = short(&report.roots.path(&place.file), 2 * NAME);
    let start = place.span.start;
    if start.line == 0 { path } else { format!("{path}:{}:{}", start.line, start.column) }
}

/// `Pipeline (AWS::CodePipeline::Pipeline)`, and the path of the construct behind it.
pub(super) fn subject(finding: &TemplateFinding) -> String {
    let name = short(&finding.logical_id, NAME);
    let kind = finding.finding.resource.type_name.as_str();
    match &finding.construct_path {
        Some(path) => format!("{name} ({kind}), construct {}", short(path, 2 * NAME)),
        None => format!("{name} ({kind})"),
    }
}

/// `NonCompliant when Gate=No (the default); Compliant when Gate=Yes`
pub(super) fn alternatives(alternatives: &[Alternative]) -> String {
    let said = alternatives.iter().map(|one| {
        let default = if one.default { " (the default)" } else { "" };
        if one.when.is_empty() {
            format!("{}{default}", one.compliance)
        } else {
            format!("{} when {}{default}", one.compliance, short(&one.when, 240))
        }
    });
    said.collect::<Vec<_>>().join("; ")
}

/// Why something is not decided, without the alternatives' own sentences.
pub(super) fn because(reason: &Undecided<'_>) -> String {
    if !reason.alternatives.is_empty() {
        return alternatives(reason.alternatives);
    }
    if reason.because.is_empty() {
        return "a value is not known".to_owned();
    }
    reason.because.iter().map(|gap| short(gap, 600)).collect::<Vec<_>>().join("; ")
}

/// Why one finding is not decided.
pub(super) fn undecided(finding: &TemplateFinding) -> String {
    let one = Undecided { because: &finding.finding.gaps, alternatives: &finding.alternatives, findings: Vec::new() };
    because(&one)
}

/// `excepted until 2027-01-31 by web-legacy (owner web, SEC-1): the reason`
pub(super) fn exception(finding: &TemplateFinding) -> Option<String> {
    let exception = finding.finding.exception.as_ref()?;
    Some(format!(
        "excepted until {} by {} (owner {}, {}): {}",
        short(&exception.expires, NAME),
        short(&exception.id, NAME),
        short(&exception.owner, NAME),
        short(&exception.ticket, NAME),
        short(&exception.reason, 240)
    ))
}

/// What the change did, where there was something to compare with.
pub(super) fn change(report: &CheckReport, finding: &TemplateFinding) -> Option<&'static str> {
    report.compared.then_some(match finding.change {
        TemplateChange::New => "new",
        TemplateChange::Worsened => "worsened",
        TemplateChange::Known => "known",
    })
}

/// `41 answers need the deployed account; pipewarden audit gives them`
pub(super) fn only_deployed(count: usize) -> String {
    let count = count as u64;
    let verb = if count == 1 { "needs" } else { "need" };
    format!("{} {verb} the deployed account; `pipewarden audit` gives them", counted(count, "answer"))
}

/// `12 CloudFormation, 1 Terraform plan`
pub(super) fn files(report: &CheckReport) -> String {
    let mut formats: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
    for file in &report.files {
        *formats.entry(file.format.as_str()).or_default() += 1;
    }
    let judged: Vec<String> = formats.iter().map(|(format, count)| format!("{} {format}", grouped(*count))).collect();
    let resources = report.files.iter().map(|file| file.resources as u64).sum();
    let judged = if judged.is_empty() { "none".to_owned() } else { judged.join(", ") };
    let mut said =
        if report.files.is_empty() { judged } else { format!("{judged}, with {}", counted(resources, "resource")) };
    if report.ignored > 0 {
        let _ = write!(said, "; {} without anything of the delivery path", counted(report.ignored as u64, "file"));
    }
    if !report.unreadable.is_empty() {
        let _ = write!(said, "; {} unreadable", grouped(report.unreadable.len() as u64));
    }
    said
}

/// One line for lists: what is wrong, in which resource, and where.
pub(super) fn message(report: &CheckReport, finding: &TemplateFinding) -> String {
    let title = title(report, &finding.finding.control);
    let subject = subject(finding);
    match finding.finding.compliance {
        ComplianceType::InsufficientData if finding.blind == Some(Blind::OnlyDeployed) => {
            format!("Only the deployed account can say: {title}. {subject}")
        }
        ComplianceType::InsufficientData => format!("Not decided: {title}. {subject}: {}", undecided(finding)),
        _ => {
            let wanted = advice(report, finding);
            format!("Violated: {title}. {subject}. {wanted}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_answers_are_said_with_the_default() {
        let one = |when: &str, default, compliance| Alternative { when: when.to_owned(), default, compliance };
        let both =
            [one("Gate=No", true, ComplianceType::NonCompliant), one("Gate=Yes", false, ComplianceType::Compliant)];
        assert_eq!(alternatives(&both), "NonCompliant when Gate=No (the default); Compliant when Gate=Yes");
    }
}
