//! `pipewarden controls`: everything that can be done with policies without auditing anything.
//!
//! One verb is one file. In: the built-in policies and the user's folders. Out: tables, explanations and mistakes with
//! their places.

mod create;
mod explain;
mod lint;
mod list;
mod page;
mod show;
mod test;
mod validate;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Exit;
use super::failure::Failure;
use super::options::PolicyOptions;
use super::policies;
use crate::config::Config;

/// Options of `controls`.
#[derive(Debug, Args)]
pub(super) struct ControlsArgs {
    #[command(flatten)]
    policies: PolicyOptions,
    /// Configuration file, for its folders, switched-off controls, approvers and settings
    #[arg(long, value_name = "FILE", global = true, env = "PIPEWARDEN_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One line per control: severity, id, type, title
    List(list::ListArgs),
    /// Everything about one control
    Show(show::ShowArgs),
    /// Run the cases that stand beside controls, `<id>.tests.json`, the built-in ones too
    Test(test::TestArgs),
    /// Name everything that is wrong with the policies, with file, line and column
    Validate,
    /// Say what is right as Cedar, but probably not meant
    Lint(lint::LintArgs),
    /// Take the verdict of a control on a resource of a run apart
    Explain(explain::ExplainArgs),
    /// Write a new control with its cases into the folder given with `--policies`
    New(create::NewArgs),
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

pub(super) fn run(args: &ControlsArgs) -> Result<Exit, Failure> {
    let config = Config::read(args.config.as_deref()).map_err(Failure::usage)?;
    let now = time::OffsetDateTime::now_utc();
    match &args.command {
        Command::New(new) => create::run(new, &args.policies, &config),
        Command::Validate => validate::run(&policies::load(&config, &args.policies, now)?),
        Command::Lint(lint) => lint::run(lint, &loaded(&config, args)?, &args.policies, &config, now),
        Command::List(list) => list::run(list, &loaded(&config, args)?),
        Command::Show(show) => show::run(show, &loaded(&config, args)?),
        Command::Test(test) => test::run(test, &loaded(&config, args)?),
        Command::Explain(explain) => explain::run(explain, &loaded(&config, args)?, &config),
    }
}

fn loaded(config: &Config, args: &ControlsArgs) -> Result<crate::evaluate::Policies, Failure> {
    policies::load_undated(config, &args.policies)
}

fn unknown(id: &str) -> Failure {
    Failure::usage(format!("there is no control `{id}`; `pipewarden controls list` shows all ids"))
}
