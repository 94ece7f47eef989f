//! Finished runs to deliver, and the way to deliver them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_types::retry::RetryConfig;
use pipewarden::collect::git_hosts::Secrets;
use pipewarden::collect::{CallGate, Concurrency};
use pipewarden::deliver::{
    Deliveries, FailedRun, Notice, Outcome, Pace, Package, Preview, Way, deliver_all, notify_failure, open_all,
    preview_all,
};
use pipewarden::finding::{ComplianceType, Control, Finding, Gone, Lifecycle, ResourceRef, Severity};
use pipewarden::inventory::{AccountId, CallCounts, Coverage, CoverageKey, Partition, ResourceUid, TypeName};
use pipewarden::organization::{RoleHop, SessionOptions, Sessions};
use pipewarden::report::{AccountInfo, Counts, FORMATS, FindingPass, FindingSource, GonePass, OverTime, Report};
use pipewarden::run::{Asked, Finder, Finders, Plan, RunDirectory};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

use super::server::{OWN, Server};
use crate::loopback;

pub(super) const NOW: OffsetDateTime = datetime!(2026-11-21 03:00 UTC);
pub(super) const HOME: &str = "eu-central-1";

/// One finding.
pub(super) fn finding(account: &str, region: &str, name: &str, compliance: ComplianceType) -> Finding {
    let resource = ResourceRef {
        uid: ResourceUid(format!("arn:aws:codepipeline:{region}:{account}:{name}")),
        type_name: TypeName::PIPELINE,
        account: account.parse().unwrap(),
        region: region.parse().unwrap(),
    };
    Finding {
        id: Finding::stable_id("codepipeline-type-v2", &resource),
        control: "codepipeline-type-v2".to_owned(),
        severity: Severity::High,
        compliance,
        resource: resource.into(),
        evidence: BTreeMap::new(),
        gaps: Vec::new(),
        exception: None,
        owner: None,
        lifecycle: None,
    }
}

pub(super) fn changed(finding: Finding, change: pipewarden::finding::Change) -> Finding {
    let at = "2026-11-20T02:00:00Z".to_owned();
    let lifecycle =
        Lifecycle { change, first_observed_at: at.clone(), last_observed_at: Some(at), last_known: None, was: None };
    Finding { lifecycle: Some(lifecycle), ..finding }
}

/// Findings, and what the run before had.
struct Source<'a>(&'a dyn FindingSource, &'a [Gone]);

impl FindingSource for Source<'_> {
    fn findings(&self) -> std::io::Result<FindingPass<'_>> {
        self.0.findings()
    }
    fn gone(&self) -> std::io::Result<GonePass<'_>> {
        Ok(Box::new(self.1.iter().cloned().map(Ok)))
    }
}

fn report<'a>(
    run: &RunDirectory,
    findings: &'a dyn FindingSource,
    counts: Counts,
    coverage: &'a Coverage,
) -> Report<'a> {
    let control = Control {
        id: "codepipeline-type-v2".to_owned(),
        title: "Pipelines are of type V2".to_owned(),
        severity: Severity::High,
        resource_type: TypeName::PIPELINE,
        remediation: "Set PipelineType to V2".to_owned(),
        frameworks: Vec::new(),
    };
    let account: AccountId = "111111111111".parse().unwrap();
    let info =
        AccountInfo { id: account.clone(), name: "payments".to_owned(), organizational_unit_path: "/".to_owned() };
    Report {
        run: run.plan().run_info("o-exampleorg1", &"cd".repeat(32)),
        controls: BTreeMap::from([(control.id.clone(), control)]),
        frameworks: BTreeMap::new(),
        accounts: BTreeMap::from([(account, info)]),
        counts,
        coverage,
        gaps: &[],
        findings,
        calls: CallCounts::default(),
        over_time: OverTime::default(),
    }
}

/// A sealed run of these findings.
pub(super) fn sealed(out: &Path, run_id: &str, findings: Vec<Finding>, documents: &[(&str, Vec<u8>)]) -> RunDirectory {
    sealed_as(out, run_id, json!({}), findings, documents)
}

/// The same, of a run that judged the inventories of another again.
pub(super) fn sealed_again(out: &Path, run_id: &str, of: &str, findings: Vec<Finding>) -> RunDirectory {
    sealed_as(out, run_id, json!({"options": {"inventoriesOf": of}}), findings, &[])
}

