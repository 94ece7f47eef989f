//! `aws_codebuild_project` and what belongs to it.

use super::{Joining, Kind, Split, kind};
use crate::template::terraform::mapping::{Attribute, How, many, one, positive, same, tags};

const SOURCE: &[Attribute] = &[
    same("source_identifier", "SourceIdentifier"),
    same("type", "Type"),
    same("location", "Location"),
    same("buildspec", "BuildSpec"),
    same("insecure_ssl", "InsecureSsl"),
    same("git_clone_depth", "GitCloneDepth"),
    same("report_build_status", "ReportBuildStatus"),
    one("auth", "Auth", &[same("type", "Type"), same("resource", "Resource")]),
];
const ARTIFACTS: &[Attribute] = &[
    same("type", "Type"),
    same("artifact_identifier", "ArtifactIdentifier"),
    same("location", "Location"),
    same("encryption_disabled", "EncryptionDisabled"),
    same("name", "Name"),
    same("path", "Path"),
    same("packaging", "Packaging"),
    same("namespace_type", "NamespaceType"),
    same("override_artifact_name", "OverrideArtifactName"),
];
const ENVIRONMENT: &[Attribute] = &[
    same("type", "Type"),
    same("image", "Image"),
    same("compute_type", "ComputeType"),
    same("image_pull_credentials_type", "ImagePullCredentialsType"),
    one(
        "registry_credential",
        "RegistryCredential",
        &[same("credential", "Credential"), same("credential_provider", "CredentialProvider")],
    ),
    same("privileged_mode", "PrivilegedMode"),
    many(
        "environment_variable",
        "EnvironmentVariables",
        &[same("name", "Name"), same("type", "Type"), same("value", "Value")],
    ),
];
const LOGS: &[Attribute] = &[
    one(
        "cloudwatch_logs",
        "CloudWatchLogs",
        &[same("status", "Status"), same("group_name", "GroupName"), same("stream_name", "StreamName")],
    ),
    one(
        "s3_logs",
        "S3Logs",
        &[same("status", "Status"), same("location", "Location"), same("encryption_disabled", "EncryptionDisabled")],
    ),
];
const CACHE: &[Attribute] = &[
    same("type", "Type"),
    same("location", "Location"),
    same("modes", "Modes"),
    same("cache_namespace", "CacheNamespace"),
];
const PROJECT: &[Attribute] = &[
    same("name", "Name"),
    same("service_role", "ServiceRole"),
    one("source", "Source", SOURCE),
    many("secondary_sources", "SecondarySources", SOURCE),
    one("artifacts", "Artifacts", ARTIFACTS),
    many("secondary_artifacts", "SecondaryArtifacts", ARTIFACTS),
    one("cache", "Cache", CACHE),
    one("logs_config", "LogsConfig", LOGS),
    same("encryption_key", "EncryptionKey"),
    one("environment", "Environment", ENVIRONMENT),
    same("project_visibility", "Visibility"),
    one(
        "vpc_config",
        "VpcConfig",
        &[same("vpc_id", "VpcId"), same("subnets", "Subnets"), same("security_group_ids", "SecurityGroupIds")],
    ),
    positive("build_timeout", "TimeoutInMinutes"),
    positive("queued_timeout", "QueuedTimeoutInMinutes"),
    positive("concurrent_build_limit", "ConcurrentBuildLimit"),
    tags("tags", "Tags"),
    tags("tags_all", "Tags"),
];
const CREDENTIAL: &[Attribute] = &[same("auth_type", "AuthType"), same("server_type", "ServerType")];
const REPORT_GROUP: &[Attribute] = &[
    same("name", "Name"),
    same("type", "Type"),
    one(
        "export_config",
        "ExportConfig",
        &[
            same("type", "ExportConfigType"),
            one(
                "s3_destination",
                "S3Destination",
                &[
                    same("bucket", "Bucket"),
                    same("path", "Path"),
                    same("packaging", "Packaging"),
                    same("encryption_key", "EncryptionKey"),
                    same("encryption_disabled", "EncryptionDisabled"),
                ],
            ),
        ],
    ),
    tags("tags", "Tags"),
    tags("tags_all", "Tags"),
];

pub(super) const KINDS: &[Kind] = &[
    kind("aws_codebuild_project", "AWS::CodeBuild::Project", "name", PROJECT).with_arn_as_id(),
    kind("aws_codebuild_source_credential", "AWS::CodeBuild::SourceCredential", "", CREDENTIAL)
        .with_arn_as_id()
        .named_by_arn(),
    kind("aws_codebuild_report_group", "AWS::CodeBuild::ReportGroup", "name", REPORT_GROUP).with_arn_as_id(),
];

const FILTER: &[Attribute] =
    &[same("type", "Type"), same("pattern", "Pattern"), same("exclude_matched_pattern", "ExcludeMatchedPattern")];
const WEBHOOK: &[Attribute] = &[
    // Whatever its value: there is a webhook.
    Attribute { from: "project_name", to: "Triggers/Webhook", how: How::Words(&[]) },
    same("build_type", "Triggers/BuildType"),
    same("branch_filter", "Triggers/BranchFilter"),
    same("manual_creation", "Triggers/ManualCreation"),
    Attribute { from: "filter_group", to: "Triggers/FilterGroups", how: How::Lists("filter", FILTER) },
    one(
        "scope_configuration",
        "Triggers/ScopeConfiguration",
        &[same("name", "Name"), same("domain", "Domain"), same("scope", "Scope")],
    ),
    one(
        "pull_request_build_policy",
        "Triggers/PullRequestBuildPolicy",
        &[same("requires_comment_approval", "RequiresCommentApproval"), same("approver_roles", "ApproverRoles")],
    ),
];

pub(super) const SPLITS: &[Split] = &[Split {
    terraform: "aws_codebuild_webhook",
    owner: "AWS::CodeBuild::Project",
    by: "project_name",
    property: "Triggers",
    inline: "",
    joining: Joining::Set,
    attributes: WEBHOOK,
}];
