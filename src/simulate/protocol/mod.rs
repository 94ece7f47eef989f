//! The wire: four protocols around the same operations.
//!
//! In: bytes of a request body, or an answer as JSON with marked timestamps. Out: the input as JSON, or bytes as the
//! protocol has them. Operations never see which protocol they answer.

mod cbor;
mod json;
mod query;

use serde_json::Value;
use time::OffsetDateTime;

pub(super) use query::{REQUEST_ID, decode as decode_form, escape, unescape};

/// An error that AWS would answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl ApiError {
    pub(super) fn new(status: u16, code: &'static str, message: String) -> Self {
        Self { status, code, message }
    }

    /// An input that does not fit.
    pub(super) fn invalid(message: String) -> Self {
        Self::new(400, "ValidationException", message)
    }
}

/// Which protocol a caller speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// `awsJson1_0` or `awsJson1_1`.
    Json { newer: bool },
    /// `restJson1`; only Account Management.
    RestJson,
    /// `rpcv2Cbor`.
    Cbor,
    /// `awsQuery`.
    Query,
    /// `restXml`; only S3.
    RestXml,
}

/// A body with its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) content_type: &'static str,
}

const XML: &str = "text/xml";

/// Marks a text as a moment; no other text of an answer begins with it.
const MOMENT: &str = "\u{0}moment:";

/// A moment in an answer, which each protocol writes in its own way.
pub(super) fn timestamp(moment: OffsetDateTime) -> Value {
    Value::String(format!("{MOMENT}{}", moment.unix_timestamp()))
}

/// Seconds since 1970, if the text is a marked moment.
fn moment(text: &str) -> Option<i64> {
    text.strip_prefix(MOMENT)?.parse().ok()
}

impl Protocol {
    /// Reads an input.
    pub(super) fn decode(self, body: &[u8]) -> Result<Value, ApiError> {
        match self {
            Self::Json { .. } | Self::RestJson => json::decode(body),
            Self::Cbor => cbor::decode(body),
            Self::Query | Self::RestXml => Ok(query::decode(body)),
        }
    }

    /// Writes an answer of `operation`.
    pub(super) fn encode(self, operation: &str, answer: &Value) -> Body {
        match self {
            Self::Json { newer } => Body { bytes: json::encode(answer), content_type: json_type(newer) },
            Self::RestJson => Body { bytes: json::encode(answer), content_type: "application/json" },
            Self::Cbor => Body { bytes: cbor::encode(answer), content_type: "application/cbor" },
            Self::Query | Self::RestXml => Body { bytes: query::encode(operation, answer), content_type: XML },
        }
    }

    /// Writes an error.
    pub(super) fn encode_error(self, error: &ApiError) -> Body {
        match self {
            Self::Json { newer } => Body { bytes: json::encode_error(error), content_type: json_type(newer) },
            Self::RestJson => Body { bytes: json::encode_error(error), content_type: "application/json" },
            Self::Cbor => Body { bytes: cbor::encode_error(error), content_type: "application/cbor" },
            Self::Query => Body { bytes: query::encode_error(error), content_type: XML },
            Self::RestXml => Body { bytes: query::encode_rest_error(error), content_type: "application/xml" },
        }
    }
}

fn json_type(newer: bool) -> &'static str {
    if newer { "application/x-amz-json-1.1" } else { "application/x-amz-json-1.0" }
}
