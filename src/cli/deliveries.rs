//! Histories in a run: what `audit --history`, `collect --history` and `demo --history` share.
//!
//! In: a run whose inventories are collected. Out: its histories in the store, the delivery facts beside the inventories,
//! and the documents of `dora/`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::failure::Failure;
use super::progress::Shown;
use crate::audit::{self, Deliveries, HistoryCollection};
use crate::config::Config;
use crate::dora::Options;
use crate::history::{
    History, HistoryGap, HistorySource, HistoryStore, Period, incidents_of_alarms, read_incident_file,
};
use crate::inventory::wildcard_matches;
use crate::organization::Sessions;
use crate::report::DeliveryInBrief;
use crate::report::dora::{DORA_FORMATS, METRICS_PARQUET, in_brief, write_metrics_parquet};
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
    collection.complete().await.map_err(|error| Failure::failed(&error))?;
    let trails = config.trails().map_err(Failure::usage)?;
    trails.read(sessions, run, &HistoryStore::of(out), &options).await.map_err(|error| Failure::failed(&error))
}

/// Adds the incidents that the configuration names to a history: those in files, and those that alarms tell of.
pub(super) fn add_incidents(
    history: &mut History,
    files: &[PathBuf],
    alarms: &BTreeMap<String, String>,
    period: Period,
) -> Result<(), Failure> {
    for file in files {
        history.absorb(read_incident_file(file, period).map_err(Failure::usage)?);
    }
    let named: BTreeMap<String, String> = history
        .transitions
        .iter()
        .filter_map(|transition| {
            let name = transition.alarm.split_once(":alarm:").map_or(transition.alarm.as_str(), |(_, name)| name);
            let service = alarms.iter().find(|(pattern, _)| wildcard_matches(pattern, name))?.1;
            Some((transition.alarm.clone(), service.clone()))
        })
        .collect();
    history.incidents.extend(incidents_of_alarms(&history.transitions, &named));
    // Where an alarm that tells of incidents could not be seen, incidents of its service may be missing.
    let blind = history.coverage.gaps.iter().filter(|gap| gap.source == HistorySource::AlarmHistory);
    let blind: Vec<HistoryGap> = blind
        .flat_map(|gap| {
            let of_alarm = |name: &str| alarms.iter().find(|(pattern, _)| wildcard_matches(pattern, name));
            let services: BTreeSet<&String> = match gap.subject.as_deref() {
                Some(subject) => {
                    let name = subject.split_once(":alarm:").map_or(subject, |(_, name)| name);
                    of_alarm(name).into_iter().map(|(_, service)| service).collect()
                }
                // Nothing of the account was seen, so the alarm of any of them may stand there.
                None => alarms.values().collect(),
            };
            let over = |service: &String| HistoryGap {
                source: HistorySource::IncidentFile,
                subject: Some(service.clone()),
                ..gap.clone()
            };
            services.into_iter().map(over).collect::<Vec<_>>()
        })
        .collect();
    history.coverage.gaps.extend(blind);
    history.normalise();
    Ok(())
}

/// Puts the histories of a run together: facts beside the inventories, documents in `dora/`.
pub(super) fn settle(run: &RunDirectory, out: &Path, config: &Config) -> Result<(), Failure> {
    let options = config.dora(moment_of(run)?).map_err(Failure::usage)?;
    let store = HistoryStore::of(out);
    let failed = |error: audit::DeliveriesError| Failure::failed(&error);
    let sources = config.account_sources().map_err(Failure::usage)?;
    let (mut history, segments) = audit::history_of(run, &store, &sources, &options).map_err(failed)?;
    let period = Period { from: options.earliest(), to: options.as_of };
    let written = &config.written.history;
    add_incidents(&mut history, &config.incidents, &written.incident_alarms, period)?;
    let estate = audit::estate_of(run).map_err(|error| Failure::failed(&error))?;
    let Deliveries { measurements, resources } = audit::deliveries(&history, &estate, &options);
    let written = |error: crate::run::RunError| Failure::failed(&error);
    audit::keep_facts(run, resources).map_err(written)?;
    for format in DORA_FORMATS {
        let path = format!("dora/{}", format.file_name());
        run.write_document(&path, &|out| format.write(&measurements, out)).map_err(written)?;
    }
    run.write_document(METRICS_PARQUET, &|out| write_metrics_parquet(&measurements, out)).map_err(written)?;
    run.write_document(BRIEF, &|out| {
        serde_json::to_writer_pretty(&mut *out, &in_brief(&measurements))?;
        out.write_all(b"\n")
    })
    .map_err(written)?;
    run.write_document("history.json", &|out| {
        serde_json::to_writer_pretty(&mut *out, &json!({"schemaVersion": 1, "segments": segments}))?;
        out.write_all(b"\n")
    })
    .map_err(written)
}

/// What the overview says of deliveries.
const BRIEF: &str = "dora/brief.json";

/// What the overview of a run's report says of deliveries; nothing where the run has no page on them.
pub(super) fn brief_of(run: &RunDirectory) -> Result<Option<DeliveryInBrief>, Failure> {
    let path = run.path().join(BRIEF);
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Failure::because(format!(
                "{} cannot be read: {error}; collect the run again with `--history`",
                path.display()
            ))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::because(format!("{} cannot be read: {error}", path.display()))),
    }
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

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::inventory::{Affects, Gap, GapCause};

    fn gap(subject: Option<&str>) -> HistoryGap {
        HistoryGap {
            source: HistorySource::AlarmHistory,
            subject: subject.map(str::to_owned),
            from: None,
            to: None,
            gap: Gap {
                account: "999999999999".parse().unwrap(),
                region: "eu-west-1".parse().unwrap(),
                service: "cloudwatch".to_owned(),
                action: "cloudwatch:DescribeAlarmHistory".to_owned(),
                cause: GapCause::Throttled { attempts: 7 },
                affects: Affects::Details,
            },
        }
    }

    #[test]
    fn an_alarm_that_could_not_be_seen_hides_incidents_of_its_service_and_an_account_those_of_all() {
        let alarms = [("web-*", "web"), ("api-down", "api")];
        let alarms = alarms.map(|(pattern, service)| (pattern.to_owned(), service.to_owned())).into();
        let period = Period { from: datetime!(2026-06-01 0:00 UTC), to: datetime!(2026-06-29 0:00 UTC) };
        let hidden = |subject: Option<&str>| {
            let mut history = History::default();
            history.coverage.gaps.push(gap(subject));
            add_incidents(&mut history, &[], &alarms, period).map_err(|_| "failed").unwrap();
            let gaps = history.coverage.gaps.into_iter().filter(|gap| gap.source == HistorySource::IncidentFile);
            gaps.filter_map(|gap| gap.subject).collect::<Vec<_>>()
        };
        assert_eq!(hidden(Some("arn:aws:cloudwatch:eu-west-1:999999999999:alarm:web-errors")), ["web"]);
        assert!(hidden(Some("arn:aws:cloudwatch:eu-west-1:999999999999:alarm:other")).is_empty());
        assert_eq!(hidden(None), ["api", "web"]);
    }
}
