//! G4, G5, G6, G7, G11, G12, G13.

use super::*;
use crate::dora::FreezeWindow;
use crate::history::Payload;

fn released() -> World {
    let mut world = World::quiet();
    world.release("x1", NOON, Some("alice"));
    world
}

#[test]
fn a_start_by_hand_is_a_fact_and_a_chosen_revision_a_fault() {
    let mut world = released();
    let chosen = json!({"name": "web", "sourceRevisions": [
        {"actionName": "Code", "revisionType": "COMMIT_ID", "revisionValue": commit('b')}]});
    let begun = json!({"pipelineExecutionId": "x2"});
    world.call("codepipeline", "StartPipelineExecution", NOON, "bob", json!({"name": "web"}), begun.clone());
    world.service("ManualStarts").is_bad("bob (Release) started execution x2 of web");
    world.service("PinnedStarts").is_good();
    let mut pinned = world.clone();
    pinned.call("codepipeline", "StartPipelineExecution", NOON, "bob", chosen.clone(), begun);
    pinned.service("PinnedStarts").is_bad("with bbbb");
    // A push to the branch shows that it holds the commit.
    let push = json!({"references": [{"commit": commit('b'), "ref": "refs/heads/main"}]});
    let id = pinned.call("codecommit", "GitPush", NOON - Duration::days(1), "bob", push, json!(null));
    pinned.event(&id).additional = Payload::Json(json!({"repositoryName": "web"}));
    pinned.service("PinnedStarts").is_good();
    world.without_events().service("PinnedStarts").is_open("CloudTrail's events");
}

#[test]
fn a_deployment_past_the_pipeline_is_one_and_a_rollback_of_the_service_is_none() {
    let mut world = released();
    world.service("BypassDeployments").is_good();
    let mut direct = world.clone();
    direct.direct("d-9", NOON + Duration::days(1), TriggerKind::Direct);
    direct.service("BypassDeployments").is_bad("deployed past every pipeline: deployment d-9");
    let mut unknown = world.clone();
    unknown.direct("d-9", NOON + Duration::days(1), TriggerKind::Unknown);
    unknown.service("BypassDeployments").is_open("d-9");
    world.direct("d-rb", NOON + Duration::days(1), TriggerKind::AutomatedRollback);
    world.service("BypassDeployments").is_good();
    // One of two sources that would show it is enough.
    let no_trail = world.clone().without(HistorySource::tells_events);
    no_trail.service("BypassDeployments").is_good();
    let no_deployments = world.clone().without(|source| source == HistorySource::Deployments);
    no_deployments.service("BypassDeployments").is_good();
    let neither = world.without(|source| source.tells_events() || source == HistorySource::Deployments);
    neither.service("BypassDeployments").is_open("not looked at");
}

#[test]
fn a_build_with_other_instructions_is_a_bypass_unless_the_pipeline_asked_for_it() {
    let start = |who: &str, request: Value| {
        let mut world = released();
        let id = world.call("codebuild", "StartBuild", NOON, who, request, json!({"build": {"id": "web:1"}}));
        (world, id)
    };
    let other = json!({"projectName": "web", "buildspecOverride": "x", "imageOverride": "evil"});
    start("bob", other.clone())
        .0
        .service("BuildOverrides")
        .is_bad("built project web with buildspecOverride, imageOverride");
    start("bob", json!({"projectName": "web", "timeoutInMinutesOverride": 5})).0.service("BuildOverrides").is_good();
    start("bob", json!({"projectName": "web", "debugSessionEnabled": false})).0.service("BuildOverrides").is_good();
    start("bob", json!({"projectName": "elsewhere", "imageOverride": "x"})).0.service("BuildOverrides").is_good();
    let (mut asked, _) = start("1790607633411", other.clone());
    asked.service("BuildOverrides").is_open("session 1790607633411");
    asked.history.actions[1].external_execution_id = Some("web:1".to_owned());
    asked.service("BuildOverrides").is_good();
    let (mut named, id) = start("1790607633411", other);
    named.event(&id).principal.role = Some(ROLE.to_owned());
    named.service("BuildOverrides").is_good();
    named.without_events().service("BuildOverrides").is_open("CloudTrail's events");
}

