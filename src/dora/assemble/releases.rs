//! Deployments: one for every execution that reaches production, and one for every deployment past the pipelines.
//!
//! In: executions, their actions, and `CodeDeploy`'s deployments. Out: [`Draft`]s whose kind, actors and evidence are not
//! decided yet. Retries are folded in, and places of one execution are one deployment, however many.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use super::index::{Attempts, Index};
use super::members::{self, Draft, Folded};
use super::services::{Landscape, PipelineEntry};
use super::{outcome, version};
use crate::dora::{Confidence, Deployment, DeploymentKind, Outcome, ServiceKey, TriggerKind};
use crate::history::{PipelineExecution, SourceRevision};
use crate::inventory::{AccountId, Region};

/// The executions of a pipeline: those that were listed, and those of which only actions are known.
pub(super) fn executions(arn: &str, pipeline: &PipelineEntry, index: &Index<'_>) -> Vec<PipelineExecution> {
    let mut known: Vec<PipelineExecution> = index.executions(arn).iter().copied().cloned().collect();
    for (id, actions) in index.executions_with_actions(arn) {
        if index.execution(arn, id).is_none()
            && let Some(started) = actions.iter().filter_map(|it| it.tries.first()).map(|it| it.started).min()
        {
            let (account, region) = (pipeline.account.clone(), pipeline.region.clone());
            known.push(PipelineExecution::new(arn, account, region, id, "", started));
        }
    }
    known.sort_by(|a, b| (a.started, &a.id).cmp(&(b.started, &b.id)));
    known
}

/// All deployments to production, by time and id.
pub(super) fn drafts<'a>(
    landscape: &Landscape,
    executions: &'a BTreeMap<String, Vec<PipelineExecution>>,
    index: &Index<'a>,
) -> Vec<Draft<'a>> {
    let mut drafts = Vec::new();
    for (arn, pipeline) in &landscape.pipelines {
        let whole = whole(arn, pipeline, index);
        for execution in executions.get(arn).into_iter().flatten() {
            drafts.extend(of_execution(execution, pipeline, &whole, index));
        }
    }
    for code in index.history.deployments.iter().filter(|it| !index.is_asked_for(&it.id)) {
        let Some(group) = landscape.group(code).filter(|group| group.is_production) else { continue };
        let folded = vec![members::of_code_deployment(code)];
        let place = (code.account.clone(), code.region.clone());
        let id = format!("{}/{}", code.region, code.id);
        let outcome = folded.first().map_or(Outcome::Unknown, |it| it.member.outcome);
        let deployment = deployment(id, group.service.clone(), place, &folded, outcome);
        let lane = group.pipeline.clone().unwrap_or_else(|| group.arn.clone());
        drafts.push(Draft { touched: members::touched(&folded), deployment, lane, execution: None, code: vec![code] });
    }
    version::resolve(&mut drafts);
    sort(&mut drafts);
    drafts
}

