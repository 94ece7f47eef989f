//! Two runs, finding by finding.
//!
//! In: the findings of an earlier run, with what it carried on, and those of a later one, both in the order of
//! [`Finding::sort_key`]. Out: the later run's findings with their [`Lifecycle`], and what is gone. Both are streams, of
//! which one finding each is in memory. docs/decisions/0013 has the rules as a table.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io;
use std::iter::Peekable;
use std::sync::Arc;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::sight::{Look, Sight};
use crate::finding::{Change, ComplianceType, Finding, Gone, Lifecycle, Severity, Was};
use crate::report::{FindingPass, FindingSource, Remediation, Report};

/// For how many days something that cannot be looked at is carried on from run to run.
pub const CARRIED_FOR_DAYS: i64 = 400;

/// What a comparison finds, in the order of [`Finding::sort_key`] for each of the two.
pub(super) enum Compared {
    /// A finding of the later run, and what the earlier run had in its place.
    Finding(Finding, Option<Arc<Finding>>),
    /// What only the earlier run has.
    Gone(Gone),
}

/// Violations by what changed, and how long the resolved ones stood.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tally {
    /// Start of the earlier run, for findings of a run that knew no lifecycle yet.
    pub(super) earlier: String,
    /// When the later run looked.
    pub(super) at: String,
    pub(super) violations: BTreeMap<Change, u64>,
    pub(super) remediation: BTreeMap<Severity, Remediation>,
    /// Of those not seen: what is not asked any more, and was told of before.
    pub(super) set_aside: u64,
}

impl Tally {
    /// Counts what a comparison of the run that `report` is of found.
    pub(super) fn add(&mut self, compared: &Compared, report: &Report<'_>) {
        self.count(compared);
        if let Compared::Gone(gone) = compared {
            self.set_aside += u64::from(report.asks_no_more(gone, &self.earlier));
        }
    }

    fn count(&mut self, compared: &Compared) {
        let change = match compared {
            Compared::Finding(finding, before) => {
                let Some(lifecycle) = &finding.lifecycle else { return };
                let is_violation = finding.compliance == ComplianceType::NonCompliant;
                if lifecycle.change == Change::Resolved
                    && let Some(before) = before
                {
                    self.resolved(before);
                }
                let counts = match lifecycle.change {
                    Change::Resolved => true,
                    Change::NotSeen => lifecycle.last_known == Some(ComplianceType::NonCompliant),
                    _ => is_violation,
                };
                if !counts {
                    return;
                }
                lifecycle.change
            }
            Compared::Gone(gone) => {
                let Some(lifecycle) = &gone.finding.lifecycle else { return };
                if lifecycle.change == Change::Resolved {
                    self.resolved(&gone.finding);
                }
                lifecycle.change
            }
        };
        *self.violations.entry(change).or_default() += 1;
    }

    fn resolved(&mut self, before: &Finding) {
        let since = before.lifecycle.as_ref().map_or(&self.earlier, |lifecycle| &lifecycle.first_observed_at);
        let hours = hours_between(since, &self.at);
        let remediation = self.remediation.entry(before.severity).or_default();
        remediation.resolved += 1;
        remediation.total_hours += hours;
    }
}

/// Hours from one RFC 3339 time to another; none where one of them is no time.
pub(super) fn hours_between(from: &str, to: &str) -> f64 {
    match (OffsetDateTime::parse(from, &Rfc3339), OffsetDateTime::parse(to, &Rfc3339)) {
        (Ok(from), Ok(to)) if to > from => (to - from).as_seconds_f64() / 3_600.0,
        _ => 0.0,
    }
}

/// What an earlier run knows of a finding.
struct Before<'a> {
    finding: &'a Finding,
    /// What was seen when somebody could look last; none where nobody ever could.
    known: Option<ComplianceType>,
    first: &'a str,
    /// When somebody could look last, of what is known.
    last: &'a str,
}

impl<'a> Before<'a> {
    /// `earlier` is the start of the run that has it, for runs that knew no lifecycle yet.
    fn of(finding: &'a Finding, earlier: &'a str) -> Self {
        let lifecycle = finding.lifecycle.as_ref();
        let known = match finding.compliance {
            ComplianceType::InsufficientData => lifecycle.and_then(|lifecycle| lifecycle.last_known),
            seen => Some(seen),
        };
        Self {
            finding,
            known,
            first: lifecycle.map_or(earlier, |lifecycle| lifecycle.first_observed_at.as_str()),
            last: lifecycle.and_then(|lifecycle| lifecycle.last_observed_at.as_deref()).unwrap_or(earlier),
        }
    }

    fn was_violation(&self) -> bool {
        self.known == Some(ComplianceType::NonCompliant)
    }
}

