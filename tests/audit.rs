//! The whole audit against the simulated organization, through the real SDK clients.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_types::retry::RetryConfig;
use pipewarden::audit::{Collection, Evaluation, Silent};
use pipewarden::collect::git_hosts::ACTIONS;
use pipewarden::collect::{COLLECTORS, CallGate, Reach};
use pipewarden::config::{Config, Written};
use pipewarden::evaluate::Policies;
use pipewarden::finding::{ComplianceType, Finding};
use pipewarden::inventory::{AccountId, Affects, CallCounts, Gap, GapCause, Partition, Region};
use pipewarden::organization::Sessions;
use pipewarden::run::{Plan, RunDirectory, RunId};
use pipewarden::simulate::{CONFIGURATION, PLANTED_SECRET, Simulation, SimulationOptions, SimulationServer, Trust};
use serde_json::json;

use crate::{hosts, loopback};

pub(crate) type Key = (String, String, String, String);

/// What came out of one audit.
pub(crate) struct Audited {
    pub(crate) verdicts: BTreeMap<Key, ComplianceType>,
    findings: Vec<Finding>,
    pub(crate) gaps: Vec<Gap>,
    skipped: BTreeSet<AccountId>,
    /// Regions that were left out of some account.
    left_out: BTreeSet<String>,
    calls: BTreeMap<String, u64>,
    totals: CallCounts,
    /// Calls by IAM action, as the server counted them.
    served: BTreeMap<String, u64>,
    pub(crate) directory: tempfile::TempDir,
}

/// The configuration with which the truth holds.
fn written() -> Written {
    toml::from_str(CONFIGURATION).unwrap()
}

pub(crate) fn configuration() -> Config {
    written().resolve("test").unwrap()
}

