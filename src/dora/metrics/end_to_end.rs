//! The golden history, from records to numbers, and its variants.

use time::OffsetDateTime;
use time::macros::datetime;

use super::measure;
use crate::dora::assemble::assemble;
use crate::dora::{
    Basis, GroupKind, GroupMeasurements, Measure, MeasureStatus, Measurements, MetricName, Options, golden,
};
use crate::history::{History, HistorySource};

fn numbers(history: &History, options: &Options) -> Measurements {
    measure(&assemble(history, &golden::estate(), options), options)
}

fn service(measurements: &Measurements) -> &GroupMeasurements {
    measurements
        .groups
        .iter()
        .find(|group| group.group.kind == GroupKind::Service && group.group.key == golden::PIPELINE)
        .unwrap()
}

fn of(measurements: &Measurements, metric: MetricName) -> &Measure {
    service(measurements).measures.iter().find(|measure| measure.metric == metric).unwrap()
}

fn value(measurements: &Measurements, metric: MetricName, statistic: &str) -> String {
    let values = &of(measurements, metric).values;
    let value = values.iter().find(|value| value.statistic == statistic).unwrap().value;
    value.map_or_else(|| "none".to_owned(), |value| format!("{value:.3}"))
}

/// What must come out, whatever else is known.
fn assert_golden(measurements: &Measurements) {
    use MetricName::{ChangeFailRate as Fails, ChangeLeadTime as Lead, DeploymentFrequency as Often};
    use MetricName::{DeploymentReworkRate as Rework, FailedDeploymentRecoveryTime as Recovery};
    let of = |metric, statistic| value(measurements, metric, statistic);
    assert_eq!((of(Often, "per_day"), of(Often, "per_week")), ("0.250".to_owned(), "1.750".to_owned()));
    assert_eq!((of(Lead, "median"), of(Lead, "p90")), ("9000.000".to_owned(), "none".to_owned()));
    assert_eq!([of(Fails, "ratio"), of(Fails, "low"), of(Fails, "high")], ["0.250", "0.071", "0.591"]);
    assert_eq!((of(Recovery, "median"), of(Recovery, "open")), ("2100.000".to_owned(), "0.000".to_owned()));
    assert_eq!([of(Rework, "ratio"), of(Rework, "low"), of(Rework, "high")], ["0.300", "0.108", "0.603"]);
    let check = service(measurements).quick_check.as_ref().unwrap();
    assert_eq!(check.scores.iter().map(|(_, score)| *score).collect::<Vec<_>>(), [8.0, 6.0, 10.0, 7.5, 7.0]);
    assert_eq!((check.throughput, check.stability), (Some(8.0), Some(7.25)));
    assert_eq!(check.overall.map(|score| format!("{score:.1}")).unwrap(), "7.7");
}

#[test]
fn the_golden_history_has_the_golden_numbers() {
    let measurements = numbers(&golden::history(), &golden::options());
    assert_golden(&measurements);
    for metric in &MetricName::ALL[..5] {
        let measure = of(&measurements, *metric);
        assert_eq!(measure.status, MeasureStatus::Ok, "{:?}", measure.reasons);
    }
    let lead = of(&measurements, MetricName::ChangeLeadTime);
    let excluded = lead.values.iter().find(|value| value.statistic == "excluded").unwrap();
    assert_eq!((lead.n, excluded.value), (9, Some(1.0)));
    // Ten executions ran unit tests; those of e10 failed.
    assert_eq!(value(&measurements, MetricName::TestPassRate, "ratio"), "0.900");
}

#[test]
fn another_time_zone_has_the_same_numbers() {
    assert_golden(&numbers(&golden::history(), &golden::options().with_time_zone("+09:00").unwrap()));
}

#[test]
fn without_a_trail_the_numbers_are_the_same() {
    let mut history = golden::history();
    history.events.clear();
    history.coverage.spans.retain(|span| !span.source.tells_events());
    assert_golden(&numbers(&history, &golden::options()));
}

#[test]
fn an_incident_changes_the_basis() {
    let mut history = golden::history();
    let resolved = Some(datetime!(2026-06-24 15:30 UTC));
    history.incidents.push(golden::incident("i1", datetime!(2026-06-24 13:00 UTC), resolved));
    history.coverage.spans.push(golden::span(HistorySource::IncidentFile, golden::OBSERVED_FROM, golden::AS_OF));
    history.normalise();
    let measurements = numbers(&history, &golden::options());
    assert_eq!(of(&measurements, MetricName::ChangeFailRate).basis, Some(Basis::Incident));
    assert_eq!(value(&measurements, MetricName::ChangeFailRate, "failed"), "3.000");
    assert_eq!(value(&measurements, MetricName::FailedDeploymentRecoveryTime, "median"), "2400.000");
}

#[test]
fn requests_alone_are_no_numbers() {
    let golden = golden::history();
    let mut history = History { events: golden.events, coverage: golden.coverage, ..History::default() };
    history.coverage.spans.retain(|span| span.source.tells_events());
    let measurements = numbers(&history, &golden::options());
    for measure in &service(&measurements).measures {
        assert_eq!(measure.status, MeasureStatus::NotMeasurable, "{measure:?}");
        assert!(measure.values.iter().all(|value| value.value.is_none()));
    }
}

#[test]
fn a_window_from_the_ninth_still_knows_what_was_before() {
    let options = golden::options().with_window("20d").unwrap();
    let from: OffsetDateTime = datetime!(2026-06-09 0:00 UTC);
    assert_eq!(options.from(), from);
    let measurements = numbers(&golden::history(), &options);
    let lead = of(&measurements, MetricName::ChangeLeadTime);
    assert_eq!(lead.n, 6);
    assert!(lead.values.iter().all(|value| value.statistic != "excluded"));
}
