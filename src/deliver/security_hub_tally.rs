//! What comes of the batches of one import into Security Hub.
//!
//! In: what was taken and refused of each batch. Out: counts and refusals for the person who reads the outcome, and what
//! is remembered: findings that were taken, and those that are over and were not taken yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::asff::lasting;
use super::refusals::Refusals;
use super::security_hub::{PENDING, key_of};
use super::security_hub_import::{Batch, Imported, Item};
use super::{Delivered, DeliveryError, Memory};
use crate::inventory::{AccountId, Region};

/// What came of all batches.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) delivered: Delivered,
    pub(super) refusals: Refusals,
    /// Places where nothing can be imported: the problem, and how many findings wait for it.
    pub(super) closed: BTreeMap<(AccountId, Region), (String, u64)>,
    /// Ids of what is over and was not taken.
    pub(super) waiting: BTreeSet<String>,
}

impl Tally {
    pub(super) fn take(&mut self, imported: Imported, memory: &Mutex<&mut Memory>) -> Result<(), DeliveryError> {
        let Imported { batch, taken } = imported;
        match taken {
            Err(problem) => {
                self.closed.entry((batch.account.clone(), batch.region.clone())).or_insert((problem, 0));
                self.wait(&batch, memory)
            }
            Ok(failed) => {
                let mut entries = Vec::new();
                for item in batch.items {
                    if let Some(problem) = failed.get(&item.id) {
                        self.refusals.add(format!("finding {}: {problem}", item.id));
                        entries.extend(self.pend(&item, &lock(memory)));
                    } else {
                        self.delivered.sent += 1;
                        let pending = format!("{PENDING}{}", item.id);
                        if lock(memory).get(&pending).is_some() {
                            entries.push((pending, Value::Null));
                        }
                        entries.push((key_of(&item.id), item.remembered));
                    }
                }
                lock(memory).put_all(entries)
            }
        }
    }

    /// Counts findings for which their place is closed, and remembers those that are over.
    pub(super) fn wait(&mut self, batch: &Batch, memory: &Mutex<&mut Memory>) -> Result<(), DeliveryError> {
        if let Some((_, waiting)) = self.closed.get_mut(&(batch.account.clone(), batch.region.clone())) {
            *waiting += batch.items.len() as u64;
        }
        let mut memory = lock(memory);
        let entries: Vec<_> = batch.items.iter().filter_map(|item| self.pend(item, &memory)).collect();
        memory.put_all(entries)
    }

    /// What is remembered of a finding that was not taken, if it is over and that is not remembered yet.
    fn pend(&mut self, item: &Item, memory: &Memory) -> Option<(String, Value)> {
        let entry = item.to_remember_until_taken()?;
        self.waiting.insert(item.id.clone());
        let key = format!("{PENDING}{}", item.id);
        // Where Security Hub is off, this is said again every night.
        let is_known = memory.get(&key).is_some_and(|known| without_times(known) == without_times(&entry));
        (!is_known).then_some((key, entry))
    }

    pub(super) fn is_closed(&self, batch: &Batch) -> bool {
        self.closed.contains_key(&(batch.account.clone(), batch.region.clone()))
    }

    pub(super) fn finish(mut self) -> Delivered {
        for ((account, region), (problem, waiting)) in self.closed {
            self.refusals
                .add(format!("Security Hub of {account} in {region}: {problem} ({waiting} findings not taken)"));
        }
        self.delivered.refused = self.refusals.into_sentences();
        self.delivered
    }
}

/// An entry without what changes in every run.
fn without_times(entry: &Value) -> Value {
    let mut entry = entry.clone();
    if let Some(finding) = entry.get_mut("finding") {
        *finding = lasting(finding.take());
    }
    entry
}

pub(super) fn lock<'a, 'b>(memory: &'a Mutex<&'b mut Memory>) -> std::sync::MutexGuard<'a, &'b mut Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}