/// How bad a violation is: one under an exception is lesser than any other.
fn badness(finding: &Finding) -> (bool, Severity) {
    (finding.exception.is_none(), finding.severity)
}

/// What is to be said of a finding of a run that looked at `at`.
fn lifecycle(now: &Finding, before: Option<&Before<'_>>, at: &str) -> Lifecycle {
    let since = |change, first: &str| Lifecycle {
        change,
        first_observed_at: first.to_owned(),
        // What nobody can look at now and nobody ever could was never observed.
        last_observed_at: (now.compliance != ComplianceType::InsufficientData).then(|| at.to_owned()),
        last_known: None,
        was: None,
    };
    let Some(before) = before else { return since(Change::New, at) };
    match (now.compliance, before.known) {
        (ComplianceType::InsufficientData, Some(known)) => Lifecycle {
            change: Change::NotSeen,
            first_observed_at: before.first.to_owned(),
            last_observed_at: Some(before.last.to_owned()),
            last_known: Some(known),
            was: None,
        },
        (ComplianceType::InsufficientData, None) => since(Change::Unchanged, before.first),
        (ComplianceType::NonCompliant, Some(ComplianceType::NonCompliant)) => {
            let change = changed(now, before.finding);
            Lifecycle { was: was(change, before.finding), ..since(change, before.first) }
        }
        (_, Some(ComplianceType::NonCompliant)) => since(Change::Resolved, at),
        (ComplianceType::NonCompliant, _) | (_, None) => since(Change::New, at),
        (seen, Some(known)) => since(Change::Unchanged, if seen == known { before.first } else { at }),
    }
}

/// A violation that was one before.
fn changed(now: &Finding, before: &Finding) -> Change {
    let order = if before.compliance == ComplianceType::InsufficientData {
        // Whether an exception covered it is not known of what could not be judged.
        now.severity.cmp(&before.severity)
    } else {
        badness(now).cmp(&badness(before))
    };
    match order {
        Ordering::Greater => Change::Worsened,
        Ordering::Less => Change::Improved,
        Ordering::Equal => Change::Unchanged,
    }
}

/// What a violation that is worse or better now was before.
fn was(change: Change, before: &Finding) -> Option<Was> {
    matches!(change, Change::Worsened | Change::Improved).then(|| Was {
        severity: before.severity,
        exception: before.exception.as_ref().map(|exception| exception.id.clone()),
    })
}

/// What became of a finding of the earlier run that the later one has not: nothing is to be said of what was no violation.
fn gone(before: &Before<'_>, sight: &Sight<'_>, at: &str) -> Option<Gone> {
    if !before.was_violation() {
        return None;
    }
    let (change, reason) = match sight.look(before.finding, before.last) {
        Look::Gone(reason) => (Change::Resolved, reason),
        Look::Hidden(_) if hours_between(before.last, at) > hours(CARRIED_FOR_DAYS) => return None,
        Look::Hidden(reason) => (Change::NotSeen, reason),
        Look::Moved => return None,
    };
    let lifecycle = Lifecycle {
        change,
        first_observed_at: before.first.to_owned(),
        last_observed_at: Some(before.last.to_owned()),
        last_known: Some(ComplianceType::NonCompliant),
        was: None,
    };
    let finding = Finding {
        compliance: ComplianceType::NonCompliant,
        gaps: Vec::new(),
        lifecycle: Some(lifecycle),
        ..before.finding.clone()
    };
    Some(Gone { finding, reason })
}

fn hours(days: i64) -> f64 {
    time::Duration::days(days).as_seconds_f64() / 3_600.0
}

/// Everything that a run knows of: its findings, and what it carries on because it could not be looked at.
pub(super) fn known(source: &dyn FindingSource) -> io::Result<FindingPass<'_>> {
    let carried = source.gone()?.filter_map(|gone| match gone {
        Ok(gone) => is_carried(&gone.finding).then(|| Ok(Arc::new(gone.finding))),
        Err(error) => Some(Err(error)),
    });
    Ok(Box::new(Merged { one: source.findings()?.peekable(), other: carried.peekable() }))
}

/// Whether the next run is to look for it again.
pub(super) fn is_carried(gone: &Finding) -> bool {
    gone.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.change == Change::NotSeen)
}

/// Two sorted streams as one.
pub(super) struct Merged<A: Iterator, B: Iterator> {
    pub(super) one: Peekable<A>,
    pub(super) other: Peekable<B>,
}

impl<A, B> Iterator for Merged<A, B>
where
    A: Iterator<Item = io::Result<Arc<Finding>>>,
    B: Iterator<Item = io::Result<Arc<Finding>>>,
{
    type Item = io::Result<Arc<Finding>>;

    fn next(&mut self) -> Option<Self::Item> {
        match (self.one.peek(), self.other.peek()) {
            (Some(Ok(one)), Some(Ok(other))) if other.sort_key() < one.sort_key() => self.other.next(),
            (Some(_), _) => self.one.next(),
            (None, _) => self.other.next(),
        }
    }
}

