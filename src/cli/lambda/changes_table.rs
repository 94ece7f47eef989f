//! Calls that can weaken the delivery path, and how the resource that they change is found in what CloudTrail tells.
//!
//! One list: the EventBridge pattern and the reader of events both follow from it. Parameters are named as CloudTrail names
//! them, which is the API's own name with a small first letter; S3 alone says `bucketName`.

use super::changes::{Calls, Subject};

/// Every call that makes a recheck.
pub(super) const EVENTS: &[Calls] = &[
    Calls {
        source: "codepipeline",
        names: &["CreatePipeline", "UpdatePipeline"],
        subject: Subject::Pipeline("/pipeline/name"),
    },
    Calls { source: "codepipeline", names: &["DeletePipeline"], subject: Subject::Pipeline("/name") },
    Calls {
        source: "codepipeline",
        names: &["DisableStageTransition", "EnableStageTransition", "OverrideStageCondition"],
        subject: Subject::Pipeline("/pipelineName"),
    },
    Calls { source: "codepipeline", names: &["PutWebhook"], subject: Subject::Pipeline("/webhook/targetPipeline") },
    Calls {
        source: "codedeploy",
        names: &["CreateDeploymentGroup", "UpdateDeploymentGroup", "DeleteDeploymentGroup"],
        subject: Subject::DeploymentGroup,
    },
    Calls {
        source: "codebuild",
        names: &["CreateProject", "UpdateProject", "DeleteProject"],
        subject: Subject::Named { prefix: "project/", at: &["/name"] },
    },
    Calls {
        source: "codebuild",
        names: &["CreateWebhook", "UpdateWebhook", "DeleteWebhook"],
        subject: Subject::Named { prefix: "project/", at: &["/projectName"] },
    },
    Calls {
        source: "codebuild",
        names: &["UpdateProjectVisibility"],
        subject: Subject::Named { prefix: "project/", at: &["/projectArn"] },
    },
    Calls {
        source: "s3",
        names: &[
            "DeleteBucket",
            "DeleteBucketEncryption",
            "DeleteBucketLifecycle",
            "DeleteBucketOwnershipControls",
            "DeleteBucketPolicy",
            "DeleteBucketPublicAccessBlock",
            "DeleteBucketReplication",
            "PutBucketAcl",
            "PutBucketEncryption",
            "PutBucketLifecycle",
            "PutBucketLogging",
            "PutBucketObjectLockConfiguration",
            "PutBucketOwnershipControls",
            "PutBucketPolicy",
            "PutBucketPublicAccessBlock",
            "PutBucketReplication",
            "PutBucketVersioning",
        ],
        subject: Subject::Bucket,
    },
    Calls {
        source: "kms",
        names: &[
            "CancelKeyDeletion",
            "DisableKey",
            "DisableKeyRotation",
            "EnableKey",
            "EnableKeyRotation",
            "PutKeyPolicy",
            "ScheduleKeyDeletion",
        ],
        subject: Subject::Named { prefix: "key/", at: &["/keyId"] },
    },
    Calls {
        source: "kms",
        names: &["DeleteAlias", "UpdateAlias"],
        subject: Subject::Named { prefix: "", at: &["/aliasName"] },
    },
    Calls {
        source: "cloudtrail",
        names: &["DeleteTrail", "StartLogging", "StopLogging", "UpdateTrail"],
        subject: Subject::Named { prefix: "trail/", at: &["/name"] },
    },
    Calls {
        source: "cloudtrail",
        names: &["PutEventSelectors"],
        subject: Subject::Named { prefix: "trail/", at: &["/trailName"] },
    },
    Calls {
        source: "iam",
        names: &[
            "AttachRolePolicy",
            "DeleteRole",
            "DeleteRolePermissionsBoundary",
            "DeleteRolePolicy",
            "DetachRolePolicy",
            "PutRolePermissionsBoundary",
            "PutRolePolicy",
            "UpdateAssumeRolePolicy",
            "UpdateRole",
        ],
        subject: Subject::Named { prefix: "role/", at: &["/roleName"] },
    },
    Calls {
        source: "iam",
        names: &["CreatePolicyVersion", "SetDefaultPolicyVersion"],
        subject: Subject::Named { prefix: "policy/", at: &["/policyArn"] },
    },
    Calls {
        source: "monitoring",
        names: &["DeleteAlarms", "DisableAlarmActions", "EnableAlarmActions"],
        subject: Subject::Named { prefix: "alarm:", at: &["/alarmNames"] },
    },
    Calls {
        source: "monitoring",
        names: &["PutCompositeAlarm", "PutMetricAlarm"],
        subject: Subject::Named { prefix: "alarm:", at: &["/alarmName"] },
    },
    Calls {
        source: "codecommit",
        names: &[
            "AssociateApprovalRuleTemplateWithRepository",
            "DeleteBranch",
            "DeleteRepository",
            "DisassociateApprovalRuleTemplateFromRepository",
            "UpdateDefaultBranch",
            "UpdateRepositoryEncryptionKey",
        ],
        subject: Subject::Named { prefix: "", at: &["/repositoryName"] },
    },
    Calls {
        source: "codecommit",
        names: &[
            "BatchAssociateApprovalRuleTemplateWithRepositories",
            "BatchDisassociateApprovalRuleTemplateFromRepositories",
        ],
        subject: Subject::Named { prefix: "", at: &["/repositoryNames"] },
    },
    Calls {
        source: "codecommit",
        names: &["UpdateRepositoryName"],
        subject: Subject::Named { prefix: "", at: &["/oldName", "/newName"] },
    },
    Calls {
        source: "codestar-connections",
        names: &["DeleteConnection"],
        subject: Subject::Named { prefix: "", at: &["/connectionArn"] },
    },
    Calls {
        source: "codeconnections",
        names: &["DeleteConnection"],
        subject: Subject::Named { prefix: "", at: &["/connectionArn"] },
    },
    Calls {
        source: "codestar-notifications",
        names: &["DeleteNotificationRule", "UpdateNotificationRule"],
        subject: Subject::Named { prefix: "", at: &["/arn"] },
    },
    Calls {
        source: "codestar-notifications",
        names: &["CreateNotificationRule"],
        subject: Subject::Named { prefix: "", at: &["/resource"] },
    },
    Calls {
        source: "ecr",
        names: &[
            "DeleteRepository",
            "DeleteRepositoryPolicy",
            "PutImageScanningConfiguration",
            "PutImageTagMutability",
            "SetRepositoryPolicy",
        ],
        subject: Subject::Named { prefix: "repository/", at: &["/repositoryName"] },
    },
    Calls {
        source: "secretsmanager",
        names: &["CancelRotateSecret", "DeleteSecret", "PutResourcePolicy"],
        subject: Subject::Named { prefix: "secret:", at: &["/secretId"] },
    },
    Calls {
        source: "sns",
        names: &["DeleteTopic", "SetTopicAttributes"],
        subject: Subject::Named { prefix: "", at: &["/topicArn"] },
    },
];
