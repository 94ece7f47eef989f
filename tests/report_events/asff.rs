//! ASFF against the service model of botocore, moto's Security Hub, and the limits of the documentation.

use std::collections::{BTreeMap, BTreeSet};

use pipewarden::report::asff::{
    BATCH_FINDINGS, FINDING_BYTES, asff_finding, asff_finding_of_gone, asff_findings, home_region,
};
use serde_json::{Value, json};

use super::fixture::{Fixture, LOST, approval, encryption, finding, hostile, mixed};
use super::{format, python, written};
use pipewarden::finding::ComplianceType;

fn findings(fixture: &Fixture) -> Vec<Value> {
    serde_json::from_str(&written(format("asff"), &fixture.report())).unwrap()
}

fn by_name(findings: &[Value]) -> BTreeMap<&str, &Value> {
    findings
        .iter()
        .map(|finding| (finding["Resources"][0]["Details"]["Other"]["ResourceName"].as_str().unwrap(), finding))
        .collect()
}

/// What botocore's own validator says of the calls, and, which it leaves to the service, enumerations, patterns and list
/// lengths of the model.
const MODEL: &str = r#"
import json, re, sys
import botocore.session
from botocore.validate import ParamValidator
service = botocore.session.get_session().get_service_model("securityhub")
shape = service.operation_model("BatchImportFindings").input_shape
types = service.shape_for("ResourceDetails").members
findings = json.load(open(sys.argv[1], encoding="utf-8"))
problems = []
def walk(shape, value, path):
    if shape.type_name == "structure":
        for name, inner in value.items():
            if name in shape.members:
                walk(shape.members[name], inner, path + "." + name)
    elif shape.type_name == "list":
        most = shape.metadata.get("max")
        if most is not None and len(value) > most:
            problems.append(f"{path}: {len(value)} items, {most} are the most")
        for inner in value:
            walk(shape.member, inner, path + "[]")
    elif shape.type_name == "map":
        for name, inner in value.items():
            walk(shape.key, name, path + ".key")
            walk(shape.value, inner, path + "." + name)
    elif shape.type_name == "string" and isinstance(value, str):
        if shape.enum and value not in shape.enum:
            problems.append(f"{path}: {value!r} is none of {shape.enum}")
        pattern = shape.metadata.get("pattern")
        if pattern and not re.fullmatch(pattern, value):
            problems.append(f"{path}: {value!r} does not match {pattern}")
for start in range(0, len(findings), 100):
    call = {"Findings": findings[start:start + 100]}
    report = ParamValidator().validate(call, shape)
    if report.has_errors():
        problems.append(report.generate_report())
    walk(shape, call, "")
for finding in findings:
    for resource in finding["Resources"]:
        kind = resource["Type"]
        if kind not in ("Other", "AwsAccount") and kind not in types:
            problems.append(f"{kind} is no resource type")
if problems:
    sys.exit("\n".join(problems))
print(len(findings))
"#;

#[test]
fn every_finding_is_what_the_service_model_takes() {
    for fixture in [mixed(), hostile()] {
        let text = written(format("asff"), &fixture.report());
        let count = python(MODEL, &text).unwrap_or_else(|problem| panic!("{problem}"));
        assert_eq!(count.trim(), findings(&fixture).len().to_string());
    }
}

#[test]
fn the_model_refuses_what_is_no_finding() {
    let good = findings(&mixed());
    let refuses = |change: &dyn Fn(&mut Value), expected: &str| {
        let mut findings = good.clone();
        change(&mut findings[0]);
        let problem = python(MODEL, &serde_json::to_string(&findings).unwrap()).unwrap_err();
        assert!(problem.contains(expected), "{problem}");
    };
    refuses(&|finding| drop(finding.as_object_mut().unwrap().remove("Title")), "Missing required parameter");
    refuses(&|finding| finding["Unknown"] = json!("x"), "Unknown parameter");
    refuses(&|finding| finding["Compliance"]["Status"] = json!("GOOD"), "is none of");
    refuses(&|finding| finding["Title"] = json!(" "), "does not match");
    refuses(&|finding| finding["Resources"][0]["Type"] = json!("AwsCodePipelinePipeline"), "is no resource type");
    refuses(&|finding| finding["ProductFields"]["number"] = json!(1), "Invalid type");
}

/// Imports everything twice into a Security Hub that nobody here wrote, in the account and Region of each finding.
const IMPORT: &str = r#"
import collections, json, os, sys
os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")
import boto3
from moto import mock_aws
findings = json.load(open(sys.argv[1], encoding="utf-8"))
batches = collections.defaultdict(list)
for finding in findings:
    batches[finding["ProductArn"].split(":")[3]].append(finding)
