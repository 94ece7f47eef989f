//! Who began and who approved a deployment, and the requests that belong to it.
//!
//! In: what executions say of their triggers and approvals, and CloudTrail's requests. Out: trigger, actor, approvers and
//! event ids of a draft. Without CloudTrail the executions still name some of them; without both nobody is named.

use std::collections::BTreeSet;

use time::{Duration, OffsetDateTime};

use super::index::Index;
use super::members::Draft;
use super::services::Landscape;
use crate::dora::TriggerKind;
use crate::history::{ActionExecution, Event, HistoryCoverage, HistorySource, PipelineExecution, Principal, Trigger};
use crate::inventory::{AccountId, Arn, Region};

/// How far the clocks of an approval's execution and of its request may be apart.
const TOLERANCE: Duration = Duration::minutes(2);

/// Fills in trigger, actor, approvers and events.
pub(super) fn name(draft: &mut Draft<'_>, landscape: &Landscape, index: &Index<'_>, coverage: &HistoryCoverage) {
    let mut events: BTreeSet<String> = BTreeSet::new();
    let of_execution = draft.execution.map_or(&[][..], |execution| index.requests(&execution.id));
    let of_code: Vec<&Event> = draft.code.iter().flat_map(|code| index.requests(&code.id)).copied().collect();
    events.extend(of_execution.iter().chain(&of_code).map(|event| event.id.clone()));
    if let Some(execution) = draft.execution {
        let starts = of_execution.iter().find(|event| {
            event.is("codepipeline", "StartPipelineExecution") || event.is("codepipeline", "RollbackStage")
        });
        draft.deployment.trigger = trigger(execution, starts.copied(), index);
        draft.deployment.actor = actor(execution.trigger.as_ref(), starts.copied());
        let (approvers, approvals) = approvers(execution, draft.deployment.finished, index);
        draft.deployment.approvers = approvers;
        events.extend(approvals);
    } else {
        let request = of_code.iter().find(|event| event.is("codedeploy", "CreateDeployment")).copied();
        draft.deployment.trigger = direct(draft, request, landscape, index, coverage);
        draft.deployment.actor = request.map(|event| event.principal.clone());
    }
    draft.deployment.events = events.into_iter().collect();
}

fn trigger(execution: &PipelineExecution, start: Option<&Event>, index: &Index<'_>) -> TriggerKind {
    let by_rule = start.is_some_and(|event| event.is_called_by("events") || event.is_called_by("scheduler"));
    match execution.trigger.as_ref().map(|trigger| trigger.kind.as_str()) {
        Some("Webhook" | "WebhookV2" | "PollForSourceChanges" | "PutActionRevision") => TriggerKind::Change,
        Some("ManualRollback") => TriggerKind::ManualRollback,
        Some("AutomatedRollback") => TriggerKind::AutomatedRollback,
        Some("StartPipelineExecution" | "CreatePipeline") if !by_rule => TriggerKind::Manual,
        Some("StartPipelineExecution" | "CloudWatchEvent") => by_event_rule(execution, index),
        _ => match start {
            Some(event) if event.name == "RollbackStage" => TriggerKind::ManualRollback,
            Some(_) if by_rule => by_event_rule(execution, index),
            Some(_) => TriggerKind::Manual,
            None => TriggerKind::Unknown,
        },
    }
}

/// Event rules tell of changes of a source as well as of the hour; what comes with nothing new is the hour.
fn by_event_rule(execution: &PipelineExecution, index: &Index<'_>) -> TriggerKind {
    let mut before = index
        .executions(&execution.pipeline)
        .iter()
        .filter(|it| it.started < execution.started && !super::releases::is_rollback(it));
    let same = before.next_back().is_some_and(|it| !it.revisions.is_empty() && it.revisions == execution.revisions);
    if same { TriggerKind::Schedule } else { TriggerKind::Change }
}

/// Whoever CloudTrail saw, else whoever the trigger names.
fn actor(trigger: Option<&Trigger>, start: Option<&Event>) -> Option<Principal> {
    if let Some(event) = start {
        return Some(event.principal.clone());
    }
    let trigger = trigger.filter(|it| matches!(it.kind.as_str(), "StartPipelineExecution" | "ManualRollback"))?;
    person_of(trigger.detail.as_deref())
}

/// The principal behind the ARN of an identity; other ARNs name a webhook, a rule or a connection.
fn person_of(arn: Option<&str>) -> Option<Principal> {
    let arn = arn?;
    let service = Arn::parse(arn).ok()?.service;
    matches!(service, "iam" | "sts").then(|| Principal::of_arn(arn))
}

