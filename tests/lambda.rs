//! One function for every event: the real binary against a runtime API on loopback and the simulated organization.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// What was posted: the path, the error's type if it is one, the body.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) path: String,
    pub(crate) kind: Option<String>,
    pub(crate) body: Value,
}

/// The runtime API: hands out events one after the other, and listens to what is said of them.
pub(crate) struct Api {
    pub(crate) address: String,
    posted: Receiver<Posted>,
}

pub(crate) fn request(stream: &TcpStream) -> Option<(String, Vec<String>, Vec<u8>)> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        headers.push(line);
    }
    let length = headers.iter().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some((first, headers, body))
}

fn respond(mut stream: &TcpStream, headers: &str, body: &str) {
    let text = format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    // The function may have been ended already.
    let _ = stream.write_all(text.as_bytes());
}

impl Api {
    /// Each event comes with the time that is left for it.
    pub(crate) fn start(events: Vec<(String, Duration)>) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap().to_string();
        let (send, posted) = channel();
        thread::spawn(move || {
            let mut events = events.into_iter().enumerate();
            for stream in server.incoming().map_while(Result::ok) {
                let Some((first, headers, body)) = request(&stream) else { continue };
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                if path.ends_with("/invocation/next") {
                    // Without another event the function waits for as long as it lives.
                    let Some((number, (event, left))) = events.next() else {
                        std::mem::forget(stream);
                        continue;
                    };
                    let deadline = (SystemTime::now() + left).duration_since(UNIX_EPOCH).unwrap().as_millis();
                    let headers = format!(
                        "lambda-runtime-aws-request-id: r-{number}\r\nlambda-runtime-deadline-ms: {deadline}\r\nlambda-runtime-trace-id: Root=1-2-3\r\n"
                    );
                    respond(&stream, &headers, &event);
                } else {
                    respond(&stream, "", "{}");
                    let header = "lambda-runtime-function-error-type:";
                    let kind =
                        headers.iter().find_map(|line| line.strip_prefix(header)).map(|kind| kind.trim().to_owned());
                    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                    if send.send(Posted { path, kind, body }).is_err() {
                        return;
                    }
                }
            }
        });
        Self { address, posted }
    }

    pub(crate) fn next(&self) -> Posted {
        self.posted.recv_timeout(Duration::from_mins(4)).expect("the function says something of every event")
    }
}

/// Ends its process.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipewarden"));
    for name in [
        "AWS_LAMBDA_RUNTIME_API",
        "PIPEWARDEN_CONFIG",
        "PIPEWARDEN_OUT",
        "PIPEWARDEN_POLICIES",
        "PIPEWARDEN_SECRETS",
        "AWS_PROFILE",
    ] {
        command.env_remove(name);
    }
    command.env("AWS_ACCESS_KEY_ID", "AKIATEST").env("AWS_SECRET_ACCESS_KEY", "test").env("AWS_REGION", "eu-central-1");
    command
}

fn function(api: &Api, folder: &Path, arguments: &[&str]) -> Running {
    let mut command = binary();
    command.arg("lambda").args(arguments).current_dir(folder).env("AWS_LAMBDA_RUNTIME_API", &api.address);
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    command.env("TMPDIR", folder).env("PIPEWARDEN_LOG_FORMAT", "json");
    Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap())
}

/// The simulated organization as a process of its own; its address.
pub(crate) fn simulation(accounts: &str) -> (Running, String) {
    let mut command = binary();
    command.args([
        "simulate",
        "--listen",
        "127.0.0.1:0",
        "--accounts",
        accounts,
        "--pipelines",
        "1",
        "--no-denials",
        "--no-limits",
    ]);
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = lines.find_map(|line| line.ok()?.strip_prefix("listening on ").map(str::to_owned)).unwrap();
    thread::spawn(move || lines.for_each(drop));
    (Running(child), address)
}

pub(crate) fn plenty(events: &[Value]) -> Vec<(String, Duration)> {
    events.iter().map(|event| (event.to_string(), Duration::from_mins(15))).collect()
}

