//! Pipeline duration: how long executions work, and how long they wait.
//!
//! In: runs of pipelines that ended. Out: `median` and `p90` of the active time (something other than an approval ran),
//! `total_median` from first begin to last end, `approval_wait_median`, `gap_median` between stages,
//! `transition_disabled_median` (of those gaps), `retry_idle_median`, all in seconds; `runs` by `outcome`, `retries`
//! (actions tried more than once), `superseded_ratio`, `category_median` by `category` (of the runs that have one, the time in
//! which an action of it ran). Superseded and cancelled runs are in no duration.

use std::collections::BTreeMap;

use super::Metric;
use super::pool::Pool;
use super::reading::{Reading, counted, distribution};
use super::statistics::{Sample, number, seconds, share, size};
use crate::dora::{MeasureStatus, MetricName, Run, RunOutcome, Statistic, Unit, Value};
use crate::history::HistorySource;

/// Five minutes to a day: where waiting for a pipeline begins to hurt.
const BOUNDS: &[u64] = &[300, 900, 1_800, 3_600, 7_200, 14_400, 86_400];

/// Pipeline duration.
#[derive(Debug)]
pub(super) struct PipelineDuration;

impl Metric for PipelineDuration {
    fn name(&self) -> MetricName {
        MetricName::PipelineDuration
    }

    fn headline(&self) -> (Statistic, Unit) {
        ("median", Unit::Seconds)
    }

    fn sources(&self) -> &'static [HistorySource] {
        &[HistorySource::PipelineExecutions]
    }

    fn read(&self, pool: &Pool<'_>) -> Reading {
        let all: Vec<_> = pool.runs().collect();
        let mut outcomes: BTreeMap<RunOutcome, u64> = BTreeMap::new();
        for (run, _) in &all {
            *outcomes.entry(run.outcome).or_default() += 1;
        }
        let is_terminal = |outcome| matches!(outcome, RunOutcome::Succeeded | RunOutcome::Failed | RunOutcome::Stopped);
        let runs: Vec<_> = all.iter().filter(|(run, _)| is_terminal(run.outcome)).collect();
        let part = |seconds: fn(&Run) -> Option<u64>| -> Sample {
            runs.iter().filter_map(|(run, _)| seconds(run)).map(number).collect()
        };
        let active = part(|run| run.active_seconds);
        let total: Sample = runs.iter().map(|(run, finished)| seconds(run.started, *finished).max(0.0)).collect();
        let superseded = outcomes.get(&RunOutcome::Superseded).copied().unwrap_or_default();
        let of_all = share(superseded, size(&all)).map(|share| share.ratio);
        let retried: Vec<u64> = runs.iter().map(|(run, _)| u64::from(run.retried_actions)).collect();
        let mut values = vec![
            Value::median("median", &active, Unit::Seconds),
            Value::new("p90", active.p90(), Unit::Seconds, active.n()),
            Value::median("total_median", &total, Unit::Seconds),
            Value::median("approval_wait_median", &part(|run| run.approval_wait_seconds), Unit::Seconds),
            Value::median("gap_median", &part(|run| run.gap_seconds), Unit::Seconds),
            Value::median("transition_disabled_median", &part(|run| run.transition_disabled_seconds), Unit::Seconds),
            Value::median("retry_idle_median", &part(|run| run.retry_idle_seconds), Unit::Seconds),
            Value::count("retries", retried.iter().sum()),
            Value::new("superseded_ratio", of_all, Unit::Ratio, size(&all)),
        ];
        values.extend(outcomes.iter().map(|(outcome, n)| Value::count("runs", *n).labelled("outcome", word(*outcome))));
        let mut categories: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (category, seconds) in runs.iter().flat_map(|(run, _)| &run.category_seconds) {
            categories.entry(category).or_default().push(number(*seconds));
        }
        values.extend(categories.into_iter().map(|(category, seconds)| {
            let sample = seconds.into_iter().collect();
            Value::median("category_median", &sample, Unit::Seconds).labelled("category", category)
        }));
        let mut reading = Reading::new(active.n(), values);
        reading.distribution = distribution(&active, BOUNDS);
        let unknown = size(&runs).saturating_sub(active.n());
        if unknown > 0 {
            let runs = counted(unknown, "run");
            reading.reasons.push(format!("{runs} left out: the actions are not known, so neither is the active time"));
        }
        if active.n() > 0 {
            return reading.gated(active.n(), "run");
        }
        let no_pipeline = pool.measured.iter().all(|measured| measured.part.data.service.pipelines.is_empty());
        if no_pipeline {
            return reading.lowered(MeasureStatus::NotMeasurable, "there is no pipeline");
        }
        reading.lowered(MeasureStatus::InsufficientData, "no run ended in the window of which the active time is known")
    }
}

fn word(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Succeeded => "succeeded",
        RunOutcome::Failed => "failed",
        RunOutcome::Stopped => "stopped",
        RunOutcome::Superseded => "superseded",
        RunOutcome::Cancelled => "cancelled",
        RunOutcome::InProgress => "in_progress",
    }
}
