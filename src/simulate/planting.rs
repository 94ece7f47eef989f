//! Secrets where people write what they like.
//!
//! In: an answer just before it is written, or the words of an error. Out: the same with secrets in descriptions,
//! comments, tags, settings and plaintext variables, each in another of the shapes in which they are met. It exists so
//! that a test can search every output for them; no answer has them unless the options ask for it.

use serde_json::{Map, Value, json};

use super::PLANTED_SECRET;

/// Members in which people write what they like.
const TEXTS: &[&str] = &[
    "AlarmDescription",
    "Comment",
    "CustomData",
    "Description",
    "DisplayName",
    "ExternalEntityLink",
    "Message",
    "UserParameters",
    "comment",
    "commitMessage",
    "customData",
    "description",
    "displayName",
    "externalEntityLink",
    "message",
    "reason",
    "summary",
    "title",
];

/// Shapes that are known by form alone, as in the messages of services.
const BY_FORM: usize = 4;
const SHAPES: usize = 9;

/// The secret in its shape number `turn`.
fn secret(turn: usize) -> String {
    let marked = format!("{PLANTED_SECRET}text-{turn}");
    match turn % SHAPES {
        0 => format!("ghp_{marked}"),
        1 => format!("https://me:{marked}@db.example.com/app"),
        2 => format!("https://hooks.slack.com/services/T0/B0/{marked}"),
        3 => format!("https://b.example.com/k?X-Amz-Signature={marked}"),
        4 => format!("DB password: {marked}"),
        5 => format!("password = {marked}"),
        6 => format!("password={marked}"),
        7 => format!("deploy --password {marked}"),
        _ => format!("DbPass={marked}"),
    }
}

/// An error's message with a secret that has a form.
pub(super) fn in_message(message: &str) -> String {
    format!("{message} {}", secret(start(message) % BY_FORM))
}

/// The same for an error that is JSON.
pub(super) fn in_error(answer: &mut Value) {
    match answer {
        Value::Array(items) => items.iter_mut().for_each(in_error),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if TEXTS.contains(&name.as_str()) => *text = in_message(text),
                    member => in_error(member),
                }
            }
        }
        _ => {}
    }
}

/// Puts secrets into all places of an answer that take them.
pub(super) fn in_answer(answer: &mut Value) {
    let mut turn = start(&answer.to_string());
    plant(answer, &mut turn);
}

/// An S3 answer, which is text, gets one more tag.
pub(super) fn in_tag_set(document: Vec<u8>) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(&document) else { return document };
    let tag = format!("<Tag><Key>note</Key><Value>{}</Value></Tag></TagSet>", secret(start(text)));
    text.replace("</TagSet>", &tag).into_bytes()
}

/// The same answer always begins with the same shape, and different answers with different ones.
fn start(text: &str) -> usize {
    text.bytes().map(usize::from).sum()
}

fn next(turn: &mut usize) -> String {
    *turn += 1;
    secret(*turn)
}

fn plant(value: &mut Value, turn: &mut usize) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| plant(item, turn)),
        Value::Object(members) => {
            for (name, member) in members {
                plant_member(name, member, turn);
            }
        }
        _ => {}
    }
}

fn plant_member(name: &str, member: &mut Value, turn: &mut usize) {
    match (name, member) {
        (_, Value::String(text)) if TEXTS.contains(&name) => {
            text.push(' ');
            text.push_str(&next(turn));
        }
        ("tags" | "Tags", Value::Array(tags)) => tags.extend(another_tag(tags, turn)),
        ("tags" | "Tags", Value::Object(tags)) => {
            tags.insert("note".to_owned(), Value::from(next(turn)));
        }
        ("environmentVariables", Value::Array(variables)) => {
            variables.push(json!({ "name": "NOTE", "value": next(turn), "type": "PLAINTEXT" }));
        }
        ("configuration", Value::Object(settings)) => {
            plant_variable(settings, turn);
            settings.insert("Note".to_owned(), Value::from(next(turn)));
        }
        (_, member) => plant(member, turn),
    }
}

/// A tag beside those that are there, in the words of their service.
fn another_tag(tags: &[Value], turn: &mut usize) -> Option<Value> {
    let words = [("key", "value"), ("Key", "Value"), ("TagKey", "TagValue")];
    let (key, value) = words.into_iter().find(|(key, _)| tags.first().is_some_and(|tag| tag.get(key).is_some()))?;
    Some(json!({ key: "note", value: next(turn) }))
}

/// The variables of a `CodeBuild` action are a JSON text inside its configuration.
fn plant_variable(settings: &mut Map<String, Value>, turn: &mut usize) {
    let Some(Value::String(text)) = settings.get_mut("EnvironmentVariables") else { return };
    if let Ok(mut variables) = serde_json::from_str::<Vec<Value>>(text) {
        variables.push(json!({ "name": "NOTE", "value": next(turn), "type": "PLAINTEXT" }));
        *text = Value::from(variables).to_string();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_gets_a_secret_and_the_rest_stays() {
        let mut answer = json!({
            "name": "web", "description": "the shop", "tags": [{ "key": "team", "value": "web" }], "Tags": {},
            "environmentVariables": [], "stages": [{ "configuration": { "EnvironmentVariables": "[]" } }]
        });
        in_answer(&mut answer);
        assert_eq!(answer.to_string().matches(PLANTED_SECRET).count(), 6, "{answer:#}");
        assert_eq!(answer["name"], "web");
        assert_eq!(answer["tags"][0], json!({ "key": "team", "value": "web" }));
        let shapes: std::collections::BTreeSet<String> =
            (0..SHAPES).map(|turn| secret(turn).replace("text", "")).collect();
        assert_eq!(shapes.len(), SHAPES);
        assert!(in_message("no").starts_with("no "));
    }
}
