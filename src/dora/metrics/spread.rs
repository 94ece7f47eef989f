//! Many services as what they are: a distribution.
//!
//! In: one metric of every service of a group. Out: `p25`, `p50` and `p75` of the services' own values, and `services` by
//! `bucket` (those with enough observations) and by `status`, all labelled `over` = `services`. DORA's metrics are of a
//! service; blending those of teams that have nothing in common into one number misleads, so the organization has only
//! this.

use std::collections::{BTreeMap, BTreeSet};

use super::Metric;
use super::frame::sentence;
use super::quick_check;
use super::reading::counted;
use super::statistics::{MEDIAN, P25, P75, Sample, size};
use crate::dora::{Measure, MeasureStatus, Value};
use crate::history::HistorySource;

/// The value to show.
fn shown(measure: &Measure) -> Option<f64> {
    measure.values.first().and_then(|value| value.value)
}

/// Percentiles over services, and services by bucket and status.
pub(super) fn values(metric: &dyn Metric, services: &[&Measure]) -> Vec<Value> {
    let (_, unit) = metric.headline();
    let known: Vec<f64> = services.iter().filter_map(|measure| shown(measure)).collect();
    let sample: Sample = known.iter().copied().collect();
    let mut values: Vec<Value> = [("p50", MEDIAN), ("p25", P25), ("p75", P75)]
        .map(|(name, quantile)| Value::new(name, sample.quantile(quantile), unit, sample.n()))
        .to_vec();
    let mut buckets: BTreeMap<&str, u64> = BTreeMap::new();
    // A median of two says too little for a band.
    let enough = services.iter().filter(|measure| measure.is_enough()).filter_map(|measure| shown(measure));
    for bucket in enough.filter_map(|value| quick_check::bucket(metric.name(), value)) {
        *buckets.entry(bucket).or_default() += 1;
    }
    let names = quick_check::buckets(metric.name());
    values.extend(names.into_iter().map(|name| {
        let count = buckets.get(name).copied().unwrap_or_default();
        Value::count("services", count).labelled("bucket", name)
    }));
    values.extend(MeasureStatus::ALL.iter().map(|status| {
        let count = services.iter().filter(|measure| measure.status == *status).count();
        Value::count("services", u64::try_from(count).unwrap_or(u64::MAX)).labelled("status", status.name())
    }));
    values.into_iter().map(|value| value.labelled("over", "services")).collect()
}

/// A metric of the organization.
pub(super) fn measure(metric: &dyn Metric, services: &[&Measure]) -> Measure {
    let known = u64::try_from(services.iter().filter(|measure| shown(measure).is_some()).count()).unwrap_or(u64::MAX);
    let count = |status| services.iter().filter(|measure| measure.status == status).count();
    let status = match known {
        0 if services.is_empty() || count(MeasureStatus::NotCollected) == services.len() => MeasureStatus::NotCollected,
        0 if count(MeasureStatus::InsufficientData) == 0 => MeasureStatus::NotMeasurable,
        0 => MeasureStatus::InsufficientData,
        _ if count(MeasureStatus::NotCollected) + count(MeasureStatus::Partial) > 0 => MeasureStatus::Partial,
        _ => MeasureStatus::Ok,
    };
    let mut reasons = Vec::new();
    let unknown = size(services).saturating_sub(known);
    if unknown > 0 || services.is_empty() {
        let by_status = MeasureStatus::ALL.iter().filter_map(|status| {
            let without = services.iter().filter(|m| m.status == *status && shown(m).is_none()).count();
            (without > 0).then(|| format!("{without} {}", status.name()))
        });
        let by_status: Vec<String> = by_status.collect();
        let detail = if by_status.is_empty() { String::new() } else { format!(": {}", by_status.join(", ")) };
        let all = counted(size(services), "service");
        reasons.push(sentence(&format!("{unknown} of {all} without a number{detail}")));
    }
    let partial = count(MeasureStatus::Partial);
    if partial > 0 {
        let all = counted(size(services), "service");
        reasons.push(sentence(&format!("{partial} of {all} known only in part")));
    }
    let sources: BTreeSet<HistorySource> =
        services.iter().flat_map(|measure| measure.sources.iter().copied()).collect();
    Measure {
        metric: metric.name(),
        status,
        n: known,
        values: values(metric, services),
        tier: services.iter().filter_map(|measure| measure.tier).max(),
        basis: services.iter().filter_map(|measure| measure.basis).min(),
        reasons,
        observed_from: services.iter().filter_map(|measure| measure.observed_from).max(),
        sources: sources.into_iter().collect(),
        distribution: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dora::{MetricName, Unit};

    #[test]
    fn only_services_with_enough_observations_are_in_a_band() {
        let of = |n, status| Measure {
            metric: MetricName::ChangeLeadTime,
            status,
            n,
            values: vec![Value::new("p50", Some(60.0), Unit::Seconds, n)],
            tier: None,
            basis: None,
            reasons: vec![],
            observed_from: None,
            sources: vec![],
            distribution: None,
        };
        let all = [
            of(5, MeasureStatus::Ok),
            of(4, MeasureStatus::Partial),
            of(9, MeasureStatus::Partial),
            of(2, MeasureStatus::InsufficientData),
        ];
        let values = values(&super::super::lead_time::ChangeLeadTime, &all.iter().collect::<Vec<_>>());
        let banded: f64 = values
            .iter()
            .filter(|value| value.labels.iter().any(|(name, _)| *name == "bucket"))
            .filter_map(|value| value.value)
            .sum();
        assert_eq!((banded, values[0].n), (2.0, 4));
    }
}
