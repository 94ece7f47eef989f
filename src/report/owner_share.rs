//! What of a run is whose: counts, changes and the worst, per owner.
//!
//! In: findings, and what the run before had, one by one. Out: an [`OwnerShare`] for each owner and one for what nobody
//! owns. Shares are small however much an owner has: what they name is cut to its head, and keeps no evidence.

use std::collections::BTreeMap;
use std::io;

use super::{Counts, Report};
use crate::finding::{Change, ComplianceType, Finding, Gone};

/// Findings that a share names one by one, at most.
const MOST_NAMED: usize = 10;

/// What of a run is one owner's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OwnerShare {
    /// Their findings counted.
    pub counts: Counts,
    /// Their violations by what changed, as in [`super::Comparison::violations`]; empty where nothing was compared.
    pub changes: BTreeMap<Change, u64>,
    /// Results that are unknown now and were known, or were not asked for, the run before.
    pub went_dark: u64,
    /// Violations of earlier runs that are not there any more and could not be looked at again.
    pub not_seen: u64,
    /// More of them, which nobody asks for any more and which were told of before ([`Report::is_set_aside`]).
    pub set_aside: u64,
    /// The worst of the new and worsened violations, without evidence.
    pub news: Vec<Finding>,
    /// How many more of them there are.
    pub more_news: u64,
    /// The worst violations, without evidence.
    pub worst: Vec<Finding>,
    /// How many more of them there are.
    pub more_worst: u64,
}

/// Everybody's share.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OwnerShares {
    /// By the owner's name.
    pub owned: BTreeMap<String, OwnerShare>,
    /// What nobody is named for.
    pub unowned: OwnerShare,
}

impl OwnerShares {
    /// The shares of the owners that are wanted, and of nobody.
    ///
    /// # Errors
    /// If the findings cannot be read.
    pub fn of(report: &Report<'_>, wanted: &dyn Fn(&str) -> bool) -> io::Result<Self> {
        let mut shares = Self::default();
        let is_wanted = |finding: &Finding| finding.owner.as_ref().is_none_or(|owner| wanted(&owner.name));
        for finding in report.findings.findings()? {
            let finding = finding?;
            if is_wanted(&finding) {
                shares.add(report, &finding);
            }
        }
        for gone in report.findings.gone()? {
            let gone = gone?;
            if is_wanted(&gone.finding) {
                shares.add_gone(report, &gone);
            }
        }
        Ok(shares)
    }

    /// Counts a finding of this run.
    pub(super) fn add(&mut self, report: &Report<'_>, finding: &Finding) {
        self.share_of(finding).add(report, finding);
    }

    /// Counts a finding that only the run before had.
    pub(super) fn add_gone(&mut self, report: &Report<'_>, gone: &Gone) {
        let share = self.share_of(&gone.finding);
        if let Some(lifecycle) = &gone.finding.lifecycle {
            *share.changes.entry(lifecycle.change).or_default() += 1;
        }
        let is_resolved = gone.finding.lifecycle.as_ref().is_some_and(|l| l.change == Change::Resolved);
        let is_set_aside = report.is_set_aside(gone);
        share.set_aside += u64::from(is_set_aside);
        share.not_seen += u64::from(!is_resolved && !is_set_aside);
    }

    fn share_of(&mut self, finding: &Finding) -> &mut OwnerShare {
        match &finding.owner {
            None => &mut self.unowned,
            Some(owner) => self.owned.entry(owner.name.clone()).or_default(),
        }
    }
}

impl OwnerShare {
    fn add(&mut self, report: &Report<'_>, finding: &Finding) {
        self.counts.add(finding);
        let violated = finding.compliance == ComplianceType::NonCompliant;
        let lifecycle = finding.lifecycle.as_ref();
        if let Some(lifecycle) = lifecycle {
            let counts = match lifecycle.change {
                Change::Resolved => true,
                Change::NotSeen => lifecycle.last_known == Some(ComplianceType::NonCompliant),
                _ => violated,
            };
            if counts {
                *self.changes.entry(lifecycle.change).or_default() += 1;
            }
        }
        self.went_dark += u64::from(went_dark(report, finding));
        if !violated || finding.exception.is_some() {
            return;
        }
        self.more_worst += put(&mut self.worst, finding);
        if lifecycle.is_some_and(|lifecycle| matches!(lifecycle.change, Change::New | Change::Worsened)) {
            self.more_news += put(&mut self.news, finding);
        }
    }

    /// Whether anything changed that somebody has to hear of.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        let told_before = |change: Change| if change == Change::NotSeen { self.set_aside } else { 0 };
        let changed = |(change, count): (&Change, &u64)| *change != Change::Unchanged && *count > told_before(*change);
        self.went_dark > 0 || self.not_seen > 0 || self.changes.iter().any(changed)
    }

    /// Whether anything was found that says something: good, bad or unknown.
    #[must_use]
    pub fn says_something(&self) -> bool {
        let said = [ComplianceType::Compliant, ComplianceType::NonCompliant, ComplianceType::InsufficientData];
        said.into_iter().any(|compliance| self.counts.of(compliance) > 0) || !self.changes.is_empty()
    }
}

/// Whether a result is unknown in this run for the first time: nobody had asked for it, or the run before still saw it.
pub(crate) fn went_dark(report: &Report<'_>, finding: &Finding) -> bool {
    let Some(lifecycle) = finding.lifecycle.as_ref().filter(|_| finding.compliance == ComplianceType::InsufficientData)
    else {
        return false;
    };
    match (lifecycle.change, &report.over_time.comparison) {
        (Change::New, Some(_)) => true,
        (Change::NotSeen, Some(comparison)) => {
            lifecycle.last_observed_at.as_deref().is_some_and(|last| last >= comparison.looked_at())
        }
        _ => false,
    }
}

/// Puts a finding among the worst, in the order of the report where they are equal; answers how many did not fit.
fn put(worst: &mut Vec<Finding>, finding: &Finding) -> u64 {
    let place = worst.partition_point(|other| other.severity >= finding.severity);
    if place >= MOST_NAMED {
        return 1;
    }
    let named = Finding { evidence: BTreeMap::new(), gaps: Vec::new(), ..finding.clone() };
    worst.insert(place, named);
    let too_many = worst.len() > MOST_NAMED;
    worst.truncate(MOST_NAMED);
    u64::from(too_many)
}
