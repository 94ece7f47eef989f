//! Verdicts: one control on one resource.
//!
//! In: what the policies answered. Out: [`Finding`]s that every report format reads. It stands apart from `evaluate` so
//! that a report can never ask a policy again.

mod control;
mod framework;
mod lifecycle;
mod owner;
mod template;

pub use crate::inventory::hex;
pub use control::{Control, Severity, spoken};
pub use framework::{Framework, Requirement};
pub use lifecycle::{Change, Gone, Lifecycle, Was};
pub use owner::{Owner, OwnerSource};
pub use template::{Alternative, Blind, Related, Removal, SourcePlace, TemplateChange, TemplateFinding};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::inventory::{AccountId, Region, ResourceUid, TypeName};

/// AWS Config's four words for the result of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ComplianceType {
    /// Looked at, and not good.
    NonCompliant,
    /// Could not be seen, so nobody knows.
    InsufficientData,
    /// Looked at, and good.
    Compliant,
    /// The control says nothing about this resource.
    NotApplicable,
}

impl ComplianceType {
    /// All four, worst first.
    pub const ALL: [Self; 4] = [Self::NonCompliant, Self::InsufficientData, Self::Compliant, Self::NotApplicable];

    /// As AWS Config writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NonCompliant => "NonCompliant",
            Self::InsufficientData => "InsufficientData",
            Self::Compliant => "Compliant",
            Self::NotApplicable => "NotApplicable",
        }
    }
}

impl fmt::Display for ComplianceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The resource that was judged, as far as a report names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceRef {
    /// ARN when live; `…:*` where the resources of a type could not even be listed.
    pub uid: ResourceUid,
    /// CloudFormation type name.
    pub type_name: TypeName,
    /// Owning account.
    pub account: AccountId,
    /// Region, or global.
    pub region: Region,
}

/// An exception that covers a finding; the finding stays in every report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionRef {
    /// Policy id of the exception.
    pub id: String,
    /// Who answers for it.
    pub owner: String,
    /// Where it was agreed.
    pub ticket: String,
    /// Why.
    pub reason: String,
    /// Last day it holds, `YYYY-MM-DD`.
    pub expires: String,
}

/// One control on one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Stable over runs: the same control on the same resource has the same id.
    pub id: String,
    /// [`Control::id`]
    pub control: String,
    /// The control's severity.
    pub severity: Severity,
    /// The verdict.
    pub compliance: ComplianceType,
    /// What was judged; all findings on a resource share it.
    pub resource: Arc<ResourceRef>,
    /// The facts that the policy reads, with their values on this resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evidence: BTreeMap<String, serde_json::Value>,
    /// For [`ComplianceType::InsufficientData`]: what could not be seen, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<String>,
    /// A valid exception, if one covers this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<ExceptionRef>,
    /// Who answers for the resource; nobody is known where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Over runs; absent until a run is compared with the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
}

impl Finding {
    /// The id of the finding of `control` on `resource`: 32 hex digits of a SHA-256 over both, the account and Region.
    #[must_use]
    pub fn stable_id(control: &str, resource: &ResourceRef) -> String {
        StableIds::of(resource).id(control)
    }

    /// The order of every report: account, Region, type, resource, control.
    #[must_use]
    pub fn sort_key(&self) -> (&AccountId, &Region, &TypeName, &ResourceUid, &str) {
        let resource = &self.resource;
        (&resource.account, &resource.region, &resource.type_name, &resource.uid, self.control.as_str())
    }

    /// Whether it counts for `--fail-on`: non-compliant at or above the severity and not excepted.
    #[must_use]
    pub fn fails(&self, threshold: Severity) -> bool {
        self.compliance == ComplianceType::NonCompliant && self.severity >= threshold && self.exception.is_none()
    }
}

/// The ids of all findings on one resource; what they share is hashed once.
#[derive(Debug, Clone)]
pub struct StableIds(Sha256);

impl StableIds {
    /// Ids on this resource.
    #[must_use]
    pub fn of(resource: &ResourceRef) -> Self {
        let mut hash = Sha256::new();
        for part in [resource.uid.as_str(), resource.account.as_str(), resource.region.as_str()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        Self(hash)
    }

    /// The id of the finding of one control.
    #[must_use]
    pub fn id(&self, control: &str) -> String {
        let hash = self.0.clone().chain_update(control.as_bytes()).finalize();
        hex(hash.get(..16).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_and_tell_resources_and_controls_apart() {
        let resource = |uid: &str, account: &str| ResourceRef {
            uid: ResourceUid(uid.to_owned()),
            type_name: TypeName::PIPELINE,
            account: account.parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
        };
        let web = resource("arn:web", "111122223333");
        assert_eq!(Finding::stable_id("a", &web), Finding::stable_id("a", &web.clone()));
        assert_eq!(Finding::stable_id("a", &web).len(), 32);
        assert_ne!(Finding::stable_id("a", &web), Finding::stable_id("b", &web));
        assert_ne!(Finding::stable_id("a", &web), Finding::stable_id("a", &resource("arn:web", "111122224444")));
        assert_ne!(Finding::stable_id("a", &web), Finding::stable_id("a", &resource("arn:webs", "111122223333")));
    }
}
