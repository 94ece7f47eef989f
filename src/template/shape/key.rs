//! `AWS::KMS::Key`, with its aliases.
//!
//! In: a key as a template writes it, and `AWS::KMS::Alias`. Out: the key as KMS describes it. A key of a template is the
//! customer's, and enabled unless the template says otherwise: what becomes of it later, the audit sees.

use serde_json::{Value, json};

use super::super::node::{Node, Tree};
use super::Shape;
use super::conversion::Conversion;
use super::form::{Form, TEXT_LIST};
use crate::inventory::{GapCause, TypeName};

const FORM: Form = Form::Map(&[
    ("KeyId", Form::Text),
    ("Aliases", TEXT_LIST),
    ("KeyManager", Form::Text),
    ("KeyState", Form::Text),
    ("KeySpec", Form::Text),
    ("Origin", Form::Text),
    ("MultiRegion", Form::Flag),
    ("EnableKeyRotation", Form::Flag),
    ("RotationPeriodInDays", Form::Number),
    ("KeyPolicy", Form::Policy),
]);

/// Keys.
pub(super) const KEY: Shape = Shape {
    type_name: "AWS::KMS::Key",
    becomes: TypeName::KEY,
    form: FORM,
    convert: |conversion| {
        conversion.set_default("KeySpec", &json!("SYMMETRIC_DEFAULT"));
        conversion.set_default("Origin", &json!("AWS_KMS"));
        conversion.set_default("MultiRegion", &json!(false));
        if rotates(conversion) {
            conversion.set_default("EnableKeyRotation", &json!(false));
        }
        key(conversion);
    },
    only_deployed: &[],
};

/// Copies of keys of other Regions, which rotate as those do.
pub(super) const REPLICA_KEY: Shape = Shape {
    type_name: "AWS::KMS::ReplicaKey",
    becomes: TypeName::KEY,
    form: FORM,
    convert: |conversion| {
        conversion.set_default("MultiRegion", &json!(true));
        let primary = conversion.text("PrimaryKeyArn").unwrap_or_default().to_owned();
        for property in ["EnableKeyRotation", "KeySpec", "Origin"] {
            let cause = conversion.why(&primary, |arn| super::conversion::elsewhere(&format!("the primary key {arn}")));
            conversion.hide(property, cause);
        }
        key(conversion);
    },
    only_deployed: &[],
};

/// Only symmetric keys with material of KMS can, and only of them it is asked.
fn rotates(conversion: &Conversion<'_>) -> bool {
    conversion.text("KeySpec") == Some("SYMMETRIC_DEFAULT") && conversion.text("Origin") == Some("AWS_KMS")
}

fn key(conversion: &mut Conversion<'_>) {
    let raw = conversion.raw();
    let (name, span) = (raw.name.clone(), raw.span);
    let root = format!("arn:{}:iam::{}:root", raw.place.partition().as_str(), raw.place.account);
    conversion.set("KeyId", Node::text(name, span));
    conversion.set_text("KeyManager", "CUSTOMER");
    // As KMS does where no policy is given.
    conversion.set_default(
        "KeyPolicy",
        &json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}]}),
    );
    put_state(conversion);
    let aliases = conversion.all("AWS::KMS::Alias");
    let mut own: Vec<Node> = aliases
        .filter(|alias| {
            alias.property("TargetKeyId").and_then(Node::as_str).is_some_and(|target| conversion.is_named(target))
        })
        .filter_map(|alias| alias.property("AliasName").cloned())
        .collect();
    own.sort_by_key(|alias| alias.as_str().map(str::to_owned));
    conversion.set("Aliases", Node::new(Tree::List(own), span));
}

fn put_state(conversion: &mut Conversion<'_>) {
    let enabled = conversion.take("Enabled");
    // Without material from outside the key cannot be used, and a template cannot bring any.
    let imported = conversion.text("Origin").is_some_and(|origin| origin == "EXTERNAL");
    let said =
        enabled.as_ref().map_or(Some(Value::from(true)), |enabled| Form::Flag.of(enabled).map(|node| node.to_value()));
    match (imported, said) {
        (false, Some(Value::Bool(enabled))) => {
            conversion.set_text("KeyState", if enabled { "Enabled" } else { "Disabled" });
        }
        (false, Some(Value::String(hole))) => {
            let cause = conversion.why(&hole, |_| "whether the key is enabled is not said".to_owned());
            conversion.hide("KeyState", cause);
        }
        _ => {
            let what = format!("KeyState of AWS::KMS::Key {}", conversion.raw().logical_id);
            conversion.hide("KeyState", GapCause::OnlyDeployed { what });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::inventory::Resource;
    use crate::template::Raw;

    fn found(key: Value, others: Vec<Raw>) -> Resource {
        let mut all = vec![naming("role", "Store", "Key"), raw("AWS::KMS::Key", "Key", key)];
        all.extend(others);
        one(&all, "Key").resource
    }

    #[test]
    fn a_key_is_what_kms_answers() {
        let alias = |name: &str, target: &str| {
            raw("AWS::KMS::Alias", "Alias", json!({"AliasName": name, "TargetKeyId": target}))
        };
        let arn = "arn:aws:kms:eu-west-1:111122223333:key/Key";
        let key = found(
            json!({"EnableKeyRotation": "true", "PendingWindowInDays": 7, "Description": "x", "KeyPolicy": {"Statement": []}}),
            vec![alias("alias/b", "Key"), alias("alias/a", arn), alias("alias/c", "Other")],
        );
        assert_eq!(key.uid.as_str(), arn);
        assert_eq!(
            Value::Object(key.properties),
            json!({"KeyId": "Key", "Aliases": ["alias/a", "alias/b"], "KeyManager": "CUSTOMER", "KeyState": "Enabled",
                   "KeySpec": "SYMMETRIC_DEFAULT", "Origin": "AWS_KMS", "MultiRegion": false, "EnableKeyRotation": true,
                   "KeyPolicy": {"Statement": []}})
        );
        assert!(key.unseen.is_empty());
    }

    #[test]
    fn what_is_not_said_is_what_kms_does() {
        let key = found(json!({}), Vec::new());
        assert_eq!(key.properties["EnableKeyRotation"], false);
        assert_eq!(key.properties["KeyPolicy"]["Statement"][0]["Principal"]["AWS"], "arn:aws:iam::111122223333:root");
        let key = found(json!({"KeySpec": "RSA_2048", "Enabled": false}), Vec::new());
        assert_eq!(key.properties["KeyState"], "Disabled");
        assert!(!key.properties.contains_key("EnableKeyRotation"));
        let key = found(json!({"Origin": "EXTERNAL"}), Vec::new());
        assert!(key.unseen.contains_key("KeyState"));
    }
}
