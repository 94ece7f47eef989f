//! Secrets that variables name, so that they can be looked at where they are kept.
//!
//! In: values of variables of type `SECRETS_MANAGER`, or a pipeline whose actions have such. Out: references by name or
//! ARN, without what stands behind the name. It exists because projects and pipelines name secrets in the same way.

use serde_json::Value;

use super::{Scope, arn};
use crate::inventory::{Arn, Properties, Reference, TypeName, is_redacted};

/// The secret that a variable of type `SECRETS_MANAGER` takes its value from.
pub(super) fn reference(scope: &Scope, value: &str) -> Option<Reference> {
    let id = secret_id(value).filter(|id| !is_redacted(id))?;
    arn::reference(scope, TypeName::SECRET, &id)
}

/// The secrets that the actions of a pipeline give to what they run, looked for where the action runs.
pub(super) fn named_by_pipeline(scope: &Scope, pipeline: &Properties) -> Vec<Reference> {
    let actions = items(pipeline.get("Stages")).iter().flat_map(|stage| items(stage.get("Actions")));
    actions.flat_map(|action| named_by_action(scope, action)).collect()
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn named_by_action(scope: &Scope, action: &Value) -> Vec<Reference> {
    let text = |name: &str| action.get(name).and_then(Value::as_str).unwrap_or_default();
    let embedded = action.pointer("/Configuration/EnvironmentVariables").and_then(Value::as_str);
    let embedded: Vec<Value> = embedded.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let of = |variable: &Value, kind: &str, value: &str| {
        let word = |name: &str| variable.get(name).and_then(Value::as_str);
        if word(kind) == Some("SECRETS_MANAGER") { reference(scope, word(value).unwrap_or_default()) } else { None }
    };
    let named = embedded.iter().filter_map(|variable| of(variable, "type", "value"));
    let named = named
        .chain(items(action.get("EnvironmentVariables")).iter().filter_map(|variable| of(variable, "Type", "Value")));
    let account = Arn::parse(text("RoleArn")).ok().and_then(|arn| arn.account_id());
    let elsewhere = account.filter(|account| *account != scope.account);
    let placed = named.map(|mut reference| {
        reference.region = text("Region").parse().unwrap_or(reference.region);
        // Whoever names a thing of another account must say so in the name.
        if let (Some(account), true) = (&elsewhere, Arn::parse(&reference.name).is_err()) {
            let (partition, region, name) = (scope.partition, &reference.region, &reference.name);
            reference.name = format!("arn:{partition}:secretsmanager:{region}:{account}:secret:{name}");
        }
        reference
    });
    placed.collect()
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

    use super::super::test_support::{Answer, endpoint};
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
