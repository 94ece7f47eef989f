//! CodeBuild: projects, without their build scripts and without values of variables.
//!
//! In: a scope. Out: `AWS::CodeBuild::Project`, and references to artifact buckets and keys.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_codebuild::Client;
use aws_sdk_codebuild::types::{
    ArtifactsType, LogsConfig, Project, ProjectArtifacts, ProjectEnvironment, ProjectSource,
};
use serde_json::Value;

use super::fields::Fields;
use super::pages::{all_pages, in_order};
use super::secrets::{variable_value, without_userinfo};
use super::{CallError, Collected, Collector, Reach, Scope, arn};
use crate::inventory::{GapCause, Properties, Reference, Resource, TypeName, deploy_commands};

/// Reads CodeBuild.
#[derive(Debug, Clone, Copy)]
pub struct CodeBuild;

const LIST_PROJECTS: &str = "codebuild:ListProjects";
const BATCH_GET_PROJECTS: &str = "codebuild:BatchGetProjects";

/// Names that one batch call takes.
const PROJECTS_PER_CALL: usize = 100;

/// The key that CodeBuild names where none is configured.
const DEFAULT_KEY: &str = "alias/aws/s3";

#[async_trait]
impl Collector for CodeBuild {
    fn service(&self) -> &'static str {
        "codebuild"
    }

    fn actions(&self) -> &'static [&'static str] {
        &[LIST_PROJECTS, BATCH_GET_PROJECTS]
    }

    fn types(&self) -> &'static [TypeName] {
        const { &[TypeName::PROJECT] }
    }

    fn reach(&self) -> Reach {
        Reach::EveryRegion
    }

    async fn collect(&self, scope: &Scope, _wanted: &[Reference]) -> Collected {
        let client = &Client::new(scope.config());
        let listed = all_pages(LIST_PROJECTS, |token| async move {
            let page =
                scope.call(LIST_PROJECTS, || client.list_projects().set_next_token(token.clone()).send()).await?;
            Ok((page.projects.unwrap_or_default(), page.next_token))
        })
        .await;
        let mut collected = Collected::default();
        collected.gaps.extend(listed.error.map(|error| error.unlisted(scope, &[TypeName::PROJECT])));
        let mut names = listed.items;
        names.sort();
        names.dedup();
        let jobs = names.chunks(PROJECTS_PER_CALL).map(|chunk| read_projects(scope, client, chunk)).collect();
        for projects in in_order(jobs).await {
            collected.absorb(projects);
        }
        collected
    }
}

async fn read_projects(scope: &Scope, client: &Client, names: &[String]) -> Collected {
    let ask = || client.batch_get_projects().set_names(Some(names.to_vec())).send();
    let (mut by_name, error) = match scope.call(BATCH_GET_PROJECTS, ask).await {
        Ok(answer) => {
            let projects = answer.projects.unwrap_or_default();
            let by_name: BTreeMap<String, Project> =
                projects.into_iter().filter_map(|project| Some((project.name.clone()?, project))).collect();
            // Deleted since it was listed, or kept back: either way it was not looked at.
            let message = "listed, but not found when asked for".to_owned();
            let cause = GapCause::Service { code: "ProjectsNotFound".to_owned(), message };
            (by_name, CallError { action: BATCH_GET_PROJECTS, code: String::new(), cause })
        }
        Err(error) => (BTreeMap::new(), error),
    };
    let mut collected = Collected::default();
    for name in names {
        let uid = arn::in_scope(scope, "codebuild", &format!("project/{name}"));
        let mut resource = Resource::live(TypeName::PROJECT, uid, scope.account.clone(), scope.region.clone());
        if let Some(project) = by_name.remove(name) {
            let tags = project.tags().iter();
            let tags = tags.filter_map(|tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_default())));
            resource.tags = tags.collect();
            resource.properties = properties(name, &project);
            collected.references.extend(references(scope, &project));
        } else {
            resource.properties.insert("Name".to_owned(), Value::from(name.as_str()));
            error.clone().hides(scope, &mut resource, &["*"]);
        }
        collected.resources.push(resource);
    }
    collected
}

