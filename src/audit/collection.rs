//! Discover, enter, collect: every account to its own file.
//!
//! In: sessions, options, a run directory. Out: the organization's part, one part per account, and one per account for
//! what others name of it. Each part is written when it is complete and never collected again, so a killed run goes on
//! where it stopped. In memory are the accounts in flight and the references that lead elsewhere, nothing more.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::future::join_all;

use super::ownership::{self, Search};
use super::{AuditOptions, RegionChoice, regions};
use crate::collect::{COLLECTORS, Collected, Reach, Scope};
use crate::inventory::{AccountId, Affects, Gap, Inventory, Reference, Region, ResourceUid, Skip, TypeName};
use crate::organization::{Account, Directory, DiscoveryError, Sessions};
use crate::run::{INVENTORY, ORGANIZATION, REFERENCED, RunDirectory, RunError};

/// Part with what is named but owned by nobody in sight.
pub(super) const UNOWNED: &str = "unowned";

/// A collection that could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum CollectionError {
    /// There is no organization to collect, or no way to ask.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The run directory failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The filters leave nothing.
    #[error(
        "the filters leave no account to audit: {skipped} were skipped; `pipewarden audit --help` shows how to select accounts"
    )]
    NothingSelected {
        /// How many were skipped.
        skipped: usize,
    },
}

/// Hears how a collection goes on.
pub trait Progress: Send + Sync {
    /// The number of accounts is known.
    fn begin(&self, accounts: usize);
    /// An account's part is written.
    fn collected(&self, account: &AccountId, resources: usize, gaps: usize);
    /// What other accounts name is being fetched.
    fn joining(&self, references: usize);
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: usize) {}
    fn collected(&self, _: &AccountId, _: usize, _: usize) {}
    fn joining(&self, _: usize) {}
}

/// A collection into one run directory.
#[derive(Clone, Copy)]
pub struct Collection<'a> {
    /// The way into accounts.
    pub sessions: &'a Sessions,
    /// What to collect.
    pub options: &'a AuditOptions,
    /// Where to.
    pub run: &'a RunDirectory,
    /// Who listens.
    pub progress: &'a dyn Progress,
}

