//! `pipewarden dora`: DORA's metrics from the histories at hand.
//!
//! In: the store that `audit --history` fills, and files (a trail's log files, exported events, incidents). Out: the
//! measurements on stdout, in a folder, on `/metrics`, or in CloudWatch.

mod measure;
mod report;

use clap::{Args, Subcommand};

use super::Exit;
use super::failure::Failure;

/// Options of `dora`.
#[derive(Debug, Args)]
pub(super) struct DoraArgs {
    #[command(subcommand)]
    command: DoraCommand,
}

#[derive(Debug, Subcommand)]
enum DoraCommand {
    /// Print the metrics, or write them in all formats
    Report(report::ReportArgs),
}

pub(super) fn run(args: &DoraArgs) -> Result<Exit, Failure> {
    match &args.command {
        DoraCommand::Report(args) => report::run(args),
    }
}
