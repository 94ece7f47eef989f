//! Files as they were in a commit.
//!
//! In: a branch, tag or commit. Out: the files of the commit that the change began at, through git itself, under the very
//! paths that the command line gives. It exists so that a state that is not checked out can be read like one that is.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use super::super::failure::Failure;
use crate::template::Files;

/// A commit of a repository.
pub(super) struct Commit {
    /// Top folder of the working tree, as git names it.
    top: PathBuf,
    /// Where relative paths begin.
    here: PathBuf,
    id: String,
    /// Bytes of a file that are read, at most.
    limit: usize,
    objects: Mutex<Objects>,
}

/// `git cat-file --batch`, which answers one question after the other.
struct Objects {
    process: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Drop for Objects {
    fn drop(&mut self) {
        // Without its questions git ends by itself.
        self.questions = None;
        let _ = self.process.wait();
    }
}

const FETCH: &str = "fetch it first; in GitHub Actions check out with `fetch-depth: 0`";

/// A git that neither asks, nor locks, nor runs what a repository configures.
fn command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(["-c", "core.fsmonitor=false", "-c", "core.quotepath=false"]);
    command.envs([("GIT_OPTIONAL_LOCKS", "0"), ("GIT_TERMINAL_PROMPT", "0"), ("LC_ALL", "C")]);
    command.stdin(Stdio::null());
    command
}

/// What git answers, or says on stderr.
fn ask(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let output = command(folder).args(arguments).output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "git was not found; install it, or give --base a file or folder".to_owned(),
        _ => format!("git cannot be run: {error}"),
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(if said.is_empty() { format!("`git {}` failed", arguments.join(" ")) } else { said })
}

fn line(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    ask(folder, arguments).map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// A path as it is shown: with `/`, and without a `./` before it.
pub(super) fn named(path: &Path) -> String {
    let text = path.to_string_lossy().replace('\\', "/");
    text.strip_prefix("./").map_or_else(|| text.clone(), str::to_owned)
}

/// Whether a text names a commit of the repository that the paths lie in.
pub(super) fn names_commit(name: &str, paths: &[String]) -> bool {
    !name.starts_with('-') && resolved(&folder_of(paths), name).is_ok()
}

fn resolved(folder: &Path, name: &str) -> Result<String, String> {
    line(folder, &["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")])
}

