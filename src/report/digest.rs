//! What a person needs of a report: the worst of it, and everything counted.
//!
//! In: a report, whose findings are streamed twice. Out: tallies per account and control, a bounded choice of
//! violations, and what could not be seen grouped by its cause. Only the tallies grow with the organization, never the
//! findings kept. Formats for people share it, so that they can never tell different stories.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::Report;
use super::blind_spot::{Blind, BlindSpot};
use super::text::grouped;
use crate::finding::{ComplianceType, Finding, Severity};
use crate::inventory::AccountId;

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
    /// The first of them in order.
    pub shown: Vec<Finding>,
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
}

impl Digest {
    /// Reads the findings twice: once to count, once to keep the worst.
    pub(super) fn of(report: &Report<'_>, limits: Limits) -> io::Result<Self> {
        let mut count = Count { blind: Blind::of(report), ..Count::default() };
        for finding in report.findings.findings()? {
            let finding = finding?;
            count.add(&finding, limits.resources.max(limits.accounts));
        }
        let mut ranked: Vec<(AccountId, Violations)> = count.accounts.into_iter().collect();
        ranked.sort_by(|(a, worse), (b, better)| better.cmp(worse).then_with(|| a.cmp(b)));
        let rest = ranked.split_off(limits.accounts.min(ranked.len()));
        let mut violations = Violations::default();
        for (_, one) in ranked.iter().chain(&rest) {
            violations.critical += one.critical;
            violations.high += one.high;
            violations.medium += one.medium;
            violations.low += one.low;
        }
        let mut controls: Vec<(String, ControlTally)> = count.controls.into_iter().collect();
        controls.sort_by_cached_key(|(id, tally)| {
            let severity = report.controls.get(id).map(|control| control.severity);
            let standing = (tally.violated == 0, tally.excepted + tally.unknown == 0);
            (standing, Reverse(severity), Reverse(tally.violated), Reverse(tally.unknown), id.clone())
        });
        Ok(Self {
            accounts: worst_of(report, &ranked, limits)?,
            more_accounts: rest.len() as u64,
            more_account_violations: rest.iter().map(|(_, violations)| violations.total()).sum(),
            violations,
            controls,
            blind: count.blind.into_spots(),
            more_excepted: count.excepted_total - count.excepted.len() as u64,
            excepted: count.excepted.into_values().collect(),
        })
    }
}

/// The first pass.
#[derive(Default)]
struct Count {
    accounts: BTreeMap<AccountId, Violations>,
    controls: BTreeMap<String, ControlTally>,
    excepted: BTreeMap<(String, Reverse<Severity>, String), Finding>,
    excepted_total: u64,
    blind: Blind,
}

impl Count {
    fn add(&mut self, finding: &Finding, keep_excepted: usize) {
        if !self.controls.contains_key(&finding.control) {
            self.controls.insert(finding.control.clone(), ControlTally::default());
        }
        let Some(control) = self.controls.get_mut(&finding.control) else { return };
        match (finding.compliance, &finding.exception) {
            (ComplianceType::NonCompliant, None) => {
                control.violated += 1;
                self.accounts.entry(finding.resource.account.clone()).or_default().add(finding.severity);
            }
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

/// The second pass: the first violations of every control in each of the ranked accounts.
fn worst_of(
    report: &Report<'_>,
    ranked: &[(AccountId, Violations)],
    limits: Limits,
) -> io::Result<Vec<AccountViolations>> {
    let mut kept: BTreeMap<&AccountId, BTreeMap<(Reverse<Severity>, String), ViolatedControl>> =
        ranked.iter().map(|(account, _)| (account, BTreeMap::new())).collect();
    for finding in report.findings.findings()? {
        let finding = finding?;
        if finding.compliance != ComplianceType::NonCompliant || finding.exception.is_some() {
            continue;
        }
        let Some(controls) = kept.get_mut(&finding.resource.account) else { continue };
        let group = controls.entry((Reverse(finding.severity), finding.control.clone())).or_insert_with(|| {
            ViolatedControl { id: finding.control.clone(), severity: finding.severity, total: 0, shown: Vec::new() }
        });
        group.total += 1;
        if group.shown.len() < limits.resources {
            group.shown.push(Arc::unwrap_or_clone(finding));
        }
    }
    Ok(ranked
        .iter()
        .map(|(account, violations)| {
            let mut controls: Vec<ViolatedControl> = kept.remove(account).unwrap_or_default().into_values().collect();
            let more = controls.split_off(limits.controls.min(controls.len()));
            AccountViolations {
                account: account.clone(),
                violations: *violations,
                controls,
                more_controls: more.len() as u64,
                more_violations: more.iter().map(|control| control.total).sum(),
            }
        })
        .collect())
}
