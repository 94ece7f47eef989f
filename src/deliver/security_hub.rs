//! Findings → Security Hub CSPM, in the account and Region of each.
//!
//! In: what Security Hub is told of a run (`asff`). Out: `BatchImportFindings` in every account through a role that may do
//! nothing else, or all in one account. Only what changed is sent again, by a hash that is remembered per finding; what is
//! over is archived if this run looked at it, and what could not be looked at stays as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::asff::{self, Told};
use super::receiver::settings;
use super::refusals::Refusals;
use super::security_hub_import::{Batches, Entered, Imported, Item, import};
use super::{Delivered, Delivery, DeliveryError, Grant, Kind, Memory, Package, Preview, PreviewLine, Receiver, Way};
use crate::finding::hex;
use crate::inventory::{AccountId, Partition, Region};
use crate::organization::{RoleHop, RolePattern, Sessions};
use crate::report::asff::FINDING_BYTES;
use crate::run::SPOOL;

/// Calls under way at once, over all accounts.
const BATCHES_AT_ONCE: usize = 8;
/// Security Hub deletes an active finding 90 days after its last update; one that still stands is told again in time:
/// <https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-providers.html>
const REFRESH: Duration = Duration::days(30);
const NEWEST: &str = "newest";

/// `[deliveries.security_hub]`
#[derive(Debug)]
pub(super) struct SecurityHub;

/// Whose findings they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Destination {
    /// The account that owns the resource.
    #[default]
    Finding,
    /// The account that delivers.
    Own,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// `finding` or `own`.
    #[serde(default)]
    account: Destination,
    /// The role that imports, in every account; never the role that audits.
    #[serde(default)]
    role: Option<String>,
    /// Asked for by that role's trust.
    #[serde(default)]
    external_id: Option<String>,
    /// Whether passes are told too.
    #[serde(default)]
    passed: bool,
    /// Whether results that could not be seen are told, even where no violation was told before.
    #[serde(default)]
    not_seen: bool,
}

impl Kind for SecurityHub {
    fn table(&self) -> &'static str {
        "security_hub"
    }

    fn about(&self) -> &'static str {
        "findings in Security Hub CSPM, in the account and Region of each; only what changed"
    }

    fn actions(&self) -> &'static [&'static str] {
        &["securityhub:BatchImportFindings", "sts:AssumeRole"]
    }

    fn member_actions(&self) -> &'static [&'static str] {
        &["securityhub:BatchImportFindings"]
    }

    fn read(&self, name: &str, table: Value) -> Result<Arc<dyn Receiver>, String> {
        let settings: Settings = settings(table)?;
        let role: Option<RolePattern> = settings
            .role
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|error: crate::organization::RolePatternError| format!("`role`: {error}"))?;
        let hop = match (settings.account, role) {
            (Destination::Finding, None) => {
                return Err(
                    "`role`: findings are imported by the account that they belong to; name the role that may do so, e.g. \
                     `PipewardenDeliver` (`pipewarden role --deliveries --for member --format cloudformation`), or write `account = \"own\"`"
                        .to_owned(),
                );
            }
            (Destination::Own, Some(_)) => {
                return Err("`role` says nothing with `account = \"own\"`: no account is entered".to_owned());
            }
            (_, role) => role.map(|role| RoleHop { role, external_id: settings.external_id.clone() }),
        };
        Ok(Arc::new(Configured { name: name.to_owned(), settings, hop }))
    }
}

#[derive(Debug, Clone)]
struct Configured {
    name: String,
    settings: Settings,
    hop: Option<RoleHop>,
}

impl Receiver for Configured {
    fn grants(&self) -> Vec<Grant> {
        let import = Grant { actions: vec!["securityhub:BatchImportFindings"], resources: vec!["*".to_owned()] };
        let enter = self.settings.role.as_ref().map(|role| Grant {
            actions: vec!["sts:AssumeRole"],
            resources: vec![if role.starts_with("arn:") {
                role.replace("{account}", "*").replace("{partition}", "aws")
            } else {
                format!("arn:aws:iam::*:role/{role}")
            }],
        });
        [Some(import), enter].into_iter().flatten().collect()
    }

    fn open(&self, way: &Way<'_>) -> Result<Box<dyn Delivery>, DeliveryError> {
        let sessions = self.hop.clone().map_or_else(|| way.sessions.clone(), |hop| way.sessions.through(hop));
        Ok(Box::new(ToHub { name: self.name.clone(), settings: self.settings.clone(), sessions }))
    }
}

struct ToHub {
    name: String,
    settings: Settings,
    sessions: Sessions,
}

