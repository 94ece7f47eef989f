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
use super::estate_in_sight::{Sight, set_aside_in_words};
use crate::finding::{Change, ComplianceType, Finding, Severity};
use crate::inventory::AccountId;
use crate::report::{Counts, Report, RunInfo, visible};

/// Version of the shape of [`Notice::json`].
const SCHEMA_VERSION: u32 = 1;
/// Violations that are named one by one.
const MOST_FINDINGS: usize = 10;
/// Causes of blindness that are named one by one.
const MOST_CAUSES: usize = 5;

/// Results that say something: good or not.
pub(super) fn judged(counts: &Counts) -> u64 {
    counts.of(ComplianceType::Compliant) + counts.of(ComplianceType::NonCompliant)
}

/// What the run says, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Everything that was not left out on purpose was looked at, and is good or under an exception.
    Compliant,
    /// Something violates a control.
    NonCompliant,
    /// No violation was found, but not everything could be seen, or nothing was judged at all.
    InsufficientData,
    /// The run ended without a verdict.
    Failed,
}

impl Verdict {
    /// Of a finished run; `not_seen` counts violations of earlier runs that this one could not look at.
    pub(super) fn of(counts: &Counts, gaps: u64, not_seen: u64) -> Self {
        if counts.violations.values().any(|count| *count > 0) {
            Self::NonCompliant
        } else if counts.of(ComplianceType::InsufficientData) > 0 || gaps > 0 || not_seen > 0 || judged(counts) == 0 {
            Self::InsufficientData
        } else {
            Self::Compliant
        }
    }
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
    /// Whose findings it speaks of; none: of everybody's.
    pub owner: Option<String>,
    /// Which run.
    pub run: RunInfo,
    /// Findings counted.
    pub counts: Counts,
    /// Violations by what changed; none if there was nothing to compare with.
    pub changes: Option<BTreeMap<Change, u64>>,
    /// Accounts, and single Regions of accounts, that nobody looked at on purpose.
    pub left_out: u64,
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
        let sight = Sight::of(report)?;
        let verdict = Verdict::of(&report.counts, report.gaps.len() as u64, sight.not_seen);
        Ok(Self {
            title: title(report, verdict, &sight, changes.as_ref()),
            verdict,
            owner: None,
            run: report.run.clone(),
            counts: report.counts.clone(),
            sentences: sentences(report, &sight),
            left_out: sight.left_out(),
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
            owner: None,
            run,
            counts: Counts::default(),
            changes: None,
            left_out: 0,
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
        let mut json = json!({
            "schemaVersion": SCHEMA_VERSION,
            "title": self.title,
            "verdict": self.verdict,
            "run": self.run,
            "counts": self.counts,
            "changes": self.changes,
            "leftOut": self.left_out,
            "sentences": self.sentences,
            "findings": self.findings,
            "moreFindings": self.more_findings,
            "notSeen": self.not_seen,
            "moreNotSeen": self.more_not_seen,
            "report": self.report,
        });
        if let (Some(owner), Some(members)) = (&self.owner, json.as_object_mut()) {
            members.insert("owner".to_owned(), json!(owner));
        }
        json
    }
}

impl NoticeFinding {
    pub(super) fn of(finding: &Finding, report: &Report<'_>) -> Self {
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

fn title(report: &Report<'_>, verdict: Verdict, sight: &Sight, changes: Option<&BTreeMap<Change, u64>>) -> String {
    let of = |change: Change| changes.and_then(|changes| changes.get(&change).copied()).unwrap_or(0);
    let news = of(Change::New) + of(Change::Worsened);
    let violations: u64 = report.counts.violations.values().sum();
    let worst =
        Severity::ALL.into_iter().find(|severity| report.counts.violations.get(severity).is_some_and(|n| *n > 0));
    let excepted = report.counts.excepted;
    let under = format!("{} under an exception", counted(excepted, "violation"));
    let what = match (verdict, worst) {
        (Verdict::NonCompliant, Some(severity)) => {
            let of_worst = report.counts.violations.get(&severity).copied().unwrap_or(0);
            let all = format!("{}, {of_worst} {}", counted(violations, "violation"), severity.as_str().to_lowercase());
            if changes.is_some() { format!("{news} new or worse; {all}") } else { all }
        }
        _ if judged(&report.counts) == 0 => "nothing was judged, so nothing is known to be good".to_owned(),
        (Verdict::InsufficientData, _) if excepted > 0 => format!("{under}; not everything could be looked at"),
        (Verdict::InsufficientData, _) => "no violation seen, but not everything could be looked at".to_owned(),
        _ => {
            let good = match (excepted, sight.left_out()) {
                (0, 0) => "everything was looked at, and is compliant".to_owned(),
                (0, _) => "what was looked at is compliant".to_owned(),
                _ => format!("{under}, all else that was looked at is compliant"),
            };
            sight.left_out_in_words().map_or_else(|| good.clone(), |left_out| format!("{good}; {left_out}"))
        }
    };
    format!("pipewarden: {}{what}{}", of_recheck(report), of_organization(&report.run))
}

/// What the run looked at, if not at everything: `recheck of arn:…: `
fn of_recheck(report: &Report<'_>) -> String {
    let Some(recheck) = &report.over_time.recheck else { return String::new() };
    match recheck.resources.as_slice() {
        [one] => format!("recheck of {}: ", visible(one)),
        all => format!("recheck of {}: ", counted(all.len() as u64, "resource")),
    }
}

/// What a recheck speaks of, and what it took from elsewhere.
fn rechecked(report: &Report<'_>) -> Option<String> {
    let recheck = report.over_time.recheck.as_ref()?;
    let resources: Vec<String> = recheck.resources.iter().map(|arn| visible(arn).into_owned()).collect();
    let beside = match &recheck.beside_run {
        Some(run) => format!("what other accounts and Regions hold is as run {run} saw it"),
        None => "what other accounts and Regions hold is not known".to_owned(),
    };
    Some(format!("Only {} and what names it was looked at; {beside}.", resources.join(", ")))
}

pub(super) fn of_organization(run: &RunInfo) -> String {
    if run.organization.is_empty() { String::new() } else { format!(" ({})", visible(&run.organization)) }
}

fn sentences(report: &Report<'_>, sight: &Sight) -> Vec<String> {
    let violations: u64 = report.counts.violations.values().sum();
    let unknown = report.counts.of(ComplianceType::InsufficientData);
    let mut sentences: Vec<String> = rechecked(report).into_iter().collect();
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
    if judged(&report.counts) == 0 {
        sentences.push("Nothing was judged, so nothing is known to be good.".to_owned());
    }
    if unknown > 0 || !report.gaps.is_empty() {
        sentences.push(format!(
            "{} unknown: {} could not be seen.",
            if unknown == 1 { "1 result is".to_owned() } else { format!("{unknown} results are") },
            counted(report.gaps.len() as u64, "thing")
        ));
    }
    if sight.not_seen > 0 {
        let what = counted(sight.not_seen, "violation");
        sentences.push(format!("{what} of earlier runs could not be looked at again, which is not resolved."));
    }
    sentences.extend(set_aside_in_words(sight.set_aside));
    if let Some(left_out) = sight.left_out_in_words() {
        sentences.push(format!("{left_out}: nothing is said of them."));
    }
    if sight.left_out() == 0
        && Verdict::of(&report.counts, report.gaps.len() as u64, sight.not_seen) == Verdict::Compliant
    {
        sentences.push("Everything that was asked could be seen.".to_owned());
    }
    sentences
}

pub(super) fn word(change: Change) -> &'static str {
    match change {
        Change::New => "new",
        Change::Worsened => "worsened",
        Change::Improved => "improved",
        Change::Unchanged => "unchanged",
        Change::Resolved => "resolved",
        Change::NotSeen => "not seen this time, which is not resolved",
    }
}

pub(super) fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::super::When;
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
                last_observed_at: Some("2026-11-21T02:00:00Z".to_owned()),
                last_known: None,
                was: None,
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
        let coverage = Coverage::default();
        with_coverage(findings, changes, gaps, &coverage, check);
    }

