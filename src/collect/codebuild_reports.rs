//! What a Region's builds share: the credentials they fetch sources with, and the groups their test reports go to.
//!
//! In: a Region with a project. Out: `AWS::CodeBuild::SourceCredential` (never the credential itself) and
//! `AWS::CodeBuild::ReportGroup`.

use std::collections::BTreeMap;

use aws_sdk_codebuild::Client;
use aws_sdk_codebuild::types::ReportGroup;

use super::fields::Fields;
use super::pages::{all_pages, in_order};
use super::{CallError, Collected, Scope};
use crate::inventory::{GapCause, Properties, Resource, TypeName};

pub(super) const LIST_SOURCE_CREDENTIALS: &str = "codebuild:ListSourceCredentials";
pub(super) const LIST_REPORT_GROUPS: &str = "codebuild:ListReportGroups";
pub(super) const BATCH_GET_REPORT_GROUPS: &str = "codebuild:BatchGetReportGroups";

/// ARNs that one batch call takes.
const GROUPS_PER_CALL: usize = 100;

pub(super) async fn source_credentials(scope: &Scope, client: &Client) -> Collected {
    let mut collected = Collected::default();
    let answer = scope.call(LIST_SOURCE_CREDENTIALS, || client.list_source_credentials().send()).await;
    let credentials = match answer {
        Ok(answer) => answer.source_credentials_infos.unwrap_or_default(),
        Err(error) => {
            collected.gaps.push(error.unlisted(scope, &[TypeName::SOURCE_CREDENTIAL]));
            return collected;
        }
    };
    for credential in credentials {
        let Some(uid) = credential.arn().filter(|arn| !arn.is_empty()) else {
            let error = CallError::malformed(LIST_SOURCE_CREDENTIALS, "a source credential without an ARN");
            collected.gaps.push(error.unlisted(scope, &[TypeName::SOURCE_CREDENTIAL]));
            continue;
        };
        let mut resource = live(scope, TypeName::SOURCE_CREDENTIAL, uid);
        resource.properties = Fields::new()
            .text("ServerType", credential.server_type())
            .text("AuthType", credential.auth_type())
            .text("Resource", credential.resource())
            .properties();
        collected.resources.push(resource);
    }
    collected
}

pub(super) async fn report_groups(scope: &Scope, client: &Client) -> Collected {
    let listed = all_pages(LIST_REPORT_GROUPS, |token| async move {
        let ask = || client.list_report_groups().set_next_token(token.clone()).send();
        let page = scope.call(LIST_REPORT_GROUPS, ask).await?;
        Ok((page.report_groups.unwrap_or_default(), page.next_token))
    })
    .await;
    let mut collected = Collected::default();
    collected.gaps.extend(listed.error.map(|error| error.unlisted(scope, &[TypeName::REPORT_GROUP])));
    let mut arns = listed.items;
    arns.sort();
    arns.dedup();
    let jobs = arns.chunks(GROUPS_PER_CALL).map(|arns| get_report_groups(scope, client, arns)).collect();
    for (arns, answer) in arns.chunks(GROUPS_PER_CALL).zip(in_order(jobs).await) {
        for arn in arns {
            let mut resource = live(scope, TypeName::REPORT_GROUP, arn);
            match &answer {
                Ok(groups) => match groups.get(arn) {
                    Some(group) => describe(&mut resource, group),
                    None => not_found().hides(scope, &mut resource, &["*"]),
                },
                Err(error) => error.clone().hides(scope, &mut resource, &["*"]),
            }
            collected.resources.push(resource);
        }
    }
    collected
}

type Groups = BTreeMap<String, ReportGroup>;

async fn get_report_groups(scope: &Scope, client: &Client, arns: &[String]) -> Result<Groups, CallError> {
    let ask = || client.batch_get_report_groups().set_report_group_arns(Some(arns.to_vec())).send();
    let groups = scope.call(BATCH_GET_REPORT_GROUPS, ask).await?.report_groups.unwrap_or_default();
    Ok(groups.into_iter().filter_map(|group| Some((group.arn.clone()?, group))).collect())
}

