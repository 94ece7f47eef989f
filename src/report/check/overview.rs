//! All findings of a check, sorted into what a person does with them.
//!
//! In: a report. Out: what blocks, what is known, excepted or undecided and why, and how the check ends. It stands here
//! and not in a format, so that a terminal and a job summary never disagree.

use std::collections::BTreeMap;

use super::CheckReport;
use crate::finding::{Alternative, Blind, ComplianceType, Severity, TemplateChange, TemplateFinding};
use crate::report::text::{counted, grouped};

/// Findings by what they ask of the reader, each list worst first.
pub(super) struct Overview<'a> {
    /// Violated by this change, or with nothing to compare with.
    pub(super) violations: Vec<&'a TemplateFinding>,
    /// Violated before.
    pub(super) known: Vec<&'a TemplateFinding>,
    /// Violated, and somebody answers for it.
    pub(super) excepted: Vec<&'a TemplateFinding>,
    /// Not decided, by reason.
    pub(super) undecided: Vec<Undecided<'a>>,
    /// Only the deployed account can say it.
    pub(super) only_deployed: Vec<&'a TemplateFinding>,
    pub(super) good: usize,
    pub(super) not_applicable: usize,
    pub(super) blocking: usize,
}

/// Findings that one and the same thing would decide.
pub(super) struct Undecided<'a> {
    pub(super) because: &'a [String],
    pub(super) alternatives: &'a [Alternative],
    pub(super) findings: Vec<&'a TemplateFinding>,
}

impl Undecided<'_> {
    pub(super) fn worst(&self) -> Severity {
        self.findings.iter().map(|finding| finding.finding.severity).max().unwrap_or(Severity::Low)
    }
}

impl<'a> Overview<'a> {
    pub(super) fn of(report: &'a CheckReport) -> Self {
        let mut all = Self {
            violations: Vec::new(),
            known: Vec::new(),
            excepted: Vec::new(),
            undecided: Vec::new(),
            only_deployed: Vec::new(),
            good: 0,
            not_applicable: 0,
            blocking: report.blocking().count(),
        };
        let mut undecided: Vec<&TemplateFinding> = Vec::new();
        for finding in &report.findings {
            match finding.finding.compliance {
                ComplianceType::NonCompliant if finding.finding.exception.is_some() => all.excepted.push(finding),
                ComplianceType::NonCompliant if finding.change == TemplateChange::Known => all.known.push(finding),
                ComplianceType::NonCompliant => all.violations.push(finding),
                ComplianceType::InsufficientData if finding.is_gap() => undecided.push(finding),
                ComplianceType::InsufficientData => all.only_deployed.push(finding),
                ComplianceType::Compliant => all.good += 1,
                ComplianceType::NotApplicable => all.not_applicable += 1,
            }
        }
        all.undecided = by_reason(&undecided);
        all
    }

    pub(super) fn undecided_findings(&self) -> usize {
        self.undecided.iter().map(|reason| reason.findings.len()).sum()
    }

    /// `3 violated`, `2 not decided`, `40 good`: without known and excepted ones where there are none.
    pub(super) fn answers(&self) -> Vec<String> {
        let counts = [
            (self.violations.len(), "violated", true),
            (self.known.len(), "known before", false),
            (self.excepted.len(), "excepted", false),
            (self.undecided_findings(), "not decided", true),
            (self.only_deployed.len(), "only when deployed", false),
            (self.good, "good", true),
            (self.not_applicable, "not applicable", false),
        ];
        let said = counts.into_iter().filter(|(count, _, always)| *always || *count > 0);
        said.map(|(count, what, _)| format!("{} {what}", grouped(count as u64))).collect()
    }

    /// `1 CRITICAL · 4 HIGH · 0 MEDIUM · 2 LOW`
    pub(super) fn by_severity(&self) -> String {
        let of = |severity| self.violations.iter().filter(|one| one.finding.severity == severity).count() as u64;
        let said: Vec<String> =
            Severity::ALL.into_iter().map(|severity| format!("{} {severity}", grouped(of(severity)))).collect();
        said.join(" · ")
    }
}

/// What can be given comes first, then the reason that leaves the worst open, then the one that leaves the most.
fn by_reason<'a>(findings: &[&'a TemplateFinding]) -> Vec<Undecided<'a>> {
    let mut places: BTreeMap<(&[String], Vec<&str>), usize> = BTreeMap::new();
    let mut reasons: Vec<Undecided<'a>> = Vec::new();
    for finding in findings {
        let because = finding.finding.gaps.as_slice();
        let when = finding.alternatives.iter().map(|one| one.when.as_str()).collect();
        let place = *places.entry((because, when)).or_insert(reasons.len());
        match reasons.get_mut(place) {
            Some(reason) => reason.findings.push(finding),
            None => {
                reasons.push(Undecided { because, alternatives: &finding.alternatives, findings: vec![finding] });
            }
        }
    }
    let blind = |reason: &Undecided<'_>| reason.findings.first().map_or(Some(Blind::OnlyDeployed), |one| one.blind);
    reasons.sort_by(|a, b| {
        (blind(a), b.worst(), b.findings.len(), a.because).cmp(&(blind(b), a.worst(), a.findings.len(), b.because))
    });
    reasons
}

