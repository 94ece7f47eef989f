//! Rechecks of single resources in the simulated organization, against what a full audit says of the same.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use aws_smithy_types::retry::RetryConfig;
use pipewarden::audit::{Beside, Evaluation, Recheck, RecheckError, Rechecked, Target};
use pipewarden::collect::CallGate;
use pipewarden::config::Config;
use pipewarden::evaluate::Policies;
use pipewarden::finding::{Change, ComplianceType, Finding};
use pipewarden::inventory::Partition;
use pipewarden::organization::Sessions;
use pipewarden::report::FindingSource;
use pipewarden::run::{INVENTORY, Plan, RunDirectory, RunId, verify};
use pipewarden::simulate::{Simulation, SimulationOptions, SimulationServer};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::audit::{collect, configuration};
use crate::{hosts, loopback};

pub(crate) type Key = (String, String, String, String);

pub(crate) fn world() -> SimulationOptions {
    SimulationOptions { accounts: 6, pipelines_per_account_region: 2, limits: false, ..SimulationOptions::default() }
}

fn hour(number: i64) -> OffsetDateTime {
    world().now + Duration::hours(number)
}

pub(crate) struct World {
    pub(crate) simulation: Simulation,
    config: Config,
    policies: Policies,
    pub(crate) out: tempfile::TempDir,
}

fn key(finding: &Finding) -> Key {
    let resource = &finding.resource;
    (finding.control.clone(), resource.uid.to_string(), resource.account.to_string(), resource.region.to_string())
}

pub(crate) fn findings_of(run: &RunDirectory) -> BTreeMap<Key, Finding> {
    let spool = run.findings().unwrap();
    spool.findings().unwrap().map(|finding| Finding::clone(&finding.unwrap())).map(|f| (key(&f), f)).collect()
}

impl World {
    pub(crate) fn new(options: SimulationOptions) -> Self {
        let simulation = Simulation::new(options);
        let mut config = configuration();
        config.rules.delegated_administrators.extend(simulation.trusted_administrators());
        let policies = Policies::load(&Policies::embedded(), &BTreeSet::new()).unwrap();
        Self { simulation, config, policies, out: tempfile::tempdir().unwrap() }
    }

    fn evaluation(&self) -> Evaluation<'_> {
        Evaluation {
            policies: &self.policies,
            settings: self.config.settings.clone(),
            rules: self.config.rules.clone(),
            owners: &self.config.owners,
        }
    }

    /// A full run; `change` is done to its inventories, as if the organization had been so then.
    pub(crate) fn night(&self, at: i64, change: &dyn Fn(&RunDirectory)) -> RunDirectory {
        let plan = Plan::new(RunId::at(hour(at)).unwrap(), json!({}), 1);
        let run = RunDirectory::create(self.out.path(), plan).unwrap();
        executor().block_on(collect(&self.simulation, &self.config, &run));
        change(&run);
        let judged = self.evaluation().judge(&run).unwrap();
        run.finish(&judged.report(&run, &self.policies), &[]).unwrap();
        run
    }

    async fn recheck(
        &self,
        folder: &Path,
        at: i64,
        arns: &[&str],
        hours: Option<i64>,
    ) -> Result<RunDirectory, RecheckError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = SimulationServer::start(Arc::new(self.simulation.clone()), address).await.unwrap();
        let sdk =
            loopback::config(&server.endpoint_url(), loopback::credentials(), "us-east-1", RetryConfig::standard());
        let gate = CallGate::new(self.config.audit.concurrency).with_hosts(hosts::open(&server.hosts(), |_| {}));
        let management = self.simulation.management_account();
        let home = Partition::Aws.default_region();
        let options = self.config.audit.sessions.clone();
        let sessions = Sessions::new(sdk, management, Partition::Aws, home, options, gate);
        let beside = Beside::find(self.out.path(), hour(at), hours, &|_| true).unwrap();
        let targets: Vec<Target> = arns.iter().map(|arn| Target::new(arn, None).unwrap()).collect();
        let plan = Plan::new(RunId::at(hour(at)).unwrap(), json!({"recheck": arns}), 1);
        let run = RunDirectory::create(folder, plan).unwrap();
        let recheck =
            Recheck { sessions: &sessions, options: &self.config.audit, run: &run, beside: &beside, targets: &targets };
        recheck.collect().await?;
        let Rechecked { judged, strangers, .. } = recheck.judge(&self.evaluation())?;
        assert!(strangers.is_empty(), "{strangers:?}");
        // What every format says is tested elsewhere, and this is done often.
        run.finish(&judged.report(&run, &self.policies), &[]).unwrap();
        server.stop().await;
        Ok(run)
    }

    pub(crate) fn rechecked(&self, at: i64, arns: &[&str], hours: Option<i64>) -> RunDirectory {
        let folder = self.out.path().join(format!("rechecks-{at}"));
        executor().block_on(self.recheck(&folder, at, arns, hours)).unwrap()
    }
}

