//! `pipewarden role`: what the audit role must be allowed, from the collectors themselves.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::Exit;
use super::failure::Failure;
use super::options::print;
use crate::audit::ACCOUNT_ACTIONS;
use crate::collect::COLLECTORS;
use crate::organization::DIRECTORY_ACTIONS;

/// Which role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RoleOf {
    /// The role in every account
    Member,
    /// The identity that discovers the organization and assumes the others
    Audit,
}

/// Options of `role`.
#[derive(Debug, Args)]
pub(super) struct RoleArgs {
    /// Whose permissions
    #[arg(long = "for", value_enum, default_value = "member")]
    role: RoleOf,
}

pub(super) fn run(args: &RoleArgs) -> Result<Exit, Failure> {
    let actions: BTreeSet<&str> = match args.role {
        RoleOf::Member => COLLECTORS.iter().flat_map(|c| c.actions()).chain(ACCOUNT_ACTIONS).copied().collect(),
        RoleOf::Audit => DIRECTORY_ACTIONS.iter().copied().chain(["sts:AssumeRole"]).collect(),
    };
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{"Sid": "PipewardenReads", "Effect": "Allow", "Action": actions, "Resource": "*"}],
    });
    let text = serde_json::to_string_pretty(&policy).map_err(|error| Failure::failed(&error))?;
    print(&|out| writeln!(out, "{text}"))?;
    Ok(Exit::Compliant)
}
