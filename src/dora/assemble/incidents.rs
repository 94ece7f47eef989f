//! Incidents laid to deployments (E6).
//!
//! In: incidents, drafts by time, changes. Out: evidence on the deployment that an incident names, else on the last that
//! brought a new version before it began, not longer ago than `max_attribution`. Many incidents of one deployment are one
//! failed change. An incident that fits nowhere says so, and so does one of a service that nobody knows.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::evidence;
use super::members::Draft;
use crate::dora::{Change, Confidence, DeploymentKind, EvidenceCode, Limit, MetricName, Options, Service, ServiceKey};
use crate::history::Incident;

/// Adds E6, and says which incidents could not be laid to anything they name.
pub(super) fn attribute(
    incidents: &[Incident],
    drafts: &mut [Draft<'_>],
    changes: &[Change],
    services: &[Service],
    options: &Options,
) -> Vec<Limit> {
    let mut limits = Vec::new();
    let mut strangers: BTreeSet<&str> = BTreeSet::new();
    for incident in incidents {
        let own: Vec<&ServiceKey> =
            Service::named(&incident.service, services).into_iter().map(|service| &service.key).collect();
        // One that was over before the window says nothing of it.
        if own.is_empty() && incident.resolved.is_none_or(|resolved| resolved >= options.from()) {
            strangers.insert(&incident.service);
        }
        let [service] = own.as_slice() else {
            limits.extend(own.iter().map(|key| {
                limit(key, format!("incident {} names `{}`, which is several services", incident.id, incident.service))
            }));
            continue;
        };
        let found = match incident.caused_by.as_deref().filter(|cause| !cause.is_empty()) {
            Some(cause) => {
                let named = named(cause, service, drafts, changes).map(|position| (position, Confidence::High));
                if named.is_none() {
                    let why = format!(
                        "incident {} names {cause} as its cause, which is not among the deployments",
                        incident.id
                    );
                    limits.push(limit(service, why));
                }
                named
            }
            None => last_before(incident, service, drafts, options).map(|position| (position, Confidence::Medium)),
        };
        if let Some((position, confidence)) = found
            && let Some(draft) = drafts.get_mut(position)
        {
            draft.deployment.evidence.push(evidence(EvidenceCode::E6, confidence, &incident.id, incident.resolved));
        }
    }
    limits.extend(of_strangers(&strangers));
    limits
}

/// How many names of unknown services a sentence holds.
const NAMES: usize = 3;

/// The limit of all services that incidents of unknown ones make: each may be of any of them.
fn of_strangers(names: &BTreeSet<&str>) -> Option<Limit> {
    if names.is_empty() {
        return None;
    }
    let mut shown: Vec<String> = names.iter().take(NAMES).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(NAMES);
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    let (count, shown) = (names.len(), shown.join(", "));
    let reason = match count {
        1 => format!("incidents name 1 name that no service here has ({shown})"),
        _ => format!("incidents name {count} names that no service here has ({shown})"),
    };
    Some(Limit { service: None, ..spoken(reason) })
}

fn limit(service: &ServiceKey, reason: String) -> Limit {
    Limit { service: Some(service.clone()), ..spoken(reason) }
}

fn spoken(reason: String) -> Limit {
    Limit {
        service: None,
        metrics: vec![MetricName::ChangeFailRate, MetricName::FailedDeploymentRecoveryTime],
        blocks: false,
        observed_from: None,
        reason,
    }
}

/// The deployment that a cause names: by its own id, an execution, a deployment of `CodeDeploy`, or a commit.
fn named(cause: &str, service: &ServiceKey, drafts: &[Draft<'_>], changes: &[Change]) -> Option<usize> {
    let own = || drafts.iter().enumerate().filter(|(_, it)| it.deployment.service == *service);
    let by_id = own().find(|(_, it)| {
        it.deployment.id == cause
            || it.deployment.execution.as_deref() == Some(cause)
            || it.code.iter().any(|code| code.id == cause)
    });
    if let Some((position, _)) = by_id {
        return Some(position);
    }
    // Seven digits are what git itself shortens to.
    let is_commit = |id: &str| id == cause || cause.len() >= 7 && id.starts_with(cause);
    let change = changes.iter().find(|it| it.service == *service && is_commit(&it.commit)).map(|it| &it.deployment);
    let mut deployments: BTreeMap<&str, usize> = BTreeMap::new();
    for (position, draft) in own() {
        deployments.insert(&draft.deployment.id, position);
    }
    change.and_then(|id| deployments.get(id.as_str()).copied()).or_else(|| {
        own().find(|(_, it)| it.deployment.revisions.iter().any(|it| is_commit(&it.id))).map(|(position, _)| position)
    })
}

/// The last change before an incident. What went back to an older version is a remedy, never the change that failed.
fn last_before(incident: &Incident, service: &ServiceKey, drafts: &[Draft<'_>], options: &Options) -> Option<usize> {
    let mut before = drafts.iter().enumerate().filter(|(_, it)| {
        it.deployment.service == *service
            && it.has_succeeded()
            && it.deployment.kind == DeploymentKind::Forward
            && it.deployment.finished.is_some_and(|finished| {
                finished <= incident.started && incident.started - finished <= options.max_attribution
            })
    });
    before.next_back().map(|(position, _)| position)
}
