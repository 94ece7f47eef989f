//! A folder of this process alone, gone when it ends, unless somebody will need what is in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ring::rand::{SecureRandom, SystemRandom};

use super::super::failure::Failure;
use crate::inventory::hex;

/// How names of temporary folders begin.
const PREFIX: &str = "pipewarden-";

/// Set where the process is a function of Lambda: its folders are within nobody's reach when it has ended.
const IN_LAMBDA: &str = "AWS_LAMBDA_RUNTIME_API";
/// Set in the containers of an ECS task.
const IN_TASK: &str = "ECS_CONTAINER_METADATA_URI_V4";

/// Whether nobody could come back for what a folder holds.
pub(super) fn is_in_lambda() -> bool {
    is_set(IN_LAMBDA)
}

/// Whether a folder may be gone with the container when the program has ended.
pub(super) fn is_in_task() -> bool {
    is_set(IN_TASK)
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// Takes away what a process that was killed left. In Lambda one process at a time lives on a machine, and its temporary
/// folder outlives it.
pub(in crate::cli) fn clear_what_was_left() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) {
            // What cannot be removed now takes room, and nothing else.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A temporary folder.
#[derive(Debug)]
pub(super) struct WorkingFolder {
    path: PathBuf,
    stays: AtomicBool,
}

impl WorkingFolder {
    /// Makes one, which only this user may read.
    pub(super) fn create(what: &str) -> Result<Self, Failure> {
        let mut bytes = [0; 8];
        SystemRandom::new().fill(&mut bytes).map_err(|_| Failure::because("the system gives no random numbers"))?;
        let path = std::env::temp_dir().join(format!("{PREFIX}{what}-{}", hex(&bytes)));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(|error| {
            Failure::because(format!(
                "{} cannot be made: {error}; set TMPDIR to a folder that this user may write",
                path.display()
            ))
        })?;
        Ok(Self { path, stays: AtomicBool::new(false) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Somebody needs what is in it.
    pub(super) fn stay(&self) {
        self.stays.store(true, Ordering::Relaxed);
    }
}

impl Drop for WorkingFolder {
    fn drop(&mut self) {
        if !self.stays.load(Ordering::Relaxed) {
            // Nobody is left to tell; the system empties its temporary folder.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_gone_with_its_process_unless_it_is_needed() {
        let folder = WorkingFolder::create("test").map_err(|_| "failed").unwrap();
        let path = folder.path().to_owned();
        fs::write(path.join("x"), "x").unwrap();
        drop(folder);
        assert!(!path.exists());
        let folder = WorkingFolder::create("test").map_err(|_| "failed").unwrap();
        let path = folder.path().to_owned();
        folder.stay();
        drop(folder);
        assert!(path.exists());
        fs::remove_dir_all(path).unwrap();
    }
}
