//! What was changed, as source hosts know it: commits between two deployed heads, and the merged pull requests behind
//! them with who merged and who approved.
//!
//! In: a repository on a configured host. Out: commits and merges in the words of this tool, for `history` to record. It
//! stands here because the hosts' tokens and limits do. GitHub and GitLab are asked; the commits of other hosts are a gap.
//!
//! <https://docs.github.com/en/rest/commits/commits>, <https://docs.github.com/en/rest/pulls>,
//! <https://docs.gitlab.com/api/repositories/>, <https://docs.gitlab.com/api/commits/>,
//! <https://docs.gitlab.com/api/merge_request_approvals/>

use std::collections::BTreeMap;

use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::git_hosts::{Host, HostProvider, configured};
use super::git_http::{Ask, never};
use super::{CallError, Scope};
use crate::inventory::GapCause;

const COMPARE: &str = "github:CompareCommits";
const LIST_PULLS: &str = "github:ListPullRequestsAssociatedWithCommit";
const GET_PULL: &str = "github:GetPullRequest";
const LIST_REVIEWS: &str = "github:ListReviews";
const COMPARE_REFS: &str = "gitlab:CompareRefs";
const LIST_MERGE_REQUESTS: &str = "gitlab:ListCommitMergeRequests";
const GET_MERGE_APPROVALS: &str = "gitlab:GetMergeRequestApprovals";

/// Every call for histories, as the ledger writes it. None of them is an IAM action.
pub const ACTIONS: &[&str] =
    &[COMPARE, LIST_PULLS, GET_PULL, LIST_REVIEWS, COMPARE_REFS, LIST_MERGE_REQUESTS, GET_MERGE_APPROVALS];

/// Commits between two heads that are read at most.
pub const MOST_COMMITS: usize = 5_000;

const PER_PAGE: usize = 100;

/// A repository on a source host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostedRepository<'a> {
    /// In the words of `CodeConnections`: `GitHub`, `GitHubEnterpriseServer`, `GitLab`, …
    pub provider: &'a str,
    /// `github.com`
    pub host: &'a str,
    /// `acme/web`
    pub repository: &'a str,
}

/// A commit as a host tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostedCommit {
    /// SHA.
    pub id: String,
    /// SHAs of its parents.
    pub parents: Vec<String>,
    /// The author's date.
    pub authored: Option<OffsetDateTime>,
    /// The committer's date.
    pub committed: Option<OffsetDateTime>,
    /// The author's address.
    pub author_email: Option<String>,
    /// The author's account on the host.
    pub author_login: Option<String>,
    /// The whole message, which may hold anything.
    pub message: Option<String>,
}

/// Commits between two heads, and why there are not all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostedRange {
    /// As the host orders them.
    pub commits: Vec<HostedCommit>,
    /// Why some may be missing.
    pub error: Option<CallError>,
}

/// A merged pull request, without its review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostedMerge {
    /// Number within the repository.
    pub number: String,
    /// When it was merged.
    pub merged: OffsetDateTime,
    /// The commit that the merge made.
    pub merge_commit: Option<String>,
    /// The branch that it was merged into.
    pub base: Option<String>,
    /// The branch that was merged.
    pub head: Option<String>,
    /// Its author's account.
    pub author: Option<String>,
    /// Who merged it, where the listing says so.
    pub merged_by: Option<String>,
    /// Title.
    pub title: Option<String>,
    /// Labels.
    pub labels: Vec<String>,
}

/// Who let a pull request through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Review {
    /// Who merged it.
    pub merged_by: Option<String>,
    /// Whose last word before the merge was an approval, in order.
    pub approved_by: Vec<String>,
}

/// Whether the repository's host may be asked.
///
/// # Errors
/// [`CallError`] that says what is missing in the configuration.
pub fn reachable(scope: &Scope, of: HostedRepository<'_>) -> Result<(), CallError> {
    Place::open(scope, of).map(|_| ())
}

