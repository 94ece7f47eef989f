//! Commits of `CodeCommit` that executions delivered.
//!
//! In: the executions that are known, which name the heads that were delivered. Out: those commits and everything that
//! they have and the oldest of them has not, so that change lead time can begin with each commit. `CodeCommit` has no
//! log: parents are followed, a hundred commits a call, on both sides by date, until the sides meet.
//!
//! <https://docs.aws.amazon.com/codecommit/latest/APIReference/API_BatchGetCommits.html>

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_codecommit::Client;
use aws_sdk_codecommit::types::{Commit as SdkCommit, UserInfo};
use time::OffsetDateTime;

use super::look::{Look, unseen};
use super::message::first_line;
use super::source_actions::{Heads, Place, heads};
use super::{AccountHistory, Commit, History, HistorySource, Question};
use crate::collect::{CallError, Scope, in_order};
use crate::inventory::GapCause;

/// Reads commits of `CodeCommit`.
#[derive(Debug, Clone, Copy)]
pub(super) struct CodeCommit;

const BATCH_GET: &str = "codecommit:BatchGetCommits";

/// Ids that one batch call takes.
const PER_CALL: usize = 100;
/// Commits of one repository that are asked for at most, both sides together.
const MOST: usize = 5_000;

#[async_trait]
impl AccountHistory for CodeCommit {
    fn source(&self) -> HistorySource {
        HistorySource::CodeCommit
    }

    fn actions(&self) -> &'static [&'static str] {
        &[BATCH_GET]
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
    let Place::CodeCommit { account, region, repository } = place else { return History::default() };
    let arn = format!("arn:{}:codecommit:{region}:{account}:{repository}", scope.partition);
    let scope = &scope.in_region(region);
    let look = Look { scope, source: HistorySource::CodeCommit, subject: Some(&arn) };
    let mut history = History::default();
    if *account != scope.account {
        let message = format!(
            "repository {repository} belongs to account {account}; its commits are not read from {}",
            scope.account
        );
        let cause = GapCause::OutsideOrganization { message };
        let error = CallError { action: BATCH_GET, code: String::new(), cause };
        history.coverage.gaps.push(look.gap(error, question.period));
        return history;
    }
    let known = question.so_far.commits.iter().filter(|commit| commit.repository == *repository);
    let graph = Graph { commits: known.map(kept).collect(), asked: BTreeSet::new() };
    let mut walk = Walk { scope, client: Client::new(scope.config()), repository, graph, error: None };
    for heads in heads {
        walk.between(heads).await;
    }
    match walk.error.take() {
        None => history.coverage.spans.push(look.span(question.period)),
        Some(error) => history.coverage.gaps.push(look.gap(error, question.period)),
    }
    history.commits = walk.graph.new_commits();
    history
}

fn kept(commit: &Commit) -> (String, Commit) {
    (commit.id.clone(), commit.clone())
}

/// A repository whose commits are followed.
struct Walk<'a> {
    scope: &'a Scope,
    client: Client,
    repository: &'a str,
    graph: Graph,
    /// Why some commits may be missing.
    error: Option<CallError>,
}

impl Walk<'_> {
    /// Brings what the later heads have and the first has not.
    async fn between(&mut self, heads: &Heads) {
        let Some((base, later)) = heads.split_first() else { return };
        loop {
            let wanted = self.graph.wanted(base, later);
            if wanted.is_empty() || self.error.is_some() {
                return;
            }
            let asked = self.graph.asked.len();
            if asked + wanted.len() > MOST {
                let message = format!(
                    "{asked} commits of {} were not enough to find where its deliveries part; the rest was not asked for",
                    self.repository
                );
                self.error = Some(unseen(BATCH_GET, "TooManyCommits", message));
                return;
            }
            self.fetch(wanted).await;
        }
    }

    async fn fetch(&mut self, ids: BTreeSet<String>) {
        let ids: Vec<String> = ids.into_iter().collect();
        self.graph.asked.extend(ids.iter().cloned());
        let jobs = ids.chunks(PER_CALL).map(|ids| batch(self.scope, &self.client, self.repository, ids)).collect();
        for answer in in_order(jobs).await {
            match answer {
                Ok((commits, missing)) => {
                    self.graph.commits.extend(commits.iter().map(kept));
                    self.error = self.error.take().or(missing);
                }
                Err(error) => self.error = Some(error),
            }
        }
    }
}

