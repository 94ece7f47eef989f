//! Cases that other tools get wrong.

use serde_json::json;
use time::Duration;

use super::world::{World, at};
use super::*;
use crate::dora::{ServiceKey, ServiceRule, TestRun};
use crate::history::{HistoryGap, HistorySource, InstanceCounts, Merge, TestReport};
use crate::inventory::{Affects, Gap, GapCause, Resource, TypeName};

fn summary(delivery: &Delivery) -> Vec<(&str, DeploymentKind, Outcome)> {
    delivery.deployments.iter().map(|it| (name(it), it.kind, it.outcome)).collect()
}

fn pipeline(properties: serde_json::Value) -> Resource {
    let mut resource = Resource::live(TypeName::PIPELINE, PIPELINE.to_owned(), golden::account(), golden::region());
    let serde_json::Value::Object(properties) = properties else { panic!("an object") };
    resource.properties = properties;
    resource
}

#[test]
fn a_pipeline_that_never_ran_is_a_service_without_deployments() {
    let mut world = World::new();
    let kind = json!({"Category": "Deploy", "Provider": "ECS"});
    let stages = json!([{"Name": "Live", "Actions": [{"Name": "Out", "ActionTypeId": kind}]}]);
    world.resources = vec![pipeline(json!({"Name": "S", "Stages": stages}))];
    let delivery = world.delivery();
    assert_eq!((delivery.services.len(), delivery.deployments.len(), delivery.limits.len()), (1, 0, 0));
    // Where nobody looked, nothing can be said of it.
    world.history.coverage.spans.clear();
    let delivery = world.delivery();
    let [limit] = delivery.limits.as_slice() else { panic!("{:?}", delivery.limits) };
    assert!(limit.blocks && limit.metrics.is_empty() && limit.reason.contains("not looked at"));
}

#[test]
fn a_pipeline_without_a_deploying_action_is_not_measurable() {
    let mut world = World::new();
    let action = |name: &str, category: &str, provider: &str| json!({"Name": name, "ActionTypeId": {"Category": category, "Provider": provider}});
    let stages = json!([{"Name": "Source", "Actions": [action("Code", "Source", "S3")]},
        {"Name": "Run", "Actions": [action("Migrate", "Invoke", "Lambda")]}]);
    world.resources = vec![pipeline(json!({"Name": "S", "Stages": stages}))];
    world.execution("e1", 1, at(2, 9, 0), "Succeeded");
    let ran = world.deploy("e1", "Run/Migrate", at(2, 9, 10), "Succeeded");
    (ran.category, ran.provider) = ("Invoke".to_owned(), "Lambda".to_owned());
    let delivery = world.delivery();
    assert!(delivery.services[0].not_measurable.as_deref().unwrap().contains("`deploy_actions`"));
    assert!(delivery.deployments.is_empty() && delivery.runs.len() == 1);
    // Somebody says that it deploys.
    world.options.deploy_actions = vec!["*/migrate".to_owned()];
    let delivery = world.delivery();
    assert_eq!(delivery.services[0].not_measurable, None);
    assert!(delivery.services[0].production_is_assumed);
    assert_eq!(summary(&delivery), [("e1", DeploymentKind::Forward, Outcome::Succeeded)]);
}

#[test]
fn a_service_is_elsewhere_only_where_a_definition_was_read_and_nothing_of_it_is_production() {
    let told = |stages: &[(&str, &str)]| {
        let mut world = World::new();
        let stages: Vec<_> = stages
            .iter()
            .map(|(stage, category)| {
                let kind = json!({"Category": category, "Provider": "ECS"});
                json!({"Name": stage, "Actions": [{"Name": "Out", "ActionTypeId": kind}]})
            })
            .collect();
        world.resources = vec![pipeline(json!({"Name": "S", "Stages": stages}))];
        let service = world.delivery().services.remove(0);
        (service.is_elsewhere, service.production.is_some())
    };
    assert_eq!(told(&[("Staging", "Deploy")]), (true, false));
    assert_eq!(told(&[("Staging", "Deploy"), ("Prod", "Deploy")]), (false, true));
    assert_eq!(told(&[("Staging", "Build")]), (false, false), "nothing of it deploys at all");
    // That only Staging ran says nothing of what is defined behind it.
    let mut ran = World::new();
    ran.execution("e1", 1, at(2, 9, 0), "Succeeded");
    ran.deploy("e1", "Staging/Out", at(2, 9, 10), "Succeeded");
    assert!(!ran.delivery().services[0].is_elsewhere);
}