/// A sealed run that was compared with the one before it; it looked at the pipelines of one account in its home Region.
pub(super) fn sealed_among(out: &Path, run_id: &str, mut findings: Vec<Finding>) -> RunDirectory {
    findings.sort_by(|one, other| one.sort_key().cmp(&other.sort_key()));
    let run = RunDirectory::create(out, Plan::new(run_id.parse().unwrap(), json!({}), 1)).unwrap();
    let mut coverage = Coverage::default();
    let key = CoverageKey {
        account: "111111111111".parse().unwrap(),
        region: HOME.parse().unwrap(),
        service: "codepipeline".to_owned(),
        action: "ListPipelines".to_owned(),
    };
    coverage.add(key, CallCounts { ok: 1, ..CallCounts::default() });
    let listed = Finder::Listed {
        service: "codepipeline",
        actions: &["codepipeline:ListPipelines", "codepipeline:GetPipeline"],
        asked: Asked::EveryRegion,
    };
    let finders = Finders { of_type: BTreeMap::from([(TypeName::PIPELINE, listed)]), ..Finders::default() };
    let judged = report(&run, &findings, Counts::default(), &coverage);
    let (spool, over_time) = run.put_among_runs(&judged, Vec::new(), &finders).unwrap();
    let compared = Report { over_time, ..report(&run, &spool, spool.counts().clone(), &coverage) };
    run.finish(&compared, FORMATS).unwrap();
    let path = run.path().to_owned();
    drop(run);
    RunDirectory::open(&path).unwrap()
}

fn sealed_as(
    out: &Path,
    run_id: &str,
    asked: Value,
    mut findings: Vec<Finding>,
    documents: &[(&str, Vec<u8>)],
) -> RunDirectory {
    findings.sort_by(|one, other| one.sort_key().cmp(&other.sort_key()));
    let run = RunDirectory::create(out, Plan::new(run_id.parse().unwrap(), asked, 1)).unwrap();
    let mut spool = run.spool().unwrap();
    spool.append(findings).unwrap();
    let spool = spool.finish().unwrap();
    for (name, bytes) in documents {
        run.write_document(name, &|out| out.write_all(bytes)).unwrap();
    }
    run.finish(&report(&run, &spool, spool.counts().clone(), &Coverage::default()), FORMATS).unwrap();
    // Whoever makes a run holds the folder; whoever reads it does not.
    let path = run.path().to_owned();
    drop(run);
    RunDirectory::open(&path).unwrap()
}

struct NoPause;

#[async_trait::async_trait]
impl Pace for NoPause {
    fn chance(&self) -> f64 {
        0.0
    }
    async fn pause(&self, _: Duration) {}
}

fn sessions(server: &Server) -> Sessions {
    sessions_at(&server.endpoint)
}

/// Sessions whose calls go to an address.
pub(super) fn sessions_at(endpoint: &str) -> Sessions {
    sessions_with(endpoint, RetryConfig::disabled())
}

fn sessions_with(endpoint: &str, retry: RetryConfig) -> Sessions {
    let credentials = Credentials::new(format!("AKIA{OWN}"), "test", None, None, "test");
    let config = loopback::config(endpoint, credentials, HOME, retry);
    let hop = RoleHop { role: "PipewardenAudit".parse().unwrap(), external_id: None };
    let options = SessionOptions {
        hops: vec![hop],
        session_name: "pipewarden".to_owned(),
        duration: Duration::from_hours(1),
        tags: BTreeMap::new(),
        source_identity: None,
        role_in_own_account: false,
    };
    let gate = CallGate::new(Concurrency::default()).with_pace(1000.0);
    Sessions::new(config, OWN.parse().unwrap(), Partition::Aws, HOME.parse().unwrap(), options, gate)
}

pub(super) fn configured(tables: Value) -> Deliveries {
    Deliveries::read(&serde_json::from_value(tables).unwrap()).unwrap()
}

/// Delivers a run as it is, and says what came of it.
pub(super) async fn deliver(server: &Server, out: &Path, run: &RunDirectory, tables: Value) -> Vec<Outcome> {
    deliver_with_gone(server, out, run, tables, &[]).await
}

/// The same, where the SDK tries again by itself, as it does outside of tests.
pub(super) async fn deliver_with_retries(
    server: &Server,
    out: &Path,
    run: &RunDirectory,
    tables: Value,
) -> Vec<Outcome> {
    let sessions = sessions_with(&server.endpoint, RetryConfig::standard());
    let secrets = Secrets { variable: &|_: &str| None::<String>, file: &|_| Err(std::io::ErrorKind::NotFound.into()) };
    let way = Way { sessions: &sessions, secrets: &secrets, pace: Arc::new(NoPause) };
    deliver_through(&way, out, run, tables, &[]).await
}

