//! Deployments → numbers. One metric is one file.
//!
//! In: a [`Delivery`]. Out: [`Measurements`] by service, pipeline, account, organizational unit, tag and organization.
//!
//! ```text
//!  Delivery ─► gather (by service) ─► groups ─► pool ─► metric ─► frame ─► Measure
//!                observation, limits ────────────┘ (what can be said of whom, from when on)
//! ```
//!
//! Accounts, units and tags are pooled from raw observations; the organization is only a distribution of its services.
//! No number is made of time that nobody looked at, and none of a median of medians.

mod buckets;
mod fail_rate;
mod frame;
mod frequency;
mod grouping;
mod intervals;
mod lead_time;
mod observation;
mod pipeline_duration;
mod pipeline_lead_time;
mod pool;
mod quick_check;
mod reading;
mod recovery_time;
mod rework_rate;
mod spread;
mod statistics;
mod test_pass_rate;
mod window;

#[cfg(test)]
mod end_to_end;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use quick_check::{BENCHMARK_YEAR, INDUSTRY};

use super::{
    Delivery, Deployment, Group, GroupKind, GroupMeasurements, LeadTime, Measure, Measurements, MetricName, Options,
    ServiceKey, Statistic, Unit,
};
use crate::history::HistorySource;
use buckets::Course;
use pool::{Part, Pool, ServiceData, ended};
use reading::Reading;
use window::Window;

/// All metrics, in the order of [`MetricName::ALL`].
const METRICS: &[&dyn Metric] = &[
    &frequency::DeploymentFrequency,
    &lead_time::ChangeLeadTime,
    &fail_rate::ChangeFailRate,
    &recovery_time::FailedDeploymentRecoveryTime,
    &rework_rate::DeploymentReworkRate,
    &pipeline_duration::PipelineDuration,
    &test_pass_rate::TestPassRate,
    &pipeline_lead_time::PipelineLeadTime,
];

/// One metric.
trait Metric: Sync {
    /// Which.
    fn name(&self) -> MetricName;
    /// The statistic to show, and its unit.
    fn headline(&self) -> (Statistic, Unit);
    /// The sources that it rests on; a gap in one of them makes it partial.
    fn sources(&self) -> &'static [HistorySource];
    /// Its numbers of pooled observations. The pool holds at least one service of which it can be said.
    fn read(&self, pool: &Pool<'_>) -> Reading;
}

/// Measures everything.
#[must_use]
pub fn measure(delivery: &Delivery, options: &Options) -> Measurements {
    let window = Window::of(options);
    let data = pool::gather(delivery, &window);
    let groups = grouping::groups(data.values(), options);
    let services: BTreeMap<&ServiceKey, Vec<Measure>> =
        data.iter().map(|(key, data)| (*key, measured(&[Part { data, pipeline: None }], options, &window))).collect();
    Measurements {
        schema_version: Measurements::SCHEMA_VERSION,
        as_of: options.as_of,
        from: options.from(),
        window_seconds: options.window.as_secs(),
        window: options.window_text.clone(),
        time_zone: options.time_zone_name.clone(),
        services: delivery.services.clone(),
        groups: groups
            .into_iter()
            .map(|(group, parts)| group_measurements(group, &parts, &services, options, &window))
            .collect(),
        deployments: in_window(&data, &window),
        lead_times: lead_times(&data, &window),
        coverage: delivery.coverage.clone(),
    }
}

fn measured(parts: &[Part<'_>], options: &Options, window: &Window) -> Vec<Measure> {
    METRICS.iter().map(|metric| frame::measure(*metric, parts, options, window)).collect()
}

fn group_measurements(
    group: Group,
    parts: &[Part<'_>],
    services: &BTreeMap<&ServiceKey, Vec<Measure>>,
    options: &Options,
    window: &Window,
) -> GroupMeasurements {
    let keys: Vec<ServiceKey> = parts.iter().map(|part| part.data.service.key.clone()).collect();
    let is_organization = group.kind == GroupKind::Organization;
    // What each service says for itself, metric by metric.
    let own = |index: usize| -> Vec<&Measure> { keys.iter().filter_map(|key| services.get(key)?.get(index)).collect() };
    let measures = match (group.kind, keys.first()) {
        (GroupKind::Organization, _) => {
            METRICS.iter().enumerate().map(|(index, metric)| spread::measure(*metric, &own(index))).collect()
        }
        (GroupKind::Service, Some(key)) => services.get(key).cloned().unwrap_or_default(),
        _ => {
            let mut pooled = measured(parts, options, window);
            if keys.len() > 1 {
                for (index, (measure, metric)) in pooled.iter_mut().zip(METRICS).enumerate() {
                    measure.values.extend(spread::values(*metric, &own(index)));
                }
            }
            pooled
        }
    };
    let pool = |metric: &dyn Metric| Pool::of(metric, parts, options, window);
    let changes = (!is_organization).then(|| pool(&lead_time::ChangeLeadTime));
    let course = Course::of(&pool(&frequency::DeploymentFrequency), &pool(&fail_rate::ChangeFailRate), changes);
    GroupMeasurements {
        buckets: buckets::buckets(&course, window),
        // A score is of one service: the frequencies of several add up, and would score better the more they are.
        quick_check: (!is_organization && keys.len() == 1).then(|| quick_check::quick_check(&measures)),
        group,
        services: keys,
        measures,
    }
}

fn in_window(data: &BTreeMap<&ServiceKey, ServiceData<'_>>, window: &Window) -> Vec<Deployment> {
    let all = data.values().flat_map(|data| data.deployments.iter().copied());
    let mut all: Vec<&Deployment> = all.filter(|deployment| window.contains(ended(deployment))).collect();
    all.sort_by_key(|deployment| (ended(deployment), deployment.id.as_str()));
    all.into_iter().cloned().collect()
}

fn lead_times(data: &BTreeMap<&ServiceKey, ServiceData<'_>>, window: &Window) -> Vec<LeadTime> {
    let all = data.values().flat_map(|data| data.changes.iter().copied());
    let mut changes: Vec<_> = all.filter(|change| window.contains(change.deployed)).collect();
    changes.sort_by_key(|change| (&change.service, change.deployed, change.commit.as_str()));
    let seconds = |change| {
        let whole = std::time::Duration::try_from_secs_f64(lead_time::lead_time(change)?).ok()?;
        Some(whole.as_secs())
    };
    changes.into_iter().map(|change| LeadTime { seconds: seconds(change), change: change.clone() }).collect()
}
