//! Histories of the simulated organization, through the real SDK clients, against what really happened there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use aws_smithy_types::retry::RetryConfig;
use pipewarden::audit::{
    self, Collection, Deliveries, Evaluation, HistoryCollection, Silent, TrailBucket, TrailSources,
};
use pipewarden::collect::CallGate;
use pipewarden::config::Config;
use pipewarden::dora::{Estate, Options};
use pipewarden::evaluate::Policies;
use pipewarden::finding::{ComplianceType, Finding};
use pipewarden::history::{ACCOUNT_SOURCES, History, HistorySource, HistoryStore};
use pipewarden::inventory::{AccountId, Partition, Resource, TypeName};
use pipewarden::organization::Sessions;
use pipewarden::run::{Plan, RunDirectory, RunId};
use pipewarden::simulate::{
    DeliveryTruth, PLANTED_SECRET, PipelineTruth, PlantedFact, Simulation, SimulationOptions, SimulationServer,
};
use serde_json::json;

use crate::{audit as audits, hosts, loopback};

/// Everything that came out of one run with history.
struct Told {
    history: History,
    deliveries: Deliveries,
    estate: Estate,
    findings: Vec<Finding>,
    served: BTreeMap<String, u64>,
    directory: tempfile::TempDir,
}

/// Asks the simulated organization at a moment, into a folder that may hold earlier runs.
fn ask(simulation: &Simulation, options: &Options, folder: &Path, at: time::OffsetDateTime) -> (RunDirectory, Config) {
    let mut config = audits::configuration();
    config.rules.delegated_administrators.extend(simulation.trusted_administrators());
    let run = RunDirectory::create(folder, Plan::new(RunId::at(at).unwrap(), json!({}), 1)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let server = SimulationServer::start(Arc::new(simulation.clone()), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let server = server.await.unwrap();
        let retry = RetryConfig::standard();
        let sdk = loopback::config(&server.endpoint_url(), loopback::credentials(), "us-east-1", retry);
        let gate = CallGate::new(config.audit.concurrency).with_hosts(hosts::open(&server.hosts(), |_| {}));
        let own = simulation.management_account();
        let home = Partition::Aws.default_region();
        let sessions = Sessions::new(sdk, own, Partition::Aws, home, config.audit.sessions.clone(), gate);
        let collection = Collection { sessions: &sessions, options: &config.audit, run: &run, progress: &Silent };
        collection.complete().await.unwrap();
        let store = HistoryStore::of(folder);
        // The event history answers twice a second; the trail holds the same.
        let sources: BTreeSet<HistorySource> =
            ACCOUNT_SOURCES.iter().map(|source| source.source()).filter(|source| !source.tells_events()).collect();
        let collection = HistoryCollection {
            sessions: &sessions,
            run: &run,
            store: &store,
            sources: &sources,
            options,
            accounts_at_once: 8,
            progress: &Silent,
        };
        collection.complete().await.unwrap();
        let bucket =
            TrailBucket { bucket: simulation.trail_bucket(), prefix: None, region: None, verify_digests: false };
        let trails = TrailSources { bucket: Some(bucket), ..TrailSources::default() };
        trails.read(&sessions, &run, &store, options).await.unwrap();
        server.stop().await;
    });
    (run, config)
}

fn told(simulated: SimulationOptions) -> Told {
    let directory = tempfile::tempdir().unwrap();
    let simulation = Simulation::new(simulated.clone());
    let mut options = Options::at(simulated.now);
    options.production = audits::configuration().rules.production;
    let (run, config) = ask(&simulation, &options, directory.path(), simulated.now);
    let store = HistoryStore::of(directory.path());
    let sources = config.account_sources().unwrap();
    let (history, _) = audit::history_of(&run, &store, &sources, &options).unwrap();
    let estate = audit::estate_of(&run).unwrap();
    let deliveries = audit::deliveries(&history, &estate, &options);
    audit::keep_facts(&run, deliveries.resources.clone()).unwrap();
    let policies = Policies::load(&Policies::embedded(), &BTreeSet::new()).unwrap();
    let evaluation = Evaluation {
        policies: &policies,
        settings: config.settings.clone(),
        rules: config.rules.clone(),
        owners: &config.owners,
    };
    let judged = evaluation.judge(&run).unwrap();
    let report = judged.report(&run, &policies);
    let findings = report.findings.findings().unwrap().map(|finding| Finding::clone(&finding.unwrap())).collect();
    Told { history, deliveries, estate, findings, served: simulation.statistics(), directory }
}

fn is_seen(truth: &DeliveryTruth, pipeline: &PipelineTruth, action: &str) -> bool {
    pipeline.visible && !truth.denied.contains(&(pipeline.account.clone(), action.to_owned()))
}