with mock_aws():
    found = 0
    for region, batch in batches.items():
        hub = boto3.client("securityhub", region_name=region)
        for _ in range(2):
            answer = hub.batch_import_findings(Findings=batch)
            if answer["FailedCount"] or answer["SuccessCount"] != len(batch):
                sys.exit(str(answer))
        found += len(hub.get_findings(MaxResults=100)["Findings"])
    print(found)
"#;

#[test]
fn moto_takes_all_of_them_and_a_second_import_makes_none_more() {
    let fixture = mixed();
    let count =
        python(IMPORT, &written(format("asff"), &fixture.report())).unwrap_or_else(|problem| panic!("{problem}"));
    assert_eq!(count.trim(), findings(&fixture).len().to_string());
}

fn length(value: &Value) -> usize {
    value.as_str().unwrap().chars().count()
}

#[test]
fn limits_are_kept_and_what_they_leave_out_is_said() {
    for (fixture, cut) in [(mixed(), false), (hostile(), true)] {
        for finding in findings(&fixture) {
            let bytes = serde_json::to_vec(&finding).unwrap().len();
            assert!(bytes <= FINDING_BYTES, "{bytes}");
            assert!(length(&finding["Id"]) <= 512 && length(&finding["GeneratorId"]) <= 512);
            assert!(length(&finding["Title"]) <= 256 && length(&finding["Description"]) <= 1024);
            if let Some(text) = finding["Remediation"]["Recommendation"].get("Text") {
                assert!(length(text) <= 512);
            }
            let resource = &finding["Resources"][0];
            assert!(length(&resource["Id"]) <= 512 && length(&resource["Region"]) <= 16);
            let fields = finding["ProductFields"].as_object().unwrap();
            assert!(fields.len() <= 50, "{}", fields.len());
            for (key, value) in fields {
                assert!(key.chars().count() <= 128 && length(value) <= 2048, "{key}");
                assert!(!key.starts_with("aws/"));
            }
            let requirements = finding["Compliance"]["RelatedRequirements"].as_array().unwrap();
            assert!(requirements.len() <= 32 && requirements.iter().all(|requirement| length(requirement) <= 64));
            for kept_for_analysts in ["Note", "Workflow", "UserDefinedFields", "VerificationState", "Severity", "Types"]
            {
                assert!(finding.get(kept_for_analysts).is_none());
            }
            assert_eq!(fields.contains_key("LeftOut"), cut, "{finding:#}");
            assert!(!fields.get("LeftOut").is_some_and(|said| said.as_str().unwrap().contains('…')), "{finding:#}");
        }
    }
    let said: Vec<Value> =
        findings(&hostile()).iter().map(|finding| finding["ProductFields"]["LeftOut"].clone()).collect();
    let said = json!(said).to_string();
    for what in [
        "Title: ",
        " in 32 texts, 8 more",
        "evidence: ",
        "Resources.Id: 9533 of 10044 characters",
        "StatusReasons: ",
        ", 22 more",
        "Owner: ",
    ] {
        assert!(said.contains(what), "{what} is not said: {said}");
    }
}

#[test]
fn a_batch_of_the_largest_findings_is_split_by_bytes_and_not_by_count() {
    use pipewarden::report::asff::BATCH_BYTES;
    let largest = std::hint::black_box(BATCH_FINDINGS) * FINDING_BYTES;
    assert!(BATCH_BYTES < largest, "a delivery has to count both");
}

#[test]
fn each_standing_has_its_status_state_and_severity() {
    let findings = findings(&mixed());
    let by_name = by_name(&findings);
    let stands = |name: &str| {
        let finding = by_name.get(name).unwrap_or_else(|| panic!("no finding of {name}"));
        let severity = &finding["FindingProviderFields"]["Severity"];
        assert_eq!(severity["Original"], "CRITICAL");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        [&finding["Compliance"]["Status"], &finding["RecordState"], &severity["Label"]].map(text)
    };
    for open in ["new", "known", "never-compared"] {
        assert_eq!(stands(open), ["FAILED", "ACTIVE", "CRITICAL"], "{open}");
    }
    assert_eq!(stands("excepted"), ["FAILED", "ACTIVE", "INFORMATIONAL"]);
    assert_eq!(stands("lost-sight"), ["WARNING", "ACTIVE", "CRITICAL"]);
    assert_eq!(stands("hidden"), ["WARNING", "ACTIVE", "CRITICAL"]);
    assert_eq!(stands("never-seen"), ["NOT_AVAILABLE", "ACTIVE", "CRITICAL"]);
    for good in ["good", "mended"] {
        assert_eq!(stands(good), ["PASSED", "ARCHIVED", "INFORMATIONAL"], "{good}");
    }
    for over in ["deleted", "became-staging"] {
        assert_eq!(stands(over), ["NOT_AVAILABLE", "ARCHIVED", "INFORMATIONAL"], "{over}");
    }
    assert!(!by_name.contains_key("staging") && !by_name.contains_key("deleted-staging"));
}