/// What is done with a finding.
enum Decision {
    /// Security Hub need not hear of it.
    Silent,
    /// It has it already.
    Unchanged,
    Send(Item),
}

impl ToHub {
    fn decide(&self, told: Told, own: &Own, run: &RunTime, memory: &Memory) -> Result<Decision, DeliveryError> {
        let remembered = memory.get(&key_of(told.id())).and_then(Value::as_str).map(str::to_owned);
        let mut told = told;
        let known = remembered.is_some();
        // What this run looked at and found good closes what was told before, whichever run it was that saw it first.
        let over = told.is_archived() || (told.status() == "PASSED" && !self.settings.passed);
        let unseen = matches!(told.status(), "WARNING" | "NOT_AVAILABLE") && !over;
        if (over && !known) || (unseen && !known && !self.settings.not_seen) {
            return Ok(Decision::Silent);
        }
        if over {
            told.archive();
        }
        if self.settings.account == Destination::Own {
            told = told.moved_to(&own.account, &own.region, own.partition);
        }
        let hash = hash_of(&told.lasting())?;
        let fresh = |remembered: &str| {
            let (old, since) = remembered.split_once(' ').unwrap_or_default();
            old == hash && run.is_fresh(since)
        };
        if remembered.as_deref().is_some_and(fresh) {
            return Ok(Decision::Unchanged);
        }
        let body = serde_json::to_vec(&told.value).map_err(std::io::Error::from);
        Ok(Decision::Send(Item {
            id: told.id().to_owned(),
            body: body.map_err(DeliveryError::unreadable(std::path::Path::new(SPOOL)))?,
            remembered: if over { Value::Null } else { json!(format!("{hash} {}", run.started_at)) },
            account: told.account,
            region: told.region,
        }))
    }

    fn own(&self) -> Own {
        let scope = self.sessions.own_scope();
        Own { account: scope.account, region: scope.region, partition: scope.partition }
    }

    /// Findings of a run that is older than what Security Hub has would take it back in time.
    fn too_old(run: &str, memory: &Memory) -> Option<String> {
        let newest = memory.get(NEWEST).and_then(Value::as_str).filter(|newest| *newest > run)?;
        Some(format!("nothing was sent: run {run} is older than run {newest}, which Security Hub has already"))
    }
}

/// The account that delivers.
struct Own {
    account: AccountId,
    region: Region,
    partition: Partition,
}

/// When the run was.
struct RunTime {
    started_at: String,
    moment: Option<OffsetDateTime>,
}

impl RunTime {
    fn of(package: &Package<'_>) -> Self {
        let started_at = package.manifest.run.started_at.clone();
        let moment = OffsetDateTime::parse(&started_at, &Rfc3339).ok();
        Self { started_at, moment }
    }

    fn is_fresh(&self, since: &str) -> bool {
        let since = OffsetDateTime::parse(since, &Rfc3339).ok();
        self.moment.zip(since).is_some_and(|(now, since)| now - since < REFRESH)
    }
}

fn key_of(id: &str) -> String {
    format!("finding/{id}")
}

fn hash_of(value: &Value) -> Result<String, DeliveryError> {
    let bytes = serde_json::to_vec(value)
        .map_err(std::io::Error::from)
        .map_err(DeliveryError::unreadable(std::path::Path::new(SPOOL)))?;
    Ok(hex(Sha256::digest(bytes).get(..12).unwrap_or_default()))
}

fn lock<'a, 'b>(memory: &'a Mutex<&'b mut Memory>) -> std::sync::MutexGuard<'a, &'b mut Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What came of all batches.
#[derive(Default)]
struct Tally {
    delivered: Delivered,
    refusals: Refusals,
    /// Places where nothing can be imported: the problem, and how many findings wait for it.
    closed: BTreeMap<(AccountId, Region), (String, u64)>,
}

