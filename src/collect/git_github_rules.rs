//! GitHub's two kinds of branch rules, and what they come to together.
//!
//! In: the rules of rulesets and the classic branch protection, as GitHub's REST API writes them. Out: one [`Layer`] for
//! each, and their sum as properties. GitHub applies both at once, the stricter of each; so does [`merge`]. Where one of
//! them could not be seen, a property is known only if the other one alone decides it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::call::CallError;
use super::git_sheet::Sheet;

/// What one kind of rules asks for.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "GitHub's rules are independent switches")]
pub(super) struct Layer {
    pub(super) pull_request: bool,
    pub(super) reviews: u64,
    pub(super) dismisses_stale: bool,
    pub(super) code_owners: bool,
    pub(super) last_push: bool,
    pub(super) checks: BTreeSet<String>,
    pub(super) strict_checks: bool,
    pub(super) forbids_force_pushes: bool,
    pub(super) forbids_deletions: bool,
    pub(super) signatures: bool,
    pub(super) bypass: Result<BTreeSet<String>, CallError>,
    pub(super) protected_by: BTreeSet<String>,
}

impl Default for Layer {
    fn default() -> Self {
        Self {
            pull_request: false,
            reviews: 0,
            dismisses_stale: false,
            code_owners: false,
            last_push: false,
            checks: BTreeSet::new(),
            strict_checks: false,
            forbids_force_pushes: false,
            forbids_deletions: false,
            signatures: false,
            bypass: Ok(BTreeSet::new()),
            protected_by: BTreeSet::new(),
        }
    }
}

/// A ruleset that some rule of a branch comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RulesetRef {
    pub(super) id: u64,
    /// `acme/web`, or the organization that it is set for.
    pub(super) source: String,
}

/// Rules of other types say nothing of what is judged here.
const JUDGED: &[&str] = &[
    "pull_request",
    "required_status_checks",
    "workflows",
    "non_fast_forward",
    "deletion",
    "required_signatures",
    "update",
];

/// The rulesets behind those rules of a branch that are judged.
pub(super) fn rulesets_of(rules: &[Value]) -> BTreeSet<RulesetRef> {
    let judged = rules.iter().filter(|rule| JUDGED.contains(&text(rule, "type")));
    judged
        .filter_map(|rule| {
            let id = rule.get("ruleset_id").and_then(Value::as_u64)?;
            Some(RulesetRef { id, source: text(rule, "ruleset_source").to_owned() })
        })
        .collect()
}