/// The commits that `head` has and `base` has not, [`MOST_COMMITS`] at most.
pub async fn commits_between(scope: &Scope, of: HostedRepository<'_>, base: &str, head: &str) -> HostedRange {
    let place = match Place::open(scope, of) {
        Ok(place) => place,
        Err(error) => return HostedRange { commits: Vec::new(), error: Some(error) },
    };
    let key = format!("{}#{base}...{head}", of.repository);
    place.host.ranges.get(scope, key, || place.range(base, head)).await
}

/// The merged pull requests that a commit belongs to.
///
/// # Errors
/// [`CallError`] if the host did not say.
pub async fn merges_of(scope: &Scope, of: HostedRepository<'_>, commit: &str) -> Result<Vec<HostedMerge>, CallError> {
    let place = Place::open(scope, of)?;
    place.host.merges.get(scope, format!("{}#{commit}", of.repository), || place.merges(commit)).await
}

/// Who merged a pull request and who had approved it by then.
///
/// # Errors
/// [`CallError`] if the host did not say.
pub async fn review_of(scope: &Scope, of: HostedRepository<'_>, merge: &HostedMerge) -> Result<Review, CallError> {
    let place = Place::open(scope, of)?;
    place.host.reviews.get(scope, format!("{}#{}", of.repository, merge.number), || place.review(merge)).await
}

/// A repository on a host that may be asked.
struct Place<'a> {
    scope: &'a Scope,
    host: std::sync::Arc<Host>,
    gitlab: bool,
    /// What its paths begin with.
    root: Vec<&'a str>,
}

impl<'a> Place<'a> {
    fn open(scope: &'a Scope, of: HostedRepository<'a>) -> Result<Self, CallError> {
        match of.provider {
            "GitHub" | "GitHubEnterpriseServer" => {
                let host = configured(scope, of.host, HostProvider::GitHub, COMPARE)?;
                let Some((owner, name)) = of.repository.split_once('/').filter(|(_, name)| !name.contains('/')) else {
                    let message = format!("`{}` is no owner and repository", of.repository);
                    return Err(CallError::malformed(COMPARE, message));
                };
                Ok(Self { scope, host, gitlab: false, root: vec!["repos", owner, name] })
            }
            "GitLab" | "GitLabSelfManaged" => {
                let host = configured(scope, of.host, HostProvider::GitLab, COMPARE_REFS)?;
                Ok(Self { scope, host, gitlab: true, root: vec!["projects", of.repository] })
            }
            other => {
                let message = format!(
                    "commits and pull requests of {other} are not read; lead times of {} begin with the heads that were deployed",
                    of.repository
                );
                Err(CallError { action: COMPARE, code: String::new(), cause: GapCause::NotConfigured { message } })
            }
        }
    }

    async fn get(&self, action: &'static str, rest: &[&str], query: &[(&str, &str)]) -> Result<Value, CallError> {
        let path = [self.root.as_slice(), rest].concat();
        self.host.get(self.scope, Ask { action, path: &path, query }).await
    }

    async fn list(&self, action: &'static str, rest: &[&str]) -> Result<Vec<Value>, CallError> {
        let path = [self.root.as_slice(), rest].concat();
        let ask = Ask { action, path: &path, query: &[("per_page", "100")] };
        Ok(self.host.list_or_unset(self.scope, ask, never).await?.unwrap_or_default())
    }

    async fn range(&self, base: &str, head: &str) -> HostedRange {
        if self.gitlab { self.gitlab_range(base, head).await } else { self.github_range(base, head).await }
    }

