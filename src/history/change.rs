//! What was changed: commits and merged pull requests, from `CodeCommit` and from source hosts.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Commit {
    /// The repository as a source action names it: `acme/web` on a host, the repository's name in `CodeCommit`.
    pub repository: String,
    /// Full SHA.
    pub id: String,
    /// Its parents; two or more make it a merge commit.
    pub parents: Vec<String>,
    /// The author's date, which anybody may set.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub authored: Option<OffsetDateTime>,
    /// The committer's date, which change lead time begins with.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub committed: Option<OffsetDateTime>,
    /// The author's address, self-asserted.
    pub author_email: Option<String>,
    /// The author's account on the host, if the host knows it.
    pub author_login: Option<String>,
    /// First line of the message.
    pub summary: Option<String>,
}

/// A merged pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Merge {
    /// The repository, as in [`Commit::repository`].
    pub repository: String,
    /// The pull request's number or id.
    pub number: String,
    /// When it was merged.
    #[serde(with = "time::serde::rfc3339")]
    pub merged: OffsetDateTime,
    /// The commit that the merge made.
    pub merge_commit: Option<String>,
    /// The branch that it was merged into.
    pub base: Option<String>,
    /// The branch that was merged.
    pub head: Option<String>,
    /// Its author: a login, or an ARN.
    pub author: Option<String>,
    /// Who merged it.
    pub merged_by: Option<String>,
    /// Who approved it.
    #[serde(default)]
    pub approved_by: Vec<String>,
    /// Title.
    pub title: Option<String>,
    /// Labels.
    #[serde(default)]
    pub labels: Vec<String>,
}
