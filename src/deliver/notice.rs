//! The short message on a run: what a person reads before opening the report.
//!
//! In: a finished run's report, or why a run has no verdict. Out: a [`Notice`] with the words in one place; receivers of
//! messages render it for their channel, as text, as JSON or from its parts. Names come from AWS and are made visible
//! here; what else a channel has to escape is its own business.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Package;
use crate::finding::{Change, ComplianceType, Finding, Severity};
use crate::inventory::AccountId;
use crate::report::{Counts, Report, RunInfo, visible};

/// Version of the shape of [`Notice::json`].
const SCHEMA_VERSION: u32 = 1;
/// Violations that are named one by one.
const MOST_FINDINGS: usize = 10;
/// Causes of blindness that are named one by one.
const MOST_CAUSES: usize = 5;

/// When a message is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// On every run.
    Always,
    /// When a violation is new, worse, better, resolved or not seen any more, and on a run that has none to compare with.
    #[default]
    Changed,
    /// When there are violations that no exception covers.
    Violations,
}

impl When {
    /// Whether this run is worth a message.
    #[must_use]
    pub fn applies(self, report: &Report<'_>) -> bool {
        match self {
            Self::Always => true,
            Self::Violations => report.counts.violations.values().any(|count| *count > 0),
            Self::Changed => report.over_time.comparison.as_ref().is_none_or(|comparison| {
                comparison.violations.iter().any(|(change, count)| *change != Change::Unchanged && *count > 0)
            }),
        }
    }
}

/// What the run says, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Everything was looked at, and is good.
    Compliant,
    /// Something violates a control.
    NonCompliant,
    /// No violation was found, but not everything could be seen.
    InsufficientData,
    /// The run ended without a verdict.
    Failed,
}

/// A violation that is named in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NoticeFinding {
    /// [`Finding::id`]
    pub id: String,
    /// The control's severity.
    pub severity: Severity,
    /// [`crate::finding::Control::id`]
    pub control: String,
    /// What must hold.
    pub title: String,
    /// ARN.
    pub resource: String,
    /// Twelve digits.
    pub account: AccountId,
    /// As Organizations names it; empty if it is not known.
    pub account_name: String,
    /// Region, or `global`.
    pub region: String,
    /// Since the run before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// The short message on a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// One line.
    pub title: String,
    /// In one word.
    pub verdict: Verdict,
    /// Which run.
    pub run: RunInfo,
    /// Findings counted.
    pub counts: Counts,
    /// Violations by what changed; none if there was nothing to compare with.
    pub changes: Option<BTreeMap<Change, u64>>,
    /// What happened, sentence by sentence.
    pub sentences: Vec<String>,
    /// The worst of the new and worsened violations; of all, where there was nothing to compare with.
    pub findings: Vec<NoticeFinding>,
    /// How many more of them there are.
    pub more_findings: u64,
    /// What could not be seen, one sentence per cause.
    pub not_seen: Vec<String>,
    /// How many more causes there are.
    pub more_not_seen: u64,
    /// Where the report is.
    pub report: String,
}

impl Notice {
    /// The message on a finished run.
    ///
    /// # Errors
    /// If the findings cannot be read.
    pub fn of(package: &Package<'_>) -> io::Result<Self> {
        let report = package.report;
        let changes = report.over_time.comparison.as_ref().map(|comparison| comparison.violations.clone());
        let (findings, more_findings) = worst(report)?;
        let (not_seen, more_not_seen) = causes(report);
        let violations: u64 = report.counts.violations.values().sum();
        let unknown = report.counts.of(ComplianceType::InsufficientData);
        let verdict = if violations > 0 {
            Verdict::NonCompliant
        } else if unknown > 0 || !report.gaps.is_empty() {
            Verdict::InsufficientData
        } else {
            Verdict::Compliant
        };
        Ok(Self {
            title: title(report, verdict, violations, changes.as_ref()),
            verdict,
            run: report.run.clone(),
            counts: report.counts.clone(),
            sentences: sentences(report, violations, unknown),
            changes,
            findings,
            more_findings,
            not_seen,
            more_not_seen,
            report: package.report_location.clone(),
        })
    }

    /// The message on a run without a verdict.
    #[must_use]
    pub fn of_failure(run: RunInfo, why: &str, report: String) -> Self {
        Self {
            title: format!("pipewarden: run {} ended without a verdict{}", run.run_id, of_organization(&run)),
            verdict: Verdict::Failed,
            run,
            counts: Counts::default(),
            changes: None,
            sentences: vec![
                format!("The run ended without a verdict: {}.", visible(why.trim_end_matches('.'))),
                "Nothing was judged, so nothing is known to be good.".to_owned(),
            ],
            findings: Vec::new(),
            more_findings: 0,
            not_seen: Vec::new(),
            more_not_seen: 0,
            report,
        }
    }