/// The run before.
pub(super) struct Earlier<'a> {
    /// RFC 3339 start.
    pub(super) started_at: &'a str,
    /// [`known`]
    pub(super) findings: FindingPass<'a>,
}

/// Compares the findings of a run that looked at `at` with those of the run before, if there is one.
pub(super) fn compare<E: From<io::Error>>(
    earlier: Option<Earlier<'_>>,
    later: impl Iterator<Item = io::Result<Arc<Finding>>>,
    sight: &Sight<'_>,
    at: &str,
    take: &mut dyn FnMut(Compared) -> Result<(), E>,
) -> Result<(), E> {
    let (started_at, findings): (&str, FindingPass<'_>) = match earlier {
        Some(earlier) => (earlier.started_at, earlier.findings),
        None => ("", Box::new(std::iter::empty())),
    };
    let mut earlier = findings.peekable();
    let lost = |finding: &Finding, take: &mut dyn FnMut(Compared) -> Result<(), E>| {
        gone(&Before::of(finding, started_at), sight, at).map_or(Ok(()), |gone| take(Compared::Gone(gone)))
    };
    for now in later {
        let mut now = Arc::unwrap_or_clone(now?);
        let mut same = None;
        while let Some(before) = earlier.next_if(|before| reaches(before, &now)) {
            let before = before?;
            if before.sort_key() == now.sort_key() {
                same = Some(before);
            } else {
                lost(&before, take)?;
            }
        }
        let before = same.as_ref().map(|before| Before::of(before, started_at));
        now.lifecycle = Some(lifecycle(&now, before.as_ref(), at));
        take(Compared::Finding(now, same))?;
    }
    for before in earlier {
        lost(&*before?, take)?;
    }
    Ok(())
}

