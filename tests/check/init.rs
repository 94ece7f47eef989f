//! `pipewarden init` in a fresh repository: what it writes runs, stays as it is, and what it says to do is true.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use saphyr_parser::Parser;
use serde_json::Value;

const TEMPLATE: &str = "\
Resources:
  Pipeline:
    Type: AWS::CodePipeline::Pipeline
    Properties:
      RoleArn: arn:aws:iam::111122223333:role/pipeline
      ArtifactStore: {Type: S3, Location: shop-artifacts}
      Stages:
        - Name: Source
          Actions:
            - Name: Code
              ActionTypeId: {Category: Source, Owner: AWS, Provider: CodeCommit, Version: '1'}
              Configuration: {RepositoryName: shop, BranchName: main}
        - Name: Prod
          Actions:
            - Name: Release
              ActionTypeId: {Category: Deploy, Owner: AWS, Provider: CodeDeploy, Version: '1'}
              Configuration: {ApplicationName: shop, DeploymentGroupName: prod}
";

/// Every way, with what it writes and a word of what is left to do.
const WAYS: [(&str, &str, &str); 4] = [
    ("github", ".github/workflows/pipewarden.yml", "--action OWNER/NAME@COMMIT"),
    ("gitlab", ".gitlab/pipewarden.yml", "include: [{local: .gitlab/pipewarden.yml}]"),
    ("codebuild", "buildspec.pipewarden.yml", "clone depth full"),
    ("pre-commit", ".pre-commit-config.yaml", "pre-commit install"),
];

fn pipewarden(args: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(args)
        .current_dir(folder)
        .env_clear()
        .envs([("HOME", "/nonexistent")])
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    [output.stdout.as_slice(), output.stderr.as_slice()].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pipeline.yaml"), TEMPLATE).unwrap();
    folder
}

#[test]
fn every_way_is_written_as_valid_yaml_with_what_is_left_to_do() {
    for (way, file, word) in WAYS {
        let folder = repository();
        let output = pipewarden(&["init", "--ci", way], folder.path());
        assert_eq!(output.status.code(), Some(0), "{way}: {output:?}");
        let text = fs::read_to_string(folder.path().join(file)).unwrap();
        assert!(Parser::new_from_str(&text).all(|event| event.is_ok()), "{way}: {text}");
        assert!(text.contains("pipewarden check"), "{way}: {text}");
        let said = said(&output);
        assert!(said.contains(word), "{way}: {said}");
        assert!(said.contains("wrote ./pipewarden-baseline.json"), "{way}: {said}");
    }
}

#[test]
fn what_was_wrong_when_it_was_set_up_is_known() {
    let folder = repository();
    assert_eq!(pipewarden(&["init", "--ci", "pre-commit"], folder.path()).status.code(), Some(0));
    assert_eq!(pipewarden(&["check", "."], folder.path()).status.code(), Some(1));
    let known = pipewarden(&["check", "--baseline", "pipewarden-baseline.json", "."], folder.path());
    assert_eq!(known.status.code(), Some(0), "{}", said(&known));
    let baseline: Value =
        serde_json::from_slice(&fs::read(folder.path().join("pipewarden-baseline.json")).unwrap()).unwrap();
    assert!(!baseline["findings"].as_array().unwrap().is_empty());
}

#[test]
fn nothing_that_exists_is_overwritten() {
    for (way, file, _) in WAYS {
        let folder = repository();
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "mine: true\n").unwrap();
        fs::write(folder.path().join("pipewarden-baseline.json"), "mine").unwrap();
        let output = pipewarden(&["init", "--ci", way], folder.path());
        assert_eq!(output.status.code(), Some(0), "{way}: {output:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine: true\n");
        assert_eq!(fs::read_to_string(folder.path().join("pipewarden-baseline.json")).unwrap(), "mine");
        assert!(said(&output).contains("as it is; what it needs:"), "{way}: {}", said(&output));
    }
}

#[test]
fn what_runs_the_builds_is_recognised_or_asked_for() {
    let folder = repository();
    let output = pipewarden(&["init"], folder.path());
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--ci github|gitlab|codebuild|pre-commit"), "{output:?}");
    fs::write(folder.path().join(".gitlab-ci.yml"), "stages: [test]\n").unwrap();
    let output = pipewarden(&["init", "--no-baseline"], folder.path());
    assert_eq!(output.status.code(), Some(0));
    assert!(folder.path().join(".gitlab/pipewarden.yml").exists());
    assert!(!folder.path().join("pipewarden-baseline.json").exists());
}

#[test]
fn an_action_of_the_organization_needs_nothing_on_the_runner() {
    let folder = repository();
    let action = format!("acme/pipewarden@{}", "a".repeat(40));
    let output = pipewarden(&["init", "--ci", "github", "--action", &action], folder.path());
    assert!(!said(&output).contains("Bring pipewarden to the runner"), "{}", said(&output));
    let text = fs::read_to_string(folder.path().join(".github/workflows/pipewarden.yml")).unwrap();
    assert!(text.contains(&format!("uses: {action}")), "{text}");
    let moving = pipewarden(&["init", "--ci", "github", "--action", "acme/pipewarden@v1"], folder.path());
    assert_eq!(moving.status.code(), Some(64), "a tag can be moved");
}