    /// As plain text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.title);
        for sentence in &self.sentences {
            let _ = writeln!(text, "{sentence}");
        }
        if !self.findings.is_empty() {
            let head = if self.changes.is_some() { "New or worse:" } else { "Worst:" };
            let _ = writeln!(text, "\n{head}");
            for finding in &self.findings {
                let _ = writeln!(text, "  {:8}  {}", finding.severity, finding.title);
                let _ = writeln!(text, "            {}", finding.place());
            }
            if self.more_findings > 0 {
                let _ = writeln!(text, "  and {} more", self.more_findings);
            }
        }
        if !self.not_seen.is_empty() {
            let _ = writeln!(text, "\nNot seen:");
            for cause in &self.not_seen {
                let _ = writeln!(text, "  {cause}");
            }
            if self.more_not_seen > 0 {
                let _ = writeln!(text, "  and {} more causes", self.more_not_seen);
            }
        }
        let _ = writeln!(text, "\nReport: {}", self.report);
        text
    }

    /// As JSON, for programs that listen.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "schemaVersion": SCHEMA_VERSION,
            "title": self.title,
            "verdict": self.verdict,
            "run": self.run,
            "counts": self.counts,
            "changes": self.changes,
            "sentences": self.sentences,
            "findings": self.findings,
            "moreFindings": self.more_findings,
            "notSeen": self.not_seen,
            "moreNotSeen": self.more_not_seen,
            "report": self.report,
        })
    }
}

impl NoticeFinding {
    fn of(finding: &Finding, report: &Report<'_>) -> Self {
        let resource = &finding.resource;
        let title = report.controls.get(&finding.control).map_or(finding.control.as_str(), |control| &control.title);
        let name = report.accounts.get(&resource.account).map_or("", |account| &account.name);
        Self {
            id: finding.id.clone(),
            severity: finding.severity,
            control: finding.control.clone(),
            title: visible(title).into_owned(),
            resource: visible(resource.uid.as_str()).into_owned(),
            account: resource.account.clone(),
            account_name: visible(name).into_owned(),
            region: resource.region.to_string(),
            change: finding.lifecycle.as_ref().map(|lifecycle| lifecycle.change),
            owner: finding.owner.as_ref().map(|owner| visible(&owner.name).into_owned()),
        }
    }

    /// Resource, account, Region and owner on one line.
    #[must_use]
    pub fn place(&self) -> String {
        let account = if self.account_name.is_empty() {
            self.account.to_string()
        } else {
            format!("{} ({})", self.account_name, self.account)
        };
        let owner = self.owner.as_ref().map_or_else(String::new, |owner| format!(", owner {owner}"));
        format!("{}, {account}, {}{owner}", self.resource, self.region)
    }
}

/// The worst violations that somebody has to hear of, and how many more there are.
fn worst(report: &Report<'_>) -> io::Result<(Vec<NoticeFinding>, u64)> {
    let compared = report.over_time.comparison.is_some();
    let mut worst: Vec<NoticeFinding> = Vec::new();
    let mut more = 0;
    for finding in report.findings.findings()? {
        let finding = finding?;
        let is_news =
            !compared || finding.lifecycle.as_ref().is_some_and(|l| matches!(l.change, Change::New | Change::Worsened));
        if !is_news || finding.compliance != ComplianceType::NonCompliant || finding.exception.is_some() {
            continue;
        }
        // Equal severities stay in the order of the report.
        let place = worst.partition_point(|other| other.severity >= finding.severity);
        if place < MOST_FINDINGS {
            worst.insert(place, NoticeFinding::of(&finding, report));
        } else {
            more += 1;
        }
        if worst.len() > MOST_FINDINGS {
            worst.truncate(MOST_FINDINGS);
            more += 1;
        }
    }
    Ok((worst, more))
}

/// Gaps by action and cause, the most frequent first.
fn causes(report: &Report<'_>) -> (Vec<String>, u64) {
    let mut causes: BTreeMap<(&str, String), (u64, BTreeSet<&AccountId>)> = BTreeMap::new();
    for gap in report.gaps {
        let (times, accounts) = causes.entry((gap.action.as_str(), gap.cause.word().to_owned())).or_default();
        *times += 1;
        accounts.insert(&gap.account);
    }
    let mut causes: Vec<_> = causes.into_iter().collect();
    causes.sort_by_key(|(_, (times, _))| std::cmp::Reverse(*times));
    let more = causes.len().saturating_sub(MOST_CAUSES) as u64;
    let named = causes.into_iter().take(MOST_CAUSES).map(|((action, word), (times, accounts))| {
        let accounts = accounts.len() as u64;
        format!(
            "{}: {}, {} in {}",
            visible(action),
            visible(&word),
            counted(times, "gap"),
            counted(accounts, "account")
        )
    });
    (named.collect(), more)
}

