//! G1, G2, G3.

use super::*;
use crate::history::Commit;

fn approve(world: &mut World, time: OffsetDateTime, who: &str, summary: &str) -> String {
    let request = json!({"pipelineName": "web", "stageName": "Prod", "actionName": "Approve",
        "result": {"status": "Approved", "summary": summary}, "token": "t"});
    world.call("codepipeline", "PutApprovalResult", time, who, request, json!({}))
}

fn start(world: &mut World, execution: &str, time: OffsetDateTime, who: &str) -> String {
    world.call(
        "codepipeline",
        "StartPipelineExecution",
        time,
        who,
        json!({"name": "web"}),
        json!({"pipelineExecutionId": execution}),
    )
}

fn push(world: &mut World, commit: &str, who: &str) {
    let request = json!({"references": [{"commit": commit, "ref": "refs/heads/main"}]});
    let id = world.call("codecommit", "GitPush", NOON - Duration::hours(2), who, request, json!(null));
    world.event(&id).additional = crate::history::Payload::Json(json!({"repositoryName": "web"}));
}

#[test]
fn whoever_starts_does_not_approve() {
    let mut world = World::quiet();
    world.release("x1", NOON, Some("alice"));
    world.service("StarterApprovals").is_good();
    let mut own = world.clone();
    start(&mut own, "x1", NOON - Duration::hours(1), "Alice");
    own.service("StarterApprovals").is_bad("alice (Release) approved and started execution x1 of web");
    let mut other = world.clone();
    start(&mut other, "x1", NOON - Duration::hours(1), "bob");
    other.service("StarterApprovals").is_good();
    // A start that failed started nothing.
    let mut failed = world.clone();
    let id = start(&mut failed, "x1", NOON - Duration::hours(1), "alice");
    failed.event(&id).error_code = Some("AccessDenied".to_owned());
    failed.service("StarterApprovals").is_good();
}

#[test]
fn executions_alone_tell_that_the_starter_approved_and_that_another_did() {
    let mut world = World::quiet();
    world.release("x1", NOON, Some("alice"));
    let by = |who: &str| Some(Trigger { kind: "StartPipelineExecution".to_owned(), detail: Some(session(who)) });
    world.history.executions[0].trigger = by("alice");
    let blind = world.clone().without_events();
    blind.service("StarterApprovals").is_bad("approved and started");
    world.history.executions[0].trigger = by("bob");
    world.clone().without_events().service("StarterApprovals").is_good();
    let unknown = world.clone().without(|source| source == HistorySource::PipelineExecutions);
    unknown.service("StarterApprovals").is_open("executions were not looked at");
    // What was seen stays seen.
    world.history.executions[0].trigger = by("alice");
    let seen = world.without(|source| source == HistorySource::PipelineExecutions).service("StarterApprovals");
    assert!(seen.seen.len() == 1 && seen.why.is_some());
}

#[test]
fn an_approver_whom_nothing_names_is_unknown() {
    let mut world = World::quiet();
    world.release("x1", NOON, None);
    for property in ["StarterApprovals", "AuthorApprovals", "MachineApprovals", "EditorApprovals"] {
        world.service(property).is_open("who approved execution x1 of web is not known");
    }
}

#[test]
fn two_executions_that_one_result_fits_name_nobody() {
    let mut world = World::quiet();
    world.release("x1", NOON, None);
    world.release("x2", NOON + Duration::seconds(30), None);
    approve(&mut world, NOON - Duration::minutes(5), "alice", "fine");
    start(&mut world, "x1", NOON - Duration::hours(1), "alice");
    world.service("StarterApprovals").is_open("ambiguous");
    // Who changed the action last tells them apart.
    for action in world.history.actions.iter_mut().filter(|action| action.category == "Approval") {
        action.updated_by = Some(session(if action.execution == "x1" { "alice" } else { "bob" }));
    }
    world.service("StarterApprovals").is_bad("execution x1");
}

#[test]
fn whoever_pushes_does_not_approve() {
    let mut world = World::quiet();
    world.release("x1", NOON, Some("alice"));
    world.service("AuthorApprovals").is_open("who pushed or merged aaaa");
    let mut own = world.clone();
    push(&mut own, &commit('a'), "alice");
    own.service("AuthorApprovals").is_bad("alice (Release) approved and pushed execution x1");
    let mut other = world.clone();
    push(&mut other, &commit('a'), "bob");
    other.service("AuthorApprovals").is_good();
    other.clone().without_events().service("AuthorApprovals").is_open("who pushed");
}

