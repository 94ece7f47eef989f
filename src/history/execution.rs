//! Executions of pipelines, of their actions and of their stage conditions (`ListPipelineExecutions`,
//! `ListActionExecutions`, `ListRuleExecutions`; kept by `CodePipeline` for twelve months).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::inventory::{AccountId, Region};

/// An execution of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelineExecution {
    /// ARN of the pipeline.
    pub pipeline: String,
    /// The pipeline's account.
    pub account: AccountId,
    /// The pipeline's Region.
    pub region: Region,
    /// `pipelineExecutionId`.
    pub id: String,
    /// `Cancelled`, `InProgress`, `Stopped`, `Stopping`, `Succeeded`, `Superseded` or `Failed`.
    pub status: String,
    /// Begin.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// `lastUpdateTime`; a later retry or rollback moves it, so it is no end of a stage.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub updated: Option<OffsetDateTime>,
    /// What was delivered.
    #[serde(default)]
    pub revisions: Vec<SourceRevision>,
    /// What began it.
    #[serde(default)]
    pub trigger: Option<Trigger>,
    /// `SUPERSEDED`, `QUEUED` or `PARALLEL`.
    #[serde(default)]
    pub mode: Option<String>,
    /// `STANDARD` or `ROLLBACK`.
    #[serde(default)]
    pub execution_type: Option<String>,
    /// The execution that a rollback went back to.
    #[serde(default)]
    pub rollback_target: Option<String>,
    /// Pipeline variables that classify (`unplanned`), never others: their values may be secrets.
    #[serde(default)]
    pub unplanned: Option<bool>,
}

impl PipelineExecution {
    /// An execution of which only the necessary is known.
    #[must_use]
    pub fn new(
        pipeline: impl Into<String>,
        account: AccountId,
        region: Region,
        id: impl Into<String>,
        status: impl Into<String>,
        started: OffsetDateTime,
    ) -> Self {
        Self {
            pipeline: pipeline.into(),
            account,
            region,
            id: id.into(),
            status: status.into(),
            started,
            updated: None,
            revisions: Vec::new(),
            trigger: None,
            mode: None,
            execution_type: None,
            rollback_target: None,
            unplanned: None,
        }
    }
}

/// A source revision of an execution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceRevision {
    /// Name of the source action.
    pub action: String,
    /// Commit, S3 version or image digest.
    pub id: String,
    /// The commit message, or what the source says instead of one; without what looks like a secret.
    pub summary: Option<String>,
    /// Link to the commit; without query and user information.
    pub url: Option<String>,
}

/// What began an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    /// `StartPipelineExecution`, `PollForSourceChanges`, `Webhook`, `WebhookV2`, `CloudWatchEvent`, `CreatePipeline`,
    /// `PutActionRevision`, `ManualRollback` or `AutomatedRollback`.
    pub kind: String,
    /// Usually the ARN of whoever began it.
    pub detail: Option<String>,
}

/// An execution of an action. A retried action has one for every try, in the same pipeline execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionExecution {
    /// ARN of the pipeline.
    pub pipeline: String,
    /// `pipelineExecutionId`.
    pub execution: String,
    /// `actionExecutionId`.
    pub id: String,
    /// Name of the stage.
    pub stage: String,
    /// Name of the action.
    pub action: String,
    /// `Source`, `Build`, `Deploy`, `Test`, `Invoke`, `Approval` or `Compute`.
    pub category: String,
    /// `CodeDeploy`, `CodeBuild`, `Manual`, …
    pub provider: String,
    /// The pipeline's version that ran it.
    pub pipeline_version: Option<i64>,
    /// `InProgress`, `Abandoned`, `Succeeded` or `Failed`.
    pub status: String,
    /// Begin.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// `lastUpdateTime`: the end, once the status is final.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub updated: Option<OffsetDateTime>,
    /// ARN of whoever changed the execution last; for approvals, the approver.
    pub updated_by: Option<String>,
    /// The action's own role.
    pub role_arn: Option<String>,
    /// The action's Region, if it is not the pipeline's.
    pub region: Option<Region>,
    /// What the action was told, without secrets.
    #[serde(default)]
    pub configuration: BTreeMap<String, String>,
    /// `externalExecutionId`: `CodeDeploy`'s deployment id or `CodeBuild`'s build id.
    pub external_execution_id: Option<String>,
    /// The error's code, if it failed.
    pub error_code: Option<String>,
    /// `externalExecutionSummary`; of an approval, the approver's comment. Without what looks like a secret.
    pub summary: Option<String>,
}

/// An execution of a rule of a stage condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleExecution {
    /// ARN of the pipeline.
    pub pipeline: String,
    /// `pipelineExecutionId`.
    pub execution: String,
    /// `ruleExecutionId`.
    pub id: String,
    /// Name of the stage.
    pub stage: String,
    /// Name of the rule.
    pub rule: String,
    /// `InProgress`, `Abandoned`, `Succeeded` or `Failed`.
    pub status: String,
    /// Begin.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// End, once the status is final.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub updated: Option<OffsetDateTime>,
    /// ARN of whoever changed the execution last.
    pub updated_by: Option<String>,
}
