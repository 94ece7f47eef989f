//! `parquet/…`: the run as tables in Apache Parquet, for Athena, `QuickSight`, `DuckDB` and the like.
//!
//! In: a report. Out: one file each for findings, findings that are gone, calls and gaps, each in a folder of its own,
//! because a table of Athena is a folder. A run is a partition and has one file of each: thousands of accounts would be
//! thousands of tiny files, and rows come by account anyway, so that a reader skips the others by the statistics of row
//! groups. `infra/athena/tables.sql` has the tables; columns are only ever added.

use std::borrow::Cow;
use std::io::{self, Write};

use super::parquet_table::{Cell, Kind, Table};
use super::wording::call_status;
use super::{Report, ReportFolder, ReportFormat};
use crate::finding::{ComplianceType, Finding};
use crate::inventory::{AccountId, Affects};

/// The `parquet` format.
pub struct Parquet;

const FINDINGS: &str = "parquet/findings/findings.parquet";
const GONE: &str = "parquet/gone/gone.parquet";
const CALLS: &str = "parquet/calls/calls.parquet";
const GAPS: &str = "parquet/gaps/gaps.parquet";

const FINDING_COLUMNS: [(&str, Kind); 31] = [
    ("run_id", Kind::Text),
    ("run_started_at", Kind::Time),
    ("organization", Kind::Text),
    ("finding_id", Kind::Id),
    ("control", Kind::Text),
    ("title", Kind::MaybeText),
    ("severity", Kind::Text),
    ("compliance", Kind::Text),
    ("violation", Kind::Flag),
    ("account", Kind::Text),
    ("account_name", Kind::MaybeText),
    ("organizational_unit", Kind::MaybeText),
    ("region", Kind::Text),
    ("resource_type", Kind::Text),
    ("resource", Kind::Text),
    ("evidence", Kind::MaybeText),
    ("gaps", Kind::Texts),
    ("remediation", Kind::MaybeText),
    ("frameworks", Kind::Texts),
    ("exception_id", Kind::MaybeText),
    ("exception_owner", Kind::MaybeText),
    ("exception_ticket", Kind::MaybeText),
    ("exception_reason", Kind::MaybeText),
    ("exception_expires", Kind::Day),
    ("owner", Kind::MaybeText),
    ("owner_source", Kind::MaybeText),
    ("change", Kind::MaybeText),
    ("first_observed_at", Kind::Time),
    ("last_observed_at", Kind::Time),
    ("last_known", Kind::MaybeText),
    // Of the table of findings that are gone; null in the other.
    ("gone_reason", Kind::MaybeText),
];

const CALL_COLUMNS: [(&str, Kind); 15] = [
    ("run_id", Kind::Text),
    ("run_started_at", Kind::Time),
    ("account", Kind::Text),
    ("account_name", Kind::MaybeText),
    ("organizational_unit", Kind::MaybeText),
    ("region", Kind::Text),
    ("service", Kind::MaybeText),
    ("action", Kind::MaybeText),
    ("status", Kind::Text),
    ("calls", Kind::Count),
    ("ok", Kind::Count),
    ("denied", Kind::Count),
    ("throttled", Kind::Count),
    ("error", Kind::Count),
    ("reason", Kind::MaybeText),
];

const GAP_COLUMNS: [(&str, Kind); 14] = [
    ("run_id", Kind::Text),
    ("run_started_at", Kind::Time),
    ("account", Kind::Text),
    ("account_name", Kind::MaybeText),
    ("organizational_unit", Kind::MaybeText),
    ("region", Kind::Text),
    ("service", Kind::Text),
    ("action", Kind::Text),
    ("cause", Kind::Text),
    ("message", Kind::Text),
    ("affects", Kind::Text),
    ("resource_types", Kind::Texts),
    ("resource", Kind::MaybeText),
    ("property", Kind::MaybeText),
];

impl ReportFormat for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn file_name(&self) -> &'static str {
        FINDINGS
    }

    fn about(&self) -> &'static str {
        "tables of findings, calls and gaps for Athena, QuickSight and DuckDB"
    }

    fn write(&self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::start("findings", &FINDING_COLUMNS, &["account", "region"], out)?;
        for finding in report.findings.findings()? {
            let finding = finding?;
            push_finding(report, &finding, None, &mut table)?;
        }
        table.finish()
    }

    fn owns(&self, relative: &str) -> bool {
        relative.starts_with("parquet/")
    }

    fn write_files(&self, report: &Report<'_>, folder: &mut dyn ReportFolder) -> io::Result<()> {
        self.write(report, folder.create(FINDINGS)?)?;
        write_gone(report, folder.create(GONE)?)?;
        write_calls(report, folder.create(CALLS)?)?;
        write_gaps(report, folder.create(GAPS)?)
    }
}

/// The columns that every table begins with.
fn run_cells<'a>(report: &'a Report<'_>) -> [Cell<'a>; 2] {
    [Cell::Text(&report.run.run_id), Cell::Time(&report.run.started_at)]
}

/// Id, name and organizational unit.
fn account_cells<'a>(report: &'a Report<'_>, id: &'a AccountId) -> [Cell<'a>; 3] {
    let account = report.accounts.get(id);
    [
        Cell::Text(id.as_str()),
        Cell::maybe(account.map(|account| account.name.as_str())),
        Cell::maybe(account.map(|account| account.organizational_unit_path.as_str())),
    ]
}