#[test]
fn what_could_not_be_seen_is_never_archived() {
    for fixture in [mixed(), hostile()] {
        for finding in findings(&fixture) {
            if finding["ProductFields"]["Result"] == "InsufficientData" {
                assert_eq!(finding["RecordState"], "ACTIVE", "{finding:#}");
                assert_eq!(finding["Compliance"]["StatusReasons"][0]["ReasonCode"], "INSUFFICIENT_DATA");
                assert_ne!(finding["Compliance"]["Status"], "PASSED");
            }
        }
    }
}

#[test]
fn ids_are_per_resource_and_products_are_the_accounts_own() {
    let findings = findings(&mixed());
    let ids: BTreeSet<&str> = findings.iter().map(|finding| finding["Id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), findings.len());
    let by_name = by_name(&findings);
    let new = by_name["new"];
    let arn = "arn:aws:codepipeline:eu-central-1:222222222222:new";
    let stable = finding(&approval(), ComplianceType::NonCompliant, arn, super::fixture::PAYMENTS).id;
    assert_eq!(new["Id"], format!("eu-central-1/222222222222/{stable}"));
    assert_eq!(new["ProductArn"], "arn:aws:securityhub:eu-central-1:222222222222:product/222222222222/default");
    assert_eq!(new["Resources"][0]["Type"], "Other");
    assert_eq!(new["Resources"][0]["Details"]["Other"]["ResourceType"], "AWS::CodePipeline::Pipeline");
    assert_eq!(new["ProductFields"]["evidence/unapprovedProductionActions"], "Deploy/Prod, Deploy/Migrate");
    assert_eq!(new["ProductFields"]["Owner"], "team-payments");
    assert_eq!(by_name["known"]["FirstObservedAt"], "2026-11-14T02:00:00Z");
    assert_eq!(by_name["known"]["UpdatedAt"], "2026-11-21T02:00:00Z");
    assert!(by_name["never-seen"].get("LastObservedAt").is_none());
    assert_eq!(by_name["tooling-artifacts"]["Resources"][0]["Type"], "AwsS3Bucket");
}

#[test]
fn what_has_no_region_goes_to_the_home_region() {
    let lost = |fixture: &Fixture, uid: &str, home: Option<&str>| {
        let report = fixture.report();
        let home = home.map_or_else(|| home_region(&report), |home| home.parse().unwrap());
        let one = finding(&encryption(), ComplianceType::InsufficientData, uid, LOST);
        serde_json::to_value(asff_finding(&report, &one, &home).unwrap()).unwrap()
    };
    let place = |finding: &Value| (finding["Resources"][0]["Region"].clone(), finding["ProductArn"].clone());
    let own = "product/555555555555/default";
    assert_eq!(
        place(&lost(&Fixture::empty(), "arn:aws:iam::555555555555:root", None)),
        (json!("us-east-1"), json!(format!("arn:aws:securityhub:us-east-1:555555555555:{own}")))
    );
    assert_eq!(
        place(&lost(&Fixture::empty(), "arn:aws:iam::555555555555:root", Some("eu-central-1"))),
        (json!("eu-central-1"), json!(format!("arn:aws:securityhub:eu-central-1:555555555555:{own}")))
    );
    // An address of a source host has no partition; the run has.
    assert_eq!(
        place(&lost(&Fixture::in_china(), "https://github.com/acme/web", None)),
        (json!("cn-northwest-1"), json!(format!("arn:aws-cn:securityhub:cn-northwest-1:555555555555:{own}")))
    );
}

#[test]
fn one_finding_alone_is_the_line_of_the_file() {
    let fixture = mixed();
    let report = fixture.report();
    let home = home_region(&report);
    let all = findings(&fixture);
    let streamed: Vec<Value> =
        asff_findings(&report, &home).unwrap().map(|one| serde_json::to_value(one.unwrap()).unwrap()).collect();
    assert_eq!(streamed, all);
    let here = fixture.findings.here.iter().filter_map(|one| asff_finding(&report, one, &home));
    let gone = fixture.findings.gone.iter().filter_map(|one| asff_finding_of_gone(&report, one, &home));
    let alone: Vec<Value> = here.chain(gone).map(|one| serde_json::to_value(one).unwrap()).collect();
    assert_eq!(alone.len(), all.len());
    assert!(alone.iter().all(|one| all.contains(one)));
    assert_eq!(written(format("asff"), &Fixture::empty().report()), "[\n]\n");
}
