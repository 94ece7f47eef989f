//! Files of a run that take their names together.
//!
//! In: the files of all formats, one after the other. Out: all of them, or none if one of them fails.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::inventory::json_lines::{CompleteFile, PendingFile};
use crate::report::ReportFolder;

/// Files under temporary names.
#[derive(Debug)]
pub(super) struct PendingFolder {
    root: PathBuf,
    current: Option<PendingFile>,
    complete: Vec<CompleteFile>,
}

impl PendingFolder {
    pub(super) fn of(root: &Path) -> Self {
        Self { root: root.to_owned(), current: None, complete: Vec::new() }
    }

    /// Brings the file that is being written to the disk.
    pub(super) fn end_file(&mut self) -> io::Result<()> {
        if let Some(file) = self.current.take() {
            self.complete.push(file.complete()?);
        }
        Ok(())
    }

    /// Gives all files their names.
    pub(super) fn keep(mut self) -> io::Result<()> {
        self.end_file()?;
        self.complete.into_iter().try_for_each(CompleteFile::keep)
    }
}

impl ReportFolder for PendingFolder {
    fn create(&mut self, relative: &str) -> io::Result<&mut (dyn Write + Send)> {
        self.end_file()?;
        let named = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', ':']);
        if !relative.split('/').all(named) {
            let text = format!("`{relative}` cannot name a file of a run");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let path = self.root.join(relative);
        if self.complete.iter().any(|file| file.target() == path) {
            let text = format!("two formats write `{relative}`");
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(self.current.insert(PendingFile::create(&path)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_take_their_names_together_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let mut folder = PendingFolder::of(root.path());
        folder.create("a.txt").unwrap().write_all(b"a").unwrap();
        folder.create("part/b.txt").unwrap().write_all(b"b").unwrap();
        assert!(!root.path().join("a.txt").exists());
        for wrong in ["../c.txt", "/c.txt", ".c", "part//c", ""] {
            assert!(folder.create(wrong).is_err(), "{wrong}");
        }
        assert!(folder.create("a.txt").is_err());
        folder.keep().unwrap();
        assert_eq!(fs::read(root.path().join("a.txt")).unwrap(), b"a");
        assert_eq!(fs::read(root.path().join("part/b.txt")).unwrap(), b"b");

        let mut folder = PendingFolder::of(root.path());
        folder.create("c.txt").unwrap();
        drop(folder);
        assert!(!root.path().join("c.txt").exists());
    }
}
