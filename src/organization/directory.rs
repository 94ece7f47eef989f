//! Who is in the organization.
//!
//! In: a scope in the management account or a delegated administrator. Out: all accounts with state, place in the tree
//! and the service control policies along it; tags on request, because they cost one call per account.

use std::collections::BTreeMap;

use aws_sdk_organizations::Client;
use aws_sdk_organizations::types::PolicyType;
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::{UNKNOWN_STATE, tree};
use crate::collect::{CallError, Pages, Scope};
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
    attachments: Result<BTreeMap<String, Vec<Value>>, Gap>,
    gaps: Vec<Gap>,
}

impl Directory {
    /// A directory of one account, for use without an organization.
    #[must_use]
    pub fn single(account: &AccountId, partition: &str) -> Self {
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
            attachments: Ok(BTreeMap::new()),
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
        let mut accounts = match tree::walk(scope, &client, &mut gaps).await {
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
        let (policies, attachments) = match policies(scope, &client).await {
            Ok((policies, attachments)) => (policies, Ok(attachments)),
            Err(error) => (Vec::new(), Err(error.gap(scope, Affects::Types { types: vec![TypeName::POLICY] }))),
        };
        Ok(Self {
            organization_id: organization.id.unwrap_or_default(),
            management_account,
            accounts,
            policies,
            attachments,
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
        if let Err(gap) = &self.attachments {
            inventory.gaps.push(gap.clone());
        }
        inventory.normalise();
        inventory
    }

    fn resource(&self, account: &Account) -> Resource {
        let mut resource = Resource::live(TypeName::ACCOUNT, account.arn.clone(), account.id.clone(), Region::GLOBAL);
        let mut set = |name: &str, value: Value| resource.properties.insert(name.to_owned(), value);
        set("AccountId", json!(account.id));
        set("AccountName", json!(account.name));
        set("ParentIds", json!(account.parent_ids));
        set("OrganizationalUnitPath", json!(account.path));
        set("ManagementAccount", json!(account.id == self.management_account));
        if account.state != UNKNOWN_STATE {
            set("State", json!(account.state));
        }
        match &self.attachments {
            Ok(attachments) => {
                let targets = account.parent_ids.iter().map(String::as_str).chain([account.id.as_str()]);
                let along: Vec<Value> =
                    targets.filter_map(|target| attachments.get(target)).flatten().cloned().collect();
                set("ServiceControlPolicies", Value::Array(along));
            }
            Err(gap) => {
                resource.unseen.insert("ServiceControlPolicies".to_owned(), gap.clone());
            }
        }
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

/// The gap of an account that AWS lists with neither `State` nor `Status`.
fn without_state(account: &Account) -> Gap {
    Gap {
        account: account.id.clone(),
        region: Region::GLOBAL,
        service: "organizations".to_owned(),
        action: "organizations:ListAccountsForParent".to_owned(),
        cause: GapCause::Malformed { message: "an account without State and Status".to_owned() },
        affects: Affects::Details,
    }
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
    let mut tags = Tags::new();
    let mut pages = Pages::of(ACTION);
    let mut token: Option<String> = None;
    loop {
        let page = scope
            .call(ACTION, || {
                client.list_tags_for_resource().resource_id(id.as_str()).set_next_token(token.clone()).send()
            })
            .await?;
        tags.extend(page.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)));
        match pages.after(page.next_token)? {
            Some(next) => token = Some(next),
            None => return Ok(tags),
        }
    }
}

type Attached = (Vec<Resource>, BTreeMap<String, Vec<Value>>);

/// All service control policies, and by target which are attached. Asking per policy instead of per account costs calls
/// in the number of policies, of which there are few.
async fn policies(scope: &Scope, client: &Client) -> Result<Attached, CallError> {
    let mut resources = Vec::new();
    let mut attachments: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut pages = Pages::of("organizations:ListPolicies");
    let mut token: Option<String> = None;
    loop {
        let page = scope
            .call("organizations:ListPolicies", || {
                client.list_policies().filter(PolicyType::ServiceControlPolicy).set_next_token(token.clone()).send()
            })
            .await?;
        for summary in page.policies.unwrap_or_default() {
            let (Some(id), Some(arn)) = (summary.id, summary.arn) else {
                return Err(CallError::malformed("organizations:ListPolicies", "a policy without id or ARN"));
            };
            let name = summary.name.unwrap_or_default();
            let targets = targets(scope, client, &id).await?;
            for target in &targets {
                attachments
                    .entry(target.clone())
                    .or_default()
                    .push(json!({"Id": id, "Name": name, "TargetId": target}));
            }
            let mut resource = Resource::live(TypeName::POLICY, arn, scope.account.clone(), Region::GLOBAL);
            let mut set = |name: &str, value: Value| resource.properties.insert(name.to_owned(), value);
            set("Name", json!(name));
            set("Type", json!("SERVICE_CONTROL_POLICY"));
            set("AwsManaged", json!(summary.aws_managed));
            set("TargetIds", json!(targets));
            let described =
                scope.call("organizations:DescribePolicy", || client.describe_policy().policy_id(&id).send()).await;
            match described {
                Ok(answer) => {
                    let content = answer.policy.and_then(|policy| policy.content).unwrap_or_default();
                    let content = serde_json::from_str(&content).unwrap_or(Value::String(content));
                    resource.properties.insert("Content".to_owned(), content);
                }
                Err(error) => {
                    let property = Affects::Property { resource: resource.uid.clone(), property: "Content".to_owned() };
                    resource.unseen.insert("Content".to_owned(), error.gap(scope, property));
                }
            }
            resources.push(resource);
        }
        match pages.after(page.next_token)? {
            Some(next) => token = Some(next),
            None => break,
        }
    }
    for list in attachments.values_mut() {
        list.sort_by_key(Value::to_string);
    }
    Ok((resources, attachments))
}

async fn targets(scope: &Scope, client: &Client, policy: &str) -> Result<Vec<String>, CallError> {
    let mut targets = Vec::new();
    let mut pages = Pages::of("organizations:ListTargetsForPolicy");
    let mut token: Option<String> = None;
    loop {
        let page = scope
            .call("organizations:ListTargetsForPolicy", || {
                client.list_targets_for_policy().policy_id(policy).set_next_token(token.clone()).send()
            })
            .await?;
        for target in page.targets.unwrap_or_default() {
            let without_id = || CallError::malformed("organizations:ListTargetsForPolicy", "a target without an id");
            targets.push(target.target_id.ok_or_else(without_id)?);
        }
        match pages.after(page.next_token)? {
            Some(next) => token = Some(next),
            None => break,
        }
    }
    targets.sort();
    Ok(targets)
}
