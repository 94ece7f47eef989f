//! G6 and G12: around the gates: conditions overridden, transitions reopened by somebody else, rejections skipped,
//! executions abandoned; and what is worth to be known without being a fault: retries, rollbacks, refused attempts.
//!
//! In: calls of `CodePipeline` about a service's pipelines, and executions of actions. Out: observations.

use time::OffsetDateTime;

use super::super::DeploymentKind;
use super::bypass::of_deployment;
use super::identity::Who;
use super::verdict::{Observation, Record, Verdict};
use super::view::{Pipe, View};
use crate::history::Event;

/// Calls that open a gate or change where it stands.
const GATES: &[&str] = &[
    "OverrideStageCondition",
    "EnableStageTransition",
    "UpdatePipeline",
    "PutApprovalResult",
    "RetryStageExecution",
    "StopPipelineExecution",
];

/// A stage's condition had failed, and somebody let the execution pass.
pub(super) fn overridden(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for pipe in &view.pipelines {
        for event in view.calls(pipe, "OverrideStageCondition") {
            let said = |name: &str| event.request.text(&[name]).unwrap_or_default();
            let (condition, stage) = (said("conditionType"), said("stageName"));
            let execution = said("pipelineExecutionId");
            let what = format!("overrode {condition} of {}/{stage} for execution {execution}", pipe.name);
            verdict.see(Observation::of(event, what));
        }
    }
    verdict.blind(view.unheard(&["OverrideStageCondition"]));
    verdict
}

/// A transition was enabled by another than whoever had disabled it.
pub(super) fn reopened(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for pipe in &view.pipelines {
        for enabled in view.calls(pipe, "EnableStageTransition") {
            let stage = enabled.request.text(&["stageName"]).unwrap_or_default();
            // Within one second the order is not known; then whoever closed it counts.
            let before = ["DisableStageTransition", "EnableStageTransition"]
                .into_iter()
                .flat_map(|name| view.all_calls(pipe, name))
                .filter(|event| is_same_transition(event, enabled) && event.id != enabled.id)
                .filter(|event| event.time < enabled.time || event.time == enabled.time && closes(event))
                .max_by_key(|event| (event.time, closes(event), event.id.clone()));
            let Some(disabled) = before else {
                verdict.doubt(format!("who had disabled {}/{stage} is not known", pipe.name));
                continue;
            };
            if !closes(disabled) {
                continue;
            }
            match (view.people.caller(disabled), view.people.caller(enabled)) {
                (Who::Person(one), Who::Person(other)) if one == other => {}
                (Who::Person(_), Who::Person(_) | Who::Machine(_) | Who::Root(_)) => {
                    let reason = disabled.request.text(&["reason"]).unwrap_or_default();
                    let holder = disabled.principal.shown();
                    let what = format!("reopened {}/{stage}, which {holder} had closed: \"{reason}\"", pipe.name);
                    let mut seen = Observation::of(enabled, what);
                    seen.records.insert(Record::Event(disabled.id.clone()));
                    verdict.see(seen);
                }
                (Who::Machine(one), Who::Machine(other)) if one == other => {}
                _ => verdict.doubt(format!(
                    "whether {} may reopen {}/{stage}, which {} had closed, is not known",
                    enabled.principal.shown(),
                    pipe.name,
                    disabled.principal.shown()
                )),
            }
        }
    }
    verdict.blind(view.unheard(&["EnableStageTransition", "DisableStageTransition"]));
    verdict
}

fn closes(event: &Event) -> bool {
    event.name == "DisableStageTransition"
}

fn is_same_transition(one: &Event, other: &Event) -> bool {
    ["stageName", "transitionType"].iter().all(|name| one.request.text(&[name]) == other.request.text(&[name]))
}