/// What is measured of one deployment, and what is true of it.
fn deployments_differ(told: &Told, truth: &DeliveryTruth) -> Vec<String> {
    let mut lines = Vec::new();
    let measured: BTreeMap<&str, _> = told
        .deliveries
        .measurements
        .deployments
        .iter()
        .map(|it| (it.execution.as_deref().unwrap_or_else(|| it.id.rsplit(['/', ':']).next().unwrap_or(&it.id)), it))
        .collect();
    for pipeline in &truth.pipelines {
        if !is_seen(truth, pipeline, "codepipeline:ListActionExecutions")
            || !is_seen(truth, pipeline, "codepipeline:ListPipelineExecutions")
            || !is_seen(truth, pipeline, "codedeploy:BatchGetDeployments")
        {
            continue;
        }
        for real in pipeline.deployments.iter().filter(|it| it.finished >= truth.from) {
            let Some(found) = measured.get(real.id.as_str()) else {
                lines.push(format!("{}: {} {} {} is not measured", pipeline.arn, real.id, real.kind, real.outcome));
                continue;
            };
            let evidence: Vec<&str> = found.evidence.iter().map(|evidence| evidence.code.name()).collect();
            // Going back behind a deployment that had failed by itself is one more sign of the same failure, and whether
            // a person's stop is one is a matter of definition; the truth names neither.
            let certain = |code: &&&str| match **code {
                "E2" => !evidence.contains(&"E3") || real.failed_by.contains(&"E2"),
                "E4" => real.failed_by.contains(&"E4"),
                code => !["E5", "E6", "E7"].contains(&code),
            };
            let of_the_service = evidence.iter().filter(certain).copied();
            let same = found.kind.name() == real.kind
                && found.outcome.name() == real.outcome
                && found.attempts as usize == real.attempts
                && of_the_service.collect::<BTreeSet<_>>() == real.failed_by.iter().copied().collect();
            if !same {
                lines.push(format!(
                    "{}: {} is {} {} {} {evidence:?}, should be {} {} {} {:?}",
                    pipeline.arn,
                    real.id,
                    found.kind.name(),
                    found.outcome.name(),
                    found.attempts,
                    real.kind,
                    real.outcome,
                    real.attempts,
                    real.failed_by
                ));
            }
        }
        let known: BTreeSet<&str> = pipeline.deployments.iter().map(|it| it.id.as_str()).collect();
        let service = told.deliveries.measurements.deployments.iter();
        for extra in service.filter(|it| it.pipeline.as_deref() == Some(&pipeline.arn) || it.service.0 == pipeline.arn)
        {
            let id = extra.execution.as_deref().unwrap_or_else(|| extra.id.rsplit(['/', ':']).next().unwrap_or(""));
            let finished = extra.finished.is_some();
            if finished && !known.contains(id) {
                lines.push(format!("{}: {id} {} is not in the truth", pipeline.arn, extra.kind.name()));
            }
        }
    }
    lines
}

/// Why a planted fact needs no finding that names its event.
fn is_known_otherwise(told: &Told, estate: &Estate, fact: &PlantedFact) -> bool {
    let event = told.history.events.iter().find(|event| event.id == fact.event);
    match fact.code {
        // A person may start a pipeline; the world plants every such start, and the control asks what it delivered.
        "G4" => true,
        // Restarts, and what touched nothing, brought no version past the pipeline.
        "G5" => event.and_then(|event| event.response.text(&["deploymentId"])).is_some_and(|id| {
            let deployments = &told.deliveries.measurements.deployments;
            deployments.iter().filter(|it| it.id.ends_with(&id)).all(|it| {
                it.kind.name() != "forward" && it.kind.name() != "rollback" || it.outcome.name() == "error_no_impact"
            })
        }),
        // Only buckets that a pipeline or trail in sight writes to hold evidence.
        "G10" => event.and_then(|event| event.request.text(&["bucketName"])).is_some_and(|bucket| {
            let types = [TypeName::PIPELINE, TypeName::TRAIL];
            let mut writers = types.iter().flat_map(|name| estate.of_type(name));
            let holds = |writer: &Resource| {
                serde_json::to_string(&writer.properties).unwrap().contains(&format!("\"{bucket}\""))
            };
            // A new bucket policy is told; what it allows, the controls on the bucket judge.
            let is_told = told.findings.iter().any(|finding| {
                serde_json::to_string(&finding.evidence).unwrap().contains(&fact.event)
                    && event.is_some_and(|event| event.name == "PutBucketPolicy")
            });
            is_told || !writers.any(holds)
        }),
        // Whose a commit on a source host is, only `[dora.people]` can say: unknown, but never a pass.
        "G1" => {
            let pipeline = fact.pipeline.clone().unwrap_or_default();
            let of_it = |finding: &&Finding| finding.resource.uid.as_str().starts_with(&pipeline);
            let authors = ["delivery-approver-is-not-author", "delivery-approver-is-not-git-author"];
            let mut judged = told.findings.iter().filter(of_it).filter(|it| authors.contains(&it.control.as_str()));
            judged.any(|finding| finding.compliance != ComplianceType::Compliant)
        }
        _ => false,
    }
}

