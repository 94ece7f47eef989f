//! Bitbucket Cloud: what protects a branch, and how its repository is set up.
//!
//! In: a [`Source`] on a configured host. Out: its branch and repository. Merge checks count only where they are
//! enforced: without `enforce_merge_checks` (a paid plan) Bitbucket shows a warning and merges all the same.
//!
//! <https://developer.atlassian.com/cloud/bitbucket/rest/api-group-branch-restrictions/> says what restrictions are and
//! which branches they mean. Those of a project hold for all its repositories, but no documented call lists them
//! (<https://jira.atlassian.com/browse/BCLOUD-22732>); they are seen only as far as the repository's own list has them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::Scope;
use super::call::CallError;
use super::git_hosts::{Host, HostProvider, Repository, ask};
use super::git_http::{Ask, never};
use super::git_sheet::{Sheet, Told};
use super::git_source::{Source, SourceSeen};
use crate::inventory::{GapCause, wildcard_matches};

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

    /// The restrictions that mean a branch, and those that may.
    async fn restrictions(&self, branch: &str) -> Result<Restrictions, CallError> {
        let path = ["repositories", self.workspace, self.name, "branch-restrictions"];
        let ask = Ask { action: LIST_RESTRICTIONS, path: &path, query: &[("pagelen", "100")] };
        let all = self.host.list_or_unset(self.scope, ask, never).await?.unwrap_or_default();
        let by_model = |restriction: &Value| text(restriction, "branch_match_kind") == "branching_model";
        let model = if all.iter().any(by_model) {
            self.get(GET_BRANCHING_MODEL, &["branching-model"]).await?
        } else {
            Value::Null
        };
        let mut found = Restrictions::default();
        for restriction in all {
            let meant = if by_model(&restriction) {
                Some(is_of_type(&model, text(&restriction, "branch_type"), branch))
            } else {
                means(text(&restriction, "pattern"), branch)
            };
            match meant {
                Some(true) => found.certain.push(restriction),
                Some(false) => {}
                None => found.doubtful.push(restriction),
            }
        }
        Ok(found)
    }
}

/// Restrictions on a branch.
#[derive(Debug, Clone, Default)]
struct Restrictions {
    certain: Vec<Value>,
    /// Those that mean it or not: their pattern is written in a way that nobody describes.
    doubtful: Vec<Value>,
}

