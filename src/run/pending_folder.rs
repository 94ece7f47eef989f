//! Files of a run that take their names together.
//!
//! In: the files of one format, one after the other; then the folders of all formats. Out: all of the files, or none if
//! one of them fails, with no empty folder left behind.

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
    /// Folders made for files, outer ones first.
    made: Vec<PathBuf>,
}

impl PendingFolder {
    pub(super) fn of(root: &Path) -> Self {
        Self { root: root.to_owned(), current: None, complete: Vec::new(), made: Vec::new() }
    }

    /// Brings the file that is being written to the disk.
    pub(super) fn end_file(&mut self) -> io::Result<()> {
        if let Some(file) = self.current.take() {
            self.complete.push(file.complete()?);
        }
        Ok(())
    }

    /// Takes over the files of another folder of the same root.
    pub(super) fn absorb(&mut self, mut other: Self) -> io::Result<()> {
        self.end_file()?;
        other.end_file()?;
        // Whatever happens next: folders go after all files that may be in them.
        self.made.append(&mut other.made);
        let twice = other.complete.iter().find(|file| self.has(file.target()));
        if let Some(file) = twice {
            let relative = file.target().strip_prefix(&self.root).unwrap_or(file.target());
            return Err(written_twice(&relative.to_string_lossy()));
        }
        self.complete.append(&mut other.complete);
        Ok(())
    }

    /// Gives all files their names.
    pub(super) fn keep(mut self) -> io::Result<()> {
        self.end_file()?;
        std::mem::take(&mut self.complete).into_iter().try_for_each(CompleteFile::keep)
    }

    fn has(&self, target: &Path) -> bool {
        self.complete.iter().any(|file| file.target() == target)
    }

    fn make_folder(&mut self, folder: &Path) -> io::Result<()> {
        let inside: Vec<&Path> =
            folder.ancestors().take_while(|path| *path != self.root).filter(|path| !path.exists()).collect();
        fs::create_dir_all(folder)?;
        self.made.extend(inside.into_iter().rev().map(Path::to_owned));
        Ok(())
    }
}

impl Drop for PendingFolder {
    fn drop(&mut self) {
        self.current = None;
        self.complete.clear();
        for folder in self.made.iter().rev() {
            // Only an empty one can be removed; one with a kept file stays.
            let _ = fs::remove_dir(folder);
        }
    }
}

fn written_twice(relative: &str) -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, format!("two formats write `{relative}`"))
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
        if self.has(&path) {
            return Err(written_twice(relative));
        }
        if let Some(folder) = path.parent() {
            self.make_folder(folder)?;
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
        folder.create("new/deep/c.txt").unwrap();
        folder.create("part/c.txt").unwrap();
        drop(folder);
        assert!(!root.path().join("c.txt").exists() && !root.path().join("new").exists());
        assert!(root.path().join("part/b.txt").exists(), "what was there stays");
    }

    #[test]
    fn folders_are_joined_and_no_file_has_two_writers() {
        let root = tempfile::tempdir().unwrap();
        let with = |name: &str| {
            let mut folder = PendingFolder::of(root.path());
            folder.create(name).unwrap().write_all(name.as_bytes()).unwrap();
            folder
        };
        let mut all = with("a.txt");
        all.absorb(with("part/b.txt")).unwrap();
        let error = all.absorb(with("part/b.txt")).unwrap_err().to_string();
        assert!(error.contains("two formats write `part/b.txt`"), "{error}");
        drop(all);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        let mut all = with("a.txt");
        all.absorb(with("part/b.txt")).unwrap();
        all.keep().unwrap();
        assert!(root.path().join("a.txt").exists() && root.path().join("part/b.txt").exists());
    }
}
