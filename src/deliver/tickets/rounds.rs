//! One delivery to a tracker, ticket by ticket.
//!
//! In: what is decided of every ticket. Out: calls to the tracker, each remembered at once, and what came of them. What
//! may have been written although nobody heard of it is looked for before it is written again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::decision::{Change, Decision, Said};
use super::groups::Look;
use super::known::{Entry, Known, line, lines_of_findings, opened, opening};
use super::page::{Material, Page, mark_of, words};
use super::sheets::{Sheet, sheets};
use super::{Content, Keys, Mark, Rules, Tracker, Trouble};
use crate::deliver::refusals::Refusals;
use crate::deliver::{Delivered, DeliveryError, Memory, Package};
use crate::finding::Severity;

/// Tickets whose rows are held at once.
const AT_ONCE: usize = 100;

/// What is to be done.
pub(super) struct Work {
    /// In order of key.
    pub(super) changes: Vec<(String, Change)>,
    /// The worst and oldest first.
    pub(super) opens: Vec<String>,
}

/// A delivery under way.
pub(super) struct Round<'a> {
    pub(super) package: &'a Package<'a>,
    pub(super) keys: &'a Keys,
    pub(super) rules: &'a Rules,
    pub(super) tracker: &'a dyn Tracker,
    pub(super) known: Known,
    pub(super) look: Look,
    pub(super) delivered: Delivered,
    pub(super) refusals: Refusals,
    /// Places where nothing can be written: why, and how many tickets wait for it.
    pub(super) closed: BTreeMap<String, (String, u64)>,
    /// Why nothing else works either, how to mend it, and how many tickets wait for it.
    pub(super) stopped: Option<(String, String, u64)>,
    /// Tickets of which too little is known this time.
    pub(super) left_alone: BTreeSet<String>,
}

/// What a ticket's page is written from.
pub(super) struct Written {
    pub(super) page: Page,
    pub(super) mark: Mark,
    /// Everything that is in the ticket from now on.
    pub(super) findings: BTreeMap<String, Severity>,
}