/// Commits that are known, by their parents.
#[derive(Debug, Default)]
struct Graph {
    commits: BTreeMap<String, Commit>,
    /// Ids that were asked for, whether they came or not.
    asked: BTreeSet<String>,
}

impl Graph {
    /// What has to be known next: heads, parents of what only the later side has, and of the first side whatever is not
    /// older than those, because the sides may still meet there. Empty where the sides have met; dates only decide how
    /// much is asked for, never when that is.
    fn wanted(&self, base: &String, later: &[String]) -> BTreeSet<String> {
        let old = self.reached_from(std::slice::from_ref(base));
        let new = self.reached_from(later);
        let unknown = |id: &&String| !self.commits.contains_key(*id) && !self.asked.contains(*id);
        let mut wanted: BTreeSet<String> = later.iter().chain([base]).filter(unknown).cloned().collect();
        let mut oldest: Option<OffsetDateTime> = None;
        for id in new.difference(&old) {
            let Some(commit) = self.commits.get(*id) else { continue };
            let parents = commit.parents.iter().filter(|id| unknown(id) && !old.contains(id));
            let parents: Vec<&String> = parents.collect();
            if !parents.is_empty() {
                let at = commit.committed.unwrap_or(OffsetDateTime::UNIX_EPOCH);
                oldest = Some(oldest.map_or(at, |oldest| oldest.min(at)));
            }
            wanted.extend(parents.into_iter().cloned());
        }
        let Some(oldest) = oldest else { return wanted };
        for id in &old {
            let Some(commit) = self.commits.get(*id) else { continue };
            if commit.committed.is_none_or(|at| at >= oldest) {
                wanted.extend(commit.parents.iter().filter(unknown).cloned());
            }
        }
        wanted
    }

    /// Heads and everything that is known to be behind them, with the ids where that ends.
    fn reached_from<'c>(&'c self, heads: &'c [String]) -> BTreeSet<&'c String> {
        let mut reached = BTreeSet::new();
        let mut pending: Vec<&String> = heads.iter().collect();
        while let Some(id) = pending.pop() {
            if reached.insert(id)
                && let Some(commit) = self.commits.get(id)
            {
                pending.extend(&commit.parents);
            }
        }
        reached
    }

    /// What came, without what was known before.
    fn new_commits(self) -> Vec<Commit> {
        let Self { commits, asked } = self;
        commits.into_values().filter(|commit| asked.contains(&commit.id)).collect()
    }
}

/// Commits, and why some of them did not come.
async fn batch(
    scope: &Scope,
    client: &Client,
    repository: &str,
    ids: &[String],
) -> Result<(Vec<Commit>, Option<CallError>), CallError> {
    let ask = || client.batch_get_commits().repository_name(repository).set_commit_ids(Some(ids.to_vec())).send();
    let answer = scope.call(BATCH_GET, ask).await?;
    let commits: Vec<Commit> = answer.commits().iter().filter_map(|commit| read_commit(repository, commit)).collect();
    let came: BTreeSet<&str> = commits.iter().map(|commit| commit.id.as_str()).collect();
    let refused = answer.errors().iter().find(|error| error.commit_id().is_some_and(|id| !came.contains(id)));
    let missing = match (refused, ids.iter().find(|id| !came.contains(id.as_str()))) {
        (Some(error), _) => {
            let code = error.error_code().unwrap_or("CommitNotFound");
            Some(unseen(BATCH_GET, code, error.error_message().unwrap_or("a commit did not come")))
        }
        (None, Some(id)) => Some(CallError::malformed(BATCH_GET, format!("the answer leaves commit {id} out"))),
        (None, None) => None,
    };
    Ok((commits, missing))
}

fn read_commit(repository: &str, commit: &SdkCommit) -> Option<Commit> {
    Some(Commit {
        repository: repository.to_owned(),
        id: commit.commit_id()?.to_owned(),
        parents: commit.parents().to_vec(),
        authored: commit.author().and_then(when),
        committed: commit.committer().and_then(when),
        author_email: commit.author().and_then(UserInfo::email).filter(|email| !email.is_empty()).map(str::to_owned),
        author_login: None,
        summary: commit.message().and_then(first_line),
    })
}

