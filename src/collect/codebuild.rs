//! CodeBuild: projects, without their build scripts and without values of variables, and what goes with them.
//!
//! In: a scope. Out: `AWS::CodeBuild::Project` with its last build, `AWS::CodeBuild::SourceCredential`,
//! `AWS::CodeBuild::ReportGroup`, and references to artifact buckets, keys and secrets.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_codebuild::Client;
use aws_sdk_codebuild::types::{ArtifactsType, EnvironmentVariableType, Project, ProjectEnvironment};
use serde_json::Value;

use super::codebuild_builds::{self, BATCH_GET_BUILDS, LIST_BUILDS};
use super::codebuild_properties::properties;
use super::codebuild_reports::{self, BATCH_GET_REPORT_GROUPS, LIST_REPORT_GROUPS, LIST_SOURCE_CREDENTIALS};
use super::pages::{all_pages, in_order};
use super::{CallError, Collected, Collector, Reach, Scope, arn, secret_reference};
use crate::inventory::{GapCause, Reference, Resource, TypeName, variable_value};

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
        &[
            LIST_PROJECTS,
            BATCH_GET_PROJECTS,
            LIST_BUILDS,
            BATCH_GET_BUILDS,
            LIST_SOURCE_CREDENTIALS,
            LIST_REPORT_GROUPS,
            BATCH_GET_REPORT_GROUPS,
        ]
    }

    fn types(&self) -> &'static [TypeName] {
        const { &[TypeName::PROJECT, TypeName::SOURCE_CREDENTIAL, TypeName::REPORT_GROUP] }
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
        let mut names = listed.items;
        names.sort();
        names.dedup();
        // Without a project nothing else is asked for, so it is unlisted as well.
        let types = if names.is_empty() { self.types() } else { &[TypeName::PROJECT] };
        collected.gaps.extend(listed.error.map(|error| error.unlisted(scope, types)));
        if names.is_empty() {
            return collected;
        }
        let jobs = names.chunks(PROJECTS_PER_CALL).map(|chunk| read_projects(scope, client, chunk)).collect();
        for projects in in_order(jobs).await {
            collected.absorb(projects);
        }
        codebuild_builds::read(scope, client, &mut collected.resources).await;
        collected.absorb(codebuild_reports::source_credentials(scope, client).await);
        collected.absorb(codebuild_reports::report_groups(scope, client).await);
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
            resource.properties = properties(scope.redaction(), name, &project);
            collected.references.extend(references(scope, &project));
        } else {
            resource.properties.insert("Name".to_owned(), Value::from(name.as_str()));
            error.clone().hides(scope, &mut resource, &["*"]);
        }
        collected.resources.push(resource);
    }
    collected
}

fn references(scope: &Scope, project: &Project) -> Vec<Reference> {
    let artifacts = project.artifacts().into_iter().chain(project.secondary_artifacts());
    let buckets = artifacts.filter(|artifacts| *artifacts.r#type() == ArtifactsType::S3).filter_map(|artifacts| {
        arn::reference(scope, TypeName::BUCKET, arn::bucket_name(artifacts.location().unwrap_or_default()))
    });
    let key = project.encryption_key().filter(|key| !key.ends_with(DEFAULT_KEY));
    let key = key.and_then(|key| arn::reference(scope, TypeName::KEY, key));
    let variables = project.environment().into_iter().flat_map(ProjectEnvironment::environment_variables);
    let secrets = variables.filter(|variable| variable.r#type() == Some(&EnvironmentVariableType::SecretsManager));
    let secrets = secrets.filter_map(|variable| {
        let type_name = variable.r#type().map(AsRef::as_ref);
        secret_reference::reference(scope, &variable_value(variable.name(), type_name, variable.value()))
    });
    let mut found: Vec<Reference> = buckets.chain(key).chain(secrets).collect();
    found.extend(arn::reference(scope, TypeName::ROLE, project.service_role().unwrap_or_default()));
    found.extend(project.environment().and_then(|environment| super::image_name::of_image(scope, environment.image())));
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn projects_are_brought_and_no_refusal_is_lost() {
        use super::super::test_support::{Answer, by_operation, every_refusal_leaves_a_gap};
        let artifacts = json!({"type": "S3", "location": "artifacts"});
        let variable = |name: &str, value: &str| json!({"name": name, "type": "SECRETS_MANAGER", "value": value});
        let variables = [variable("DB", "delivery/database:password"), variable("X", "AKIAIOSFODNN7EXAMPLE")];
        let project = json!({
            "name": "web", "source": {"type": "CODEPIPELINE"}, "artifacts": artifacts,
            "environment": {
                "type": "LINUX_CONTAINER", "image": "aws/codebuild/standard:7.0", "computeType": "BUILD_GENERAL1_SMALL",
                "environmentVariables": variables,
            },
            "encryptionKey": "alias/builds", "tags": [{"key": "env", "value": "prod"}],
        });
        let answers = by_operation(&[
            ("ListProjects", Answer::Json(json!({"projects": ["web"]}))),
            ("BatchGetProjects", Answer::Json(json!({"projects": [project]}))),
            ("ListBuildsForProject", Answer::Json(json!({"ids": ["web:1"]}))),
            ("BatchGetBuilds", Answer::Json(json!({"builds": [{"id": "web:1", "startTime": 0}]}))),
            ("ListSourceCredentials", Answer::Json(json!({"sourceCredentialsInfos": []}))),
            ("ListReportGroups", Answer::Json(json!({"reportGroups": ["tests"]}))),
            ("BatchGetReportGroups", Answer::Json(json!({"reportGroups": [{"arn": "tests", "name": "tests"}]}))),
        ]);
        let found = every_refusal_leaves_a_gap(&CodeBuild, CodeBuild.actions(), &[], answers, &[]).await;
        let project = found.resources.first().unwrap();
        assert_eq!(project.uid.as_str(), "arn:aws:codebuild:eu-west-1:111122223333:project/web");
        assert_eq!(project.tags.get("env").map(String::as_str), Some("prod"));
        let named: Vec<_> = found.references.iter().map(|r| (r.type_name.clone(), r.name.as_str())).collect();
        let secret = (TypeName::SECRET, "delivery/database");
        assert_eq!(named, [(TypeName::KEY, "alias/builds"), (TypeName::BUCKET, "artifacts"), secret]);
    }

    #[tokio::test]
    async fn a_project_that_is_not_found_again_is_unseen() {
        use super::super::test_support::{Answer, by_operation, endpoint};
        let answers = by_operation(&[
            ("ListProjects", Answer::Json(json!({"projects": ["gone"]}))),
            ("BatchGetProjects", Answer::Json(json!({"projects": [], "projectsNotFound": ["gone"]}))),
            ("ListSourceCredentials", Answer::Json(json!({}))),
            ("ListReportGroups", Answer::Json(json!({}))),
        ]);
        let endpoint = endpoint(answers, &[]).await;
        let found = CodeBuild.collect(&endpoint.scope, &[]).await;
        assert_eq!(found.resources.first().unwrap().gap_over("Source").unwrap().action, BATCH_GET_PROJECTS);
        assert_eq!(endpoint.calls(), ["ListProjects", "BatchGetProjects", "ListSourceCredentials", "ListReportGroups"]);
    }
}
