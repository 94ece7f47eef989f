//! What is not known, and said to be so by the right services only.

use serde_json::json;

use super::world::{World, at};
use super::*;
use crate::dora::{Limit, MetricName};
use crate::history::{ActionExecution, Build, HistoryGap, HistorySource};
use crate::inventory::{Affects, Gap, GapCause};

fn gap(source: HistorySource, action: &str, subject: &str) -> HistoryGap {
    let (service, _) = action.split_once(':').unwrap();
    HistoryGap {
        source,
        subject: Some(subject.to_owned()),
        from: None,
        to: None,
        gap: Gap {
            account: golden::account(),
            region: golden::region(),
            service: service.to_owned(),
            action: action.to_owned(),
            cause: GapCause::AccessDenied { message: "no".to_owned() },
            affects: Affects::Details,
        },
    }
}

/// A pipeline that takes `shop/api` from a source host, tests it in the project `tests`, and releases it.
fn tested() -> World {
    let mut world = World::new();
    world.release("e1", 1, at(2, 9, 0));
    let set = |attempt: &mut ActionExecution, category: &str, provider: &str, settings: &[(&str, &str)]| {
        (attempt.category, attempt.provider) = (category.to_owned(), provider.to_owned());
        attempt.configuration = settings.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    };
    let source = world.deploy("e1", "Source/Code", at(2, 8, 0), "Succeeded");
    set(source, "Source", "CodeStarSourceConnection", &[("FullRepositoryId", "shop/api"), ("ConnectionArn", "arn:c")]);
    let test = world.deploy("e1", "Build/Tests", at(2, 8, 30), "Succeeded");
    set(test, "Test", "CodeBuild", &[("ProjectName", "tests")]);
    test.external_execution_id = Some("tests:1".to_owned());
    world.history.builds.push(Build {
        account: golden::account(),
        region: golden::region(),
        id: "tests:1".to_owned(),
        project: "tests".to_owned(),
        initiator: Some("codepipeline/S".to_owned()),
        resolved_source_version: None,
        status: "SUCCEEDED".to_owned(),
        started: at(2, 8, 30),
        ended: Some(at(2, 8, 35)),
        report_arns: vec![],
    });
    world
}

fn about(limits: &[Limit]) -> Vec<&[MetricName]> {
    limits.iter().map(|limit| limit.metrics.as_slice()).collect()
}

#[test]
fn incidents_of_a_service_that_nobody_knows_limit_all_services() {
    let mut history = golden::history();
    for name in ["chekout-typo", "chekout-typo", "b", "c", "d"] {
        let mut incident = golden::incident("INC-1", datetime!(2026-06-20 9:00 UTC), None);
        incident.id = format!("INC-{}", history.incidents.len());
        incident.service = name.to_owned();
        history.incidents.push(incident);
        let delivery = assemble(&history, &golden::estate(), &golden::options());
        let [limit] = delivery.limits.as_slice() else { panic!("{:?}", delivery.limits) };
        assert_eq!((&limit.service, limit.blocks), (&None, false));
        assert_eq!(limit.metrics, [MetricName::ChangeFailRate, MetricName::FailedDeploymentRecoveryTime]);
        if history.incidents.len() < 3 {
            assert_eq!(limit.reason, "incidents name 1 name that no service here has (`chekout-typo`)");
        } else if history.incidents.len() == 5 {
            assert_eq!(
                limit.reason,
                "incidents name 4 names that no service here has (`b`, `c`, `chekout-typo`, and 1 more)"
            );
        }
    }
    // What was over long before the window says nothing of it.
    let mut old = golden::incident("INC-0", datetime!(2026-01-20 9:00 UTC), Some(datetime!(2026-01-20 10:00 UTC)));
    old.service = "gone".to_owned();
    history.incidents = vec![old];
    assert_eq!(assemble(&history, &golden::estate(), &golden::options()).limits, []);
}

#[test]
fn an_incident_after_a_rollback_is_laid_to_the_release_before_it() {
    let mut world = World::new();
    world.release("e1", 1, at(2, 9, 0));
    world.release("e2", 2, at(3, 9, 0));
    world.release("e3", 1, at(3, 10, 0));
    world.history.incidents = vec![golden::incident("INC-1", at(3, 11, 0), None)];
    let delivery = world.delivery();
    assert_eq!(find(&delivery, "e3").kind, DeploymentKind::Rollback);
    assert!(find(&delivery, "e3").evidence.is_empty());
    assert!(find(&delivery, "e2").evidence.iter().any(|it| it.code == EvidenceCode::E6));
}

