//! G8 and G9.

use super::*;
use crate::history::{Commit, Payload};

fn definition(version: i64, approval: bool, branch: &str) -> Value {
    let action = |name: &str, category: &str, order: i64| json!({"name": name, "runOrder": order, "actionTypeId": {"category": category}});
    let mut prod = vec![action("Deploy", "Deploy", 2)];
    if approval {
        prod.push(action("Approve", "Approval", 1));
    }
    json!({"pipeline": {"name": "web", "version": version, "roleArn": ROLE, "stages": [
        {"name": "Source", "actions": [{"name": "Code", "actionTypeId": {"category": "Source"}, "configuration": {"BranchName": branch}}]},
        {"name": "Prod", "actions": prod},
    ]}})
}

fn updated(versions: &[(i64, bool, &str)]) -> World {
    let mut world = World::quiet();
    for (hour, (version, approval, branch)) in versions.iter().enumerate() {
        let time = NOON + Duration::hours(i64::try_from(hour).unwrap());
        let answer = definition(*version, *approval, branch);
        world.call("codepipeline", "UpdatePipeline", time, "mallory", json!({"pipeline": {"name": "web"}}), answer);
    }
    world
}

#[test]
fn a_gate_that_an_update_takes_out_is_seen_only_between_two_versions() {
    let told = updated(&[(3, true, "main"), (4, false, "main")]).service("RemovedGates");
    told.is_bad("mallory (Release) removed approval Prod/Approve in version 4 of web");
    assert!(told.why.is_some(), "what was before version 3 is not known");
    updated(&[(3, true, "main"), (5, false, "main")]).service("RemovedGates").is_open("between 3 and 5");
    updated(&[(3, true, "main")]).service("RemovedGates").is_open("before version 3");
    let mut before = updated(&[(4, true, "main")]);
    let old = definition(3, true, "main");
    before.call("codepipeline", "UpdatePipeline", NOON - Duration::days(20), "alice", json!({}), old);
    before.service("RemovedGates").is_good();
    let mut pipeline = before.estate.resource(PIPELINE).unwrap().clone();
    pipeline.properties.insert("Version".to_owned(), json!(6));
    before.estate = Estate::default();
    before.estate.absorb(&Inventory { resources: vec![pipeline], ..Inventory::default() });
    before.service("RemovedGates").is_open("between 4 and 6");
    World::quiet().without_events().service("RemovedGates").is_open("CloudTrail's events");
}

#[test]
fn a_gate_that_is_gone_after_deletion_and_creation_is_seen() {
    let mut world = updated(&[(3, true, "main"), (4, true, "main")]);
    let (deleted, created) = (NOON + Duration::hours(5), NOON + Duration::hours(6));
    world.call("codepipeline", "DeletePipeline", deleted, "mallory", json!({"name": "web"}), json!(null));
    let mut unknown = World::quiet();
    unknown.call("codepipeline", "DeletePipeline", deleted, "mallory", json!({"name": "web"}), json!(null));
    for world in [&mut world, &mut unknown] {
        world.call("codepipeline", "CreatePipeline", created, "mallory", json!({}), definition(1, false, "main"));
    }
    world.service("RemovedGates").is_bad("removed approval Prod/Approve in version 1 of web, created again");
    unknown.service("RemovedGates").is_open("before it was deleted");
    let mut new = World::quiet();
    new.call("codepipeline", "CreatePipeline", NOON, "alice", json!({}), definition(1, false, "main"));
    new.service("RemovedGates").is_good();
    updated(&[(3, true, "main"), (3, false, "main")]).service("RemovedGates").is_open("say otherwise what version 3");
}

#[test]
fn a_branch_turned_elsewhere_is_a_fault_by_hand_and_none_by_a_stack() {
    let mut world = updated(&[(3, true, "main"), (4, true, "hack")]);
    world.service("RedirectedPipelines").is_bad("changed the branch of Source/Code from main to hack in version 4");
    for event in &mut world.history.events {
        event.principal.invoked_by = Some("cloudformation.amazonaws.com".to_owned());
    }
    assert!(world.service("RedirectedPipelines").seen.is_empty());
}

#[test]
fn an_update_too_large_to_be_recorded_is_a_finding_of_its_own() {
    let mut world = World::quiet();
    let id = world.call("codepipeline", "UpdatePipeline", NOON, "mallory", json!({}), json!({}));
    world.account("UnreadableUpdates").is_good();
    let event = world.event(&id);
    event.request = Payload::Omitted { original_size: Some(149_893) };
    event.response = Payload::Omitted { original_size: Some(149_893) };
    world.account("UnreadableUpdates").is_bad("mallory (Release) updated a pipeline whose name was left out too");
    world.service("RemovedGates").is_open("too large to be recorded");
    world.event(&id).error_code = Some("AccessDenied".to_owned());
    world.account("UnreadableUpdates").is_good();
    world.without_events().account("UnreadableUpdates").is_open("CloudTrail's events");
}

