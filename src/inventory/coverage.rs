//! The ledger of calls: account × Region × service × action → how many, and how they ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AccountId, Region};

/// Where a line of the ledger belongs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CoverageKey {
    /// The account that was asked.
    pub account: AccountId,
    /// The Region that was asked.
    pub region: Region,
    /// IAM prefix.
    pub service: String,
    /// IAM action, without prefix.
    pub action: String,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// An answer that could be used.
    Ok,
    /// AWS refused it.
    Denied,
    /// AWS throttled it until the retries were used up.
    Throttled,
    /// Anything else that is no answer.
    Error,
}

/// Calls by their end. A call that was tried several times counts once, by how its last try ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallCounts {
    /// Ended with an answer.
    pub ok: u64,
    /// Ended refused.
    pub denied: u64,
    /// Ended throttled.
    pub throttled: u64,
    /// Ended without a usable answer.
    pub error: u64,
}

impl CallCounts {
    /// All calls, however they ended.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.ok + self.denied + self.throttled + self.error
    }

    /// Counts one more call.
    pub fn record(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Ok => self.ok += 1,
            Outcome::Denied => self.denied += 1,
            Outcome::Throttled => self.throttled += 1,
            Outcome::Error => self.error += 1,
        }
    }
}

/// An account (or a Region of it) that was left out on purpose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Skip {
    /// The account.
    pub account: AccountId,
    /// Its Region, or global for the whole account.
    pub region: Region,
    /// Why: `account is SUSPENDED`, `excluded by filter …`.
    pub reason: String,
}

/// All lines of the ledger, in one order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    #[serde(with = "as_rows")]
    calls: BTreeMap<CoverageKey, CallCounts>,
    /// What was left out on purpose, sorted.
    pub skipped: Vec<Skip>,
}

impl Coverage {
    /// Counts one call.
    pub fn record(&mut self, key: CoverageKey, outcome: Outcome) {
        self.calls.entry(key).or_default().record(outcome);
    }

    /// Adds calls that were counted elsewhere to a line.
    pub fn add(&mut self, key: CoverageKey, counts: CallCounts) {
        let mine = self.calls.entry(key).or_default();
        mine.ok += counts.ok;
        mine.denied += counts.denied;
        mine.throttled += counts.throttled;
        mine.error += counts.error;
    }

    /// Lines in order of account, Region, service, action.
    pub fn rows(&self) -> impl Iterator<Item = (&CoverageKey, &CallCounts)> {
        self.calls.iter()
    }

    /// All calls of all lines by their end.
    #[must_use]
    pub fn totals(&self) -> CallCounts {
        self.calls.values().fold(CallCounts::default(), |mut sum, counts| {
            sum.ok += counts.ok;
            sum.denied += counts.denied;
            sum.throttled += counts.throttled;
            sum.error += counts.error;
            sum
        })
    }

    /// Adds every line of `other` to this ledger.
    pub fn absorb(&mut self, other: &Self) {
        for (key, counts) in &other.calls {
            let mine = self.calls.entry(key.clone()).or_default();
            mine.ok += counts.ok;
            mine.denied += counts.denied;
            mine.throttled += counts.throttled;
            mine.error += counts.error;
        }
        self.skipped.extend(other.skipped.iter().cloned());
        self.skipped.sort();
        self.skipped.dedup();
    }
}

mod as_rows {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{CallCounts, CoverageKey};

    #[derive(Serialize, Deserialize)]
    struct Row {
        key: CoverageKey,
        counts: CallCounts,
    }

    pub(super) fn serialize<S: Serializer>(
        calls: &BTreeMap<CoverageKey, CallCounts>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let rows: Vec<Row> = calls.iter().map(|(key, counts)| Row { key: key.clone(), counts: *counts }).collect();
        rows.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<CoverageKey, CallCounts>, D::Error> {
        let rows = Vec::<Row>::deserialize(deserializer)?;
        Ok(rows.into_iter().map(|row| (row.key, row.counts)).collect())
    }
}