impl Round<'_> {
    /// Does everything that can be done.
    pub(super) async fn run(&mut self, work: &Work, memory: &mut Memory) -> Result<(), DeliveryError> {
        for chunk in work.changes.chunks(AT_ONCE) {
            let wanted = chunk.iter().filter(|(_, change)| change.write).map(|(key, _)| key.as_str()).collect();
            let sheets = self.sheets(&wanted)?;
            for (key, change) in chunk {
                self.change(key, *change, sheets.get(key), memory).await?;
            }
        }
        for chunk in work.opens.chunks(AT_ONCE) {
            let sheets = self.sheets(&chunk.iter().map(String::as_str).collect())?;
            for key in chunk {
                if let Some(sheet) = sheets.get(key) {
                    self.open(key, sheet, memory).await?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn sheets(&self, wanted: &BTreeSet<&str>) -> Result<BTreeMap<String, Sheet>, DeliveryError> {
        sheets(self.package, self.keys, self.rules, &self.known, wanted)
    }

    /// The page of a ticket, with what it is to be found by.
    pub(super) fn written(&self, key: &str, sheet: &Sheet, whole: bool) -> Option<Written> {
        let group = self.look.groups.get(key)?;
        let mut findings = sheet.findings.clone();
        // What is not violated here and not over stays in the ticket: nobody has seen it end.
        for (id, severity) in self.known.findings_of(key) {
            if !self.look.over.contains(&id) {
                findings.entry(id).or_insert(severity);
            }
        }
        let worst = findings.values().copied().max();
        let content = Content { findings: findings.keys().cloned().collect(), worst, whole };
        let mark = Mark { of: self.keys.of.clone(), key: key.to_owned(), content };
        let standing = self.look.standing(key);
        let page = Material { package: self.package, by: self.rules.group_by, group, sheet, standing }.page();
        Some(Written { page, mark, findings })
    }

    /// Whether a ticket of this place has to wait.
    fn waits(&mut self, place: &str) -> bool {
        if let Some((_, _, waiting)) = &mut self.stopped {
            *waiting += 1;
            return true;
        }
        if let Some((_, waiting)) = self.closed.get_mut(place) {
            *waiting += 1;
            return true;
        }
        false
    }

    /// Takes note of what went wrong with one ticket.
    pub(super) fn note(&mut self, place: &str, trouble: Trouble) {
        match trouble {
            Trouble::Stop(said, hint) => {
                let (_, _, waiting) = self.stopped.get_or_insert((said, hint, 0));
                *waiting += 1;
            }
            Trouble::Place(said) => {
                self.closed.entry(place.to_owned()).or_insert((said, 0)).1 += 1;
            }
            Trouble::Ticket(said) => self.refusals.add(said),
        }
    }

    async fn open(&mut self, key: &str, sheet: &Sheet, memory: &mut Memory) -> Result<(), DeliveryError> {
        let Some(group) = self.look.groups.get(key) else { return Ok(()) };
        let owner = group.owner.clone();
        let place = self.tracker.place(owner.as_deref());
        if self.waits(&place) {
            return Ok(());
        }
        // A ticket that is not opened again leaves its findings to the new one.
        let mut lines = if self.known.entries.contains_key(key) { self.known.forget(key) } else { Vec::new() };
        lines.push(opening(key, &self.package.manifest.run.run_id));
        memory.put_all(lines)?;
        let Some(written) = self.written(key, sheet, true) else { return Ok(()) };
        match self.tracker.open(owner.as_deref(), &written.page, &written.mark).await {
            Ok((id, left_out)) => {
                let entry = Entry { id, content: self.look.content(key), whole: true, ..Entry::default() };
                let mut lines = lines_of_findings(key, &BTreeMap::new(), &written.findings);
                lines.extend([line(key, &entry), opened(key)]);
                memory.put_all(lines)?;
                self.delivered.sent += 1;
                if let Some(sentence) = left_out {
                    self.refusals.add(sentence);
                }
            }
            Err(trouble) => {
                // Where it may have been opened all the same, the next delivery looks for it twice.
                if !matches!(trouble, Trouble::Stop(..)) {
                    memory.put_all([opened(key)])?;
                }
                self.note(&place, trouble);
            }
        }
        Ok(())
    }

    async fn change(
        &mut self,
        key: &str,
        change: Change,
        sheet: Option<&Sheet>,
        memory: &mut Memory,
    ) -> Result<(), DeliveryError> {
        let Some(mut entry) = self.known.entries.get(key).cloned() else { return Ok(()) };
        let place = self.tracker.place_of(&entry.id);
        if self.waits(&place) {
            return Ok(());
        }
        match self.changed(key, change, sheet, &mut entry, memory).await? {
            Ok(()) => self.delivered.sent += 1,
            Err(trouble) => self.note(&place, trouble),
        }
        Ok(())
    }

    /// The steps of a change, in an order in which it can break off anywhere: what is remembered last is what a page
    /// shows, so that until then everything is done again, and said only once.
    async fn changed(
        &self,
        key: &str,
        change: Change,
        sheet: Option<&Sheet>,
        entry: &mut Entry,
        memory: &mut Memory,
    ) -> Result<Result<(), Trouble>, DeliveryError> {
        let id = entry.id.clone();
        if change.reopen
            && let Err(trouble) = self.tracker.reopen(&id).await
        {
            return Ok(Err(trouble));
        }
        if let Some(said) = change.say
            && let Err(trouble) = self.say(key, said, sheet, entry, memory).await?
        {
            return Ok(Err(trouble));
        }
        if change.write {
            let written = sheet.and_then(|sheet| self.written(key, sheet, entry.whole));
            let Some(written) = written else { return Ok(Ok(())) };
            if let Err(trouble) = self.tracker.write(&id, &written.page, &written.mark).await {
                return Ok(Err(trouble));
            }
            entry.content = self.look.content(key);
            entry.over = false;
            entry.saying = None;
            let mut lines = lines_of_findings(key, &self.known.findings_of(key), &written.findings);
            lines.push(line(key, entry));
            memory.put_all(lines)?;
        }
        if change.close {
            if let Err(trouble) = self.tracker.close(&id).await {
                return Ok(Err(trouble));
            }
            entry.over = true;
            entry.content = String::new();
            entry.saying = None;
            let mut lines = lines_of_findings(key, &self.known.findings_of(key), &BTreeMap::new());
            lines.push(line(key, entry));
            memory.put_all(lines)?;
        }
        if entry.saying.take().is_some() {
            memory.put_all([line(key, entry)])?;
        }
        Ok(Ok(()))
    }

    async fn say(
        &self,
        key: &str,
        said: Said,
        sheet: Option<&Sheet>,
        entry: &mut Entry,
        memory: &mut Memory,
    ) -> Result<Result<(), Trouble>, DeliveryError> {
        let standing = self.look.standing(key);
        let content = format!("{} {standing:?}", self.look.content(key));
        let mark = mark_of(key, said, &content);
        let was_begun = entry.saying.as_ref() == Some(&mark);
        let mut is_said = false;
        if was_begun {
            match self.tracker.has_said(&entry.id, &mark).await {
                Ok(answer) => is_said = answer,
                Err(trouble) => return Ok(Err(trouble)),
            }
        }
        if !is_said {
            entry.saying = Some(mark.clone());
            memory.put_all([line(key, entry)])?;
            let words = words(self.package, self.rules.group_by, mark, said, sheet, standing);
            if let Err(trouble) = self.tracker.say(&entry.id, &words).await {
                return Ok(Err(trouble));
            }
        }
        entry.said = Some(said);
        memory.put_all([line(key, entry)])?;
        Ok(Ok(()))
    }

    /// What came of it all.
    pub(super) fn finish(mut self) -> Result<Delivered, DeliveryError> {
        for (place, (said, waiting)) in std::mem::take(&mut self.closed) {
            let waiting = if waiting == 0 { String::new() } else { format!(" ({waiting} tickets not written)") };
            self.refusals.add(format!("{place}: {said}{waiting}"));
        }
        if let Some((said, hint, waiting)) = self.stopped.take() {
            if self.delivered.sent == 0 {
                return Err(DeliveryError::Receiver { receiver: self.tracker.receiver(), problem: said, hint });
            }
            self.refusals.add(format!("{said}; {hint} ({waiting} tickets not written)"));
        }
        self.delivered.refused = self.refusals.into_sentences();
        Ok(self.delivered)
    }
}

/// What is decided, in the order in which it is done; what is too much is counted.
pub(super) fn work(decisions: BTreeMap<String, Decision>, look: &Look, max_new: u64) -> (Work, u64, u64) {
    let (mut changes, mut opens, mut unchanged) = (Vec::new(), Vec::new(), 0);
    for (key, decision) in decisions {
        match decision {
            Decision::Silent => {}
            Decision::Unchanged => unchanged += 1,
            Decision::Open => opens.push(key),
            Decision::Change(change) => changes.push((key, change)),
        }
    }
    let rank = |key: &String| {
        let group = look.groups.get(key);
        (
            std::cmp::Reverse(group.map(|group| group.worst)),
            group.map(|group| group.oldest.clone()).unwrap_or_default(),
            key.clone(),
        )
    };
    opens.sort_by_cached_key(rank);
    let most = usize::try_from(max_new).unwrap_or(usize::MAX);
    let waiting = opens.len().saturating_sub(most) as u64;
    opens.truncate(most);
    (Work { changes, opens }, unchanged, waiting)
}

/// Remembers what was adopted or forgotten.
pub(super) fn remember(memory: &mut Memory, lines: Vec<(String, Value)>) -> Result<(), DeliveryError> {
    if lines.is_empty() { Ok(()) } else { memory.put_all(lines) }
}
