//! Plans of Terraform on the command line.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

const APPROVAL: &str = "codepipeline-production-approval-required";

/// The findings of `check` on a file, and its exit code.
fn checked(folder: &Path, file: &str) -> (Value, Option<i32>) {
    checked_at(folder, file, &[])
}

/// The same, of an account and a Region.
fn checked_at(folder: &Path, file: &str, place: &[&str]) -> (Value, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(["check", "--format", "json", file])
        .args(place)
        .current_dir(folder)
        .env_clear()
        .envs([("AWS_EC2_METADATA_DISABLED", "true"), ("HOME", "/nonexistent")])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} {output:?}"));
    (report, output.status.code())
}

fn finding<'r>(report: &'r Value, control: &str, address: &str) -> &'r Value {
    let all = report["findings"].as_array().unwrap();
    let found = all.iter().find(|one| one["finding"]["control"] == control && one["logicalId"] == address);
    found.unwrap_or_else(|| panic!("no finding of {control} on {address}"))
}

fn action(name: &str, category: &str, provider: &str, run_order: Value, configuration: Value) -> Value {
    json!({"name": name, "category": category, "owner": "AWS", "provider": provider, "version": "1",
           "run_order": run_order, "configuration": configuration})
}

fn approve(run_order: Value) -> Value {
    action("Approve", "Approval", "Manual", run_order, Value::Null)
}

fn deploy(run_order: Value) -> Value {
    let configuration = json!({"ApplicationName": "shop", "DeploymentGroupName": "shop-production"});
    action("Deploy", "Deploy", "CodeDeploy", run_order, configuration)
}

fn stage(name: &str, actions: &[Value]) -> Value {
    json!({"name": name, "action": actions})
}

/// A plan that creates a pipeline and a project.
fn plan(stages: &[Value], buildspec: &str) -> Value {
    let source = json!({"RepositoryName": "shop", "BranchName": "main", "PollForSourceChanges": "false"});
    let source = stage("Source", &[action("Checkout", "Source", "CodeCommit", Value::Null, source)]);
    let stages: Vec<Value> = std::iter::once(source).chain(stages.iter().cloned()).collect();
    let web = json!({"name": "shop", "role_arn": "arn:aws:iam::111122223333:role/pipeline", "stage": stages,
                     "artifact_store": [{"type": "S3", "location": "artifacts", "region": ""}]});
    let project = json!({"name": "apply", "source": [{"type": "CODEPIPELINE", "buildspec": buildspec}]});
    let entry = |type_name: &str, name: &str, values: Value| json!({"address": format!("{type_name}.{name}"), "mode": "managed", "type": type_name, "name": name, "values": values});
    let resources = [entry("aws_codepipeline", "web", web), entry("aws_codebuild_project", "apply", project)];
    let changes: Vec<Value> = resources
        .iter()
        .map(|one| {
            let mut change = one.clone();
            let after = change.as_object_mut().unwrap().remove("values").unwrap();
            change["change"] = json!({"actions": ["create"], "before": null, "after": after, "after_unknown": {}});
            change
        })
        .collect();
    json!({"format_version": "1.2", "planned_values": {"root_module": {"resources": resources}}, "resource_changes": changes,
           "configuration": {"root_module": {}}})
}