/// A stage was retried after its approval was rejected, and went on without a new one.
pub(super) fn skipped_rejections(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for pipe in &view.pipelines {
        for retry in view.calls(pipe, "RetryStageExecution") {
            let said = |name: &str| retry.request.text(&[name]).unwrap_or_default();
            let (stage, execution) = (said("stageName"), said("pipelineExecutionId"));
            let Some(actions) = view.index.actions.get(&(pipe.arn.as_str(), execution.as_str())) else {
                verdict.doubt(format!("what the retry of {}/{stage} ran is not known", pipe.name));
                continue;
            };
            let of_stage = || actions.iter().filter(|action| action.stage == stage);
            let rejected = of_stage().filter(|action| {
                let ended = action.updated.unwrap_or(action.started);
                action.category == "Approval" && action.status == "Failed" && ended <= retry.time
            });
            for approval in rejected {
                let again =
                    of_stage().any(|action| action.action == approval.action && action.started >= retry.time - SECOND);
                let went_on =
                    actions.iter().any(|action| action.category != "Approval" && action.started >= retry.time - SECOND);
                if !again && went_on {
                    let what = format!(
                        "retried {}/{stage} of execution {execution} past its rejected approval {}",
                        pipe.name, approval.action
                    );
                    let mut seen = Observation::of(retry, what);
                    seen.records.insert(Record::Action(approval.id.clone()));
                    verdict.see(seen);
                }
            }
        }
    }
    verdict.blind(view.unheard(&["RetryStageExecution"]));
    verdict
}

/// Events know no fractions of a second.
const SECOND: time::Duration = time::Duration::SECOND;

/// An execution was abandoned in production: what it had begun goes on, and nobody watches it.
pub(super) fn abandoned(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for pipe in &view.pipelines {
        for event in view.calls(pipe, "StopPipelineExecution") {
            if event.request.flag(&["abandon"]) != Some(true) {
                continue;
            }
            let execution = event.request.text(&["pipelineExecutionId"]).unwrap_or_default();
            if in_production(view, pipe, &execution, event.time) {
                let why = event.request.text(&["reason"]).unwrap_or_default();
                let what = format!("abandoned execution {execution} of {} in production: \"{why}\"", pipe.name);
                verdict.see(Observation::of(event, what));
            } else if !view.index.actions.contains_key(&(pipe.arn.as_str(), execution.as_str())) {
                verdict.doubt(format!("whether execution {execution} of {} was in production is not known", pipe.name));
            }
        }
    }
    verdict.blind(view.unheard(&["StopPipelineExecution"]));
    verdict
}

fn in_production(view: &View<'_>, pipe: &Pipe, execution: &str, time: OffsetDateTime) -> bool {
    view.all_deployments.iter().any(|deployment| {
        deployment.pipeline.as_deref() == Some(pipe.arn.as_str())
            && deployment.execution.as_deref() == Some(execution)
            && deployment.started <= time + SECOND
            && deployment.finished.is_none_or(|finished| time <= finished + SECOND)
    })
}

/// Tried more than once. No fault.
pub(super) fn retries(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let mut asked = Vec::new();
    for pipe in &view.pipelines {
        for event in view.calls(pipe, "RetryStageExecution") {
            let said = |name: &str| event.request.text(&[name]).unwrap_or_default();
            let execution = said("pipelineExecutionId");
            let what = format!("retried {}/{} of execution {execution}", pipe.name, said("stageName"));
            verdict.see(Observation::of(event, what));
            asked.push(execution);
        }
    }
    for deployment in view.deployments.iter().filter(|deployment| deployment.attempts > 1) {
        if !deployment.execution.as_ref().is_some_and(|execution| asked.contains(execution)) {
            let what = format!("tried {} times:", deployment.attempts);
            verdict.see(Observation { actor: "somebody".to_owned(), ..of_deployment(deployment, &what, view) });
        }
    }
    verdict.blind(view.unseen_executions());
    verdict
}

/// Back to an older version, and who went back. No fault.
pub(super) fn rollbacks(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for deployment in view.deployments.iter().filter(|deployment| deployment.kind == DeploymentKind::Rollback) {
        verdict.see(of_deployment(deployment, "rolled back:", view));
    }
    verdict.blind(view.unseen_executions());
    verdict
}

/// Somebody tried, and was refused.
pub(super) fn refused(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for pipe in &view.pipelines {
        for event in view.index.pipeline_events.get(&pipe.arn).into_iter().flatten() {
            if let Some(code) = &event.error_code
                && GATES.contains(&event.name.as_str())
                && view.in_window(event.time)
            {
                let what = format!("was refused {} on {} ({code})", event.name, pipe.name);
                verdict.see(Observation::of(event, what));
            }
        }
    }
    verdict.blind(view.unheard(GATES));
    verdict
}
