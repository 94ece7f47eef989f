//! Values that must not reach a report, in texts with holes.
//!
//! In: environment variables and configuration values of a template. Out: the same without anything secret, by the rules
//! of the collectors. What is only a name of a value (a hole, a dynamic reference) is no secret and stays.

use std::borrow::Cow;

use super::super::hole::{Piece, has_holes, pieces, token, whole};
use super::super::node::Node;
use super::form::change;
use crate::inventory::{REDACTED_SECRET, configuration_value, variable_value};

/// Whether the text only says where the value is: a parameter, `{{resolve:secretsmanager:…}}`.
fn is_reference(text: &str) -> bool {
    let dynamic = text.strip_prefix("{{resolve:").and_then(|rest| rest.strip_suffix("}}"));
    whole(text).is_some() || dynamic.is_some_and(|inner| !inner.contains("}}"))
}

/// Whether CloudFormation puts a secret in the place of a part of the text when it deploys. Where a service shows the
/// text, it shows the secret then.
fn brings_a_secret(text: &str) -> bool {
    ["{{resolve:secretsmanager:", "{{resolve:ssm-secure:"].iter().any(|reference| text.contains(reference))
}

/// Redacts the variables in a list of `{Name, Type, Value}`.
pub(super) fn redact_variables(list: &mut Node) {
    change(list, &["*"], &mut |variable| {
        let name = variable.get("Name").and_then(Node::scalar).unwrap_or_default();
        let kind = variable.text_at(&["Type"]).map(str::to_owned);
        change(variable, &["Value"], &mut |value| {
            let text = value.scalar().unwrap_or_else(|| value.to_value().to_string());
            let plain = kind.as_deref().is_none_or(|kind| kind == "PLAINTEXT");
            if plain && brings_a_secret(&text) {
                *value = Node::text(REDACTED_SECRET, value.span);
            } else if !is_reference(&text) {
                *value = Node::text(variable_value(&name, kind.as_deref(), &text), value.span);
            }
        });
    });
}

/// Makes every value of a configuration the text that the API has, without secrets.
pub(super) fn redact_configuration(configuration: &mut Node) {
    let keys: Vec<String> = configuration.entries().iter().map(|entry| entry.key.clone()).collect();
    for key in keys {
        change(configuration, &[&key], &mut |value| {
            // Whoever writes a JSON value as YAML or JSON means its text.
            let text = value.scalar().unwrap_or_else(|| value.to_value().to_string());
            if value.is_null() {
                return;
            }
            let kept = if is_reference(&text) { text } else { configuration_value(&key, &quoted(&text)) };
            *value = Node::text(kept, value.span);
        });
    }
}

/// JSON in which holes stand where values belong is made readable: `{"Count": ${Count}}` holds a text then.
fn quoted(text: &str) -> Cow<'_, str> {
    if !has_holes(text) || !text.trim_start().starts_with(['{', '[']) {
        return Cow::Borrowed(text);
    }
    let mut in_text = false;
    let mut escaped = false;
    let mut found = String::with_capacity(text.len() + 16);
    for piece in pieces(text) {
        match piece {
            Piece::Text(part) => {
                for character in part.chars() {
                    match character {
                        _ if escaped => escaped = false,
                        '\\' if in_text => escaped = true,
                        '"' => in_text = !in_text,
                        _ => {}
                    }
                }
                found.push_str(part);
            }
            Piece::Hole(number) => {
                let quote = if in_text { "" } else { "\"" };
                found.push_str(quote);
                found.push_str(&token(number));
                found.push_str(quote);
            }
        }
    }
    if serde_json::from_str::<serde::de::IgnoredAny>(&found).is_ok() { Cow::Owned(found) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inventory::Span;

    const HOLE: &str = "\u{FDD0}0\u{FDD1}";

    #[test]
    fn variables_lose_values_and_keep_where_values_are() {
        let mut list = Node::from_value(
            &json!([
                {"Name": "STAGE", "Value": "prod"}, {"Name": "COUNT", "Value": 7}, {"Name": "API_TOKEN", "Value": "hunter2"},
                {"Name": "DB_PASSWORD", "Value": HOLE}, {"Name": "KEY", "Value": "{{resolve:ssm:/key}}"},
                {"Name": "S", "Type": "SECRETS_MANAGER", "Value": "a/b"}, {"Name": "MIXED", "Value": format!("x{HOLE}")},
                {"Name": "URL", "Value": "db://{{resolve:secretsmanager:db:SecretString:password}}"},
                {"Name": "T", "Type": "PLAINTEXT", "Value": "{{resolve:secretsmanager:token}}"},
            ]),
            Span::default(),
        );
        redact_variables(&mut list);
        let values: Vec<_> = list.elements().iter().map(|one| one.text_at(&["Value"]).unwrap_or_default()).collect();
        let redacted = "redacted";
        let secret = "redacted:secret-like";
        assert_eq!(values, [redacted, redacted, secret, HOLE, "{{resolve:ssm:/key}}", "a/b", redacted, secret, secret]);
    }

    #[test]
    fn a_configuration_is_text_without_secrets() {
        let variables =
            format!(r#"[{{"name":"A","value":{HOLE}}},{{"name":"B","type":"SECRETS_MANAGER","value":"x/{HOLE}"}}]"#);
        let mut configuration = Node::from_value(
            &json!({
                "PollForSourceChanges": false, "Timeout": 5, "BucketName": format!("web-{HOLE}"), "OAuthToken": "ghp_1",
                "UserParameters": {"env": "prod", "password": "hunter2"}, "EnvironmentVariables": variables,
                "Branch": HOLE,
            }),
            Span::default(),
        );
        redact_configuration(&mut configuration);
        let value = configuration.to_value();
        assert_eq!(value["PollForSourceChanges"], "false");
        assert_eq!(value["Timeout"], "5");
        assert_eq!(value["BucketName"], format!("web-{HOLE}"));
        assert_eq!(value["OAuthToken"], "redacted:secret-like");
        assert_eq!(value["UserParameters"], r#"{"env":"prod","password":"redacted:secret-like"}"#);
        let expected = format!(
            r#"[{{"name":"A","value":"redacted"}},{{"name":"B","type":"SECRETS_MANAGER","value":"x/{HOLE}"}}]"#
        );
        assert_eq!(value["EnvironmentVariables"], expected);
        assert_eq!(value["Branch"], HOLE);
    }

    #[test]
    fn holes_inside_json_are_quoted_only_where_no_quotes_are() {
        assert_eq!(
            quoted(&format!(r#"{{"a":{HOLE},"b":"x \" {HOLE}"}}"#)),
            format!(r#"{{"a":"{HOLE}","b":"x \" {HOLE}"}}"#)
        );
        assert_eq!(quoted(HOLE), HOLE);
        let broken = format!("[{HOLE}");
        assert_eq!(quoted(&broken), broken);
    }
}
