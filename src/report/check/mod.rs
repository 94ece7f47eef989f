//! Findings of `check` → bytes. One format is one file; all of them stand in [`CHECK_FORMATS`].
//!
//! In: a [`CheckReport`]. Out: bytes in a writer. All formats are written from the same list of findings, so that no two
//! of them can disagree.

mod address;
mod excerpt;
#[cfg(test)]
mod fixture;
mod github;
mod gitlab;
mod json;
mod junit;
mod markdown;
mod overview;
mod sarif;
mod secret;
mod terminal;
mod wording;

pub use address::Roots;
pub use github::GitHub;
pub use gitlab::GitLab;
pub use json::CheckJson;
pub use junit::Junit;
pub use markdown::CheckMarkdown;
pub use sarif::Sarif;
pub use terminal::CheckTerminal;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::finding::{ComplianceType, Control, Framework, Removal, Severity, SourcePlace, TemplateFinding};
use crate::inventory::Position;

/// All formats of `check`.
pub const CHECK_FORMATS: &[&dyn CheckFormat] =
    &[&CheckTerminal::PLAIN, &Sarif, &GitHub, &CheckMarkdown, &GitLab, &Junit, &CheckJson];

/// One way to write what was checked.
pub trait CheckFormat: Sync {
    /// Value of `--format`.
    fn name(&self) -> &'static str;
    /// One line for `--help`.
    fn about(&self) -> &'static str;
    /// Whether it is one document that nothing may stand before or behind.
    fn is_document(&self) -> bool {
        true
    }
    /// Writes the whole report.
    ///
    /// # Errors
    /// Whatever the writer answers.
    fn write(&self, report: &CheckReport, out: &mut dyn Write) -> io::Result<()>;
}

/// A file that was judged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckedFile {
    /// Path as given.
    pub file: Arc<str>,
    /// `CloudFormation`, `Terraform plan` …
    pub format: String,
    /// How many resources in it were judged.
    pub resources: usize,
}

/// A file that mentions the delivery path and could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnreadableFile {
    /// Path as given.
    pub file: Arc<str>,
    /// Where it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Position>,
    /// What is wrong.
    pub message: String,
}

/// Something odd that stopped nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Where.
    pub place: SourcePlace,
    /// What.
    pub message: String,
}

/// Everything a format may show.
#[derive(Debug, Clone)]
pub struct CheckReport {
    /// Version of pipewarden.
    pub tool_version: String,
    /// SHA-256 over all policies, hex.
    pub policy_hash: String,
    /// All controls that were asked, by id.
    pub controls: BTreeMap<String, Control>,
    /// All frameworks that controls may name, by id.
    pub frameworks: BTreeMap<String, Framework>,
    /// What to write in a template, by control: CloudFormation, then Terraform.
    pub fixes: BTreeMap<String, Fix>,
    /// All findings, in the order of [`TemplateFinding::order`].
    pub findings: Vec<TemplateFinding>,
    /// What was judged, sorted.
    pub files: Vec<CheckedFile>,
    /// How many files were looked at and have nothing of the delivery path in them.
    pub ignored: usize,
    /// What could not be read, sorted.
    pub unreadable: Vec<UnreadableFile>,
    /// What is odd, sorted.
    pub notices: Vec<Notice>,
    /// What the change under review takes away, sorted.
    pub removed: Vec<Removal>,
    /// What the change under review mends.
    pub resolved: Vec<TemplateFinding>,
    /// Text of every file that findings point into.
    pub sources: BTreeMap<Arc<str>, Arc<str>>,
    /// From which severity on a finding blocks; `None` if none does.
    pub fail_on: Option<Severity>,
    /// Whether gaps fail the check.
    pub fail_on_gaps: bool,
    /// Whether there was a state before to compare with.
    pub compared: bool,
    /// What paths are relative to.
    pub roots: Roots,
}

/// What to write to comply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fix {
    /// Why it matters.
    pub rationale: String,
    /// A fragment of CloudFormation.
    pub cloudformation: String,
    /// A fragment of Terraform.
    pub terraform: String,
}

impl CheckReport {
    /// The findings that block.
    pub fn blocking(&self) -> impl Iterator<Item = &TemplateFinding> {
        self.findings.iter().filter(|finding| self.fail_on.is_some_and(|from| finding.blocks(from)))
    }

    /// Findings with a result.
    pub fn of(&self, compliance: ComplianceType) -> impl Iterator<Item = &TemplateFinding> {
        self.findings.iter().filter(move |finding| finding.finding.compliance == compliance)
    }

    /// Findings that a person can decide by giving something.
    pub fn gaps(&self) -> impl Iterator<Item = &TemplateFinding> {
        self.findings.iter().filter(|finding| finding.is_gap())
    }
}
