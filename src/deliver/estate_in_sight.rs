//! How much of the estate a run speaks of, for the short messages on it.
//!
//! In: a report. Out: what was left out on purpose, and violations of earlier runs that are out of sight: a message that
//! counted only what was found would call both good.

use std::collections::BTreeSet;
use std::io;

use super::notice::counted;
use crate::finding::Change;
use crate::inventory::{AccountId, Region};
use crate::report::Report;

/// How much of the estate a run speaks of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sight {
    /// Accounts that were left out on purpose.
    accounts_left_out: u64,
    /// Regions of other accounts that were left out on purpose.
    regions_left_out: u64,
    /// Violations of earlier runs that this one has not and could not look at.
    pub(super) not_seen: u64,
    /// More of them, which nobody asks for any more and which were told of before.
    pub(super) set_aside: u64,
}

impl Sight {
    pub(super) fn of(report: &Report<'_>) -> io::Result<Self> {
        let skipped = &report.coverage.skipped;
        let accounts: BTreeSet<&AccountId> =
            skipped.iter().filter(|skip| skip.region == Region::GLOBAL).map(|skip| &skip.account).collect();
        let regions: BTreeSet<(&AccountId, &Region)> = skipped
            .iter()
            .filter(|skip| !accounts.contains(&skip.account))
            .map(|skip| (&skip.account, &skip.region))
            .collect();
        let (mut not_seen, mut set_aside) = (0, 0);
        for gone in report.findings.gone()? {
            let gone = gone?;
            let change = gone.finding.lifecycle.as_ref().map(|lifecycle| lifecycle.change);
            if report.is_set_aside(&gone) {
                set_aside += 1;
            } else {
                not_seen += u64::from(change != Some(Change::Resolved));
            }
        }
        let (accounts_left_out, regions_left_out) = (accounts.len() as u64, regions.len() as u64);
        Ok(Self { accounts_left_out, regions_left_out, not_seen, set_aside })
    }

    pub(super) fn left_out(&self) -> u64 {
        self.accounts_left_out + self.regions_left_out
    }

    /// `2 accounts and 1 Region left out`; none where nothing was.
    pub(super) fn left_out_in_words(&self) -> Option<String> {
        let parts = [(self.accounts_left_out, "account"), (self.regions_left_out, "Region of an account")];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, noun)| match noun {
                "account" => counted(count, noun),
                _ if count == 1 => format!("1 {noun}"),
                _ => format!("{count} Regions of accounts"),
            })
            .collect();
        (!parts.is_empty()).then(|| format!("{} left out on purpose", parts.join(" and ")))
    }
}

/// Violations that nobody asks for any more.
pub(super) fn set_aside_in_words(count: u64) -> Option<String> {
    let what = counted(count, "violation");
    let are = if count == 1 { "is" } else { "are" };
    (count > 0).then(|| {
        format!(
            "{what} of earlier runs {are} of controls or accounts that nobody asks for any more, which is not resolved."
        )
    })
}