fn properties(name: &str, project: &Project) -> Properties {
    let inline = project.source().and_then(ProjectSource::buildspec).filter(|text| is_inline(text));
    let commands = inline.map(|text| deploy_commands(text).into_iter().collect::<Vec<_>>());
    let cache = project
        .cache()
        .map(|cache| Fields::new().text("Type", Some(cache.r#type())).text("Location", cache.location()).value());
    Fields::new()
        .text("Name", Some(name))
        .text("ServiceRole", project.service_role())
        .put("Source", project.source().map(source))
        .put("DeployCommands", commands)
        .put("Artifacts", project.artifacts().map(artifacts))
        .list("SecondaryArtifacts", project.secondary_artifacts(), artifacts)
        .put("Cache", cache)
        .put("LogsConfig", project.logs_config().map(logs))
        .text("EncryptionKey", project.encryption_key())
        .put("Environment", project.environment().map(environment))
        .properties()
}

fn source(source: &ProjectSource) -> Value {
    let location = source.location().map(without_userinfo);
    // The script itself may hold secrets.
    let buildspec = source.buildspec().map(|text| if is_inline(text) { "inline" } else { text });
    Fields::new()
        .text("Type", Some(source.r#type()))
        .text("Location", location.as_deref())
        .text("BuildSpec", buildspec)
        .value()
}

/// Whether a build specification is given as text. What is neither one line nor free of YAML's and JSON's marks is
/// taken for text, so that a script never passes for a path.
fn is_inline(buildspec: &str) -> bool {
    !buildspec.starts_with("arn:") && buildspec.trim().contains(['\n', ':', '{'])
}

fn artifacts(artifacts: &ProjectArtifacts) -> Value {
    Fields::new()
        .text("Type", Some(artifacts.r#type()))
        .text("Location", artifacts.location())
        .put("EncryptionDisabled", artifacts.encryption_disabled())
        .value()
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

fn environment(environment: &ProjectEnvironment) -> Value {
    Fields::new()
        .text("Type", Some(environment.r#type()))
        .text("Image", Some(environment.image()))
        .put("PrivilegedMode", environment.privileged_mode())
        .list("EnvironmentVariables", environment.environment_variables(), |variable| {
            let type_name = variable.r#type().map(AsRef::as_ref);
            let value = variable_value(variable.name(), type_name, variable.value());
            let fields = Fields::new().text("Name", Some(variable.name())).text("Type", type_name);
            fields.text("Value", Some(&value)).value()
        })
        .value()
}

fn references(scope: &Scope, project: &Project) -> Vec<Reference> {
    let artifacts = project.artifacts().into_iter().chain(project.secondary_artifacts());
    let buckets = artifacts.filter(|artifacts| *artifacts.r#type() == ArtifactsType::S3).filter_map(|artifacts| {
        arn::reference(scope, TypeName::BUCKET, arn::bucket_name(artifacts.location().unwrap_or_default()))
    });
    let key = project.encryption_key().filter(|key| !key.ends_with(DEFAULT_KEY));
    let key = key.and_then(|key| arn::reference(scope, TypeName::KEY, key));
    let mut found: Vec<Reference> = buckets.chain(key).collect();
    found.extend(project.environment().and_then(|environment| super::image_name::of_image(scope, environment.image())));
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use aws_sdk_codebuild::types::{
        ComputeType, EnvironmentType, EnvironmentVariable, EnvironmentVariableType, SourceType,
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
        let value = Value::Object(properties("web", &project(script)));
        assert_eq!(
            value["Source"],
            json!({"Type": "GITHUB", "Location": "https://github.com/o/r.git", "BuildSpec": "inline"})
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
            let value = Value::Object(properties("web", &project(path)));
            assert_eq!(value["Source"]["BuildSpec"], path);
            assert_eq!(value.get("DeployCommands"), None);
        }
        assert!(is_inline("version: 0.2"));
        assert!(is_inline("{\"version\":0.2}"));
        let value = Value::Object(properties("web", &project("")));
        assert_eq!(value["Source"].get("BuildSpec"), None);
    }

    #[tokio::test]
    async fn projects_are_brought_and_no_refusal_is_lost() {
        use super::super::test_support::{Answer, by_operation, every_refusal_leaves_a_gap};
        let artifacts = json!({"type": "S3", "location": "artifacts"});
        let project = json!({
            "name": "web", "source": {"type": "CODEPIPELINE"}, "artifacts": artifacts,
            "encryptionKey": "alias/builds", "tags": [{"key": "env", "value": "prod"}],
        });
        let answers = by_operation(&[
            ("ListProjects", Answer::Json(json!({"projects": ["web"]}))),
            ("BatchGetProjects", Answer::Json(json!({"projects": [project]}))),
        ]);
        let found = every_refusal_leaves_a_gap(&CodeBuild, CodeBuild.actions(), &[], answers, &[]).await;
        let project = found.resources.first().unwrap();
        assert_eq!(project.uid.as_str(), "arn:aws:codebuild:eu-west-1:111122223333:project/web");
        assert_eq!(project.tags.get("env").map(String::as_str), Some("prod"));
        let named: Vec<_> = found.references.iter().map(|r| (r.type_name.clone(), r.name.as_str())).collect();
        assert_eq!(named, [(TypeName::KEY, "alias/builds"), (TypeName::BUCKET, "artifacts")]);
    }

    #[tokio::test]
    async fn a_project_that_is_not_found_again_is_unseen() {
        use super::super::test_support::{Answer, by_operation, endpoint};
        let answers = by_operation(&[
            ("ListProjects", Answer::Json(json!({"projects": ["gone"]}))),
            ("BatchGetProjects", Answer::Json(json!({"projects": [], "projectsNotFound": ["gone"]}))),
        ]);
        let endpoint = endpoint(answers, &[]).await;
        let found = CodeBuild.collect(&endpoint.scope, &[]).await;
        assert_eq!(found.resources.first().unwrap().gap_over("Source").unwrap().action, BATCH_GET_PROJECTS);
    }
}
