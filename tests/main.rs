//! One test binary: what is slow to link is linked once.

#![expect(
    clippy::expect_used,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and its helpers take what reads best"
)]

/// The walls between modules, and the rules of the house, read from the source.
mod architecture;
/// The whole audit against the simulated organization: truth, denials, resume, secrets.
mod audit;
/// The HTML report in a headless browser.
mod browser;
/// `pipewarden check`: inputs, places, changes and formats.
mod check;
/// The command line as a user meets it: exit codes and error messages.
mod cli;
/// Deliveries of finished runs, over the wire.
mod deliveries;
/// The program and its tests must not build the SDKs twice.
mod dependencies;
/// Documents that are written from the source.
mod documents;
/// Runs as evidence: the chain, signatures.
mod evidence;
/// Runs that many workers share, and runs that are kept in a bucket.
mod fan_out;
/// The guides against the program: commands, messages, exit codes, links, paths, sums.
mod guides;
/// Histories of the simulated organization against what really happened there.
mod history;
/// Readers of source hosts against the simulated ones.
mod hosts;
/// Templates of `infra/`: lint, rights, Terraform's module.
mod infra;
/// What is kept beside runs: memories that several machines share, and the configuration.
mod keeping;
/// `pipewarden lambda` against a runtime API on loopback.
mod lambda;
/// Findings over runs: every kind of change against the known truth, pruning, `diff` and `runs`.
mod lifecycle;
/// SDK configuration for a server on loopback.
mod loopback;
/// A server that nobody here wrote.
mod moto;
/// Whether the cases beside the controls would notice a control that says nothing.
mod mutation;
/// Every control: form, cases, and the contract of facts.
mod policies;
/// Rechecks of single resources against what a full audit says of the same.
mod recheck;
/// Every format on a report of mixed outcomes.
mod report;
/// Every format of the delivery metrics: schemas, an exposition parser, hostile names, the dashboard.
mod report_dora;
/// Findings as other programs speak of them: OCSF, ASFF, `JUnit`, each against its official schema.
mod report_events;
/// The run directory.
mod run;
/// Secrets in free text of every type, searched for in every file of a run.
mod secrets;
/// Secrets that the program fetches, from servers on loopback.
mod secrets_manager;
/// Image, release build and workflows, as far as reading them tells.
mod shipping;
/// The fan-out's state machine, executed.
mod state_machine;
/// Formats for other programs: SARIF, Parquet, and what JSON and CSV say of owners and runs before.
mod tables;
