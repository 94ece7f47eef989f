//! Measurements → families of samples, as Prometheus knows them.
//!
//! In: [`Measurements`]. Out: families of the snapshot. Only services are exported: what is pooled over an account, unit or
//! team is a query over their histograms, and a number of all services together would say nothing. What is not known is no
//! sample, never zero. All numbers are of a sliding window and may fall, so they are gauges, and histograms of a moment
//! (`gaugehistogram`).
//!
//! Names: `pipewarden_<what>_<statistic>_<unit>`; <https://prometheus.io/docs/specs/om/open_metrics_spec/>

use std::collections::BTreeMap;

use super::numbers::float;
use super::ranking::{Row, deployments_by_service, services_by_key};
use super::seen;
use crate::dora::{
    Deployment, DeploymentKind, Distribution, GroupKind, Measure, MeasureStatus, Measurements, MetricName, Outcome,
    Unit, Value,
};
use crate::report::text::visible;

/// What every name begins with.
pub(super) const PREFIX: &str = "pipewarden_";

/// What a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FamilyType {
    Gauge,
    GaugeHistogram,
    Info,
    StateSet,
}

/// Samples of one name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Family {
    pub(super) name: String,
    pub(super) kind: FamilyType,
    pub(super) unit: Option<&'static str>,
    pub(super) help: String,
    pub(super) samples: Vec<Sample>,
}

/// Name and text.
pub(super) type Label = (String, String);
/// In order.
pub(super) type Labels = Vec<Label>;

/// One number, or one histogram.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    pub(super) labels: Labels,
    pub(super) value: SampleValue,
    /// Unix seconds; none in a snapshot.
    pub(super) timestamp: Option<i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum SampleValue {
    Number(f64),
    Distribution(Distribution),
}

/// Families by name; a sample whose name and labels are there already is left out.
#[derive(Debug, Default)]
pub(super) struct Families(BTreeMap<String, Family>);

impl Families {
    pub(super) fn add(&mut self, family: &Family, sample: Sample) {
        let known = self.0.entry(family.name.clone()).or_insert_with(|| family.clone());
        known.samples.push(sample);
    }

    pub(super) fn number(&mut self, family: &Family, labels: Labels, value: f64) {
        if value.is_finite() {
            self.add(family, Sample { labels, value: SampleValue::Number(value), timestamp: None });
        }
    }

    /// In the order of names, each with its samples in the order of labels and times.
    pub(super) fn into_sorted(self) -> Vec<Family> {
        let mut families: Vec<Family> = self.0.into_values().collect();
        for family in &mut families {
            family.samples.sort_by(|a, b| (&a.labels, a.timestamp).cmp(&(&b.labels, b.timestamp)));
            family.samples.dedup_by(|b, a| a.labels == b.labels && a.timestamp == b.timestamp);
        }
        families
    }
}

/// A family without samples.
pub(super) fn family(name: &str, kind: FamilyType, unit: Option<&'static str>, help: &str) -> Family {
    Family { name: format!("{PREFIX}{name}"), kind, unit, help: help.to_owned(), samples: Vec::new() }
}

/// The snapshot.
pub(super) fn snapshot(measurements: &Measurements) -> Vec<Family> {
    let mut families = Families::default();
    add_frame(&mut families, measurements);
    add_coverage(&mut families, measurements);
    let deployments = deployments_by_service(measurements);
    let tags = tags_by_service(measurements);
    for row in services_by_key(measurements) {
        let identity = identity(&row);
        add_info(&mut families, &row, tags.get(row.key()));
        let own = deployments.get(row.key()).map_or(&[][..], Vec::as_slice);
        add_deployments(&mut families, &row, &identity, own, &measurements.window);
        for measure in &row.numbers.measures {
            add_measure(&mut families, measure, &identity, &measurements.window);
        }
        if let Some(quick_check) = &row.numbers.quick_check {
            let scores = family(
                "quick_check_score",
                FamilyType::Gauge,
                Some("score"),
                "Scores of DORA's Quick Check, 0 to 10, of metrics with enough observations.",
            );
            let parts = [
                ("throughput", quick_check.throughput),
                ("stability", quick_check.stability),
                ("overall", quick_check.overall),
            ];
            let each = quick_check.scores.iter().map(|(metric, score)| (metric.name(), Some(*score)));
            for (part, score) in each.chain(parts) {
                let Some(score) = score else { continue };
                let mut labels = with(&identity, "window", &measurements.window);
                labels.push(label("score", part));
                labels.push(label("benchmark_year", &quick_check.benchmark_year.to_string()));
                families.number(&scores, labels, score);
            }
        }
    }
    families.into_sorted()
}

