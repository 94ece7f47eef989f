//! A run among the runs before it.
//!
//! In: nothing; runs are compared in `run`. Out: what a report shows of it. It is empty where a run was never compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Counts, Report, RunInfo};
use crate::finding::{Change, Gone, Severity};
use crate::inventory::{CallCounts, TypeName};

/// Runs of a trend, the newest included: more would be too narrow to see.
pub const TREND_RUNS: usize = 60;

/// How this run stands among those before it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OverTime {
    /// Against the run before; none on the first run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// The runs before and this one, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trend: Vec<TrendPoint>,
    /// What the run's own page on delivery says in brief, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryInBrief>,
    /// What the run is about, if it looked at a few resources again and not at the organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recheck: Option<RecheckOf>,
}

/// A few resources that were looked at between two full runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecheckOf {
    /// ARNs as they were asked for, sorted.
    pub resources: Vec<String>,
    /// The full run that says what other accounts and Regions hold; none where no full run is young enough, and what they
    /// hold is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside_run: Option<String>,
}

/// The delivery metrics of the services, in brief and in words; the page with everything is `dora/dora.html` of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryInBrief {
    /// What the numbers are of: `90 days until …`.
    pub frame: String,
    /// How many services there are, and of how many something can be said.
    pub services: String,
    /// The five metrics, and others of which a number is known.
    pub metrics: Vec<MetricInBrief>,
}

/// How one metric is distributed over services.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricInBrief {
    /// Its name for people.
    pub title: String,
    /// What a quarter, half and three quarters of the services do not exceed, in words; a dash where nothing is known.
    pub quartiles: [String; 3],
    /// Services with a number.
    pub with: u64,
    /// Services without one, for whatever reason.
    pub without: u64,
}

/// Two runs, compared finding by finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The earlier run.
    pub previous: RunInfo,
    /// RFC 3339: when the earlier run looked, if that was not when it started: it judged the inventories of another again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<String>,
    /// Violations by what changed, those under an exception included: of this run, and those that only the earlier run had
    /// ([`Change::Resolved`], [`Change::NotSeen`]).
    pub violations: BTreeMap<Change, u64>,
    /// Violations that were resolved since the earlier run, by severity.
    pub remediation: BTreeMap<Severity, Remediation>,
    /// Of those that are not seen: violations of a control that is not asked any more, or in an account that is not in the
    /// organization any more, which an earlier run told of as not seen. They are outside the question, and leave the verdict
    /// alone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub set_aside: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Comparison {
    /// RFC 3339: when the earlier run looked.
    #[must_use]
    pub fn looked_at(&self) -> &str {
        self.observed_at.as_deref().unwrap_or(&self.previous.started_at)
    }

    /// Violations that were known, are still asked for, and could not be looked at this time.
    #[must_use]
    pub fn hidden(&self) -> u64 {
        self.violations.get(&Change::NotSeen).copied().unwrap_or(0).saturating_sub(self.set_aside)
    }
}

impl OverTime {
    /// [`Comparison::hidden`]; nothing where nothing was compared.
    #[must_use]
    pub fn hidden(&self) -> u64 {
        self.comparison.as_ref().map_or(0, Comparison::hidden)
    }
}

impl Report<'_> {
    /// Whether a violation that is out of sight is outside of what this run asks, and was already out of sight for a run
    /// before this one, which told of it. `looked` is when the run before looked. The policies and the organization say
    /// what is asked; what a configuration leaves out of them is asked, and not answered.
    #[must_use]
    pub fn asks_no_more(&self, gone: &Gone, looked: &str) -> bool {
        let finding = &gone.finding;
        let is_asked =
            self.controls.contains_key(&finding.control) && self.accounts.contains_key(&finding.resource.account);
        // Both times are written in UTC and to the second, so that text sorts as time does.
        let is_old_news = finding.lifecycle.as_ref().is_some_and(|lifecycle| {
            lifecycle.change == Change::NotSeen
                && lifecycle.last_observed_at.as_deref().is_some_and(|last| last < looked)
        });
        // Where accounts could not be listed, one that is missing has not left.
        let hides_accounts = || self.gaps.iter().any(|gap| gap.hides_type(&TypeName::ACCOUNT));
        let may_be_hidden = || self.controls.contains_key(&finding.control) && hides_accounts();
        !is_asked && is_old_news && !may_be_hidden()
    }

    /// As [`Self::asks_no_more`], against the run that this report was compared with.
    #[must_use]
    pub fn is_set_aside(&self, gone: &Gone) -> bool {
        self.over_time.comparison.as_ref().is_some_and(|comparison| self.asks_no_more(gone, comparison.looked_at()))
    }
}

/// How long resolved violations stood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Remediation {
    /// How many were resolved.
    pub resolved: u64,
    /// From the run that first saw one to the run that saw it resolved, in hours, summed over all of them.
    pub total_hours: f64,
}

impl Remediation {
    /// Hours on average; none where nothing was resolved.
    #[must_use]
    pub fn mean_hours(&self) -> Option<f64> {
        let resolved = u32::try_from(self.resolved).unwrap_or(u32::MAX);
        (resolved > 0).then(|| self.total_hours / f64::from(resolved))
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { resolved: self.resolved + other.resolved, total_hours: self.total_hours + other.total_hours }
    }
}

/// One run of a trend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrendPoint {
    /// UTC start time, as in [`RunInfo::run_id`].
    pub run_id: String,
    /// RFC 3339.
    pub started_at: String,
    /// Findings counted.
    pub counts: Counts,
    /// Accounts of the run.
    pub accounts: u64,
    /// Things that could not be seen.
    pub gaps: u64,
    /// Calls by their end.
    pub calls: CallCounts,
    /// Whether policies or pipewarden changed since the point before, so that numbers may jump without a change in AWS.
    #[serde(default)]
    pub other_policies: bool,
    /// Violations that it resolved, as in [`Comparison::remediation`]; none where it was not compared with another, or
    /// nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<BTreeMap<Severity, Remediation>>,
}
