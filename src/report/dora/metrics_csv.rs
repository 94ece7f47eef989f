//! `metrics.csv`: every number of every group in long form, one line each.
//!
//! In: measurements. Out: RFC 4180 with a header line. A metric without a number has a line too, with an empty value, its
//! status and the reasons: what cannot be said is said.

use std::io::{self, Write};

use csv::Writer;

use super::DoraFormat;
use super::numbers::{cell, moment, moment_or_empty};
use crate::dora::{Basis, GroupMeasurements, Measure, Measurements, QuickCheck, Tier, Unit, Value};
use crate::history::HistorySource;
use crate::report::spreadsheet::{table, write_row};

/// The `metrics-csv` format.
#[derive(Debug, Clone, Copy)]
pub struct MetricsCsv;

const COLUMNS: [&str; 21] = [
    "schema_version",
    "as_of",
    "from",
    "window",
    "time_zone",
    "group_kind",
    "group_key",
    "group_name",
    "metric",
    "statistic",
    "labels",
    "value",
    "unit",
    "n",
    "metric_n",
    "status",
    "tier",
    "basis",
    "observed_from",
    "sources",
    "reasons",
];

impl DoraFormat for MetricsCsv {
    fn name(&self) -> &'static str {
        "metrics-csv"
    }

    fn file_name(&self) -> &'static str {
        "metrics.csv"
    }

    fn about(&self) -> &'static str {
        "every number of every group in long form, with n, status and reasons"
    }

    fn write(&self, measurements: &Measurements, out: &mut dyn Write) -> io::Result<()> {
        let mut rows = Rows {
            version: measurements.schema_version.to_string(),
            as_of: moment(measurements.as_of),
            from: moment(measurements.from),
            measurements,
            table: table(out),
        };
        rows.table.write_record(COLUMNS)?;
        for group in &measurements.groups {
            for measure in &group.measures {
                if measure.values.is_empty() {
                    rows.measure(group, measure, None)?;
                }
                for value in &measure.values {
                    rows.measure(group, measure, Some(value))?;
                }
            }
            if let Some(quick_check) = &group.quick_check {
                rows.quick_check(group, quick_check)?;
            }
        }
        rows.table.flush()
    }
}

struct Rows<'a, W: Write> {
    version: String,
    as_of: String,
    from: String,
    measurements: &'a Measurements,
    table: Writer<W>,
}

impl<W: Write> Rows<'_, W> {
    fn measure(&mut self, group: &GroupMeasurements, measure: &Measure, value: Option<&Value>) -> io::Result<()> {
        let labels: Vec<String> = value
            .map_or(&[][..], |value| value.labels.as_slice())
            .iter()
            .map(|(name, text)| format!("{name}={text}"))
            .collect();
        let number = value.map(|value| cell(value.value, value.unit)).unwrap_or_default();
        let sources: Vec<&str> = measure.sources.iter().map(|source| HistorySource::name(*source)).collect();
        self.row(
            group,
            [
                measure.metric.name(),
                value.map_or("", |value| value.statistic),
                &labels.join("; "),
                &number,
                value.map_or("", |value| value.unit.name()),
                &value.map(|value| value.n.to_string()).unwrap_or_default(),
                &measure.n.to_string(),
                measure.status.name(),
                measure.tier.map_or("", Tier::name),
                measure.basis.map_or("", Basis::name),
                &moment_or_empty(measure.observed_from),
                &sources.join("; "),
                &measure.reasons.join("; "),
            ],
        )
    }

    /// The Quick Check's scores are no metrics, but belong to the same table.
    fn quick_check(&mut self, group: &GroupMeasurements, quick_check: &QuickCheck) -> io::Result<()> {
        let year = format!("benchmark_year={}", quick_check.benchmark_year);
        let parts = [
            ("throughput", quick_check.throughput),
            ("stability", quick_check.stability),
            ("overall", quick_check.overall),
        ];
        let scores = quick_check.scores.iter().map(|(metric, score)| (metric.name(), Some(*score)));
        for (statistic, score) in scores.chain(parts).filter(|(_, score)| score.is_some()) {
            let number = cell(score, Unit::Score);
            self.row(
                group,
                ["quick_check", statistic, &year, &number, Unit::Score.name(), "", "", "", "", "", "", "", ""],
            )?;
        }
        Ok(())
    }

    fn row(&mut self, group: &GroupMeasurements, cells: [&str; 13]) -> io::Result<()> {
        let group = &group.group;
        let head: [&str; 8] = [
            &self.version,
            &self.as_of,
            &self.from,
            &self.measurements.window,
            &self.measurements.time_zone,
            group.kind.name(),
            &group.key,
            &group.name,
        ];
        let row: Vec<&str> = head.into_iter().chain(cells).collect();
        write_row(&mut self.table, &row)
    }
}
