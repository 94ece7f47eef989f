//! Every format, on the same mixed outcomes, on nothing, and on hostile names.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pipewarden::finding::{
    Change, ComplianceType, Control, ExceptionRef, Finding, Framework, Lifecycle, Requirement, ResourceRef, Severity,
};
use pipewarden::inventory::{
    AccountId, Affects, Coverage, CoverageKey, Gap, GapCause, Outcome, Region, ResourceUid, Skip, TypeName,
};
use pipewarden::report::{
    AccountInfo, Comparison, Counts, FORMATS, FindingPass, FindingSource, OverTime, Report, ReportFormat, RunInfo,
    SCHEMA_VERSION, Terminal, visible,
};
use serde_json::{Value, json};

/// A framework of which one requirement has no control.
fn owasp() -> Framework {
    let requirement =
        |number: u8, title: &str| Requirement { id: format!("OWASP-CICD-SEC-{number}"), title: title.to_owned() };
    Framework {
        id: "OWASP-CICD-SEC".to_owned(),
        name: "OWASP Top 10 CI/CD Security Risks".to_owned(),
        version: "2022".to_owned(),
        source: "https://owasp.org".to_owned(),
        note: "Four of the ten.".to_owned(),
        requirements: vec![
            requirement(1, "Insufficient flow control mechanisms"),
            requirement(6, "Insufficient credential hygiene"),
            requirement(9, "Improper artifact integrity validation"),
            requirement(10, "Insufficient logging | visibility"),
        ],
    }
}

/// Everything a report borrows.
pub(super) struct Fixture {
    controls: Vec<Control>,
    accounts: Vec<AccountInfo>,
    coverage: Coverage,
    gaps: Vec<Gap>,
    pub(super) findings: Vec<Finding>,
}

impl Fixture {
    pub(super) fn empty() -> Self {
        Self {
            controls: Vec::new(),
            accounts: Vec::new(),
            coverage: Coverage::default(),
            gaps: Vec::new(),
            findings: Vec::new(),
        }
    }

    pub(super) fn report(&self) -> Report<'_> {
        self.report_of(&self.findings)
    }

    pub(super) fn report_of<'a>(&'a self, source: &'a dyn FindingSource) -> Report<'a> {
        let mut counts = Counts::default();
        self.findings.iter().for_each(|finding| counts.add(finding));
        Report {
            run: RunInfo {
                run_id: "20261121T020000Z".to_owned(),
                started_at: "2026-11-21T02:00:00Z".to_owned(),
                tool_version: "0.1.0".to_owned(),
                organization: "o-exampleorg1".to_owned(),
                policy_hash: "ab".repeat(32),
            },
            controls: self.controls.iter().map(|control| (control.id.clone(), control.clone())).collect(),
            frameworks: BTreeMap::from([("OWASP-CICD-SEC".to_owned(), owasp())]),
            accounts: self.accounts.iter().map(|account| (account.id.clone(), account.clone())).collect(),
            counts,
            coverage: &self.coverage,
            gaps: &self.gaps,
            findings: source,
            calls: self.coverage.totals(),
            over_time: OverTime::default(),
        }
    }

    fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
        self.findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    }
}

fn account(id: &str) -> AccountId {
    id.parse().unwrap()
}

fn region(name: &str) -> Region {
    name.parse().unwrap()
}

fn control(id: &str, title: &str, severity: Severity, type_name: TypeName, remediation: &str) -> Control {
    Control {
        id: id.to_owned(),
        title: title.to_owned(),
        severity,
        resource_type: type_name,
        remediation: remediation.to_owned(),
        frameworks: vec!["OWASP-CICD-SEC-1".to_owned(), "CIS-SSC-5.2.3".to_owned()],
    }
}

