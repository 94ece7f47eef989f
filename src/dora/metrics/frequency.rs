//! Deployment frequency: how often a new version arrives in production.
//!
//! In: deployments. Out: `per_day`, `per_week`, `count` (forward deployments that succeeded), `median_per_week`,
//! `median_deploy_days_per_week` (over whole weeks), `median_gap` between successes in seconds, `deployments` by `kind`
//! and `outcome`, `terminal_ratio` (of which the end is known), `joined_ratio` (of which a call in CloudTrail says who asked
//! for them, of services whose calls were looked at), `first_try_ratio`, `rollback_ratio`, `batch_size_median` (changes per
//! deployment).
//!
//! A window that was looked at and holds no deployment is a true zero; time that nobody looked at counts for nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::Metric;
use super::pool::{Measured, Pool, ended, is_delivery};
use super::reading::{Reading, counted};
use super::statistics::{Sample, number, seconds, size};
use super::window::{Cell, index_in};
use crate::dora::{Deployment, DeploymentKind, MeasureStatus, MetricName, Outcome, Statistic, Unit, Value};
use crate::history::HistorySource;

/// A rate from less than this much of the window would be a guess at the rest of it.
const SHORTEST_DAYS: f64 = 1.0;

/// Deployment frequency.
#[derive(Debug)]
pub(super) struct DeploymentFrequency;

impl Metric for DeploymentFrequency {
    fn name(&self) -> MetricName {
        MetricName::DeploymentFrequency
    }

    fn headline(&self) -> (Statistic, Unit) {
        ("per_day", Unit::PerDay)
    }

    fn sources(&self) -> &'static [HistorySource] {
        &[HistorySource::PipelineExecutions, HistorySource::Deployments]
    }

    fn read(&self, pool: &Pool<'_>) -> Reading {
        let all: Vec<&Deployment> = pool.deployments().collect();
        let delivered: Vec<&Deployment> = all.iter().copied().filter(|deployment| is_delivery(deployment)).collect();
        let n = size(&delivered);
        let rates: Vec<f64> = pool.measured.iter().filter_map(|measured| rate(measured, pool)).collect();
        let per_day = (!rates.is_empty()).then(|| rates.iter().sum::<f64>());
        let steady = pool.steady();
        let (weeks, counts, days) = weekly(&steady);
        let mut values = vec![
            Value::new("per_day", per_day, Unit::PerDay, n),
            Value::new("per_week", per_day.map(|rate| rate * 7.0), Unit::PerWeek, n),
            Value::count("count", n),
            Value::new("median_per_week", counts.median(), Unit::PerWeek, weeks),
            Value::new("median_deploy_days_per_week", days.median(), Unit::PerWeek, weeks),
            Value::median("median_gap", &gaps(pool), Unit::Seconds),
        ];
        let mut kinds: BTreeMap<(DeploymentKind, Outcome), u64> = BTreeMap::new();
        for deployment in &all {
            *kinds.entry((deployment.kind, deployment.outcome)).or_default() += 1;
        }
        values.extend(kinds.into_iter().map(|((kind, outcome), count)| {
            Value::count("deployments", count).labelled("kind", kind.name()).labelled("outcome", outcome.name())
        }));
        values.extend(extras(pool, &all, &delivered));
        let mut reading = Reading::new(n, values);
        let unknown = all.iter().filter(|deployment| deployment.outcome == Outcome::Unknown).count();
        if unknown > 0 {
            let unknown = counted(u64::try_from(unknown).unwrap_or(u64::MAX), "deployment");
            reading.reasons.push(format!("{unknown} left out: the history does not say how it ended"));
        }
        if steady.measured.len() < pool.measured.len() {
            let (whole, all) = (size(&steady.measured), counted(size(&pool.measured), "service"));
            reading.reasons.push(format!("days and weeks are of the {whole} of {all} that were seen the whole time"));
        }
        let short = size(&pool.measured).saturating_sub(size(&rates));
        if short > 0 && per_day.is_some() {
            let short = counted(short, "service");
            reading.reasons.push(format!("{short} not in the rate: less than a day of the window was looked at"));
        }
        if per_day.is_none() {
            let reason = "less than a day of the window was looked at";
            return reading.lowered(MeasureStatus::InsufficientData, reason);
        }
        reading
    }
}

