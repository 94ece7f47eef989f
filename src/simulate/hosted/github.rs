//! GitHub's REST API: a repository's settings, its rulesets and branch protection, and its organization.
//!
//! Shapes: <https://github.com/github/rest-api-description>

#![expect(clippy::indexing_slicing, reason = "a member of a JSON object that is not there yet is made")]

use serde_json::{Value, json};

use super::{Question, Reply, Subject};
use crate::simulate::estate::{Access, Bypass, HostedSpec, Layers, Owner, Rules, Trouble};

/// The checks that are required where any are.
pub(super) const CHECKS: [&str; 2] = ["build", "test"];

/// What a path asks for.
pub(super) fn subject(question: &Question<'_>) -> Option<Subject> {
    let parts = question.parts();
    let of_organization = |action| Some(Subject { action, repository: None });
    let (rest, spec) = match parts.as_slice() {
        ["repos", owner, name, rest @ ..] => {
            (rest, HostedSpec::named(question.world, question.hoster, &format!("{owner}/{name}")))
        }
        ["repositories", id, rest @ ..] => {
            (rest, id.parse().ok().and_then(|id| HostedSpec::by_id(question.world, question.hoster, id)))
        }
        ["orgs", _] => return of_organization("github:GetOrganization"),
        ["orgs", _, "members"] => return of_organization("github:ListOrganizationMembers"),
        _ => return None,
    };
    let action = match rest {
        [] => "github:GetRepository",
        ["rules", "branches", _] => "github:GetRulesForBranch",
        ["rulesets", _] => "github:GetRuleset",
        ["branches", _, "protection"] => "github:GetBranchProtection",
        ["branches", _] => "github:GetBranch",
        ["contents", ..] => "github:GetRepositoryContent",
        ["vulnerability-alerts"] => "github:CheckVulnerabilityAlerts",
        other => super::github_history::action(other)?,
    };
    Some(Subject { action, repository: Some(spec) })
}

/// Where a renamed repository is found today, if it was asked for under its old name.
pub(super) fn moved(question: &Question<'_>, spec: &HostedSpec) -> Option<Reply> {
    let parts = question.parts();
    let ["repos", _, name, rest @ ..] = parts.as_slice() else { return None };
    name.strip_prefix("old-")?;
    let mut location = format!("{}/repositories/{}", question.base, spec.id());
    for part in rest {
        location.push('/');
        location.push_str(part);
    }
    let body = json!({ "message": "Moved Permanently", "url": location });
    Some(Reply { status: 301, headers: vec![("location", location)], body })
}

/// `POST /app/installations/{id}/access_tokens`, with the App's signature.
pub(super) fn installation_token(question: &Question<'_>, signature: &str, token: &str) -> Reply {
    let signed = signature.split('.').filter(|part| !part.is_empty()).count() == 3;
    match question.parts().as_slice() {
        ["app", "installations", _, "access_tokens"] if signed => Reply {
            status: 201,
            headers: Vec::new(),
            body: json!({ "token": token, "expires_at": "2026-11-21T01:00:00Z" }),
        },
        ["app", "installations", _, "access_tokens"] => Reply::message(401, "A JSON web token could not be decoded"),
        _ => Reply::message(404, "Not Found"),
    }
}

/// What is answered of a repository.
pub(super) fn of_repository(question: &Question<'_>, action: &str, spec: &HostedSpec) -> Reply {
    let full = spec.access == Access::Full;
    let parts = question.parts();
    let no_branch = spec.trouble == Trouble::NoBranch || !parts.contains(&spec.branch());
    match action {
        "github:GetRepository" => Reply::ok(repository(spec)),
        "github:GetRulesForBranch" => question.linked(branch_rules(spec)),
        "github:GetRuleset" => Reply::ok(ruleset(spec)),
        "github:GetBranchProtection" if !full => Reply::message(404, "Not Found"),
        "github:GetBranchProtection" | "github:GetBranch" if no_branch => Reply::message(404, "Branch not found"),
        "github:GetBranchProtection" if protected(spec) => Reply::ok(protection(spec)),
        "github:GetBranchProtection" => Reply::message(404, "Branch not protected"),
        "github:GetBranch" => Reply::ok(json!({
            "name": spec.branch(),
            "protected": protected(spec) || !branch_rules(spec).is_empty(),
            "protection": { "enabled": protected(spec) },
        })),
        "github:GetRepositoryContent" => content(question, spec),
        "github:CheckVulnerabilityAlerts" if spec.alerts && full => {
            Reply { status: 204, headers: Vec::new(), body: Value::Null }
        }
        "github:CheckVulnerabilityAlerts" if full => Reply::message(404, "Vulnerability alerts are disabled."),
        other => super::github_history::of_repository(question, other, spec)
            .unwrap_or_else(|| Reply::message(404, "Not Found")),
    }
}

