//! The runs in a folder.
//!
//! In: the folder that keeps the runs. Out: each of them with what its manifest says, oldest first; a run that cannot be
//! read is listed with the reason and never left out.

use std::path::{Path, PathBuf};

use super::directory::{RUNS, run_ids};
use super::stored_report::{STORED_REPORT, over_time_of};
use super::{FAILED, MANIFEST, Manifest, RunDirectory, RunError, RunId, SIGNATURE};
use crate::report::{FORMATS, OverTime};

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

    /// A file that only a run with a manifest has, in one that has none: the manifest was taken away, or the run was
    /// killed between its last report and its manifest. A run that failed has reports, but no signature.
    #[must_use]
    pub fn left_by_a_manifest(&self) -> Option<&'static str> {
        let reports = FORMATS.iter().map(|format| format.file_name());
        let mut telling: Vec<&'static str> = vec![SIGNATURE];
        match self.state {
            RunState::Unfinished => telling.extend([STORED_REPORT].into_iter().chain(reports)),
            RunState::Failed(_) => {}
            RunState::Finished(_) | RunState::Unreadable(_) => return None,
        }
        telling.into_iter().find(|name| self.path.join(name).exists())
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
    RunDirectory::open(&run_folder(name, out))
}

/// Where a run would be that is named by its folder, or by its id in the folder that keeps the runs.
#[must_use]
pub fn run_folder(name: &Path, out: &Path) -> PathBuf {
    let by_id = name.to_str().and_then(|name| name.parse::<RunId>().ok()).map(|id| out.join(RUNS).join(id.as_str()));
    by_id.filter(|_| !name.exists()).unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::run::test_runs::Made;

    #[test]
    fn a_run_whose_manifest_was_taken_away_still_tells_of_it() {
        let out = tempfile::tempdir().unwrap();
        let made = Made::of("20261121T020000Z");
        let run = RunDirectory::create(out.path(), made.plan(json!({}))).unwrap();
        let left = || list(out.path()).unwrap().remove(0).left_by_a_manifest();
        assert_eq!(left(), None, "an unfinished run has nothing yet");
        made.finish(&run, &[]);
        assert_eq!(left(), None);
        fs::remove_file(run.path().join(MANIFEST)).unwrap();
        assert_eq!(left(), Some(STORED_REPORT));
        fs::remove_file(run.path().join(STORED_REPORT)).unwrap();
        assert_eq!(left(), Some("coverage.csv"));
        fs::write(run.path().join(FAILED), "no account").unwrap();
        assert_eq!(left(), None, "a run that failed has reports");
        fs::write(run.path().join(SIGNATURE), "{}").unwrap();
        assert_eq!(left(), Some(SIGNATURE));
    }

    #[test]
    fn a_run_is_named_by_its_id_or_its_folder() {
        let out = tempfile::tempdir().unwrap();
        let id = "20261121T020000Z";
        Made::of(id).make(out.path(), json!({}));
        let folder = out.path().join(RUNS).join(id);
        for name in [Path::new(id), &folder] {
            assert_eq!(find_run(name, out.path()).unwrap().path(), folder);
        }
    }
}
