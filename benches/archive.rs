//! What reading a CloudTrail archive costs, beside only inflating the same files with the same library, and beside
//! `DuckDB` on the same question where `python3` has it.
//!
//! `cargo bench --bench archive` writes its own archive, seeded: about 300 MB inflated, of which one record in 200 is
//! wanted (`PIPEWARDEN_BENCH_WANTED=n` makes it one in `n`). CPU seconds are the best of several runs, because the
//! machine may be busy. Linux only, because it reads `/proc`; nothing here can fail a test.

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
use std::time::Instant;
use std::{env, hint};

use fastrand::Rng;
use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use pipewarden::history::archive::{ArchiveFolder, ArchiveSelection, read_archive};
use pipewarden::history::{History, Period};
use time::macros::datetime;

const INFLATED: u64 = 300_000_000;
const RUNS: usize = 7;

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

/// CPU seconds of all threads, also of those that ended.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<f64> =
        stat.rsplit(')').next().unwrap().split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect();
    fields.iter().skip(11).take(2).sum::<f64>() / 100.0
}

/// The least CPU and wall seconds of several runs.
fn best<T>(mut work: impl FnMut() -> T) -> (f64, f64) {
    (0..RUNS).fold((f64::MAX, f64::MAX), |best, _| {
        let (start, wall) = (cpu(), Instant::now());
        hint::black_box(work());
        (best.0.min(cpu() - start), best.1.min(wall.elapsed().as_secs_f64()))
    })
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
con = duckdb.connect(); con.execute("set threads=1")
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

fn main() {
    let one_in = env::var("PIPEWARDEN_BENCH_WANTED").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let folder = tempfile::tempdir().unwrap();
    let (files, inflated) = write(folder.path(), one_in);
    let packed: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    println!(
        "{} files, {:.0} MB, inflated {:.0} MB, one record in {one_in} wanted",
        files.len(),
        packed as f64 / 1e6,
        inflated as f64 / 1e6
    );
    let row = |what: &str, (seconds, wall): (f64, f64), floor: f64| {
        println!(
            "{what:<28} {seconds:>7.2} CPU s {:>6.2} GB/s wall, {:>6.2} × the floor",
            inflated as f64 / wall / 1e9,
            seconds / floor
        );
    };
    let floor = best(|| inflate(&files));
    row("inflating only (the floor)", floor, floor.0);

    let selection = ArchiveSelection {
        accounts: Vec::new(),
        regions: Vec::new(),
        period: Period { from: datetime!(2026-06-10 0:00 UTC), to: datetime!(2026-06-11 0:00 UTC) },
        verify: None,
    };
    let archive = ArchiveFolder::new(folder.path());
    let before = peak();
    let mut ours = floor;
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let read = || -> History { pool.install(|| read_archive(&archive, &selection)) };
        let cost = best(read);
        row(&format!("reading, {threads} thread(s)"), cost, floor.0);
        if threads == 1 {
            ours = cost;
        }
    }
    let events = read_archive(&archive, &selection).events.len();
    println!("{events} events; peak memory grew from {before:.0} to {:.0} MiB", peak());

    for way in ["paths", "automatic", "typed"] {
        let output = Command::new("python3").args(["-c", PEER]).arg(folder.path()).arg(way).output();
        match output.map(|output| String::from_utf8_lossy(&output.stdout).trim().parse::<f64>()) {
            Ok(Ok(seconds)) => {
                println!("DuckDB, {way:<20} {seconds:>7.2} CPU s, {:.1} × ours", seconds / ours.0);
            }
            _ => println!("DuckDB, {way}: not here, or it could not answer"),
        }
    }
}
