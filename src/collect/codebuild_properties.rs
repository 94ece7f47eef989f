//! A project of `CodeBuild` in CloudFormation's words.
//!
//! In: a project as the API describes it. Out: its properties, without build scripts, without values of variables,
//! without the address and the secret of its webhook.

use aws_sdk_codebuild::types::{
    LogsConfig, Project, ProjectArtifacts, ProjectCache, ProjectEnvironment, ProjectSource, VpcConfig, Webhook,
    WebhookFilter,
};
use serde_json::Value;

use super::checks::checks;
use super::fields::{Fields, moment};
use crate::inventory::{Properties, Redaction, deploy_commands, is_inline_buildspec, source_location, user_info};

pub(super) fn properties(redaction: &Redaction, name: &str, project: &Project) -> Properties {
    let inline = project.source().and_then(ProjectSource::buildspec).filter(|text| is_inline_buildspec(text));
    let commands = inline.map(|text| deploy_commands(text).into_iter().collect::<Vec<_>>());
    Fields::new()
        .text("Name", Some(name))
        .text("ServiceRole", project.service_role())
        .put("Source", project.source().map(source))
        .list("SecondarySources", project.secondary_sources(), source)
        .put("DeployCommands", commands)
        .put("CheckCommands", inline.map(checks))
        .put("Artifacts", project.artifacts().map(artifacts))
        .list("SecondaryArtifacts", project.secondary_artifacts(), artifacts)
        .put("Cache", project.cache().map(cache))
        .put("LogsConfig", project.logs_config().map(logs))
        .text("EncryptionKey", project.encryption_key())
        .put("Environment", project.environment().map(|declared| environment(redaction, declared)))
        .put("Triggers", project.webhook().map(triggers))
        .text("Visibility", project.project_visibility())
        .put("VpcConfig", project.vpc_config().and_then(vpc))
        .put("TimeoutInMinutes", project.timeout_in_minutes())
        .put("QueuedTimeoutInMinutes", project.queued_timeout_in_minutes())
        .put("ConcurrentBuildLimit", project.concurrent_build_limit())
        .put("Created", moment(project.created()))
        .properties()
}

