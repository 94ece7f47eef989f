//! KMS: the keys behind artifact stores, buckets and trails.
//!
//! In: a scope and references to keys of its account and Region, as ARN, id or alias. Out: `AWS::KMS::Key`, one per key
//! however many names it was asked for under.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::types::{KeyManagerType, KeyMetadata, KeySpec, OriginType};
use serde_json::Value;

use super::fields::{Fields, document};
use super::pages::{all_pages, in_order};
use super::{CallError, Collected, Collector, Reach, Scope, arn};
use crate::inventory::{Arn, Properties, Reference, Resource, TypeName};

/// Reads KMS.
#[derive(Debug, Clone, Copy)]
pub struct Kms;

const DESCRIBE_KEY: &str = "kms:DescribeKey";
const GET_ROTATION: &str = "kms:GetKeyRotationStatus";
const GET_POLICY: &str = "kms:GetKeyPolicy";
const LIST_TAGS: &str = "kms:ListResourceTags";

#[async_trait]
impl Collector for Kms {
    fn service(&self) -> &'static str {
        "kms"
    }

    fn actions(&self) -> &'static [&'static str] {
        &[DESCRIBE_KEY, GET_ROTATION, GET_POLICY, LIST_TAGS]
    }

    fn types(&self) -> &'static [TypeName] {
        const { &[TypeName::KEY] }
    }

    fn reach(&self) -> Reach {
        Reach::Referenced
    }

    async fn collect(&self, scope: &Scope, wanted: &[Reference]) -> Collected {
        let client = Client::new(scope.config());
        let names: BTreeSet<&str> = wanted.iter().map(|reference| reference.name.as_str()).collect();
        let described = in_order(names.iter().map(|name| describe(scope, &client, name)).collect()).await;
        let mut collected = Collected::default();
        let mut keys: BTreeMap<String, (KeyMetadata, BTreeSet<String>)> = BTreeMap::new();
        for (name, answer) in names.iter().zip(described) {
            match answer {
                Ok((uid, metadata)) => {
                    let (_, aliases) = keys.entry(uid).or_insert_with(|| (metadata, BTreeSet::new()));
                    aliases.extend(alias_of(name));
                }
                Err(error) => {
                    let uid = uid_of(scope, name);
                    let mut resource = Resource::live(TypeName::KEY, uid, scope.account.clone(), scope.region.clone());
                    let aliases: Vec<String> = alias_of(name).into_iter().collect();
                    let id = name.rsplit('/').next().filter(|_| aliases.is_empty());
                    resource.properties = Fields::new().text("KeyId", id).texts("Aliases", &aliases).properties();
                    error.hides(scope, &mut resource, &["*"]);
                    collected.resources.push(resource);
                }
            }
        }
        let jobs =
            keys.iter().map(|(uid, (metadata, aliases))| read_key(scope, &client, uid, metadata, aliases)).collect();
        collected.resources.extend(in_order(jobs).await);
        collected
    }
}

async fn describe(scope: &Scope, client: &Client, name: &str) -> Result<(String, KeyMetadata), CallError> {
    let answer = scope.call(DESCRIBE_KEY, || client.describe_key().key_id(name).send()).await?;
    let metadata = answer.key_metadata.ok_or_else(|| CallError::malformed(DESCRIBE_KEY, "the answer holds no key"))?;
    let uid = metadata.arn().filter(|uid| Arn::parse(uid).is_ok()).map(str::to_owned);
    let uid = uid.ok_or_else(|| CallError::malformed(DESCRIBE_KEY, "a key without an ARN"))?;
    Ok((uid, metadata))
}

async fn read_key(
    scope: &Scope,
    client: &Client,
    uid: &str,
    metadata: &KeyMetadata,
    aliases: &BTreeSet<String>,
) -> Resource {
    let mut resource = Resource::live(TypeName::KEY, uid.to_owned(), scope.account.clone(), scope.region.clone());
    resource.properties = properties(metadata, aliases);
    // Rotation, policy and tags of AWS's own keys are AWS's business, and mostly refused.
    if metadata.key_manager() == Some(&KeyManagerType::Aws) {
        return resource;
    }
    // Only these keys can rotate; for the others AWS answers with an error.
    let symmetric = metadata.key_spec().is_none_or(|spec| *spec == KeySpec::SymmetricDefault);
    let rotates = symmetric && metadata.origin().is_none_or(|origin| *origin == OriginType::AwsKms);
    if rotates {
        match scope.call(GET_ROTATION, || client.get_key_rotation_status().key_id(uid).send()).await {
            Ok(status) => {
                let rotation = Fields::new()
                    .put("EnableKeyRotation", Some(status.key_rotation_enabled()))
                    .put("RotationPeriodInDays", status.rotation_period_in_days());
                resource.properties.extend(rotation.properties());
            }
            Err(error) => error.hides(scope, &mut resource, &["EnableKeyRotation", "RotationPeriodInDays"]),
        }
    }
    match policy(scope, client, uid).await {
        Ok(policy) => {
            resource.properties.insert("KeyPolicy".to_owned(), policy);
        }
        Err(error) => error.hides(scope, &mut resource, &["KeyPolicy"]),
    }
    read_tags(scope, client, uid, &mut resource).await;
    resource
}

async fn policy(scope: &Scope, client: &Client, uid: &str) -> Result<Value, CallError> {
    let answer = scope.call(GET_POLICY, || client.get_key_policy().key_id(uid).policy_name("default").send()).await?;
    let text = answer.policy().ok_or_else(|| CallError::malformed(GET_POLICY, "the answer holds no policy"))?;
    document(text).map_err(|problem| CallError::malformed(GET_POLICY, problem))
}

