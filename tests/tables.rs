//! Formats for other programs: SARIF against its schema, Parquet read back, and what all of them say of owners, of the
//! runs before and of what is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};

use parquet::file::reader::{FileReader, SerializedFileReader};
use pipewarden::finding::{Change, ComplianceType, Finding, Gone, Lifecycle, Owner, OwnerSource, Severity, Was};
use pipewarden::report::{FindingPass, FindingSource, GonePass, Report, ReportFolder};
use serde_json::{Value, json};

use super::report::{Fixture, assert_valid, format, hostile, mixed, project, written};

/// Findings with what the run before had.
struct Compared<'a> {
    findings: &'a Vec<Finding>,
    gone: Vec<Gone>,
}

impl FindingSource for Compared<'_> {
    fn findings(&self) -> io::Result<FindingPass<'_>> {
        self.findings.findings()
    }

    fn gone(&self) -> io::Result<GonePass<'_>> {
        Ok(Box::new(self.gone.iter().map(|gone| Ok(gone.clone()))))
    }
}

fn lifecycle(change: Change, last_known: Option<ComplianceType>) -> Lifecycle {
    let last = if last_known.is_some() { "2026-11-19T02:00:00Z" } else { "2026-11-21T02:00:00Z" };
    let was = (change == Change::Worsened).then_some(Was { severity: Severity::Low, exception: None });
    Lifecycle {
        change,
        first_observed_at: "2026-10-01T02:00:00Z".to_owned(),
        last_observed_at: Some(last.to_owned()),
        last_known,
        was,
    }
}

/// The mixed report in its second week: owners, changes, one violation that cannot be seen any more.
fn compared() -> (Fixture, Vec<Gone>) {
    let mut fixture = mixed();
    let mut changes = [Change::Unchanged, Change::New, Change::Worsened].into_iter().cycle();
    for finding in &mut fixture.findings {
        finding.lifecycle = Some(match finding.compliance {
            ComplianceType::InsufficientData if finding.resource.uid.as_str().ends_with("web-artifacts") => {
                lifecycle(Change::NotSeen, Some(ComplianceType::NonCompliant))
            }
            ComplianceType::NonCompliant => lifecycle(changes.next().unwrap(), None),
            _ => lifecycle(Change::Unchanged, None),
        });
        finding.owner = Some(Owner {
            name: "=team-payments".to_owned(),
            source: OwnerSource::AccountTag { key: "owner".to_owned() },
        })
        .filter(|_| finding.resource.account.as_str() == "222222222222");
    }
    let gone = |change, uid: &str, reason: &str| {
        let mut finding = fixture.findings.iter().find(|one| one.control == "codepipeline-type-v2").unwrap().clone();
        finding.resource = pipewarden::finding::ResourceRef {
            uid: pipewarden::inventory::ResourceUid(uid.to_owned()),
            ..(*finding.resource).clone()
        }
        .into();
        finding.id = Finding::stable_id(&finding.control, &finding.resource);
        finding.compliance = ComplianceType::NonCompliant;
        finding.lifecycle = Some(lifecycle(change, None));
        Gone { finding, reason: reason.to_owned() }
    };
    let gone = vec![
        gone(Change::NotSeen, "arn:aws:codepipeline:eu-west-3:111111111111:hidden", "codepipeline was not listed"),
        gone(Change::Resolved, "arn:aws:codepipeline:eu-west-3:111111111111:removed", "the resource is gone"),
    ];
    (fixture, gone)
}

