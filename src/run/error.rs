//! Everything that can go wrong with a run directory, and how to mend it.

use std::io;
use std::path::{Path, PathBuf};

use super::{RunId, SCHEMA_VERSION};
use crate::inventory::file::InventoryFileError;

/// A run directory that cannot be made, read or finished.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Not a run id.
    #[error("`{0}` is not a run id: expected a UTC time such as `20261121T020000Z`")]
    RunId(String),
    /// The folder for runs cannot be written.
    #[error(
        "cannot write to {}: {source}; name a folder that this user may write, or change the owner of this one",
        path.display()
    )]
    NotWritable {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A run of this id is there already.
    #[error("run {run_id} is already there at {}; start again in a second, or choose another folder", path.display())]
    Exists {
        /// The id.
        run_id: RunId,
        /// Its folder.
        path: PathBuf,
    },
    /// Another process works in the same folder.
    #[error("another pipewarden is at work in {}; wait until it has ended, or choose another folder", path.display())]
    Locked {
        /// The folder for runs.
        path: PathBuf,
    },
    /// The folder is not a run.
    #[error("{} is not a run: it has no {missing}; expected a folder such as `<out>/runs/20261121T020000Z`", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// The file that every run has.
        missing: &'static str,
    },
    /// A finished run is evidence and is not written again.
    #[error("run {run_id} is finished, and its files are evidence; start a new run instead")]
    Finished {
        /// The id.
        run_id: RunId,
    },
    /// A part of an inventory has no proper name.
    #[error("`{0}` cannot name a part of an inventory: expected lowercase letters, digits and hyphens")]
    Part(String),
    /// A file of the run is not what it should be.
    #[error("{} {problem}; {hint}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// How to mend it.
        hint: &'static str,
    },
    /// A file of the run is in another version's shape.
    #[error(
        "{} has schema version {found}, but this pipewarden reads version {SCHEMA_VERSION}; \
         use the pipewarden that wrote it, or start a new run",
        path.display()
    )]
    SchemaVersion {
        /// The file.
        path: PathBuf,
        /// The version it says.
        found: u64,
    },
    /// An inventory of the run.
    #[error(transparent)]
    Inventory(#[from] InventoryFileError),
    /// Findings came in the wrong order, which would make reports depend on chance.
    #[error(
        "finding {id} ({control} on {resource}) came after one that sorts behind it or is the same; sort findings by `Finding::sort_key`"
    )]
    Order {
        /// The finding's id.
        id: String,
        /// Its control.
        control: String,
        /// Its resource.
        resource: String,
    },
    /// A report could not be written.
    #[error("cannot write the {format} report to {}: {source}", path.display())]
    Report {
        /// [`crate::report::ReportFormat::name`]
        format: &'static str,
        /// The file.
        path: PathBuf,
        /// What the format or the system said.
        source: io::Error,
    },
    /// The findings of a run cannot be read on; the message names the file.
    #[error("the findings of a run cannot be read: {0}")]
    Findings(#[from] io::Error),
    /// The disk refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl RunError {
    /// For `map_err`: what was tried with which file.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(super) fn not_writable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::NotWritable { path, source }
    }
}
