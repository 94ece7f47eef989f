//! The metrics of all services in a few lines, for the report on findings.
//!
//! In: measurements. Out: how each metric is distributed, in words. A metric of which nothing is known has dashes.

use super::numbers::words;
use super::ranking::{FIVE, Spread, services};
use super::wording::{frame, services_in_words, unit_of};
use crate::dora::{Measurements, MetricName};
use crate::report::{DeliveryInBrief, MetricInBrief};

/// What the overview of a run says of its deliveries.
#[must_use]
pub fn in_brief(measurements: &Measurements) -> DeliveryInBrief {
    let rows = services(measurements);
    let is_shown = |metric: &MetricName| FIVE.contains(metric) || rows.iter().any(|row| row.value(*metric).is_some());
    let metrics = MetricName::ALL.into_iter().filter(is_shown).map(|metric| {
        let spread = Spread::of(&rows, metric);
        let unit = unit_of(&rows, metric);
        MetricInBrief {
            title: metric.title().to_owned(),
            quartiles: [0.25, 0.5, 0.75].map(|share| words(spread.quantile(share), unit)),
            with: spread.values.len() as u64,
            without: spread.without(),
        }
    });
    DeliveryInBrief { frame: frame(measurements), services: services_in_words(&rows), metrics: metrics.collect() }
}