fn with_compared<T>(work: impl FnOnce(&Report<'_>) -> T) -> T {
    let (fixture, gone) = compared();
    let source = Compared { findings: &fixture.findings, gone };
    work(&fixture.report_of(&source))
}

/// A folder in memory.
#[derive(Default)]
struct Memory(Vec<(String, Vec<u8>)>);

impl ReportFolder for Memory {
    fn create(&mut self, relative: &str) -> io::Result<&mut (dyn Write + Send)> {
        self.0.push((relative.to_owned(), Vec::new()));
        Ok(&mut self.0.last_mut().unwrap().1)
    }
}

fn files(name: &str, report: &Report<'_>) -> BTreeMap<String, Vec<u8>> {
    let mut folder = Memory::default();
    format(name).write_files(report, &mut folder).unwrap();
    folder.0.into_iter().collect()
}

fn sarif_schema() -> jsonschema::Validator {
    let path = project("tests/fixtures/third-party/sarif-schema-2.1.0.json");
    let mut schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    for of in ["run", "toolComponent"] {
        // SARIF's pattern of languages has a bracket that closes nothing, which not every engine takes.
        if let Some(Value::Object(language)) = schema.pointer_mut(&format!("/definitions/{of}/properties/language")) {
            language.remove("pattern");
        }
    }
    jsonschema::validator_for(&schema).unwrap()
}

fn sarif(report: &Report<'_>) -> Value {
    let log: Value = serde_json::from_str(&written(format("sarif"), report)).unwrap();
    let errors: Vec<String> =
        sarif_schema().iter_errors(&log).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    log
}

fn results(log: &Value) -> &Vec<Value> {
    log["runs"][0]["results"].as_array().unwrap()
}

fn result_on<'a>(log: &'a Value, name: &str) -> &'a Value {
    let on = |result: &&Value| {
        result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"].as_str().unwrap().ends_with(name)
    };
    results(log).iter().find(on).unwrap()
}

#[test]
fn sarif_follows_its_schema_whatever_the_report() {
    for fixture in [mixed(), hostile(), Fixture::empty()] {
        let log = sarif(&fixture.report());
        for result in results(&log) {
            let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][rule]["id"], result["ruleId"]);
            // Code scanning refuses the whole file without them.
            let location = &result["locations"][0]["physicalLocation"]["artifactLocation"];
            let uri = location["uri"].as_str().unwrap();
            assert!(!uri.is_empty() && !uri.starts_with('/') && !uri.contains(':') && !uri.contains(".."), "{uri}");
            assert!(result["message"]["text"].as_str().unwrap().len() > 10);
        }
    }
    with_compared(sarif);
}

