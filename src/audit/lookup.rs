//! What an audit saw of a few things.
//!
//! In: a run directory and the names that a template has. Out: the small part of the run that those names are about. It
//! exists because a check tries many times with everything around it, and a run may hold a thousand accounts: it is read
//! once, account by account, and only what is named stays in memory.

use std::collections::BTreeSet;

use serde_json::Value;

use super::collection::listed_accounts;
use super::evaluation::own_parts;
use crate::inventory::{AccountId, Arn, Inventory, Region, Resource, TypeName};
use crate::run::{INVENTORY, ORGANIZATION, RunDirectory, RunError};

/// A run that nothing can be looked up in.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The run directory failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// It was never collected to its end.
    #[error("run {run} holds no complete inventory ({why}); finish it with `pipewarden audit` or `pipewarden collect`")]
    Incomplete {
        /// The folder.
        run: String,
        /// What is missing.
        why: String,
    },
}

/// What is looked up.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Every text that may name something.
    pub names: BTreeSet<String>,
    /// Accounts that things live in, or that are named.
    pub accounts: BTreeSet<AccountId>,
    /// Uids of what is declared anew, and so is not taken from the run.
    pub declared: BTreeSet<String>,
    /// Names of the pipelines that are declared.
    pub pipelines: BTreeSet<String>,
}

/// Things that are looked up by name.
const BY_NAME: &[TypeName] = &[
    TypeName::BUCKET,
    TypeName::KEY,
    TypeName::ROLE,
    TypeName::TOPIC,
    TypeName::ALARM,
    TypeName::COMPOSITE_ALARM,
    TypeName::PROJECT,
    TypeName::DEPLOYMENT_GROUP,
    TypeName::DEPLOYMENT_CONFIG,
    TypeName::APPLICATION,
    TypeName::BRANCH,
    TypeName::REPOSITORY,
    TypeName::SECRET,
    TypeName::IMAGE_REPOSITORY,
    TypeName::CONNECTION,
];

/// Things that an account has whether anybody names them or not.
const OF_THE_ACCOUNT: &[TypeName] =
    &[TypeName::TRAIL, TypeName::RECORDER, TypeName::CONFIG_RULE, TypeName::DELIVERY_CHANNEL];

impl Wanted {
    /// Takes in a declared resource: what it is, and everything that it may name.
    pub fn see(&mut self, resource: &Resource) {
        self.accounts.insert(resource.account.clone());
        self.declared.insert(resource.uid.as_str().to_owned());
        if resource.type_name == TypeName::PIPELINE
            && let Some(name) = resource.properties.get("Name").and_then(Value::as_str)
        {
            self.pipelines.insert(name.to_owned());
        }
        resource.properties.values().for_each(|value| self.read(value));
    }

    fn read(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                self.names.insert(text.clone());
                for part in text.split([':', '/']).filter(|part| !part.is_empty()) {
                    if let Ok(account) = part.parse() {
                        self.accounts.insert(account);
                    }
                    if part.len() < text.len() {
                        self.names.insert(part.to_owned());
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.read(item)),
            Value::Object(fields) => fields.values().for_each(|value| self.read(value)),
            _ => {}
        }
    }

    fn wants(&self, resource: &Resource) -> bool {
        let uid = resource.uid.as_str();
        if self.declared.contains(uid) {
            return false;
        }
        let text = |name: &str| resource.properties.get(name).and_then(Value::as_str).unwrap_or_default();
        if resource.type_name == TypeName::NOTIFICATION_RULE {
            return self.declared.contains(text("Resource"));
        }
        if resource.type_name == TypeName::WEBHOOK {
            return self.accounts.contains(&resource.account) && self.pipelines.contains(text("TargetPipeline"));
        }
        if OF_THE_ACCOUNT.contains(&resource.type_name) {
            return self.accounts.contains(&resource.account);
        }
        BY_NAME.contains(&resource.type_name) && self.names_it(resource, uid)
    }

