//! GitHub and GitHub Enterprise: what protects a branch, and how its repository and owner are set up.
//!
//! In: a [`Source`] on a configured host. Out: its branch and repository. Rulesets and classic branch protection are read
//! both and merged ([`super::git_github_rules`]); GitHub answers "there is none" and "you may not know" with the same
//! status in places, and they are told apart by its words, never guessed.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{join, join_all, join3};
use serde_json::{Map, Value};

use super::Scope;
use super::call::CallError;
use super::git_github_rules::{GET_RULESET, Layer, merge, of_protection, of_rulesets, rulesets_of};
use super::git_hosts::{Host, HostProvider, Repository, ask};
use super::git_http::{Ask, Refusal, not_found};
use super::git_sheet::{Sheet, Told};
use super::git_source::{Source, SourceSeen};
use crate::inventory::GapCause;

pub(super) const CREATE_INSTALLATION_TOKEN: &str = "github:CreateInstallationAccessToken";
const GET_REPOSITORY: &str = "github:GetRepository";
const GET_RULES: &str = "github:GetRulesForBranch";
const GET_PROTECTION: &str = "github:GetBranchProtection";
const GET_BRANCH: &str = "github:GetBranch";
const GET_CONTENT: &str = "github:GetRepositoryContent";
const CHECK_ALERTS: &str = "github:CheckVulnerabilityAlerts";
const GET_ORGANIZATION: &str = "github:GetOrganization";
const LIST_MEMBERS: &str = "github:ListOrganizationMembers";

/// Every call, as the ledger writes it.
pub(super) const ACTIONS: &[&str] = &[
    GET_REPOSITORY,
    GET_RULES,
    GET_RULESET,
    GET_PROTECTION,
    GET_BRANCH,
    GET_CONTENT,
    CHECK_ALERTS,
    GET_ORGANIZATION,
    LIST_MEMBERS,
    CREATE_INSTALLATION_TOKEN,
];

/// Where GitHub looks for the file, in its order.
const CODE_OWNERS: [&[&str]; 3] = [&[".github", "CODEOWNERS"], &["CODEOWNERS"], &["docs", "CODEOWNERS"]];

/// Asks GitHub for a branch and its repository. What could not be seen is unseen.
pub(super) async fn read(scope: &Scope, source: &Source) -> SourceSeen {
    ask(scope, source, HostProvider::GitHub, GET_REPOSITORY, |host| async move { look(&host, scope, source).await })
        .await
}

/// A repository under its name of today.
struct Place<'a> {
    host: &'a Host,
    scope: &'a Scope,
    owner: &'a str,
    name: &'a str,
}

async fn look(host: &Host, scope: &Scope, source: &Source) -> Told {
    let Some((owner, name)) = source.repository.split_once('/').filter(|(_, name)| !name.contains('/')) else {
        let message = format!("`{}` is no owner and repository", source.repository);
        return Told::hidden(&CallError::malformed(GET_REPOSITORY, message));
    };
    let place = Place { host, scope, owner, name };
    let key = source.repository.to_lowercase();
    let repository = match host.repositories.get(scope, key, || place.repository()).await {
        Ok(repository) => repository,
        Err(error) => return Told::hidden(&error),
    };
    let [owner, name] = repository.path.as_slice() else { return Told::default() };
    let place = Place { host, scope, owner, name };
    let branch = source.branch.as_str();
    let (rulesets, classic, owners) =
        join3(place.rulesets(branch), place.protection(branch), place.code_owners(branch)).await;
    let mut told = Told { branch: Sheet::default(), repository: repository.sheet.clone() };
    if let Err(error) = &classic
        && is_no_branch(error)
    {
        told.branch.hide(&["*"], error);
        return told;
    }
    told.branch = merge(&rulesets, &classic);
    told.branch.answer("CodeOwnersFile", owners.as_ref().copied());
    if let Some(default) = &repository.default_branch {
        told.branch.set("DefaultBranch", *default == source.branch);
    }
    told
}

