//! `aws_codepipeline`, `aws_codepipeline_webhook`.

use super::{Kind, kind};
use crate::template::terraform::mapping::{Attribute, many, named, one, same, tags};

const ENCRYPTION_KEY: &[Attribute] = &[same("id", "Id"), same("type", "Type")];
const STORE: &[Attribute] =
    &[same("location", "Location"), same("type", "Type"), one("encryption_key", "EncryptionKey", ENCRYPTION_KEY)];
const STORES: &[Attribute] = &[
    same("region", "Region"),
    same("location", "ArtifactStore/Location"),
    same("type", "ArtifactStore/Type"),
    one("encryption_key", "ArtifactStore/EncryptionKey", ENCRYPTION_KEY),
];
const VARIABLES: &[Attribute] = &[same("name", "Name"), same("type", "Type"), same("value", "Value")];
const ACTION: &[Attribute] = &[
    same("name", "Name"),
    same("category", "ActionTypeId/Category"),
    same("owner", "ActionTypeId/Owner"),
    same("provider", "ActionTypeId/Provider"),
    same("version", "ActionTypeId/Version"),
    same("run_order", "RunOrder"),
    same("configuration", "Configuration"),
    same("commands", "Commands"),
    many("environment_variable", "EnvironmentVariables", VARIABLES),
    named("input_artifacts", "InputArtifacts"),
    named("output_artifacts", "OutputArtifacts"),
    same("role_arn", "RoleArn"),
    same("region", "Region"),
    same("namespace", "Namespace"),
    same("timeout_in_minutes", "TimeoutInMinutes"),
];
const RULE: &[Attribute] = &[
    same("name", "Name"),
    one(
        "rule_type_id",
        "RuleTypeId",
        &[
            same("category", "Category"),
            same("owner", "Owner"),
            same("provider", "Provider"),
            same("version", "Version"),
        ],
    ),
    same("commands", "Commands"),
    same("configuration", "Configuration"),
    named("input_artifacts", "InputArtifacts"),
    same("role_arn", "RoleArn"),
    same("region", "Region"),
    same("timeout_in_minutes", "TimeoutInMinutes"),
];
const CONDITION: &[Attribute] = &[same("result", "Result"), many("rule", "Rules", RULE)];
const CONDITIONS: &[Attribute] = &[many("condition", "Conditions", CONDITION)];
const FAILURE: &[Attribute] = &[
    same("result", "Result"),
    many("condition", "Conditions", CONDITION),
    one("retry_configuration", "RetryConfiguration", &[same("retry_mode", "RetryMode")]),
];
const STAGE: &[Attribute] = &[
    same("name", "Name"),
    many("action", "Actions", ACTION),
    one("before_entry", "BeforeEntry", CONDITIONS),
    one("on_success", "OnSuccess", CONDITIONS),
    one("on_failure", "OnFailure", FAILURE),
];
const PATTERNS: &[Attribute] = &[same("includes", "Includes"), same("excludes", "Excludes")];
const PUSH: &[Attribute] =
    &[one("branches", "Branches", PATTERNS), one("tags", "Tags", PATTERNS), one("file_paths", "FilePaths", PATTERNS)];
const PULL_REQUEST: &[Attribute] =
    &[same("events", "Events"), one("branches", "Branches", PATTERNS), one("file_paths", "FilePaths", PATTERNS)];
const TRIGGER: &[Attribute] = &[
    same("provider_type", "ProviderType"),
    one(
        "git_configuration",
        "GitConfiguration",
        &[
            same("source_action_name", "SourceActionName"),
            many("push", "Push", PUSH),
            many("pull_request", "PullRequest", PULL_REQUEST),
        ],
    ),
];
const PIPELINE: &[Attribute] = &[
    same("name", "Name"),
    same("role_arn", "RoleArn"),
    same("pipeline_type", "PipelineType"),
    same("execution_mode", "ExecutionMode"),
    one("artifact_store", "ArtifactStore", STORE),
    many("artifact_store", "ArtifactStores", STORES),
    many("stage", "Stages", STAGE),
    many("trigger", "Triggers", TRIGGER),
    many("variable", "Variables", &[same("name", "Name")]),
    tags("tags", "Tags"),
    tags("tags_all", "Tags"),
];
const WEBHOOK: &[Attribute] = &[
    same("name", "Name"),
    same("authentication", "Authentication"),
    one("authentication_configuration", "AuthenticationConfiguration", &[same("allowed_ip_range", "AllowedIPRange")]),
    many("filter", "Filters", &[same("json_path", "JsonPath"), same("match_equals", "MatchEquals")]),
    same("target_action", "TargetAction"),
    same("target_pipeline", "TargetPipeline"),
    tags("tags", "Tags"),
    tags("tags_all", "Tags"),
];

pub(super) const KINDS: &[Kind] = &[
    kind("aws_codepipeline", "AWS::CodePipeline::Pipeline", "name", PIPELINE),
    kind("aws_codepipeline_webhook", "AWS::CodePipeline::Webhook", "name", WEBHOOK).with_arn_as_id(),
];
