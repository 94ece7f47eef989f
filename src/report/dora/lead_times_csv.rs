//! `lead_times.csv`: one line per change that arrived in production.
//!
//! In: measurements. Out: RFC 4180 with a header line. A change that does not count has no seconds, and its fate says why.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::DoraFormat;
use super::numbers::{moment, moment_or_empty};
use crate::dora::{ChangeFate, Measurements};
use crate::report::spreadsheet::{table, write_row};

/// The `lead-times-csv` format.
#[derive(Debug, Clone, Copy)]
pub struct LeadTimesCsv;

const COLUMNS: [&str; 10] = [
    "schema_version",
    "service",
    "service_name",
    "commit",
    "committed",
    "deployment",
    "deployed",
    "tier",
    "fate",
    "lead_time_seconds",
];

impl DoraFormat for LeadTimesCsv {
    fn name(&self) -> &'static str {
        "lead-times-csv"
    }

    fn file_name(&self) -> &'static str {
        "lead_times.csv"
    }

    fn about(&self) -> &'static str {
        "one line per change: committed, deployed, seconds between, and why one does not count"
    }

    fn write(&self, measurements: &Measurements, out: &mut dyn Write) -> io::Result<()> {
        let names: BTreeMap<&str, &str> =
            measurements.services.iter().map(|service| (service.key.0.as_str(), service.name.as_str())).collect();
        let mut table = table(out);
        table.write_record(COLUMNS)?;
        let version = measurements.schema_version.to_string();
        for lead_time in &measurements.lead_times {
            let change = &lead_time.change;
            let cells: [&str; 10] = [
                &version,
                &change.service.0,
                names.get(change.service.0.as_str()).copied().unwrap_or_default(),
                &change.commit,
                &moment_or_empty(change.committed),
                &change.deployment,
                &moment(change.deployed),
                change.tier.name(),
                fate(change.fate),
                &lead_time.seconds.map(|seconds| seconds.to_string()).unwrap_or_default(),
            ];
            write_row(&mut table, &cells)?;
        }
        table.flush()
    }
}

fn fate(fate: ChangeFate) -> &'static str {
    match fate {
        ChangeFate::Deployed => "deployed",
        ChangeFate::NoPredecessor => "no_predecessor",
        ChangeFate::Negative => "negative",
        ChangeFate::NoTime => "no_time",
    }
}
