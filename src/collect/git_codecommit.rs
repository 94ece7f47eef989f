//! `CodeCommit`: repositories, the approval rules that apply to a branch, and files that should not be there.
//!
//! In: branches of repositories of the account. Out: `Git::Branch` and `Git::Repository` of each. Who may push to a branch
//! is not a setting of it but a matter of policies, so it is not said here.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_codecommit::Client;
use aws_sdk_codecommit::types::RepositoryMetadata;
use serde_json::Value;

use super::fields::Fields;
use super::git_secret_files::is_secret_file;
use super::git_source::{HEADS, Source, SourceSeen};
use super::pages::{all_pages, in_order};
use super::{CallError, Scope};
use crate::inventory::{GapCause, Resource};

pub(super) const GET_REPOSITORY: &str = "codecommit:GetRepository";
pub(super) const GET_BRANCH: &str = "codecommit:GetBranch";
pub(super) const LIST_TEMPLATES: &str = "codecommit:ListAssociatedApprovalRuleTemplatesForRepository";
pub(super) const GET_TEMPLATE: &str = "codecommit:GetApprovalRuleTemplate";
pub(super) const GET_FOLDER: &str = "codecommit:GetFolder";

/// Folders that are looked into, a call each; what lies beyond is not seen.
const FOLDERS: usize = 200;

/// What one template asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Template {
    /// Full names of the branches that it is for; empty: all.
    destinations: Vec<String>,
    approvals: i64,
}

/// What is known of a repository whatever the branch.
struct Repository {
    metadata: Result<RepositoryMetadata, CallError>,
    templates: Result<Vec<String>, CallError>,
    secret_files: Result<BTreeSet<String>, CallError>,
}

/// Reads branches, in their order.
pub(super) async fn read(scope: &Scope, sources: &[Source]) -> Vec<SourceSeen> {
    let client = &Client::new(scope.config());
    let names: BTreeSet<&str> = sources.iter().map(|source| source.repository.as_str()).collect();
    let jobs = names.iter().map(|name| read_repository(scope, client, name)).collect();
    let repositories: BTreeMap<&str, Repository> = names.iter().copied().zip(in_order(jobs).await).collect();
    let listed = repositories.values().filter_map(|repository| repository.templates.as_ref().ok()).flatten();
    let listed: BTreeSet<&str> = listed.map(String::as_str).collect();
    let jobs = listed.iter().map(|name| read_template(scope, client, name)).collect();
    let templates: BTreeMap<&str, Result<Template, CallError>> =
        listed.iter().copied().zip(in_order(jobs).await).collect();
    let jobs = sources.iter().map(|source| read_branch(scope, client, source)).collect();
    let branches = in_order(jobs).await;
    sources
        .iter()
        .zip(branches)
        .map(|(source, branch)| {
            let mut seen = SourceSeen::named(scope, source);
            if let Some(repository) = repositories.get(source.repository.as_str()) {
                describe_repository(scope, &mut seen.repository, repository);
                match branch {
                    Ok(()) => describe_branch(scope, &mut seen.branch, source, repository, &templates),
                    Err(error) => error.hides(scope, &mut seen.branch, &["*"]),
                }
            }
            seen
        })
        .collect()
}

/// A branch that does not exist has rules all the same; only asking for it tells.
async fn read_branch(scope: &Scope, client: &Client, source: &Source) -> Result<(), CallError> {
    let (repository, branch) = (source.repository.as_str(), source.branch.as_str());
    let ask = || client.get_branch().repository_name(repository).branch_name(branch).send();
    let answer = scope.call(GET_BRANCH, ask).await?;
    answer.branch.map(|_| ()).ok_or_else(|| CallError::malformed(GET_BRANCH, "the answer holds no branch"))
}