#[test]
fn whoever_proposes_on_a_host_does_not_approve_as_far_as_the_list_knows_them() {
    let mut world = World::quiet();
    world.define(None);
    world.look_at_host();
    world.release("x1", NOON, Some("alice@example.com"));
    world.merge(&commit('a'), "octocat", "hubot");
    world.service("AuthorApprovals").is_open("`octocat`");
    world.options.people.insert("hubot".to_owned(), "bob@example.com".to_owned());
    world.options.people.insert("octocat".to_owned(), "carol@example.com".to_owned());
    world.service("AuthorApprovals").is_good();
    world.options.people.insert("octocat".to_owned(), "Alice@example.com".to_owned());
    world.service("AuthorApprovals").is_bad("approved and proposed");
}

#[test]
fn an_address_in_a_commit_is_a_weaker_verdict_of_its_own() {
    let mut world = World::quiet();
    world.release("x1", NOON, Some("alice@example.com"));
    push(&mut world, &commit('a'), "bob");
    world.service("NamedAuthorApprovals").is_open("was not read");
    world.history.commits.push(Commit {
        repository: "web".to_owned(),
        id: commit('a'),
        parents: Vec::new(),
        authored: None,
        committed: None,
        author_email: Some("Alice@example.com".to_owned()),
        author_login: None,
        summary: None,
    });
    world.service("NamedAuthorApprovals").is_bad("wrote as Alice@example.com");
    world.service("AuthorApprovals").is_good();
    world.history.commits[0].author_email = Some("dave@home.example".to_owned());
    world.service("NamedAuthorApprovals").is_open("nobody told who `dave@home.example` is");
    world.options.people.insert("dave@home.example".to_owned(), "dave@example.com".to_owned());
    world.service("NamedAuthorApprovals").is_good();
}

#[test]
fn root_and_programs_do_not_approve() {
    let mut world = World::quiet();
    world.release("x1", NOON, None);
    let at = NOON - Duration::minutes(5);
    let good = |who: &str| {
        let mut world = world.clone();
        let id = approve(&mut world, at, who, "fine");
        (world, id)
    };
    good("alice").0.service("MachineApprovals").is_good();
    good("root").0.service("MachineApprovals").is_bad("root approved execution x1 of web, and is no person");
    good("1790607633411").0.service("MachineApprovals").is_bad("1790607633411");
    let (mut function, id) = good("approve-everything");
    function.event(&id).user_agent = Some("Boto3/1.40 exec-env/AWS_Lambda_python3.12".to_owned());
    function.service("MachineApprovals").is_bad("approve-everything");
    function.service("StarterApprovals").is_open("names no person");
}

#[test]
fn half_a_minute_without_a_word_is_no_review() {
    let mut world = World::quiet();
    world.release("x1", NOON, Some("alice"));
    world.service("HastyApprovals").is_good();
    let asked = NOON - Duration::minutes(15);
    world.history.actions[0].updated = Some(asked + Duration::seconds(12));
    world.history.actions[0].summary = None;
    world.service("HastyApprovals").is_open("whether a word came");
    let mut silent = world.clone();
    approve(&mut silent, asked + Duration::seconds(12), "alice", "");
    silent.service("HastyApprovals").is_bad("alice (Release) approved execution x1 of web after 12 s without a word");
    let mut spoken = world.clone();
    approve(&mut spoken, asked + Duration::seconds(12), "alice", "hotfix, seen together");
    spoken.service("HastyApprovals").is_good();
}

#[test]
fn the_last_editor_does_not_approve() {
    let mut world = World::quiet();
    world.release("x1", NOON, Some("alice"));
    world.service("EditorApprovals").is_good();
    let edit = |world: &mut World, time, who: &str| {
        let pipeline = json!({"pipeline": {"name": "web", "version": 4}});
        world.call("codepipeline", "UpdatePipeline", time, who, pipeline.clone(), pipeline);
    };
    let mut own = world.clone();
    edit(&mut own, NOON - Duration::days(2), "bob");
    edit(&mut own, NOON - Duration::days(1), "alice");
    own.service("EditorApprovals").is_bad("changed pipeline web at 2026-06-09T12:00:00Z and approved execution x1");
    edit(&mut own, NOON - Duration::hours(1), "bob");
    own.service("EditorApprovals").is_good();
    let mut role = world.clone();
    role.call(
        "iam",
        "PutRolePolicy",
        NOON - Duration::days(1),
        "alice",
        json!({"roleName": "WebPipeline"}),
        json!(null),
    );
    role.service("EditorApprovals").is_bad("changed role WebPipeline");
    let mut blind = world.clone();
    blind.history.coverage.spans.retain(|span| span.region.as_ref().is_none_or(|it| it.as_str() != "us-east-1"));
    blind.service("EditorApprovals").is_open("us-east-1");
}

