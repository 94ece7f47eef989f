//! G9: around the review of code: rules of approval switched off, and changes of the branch that no pull request brought.
//!
//! In: calls of `CodeCommit`, merges that a source host told of, and the branch that a pipeline takes. Out: review rules
//! that were overridden or taken away, and commits that came to the branch directly.

use std::collections::BTreeSet;

use serde_json::Value;
use time::OffsetDateTime;

use super::separation::is_commit;
use super::sight::written;
use super::start::is_to;
use super::verdict::{Observation, Verdict};
use super::view::{Pipe, Source, View, text};
use crate::history::{Event, HistorySource, Span};

/// Calls that change which review a repository asks for.
const RULES: &[&str] = &[
    "OverridePullRequestApprovalRules",
    "DeletePullRequestApprovalRule",
    "DisassociateApprovalRuleTemplateFromRepository",
    "BatchDisassociateApprovalRuleTemplateFromRepositories",
    "UpdateDefaultBranch",
];
/// Calls that bring commits to a branch without a pull request.
const DIRECT: &[&str] = &[
    "GitPush",
    "CreateCommit",
    "PutFile",
    "DeleteFile",
    "MergeBranchesByFastForward",
    "MergeBranchesBySquash",
    "MergeBranchesByThreeWay",
];
const MERGES: [&str; 3] = ["MergePullRequestByFastForward", "MergePullRequestBySquash", "MergePullRequestByThreeWay"];

/// Review rules of the service's repositories were overridden, deleted or detached.
pub(super) fn review_rules(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for (pipe, source) in hosted_by_aws(view) {
        let key = (pipe.account.clone(), pipe.region.clone(), source.repository.clone());
        let events = view.index.repository_events.get(&key).map_or(&[][..], Vec::as_slice);
        for event in events.iter().filter(|event| event.succeeded() && view.in_window(event.time)) {
            let what = match event.name.as_str() {
                "DisassociateApprovalRuleTemplateFromRepository"
                | "BatchDisassociateApprovalRuleTemplateFromRepositories" => {
                    let template = event.request.text(&["approvalRuleTemplateName"]).unwrap_or_default();
                    format!("took approval rule template {template} from {}", source.repository)
                }
                "UpdateDefaultBranch" => {
                    let branch = event.request.text(&["defaultBranchName"]).unwrap_or_default();
                    format!("made {branch} the default branch of {}", source.repository)
                }
                _ => continue,
            };
            verdict.see(Observation::of(event, what));
        }
        // These name a pull request only; a merge says which repository it was of.
        for number in pull_requests(events) {
            let key = (pipe.account.clone(), pipe.region.clone(), number.clone());
            for event in view.index.pull_request_events.get(&key).into_iter().flatten() {
                let revoked = event.request.text(&["overrideStatus"]).is_some_and(|status| status == "REVOKE");
                if !RULES.contains(&event.name.as_str()) || revoked || !event.succeeded() || !view.in_window(event.time)
                {
                    continue;
                }
                let verb = if event.name.starts_with("Override") { "overrode" } else { "deleted one of" };
                let what = format!("{verb} the approval rules of pull request {number} of {}", source.repository);
                verdict.see(Observation::of(event, what));
            }
        }
        let names: Vec<&str> = RULES.iter().chain(&MERGES).copied().collect();
        verdict.blind(view.sight.calls(&pipe.account, &pipe.region, &names));
    }
    for pipe in view.pipelines.iter().filter(|pipe| view.sources(pipe).is_empty()) {
        verdict.doubt(format!("where {} takes its source from is not known", pipe.arn));
    }
    verdict
}

/// Numbers of the pull requests that were merged into a repository.
fn pull_requests(events: &[&Event]) -> BTreeSet<String> {
    let merges = events.iter().filter(|event| MERGES.contains(&event.name.as_str()) && event.succeeded());
    merges.filter_map(|event| event.request.text(&["pullRequestId"])).collect()
}

fn hosted_by_aws<'v>(view: &'v View<'_>) -> impl Iterator<Item = (&'v Pipe, Source)> {
    view.pipelines.iter().flat_map(move |pipe| {
        let sources = view.sources(pipe).into_iter().filter(|source| source.provider == "CodeCommit");
        sources.map(move |source| (pipe, source))
    })
}

/// Commits came to the branch that a pipeline takes without a pull request.
pub(super) fn direct(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for pipe in &view.pipelines {
        let sources = view.sources(pipe);
        if sources.is_empty() {
            verdict.doubt(format!("where {} takes its source from is not known", pipe.arn));
        }
        for source in sources {
            match source.provider.as_str() {
                "CodeCommit" => pushes(view, pipe, &source, &mut verdict),
                "S3" | "ECR" => {}
                _ => unmerged(view, pipe, &source, &mut verdict),
            }
        }
    }
    verdict
}

