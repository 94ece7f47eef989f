//! `coverage.csv` and `coverage.json`: what was asked of AWS, how it ended, and what was left out.
//!
//! In: the ledger, the skips and the gaps of a report. Out: account × Region × service × action with counts of calls, a
//! row for everything that was skipped on purpose, and (JSON only) every gap in full. Both are evidence: a run always
//! has them.

use std::io::{self, Write};

use serde::Serialize;

use super::json_document::{end, start, write_array, write_field};
use super::spreadsheet::{table, write_row};
use super::wording::call_status;
use super::{Report, ReportFormat};
use crate::inventory::{AccountId, CallCounts, Gap, Region};

/// The `coverage-csv` format.
pub struct CoverageCsv;

/// The `coverage-json` format.
pub struct CoverageJson;

const COLUMNS: [&str; 13] = [
    "account",
    "account_name",
    "organizational_unit",
    "region",
    "service",
    "action",
    "status",
    "calls",
    "ok",
    "denied",
    "throttled",
    "error",
    "reason",
];

impl ReportFormat for CoverageCsv {
    fn name(&self) -> &'static str {
        "coverage-csv"
    }

    fn file_name(&self) -> &'static str {
        "coverage.csv"
    }

    fn about(&self) -> &'static str {
        "every call by account, Region and action, and what was skipped"
    }

    fn is_evidence(&self) -> bool {
        true
    }

    fn write(&self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
        let named = |id: &AccountId| {
            report.accounts.get(id).map_or(("", ""), |account| (&*account.name, &*account.organizational_unit_path))
        };
        let mut table = table(out);
        table.write_record(COLUMNS)?;
        for (key, counts) in report.coverage.rows() {
            let (name, unit) = named(&key.account);
            let numbers = [counts.calls(), counts.ok, counts.denied, counts.throttled, counts.error]
                .map(|count| count.to_string());
            let [calls, ok, denied, throttled, error] = &numbers;
            let place = [key.account.as_str(), name, unit, key.region.as_str()];
            let what = [&*key.service, &*key.action, call_status(counts), calls, ok, denied, throttled, error, ""];
            write_row(&mut table, &[&place[..], &what[..]].concat())?;
        }
        for skip in &report.coverage.skipped {
            let (name, unit) = named(&skip.account);
            let place = [skip.account.as_str(), name, unit, skip.region.as_str()];
            let what = ["", "", "skipped", "0", "0", "0", "0", "0", &*skip.reason];
            write_row(&mut table, &[&place[..], &what[..]].concat())?;
        }
        table.flush()
    }
}

#[derive(Serialize)]
struct CallRow<'a> {
    account: &'a AccountId,
    region: &'a Region,
    service: &'a str,
    action: &'a str,
    status: &'static str,
    #[serde(flatten)]
    counts: &'a CallCounts,
}

/// A gap with the word that tables use for its cause.
#[derive(Serialize)]
struct GapRow<'a> {
    #[serde(flatten)]
    gap: &'a Gap,
    word: &'static str,
}

impl ReportFormat for CoverageJson {
    fn name(&self) -> &'static str {
        "coverage-json"
    }

    fn file_name(&self) -> &'static str {
        "coverage.json"
    }

    fn about(&self) -> &'static str {
        "the same as coverage-csv with every gap in full, for programs"
    }

    fn is_evidence(&self) -> bool {
        true
    }

    fn write(&self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
        start(out)?;
        write_field(out, "run", &report.run)?;
        write_field(out, "calls", &report.calls)?;
        let rows = report.coverage.rows().map(|(key, counts)| {
            Ok(CallRow {
                account: &key.account,
                region: &key.region,
                service: &key.service,
                action: &key.action,
                status: call_status(counts),
                counts,
            })
        });
        write_array(out, "rows", rows)?;
        write_array(out, "skipped", report.coverage.skipped.iter().map(Ok))?;
        write_array(out, "gaps", report.gaps.iter().map(|gap| Ok(GapRow { gap, word: gap.cause.word() })))?;
        end(out)
    }
}
