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

/// The secret that a variable of type `SECRETS_MANAGER` takes its value from.
pub(super) fn reference(scope: &Scope, value: &str) -> Option<Reference> {
    let id = secret_id(value).filter(|id| !id.starts_with(crate::inventory::REDACTED))?;
    arn::reference(scope, TypeName::SECRET, &id)
}

/// The secrets that the actions of a pipeline give to what they run, looked for where the action runs.
pub(super) fn named_by_pipeline(scope: &Scope, pipeline: &Properties) -> Vec<Reference> {
    let items = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let mut found = Vec::new();
    for action in items(pipeline.get("Stages")).iter().flat_map(|stage| items(stage.get("Actions"))) {
        let text = |name: &str| action.get(name).and_then(Value::as_str).unwrap_or_default();
        let embedded = action.pointer("/Configuration/EnvironmentVariables").and_then(Value::as_str);
        let embedded: Vec<Value> = embedded.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let own = items(action.get("EnvironmentVariables"));
        let of = |variable: &Value, kind: &str, value: &str| {
            let word = |name: &str| variable.get(name).and_then(Value::as_str).map(str::to_owned);
            word(kind).filter(|kind| kind == "SECRETS_MANAGER").and_then(|_| word(value))
        };
        let values = embedded.iter().filter_map(|variable| of(variable, "type", "value"));
        let values = values.chain(own.iter().filter_map(|variable| of(variable, "Type", "Value")));
        let account = Arn::parse(text("RoleArn")).ok().and_then(|arn| arn.account_id());
        for mut reference in values.filter_map(|value| reference(scope, &value)) {
            reference.region = text("Region").parse().unwrap_or(reference.region);
            match &account {
                // Whoever names a thing of another account must say so in the name.
                Some(account) if *account != scope.account && Arn::parse(&reference.name).is_err() => {
                    let (partition, region) = (scope.partition, &reference.region);
                    reference.name =
                        format!("arn:{partition}:secretsmanager:{region}:{account}:secret:{}", reference.name);
                }
                _ => {}
            }
            found.push(reference);
        }
    }
    found
}

/// The name or ARN at the front of `id:json-key:version-stage:version-id`.
fn secret_id(value: &str) -> Option<String> {
    let parts = if value.starts_with("arn:") { 7 } else { 1 };
    let id = value.split(':').take(parts).collect::<Vec<_>>().join(":");
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::test_support::{Answer, Answers, endpoint, every_refusal_leaves_a_gap, reference as wanted};
    use super::*;

    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:delivery/database-AbCdEf";

    #[test]
    fn the_id_in_a_variables_value() {
        for (value, id) in [
            ("delivery/database", "delivery/database"),
            ("delivery/database:password", "delivery/database"),
            ("delivery/database:password:AWSCURRENT:", "delivery/database"),
            (ARN, ARN),
            (&format!("{ARN}:password:AWSPREVIOUS:1"), ARN),
        ] {
            assert_eq!(secret_id(value).as_deref(), Some(id), "{value}");
        }
        assert_eq!(secret_id(":password"), None);
    }

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

    #[tokio::test]
    async fn actions_name_secrets_where_they_run() {
        let endpoint = endpoint(std::sync::Arc::new(|_, _| Answer::Error(400, "X")), &[]).await;
        let embedded = json!([
            {"name": "A", "type": "SECRETS_MANAGER", "value": "one:key"},
            {"name": "B", "type": "PLAINTEXT", "value": "two"},
            {"name": "C", "type": "SECRETS_MANAGER", "value": "redacted:secret-like"},
        ]);
        let own = json!([{"Name": "D", "Type": "SECRETS_MANAGER", "Value": "three"}]);
        let pipeline = json!({"Stages": [{"Actions": [
            {"Configuration": {"EnvironmentVariables": embedded.to_string()}},
            {"EnvironmentVariables": own, "Region": "us-east-1", "RoleArn": "arn:aws:iam::444455556666:role/build"},
        ]}]});
        let Value::Object(pipeline) = pipeline else { panic!() };
        let found = named_by_pipeline(&endpoint.scope, &pipeline);
        let names: Vec<_> =
            found.iter().map(|reference| (reference.name.as_str(), reference.region.as_str())).collect();
        let elsewhere = "arn:aws:secretsmanager:us-east-1:444455556666:secret:three";
        assert_eq!(names, [("one", "eu-west-1"), (elsewhere, "us-east-1")]);
    }
}
