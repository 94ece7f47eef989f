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
use super::{AccountHistory, Commit, History, HistorySource, Merge, Period, Question};
use crate::collect::git_history::{
    HostedCommit, HostedMerge, HostedRepository, Review, commits_between, merges_of, reachable, review_of,
};
use crate::collect::{CallError, Scope, in_order};
use crate::inventory::{GapCause, Resource, TypeName};

/// Reads source hosts.
#[derive(Debug, Clone, Copy)]
pub(super) struct SourceHost;

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
    let trusted = !left_open(&look, &question);
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

/// Whether an earlier run left a gap that no run closed: then commits may be missing although later ones are known.
fn left_open(look: &Look<'_>, question: &Question<'_>) -> bool {
    question.known.gaps.iter().any(|gap| {
        let Period { from, to } = question.period;
        let from = gap.from.map_or(from, |at| at.max(from));
        let period = Period { from, to: gap.to.map_or(to, |at| at.min(to)) };
        let here = gap.source == look.source && gap.subject.as_deref() == look.subject;
        here && period.from < period.to && !look.missing(&Question { period, ..*question }).is_empty()
    })
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use time::Duration;
    use time::format_description::well_known::Rfc3339;

    use super::super::testing::*;
    use super::super::{PipelineExecution, SourceRevision};
    use super::*;
    use crate::collect::git_hosts::SourceHosts;

    const WEB: &str = "arn:aws:codepipeline:eu-west-1:111122223333:web";
    const CONNECTION: &str = "arn:aws:codeconnections:eu-west-1:111122223333:connection/c-1";

    /// A pipeline that takes `acme/web` over a connection to a host, with these heads delivered a day each.
    fn asked(provider: &str, host: &str, delivered: &[u32]) -> Asked {
        let action = json!({"Name": "Code", "Configuration": {"ConnectionArn": CONNECTION, "FullRepositoryId": "acme/web"},
            "ActionTypeId": {"Category": "Source", "Owner": "AWS", "Provider": "CodeStarSourceConnection"}});
        let stages = json!({"Name": "web", "Stages": [{"Name": "Source", "Actions": [action]}]});
        let branch = json!({"Provider": provider, "RepositoryId": "acme/web",
            "Aliases": [format!("{CONNECTION}/acme/web/refs/heads/main")]});
        let branch = resource(TypeName::BRANCH, &format!("https://{host}/acme/web/refs/heads/main"), branch);
        let mut asked = Asked::of(vec![resource(TypeName::PIPELINE, WEB, stages), branch]);
        asked.so_far.executions = delivered
            .iter()
            .zip(0..)
            .map(|(n, nth)| {
                let (account, region) = ("111122223333".parse().unwrap(), "eu-west-1".parse().unwrap());
                let revision = SourceRevision { action: "Code".to_owned(), id: sha(*n), summary: None, url: None };
                let started = FROM + Duration::days(nth);
                let new = PipelineExecution::new(WEB, account, region, format!("e{nth}"), "Succeeded", started);
                PipelineExecution { revisions: vec![revision], ..new }
            })
            .collect();
        asked
    }

    fn number(sha: &str) -> u32 {
        u32::from_str_radix(sha, 16).unwrap()
    }

    /// A straight line of commits; each even one came with a pull request of its own number.
    fn github(path: &str) -> (u16, Value) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let rest = path.strip_prefix("/repos/acme/web/").unwrap();
        let at = |n: u32| (FROM + Duration::minutes(i64::from(n))).format(&Rfc3339).unwrap();
        let body = match rest.split('/').collect::<Vec<_>>().as_slice() {
            ["compare", heads] => {
                let (base, head) = heads.split_once("...").unwrap();
                let all: Vec<u32> = (number(base) + 1..=number(head)).collect();
                let page: usize = query.rsplit("page=").next().unwrap().parse().unwrap();
                let commits = all.chunks(PAGE).nth(page - 1).unwrap_or_default().iter().map(|n| {
                    json!({"sha": sha(*n), "parents": [{"sha": sha(n - 1)}], "author": {"login": "ann"},
                        "commit": {"message": "use key AKIAIOSFODNN7EXAMPLE", "author": {"email": "ann@example.com", "date": at(*n)},
                            "committer": {"date": at(*n)}}})
                });
                json!({"total_commits": all.len(), "commits": commits.collect::<Vec<Value>>(), "files": []})
            }
            ["commits", commit, "pulls"] if number(commit).is_multiple_of(2) => {
                let n = number(commit);
                json!([
                    {"number": n, "merged_at": at(n), "merge_commit_sha": sha(n), "title": "Fix it", "user": {"login": "ann"},
                        "base": {"ref": "main"}, "head": {"ref": "hotfix/x"}, "labels": [{"name": "hotfix"}]},
                    {"number": n + 1, "merged_at": null},
                ])
            }
            ["commits", _, "pulls"] => json!([]),
            ["pulls", number] => json!({"number": number.parse::<u32>().unwrap(), "merged_by": {"login": "bob"}}),
            ["pulls", n, "reviews"] => {
                let n: u32 = n.parse().unwrap();
                let review = |who: &str, state: &str, minute: u32| json!({"user": {"login": who}, "state": state, "submitted_at": at(minute)});
                json!([
                    review("carol", "CHANGES_REQUESTED", n - 2),
                    review("carol", "APPROVED", n - 1),
                    review("dan", "APPROVED", n - 2),
                    review("dan", "DISMISSED", n - 1),
                    review("eve", "APPROVED", n - 1),
                    review("eve", "COMMENTED", n),
                    review("late", "APPROVED", n + 9),
                ])
            }
            other => panic!("{other:?}"),
        };
        (200, body)
    }

    const PAGE: usize = 100;

    #[tokio::test]
    async fn commits_merges_and_approvals_come_from_the_configured_host() {
        let (scope, paths) = host("github.com", Arc::new(github)).await;
        let mut asked = asked("GitHub", "github.com", &[10, 12, 240]);
        let history = SourceHost.collect(&scope, asked.question()).await;
        assert_eq!(history.coverage.gaps, []);
        assert_eq!(history.coverage.spans[0].subject.as_deref(), Some("https://github.com/acme/web"));
        assert_eq!((history.commits.len(), history.merges.len()), (230, 115));
        let commit = &history.commits[0];
        assert_eq!((commit.repository.as_str(), commit.id.as_str()), ("acme/web", sha(11).as_str()));
        assert_eq!((commit.author_login.as_deref(), commit.parents.as_slice()), (Some("ann"), [sha(10)].as_slice()));
        assert_eq!(commit.summary.as_deref(), Some(crate::inventory::REDACTED_SECRET));
        let merge = history.merges.iter().find(|merge| merge.number == "12").unwrap();
        assert_eq!((merge.author.as_deref(), merge.merged_by.as_deref()), (Some("ann"), Some("bob")));
        assert_eq!(merge.approved_by, ["carol", "eve"]);
        assert_eq!((merge.merge_commit.as_deref(), merge.base.as_deref()), (Some(sha(12).as_str()), Some("main")));
        assert_eq!(
            (merge.labels.as_slice(), merge.head.as_deref()),
            (["hotfix".to_owned()].as_slice(), Some("hotfix/x"))
        );
        let compared = paths.lock().unwrap().iter().filter(|path| path.contains("/compare/")).count();
        assert_eq!(compared, 3, "one comparison of three pages shows all heads of a branch");

        asked.known = history.coverage;
        asked.so_far.commits = history.commits;
        let before = paths.lock().unwrap().len();
        let again = SourceHost.collect(&scope, asked.question()).await;
        assert_eq!((again.commits.len(), paths.lock().unwrap().len()), (0, before), "nothing is asked for twice");
        let calls: u64 = scope.take_coverage().rows().map(|(_, counts)| counts.calls()).sum();
        assert_eq!(calls, u64::try_from(before).unwrap(), "every call is in the ledger");
    }

    #[tokio::test]
    async fn what_a_gap_was_left_of_is_asked_for_until_a_run_sees_it() {
        let fails: HostAnswers =
            Arc::new(|path| if path.contains("/pulls?") { (403, json!({"message": "no"})) } else { github(path) });
        let (refusing, _) = host("github.com", fails).await;
        let (scope, paths) = host("github.com", Arc::new(github)).await;
        let mut asked = asked("GitHub", "github.com", &[10, 12, 14]);
        let first = SourceHost.collect(&refusing, asked.question()).await;
        assert_eq!((first.commits.len(), first.merges.len(), first.coverage.spans.len()), (4, 0, 0));
        asked.known.absorb(first.coverage);
        asked.so_far.commits = first.commits;
        let second = SourceHost.collect(&scope, asked.question()).await;
        assert_eq!(second.merges.len(), 2);
        asked.known.absorb(second.coverage);
        let before = paths.lock().unwrap().len();
        let third = SourceHost.collect(&scope, asked.question()).await;
        assert_eq!((third.merges.len(), paths.lock().unwrap().len()), (0, before));
    }

    #[tokio::test]
    async fn each_refusal_is_a_gap_and_ends_the_asking() {
        for (refused, action) in [
            ("/compare/", "github:CompareCommits"),
            ("/pulls?", "github:ListPullRequestsAssociatedWithCommit"),
            ("/reviews", "github:ListReviews"),
            ("/pulls/12", "github:GetPullRequest"),
        ] {
            let answers: HostAnswers = Arc::new(move |path| {
                let exact = refused == "/pulls/12";
                let hit = if exact { path.ends_with(refused) } else { path.contains(refused) };
                if hit { (404, json!({"message": "Not Found"})) } else { github(path) }
            });
            let (scope, paths) = host("github.com", answers).await;
            let asked = asked("GitHub", "github.com", &[10, 12, 200]);
            let mut history = SourceHost.collect(&scope, asked.question()).await;
            history.normalise();
            let [gap, ..] = history.coverage.gaps.as_slice() else { panic!("{refused}: no gap") };
            assert_eq!((gap.gap.action.as_str(), gap.gap.account.as_str()), (action, "111122223333"));
            assert_eq!((gap.subject.as_deref(), gap.gap.cause.word()), (Some("https://github.com/acme/web"), "denied"));
            assert_eq!(history.coverage.spans, []);
            assert!(!history.merges.iter().any(|merge| merge.number == "12"), "who approved it is unknown");
            let looked_up = paths.lock().unwrap().iter().filter(|path| path.contains("/pulls?")).count();
            assert!(action != "github:ListPullRequestsAssociatedWithCommit" || looked_up <= AT_ONCE);
        }
    }

    #[tokio::test]
    async fn a_host_that_nobody_configured_is_a_gap_that_says_so() {
        for (asked, needle) in [
            (asked("GitHub", "github.com", &[10, 12]), "no token or GitHub App for github.com"),
            (asked("Bitbucket", "bitbucket.org", &[10, 12]), "commits and pull requests of Bitbucket are not read"),
        ] {
            let mut history = SourceHost.collect(&scope(SourceHosts::default()), asked.question()).await;
            history.normalise();
            let [gap] = history.coverage.gaps.as_slice() else { panic!("{:?}", history.coverage) };
            assert_eq!(gap.gap.cause.word(), "unconfigured");
            assert!(gap.gap.sentence().contains(needle), "{}", gap.gap.sentence());
            assert_eq!((gap.from, gap.to), (Some(FROM), Some(TO)));
        }
        let mut nowhere = asked("GitHub", "github.com", &[10, 12]);
        nowhere.resources.retain(|resource| resource.type_name == TypeName::PIPELINE);
        let history = SourceHost.collect(&scope(SourceHosts::default()), nowhere.question()).await;
        assert!(history.coverage.gaps[0].gap.sentence().contains("does not say which host"));
    }

    #[tokio::test]
    async fn gitlab_tells_the_same_in_its_own_words() {
        let answers: HostAnswers = Arc::new(|path| {
            let (path, query) = path.split_once('?').unwrap_or((path, ""));
            let rest = path.strip_prefix("/projects/acme%2Fweb/").unwrap();
            let body = if rest == "repository/compare" {
                assert_eq!(query, format!("from={}&to={}", sha(10), sha(12)));
                let commit = |n: u32| {
                    json!({"id": sha(n), "parent_ids": [sha(n - 1)], "author_email": "ann@example.com",
                    "committed_date": "2026-06-02T09:00:00.000+02:00", "message": "fix"})
                };
                json!({"commits": [commit(11), commit(12)]})
            } else if rest.ends_with("merge_requests") {
                json!([{"iid": 7, "merged_at": "2026-06-02T10:00:00Z", "merge_commit_sha": null, "squash_commit_sha": null,
                    "sha": sha(12), "author": {"username": "ann"}, "merge_user": {"username": "bob"}, "labels": ["x"],
                    "source_branch": "f", "target_branch": "main", "title": "t"}])
            } else {
                assert_eq!(rest, "merge_requests/7/approvals");
                json!({"approved_by": [{"user": {"username": "eve"}}, {"user": {"username": "carol"}}]})
            };
            (200, body)
        });
        let (scope, _) = host("gitlab.com", answers).await;
        let history = SourceHost.collect(&scope, asked("GitLab", "gitlab.com", &[10, 12]).question()).await;
        assert_eq!(history.coverage.gaps, []);
        assert_eq!(history.commits[0].committed, Some(day(2) + Duration::hours(7)));
        let [merge] = history.merges.as_slice() else { panic!("{history:?}") };
        assert_eq!((merge.number.as_str(), merge.merged_by.as_deref()), ("7", Some("bob")));
        assert_eq!(merge.approved_by, ["carol", "eve"]);
        assert_eq!(merge.merge_commit, Some(sha(12)));
    }
}
