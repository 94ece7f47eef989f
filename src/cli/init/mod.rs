//! `pipewarden init`: set up the gate of a repository.
//!
//! In: a repository. Out: the files that run `check` in it, a baseline of what is there today, and what to do next.
//! Nothing that exists is overwritten: a second run says what it left alone.

mod ways;

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Exit;
use super::check;
use super::failure::Failure;
use super::options::say;
use ways::Way;

/// Options of `init`.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The repository
    #[arg(default_value = ".")]
    repository: PathBuf,
    /// What runs the check [default: what the repository already uses]
    #[arg(long = "ci", value_name = "NAME", value_delimiter = ',')]
    ways: Vec<Way>,
    /// Where your organization keeps pipewarden's GitHub Action, with the commit: OWNER/NAME@COMMIT
    #[arg(long, value_name = "ACTION", value_parser = action)]
    action: Option<String>,
    /// Write no baseline: everything that is wrong today blocks from the first day on
    #[arg(long)]
    no_baseline: bool,
}

/// File of the baseline.
const BASELINE: &str = "pipewarden-baseline.json";

/// A tag can be moved, a commit cannot.
fn action(text: &str) -> Result<String, String> {
    let pinned = text.split_once('@').is_some_and(|(name, commit)| {
        name.split('/').count() >= 2 && commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    if pinned {
        Ok(text.to_owned())
    } else {
        Err("write OWNER/NAME@COMMIT with all 40 digits of the commit".to_owned())
    }
}

pub(super) fn run(args: &InitArgs) -> Result<Exit, Failure> {
    if !args.repository.is_dir() {
        return Err(Failure::usage(format!("{} is not a folder", args.repository.display())));
    }
    let found = Way::found(&args.repository);
    let chosen: Vec<Way> = match (args.ways.is_empty(), found.is_empty()) {
        (false, _) => args.ways.clone(),
        (true, false) => found,
        (true, true) => {
            let names: Vec<String> = Way::value_variants()
                .iter()
                .filter_map(ValueEnum::to_possible_value)
                .map(|v| v.get_name().to_owned())
                .collect();
            return Err(Failure::usage(format!(
                "nothing here says what runs your builds; give `--ci {}`",
                names.join("|")
            )));
        }
    };
    for way in &chosen {
        let path = args.repository.join(way.file());
        let text = way.text(args.action.as_deref());
        if write_new(&path, &text).map_err(|error| Failure::because(format!("{}: {error}", path.display())))? {
            say(&format!("wrote {}", path.display()));
        } else {
            say(&format!("left {} as it is; what it needs:\n\n{text}", path.display()));
        }
    }
    let baseline = args.repository.join(BASELINE);
    if !args.no_baseline {
        if baseline.exists() {
            say(&format!("left {} as it is", baseline.display()));
        } else {
            check::write_baseline(&args.repository, &baseline)?;
            say(&format!("wrote {}: what is wrong today, for `check --baseline`", baseline.display()));
        }
    }
    say(&next(&chosen, args.action.is_some()));
    Ok(Exit::Compliant)
}

/// What is left to do, in order.
fn next(chosen: &[Way], with_action: bool) -> String {
    let first = [("Read what is wrong today", "pipewarden check .")].into_iter();
    let ways = chosen.iter().flat_map(|way| way.next(with_action)).copied();
    let rest = [
        ("Commit the files, and protect them", "CODEOWNERS of the security team for these files and the baseline"),
        ("Make the check a required one", "branch protection, or the merge rules of your host"),
        ("Give values that only you know", "--parameters FILE, --inventory RUN in the command that was written"),
        ("Close the way around", "pipewarden's infra/hook/template.yaml: the same check inside CloudFormation"),
    ];
    let steps = first.chain(ways).chain(rest).enumerate();
    let lines = steps.map(|(nth, (what, how))| format!("  {}. {:<36}{how}", nth + 1, format!("{what}:")));
    format!("\nnext:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// Writes a file unless there is one.
fn write_new(path: &Path, text: &str) -> std::io::Result<bool> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pinned_actions_are_taken() {
        assert!(action(&format!("acme/pipewarden@{}", "a".repeat(40))).is_ok());
        for wrong in ["acme/pipewarden@v1", "acme/pipewarden", "pipewarden@main", ""] {
            assert!(action(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_exists_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.yml");
        assert!(write_new(&path, "first").unwrap());
        assert!(!write_new(&path, "second").unwrap());
        assert_eq!(fs::read_to_string(path).unwrap(), "first");
    }
}
