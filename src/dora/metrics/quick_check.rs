//! DORA's Quick Check: scores from 0 to 10.
//!
//! In: measures of one service. Out: a score of each of the five metrics that has one, and their means. Categories and
//! formulas are those of the check itself (<https://dora.dev/quickcheck/>): lead time, recovery and frequency in six
//! categories, (category − 1) / 5 · 10; fail rate and rework rate 10 − percent / 10. What is not known is left out of the
//! means. The check asks people for categories, so the cut between "on demand" and "daily" is ours: four a day, the 1,460
//! a year to which DORA put "on demand" in 2021.

use super::statistics::{ENOUGH_FOR_SCORE, number};
use crate::dora::{Measure, MeasureStatus, MetricName, QuickCheck};

/// Year of the survey that [`INDUSTRY`] is of.
pub const BENCHMARK_YEAR: u16 = 2025;

/// Means of all industries in that year, as scores from 0 to 10; of the two rates as tenths of a percent figure, so that
/// 1.9 is a fail rate of about 19 %.
pub const INDUSTRY: &[(MetricName, f64)] = &[
    (MetricName::ChangeLeadTime, 5.5),
    (MetricName::DeploymentFrequency, 4.8),
    (MetricName::FailedDeploymentRecoveryTime, 7.4),
    (MetricName::ChangeFailRate, 1.9),
    (MetricName::DeploymentReworkRate, 2.2),
];

/// The five metrics of the check, throughput first.
const CHECKED: &[MetricName] = &[
    MetricName::ChangeLeadTime,
    MetricName::DeploymentFrequency,
    MetricName::FailedDeploymentRecoveryTime,
    MetricName::ChangeFailRate,
    MetricName::DeploymentReworkRate,
];

/// Lines of 2023 between elite, high, medium and low fail rates, the last year in which they rose (2024: 5, 20, 10, 40 %).
const RATES_2023: &[(f64, &str)] = &[(0.05, "<=5%"), (0.10, "<=10%"), (0.15, "<=15%"), (1.0, ">15%")];

/// Category of a value, 6 best; none for metrics that have none. `value` is in the headline's unit.
pub(super) fn category(metric: MetricName, value: f64) -> Option<u8> {
    const DAY: f64 = 86_400.0;
    let of = |lines: [bool; 5]| {
        let best = lines.iter().position(|reached| *reached).unwrap_or(lines.len());
        u8::try_from(6_usize.saturating_sub(best)).ok()
    };
    match metric {
        MetricName::ChangeLeadTime | MetricName::FailedDeploymentRecoveryTime => {
            of([value < 3_600.0, value < DAY, value <= 7.0 * DAY, value <= 30.0 * DAY, value <= 180.0 * DAY])
        }
        MetricName::DeploymentFrequency => {
            of([value >= 4.0, value >= 1.0, value >= 1.0 / 7.0, value >= 1.0 / 30.0, value >= 1.0 / 180.0])
        }
        _ => None,
    }
}

/// The names of a metric's buckets, best first; empty for metrics that have none.
pub(super) fn buckets(metric: MetricName) -> Vec<&'static str> {
    match metric {
        MetricName::ChangeFailRate | MetricName::DeploymentReworkRate => {
            RATES_2023.iter().map(|(_, name)| *name).collect()
        }
        MetricName::ChangeLeadTime | MetricName::FailedDeploymentRecoveryTime | MetricName::DeploymentFrequency => {
            vec!["6", "5", "4", "3", "2", "1"]
        }
        _ => Vec::new(),
    }
}

/// The bucket of a value: the Quick Check's category, or the line of a rate.
pub(super) fn bucket(metric: MetricName, value: f64) -> Option<&'static str> {
    let names = buckets(metric);
    match metric {
        MetricName::ChangeFailRate | MetricName::DeploymentReworkRate => {
            RATES_2023.iter().find(|(line, _)| value <= *line).map(|(_, name)| *name)
        }
        _ => names.get(usize::from(6_u8.checked_sub(category(metric, value)?)?)).copied(),
    }
}

/// Score of a value.
fn score(metric: MetricName, value: f64) -> Option<f64> {
    match metric {
        MetricName::ChangeFailRate | MetricName::DeploymentReworkRate => {
            // Hundredths, so that 30 % scores 7 and not 6.999….
            Some(((10.0 - value * 10.0) * 1e9).round() / 1e9)
        }
        _ => category(metric, value).map(|category| number(u64::from(category.saturating_sub(1))) * 2.0),
    }
}

/// The check of one service.
pub(super) fn quick_check(measures: &[Measure]) -> QuickCheck {
    let mut scores: Vec<(MetricName, f64)> = Vec::new();
    for name in CHECKED {
        let measure = measures.iter().find(|measure| measure.metric == *name);
        let value = measure.filter(|measure| is_enough(measure)).and_then(|measure| measure.values.first()?.value);
        scores.extend(value.and_then(|value| score(*name, value)).map(|score| (*name, score)));
    }
    let mean = |of: &[MetricName]| {
        let known: Vec<f64> = scores.iter().filter(|(name, _)| of.contains(name)).map(|(_, score)| *score).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / number(super::statistics::size(&known)))
    };
    let (throughput, stability) = CHECKED.split_at_checked(3).unwrap_or_default();
    QuickCheck {
        benchmark_year: BENCHMARK_YEAR,
        throughput: mean(throughput),
        stability: mean(stability),
        overall: mean(CHECKED),
        scores,
    }
}

fn is_enough(measure: &Measure) -> bool {
    let said = matches!(measure.status, MeasureStatus::Ok | MeasureStatus::Partial);
    // A frequency of few is exact, and still too little for a score.
    said && (measure.metric != MetricName::DeploymentFrequency || measure.n >= ENOUGH_FOR_SCORE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_follow_the_check() {
        use MetricName::{ChangeLeadTime as Lead, DeploymentFrequency as Often};
        const DAY: f64 = 86_400.0;
        let lead = |value| category(Lead, value).unwrap();
        assert_eq!(
            [3_599.0, 3_600.0, DAY, 7.0 * DAY, 8.0 * DAY, 31.0 * DAY, 200.0 * DAY].map(lead),
            [6, 5, 4, 4, 3, 2, 1]
        );
        let often = |value| category(Often, value).unwrap();
        assert_eq!([4.0, 1.0, 0.25, 0.05, 0.01, 0.0].map(often), [6, 5, 4, 3, 2, 1]);
        assert_eq!(category(MetricName::TestPassRate, 1.0), None);
    }

    #[test]
    fn every_category_has_its_bucket() {
        assert_eq!(bucket(MetricName::ChangeLeadTime, 0.0), Some("6"));
        assert_eq!(bucket(MetricName::DeploymentFrequency, 0.0), Some("1"));
        assert_eq!(bucket(MetricName::ChangeFailRate, 0.05), Some("<=5%"));
        assert_eq!(bucket(MetricName::ChangeFailRate, 0.5), Some(">15%"));
        assert_eq!(bucket(MetricName::PipelineDuration, 0.5), None);
    }

    #[test]
    fn of_nothing_there_is_no_score() {
        let check = quick_check(&[]);
        assert_eq!((check.throughput, check.stability, check.overall), (None, None, None));
        assert_eq!(check.benchmark_year, 2025);
    }
}
