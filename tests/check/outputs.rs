//! Every output of a check, on the same mixed outcomes, on nothing, and on names that want to be more than names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pipewarden::finding::{
    Alternative, Blind, ComplianceType, Control, ExceptionRef, Finding, Related, Removal, ResourceRef, Severity,
    SourcePlace, TemplateChange, TemplateFinding,
};
use pipewarden::inventory::{Position, Region, ResourceUid, Span, TypeName};
use pipewarden::report::check::{
    CHECK_FORMATS, CheckFormat, CheckReport, CheckTerminal, CheckedFile, Fix, Notice, Roots, UnreadableFile,
};
use pipewarden::report::visible;
use serde_json::{Value, json};

const WEB: &str = "infra/web.yaml";
const PLAN: &str = "plan.json";
const CDK: &str = "cdk.out/Shop.template.json";

const WEB_TEXT: &str = "\
Resources:
  Artifacts:
    Type: AWS::S3::Bucket
  Pipeline:
    Type: AWS::CodePipeline::Pipeline
    Properties:
      Stages:
        - Name: Prod
          Actions:
            - Name: Deploy
              RunOrder: 1
            - Name: Approve
              RunOrder: 2
  Build:
    Type: AWS::CodeBuild::Project
    Properties:
      Environment:
        EnvironmentVariables:
          - {Name: DB_PASSWORD, Value: hunter2, Type: PLAINTEXT}
";

fn place(file: &str, line: u32, from: u32, to: u32) -> SourcePlace {
    let at = |column| Position { line, column };
    SourcePlace { file: file.into(), span: Span { start: at(from), end: at(to) } }
}

fn control(id: &str, title: &str, severity: Severity, resource_type: TypeName, remediation: &str) -> Control {
    let frameworks = vec!["OWASP-CICD-SEC-1".to_owned(), "CIS-SSC-5.2.3".to_owned()];
    let (id, title, remediation) = (id.to_owned(), title.to_owned(), remediation.to_owned());
    Control { id, title, severity, resource_type, remediation, frameworks }
}

fn controls() -> Vec<Control> {
    vec![
        control(
            "codepipeline-production-approval-required",
            "A manual approval precedes every production deploying action",
            Severity::Critical,
            TypeName::PIPELINE,
            "Add a manual approval before: {unapprovedProductionActions}.",
        ),
        control(
            "codebuild-no-plaintext-secrets",
            "Environment variables hold no secret in plaintext",
            Severity::Critical,
            TypeName::PROJECT,
            "Store the values in Secrets Manager: {plaintextSecretVariables}.",
        ),
        control("codepipeline-type-v2", "The pipeline is of type V2", Severity::Low, TypeName::PIPELINE, "Make it V2."),
        control(
            "s3-artifact-bucket-versioning",
            "Artifact buckets keep old versions",
            Severity::Medium,
            TypeName::BUCKET,
            "Enable versioning (now: {versioning}).",
        ),
        control(
            "codebuild-project-in-use",
            "The project has been built lately",
            Severity::Medium,
            TypeName::PROJECT,
            "Delete it.",
        ),
    ]
}

fn finding(control: &str, compliance: ComplianceType, logical_id: &str, place: SourcePlace) -> TemplateFinding {
    let known = controls();
    let control = known.iter().find(|one| one.id == control).unwrap();
    let resource = Arc::new(ResourceRef {
        uid: ResourceUid(format!("{}#{logical_id}", place.file)),
        type_name: control.resource_type.clone(),
        account: "000000000000".parse().unwrap(),
        region: Region::GLOBAL,
    });
    TemplateFinding {
        fingerprint: TemplateFinding::fingerprint_of(&control.id, logical_id, ""),
        finding: Finding {
            id: Finding::stable_id(&control.id, &resource),
            control: control.id.clone(),
            severity: control.severity,
            compliance,
            resource,
            evidence: BTreeMap::new(),
            gaps: Vec::new(),
            exception: None,
            owner: None,
            lifecycle: None,
        },
        logical_id: logical_id.to_owned(),
        construct_path: None,
        place,
        related: Vec::new(),
        property_path: String::new(),
        alternatives: Vec::new(),
        blind: None,
        change: TemplateChange::New,
    }
}

