//! What a person reads on the terminal: addresses that can be copied, names in place of tokens, and what was cut.

use std::fs;
use std::process::{Command, Output};

fn check(template: &str, file: &str, args: &[&str]) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, template).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(["check", file])
        .args(args)
        .current_dir(folder.path())
        .env_clear()
        .envs([("HOME", "/nonexistent")])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    (output, said)
}

fn pipeline(head: &str, role: &str, bucket: &str, stages: &str) -> String {
    format!(
        "{head}Resources:
  Pipeline:
    Type: AWS::CodePipeline::Pipeline
    Properties:
      RoleArn: {role}
      ArtifactStore: {{Type: S3, Location: {bucket}}}
      Stages:
        - Name: Source
          Actions:
            - Name: Code
              ActionTypeId: {{Category: Source, Owner: AWS, Provider: CodeCommit, Version: '1'}}
              Configuration: {{RepositoryName: shop, BranchName: main}}
{stages}        - Name: Prod
          Actions:
            - Name: Release
              ActionTypeId: {{Category: Deploy, Owner: AWS, Provider: CodeDeploy, Version: '1'}}
              Configuration: {{ApplicationName: shop, DeploymentGroupName: prod}}
"
    )
}

const ROLE: &str = "arn:aws:iam::111122223333:role/pipeline";

#[test]
fn a_dynamic_reference_with_an_open_part_is_named_and_can_be_given() {
    let head = "Parameters: {Team: {Type: String}}\n";
    let template = pipeline(head, "!Sub '{{resolve:ssm:/shop/${Team}/role}}'", "shop-artifacts", "");
    for format in ["terminal", "json", "sarif", "junit", "gitlab", "github", "markdown"] {
        let (_, said) = check(&template, "p.yaml", &["--format", format]);
        assert!(!said.contains(['\u{fdd0}', '\u{fdd1}']), "{format}: {said}");
    }
    let (_, said) = check(&template, "p.yaml", &[]);
    let name = "{{resolve:ssm:/shop/${Team}/role}}";
    assert!(said.contains(name), "{said}");
    let (_, said) = check(&template, "p.yaml", &["--parameter", &format!("{name}={ROLE}")]);
    assert!(!said.contains(name), "{said}");
}

/// What macros and functions are applied to may be keys and scripts; reports go further than templates do.
#[test]
fn no_report_holds_what_an_open_call_is_applied_to() {
    let call = "{'Fn::Transform': {Name: Finder, Parameters: {ApiKey: !Ref Key}}}";
    let role = "{'Fn::Base64': !Sub 'echo ${Key} ${Host}'}";
    // The lines of a finding are shown as they are; the value is none of them.
    let head = "Parameters: {Host: {Type: String}, Key: {Type: String, Default: s3cr3t}}\n";
    let template = pipeline(head, role, call, "");
    for format in ["terminal", "json", "sarif", "junit", "gitlab", "github", "markdown"] {
        let (_, said) = check(&template, "p.yaml", &["--format", format]);
        assert!(!said.contains("s3cr3t"), "{format}: {said}");
    }
    let (_, said) = check(&template, "p.yaml", &[]);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("Fn::Transform Finder"), "{said}");
}

#[test]
fn a_thing_whose_name_is_open_asks_for_the_name_first() {
    let head = "Parameters: {Bucket: {Type: String}}\n";
    let template = pipeline(head, ROLE, "!Ref Bucket", "");
    let (_, open) = check(&template, "p.yaml", &[]);
    let open = open.replace("\n  ", " ");
    assert!(open.contains("bucket ${Bucket} is not defined in what was checked; its name is open"), "{open}");
    let (_, given) = check(&template, "p.yaml", &["--parameter", "Bucket=shop-artifacts"]);
    assert!(!given.contains("its name is open"), "{given}");
}

#[test]
fn a_name_with_an_unknown_place_asks_for_the_place_first() {
    let template = pipeline("", ROLE, "!Sub 'shop-${AWS::Region}-${AWS::AccountId}'", "");
    let (_, open) = check(&template, "p.yaml", &[]);
    let open = open.replace("\n  ", " ");
    assert!(open.contains("bucket shop-${AWS::Region}-${AWS::AccountId} is not defined in what was checked"), "{open}");
    assert!(open.contains("say with --region and --account"), "{open}");
    assert!(!open.contains("bucket shop-global"), "{open}");
    let place = ["--region", "eu-west-1", "--account", "111122223333"];
    let (_, given) = check(&template, "p.yaml", &place);
    let given = given.replace("\n  ", " ");
    assert!(given.contains("bucket shop-eu-west-1-111122223333 is not defined in what was checked"), "{given}");
}

#[test]
fn an_address_is_never_broken() {
    let file = format!("{}/pipeline.template.yaml", ["a-folder-with-a-rather-long-name"; 3].join("/"));
    let (_, said) = check(&pipeline("", ROLE, "shop-artifacts", ""), &file, &[]);
    assert!(said.lines().any(|line| line == format!("{file}:15:15")), "{said}");
    assert!(said.lines().any(|line| line == "  Pipeline (AWS::CodePipeline::Pipeline)"), "{said}");
}

#[test]
fn choices_that_were_not_all_tried_are_said() {
    let (mut parameters, mut conditions, mut stages) = (String::new(), String::new(), String::new());
    for n in 0..200 {
        parameters.push_str(&format!("  P{n}: {{Type: String, Default: a, AllowedValues: [a, b]}}\n"));
        conditions.push_str(&format!("  C{n}: !Equals [!Ref P{n}, b]\n"));
        stages.push_str(&format!(
            "        - !If [C{n}, {{Name: S{n}, Actions: [{{Name: A, ActionTypeId: {{Category: Approval, Owner: AWS, \
             Provider: Manual, Version: '1'}}}}]}}, !Ref AWS::NoValue]\n"
        ));
    }
    let head = format!("Parameters:\n{parameters}Conditions:\n{conditions}");
    let (_, said) = check(&pipeline(&head, ROLE, "shop-artifacts", &stages), "p.yaml", &[]);
    assert!(said.contains("note: p.yaml:1:1: 200 open parameters or conditions decide something here"), "{said}");
}

#[test]
fn a_nested_stack_does_not_pass_in_silence() {
    let template =
        "Resources:\n  Pipe:\n    Type: AWS::CloudFormation::Stack\n    Properties: {TemplateURL: ./pipe.yaml}\n";
    let (_, said) = check(template, "p.yaml", &[]);
    let said = said.replace("\n  ", " ");
    assert!(said.contains("note: p.yaml:2:3: the template of nested stack Pipe (./pipe.yaml) was not"), "{said}");
}

#[test]
fn a_summary_counts_only_what_there_is() {
    let (_, said) = check(&pipeline("", ROLE, "shop-artifacts", ""), "p.yaml", &[]);
    let summary = said.split_once("Summary").unwrap().1;
    for nothing in ["0 known before", "0 excepted", "0 unreadable", "0 files"] {
        assert!(!summary.contains(nothing), "{summary}");
    }
}
