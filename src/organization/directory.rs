//! Who is in the organization.
//!
//! In: a scope in the management account or a delegated administrator. Out: all accounts with state, place in the tree
//! and the policies along it; tags on request, because they cost one call per account.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_organizations::Client;
use aws_sdk_organizations::types::PolicyType;
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::delegation::{self, Delegated};
use super::policies::{self, Attached};
use super::{UNKNOWN_STATE, tree};
use crate::collect::{CallError, Scope, all_pages};
use crate::inventory::{AccountId, Affects, Gap, GapCause, Inventory, Region, Resource, Tags, TypeName};

/// Discovery that cannot even begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// The account belongs to no organization.
    #[error("account {account} is not in an organization; audit it alone with `--single-account`")]
    NoOrganization {
        /// Whose credentials were used.
        account: AccountId,
    },
    /// Organizations cannot be asked from here.
    #[error(
        "the organization cannot be read from account {account}: {cause}; run in the management account or a delegated administrator, allow `{action}`, or audit this account alone with `--single-account`"
    )]
    Refused {
        /// Whose credentials were used.
        account: AccountId,
        /// The IAM action.
        action: String,
        /// Why.
        cause: GapCause,
    },
}

/// Tags of an account, or why they are not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tagged {
    /// Not asked for yet.
    NotAsked,
    /// As Organizations has them.
    Known(Tags),
    /// Asked for, and not seen.
    Unknown(Box<Gap>),
}

/// One account of the organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Twelve digits.
    pub id: AccountId,
    /// ARN in Organizations.
    pub arn: String,
    /// Name in Organizations.
    pub name: String,
    /// `State`, or `Status` where AWS does not answer `State` yet.
    pub state: String,
    /// Ids of the root and the organizational units above it, root first; or the gap of the call that would have shown
    /// them.
    pub parent_ids: Result<Vec<String>, Box<Gap>>,
    /// `/Workloads/Prod`; `/` directly under the root. A gap where the names of the units were not seen, whether or not
    /// their ids were.
    pub path: Result<String, Box<Gap>>,
    /// Tags.
    pub tags: Tagged,
}

/// The organization as discovered.
#[derive(Debug, Clone, PartialEq)]
pub struct Directory {
    /// `o-…`; empty in single-account mode.
    pub organization_id: String,
    /// Payer and root of trust.
    pub management_account: AccountId,
    /// Sorted by id.
    pub accounts: Vec<Account>,
    policies: Vec<Resource>,
    service_control: Attached,
    resource_control: Attached,
    /// Policy types that are enabled on the root.
    policy_types: Result<BTreeSet<String>, Gap>,
    delegated: Delegated,
    gaps: Vec<Gap>,
}

impl Directory {
    /// A directory of one account, for use without an organization.
    #[must_use]
    pub fn single(account: &AccountId, partition: &str) -> Self {
        let unasked = not_asked(account);
        Self {
            organization_id: String::new(),
            management_account: account.clone(),
            accounts: vec![Account {
                id: account.clone(),
                arn: format!("arn:{partition}:organizations::{account}:account/none/{account}"),
                name: account.to_string(),
                state: "ACTIVE".to_owned(),
                parent_ids: Err(Box::new(unasked.clone())),
                path: Err(Box::new(unasked.clone())),
                tags: Tagged::Known(Tags::new()),
            }],
            policies: Vec::new(),
            service_control: Err(unasked.clone()),
            resource_control: Err(unasked.clone()),
            policy_types: Err(unasked.clone()),
            delegated: Err(Box::new(unasked)),
            gaps: Vec::new(),
        }
    }

