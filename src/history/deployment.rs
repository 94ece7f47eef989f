//! Deployments of `CodeDeploy` (`BatchGetDeployments`).

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::inventory::{AccountId, Region};

/// A deployment as `CodeDeploy` knows it. A rollback is a deployment of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CodeDeployment {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// `d-…`, which is an action's `externalExecutionId`.
    pub id: String,
    /// Name of the application.
    pub application: String,
    /// Name of the deployment group; none for deployments that the service was not told the group of.
    pub group: Option<String>,
    /// `Server`, `Lambda` or `ECS`.
    pub compute_platform: Option<String>,
    /// `Created`, `Queued`, `InProgress`, `Baking`, `Succeeded`, `Failed`, `Stopped` or `Ready`.
    pub status: String,
    /// `user`, `autoscaling`, `codeDeployRollback`, `CodeDeploy`, `CodeDeployAutoUpdate`, `CloudFormation`,
    /// `CloudFormationRollback` or `autoscalingTermination`. It cannot prove that a pipeline did not ask.
    pub creator: Option<String>,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// When it began; clocks differ, so it may lie after [`Self::completed`].
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub started: Option<OffsetDateTime>,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub completed: Option<OffsetDateTime>,
    /// What was deployed.
    pub revision: Option<Revision>,
    /// The deployment that this one was rolled back by.
    pub rollback_deployment: Option<String>,
    /// The deployment whose failure made this rollback.
    pub rollback_triggering_deployment: Option<String>,
    /// `errorInformation.code`, e.g. `HEALTH_CONSTRAINTS`.
    pub error_code: Option<String>,
    /// Instances, functions or task sets by what became of them, if the service said so.
    pub counts: Option<InstanceCounts>,
    /// `STANDARD` or `RESTART`; absent means neither.
    pub mode: Option<String>,
    /// Whether a failing stop script was ignored.
    pub ignore_application_stop_failures: Option<bool>,
    /// The rollback settings it was made with.
    pub auto_rollback: Option<AutoRollback>,
    /// Whether it was made with alarm settings of its own.
    pub overrides_alarms: Option<bool>,
    /// Description, without what looks like a secret.
    pub description: Option<String>,
}

/// Automatic rollback.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoRollback {
    /// Whether it is on.
    pub enabled: bool,
    /// `DEPLOYMENT_FAILURE`, `DEPLOYMENT_STOP_ON_ALARM`, `DEPLOYMENT_STOP_ON_REQUEST`.
    pub events: Vec<String>,
}

/// What became of the instances of a deployment (`deploymentOverview`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceCounts {
    /// Not begun.
    pub pending: u64,
    /// Under way.
    pub in_progress: u64,
    /// Done.
    pub succeeded: u64,
    /// Failed.
    pub failed: u64,
    /// Skipped.
    pub skipped: u64,
    /// Ready to take traffic.
    pub ready: u64,
}

impl InstanceCounts {
    /// Whether any instance was touched.
    #[must_use]
    pub fn touched(&self) -> bool {
        self.succeeded + self.failed + self.in_progress + self.ready > 0
    }
}

/// What was deployed. Equal revisions are equal content, as far as the service tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum Revision {
    /// An object in S3. The key alone says nothing: every upload may have its own.
    S3 {
        /// Bucket.
        bucket: String,
        /// Key.
        key: String,
        /// Version id.
        version: Option<String>,
        /// `ETag`.
        etag: Option<String>,
    },
    /// A commit.
    GitHub {
        /// `owner/name`.
        repository: String,
        /// SHA.
        commit: String,
    },
    /// The content itself (`AppSpecContent` or `String`), as its SHA-256.
    Content {
        /// Lower-case hexadecimal.
        sha256: String,
    },
}
