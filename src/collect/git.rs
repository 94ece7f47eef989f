//! Branches that something builds from, wherever they are hosted, with their repositories and connections.
//!
//! In: names of branches, as those who build from them write them. Out: `Git::Branch`, `Git::Repository` and
//! `AWS::CodeConnections::Connection`. It finds out which provider and host a name leads to, and lets the reader of that
//! provider ask; nothing is ever guessed from a name or tried without a credential.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde_json::Value;

use super::git_codecommit::{GET_BRANCH, GET_FOLDER, GET_REPOSITORY, GET_TEMPLATE, LIST_TEMPLATES};
use super::git_connection::{self, Connection, GET_CONNECTION, GET_CONNECTION_OLD, GET_HOST, GET_HOST_OLD};
use super::git_source::{HEADS, Provider, Source, SourceSeen, Unresolved, repository_of};
use super::pages::in_order;
use super::{CallError, Collected, Collector, Reach, Scope, git_codecommit, git_hosts};
use crate::inventory::{Affects, Arn, Gap, Reference, Resource, TypeName};

/// Reads branches and what protects them.
#[derive(Debug, Clone, Copy)]
pub struct Git;

#[async_trait]
impl Collector for Git {
    fn service(&self) -> &'static str {
        "git"
    }

    fn actions(&self) -> &'static [&'static str] {
        &[
            GET_CONNECTION,
            GET_CONNECTION_OLD,
            GET_HOST,
            GET_HOST_OLD,
            GET_REPOSITORY,
            GET_BRANCH,
            LIST_TEMPLATES,
            GET_TEMPLATE,
            GET_FOLDER,
        ]
    }

    fn types(&self) -> &'static [TypeName] {
        const { &[TypeName::BRANCH, TypeName::REPOSITORY, TypeName::CONNECTION] }
    }

    fn reach(&self) -> Reach {
        Reach::Referenced
    }

    /// A branch brings its repository and its connection along, so only references to branches are followed.
    async fn collect(&self, scope: &Scope, wanted: &[Reference]) -> Collected {
        let branches = wanted.iter().filter(|reference| reference.type_name == TypeName::BRANCH);
        let names: BTreeSet<&str> = branches.map(|reference| reference.name.as_str()).collect();
        let asked: Vec<Asked<'_>> = names.into_iter().map(Asked::read).collect();
        let connections = read_connections(scope, &asked).await;
        let mut found = Vec::new();
        let mut places: BTreeMap<Place, Vec<&str>> = BTreeMap::new();
        for asked in &asked {
            match asked.place(scope, &connections) {
                Ok(place) => places.entry(place).or_default().push(asked.alias),
                Err(gap) => found.push((SourceSeen::unresolved(scope, &asked.unresolved(), &gap), vec![asked.alias])),
            }
        }
        found.extend(read(scope, places).await);
        let mut collected = Collected::default();
        collected.resources.extend(connections.into_values().map(|connection| connection.resource));
        for (mut seen, aliases) in found {
            call_by(&mut seen.branch, aliases.iter().copied());
            call_by(&mut seen.repository, aliases.iter().map(|alias| repository_of(alias)));
            collected.resources.extend([seen.branch, seen.repository]);
        }
        collected.resources.sort_by(|a, b| (&a.type_name, &a.uid).cmp(&(&b.type_name, &b.uid)));
        collected
    }
}

/// Where a branch is: provider, host, repository, name.
type Place = (Provider, String, String, String);

/// The name of a branch, taken apart.
struct Asked<'a> {
    alias: &'a str,
    repository: Repository<'a>,
    branch: &'a str,
}

/// How a repository is named.
#[derive(Clone, Copy)]
enum Repository<'a> {
    /// `CodeCommit`: the ARN up to the name, and the name.
    Own(&'a str, &'a str),
    /// The ARN of a connection, and what it is asked for.
    Connected(&'a str, &'a str),
    /// Host and path.
    Hosted(&'a str, &'a str),
    /// None of these.
    Odd(&'a str),
}

impl<'a> Asked<'a> {
    fn read(alias: &'a str) -> Self {
        let (named, branch) = alias.split_once(HEADS).unwrap_or((alias, ""));
        Self { alias, repository: Repository::read(named), branch }
    }

    fn unresolved(&self) -> Unresolved<'a> {
        let repository = match self.repository {
            Repository::Own(_, name)
            | Repository::Connected(_, name)
            | Repository::Hosted(_, name)
            | Repository::Odd(name) => name,
        };
        Unresolved { alias: self.alias, repository, branch: self.branch }
    }

    /// Where it leads, or why that could not be seen.
    fn place(&self, scope: &Scope, connections: &BTreeMap<&'a str, Connection>) -> Result<Place, Box<Gap>> {
        let odd = || unreadable(scope, self.alias);
        let (provider, host, repository) = match self.repository {
            Repository::Own(host, name) => (Provider::CodeCommit, host.to_owned(), name),
            Repository::Connected(arn, repository) => {
                let (provider, host) = connections.get(arn).ok_or_else(odd)?.leads_to.clone().map_err(Box::new)?;
                (provider, host, repository)
            }
            Repository::Hosted(host, repository) => {
                let hosts = [Provider::GitHub, Provider::GitLab, Provider::Bitbucket, Provider::AzureDevOps];
                let provider = hosts.into_iter().find(|provider| provider.own_host() == Some(host));
                (provider.ok_or_else(odd)?, host.to_owned(), repository)
            }
            Repository::Odd(_) => return Err(odd()),
        };
        Ok((provider, host, repository.to_owned(), self.branch.to_owned()))
    }
}

