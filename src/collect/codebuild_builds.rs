//! The last build of every project: when it began, how it ended and which test reports it published.
//!
//! In: projects that were seen. Out: the same with the properties of their last build. Only the newest build of each is
//! looked at: one page of its list, and a hundred builds a call.

use std::collections::BTreeMap;

use aws_sdk_codebuild::Client;
use aws_sdk_codebuild::types::Build;

use super::fields::{Fields, moment};
use super::pages::in_order;
use super::{CallError, Scope};
use crate::inventory::{GapCause, Resource, TypeName};

pub(super) const LIST_BUILDS: &str = "codebuild:ListBuildsForProject";
pub(super) const BATCH_GET_BUILDS: &str = "codebuild:BatchGetBuilds";

/// Ids that one batch call takes.
const BUILDS_PER_CALL: usize = 100;

/// What a last build says of its project.
const PROPERTIES: &[&str] = &["LastBuildStartTime", "LastBuildStatus", "LastBuildReportArns"];

pub(super) async fn read(scope: &Scope, client: &Client, resources: &mut [Resource]) {
    let seen = |resource: &&mut Resource| resource.type_name == TypeName::PROJECT && !resource.unseen.contains_key("*");
    let mut projects: Vec<&mut Resource> = resources.iter_mut().filter(seen).collect();
    let names: Vec<String> = projects.iter().map(|project| name_of(project)).collect();
    let newest = in_order(names.iter().map(|name| newest_build(scope, client, name)).collect()).await;
    let mut built: Vec<(String, &mut Resource)> = Vec::new();
    for (project, newest) in projects.iter_mut().zip(newest) {
        match newest {
            Ok(Some(id)) => built.push((id, project)),
            Ok(None) => {}
            Err(error) => error.hides(scope, project, PROPERTIES),
        }
    }
    let ids: Vec<String> = built.iter().map(|(id, _)| id.clone()).collect();
    let answers = in_order(ids.chunks(BUILDS_PER_CALL).map(|ids| get_builds(scope, client, ids)).collect()).await;
    for (built, answer) in built.chunks_mut(BUILDS_PER_CALL).zip(answers) {
        for (id, project) in built {
            match &answer {
                Ok(builds) => match builds.get(id) {
                    Some(build) => project.properties.extend(properties(build)),
                    None => not_found().hides(scope, project, PROPERTIES),
                },
                Err(error) => error.clone().hides(scope, project, PROPERTIES),
            }
        }
    }
}

fn name_of(project: &Resource) -> String {
    let name = project.properties.get("Name").and_then(serde_json::Value::as_str);
    name.unwrap_or_default().to_owned()
}

async fn newest_build(scope: &Scope, client: &Client, project: &str) -> Result<Option<String>, CallError> {
    // Newest first is what AWS does by itself; asking for an order is an error above a hundred builds.
    let ask = || client.list_builds_for_project().project_name(project).send();
    let page = scope.call(LIST_BUILDS, ask).await?;
    Ok(page.ids.unwrap_or_default().into_iter().next())
}

async fn get_builds(scope: &Scope, client: &Client, ids: &[String]) -> Result<BTreeMap<String, Build>, CallError> {
    let answer = scope.call(BATCH_GET_BUILDS, || client.batch_get_builds().set_ids(Some(ids.to_vec())).send()).await?;
    let builds = answer.builds.unwrap_or_default().into_iter();
    Ok(builds.filter_map(|build| Some((build.id.clone()?, build))).collect())
}

/// Listed a moment ago, so it was deleted or kept back: either way it was not looked at.
fn not_found() -> CallError {
    let message = "listed, but not found when asked for".to_owned();
    let cause = GapCause::Service { code: "BuildsNotFound".to_owned(), message };
    CallError { action: BATCH_GET_BUILDS, code: String::new(), cause }
}

fn properties(build: &Build) -> crate::inventory::Properties {
    Fields::new()
        .put("LastBuildStartTime", moment(build.start_time()))
        .text("LastBuildStatus", build.build_status())
        .texts("LastBuildReportArns", build.report_arns())
        .properties()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::codebuild::CodeBuild;
    use super::super::test_support::{Answer, Answers, endpoint};
    use super::super::{Collector, Reach};

    #[tokio::test]
    async fn only_the_newest_build_is_looked_at() {
        let answers: Answers = std::sync::Arc::new(|operation, input| {
            Answer::Json(match operation {
                "ListProjects" => json!({"projects": ["gone", "idle", "web"]}),
                "BatchGetProjects" => json!({"projects": [{"name": "gone"}, {"name": "idle"}, {"name": "web"}]}),
                "ListBuildsForProject" => {
                    assert!(input.get("sortOrder").is_none(), "AWS refuses an order for large projects");
                    match input["projectName"].as_str() {
                        Some("idle") => json!({"ids": []}),
                        Some(name) => json!({"ids": [format!("{name}:2"), format!("{name}:1")], "nextToken": "more"}),
                        None => json!({}),
                    }
                }
                "BatchGetBuilds" => {
                    assert_eq!(input["ids"], json!(["gone:2", "web:2"]));
                    let build = json!({"id": "web:2", "startTime": 0, "buildStatus": "SUCCEEDED", "reportArns": ["r"]});
                    json!({"builds": [build], "buildsNotFound": ["gone:2"]})
                }
                _ => json!({}),
            })
        });
        let endpoint = endpoint(answers, &[]).await;
        assert_eq!(CodeBuild.reach(), Reach::EveryRegion);
        let found = CodeBuild.collect(&endpoint.scope, &[]).await;
        let [gone, idle, web] = found.resources.as_slice() else { panic!("{:?}", found.resources) };
        assert!(gone.gap_over("LastBuildStartTime").is_some());
        assert!(idle.properties.get("LastBuildStartTime").is_none() && idle.unseen.is_empty());
        assert_eq!(web.properties["LastBuildStartTime"], "1970-01-01T00:00:00Z");
        assert_eq!(web.properties["LastBuildStatus"], "SUCCEEDED");
        assert_eq!(web.properties["LastBuildReportArns"], json!(["r"]));
    }
}
