//! Paths on the command line → the files they stand for.
//!
//! In: files, folders, patterns and `-`. Out: every file once, under the path that a person would write, with how it was
//! asked for. It exists apart from the reading because folders of a pull request are hostile too: links may lead round in
//! circles or out of the folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::super::failure::Failure;

/// How a file came to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asked {
    /// Somebody named it, so something is said of it whatever it holds.
    Named,
    /// It lies in a folder that somebody named.
    Found,
}

/// What the paths stand for.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Files by their path.
    pub(super) files: BTreeMap<String, Asked>,
    /// Whether `-` was given.
    pub(super) stdin: bool,
    /// Links that were not followed, with the reason.
    pub(super) left: Vec<(String, String)>,
    /// Folders that cannot be listed, with the reason.
    pub(super) closed: Vec<(String, String)>,
    /// Folders that somebody named and that hold no file at all.
    pub(super) empty: Vec<String>,
    /// Where each file and folder really lies, so that none is looked at twice.
    seen: BTreeSet<PathBuf>,
}

/// A path as a person in this folder would write it, with `/`.
pub(super) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let path = here.as_deref().and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path);
    let mut parts: Vec<String> = Vec::new();
    let mut root = false;
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::RootDir => root = true,
            Component::ParentDir if parts.last().is_some_and(|last| last != "..") => {
                parts.pop();
            }
            other => parts.push(other.as_os_str().to_string_lossy().into_owned()),
        }
    }
    let joined = parts.join("/");
    match (root, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// All files of the paths; of the current folder if there is none.
pub(super) fn walk(paths: &[String]) -> Result<Walked, Failure> {
    let here = [".".to_owned()];
    let mut walked = Walked::default();
    let mut folders = Vec::new();
    for path in if paths.is_empty() { &here } else { paths } {
        if path == "-" {
            walked.stdin = true;
            continue;
        }
        let literal = Path::new(path);
        if literal.is_dir() {
            folders.push(literal.to_path_buf());
        } else if literal.exists() {
            walked.file(literal, Asked::Named);
        } else if literal.is_symlink() {
            return Err(Failure::usage(format!("{path} is a link to something that does not exist")));
        } else if path.contains(['*', '?', '[']) {
            for matched in matched(path)? {
                if matched.is_dir() {
                    folders.push(matched);
                } else {
                    walked.file(&matched, Asked::Named);
                }
            }
        } else {
            return Err(Failure::usage(format!("{path} does not exist")));
        }
    }
    for folder in folders {
        walked.root(&folder);
    }
    Ok(walked)
}

/// What a pattern stands for that no shell has expanded.
fn matched(pattern: &str) -> Result<Vec<PathBuf>, Failure> {
    let all = glob::glob(pattern)
        .map_err(|error| Failure::usage(format!("{pattern} is no pattern: {}", error.msg)))?
        .flatten();
    let asked_for = |name: &str| Path::new(pattern).components().any(|part| part.as_os_str() == name);
    let skipped = |path: &PathBuf| {
        path.ancestors().any(|folder| {
            let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            !asked_for(name) && is_skipped(folder)
        })
    };
    let matched: Vec<PathBuf> = all.filter(|path| !skipped(path)).collect();
    if matched.is_empty() {
        return Err(Failure::usage(format!("nothing matches the pattern {pattern}")));
    }
    Ok(matched)
}

/// Folders that hold what others wrote, or what was built, and never what a pull request deploys.
fn is_skipped(folder: &Path) -> bool {
    match folder.file_name().and_then(|name| name.to_str()) {
        Some(".git" | "node_modules" | ".terraform") => true,
        // Many a folder has that name; the build tools' own one can be told.
        Some("target") => {
            let beside = |name: &str| folder.parent().is_some_and(|parent| parent.join(name).exists());
            folder.join("CACHEDIR.TAG").exists() || ["Cargo.toml", "pom.xml", "build.sbt"].into_iter().any(beside)
        }
        _ => false,
    }
}

impl Walked {
    fn file(&mut self, path: &Path, asked: Asked) {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let short = shown(path);
        // Behind a link, `..` is somewhere else than in front of it.
        let same = Path::new(&short).canonicalize().is_ok_and(|short| short == real);
        let name = if same { short } else { path.to_string_lossy().replace('\\', "/") };
        if self.seen.insert(real) {
            self.files.insert(name, asked);
        }
    }

    /// A folder that somebody named. Links come last, so that a file has the path where it really lies if that is in the
    /// folder too.
    fn root(&mut self, root: &Path) {
        let Ok(real) = root.canonicalize() else { return };
        let inside = [Some(real), std::env::current_dir().and_then(|here| here.canonicalize()).ok()];
        if std::fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_none()) {
            self.empty.push(shown(root));
        }
        let mut links = self.folder(root);
        while !links.is_empty() {
            for link in std::mem::take(&mut links) {
                let Ok(target) = link.canonicalize() else { continue };
                if !inside.iter().flatten().any(|folder| target.starts_with(folder)) {
                    let why = "this link leads out of the folder and was not followed; name it to have it checked";
                    self.left.push((shown(&link), why.to_owned()));
                } else if target.is_dir() {
                    links.extend(self.folder(&link));
                } else {
                    self.file(&link, Asked::Found);
                }
            }
        }
    }

    /// Takes a folder's files, and gives the links in it.
    fn folder(&mut self, root: &Path) -> Vec<PathBuf> {
        let mut links = Vec::new();
        let mut entries = walkdir::WalkDir::new(root).sort_by_file_name().into_iter();
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = error.path().map_or_else(|| shown(root), shown);
                    let why = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                    self.closed.push((path, format!("this folder cannot be listed: {why}")));
                    continue;
                }
            };
            if entry.path_is_symlink() && entry.depth() > 0 {
                links.push(entry.path().to_path_buf());
            } else if entry.file_type().is_dir() || entry.depth() == 0 {
                let known = entry.path().canonicalize().is_ok_and(|real| !self.seen.insert(real));
                if known || entry.depth() > 0 && is_skipped(entry.path()) {
                    entries.skip_current_dir();
                }
            } else if entry.file_type().is_file() {
                self.file(entry.path(), Asked::Found);
            }
        }
        links
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_as_a_person_in_this_folder_writes_them() {
        let here = std::env::current_dir().unwrap();
        for (path, expected) in [
            (PathBuf::from("./a//b/../c.yml"), "a/c.yml"),
            (PathBuf::from("."), "."),
            (PathBuf::from("../a"), "../a"),
            (PathBuf::from("../../a"), "../../a"),
            (here.join("a/b"), "a/b"),
            (PathBuf::from("/etc/x"), "/etc/x"),
        ] {
            assert_eq!(shown(&path), expected);
        }
    }
}