#[test]
fn a_wave_over_regions_is_one_deployment() {
    let mut world = World::new();
    world.execution("e1", 1, at(2, 9, 0), "Succeeded");
    world.deploy("e1", "ProdEU/Deploy", at(2, 9, 10), "Succeeded");
    let other = world.deploy("e1", "ProdUS/Deploy", at(2, 10, 0), "Succeeded");
    other.region = Some("us-east-1".parse().unwrap());
    other.role_arn = Some("arn:aws:iam::444455556666:role/Deploy".to_owned());
    let delivery = world.delivery();
    let [one] = delivery.deployments.as_slice() else { panic!("{:?}", summary(&delivery)) };
    assert_eq!((one.members.len(), one.attempts), (2, 1));
    assert_eq!((one.first_finished, one.finished), (Some(at(2, 9, 20)), Some(at(2, 10, 10))));
    assert_eq!(one.members[1].target.account.as_str(), "444455556666");
    assert_eq!(one.members[1].target.region.as_str(), "us-east-1");
}

#[test]
fn a_wave_of_which_a_part_failed_is_a_failed_change() {
    let mut world = World::new();
    world.execution("e1", 1, at(2, 9, 0), "Failed");
    world.deploy("e1", "ProdEU/Deploy", at(2, 9, 10), "Succeeded");
    world.deploy("e1", "ProdUS/Deploy", at(2, 10, 0), "Failed");
    // The next one was held back between the two.
    world.execution("e2", 2, at(3, 9, 0), "Failed");
    world.deploy("e2", "ProdEU/Deploy", at(3, 9, 10), "Succeeded");
    // And this one waits there.
    world.execution("e3", 3, at(4, 9, 0), "InProgress");
    world.deploy("e3", "ProdEU/Deploy", at(4, 9, 10), "Succeeded");
    let delivery = world.delivery();
    let forward = DeploymentKind::Forward;
    let expected =
        [("e1", forward, Outcome::Failed), ("e2", forward, Outcome::Failed), ("e3", forward, Outcome::InProgress)];
    assert_eq!(summary(&delivery), expected);
    assert_eq!(find(&delivery, "e1").evidence[0].confidence, Confidence::High);
    assert_eq!(find(&delivery, "e2").evidence[0].confidence, Confidence::Medium);
    assert_eq!(find(&delivery, "e3").finished, None);
}

#[test]
fn the_same_again_restarts_and_instances_that_come_are_no_releases() {
    use DeploymentKind::{AutoUpdate, Forward, RedeploySame, Restart, Scaling};
    let mut world = World::new();
    world.code("d-1", "prod", "v1", at(2, 9, 0), "Succeeded");
    world.code("d-2", "prod", "v1", at(3, 9, 0), "Succeeded");
    world.code("d-3", "prod", "v1", at(4, 9, 0), "Succeeded").creator = Some("autoscaling".to_owned());
    world.code("d-4", "prod", "v1", at(5, 9, 0), "Succeeded").mode = Some("RESTART".to_owned());
    world.code("d-5", "prod", "v1", at(6, 9, 0), "Succeeded").creator = Some("CodeDeployAutoUpdate".to_owned());
    let delivery = world.delivery();
    let kinds: Vec<_> = delivery.deployments.iter().map(|it| (it.kind, it.kind_confidence)).collect();
    let (medium, high) = (Confidence::Medium, Confidence::High);
    assert_eq!(
        kinds,
        [(Forward, medium), (RedeploySame, medium), (Scaling, high), (Restart, high), (AutoUpdate, high)]
    );
    let service = &delivery.services[0];
    assert_eq!(service.key.0, "arn:aws:codedeploy:eu-west-1:111122223333:deploymentgroup:shop/prod");
    assert_eq!(service.deployment_groups, std::slice::from_ref(&service.key.0));
    assert!(delivery.changes.is_empty());
}

