//! `pipewarden verify`: does a run still hold, file by file, link by link?
//!
//! In: runs, and the public key of whoever signs. Out: a line per run; the first thing that does not hold ends it, because
//! nothing after that proves anything.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Exit;
use super::failure::Failure;
use super::kept::{Kept, StoreOptions};
use super::options::{named_run, print};
use crate::report::visible;
use crate::run::{
    FAILED, Link, ListedRun, MANIFEST, PRUNED, PublicKey, RunError, RunId, RunState, STORED_REPORT, Signed, Verified,
    leads_back_to, list, run_folder, verify,
};

/// Options of `verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The runs, each by its folder or id [default: the newest in --out]
    runs: Vec<PathBuf>,
    /// All finished runs in --out, oldest first, and that none is missing (in a bucket: none between them)
    #[arg(long, conflicts_with = "runs")]
    all: bool,
    /// Folder that keeps the runs, or `s3://BUCKET/PREFIX`
    #[arg(long, value_name = "DIR", env = "PIPEWARDEN_OUT", default_value = "pipewarden-out")]
    out: PathBuf,
    #[command(flatten)]
    store: StoreOptions,
    /// Public key that must have signed every run: what `aws kms get-public-key` answers, as DER or PEM
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
}

pub(super) fn run(args: &VerifyArgs) -> Result<Exit, Failure> {
    let key = args.public_key.as_ref().map(|path| {
        let bytes = std::fs::read(path)
            .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))?;
        PublicKey::read(&bytes).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
    });
    let key = key.transpose()?;
    let kept = Kept::open(&args.out, &args.store, None)?;
    // Of the others, what the chain is checked with, and what tells of a manifest that was taken away.
    kept.fetch(async |store| store.fetch_standing(&[STORED_REPORT]).await)?;
    let paths = if args.all {
        all(kept.folder())?
    } else if args.runs.is_empty() {
        vec![named_run(None, kept.folder())?.path().to_owned()]
    } else {
        args.runs.iter().map(|run| run_folder(run, kept.folder())).collect()
    };
    let mut before: Option<Verified> = None;
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for path in paths {
        let verified = verified(&path, key.as_ref(), &kept)?;
        let told = match &before {
            _ if !args.all => None,
            Some(before) => follows(&path, before, &verified, &seen)?,
            None => begins(&verified, kept.is_bucket())?,
        };
        seen.insert(verified.manifest.run.run_id.clone());
        let line = sentence(&verified);
        print(&|out| told.iter().chain([&line]).try_for_each(|line| writeln!(out, "{line}")))?;
        before = Some(verified);
    }
    Ok(Exit::Compliant)
}

/// Of a bucket one run at a time is on this machine as a whole.
fn verified(path: &Path, key: Option<&PublicKey>, kept: &Kept) -> Result<Verified, Failure> {
    let run_id = path.file_name().and_then(|name| name.to_str()?.parse::<RunId>().ok());
    let run_id = run_id.filter(|_| path.starts_with(kept.folder()));
    if let Some(run_id) = &run_id {
        kept.fetch(async |store| store.fetch_run(run_id).await)?;
    }
    let verified = verify(path, key).map_err(|error| Failure::failed(&error))?;
    if let Some(run_id) = &run_id {
        kept.fetch(async |store| {
            for file in &verified.manifest.files {
                store.forget(&format!("runs/{run_id}/{}", file.path));
            }
            Ok(())
        })?;
    }
    Ok(verified)
}

