//! Everything that the overview counts, in one pass over the findings.
//!
//! In: a report, whose findings come sorted by account. Out: tallies per severity, organizational unit, control, owner and
//! exception, and the worst findings, as many as a page holds. What is kept grows with accounts and controls, never with
//! findings.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::element::is_open;
use super::risk::weight;
use crate::finding::{Change, ComplianceType, Finding, Gone, Severity};
use crate::inventory::{AccountId, TypeName};
use crate::report::Report;
use crate::report::digest::{Digest, Limits};
use crate::report::framework_coverage;
use crate::report::html::was_violation;

/// Findings listed as new and worst.
const WORST: usize = 12;
/// Accounts named beside a fix.
const FIX_ACCOUNTS: usize = 3;
/// Owners told apart; tags can make any number of them.
const OWNERS: usize = 10_000;
/// Controls named in the link from an exception.
const EXCEPTION_CONTROLS: usize = 20;
/// As [`OWNERS`], for exceptions.
const EXCEPTIONS: usize = 10_000;

/// Violations of one severity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SeverityTally {
    /// Under no exception.
    pub(super) open: u64,
    pub(super) excepted: u64,
    /// Those under an exception included, and those that only the run before had.
    pub(super) changes: BTreeMap<Change, u64>,
    /// When the oldest open one was first observed.
    pub(super) oldest: Option<String>,
}

/// Results of one service in one organizational unit, or of an owner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Results {
    /// Open violations by severity, worst first as in [`Severity::ALL`].
    pub(super) by_severity: [u64; 4],
    pub(super) excepted: u64,
    pub(super) unknown: u64,
    pub(super) good: u64,
    /// Open violations that the run before had not.
    pub(super) new: u64,
}

impl Results {
    fn add(&mut self, finding: &Finding) {
        match finding.compliance {
            ComplianceType::NonCompliant if finding.exception.is_some() => self.excepted += 1,
            ComplianceType::NonCompliant => {
                for (severity, count) in Severity::ALL.into_iter().zip(&mut self.by_severity) {
                    *count += u64::from(severity == finding.severity);
                }
                self.new += u64::from(change_of(finding) == Some(Change::New));
            }
            ComplianceType::InsufficientData => self.unknown += 1,
            ComplianceType::Compliant => self.good += 1,
            ComplianceType::NotApplicable => {}
        }
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        for (mine, theirs) in self.by_severity.iter_mut().zip(other.by_severity) {
            *mine += theirs;
        }
        self.excepted += other.excepted;
        self.unknown += other.unknown;
        self.good += other.good;
        self.new += other.new;
    }

    pub(super) fn open(&self) -> u64 {
        self.by_severity.iter().sum()
    }

    pub(super) fn risk(&self) -> u64 {
        Severity::ALL.into_iter().zip(self.by_severity).map(|(severity, count)| weight(severity) * count).sum()
    }

    /// Whether anything at all was asked.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// All open violations of one control, which one kind of change mends.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fix {
    pub(super) control: String,
    pub(super) violations: u64,
    pub(super) risk: u64,
    pub(super) accounts: u64,
    /// The accounts with most of them.
    pub(super) most: Vec<(AccountId, u64)>,
    /// The worst severity among them.
    pub(super) severity: Severity,
}

/// What one exception covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Covered {
    pub(super) id: String,
    pub(super) expires: String,
    pub(super) owner: String,
    pub(super) ticket: String,
    pub(super) reason: String,
    pub(super) violations: u64,
    pub(super) worst: Severity,
    /// The first of the controls whose violations it covers.
    pub(super) controls: BTreeSet<String>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Tally {
    /// The verdict's numbers and the blind spots, as the other pages for people have them.
    pub(super) digest: Digest,
    pub(super) severities: BTreeMap<Severity, SeverityTally>,
    /// New and worsened open violations, or all of a run that was not compared; worst first.
    pub(super) worst: Vec<Finding>,
    /// How many there are.
    pub(super) worst_total: u64,
    /// Organizational unit → service.
    pub(super) heat: BTreeMap<String, BTreeMap<String, Results>>,
    /// Largest risk first.
    pub(super) fixes: Vec<Fix>,
    /// Risk of all open violations.
    pub(super) risk: u64,
    /// By owner's name; what nobody is known to own stands under `None`.
    pub(super) owners: BTreeMap<Option<String>, Results>,
    /// Results of owners beyond the number that is told apart.
    pub(super) more_owners: Option<Results>,
    /// The first to end first.
    pub(super) exceptions: Vec<Covered>,
    /// By control, for frameworks.
    pub(super) by_control: BTreeMap<String, framework_coverage::Tally>,
}

