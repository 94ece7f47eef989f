//! The delivery of a run to a tracker.
//!
//! In: a sealed run. Out: tickets as the run sees them. First the tracker is asked what it has, so that nothing is opened
//! that is there; then every ticket is decided on, and then the decisions are done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::decision::{Change, Decision, Ticket, decide};
use super::groups::Look;
use super::known::{Known, baseline, being_opened, is_fresh, line, opened, put_baseline};
use super::rounds::{Round, Work, remember, work};
use super::{Found, Keys, Remote, Rules, Status, Tracker, Trouble};
use crate::deliver::notice::counted;
use crate::deliver::refusals::Refusals;
use crate::deliver::security_hub_ended::Position;
use crate::deliver::{Delivered, Delivery, DeliveryError, Memory, Pace, Package, Preview, PreviewLine};

/// Under it, the [`Position`] of the newest run that was told.
const NEWEST: &str = "newest";
/// Under it, the [`Position`] of the newest run after which no ticket was left behind: what ended since then may be told by
/// a run in between alone.
const SETTLED: &str = "settled";
/// How often the tracker is asked what it has where that is not remembered: a search may lag behind what was written.
const LOOKS: usize = 3;
/// Between two such looks.
const LAG: Duration = Duration::from_secs(10);

pub(super) struct ToTracker {
    pub(super) name: String,
    pub(super) rules: Rules,
    pub(super) tracker: Box<dyn Tracker>,
    pub(super) pace: Arc<dyn Pace>,
    pub(super) receiver: String,
}

fn position(memory: &Memory, key: &str) -> Option<Position> {
    serde_json::from_value(memory.get(key)?.clone()).ok()
}

/// A run that looked earlier than what the tickets show would take them back in time.
fn too_old(this: &Position, memory: &Memory) -> Option<String> {
    let newest = position(memory, NEWEST).filter(|newest| newest > this)?;
    let (Position(seen, run), Position(newest_seen, newest)) = (this, newest);
    Some(format!(
        "run {run} is older than run {newest}, which the tickets show already (they show AWS as of {seen} and {newest_seen})"
    ))
}

/// Of several tickets of one key, the one that is kept up to date.
fn chosen(remotes: &[Remote]) -> Option<&Remote> {
    remotes.iter().max_by_key(|remote| (remote.status == Status::Open, remote.number, &remote.id))
}

/// `12` of `acme/web#12`, which stays when the repository gets another name; ids of other trackers have no such part.
fn number(id: &str) -> Option<&str> {
    id.rsplit('#').next()
}

impl ToTracker {
    fn keys(&self, package: &Package<'_>) -> Keys {
        Keys::of(&package.manifest.run.organization, &self.name)
    }

    fn look(&self, package: &Package<'_>, keys: &Keys, known: &Known, memory: &Memory) -> Result<Look, DeliveryError> {
        let since = baseline(memory, &package.manifest.run.started_at);
        Look::of(package, keys, &self.rules, known, (&since, position(memory, SETTLED).as_ref()))
    }

    /// Everything that the tracker has; asked several times where that is not known from before.
    async fn found(&self, keys: &Keys, known: &Known, memory: &Memory) -> (Found, Vec<(String, Trouble)>) {
        let mut places = self.tracker.places();
        places.extend(known.entries.values().filter(|entry| !entry.over).map(|entry| self.tracker.place_of(&entry.id)));
        let (mut found, mut troubles) = self.tracker.list(&keys.of, &places).await;
        let unsure = being_opened(memory);
        for _ in 1..LOOKS {
            // Where closed tickets are not opened again, one that is found closed is not the one that was being opened.
            let stands = |key: &String| {
                found.get(key).is_some_and(|remotes| remotes.iter().any(|remote| remote.status == Status::Open))
            };
            let is_sure = !is_fresh(memory) && unsure.iter().all(stands);
            if is_sure || troubles.iter().any(|(_, trouble)| matches!(trouble, Trouble::Stop(..))) {
                break;
            }
            self.pace.pause(LAG).await;
            let (more, again) = self.tracker.list(&keys.of, &places).await;
            for (key, remotes) in more {
                let kept = found.entry(key).or_default();
                kept.retain(|one| remotes.iter().all(|other| other.id != one.id));
                kept.extend(remotes);
            }
            troubles = again;
        }
        (found, troubles)
    }

