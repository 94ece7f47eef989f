//! Who approved what: manual approvals of production executions, joined with the calls that gave them.
//!
//! In: executions of approval actions, and `PutApprovalResult`, which names a pipeline, a stage and an action but no
//! execution (<https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_PutApprovalResult.html>). Out: one
//! approval per action that succeeded on the way to production, with who gave it as far as that is certain. Where two
//! executions could be meant, as in `PARALLEL` mode, nobody is named.

use time::{Duration, OffsetDateTime};

use super::super::Deployment;
use super::identity::Who;
use super::verdict::Record;
use super::view::{View, pipe};
use crate::history::{ActionExecution, Event, Principal};

/// The clocks of the call and of the action's last update differ by less.
const SLACK: Duration = Duration::minutes(2);

/// Who gave an approval.
#[derive(Debug, Clone)]
pub(super) enum Approver {
    /// This identity.
    Known(Who, String),
    /// It is not known, for this reason.
    Unclear(String),
}

/// An approval that a production deployment rests on.
#[derive(Debug)]
pub(super) struct Approval<'a> {
    pub(super) deployment: &'a Deployment,
    pub(super) approver: Approver,
    /// When it was given.
    pub(super) time: OffsetDateTime,
    /// How long it waited; none if the action's execution is not known.
    pub(super) waited: Option<Duration>,
    /// What the approver wrote; none if that is not known.
    pub(super) summary: Option<String>,
    /// Records behind it.
    pub(super) records: Vec<Record>,
}

/// All approvals of the service's deployments of the window.
pub(super) fn approvals<'a>(view: &View<'a>) -> Vec<Approval<'a>> {
    view.deployments.iter().flat_map(|deployment| of_deployment(view, deployment)).collect()
}

fn of_deployment<'a>(view: &View<'a>, deployment: &'a Deployment) -> Vec<Approval<'a>> {
    let actions = view.actions_of(deployment);
    let approved = actions.iter().filter(|action| {
        action.category == "Approval"
            && action.status == "Succeeded"
            && deployment.finished.is_none_or(|finished| action.started <= finished)
    });
    let approvals: Vec<Approval<'a>> = approved.map(|action| joined(view, deployment, action)).collect();
    if !approvals.is_empty() || actions.iter().any(|action| action.category == "Approval") {
        return approvals;
    }
    // Without action executions there is still what put the deployment together.
    let named = deployment.approvers.iter().map(|principal| Approval {
        deployment,
        approver: Approver::Known(view.people.principal(principal), principal.shown()),
        time: deployment.started,
        waited: None,
        summary: None,
        records: vec![view.record(deployment)],
    });
    named.collect()
}

fn joined<'a>(view: &View<'a>, deployment: &'a Deployment, action: &'a ActionExecution) -> Approval<'a> {
    let ended = action.updated.unwrap_or(action.started);
    let calls = calls(view, action);
    let mut records = vec![Record::Action(action.id.clone())];
    let by_action = action.updated_by.as_deref().map(Principal::of_arn);
    let (approver, time, summary) = match calls.as_slice() {
        [event] if !is_ambiguous(view, action, event) => {
            records.insert(0, Record::Event(event.id.clone()));
            let summary = event.request.text(&["result", "summary"]).unwrap_or_default();
            (Approver::Known(view.people.caller(event), event.principal.shown()), event.time, Some(summary))
        }
        calls => {
            let approver = match (&by_action, calls.len()) {
                (Some(principal), _) => Approver::Known(view.people.principal(principal), principal.shown()),
                (None, 0) => Approver::Unclear(format!("who approved {} is not known", view.shown(deployment))),
                (None, _) => Approver::Unclear(format!(
                    "who approved {} is ambiguous: {} results fit its approval {}/{}, or this one fits several executions",
                    view.shown(deployment),
                    calls.len(),
                    action.stage,
                    action.action
                )),
            };
            (approver, ended, action.summary.clone())
        }
    };
    Approval { deployment, approver, time, waited: Some(time - action.started), summary, records }
}

/// The results that may have been given to an execution of an approval.
fn calls<'a>(view: &View<'a>, action: &ActionExecution) -> Vec<&'a Event> {
    let Some(pipe) = pipe(&action.pipeline) else { return Vec::new() };
    let ended = action.updated.unwrap_or(action.started);
    view.all_calls(&pipe, "PutApprovalResult").filter(|event| is_about(event, action) && near(event, ended)).collect()
}

fn is_about(event: &Event, action: &ActionExecution) -> bool {
    let is = |path: &[&str], value: &str| event.request.text(path).as_deref() == Some(value);
    is(&["stageName"], &action.stage)
        && is(&["actionName"], &action.action)
        && is(&["result", "status"], "Approved")
        && event.time + SLACK >= action.started
}

fn near(event: &Event, ended: OffsetDateTime) -> bool {
    (event.time - ended).abs() <= SLACK
}

/// Whether the same result fits the same approval of another execution.
fn is_ambiguous(view: &View<'_>, action: &ActionExecution, event: &Event) -> bool {
    let all = view.index.all_actions.get(action.pipeline.as_str()).map_or(&[][..], Vec::as_slice);
    all.iter().any(|other| {
        other.execution != action.execution
            && other.category == "Approval"
            && other.status == "Succeeded"
            && is_about(event, other)
            && near(event, other.updated.unwrap_or(other.started))
    })
}
