//! The canonical deployment: one arrival of one version in production.
//!
//! One pipeline execution that reaches its production stages is one deployment, however many Regions, accounts, actions
//! and retries it took; a `CodeDeploy` deployment that no pipeline asked for is one of its own.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::ServiceKey;
use crate::history::{Principal, SourceRevision};
use crate::inventory::{AccountId, Region};

/// How a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All of it succeeded, at the last attempt.
    Succeeded,
    /// A member failed after it touched a target, others may have succeeded.
    Failed,
    /// Somebody stopped it.
    Stopped,
    /// It failed before it touched anything: a missing role, revision or instance.
    ErrorNoImpact,
    /// Not ended.
    InProgress,
    /// The history does not say.
    Unknown,
}

impl Outcome {
    /// As written in exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::ErrorNoImpact => "error_no_impact",
            Self::InProgress => "in_progress",
            Self::Unknown => "unknown",
        }
    }
}

/// What a deployment was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentKind {
    /// A version that was not there before.
    Forward,
    /// Back to an older version.
    Rollback,
    /// The version that was there already.
    RedeploySame,
    /// A restart without a new version.
    Restart,
    /// An instance came or went.
    Scaling,
    /// `CodeDeploy` brought outdated instances up to date.
    AutoUpdate,
}

impl DeploymentKind {
    /// As written in exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Rollback => "rollback",
            Self::RedeploySame => "redeploy_same",
            Self::Restart => "restart",
            Self::Scaling => "scaling",
            Self::AutoUpdate => "auto_update",
        }
    }
}

/// How sure a classification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// A heuristic said so.
    Low,
    /// It follows from comparing.
    Medium,
    /// The service itself said so.
    High,
}

impl Confidence {
    /// As written in exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Why a deployment counts as a failed change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EvidenceCode {
    /// `CodeDeploy` rolled it back.
    E1,
    /// A rollback execution of the pipeline went back behind it.
    E2,
    /// It failed with targets touched, or because of an alarm, health or a hook.
    E3,
    /// Somebody stopped it on its way, with rollback.
    E4,
    /// An older version was deployed after it.
    E5,
    /// An incident is laid to it.
    E6,
    /// A fix followed within a day. Suspected only, and off by default.
    E7,
}

impl EvidenceCode {
    /// As written in exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::E1 => "E1",
            Self::E2 => "E2",
            Self::E3 => "E3",
            Self::E4 => "E4",
            Self::E5 => "E5",
            Self::E6 => "E6",
            Self::E7 => "E7",
        }
    }
}

/// One piece of evidence that a change failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Which rule.
    pub code: EvidenceCode,
    /// How sure it is.
    pub confidence: Confidence,
    /// What it rests on: a deployment, execution, incident or event id.
    pub id: String,
    /// When the remedy came or the failure was seen, if it is known.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub time: Option<OffsetDateTime>,
}

/// What began a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerKind {
    /// A change of the source.
    Change,
    /// A person or program started it.
    Manual,
    /// A schedule or another event rule.
    Schedule,
    /// A person went back.
    ManualRollback,
    /// The service went back.
    AutomatedRollback,
    /// Somebody deployed past every pipeline.
    Direct,
    /// The history does not say.
    Unknown,
}

impl TriggerKind {
    /// As written in exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Manual => "manual",
            Self::Schedule => "schedule",
            Self::ManualRollback => "manual_rollback",
            Self::AutomatedRollback => "automated_rollback",
            Self::Direct => "direct",
            Self::Unknown => "unknown",
        }
    }
}

/// Where a member of a deployment went.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The account, as the action's role or the deployment says.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// Provider of the action: `CodeDeploy`, `CloudFormation`, `ECS`, `CodeBuild`, …
    pub provider: String,
}

/// One action or `CodeDeploy` deployment of a deployment, with all its attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// `stage/action`, or the deployment group's name.
    pub name: String,
    /// Where it went.
    pub target: Target,
    /// How often it was tried, at least once.
    pub attempts: u32,
    /// Begin of the first attempt.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// End of the last attempt.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub finished: Option<OffsetDateTime>,
    /// How the last attempt ended.
    pub outcome: Outcome,
    /// Ids of `CodeDeploy` deployments folded in, by attempt.
    pub code_deployments: Vec<String>,
    /// Error code of the last attempt that failed.
    pub error_code: Option<String>,
}

/// One arrival of one version in production.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Unique and stable: the pipeline's ARN and execution id, or the `CodeDeploy` deployment's Region and id.
    pub id: String,
    /// The service.
    pub service: ServiceKey,
    /// The pipeline's account, or the deployment's.
    pub account: AccountId,
    /// The pipeline's Region, or the deployment's.
    pub region: Region,
    /// ARN of the pipeline; none for a deployment past every pipeline.
    pub pipeline: Option<String>,
    /// `pipelineExecutionId`.
    pub execution: Option<String>,
    /// Members, sorted by begin and name.
    pub members: Vec<Member>,
    /// What was deployed, sorted; empty if it is not known.
    pub revisions: Vec<SourceRevision>,
    /// Identity of what was deployed; equal texts are equal versions. None if it is not known.
    pub version: Option<String>,
    /// Begin of the first member.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// End of the last member; none while it runs or if it is not known.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub finished: Option<OffsetDateTime>,
    /// When the first target was done.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub first_finished: Option<OffsetDateTime>,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether the first attempt of any member failed; none if the attempts are not known.
    pub first_attempt_failed: Option<bool>,
    /// Attempts of the member that took most.
    pub attempts: u32,
    /// What it was for.
    pub kind: DeploymentKind,
    /// How sure [`Self::kind`] is.
    pub kind_confidence: Confidence,
    /// What began it.
    pub trigger: TriggerKind,
    /// Who began it, if the history says so.
    pub actor: Option<Principal>,
    /// Who approved it, where the history says so.
    pub approvers: Vec<Principal>,
    /// Why it counts as a failed change, sorted; empty: nothing speaks against it.
    pub evidence: Vec<Evidence>,
    /// Whether it was unplanned: a fix or hotfix, by pattern or because it is flagged.
    pub unplanned: bool,
    /// Whether [`Self::unplanned`] was told rather than guessed from a message.
    pub unplanned_is_flagged: bool,
    /// CloudTrail events that belong to it, sorted.
    pub events: Vec<String>,
}

impl Deployment {
    /// Whether it changed what runs, or tried to: forward deployments that ended, with targets touched.
    #[must_use]
    pub fn is_completed_change(&self) -> bool {
        self.kind == DeploymentKind::Forward
            && matches!(self.outcome, Outcome::Succeeded | Outcome::Failed | Outcome::Stopped)
    }
}
