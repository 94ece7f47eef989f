//! Evidence that a change failed: which rule fired, on what it rests, how sure it is.
//!
//! In: drafts by time with their kinds, and the requests to stop deployments. Out: [`Evidence`] on the deployments that
//! it speaks against. What fails before production is never evidence. Incidents are in `incidents`.

use time::{Duration, OffsetDateTime};

use super::index::Index;
use super::kind::before;
use super::members::Draft;
use super::{outcome, unplanned};
use crate::dora::{Confidence, DeploymentKind, Evidence, EvidenceCode, Options, Outcome};

/// Adds the evidence E1 to E5, and E7 where it is asked for. The drafts are sorted by time.
pub(super) fn gather(drafts: &mut [Draft<'_>], index: &Index<'_>, options: &Options) {
    let mut found: Vec<(usize, Evidence)> = Vec::new();
    for (position, draft) in drafts.iter().enumerate() {
        let mut add = |evidence: Vec<Evidence>| found.extend(evidence.into_iter().map(|it| (position, it)));
        add(rolled_back(draft, index));
        add(failed(draft).into_iter().collect());
        add(stopped(draft, index));
        let against = match draft.deployment.kind {
            DeploymentKind::Rollback => went_back(draft, drafts),
            DeploymentKind::Forward if options.suspect_fixes => fixed(draft, drafts),
            _ => None,
        };
        found.extend(against);
    }
    for (position, evidence) in found {
        if let Some(draft) = drafts.get_mut(position) {
            draft.deployment.evidence.push(evidence);
        }
    }
}

/// E1: `CodeDeploy` rolled it back, as either of the two deployments says.
fn rolled_back(draft: &Draft<'_>, index: &Index<'_>) -> Vec<Evidence> {
    let mut found = Vec::new();
    for code in &draft.code {
        let naming = index.rollbacks(&code.id).iter().filter(|it| it.region == code.region);
        let mut ids: Vec<&str> = naming.map(|it| it.id.as_str()).chain(code.rollback_deployment.as_deref()).collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            let rollback = index.deployment(id, &code.region);
            let remedied = rollback.filter(|it| it.status == "Succeeded").and_then(|it| it.completed);
            found.push(evidence(EvidenceCode::E1, Confidence::High, id, remedied));
        }
    }
    found
}

/// E3: it failed with targets touched, or because what it brought is not well.
fn failed(draft: &Draft<'_>) -> Option<Evidence> {
    if draft.deployment.outcome != Outcome::Failed {
        return None;
    }
    let failed = draft.deployment.members.iter().filter(|member| member.outcome == Outcome::Failed);
    let worst = failed.min_by_key(|member| !outcome::is_unwell(member.error_code.as_deref()));
    let is_unwell = worst.is_some_and(|member| outcome::is_unwell(member.error_code.as_deref()));
    let confidence = match draft.touched {
        _ if is_unwell => Confidence::High,
        Some(true) if worst.is_some() => Confidence::High,
        // Nothing says that it reached anything; or it arrived in one place and never came to the next.
        Some(true) | None => Confidence::Medium,
        Some(false) => return None,
    };
    let id = worst.and_then(|member| member.code_deployments.last()).or(draft.deployment.execution.as_ref());
    let id = id.unwrap_or(&draft.deployment.id);
    Some(evidence(EvidenceCode::E3, confidence, id, draft.deployment.finished))
}

/// E4: somebody stopped it on its way.
fn stopped(draft: &Draft<'_>, index: &Index<'_>) -> Vec<Evidence> {
    let stopped = draft.code.iter().filter(|code| outcome::of_code_deployment(code) == Outcome::Stopped);
    let requests = stopped.flat_map(|code| index.requests(&code.id)).filter(|it| it.is("codedeploy", "StopDeployment"));
    let all = requests.map(|event| {
        let with_rollback = event.request.flag(&["autoRollbackEnabled"]) == Some(true);
        let confidence = if with_rollback { Confidence::High } else { Confidence::Medium };
        evidence(EvidenceCode::E4, confidence, &event.id, Some(event.time))
    });
    all.collect()
}

/// E2 and E5: the first release behind the version that a rollback went back to.
fn went_back(rollback: &Draft<'_>, drafts: &[Draft<'_>]) -> Option<(usize, Evidence)> {
    let (code, confidence, id) = match rollback.execution {
        Some(execution) if super::releases::is_rollback(execution) => {
            (EvidenceCode::E2, Confidence::High, execution.id.as_str())
        }
        // `CodeDeploy`'s own rollbacks name what they roll back (E1).
        _ if rollback.deployment.kind_confidence == Confidence::High => return None,
        _ => (EvidenceCode::E5, Confidence::Medium, rollback.deployment.id.as_str()),
    };
    let target = rollback.execution.and_then(|execution| execution.rollback_target.as_deref());
    let version = rollback.deployment.version.as_ref();
    // The last time that the version arrived: it may have been gone back to before.
    let returned = before(rollback, drafts).rfind(|it| {
        it.deployment.execution.as_deref().is_some_and(|id| Some(id) == target)
            || version.is_some() && it.deployment.version.as_ref() == version
    });
    let from = returned.map(Draft::time);
    let candidates = || {
        drafts.iter().enumerate().filter(|(_, it)| {
            it.lane == rollback.lane
                && it.deployment.kind == DeploymentKind::Forward
                && it.deployment.finished.is_some_and(|end| end <= rollback.deployment.started)
                && from.is_none_or(|from| it.time() > from)
        })
    };
    let automated =
        rollback.execution.and_then(|it| it.trigger.as_ref()).is_some_and(|it| it.kind == "AutomatedRollback");
    let broken = || {
        let ended = |outcome| matches!(outcome, Outcome::Failed | Outcome::Stopped);
        candidates().rfind(|(_, it)| ended(it.deployment.outcome))
    };
    let success = || match from {
        Some(_) => candidates().find(|(_, it)| it.has_succeeded()),
        // Where the version came from is out of sight, so it can only be the last.
        None => candidates().rfind(|(_, it)| it.has_succeeded()),
    };
    // The service goes back by itself because the stage failed.
    let (position, _) = if automated { broken().or_else(success) } else { success().or_else(broken) }?;
    let confidence = if from.is_some() || automated { confidence } else { Confidence::Medium };
    let remedied = rollback.deployment.finished.filter(|_| rollback.has_succeeded());
    Some((position, evidence(code, confidence, id, remedied)))
}

/// E7: a fix followed within a day.
fn fixed(fix: &Draft<'_>, drafts: &[Draft<'_>]) -> Option<(usize, Evidence)> {
    let says_so = fix.deployment.revisions.iter().any(|it| it.summary.as_deref().is_some_and(unplanned::says_so));
    if !fix.has_succeeded() || !(says_so || fix.deployment.unplanned) {
        return None;
    }
    let last = before(fix, drafts).last().filter(|it| it.deployment.kind == DeploymentKind::Forward)?;
    if fix.time() - last.time() > Duration::DAY {
        return None;
    }
    let position = drafts.iter().position(|it| it.deployment.id == last.deployment.id)?;
    Some((position, evidence(EvidenceCode::E7, Confidence::Low, &fix.deployment.id, fix.deployment.finished)))
}

pub(super) fn evidence(code: EvidenceCode, confidence: Confidence, id: &str, time: Option<OffsetDateTime>) -> Evidence {
    Evidence { code, confidence, id: id.to_owned(), time }
}
