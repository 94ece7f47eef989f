//! Sentences that several pages share.
//!
//! In: measurements and rows. Out: what a person reads first: how many services there are and of how many something can
//! be said, why a number is missing, what a source saw.

use std::collections::BTreeMap;

use super::numbers::{UNKNOWN, minute, short_title, value_in_words, words};
use super::ranking::{FIVE, Row, shown, statistic, status_in_words};
use super::seen::Seen;
use crate::dora::{Measure, MeasureStatus, Measurements, MetricName, Unit};
use crate::report::text::{counted, grouped};

/// What the numbers are of.
pub(super) fn frame(measurements: &Measurements) -> String {
    format!(
        "{} until {} UTC · days and weeks in {}",
        measurements.window,
        minute(measurements.as_of),
        measurements.time_zone
    )
}

/// How many services there are, and of how many something can be said.
pub(super) fn services_in_words(rows: &[Row<'_>]) -> String {
    if rows.is_empty() {
        return "No service was found: nothing that deploys was seen, or nobody looked".to_owned();
    }
    let mut by_status: BTreeMap<MeasureStatus, u64> = BTreeMap::new();
    for row in rows {
        *by_status.entry(row.best_status()).or_default() += 1;
    }
    let parts: Vec<String> =
        by_status.iter().map(|(status, count)| format!("{} {}", grouped(*count), status_in_words(*status))).collect();
    let open = rows.iter().filter(|row| row.open_failures() > 0.0).count() as u64;
    let open = match open {
        0 => String::new(),
        count => format!("; {} with a failed deployment that nothing has recovered", counted(count, "service")),
    };
    format!("{} ({}){open}", counted(rows.len() as u64, "service"), parts.join(", "))
}

/// The number of a metric; a dash if there is none.
pub(super) fn number(measure: Option<&Measure>) -> String {
    measure.and_then(shown).map_or_else(|| UNKNOWN.to_owned(), value_in_words)
}

/// `n 8`, `n 3 too few`, `not collected`.
pub(super) fn footing(measure: Option<&Measure>) -> String {
    let Some(measure) = measure else { return status_in_words(MeasureStatus::NotCollected).to_owned() };
    match measure.status {
        MeasureStatus::Ok => format!("n {}", grouped(measure.n)),
        MeasureStatus::Partial | MeasureStatus::InsufficientData => {
            format!("n {} {}", grouped(measure.n), status_in_words(measure.status))
        }
        MeasureStatus::NotMeasurable | MeasureStatus::NotCollected => status_in_words(measure.status).to_owned(),
    }
}

/// The interval of a ratio: `7.1 % to 59.1 %`.
pub(super) fn interval(measure: &Measure) -> Option<String> {
    let bound = |name| statistic(measure, name).filter(|value| value.unit == Unit::Ratio).and_then(|value| value.value);
    let (low, high) = (bound("low")?, bound("high")?);
    Some(format!("{} to {}", words(Some(low), Unit::Ratio), words(Some(high), Unit::Ratio)))
}

/// Why metrics of a service are not complete: each reason once, with the metrics that it is about.
pub(super) fn reasons(row: &Row<'_>) -> Vec<(String, String)> {
    let mut by_reason: Vec<(&str, Vec<MetricName>)> = Vec::new();
    for measure in &row.numbers.measures {
        for reason in &measure.reasons {
            match by_reason.iter_mut().find(|(known, _)| known == reason) {
                Some((_, metrics)) => metrics.push(measure.metric),
                None => by_reason.push((reason, vec![measure.metric])),
            }
        }
    }
    by_reason
        .into_iter()
        .map(|(reason, metrics)| {
            let all = FIVE.iter().all(|metric| metrics.contains(metric));
            let names: Vec<&str> = metrics.iter().map(|metric| short_title(*metric)).collect();
            let names = if all { "all metrics".to_owned() } else { names.join(", ") };
            (names, reason.to_owned())
        })
        .collect()
}

/// What a source saw: `1 place · 92.5 % of the window · 2 gaps`.
pub(super) fn seen_in_words(seen: &Seen) -> String {
    let gaps = if seen.gaps == 0 { "no gap".to_owned() } else { counted(seen.gaps, "gap") };
    format!("{} · {} of the window · {gaps}", counted(seen.places, "place"), words(Some(seen.share), Unit::Ratio))
}

/// Quartiles of a metric over services need their unit.
pub(super) fn unit_of(rows: &[Row<'_>], metric: MetricName) -> Unit {
    rows.iter()
        .filter_map(|row| row.measure(metric))
        .filter_map(shown)
        .map(|value| value.unit)
        .next()
        .unwrap_or(Unit::Count)
}