    /// How each ticket stands; tickets that nobody remembers are taken over.
    async fn statuses(
        &self,
        round: &mut Round<'_>,
        found: &Found,
        memory: &mut Memory,
    ) -> Result<BTreeMap<String, Status>, DeliveryError> {
        let mut statuses = BTreeMap::new();
        for (key, remotes) in found {
            let Some(remote) = chosen(remotes) else { continue };
            // A repository that was renamed: the ticket is the same, and its old address answers nobody.
            if let Some(entry) = round.known.entries.get_mut(key)
                && remotes.iter().all(|other| other.id != entry.id)
                && let Some(renamed) = remotes.iter().find(|other| number(&other.id) == number(&entry.id))
                && (entry.over || round.closed.contains_key(&self.tracker.place_of(&entry.id)))
            {
                entry.id.clone_from(&renamed.id);
                let kept = line(key, entry);
                remember(memory, vec![kept])?;
            }
            if let Some(entry) = round.known.entries.get(key) {
                // The one that is remembered, unless it was closed and another one stands.
                let same = remotes.iter().find(|other| other.id == entry.id);
                let kept = same.filter(|same| same.status == Status::Open || remote.status != Status::Open);
                if let Some(kept) = kept {
                    statuses.insert(key.clone(), kept.status.clone());
                    continue;
                }
                if same.is_none() {
                    continue;
                }
            }
            let is_wanted = remote.status == Status::Open || round.look.groups.contains_key(key);
            if !is_wanted {
                continue;
            }
            let content = match self.tracker.content(remote).await {
                Ok(content) => content,
                Err(trouble) => {
                    round.note(&self.tracker.place_of(&remote.id), trouble);
                    // Not to be opened a second time, and not to be judged by what is not known of it.
                    round.left_alone.insert(key.clone());
                    continue;
                }
            };
            remember(memory, round.known.adopt(key, remote, content))?;
            statuses.insert(key.clone(), remote.status.clone());
        }
        let missing: Vec<(String, String)> = round
            .known
            .entries
            .iter()
            .filter(|(key, _)| !statuses.contains_key(*key) && !round.left_alone.contains(*key))
            .filter(|(key, entry)| !entry.over || round.look.groups.contains_key(*key))
            .map(|(key, entry)| (key.clone(), entry.id.clone()))
            .collect();
        for (key, id) in missing {
            let place = self.tracker.place_of(&id);
            if round.stopped.is_some() || round.closed.contains_key(&place) {
                continue;
            }
            match self.tracker.look(&id).await {
                Ok(Some(remote)) => {
                    statuses.insert(key, remote.status);
                }
                Ok(None) => remember(memory, round.known.forget(&key))?,
                Err(trouble) => round.note(&place, trouble),
            }
        }
        Ok(statuses)
    }

    /// What is done with every ticket; one whose status is not known is left for the next delivery.
    fn decisions(
        &self,
        round: &Round<'_>,
        statuses: &BTreeMap<String, Status>,
        observed_at: &str,
    ) -> BTreeMap<String, Decision> {
        let keys: BTreeSet<&String> = round.look.groups.keys().chain(round.known.entries.keys()).collect();
        let mut decisions = BTreeMap::new();
        for key in keys.into_iter().filter(|key| !round.left_alone.contains(*key)) {
            let seen = round.look.seen(key);
            let entry = round.known.entries.get(key);
            let status = statuses.get(key);
            let ticket = match (entry, status) {
                (Some(_), None) => continue,
                (Some(entry), Some(status)) => Some(Ticket {
                    status,
                    whole: entry.whole,
                    is_known: entry.whole || !entry.content.is_empty(),
                    is_current: entry.content == round.look.content(key),
                    standing: round.look.standing(key),
                    said: entry.said,
                }),
                (None, _) => None,
            };
            decisions.insert(key.clone(), decide(&self.rules, &seen, ticket.as_ref(), observed_at));
        }
        decisions
    }

    fn round<'a>(&'a self, package: &'a Package<'a>, keys: &'a Keys, known: Known, look: Look) -> Round<'a> {
        Round {
            package,
            keys,
            rules: &self.rules,
            tracker: &*self.tracker,
            known,
            look,
            delivered: Delivered::default(),
            refusals: Refusals::default(),
            closed: BTreeMap::new(),
            stopped: None,
            left_alone: BTreeSet::new(),
        }
    }

    fn waiting(&self, waiting: u64) -> String {
        format!(
            "{} not sent: {} more than `max_new` = {} are to be opened; the worst came first, the rest comes with the next deliveries",
            counted(waiting, "ticket"),
            waiting,
            self.rules.max_new
        )
    }
}

#[async_trait]
impl Delivery for ToTracker {
    fn name(&self) -> &str {
        &self.name
    }

