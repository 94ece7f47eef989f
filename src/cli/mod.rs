//! The command line. One subcommand is one file.
//!
//! In: arguments, environment, configuration file. Out: an exit code, data on stdout, everything else on stderr. It is
//! the only module that reads the clock and the environment, and the only one that prints.

mod audit;
mod aws;
mod check;
mod collect;
mod controls;
mod deliver;
mod deliveries;
mod demo;
mod diff;
mod dora;
mod evaluate;
mod exit_code;
mod failure;
mod fingerprint;
mod hook;
mod init;
mod kept;
mod lambda;
mod logging;
mod options;
mod policies;
mod progress;
mod recheck;
mod report;
mod role;
mod runs;
mod secrets;
mod sign;
mod simulate;
mod stage;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use exit_code::Exit;

/// Audits the software delivery path of a whole AWS Organization against Cedar policies.
///
/// A pass means "looked at, and good". What could not be seen is its own result, never a pass and never silence.
#[derive(Debug, Parser)]
#[command(name = "pipewarden", version, after_help = exit_code::HELP)]
struct Cli {
    #[command(flatten)]
    log: logging::LogOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Collect, judge and report: the nightly run
    Audit(audit::AuditArgs),
    /// Judge templates, plans and pipeline definitions before they are deployed
    Check(check::CheckArgs),
    /// Set up the gate of a repository: what runs the check, and a baseline
    Init(init::InitArgs),
    /// Answer a CloudFormation Lambda Hook: the gate that no repository can skip
    Hook(hook::HookArgs),
    /// Answer events inside Lambda: the nightly run, a changed resource, a stage of a fan-out, a hook
    Lambda(lambda::LambdaArgs),
    /// The first stage alone: discover accounts and write their inventories
    Collect(collect::CollectArgs),
    /// Judge the inventories of a run (again), with today's policies
    Evaluate(evaluate::EvaluateArgs),
    /// Print a report of a finished run in another format
    Report(report::ReportArgs),
    /// Deliver a finished run (again): buckets, Security Hub, messages
    Deliver(deliver::DeliverArgs),
    /// What changed between two finished runs: new, worse, resolved, and not seen
    Diff(diff::DiffArgs),
    /// List the runs with their trend, and prune them
    Runs(runs::RunsArgs),
    /// Check that runs are still what was written: every file, the chain, the signature
    Verify(verify::VerifyArgs),
    /// Sign the manifest of a finished run with a key of KMS
    Sign(sign::SignArgs),
    /// DORA metrics from the histories at hand
    Dora(dora::DoraArgs),
    /// Run the whole audit against a simulated organization inside the process
    Demo(demo::DemoArgs),
    /// Serve the simulated organization alone, for any AWS client
    Simulate(simulate::SimulateArgs),
    /// List, show, test, check, explain and write controls
    Controls(controls::ControlsArgs),
    /// Print the permissions that the audit role needs
    Role(role::RoleArgs),
}

/// Parses, runs, and turns the outcome into an exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not mistakes; a closed pipe must not turn them into one.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Compliant.into() };
        }
    };
    logging::start(&cli.log);
    let outcome = match cli.command {
        Command::Audit(args) => audit::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Hook(args) => hook::run(&args),
        Command::Lambda(args) => lambda::run(&args),
        Command::Collect(args) => collect::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Deliver(args) => deliver::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Runs(args) => runs::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Sign(args) => sign::run(&args),
        Command::Dora(args) => dora::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Controls(args) => controls::run(&args),
        Command::Role(args) => role::run(&args),
    };
    outcome.unwrap_or_else(failure::Failure::print).into()
}