pub(crate) async fn collect(simulation: &Simulation, config: &Config, run: &RunDirectory) {
    let server = SimulationServer::start(Arc::new(simulation.clone()), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .unwrap();
    let sdk = loopback::config(&server.endpoint_url(), loopback::credentials(), "us-east-1", RetryConfig::standard());
    let home = Partition::Aws.default_region();
    let gate = CallGate::new(config.audit.concurrency).with_hosts(hosts::open(&server.hosts(), |_| {}));
    let sessions =
        Sessions::new(sdk, simulation.management_account(), Partition::Aws, home, config.audit.sessions.clone(), gate);
    let collection = Collection { sessions: &sessions, options: &config.audit, run, progress: &Silent };
    collection.complete().await.unwrap();
    server.stop().await;
}

fn audit_with(options: SimulationOptions, config: &Config) -> Audited {
    let directory = tempfile::tempdir().unwrap();
    let simulation = Simulation::new(options.clone());
    let mut config = config.clone();
    config.rules.delegated_administrators.extend(simulation.trusted_administrators());
    let config = &config;
    let plan = Plan::new(RunId::at(options.now).unwrap(), json!({}), options.seed);
    let run = RunDirectory::create(directory.path(), plan).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(collect(&simulation, config, &run));
    let policies = Policies::load(&Policies::embedded(), &BTreeSet::new()).unwrap();
    let evaluation = Evaluation {
        policies: &policies,
        settings: config.settings.clone(),
        rules: config.rules.clone(),
        owners: &config.owners,
    };
    let judged = evaluation.judge(&run).unwrap();
    let report = judged.report(&run, &policies);
    run.finish(&report, pipewarden::report::FORMATS).unwrap();
    let findings: Vec<Finding> =
        report.findings.findings().unwrap().map(|finding| Finding::clone(&finding.unwrap())).collect();
    let key = |finding: &Finding| {
        let resource = &finding.resource;
        (finding.control.clone(), resource.uid.to_string(), resource.account.to_string(), resource.region.to_string())
    };
    let mut calls = BTreeMap::new();
    for (key, counts) in report.coverage.rows() {
        *calls.entry(format!("{}:{}", key.service, key.action)).or_default() += counts.calls();
    }
    let whole = report.coverage.skipped.iter().filter(|skip| skip.region == Region::GLOBAL);
    let parts = report.coverage.skipped.iter().filter(|skip| skip.region != Region::GLOBAL);
    Audited {
        verdicts: findings.iter().map(|finding| (key(finding), finding.compliance)).collect(),
        gaps: report.gaps.to_vec(),
        skipped: whole.map(|skip| skip.account.clone()).collect(),
        left_out: parts.map(|skip| skip.region.to_string()).collect(),
        calls,
        totals: report.calls,
        served: simulation.statistics(),
        findings,
        directory,
    }
}

pub(crate) fn audit(options: SimulationOptions) -> Audited {
    audit_with(options, &configuration())
}

/// Everything in which the audit and the known truth differ, both ways.
fn differences(audited: &Audited, simulation: &Simulation) -> Vec<String> {
    let truth: BTreeMap<Key, &str> =
        simulation.truth().findings.iter().map(|(key, expected)| (key.clone(), expected.as_str())).collect();
    let mut lines = Vec::new();
    for (key, expected) in &truth {
        match audited.verdicts.get(key) {
            None => lines.push(format!("not found: {key:?} should be {expected}")),
            Some(actual) if actual.as_str() != *expected => {
                lines.push(format!("{key:?} is {actual}, should be {expected}"));
            }
            Some(_) => {}
        }
    }
    let unexpected = audited.verdicts.iter().filter(|(key, _)| !truth.contains_key(*key));
    lines.extend(unexpected.map(|(key, actual)| format!("not in the truth: {key:?} is {actual}")));
    lines
}

fn assert_is_truth(options: SimulationOptions) -> Audited {
    let audited = audit(options.clone());
    let lines = differences(&audited, &Simulation::new(options));
    assert!(
        lines.is_empty(),
        "{} differences between the audit and src/simulate/truth, the first of them:\n{}",
        lines.len(),
        lines.iter().take(40).cloned().collect::<Vec<_>>().join("\n")
    );
    audited
}

/// Three organizations, so that every control meets something good and something bad in one of them.
#[test]
fn the_findings_are_the_known_truth_both_ways() {
    let mut met: BTreeSet<(String, ComplianceType)> = BTreeSet::new();
    for seed in [1, 2, 3] {
        let options = SimulationOptions { accounts: 24, seed, ..SimulationOptions::default() };
        let audited = assert_is_truth(options.clone());
        assert_eq!(audited.skipped, Simulation::new(options).truth().skipped_accounts);
        assert!(audited.totals.calls() > 1_000);
        met.extend(audited.verdicts.iter().map(|(key, compliance)| (key.0.clone(), *compliance)));
    }
    let policies = Policies::load(&Policies::embedded(), &BTreeSet::new()).unwrap();
    for control in
        policies.controls().keys().filter(|id| !NEVER_SEEN.contains(&id.as_str()) && !id.starts_with(OF_HISTORY))
    {
        for result in [ComplianceType::Compliant, ComplianceType::NonCompliant, ComplianceType::InsufficientData] {
            assert!(
                met.contains(&(control.clone(), result)),
                "{control} is never {result} in any of the organizations; src/simulate/estate decides what they hold"
            );
        }
    }
}

#[test]
fn throttling_and_latency_lose_no_call() {
    let options = SimulationOptions {
        accounts: 4,
        latency: Duration::from_millis(5),
        denials: false,
        ..SimulationOptions::default()
    };
    let audited = assert_is_truth(options);
    assert_eq!(audited.totals.throttled, 0, "a call was given up on");
    assert_eq!(audited.totals.error, 0);
}

/// For every action of every collector: refusing it everywhere leaves a gap that names it, and turns verdicts into
/// "could not be seen", never into a pass and never into silence.
#[test]
fn refusing_any_action_is_a_gap_and_never_a_pass() {
    let options = SimulationOptions {
        accounts: 5,
        pipelines_per_account_region: 2,
        denials: false,
        limits: false,
        ..SimulationOptions::default()
    };
    let seen = audit(options.clone());
    let unknown: BTreeSet<&str> = seen
        .gaps
        .iter()
        .filter(|gap| matches!(gap.cause, GapCause::Unsupported { .. }))
        .map(|gap| gap.action.as_str())
        .collect();
    assert!(unknown.is_empty(), "the simulated organization does not answer {unknown:?}: src/simulate/services");
    let referenced = referenced_controls();
    let mut problems = Vec::new();
    let actions: BTreeSet<&str> = COLLECTORS.iter().flat_map(|collector| collector.actions()).copied().collect();
    for action in actions.into_iter().chain(["account:ListRegions"]) {
        if !seen.calls.contains_key(action) {
            assert!(FALLBACKS.contains(&action), "{action} is declared but never called; FALLBACKS holds stand-ins");
            continue;
        }
        let denying = SimulationOptions { deny_action: Some(action.to_owned()), ..options.clone() };
        let blind = audit(denying.clone());
        if action == "kms:DescribeKey" {
            // Then the simulated organization names its keys otherwise, so the runs cannot be compared; its truth can.
            problems.extend(differences(&blind, &Simulation::new(denying)));
            continue;
        }
        let named = blind.gaps.iter().any(|gap| gap.action == action);
        if !named {
            problems.push(format!("{action}: no gap names it"));
        }
        let denied = blind.calls.get(action).copied().unwrap_or(0);
        if denied == 0 {
            problems.push(format!("{action}: the ledger does not know of it"));
        }
        for (key, before) in &seen.verdicts {
            match blind.verdicts.get(key) {
                Some(after) if after == before || *after == ComplianceType::InsufficientData => {}
                Some(after) => problems.push(format!("{action}: {key:?} went from {before} to {after}")),
                None if still_known(key, &blind, &referenced) => {}
                None => problems.push(format!("{action}: {key:?} was {before} and has vanished")),
            }
        }
        let unknown = |audited: &Audited| {
            audited.verdicts.values().filter(|compliance| **compliance == ComplianceType::InsufficientData).count()
        };
        if unknown(&blind) <= unknown(&seen) && !READ_BY_NO_CONTROL.contains(&action) && !HAS_FALLBACK.contains(&action)
        {
            problems.push(format!(
                "{action}: refusing it makes nothing unknown; if no control reads what it brings, READ_BY_NO_CONTROL says so"
            ));
        }
    }
    assert!(
        problems.is_empty(),
        "{} problems, the first of them:\n{}",
        problems.len(),
        problems.iter().take(40).cloned().collect::<Vec<_>>().join("\n")
    );
}

/// Controls that say something only of repositories hosted elsewhere, into which nobody can look here.
const NEVER_SEEN: &[&str] = &[
    "git-branch-code-owners-review",
    "git-branch-last-push-approved",
    "git-branch-signed-commits",
    "git-branch-stale-approvals-dismissed",
    "git-branch-status-checks-required",
    "git-repository-dependency-alerts",
    "git-repository-not-public",
    "git-repository-owner-administrators-limited",
    "git-repository-owner-base-permission-limited",
    "git-repository-owner-two-factor-required",
    "git-repository-secret-scanning",
];

/// Controls on what only a history tells begin so: these audits read none, so there is nothing that they would judge, good
/// or bad. Where a history is read they are met by the audits with history.
const OF_HISTORY: &str = "delivery-";

/// Called only where another call was refused.
const FALLBACKS: &[&str] = &["codedeploy:GetApplication", "codedeploy:GetDeploymentGroup"];
/// Refusing these costs calls, not knowledge: single gets, and the Region that S3 names even in a refusal.
const HAS_FALLBACK: &[&str] = &[
    "codedeploy:BatchGetApplications",
    "codedeploy:BatchGetDeploymentGroups",
    "s3:ListBucket",
    // A topic counts its confirmed subscriptions itself.
    "sns:ListSubscriptionsByTopic",
];
/// Collected for later controls and for the reader of an inventory.
const READ_BY_NO_CONTROL: &[&str] = &[
    "account:ListRegions",
    "codepipeline:GetPipelineState",
    "ecr:ListTagsForResource",
    "config:DescribeDeliveryChannels",
    "kms:ListResourceTags",
    "s3:GetBucketTagging",
];

/// A resource that could not be listed vanishes; what must not vanish is that its type could not be seen there.
fn still_known(key: &Key, blind: &Audited, referenced: &BTreeSet<String>) -> bool {
    let (control, _, account, _) = key;
    let by_placeholder = blind.verdicts.iter().any(|((other, uid, other_account, _), compliance)| {
        other == control
            && other_account == account
            && *compliance == ComplianceType::InsufficientData
            && (uid.ends_with(":*") || uid.ends_with(":root"))
    });
    let unreachable = !blind.gaps.is_empty();
    by_placeholder || (unreachable && referenced.contains(control))
}

/// Controls on what is found through what names it; if that cannot be listed, its own type says so.
fn referenced_controls() -> BTreeSet<String> {
    let types: Vec<_> = COLLECTORS.iter().filter(|c| c.reach() == Reach::Referenced).flat_map(|c| c.types()).collect();
    let policies = Policies::load(&Policies::embedded(), &BTreeSet::new()).unwrap();
    let on_them = policies.controls().values().filter(|control| types.contains(&&control.resource_type));
    on_them.map(|control| control.id.clone()).collect()
}

#[test]
fn what_organizations_refuses_leaves_guardrails_unknown() {
    let seen = audit(SimulationOptions { accounts: 9, limits: false, ..SimulationOptions::default() });
    for action in [
        "organizations:DescribePolicy",
        "organizations:ListAccountsForParent",
        "organizations:ListDelegatedAdministrators",
        "organizations:ListDelegatedServicesForAccount",
        "organizations:ListOrganizationalUnitsForParent",
        "organizations:ListPolicies",
        "organizations:ListRoots",
        "organizations:ListTargetsForPolicy",
    ] {
        let deny_action = Some(action.to_owned());
        let options = SimulationOptions { accounts: 9, limits: false, deny_action, ..SimulationOptions::default() };
        let blind = audit(options.clone());
        // The truth knows what hides guardrails; what other controls make of hidden policies must only never be a pass.
        let of_guardrails = |line: &String| line.contains("organizations-") || line.contains("definition-change");
        let lines: Vec<String> =
            differences(&blind, &Simulation::new(options)).into_iter().filter(of_guardrails).collect();
        assert!(lines.is_empty(), "{action}: {lines:#?}");
        let passed = blind.verdicts.iter().filter(|(key, after)| {
            **after == ComplianceType::Compliant && seen.verdicts.get(*key).is_some_and(|before| before != *after)
        });
        assert_eq!(passed.count(), 0, "{action} turned something into a pass");
        assert!(blind.gaps.iter().any(|gap| gap.action == action), "{action}: no gap names it");
        assert_ne!(blind.verdicts, seen.verdicts, "{action}");
    }
}

#[test]
fn an_account_whose_units_have_no_names_is_not_known_to_be_no_production() {
    let options = SimulationOptions { accounts: 9, limits: false, denials: false, ..SimulationOptions::default() };
    let mut written = written();
    written.production.organizational_units = Some(vec!["/Workloads".to_owned(), "/Sandbox".to_owned()]);
    let config = written.resolve("test").unwrap();
    let seen = audit_with(options.clone(), &config);
    let blind = |action: &str| {
        audit_with(SimulationOptions { deny_action: Some(action.to_owned()), ..options.clone() }, &config)
    };
    for action in ["organizations:ListOrganizationalUnitsForParent", "organizations:ListRoots"] {
        let blind = blind(action);
        let of_guardrails = |finding: &&Finding| finding.control == "organizations-guardrails-reach-production";
        let dropped = blind.findings.iter().filter(of_guardrails).filter(|finding| {
            let account = finding.resource.account.as_str();
            let before = seen.findings.iter().filter(of_guardrails).find(|f| f.resource.account.as_str() == account);
            finding.compliance == ComplianceType::NotApplicable
                && before.is_some_and(|before| before.compliance != ComplianceType::NotApplicable)
        });
        assert_eq!(dropped.count(), 0, "{action}");
        let says_why = |finding: &&Finding| finding.gaps.iter().any(|gap| gap.contains(action));
        let unknown = |finding: &&Finding| finding.compliance == ComplianceType::InsufficientData;
        let in_doubt = blind.findings.iter().filter(of_guardrails).filter(unknown).filter(says_why);
        assert!(in_doubt.count() > 1, "{action} hides which accounts are production by the names of their units");
    }
    // The walk sees the names of units in which it may not list accounts, and the flat list says who stands in which.
    let blind = blind("organizations:ListAccountsForParent");
    let of_accounts = seen.verdicts.iter().filter(|(key, _)| key.0.starts_with("organizations-"));
    let changed = of_accounts.filter(|(key, before)| blind.verdicts.get(*key) != Some(*before));
    let accounts: BTreeSet<&String> = changed.map(|(key, _)| &key.2).collect();
    assert_eq!(accounts.len(), 1, "only one account that runs something has no `Paths`: {accounts:?}");
}

#[test]
fn regions_left_out_by_the_configuration_are_named() {
    let options = SimulationOptions { accounts: 4, denials: false, ..SimulationOptions::default() };
    let mut written = written();
    written.regions.only = vec!["eu-central-1".to_owned()];
    let audited = audit_with(options, &written.resolve("test").unwrap());
    assert_eq!(audited.left_out, BTreeSet::from(["us-east-1".to_owned()]));
    // What something elsewhere names is still looked at there.
    let listed = audited.verdicts.keys().filter(|key| key.1.contains(":codepipeline:"));
    assert_eq!(listed.map(|key| key.3.as_str()).collect::<BTreeSet<_>>(), BTreeSet::from(["eu-central-1"]));
}

#[test]
fn the_ledger_counts_what_the_server_served() {
    let audited = audit(SimulationOptions { accounts: 5, limits: false, ..SimulationOptions::default() });
    let mut served = audited.served.clone();
    served.remove("throttled");
    let of_hosts: BTreeSet<&str> = ACTIONS.iter().copied().flatten().copied().collect();
    let mismatched: Vec<String> = served
        .iter()
        .filter(|(action, served)| {
            let counted = audited.calls.get(*action).copied().unwrap_or(0);
            // What a source host was asked once stands in the ledger of every account that needed to know.
            if of_hosts.contains(action.as_str()) { counted < **served } else { counted != **served }
        })
        .map(|(action, count)| format!("{action}: served {count}, counted {:?}", audited.calls.get(action)))
        .collect();
    assert!(mismatched.is_empty(), "{mismatched:#?}");
    let declared: BTreeSet<&str> = COLLECTORS
        .iter()
        .flat_map(|collector| collector.actions())
        .chain(pipewarden::audit::ACCOUNT_ACTIONS)
        .chain(pipewarden::organization::DIRECTORY_ACTIONS)
        .copied()
        .chain(["sts:AssumeRole", "sts:GetCallerIdentity"])
        .collect();
    assert!(declared.is_disjoint(&of_hosts), "IAM knows nothing of source hosts");
    let known = |action: &str| declared.contains(action) || of_hosts.contains(action);
    let undeclared: Vec<&String> = served.keys().filter(|action| !known(action)).collect();
    assert!(undeclared.is_empty(), "called but not in the audit role: {undeclared:?}");
    // Asked where the tree of units is refused, and by the command line before anything is collected.
    let elsewhere = ["organizations:ListAccounts", "sts:GetCallerIdentity"];
    let stands_in = |action: &str| FALLBACKS.contains(&action) || elsewhere.contains(&action);
    let uncalled: Vec<&str> =
        declared.into_iter().filter(|action| !served.contains_key(*action) && !stands_in(action)).collect();
    assert!(uncalled.is_empty(), "in the audit role but never called: {uncalled:?}; FALLBACKS holds stand-ins");
}

#[test]
fn no_secret_reaches_any_file() {
    let audited = audit(SimulationOptions { accounts: 8, ..SimulationOptions::default() });
    let mut searched = 0;
    let mut folders = vec![audited.directory.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            let text = if path.extension().is_some_and(|e| e == "gz") {
                let mut text = Vec::new();
                std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(bytes.as_slice()), &mut text)
                    .unwrap();
                text
            } else {
                bytes
            };
            searched += 1;
            assert!(!String::from_utf8_lossy(&text).contains(PLANTED_SECRET), "{} holds a secret", path.display());
        }
    }
    assert!(searched > 10);
    let secretive = audited.findings.iter().any(|f| {
        f.control == "codepipeline-actions-no-plaintext-secrets" && f.compliance == ComplianceType::NonCompliant
    });
    assert!(secretive, "the organization has no planted secret that is found");
}

