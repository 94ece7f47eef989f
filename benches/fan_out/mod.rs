//! One process against many workers, on one simulated organization: duration, calls, memory.
//!
//! `cargo bench --bench collect -- --fan-out --accounts 100 --regions 3 --workers 50`, with `--pipelines N` in each Region
//! and `--in-use N` where pipelines stand in only so many of the Regions. What is simulated: AWS, with its
//! published limits per account and Region and 20 ms latency, on loopback; the store, which is a folder. What is measured:
//! processes of the real program, its calls, its memory. Workers share this machine's cores here and have cores of their
//! own in AWS, so the duration with N workers is printed twice: as it was, and as the sum of the workers' own seconds ÷ N.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Running, cpu, peak};

/// Regions that are enabled by default, as `pipewarden simulate` takes them.
const REGIONS: [&str; 17] = [
    "eu-central-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-north-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "sa-east-1",
];

/// What one process took.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    wall: f64,
    cpu: f64,
    memory: f64,
}

impl Cost {
    fn add(&mut self, other: Self) {
        self.wall += other.wall;
        self.cpu += other.cpu;
        self.memory = self.memory.max(other.memory);
    }
}

struct Setting {
    endpoint: String,
    folder: tempfile::TempDir,
}

impl Setting {
    /// Runs the program to its end, and reads what it says.
    fn run(&self, args: &[&str]) -> (Cost, String) {
        let begin = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipewarden"));
        command.args(args).args(["--endpoint-url", &self.endpoint]).current_dir(self.folder.path());
        let environment = [
            ("AWS_ACCESS_KEY_ID", "AKIABENCH"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("AWS_REGION", "us-east-1"),
            ("PIPEWARDEN_LOG", "error"),
        ];
        let child = command.envs(environment).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut child = Running(child);
        let mut cost = Cost::default();
        while child.0.try_wait().unwrap().is_none() {
            cost.memory = peak(child.0.id()).max(cost.memory);
            cost.cpu = cpu(child.0.id()).max(cost.cpu);
            std::thread::sleep(Duration::from_millis(10));
        }
        let status = child.0.wait().unwrap().code();
        assert!(matches!(status, Some(0 | 1)), "{args:?} ended with {status:?}");
        cost.wall = begin.elapsed().as_secs_f64();
        let mut said = String::new();
        child.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        (cost, said)
    }

    fn answer(&self, args: &[&str]) -> (Cost, Value) {
        let (cost, said) = self.run(args);
        (cost, serde_json::from_str(&said).unwrap())
    }

    /// Gives items to workers, each a process per item.
    fn map(&self, answer: &Value, workers: usize) -> Map {
        let file = answer.pointer("/accounts/file").and_then(Value::as_str).unwrap();
        let items: Vec<Value> = serde_json::from_slice(&fs::read(self.folder.path().join(file)).unwrap()).unwrap();
        let begin = Instant::now();
        let (left, done) = (Mutex::new(items.iter()), Mutex::new(Map::default()));
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let Some(item) = left.lock().unwrap().next() else { break };
                        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
                        let mut args =
                            vec!["collect", "--run", text("runId"), "--account", text("account"), "--out", "stages"];
                        args.extend(["--config", "pipewarden.toml"]);
                        if text("stage") == "referenced" {
                            args.push("--referenced");
                        }
                        let (cost, _) = self.run(&args);
                        let mut done = done.lock().unwrap();
                        done.items += 1;
                        done.slowest = done.slowest.max(cost.wall);
                        done.all.add(cost);
                    }
                });
            }
        });
        let mut map = done.into_inner().unwrap();
        map.wall = begin.elapsed().as_secs_f64();
        map
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Map {
    items: u32,
    wall: f64,
    slowest: f64,
    all: Cost,
}

fn calls_of(run: &Path) -> u64 {
    let mut reader = csv::Reader::from_path(run.join("coverage.csv")).unwrap();
    let rows = reader.deserialize::<BTreeMap<String, String>>().map(Result::unwrap);
    rows.filter_map(|row| row.get("calls")?.parse::<u64>().ok()).sum()
}

fn line(name: &str, cost: Cost) {
    println!("  {name:<44} {:>9.1} s {:>9.1} CPU s {:>7.0} MiB", cost.wall, cost.cpu, cost.memory);
}

