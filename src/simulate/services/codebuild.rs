//! `CodeBuild`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::estate::{Activity, BuildSpec, Export, ProjectSpec, source_credential};
use super::super::protocol::{ApiError, timestamp};
use super::super::world::World;
use super::builds::{Built, built, rendered};
use super::codebuild_project::project;
use super::pages::{page, with_token};
use super::{Answer, Call, Operation, Service, days_ago};

pub(super) const SERVICE: Service = Service {
    prefix: "codebuild",
    target: "CodeBuild_20161006",
    operations: &[
        Operation { name: "ListProjects", action: "codebuild:ListProjects", answer: list_projects },
        Operation { name: "BatchGetProjects", action: "codebuild:BatchGetProjects", answer: batch_get_projects },
        Operation {
            name: "ListBuildsForProject",
            action: "codebuild:ListBuildsForProject",
            answer: list_builds_for_project,
        },
        Operation { name: "BatchGetBuilds", action: "codebuild:BatchGetBuilds", answer: batch_get_builds },
        Operation {
            name: "ListSourceCredentials",
            action: "codebuild:ListSourceCredentials",
            answer: list_source_credentials,
        },
        Operation { name: "ListReportGroups", action: "codebuild:ListReportGroups", answer: list_report_groups },
        Operation {
            name: "BatchGetReportGroups",
            action: "codebuild:BatchGetReportGroups",
            answer: batch_get_report_groups,
        },
        Operation {
            name: "BatchGetReports",
            action: "codebuild:BatchGetReports",
            answer: super::builds::batch_get_reports,
        },
    ],
};

/// The one credential that an account keeps in a Region.
fn source_credential_arn(world: &World, account: usize, region: usize) -> String {
    world.arn("codebuild", region, account, "token/github")
}

fn list_projects(call: &Call<'_>) -> Answer {
    let names: Vec<String> = call
        .region
        .into_iter()
        .flat_map(|region| ProjectSpec::all(call.world, call.account, region))
        .map(|project| project.name())
        .collect();
    let (range, next) = page(names.len(), call.text("nextToken"), None, 100, "InvalidInputException")?;
    Ok(with_token(json!({ "projects": names.get(range).unwrap_or_default() }), "nextToken", next))
}

fn batch_get_projects(call: &Call<'_>) -> Answer {
    let names = call.texts("names");
    if names.is_empty() || names.len() > 100 {
        return Err(ApiError::new(400, "InvalidInputException", "names must have 1 to 100 elements".to_owned()));
    }
    let found: Vec<Value> =
        names.iter().filter_map(|name| named(call, name)).map(|spec| project(call.world, &spec)).collect();
    let missing: Vec<&&str> = names.iter().filter(|name| named(call, name).is_none()).collect();
    Ok(json!({ "projects": found, "projectsNotFound": missing }))
}

/// Which projects a name or an id such as `name:7` means.
fn named(call: &Call<'_>, name: &str) -> Option<ProjectSpec> {
    call.region.and_then(|region| ProjectSpec::named(call.world, call.account, region, name))
}

fn list_builds_for_project(call: &Call<'_>) -> Answer {
    let name = call.required("projectName")?;
    let spec = named(call, name).ok_or_else(|| {
        ApiError::new(400, "ResourceNotFoundException", format!("Provided project name {name} does not exist"))
    })?;
    let mut ids = match BuildSpec::of(call.world, &spec).activity {
        // What the project's knobs say of its newest build stays the first of the list.
        Activity::Built { .. } => {
            let pipeline = super::builds::built(call.world, &spec).into_iter().map(|build| build.id);
            std::iter::once(format!("{name}:2")).chain(pipeline).chain([format!("{name}:1")]).collect()
        }
        Activity::Never { .. } => Vec::new(),
    };
    if call.text("sortOrder") == Some("ASCENDING") {
        ids.reverse();
    }
    let (range, next) = page(ids.len(), call.text("nextToken"), None, 100, "InvalidInputException")?;
    Ok(with_token(json!({ "ids": ids.get(range).unwrap_or_default() }), "nextToken", next))
}