pub(crate) fn call(source: &str, name: &str, account: &str, region: &str, parameters: Value) -> Value {
    json!({
        "version": "0", "detail-type": "AWS API Call via CloudTrail", "source": format!("aws.{source}"), "account": account,
        "region": region,
        "detail": {
            "eventSource": format!("{source}.amazonaws.com"), "eventName": name, "awsRegion": region,
            "recipientAccountId": account, "requestParameters": parameters,
        },
    })
}

#[test]
fn what_cannot_be_answered_is_an_error_of_its_kind_and_the_next_event_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let mut failed = call("s3", "PutBucketPolicy", "111122223333", "eu-west-1", json!({"bucketName": "b"}));
    failed["detail"]["errorCode"] = json!("AccessDenied");
    let hook = json!({
        "clientRequestToken": "t", "awsAccountId": "111122223333", "actionInvocationPoint": "DELETE_PRE_PROVISION",
        "requestData": {"targetName": "STACK"},
    });
    let mut events = plenty(&[
        json!({"something": "else"}),
        call("ec2", "RunInstances", "111122223333", "eu-west-1", json!({})),
        call("s3", "PutBucketPolicy", "111122223333", "eu-west-1", json!({"bucket": "b"})),
        failed,
        hook.clone(),
        json!({"stage": "no-such-stage"}),
        // Nobody answers at that address, so the audit ends without a verdict.
        json!({"audit": {}}),
        hook,
    ]);
    events.insert(0, ("{not json".to_owned(), Duration::from_mins(15)));
    let api = Api::start(events);
    let _function = function(&api, folder.path(), &["--endpoint-url", "http://127.0.0.1:9"]);
    for number in 0..4 {
        let posted = api.next();
        assert_eq!(posted.path, format!("/2018-06-01/runtime/invocation/r-{number}/error"));
        assert_eq!(posted.kind.as_deref(), Some("pipewarden.unknownevent"), "{posted:?}");
        assert_eq!(posted.body["errorType"], "Pipewarden.UnknownEvent");
        assert!(!posted.body["errorMessage"].as_str().unwrap().is_empty());
    }
    let ignored = api.next();
    assert!(
        ignored.path.ends_with("/r-4/response") && ignored.body["ignored"].as_str().unwrap().contains("AccessDenied")
    );
    let hook = api.next();
    assert!(hook.path.ends_with("/r-5/response"), "{hook:?}");
    assert_eq!((&hook.body["hookStatus"], &hook.body["clientRequestToken"]), (&json!("SUCCESS"), &json!("t")));
    let stage = api.next();
    assert!(stage.path.ends_with("/r-6/error"), "{stage:?}");
    let audit = api.next();
    assert!(audit.path.ends_with("/r-7/error"), "{audit:?}");
    assert_eq!(audit.body["errorType"], "Pipewarden.Failed");
    assert!(api.next().path.ends_with("/r-8/response"));
    let left: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, ["log"], "nothing of an event may be left behind");
}

#[test]
fn what_keeps_every_event_from_being_answered_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let api = Api::start(Vec::new());
    let mut function = function(&api, folder.path(), &["--config", "not-there.toml"]);
    let posted = api.next();
    assert_eq!(posted.path, "/2018-06-01/runtime/init/error");
    assert_eq!(posted.kind.as_deref(), Some("pipewarden.usage"));
    assert!(posted.body["errorMessage"].as_str().unwrap().contains("not-there.toml"), "{posted:?}");
    assert_eq!(function.0.wait().unwrap().code(), Some(64));
}

#[test]
fn an_audit_that_does_not_end_in_time_is_an_error_before_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    // It takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let api = Api::start(vec![(json!({"audit": {}}).to_string(), Duration::from_secs(3))]);
    let mut function = function(&api, folder.path(), &["--endpoint-url", &address]);
    let posted = api.next();
    assert!(posted.path.ends_with("/r-0/error"), "{posted:?}");
    assert_eq!(posted.body["errorType"], "Pipewarden.Deadline");
    assert_eq!(function.0.wait().unwrap().code(), Some(3));
}

