//! GitLab, gitlab.com and Self-Managed: what protects a branch, and how its project and group are set up.
//!
//! In: a [`Source`] on a configured host. Out: its branch and repository. Where several protected branches match, GitLab
//! lets the most permissive decide who may push, and the strictest whether code owners must approve. What needs a paid
//! tier is answered with 404 or 403 without it, which is not the same as "not set": it is unseen.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::{join, join4};
use serde_json::Value;

use super::Scope;
use super::call::CallError;
use super::git_hosts::{Host, HostProvider, Repository, ask};
use super::git_http::{Ask, Refusal, never};
use super::git_sheet::{Sheet, Told};
use super::git_source::{Source, SourceSeen};
use crate::inventory::wildcard_matches;

const GET_PROJECT: &str = "gitlab:GetProject";
const LIST_PROTECTED: &str = "gitlab:ListProtectedBranches";
const GET_APPROVALS: &str = "gitlab:GetApprovalConfiguration";
const LIST_APPROVAL_RULES: &str = "gitlab:ListApprovalRules";
const GET_PUSH_RULE: &str = "gitlab:GetPushRule";
const GET_FILE: &str = "gitlab:GetRepositoryFile";
const GET_GROUP: &str = "gitlab:GetGroup";
const LIST_MEMBERS: &str = "gitlab:ListGroupMembers";

/// Every call, as the ledger writes it.
pub(super) const ACTIONS: &[&str] = &[
    GET_PROJECT,
    LIST_PROTECTED,
    GET_APPROVALS,
    LIST_APPROVAL_RULES,
    GET_PUSH_RULE,
    GET_FILE,
    GET_GROUP,
    LIST_MEMBERS,
];

/// Where GitLab looks for the file, in its order.
const CODE_OWNERS: [&str; 3] = ["CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"];
/// GitLab's number for the role of an owner.
const OWNER: u64 = 50;
/// GitLab's number for an administrator of the whole instance.
const INSTANCE_ADMINISTRATOR: u64 = 60;

/// Asks GitLab for a branch and its repository. What could not be seen is unseen.
pub(super) async fn read(scope: &Scope, source: &Source) -> SourceSeen {
    ask(scope, source, HostProvider::GitLab, GET_PROJECT, |host| async move { look(&host, scope, source).await }).await
}

async fn look(host: &Host, scope: &Scope, source: &Source) -> Told {
    let place = Place { host, scope, project: &source.repository };
    let repository = match host.repositories.get(scope, source.repository.to_lowercase(), || place.repository()).await {
        Ok(repository) => repository,
        Err(error) => return Told::hidden(&error),
    };
    let place = Place { project: repository.path.first().unwrap_or(&source.repository), ..place };
    let branch = source.branch.as_str();
    let ((protected, owners), approvals, rules, push_rule) = join4(
        join(place.protected(), place.code_owners(branch)),
        place.get(GET_APPROVALS, &["approvals"], &[], never),
        place.list(LIST_APPROVAL_RULES, &["approval_rules"]),
        place.get(GET_PUSH_RULE, &["push_rule"], &[], never),
    )
    .await;
    let default = repository.default_branch.as_deref() == Some(branch);
    let mut sheet = Sheet::default();
    let matching = protected.as_ref().map(|all| matching(all, branch));
    protection(&mut sheet, matching.as_deref(), default);
    reviews(&mut sheet, matching.as_deref(), rules.as_deref(), branch);
    let approvals = approvals.map(Option::unwrap_or_default);
    let by_author = approvals.as_ref().map(|answer| flag(answer, "merge_requests_author_approval"));
    without_own_approval(&mut sheet, by_author);
    for (property, field) in [
        ("DismissesStaleReviews", "reset_approvals_on_push"),
        ("RequiresLastPushApproval", "merge_requests_disable_committers_approval"),
    ] {
        sheet.answer(property, approvals.as_ref().map(|answer| flag(answer, field)));
    }
    // A project without push rules is answered with nothing.
    let signatures =
        push_rule.as_ref().map(|rule| rule.as_ref().is_some_and(|rule| flag(rule, "reject_unsigned_commits")));
    sheet.answer("RequiresSignatures", signatures);
    let settings = &repository.settings;
    let pipeline = flag(settings, "only_allow_merge_if_pipeline_succeeds");
    sheet.set("RequiredStatusChecks", Vec::from(if pipeline { &["pipeline"][..] } else { &[] }));
    let linear = matches!(settings.get("merge_method").and_then(Value::as_str), Some("ff" | "rebase_merge"));
    sheet.set("StrictStatusChecks", pipeline && linear);
    sheet.answer("CodeOwnersFile", owners.as_ref().copied());
    sheet.set("DefaultBranch", default);
    Told { branch: sheet, repository: repository.sheet.clone() }
}

