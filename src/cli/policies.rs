//! Policy files from disk: the built-in ones, then every folder of the user's.

use std::fs;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::config;
use crate::evaluate::{Policies, PolicySource, SourceText};

/// Reads and validates all policies. A folder may hold `controls/**/*.cedar` and `exceptions/**/*.cedar` and
/// `frameworks/**/*.toml`.
pub(super) fn load(configured: &config::Policies, more: &[PathBuf]) -> Result<Policies, Failure> {
    let mut sources = Policies::embedded();
    for folder in configured.folders.iter().chain(more) {
        sources.extend(read(folder)?);
    }
    Policies::load(&sources, &configured.disabled).map_err(Failure::policy)
}

fn read(folder: &Path) -> Result<Vec<PolicySource>, Failure> {
    let mut sources = Vec::new();
    for (name, extension, of) in [
        ("controls", "cedar", PolicySource::Control as fn(SourceText) -> PolicySource),
        ("exceptions", "cedar", PolicySource::Exceptions),
        ("frameworks", "toml", PolicySource::Framework),
    ] {
        let mut files = Vec::new();
        let part = folder.join(name);
        if part.is_dir() {
            find(&part, extension, &mut files)?;
        }
        files.sort();
        for file in files {
            sources.push(of(text_of(&file)?));
        }
    }
    if sources.is_empty() {
        return Err(Failure::usage(format!(
            "{} holds no policies; a policy folder has `controls/` with one `.cedar` file per control, or `exceptions/`, or `frameworks/`",
            folder.display()
        )));
    }
    Ok(sources)
}

/// Reads one file.
pub(super) fn text_of(file: &Path) -> Result<SourceText, Failure> {
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::usage(format!("{} cannot be read: {error}; give it read permission and UTF-8 text", file.display()))
    })?;
    Ok(SourceText { file: file.display().to_string(), text })
}

fn find(folder: &Path, wanted: &str, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| Failure::usage(format!("{} cannot be listed: {error}", folder.display()));
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            find(&path, wanted, files)?;
        } else if path.extension().is_some_and(|extension| extension == wanted) {
            files.push(path);
        }
    }
    Ok(())
}