impl Place<'_> {
    async fn get(
        &self,
        action: &'static str,
        rest: &[&str],
        query: &[(&str, &str)],
        unset: fn(Refusal<'_>) -> bool,
    ) -> Result<Option<Value>, CallError> {
        let path = [&["repos", self.owner, self.name], rest].concat();
        self.host.get_or_unset(self.scope, Ask { action, path: &path, query }, unset).await
    }

    /// The repository with its owner; the same for all its branches.
    async fn repository(&self) -> Result<Arc<Repository>, CallError> {
        let path = ["repos", self.owner, self.name];
        let answer = self.host.get(self.scope, Ask { action: GET_REPOSITORY, path: &path, query: &[] }).await?;
        let full_name = answer.get("full_name").and_then(Value::as_str).unwrap_or_default();
        let Some((owner, name)) = full_name.split_once('/') else {
            return Err(CallError::malformed(GET_REPOSITORY, "the answer has no `full_name`"));
        };
        let today = Place { owner, name, ..*self };
        let administered = answer.pointer("/permissions/admin").and_then(Value::as_bool).unwrap_or(false);
        let organization = answer.pointer("/owner/type").and_then(Value::as_str) == Some("Organization");
        let (alerts, owned) = join(today.alerts(administered), async {
            if organization {
                self.host.owners.get(self.scope, owner.to_lowercase(), || today.organization()).await
            } else {
                Arc::default()
            }
        })
        .await;
        let mut sheet = described(&answer);
        sheet.set("Owner", owner);
        sheet.answer("DependencyAlerts", alerts.as_ref().copied());
        sheet.absorb(&owned);
        Ok(Arc::new(Repository {
            sheet,
            path: vec![owner.to_owned(), name.to_owned()],
            default_branch: answer.get("default_branch").and_then(Value::as_str).map(str::to_owned),
            settings: Value::Null,
        }))
    }

    async fn rulesets(&self, branch: &str) -> Result<Layer, CallError> {
        let path = ["repos", self.owner, self.name, "rules", "branches", branch];
        let ask = Ask { action: GET_RULES, path: &path, query: &[("per_page", "100")] };
        let Some(rules) = self.host.list_or_unset(self.scope, ask, is_not_offered).await? else {
            return Ok(Layer::default());
        };
        let wanted = rulesets_of(&rules);
        let described = join_all(wanted.iter().map(|ruleset| async move {
            let id = ruleset.id.to_string();
            let answer = self.get(GET_RULESET, &["rulesets", &id], &[], super::git_http::never).await;
            (ruleset.clone(), answer.map(Option::unwrap_or_default))
        }))
        .await;
        let described: BTreeMap<_, _> = described.into_iter().collect();
        Ok(of_rulesets(&rules, &described))
    }

    async fn protection(&self, branch: &str) -> Result<Layer, CallError> {
        let unset = |refusal: Refusal<'_>| {
            is_not_offered(refusal) || (refusal.status == 404 && refusal.message.starts_with("Branch not protected"))
        };
        match self.get(GET_PROTECTION, &["branches", branch, "protection"], &[], unset).await {
            Ok(Some(protection)) if protection.is_object() => Ok(of_protection(&protection)),
            Ok(Some(_)) => Err(CallError::malformed(GET_PROTECTION, "the answer is no object")),
            Ok(None) => Ok(Layer::default()),
            Err(error) if is_no_branch(&error) || !matches!(error.cause, GapCause::AccessDenied { .. }) => Err(error),
            // Who may not see the rules is still told whether there are any.
            Err(error) => match self.get(GET_BRANCH, &["branches", branch], &[], super::git_http::never).await {
                Ok(Some(answer)) if answer.pointer("/protection/enabled") == Some(&Value::Bool(false)) => {
                    Ok(Layer::default())
                }
                Err(absent) if is_no_branch(&absent) => Err(absent),
                _ => Err(error),
            },
        }
    }

    async fn code_owners(&self, branch: &str) -> Result<bool, CallError> {
        for place in CODE_OWNERS {
            let path = [&["contents"], place].concat();
            let content = self.get(GET_CONTENT, &path, &[("ref", branch)], not_found).await?;
            let is_file = |content: &Value| content.get("type").and_then(Value::as_str) == Some("file");
            let holds = |content: &Value| content.get("size").and_then(Value::as_u64).is_some_and(|size| size > 0);
            // GitHub takes the first one that is there.
            if let Some(content) = content.filter(is_file) {
                return Ok(holds(&content));
            }
        }
        Ok(false)
    }

    /// Whether GitHub warns of vulnerable dependencies.
    async fn alerts(&self, administered: bool) -> Result<bool, CallError> {
        let disabled = |refusal: Refusal<'_>| {
            refusal.status == 404 && refusal.message.starts_with("Vulnerability alerts are disabled")
        };
        let not_there = |refusal: Refusal<'_>| refusal.status == 404;
        // Whoever does not administer the repository is answered as if they were off.
        let unset = if administered { not_there } else { disabled };
        Ok(self.get(CHECK_ALERTS, &["vulnerability-alerts"], &[], unset).await?.is_some())
    }

    async fn organization(&self) -> Arc<Sheet> {
        const SETTINGS: [(&str, &str); 2] = [
            ("OwnerTwoFactorRequired", "two_factor_requirement_enabled"),
            ("OwnerDefaultPermission", "default_repository_permission"),
        ];
        let mut sheet = Sheet::default();
        let ask = Ask { action: GET_ORGANIZATION, path: &["orgs", self.owner], query: &[] };
        let answer = self.host.get(self.scope, ask).await;
        let mut owned = false;
        for (property, field) in SETTINGS {
            let value = answer.as_ref().map(|answer| answer.get(field).filter(|value| !value.is_null()));
            match value {
                Ok(Some(value)) => {
                    owned = true;
                    sheet.set(property, value.clone());
                }
                Ok(None) => sheet.hide(&[property], &withheld(GET_ORGANIZATION, field, "an owner of the organization")),
                Err(error) => sheet.hide(&[property], error),
            }
        }
        let query = [("role", "admin"), ("per_page", "100")];
        let ask = Ask { action: LIST_MEMBERS, path: &["orgs", self.owner, "members"], query: &query };
        let members = match (&answer, owned) {
            (Err(error), _) => Err(error.clone()),
            // Others are shown only those members who made their membership public.
            (Ok(_), false) => Err(withheld(GET_ORGANIZATION, "all members", "an owner of the organization")),
            (Ok(_), true) => self.host.list_or_unset(self.scope, ask, super::git_http::never).await,
        };
        let count = members.map(|members| members.unwrap_or_default().len());
        sheet.answer("OwnerAdministrators", count.as_ref().copied());
        Arc::new(sheet)
    }
}