impl<'a> Repository<'a> {
    fn read(named: &'a str) -> Self {
        if let Some((host, path)) = named.strip_prefix("https://").and_then(|rest| rest.split_once('/')) {
            return Self::Hosted(host, path);
        }
        let Ok(arn) = Arn::parse(named) else { return Self::Odd(named) };
        let before = |resource: &str| named.strip_suffix(resource).unwrap_or(named);
        match arn.service {
            "codecommit" => Self::Own(before(arn.resource), arn.resource),
            "codeconnections" | "codestar-connections" => {
                let id = arn.resource.strip_prefix("connection/").and_then(|rest| rest.split_once('/'));
                id.map_or(Self::Odd(named), |(_, repository)| {
                    let connection = before(repository);
                    Self::Connected(connection.strip_suffix('/').unwrap_or(connection), repository)
                })
            }
            _ => Self::Odd(named),
        }
    }
}

/// The gap over a name that leads to no provider that is known.
fn unreadable(scope: &Scope, alias: &str) -> Box<Gap> {
    let message = format!("`{alias}` names no repository of a provider that is known");
    Box::new(CallError::malformed(GET_CONNECTION, message).gap(scope, Affects::Details))
}

async fn read_connections<'a>(scope: &Scope, asked: &[Asked<'a>]) -> BTreeMap<&'a str, Connection> {
    let named: BTreeSet<&str> = asked
        .iter()
        .filter_map(|asked| match asked.repository {
            Repository::Connected(arn, _) => Some(arn),
            _ => None,
        })
        .collect();
    let jobs = named.iter().map(|arn| git_connection::read(scope, arn)).collect();
    named.iter().copied().zip(in_order(jobs).await).collect()
}

/// Lets the providers say what they know of each place. The first alias stands for all until they are written down.
async fn read<'a>(scope: &Scope, places: BTreeMap<Place, Vec<&'a str>>) -> Vec<(SourceSeen, Vec<&'a str>)> {
    let (mut own, mut hosted) = (Vec::new(), Vec::new());
    for ((provider, host, repository, branch), aliases) in places {
        let alias = aliases.first().copied().unwrap_or_default().to_owned();
        let source = Source { provider, host, repository, branch, alias };
        let list = if provider == Provider::CodeCommit { &mut own } else { &mut hosted };
        list.push((source, aliases));
    }
    let (own, own_aliases): (Vec<Source>, Vec<Vec<&str>>) = own.into_iter().unzip();
    let seen = git_codecommit::read(scope, &own).await;
    let jobs = hosted.iter().map(|(source, _)| read_hosted(scope, source)).collect();
    let hosted_seen: Vec<SourceSeen> = in_order(jobs).await;
    let hosted_aliases = hosted.into_iter().map(|(_, aliases)| aliases);
    seen.into_iter().zip(own_aliases).chain(hosted_seen.into_iter().zip(hosted_aliases)).collect()
}

async fn read_hosted(scope: &Scope, source: &Source) -> SourceSeen {
    git_hosts::read(scope, source).await.unwrap_or_else(|| {
        let message = "branch policies of Azure DevOps are not read; look at this branch by hand";
        SourceSeen::not_configured(scope, source, message)
    })
}