async fn read_tags(scope: &Scope, client: &Client, uid: &str, resource: &mut Resource) {
    let listed = all_pages(LIST_TAGS, |marker| async move {
        let page =
            scope.call(LIST_TAGS, || client.list_resource_tags().key_id(uid).set_marker(marker.clone()).send()).await?;
        let next = page.next_marker.filter(|_| page.truncated);
        Ok((page.tags.unwrap_or_default(), next))
    })
    .await;
    resource.tags = listed.items.into_iter().map(|tag| (tag.tag_key, tag.tag_value)).collect();
    if let Some(error) = listed.error {
        error.hides(scope, resource, &["Tags"]);
    }
}

fn properties(metadata: &KeyMetadata, aliases: &BTreeSet<String>) -> Properties {
    Fields::new()
        .text("KeyId", Some(metadata.key_id()))
        .texts("Aliases", &aliases.iter().collect::<Vec<_>>())
        .text("KeyManager", metadata.key_manager())
        .text("KeyState", metadata.key_state())
        .text("KeySpec", metadata.key_spec())
        .text("Origin", metadata.origin())
        .put("MultiRegion", metadata.multi_region())
        .properties()
}

/// `alias/NAME`, whether the name is an alias or an alias's ARN.
fn alias_of(name: &str) -> Option<String> {
    let name = Arn::parse(name).map_or(name, |arn| arn.resource);
    name.starts_with("alias/").then(|| name.to_owned())
}

/// What stands for a key that could not be described.
fn uid_of(scope: &Scope, name: &str) -> String {
    if Arn::parse(name).is_ok() {
        name.to_owned()
    } else if name.starts_with("alias/") {
        arn::in_scope(scope, "kms", name)
    } else {
        arn::in_scope(scope, "kms", &format!("key/{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_by_either_name() {
        assert_eq!(alias_of("alias/a"), Some("alias/a".to_owned()));
        assert_eq!(alias_of("arn:aws:kms:eu-west-1:123456789012:alias/a"), Some("alias/a".to_owned()));
        assert_eq!(alias_of("arn:aws:kms:eu-west-1:123456789012:key/a"), None);
    }

    const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/k1";

    fn answers(manager: &'static str) -> super::super::test_support::Answers {
        use super::super::test_support::{Answer, by_operation};
        use serde_json::json;
        let key = json!({
            "KeyId": "k1", "Arn": ARN, "KeyManager": manager, "KeyState": "Enabled", "KeySpec": "SYMMETRIC_DEFAULT",
            "Origin": "AWS_KMS", "MultiRegion": false,
        });
        by_operation(&[
            ("DescribeKey", Answer::Json(json!({"KeyMetadata": key}))),
            ("GetKeyRotationStatus", Answer::Json(json!({"KeyRotationEnabled": true, "RotationPeriodInDays": 180}))),
            ("GetKeyPolicy", Answer::Json(json!({"Policy": "{\"Statement\":[]}"}))),
            (
                "ListResourceTags",
                Answer::Json(json!({"Tags": [{"TagKey": "env", "TagValue": "prod"}], "Truncated": false})),
            ),
        ])
    }

    #[tokio::test]
    async fn one_key_under_several_names() {
        use super::super::test_support::{every_refusal_leaves_a_gap, reference};
        let names = ["k1", ARN, "alias/artifacts", "arn:aws:kms:eu-west-1:111122223333:alias/other"];
        let wanted = names.map(|name| reference(TypeName::KEY, name));
        let found = every_refusal_leaves_a_gap(&Kms, Kms.actions(), &wanted, answers("CUSTOMER"), &[]).await;
        let [key] = found.resources.as_slice() else { panic!("{:?}", found.resources) };
        assert_eq!(key.uid.as_str(), ARN);
        assert_eq!(key.tags.get("env").map(String::as_str), Some("prod"));
        assert_eq!(
            Value::Object(key.properties.clone()),
            serde_json::json!({
                "KeyId": "k1", "Aliases": ["alias/artifacts", "alias/other"], "KeyManager": "CUSTOMER",
                "KeyState": "Enabled", "KeySpec": "SYMMETRIC_DEFAULT", "Origin": "AWS_KMS", "MultiRegion": false,
                "EnableKeyRotation": true, "RotationPeriodInDays": 180, "KeyPolicy": {"Statement": []},
            })
        );
    }

    #[tokio::test]
    async fn keys_of_aws_cost_one_call() {
        use super::super::test_support::{endpoint, reference};
        let endpoint = endpoint(answers("AWS"), &[]).await;
        Kms.collect(&endpoint.scope, &[reference(TypeName::KEY, "alias/aws/s3")]).await;
        assert_eq!(endpoint.calls(), ["DescribeKey"]);
    }

    #[tokio::test]
    async fn a_refused_key_stands_under_the_name_it_was_asked_for() {
        use super::super::test_support::{endpoint, reference};
        let endpoint = endpoint(answers("CUSTOMER"), &[DESCRIBE_KEY]).await;
        let wanted = ["k1", "alias/a"].map(|name| reference(TypeName::KEY, name));
        let found = Kms.collect(&endpoint.scope, &wanted).await;
        let uids: Vec<_> = found.resources.iter().map(|resource| resource.uid.as_str()).collect();
        assert_eq!(uids, ["arn:aws:kms:eu-west-1:111122223333:alias/a", ARN]);
        assert!(found.resources.iter().all(|resource| resource.unseen.contains_key("*")));
        assert_eq!(found.resources.last().unwrap().properties.get("KeyId"), Some(&Value::from("k1")));
    }
}
