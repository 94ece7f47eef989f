//! One CloudTrail record.
//!
//! In: a record's JSON, whatever brought it. Out: an [`Event`] with who, what, when and where, without secrets. Every
//! field of a record may be missing, of another type, or replaced by a note that it was too large.
//!
//! Fields: <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Principal;
use super::message::first_line;
use crate::inventory::{AccountId, REDACTED, Region, configuration_value, source_location, variable_value};

/// A record that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not JSON, or no object.
    #[error("the record is no JSON object: {0}")]
    Syntax(String),
    /// A field without which nothing can be said.
    #[error("the record has no usable `{0}`")]
    Missing(&'static str),
}

/// `requestParameters`, `responseElements` or `additionalEventData`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "camelCase")]
pub enum Payload {
    /// The record has none.
    #[default]
    Absent,
    /// As recorded, without secrets.
    Json(Value),
    /// Over 100 KB, so CloudTrail left it out.
    #[serde(rename_all = "camelCase")]
    Omitted {
        /// How large it was, in bytes, if the note says so.
        original_size: Option<u64>,
    },
}

impl Payload {
    /// A member, by path: `["result", "status"]`. `None` where it is absent or left out.
    #[must_use]
    pub fn member(&self, path: &[&str]) -> Option<&Value> {
        let Self::Json(value) = self else { return None };
        path.iter().try_fold(value, |value, key| value.get(key)).filter(|value| !value.is_null())
    }

    /// A member's text; numbers and booleans as text.
    #[must_use]
    pub fn text(&self, path: &[&str]) -> Option<String> {
        match self.member(path)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => None,
        }
    }

    /// A member's truth: `true`, `"true"`.
    #[must_use]
    pub fn flag(&self, path: &[&str]) -> Option<bool> {
        truth(self.member(path)?)
    }

    /// Whether CloudTrail left it out.
    #[must_use]
    pub fn is_omitted(&self) -> bool {
        matches!(self, Self::Omitted { .. })
    }

    fn read(value: Option<&Value>) -> Self {
        match value {
            None | Some(Value::Null) => Self::Absent,
            Some(Value::Object(members)) if members.get("omitted").and_then(truth) == Some(true) => Self::Omitted {
                original_size: members.get("originalSize").and_then(|size| match size {
                    Value::String(text) => text.parse().ok(),
                    other => other.as_u64(),
                }),
            },
            // Athena's and Lake's columns hold the JSON as text.
            Some(Value::String(text)) => match serde_json::from_str::<Value>(text) {
                Ok(inner @ Value::Object(_)) => Self::read(Some(&inner)),
                _ => Self::Absent,
            },
            Some(value) => Self::Json(without_secrets(value)),
        }
    }
}

/// A CloudTrail event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// `eventID`; the same record may be delivered twice.
    pub id: String,
    /// `eventTime`: when the request was completed, UTC, to the second.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// `eventSource`.
    pub source: String,
    /// `eventName`.
    pub name: String,
    /// `recipientAccountId`, else the caller's account.
    pub account: AccountId,
    /// `awsRegion`.
    pub region: Region,
    /// `userIdentity`.
    pub principal: Principal,
    /// `sourceIPAddress`: an address, or the DNS name of an AWS service.
    pub source_address: Option<String>,
    /// `userAgent`.
    pub user_agent: Option<String>,
    /// `errorCode`: the call was refused or failed, so nothing happened.
    pub error_code: Option<String>,
    /// `requestID`.
    pub request_id: Option<String>,
    /// `readOnly`.
    pub read_only: Option<bool>,
    /// `requestParameters`.
    pub request: Payload,
    /// `responseElements`. Its times are texts of some locale: never read them.
    pub response: Payload,
    /// `additionalEventData`.
    pub additional: Payload,
}

