//! CodeDeploy: applications, deployment groups with tags, and the deployment configurations that groups use.
//!
//! In: a scope. Out: `AWS::CodeDeploy::Application`, `AWS::CodeDeploy::DeploymentGroup`,
//! `AWS::CodeDeploy::DeploymentConfig`, and references to alarms and revision buckets. Where an account or an endpoint
//! refuses the batch calls, the single calls bring the same; the refusal stays in the ledger and is a gap over
//! no resource.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::types::{AlarmConfiguration, ApplicationInfo, DeploymentGroupInfo, RevisionLocation};
use serde_json::Value;

use super::codedeploy_properties::{application_properties, config_properties, group_properties};
use super::pages::{Listed, all_pages, in_order};
use super::{CallError, Collected, Collector, Reach, Scope, arn};
use crate::inventory::{Affects, Arn, Gap, Reference, Resource, TypeName};

/// Reads CodeDeploy.
#[derive(Debug, Clone, Copy)]
pub struct CodeDeploy;

const LIST_APPLICATIONS: &str = "codedeploy:ListApplications";
const BATCH_GET_APPLICATIONS: &str = "codedeploy:BatchGetApplications";
const GET_APPLICATION: &str = "codedeploy:GetApplication";
const LIST_GROUPS: &str = "codedeploy:ListDeploymentGroups";
const BATCH_GET_GROUPS: &str = "codedeploy:BatchGetDeploymentGroups";
const GET_GROUP: &str = "codedeploy:GetDeploymentGroup";
const LIST_TAGS: &str = "codedeploy:ListTagsForResource";
const GET_CONFIG: &str = "codedeploy:GetDeploymentConfig";

/// Names that one batch call takes.
const APPLICATIONS_PER_CALL: usize = 100;
const GROUPS_PER_CALL: usize = 25;

#[async_trait]
impl Collector for CodeDeploy {
    fn service(&self) -> &'static str {
        "codedeploy"
    }

    fn actions(&self) -> &'static [&'static str] {
        &[
            LIST_APPLICATIONS,
            BATCH_GET_APPLICATIONS,
            GET_APPLICATION,
            LIST_GROUPS,
            BATCH_GET_GROUPS,
            GET_GROUP,
            LIST_TAGS,
            GET_CONFIG,
        ]
    }

    fn types(&self) -> &'static [TypeName] {
        const { &[TypeName::APPLICATION, TypeName::DEPLOYMENT_GROUP, TypeName::DEPLOYMENT_CONFIG] }
    }

    fn reach(&self) -> Reach {
        Reach::EveryRegion
    }

    async fn collect(&self, scope: &Scope, _wanted: &[Reference]) -> Collected {
        let reader = Reader { scope, client: Client::new(scope.config()), refusals: Mutex::default() };
        let mut collected = Collected::default();
        let listed = reader.list_applications().await;
        collected.gaps.extend(listed.error.map(|error| error.unlisted(scope, self.types())));
        let names = sorted(listed.items);
        let chunks = names.chunks(APPLICATIONS_PER_CALL).map(|chunk| reader.applications(chunk)).collect();
        collected.resources.extend(in_order(chunks).await.into_iter().flatten());
        let jobs = names.iter().map(|name| reader.groups_of(name)).collect();
        for groups in in_order(jobs).await {
            collected.absorb(groups);
        }
        let configs: BTreeSet<String> = collected.resources.iter().filter_map(config_of).collect();
        let jobs = configs.iter().map(|name| reader.config(name)).collect();
        let configs = in_order(jobs).await;
        collected.resources.extend(configs);
        collected.gaps.extend(std::mem::take(&mut *reader.refusals.lock().unwrap_or_else(PoisonError::into_inner)));
        collected
    }
}

struct Reader<'a> {
    scope: &'a Scope,
    client: Client,
    /// Batch calls that were refused; the single calls may bring the same, but a refusal is never silent.
    refusals: Mutex<Vec<Gap>>,
}

