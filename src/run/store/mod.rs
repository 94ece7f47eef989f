//! A folder that keeps runs, in a bucket.
//!
//! In: an address such as `s3://audit-runs/nightly`, and a working folder on this machine. Out: what a command needs,
//! fetched before it begins, and what it made, brought there when it has ended: the plan first, the manifest last, no file
//! of a run ever replaced by another. It exists so that a run outlives the machine that made it, and so that many machines
//! can share one. The layout is the one of a folder; the encryption and the retention are the bucket's own.

mod address;
mod error;
mod fetch;
mod objects;
mod send;
mod upload;

pub use address::StoreAddress;
pub use error::StoreError;
pub use objects::Objects;
pub use send::Sent;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Objects on their way at once. Each file in one piece is in memory whole, so this bounds memory too.
const AT_ONCE: usize = 16;

/// What was fetched, so that it is not sent back unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fetched {
    bytes: u64,
    sha256: String,
    e_tag: Option<String>,
}

/// A bucket, and the folder on this machine that stands for it.
#[derive(Debug)]
pub struct Store {
    objects: Objects,
    folder: PathBuf,
    fetched: Mutex<BTreeMap<String, Fetched>>,
}

impl Store {
    /// The working folder must exist, and be this process's own.
    #[must_use]
    pub fn new(objects: Objects, folder: &Path) -> Self {
        Self { objects, folder: folder.to_owned(), fetched: Mutex::default() }
    }

    /// The bucket.
    #[must_use]
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// The working folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn fetched(&self) -> MutexGuard<'_, BTreeMap<String, Fetched>> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
