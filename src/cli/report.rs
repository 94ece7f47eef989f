//! `pipewarden report`: print a report of a finished run in any format.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::Exit;
use super::failure::Failure;
use super::kept::{Kept, StoreOptions};
use super::options::{named_run, print};
use crate::report::FORMATS;
use crate::run::{FAILED, MANIFEST, PLAN};

/// Options of `report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The run, by its folder or id [default: the newest in --out]
    run: Option<PathBuf>,
    /// Folder that keeps the runs, or `s3://BUCKET/PREFIX`
    #[arg(long, value_name = "DIR", env = "PIPEWARDEN_OUT", default_value = "pipewarden-out")]
    out: PathBuf,
    #[command(flatten)]
    store: StoreOptions,
    /// Format to print
    #[arg(long, value_name = "NAME", default_value = "terminal", value_parser = PossibleValuesParser::new(FORMATS.iter().map(|f| f.name())))]
    format: String,
}

pub(super) fn run(args: &ReportArgs) -> Result<Exit, Failure> {
    let kept = Kept::open(&args.out, &args.store, None)?;
    let format = FORMATS.iter().find(|format| format.name() == args.format);
    let file = format.map_or("", |format| format.file_name());
    kept.fetch_named(args.run.as_deref(), &[PLAN, MANIFEST, FAILED, file])?;
    let run = named_run(args.run.as_deref(), kept.folder())?;
    let path = run.path().join(file);
    if let (false, Some(why)) = (run.is_finished(), run.failure()) {
        return Err(Failure::because(format!("{} has no verdict: {why}", kept.place(&run))));
    }
    if !run.is_finished() {
        return Err(Failure::because(format!(
            "{} is unfinished; run the same command again to go on with it",
            kept.place(&run)
        )));
    }
    let text = std::fs::read(&path).map_err(|error| Failure::because(format!("{} cannot be read: {error}; the run was made without `--format {}`, judge it again with `pipewarden evaluate`", path.display(), args.format)))?;
    print(&|out| out.write_all(&text))?;
    Ok(Exit::Compliant)
}