    /// Discovers the whole organization.
    ///
    /// # Errors
    /// [`DiscoveryError`] if there is none or it cannot be read from here.
    pub async fn discover(scope: &Scope) -> Result<Self, DiscoveryError> {
        let client = Client::new(scope.config());
        let refused = |error: CallError| DiscoveryError::Refused {
            account: scope.account.clone(),
            action: error.action.to_owned(),
            cause: error.cause,
        };
        let described = scope
            .call_or_unset("organizations:DescribeOrganization", &["AWSOrganizationsNotInUseException"], || {
                client.describe_organization().send()
            })
            .await
            .map_err(refused)?;
        let organization = described
            .and_then(|answer| answer.organization)
            .ok_or_else(|| DiscoveryError::NoOrganization { account: scope.account.clone() })?;
        let management_account = organization
            .master_account_id
            .as_deref()
            .and_then(|id| id.parse().ok())
            .unwrap_or_else(|| scope.account.clone());
        let roots = tree::roots(scope, &client).await;
        let policy_types = match &roots {
            Ok(roots) => Ok(tree::policy_types(roots)),
            Err(error) => Err(error.clone().gap(scope, Affects::Details)),
        };
        let (mut accounts, gaps) = tree::accounts(scope, &client, roots).await.map_err(refused)?;
        // Stable, so that what the walk found comes first and stays.
        accounts.sort_by(|a, b| a.id.cmp(&b.id));
        accounts.dedup_by(|a, b| a.id == b.id);
        let (mut all_policies, service_control) =
            policies::read(scope, &client, &PolicyType::ServiceControlPolicy).await;
        // Where the type is not enabled, nothing of it is attached, and some endpoints refuse to list it.
        let resource_type = PolicyType::ResourceControlPolicy;
        let resource_control = if policy_types.as_ref().is_ok_and(|types| !types.contains(resource_type.as_str())) {
            Ok(BTreeMap::new())
        } else {
            let (policies, attached) = policies::read(scope, &client, &resource_type).await;
            all_policies.extend(policies);
            attached
        };
        let delegated = delegation::read(scope, &client).await;
        Ok(Self {
            organization_id: organization.id.unwrap_or_default(),
            management_account,
            accounts,
            policies: all_policies,
            service_control,
            resource_control,
            policy_types,
            delegated,
            gaps,
        })
    }

    /// Reads the tags of all accounts that have none yet; a refused call is an unknown, not an empty set.
    pub async fn read_tags(&mut self, scope: &Scope) {
        let client = Client::new(scope.config());
        let wanted: Vec<AccountId> =
            self.accounts.iter().filter(|a| a.tags == Tagged::NotAsked).map(|a| a.id.clone()).collect();
        let mut answers: BTreeMap<AccountId, Tagged> = futures_util::stream::iter(wanted)
            .map(|id| {
                let client = &client;
                async move {
                    let tags = tags_of(scope, client, &id).await;
                    (id, tags)
                }
            })
            .buffer_unordered(8)
            .collect()
            .await;
        for account in &mut self.accounts {
            if let Some(tags) = answers.remove(&account.id) {
                account.tags = tags;
            }
        }
    }

    /// The accounts and policies as resources, for the inventory.
    #[must_use]
    pub fn inventory(&self, scope: &Scope) -> Inventory {
        let accounts = self.accounts.iter().map(|account| self.resource(account));
        let mut inventory = Inventory {
            resources: accounts.chain(self.policies.iter().cloned()).collect(),
            gaps: self.gaps.clone(),
            coverage: scope.take_coverage(),
            references: Vec::new(),
        };
        for attached in [&self.service_control, &self.resource_control] {
            inventory.gaps.extend(attached.as_ref().err().cloned());
        }
        inventory.gaps.extend(self.policy_types.as_ref().err().cloned());
        inventory.gaps.extend(self.delegated.as_ref().err().map(|gap| (**gap).clone()));
        inventory.normalise();
        inventory
    }

    fn resource(&self, account: &Account) -> Resource {
        let mut resource = Resource::live(TypeName::ACCOUNT, account.arn.clone(), account.id.clone(), Region::GLOBAL);
        let mut set = |name: &str, value: Value| resource.properties.insert(name.to_owned(), value);
        set("AccountId", json!(account.id));
        set("AccountName", json!(account.name));
        if account.state != UNKNOWN_STATE {
            set("State", json!(account.state));
        }
        self.set_place(&mut resource, account);
        let administers = match &self.delegated {
            Ok(delegated) => delegated.get(&account.id).cloned().unwrap_or_else(|| Ok(Vec::new())),
            Err(gap) => Err(gap.clone()),
        };
        put(&mut resource, "DelegatedServices", administers.map(|services| json!(services)).map_err(|gap| *gap));
        put(&mut resource, "EnabledPolicyTypes", self.policy_types.clone().map(|types| json!(types)));
        if account.state == UNKNOWN_STATE {
            resource.unseen.insert("State".to_owned(), without_state(account));
        }
        match &account.tags {
            Tagged::Known(tags) => resource.tags.clone_from(tags),
            Tagged::Unknown(gap) => {
                resource.unseen.insert("Tags".to_owned(), (**gap).clone());
            }
            Tagged::NotAsked => {}
        }
        resource
    }
}