    fn with_coverage(
        findings: &[Finding],
        changes: &[(Change, u64)],
        gaps: &[Gap],
        coverage: &Coverage,
        check: &dyn Fn(&Report<'_>),
    ) {
        let source = findings.to_vec();
        let mut counts = Counts::default();
        for finding in findings {
            counts.add(finding);
        }
        let comparison = Comparison {
            previous: run(),
            observed_at: None,
            violations: changes.iter().copied().collect(),
            remediation: BTreeMap::new(),
            set_aside: 0,
        };
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
            coverage,
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
                &Sight::default(),
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
            let said = sentences(report, &Sight::of(report).unwrap()).join("\n");
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

    fn seen(nth: usize, compliance: ComplianceType) -> Finding {
        Finding { compliance, ..finding(nth, Severity::Low, None) }
    }

    fn title_of(report: &Report<'_>) -> (Verdict, String) {
        let sight = Sight::of(report).unwrap();
        let verdict = Verdict::of(&report.counts, report.gaps.len() as u64, sight.not_seen);
        (verdict, title(report, verdict, &sight, None))
    }

    /// Findings, and what the run before had.
    struct WithGone(Vec<Finding>, Vec<crate::finding::Gone>);

    impl crate::report::FindingSource for WithGone {
        fn findings(&self) -> io::Result<crate::report::FindingPass<'_>> {
            Ok(Box::new(self.0.iter().map(|finding| Ok(finding.clone().into()))))
        }
        fn gone(&self) -> io::Result<crate::report::GonePass<'_>> {
            Ok(Box::new(self.1.iter().cloned().map(Ok)))
        }
    }

