//! Violations of earlier runs that nobody could look at again, by reason.
//!
//! In: what is gone from sight, one at a time. Out: how many there are, why, and what to do. It exists because a violation
//! that nobody can see any more leaves no gap and no unknown result behind, and must not look like one that was mended.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;

use super::Report;
use super::blind_spot::remedy_in;
use super::text::counted;
use crate::finding::Change;

/// A reason in its own words for each of ten thousand resources is still ten thousand lines.
const REASONS: usize = 10_000;

/// Violations that are out of sight.
#[derive(Debug, Clone, Default)]
pub(super) struct OutOfSight {
    pub(super) total: u64,
    /// Of them: what nobody asks for any more, and was told of before.
    pub(super) set_aside: u64,
    reasons: BTreeMap<String, u64>,
}

impl OutOfSight {
    /// Reads what is gone once.
    pub(super) fn of(report: &Report<'_>) -> io::Result<Self> {
        let mut all = Self::default();
        for gone in report.findings.gone()? {
            let gone = gone?;
            if gone.finding.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.change == Change::NotSeen) {
                all.add(&gone.reason);
                all.set_aside += u64::from(report.is_set_aside(&gone));
            }
        }
        Ok(all)
    }

    /// Takes one more.
    pub(super) fn add(&mut self, reason: &str) {
        self.total += 1;
        if let Some(count) = self.reasons.get_mut(reason) {
            *count += 1;
        } else if self.reasons.len() < REASONS {
            self.reasons.insert(reason.to_owned(), 1);
        }
    }

    /// The most frequent reasons first, `most` of them.
    pub(super) fn by_count(&self, most: usize) -> Vec<(&str, u64)> {
        let mut reasons: Vec<(&str, u64)> =
            self.reasons.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
        reasons.sort_by_key(|(reason, count)| (Reverse(*count), *reason));
        reasons.truncate(most);
        reasons
    }

    /// What is said of all of them; nothing where there are none.
    pub(super) fn in_words(&self) -> Option<String> {
        if self.total == 0 {
            return None;
        }
        let violations = counted(self.total, "violation");
        let aside = match self.set_aside {
            0 => String::new(),
            all if all == self.total => format!("; {SET_ASIDE}"),
            some => format!("; of {some} of them {SET_ASIDE}"),
        };
        Some(format!("{violations} of earlier runs could not be looked at again, which is not resolved{aside}."))
    }

    /// `and 3 more violations: …`, where `shown` reasons stand before it.
    pub(super) fn rest_in_words(&self, shown: &[(&str, u64)]) -> Option<String> {
        let more = self.total.saturating_sub(shown.iter().map(|(_, count)| count).sum());
        (more > 0)
            .then(|| format!("… and {} for other reasons: `pipewarden diff` names them", counted(more, "violation")))
    }
}

const SET_ASIDE: &str = "the control or the account is not asked for any more, as an earlier run told";

/// What to do so that it is seen the next time, by the reason that `run` gives.
pub(super) fn what_to_do(reason: &str) -> String {
    if let Some(remedy) = remedy_in(reason) {
        return remedy;
    }
    let text = if reason.starts_with("control ") {
        "ask the control again, or let the finding go: it is carried on for 400 days"
    } else if reason.contains(" was left out: ") {
        "take it into the run again (`[accounts]`, `[regions]`), or have it looked at by another run"
    } else if reason.contains("not among the accounts") {
        "see who looks after the account now; nobody here can say that it was mended"
    } else if reason.starts_with("the history") {
        "run with `--history` over the same window"
    } else {
        "see \"what could not be seen\" in the summary of the run"
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_come_by_how_many_they_hide_and_the_rest_is_counted() {
        let mut all = OutOfSight::default();
        assert_eq!(all.in_words(), None);
        for reason in ["b", "a", "b", "c"] {
            all.add(reason);
        }
        let shown = all.by_count(2);
        assert_eq!(shown, [("b", 2), ("a", 1)]);
        assert!(all.rest_in_words(&shown).unwrap().starts_with("… and 1 violation for other reasons"));
        assert_eq!(all.rest_in_words(&all.by_count(9)), None);
        assert!(all.in_words().unwrap().ends_with("which is not resolved."));
        all.set_aside = 4;
        assert!(all.in_words().unwrap().contains("not asked for any more"));
    }

    #[test]
    fn each_reason_says_what_to_do() {
        let of = |reason: &str| what_to_do(reason);
        assert!(of("control `x` was not asked in this run").starts_with("ask the control again"));
        assert!(of("account 111111111111 was left out: asked to").contains("`[accounts]`"));
        assert!(
            of("it could not be looked at: iam:GetRole in 111111111111 global: access denied: no").contains("allow")
        );
    }
}
