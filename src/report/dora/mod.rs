//! Metrics and deployments → bytes. One format is one file; all of them stand in [`DORA_FORMATS`].
//!
//! In: [`Measurements`]. Out: bytes in a writer. A number that is not known is absent in every format, never zero.

mod backfill;
mod brief;
mod cloudwatch;
mod deployments_csv;
mod emf;
mod exposition;
mod families;
mod html;
mod json;
mod lead_times_csv;
mod markdown;
mod metrics_csv;
mod metrics_parquet;
mod numbers;
mod openmetrics;
mod ranking;
mod seen;
mod summary;
mod wording;

pub use backfill::Backfill;
pub use brief::in_brief;
pub use cloudwatch::{CLOUDWATCH_NAMESPACE, CloudWatchPoint, CloudWatchPoints, CloudWatchUnit, cloudwatch_points};
pub use deployments_csv::DeploymentsCsv;
pub use emf::Emf;
pub use html::{DoraHtml, content_security_policy};
pub use json::DoraJson;
pub use lead_times_csv::LeadTimesCsv;
pub use markdown::DoraMarkdown;
pub use metrics_csv::MetricsCsv;
pub use metrics_parquet::{METRICS_PARQUET, write_metrics_parquet};
pub use openmetrics::{OPENMETRICS_CONTENT_TYPE, OpenMetrics, PROMETHEUS_CONTENT_TYPE, PrometheusText};
pub use summary::DoraSummary;

use std::io::{self, Write};

use crate::dora::Measurements;

/// All formats of `dora`.
pub const DORA_FORMATS: &[&dyn DoraFormat] = &[
    &DoraSummary::PLAIN,
    &DoraMarkdown,
    &DoraHtml,
    &DoraJson,
    &MetricsCsv,
    &DeploymentsCsv,
    &LeadTimesCsv,
    &OpenMetrics,
    &PrometheusText,
    &Backfill,
    &Emf,
];

/// One way to write measurements.
pub trait DoraFormat: Sync {
    /// Value of `--format`.
    fn name(&self) -> &'static str;
    /// Name of the file in the folder `dora` of a run.
    fn file_name(&self) -> &'static str;
    /// One line for `--help`.
    fn about(&self) -> &'static str;
    /// Writes everything.
    ///
    /// # Errors
    /// Whatever the writer answers.
    fn write(&self, measurements: &Measurements, out: &mut dyn Write) -> io::Result<()>;
}