fn finding(control: &Control, compliance: ComplianceType, uid: &str, place: (&str, &str)) -> Finding {
    let resource = ResourceRef {
        uid: ResourceUid(uid.to_owned()),
        type_name: control.resource_type.clone(),
        account: account(place.0),
        region: region(place.1),
    };
    Finding {
        id: Finding::stable_id(&control.id, &resource),
        control: control.id.clone(),
        severity: control.severity,
        compliance,
        resource: resource.into(),
        evidence: BTreeMap::new(),
        gaps: Vec::new(),
        exception: None,
        owner: None,
        lifecycle: None,
    }
}

fn with_evidence(mut finding: Finding, evidence: Value) -> Finding {
    finding.evidence = serde_json::from_value(evidence).unwrap();
    finding
}

fn pipeline_arn(place: (&str, &str), name: &str) -> String {
    format!("arn:aws:codepipeline:{}:{}:{name}", place.1, place.0)
}

const TOOLING: (&str, &str) = ("111111111111", "eu-central-1");
const PAYMENTS: (&str, &str) = ("222222222222", "eu-central-1");
const PAYMENTS_WEST: (&str, &str) = ("222222222222", "eu-west-1");
const WEB: (&str, &str) = ("333333333333", "eu-central-1");
const LOST: (&str, &str) = ("555555555555", "global");

fn approval() -> Control {
    control(
        "codepipeline-production-approval-required",
        "A manual approval precedes every production deploy action",
        Severity::Critical,
        TypeName::PIPELINE,
        "Add an action of category Approval in an earlier stage, or with a smaller runOrder, before: \
         {unapprovedProductionActions}",
    )
}

fn encryption() -> Control {
    control(
        "s3-bucket-artifacts-encrypted-with-customer-key",
        "Artifact buckets are encrypted with a customer managed key",
        Severity::High,
        TypeName::BUCKET,
        "Set default encryption to aws:kms with a key of your own, and bucket keys on",
    )
}

fn pipeline_type() -> Control {
    control(
        "codepipeline-type-v2",
        "Pipelines are of type V2",
        Severity::Low,
        TypeName::PIPELINE,
        "Set PipelineType to V2",
    )
}

fn trail() -> Control {
    control(
        "cloudtrail-trail-multi-region",
        "A trail records every Region",
        Severity::Medium,
        TypeName::TRAIL,
        "Turn IsMultiRegionTrail on",
    )
}

fn gap(place: (&str, &str), action: &str, cause: GapCause, affects: Affects) -> Gap {
    let service = action.split(':').next().unwrap().to_owned();
    Gap { account: account(place.0), region: region(place.1), service, action: action.to_owned(), cause, affects }
}

fn denied(message: &str) -> GapCause {
    GapCause::AccessDenied { message: message.to_owned() }
}

/// All four results, an exception, gaps of several kinds, a skipped account and an account that could not be entered.
pub(super) fn mixed() -> Fixture {
    let mut fixture = Fixture::empty();
    fixture.controls = vec![approval(), encryption(), pipeline_type(), trail()];
    add_accounts(&mut fixture);
    add_seen(&mut fixture);
    add_unseen(&mut fixture);
    add_coverage(&mut fixture);
    fixture
}

fn add_accounts(fixture: &mut Fixture) {
    for (id, name, path) in [
        ("111111111111", "tooling", "/Infrastructure"),
        ("222222222222", "payments-prod", "/Workloads/Prod"),
        ("333333333333", "web-dev", "/Workloads/Dev"),
        ("444444444444", "old-sandbox", "/Suspended"),
        ("555555555555", "partner-landing", "/Workloads/Prod"),
    ] {
        let (name, organizational_unit_path) = (name.to_owned(), path.to_owned());
        fixture.accounts.push(AccountInfo { id: account(id), name, organizational_unit_path });
    }
}