    fn receiver(&self) -> String {
        self.receiver.clone()
    }

    async fn preview(&self, package: &Package<'_>, memory: &Memory) -> Result<Preview, DeliveryError> {
        let position = Position::of(package.run);
        if is_recheck(package) {
            return Ok(Preview::default());
        }
        if let Some(why) = too_old(&position, memory) {
            return Ok(Preview::refused(&why));
        }
        let (keys, known) = (self.keys(package), Known::of(memory));
        let look = self.look(package, &keys, &known, memory)?;
        // Nobody is asked, so every ticket is taken to stand as it was left.
        let left = |over: bool| if over { Status::Done(None) } else { Status::Open };
        let statuses = known.entries.iter().map(|(key, entry)| (key.clone(), left(entry.over))).collect();
        let round = self.round(package, &keys, known, look);
        let decisions = self.decisions(&round, &statuses, &position.0);
        let (work, unchanged, waiting) = work(decisions, &round.look, self.rules.max_new);
        let things = [
            ("tickets to open", work.opens.clone()),
            ("tickets to change", changes(&work, |change| !change.close)),
            ("tickets to close", changes(&work, |change| change.close)),
        ];
        let mut preview = Preview { things: Vec::new(), unchanged };
        for (what, tickets) in things.into_iter().filter(|(_, tickets)| !tickets.is_empty()) {
            let sheets = round.sheets(&tickets.iter().map(String::as_str).collect())?;
            let sizes = sheets.iter().filter_map(|(key, sheet)| round.written(key, sheet, true));
            let bytes = sizes.map(|written| self.tracker.size(&written.page, &written.mark)).sum();
            preview.things.push(PreviewLine { what: what.to_owned(), count: tickets.len() as u64, bytes });
        }
        if waiting > 0 {
            let what = format!("tickets that wait, because `max_new` is {}", self.rules.max_new);
            preview.things.push(PreviewLine { what, count: waiting, bytes: 0 });
        }
        Ok(preview)
    }

    async fn deliver(&self, package: &Package<'_>, memory: &mut Memory) -> Result<Delivered, DeliveryError> {
        if is_recheck(package) {
            return Ok(Delivered::default());
        }
        let position = Position::of(package.run);
        if let Some(why) = too_old(&position, memory) {
            return Ok(Delivered { refused: vec![format!("nothing was sent: {why}")], ..Delivered::default() });
        }
        let (keys, known) = (self.keys(package), Known::of(memory));
        let (found, troubles) = self.found(&keys, &known, memory).await;
        let look = self.look(package, &keys, &known, memory)?;
        let mut round = self.round(package, &keys, known, look);
        if troubles.is_empty() {
            // They are found by now, or were never opened.
            remember(memory, being_opened(memory).iter().map(|key| opened(key)).collect())?;
        }
        for (place, trouble) in troubles {
            match trouble {
                Trouble::Stop(said, hint) => round.stopped = Some((said, hint, 0)),
                // Where nobody knows what is there, nothing may be opened.
                Trouble::Place(said) | Trouble::Ticket(said) => {
                    round.closed.insert(place, (said, 0));
                }
            }
        }
        let statuses = self.statuses(&mut round, &found, memory).await?;
        round.look = self.look(package, &keys, &round.known, memory)?;
        let decisions = self.decisions(&round, &statuses, &position.0);
        let (work, unchanged, waiting) = work(decisions, &round.look, self.rules.max_new);
        round.delivered.unchanged = unchanged;
        round.run(&work, memory).await?;
        let has_stopped = round.stopped.is_some();
        let is_settled = !has_stopped && round.closed.is_empty() && round.refusals.is_empty();
        if waiting > 0 {
            round.refusals.add(self.waiting(waiting));
        }
        let delivered = round.finish()?;
        put_baseline(memory, &package.manifest.run.started_at)?;
        if !has_stopped && (delivered.sent + delivered.unchanged > 0 || delivered.refused.is_empty()) {
            memory.put(NEWEST, json!(position))?;
        }
        if is_settled {
            memory.put(SETTLED, json!(position))?;
        }
        Ok(delivered)
    }
}

/// A ticket shows everything that belongs in it, and a recheck looked at a part of that: the next full run writes it.
fn is_recheck(package: &Package<'_>) -> bool {
    package.report.over_time.recheck.is_some()
}

/// Changed tickets of one sort.
fn changes(work: &Work, is: impl Fn(&Change) -> bool) -> Vec<String> {
    work.changes.iter().filter(|(_, change)| is(change)).map(|(key, _)| key.clone()).collect()
}
