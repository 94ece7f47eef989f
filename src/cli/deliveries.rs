//! Histories in a run: what `audit --history`, `collect --history` and `demo --history` share.
//!
//! In: a run whose inventories are collected. Out: its histories in the store, the delivery facts beside the inventories,
//! and the documents of `dora/`.

use std::path::Path;

use clap::Args;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::failure::Failure;
use super::progress::Shown;
use crate::audit::{self, Deliveries, HistoryCollection};
use crate::config::Config;
use crate::dora::Options;
use crate::history::HistoryStore;
use crate::organization::Sessions;
use crate::report::dora::DORA_FORMATS;
use crate::run::RunDirectory;

/// Whether history is read.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct HistoryArgs {
    /// Read what happened as well (executions, deployments, CloudTrail events): DORA metrics, and controls on who did what
    #[arg(long)]
    pub(super) history: bool,
}

impl HistoryArgs {
    /// What of it decides the answer of a run.
    pub(super) fn question(self, asked: Value) -> Value {
        let mut asked = asked;
        if let (true, Some(members)) = (self.history, asked.as_object_mut()) {
            members.insert("history".to_owned(), json!(true));
        }
        asked
    }
}

/// The moment that a run calls now: its start.
pub(super) fn moment_of(run: &RunDirectory) -> Result<OffsetDateTime, Failure> {
    OffsetDateTime::parse(&run.plan().started_at, &Rfc3339)
        .map_err(|_| Failure::because(format!("{}: its plan.json is damaged", run.path().display())))
}

/// Collects what happened into the store.
pub(super) async fn collect(
    run: &RunDirectory,
    out: &Path,
    sessions: &Sessions,
    config: &Config,
) -> Result<(), Failure> {
    let options = config.dora(moment_of(run)?).map_err(Failure::usage)?;
    let sources = config.account_sources().map_err(Failure::usage)?;
    let progress = Shown::default();
    let collection = HistoryCollection {
        sessions,
        run,
        store: &HistoryStore::of(out),
        sources: &sources,
        options: &options,
        accounts_at_once: config.audit.concurrency.accounts,
        progress: &progress,
    };
    collection.complete().await.map_err(|error| Failure::failed(&error))
}

/// Puts the histories of a run together: facts beside the inventories, documents in `dora/`.
pub(super) fn settle(run: &RunDirectory, out: &Path, config: &Config) -> Result<(), Failure> {
    let options = config.dora(moment_of(run)?).map_err(Failure::usage)?;
    let store = HistoryStore::of(out);
    let failed = |error: audit::DeliveriesError| Failure::failed(&error);
    let (history, segments) = audit::history_of(run, &store, &options).map_err(failed)?;
    let estate = audit::estate_of(run).map_err(|error| Failure::failed(&error))?;
    let Deliveries { measurements, resources } = audit::deliveries(&history, &estate, &options);
    let written = |error: crate::run::RunError| Failure::failed(&error);
    audit::keep_facts(run, resources).map_err(written)?;
    for format in DORA_FORMATS {
        let path = format!("dora/{}", format.file_name());
        run.write_document(&path, &|out| format.write(&measurements, out)).map_err(written)?;
    }
    run.write_document("history.json", &|out| {
        serde_json::to_writer_pretty(&mut *out, &json!({"schemaVersion": 1, "segments": segments}))?;
        out.write_all(b"\n")
    })
    .map_err(written)
}

/// As [`Config::dora`], with what the command line says instead.
pub(super) fn options(
    config: &Config,
    as_of: OffsetDateTime,
    window: Option<&str>,
    time_zone: Option<&str>,
) -> Result<Options, Failure> {
    let mut options = config.dora(as_of).map_err(Failure::usage)?;
    if let Some(window) = window {
        options = options.with_window(window).map_err(Failure::usage)?;
    }
    if let Some(zone) = time_zone {
        options = options.with_time_zone(zone).map_err(Failure::usage)?;
    }
    Ok(options)
}