fn title(report: &Report<'_>, verdict: Verdict, violations: u64, changes: Option<&BTreeMap<Change, u64>>) -> String {
    let of = |change: Change| changes.and_then(|changes| changes.get(&change).copied()).unwrap_or(0);
    let news = of(Change::New) + of(Change::Worsened);
    let worst =
        Severity::ALL.into_iter().find(|severity| report.counts.violations.get(severity).is_some_and(|n| *n > 0));
    let what = match (verdict, worst) {
        (Verdict::NonCompliant, Some(severity)) => {
            let of_worst = report.counts.violations.get(&severity).copied().unwrap_or(0);
            let all = format!("{}, {of_worst} {}", counted(violations, "violation"), severity.as_str().to_lowercase());
            if changes.is_some() { format!("{news} new or worse; {all}") } else { all }
        }
        (Verdict::InsufficientData, _) => "no violation seen, but not everything could be looked at".to_owned(),
        _ => "everything was looked at, and is compliant".to_owned(),
    };
    format!("pipewarden: {what}{}", of_organization(&report.run))
}

fn of_organization(run: &RunInfo) -> String {
    if run.organization.is_empty() { String::new() } else { format!(" ({})", visible(&run.organization)) }
}

fn sentences(report: &Report<'_>, violations: u64, unknown: u64) -> Vec<String> {
    let mut sentences = Vec::new();
    let by_severity: Vec<String> = Severity::ALL
        .into_iter()
        .filter_map(|severity| {
            let count = report.counts.violations.get(&severity).copied().filter(|count| *count > 0)?;
            Some(format!("{count} {}", severity.as_str().to_lowercase()))
        })
        .collect();
    let mut first = counted(violations, "violation");
    if !by_severity.is_empty() {
        let _ = write!(first, ": {}", by_severity.join(", "));
    }
    if report.counts.excepted > 0 {
        let _ = write!(first, "; {} under an exception", report.counts.excepted);
    }
    let accounts = report.accounts.len() as u64;
    sentences.push(format!(
        "{first}; {} compliant results in {}.",
        report.counts.of(ComplianceType::Compliant),
        counted(accounts, "account")
    ));
    sentences.push(match &report.over_time.comparison {
        None => "There is no earlier run to compare with.".to_owned(),
        Some(comparison) => {
            let changes: Vec<String> = Change::ALL
                .into_iter()
                .filter(|change| *change != Change::Unchanged)
                .filter_map(|change| {
                    let count = comparison.violations.get(&change).copied().filter(|count| *count > 0)?;
                    Some(format!("{count} {}", word(change)))
                })
                .collect();
            let what = if changes.is_empty() { "nothing changed".to_owned() } else { changes.join(", ") };
            format!("Since run {}: {what}.", comparison.previous.run_id)
        }
    });
    sentences.push(if unknown == 0 && report.gaps.is_empty() {
        "Everything that was asked could be seen.".to_owned()
    } else {
        format!(
            "{} unknown: {} could not be seen.",
            if unknown == 1 { "1 result is".to_owned() } else { format!("{unknown} results are") },
            counted(report.gaps.len() as u64, "thing")
        )
    });
    sentences
}

fn word(change: Change) -> &'static str {
    match change {
        Change::New => "new",
        Change::Worsened => "worsened",
        Change::Improved => "improved",
        Change::Unchanged => "unchanged",
        Change::Resolved => "resolved",
        Change::NotSeen => "not seen this time, which is not resolved",
    }
}

fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Control, Lifecycle, ResourceRef};
    use crate::inventory::{Affects, Coverage, Gap, GapCause, Region, ResourceUid, TypeName};
    use crate::report::{Comparison, OverTime};

    const ACCOUNT: &str = "111122223333";

    fn finding(nth: usize, severity: Severity, change: Option<Change>) -> Finding {
        let resource = ResourceRef {
            uid: ResourceUid(format!("arn:aws:codepipeline:eu-west-1:{ACCOUNT}:p{nth:03}\u{202e}")),
            type_name: TypeName::PIPELINE,
            account: ACCOUNT.parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
        };
        Finding {
            id: format!("{nth:032}"),
            control: "c".to_owned(),
            severity,
            compliance: ComplianceType::NonCompliant,
            resource: resource.into(),
            evidence: BTreeMap::new(),
            gaps: Vec::new(),
            exception: None,
            owner: None,
            lifecycle: change.map(|change| Lifecycle {
                change,
                first_observed_at: "2026-11-20T02:00:00Z".to_owned(),
                last_observed_at: "2026-11-21T02:00:00Z".to_owned(),
                last_known: None,
            }),
        }
    }

    fn run() -> RunInfo {
        RunInfo {
            run_id: "20261121T020000Z".to_owned(),
            started_at: "2026-11-21T02:00:00Z".to_owned(),
            tool_version: "1".to_owned(),
            organization: "o-example".to_owned(),
            policy_hash: String::new(),
        }
    }

    fn with(findings: &[Finding], changes: &[(Change, u64)], gaps: &[Gap], check: &dyn Fn(&Report<'_>)) {
        let source = findings.to_vec();
        let mut counts = Counts::default();
        findings.iter().for_each(|finding| counts.add(finding));
        let comparison =
            Comparison { previous: run(), violations: changes.iter().copied().collect(), remediation: BTreeMap::new() };
        let over_time = OverTime { comparison: (!changes.is_empty()).then_some(comparison), ..OverTime::default() };
        let control = Control {
            id: "c".to_owned(),
            title: "Something holds".to_owned(),
            severity: Severity::Low,
            resource_type: TypeName::PIPELINE,
            remediation: String::new(),
            frameworks: Vec::new(),
        };
        check(&Report {
            run: run(),
            controls: BTreeMap::from([("c".to_owned(), control)]),
            frameworks: BTreeMap::new(),
            accounts: BTreeMap::new(),
            counts,
            coverage: &Coverage::default(),
            gaps,
            findings: &source,
            calls: crate::inventory::CallCounts::default(),
            over_time,
        });
    }

    #[test]
    fn the_worst_news_come_first_and_the_rest_is_counted() {
        let mut findings: Vec<Finding> = (0..20).map(|nth| finding(nth, Severity::Low, Some(Change::New))).collect();
        findings.push(finding(20, Severity::Critical, Some(Change::Worsened)));
        findings.push(finding(21, Severity::Critical, Some(Change::Unchanged)));
        with(&findings, &[(Change::New, 20), (Change::Worsened, 1)], &[], &|report| {
            let (worst, more) = worst(report).unwrap();
            assert_eq!((worst.len(), more), (10, 11));
            assert_eq!((worst[0].severity, worst[1].severity), (Severity::Critical, Severity::Low));
            assert!(worst[1].resource.contains("p000\\u{202e}"), "{}", worst[1].resource);
            let title = title(
                report,
                Verdict::NonCompliant,
                22,
                Some(&report.over_time.comparison.as_ref().unwrap().violations),
            );
            assert_eq!(title, "pipewarden: 21 new or worse; 22 violations, 2 critical (o-example)");
        });
    }

    #[test]
    fn what_could_not_be_seen_is_said_and_never_called_resolved() {
        let gap = |action: &str| Gap {
            account: ACCOUNT.parse().unwrap(),
            region: Region::GLOBAL,
            service: "iam".to_owned(),
            action: action.to_owned(),
            cause: GapCause::AccessDenied { message: "no".to_owned() },
            affects: Affects::Account,
        };
        let gaps = [gap("iam:GetRole"), gap("iam:GetRole"), gap("sts:AssumeRole")];
        with(&[], &[(Change::NotSeen, 2)], &gaps, &|report| {
            let said = sentences(report, 0, 0).join("\n");
            assert!(said.contains("2 not seen this time, which is not resolved"), "{said}");
            assert!(said.contains("3 things could not be seen"), "{said}");
            let (causes, _) = causes(report);
            assert_eq!(causes[0], "iam:GetRole: denied, 2 gaps in 1 account");
        });
    }

    #[test]
    fn messages_are_sent_when_they_are_wanted() {
        let quiet = [(Change::Unchanged, 5)];
        let none = Vec::new();
        let bad = vec![finding(1, Severity::Low, None)];
        let applies = |findings: &[Finding], changes: &[(Change, u64)], expected: [bool; 3]| {
            with(findings, changes, &[], &|report| {
                assert_eq!([When::Always, When::Changed, When::Violations].map(|when| when.applies(report)), expected);
            });
        };
        applies(&bad, &quiet, [true, false, true]);
        applies(&none, &[(Change::Resolved, 1)], [true, true, false]);
        applies(&none, &[], [true, true, false]);
    }

    #[test]
    fn a_run_without_a_verdict_says_that_nothing_is_known_to_be_good() {
        let notice = Notice::of_failure(run(), "no account\u{1b}[31m could be entered", "/runs/1".to_owned());
        let text = notice.text();
        assert!(text.contains("nothing is known to be good") && !text.contains('\u{1b}'), "{text}");
        assert_eq!(notice.json()["verdict"], "Failed");
    }
}