impl Reader<'_> {
    async fn list_applications(&self) -> Listed<String> {
        all_pages(LIST_APPLICATIONS, |token| async move {
            let ask = || self.client.list_applications().set_next_token(token.clone()).send();
            let page = self.scope.call(LIST_APPLICATIONS, ask).await?;
            Ok((page.applications.unwrap_or_default(), page.next_token))
        })
        .await
    }

    /// Keeps the refusal of a batch call; nothing came of it.
    fn refused<T>(&self, error: CallError) -> Vec<T> {
        let gap = error.gap(self.scope, Affects::Details);
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).push(gap);
        Vec::new()
    }

    async fn applications(&self, names: &[String]) -> Vec<Resource> {
        let ask = || self.client.batch_get_applications().set_application_names(Some(names.to_vec())).send();
        let answer = self.scope.call(BATCH_GET_APPLICATIONS, ask).await;
        let infos = match answer {
            Ok(answer) => answer.applications_info.unwrap_or_default(),
            Err(error) => self.refused(error),
        };
        let mut by_name: BTreeMap<String, ApplicationInfo> =
            infos.into_iter().filter_map(|info| Some((info.application_name.clone()?, info))).collect();
        let jobs = names.iter().map(|name| self.application(name, by_name.remove(name))).collect();
        in_order(jobs).await
    }

    /// `known` is what the batch call brought; without it the application is asked for alone.
    async fn application(&self, name: &str, known: Option<ApplicationInfo>) -> Resource {
        let mut resource = self.resource(TypeName::APPLICATION, &format!("application:{name}"));
        resource.properties.insert("ApplicationName".to_owned(), Value::from(name));
        let answer = if let Some(info) = known {
            Ok(info)
        } else {
            let ask = || self.client.get_application().application_name(name).send();
            self.scope.call(GET_APPLICATION, ask).await.and_then(|answer| {
                let missing = || CallError::malformed(GET_APPLICATION, "the answer holds no application");
                answer.application.ok_or_else(missing)
            })
        };
        match answer {
            Ok(info) => resource.properties = application_properties(name, &info),
            Err(error) => error.hides(self.scope, &mut resource, &["*"]),
        }
        resource
    }

    async fn groups_of(&self, application: &str) -> Collected {
        let listed = all_pages(LIST_GROUPS, |token| async move {
            let ask = || {
                self.client.list_deployment_groups().application_name(application).set_next_token(token.clone()).send()
            };
            let page = self.scope.call(LIST_GROUPS, ask).await?;
            Ok((page.deployment_groups.unwrap_or_default(), page.next_token))
        })
        .await;
        let mut collected = Collected::default();
        let gap = listed.error.map(|error| error.unlisted(self.scope, &[TypeName::DEPLOYMENT_GROUP]));
        collected.gaps.extend(gap);
        for chunk in sorted(listed.items).chunks(GROUPS_PER_CALL) {
            let mut by_name = self.batch_of_groups(application, chunk).await;
            let jobs = chunk.iter().map(|name| self.group(application, name, by_name.remove(name))).collect();
            for group in in_order(jobs).await {
                collected.absorb(group);
            }
        }
        collected
    }

    async fn batch_of_groups(&self, application: &str, names: &[String]) -> BTreeMap<String, DeploymentGroupInfo> {
        let ask = || {
            let request = self.client.batch_get_deployment_groups().application_name(application);
            request.set_deployment_group_names(Some(names.to_vec())).send()
        };
        let infos = match self.scope.call(BATCH_GET_GROUPS, ask).await {
            Ok(answer) => answer.deployment_groups_info.unwrap_or_default(),
            Err(error) => self.refused(error),
        };
        infos.into_iter().filter_map(|info| Some((info.deployment_group_name.clone()?, info))).collect()
    }

    /// `known` is what the batch call brought; without it the group is asked for alone.
    async fn group(&self, application: &str, name: &str, known: Option<DeploymentGroupInfo>) -> Collected {
        let mut resource = self.resource(TypeName::DEPLOYMENT_GROUP, &format!("deploymentgroup:{application}/{name}"));
        resource.properties.insert("ApplicationName".to_owned(), Value::from(application));
        resource.properties.insert("DeploymentGroupName".to_owned(), Value::from(name));
        let answer = if let Some(info) = known {
            Ok(info)
        } else {
            let request = || self.client.get_deployment_group().application_name(application);
            let ask = || request().deployment_group_name(name).send();
            self.scope.call(GET_GROUP, ask).await.and_then(|answer| {
                let missing = || CallError::malformed(GET_GROUP, "the answer holds no deployment group");
                answer.deployment_group_info.ok_or_else(missing)
            })
        };
        let mut references = Vec::new();
        match answer {
            Ok(info) => {
                resource.properties = group_properties(application, name, &info);
                references = self.references(&info);
                self.read_tags(&mut resource).await;
            }
            Err(error) => error.hides(self.scope, &mut resource, &["*"]),
        }
        Collected { resources: vec![resource], references, ..Collected::default() }
    }

    async fn read_tags(&self, resource: &mut Resource) {
        let uid = resource.uid.as_str().to_owned();
        let listed = all_pages(LIST_TAGS, |token| {
            let uid = uid.as_str();
            async move {
                let ask =
                    || self.client.list_tags_for_resource().resource_arn(uid).set_next_token(token.clone()).send();
                let page = self.scope.call(LIST_TAGS, ask).await?;
                Ok((page.tags.unwrap_or_default(), page.next_token))
            }
        })
        .await;
        let tags = listed.items.into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())));
        resource.tags = tags.collect();
        if let Some(error) = listed.error {
            error.hides(self.scope, resource, &["Tags"]);
        }
    }

    async fn config(&self, name: &str) -> Resource {
        let mut resource = self.resource(TypeName::DEPLOYMENT_CONFIG, &format!("deploymentconfig:{name}"));
        resource.properties.insert("DeploymentConfigName".to_owned(), Value::from(name));
        let ask = || self.client.get_deployment_config().deployment_config_name(name).send();
        let answer = self.scope.call(GET_CONFIG, ask).await.and_then(|answer| {
            let missing = || CallError::malformed(GET_CONFIG, "the answer holds no deployment configuration");
            answer.deployment_config_info.ok_or_else(missing)
        });
        match answer {
            Ok(info) => resource.properties = config_properties(name, &info),
            Err(error) => error.hides(self.scope, &mut resource, &["*"]),
        }
        resource
    }

    fn references(&self, info: &DeploymentGroupInfo) -> Vec<Reference> {
        let alarms = info.alarm_configuration().into_iter().flat_map(AlarmConfiguration::alarms);
        let alarms = alarms.filter_map(|alarm| {
            arn::reference(self.scope, TypeName::ALARM, arn::alarm_name(alarm.name().unwrap_or_default()))
        });
        let location = info.target_revision().and_then(RevisionLocation::s3_location);
        let bucket = location
            .and_then(|location| arn::reference(self.scope, TypeName::BUCKET, location.bucket().unwrap_or_default()));
        let topics = info.trigger_configurations().iter().filter_map(|trigger| trigger.trigger_target_arn());
        let topics = topics.filter(|topic| Arn::parse(topic).is_ok_and(|arn| arn.service == "sns"));
        let topics = topics.filter_map(|topic| arn::reference(self.scope, TypeName::TOPIC, topic));
        let role = arn::reference(self.scope, TypeName::ROLE, info.service_role_arn().unwrap_or_default());
        alarms.chain(bucket).chain(topics).chain(role).collect()
    }

    fn resource(&self, type_name: TypeName, name: &str) -> Resource {
        let uid = arn::in_scope(self.scope, "codedeploy", name);
        Resource::live(type_name, uid, self.scope.account.clone(), self.scope.region.clone())
    }
}