fn add_seen(fixture: &mut Fixture) {
    let (approval, encryption, pipeline_type) = (approval(), encryption(), pipeline_type());
    let ungated =
        json!({"deploysToProduction": true, "unapprovedProductionActions": ["Deploy/ProdCluster", "Deploy/Migrate"]});
    fixture.add(with_evidence(
        finding(&approval, ComplianceType::NonCompliant, &pipeline_arn(PAYMENTS, "checkout"), PAYMENTS),
        ungated,
    ));
    for name in ["refunds", "invoices", "ledger", "mandates"] {
        let evidence = json!({"deploysToProduction": true, "unapprovedProductionActions": [format!("Release/{name}")]});
        fixture.add(with_evidence(
            finding(&approval, ComplianceType::NonCompliant, &pipeline_arn(PAYMENTS_WEST, name), PAYMENTS_WEST),
            evidence,
        ));
    }
    let gated = json!({"deploysToProduction": true, "unapprovedProductionActions": []});
    fixture.add(with_evidence(
        finding(&approval, ComplianceType::Compliant, &pipeline_arn(TOOLING, "platform"), TOOLING),
        gated,
    ));
    fixture.add(finding(&approval, ComplianceType::NotApplicable, &pipeline_arn(WEB, "site-preview"), WEB));

    let bucket = with_evidence(
        finding(&encryption, ComplianceType::NonCompliant, "arn:aws:s3:::payments-artifacts", PAYMENTS),
        json!({"encryptionKind": "none declared (SSE-S3 default)"}),
    );
    fixture.add(bucket);
    fixture.add(with_evidence(
        finding(&pipeline_type, ComplianceType::NonCompliant, &pipeline_arn(TOOLING, "platform"), TOOLING),
        json!({"pipelineType": "V1"}),
    ));
    let mut excepted = with_evidence(
        finding(&pipeline_type, ComplianceType::NonCompliant, &pipeline_arn(WEB, "site-preview"), WEB),
        json!({"pipelineType": "V1"}),
    );
    excepted.exception = Some(ExceptionRef {
        id: "web-preview-stays-v1".to_owned(),
        owner: "web-team@example.com".to_owned(),
        ticket: "SEC-481".to_owned(),
        reason: "the pipeline is retired at the end of January".to_owned(),
        expires: "2027-01-31".to_owned(),
    });
    fixture.add(excepted);
    fixture.add(finding(&pipeline_type, ComplianceType::Compliant, &pipeline_arn(PAYMENTS, "checkout"), PAYMENTS));
}

fn add_unseen(fixture: &mut Fixture) {
    let (approval, encryption, pipeline_type, trail) = (approval(), encryption(), pipeline_type(), trail());
    let denied_bucket = gap(
        WEB,
        "s3:GetEncryptionConfiguration",
        denied(
            "User: arn:aws:sts::333333333333:assumed-role/pipewarden-audit/run is not authorized to perform: s3:GetEncryptionConfiguration",
        ),
        Affects::Property {
            resource: ResourceUid("arn:aws:s3:::web-artifacts".to_owned()),
            property: "BucketEncryption".to_owned(),
        },
    );
    let mut unseen_bucket = finding(&encryption, ComplianceType::InsufficientData, "arn:aws:s3:::web-artifacts", WEB);
    unseen_bucket.gaps = vec![denied_bucket.sentence()];
    fixture.add(unseen_bucket);

    let role = gap(
        LOST,
        "sts:AssumeRole",
        GapCause::RoleNotAssumed {
            role: "arn:aws:iam::555555555555:role/pipewarden-audit".to_owned(),
            message: "not authorized to perform: sts:AssumeRole".to_owned(),
        },
        Affects::Account,
    );
    for control in [&approval, &encryption, &pipeline_type, &trail] {
        let mut unseen = finding(control, ComplianceType::InsufficientData, "arn:aws:*:*:555555555555:*", LOST);
        unseen.gaps = vec![role.sentence()];
        fixture.add(unseen);
    }
    let throttled = gap(
        PAYMENTS_WEST,
        "cloudtrail:GetTrailStatus",
        GapCause::Throttled { attempts: 5 },
        Affects::Types { types: vec![TypeName::TRAIL] },
    );
    let mut unseen_trail = finding(
        &trail,
        ComplianceType::InsufficientData,
        "arn:aws:cloudtrail:eu-west-1:222222222222:trail/audit",
        PAYMENTS_WEST,
    );
    unseen_trail.gaps = vec![throttled.sentence()];
    fixture.add(unseen_trail);

    fixture.gaps = vec![denied_bucket, role, throttled];
    fixture.gaps.sort();
}