async fn read_repository(scope: &Scope, client: &Client, name: &str) -> Repository {
    let answer = scope.call(GET_REPOSITORY, || client.get_repository().repository_name(name).send()).await;
    let metadata = answer.and_then(|answer| {
        let missing = || CallError::malformed(GET_REPOSITORY, "the answer holds no repository");
        answer.repository_metadata.ok_or_else(missing)
    });
    let secret_files = match &metadata {
        // Without a default branch the repository is empty.
        Ok(metadata) => match metadata.default_branch() {
            Some(branch) => secret_files(scope, client, (name, branch), FOLDERS).await,
            None => Ok(BTreeSet::new()),
        },
        Err(error) => Err(error.clone()),
    };
    Repository { metadata, templates: list_templates(scope, client, name).await, secret_files }
}

async fn list_templates(scope: &Scope, client: &Client, name: &str) -> Result<Vec<String>, CallError> {
    let listed = all_pages(LIST_TEMPLATES, |token| async move {
        let ask = || {
            let list = client.list_associated_approval_rule_templates_for_repository();
            list.repository_name(name).set_next_token(token.clone()).send()
        };
        let page = scope.call(LIST_TEMPLATES, ask).await?;
        Ok((page.approval_rule_template_names.unwrap_or_default(), page.next_token))
    })
    .await;
    listed.error.map_or(Ok(listed.items), Err)
}

async fn read_template(scope: &Scope, client: &Client, name: &str) -> Result<Template, CallError> {
    let ask = || client.get_approval_rule_template().approval_rule_template_name(name).send();
    let answer = scope.call(GET_TEMPLATE, ask).await?;
    let content = answer.approval_rule_template.and_then(|template| template.approval_rule_template_content);
    content.as_deref().and_then(template).ok_or_else(|| {
        CallError::malformed(GET_TEMPLATE, format!("template {name} has no content that says how many must approve"))
    })
}

/// Reads a template's content. Every statement must be met, so the one that asks for most decides.
fn template(content: &str) -> Option<Template> {
    let content: Value = serde_json::from_str(content).ok()?;
    let destinations = match content.get("DestinationReferences") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(names)) => {
            names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>()?
        }
        Some(_) => return None,
    };
    let statements = content.get("Statements").and_then(Value::as_array)?;
    let needed = statements.iter().map(|statement| statement.get("NumberOfApprovalsNeeded").and_then(Value::as_i64));
    let needed: Vec<i64> = needed.collect::<Option<_>>()?;
    Some(Template { destinations, approvals: needed.into_iter().max()? })
}

/// Names of key and credential files on a branch, folder by folder. One that was found decides; only where none was, it
/// matters that not everything could be looked at.
async fn secret_files(
    scope: &Scope,
    client: &Client,
    (name, branch): (&str, &str),
    folders: usize,
) -> Result<BTreeSet<String>, CallError> {
    let mut found = BTreeSet::new();
    let mut pending = vec!["/".to_owned()];
    let mut asked = 0;
    while let Some(folder) = pending.pop() {
        if asked == folders {
            let message = format!("branch {branch} has more than {folders} folders; the rest was not looked into");
            let cause = GapCause::Service { code: "TooManyFolders".to_owned(), message };
            return unless_found(found, CallError { action: GET_FOLDER, code: String::new(), cause });
        }
        asked += 1;
        let ask = || client.get_folder().repository_name(name).commit_specifier(branch).folder_path(&folder).send();
        let answer = match scope.call(GET_FOLDER, ask).await {
            Ok(answer) => answer,
            Err(error) => return unless_found(found, error),
        };
        let files = answer.files().iter().filter_map(|file| file.absolute_path());
        found.extend(files.filter(|path| is_secret_file(path)).map(str::to_owned));
        pending.extend(answer.sub_folders().iter().filter_map(|folder| folder.absolute_path()).map(str::to_owned));
    }
    Ok(found)
}

fn unless_found(found: BTreeSet<String>, error: CallError) -> Result<BTreeSet<String>, CallError> {
    if found.is_empty() { Err(error) } else { Ok(found) }
}