impl Event {
    /// Reads a record's bytes.
    ///
    /// # Errors
    /// [`EventError`] if it is no JSON object or lacks id, time, source, name or account.
    pub fn from_json(record: &[u8]) -> Result<Self, EventError> {
        let value: Value = serde_json::from_slice(record).map_err(|error| EventError::Syntax(error.to_string()))?;
        Self::from_value(&value)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// As [`Self::from_json`].
    pub fn from_value(record: &Value) -> Result<Self, EventError> {
        if !record.is_object() {
            return Err(EventError::Syntax("expected { … }".to_owned()));
        }
        let text = |name: &str| record.get(name).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned);
        let time = text("eventTime").and_then(|time| OffsetDateTime::parse(&time, &Rfc3339).ok());
        let identity = record.get("userIdentity").unwrap_or(&Value::Null);
        let principal = Principal::of_user_identity(identity);
        let account = text("recipientAccountId").or_else(|| principal.account.clone());
        Ok(Self {
            id: text("eventID").ok_or(EventError::Missing("eventID"))?,
            time: whole_seconds(time.ok_or(EventError::Missing("eventTime"))?),
            source: text("eventSource").ok_or(EventError::Missing("eventSource"))?,
            name: text("eventName").ok_or(EventError::Missing("eventName"))?,
            account: account.and_then(|id| id.parse().ok()).ok_or(EventError::Missing("recipientAccountId"))?,
            region: text("awsRegion").and_then(|region| region.parse().ok()).unwrap_or(Region::GLOBAL),
            principal,
            source_address: text("sourceIPAddress"),
            user_agent: text("userAgent"),
            error_code: text("errorCode"),
            request_id: text("requestID"),
            read_only: record.get("readOnly").and_then(truth),
            request: Payload::read(record.get("requestParameters")),
            response: Payload::read(record.get("responseElements")),
            additional: Payload::read(record.get("additionalEventData")),
        })
    }

    /// Whether it is of a source and name: `event.is("codepipeline", "UpdatePipeline")`.
    #[must_use]
    pub fn is(&self, service: &str, name: &str) -> bool {
        self.name == name && self.source.strip_suffix(".amazonaws.com") == Some(service)
    }

    /// Whether the call did what it asked for.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.error_code.is_none()
    }

    /// Whether `CodePipeline` made the call, as far as the record itself tells: by its own name as the caller.
    #[must_use]
    pub fn is_called_by(&self, service: &str) -> bool {
        let host = format!("{service}.amazonaws.com");
        [&self.principal.invoked_by, &self.source_address, &self.user_agent].into_iter().flatten().any(|it| *it == host)
    }
}

/// `true`, `"true"`.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Some sources add fractions that the trail's own files do not have.
fn whole_seconds(time: OffsetDateTime) -> OffsetDateTime {
    let time = time.to_offset(time::UtcOffset::UTC);
    time.replace_nanosecond(0).unwrap_or(time)
}

/// Names of members that hold what somebody wrote for others to read.
const FREE_TEXT: &[&str] = &["commitMessage", "description", "reason", "summary", "title"];

/// Names of members whose whole value goes: approval tokens, scripts, files, policies, secrets of connections.
const NEVER_KEPT: &[&str] = &[
    "bucketPolicy",
    "buildspec",
    "buildspecOverride",
    "clientRequestToken",
    "command",
    "content",
    "continuationToken",
    "fileContent",
    "policy",
    "policyDocument",
    "registryCredentialOverride",
    "secretToken",
    "token",
];

/// The payload without values that are or look like secrets. Texts are judged by name and form, as in an inventory.
fn without_secrets(value: &Value) -> Value {
    redacted("", value, false)
}

fn redacted(name: &str, value: &Value, is_tag: bool) -> Value {
    if NEVER_KEPT.contains(&name) && !value.is_null() {
        return Value::from(REDACTED);
    }
    match value {
        Value::Object(members) => {
            let word = |key: &str| members.get(key).and_then(Value::as_str);
            let is_tag = is_tag || name == "tags";
            // A variable is the object with both, wherever it stands; its value is judged by its own name.
            let variable = if is_tag { None } else { word("name") };
            let members = members.iter().map(|(key, member)| {
                let kept = match (key.as_str(), variable, plain(member)) {
                    ("value" | "defaultValue", Some(variable), Some(text)) => {
                        Value::from(variable_value(variable, word("type"), &text))
                    }
                    _ => redacted(key, member, is_tag),
                };
                (key.clone(), kept)
            });
            Value::Object(members.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| redacted(name, item, is_tag)).collect()),
        Value::String(text) if FREE_TEXT.contains(&name) => Value::from(first_line(text).unwrap_or_default()),
        Value::String(text) if text.contains("://") && !text.contains(char::is_whitespace) => {
            Value::from(configuration_value(name, &source_location(text)))
        }
        Value::String(text) => Value::from(configuration_value(name, text)),
        other => other.clone(),
    }
}

