//! OCSF events against the official schema, and what they say of each way in which a finding can stand.

use std::collections::BTreeMap;

use pipewarden::report::ocsf::{ocsf_event, ocsf_event_of_gone};
use serde_json::{Value, json};

use super::fixture::{Fixture, hostile, mixed};
use super::ocsf_schema::Ocsf;
use super::{format, written};

fn events(fixture: &Fixture) -> Vec<Value> {
    let text = written(format("ocsf"), &fixture.report());
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn by_name(events: &[Value]) -> BTreeMap<&str, &Value> {
    events.iter().map(|event| (event["resources"][0]["name"].as_str().unwrap(), event)).collect()
}

#[test]
fn every_event_follows_the_official_schema() {
    let schema = Ocsf::read(&["cloud"]);
    let mut alone = mixed();
    alone.organization.clear();
    for fixture in [mixed(), hostile(), Fixture::empty(), alone] {
        let events = events(&fixture);
        assert!(!events.is_empty());
        for event in events {
            let problems = schema.problems(&event);
            assert!(problems.is_empty(), "{problems:#?}\n{event:#}");
        }
    }
}

#[test]
fn the_compiled_schema_refuses_what_the_official_one_refuses() {
    let schema = Ocsf::read(&["cloud"]);
    let good = events(&mixed()).remove(0);
    assert!(schema.problems(&good).is_empty());
    let refuses = |change: &dyn Fn(&mut Value)| {
        let mut event = good.clone();
        change(&mut event);
        assert!(!schema.problems(&event).is_empty(), "{event:#}");
    };
    refuses(&|event| event["no_such_attribute"] = json!(1));
    refuses(&|event| event["compliance"]["no_such_attribute"] = json!(1));
    refuses(&|event| event["severity_id"] = json!(7));
    refuses(&|event| event["severity"] = json!("Catastrophic"));
    refuses(&|event| event["time"] = json!("2026-11-21T02:00:00Z"));
    refuses(&|event| event["type_uid"] = json!(200_399));
    refuses(&|event| event["compliance"]["status"] = json!("Passed"));
    // Of another profile, deprecated, and without what its constraint asks for.
    refuses(&|event| event["action_id"] = json!(1));
    refuses(&|event| event["compliance"]["status_detail"] = json!("why"));
    refuses(&|event| event["resources"][0] = json!({"type": "AWS::S3::Bucket"}));
    for required in ["metadata", "finding_info", "compliance", "cloud", "activity_id", "time", "class_uid"] {
        refuses(&|event| drop(event.as_object_mut().unwrap().remove(required)));
    }
    refuses(&|event| drop(event["finding_info"].as_object_mut().unwrap().remove("uid")));
}

#[test]
fn each_standing_has_its_activity_status_and_result() {
    let events = events(&mixed());
    let by_name = by_name(&events);
    let stands = |name: &str| {
        let event = by_name.get(name).unwrap_or_else(|| panic!("no event of {name}"));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        [&event["activity_name"], &event["status"], &event["compliance"]["status"], &event["severity"]].map(text)
    };
    assert_eq!(stands("new"), ["Create", "New", "Fail", "Critical"]);
    assert_eq!(stands("never-compared"), ["Create", "New", "Fail", "Critical"]);
    assert_eq!(stands("known"), ["Update", "In Progress", "Fail", "Critical"]);
    assert_eq!(stands("excepted"), ["Update", "Suppressed", "Fail", "Critical"]);
    assert_eq!(stands("lost-sight"), ["Update", "In Progress", "Warning", "Critical"]);
    assert_eq!(stands("never-seen"), ["Update", "In Progress", "Warning", "Critical"]);
    assert_eq!(stands("hidden"), ["Update", "In Progress", "Warning", "Critical"]);
    assert_eq!(stands("good"), ["Update", "Resolved", "Pass", "Informational"]);
    assert_eq!(stands("mended"), ["Close", "Resolved", "Pass", "Informational"]);
    assert_eq!(stands("became-staging"), ["Close", "Resolved", "Not Applicable", "Informational"]);
    assert_eq!(stands("deleted"), ["Close", "Resolved", "Not Applicable", "Informational"]);
    assert!(!by_name.contains_key("staging") && !by_name.contains_key("deleted-staging"));
}

#[test]
fn an_event_says_who_what_where_since_when_and_why() {
    let events = events(&mixed());
    let by_name = by_name(&events);
    let new = by_name["new"];
    assert_eq!(new["time"], 1_795_226_400_000_i64);
    assert_eq!(new["finding_info"]["first_seen_time"], 1_795_226_400_000_i64);
    assert_eq!(by_name["known"]["finding_info"]["first_seen_time"], 1_794_621_600_000_i64);
    assert_eq!(by_name["lost-sight"]["finding_info"]["last_seen_time"], 1_794_621_600_000_i64);
    assert!(by_name["never-seen"]["finding_info"].get("last_seen_time").is_none());
    assert_eq!(new["metadata"]["uid"], format!("{}/20261121T020000Z", new["finding_info"]["uid"].as_str().unwrap()));
    assert_eq!(new["cloud"]["account"]["uid"], "222222222222");
    assert_eq!(new["cloud"]["org"], json!({"uid": "o-exampleorg1", "ou_name": "/Prod"}));
    assert_eq!(new["resources"][0]["owner"]["name"], "team-payments");
    assert_eq!(new["resources"][0]["type"], "AWS::CodePipeline::Pipeline");
    assert_eq!(new["compliance"]["standards"], json!(["OWASP Top 10 CI/CD Security Risks 2022"]));
    assert_eq!(new["compliance"]["requirements"], json!(["OWASP-CICD-SEC-1", "CIS-SSC-5.2.3"]));
    assert_eq!(new["remediation"]["desc"], "Put an approval before Deploy/Prod, Deploy/Migrate");
    assert_eq!(new["evidences"][0]["data"]["unapprovedProductionActions"], json!(["Deploy/Prod", "Deploy/Migrate"]));
    let excepted = by_name["excepted"];
    assert_eq!(
        excepted["comment"],
        "excepted until 2027-01-31 by legacy-stays (owner web@example.com, SEC-481): retired in January"
    );
    assert_eq!(excepted["unmapped"]["exception"]["ticket"], "SEC-481");
    assert_eq!(by_name["never-seen"]["compliance"]["status_details"], json!(["access denied to s3:GetBucketPolicy"]));
    assert_eq!(by_name["hidden"]["status_detail"], "the account could not be entered");
    assert_eq!(by_name["hidden"]["unmapped"]["last_known"], "NonCompliant");
    assert_eq!(by_name["deleted"]["vendor_attributes"], json!({"severity_id": 5, "severity": "Critical"}));
}

#[test]
fn what_could_not_be_seen_never_passes_and_is_never_resolved() {
    for fixture in [mixed(), hostile()] {
        for event in events(&fixture) {
            if event["compliance"]["status_code"] == "InsufficientData" {
                assert_eq!(event["compliance"]["status_id"], 2, "{event:#}");
                assert!([json!(1), json!(2)].contains(&event["status_id"]), "{event:#}");
                assert_ne!(event["activity_name"], "Close");
            }
        }
    }
}

#[test]
fn an_empty_run_is_an_event_that_says_so() {
    let events = events(&Fixture::empty());
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["compliance"]["status"], "Unknown");
    assert!(events[0]["message"].as_str().unwrap().contains("this is no pass"));
}

#[test]
fn one_event_alone_is_the_line_of_the_file() {
    let fixture = mixed();
    let report = fixture.report();
    let all = events(&fixture);
    let mut alone: Vec<Value> =
        fixture.findings.here.iter().filter_map(|finding| ocsf_event(&report, finding).unwrap()).collect();
    alone.extend(fixture.findings.gone.iter().filter_map(|gone| ocsf_event_of_gone(&report, gone).unwrap()));
    assert_eq!(alone.len(), all.len());
    assert!(alone.iter().all(|event| all.contains(event)));
    let ids: std::collections::BTreeSet<&str> =
        all.iter().map(|event| event["metadata"]["uid"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), all.len());
}

#[test]
fn a_time_that_is_none_is_an_error_of_the_report() {
    let mut fixture = mixed();
    let compared = fixture.findings.here.iter_mut().find_map(|finding| finding.lifecycle.as_mut());
    compared.unwrap().first_observed_at = "yesterday".to_owned();
    let error = format("ocsf").write(&fixture.report(), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("`yesterday` is no RFC 3339 time"), "{error}");
}
