//! The organization as a recheck knows it: what it looked at, laid over what the full run saw.
//!
//! In: the parts of both runs. Out: one inventory per account. What was looked at replaces what the full run says of the
//! same place or thing; an account that neither says anything of is a gap over everything in it.

use std::collections::BTreeSet;

use super::super::collection::UNOWNED;
use super::super::evaluation::{is_dark, own_parts};
use super::super::{ACCOUNT_ACTIONS, ownership};
use super::survey::is_regional;
use super::{Places, Target};
use crate::collect::{COLLECTORS, Reach};
use crate::inventory::{AccountId, Affects, Gap, GapCause, Inventory, Region, Resource, ResourceUid, TypeName};
use crate::run::{INVENTORY, REFERENCED, RunDirectory, RunError};

/// See the module.
pub(super) struct Estate<'a> {
    run: &'a RunDirectory,
    full: Option<&'a RunDirectory>,
    places: &'a Places,
    targets: &'a [Target],
    /// Everything that was looked at in this run.
    looked_at: BTreeSet<ResourceUid>,
    in_full: BTreeSet<AccountId>,
}

impl<'a> Estate<'a> {
    pub(super) fn of(
        run: &'a RunDirectory,
        full: Option<&'a RunDirectory>,
        places: &'a Places,
        targets: &'a [Target],
        accounts: &BTreeSet<AccountId>,
    ) -> Result<Self, RunError> {
        let in_full = full.map(RunDirectory::accounts).transpose()?.unwrap_or_default().into_iter().collect();
        let mut estate = Self { run, full, places, targets, looked_at: BTreeSet::new(), in_full };
        for account in accounts {
            let fresh = estate.fresh(account)?;
            estate.looked_at.extend(fresh.resources.iter().flat_map(ownership::names_of));
        }
        Ok(estate)
    }

    /// Whether this run looked at it, and not only the full run.
    pub(super) fn was_looked_at(&self, resource: &Resource) -> bool {
        self.looked_at.contains(&resource.uid)
    }

    /// What this run looked at in an account.
    pub(super) fn fresh(&self, account: &AccountId) -> Result<Inventory, RunError> {
        let mut fresh = Inventory::default();
        for part in [INVENTORY, REFERENCED, UNOWNED] {
            if self.run.has_part(Some(account), part) {
                fresh.absorb(self.run.read_inventory(Some(account), part)?);
            }
        }
        Ok(fresh)
    }

    /// Everything that is known of an account.
    pub(super) fn inventory(&self, account: &AccountId) -> Result<Inventory, RunError> {
        let mut fresh = self.fresh(account)?;
        let looked = self.places.get(account);
        if looked.is_some() && is_dark(&fresh) {
            return Ok(fresh);
        }
        let Some(full) = self.full.filter(|_| self.in_full.contains(account)) else {
            if looked.is_none() {
                fresh.gaps.push(not_looked_at(account));
            }
            return Ok(fresh);
        };
        let full = own_parts(full, account)?;
        Ok(match looked {
            Some(regions) => self.over_a_place(full, fresh, regions.as_ref()),
            None => self.over_things(full, fresh),
        })
    }

    /// What was looked at in an account of which single things were asked for.
    fn over_things(&self, mut full: Inventory, mut fresh: Inventory) -> Inventory {
        full.resources.retain(|resource| !self.is_replaced(resource) || is_known_by_more_names(resource, &fresh));
        full.gaps.retain(|gap| match &gap.affects {
            Affects::Property { resource, .. } => !self.looked_at.contains(resource),
            _ => true,
        });
        fresh.absorb(full);
        fresh.normalise();
        fresh
    }

    fn is_replaced(&self, resource: &Resource) -> bool {
        let named = ownership::is_referenced(&resource.type_name);
        let asked_for = |target: &Target| target.reference(&resource.account, &resource.region).is_some();
        let is_target = self.targets.iter().any(|target| target.is(resource) && asked_for(target));
        named && (self.looked_at.contains(&resource.uid) || is_target)
    }

    /// What was looked at in Regions of an account, or in all of it.
    fn over_a_place(&self, mut full: Inventory, mut fresh: Inventory, regions: Option<&BTreeSet<Region>>) -> Inventory {
        let here = |region: &Region| regions.is_none_or(|regions| regions.contains(region));
        let mut gone: BTreeSet<ResourceUid> = BTreeSet::new();
        full.resources.retain(|resource| {
            let listed_again = is_regional(&resource.type_name) && here(&resource.region)
                || is_of_account(&resource.type_name)
                || self.is_replaced(resource);
            if listed_again {
                gone.insert(resource.uid.clone());
            }
            !listed_again || is_known_by_more_names(resource, &fresh)
        });
        let asked: BTreeSet<(&Region, String)> =
            fresh.coverage.rows().map(|(key, _)| (&key.region, format!("{}:{}", key.service, key.action))).collect();
        full.gaps.retain(|gap| {
            let again = match &gap.affects {
                Affects::Account => true,
                Affects::Property { resource, .. } => gone.contains(resource) || self.looked_at.contains(resource),
                Affects::Types { types } => {
                    let listed = types.iter().all(|name| is_of_account(name) || is_regional(name) && here(&gap.region));
                    listed || asked.contains(&(&gap.region, gap.action.clone())) && is_listing(&gap.action)
                }
                Affects::Details => asked.contains(&(&gap.region, gap.action.clone())) && is_listing(&gap.action),
            };
            !again
        });
        full.coverage.skipped.retain(|skip| skip.region == Region::GLOBAL || !here(&skip.region));
        // Other Regions are known from the full run, so they are left out of nothing.
        let skipped = std::mem::take(&mut full.coverage.skipped);
        fresh.absorb(full);
        fresh.coverage.skipped = skipped;
        fresh.normalise();
        fresh
    }
}

/// Whether the full run's copy of a thing that was looked at again stays beside it, for the names that others gave it:
/// one branch is taken by pipelines of many Regions, each by its own connection.
fn is_known_by_more_names(resource: &Resource, fresh: &Inventory) -> bool {
    let named_by_many = resource.type_name == TypeName::BRANCH || resource.type_name == TypeName::REPOSITORY;
    let same = |other: &Resource| {
        other.uid == resource.uid && other.account == resource.account && other.type_name == resource.type_name
    };
    named_by_many && fresh.resources.iter().any(same)
}

/// Whether things of a type are listed once for the whole account.
fn is_of_account(type_name: &TypeName) -> bool {
    COLLECTORS.iter().any(|collector| collector.reach() == Reach::Account && collector.types().contains(type_name))
}

/// Whether a call is made the same way whenever its place is looked at. What is asked of single things may be asked of
/// others this time.
fn is_listing(action: &str) -> bool {
    let listing = |reach| reach != Reach::Referenced;
    ACCOUNT_ACTIONS.contains(&action)
        || COLLECTORS.iter().any(|collector| listing(collector.reach()) && collector.actions().contains(&action))
}

fn not_looked_at(account: &AccountId) -> Gap {
    let message =
        "this run looked at single resources, and no full run is young enough to say what other accounts hold; \
                   audit the organization, and look again"
            .to_owned();
    Gap {
        account: account.clone(),
        region: Region::GLOBAL,
        service: "sts".to_owned(),
        action: "sts:AssumeRole".to_owned(),
        cause: GapCause::Service { code: "NotCollected".to_owned(), message },
        affects: Affects::Account,
    }
}