#[test]
fn filters_choose_accounts_and_say_why_the_others_are_skipped() {
    let options = SimulationOptions { accounts: 10, denials: false, ..SimulationOptions::default() };
    let whole = audit(options.clone());
    let accounts: BTreeSet<&String> = whole.verdicts.keys().map(|key| &key.2).collect();
    let chosen = (*accounts.iter().next_back().unwrap()).clone();
    let mut written = written();
    written.accounts.include = vec![chosen.clone()];
    let part = audit_with(options, &written.resolve("test").unwrap());
    assert!(part.verdicts.keys().all(|key| key.2 == chosen));
    assert!(part.skipped.len() > whole.skipped.len());
}

#[test]
fn a_chain_of_roles_sees_what_one_role_sees() {
    let options = SimulationOptions { accounts: 4, denials: false, ..SimulationOptions::default() };
    let direct = audit(options.clone());
    let hub = Simulation::new(options.clone()).management_account();
    let mut written = written();
    let role = format!("arn:{{partition}}:iam::{hub}:role/PipewardenAudit");
    written.role.chain = vec![pipewarden::config::Hop { role, external_id: Some("one-of-ours".to_owned()) }];
    let chained = audit_with(options, &written.resolve("test").unwrap());
    assert_eq!(chained.verdicts, direct.verdicts);
    let assumed = |audited: &Audited| audited.calls.get("sts:AssumeRole").copied().unwrap_or(0);
    assert!(assumed(&direct) > 0);
    assert_eq!(assumed(&chained), 2 * assumed(&direct));
}