/// The layer of all rulesets. `described` holds what each said of itself; one that is only evaluated does not count.
pub(super) fn of_rulesets(rules: &[Value], described: &BTreeMap<RulesetRef, Result<Value, CallError>>) -> Layer {
    let mut layer = Layer::default();
    let mut idle = BTreeSet::new();
    for (ruleset, answer) in described {
        if answer.as_ref().is_ok_and(|answer| !matches!(text(answer, "enforcement"), "" | "active")) {
            idle.insert(ruleset.id);
            continue;
        }
        let name = answer.as_ref().ok().map(|answer| text(answer, "name")).filter(|name| !name.is_empty());
        let name = name.map(|name| format!(" \"{name}\"")).unwrap_or_default();
        layer.protected_by.insert(format!("ruleset {}{name} of {}", ruleset.id, ruleset.source));
        let actors = answer.clone().and_then(|answer| bypass_actors(&answer));
        layer.bypass = match (layer.bypass, actors) {
            (Ok(mut all), Ok(more)) => {
                all.extend(more);
                Ok(all)
            }
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
    }
    let idle = |rule: &&Value| rule.get("ruleset_id").and_then(Value::as_u64).is_some_and(|id| idle.contains(&id));
    for rule in rules.iter().filter(|rule| !idle(rule)) {
        layer.add(rule);
    }
    layer
}

/// The action that would have shown who may bypass a ruleset.
pub(super) const GET_RULESET: &str = "github:GetRuleset";

/// Who may bypass a ruleset. GitHub leaves the list out for a token that may not change the ruleset.
fn bypass_actors(ruleset: &Value) -> Result<BTreeSet<String>, CallError> {
    let Some(actors) = ruleset.get("bypass_actors").and_then(Value::as_array) else {
        let message = "the token may not see who can bypass the ruleset: it needs administration rights".to_owned();
        let cause = crate::inventory::GapCause::AccessDenied { message };
        return Err(CallError { action: GET_RULESET, code: String::new(), cause });
    };
    Ok(actors.iter().map(actor).collect())
}

/// GitHub gives actors of rulesets by number; only those of roles are the same everywhere.
fn actor(actor: &Value) -> String {
    let id = actor.get("actor_id").and_then(Value::as_u64);
    let numbered = |word: &str| id.map_or_else(|| word.to_owned(), |id| format!("{word}:{id}"));
    match (text(actor, "actor_type"), id) {
        ("OrganizationAdmin", _) => "role:organization-administrator".to_owned(),
        ("EnterpriseOwner", _) => "role:enterprise-owner".to_owned(),
        ("RepositoryRole", Some(2)) => "role:maintain".to_owned(),
        ("RepositoryRole", Some(4)) => "role:write".to_owned(),
        ("RepositoryRole", Some(5)) => "role:admin".to_owned(),
        ("RepositoryRole", _) => numbered("role"),
        ("Team", _) => numbered("team"),
        ("Integration", _) => numbered("app"),
        ("User", _) => numbered("user"),
        ("DeployKey", _) => "deploy-keys".to_owned(),
        (other, _) => numbered(other),
    }
}

impl Layer {
    fn add(&mut self, rule: &Value) {
        let none = Value::Null;
        let parameters = rule.get("parameters").unwrap_or(&none);
        match text(rule, "type") {
            "pull_request" => {
                self.pull_request = true;
                self.reviews = self.reviews.max(number(parameters, "required_approving_review_count"));
                self.dismisses_stale |= flag(parameters, "dismiss_stale_reviews_on_push");
                self.code_owners |= flag(parameters, "require_code_owner_review");
                self.last_push |= flag(parameters, "require_last_push_approval");
            }
            "required_status_checks" => {
                self.checks.extend(names(parameters, "required_status_checks", "context"));
                self.strict_checks |= flag(parameters, "strict_required_status_checks_policy");
            }
            "workflows" => {
                self.checks.extend(names(parameters, "workflows", "path").map(|path| format!("workflow {path}")));
            }
            // Nobody but who may bypass it can update the branch at all.
            "update" => self.pull_request = true,
            "non_fast_forward" => self.forbids_force_pushes = true,
            "deletion" => self.forbids_deletions = true,
            "required_signatures" => self.signatures = true,
            _ => {}
        }
    }
}

/// The layer of a classic branch protection.
pub(super) fn of_protection(protection: &Value) -> Layer {
    let enabled = |name: &str| protection.get(name).is_some_and(|setting| flag(setting, "enabled"));
    let mut layer = Layer {
        pull_request: enabled("lock_branch"),
        // Unless it is allowed, it is forbidden; a server that does not say whether it is allowed is given no credit.
        forbids_force_pushes: protection.get("allow_force_pushes").is_some() && !enabled("allow_force_pushes"),
        forbids_deletions: protection.get("allow_deletions").is_some() && !enabled("allow_deletions"),
        signatures: enabled("required_signatures"),
        protected_by: BTreeSet::from(["branch protection".to_owned()]),
        ..Layer::default()
    };
    let mut bypass = BTreeSet::new();
    if !enabled("enforce_admins") {
        bypass.insert("administrators".to_owned());
    }
    if let Some(reviews) = protection.get("required_pull_request_reviews").filter(|reviews| reviews.is_object()) {
        layer.pull_request = true;
        layer.reviews = number(reviews, "required_approving_review_count");
        layer.dismisses_stale = flag(reviews, "dismiss_stale_reviews");
        layer.code_owners = flag(reviews, "require_code_owner_reviews");
        layer.last_push = flag(reviews, "require_last_push_approval");
        if let Some(allowed) = reviews.get("bypass_pull_request_allowances") {
            for (list, name, word) in [("users", "login", "user"), ("teams", "slug", "team"), ("apps", "slug", "app")] {
                bypass.extend(names(allowed, list, name).map(|name| format!("{word}:{name}")));
            }
        }
    }
    if let Some(checks) = protection.get("required_status_checks").filter(|checks| checks.is_object()) {
        let contexts = checks.get("contexts").and_then(Value::as_array).into_iter().flatten();
        layer.checks.extend(contexts.filter_map(Value::as_str).map(str::to_owned));
        layer.checks.extend(names(checks, "checks", "context"));
        layer.strict_checks = flag(checks, "strict");
    }
    layer.bypass = Ok(bypass);
    layer
}

/// What both kinds of rules come to together.
pub(super) fn merge(rulesets: &Result<Layer, CallError>, classic: &Result<Layer, CallError>) -> Sheet {
    let known: Vec<&Layer> = [rulesets, classic].into_iter().filter_map(|layer| layer.as_ref().ok()).collect();
    let hidden = [rulesets, classic].into_iter().find_map(|layer| layer.as_ref().err());
    let mut sheet = Sheet::default();
    // Rules only ever add up: what one kind asks for holds whatever the other says.
    let mut either = |name: &'static str, asks: fn(&Layer) -> bool, if_asked: bool| {
        let asked = known.iter().any(|layer| asks(layer));
        match hidden {
            Some(error) if !asked => sheet.hide(&[name], error),
            _ => sheet.set(name, asked == if_asked),
        }
    };
    either("RequiresPullRequest", |layer| layer.pull_request, true);
    either("DismissesStaleReviews", |layer| layer.dismisses_stale, true);
    either("RequiresCodeOwnerReview", |layer| layer.code_owners, true);
    either("RequiresLastPushApproval", |layer| layer.last_push, true);
    either("StrictStatusChecks", |layer| layer.strict_checks, true);
    either("RequiresSignatures", |layer| layer.signatures, true);
    either("AllowsForcePushes", |layer| layer.forbids_force_pushes, false);
    either("AllowsDeletions", |layer| layer.forbids_deletions, false);
    let reviews = known.iter().map(|layer| layer.reviews).max().unwrap_or(0);
    let checks: BTreeSet<&str> = known.iter().flat_map(|layer| &layer.checks).map(String::as_str).collect();
    let by: BTreeSet<&str> = known.iter().flat_map(|layer| &layer.protected_by).map(String::as_str).collect();
    let whole = |value: Value| hidden.map_or(Ok(value), Err);
    sheet.answer("RequiredApprovingReviewCount", whole(reviews.into()));
    sheet.answer("RequiredStatusChecks", whole(checks.into_iter().collect()));
    sheet.answer("ProtectedBy", whole(by.into_iter().collect()));
    let unseen_bypass = hidden.or_else(|| known.iter().find_map(|layer| layer.bypass.as_ref().err()));
    let bypass: BTreeSet<&str> =
        known.iter().filter_map(|layer| layer.bypass.as_ref().ok()).flatten().map(String::as_str).collect();
    let bypass: Value = bypass.into_iter().collect();
    sheet.answer("BypassActors", unseen_bypass.map_or(Ok(bypass), Err));
    sheet
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn names<'a>(value: &'a Value, list: &str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let items = value.get(list).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(move |item| item.get(name).and_then(Value::as_str)).map(str::to_owned)
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, clippy::unnecessary_wraps, reason = "as what is called has it")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inventory::GapCause;

    fn denied() -> CallError {
        let cause = GapCause::AccessDenied { message: "no".to_owned() };
        CallError { action: GET_RULESET, code: "403".to_owned(), cause }
    }

    fn rule(kind: &str, parameters: Value) -> Value {
        json!({"type": kind, "ruleset_id": 12, "ruleset_source": "acme", "ruleset_source_type": "Organization", "parameters": parameters})
    }

    fn pull_request(count: u64) -> Value {
        rule(
            "pull_request",
            json!({"required_approving_review_count": count, "dismiss_stale_reviews_on_push": true,
            "require_code_owner_review": false, "require_last_push_approval": false, "required_review_thread_resolution": false}),
        )
    }

    fn rulesets(rules: &[Value], detail: Result<Value, CallError>) -> Result<Layer, CallError> {
        let described = rulesets_of(rules).into_iter().map(|ruleset| (ruleset, detail.clone())).collect();
        Ok(of_rulesets(rules, &described))
    }

    fn active(actors: Value) -> Result<Value, CallError> {
        Ok(json!({"id": 12, "name": "main", "enforcement": "active", "bypass_actors": actors}))
    }

    fn classic(more: Value) -> Result<Layer, CallError> {
        let mut protection = json!({"enforce_admins": {"enabled": true}, "allow_force_pushes": {"enabled": false},
            "allow_deletions": {"enabled": false}, "required_signatures": {"enabled": false}});
        protection.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Ok(of_protection(&protection))
    }

    /// Properties that are set, and the names of those that are unseen.
    fn both(sheet: &Sheet, names: &[&str]) -> Vec<Value> {
        let one = |name: &&str| match (sheet.properties.get(*name), sheet.unseen.get(*name)) {
            (Some(value), None) => value.clone(),
            (None, Some(_)) => json!("unseen"),
            other => panic!("{name}: {other:?}"),
        };
        names.iter().map(one).collect()
    }

    const SHOWN: &[&str] = &[
        "RequiresPullRequest",
        "RequiredApprovingReviewCount",
        "DismissesStaleReviews",
        "RequiredStatusChecks",
        "AllowsForcePushes",
        "AllowsDeletions",
        "BypassActors",
        "ProtectedBy",
    ];

    #[test]
    fn rulesets_and_protection_add_up() {
        let nothing = || Ok(Layer::default());
        let reviews = json!({"required_pull_request_reviews": {"required_approving_review_count": 2, "dismiss_stale_reviews": false}});
        let team = json!([{"actor_type": "Team", "actor_id": 17, "bypass_mode": "always"}]);
        let ruleset = || rulesets(&[pull_request(1), rule("deletion", Value::Null)], active(team.clone()));
        let admins = json!({"enforce_admins": {"enabled": false}, "allow_force_pushes": {"enabled": true},
            "required_status_checks": {"strict": true, "contexts": ["ci"], "checks": [{"context": "ci"}, {"context": "lint"}]}});
        let by_ruleset = "ruleset 12 \"main\" of acme";
        for (name, rulesets, classic, expected) in [
            ("nothing", nothing(), nothing(), json!([false, 0, false, [], true, true, [], []])),
            (
                "rulesets alone",
                ruleset(),
                nothing(),
                json!([true, 1, true, [], true, false, ["team:17"], [by_ruleset]]),
            ),
            (
                "protection alone",
                nothing(),
                classic(reviews.clone()),
                json!([true, 2, false, [], false, false, [], ["branch protection"]]),
            ),
            (
                "the larger count, either's demands",
                ruleset(),
                classic(reviews),
                json!([true, 2, true, [], false, false, ["team:17"], ["branch protection", by_ruleset]]),
            ),
            (
                "administrators and teams",
                ruleset(),
                classic(admins),
                json!([
                    true,
                    1,
                    true,
                    ["ci", "lint"],
                    true,
                    false,
                    ["administrators", "team:17"],
                    ["branch protection", by_ruleset]
                ]),
            ),
            (
                "protection unseen",
                ruleset(),
                Err(denied()),
                json!([true, "unseen", true, "unseen", "unseen", false, "unseen", "unseen"]),
            ),
            (
                "rulesets unseen",
                Err(denied()),
                classic(json!({})),
                json!(["unseen", "unseen", "unseen", "unseen", false, false, "unseen", "unseen"]),
            ),
            (
                "both unseen",
                Err(denied()),
                Err(denied()),
                json!(["unseen", "unseen", "unseen", "unseen", "unseen", "unseen", "unseen", "unseen"]),
            ),
        ] {
            assert_eq!(Value::from(both(&merge(&rulesets, &classic), SHOWN)), expected, "{name}");
        }
    }

    #[test]
    fn a_ruleset_that_is_only_evaluated_protects_nothing() {
        let evaluated = Ok(json!({"name": "main", "enforcement": "evaluate", "bypass_actors": []}));
        let layer = rulesets(&[pull_request(2)], evaluated).unwrap();
        assert_eq!(layer, Layer::default());
    }

    #[test]
    fn bypass_is_unseen_without_the_right_to_see_it() {
        let hidden = Ok(json!({"name": "main", "enforcement": "active", "current_user_can_bypass": "never"}));
        for detail in [hidden, Err(denied())] {
            let sheet = merge(&rulesets(&[pull_request(1)], detail), &Ok(Layer::default()));
            assert_eq!(both(&sheet, &["RequiresPullRequest", "BypassActors"]), [json!(true), json!("unseen")]);
        }
        // Who may bypass a naming convention is nobody's concern here.
        let named = [rule("commit_message_pattern", json!({}))];
        assert_eq!(rulesets_of(&named), BTreeSet::new());
    }

    #[test]
    fn actors_have_names_that_a_reader_knows() {
        let actors = json!([
            {"actor_type": "RepositoryRole", "actor_id": 5}, {"actor_type": "OrganizationAdmin", "actor_id": null},
            {"actor_type": "Integration", "actor_id": 2740}, {"actor_type": "DeployKey", "actor_id": null},
        ]);
        let layer = rulesets(&[pull_request(1)], active(actors)).unwrap();
        let expected = ["app:2740", "deploy-keys", "role:admin", "role:organization-administrator"];
        assert_eq!(layer.bypass.unwrap().into_iter().collect::<Vec<_>>(), expected);
        let allowed = json!({"required_pull_request_reviews": {"required_approving_review_count": 1,
            "bypass_pull_request_allowances": {"users": [{"login": "mona"}], "teams": [{"slug": "release"}], "apps": [{"slug": "renovate"}]}}});
        let layer = classic(allowed).unwrap();
        assert_eq!(
            layer.bypass.unwrap().into_iter().collect::<Vec<_>>(),
            ["app:renovate", "team:release", "user:mona"]
        );
    }

    #[test]
    fn locked_branches_and_required_workflows_count() {
        assert!(classic(json!({"lock_branch": {"enabled": true}})).unwrap().pull_request);
        let workflow =
            rule("workflows", json!({"workflows": [{"path": ".github/workflows/ci.yml", "repository_id": 1}]}));
        let layer = rulesets(&[workflow, rule("update", json!({}))], active(json!([]))).unwrap();
        assert!(layer.pull_request);
        assert_eq!(layer.checks.into_iter().collect::<Vec<_>>(), ["workflow .github/workflows/ci.yml"]);
        let old = of_protection(&json!({"enforce_admins": {"enabled": true}}));
        assert!(!old.forbids_force_pushes && !old.forbids_deletions);
    }
}
