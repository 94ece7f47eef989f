//! What happened in every account: collect histories, put deployments together, measure them, judge who did what.
//!
//! In: a run whose inventories are collected, a store of histories, the options. Out: new segments in the store, one part
//! per account with the calls and gaps of its history ([`HISTORY`]), one with the delivery facts ([`DELIVERIES`]), and the
//! measurements. It stands behind the collection of inventories because these name what to ask about.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::future::{join, join_all};

use super::collection::Progress;
use super::evaluation::own_parts;
use crate::collect::Scope;
use crate::dora::{Estate, Measurements, Options, assemble, governance, metrics};
use crate::history::{
    ACCOUNT_SOURCES, AccountHistory, History, HistoryGap, HistorySource, HistoryStore, Period, Question, SegmentEntry,
    StoreError,
};
use crate::inventory::{AccountId, Affects, Gap, GapCause, Inventory, Region, Resource, TypeName};
use crate::organization::Sessions;
use crate::run::{ORGANIZATION, RunDirectory, RunError};

/// Part with the calls and gaps of an account's history; the account's history is complete when it has one.
pub const HISTORY: &str = "history";
/// Part with what history says of an account's services.
pub const DELIVERIES: &str = "deliveries";

/// Histories that could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum DeliveriesError {
    /// The run directory failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Types of resources in whose Regions something is delivered.
const DELIVERING: &[TypeName] = &[TypeName::PIPELINE, TypeName::DEPLOYMENT_GROUP, TypeName::PROJECT];

/// Collects histories of all accounts of a run.
#[derive(Clone, Copy)]
pub struct HistoryCollection<'a> {
    /// The way into accounts.
    pub sessions: &'a Sessions,
    /// The run, with its inventories.
    pub run: &'a RunDirectory,
    /// Where histories are kept.
    pub store: &'a HistoryStore,
    /// The sources that are asked.
    pub sources: &'a BTreeSet<HistorySource>,
    /// Window and moment.
    pub options: &'a Options,
    /// Accounts at once.
    pub accounts_at_once: usize,
    /// Who listens.
    pub progress: &'a dyn Progress,
}

impl HistoryCollection<'_> {
    /// Collects what the store does not hold yet, several accounts at once.
    ///
    /// # Errors
    /// [`DeliveriesError`] if the store or the run cannot be read or written; what goes wrong with a call is a gap.
    pub async fn complete(&self) -> Result<(), DeliveriesError> {
        let accounts = self.run.accounts()?;
        let missing: Vec<&AccountId> =
            accounts.iter().filter(|account| !self.run.has_part(Some(account), HISTORY)).collect();
        self.progress.begin(missing.len());
        let mut parts = futures_util::stream::iter(missing)
            .map(|account| self.account(account))
            .buffer_unordered(self.accounts_at_once.max(1));
        while let Some(part) = parts.next().await {
            part?;
        }
        Ok(())
    }

    async fn account(&self, account: &AccountId) -> Result<(), DeliveriesError> {
        let inventory = own_parts(self.run, account)?;
        let by_region = delivering_regions(&inventory);
        let mut part = Inventory::default();
        let mut records = 0;
        if !by_region.is_empty() {
            let (scope, opened) = self.sessions.open(account).await;
            if let Err(gap) = opened {
                part.gaps.push(Gap { affects: Affects::Details, ..gap });
            } else {
                let known = self.known(account)?;
                // AWS's rates are per Region, so Regions do not wait for each other.
                let regions = by_region.iter().map(|(region, resources)| {
                    let scope = scope.in_region(region);
                    let known = &known;
                    async move { self.region(&scope, resources, known).await }
                });
                let home = scope.partition.default_region();
                let global = async {
                    if by_region.contains_key(&home) {
                        return Ok(History::default());
                    }
                    self.global(&scope.in_region(&home), &known).await
                };
                let (seen, global) = join(join_all(regions), global).await;
                for seen in seen.into_iter().chain([global]) {
                    let seen = seen?;
                    records += seen.executions.len() + seen.deployments.len() + seen.events.len();
                    // What AWS has forgotten is no refusal: the metrics say from when on they know.
                    let refused = seen.coverage.gaps.into_iter().filter(|gap| !gap.is_expired());
                    part.gaps.extend(refused.map(|gap| gap.gap));
                }
            }
            part.coverage.absorb(&scope.take_coverage());
        }
        part.normalise();
        self.run.write_inventory(Some(account), HISTORY, &part)?;
        self.progress.collected(account, records, part.gaps.len());
        Ok(())
    }

    /// Asks the sources one after the other: later ones ask about what earlier ones brought.
    async fn region(&self, scope: &Scope, resources: &[Resource], known: &History) -> Result<History, DeliveriesError> {
        let mut seen = History::default();
        let mut so_far = known.clone();
        for source in ACCOUNT_SOURCES.iter().filter(|source| self.sources.contains(&source.source())) {
            let brought = self.ask(*source, scope, resources, &so_far).await;
            let place = Some((&scope.account, &scope.region));
            self.store.append(place, source.source(), self.run.plan().run_id.as_str(), &brought)?;
            so_far.absorb(brought.clone());
            seen.absorb(brought);
        }
        Ok(seen)
    }

    /// What global services recorded where nothing is delivered: what the roles of deliveries may do changes there.
    async fn global(&self, scope: &Scope, known: &History) -> Result<History, DeliveriesError> {
        let mut seen = History::default();
        for source in ACCOUNT_SOURCES.iter().filter(|source| self.sources.contains(&source.source())) {
            let period = self.period(source.source());
            let (so_far, asked) = (known, self.options.as_of);
            let question = Question { period, resources: &[], known: &known.coverage, so_far, asked };
            let brought = source.collect_global(scope, question).await;
            let place = Some((&scope.account, &scope.region));
            self.store.append(place, source.source(), self.run.plan().run_id.as_str(), &brought)?;
            seen.absorb(brought);
        }
        Ok(seen)
    }

    async fn ask(
        &self,
        source: &dyn AccountHistory,
        scope: &Scope,
        resources: &[Resource],
        so_far: &History,
    ) -> History {
        let period = self.period(source.source());
        let question = Question { period, resources, known: &so_far.coverage, so_far, asked: self.options.as_of };
        source.collect(scope, question).await
    }

    /// Predecessors are looked for before the window; who did what is asked of the window alone.
    fn period(&self, source: HistorySource) -> Period {
        let from = if source.tells_events() { self.options.from() } else { self.options.earliest() };
        Period { from, to: self.options.as_of }
    }

    fn known(&self, account: &AccountId) -> Result<History, DeliveriesError> {
        let period = Period { from: self.options.earliest(), to: self.options.as_of };
        Ok(self.store.read(&|id| id == account.as_str(), period)?.0)
    }
}

