//! How results are spread over runs and files.

use serde_json::Value;

use super::super::{Counts, OverTime, RunInfo};
use super::*;
use crate::finding::Severity;
use crate::inventory::{CallCounts, Coverage};

#[derive(Default)]
struct Memory(Vec<(String, Vec<u8>)>);

impl ReportFolder for Memory {
    fn create(&mut self, relative: &str) -> io::Result<&mut (dyn Write + Send)> {
        self.0.push((relative.to_owned(), Vec::new()));
        Ok(&mut self.0.last_mut().unwrap().1)
    }
}

fn findings(count: usize) -> Vec<Finding> {
    let finding = |number: usize| {
        serde_json::from_value(serde_json::json!({
            "id": format!("{number:032x}"), "control": "c", "severity": "HIGH", "compliance": "NonCompliant",
            "resource": {"uid": format!("arn:aws:s3:::bucket-{number:06}"), "typeName": "AWS::S3::Bucket",
                "account": "111111111111", "region": "eu-west-1"}
        }))
        .unwrap()
    };
    (0..count).map(finding).collect()
}

fn split(findings: &Vec<Finding>, limits: &Limits) -> Vec<(String, Value)> {
    let coverage = Coverage::default();
    let control = Control {
        id: "c".to_owned(),
        title: "Buckets are closed".to_owned(),
        severity: Severity::High,
        resource_type: crate::inventory::TypeName::BUCKET,
        remediation: "Close {openBuckets}".to_owned(),
        frameworks: (0..30).map(|number| format!("F-{number}")).collect(),
    };
    let report = Report {
        run: RunInfo {
            run_id: "20261121T020000Z".to_owned(),
            started_at: "2026-11-21T02:00:00Z".to_owned(),
            tool_version: "0".to_owned(),
            organization: String::new(),
            policy_hash: String::new(),
        },
        controls: BTreeMap::from([("c".to_owned(), control)]),
        frameworks: BTreeMap::new(),
        accounts: BTreeMap::new(),
        counts: Counts::default(),
        coverage: &coverage,
        gaps: &[],
        findings,
        calls: CallCounts::default(),
        over_time: OverTime::default(),
    };
    let mut folder = Memory::default();
    write_split(&report, limits, &mut folder).unwrap();
    folder.0.into_iter().map(|(name, bytes)| (name, serde_json::from_slice(&bytes).unwrap())).collect()
}

/// Ids of all results, and the number of results of every run of every file.
fn spread(files: &[(String, Value)]) -> (Vec<String>, Vec<Vec<usize>>) {
    let mut ids = Vec::new();
    let runs = files.iter().map(|(_, log)| {
        let runs = log["runs"].as_array().unwrap().iter().map(|run| {
            let results = run["results"].as_array().unwrap();
            ids.extend(
                results.iter().map(|one| one["partialFingerprints"]["pipewarden/v1"].as_str().unwrap().to_owned()),
            );
            results.len()
        });
        runs.collect()
    });
    let runs = runs.collect();
    (ids, runs)
}

#[test]
fn what_is_over_a_limit_goes_to_further_runs_and_files_and_nothing_is_dropped() {
    let findings = findings(25);
    let files = split(&findings, &Limits { results: 4, runs: 3, packed: u64::MAX });
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["findings.sarif", "findings-2.sarif", "findings-3.sarif"]);
    let (ids, runs) = spread(&files);
    assert_eq!(ids, findings.iter().map(|finding| finding.id.clone()).collect::<Vec<_>>());
    assert_eq!(runs, [vec![4, 4, 4], vec![4, 4, 4], vec![1]]);
    let categories: std::collections::BTreeSet<String> = files
        .iter()
        .flat_map(|(_, log)| log["runs"].as_array().unwrap())
        .map(|run| run["automationDetails"]["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(categories.len(), 7, "{categories:?}");
    assert!(categories.contains("pipewarden-audit/20261121T020000Z"), "{categories:?}");
}

#[test]
fn a_file_ends_before_it_is_too_large_to_arrive() {
    let findings = findings(4_000);
    let limits = Limits { results: 500, runs: 20, packed: 40_000 };
    let files = split(&findings, &limits);
    assert!(files.len() > 2, "{}", files.len());
    let (ids, runs) = spread(&files);
    assert_eq!(ids.len(), findings.len());
    assert!(runs.iter().flatten().all(|results| (1..=500).contains(results)), "{runs:?}");
    for (name, log) in &files {
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        serde_json::to_writer(&mut packer, log).unwrap();
        let packed = packer.finish().unwrap().len();
        assert!(packed < 90_000, "{name} has {packed} bytes");
    }
}

#[test]
fn a_limit_that_nothing_fits_in_still_ends() {
    let files = split(&findings(3), &Limits { results: 5, runs: 20, packed: 0 });
    assert_eq!(spread(&files).1, [vec![1], vec![1], vec![1]]);
    let none = split(&Vec::new(), &GITHUB);
    assert_eq!(spread(&none).1, [vec![0]]);
}

#[test]
fn rules_say_what_to_do_and_how_bad_it_is() {
    let files = split(&findings(1), &GITHUB);
    let rules = &files.first().unwrap().1["runs"][0]["tool"]["driver"]["rules"];
    assert_eq!(rules[0]["properties"]["security-severity"], "8.0");
    assert_eq!(rules[0]["properties"]["tags"].as_array().unwrap().len(), TAGS);
    // Thirty requirements and `security`; an open question has no `security`.
    assert_eq!(rules[0]["properties"]["tagsLeftOut"], 31 - TAGS);
    assert_eq!(rules[1]["properties"]["tagsLeftOut"], 30 - TAGS);
    assert_eq!(rules[0]["help"]["text"], "Buckets are closed\n\nClose <open buckets>");
    assert_eq!((&rules[1]["id"], &rules[1]["defaultConfiguration"]["level"]), (&"c/undecided".into(), &"note".into()));
    assert_eq!(rules[1]["properties"].get("security-severity"), None);
}

#[test]
fn names_are_what_arns_end_with() {
    assert_eq!(name_of("arn:aws:s3:::bucket"), "bucket");
    assert_eq!(
        name_of("arn:aws:codedeploy:eu-west-1:111111111111:deploymentgroup:app/group"),
        "deploymentgroup:app/group"
    );
    assert_eq!(name_of("exceptions/a.cedar#x"), "exceptions/a.cedar#x");
    assert_eq!(name_of("arn:odd"), "arn:odd");
}