#[test]
fn what_goes_to_a_group_before_production_counts_nowhere() {
    let mut world = World::new();
    world.code("d-1", "staging", "v1", at(2, 9, 0), "Failed");
    world.release("e1", 1, at(3, 9, 0));
    world.deploy("e1", "Staging/Deploy", at(3, 9, 0), "Failed");
    let delivery = world.delivery();
    assert_eq!(summary(&delivery), [("e1", DeploymentKind::Forward, Outcome::Succeeded)]);
    assert_eq!(codes(&delivery), []);
    assert_eq!(find(&delivery, "e1").first_attempt_failed, Some(false));
}

#[test]
fn what_fails_before_it_touches_anything_hurts_nobody() {
    let mut world = World::new();
    let untouched = Some(InstanceCounts { skipped: 2, ..InstanceCounts::default() });
    for (id, status, code, counts, expected) in [
        ("d-1", "Failed", "IAM_ROLE_MISSING", untouched, Outcome::ErrorNoImpact),
        (
            "d-2",
            "Failed",
            "IAM_ROLE_MISSING",
            Some(InstanceCounts { failed: 1, ..InstanceCounts::default() }),
            Outcome::Failed,
        ),
        ("d-3", "Failed", "HEALTH_CONSTRAINTS", untouched, Outcome::Failed),
        ("d-4", "Stopped", "MANUAL_STOP", untouched, Outcome::ErrorNoImpact),
        ("d-5", "Stopped", "MANUAL_STOP", None, Outcome::Stopped),
        ("d-6", "Baking", "", None, Outcome::InProgress),
        ("d-7", "Odd", "", None, Outcome::Unknown),
    ] {
        let minutes = i64::from(id.bytes().last().unwrap());
        let deployment = world.code(id, "prod", id, at(2, 0, 0) + Duration::hours(minutes), status);
        deployment.error_code = Some(code.to_owned());
        deployment.counts = counts;
        let delivery = world.delivery();
        assert_eq!(find(&delivery, id).outcome, expected, "{id}");
    }
    let delivery = world.delivery();
    let e3 = |id: &str| find(&delivery, id).evidence.iter().any(|it| it.code == EvidenceCode::E3);
    assert!(!e3("d-1") && e3("d-2") && e3("d-3") && !e3("d-4") && !e3("d-5"));
}

#[test]
fn whoever_stops_a_deployment_leaves_evidence() {
    let mut world = World::new();
    for (id, hour) in [("d-1", 9), ("d-2", 12)] {
        world.code(id, "prod", id, at(2, hour, 0), "Stopped");
    }
    world.event(
        "codedeploy",
        "StopDeployment",
        at(2, 9, 5),
        &json!({"deploymentId": "d-1", "autoRollbackEnabled": "true"}),
    );
    world.event("codedeploy", "StopDeployment", at(2, 12, 5), &json!({"deploymentId": "d-2"}));
    let delivery = world.delivery();
    let found = |id: &str| evidence(find(&delivery, id)).iter().map(|it| (it.0, it.1)).collect::<Vec<_>>();
    assert_eq!(found("d-1"), [(EvidenceCode::E4, Confidence::High)]);
    assert_eq!(found("d-2"), [(EvidenceCode::E4, Confidence::Medium)]);
    assert_eq!(find(&delivery, "d-1").events.len(), 1);
}

#[test]
fn an_older_version_speaks_against_the_first_release_behind_it() {
    let mut world = World::new();
    for (id, number, day) in [("e1", 1, 2), ("e2", 2, 3), ("e3", 3, 4), ("e4", 1, 5)] {
        world.release(id, number, at(day, 9, 0));
    }
    let delivery = world.delivery();
    assert_eq!(find(&delivery, "e4").kind, DeploymentKind::Rollback);
    assert_eq!(codes(&delivery), [("e2".to_owned(), vec![EvidenceCode::E5])]);
    assert_eq!(find(&delivery, "e2").evidence[0].time, Some(at(5, 9, 20)));
    // Gone back to twice, the second time speaks against what came in between.
    world.release("e5", 5, at(6, 9, 0));
    world.release("e6", 1, at(7, 9, 0));
    let delivery = world.delivery();
    assert_eq!(
        codes(&delivery),
        [("e2".to_owned(), vec![EvidenceCode::E5]), ("e5".to_owned(), vec![EvidenceCode::E5])]
    );
}