#[test]
fn rules_of_conditions_limit_no_number() {
    let mut world = World::new();
    world.release("e1", 1, at(2, 9, 0));
    world.history.coverage.gaps =
        vec![gap(HistorySource::PipelineExecutions, "codepipeline:ListRuleExecutions", PIPELINE)];
    assert_eq!(world.delivery().limits, []);
}

#[test]
fn builds_are_looked_up_by_the_arn_of_their_project() {
    let mut world = tested();
    let arn = |name: &str| format!("arn:aws:codebuild:eu-west-1:111122223333:project/{name}");
    for span in world.history.coverage.spans.iter_mut().filter(|it| it.source == HistorySource::Builds) {
        span.subject = Some(arn("tests"));
    }
    assert_eq!(world.delivery().limits, []);
    world.history.coverage.gaps = vec![gap(HistorySource::Builds, "codebuild:BatchGetBuilds", &arn("others"))];
    assert_eq!(world.delivery().limits, []);
    // This project makes no reports.
    world.history.coverage.gaps.push(gap(HistorySource::TestReports, "codebuild:BatchGetReports", &arn("tests")));
    assert_eq!(world.delivery().limits, []);
    world.history.coverage.gaps.push(gap(HistorySource::Builds, "codebuild:BatchGetBuilds", &arn("tests")));
    assert_eq!(about(&world.delivery().limits), [&[MetricName::TestPassRate]]);
    world.history.builds[0].report_arns = vec!["arn:aws:codebuild:eu-west-1:111122223333:report/tests:1".to_owned()];
    assert_eq!(about(&world.delivery().limits), [&[MetricName::TestPassRate], &[MetricName::TestPassRate]]);
}

#[test]
fn a_repository_that_could_not_be_read_limits_only_who_takes_from_it() {
    let mut world = tested();
    let of = |subject: &str| gap(HistorySource::SourceHost, "source-host:GetCommit", subject);
    world.history.coverage.gaps = vec![of("https://github.com/other/api"), of("https://github.com/workshop/api")];
    assert_eq!(world.delivery().limits, []);
    world.history.coverage.gaps.push(of("https://github.com/shop/api"));
    let limits = world.delivery().limits;
    assert_eq!(about(&limits), [&[MetricName::ChangeLeadTime]]);
    assert!(limits[0].reason.starts_with("commits of shop/api could not all be seen: source-host:GetCommit"));
}

#[test]
fn what_was_enabled_may_have_been_disabled_since_before_anybody_looked() {
    let mut world = World::new();
    for (id, day) in [("e1", 2), ("e2", 4)] {
        world.execution(id, 1, at(day, 9, 0), "Succeeded");
        world.deploy(id, "Beta/Deploy", at(day, 9, 0), "Succeeded");
        world.deploy(id, "Prod/Deploy", at(day, 10, 0), "Succeeded");
    }
    let request = json!({"pipelineName": "S", "stageName": "Prod", "transitionType": "Inbound"});
    world.event("codepipeline", "EnableStageTransition", at(2, 9, 40), &request);
    world.event("codepipeline", "EnableStageTransition", at(5, 9, 40), &request);
    let disabled: Vec<_> = world.delivery().runs.iter().map(|it| it.transition_disabled_seconds).collect();
    assert_eq!(disabled, [None, Some(0)]);
}

#[test]
fn the_newest_configuration_is_the_one_that_began_last() {
    let mut world = World::new();
    // The id of the older execution is the larger one.
    for (id, day, cluster) in [("f", 2, "beta"), ("a", 4, "prod")] {
        world.execution(id, 1, at(day, 9, 0), "Succeeded");
        let deploy = world.deploy(id, "Release/Deploy", at(day, 9, 0), "Succeeded");
        deploy.configuration.insert("ClusterName".to_owned(), cluster.to_owned());
    }
    let index = crate::dora::assemble::index::Index::new(&world.history);
    let shown =
        crate::dora::assemble::production::shown((PIPELINE, &golden::account(), &golden::region()), None, &index);
    let text = serde_json::to_string(&shown.unwrap().properties).unwrap();
    assert!(text.contains("prod") && !text.contains("beta"), "{text}");
}