/// What is answered of an organization.
pub(super) fn of_organization(question: &Question<'_>, action: &str) -> Reply {
    let parts = question.parts();
    let known = [Owner::Strict, Owner::Loose, Owner::Foreign];
    let Some(owner) = known.into_iter().find(|owner| parts.get(1) == Some(&owner.login())) else {
        return Reply::message(404, "Not Found");
    };
    if action == "github:ListOrganizationMembers" {
        // Strangers are shown one member, who made it public.
        let count = if owner == Owner::Foreign { 1 } else { owner.administrators() };
        let members = (0..count).map(|number| json!({ "login": format!("owner-{number}"), "type": "User" }));
        return question.linked(members.collect());
    }
    let mut answer = json!({ "login": owner.login(), "type": "Organization" });
    if owner != Owner::Foreign {
        answer["two_factor_requirement_enabled"] = (owner == Owner::Strict).into();
        answer["default_repository_permission"] = if owner == Owner::Strict { "read" } else { "write" }.into();
    }
    Reply::ok(answer)
}

fn repository(spec: &HostedSpec) -> Value {
    let full = spec.access == Access::Full;
    let path = spec.path();
    let status = |on: bool| json!({ "status": if on { "enabled" } else { "disabled" } });
    let mut answer = json!({
        "id": spec.id(),
        "name": path.split('/').next_back(),
        "full_name": path,
        "private": spec.visibility != "public",
        "visibility": spec.visibility,
        "default_branch": "main",
        "owner": {
            "login": spec.owner.login(),
            "type": if spec.owner == Owner::Person { "User" } else { "Organization" },
        },
        "permissions": { "admin": full, "push": full, "pull": true },
    });
    if full {
        answer["security_and_analysis"] = json!({
            "secret_scanning": status(spec.scanning),
            "secret_scanning_push_protection": status(spec.push_protection),
        });
    }
    answer
}

/// The part of the rules that a ruleset holds, if there is one that is active.
fn in_ruleset(spec: &HostedSpec) -> Option<Rules> {
    match spec.layers {
        Layers::Ruleset | Layers::Organization => Some(spec.rules),
        // Less than the whole; the branch protection asks for the rest.
        Layers::Both => Some(Rules {
            reviews: spec.rules.reviews.saturating_sub(1),
            code_owners: false,
            last_push: false,
            signatures: false,
            strict_checks: false,
            bypass: Bypass::Nobody,
            ..spec.rules
        }),
        Layers::Nothing | Layers::Evaluated | Layers::Classic => None,
    }
}

/// The part of the rules that the branch protection holds, if there is one.
fn in_protection(spec: &HostedSpec) -> Option<Rules> {
    match spec.layers {
        Layers::Classic => Some(spec.rules),
        Layers::Both => {
            Some(Rules { dismisses_stale: false, no_force_pushes: false, no_deletions: false, ..spec.rules })
        }
        _ => None,
    }
}

fn protected(spec: &HostedSpec) -> bool {
    in_protection(spec).is_some()
}

fn branch_rules(spec: &HostedSpec) -> Vec<Value> {
    let Some(rules) = in_ruleset(spec) else { return Vec::new() };
    let mut answer = Vec::new();
    let mut rule = |kind: &str, parameters: Option<Value>| {
        let mut rule = json!({
            "type": kind,
            "ruleset_id": ruleset_id(spec),
            "ruleset_source": ruleset_source(spec),
            "ruleset_source_type": if spec.layers == Layers::Organization { "Organization" } else { "Repository" },
        });
        if let Some(parameters) = parameters {
            rule["parameters"] = parameters;
        }
        answer.push(rule);
    };
    if rules.pull_request {
        rule(
            "pull_request",
            Some(json!({
                "required_approving_review_count": rules.reviews,
                "dismiss_stale_reviews_on_push": rules.dismisses_stale,
                "require_code_owner_review": rules.code_owners,
                "require_last_push_approval": rules.last_push,
                "required_review_thread_resolution": false,
                "allowed_merge_methods": ["merge", "squash", "rebase"],
            })),
        );
    }
    if rules.checks {
        let checks: Vec<Value> =
            CHECKS.iter().map(|name| json!({ "context": name, "integration_id": 15_368 })).collect();
        rule(
            "required_status_checks",
            Some(json!({
                "required_status_checks": checks,
                "strict_required_status_checks_policy": rules.strict_checks,
                "do_not_enforce_on_create": false,
            })),
        );
    }
    for (holds, kind) in [
        (rules.no_force_pushes, "non_fast_forward"),
        (rules.no_deletions, "deletion"),
        (rules.signatures, "required_signatures"),
        // Says nothing of what is judged, and makes the listing longer than a page.
        (true, "required_linear_history"),
        (true, "creation"),
        (true, "commit_message_pattern"),
    ] {
        if holds {
            rule(kind, None);
        }
    }
    answer
}