/// `1508280564 -0800`: seconds since 1970, and an offset that changes nothing about the moment.
fn when(user: &UserInfo) -> Option<OffsetDateTime> {
    let seconds = user.date()?.split_whitespace().next()?.parse().ok()?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::{Value, json};
    use time::Duration;

    use super::super::testing::*;
    use super::super::{PipelineExecution, SourceRevision};
    use super::*;
    use crate::collect::test_support::{Answer, Answers};
    use crate::inventory::TypeName;

    const WEB: &str = "arn:aws:codepipeline:eu-west-1:111122223333:web";

    /// A pipeline that takes `main` of repository `web`, with these heads delivered a day each from the first of June on.
    fn asked(role: &str, delivered: &[u32]) -> Asked {
        let action = json!({"Name": "Code", "ActionTypeId": {"Category": "Source", "Owner": "AWS", "Provider": "CodeCommit"},
            "Configuration": {"RepositoryName": "web", "BranchName": "main"}, "RoleArn": role});
        let stages = json!({"Name": "web", "Stages": [{"Name": "Source", "Actions": [action]}]});
        let mut asked = Asked::of(vec![resource(TypeName::PIPELINE, WEB, stages)]);
        asked.so_far.executions = delivered
            .iter()
            .zip(0..)
            .map(|(n, nth)| {
                let (account, region) = ("111122223333".parse().unwrap(), "eu-west-1".parse().unwrap());
                let started = FROM + Duration::days(nth);
                let id = format!("e{nth}");
                let revision = SourceRevision { action: "Code".to_owned(), id: sha(*n), summary: None, url: None };
                PipelineExecution {
                    revisions: vec![revision],
                    ..PipelineExecution::new(WEB, account, region, id, "Succeeded", started)
                }
            })
            .collect();
        asked
    }

    /// A line of commits, of which each tenth merged a side branch of two that began five before.
    fn parents(n: u32) -> Vec<u32> {
        match n {
            0 => vec![],
            1_000.. if n.is_multiple_of(2) => vec![n - 1_000 - 6],
            1_000.. => vec![n - 1],
            _ if n.is_multiple_of(10) => vec![n - 1, n + 1_001],
            _ => vec![n - 1],
        }
    }

    fn date(n: u32) -> i64 {
        let main = if n >= 1_000 { n - 1_000 - 4 } else { n };
        FROM.unix_timestamp() + i64::from(main) * 60
    }

    fn answers() -> Answers {
        Arc::new(|operation, input| {
            assert_eq!((operation, input["repositoryName"].as_str()), ("BatchGetCommits", Some("web")));
            let ids = input["commitIds"].as_array().unwrap();
            assert!(ids.len() <= PER_CALL);
            let (mut commits, mut errors) = (Vec::new(), Vec::new());
            for id in ids.iter().map(|id| id.as_str().unwrap()) {
                let n = u32::from_str_radix(id, 16).unwrap();
                if n == 0xdead {
                    errors.push(
                        json!({"commitId": id, "errorCode": "CommitDoesNotExistException", "errorMessage": "gone"}),
                    );
                    continue;
                }
                let by = json!({"name": "Ann", "email": "ann@example.com", "date": format!("{} -0800", date(n))});
                let parents: Vec<String> = parents(n).into_iter().map(sha).collect();
                commits.push(
                    json!({"commitId": id, "parents": parents, "author": by, "committer": by, "message": "fix\n\nx"}),
                );
            }
            Answer::Json(json!({"commits": commits, "errors": errors}))
        })
    }

    fn ids(history: &History) -> BTreeSet<u32> {
        history.commits.iter().map(|commit| u32::from_str_radix(&commit.id, 16).unwrap()).collect()
    }

    #[tokio::test]
    async fn a_refusal_is_a_gap_and_commits_between_heads_come_with_side_branches() {
        let asked = asked("", &[31, 35, 42]);
        let history = every_refusal_leaves_a_gap(&CodeCommit, &asked, answers()).await;
        let found = ids(&history);
        for n in [31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 1_041, 1_040] {
            assert!(found.contains(&n), "{n} of {found:?}");
        }
        assert!(found.iter().all(|n| *n > 25), "{found:?}");
        let commit = history.commits.iter().find(|commit| commit.id == sha(40)).unwrap();
        assert_eq!(commit.parents, [sha(39), sha(1_041)]);
        assert_eq!(commit.committed.unwrap().unix_timestamp(), date(40));
        assert_eq!((commit.summary.as_deref(), commit.author_email.as_deref()), (Some("fix"), Some("ann@example.com")));
        let span = &history.coverage.spans[0];
        assert_eq!(span.subject.as_deref(), Some("arn:aws:codecommit:eu-west-1:111122223333:web"));
    }

    #[tokio::test]
    async fn what_is_known_is_not_asked_for_again() {
        let mut asked = asked("", &[31, 35, 42]);
        let (first, _) = collect(&CodeCommit, &asked, answers(), &[]).await;
        asked.so_far.commits = first.commits;
        let (again, calls) = collect(&CodeCommit, &asked, answers(), &[]).await;
        assert_eq!((again.commits.len(), calls.len(), again.coverage.spans.len()), (0, 0, 1));
        let single = self::asked("", &[31]);
        let (single, _) = collect(&CodeCommit, &single, answers(), &[]).await;
        assert_eq!(ids(&single), BTreeSet::from([31]), "without a predecessor nothing is walked");
    }

    #[tokio::test]
    async fn a_commit_that_is_gone_and_a_repository_of_others_are_gaps() {
        let (gone, _) = collect(&CodeCommit, &asked("", &[31, 0xdead, 32]), answers(), &[]).await;
        assert!(gone.coverage.gaps[0].gap.sentence().contains("CommitDoesNotExistException"));
        assert_eq!(gone.coverage.spans, []);
        let theirs = asked("arn:aws:iam::444455556666:role/source", &[31, 32]);
        let (theirs, calls) = collect(&CodeCommit, &theirs, answers(), &[]).await;
        assert_eq!((theirs.coverage.gaps[0].gap.cause.word(), calls.len()), ("outside", 0));
    }

    #[tokio::test]
    async fn sides_that_never_meet_are_given_up() {
        let answers: Answers = Arc::new(|_, input| {
            let commits = input["commitIds"].as_array().unwrap().iter().map(|id| {
                let n = u32::from_str_radix(id.as_str().unwrap(), 16).unwrap();
                let parents: Vec<String> = (0..100).map(|k| sha(n * 100 + k + 1)).collect();
                let by = json!({"date": format!("{} +0000", 2_000_000_000 - i64::from(n))});
                json!({"commitId": id, "parents": parents, "author": by, "committer": by})
            });
            Answer::Json(json!({"commits": commits.collect::<Vec<Value>>()}))
        });
        let (history, _) = collect(&CodeCommit, &asked("", &[1, 2]), answers, &[]).await;
        assert!(history.coverage.gaps[0].gap.sentence().contains("TooManyCommits"));
        assert!(history.commits.len() <= MOST);
    }

    fn behind(parents: &[Vec<usize>], head: usize) -> BTreeSet<usize> {
        let (mut found, mut pending) = (BTreeSet::new(), vec![head]);
        while let Some(n) = pending.pop() {
            if found.insert(n) {
                pending.extend(&parents[n]);
            }
        }
        found
    }

    proptest! {
        /// Whatever the shape of the history and however wrong its dates are.
        #[test]
        fn everything_between_two_heads_comes(
            edges in prop::collection::vec(prop::collection::vec(0_usize..1_000, 1..3), 1..60),
            dates in prop::collection::vec(0_i64..1_000, 61),
            heads in (0_usize..1_000, 0_usize..1_000),
        ) {
            let parents: Vec<Vec<usize>> = std::iter::once(vec![])
                .chain(edges.iter().zip(1..).map(|(edges, n)| edges.iter().map(|edge| edge % n).collect()))
                .collect();
            let (base, head) = (heads.0 % parents.len(), heads.1 % parents.len());
            let id = |n: usize| format!("{n}");
            let mut graph = Graph::default();
            loop {
                let wanted = graph.wanted(&id(base), &[id(head)]);
                if wanted.is_empty() {
                    break;
                }
                prop_assert!(wanted.iter().all(|id| !graph.asked.contains(id)), "asked twice");
                for wanted in wanted {
                    let n: usize = wanted.parse().unwrap();
                    graph.asked.insert(wanted.clone());
                    graph.commits.insert(wanted.clone(), Commit {
                        repository: "web".to_owned(),
                        id: wanted,
                        parents: parents[n].iter().map(|n| id(*n)).collect(),
                        authored: None,
                        committed: Some(FROM + Duration::minutes(dates[n])),
                        author_email: None,
                        author_login: None,
                        summary: None,
                    });
                }
            }
            for n in behind(&parents, head).difference(&behind(&parents, base)) {
                prop_assert!(graph.commits.contains_key(&id(*n)), "{n} is missing");
            }
        }
    }
}
