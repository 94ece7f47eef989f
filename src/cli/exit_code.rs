//! Exit codes: documented constants, the same for every subcommand.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything that was asked holds.
    Compliant = 0,
    /// Something is non-compliant at or above `--fail-on`, or new or worse at or above `--fail-on-new`.
    NonCompliant = 1,
    /// Finished, but something could not be seen, and `--fail-on-gaps` was given.
    Gaps = 2,
    /// The run failed; there is no verdict.
    Failed = 3,
    /// Finished and compliant, but not delivered as a whole, and `--fail-on-delivery` was given; or `deliver` could not
    /// deliver.
    Undelivered = 4,
    /// The command line or the configuration is wrong.
    Usage = 64,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// For `--help`.
pub(super) const HELP: &str = "\
Exit codes:
  0   compliant
  1   non-compliant at or above --fail-on, or new or worse at or above --fail-on-new
  2   finished, but something could not be seen (with --fail-on-gaps)
  3   the run failed: there is no verdict
  4   compliant, but not delivered as a whole (with --fail-on-delivery, and from `deliver`)
  64  wrong usage or configuration";