/// The folders of all runs with a manifest, oldest first. What else there is gets a line each, because a run without a
/// manifest proves nothing and may be one whose manifest was taken away.
fn all(out: &Path) -> Result<Vec<PathBuf>, Failure> {
    let listed = list(out).map_err(|error| Failure::failed(&error))?;
    for run in &listed {
        if let Some(left) = run.left_by_a_manifest() {
            return Err(Failure::because(format!(
                "{} has {left}, but no {MANIFEST}: the manifest was taken away, or the run was killed just before it was written, and then the same command again finishes it",
                run.path.display()
            )));
        }
    }
    let (with, without): (Vec<ListedRun>, Vec<ListedRun>) =
        listed.into_iter().partition(|run| matches!(run.state, RunState::Finished(_) | RunState::Unreadable(_)));
    print(&|out| {
        without.iter().try_for_each(|run| match &run.state {
            RunState::Failed(why) => {
                writeln!(out, "{} is not checked: it failed, as its {FAILED} says: {}", run.run_id, visible(why))
            }
            _ => writeln!(out, "{} is not checked: it is unfinished", run.run_id),
        })
    })?;
    if with.is_empty() {
        return Err(Failure::usage(format!("there is no finished run in {}", out.display())));
    }
    Ok(with.into_iter().map(|run| run.path).collect())
}

/// The oldest run must be the first of its chain, or follow one whose manifest was kept when it was pruned. In a bucket
/// others remove runs, and keep nothing of them: what that leaves unproven is said.
fn begins(verified: &Verified, in_a_bucket: bool) -> Result<Option<String>, Failure> {
    let Link::Gone(former) = &verified.previous else { return Ok(None) };
    let run = &verified.manifest.run.run_id;
    if in_a_bucket {
        return Ok(Some(format!(
            "not proven: which runs there were before {run}. It follows {former}, of which nothing is left: a lifecycle rule ends \
             objects that way, and so does whoever may delete them"
        )));
    }
    Err(Failure::because(format!(
        "the chain is broken at its oldest end: run {run} follows {former}, of which nothing is here, not even the manifest that \
         `pipewarden runs --prune` keeps in {PRUNED}/; it was taken away, or this is a copy of a part of the runs: bring it back, or \
         check the runs without --all"
    )))
}

/// Between two runs of one folder there must be no other one but those that were pruned: a run that was taken away leaves
/// its name in the next. Runs of several machines that were made at the same time follow the same one, which is here.
fn follows(
    folder: &Path,
    before: &Verified,
    verified: &Verified,
    seen: &BTreeSet<String>,
) -> Result<Option<String>, Failure> {
    let expected = &before.manifest.run.run_id;
    let folder = std::path::absolute(folder).map_err(|error| Failure::failed(&error))?;
    let until = expected.parse().map_err(|error: RunError| Failure::failed(&error))?;
    if leads_back_to(&folder, &verified.manifest, &until).map_err(|error| Failure::failed(&error))? {
        return Ok(None);
    }
    let run = &verified.manifest.run.run_id;
    if let Link::Holds(parent) = &verified.previous
        && seen.contains(parent.as_str())
    {
        return Ok(Some(format!("{run} was made at the same time as {expected}: it follows {parent} too")));
    }
    let found = verified.manifest.previous.as_ref();
    let found = found.map_or_else(|| "no run".to_owned(), |previous| format!("run {}", previous.run_id));
    Err(Failure::because(format!(
        "the chain is broken: run {run} follows {found}, but the run before it here is {expected}; a run was taken away without `pipewarden runs --prune`, or put here from elsewhere"
    )))
}

/// `20261121T020000Z holds: 31 files, 2400000 bytes; follows 20261120T020000Z; signature checked with …`
fn sentence(verified: &Verified) -> String {
    let manifest = &verified.manifest;
    let files = manifest.files.len();
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    let link = match &verified.previous {
        Link::First => "the first of its chain".to_owned(),
        Link::Holds(run) => format!("follows {run}"),
        Link::Gone(run) => format!("follows {run}, which is no longer here"),
    };
    let signed = match &verified.signature {
        Signed::No => "not signed".to_owned(),
        Signed::Unchecked { key_arn } => {
            format!("has a signature that says it is of {}: not checked, give its --public-key", visible(key_arn))
        }
        Signed::Checked { public_key_sha256, key_arn } => format!(
            "signature checked with the public key of SHA-256 {public_key_sha256}; it says it is of {}",
            visible(key_arn)
        ),
    };
    format!(
        "{} holds: {files} files, {bytes} bytes; {link}; {signed}\n  SHA-256 of its manifest: {}",
        manifest.run.run_id, verified.manifest_sha256
    )
}
