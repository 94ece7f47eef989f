//! Secrets Manager: the secrets that builds are given, by name. No value is ever asked for.
//!
//! In: a scope and references to secrets of its account and Region, as ARN or name. Out: `AWS::SecretsManager::Secret`
//! with what is known of its rotation, one per secret however many names it was asked for under.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use serde_json::Value;

use super::fields::{Fields, moment};
use super::pages::in_order;
use super::{CallError, Collected, Collector, Reach, Scope, arn};
use crate::inventory::{Arn, Properties, Reference, Resource, TypeName};

/// Reads Secrets Manager.
#[derive(Debug, Clone, Copy)]
pub struct SecretsManager;

const DESCRIBE_SECRET: &str = "secretsmanager:DescribeSecret";

#[async_trait]
impl Collector for SecretsManager {
    fn service(&self) -> &'static str {
        "secretsmanager"
    }

    fn actions(&self) -> &'static [&'static str] {
        &[DESCRIBE_SECRET]
    }

    fn types(&self) -> &'static [TypeName] {
        const { &[TypeName::SECRET] }
    }

    fn reach(&self) -> Reach {
        Reach::Referenced
    }

    async fn collect(&self, scope: &Scope, wanted: &[Reference]) -> Collected {
        let client = Client::new(scope.config());
        let names: BTreeSet<&str> = wanted.iter().map(|reference| reference.name.as_str()).collect();
        let described = in_order(names.iter().map(|name| describe(scope, &client, name)).collect()).await;
        let mut secrets: BTreeMap<String, (DescribeSecretOutput, Vec<&str>)> = BTreeMap::new();
        let mut collected = Collected::default();
        for (name, answer) in names.into_iter().zip(described) {
            match answer {
                Ok((uid, secret)) => secrets.entry(uid).or_insert_with(|| (secret, Vec::new())).1.push(name),
                Err(error) => {
                    let mut resource = live(scope, uid_of(scope, name));
                    resource.properties.insert("Name".to_owned(), Value::from(name));
                    error.hides(scope, &mut resource, &["*"]);
                    collected.resources.push(resource);
                }
            }
        }
        for (uid, (secret, names)) in secrets {
            let mut resource = live(scope, uid);
            let tags = secret.tags().iter();
            let tags = tags.filter_map(|tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_default())));
            resource.tags = tags.collect();
            resource.properties = properties(&secret, &names);
            collected.resources.push(resource);
        }
        collected
    }
}

fn live(scope: &Scope, uid: String) -> Resource {
    Resource::live(TypeName::SECRET, uid, scope.account.clone(), scope.region.clone())
}

async fn describe(scope: &Scope, client: &Client, name: &str) -> Result<(String, DescribeSecretOutput), CallError> {
    let secret = scope.call(DESCRIBE_SECRET, || client.describe_secret().secret_id(name).send()).await?;
    let uid = secret.arn().filter(|uid| Arn::parse(uid).is_ok()).map(str::to_owned);
    let uid = uid.ok_or_else(|| CallError::malformed(DESCRIBE_SECRET, "a secret without an ARN"))?;
    Ok((uid, secret))
}

fn properties(secret: &DescribeSecretOutput, names: &[&str]) -> Properties {
    let rules = secret.rotation_rules().and_then(|rules| {
        Fields::new()
            .put("AutomaticallyAfterDays", rules.automatically_after_days())
            .text("ScheduleExpression", rules.schedule_expression())
            .unless_empty()
    });
    Fields::new()
        .text("Name", secret.name())
        .texts("SecretIds", names)
        .text("KmsKeyId", secret.kms_key_id())
        .put("RotationEnabled", secret.rotation_enabled())
        .put("RotationRules", rules)
        .text("OwningService", secret.owning_service())
        .put("CreatedDate", moment(secret.created_date()))
        .put("LastChangedDate", moment(secret.last_changed_date()))
        .put("LastRotatedDate", moment(secret.last_rotated_date()))
        .put("NextRotationDate", moment(secret.next_rotation_date()))
        .put("DeletedDate", moment(secret.deleted_date()))
        .properties()
}

/// What stands for a secret that could not be described.
fn uid_of(scope: &Scope, name: &str) -> String {
    if Arn::parse(name).is_ok() {
        name.to_owned()
    } else {
        arn::in_scope(scope, "secretsmanager", &format!("secret:{name}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::test_support::{Answer, Answers, every_refusal_leaves_a_gap, reference as wanted};
    use super::*;

    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:delivery/database-AbCdEf";

    #[tokio::test]
    async fn one_secret_under_several_names_and_never_its_value() {
        let answers: Answers = std::sync::Arc::new(|operation, _| {
            assert_eq!(operation, "DescribeSecret");
            Answer::Json(json!({
                "ARN": ARN, "Name": "delivery/database", "RotationEnabled": true, "LastRotatedDate": 0,
                "RotationRules": {"AutomaticallyAfterDays": 30}, "Tags": [{"Key": "team", "Value": "web"}],
            }))
        });
        let names = [wanted(TypeName::SECRET, "delivery/database"), wanted(TypeName::SECRET, ARN)];
        let actions = SecretsManager.actions();
        let found = every_refusal_leaves_a_gap(&SecretsManager, actions, &names, answers, &[]).await;
        let [secret] = found.resources.as_slice() else { panic!("{:?}", found.resources) };
        assert_eq!(secret.uid.as_str(), ARN);
        assert_eq!(
            Value::Object(secret.properties.clone()),
            json!({
                "Name": "delivery/database", "SecretIds": [ARN, "delivery/database"], "RotationEnabled": true,
                "RotationRules": {"AutomaticallyAfterDays": 30}, "LastRotatedDate": "1970-01-01T00:00:00Z",
            })
        );
        assert_eq!(secret.tags.get("team").map(String::as_str), Some("web"));
    }
}
