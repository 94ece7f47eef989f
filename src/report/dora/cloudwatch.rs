//! Measurements → points as CloudWatch takes them.
//!
//! In: [`Measurements`] and the moment of sending. Out: [`CloudWatchPoints`]: points with name, unit, dimensions and time,
//! and how many were refused because CloudWatch takes nothing older than two weeks or later than two hours from now. The
//! same measurement gives the same names, dimensions and values, so that sending it twice changes no average or maximum.
//!
//! Limits: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use super::numbers::float;
use super::ranking::{Row, services_by_key};
use crate::dora::{Bucket, BucketLength, Measurements, Unit};
use crate::inventory::hex;

/// The namespace of all points.
pub const CLOUDWATCH_NAMESPACE: &str = "Pipewarden/DORA";

const OLDEST: Duration = Duration::weeks(2);
const NEWEST: Duration = Duration::hours(2);
const LONGEST_VALUE: usize = 1_024;
const MOST_DIMENSIONS: usize = 30;

/// Unit of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudWatchUnit {
    /// `Count`
    Count,
    /// `Seconds`
    Seconds,
    /// `Percent`, 0 to 100.
    Percent,
    /// `None`
    None,
}

impl CloudWatchUnit {
    /// As CloudWatch writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Seconds => "Seconds",
            Self::Percent => "Percent",
            Self::None => "None",
        }
    }

    fn of(unit: Unit, value: f64) -> (Self, f64) {
        match unit {
            Unit::Count => (Self::Count, value),
            Unit::Seconds => (Self::Seconds, value),
            Unit::Ratio => (Self::Percent, value * 100.0),
            Unit::PerDay | Unit::PerWeek | Unit::Score => (Self::None, value),
        }
    }
}

/// One number.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudWatchPoint {
    /// `ChangeLeadTimeMedian`
    pub name: String,
    /// Its unit.
    pub unit: CloudWatchUnit,
    /// Its value; finite.
    pub value: f64,
    /// `Service`, `Account`, `Region`, `Window`, and further labels; ASCII, at most 30.
    pub dimensions: Vec<(String, String)>,
    /// When.
    pub time: OffsetDateTime,
}

/// Points, and what is not among them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CloudWatchPoints {
    /// By service, time and name.
    pub points: Vec<CloudWatchPoint>,
    /// Points older than two weeks.
    pub too_old: u64,
    /// Points later than two hours from now.
    pub too_new: u64,
    /// Points with more dimensions than CloudWatch takes.
    pub too_many_dimensions: u64,
}

impl CloudWatchPoints {
    /// What was refused and what to do, one sentence each.
    #[must_use]
    pub fn refusals(&self) -> Vec<String> {
        let counted = |count: u64| if count == 1 { "1 point was".to_owned() } else { format!("{count} points were") };
        let mut sentences = Vec::new();
        if self.too_old > 0 {
            sentences.push(format!(
                "{} left out: CloudWatch takes nothing older than two weeks; `dora.backfill.om` brings the past into Prometheus",
                counted(self.too_old)
            ));
        }
        if self.too_new > 0 {
            sentences.push(format!(
                "{} left out: CloudWatch takes nothing later than two hours from now; is this machine's clock right, or `--as-of` in the future?",
                counted(self.too_new)
            ));
        }
        if self.too_many_dimensions > 0 {
            sentences.push(format!("{} left out: CloudWatch takes 30 dimensions", counted(self.too_many_dimensions)));
        }
        sentences
    }

    fn add(&mut self, point: CloudWatchPoint, now: OffsetDateTime) {
        if !point.value.is_finite() {
            return;
        }
        // An hour on the safe side: a request may wait.
        if point.time + OLDEST < now + Duration::HOUR {
            self.too_old += 1;
        } else if point.time > now + NEWEST {
            self.too_new += 1;
        } else if point.dimensions.len() > MOST_DIMENSIONS {
            self.too_many_dimensions += 1;
        } else {
            self.points.push(point);
        }
    }
}