    #[test]
    fn only_what_was_looked_at_as_a_whole_is_called_compliant_without_more_words() {
        let good = seen(1, ComplianceType::Compliant);
        with(std::slice::from_ref(&good), &[], &[], &|report| {
            let whole = "pipewarden: everything was looked at, and is compliant (o-example)".to_owned();
            assert_eq!(title_of(report), (Verdict::Compliant, whole));
        });
        let skip = |region: Region| crate::inventory::Skip {
            account: ACCOUNT.parse().unwrap(),
            region,
            reason: "account is SUSPENDED".to_owned(),
        };
        let mut coverage = Coverage::default();
        coverage.skipped.push(skip(Region::GLOBAL));
        with_coverage(std::slice::from_ref(&good), &[], &[], &coverage, &|report| {
            let (verdict, title) = title_of(report);
            assert_eq!(verdict, Verdict::Compliant);
            assert!(title.contains("what was looked at is compliant; 1 account left out on purpose"), "{title}");
            let said = sentences(report, &Sight::of(report).unwrap()).join("\n");
            assert!(!said.contains("Everything that was asked"), "{said}");
        });
        let exception = crate::finding::ExceptionRef {
            id: "x".to_owned(),
            owner: String::new(),
            ticket: String::new(),
            reason: String::new(),
            expires: "2027-01-01".to_owned(),
        };
        let excepted = Finding { exception: Some(exception), ..finding(2, Severity::Low, None) };
        with(&[good.clone(), excepted], &[], &[], &|report| {
            let (_, title) = title_of(report);
            assert!(title.contains("1 violation under an exception, all else that was looked at"), "{title}");
        });
        with(&[], &[], &[], &|report| {
            let (verdict, title) = title_of(report);
            assert_eq!(verdict, Verdict::InsufficientData);
            assert!(title.contains("nothing was judged"), "{title}");
        });
        with(std::slice::from_ref(&good), &[(Change::NotSeen, 1)], &[], &|report| {
            let gone = crate::finding::Gone {
                finding: finding(3, Severity::High, Some(Change::NotSeen)),
                reason: "r".to_owned(),
            };
            let source = WithGone(vec![good.clone()], vec![gone]);
            let report = Report {
                run: report.run.clone(),
                controls: BTreeMap::new(),
                frameworks: BTreeMap::new(),
                accounts: BTreeMap::new(),
                counts: report.counts.clone(),
                coverage: report.coverage,
                gaps: report.gaps,
                findings: &source,
                calls: report.calls,
                over_time: report.over_time.clone(),
            };
            assert_eq!(title_of(&report).0, Verdict::InsufficientData);
            let said = sentences(&report, &Sight::of(&report).unwrap()).join("\n");
            assert!(said.contains("1 violation of earlier runs could not be looked at again"), "{said}");
        });
    }