fn commit_call(world: &mut World, name: &str, who: &str, request: Value, response: Value) -> String {
    world.call("codecommit", name, NOON, who, request, response)
}

/// The answer to a merge.
fn merged(branch: &str, letter: char) -> Value {
    json!({"pullRequest": {"pullRequestTargets": [{"destinationReference": format!("refs/heads/{branch}"),
        "mergeMetadata": {"mergeCommitId": commit(letter)}}]}})
}

#[test]
fn a_branch_that_is_deleted_and_made_anew_brings_what_nobody_reviewed() {
    let on = |name: &str, branch: &str| {
        let mut world = World::quiet();
        let request = json!({"repositoryName": "web", "branchName": branch, "commitId": commit('e')});
        commit_call(&mut world, name, "bob", request, json!(null));
        world
    };
    on("DeleteBranch", "main").service("ReviewRuleChanges").is_bad("deleted branch main of web, which web takes");
    on("DeleteBranch", "feature").service("ReviewRuleChanges").is_good();
    on("CreateBranch", "main").service("DirectPushes").is_bad("eeee");
    on("CreateBranch", "feature").service("DirectPushes").is_good();
}

#[test]
fn a_merge_into_another_branch_or_after_the_push_excuses_no_push() {
    let pushed = |branch: &str, later: Duration| {
        let mut world = World::quiet();
        let request = json!({"references": [{"commit": commit('c'), "ref": "refs/heads/main"}]});
        let id = commit_call(&mut world, "GitPush", "bob", request, json!(null));
        world.event(&id).additional = Payload::Json(json!({"repositoryName": "web"}));
        let request = json!({"pullRequestId": "7", "repositoryName": "web"});
        let id = commit_call(&mut world, "MergePullRequestByThreeWay", "bob", request, merged(branch, 'c'));
        world.event(&id).time = NOON + later;
        world.service("DirectPushes")
    };
    pushed("main", Duration::ZERO).is_good();
    pushed("develop", Duration::ZERO).is_bad("to web/main by GitPush");
    pushed("main", Duration::HOUR).is_bad("to web/main by GitPush");
}

#[test]
fn a_repository_of_another_account_is_looked_for_there() {
    let mut world = World::quiet();
    world.amend(PIPELINE, |pipeline| {
        let action = &mut pipeline.properties["Stages"][0]["Actions"][0];
        action["RoleArn"] = json!("arn:aws:iam::444455556666:role/Source");
        action["Region"] = json!("eu-central-1");
    });
    world.service("DirectPushes").is_open("CloudTrail's events");
    world.service("ReviewRuleChanges").is_open("CloudTrail's events");
    let (from, to) = (world.options.earliest(), AS_OF);
    world.look(HistorySource::LookupEvents, Some("eu-central-1"), None, from, to);
    world.history.coverage.spans.last_mut().unwrap().account = Some("444455556666".parse().unwrap());
    let request = json!({"repositoryName": "web", "branchName": "main", "filePath": "x"});
    let id = commit_call(&mut world, "PutFile", "bob", request, json!({"commitId": commit('d')}));
    // A repository of the same name beside the pipeline is another one.
    world.service("DirectPushes").is_good();
    world.event(&id).account = "444455556666".parse().unwrap();
    world.event(&id).region = "eu-central-1".parse().unwrap();
    world.service("DirectPushes").is_bad("to web/main by PutFile");
    world.amend(PIPELINE, |pipeline| {
        pipeline.properties["Stages"][0]["Actions"][0]["Configuration"] = json!({"RepositoryName": "web"});
    });
    world.service("DirectPushes").is_open("which branch of web");
}

