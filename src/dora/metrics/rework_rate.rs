//! Deployment rework rate: the share of deployments that were not planned.
//!
//! In: forward deployments and rollbacks that ended. Out: `ratio` with `low` and `high` (Wilson, 95 %), `rollbacks`,
//! `unplanned` (fixes and hotfixes), `flagged` (of those, told rather than guessed from a message), `completed`.
//! Redeployments of the same version, restarts and scaling are in neither part.

use super::Metric;
use super::pool::Pool;
use super::reading::{Reading, ratio};
use super::statistics::size;
use crate::dora::{Deployment, DeploymentKind, MeasureStatus, MetricName, Outcome, Statistic, Unit, Value};
use crate::history::HistorySource;

/// Deployment rework rate.
#[derive(Debug)]
pub(super) struct DeploymentReworkRate;

impl Metric for DeploymentReworkRate {
    fn name(&self) -> MetricName {
        MetricName::DeploymentReworkRate
    }

    fn headline(&self) -> (Statistic, Unit) {
        ("ratio", Unit::Ratio)
    }

    fn sources(&self) -> &'static [HistorySource] {
        &[HistorySource::PipelineExecutions, HistorySource::Deployments]
    }

    fn read(&self, pool: &Pool<'_>) -> Reading {
        let is_rollback = |d: &Deployment| {
            let ended = matches!(d.outcome, Outcome::Succeeded | Outcome::Failed | Outcome::Stopped);
            d.kind == DeploymentKind::Rollback && ended
        };
        let completed: Vec<&Deployment> =
            pool.deployments().filter(|d| d.is_completed_change() || is_rollback(d)).collect();
        let rollbacks: Vec<&&Deployment> = completed.iter().filter(|d| is_rollback(d)).collect();
        let unplanned: Vec<&&Deployment> = completed.iter().filter(|d| d.unplanned && !is_rollback(d)).collect();
        let flagged = unplanned.iter().filter(|d| d.unplanned_is_flagged).count();
        let flagged = u64::try_from(flagged).unwrap_or(u64::MAX);
        let mut values = ratio(size(&rollbacks) + size(&unplanned), size(&completed));
        values.extend([
            Value::count("rollbacks", size(&rollbacks)),
            Value::count("unplanned", size(&unplanned)),
            Value::count("flagged", flagged),
            Value::count("completed", size(&completed)),
        ]);
        let mut reading = Reading::new(size(&completed), values);
        if flagged < size(&unplanned) {
            reading.reasons.push("fixes are told by words in messages, so the rate is an estimate".to_owned());
        }
        if completed.is_empty() {
            return reading.lowered(MeasureStatus::InsufficientData, "no deployment was completed in the window");
        }
        reading.gated(size(&completed), "completed deployment")
    }
}