struct Place<'a> {
    host: &'a Host,
    scope: &'a Scope,
    /// With its groups: `acme/platform/web`.
    project: &'a str,
}

impl Place<'_> {
    async fn get(
        &self,
        action: &'static str,
        rest: &[&str],
        query: &[(&str, &str)],
        unset: fn(Refusal<'_>) -> bool,
    ) -> Result<Option<Value>, CallError> {
        let path = [&["projects", self.project], rest].concat();
        self.host.get_or_unset(self.scope, Ask { action, path: &path, query }, unset).await
    }

    async fn list(&self, action: &'static str, rest: &[&str]) -> Result<Vec<Value>, CallError> {
        let path = [&["projects", self.project], rest].concat();
        let ask = Ask { action, path: &path, query: &[("per_page", "100")] };
        Ok(self.host.list_or_unset(self.scope, ask, never).await?.unwrap_or_default())
    }

    async fn protected(&self) -> Result<Vec<Value>, CallError> {
        self.list(LIST_PROTECTED, &["protected_branches"]).await
    }

    /// The project with its group; the same for all its branches.
    async fn repository(&self) -> Result<Arc<Repository>, CallError> {
        let answer = self.get(GET_PROJECT, &[], &[], never).await?.unwrap_or_default();
        let text = |name: &str| answer.pointer(name).and_then(Value::as_str).map(str::to_owned);
        let Some(project) = text("/path_with_namespace") else {
            return Err(CallError::malformed(GET_PROJECT, "the answer has no `path_with_namespace`"));
        };
        let mut sheet = Sheet::default();
        let default_branch = text("/default_branch");
        if let Some(branch) = &default_branch {
            sheet.set("DefaultBranch", branch.clone());
        }
        match text("/visibility") {
            Some(visibility) => sheet.set("Visibility", visibility),
            None => sheet.hide(&["Visibility"], &CallError::malformed(GET_PROJECT, "the answer has no `visibility`")),
        }
        if let Some(protection) = answer.get("secret_push_protection_enabled").and_then(Value::as_bool) {
            sheet.set("SecretScanningPushProtection", protection);
        }
        if let Some(owner) = text("/namespace/full_path") {
            sheet.set("Owner", owner.clone());
            if text("/namespace/kind").as_deref() == Some("group") {
                let group = self.host.owners.get(self.scope, owner.to_lowercase(), || self.group(&owner)).await;
                sheet.absorb(&group);
            }
        }
        Ok(Arc::new(Repository { sheet, path: vec![project], default_branch, settings: answer }))
    }

    async fn group(&self, group: &str) -> Arc<Sheet> {
        const TWO_FACTOR: &str = "require_two_factor_authentication";
        let of_group = Ask { action: GET_GROUP, path: &["groups", group], query: &[("with_projects", "false")] };
        let query = [("per_page", "100")];
        let of_members = Ask { action: LIST_MEMBERS, path: &["groups", group, "members", "all"], query: &query };
        let (answer, members) =
            join(self.host.get(self.scope, of_group), self.host.list_or_unset(self.scope, of_members, never)).await;
        let mut sheet = Sheet::default();
        match answer.as_ref().map(|answer| answer.get(TWO_FACTOR).and_then(Value::as_bool)) {
            Ok(Some(required)) => sheet.set("OwnerTwoFactorRequired", required),
            Ok(None) => {
                let message = format!("`{TWO_FACTOR}` is shown only to members of the group, and the token is of none");
                let cause = crate::inventory::GapCause::AccessDenied { message };
                sheet.hide(&["OwnerTwoFactorRequired"], &CallError { action: GET_GROUP, code: String::new(), cause });
            }
            Err(error) => sheet.hide(&["OwnerTwoFactorRequired"], error),
        }
        let owners = members.map(|members| {
            let members = members.unwrap_or_default();
            members.iter().filter(|member| number(member, "access_level") == OWNER).count()
        });
        sheet.answer("OwnerAdministrators", owners.as_ref().copied());
        Arc::new(sheet)
    }

    async fn code_owners(&self, branch: &str) -> Result<bool, CallError> {
        for place in CODE_OWNERS {
            let path = ["repository", "files", place];
            if let Some(file) = self.get(GET_FILE, &path, &[("ref", branch)], no_file).await? {
                return Ok(number(&file, "size") > 0);
            }
        }
        Ok(false)
    }
}

/// The protected branches that mean a branch. A star stands for slashes too:
/// <https://docs.gitlab.com/user/project/repository/branches/protected/>
fn matching<'a>(protected: &'a [Value], branch: &str) -> Vec<&'a Value> {
    let means =
        |rule: &&Value| rule.get("name").and_then(Value::as_str).is_some_and(|name| wildcard_matches(name, branch));
    protected.iter().filter(means).collect()
}

