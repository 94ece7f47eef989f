//! Runs in stages and runs in a bucket: real processes against the simulated organization, the bucket on moto's S3.
//!
//! One process is the measure: what its run holds, the stages' run has to hold byte for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_smithy_types::retry::RetryConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pipewarden::inventory::Region;
use pipewarden::run::{Objects, Store, StoreAddress};
use pipewarden::simulate::{Simulation, SimulationOptions, SimulationServer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::loopback;
use crate::moto::Moto;

const KEY: &str = "0123456789abcdef0123456789abcdef";
/// The key comes from the environment, so that two roads take the same.
const CONFIGURATION: &str = "[secrets]\nfingerprint_key_env = \"FINGERPRINT_KEY\"\n";

/// The simulated organization, served as long as this stands.
struct World {
    runtime: tokio::runtime::Runtime,
    endpoint: String,
    _server: SimulationServer,
}

impl World {
    fn start() -> Self {
        let options = SimulationOptions {
            accounts: 4,
            pipelines_per_account_region: 2,
            regions: vec!["eu-central-1".parse::<Region>().unwrap()],
            limits: false,
            latency: Duration::ZERO,
            ..SimulationOptions::default()
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = runtime.block_on(SimulationServer::start(Arc::new(Simulation::new(options)), listen)).unwrap();
        Self { endpoint: server.endpoint_url(), _server: server, runtime }
    }
}

/// What a test plays on: an organization, a service of buckets, and a moment.
struct Stage {
    world: World,
    moto: Moto,
    /// A moment that has just passed, as a run's id says it.
    now: time::OffsetDateTime,
}

fn stage() -> Stage {
    let stage = Stage { world: World::start(), moto: Moto::start(), now: time::OffsetDateTime::UNIX_EPOCH };
    let folder = tempfile::tempdir().unwrap();
    let begun = Machine::new(&stage, folder.path()).answer(&["collect", "--begin", "--out", "first"]);
    let format = time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");
    let now = time::PrimitiveDateTime::parse(begun["runId"].as_str().unwrap(), &format).unwrap().assume_utc();
    Stage { now, ..stage }
}

impl Stage {
    /// A moment before now, as `--at` takes it.
    fn hours_ago(&self, hours: i64) -> String {
        let at = self.now - time::Duration::hours(hours);
        at.format(&time::format_description::well_known::Rfc3339).unwrap()
    }

    fn s3(&self) -> aws_sdk_s3::Client {
        let config = self.moto.config(loopback::credentials(), "us-east-1");
        aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build())
    }

    fn bucket(&self, name: &str) -> String {
        self.world.runtime.block_on(self.s3().create_bucket().bucket(name).send()).unwrap();
        format!("s3://{name}/nightly")
    }

    /// Every object of a bucket.
    fn objects(&self, bucket: &str) -> BTreeMap<String, Vec<u8>> {
        let s3 = self.s3();
        self.world.runtime.block_on(async {
            let listed = s3.list_objects_v2().bucket(bucket).into_paginator().send();
            let mut pages = listed;
            let mut objects = BTreeMap::new();
            while let Some(page) = pages.next().await {
                for object in page.unwrap().contents() {
                    let key = object.key().unwrap().to_owned();
                    let body = s3.get_object().bucket(bucket).key(&key).send().await.unwrap().body;
                    objects.insert(key, body.collect().await.unwrap().to_vec());
                }
            }
            objects
        })
    }
}

/// A machine: a folder to work in, and nothing that another machine has.
struct Machine<'a> {
    stage: &'a Stage,
    folder: &'a Path,
}