#[test]
fn a_call_too_large_to_be_recorded_is_a_finding_and_leaves_what_it_may_have_done_open() {
    let large = |service: &str, name: &str, response: Value| {
        let mut world = released();
        let id = world.call(service, name, NOON, "bob", json!({}), response);
        world.event(&id).request = Payload::Omitted { original_size: Some(149_893) };
        world
    };
    for answer in [json!({"build": {"projectName": "web", "id": "web:1"}}), json!(null)] {
        let world = large("codebuild", "StartBuild", answer.clone());
        world.service("BuildOverrides").is_open("too large to be recorded");
        world.account("UnreadableUpdates").is_bad("bob (Release) called StartBuild for");
    }
    large("codebuild", "StartBuildBatch", json!({"buildBatch": {"projectName": "web"}}))
        .service("BuildOverrides")
        .is_open("too large to be recorded");
    let elsewhere = large("codebuild", "StartBuild", json!({"build": {"projectName": "other"}}));
    elsewhere.service("BuildOverrides").is_good();
    for answer in [json!({"deploymentId": "d-x1"}), json!(null)] {
        let world = large("codedeploy", "CreateDeployment", answer);
        world.service("UnguardedDeployments").is_open("too large to be recorded");
        world.account("UnreadableUpdates").is_bad("called CreateDeployment for");
    }
    let group = large("codedeploy", "UpdateDeploymentGroup", json!({}));
    group.service("UnguardedDeployments").is_open("too large to be recorded");
    group.service("DeploymentGroupChanges").is_open("too large to be recorded");
    group.account("UnreadableUpdates").is_bad("called UpdateDeploymentGroup for something whose name was left out too");
}

#[test]
fn a_deployment_group_is_left_alone_around_a_deployment() {
    let change = |time| {
        let mut world = released();
        let request = json!({"applicationName": "web", "currentDeploymentGroupName": "fleet"});
        world.call("codedeploy", "UpdateDeploymentGroup", time, "bob", request, json!({}));
        world
    };
    change(NOON - Duration::minutes(20))
        .service("DeploymentGroupChanges")
        .is_bad("changed deployment group web/fleet beside execution x1");
    change(NOON + Duration::hours(3)).service("DeploymentGroupChanges").is_good();
    released().without_events().service("DeploymentGroupChanges").is_open("CloudTrail's events");
}

#[test]
fn a_condition_that_was_overridden_and_an_attempt_that_was_refused() {
    let mut world = released();
    let request = json!({"pipelineName": "web", "stageName": "Prod", "pipelineExecutionId": "x1", "conditionType": "BEFORE_ENTRY"});
    let id = world.call("codepipeline", "OverrideStageCondition", NOON, "bob", request, json!(null));
    world.service("OverriddenConditions").is_bad("bob (Release) overrode BEFORE_ENTRY of web/Prod for execution x1");
    world.service("RefusedAttempts").is_good();
    world.event(&id).error_code = Some("AccessDenied".to_owned());
    world.service("OverriddenConditions").is_good();
    world.service("RefusedAttempts").is_bad("was refused OverrideStageCondition on web (AccessDenied)");
    world.without_events().service("OverriddenConditions").is_open("CloudTrail's events");
}

#[test]
fn a_transition_is_reopened_by_whoever_closed_it() {
    let mut world = released();
    let request = json!({"pipelineName": "web", "stageName": "Prod", "transitionType": "Inbound", "reason": "audit"});
    let enable = |world: &mut World, who: &str| {
        world.call("codepipeline", "EnableStageTransition", NOON, who, request.clone(), json!(null));
    };
    let mut unheard = world.clone();
    enable(&mut unheard, "bob");
    unheard.service("ReopenedTransitions").is_open("who had disabled web/Prod");
    world.call(
        "codepipeline",
        "DisableStageTransition",
        NOON - Duration::days(30),
        "alice",
        request.clone(),
        json!(null),
    );
    let mut other = world.clone();
    enable(&mut other, "bob");
    other
        .service("ReopenedTransitions")
        .is_bad("bob (Release) reopened web/Prod, which alice (Release) had closed: \"audit\"");
    enable(&mut world, "alice");
    world.service("ReopenedTransitions").is_good();
    // It was open by then.
    let later = NOON + Duration::hours(1);
    world.call("codepipeline", "EnableStageTransition", later, "bob", request.clone(), json!(null));
    world.service("ReopenedTransitions").is_good();
}

