//! Which outputs go where: `--format`, `--output`, and what the environment decides.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

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
              OutputArtifacts: [{Name: Code}]
        - Name: Prod
          Actions:
            - Name: '::error::pwned'
              ActionTypeId: {Category: Deploy, Owner: AWS, Provider: CodeDeploy, Version: '1'}
              Configuration: {ApplicationName: shop, DeploymentGroupName: prod}
              InputArtifacts: [{Name: Code}]
";

fn check(args: &[&str], folder: &Path, environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .arg("check")
        .args(args)
        .current_dir(folder)
        .env_clear()
        .envs([("HOME", "/nonexistent")])
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("infra")).unwrap();
    fs::create_dir(folder.path().join(".git")).unwrap();
    fs::write(folder.path().join("infra/shop.yaml"), TEMPLATE).unwrap();
    folder
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn several_outputs_are_written_at_once_and_agree() {
    let folder = folder();
    let at = folder.path();
    let outputs = [
        "--output",
        "sarif=o.sarif",
        "--output",
        "junit=o.xml",
        "--output",
        "json=o.json",
        "--output",
        "gitlab=o.gl.json",
    ];
    let run = check(&[["infra/shop.yaml"].as_slice(), &outputs].concat(), at, &[]);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run.stderr));
    let page = text(&run.stdout);
    assert!(page.contains("BLOCKED") && page.contains("(exit code 1)") && !page.contains('\u{1b}'), "{page}");
    let read = |name: &str| serde_json::from_slice::<Value>(&fs::read(at.join(name)).unwrap()).unwrap();
    let json = read("o.json");
    let violated = json["counts"]["byCompliance"]["NonCompliant"].as_u64().unwrap();
    let gaps = json["counts"]["gaps"].as_u64().unwrap();
    assert!(violated > 0);
    let results = read("o.sarif")["runs"][0]["results"].as_array().unwrap().len() as u64;
    assert_eq!(results, violated + gaps);
    assert_eq!(read("o.gl.json").as_array().unwrap().len() as u64, violated + gaps);
    assert!(
        fs::read_to_string(at.join("o.xml")).unwrap().contains(&format!("failures=\"{violated}\" errors=\"{gaps}\""))
    );
    let left: Vec<_> = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 6, "four files, .git and infra: {left:?}");
}

#[test]
fn paths_are_those_of_the_repository_wherever_we_are() {
    let folder = folder();
    let run = check(&["--format", "sarif", "shop.yaml"], &folder.path().join("infra"), &[]);
    let log: Value = serde_json::from_slice(&run.stdout).unwrap();
    for result in log["runs"][0]["results"].as_array().unwrap() {
        let file = &result["locations"][0]["physicalLocation"]["artifactLocation"];
        assert_eq!((file["uri"].as_str(), file["uriBaseId"].as_str()), (Some("infra/shop.yaml"), Some("%SRCROOT%")));
    }
}

#[test]
fn github_gets_annotations_and_a_summary_and_obeys_no_name() {
    let folder = folder();
    let summary = folder.path().join("summary.md");
    fs::write(&summary, "before\n").unwrap();
    let github = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())];
    let page = text(&check(&["infra/shop.yaml"], folder.path(), &github).stdout);
    let word = page.strip_prefix("::stop-commands::").unwrap().lines().next().unwrap();
    let (log, annotations) = page.split_once(&format!("\n::{word}::\n")).unwrap();
    assert!(log.contains("::error::pwned") && log.contains("BLOCKED"), "{log}");
    assert!(annotations.starts_with("::error file=infra/shop.yaml,line="), "{annotations}");
    assert!(annotations.lines().all(|line| !line.starts_with("::error::")), "{annotations}");
    let written = fs::read_to_string(&summary).unwrap();
    assert!(written.starts_with("before\n## pipewarden: BLOCKED"), "{written}");
}

#[test]
fn what_was_asked_for_wins_over_the_environment() {
    let folder = folder();
    let summary = folder.path().join("summary.md");
    let github = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())];
    let run = check(&["--format", "json", "infra/shop.yaml"], folder.path(), &github);
    assert!(serde_json::from_slice::<Value>(&run.stdout).is_ok(), "{}", text(&run.stdout));
    assert!(!summary.exists());
    for system in ["CODEBUILD_BUILD_ID", "GITLAB_CI"] {
        let before = fs::read_dir(folder.path()).unwrap().count();
        let page = text(&check(&["infra/shop.yaml"], folder.path(), &[(system, "true")]).stdout);
        assert!(page.contains("BLOCKED") && !page.contains('\u{1b}') && !page.contains("::stop-commands"), "{page}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before, "nobody asked for a file");
    }
    let both = check(&["--format", "terminal,github", "infra/shop.yaml"], folder.path(), &[]);
    assert!(text(&both.stdout).contains("\n::error file="), "{}", text(&both.stdout));
}

#[test]
fn a_bad_output_is_refused_before_anything_is_judged() {
    let folder = folder();
    for (args, words) in [
        (vec!["--output", "sarif"], ["NAME=FILE", "sarif"]),
        (vec!["--output", "sarf=x"], ["`sarf`", "sarif, github"]),
        (vec!["--output", "sarif="], ["no name", "NAME=FILE"]),
        (vec!["--output", "sarif=infra"], ["infra is a folder", "name a file"]),
        (vec!["--output", "sarif=no/such/o.sarif"], ["no/such", "does not exist"]),
        (vec!["--output", "sarif=x", "--output", "json=x"], ["written twice", "json=x"]),
        (vec!["--format", "json,terminal"], ["json is a document", "--output json=FILE"]),
        (vec!["--format", "xml"], ["xml", "junit"]),
    ] {
        let run = check(&[args.as_slice(), &["infra/shop.yaml"]].concat(), folder.path(), &[]);
        assert_eq!(run.status.code(), Some(64), "{args:?}: {}", text(&run.stderr));
        let said = text(&run.stderr);
        assert!(words.iter().all(|word| said.contains(word)), "{args:?}: {said}");
        assert!(run.stdout.is_empty());
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_devices_are_not_replaced() {
    let folder = folder();
    let at = folder.path();
    fs::write(at.join("real.json"), "old").unwrap();
    std::os::unix::fs::symlink("real.json", at.join("link.json")).unwrap();
    let run = check(&["infra/shop.yaml", "--output", "json=link.json", "--output", "sarif=/dev/null"], at, &[]);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run.stderr));
    assert!(fs::symlink_metadata(at.join("link.json")).unwrap().is_symlink());
    assert!(fs::read_to_string(at.join("real.json")).unwrap().starts_with("{\n\"schemaVersion\""));
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}