#[test]
fn a_rollback_by_the_service_speaks_against_what_failed() {
    let mut world = World::new();
    world.release("e1", 1, at(2, 9, 0));
    world.execution("e2", 2, at(3, 9, 0), "Failed");
    world.deploy("e2", "Prod/Deploy", at(3, 9, 10), "Failed");
    let back = world.execution("r1", 1, at(3, 9, 30), "Succeeded");
    back.execution_type = Some("ROLLBACK".to_owned());
    back.rollback_target = Some("e1".to_owned());
    back.trigger.as_mut().unwrap().kind = "AutomatedRollback".to_owned();
    world.deploy("r1", "Prod/Deploy", at(3, 9, 30), "Succeeded");
    let delivery = world.delivery();
    assert_eq!(codes(&delivery), [("e2".to_owned(), vec![EvidenceCode::E2, EvidenceCode::E3])]);
    assert_eq!(find(&delivery, "r1").trigger, TriggerKind::AutomatedRollback);
}

#[test]
fn a_failure_that_nothing_remedied_stays() {
    let mut world = World::new();
    world.code("d-1", "prod", "v1", at(2, 9, 0), "Failed");
    let delivery = world.delivery();
    assert_eq!(summary(&delivery), [("d-1", DeploymentKind::Forward, Outcome::Failed)]);
    assert_eq!(evidence(&delivery.deployments[0])[0].0, EvidenceCode::E3);
}

#[test]
fn at_an_earlier_moment_only_what_was_known_then_counts() {
    let mut world = World::new();
    world.release("e1", 1, at(2, 9, 0));
    world.release("e2", 2, at(3, 9, 0));
    world.options.as_of = at(3, 9, 15);
    let delivery = world.delivery();
    let forward = DeploymentKind::Forward;
    assert_eq!(summary(&delivery), [("e1", forward, Outcome::Succeeded), ("e2", forward, Outcome::InProgress)]);
    assert_eq!(find(&delivery, "e2").finished, None);
    // What is older than the look-back is nobody's predecessor.
    world.options.as_of = at(30, 0, 0);
    world.options.look_back = std::time::Duration::from_secs(0);
    world.options.window = std::time::Duration::from_hours(648);
    assert_eq!(summary(&world.delivery()), [("e2", forward, Outcome::Succeeded)]);
}

#[test]
fn clocks_that_differ_make_no_negative_time() {
    let mut world = World::new();
    let deployment = world.code("d-1", "prod", "v1", at(2, 9, 0), "Succeeded");
    deployment.started = Some(at(2, 9, 20));
    world.execution("e1", 1, at(3, 9, 0), "Succeeded");
    world.deploy("e1", "Prod/Deploy", at(3, 9, 10), "Succeeded").updated = Some(at(3, 9, 0));
    let delivery = world.delivery();
    assert!(delivery.deployments.iter().all(|it| it.finished.is_some_and(|end| end >= it.started)));
}

#[test]
fn commits_without_a_time_or_from_the_future_do_not_count() {
    let mut world = World::new();
    world.release("e1", 1, at(2, 9, 0));
    world.release("e2", 2, at(3, 9, 0));
    world.release("e3", 3, at(4, 9, 0));
    world.release("e4", 4, at(5, 9, 0));
    world.commit(2, &[], Some(at(20, 9, 0)));
    let references = json!({"references": [{"ref": "x", "commit": commit(9)}, {"ref": "main", "commit": commit(4)}]});
    world.event("codecommit", "GitPush", at(5, 8, 20), &references);
    world.event("codecommit", "GitPush", at(5, 8, 20), &serde_json::Value::Null);
    let found: Vec<_> = hours(&world.delivery().changes).into_iter().map(|it| (it.0, it.1, it.2)).collect();
    assert_eq!(
        found,
        [
            ("c1".to_owned(), Tier::B, ChangeFate::NoPredecessor),
            ("c2".to_owned(), Tier::B, ChangeFate::Negative),
            ("c3".to_owned(), Tier::B, ChangeFate::NoTime),
            ("c4".to_owned(), Tier::C, ChangeFate::Deployed),
        ]
    );
}

#[test]
fn a_merged_branch_brings_its_commits_and_not_the_merge() {
    let mut world = World::new();
    world.release("e1", 1, at(2, 9, 0));
    world.release("e2", 5, at(3, 9, 0));
    // 1 ─ 2 ─ 4 ─ 5 (merge), with 3 on a branch that began at 1.
    for (number, parents) in [(1, &[][..]), (2, &[1]), (3, &[1]), (4, &[2]), (5, &[4, 3])] {
        world.commit(number, parents, Some(at(2, 10, 0)));
    }
    let found: Vec<_> = hours(&world.delivery().changes).into_iter().map(|it| (it.0, it.1)).collect();
    let of_a = |name: &str| (name.to_owned(), Tier::A);
    assert_eq!(found, [("c1".to_owned(), Tier::B), of_a("c2"), of_a("c3"), of_a("c4")]);
}

