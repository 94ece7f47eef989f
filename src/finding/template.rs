//! Verdicts on what is not deployed yet.
//!
//! In: a [`Finding`] and what is known of the file it is about. Out: a [`TemplateFinding`], which every format of `check`
//! reads. It adds what a pull request needs: the place, what decides an open answer, and whether the change made it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{ComplianceType, Finding, Severity, hex};
use crate::inventory::Span;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourcePlace {
    /// Path as given, with `/`.
    pub file: Arc<str>,
    /// Where in it.
    pub span: Span,
}

/// A second place that helps to understand a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Related {
    /// The place.
    pub place: SourcePlace,
    /// What stands there: `the nearest approval comes after it`.
    pub message: String,
}

/// A verdict under one choice of parameter values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Alternative {
    /// `PipelineApprovalStage=Yes`
    pub when: String,
    /// Whether nobody has to give a value for it to be so.
    pub default: bool,
    /// The verdict then.
    pub compliance: ComplianceType,
}

/// Why a finding is [`ComplianceType::InsufficientData`]; ordered, the one that a person can mend first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Blind {
    /// A value of the template is open: a parameter, an import, a choice.
    Unresolved,
    /// It depends on something that is defined elsewhere.
    Elsewhere,
    /// Only the deployed resource can say it, so no change of the template would help.
    OnlyDeployed,
}

/// What the change under review did to a finding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TemplateChange {
    /// There was nothing to compare with, or it was not there before.
    #[default]
    New,
    /// It was there, and more is wrong now.
    Worsened,
    /// It was there before, no better.
    Known,
}

/// Something that protected, and that the change takes away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Removal {
    /// What it was: `approval Gate/Approve of pipeline Web`, `versioning of bucket Artifacts`.
    pub what: String,
    /// Where it was taken from; the place of the resource that is left, or of the file.
    pub place: SourcePlace,
}

/// One control on one resource of a template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateFinding {
    /// The verdict. The resource's uid is `path#LogicalId`.
    pub finding: Finding,
    /// Logical id, or address in a plan.
    pub logical_id: String,
    /// Path of the CDK construct, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub construct_path: Option<String>,
    /// What it points at: the ungated action, the property, else the resource.
    pub place: SourcePlace,
    /// Other places worth a look, nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// The property it points at, with names instead of positions: `Stages/Prod/Deploy`, `VersioningConfiguration`;
    /// empty for the resource itself.
    pub property_path: String,
    /// Stable while lines move: see [`TemplateFinding::fingerprint_of`].
    pub fingerprint: String,
    /// The verdicts under other choices, where they differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
    /// Why it is not known, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blind: Option<Blind>,
    /// What the change under review did to it.
    pub change: TemplateChange,
}

impl TemplateFinding {
    /// 32 hex digits over control, logical id and the first name of the property path; neither line nor file, so that
    /// moving either keeps it, nor the action or member that it points at, so that one more of them keeps it too.
    #[must_use]
    pub fn fingerprint_of(control: &str, logical_id: &str, property_path: &str) -> String {
        let mut hash = Sha256::new();
        for part in [control, logical_id, property_path] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hex(hash.finalize().get(..16).unwrap_or_default())
    }

    /// The file that declares the resource; the place may lie in another one, where a value comes from there.
    #[must_use]
    pub fn place_of_resource(&self) -> Arc<str> {
        let uid = self.finding.resource.uid.as_str();
        let file = uid.strip_suffix(self.logical_id.as_str()).and_then(|file| file.strip_suffix('#'));
        file.map_or_else(|| Arc::clone(&self.place.file), Arc::from)
    }

    /// Whether it blocks the change: a violation at or above the severity, neither excepted nor known before.
    #[must_use]
    pub fn blocks(&self, threshold: Severity) -> bool {
        self.finding.fails(threshold) && self.change != TemplateChange::Known
    }

    /// Whether something could not be seen that a person at the keyboard can give.
    #[must_use]
    pub fn is_gap(&self) -> bool {
        self.finding.compliance == ComplianceType::InsufficientData && self.blind != Some(Blind::OnlyDeployed)
    }

    /// Whether such a gap is one of the change's own.
    #[must_use]
    pub fn is_new_gap(&self) -> bool {
        self.is_gap() && self.change != TemplateChange::Known
    }

    /// Worst first, then by place.
    #[must_use]
    pub fn order(&self) -> impl Ord + '_ {
        let finding = &self.finding;
        (
            finding.compliance,
            self.blind,
            std::cmp::Reverse(finding.severity),
            &self.place,
            finding.control.as_str(),
            self.logical_id.as_str(),
        )
    }
}
