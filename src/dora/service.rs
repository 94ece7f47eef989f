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
