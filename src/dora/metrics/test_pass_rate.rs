//! Test pass rate: the share of test runs, and of test cases, that pass.
//!
//! In: runs of tests. Out: `ratio` with `low` and `high` of runs in the end (`level` = `run`), `first_ratio` at the first
//! attempt, `ratio` of cases (`level` = `case`), `line` (0.95) and `meets_line` (1 or 0). The first value is of runs, or of
//! cases where no run is known. Infrastructure faults and stops are neither passed nor failed. AWS keeps reports for 30
//! days, so cases of a longer window are only a part of it.

use super::Metric;
use super::pool::Pool;
use super::reading::{Reading, ratio};
use super::statistics::{number, share};
use crate::dora::{MeasureStatus, MetricName, Statistic, TestRun, Unit, Value};
use crate::history::HistorySource;

/// Below this, a red test no longer says that the change is bad.
pub(super) const LINE: f64 = 0.95;

/// How long AWS keeps test reports, in days.
const KEPT_DAYS: f64 = 30.0;

/// Test pass rate.
#[derive(Debug)]
pub(super) struct TestPassRate;

impl Metric for TestPassRate {
    fn name(&self) -> MetricName {
        MetricName::TestPassRate
    }

    fn headline(&self) -> (Statistic, Unit) {
        ("ratio", Unit::Ratio)
    }

    fn sources(&self) -> &'static [HistorySource] {
        &[HistorySource::PipelineExecutions, HistorySource::Builds, HistorySource::TestReports]
    }

    fn read(&self, pool: &Pool<'_>) -> Reading {
        let tests: Vec<&TestRun> = pool.tests().collect();
        let tally = |passed: fn(&TestRun) -> Option<bool>| {
            let known: Vec<bool> = tests.iter().filter_map(|test| passed(test)).collect();
            let good = known.iter().filter(|passed| **passed).count();
            [good, known.len()].map(|count| u64::try_from(count).unwrap_or(u64::MAX))
        };
        let [passed, runs] = tally(|test| test.passed);
        let [first_passed, first_runs] = tally(|test| test.first_passed);
        let cases = tests.iter().filter_map(|test| test.cases_passed.zip(test.cases_run));
        let (cases_passed, cases_run) = cases.fold((0_u64, 0_u64), |(passed, run), (more_passed, more_run)| {
            // A report never has more that passed than ran, whatever a file says.
            (passed.saturating_add(more_passed.min(more_run)), run.saturating_add(more_run))
        });
        let level = |values: Vec<Value>, name: &str| values.into_iter().map(|v| v.labelled("level", name)).collect();
        let of_runs: Vec<Value> = level(ratio(passed, runs), "run");
        let of_cases: Vec<Value> = level(ratio(cases_passed, cases_run), "case");
        let first = share(first_passed, first_runs).map(|share| share.ratio);
        let shown = if runs > 0 { share(passed, runs) } else { share(cases_passed, cases_run) };
        let n = if runs > 0 { runs } else { cases_run };
        let mut values = Vec::new();
        let (before, after) = if runs > 0 || cases_run == 0 { (of_runs, of_cases) } else { (of_cases, of_runs) };
        values.extend(before);
        values.extend(after.into_iter().filter(|value| value.value.is_some()));
        values.push(Value::new("first_ratio", first, Unit::Ratio, first_runs).labelled("level", "run"));
        values.push(Value::new("line", Some(LINE), Unit::Ratio, n));
        let meets = shown.map(|share| number(u64::from(share.ratio >= LINE)));
        values.push(Value::new("meets_line", meets, Unit::Count, n));
        let reading = Reading::new(n, values);
        if pool.measured.iter().all(|measured| !measured.part.owns_tests()) {
            let reason = "tests are told apart by service, not by pipeline";
            return reading.lowered(MeasureStatus::NotMeasurable, reason);
        }
        if n == 0 {
            let reason = "no test action, build or report was seen";
            return reading.lowered(MeasureStatus::NotMeasurable, reason);
        }
        let reaches_back =
            |window| pool.measured.iter().all(|measured| measured.part.data.observation.reports_reach_back(window));
        if cases_run > 0 && pool.window.length_in_days() > KEPT_DAYS && !reaches_back(pool.window) {
            let reason = "AWS keeps test reports for 30 days: cases are only a part of the window";
            return reading.gated(n, "test run").partial(reason);
        }
        reading.gated(n, "test run")
    }
}
