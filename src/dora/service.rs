//! What DORA measures: a service. By default a pipeline, or a deployment group that no pipeline deploys to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::inventory::{AccountId, Region, Tags};

/// Identity of a service: an ARN of a pipeline or deployment group, or a name that a tag or the mapping file gives.
/// Never a pipeline's name: the same name stands in many accounts and Regions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceKey(pub String);

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A service with everything that it can be grouped by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Identity.
    pub key: ServiceKey,
    /// As a person calls it.
    pub name: String,
    /// ARNs of its pipelines, sorted.
    pub pipelines: Vec<String>,
    /// ARNs of its deployment groups that no pipeline deploys to, sorted.
    pub deployment_groups: Vec<String>,
    /// Account of its pipeline or deployment group.
    pub account: AccountId,
    /// Region of its pipeline or deployment group.
    pub region: Region,
    /// Path of the organizational unit of the account, e.g. `/Workloads/Prod`; none if it is not known.
    pub organizational_unit: Option<String>,
    /// Tags of its pipeline or deployment group.
    pub tags: Tags,
    /// What counts as its production, with the rule that said so; none: nothing of it does, or it is not known.
    pub production: Option<String>,
    /// Whether [`Self::production`] was only assumed (the last stage that deploys).
    pub production_is_assumed: bool,
    /// Why nothing of it can be measured, if so: no action that deploys, history not readable.
    pub not_measurable: Option<String>,
    /// Whether it is known that nothing of it deploys to production: everything that deploys is called something else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_elsewhere: bool,
}

impl Service {
    /// Whether a name is this service and no other: its key, or the ARN of one of its parts.
    pub(super) fn is_exactly(&self, name: &str) -> bool {
        self.key.0 == name || self.pipelines.iter().chain(&self.deployment_groups).any(|arn| arn == name)
    }

    /// Whether it is called so; others may be, too.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.pipelines.iter().any(|arn| arn.rsplit(':').next() == Some(name))
    }

    /// The services that a name means: exactly one, or perhaps several of that name.
    pub(super) fn named<'s>(name: &str, services: &'s [Self]) -> Vec<&'s Self> {
        let exact: Vec<&Self> = services.iter().filter(|it| it.is_exactly(name)).collect();
        if exact.is_empty() { services.iter().filter(|it| it.is_called(name)).collect() } else { exact }
    }
}
