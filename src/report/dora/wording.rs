//! Sentences that several pages share.
//!
//! In: measurements and rows. Out: what a person reads first: how many services there are and of how many something can
//! be said, why a number is missing, what a source saw.

use std::collections::{BTreeMap, BTreeSet};

use super::numbers::{UNKNOWN, minute, short_title, value_in_words, words};
use super::ranking::{FIVE, Row, Standing, shown, statistic, status_in_words};
use super::seen::{Seen, blurred};
use crate::dora::{Measure, MeasureStatus, Measurements, MetricName, Unit};
use crate::history::HistorySource;
use crate::report::text::{counted, grouped};

/// What the numbers are of: `90 days until 2026-06-29 00:00 UTC · days and weeks in Etc/UTC`.
pub(super) fn frame(measurements: &Measurements) -> String {
    const DAY: u64 = 86_400;
    let window = match measurements.window_seconds {
        days if days % DAY == 0 => counted(days / DAY, "day"),
        seconds => counted(seconds / 3_600, "hour"),
    };
    format!("{window} until {} UTC · days and weeks in {}", minute(measurements.as_of), measurements.time_zone)
}

/// How many services there are, and of how many something can be said.
pub(super) fn services_in_words(rows: &[Row<'_>]) -> String {
    if rows.is_empty() {
        return "No service was found: nothing that deploys was seen, or nobody looked".to_owned();
    }
    let mut by_standing: BTreeMap<Standing, u64> = BTreeMap::new();
    for row in rows {
        *by_standing.entry(row.standing()).or_default() += 1;
    }
    let in_words = |standing: &Standing| match standing {
        Standing::Complete => "complete",
        Standing::InPart => "in part",
        Standing::Without(status) => status_in_words(*status),
    };
    let parts: Vec<String> =
        by_standing.iter().map(|(standing, count)| format!("{} {}", grouped(*count), in_words(standing))).collect();
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
        let said = format!("{} cannot be said: ", measure.metric.title());
        for reason in &measure.reasons {
            // The same sentence of five metrics is one.
            let reason = reason.strip_prefix(&said).unwrap_or(reason);
            match by_reason.iter_mut().find(|(known, _)| *known == reason) {
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
    let share = words(Some(seen.share), Unit::Ratio);
    format!("{} · {share} of the window · {}", counted(seen.places, "place"), gaps_in_words(seen))
}

/// `2 gaps`, `no gap (AWS keeps 30 days)`.
pub(super) fn gaps_in_words(seen: &Seen) -> String {
    let gaps = if seen.gaps == 0 { "no gap".to_owned() } else { counted(seen.gaps, "gap") };
    if seen.expired == 0 {
        return gaps;
    }
    let kept = match seen.source {
        HistorySource::AlarmHistory => "two weeks",
        HistorySource::TestReports => "30 days",
        HistorySource::LookupEvents => "90 days",
        HistorySource::PipelineExecutions => "12 months",
        _ => "no more",
    };
    format!("{gaps} (AWS keeps {kept})")
}

/// Services of which no number is known, by what they have in common.
pub(super) struct Wordless<'a> {
    /// `23 services without numbers: 14 with no known deployment to production, 9 not collected`.
    pub(super) title: String,
    /// Why, and of which; the most first.
    pub(super) groups: Vec<(String, Vec<Row<'a>>)>,
}

/// The services without numbers; none if there are none.
pub(super) fn wordless<'a>(rows: &[Row<'a>]) -> Option<Wordless<'a>> {
    if rows.is_empty() {
        return None;
    }
    let mut kinds: BTreeMap<(bool, MeasureStatus), u64> = BTreeMap::new();
    let mut groups: BTreeMap<String, Vec<Row<'a>>> = BTreeMap::new();
    for row in rows {
        *kinds.entry((!row.lacks_production(), row.best_status())).or_default() += 1;
        let why = reasons(row).into_iter().next().map_or_else(|| "nobody looked".to_owned(), |(_, reason)| reason);
        let why = row
            .service
            .map_or_else(|| why.clone(), |service| blurred(&why, &service.account, &[row.key(), &service.name]));
        let why = why.trim_end_matches('.').trim_end_matches("; 0 deployments seen").to_owned();
        groups.entry(why).or_default().push(*row);
    }
    let mut parts: BTreeMap<(bool, &str), u64> = BTreeMap::new();
    for ((has_production, status), count) in kinds {
        let what = if has_production { status_in_words(status) } else { "with no known deployment to production" };
        *parts.entry((has_production, what)).or_default() += count;
    }
    let parts: Vec<String> = parts.iter().map(|((_, what), count)| format!("{} {what}", grouped(*count))).collect();
    let mut groups: Vec<(String, Vec<Row<'a>>)> = groups.into_iter().collect();
    groups.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(&b.0)));
    let count = counted(rows.len() as u64, "service");
    Some(Wordless { title: format!("{count} without numbers: {}", parts.join(", ")), groups })
}

/// The name of a service; with its account and Region where several have the name.
pub(super) fn named(row: &Row<'_>, repeated: &BTreeSet<&str>) -> String {
    match row.service {
        Some(service) if repeated.contains(row.name()) => {
            format!("{} ({} {})", row.name(), service.account, service.region)
        }
        _ => row.name().to_owned(),
    }
}

/// The names of the first `most` services, and how many more there are.
pub(super) fn names(rows: &[Row<'_>], repeated: &BTreeSet<&str>, most: usize) -> String {
    let mut names: Vec<String> = rows.iter().take(most).map(|row| named(row, repeated)).collect();
    let more = rows.len().saturating_sub(most);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join(", ")
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