impl Tally {
    fn take(&mut self, imported: Imported, memory: &Mutex<&mut Memory>) -> Result<(), DeliveryError> {
        let Imported { batch, taken } = imported;
        let waiting = batch.items.len() as u64;
        match taken {
            Err(problem) => {
                let place = (batch.account, batch.region);
                self.closed.entry(place).or_insert((problem, 0)).1 += waiting;
            }
            Ok(failed) => {
                let mut entries = Vec::new();
                for item in batch.items {
                    if let Some(problem) = failed.get(&item.id) {
                        self.refusals.add(format!("finding {}: {problem}", item.id));
                    } else {
                        self.delivered.sent += 1;
                        entries.push((key_of(&item.id), item.remembered));
                    }
                }
                lock(memory).put_all(entries)?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Delivered {
        for ((account, region), (problem, waiting)) in self.closed {
            self.refusals
                .add(format!("Security Hub of {account} in {region}: {problem} ({waiting} findings not taken)"));
        }
        self.delivered.refused = self.refusals.into_sentences();
        self.delivered
    }
}

#[async_trait]
impl Delivery for ToHub {
    fn name(&self) -> &str {
        &self.name
    }

    fn receiver(&self) -> String {
        match self.settings.account {
            Destination::Finding => "Security Hub of each finding's account and Region".to_owned(),
            Destination::Own => {
                let own = self.own();
                format!("Security Hub of {} in {}", own.account, own.region)
            }
        }
    }

    async fn preview(&self, package: &Package<'_>, memory: &Memory) -> Result<Preview, DeliveryError> {
        let (own, run) = (self.own(), RunTime::of(package));
        if Self::too_old(&package.manifest.run.run_id, memory).is_some() {
            return Ok(Preview::default());
        }
        let mut preview = Preview::default();
        let mut sums: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        let mut places = BTreeSet::new();
        let spool = package.run.path().join(SPOOL);
        for told in asff::all(package.report, &own.region).map_err(DeliveryError::unreadable(&spool))? {
            let told = told.map_err(DeliveryError::unreadable(&spool))?;
            match self.decide(told, &own, &run, memory)? {
                Decision::Silent => {}
                Decision::Unchanged => preview.unchanged += 1,
                Decision::Send(item) => {
                    let what = if item.remembered.is_null() { "findings to archive" } else { "findings to import" };
                    let (count, bytes) = sums.entry(what).or_default();
                    *count += 1;
                    *bytes += item.body.len() as u64;
                    places.insert((item.account, item.region));
                }
            }
        }
        preview.things = sums
            .into_iter()
            .map(|(what, (count, bytes))| PreviewLine {
                what: format!("{what}, in {} accounts and Regions in all", places.len()),
                count,
                bytes,
            })
            .collect();
        Ok(preview)
    }

    async fn deliver(&self, package: &Package<'_>, memory: &mut Memory) -> Result<Delivered, DeliveryError> {
        let (own, run) = (self.own(), RunTime::of(package));
        let run_id = package.manifest.run.run_id.clone();
        if let Some(sentence) = Self::too_old(&run_id, memory) {
            return Ok(Delivered { refused: vec![sentence], ..Delivered::default() });
        }
        let spool = package.run.path().join(SPOOL);
        let memory = Mutex::new(memory);
        let mut tally = Tally::default();
        let mut told = asff::all(package.report, &own.region).map_err(DeliveryError::unreadable(&spool))?;
        let mut batches = Batches::default();
        let mut under_way = FuturesUnordered::new();
        let mut entered: Option<Arc<Entered>> = None;
        let mut ended = false;
        loop {
            while !ended && under_way.len() < BATCHES_AT_ONCE {
                let batch = match told.next() {
                    None => {
                        ended = true;
                        batches.rest()
                    }
                    Some(told) => {
                        let told = told.map_err(DeliveryError::unreadable(&spool))?;
                        match self.decide(told, &own, &run, &lock(&memory))? {
                            Decision::Silent => None,
                            Decision::Unchanged => {
                                tally.delivered.unchanged += 1;
                                None
                            }
                            Decision::Send(item) if item.body.len() > FINDING_BYTES => {
                                tally.refusals.add(format!(
                                    "finding {}: has {} bytes, more than the {FINDING_BYTES} that Security Hub takes",
                                    item.id,
                                    item.body.len()
                                ));
                                None
                            }
                            Decision::Send(item) => batches.add(item),
                        }
                    }
                };
                let Some(batch) = batch else { continue };
                let place = (batch.account.clone(), batch.region.clone());
                if let Some((_, waiting)) = tally.closed.get_mut(&place) {
                    *waiting += batch.items.len() as u64;
                    continue;
                }
                let session = match entered.take().filter(|entered| entered.account == batch.account) {
                    Some(session) => session,
                    None if self.settings.account == Destination::Own => Arc::new(Entered::own(&self.sessions)),
                    None => Arc::new(Entered::of(batch.account.clone())),
                };
                entered = Some(Arc::clone(&session));
                under_way.push(import(&self.sessions, session, batch));
            }
            match under_way.next().await {
                Some(imported) => tally.take(imported, &memory)?,
                None if ended => break,
                None => {}
            }
        }
        drop(told);
        lock(&memory).put(NEWEST, json!(run_id))?;
        Ok(tally.finish())
    }
}
