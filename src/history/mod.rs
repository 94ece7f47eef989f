//! What happened: CloudTrail events, executions, deployments, builds, commits, incidents.
//!
//! In: AWS's histories, archives and files, each through a source of its own. Out: one [`History`], in which every
//! source says from when to when it was looked at and where it could not be. It exists because AWS forgets: CloudTrail's
//! own history after 90 days, executions after twelve months, test reports after 30 days.
//!
//! ```text
//!  sources ─► History (records + spans + gaps) ─► store, append-only
//!                                              └─► dora: deployments, metrics, delivery facts
//! ```
//!
//! CloudTrail says who asked for what; it does not say how a pipeline or deployment ended. So requests come from
//! CloudTrail and outcomes from execution history, and neither stands in for the other.

mod alarm;
mod alarm_history;
mod answer_file;
pub mod archive;
mod archive_bucket;
pub mod athena;
mod aws_time;
mod build;
mod builds;
mod change;
mod code_commit;
mod code_deployments;
mod coverage;
mod deployment;
mod event;
mod event_columns;
mod event_file;
mod execution;
mod incident;
mod incident_file;
mod look;
mod lookup_events;
mod message;
mod names;
mod pipeline_executions;
mod pipeline_records;
mod principal;
mod source;
mod source_actions;
mod source_host;
mod store;

pub use alarm::{AlarmState, AlarmTransition};
pub use alarm_history::incidents_of_alarms;
pub use answer_file::{AnswerFileError, AnswerPlace, parse_answers, read_answer_file};
pub use archive_bucket::{ARCHIVE_ACTIONS, ArchiveBucket, list_public_keys};
pub use build::{Build, TestReport};
pub use change::{Commit, Merge};
pub use coverage::{HistoryCoverage, HistoryGap, HistorySource, NOT_YET, Span};
pub use deployment::{AutoRollback, CodeDeployment, InstanceCounts, Revision};
pub use event::{Event, EventError, Payload};
pub use event_file::{EventFileError, read_event_file, read_events};
pub use execution::{ActionExecution, PipelineExecution, RuleExecution, SourceRevision, Trigger};
pub use incident::Incident;
pub use incident_file::{IncidentFileError, IncidentProblem, parse_incidents, read_incident_file};
pub use names::{EVENTS, EventName, is_global, is_wanted};
pub use principal::Principal;
pub use source::{ACCOUNT_SOURCES, AccountHistory, Period, Question};
pub use store::{HistoryStore, SegmentEntry, StoreError};

use serde::{Deserialize, Serialize};

/// Version of the shape of everything in this module as it is written to files.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything that is known of what happened, and how far it is known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct History {
    /// CloudTrail events of [`EVENTS`], by [`Event::id`].
    pub events: Vec<Event>,
    /// Executions of pipelines.
    pub executions: Vec<PipelineExecution>,
    /// Executions of actions.
    pub actions: Vec<ActionExecution>,
    /// Executions of stage conditions' rules.
    pub rules: Vec<RuleExecution>,
    /// `CodeDeploy`'s deployments.
    pub deployments: Vec<CodeDeployment>,
    /// `CodeBuild`'s builds.
    pub builds: Vec<Build>,
    /// Test reports of builds.
    pub reports: Vec<TestReport>,
    /// Commits of source repositories.
    pub commits: Vec<Commit>,
    /// Merged pull requests.
    pub merges: Vec<Merge>,
    /// Incidents.
    pub incidents: Vec<Incident>,
    /// Changes of alarms' states.
    pub transitions: Vec<AlarmTransition>,
    /// From when to when each source was looked at, and where it could not be.
    pub coverage: HistoryCoverage,
}

impl History {
    /// Adds everything of `other`.
    pub fn absorb(&mut self, other: Self) {
        self.events.extend(other.events);
        self.executions.extend(other.executions);
        self.actions.extend(other.actions);
        self.rules.extend(other.rules);
        self.deployments.extend(other.deployments);
        self.builds.extend(other.builds);
        self.reports.extend(other.reports);
        self.commits.extend(other.commits);
        self.merges.extend(other.merges);
        self.incidents.extend(other.incidents);
        self.transitions.extend(other.transitions);
        self.coverage.absorb(other.coverage);
    }

    /// Puts everything in its one order and keeps one of what came several times: of things that change, the newest
    /// state. The order in which records came, and how often, changes nothing.
    pub fn normalise(&mut self) {
        newest(&mut self.events, |event| (event.time, event.id.clone()), |_| ());
        newest(
            &mut self.executions,
            |e| (e.pipeline.clone(), e.started, e.id.clone()),
            |e| (e.updated, e.status.clone()),
        );
        newest(&mut self.actions, |a| (a.pipeline.clone(), a.started, a.id.clone()), |a| (a.updated, a.status.clone()));
        newest(&mut self.rules, |r| (r.pipeline.clone(), r.started, r.id.clone()), |r| (r.updated, r.status.clone()));
        newest(
            &mut self.deployments,
            |d| (d.account.clone(), d.region.clone(), d.created, d.id.clone()),
            |d| (d.completed, d.status.clone()),
        );
        newest(&mut self.builds, |b| (b.started, b.id.clone()), |b| (b.ended, b.status.clone()));
        newest(&mut self.reports, |r| (r.created, r.arn.clone()), |r| (r.total, r.status.clone()));
        newest(&mut self.commits, |c| (c.repository.clone(), c.id.clone()), |c| c.committed);
        newest(&mut self.merges, |m| (m.repository.clone(), m.number.clone()), |m| m.merged);
        newest(&mut self.incidents, |i| (i.started, i.id.clone()), |i| i.resolved);
        newest(&mut self.transitions, |t| (t.alarm.clone(), t.time), |t| t.to);
        self.coverage.normalise();
    }
}

/// Sorts by `key` and keeps of equal keys the one with the largest `state`; of equal states, whichever serialises last.
fn newest<T, K, S>(records: &mut Vec<T>, key: impl Fn(&T) -> K, state: impl Fn(&T) -> S)
where
    T: Serialize,
    K: Ord,
    S: Ord,
{
    let text = |record: &T| serde_json::to_string(record).unwrap_or_default();
    records
        .sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| state(b).cmp(&state(a))).then_with(|| text(b).cmp(&text(a))));
    records.dedup_by(|later, kept| key(later) == key(kept));
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