impl Tally {
    /// Reads the findings once; `watch` sees every one of them too.
    pub(super) fn of(report: &Report<'_>, watch: &mut dyn FnMut(&Finding)) -> io::Result<Self> {
        let mut count = Count::new(report);
        let limits = Limits { accounts: 0, controls: 0, resources: 0 };
        let digest = Digest::watched(report, limits, &mut |finding| {
            count.add(finding);
            watch(finding);
        })?;
        for gone in report.findings.gone()? {
            count.add_gone(&gone?);
        }
        Ok(count.finish(digest))
    }
}

/// The change of a finding, if it was compared.
pub(super) fn change_of(finding: &Finding) -> Option<Change> {
    finding.lifecycle.as_ref().map(|lifecycle| lifecycle.change)
}

/// The service of a type, as the findings table filters by it: `CodePipeline` of `AWS::CodePipeline::Pipeline`.
fn service_of(type_name: &TypeName) -> &str {
    let name = type_name.as_str();
    name.split("::").nth(usize::from(name.starts_with("AWS::"))).unwrap_or(name)
}

/// Where a unit's name is not known.
pub(super) const NO_UNIT: &str = "";

/// Worse first: severity, then what is older in the order of reports.
type Rank = (Reverse<Severity>, bool, String);

struct Count<'a> {
    units: BTreeMap<&'a AccountId, &'a str>,
    is_compared: bool,
    severities: BTreeMap<Severity, SeverityTally>,
    worst: BTreeMap<Rank, Finding>,
    worst_total: u64,
    heat: BTreeMap<String, BTreeMap<String, Results>>,
    fixes: BTreeMap<String, Fix>,
    /// Of the account that the pass stands in: open violations by control.
    here: BTreeMap<String, u64>,
    account: Option<AccountId>,
    owners: BTreeMap<Option<String>, Results>,
    more_owners: Option<Results>,
    exceptions: BTreeMap<String, Covered>,
    by_control: BTreeMap<String, framework_coverage::Tally>,
}

impl<'a> Count<'a> {
    fn new(report: &'a Report<'_>) -> Self {
        let units = report.accounts.iter().map(|(id, account)| (id, account.organizational_unit_path.as_str()));
        Self {
            units: units.collect(),
            is_compared: report.over_time.comparison.is_some(),
            severities: Severity::ALL.into_iter().map(|severity| (severity, SeverityTally::default())).collect(),
            worst: BTreeMap::new(),
            worst_total: 0,
            heat: BTreeMap::new(),
            fixes: BTreeMap::new(),
            here: BTreeMap::new(),
            account: None,
            owners: BTreeMap::new(),
            more_owners: None,
            exceptions: BTreeMap::new(),
            by_control: BTreeMap::new(),
        }
    }

    fn add(&mut self, finding: &Finding) {
        self.move_to(&finding.resource.account);
        let unit = self.units.get(&finding.resource.account).copied().unwrap_or(NO_UNIT);
        let services = self.heat.entry(unit.to_owned()).or_default();
        services.entry(service_of(&finding.resource.type_name).to_owned()).or_default().add(finding);
        self.by_control.entry(finding.control.clone()).or_default().count(finding);
        self.add_change(finding);
        if finding.compliance == ComplianceType::NonCompliant {
            self.add_owner(finding);
        }
        if is_open(finding) {
            self.add_open(finding);
        } else if finding.compliance == ComplianceType::NonCompliant {
            self.add_excepted(finding);
        }
    }

    fn add_open(&mut self, finding: &Finding) {
        *self.here.entry(finding.control.clone()).or_default() += 1;
        if !self.fixes.contains_key(&finding.control) {
            let fix = Fix {
                control: finding.control.clone(),
                violations: 0,
                risk: 0,
                accounts: 0,
                most: Vec::new(),
                severity: finding.severity,
            };
            self.fixes.insert(finding.control.clone(), fix);
        }
        if let Some(fix) = self.fixes.get_mut(&finding.control) {
            fix.violations += 1;
            fix.risk += weight(finding.severity);
            fix.severity = fix.severity.max(finding.severity);
        }
        let severity = self.severities.entry(finding.severity).or_default();
        severity.open += 1;
        if let Some(lifecycle) = &finding.lifecycle {
            let first = &lifecycle.first_observed_at;
            if severity.oldest.as_ref().is_none_or(|oldest| first < oldest) {
                severity.oldest = Some(first.clone());
            }
        }
        let change = change_of(finding);
        if self.is_compared && !matches!(change, Some(Change::New | Change::Worsened)) {
            return;
        }
        self.worst_total += 1;
        let rank = (Reverse(finding.severity), change != Some(Change::Worsened), rank_in_order(finding));
        if self.worst.len() < WORST || self.worst.last_key_value().is_some_and(|(last, _)| rank < *last) {
            self.worst.insert(rank, finding.clone());
            if self.worst.len() > WORST {
                self.worst.pop_last();
            }
        }
    }

