//! What collecting costs: a simulated organization of 1,000 accounts × 2 Regions × 10 pipelines, 20 ms latency, AWS's
//! rate limits, against the time that latency, limits and the configured concurrency allow at best.
//!
//! Server and audit are processes of their own, so that memory is the audit's alone. `cargo bench --bench collect`, with
//! `-- --accounts N` for another size; `-- --fan-out` compares one process with many workers (`fan_out/mod.rs`).

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints figures and stops where it cannot go on"
)]

mod fan_out;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pipewarden::collect::Concurrency;
use pipewarden::collect::limiter::Rate;

const LATENCY: f64 = 0.020;

/// A child that does not outlive the benchmark.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One line of the ledger.
struct Row {
    account: String,
    region: String,
    service: String,
    action: String,
    calls: f64,
    lost: f64,
}

fn ledger(run: &std::path::Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(run.join("coverage.csv")).unwrap();
    let rows = reader.deserialize::<BTreeMap<String, String>>().map(Result::unwrap);
    let number =
        |row: &BTreeMap<String, String>, name: &str| row.get(name).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
    let text = |row: &BTreeMap<String, String>, name: &str| row.get(name).cloned().unwrap_or_default();
    rows.map(|row| Row {
        account: text(&row, "account"),
        region: text(&row, "region"),
        service: text(&row, "service"),
        action: text(&row, "action"),
        calls: number(&row, "calls"),
        lost: number(&row, "throttled") + number(&row, "error"),
    })
    .collect()
}

/// The seconds that nobody can save: the cap on calls in flight, each account's slowest lane, and Organizations' own
/// rate, of which the longest counts.
fn bound(rows: &[Row], caps: Concurrency) -> [(&'static str, f64); 3] {
    let calls: f64 = rows.iter().map(|row| row.calls).sum();
    let mut lanes: BTreeMap<(&str, &str, &str), f64> = BTreeMap::new();
    for row in rows {
        *lanes.entry((&row.account, &row.region, &row.service)).or_default() += row.calls;
    }
    let mut slowest: BTreeMap<&str, f64> = BTreeMap::new();
    let mut organizations: f64 = 0.0;
    for ((account, _, service), calls) in lanes {
        let rate = Rate::of_service(service);
        let seconds =
            ((calls - rate.burst) / rate.per_second).max(0.0).max(calls * LATENCY / caps.calls_per_service as f64);
        if service == "organizations" {
            organizations = organizations.max(seconds);
        } else {
            let slot = slowest.entry(account).or_default();
            *slot = slot.max(seconds);
        }
    }
    [
        ("calls × latency ÷ calls in flight", calls * LATENCY / caps.calls as f64),
        ("slowest lane of each account ÷ accounts at once", slowest.values().sum::<f64>() / caps.accounts as f64),
        ("Organizations at its rate", organizations),
    ]
}

/// Peak resident memory of a process, MiB.
fn peak(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0
}

/// CPU seconds of a process so far.
fn cpu(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect::<Vec<_>>();
    let ticks = |nth: usize| after.get(nth).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test --benches` asks every benchmark to prove that it starts, not to run.
    if arguments.iter().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    if arguments.iter().any(|argument| argument == "--fan-out") {
        return fan_out::run(&arguments);
    }
    let accounts =
        arguments.iter().skip_while(|argument| *argument != "--accounts").nth(1).map_or("1000", String::as_str);
    let pipewarden = env!("CARGO_BIN_EXE_pipewarden");
    let simulate = [
        "simulate",
        "--listen",
        "127.0.0.1:0",
        "--accounts",
        accounts,
        "--pipelines",
        "10",
        "--latency",
        "20",
        "--no-denials",
    ];
    let started = Instant::now();
    let mut server = Running(Command::new(pipewarden).args(simulate).stderr(Stdio::piped()).spawn().unwrap());
    let mut said = String::new();
    BufReader::new(server.0.stderr.take().unwrap()).read_line(&mut said).unwrap();
    println!("{accounts} accounts simulated after {:.2} s", started.elapsed().as_secs_f64());
    let endpoint = said.split_whitespace().last().unwrap_or_default().to_owned();

    let out = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let mut audit = Running(
        Command::new(pipewarden)
            .args(["collect", "--endpoint-url", &endpoint, "--out"])
            .arg(out.path())
            .envs([
                ("AWS_ACCESS_KEY_ID", "AKIABENCH"),
                ("AWS_SECRET_ACCESS_KEY", "bench"),
                ("AWS_REGION", "us-east-1"),
                ("PIPEWARDEN_LOG", "error"),
            ])
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let (mut memory, mut audit_cpu) = (0.0, 0.0);
    while audit.0.try_wait().unwrap().is_none() {
        memory = peak(audit.0.id()).max(memory);
        audit_cpu = cpu(audit.0.id()).max(audit_cpu);
        std::thread::sleep(Duration::from_millis(100));
    }
    let wall = begin.elapsed().as_secs_f64();
    let (server_memory, server_cpu) = (peak(server.0.id()), cpu(server.0.id()));
    let run = fs::read_dir(out.path().join("runs"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.is_dir())
        .unwrap();
    let judge_begin = Instant::now();
    let judged = Command::new(pipewarden)
        .args(["evaluate", "--fail-on", "none", "--out"])
        .arg(out.path())
        .arg(&run)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut judged = Running(judged);
    let mut judge_memory = 0.0_f64;
    while judged.0.try_wait().unwrap().is_none() {
        judge_memory = peak(judged.0.id()).max(judge_memory);
        std::thread::sleep(Duration::from_millis(50));
    }
    let rows = ledger(&run);
    let calls: f64 = rows.iter().map(|row| row.calls).sum();
    let lost: f64 = rows.iter().map(|row| row.lost).sum();
    println!(
        "collected in {wall:.1} s wall, {audit_cpu:.1} CPU s, peak {memory:.0} MiB (goal: under 512); server {server_cpu:.1} CPU s, {server_memory:.0} MiB"
    );
    println!(
        "{calls} calls, {lost} lost; judged and reported in {:.1} s, peak {judge_memory:.0} MiB",
        judge_begin.elapsed().as_secs_f64()
    );
    let bounds = bound(&rows, Concurrency::default());
    for (name, seconds) in bounds {
        println!("  bound: {seconds:>7.1} s  {name}");
    }
    let longest = bounds.iter().map(|(_, seconds)| *seconds).fold(0.0, f64::max);
    println!("ratio to the longest bound: {:.2} (goal: at most 1.3)", wall / longest);
    let mut by_action: BTreeMap<String, f64> = BTreeMap::new();
    for row in &rows {
        if row.calls > 0.0 {
            *by_action.entry(format!("{}:{}", row.service, row.action)).or_default() += row.calls;
        }
    }
    for (action, calls) in by_action {
        println!("  {calls:>8} {action}");
    }
}
