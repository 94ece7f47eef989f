//! What a change is compared with: commits, files, baselines.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const HEAD: &str = "Resources:
  Web:
    Type: AWS::CodePipeline::Pipeline
    Properties:
      Name: web
      PipelineType: V2
      Stages:
      - Name: Source
        Actions:
        - Name: Checkout
          ActionTypeId: {Category: Source, Owner: AWS, Provider: CodeStarSourceConnection, Version: '1'}
      - Name: Build
        Actions:
        - Name: Compile
          ActionTypeId: {Category: Build, Owner: AWS, Provider: CodeBuild, Version: '1'}
";
const GATE: &str = "      - Name: Gate
        Actions:
        - Name: Approve
          ActionTypeId: {Category: Approval, Owner: AWS, Provider: Manual, Version: '1'}
";
const PROD: &str = "      - Name: Prod
        Actions:
        - Name: Cluster
          ActionTypeId: {Category: Deploy, Owner: AWS, Provider: CodeDeploy, Version: '1'}
";
const MORE: &str = "        - Name: Site
          ActionTypeId: {Category: Deploy, Owner: AWS, Provider: S3, Version: '1'}
";
const APPROVAL: &str = "codepipeline-production-approval-required";

struct Repository(tempfile::TempDir);

impl Repository {
    fn new() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        repository.git(&["init", "-q", "-b", "main"]);
        repository
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn git(&self, arguments: &[&str]) {
        let output = Command::new("git")
            .args(["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .current_dir(self.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", "/nonexistent")
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn commit(&self, file: &str, text: &str) {
        self.write(file, text);
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "x"]);
    }

    fn check(&self, arguments: &[&str]) -> Output {
        check(self.path(), arguments)
    }
}

fn check(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(["check", "--format", "json"])
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs([("AWS_EC2_METADATA_DISABLED", "true"), ("HOME", "/nonexistent")])
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .unwrap()
}