fn not_found() -> CallError {
    let message = "listed, but not found when asked for".to_owned();
    let cause = GapCause::Service { code: "ReportGroupsNotFound".to_owned(), message };
    CallError { action: BATCH_GET_REPORT_GROUPS, code: String::new(), cause }
}

fn live(scope: &Scope, type_name: TypeName, uid: &str) -> Resource {
    Resource::live(type_name, uid.to_owned(), scope.account.clone(), scope.region.clone())
}

fn describe(resource: &mut Resource, group: &ReportGroup) {
    let tags = group.tags().iter();
    let tags = tags.filter_map(|tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_default())));
    resource.tags = tags.collect();
    resource.properties = properties(group);
}

fn properties(group: &ReportGroup) -> Properties {
    let export = group.export_config().map(|export| {
        let destination = export.s3_destination().map(|destination| {
            Fields::new()
                .text("Bucket", destination.bucket())
                .text("Path", destination.path())
                .text("EncryptionKey", destination.encryption_key())
                .put("EncryptionDisabled", destination.encryption_disabled())
                .value()
        });
        Fields::new().text("ExportConfigType", export.export_config_type()).put("S3Destination", destination).value()
    });
    Fields::new().text("Name", group.name()).text("Type", group.r#type()).put("ExportConfig", export).properties()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Collector;
    use super::super::codebuild::CodeBuild;
    use super::super::test_support::{Answer, by_operation, endpoint};
    use super::*;

    #[tokio::test]
    async fn credentials_and_report_groups_of_a_region_with_a_project() {
        let group = "arn:aws:codebuild:eu-west-1:111122223333:report-group/web-tests";
        let destination = json!({"bucket": "reports", "encryptionDisabled": true});
        let described = json!({
            "arn": group, "name": "web-tests", "type": "TEST",
            "exportConfig": {"exportConfigType": "S3", "s3Destination": destination},
            "tags": [{"key": "team", "value": "web"}],
        });
        let token = "arn:aws:codebuild:eu-west-1:111122223333:token/github";
        let credential = json!({"arn": token, "serverType": "GITHUB", "authType": "PERSONAL_ACCESS_TOKEN"});
        let answers = by_operation(&[
            ("ListProjects", Answer::Json(json!({"projects": ["web"]}))),
            ("BatchGetProjects", Answer::Json(json!({"projects": [{"name": "web"}]}))),
            ("ListBuildsForProject", Answer::Json(json!({"ids": []}))),
            ("ListSourceCredentials", Answer::Json(json!({"sourceCredentialsInfos": [credential, {}]}))),
            ("ListReportGroups", Answer::Json(json!({"reportGroups": [group, format!("{group}-gone")]}))),
            ("BatchGetReportGroups", Answer::Json(json!({"reportGroups": [described]}))),
        ]);
        let endpoint = endpoint(answers, &[]).await;
        let found = CodeBuild.collect(&endpoint.scope, &[]).await;
        let [_, credential, seen, gone] = found.resources.as_slice() else { panic!("{:?}", found.resources) };
        assert_eq!(
            Value::Object(credential.properties.clone()),
            json!({"ServerType": "GITHUB", "AuthType": "PERSONAL_ACCESS_TOKEN"})
        );
        assert_eq!(
            seen.properties["ExportConfig"],
            json!({"ExportConfigType": "S3", "S3Destination": {"Bucket": "reports", "EncryptionDisabled": true}})
        );
        assert_eq!(seen.tags.get("team").map(String::as_str), Some("web"));
        assert!(gone.unseen.contains_key("*"));
        let [nameless] = found.gaps.as_slice() else { panic!("{:?}", found.gaps) };
        assert_eq!(nameless.action, LIST_SOURCE_CREDENTIALS);
    }

    #[tokio::test]
    async fn a_region_without_projects_costs_the_probe_alone() {
        let endpoint = endpoint(by_operation(&[("ListProjects", Answer::Json(json!({"projects": []})))]), &[]).await;
        assert!(CodeBuild.collect(&endpoint.scope, &[]).await.resources.is_empty());
        assert_eq!(endpoint.calls(), ["ListProjects"]);
    }
}
