//! Values of parameters, from the command line and from files.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const TEMPLATE: &str = "
Parameters:
  Gate: {Type: String, Default: 'No', AllowedValues: ['Yes', 'No']}
  Token: {Type: String, NoEcho: true}
Conditions:
  IsOn: !Equals [!Ref Gate, 'Yes']
  HasToken: !Not [!Equals [!Ref Token, '']]
Resources:
  Role: {Type: 'AWS::IAM::Role', Properties: {AssumeRolePolicyDocument: {}}}
  Store: {Type: 'AWS::S3::Bucket'}
  Pipeline:
    Type: AWS::CodePipeline::Pipeline
    Properties:
      RoleArn: !GetAtt Role.Arn
      ArtifactStore: {Type: S3, Location: !Ref Store}
      Stages:
        - Name: Source
          Actions:
            - Name: Source
              ActionTypeId: {Category: Source, Owner: ThirdParty, Provider: GitHub, Version: '1'}
              Configuration: {Owner: o, Repo: r, Branch: main, OAuthToken: !If [HasToken, !Ref Token, none]}
        - !If
          - IsOn
          - Name: Gate
            Actions: [{Name: Approve, ActionTypeId: {Category: Approval, Owner: AWS, Provider: Manual, Version: '1'}}]
          - !Ref AWS::NoValue
        - Name: Prod
          Actions: [{Name: Deploy, ActionTypeId: {Category: Deploy, Owner: AWS, Provider: ECS, Version: '1'}}]
";

fn checked(folder: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(["check", "t.yaml", "--format", "json"])
        .args(more)
        .current_dir(folder)
        .env_clear()
        .env("HOME", "/nonexistent")
        .output()
        .unwrap()
}

fn approval(output: &Output) -> String {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let wanted = |found: &&Value| found["finding"]["control"] == "codepipeline-production-approval-required";
    findings.iter().find(wanted).unwrap()["finding"]["compliance"].as_str().unwrap().to_owned()
}

#[test]
fn given_values_decide_and_the_command_line_goes_before_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("t.yaml", TEMPLATE);
    write("configuration.json", r#"{"Parameters": {"Gate": "Yes", "OfAnotherTemplate": "x"}}"#);
    write("list.json", r#"[{"ParameterKey": "Gate", "ParameterValue": "No"}]"#);
    let verdict = |more: &[&str]| approval(&checked(folder.path(), more));
    assert_eq!(verdict(&[]), "InsufficientData");
    assert_eq!(verdict(&["--parameters", "configuration.json"]), "Compliant");
    assert_eq!(verdict(&["--parameters", "configuration.json", "--parameters", "list.json"]), "NonCompliant");
    assert_eq!(verdict(&["--parameters", "list.json", "--parameter", "Gate=Yes"]), "Compliant");
    let output = checked(folder.path(), &["--parameters", "configuration.json"]);
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_misspelled_name_and_a_value_that_is_not_allowed_are_said() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.yaml"), TEMPLATE).unwrap();
    let output = checked(folder.path(), &["--parameter", "Gtae=Yes", "--parameter", "Gate=Maybe"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said.matches("Gtae").count(), 1, "{said}");
    assert!(!said.contains("Gate"), "{said}");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(printed.contains("`Maybe` is not an allowed value of `Gate`"), "{printed}");
}

#[test]
fn a_file_that_is_none_is_wrong_usage_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.yaml"), TEMPLATE).unwrap();
    fs::write(folder.path().join("bad.yaml"), "Gate:\n  x: y\n").unwrap();
    for (file, words) in [("bad.yaml", ["bad.yaml:2:3", "`Gate`"]), ("none.json", ["none.json", "cannot be read"])] {
        let output = checked(folder.path(), &["--parameters", file]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
}

#[test]
fn a_hidden_value_is_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    let hidden = "correct-horse-battery";
    fs::write(folder.path().join("t.yaml"), TEMPLATE.replace("NoEcho: true", "NoEcho: true, AllowedValues: [x]"))
        .unwrap();
    let output = checked(folder.path(), &["--parameter", &format!("Token={hidden}")]);
    for stream in [&output.stdout, &output.stderr] {
        assert!(!String::from_utf8_lossy(stream).contains(hidden));
    }
    assert!(String::from_utf8_lossy(&output.stdout).contains("not an allowed value of `Token`"));
}
