//! What reading a CloudTrail archive costs, beside only inflating the same files with the same library, and beside
//! `DuckDB` on the same question where `python3` has it.
//!
//! `cargo bench --bench archive` writes its own archive, seeded: about 300 MB inflated, of which one record in 200 is
//! wanted (`PIPEWARDEN_BENCH_WANTED=n` makes it one in `n`; `PIPEWARDEN_BENCH_FOLDER` keeps it in an empty folder, and
//! reads it there the next time). The floor and what is measured take turns in one process, because the machine may be
//! busy; figures are medians of CPU seconds and of each turn's ratio. `PIPEWARDEN_BENCH_DUCKDB=0` leaves `DuckDB` out.
//! Linux only, because it reads `/proc`; nothing here can fail a test.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a benchmark prints figures and stops where it cannot go on"
)]

use std::fs::{self, File};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, hint, thread};

use fastrand::Rng;
use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use pipewarden::history::archive::{ArchiveFolder, ArchiveSelection, read_archive};
use pipewarden::history::{History, Period};
use time::macros::datetime;

const INFLATED: u64 = 300_000_000;
const RUNS: usize = 15;

/// How often each query of `DuckDB` is run.
const PEER_RUNS: usize = 3;

/// What accounts are full of, by weight.
const USUAL: [(&str, &str, u32); 11] = [
    ("sts", "AssumeRole", 30),
    ("kms", "Decrypt", 14),
    ("kms", "GenerateDataKey", 6),
    ("ec2", "DescribeInstances", 12),
    ("logs", "CreateLogStream", 8),
    ("s3", "GetBucketAcl", 6),
    ("iam", "GetRole", 4),
    ("codepipeline", "GetPipelineState", 3),
    ("codedeploy", "GetDeployment", 2),
    ("monitoring", "DescribeAlarms", 3),
    ("ssm", "UpdateInstanceInformation", 6),
];

/// What is asked for.
const WANTED: [(&str, &str); 4] = [
    ("codepipeline", "StartPipelineExecution"),
    ("codepipeline", "PutApprovalResult"),
    ("codedeploy", "CreateDeployment"),
    ("codebuild", "StartBuild"),
];

fn usual(rng: &mut Rng) -> (&'static str, &'static str) {
    let mut at = rng.u32(0..USUAL.iter().map(|(.., weight)| weight).sum());
    for (source, name, weight) in USUAL {
        if at < weight {
            return (source, name);
        }
        at -= weight;
    }
    ("sts", "AssumeRole")
}

