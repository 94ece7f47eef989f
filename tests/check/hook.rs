//! The gate inside CloudFormation: an invocation in, pass or fail out, by stdin and over Lambda's runtime API.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::{Value, json};

const UNGATED: &str = "
Resources:
  Web:
    Type: AWS::CodePipeline::Pipeline
    Properties:
      RoleArn: arn:aws:iam::111122223333:role/pipeline
      ArtifactStore: {Type: S3, Location: artifacts}
      Stages:
        - Name: Source
          Actions:
            - Name: Code
              ActionTypeId: {Category: Source, Owner: AWS, Provider: CodeStarSourceConnection, Version: '1'}
              Configuration: {FullRepositoryId: acme/web, BranchName: main}
              OutputArtifacts: [{Name: Code}]
        - Name: Production
          Actions:
            - Name: Deploy
              ActionTypeId: {Category: Deploy, Owner: AWS, Provider: ECS, Version: '1'}
              Configuration: {ClusterName: web, ServiceName: web}
              InputArtifacts: [{Name: Code}]
";

fn event(data: &Value) -> Value {
    json!({
        "clientRequestToken": "token-1", "awsAccountId": "111122223333", "hookTypeName": "Pipewarden::Delivery::Gate",
        "stackId": "arn:aws:cloudformation:eu-west-1:111122223333:stack/web/1",
        "actionInvocationPoint": "CREATE_PRE_PROVISION", "requestData": data,
    })
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipewarden"));
    command.arg("hook").env_remove("AWS_LAMBDA_RUNTIME_API").env_remove("PIPEWARDEN_CONFIG");
    command
}

fn asked(event: &str) -> (Option<i32>, Value) {
    let mut child = command().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(event.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

/// Reads one request; its first line and its body.
fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first, String::from_utf8(body).ok()?))
}

fn respond(stream: &mut TcpStream, headers: &str, body: &str) {
    let text = format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_stack_with_an_ungated_production_deploy_fails_over_the_runtime_api() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let payload = json!({"template": UNGATED}).to_string();
    let event = event(&json!({
        "targetName": "STACK", "targetType": "STACK", "payload": format!("http://127.0.0.1:{}/template", address.port()),
    }))
    .to_string();
    let mut child = command()
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let answering = thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let Some((first, body)) = request(&mut stream) else { continue };
            if first.starts_with("GET /2018-06-01/runtime/invocation/next") {
                respond(&mut stream, "lambda-runtime-aws-request-id: r-1\r\n", &event);
            } else if first.starts_with("GET /template") {
                respond(&mut stream, "", &payload);
            } else {
                respond(&mut stream, "", "{}");
                return (first, body);
            }
        }
        unreachable!()
    });
    let (first, body) = answering.join().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(first.starts_with("POST /2018-06-01/runtime/invocation/r-1/response"), "{first}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["hookStatus"], "FAILED");
    assert_eq!(answer["errorCode"], "NonCompliant");
    assert_eq!(answer["clientRequestToken"], "token-1");
    let annotations = answer["annotations"].as_array().unwrap();
    let approval = annotations.iter().find(|one| one["annotationName"] == "codepipeline-production-approval-required");
    assert_eq!(approval.unwrap()["status"], "FAILED");
    assert!(approval.unwrap()["remediationMessage"].as_str().unwrap().contains("Production/Deploy"), "{approval:?}");
}

#[test]
fn one_resource_is_judged_from_stdin_and_known_violations_pass() {
    let properties = json!({"Stages": [{"Name": "Production", "Actions": [{
        "Name": "Deploy", "ActionTypeId": {"Category": "Deploy", "Owner": "AWS", "Provider": "ECS", "Version": "1"},
    }]}]});
    let data = |previous: Option<&Value>| {
        let mut model = json!({"resourceProperties": properties});
        if let Some(previous) = previous {
            model["previousResourceProperties"] = previous.clone();
        }
        json!({
            "targetName": "AWS::CodePipeline::Pipeline", "targetType": "AWS::CodePipeline::Pipeline",
            "targetLogicalId": "Web", "targetModel": model,
        })
    };
    let (code, answer) = asked(&event(&data(None)).to_string());
    assert_eq!((code, answer["hookStatus"].as_str()), (Some(1), Some("FAILED")), "{answer}");
    let (code, answer) = asked(&event(&data(Some(&properties))).to_string());
    assert_eq!((code, answer["hookStatus"].as_str()), (Some(0), Some("SUCCESS")), "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("were there before"), "{answer}");
}

#[test]
fn what_cannot_be_looked_at_never_passes() {
    for broken in ["", "{", "{}", &event(&json!({"targetName": "STACK"})).to_string()] {
        let (code, answer) = asked(broken);
        assert_eq!(code, Some(3), "{broken}");
        assert_eq!(answer["errorCode"], "InternalFailure", "{broken}");
    }
    let unreachable = event(&json!({"targetName": "STACK", "payload": "http://127.0.0.1:1/x?secret=signature"}));
    let (code, answer) = asked(&unreachable.to_string());
    assert_eq!(code, Some(3));
    assert!(!answer.to_string().contains("signature"), "{answer}");
}
