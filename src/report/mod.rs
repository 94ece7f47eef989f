//! Findings → bytes. One format is one file; all of them stand in [`FORMATS`].
//!
//! In: a [`Report`], which streams its findings in order, so that a format never needs them all in memory. Out: bytes
//! in a writer. Values of `--format`, the documents and the tests follow from the slice.

mod accounts;
pub mod asff;
mod asff_fit;
mod asff_model;
mod blind_spot;
pub mod check;
mod coverage;
mod csv;
mod difference;
mod digest;
pub mod dora;
mod finding_table;
mod framework_coverage;
mod frameworks;
mod frameworks_csv;
mod html;
mod json;
mod json_document;
mod junit;
mod markdown;
mod markup;
pub mod ocsf;
mod ocsf_model;
mod out_of_sight;
mod over_time;
mod owner_share;
mod owners;
mod page;
mod parquet;
mod parquet_table;
mod sarif;
mod sarif_model;
mod spreadsheet;
mod standing;
mod terminal;
mod terminal_coverage;
mod text;
mod tone;
mod uri;
mod wording;
mod xml;

pub use self::csv::Csv;
pub use self::parquet::Parquet;
pub use asff::Asff;
pub use coverage::{CoverageCsv, CoverageJson};
pub use difference::{Difference, DifferenceJson, DifferencePage, Differing};
pub use finding_table::FindingTable;
pub use frameworks::Frameworks;
pub use frameworks_csv::FrameworksCsv;
pub use html::{Html, escaped as html_escaped};
pub use json::Json;
pub use junit::Junit;
pub use markdown::Markdown;
pub use ocsf::Ocsf;
pub use over_time::{
    Comparison, DeliveryInBrief, MetricInBrief, OverTime, RecheckOf, Remediation, TREND_RUNS, TrendPoint,
};
pub(crate) use owner_share::went_dark;
pub use owner_share::{OwnerShare, OwnerShares};
pub use owners::Owners;
pub use sarif::Sarif;
pub use terminal::Terminal;
pub use text::{visible, wrap};

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::finding::{ComplianceType, Control, Finding, Framework, Gone, Severity};
use crate::inventory::{AccountId, CallCounts, Coverage, Gap};

/// Version of the shape of the machine-readable reports.
pub const SCHEMA_VERSION: u32 = 1;

/// All formats.
pub const FORMATS: &[&dyn ReportFormat] = &[
    &Terminal::PLAIN,
    &Markdown,
    &Csv,
    &Json,
    &Html,
    &Sarif,
    &Parquet,
    &CoverageCsv,
    &CoverageJson,
    &Frameworks,
    &FrameworksCsv,
    &Ocsf,
    &Asff,
    &Junit,
    &Owners,
];

/// One way to write a report.
pub trait ReportFormat: Sync {
    /// Value of `--format`.
    fn name(&self) -> &'static str;
    /// Name of the file in the run directory.
    fn file_name(&self) -> &'static str;
    /// One line for `--help`.
    fn about(&self) -> &'static str;
    /// Whether it is evidence that every run writes, whichever formats were asked for.
    fn is_evidence(&self) -> bool {
        false
    }
    /// Whether a file of a run is one that this format writes, by its path in the run with `/`; a format of several files
    /// owns them all, so that none is left over when a run that was broken off is written anew with fewer.
    fn owns(&self, relative: &str) -> bool {
        relative == self.file_name()
    }
    /// Writes the whole report as one file.
    ///
    /// # Errors
    /// Whatever the writer or the findings' source answers.
    fn write(&self, report: &Report<'_>, out: &mut dyn Write) -> io::Result<()>;
    /// Writes the report's files into `folder`; a format of more than one file has its own way.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn write_files(&self, report: &Report<'_>, folder: &mut dyn ReportFolder) -> io::Result<()> {
        let mut out = folder.create(self.file_name())?;
        self.write(report, &mut out)
    }
}

