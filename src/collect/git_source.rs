//! A branch that something builds from, and what its provider says of it.
//!
//! In: a provider, a host, a repository and a branch. Out: two resources, `Git::Repository` and `Git::Branch`, with the
//! same ids whoever names them. It exists so that the readers of the providers agree on ids and shapes.

use serde_json::json;

use super::Scope;
use crate::inventory::{Gap, Resource, TypeName};

/// Where repositories live, in the words of `CodeConnections`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Provider {
    CodeCommit,
    GitHub,
    GitHubEnterpriseServer,
    GitLab,
    GitLabSelfManaged,
    Bitbucket,
    AzureDevOps,
}

impl Provider {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::CodeCommit => "CodeCommit",
            Self::GitHub => "GitHub",
            Self::GitHubEnterpriseServer => "GitHubEnterpriseServer",
            Self::GitLab => "GitLab",
            Self::GitLabSelfManaged => "GitLabSelfManaged",
            Self::Bitbucket => "Bitbucket",
            Self::AzureDevOps => "AzureDevOps",
        }
    }
}

/// A branch to ask for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    pub(super) provider: Provider,
    /// `github.com`; the repository's ARN up to its name for `CodeCommit`.
    pub(super) host: String,
    /// `acme/web`; the bare name for `CodeCommit`.
    pub(super) repository: String,
    pub(super) branch: String,
    /// The name it was asked for under, so that whoever names it finds it again.
    pub(super) alias: String,
}

impl Source {
    /// `https://github.com/acme/web`, or the ARN of a `CodeCommit` repository.
    pub(super) fn repository_uid(&self) -> String {
        match self.provider {
            Provider::CodeCommit => format!("{}{}", self.host, self.repository),
            _ => format!("https://{}/{}", self.host, self.repository),
        }
    }

    /// The repository's id and the full name of the branch.
    pub(super) fn branch_uid(&self) -> String {
        format!("{}/refs/heads/{}", self.repository_uid(), self.branch)
    }
}

/// What a provider says of a branch and its repository.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SourceSeen {
    pub(super) branch: Resource,
    pub(super) repository: Resource,
}

impl SourceSeen {
    /// Both with their names only, to be filled in.
    pub(super) fn named(scope: &Scope, source: &Source) -> Self {
        let live = |type_name, uid| Resource::live(type_name, uid, scope.account.clone(), scope.region.clone());
        let mut branch = live(TypeName::BRANCH, source.branch_uid());
        let mut repository = live(TypeName::REPOSITORY, source.repository_uid());
        for resource in [&mut branch, &mut repository] {
            resource.properties.insert("Provider".to_owned(), source.provider.as_str().into());
            resource.properties.insert("RepositoryId".to_owned(), source.repository.clone().into());
        }
        branch.properties.insert("BranchName".to_owned(), source.branch.clone().into());
        branch.properties.insert("Aliases".to_owned(), json!([source.alias]));
        Self { branch, repository }
    }

    /// Both behind one gap.
    pub(super) fn unseen(scope: &Scope, source: &Source, gap: &Gap) -> Self {
        let mut seen = Self::named(scope, source);
        seen.branch.unseen.insert("*".to_owned(), gap.clone());
        seen.repository.unseen.insert("*".to_owned(), gap.clone());
        seen
    }
}