fn source(source: &ProjectSource) -> Value {
    let location = source.location().map(source_location);
    // The script itself may hold secrets.
    let buildspec = source.buildspec().map(|text| if is_inline_buildspec(text) { "inline" } else { text });
    let auth = source.auth().map(|auth| Fields::new().text("Type", Some(auth.r#type())).value());
    Fields::new()
        .text("Type", Some(source.r#type()))
        .text("SourceIdentifier", source.source_identifier())
        .text("Location", location.as_deref())
        .text("LocationUserInfo", source.location().and_then(user_info))
        .text("BuildSpec", buildspec)
        .put("InsecureSsl", source.insecure_ssl())
        .put("Auth", auth)
        .value()
}

fn artifacts(artifacts: &ProjectArtifacts) -> Value {
    Fields::new()
        .text("Type", Some(artifacts.r#type()))
        .text("ArtifactIdentifier", artifacts.artifact_identifier())
        .text("Location", artifacts.location())
        .put("EncryptionDisabled", artifacts.encryption_disabled())
        .value()
}

fn cache(cache: &ProjectCache) -> Value {
    Fields::new()
        .text("Type", Some(cache.r#type()))
        .text("Location", cache.location())
        .texts("Modes", cache.modes())
        .text("CacheNamespace", cache.cache_namespace())
        .value()
}

fn vpc(vpc: &VpcConfig) -> Option<Value> {
    Fields::new()
        .text("VpcId", vpc.vpc_id())
        .texts("Subnets", vpc.subnets())
        .texts("SecurityGroupIds", vpc.security_group_ids())
        .unless_empty()
}

fn logs(logs: &LogsConfig) -> Value {
    let cloudwatch = logs.cloud_watch_logs().map(|logs| Fields::new().text("Status", Some(logs.status())).value());
    let s3 = logs.s3_logs().map(|logs| {
        Fields::new()
            .text("Status", Some(logs.status()))
            .text("Location", logs.location())
            .put("EncryptionDisabled", logs.encryption_disabled())
            .value()
    });
    Fields::new().put("CloudWatchLogs", cloudwatch).put("S3Logs", s3).value()
}

fn environment(redaction: &Redaction, environment: &ProjectEnvironment) -> Value {
    let registry = environment.registry_credential().map(|registry| {
        Fields::new()
            .text("Credential", Some(registry.credential()))
            .text("CredentialProvider", Some(registry.credential_provider()))
            .value()
    });
    Fields::new()
        .text("Type", Some(environment.r#type()))
        .text("Image", Some(environment.image()))
        .text("ImagePullCredentialsType", environment.image_pull_credentials_type())
        .put("RegistryCredential", registry)
        .put("PrivilegedMode", environment.privileged_mode())
        .list("EnvironmentVariables", environment.environment_variables(), |variable| {
            let type_name = variable.r#type().map(AsRef::as_ref);
            let value = redaction.variable_value(variable.name(), type_name, variable.value());
            let fields = Fields::new().text("Name", Some(variable.name())).text("Type", type_name);
            fields.text("Value", Some(&value)).value()
        })
        .value()
}

/// A webhook, without its address and its secret.
fn triggers(webhook: &Webhook) -> Value {
    let group = |filters: &Vec<WebhookFilter>| filters.iter().map(filter).collect();
    let scope = webhook.scope_configuration().map(|scope| {
        Fields::new()
            .text("Name", Some(scope.name()))
            .text("Domain", scope.domain())
            .text("Scope", Some(scope.scope()))
            .value()
    });
    let policy = webhook.pull_request_build_policy().map(|policy| {
        Fields::new()
            .text("RequiresCommentApproval", Some(policy.requires_comment_approval()))
            .texts("ApproverRoles", policy.approver_roles())
            .value()
    });
    Fields::new()
        .put("Webhook", Some(true))
        .text("BuildType", webhook.build_type())
        .list("FilterGroups", webhook.filter_groups(), group)
        .put("ScopeConfiguration", scope)
        .put("PullRequestBuildPolicy", policy)
        .text("BranchFilter", webhook.branch_filter())
        .put("ManualCreation", webhook.manual_creation())
        .value()
}

fn filter(filter: &WebhookFilter) -> Value {
    Fields::new()
        .text("Type", Some(filter.r#type()))
        .text("Pattern", Some(filter.pattern()))
        .put("ExcludeMatchedPattern", filter.exclude_matched_pattern())
        .value()
}

#[cfg(test)]
mod tests {
    use aws_sdk_codebuild::types::{
        ArtifactsType, ComputeType, EnvironmentType, EnvironmentVariable, EnvironmentVariableType,
        PullRequestBuildCommentApproval, PullRequestBuildPolicy, ScopeConfiguration, SourceType, WebhookFilterType,
        WebhookScopeType,
    };
    use serde_json::json;

    use super::*;

    fn project(buildspec: &str) -> Project {
        let variable = EnvironmentVariable::builder().name("DB_PASSWORD").value("hunter2");
        let variable = variable.r#type(EnvironmentVariableType::Plaintext).build().unwrap();
        let source = ProjectSource::builder().r#type(SourceType::Github).buildspec(buildspec);
        let environment = ProjectEnvironment::builder()
            .r#type(EnvironmentType::LinuxContainer)
            .compute_type(ComputeType::BuildGeneral1Small)
            .image("aws/codebuild/standard:7.0")
            .privileged_mode(true)
            .environment_variables(variable)
            .build()
            .unwrap();
        let artifacts = ProjectArtifacts::builder().r#type(ArtifactsType::S3).location("artifacts").build().unwrap();
        Project::builder()
            .name("web")
            .source(source.location("https://me:pw@github.com/o/r.git").build().unwrap())
            .artifacts(artifacts)
            .environment(environment)
            .encryption_key("arn:aws:kms:eu-west-1:123456789012:alias/aws/s3")
            .build()
    }

    #[test]
    fn scripts_and_values_stay_behind() {
        let script =
            "version: 0.2\nphases:\n  build:\n    commands:\n      - export X=hunter3\n      - terraform apply\n";
        let value = Value::Object(properties(&Redaction::default(), "web", &project(script)));
        assert_eq!(
            value["Source"],
            json!({"Type": "GITHUB", "Location": "https://github.com/o/r.git", "LocationUserInfo": "password",
                   "BuildSpec": "inline"})
        );
        assert_eq!(value["DeployCommands"], json!(["terraform apply"]));
        assert_eq!(
            value["Environment"]["EnvironmentVariables"],
            json!([{"Name": "DB_PASSWORD", "Type": "PLAINTEXT", "Value": "redacted:secret-like"}])
        );
        for secret in ["hunter2", "hunter3", "me:pw"] {
            assert!(!value.to_string().contains(secret), "{secret}");
        }
    }

    #[test]
    fn a_path_is_kept_and_no_script_passes_for_one() {
        for path in ["ci/buildspec.yml", "arn:aws:s3:::specs/build.yml"] {
            let value = Value::Object(properties(&Redaction::default(), "web", &project(path)));
            assert_eq!(value["Source"]["BuildSpec"], path);
            assert_eq!(value.get("DeployCommands"), None);
        }
        assert!(is_inline_buildspec("version: 0.2"));
        assert!(is_inline_buildspec("{\"version\":0.2}"));
        let value = Value::Object(properties(&Redaction::default(), "web", &project("")));
        assert_eq!(value["Source"].get("BuildSpec"), None);
    }

    #[test]
    fn a_webhook_without_its_address_and_secret() {
        let filter = |kind, pattern: &str| WebhookFilter::builder().r#type(kind).pattern(pattern).build().unwrap();
        let policy = PullRequestBuildPolicy::builder()
            .requires_comment_approval(PullRequestBuildCommentApproval::ForkPullRequests)
            .approver_roles("GITHUB_ADMIN".into());
        let scope = ScopeConfiguration::builder().name("acme").scope(WebhookScopeType::GithubOrganization);
        let webhook = Webhook::builder()
            .url("https://hook.example/7")
            .payload_url("https://hook.example/payload")
            .secret("hunter2")
            .filter_groups(vec![
                filter(WebhookFilterType::Event, "PUSH"),
                filter(WebhookFilterType::HeadRef, "^refs/heads/main$"),
            ])
            .manual_creation(true)
            .scope_configuration(scope.build().unwrap())
            .pull_request_build_policy(policy.build().unwrap())
            .build();
        let project = Project::builder().name("web").webhook(webhook).build();
        assert_eq!(
            properties(&Redaction::default(), "web", &project).get("Triggers"),
            Some(&json!({
                "Webhook": true,
                "FilterGroups": [[
                    {"Type": "EVENT", "Pattern": "PUSH"}, {"Type": "HEAD_REF", "Pattern": "^refs/heads/main$"},
                ]],
                "ScopeConfiguration": {"Name": "acme", "Scope": "GITHUB_ORGANIZATION"},
                "PullRequestBuildPolicy": {
                    "RequiresCommentApproval": "FORK_PULL_REQUESTS", "ApproverRoles": ["GITHUB_ADMIN"],
                },
                "ManualCreation": true,
            }))
        );
    }
}
