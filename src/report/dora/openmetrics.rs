//! `dora.om` and `dora.prom`: the numbers of this moment, for a scrape and for node exporter's textfile collector.
//!
//! In: measurements. Out: `OpenMetrics`, or the older text format, both without timestamps and with the same names.

use std::io::{self, Write};

use super::DoraFormat;
use super::exposition::{Exposition, write};
use super::families::snapshot;
use crate::dora::Measurements;

/// What an answer with the `openmetrics` format says that it is.
pub const OPENMETRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What an answer with the `prometheus` format says that it is.
pub const PROMETHEUS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The `openmetrics` format.
#[derive(Debug, Clone, Copy)]
pub struct OpenMetrics;

impl DoraFormat for OpenMetrics {
    fn name(&self) -> &'static str {
        "openmetrics"
    }

    fn file_name(&self) -> &'static str {
        "dora.om"
    }

    fn about(&self) -> &'static str {
        "OpenMetrics snapshot without timestamps, as `dora serve` answers a scrape"
    }

    fn write(&self, measurements: &Measurements, out: &mut dyn Write) -> io::Result<()> {
        write(&snapshot(measurements), Exposition::OpenMetrics, out)
    }
}

/// The `prometheus` format.
#[derive(Debug, Clone, Copy)]
pub struct PrometheusText;

impl DoraFormat for PrometheusText {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    fn file_name(&self) -> &'static str {
        "dora.prom"
    }

    fn about(&self) -> &'static str {
        "the same in Prometheus' text format, for node exporter's textfile collector"
    }

    fn write(&self, measurements: &Measurements, out: &mut dyn Write) -> io::Result<()> {
        write(&snapshot(measurements), Exposition::Text, out)
    }
}