fn config_of(resource: &Resource) -> Option<String> {
    resource.properties.get("DeploymentConfigName").and_then(Value::as_str).map(str::to_owned)
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::test_support::{Answer, Answers, endpoint, every_refusal_leaves_a_gap};
    use super::*;

    /// Two applications; `web` has so many groups.
    fn answers(groups: usize) -> Answers {
        let group = |application: &Value, name: &Value| {
            json!({
                "applicationName": application, "deploymentGroupName": name, "computePlatform": "Lambda",
                "deploymentConfigName": "Careful",
                "alarmConfiguration": {"enabled": true, "alarms": [{"name": "errors"}]},
                "targetRevision": {"revisionType": "S3", "s3Location": {"bucket": "artifacts", "key": "web.zip"}},
            })
        };
        let application = |name: &Value| json!({"applicationName": name, "computePlatform": "Lambda"});
        let names = |input: &Value, key: &str| input[key].as_array().unwrap().clone();
        Arc::new(move |operation, input| {
            Answer::Json(match operation {
                "ListApplications" => json!({"applications": ["web", "api"]}),
                "BatchGetApplications" => {
                    let infos: Vec<_> = names(input, "applicationNames").iter().map(application).collect();
                    json!({"applicationsInfo": infos})
                }
                "GetApplication" => json!({"application": application(&input["applicationName"])}),
                "ListDeploymentGroups" if input["applicationName"] == "api" => json!({"deploymentGroups": []}),
                "ListDeploymentGroups" => {
                    json!({"deploymentGroups": (0..groups).map(|n| format!("group{n:02}")).collect::<Vec<_>>()})
                }
                "BatchGetDeploymentGroups" => {
                    let groups = names(input, "deploymentGroupNames");
                    assert!(groups.len() <= GROUPS_PER_CALL);
                    let infos: Vec<_> = groups.iter().map(|name| group(&input["applicationName"], name)).collect();
                    json!({"deploymentGroupsInfo": infos})
                }
                "GetDeploymentGroup" => {
                    json!({"deploymentGroupInfo": group(&input["applicationName"], &input["deploymentGroupName"])})
                }
                "ListTagsForResource" => json!({"Tags": [{"Key": "env", "Value": "prod"}]}),
                "GetDeploymentConfig" => {
                    json!({"deploymentConfigInfo": {"deploymentConfigName": "Careful", "computePlatform": "Lambda"}})
                }
                _ => return Answer::Error(400, "UnknownOperationException"),
            })
        })
    }

    #[tokio::test]
    async fn everything_is_brought_and_no_refusal_is_lost() {
        let replaced = [(BATCH_GET_APPLICATIONS, GET_APPLICATION), (BATCH_GET_GROUPS, GET_GROUP)];
        let actions = CodeDeploy.actions();
        let found = every_refusal_leaves_a_gap(&CodeDeploy, actions, &[], answers(2), &replaced).await;
        let of_type = |wanted: &TypeName| found.resources.iter().filter(|r| r.type_name == *wanted).count();
        assert_eq!(of_type(&TypeName::APPLICATION), 2);
        assert_eq!(of_type(&TypeName::DEPLOYMENT_GROUP), 2);
        assert_eq!(of_type(&TypeName::DEPLOYMENT_CONFIG), 1);
        let group = found.resources.iter().find(|r| r.type_name == TypeName::DEPLOYMENT_GROUP).unwrap();
        assert_eq!(group.uid.as_str(), "arn:aws:codedeploy:eu-west-1:111122223333:deploymentgroup:web/group00");
        assert_eq!(group.tags.get("env").map(String::as_str), Some("prod"));
        assert!(found.references.iter().any(|r| r.type_name == TypeName::ALARM && r.name == "errors"));
        assert!(found.references.iter().any(|r| r.type_name == TypeName::BUCKET && r.name == "artifacts"));
    }

    #[tokio::test]
    async fn calls_are_batched() {
        let endpoint = endpoint(answers(GROUPS_PER_CALL + 1), &[]).await;
        CodeDeploy.collect(&endpoint.scope, &[]).await;
        let calls = endpoint.calls();
        let count = |operation: &str| calls.iter().filter(|call| *call == operation).count();
        assert_eq!(count("BatchGetApplications"), 1);
        assert_eq!(count("BatchGetDeploymentGroups"), 2);
        assert_eq!(count("GetDeploymentConfig"), 1);
        assert_eq!(count("GetDeploymentGroup") + count("GetApplication"), 0);
    }
}