/// Whether a pattern means a branch. A star stands for slashes too: that it ends at them is Bitbucket Server's rule.
/// `None` for a pattern that Bitbucket reads in a way which its reference does not tell (`release*|!release/1`).
fn means(pattern: &str, branch: &str) -> Option<bool> {
    const UNTOLD: [char; 6] = ['|', '!', '?', '[', '{', '\\'];
    (pattern == branch || !pattern.contains(UNTOLD)).then(|| wildcard_matches(pattern, branch))
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

/// What the restrictions of a branch come to, as far as the doubtful ones leave that open.
fn restricted(found: &Restrictions) -> Sheet {
    let mut sheet = come_to(&found.certain);
    if found.doubtful.is_empty() {
        return sheet;
    }
    let patterns: BTreeSet<String> =
        found.doubtful.iter().map(|restriction| format!("`{}`", text(restriction, "pattern"))).collect();
    let message = format!(
        "whether a branch restriction on {} means this branch is not documented; name the branch, or use `*` alone",
        patterns.into_iter().collect::<Vec<_>>().join(", ")
    );
    let cause = GapCause::Undecided { message };
    let error = CallError { action: LIST_RESTRICTIONS, code: String::new(), cause };
    // One more restriction never takes back what another one brings, so what all of them leave the same is decided.
    let with_all = come_to(&[found.certain.as_slice(), found.doubtful.as_slice()].concat());
    for name in PROPERTIES.iter().copied() {
        if sheet.properties.get(name) != with_all.properties.get(name) {
            sheet.properties.remove(name);
            sheet.hide(&[name], &error);
        }
    }
    sheet
}

fn come_to(restrictions: &[Value]) -> Sheet {
    let of = |kind: &'static str| restrictions.iter().filter(move |restriction| text(restriction, "kind") == kind);
    let has = |kind: &'static str| of(kind).next().is_some();
    let most = |kind: &'static str| of(kind).filter_map(|r| r.get("value").and_then(Value::as_u64)).max().unwrap_or(0);
    let enforced = has("enforce_merge_checks");
    let approvals = most("require_approvals_to_merge").max(most("require_default_reviewer_approvals_to_merge"));
    // The second keeps approvals only where the diff stays what it was.
    let resets = has("reset_pullrequest_approvals_on_change") || has("smart_reset_pullrequest_approvals");
    let mut sheet = Sheet::default();
    sheet.set("RequiresPullRequest", has("push"));
    sheet.set("AllowsForcePushes", !has("force"));
    sheet.set("AllowsDeletions", !has("delete"));
    sheet.set("DismissesStaleReviews", resets);
    sheet.set("RequiredApprovingReviewCount", if enforced { approvals } else { 0 });
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

    fn certain(restrictions: &[Value]) -> Sheet {
        restricted(&Restrictions { certain: restrictions.to_vec(), doubtful: Vec::new() })
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
            let sheet = certain(restrictions);
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
        assert_eq!(certain(&[push]).properties["BypassActors"], json!(["group:release", "user:renovate"]));
    }

    #[test]
    fn every_kind_of_approval_and_of_reset_counts() {
        let enforced = restriction("enforce_merge_checks", None);
        for (any, of_default_reviewers, expected) in
            [(None, Some(2), 2), (Some(1), Some(2), 2), (Some(3), Some(2), 3), (None, None, 0)]
        {
            let asked = [
                ("require_approvals_to_merge", any),
                ("require_default_reviewer_approvals_to_merge", of_default_reviewers),
            ];
            let asked = asked.into_iter().filter(|(_, value)| value.is_some());
            let mut restrictions: Vec<Value> = asked.map(|(kind, value)| restriction(kind, value)).collect();
            assert_eq!(certain(&restrictions).properties["RequiredApprovingReviewCount"], 0, "advice only");
            restrictions.push(enforced.clone());
            assert_eq!(certain(&restrictions).properties["RequiredApprovingReviewCount"], expected);
        }
        for (kind, dismisses) in [
            ("reset_pullrequest_approvals_on_change", true),
            ("smart_reset_pullrequest_approvals", true),
            ("reset_pullrequest_changes_requested_on_change", false),
        ] {
            assert_eq!(certain(&[restriction(kind, None)]).properties["DismissesStaleReviews"], dismisses, "{kind}");
        }
    }

    #[test]
    fn a_star_means_branches_with_slashes_and_other_signs_leave_it_open() {
        for (pattern, branch, expected) in [
            ("*", "release/1", Some(true)),
            ("**", "release/1", Some(true)),
            ("*********", "main", Some(true)),
            ("main", "maintenance", Some(false)),
            ("*-stable", "1-stable", Some(true)),
            ("release/*", "release/1/fix", Some(true)),
            ("release/*", "main", Some(false)),
            ("release*|!release/1", "release/1", None),
            ("release*|!release/1", "main", None),
            ("ma?n", "main", None),
            ("fix!", "fix!", Some(true)),
        ] {
            assert_eq!(means(pattern, branch), expected, "{pattern} {branch}");
        }
    }

    #[test]
    fn a_doubtful_restriction_hides_what_it_might_decide_and_no_more() {
        let open = |kind: &str, value: Option<u64>| {
            let mut restriction = restriction(kind, value);
            restriction["pattern"] = "ma*|!maintenance".into();
            restriction
        };
        let found = Restrictions {
            certain: vec![restriction("push", None), restriction("require_approvals_to_merge", Some(2))],
            doubtful: vec![open("push", None), open("force", None), open("require_approvals_to_merge", Some(1))],
        };
        let sheet = restricted(&found);
        assert_eq!(sheet.unseen.keys().copied().collect::<Vec<_>>(), ["AllowsForcePushes", "ProtectedBy"]);
        assert_eq!(sheet.properties["RequiresPullRequest"], true);
        let cause = sheet.unseen["AllowsForcePushes"].cause.to_string();
        assert!(cause.contains("`ma*|!maintenance`"), "{cause}");
        assert!(PROPERTIES.iter().all(|name| sheet.properties.contains_key(*name) != sheet.unseen.contains_key(name)));
        let enforced = Restrictions { doubtful: vec![open("enforce_merge_checks", None)], ..found };
        assert!(restricted(&enforced).unseen.contains_key("RequiredApprovingReviewCount"));
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