#[test]
fn a_source_without_commits_has_deployments_and_no_changes() {
    let mut world = World::new();
    for (id, day) in [("e1", 2), ("e2", 3)] {
        world.release(id, 0, at(day, 9, 0));
        let version = crate::history::SourceRevision {
            action: "Bundle".to_owned(),
            id: format!("PqX{day}"),
            summary: Some("Amazon S3 version id".to_owned()),
            url: None,
        };
        world.history.executions.last_mut().unwrap().revisions = vec![version];
    }
    let delivery = world.delivery();
    assert_eq!(delivery.deployments.len(), 2);
    assert_eq!(delivery.changes, []);
    assert_eq!(delivery.deployments[1].kind, DeploymentKind::Forward);
}

#[test]
fn unplanned_is_told_by_variables_and_labels_and_guessed_from_branches() {
    let mut world = World::new();
    for (id, number, day) in [("e1", 1, 2), ("e2", 2, 3), ("e3", 3, 4), ("e4", 4, 5)] {
        world.release(id, number, at(day, 9, 0));
    }
    world.history.executions[0].unplanned = Some(true);
    let merge = |number: u32, head: &str, labels: &[&str]| Merge {
        repository: golden::REPOSITORY.to_owned(),
        number: number.to_string(),
        merged: at(2, 0, 0),
        merge_commit: Some(commit(number)),
        base: Some("main".to_owned()),
        head: Some(head.to_owned()),
        author: None,
        merged_by: None,
        approved_by: vec![],
        title: Some("Fix".to_owned()),
        labels: labels.iter().map(|it| (*it).to_owned()).collect(),
    };
    world.history.merges = vec![merge(2, "hotfix/null", &[]), merge(3, "main2", &["Hotfix"])];
    let found = world.delivery().deployments;
    let found: Vec<_> = found.iter().map(|it| (it.unplanned, it.unplanned_is_flagged)).collect();
    assert_eq!(found, [(true, true), (true, false), (true, true), (false, false)]);
}

#[test]
fn a_gap_that_a_disabled_transition_covers_is_said_to_be_one() {
    let mut world = World::new();
    world.execution("e1", 1, at(2, 9, 0), "Succeeded");
    world.deploy("e1", "Beta/Deploy", at(2, 9, 0), "Succeeded");
    world.deploy("e1", "Prod/Deploy", at(2, 10, 0), "Succeeded");
    let request = json!({"pipelineName": "S", "stageName": "Prod", "transitionType": "Inbound"});
    world.event("codepipeline", "DisableStageTransition", at(1, 9, 0), &request);
    world.event("codepipeline", "EnableStageTransition", at(2, 9, 40), &request);
    let run = &world.delivery().runs[0];
    assert_eq!((run.active_seconds, run.gap_seconds), (Some(20 * 60), Some(50 * 60)));
    assert_eq!(run.transition_disabled_seconds, Some(30 * 60));
}

#[test]
fn services_are_named_by_rule_then_tag_then_arn() {
    let mut world = World::new();
    world.release("e1", 1, at(2, 9, 0));
    world.code("d-1", "prod", "v1", at(3, 9, 0), "Succeeded");
    world.options.services = vec![ServiceRule {
        service: "checkout".to_owned(),
        arns: vec!["arn:aws:codepipeline:*:S".to_owned(), "*:deploymentgroup:shop/*".to_owned()],
        tags: std::collections::BTreeMap::new(),
    }];
    let delivery = world.delivery();
    let [service] = delivery.services.as_slice() else { panic!("{:?}", delivery.services) };
    assert_eq!((service.key.0.as_str(), service.name.as_str()), ("checkout", "checkout"));
    assert_eq!((service.pipelines.len(), service.deployment_groups.len()), (1, 1));
    let key = ServiceKey("checkout".to_owned());
    assert!(delivery.deployments.iter().all(|it| it.service == key));
    // Different ways to production have different predecessors: neither is compared with the other.
    assert!(delivery.deployments.iter().all(|it| it.kind == DeploymentKind::Forward));
    // Of a service that was seen in part there is less to say, and not nothing.
    world.resources = vec![pipeline(json!({"Name": "S", "Stages": []}))];
    world.history.executions.clear();
    world.history.actions.clear();
    world.history.coverage.spans.retain(|it| it.source != HistorySource::PipelineExecutions);
    let limits = world.delivery().limits;
    assert!(
        matches!(limits.as_slice(), [limit] if !limit.blocks && limit.service.as_ref() == Some(&key)),
        "{limits:?}"
    );
}

