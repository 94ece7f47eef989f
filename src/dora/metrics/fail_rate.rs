//! Change fail rate: the share of changes to production that needed a remedy.
//!
//! In: forward deployments that ended, with evidence. Out: `ratio` with `low` and `high` (Wilson, 95 %), `failed`,
//! `completed`, `pending` (too young to be judged: in neither), `failed_by_evidence` by `evidence`. Deployments are counted, never incidents, so it cannot exceed 1.

use std::collections::{BTreeMap, BTreeSet};

use super::Metric;
use super::pool::{Pool, is_failed_change};
use super::reading::{Reading, counted, ratio};
use super::statistics::size;
use crate::dora::{Basis, Deployment, EvidenceCode, MeasureStatus, MetricName, Statistic, Unit, Value};
use crate::history::HistorySource;

/// Change fail rate.
#[derive(Debug)]
pub(super) struct ChangeFailRate;

/// What speaks of failure in a pool: incidents if somebody supplied them or one is laid to a deployment.
pub(super) fn basis(pool: &Pool<'_>) -> Basis {
    let supplied = pool.measured.iter().any(|measured| measured.part.data.observation.knows_incidents(pool.window));
    let laid = |d: &Deployment| d.evidence.iter().any(|evidence| evidence.code == EvidenceCode::E6);
    if supplied || pool.deployments().any(laid) { Basis::Incident } else { Basis::DeploymentSignal }
}

impl Metric for ChangeFailRate {
    fn name(&self) -> MetricName {
        MetricName::ChangeFailRate
    }

    fn headline(&self) -> (Statistic, Unit) {
        ("ratio", Unit::Ratio)
    }

    fn sources(&self) -> &'static [HistorySource] {
        use HistorySource::{Deployments, IncidentFile, PipelineExecutions};
        &[PipelineExecutions, Deployments, IncidentFile]
    }

    fn read(&self, pool: &Pool<'_>) -> Reading {
        let (completed, pending) = pool.settled_changes();
        let failed: Vec<&Deployment> =
            completed.iter().copied().filter(|deployment| is_failed_change(deployment, pool.options)).collect();
        let mut codes: BTreeMap<EvidenceCode, u64> = BTreeMap::new();
        for deployment in &failed {
            // A deployment with two incidents has failed once.
            let distinct: BTreeSet<EvidenceCode> = deployment.evidence.iter().map(|evidence| evidence.code).collect();
            for code in distinct {
                *codes.entry(code).or_default() += 1;
            }
        }
        let mut values = ratio(size(&failed), size(&completed));
        values.extend([
            Value::count("failed", size(&failed)),
            Value::count("completed", size(&completed)),
            Value::count("pending", pending),
        ]);
        values.extend(
            codes.into_iter().map(|(code, n)| Value::count("failed_by_evidence", n).labelled("evidence", code.name())),
        );
        let mut reading = Reading::new(size(&completed), values);
        reading.basis = Some(basis(pool));
        if pending > 0 {
            let hours = pool.options.observation_lag.as_secs() / 3_600;
            reading.reasons.push(format!(
                "{} left out: younger than {hours} h, so a failure may not show yet",
                counted(pending, "deployment")
            ));
        }
        if completed.is_empty() {
            return reading.lowered(
                MeasureStatus::InsufficientData,
                "no change to production that could have failed was completed",
            );
        }
        reading.gated(size(&completed), "completed change")
    }
}
