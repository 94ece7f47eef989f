//! Numbers, each with how many it is made of and how far it can be trusted.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Deployment, ServiceKey};
use crate::history::HistorySource;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricName {
    /// DORA: deployment frequency.
    DeploymentFrequency,
    /// DORA: change lead time.
    ChangeLeadTime,
    /// DORA: failed deployment recovery time.
    FailedDeploymentRecoveryTime,
    /// DORA: change fail rate.
    ChangeFailRate,
    /// DORA: deployment rework rate.
    DeploymentReworkRate,
    /// Duration of pipelines.
    PipelineDuration,
    /// Share of tests that pass.
    TestPassRate,
    /// From an execution's start to production, where no commit is known. Never change lead time.
    PipelineLeadTime,
}

impl MetricName {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 8] = [
        Self::DeploymentFrequency,
        Self::ChangeLeadTime,
        Self::ChangeFailRate,
        Self::FailedDeploymentRecoveryTime,
        Self::DeploymentReworkRate,
        Self::PipelineDuration,
        Self::TestPassRate,
        Self::PipelineLeadTime,
    ];

    /// As written in exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DeploymentFrequency => "deployment_frequency",
            Self::ChangeLeadTime => "change_lead_time",
            Self::FailedDeploymentRecoveryTime => "failed_deployment_recovery_time",
            Self::ChangeFailRate => "change_fail_rate",
            Self::DeploymentReworkRate => "deployment_rework_rate",
            Self::PipelineDuration => "pipeline_duration",
            Self::TestPassRate => "test_pass_rate",
            Self::PipelineLeadTime => "pipeline_lead_time",
        }
    }

    /// As a person reads it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::DeploymentFrequency => "Deployment frequency",
            Self::ChangeLeadTime => "Change lead time",
            Self::FailedDeploymentRecoveryTime => "Failed deployment recovery time",
            Self::ChangeFailRate => "Change fail rate",
            Self::DeploymentReworkRate => "Deployment rework rate",
            Self::PipelineDuration => "Pipeline duration",
            Self::TestPassRate => "Test pass rate",
            Self::PipelineLeadTime => "Pipeline lead time",
        }
    }
}

/// Whether a number can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasureStatus {
    /// The whole window was looked at.
    Ok,
    /// A part of the window or of the places was looked at.
    Partial,
    /// Looked at, but too few for a score or band.
    InsufficientData,
    /// What is needed does not exist: no action deploys, no signal of failure.
    NotMeasurable,
    /// Nobody looked, or nobody could.
    NotCollected,
}

impl MeasureStatus {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Ok, Self::Partial, Self::InsufficientData, Self::NotMeasurable, Self::NotCollected];

    /// As written in exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::InsufficientData => "insufficient_data",
            Self::NotMeasurable => "not_measurable",
            Self::NotCollected => "not_collected",
        }
    }
}

/// Where the begin of a change comes from, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tier {
    /// All commits between two deployments, by their committer's date.
    A,
    /// The head commits of executions, by their committer's date.
    B,
    /// The time of a push or merge.
    C,
    /// The start of the execution.
    D,
}

impl Tier {
    /// As written in exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
        }
    }
}

/// What speaks of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Deployments alone: rollbacks, failures. Users may have suffered without one.
    DeploymentSignal,
    /// Incidents were supplied too.
    Incident,
}

impl Basis {
    /// As written in exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DeploymentSignal => "deployment_signal",
            Self::Incident => "incident",
        }
    }
}

/// Unit of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A number of things.
    Count,
    /// Things a day.
    PerDay,
    /// Things a week.
    PerWeek,
    /// Seconds.
    Seconds,
    /// From 0 to 1.
    Ratio,
    /// From 0 to 10, of the Quick Check.
    Score,
}

impl Unit {
    /// As written in exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::PerDay => "per_day",
            Self::PerWeek => "per_week",
            Self::Seconds => "seconds",
            Self::Ratio => "ratio",
            Self::Score => "score",
        }
    }
}

/// A statistic's name: `median`, `p90`, `ratio`, `low`, `high`, `count`, `per_day`, `open`, … Each metric documents its own.
pub type Statistic = &'static str;

/// One number. `None` is not zero: it is not known, and the measure says why.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Value {
    /// Which.
    pub statistic: Statistic,
    /// The number.
    pub value: Option<f64>,
    /// Of what.
    pub unit: Unit,
    /// How many observations it is made of.
    pub n: u64,
    /// Further labels of this value, e.g. `kind` and `outcome` of counted deployments; sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(&'static str, String)>,
}

/// One metric of one group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measure {
    /// Which metric.
    pub metric: MetricName,
    /// Whether it can be said.
    pub status: MeasureStatus,
    /// How many observations it is made of.
    pub n: u64,
    /// The numbers; the first is the one to show.
    pub values: Vec<Value>,
    /// Where changes begin, of lead times; the worst that occurs.
    pub tier: Option<Tier>,
    /// What speaks of failure.
    pub basis: Option<Basis>,
    /// One sentence each: why it is not `ok`, what was left out.
    pub reasons: Vec<String>,
    /// From when on the history is known, if that is later than the window's begin.
    #[serde(with = "time::serde::rfc3339::option")]
    pub observed_from: Option<OffsetDateTime>,
    /// The sources that it rests on, sorted.
    pub sources: Vec<HistorySource>,
    /// Observations in seconds by upper bound, of durations; the last has no bound.
    pub distribution: Option<Distribution>,
}