fn undecided(control: &str, logical_id: &str, place: SourcePlace, blind: Blind, gap: &str) -> TemplateFinding {
    let mut finding = finding(control, ComplianceType::InsufficientData, logical_id, place);
    finding.blind = Some(blind);
    finding.finding.gaps = vec![gap.to_owned()];
    finding
}

fn report(mut findings: Vec<TemplateFinding>) -> CheckReport {
    findings.sort_by(|a, b| a.order().cmp(&b.order()));
    let fix = Fix {
        rationale: "Whoever can push can deploy.".to_owned(),
        cloudformation: "- Name: Approve\n  Actions: []".to_owned(),
        terraform: "stage {\n  name = \"Approve\"\n}".to_owned(),
    };
    CheckReport {
        tool_version: "0.0.0".to_owned(),
        policy_hash: "ab".repeat(32),
        controls: controls().into_iter().map(|one| (one.id.clone(), one)).collect(),
        frameworks: BTreeMap::new(),
        fixes: BTreeMap::from([("codepipeline-production-approval-required".to_owned(), fix)]),
        findings,
        files: Vec::new(),
        ignored: 0,
        unreadable: Vec::new(),
        notices: Vec::new(),
        removed: Vec::new(),
        resolved: Vec::new(),
        sources: BTreeMap::new(),
        fail_on: Some(Severity::Low),
        fail_on_gaps: false,
        compared: false,
        roots: Roots { repository: "/home/me/shop".to_owned(), current: "/home/me/shop".to_owned() },
    }
}

fn mixed_findings() -> Vec<TemplateFinding> {
    use ComplianceType::{Compliant, NonCompliant, NotApplicable};
    let mut approval =
        finding("codepipeline-production-approval-required", NonCompliant, "Pipeline", place(WEB, 10, 15, 27));
    "Stages/Prod/Deploy".clone_into(&mut approval.property_path);
    approval.finding.evidence.insert("unapprovedProductionActions".to_owned(), json!(["Prod/Deploy"]));
    let message = "the nearest approval comes after it".to_owned();
    approval.related.push(Related { place: place(WEB, 12, 15, 28), message });
    let mut secret = finding("codebuild-no-plaintext-secrets", NonCompliant, "Build", place(WEB, 19, 38, 45));
    secret.finding.evidence.insert("plaintextSecretVariables".to_owned(), json!(["DB_PASSWORD"]));
    let mut versioning = finding("s3-artifact-bucket-versioning", NonCompliant, "Artifacts", place(WEB, 2, 3, 12));
    versioning.finding.evidence.insert("versioning".to_owned(), json!("Off"));
    versioning.change = TemplateChange::Worsened;
    let mut known = finding("codepipeline-type-v2", NonCompliant, "Pipeline", place(WEB, 4, 3, 11));
    known.change = TemplateChange::Known;
    let mut planned = finding(
        "codepipeline-production-approval-required",
        NonCompliant,
        "aws_codepipeline.web",
        place(PLAN, 1, 2, 5),
    );
    planned.finding.evidence.insert("unapprovedProductionActions".to_owned(), json!(["Live/Apply"]));
    let mut cdk = finding("codepipeline-type-v2", NonCompliant, "PipelineC660917D", place(CDK, 3, 5, 9));
    cdk.construct_path = Some("Shop/Pipeline/Resource".to_owned());
    let mut excepted = finding("s3-artifact-bucket-versioning", NonCompliant, "Cache", place(WEB, 2, 3, 12));
    excepted.finding.exception = Some(ExceptionRef {
        id: "cache-is-scratch".to_owned(),
        owner: "web-team@example.com".to_owned(),
        ticket: "SEC-481".to_owned(),
        reason: "the cache can be lost".to_owned(),
        expires: "2027-01-31".to_owned(),
    });
    let mut flips = undecided(
        "codepipeline-production-approval-required",
        "Optional",
        place(WEB, 4, 3, 11),
        Blind::Unresolved,
        "it is NonCompliant when PipelineApprovalStage=No",
    );
    let alternative = |value: &str, default, compliance| Alternative {
        when: format!("PipelineApprovalStage={value}"),
        default,
        compliance,
    };
    flips.alternatives = vec![alternative("No", true, NonCompliant), alternative("Yes", false, Compliant)];
    let open = "infra/web.yaml:2:3: `ArtifactBucketName` has no value before it is deployed; pass it with --parameter";
    vec![
        approval,
        secret,
        versioning,
        known,
        planned,
        cdk,
        excepted,
        flips,
        undecided("s3-artifact-bucket-versioning", "A", place(WEB, 2, 3, 12), Blind::Unresolved, open),
        undecided("codepipeline-type-v2", "B", place(WEB, 4, 3, 11), Blind::Unresolved, open),
        undecided(
            "codebuild-project-in-use",
            "Build",
            place(WEB, 14, 3, 8),
            Blind::OnlyDeployed,
            "builds are not known",
        ),
        finding("codepipeline-type-v2", Compliant, "Good", place(WEB, 4, 3, 11)),
        finding("codebuild-no-plaintext-secrets", NotApplicable, "Empty", place(WEB, 14, 3, 8)),
    ]
}