fn push_finding(
    report: &Report<'_>,
    finding: &Finding,
    gone_reason: Option<&str>,
    table: &mut Table<'_>,
) -> io::Result<()> {
    let control = report.controls.get(&finding.control);
    let violated = finding.compliance == ComplianceType::NonCompliant;
    let evidence = if finding.evidence.is_empty() { None } else { Some(serde_json::to_string(&finding.evidence)?) };
    let remediation =
        control.filter(|_| violated && gone_reason.is_none()).map(|control| control.remediation_for(&finding.evidence));
    let exception = finding.exception.as_ref();
    let owner = finding.owner.as_ref();
    let owner_source = owner.map(|owner| owner.source.to_string());
    let lifecycle = finding.lifecycle.as_ref();
    let resource = &*finding.resource;
    let [run_id, started_at] = run_cells(report);
    let [account, account_name, unit] = account_cells(report, &resource.account);
    table.push(&[
        run_id,
        started_at,
        Cell::Text(&report.run.organization),
        Cell::Text(&finding.id),
        Cell::Text(&finding.control),
        Cell::maybe(control.map(|control| control.title.as_str())),
        Cell::Text(finding.severity.as_str()),
        Cell::Text(finding.compliance.as_str()),
        Cell::Flag(violated && exception.is_none() && gone_reason.is_none()),
        account,
        account_name,
        unit,
        Cell::Text(resource.region.as_str()),
        Cell::Text(resource.type_name.as_str()),
        Cell::Text(resource.uid.as_str()),
        Cell::maybe(evidence.as_deref()),
        Cell::Texts(&finding.gaps),
        Cell::maybe(remediation.as_deref()),
        Cell::Texts(control.map_or(&[], |control| &control.frameworks)),
        Cell::maybe(exception.map(|exception| exception.id.as_str())),
        Cell::maybe(exception.map(|exception| exception.owner.as_str())),
        Cell::maybe(exception.map(|exception| exception.ticket.as_str())),
        Cell::maybe(exception.map(|exception| exception.reason.as_str())),
        exception.map_or(Cell::Null, |exception| Cell::Day(&exception.expires)),
        Cell::maybe(owner.map(|owner| owner.name.as_str())),
        Cell::maybe(owner_source.as_deref()),
        Cell::maybe(lifecycle.map(|lifecycle| lifecycle.change.as_str())),
        lifecycle.map_or(Cell::Null, |lifecycle| Cell::Time(&lifecycle.first_observed_at)),
        lifecycle.and_then(|lifecycle| lifecycle.last_observed_at.as_deref()).map_or(Cell::Null, Cell::Time),
        Cell::maybe(lifecycle.and_then(|lifecycle| lifecycle.last_known).map(ComplianceType::as_str)),
        Cell::maybe(gone_reason),
    ])
}

/// What the run before had and this one has not: a table of its own, because no row of it is a result of this run.
fn write_gone(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::start("gone", &FINDING_COLUMNS, &["account", "region"], out)?;
    for gone in report.findings.gone()? {
        let gone = gone?;
        push_finding(report, &gone.finding, Some(&gone.reason), &mut table)?;
    }
    table.finish()
}

fn write_calls(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::start("calls", &CALL_COLUMNS, &[], out)?;
    let [run_id, started_at] = run_cells(report);
    for (key, counts) in report.coverage.rows() {
        let [account, account_name, unit] = account_cells(report, &key.account);
        table.push(&[
            run_id,
            started_at,
            account,
            account_name,
            unit,
            Cell::Text(key.region.as_str()),
            Cell::Text(&key.service),
            Cell::Text(&key.action),
            Cell::Text(call_status(counts)),
            Cell::Count(counts.calls()),
            Cell::Count(counts.ok),
            Cell::Count(counts.denied),
            Cell::Count(counts.throttled),
            Cell::Count(counts.error),
            Cell::Null,
        ])?;
    }
    for skip in &report.coverage.skipped {
        let [account, account_name, unit] = account_cells(report, &skip.account);
        let place = [run_id, started_at, account, account_name, unit, Cell::Text(skip.region.as_str())];
        let what = [Cell::Null, Cell::Null, Cell::Text("skipped")];
        let none = [Cell::Count(0); 5];
        table.push(&[&place[..], &what, &none, &[Cell::Text(&skip.reason)]].concat())?;
    }
    table.finish()
}

fn write_gaps(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::start("gaps", &GAP_COLUMNS, &[], out)?;
    let [run_id, started_at] = run_cells(report);
    for gap in report.gaps {
        let [account, account_name, unit] = account_cells(report, &gap.account);
        let message = gap.cause.to_string();
        let mut names: Cow<'_, [String]> = Cow::Borrowed(&[]);
        let (affects, resource, property) = match &gap.affects {
            Affects::Account => ("Account", None, None),
            Affects::Types { types } => {
                names = types.iter().map(|name| name.as_str().to_owned()).collect();
                ("Types", None, None)
            }
            Affects::Property { resource, property } => ("Property", Some(resource.as_str()), Some(property.as_str())),
            Affects::Details => ("Details", None, None),
        };
        table.push(&[
            run_id,
            started_at,
            account,
            account_name,
            unit,
            Cell::Text(gap.region.as_str()),
            Cell::Text(&gap.service),
            Cell::Text(&gap.action),
            Cell::Text(gap.cause.word()),
            Cell::Text(&message),
            Cell::Text(affects),
            Cell::Texts(&names),
            Cell::maybe(resource),
            Cell::maybe(property),
        ])?;
    }
    table.finish()
}
