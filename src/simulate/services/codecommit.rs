//! `CodeCommit`.

use serde_json::{Value, json};

use super::super::estate::{CodeCommitSpec, Files, SourceSpec, TEMPLATES};
use super::super::protocol::{ApiError, timestamp};
use super::pages::{page, with_token};
use super::{Answer, Call, Operation, Service, days_ago};

pub(super) const SERVICE: Service = Service {
    prefix: "codecommit",
    target: "CodeCommit_20150413",
    operations: &[
        Operation { name: "GetRepository", action: "codecommit:GetRepository", answer: get_repository },
        Operation { name: "GetBranch", action: "codecommit:GetBranch", answer: get_branch },
        Operation {
            name: "ListAssociatedApprovalRuleTemplatesForRepository",
            action: "codecommit:ListAssociatedApprovalRuleTemplatesForRepository",
            answer: list_templates,
        },
        Operation {
            name: "GetApprovalRuleTemplate",
            action: "codecommit:GetApprovalRuleTemplate",
            answer: get_template,
        },
        Operation { name: "GetFolder", action: "codecommit:GetFolder", answer: get_folder },
        Operation {
            name: "BatchGetCommits",
            action: "codecommit:BatchGetCommits",
            answer: super::commits::batch_get_commits,
        },
        Operation { name: "GetCommit", action: "codecommit:GetCommit", answer: super::commits::get_commit },
    ],
};

const COMMIT: &str = "4c925148b5f2d9f0d4d3a8a2a4a0e4a2f1f6c0de";

fn repository(call: &Call<'_>) -> Result<(String, CodeCommitSpec), ApiError> {
    let name = call.required("repositoryName")?;
    let found = call.region.and_then(|region| SourceSpec::code_commit(call.world, call.account, region, name));
    let missing = || ApiError::new(400, "RepositoryDoesNotExistException", format!("{name} does not exist"));
    found.map(|spec| (name.to_owned(), spec)).ok_or_else(missing)
}

fn get_repository(call: &Call<'_>) -> Answer {
    let (name, _) = repository(call)?;
    let (world, region) = (call.world, call.region.unwrap_or(0));
    Ok(json!({ "repositoryMetadata": {
        "accountId": world.account_id(call.account), "repositoryId": format!("id-of-{name}"), "repositoryName": name,
        "defaultBranch": "main", "Arn": world.arn("codecommit", region, call.account, &name),
        "creationDate": timestamp(days_ago(world, 700, 1)), "lastModifiedDate": timestamp(days_ago(world, 3, 1)),
        "cloneUrlHttp": format!("https://git-codecommit.{}.amazonaws.com/v1/repos/{name}", world.region_name(region))
    } }))
}

fn get_branch(call: &Call<'_>) -> Answer {
    repository(call)?;
    let branch = call.required("branchName")?;
    if ["main", "release", "develop"].contains(&branch) {
        Ok(json!({ "branch": { "branchName": branch, "commitId": COMMIT } }))
    } else {
        Err(ApiError::new(400, "BranchDoesNotExistException", format!("{branch} does not exist")))
    }
}

fn list_templates(call: &Call<'_>) -> Answer {
    let (_, spec) = repository(call)?;
    let names: Vec<&str> = spec.templates.list().iter().map(|template| template.name).collect();
    let wanted = call.number("maxResults").or(Some(2));
    let (range, next) = page(names.len(), call.text("nextToken"), wanted, 100, "InvalidContinuationTokenException")?;
    let names = names.get(range).unwrap_or_default();
    Ok(with_token(json!({ "approvalRuleTemplateNames": names }), "nextToken", next))
}

fn get_template(call: &Call<'_>) -> Answer {
    let name = call.required("approvalRuleTemplateName")?;
    let template = TEMPLATES.iter().find(|template| template.name == name).ok_or_else(|| {
        ApiError::new(400, "ApprovalRuleTemplateDoesNotExistException", format!("{name} does not exist"))
    })?;
    let references: Vec<String> = template.branches.iter().map(|branch| format!("refs/heads/{branch}")).collect();
    let statements = json!([{ "Type": "Approvers", "NumberOfApprovalsNeeded": template.approvals }]);
    let mut content = json!({ "Version": "2018-11-08", "Statements": statements });
    if let (false, Some(fields)) = (references.is_empty(), content.as_object_mut()) {
        fields.insert("DestinationReferences".to_owned(), json!(references));
    }
    Ok(json!({ "approvalRuleTemplate": {
        "approvalRuleTemplateId": format!("id-of-{name}"), "approvalRuleTemplateName": name,
        "approvalRuleTemplateContent": content.to_string(),
        "creationDate": timestamp(days_ago(call.world, 500, 1)),
        "lastModifiedDate": timestamp(days_ago(call.world, 500, 1))
    } }))
}

fn get_folder(call: &Call<'_>) -> Answer {
    let (_, spec) = repository(call)?;
    let path = call.required("folderPath")?.trim_matches('/');
    let key = if spec.files == Files::Key { "deploy.pem" } else { "public.txt" };
    let variables = if spec.files == Files::Variables { ".env" } else { ".env.example" };
    let (files, folders): (&[&str], &[&str]) = match path {
        "" => (&["README.md", variables], &["config", "src"]),
        "config" => (&["settings.json"], &["tls"]),
        "config/tls" => (&["notes.md", key], &[]),
        "src" => (&["keyboard.rs", "id_rsa.pub"], &[]),
        _ => return Err(ApiError::new(400, "FolderDoesNotExistException", format!("{path} does not exist"))),
    };
    let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
    let entry = |name: &&str| json!({ "absolutePath": under(name), "relativePath": name });
    Ok(json!({
        "commitId": COMMIT, "folderPath": path, "treeId": COMMIT,
        "files": files.iter().map(entry).collect::<Vec<Value>>(),
        "subFolders": folders.iter().map(entry).collect::<Vec<Value>>(), "symbolicLinks": [], "subModules": []
    }))
}