/// The same, with findings that only the run before had.
pub(super) async fn deliver_with_gone(
    server: &Server,
    out: &Path,
    run: &RunDirectory,
    tables: Value,
    gone: &[Gone],
) -> Vec<Outcome> {
    deliver_configured(server, out, run, &configured(tables), &BTreeMap::new(), gone).await
}

/// The same, as it is configured, with these environment variables.
pub(super) async fn deliver_configured(
    server: &Server,
    out: &Path,
    run: &RunDirectory,
    deliveries: &Deliveries,
    variables: &BTreeMap<&str, String>,
    gone: &[Gone],
) -> Vec<Outcome> {
    let sessions = sessions(server);
    let variable = |name: &str| variables.get(name).cloned();
    let secrets = Secrets { variable: &variable, file: &|_| Err(std::io::ErrorKind::NotFound.into()) };
    let way = Way { sessions: &sessions, secrets: &secrets, pace: Arc::new(NoPause) };
    deliver_with_way(&way, out, run, deliveries, gone).await
}

/// The same, with a way of one's own.
pub(super) async fn deliver_through(
    way: &Way<'_>,
    out: &Path,
    run: &RunDirectory,
    tables: Value,
    gone: &[Gone],
) -> Vec<Outcome> {
    deliver_with_way(way, out, run, &configured(tables), gone).await
}

async fn deliver_with_way(
    way: &Way<'_>,
    out: &Path,
    run: &RunDirectory,
    deliveries: &Deliveries,
    gone: &[Gone],
) -> Vec<Outcome> {
    let targets: Vec<_> = deliveries.targets.iter().collect();
    let manifest = run.manifest().unwrap();
    let stored = run.stored_report().unwrap();
    let spool = run.findings().unwrap();
    let source = Source(&spool, gone);
    let report = if gone.is_empty() { stored.report() } else { Report { findings: &source, ..stored.report() } };
    let package = Package {
        run,
        manifest: &manifest,
        report: &report,
        now: NOW,
        report_location: "https://reports/1".to_owned(),
    };
    for _ in 0..BUSY_TRIES {
        let outcomes = deliver_all(&package, open_all(&targets, way), out).await;
        let is_busy = |outcome: &Outcome| outcome.problem.as_deref().is_some_and(|problem| problem.contains(BUSY));
        if !outcomes.iter().any(is_busy) {
            return outcomes;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    deliver_all(&package, open_all(&targets, way), out).await
}

/// A program that another test is just starting has what this process had open, and with it a lock that was let go of.
const BUSY: &str = "another pipewarden delivers";
const BUSY_TRIES: usize = 100;

/// What would be sent to each.
pub(super) async fn preview_through(way: &Way<'_>, out: &Path, run: &RunDirectory, tables: Value) -> Vec<Preview> {
    let deliveries = configured(tables);
    let targets: Vec<_> = deliveries.targets.iter().collect();
    let (manifest, stored) = (run.manifest().unwrap(), run.stored_report().unwrap());
    let report = stored.report();
    let report_location = "https://reports/1".to_owned();
    let package = Package { run, manifest: &manifest, report: &report, now: NOW, report_location };
    let previews = preview_all(&package, open_all(&targets, way), out).await;
    previews.into_iter().map(|(_, preview)| preview.unwrap().1).collect()
}

pub(super) async fn fail(server: &Server, out: &Path, run: &RunDirectory, tables: Value) -> Vec<Outcome> {
    fail_with(server, out, run, tables, &BTreeMap::new()).await
}

/// The same, with these environment variables.
pub(super) async fn fail_with(
    server: &Server,
    out: &Path,
    run: &RunDirectory,
    tables: Value,
    variables: &BTreeMap<&str, String>,
) -> Vec<Outcome> {
    let deliveries = configured(tables);
    let sessions = sessions(server);
    let variable = |name: &str| variables.get(name).cloned();
    let secrets = Secrets { variable: &variable, file: &|_| Err(std::io::ErrorKind::NotFound.into()) };
    let way = Way { sessions: &sessions, secrets: &secrets, pace: Arc::new(NoPause) };
    let targets: Vec<_> = deliveries.targets.iter().collect();
    let info = run.plan().run_info("o-exampleorg1", "");
    let notice = Notice::of_failure(info, "no account could be entered", "/runs/1".to_owned());
    notify_failure(&FailedRun { run, notice, now: NOW }, open_all(&targets, &way), out).await
}