    /// GitHub pages the commits and says how many there are; the changed files come with the first page only.
    async fn github_range(&self, base: &str, head: &str) -> HostedRange {
        let heads = format!("{base}...{head}");
        let mut range = HostedRange::default();
        let mut page = 1;
        loop {
            let (size, number) = (PER_PAGE.to_string(), page.to_string());
            let query = [("per_page", size.as_str()), ("page", number.as_str())];
            let answer = match self.get(COMPARE, &["compare", &heads], &query).await {
                Ok(answer) => answer,
                Err(error) => return HostedRange { error: Some(error), ..range },
            };
            let Some(commits) = answer.get("commits").and_then(Value::as_array) else {
                return HostedRange {
                    error: Some(CallError::malformed(COMPARE, "the answer has no `commits`")),
                    ..range
                };
            };
            let total = answer.get("total_commits").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
            let came = commits.len();
            range.absorb(COMPARE, commits, github_commit);
            let all = total.map_or(came < PER_PAGE, |total| range.commits.len() >= total);
            if all || came == 0 || range.error.is_some() {
                if total.is_some_and(|total| range.commits.len() < total) && range.error.is_none() {
                    let message = format!("the host counts more commits in {heads} than it lists");
                    range.error = Some(CallError::malformed(COMPARE, message));
                }
                return range;
            }
            if range.commits.len() >= MOST_COMMITS {
                range.error = Some(too_many(COMPARE, &heads));
                return range;
            }
            page += 1;
        }
    }

    async fn gitlab_range(&self, base: &str, head: &str) -> HostedRange {
        let mut range = HostedRange::default();
        let answer = match self.get(COMPARE_REFS, &["repository", "compare"], &[("from", base), ("to", head)]).await {
            Ok(answer) => answer,
            Err(error) => return HostedRange { error: Some(error), ..range },
        };
        let Some(commits) = answer.get("commits").and_then(Value::as_array) else {
            return HostedRange {
                error: Some(CallError::malformed(COMPARE_REFS, "the answer has no `commits`")),
                ..range
            };
        };
        let most = commits.get(..MOST_COMMITS).unwrap_or(commits);
        range.absorb(COMPARE_REFS, most, gitlab_commit);
        if most.len() < commits.len() {
            range.error = Some(too_many(COMPARE_REFS, &format!("{base}...{head}")));
        }
        range
    }

    async fn merges(&self, commit: &str) -> Result<Vec<HostedMerge>, CallError> {
        let (answer, read): (_, fn(&Value) -> Option<HostedMerge>) = if self.gitlab {
            (self.list(LIST_MERGE_REQUESTS, &["repository", "commits", commit, "merge_requests"]).await?, gitlab_merge)
        } else {
            (self.list(LIST_PULLS, &["commits", commit, "pulls"]).await?, github_merge)
        };
        Ok(answer.iter().filter_map(read).collect())
    }

    async fn review(&self, merge: &HostedMerge) -> Result<Review, CallError> {
        let number = merge.number.as_str();
        if self.gitlab {
            let answer = self.get(GET_MERGE_APPROVALS, &["merge_requests", number, "approvals"], &[]).await?;
            let approvals = answer.get("approved_by").and_then(Value::as_array).into_iter().flatten();
            let mut approved_by: Vec<String> =
                approvals.filter_map(|approval| text(approval, "/user/username")).collect();
            approved_by.sort();
            return Ok(Review { merged_by: merge.merged_by.clone(), approved_by });
        }
        let reviews = self.list(LIST_REVIEWS, &["pulls", number, "reviews"]).await?;
        let merged_by = match &merge.merged_by {
            Some(by) => Some(by.clone()),
            None => text(&self.get(GET_PULL, &["pulls", number], &[]).await?, "/merged_by/login"),
        };
        Ok(Review { merged_by, approved_by: approvals(&reviews, merge.merged) })
    }
}

impl HostedRange {
    fn absorb(&mut self, action: &'static str, commits: &[Value], read: fn(&Value) -> Option<HostedCommit>) {
        for commit in commits {
            match read(commit) {
                Some(commit) => self.commits.push(commit),
                None => self.error = Some(CallError::malformed(action, "a commit without its id or parents")),
            }
        }
    }
}

fn too_many(action: &'static str, heads: &str) -> CallError {
    let message = format!("{heads} has more than {MOST_COMMITS} commits; only the first of them were read");
    let cause = GapCause::Service { code: "TooManyCommits".to_owned(), message };
    CallError { action, code: String::new(), cause }
}

