//! G5: around the pipeline: deployments that no pipeline asked for, builds with other instructions, and deployment groups
//! changed beside a deployment.
//!
//! In: deployments that were told apart by `externalExecutionId`, and calls of `CodeBuild` and `CodeDeploy`. Out: what went
//! past the pipeline. `CodePipeline` itself starts builds with overrides, so a build that it asked for never counts.

use std::collections::BTreeSet;

use time::{Duration, OffsetDateTime};

use super::super::{Deployment, DeploymentKind, TriggerKind};
use super::identity::Who;
use super::verdict::{Observation, Record, Verdict};
use super::view::{Named, View};
use crate::history::{Event, HistorySource};

/// What is done so close to a deployment is done for it.
pub(super) const BESIDE: Duration = Duration::minutes(30);

const BUILDS: &[&str] = &["StartBuild", "StartBuildBatch", "StartSandbox"];

/// Deployed to production past every pipeline.
pub(super) fn deployments(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for deployment in &view.deployments {
        let brings = matches!(
            deployment.kind,
            DeploymentKind::Forward | DeploymentKind::RedeploySame | DeploymentKind::Rollback
        );
        if deployment.pipeline.is_some() || !brings {
            continue;
        }
        match deployment.trigger {
            TriggerKind::Direct | TriggerKind::Manual | TriggerKind::ManualRollback => {
                verdict.see(of_deployment(deployment, "deployed past every pipeline:", view));
            }
            TriggerKind::Unknown => {
                verdict.doubt(format!("what asked for {} is not known", view.shown(deployment)));
            }
            TriggerKind::Change | TriggerKind::Schedule | TriggerKind::AutomatedRollback => {}
        }
    }
    for (account, region, name) in &view.groups {
        let unread = view.sight.records(HistorySource::Deployments, account, region, name);
        if unread.is_some() {
            verdict.blind(view.sight.calls(account, region, &["CreateDeployment"]).and(unread));
        }
    }
    verdict.blind(view.unseen_executions());
    verdict
}

/// What a deployment itself shows.
pub(super) fn of_deployment(deployment: &Deployment, what: &str, view: &View<'_>) -> Observation {
    let actor = match (&deployment.actor, deployment.trigger) {
        (Some(actor), _) => actor.shown(),
        (None, TriggerKind::AutomatedRollback) => "the service".to_owned(),
        (None, TriggerKind::Change | TriggerKind::Schedule) => format!("a {}", deployment.trigger.name()),
        (None, _) => "somebody".to_owned(),
    };
    let records = deployment.events.iter().cloned().map(Record::Event).chain([view.record(deployment)]);
    Observation {
        time: deployment.started,
        actor,
        what: format!("{what} {}", view.shown(deployment)),
        records: records.collect(),
    }
}

/// Built with other instructions, source, image or role, on a project of the service's pipelines.
pub(super) fn builds(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let projects = view.projects();
    for project in &projects {
        for event in view.index.project_events.get(project).into_iter().flatten() {
            if !BUILDS.contains(&event.name.as_str()) || !event.succeeded() || !view.in_window(event.time) {
                continue;
            }
            build(view, project, event, &mut verdict);
        }
        if let Some(event) =
            view.unnamed(&project.0, &project.1, "codebuild", BUILDS).find(|it| !view.is_by_pipeline(it))
        {
            verdict.doubt(format!("a {} in {} {} was too large to be recorded", event.name, project.0, project.1));
        }
        verdict.blind(view.sight.calls(&project.0, &project.1, BUILDS));
    }
    let unknown = view
        .pipelines
        .iter()
        .find(|pipe| view.definition(pipe).is_none() && !view.index.all_actions.contains_key(pipe.arn.as_str()));
    if let Some(pipe) = unknown {
        verdict.doubt(format!("which projects {} builds with is not known", pipe.arn));
    }
    verdict
}

fn build(view: &View<'_>, project: &Named, event: &Event, verdict: &mut Verdict) {
    let ids = [&["build", "id"][..], &["buildBatch", "id"]];
    let asked = ids
        .iter()
        .filter_map(|path| event.response.text(path))
        .any(|id| view.index.asked_by_pipelines.contains(id.as_str()));
    if asked || view.is_by_pipeline(event) {
        return;
    }
    if event.request.is_omitted() {
        return verdict.doubt(format!("how a build of {} was started was too large to be recorded", project.2));
    }
    let overrides = overrides(event);
    if overrides.is_empty() && event.name != "StartSandbox" {
        return;
    }
    match view.people.caller(event) {
        Who::Machine(name) if name.bytes().take(13).filter(u8::is_ascii_digit).count() == 13 => {
            verdict
                .doubt(format!("whether a pipeline started the build of {} in session {name} is not known", project.2));
        }
        _ if event.name == "StartSandbox" => {
            verdict.see(Observation::of(event, format!("opened a sandbox of project {}", project.2)));
        }
        _ => {
            let list: Vec<&str> = overrides.into_iter().collect();
            verdict.see(Observation::of(event, format!("built project {} with {}", project.2, list.join(", "))));
        }
    }
}

/// What a start of a build sets otherwise than the project.
fn overrides(event: &Event) -> BTreeSet<&str> {
    let members = event.request.member(&[]).and_then(|request| request.as_object());
    let given = |value: &serde_json::Value| !value.is_null() && *value != serde_json::Value::Bool(false);
    members
        .into_iter()
        .flatten()
        .filter(|(name, value)| given(value) && (name.ends_with("Override") || *name == "debugSessionEnabled"))
        .filter(|(name, _)| !HARMLESS.contains(&name.as_str()))
        .map(|(name, _)| name.as_str())
        .collect()
}

/// Overrides that change neither what is built nor with what rights.
const HARMLESS: &[&str] = &[
    "autoRetryLimitOverride",
    "buildStatusConfigOverride",
    "gitCloneDepthOverride",
    "queuedTimeoutInMinutesOverride",
    "reportBuildStatusOverride",
    "timeoutInMinutesOverride",
];

const CHANGES: &[&str] = &["UpdateDeploymentGroup"];

/// Changed a deployment group shortly before, while or after deploying to it.
pub(super) fn groups(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.blind(view.unseen_deployments());
    for group in &view.groups {
        for event in view.index.group_events.get(group).into_iter().flatten() {
            let by_hand =
                event.name == "UpdateDeploymentGroup" && event.succeeded() && !event.is_called_by("cloudformation");
            if by_hand
                && view.in_window(event.time)
                && let Some(deployment) = beside(view, event.time)
            {
                let what = format!("changed deployment group {} beside {}", group.2, view.shown(deployment));
                verdict.see(Observation::of(event, what));
            }
        }
        let unnamed = view.unnamed(&group.0, &group.1, "codedeploy", CHANGES);
        for event in unnamed.filter(|event| beside(view, event.time).is_some()) {
            verdict.doubt(format!("a {} in {} {} was too large to be recorded", event.name, group.0, group.1));
        }
        verdict.blind(view.sight.calls(&group.0, &group.1, CHANGES));
    }
    verdict
}

/// A production deployment that was under way half an hour around a moment.
pub(super) fn beside<'a>(view: &View<'a>, time: OffsetDateTime) -> Option<&'a Deployment> {
    view.all_deployments.iter().copied().find(|deployment| {
        let end = deployment.finished.unwrap_or(deployment.started).max(deployment.started);
        deployment.started - BESIDE <= time && time <= end + BESIDE
    })
}