/// A text or number as text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record() -> Value {
        json!({
            "eventVersion": "1.11", "eventID": "3c1e", "eventTime": "2026-06-10T10:55:03Z",
            "eventSource": "codepipeline.amazonaws.com", "eventName": "PutApprovalResult", "awsRegion": "eu-west-1",
            "recipientAccountId": "111122223333", "readOnly": "false",
            "userIdentity": {"type": "IAMUser", "userName": "carol", "accountId": "111122223333"},
            "requestParameters": {"pipelineName": "web", "result": {"status": "Approved", "summary": ""}, "token": "t-1"},
            "responseElements": {"approvedAt": "Jun 10, 2026 10:55:03 AM"}
        })
    }

    #[test]
    fn a_record_is_read_and_its_token_is_not() {
        let event = Event::from_value(&record()).unwrap();
        assert!(event.is("codepipeline", "PutApprovalResult") && event.succeeded());
        assert_eq!(event.request.text(&["result", "status"]).as_deref(), Some("Approved"));
        assert_eq!(event.request.text(&["token"]).as_deref(), Some(REDACTED));
        assert_eq!(event.read_only, Some(false));
        assert_eq!(event.principal.person().as_deref(), Some("111122223333/carol"));
    }

    #[test]
    fn what_was_too_large_says_so() {
        let mut record = record();
        record["requestParameters"] =
            json!({"reason": "requestParameters too large", "omitted": "true", "originalSize": "149893"});
        let event = Event::from_value(&record).unwrap();
        assert_eq!(event.request, Payload::Omitted { original_size: Some(149_893) });
        assert!(event.request.is_omitted());
    }

    #[test]
    fn secrets_do_not_come_through() {
        let mut record = record();
        record["requestParameters"] = json!({
            "projectName": "web", "buildspecOverride": "curl x",
            "environmentVariablesOverride": [{"name": "DB_PASSWORD", "type": "PLAINTEXT", "value": "hunter2"}],
            "sourceLocationOverride": "https://user:pass@example.com/web.git",
            "configuration": {"OAuthToken": "ghp_0123456789abcdefghij0123456789abcdef"},
            "variables": [{"name": "STAGE", "value": "started-with"}, {"name": "PIN", "value": 4711}],
            "pipeline": {"variables": [{"name": "STAGE", "defaultValue": "by-default", "description": "where to"}]},
            "build": {"exportedEnvironmentVariables": [{"name": "VERSION", "value": "built-version"}]},
            "commitMessage": "fix: retry\n\nlong-story", "summary": "password=swordfish",
            "fileContent": "file-bytes", "revision": {"string": {"content": "spec-text"}},
            "policyDocument": "statement-a", "bucketPolicy": {"Statement": ["statement-b"]}, "policy": "statement-c",
            "tags": [{"name": "team", "value": "payments"}]
        });
        let text = serde_json::to_string(&Event::from_value(&record).unwrap()).unwrap();
        for secret in [
            "hunter2",
            "curl x",
            "pass@",
            "ghp_",
            "started-with",
            "4711",
            "by-default",
            "built-version",
            "long-story",
            "swordfish",
            "file-bytes",
            "spec-text",
            "statement-",
        ] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        for kept in ["example.com/web.git", "fix: retry", "where to", "payments"] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
    }

    #[test]
    fn a_time_has_no_fractions() {
        let mut record = record();
        record["eventTime"] = json!("2026-06-10T12:55:03.987+02:00");
        let expected = time::macros::datetime!(2026-06-10 10:55:03 UTC);
        assert_eq!(Event::from_value(&record).unwrap().time, expected);
    }

    #[test]
    fn a_record_without_the_necessary_is_an_error_that_says_which() {
        for (field, name) in [("eventID", "eventID"), ("eventTime", "eventTime"), ("eventName", "eventName")] {
            let mut record = record();
            record[field] = Value::Null;
            assert_eq!(Event::from_value(&record), Err(EventError::Missing(name)));
        }
        assert!(matches!(Event::from_json(b"[]"), Err(EventError::Syntax(_))));
    }
}
