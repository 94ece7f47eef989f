//! Runs of tests: by action or build, first attempt and last, and the cases of reports.
//!
//! In: test actions, builds with reports, and reports. Out: [`TestRun`]s by time and id. A build that broke down
//! (`FAULT`) or that a person stopped says nothing about the tests.

use std::collections::BTreeMap;

use super::index::{Attempts, Index};
use super::services::Landscape;
use crate::dora::{ServiceKey, TestRun};
use crate::history::{ActionExecution, Build};
use crate::inventory::Partition;

/// All runs of tests.
pub(super) fn of(landscape: &Landscape, index: &Index<'_>) -> Vec<TestRun> {
    let mut runs = Vec::new();
    let mut services: BTreeMap<&str, &ServiceKey> = BTreeMap::new();
    for (arn, pipeline) in &landscape.pipelines {
        for (_, actions) in index.executions_with_actions(arn) {
            for attempts in actions {
                let ids = attempts.tries.iter().filter_map(|it| it.external_execution_id.as_deref());
                services.extend(ids.map(|id| (id, &pipeline.service)));
                runs.extend(of_attempts(attempts, &pipeline.service, index));
            }
        }
    }
    for build in &index.history.builds {
        // A pipeline's own builds are attempts of its actions.
        if !index.is_asked_for(&build.id)
            && let Some(service) = service_of(build, landscape)
        {
            services.insert(&build.id, service);
            if !build.report_arns.is_empty() {
                runs.push(run(&build.id, service, build.started, of_build(build), of_build(build)));
            }
        }
    }
    let builds: BTreeMap<&str, &str> = index
        .history
        .builds
        .iter()
        .flat_map(|build| build.report_arns.iter().map(|arn| (arn.as_str(), build.id.as_str())))
        .collect();
    for report in index.history.reports.iter().filter(|it| matches!(it.status.as_str(), "SUCCEEDED" | "FAILED")) {
        let by_build = || builds.get(report.arn.as_str()).copied();
        let Some(build) = report.build.as_deref().or_else(by_build) else { continue };
        let Some(service) = services.get(build) else { continue };
        let count = |status: &str| report.status_counts.get(status).copied().unwrap_or(0);
        runs.push(TestRun {
            cases_passed: Some(count("SUCCEEDED")),
            cases_run: Some(report.total.saturating_sub(count("SKIPPED"))),
            ..run(&report.arn, service, report.created, None, None)
        });
    }
    runs.sort_by(|a, b| (a.started, &a.id).cmp(&(b.started, &b.id)));
    runs
}

fn run(
    id: &str,
    service: &ServiceKey,
    started: time::OffsetDateTime,
    first_passed: Option<bool>,
    passed: Option<bool>,
) -> TestRun {
    TestRun {
        service: service.clone(),
        id: id.to_owned(),
        started,
        first_passed,
        passed,
        cases_passed: None,
        cases_run: None,
    }
}

fn of_attempts(attempts: &Attempts<'_>, service: &ServiceKey, index: &Index<'_>) -> Option<TestRun> {
    let (first, last) = (attempts.tries.first()?, attempts.tries.last()?);
    let build_of = |action: &ActionExecution| index.build(action.external_execution_id.as_deref()?);
    let has_reports = attempts.tries.iter().any(|it| build_of(it).is_some_and(|it| !it.report_arns.is_empty()));
    if first.category != "Test" && !has_reports {
        return None;
    }
    let passed = |action: &ActionExecution| match (build_of(action), action.status.as_str()) {
        (Some(build), _) => of_build(build),
        (None, "Succeeded") => Some(true),
        (None, "Failed") => Some(false),
        _ => None,
    };
    Some(run(&first.id, service, first.started, passed(first), passed(last)))
}

fn of_build(build: &Build) -> Option<bool> {
    match build.status.as_str() {
        "SUCCEEDED" => Some(true),
        "FAILED" | "TIMED_OUT" => Some(false),
        _ => None,
    }
}

/// The service of a build that no action is known of: that of the pipeline that it says began it.
fn service_of<'s>(build: &Build, landscape: &'s Landscape) -> Option<&'s ServiceKey> {
    let name = build.initiator.as_deref()?.strip_prefix("codepipeline/")?;
    let partition = Partition::of_region(&build.region);
    let arn = format!("arn:{partition}:codepipeline:{}:{}:{name}", build.region, build.account);
    landscape.pipelines.get(&arn).map(|pipeline| &pipeline.service)
}
