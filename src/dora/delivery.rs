//! Everything that metrics and delivery facts are made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Deployment, Service, ServiceKey};
use crate::history::HistoryCoverage;

/// A history, put in order by service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Delivery {
    /// Services, by key. A service without a single deployment is here too.
    pub services: Vec<Service>,
    /// Production deployments of the window and of the time before it that is looked back upon, by finish and id.
    pub deployments: Vec<Deployment>,
    /// Changes (commits), each once, by service, time and id.
    pub changes: Vec<Change>,
    /// Runs of pipelines, by begin and id.
    pub runs: Vec<Run>,
    /// Runs of tests, by time and id.
    pub tests: Vec<TestRun>,
    /// What limits the metrics of a service, by service.
    pub limits: Vec<Limit>,
    /// How far the history is known.
    pub coverage: HistoryCoverage,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeFate {
    /// It arrived in production.
    Deployed,
    /// Its service has no earlier deployment in sight, so what is new in it is not known.
    NoPredecessor,
    /// It is said to be younger than its deployment; clocks or rewritten dates.
    Negative,
    /// Nothing says when it was committed.
    NoTime,
}

/// A change of a service: a commit that arrived in production, at its first succeeded forward deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The service.
    pub service: ServiceKey,
    /// The commit.
    pub commit: String,
    /// Where it begins: the committer's date (tiers A and B) or the push or merge (C); none if nothing says so.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub committed: Option<OffsetDateTime>,
    /// [`Deployment::id`] of its first succeeded forward deployment.
    pub deployment: String,
    /// When that finished.
    #[serde(with = "time::serde::rfc3339")]
    pub deployed: OffsetDateTime,
    /// `A` every commit between two deployments, `B` the head commits of executions, `C` the time of the push.
    pub tier: super::Tier,
    /// Whether it counts.
    pub fate: ChangeFate,
}

/// How a pipeline's execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// To the end.
    Succeeded,
    /// Somewhere on the way.
    Failed,
    /// By a person.
    Stopped,
    /// A newer execution took its place.
    Superseded,
    /// Before it began.
    Cancelled,
    /// Not ended.
    InProgress,
}

/// One execution of a pipeline, in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The service.
    pub service: ServiceKey,
    /// ARN of the pipeline.
    pub pipeline: String,
    /// `pipelineExecutionId`.
    pub execution: String,
    /// How it ended.
    pub outcome: RunOutcome,
    /// Begin of its first action.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// End of its last action, not the execution's last update.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub finished: Option<OffsetDateTime>,
    /// Time in which at least one action other than an approval ran; none if its actions are not known.
    pub active_seconds: Option<u64>,
    /// Time in approvals while nothing else ran.
    pub approval_wait_seconds: Option<u64>,
    /// Time between stages, without retries.
    pub gap_seconds: Option<u64>,
    /// The part of the gaps in which a stage's transition was disabled.
    pub transition_disabled_seconds: Option<u64>,
    /// Time between a failed attempt and its retry.
    pub retry_idle_seconds: Option<u64>,
    /// Actions that were tried more than once.
    pub retried_actions: u32,
    /// Time in which an action of a category (`Build`, `Test`, `Deploy`, …) ran; categories overlap where actions do.
    #[serde(default)]
    pub category_seconds: BTreeMap<String, u64>,
}

/// One run of tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestRun {
    /// The service.
    pub service: ServiceKey,
    /// Id of the action execution, build or report.
    pub id: String,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// Whether it passed at the first attempt; none for infrastructure faults and stops, and for reports.
    pub first_passed: Option<bool>,
    /// Whether it passed in the end; none as above.
    pub passed: Option<bool>,
    /// Test cases that passed, of a report.
    pub cases_passed: Option<u64>,
    /// Test cases that ran (all but skipped), of a report.
    pub cases_run: Option<u64>,
}

/// Something that limits what can be said of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limit {
    /// The service; none: all of them.
    pub service: Option<ServiceKey>,
    /// The metrics; empty: all of them.
    pub metrics: Vec<super::MetricName>,
    /// Whether nothing can be said (true), or only less (false).
    pub blocks: bool,
    /// From when on the history is known, if that is the limit.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub observed_from: Option<OffsetDateTime>,
    /// One sentence for the person who must act.
    pub reason: String,
}
