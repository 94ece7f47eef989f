//! The knobs of a pipeline: each is a way in which pipelines differ, and says nothing of how an API writes it.

use super::{BucketRef, KeyUse};

/// Pipeline type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// Execution mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Superseded,
    Queued,
    Parallel,
}

/// Where the pipeline deploys to, and what says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Nothing is deployed.
    Nothing,
    /// An account that its tag says is not production.
    NonProduction,
    /// Names that only look like production.
    LooksLikeProduction,
    /// The pipeline's own account is tagged `environment=prod`.
    OwnAccount,
    /// Names say production; the number picks which.
    Name(usize),
    /// The pipeline's tag says production.
    Tag,
    /// A role in that account, which is tagged `environment=prod`.
    CrossAccount(usize),
    /// Nothing says; the last deploying stage is taken for production.
    Assumed,
}

/// What deploys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// `CloudFormation` `CREATE_UPDATE`.
    Stack,
    /// `CloudFormation` `CHANGE_SET_REPLACE`, then `CHANGE_SET_EXECUTE`.
    ChangeSet,
    /// The deployment group of the same number.
    CodeDeploy,
    Ecs,
    S3,
    /// An invoked Lambda function.
    Lambda,
    /// An invoked state machine.
    StateMachine,
    /// A build project that applies Terraform.
    CodeBuildApply,
    /// A Commands action that applies Terraform.
    CommandsApply,
}

/// Where the approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Approval {
    Missing,
    /// In a stage of its own before the deployment.
    EarlierStage,
    /// In the stage of the deployment, with a smaller run order.
    SameStage,
    /// In the stage of the deployment, with a larger run order.
    AfterDeploy,
    /// In the stage of the deployment, with the same run order.
    EqualRunOrder,
    /// After production, before staging.
    StagingOnly,
    /// After the deployment, before the stack is torn down.
    BeforeTeardown,
    /// A build action that is called `ManualApproval`.
    CalledSo,
    /// Between two production deployments of one stage.
    PartOfStage,
}

/// What is built or tested, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tests {
    Missing,
    /// A Build action with an output, before everything.
    Build,
    /// A Test action without an output, before everything.
    TestOnly,
    /// A Test action after the deployment.
    Late,
}

/// Where a deployment to staging stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Staging {
    Absent,
    First,
    After,
}

/// What production stages do when they fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StageRollback {
    Missing,
    Result,
    Condition,
    Retry,
    /// The first of two production stages rolls back, the second does not.
    FirstOfTwo,
}

/// Which condition names an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watch {
    Missing,
    /// `onSuccess` of every production stage, with the result `ROLLBACK` or `FAIL`.
    Success {
        alarm: usize,
        rollback: bool,
    },
    /// `beforeEntry` only.
    Entry {
        alarm: usize,
    },
}

/// Where the source comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Connection,
    CodeCommitEvents,
    /// The polling parameter is not set.
    CodeCommitDefault,
    S3Events,
    S3Polling,
    GitHubToken {
        polling: bool,
    },
    Ecr,
}

/// A webhook that starts the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Webhook {
    Hmac,
    Unauthenticated,
    Range,
    OpenRange,
}

/// Environment variables of a build action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secret {
    NoVariables,
    /// Taken from Secrets Manager.
    Referenced,
    /// Plaintext, and harmless.
    Harmless,
    /// Plaintext under a name that says what it is.
    PlantedByName,
    /// Plaintext whose form says what it is.
    PlantedByForm,
}

/// What the deployment takes as its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Artifact {
    Built,
    Source,
}

/// An artifact store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Store {
    pub(crate) bucket: BucketRef,
    pub(crate) key: KeyUse,
}

/// The store in another Region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CrossRegion {
    pub(crate) region: usize,
    pub(crate) store: Store,
}

/// A pipeline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PipelineSpec {
    pub(crate) account: usize,
    pub(crate) region: usize,
    pub(crate) number: usize,
    pub(crate) version: Version,
    pub(crate) mode: Mode,
    pub(crate) reach: Reach,
    pub(crate) step: Step,
    pub(crate) approval: Approval,
    pub(crate) tests: Tests,
    pub(crate) staging: Staging,
    /// Whether production is two stages.
    pub(crate) two_stages: bool,
    /// Whether the pipeline updates itself before everything else.
    pub(crate) self_mutation: bool,
    pub(crate) rollback: StageRollback,
    pub(crate) watch: Watch,
    pub(crate) source: Source,
    pub(crate) pull_requests: bool,
    pub(crate) webhook: Option<Webhook>,
    pub(crate) secret: Secret,
    pub(crate) artifact: Artifact,
    pub(crate) store: Store,
    pub(crate) cross_region: Option<CrossRegion>,
}
