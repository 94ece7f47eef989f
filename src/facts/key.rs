//! `AWS::KMS::Key`: the keys that artifacts are encrypted with.
//!
//! In: a key and its policy. Out: its facts, and who manages it for everything that names it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::joins::{Joins, place};
use super::let_in::LetIn;
use super::policy_document::PolicyDocument;
use super::seen::{Found, Seen, is_set, list_at, name, property, text, text_or};
use super::{Facts, ResourceKind};
use crate::inventory::{AccountId, Resource, TypeName};

/// Keys named by artifact stores, buckets and trails.
pub struct Key;

/// What a pipeline does with the key of its artifacts.
const USES: &[&str] = &["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"];

impl ResourceKind for Key {
    fn type_name(&self) -> TypeName {
        TypeName::KEY
    }

    fn action(&self) -> &'static str {
        "Encrypt"
    }

    fn index(&self, resource: &Resource, joins: &mut Joins) {
        for alias in list_at(resource.properties.get("Aliases"), &[]).iter().filter_map(Value::as_str) {
            let aliases = joins.key_aliases.entry(place(resource)).or_default();
            aliases.insert(alias.to_owned(), resource.uid.as_str().to_owned());
        }
        let entry = joins.key_managers.entry(resource.uid.as_str().to_owned());
        let manager = manager(resource);
        // The same key may have been asked for from several accounts, and answered only to some.
        let known = entry.or_insert_with(|| manager.clone());
        if known.is_err() {
            *known = manager;
        }
    }

    fn facts(&self, resource: &Resource, joins: &Joins) -> Facts {
        let mut facts = Facts::default();
        facts.know("name", name(resource, "KeyId"));
        facts.put("keyManager", manager(resource));
        facts.put("keyState", text_or(resource, "KeyState", ""));
        facts.put("symmetric", symmetric(resource));
        facts.put("rotationEnabled", rotation_enabled(resource));
        facts.put("unknownPrincipals", unknown_principals(resource, joins).and_then(Found::decided));
        super::key_administration::put(&mut facts, resource, joins);
        facts.put_tags(resource);
        put_use(&mut facts, resource, joins);
        facts
    }
}

/// Which pipelines encrypt with the key, and whether production shares it with anything else.
fn put_use(facts: &mut Facts, resource: &Resource, joins: &Joins) {
    let (mut production, mut other) = (Found::default(), Found::default());
    for user in joins.delivery.key_users.get(resource.uid.as_str()).into_iter().flatten() {
        production.add_if(&user.label, &user.production);
        other.add_if(&user.label, &user.production.clone().map(|holds| !holds));
    }
    // Beside the key, and in accounts that its policy lets in: a gap anywhere would leave every key in doubt.
    let mut hidden = joins.hidden_uses(&resource.account, &[TypeName::PIPELINE]);
    if !manager(resource).is_ok_and(|manager| manager == "AWS") {
        let let_in = LetIn::of(&property(resource, "KeyPolicy"), USES);
        let why = |account: &AccountId| joins.hidden_uses(account, &[TypeName::PIPELINE]);
        hidden.extend(joins.hidden_abroad(&resource.account, &let_in, why));
    }
    production.doubt(&hidden);
    other.doubt(&hidden);
    let production = production.decided();
    let shared = match &production {
        Ok(pipelines) if pipelines.is_empty() => Ok(BTreeSet::new()),
        _ => other.decided(),
    };
    facts.put("productionPipelines", production);
    facts.put("sharedWithNonProduction", shared);
}

fn manager(resource: &Resource) -> Seen<String> {
    text_or(resource, "KeyManager", "CUSTOMER")
}

/// Whether KMS can rotate it: symmetric, with material of its own.
fn symmetric(resource: &Resource) -> Seen<bool> {
    let spec = text(resource, "KeySpec")?.unwrap_or("SYMMETRIC_DEFAULT");
    if spec != "SYMMETRIC_DEFAULT" {
        return Ok(false);
    }
    Ok(text(resource, "Origin")?.unwrap_or("AWS_KMS") == "AWS_KMS")
}

/// AWS rotates the keys that it manages itself, every year.
fn rotation_enabled(resource: &Resource) -> Seen<bool> {
    if manager(resource)? == "AWS" { Ok(true) } else { is_set(resource, "EnableKeyRotation") }
}

