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
pub struct CodeCommit;

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
    let mut walk = Walk {
        scope,
        client: Client::new(scope.config()),
        repository,
        most: MOST,
        asked: BTreeSet::new(),
        commits: question.so_far.commits.iter().filter(|c| c.repository == *repository).map(kept).collect(),
        error: None,
    };
    for heads in heads {
        walk.between(heads).await;
    }
    match walk.error.take() {
        None => history.coverage.spans.push(look.span(question.period)),
        Some(error) => history.coverage.gaps.push(look.gap(error, question.period)),
    }
    history.commits = walk.new_commits();
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
    most: usize,
    /// Ids that were asked for, whether they came or not.
    asked: BTreeSet<String>,
    commits: BTreeMap<String, Commit>,
    /// Why some commits may be missing.
    error: Option<CallError>,
}

impl Walk<'_> {
    /// Brings what the later heads have and the first has not.
    async fn between(&mut self, heads: &Heads) {
        let Some((base, later)) = heads.split_first() else { return };
        loop {
            let wanted = self.wanted(base, later);
            if wanted.is_empty() || self.error.is_some() {
                return;
            }
            if self.asked.len() + wanted.len() > self.most {
                let message = format!(
                    "{} commits of {} were not enough to find where its deliveries part; the rest was not asked for",
                    self.asked.len(),
                    self.repository
                );
                self.error = Some(unseen(BATCH_GET, "TooManyCommits", message));
                return;
            }
            self.fetch(wanted).await;
        }
    }

    /// What has to be known next: heads, parents of what only the later side has, and of the first side whatever is not
    /// older than those, because the sides may still meet there.
    fn wanted(&self, base: &String, later: &[String]) -> BTreeSet<String> {
        let old = self.reached_from(std::slice::from_ref(base));
        let new = self.reached_from(later);
        let unknown = |id: &&String| !self.commits.contains_key(*id) && !self.asked.contains(*id);
        let mut wanted: BTreeSet<String> = later.iter().chain([base]).filter(unknown).cloned().collect();
        let mut oldest: Option<OffsetDateTime> = None;
        for id in new.difference(&old) {
            let Some(commit) = self.commits.get(*id) else { continue };
            let parents = commit.parents.iter().filter(|id| unknown(id) && !old.contains(id));
            let before = wanted.len();
            wanted.extend(parents.cloned());
            if wanted.len() > before {
                oldest =
                    Some(commit.committed.map_or(OffsetDateTime::UNIX_EPOCH, |at| oldest.map_or(at, |o| o.min(at))));
            }
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

    async fn fetch(&mut self, ids: BTreeSet<String>) {
        let ids: Vec<String> = ids.into_iter().collect();
        self.asked.extend(ids.iter().cloned());
        let jobs = ids.chunks(PER_CALL).map(|ids| batch(self.scope, &self.client, self.repository, ids)).collect();
        for answer in in_order(jobs).await {
            match answer {
                Ok((commits, missing)) => {
                    self.commits.extend(commits.iter().map(kept));
                    self.error = self.error.take().or(missing);
                }
                Err(error) => self.error = Some(error),
            }
        }
    }

    /// What came, without what was known before.
    fn new_commits(self) -> Vec<Commit> {
        let Self { commits, asked, .. } = self;
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
