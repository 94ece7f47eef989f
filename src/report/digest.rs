//! What a person needs of a report: the worst of it, and everything counted.
//!
//! In: a report, whose findings are streamed once. Out: tallies per control, a bounded choice of violations, and what could
//! not be seen grouped by its cause. Findings come account by account, so an account's place is known when the next one
//! begins, and only the worst are kept. Formats for people share it, so that they can never tell different stories.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;

use super::blind_spot::{Blind, BlindSpot};
use super::out_of_sight::OutOfSight;
use super::text::grouped;
use super::wording::news;
use super::{Counts, Report};
use crate::finding::{ComplianceType, Finding, Severity};
use crate::inventory::AccountId;

/// New violations that are kept.
const NEWS: usize = 10;

/// How much of the worst is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Accounts shown with their violations.
    pub accounts: usize,
    /// Violated controls shown per account.
    pub controls: usize,
    /// Resources shown per violated control.
    pub resources: usize,
}

/// Violations by severity, worst first, so that comparing two of them says which is worse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Violations {
    critical: u64,
    high: u64,
    medium: u64,
    low: u64,
}

impl Violations {
    fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Critical => self.critical += 1,
            Severity::High => self.high += 1,
            Severity::Medium => self.medium += 1,
            Severity::Low => self.low += 1,
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.critical + self.high + self.medium + self.low
    }

    /// `1 critical, 2 high`
    pub(super) fn in_words(&self) -> String {
        let parts = [(self.critical, "critical"), (self.high, "high"), (self.medium, "medium"), (self.low, "low")];
        let named: Vec<String> = parts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{} {word}", grouped(count)))
            .collect();
        named.join(", ")
    }
}

impl From<&Counts> for Violations {
    fn from(counts: &Counts) -> Self {
        let of = |severity| counts.violations.get(&severity).copied().unwrap_or(0);
        Self {
            critical: of(Severity::Critical),
            high: of(Severity::High),
            medium: of(Severity::Medium),
            low: of(Severity::Low),
        }
    }
}

/// One control's results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ControlTally {
    pub violated: u64,
    pub excepted: u64,
    pub unknown: u64,
    pub good: u64,
    pub not_applicable: u64,
}

/// One control violated in one account.
#[derive(Debug)]
pub(super) struct ViolatedControl {
    pub id: String,
    pub severity: Severity,
    /// All resources that violate it.
    pub total: u64,
    /// The first of them in order, those that are new or worse since the run before in front.
    pub shown: Vec<Finding>,
    /// How many of those shown are.
    news: usize,
}

/// One account with its violations.
#[derive(Debug)]
pub(super) struct AccountViolations {
    pub account: AccountId,
    pub violations: Violations,
    /// Worst first.
    pub controls: Vec<ViolatedControl>,
    /// Violated controls beyond the limit, and their violations.
    pub more_controls: u64,
    pub more_violations: u64,
}

/// The digest of a report.
#[derive(Debug)]
pub(super) struct Digest {
    /// Worst first.
    pub accounts: Vec<AccountViolations>,
    pub more_accounts: u64,
    pub more_account_violations: u64,
    pub violations: Violations,
    /// Worst first.
    pub controls: Vec<(String, ControlTally)>,
    /// Most unknown results first.
    pub blind: Vec<BlindSpot>,
    /// Violations under a valid exception, the first to expire first.
    pub excepted: Vec<Finding>,
    pub more_excepted: u64,
    /// Violations that are new or worse since the run before, worst first; none where no run was compared.
    pub news: Vec<Finding>,
    pub more_news: u64,
    /// Violations of earlier runs that could not be looked at again.
    pub out_of_sight: OutOfSight,
}

impl Digest {
    /// Reads the findings once.
    pub(super) fn of(report: &Report<'_>, limits: Limits) -> io::Result<Self> {
        Self::watched(report, limits, &mut |_| ())
    }