fn pushes(view: &View<'_>, pipe: &Pipe, source: &Source, verdict: &mut Verdict) {
    let key = (pipe.account.clone(), pipe.region.clone(), source.repository.clone());
    let events = view.index.repository_events.get(&key).map_or(&[][..], Vec::as_slice);
    let reference = format!("refs/heads/{}", source.branch);
    let merged: BTreeSet<&str> = events
        .iter()
        .filter(|event| MERGES.contains(&event.name.as_str()) && event.succeeded())
        .flat_map(|event| merged_by(event))
        .collect();
    for event in events.iter().filter(|event| event.succeeded() && view.in_window(event.time)) {
        if !DIRECT.contains(&event.name.as_str()) || !is_to(event, &reference) {
            continue;
        }
        let commits: Vec<&str> = event
            .request
            .member(&["references"])
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter(|it| [reference.as_str(), source.branch.as_str()].contains(&text(it, &["ref"])))
            .map(|it| text(it, &["commit"]))
            .collect();
        // A push of what a pull request has merged already brings nothing.
        if !commits.is_empty() && commits.iter().all(|commit| merged.contains(commit)) {
            continue;
        }
        let of = commits.first().map(|commit| format!(" {commit}")).unwrap_or_default();
        let what =
            format!("brought{of} to {}/{} by {}, without a pull request", source.repository, source.branch, event.name);
        verdict.see(Observation::of(event, what));
    }
    let names: Vec<&str> = DIRECT.iter().chain(&MERGES).copied().collect();
    verdict.blind(view.sight.calls(&pipe.account, &pipe.region, &names));
}

fn merged_by(event: &Event) -> Vec<&str> {
    let targets = event.response.member(&["pullRequest", "pullRequestTargets"]).and_then(Value::as_array);
    let targets = targets.into_iter().flatten();
    targets
        .flat_map(|target| [text(target, &["mergeMetadata", "mergeCommitId"]), text(target, &["sourceCommit"])])
        .collect()
}

/// Until when the merges of a repository were read without a hole from the window's begin on.
fn read_until(view: &View<'_>, repository: &str) -> Option<OffsetDateTime> {
    let about = |span: &&Span| {
        span.source == HistorySource::SourceHost
            && span.subject.as_deref().is_none_or(|subject| subject.ends_with(repository))
    };
    let mut spans: Vec<&Span> = view.delivery.coverage.spans.iter().filter(about).collect();
    spans.sort_by_key(|span| span.from);
    let begin = view.sight.window.from;
    let mut until = begin;
    for span in spans.into_iter().take_while(|span| span.from <= view.sight.window.to) {
        if span.from > until {
            break;
        }
        until = until.max(span.to);
    }
    (until > begin).then_some(until)
}

/// Of a source host only merges are known: what was deployed and is no merge came another way.
fn unmerged(view: &View<'_>, pipe: &Pipe, source: &Source, verdict: &mut Verdict) {
    let repository = source.repository.as_str();
    let Some(read_until) = read_until(view, repository) else {
        verdict.doubt(format!("which pull requests of {repository} were merged was not read for the whole window"));
        return;
    };
    let merges = view.index.merges.get(&repository.to_lowercase()).map_or(&[][..], Vec::as_slice);
    let deployments = view.deployments.iter().filter(|it| it.pipeline.as_deref() == Some(pipe.arn.as_str()));
    for deployment in deployments {
        let heads = deployment.revisions.iter().filter(|it| it.action == source.action && is_commit(&it.id));
        for head in heads {
            let bases = || merges.iter().filter(|it| it.merge_commit.as_deref() == Some(head.id.as_str()));
            if bases().any(|merge| merge.base.as_deref() == Some(source.branch.as_str())) {
                continue;
            }
            if bases().any(|merge| merge.base.is_none() || source.branch.is_empty()) {
                verdict.doubt(format!("to which branch of {repository} {} was merged is not known", head.id));
                continue;
            }
            let author = view.index.commits.get(head.id.as_str());
            let Some(time) = author.and_then(|commit| commit.committed) else {
                verdict.doubt(format!("how {} came to {repository} is not known", head.id));
                continue;
            };
            // Merges before the window were not read, so what is older may have been one.
            if !view.in_window(time) {
                verdict.doubt(format!(
                    "how {}, which is older than the window, came to {repository} is not known",
                    head.id
                ));
                continue;
            }
            if time > read_until {
                verdict.doubt(format!(
                    "merges of {repository} were read until {}, and {} is newer",
                    written(read_until),
                    head.id
                ));
                continue;
            }
            let named = author.and_then(|commit| commit.author_login.clone().or_else(|| commit.author_email.clone()));
            verdict.see(Observation {
                time,
                actor: named.unwrap_or_else(|| "somebody".to_owned()),
                what: format!(
                    "brought {} to {repository}/{} without a pull request, and {} deployed it",
                    head.id,
                    source.branch,
                    view.shown(deployment)
                ),
                events: BTreeSet::from([head.id.clone(), deployment.id.clone()]),
            });
        }
    }
    verdict.blind(view.unseen_executions());
}
