//! How much of each account was seen.
//!
//! In: the accounts, the ledger of calls, the skips and the gaps of a report. Out: one word per account. An account is dark
//! if its role could not be assumed or none of its calls was answered; nothing of it is known, whatever else the page says.

use std::collections::BTreeMap;

use super::Report;
use super::text::counted;
use crate::inventory::{AccountId, GapCause, Region};

/// How much was seen of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sight {
    /// Nothing: it was to be seen, and could not be.
    Dark,
    /// Something could not be seen.
    Partly,
    /// Everything that was asked was answered.
    Seen,
    /// Nobody was to look.
    LeftOut,
}

impl Sight {
    /// All, in the order of the page.
    pub(super) const ALL: [Self; 4] = [Self::Seen, Self::Partly, Self::Dark, Self::LeftOut];

    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Dark => "dark: nothing could be seen",
            Self::Partly => "seen in part",
            Self::Seen => "seen",
            Self::LeftOut => "left out on purpose",
        }
    }

    /// As the style sheet names its colour.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Partly => "unknown",
            Self::Seen => "good",
            Self::LeftOut => "skipped",
        }
    }
}

#[derive(Default)]
struct Looked {
    ok: u64,
    calls: u64,
    gaps: u64,
    is_locked: bool,
    is_skipped: bool,
    some_regions_skipped: bool,
}

impl Looked {
    fn sight(&self) -> Sight {
        if self.is_skipped && self.ok == 0 {
            Sight::LeftOut
        } else if self.is_locked || self.ok == 0 {
            Sight::Dark
        } else if self.gaps > 0 || self.ok < self.calls || self.some_regions_skipped {
            Sight::Partly
        } else {
            Sight::Seen
        }
    }
}

/// All accounts by what was seen of them.
pub(super) struct Accounts<'a> {
    by_account: BTreeMap<&'a AccountId, Sight>,
}

impl<'a> Accounts<'a> {
    pub(super) fn of(report: &'a Report<'_>) -> Self {
        let mut all: BTreeMap<&AccountId, Looked> = report.accounts.keys().map(|id| (id, Looked::default())).collect();
        for (key, counts) in report.coverage.rows() {
            // Calls that were made elsewhere on the way (to a delegated account, a source host) tell nothing of an account of the run.
            let Some(looked) = all.get_mut(&key.account) else { continue };
            looked.calls += counts.calls();
            if key.service != "sts" {
                looked.ok += counts.ok;
            }
        }
        for gap in report.gaps {
            let Some(looked) = all.get_mut(&gap.account) else { continue };
            looked.gaps += 1;
            looked.is_locked |= matches!(gap.cause, GapCause::RoleNotAssumed { .. });
        }
        for skip in &report.coverage.skipped {
            let looked = all.entry(&skip.account).or_default();
            let is_whole = skip.region == Region::GLOBAL;
            looked.is_skipped |= is_whole;
            looked.some_regions_skipped |= !is_whole;
        }
        Self { by_account: all.into_iter().map(|(id, looked)| (id, looked.sight())).collect() }
    }

    pub(super) fn total(&self) -> u64 {
        self.by_account.len() as u64
    }

    pub(super) fn count(&self, sight: Sight) -> u64 {
        self.by_account.values().filter(|one| **one == sight).count() as u64
    }

    pub(super) fn of_sight(&self, sight: Sight) -> impl Iterator<Item = &'a AccountId> {
        self.by_account.iter().filter(move |(_, one)| **one == sight).map(|(id, _)| *id)
    }

    pub(super) fn sights(&self) -> impl Iterator<Item = (&'a AccountId, Sight)> {
        self.by_account.iter().map(|(id, sight)| (*id, *sight))
    }

    /// What of the organization was not seen as a whole; none if there is nothing of the kind.
    pub(super) fn unseen_in_words(&self) -> Option<String> {
        let (dark, partly) = (self.count(Sight::Dark), self.count(Sight::Partly));
        let all = counted(self.total(), "account");
        match (dark, partly) {
            (0, 0) => None,
            (0, partly) => Some(format!("{partly} of {all} could be seen only in part")),
            (dark, 0) => Some(format!("{dark} of {all} {} dark: nothing of {} is known", is(dark), it(dark))),
            (dark, partly) => Some(format!(
                "{dark} of {all} {} dark: nothing of {} is known; {partly} could be seen only in part",
                is(dark),
                it(dark)
            )),
        }
    }
}

fn is(number: u64) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

fn it(number: u64) -> &'static str {
    if number == 1 { "it" } else { "them" }
}