fn record(rng: &mut Rng, one_in: u32) -> String {
    let (source, name) = if rng.u32(0..one_in) == 0 { WANTED[rng.usize(0..WANTED.len())] } else { usual(rng) };
    let account = ["111122223333", "444455556666", "777788889999"][rng.usize(0..3)];
    let role = ["ci-deploy", "app-web-task", "ops-admin", "AWSCodePipelineServiceRole-eu-west-1-web"][rng.usize(0..4)];
    let (a, b, c) = (rng.u64(..), rng.u64(..), rng.u64(..));
    let request = match (source, name) {
        ("sts", _) => format!(
            r#"{{"roleArn":"arn:aws:iam::{account}:role/{role}","roleSessionName":"{}","policy":"{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}}]}}","durationSeconds":3600}}"#,
            a >> 20
        ),
        ("kms", _) => format!(r#"{{"encryptionContext":{{"aws:s3:arn":"arn:aws:s3:::bucket-{}"}}}}"#, a % 50),
        ("ec2", _) => {
            format!(r#"{{"instancesSet":{{"items":[{{"instanceId":"i-{a:017x}"}},{{"instanceId":"i-{b:017x}"}}]}}}}"#)
        }
        ("codepipeline", _) => format!(r#"{{"name":"web-{}"}}"#, a % 30),
        ("codedeploy", "CreateDeployment") => {
            format!(
                r#"{{"applicationName":"web","deploymentGroupName":"prod","revision":{{"s3Location":{{"key":"k/{a:x}"}}}}}}"#
            )
        }
        _ => "null".to_owned(),
    };
    let response = if source == "sts" {
        let token: String = (0..400).map(|_| rng.alphanumeric()).collect();
        format!(r#"{{"credentials":{{"accessKeyId":"ASIA{c:016X}","sessionToken":"{token}"}}}}"#)
    } else {
        "null".to_owned()
    };
    format!(
        r#"{{"eventVersion":"1.11","userIdentity":{{"type":"AssumedRole","principalId":"AROA{a:016X}:{role}","arn":"arn:aws:sts::{account}:assumed-role/{role}/{}","accountId":"{account}","accessKeyId":"ASIA{b:016X}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROA{a:016X}","arn":"arn:aws:iam::{account}:role/{role}","accountId":"{account}","userName":"{role}"}},"attributes":{{"creationDate":"2026-06-10T10:{:02}:{:02}Z","mfaAuthenticated":"false"}}}}}},"eventTime":"2026-06-10T{:02}:{:02}:{:02}Z","eventSource":"{source}.amazonaws.com","eventName":"{name}","awsRegion":"eu-west-1","sourceIPAddress":"192.0.2.{}","userAgent":"aws-sdk-go/1.44.0 (go1.19; linux; amd64)","requestParameters":{request},"responseElements":{response},"requestID":"{:08x}-{:04x}-4000-8000-{:012x}","eventID":"{:08x}-{:04x}-4000-8000-{:012x}","readOnly":true,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"{account}","eventCategory":"Management","tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"{source}.eu-west-1.amazonaws.com"}}}}"#,
        b >> 24,
        a % 60,
        b % 60,
        a % 24,
        b % 60,
        c % 60,
        c % 255,
        a >> 32,
        a % 65536,
        b >> 16,
        c >> 32,
        c % 65536,
        a >> 16,
    )
}

/// Writes the archive; gives its files and how many bytes they inflate to.
fn write(folder: &Path, one_in: u32) -> (Vec<PathBuf>, u64) {
    let mut rng = Rng::with_seed(20_261_121);
    let (mut files, mut inflated) = (Vec::new(), 0);
    while inflated < INFLATED {
        let records: Vec<String> =
            (0..[40, 200, 500, 1500][rng.usize(0..4)]).map(|_| record(&mut rng, one_in)).collect();
        let text = format!("{{\"Records\":[{}]}}", records.join(","));
        let number = files.len();
        let name = format!(
            "111122223333_CloudTrail_eu-west-1_20260610T{:02}{:02}Z_{number:016}.json.gz",
            number / 60 % 24,
            number % 60
        );
        let mut encoder = GzEncoder::new(File::create(folder.join(&name)).unwrap(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap();
        inflated += text.len() as u64;
        files.push(folder.join(name));
    }
    (files, inflated)
}

fn inflate(files: &[PathBuf]) -> u64 {
    let mut room = vec![0; 128 * 1024];
    let mut bytes = 0;
    for file in files {
        let mut source = MultiGzDecoder::new(BufReader::with_capacity(64 * 1024, File::open(file).unwrap()));
        loop {
            let count = source.read(&mut room).unwrap();
            if count == 0 {
                break;
            }
            bytes += hint::black_box(&room)[..count].len() as u64;
        }
    }
    bytes
}

/// CPU seconds of all threads; none that worked has ended, since pools live as long as the benchmark.
fn cpu() -> f64 {
    // The kernel adds up what a thread used when the thread stops.
    thread::sleep(Duration::from_millis(1));
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let used = threads.filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("schedstat")).ok());
    used.map(|text| text.split_whitespace().next().unwrap().parse::<f64>().unwrap()).sum::<f64>() / 1e9
}

/// CPU and wall seconds of a run.
#[derive(Debug, Clone, Copy)]
struct Cost {
    cpu: f64,
    wall: f64,
}

fn cost<T>(work: impl FnOnce() -> T) -> Cost {
    let (start, begin) = (cpu(), Instant::now());
    hint::black_box(work());
    let wall = begin.elapsed().as_secs_f64();
    Cost { cpu: cpu() - start, wall }
}

/// Least, median and largest.
fn spread(values: impl IntoIterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}

/// Peak memory of this process in MiB.
fn peak() -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let high = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    high.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// Asks `DuckDB` per account and pipeline for starts and deployments, first and last time. Prints CPU seconds.
const PEER: &str = r#"
import resource, sys, duckdb
folder, way = sys.argv[1], sys.argv[2]
con = duckdb.connect(); con.execute("set threads=1"); con.execute("set enable_progress_bar=false")
size = "maximum_object_size=16777216"
typed = "STRUCT(eventTime VARCHAR, eventSource VARCHAR, eventName VARCHAR, recipientAccountId VARCHAR, requestParameters JSON)[]"
rows, field = {
  'paths': (f"unnest(json->'$.Records[*]') r from read_json_objects(?, format='unstructured', {size})", "r->>'%s'"),
  'typed': (f"unnest(Records) r from read_json(?, format='unstructured', {size}, columns={{Records:'{typed}'}})", "r.%s"),
  'automatic': (f"unnest(Records) r from read_json_auto(?, {size})", "r.%s"),
}[way]
f = lambda name: field % name
name = "r->'requestParameters'->>'name'" if way == 'paths' else "to_json(r.requestParameters)->>'name'"
time = f"({f('eventTime')})::VARCHAR"
con.execute(f"""with e as (select {rows})
 select {f('recipientAccountId')} a, {name} p, count(*), min({time}), max({time}) from e
 where {f('eventSource')} in ('codepipeline.amazonaws.com','codedeploy.amazonaws.com')
   and {f('eventName')} in ('StartPipelineExecution','CreateDeployment') group by all""", [folder + '/*.json.gz']).fetchall()
u = resource.getrusage(resource.RUSAGE_SELF); print(u.ru_utime + u.ru_stime)
"#;

/// The archive's files and how many bytes they inflate to.
fn archive(folder: &Path, one_in: u32) -> (Vec<PathBuf>, u64) {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    if files.is_empty() {
        return write(folder, one_in);
    }
    files.sort();
    let inflated = inflate(&files);
    (files, inflated)
}

/// CPU seconds of `DuckDB`'s whole process.
fn peer(folder: &Path, way: &str) -> Result<f64, String> {
    let output = Command::new("python3").args(["-c", PEER]).arg(folder).arg(way).output();
    let output = output.map_err(|error| error.to_string())?;
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(|_| {
        let text = String::from_utf8_lossy(&output.stderr);
        format!("{}: {}", output.status, text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no answer"))
    })
}

fn main() {
    let one_in = env::var("PIPEWARDEN_BENCH_WANTED").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let kept = env::var_os("PIPEWARDEN_BENCH_FOLDER").map(PathBuf::from);
    let own = tempfile::tempdir().unwrap();
    let folder = kept.as_deref().unwrap_or(own.path());
    let (files, inflated) = archive(folder, one_in);
    let packed: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    println!(
        "{} files, {:.0} MB, inflated {:.0} MB, one record in {one_in} wanted",
        files.len(),
        packed as f64 / 1e6,
        inflated as f64 / 1e6
    );
    let selection = ArchiveSelection {
        accounts: Vec::new(),
        regions: Vec::new(),
        period: Period { from: datetime!(2026-06-10 0:00 UTC), to: datetime!(2026-06-11 0:00 UTC) },
        verify: None,
    };
    let archive = ArchiveFolder::new(folder);
    let pools = [1, 2].map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
    let before = peak();
    let read = |pool: &rayon::ThreadPool| -> History { pool.install(|| read_archive(&archive, &selection)) };
    let events = read(&pools[0]).events.len();
    let after_one = peak();
    read(&pools[1]);
    println!("{events} events; peak memory {before:.0} MiB, {after_one:.0} with one thread, {:.0} with two", peak());

    let mut runs: Vec<[Cost; 3]> = Vec::new();
    for _ in 0..RUNS {
        runs.push([cost(|| inflate(&files)), cost(|| read(&pools[0])), cost(|| read(&pools[1]))]);
    }
    for (number, what) in
        ["inflating only (the floor)", "reading, one thread", "reading, two threads"].iter().enumerate()
    {
        let [_, cpu, _] = spread(runs.iter().map(|run| run[number].cpu));
        let [least, ratio, most] = spread(runs.iter().map(|run| run[number].cpu / run[0].cpu));
        let [fastest, wall, _] = spread(runs.iter().map(|run| run[number].wall));
        println!(
            "{what:<27} {cpu:.3} CPU s, {ratio:.2} × the floor ({least:.2} to {most:.2}); wall {wall:.3} s, at best \
             {fastest:.3} s = {:.2} GB/s",
            inflated as f64 / fastest / 1e9
        );
    }
    let [least, gain, most] = spread(runs.iter().map(|run| run[1].wall / run[2].wall));
    println!("two threads are {gain:.2} times as fast as one by the clock ({least:.2} to {most:.2})");
    if env::var("PIPEWARDEN_BENCH_DUCKDB").is_ok_and(|text| text == "0") {
        return;
    }
    let [_, ours, _] = spread(runs.iter().map(|run| run[1].cpu));
    for way in ["paths", "automatic", "typed"] {
        match (0..PEER_RUNS).map(|_| peer(folder, way)).collect::<Result<Vec<f64>, String>>() {
            Ok(seconds) => {
                let [least, median, most] = spread(seconds);
                println!("DuckDB, {way:<19} {median:.2} CPU s ({least:.2} to {most:.2}), {:.1} × ours", median / ours);
            }
            Err(why) => println!("DuckDB, {way}: {why}"),
        }
    }
}