/// Where a format's files go. They take their names together, when all formats are complete.
pub trait ReportFolder {
    /// Begins the next file, which ends the one before; `relative` has `/` between folders.
    ///
    /// # Errors
    /// If `relative` leads out of the folder or the disk refuses.
    fn create(&mut self, relative: &str) -> io::Result<&mut (dyn Write + Send)>;
}

/// One pass over findings.
pub type FindingPass<'a> = Box<dyn Iterator<Item = io::Result<Arc<Finding>>> + Send + 'a>;

/// One pass over findings that are not there any more.
pub type GonePass<'a> = Box<dyn Iterator<Item = io::Result<Gone>> + Send + 'a>;

/// Findings in the order of [`Finding::sort_key`], as often as asked for.
pub trait FindingSource: Sync {
    /// A fresh pass over all findings.
    ///
    /// # Errors
    /// If the source cannot be opened; the items carry errors of reading on.
    fn findings(&self) -> io::Result<FindingPass<'_>>;

    /// What the run before had and this one has not, in the same order; nothing where no runs were compared.
    ///
    /// # Errors
    /// As [`Self::findings`].
    fn gone(&self) -> io::Result<GonePass<'_>> {
        Ok(Box::new(std::iter::empty()))
    }
}

impl FindingSource for Vec<Finding> {
    fn findings(&self) -> io::Result<FindingPass<'_>> {
        Ok(Box::new(self.iter().map(|finding| Ok(Arc::new(finding.clone())))))
    }
}

/// Which run this report is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunInfo {
    /// UTC start time, e.g. `20261121T020000Z`.
    pub run_id: String,
    /// RFC 3339.
    pub started_at: String,
    /// Version of pipewarden.
    pub tool_version: String,
    /// Organization id, or empty in single-account mode.
    pub organization: String,
    /// SHA-256 over all policies, hex.
    pub policy_hash: String,
}

/// An account as a report names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountInfo {
    /// Twelve digits.
    pub id: AccountId,
    /// As Organizations names it.
    pub name: String,
    /// `/Workloads/Prod`; empty where nobody saw it.
    pub organizational_unit_path: String,
}

/// Findings counted by result, and the non-compliant ones by severity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// By result.
    pub by_compliance: BTreeMap<ComplianceType, u64>,
    /// Non-compliant and not excepted, by severity.
    pub violations: BTreeMap<Severity, u64>,
    /// Non-compliant but under a valid exception.
    pub excepted: u64,
}

impl Counts {
    /// Counts one more finding.
    pub fn add(&mut self, finding: &Finding) {
        *self.by_compliance.entry(finding.compliance).or_default() += 1;
        if finding.compliance == ComplianceType::NonCompliant {
            if finding.exception.is_some() {
                self.excepted += 1;
            } else {
                *self.violations.entry(finding.severity).or_default() += 1;
            }
        }
    }

    /// How many findings ended so.
    #[must_use]
    pub fn of(&self, compliance: ComplianceType) -> u64 {
        self.by_compliance.get(&compliance).copied().unwrap_or(0)
    }
}

/// Everything a format may show.
pub struct Report<'a> {
    /// Which run.
    pub run: RunInfo,
    /// All controls that were asked, by id.
    pub controls: BTreeMap<String, Control>,
    /// All frameworks that controls may name, by id.
    pub frameworks: BTreeMap<String, Framework>,
    /// All accounts of the run, by id.
    pub accounts: BTreeMap<AccountId, AccountInfo>,
    /// All findings counted.
    pub counts: Counts,
    /// The ledger of calls.
    pub coverage: &'a Coverage,
    /// Everything that could not be seen, sorted.
    pub gaps: &'a [Gap],
    /// The findings, in order.
    pub findings: &'a dyn FindingSource,
    /// All calls by their end.
    pub calls: CallCounts,
    /// This run among those before it.
    pub over_time: OverTime,
}
