//! G4: manual starts, and starts with a revision that somebody chose.
//!
//! In: `StartPipelineExecution`, whose `sourceRevisions` name a revision for a source action
//! (<https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_StartPipelineExecution.html>). Out: starts by hand,
//! as facts, and starts that took something else than what the branch holds.

use serde_json::Value;

use super::separation::{brings, is_commit};
use super::verdict::{Observation, Verdict};
use super::view::{Pipe, View, text};
use crate::history::Event;

const START: &str = "StartPipelineExecution";

/// Started by hand. No fault, but worth to be known.
pub(super) fn manual(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for (pipe, event) in by_hand(view) {
        let execution = event.response.text(&["pipelineExecutionId"]).unwrap_or_default();
        verdict.see(Observation::of(event, format!("started execution {execution} of {}", pipe.name)));
    }
    verdict.blind(view.unheard(&[START]));
    verdict
}

/// Started with a revision that the configured branch is not known to hold.
pub(super) fn pinned(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for (pipe, event) in by_hand(view) {
        let chosen = event.request.member(&["sourceRevisions"]).and_then(Value::as_array);
        for revision in chosen.into_iter().flatten() {
            let (action, value) = (text(revision, &["actionName"]), text(revision, &["revisionValue"]));
            if value.is_empty() || is_on_branch(view, pipe, action, value, event) {
                continue;
            }
            let execution = event.response.text(&["pipelineExecutionId"]).unwrap_or_default();
            let what = format!("started execution {execution} of {} with {value} for {action}", pipe.name);
            verdict.see(Observation::of(event, what));
        }
    }
    verdict.blind(view.unheard(&[START]));
    verdict
}

fn by_hand<'v>(view: &'v View<'_>) -> impl Iterator<Item = (&'v Pipe, &'v Event)> {
    view.pipelines.iter().flat_map(move |pipe| {
        let starts = view.calls(pipe, START);
        starts
            .filter(|event| !event.principal.is_service() && !event.is_called_by("events"))
            .map(move |event| (pipe, event))
    })
}

/// Whether something else shows the commit on the branch: a push, a merge, or an execution that a change started.
fn is_on_branch(view: &View<'_>, pipe: &Pipe, action: &str, commit: &str, start: &Event) -> bool {
    if !is_commit(commit) {
        return false;
    }
    let by_change = view.index.revisions.get(pipe.arn.as_str()).into_iter().flatten().any(|execution| {
        let change = ["PollForSourceChanges", "Webhook", "WebhookV2", "CloudWatchEvent"];
        execution.trigger.as_ref().is_some_and(|trigger| change.contains(&trigger.kind.as_str()))
            && execution.revisions.iter().any(|revision| revision.action == action && revision.id == commit)
    });
    by_change
        || view.sources(pipe).iter().filter(|source| source.action == action).any(|source| {
            let reference = source.reference();
            let pushed = view.index.repository_events.get(&source.named()).into_iter().flatten().any(|event| {
                event.succeeded() && event.time <= start.time && brings(event, commit) && is_to(event, &reference)
            });
            let merged = view.index.merges.get(&source.repository.to_lowercase()).into_iter().flatten().any(|merge| {
                merge.merge_commit.as_deref() == Some(commit) && merge.base.as_deref() == Some(source.branch.as_str())
            });
            pushed || merged
        })
}

/// Whether a call of `CodeCommit` changed a branch.
pub(super) fn is_to(event: &Event, reference: &str) -> bool {
    let branch = reference.strip_prefix("refs/heads/").unwrap_or(reference);
    let is = |value: &str| value == branch || value == reference;
    let references = event.request.member(&["references"]).and_then(Value::as_array);
    let targets = event.response.member(&["pullRequest", "pullRequestTargets"]).and_then(Value::as_array);
    references.into_iter().flatten().any(|it| is(text(it, &["ref"])))
        || targets.into_iter().flatten().any(|it| is(text(it, &["destinationReference"])))
        || ["branchName", "targetBranch"].iter().any(|name| event.request.text(&[name]).is_some_and(|it| is(&it)))
}
