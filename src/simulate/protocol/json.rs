//! `awsJson` and `restJson`: moments are numbers, errors carry `__type`.

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use serde_json::{Value, json};

use super::{ApiError, moment};

/// An empty body is an empty input.
pub(super) fn decode(body: &[u8]) -> Result<Value, ApiError> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(body)
        .map_err(|error| ApiError::new(400, "SerializationException", format!("the body is not JSON: {error}")))
}

pub(super) fn encode(answer: &Value) -> Vec<u8> {
    serde_json::to_vec(&Written(answer)).unwrap_or_default()
}

pub(super) fn encode_error(error: &ApiError) -> Vec<u8> {
    json!({ "__type": error.code, "message": error.message, "Message": error.message }).to_string().into_bytes()
}

/// A value whose moments are written as numbers.
struct Written<'a>(&'a Value);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::String(text) => match moment(text) {
                Some(seconds) => serializer.serialize_i64(seconds),
                None => serializer.serialize_str(text),
            },
            Value::Array(items) => {
                let mut sequence = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    sequence.serialize_element(&Written(item))?;
                }
                sequence.end()
            }
            Value::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, &Written(value))?;
                }
                map.end()
            }
            other => other.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::super::timestamp;
    use super::*;

    #[test]
    fn moments_are_seconds() {
        let answer = json!({ "at": timestamp(datetime!(2026-11-21 00:00 UTC)), "list": [1, "x"] });
        let read: Value = serde_json::from_slice(&encode(&answer)).unwrap();
        assert_eq!(read, json!({ "at": 1_795_219_200, "list": [1, "x"] }));
    }

    #[test]
    fn errors_carry_their_type_and_bodies_may_be_empty() {
        let error = ApiError::new(400, "PipelineNotFoundException", "no".to_owned());
        let read: Value = serde_json::from_slice(&encode_error(&error)).unwrap();
        assert_eq!(read["__type"], "PipelineNotFoundException");
        assert_eq!(decode(b"").unwrap(), json!({}));
        assert_eq!(decode(b"{").unwrap_err().code, "SerializationException");
    }
}