fn describe_repository(scope: &Scope, resource: &mut Resource, repository: &Repository) {
    match &repository.metadata {
        Ok(metadata) => {
            let fields = Fields::new()
                .text("Owner", metadata.account_id())
                .text("DefaultBranch", metadata.default_branch())
                .text("KmsKeyId", metadata.kms_key_id());
            resource.properties.extend(fields.properties());
        }
        Err(error) => return error.clone().hides(scope, resource, &["*"]),
    }
    match &repository.secret_files {
        Ok(files) => {
            let files = files.iter().map(|path| Value::from(path.as_str())).collect();
            resource.properties.insert("SecretFiles".to_owned(), files);
        }
        Err(error) => error.clone().hides(scope, resource, &["SecretFiles"]),
    }
}

fn describe_branch(
    scope: &Scope,
    resource: &mut Resource,
    source: &Source,
    repository: &Repository,
    templates: &BTreeMap<&str, Result<Template, CallError>>,
) {
    match &repository.metadata {
        Ok(metadata) => {
            let default = metadata.default_branch() == Some(source.branch.as_str());
            resource.properties.insert("DefaultBranch".to_owned(), default.into());
        }
        Err(error) => error.clone().hides(scope, resource, &["DefaultBranch"]),
    }
    match applied(repository, source, templates) {
        Ok(applied) => {
            let approvals = applied.values().copied().max().unwrap_or(0);
            let protected_by =
                applied.keys().map(|name| Value::from(format!("approval rule template {name}"))).collect();
            resource.properties.insert("RequiredApprovingReviewCount".to_owned(), approvals.into());
            resource.properties.insert("ProtectedBy".to_owned(), protected_by);
        }
        Err(error) => error.hides(scope, resource, &["RequiredApprovingReviewCount", "ProtectedBy"]),
    }
}

