//! Findings that are in tickets, and that a run does not show any more.
//!
//! In: their ids, and the sealed runs since the one that was delivered last. Out: those that one of them saw to be over. A
//! run tells only once that something ended; where that run was never delivered, this delivery has to find it there.

use std::collections::BTreeSet;

use crate::deliver::security_hub_ended::{Position, Word, earlier, word_of};
use crate::deliver::{DeliveryError, Package};
use crate::finding::Change;
use crate::report::FindingSource;
use crate::run::{GONE, RunDirectory, SPOOL};

/// Those of `unmet` that are over; `delivered` is the run that was delivered last.
pub(super) fn over(
    package: &Package<'_>,
    mut unmet: BTreeSet<String>,
    delivered: Option<&Position>,
) -> Result<BTreeSet<String>, DeliveryError> {
    let mut over = BTreeSet::new();
    if unmet.is_empty() {
        return Ok(over);
    }
    for run in earlier(package, delivered) {
        if unmet.is_empty() {
            break;
        }
        let stored = match run.stored_report() {
            Ok(stored) => stored,
            Err(error) => {
                // What this run said is not known, so what older ones said may be out of date.
                tracing::warn!(run = %run.plan().run_id, "what ended in an earlier run is not told: {error}");
                break;
            }
        };
        through(&run, stored.report().findings, &mut unmet, &mut over)?;
    }
    Ok(over)
}

/// Takes what a run knows out of `unmet`, and what of it is over into `over`.
fn through(
    run: &RunDirectory,
    findings: &dyn FindingSource,
    unmet: &mut BTreeSet<String>,
    over: &mut BTreeSet<String>,
) -> Result<(), DeliveryError> {
    let (spool, gone_file) = (run.path().join(SPOOL), run.path().join(GONE));
    for gone in findings.gone().map_err(DeliveryError::unreadable(&gone_file))? {
        let finding = gone.map_err(DeliveryError::unreadable(&gone_file))?.finding;
        let is_resolved = finding.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.change == Change::Resolved);
        if unmet.remove(&finding.id) && is_resolved {
            over.insert(finding.id);
        }
    }
    for finding in findings.findings().map_err(DeliveryError::unreadable(&spool))? {
        let finding = finding.map_err(DeliveryError::unreadable(&spool))?;
        // What was told was a violation: that nothing was known of it then says nothing of it now.
        if unmet.remove(&finding.id) && matches!(word_of(&finding), Word::Over(_)) {
            over.insert(finding.id.clone());
        }
    }
    Ok(())
}