/// A label whose text has nothing that hides or moves.
pub(super) fn label(name: &str, text: &str) -> (String, String) {
    (label_name(name), visible(text).into_owned())
}

fn with(labels: &[Label], name: &str, text: &str) -> Labels {
    let mut labels = labels.to_vec();
    labels.push(label(name, text));
    labels
}

/// A name as Prometheus takes it.
fn label_name(name: &str) -> String {
    let mut out: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if out.starts_with(|c: char| c.is_ascii_digit()) || out.is_empty() {
        out.insert(0, '_');
    }
    // Names with two underscores at their begin belong to Prometheus.
    while out.starts_with("__") {
        out.remove(0);
    }
    out
}

/// The labels of every sample of a service.
pub(super) fn identity(row: &Row<'_>) -> Labels {
    vec![
        label("service", row.key()),
        label("service_name", row.name()),
        label("account", row.service.map_or("", |service| service.account.as_str())),
        label("region", row.service.map_or("", |service| service.region.as_str())),
    ]
}

fn add_frame(families: &mut Families, measurements: &Measurements) {
    let window = vec![label("window", &measurements.window), label("time_zone", &measurements.time_zone)];
    let as_of = family(
        "as_of_timestamp_seconds",
        FamilyType::Gauge,
        Some("seconds"),
        "The moment that the numbers are of; old numbers are told by it.",
    );
    families.number(&as_of, window.clone(), timestamp(measurements.as_of));
    let length = family("window_seconds", FamilyType::Gauge, Some("seconds"), "Length of the window that ends then.");
    let seconds = float(measurements.window_seconds);
    families.number(&length, window, seconds);
    let build = family("build", FamilyType::Info, None, "The pipewarden that measured.");
    families.number(&build, vec![label("version", env!("CARGO_PKG_VERSION"))], 1.0);
}

fn add_coverage(families: &mut Families, measurements: &Measurements) {
    let share = family(
        "coverage_ratio",
        FamilyType::Gauge,
        Some("ratio"),
        "Share of the window that a source has seen, over all places where it was asked.",
    );
    let places = family("coverage_places", FamilyType::Gauge, None, "Accounts, Regions and subjects that were asked.");
    let gaps = family("coverage_gaps", FamilyType::Gauge, None, "What a source could not see.");
    for seen in seen::by_source(measurements) {
        let labels = vec![label("source", seen.source.name())];
        families.number(&share, labels.clone(), seen.share);
        families.number(&places, labels.clone(), float(seen.places));
        families.number(&gaps, labels, float(seen.gaps));
    }
}

/// The tags that groups are made by, of each service.
fn tags_by_service(measurements: &Measurements) -> BTreeMap<&str, Vec<(&str, &str)>> {
    let mut tags: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for numbers in measurements.groups.iter().filter(|numbers| numbers.group.kind == GroupKind::Tag) {
        let Some(tag) = numbers.group.key.split_once('=') else { continue };
        for service in &numbers.services {
            tags.entry(service.0.as_str()).or_default().push(tag);
        }
    }
    tags
}

fn add_info(families: &mut Families, row: &Row<'_>, tags: Option<&Vec<(&str, &str)>>) {
    let info = family(
        "service",
        FamilyType::Info,
        None,
        "What a service is grouped by; join it by the label service. Tags are those that groups are made by.",
    );
    let mut labels = identity(row);
    if let Some(service) = row.service {
        labels.push(label("ou", service.organizational_unit.as_deref().unwrap_or_default()));
        labels.push(label("production", service.production.as_deref().unwrap_or_default()));
        labels.push(label("production_is_assumed", if service.production_is_assumed { "true" } else { "false" }));
    }
    for (key, value) in tags.into_iter().flatten() {
        let (name, value) = label(&format!("tag_{key}"), value);
        if labels.iter().all(|(known, _)| *known != name) {
            labels.push((name, value));
        }
    }
    families.number(&info, labels, 1.0);
}

