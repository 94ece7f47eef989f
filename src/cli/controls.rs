//! `pipewarden controls`: list, show and test controls, the built-in ones and your own.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::Exit;
use super::failure::Failure;
use super::options::{PolicyOptions, print};
use super::policies;
use crate::config;
use crate::evaluate::{Policies, run_cases};

/// Options of `controls`.
#[derive(Debug, Args)]
pub(super) struct ControlsArgs {
    #[command(flatten)]
    policies: PolicyOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One line per control: id, severity, type, title
    List,
    /// Everything about one control
    Show {
        /// Its id
        id: String,
    },
    /// Run the cases that stand beside controls, `<id>.tests.json`
    Test {
        /// Folders to look in
        folders: Vec<PathBuf>,
    },
}

pub(super) fn run(args: ControlsArgs) -> Result<Exit, Failure> {
    let policies = policies::load(&config::Policies::default(), &args.policies.policies)?;
    match args.command {
        Command::List => list(&policies),
        Command::Show { id } => show(&policies, &id),
        Command::Test { folders } => {
            let folders = if folders.is_empty() { &args.policies.policies } else { &folders };
            test(&policies, folders)
        }
    }
}

fn list(policies: &Policies) -> Result<Exit, Failure> {
    print(&|out| {
        for control in policies.controls().values() {
            writeln!(
                out,
                "{:<9} {:<60} {:<34} {}",
                control.severity, control.id, control.resource_type, control.title
            )?;
        }
        Ok(())
    })?;
    Ok(Exit::Compliant)
}

fn show(policies: &Policies, id: &str) -> Result<Exit, Failure> {
    let control = policies.controls().get(id).ok_or_else(|| {
        Failure::usage(format!("there is no control `{id}`; `pipewarden controls list` shows all ids"))
    })?;
    let reads = policies.facts_read_by(id).into_iter().collect::<Vec<_>>().join(", ");
    print(&|out| {
        writeln!(out, "{}\n{}\n", control.id, control.title)?;
        writeln!(out, "severity:    {}", control.severity)?;
        writeln!(out, "judges:      {}", control.resource_type)?;
        writeln!(out, "reads:       {reads}")?;
        writeln!(out, "frameworks:  {}", control.frameworks.join(", "))?;
        writeln!(out, "remediation: {}", control.remediation)
    })?;
    Ok(Exit::Compliant)
}

fn test(policies: &Policies, folders: &[PathBuf]) -> Result<Exit, Failure> {
    let mut files = Vec::new();
    for folder in folders {
        find(folder, &mut files)?;
    }
    files.sort();
    if files.is_empty() {
        return Err(Failure::usage("there are no cases to run; name a folder with `<control id>.tests.json` files"));
    }
    let mut passed = 0;
    let mut lines = Vec::new();
    for file in &files {
        let control = file
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".tests.json"))
            .unwrap_or_default();
        let (cases, failures) = run_cases(policies, control, &policies::text_of(file)?).map_err(Failure::policy)?;
        passed += cases.len() - failures.len();
        for failure in failures {
            let actual = failure.actual.map_or_else(|problem| problem, |compliance| compliance.to_string());
            lines.push(format!("{control}: {}: expected {}, got {actual}", failure.case, failure.expected));
        }
    }
    print(&|out| {
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        writeln!(out, "{passed} passed, {} failed", lines.len())
    })?;
    Ok(if lines.is_empty() { Exit::Compliant } else { Exit::NonCompliant })
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| Failure::usage(format!("{} cannot be listed: {error}", folder.display()));
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.to_str().is_some_and(|name| name.ends_with(".tests.json")) {
            files.push(path);
        }
    }
    Ok(())
}
