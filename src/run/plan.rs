//! `plan.json`: what a run was asked, written before anything else.
//!
//! In: the start time and everything that decides what the answer is. Out: a file that makes a resume possible and safe:
//! only the same question by the same pipewarden is continued.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{RunError, RunId, SCHEMA_VERSION};
use crate::finding::hex;
use crate::report::RunInfo;

/// Name of the file.
pub const PLAN: &str = "plan.json";

/// What a run was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Shape of the file.
    pub schema_version: u32,
    /// The run.
    pub run_id: RunId,
    /// RFC 3339; the only time that reports may show.
    pub started_at: String,
    /// Version of pipewarden.
    pub tool_version: String,
    /// Where chance is used, it begins here.
    pub seed: u64,
    /// The configuration as resolved.
    pub config: Value,
    /// SHA-256 over tool version and configuration, hex: the same question has the same one.
    pub question: String,
}

impl Plan {
    /// The plan of a run that starts now. `config` is the configuration as resolved, with whatever else decides what is
    /// asked of whom (policies' hash, filters), but not the start time.
    #[must_use]
    pub fn new(run_id: RunId, config: Value, seed: u64) -> Self {
        let tool_version = env!("CARGO_PKG_VERSION").to_owned();
        Self {
            schema_version: SCHEMA_VERSION,
            started_at: run_id.started_at(),
            run_id,
            question: Self::question_of(&tool_version, &config),
            tool_version,
            seed,
            config,
        }
    }

    /// What a report says about this run.
    #[must_use]
    pub fn run_info(&self, organization: &str, policy_hash: &str) -> RunInfo {
        RunInfo {
            run_id: self.run_id.to_string(),
            started_at: self.started_at.clone(),
            tool_version: self.tool_version.clone(),
            organization: organization.to_owned(),
            policy_hash: policy_hash.to_owned(),
        }
    }

    fn question_of(tool_version: &str, config: &Value) -> String {
        let mut hash = Sha256::new();
        hash.update(tool_version.as_bytes());
        hash.update([0]);
        let mut sorted = config.clone();
        // The order of keys says nothing, so it must not make another question of the same one.
        sorted.sort_all_objects();
        hash.update(sorted.to_string().as_bytes());
        hex(&hash.finalize())
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// [`RunError`] if it is missing, damaged or in another version's shape.
    pub(super) fn read(path: &Path) -> Result<Self, RunError> {
        let bytes = fs::read(path).map_err(RunError::io("read", path))?;
        read_versioned(path, &bytes)
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        out.write_all(b"\n")
    }
}

/// A JSON file with a `schemaVersion`; the version is looked at before the rest.
pub(super) fn read_versioned<T: for<'de> Deserialize<'de>>(path: &Path, bytes: &[u8]) -> Result<T, RunError> {
    let invalid = |problem: String| RunError::Invalid {
        path: path.to_owned(),
        problem,
        hint: "it is damaged or was not written by pipewarden, restore it or start a new run",
    };
    let value: Value = serde_json::from_slice(bytes).map_err(|error| invalid(format!("is not valid JSON: {error}")))?;
    let version = value.get("schemaVersion").and_then(Value::as_u64);
    match version {
        Some(version) if version == u64::from(SCHEMA_VERSION) => {
            serde_json::from_value(value).map_err(|error| invalid(format!("is not as expected: {error}")))
        }
        Some(found) => Err(RunError::SchemaVersion { path: path.to_owned(), found }),
        None => Err(invalid("has no schemaVersion".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan(config: Value) -> Plan {
        Plan::new("20261121T020000Z".parse().unwrap(), config, 7)
    }

    #[test]
    fn the_order_of_keys_makes_no_other_question_but_values_do() {
        let question = plan(json!({"a": 1, "b": {"c": 2, "d": 3}})).question;
        assert_eq!(plan(json!({"b": {"d": 3, "c": 2}, "a": 1})).question, question);
        assert_ne!(plan(json!({"b": {"d": 3, "c": 2}, "a": 2})).question, question);
    }

    #[test]
    fn plans_come_back_and_other_versions_do_not() {
        let plan = plan(json!({"accounts": ["111111111111"]}));
        let mut bytes = Vec::new();
        plan.write(&mut bytes).unwrap();
        assert_eq!(read_versioned::<Plan>(Path::new("plan.json"), &bytes).unwrap(), plan);
        let error = read_versioned::<Plan>(Path::new("plan.json"), b"{\"schemaVersion\": 2}").unwrap_err().to_string();
        assert!(error.contains("schema version 2") && error.contains("start a new run"), "{error}");
        let error = read_versioned::<Plan>(Path::new("plan.json"), b"{").unwrap_err().to_string();
        assert!(error.contains("not valid JSON"), "{error}");
    }
}