fn was_looked_at(status: MeasureStatus) -> bool {
    matches!(status, MeasureStatus::Ok | MeasureStatus::Partial | MeasureStatus::InsufficientData)
}

fn add_deployments(
    families: &mut Families,
    row: &Row<'_>,
    identity: &[Label],
    deployments: &[&Deployment],
    window: &str,
) {
    let looked_at = row.measure(MetricName::DeploymentFrequency).is_some_and(|measure| was_looked_at(measure.status));
    if !looked_at {
        return;
    }
    let counted = family(
        "deployments",
        FamilyType::Gauge,
        None,
        "Production deployments of the window by kind and outcome. It falls when old ones leave the window.",
    );
    // Where somebody looked, none is a number.
    let mut counts = BTreeMap::from([((DeploymentKind::Forward, Outcome::Succeeded), 0_u64)]);
    for deployment in deployments {
        *counts.entry((deployment.kind, deployment.outcome)).or_default() += 1;
    }
    for ((kind, outcome), count) in counts {
        let mut labels = with(identity, "window", window);
        labels.push(label("kind", kind.name()));
        labels.push(label("outcome", outcome.name()));
        families.number(&counted, labels, float(count));
    }
    let last = deployments
        .iter()
        .filter(|deployment| deployment.kind == DeploymentKind::Forward && deployment.outcome == Outcome::Succeeded)
        .filter_map(|deployment| deployment.finished)
        .max();
    if let Some(last) = last {
        let newest = family(
            "last_deployment_timestamp_seconds",
            FamilyType::Gauge,
            Some("seconds"),
            "When the last forward deployment that succeeded finished.",
        );
        families.number(&newest, identity.to_vec(), timestamp(last));
    }
}

fn add_measure(families: &mut Families, measure: &Measure, identity: &[Label], window: &str) {
    let metric = measure.metric.name();
    let status = family("metric_status", FamilyType::StateSet, None, "Whether a metric of a service can be said.");
    for state in MeasureStatus::ALL {
        let mut labels = with(identity, "metric", metric);
        // The label that carries the state has the family's own name.
        labels.push((status.name.clone(), state.name().to_owned()));
        families.number(&status, labels, if state == measure.status { 1.0 } else { 0.0 });
    }
    if was_looked_at(measure.status) {
        let samples = family(
            "metric_samples",
            FamilyType::Gauge,
            None,
            "How many observations a metric of a service is made of.",
        );
        families.number(&samples, with(&with(identity, "metric", metric), "window", window), float(measure.n));
    }
    if let Some(from) = measure.observed_from {
        let observed = family(
            "observed_from_timestamp_seconds",
            FamilyType::Gauge,
            Some("seconds"),
            "From when on the history of a metric is known, where that is later than the window's begin.",
        );
        families.number(&observed, with(identity, "metric", metric), timestamp(from));
    }
    let mut labels = with(identity, "window", window);
    labels.extend(measure.tier.map(|tier| label("tier", tier.name())));
    labels.extend(measure.basis.map(|basis| label("basis", basis.name())));
    for value in &measure.values {
        let is_counted_already = measure.metric == MetricName::DeploymentFrequency
            && value.unit == Unit::Count
            && (value.statistic == "count" || value.labels.iter().any(|(name, _)| *name == "kind"));
        // The label `tier` of a series is the worst that occurs; the number of one tier alone stands in `metrics.csv`.
        let is_of_one_tier = value.labels.iter().any(|(name, _)| *name == "tier");
        if let (Some(number), false) = (value.value, is_counted_already || is_of_one_tier) {
            let mut labels = labels.clone();
            for (name, text) in &value.labels {
                let (name, text) = label(name, text);
                labels.retain(|(known, _)| *known != name);
                labels.push((name, text));
            }
            families.number(&family_of(measure.metric, value), labels, number);
        }
    }
    if let Some(distribution) = measure.distribution.as_ref().filter(|_| was_looked_at(measure.status)) {
        let name = format!("{}_seconds", stem(measure.metric));
        let help = format!("{}: observations of the window by upper bound.", measure.metric.title());
        let family = family(&name, FamilyType::GaugeHistogram, Some("seconds"), &help);
        let value = SampleValue::Distribution(distribution.clone());
        families.add(&family, Sample { labels, value, timestamp: None });
    }
}