/// The folder that says which repository is meant: that of the first path.
fn folder_of(paths: &[String]) -> PathBuf {
    let first = paths.iter().map(Path::new).find(|path| path.exists());
    let folder = first.map(|path| if path.is_dir() { path } else { path.parent().unwrap_or(path) });
    folder.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

impl Commit {
    /// The commit at which what is checked out now left a branch; a branch that stands only at the remote is found too.
    pub(super) fn of(name: &str, paths: &[String], limit: usize) -> Result<Self, Failure> {
        let wrong = |message: String| Failure::usage(format!("--base {name}: {message}"));
        if name.starts_with('-') {
            return Err(wrong("this is not the name of a commit".to_owned()));
        }
        let folder = folder_of(paths);
        let top = line(&folder, &["rev-parse", "--show-toplevel"]).map_err(|said| {
            wrong(format!("it is neither a file nor a folder, and no commit can be looked up: {said}"))
        })?;
        let remote = format!("origin/{name}");
        let found = resolved(&folder, name).or_else(|_| resolved(&folder, &remote));
        let found = found.map_err(|_| wrong(format!("it is neither a file, nor a folder, nor a commit; {FETCH}")))?;
        let id = line(&folder, &["merge-base", &found, "HEAD"]).map_err(|_| {
            wrong(format!("it and HEAD have no common commit here, maybe the clone is shallow; {FETCH}"))
        })?;
        let top = PathBuf::from(top);
        let here = std::env::current_dir().and_then(std::fs::canonicalize);
        let here = here.map_err(|error| wrong(format!("the current folder cannot be told: {error}")))?;
        let mut process = command(&top)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| wrong(format!("git cannot be run: {error}")))?;
        let (Some(questions), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(wrong("git cannot be talked to".to_owned()));
        };
        let objects = Objects { process, questions: Some(questions), answers: BufReader::new(answers) };
        Ok(Self { top, here, id, limit, objects: Mutex::new(objects) })
    }

    /// For messages: the first digits.
    pub(super) fn short(&self) -> &str {
        self.id.get(..10).unwrap_or(&self.id)
    }

    /// The path within the repository, with `/`; `None` for what lies outside of it.
    fn inside(&self, shown: &str) -> Option<String> {
        let path = plain(&self.here.join(shown));
        let below = |path: &Path| path.strip_prefix(&self.top).ok().map(named);
        below(&path).or_else(|| {
            // The folder may be reached through a link; what is gone by now has a parent that is not.
            let known = path.ancestors().find_map(|ancestor| Some((ancestor, std::fs::canonicalize(ancestor).ok()?)));
            let (ancestor, real) = known?;
            below(&real.join(path.strip_prefix(ancestor).ok()?))
        })
    }

    /// A path of the repository as the command line would name it.
    fn shown(&self, inside: &str) -> String {
        let path = self.top.join(inside);
        named(path.strip_prefix(&self.here).unwrap_or(&path))
    }

    /// All files at a path or below it, as the command line names them, sorted.
    pub(super) fn below(&self, shown: &str) -> Vec<String> {
        let Some(inside) = self.inside(shown) else { return Vec::new() };
        let mut arguments = vec!["ls-tree", "-r", "-z", "--name-only", "--full-tree", &self.id, "--"];
        if !inside.is_empty() {
            arguments.push(&inside);
        }
        let root = named(Path::new(shown.trim_end_matches('/')));
        let name = |file: String| {
            let rest = if inside.is_empty() { Some(file.as_str()) } else { file.strip_prefix(&inside) };
            match rest.map(|rest| rest.trim_start_matches('/')) {
                Some("") => root.clone(),
                Some(rest) if root.is_empty() || root == "." => rest.to_owned(),
                Some(rest) => format!("{root}/{rest}"),
                None => self.shown(&file),
            }
        };
        let mut files: Vec<String> = self.names(&arguments).into_iter().map(name).collect();
        files.sort();
        files
    }

    /// Whether a path lies in the repository.
    pub(super) fn holds(&self, shown: &str) -> bool {
        self.inside(shown).is_some()
    }

    fn names(&self, arguments: &[&str]) -> Vec<String> {
        let listed = ask(&self.top, arguments).unwrap_or_default();
        let names = listed.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }

    /// Files that have another path now: the old one by the new one, both as the command line would name them.
    pub(super) fn renames(&self) -> BTreeMap<String, String> {
        let arguments =
            ["diff", "--no-ext-diff", "--no-textconv", "-M", "--diff-filter=R", "--name-status", "-z", &self.id];
        let mut names = self.names(&arguments).into_iter();
        let mut renames = BTreeMap::new();
        while let (Some(_), Some(old), Some(new)) = (names.next(), names.next(), names.next()) {
            renames.insert(self.shown(&new), self.shown(&old));
        }
        renames
    }

    fn content(&self, inside: &str) -> Result<Vec<u8>, String> {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error: std::io::Error| format!("git does not answer: {error}");
        let questions = objects.questions.as_mut().ok_or("git does not answer")?;
        questions.write_all(format!("{}:{inside}\n", self.id).as_bytes()).map_err(failed)?;
        questions.flush().map_err(failed)?;
        let mut header = String::new();
        objects.answers.read_line(&mut header).map_err(failed)?;
        let mut words = header.trim_end().rsplit(' ');
        let (size, kind) = (words.next().unwrap_or_default().parse::<u64>(), words.next().unwrap_or_default());
        let Ok(size) = size else { return Err(format!("it was not there in {}", self.short())) };
        let mut bytes = Vec::new();
        // Behind the content stands one more line break.
        let mut whole = objects.answers.by_ref().take(size.saturating_add(1));
        let fits = usize::try_from(size).is_ok_and(|size| size <= self.limit);
        if fits {
            whole.read_to_end(&mut bytes).map_err(failed)?;
            bytes.pop();
        } else {
            std::io::copy(&mut whole, &mut std::io::sink()).map_err(failed)?;
            return Err(format!("{size} bytes are more than the {} that are read of a file", self.limit));
        }
        if kind == "blob" { Ok(bytes) } else { Err("it is not a file".to_owned()) }
    }
}

impl Files for Commit {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let inside = self.inside(path).filter(|inside| !inside.is_empty() && !inside.contains('\n'));
        self.content(&inside.ok_or("it does not lie in the repository")?)
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let prefix =
            if folder.is_empty() || folder == "." { String::new() } else { format!("{}/", named(Path::new(folder))) };
        let direct = |file: &String| file.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/'));
        self.below(if folder.is_empty() { "." } else { folder }).into_iter().filter(direct).collect()
    }
}

/// A path without `.` and `..`, by its letters alone: what is gone cannot be asked.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}