#[test]
fn a_retry_does_not_pass_by_a_rejection() {
    let mut world = released();
    let request =
        json!({"pipelineName": "web", "stageName": "Prod", "pipelineExecutionId": "x1", "retryMode": "ALL_ACTIONS"});
    world.call("codepipeline", "RetryStageExecution", NOON - Duration::minutes(1), "bob", request, json!({}));
    world.service("SkippedRejections").is_good();
    world.service("Retries").is_bad("bob (Release) retried web/Prod of execution x1");
    let mut skipped = world.clone();
    skipped.history.actions[0].status = "Failed".to_owned();
    skipped.service("SkippedRejections").is_bad("past its rejected approval Approve");
    let mut again = skipped.clone();
    let mut second = again.history.actions[0].clone();
    second.id = "a-second".to_owned();
    second.started = NOON;
    again.history.actions.push(second);
    again.service("SkippedRejections").is_good();
    let mut unknown = skipped.clone();
    unknown.history.actions.clear();
    unknown.service("SkippedRejections").is_open("what the retry");
}

#[test]
fn a_deployment_keeps_its_net() {
    let deploy = |more: Value| {
        let mut world = released();
        let mut request = json!({"applicationName": "web", "deploymentGroupName": "fleet"});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.call("codedeploy", "CreateDeployment", NOON, "bob", request, json!({"deploymentId": "d-x1"}));
        world.service("UnguardedDeployments")
    };
    deploy(json!({"ignoreApplicationStopFailures": "false"})).is_good();
    deploy(json!({"ignoreApplicationStopFailures": "true"}))
        .is_bad("deployed to web/fleet ignoring failures of its stop script");
    deploy(json!({"autoRollbackConfiguration": {"enabled": false}})).is_bad("with rollback switched off");
    deploy(json!({"overrideAlarmConfiguration": {"enabled": false}})).is_bad("with alarm settings of its own");
    let stop = |more: Value| {
        let mut world = released();
        let mut request = json!({"deploymentId": "d-x1"});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.call("codedeploy", "StopDeployment", NOON, "bob", request, json!({}));
        world.service("UnguardedDeployments")
    };
    stop(json!({"autoRollbackEnabled": true})).is_good();
    stop(json!({"autoRollbackEnabled": false})).is_bad("stopped d-x1 without rolling back");
    stop(json!({})).is_open("is not said");
    let mut world = released();
    let request = json!({"applicationName": "web", "currentDeploymentGroupName": "fleet", "alarmConfiguration": {"enabled": false}});
    world.call("codedeploy", "UpdateDeploymentGroup", NOON + Duration::days(2), "bob", request, json!({}));
    world.service("UnguardedDeployments").is_bad("set up web/fleet with alarms switched off");
    let mut blind = released().without_events();
    blind.service("UnguardedDeployments").is_open("CloudTrail's events");
    blind.history.deployments[0].overrides_alarms = Some(true);
    blind.service("UnguardedDeployments").is_bad("deployed d-x1 with alarm settings of its own");
}

#[test]
fn an_alarm_is_not_silenced_beside_a_deployment() {
    let silence = |name: &str, request: Value, time| {
        let mut world = released();
        world.call("monitoring", name, time, "bob", request, json!(null));
        world
    };
    let off = || json!({"alarmNames": ["errors", "other"]});
    silence("DisableAlarmActions", off(), NOON - Duration::minutes(10))
        .service("SilencedAlarms")
        .is_bad("disabled the actions of alarm errors beside execution x1");
    silence("DeleteAlarms", off(), NOON + Duration::hours(5)).service("SilencedAlarms").is_good();
    silence("DeleteAlarms", json!({"alarmNames": ["other"]}), NOON).service("SilencedAlarms").is_good();
    let set = |state: &str| silence("SetAlarmState", json!({"alarmName": "errors", "stateValue": state}), NOON);
    set("OK").service("SilencedAlarms").is_bad("set to OK alarm errors");
    set("ALARM").service("SilencedAlarms").is_good();
    let mut unknown = set("OK");
    unknown.estate = Estate::default();
    unknown.service("SilencedAlarms").is_open("watches alarm errors");
    released().without_events().service("SilencedAlarms").is_open("CloudTrail's events");
}

