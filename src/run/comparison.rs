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
use crate::finding::{Change, ComplianceType, Finding, Gone, Lifecycle, Severity};
use crate::report::{FindingPass, FindingSource, Remediation};

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
}

impl Tally {
    /// Counts what a comparison found.
    pub(super) fn add(&mut self, compared: &Compared) {
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
            last: lifecycle.map_or(earlier, |lifecycle| lifecycle.last_observed_at.as_str()),
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
        last_observed_at: at.to_owned(),
        last_known: None,
    };
    let Some(before) = before else { return since(Change::New, at) };
    match (now.compliance, before.known) {
        (ComplianceType::InsufficientData, Some(known)) => Lifecycle {
            change: Change::NotSeen,
            first_observed_at: before.first.to_owned(),
            last_observed_at: before.last.to_owned(),
            last_known: Some(known),
        },
        (ComplianceType::InsufficientData, None) => since(Change::Unchanged, before.first),
        (ComplianceType::NonCompliant, Some(ComplianceType::NonCompliant)) => {
            since(changed(now, before.finding), before.first)
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
        last_observed_at: before.last.to_owned(),
        last_known: Some(ComplianceType::NonCompliant),
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
    let mut lost = |finding: &Finding, take: &mut dyn FnMut(Compared) -> Result<(), E>| {
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