fn add_coverage(fixture: &mut Fixture) {
    for (place, service, action, outcome, times) in [
        (TOOLING, "codepipeline", "ListPipelines", Outcome::Ok, 1),
        (TOOLING, "codepipeline", "GetPipeline", Outcome::Ok, 1),
        (PAYMENTS, "codepipeline", "GetPipeline", Outcome::Ok, 5),
        (PAYMENTS, "s3", "GetEncryptionConfiguration", Outcome::Ok, 1),
        (PAYMENTS_WEST, "cloudtrail", "GetTrailStatus", Outcome::Throttled, 1),
        (PAYMENTS_WEST, "codedeploy", "ListApplications", Outcome::Error, 1),
        (WEB, "s3", "GetEncryptionConfiguration", Outcome::Denied, 1),
        (WEB, "s3", "GetEncryptionConfiguration", Outcome::Ok, 2),
        (LOST, "sts", "AssumeRole", Outcome::Denied, 1),
    ] {
        let key = CoverageKey {
            account: account(place.0),
            region: region(place.1),
            service: service.to_owned(),
            action: action.to_owned(),
        };
        (0..times).for_each(|_| fixture.coverage.record(key.clone(), outcome));
    }
    fixture.coverage.skipped = vec![
        Skip {
            account: account("333333333333"),
            region: region("ap-south-2"),
            reason: "Region is not enabled".to_owned(),
        },
        Skip { account: account("444444444444"), region: Region::GLOBAL, reason: "account is SUSPENDED".to_owned() },
    ];
}

fn bytes_of(format: &dyn ReportFormat, report: &Report<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    format.write(report, &mut bytes).unwrap();
    bytes
}

pub(super) fn written(format: &dyn ReportFormat, report: &Report<'_>) -> String {
    String::from_utf8(bytes_of(format, report)).unwrap()
}

pub(super) fn format(name: &str) -> &'static dyn ReportFormat {
    *FORMATS.iter().find(|format| format.name() == name).unwrap()
}

pub(super) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub(super) fn assert_valid(schema: &str, document: &Value) {
    let schema: Value =
        serde_json::from_slice(&fs::read(project(&format!("reports/schema/{schema}.v1.schema.json"))).unwrap())
            .unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// The samples are made by this test: `UPDATE_SAMPLES=1 cargo test --test main report` writes them.
#[test]
fn every_format_writes_its_sample() {
    let fixture = mixed();
    for format in FORMATS {
        // A table is no sample to read by eye; `tests/tables.rs` reads it back.
        let Ok(text) = String::from_utf8(bytes_of(*format, &fixture.report())) else { continue };
        let path = project("reports/samples").join(format.file_name());
        if std::env::var_os("UPDATE_SAMPLES").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let sample = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            sample == text,
            "{} differs from what {} writes now; UPDATE_SAMPLES=1 writes it",
            path.display(),
            format.name()
        );
    }
}

#[test]
fn formats_have_names_of_their_own_and_write_the_same_bytes_twice() {
    let fixture = mixed();
    for (place, format) in FORMATS.iter().enumerate() {
        assert!(!format.about().is_empty());
        for other in FORMATS.iter().skip(place + 1) {
            assert_ne!(format.name(), other.name());
            assert_ne!(format.file_name(), other.file_name());
        }
        assert!(bytes_of(*format, &fixture.report()) == bytes_of(*format, &fixture.report()), "{}", format.name());
    }
}

