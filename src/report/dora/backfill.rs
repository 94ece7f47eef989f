//! `dora.backfill.om`: the days of the window with timestamps, for `promtool tsdb create-blocks-from openmetrics`.
//!
//! In: the daily buckets of services. Out: `OpenMetrics` with one sample per service, number and day, at the end of the day;
//! ascending, one family after the other. Days that nobody saw, days that the window cuts, and days that end within the
//! last three hours (whose block Prometheus still writes) have none. Writing the same day again gives the same sample, so
//! that an import can be repeated.

use std::io::{self, Write};

use super::DoraFormat;
use super::exposition::{Exposition, write};
use super::families::{Families, Family, FamilyType, Sample, SampleValue, family, identity};
use super::numbers::float;
use super::ranking::services_by_key;
use crate::dora::{Bucket, BucketLength, Measurements};

/// The `backfill` format.
#[derive(Debug, Clone, Copy)]
pub struct Backfill;

/// <https://prometheus.io/docs/prometheus/latest/storage/#backfilling-from-openmetrics-format>
const NOT_YET: time::Duration = time::Duration::hours(3);

type NumberOf = fn(&Bucket) -> Option<f64>;

impl DoraFormat for Backfill {
    fn name(&self) -> &'static str {
        "backfill"
    }

    fn file_name(&self) -> &'static str {
        "dora.backfill.om"
    }

    fn about(&self) -> &'static str {
        "OpenMetrics with a timestamp per day, to import the past into Prometheus with promtool"
    }

    fn write(&self, measurements: &Measurements, out: &mut dyn Write) -> io::Result<()> {
        let mut families = Families::default();
        for row in services_by_key(measurements) {
            let labels = identity(&row);
            let days = row.numbers.buckets.iter().filter(|bucket| {
                bucket.length == BucketLength::Day
                    && bucket.is_observed
                    && !bucket.is_partial
                    && bucket.to + NOT_YET <= measurements.as_of
            });
            for day in days {
                for (family, number) in daily() {
                    let Some(number) = number(day).filter(|number| number.is_finite()) else { continue };
                    let timestamp = Some(day.to.unix_timestamp());
                    let value = SampleValue::Number(number);
                    families.add(&family, Sample { labels: labels.clone(), value, timestamp });
                }
            }
        }
        write(&families.into_sorted(), Exposition::OpenMetrics, out)
    }
}

fn daily() -> [(Family, NumberOf); 4] {
    let of = |name, unit, help| family(name, FamilyType::Gauge, unit, help);
    [
        (of("daily_deployments", None, "Forward deployments that succeeded on the day that ends then."), |day| {
            day.deployments.map(float)
        }),
        (of("daily_changes", None, "Completed changes of the day that ends then."), |day| day.completed.map(float)),
        (of("daily_changes_failed", None, "Completed changes of the day that ends then, and that failed."), |day| {
            day.failed.map(float)
        }),
        (
            of(
                "daily_change_lead_time_median_seconds",
                Some("seconds"),
                "Median change lead time of the changes deployed on the day that ends then.",
            ),
            |day| day.lead_time_median_seconds,
        ),
    ]
}
