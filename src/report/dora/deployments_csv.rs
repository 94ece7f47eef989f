//! `deployments.csv`: one line per deployment, for a spreadsheet or a database.
//!
//! In: measurements. Out: RFC 4180 with a header line; times in UTC, seconds as integers, lists joined by `; `. What is
//! not known is an empty cell.

use std::collections::BTreeMap;
use std::io::{self, Write};

use csv::Writer;

use super::DoraFormat;
use super::numbers::{moment, moment_or_empty};
use crate::dora::{Deployment, Measurements, Service, Tier};
use crate::report::spreadsheet::{table, write_row};

/// The `deployments-csv` format.
#[derive(Debug, Clone, Copy)]
pub struct DeploymentsCsv;

const COLUMNS: [&str; 36] = [
    "schema_version",
    "deployment",
    "service",
    "service_name",
    "account",
    "region",
    "organizational_unit",
    "pipeline",
    "execution",
    "kind",
    "kind_confidence",
    "outcome",
    "started",
    "first_finished",
    "finished",
    "duration_seconds",
    "attempts",
    "first_attempt_failed",
    "version",
    "revisions",
    "changes",
    "tier",
    "trigger",
    "actor",
    "approvers",
    "is_completed_change",
    "is_failed_change",
    "evidence",
    "evidence_confidence",
    "evidence_ids",
    "unplanned",
    "unplanned_is_flagged",
    "targets",
    "code_deployments",
    "error_codes",
    "events",
];

impl DoraFormat for DeploymentsCsv {
    fn name(&self) -> &'static str {
        "deployments-csv"
    }

    fn file_name(&self) -> &'static str {
        "deployments.csv"
    }

    fn about(&self) -> &'static str {
        "one line per deployment: what, when, how it ended, who, and the evidence of failure"
    }

    fn write(&self, measurements: &Measurements, out: &mut dyn Write) -> io::Result<()> {
        let services: BTreeMap<&str, &Service> =
            measurements.services.iter().map(|service| (service.key.0.as_str(), service)).collect();
        let mut changes: BTreeMap<&str, (u64, Tier)> = BTreeMap::new();
        for lead_time in &measurements.lead_times {
            let change = &lead_time.change;
            let (count, tier) = changes.entry(change.deployment.as_str()).or_insert((0, change.tier));
            *count += 1;
            *tier = (*tier).max(change.tier);
        }
        let mut table = table(out);
        table.write_record(COLUMNS)?;
        let version = measurements.schema_version.to_string();
        for deployment in &measurements.deployments {
            let service = services.get(deployment.service.0.as_str()).copied();
            let changes = changes.get(deployment.id.as_str()).copied();
            write_deployment(&mut table, &version, deployment, service, changes)?;
        }
        table.flush()
    }
}

fn write_deployment<W: Write>(
    table: &mut Writer<W>,
    version: &str,
    deployment: &Deployment,
    service: Option<&Service>,
    changes: Option<(u64, Tier)>,
) -> io::Result<()> {
    let duration =
        deployment.finished.map(|finished| (finished - deployment.started).whole_seconds().max(0).to_string());
    let people = |people: &[crate::history::Principal]| joined(people.iter().map(crate::history::Principal::shown));
    let members = &deployment.members;
    let evidence = &deployment.evidence;
    let completed = deployment.is_completed_change();
    let cells: [&str; 36] = [
        version,
        &deployment.id,
        &deployment.service.0,
        service.map_or("", |service| &service.name),
        deployment.account.as_str(),
        deployment.region.as_str(),
        service.and_then(|service| service.organizational_unit.as_deref()).unwrap_or_default(),
        deployment.pipeline.as_deref().unwrap_or_default(),
        deployment.execution.as_deref().unwrap_or_default(),
        deployment.kind.name(),
        deployment.kind_confidence.name(),
        deployment.outcome.name(),
        &moment(deployment.started),
        &moment_or_empty(deployment.first_finished),
        &moment_or_empty(deployment.finished),
        &duration.unwrap_or_default(),
        &deployment.attempts.to_string(),
        deployment.first_attempt_failed.map_or("", truth),
        deployment.version.as_deref().unwrap_or_default(),
        &joined(deployment.revisions.iter().map(|revision| format!("{}={}", revision.action, revision.id))),
        &changes.map(|(count, _)| count.to_string()).unwrap_or_default(),
        changes.map_or("", |(_, tier)| tier.name()),
        deployment.trigger.name(),
        &deployment.actor.as_ref().map(crate::history::Principal::shown).unwrap_or_default(),
        &people(&deployment.approvers),
        truth(completed),
        truth(completed && !evidence.is_empty()),
        &joined(evidence.iter().map(|evidence| evidence.code.name().to_owned())),
        evidence.iter().map(|evidence| evidence.confidence).max().map_or("", crate::dora::Confidence::name),
        &joined(evidence.iter().map(|evidence| evidence.id.clone())),
        truth(deployment.unplanned),
        truth(deployment.unplanned_is_flagged),
        &joined(members.iter().map(|member| {
            let target = &member.target;
            format!("{}:{}:{}", target.provider, target.account, target.region)
        })),
        &joined(members.iter().flat_map(|member| member.code_deployments.iter().cloned())),
        &joined(members.iter().filter_map(|member| member.error_code.clone())),
        &joined(deployment.events.iter().cloned()),
    ];
    write_row(table, &cells)
}

fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    let mut parts: Vec<String> = parts.collect();
    parts.dedup();
    parts.join("; ")
}
