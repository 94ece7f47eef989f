//! Findings → Security Hub CSPM, in the account and Region of each.
//!
//! In: what Security Hub is told of a run (`asff`). Out: `BatchImportFindings` in every account through a role that may do
//! nothing else, or all in one account. Only what changed is sent again, by a hash that is remembered per finding; what is
//! over is archived if this run looked at it, and what could not be looked at stays as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

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
use super::security_hub_ended::{Position, ended};
use super::security_hub_import::{Batches, Entered, Item, import};
use super::security_hub_tally::{Tally, lock};
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
/// And then there is nothing left to archive.
const KEPT: Duration = Duration::days(90);
/// Under it, the [`Position`] of the newest run that was told as a whole.
const NEWEST: &str = "newest";
/// Findings that Security Hub has and that are not archived there, by id.
const FINDING: &str = "finding/";
/// What is over and was not taken yet, by id: the run that saw it end says so only once.
pub(super) const PENDING: &str = "pending/";

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
    /// Whether passes are told too, and stay active for as long as they are good.
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
        &["securityhub:BatchImportFindings", "sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"]
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
    fn grants(&self, partition: Partition) -> Vec<Grant> {
        let import = Grant { actions: vec!["securityhub:BatchImportFindings"], resources: vec!["*".to_owned()] };
        let enter = self.settings.role.as_ref().map(|role| Grant {
            actions: vec!["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"],
            resources: vec![if role.starts_with("arn:") {
                role.replace("{account}", "*").replace("{partition}", partition.as_str())
            } else {
                format!("arn:{partition}:iam::*:role/{role}")
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
        let passed = told.status() == "PASSED";
        let over = (told.is_archived() || passed) && !(passed && self.settings.passed);
        let unseen = matches!(told.status(), "WARNING" | "NOT_AVAILABLE") && !over;
        if (over && !known) || (unseen && !known && !self.settings.not_seen) {
            return Ok(Decision::Silent);
        }
        if over {
            told.archive();
        } else if passed {
            told.activate();
        }
        self.item(told, own, run, over, remembered.as_deref())
    }

    fn item(
        &self,
        mut told: Told,
        own: &Own,
        run: &RunTime,
        over: bool,
        remembered: Option<&str>,
    ) -> Result<Decision, DeliveryError> {
        if self.settings.account == Destination::Own {
            told = told.moved_to(&own.account, &own.region, own.partition);
        }
        let hash = hash_of(&told.lasting())?;
        let fresh = |remembered: &str| {
            let (old, since) = remembered.split_once(' ').unwrap_or_default();
            old == hash && run.is_fresh(since)
        };
        if remembered.is_some_and(fresh) {
            return Ok(Decision::Unchanged);
        }
        let body = serde_json::to_vec(&told.value).map_err(std::io::Error::from);
        Ok(Decision::Send(Item {
            id: told.id().to_owned(),
            body: body.map_err(DeliveryError::unreadable(Path::new(SPOOL)))?,
            remembered: if over { Value::Null } else { json!(format!("{hash} {}", run.started_at)) },
            account: told.account,
            region: told.region,
        }))
    }

    fn own(&self) -> Own {
        let scope = self.sessions.own_scope();
        Own { account: scope.account, region: scope.region, partition: scope.partition }
    }

    /// Findings of a run that looked earlier than what Security Hub has would take it back in time.
    fn too_old(this: &Position, memory: &Memory) -> Option<String> {
        let newest = newest(memory).filter(|newest| newest > this)?;
        let (Position(seen, run), Position(newest_seen, newest)) = (this, newest);
        Some(format!(
            "run {run} is older than run {newest}, which Security Hub has already (they show AWS as of {seen} and {newest_seen})"
        ))
    }
}

/// The newest run that was told as a whole.
fn newest(memory: &Memory) -> Option<Position> {
    serde_json::from_value(memory.get(NEWEST)?.clone()).ok()
}

/// Everything that a run has to say, finding by finding: first what it shows, then what Security Hub still has although it
/// is over.
struct Pass<'a> {
    hub: &'a ToHub,
    package: &'a Package<'a>,
    own: &'a Own,
    run: RunTime,
    told: asff::ToldPass<'a>,
    /// Ids that Security Hub has and that the run did not come by so far.
    unmet: BTreeSet<String>,
    /// What is over, once the run has said what it shows.
    rest: Option<std::vec::IntoIter<Item>>,
}

impl<'a> Pass<'a> {
    fn of(hub: &'a ToHub, package: &'a Package<'a>, own: &'a Own, memory: &Memory) -> Result<Self, DeliveryError> {
        let spool = package.run.path().join(SPOOL);
        Ok(Self {
            hub,
            package,
            own,
            run: RunTime::of(package),
            told: asff::all(package.report, &own.region).map_err(DeliveryError::unreadable(&spool))?,
            unmet: ids(memory, FINDING),
            rest: None,
        })
    }

    fn next(&mut self, memory: &Memory) -> Result<Option<Decision>, DeliveryError> {
        if self.rest.is_none() {
            if let Some(told) = self.told.next() {
                let told = told.map_err(DeliveryError::unreadable(&self.package.run.path().join(SPOOL)))?;
                self.unmet.remove(told.id());
                return self.hub.decide(told, self.own, &self.run, memory).map(Some);
            }
            self.rest = Some(self.over(memory)?.into_iter());
        }
        Ok(self.rest.as_mut().and_then(Iterator::next).map(Decision::Send))
    }

    /// What the run does not show and is over.
    fn over(&self, memory: &Memory) -> Result<Vec<Item>, DeliveryError> {
        let mut unmet = self.unmet.clone();
        let mut items: Vec<Item> =
            self.unmet.iter().filter_map(|id| Item::pending(id, memory.get(&format!("{PENDING}{id}"))?)).collect();
        for item in &items {
            unmet.remove(&item.id);
        }
        // A recheck looked at little, so what it does not show is not over.
        if self.package.report.over_time.recheck.is_some() {
            unmet.clear();
        }
        for mut told in ended(self.package, &self.own.region, unmet, newest(memory).as_ref())? {
            told.archive();
            if let Decision::Send(item) = self.hub.item(told, self.own, &self.run, true, None)? {
                items.push(item);
            }
        }
        items.sort_by(|one, other| {
            (&one.account, &one.region, &one.id).cmp(&(&other.account, &other.region, &other.id))
        });
        Ok(items)
    }

    /// Forgets what Security Hub has deleted by itself, and what is not over after all.
    fn tidy(&self, waits_again: &BTreeSet<String>, memory: &mut Memory) -> Result<(), DeliveryError> {
        let deleted = self.unmet.iter().map(|id| key_of(id)).filter(|key| {
            let told = memory.get(key).and_then(Value::as_str).and_then(|told| told.split_once(' '));
            told.is_some_and(|(_, since)| self.run.is_longer_than(KEPT, since))
        });
        let mut forgotten: Vec<String> = deleted.collect();
        let pending = ids(memory, PENDING);
        let met = pending.difference(&self.unmet).filter(|id| !waits_again.contains(*id));
        forgotten.extend(met.map(|id| format!("{PENDING}{id}")));
        memory.put_all(forgotten.into_iter().map(|key| (key, Value::Null)))
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

    fn is_longer_than(&self, time: Duration, since: &str) -> bool {
        let since = OffsetDateTime::parse(since, &Rfc3339).ok();
        self.moment.zip(since).is_some_and(|(now, since)| now - since > time)
    }
}

pub(super) fn key_of(id: &str) -> String {
    format!("{FINDING}{id}")
}

/// What is remembered under keys that begin so, without that.
fn ids(memory: &Memory, prefix: &str) -> BTreeSet<String> {
    memory.keys(prefix).filter_map(|key| key.strip_prefix(prefix)).map(str::to_owned).collect()
}

fn hash_of(value: &Value) -> Result<String, DeliveryError> {
    let bytes =
        serde_json::to_vec(value).map_err(std::io::Error::from).map_err(DeliveryError::unreadable(Path::new(SPOOL)))?;
    Ok(hex(Sha256::digest(bytes).get(..12).unwrap_or_default()))
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
        let own = self.own();
        if let Some(why) = Self::too_old(&Position::of(package.run), memory) {
            return Ok(Preview::refused(&why));
        }
        let mut preview = Preview::default();
        let mut sums: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        let mut places = BTreeSet::new();
        let mut pass = Pass::of(self, package, &own, memory)?;
        while let Some(decision) = pass.next(memory)? {
            match decision {
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
        let (own, position) = (self.own(), Position::of(package.run));
        if let Some(why) = Self::too_old(&position, memory) {
            return Ok(Delivered { refused: vec![format!("nothing was sent: {why}")], ..Delivered::default() });
        }
        let mut pass = Pass::of(self, package, &own, memory)?;
        let memory = Mutex::new(memory);
        let mut tally = Tally::default();
        let mut batches = Batches::default();
        let mut under_way = FuturesUnordered::new();
        let mut entered: Option<Arc<Entered>> = None;
        let mut ended = false;
        loop {
            while !ended && under_way.len() < BATCHES_AT_ONCE {
                let decision = pass.next(&lock(&memory))?;
                let batch = match decision {
                    None => {
                        ended = true;
                        batches.rest()
                    }
                    Some(Decision::Silent) => None,
                    Some(Decision::Unchanged) => {
                        tally.delivered.unchanged += 1;
                        None
                    }
                    Some(Decision::Send(item)) if item.body.len() > FINDING_BYTES => {
                        tally.refusals.add(format!(
                            "finding {}: has {} bytes, more than the {FINDING_BYTES} that Security Hub takes",
                            item.id,
                            item.body.len()
                        ));
                        None
                    }
                    Some(Decision::Send(item)) => batches.add(item),
                };
                let Some(batch) = batch else { continue };
                if tally.is_closed(&batch) {
                    tally.wait(&batch, &memory)?;
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
        drop(under_way);
        let mut memory = lock(&memory);
        pass.tidy(&tally.waiting, &mut memory)?;
        let delivered = tally.finish();
        // Where nothing was taken, Security Hub has nothing of this run; and a recheck is not all of what a run says.
        let is_whole = package.report.over_time.recheck.is_none();
        if is_whole && (delivered.sent + delivered.unchanged > 0 || delivered.refused.is_empty()) {
            memory.put(NEWEST, json!(position))?;
        }
        Ok(delivered)
    }
}
