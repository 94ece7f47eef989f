//! `CodeBuild`'s history: the builds of pipelines, and their test reports.
//!
//! A project that was never built by the word of its own knobs lists none; builds of its pipeline are still found by id.

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::super::estate::{BuildSpec, PipelineSpec, ProjectSpec, Story};
use super::super::protocol::{ApiError, timestamp};
use super::super::world::World;
use super::executions::{actions, external};
use super::{Answer, Call};

/// A build of a pipeline.
pub(super) struct Built {
    pub(super) id: String,
    pub(super) started: OffsetDateTime,
    ended: OffsetDateTime,
    status: &'static str,
    commit: Option<String>,
    number: usize,
    tests: bool,
}

/// All builds of a project for its pipeline, newest first.
pub(super) fn built(world: &World, project: &ProjectSpec) -> Vec<Built> {
    let spec = PipelineSpec::new(world, project.account, project.region, project.number);
    let story = Story::of(world, &spec);
    let mut all = Vec::new();
    for run in &story.runs {
        for (number, one) in actions(world, &story, run).iter().enumerate() {
            if one.action.pointer("/actionTypeId/provider").and_then(Value::as_str) != Some("CodeBuild") {
                continue;
            }
            let Some(id) = external(world, &story, run, number, one).as_str().map(str::to_owned) else { continue };
            let name = one.action.get("name").and_then(Value::as_str).unwrap_or_default();
            all.push(Built {
                id,
                started: one.started,
                ended: one.ended,
                status: if one.status == "Succeeded" { "SUCCEEDED" } else { "FAILED" },
                commit: story.commits.get(run.head).map(|commit| commit.id.clone()),
                number: all.len() + 3,
                tests: matches!(name, "Build" | "UnitTest" | "IntegrationTest"),
            });
        }
    }
    all.sort_by(|a, b| (b.started, &b.id).cmp(&(a.started, &a.id)));
    all
}

fn report_arn(world: &World, project: &ProjectSpec, build: &Built) -> Option<String> {
    let reported = build.tests && BuildSpec::of(world, project).reports.is_some();
    let id = build.id.rsplit(':').next().unwrap_or_default();
    reported.then(|| format!("{}:{id}", project.report_group(world).replace("report-group/", "report/")))
}

/// A build as `BatchGetBuilds` has it.
pub(super) fn rendered(world: &World, project: &ProjectSpec, build: &Built) -> Value {
    let pipeline = PipelineSpec::new(world, project.account, project.region, project.number).name();
    let reports: Vec<String> = report_arn(world, project, build).into_iter().collect();
    json!({
        "id": build.id, "arn": world.arn("codebuild", project.region, project.account, &format!("build/{}", build.id)),
        "projectName": project.name(), "buildNumber": build.number, "buildComplete": true,
        "buildStatus": build.status, "startTime": timestamp(build.started), "endTime": timestamp(build.ended),
        "initiator": format!("codepipeline/{pipeline}"), "resolvedSourceVersion": build.commit, "reportArns": reports
    })
}

/// How long reports are kept, in days.
const KEPT: i64 = 30;

pub(super) fn batch_get_reports(call: &Call<'_>) -> Answer {
    let arns = call.texts("reportArns");
    if arns.is_empty() || arns.len() > 100 {
        return Err(ApiError::new(400, "InvalidInputException", "reportArns must have 1 to 100 elements".to_owned()));
    }
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for arn in arns {
        match report(call, arn) {
            Some(report) => found.push(report),
            None => missing.push(arn),
        }
    }
    Ok(json!({ "reports": found, "reportsNotFound": missing }))
}

fn report(call: &Call<'_>, arn: &str) -> Option<Value> {
    let world = call.world;
    let name = arn.split("report/").nth(1)?.split(':').next()?.strip_suffix("-tests")?;
    let project = ProjectSpec::named(world, call.account, call.region?, name)?;
    let build = built(world, &project).into_iter().find(|b| report_arn(world, &project, b).as_deref() == Some(arn))?;
    if build.ended < world.options.now - Duration::days(KEPT) {
        return None;
    }
    let failed = if build.status == "FAILED" { 1 + build.number % 4 } else { 0 };
    let skipped = build.number % 3;
    let total = 120 + build.number % 30;
    let id = world.arn("codebuild", project.region, project.account, &format!("build/{}", build.id));
    Some(json!({
        "arn": arn, "type": "TEST", "name": format!("{name}-tests"), "reportGroupArn": project.report_group(world),
        "executionId": id, "status": if failed == 0 { "SUCCEEDED" } else { "FAILED" },
        "created": timestamp(build.ended), "expired": timestamp(build.ended + Duration::days(KEPT)),
        "exportConfig": { "exportConfigType": "NO_EXPORT" }, "truncated": false,
        "testSummary": {
            "total": total, "durationInNanoSeconds": 41_000_000_000_u64,
            "statusCounts": {
                "SUCCEEDED": total - failed - skipped, "FAILED": failed, "ERROR": 0, "SKIPPED": skipped, "UNKNOWN": 0
            }
        }
    }))
}