fn edited(who: &str) -> (World, String) {
    let mut world = World::quiet();
    world.release("x1", NOON, Some("alice"));
    let pipeline = json!({"pipeline": {"name": "web", "version": 4}});
    let at = NOON - Duration::days(1);
    let id = world.call("codepipeline", "UpdatePipeline", at, who, pipeline.clone(), pipeline);
    (world, id)
}

#[test]
fn an_editor_whom_nothing_names_is_unknown_and_no_pass() {
    edited("bob").0.service("EditorApprovals").is_good();
    edited("root").0.service("EditorApprovals").is_open("changed last by root of 111122223333");
    edited("botocore-session-1").0.service("EditorApprovals").is_open("botocore-session-1");
    edited("AWSCloudFormation").0.service("EditorApprovals").is_good();
    // Two calls of one second: either may have been the last.
    let (mut both, _) = edited("bob");
    let pipeline = json!({"pipeline": {"name": "web", "version": 5}});
    both.call("codepipeline", "UpdatePipeline", NOON - Duration::days(1), "alice", pipeline.clone(), pipeline);
    both.service("EditorApprovals").is_bad("changed pipeline web");
    let (mut large, id) = edited("bob");
    large.event(&id).request = crate::history::Payload::Omitted { original_size: None };
    large.event(&id).response = crate::history::Payload::Omitted { original_size: None };
    large.service("EditorApprovals").is_open("too large to be recorded");
}

#[test]
fn a_role_of_another_account_is_changed_there() {
    let mut world = World::quiet();
    world.release("x1", NOON, Some("alice"));
    let role = "arn:aws:iam::444455556666:role/Deploy";
    world.history.actions[1].role_arn = Some(role.to_owned());
    world.service("EditorApprovals").is_open("CloudTrail's events");
    let (from, to) = (world.options.earliest(), AS_OF);
    world.look(HistorySource::LookupEvents, Some("us-east-1"), None, from, to);
    world.history.coverage.spans.last_mut().unwrap().account = Some("444455556666".parse().unwrap());
    world.delivery.coverage = world.history.coverage.clone();
    world.service("EditorApprovals").is_good();
    let request = json!({"roleName": "Deploy"});
    let id = world.call("iam", "PutRolePolicy", NOON - Duration::days(1), "alice", request, json!(null));
    // The pipeline's own account has a role of that name too.
    world.service("EditorApprovals").is_good();
    world.event(&id).account = "444455556666".parse().unwrap();
    world.service("EditorApprovals").is_bad("changed role Deploy");
}

#[test]
fn which_policies_a_role_has_must_be_known_before_a_change_of_one_means_nothing() {
    let change = |policy: &str, who: &str| {
        let mut world = World::quiet();
        world.release("x1", NOON, Some("alice"));
        let request = json!({"policyArn": format!("arn:aws:iam::{ACCOUNT}:policy/{policy}")});
        world.call("iam", "CreatePolicyVersion", NOON - Duration::days(1), who, request, json!(null));
        world
    };
    change("deliver", "alice").service("EditorApprovals").is_bad("changed role WebPipeline");
    change("other", "alice").service("EditorApprovals").is_good();
    let mut unknown = change("other", "alice");
    unknown.forget(ROLE);
    unknown.service("EditorApprovals").is_open("is one of arn:aws:iam::111122223333:role/WebPipeline");
    let mut hidden = change("other", "alice");
    hidden.amend(ROLE, |role| hide(role, "ManagedPolicyArns", denied("iam:ListAttachedRolePolicies")));
    hidden.service("EditorApprovals").is_open("is one of");
    let mut by_another = change("other", "bob");
    by_another.forget(ROLE);
    by_another.service("EditorApprovals").is_good();
    let mut pipeline = change("other", "bob");
    pipeline.amend(PIPELINE, |pipeline| hide(pipeline, "RoleArn", denied("codepipeline:GetPipeline")));
    pipeline.service("EditorApprovals").is_open("codepipeline:GetPipeline");
}

#[test]
fn a_program_that_only_an_arn_names_is_no_person() {
    let by = |principal: Value| {
        let mut world = World::quiet();
        world.release("x1", NOON, Some("approve-everything"));
        let uid = format!("arn:aws:iam::{ACCOUNT}:role/Release");
        world.amend(&uid, |role| {
            let trust = json!({"Statement": [{"Effect": "Allow", "Principal": principal}]});
            role.properties.insert("AssumeRolePolicyDocument".to_owned(), trust);
        });
        world.service("MachineApprovals")
    };
    by(json!({"Service": "lambda.amazonaws.com"})).is_bad("approve-everything (Release) approved");
    by(json!({"AWS": "arn:aws:iam::444455556666:root"})).is_open("of which nothing is known");
    by(json!({"Federated": "arn:aws:iam::1:saml-provider/company"})).is_good();
}
