//! A branch that something builds from, and what its provider says of it.
//!
//! In: a provider, a host, a repository and a branch. Out: two resources, `Git::Repository` and `Git::Branch`, with the
//! same ids whoever names them. It exists so that the readers of the providers agree on ids and shapes.

use serde_json::json;

use super::Scope;
use crate::inventory::{Affects, Gap, GapCause, Resource, TypeName};

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

    /// The provider that `CodeConnections` calls by this word.
    pub(super) fn parse(word: &str) -> Option<Self> {
        const ALL: [Provider; 7] = [
            Provider::CodeCommit,
            Provider::GitHub,
            Provider::GitHubEnterpriseServer,
            Provider::GitLab,
            Provider::GitLabSelfManaged,
            Provider::Bitbucket,
            Provider::AzureDevOps,
        ];
        ALL.into_iter().find(|provider| provider.as_str() == word)
    }

    /// Where the provider itself hosts repositories; `None` for one that customers run.
    pub(super) fn own_host(self) -> Option<&'static str> {
        match self {
            Self::GitHub => Some("github.com"),
            Self::GitLab => Some("gitlab.com"),
            Self::Bitbucket => Some("bitbucket.org"),
            Self::AzureDevOps => Some("dev.azure.com"),
            Self::CodeCommit | Self::GitHubEnterpriseServer | Self::GitLabSelfManaged => None,
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

    /// Both behind a gap that only the configuration can close.
    pub(super) fn not_configured(scope: &Scope, source: &Source, message: &str) -> Self {
        let service = source.provider.as_str().to_ascii_lowercase();
        let gap = Gap {
            account: scope.account.clone(),
            region: scope.region.clone(),
            action: format!("{service}:GetBranchProtection"),
            service,
            cause: GapCause::NotConfigured { message: message.to_owned() },
            affects: Affects::Details,
        };
        Self::unseen(scope, source, &gap)
    }

    /// Both under the names they were asked for by, because it could not be seen where they are.
    pub(super) fn unresolved(scope: &Scope, named: &Unresolved<'_>, gap: &Gap) -> Self {
        let live = |type_name, uid: &str| {
            let mut resource = Resource::live(type_name, uid.to_owned(), scope.account.clone(), scope.region.clone());
            resource.properties.insert("RepositoryId".to_owned(), named.repository.into());
            resource.unseen.insert("*".to_owned(), gap.clone());
            resource
        };
        let mut branch = live(TypeName::BRANCH, named.alias);
        branch.properties.insert("BranchName".to_owned(), named.branch.into());
        branch.properties.insert("Aliases".to_owned(), json!([named.alias]));
        Self { branch, repository: live(TypeName::REPOSITORY, repository_of(named.alias)) }
    }
}

/// What is known of a branch whose provider is not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unresolved<'a> {
    pub(super) alias: &'a str,
    pub(super) repository: &'a str,
    pub(super) branch: &'a str,
}

/// The name of the repository in the name of a branch.
pub(super) fn repository_of(alias: &str) -> &str {
    alias.split_once(HEADS).map_or(alias, |(repository, _)| repository)
}

/// Stands between a repository and a branch in the name of the branch.
pub(super) const HEADS: &str = "/refs/heads/";
