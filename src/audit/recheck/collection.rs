//! Looks: the account and Regions of the resources, and every account about what these name.
//!
//! In: the survey of the full run. Out: parts of the recheck's own run directory, in the shape of a full run's: only what
//! was really looked at.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;

use super::super::collection::{Collection, Silent, UNOWNED, listed_accounts, look_into_regions};
use super::super::ownership::{self, Search};
use super::super::{CollectionError, RegionChoice};
use super::survey::Survey;
use super::{Places, Recheck, RecheckError};
use crate::inventory::{AccountId, Arn, Coverage, Inventory, Reference, Region, ResourceUid, TypeName};
use crate::organization::Sessions;
use crate::run::{INVENTORY, ORGANIZATION, REFERENCED, RunError};

/// Why other Regions of the account are missing in the ledger.
const ONE_REGION: &str = "a recheck of single resources looks at their Regions only";

impl Recheck<'_> {
    /// Looks at everything that is not there yet.
    ///
    /// # Errors
    /// [`RecheckError`] if a resource is in no account that is audited, or a part cannot be read or written; what goes
    /// wrong with one call is a gap.
    pub async fn collect(&self) -> Result<(), RecheckError> {
        self.organization().await?;
        let listed = listed_accounts(&self.run.read_inventory(None, ORGANIZATION)?);
        let survey = self.survey()?;
        let places = self.places(&listed, &survey)?;
        let mut named: BTreeSet<Reference> = BTreeSet::new();
        let mut parts = futures_util::stream::iter(&places)
            .map(|(account, regions)| self.look_into(account, regions.as_ref(), &survey))
            .buffer_unordered(self.options.concurrency.accounts.max(1));
        while let Some(references) = parts.next().await {
            named.extend(references?);
        }
        drop(parts);
        self.join(&listed, &places, &survey, named).await
    }

    fn collection(&self) -> Collection<'_> {
        Collection { sessions: self.sessions, options: self.options, run: self.run, progress: &Silent }
    }

    /// The organization as the full run saw it, or as it is.
    async fn organization(&self) -> Result<(), RecheckError> {
        if self.run.has_part(None, ORGANIZATION) {
            return Ok(());
        }
        let Some(full) = self.beside.inventories() else {
            return Ok(self.collection().begin().await.map(drop)?);
        };
        let mut inventory = full.read_inventory(None, ORGANIZATION)?;
        // Nobody asked this time.
        let skipped = std::mem::take(&mut inventory.coverage.skipped);
        inventory.coverage = Coverage::default();
        inventory.coverage.skipped = skipped;
        Ok(self.run.write_inventory(None, ORGANIZATION, &inventory)?)
    }

    /// Where to look.
    pub(super) fn places(&self, listed: &[AccountId], survey: &Survey) -> Result<Places, RecheckError> {
        let mut places = Places::new();
        for (number, target) in self.targets.iter().enumerate() {
            let left_out = |why: String| RecheckError::LeftOut { arn: target.arn.clone(), why };
            let accounts: BTreeSet<AccountId> = match target.said_account() {
                Some(account) => BTreeSet::from([account]),
                None => survey.owners.get(&number).cloned().unwrap_or_default(),
            };
            if accounts.is_empty() {
                return Err(RecheckError::NoAccount { arn: target.arn.clone() });
            }
            for account in accounts {
                if !listed.contains(&account) {
                    let organization = self.run.read_inventory(None, ORGANIZATION)?;
                    if !organization.coverage.skipped.iter().any(|skip| skip.account == account) {
                        return Err(RecheckError::NewAccount { arn: target.arn.clone(), account });
                    }
                    return Err(left_out(format!("account {account} is not among the accounts that are audited")));
                }
                let regions = match target.region() {
                    Some(region) => {
                        if let RegionChoice::Listed(only) = &self.options.regions
                            && !only.contains(&region)
                        {
                            return Err(left_out(format!("Region {region} is not among `regions.only`")));
                        }
                        Some(BTreeSet::from([region]))
                    }
                    // What is global may be named from every Region in which there is anything.
                    None => survey.occupied.get(&account).cloned(),
                };
                match (places.entry(account).or_insert_with(|| Some(BTreeSet::new())), regions) {
                    (Some(all), Some(more)) => all.extend(more),
                    (all, _) => *all = None,
                }
            }
        }
        Ok(places)
    }

    async fn look_into(
        &self,
        account: &AccountId,
        regions: Option<&BTreeSet<Region>>,
        survey: &Survey,
    ) -> Result<Vec<Reference>, RunError> {
        if self.run.has_account(account, INVENTORY) {
            return Ok(self.run.read_inventory(Some(account), INVENTORY)?.references);
        }
        let (scope, opened) = self.sessions.open(account).await;
        let mut inventory = if let Err(gap) = opened {
            Inventory { gaps: vec![gap], ..Inventory::default() }
        } else {
            let choice = regions.map_or_else(
                || self.options.regions.clone(),
                |regions| RegionChoice::Listed(regions.iter().cloned().collect()),
            );
            let (mut inventory, mut references) = look_into_regions(&scope, &choice).await;
            if regions.is_some() {
                for skip in &mut inventory.coverage.skipped {
                    ONE_REGION.clone_into(&mut skip.reason);
                }
            }
            let own: BTreeSet<Reference> = references.iter().cloned().collect();
            let asked = self.asked_for(account, &scope.region, survey);
            references.extend(asked.keys().cloned());
            let left = ownership::fetch_owned(&scope, &mut inventory, references).await;
            let gaps = &inventory.gaps;
            // What nobody names any more is gone, unless something kept us from seeing it.
            let is_hidden = |service: &str| gaps.iter().any(|gap| gap.service == service);
            let is_named = |reference: &Reference| {
                own.contains(reference) || asked.get(reference).is_none_or(|service| is_hidden(service))
            };
            inventory.references = left.into_iter().filter(is_named).collect();
            inventory
        };
        inventory.coverage.absorb(&scope.take_coverage());
        scope.redaction().clean_inventory(&mut inventory);
        inventory.normalise();
        self.run.write_inventory(Some(account), INVENTORY, &inventory)?;
        Ok(inventory.references)
    }

    /// Resources that the full run found because something names them, from whatever Region: they are looked at even
    /// where nothing in the Regions of this run does. Each with its service.
    fn asked_for(&self, account: &AccountId, home: &Region, survey: &Survey) -> BTreeMap<Reference, String> {
        let of_this = |number: &usize, target: &super::Target| {
            let owners = survey.owners.get(number);
            target.said_account().as_ref() == Some(account) || owners.is_some_and(|owners| owners.contains(account))
        };
        let known = self.targets.iter().enumerate().filter(|(number, _)| survey.known.contains(number));
        let here = known.filter(|(number, target)| of_this(number, target));
        let mut asked = BTreeMap::new();
        for (number, target) in here {
            let service = target.service().to_owned();
            asked.extend(target.reference(account, home).map(|reference| (reference, service.clone())));
            // Repositories and connections are seen with their branches.
            for branch in survey.branches.get(&number).into_iter().flatten() {
                let region = target.region().unwrap_or_else(|| home.clone());
                let (type_name, name) = (TypeName::BRANCH, branch.clone());
                asked.insert(Reference { type_name, name, account: account.clone(), region }, service.clone());
            }
        }
        asked
    }

    /// Asks every account for what it owns of what is named.
    async fn join(
        &self,
        listed: &[AccountId],
        places: &Places,
        survey: &Survey,
        named: BTreeSet<Reference>,
    ) -> Result<(), RecheckError> {
        let mut asked: BTreeMap<&AccountId, BTreeSet<Reference>> = BTreeMap::new();
        for reference in &named {
            let by_arn = Arn::parse(&reference.name).ok().and_then(|arn| arn.account_id());
            let owner = by_arn.or_else(|| survey.bucket_owners.get(&reference.name).cloned());
            let Some(owner) = owner.and_then(|owner| listed.iter().find(|account| **account == owner)) else {
                continue;
            };
            asked.entry(owner).or_default().insert(reference.clone());
        }
        let collection = self.collection();
        let mut parts = futures_util::stream::iter(&asked)
            .map(|(account, wanted)| async move { collection.referenced(account, wanted).await })
            .buffer_unordered(self.options.concurrency.accounts.max(1));
        while let Some(part) = parts.next().await {
            part.map_err(CollectionError::from)?;
        }
        drop(parts);
        let looked: BTreeSet<&AccountId> = places.keys().chain(asked.keys().copied()).collect();
        self.unowned(&looked, listed.len().saturating_sub(looked.len()), survey, &named)
    }

    /// Writes down what nobody owned up to, so that it is unknown and not absent.
    fn unowned(
        &self,
        looked: &BTreeSet<&AccountId>,
        not_searched: usize,
        survey: &Survey,
        named: &BTreeSet<Reference>,
    ) -> Result<(), RecheckError> {
        let mut found: BTreeSet<ResourceUid> = BTreeSet::new();
        let (mut searched, mut late) = (named.clone(), BTreeSet::new());
        for account in looked {
            for part in [INVENTORY, REFERENCED].into_iter().filter(|part| self.run.has_part(Some(account), part)) {
                let inventory = self.run.read_inventory(Some(account), part)?;
                let things =
                    inventory.resources.iter().filter(|resource| ownership::is_referenced(&resource.type_name));
                found.extend(things.flat_map(ownership::names_of));
                let names = if part == INVENTORY { &mut searched } else { &mut late };
                names.extend(inventory.references);
            }
        }
        let mut by_account: BTreeMap<AccountId, Inventory> = BTreeMap::new();
        let not_asked = late.difference(&searched).map(|reference| (reference, Search::None));
        for (reference, search) in searched.iter().map(|one| (one, Search::AllBut(not_searched))).chain(not_asked) {
            let Some(resource) = ownership::nowhere(reference, partition_of(self.sessions), search) else { continue };
            // What is named by something in another account was not asked for again; the full run may know it.
            let is_known = !named.contains(reference) && survey.named.contains(&resource.uid);
            if !is_known && found.insert(resource.uid.clone()) {
                by_account.entry(reference.account.clone()).or_default().resources.push(resource);
            }
        }
        for (account, mut inventory) in by_account {
            inventory.normalise();
            self.run.write_inventory(Some(&account), UNOWNED, &inventory)?;
        }
        Ok(())
    }
}

fn partition_of(sessions: &Sessions) -> &'static str {
    sessions.own_scope().partition.as_str()
}