fn protection(sheet: &mut Sheet, matching: Result<&[&Value], &&CallError>, default: bool) {
    const PROPERTIES: &[&str] =
        &["RequiresPullRequest", "AllowsForcePushes", "AllowsDeletions", "RequiresCodeOwnerReview", "BypassActors"];
    let rules = match matching {
        Ok(rules) => rules,
        Err(error) => {
            sheet.hide(PROPERTIES, error);
            if default {
                sheet.unseen.remove("AllowsDeletions");
                sheet.set("AllowsDeletions", false);
            }
            return;
        }
    };
    let levels: Vec<&Value> = rules.iter().flat_map(|rule| items(rule, "push_access_levels")).collect();
    let named: BTreeSet<String> = levels.iter().filter_map(|level| actor(level)).collect();
    let nobody_else = levels.iter().all(|level| {
        actor(level).is_some()
            || matches!(level.get("access_level").and_then(Value::as_u64), Some(0 | INSTANCE_ADMINISTRATOR))
    });
    let protected = !rules.is_empty();
    sheet.set("RequiresPullRequest", protected && !levels.is_empty() && nobody_else);
    sheet.set("AllowsForcePushes", !protected || rules.iter().any(|rule| flag(rule, "allow_force_push")));
    // Nobody can delete the default branch, nor a protected one with Git.
    sheet.set("AllowsDeletions", !protected && !default);
    sheet.set("RequiresCodeOwnerReview", rules.iter().any(|rule| flag(rule, "code_owner_approval_required")));
    sheet.set("BypassActors", named.into_iter().collect::<Vec<_>>());
}

/// How many approvals the rules for a branch ask for, and where the rules come from.
fn reviews(
    sheet: &mut Sheet,
    matching: Result<&[&Value], &&CallError>,
    rules: Result<&[Value], &CallError>,
    branch: &str,
) {
    let hidden = matching.err().copied().or(rules.err());
    let protected = matching.unwrap_or_default();
    let applies = |rule: &&Value| {
        let branches = items(rule, "protected_branches");
        let counted = !matches!(rule.get("rule_type").and_then(Value::as_str), Some("report_approver" | "code_owner"));
        let named = branches.iter().filter_map(|of| of.get("name").and_then(Value::as_str));
        let mut means = named.map(|pattern| wildcard_matches(pattern, branch));
        let meant = if flag(rule, "applies_to_all_protected_branches") {
            !protected.is_empty()
        } else {
            branches.is_empty() || means.any(|means| means)
        };
        counted && meant && number(rule, "approvals_required") > 0
    };
    let applying: Vec<&Value> = rules.unwrap_or_default().iter().filter(applies).collect();
    let count = applying.iter().map(|rule| number(rule, "approvals_required")).max().unwrap_or(0);
    let name = |rule: &&Value, word: &str| {
        format!("{word} {}", rule.get("name").and_then(Value::as_str).unwrap_or("without a name"))
    };
    let by: BTreeSet<String> = protected
        .iter()
        .map(|rule| name(rule, "protected branch"))
        .chain(applying.iter().map(|rule| name(rule, "approval rule")))
        .collect();
    if let Some(error) = hidden {
        sheet.hide(&["RequiredApprovingReviewCount", "ProtectedBy"], error);
    } else {
        sheet.set("RequiredApprovingReviewCount", count);
        sheet.set("ProtectedBy", by.into_iter().collect::<Vec<_>>());
    }
}

/// Where authors may approve what they wrote, one approval says nothing of a second person; where nobody knows whether
/// they may, nobody knows what any number of approvals says.
fn without_own_approval(sheet: &mut Sheet, may: Result<bool, &CallError>) {
    const COUNT: &str = "RequiredApprovingReviewCount";
    let required = sheet.properties.get(COUNT).and_then(Value::as_u64).unwrap_or(0);
    if required == 0 {
        return;
    }
    match may {
        Ok(false) => {}
        Ok(true) => sheet.set(COUNT, required - 1),
        Err(error) => {
            sheet.properties.remove(COUNT);
            sheet.hide(&[COUNT], error);
        }
    }
}

/// GitLab says what it did not find: a project that hides its files is not one without the file.
fn no_file(refusal: Refusal<'_>) -> bool {
    refusal.status == 404 && refusal.message.contains("File Not Found")
}

/// Who is named on his own, not by a role.
fn actor(level: &Value) -> Option<String> {
    let id = |name: &str| level.get(name).and_then(Value::as_u64);
    [("user_id", "user"), ("group_id", "group"), ("deploy_key_id", "deploy-key")]
        .into_iter()
        .find_map(|(field, word)| id(field).map(|id| format!("{word}:{id}")))
}

fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(protected: &Value, branch: &str, default: bool) -> Sheet {
        let rules = matching(protected.as_array().unwrap(), branch);
        let mut sheet = Sheet::default();
        protection(&mut sheet, Ok(&rules), default);
        sheet
    }

    #[test]
    fn the_most_permissive_rule_decides_but_not_over_code_owners() {
        let exact = json!({"name": "main", "push_access_levels": [{"access_level": 0}], "allow_force_push": false, "code_owner_approval_required": false});
        let named =
            json!({"name": "main", "push_access_levels": [{"access_level": 40, "user_id": 7}, {"access_level": 0}]});
        let strict =
            json!({"name": "m*", "push_access_levels": [{"access_level": 0}], "code_owner_approval_required": true});
        let open = json!({"name": "*", "push_access_levels": [{"access_level": 30}], "allow_force_push": true});
        for (protected, branch, default, expected) in [
            (json!([]), "main", true, json!([false, true, false, false, []])),
            (json!([]), "old", false, json!([false, true, true, false, []])),
            (json!([exact]), "main", true, json!([true, false, false, false, []])),
            (json!([exact]), "old", false, json!([false, true, true, false, []])),
            (json!([exact, strict]), "main", true, json!([true, false, false, true, []])),
            (json!([exact, open]), "main", true, json!([false, true, false, false, []])),
            (json!([named]), "main", false, json!([true, false, false, false, ["user:7"]])),
            (json!([open]), "release/1", false, json!([false, true, false, false, []])),
            (json!([{"name": "*"}]), "release/1", false, json!([false, false, false, false, []])),
            (json!([{"name": "release/*"}]), "release/1/fix", false, json!([false, false, false, false, []])),
            (
                json!([{"name": "main", "push_access_levels": []}]),
                "main",
                true,
                json!([false, false, false, false, []]),
            ),
        ] {
            let sheet = told(&protected, branch, default);
            let names = [
                "RequiresPullRequest",
                "AllowsForcePushes",
                "AllowsDeletions",
                "RequiresCodeOwnerReview",
                "BypassActors",
            ];
            let seen: Vec<Value> = names.iter().map(|name| sheet.properties[*name].clone()).collect();
            assert_eq!(Value::from(seen), expected, "{protected} {branch}");
        }
    }

    #[test]
    fn approval_rules_count_where_they_apply() {
        let protected = json!([{"name": "main"}]);
        let count = |rules: &Value, branch: &str| {
            let mut sheet = Sheet::default();
            let rules = rules.as_array().unwrap();
            reviews(&mut sheet, Ok(&matching(protected.as_array().unwrap(), branch)), Ok(rules), branch);
            sheet.properties["RequiredApprovingReviewCount"].as_u64().unwrap()
        };
        let rule = |count: u64, all: bool, branches: Value| {
            json!({"name": "two eyes", "rule_type": "regular", "approvals_required": count,
                "applies_to_all_protected_branches": all, "protected_branches": branches})
        };
        assert_eq!(count(&json!([rule(1, false, json!([])), rule(2, true, json!([]))]), "main"), 2);
        assert_eq!(count(&json!([rule(1, false, json!([])), rule(2, true, json!([]))]), "old"), 1);
        assert_eq!(count(&json!([rule(3, false, json!([{"name": "release/*"}]))]), "main"), 0);
        assert_eq!(count(&json!([{"rule_type": "report_approver", "approvals_required": 4}]), "main"), 0);
    }

    #[test]
    fn an_author_who_approves_is_no_second_person() {
        let mut sheet = Sheet::default();
        sheet.set("RequiredApprovingReviewCount", 1);
        without_own_approval(&mut sheet, Ok(false));
        assert_eq!(sheet.properties["RequiredApprovingReviewCount"], 1);
        without_own_approval(&mut sheet, Ok(true));
        assert_eq!(sheet.properties["RequiredApprovingReviewCount"], 0);
    }

    #[test]
    fn whether_authors_approve_is_unseen() {
        const COUNT: &str = "RequiredApprovingReviewCount";
        let cause = crate::inventory::GapCause::Throttled { attempts: 3 };
        let error = CallError { action: GET_APPROVALS, code: "429".to_owned(), cause };
        for (required, known) in [(0, true), (1, false), (2, false)] {
            let mut sheet = Sheet::default();
            sheet.set(COUNT, required);
            without_own_approval(&mut sheet, Err(&error));
            assert_eq!(sheet.properties.contains_key(COUNT), known, "{required}");
            assert_eq!(sheet.unseen.get(COUNT), (!known).then_some(&error), "{required}");
        }
        let mut refused = Sheet::default();
        without_own_approval(&mut refused, Err(&error));
        assert!(refused.unseen.is_empty(), "what hides the rules already says so");
    }
}
