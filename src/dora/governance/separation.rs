//! G1 and G3: whether whoever approved had a part in what was approved.
//!
//! In: approvals, who started the execution, who pushed, merged or wrote the change, who edited the pipeline and its
//! roles. Out: approvals by one's own hand. An author's address in a commit is whatever the author wrote there, so it
//! has a verdict of its own.

use std::collections::BTreeSet;

use super::super::Deployment;
use super::approval::{Approval, Approver, approvals};
use super::editor::last_edits;
use super::identity::Who;
use super::sight::written;
use super::verdict::{Observation, Record, Verdict};
use super::view::{View, pipe};
use crate::history::{Event, Principal};

/// Approvals with the person who gave them; whatever stands in the way is a doubt.
fn by_person<'a>(view: &View<'a>, verdict: &mut Verdict) -> Vec<(Approval<'a>, String, String)> {
    verdict.blind(view.unseen_executions());
    let mut named = Vec::new();
    for approval in approvals(view) {
        match approval.approver.clone() {
            Approver::Known(Who::Person(person), shown) => named.push((approval, person, shown)),
            Approver::Known(Who::Machine(name) | Who::Root(name) | Who::Unknown(name), _) => verdict
                .doubt(format!("{} was approved by {name}, which names no person", view.shown(approval.deployment))),
            Approver::Unclear(why) => verdict.doubt(why),
        }
    }
    named
}

fn observed(view: &View<'_>, approval: &Approval<'_>, shown: &str, what: &str, also: &[Record]) -> Observation {
    Observation {
        time: approval.time,
        actor: shown.to_owned(),
        what: format!("{what} {}", view.shown(approval.deployment)),
        records: approval.records.iter().chain(also).cloned().collect(),
    }
}

/// Approved by whoever started the execution.
pub(super) fn starter(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for (approval, person, shown) in by_person(view, &mut verdict) {
        match started(view, approval.deployment) {
            Starter::By(Who::Person(starter), records) if starter == person => {
                verdict.see(observed(view, &approval, &shown, "approved and started", &records));
            }
            Starter::Nobody | Starter::By(Who::Person(_) | Who::Machine(_), _) => {}
            Starter::By(Who::Root(name) | Who::Unknown(name), _) => verdict
                .doubt(format!("{} was started by {name}, which names no person", view.shown(approval.deployment))),
            Starter::Unclear => {
                verdict.doubt(format!("what started {} is not known", view.shown(approval.deployment)));
            }
        }
    }
    verdict
}

enum Starter {
    /// A change or the service itself.
    Nobody,
    By(Who, Vec<Record>),
    Unclear,
}

fn started(view: &View<'_>, deployment: &Deployment) -> Starter {
    let Some((arn, execution)) = deployment.pipeline.as_deref().zip(deployment.execution.as_deref()) else {
        return Starter::Nobody;
    };
    let calls = ["StartPipelineExecution", "RollbackStage"];
    let call = pipe(arn).and_then(|pipe| {
        calls
            .into_iter()
            .flat_map(|name| view.all_calls(&pipe, name))
            .find(|event| event.response.text(&["pipelineExecutionId"]).as_deref() == Some(execution))
    });
    if let Some(event) = call {
        return Starter::By(view.people.caller(event), vec![Record::Event(event.id.clone())]);
    }
    let record = view.index.executions.get(&(arn, execution)).and_then(|execution| execution.trigger.as_ref());
    match record.map(|trigger| (trigger.kind.as_str(), trigger.detail.as_deref())) {
        Some(("StartPipelineExecution" | "ManualRollback", Some(arn))) if arn.starts_with("arn:") => {
            Starter::By(view.people.principal(&Principal::of_arn(arn)), vec![Record::Execution(execution.to_owned())])
        }
        Some(("StartPipelineExecution" | "ManualRollback", _)) => Starter::Unclear,
        Some(_) => Starter::Nobody,
        None => match (&deployment.actor, deployment.trigger) {
            (Some(actor), super::super::TriggerKind::Manual | super::super::TriggerKind::ManualRollback) => {
                Starter::By(view.people.principal(actor), vec![Record::Execution(execution.to_owned())])
            }
            (
                _,
                super::super::TriggerKind::Change
                | super::super::TriggerKind::Schedule
                | super::super::TriggerKind::AutomatedRollback,
            ) => Starter::Nobody,
            _ => Starter::Unclear,
        },
    }
}

/// Somebody who had a part in a change, as a host or AWS authenticated it.
struct Part {
    who: Who,
    what: &'static str,
    record: Record,
}

/// Approved by whoever pushed, merged or proposed what was deployed.
pub(super) fn author(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for (approval, person, shown) in by_person(view, &mut verdict) {
        let deployment = approval.deployment;
        if deployment.revisions.is_empty() {
            verdict.doubt(format!("what {} delivered is not known", view.shown(deployment)));
        }
        for commit in commits(view, deployment) {
            let parts = parts(view, deployment, &commit);
            for part in &parts {
                if part.who == Who::Person(person.clone()) {
                    let what = format!("approved and {}", part.what);
                    let also = [part.record.clone(), Record::Commit(commit.clone())];
                    verdict.see(observed(view, &approval, &shown, &what, &also));
                }
            }
            // Of what came before the head of a delivery, not every commit was pushed by itself.
            if !deployment.revisions.iter().any(|revision| revision.id == commit) {
                continue;
            }
            let unknown = parts.iter().find_map(|part| match &part.who {
                Who::Unknown(name) | Who::Root(name) => Some(name),
                _ => None,
            });
            if let Some(name) = unknown {
                verdict.doubt(format!(
                    "nobody told who `{name}` is, who had a part in {commit}: add it to `people` in `[dora]`"
                ));
            } else if !is_commit(&commit) {
                verdict.doubt(format!("`{commit}`, which {} delivered, is no commit", view.shown(deployment)));
            } else if parts.is_empty() {
                verdict.doubt(format!("who pushed or merged {commit} is not known"));
            }
        }
    }
    verdict
}