fn shown(lines: &[String]) -> String {
    lines.iter().take(40).cloned().collect::<Vec<_>>().join("\n")
}

#[test]
fn deployments_and_broken_rules_are_the_known_truth() {
    let options = SimulationOptions { limits: false, ..SimulationOptions::default() };
    let truth = Simulation::new(options.clone()).delivery_truth();
    let told = told(options);
    assert!(told.history.events.len() > 500, "{}", told.history.events.len());
    let lines = deployments_differ(&told, &truth);
    assert!(lines.is_empty(), "{} differences:\n{}", lines.len(), shown(&lines));

    let mut missed = Vec::new();
    let visible: BTreeSet<&AccountId> =
        truth.pipelines.iter().filter(|pipeline| pipeline.visible).map(|pipeline| &pipeline.account).collect();
    for fact in truth.facts.iter().filter(|fact| fact.time >= truth.from && visible.contains(&fact.account)) {
        let named = told.findings.iter().any(|finding| {
            finding.compliance == ComplianceType::NonCompliant
                && finding.resource.type_name.as_str().starts_with("Delivery::")
                && serde_json::to_string(&finding.evidence).unwrap().contains(&fact.event)
        });
        if !named && !is_known_otherwise(&told, &told.estate, fact) {
            missed.push(format!("{} {:?} {} {}", fact.code, fact.pipeline, fact.time, fact.event));
        }
    }
    assert!(missed.is_empty(), "{} planted facts are in no finding:\n{}", missed.len(), shown(&missed));

    let secret = |path: &Path| std::fs::read(path).unwrap();
    for entry in walkdir::WalkDir::new(told.directory.path()).into_iter().map(Result::unwrap) {
        if entry.file_type().is_file() {
            let bytes = secret(entry.path());
            let mut text = Vec::new();
            let mut unzipped = flate2::read::MultiGzDecoder::new(bytes.as_slice());
            let text = if std::io::Read::read_to_end(&mut unzipped, &mut text).is_ok() { text } else { bytes };
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(!text.contains(PLANTED_SECRET), "{} holds a secret", entry.path().display());
        }
    }
}

#[test]
fn a_second_night_asks_only_for_what_is_new() {
    let simulated = SimulationOptions { accounts: 5, limits: false, denials: false, ..SimulationOptions::default() };
    let directory = tempfile::tempdir().unwrap();
    let simulation = Simulation::new(simulated.clone());
    let options = Options::at(simulated.now);
    let calls = |simulation: &Simulation, action: &str| simulation.statistics().get(action).copied().unwrap_or(0);
    ask(&simulation, &options, directory.path(), simulated.now);
    let actions = ["codepipeline:ListActionExecutions", "codedeploy:BatchGetDeployments", "s3:GetObject"];
    let first: Vec<u64> = actions.iter().map(|action| calls(&simulation, action)).collect();
    let (again, config) = ask(&simulation, &options, directory.path(), simulated.now + time::Duration::MINUTE);
    let store = HistoryStore::of(directory.path());
    let sources = config.account_sources().unwrap();
    let (history, segments) = audit::history_of(&again, &store, &sources, &options).unwrap();
    assert!(!history.executions.is_empty() && segments.len() > 3);
    for (action, before) in actions.iter().zip(first) {
        let more = calls(&simulation, action) - before;
        assert!(before > 0 && more * 2 < before, "{action}: {before} calls, then {more}");
    }
}

#[test]
fn what_is_refused_is_a_gap_and_no_number() {
    for action in ["codepipeline:ListPipelineExecutions", "codepipeline:ListActionExecutions", "s3:GetObject"] {
        let simulated = SimulationOptions {
            accounts: 4,
            limits: false,
            denials: false,
            deny_action: Some(action.to_owned()),
            ..SimulationOptions::default()
        };
        let told = told(simulated);
        let named = told.history.coverage.gaps.iter().any(|gap| gap.gap.action == action);
        assert!(named || action == "s3:GetObject", "{action} leaves no gap: {:?}", told.history.coverage.gaps.first());
        assert!(told.served.contains_key(action), "{action} was never asked for");
        if action.starts_with("codepipeline") {
            for group in &told.deliveries.measurements.groups {
                for measure in &group.measures {
                    let number = measure.values.iter().any(|value| value.value.is_some());
                    // A deployment group without a pipeline is known whatever is known of pipelines.
                    let without_executions =
                        !measure.sources.is_empty() && !measure.sources.contains(&HistorySource::PipelineExecutions);
                    let is_known = number && measure.status.name() == "ok";
                    assert!(!is_known || without_executions, "{action}: {:?} {measure:?}", group.group);
                }
            }
        }
        let passes = told.findings.iter().filter(|finding| {
            finding.resource.type_name.as_str() == "Delivery::Service"
                && finding.compliance == ComplianceType::Compliant
        });
        if action == "s3:GetObject" {
            // Approvers and starters stand in the executions as well; what only events tell must not pass.
            let events_only = ["stage-condition", "bypass", "overrid"];
            let wrong: Vec<&str> = passes
                // Without a pipeline there is no stage, and no build of it.
                .filter(|finding| !finding.resource.uid.as_str().contains(":deploymentgroup:"))
                .map(|finding| finding.control.as_str())
                .filter(|id| events_only.iter().any(|word| id.contains(word)))
                .collect();
            assert!(wrong.is_empty(), "{wrong:?} pass without any event");
        }
    }
}

