//! Bitbucket Cloud: what protects a branch, and how its repository is set up.
//!
//! In: a [`Source`] on a configured host. Out: its branch and repository. Merge checks count only where they are
//! enforced: without `enforce_merge_checks` (a paid plan) Bitbucket shows a warning and merges all the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::Scope;
use super::call::CallError;
use super::git_hosts::{Host, HostProvider, Repository, ask};
use super::git_http::{Ask, never};
use super::git_pattern::matches;
use super::git_sheet::{Sheet, Told};
use super::git_source::{Source, SourceSeen};

const GET_REPOSITORY: &str = "bitbucket:GetRepository";
const LIST_RESTRICTIONS: &str = "bitbucket:ListBranchRestrictions";
const GET_BRANCHING_MODEL: &str = "bitbucket:GetBranchingModel";

/// Every call, as the ledger writes it.
pub(super) const ACTIONS: &[&str] = &[GET_REPOSITORY, LIST_RESTRICTIONS, GET_BRANCHING_MODEL];

/// Everything that restrictions decide.
const PROPERTIES: &[&str] = &[
    "RequiresPullRequest",
    "RequiredApprovingReviewCount",
    "DismissesStaleReviews",
    "RequiredStatusChecks",
    "AllowsForcePushes",
    "AllowsDeletions",
    "BypassActors",
    "ProtectedBy",
];

/// Asks Bitbucket for a branch and its repository. What could not be seen is unseen.
pub(super) async fn read(scope: &Scope, source: &Source) -> SourceSeen {
    ask(scope, source, HostProvider::Bitbucket, GET_REPOSITORY, |host| async move { look(&host, scope, source).await })
        .await
}

async fn look(host: &Host, scope: &Scope, source: &Source) -> Told {
    let Some((workspace, name)) = source.repository.split_once('/').filter(|(_, name)| !name.contains('/')) else {
        let message = format!("`{}` is no workspace and repository", source.repository);
        return Told::hidden(&CallError::malformed(GET_REPOSITORY, message));
    };
    let place = Place { host, scope, workspace, name };
    let repository = match host.repositories.get(scope, source.repository.to_lowercase(), || place.repository()).await {
        Ok(repository) => repository,
        Err(error) => return Told::hidden(&error),
    };
    let mut told = Told { branch: Sheet::default(), repository: repository.sheet.clone() };
    match place.restrictions(&source.branch).await {
        Ok(restrictions) => told.branch = restricted(&restrictions),
        Err(error) => told.branch.hide(PROPERTIES, &error),
    }
    if let Some(default) = &repository.default_branch {
        told.branch.set("DefaultBranch", *default == source.branch);
    }
    told
}

struct Place<'a> {
    host: &'a Host,
    scope: &'a Scope,
    workspace: &'a str,
    name: &'a str,
}

impl Place<'_> {
    async fn get(&self, action: &'static str, rest: &[&str]) -> Result<Value, CallError> {
        let path = [&["repositories", self.workspace, self.name], rest].concat();
        self.host.get(self.scope, Ask { action, path: &path, query: &[] }).await
    }

    async fn repository(&self) -> Result<Arc<Repository>, CallError> {
        let answer = self.get(GET_REPOSITORY, &[]).await?;
        let mut sheet = Sheet::default();
        let Some(private) = answer.get("is_private").and_then(Value::as_bool) else {
            return Err(CallError::malformed(GET_REPOSITORY, "the answer has no `is_private`"));
        };
        sheet.set("Visibility", if private { "private" } else { "public" });
        let default_branch = answer.pointer("/mainbranch/name").and_then(Value::as_str).map(str::to_owned);
        if let Some(branch) = &default_branch {
            sheet.set("DefaultBranch", branch.clone());
        }
        let owner = answer.pointer("/workspace/slug").and_then(Value::as_str).unwrap_or(self.workspace);
        sheet.set("Owner", owner);
        Ok(Arc::new(Repository { sheet, default_branch, ..Repository::default() }))
    }

    /// The restrictions that mean a branch.
    async fn restrictions(&self, branch: &str) -> Result<Vec<Value>, CallError> {
        let path = ["repositories", self.workspace, self.name, "branch-restrictions"];
        let ask = Ask { action: LIST_RESTRICTIONS, path: &path, query: &[("pagelen", "100")] };
        let all = self.host.list_or_unset(self.scope, ask, never).await?.unwrap_or_default();
        let by_model = |restriction: &Value| text(restriction, "branch_match_kind") == "branching_model";
        let model = if all.iter().any(by_model) {
            self.get(GET_BRANCHING_MODEL, &["branching-model"]).await?
        } else {
            Value::Null
        };
        let means = |restriction: &Value| {
            if by_model(restriction) {
                is_of_type(&model, text(restriction, "branch_type"), branch)
            } else {
                matches(text(restriction, "pattern"), branch, false)
            }
        };
        Ok(all.into_iter().filter(means).collect())
    }
}

