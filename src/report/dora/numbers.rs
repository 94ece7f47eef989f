//! Numbers as cells and as words.
//!
//! In: a value and its unit. Out: a cell for programs (seconds as integers, ratios with six decimals) or a few words for
//! people (`2 h 30 min`, `25 %`). What is not known is an empty cell, or a dash: never zero.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::dora::{MetricName, Unit, Value};

/// What stands where a number is not known.
pub(super) const UNKNOWN: &str = "–";

/// A cell of a table for programs; empty if the number is not known or is none.
pub(super) fn cell(value: Option<f64>, unit: Unit) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else { return String::new() };
    match unit {
        Unit::Seconds => format!("{value:.0}"),
        Unit::Count if value.fract() == 0.0 => format!("{value:.0}"),
        Unit::Ratio | Unit::PerDay | Unit::PerWeek | Unit::Count => format!("{value:.6}"),
        Unit::Score => format!("{value:.2}"),
    }
}

/// Words for people; a dash if the number is not known.
pub(super) fn words(value: Option<f64>, unit: Unit) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else { return UNKNOWN.to_owned() };
    match unit {
        Unit::Seconds => duration(value),
        Unit::Ratio => format!("{} %", trimmed(value * 100.0, 1)),
        Unit::PerDay => format!("{} a day", trimmed(value, 2)),
        Unit::PerWeek => format!("{} a week", trimmed(value, 2)),
        Unit::Count => trimmed(value, 2),
        Unit::Score => format!("{} of 10", trimmed(value, 2)),
    }
}

/// The number that stands for a metric of a service.
pub(super) fn value_in_words(value: &Value) -> String {
    words(value.value, value.unit)
}

/// Whole seconds in the two largest units that say something.
pub(super) fn duration(seconds: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s")];
    let seconds = seconds.round().max(0.0);
    for (place, (length, name)) in UNITS.iter().enumerate() {
        if seconds >= *length {
            let whole = (seconds / length).floor();
            let rest = seconds - whole * length;
            let next = UNITS.get(place + 1).map(|(length, name)| ((rest / length).floor(), *name));
            return match next {
                Some((count, next)) if count >= 1.0 => format!("{whole:.0} {name} {count:.0} {next}"),
                _ => format!("{whole:.0} {name}"),
            };
        }
    }
    "0 s".to_owned()
}

/// At most `decimals` decimals, without zeros at the end; what is above zero is never shown as zero.
fn trimmed(value: f64, decimals: usize) -> String {
    let mut shown = format!("{value:.decimals$}");
    if value > 0.0 && shown.bytes().all(|byte| matches!(byte, b'0' | b'.')) {
        shown = format!("{value:.1e}");
        return shown;
    }
    if shown.contains('.') {
        let length = shown.trim_end_matches('0').trim_end_matches('.').len();
        shown.truncate(length);
    }
    shown
}

/// RFC 3339 in UTC, to the second.
pub(super) fn moment(time: OffsetDateTime) -> String {
    let time = time.to_offset(time::UtcOffset::UTC);
    // Times outside of the years 0 to 9999 cannot be written; no history holds any.
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_default()
}

/// RFC 3339 in UTC; empty if it is not known.
pub(super) fn moment_or_empty(time: Option<OffsetDateTime>) -> String {
    time.map(moment).unwrap_or_default()
}

/// `2026-06-29 12:30`, for people.
pub(super) fn minute(time: OffsetDateTime) -> String {
    let text = moment(time);
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute}"),
        _ => text,
    }
}

/// A count as a float.
#[expect(clippy::cast_precision_loss, reason = "counts of deployments and seconds of a century are far below 2^53")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// The value at `share` of `sorted`, by linear interpolation (R-7, as `PERCENTILE_CONT`); none of nothing.
pub(super) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = float(u64::try_from(sorted.len()).ok()?.checked_sub(1)?);
    let place = share.clamp(0.0, 1.0) * last;
    let below = sorted.iter().zip(0_u64..).take_while(|(_, index)| float(*index) <= place).last()?;
    let above = sorted.iter().zip(0_u64..).find(|(_, index)| float(*index) >= place)?;
    Some(below.0 + (above.0 - below.0) * (place - float(below.1)))
}

/// What a metric's number is, in the head of a column.
pub(super) fn short_title(metric: MetricName) -> &'static str {
    match metric {
        MetricName::DeploymentFrequency => "deploys",
        MetricName::ChangeLeadTime => "lead time",
        MetricName::ChangeFailRate => "fail rate",
        MetricName::FailedDeploymentRecoveryTime => "recovery",
        MetricName::DeploymentReworkRate => "rework",
        MetricName::PipelineDuration => "pipeline",
        MetricName::TestPassRate => "tests",
        MetricName::PipelineLeadTime => "pipeline lead",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_say_the_two_largest_units() {
        assert_eq!(duration(0.0), "0 s");
        assert_eq!(duration(59.6), "1 min");
        assert_eq!(duration(9_000.0), "2 h 30 min");
        assert_eq!(duration(3_600.0), "1 h");
        assert_eq!(duration(90_061.0), "1 d 1 h");
        assert_eq!(duration(-5.0), "0 s");
    }

    #[test]
    fn what_is_not_known_is_never_zero() {
        assert_eq!(cell(None, Unit::Ratio), "");
        assert_eq!(cell(Some(f64::NAN), Unit::Seconds), "");
        assert_eq!(words(None, Unit::Count), UNKNOWN);
        assert_eq!(words(Some(f64::INFINITY), Unit::Count), UNKNOWN);
        assert_eq!(words(Some(0.0004), Unit::PerDay), "4.0e-4 a day");
        assert_eq!(words(Some(0.0), Unit::Ratio), "0 %");
    }

    #[test]
    fn cells_have_fixed_decimals() {
        assert_eq!(cell(Some(0.25), Unit::Ratio), "0.250000");
        assert_eq!(cell(Some(5_400.5), Unit::Seconds), "5400");
        assert_eq!(cell(Some(7.0), Unit::Count), "7");
        assert_eq!(cell(Some(7.5), Unit::Count), "7.500000");
    }

    #[test]
    fn quantiles_are_interpolated() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[4.0], 0.9), Some(4.0));
        assert_eq!(quantile(&[1.0, 9.0], 0.5), Some(5.0));
        assert_eq!(quantile(&[1.0, 2.0, 10.0, 20.0], 0.5), Some(6.0));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.25), Some(2.0));
    }
}
