//! The CloudTrail events that are read. The one list: calls to `LookupEvents`, Athena's SQL and the archive's scanner
//! follow from it.

/// An event that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventName {
    /// `eventSource`, e.g. `codepipeline.amazonaws.com`.
    pub source: &'static str,
    /// `eventName`, e.g. `PutApprovalResult`.
    pub name: &'static str,
}

macro_rules! events {
    ($($source:literal: $($name:literal)+;)+) => {
        &[$($(EventName { source: concat!($source, ".amazonaws.com"), name: $name },)+)+]
    };
}

/// Every event that is read, by source.
///
/// Object Lock is named in two ways in AWS's own documents, so both are read. An alarm's real transitions are no API
/// calls and are in no trail.
pub const EVENTS: &[EventName] = events! {
    "codepipeline": "StartPipelineExecution" "PutApprovalResult" "RetryStageExecution" "RollbackStage"
        "OverrideStageCondition" "StopPipelineExecution" "DisableStageTransition" "EnableStageTransition"
        "CreatePipeline" "UpdatePipeline" "DeletePipeline" "PutActionRevision" "PutWebhook" "DeleteWebhook"
        "PutJobSuccessResult" "PutJobFailureResult" "UpdateActionType";
    "codedeploy": "CreateDeployment" "StopDeployment" "ContinueDeployment" "SkipWaitTimeForInstanceTermination"
        "PutLifecycleEventHookExecutionStatus" "CreateDeploymentGroup" "UpdateDeploymentGroup" "DeleteDeploymentGroup"
        "CreateDeploymentConfig";
    "codebuild": "StartBuild" "StartBuildBatch" "RetryBuild" "RetryBuildBatch" "StopBuild" "StartSandbox"
        "StartCommandExecution" "UpdateProject" "UpdateProjectVisibility" "ImportSourceCredentials" "UpdateWebhook";
    "codecommit": "GitPush" "MergePullRequestByFastForward" "MergePullRequestBySquash" "MergePullRequestByThreeWay"
        "MergeBranchesByFastForward" "MergeBranchesBySquash" "MergeBranchesByThreeWay" "CreateCommit" "PutFile"
        "UpdatePullRequestApprovalState" "OverridePullRequestApprovalRules" "DeletePullRequestApprovalRule"
        "UpdateApprovalRuleTemplateContent" "DeleteApprovalRuleTemplate"
        "DisassociateApprovalRuleTemplateFromRepository" "BatchDisassociateApprovalRuleTemplateFromRepositories"
        "UpdatePullRequestApprovalRuleContent" "UpdateDefaultBranch" "DeleteFile" "CreateBranch" "DeleteBranch";
    "monitoring": "SetAlarmState" "PutMetricAlarm" "PutCompositeAlarm" "DeleteAlarms" "DisableAlarmActions"
        "EnableAlarmActions";
    "s3": "PutBucketPolicy" "DeleteBucketPolicy" "PutBucketVersioning" "PutBucketPublicAccessBlock"
        "DeleteBucketPublicAccessBlock" "PutObjectLockConfiguration" "PutBucketObjectLockConfiguration"
        "PutBucketEncryption" "DeleteBucketEncryption" "PutBucketLifecycle" "PutBucketLifecycleConfiguration"
        "DeleteBucket";
    "kms": "PutKeyPolicy" "DisableKey" "ScheduleKeyDeletion" "DisableKeyRotation";
    "iam": "PutRolePolicy" "AttachRolePolicy" "UpdateAssumeRolePolicy" "DeleteRolePermissionsBoundary"
        "CreatePolicyVersion" "SetDefaultPolicyVersion" "PutRolePermissionsBoundary" "DetachRolePolicy"
        "DeleteRolePolicy";
    "events": "PutRule" "DisableRule" "RemoveTargets" "DeleteRule";
    "codeconnections": "CreateConnection" "DeleteConnection";
    "codestar-connections": "CreateConnection" "DeleteConnection";
    "cloudtrail": "StartLogging" "StopLogging" "DeleteTrail" "UpdateTrail" "PutEventSelectors";
};

/// The sources of services that stand in no Region: their events are recorded in the partition's first Region.
const GLOBAL: &[&str] = &["iam.amazonaws.com"];

/// Whether every event of a name is of a service that stands in no Region.
#[must_use]
pub fn is_global(name: &str) -> bool {
    let mut of_name = EVENTS.iter().filter(|event| event.name == name).peekable();
    of_name.peek().is_some() && of_name.all(|event| GLOBAL.contains(&event.source))
}

/// Whether an event is read.
#[must_use]
pub fn is_wanted(source: &str, name: &str) -> bool {
    EVENTS.iter().any(|event| event.source == source && event.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_stands_once() {
        let mut sorted = EVENTS.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), EVENTS.len());
        assert!(is_wanted("codepipeline.amazonaws.com", "PutApprovalResult"));
        assert!(is_global("PutRolePolicy") && !is_global("PutApprovalResult") && !is_global("DescribeCluster"));
        assert!(!is_wanted("launchwizard.amazonaws.com", "CreateDeployment"));
    }
}
