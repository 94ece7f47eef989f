//! What the last audit saw answers for what a template only names.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn pipewarden(args: &[&str], folder: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipewarden"));
    let output = command.args(args).current_dir(folder).env_clear().env("HOME", "/nonexistent").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn template(bucket: &str) -> String {
    format!(
        "Resources:
  Web:
    Type: AWS::CodePipeline::Pipeline
    Properties:
      Name: web-of-nobody-else
      RoleArn: arn:aws:iam::111122223333:role/pipeline
      ArtifactStore: {{Type: S3, Location: {bucket}}}
      Stages:
        - Name: Source
          Actions:
            - Name: Code
              ActionTypeId: {{Category: Source, Owner: AWS, Provider: CodeStarSourceConnection, Version: '1'}}
              Configuration: {{FullRepositoryId: acme/web, BranchName: main}}
              OutputArtifacts: [{{Name: Code}}]
        - Name: Production
          Actions:
            - Name: Deploy
              ActionTypeId: {{Category: Deploy, Owner: AWS, Provider: ECS, Version: '1'}}
              Configuration: {{ClusterName: web, ServiceName: web}}
              InputArtifacts: [{{Name: Code}}]
"
    )
}

#[test]
fn a_bucket_that_is_only_named_is_judged_as_the_audit_saw_it() {
    const CONTROL: &str = "s3-artifact-bucket-versioning";
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    pipewarden(&["demo", "--accounts", "12", "--no-denials", "--no-limits", "--out", "out"], at);
    let runs = fs::read_dir(at.join("out/runs")).unwrap().map(|entry| entry.unwrap().path());
    let run = runs.into_iter().find(|path| path.is_dir()).unwrap();
    let report: Value = serde_json::from_slice(&fs::read(run.join("findings.json")).unwrap()).unwrap();
    let audited = report["findings"].as_array().unwrap().iter().filter(|finding| finding["control"] == CONTROL);
    let mut met = std::collections::BTreeSet::new();
    for finding in audited {
        let resource = &finding["resource"];
        let bucket = resource["uid"].as_str().unwrap().rsplit(':').next().unwrap();
        let live = finding["compliance"].as_str().unwrap();
        // A bucket that nobody else uses becomes an artifact bucket only by this pipeline.
        if !["Compliant", "NonCompliant"].contains(&live) || !met.insert(live.to_owned()) {
            continue;
        }
        fs::write(at.join("web.yaml"), template(bucket)).unwrap();
        let said = |more: &[&str]| {
            let account = resource["account"].as_str().unwrap();
            let args = [&["check", "--format", "json", "--account", account], more, &["web.yaml"]].concat();
            let report: Value = serde_json::from_str(&pipewarden(&args, at)).unwrap();
            let findings = report["findings"].as_array().unwrap().clone();
            let about = findings.into_iter().find(|one| one["finding"]["control"] == CONTROL).unwrap();
            assert_eq!(about["place"]["span"]["start"]["line"], 7, "the property that names the bucket");
            about["finding"]["compliance"].as_str().unwrap().to_owned()
        };
        let (region, run) = (resource["region"].as_str().unwrap(), run.to_str().unwrap());
        assert_eq!(said(&["--region", region]), "InsufficientData");
        assert_eq!(said(&["--region", region, "--inventory", run]), live);
    }
    assert!(met.contains("Compliant") && met.contains("NonCompliant"), "{met:?}");
}