/// The templates that apply to pull requests into the branch, with the approvals that they ask for.
fn applied<'a>(
    repository: &'a Repository,
    source: &Source,
    templates: &BTreeMap<&str, Result<Template, CallError>>,
) -> Result<BTreeMap<&'a str, i64>, CallError> {
    let reference = format!("{}{}", HEADS.trim_start_matches('/'), source.branch);
    let mut applied = BTreeMap::new();
    for name in repository.templates.as_ref().map_err(Clone::clone)? {
        let Some(template) = templates.get(name.as_str()) else { continue };
        let template = template.as_ref().map_err(Clone::clone)?;
        if template.destinations.is_empty() || template.destinations.contains(&reference) {
            applied.insert(name.as_str(), template.approvals);
        }
    }
    Ok(applied)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::git_source::Provider;
    use super::super::test_support::{Answer, Answers, endpoint};
    use super::*;

    fn source(branch: &str) -> Source {
        Source {
            provider: Provider::CodeCommit,
            host: "arn:aws:codecommit:eu-west-1:111122223333:".to_owned(),
            repository: "web".to_owned(),
            branch: branch.to_owned(),
            alias: format!("arn:aws:codecommit:eu-west-1:111122223333:web/refs/heads/{branch}"),
        }
    }

    fn answers(default: Value, folder: fn(&str) -> Value) -> Answers {
        std::sync::Arc::new(move |operation, input| {
            let word = |name: &str| input[name].as_str().unwrap_or_default().to_owned();
            Answer::Json(match operation {
                "GetRepository" => {
                    json!({"repositoryMetadata": {"accountId": "111122223333", "defaultBranch": default, "kmsKeyId": "k"}})
                }
                "GetBranch" if word("branchName") == "gone" => {
                    return Answer::Error(400, "BranchDoesNotExistException");
                }
                "GetBranch" => json!({"branch": {"branchName": word("branchName")}}),
                "ListAssociatedApprovalRuleTemplatesForRepository" => {
                    json!({"approvalRuleTemplateNames": ["everywhere", "main-only"]})
                }
                "GetApprovalRuleTemplate" => {
                    let content = if word("approvalRuleTemplateName") == "everywhere" {
                        json!({"Version": "2018-11-08", "Statements": [{"Type": "Approvers", "NumberOfApprovalsNeeded": 1}]})
                    } else {
                        json!({"DestinationReferences": ["refs/heads/main"], "Statements": [
                            {"NumberOfApprovalsNeeded": 1}, {"NumberOfApprovalsNeeded": 3, "ApprovalPoolMembers": ["arn:x"]},
                        ]})
                    };
                    json!({"approvalRuleTemplate": {"approvalRuleTemplateContent": content.to_string()}})
                }
                "GetFolder" => folder(&word("folderPath")),
                _ => return Answer::Error(400, "UnknownOperationException"),
            })
        })
    }

    fn tree(path: &str) -> Value {
        let file = |path: &str| json!({"absolutePath": path});
        match path {
            "/" => {
                json!({"commitId": "c", "folderPath": "", "files": [file("README.md"), file(".env")], "subFolders": [{"absolutePath": "keys"}]})
            }
            _ => {
                json!({"commitId": "c", "folderPath": path, "files": [file("keys/id_rsa"), file("keys/id_rsa.pub")], "subFolders": []})
            }
        }
    }

    #[tokio::test]
    async fn templates_apply_where_they_say_and_files_are_found_in_every_folder() {
        let endpoint = endpoint(answers(json!("main"), tree), &[]).await;
        let seen = read(&endpoint.scope, &[source("main"), source("release"), source("gone")]).await;
        let [main, release, gone] = seen.as_slice() else { panic!("{seen:?}") };
        assert_eq!(main.branch.properties["RequiredApprovingReviewCount"], 3);
        assert_eq!(main.branch.properties["DefaultBranch"], true);
        assert_eq!(
            main.branch.properties["ProtectedBy"],
            json!(["approval rule template everywhere", "approval rule template main-only"])
        );
        assert_eq!(release.branch.properties["RequiredApprovingReviewCount"], 1);
        assert_eq!(release.branch.properties["DefaultBranch"], false);
        assert_eq!(main.repository.properties["SecretFiles"], json!([".env", "keys/id_rsa"]));
        assert!(gone.branch.unseen["*"].sentence().contains("BranchDoesNotExistException"));
        let once = ["GetRepository", "ListAssociatedApprovalRuleTemplatesForRepository"];
        for operation in once {
            assert_eq!(endpoint.calls().iter().filter(|call| *call == operation).count(), 1, "{operation}");
        }
    }

    #[tokio::test]
    async fn beyond_the_bound_is_a_gap_and_an_empty_repository_holds_nothing() {
        fn deep(path: &str) -> Value {
            json!({"commitId": "c", "folderPath": path, "files": [], "subFolders": [{"absolutePath": format!("{path}/a")}]})
        }
        let deep_one = endpoint(answers(json!("main"), deep), &[]).await;
        let client = Client::new(deep_one.scope.config());
        let error = secret_files(&deep_one.scope, &client, ("web", "main"), 5).await.unwrap_err();
        assert!(error.cause.to_string().contains("more than 5 folders"), "{}", error.cause);
        let empty = endpoint(answers(Value::Null, tree), &[]).await;
        let seen = read(&empty.scope, &[source("main")]).await;
        assert_eq!(seen.first().unwrap().repository.properties["SecretFiles"], json!([]));
    }

    #[test]
    fn a_template_that_says_nothing_is_not_read() {
        for wrong in ["", "[]", "{}", r#"{"Statements": []}"#, r#"{"Statements": [{}]}"#] {
            assert_eq!(template(wrong), None, "{wrong}");
        }
        let read =
            template(r#"{"DestinationReferences": ["refs/heads/a"], "Statements": [{"NumberOfApprovalsNeeded": 2}]}"#);
        assert_eq!(read, Some(Template { destinations: vec!["refs/heads/a".to_owned()], approvals: 2 }));
    }
}