#[test]
fn a_freeze_holds_for_releases_and_not_for_going_back() {
    let mut world = released();
    world.service("FreezeDeployments").is_good();
    let freeze = |services: &[&str]| FreezeWindow {
        name: "Summer".to_owned(),
        from: NOON - Duration::days(1),
        to: NOON + Duration::days(1),
        services: services.iter().map(|it| (*it).to_owned()).collect(),
    };
    world.options.freezes = vec![freeze(&["other*"])];
    world.service("FreezeDeployments").is_good();
    world.options.freezes = vec![freeze(&["*:web"])];
    world.service("FreezeDeployments").is_bad("a change deployed in the freeze \"Summer\": execution x1");
    let blind = world.clone().without(|_| true).service("FreezeDeployments");
    assert!(blind.seen.len() == 1 && blind.why.is_some());
    world.delivery.deployments[0].kind = DeploymentKind::Rollback;
    world.service("FreezeDeployments").is_good();
    world
        .without(|source| source == HistorySource::PipelineExecutions)
        .service("FreezeDeployments")
        .is_open("executions");
}

#[test]
fn an_execution_is_not_abandoned_in_production() {
    let stop = |abandon: Value, execution: &str| {
        let mut world = released();
        let request =
            json!({"pipelineName": "web", "pipelineExecutionId": execution, "abandon": abandon, "reason": "late"});
        world.call("codepipeline", "StopPipelineExecution", NOON + Duration::minutes(1), "bob", request, json!({}));
        world.service("AbandonedDeployments")
    };
    stop(json!("true"), "x1").is_bad("abandoned execution x1 of web in production: \"late\"");
    stop(json!(false), "x1").is_good();
    stop(json!(true), "never-seen").is_open("never-seen");
    released().without_events().service("AbandonedDeployments").is_open("CloudTrail's events");
}

#[test]
fn a_hook_reports_for_itself() {
    let report = |change: &dyn Fn(&mut Event)| {
        let mut world = released();
        let request = json!({"deploymentId": "d-x1", "lifecycleEventHookExecutionId": "h", "status": "Succeeded"});
        let id =
            world.call("codedeploy", "PutLifecycleEventHookExecutionStatus", NOON, "hook-function", request, json!({}));
        change(world.event(&id));
        world.service("ForeignHookResults")
    };
    report(&|_| {}).is_open("hook-function");
    report(&|event| event.user_agent = Some("aws-sdk-nodejs exec-env/AWS_Lambda_nodejs20.x".to_owned())).is_good();
    let person = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Dev_1";
    report(&|event| event.principal.role = Some(person.to_owned())).is_bad("reported Succeeded for a hook of d-x1");
    report(&|event| event.principal.session = Some("AWSCodeBuild-0f0e".to_owned())).is_open("AWSCodeBuild-0f0e");
    released().without_events().service("ForeignHookResults").is_open("CloudTrail's events");
}

#[test]
fn where_the_hooks_are_named_everybody_else_is_none() {
    let report = |hooks: &[&str], change: &dyn Fn(&mut Event)| {
        let mut world = released();
        world.options.hooks = hooks.iter().map(|it| (*it).to_owned()).collect();
        let request = json!({"deploymentId": "d-x1", "lifecycleEventHookExecutionId": "h", "status": "Succeeded"});
        let id =
            world.call("codedeploy", "PutLifecycleEventHookExecutionStatus", NOON, "check-fleet", request, json!({}));
        change(world.event(&id));
        world.service("ForeignHookResults")
    };
    let function = |event: &mut Event| event.user_agent = Some("x exec-env/AWS_Lambda_nodejs20.x".to_owned());
    for named in ["Release", "arn:aws:iam::*:role/Rel*", "*:assumed-role/Release/check-*"] {
        report(&[named], &|_| {}).is_good();
    }
    report(&["arn:aws:iam::*:role/hook-*"], &|_| {}).is_bad("check-fleet (Release) reported Succeeded");
    report(&["hook-*"], &function).is_bad("reported Succeeded for a hook of d-x1");
    report(&["Rel"], &function).is_bad("reported");
    // A session whose role the record does not name may be a hook's.
    report(&["hook-*"], &|event| event.principal.role = None).is_open("is that hook is not known");
    let nobody = |event: &mut Event| {
        event.principal.role = None;
        event.principal.arn = None;
    };
    report(&["hook-*"], &nobody).is_open("is that hook is not known");
    report(&["hook-*"], &|event| {
        nobody(event);
        event.principal.kind = "Root".to_owned();
    })
    .is_bad("reported Succeeded for a hook of d-x1");
}