/// The Regions in which something is delivered, each with all its resources.
pub(super) fn delivering_regions(inventory: &Inventory) -> BTreeMap<Region, Vec<Resource>> {
    let delivers = |resource: &&Resource| DELIVERING.contains(&resource.type_name) && resource.region != Region::GLOBAL;
    let regions: BTreeSet<&Region> = inventory.resources.iter().filter(delivers).map(|r| &r.region).collect();
    regions
        .into_iter()
        .map(|region| {
            // Branches stand in no Region; those that a pipeline here takes are asked about here.
            let here = |resource: &&Resource| resource.region == *region || resource.region == Region::GLOBAL;
            (region.clone(), inventory.resources.iter().filter(here).cloned().collect())
        })
        .collect()
}

/// What a run's history amounts to.
#[derive(Debug)]
pub struct Deliveries {
    /// The numbers.
    pub measurements: Measurements,
    /// What policies judge: `Delivery::Service` and `Delivery::Account`.
    pub resources: Vec<Resource>,
}

/// Puts together a history and what the inventories say.
#[must_use]
pub fn deliveries(history: &History, estate: &Estate, options: &Options) -> Deliveries {
    let delivery = assemble::assemble(history, estate, options);
    let resources = governance::observe(history, &delivery, estate, options);
    Deliveries { measurements: metrics::measure(&delivery, options), resources }
}

/// What the inventories of a run say of the things whose history is read.
///
/// # Errors
/// [`RunError`] if a part is damaged.
pub fn estate_of(run: &RunDirectory) -> Result<Estate, RunError> {
    let mut estate = Estate::default();
    estate.absorb(&run.read_inventory(None, ORGANIZATION)?);
    for account in run.accounts()? {
        estate.absorb(&own_parts(run, &account)?);
    }
    Ok(estate)
}

/// The history that a run's accounts have in the store, with the segments that it was read from.
///
/// # Errors
/// [`DeliveriesError`] if the run or a segment cannot be read.
pub fn history_of(
    run: &RunDirectory,
    store: &HistoryStore,
    sources: &BTreeSet<HistorySource>,
    options: &Options,
) -> Result<(History, Vec<SegmentEntry>), DeliveriesError> {
    let accounts: BTreeSet<String> = run.accounts()?.into_iter().map(String::from).collect();
    let period = Period { from: options.earliest(), to: options.as_of };
    let (mut history, segments) = store.read(&|id| id == "all" || accounts.contains(id), period)?;
    history.coverage.gaps.extend(closed_accounts(run, sources, period)?);
    history.coverage.normalise();
    Ok((history, segments))
}

/// The accounts of a run that could not be entered, so that nothing of their history was asked. The store does not hold
/// these gaps: the next run may enter.
///
/// # Errors
/// [`RunError`] if a part is damaged.
pub fn closed_accounts(
    run: &RunDirectory,
    sources: &BTreeSet<HistorySource>,
    period: Period,
) -> Result<Vec<HistoryGap>, RunError> {
    let mut gaps = Vec::new();
    for account in run.accounts()? {
        let closed =
            |gap: &Gap| gap.affects == Affects::Account || matches!(gap.cause, GapCause::RoleNotAssumed { .. });
        if let Some(gap) = own_parts(run, &account)?.gaps.into_iter().find(closed) {
            gaps.extend(sources.iter().map(|source| HistoryGap {
                source: *source,
                subject: None,
                from: Some(period.from),
                to: Some(period.to),
                gap: gap.clone(),
            }));
        }
    }
    Ok(gaps)
}

/// Writes the delivery facts beside the inventories, so that they are judged with them.
///
/// # Errors
/// [`RunError`] if a part cannot be written.
pub fn keep_facts(run: &RunDirectory, resources: Vec<Resource>) -> Result<(), RunError> {
    let mut by_account: BTreeMap<AccountId, Inventory> = BTreeMap::new();
    for resource in resources {
        by_account.entry(resource.account.clone()).or_default().resources.push(resource);
    }
    for (account, mut inventory) in by_account {
        inventory.normalise();
        run.write_inventory(Some(&account), DELIVERIES, &inventory)?;
    }
    Ok(())
}