/// The number of the ruleset; an organization has one for all its repositories.
pub(super) fn ruleset_id(spec: &HostedSpec) -> usize {
    if spec.layers == Layers::Organization { 7 } else { 1_000 + spec.id() }
}

/// Whom the ruleset belongs to.
pub(super) fn ruleset_source(spec: &HostedSpec) -> String {
    if spec.layers == Layers::Organization { spec.owner.login().to_owned() } else { spec.path() }
}

fn ruleset(spec: &HostedSpec) -> Value {
    let mut answer = json!({
        "id": ruleset_id(spec),
        "name": "main",
        "target": "branch",
        "source": ruleset_source(spec),
        "enforcement": if spec.layers == Layers::Evaluated { "evaluate" } else { "active" },
        "current_user_can_bypass": "never",
    });
    if spec.access == Access::Full {
        let actor = |kind: &str, id: Value| json!([{ "actor_type": kind, "actor_id": id, "bypass_mode": "always" }]);
        answer["bypass_actors"] = match in_ruleset(spec).map_or(Bypass::Nobody, |rules| rules.bypass) {
            Bypass::Nobody => json!([]),
            Bypass::Administrators => actor("RepositoryRole", 5.into()),
            Bypass::Team => actor("Team", 17.into()),
            Bypass::App => actor("Integration", 2_740.into()),
        };
    }
    answer
}

fn protection(spec: &HostedSpec) -> Value {
    let rules = in_protection(spec).unwrap_or(Rules::NONE);
    let enabled = |on: bool| json!({ "enabled": on });
    let mut answer = json!({
        "enforce_admins": enabled(rules.bypass != Bypass::Administrators),
        "required_linear_history": enabled(false),
        "allow_force_pushes": enabled(!rules.no_force_pushes),
        "allow_deletions": enabled(!rules.no_deletions),
        "block_creations": enabled(false),
        "required_conversation_resolution": enabled(false),
        "lock_branch": enabled(false),
        "allow_fork_syncing": enabled(false),
        "required_signatures": enabled(rules.signatures),
    });
    if rules.pull_request {
        let (teams, apps) = match rules.bypass {
            Bypass::Team => (json!([{ "slug": "release", "name": "Release" }]), json!([])),
            Bypass::App => (json!([]), json!([{ "slug": "renovate", "name": "Renovate" }])),
            Bypass::Nobody | Bypass::Administrators => (json!([]), json!([])),
        };
        answer["required_pull_request_reviews"] = json!({
            "dismiss_stale_reviews": rules.dismisses_stale,
            "require_code_owner_reviews": rules.code_owners,
            "required_approving_review_count": rules.reviews,
            "require_last_push_approval": rules.last_push,
            "bypass_pull_request_allowances": { "users": [], "teams": teams, "apps": apps },
        });
    }
    if rules.checks {
        let checks: Vec<Value> = CHECKS.iter().map(|name| json!({ "context": name, "app_id": 15_368 })).collect();
        answer["required_status_checks"] =
            json!({ "strict": rules.strict_checks, "contexts": CHECKS, "checks": checks });
    }
    answer
}

/// `CODEOWNERS` is in one of the three places, by number.
fn content(question: &Question<'_>, spec: &HostedSpec) -> Reply {
    let places: [&[&str]; 3] = [&[".github", "CODEOWNERS"], &["CODEOWNERS"], &["docs", "CODEOWNERS"]];
    let parts = question.parts();
    let wanted = parts.iter().skip_while(|part| **part != "contents").skip(1).copied();
    let here = places.get(spec.number % places.len()).is_some_and(|place| wanted.eq(place.iter().copied()));
    if spec.owners_file && here && question.text("ref") == spec.branch() {
        return Reply::ok(
            json!({ "type": "file", "name": "CODEOWNERS", "size": 21, "encoding": "base64", "content": "" }),
        );
    }
    Reply::message(404, "Not Found")
}