    pub(super) fn names_it(&self, resource: &Resource, uid: &str) -> bool {
        let aliases = resource.properties.get("Aliases").and_then(Value::as_array).into_iter().flatten();
        let aliases =
            aliases.chain(resource.properties.get("SecretIds").and_then(Value::as_array).into_iter().flatten());
        let mut also = aliases.chain(resource.properties.get("RepositoryId")).filter_map(Value::as_str);
        if self.names.contains(uid) || also.any(|name| self.names.contains(name)) {
            return true;
        }
        let own = Arn::parse(uid).map_or(uid, |arn| arn.resource);
        let mut parts = own.split([':', '/']).filter(|part| !part.is_empty());
        if resource.type_name == TypeName::DEPLOYMENT_GROUP {
            return parts.skip(1).all(|part| self.names.contains(part));
        }
        parts.next_back().is_some_and(|name| self.names.contains(name))
    }
}

/// Everything that a run knows of what is wanted, in a few resources.
///
/// # Errors
/// [`LookupError`] if the run is not complete, or a part of it is damaged.
pub fn look_up(run: &RunDirectory, wanted: &Wanted) -> Result<Vec<Inventory>, LookupError> {
    let mut organization = run.read_inventory(None, ORGANIZATION)?;
    let collected = complete(run, &organization)?;
    organization
        .resources
        .retain(|resource| resource.type_name != TypeName::ACCOUNT || wanted.accounts.contains(&resource.account));
    let attached: BTreeSet<String> = organization
        .resources
        .iter()
        .flat_map(|resource| {
            ["ServiceControlPolicies", "ResourceControlPolicies"].map(|list| resource.properties.get(list))
        })
        .flatten()
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(|policy| policy.get("Id").and_then(Value::as_str).map(str::to_owned))
        .collect();
    organization.resources.retain(|resource| {
        let id = resource.properties.get("Id").and_then(Value::as_str).unwrap_or_default();
        resource.type_name != TypeName::POLICY || attached.contains(id)
    });
    let mut found = vec![organization];
    for account in collected {
        let mut inventory = own_parts(run, &account)?;
        inventory.resources.retain(|resource| wanted.wants(resource));
        let own = wanted.accounts.contains(&account);
        if own || !inventory.resources.is_empty() {
            found.push(inventory);
        }
    }
    Ok(found)
}

/// The accounts and Regions of a run that have a pipeline of one of these names.
///
/// # Errors
/// [`LookupError`] if the run is not complete, or a part of it is damaged.
pub fn homes(run: &RunDirectory, pipelines: &BTreeSet<String>) -> Result<BTreeSet<(AccountId, Region)>, LookupError> {
    let organization = run.read_inventory(None, ORGANIZATION)?;
    let mut found = BTreeSet::new();
    for account in complete(run, &organization)? {
        if !run.has_part(Some(&account), INVENTORY) {
            continue;
        }
        for resource in run.read_inventory(Some(&account), INVENTORY)?.resources {
            let name = resource.properties.get("Name").and_then(Value::as_str).unwrap_or_default();
            if resource.type_name == TypeName::PIPELINE && pipelines.contains(name) {
                found.insert((resource.account, resource.region));
            }
        }
    }
    Ok(found)
}

/// The accounts of a run, all of which were collected.
fn complete(run: &RunDirectory, organization: &Inventory) -> Result<Vec<AccountId>, LookupError> {
    let incomplete = |why: String| LookupError::Incomplete { run: run.path().display().to_string(), why };
    if let Some(why) = run.failure() {
        return Err(incomplete(why));
    }
    let accounts = run.accounts()?;
    let missing = listed_accounts(organization).into_iter().find(|account| !accounts.contains(account));
    match missing {
        Some(account) => Err(incomplete(format!("account {account} was not collected"))),
        None if accounts.is_empty() => Err(incomplete("no account was collected".to_owned())),
        None => Ok(accounts),
    }
}