fn text(value: &Value, path: &str) -> Option<String> {
    value.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn moment(value: &Value, path: &str) -> Option<OffsetDateTime> {
    let text = value.pointer(path).and_then(Value::as_str)?;
    OffsetDateTime::parse(text, &Rfc3339).ok().map(|at| at.to_offset(UtcOffset::UTC))
}

fn github_commit(commit: &Value) -> Option<HostedCommit> {
    let parents = commit.get("parents").and_then(Value::as_array)?;
    Some(HostedCommit {
        id: text(commit, "/sha")?,
        parents: parents.iter().map(|parent| text(parent, "/sha")).collect::<Option<_>>()?,
        authored: moment(commit, "/commit/author/date"),
        committed: moment(commit, "/commit/committer/date"),
        author_email: text(commit, "/commit/author/email"),
        author_login: text(commit, "/author/login"),
        message: text(commit, "/commit/message"),
    })
}

fn gitlab_commit(commit: &Value) -> Option<HostedCommit> {
    let parents = commit.get("parent_ids").and_then(Value::as_array)?;
    Some(HostedCommit {
        id: text(commit, "/id")?,
        parents: parents.iter().map(|parent| parent.as_str().map(str::to_owned)).collect::<Option<_>>()?,
        authored: moment(commit, "/authored_date"),
        committed: moment(commit, "/committed_date"),
        author_email: text(commit, "/author_email"),
        author_login: None,
        message: text(commit, "/message").or_else(|| text(commit, "/title")),
    })
}

/// A pull request, if it was merged.
fn github_merge(pull: &Value) -> Option<HostedMerge> {
    Some(HostedMerge {
        number: pull.get("number").and_then(Value::as_u64)?.to_string(),
        merged: moment(pull, "/merged_at")?,
        merge_commit: text(pull, "/merge_commit_sha"),
        base: text(pull, "/base/ref"),
        head: text(pull, "/head/ref"),
        author: text(pull, "/user/login"),
        merged_by: text(pull, "/merged_by/login"),
        title: text(pull, "/title"),
        labels: pull
            .get("labels")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|label| text(label, "/name"))
            .collect(),
    })
}

/// A merge request, if it was merged.
fn gitlab_merge(request: &Value) -> Option<HostedMerge> {
    Some(HostedMerge {
        number: request.get("iid").and_then(Value::as_u64)?.to_string(),
        merged: moment(request, "/merged_at")?,
        // A fast-forward makes no commit; then the newest commit of the branch is what the base got.
        merge_commit: ["/merge_commit_sha", "/squash_commit_sha", "/sha"].iter().find_map(|path| text(request, path)),
        base: text(request, "/target_branch"),
        head: text(request, "/source_branch"),
        author: text(request, "/author/username"),
        merged_by: text(request, "/merge_user/username").or_else(|| text(request, "/merged_by/username")),
        title: text(request, "/title"),
        labels: request
            .get("labels")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|label| label.as_str().map(str::to_owned))
            .collect(),
    })
}

/// Whose last decision before the merge was to approve. A comment decides nothing; a dismissed approval is none.
fn approvals(reviews: &[Value], merged: OffsetDateTime) -> Vec<String> {
    let mut decided: BTreeMap<String, (OffsetDateTime, bool)> = BTreeMap::new();
    for review in reviews {
        let state = text(review, "/state").unwrap_or_default();
        let (Some(who), Some(when)) = (text(review, "/user/login"), moment(review, "/submitted_at")) else { continue };
        if when > merged || !matches!(state.as_str(), "APPROVED" | "CHANGES_REQUESTED" | "DISMISSED") {
            continue;
        }
        let last = decided.entry(who).or_insert((when, false));
        if when >= last.0 {
            *last = (when, state == "APPROVED");
        }
    }
    decided.into_iter().filter(|(_, (_, approved))| *approved).map(|(who, _)| who).collect()
}