/// All points of services: the numbers of the window at its end, and the days of the last two weeks at their begin.
#[must_use]
pub fn cloudwatch_points(measurements: &Measurements, now: OffsetDateTime) -> CloudWatchPoints {
    let mut all = CloudWatchPoints::default();
    for row in services_by_key(measurements) {
        let identity = dimensions(&row);
        let mut of_window = identity.clone();
        of_window.push(("Window".to_owned(), dimension(&measurements.window)));
        let at = |name: String, unit, value, dimensions: Vec<(String, String)>, time| {
            let (unit, value) = CloudWatchUnit::of(unit, value);
            CloudWatchPoint { name, unit, value, dimensions, time }
        };
        let mut seen = BTreeSet::new();
        for measure in &row.numbers.measures {
            for value in &measure.values {
                let Some(number) = value.value else { continue };
                let name = format!("{}{}", camel(measure.metric.name()), camel(value.statistic));
                let mut dimensions = of_window.clone();
                dimensions.extend(value.labels.iter().map(|(name, text)| (camel(name), dimension(text))));
                if seen.insert((name.clone(), dimensions.clone())) {
                    all.add(at(name, value.unit, number, dimensions, measurements.as_of), now);
                }
            }
        }
        let days = row.numbers.buckets.iter();
        for day in days.filter(|day| day.length == BucketLength::Day && day.is_observed && !day.is_partial) {
            for (name, unit, number) in numbers_of(day) {
                if let Some(number) = number {
                    all.add(at(name.to_owned(), unit, number, identity.clone(), day.from), now);
                }
            }
        }
    }
    all
}

fn numbers_of(day: &Bucket) -> [(&'static str, Unit, Option<f64>); 4] {
    [
        ("DailyDeployments", Unit::Count, day.deployments.map(float)),
        ("DailyChanges", Unit::Count, day.completed.map(float)),
        ("DailyChangesFailed", Unit::Count, day.failed.map(float)),
        ("DailyChangeLeadTimeMedian", Unit::Seconds, day.lead_time_median_seconds),
    ]
}

fn dimensions(row: &Row<'_>) -> Vec<(String, String)> {
    let mut dimensions = vec![("Service".to_owned(), dimension(row.key()))];
    if let Some(service) = row.service {
        dimensions.push(("Account".to_owned(), dimension(service.account.as_str())));
        dimensions.push(("Region".to_owned(), dimension(service.region.as_str())));
    }
    dimensions
}

/// `change_lead_time` → `ChangeLeadTime`
fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for word in name.split(|c: char| !c.is_ascii_alphanumeric()) {
        let mut characters = word.chars();
        out.extend(characters.next().map(|first| first.to_ascii_uppercase()));
        out.extend(characters);
    }
    out
}

/// A value that CloudWatch takes: printable ASCII, not blank, no colon first, at most 1024 characters. What is changed
/// gets a part of its hash, so that two values never become one.
fn dimension(text: &str) -> String {
    let allowed = |c: char| c.is_ascii() && !c.is_ascii_control();
    let is_fine =
        text.chars().all(allowed) && text.len() <= LONGEST_VALUE && !text.trim().is_empty() && !text.starts_with(':');
    if is_fine {
        return text.to_owned();
    }
    let hash: String = hex(&Sha256::digest(text.as_bytes())).chars().take(12).collect();
    let kept: String = text
        .trim_start_matches(':')
        .chars()
        .take(LONGEST_VALUE - 16)
        .map(|c| if allowed(c) { c } else { '?' })
        .collect();
    format!("{kept}#{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_are_what_cloudwatch_takes_and_stay_different() {
        assert_eq!(dimension("checkout"), "checkout");
        let changed = ["", " ", ":a", "a\nb", "a\u{e9}b", "a\u{e8}b", &"x".repeat(5_000), &"x".repeat(5_001)];
        let values: BTreeSet<String> = changed.iter().map(|text| dimension(text)).collect();
        assert_eq!(values.len(), changed.len());
        for value in values {
            assert!(value.len() <= LONGEST_VALUE && !value.starts_with(':') && !value.trim().is_empty());
            assert!(value.chars().all(|c| c.is_ascii() && !c.is_ascii_control()), "{value:?}");
        }
    }

    #[test]
    fn names_are_words_without_blanks() {
        assert_eq!(camel("change_lead_time"), "ChangeLeadTime");
        assert_eq!(camel("per_day"), "PerDay");
        assert_eq!(camel("p90"), "P90");
    }
}