fn mixed() -> CheckReport {
    let mut report = report(mixed_findings());
    let file =
        |file: &str, format: &str, resources| CheckedFile { file: file.into(), format: format.to_owned(), resources };
    report.files = vec![file(CDK, "CDK", 1), file(WEB, "CloudFormation", 6), file(PLAN, "Terraform plan", 1)];
    report.files.sort();
    report.ignored = 12;
    report.sources = BTreeMap::from([
        (Arc::from(WEB), Arc::from(WEB_TEXT)),
        (Arc::from(PLAN), Arc::from("{\"resource_changes\": []}")),
        (Arc::from(CDK), Arc::from("{\n \"Resources\": {\n    \"PipelineC660917D\": {}\n")),
    ]);
    report.unreadable = vec![UnreadableFile {
        file: "infra/broken.yaml".into(),
        at: Some(Position { line: 7, column: 2 }),
        message: "a list ends that never began".to_owned(),
    }];
    report.notices =
        vec![Notice { place: place(WEB, 3, 5, 9), message: "the key `Type` stands here again".to_owned() }];
    report.removed =
        vec![Removal { what: "approval Gate/Approve of pipeline Web".to_owned(), place: place(WEB, 4, 3, 11) }];
    report.resolved = vec![finding("codepipeline-type-v2", ComplianceType::NonCompliant, "Old", place(WEB, 4, 3, 11))];
    report.compared = true;
    report
}

const HOSTILE: &str =
    "n\"'<script>alert(1)</script>\n::error::x\r%0A::error::y]]>\u{1b}[31m\u{202e}\u{0}\u{ffff}😀 | `a` [b](c) @team";

fn hostile() -> CheckReport {
    let file = format!("we\"ird <b>,{HOSTILE}.yaml");
    let mut one = finding(
        "codepipeline-production-approval-required",
        ComplianceType::NonCompliant,
        HOSTILE,
        place(&file, 1, 1, 40),
    );
    one.finding.evidence.insert("unapprovedProductionActions".to_owned(), json!([HOSTILE, HOSTILE]));
    one.related = vec![Related { place: place(&file, 2, 1, 4), message: HOSTILE.to_owned() }];
    one.construct_path = Some(HOSTILE.to_owned());
    HOSTILE.clone_into(&mut one.property_path);
    let mut plain = finding("codepipeline-type-v2", ComplianceType::NonCompliant, HOSTILE, place(&file, 1, 1, 40));
    plain.finding.exception = Some(ExceptionRef {
        id: HOSTILE.to_owned(),
        owner: HOSTILE.to_owned(),
        ticket: HOSTILE.to_owned(),
        reason: HOSTILE.to_owned(),
        expires: "2027-01-31".to_owned(),
    });
    let mut open =
        undecided("s3-artifact-bucket-versioning", HOSTILE, place(&file, 1, 1, 9), Blind::Unresolved, HOSTILE);
    open.alternatives =
        vec![Alternative { when: HOSTILE.to_owned(), default: true, compliance: ComplianceType::NonCompliant }];
    let mut report = report(vec![one, plain, open]);
    report.files = vec![CheckedFile { file: file.as_str().into(), format: "CloudFormation".to_owned(), resources: 3 }];
    report.sources = BTreeMap::from([(Arc::from(file.as_str()), Arc::from(HOSTILE))]);
    report.unreadable = vec![UnreadableFile { file: HOSTILE.into(), at: None, message: HOSTILE.to_owned() }];
    report.notices = vec![Notice { place: place(&file, 1, 1, 2), message: HOSTILE.to_owned() }];
    report.removed = vec![Removal { what: HOSTILE.to_owned(), place: place(&file, 1, 1, 2) }];
    report
}