/// How the check ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Blocked,
    NoVerdict,
    NotDecided,
    NothingToJudge,
    Passed,
}

impl Ending {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Blocked => "BLOCKED",
            Self::NoVerdict => "NO VERDICT",
            Self::NotDecided => "NOT DECIDED",
            Self::NothingToJudge => "NOTHING TO JUDGE",
            Self::Passed => "PASSED",
        }
    }
}

/// How the check ends and why, with the exit code that the command line gives for it.
pub(super) fn ending(report: &CheckReport, overview: &Overview<'_>) -> (Ending, String) {
    let number = |list: usize| list as u64;
    let from = report.fail_on.map_or_else(|| "none".to_owned(), |severity| severity.to_string());
    let blocking = number(overview.blocking);
    let blocks = format!(
        "{} at or above {from} {} the change",
        counted(blocking, "violation"),
        if blocking == 1 { "blocks" } else { "block" }
    );
    let open = number(overview.undecided_findings());
    if !report.unreadable.is_empty() {
        let files = counted(number(report.unreadable.len()), "file");
        let also = if blocking > 0 { format!("; {blocks}") } else { String::new() };
        return (Ending::NoVerdict, format!("{files} could not be read, so nobody knows (exit code 3){also}"));
    }
    if blocking > 0 {
        return (Ending::Blocked, format!("{blocks} (exit code 1)"));
    }
    if report.fail_on_gaps && open > 0 {
        let answers = counted(open, "answer");
        return (
            Ending::NotDecided,
            format!("{answers} could not be decided, and --fail-on-gaps asks for all (exit code 2)"),
        );
    }
    if report.files.is_empty() {
        return (
            Ending::NothingToJudge,
            "nothing of the delivery path is declared in what was given (exit code 0)".to_owned(),
        );
    }
    let mut but = Vec::new();
    if !overview.violations.is_empty() {
        let violations = counted(number(overview.violations.len()), "violation");
        but.push(report.fail_on.map_or_else(
            || format!("{violations}, which --fail-on none lets through"),
            |severity| format!("{violations} below {severity} (--fail-on)"),
        ));
    }
    if !overview.known.is_empty() {
        but.push(format!("{} known before", counted(number(overview.known.len()), "violation")));
    }
    if !overview.excepted.is_empty() {
        but.push(format!("{} under a valid exception", counted(number(overview.excepted.len()), "violation")));
    }
    if open > 0 {
        but.push(format!("{} not decided", counted(open, "answer")));
    }
    let but = if but.is_empty() { String::new() } else { format!(", with {}", but.join(", ")) };
    (Ending::Passed, format!("nothing blocks{but} (exit code 0)"))
}

#[cfg(test)]
mod tests {
    use super::super::UnreadableFile;
    use super::super::fixture::{finding, report, undecided};
    use super::*;

    #[test]
    fn reasons_are_grouped_and_what_can_be_given_comes_first() {
        let report = report(vec![
            undecided("a", 1, Blind::Elsewhere, "elsewhere"),
            undecided("b", 1, Blind::Unresolved, "`Bucket` has no value"),
            undecided("c", 2, Blind::Unresolved, "`Bucket` has no value"),
            undecided("d", 3, Blind::Unresolved, "`Key` has no value"),
            undecided("e", 4, Blind::OnlyDeployed, "deployed"),
        ]);
        let overview = Overview::of(&report);
        let said: Vec<(&str, usize)> =
            overview.undecided.iter().map(|one| (one.because[0].as_str(), one.findings.len())).collect();
        assert_eq!(said, [("`Bucket` has no value", 2), ("`Key` has no value", 1), ("elsewhere", 1)]);
        assert_eq!((overview.undecided_findings(), overview.only_deployed.len()), (4, 1));
    }

    #[test]
    fn the_end_names_its_reason_and_its_exit_code() {
        let mut report = report(vec![finding("a", Severity::Medium, "a.yaml", 1)]);
        let said = |report: &CheckReport| ending(report, &Overview::of(report));
        assert_eq!(
            said(&report),
            (Ending::Blocked, "1 violation at or above LOW blocks the change (exit code 1)".to_owned())
        );
        report.fail_on = Some(Severity::High);
        let (end, text) = said(&report);
        assert!(end == Ending::Passed && text.contains("1 violation below HIGH"), "{text}");
        report.findings[0].change = TemplateChange::Known;
        assert!(said(&report).1.contains("1 violation known before"), "{}", said(&report).1);
        report.findings = vec![undecided("a", 1, Blind::Unresolved, "x")];
        assert!(said(&report).0 == Ending::Passed && said(&report).1.contains("1 answer not decided"));
        report.fail_on_gaps = true;
        assert!(said(&report).0 == Ending::NotDecided && said(&report).1.contains("exit code 2"));
        report.unreadable.push(UnreadableFile { file: "b".into(), at: None, message: "x".to_owned() });
        assert!(said(&report).0 == Ending::NoVerdict && said(&report).1.contains("exit code 3"));
    }
}
