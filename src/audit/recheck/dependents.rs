//! Which findings a recheck is about.
//!
//! In: an account as it is known, and the resources that were asked for. Out: these, and everything looked at that names
//! one of them, or names something that does. Too much does no harm, because all of it was looked at; too little would.

use std::collections::BTreeSet;

use super::super::Wanted;
use super::Target;
use super::estate::Estate;
use super::survey::subject_of;
use crate::inventory::{Arn, Inventory, Resource, ResourceUid, TypeName};

/// Things that decide what is said of the account itself.
const OF_THE_ACCOUNT: &[TypeName] =
    &[TypeName::TRAIL, TypeName::RECORDER, TypeName::CONFIG_RULE, TypeName::DELIVERY_CHANNEL];

/// Ids of what a recheck speaks of in one account; `about` holds what notification rules and webhooks among the targets
/// were about when the full run saw them.
pub(super) fn dependents(
    inventory: &Inventory,
    estate: &Estate<'_>,
    targets: &[Target],
    about: &BTreeSet<String>,
) -> BTreeSet<ResourceUid> {
    let looked_at: Vec<(&Resource, Wanted)> = inventory
        .resources
        .iter()
        .filter(|resource| resource.type_name != TypeName::ACCOUNT && estate.was_looked_at(resource))
        .map(|resource| {
            let mut names = Wanted::default();
            names.see(resource);
            (resource, names)
        })
        .collect();
    let mut chosen: BTreeSet<ResourceUid> = BTreeSet::new();
    let mut newest: Vec<&Resource> = Vec::new();
    let mut about: BTreeSet<&str> = about.iter().map(String::as_str).collect();
    for (resource, names) in &looked_at {
        let is_target = targets.iter().any(|target| target.is(resource));
        // A target may be none of the things that are collected, such as a policy that roles carry.
        if is_target || targets.iter().any(|target| names.names.contains(&target.arn)) {
            chosen.insert(resource.uid.clone());
            newest.push(resource);
        }
        if is_target {
            about.extend(subject_of(resource));
        }
    }
    for (resource, _) in &looked_at {
        let uid = resource.uid.as_str();
        let pipeline =
            resource.type_name == TypeName::PIPELINE && about.contains(Arn::parse(uid).map_or(uid, |arn| arn.resource));
        if (pipeline || about.contains(uid)) && chosen.insert(resource.uid.clone()) {
            newest.push(resource);
        }
    }
    while !newest.is_empty() {
        let named = std::mem::take(&mut newest);
        for (resource, names) in &looked_at {
            let names_one = named.iter().any(|other| names.names_it(other, other.uid.as_str()));
            if names_one && chosen.insert(resource.uid.clone()) {
                newest.push(resource);
            }
        }
    }
    let decides = |target: &Target| target.type_name().is_some_and(|name| OF_THE_ACCOUNT.contains(&name));
    if targets.iter().any(decides) {
        let accounts = inventory.resources.iter().filter(|resource| resource.type_name == TypeName::ACCOUNT);
        chosen.extend(accounts.map(|resource| resource.uid.clone()));
    }
    chosen
}