fn written(format: &dyn CheckFormat, report: &CheckReport) -> String {
    let mut bytes = Vec::new();
    format.write(report, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn named(name: &str) -> &'static dyn CheckFormat {
    *CHECK_FORMATS.iter().find(|format| format.name() == name).unwrap()
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn assert_valid(schema: &str, document: &Value) {
    let mut schema: Value = serde_json::from_slice(&fs::read(project(schema)).unwrap()).unwrap();
    for of in ["run", "toolComponent"] {
        // SARIF's pattern of languages has a bracket that closes nothing, which not every engine takes.
        if let Some(Value::Object(language)) = schema.pointer_mut(&format!("/definitions/{of}/properties/language")) {
            language.remove("pattern");
        }
    }
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// The samples are made by this test: `UPDATE_SAMPLES=1 cargo test --test main check::outputs` writes them.
#[test]
fn every_output_writes_its_sample() {
    let report = mixed();
    let mut old = Vec::new();
    for (format, file) in [
        ("terminal", "check.txt"),
        ("sarif", "check.sarif"),
        ("github", "check.github.txt"),
        ("markdown", "check.md"),
        ("gitlab", "check.gitlab.json"),
        ("junit", "check.junit.xml"),
        ("json", "check.json"),
    ] {
        let mut text = written(named(format), &report);
        if format == "sarif" {
            // One line is right for machines, and nothing to compare by eye.
            let log: Value = serde_json::from_str(&text).unwrap();
            text = format!("{}\n", serde_json::to_string_pretty(&log).unwrap());
        }
        let path = project("reports/samples").join(file);
        if std::env::var_os("UPDATE_SAMPLES").is_some() {
            fs::write(&path, &text).unwrap();
        }
        if fs::read_to_string(&path).unwrap_or_default() != text {
            old.push(path);
        }
    }
    assert!(old.is_empty(), "these differ from what is written now; UPDATE_SAMPLES=1 writes them: {old:?}");
}

#[test]
fn outputs_have_names_of_their_own_and_write_the_same_bytes_twice() {
    let report = mixed();
    for (place, format) in CHECK_FORMATS.iter().enumerate() {
        assert!(!format.about().is_empty());
        assert!(CHECK_FORMATS.iter().skip(place + 1).all(|other| other.name() != format.name()));
        assert_eq!(written(*format, &report), written(*format, &report), "{}", format.name());
    }
}

#[test]
fn machine_outputs_follow_their_schemas() {
    for report in [mixed(), hostile(), report(Vec::new())] {
        let json: Value = serde_json::from_str(&written(named("json"), &report)).unwrap();
        assert_valid("reports/schema/check.v1.schema.json", &json);
        let sarif: Value = serde_json::from_str(&written(named("sarif"), &report)).unwrap();
        assert_valid("tests/fixtures/third-party/sarif-schema-2.1.0.json", &sarif);
        let gitlab: Value = serde_json::from_str(&written(named("gitlab"), &report)).unwrap();
        for issue in gitlab.as_array().unwrap() {
            assert!(["info", "minor", "major", "critical", "blocker"].contains(&issue["severity"].as_str().unwrap()));
            assert!(issue["location"]["lines"]["begin"].as_u64().unwrap() > 0, "{issue}");
        }
    }
    let mut json: Value = serde_json::from_str(&written(named("json"), &mixed())).unwrap();
    json["findings"][0]["change"] = json!("better");
    let schema: Value =
        serde_json::from_slice(&fs::read(project("reports/schema/check.v1.schema.json")).unwrap()).unwrap();
    assert!(!jsonschema::validator_for(&schema).unwrap().is_valid(&json));
}

#[test]
fn no_output_shows_a_secret() {
    for format in CHECK_FORMATS {
        let text = written(*format, &mixed());
        assert!(!text.contains("hunter2"), "{}: {text}", format.name());
        assert!(text.replace('\\', "").contains("DB_PASSWORD"), "{}: the variable is not named", format.name());
    }
    let text = written(named("terminal"), &mixed());
    assert!(text.contains("{Name: [redacted]"), "{text}");
}

#[test]
fn names_stay_names_in_every_output() {
    for format in CHECK_FORMATS {
        let text = written(*format, &hostile());
        // JSON writes out control characters by itself, and programs need names as they are.
        let json = ["json", "sarif", "gitlab"].contains(&format.name());
        let alive = text.chars().find(|c| *c != '\n' && (c.is_control() || !json && *c == '\u{202e}'));
        assert_eq!(alive, None, "{}: {text}", format.name());
    }
    let github = written(named("github"), &hostile());
    for line in github.lines() {
        let command = line.strip_prefix("::").and_then(|rest| rest.split_once(' ')).unwrap().0;
        assert!(["error", "warning", "notice"].contains(&command), "{line}");
        let (properties, _) = line[2..].split_once("::").unwrap();
        assert_eq!(properties.matches("file=").count(), properties.matches(",title=").count(), "{line}");
    }
    let markdown = written(named("markdown"), &hostile());
    for live in ["<script", " @team", "[b](c)", "`a`", "\n::error"] {
        assert!(!markdown.contains(live), "{live:?} in {markdown}");
    }
    let terminal = written(named("terminal"), &hostile());
    assert!(terminal.contains("\\u{1b}[31m\\u{202e}"), "{terminal}");
}

#[test]
fn junit_is_well_formed_and_counts_what_it_holds() {
    for report in [mixed(), hostile(), report(Vec::new())] {
        let text = written(named("junit"), &report);
        let mut reader = quick_xml::Reader::from_str(&text);
        reader.config_mut().check_end_names = true;
        let (mut cases, mut failures) = (0, 0);
        loop {
            match reader.read_event().unwrap() {
                quick_xml::events::Event::Start(start) | quick_xml::events::Event::Empty(start) => {
                    start.attributes().for_each(|attribute| drop(attribute.unwrap()));
                    cases += usize::from(start.name().as_ref() == "testcase");
                    failures += usize::from(start.name().as_ref() == "failure");
                }
                quick_xml::events::Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(cases, report.findings.len() + report.unreadable.len());
        assert!(text.contains(&format!("tests=\"{cases}\" failures=\"{failures}\"")), "{text}");
        assert!(!text.contains('\u{ffff}'));
    }
}

#[test]
fn sarif_says_what_code_scanning_reads() {
    let log: Value = serde_json::from_str(&written(named("sarif"), &mixed())).unwrap();
    let run = &log["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 10, "violations and open questions, neither good ones nor what only deployment shows");
    let of = |resource: &str, kind: &str| {
        let found = results
            .iter()
            .find(|one| one["kind"] == kind && one["locations"][0]["logicalLocations"][0]["name"] == resource);
        found.unwrap_or_else(|| panic!("{resource} {kind}"))
    };
    let approval = of("Pipeline", "fail");
    assert_eq!(approval["level"], "error");
    assert_eq!(
        approval["locations"][0]["physicalLocation"]["artifactLocation"],
        json!({"uri": WEB, "uriBaseId": "%SRCROOT%"})
    );
    assert_eq!(approval["locations"][0]["physicalLocation"]["region"]["startLine"], 10);
    assert_eq!(approval["relatedLocations"][0]["physicalLocation"]["region"]["startLine"], 12);
    assert_eq!(approval["baselineState"], "new");
    assert_eq!(of("Artifacts", "fail")["baselineState"], "updated");
    assert_eq!(of("Cache", "fail")["suppressions"][0]["kind"], "external");
    assert_eq!(
        of("PipelineC660917D", "fail")["locations"][0]["logicalLocations"][1]["fullyQualifiedName"],
        "Shop/Pipeline/Resource"
    );
    assert!(of("Optional", "review")["message"]["text"].as_str().unwrap().contains("PipelineApprovalStage=Yes"));
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    let uri = &serde_json::from_str::<Value>(&written(named("sarif"), &hostile())).unwrap()["runs"][0]["results"][0]["locations"]
        [0]["physicalLocation"]["artifactLocation"]["uri"];
    assert!(uri.as_str().unwrap().starts_with("we%22ird%20%3Cb%3E,n%22'%3Cscript%3E"), "{uri}");
}

#[test]
fn annotations_of_generated_files_name_the_construct_and_no_line() {
    let text = written(named("github"), &mixed());
    let line = |word: &str| text.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{word}: {text}"));
    assert!(
        line("Prod/Deploy").starts_with("::error file=infra/web.yaml,line=10,endLine=10,col=15,endColumn=27,"),
        "{text}"
    );
    for (generated, place) in
        [("Shop/Pipeline/Resource", "(cdk.out/Shop.template.json:3:5)"), ("Live/Apply", "(plan.json:1:2)")]
    {
        assert!(!line(generated).contains("line=") && line(generated).ends_with(place), "{text}");
    }
}

#[test]
fn the_terminal_shows_line_caret_fragment_and_both_answers() {
    let text = written(&CheckTerminal::new(100, false), &mixed());
    for part in [
        "This change removes",
        "infra/web.yaml:10:15 · Pipeline (AWS::CodePipeline::Pipeline)",
        "10 |             - Name: Deploy",
        "the nearest approval comes after it",
        "codepipeline-production-approval-required at Stages/Prod/Deploy",
        "Add a manual approval before: Prod/Deploy.",
        "Known before this change, the worst LOW: 1 violation",
        "NonCompliant when PipelineApprovalStage=No (the default); Compliant",
        "2 answers, the worst MEDIUM: infra/web.yaml:2:3: `ArtifactBucketName` has no value",
        "1 answer needs the deployed account",
        "cannot be read: infra/broken.yaml:7:2: a list ends that never began",
        "NO VERDICT: 1 file could not be read",
    ] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    assert!(text.find("This change removes") < text.find("infra/web.yaml:10:15"));
    assert!(!text.contains("stage {"), "the plan comes second, and the fragment was shown for the template");
    assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
    let colored = written(&CheckTerminal::new(100, true), &hostile());
    assert!(colored.contains("\u{1b}[1;31m") && visible(&colored).contains("\\u{1b}[0m"));
}

#[test]
fn thousands_of_findings_are_all_written() {
    let line = "  Pipeline: {Type: AWS::CodePipeline::Pipeline}\n".repeat(500);
    let mut findings = Vec::new();
    let mut sources = BTreeMap::new();
    let mut files = Vec::new();
    for file in 0..10 {
        let name = format!("infra/{file}.yaml");
        for number in 1..=500 {
            let at = place(&name, number, 3, 11);
            findings.push(finding("codepipeline-type-v2", ComplianceType::NonCompliant, &format!("P{number}"), at));
        }
        sources.insert(Arc::from(name.as_str()), Arc::from(line.as_str()));
        files.push(CheckedFile { file: name.into(), format: "CloudFormation".to_owned(), resources: 500 });
    }
    let mut report = report(findings);
    report.sources = sources;
    report.files = files;
    for format in CHECK_FORMATS.iter().filter(|format| ["sarif", "gitlab", "junit", "json"].contains(&format.name())) {
        let text = written(*format, &report);
        for (file, last) in [("infra/0.yaml", "P1"), ("infra/9.yaml", "P500")] {
            assert!(text.contains(file) && text.contains(last), "{}: {file} {last}", format.name());
        }
    }
}