fn pipewarden(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_pipewarden")).args(arguments).output().unwrap()
}

#[test]
fn a_demonstration_with_history_can_be_measured_from_its_files() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap();
    let missing = pipewarden(&["dora", "report", "--out", out]);
    assert_eq!(missing.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("--history"));

    let demo = pipewarden(&["demo", "--history", "--accounts", "5", "--no-limits", "--out", out]);
    assert_eq!(demo.status.code(), Some(0), "{}", String::from_utf8_lossy(&demo.stderr));
    let runs = directory.path().join("runs");
    let run = std::fs::read_dir(&runs).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    for file in ["dora/metrics.csv", "dora/deployments.csv", "dora/dora.json", "history.json"] {
        assert!(run.join(file).is_file(), "{file}");
    }
    let json = |more: &[&str]| {
        let asked = [&["dora", "report", "--out", out, "--format", "json"], more].concat();
        let output = pipewarden(&asked);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let whole = json(&[]);
    assert_eq!(whole, json(&[]), "the same files, the same bytes");
    assert!(whole["deployments"].as_array().unwrap().len() > 20);
    let total = |value: &serde_json::Value| value["deployments"].as_array().unwrap().len();
    assert_eq!(total(&whole), total(&json(&["--tz", "Asia/Tokyo"])));
    assert!(total(&json(&["--window", "4w"])) < total(&whole));
    for wrong in [["--window", "4"], ["--tz", "Mars"], ["--as-of", "soon"], ["--events", "nowhere.json"]] {
        let output = pipewarden(&["dora", "report", "--out", out, wrong[0], wrong[1]]);
        assert_eq!(output.status.code(), Some(64), "{wrong:?}");
    }
}

#[test]
fn saved_answers_of_aws_are_a_history() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, answer: serde_json::Value| {
        let path = directory.path().join(name);
        std::fs::write(&path, answer.to_string()).unwrap();
        format!("arn:aws:codepipeline:eu-west-1:111122223333:web={}", path.display())
    };
    let executions = write(
        "executions.json",
        json!({"pipelineExecutionSummaries": [{"pipelineExecutionId": "e1", "status": "Succeeded",
            "startTime": "2026-06-10T09:00:00Z", "lastUpdateTime": "2026-06-10T09:30:00Z"}]}),
    );
    let actions = write(
        "actions.json",
        json!({"actionExecutionDetails": [{"pipelineExecutionId": "e1", "actionExecutionId": "a1", "stageName": "Prod",
            "actionName": "Deploy", "status": "Succeeded", "startTime": "2026-06-10T09:10:00Z",
            "lastUpdateTime": "2026-06-10T09:30:00Z",
            "input": {"actionTypeId": {"category": "Deploy", "owner": "AWS", "provider": "ECS", "version": "1"}}}]}),
    );
    let torn = write("torn.json", json!({"actionExecutionDetails": [{"pipelineExecutionId": "e1"}]}));
    let out = directory.path().join("out");
    let asked =
        ["dora", "report", "--out", out.to_str().unwrap(), "--as-of", "2026-06-29T00:00:00Z", "--format", "json"];
    let report = |answers: &[&str]| {
        let named = answers.iter().flat_map(|answer| ["--answers", answer]);
        pipewarden(&asked.iter().copied().chain(named).collect::<Vec<_>>())
    };
    let good = report(&[&executions, &actions]);
    assert_eq!(good.status.code(), Some(0), "{}", String::from_utf8_lossy(&good.stderr));
    let told: serde_json::Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!(told["deployments"].as_array().unwrap().len(), 1, "{told}");
    for (answer, words) in [(torn.as_str(), "actionExecutionDetails[0]"), ("web=executions.json", "neither the ARN")] {
        let bad = report(&[answer]);
        assert_eq!(bad.status.code(), Some(64));
        let said = String::from_utf8_lossy(&bad.stderr).into_owned();
        assert!(said.contains(words), "{said}");
    }
}
