//! Services in the order in which somebody should look at them.
//!
//! In: [`Measurements`]. Out: one [`Row`] per service, worst first: failures that nobody has mended yet, then high change
//! fail rates, then services of which nothing can be said, then the others; those that deploy to no production, as far as
//! is known, come last. The order is for reading, not a league table: services differ in what they do.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::numbers::quantile;
use crate::dora::{
    Deployment, GroupKind, GroupMeasurements, LeadTime, Measure, MeasureStatus, Measurements, MetricName, Service,
    Value,
};

/// The five metrics of DORA, in the order of its guide.
pub(super) const FIVE: [MetricName; 5] = [
    MetricName::DeploymentFrequency,
    MetricName::ChangeLeadTime,
    MetricName::ChangeFailRate,
    MetricName::FailedDeploymentRecoveryTime,
    MetricName::DeploymentReworkRate,
];

/// From this share on, failing changes are more than DORA's groups of 2023 had, but for the lowest.
const HIGH_FAIL_RATE: f64 = 0.15;

/// How much can be said of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// All five metrics, over the whole window.
    Complete,
    /// At least one number.
    InPart,
    /// Nothing; the best status among the five.
    Without(MeasureStatus),
}

/// A service with all its numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    /// Its numbers.
    pub(super) numbers: &'a GroupMeasurements,
    /// What is known of it; none if the measurements do not say.
    pub(super) service: Option<&'a Service>,
}

impl<'a> Row<'a> {
    pub(super) fn key(&self) -> &'a str {
        &self.numbers.group.key
    }

    pub(super) fn name(&self) -> &'a str {
        let name = self.numbers.group.name.as_str();
        if name.is_empty() { self.key() } else { name }
    }

    pub(super) fn measure(&self, metric: MetricName) -> Option<&'a Measure> {
        measure(self.numbers, metric)
    }

    /// The number to show of a metric.
    pub(super) fn value(&self, metric: MetricName) -> Option<f64> {
        self.measure(metric).and_then(shown).and_then(|value| value.value).filter(|value| value.is_finite())
    }

    /// Failed deployments that nothing has recovered yet.
    pub(super) fn open_failures(&self) -> f64 {
        self.measure(MetricName::FailedDeploymentRecoveryTime)
            .and_then(|measure| statistic(measure, "open"))
            .and_then(|value| value.value)
            .unwrap_or(0.0)
    }

    /// The best status among the five metrics: whether anything can be said at all.
    pub(super) fn best_status(&self) -> MeasureStatus {
        FIVE.into_iter()
            .filter_map(|metric| self.measure(metric))
            .map(|measure| measure.status)
            .min()
            .unwrap_or(MeasureStatus::NotCollected)
    }

    /// How much can be said of it.
    pub(super) fn standing(&self) -> Standing {
        let is_ok = |metric| self.measure(metric).is_some_and(|measure| measure.status == MeasureStatus::Ok);
        if FIVE.into_iter().all(is_ok) {
            Standing::Complete
        } else if FIVE.into_iter().any(|metric| self.value(metric).is_some()) {
            Standing::InPart
        } else {
            Standing::Without(self.best_status())
        }
    }

    /// Whether no number of it is known, of any metric.
    pub(super) fn is_empty(&self) -> bool {
        MetricName::ALL.into_iter().all(|metric| self.value(metric).is_none()) && self.open_failures() <= 0.0
    }

    /// Whether it was looked at, and nothing of it is known to deploy to production.
    pub(super) fn lacks_production(&self) -> bool {
        self.service.is_some_and(|service| service.production.is_none() && service.not_measurable.is_some())
    }

    fn class(&self) -> u8 {
        // One failure of three is no rate.
        let is_high = |measure: &Measure| {
            measure.is_enough()
                && shown(measure).and_then(|value| value.value).is_some_and(|rate| rate > HIGH_FAIL_RATE)
        };
        if self.open_failures() > 0.0 {
            0
        } else if self.measure(MetricName::ChangeFailRate).is_some_and(is_high) {
            1
        } else if self.lacks_production() {
            4
        } else if self.best_status() >= MeasureStatus::NotMeasurable {
            2
        } else {
            3
        }
    }

    fn before(&self, other: &Self) -> Ordering {
        let larger_first = |a: f64, b: f64| b.total_cmp(&a);
        let of = |row: &Self, metric| row.value(metric).unwrap_or(-1.0);
        self.class()
            .cmp(&other.class())
            .then_with(|| larger_first(self.open_failures(), other.open_failures()))
            .then_with(|| {
                [MetricName::ChangeFailRate, MetricName::DeploymentReworkRate, MetricName::ChangeLeadTime]
                    .into_iter()
                    .map(|metric| larger_first(of(self, metric), of(other, metric)))
                    .find(|order| *order != Ordering::Equal)
                    .unwrap_or(Ordering::Equal)
            })
            .then_with(|| self.name().cmp(other.name()))
            .then_with(|| self.key().cmp(other.key()))
    }
}