#[test]
fn sarif_lists_violations_and_what_was_not_seen_and_nothing_that_passed() {
    let fixture = mixed();
    let log = sarif(&fixture.report());
    let kinds: BTreeMap<&str, usize> = results(&log).iter().fold(BTreeMap::new(), |mut kinds, result| {
        *kinds.entry(result["kind"].as_str().unwrap()).or_default() += 1;
        kinds
    });
    assert_eq!(kinds, BTreeMap::from([("fail", 8), ("open", 6)]));
    let counted = &log["runs"][0]["properties"]["byCompliance"];
    assert_eq!(counted, &json!({"Compliant": 2, "InsufficientData": 6, "NonCompliant": 8, "NotApplicable": 1}));

    let checkout = result_on(&log, ":checkout");
    assert_eq!((&checkout["level"], &checkout["kind"]), (&json!("error"), &json!("fail")));
    assert_eq!(
        checkout["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "222222222222/eu-central-1/AWS/CodePipeline/Pipeline/checkout"
    );
    assert_eq!(checkout["properties"]["evidence"]["deploysToProduction"], true);
    let text = checkout["message"]["text"].as_str().unwrap();
    assert!(text.contains("payments-prod") && text.contains("before: Deploy/ProdCluster, Deploy/Migrate"), "{text}");
    let id = &fixture.findings.iter().find(|one| one.resource.uid.as_str().ends_with(":checkout")).unwrap().id;
    let prints = &checkout["partialFingerprints"];
    assert_eq!(prints, &json!({"pipewarden/v1": id, "primaryLocationLineHash": format!("{id}:1")}));

    let excepted = results(&log).iter().find(|result| result.get("suppressions").is_some()).unwrap();
    assert!(excepted["suppressions"][0]["justification"].as_str().unwrap().contains("SEC-481"));
    let unseen = result_on(&log, ":web-artifacts");
    assert_eq!(unseen["ruleId"], "s3-bucket-artifacts-encrypted-with-customer-key/undecided");
    assert_eq!((unseen.get("level"), unseen.get("baselineState")), (None, None));
    assert!(unseen["message"]["text"].as_str().unwrap().contains("s3:GetEncryptionConfiguration"));

    let said = log["runs"][0]["invocations"][0]["toolExecutionNotifications"].to_string();
    for part in ["sts:AssumeRole (denied) in 1 account: 555555555555", "throttled 5 times", "account is SUSPENDED"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn sarif_never_closes_what_could_not_be_looked_at() {
    let log = with_compared(sarif);
    // It was a violation: under another rule, code scanning would close its alert.
    let unseen = result_on(&log, ":web-artifacts");
    assert_eq!(unseen["ruleId"], "s3-bucket-artifacts-encrypted-with-customer-key");
    assert_eq!((&unseen["kind"], &unseen["baselineState"]), (&json!("open"), &json!("updated")));
    assert_eq!(unseen["properties"]["lastKnown"], "NonCompliant");
    assert!(unseen["message"]["text"].as_str().unwrap().contains("was a violation when it was last seen, 2026-11-19"));
    let hidden = result_on(&log, ":hidden");
    assert_eq!((&hidden["ruleId"], &hidden["kind"]), (&json!("codepipeline-type-v2"), &json!("open")));
    assert_eq!(hidden["properties"]["compliance"], "InsufficientData");
    assert!(hidden["message"]["text"].as_str().unwrap().contains("codepipeline was not listed"));
    assert!(!log.to_string().contains(":removed"), "what is resolved would become an alert");
    let states: BTreeSet<&str> = results(&log).iter().filter_map(|result| result["baselineState"].as_str()).collect();
    assert_eq!(states, BTreeSet::from(["new", "unchanged", "updated"]));
    let owned = result_on(&log, ":checkout");
    assert_eq!(owned["properties"]["owner"], "=team-payments");
    assert_eq!(owned["properties"]["ownerSource"], "tag owner of the account");
}

type Row = BTreeMap<String, String>;

fn rows(bytes: &[u8]) -> Vec<Row> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let cells = |row: parquet::record::Row| {
        row.get_column_iter().map(|(name, cell)| (name.clone(), cell.to_string())).collect::<Row>()
    };
    reader.get_row_iter(None).unwrap().map(|row| cells(row.unwrap())).collect()
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

#[test]
fn parquet_gives_every_finding_back() {
    let (fixture, gone) = compared();
    let source = Compared { findings: &fixture.findings, gone };
    let files = files("parquet", &fixture.report_of(&source));
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "parquet/calls/calls.parquet",
            "parquet/findings/findings.parquet",
            "parquet/gaps/gaps.parquet",
            "parquet/gone/gone.parquet"
        ]
    );
    let found = rows(&files["parquet/findings/findings.parquet"]);
    assert_eq!(found.len(), fixture.findings.len());
    for (row, finding) in found.iter().zip(&fixture.findings) {
        assert_eq!(row["finding_id"], quoted(&finding.id));
        assert_eq!(row["resource"], quoted(finding.resource.uid.as_str()));
        assert_eq!(row["compliance"], quoted(finding.compliance.as_str()));
        assert_eq!(row["run_started_at"], "2026-11-21 02:00:00.000 +00:00");
        assert_eq!(row["first_observed_at"], "2026-10-01 02:00:00.000 +00:00");
        let violated = finding.compliance == ComplianceType::NonCompliant && finding.exception.is_none();
        assert_eq!(row["violation"], violated.to_string());
        assert_eq!(row["gaps"] == "[]", finding.gaps.is_empty());
        assert_eq!(row["owner"] == "null", finding.owner.is_none());
        assert_eq!(row["gone_reason"], "null");
        if row["evidence"] != "null" {
            let evidence: BTreeMap<String, Value> = serde_json::from_str(row["evidence"].trim_matches('"')).unwrap();
            assert_eq!(evidence, finding.evidence);
        }
    }
    let excepted = found.iter().find(|row| row["exception_id"] != "null").unwrap();
    assert_eq!(excepted["exception_expires"], "2027-01-31");
    let gone = rows(&files["parquet/gone/gone.parquet"]);
    let changes: Vec<&str> = gone.iter().map(|row| row["change"].as_str()).collect();
    assert_eq!(changes, ["\"NotSeen\"", "\"Resolved\""]);
    assert!(gone.iter().all(|row| row["violation"] == "false" && row["gone_reason"] != "null"));
    let calls = rows(&files["parquet/calls/calls.parquet"]);
    assert_eq!(calls.iter().filter(|row| row["status"] == "\"skipped\"").count(), 2);
    assert!(calls.iter().any(|row| row["action"] == "\"GetEncryptionConfiguration\"" && row["ok"] == "2"));
    let gaps = rows(&files["parquet/gaps/gaps.parquet"]);
    assert_eq!(gaps.len(), 3);
    assert!(gaps.iter().any(|row| row["resource_types"] == "[\"AWS::CloudTrail::Trail\"]"));
}

/// Athena reads columns by name: a column that its table does not know is one that nobody sees.
#[test]
fn the_tables_of_athena_have_the_columns_of_the_files() {
    let sql = fs::read_to_string(project("infra/athena/tables.sql")).unwrap();
    let files = files("parquet", &mixed().report());
    for (path, bytes) in files {
        let table = path.split('/').nth(1).unwrap();
        let start = sql.find(&format!("CREATE EXTERNAL TABLE IF NOT EXISTS pipewarden.{table} (")).expect(table);
        let (columns, _) = sql[start..].split_once("\n)").unwrap();
        let declared: Vec<(String, String)> = columns
            .lines()
            .skip(1)
            .map(|line| {
                let line = line.split("--").next().unwrap().trim().trim_end_matches(',');
                let (name, kind) = line.split_once(' ').unwrap();
                (name.to_owned(), kind.trim().to_owned())
            })
            .collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let kind = |field: &parquet::schema::types::Type| {
            use parquet::basic::{ConvertedType, Type};
            if field.is_group() {
                return "array<string>";
            }
            match (field.get_physical_type(), field.get_basic_info().converted_type()) {
                (Type::BYTE_ARRAY, ConvertedType::UTF8) => "string",
                (Type::INT64, ConvertedType::TIMESTAMP_MILLIS) => "timestamp",
                (Type::INT64, _) => "bigint",
                (Type::INT32, ConvertedType::DATE) => "date",
                (Type::BOOLEAN, _) => "boolean",
                other => panic!("{other:?}"),
            }
        };
        let written: Vec<(String, String)> = reader
            .metadata()
            .file_metadata()
            .schema()
            .get_fields()
            .iter()
            .map(|field| (field.name().to_owned(), kind(field).to_owned()))
            .collect();
        assert_eq!(written, declared, "{table}");
    }
}

#[test]
fn json_says_who_answers_what_changed_and_what_is_gone() {
    with_compared(|report| {
        let document: Value = serde_json::from_str(&written(format("json"), report)).unwrap();
        assert_valid("findings", &document);
        let checkout = document["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["resource"]["uid"].as_str().unwrap().ends_with(":checkout"))
            .unwrap();
        assert_eq!(checkout["owner"]["source"], json!({"kind": "AccountTag", "key": "owner"}));
        assert_eq!(checkout["lifecycle"]["firstObservedAt"], "2026-10-01T02:00:00Z");
        let gone: Vec<Gone> = serde_json::from_value(document["gone"].clone()).unwrap();
        let expected: Vec<Gone> = report.findings.gone().unwrap().map(Result::unwrap).collect();
        assert_eq!(gone, expected);
    });
}

#[test]
fn csv_says_who_answers_and_what_changed_and_counts_this_run_only() {
    let (findings, text) =
        with_compared(|report| (report.findings.findings().unwrap().count(), written(format("csv"), report)));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let rows: Vec<BTreeMap<&str, String>> = reader
        .records()
        .map(|row| headers.iter().zip(row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>()).collect())
        .collect();
    assert_eq!(rows.len(), findings);
    let on = |name: &str| rows.iter().find(|row| row["resource"].ends_with(name)).unwrap();
    let owned = on(":checkout");
    assert_eq!(
        (owned["owner"].as_str(), owned["owner_source"].as_str()),
        ("'=team-payments", "tag owner of the account")
    );
    let unseen = on(":web-artifacts");
    assert_eq!((unseen["change"].as_str(), unseen["last_known"].as_str()), ("NotSeen", "NonCompliant"));
    assert_eq!(unseen["last_observed_at"], "2026-11-19T02:00:00Z");
}
