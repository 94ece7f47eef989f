//! What was known at a moment: the same question about June gives the same answer in November.
//!
//! In: a history in any order, with repeats. Out: the same in its one order, without what came after the moment, and
//! with what was under way then under way again.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use crate::history::History;

/// The history as it was at `as_of`.
pub(super) fn at(history: &History, as_of: OffsetDateTime) -> History {
    let mut seen = history.clone();
    seen.normalise();
    seen.events.retain(|event| event.time <= as_of);
    seen.executions.retain(|execution| execution.started <= as_of);
    for execution in &mut seen.executions {
        if execution.updated.is_some_and(|updated| updated > as_of) {
            "InProgress".clone_into(&mut execution.status);
            execution.updated = None;
        }
    }
    seen.actions.retain(|action| action.started <= as_of);
    for action in &mut seen.actions {
        if action.updated.is_some_and(|updated| updated > as_of) {
            "InProgress".clone_into(&mut action.status);
            action.updated = None;
            action.updated_by = None;
            action.error_code = None;
        }
    }
    seen.rules.retain(|rule| rule.started <= as_of);
    let later: BTreeSet<String> =
        seen.deployments.iter().filter(|it| it.created > as_of).map(|it| it.id.clone()).collect();
    seen.deployments.retain(|deployment| deployment.created <= as_of);
    for deployment in &mut seen.deployments {
        if deployment.completed.is_some_and(|completed| completed > as_of) {
            "InProgress".clone_into(&mut deployment.status);
            deployment.completed = None;
            deployment.error_code = None;
            deployment.counts = None;
        }
        if deployment.rollback_deployment.as_ref().is_some_and(|id| later.contains(id)) {
            deployment.rollback_deployment = None;
        }
    }
    seen.builds.retain(|build| build.started <= as_of);
    for build in &mut seen.builds {
        if build.ended.is_some_and(|ended| ended > as_of) {
            "IN_PROGRESS".clone_into(&mut build.status);
            build.ended = None;
        }
    }
    seen.reports.retain(|report| report.created <= as_of);
    seen.merges.retain(|merge| merge.merged <= as_of);
    seen.incidents.retain(|incident| incident.started <= as_of);
    for incident in &mut seen.incidents {
        incident.resolved = incident.resolved.filter(|resolved| *resolved <= as_of);
    }
    seen.transitions.retain(|transition| transition.time <= as_of);
    seen
}
