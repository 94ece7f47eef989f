//! Policy files from disk: the built-in ones, then every folder of the user's.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::failure::Failure;
use super::options::{PolicyOptions, say};
use crate::config::{Config, Expired};
use crate::evaluate::{ExceptionRules, Loading, Policies, PolicySource, SourceText};
use crate::inventory::TypeName;

/// How long before its end an exception is spoken of when a run starts.
const SOON: time::Duration = time::Duration::days(14);

/// Reads and validates all policies. An exception that has ended at `now` is an error or a finding, as configured; one
/// that ends soon is spoken of.
pub(super) fn load(config: &Config, options: &PolicyOptions, now: OffsetDateTime) -> Result<Policies, Failure> {
    load_from(config, options, now, Policies::embedded())
}

fn load_from(
    config: &Config,
    options: &PolicyOptions,
    now: OffsetDateTime,
    built_in: Vec<PolicySource>,
) -> Result<Policies, Failure> {
    let mut loading = Loading { built_in, ..loading(config, options)? };
    if config.exceptions.expired == Expired::Error && !options.allow_expired_exceptions {
        loading.exceptions.today = Some(now.date().to_string());
    }
    let policies = Policies::load_all(&loading).map_err(Failure::policy)?;
    let (today, soon) = (now.date().to_string(), (now + SOON).date().to_string());
    for exception in policies.exceptions() {
        let reference = &exception.reference;
        if (today.as_str()..soon.as_str()).contains(&reference.expires.as_str()) {
            let (id, file, owner) = (&reference.id, &exception.file, &reference.owner);
            say(&format!("warning: the exception `{id}` of {owner} ends on {} ({file})", reference.expires));
        }
    }
    Ok(policies)
}

/// As [`load`], for resources of these types alone (of all, without any), and as fast as can be: what comes with this version is not validated
/// again. The built-in frameworks are left out.
pub(super) fn load_for(
    config: &Config,
    options: &PolicyOptions,
    now: OffsetDateTime,
    types: Option<&BTreeSet<TypeName>>,
) -> Result<Policies, Failure> {
    let own =
        !config.policies.folders.is_empty() || !options.policies.is_empty() || !config.policies.disabled.is_empty();
    load_from(config, options, now, Policies::compiled(types.filter(|_| !own)))
}

/// The same without a look at the calendar.
pub(super) fn load_undated(config: &Config, options: &PolicyOptions) -> Result<Policies, Failure> {
    Policies::load_all(&loading(config, options)?).map_err(Failure::policy)
}

/// What is to be loaded.
fn loading(config: &Config, options: &PolicyOptions) -> Result<Loading, Failure> {
    let mut yours = Vec::new();
    for folder in config.policies.folders.iter().chain(&options.policies) {
        yours.extend(read(folder)?);
    }
    Ok(Loading {
        built_in: Policies::embedded(),
        yours,
        disabled: config.policies.disabled.clone(),
        exceptions: ExceptionRules { approvers: config.exceptions.approvers.clone(), today: None },
    })
}

/// The policies and cases of one folder: `controls/**/*.cedar` with `*.tests.json`, and `exceptions/**/*.cedar`.
fn read(folder: &Path) -> Result<Vec<PolicySource>, Failure> {
    let mut sources = Vec::new();
    for (name, ending, of) in [
        ("controls", ".cedar", PolicySource::Control as fn(SourceText) -> PolicySource),
        ("controls", ".tests.json", PolicySource::Cases),
        ("exceptions", ".cedar", PolicySource::Exceptions),
        ("frameworks", ".toml", PolicySource::Framework),
    ] {
        for file in find(&folder.join(name), ending)? {
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

/// All files under a folder whose names end so, sorted; none if there is no such folder.
pub(super) fn find(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    let mut folders = if folder.is_dir() { vec![folder.to_owned()] } else { Vec::new() };
    while let Some(folder) = folders.pop() {
        let unreadable =
            |error: std::io::Error| Failure::usage(format!("{} cannot be listed: {error}", folder.display()));
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_str().is_some_and(|name| name.ends_with(ending)) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
