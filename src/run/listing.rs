//! The runs in a folder.
//!
//! In: the folder that keeps the runs. Out: each of them with what its manifest says, oldest first; a run that cannot be
//! read is listed with the reason and never left out.

use std::path::{Path, PathBuf};

use super::directory::{RUNS, run_ids};
use super::stored_report::{STORED_REPORT, over_time_of};
use super::{FAILED, MANIFEST, Manifest, RunDirectory, RunError, RunId};
use crate::report::OverTime;

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedRun {
    /// Its id.
    pub run_id: RunId,
    /// Its folder.
    pub path: PathBuf,
    /// How it stands.
    pub state: RunState,
}

/// How a run stands.
#[derive(Debug, Clone, PartialEq)]
pub enum RunState {
    /// It has its manifest.
    Finished(Box<Manifest>),
    /// It ended without a verdict: why.
    Failed(String),
    /// It was not finished yet, or never will be.
    Unfinished,
    /// Its manifest cannot be read: why.
    Unreadable(String),
}

impl ListedRun {
    fn at(path: PathBuf, run_id: RunId) -> Self {
        let manifest = path.join(MANIFEST);
        let state = if manifest.is_file() {
            match Manifest::read(&manifest) {
                Ok(manifest) => RunState::Finished(Box::new(manifest)),
                Err(error) => RunState::Unreadable(error.to_string()),
            }
        } else if path.join(FAILED).is_file() {
            let failure = RunDirectory::open(&path).ok().and_then(|run| run.failure());
            RunState::Failed(failure.unwrap_or_default())
        } else {
            RunState::Unfinished
        };
        Self { run_id, path, state }
    }

    /// The manifest of a finished run.
    #[must_use]
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.state {
            RunState::Finished(manifest) => Some(manifest),
            _ => None,
        }
    }

    /// How it stood among the runs before it; nothing for a run of a version that compared none.
    #[must_use]
    pub fn over_time(&self) -> Option<OverTime> {
        self.manifest()?;
        over_time_of(&self.path.join(STORED_REPORT)).ok()
    }
}

/// All runs in the folder that keeps them, oldest first.
///
/// # Errors
/// [`RunError`] if the folder cannot be listed.
pub fn list(out: &Path) -> Result<Vec<ListedRun>, RunError> {
    let runs = out.join(RUNS);
    Ok(run_ids(&runs)?.into_iter().map(|id| ListedRun::at(runs.join(id.as_str()), id)).collect())
}

/// A run by its folder, or by its id in the folder that keeps the runs.
///
/// # Errors
/// [`RunError`] if it is not there, or no run.
pub fn find_run(name: &Path, out: &Path) -> Result<RunDirectory, RunError> {
    let by_id = name.to_str().and_then(|name| name.parse::<RunId>().ok()).map(|id| out.join(RUNS).join(id.as_str()));
    match by_id {
        Some(path) if !name.exists() => RunDirectory::open(&path),
        _ => RunDirectory::open(name),
    }
}