fn batch_get_builds(call: &Call<'_>) -> Answer {
    let ids = call.texts("ids");
    if ids.is_empty() || ids.len() > 100 {
        return Err(ApiError::new(400, "InvalidInputException", "ids must have 1 to 100 elements".to_owned()));
    }
    let mut pipelines: BTreeMap<usize, Vec<Built>> = BTreeMap::new();
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for id in ids {
        let asked = id.split_once(':').and_then(|(name, number)| Some((named(call, name)?, number)));
        match asked {
            Some((spec, number @ ("1" | "2"))) => found.push(build(call, &spec, id, number == "2")),
            Some((spec, _)) => {
                let all = pipelines.entry(spec.number).or_insert_with(|| built(call.world, &spec));
                match all.iter().find(|build| build.id == id) {
                    Some(build) => found.push(rendered(call.world, &spec, build)),
                    None => missing.push(id),
                }
            }
            None => missing.push(id),
        }
    }
    Ok(json!({ "builds": found, "buildsNotFound": missing }))
}

fn build(call: &Call<'_>, spec: &ProjectSpec, id: &str, newest: bool) -> Value {
    let world = call.world;
    let settings = BuildSpec::of(world, spec);
    let (days, succeeded) = match settings.activity {
        Activity::Built { days, succeeded } if newest => (days, succeeded),
        _ => (400, true),
    };
    let reports: Vec<String> = (settings.reports.is_some() && newest)
        .then(|| spec.report_group(world).replace("report-group/", "report/") + ":2")
        .into_iter()
        .collect();
    json!({
        "id": id, "arn": world.arn("codebuild", spec.region, spec.account, &format!("build/{id}")),
        "projectName": spec.name(), "buildNumber": 2, "buildComplete": true,
        "buildStatus": if succeeded { "SUCCEEDED" } else { "FAILED" },
        "startTime": timestamp(days_ago(world, days, spec.number)), "reportArns": reports
    })
}

#[expect(clippy::unnecessary_wraps, reason = "as every operation")]
fn list_source_credentials(call: &Call<'_>) -> Answer {
    let region = call.region.unwrap_or_default();
    let credential = source_credential(call.world, call.account, region).map(|kind| {
        json!({
            "arn": source_credential_arn(call.world, call.account, region), "serverType": "GITHUB", "authType": kind,
            "resource": matches!(kind, "CODECONNECTIONS" | "SECRETS_MANAGER").then_some("kept elsewhere")
        })
    });
    Ok(json!({ "sourceCredentialsInfos": credential.into_iter().collect::<Vec<_>>() }))
}

fn list_report_groups(call: &Call<'_>) -> Answer {
    let projects = call.region.into_iter().flat_map(|region| ProjectSpec::all(call.world, call.account, region));
    let reporting = projects.filter(|project| BuildSpec::of(call.world, project).reports.is_some());
    let arns: Vec<String> = reporting.map(|project| project.report_group(call.world)).collect();
    let (range, next) =
        page(arns.len(), call.text("nextToken"), call.number("maxResults"), 100, "InvalidInputException")?;
    Ok(with_token(json!({ "reportGroups": arns.get(range).unwrap_or_default() }), "nextToken", next))
}

fn batch_get_report_groups(call: &Call<'_>) -> Answer {
    let arns = call.texts("reportGroupArns");
    if arns.is_empty() || arns.len() > 100 {
        return Err(ApiError::new(400, "InvalidInputException", "ARNs must be 1 to 100".to_owned()));
    }
    let find = |arn: &str| named(call, arn.rsplit('/').next()?.strip_suffix("-tests")?);
    let found: Vec<Value> = arns.iter().filter_map(|arn| find(arn)).map(|spec| report_group(call, &spec)).collect();
    let missing: Vec<&&str> = arns.iter().filter(|arn| find(arn).is_none()).collect();
    Ok(json!({ "reportGroups": found, "reportGroupsNotFound": missing }))
}

fn report_group(call: &Call<'_>, spec: &ProjectSpec) -> Value {
    let export = match BuildSpec::of(call.world, spec).reports {
        None | Some(Export::Nowhere) => json!({ "exportConfigType": "NO_EXPORT" }),
        Some(Export::Bucket { encrypted }) => json!({
            "exportConfigType": "S3",
            "s3Destination": { "bucket": "test-reports", "packaging": "NONE", "encryptionDisabled": !encrypted }
        }),
    };
    json!({
        "arn": spec.report_group(call.world), "name": format!("{}-tests", spec.name()), "type": "TEST",
        "exportConfig": export, "status": "ACTIVE", "tags": [{ "key": "team", "value": "delivery" }],
        "created": timestamp(days_ago(call.world, 300, spec.number))
    })
}
