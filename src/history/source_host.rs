//! Commits, merges and approvals from the source hosts that executions took their revisions from.
//!
//! In: the executions that are known, and the branches of the inventory, which say what host a connection leads to. Out:
//! the commits between the first and the last delivered head, and the merged pull requests behind them. What is known
//! already is not asked for again. A host without an entry in the configuration is a gap that says so.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde_json::Value;

use super::look::{Look, unseen};
use super::message::first_line;
use super::source_actions::{Heads, Place, heads};
use super::{AccountHistory, Commit, History, HistorySource, Merge, Question};
use crate::collect::git_history::{
    HostedCommit, HostedMerge, HostedRepository, Review, commits_between, merges_of, reachable, review_of,
};
use crate::collect::{CallError, Scope, in_order};
use crate::inventory::{GapCause, Resource, TypeName};

/// Reads source hosts.
#[derive(Debug, Clone, Copy)]
pub struct SourceHost;

/// What leads from a connection to its host, for gaps.
const GET_CONNECTION: &str = "codeconnections:GetConnection";
const LIST_PULLS: &str = "github:ListPullRequestsAssociatedWithCommit";

/// Commits of one repository whose pull requests are asked for at most.
const MOST: usize = 2_000;
/// Commits that are asked about before a refusal ends it.
const AT_ONCE: usize = 32;

#[async_trait]
impl AccountHistory for SourceHost {
    fn source(&self) -> HistorySource {
        HistorySource::SourceHost
    }

    /// Calls to source hosts are no IAM actions.
    fn actions(&self) -> &'static [&'static str] {
        &[]
    }

    async fn collect(&self, scope: &Scope, question: Question<'_>) -> History {
        let mut history = History::default();
        let found = heads(&question);
        let jobs = found.iter().map(|(place, heads)| read_place(scope, question, place, heads)).collect();
        for found in in_order(jobs).await {
            history.absorb(found);
        }
        history
    }
}

async fn read_place(scope: &Scope, question: Question<'_>, place: &Place, heads: &[Heads]) -> History {
    let Place::Hosted { alias, repository } = place else { return History::default() };
    let mut history = History::default();
    let Some(found) = Found::resolve(question.resources, alias) else {
        let look = Look { scope, source: HistorySource::SourceHost, subject: Some(alias) };
        let message = format!("the inventory does not say which host `{alias}` leads to");
        history.coverage.gaps.push(look.gap(CallError::malformed(GET_CONNECTION, message), question.period));
        return history;
    };
    let uid = format!("https://{}/{}", found.host, found.repository);
    let look = Look { scope, source: HistorySource::SourceHost, subject: Some(&uid) };
    let of = HostedRepository { provider: &found.provider, host: &found.host, repository: &found.repository };
    if let Err(error) = reachable(scope, of) {
        history.coverage.gaps.push(look.gap(error, question.period));
        return history;
    }
    // What a gap is left of may be missing although later commits are known.
    let trusted = !question
        .known
        .gaps
        .iter()
        .any(|gap| gap.source == HistorySource::SourceHost && gap.subject.as_deref() == Some(uid.as_str()));
    let known: BTreeSet<&str> = question
        .so_far
        .commits
        .iter()
        .filter(|commit| trusted && commit.repository == *repository)
        .map(|commit| commit.id.as_str())
        .collect();
    let mut commits = BTreeMap::new();
    let mut errors = Vec::new();
    for heads in heads {
        errors.extend(read_commits(scope, of, heads, &known, &mut commits).await);
    }
    let asked = first_parents(heads, &commits);
    let (merges, more) = read_merges(scope, of, asked).await;
    errors.extend(more);
    if errors.is_empty() {
        history.coverage.spans.push(look.span(question.period));
    }
    history.coverage.gaps.extend(errors.into_iter().map(|error| look.gap(error, question.period)));
    history.commits = commits.into_values().map(|commit| recorded_commit(repository, commit)).collect();
    history.merges = merges.into_iter().map(|(merge, review)| recorded_merge(repository, merge, review)).collect();
    history
}

/// A repository on a host.
struct Found {
    provider: String,
    host: String,
    repository: String,
}

