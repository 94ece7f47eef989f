//! Change lead time: from a commit to its first arrival in production.
//!
//! In: changes. Out: `median`, `p90`, and with several tiers the `median` of each (`tier`); `excluded` changes by `fate`;
//! `commit_ratio` (deployments of which a commit with its time is known), `to_pipeline_median` (from the commit to the begin of
//! the execution that delivered it) and `in_pipeline_median` (from there to production); a distribution with DORA's bounds. Each change counts once, at its first success; the tier shown is the worst.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use super::Metric;
use super::pool::{Pool, is_delivery};
use super::reading::{Reading, counted, distribution};
use super::statistics::{Sample, seconds, share};
use crate::dora::{Change, ChangeFate, MeasureStatus, MetricName, Statistic, Tier, Unit, Value};
use crate::history::HistorySource;

/// DORA's lines: an hour, a day, a week, a month of 30 days, six of them.
pub(super) const BOUNDS: &[u64] = &[3_600, 86_400, 7 * 86_400, 30 * 86_400, 180 * 86_400];

/// Change lead time.
#[derive(Debug)]
pub(super) struct ChangeLeadTime;

/// Seconds from commit to production of a change that counts.
pub(super) fn lead_time(change: &Change) -> Option<f64> {
    let committed = change.committed.filter(|_| change.fate == ChangeFate::Deployed)?;
    Some(seconds(committed, change.deployed)).filter(|seconds| *seconds >= 0.0)
}

impl Metric for ChangeLeadTime {
    fn name(&self) -> MetricName {
        MetricName::ChangeLeadTime
    }

    fn headline(&self) -> (Statistic, Unit) {
        ("median", Unit::Seconds)
    }

    fn sources(&self) -> &'static [HistorySource] {
        use HistorySource::{CodeCommit, Deployments, PipelineExecutions, SourceHost};
        &[PipelineExecutions, Deployments, CodeCommit, SourceHost]
    }

    fn read(&self, pool: &Pool<'_>) -> Reading {
        let mut tiers: BTreeMap<Tier, Vec<f64>> = BTreeMap::new();
        let mut excluded: BTreeMap<ChangeFate, u64> = BTreeMap::new();
        for change in pool.changes() {
            match lead_time(change) {
                Some(seconds) => tiers.entry(change.tier).or_default().push(seconds),
                None => *excluded.entry(fate(change)).or_default() += 1,
            }
        }
        let all: Sample = tiers.values().flatten().copied().collect();
        let mut values =
            vec![Value::median("median", &all, Unit::Seconds), Value::new("p90", all.p90(), Unit::Seconds, all.n())];
        if tiers.len() > 1 {
            values.extend(tiers.iter().map(|(tier, seconds)| {
                let sample = seconds.iter().copied().collect();
                Value::median("median", &sample, Unit::Seconds).labelled("tier", tier.name())
            }));
        }
        values.extend(excluded.iter().map(|(fate, n)| Value::count("excluded", *n).labelled("fate", word(*fate))));
        let deliveries: BTreeSet<&str> =
            pool.deployments().filter(|d| is_delivery(d)).map(|deployment| deployment.id.as_str()).collect();
        let dated = pool.changes().filter(|change| change.committed.is_some()).map(|change| change.deployment.as_str());
        let dated: BTreeSet<&str> = dated.filter(|id| deliveries.contains(id)).collect();
        let [dated, whole] = [dated.len(), deliveries.len()].map(|n| u64::try_from(n).unwrap_or(u64::MAX));
        let known = share(dated, whole).map(|share| share.ratio);
        values.push(Value::new("commit_ratio", known, Unit::Ratio, whole));
        values.extend(ways(pool));
        let mut reading = Reading::new(all.n(), values);
        reading.tier = tiers.keys().max().copied();
        reading.uses_events = tiers.contains_key(&Tier::C);
        reading.distribution = distribution(&all, BOUNDS);
        reading.reasons =
            excluded.iter().map(|(fate, n)| format!("{} left out: {}", counted(*n, "change"), why(*fate))).collect();
        if all.n() > 0 {
            return reading.gated(all.n(), "change");
        }
        if !excluded.is_empty() {
            return reading.lowered(MeasureStatus::InsufficientData, "no change has a lead time");
        }
        if whole == 0 {
            return reading.lowered(MeasureStatus::InsufficientData, "nothing new was deployed in the window");
        }
        let reason = "no commit is known of what was deployed; pipeline lead time is measured instead";
        reading.lowered(MeasureStatus::NotMeasurable, reason)
    }
}

/// Where the time of the changes that count went: before the pipeline, and in it.
fn ways(pool: &Pool<'_>) -> [Value; 2] {
    let parts = || pool.measured.iter().map(|measured| measured.part);
    let begun: BTreeMap<(&str, &str), OffsetDateTime> = parts()
        .flat_map(|part| part.runs())
        .map(|run| ((run.pipeline.as_str(), run.execution.as_str()), run.started))
        .collect();
    let deployments = parts().flat_map(|part| part.deployments()).filter_map(|deployment| {
        let key = (deployment.pipeline.as_deref()?, deployment.execution.as_deref()?);
        Some((deployment.id.as_str(), *begun.get(&key)?))
    });
    let begun: BTreeMap<&str, OffsetDateTime> = deployments.collect();
    let split = pool.changes().filter(|change| lead_time(change).is_some()).filter_map(|change| {
        let (committed, begin) = (change.committed?, *begun.get(change.deployment.as_str())?);
        Some((seconds(committed, begin).max(0.0), seconds(begin, change.deployed).max(0.0)))
    });
    let (before, within): (Vec<f64>, Vec<f64>) = split.unzip();
    [("to_pipeline_median", before), ("in_pipeline_median", within)]
        .map(|(name, sample)| Value::median(name, &sample.into_iter().collect(), Unit::Seconds))
}

/// Why a change does not count; where its dates contradict its fate, the dates speak.
fn fate(change: &Change) -> ChangeFate {
    match (change.fate, change.committed) {
        (ChangeFate::Deployed, None) => ChangeFate::NoTime,
        (ChangeFate::Deployed, Some(_)) => ChangeFate::Negative,
        (fate, _) => fate,
    }
}

fn word(fate: ChangeFate) -> &'static str {
    match fate {
        ChangeFate::Deployed => "deployed",
        ChangeFate::NoPredecessor => "no_predecessor",
        ChangeFate::Negative => "negative",
        ChangeFate::NoTime => "no_time",
    }
}

fn why(fate: ChangeFate) -> &'static str {
    match fate {
        ChangeFate::Deployed => "it has no lead time",
        ChangeFate::NoPredecessor => {
            "no earlier deployment of the service is in sight, so what was new in it is not known"
        }
        ChangeFate::Negative => "committed after it was deployed, by its date",
        ChangeFate::NoTime => "nothing says when it was committed",
    }
}
