//! What one stage hands to the next, beside the runs: it is no part of the run, and no evidence.
//!
//! ```text
//! <out>/stages/<run-id>/accounts.json      items of the stage `account`, one per account
//! <out>/stages/<run-id>/references.json    what accounts name of each other
//! <out>/stages/<run-id>/referenced.json    items of the stage `referenced`
//! ```

use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::failure::Failure;
use super::Stage;
use crate::inventory::json_lines::PendingFile;
use crate::run::RunId;

/// Folder beside the runs.
const FOLDER: &str = "stages";
/// Items of the stage `account`.
pub(super) const ACCOUNTS: &str = "accounts.json";
/// What accounts name of each other.
pub(super) const REFERENCES: &str = "references.json";
/// Items of the stage `referenced`.
pub(super) const REFERENCED: &str = "referenced.json";

/// The file's name in the folder that keeps the runs.
pub(super) fn name_of(run_id: &RunId, name: &str) -> String {
    format!("{FOLDER}/{run_id}/{name}")
}

pub(super) fn write<T: Serialize>(out: &Path, run_id: &RunId, name: &str, items: &T) -> Result<(), Failure> {
    let path = out.join(name_of(run_id, name));
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = PendingFile::create(&path)?;
        serde_json::to_writer(&mut file, items)?;
        file.write_all(b"\n")?;
        file.keep()
    };
    write().map_err(|error: std::io::Error| Failure::because(format!("{} cannot be written: {error}", path.display())))
}

/// What a stage before this one handed over.
pub(super) fn read<T: DeserializeOwned>(out: &Path, run_id: &RunId, name: &str) -> Result<T, Failure> {
    let path = out.join(name_of(run_id, name));
    let unreadable = |problem: String| {
        Failure::because(format!(
            "{} cannot be read: {problem}; the stage that writes it has to come first: `pipewarden collect --run {run_id} --references`",
            path.display()
        ))
    };
    let bytes = fs::read(&path).map_err(|error| unreadable(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))
}

/// The answer of a stage that hands items to a map.
pub(super) fn answer(run_id: &RunId, place: &Value, items: &[Stage]) -> Value {
    json!({"runId": run_id, "accounts": place, "count": items.len()})
}
