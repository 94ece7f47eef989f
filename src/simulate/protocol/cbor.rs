//! `rpcv2Cbor`: moments are tag 1, errors carry `__type`.

use ciborium::Value as Cbor;
use serde_json::{Map, Value, json};

use super::{ApiError, moment};

/// The tag of seconds since 1970.
const EPOCH: u64 = 1;

/// An empty body is an empty input.
pub(super) fn decode(body: &[u8]) -> Result<Value, ApiError> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    let read: Cbor = ciborium::from_reader(body)
        .map_err(|error| ApiError::new(400, "SerializationException", format!("the body is not CBOR: {error}")))?;
    Ok(to_json(read))
}

fn to_json(value: Cbor) -> Value {
    match value {
        Cbor::Bool(flag) => Value::Bool(flag),
        Cbor::Integer(number) => i64::try_from(number).map_or(Value::Null, Value::from),
        Cbor::Float(number) => Value::from(number),
        Cbor::Text(text) => Value::String(text),
        Cbor::Tag(_, inner) => to_json(*inner),
        Cbor::Array(items) => items.into_iter().map(to_json).collect(),
        Cbor::Map(entries) => {
            let fields: Map<String, Value> = entries
                .into_iter()
                .filter_map(|(name, value)| name.into_text().ok().map(|name| (name, to_json(value))))
                .collect();
            Value::Object(fields)
        }
        _ => Value::Null,
    }
}

pub(super) fn encode(answer: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory cannot fail, and a half-written body would show at the client.
    if ciborium::into_writer(&from_json(answer), &mut bytes).is_err() {
        bytes.clear();
    }
    bytes
}

pub(super) fn encode_error(error: &ApiError) -> Vec<u8> {
    encode(&json!({ "__type": error.code, "message": error.message }))
}

fn from_json(value: &Value) -> Cbor {
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(flag) => Cbor::Bool(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Cbor::Integer(whole.into()),
            (None, Some(real)) => Cbor::Float(real),
            (None, None) => Cbor::Null,
        },
        Value::String(text) => match moment(text) {
            Some(seconds) => Cbor::Tag(EPOCH, Box::new(Cbor::Integer(seconds.into()))),
            None => Cbor::Text(text.clone()),
        },
        Value::Array(items) => Cbor::Array(items.iter().map(from_json).collect()),
        Value::Object(fields) => {
            Cbor::Map(fields.iter().map(|(name, value)| (Cbor::Text(name.clone()), from_json(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::super::timestamp;
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let answer = json!({ "names": ["a", "b"], "flag": true, "n": 3, "x": 1.5 });
        assert_eq!(decode(&encode(&answer)).unwrap(), answer);
    }

    #[test]
    fn moments_are_tagged() {
        let bytes = encode(&json!({ "t": timestamp(datetime!(2026-11-21 00:00 UTC)) }));
        // Map of one, text `t`, tag 1, unsigned of four bytes.
        assert_eq!(bytes, [0xa1, 0x61, b't', 0xc1, 0x1a, 0x6b, 0x00, 0xdf, 0x00]);
    }

    #[test]
    fn errors_carry_their_type() {
        let error = ApiError::new(400, "ThrottlingException", "slower".to_owned());
        assert_eq!(decode(&encode_error(&error)).unwrap()["__type"], "ThrottlingException");
        assert_eq!(decode(b"\xff").unwrap_err().code, "SerializationException");
    }
}
