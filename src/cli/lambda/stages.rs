//! The stages of a fan-out, as Step Functions asks for them.

use serde_json::Value;

use super::super::audit::AuditArgs;
use super::super::failure::Failure;

/// Runs one stage.
pub(super) fn run(stage: &Value, _args: &AuditArgs) -> Result<Value, Failure> {
    let word = stage.get("stage").and_then(Value::as_str).unwrap_or_default();
    Err(Failure::usage(format!("this pipewarden knows no stage `{word}`")))
}