    /// As [`Self::of`]; `watch` sees every finding of the first pass, so that a page that counts more needs no pass of its own.
    pub(super) fn watched(report: &Report<'_>, limits: Limits, watch: &mut dyn FnMut(&Finding)) -> io::Result<Self> {
        let mut count = Count { blind: Blind::of(report), ..Count::default() };
        let mut worst = Worst::of(limits);
        for finding in report.findings.findings()? {
            let finding = finding?;
            if finding.compliance == ComplianceType::NonCompliant && finding.exception.is_none() {
                worst.add(&finding, news(report, &finding).is_some());
            }
            count.add(&finding, limits.resources.max(limits.accounts));
            if news(report, &finding).is_some() {
                count.add_news(&finding);
            }
            watch(&finding);
        }
        worst.end_account();
        let mut controls: Vec<(String, ControlTally)> = count.controls.into_iter().collect();
        controls.sort_by_cached_key(|(id, tally)| {
            let severity = report.controls.get(id).map(|control| control.severity);
            let standing = (tally.violated == 0, tally.excepted + tally.unknown == 0);
            (standing, Reverse(severity), Reverse(tally.violated), Reverse(tally.unknown), id.clone())
        });
        Ok(Self {
            accounts: worst.kept.into_values().collect(),
            more_accounts: worst.more_accounts,
            more_account_violations: worst.more_violations,
            violations: worst.violations,
            controls,
            blind: count.blind.into_spots(),
            more_excepted: count.excepted_total - count.excepted.len() as u64,
            excepted: count.excepted.into_values().collect(),
            more_news: count.news_total - count.news.len() as u64,
            news: count.news.into_values().collect(),
            out_of_sight: OutOfSight::of(report)?,
        })
    }
}

/// The worst accounts so far, and the one whose findings come now.
struct Worst {
    limits: Limits,
    violations: Violations,
    current: Option<(AccountId, Violations)>,
    controls: BTreeMap<(Reverse<Severity>, String), ViolatedControl>,
    /// Worst first.
    kept: BTreeMap<(Reverse<Violations>, AccountId), AccountViolations>,
    more_accounts: u64,
    more_violations: u64,
}

impl Worst {
    fn of(limits: Limits) -> Self {
        Self {
            limits,
            violations: Violations::default(),
            current: None,
            controls: BTreeMap::new(),
            kept: BTreeMap::new(),
            more_accounts: 0,
            more_violations: 0,
        }
    }

    fn add(&mut self, finding: &Finding, is_news: bool) {
        if self.current.as_ref().is_none_or(|(account, _)| *account != finding.resource.account) {
            self.end_account();
        }
        self.violations.add(finding.severity);
        let current = self.current.get_or_insert_with(|| (finding.resource.account.clone(), Violations::default()));
        current.1.add(finding.severity);
        let group = self.controls.entry((Reverse(finding.severity), finding.control.clone())).or_insert_with(|| {
            ViolatedControl {
                id: finding.control.clone(),
                severity: finding.severity,
                total: 0,
                shown: Vec::new(),
                news: 0,
            }
        });
        group.total += 1;
        // What is news stands first, and takes the place of what is known.
        if group.shown.len() < self.limits.resources {
            let place = if is_news { group.news } else { group.shown.len() };
            group.shown.insert(place, finding.clone());
            group.news += usize::from(is_news);
        } else if is_news && group.news < group.shown.len() {
            group.shown.pop();
            group.shown.insert(group.news, finding.clone());
            group.news += 1;
        }
    }

    /// Keeps the account if it is among the worst.
    fn end_account(&mut self) {
        let Some((account, violations)) = self.current.take() else { return };
        let mut controls: Vec<ViolatedControl> = std::mem::take(&mut self.controls).into_values().collect();
        let more = controls.split_off(self.limits.controls.min(controls.len()));
        let ended = AccountViolations {
            account: account.clone(),
            violations,
            controls,
            more_controls: more.len() as u64,
            more_violations: more.iter().map(|control| control.total).sum(),
        };
        self.kept.insert((Reverse(violations), account), ended);
        if self.kept.len() > self.limits.accounts
            && let Some((_, least)) = self.kept.pop_last()
        {
            self.more_accounts += 1;
            self.more_violations += least.violations.total();
        }
    }
}

/// What is counted over all accounts.
#[derive(Default)]
struct Count {
    controls: BTreeMap<String, ControlTally>,
    excepted: BTreeMap<(String, Reverse<Severity>, String), Finding>,
    excepted_total: u64,
    /// By severity, then in the order of findings.
    news: BTreeMap<(Reverse<Severity>, u64), Finding>,
    news_total: u64,
    blind: Blind,
}

