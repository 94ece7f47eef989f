//! What a metric reads off a pool, before the frame says how far it can be trusted.

use super::statistics::{ENOUGH_FOR_SCORE, Sample, number, share};
use crate::dora::{Basis, Distribution, MeasureStatus, Statistic, Tier, Unit, Value};

/// Numbers of one metric.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// How many observations.
    pub(super) n: u64,
    /// The numbers; the first is the one to show.
    pub(super) values: Vec<Value>,
    /// [`MeasureStatus::Ok`] unless the observations themselves are too few or missing.
    pub(super) status: MeasureStatus,
    /// Why, and what was left out.
    pub(super) reasons: Vec<String>,
    /// The worst begin of changes that occurs.
    pub(super) tier: Option<Tier>,
    /// What speaks of failure.
    pub(super) basis: Option<Basis>,
    /// Observations by length.
    pub(super) distribution: Option<Distribution>,
    /// Whether CloudTrail's events were used.
    pub(super) uses_events: bool,
}

impl Reading {
    /// Numbers of `n` observations.
    pub(super) fn new(n: u64, values: Vec<Value>) -> Self {
        Self {
            n,
            values,
            status: MeasureStatus::Ok,
            reasons: Vec::new(),
            tier: None,
            basis: None,
            distribution: None,
            uses_events: false,
        }
    }

    /// With a status other than ok, and why.
    pub(super) fn lowered(mut self, status: MeasureStatus, reason: impl Into<String>) -> Self {
        self.status = status;
        self.reasons.insert(0, reason.into());
        self
    }

    /// With less than the whole window, and why.
    pub(super) fn partial(self, reason: impl Into<String>) -> Self {
        let status = if self.status == MeasureStatus::Ok { MeasureStatus::Partial } else { self.status };
        self.lowered(status, reason)
    }

    /// With too little for a score where the `population` is below five.
    pub(super) fn gated(self, population: u64, noun: &str) -> Self {
        if population >= ENOUGH_FOR_SCORE || self.status != MeasureStatus::Ok {
            return self;
        }
        let few = counted(population, noun);
        self.lowered(
            MeasureStatus::InsufficientData,
            format!("{few} in the window: too few for a score, which needs {ENOUGH_FOR_SCORE}"),
        )
    }
}

impl Value {
    /// A number of `n` observations.
    pub(super) fn new(statistic: Statistic, value: Option<f64>, unit: Unit, n: u64) -> Self {
        Self { statistic, value, unit, n, labels: Vec::new() }
    }

    /// A number of things, which is its own number of observations.
    pub(super) fn count(statistic: Statistic, count: u64) -> Self {
        Self::new(statistic, Some(number(count)), Unit::Count, count)
    }

    /// The median of a sample.
    pub(super) fn median(statistic: Statistic, sample: &Sample, unit: Unit) -> Self {
        Self::new(statistic, sample.median(), unit, sample.n())
    }

    /// With a label.
    pub(super) fn labelled(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.labels.push((name, text.into()));
        self.labels.sort();
        self
    }
}

/// `ratio`, `low` and `high` of a share.
pub(super) fn ratio(part: u64, whole: u64) -> Vec<Value> {
    let share = share(part, whole);
    vec![
        Value::new("ratio", share.map(|share| share.ratio), Unit::Ratio, whole),
        Value::new("low", share.map(|share| share.low), Unit::Ratio, whole),
        Value::new("high", share.map(|share| share.high), Unit::Ratio, whole),
    ]
}

/// A sample by upper bounds in seconds.
pub(super) fn distribution(sample: &Sample, bounds: &[u64]) -> Option<Distribution> {
    if sample.n() == 0 {
        return None;
    }
    let up_to = |bound: f64| sample.sorted().partition_point(|value| *value <= bound);
    let ends = bounds.iter().map(|bound| up_to(number(*bound))).chain([sample.sorted().len()]);
    let mut before = 0;
    let counts = ends.map(|end| {
        let count = end.saturating_sub(before);
        before = end;
        u64::try_from(count).unwrap_or(u64::MAX)
    });
    Some(Distribution { counts: counts.collect(), bounds: bounds.to_vec(), sum: sample.sum() })
}

/// `1 deployment`, `2 deployments`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_are_counted_up_to_and_with_their_bound() {
        let sample: Sample = [1.0, 10.0, 11.0, 500.0].into_iter().collect();
        let found = distribution(&sample, &[10, 100]).unwrap();
        assert_eq!((found.counts, found.bounds), (vec![2, 1, 1], vec![10, 100]));
        assert_eq!(distribution(&Sample::default(), &[10]), None);
    }
}