    fn add_change(&mut self, finding: &Finding) {
        let Some(lifecycle) = &finding.lifecycle else { return };
        let is_violation = finding.compliance == ComplianceType::NonCompliant;
        let counts = match lifecycle.change {
            Change::New | Change::Worsened | Change::Improved | Change::Unchanged => is_violation,
            Change::Resolved => true,
            Change::NotSeen => was_violation(finding),
        };
        if counts {
            let severity = self.severities.entry(finding.severity).or_default();
            *severity.changes.entry(lifecycle.change).or_default() += 1;
        }
    }

    /// What only the run before had; there, the result is that of the run before.
    fn add_gone(&mut self, gone: &Gone) {
        self.add_change(&gone.finding);
    }

    fn add_owner(&mut self, finding: &Finding) {
        let name = finding.owner.as_ref().map(|owner| owner.name.clone());
        if self.owners.len() < OWNERS || self.owners.contains_key(&name) || name.is_none() {
            self.owners.entry(name).or_default().add(finding);
        } else {
            self.more_owners.get_or_insert_default().add(finding);
        }
    }

    fn add_excepted(&mut self, finding: &Finding) {
        let Some(exception) = &finding.exception else { return };
        self.severities.entry(finding.severity).or_default().excepted += 1;
        if let Some(covered) = self.exceptions.get_mut(&exception.id) {
            covered.violations += 1;
            covered.worst = covered.worst.max(finding.severity);
            if covered.controls.len() < EXCEPTION_CONTROLS {
                covered.controls.insert(finding.control.clone());
            }
        } else if self.exceptions.len() < EXCEPTIONS {
            let covered = Covered {
                id: exception.id.clone(),
                expires: exception.expires.clone(),
                owner: exception.owner.clone(),
                ticket: exception.ticket.clone(),
                reason: exception.reason.clone(),
                violations: 1,
                worst: finding.severity,
                controls: BTreeSet::from([finding.control.clone()]),
            };
            self.exceptions.insert(exception.id.clone(), covered);
        }
    }

    /// Ends the account before, if this is another one.
    fn move_to(&mut self, account: &AccountId) {
        if self.account.as_ref() != Some(account) {
            self.leave();
            self.account = Some(account.clone());
        }
    }

    fn leave(&mut self) {
        let Some(account) = self.account.take() else { return };
        for (control, count) in std::mem::take(&mut self.here) {
            let Some(fix) = self.fixes.get_mut(&control) else { continue };
            fix.accounts += 1;
            fix.most.push((account.clone(), count));
            fix.most.sort_by(|(a, more), (b, less)| less.cmp(more).then_with(|| a.cmp(b)));
            fix.most.truncate(FIX_ACCOUNTS);
        }
    }

    fn finish(mut self, digest: Digest) -> Tally {
        self.leave();
        let mut fixes: Vec<Fix> = self.fixes.into_values().collect();
        fixes.sort_by(|a, b| b.risk.cmp(&a.risk).then_with(|| a.control.cmp(&b.control)));
        let mut exceptions: Vec<Covered> = self.exceptions.into_values().collect();
        exceptions.sort_by(|a, b| (&a.expires, &a.id).cmp(&(&b.expires, &b.id)));
        Tally {
            digest,
            risk: fixes.iter().map(|fix| fix.risk).sum(),
            severities: self.severities,
            worst: self.worst.into_values().collect(),
            worst_total: self.worst_total,
            heat: self.heat,
            fixes,
            owners: self.owners,
            more_owners: self.more_owners,
            exceptions,
            by_control: self.by_control,
        }
    }
}

/// The place of a finding in the order of reports, as one key.
fn rank_in_order(finding: &Finding) -> String {
    let resource = &finding.resource;
    [&finding.control, resource.account.as_str(), resource.region.as_str(), resource.uid.as_str()].join("\u{0}")
}
