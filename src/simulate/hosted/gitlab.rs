//! GitLab's API: a project's settings, its protected branches, its approval and push rules, and its group.
//!
//! Shapes: <https://docs.gitlab.com/api/>

#![expect(clippy::indexing_slicing, reason = "a member of a JSON object that is not there yet is made")]

use serde_json::{Value, json};

use super::{Question, Reply, Subject};
use crate::simulate::estate::{Access, Bypass, HostedSpec, Layers, Owner};

/// What a path asks for.
pub(super) fn subject(question: &Question<'_>) -> Option<Subject> {
    let parts = question.parts();
    let of_group = |action| Some(Subject { action, repository: None });
    let (project, rest) = match parts.as_slice() {
        ["projects", project, rest @ ..] => (project, rest),
        ["groups", _] => return of_group("gitlab:GetGroup"),
        ["groups", _, "members", "all"] => return of_group("gitlab:ListGroupMembers"),
        _ => return None,
    };
    let action = match rest {
        [] => "gitlab:GetProject",
        ["protected_branches"] => "gitlab:ListProtectedBranches",
        ["approvals"] => "gitlab:GetApprovalConfiguration",
        ["approval_rules"] => "gitlab:ListApprovalRules",
        ["push_rule"] => "gitlab:GetPushRule",
        ["repository", "files", _] => "gitlab:GetRepositoryFile",
        _ => return None,
    };
    let repository = HostedSpec::named(question.world, question.hoster, project);
    Some(Subject { action, repository: Some(repository) })
}

/// What is answered of a project.
pub(super) fn of_project(question: &Question<'_>, action: &str, spec: &HostedSpec) -> Reply {
    let full = spec.access == Access::Full;
    let rules = spec.rules;
    match action {
        "gitlab:GetProject" => Reply::ok(project(spec)),
        "gitlab:ListProtectedBranches" if !full => Reply::message(403, "403 Forbidden"),
        "gitlab:ListProtectedBranches" => question.linked(protected_branches(spec)),
        "gitlab:GetRepositoryFile" => file(question, spec),
        // Paid features: without them there is nothing at these addresses.
        _ if !full => Reply::message(404, "404 Not Found"),
        "gitlab:GetApprovalConfiguration" => Reply::ok(json!({
            "reset_approvals_on_push": rules.dismisses_stale,
            "merge_requests_disable_committers_approval": rules.last_push,
            "merge_requests_author_approval": false,
            "disable_overriding_approvers_per_merge_request": true,
        })),
        "gitlab:ListApprovalRules" => {
            let mut answer =
                vec![json!({ "name": "License-Check", "rule_type": "report_approver", "approvals_required": 5,
                "applies_to_all_protected_branches": false, "protected_branches": [] })];
            if rules.reviews > 0 {
                answer.push(json!({ "name": "two eyes", "rule_type": "regular", "approvals_required": rules.reviews,
                    "applies_to_all_protected_branches": true, "protected_branches": [] }));
            }
            question.linked(answer)
        }
        "gitlab:GetPushRule" if spec.layers == Layers::Nothing => Reply::ok(Value::Null),
        "gitlab:GetPushRule" => {
            Reply::ok(json!({ "reject_unsigned_commits": rules.signatures, "prevent_secrets": false }))
        }
        _ => Reply::message(404, "404 Not Found"),
    }
}

/// What is answered of a group.
pub(super) fn of_group(question: &Question<'_>, action: &str) -> Reply {
    let parts = question.parts();
    let group = parts.get(1).copied().unwrap_or_default();
    let known = [Owner::Strict, Owner::Loose, Owner::Foreign];
    let Some(owner) = known.into_iter().find(|owner| group.split('/').next() == Some(owner.login())) else {
        return Reply::message(404, "404 Group Not Found");
    };
    if action == "gitlab:ListGroupMembers" {
        let member =
            |number: usize, level: u32| json!({ "username": format!("member-{number}"), "access_level": level });
        let developers = (0..6).map(|number| member(number, 30));
        return question
            .linked(developers.chain((0..owner.administrators()).map(|number| member(10 + number, 50))).collect());
    }
    let mut answer = json!({ "full_path": group, "visibility": "private" });
    if owner != Owner::Foreign {
        answer["require_two_factor_authentication"] = (owner == Owner::Strict).into();
    }
    Reply::ok(answer)
}

fn project(spec: &HostedSpec) -> Value {
    let path = spec.path();
    let group = path.rsplit_once('/').map_or("", |(group, _)| group);
    json!({
        "id": spec.id(),
        "path_with_namespace": path,
        "default_branch": "main",
        "visibility": spec.visibility,
        "namespace": { "full_path": group, "kind": if spec.owner == Owner::Person { "user" } else { "group" } },
        "only_allow_merge_if_pipeline_succeeds": spec.rules.checks,
        "merge_method": if spec.rules.strict_checks { "ff" } else { "merge" },
        "secret_push_protection_enabled": spec.push_protection,
    })
}

/// A pattern that means the branch.
pub(super) fn wildcard(spec: &HostedSpec) -> &'static str {
    if spec.default_branch { "ma*" } else { "release/*" }
}

/// The names under which the branch is protected.
pub(super) fn names(spec: &HostedSpec) -> Vec<&'static str> {
    match spec.layers {
        Layers::Nothing | Layers::Evaluated => Vec::new(),
        Layers::Classic => vec![spec.branch()],
        Layers::Ruleset | Layers::Organization => vec![wildcard(spec)],
        Layers::Both => vec!["*", spec.branch()],
    }
}

fn protected_branches(spec: &HostedSpec) -> Vec<Value> {
    let rules = spec.rules;
    let nobody = json!({ "access_level": 0, "access_level_description": "No one" });
    let maintainers = json!({ "access_level": 40, "access_level_description": "Maintainers" });
    let push = match rules.bypass {
        _ if !rules.pull_request => json!([maintainers]),
        Bypass::Nobody => json!([nobody]),
        Bypass::Administrators => json!([nobody, maintainers]),
        Bypass::Team => {
            json!([nobody, { "access_level": null, "group_id": 17, "access_level_description": "Release" }])
        }
        Bypass::App => json!([{ "access_level": null, "deploy_key_id": 5, "access_level_description": "renovate" }]),
    };
    let rule = |name: &str, strict: bool| {
        json!({
            "name": name,
            "push_access_levels": if strict { json!([nobody]) } else { push.clone() },
            "merge_access_levels": [maintainers],
            "allow_force_push": !rules.no_force_pushes && !strict,
            "code_owner_approval_required": rules.code_owners && (strict || spec.layers != Layers::Both),
        })
    };
    // Where two rules mean the branch, the first is the stricter one, and it alone asks for code owners.
    let count = names(spec).len();
    names(spec).into_iter().enumerate().map(|(at, name)| rule(name, count == 2 && at == 0)).collect()
}

/// `CODEOWNERS` is in one of the three places, by number.
fn file(question: &Question<'_>, spec: &HostedSpec) -> Reply {
    let places = ["CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"];
    let parts = question.parts();
    let here = parts.last() == places.get(spec.number % places.len());
    if spec.owners_file && here && question.text("ref") == spec.branch() {
        return Reply::ok(json!({ "file_name": "CODEOWNERS", "size": 21, "encoding": "base64", "content": "" }));
    }
    Reply::message(404, "404 File Not Found")
}
