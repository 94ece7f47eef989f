//! What came of every delivery of a run: a table for people, a file for programs.
//!
//! In: the result of each delivery. Out: [`Outcome`]s, and `<out>/deliveries/<run-id>.json` with the newest outcome of
//! every delivery of that run. It lies beside the runs, because a sealed run is never changed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Delivered, DeliveryError};
use crate::inventory::json_lines::PendingFile;
use crate::report::visible;

/// Version of the shape of the file.
const SCHEMA_VERSION: u32 = 1;
const FOLDER: &str = "deliveries";

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The receiver has everything.
    Delivered,
    /// The receiver refused some of it.
    Incomplete,
    /// It came to nothing, or broke off.
    Failed,
}

impl Status {
    /// As the file writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
        }
    }
}

/// What came of one delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// What the configuration calls it.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Where it goes.
    pub receiver: String,
    /// How it ended.
    pub status: Status,
    /// RFC 3339.
    pub at: String,
    /// [`Delivered::sent`]
    pub sent: u64,
    /// [`Delivered::unchanged`]
    pub unchanged: u64,
    /// [`Delivered::refused`]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Outcome {
    pub(super) fn of(
        name: &str,
        kind: &str,
        receiver: String,
        at: &str,
        result: Result<Delivered, DeliveryError>,
    ) -> Self {
        let (delivered, problem) = match result {
            Ok(delivered) => (delivered, None),
            Err(error) => (Delivered::default(), Some(error.to_string())),
        };
        let status = match (&problem, delivered.refused.is_empty()) {
            (Some(_), _) => Status::Failed,
            (None, false) => Status::Incomplete,
            (None, true) => Status::Delivered,
        };
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            receiver,
            status,
            at: at.to_owned(),
            sent: delivered.sent,
            unchanged: delivered.unchanged,
            refused: delivered.refused,
            problem,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    schema_version: u32,
    run_id: String,
    deliveries: Vec<Outcome>,
}

fn path_of(out: &Path, run_id: &str) -> PathBuf {
    out.join(FOLDER).join(format!("{run_id}.json"))
}

/// The newest outcome of every delivery of a run, by name; none if nothing was ever delivered.
///
/// # Errors
/// [`DeliveryError::Memory`] if the file cannot be read.
pub fn read_record(out: &Path, run_id: &str) -> Result<Vec<Outcome>, DeliveryError> {
    let path = path_of(out, run_id);
    let read = || match fs::read(&path) {
        Ok(bytes) => Ok(serde_json::from_slice::<Record>(&bytes)?.deliveries),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    read().map_err(failed("read", &path))
}

/// Writes outcomes down; those of deliveries that did not run this time stay.
///
/// # Errors
/// [`DeliveryError::Memory`] if the file cannot be read or written.
pub fn write_record(out: &Path, run_id: &str, outcomes: &[Outcome]) -> Result<PathBuf, DeliveryError> {
    let path = path_of(out, run_id);
    let earlier = read_record(out, run_id)?;
    let all: BTreeMap<&str, &Outcome> =
        earlier.iter().chain(outcomes).map(|outcome| (outcome.name.as_str(), outcome)).collect();
    let record = Record {
        schema_version: SCHEMA_VERSION,
        run_id: run_id.to_owned(),
        deliveries: all.into_values().cloned().collect(),
    };
    let write = || {
        fs::create_dir_all(out.join(FOLDER))?;
        let mut file = PendingFile::create(&path)?;
        serde_json::to_writer_pretty(&mut file, &record)?;
        file.write_all(b"\n")?;
        file.keep()
    };
    write().map_err(failed("write", &path))?;
    Ok(path)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DeliveryError {
    let path = path.display().to_string();
    move |source| DeliveryError::Memory { action, path, source }
}

/// Refusals that the table names; the file has more.
const MOST_REFUSALS: usize = 5;

/// A table for a terminal, one line per delivery, with what went wrong below it.
#[must_use]
pub fn table(outcomes: &[Outcome]) -> String {
    let width = |text: &dyn Fn(&Outcome) -> usize| outcomes.iter().map(text).max().unwrap_or(0);
    let (name, kind) = (width(&|o| o.name.len()).max(8), width(&|o| o.kind.len()).max(4));
    let mut text = format!(
        "{:name$}  {:kind$}  {:10}  {:>8}  {:>9}  {:>7}  receiver\n",
        "delivery", "kind", "status", "sent", "unchanged", "refused"
    );
    for outcome in outcomes {
        let _ = writeln!(
            text,
            "{:name$}  {:kind$}  {:10}  {:>8}  {:>9}  {:>7}  {}",
            outcome.name,
            outcome.kind,
            outcome.status.as_str(),
            outcome.sent,
            outcome.unchanged,
            outcome.refused.len(),
            visible(&outcome.receiver),
        );
        let refused = outcome.refused.iter().take(MOST_REFUSALS);
        for line in outcome.problem.iter().chain(refused) {
            let _ = writeln!(text, "    {}", visible(line));
        }
        if outcome.refused.len() > MOST_REFUSALS {
            let _ = writeln!(text, "    and {} more", outcome.refused.len() - MOST_REFUSALS);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &str, result: Result<Delivered, DeliveryError>) -> Outcome {
        Outcome::of(name, "sns", "arn:…".to_owned(), "2026-11-21T02:00:00Z", result)
    }

    #[test]
    fn the_newest_outcome_of_each_delivery_is_kept() {
        let out = tempfile::tempdir().unwrap();
        let broken = || DeliveryError::Receiver {
            receiver: "x".to_owned(),
            problem: "no".to_owned(),
            hint: "mend it".to_owned(),
        };
        let refused = Delivered { sent: 1, unchanged: 2, refused: vec!["a finding".to_owned()] };
        write_record(out.path(), "r", &[outcome("a", Err(broken())), outcome("b", Ok(refused))]).unwrap();
        write_record(out.path(), "r", &[outcome("a", Ok(Delivered { sent: 3, ..Delivered::default() }))]).unwrap();
        let read = read_record(out.path(), "r").unwrap();
        let told: Vec<(&str, Status, u64)> = read.iter().map(|o| (o.name.as_str(), o.status, o.sent)).collect();
        assert_eq!(told, [("a", Status::Delivered, 3), ("b", Status::Incomplete, 1)]);
        assert!(read_record(out.path(), "other").unwrap().is_empty());
    }

    #[test]
    fn the_table_names_what_went_wrong_and_hides_nothing_odd() {
        let refused = (0..7).map(|nth| format!("refused {nth}\u{1b}[31m")).collect();
        let text = table(&[outcome("a", Ok(Delivered { refused, ..Delivered::default() }))]);
        assert!(text.contains("incomplete") && text.contains("refused 4") && text.contains("and 2 more"), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains("refused 5"), "{text}");
    }
}
