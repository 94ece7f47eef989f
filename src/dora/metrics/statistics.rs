//! Percentiles and intervals.
//!
//! In: observations. Out: statistics, or nothing where there is nothing to say. Percentiles interpolate linearly between
//! neighbours (R-7, `PERCENTILE_CONT`), so that the median of 1 and 9 is 5; a share of few comes with the interval in
//! which the true share lies, since 0 of 3 is not "never".

use time::OffsetDateTime;

use crate::dora::Measure;

/// A share's numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Share {
    /// The share itself, 0 to 1.
    pub(super) ratio: f64,
    /// Lower end of Wilson's 95 % interval.
    pub(super) low: f64,
    /// Upper end of it.
    pub(super) high: f64,
}

/// A quantile as a fraction, so that positions are computed in whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quantile {
    of: u64,
    parts: u64,
}

pub(super) const P25: Quantile = Quantile { of: 1, parts: 4 };
pub(super) const MEDIAN: Quantile = Quantile { of: 1, parts: 2 };
pub(super) const P75: Quantile = Quantile { of: 3, parts: 4 };
pub(super) const P90: Quantile = Quantile { of: 9, parts: 10 };

/// Fewer observations than this make no 90th percentile: it would be the maximum.
pub(super) const ENOUGH_FOR_P90: usize = 10;

/// Fewer observations than this make no score.
pub(super) const ENOUGH_FOR_SCORE: u64 = Measure::ENOUGH;

/// A count as a number that can be divided.
#[expect(clippy::cast_precision_loss, reason = "counts and seconds of a history stay far below 2^53")]
pub(super) fn number(count: u64) -> f64 {
    count as f64
}

/// How many there are.
pub(super) fn size<T>(of: &[T]) -> u64 {
    u64::try_from(of.len()).unwrap_or(u64::MAX)
}

/// Seconds between two moments; below zero where the second came first.
pub(super) fn seconds(from: OffsetDateTime, to: OffsetDateTime) -> f64 {
    (to - from).as_seconds_f64()
}

/// Observations in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sample(Vec<f64>);

impl Sample {
    /// How many.
    pub(super) fn n(&self) -> u64 {
        size(&self.0)
    }

    /// Sum of all.
    pub(super) fn sum(&self) -> f64 {
        self.0.iter().sum()
    }

    /// The observations, rising.
    pub(super) fn sorted(&self) -> &[f64] {
        &self.0
    }

    /// A quantile by linear interpolation; none of nothing.
    pub(super) fn quantile(&self, quantile: Quantile) -> Option<f64> {
        let last = self.n().checked_sub(1)?;
        let position = last.checked_mul(quantile.of)?;
        let (below, rest) = (position / quantile.parts, position % quantile.parts);
        let at = |index: u64| self.0.get(usize::try_from(index).ok()?).copied();
        let low = at(below)?;
        let high = if rest == 0 { low } else { at(below + 1)? };
        Some(low + (high - low) * number(rest) / number(quantile.parts))
    }

    /// The median; none of nothing.
    pub(super) fn median(&self) -> Option<f64> {
        self.quantile(MEDIAN)
    }

    /// The 90th percentile; none of fewer than ten.
    pub(super) fn p90(&self) -> Option<f64> {
        (self.0.len() >= ENOUGH_FOR_P90).then(|| self.quantile(P90)).flatten()
    }
}

impl FromIterator<f64> for Sample {
    fn from_iter<I: IntoIterator<Item = f64>>(iterator: I) -> Self {
        let mut values: Vec<f64> = iterator.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }
}

/// A share with Wilson's 95 % interval; none of nothing.
pub(super) fn share(part: u64, whole: u64) -> Option<Share> {
    const Z: f64 = 1.959_963_984_540_054;
    if whole == 0 {
        return None;
    }
    let n = number(whole);
    let ratio = number(part.min(whole)) / n;
    let scale = 1.0 + Z * Z / n;
    let centre = (ratio + Z * Z / (2.0 * n)) / scale;
    let half = Z * (ratio * (1.0 - ratio) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
    // At 0 and 1 rounding would put the share a hair outside of its own interval.
    let low = (centre - half).max(0.0).min(ratio);
    let high = (centre + half).min(1.0).max(ratio);
    Some(Share { ratio, low, high })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(values: &[f64]) -> Sample {
        values.iter().copied().collect()
    }

    #[test]
    fn a_median_lies_between_its_neighbours() {
        assert_eq!(sample(&[1.0, 9.0]).median(), Some(5.0));
        assert_eq!(sample(&[20.0, 1.0, 10.0, 2.0]).median(), Some(6.0));
        assert_eq!(sample(&[7.0]).median(), Some(7.0));
        assert_eq!(sample(&[]).median(), None);
        assert_eq!(sample(&[1.0, 2.0, 3.0, 4.0]).quantile(P25), Some(1.75));
        assert_eq!(sample(&[1.0, 2.0, 3.0, 4.0]).quantile(P75), Some(3.25));
    }

    #[test]
    fn nine_observations_have_no_ninetieth_percentile() {
        let up_to = |n: u32| (1..=n).map(f64::from).collect::<Sample>();
        assert_eq!(up_to(9).p90(), None);
        assert!((up_to(10).p90().unwrap() - 9.1).abs() < 1e-9);
    }

    #[test]
    fn a_share_of_few_has_a_wide_interval() {
        let quarter = share(2, 8).unwrap();
        assert_eq!(format!("{:.3} {:.3} {:.3}", quarter.ratio, quarter.low, quarter.high), "0.250 0.071 0.591");
        let third = share(3, 10).unwrap();
        assert_eq!(format!("{:.3} {:.3} {:.3}", third.ratio, third.low, third.high), "0.300 0.108 0.603");
        assert_eq!(share(0, 0), None);
        let none = share(0, 3).unwrap();
        assert!(none.ratio == 0.0 && none.low == 0.0 && none.high > 0.5);
    }

    proptest! {
        #[test]
        fn a_share_lies_in_its_interval_and_the_interval_in_zero_to_one(part in 0u64..500, more in 0u64..500) {
            prop_assume!(part + more > 0);
            let share = share(part, part + more).unwrap();
            prop_assert!(0.0 <= share.low && share.low <= share.ratio);
            prop_assert!(share.ratio <= share.high && share.high <= 1.0);
        }

        #[test]
        fn quantiles_rise_and_stay_within_and_order_changes_nothing(values in prop::collection::vec(-1e9f64..1e9, 1..60)) {
            let forth = sample(&values);
            let back: Sample = values.iter().rev().copied().collect();
            prop_assert_eq!(&forth, &back);
            let all: Vec<f64> = [P25, MEDIAN, P75, P90].map(|q| forth.quantile(q).unwrap()).to_vec();
            prop_assert!(all.is_sorted());
            let (first, last) = (forth.sorted().first().unwrap(), forth.sorted().last().unwrap());
            prop_assert!(all.iter().all(|value| first <= value && value <= last));
        }

        #[test]
        fn the_median_has_as_many_below_as_above(values in prop::collection::vec(0u32..1000, 1..40)) {
            let sample: Sample = values.iter().map(|v| f64::from(*v)).collect();
            let median = sample.median().unwrap();
            let below = sample.sorted().iter().filter(|v| **v < median).count();
            let above = sample.sorted().iter().filter(|v| **v > median).count();
            prop_assert!(below <= values.len() / 2 && above <= values.len() / 2);
        }
    }
}
