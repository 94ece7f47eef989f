//! `awsQuery` and S3's XML: form-encoded inputs, answers in XML, moments as ISO 8601.

use std::fmt::Write;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{ApiError, moment};

/// Reads a form or a query string; `Names.member.1=x` becomes a list.
pub(in super::super) fn decode(body: &[u8]) -> Value {
    let text = String::from_utf8_lossy(body);
    let mut fields = Map::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (unescape(name), unescape(value));
        match name.split_once(".member.") {
            // Members of lists come in order; lists of structures are not needed here.
            Some((list, _)) => {
                let items = fields.entry(list.to_owned()).or_insert_with(|| Value::Array(Vec::new()));
                if let Some(items) = items.as_array_mut() {
                    items.push(Value::String(value));
                }
            }
            None => {
                fields.insert(name, Value::String(value));
            }
        }
    }
    Value::Object(fields)
}

/// Undoes form encoding.
pub(in super::super) fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let hex = [rest.next(), rest.next()];
                let value = hex
                    .into_iter()
                    .map(|digit| digit.and_then(|digit| char::from(digit).to_digit(16)))
                    .try_fold(0_u32, |sum, digit| digit.map(|digit| sum * 16 + digit));
                bytes.push(value.and_then(|value| u8::try_from(value).ok()).unwrap_or(b'?'));
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Makes a text fit for XML.
pub(in super::super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

pub(super) fn encode(operation: &str, answer: &Value) -> Vec<u8> {
    let mut text =
        format!("<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result>");
    write_value(&mut text, answer);
    let _ = write!(
        text,
        "</{operation}Result><ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata></{operation}Response>"
    );
    text.into_bytes()
}

/// The id of every request; nothing here depends on it.
pub(in super::super) const REQUEST_ID: &str = "00000000-0000-4000-8000-000000000000";

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    // The entries of a map stand one after the other, without an element around them.
                    Value::Array(entries) if name == "entry" => {
                        for entry in entries {
                            write_element(text, name, entry);
                        }
                    }
                    _ => write_element(text, name, value),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                write_element(text, "member", item);
            }
        }
        Value::String(string) => match moment(string).and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok()) {
            Some(moment) => text.push_str(&moment.format(&Rfc3339).unwrap_or_default()),
            None => text.push_str(&escape(string)),
        },
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => {
            let _ = write!(text, "{number}");
        }
    }
}

fn write_element(text: &mut String, name: &str, value: &Value) {
    let _ = write!(text, "<{name}>");
    write_value(text, value);
    let _ = write!(text, "</{name}>");
}

pub(super) fn encode_error(error: &ApiError) -> Vec<u8> {
    let kind = if error.status < 500 { "Sender" } else { "Receiver" };
    format!(
        "<ErrorResponse><Error><Type>{kind}</Type><Code>{}</Code><Message>{}</Message></Error><RequestId>{REQUEST_ID}</RequestId></ErrorResponse>",
        error.code,
        escape(&error.message)
    )
    .into_bytes()
}

pub(super) fn encode_rest_error(error: &ApiError) -> Vec<u8> {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message><RequestId>{REQUEST_ID}</RequestId></Error>",
        error.code,
        escape(&error.message)
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::super::timestamp;
    use super::*;

    #[test]
    fn forms_become_fields_and_lists() {
        let body = b"Action=DescribeAlarms&AlarmNames.member.1=a%2Fb&AlarmNames.member.2=c+d";
        assert_eq!(decode(body), json!({ "Action": "DescribeAlarms", "AlarmNames": ["a/b", "c d"] }));
        assert_eq!(unescape("%zz%2"), "??");
    }

    #[test]
    fn answers_are_elements() {
        let answer = json!({ "Arn": "a<b", "At": timestamp(datetime!(2026-11-21 00:00 UTC)), "Names": ["x", "y"] });
        let text = String::from_utf8(encode("AssumeRole", &answer)).unwrap();
        assert!(text.starts_with("<AssumeRoleResponse "), "{text}");
        assert!(text.contains("<Arn>a&lt;b</Arn><At>2026-11-21T00:00:00Z</At>"), "{text}");
        assert!(text.contains("<Names><member>x</member><member>y</member></Names></AssumeRoleResult>"), "{text}");
    }

    #[test]
    fn entries_of_a_map_stand_one_after_the_other() {
        let entry = |key: &str| json!({ "key": key, "value": "v" });
        let answer = json!({ "Attributes": { "entry": [entry("a"), entry("b")] } });
        let text = String::from_utf8(encode("GetTopicAttributes", &answer)).unwrap();
        let entries = "<entry><key>a</key><value>v</value></entry><entry><key>b</key><value>v</value></entry>";
        assert!(text.contains(&format!("<Attributes>{entries}</Attributes>")), "{text}");
    }

    #[test]
    fn errors_have_the_shape_of_each_protocol() {
        let error = ApiError::new(503, "SlowDown", "reduce <your> rate".to_owned());
        let query = String::from_utf8(encode_error(&error)).unwrap();
        assert!(query.contains("<ErrorResponse><Error><Type>Receiver</Type><Code>SlowDown</Code>"), "{query}");
        let rest = String::from_utf8(encode_rest_error(&error)).unwrap();
        assert!(rest.contains("<Error><Code>SlowDown</Code><Message>reduce &lt;your&gt; rate</Message>"), "{rest}");
    }
}
