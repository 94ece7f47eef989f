//! `pipewarden verify`: does a run still hold, file by file, link by link?
//!
//! In: runs, and the public key of whoever signs. Out: a line per run; the first thing that does not hold ends it, because
//! nothing after that proves anything.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Exit;
use super::failure::Failure;
use super::options::{named_run, print};
use crate::run::{Link, PublicKey, RunDirectory, RunError, Signed, Verified, leads_back_to, verify};

/// Options of `verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The runs [default: the newest in --out]
    runs: Vec<PathBuf>,
    /// All finished runs in --out, oldest first, and that none is missing between them
    #[arg(long, conflicts_with = "runs")]
    all: bool,
    /// Folder that keeps the runs
    #[arg(long, value_name = "DIR", default_value = "pipewarden-out")]
    out: PathBuf,
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
    let paths = if args.all {
        let finished = RunDirectory::all(&args.out).map_err(|error| Failure::failed(&error))?;
        let finished: Vec<PathBuf> =
            finished.iter().filter(|run| run.is_finished()).map(|run| run.path().to_owned()).collect();
        if finished.is_empty() {
            return Err(Failure::usage(format!("there is no finished run in {}", args.out.display())));
        }
        finished
    } else if args.runs.is_empty() {
        vec![named_run(None, &args.out)?.path().to_owned()]
    } else {
        args.runs.clone()
    };
    let mut before: Option<Verified> = None;
    for path in paths {
        let verified = verify(&path, key.as_ref()).map_err(|error| Failure::failed(&error))?;
        if let (true, Some(before)) = (args.all, &before) {
            follows(&path, before, &verified)?;
        }
        let line = sentence(&verified);
        print(&|out| writeln!(out, "{line}"))?;
        before = Some(verified);
    }
    Ok(Exit::Compliant)
}

/// Between two runs of one folder there must be no other one but those that were pruned: a run that was taken away leaves
/// its name in the next.
fn follows(folder: &Path, before: &Verified, verified: &Verified) -> Result<(), Failure> {
    let expected = &before.manifest.run.run_id;
    let folder = std::path::absolute(folder).map_err(|error| Failure::failed(&error))?;
    let until = expected.parse().map_err(|error: RunError| Failure::failed(&error))?;
    if leads_back_to(&folder, &verified.manifest, &until).map_err(|error| Failure::failed(&error))? {
        return Ok(());
    }
    let run = &verified.manifest.run.run_id;
    let found = verified.manifest.previous.as_ref();
    let found = found.map_or_else(|| "no run".to_owned(), |previous| format!("run {}", previous.run_id));
    Err(Failure::because(format!(
        "the chain is broken: run {run} follows {found}, but the run before it here is {expected}; a run was taken away without `pipewarden runs --prune`, or put here from elsewhere"
    )))
}

/// `20261121T020000Z holds: 31 files, 2.4 MB; follows 20261120T020000Z; signed by …, checked`
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
        Signed::Unchecked(key) => format!("says to be signed by {key}: not checked, give its --public-key"),
        Signed::Checked(key) => format!("signed by {key}: checked"),
    };
    format!(
        "{} holds: {files} files, {bytes} bytes; {link}; {signed}\n  SHA-256 of its manifest: {}",
        manifest.run.run_id, verified.manifest_sha256
    )
}