#[test]
fn an_audit_outlives_its_sessions() {
    // A session is renewed five minutes before its end, so one of five minutes and a second is good for one second.
    let options = SimulationOptions {
        accounts: 4,
        pipelines_per_account_region: 1,
        denials: false,
        latency: Duration::from_millis(150),
        session: Some(Duration::from_secs(301)),
        ..SimulationOptions::default()
    };
    let audited = assert_is_truth(options);
    let lost: Vec<&Gap> =
        audited.gaps.iter().filter(|gap| matches!(gap.cause, GapCause::AccessDenied { .. })).collect();
    assert!(lost.is_empty(), "a session that has ended is refused: {lost:#?}");
    assert!(audited.calls.get("sts:AssumeRole").is_some_and(|calls| *calls > 3), "{:?}", audited.calls);
}

#[test]
fn a_trust_policy_gets_the_external_id_the_source_identity_and_the_tags() {
    let trust = Trust {
        external_id: Some("one-of-ours".to_owned()),
        source_identity: Some("nightly".to_owned()),
        session_tag: Some(("tool".to_owned(), "pipewarden".to_owned())),
    };
    let options = SimulationOptions { accounts: 4, denials: false, trust, ..SimulationOptions::default() };
    let mut written = written();
    written.role.external_id = Some("one-of-ours".to_owned());
    written.role.source_identity = Some("nightly".to_owned());
    written.role.session_tags.insert("tool".to_owned(), "pipewarden".to_owned());
    let known = audit_with(options.clone(), &written.clone().resolve("test").unwrap());
    assert_eq!(differences(&known, &Simulation::new(options.clone())), Vec::<String>::new());
    for forget in [
        |role: &mut pipewarden::config::Role| role.external_id = Some("another".to_owned()),
        |role: &mut pipewarden::config::Role| role.source_identity = None,
        |role: &mut pipewarden::config::Role| role.session_tags.clear(),
    ] {
        let mut written = written.clone();
        forget(&mut written.role);
        let stranger = audit_with(options.clone(), &written.resolve("test").unwrap());
        let outside = stranger
            .gaps
            .iter()
            .filter(|gap| gap.affects == Affects::Account && matches!(gap.cause, GapCause::RoleNotAssumed { .. }));
        assert_eq!(outside.count(), 3, "every account but the audit's own stays closed");
    }
}