pub(super) fn sort(drafts: &mut [Draft<'_>]) {
    drafts.sort_by(|a, b| (a.time(), &a.deployment.id).cmp(&(b.time(), &b.deployment.id)));
}

/// Production actions by the version of the pipeline that ran them; `None` stands for executions without a version.
type Whole<'a> = BTreeMap<Option<i64>, BTreeSet<(&'a str, &'a str)>>;

fn whole<'a>(arn: &str, pipeline: &PipelineEntry, index: &'a Index<'_>) -> Whole<'a> {
    let mut whole = Whole::new();
    for (_, actions) in index.executions_with_actions(arn) {
        for attempts in actions.iter().filter(|it| is_production(it, pipeline)) {
            for action in &attempts.tries {
                whole.entry(action.pipeline_version).or_default().insert((attempts.stage, attempts.action));
            }
        }
    }
    whole
}

fn is_production(attempts: &Attempts<'_>, pipeline: &PipelineEntry) -> bool {
    pipeline.production.actions.contains(&(attempts.stage.to_owned(), attempts.action.to_owned()))
}

fn of_execution<'a>(
    execution: &'a PipelineExecution,
    pipeline: &PipelineEntry,
    whole: &Whole<'_>,
    index: &Index<'a>,
) -> Option<Draft<'a>> {
    let actions = index.actions(&execution.pipeline, &execution.id);
    let mut folded = Vec::new();
    let mut there: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut version_of_pipeline = None;
    for attempts in actions.iter().filter(|it| is_production(it, pipeline)) {
        folded.extend(members::of_attempts(attempts, execution, index));
        there.insert((attempts.stage, attempts.action));
        version_of_pipeline = attempts.tries.last().and_then(|action| action.pipeline_version);
    }
    if folded.is_empty() {
        return None;
    }
    let is_whole = whole.get(&version_of_pipeline).is_none_or(|all| all.is_subset(&there))
        // A rollback goes back in one stage only.
        || is_rollback(execution);
    let members: Vec<_> = folded.iter().map(|it| it.member.clone()).collect();
    let outcome = outcome::of_members(&members, is_whole, &execution.status);
    let id = format!("{}/{}", execution.pipeline, execution.id);
    let place = (pipeline.account.clone(), pipeline.region.clone());
    let mut deployment = deployment(id, pipeline.service.clone(), place, &folded, outcome);
    deployment.pipeline = Some(execution.pipeline.clone());
    deployment.execution = Some(execution.id.clone());
    deployment.revisions = revisions(execution, index);
    deployment.version = version::of_revisions(&deployment.revisions);
    let mut code: Vec<_> = folded.iter().flat_map(|it| it.code.iter().copied()).collect();
    code.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
    let touched = members::touched(&folded);
    let lane = execution.pipeline.clone();
    Some(Draft { deployment, lane, execution: Some(execution), code, touched })
}

pub(super) fn is_rollback(execution: &PipelineExecution) -> bool {
    let trigger = execution.trigger.as_ref().map(|trigger| trigger.kind.as_str());
    execution.execution_type.as_deref() == Some("ROLLBACK")
        || matches!(trigger, Some("ManualRollback" | "AutomatedRollback"))
}

/// What an execution delivers; a rollback that does not say so delivers what its target did.
fn revisions(execution: &PipelineExecution, index: &Index<'_>) -> Vec<SourceRevision> {
    let target = execution.rollback_target.as_deref().filter(|_| execution.revisions.is_empty());
    let target = target.and_then(|id| index.execution(&execution.pipeline, id));
    let mut revisions = target.unwrap_or(execution).revisions.clone();
    revisions.sort();
    revisions.dedup();
    revisions
}

/// A deployment of which only members, times and outcome are known.
fn deployment(
    id: String,
    service: ServiceKey,
    (account, region): (AccountId, Region),
    folded: &[Folded<'_>],
    outcome: Outcome,
) -> Deployment {
    let mut members: Vec<_> = folded.iter().map(|it| it.member.clone()).collect();
    members.sort_by(|a, b| (a.started, &a.name).cmp(&(b.started, &b.name)));
    let started = members.iter().map(|member| member.started).min().unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let ends: Vec<_> = members.iter().map(|member| member.finished).collect();
    let all_ended = ends.iter().all(Option::is_some) && outcome != Outcome::InProgress;
    // One first attempt that failed decides; that none did is known only of all.
    let first: Vec<Option<bool>> = folded.iter().map(|it| it.first_failed).collect();
    let first_attempt_failed =
        if first.contains(&Some(true)) { Some(true) } else { first.iter().all(Option::is_some).then_some(false) };
    Deployment {
        id,
        service,
        account,
        region,
        pipeline: None,
        execution: None,
        revisions: Vec::new(),
        version: None,
        started,
        finished: if all_ended { ends.iter().flatten().max().copied() } else { None },
        first_finished: folded.iter().filter_map(|it| it.arrived).min(),
        outcome,
        first_attempt_failed,
        attempts: members.iter().map(|member| member.attempts).max().unwrap_or(1),
        members,
        kind: DeploymentKind::Forward,
        kind_confidence: Confidence::Low,
        trigger: TriggerKind::Unknown,
        actor: None,
        approvers: Vec::new(),
        evidence: Vec::new(),
        unplanned: false,
        unplanned_is_flagged: false,
        events: Vec::new(),
    }
}