fn executor() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Every resource that was judged, by type.
fn resources(findings: &BTreeMap<Key, Finding>) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for finding in findings.values() {
        let (name, uid) = (finding.resource.type_name.to_string(), finding.resource.uid.to_string());
        if uid.starts_with("arn:") && !uid.ends_with(":*") && !uid.ends_with(":root") && !name.contains("Organizations")
        {
            all.entry(name).or_default().insert(uid);
        }
    }
    all
}

#[derive(Debug, Default)]
struct Comparison {
    rechecks: usize,
    findings: usize,
    equal: usize,
    unknown: usize,
    different: Vec<String>,
    missing: Vec<String>,
}

/// Rechecks some resources of every type, and compares each finding with that of the full run.
fn compared(world: &World, hours: Option<i64>, of_each: usize) -> Comparison {
    let night = world.night(0, &|_| {});
    let full = findings_of(&night);
    let mut said = Comparison::default();
    for (name, uids) in resources(&full) {
        if name.starts_with("Delivery::") {
            continue;
        }
        let step = (uids.len() / of_each).max(1);
        for (number, uid) in uids.iter().step_by(step).take(of_each).enumerate() {
            let folder = tempfile::tempdir().unwrap();
            let run = match executor().block_on(world.recheck(folder.path(), 1, &[uid], hours)) {
                Ok(run) => run,
                Err(
                    RecheckError::LeftOut { .. } | RecheckError::NoAccount { .. } | RecheckError::NewAccount { .. },
                ) => continue,
                Err(error) => panic!("{uid}: {error}"),
            };
            if number == 0 {
                verify(run.path(), None).unwrap();
            }
            said.rechecks += 1;
            let now = findings_of(&run);
            for (key, finding) in &now {
                said.findings += 1;
                match full.get(key) {
                    Some(before) if before.compliance == finding.compliance => said.equal += 1,
                    _ if finding.compliance == ComplianceType::InsufficientData && !finding.gaps.is_empty() => {
                        said.unknown += 1;
                    }
                    before => said.different.push(format!(
                        "recheck of {uid}: {key:?} is {}, a full run says {:?}",
                        finding.compliance,
                        before.map(|before| before.compliance)
                    )),
                }
            }
            let known = full
                .iter()
                .filter(|(key, finding)| key.1 == *uid && finding.compliance != ComplianceType::InsufficientData);
            let missed = known.filter(|(key, _)| !now.contains_key(*key));
            said.missing.extend(missed.map(|(key, _)| format!("{key:?}")));
            if now.is_empty() {
                said.missing.push(format!("nothing at all of {uid}"));
            }
        }
    }
    said
}

#[test]
fn a_recheck_says_what_a_full_run_says() {
    let said = compared(&World::new(world()), None, 3);
    eprintln!("{} rechecks, {} findings, {} equal, {} unknown", said.rechecks, said.findings, said.equal, said.unknown);
    assert!(said.different.is_empty(), "{} differ:\n{}", said.different.len(), said.different.join("\n"));
    assert!(said.missing.is_empty(), "{} are missing:\n{}", said.missing.len(), said.missing.join("\n"));
    assert!(said.rechecks > 25 && said.findings > 500, "{said:?}");
    assert!(said.unknown * 50 < said.findings, "{} of {} are unknown", said.unknown, said.findings);
}

#[test]
fn without_a_young_full_run_nothing_is_good_and_what_is_bad_is_the_same() {
    let said = compared(&World::new(world()), Some(0), 1);
    eprintln!("{} rechecks, {} findings, {} equal, {} unknown", said.rechecks, said.findings, said.equal, said.unknown);
    assert!(said.different.is_empty(), "{} differ:\n{}", said.different.len(), said.different.join("\n"));
    assert!(said.unknown > 0 && said.equal > 0, "{} of {}", said.equal, said.findings);
}

/// A production pipeline of which the full run knows a violated approval control.
pub(crate) fn ungated(world: &World) -> (String, String) {
    let truth = world.simulation.truth();
    let (key, _) = truth
        .findings
        .iter()
        .find(|(key, expected)| {
            key.0 == "codepipeline-production-approval-required" && expected.as_str() == "NonCompliant"
        })
        .unwrap();
    (key.1.clone(), key.2.clone())
}

/// Puts an approval before everything that a pipeline deploys.
pub(crate) fn gate(run: &RunDirectory, uid: &str, account: &str) {
    let account = account.parse().unwrap();
    let mut inventory = run.read_inventory(Some(&account), INVENTORY).unwrap();
    let pipeline = inventory.resources.iter_mut().find(|resource| resource.uid.as_str() == uid).unwrap();
    let stages = pipeline.properties.get_mut("Stages").and_then(Value::as_array_mut).unwrap();
    let approval = json!({"Name": "Ask", "Actions": [{
        "Name": "Approve", "RunOrder": 1, "Region": pipeline.region.as_str(),
        "ActionTypeId": {"Category": "Approval", "Owner": "AWS", "Provider": "Manual", "Version": "1"},
        "Configuration": {}, "InputArtifacts": [], "OutputArtifacts": [],
    }]});
    stages.insert(1, approval);
    run.write_inventory(Some(&account), INVENTORY, &inventory).unwrap();
}

