//! `manifest.json`: what a run is made of.
//!
//! In: the folder of a run whose reports are written. Out: size and SHA-256 of every file, the counts, and the hash of
//! the manifest of the run before, so that the runs of an organization form a chain that cannot be changed in the middle
//! without showing.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::plan::read_versioned;
use super::signature::SIGNATURE;
use super::{RunError, RunId, SCHEMA_VERSION};
use crate::finding::hex;
use crate::inventory::CallCounts;
use crate::report::{Counts, RunInfo};

/// Name of the file.
pub const MANIFEST: &str = "manifest.json";

/// One file of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Relative to the run's folder, with `/`.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// Hex.
    pub sha256: String,
}

/// The link to the run before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviousRun {
    /// Its id.
    pub run_id: RunId,
    /// SHA-256 of its manifest, hex.
    pub manifest_sha256: String,
}

/// What a finished run is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Shape of the file.
    pub schema_version: u32,
    /// Which run, by which pipewarden and policies.
    pub run: RunInfo,
    /// [`super::Plan::question`]
    pub question: String,
    /// The configuration as resolved.
    pub config: Value,
    /// All findings counted.
    pub counts: Counts,
    /// All calls by their end.
    pub calls: CallCounts,
    /// Accounts of the run.
    pub accounts: u64,
    /// Accounts and Regions left out on purpose.
    pub skipped: u64,
    /// Things that could not be seen.
    pub gaps: u64,
    /// The run before, if there is one in the same folder.
    pub previous: Option<PreviousRun>,
    /// Every file but the manifest, by path.
    pub files: Vec<FileEntry>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`RunError`] if it is missing, damaged or in another version's shape.
    pub fn read(path: &Path) -> Result<Self, RunError> {
        let bytes = fs::read(path).map_err(RunError::io("read", path))?;
        read_versioned(path, &bytes)
    }

    pub(super) const VERSION: u32 = SCHEMA_VERSION;
}

/// Size and hash of a file, read in pieces.
pub(super) fn hash_file(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut piece)?;
        let Some(part) = piece.get(..read).filter(|part| !part.is_empty()) else { break };
        hash.update(part);
        bytes += read as u64;
    }
    Ok((bytes, hex(&hash.finalize())))
}

/// All files of a run but its manifest and the signature on that, sorted by their relative path.
pub(super) fn files_in(run: &Path) -> Result<Vec<(String, PathBuf)>, RunError> {
    let mut files = Vec::new();
    let mut folders = vec![(String::new(), run.to_owned())];
    while let Some((prefix, folder)) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(RunError::io("list", &folder))? {
            let entry = entry.map_err(RunError::io("list", &folder))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(RunError::io("look at", &path))?;
            let relative = match entry.file_name().to_str() {
                Some(name) => format!("{prefix}{name}"),
                None => return Err(foreign(path)),
            };
            if kind.is_dir() {
                folders.push((format!("{relative}/"), path));
            } else if !kind.is_file() {
                return Err(foreign(path));
            } else if relative != MANIFEST && relative != SIGNATURE {
                files.push((relative, path));
            }
        }
    }
    files.sort();
    Ok(files)
}

fn foreign(path: PathBuf) -> RunError {
    RunError::Invalid {
        path,
        problem: "is not a plain file with a readable name".to_owned(),
        hint: "pipewarden writes no such thing into a run, move it away",
    }
}

/// Every file of a run with size and hash.
pub(super) fn entries_of(run: &Path) -> Result<Vec<FileEntry>, RunError> {
    files_in(run)?
        .into_par_iter()
        .with_max_len(1)
        .map(|(relative, path)| {
            let (bytes, sha256) = hash_file(&path).map_err(RunError::io("read", &path))?;
            Ok(FileEntry { path: relative, bytes, sha256 })
        })
        .collect()
}