impl Directory {
    /// Where the account stands in the tree, and the policies along the way there.
    #[expect(clippy::result_large_err, reason = "a gap is written down, not carried upwards")]
    fn set_place(&self, resource: &mut Resource, account: &Account) {
        let alone = self.organization_id.is_empty();
        let management = Ok(json!(account.id == self.management_account));
        put(resource, "ManagementAccount", if alone { Err(not_asked(&account.id)) } else { management });
        // The root is nobody's default, and an id is no name: what the tree did not say stays unseen.
        let parents = || account.parent_ids.as_ref().map_err(|gap| (**gap).clone());
        put(resource, "ParentIds", parents().map(|ids| json!(ids)));
        let path = account.path.as_ref().map_err(|gap| (**gap).clone());
        put(resource, "OrganizationalUnitPath", path.map(|path| json!(path)));
        for (property, attached) in
            [("ServiceControlPolicies", &self.service_control), ("ResourceControlPolicies", &self.resource_control)]
        {
            let along = attached.as_ref().map_err(Clone::clone).and_then(|attached| {
                let targets = parents()?.iter().map(String::as_str).chain([account.id.as_str()]);
                Ok(targets.filter_map(|target| attached.get(target)).flatten().cloned().collect::<Value>())
            });
            put(resource, property, along);
        }
    }
}

/// A property that was seen, or the gap that hides it.
fn put(resource: &mut Resource, property: &str, seen: Result<Value, Gap>) {
    match seen {
        Ok(value) => {
            resource.properties.insert(property.to_owned(), value);
        }
        Err(gap) => {
            resource.unseen.insert(property.to_owned(), gap);
        }
    }
}

fn unread(account: &AccountId, action: &str, cause: GapCause) -> Gap {
    Gap {
        account: account.clone(),
        region: Region::GLOBAL,
        service: "organizations".to_owned(),
        action: action.to_owned(),
        cause,
        affects: Affects::Details,
    }
}

/// What an account that is audited alone cannot say of its organization.
fn not_asked(account: &AccountId) -> Gap {
    let message = "the account is audited alone; run in the management account or a delegated administrator, without `--single-account`";
    unread(account, "organizations:DescribeOrganization", GapCause::NotConfigured { message: message.to_owned() })
}

/// The gap of an account that AWS lists with neither `State` nor `Status`.
fn without_state(account: &Account) -> Gap {
    let message = "an account without State and Status".to_owned();
    unread(&account.id, "organizations:ListAccountsForParent", GapCause::Malformed { message })
}

async fn tags_of(scope: &Scope, client: &Client, id: &AccountId) -> Tagged {
    match listed_tags(scope, client, id).await {
        Ok(tags) => Tagged::Known(tags),
        Err(error) => {
            let mut gap = error.gap(scope, Affects::Details);
            gap.account = id.clone();
            Tagged::Unknown(Box::new(gap))
        }
    }
}