    #[test]
    fn an_estate_that_goes_dark_is_no_silence() {
        let before = |good: u64, unknown: u64, gaps: u64| crate::report::TrendPoint {
            run_id: run().run_id,
            started_at: run().started_at,
            counts: Counts {
                by_compliance: [(ComplianceType::Compliant, good), (ComplianceType::InsufficientData, unknown)].into(),
                ..Counts::default()
            },
            accounts: 1,
            gaps,
            calls: crate::inventory::CallCounts::default(),
            other_policies: false,
            remediation: None,
        };
        let applies = |now: &[Finding], before: crate::report::TrendPoint| {
            let told = std::cell::Cell::new(false);
            with(now, &[(Change::Unchanged, 1)], &[], &|report| {
                let mut over_time = report.over_time.clone();
                over_time.trend.push(before.clone());
                let report = Report {
                    run: report.run.clone(),
                    controls: BTreeMap::new(),
                    frameworks: BTreeMap::new(),
                    accounts: BTreeMap::new(),
                    counts: report.counts.clone(),
                    coverage: report.coverage,
                    gaps: report.gaps,
                    findings: report.findings,
                    calls: report.calls,
                    over_time,
                };
                told.set(When::Changed.applies(&report));
            });
            told.get()
        };
        let (good, dark) = (seen(1, ComplianceType::Compliant), seen(1, ComplianceType::InsufficientData));
        assert!(!applies(std::slice::from_ref(&good), before(1, 0, 0)));
        assert!(applies(std::slice::from_ref(&dark), before(1, 0, 0)), "it went dark");
        assert!(!applies(&[dark], before(0, 1, 0)), "it is as dark as it was");
        assert!(applies(&[good], before(0, 1, 0)), "it can be seen again");
        assert!(applies(&[], before(1, 0, 0)), "nothing is judged any more");
        // As much is unknown as before, but not the same.
        let hidden = |last: Option<&str>| {
            let mut finding = seen(2, ComplianceType::InsufficientData);
            let known = last.map(|_| ComplianceType::Compliant);
            finding.lifecycle = Some(Lifecycle {
                change: if last.is_some() { Change::NotSeen } else { Change::Unchanged },
                first_observed_at: "2026-11-01T02:00:00Z".to_owned(),
                last_observed_at: last.map(str::to_owned),
                last_known: known,
                was: None,
            });
            finding
        };
        let good = || seen(1, ComplianceType::Compliant);
        let before = || before(1, 1, 0);
        assert!(applies(&[good(), hidden(Some(&run().started_at))], before()), "one went dark while another came back");
        assert!(!applies(&[good(), hidden(Some("2026-11-02T02:00:00Z"))], before()), "it was dark before");
        assert!(!applies(&[good(), hidden(None)], before()), "nobody ever saw it");
    }

    #[test]
    fn a_run_without_a_verdict_says_that_nothing_is_known_to_be_good() {
        let notice = Notice::of_failure(run(), "no account\u{1b}[31m could be entered", "/runs/1".to_owned());
        let text = notice.text();
        assert!(text.contains("nothing is known to be good") && !text.contains('\u{1b}'), "{text}");
        assert_eq!(notice.json()["verdict"], "Failed");
    }
}
