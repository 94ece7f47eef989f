//! `Git::Branch`: a branch that something builds from, and what protects it.
//!
//! In: a branch as its provider tells of it, the pipelines that take it, and the policies over its account. Out: its
//! facts. What a provider cannot enforce is not held against a branch: `enforceable` says what it can.

use std::collections::BTreeSet;

use serde_json::Value;

use super::joins::Joins;
use super::push_denial::{self, DIRECT_PUSH, Denial, OVERRIDE, Pushed};
use super::seen::{Found, Seen, flag, name, number, property, text};
use super::{Facts, ResourceKind};
use crate::inventory::{AccountId, Resource, TypeName};

/// Branches.
pub struct Branch;

/// What a pipeline needs to know of a branch that it takes.
#[derive(Debug)]
pub(super) struct BranchEntry {
    uid: String,
    account: AccountId,
    requires_pull_request: Seen<Option<bool>>,
    approvals: Seen<i64>,
}

/// A pipeline that takes a branch.
#[derive(Debug)]
pub(super) struct SourceUser {
    /// `123456789012/web`
    pub(super) label: String,
    pub(super) production: Seen<bool>,
}

impl BranchEntry {
    /// Why changes get onto the branch unreviewed; empty if they do not.
    pub(super) fn weaknesses(&self, joins: &Joins) -> Found {
        let mut found = Found::default();
        found.add_if("no approval required", &self.approvals.clone().map(|approvals| approvals < 1));
        let closed = match &self.requires_pull_request {
            Ok(Some(required)) => Ok(*required),
            Ok(None) => denial_of(DIRECT_PUSH, &self.uid, &self.account, joins).map(|denial| denial.is_some()),
            Err(sentences) => Err(sentences.clone()),
        };
        found.add_if("direct pushes possible", &closed.map(|closed| !closed));
        found
    }
}

impl ResourceKind for Branch {
    fn type_name(&self) -> TypeName {
        TypeName::BRANCH
    }

    fn action(&self) -> &'static str {
        "Merge"
    }

    fn index(&self, resource: &Resource, joins: &mut Joins) {
        let requires_pull_request = match is_code_commit(resource) {
            Ok(true) if !resource.unseen.contains_key("*") => Ok(None),
            Ok(_) => told(resource, "RequiresPullRequest", flag).map(Some),
            Err(sentences) => Err(sentences),
        };
        for alias in aliases(resource) {
            let entry = BranchEntry {
                uid: resource.uid.as_str().to_owned(),
                account: resource.account.clone(),
                requires_pull_request: requires_pull_request.clone(),
                approvals: told(resource, "RequiredApprovingReviewCount", number),
            };
            joins.branches.entry(alias.to_owned()).or_default().insert(resource.account.clone(), entry);
        }
    }

    fn facts(&self, resource: &Resource, joins: &Joins) -> Facts {
        let mut facts = Facts::default();
        facts.know("name", name(resource, "BranchName"));
        facts.know("repository", name(resource, "RepositoryId"));
        facts.put("provider", provider(resource).map(str::to_owned));
        facts.put("enforceable", provider(resource).map(enforceable));
        let users = aliases(resource).into_iter().filter_map(|alias| joins.source_users.get(alias)).flatten();
        put_use(&mut facts, resource, users, joins);
        facts.put("defaultBranch", told(resource, "DefaultBranch", flag));
        facts.put("requiredApprovals", told(resource, "RequiredApprovingReviewCount", number));
        facts.put("requiredStatusChecks", where_enforceable(resource, "statusChecks", "RequiredStatusChecks", texts));
        for (fact, feature, property) in [
            ("dismissesStaleApprovals", "staleApprovals", "DismissesStaleReviews"),
            ("requiresCodeOwnerReview", "codeOwners", "RequiresCodeOwnerReview"),
            ("codeOwnersFile", "codeOwners", "CodeOwnersFile"),
            ("strictStatusChecks", "strictStatusChecks", "StrictStatusChecks"),
            ("requiresSignatures", "signatures", "RequiresSignatures"),
            ("requiresLastPushApproval", "lastPushApproval", "RequiresLastPushApproval"),
        ] {
            facts.put(fact, where_enforceable(resource, feature, property, flag));
        }
        match is_code_commit(resource) {
            Ok(true) if !resource.unseen.contains_key("*") => put_policies(&mut facts, resource, joins),
            _ => {
                for (fact, property) in [
                    ("requiresPullRequest", "RequiresPullRequest"),
                    ("allowsForcePushes", "AllowsForcePushes"),
                    ("allowsDeletions", "AllowsDeletions"),
                ] {
                    facts.put(fact, told(resource, property, flag));
                }
                facts.put("bypassActors", told(resource, "BypassActors", texts));
                facts.put("protectedBy", told(resource, "ProtectedBy", texts));
            }
        }
        facts
    }
}

