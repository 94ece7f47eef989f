//! Pipeline lead time: from the start of an execution to production. Where no commit is known, it is what can be said; it
//! leaves out the time before the execution, so it never stands in for change lead time.
//!
//! In: runs and the deployments that they made. Out: `median`, `p90`, `first_production_median` (until the first target
//! was done), in seconds; `excluded` deployments without a run; a distribution with DORA's bounds.

use std::collections::BTreeMap;

use super::Metric;
use super::lead_time::BOUNDS;
use super::pool::{Pool, is_delivery};
use super::reading::{Reading, counted, distribution};
use super::statistics::{Sample, seconds};
use crate::dora::{MeasureStatus, MetricName, Statistic, Tier, Unit, Value};
use crate::history::HistorySource;

/// Pipeline lead time.
#[derive(Debug)]
pub(super) struct PipelineLeadTime;

impl Metric for PipelineLeadTime {
    fn name(&self) -> MetricName {
        MetricName::PipelineLeadTime
    }

    fn headline(&self) -> (Statistic, Unit) {
        ("median", Unit::Seconds)
    }

    fn sources(&self) -> &'static [HistorySource] {
        &[HistorySource::PipelineExecutions]
    }

    fn read(&self, pool: &Pool<'_>) -> Reading {
        let (mut all, mut first, mut excluded, mut deliveries) = (Vec::new(), Vec::new(), 0_u64, 0_u64);
        for measured in &pool.measured {
            // An execution may begin long before the window in which it arrives.
            let runs: BTreeMap<(&str, &str), _> = measured
                .part
                .data
                .runs
                .iter()
                .map(|run| ((run.pipeline.as_str(), run.execution.as_str()), run.started))
                .collect();
            for deployment in measured.part.deployments().filter(|deployment| is_delivery(deployment)) {
                let Some(finished) = deployment.finished.filter(|finished| pool.window.contains(*finished)) else {
                    continue;
                };
                deliveries += 1;
                let key = deployment.pipeline.as_deref().zip(deployment.execution.as_deref());
                let Some(started) = key.and_then(|key| runs.get(&key)).filter(|started| **started <= finished) else {
                    excluded += 1;
                    continue;
                };
                all.push(seconds(*started, finished));
                first.extend(deployment.first_finished.map(|at| seconds(*started, at)).filter(|value| *value >= 0.0));
            }
        }
        let all: Sample = all.into_iter().collect();
        let first: Sample = first.into_iter().collect();
        let mut values = vec![
            Value::median("median", &all, Unit::Seconds),
            Value::new("p90", all.p90(), Unit::Seconds, all.n()),
            Value::median("first_production_median", &first, Unit::Seconds),
        ];
        let mut reasons = Vec::new();
        if excluded > 0 {
            values.push(Value::count("excluded", excluded));
            reasons.push(format!("{} left out: no execution of a pipeline made it", counted(excluded, "deployment")));
        }
        let mut reading = Reading::new(all.n(), values);
        reading.reasons = reasons;
        reading.tier = (all.n() > 0).then_some(Tier::D);
        reading.distribution = distribution(&all, BOUNDS);
        if all.n() > 0 {
            return reading.gated(all.n(), "deployment");
        }
        let reason = if deliveries == 0 {
            "nothing new was deployed in the window"
        } else {
            "no deployment was made by an execution of a pipeline that is known"
        };
        reading.lowered(MeasureStatus::InsufficientData, reason)
    }
}
