//! `dora/parquet/metrics.parquet`: every number of every group, for Athena, `QuickSight` and the like.
//!
//! In: measurements. Out: a table in Apache Parquet with the rows of `metrics.csv`, but with types: times, numbers, lists. It
//! stands alone in its folder, because a table of Athena is a folder. A metric without a number has a row too, with a null,
//! its status and the reasons. `infra/history` and `infra/athena/tables.sql` have the table; columns are only ever added.

use std::io::{self, Write};

use super::numbers::{moment, moment_or_empty};
use crate::dora::{Basis, GroupMeasurements, Measure, Measurements, QuickCheck, Tier, Unit, Value};
use crate::history::HistorySource;
use crate::report::parquet_table::{Cell, Kind, Table};

/// Its place in the folder of a run.
pub const METRICS_PARQUET: &str = "dora/parquet/metrics.parquet";

const COLUMNS: [(&str, Kind); 20] = [
    ("as_of", Kind::Time),
    ("window_from", Kind::Time),
    ("window_length", Kind::Text),
    ("time_zone", Kind::Text),
    ("group_kind", Kind::Text),
    ("group_key", Kind::Text),
    ("group_name", Kind::Text),
    ("metric", Kind::Text),
    ("statistic", Kind::MaybeText),
    ("labels", Kind::Texts),
    ("value", Kind::Number),
    ("unit", Kind::MaybeText),
    ("n", Kind::Count),
    ("metric_n", Kind::Count),
    ("status", Kind::MaybeText),
    ("tier", Kind::MaybeText),
    ("basis", Kind::MaybeText),
    ("observed_from", Kind::Time),
    ("sources", Kind::Texts),
    ("reasons", Kind::Texts),
];

/// Writes the table.
///
/// # Errors
/// Whatever the writer answers.
pub fn write_metrics_parquet(measurements: &Measurements, out: &mut dyn Write) -> io::Result<()> {
    let table = Table::start("metrics", &COLUMNS, &[], out)?;
    let (as_of, from) = (moment(measurements.as_of), moment(measurements.from));
    let mut rows = Rows { as_of, from, measurements, table };
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
    rows.table.finish()
}

struct Rows<'a> {
    as_of: String,
    from: String,
    measurements: &'a Measurements,
    table: Table<'a>,
}

/// A number that is one.
fn number(value: Option<f64>) -> Cell<'static> {
    value.filter(|value| value.is_finite()).map_or(Cell::Null, Cell::Number)
}

impl Rows<'_> {
    fn measure(&mut self, group: &GroupMeasurements, measure: &Measure, value: Option<&Value>) -> io::Result<()> {
        let labels = value.map_or(&[][..], |value| value.labels.as_slice());
        let labels: Vec<String> = labels.iter().map(|(name, text)| format!("{name}={text}")).collect();
        let sources: Vec<String> =
            measure.sources.iter().map(|source| HistorySource::name(*source).to_owned()).collect();
        self.row(
            group,
            &[
                Cell::Text(measure.metric.name()),
                Cell::maybe(value.map(|value| value.statistic)),
                Cell::Texts(&labels),
                number(value.and_then(|value| value.value)),
                Cell::maybe(value.map(|value| value.unit.name())),
                Cell::Count(value.map_or(0, |value| value.n)),
                Cell::Count(measure.n),
                Cell::Text(measure.status.name()),
                Cell::maybe(measure.tier.map(Tier::name)),
                Cell::maybe(measure.basis.map(Basis::name)),
                Cell::Time(&moment_or_empty(measure.observed_from)),
                Cell::Texts(&sources),
                Cell::Texts(&measure.reasons),
            ],
        )
    }

    /// The Quick Check's scores are no metrics, but belong to the same table.
    fn quick_check(&mut self, group: &GroupMeasurements, quick_check: &QuickCheck) -> io::Result<()> {
        let year = [format!("benchmark_year={}", quick_check.benchmark_year)];
        let parts = [
            ("throughput", quick_check.throughput),
            ("stability", quick_check.stability),
            ("overall", quick_check.overall),
        ];
        let scores = quick_check.scores.iter().map(|(metric, score)| (metric.name(), Some(*score)));
        for (statistic, score) in scores.chain(parts).filter(|(_, score)| score.is_some()) {
            self.row(
                group,
                &[
                    Cell::Text("quick_check"),
                    Cell::Text(statistic),
                    Cell::Texts(&year),
                    number(score),
                    Cell::Text(Unit::Score.name()),
                    Cell::Count(0),
                    Cell::Count(0),
                    Cell::Null,
                    Cell::Null,
                    Cell::Null,
                    Cell::Null,
                    Cell::Texts(&[]),
                    Cell::Texts(&[]),
                ],
            )?;
        }
        Ok(())
    }

    fn row(&mut self, group: &GroupMeasurements, cells: &[Cell<'_>; 13]) -> io::Result<()> {
        let group = &group.group;
        let head = [
            Cell::Time(&self.as_of),
            Cell::Time(&self.from),
            Cell::Text(&self.measurements.window),
            Cell::Text(&self.measurements.time_zone),
            Cell::Text(group.kind.name()),
            Cell::Text(&group.key),
            Cell::Text(&group.name),
        ];
        let row: Vec<Cell<'_>> = head.iter().chain(cells).copied().collect();
        self.table.push(&row)
    }
}
