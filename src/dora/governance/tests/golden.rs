//! The golden vector's facts, and what holds of every history.

use proptest::prelude::*;

use super::*;
use crate::history::Principal;

/// Of the golden vector, what facts are made of: a retry, a rollback by hand, and a deployment past the pipeline.
fn golden() -> World {
    let mut world = World::quiet();
    world.release("e4", datetime!(2026-06-08 10:25 UTC), Some("alice"));
    world.delivery.deployments[0].attempts = 2;
    world.delivery.deployments[0].first_attempt_failed = Some(true);
    let retry =
        json!({"pipelineName": "web", "stageName": "Prod", "pipelineExecutionId": "e4", "retryMode": "FAILED_ACTIONS"});
    world.call("codepipeline", "RetryStageExecution", datetime!(2026-06-08 10:20 UTC), "bob", retry, json!({}));
    world.release("r1", datetime!(2026-06-10 11:35 UTC), Some("alice"));
    let rollback = &mut world.delivery.deployments[1];
    rollback.kind = DeploymentKind::Rollback;
    rollback.trigger = TriggerKind::ManualRollback;
    rollback.actor = Some(Principal::of_arn(&session("carol")));
    world.direct("d9", datetime!(2026-06-20 9:55 UTC), TriggerKind::Direct);
    let bypass = world.delivery.deployments.last_mut().unwrap();
    bypass.kind = DeploymentKind::RedeploySame;
    bypass.actor = Some(Principal::of_arn(&session("dave")));
    bypass.events = vec!["e-d9".to_owned()];
    world
}

#[test]
fn the_golden_vector_has_a_bypass_a_retry_and_a_rollback_with_its_actor() {
    let world = golden();
    world.service("BypassDeployments").is_bad("dave (Release) deployed past every pipeline: deployment d9");
    world.service("Retries").is_bad("bob (Release) retried web/Prod of execution e4");
    world.service("Rollbacks").is_bad("carol (Release) rolled back: execution r1 of web");
    let services = world.observe();
    let service = services.iter().find(|it| it.type_name == TypeName::DELIVERY_SERVICE).unwrap();
    assert_eq!(service.properties["BypassDeployments"][0]["Records"], json!(["event e-d9", "deployment d9"]));
    assert_eq!(service.properties["DeploysWithCodeDeploy"], json!(true));
}

/// A history in which much went wrong.
fn busy() -> World {
    let mut world = golden();
    world.call(
        "codepipeline",
        "StartPipelineExecution",
        NOON,
        "alice",
        json!({"name": "web"}),
        json!({"pipelineExecutionId": "e4"}),
    );
    let condition =
        json!({"pipelineName": "web", "stageName": "Prod", "pipelineExecutionId": "e4", "conditionType": "ON_SUCCESS"});
    world.call("codepipeline", "OverrideStageCondition", NOON, "bob", condition, json!(null));
    let request =
        json!({"applicationName": "web", "deploymentGroupName": "fleet", "ignoreApplicationStopFailures": true});
    world.call("codedeploy", "CreateDeployment", NOON, "bob", request, json!({"deploymentId": "d-e4"}));
    world.call("cloudtrail", "StopLogging", NOON, "mallory", json!({"name": "all"}), json!(null));
    world.call(
        "codebuild",
        "StartBuild",
        NOON,
        "bob",
        json!({"projectName": "web", "imageOverride": "x"}),
        json!({"build": {"id": "web:9"}}),
    );
    world
}

fn lists(world: &World) -> BTreeMap<(String, &'static str), (usize, bool)> {
    let mut lists = BTreeMap::new();
    for resource in world.observe() {
        let names = SERVICE_RULES.iter().map(|rule| rule.0).chain(ACCOUNT_RULES.iter().map(|rule| rule.0));
        for name in names {
            if let Some(list) = resource.properties.get(name).and_then(Value::as_array) {
                let open = resource.unseen.contains_key(name);
                lists.insert((resource.uid.to_string(), name), (list.len(), open));
            }
        }
    }
    lists
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn looking_at_less_turns_no_violation_and_no_unknown_into_a_pass(kept in proptest::collection::vec(any::<bool>(), 8), cut in 0_i64..40) {
        let whole = busy();
        let mut part = whole.clone();
        let mut keep = kept.into_iter();
        part.history.coverage.spans.retain(|_| keep.next().unwrap_or(true));
        for span in &mut part.history.coverage.spans {
            span.from += Duration::days(cut);
        }
        part.history.coverage.spans.retain(|span| span.from < span.to);
        part.delivery.coverage = part.history.coverage.clone();
        let (before, after) = (lists(&whole), lists(&part));
        for (key, (seen, open)) in before {
            let Some((still, open_now)) = after.get(&key) else { continue };
            prop_assert_eq!(seen, *still, "{:?}", &key);
            prop_assert!(!open || *open_now, "{key:?} was unknown and is no more");
        }
    }

    #[test]
    fn order_and_repeats_change_nothing(seed in any::<u64>(), twice in any::<bool>()) {
        let world = busy();
        let expected = serde_json::to_string(&world.observe()).unwrap();
        let mut other = world.clone();
        if twice {
            let again = other.history.clone();
            other.history.absorb(again);
        }
        let turn = |length: usize| usize::try_from(seed % 97).unwrap() % length.max(1);
        other.history.events.reverse();
        let at = turn(other.history.events.len());
        other.history.events.rotate_left(at);
        let at = turn(other.history.actions.len());
        other.history.actions.rotate_left(at);
        other.history.executions.reverse();
        other.history.coverage.spans.reverse();
        other.delivery.deployments.reverse();
        prop_assert_eq!(serde_json::to_string(&other.observe()).unwrap(), expected);
    }
}