#[test]
fn one_account_alone_needs_no_organization() {
    let options = SimulationOptions { accounts: 4, denials: false, ..SimulationOptions::default() };
    let mut config = configuration();
    config.audit.single_account = true;
    let audited = audit_with(options.clone(), &config);
    let management = Simulation::new(options).management_account().to_string();
    assert!(!audited.findings.is_empty());
    assert!(audited.calls.keys().all(|action| !action.starts_with("organizations:")), "{:?}", audited.calls);
    assert!(audited.verdicts.keys().all(|key| key.2 == management));
}

fn demo(out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipewarden"));
    command
        .args(["demo", "--accounts", "10", "--latency", "3", "--out"])
        .arg(out)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// All reports of the one run under `out`, by name.
fn reports(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let runs: Vec<_> = fs::read_dir(out.join("runs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    let [run] = runs.as_slice() else { panic!("expected one run, found {runs:?}") };
    let files = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())).collect()
}

#[test]
fn a_run_that_is_killed_at_any_point_ends_as_an_unbroken_one() {
    let unbroken = tempfile::tempdir().unwrap();
    let start = std::time::Instant::now();
    assert!(demo(unbroken.path()).status().unwrap().success());
    let whole = start.elapsed();
    let expected = reports(unbroken.path());
    assert!(expected.contains_key("manifest.json") && expected.contains_key("findings.json"));

    let broken = tempfile::tempdir().unwrap();
    let mut killed = 0;
    for tenth in 1..=9 {
        let mut child = demo(broken.path()).spawn().unwrap();
        std::thread::sleep(whole * tenth / 10);
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            killed += 1;
        }
        child.wait().unwrap();
        if broken.path().join("runs").is_dir()
            && fs::read_dir(broken.path().join("runs"))
                .unwrap()
                .flatten()
                .any(|run| run.path().join("manifest.json").is_file())
        {
            break;
        }
    }
    if !fs::read_dir(broken.path().join("runs"))
        .unwrap()
        .flatten()
        .any(|run| run.path().join("manifest.json").is_file())
    {
        assert!(demo(broken.path()).status().unwrap().success());
    }
    assert!(killed > 0, "no run was killed");
    let actual = reports(broken.path());
    assert_eq!(expected.keys().collect::<Vec<_>>(), actual.keys().collect::<Vec<_>>());
    for (name, bytes) in &expected {
        assert!(actual.get(name) == Some(bytes), "{name} differs after {killed} kills");
    }
}