#[test]
fn machine_formats_follow_their_schemas() {
    for fixture in [mixed(), hostile(), Fixture::empty()] {
        for (name, schema) in [("json", "findings"), ("coverage-json", "coverage")] {
            let document: Value = serde_json::from_str(&written(format(name), &fixture.report())).unwrap();
            assert_valid(schema, &document);
            assert_eq!(document["schemaVersion"], SCHEMA_VERSION);
        }
    }
}

#[test]
fn the_schema_refuses_what_is_no_report() {
    let mut document: Value = serde_json::from_str(&written(format("json"), &mixed().report())).unwrap();
    document["findings"][0]["compliance"] = json!("Passed");
    let schema: Value =
        serde_json::from_slice(&fs::read(project("reports/schema/findings.v1.schema.json")).unwrap()).unwrap();
    assert!(!jsonschema::validator_for(&schema).unwrap().is_valid(&document));
}

#[test]
fn json_gives_every_finding_back() {
    let fixture = mixed();
    let document: Value = serde_json::from_str(&written(format("json"), &fixture.report())).unwrap();
    let findings: Vec<Finding> = serde_json::from_value(document["findings"].clone()).unwrap();
    assert_eq!(findings, fixture.findings);
    assert_eq!(document["counts"]["byCompliance"]["NonCompliant"], 8);
    assert_eq!(document["counts"]["violations"], json!({"CRITICAL": 5, "HIGH": 1, "MEDIUM": 0, "LOW": 1}));
    assert_eq!(document["counts"]["excepted"], 1);
    let remediation = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["resource"]["uid"] == pipeline_arn(PAYMENTS, "checkout"))
        .unwrap();
    assert!(remediation["remediation"].as_str().unwrap().ends_with("before: Deploy/ProdCluster, Deploy/Migrate"));
}

#[test]
fn csv_has_a_row_per_finding_and_all_columns() {
    let fixture = mixed();
    let text = written(format("csv"), &fixture.report());
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), fixture.findings.len());
    let cell = |row: &csv::StringRecord, column: &str| {
        let place = headers.iter().position(|name| name == column).unwrap();
        row.get(place).unwrap().to_owned()
    };
    for (row, finding) in rows.iter().zip(&fixture.findings) {
        assert_eq!(cell(row, "finding_id"), finding.id);
        assert_eq!(cell(row, "compliance"), finding.compliance.as_str());
        assert_eq!(cell(row, "remediation").is_empty(), finding.compliance != ComplianceType::NonCompliant);
        assert_eq!(cell(row, "gaps").is_empty(), finding.compliance != ComplianceType::InsufficientData);
    }
    let excepted = rows.iter().find(|row| !cell(row, "exception_id").is_empty()).unwrap();
    assert_eq!(cell(excepted, "exception_expires"), "2027-01-31");
    assert_eq!(cell(excepted, "organizational_unit"), "/Workloads/Dev");
    assert_eq!(text.matches("\r\n").count(), fixture.findings.len() + 1);
}

#[test]
fn coverage_csv_counts_calls_and_names_what_was_skipped() {
    let text = written(format("coverage-csv"), &mixed().report());
    assert!(text.contains(
        "333333333333,web-dev,/Workloads/Dev,eu-central-1,s3,GetEncryptionConfiguration,denied,3,2,1,0,0,\r\n"
    ));
    assert!(text.contains("444444444444,old-sandbox,/Suspended,global,,,skipped,0,0,0,0,0,account is SUSPENDED\r\n"));
}

