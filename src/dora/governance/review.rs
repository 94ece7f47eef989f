//! G2: whether an approval was one: by a person, and with time to look.
//!
//! In: approvals. Out: approvals by root or a program, and approvals within half a minute without a word.

use time::Duration;

use super::approval::{Approver, approvals};
use super::identity::Who;
use super::verdict::{Observation, Verdict};
use super::view::View;

/// Nobody reads a change in less.
const HASTE: Duration = Duration::seconds(30);

/// Approved by a program, or by the root user, behind whom anybody may stand.
pub(super) fn machine(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.blind(view.unseen_executions());
    for approval in approvals(view) {
        match &approval.approver {
            Approver::Known(Who::Machine(_) | Who::Root(_), shown) => verdict.see(Observation {
                time: approval.time,
                actor: shown.clone(),
                what: format!("approved {}, and is no person", view.shown(approval.deployment)),
                records: approval.records.iter().cloned().collect(),
            }),
            Approver::Known(Who::Person(_), _) => {}
            Approver::Known(Who::Unknown(name), _) => {
                verdict.doubt(format!(
                    "{} was approved by {name}, of which nothing is known",
                    view.shown(approval.deployment)
                ));
            }
            Approver::Unclear(why) => verdict.doubt(why.clone()),
        }
    }
    verdict
}

/// Approved in less than half a minute, without a word.
pub(super) fn haste(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.blind(view.unseen_executions());
    for approval in approvals(view) {
        let shown = view.shown(approval.deployment);
        match (approval.waited, &approval.summary) {
            (Some(waited), _) if waited >= HASTE => {}
            (_, Some(summary)) if !summary.trim().is_empty() => {}
            (Some(waited), Some(_)) => verdict.see(Observation {
                time: approval.time,
                actor: match &approval.approver {
                    Approver::Known(_, name) => name.clone(),
                    Approver::Unclear(_) => "somebody".to_owned(),
                },
                what: format!("approved {shown} after {} s without a word", waited.whole_seconds().max(0)),
                records: approval.records.iter().cloned().collect(),
            }),
            (Some(_), None) => verdict.doubt(format!("whether a word came with the approval of {shown} is not known")),
            (None, _) => verdict.doubt(format!("how long the approval of {shown} waited is not known")),
        }
    }
    verdict
}