impl<'a> Machine<'a> {
    fn new(stage: &'a Stage, folder: &'a Path) -> Self {
        fs::write(folder.join("pipewarden.toml"), CONFIGURATION).unwrap();
        fs::create_dir_all(folder.join("tmp")).unwrap();
        Self { stage, folder }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipewarden"));
        let takes_aws = ["collect", "audit", "evaluate"].contains(&args[0]);
        command
            .args(args)
            .args(takes_aws.then_some(["--endpoint-url", &self.stage.world.endpoint]).into_iter().flatten())
            .current_dir(self.folder)
            .env_clear()
            .envs([
                ("AWS_EC2_METADATA_DISABLED", "true"),
                ("HOME", "/nonexistent"),
                ("AWS_ACCESS_KEY_ID", "AKIATEST"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_REGION", "us-east-1"),
                ("FINGERPRINT_KEY", KEY),
                ("PIPEWARDEN_LOG", "error"),
                ("PIPEWARDEN_STORE_ENDPOINT_URL", self.stage.moto.endpoint.as_str()),
            ])
            .env("TMPDIR", self.folder.join("tmp"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if takes_aws {
            command.args(["--config", "pipewarden.toml"]);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What a command says that ends well, or with violations.
    fn says(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let ended = output.status.code();
        assert!(matches!(ended, Some(0 | 1)), "{args:?} ended with {ended:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn answer(&self, args: &[&str]) -> Value {
        let said = self.says(args);
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{args:?}: {error}: {said}"))
    }

    /// Nothing of a run stays on a machine that keeps its runs in a bucket.
    fn is_clean(&self) -> bool {
        fs::read_dir(self.folder.join("tmp")).unwrap().next().is_none()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn files_under(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn within(objects: &BTreeMap<String, Vec<u8>>, prefix: &str) -> BTreeMap<String, Vec<u8>> {
    let names = objects.iter().filter_map(|(name, bytes)| Some((name.strip_prefix(prefix)?.to_owned(), bytes.clone())));
    names.collect()
}

fn assert_same(expected: &BTreeMap<String, Vec<u8>>, found: &BTreeMap<String, Vec<u8>>) {
    assert_eq!(expected.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
    for (name, bytes) in expected {
        assert!(found[name] == *bytes, "{name} differs");
    }
    assert!(expected.contains_key("manifest.json") && expected.contains_key("findings.json"));
}

/// One process, one folder: the measure.
fn unbroken(machine: &Machine<'_>, at: &str) -> (String, BTreeMap<String, Vec<u8>>) {
    machine.says(&["audit", "--at", at, "--out", "unbroken"]);
    let runs = machine.folder.join("unbroken/runs");
    let ids = fs::read_dir(&runs).unwrap().map(|entry| entry.unwrap());
    let ids = ids.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().into_string().unwrap());
    let run = ids.max().unwrap();
    let files = files_under(&runs.join(&run));
    (run, files)
}

/// The items that a stage handed to a map.
fn items(machine: &Machine<'_>, answer: &Value) -> Vec<Value> {
    let place = &answer["accounts"];
    let bytes = if let Some(file) = place["file"].as_str() {
        fs::read(machine.folder.join(file)).unwrap()
    } else {
        let objects = machine.stage.objects(place["bucket"].as_str().unwrap());
        objects[place["key"].as_str().unwrap()].clone()
    };
    let items: Vec<Value> = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(answer["count"], items.len());
    items
}

/// The command line of an item.
fn worker<'a>(item: &'a Value, out: &'a str) -> Vec<&'a str> {
    let (run, account) = (item["runId"].as_str().unwrap(), item["account"].as_str().unwrap());
    let mut args = vec!["collect", "--run", run, "--account", account, "--out", out];
    match item["stage"].as_str().unwrap() {
        "account" => {}
        "referenced" => args.push("--referenced"),
        other => panic!("{other} is no item"),
    }
    args
}

/// A map: all items, several workers at once, each on a machine of its own.
fn map(machine: &Machine<'_>, items: &[Value], out: &str) {
    for several in items.chunks(3) {
        let workers: Vec<_> =
            several.iter().map(|item| (item, machine.command(&worker(item, out)).spawn().unwrap())).collect();
        for (item, child) in workers {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{item}: {}", text(&output.stderr));
            let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(answer["account"], item["account"]);
            assert!(answer["resources"].is_u64() && answer["gaps"].is_u64(), "{answer}");
        }
    }
}

fn conclude(machine: &Machine<'_>, run: &str, out: &str) -> Value {
    machine.answer(&["evaluate", run, "--conclude", "--out", out])
}

#[test]
fn stages_in_a_folder_end_as_one_process_does() {
    let stage = &stage();
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new(stage, folder.path());
    let at = stage.hours_ago(1);
    let (run, expected) = unbroken(&machine, &at);
    let begun = machine.answer(&["collect", "--begin", "--at", &at, "--out", "stages"]);
    assert_eq!(begun["runId"], run.as_str());
    map(&machine, &items(&machine, &begun), "stages");
    let named = machine.answer(&["collect", "--run", &run, "--references", "--out", "stages"]);
    let referenced = items(&machine, &named);
    assert!(!referenced.is_empty(), "accounts name nothing of each other, so a stage is not tested");
    map(&machine, &referenced, "stages");
    let concluded = conclude(&machine, &run, "stages");
    assert_eq!(concluded["runId"], run.as_str());
    assert_eq!((&concluded["verdict"], &concluded["exitCode"]), (&Value::from("NonCompliant"), &Value::from(1)));
    assert_same(&expected, &files_under(&folder.path().join("stages/runs").join(&run)));

    for (args, words) in [
        (vec!["collect", "--begin", "--at", "2999-01-01T00:00:00Z"], "in the future"),
        (vec!["collect", "--begin", "--at", "2020-01-01T00:00:00Z"], "seven days ago"),
        (vec!["collect", "--run", &run, "--out", "stages"], "--account ID"),
        (vec!["collect", "--run", &run, "--account", "999999999999", "--out", "stages"], "is none of those"),
        (vec!["collect", "--begin", "--history"], "not collected by stages"),
        (vec!["audit", "--at", &at, "--out", "unbroken"], "has ended already"),
    ] {
        let output = machine.run(&args);
        let said = text(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(output.status.code() == Some(64) && said.contains(words), "{args:?}: {said}");
    }
    fs::write(folder.path().join("pipewarden.toml"), format!("{CONFIGURATION}[settings]\nalarmWithoutDataDays = 3\n"))
        .unwrap();
    let other = machine.run(&["collect", "--run", &run, "--references", "--out", "stages"]);
    assert!(text(&other.stderr).contains("was begun with another configuration"), "{}", text(&other.stderr));
}

#[test]
fn workers_that_share_a_bucket_end_as_one_process_does_though_they_are_killed() {
    let stage = &stage();
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new(stage, folder.path());
    let out = stage.bucket("killed");
    let at = stage.hours_ago(2);
    let (run, expected) = unbroken(&machine, &at);
    let begin = || machine.answer(&["collect", "--begin", "--at", &at, "--out", &out]);
    let begun = begin();
    assert_eq!(begin(), begun, "a beginning that is repeated goes on with the same run");
    assert_eq!(begun["accounts"]["bucket"], "killed");
    let accounts = items(&machine, &begun);

    // The first worker shows how long one takes; the others are killed somewhere on their way, and come again.
    let start = Instant::now();
    map(&machine, &accounts[..1], &out);
    let whole = start.elapsed();
    let mut killed = 0;
    for (nth, item) in (1..).zip(&accounts[1..]) {
        for part in [3 * nth, 9 - nth] {
            let mut child = machine.command(&worker(item, &out)).spawn().unwrap();
            std::thread::sleep(whole * part.clamp(1, 9) / 10);
            if child.try_wait().unwrap().is_none() {
                child.kill().unwrap();
                killed += 1;
            }
            child.wait().unwrap();
        }
    }
    assert!(killed > 0, "no worker was killed");
    map(&machine, &accounts, &out);
    let references = || machine.answer(&["collect", "--run", &run, "--references", "--out", &out]);
    let named = references();
    assert_eq!(references(), named);
    map(&machine, &items(&machine, &named), &out);

    let mut child = machine.command(&["evaluate", &run, "--conclude", "--out", &out]).spawn().unwrap();
    std::thread::sleep(whole * 3 / 2);
    child.kill().unwrap();
    child.wait().unwrap();
    let concluded = conclude(&machine, &run, &out);
    assert_eq!(concluded["report"], format!("{out}/runs/{run}/"));
    let objects = stage.objects("killed");
    assert_same(&expected, &within(&objects, &format!("nightly/runs/{run}/")));
    assert_eq!(conclude(&machine, &run, &out), concluded, "a run that is concluded again stays as it is");
    assert_eq!(stage.objects("killed"), objects);
    // A worker that comes too late changes nothing either.
    map(&machine, &accounts[..1], &out);
    assert_eq!(stage.objects("killed"), objects);
    let verified = machine.says(&["verify", "--all", "--out", &out]);
    assert!(verified.contains(&format!("{run} holds:")), "{verified}");
}

#[test]
fn a_worker_that_never_delivers_is_a_gap_and_nothing_else_differs() {
    let stage = &stage();
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new(stage, folder.path());
    let out = stage.bucket("missing");
    let at = stage.hours_ago(3);
    let (run, expected) = unbroken(&machine, &at);
    let begun = machine.answer(&["collect", "--begin", "--at", &at, "--out", &out]);
    let accounts = items(&machine, &begun);
    // One of which something passed, so that there is something to lose.
    let passed = |item: &&Value| {
        let own = rows(&expected, item["account"].as_str().unwrap());
        own.iter().filter(|row| row.2 == "Compliant").count() > 3
    };
    let lost = accounts.iter().rfind(passed).unwrap().clone();
    let others: Vec<Value> = accounts.iter().filter(|item| **item != lost).cloned().collect();
    map(&machine, &others, &out);
    let named = machine.answer(&["collect", "--run", &run, "--references", "--out", &out]);
    map(&machine, &items(&machine, &named), &out);
    conclude(&machine, &run, &out);
    let found = within(&stage.objects("missing"), &format!("nightly/runs/{run}/"));

    let lost = lost["account"].as_str().unwrap();
    let inventories = |files: &BTreeMap<String, Vec<u8>>| -> BTreeMap<String, Vec<u8>> {
        let own = |name: &str| {
            name.starts_with("inventory/") && name.ends_with("/inventory.jsonl.gz") && !name.contains(lost)
        };
        files.iter().filter(|(name, _)| own(name)).map(|(name, bytes)| (name.clone(), bytes.clone())).collect()
    };
    assert_eq!(inventories(&found), inventories(&expected));
    let gaps = text(&found["coverage.json"]);
    assert!(gaps.contains("the stage `account` of the run left nothing"), "{gaps}");
    assert!(machine.says(&["verify", "--all", "--out", &out]).contains("holds"));
    // What passes was looked at by another stage; all else of the account is unknown, and none of it is silent.
    let (before, after) = (rows(&expected, lost), rows(&found, lost));
    let passes = |rows: &BTreeSet<(String, String, String)>| -> BTreeSet<(String, String, String)> {
        rows.iter().filter(|row| row.2 != "InsufficientData").cloned().collect()
    };
    assert!(passes(&after).is_subset(&passes(&before)) && passes(&after).len() < passes(&before).len());
    let controls = |rows: &BTreeSet<(String, String, String)>| -> BTreeSet<String> {
        rows.iter().map(|row| row.0.clone()).collect()
    };
    assert!(controls(&before).is_subset(&controls(&after)), "a control says nothing of the account any more");
}

/// Control, resource and result of every finding of an account.
fn rows(files: &BTreeMap<String, Vec<u8>>, account: &str) -> BTreeSet<(String, String, String)> {
    let mut reader = csv::Reader::from_reader(files["findings.csv"].as_slice());
    let rows = reader.deserialize::<BTreeMap<String, String>>().map(Result::unwrap);
    let own = rows.filter(|row| row["account"] == account);
    own.map(|row| (row["control"].clone(), row["resource"].clone(), row["compliance"].clone())).collect()
}

#[test]
fn two_nights_from_a_bucket_alone_say_what_two_nights_in_a_folder_say() {
    let stage = &stage();
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new(stage, folder.path());
    let out = stage.bucket("nights");
    let nights = [stage.hours_ago(29), stage.hours_ago(5)];
    for at in &nights {
        unbroken(&machine, at);
        // Each night a machine that has never seen a run.
        let fresh = tempfile::tempdir().unwrap();
        let tonight = Machine::new(stage, fresh.path());
        tonight.says(&["audit", "--at", at, "--out", &out]);
        assert!(tonight.is_clean());
    }
    let objects = stage.objects("nights");
    let local = files_under(&folder.path().join("unbroken/runs"));
    let runs: BTreeSet<String> =
        local.keys().filter_map(|name| name.split_once('/')).map(|(run, _)| run.to_owned()).collect();
    assert_eq!(runs.len(), 2);
    for run in &runs {
        assert_same(&within(&local, &format!("{run}/")), &within(&objects, &format!("nightly/runs/{run}/")));
    }
    let same = |args: &[&str]| {
        let remote = machine.says(&[args, &["--out", &out]].concat());
        assert_eq!(remote, machine.says(&[args, &["--out", "unbroken"]].concat()));
        remote
    };
    let listed: Value = serde_json::from_str(&same(&["runs", "--format", "json"])).unwrap();
    assert_eq!(listed["runs"][1]["chain"], "holds");
    assert!(listed["runs"][1]["violations"]["Unchanged"].as_u64().unwrap() > 0, "{listed}");
    same(&["diff", "--format", "json"]);
    same(&["report", "--format", "csv"]);
    let verified = same(&["verify", "--all"]);
    assert!(verified.contains("follows"), "{verified}");
    let last = runs.last().unwrap();
    stage.world.runtime.block_on(async {
        let put = stage.s3().put_object().bucket("nights").key(format!("nightly/runs/{last}/more.txt"));
        put.body(b"x".to_vec().into()).send().await.unwrap();
    });
    let spoiled = machine.run(&["verify", "--out", &out]);
    assert!(text(&spoiled.stderr).contains("more.txt was added"), "{}", text(&spoiled.stderr));
    let pruned = machine.run(&["runs", "--prune", "--out", &out]);
    assert!(pruned.status.code() == Some(64) && text(&pruned.stderr).contains("lifecycle rule"));
    assert!(machine.is_clean());
}

#[test]
fn rechecks_that_begin_together_stand_beside_each_other_in_the_bucket() {
    let stage = &stage();
    let out = stage.bucket("rechecked");
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let machines: Vec<Machine<'_>> = folders.iter().map(|folder| Machine::new(stage, folder.path())).collect();
    machines[0].says(&["audit", "--at", &stage.hours_ago(2), "--fail-on", "none", "--out", &out]);
    let night = stage.objects("rechecked");
    let (_, report) = night.iter().find(|(name, _)| name.ends_with("/findings.json")).unwrap();
    let report: Value = serde_json::from_slice(report).unwrap();
    let all = report["findings"].as_array().unwrap();
    let judged = all.iter().find(|one| one["resource"]["typeName"] == "AWS::CodePipeline::Pipeline").unwrap();
    let uid = judged["resource"]["uid"].as_str().unwrap();

    let args = ["audit", "--resource", uid, "--fail-on", "none", "--out", &out];
    machines[0].says(&args);
    let begun: Vec<_> = machines.iter().map(|machine| machine.command(&args).spawn().unwrap()).collect();
    for process in begun {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("reports: s3://rechecked/nightly/rechecks/runs/"));
    }
    assert!(machines.iter().all(Machine::is_clean));
    let objects = stage.objects("rechecked");
    let rechecks = within(&objects, "nightly/rechecks/runs/");
    let sealed: Vec<&String> = rechecks.keys().filter(|name| name.ends_with("/manifest.json")).collect();
    assert_eq!(sealed.len(), 4, "{sealed:?}");
    assert!(within(&night, "nightly/runs/") == within(&objects, "nightly/runs/"), "the full run was touched");
    // The full run says what else there is, so what is good is called good.
    for name in sealed {
        let run = name.trim_end_matches("manifest.json");
        let report: Value = serde_json::from_slice(&rechecks[&format!("{run}findings.json")]).unwrap();
        let found = report["findings"].as_array().unwrap();
        assert!(found.iter().any(|one| one["compliance"] == "Compliant"), "{run}");
        assert!(found.iter().all(|one| one["lifecycle"]["change"] != "New"), "{run}: nothing changed since the night");
    }
    let verified = machines[0].says(&["verify", "--all", "--out", &format!("{out}/rechecks")]);
    assert_eq!(verified.lines().filter(|line| line.contains(" holds: ")).count(), 4, "{verified}");
}

/// What of a run says how it stands.
const STANDING: [&str; 3] = ["plan.json", "manifest.json", "failed.txt"];

/// A way to the bucket on which everything that is asked for is written down.
struct Watched {
    endpoint: String,
    /// By connection.
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Watched {
    fn start(moto: &Moto) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let behind = moto.endpoint.trim_start_matches("http://").to_owned();
        let asked: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let written = Arc::clone(&asked);
        std::thread::spawn(move || {
            for inward in listener.incoming() {
                let inward = inward.unwrap();
                let outward = TcpStream::connect(&behind).unwrap();
                let (mut from, mut to) = (inward.try_clone().unwrap(), outward.try_clone().unwrap());
                let written = Arc::clone(&written);
                std::thread::spawn(move || {
                    let mut lists = written.lock().unwrap();
                    let place = lists.len();
                    lists.push(Vec::new());
                    drop(lists);
                    let mut buffer = vec![0; 65536];
                    while let Ok(read @ 1..) = from.read(&mut buffer) {
                        // Before it goes on: who has an answer was written down.
                        written.lock().unwrap()[place].extend_from_slice(&buffer[..read]);
                        if to.write_all(&buffer[..read]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(Shutdown::Write);
                });
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut &outward, &mut &inward);
                    let _ = inward.shutdown(Shutdown::Both);
                });
            }
        });
        Self { endpoint, asked }
    }

    /// Names of the objects under a folder that were asked for.
    fn fetched(&self, folder: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for requests in self.asked.lock().unwrap().iter() {
            let requests = text(requests);
            let paths = requests.split("GET /").skip(1).filter_map(|rest| Some(rest.split_once(" HTTP/1.1")?.0));
            let objects = paths.filter_map(|path| path.split('?').next()?.strip_prefix(folder).map(str::to_owned));
            names.extend(objects.filter(|name| !name.is_empty()).map(|name| name.replace("%3D", "=")));
        }
        names
    }
}

#[test]
fn a_recheck_fetches_no_report_of_the_full_run_and_nothing_of_one_that_is_under_way() {
    let stage = &stage();
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new(stage, folder.path());
    let out = stage.bucket("sparing");
    machine.says(&["audit", "--at", &stage.hours_ago(2), "--fail-on", "none", "--out", &out]);
    let objects = stage.objects("sparing");
    let (name, report) = objects.iter().find(|(name, _)| name.ends_with("/findings.json")).unwrap();
    let night = name.trim_start_matches("nightly/runs/").split('/').next().unwrap();
    let report: Value = serde_json::from_slice(report).unwrap();
    let all = report["findings"].as_array().unwrap();
    let judged = all.iter().find(|one| one["resource"]["typeName"] == "AWS::CodePipeline::Pipeline").unwrap();
    let begun = machine.answer(&["collect", "--begin", "--at", &stage.hours_ago(1), "--out", &out]);
    map(&machine, &items(&machine, &begun)[..1], &out);
    let under_way = begun["runId"].as_str().unwrap();
    let parts = within(&stage.objects("sparing"), &format!("nightly/runs/{under_way}/inventory/"));
    assert!(parts.len() > 1, "nothing is under way");

    let watched = Watched::start(&stage.moto);
    let uid = judged["resource"]["uid"].as_str().unwrap();
    let mut recheck = machine.command(&["audit", "--resource", uid, "--fail-on", "none", "--out", &out]);
    let output = recheck.env("PIPEWARDEN_STORE_ENDPOINT_URL", &watched.endpoint).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(machine.is_clean());

    let of_night = watched.fetched(&format!("sparing/nightly/runs/{night}/"));
    let read = [&STANDING[..], &["report.jsonl.gz", "findings.spool.jsonl.gz", "gone.spool.jsonl.gz"]].concat();
    let (inventories, others): (BTreeSet<&str>, BTreeSet<&str>) =
        of_night.iter().map(String::as_str).partition(|name| name.starts_with("inventory/"));
    assert!(others.is_subset(&read.iter().copied().collect()), "{others:?}");
    for name in ["manifest.json", "findings.spool.jsonl.gz"] {
        assert!(others.contains(name), "{name} of the full run is not looked at: {of_night:?}");
    }
    let written = within(&objects, &format!("nightly/runs/{night}/"));
    let written: BTreeSet<&str> =
        written.keys().map(String::as_str).filter(|name| name.starts_with("inventory/")).collect();
    assert_eq!(inventories, written);
    let of_tonight = watched.fetched(&format!("sparing/nightly/runs/{under_way}/"));
    assert!(of_tonight.iter().all(|name| STANDING.contains(&name.as_str())), "{of_tonight:?}");

    // With that little it says what it says with a whole run beside it.
    let rechecks = within(&stage.objects("sparing"), "nightly/rechecks/runs/");
    let (_, report) = rechecks.iter().find(|(name, _)| name.ends_with("/findings.json")).unwrap();
    let report: Value = serde_json::from_slice(report).unwrap();
    let found = report["findings"].as_array().unwrap();
    assert!(found.iter().any(|one| one["compliance"] == "Compliant"));
    assert!(found.iter().all(|one| one["lifecycle"]["change"] != "New"), "nothing changed since the night");
    assert_eq!(report["overTime"]["recheck"]["besideRun"], night);
}

#[test]
fn a_run_in_a_bucket_that_was_left_unfinished_is_fetched_while_it_is_young() {
    let stage = &stage();
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new(stage, folder.path());
    let fetched = |out: &str, run: &str| {
        let watched = Watched::start(&stage.moto);
        let mut again = machine.command(&["collect", "--out", out]);
        let output = again.env("PIPEWARDEN_STORE_ENDPOINT_URL", &watched.endpoint).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        watched.fetched(&format!("{}/runs/{run}/", out.trim_start_matches("s3://")))
    };
    let runs = |bucket: &str| -> Vec<String> {
        let names = stage.objects(bucket).into_keys();
        let plans = names.filter_map(|name| name.strip_suffix("/plan.json").map(str::to_owned));
        plans.map(|name| name.rsplit('/').next().unwrap().to_owned()).collect()
    };
    for (bucket, hours, is_young) in [("young", 11, true), ("old", 13, false)] {
        let out = stage.bucket(bucket);
        machine.says(&["collect", "--at", &stage.hours_ago(hours), "--out", &out]);
        let first = runs(bucket).remove(0);
        let names = fetched(&out, &first);
        let came = names.iter().any(|name| name.starts_with("inventory/account="));
        assert_eq!(came, is_young, "{bucket}: {names:?}");
        assert_eq!(runs(bucket).len(), if is_young { 1 } else { 2 }, "{bucket}");
        assert!(machine.is_clean());
    }
}

#[test]
fn a_configuration_and_a_key_come_from_the_bucket_and_are_everybodys() {
    let stage = &stage();
    let out = stage.bucket("shared");
    let s3 = stage.s3();
    stage.world.runtime.block_on(async {
        for (key, text) in [("conf/pipewarden.toml", "[owners]\nfile = \"OWNERS\"\n"), ("conf/OWNERS", "* platform\n")]
        {
            s3.put_object().bucket("shared").key(key).body(text.as_bytes().to_vec().into()).send().await.unwrap();
        }
    });
    let at = stage.hours_ago(4);
    let config = "s3://shared/conf/pipewarden.toml";
    let begin = |folder: &Path| {
        let machine = Machine::new(stage, folder);
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipewarden"));
        let args = [
            "collect",
            "--begin",
            "--at",
            &at,
            "--out",
            &out,
            "--config",
            config,
            "--endpoint-url",
            &stage.world.endpoint,
        ];
        command.args(args).env("PIPEWARDEN_STORE_ENDPOINT_URL", &stage.moto.endpoint).env("TMPDIR", folder.join("tmp"));
        for (name, value) in
            [("AWS_ACCESS_KEY_ID", "AKIATEST"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")]
        {
            command.env(name, value);
        }
        let output = command.current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(machine.is_clean());
        text(&output.stdout)
    };
    let first = tempfile::tempdir().unwrap();
    let said = begin(first.path());
    let key = stage.objects("shared")["nightly/fingerprint.key"].clone();
    assert_eq!(key.trim_ascii().len(), 64);
    let second = tempfile::tempdir().unwrap();
    assert_eq!(begin(second.path()), said);
    assert_eq!(stage.objects("shared")["nightly/fingerprint.key"], key);
}

/// Whether a request has come with all of its body.
fn is_whole(asked: &[u8]) -> bool {
    let Some(end) = asked.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = text(&asked[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    asked.len() >= end + 4 + length.unwrap_or(0)
}

/// Reads a request.
fn request(connection: &mut TcpStream) -> String {
    let mut asked = Vec::new();
    let mut buffer = vec![0; 65536];
    while !is_whole(&asked) {
        let read = connection.read(&mut buffer).unwrap_or(0);
        if read == 0 {
            break;
        }
        asked.extend_from_slice(&buffer[..read]);
    }
    text(&asked)
}

/// What becomes of a body on its way.
#[derive(Clone, Copy)]
enum Body {
    Whole,
    /// The connection is closed in the middle.
    BreaksOff,
    /// Other bytes than those whose hash the head has.
    Damaged,
}

/// A bucket in which every name is one object, with what becomes of its first bodies; the last stands for all that follow.
/// The number counts them.
fn breaking(object: Vec<u8>, bodies: Vec<Body>) -> (String, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let count: Arc<Mutex<usize>> = Arc::default();
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        let sum = STANDARD.encode(Sha256::digest(&object));
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            if request(&mut connection).starts_with("HEAD ") {
                let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                continue;
            }
            let mut nth = counted.lock().unwrap();
            let body = bodies.get(*nth).or(bodies.last()).copied().unwrap();
            *nth += 1;
            drop(nth);
            let mut sent = object.clone();
            match body {
                Body::Whole => {}
                Body::BreaksOff => sent.truncate(object.len() / 2),
                Body::Damaged => sent[0] ^= 1,
            }
            let length = object.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nETag: \"tag\"\r\nx-amz-checksum-sha256: {sum}\r\nConnection: close\r\n\r\n"
            );
            let _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(&sent));
        }
    });
    (endpoint, count)
}

#[test]
fn a_body_that_breaks_off_or_is_damaged_is_fetched_anew_and_not_for_ever() {
    let object = vec![b'x'; 300_000];
    let name = "runs/20261121T020000Z/inventory/organization.jsonl.gz";
    let fetch = |bodies: Vec<Body>| {
        let (endpoint, count) = breaking(object.clone(), bodies);
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let came = runtime.block_on(async {
            let sdk = loopback::config(&endpoint, loopback::credentials(), "us-east-1", RetryConfig::disabled());
            let address = StoreAddress::of(Path::new("s3://breaking/nightly")).unwrap().unwrap();
            let store = Store::new(Objects::open(&sdk, address).await.unwrap(), folder.path());
            store.fetch([name.to_owned()]).await.map_err(|error| error.to_string())
        });
        let asked = *count.lock().unwrap();
        (came, asked, files_under(folder.path()))
    };
    let (came, asked, files) = fetch(vec![Body::BreaksOff, Body::Damaged, Body::Whole]);
    assert_eq!((came, asked), (Ok(1), 3));
    assert!(files.len() == 1 && files[name] == object, "{:?}", files.keys());
    for (bodies, words) in [(vec![Body::BreaksOff], "broke off"), (vec![Body::Damaged], "nightly")] {
        let (came, asked, files) = fetch(bodies);
        let said = came.unwrap_err();
        assert!(said.contains("s3://breaking/nightly/runs/") && said.contains(words), "{said}");
        assert!(said.contains("again") && asked == 4, "{asked}: {said}");
        assert!(files.is_empty(), "{:?}", files.keys());
    }
}

/// A bucket that may be listed and not written.
fn refusing(status: &'static str, code: &'static str) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let asked = request(&mut connection);
            let list = "<ListBucketResult></ListBucketResult>";
            let refusal = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
            let (status, body) = match asked.split(' ').next().unwrap_or_default() {
                "GET" if asked.contains("list-type=2") => ("200 OK", list.to_owned()),
                "GET" => ("404 Not Found", "<Error><Code>NoSuchKey</Code></Error>".to_owned()),
                "HEAD" if code == "AccessDenied" => ("200 OK", String::new()),
                "HEAD" => (status, String::new()),
                _ => (status, refusal),
            };
            let length = body.len();
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            let _ = connection.write_all(answer.as_bytes());
        }
    });
    endpoint
}

#[test]
fn a_bucket_that_cannot_be_used_is_told_with_its_mending_and_nothing_is_lost() {
    let stage = &stage();
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new(stage, folder.path());
    let plain = |output: &Output| text(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    let missing = machine.run(&["runs", "--out", "s3://no-such-bucket"]);
    assert!(missing.status.code() == Some(3) && plain(&missing).contains("create the bucket"), "{}", plain(&missing));
    let wrong = machine.run(&["runs", "--out", "s3://A"]);
    assert!(wrong.status.code() == Some(64) && plain(&wrong).contains("is no name of a bucket"), "{}", plain(&wrong));

    let denied = refusing("403 Forbidden", "AccessDenied");
    let at = stage.hours_ago(6);
    let mut command = machine.command(&["audit", "--at", &at, "--out", "s3://denied/nightly"]);
    let output = command.env("PIPEWARDEN_STORE_ENDPOINT_URL", &denied).output().unwrap();
    let said = plain(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    for word in ["s3:PutObject", "AccessDenied", "allow the identity", "Nothing is lost", "runs --push"] {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
    let kept = said.split("what was made is in ").nth(1).unwrap().split(';').next().unwrap();
    let made: BTreeMap<_, _> = files_under(&Path::new(kept).join("runs"))
        .into_iter()
        .filter(|(name, _)| !name.contains("/.") && !name.starts_with('.'))
        .collect();
    let out = stage.bucket("mended");
    machine.says(&["runs", "--push", kept, "--out", &out]);
    assert_eq!(within(&stage.objects("mended"), "nightly/runs/"), made);
    assert!(machine.says(&["verify", "--out", &out]).contains("holds"));
}