#[test]
fn the_summary_tells_the_worst_first_and_what_was_not_seen() {
    for name in ["terminal", "markdown"] {
        let text = written(format(name), &mixed().report());
        // Where a line breaks is not what this is about.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what:?} in {name}:\n{text}"));
        assert!(place("NOT COMPLIANT") < place("payments-prod"));
        assert!(place("7 violations (5 critical, 1 high, 1 low)") < place("payments-prod"));
        assert!(place("6 results unknown") < place("payments-prod"));
        // The account with the critical violations stands before the account with the smaller number.
        let account = place("222222222222");
        assert!(account < place("111111111111"));
        assert!(place("A manual approval precedes") < place("Artifact buckets are encrypted"));
        assert!(place("unapproved production actions: Deploy/ProdCluster, Deploy/Migrate") > account);
        assert!(place("3 more resources") > account);
        assert!(place("What could not be seen") < place("sts:AssumeRole"));
        assert!(place("sts:AssumeRole") < place("cloudtrail:GetTrailStatus"));
        place("account is SUSPENDED");
        place("14 calls: 10 ok, 2 denied, 1 throttled, 1 error");
        place("SEC-481");
        place("allow s3:GetEncryptionConfiguration to the audit role");
    }
}

#[test]
fn the_summary_says_what_changed_since_the_run_before_and_new_violations_come_first() {
    let mut fixture = mixed();
    let lifecycle = |change, first: &str| Lifecycle {
        change,
        first_observed_at: first.to_owned(),
        last_observed_at: Some("2026-11-21T02:00:00Z".to_owned()),
        last_known: None,
        was: None,
    };
    let bad =
        |finding: &&mut Finding| finding.compliance == ComplianceType::NonCompliant && finding.exception.is_none();
    let total = fixture.findings.iter_mut().filter(bad).count();
    for (number, finding) in fixture.findings.iter_mut().filter(bad).enumerate() {
        // Only the last in order is new, so that it would be the last to be shown.
        finding.lifecycle = Some(if number + 1 == total {
            lifecycle(Change::New, "2026-11-21T02:00:00Z")
        } else {
            lifecycle(Change::Unchanged, "2026-11-18T02:00:00Z")
        });
    }
    let new = fixture.findings.iter_mut().filter(bad).last().unwrap().clone();
    for name in ["terminal", "markdown"] {
        let plain = written(format(name), &fixture.report());
        assert!(!plain.contains("NEW"), "without a run before nothing is marked");
        let mut report = fixture.report();
        let mut previous = report.run.clone();
        previous.run_id = "20261120T020000Z".to_owned();
        let violations = BTreeMap::from([(Change::New, 1), (Change::Unchanged, 6), (Change::NotSeen, 2)]);
        let remediation = BTreeMap::new();
        report.over_time.comparison =
            Some(Comparison { previous, observed_at: None, violations, remediation, set_aside: 0 });
        let text = written(format(name), &report).split_whitespace().collect::<Vec<_>>().join(" ");
        let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what:?} in {name}:\n{text}"));
        place("since run 20261120T020000Z: 1 new, 0 worsened, 0 resolved, 2 not seen this time, 6 unchanged");
        assert!(place(&format!("NEW {}", new.control)) < place("Violations, worst first"));
        place("stands since 2026-11-18 (3 days)");
    }
}

