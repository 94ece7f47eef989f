//! The metrics as facts, so that an organization can hold a service to its own targets.
//!
//! In: the measures of a service. Out: whole numbers, rounded to the disadvantage of the service, and only where the
//! metric is `ok`: a partial number passes nothing.

use serde_json::Value;

use super::super::{GroupMeasurements, MeasureStatus, MetricName};
use super::verdict::{hide, undecided};
use crate::inventory::Resource;

/// Property, metric, and what one of the property's unit is of the metric's, with the direction of rounding.
const MEASURED: &[(&str, MetricName, Scale)] = &[
    ("ChangeFailPercent", MetricName::ChangeFailRate, Scale::PercentUp),
    ("ChangeLeadTimeMinutes", MetricName::ChangeLeadTime, Scale::MinutesUp),
    ("RecoveryMinutes", MetricName::FailedDeploymentRecoveryTime, Scale::MinutesUp),
    ("PipelineDurationMinutes", MetricName::PipelineDuration, Scale::MinutesUp),
    ("TestPassPercent", MetricName::TestPassRate, Scale::PercentDown),
];

#[derive(Clone, Copy)]
enum Scale {
    /// Of a ratio, upwards.
    PercentUp,
    /// Of a ratio, downwards.
    PercentDown,
    /// Of seconds, upwards.
    MinutesUp,
}

impl Scale {
    fn whole(self, value: f64) -> Option<i64> {
        let scaled = match self {
            // A tenth of a thousandth keeps 0.15 × 100 from becoming 16.
            Self::PercentUp => (value * 100.0 - 1e-4).ceil(),
            Self::PercentDown => (value * 100.0 + 1e-4).floor(),
            Self::MinutesUp => (value / 60.0 - 1e-4).ceil(),
        };
        // Through text: no number that a float holds is too large for that.
        format!("{:.0}", scaled.max(0.0)).parse().ok()
    }
}

/// Writes the metrics of a service.
pub(super) fn write(resource: &mut Resource, group: Option<&GroupMeasurements>) {
    for (property, metric, scale) in MEASURED {
        let measure = group.and_then(|group| group.measures.iter().find(|measure| measure.metric == *metric));
        let value = measure
            .filter(|measure| measure.status == MeasureStatus::Ok)
            .and_then(|measure| measure.values.first()?.value)
            .and_then(|value| scale.whole(value));
        if let Some(value) = value {
            resource.properties.insert((*property).to_owned(), Value::from(value));
            continue;
        }
        let why = match measure {
            None => "it was not measured".to_owned(),
            Some(measure) => {
                let reasons = measure.reasons.join("; ");
                let status = measure.status.name();
                if reasons.is_empty() { format!("it is {status}") } else { format!("it is {status}: {reasons}") }
            }
        };
        let gap = undecided(resource, format!("{}: {why}", metric.title()));
        hide(resource, property, gap);
    }
}

#[cfg(test)]
mod tests {
    use super::Scale;

    #[test]
    fn numbers_are_rounded_against_the_service() {
        assert_eq!(Scale::PercentUp.whole(0.15), Some(15));
        assert_eq!(Scale::PercentUp.whole(0.1501), Some(16));
        assert_eq!(Scale::PercentDown.whole(0.95), Some(95));
        assert_eq!(Scale::PercentDown.whole(0.9499), Some(94));
        assert_eq!(Scale::MinutesUp.whole(60.0), Some(1));
        assert_eq!(Scale::MinutesUp.whole(61.0), Some(2));
        assert_eq!(Scale::MinutesUp.whole(f64::NAN), Some(0));
    }
}