async fn listed_tags(scope: &Scope, client: &Client, id: &AccountId) -> Result<Tags, CallError> {
    const ACTION: &str = "organizations:ListTagsForResource";
    let listed = all_pages(ACTION, |token| async move {
        let ask = || client.list_tags_for_resource().resource_id(id.as_str()).set_next_token(token.clone()).send();
        let page = scope.call(ACTION, ask).await?;
        Ok((page.tags.unwrap_or_default(), page.next_token))
    });
    Ok(listed.await.whole()?.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::collect::test_support::{Answer, Answers, endpoint};
    use crate::organization::AccountFilter;

    const ROOT: &str = "r-ab12";
    const WORKLOADS: &str = "ou-ab12-workload";
    const PROD: &str = "ou-ab12-produnit";
    const IN_ROOT: &str = "111122223333";
    const IN_PROD: &str = "444455556666";

    /// The root with one account, and `/Workloads/Prod` with another. `refused` holds operations with the parent that they
    /// are refused for, if they name one.
    fn organization(refused: &'static [(&'static str, &'static str)], says_paths: bool) -> Answers {
        let account = move |id: &str, units: &[&str]| {
            let mut account = json!({"Id": id, "Arn": format!("arn:aws:organizations::{IN_ROOT}:account/o-own/{id}"),
                "Name": id, "State": "ACTIVE"});
            if says_paths {
                account["Paths"] = json!([format!("o-own/{}/{id}/", units.join("/"))]);
            }
            account
        };
        Arc::new(move |operation: &str, input: &Value| {
            let parent = input.get("ParentId").and_then(Value::as_str).unwrap_or_default();
            if refused.iter().any(|(refused, at)| *refused == operation && *at == parent) {
                return Answer::Error(400, "AccessDeniedException");
            }
            let (in_root, in_prod) = (account(IN_ROOT, &[ROOT]), account(IN_PROD, &[ROOT, WORKLOADS, PROD]));
            Answer::Json(match (operation, parent) {
                ("DescribeOrganization", _) => json!({"Organization": {"Id": "o-own", "MasterAccountId": IN_ROOT}}),
                ("ListRoots", _) => json!({"Roots": [{"Id": ROOT, "PolicyTypes": []}]}),
                ("ListOrganizationalUnitsForParent", ROOT) => {
                    json!({"OrganizationalUnits": [{"Id": WORKLOADS, "Name": "Workloads"}]})
                }
                ("ListOrganizationalUnitsForParent", WORKLOADS) => {
                    json!({"OrganizationalUnits": [{"Id": PROD, "Name": "Prod"}]})
                }
                ("ListAccountsForParent", ROOT) => json!({"Accounts": [in_root]}),
                ("ListAccountsForParent", PROD) => json!({"Accounts": [in_prod]}),
                ("ListAccounts", _) => json!({"Accounts": [in_prod, in_root]}),
                ("ListPolicies", _) => json!({"Policies": []}),
                _ => json!({}),
            })
        })
    }

    async fn discovered(answers: Answers) -> (Directory, Inventory) {
        let endpoint = endpoint(answers, &[]).await;
        let directory = Directory::discover(&endpoint.scope).await.unwrap();
        let inventory = directory.inventory(&endpoint.scope);
        (directory, inventory)
    }

    fn of<'a>(inventory: &'a Inventory, id: &str) -> &'a Resource {
        inventory.resources.iter().find(|resource| resource.account.as_str() == id).unwrap()
    }

    /// The property, or the call that was refused.
    fn seen<'a>(resource: &'a Resource, property: &str) -> Result<&'a Value, &'a str> {
        match resource.unseen.get(property) {
            Some(gap) => Err(gap.action.as_str()),
            None => Ok(&resource.properties[property]),
        }
    }

    #[tokio::test]
    async fn an_account_found_on_the_walk_stands_where_its_units_say() {
        let (directory, inventory) = discovered(organization(&[], false)).await;
        assert_eq!(directory.accounts.len(), 2);
        let prod = of(&inventory, IN_PROD);
        assert_eq!(seen(prod, "OrganizationalUnitPath"), Ok(&json!("/Workloads/Prod")));
        assert_eq!(seen(prod, "ParentIds"), Ok(&json!([ROOT, WORKLOADS, PROD])));
        assert_eq!(seen(of(&inventory, IN_ROOT), "OrganizationalUnitPath"), Ok(&json!("/")));
        assert!(inventory.gaps.is_empty(), "{:?}", inventory.gaps);
    }

    #[tokio::test]
    async fn ids_from_the_flat_list_are_no_path() {
        for (refused, call) in [
            (&[("ListRoots", "")], "organizations:ListRoots"),
            (&[("ListOrganizationalUnitsForParent", ROOT)], "organizations:ListOrganizationalUnitsForParent"),
            (&[("ListOrganizationalUnitsForParent", WORKLOADS)], "organizations:ListOrganizationalUnitsForParent"),
        ] {
            let (directory, inventory) = discovered(organization(refused, true)).await;
            assert_eq!(directory.accounts.len(), 2, "{refused:?}");
            let prod = of(&inventory, IN_PROD);
            assert_eq!(seen(prod, "OrganizationalUnitPath"), Err(call), "{refused:?}");
            assert_eq!(seen(prod, "ParentIds"), Ok(&json!([ROOT, WORKLOADS, PROD])), "{refused:?}");
            assert_eq!(seen(prod, "ServiceControlPolicies"), Ok(&json!([])), "{refused:?}");
            assert_eq!(seen(of(&inventory, IN_ROOT), "OrganizationalUnitPath"), Ok(&json!("/")), "no unit, no name");
            assert!(inventory.gaps.iter().any(|gap| gap.action == call), "{refused:?}");
            let hides_accounts = inventory.gaps.iter().any(|gap| gap.hides_type(&TypeName::ACCOUNT));
            assert!(!hides_accounts, "all are listed: {refused:?}");
            let filter = AccountFilter::new(&["/Workloads".to_owned()], &["/Sandbox".to_owned()]).unwrap();
            let skipped: Vec<&Account> =
                directory.accounts.iter().filter(|account| filter.reason_to_skip(account).is_some()).collect();
            assert_eq!(skipped.iter().map(|account| account.id.as_str()).collect::<Vec<_>>(), [IN_ROOT], "{refused:?}");
        }
    }

    #[tokio::test]
    async fn a_unit_that_lists_no_accounts_still_has_a_name() {
        for refused in [&[("ListAccountsForParent", PROD)], &[("ListAccountsForParent", ROOT)]] {
            let (_, inventory) = discovered(organization(refused, true)).await;
            let prod = of(&inventory, IN_PROD);
            assert_eq!(seen(prod, "OrganizationalUnitPath"), Ok(&json!("/Workloads/Prod")), "{refused:?}");
        }
    }

    #[tokio::test]
    async fn a_list_without_places_hides_ids_and_path() {
        for (refused, call) in [
            (&[("ListRoots", "")], "organizations:ListRoots"),
            (&[("ListAccountsForParent", PROD)], "organizations:ListAccountsForParent"),
        ] {
            let (directory, inventory) = discovered(organization(refused, false)).await;
            let prod = of(&inventory, IN_PROD);
            for property in ["ParentIds", "OrganizationalUnitPath", "ServiceControlPolicies"] {
                assert_eq!(seen(prod, property), Err(call), "{property}");
            }
            let filter = AccountFilter::new(&["ou-ab12-anything".to_owned()], &[]).unwrap();
            let prod = directory.accounts.iter().find(|account| account.id.as_str() == IN_PROD).unwrap();
            assert_eq!(filter.reason_to_skip(prod), None);
        }
    }

    #[tokio::test]
    async fn without_any_list_of_all_accounts_some_may_be_missing() {
        let refused = &[("ListAccountsForParent", PROD), ("ListAccounts", "")];
        let (directory, inventory) = discovered(organization(refused, true)).await;
        assert_eq!(directory.accounts.len(), 1);
        let hiding = inventory.gaps.iter().filter(|gap| gap.hides_type(&TypeName::ACCOUNT));
        let actions: BTreeSet<&str> = hiding.map(|gap| gap.action.as_str()).collect();
        assert_eq!(actions, BTreeSet::from(["organizations:ListAccounts", "organizations:ListAccountsForParent"]));
        let endpoint = endpoint(organization(&[("ListRoots", ""), ("ListAccounts", "")], true), &[]).await;
        let error = Directory::discover(&endpoint.scope).await.unwrap_err();
        assert!(error.to_string().contains("organizations:ListAccounts"), "{error}");
    }

    #[tokio::test]
    async fn an_account_that_is_audited_alone_stands_nowhere_that_anybody_saw() {
        let endpoint = endpoint(organization(&[], true), &[]).await;
        let inventory = Directory::single(&IN_ROOT.parse().unwrap(), "aws").inventory(&endpoint.scope);
        let alone = of(&inventory, IN_ROOT);
        for property in ["ManagementAccount", "ParentIds", "OrganizationalUnitPath", "ServiceControlPolicies"] {
            assert_eq!(seen(alone, property), Err("organizations:DescribeOrganization"), "{property}");
        }
    }
}