impl Collection<'_> {
    /// Collects everything that is not there yet.
    ///
    /// # Errors
    /// [`CollectionError`] if the organization cannot be read or a part cannot be written; what went wrong with one
    /// account or call is a gap in its part.
    pub async fn complete(&self) -> Result<(), CollectionError> {
        let found = self.discover().await?;
        let selected = found.selected.clone();
        self.progress.begin(selected.len());
        // Tags cost a call per account at Organizations' own slow rate, so they are read while accounts are collected.
        let (written, collected) =
            futures_util::future::join(self.write_organization(found), self.accounts(&selected)).await;
        written?;
        let elsewhere = collected?;
        if elsewhere.is_empty() {
            return Ok(());
        }
        self.progress.joining(elsewhere.len());
        self.referenced_by_each(&to_ask(&selected, &elsewhere), &elsewhere).await?;
        self.unowned(&selected, &elsewhere, 0)
    }

    /// The first stage alone: writes the organization's part, unless it is there, and answers the accounts to collect.
    ///
    /// # Errors
    /// [`CollectionError`] if the organization cannot be read, no account is selected, or the part cannot be written.
    pub async fn begin(&self) -> Result<Vec<AccountId>, CollectionError> {
        let found = self.discover().await?;
        let selected = found.selected.clone();
        self.write_organization(found).await?;
        Ok(selected)
    }

    async fn discover(&self) -> Result<Found, CollectionError> {
        if self.run.has_part(None, ORGANIZATION) {
            // A resumed run goes on with the accounts it began with, whatever became of the organization since.
            let selected = listed_accounts(&self.run.read_inventory(None, ORGANIZATION)?);
            return Ok(Found { selected, unwritten: None });
        }
        let own = self.sessions.own_scope();
        let mut directory = if self.options.single_account {
            Directory::single(&own.account, own.partition.as_str())
        } else {
            Directory::discover(&own).await?
        };
        if self.options.filter.needs_tags() {
            directory.read_tags(&own).await;
        }
        let (selected, skipped) = self.select(&directory.accounts);
        if selected.is_empty() {
            return Err(CollectionError::NothingSelected { skipped: skipped.len() });
        }
        Ok(Found { selected, unwritten: Some((own, directory, skipped)) })
    }

    async fn write_organization(&self, found: Found) -> Result<(), RunError> {
        let Some((own, mut directory, skipped)) = found.unwritten else { return Ok(()) };
        directory.read_tags(&own).await;
        let mut inventory = directory.inventory(&own);
        own.redaction().clean_inventory(&mut inventory);
        inventory.coverage.skipped = skipped;
        self.run.write_inventory(None, ORGANIZATION, &inventory)
    }

    fn select(&self, accounts: &[Account]) -> (Vec<AccountId>, Vec<Skip>) {
        let mut selected = Vec::new();
        let mut skipped = Vec::new();
        for account in accounts {
            match self.options.filter.reason_to_skip(account) {
                None => selected.push(account.id.clone()),
                Some(reason) => skipped.push(Skip { account: account.id.clone(), region: Region::GLOBAL, reason }),
            }
        }
        (selected, skipped)
    }

    /// Collects all accounts, several at once, and returns what they name elsewhere.
    async fn accounts(&self, selected: &[AccountId]) -> Result<BTreeSet<Reference>, RunError> {
        let mut elsewhere = BTreeSet::new();
        let mut parts = futures_util::stream::iter(selected)
            .map(|account| self.account(account))
            .buffer_unordered(self.options.concurrency.accounts.max(1));
        while let Some(references) = parts.next().await {
            elsewhere.extend(references?.references);
        }
        Ok(elsewhere)
    }

    /// Collects one account, unless its part is there.
    ///
    /// # Errors
    /// [`RunError`] if the part cannot be read or written.
    pub async fn account(&self, account: &AccountId) -> Result<AccountPart, RunError> {
        if self.run.has_account(account, INVENTORY) {
            return Ok(AccountPart::of(self.run.read_inventory(Some(account), INVENTORY)?));
        }
        let (scope, opened) = self.sessions.open(account).await;
        let mut inventory = match opened {
            Ok(()) => self.look_into(&scope).await,
            Err(gap) => Inventory { gaps: vec![gap], ..Inventory::default() },
        };
        inventory.coverage.absorb(&scope.take_coverage());
        scope.redaction().clean_inventory(&mut inventory);
        inventory.normalise();
        self.run.write_inventory(Some(account), INVENTORY, &inventory)?;
        self.progress.collected(account, inventory.resources.len(), inventory.gaps.len());
        Ok(AccountPart::of(inventory))
    }

    async fn look_into(&self, scope: &Scope) -> Inventory {
        let (mut inventory, references) = look_into_regions(scope, &self.options.regions).await;
        inventory.references = ownership::fetch_owned(scope, &mut inventory, references).await;
        inventory
    }

    /// Fetches what accounts name of each other: every account is asked once for what it owns of it.
    async fn referenced_by_each(
        &self,
        asked: &[AccountId],
        wanted: &BTreeSet<Reference>,
    ) -> Result<(), CollectionError> {
        let mut parts = futures_util::stream::iter(asked)
            .map(|account| async move {
                if self.run.has_part(Some(account), REFERENCED) {
                    return Ok(());
                }
                self.owned_by(account, wanted).await.map(drop)
            })
            .buffer_unordered(self.options.concurrency.accounts.max(1));
        while let Some(part) = parts.next().await {
            part?;
        }
        Ok(())
    }

    /// Asks one account for what others name of it, unless its part is there.
    ///
    /// # Errors
    /// [`RunError`] if the part cannot be read or written.
    pub async fn referenced(&self, account: &AccountId, wanted: &BTreeSet<Reference>) -> Result<AccountPart, RunError> {
        if self.run.has_part(Some(account), REFERENCED) {
            return Ok(AccountPart::of(self.run.read_inventory(Some(account), REFERENCED)?));
        }
        self.owned_by(account, wanted).await.map(AccountPart::of)
    }

    async fn owned_by(&self, account: &AccountId, wanted: &BTreeSet<Reference>) -> Result<Inventory, RunError> {
        let (scope, opened) = self.sessions.open(account).await;
        let mut inventory = Inventory::default();
        if let Err(gap) = opened {
            // Its own part was collected, so the account is not dark; but what others name of it may be here.
            inventory.gaps.push(Gap { affects: Affects::Details, ..gap });
        } else {
            let foreign = wanted.iter().filter(|reference| reference.account != *account).cloned().collect();
            let left = ownership::fetch_owned(&scope, &mut inventory, foreign).await;
            inventory.references = left.into_iter().filter(|reference| !wanted.contains(reference)).collect();
        }
        inventory.coverage = scope.take_coverage();
        scope.redaction().clean_inventory(&mut inventory);
        inventory.normalise();
        self.run.write_inventory(Some(account), REFERENCED, &inventory)?;
        Ok(inventory)
    }

    /// Writes down what nobody owned up to, so that it is unknown and not absent. `unasked` is how many accounts were not
    /// asked for everything that is named.
    ///
    /// # Errors
    /// [`CollectionError`] if a part cannot be read or written.
    pub fn unowned(
        &self,
        selected: &[AccountId],
        elsewhere: &BTreeSet<Reference>,
        unasked: usize,
    ) -> Result<(), CollectionError> {
        let partition = self.sessions.own_scope().partition;
        let partition = partition.as_str();
        let mut found: BTreeSet<ResourceUid> = BTreeSet::new();
        let mut late = BTreeSet::new();
        let mut dark = unasked;
        for account in selected {
            if self.run.has_part(Some(account), REFERENCED) {
                let part = self.run.read_inventory(Some(account), REFERENCED)?;
                found.extend(part.resources.iter().flat_map(ownership::names_of));
                late.extend(part.references);
            }
            let own = self.run.read_inventory(Some(account), INVENTORY)?;
            dark += usize::from(own.gaps.iter().any(|gap| gap.affects == Affects::Account));
            found.extend(
                own.resources
                    .iter()
                    .filter(|resource| ownership::is_referenced(&resource.type_name))
                    .flat_map(ownership::names_of),
            );
        }
        let mut by_account: BTreeMap<AccountId, Inventory> = BTreeMap::new();
        let searched = elsewhere.iter().map(|reference| (reference, Search::AllBut(dark)));
        let not_searched = late.difference(elsewhere).map(|reference| (reference, Search::None));
        for (reference, search) in searched.chain(not_searched) {
            let Some(resource) = ownership::nowhere(reference, partition, search) else { continue };
            if found.insert(resource.uid.clone()) {
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

/// What discovery found, and what of it is not written yet.
struct Found {
    selected: Vec<AccountId>,
    unwritten: Option<(Scope, Directory, Vec<Skip>)>,
}

/// What one part of an account holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AccountPart {
    /// How many resources.
    pub resources: usize,
    /// How many things could not be seen.
    pub gaps: usize,
    /// What it names elsewhere.
    pub references: Vec<Reference>,
}

impl AccountPart {
    /// Of a part that was read or made.
    #[must_use]
    pub fn of(inventory: Inventory) -> Self {
        Self { resources: inventory.resources.len(), gaps: inventory.gaps.len(), references: inventory.references }
    }
}

/// The accounts that may own something of what is named.
#[must_use]
pub fn to_ask(selected: &[AccountId], elsewhere: &BTreeSet<Reference>) -> Vec<AccountId> {
    let buckets_are_wanted = elsewhere.iter().any(|reference| reference.type_name == TypeName::BUCKET);
    // A set, because every account would search all references otherwise.
    let owners: BTreeSet<&str> = elsewhere.iter().filter_map(|reference| reference.name.split(':').nth(4)).collect();
    let asked = selected.iter().filter(|account| buckets_are_wanted || owners.contains(account.as_str()));
    asked.cloned().collect()
}

/// The accounts that a run is about: those that the organization listed and no filter left out, sorted.
#[must_use]
pub fn listed_accounts(organization: &Inventory) -> Vec<AccountId> {
    let skipped: BTreeSet<&AccountId> = organization.coverage.skipped.iter().map(|skip| &skip.account).collect();
    let accounts = organization.resources.iter().filter(|r| r.type_name == TypeName::ACCOUNT).map(|r| &r.account);
    let listed: BTreeSet<&AccountId> = accounts.filter(|account| !skipped.contains(account)).collect();
    listed.into_iter().cloned().collect()
}

/// What an account lists in these Regions, and what that names.
pub(super) async fn look_into_regions(scope: &Scope, choice: &RegionChoice) -> (Inventory, Vec<Reference>) {
    let mut inventory = Inventory::default();
    let regions::Chosen { regions, left_out, gap } = regions::of_account(scope, choice).await;
    inventory.gaps.extend(gap);
    inventory.coverage.skipped = left_out;
    let once = join_all(COLLECTORS.iter().filter(|c| c.reach() == Reach::Account).map(|c| c.collect(scope, &[])));
    let everywhere = join_all(regions.iter().map(|region| look_into_region(scope.in_region(region))));
    let (once, everywhere) = futures_util::future::join(once, everywhere).await;
    let mut references = Vec::new();
    for collected in once.into_iter().chain(everywhere) {
        inventory.resources.extend(collected.resources);
        inventory.gaps.extend(collected.gaps);
        references.extend(collected.references);
    }
    (inventory, references)
}

/// Probes a Region, and looks closer where there is something.
async fn look_into_region(scope: Scope) -> Collected {
    let collectors = COLLECTORS.iter().filter(|c| c.reach() == Reach::EveryRegion);
    let mut all = Collected::default();
    for collected in join_all(collectors.map(|c| c.collect(&scope, &[]))).await {
        all.absorb(collected);
    }
    // Where something was refused there may be something.
    if !all.resources.is_empty() || !all.gaps.is_empty() {
        let closer = COLLECTORS.iter().filter(|c| c.reach() == Reach::OccupiedRegion);
        for collected in join_all(closer.map(|c| c.collect(&scope, &[]))).await {
            all.absorb(collected);
        }
    }
    all
}