/// Approved by whoever the commit says wrote it.
pub(super) fn named_author(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for (approval, person, shown) in by_person(view, &mut verdict) {
        let deployment = approval.deployment;
        if deployment.revisions.is_empty() {
            verdict.doubt(format!("what {} delivered is not known", view.shown(deployment)));
        }
        for id in commits(view, deployment) {
            let Some(commit) = view.index.commits.get(id.as_str()) else {
                if deployment.revisions.iter().any(|revision| revision.id == id) {
                    verdict.doubt(format!("who wrote {id} was not read"));
                }
                continue;
            };
            let names: Vec<&String> = [&commit.author_email, &commit.author_login].into_iter().flatten().collect();
            let is_approver = |name: &&&String| {
                view.people.name(name) == Who::Person(person.clone()) || name.to_lowercase() == person
            };
            if let Some(name) = names.iter().find(is_approver) {
                let what = format!("approved, and wrote as {name} what came with,");
                verdict.see(observed(view, &approval, &shown, &what, &[Record::Commit(id.clone())]));
            } else if !names.iter().any(|name| matches!(view.people.name(name), Who::Person(_))) {
                let name = names.first().map_or("nobody", |name| name.as_str());
                verdict.doubt(format!("nobody told who `{name}` is, who wrote {id}: add it to `people` in `[dora]`"));
            }
        }
    }
    verdict
}

/// Commits that a deployment brought: its heads, and those of executions that it superseded.
fn commits(view: &View<'_>, deployment: &Deployment) -> BTreeSet<String> {
    let heads = deployment.revisions.iter().map(|revision| revision.id.clone());
    let others = view.index.changes.get(deployment.id.as_str()).into_iter().flatten();
    heads.chain(others.map(|commit| (*commit).to_owned())).collect()
}

/// A SHA-1 or SHA-256 in hexadecimal.
pub(super) fn is_commit(id: &str) -> bool {
    matches!(id.len(), 40 | 64) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn parts(view: &View<'_>, deployment: &Deployment, commit: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let Some(pipe) = deployment.pipeline.as_deref().and_then(pipe) else { return parts };
    for source in view.sources(&pipe) {
        let events = view.index.repository_events.get(&source.named()).map_or(&[][..], Vec::as_slice);
        for event in events.iter().filter(|event| event.succeeded() && brings(event, commit)) {
            let what = if event.name.starts_with("Merge") { "merged" } else { "pushed" };
            parts.push(Part { who: view.people.caller(event), what, record: Record::Event(event.id.clone()) });
            if let Some(author) = event.response.text(&["pullRequest", "authorArn"]) {
                let what = "proposed";
                parts.push(Part { who: view.people.name(&author), what, record: Record::Event(event.id.clone()) });
            }
        }
        for merge in view.index.merges.get(&source.repository.to_lowercase()).into_iter().flatten() {
            if merge.merge_commit.as_deref() != Some(commit) {
                continue;
            }
            let record = || Record::PullRequest(format!("{}#{}", merge.repository, merge.number));
            for (name, what) in [(&merge.author, "proposed"), (&merge.merged_by, "merged")] {
                if let Some(name) = name {
                    parts.push(Part { who: view.people.name(name), what, record: record() });
                }
            }
        }
    }
    parts
}

/// Whether a call of `CodeCommit` brought a commit.
pub(super) fn brings(event: &Event, commit: &str) -> bool {
    let references = event.request.member(&["references"]).and_then(|list| list.as_array());
    let pushed = references.into_iter().flatten().any(|it| it.get("commit").and_then(|id| id.as_str()) == Some(commit));
    let made = event.response.text(&["commitId"]).as_deref() == Some(commit);
    pushed || made || merge_commits(event).any(|id| id == commit)
}

/// What a merge of a pull request made.
fn merge_commits(event: &Event) -> impl Iterator<Item = &str> {
    let targets = event.response.member(&["pullRequest", "pullRequestTargets"]).and_then(|list| list.as_array());
    targets.into_iter().flatten().filter_map(|target| target.get("mergeMetadata")?.get("mergeCommitId")?.as_str())
}

/// Approved by the last editor of the pipeline, or of what its roles may do.
pub(super) fn editor(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for (approval, person, shown) in by_person(view, &mut verdict) {
        let Some(pipe) = approval.deployment.pipeline.as_deref().and_then(pipe) else { continue };
        for edit in last_edits(view, &pipe, approval.time, &mut verdict) {
            match view.people.caller(edit.event) {
                Who::Person(editor) if editor != person => {}
                // Whom a program works for is another matter; it does not approve.
                Who::Machine(_) => {}
                Who::Person(_) if edit.is_certain => {
                    let what = format!("changed {} at {} and approved", edit.subject, written(edit.event.time));
                    let record = Record::Event(edit.event.id.clone());
                    verdict.see(observed(view, &approval, &shown, &what, &[record]));
                }
                Who::Person(_) => verdict.doubt(format!(
                    "whether {}, which {shown} changed and then approved {}, is one of {} is not known",
                    edit.subject,
                    view.shown(approval.deployment),
                    edit.of
                )),
                Who::Root(name) | Who::Unknown(name) => verdict.doubt(format!(
                    "{} was changed last by {name}, which names no person, before {} was approved",
                    edit.subject,
                    view.shown(approval.deployment)
                )),
            }
        }
    }
    verdict
}
