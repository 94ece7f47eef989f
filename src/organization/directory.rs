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
    /// Root and organizational units above it, root first.
    pub parent_ids: Vec<String>,
    /// `/Workloads/Prod`; `/` directly under the root.
    pub path: String,
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
                parent_ids: Vec::new(),
                path: "/".to_owned(),
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
        let mut gaps = Vec::new();
        let roots = tree::roots(scope, &client).await;
        let policy_types = match &roots {
            Ok(roots) => Ok(tree::policy_types(roots)),
            Err(error) => Err(error.clone().gap(scope, Affects::Details)),
        };
        let walked = match roots {
            Ok(roots) => tree::walk(scope, &client, roots, &mut gaps).await,
            Err(error) => Err(error),
        };
        let mut accounts = match walked {
            Ok(accounts) => accounts,
            // Without the tree there is still the flat list, which says the path in ids.
            Err(error) => {
                gaps.push(error.gap(scope, Affects::Details));
                tree::flat(scope, &client).await.map_err(refused)?
            }
        };
        if !gaps.is_empty() {
            // Where a branch of the tree was refused, the flat list may still name the accounts in it. The gap stays.
            if let Ok(listed) = tree::flat(scope, &client).await {
                accounts.extend(listed);
            }
        }
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
        // A list without the tree does not always say where an account stands, and the root is nobody's default.
        let placed = alone || !account.parent_ids.is_empty();
        let seen = |value: Value| if placed { Ok(value) } else { Err(without_place(account)) };
        put(resource, "ParentIds", seen(json!(account.parent_ids)));
        put(resource, "OrganizationalUnitPath", seen(json!(account.path)));
        for (property, attached) in
            [("ServiceControlPolicies", &self.service_control), ("ResourceControlPolicies", &self.resource_control)]
        {
            let along = attached.as_ref().map_err(Clone::clone).and_then(|attached| {
                let targets = account.parent_ids.iter().map(String::as_str).chain([account.id.as_str()]);
                seen(targets.filter_map(|target| attached.get(target)).flatten().cloned().collect())
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

/// The gap of an account that is listed without its place in the tree.
fn without_place(account: &Account) -> Gap {
    let message = "an account without its place in the organization's tree".to_owned();
    unread(&account.id, "organizations:ListAccountsForParent", GapCause::Malformed { message })
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