impl Found {
    /// Finds what the inventory knows under a name; a name on GitHub's own host speaks for itself.
    fn resolve(resources: &[Resource], alias: &str) -> Option<Self> {
        let of_alias = |name: &str| name.split_once("/refs/heads/").map_or(name, |(repository, _)| repository) == alias;
        let named = resources.iter().filter(|resource| {
            let hosted = [TypeName::BRANCH, TypeName::REPOSITORY].contains(&resource.type_name);
            let aliases = resource.properties.get("Aliases").and_then(Value::as_array);
            hosted && aliases.into_iter().flatten().filter_map(Value::as_str).any(of_alias)
        });
        let mut found = named.filter_map(|resource| {
            let provider = resource.properties.get("Provider").and_then(Value::as_str)?;
            let path = resource.uid.as_str().strip_prefix("https://")?;
            let (host, path) = path.split_once('/')?;
            let repository = path.split_once("/refs/heads/").map_or(path, |(repository, _)| repository);
            Some(Self { provider: provider.to_owned(), host: host.to_owned(), repository: repository.to_owned() })
        });
        found.next().or_else(|| {
            let repository = alias.strip_prefix("https://github.com/")?;
            let (provider, host) = ("GitHub".to_owned(), "github.com".to_owned());
            Some(Self { provider, host, repository: repository.to_owned() })
        })
    }
}

/// Brings what the later heads have and the last head before them that is known has not: the newest head first, because
/// on one branch it has all that the others have.
async fn read_commits(
    scope: &Scope,
    of: HostedRepository<'_>,
    heads: &Heads,
    known: &BTreeSet<&str>,
    commits: &mut BTreeMap<String, HostedCommit>,
) -> Vec<CallError> {
    let Some((first, later)) = heads.split_first() else { return Vec::new() };
    let done = later.iter().take_while(|head| known.contains(head.as_str())).count();
    let base = done.checked_sub(1).and_then(|last| later.get(last)).unwrap_or(first);
    let mut errors = Vec::new();
    for head in later.iter().skip(done).rev() {
        if commits.contains_key(head) || head == base {
            continue;
        }
        let range = commits_between(scope, of, base, head).await;
        commits.extend(range.commits.into_iter().map(|commit| (commit.id.clone(), commit)));
        if let Some(error) = range.error {
            let refused = matches!(error.cause, GapCause::NotConfigured { .. } | GapCause::Throttled { .. });
            errors.push(error);
            if refused {
                break;
            }
        }
    }
    errors
}

/// Commits that stood on the branch itself: each came with a pull request or without one. What a merge brought along
/// belongs to the merge.
fn first_parents(heads: &[Heads], commits: &BTreeMap<String, HostedCommit>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for head in heads.iter().flatten() {
        let mut at = commits.get(head);
        while let Some(commit) = at {
            if !found.insert(commit.id.clone()) {
                break;
            }
            at = commit.parents.first().and_then(|parent| commits.get(parent));
        }
    }
    found
}

/// The merges behind commits, with their reviews. A host that refuses is not asked for the rest.
async fn read_merges(
    scope: &Scope,
    of: HostedRepository<'_>,
    commits: BTreeSet<String>,
) -> (Vec<(HostedMerge, Review)>, Vec<CallError>) {
    let mut errors = Vec::new();
    if commits.len() > MOST {
        let message = format!("of {} commits, only {MOST} were looked up for their pull requests", commits.len());
        errors.push(unseen(LIST_PULLS, "TooManyCommits", message));
    }
    let commits: Vec<String> = commits.into_iter().take(MOST).collect();
    let mut merges: BTreeMap<String, HostedMerge> = BTreeMap::new();
    for commits in commits.chunks(AT_ONCE) {
        let jobs = commits.iter().map(|commit| merges_of(scope, of, commit)).collect();
        for answer in in_order(jobs).await {
            match answer {
                Ok(found) => merges.extend(found.into_iter().map(|merge| (merge.number.clone(), merge))),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            break;
        }
    }
    let merges: Vec<HostedMerge> = merges.into_values().collect();
    let mut reviewed = Vec::new();
    for merges in merges.chunks(AT_ONCE) {
        let jobs = merges.iter().map(|merge| review_of(scope, of, merge)).collect();
        for (merge, answer) in merges.iter().zip(in_order(jobs).await) {
            match answer {
                Ok(review) => reviewed.push((merge.clone(), review)),
                // Who approved is unknown then, which is not the same as nobody: the merge is left out.
                Err(error) => errors.push(error),
            }
        }
    }
    (reviewed, errors)
}

fn recorded_commit(repository: &str, commit: HostedCommit) -> Commit {
    Commit {
        repository: repository.to_owned(),
        id: commit.id,
        parents: commit.parents,
        authored: commit.authored,
        committed: commit.committed,
        author_email: commit.author_email,
        author_login: commit.author_login,
        summary: commit.message.as_deref().and_then(first_line),
    }
}

fn recorded_merge(repository: &str, merge: HostedMerge, review: Review) -> Merge {
    Merge {
        repository: repository.to_owned(),
        number: merge.number,
        merged: merge.merged,
        merge_commit: merge.merge_commit,
        base: merge.base,
        head: merge.head,
        author: merge.author,
        merged_by: review.merged_by,
        approved_by: review.approved_by,
        title: merge.title.as_deref().and_then(first_line),
        labels: merge.labels.iter().filter_map(|label| first_line(label)).collect(),
    }
}
