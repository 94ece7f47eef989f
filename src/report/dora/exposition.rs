//! Families → text.
//!
//! In: families. Out: `OpenMetrics` 1.0 (<https://prometheus.io/docs/specs/om/open_metrics_spec/>), or the older text format
//! that node exporter's textfile collector reads (<https://prometheus.io/docs/instrumenting/exposition_formats/>). The
//! older format knows gauges and histograms only, so an info and a set of states are gauges there, and a histogram ends
//! with `_count` and `_sum` instead of `_gcount` and `_gsum`.

use std::io::{self, Write};

use super::families::{Family, FamilyType, Sample, SampleValue};
use super::numbers::float;
use crate::dora::Distribution;

/// Which text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exposition {
    OpenMetrics,
    Text,
}

/// Writes families, in the order given.
pub(super) fn write(families: &[Family], exposition: Exposition, out: &mut dyn Write) -> io::Result<()> {
    for family in families {
        write_head(family, exposition, out)?;
        for sample in &family.samples {
            write_sample(family, sample, exposition, out)?;
        }
    }
    match exposition {
        Exposition::OpenMetrics => out.write_all(b"# EOF\n"),
        Exposition::Text => Ok(()),
    }
}

fn write_head(family: &Family, exposition: Exposition, out: &mut dyn Write) -> io::Result<()> {
    let kind = match (family.kind, exposition) {
        (FamilyType::GaugeHistogram, Exposition::OpenMetrics) => "gaugehistogram",
        (FamilyType::GaugeHistogram, Exposition::Text) => "histogram",
        (FamilyType::Info, Exposition::OpenMetrics) => "info",
        (FamilyType::StateSet, Exposition::OpenMetrics) => "stateset",
        (FamilyType::Gauge | FamilyType::Info | FamilyType::StateSet, _) => "gauge",
    };
    let suffix = if exposition == Exposition::Text && family.kind == FamilyType::Info { "_info" } else { "" };
    let name = format!("{}{suffix}", family.name);
    writeln!(out, "# TYPE {name} {kind}")?;
    if let (Some(unit), Exposition::OpenMetrics) = (family.unit, exposition) {
        writeln!(out, "# UNIT {name} {unit}")?;
    }
    writeln!(out, "# HELP {name} {}", escaped(&family.help, exposition == Exposition::OpenMetrics))
}

fn write_sample(family: &Family, sample: &Sample, exposition: Exposition, out: &mut dyn Write) -> io::Result<()> {
    let labels: Vec<String> =
        sample.labels.iter().map(|(name, text)| format!("{name}=\"{}\"", escaped(text, true))).collect();
    let labels = labels.join(",");
    let time = sample.timestamp.map(|time| format!(" {time}")).unwrap_or_default();
    match &sample.value {
        SampleValue::Number(number) => {
            let suffix = if family.kind == FamilyType::Info { "_info" } else { "" };
            writeln!(out, "{}{suffix}{} {number}{time}", family.name, braced(&labels))
        }
        SampleValue::Distribution(distribution) => {
            write_distribution(&family.name, &labels, distribution, exposition, &time, out)
        }
    }
}

fn write_distribution(
    name: &str,
    labels: &str,
    distribution: &Distribution,
    exposition: Exposition,
    time: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let comma = if labels.is_empty() { "" } else { "," };
    let mut total = 0_u64;
    for (place, count) in distribution.counts.iter().enumerate() {
        total = total.saturating_add(*count);
        let Some(bound) = distribution.bounds.get(place) else { continue };
        writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{:.1}\"}} {total}{time}", float(*bound))?;
    }
    writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {total}{time}")?;
    let (count, sum) = match exposition {
        Exposition::OpenMetrics => ("gcount", "gsum"),
        Exposition::Text => ("count", "sum"),
    };
    writeln!(out, "{name}_{count}{} {total}{time}", braced(labels))?;
    if distribution.sum.is_finite() {
        writeln!(out, "{name}_{sum}{} {}{time}", braced(labels), distribution.sum)?;
    }
    Ok(())
}

fn braced(labels: &str) -> String {
    if labels.is_empty() { String::new() } else { format!("{{{labels}}}") }
}

/// A text in quotes; help of the older format has no quotes to escape.
fn escaped(text: &str, quotes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            other => out.push(other),
        }
    }
    out
}
