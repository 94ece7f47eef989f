//! The fan-out's state machine, executed by moto with the real program behind it (`tests/step-functions.py`).
//!
//! The organization is the simulated one, functions are processes of this program that are fed over Lambda's runtime API,
//! tasks of Fargate are processes too. They share a folder, whose items the driver puts into moto's S3, where the map reads
//! them. One process is the measure: what its run holds, the joined run has to hold byte for byte, whatever was throttled,
//! killed and tried again; and what no worker could do is a gap.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use pipewarden::inventory::Region;
use pipewarden::simulate::{Simulation, SimulationOptions, SimulationServer};
use serde_json::{Value, json};

use super::moto;

const BUCKET: &str = "reports";
/// The folder that workers share.
const SHARED: &str = "shared";
const REGION: &str = "eu-central-1";
const CONFIGURATION: &str = "[secrets]\nfingerprint_key_env = \"FINGERPRINT_KEY\"\n";

fn project(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// The simulated organization, served as long as this stands.
struct World {
    endpoint: String,
    management: String,
    _server: SimulationServer,
    _runtime: tokio::runtime::Runtime,
}

impl World {
    fn start() -> Self {
        let options = SimulationOptions {
            accounts: 5,
            pipelines_per_account_region: 2,
            regions: vec![REGION.parse::<Region>().unwrap()],
            limits: false,
            ..SimulationOptions::default()
        };
        let simulation = Simulation::new(options);
        let management = simulation.management_account().to_string();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = runtime.block_on(SimulationServer::start(Arc::new(simulation), listen)).unwrap();
        Self { endpoint: server.endpoint_url(), management, _server: server, _runtime: runtime }
    }

    fn environment(folder: &Path) -> BTreeMap<String, String> {
        let fixed = [
            ("AWS_ACCESS_KEY_ID", "AKIATEST"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_REGION", REGION),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("FINGERPRINT_KEY", "0123456789abcdef0123456789abcdef"),
            ("HOME", "/nonexistent"),
            ("PIPEWARDEN_LOG", "error"),
            ("TMPDIR", folder.to_str().unwrap()),
        ];
        fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// One process, in a folder, at the moment at which the execution began.
    fn unbroken(&self, folder: &Path, at: &str) -> BTreeMap<String, Vec<u8>> {
        fs::write(folder.join("pipewarden.toml"), CONFIGURATION).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
            .args([
                "audit",
                "--endpoint-url",
                &self.endpoint,
                "--config",
                "pipewarden.toml",
                "--out",
                "one",
                "--at",
                at,
            ])
            .current_dir(folder)
            .env_clear()
            .envs(Self::environment(folder))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        run_under(&folder.join("one"))
    }

    fn execute(&self, faults: &Value, conclude_on: &str) -> Executed {
        self.execute_with(CONFIGURATION, faults, conclude_on)
    }

    fn execute_with(&self, configuration: &str, faults: &Value, conclude_on: &str) -> Executed {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("pipewarden.toml"), configuration).unwrap();
        let mut environment = Self::environment(folder.path());
        environment.insert("PIPEWARDEN_CONFIG".to_owned(), "pipewarden.toml".to_owned());
        environment.insert("PIPEWARDEN_OUT".to_owned(), SHARED.to_owned());
        let program = env!("CARGO_BIN_EXE_pipewarden");
        let settings = json!({
            "definition": fs::read_to_string(project("infra/fan-out/state-machine.asl.json")).unwrap(),
            "substitutions": {
                "Partition": "aws", "Worker": "worker", "Joiner": "joiner", "Bucket": BUCKET, "TaskFamily": "audit",
                "Cluster": format!("arn:aws:ecs:{REGION}:123456789012:cluster/audit"), "Subnets": "subnet-1,subnet-2",
                "SecurityGroup": "sg-1", "AssignPublicIp": "ENABLED", "MaxConcurrency": "2", "ConcludeOn": conclude_on,
            },
            // As the template has it for the function that concludes; for what collects it says nothing.
            "worker": [program, "lambda", "--fail-on", "none", "--fail-on-delivery", "--endpoint-url", self.endpoint],
            "task": [program],
            "taskOptions": ["--endpoint-url", self.endpoint],
            "environment": environment,
            "region": REGION,
            "bucket": BUCKET,
            "folder": folder.path(),
            "faults": faults,
            "into": folder.path().join("bucket"),
        });
        let mut driver = Command::new(moto::environment().join("bin/python"))
            .arg(project("tests/step-functions.py"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        driver.stdin.take().unwrap().write_all(settings.to_string().as_bytes()).unwrap();
        let output = driver.wait_with_output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        Executed { answer, folder }
    }
}

/// An execution that has ended.
struct Executed {
    answer: Value,
    folder: tempfile::TempDir,
}

impl Executed {
    /// Invocations of one stage, for an account or all.
    fn outcomes(&self, stage: &str, account: Option<&str>) -> Vec<&Value> {
        let list = self.answer["invocations"].as_array().unwrap().iter();
        let of = list.filter(|one| one["event"]["stage"] == stage);
        of.filter(|one| account.is_none_or(|id| one["event"]["account"] == id)).map(|one| &one["outcome"]).collect()
    }

    /// When the run is said to have begun.
    fn at(&self) -> String {
        let list = self.answer["invocations"].as_array().unwrap();
        list[0]["event"]["at"].as_str().unwrap().to_owned()
    }

    fn accounts(&self) -> BTreeSet<String> {
        let list = self.answer["invocations"].as_array().unwrap().iter();
        list.filter_map(|one| one["event"]["account"].as_str().map(str::to_owned)).collect()
    }

    fn run(&self) -> BTreeMap<String, Vec<u8>> {
        run_under(&self.folder.path().join(SHARED))
    }

    fn assert_succeeded(&self) {
        assert!(self.answer["status"] == "SUCCEEDED", "{:#}", self.answer);
    }
}

/// The files of the only run in a folder.
fn run_under(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let runs = fs::read_dir(folder.join("runs")).unwrap().map(|entry| entry.unwrap().path());
    let runs: Vec<PathBuf> = runs.filter(|path| path.is_dir()).collect();
    let [run] = runs.as_slice() else { panic!("one run was expected: {runs:?}") };
    let files = walkdir::WalkDir::new(run).into_iter().map(|entry| entry.unwrap().into_path());
    files
        .filter(|path| path.is_file())
        .map(|path| (path.strip_prefix(run).unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect()
}

fn findings(run: &BTreeMap<String, Vec<u8>>) -> Vec<Value> {
    let document: Value = serde_json::from_slice(&run["findings.json"]).unwrap();
    document["findings"].as_array().unwrap().clone()
}

#[test]
fn the_state_machine_ends_as_one_process_does_though_workers_are_throttled_killed_and_too_small() {
    let world = World::start();
    // Which accounts there are, an undisturbed execution says.
    let smooth = world.execute(&json!({}), "LAMBDA");
    smooth.assert_succeeded();
    let output: Value = serde_json::from_str(smooth.answer["output"].as_str().unwrap()).unwrap();
    assert_eq!(output["answer"]["verdict"], "NonCompliant", "{output}");
    assert!(!smooth.outcomes("referenced", None).is_empty(), "accounts name nothing of each other");
    let members: Vec<String> = smooth.accounts().into_iter().filter(|account| *account != world.management).collect();
    let [throttled, killed, large, ..] = members.as_slice() else { panic!("too few accounts: {members:?}") };

    let faults = json!({throttled: {"throttled": 3}, killed: {"killed": 1}, large: {"too large": -1}});
    let rough = world.execute(&faults, "FARGATE");
    rough.assert_succeeded();
    assert!(rough.outcomes("account", Some(throttled)).iter().filter(|outcome| **outcome == "throttled").count() == 3);
    assert_eq!(rough.outcomes("account", Some(killed))[0]["errorType"], "Runtime.ExitError");
    let commands: Vec<String> =
        rough.answer["tasks"].as_array().unwrap().iter().map(|task| task["command"].to_string()).collect();
    for account in [killed, large] {
        assert!(commands.iter().any(|command| command.contains(account.as_str())), "{account}: {commands:?}");
    }
    assert!(commands.iter().any(|command| command.contains("--conclude")), "{commands:?}");

    for executed in [&smooth, &rough] {
        let folder = tempfile::tempdir().unwrap();
        let expected = world.unbroken(folder.path(), &executed.at());
        let joined = executed.run();
        assert_eq!(expected.keys().collect::<Vec<_>>(), joined.keys().collect::<Vec<_>>());
        for (name, bytes) in &expected {
            assert!(joined[name] == *bytes, "{name} differs from that of one process");
        }
        assert!(joined.contains_key("manifest.json") && joined.contains_key("findings.json"));
    }
}

#[test]
fn a_run_that_reaches_nobody_fails_the_execution_and_is_kept_all_the_same() {
    let world = World::start();
    // The variable is set nowhere, so this delivery fails before it says anything to anybody.
    let configuration = format!("{CONFIGURATION}\n[[deliveries.webhook]]\nurl_env = \"NOWHERE\"\nformat = \"json\"\n");
    for (conclude_on, error) in [("LAMBDA", "Pipewarden.Undelivered"), ("FARGATE", "States.TaskFailed")] {
        let executed = world.execute_with(&configuration, &json!({}), conclude_on);
        assert_eq!(executed.answer["status"], "FAILED", "{conclude_on}: {:#}", executed.answer["status"]);
        assert_eq!(executed.answer["error"], error, "{conclude_on}: {}", executed.answer["cause"]);
        let run = executed.run();
        assert!(run.contains_key("manifest.json") && run.contains_key("findings.json"), "{conclude_on}");
        if conclude_on == "FARGATE" {
            let codes: Vec<&Value> =
                executed.answer["tasks"].as_array().unwrap().iter().map(|task| &task["exitCode"]).collect();
            assert_eq!(codes, [4]);
        } else {
            assert_eq!(executed.outcomes("conclude", None).len(), 1, "it is not tried again by itself");
        }
    }
}

#[test]
fn a_member_that_no_worker_can_collect_is_a_gap_and_all_others_are_judged() {
    let world = World::start();
    let smooth = world.execute(&json!({}), "LAMBDA");
    smooth.assert_succeeded();
    let whole = findings(&smooth.run());
    // The member of which most is known has most to lose.
    let mut known_of: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in whole.iter().filter(|one| one["compliance"] != "InsufficientData") {
        *known_of.entry(finding["resource"]["account"].as_str().unwrap()).or_default() += 1;
    }
    known_of.remove(world.management.as_str());
    let accounts = smooth.accounts();
    let (lost, _) =
        known_of.into_iter().filter(|(id, _)| accounts.contains(*id)).max_by_key(|(_, count)| *count).unwrap();

    let failing = world.execute(&json!({lost: {"killed": -1, "task fails": -1}}), "LAMBDA");
    // Any number of accounts may fail: the execution does not.
    failing.assert_succeeded();
    let part = failing.run();
    let coverage: Value = serde_json::from_slice(&part["coverage.json"]).unwrap();
    let gaps = coverage["gaps"].as_array().unwrap().iter().filter(|gap| gap["account"] == lost);
    assert!(gaps.count() > 0, "{lost} is silent");
    // What does not depend on the lost account is as it was; what does is not known any more, and never better.
    // A bucket whose owner was lost stands under the account that names it, so accounts are no part of the key.
    let key = |one: &Value| (one["control"].to_string(), one["resource"]["uid"].to_string());
    let known: BTreeMap<(String, String), &Value> = whole.iter().map(|one| (key(one), one)).collect();
    let (mut same, mut unknown) = (0, 0);
    for finding in findings(&part) {
        let was = known.get(&key(&finding));
        if was.is_some_and(|was| was["compliance"] == finding["compliance"]) {
            same += 1;
        } else {
            assert!(finding["compliance"] == "InsufficientData", "{finding:#}\nwas {was:#?}");
            unknown += 1;
        }
    }
    assert!(
        same > known.len() / 3 && unknown > 0,
        "{same} of {} are as they were, {unknown} are not known",
        known.len()
    );
}