fn unknown_principals(resource: &Resource, joins: &Joins) -> Seen<Found> {
    let mut found = Found::default();
    if manager(resource)? == "AWS" {
        return Ok(found);
    }
    let Some(document) = property(resource, "KeyPolicy")? else { return Ok(found) };
    let knows = |account: &AccountId| {
        if *account == resource.account { Ok(true) } else { joins.is_own_account(account) }
    };
    for statement in PolicyDocument::new(document).statements().filter(|statement| statement.allows()) {
        statement.strangers(&knows, joins.organization.as_deref(), &mut found);
    }
    Ok(found)
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::Fact;
    use super::super::testing::*;
    use super::*;
    use crate::inventory::{Affects, Gap, TypeName};

    fn key(properties: Value) -> Resource {
        resource(TypeName::KEY, "k1", properties)
    }

    fn policy(principal: Value) -> Value {
        json!({"KeyManager": "CUSTOMER", "KeyPolicy": {"Statement": {"Effect": "Allow", "Action": "kms:*", "Principal": principal}}})
    }

    #[test]
    fn keys_of_aws_rotate_by_themselves() {
        let facts = Key.facts(&key(json!({"KeyManager": "AWS"})), &joins(&[], &[]));
        assert_eq!(facts.known["rotationEnabled"], Fact::Bool(true));
        let facts = Key.facts(&key(json!({"KeyManager": "CUSTOMER", "EnableKeyRotation": false})), &joins(&[], &[]));
        assert_eq!(facts.known["rotationEnabled"], Fact::Bool(false));
    }

    #[test]
    fn imported_and_asymmetric_keys_cannot_be_rotated() {
        for (properties, expected) in [
            (json!({"KeySpec": "SYMMETRIC_DEFAULT", "Origin": "AWS_KMS"}), true),
            (json!({"KeySpec": "SYMMETRIC_DEFAULT", "Origin": "EXTERNAL"}), false),
            (json!({"KeySpec": "RSA_2048", "Origin": "AWS_KMS"}), false),
        ] {
            assert_eq!(Key.facts(&key(properties), &joins(&[], &[])).known["symmetric"], Fact::Bool(expected));
        }
    }

    #[test]
    fn principals_outside_the_organization_are_named() {
        let organization = joins(&[member("111111111111", None), member("222222222222", None)], &[]);
        let set = |properties: Value| match &Key.facts(&key(properties), &organization).known["unknownPrincipals"] {
            Fact::Set(set) => set.iter().cloned().collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            set(policy(json!({"AWS": ["arn:aws:iam::111111111111:root", "222222222222"]}))),
            Vec::<String>::new()
        );
        assert_eq!(set(policy(json!({"AWS": "arn:aws:iam::333333333333:root"}))), ["arn:aws:iam::333333333333:root"]);
        assert_eq!(set(policy(json!("*"))), ["*"]);
    }

    #[test]
    fn without_the_list_of_accounts_a_foreign_account_is_unknown_but_its_own_is_not() {
        let alone = joins(&[], &[]);
        assert!(
            Key.facts(&key(policy(json!({"AWS": "222222222222"}))), &alone).unknown.contains_key("unknownPrincipals")
        );
        assert!(
            Key.facts(&key(policy(json!({"AWS": "111111111111"}))), &alone).known.contains_key("unknownPrincipals")
        );
    }

    #[test]
    fn a_dark_account_leaves_doubt_only_where_the_policy_lets_it_in() {
        let dark =
            Gap { account: "222222222222".parse().unwrap(), affects: Affects::Account, ..denied("sts:AssumeRole") };
        let release = json!({"Name": "web", "ArtifactStore": {"EncryptionKey": {"Id": key(json!({})).uid}}, "Stages": [
            {"Name": "Production", "Actions": [
                {"Name": "A", "ActionTypeId": {"Category": "Deploy", "Owner": "AWS", "Provider": "ECS", "Version": "1"}},
            ]},
        ]});
        let pipeline = resource(TypeName::PIPELINE, "web", release);
        let joins = joins(&[pipeline, member("111111111111", None), member("222222222222", None)], &[dark]);
        let facts = |properties: Value| Key.facts(&key(properties), &joins);
        let own = facts(policy(json!({"AWS": "arn:aws:iam::111111111111:root"})));
        assert_eq!(own.known["sharedWithNonProduction"], Fact::Set(BTreeSet::new()));
        for open in [json!({"AWS": "222222222222"}), json!("*")] {
            let open = facts(policy(open));
            // That production uses it is sure, whoever else does.
            assert!(open.known.contains_key("productionPipelines"));
            assert!(open.unknown["sharedWithNonProduction"].join("").contains("sts:AssumeRole in 222222222222"));
        }
        let unseen = {
            let mut hidden = key(json!({"KeyManager": "CUSTOMER"}));
            hidden.unseen.insert("KeyPolicy".to_owned(), denied("kms:GetKeyPolicy"));
            Key.facts(&hidden, &joins)
        };
        assert!(unseen.unknown["sharedWithNonProduction"].join("").contains("kms:GetKeyPolicy"));
        let managed = json!({"KeyManager": "AWS", "KeyPolicy": {"Statement": {"Effect": "Allow", "Action": "kms:*", "Principal": "*"}}});
        assert!(facts(managed).known.contains_key("sharedWithNonProduction"));
    }

    #[test]
    fn each_unseen_property_leaves_its_facts_unknown() {
        for (property, expected) in [
            ("KeyState", vec!["keyState"]),
            ("KeySpec", vec!["symmetric"]),
            ("EnableKeyRotation", vec!["rotationEnabled"]),
            ("KeyPolicy", vec!["administeringDeployers", "administrationDelegatedToIam", "unknownPrincipals"]),
            (
                "KeyManager",
                vec![
                    "administeringDeployers",
                    "administrationDelegatedToIam",
                    "keyManager",
                    "rotationEnabled",
                    "unknownPrincipals",
                ],
            ),
        ] {
            let mut hidden = key(json!({"KeyManager": "CUSTOMER"}));
            hidden.properties.remove(property);
            hidden.unseen.insert(property.to_owned(), denied("kms:X"));
            let facts = Key.facts(&hidden, &joins(&[], &[]));
            assert_eq!(facts.unknown.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), expected, "{property}");
        }
    }
}
