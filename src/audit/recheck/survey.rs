//! What the full run knows that decides where to look.
//!
//! In: its inventories, read once, account by account. Out: who owns the resources and the buckets that are named, and in
//! which Regions an account has anything of the delivery path.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::evaluation::own_parts;
use super::super::ownership;
use super::Target;
use crate::collect::{COLLECTORS, Reach};
use crate::inventory::{AccountId, Region, Resource, ResourceUid, TypeName};
use crate::run::{RunDirectory, RunError};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Accounts in which a target is, by its place among the targets.
    pub(super) owners: BTreeMap<usize, BTreeSet<AccountId>>,
    /// Targets that the full run speaks of, wherever they are.
    pub(super) known: BTreeSet<usize>,
    /// Who owns a bucket.
    pub(super) bucket_owners: BTreeMap<String, AccountId>,
    /// Ids that things go by that are found because something names them.
    pub(super) named: BTreeSet<ResourceUid>,
    /// Regions of an account in which something was listed.
    pub(super) occupied: BTreeMap<AccountId, BTreeSet<Region>>,
    /// Names of branches under a target that is a repository or a connection, or that are a target.
    pub(super) branches: BTreeMap<usize, BTreeSet<String>>,
    /// What notification rules and webhooks among the targets are about.
    pub(super) about: BTreeSet<String>,
}

/// Whether nobody owned up to it.
pub(super) fn is_nowhere(resource: &Resource) -> bool {
    resource.unseen.contains_key("*")
}

/// Whether things of a type are listed in Regions.
pub(super) fn is_regional(type_name: &TypeName) -> bool {
    let regional = |reach| matches!(reach, Reach::EveryRegion | Reach::OccupiedRegion);
    COLLECTORS.iter().any(|collector| regional(collector.reach()) && collector.types().contains(type_name))
}

/// What a notification rule or a webhook is about.
pub(super) fn subject_of(resource: &Resource) -> Option<&str> {
    let property = match &resource.type_name {
        name if *name == TypeName::NOTIFICATION_RULE => "Resource",
        name if *name == TypeName::WEBHOOK => "TargetPipeline",
        _ => return None,
    };
    resource.properties.get(property).and_then(Value::as_str)
}

impl Survey {
    pub(super) fn of(run: Option<&RunDirectory>, targets: &[Target]) -> Result<Self, RunError> {
        let mut survey = Self::default();
        let Some(run) = run else { return Ok(survey) };
        for account in run.accounts()? {
            for resource in &own_parts(run, &account)?.resources {
                survey.see(resource, targets);
            }
        }
        Ok(survey)
    }

    fn see(&mut self, resource: &Resource, targets: &[Target]) {
        let nowhere = is_nowhere(resource);
        self.see_branch(resource, targets);
        for (place, target) in targets.iter().enumerate() {
            if !target.is(resource) {
                continue;
            }
            self.known.insert(place);
            self.about.extend(subject_of(resource).map(str::to_owned));
            if !nowhere {
                self.owners.entry(place).or_default().insert(resource.account.clone());
            }
        }
        if ownership::is_referenced(&resource.type_name) {
            self.named.extend(ownership::names_of(resource));
            let bucket = resource.uid.as_str().rsplit(':').next().unwrap_or_default();
            if resource.type_name == TypeName::BUCKET && !nowhere {
                self.bucket_owners.insert(bucket.to_owned(), resource.account.clone());
            }
        } else if is_regional(&resource.type_name) {
            self.occupied.entry(resource.account.clone()).or_default().insert(resource.region.clone());
        }
    }

    fn see_branch(&mut self, branch: &Resource, targets: &[Target]) {
        if branch.type_name != TypeName::BRANCH {
            return;
        }
        let aliases = branch.properties.get("Aliases").and_then(Value::as_array).into_iter().flatten();
        for alias in aliases.filter_map(Value::as_str) {
            for (place, target) in targets.iter().enumerate() {
                let under =
                    alias.strip_prefix(&target.arn).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
                if under {
                    self.branches.entry(place).or_default().insert(alias.to_owned());
                }
            }
        }
    }
}
