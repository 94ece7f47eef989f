//! `AWS::SecretsManager::Secret`, with the schedule of its rotation; never its value.
//!
//! In: a secret as a template writes it, and `AWS::SecretsManager::RotationSchedule`. Out: the secret as `DescribeSecret`
//! answers it, without the times of what happened to it.

use serde_json::json;

use super::super::node::Node;
use super::Shape;
use super::conversion::Conversion;
use super::form::Form;
use crate::inventory::TypeName;

/// Secrets.
pub(super) const SECRET: Shape = Shape {
    type_name: "AWS::SecretsManager::Secret",
    becomes: TypeName::SECRET,
    form: Form::Map(&[
        ("Name", Form::Text),
        ("KmsKeyId", Form::Text),
        ("RotationEnabled", Form::Flag),
        ("RotationRules", Form::Map(&[("AutomaticallyAfterDays", Form::Number), ("ScheduleExpression", Form::Text)])),
    ]),
    convert: secret,
    only_deployed: &["CreatedDate", "LastChangedDate", "LastRotatedDate", "NextRotationDate"],
};

fn secret(conversion: &mut Conversion<'_>) {
    let schedules = conversion.all("AWS::SecretsManager::RotationSchedule");
    let own = schedules.filter(|schedule| {
        schedule.property("SecretId").and_then(Node::as_str).is_some_and(|secret| conversion.is_named(secret))
    });
    let own = own.last();
    conversion.take("RotationRules");
    if let Some(rules) = own.and_then(|schedule| schedule.property("RotationRules")) {
        conversion.set("RotationRules", rules.clone());
    }
    // A schedule without rules rotates nothing by itself.
    let rotates = own.is_some_and(|schedule| schedule.property("RotationRules").is_some());
    conversion.set("RotationEnabled", Node::from_value(&json!(rotates), conversion.raw().span));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::*;

    #[test]
    fn rotation_comes_from_the_schedule_and_no_value_is_kept() {
        let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:Db";
        let variables = json!([{"Name": "DB", "Type": "SECRETS_MANAGER", "Value": format!("{arn}:password")}]);
        let project =
            raw("AWS::CodeBuild::Project", "Build", json!({"Environment": {"EnvironmentVariables": variables}}));
        let secret = raw(
            "AWS::SecretsManager::Secret",
            "Db",
            json!({"SecretString": "hunter2", "KmsKeyId": "k", "GenerateSecretString": {}}),
        );
        let found = properties(&[project.clone(), secret.clone()], "Db");
        assert_eq!(Value::Object(found), json!({"Name": "Db", "KmsKeyId": "k", "RotationEnabled": false}));
        let rules = json!({"AutomaticallyAfterDays": "30", "Duration": "2h"});
        let schedule =
            raw("AWS::SecretsManager::RotationSchedule", "S", json!({"SecretId": arn, "RotationRules": rules}));
        let found = properties(&[project, secret, schedule], "Db");
        assert_eq!(
            (&found["RotationEnabled"], &found["RotationRules"]),
            (&json!(true), &json!({"AutomaticallyAfterDays": 30}))
        );
    }
}