fn denied(action: &str) -> HistoryGap {
    HistoryGap {
        source: HistorySource::PipelineExecutions,
        subject: Some(PIPELINE.to_owned()),
        from: None,
        to: None,
        gap: Gap {
            account: golden::account(),
            region: golden::region(),
            service: "codepipeline".to_owned(),
            action: action.to_owned(),
            cause: GapCause::AccessDenied { message: "no".to_owned() },
            affects: Affects::Details,
        },
    }
}

#[test]
fn executions_without_their_actions_say_nothing() {
    let mut world = World::new();
    world.execution("e1", 1, at(2, 9, 0), "Succeeded");
    world.history.coverage.gaps = vec![denied("codepipeline:ListActionExecutions")];
    let delivery = world.delivery();
    assert!(delivery.deployments.is_empty());
    let [limit] = delivery.limits.as_slice() else { panic!("{:?}", delivery.limits) };
    let sentence = world.history.coverage.gaps[0].gap.sentence();
    assert_eq!((limit.blocks, &limit.reason), (true, &sentence));
    // The same without a gap that says why.
    world.history.coverage.gaps.clear();
    assert!(world.delivery().limits[0].blocks);
}

#[test]
fn a_history_that_begins_late_says_since_when() {
    let mut world = World::new();
    world.release("e1", 1, at(20, 9, 0));
    for span in &mut world.history.coverage.spans {
        span.from = at(10, 0, 0);
    }
    let delivery = world.delivery();
    let [limit] = delivery.limits.as_slice() else { panic!("{:?}", delivery.limits) };
    assert_eq!((limit.blocks, limit.observed_from), (false, Some(at(10, 0, 0))));
    assert!(limit.reason.contains("2026-06-10T00:00:00Z"), "{}", limit.reason);
}

#[test]
fn faults_are_no_test_results_and_reports_count_their_cases() {
    let mut world = World::new();
    world.execution("e1", 1, at(2, 9, 0), "Failed");
    for (number, hour, status) in [(1, 9, "FAULT"), (2, 10, "FAILED"), (3, 11, "SUCCEEDED")] {
        let attempt = world.deploy("e1", "Build/Tests", at(2, hour, 0), "Failed");
        (attempt.category, attempt.provider) = ("Test".to_owned(), "CodeBuild".to_owned());
        attempt.external_execution_id = Some(format!("tests:{number}"));
        world.history.builds.push(crate::history::Build {
            account: golden::account(),
            region: golden::region(),
            id: format!("tests:{number}"),
            project: "tests".to_owned(),
            initiator: Some("codepipeline/S".to_owned()),
            resolved_source_version: None,
            status: status.to_owned(),
            started: at(2, hour, 0),
            ended: Some(at(2, hour, 5)),
            report_arns: vec![],
        });
    }
    world.history.reports.push(TestReport {
        arn: "arn:aws:codebuild:eu-west-1:111122223333:report/tests:1".to_owned(),
        group: "arn:aws:codebuild:eu-west-1:111122223333:report-group/tests".to_owned(),
        build: Some("tests:3".to_owned()),
        status: "FAILED".to_owned(),
        created: at(2, 11, 4),
        total: 10,
        status_counts: [("SUCCEEDED", 7), ("FAILED", 1), ("SKIPPED", 2)].map(|(key, n)| (key.to_owned(), n)).into(),
        duration_nanoseconds: None,
    });
    let tests = world.delivery().tests;
    let key = |it: &TestRun| (it.first_passed, it.passed, it.cases_passed, it.cases_run);
    assert_eq!(
        tests.iter().map(key).collect::<Vec<_>>(),
        [(None, Some(true), None, None), (None, None, Some(7), Some(8))]
    );
}