#[test]
fn a_gate_that_was_removed_since_the_night_is_new() {
    let world = World::new(SimulationOptions { denials: false, ..world() });
    let (uid, account) = ungated(&world);
    let night = world.night(0, &|run| gate(run, &uid, &account));
    let control = "codepipeline-production-approval-required";
    let of = |run: &RunDirectory| {
        let mut all = findings_of(run).into_values();
        all.rfind(|finding| finding.control == control && finding.resource.uid.as_str() == uid)
    };
    assert_eq!(of(&night).unwrap().compliance, ComplianceType::Compliant);
    let run = world.rechecked(8, &[&uid], None);
    let found = of(&run).unwrap();
    assert_eq!(found.compliance, ComplianceType::NonCompliant);
    assert_eq!(found.lifecycle.unwrap().change, Change::New);
    let others: BTreeSet<String> = findings_of(&run).into_values().map(|f| f.resource.uid.to_string()).collect();
    assert!(others.contains(&uid) && others.len() < 20, "{others:?}");
    let over_time = run.stored_report().unwrap().report().over_time;
    assert_eq!(over_time.recheck.as_ref().unwrap().resources, [uid]);
    assert_eq!(over_time.recheck.unwrap().beside_run.as_deref(), Some(night.plan().run_id.as_str()));
    assert_eq!(over_time.comparison.unwrap().previous.run_id, night.plan().run_id.as_str());
    assert!(over_time.trend.is_empty());
}

/// Puts a copy of a pipeline beside it.
pub(crate) fn copy(run: &RunDirectory, uid: &str, account: &str, name: &str) {
    let account = account.parse().unwrap();
    let mut inventory = run.read_inventory(Some(&account), INVENTORY).unwrap();
    let mut copy = inventory.resources.iter().find(|resource| resource.uid.as_str() == uid).unwrap().clone();
    copy.uid = pipewarden::inventory::ResourceUid(name.to_owned());
    inventory.resources.push(copy);
    inventory.normalise();
    run.write_inventory(Some(&account), INVENTORY, &inventory).unwrap();
}

#[test]
fn a_deleted_resource_is_gone_and_nothing_else_is_resolved() {
    let world = World::new(SimulationOptions { denials: false, ..world() });
    let (uid, account) = ungated(&world);
    let deleted = format!("{uid}-deleted");
    world.night(0, &|run| copy(run, &uid, &account, &deleted));
    let run = world.rechecked(2, &[&deleted], None);
    assert!(findings_of(&run).keys().all(|key| key.1 != deleted));
    let spool = run.findings().unwrap();
    let gone: Vec<_> = spool.gone().unwrap().map(Result::unwrap).collect();
    assert!(!gone.is_empty());
    for gone in gone {
        assert_eq!(gone.finding.resource.uid.as_str(), deleted);
        assert_eq!(gone.finding.lifecycle.unwrap().change, Change::Resolved);
        assert_eq!(gone.reason, "the resource is gone");
    }
}

#[test]
fn a_refused_listing_is_not_known_and_resolves_nothing() {
    let world = World::new(SimulationOptions { denials: false, ..world() });
    let (uid, _) = ungated(&world);
    world.night(0, &|_| {});
    let blind = World {
        simulation: Simulation::new(SimulationOptions {
            deny_action: Some("codepipeline:ListPipelines".to_owned()),
            ..SimulationOptions { denials: false, ..self::world() }
        }),
        ..world
    };
    let run = blind.rechecked(2, &[&uid], None);
    let findings = findings_of(&run);
    assert!(!findings.is_empty());
    assert!(findings.values().all(|finding| finding.compliance == ComplianceType::InsufficientData), "{findings:#?}");
    let spool = run.findings().unwrap();
    for gone in spool.gone().unwrap().map(Result::unwrap) {
        assert_eq!(gone.finding.lifecycle.unwrap().change, Change::NotSeen);
    }
}

#[test]
fn an_old_full_run_says_nothing_of_other_accounts_but_is_still_compared_with() {
    let world = World::new(SimulationOptions { denials: false, ..world() });
    let (uid, _) = ungated(&world);
    world.night(0, &|_| {});
    let run = world.rechecked(27, &[&uid], None);
    let over_time = run.stored_report().unwrap().report().over_time;
    assert_eq!(over_time.recheck.unwrap().beside_run, None);
    assert!(over_time.comparison.is_some());
    let targets = [Target::new("arn:aws:s3:::nobody-knows-it", None).unwrap()];
    assert!(Target::new("not-an-arn", None).is_err());
    let beside = Beside::find(world.out.path(), hour(27), None, &|_| true).unwrap();
    assert!(beside.inventories().is_none() && beside.newest.is_some());
    assert_eq!(targets[0].account, None);
}