fn report(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What the change did to the finding about approvals.
fn approval(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    let about = findings.filter(|one| one["finding"]["control"] == APPROVAL);
    about
        .map(|one| format!("{} {}", one["finding"]["compliance"].as_str().unwrap(), one["change"].as_str().unwrap()))
        .collect()
}

fn removed(report: &Value) -> Vec<&str> {
    report["removed"].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect()
}

#[test]
fn a_change_that_removes_the_approval_is_blocked_and_says_so() {
    let repository = Repository::new();
    repository.commit("infra/p.yaml", &[HEAD, GATE, PROD].concat());
    repository.git(&["checkout", "-q", "-b", "change"]);
    repository.commit("infra/p.yaml", &[HEAD, PROD].concat());
    for arguments in [vec!["infra", "--base", "main"], vec!["infra/p.yaml", "--base", "main"], vec!["--base", "main"]] {
        let output = repository.check(&arguments);
        let report = report(&output);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert_eq!(approval(&report), ["NonCompliant new"]);
        assert_eq!(removed(&report), ["approval Gate/Approve of pipeline web"]);
    }
    let absolute = repository.path().join("infra");
    let output = check(Path::new("/"), &[absolute.to_str().unwrap(), "--base", "main"]);
    assert_eq!(removed(&report(&output)), ["approval Gate/Approve of pipeline web"], "{}", stderr(&output));
    let inside = check(&absolute, &["p.yaml", "--base", "main"]);
    assert_eq!(removed(&report(&inside)), ["approval Gate/Approve of pipeline web"], "{}", stderr(&inside));
}

#[test]
fn a_change_beside_the_point_passes_with_what_is_known() {
    let repository = Repository::new();
    repository.commit("p.yaml", &[HEAD, PROD].concat());
    repository.git(&["checkout", "-q", "-b", "change"]);
    repository.commit("p.yaml", &["# a note\n", HEAD, PROD].concat());
    let output = repository.check(&["p.yaml", "--base", "main"]);
    assert_eq!(approval(&report(&output)), ["NonCompliant known"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(repository.check(&["p.yaml"]).status.code(), Some(1));
}

#[test]
fn what_the_base_did_meanwhile_is_not_the_changes_doing() {
    let repository = Repository::new();
    repository.commit("p.yaml", &[HEAD, PROD].concat());
    repository.git(&["checkout", "-q", "-b", "change"]);
    repository.commit("other.txt", "x");
    repository.git(&["checkout", "-q", "main"]);
    repository.commit("p.yaml", &[HEAD, GATE, PROD].concat());
    repository.git(&["checkout", "-q", "change"]);
    let output = repository.check(&["p.yaml", "--base", "main"]);
    assert_eq!((approval(&report(&output)), output.status.code()), (vec!["NonCompliant known".to_owned()], Some(0)));
}

#[test]
fn one_more_ungated_action_and_a_copy_are_blocked_and_a_renamed_file_is_not() {
    let repository = Repository::new();
    repository.commit("p.yaml", &[HEAD, PROD].concat());
    repository.git(&["checkout", "-q", "-b", "worse"]);
    repository.commit("p.yaml", &[HEAD, PROD, MORE].concat());
    let output = repository.check(&["--base", "main"]);
    assert_eq!((approval(&report(&output)), output.status.code()), (vec!["NonCompliant worsened".to_owned()], Some(1)));
    repository.git(&["checkout", "-q", "-b", "renamed", "main"]);
    repository.git(&["mv", "p.yaml", "q.yaml"]);
    repository.git(&["commit", "-q", "-m", "x"]);
    for path in [".", "q.yaml"] {
        let output = repository.check(&[path, "--base", "main"]);
        assert_eq!(approval(&report(&output)), ["NonCompliant known"], "{path}");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    repository.commit("p.yaml", &[HEAD, PROD].concat());
    let output = repository.check(&["--base", "main"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(approval(&report(&output)).contains(&"NonCompliant new".to_owned()));
}

#[test]
fn a_base_that_cannot_be_read_makes_everything_new() {
    let repository = Repository::new();
    repository.commit("p.yaml", "Resources: [\n  Type: AWS::CodePipeline::Pipeline\n");
    repository.git(&["checkout", "-q", "-b", "change"]);
    repository.commit("p.yaml", &[HEAD, PROD].concat());
    let output = repository.check(&["--base", "main"]);
    let report = report(&output);
    assert_eq!((approval(&report), output.status.code()), (vec!["NonCompliant new".to_owned()], Some(1)));
    assert!(report["notices"].to_string().contains("counts as new"), "{report}");
}

#[test]
fn a_base_that_is_not_there_says_how_to_get_it() {
    let repository = Repository::new();
    repository.commit("main.yaml", &[HEAD, PROD].concat());
    let refused = |arguments: &[&str], words: &[&str]| {
        let output = repository.check(arguments);
        assert_eq!(output.status.code(), Some(64), "{}", stderr(&output));
        for word in words {
            assert!(stderr(&output).contains(word), "{word}: {}", stderr(&output));
        }
    };
    refused(&["--base", "nowhere"], &["nowhere", "fetch-depth: 0"]);
    refused(&["--base=--output=x"], &["not the name of a commit"]);
    refused(&["--base", "plan"], &["terraform show -json"]);
    repository.write("main", "x");
    refused(&["--base", "main"], &["./main", "refs/heads/main"]);
    refused(&["--baseline", "none.json"], &["none.json", "--write-baseline"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let output = check(elsewhere.path(), &["--base", "main"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains("git repository"), "{}", stderr(&output));
}

#[test]
fn a_file_or_folder_is_matched_by_name() {
    let repository = Repository::new();
    repository.write("now/p.yaml", &[HEAD, PROD].concat());
    repository.write("then/live.yaml", &[HEAD, GATE, PROD].concat().replace("  Web:", "  Pipeline:"));
    for base in ["then/live.yaml", "then"] {
        for path in ["now/p.yaml", "now"] {
            let report = report(&repository.check(&[path, "--base", base]));
            assert_eq!(removed(&report), ["approval Gate/Approve of pipeline web"], "{path} {base}");
            assert_eq!(approval(&report), ["NonCompliant new"]);
        }
    }
}

#[test]
fn a_baseline_goes_around_and_is_taken_from_the_base() {
    let repository = Repository::new();
    repository.write("p.yaml", &[HEAD, PROD].concat());
    let written = repository.check(&["p.yaml", "--write-baseline", "accepted.json"]);
    assert_eq!(written.status.code(), Some(0), "{}", stderr(&written));
    let first = fs::read(repository.path().join("accepted.json")).unwrap();
    repository.check(&["p.yaml", "--write-baseline", "accepted.json"]);
    assert_eq!(first, fs::read(repository.path().join("accepted.json")).unwrap());
    let known = repository.check(&["p.yaml", "--baseline", "accepted.json"]);
    assert_eq!((approval(&report(&known)), known.status.code()), (vec!["NonCompliant known".to_owned()], Some(0)));
    repository.git(&["add", "-A"]);
    repository.git(&["commit", "-q", "-m", "x"]);
    repository.git(&["checkout", "-q", "-b", "change"]);
    // The change brings a second pipeline and accepts it itself.
    repository
        .write("q.yaml", &[HEAD, PROD].concat().replace("  Web:", "  Other:").replace("Name: web", "Name: other"));
    repository.check(&[".", "--write-baseline", "accepted.json"]);
    let alone = repository.check(&[".", "--baseline", "accepted.json"]);
    assert_eq!(alone.status.code(), Some(0), "{}", stderr(&alone));
    let with_base = repository.check(&[".", "--baseline", "accepted.json", "--base", "main"]);
    assert_eq!(with_base.status.code(), Some(1), "{}", stderr(&with_base));
    repository.write("p.yaml", &[HEAD, GATE, PROD].concat());
    let mended = repository.check(&["p.yaml", "--baseline", "accepted.json"]);
    assert!(report(&mended)["notices"].to_string().contains("of the baseline"), "{}", report(&mended)["notices"]);
}

#[test]
fn nothing_is_accepted_while_something_cannot_be_read() {
    let repository = Repository::new();
    repository.write("p.yaml", "Resources: [\n  Type: AWS::CodePipeline::Pipeline\n");
    let output = repository.check(&["p.yaml", "--write-baseline", "accepted.json"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("p.yaml"), "{}", stderr(&output));
    assert!(!repository.path().join("accepted.json").exists());
}