/// Whether an earlier finding sorts before a later one, or is the same. An error comes through at once.
fn reaches(before: &io::Result<Arc<Finding>>, now: &Finding) -> bool {
    before.as_ref().map_or(true, |before| before.sort_key() <= now.sort_key())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::finding::{Control, ExceptionRef, ResourceRef};
    use crate::inventory::{
        AccountId, Affects, Coverage, CoverageKey, Gap, GapCause, Outcome, Region, ResourceUid, Skip, TypeName,
    };
    use crate::report::{AccountInfo, Counts, GonePass, OverTime, Report, RunInfo};
    use crate::run::sight::{Asked, Finder, Finders, Seen};

    const BEFORE: &str = "2026-11-20T02:00:00Z";
    const NOW: &str = "2026-11-21T02:00:00Z";

    fn control(id: &str, type_name: TypeName) -> Control {
        Control {
            id: id.to_owned(),
            title: id.to_owned(),
            severity: Severity::High,
            resource_type: type_name,
            remediation: String::new(),
            frameworks: Vec::new(),
        }
    }

    fn finding(compliance: ComplianceType) -> Finding {
        let resource = ResourceRef {
            uid: ResourceUid("arn:aws:codepipeline:eu-west-1:111111111111:web".to_owned()),
            type_name: TypeName::PIPELINE,
            account: "111111111111".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
        };
        of(&resource, "pipeline-good", compliance)
    }

    fn of(resource: &ResourceRef, control: &str, compliance: ComplianceType) -> Finding {
        Finding {
            id: Finding::stable_id(control, resource),
            control: control.to_owned(),
            severity: Severity::High,
            compliance,
            resource: resource.clone().into(),
            evidence: BTreeMap::new(),
            gaps: Vec::new(),
            exception: None,
            owner: None,
            lifecycle: None,
        }
    }

    fn known_since(mut finding: Finding, last_known: Option<ComplianceType>) -> Finding {
        let last = match (last_known, finding.compliance) {
            (Some(_), _) => Some("2026-11-12T02:00:00Z"),
            (None, ComplianceType::InsufficientData) => None,
            (None, _) => Some(BEFORE),
        };
        finding.lifecycle = Some(Lifecycle {
            change: Change::Unchanged,
            first_observed_at: "2026-11-11T02:00:00Z".to_owned(),
            last_observed_at: last.map(str::to_owned),
            last_known,
            was: None,
        });
        finding
    }

    fn excepted(mut finding: Finding) -> Finding {
        finding.exception = Some(ExceptionRef {
            id: "x".to_owned(),
            owner: "x".to_owned(),
            ticket: "x".to_owned(),
            reason: "x".to_owned(),
            expires: "2027-01-01".to_owned(),
        });
        finding
    }

    fn severity(mut finding: Finding, severity: Severity) -> Finding {
        finding.severity = severity;
        finding
    }

    /// The table of docs/decisions/0013, cell by cell.
    #[test]
    fn every_cell_of_the_table_holds() {
        use ComplianceType::{
            Compliant as Good, InsufficientData as Unknown, NonCompliant as Bad, NotApplicable as No,
        };
        const FIRST: &str = "2026-11-11T02:00:00Z";
        const LAST: &str = "2026-11-12T02:00:00Z";
        const NEVER: &str = "never";
        let before = |compliance| Some(known_since(finding(compliance), None));
        let unseen = |known| Some(known_since(finding(Unknown), Some(known)));
        let cases = [
            (None, Bad, Change::New, NOW, NOW),
            (None, Good, Change::New, NOW, NOW),
            (None, Unknown, Change::New, NOW, NEVER),
            (before(Bad), Bad, Change::Unchanged, FIRST, NOW),
            (before(Good), Bad, Change::New, NOW, NOW),
            (before(No), Bad, Change::New, NOW, NOW),
            (before(Unknown), Bad, Change::New, NOW, NOW),
            (unseen(Bad), Bad, Change::Unchanged, FIRST, NOW),
            (unseen(Good), Bad, Change::New, NOW, NOW),
            (before(Bad), Good, Change::Resolved, NOW, NOW),
            (before(Bad), No, Change::Resolved, NOW, NOW),
            (unseen(Bad), Good, Change::Resolved, NOW, NOW),
            (unseen(Good), Good, Change::Unchanged, FIRST, NOW),
            (before(Good), Good, Change::Unchanged, FIRST, NOW),
            (before(Good), No, Change::Unchanged, NOW, NOW),
            (before(Unknown), Good, Change::New, NOW, NOW),
            (before(Bad), Unknown, Change::NotSeen, FIRST, BEFORE),
            (before(Good), Unknown, Change::NotSeen, FIRST, BEFORE),
            (unseen(Bad), Unknown, Change::NotSeen, FIRST, LAST),
            (before(Unknown), Unknown, Change::Unchanged, FIRST, NEVER),
        ];
        for (earlier, now, change, first, last) in cases {
            let before = earlier.as_ref().map(|earlier| Before::of(earlier, BEFORE));
            let got = lifecycle(&finding(now), before.as_ref(), NOW);
            let said = (got.change, got.first_observed_at.as_str(), got.last_observed_at.as_deref().unwrap_or(NEVER));
            assert_eq!(said, (change, first, last), "{earlier:?} → {now}");
            assert_eq!(got.last_known.is_some(), change == Change::NotSeen);
        }
    }

    /// Earlier versions wrote the start of each run for it.
    #[test]
    fn what_an_earlier_version_called_observed_and_nobody_saw_is_called_so_no_more() {
        let mut before = known_since(finding(ComplianceType::InsufficientData), None);
        before.lifecycle.as_mut().unwrap().last_observed_at = Some(BEFORE.to_owned());
        let mut stored = serde_json::to_value(&before).unwrap();
        assert_eq!(stored["lifecycle"]["lastObservedAt"], BEFORE);
        let before: Finding = serde_json::from_value(stored.clone()).unwrap();
        let now = lifecycle(&finding(ComplianceType::InsufficientData), Some(&Before::of(&before, BEFORE)), NOW);
        assert_eq!((now.change, &now.last_observed_at), (Change::Unchanged, &None));
        stored["lifecycle"] = serde_json::to_value(&now).unwrap();
        assert!(stored["lifecycle"].get("lastObservedAt").is_none(), "{stored}");
        assert_eq!(serde_json::from_value::<Finding>(stored).unwrap().lifecycle, Some(now));
    }

    #[test]
    fn what_is_worse_or_better_says_what_it_was() {
        let bad = || finding(ComplianceType::NonCompliant);
        let of = |before: &Finding, now: &Finding| lifecycle(now, Some(&Before::of(before, BEFORE)), NOW).was;
        let was = |severity, exception: Option<&str>| Some(Was { severity, exception: exception.map(str::to_owned) });
        assert_eq!(of(&bad(), &severity(bad(), Severity::Critical)), was(Severity::High, None));
        assert_eq!(of(&excepted(bad()), &bad()), was(Severity::High, Some("x")));
        assert_eq!(of(&bad(), &bad()), None);
        assert_eq!(of(&bad(), &finding(ComplianceType::Compliant)), None);
    }

    #[test]
    fn a_violation_that_stays_is_compared_by_its_exception_and_then_by_its_severity() {
        let bad = || finding(ComplianceType::NonCompliant);
        let cases = [
            (bad(), severity(bad(), Severity::Critical), Change::Worsened),
            (bad(), severity(bad(), Severity::Low), Change::Improved),
            (bad(), excepted(bad()), Change::Improved),
            (excepted(bad()), bad(), Change::Worsened),
            (excepted(bad()), excepted(bad()), Change::Unchanged),
            (bad(), excepted(severity(bad(), Severity::Critical)), Change::Improved),
            (excepted(severity(bad(), Severity::Critical)), severity(bad(), Severity::Low), Change::Worsened),
        ];
        for (before, now, change) in cases {
            assert_eq!(lifecycle(&now, Some(&Before::of(&before, BEFORE)), NOW).change, change);
        }
        // What could not be judged has no exception that could have ended.
        let unseen = known_since(finding(ComplianceType::InsufficientData), Some(ComplianceType::NonCompliant));
        assert_eq!(lifecycle(&excepted(bad()), Some(&Before::of(&unseen, BEFORE)), NOW).change, Change::Unchanged);
    }

    #[test]
    fn a_run_that_knew_no_lifecycle_counts_as_the_first_that_saw_it() {
        let before = finding(ComplianceType::NonCompliant);
        let now = lifecycle(&before, Some(&Before::of(&before, BEFORE)), NOW);
        assert_eq!((now.change, now.first_observed_at.as_str()), (Change::Unchanged, BEFORE));
        let mut tally = Tally { earlier: BEFORE.to_owned(), at: NOW.to_owned(), ..Tally::default() };
        let mut good = finding(ComplianceType::Compliant);
        good.lifecycle = Some(lifecycle(&good, Some(&Before::of(&before, BEFORE)), NOW));
        tally.count(&Compared::Finding(good, Some(Arc::new(before))));
        assert_eq!(tally.violations, BTreeMap::from([(Change::Resolved, 1)]));
        let remediation = tally.remediation.get(&Severity::High).copied().unwrap();
        assert_eq!((remediation.resolved, remediation.mean_hours()), (1, Some(24.0)));
    }

    const ACCOUNTS: [&str; 3] = ["111111111111", "222222222222", "333333333333"];
    const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];
    const PLACES: usize = 6;
    const PIPELINES: usize = 12;

    /// What there is: pipelines (bad or good, and the bucket that each names) and buckets (bad or good).
    #[derive(Debug, Clone)]
    struct World {
        pipelines: Vec<Option<(bool, usize)>>,
        buckets: Vec<Option<bool>>,
    }

    /// What a run cannot see.
    #[derive(Debug, Clone)]
    struct Blind {
        dark: Vec<bool>,
        left: Vec<bool>,
        skipped: Vec<bool>,
        regions: Vec<bool>,
        unlisted: Vec<bool>,
        broken: Vec<bool>,
        hidden: Vec<bool>,
        control_off: bool,
    }

    impl Blind {
        fn and(&self, more: &Self) -> Self {
            let or = |a: &[bool], b: &[bool]| a.iter().zip(b).map(|(a, b)| *a || *b).collect();
            Self {
                dark: or(&self.dark, &more.dark),
                left: or(&self.left, &more.left),
                skipped: or(&self.skipped, &more.skipped),
                regions: or(&self.regions, &more.regions),
                unlisted: or(&self.unlisted, &more.unlisted),
                broken: or(&self.broken, &more.broken),
                hidden: or(&self.hidden, &more.hidden),
                control_off: self.control_off || more.control_off,
            }
        }
    }

    fn worlds() -> impl Strategy<Value = World> {
        let pipeline = proptest::option::weighted(0.7, (any::<bool>(), 0..3_usize));
        let bucket = proptest::option::weighted(0.9, any::<bool>());
        (proptest::collection::vec(pipeline, PIPELINES), proptest::collection::vec(bucket, 3))
            .prop_map(|(pipelines, buckets)| World { pipelines, buckets })
    }

    fn blinds() -> impl Strategy<Value = Blind> {
        let some = |number| proptest::collection::vec(proptest::bool::weighted(0.1), number);
        let parts = (some(3), some(3), some(3), some(PLACES), some(PLACES), some(PLACES), some(PIPELINES));
        (parts, proptest::bool::weighted(0.1)).prop_map(|(parts, control_off)| {
            let (dark, left, skipped, regions, unlisted, broken, hidden) = parts;
            Blind { dark, left, skipped, regions, unlisted, broken, hidden, control_off }
        })
    }

    /// A run as a comparison reads it.
    #[derive(Default)]
    struct Observed {
        at: String,
        controls: BTreeMap<String, Control>,
        accounts: BTreeMap<AccountId, AccountInfo>,
        coverage: Coverage,
        gaps: Vec<Gap>,
        findings: Vec<Finding>,
        gone: Vec<Gone>,
    }

    impl FindingSource for Observed {
        fn findings(&self) -> io::Result<FindingPass<'_>> {
            self.findings.findings()
        }
        fn gone(&self) -> io::Result<GonePass<'_>> {
            Ok(Box::new(self.gone.iter().cloned().map(Ok)))
        }
    }

    fn place_of(pipeline: usize) -> (usize, usize) {
        (pipeline / 4, pipeline / 2 % 2)
    }

    fn pipeline(number: usize) -> ResourceRef {
        let (account, region) = place_of(number);
        let (account, region) = (ACCOUNTS[account], REGIONS[region]);
        ResourceRef {
            uid: ResourceUid(format!("arn:aws:codepipeline:{region}:{account}:p{number}")),
            type_name: TypeName::PIPELINE,
            account: account.parse().unwrap(),
            region: region.parse().unwrap(),
        }
    }

    fn bucket(number: usize) -> ResourceRef {
        ResourceRef {
            uid: ResourceUid(format!("arn:aws:s3:::b{number}")),
            type_name: TypeName::BUCKET,
            account: ACCOUNTS[number].parse().unwrap(),
            region: Region::GLOBAL,
        }
    }

    fn result(bad: bool) -> ComplianceType {
        if bad { ComplianceType::NonCompliant } else { ComplianceType::Compliant }
    }

    fn refusal(account: &str, region: &str, affects: Affects, stays: bool) -> Gap {
        let message = "no".to_owned();
        Gap {
            account: account.parse().unwrap(),
            region: region.parse().unwrap(),
            service: "codepipeline".to_owned(),
            action: "codepipeline:ListPipelines".to_owned(),
            cause: if stays { GapCause::AccessDenied { message } } else { GapCause::Throttled { attempts: 3 } },
            affects,
        }
    }

    /// What an honest run sees of a world.
    fn observe(world: &World, blind: &Blind, at: &str) -> Observed {
        let mut run = Observed { at: at.to_owned(), ..Observed::default() };
        for (id, type_name) in [("pipeline-good", TypeName::PIPELINE), ("bucket-good", TypeName::BUCKET)] {
            if id == "bucket-good" || !blind.control_off {
                run.controls.insert(id.to_owned(), control(id, type_name));
            }
        }
        let mut named: BTreeSet<usize> = BTreeSet::new();
        let mut asked = |number: usize, run: &mut Observed| {
            let resource = pipeline(number);
            let Some((bad, names)) = world.pipelines[number] else { return };
            let compliance = if blind.hidden[number] {
                let affects = Affects::Property { resource: resource.uid.clone(), property: "*".to_owned() };
                run.gaps.push(refusal(resource.account.as_str(), resource.region.as_str(), affects, true));
                ComplianceType::InsufficientData
            } else {
                named.insert(names);
                result(bad)
            };
            if !blind.control_off {
                run.findings.push(of(&resource, "pipeline-good", compliance));
            }
        };
        for (index, account) in ACCOUNTS.into_iter().enumerate() {
            if blind.left[index] {
                continue;
            }
            let id: AccountId = account.parse().unwrap();
            let info = AccountInfo { id: id.clone(), name: String::new(), organizational_unit_path: String::new() };
            run.accounts.insert(id.clone(), info);
            let skip = |region: Region| Skip { account: id.clone(), region, reason: "asked to".to_owned() };
            if blind.skipped[index] {
                run.coverage.skipped.push(skip(Region::GLOBAL));
                continue;
            }
            if blind.dark[index] {
                run.gaps.push(refusal(account, "global", Affects::Account, true));
                continue;
            }
            for (place, region) in REGIONS.into_iter().enumerate() {
                let at = index * 2 + place;
                if blind.regions[at] {
                    run.coverage.skipped.push(skip(region.parse().unwrap()));
                    continue;
                }
                let key = |action: &str| CoverageKey {
                    account: id.clone(),
                    region: region.parse().unwrap(),
                    service: "codepipeline".to_owned(),
                    action: action.to_owned(),
                };
                run.coverage.record(key("ListWebhooks"), Outcome::Ok);
                let numbers = (0..PIPELINES).filter(|number| place_of(*number) == (index, place));
                if blind.unlisted[at] || blind.broken[at] {
                    run.coverage.record(key("ListPipelines"), Outcome::Denied);
                    let types = Affects::Types { types: vec![TypeName::PIPELINE] };
                    run.gaps.push(refusal(account, region, types, blind.unlisted[at]));
                    if !blind.unlisted[at] {
                        // It broke off after the first page.
                        numbers.take(1).for_each(|number| asked(number, &mut run));
                    }
                    continue;
                }
                run.coverage.record(key("ListPipelines"), Outcome::Ok);
                numbers.for_each(|number| asked(number, &mut run));
            }
        }
        for number in named {
            let visible = !blind.left[number] && !blind.skipped[number] && !blind.dark[number];
            if let (true, Some(bad)) = (visible, world.buckets[number]) {
                run.findings.push(of(&bucket(number), "bucket-good", result(bad)));
            }
        }
        run.findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        run.gaps.sort();
        run
    }

    fn finders() -> Finders {
        let pipelines = Finder::Listed {
            service: "codepipeline",
            actions: &["codepipeline:ListPipelines", "codepipeline:ListWebhooks"],
            asked: Asked::EveryRegion,
        };
        let of_type = BTreeMap::from([(TypeName::PIPELINE, pipelines), (TypeName::BUCKET, Finder::Named)]);
        Finders { of_type, of_history: BTreeSet::new() }
    }

    /// Compares a run with the last of those before it, and answers what was resolved.
    fn put(run: &mut Observed, before: &[Observed]) -> Vec<Finding> {
        let finders = finders();
        let seen_at =
            |at: &str| before.iter().find(|run| run.at == at).map(|run| Seen::of(&run.coverage, &run.gaps, &finders));
        let findings = std::mem::take(&mut run.findings);
        let report = Report {
            run: RunInfo {
                run_id: String::new(),
                started_at: run.at.clone(),
                tool_version: String::new(),
                organization: String::new(),
                policy_hash: String::new(),
            },
            controls: run.controls.clone(),
            frameworks: BTreeMap::new(),
            accounts: run.accounts.clone(),
            counts: Counts::default(),
            coverage: &run.coverage,
            gaps: &run.gaps,
            findings: &findings,
            calls: run.coverage.totals(),
            over_time: OverTime::default(),
        };
        let sight = Sight::of(&report, &finders, &seen_at);
        let earlier = before.last().map(|before| Earlier { started_at: &before.at, findings: known(before).unwrap() });
        let (mut with_lifecycle, mut gone, mut resolved) = (Vec::new(), Vec::new(), Vec::new());
        compare::<io::Error>(earlier, findings.findings().unwrap(), &sight, &run.at, &mut |compared| {
            match compared {
                Compared::Finding(finding, _) => {
                    if finding.lifecycle.as_ref().unwrap().change == Change::Resolved {
                        resolved.push(finding.clone());
                    }
                    with_lifecycle.push(finding);
                }
                Compared::Gone(one) => {
                    if one.finding.lifecycle.as_ref().unwrap().change == Change::Resolved {
                        resolved.push(one.finding.clone());
                    }
                    gone.push(one);
                }
            }
            Ok(())
        })
        .unwrap();
        (run.findings, run.gone) = (with_lifecycle, gone);
        resolved
    }

    fn is_visible(number: usize, blind: &Blind) -> bool {
        let (account, region) = place_of(number);
        let place = account * 2 + region;
        let into = !blind.left[account] && !blind.skipped[account] && !blind.dark[account] && !blind.regions[place];
        let listed = !blind.unlisted[place] && (!blind.broken[place] || number.is_multiple_of(2));
        into && listed && !blind.hidden[number]
    }

    /// Whether it is still so in the world, whoever can see it. What is named stays part of the delivery path while
    /// something names it that was seen to name it when it was seen last.
    fn still_bad(now: &World, last: (&World, &Blind), finding: &Finding) -> bool {
        let is = |resource: ResourceRef| resource.uid == finding.resource.uid;
        if let Some(number) = (0..PIPELINES).find(|number| is(pipeline(*number))) {
            return now.pipelines[number].is_some_and(|(bad, _)| bad);
        }
        let number = (0..3).find(|number| is(bucket(*number))).unwrap();
        let names = |world: &World, one: usize| world.pipelines[one].is_some_and(|(_, names)| names == number);
        let named = (0..PIPELINES).any(|one| names(now, one) && names(last.0, one) && is_visible(one, last.1));
        named && now.buckets[number] == Some(true)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whatever three runs in a row can and cannot see: resolved is only what is really mended or gone, a violation
        /// that anybody ever saw stays known until then, and seeing less never resolves more of what is listed.
        #[test]
        fn a_gap_is_never_a_resolution(
            worlds in proptest::collection::vec(worlds(), 3),
            blinds in proptest::collection::vec(blinds(), 3),
            more in blinds(),
        ) {
            let mut runs: Vec<Observed> = Vec::new();
            let mut open: BTreeSet<String> = BTreeSet::new();
            for (day, (world, blind)) in worlds.iter().zip(&blinds).enumerate() {
                let at = format!("2026-11-2{day}T02:00:00Z");
                let mut run = observe(world, blind, &at);
                let resolved = put(&mut run, &runs);
                for finding in &resolved {
                    let last = &finding.lifecycle.as_ref().unwrap().last_observed_at;
                    let last = runs.iter().position(|run| Some(&run.at) == last.as_ref()).unwrap_or(day);
                    let was_mended = !still_bad(world, (&worlds[last], &blinds[last]), finding);
                    prop_assert!(was_mended, "day {day}: {} was never mended", finding.resource.uid);
                }
                let ids = |findings: &[Finding]| findings.iter().map(|one| one.id.clone()).collect::<BTreeSet<_>>();
                let with_all = ids(&resolved);
                let mut less = observe(world, &blind.and(&more), &at);
                for finding in put(&mut less, &runs) {
                    let is_named = finding.resource.type_name == TypeName::BUCKET;
                    let last = finding.lifecycle.as_ref().unwrap().last_observed_at.as_ref();
                    let last = runs.iter().position(|run| Some(&run.at) == last).unwrap_or(day);
                    let was_mended = !still_bad(world, (&worlds[last], &blinds[last]), &finding);
                    // A place that nobody looked at before and nobody was to look at now names nothing that was known;
                    // where a call failed there instead, more caution is taken, so what is only named may be resolved
                    // by seeing less, but never wrongly.
                    let sound = with_all.contains(&finding.id) || is_named && was_mended;
                    prop_assert!(sound, "seeing less resolved {}", finding.resource.uid);
                }
                let known_to_be_bad = |finding: &Finding| Before::of(finding, "").was_violation();
                let carried = run.gone.iter().map(|gone| &gone.finding).filter(|gone| is_carried(gone));
                let now: BTreeSet<String> = run
                    .findings
                    .iter()
                    .filter(|finding| known_to_be_bad(finding))
                    .chain(carried)
                    .map(|finding| finding.id.clone())
                    .collect();
                let settled = ids(&resolved);
                for id in open.iter().filter(|id| !settled.contains(*id)) {
                    prop_assert!(now.contains(id), "day {day}: a violation went without a word");
                }
                open = now;
                runs.push(run);
            }
        }
    }

    type Hide = fn(&mut Blind);

    #[test]
    fn what_nobody_can_look_at_is_carried_on_with_its_reason_and_not_for_ever() {
        let world = World { pipelines: vec![Some((true, 0)); PIPELINES], buckets: vec![Some(true); 3] };
        let open = |number| vec![false; number];
        let all = Blind {
            dark: open(3),
            left: open(3),
            skipped: open(3),
            regions: open(PLACES),
            unlisted: open(PLACES),
            broken: open(PLACES),
            hidden: open(PIPELINES),
            control_off: false,
        };
        let mut first = observe(&world, &all, "2026-11-20T02:00:00Z");
        assert!(put(&mut first, &[]).is_empty() && first.gone.is_empty());
        let reasons: [(&str, Hide); 6] = [
            ("it could not be looked at: codepipeline:ListPipelines in 111111111111 global", |b| b.dark[0] = true),
            ("account 111111111111 is not among the accounts of the organization any more", |b| b.left[0] = true),
            ("account 111111111111 was left out: asked to", |b| b.skipped[0] = true),
            ("111111111111 eu-west-1 was left out: asked to", |b| b.regions[0] = true),
            ("it could not be looked at: codepipeline:ListPipelines in 111111111111 eu-west-1", |b| {
                b.unlisted[0] = true;
            }),
            ("control `pipeline-good` was not asked in this run", |b| b.control_off = true),
        ];
        for (reason, hide) in reasons {
            let mut blind = all.clone();
            hide(&mut blind);
            let mut runs = vec![observe(&world, &all, "2026-11-20T02:00:00Z")];
            put(&mut runs[0], &[]);
            for (at, kept) in
                [("2026-11-21T02:00:00Z", true), ("2027-12-20T02:00:00Z", true), ("2027-12-26T02:00:00Z", false)]
            {
                let mut run = observe(&world, &blind, at);
                assert!(put(&mut run, &runs).is_empty(), "{reason}");
                let told = run.gone.iter().find(|gone| gone.finding.resource.uid == pipeline(0).uid);
                assert_eq!(told.is_some(), kept, "{reason} at {at}");
                if let Some(told) = told {
                    assert!(told.reason.starts_with(reason), "{} is not {reason}", told.reason);
                    let lifecycle = told.finding.lifecycle.as_ref().unwrap();
                    assert_eq!(lifecycle.first_observed_at, "2026-11-20T02:00:00Z");
                    assert_eq!(lifecycle.last_observed_at.as_deref(), Some("2026-11-20T02:00:00Z"));
                    assert_eq!(json!(lifecycle.last_known), json!("NonCompliant"));
                }
                runs.push(run);
            }
        }
    }
}