#[test]
fn the_whole_audit_and_then_the_recheck_of_a_changed_resource() {
    let folder = tempfile::tempdir().unwrap();
    let (_simulation, address) = simulation("4");
    let api = Api::start(plenty(&[json!({"audit": {}})]));
    let out = folder.path().join("out");
    let arguments = ["--endpoint-url", &address, "--out", out.to_str().unwrap(), "--format", "json"];
    let first = function(&api, folder.path(), &arguments);
    let night = api.next();
    assert!(night.path.ends_with("/r-0/response"), "{night:?}");
    assert_eq!((&night.body["verdict"], &night.body["exitCode"]), (&json!("NonCompliant"), &json!(1)));
    let full = Path::new(night.body["report"].as_str().unwrap()).to_owned();
    assert!(full.join("manifest.json").is_file() && full.ends_with(night.body["runId"].as_str().unwrap()));
    drop(first);
    let findings: Value = serde_json::from_slice(&std::fs::read(full.join("findings.json")).unwrap()).unwrap();
    let one = findings["findings"].as_array().unwrap().iter().find(|finding| {
        finding["resource"]["typeName"] == "AWS::CodePipeline::Pipeline" && finding["compliance"] == "NonCompliant"
    });
    let resource = &one.expect("a pipeline that violates something")["resource"];
    let uid = resource["uid"].as_str().unwrap();
    let (account, region) = (resource["account"].as_str().unwrap(), resource["region"].as_str().unwrap());
    let name = uid.rsplit(':').next().unwrap();
    let api = Api::start(plenty(&[
        call("codepipeline", "UpdatePipeline", account, region, json!({"pipeline": {"name": name}})),
        call("s3", "PutBucketPolicy", account, region, json!({"bucketName": "not-of-the-delivery-path"})),
        call("codepipeline", "UpdatePipeline", "999999999999", region, json!({"pipeline": {"name": name}})),
    ]));
    let _second = function(&api, folder.path(), &arguments);
    let changed = api.next();
    assert!(changed.path.ends_with("/r-0/response"), "{changed:?}");
    assert_eq!(changed.body["resources"], json!([uid]));
    assert_eq!(changed.body["verdict"], "NonCompliant");
    let report = Path::new(changed.body["report"].as_str().unwrap()).to_owned();
    assert!(report.starts_with(out.join("rechecks/runs")), "{}", report.display());
    let rechecked: Value = serde_json::from_slice(&std::fs::read(report.join("findings.json")).unwrap()).unwrap();
    assert_eq!(rechecked["overTime"]["recheck"]["resources"], json!([uid]));
    let of_it = |document: &Value| {
        let all = document["findings"].as_array().unwrap().clone();
        let mine = all.into_iter().filter(|finding| finding["resource"]["uid"] == uid);
        mine.map(|finding| (finding["control"].to_string(), finding["compliance"].to_string())).collect::<Vec<_>>()
    };
    assert_eq!(of_it(&rechecked), of_it(&findings));
    let stranger = api.next();
    assert_eq!(stranger.body["ignored"], "nothing of the delivery path", "{stranger:?}");
    let outside = api.next();
    assert_eq!(outside.body["errorType"], "Pipewarden.Usage", "{outside:?}");
    let runs = |folder: &Path| std::fs::read_dir(folder).unwrap().flatten().filter(|e| e.path().is_dir()).count();
    assert_eq!((runs(&out.join("runs")), runs(&out.join("rechecks/runs"))), (1, 1));
}

#[test]
fn the_pattern_and_the_command_line_say_what_is_known() {
    let output = binary().args(["lambda", "--event-pattern"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let patterns: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(!patterns.is_empty());
    for pattern in &patterns {
        assert_eq!(pattern["source"], json!([{"prefix": "aws."}]));
        assert_eq!(pattern["detail-type"], json!(["AWS API Call via CloudTrail"]));
    }
    let mut calls = patterns.iter().flat_map(|pattern| pattern["detail"]["$or"].as_array().unwrap());
    let s3 = calls.find(|calls| calls["eventSource"] == json!(["s3.amazonaws.com"])).unwrap();
    assert!(s3["eventName"].as_array().unwrap().contains(&json!("PutBucketPolicy")));
    let mut child =
        binary().arg("lambda").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Pipewarden.UnknownEvent"));
    let output = binary().args(["audit", "--resource", "not-an-arn"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is no ARN"));
}
