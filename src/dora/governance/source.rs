//! G9: around the review of code: rules of approval switched off or rewritten, and changes of the branch that no pull
//! request brought.
//!
//! In: calls of `CodeCommit`, merges that a source host told of, and the branch that a pipeline takes. Out: review rules
//! that were overridden, rewritten or taken away, branches that were deleted, and commits that came to the branch directly. A
//! repository may be of another account than the pipeline: then that account's record is asked.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use time::OffsetDateTime;

use super::separation::is_commit;
use super::sight::written;
use super::start::is_to;
use super::verdict::{Observation, Record, Verdict};
use super::view::{Pipe, Source, View, text};
use crate::history::{Event, HistorySource, Span};

/// Calls that change which review a repository asks for.
const RULES: &[&str] = &[
    "OverridePullRequestApprovalRules",
    "DeletePullRequestApprovalRule",
    "UpdatePullRequestApprovalRuleContent",
    "DeleteBranch",
    "DisassociateApprovalRuleTemplateFromRepository",
    "BatchDisassociateApprovalRuleTemplateFromRepositories",
    "UpdateDefaultBranch",
];
/// Calls that bring commits to a branch without a pull request.
const DIRECT: &[&str] = &[
    "GitPush",
    "CreateBranch",
    "CreateCommit",
    "PutFile",
    "DeleteFile",
    "MergeBranchesByFastForward",
    "MergeBranchesBySquash",
    "MergeBranchesByThreeWay",
];
const MERGES: [&str; 3] = ["MergePullRequestByFastForward", "MergePullRequestBySquash", "MergePullRequestByThreeWay"];

/// Review rules of the service's repositories were overridden, rewritten, deleted or detached, or the branch went that they
/// protected.
pub(super) fn review_rules(view: &View<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    for (pipe, source) in hosted_by_aws(view) {
        let events = view.index.repository_events.get(&source.named()).map_or(&[][..], Vec::as_slice);
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
                "DeleteBranch" if is_to(event, &source.reference()) => {
                    format!("deleted branch {} of {}, which {} takes", source.branch, source.repository, pipe.name)
                }
                _ => continue,
            };
            verdict.see(Observation::of(event, what));
        }
        // These name a pull request only; a merge says which repository it was of.
        for (number, is_certain) in pull_requests(events, &source) {
            let key = (source.place.0.clone(), source.place.1.clone(), number.clone());
            for event in view.index.pull_request_events.get(&key).into_iter().flatten() {
                let revoked = event.request.text(&["overrideStatus"]).is_some_and(|status| status == "REVOKE");
                if !RULES.contains(&event.name.as_str()) || revoked || !event.succeeded() || !view.in_window(event.time)
                {
                    continue;
                }
                if !is_certain {
                    verdict.doubt(format!(
                        "to which branch of {} pull request {number} was merged, whose rules were changed, is not known",
                        source.repository
                    ));
                    continue;
                }
                let verb = match event.name.as_str() {
                    "OverridePullRequestApprovalRules" => "overrode",
                    "UpdatePullRequestApprovalRuleContent" => "rewrote one of",
                    _ => "deleted one of",
                };
                let what = format!("{verb} the approval rules of pull request {number} of {}", source.repository);
                verdict.see(Observation::of(event, what));
            }
        }
        let names: Vec<&str> = RULES.iter().chain(&MERGES).copied().collect();
        verdict.blind(view.sight.calls(&source.place.0, &source.place.1, &names));
    }
    for pipe in view.pipelines.iter().filter(|pipe| view.sources(pipe).is_empty()) {
        verdict.doubt(format!("where {} takes its source from is not known", pipe.arn));
    }
    verdict
}

/// Numbers of the pull requests that were merged into the branch that a pipeline takes, and whether that is certain.
fn pull_requests(events: &[&Event], source: &Source) -> BTreeMap<String, bool> {
    let merges = events.iter().filter(|event| MERGES.contains(&event.name.as_str()) && event.succeeded());
    let told = merges.filter_map(|event| {
        let is_told = targets(event).next().is_some();
        let is_ours = is_to(event, &source.reference());
        (is_ours || !is_told).then_some((event.request.text(&["pullRequestId"])?, is_ours))
    });
    let mut numbers = BTreeMap::new();
    for (number, is_ours) in told {
        *numbers.entry(number).or_default() |= is_ours;
    }
    numbers
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
    let events = view.index.repository_events.get(&source.named()).map_or(&[][..], Vec::as_slice);
    if source.branch.is_empty() {
        return verdict.doubt(format!("which branch of {} {} takes is not known", source.repository, pipe.arn));
    }
    let reference = source.reference();
    let merges: Vec<&Event> = events
        .iter()
        .copied()
        .filter(|event| MERGES.contains(&event.name.as_str()) && event.succeeded() && is_to(event, &reference))
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
            .chain(event.request.member(&["commitId"]).and_then(Value::as_str))
            .collect();
        // What a pull request has merged to this branch already brings nothing.
        let is_merged = |commit: &&str| {
            let before = merges.iter().filter(|merge| merge.time <= event.time);
            before.flat_map(|merge| merged_by(merge, &reference)).any(|merged| merged == *commit)
        };
        if !commits.is_empty() && commits.iter().all(is_merged) {
            continue;
        }
        let of = commits.first().map(|commit| format!(" {commit}")).unwrap_or_default();
        let what =
            format!("brought{of} to {}/{} by {}, without a pull request", source.repository, source.branch, event.name);
        verdict.see(Observation::of(event, what));
    }
    let names: Vec<&str> = DIRECT.iter().chain(&MERGES).copied().collect();
    if view.unnamed(&source.place.0, &source.place.1, "codecommit", DIRECT).next().is_some() {
        let (account, region) = &source.place;
        verdict.doubt(format!("a change of some repository in {account} {region} was too large to be recorded"));
    }
    verdict.blind(view.sight.calls(&source.place.0, &source.place.1, &names));
}

/// What a merge's answer says of the branches that it went to.
fn targets(event: &Event) -> impl Iterator<Item = &Value> {
    let targets = event.response.member(&["pullRequest", "pullRequestTargets"]).and_then(Value::as_array);
    targets.into_iter().flatten()
}

/// Commits that a merge brought to a branch.
fn merged_by<'e>(event: &'e Event, reference: &str) -> Vec<&'e str> {
    let branch = reference.strip_prefix("refs/heads/").unwrap_or(reference);
    targets(event)
        .filter(|target| [reference, branch].contains(&text(target, &["destinationReference"])))
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
                records: BTreeSet::from([Record::Commit(head.id.clone()), view.record(deployment)]),
            });
        }
    }
    verdict.blind(view.unseen_executions());
}