#[test]
fn run_orders_of_a_plan_say_what_is_gated() {
    let none = Value::Null;
    let apply = |order: Value| action("Apply", "Build", "CodeBuild", order, json!({"ProjectName": "apply"}));
    let cases = [
        (
            "approval in a stage before",
            "Compliant",
            vec![stage("Approval", &[approve(none.clone())]), stage("Production", &[deploy(none.clone())])],
        ),
        ("approval missing", "NonCompliant", vec![stage("Production", &[deploy(none.clone())])]),
        // Terraform modules often count on over all stages.
        (
            "orders go on",
            "Compliant",
            vec![stage("Approval", &[approve(json!(7))]), stage("Production", &[deploy(json!(2))])],
        ),
        ("same order", "NonCompliant", vec![stage("Production", &[approve(json!(1)), deploy(none.clone())])]),
        ("before", "Compliant", vec![stage("Production", &[deploy(json!(2)), approve(none.clone())])]),
        ("after", "NonCompliant", vec![stage("Production", &[deploy(none.clone()), approve(json!(2))])]),
        ("apply", "NonCompliant", vec![stage("Production", &[apply(none.clone())])]),
        ("gated apply", "Compliant", vec![stage("Production", &[apply(json!(2)), approve(none.clone())])]),
    ];
    let folder = tempfile::tempdir().unwrap();
    let buildspec = "version: 0.2\nphases:\n  build:\n    commands:\n      - terraform apply -auto-approve plan\n";
    for (case, expected, stages) in cases {
        fs::write(folder.path().join("plan.json"), plan(&stages, buildspec).to_string()).unwrap();
        let (report, _) = checked(folder.path(), "plan.json");
        assert_eq!(report["unreadable"], json!([]), "{case}");
        assert_eq!(finding(&report, APPROVAL, "aws_codepipeline.web")["finding"]["compliance"], expected, "{case}");
    }
}

#[test]
fn a_plan_of_windows_beside_its_files_points_into_them() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let text = plan(&[stage("Production", &[deploy(Value::Null)])], "buildspec.yml").to_string();
    let bytes: Vec<u8> = [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    write("plan.json", &bytes);
    write("pipeline.tf", b"# web\n\nresource \"aws_codepipeline\" \"web\" {\n  name = \"shop\"\n}\n");
    let (report, code) = checked(folder.path(), "plan.json");
    assert_eq!(code, Some(1));
    let found = finding(&report, APPROVAL, "aws_codepipeline.web");
    assert_eq!(found["finding"]["compliance"], "NonCompliant");
    assert_eq!(found["place"]["file"], "pipeline.tf");
    assert_eq!(found["place"]["span"]["start"]["line"], 3);
}

/// What a person says who reads the plan.
#[test]
fn the_pipeline_of_the_road_is_judged_as_it_is_written() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/check");
    let (report, _) = checked(&fixtures, "road.plan.json");
    let said = |control: &str, address: &str| finding(&report, control, address)["finding"]["compliance"].clone();
    let bucket = "aws_s3_bucket.artifacts";
    for control in [
        "s3-artifact-bucket-versioning",
        "s3-artifact-bucket-customer-key",
        "s3-artifact-bucket-object-lock-retention",
        "s3-artifact-bucket-public-access-blocked",
    ] {
        assert_eq!(said(control, bucket), "Compliant", "{control}");
    }
    assert_eq!(said(APPROVAL, "aws_codepipeline.shop"), "Compliant");
    assert_eq!(said("codepipeline-artifact-store-customer-key", "aws_codepipeline.shop"), "Compliant");
    for group in ["staging", "production"] {
        let address = format!("aws_codedeploy_deployment_group.{group}");
        assert_eq!(said("codedeploy-rollback-on-failure", &address), "Compliant");
        assert_eq!(said("codedeploy-rollback-on-alarm", &address), "Compliant");
    }
}

#[test]
fn a_plan_is_judged_as_the_template_that_says_the_same() {
    let roads = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/roads");
    let place = ["--account", "111122223333", "--region", "eu-west-1"];
    let verdicts = |file: &str| {
        let (report, code) = checked_at(&roads, file, &place);
        assert_eq!(report["unreadable"], json!([]), "{file}");
        let findings = report["findings"].as_array().unwrap();
        let said = |one: &Value| [&one["finding"]["control"], &one["finding"]["compliance"]].map(Value::to_string);
        let mut all: Vec<_> = findings.iter().map(said).collect();
        all.sort();
        (all, code)
    };
    let (of_template, of_plan) = (verdicts("template.yaml"), verdicts("plan.json"));
    assert!(of_template.0.len() > 50, "{}", of_template.0.len());
    assert_eq!(of_plan, of_template);
}