/// What the repository says of itself.
fn described(answer: &Value) -> Sheet {
    let mut sheet = Sheet::default();
    if let Some(branch) = answer.get("default_branch").and_then(Value::as_str) {
        sheet.set("DefaultBranch", branch);
    }
    let visibility = answer.get("visibility").and_then(Value::as_str).map(str::to_owned);
    let private =
        || answer.get("private").and_then(Value::as_bool).map(|p| if p { "private" } else { "public" }.to_owned());
    match visibility.or_else(private) {
        Some(visibility) => sheet.set("Visibility", visibility),
        None => sheet.hide(&["Visibility"], &CallError::malformed(GET_REPOSITORY, "the answer has no `visibility`")),
    }
    let security: Option<&Map<String, Value>> = answer.get("security_and_analysis").and_then(Value::as_object);
    for (property, field) in
        [("SecretScanning", "secret_scanning"), ("SecretScanningPushProtection", "secret_scanning_push_protection")]
    {
        match security {
            Some(security) => {
                let status = security.get(field).and_then(|feature| feature.get("status")).and_then(Value::as_str);
                sheet.set(property, status == Some("enabled"));
            }
            None => sheet.hide(
                &[property],
                &withheld(GET_REPOSITORY, "security_and_analysis", "an administrator of the repository"),
            ),
        }
    }
    sheet
}

/// GitHub leaves out what a token may not see, without saying so.
fn withheld(action: &'static str, what: &str, who: &str) -> CallError {
    let message = format!("`{what}` is shown only to {who}, and this token is not that of one");
    CallError { action, code: String::new(), cause: GapCause::AccessDenied { message } }
}

/// A plan without branch rules has none.
fn is_not_offered(refusal: Refusal<'_>) -> bool {
    refusal.status == 403 && refusal.message.starts_with("Upgrade to GitHub")
}

fn is_no_branch(error: &CallError) -> bool {
    matches!(&error.cause, GapCause::AccessDenied { message } if message.contains("Branch not found"))
}