fn value<'a>(arguments: &'a [String], name: &str, default: &'a str) -> &'a str {
    arguments.iter().skip_while(|argument| *argument != name).nth(1).map_or(default, String::as_str)
}

/// Runs both roads and prints the table.
pub(crate) fn run(arguments: &[String]) {
    let accounts = value(arguments, "--accounts", "100");
    let regions: usize = value(arguments, "--regions", "3").parse().unwrap();
    let workers: usize = value(arguments, "--workers", "50").parse().unwrap();
    let regions = REGIONS.iter().take(regions).copied().collect::<Vec<_>>().join(",");
    let pipelines = value(arguments, "--pipelines", "2");
    let enabled = regions.split(',').count().to_string();
    let in_use = value(arguments, "--in-use", &enabled);
    let simulate = ["simulate", "--listen", "127.0.0.1:0", "--accounts", accounts, "--pipelines", pipelines];
    let server = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(simulate)
        .args(["--latency", "20", "--no-denials", "--regions", &regions, "--regions-in-use", in_use])
        .stderr(Stdio::piped())
        .spawn();
    let mut server = Running(server.unwrap());
    let mut said = String::new();
    BufReader::new(server.0.stderr.take().unwrap()).read_line(&mut said).unwrap();
    let endpoint = said.split_whitespace().last().unwrap_or_default().to_owned();
    let setting = Setting { endpoint, folder: tempfile::tempdir().unwrap() };
    // Both roads see the same secrets alike.
    fs::write(setting.folder.path().join("key"), "0123456789abcdef0123456789abcdef").unwrap();
    let config = "[secrets]\nfingerprint_key_file = \"key\"\n";
    fs::write(setting.folder.path().join("pipewarden.toml"), config).unwrap();
    println!("{accounts} accounts × {enabled} Regions, {pipelines} pipelines in {in_use} of them");

    println!("one process:");
    let common = ["--config", "pipewarden.toml"];
    let (collect, _) = setting.run(&[&["collect", "--out", "one"][..], &common].concat());
    line("collect", collect);
    let (judge, _) = setting.run(&[&["evaluate", "--fail-on", "none", "--out", "one"][..], &common].concat());
    line("evaluate", judge);
    let run = only_run(&setting.folder.path().join("one/runs"));
    let one_calls = calls_of(&run);
    println!("  {one_calls} calls, {:.1} s in all", collect.wall + judge.wall);

    println!("{workers} workers:");
    let id = run.file_name().unwrap().to_string_lossy().into_owned();
    let (date, clock) = id.split_once('T').unwrap();
    let part = |text: &str, range: std::ops::Range<usize>| text.get(range).unwrap().to_owned();
    let at = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(date, 0..4),
        part(date, 4..6),
        part(date, 6..8),
        part(clock, 0..2),
        part(clock, 2..4),
        part(clock, 4..6)
    );
    let stage = |args: &[&str]| setting.answer(&[args, &common, &["--out", "stages"]].concat());
    let (begin, begun) = stage(&["collect", "--begin", "--at", &at]);
    line("begin", begin);
    let shown = |name: &str, map: Map| {
        line(&format!("{name}, {} items: sum of all workers", map.items), map.all);
        let spread = map.all.wall / workers as f64;
        println!(
            "    {:.1} s on this machine; {spread:.1} s as the workers' seconds ÷ {workers}; the slowest {:.1} s",
            map.wall, map.slowest
        );
        spread.max(map.slowest)
    };
    let collected = setting.map(&begun, workers);
    let collected = shown("account", collected);
    let (references, named) = stage(&["collect", "--run", &id, "--references"]);
    line("references", references);
    let referenced = setting.map(&named, workers);
    let referenced = shown("referenced", referenced);
    let (conclude, _) = stage(&["evaluate", &id, "--conclude", "--fail-on", "none"]);
    line("conclude", conclude);
    let calls = calls_of(&setting.folder.path().join("stages/runs").join(&id));
    let all = begin.wall + collected + references.wall + referenced + conclude.wall;
    println!("  {calls} calls (one process: {one_calls}), {all:.1} s in all with a core or more for each worker");
    println!("server: {:.1} CPU s, peak {:.0} MiB", cpu(server.0.id()), peak(server.0.id()));
}

fn only_run(runs: &Path) -> std::path::PathBuf {
    fs::read_dir(runs).unwrap().flatten().map(|entry| entry.path()).find(|path| path.is_dir()).unwrap()
}