/// A deployment that no action asked for: past the pipelines, unless a service made it or the pipelines were not looked
/// at.
fn direct(
    draft: &Draft<'_>,
    request: Option<&Event>,
    landscape: &Landscape,
    index: &Index<'_>,
    coverage: &HistoryCoverage,
) -> TriggerKind {
    let Some(code) = draft.code.first() else { return TriggerKind::Unknown };
    match code.creator.as_deref() {
        Some("codeDeployRollback" | "CloudFormationRollback") => return TriggerKind::AutomatedRollback,
        Some("user") | None => {}
        Some(_) => return TriggerKind::Unknown,
    }
    if code.rollback_triggering_deployment.is_some() {
        return TriggerKind::AutomatedRollback;
    }
    if request.is_some_and(|event| is_of_a_pipeline(event, index)) {
        return TriggerKind::Unknown;
    }
    let pipeline = landscape.group(code).and_then(|group| group.pipeline.as_deref());
    let place = match pipeline.and_then(|arn| landscape.pipelines.get(arn)) {
        Some(pipeline) => (&pipeline.account, &pipeline.region),
        None => (&code.account, &code.region),
    };
    if is_covered(coverage, HistorySource::PipelineExecutions, place, pipeline, code.created) {
        TriggerKind::Direct
    } else {
        TriggerKind::Unknown
    }
}

/// Whether a source was looked at in a place at a moment; without a subject, in any part of the place.
pub(super) fn is_covered(
    coverage: &HistoryCoverage,
    source: HistorySource,
    (account, region): (&AccountId, &Region),
    subject: Option<&str>,
    time: OffsetDateTime,
) -> bool {
    coverage.spans.iter().any(|span| {
        span.source == source
            && span.account.as_ref().is_none_or(|id| id == account)
            && span.region.as_ref().is_none_or(|name| name == region)
            && (span.subject.is_none() || subject.is_none() || span.subject.as_deref() == subject)
            && span.from <= time
            && time < span.to
    })
}

/// Whether a pipeline made the request: by its own name, or as one of its roles with the session that it makes.
fn is_of_a_pipeline(event: &Event, index: &Index<'_>) -> bool {
    if event.is_called_by("codepipeline") {
        return true;
    }
    let role = event.principal.role.as_deref();
    let numbered = event
        .principal
        .session
        .as_deref()
        .is_some_and(|name| name.len() == 13 && name.bytes().all(|byte| byte.is_ascii_digit()));
    numbered && role.is_some_and(|role| index.is_pipeline_role(role))
}

/// Who approved, with the ids of the requests that say so.
fn approvers(
    execution: &PipelineExecution,
    finished: Option<OffsetDateTime>,
    index: &Index<'_>,
) -> (Vec<Principal>, BTreeSet<String>) {
    let mut approvers: Vec<Principal> = Vec::new();
    let mut events = BTreeSet::new();
    for attempts in index.actions(&execution.pipeline, &execution.id) {
        for action in attempts.tries.iter().filter(|it| it.category == "Approval" && it.status == "Succeeded") {
            // What is approved after the end is something else.
            if action.updated.zip(finished).is_some_and(|(approved, finished)| approved > finished) {
                continue;
            }
            let request = approval(action, execution, index);
            events.extend(request.map(|event| event.id.clone()));
            let approver =
                request.map(|event| event.principal.clone()).or_else(|| person_of(action.updated_by.as_deref()));
            approvers.extend(approver);
        }
    }
    approvers.sort();
    approvers.dedup();
    (approvers, events)
}

/// The request that approved. It names no execution, so it is the one for this action at this time; where two executions
/// were approved at the same time, it is nobody's.
fn approval<'a>(action: &ActionExecution, execution: &PipelineExecution, index: &Index<'a>) -> Option<&'a Event> {
    let approved = action.updated?;
    let name = execution.pipeline.rsplit(':').next().unwrap_or_default();
    let is_near = |time: OffsetDateTime| (time - approved).abs() <= TOLERANCE;
    let mut near = index.approvals(name).iter().copied().filter(|event| {
        event.account == execution.account
            && event.region == execution.region
            && event.request.text(&["stageName"]).as_deref() == Some(action.stage.as_str())
            && event.request.text(&["actionName"]).as_deref() == Some(action.action.as_str())
            && is_near(event.time)
            && action.updated_by.as_ref().is_none_or(|by| event.principal.arn.as_ref().is_none_or(|arn| arn == by))
    });
    let one = near.next()?;
    // Only executions that wait at the same time can be approved at the same time.
    let waiting = index.executions_with_actions(&action.pipeline).flat_map(|(_, actions)| actions);
    let same = waiting.filter(|it| (it.stage, it.action) == (action.stage.as_str(), action.action.as_str()));
    let others = same.flat_map(|it| &it.tries).filter(|other| {
        other.id != action.id && other.updated_by == action.updated_by && other.updated.is_some_and(is_near)
    });
    (near.next().is_none() && others.count() == 0).then_some(one)
}
