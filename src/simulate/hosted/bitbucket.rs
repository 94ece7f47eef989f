//! Bitbucket Cloud's API: a repository's settings and its branch restrictions.
//!
//! Shapes: <https://developer.atlassian.com/cloud/bitbucket/rest/api-group-branch-restrictions/>

#![expect(clippy::indexing_slicing, reason = "a member of a JSON object that is not there yet is made")]

use serde_json::{Value, json};

use super::{Question, Reply, Subject};
use crate::simulate::estate::{Access, Bypass, HostedSpec, Layers};

/// What a path asks for.
pub(super) fn subject(question: &Question<'_>) -> Option<Subject> {
    let parts = question.parts();
    let ["repositories", workspace, name, rest @ ..] = parts.as_slice() else { return None };
    let action = match rest {
        [] => "bitbucket:GetRepository",
        ["branch-restrictions"] => "bitbucket:ListBranchRestrictions",
        ["branching-model"] => "bitbucket:GetBranchingModel",
        _ => return None,
    };
    let repository = HostedSpec::named(question.world, question.hoster, &format!("{workspace}/{name}"));
    Some(Subject { action, repository: Some(repository) })
}

/// What is answered of a repository.
pub(super) fn of_repository(question: &Question<'_>, action: &str, spec: &HostedSpec) -> Reply {
    match action {
        "bitbucket:GetRepository" => Reply::ok(json!({
            "full_name": spec.path(),
            "is_private": spec.visibility != "public",
            "mainbranch": { "type": "branch", "name": "main" },
            "workspace": { "type": "workspace", "slug": spec.owner.login() },
        })),
        "bitbucket:ListBranchRestrictions" if spec.access == Access::ReadOnly => {
            Reply::message(403, "Your credentials lack one or more required privilege scopes.")
        }
        "bitbucket:ListBranchRestrictions" => {
            let (values, next) = question.page(restrictions(spec));
            let mut answer = json!({ "pagelen": super::PAGE, "values": values });
            if let Some(next) = next {
                answer["next"] = next.into();
            }
            Reply::ok(answer)
        }
        "bitbucket:GetBranchingModel" => Reply::ok(json!({
            "type": "branching_model",
            "development": { "name": "main", "branch": { "type": "branch", "name": "main" }, "use_mainbranch": true },
            "branch_types": [{ "kind": "release", "prefix": "release/" }],
        })),
        _ => Reply::message(404, "Not Found"),
    }
}

/// Whether merge checks are enforced, which costs a plan.
pub(super) fn enforced(spec: &HostedSpec) -> bool {
    spec.layers != Layers::Both
}

fn restrictions(spec: &HostedSpec) -> Vec<Value> {
    if matches!(spec.layers, Layers::Nothing | Layers::Evaluated) {
        return Vec::new();
    }
    let rules = spec.rules;
    let (users, groups) = match rules.bypass {
        Bypass::App => (json!([{ "nickname": "renovate", "display_name": "Renovate" }]), json!([])),
        Bypass::Team => (json!([]), json!([{ "slug": "release", "name": "Release" }])),
        Bypass::Nobody | Bypass::Administrators => (json!([]), json!([])),
    };
    let restriction = |kind: &str, value: Option<u8>| {
        let mut restriction = json!({ "kind": kind, "value": value, "users": [], "groups": [] });
        if kind == "push" {
            (restriction["users"], restriction["groups"]) = (users.clone(), groups.clone());
        }
        if spec.layers == Layers::Organization {
            restriction["branch_match_kind"] = "branching_model".into();
            restriction["branch_type"] = if spec.default_branch { "development" } else { "release" }.into();
            restriction["pattern"] = "".into();
        } else {
            restriction["branch_match_kind"] = "glob".into();
            let exact = spec.layers == Layers::Classic;
            restriction["pattern"] = if exact { spec.branch() } else { super::gitlab::wildcard(spec) }.into();
        }
        restriction
    };
    let mut answer = Vec::new();
    for (holds, kind, value) in [
        (rules.pull_request, "push", None),
        (rules.no_force_pushes, "force", None),
        (rules.no_deletions, "delete", None),
        (rules.reviews > 0, "require_approvals_to_merge", Some(rules.reviews)),
        (rules.checks, "require_passing_builds_to_merge", Some(1)),
        (rules.dismisses_stale, "reset_pullrequest_approvals_on_change", None),
        (enforced(spec), "enforce_merge_checks", None),
    ] {
        if holds {
            answer.push(restriction(kind, value));
        }
    }
    // Another branch's, so that there is always something that does not count.
    let mut other = restriction("force", None);
    other["branch_match_kind"] = "glob".into();
    other["pattern"] = "somewhere/else".into();
    answer.push(other);
    answer
}