/// A metric of a group.
pub(super) fn measure(numbers: &GroupMeasurements, metric: MetricName) -> Option<&Measure> {
    numbers.measures.iter().find(|measure| measure.metric == metric)
}

/// The value to show of a measure.
pub(super) fn shown(measure: &Measure) -> Option<&Value> {
    measure.values.first()
}

/// The value of a measure with that name and without labels.
pub(super) fn statistic<'a>(measure: &'a Measure, name: &str) -> Option<&'a Value> {
    measure.values.iter().find(|value| value.statistic == name && value.labels.is_empty())
}

/// All services, worst first.
pub(super) fn services(measurements: &Measurements) -> Vec<Row<'_>> {
    let mut rows = services_by_key(measurements);
    rows.sort_by(Row::before);
    rows
}

/// Those of which at least one number is known, and those of which none is, in their order.
pub(super) fn by_numbers<'a>(rows: &[Row<'a>]) -> (Vec<Row<'a>>, Vec<Row<'a>>) {
    rows.iter().copied().partition(|row| !row.is_empty())
}

/// Names that several services have.
pub(super) fn repeated<'a>(rows: &[Row<'a>]) -> BTreeSet<&'a str> {
    let mut before = BTreeSet::new();
    rows.iter().map(Row::name).filter(|name| !before.insert(*name)).collect()
}

/// All services, by key.
pub(super) fn services_by_key(measurements: &Measurements) -> Vec<Row<'_>> {
    let known: BTreeMap<&str, &Service> =
        measurements.services.iter().map(|service| (service.key.0.as_str(), service)).collect();
    let mut rows: Vec<Row<'_>> = measurements
        .groups
        .iter()
        .filter(|numbers| numbers.group.kind == GroupKind::Service)
        .map(|numbers| Row { numbers, service: known.get(numbers.group.key.as_str()).copied() })
        .collect();
    rows.sort_by(|a, b| a.key().cmp(b.key()));
    rows
}

/// Deployments by service, newest first.
pub(super) fn deployments_by_service(measurements: &Measurements) -> BTreeMap<&str, Vec<&Deployment>> {
    let mut by_service: BTreeMap<&str, Vec<&Deployment>> = BTreeMap::new();
    for deployment in &measurements.deployments {
        by_service.entry(deployment.service.0.as_str()).or_default().push(deployment);
    }
    for deployments in by_service.values_mut() {
        deployments.sort_by(|a, b| {
            let time = |deployment: &Deployment| deployment.finished.unwrap_or(deployment.started);
            time(b).cmp(&time(a)).then_with(|| a.id.cmp(&b.id))
        });
    }
    by_service
}

/// Lead times by service.
pub(super) fn lead_times_by_service(measurements: &Measurements) -> BTreeMap<&str, Vec<&LeadTime>> {
    let mut by_service: BTreeMap<&str, Vec<&LeadTime>> = BTreeMap::new();
    for lead_time in &measurements.lead_times {
        by_service.entry(lead_time.change.service.0.as_str()).or_default().push(lead_time);
    }
    by_service
}

/// How a metric's values lie across services.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spread {
    /// The metric.
    pub(super) metric: MetricName,
    /// One number per service that has one, sorted.
    pub(super) values: Vec<f64>,
    /// Services by status.
    pub(super) statuses: Vec<(MeasureStatus, u64)>,
}

impl Spread {
    /// Of a metric, over all services.
    pub(super) fn of(rows: &[Row<'_>], metric: MetricName) -> Self {
        let mut values: Vec<f64> = rows.iter().filter_map(|row| row.value(metric)).collect();
        values.sort_by(f64::total_cmp);
        let mut statuses: BTreeMap<MeasureStatus, u64> = BTreeMap::new();
        for row in rows {
            let status = row.measure(metric).map_or(MeasureStatus::NotCollected, |measure| measure.status);
            *statuses.entry(status).or_default() += 1;
        }
        Self { metric, values, statuses: statuses.into_iter().collect() }
    }

    /// The value that `share` of the services do not exceed.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        quantile(&self.values, share)
    }

    /// Services without a number.
    pub(super) fn without(&self) -> u64 {
        let all: u64 = self.statuses.iter().map(|(_, count)| count).sum();
        all.saturating_sub(u64::try_from(self.values.len()).unwrap_or(u64::MAX))
    }
}

/// A status as people say it.
pub(super) fn status_in_words(status: MeasureStatus) -> &'static str {
    match status {
        MeasureStatus::Ok => "complete",
        MeasureStatus::Partial => "partial",
        MeasureStatus::InsufficientData => "too few",
        MeasureStatus::NotMeasurable => "not measurable",
        MeasureStatus::NotCollected => "not collected",
    }
}