#[test]
fn review_rules_are_kept() {
    let mut world = World::quiet();
    let template = json!({"repositoryName": "web", "approvalRuleTemplateName": "two"});
    commit_call(&mut world, "DisassociateApprovalRuleTemplateFromRepository", "bob", template, json!(null));
    world.service("ReviewRuleChanges").is_bad("took approval rule template two from web");
    let mut several = World::quiet();
    let templates = json!({"repositoryNames": ["api", "web"], "approvalRuleTemplateName": "two"});
    let batch = "BatchDisassociateApprovalRuleTemplateFromRepositories";
    commit_call(&mut several, batch, "bob", templates, json!(null));
    several.service("ReviewRuleChanges").is_bad("took approval rule template two from web");
    let mut overridden = World::quiet();
    let request = json!({"pullRequestId": "7", "revisionId": "r", "overrideStatus": "OVERRIDE"});
    commit_call(&mut overridden, "OverridePullRequestApprovalRules", "bob", request, json!(null));
    // Of another repository, or never merged: it let nothing in.
    overridden.service("ReviewRuleChanges").is_good();
    let merge = |world: &World, answer: Value| {
        let mut world = world.clone();
        let request = json!({"pullRequestId": "7", "repositoryName": "web"});
        commit_call(&mut world, "MergePullRequestBySquash", "bob", request, answer);
        world
    };
    merge(&overridden, merged("develop", 'c')).service("ReviewRuleChanges").is_good();
    merge(&overridden, json!({})).service("ReviewRuleChanges").is_open("to which branch of web pull request 7");
    let mut overridden = merge(&overridden, merged("main", 'c'));
    overridden.service("ReviewRuleChanges").is_bad("overrode the approval rules of pull request 7 of web");
    overridden.history.events[0].name = "UpdatePullRequestApprovalRuleContent".to_owned();
    overridden.service("ReviewRuleChanges").is_bad("rewrote one of the approval rules of pull request 7 of web");
    overridden.without_events().service("ReviewRuleChanges").is_open("CloudTrail's events");
    let mut elsewhere = World::quiet();
    elsewhere.define(None);
    elsewhere.service("ReviewRuleChanges").is_good();
    elsewhere.estate = Estate::default();
    elsewhere.service("ReviewRuleChanges").is_open("where");
}

#[test]
fn a_push_to_the_branch_is_no_merge() {
    let push = |reference: &str| {
        let mut world = World::quiet();
        let request = json!({"references": [{"commit": commit('c'), "ref": "refs/heads/feature"}, {"commit": commit('c'), "ref": reference}]});
        let id = commit_call(&mut world, "GitPush", "bob", request, json!(null));
        world.event(&id).additional = Payload::Json(json!({"repositoryName": "web"}));
        world
    };
    push("refs/heads/other").service("DirectPushes").is_good();
    let mut pushed = push("refs/heads/main");
    pushed.service("DirectPushes").is_bad("to web/main by GitPush, without a pull request");
    let merged = json!({"pullRequest": {"pullRequestTargets": [{"destinationReference": "refs/heads/main", "mergeMetadata": {"mergeCommitId": commit('c')}}]}});
    commit_call(
        &mut pushed,
        "MergePullRequestByThreeWay",
        "bob",
        json!({"pullRequestId": "7", "repositoryName": "web"}),
        merged,
    );
    pushed.service("DirectPushes").is_good();
    pushed.without_events().service("DirectPushes").is_open("CloudTrail's events");
    let mut deleted = World::quiet();
    let file = json!({"repositoryName": "web", "branchName": "main", "filePath": "buildspec.yml"});
    commit_call(&mut deleted, "DeleteFile", "bob", file, json!({"commitId": commit('d')}));
    deleted.service("DirectPushes").is_bad("to web/main by DeleteFile, without a pull request");
    // The first of the two records of a push says nothing yet.
    let mut first = World::quiet();
    let id = commit_call(&mut first, "GitPush", "bob", json!(null), json!(null));
    first.event(&id).additional = Payload::Json(json!({"repositoryName": "web"}));
    first.service("DirectPushes").is_good();
}

#[test]
fn on_a_source_host_what_is_no_merge_came_directly() {
    let mut world = World::quiet();
    world.define(None);
    world.release("x1", NOON, Some("alice"));
    world.service("DirectPushes").is_open("was not read for the whole window");
    world.look_at_host();
    world.service("DirectPushes").is_open("how aaaa");
    world.history.commits.push(Commit {
        repository: "acme/web".to_owned(),
        id: commit('a'),
        parents: Vec::new(),
        authored: None,
        committed: Some(NOON - Duration::hours(3)),
        author_email: None,
        author_login: Some("octocat".to_owned()),
        summary: None,
    });
    world.service("DirectPushes").is_bad("octocat brought aaaa");
    let mut late = world.clone();
    for span in &mut late.delivery.coverage.spans {
        span.to = span.to.min(NOON - Duration::days(1));
    }
    late.service("DirectPushes").is_open("were read until 2026-06-09T12:00:00Z");
    world.merge(&commit('a'), "octocat", "hubot");
    world.service("DirectPushes").is_good();
    world.history.merges[0].base = Some("develop".to_owned());
    world.service("DirectPushes").is_bad("octocat brought aaaa");
    world.history.merges[0].base = None;
    world.service("DirectPushes").is_open("to which branch");
}
