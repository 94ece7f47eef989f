//! What a deployment was for: a release, the way back, the same again, or no release at all.
//!
//! In: drafts by time. Out: their kind, and how sure it is. What a service says of itself goes before what comparing
//! versions says.

use super::members::Draft;
use super::releases::is_rollback;
use crate::dora::{Confidence, DeploymentKind};

/// Decides the kind of every draft; they are sorted by time.
pub(super) fn decide(drafts: &mut [Draft<'_>]) {
    let kinds: Vec<_> = drafts.iter().map(|draft| told(draft).unwrap_or_else(|| compared(draft, drafts))).collect();
    for (draft, (kind, confidence)) in drafts.iter_mut().zip(kinds) {
        draft.deployment.kind = kind;
        draft.deployment.kind_confidence = confidence;
    }
}

/// What the services themselves say.
fn told(draft: &Draft<'_>) -> Option<(DeploymentKind, Confidence)> {
    let sure = |kind| Some((kind, Confidence::High));
    if draft.execution.is_some_and(is_rollback) {
        return sure(DeploymentKind::Rollback);
    }
    let restarts = !draft.code.is_empty() && draft.code.iter().all(|code| code.mode.as_deref() == Some("RESTART"));
    if draft.execution.is_some() {
        return if restarts { sure(DeploymentKind::Restart) } else { None };
    }
    let code = draft.code.first()?;
    match code.creator.as_deref() {
        Some("codeDeployRollback" | "CloudFormationRollback") => sure(DeploymentKind::Rollback),
        _ if code.rollback_triggering_deployment.is_some() => sure(DeploymentKind::Rollback),
        _ if restarts => sure(DeploymentKind::Restart),
        Some("autoscaling" | "autoscalingTermination") => sure(DeploymentKind::Scaling),
        Some("CodeDeployAutoUpdate") => sure(DeploymentKind::AutoUpdate),
        _ => None,
    }
}

/// What comparing with what was there before says: the version of the last success again, or an older one.
fn compared(draft: &Draft<'_>, drafts: &[Draft<'_>]) -> (DeploymentKind, Confidence) {
    let Some(version) = &draft.deployment.version else { return (DeploymentKind::Forward, Confidence::Low) };
    let mut successes = before(draft, drafts).rev();
    let Some(last) = successes.next() else { return (DeploymentKind::Forward, Confidence::Medium) };
    if last.deployment.version.as_ref() == Some(version) {
        return (DeploymentKind::RedeploySame, Confidence::Medium);
    }
    let is_older = successes.any(|success| success.deployment.version.as_ref() == Some(version));
    let kind = if is_older { DeploymentKind::Rollback } else { DeploymentKind::Forward };
    (kind, Confidence::Medium)
}

/// Successes of the same lane that were over when this one began, by time.
pub(super) fn before<'s, 'a>(
    draft: &'s Draft<'a>,
    drafts: &'s [Draft<'a>],
) -> impl DoubleEndedIterator<Item = &'s Draft<'a>> {
    let is_before = |other: &&Draft<'_>| {
        other.lane == draft.lane
            && other.has_succeeded()
            && other.deployment.finished.is_some_and(|finished| finished <= draft.deployment.started)
            && other.deployment.id != draft.deployment.id
    };
    drafts.iter().filter(is_before)
}