#[test]
fn the_terminal_keeps_to_its_width_and_says_the_same_in_colour() {
    let fixture = mixed();
    for width in [80, 100, 120] {
        let plain = written(&Terminal::new(width, false), &fixture.report());
        for line in plain.lines() {
            assert!(line.chars().count() <= width, "{} columns: {line}", line.chars().count());
        }
        assert!(!plain.contains('\u{1b}'));
        let mut coloured = written(&Terminal::new(width, true), &fixture.report());
        for code in ["1;31", "1;33", "1;32", "1", "2", "0"] {
            coloured = coloured.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(coloured, plain);
    }
}

#[test]
fn a_report_of_nothing_never_reads_as_a_pass() {
    for name in ["terminal", "markdown"] {
        let text = written(format(name), &Fixture::empty().report());
        assert!(text.contains("NOTHING WAS JUDGED"), "{text}");
        assert!(!text.contains("✅"));
    }
    for format in FORMATS {
        let bytes = bytes_of(*format, &Fixture::empty().report());
        assert!(!bytes.is_empty(), "{}: an empty file reads as good; say at least what it is", format.name());
    }
}

#[test]
fn each_outcome_has_its_own_verdict() {
    use ComplianceType::{Compliant, InsufficientData, NonCompliant, NotApplicable};
    let verdict = |results: &[ComplianceType]| {
        let mut fixture = Fixture::empty();
        fixture.controls = vec![approval()];
        for (place, result) in results.iter().enumerate() {
            fixture.add(finding(&approval(), *result, &pipeline_arn(TOOLING, &format!("p{place}")), TOOLING));
        }
        let text = written(format("terminal"), &fixture.report());
        text.lines().last().unwrap().to_owned()
    };
    assert_eq!(verdict(&[Compliant, NotApplicable]), "COMPLIANT: 1 result is good");
    assert_eq!(verdict(&[Compliant, InsufficientData]), "NOT KNOWN: no violation was seen, but 1 result is unknown");
    assert_eq!(verdict(&[NotApplicable]), "NOTHING TO JUDGE: no control applies to what was seen");
    assert_eq!(verdict(&[NonCompliant, InsufficientData]), "NOT COMPLIANT: 1 violation (1 critical); 1 result unknown");
}

/// Names as anybody with an account may choose them.
pub(super) fn hostile() -> Fixture {
    let mut fixture = Fixture::empty();
    let mut control = approval();
    control.title = String::from("=HYPERLINK(\"https://evil.example\") | <script>");
    fixture.accounts.push(AccountInfo {
        id: account(TOOLING.0),
        name: "@SUM(1+1)\u{1b}]0;owned\u{7}\r\nfake line".to_owned(),
        organizational_unit_path: "/\u{202e}dorP".to_owned(),
    });
    for (place, name) in HOSTILE.iter().enumerate() {
        let mut finding = finding(&control, ComplianceType::NonCompliant, name, TOOLING);
        finding.id = format!("{place:032x}");
        finding.evidence.insert("unapprovedProductionActions".to_owned(), json!([name, "\u{9b}2J"]));
        fixture.add(finding);
    }
    let long = "n".repeat(10_000);
    fixture.add(finding(&control, ComplianceType::NonCompliant, &long, TOOLING));
    let mut unseen = finding(&control, ComplianceType::InsufficientData, "unseen", TOOLING);
    unseen.gaps = vec!["\u{1b}[2Ja gap that is nobody's\nsentence".to_owned()];
    fixture.add(unseen);
    fixture.coverage.skipped =
        vec![Skip { account: account(TOOLING.0), region: Region::GLOBAL, reason: "-1\u{1b}[31m".to_owned() }];
    fixture.controls = vec![control];
    fixture
}

const HOSTILE: [&str; 9] = [
    "=cmd|'/c calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "\ttab",
    "quote\"comma,new\nline\r",
    "\u{1b}[2J\u{1b}]8;;https://evil.example\u{7}click",
    "\u{202e}gnp.exe\u{2066}",
    "<img src=x onerror=alert(1)> | [a](https://evil.example) `code`",
];

#[test]
fn hostile_names_stay_text_for_people() {
    let fixture = hostile();
    for format in [format("terminal"), format("markdown")] {
        let text = written(format, &fixture.report());
        for character in text.chars().filter(|character| *character != '\n') {
            let shown = visible(character.encode_utf8(&mut [0; 4])).into_owned();
            assert_eq!(shown, character.to_string(), "{}", format.name());
        }
        assert!(!text.contains("\nfake line") && !text.contains(&"n".repeat(300)), "{text}");
    }
    let markdown = written(format("markdown"), &fixture.report());
    assert!(!markdown.contains("<img") && !markdown.contains("<script") && !markdown.contains("https://"));
}

#[test]
fn hostile_names_are_no_formulas_and_come_back_exactly() {
    let fixture = hostile();
    let text = written(format("csv"), &fixture.report());
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let resource = headers.iter().position(|name| name == "resource").unwrap();
    let mut resources = Vec::new();
    for row in reader.records().map(Result::unwrap) {
        for cell in &row {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{cell:?}");
        }
        resources.push(row.get(resource).unwrap().to_owned());
    }
    for finding in &fixture.findings {
        let uid = finding.resource.uid.as_str();
        assert!(resources.iter().any(|cell| cell == uid || *cell == format!("'{uid}")), "{uid:?}");
    }
    let document: Value = serde_json::from_str(&written(format("json"), &fixture.report())).unwrap();
    let findings: Vec<Finding> = serde_json::from_value(document["findings"].clone()).unwrap();
    assert_eq!(findings, fixture.findings);
}

#[test]
fn the_same_cause_in_many_accounts_is_one_entry() {
    let mut fixture = Fixture::empty();
    fixture.controls = vec![approval()];
    for number in 0..400_u64 {
        let id = format!("{:012}", 600_000_000_000 + number);
        let place = (id.as_str(), "global");
        let role = format!("arn:aws:iam::{id}:role/pipewarden-audit");
        let cause = GapCause::RoleNotAssumed { role, message: "no".to_owned() };
        let gap = gap(place, "sts:AssumeRole", cause, Affects::Account);
        let mut unseen = finding(&approval(), ComplianceType::InsufficientData, &format!("arn:aws:*:*:{id}:*"), place);
        unseen.gaps = vec![gap.sentence()];
        fixture.gaps.push(gap);
        fixture.add(unseen);
    }
    let text = written(format("terminal"), &fixture.report());
    assert!(text.contains("sts:AssumeRole · 400 results unknown · 400 accounts"), "{text}");
    assert!(text.contains("… and 395 more accounts in coverage.json"), "{text}");
    assert!(text.lines().count() < 40, "{text}");
}

#[test]
fn a_result_that_waits_for_two_causes_is_counted_once_for_each() {
    let mut fixture = Fixture::empty();
    fixture.controls = vec![approval()];
    let first = gap(TOOLING, "codepipeline:GetPipeline", denied("a"), Affects::Details);
    let again = gap(("111111111111", "eu-west-1"), "codepipeline:GetPipeline", denied("b"), Affects::Details);
    let other = gap(TOOLING, "codepipeline:ListTagsForResource", denied("c"), Affects::Details);
    let mut unseen = finding(&approval(), ComplianceType::InsufficientData, &pipeline_arn(TOOLING, "web"), TOOLING);
    unseen.gaps = vec![first.sentence(), again.sentence(), other.sentence()];
    fixture.add(unseen);
    fixture.gaps = vec![first, other];
    let text = written(format("terminal"), &fixture.report());
    assert!(text.contains("codepipeline:GetPipeline · 1 result unknown · 1 account"), "{text}");
    assert!(text.contains("codepipeline:ListTagsForResource · 1 result unknown · 1 account"), "{text}");
    assert!(text.contains("eu-central-1, eu-west-1 (1 unknown)"), "{text}");
}

/// A source that fails after its first finding.
struct Failing(Finding);

impl FindingSource for Failing {
    fn findings(&self) -> io::Result<FindingPass<'_>> {
        Ok(Box::new([Ok(Arc::new(self.0.clone())), Err(io::Error::other("the disk is gone"))].into_iter()))
    }
}

#[test]
fn an_error_in_the_middle_of_the_findings_is_an_error_of_the_report() {
    let fixture = mixed();
    let source = Failing(fixture.findings.first().unwrap().clone());
    for format in FORMATS.iter().filter(|format| !format.is_evidence()) {
        let error = format.write(&fixture.report_of(&source), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("the disk is gone"), "{}: {error}", format.name());
    }
}

/// A writer that is full from the start.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::StorageFull, "no space left"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_of_every_format() {
    let fixture = mixed();
    for format in FORMATS {
        assert!(format.write(&fixture.report(), &mut Full).is_err(), "{}", format.name());
    }
}