/// Writes down every name that a resource was asked for under.
fn call_by<'a>(resource: &mut Resource, aliases: impl Iterator<Item = &'a str>) {
    let aliases: BTreeSet<&str> = aliases.collect();
    resource.properties.insert("Aliases".to_owned(), aliases.into_iter().map(Value::from).collect());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::test_support::{Answer, Answers, endpoint, every_refusal_leaves_a_gap, reference};
    use super::*;

    const OWN: &str = "arn:aws:codecommit:eu-west-1:111122223333:web/refs/heads/main";
    const NEW: &str = "arn:aws:codeconnections:eu-west-1:111122223333:connection/c-1";
    const OLD: &str = "arn:aws:codestar-connections:eu-west-1:111122223333:connection/c-2";

    fn answers() -> Answers {
        std::sync::Arc::new(|operation, input| {
            let old = input.to_string().contains("codestar");
            Answer::Json(match operation {
                "GetConnection" => {
                    let service = if old { "codestar-connections" } else { "codeconnections" };
                    let host = format!("arn:aws:{service}:eu-west-1:111122223333:host/h");
                    json!({"Connection": {
                        "ConnectionName": "main", "ProviderType": if old { "GitLabSelfManaged" } else { "GitHubEnterpriseServer" },
                        "ConnectionStatus": "AVAILABLE", "HostArn": host,
                    }})
                }
                "GetHost" => json!({"ProviderEndpoint": "https://git.example.com/", "Status": "AVAILABLE"}),
                "GetRepository" => json!({"repositoryMetadata": {"repositoryName": "web", "defaultBranch": "main"}}),
                "GetBranch" => json!({"branch": {"branchName": "main", "commitId": "c"}}),
                "ListAssociatedApprovalRuleTemplatesForRepository" => json!({"approvalRuleTemplateNames": ["two"]}),
                "GetApprovalRuleTemplate" => {
                    let content = "{\"Statements\": [{\"NumberOfApprovalsNeeded\": 2}]}";
                    json!({"approvalRuleTemplate": {"approvalRuleTemplateName": "two", "approvalRuleTemplateContent": content}})
                }
                "GetFolder" => json!({"commitId": "c", "folderPath": "", "files": [], "subFolders": []}),
                _ => return Answer::Error(400, "UnknownOperationException"),
            })
        })
    }

    #[tokio::test]
    async fn every_refusal_is_a_gap_and_every_name_leads_somewhere() {
        let names =
            [OWN.to_owned(), format!("{NEW}/acme/web/refs/heads/main"), format!("{OLD}/acme/sub/web/refs/heads/main")];
        let wanted: Vec<Reference> = names.iter().map(|name| reference(TypeName::BRANCH, name)).collect();
        let clean = endpoint(answers(), &[]).await;
        let found = Git.collect(&clean.scope, &wanted).await;
        let uids: Vec<&str> = found.resources.iter().map(|resource| resource.uid.as_str()).collect();
        assert_eq!(
            uids,
            [
                NEW,
                OLD,
                OWN,
                "https://git.example.com/acme/sub/web/refs/heads/main",
                "https://git.example.com/acme/web/refs/heads/main",
                "arn:aws:codecommit:eu-west-1:111122223333:web",
                "https://git.example.com/acme/sub/web",
                "https://git.example.com/acme/web",
            ]
        );
        let branch = found.resources.iter().find(|r| r.uid.as_str().ends_with("example.com/acme/web/refs/heads/main"));
        let branch = branch.unwrap();
        assert_eq!(branch.properties["Provider"], "GitHubEnterpriseServer");
        assert_eq!(branch.properties["Aliases"], json!([format!("{NEW}/acme/web/refs/heads/main")]));
        for (name, actions) in
            [(&names[0], [GET_REPOSITORY, GET_BRANCH, LIST_TEMPLATES, GET_TEMPLATE, GET_FOLDER].as_slice())]
        {
            let wanted = [reference(TypeName::BRANCH, name)];
            every_refusal_leaves_a_gap(&Git, actions, &wanted, answers(), &[]).await;
        }
    }

    #[tokio::test]
    async fn a_refused_connection_leaves_the_branch_under_its_name() {
        for (arn, action) in [(NEW, GET_CONNECTION), (OLD, GET_CONNECTION_OLD), (NEW, GET_HOST), (OLD, GET_HOST_OLD)] {
            let name = format!("{arn}/acme/web/refs/heads/main");
            let endpoint = endpoint(answers(), &[action]).await;
            let found = Git.collect(&endpoint.scope, &[reference(TypeName::BRANCH, &name)]).await;
            let gaps = super::super::test_support::gaps(&found);
            assert_eq!(gaps.into_iter().collect::<Vec<_>>(), [action]);
            let uids: Vec<&str> = found.resources.iter().map(|resource| resource.uid.as_str()).collect();
            assert_eq!(uids, [arn, name.as_str(), repository_of(&name)]);
            assert!(!found.resources.iter().skip(1).any(|resource| resource.properties.contains_key("Provider")));
        }
    }

    #[tokio::test]
    async fn names_that_lead_nowhere_and_hosts_without_a_token_are_gaps() {
        let names = ["https://github.com/acme/web/refs/heads/main", "https://git.example.com/a/b/refs/heads/x", "odd"];
        let wanted = names.map(|name| reference(TypeName::BRANCH, name));
        let endpoint = endpoint(answers(), &[]).await;
        let found = Git.collect(&endpoint.scope, &wanted).await;
        assert_eq!(endpoint.calls(), Vec::<String>::new());
        assert_eq!(found.resources.len(), 6);
        assert!(found.resources.iter().all(|resource| resource.unseen.contains_key("*")));
        let github = found.resources.iter().find(|resource| resource.uid.as_str() == names[0]).unwrap();
        assert!(github.unseen["*"].sentence().contains("github.com"), "{}", github.unseen["*"].sentence());
    }

    #[tokio::test]
    async fn references_to_repositories_and_connections_cost_nothing() {
        let endpoint = endpoint(answers(), &[]).await;
        let wanted = [
            reference(TypeName::REPOSITORY, "arn:aws:codecommit:eu-west-1:111122223333:web"),
            reference(TypeName::CONNECTION, NEW),
        ];
        assert_eq!(Git.collect(&endpoint.scope, &wanted).await, Collected::default());
        assert_eq!(endpoint.calls(), Vec::<String>::new());
    }
}