impl Count {
    fn add_news(&mut self, finding: &Finding) {
        if finding.compliance != ComplianceType::NonCompliant || finding.exception.is_some() {
            return;
        }
        self.news_total += 1;
        let key = (Reverse(finding.severity), self.news_total);
        if self.news.len() >= NEWS {
            if self.news.last_key_value().is_some_and(|(last, _)| *last < key) {
                return;
            }
            self.news.pop_last();
        }
        self.news.insert(key, finding.clone());
    }

    fn add(&mut self, finding: &Finding, keep_excepted: usize) {
        if !self.controls.contains_key(&finding.control) {
            self.controls.insert(finding.control.clone(), ControlTally::default());
        }
        let Some(control) = self.controls.get_mut(&finding.control) else { return };
        match (finding.compliance, &finding.exception) {
            (ComplianceType::NonCompliant, None) => control.violated += 1,
            (ComplianceType::NonCompliant, Some(exception)) => {
                control.excepted += 1;
                self.excepted_total += 1;
                let key = (exception.expires.clone(), Reverse(finding.severity), finding.id.clone());
                self.excepted.insert(key, finding.clone());
                if self.excepted.len() > keep_excepted {
                    self.excepted.pop_last();
                }
            }
            (ComplianceType::InsufficientData, _) => {
                control.unknown += 1;
                self.blind.add(finding);
            }
            (ComplianceType::Compliant, _) => control.good += 1,
            (ComplianceType::NotApplicable, _) => control.not_applicable += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Counts, OverTime, RunInfo};
    use super::*;
    use crate::inventory::{CallCounts, Coverage};

    fn finding(account: u64, control: &str, resource: u32, severity: Severity) -> Finding {
        serde_json::from_value(serde_json::json!({
            "id": format!("{account}{control}{resource}"), "control": control, "severity": severity,
            "compliance": "NonCompliant",
            "resource": {"uid": format!("arn:{resource:02}"), "typeName": "AWS::S3::Bucket",
                "account": format!("{account:012}"), "region": "global"}
        }))
        .unwrap()
    }

    fn digest(findings: &Vec<Finding>, limits: Limits) -> Digest {
        let coverage = Coverage::default();
        let report = Report {
            run: RunInfo {
                run_id: String::new(),
                started_at: String::new(),
                tool_version: String::new(),
                organization: String::new(),
                policy_hash: String::new(),
            },
            controls: BTreeMap::new(),
            frameworks: BTreeMap::new(),
            accounts: BTreeMap::new(),
            counts: Counts::default(),
            coverage: &coverage,
            gaps: &[],
            findings,
            calls: CallCounts::default(),
            over_time: OverTime::default(),
        };
        Digest::of(&report, limits).unwrap()
    }

    #[test]
    fn the_worst_accounts_are_kept_whenever_they_come() {
        let mut findings = Vec::new();
        // One critical violation is worse than any number of low ones; of equals, the first account is first.
        for (account, low, critical) in [(1, 3, 0), (2, 1, 1), (3, 3, 0), (4, 9, 0), (5, 0, 2), (6, 1, 0)] {
            findings.extend((0..critical).map(|resource| finding(account, "c", resource, Severity::Critical)));
            findings.extend((0..low).map(|resource| finding(account, "l", resource, Severity::Low)));
        }
        findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        let digest = digest(&findings, Limits { accounts: 4, controls: 1, resources: 2 });
        let shown: Vec<_> = digest.accounts.iter().map(|one| one.account.as_str().trim_start_matches('0')).collect();
        assert_eq!(shown, ["5", "2", "4", "1"]);
        assert_eq!((digest.more_accounts, digest.more_account_violations), (2, 4));
        assert_eq!(digest.violations.total(), 20);
        let second = digest.accounts.get(1).unwrap();
        assert_eq!((second.more_controls, second.more_violations), (1, 1));
        assert_eq!(second.controls.first().unwrap().severity, Severity::Critical);
        let third = digest.accounts.get(2).unwrap().controls.first().unwrap();
        assert_eq!((third.total, third.shown.len()), (9, 2));
        assert_eq!(third.shown.first().unwrap().resource.uid.as_str(), "arn:00");
    }
}