/// What each provider can enforce on a branch beyond pull requests, approvals and the keeping of its history, which all
/// of them can.
fn enforceable(provider: &str) -> BTreeSet<String> {
    let names: &[&str] = match provider {
        "GitHub" | "GitHubEnterpriseServer" | "GitLab" | "GitLabSelfManaged" => {
            &["staleApprovals", "codeOwners", "statusChecks", "strictStatusChecks", "signatures", "lastPushApproval"]
        }
        "Bitbucket" => &["staleApprovals", "statusChecks"],
        "AzureDevOps" => &["staleApprovals", "statusChecks", "lastPushApproval"],
        _ => &[],
    };
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub(super) fn provider(resource: &Resource) -> Seen<&str> {
    text(resource, "Provider")?.ok_or_else(|| vec![format!("it is not known who hosts {}", resource.uid)])
}

fn is_code_commit(resource: &Resource) -> Seen<bool> {
    Ok(provider(resource)? == "CodeCommit")
}

/// Every name that a branch or repository goes by.
pub(super) fn aliases(resource: &Resource) -> BTreeSet<&str> {
    let written = resource.properties.get("Aliases").and_then(Value::as_array).into_iter().flatten();
    written.filter_map(Value::as_str).chain([resource.uid.as_str()]).collect()
}

/// What a provider has to say of every branch or repository: a provider that is silent has not said no.
pub(super) fn told<T>(resource: &Resource, name: &str, read: impl FnOnce(&Value) -> Option<T>) -> Seen<T> {
    let value = property(resource, name)?.and_then(read);
    value.ok_or_else(|| vec![format!("{} of {} was not told by its provider", name, resource.uid)])
}

/// As [`told`], and unset where the provider cannot enforce it.
fn where_enforceable<T: Default>(
    resource: &Resource,
    feature: &str,
    name: &str,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Seen<T> {
    if enforceable(provider(resource)?).contains(feature) { told(resource, name, read) } else { Ok(T::default()) }
}

pub(super) fn texts(value: &Value) -> Option<BTreeSet<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

/// Which pipelines take it, and whether one of them releases to production.
pub(super) fn put_use<'a>(
    facts: &mut Facts,
    resource: &Resource,
    users: impl Iterator<Item = &'a SourceUser>,
    joins: &Joins,
) {
    let mut built_by = BTreeSet::new();
    let mut production = Found::default();
    for user in users {
        built_by.insert(user.label.clone());
        production.add_if(&user.label, &user.production);
    }
    // Only what lives beside it is asked for: a gap anywhere would leave every branch in doubt.
    production.doubt(&joins.hidden_pipelines(&resource.account));
    facts.know("builtBy", built_by);
    facts.put("releasesToProduction", production.decided().map(|users| !users.is_empty()));
}

/// Who may change the branch of a `CodeCommit` repository is a matter of policies.
fn put_policies(facts: &mut Facts, resource: &Resource, joins: &Joins) {
    let (uid, account) = (resource.uid.as_str(), &resource.account);
    let open = |actions: &[&str]| denial_of(actions, uid, account, joins).map(|denial| denial.is_none());
    let direct = denial_of(DIRECT_PUSH, uid, account, joins);
    facts.put("requiresPullRequest", direct.as_ref().map(Option::is_some).map_err(Clone::clone));
    facts.put("allowsForcePushes", open(&["codecommit:GitPush"]));
    let deletions = match (open(&["codecommit:GitPush"]), open(&["codecommit:DeleteBranch"])) {
        (Ok(true), _) => Ok(true),
        // The default branch cannot be deleted while it is that.
        (Ok(false), Ok(true)) => told(resource, "DefaultBranch", flag).map(|default| !default),
        (Ok(false), Ok(false)) => Ok(false),
        (Err(sentences), _) | (_, Err(sentences)) => Err(sentences),
    };
    facts.put("allowsDeletions", deletions);
    let mut protected_by = Found::default();
    match &direct {
        Ok(denial) => {
            let policies = denial.iter().flat_map(|denial| &denial.by);
            protected_by.certain.extend(policies.map(|name| format!("service control policy {name}")));
        }
        Err(sentences) => protected_by.doubt(sentences),
    }
    match told(resource, "ProtectedBy", texts) {
        Ok(templates) => protected_by.certain.extend(templates),
        Err(sentences) => protected_by.doubt(&sentences),
    }
    facts.put("protectedBy", protected_by.decided());
    let approvals = told(resource, "RequiredApprovingReviewCount", number);
    facts.put("bypassActors", bypass_actors(direct, approvals, open(&[OVERRIDE])).decided());
}

/// Who need not keep to pull requests and their approvals.
fn bypass_actors(direct: Seen<Option<Denial>>, approvals: Seen<i64>, can_override: Seen<bool>) -> Found {
    let mut found = Found::default();
    match direct {
        Ok(Some(denial)) => found.certain.extend(denial.exceptions),
        Ok(None) => found.add("everyone with codecommit:GitPush"),
        Err(sentences) => found.doubt(&sentences),
    }
    let overrides = match (approvals, can_override) {
        (Ok(approvals), _) if approvals < 1 => Ok(false),
        (_, Ok(false)) => Ok(false),
        (Ok(_), Ok(true)) => Ok(true),
        (Err(sentences), _) | (_, Err(sentences)) => Err(sentences),
    };
    found.add_if(format!("everyone with {OVERRIDE}"), &overrides);
    found
}

fn denial_of(actions: &[&str], uid: &str, account: &AccountId, joins: &Joins) -> Seen<Option<Denial>> {
    let (repository, branch) = uid.split_once("/refs/heads/").unwrap_or((uid, ""));
    let reference = format!("refs/heads/{branch}");
    push_denial::denial(actions, &Pushed { account, repository, reference: &reference }, joins)
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::Fact;
    use super::super::testing::*;
    use super::*;
    use crate::inventory::Region;

    const UID: &str = "arn:aws:codecommit:eu-west-1:111111111111:web/refs/heads/main";

    fn own(properties: Value) -> Resource {
        let mut branch = resource(TypeName::BRANCH, "web", properties);
        branch.uid.0 = UID.to_owned();
        let names = json!({"Provider": "CodeCommit", "RepositoryId": "web", "BranchName": "main", "Aliases": [UID]});
        branch.properties.extend(names.as_object().unwrap().clone());
        branch
    }

    fn hosted(provider: &str, properties: Value) -> Resource {
        let mut branch = own(properties);
        branch.uid.0 = "https://git.example.com/acme/web/refs/heads/main".to_owned();
        branch.properties.insert("Provider".to_owned(), json!(provider));
        branch
    }

    fn complete() -> Value {
        json!({
            "DefaultBranch": true, "RequiresPullRequest": true, "RequiredApprovingReviewCount": 2,
            "DismissesStaleReviews": true, "RequiresCodeOwnerReview": false, "CodeOwnersFile": true,
            "RequiredStatusChecks": ["ci"], "StrictStatusChecks": true, "AllowsForcePushes": false,
            "AllowsDeletions": true, "RequiresSignatures": false, "RequiresLastPushApproval": true,
            "BypassActors": ["administrators"], "ProtectedBy": ["branch protection"],
        })
    }

    fn closed(condition: Value) -> Vec<Resource> {
        let statement = json!({"Effect": "Deny", "Action": "codecommit:*", "Resource": "*", "Condition": condition});
        let mut policy =
            resource(TypeName::POLICY, "p", json!({"Name": "DenyPushes", "Content": {"Statement": [statement]}}));
        policy.uid.0 = "arn:aws:organizations::999999999999:policy/o-own/service_control_policy/p-1".to_owned();
        policy.region = Region::GLOBAL;
        let mut member = member("111111111111", None);
        member.properties.insert("ServiceControlPolicies".to_owned(), json!([{"Id": "p-1"}]));
        vec![policy, member]
    }

    fn set(facts: &Facts, name: &str) -> Vec<String> {
        match facts.known.get(name) {
            Some(Fact::Set(set)) => set.iter().cloned().collect(),
            other => panic!("{name}: {other:?} {:?}", facts.unknown.get(name)),
        }
    }

    #[test]
    fn a_hosted_branch_is_what_its_provider_tells() {
        let facts = Branch.facts(&hosted("GitHub", complete()), &joins(&[], &[]));
        assert!(facts.unknown.is_empty(), "{:?}", facts.unknown);
        assert_eq!(facts.known["requiredApprovals"], Fact::Long(2));
        assert_eq!(facts.known["allowsDeletions"], Fact::Bool(true));
        assert_eq!(set(&facts, "bypassActors"), ["administrators"]);
        assert_eq!(set(&facts, "enforceable").len(), 6);
    }

    #[test]
    fn a_silent_provider_has_not_said_no_but_one_that_cannot_need_not() {
        for property in complete().as_object().unwrap().keys() {
            let mut branch = hosted("GitHub", complete());
            branch.properties.remove(property);
            let facts = Branch.facts(&branch, &joins(&[], &[]));
            assert_eq!(facts.unknown.len(), 1, "{property}: {:?}", facts.unknown);
        }
        let mut branch = hosted("Bitbucket", complete());
        for property in ["RequiresSignatures", "CodeOwnersFile", "RequiresCodeOwnerReview", "StrictStatusChecks"] {
            branch.properties.remove(property);
        }
        let facts = Branch.facts(&branch, &joins(&[], &[]));
        assert!(facts.unknown.is_empty(), "{:?}", facts.unknown);
    }

    #[test]
    fn an_unresolved_branch_is_unknown_but_for_its_name() {
        let mut branch = hosted("GitHub", json!({}));
        branch.properties.remove("Provider");
        branch.unseen.insert("*".to_owned(), denied("codeconnections:GetConnection"));
        let facts = Branch.facts(&branch, &joins(&[], &[]));
        assert_eq!(
            facts.known.keys().map(AsRef::as_ref).collect::<Vec<&str>>(),
            ["builtBy", "name", "releasesToProduction", "repository"]
        );
        assert!(facts.unknown["requiredApprovals"].join("").contains("codeconnections:GetConnection"));
    }

    #[test]
    fn code_commit_is_open_unless_a_policy_closes_it() {
        let properties = json!({"DefaultBranch": true, "RequiredApprovingReviewCount": 1, "ProtectedBy": ["approval rule template x"]});
        let open = Branch.facts(&own(properties.clone()), &joins(&[member("111111111111", None)], &[]));
        assert_eq!(open.known["requiresPullRequest"], Fact::Bool(false));
        assert_eq!(open.known["allowsForcePushes"], Fact::Bool(true));
        assert_eq!(
            set(&open, "bypassActors"),
            ["everyone with codecommit:GitPush", "everyone with codecommit:OverridePullRequestApprovalRules"]
        );
        let closed_all = Branch.facts(&own(properties.clone()), &joins(&closed(json!({})), &[]));
        assert_eq!(closed_all.known["requiresPullRequest"], Fact::Bool(true));
        assert_eq!(closed_all.known["allowsDeletions"], Fact::Bool(false));
        assert_eq!(set(&closed_all, "bypassActors"), Vec::<String>::new());
        assert_eq!(set(&closed_all, "protectedBy"), ["approval rule template x", "service control policy DenyPushes"]);
        let but = closed(json!({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Release"}}));
        let facts = Branch.facts(&own(properties.clone()), &joins(&but, &[]));
        assert_eq!(set(&facts, "bypassActors"), ["arn:aws:iam::*:role/Release"]);
        let unseen = Branch.facts(&own(properties), &joins(&[], &[]));
        assert!(unseen.unknown.contains_key("requiresPullRequest") && unseen.unknown.contains_key("bypassActors"));
    }

    #[test]
    fn whether_it_can_be_deleted_may_hang_on_what_could_not_be_seen() {
        let statement = json!({"Effect": "Deny", "Action": "codecommit:GitPush", "Resource": "*"});
        let mut policies = closed(json!({}));
        policies[0].properties.insert("Content".to_owned(), json!({"Statement": statement}));
        let deletions =
            |branch: &Resource| Branch.facts(branch, &joins(&policies, &[])).known.get("allowsDeletions").cloned();
        assert_eq!(deletions(&own(json!({"DefaultBranch": true}))), Some(Fact::Bool(false)));
        assert_eq!(deletions(&own(json!({"DefaultBranch": false}))), Some(Fact::Bool(true)));
        let mut hidden = own(json!({}));
        hidden.unseen.insert("DefaultBranch".to_owned(), denied("codecommit:GetRepository"));
        assert_eq!(deletions(&hidden), None);
    }

    #[test]
    fn each_unseen_property_leaves_its_facts_unknown() {
        for (property, expected) in [
            ("RequiredApprovingReviewCount", vec!["requiredApprovals"]),
            ("ProtectedBy", vec!["protectedBy"]),
            ("BypassActors", vec!["bypassActors"]),
            ("AllowsForcePushes", vec!["allowsForcePushes"]),
            ("RequiredStatusChecks", vec!["requiredStatusChecks"]),
            ("RequiresLastPushApproval", vec!["requiresLastPushApproval"]),
        ] {
            let mut branch = hosted("GitHub", complete());
            branch.unseen.insert(property.to_owned(), denied("github:X"));
            let facts = Branch.facts(&branch, &joins(&[], &[]));
            assert_eq!(facts.unknown.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), expected, "{property}");
        }
    }

    #[test]
    fn who_builds_from_it_and_where_it_goes() {
        let pipeline = resource(
            TypeName::PIPELINE,
            "web",
            json!({"Name": "web", "Stages": [
                {"Name": "Source", "Actions": [{"Name": "Code", "ActionTypeId": {"Category": "Source", "Owner": "AWS", "Provider": "CodeCommit"},
                    "Configuration": {"RepositoryName": "web", "BranchName": "main"}}]},
                {"Name": "Prod", "Actions": [{"Name": "Deploy", "ActionTypeId": {"Category": "Deploy", "Owner": "AWS", "Provider": "S3"}}]},
            ]}),
        );
        let branch = own(json!({}));
        let facts = Branch.facts(&branch, &joins(&[pipeline, branch.clone()], &[]));
        assert_eq!(set(&facts, "builtBy"), ["111111111111/web"]);
        assert_eq!(facts.known["releasesToProduction"], Fact::Bool(true));
        let gap = denied_types("codepipeline:ListPipelines", &[TypeName::PIPELINE]);
        let facts = Branch.facts(&branch, &joins(std::slice::from_ref(&branch), &[gap]));
        assert!(facts.unknown.contains_key("releasesToProduction"));
    }
}