impl Measure {
    /// From how many observations on a number may be compared with a score or a band.
    pub const ENOUGH: u64 = 5;

    /// Whether it is made of enough to be compared with a score or a band. A number of fewer is shown all the same.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        matches!(self.status, MeasureStatus::Ok | MeasureStatus::Partial) && self.n >= Self::ENOUGH
    }
}

/// Counts of durations by upper bound.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Distribution {
    /// Upper bounds in seconds, inclusive, rising, without the last.
    pub bounds: Vec<u64>,
    /// Observations up to each bound and above the one before; one more than bounds.
    pub counts: Vec<u64>,
    /// Sum of all observations, in seconds.
    pub sum: f64,
}

/// What a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupKind {
    /// One service.
    Service,
    /// One pipeline.
    Pipeline,
    /// All services of an account.
    Account,
    /// All services of an organizational unit and below.
    OrganizationalUnit,
    /// All services with a tag's value.
    Tag,
    /// All services: shown as a distribution of services, never as one number.
    Organization,
}

impl GroupKind {
    /// As written in exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Pipeline => "pipeline",
            Self::Account => "account",
            Self::OrganizationalUnit => "organizational_unit",
            Self::Tag => "tag",
            Self::Organization => "organization",
        }
    }
}

/// Whose numbers these are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// What it is.
    pub kind: GroupKind,
    /// Which: a service's key, an ARN, an account id, a path, `team=payments`; empty for the organization.
    pub key: String,
    /// As a person calls it.
    pub name: String,
}

/// Length of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BucketLength {
    /// A calendar day in the time zone.
    Day,
    /// An ISO week, from Monday, in the time zone.
    Week,
}

/// A day or week. Empty ones are there too.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// Day or week.
    pub length: BucketLength,
    /// Its first day in the time zone: `2026-06-01`.
    pub day: String,
    /// When it begins.
    #[serde(with = "time::serde::rfc3339")]
    pub from: OffsetDateTime,
    /// When it ends, exclusive.
    #[serde(with = "time::serde::rfc3339")]
    pub to: OffsetDateTime,
    /// Whether the window cuts it.
    pub is_partial: bool,
    /// Whether the history covers it; where it does not, the numbers below are absent.
    pub is_observed: bool,
    /// Forward deployments that succeeded.
    pub deployments: Option<u64>,
    /// Completed changes that failed.
    pub failed: Option<u64>,
    /// Completed changes.
    pub completed: Option<u64>,
    /// Median change lead time, in seconds, of changes deployed in it.
    pub lead_time_median_seconds: Option<f64>,
}

/// The official Quick Check's scores, 0 to 10 (<https://dora.dev/quickcheck/>). Absent parts are left out of the means.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuickCheck {
    /// Year of the benchmark that the buckets are of.
    pub benchmark_year: u16,
    /// Score of each metric that has enough observations.
    pub scores: Vec<(MetricName, f64)>,
    /// Mean of lead time, frequency and recovery.
    pub throughput: Option<f64>,
    /// Mean of fail rate and rework rate.
    pub stability: Option<f64>,
    /// Mean of all that are known.
    pub overall: Option<f64>,
}

/// All numbers of one group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupMeasurements {
    /// Whose.
    pub group: Group,
    /// Its services, sorted.
    pub services: Vec<ServiceKey>,
    /// One for each of [`MetricName::ALL`], in that order.
    pub measures: Vec<Measure>,
    /// Days and weeks of the window.
    pub buckets: Vec<Bucket>,
    /// Scores; absent for the organization, which is no service.
    pub quick_check: Option<QuickCheck>,
}

/// One change's lead time, as exported.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeadTime {
    /// The change.
    #[serde(flatten)]
    pub change: super::Change,
    /// Seconds from commit to production; none where it does not count.
    pub seconds: Option<u64>,
}

/// Everything that is exported.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measurements {
    /// Version of this shape.
    pub schema_version: u32,
    /// The moment that "now" is.
    #[serde(with = "time::serde::rfc3339")]
    pub as_of: OffsetDateTime,
    /// Begin of the window.
    #[serde(with = "time::serde::rfc3339")]
    pub from: OffsetDateTime,
    /// Window, in seconds.
    pub window_seconds: u64,
    /// As given: `90d`.
    pub window: String,
    /// IANA name of the time zone of buckets.
    pub time_zone: String,
    /// Services, as in the delivery.
    pub services: Vec<super::Service>,
    /// Numbers by group: services, pipelines, accounts, units, tags, the organization.
    pub groups: Vec<GroupMeasurements>,
    /// Deployments that finished (or, unfinished, began) in the window.
    pub deployments: Vec<Deployment>,
    /// Lead times of changes deployed in the window.
    pub lead_times: Vec<LeadTime>,
    /// How far the history is known.
    pub coverage: crate::history::HistoryCoverage,
}

impl Measurements {
    /// Version of the shape.
    pub const SCHEMA_VERSION: u32 = 1;
}
