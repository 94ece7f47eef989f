//! Failed deployment recovery time: from a failed change until production was well again.
//!
//! In: failed changes and what came after them. Out: `median`, `p90`, `failed` (changes in the episodes that ended),
//! `open` (episodes without an end) and, if there are, `oldest_open_age` in seconds; a distribution.
//!
//! A change that fails on its way fails at its start, one that fails later at its finish. The end is the resolution of
//! the incident that is laid to it ([`Evidence::time`](crate::dora::Evidence::time) of E6), else the finish of the first
//! rollback that succeeded or forward deployment that succeeded without failing itself. After a change that never
//! arrived, deploying the version before it once more ends it too. Failures that overlap are one episode. An episode
//! counts in the window in which it ended, so that each counts once; open ones are always shown, whenever they began.

use time::OffsetDateTime;

use super::Metric;
use super::fail_rate::basis;
use super::lead_time::BOUNDS;
use super::pool::{Part, Pool, ended, is_delivery, is_failed_change};
use super::reading::{Reading, counted, distribution};
use super::statistics::{Sample, seconds, size};
use crate::dora::{
    Deployment, DeploymentKind, EvidenceCode, MeasureStatus, MetricName, Options, Outcome, Statistic, Unit, Value,
};
use crate::history::HistorySource;

/// Failed deployment recovery time.
#[derive(Debug)]
pub(super) struct FailedDeploymentRecoveryTime;

/// A stretch of failure of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Episode {
    /// When it began.
    pub(super) started: OffsetDateTime,
    /// When it ended; none while it is open.
    pub(super) ended: Option<OffsetDateTime>,
    /// How many changes failed in it.
    pub(super) failures: u64,
}

/// Episodes of a service, or those that one of its pipelines began, by begin.
pub(super) fn episodes(part: &Part<'_>, options: &Options) -> Vec<Episode> {
    let deployments = &part.data.deployments;
    let mut failures: Vec<(OffsetDateTime, Option<OffsetDateTime>, &Deployment)> = deployments
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, deployment)| is_failed_change(deployment, options) && ended(deployment) < options.as_of)
        .map(|(index, failed)| {
            let later = deployments.get(index + 1..).unwrap_or_default();
            (began(failed), remedied(failed, later, options).filter(|end| *end < options.as_of), failed)
        })
        .collect();
    failures.sort_by_key(|(started, _, failed)| (*started, failed.id.as_str()));
    let mut episodes: Vec<(Episode, bool)> = Vec::new();
    for (started, end, failed) in failures {
        match episodes.last_mut() {
            Some((last, _)) if last.ended.is_none_or(|last_end| started < last_end) => {
                last.ended = last.ended.zip(end).map(|(a, b)| a.max(b));
                last.failures += 1;
            }
            _ => episodes.push((Episode { started, ended: end, failures: 1 }, part.holds(failed))),
        }
    }
    episodes.into_iter().filter(|(_, ours)| *ours).map(|(episode, _)| episode).collect()
}

/// When a failed change failed: it was bad from its finish, or broke on its way.
fn began(failed: &Deployment) -> OffsetDateTime {
    if failed.outcome == Outcome::Succeeded { ended(failed) } else { failed.started.min(ended(failed)) }
}

fn remedied(failed: &Deployment, later: &[&Deployment], options: &Options) -> Option<OffsetDateTime> {
    let incidents: Vec<Option<OffsetDateTime>> = failed
        .evidence
        .iter()
        .filter(|evidence| evidence.code == EvidenceCode::E6)
        .map(|evidence| evidence.time)
        .collect();
    if !incidents.is_empty() {
        // One that is not resolved keeps it open; the order of None before every time must not hide it.
        let last = incidents.iter().copied().try_fold(OffsetDateTime::UNIX_EPOCH, |last, end| Some(last.max(end?)));
        return last.map(|end| end.max(began(failed)));
    }
    let never_arrived = failed.outcome != Outcome::Succeeded;
    let heals = |d: &&&Deployment| {
        d.outcome == Outcome::Succeeded
            && ended(d) > ended(failed)
            && match d.kind {
                DeploymentKind::Rollback => true,
                DeploymentKind::Forward => is_delivery(d) && !is_failed_change(d, options),
                DeploymentKind::RedeploySame => never_arrived,
                DeploymentKind::Restart | DeploymentKind::Scaling | DeploymentKind::AutoUpdate => false,
            }
    };
    later.iter().find(heals).map(|deployment| ended(deployment))
}

impl Metric for FailedDeploymentRecoveryTime {
    fn name(&self) -> MetricName {
        MetricName::FailedDeploymentRecoveryTime
    }

    fn headline(&self) -> (Statistic, Unit) {
        ("median", Unit::Seconds)
    }

    fn sources(&self) -> &'static [HistorySource] {
        use HistorySource::{Deployments, IncidentFile, PipelineExecutions};
        &[PipelineExecutions, Deployments, IncidentFile]
    }

    fn read(&self, pool: &Pool<'_>) -> Reading {
        let all: Vec<Episode> =
            pool.measured.iter().flat_map(|measured| episodes(&measured.part, pool.options)).collect();
        let closed: Vec<(&Episode, OffsetDateTime)> = all
            .iter()
            .filter_map(|episode| Some((episode, episode.ended?)))
            .filter(|(_, end)| pool.window.contains(*end))
            .collect();
        let open: Vec<&Episode> = all.iter().filter(|episode| episode.ended.is_none()).collect();
        let oldest = open.iter().map(|episode| episode.started).min();
        let sample: Sample = closed.iter().map(|(episode, end)| seconds(episode.started, *end)).collect();
        let mut values = vec![
            Value::median("median", &sample, Unit::Seconds),
            Value::new("p90", sample.p90(), Unit::Seconds, sample.n()),
            Value::count("failed", closed.iter().map(|(episode, _)| episode.failures).sum()),
            Value::count("open", size(&open)),
        ];
        let mut reasons = Vec::new();
        if let Some(oldest) = oldest {
            let age = seconds(oldest, pool.options.as_of);
            values.push(Value::new("oldest_open_age", Some(age), Unit::Seconds, size(&open)));
            reasons.push(format!(
                "{} still open, the oldest for {} h: the median is of those that ended",
                counted(size(&open), "episode"),
                std::time::Duration::try_from_secs_f64(age).unwrap_or_default().as_secs() / 3_600
            ));
        }
        let mut reading = Reading::new(sample.n(), values);
        reading.reasons = reasons;
        reading.basis = Some(basis(pool));
        reading.distribution = distribution(&sample, BOUNDS);
        let completed = pool.deployments().filter(|deployment| deployment.is_completed_change()).count();
        let completed = u64::try_from(completed).unwrap_or(u64::MAX);
        if sample.n() == 0 {
            let changes = counted(completed, "completed change");
            let reason = format!("no failure was recovered from in the window, which has {changes}");
            return reading.lowered(MeasureStatus::InsufficientData, reason);
        }
        // Where all is well recoveries are few: what must be enough is the changes that could have failed.
        reading.gated(completed, "completed change")
    }
}