/// Deployments a day of one service, over the time that was looked at; none of too little time.
fn rate(measured: &Measured<'_>, pool: &Pool<'_>) -> Option<f64> {
    let days = measured.observed.seconds() / 86_400.0;
    let shortest = SHORTEST_DAYS.min(pool.window.length_in_days());
    let in_window = |d: &&Deployment| pool.window.contains(ended(d)) && measured.observed.contain(ended(d));
    let count = measured.part.deployments().filter(|d| is_delivery(d)).filter(in_window).count();
    (days >= shortest).then(|| number(u64::try_from(count).unwrap_or(u64::MAX)) / days)
}

/// Whole weeks that were looked at: how many, deployments and days with deployments in each.
fn weekly(pool: &Pool<'_>) -> (u64, Sample, Sample) {
    let whole = |week: &&Cell| !week.is_partial && pool.shared.cover(week.from, week.to);
    let mut weeks: BTreeMap<_, (u64, BTreeSet<usize>)> =
        pool.window.weeks.iter().filter(whole).map(|week| (week.from, (0, BTreeSet::new()))).collect();
    for deployment in pool.deployments().filter(|deployment| is_delivery(deployment)) {
        let at = ended(deployment);
        let week = index_in(&pool.window.weeks, at).and_then(|index| pool.window.weeks.get(index));
        let Some((count, days)) = week.and_then(|week| weeks.get_mut(&week.from)) else { continue };
        *count += 1;
        days.extend(index_in(&pool.window.days, at));
    }
    let counts = weeks.values().map(|(count, _)| number(*count)).collect();
    let days = weeks.values().map(|(_, days)| number(u64::try_from(days.len()).unwrap_or(u64::MAX))).collect();
    (u64::try_from(weeks.len()).unwrap_or(u64::MAX), counts, days)
}

/// Seconds between one success of a service and its next.
fn gaps(pool: &Pool<'_>) -> Sample {
    let mut gaps = Vec::new();
    for measured in &pool.measured {
        let ends: Vec<_> = measured
            .part
            .deployments()
            .filter(|d| is_delivery(d) && pool.window.contains(ended(d)))
            .map(ended)
            .collect();
        gaps.extend(ends.iter().zip(ends.iter().skip(1)).map(|(a, b)| seconds(*a, *b)));
    }
    gaps.into_iter().collect()
}

/// The share of deployments that a call says who asked for: nothing where nobody looked at calls.
fn joined(pool: &Pool<'_>) -> Value {
    let heard = pool.measured.iter().filter(|it| it.part.data.observation.knows_calls(pool.window));
    let all: Vec<&Deployment> = heard
        .flat_map(|measured| measured.part.deployments())
        .filter(|deployment| pool.window.contains(ended(deployment)))
        .collect();
    let named = all.iter().filter(|it| it.actor.as_ref().is_some_and(|actor| !actor.is_bare)).count();
    let named = u64::try_from(named).unwrap_or(u64::MAX);
    let ratio = super::statistics::share(named, size(&all)).map(|share| share.ratio);
    Value::new("joined_ratio", ratio, Unit::Ratio, size(&all))
}

fn extras(pool: &Pool<'_>, all: &[&Deployment], delivered: &[&Deployment]) -> Vec<Value> {
    let changes = all.iter().filter(|deployment| deployment.is_completed_change());
    let tries: Vec<bool> = changes.filter_map(|deployment| deployment.first_attempt_failed).collect();
    let at_first = tries.iter().filter(|failed| !**failed).count();
    let share = |part: usize, whole: usize| {
        let [part, whole] = [part, whole].map(|count| u64::try_from(count).unwrap_or(u64::MAX));
        super::statistics::share(part, whole).map(|share| share.ratio)
    };
    let moved = all.iter().filter(|d| is_delivery(d) || d.kind == DeploymentKind::Rollback);
    let moved: Vec<&&Deployment> = moved.filter(|d| d.outcome == Outcome::Succeeded).collect();
    let back = moved.iter().filter(|d| d.kind == DeploymentKind::Rollback).count();
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    for change in pool.changes() {
        *sizes.entry(change.deployment.as_str()).or_default() += 1;
    }
    let sizes: Sample = delivered.iter().filter_map(|d| sizes.get(d.id.as_str())).map(|size| number(*size)).collect();
    let terminal = all.iter().filter(|d| !matches!(d.outcome, Outcome::Unknown | Outcome::InProgress)).count();
    vec![
        Value::new("terminal_ratio", share(terminal, all.len()), Unit::Ratio, size(all)),
        joined(pool),
        Value::new("first_try_ratio", share(at_first, tries.len()), Unit::Ratio, size(&tries)),
        Value::new("rollback_ratio", share(back, moved.len()), Unit::Ratio, size(&moved)),
        Value::median("batch_size_median", &sizes, Unit::Count),
    ]
}