/// What stands for a metric in names.
fn stem(metric: MetricName) -> &'static str {
    match metric {
        MetricName::DeploymentFrequency => "deployment_frequency",
        MetricName::ChangeLeadTime => "change_lead_time",
        MetricName::ChangeFailRate => "change_fail",
        MetricName::FailedDeploymentRecoveryTime => "failed_deployment_recovery",
        MetricName::DeploymentReworkRate => "rework",
        MetricName::PipelineDuration => "pipeline_duration",
        MetricName::TestPassRate => "test_pass",
        MetricName::PipelineLeadTime => "pipeline_lead_time",
    }
}

/// The family of a statistic: `pipewarden_change_lead_time_median_seconds`, `pipewarden_change_fail_ratio`.
fn family_of(metric: MetricName, value: &Value) -> Family {
    const RESERVED: [&str; 8] = ["count", "sum", "bucket", "total", "created", "info", "gcount", "gsum"];
    let unit = match value.unit {
        Unit::Count => None,
        Unit::PerDay => Some("per_day"),
        Unit::PerWeek => Some("per_week"),
        Unit::Seconds => Some("seconds"),
        Unit::Ratio => Some("ratio"),
        Unit::Score => Some("score"),
    };
    let statistic = label_name(value.statistic);
    let mut name = stem(metric).to_owned();
    let body = unit.map_or(statistic.as_str(), |unit| statistic.strip_suffix(unit).unwrap_or(&statistic));
    let body = body.trim_end_matches('_');
    if !body.is_empty() {
        name.push('_');
        name.push_str(body);
    }
    match unit {
        Some(unit) => {
            name.push('_');
            name.push_str(unit);
        }
        None if RESERVED.contains(&name.rsplit('_').next().unwrap_or_default()) => name.push_str("_number"),
        None => {}
    }
    let declared = match value.unit {
        Unit::Seconds | Unit::Ratio | Unit::Score => unit,
        Unit::Count | Unit::PerDay | Unit::PerWeek => None,
    };
    let help = format!("{}: {} over the window.", metric.title(), value.statistic.replace('_', " "));
    family(&name, FamilyType::Gauge, declared, &help)
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
pub(super) fn timestamp(time: time::OffsetDateTime) -> f64 {
    time.unix_timestamp() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_with_their_unit_and_with_no_reserved_word() {
        let name = |metric, statistic, unit| {
            family_of(metric, &Value { statistic, value: None, unit, n: 0, labels: Vec::new() }).name
        };
        assert_eq!(
            name(MetricName::ChangeLeadTime, "median", Unit::Seconds),
            "pipewarden_change_lead_time_median_seconds"
        );
        assert_eq!(name(MetricName::ChangeFailRate, "ratio", Unit::Ratio), "pipewarden_change_fail_ratio");
        assert_eq!(name(MetricName::ChangeFailRate, "low", Unit::Ratio), "pipewarden_change_fail_low_ratio");
        assert_eq!(
            name(MetricName::DeploymentFrequency, "per_day", Unit::PerDay),
            "pipewarden_deployment_frequency_per_day"
        );
        assert_eq!(
            name(MetricName::FailedDeploymentRecoveryTime, "open", Unit::Count),
            "pipewarden_failed_deployment_recovery_open"
        );
        assert_eq!(name(MetricName::DeploymentReworkRate, "count", Unit::Count), "pipewarden_rework_count_number");
    }

    #[test]
    fn label_names_are_what_prometheus_takes() {
        assert_eq!(label_name("tag_cost-center"), "tag_cost_center");
        assert_eq!(label_name("9lives"), "_9lives");
        assert_eq!(label_name("__name__"), "_name__");
        assert_eq!(label_name(""), "_");
    }
}