/// Whether the branching model takes a branch for one of that type.
fn is_of_type(model: &Value, branch_type: &str, branch: &str) -> bool {
    if model.get(branch_type).and_then(|of| of.get("enabled")) == Some(&Value::Bool(false)) {
        return false;
    }
    let single = model.get(branch_type).and_then(|of| of.pointer("/branch/name").or_else(|| of.get("name")));
    if let Some(name) = single.and_then(Value::as_str) {
        return name == branch;
    }
    let types = model.get("branch_types").and_then(Value::as_array).into_iter().flatten();
    let mut prefixes = types.filter(|of| text(of, "kind") == branch_type).map(|of| text(of, "prefix"));
    prefixes.any(|prefix| !prefix.is_empty() && branch.starts_with(prefix))
}

/// What the restrictions of a branch come to.
fn restricted(restrictions: &[Value]) -> Sheet {
    let of = |kind: &'static str| restrictions.iter().filter(move |restriction| text(restriction, "kind") == kind);
    let has = |kind: &'static str| of(kind).next().is_some();
    let most = |kind: &'static str| of(kind).filter_map(|r| r.get("value").and_then(Value::as_u64)).max().unwrap_or(0);
    let enforced = has("enforce_merge_checks");
    let mut sheet = Sheet::default();
    sheet.set("RequiresPullRequest", has("push"));
    sheet.set("AllowsForcePushes", !has("force"));
    sheet.set("AllowsDeletions", !has("delete"));
    sheet.set("DismissesStaleReviews", has("reset_pullrequest_approvals_on_change"));
    sheet.set("RequiredApprovingReviewCount", if enforced { most("require_approvals_to_merge") } else { 0 });
    let builds = if enforced { most("require_passing_builds_to_merge") } else { 0 };
    sheet.set("RequiredStatusChecks", (1..=builds.min(1)).map(|_| format!("builds ({builds})")).collect::<Vec<_>>());
    let mut bypass = BTreeSet::new();
    for (list, word, names) in [("users", "user", ["nickname", "display_name"]), ("groups", "group", ["slug", "name"])]
    {
        for listed in of("push").filter_map(|restriction| restriction.get(list)?.as_array()).flatten() {
            let name = names.iter().map(|name| text(listed, name)).find(|name| !name.is_empty());
            bypass.insert(format!("{word}:{}", name.unwrap_or("without a name")));
        }
    }
    sheet.set("BypassActors", bypass.into_iter().collect::<Vec<_>>());
    let by: BTreeSet<String> = restrictions
        .iter()
        .map(|restriction| match text(restriction, "branch_match_kind") {
            "branching_model" => format!("branch restriction on {} branches", text(restriction, "branch_type")),
            _ => format!("branch restriction on {}", text(restriction, "pattern")),
        })
        .collect();
    sheet.set("ProtectedBy", by.into_iter().collect::<Vec<_>>());
    sheet
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn restriction(kind: &str, value: Option<u64>) -> Value {
        json!({"kind": kind, "branch_match_kind": "glob", "pattern": "main", "value": value, "users": [], "groups": []})
    }

    #[test]
    fn merge_checks_count_only_where_they_are_enforced() {
        let mut restrictions = vec![
            restriction("push", None),
            restriction("require_approvals_to_merge", Some(2)),
            restriction("require_passing_builds_to_merge", Some(1)),
            restriction("reset_pullrequest_approvals_on_change", None),
        ];
        let shown = |restrictions: &[Value]| {
            let sheet = restricted(restrictions);
            let names = [
                "RequiresPullRequest",
                "RequiredApprovingReviewCount",
                "RequiredStatusChecks",
                "DismissesStaleReviews",
                "AllowsForcePushes",
            ];
            Value::from(names.iter().map(|name| sheet.properties[*name].clone()).collect::<Vec<_>>())
        };
        assert_eq!(shown(&restrictions), json!([true, 0, [], true, true]));
        restrictions.extend([restriction("enforce_merge_checks", None), restriction("force", None)]);
        assert_eq!(shown(&restrictions), json!([true, 2, ["builds (1)"], true, false]));
        assert_eq!(shown(&[]), json!([false, 0, [], false, true]));
    }

    #[test]
    fn who_may_push_all_the_same_is_named() {
        let mut push = restriction("push", None);
        push["users"] = json!([{"nickname": "renovate", "display_name": "Renovate Bot"}]);
        push["groups"] = json!([{"slug": "release", "name": "Release"}]);
        assert_eq!(restricted(&[push]).properties["BypassActors"], json!(["group:release", "user:renovate"]));
    }

    #[test]
    fn branching_models_say_what_a_branch_is() {
        let model = json!({"development": {"name": "main", "branch": {"name": "main"}},
            "branch_types": [{"kind": "release", "prefix": "release/"}]});
        assert!(is_of_type(&model, "development", "main"));
        assert!(!is_of_type(&model, "production", "main"));
        assert!(is_of_type(&model, "release", "release/1"));
        assert!(!is_of_type(&model, "release", "main"));
    }
}
