//! `dora.emf.jsonl`: log events from which CloudWatch makes metrics.
//!
//! In: measurements. Out: one event of the embedded metric format per line, each with at most 100 metrics, 30 dimensions
//! and 256 KB. What CloudWatch would refuse because of its age, seen from the measurement's own moment, is not written;
//! a last line without `_aws` says so, which CloudWatch Logs keeps as text.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::DoraFormat;
use super::cloudwatch::{CLOUDWATCH_NAMESPACE, CloudWatchPoint, cloudwatch_points};
use crate::dora::Measurements;

/// The `emf` format.
#[derive(Debug, Clone, Copy)]
pub struct Emf;

const MOST_METRICS: usize = 100;
const LONGEST_EVENT: usize = 256 * 1_024;

impl DoraFormat for Emf {
    fn name(&self) -> &'static str {
        "emf"
    }

    fn file_name(&self) -> &'static str {
        "dora.emf.jsonl"
    }

    fn about(&self) -> &'static str {
        "CloudWatch's embedded metric format, one event a line; nothing older than two weeks"
    }

    fn write(&self, measurements: &Measurements, out: &mut dyn Write) -> io::Result<()> {
        let all = cloudwatch_points(measurements, measurements.as_of);
        for same in all.points.chunk_by(|a, b| a.time == b.time && a.dimensions == b.dimensions) {
            for points in same.chunks(MOST_METRICS) {
                write_event(points, out)?;
            }
        }
        for sentence in all.refusals() {
            serde_json::to_writer(&mut *out, &json!({ "level": "warning", "message": sentence }))?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

fn write_event(points: &[CloudWatchPoint], out: &mut dyn Write) -> io::Result<()> {
    let Some(event) = event(points) else { return Ok(()) };
    let line = serde_json::to_vec(&event)?;
    if line.len() >= LONGEST_EVENT && points.len() > 1 {
        let (first, second) = points.split_at(points.len() / 2);
        write_event(first, out)?;
        return write_event(second, out);
    }
    out.write_all(&line)?;
    out.write_all(b"\n")
}

fn event(points: &[CloudWatchPoint]) -> Option<Value> {
    let first = points.first()?;
    let metrics: Vec<Value> =
        points.iter().map(|point| json!({ "Name": point.name, "Unit": point.unit.name() })).collect();
    let keys: Vec<&str> = first.dimensions.iter().map(|(key, _)| key.as_str()).collect();
    let milliseconds = i64::try_from(first.time.unix_timestamp_nanos() / 1_000_000).ok()?;
    let mut event = Map::new();
    event.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": milliseconds,
            "CloudWatchMetrics": [
                { "Namespace": CLOUDWATCH_NAMESPACE, "Dimensions": [keys], "Metrics": metrics }
            ],
        }),
    );
    for (key, value) in &first.dimensions {
        event.insert(key.clone(), Value::String(value.clone()));
    }
    for point in points {
        event.insert(point.name.clone(), json!(point.value));
    }
    Some(Value::Object(event))
}
