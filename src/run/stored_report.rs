//! What a report is made of besides its findings, kept in the run.
//!
//! In: a [`Report`]. Out: a compressed file of JSON Lines, and the report again. It exists so that a finished run can be
//! written in one more format, compared with another and delivered again without AWS, the policies or the configuration.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::sight::{Finders, Seen};
use super::{FindingSpool, RunError, SCHEMA_VERSION};
use crate::finding::{Control, Framework};
use crate::inventory::json_lines::{LinesReader, LinesWriter};
use crate::inventory::{AccountId, CallCounts, Coverage, CoverageKey, Gap, Skip};
use crate::report::{AccountInfo, OverTime, Report, ReportFolder, RunInfo};

/// Name of the file.
pub const STORED_REPORT: &str = "report.jsonl.gz";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    schema_version: u32,
    run: RunInfo,
    calls: CallCounts,
    over_time: OverTime,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Record {
    Control(Control),
    Framework(Framework),
    Account(AccountInfo),
    Skip(Skip),
    Calls { key: CoverageKey, counts: CallCounts },
    Gap(Gap),
    End { records: u64 },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum RecordRef<'a> {
    Control(&'a Control),
    Framework(&'a Framework),
    Account(&'a AccountInfo),
    Skip(&'a Skip),
    Calls { key: &'a CoverageKey, counts: &'a CallCounts },
    Gap(&'a Gap),
    End { records: u64 },
}

/// Writes everything but the findings.
pub(super) fn write(report: &Report<'_>, folder: &mut dyn ReportFolder) -> io::Result<()> {
    let mut lines = LinesWriter::new(folder.create(STORED_REPORT)?);
    lines.push(&Head {
        schema_version: SCHEMA_VERSION,
        run: report.run.clone(),
        calls: report.calls,
        over_time: report.over_time.clone(),
    })?;
    let mut records = 0;
    let all = report
        .controls
        .values()
        .map(RecordRef::Control)
        .chain(report.frameworks.values().map(RecordRef::Framework))
        .chain(report.accounts.values().map(RecordRef::Account))
        .chain(report.coverage.skipped.iter().map(RecordRef::Skip))
        .chain(report.coverage.rows().map(|(key, counts)| RecordRef::Calls { key, counts }))
        .chain(report.gaps.iter().map(RecordRef::Gap));
    for record in all {
        lines.push(&record)?;
        records += 1;
    }
    lines.push(&RecordRef::End { records })?;
    lines.finish().map(drop)
}

/// How a run stood among those before it, without reading the rest of its report.
pub(super) fn over_time_of(path: &Path) -> Result<OverTime, RunError> {
    let file = File::open(path).map_err(RunError::io("read", path))?;
    let mut lines = LinesReader::new(file);
    let head = lines.next_record::<Head>().map_err(|error| RunError::Invalid {
        path: path.to_owned(),
        problem: format!("cannot be read: {error}"),
        hint: "restore the file",
    })?;
    head.map(|head| head.over_time).ok_or_else(|| RunError::Invalid {
        path: path.to_owned(),
        problem: "is empty".to_owned(),
        hint: "restore the file",
    })
}

/// The report of a run, read from its files.
#[derive(Debug)]
pub struct StoredReport {
    run: RunInfo,
    calls: CallCounts,
    over_time: OverTime,
    controls: BTreeMap<String, Control>,
    frameworks: BTreeMap<String, Framework>,
    accounts: BTreeMap<AccountId, AccountInfo>,
    coverage: Coverage,
    gaps: Vec<Gap>,
    spool: FindingSpool,
}

impl StoredReport {
    pub(super) fn open(path: &Path, spool: FindingSpool) -> Result<Self, RunError> {
        let invalid = |problem: String| RunError::Invalid {
            path: path.to_owned(),
            problem,
            hint: "restore the file, or judge the run again with `pipewarden evaluate`",
        };
        let file = File::open(path).map_err(RunError::io("read", path))?;
        let mut lines = LinesReader::new(file);
        let head = lines.next_record::<Head>().map_err(|error| invalid(format!("cannot be read: {error}")))?;
        let head = head.ok_or_else(|| invalid("is empty".to_owned()))?;
        if head.schema_version != SCHEMA_VERSION {
            return Err(RunError::SchemaVersion { path: path.to_owned(), found: head.schema_version.into() });
        }
        let mut report = Self {
            run: head.run,
            calls: head.calls,
            over_time: head.over_time,
            controls: BTreeMap::new(),
            frameworks: BTreeMap::new(),
            accounts: BTreeMap::new(),
            coverage: Coverage::default(),
            gaps: Vec::new(),
            spool,
        };
        let mut found = 0;
        loop {
            let record = lines.next_record::<Record>();
            let record =
                record.map_err(|error| invalid(format!("line {} cannot be read: {error}", lines.line_number())))?;
            match record {
                None => return Err(invalid("ends without its end record, so it was cut off".to_owned())),
                Some(Record::End { records }) if records == found => return Ok(report),
                Some(Record::End { records }) => {
                    return Err(invalid(format!("counts {records} records, but there are {found}")));
                }
                Some(record) => report.take(record),
            }
            found += 1;
        }
    }

    fn take(&mut self, record: Record) {
        match record {
            Record::Control(control) => {
                self.controls.insert(control.id.clone(), control);
            }
            Record::Framework(framework) => {
                self.frameworks.insert(framework.id.clone(), framework);
            }
            Record::Account(account) => {
                self.accounts.insert(account.id.clone(), account);
            }
            Record::Skip(skip) => self.coverage.skipped.push(skip),
            Record::Calls { key, counts } => self.coverage.add(key, counts),
            Record::Gap(gap) => self.gaps.push(gap),
            Record::End { .. } => {}
        }
    }

    /// Which run.
    pub(super) fn run(&self) -> &RunInfo {
        &self.run
    }

    /// How the run stood among those before it.
    pub(super) fn over_time(&self) -> &OverTime {
        &self.over_time
    }

    /// What the run could see.
    pub(super) fn seen(&self, finders: &Finders) -> Seen {
        Seen::of(&self.coverage, &self.gaps, finders)
    }

    /// The findings, and what is gone.
    pub(super) fn source(&self) -> &FindingSpool {
        &self.spool
    }

    /// What the formats take.
    #[must_use]
    pub fn report(&self) -> Report<'_> {
        Report {
            run: self.run.clone(),
            controls: self.controls.clone(),
            frameworks: self.frameworks.clone(),
            accounts: self.accounts.clone(),
            counts: self.spool.counts().clone(),
            coverage: &self.coverage,
            gaps: &self.gaps,
            findings: &self.spool,
            calls: self.calls,
            over_time: self.over_time.clone(),
        }
    }
}
