//! Findings of two runs: every result, every change, owners, an exception, and names as anybody may choose them.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use pipewarden::finding::{
    Change, ComplianceType, Control, ExceptionRef, Finding, Framework, Gone, Lifecycle, Owner, OwnerSource,
    Requirement, ResourceRef, Severity,
};
use pipewarden::inventory::{AccountId, Coverage, CoverageKey, Outcome, Region, ResourceUid, TypeName};
use pipewarden::report::{AccountInfo, Counts, FindingPass, FindingSource, GonePass, OverTime, Report, RunInfo};
use serde_json::{Value, json};

pub(super) const STARTED: &str = "2026-11-21T02:00:00Z";
pub(super) const BEFORE: &str = "2026-11-14T02:00:00Z";

pub(super) const PAYMENTS: (&str, &str) = ("222222222222", "eu-central-1");
pub(super) const TOOLING: (&str, &str) = ("111111111111", "eu-west-1");
pub(super) const LOST: (&str, &str) = ("555555555555", "global");

/// Findings of a run and those that only the run before had, both sorted.
pub(super) struct Findings {
    pub(super) here: Vec<Finding>,
    pub(super) gone: Vec<Gone>,
}

impl FindingSource for Findings {
    fn findings(&self) -> io::Result<FindingPass<'_>> {
        Ok(Box::new(self.here.iter().map(|finding| Ok(Arc::new(finding.clone())))))
    }

    fn gone(&self) -> io::Result<GonePass<'_>> {
        Ok(Box::new(self.gone.iter().cloned().map(Ok)))
    }
}

pub(super) struct Fixture {
    pub(super) controls: Vec<Control>,
    pub(super) findings: Findings,
    pub(super) organization: String,
    coverage: Coverage,
}

impl Fixture {
    pub(super) fn empty() -> Self {
        Self {
            controls: vec![approval(), encryption(), frozen()],
            findings: Findings { here: Vec::new(), gone: Vec::new() },
            organization: "o-exampleorg1".to_owned(),
            coverage: Coverage::default(),
        }
    }

    /// As [`Self::empty`], in another partition.
    pub(super) fn in_china() -> Self {
        let mut fixture = Self::empty();
        let key = CoverageKey {
            account: account(TOOLING.0),
            region: "cn-north-1".parse().unwrap(),
            service: "s3".to_owned(),
            action: "ListBuckets".to_owned(),
        };
        fixture.coverage.record(key, Outcome::Ok);
        fixture
    }

    pub(super) fn report(&self) -> Report<'_> {
        let mut counts = Counts::default();
        self.findings.here.iter().for_each(|finding| counts.add(finding));
        let accounts = [("111111111111", "tooling", "/Infrastructure"), ("222222222222", "payments-prod", "/Prod")];
        let accounts = accounts.map(|(id, name, path)| AccountInfo {
            id: account(id),
            name: name.to_owned(),
            organizational_unit_path: path.to_owned(),
        });
        Report {
            run: RunInfo {
                run_id: "20261121T020000Z".to_owned(),
                started_at: STARTED.to_owned(),
                tool_version: "0.1.0".to_owned(),
                organization: self.organization.clone(),
                policy_hash: "ab".repeat(32),
            },
            controls: self.controls.iter().map(|control| (control.id.clone(), control.clone())).collect(),
            frameworks: BTreeMap::from([("OWASP-CICD-SEC".to_owned(), owasp())]),
            accounts: accounts.into_iter().map(|account| (account.id.clone(), account)).collect(),
            counts,
            coverage: &self.coverage,
            gaps: &[],
            findings: &self.findings,
            calls: self.coverage.totals(),
            over_time: OverTime::default(),
        }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        self.findings.here.push(finding);
        self.findings.here.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    }

    pub(super) fn add_gone(&mut self, finding: Finding, reason: &str) {
        self.findings.gone.push(Gone { finding, reason: reason.to_owned() });
        self.findings.gone.sort_by(|a, b| a.finding.sort_key().cmp(&b.finding.sort_key()));
    }
}

fn account(id: &str) -> AccountId {
    id.parse().unwrap()
}

fn owasp() -> Framework {
    Framework {
        id: "OWASP-CICD-SEC".to_owned(),
        name: "OWASP Top 10 CI/CD Security Risks".to_owned(),
        version: "2022".to_owned(),
        source: "https://owasp.org".to_owned(),
        note: String::new(),
        requirements: vec![Requirement {
            id: "OWASP-CICD-SEC-1".to_owned(),
            title: "Insufficient flow control mechanisms".to_owned(),
        }],
    }
}

fn control(id: &str, title: &str, severity: Severity, resource_type: TypeName, remediation: &str) -> Control {
    Control {
        id: id.to_owned(),
        title: title.to_owned(),
        severity,
        resource_type,
        remediation: remediation.to_owned(),
        frameworks: vec!["OWASP-CICD-SEC-1".to_owned(), "CIS-SSC-5.2.3".to_owned()],
    }
}

pub(super) fn approval() -> Control {
    let remediation = "Put an approval before {unapprovedProductionActions}";
    let title = "A manual approval precedes every production deploy action";
    control("codepipeline-approval", title, Severity::Critical, TypeName::PIPELINE, remediation)
}

pub(super) fn encryption() -> Control {
    control("s3-encrypted", "Artifact buckets are encrypted", Severity::High, TypeName::BUCKET, "Set aws:kms")
}

pub(super) fn frozen() -> Control {
    let type_name = TypeName::from("Git::Branch".to_owned());
    control("branch-protected", "Branches are protected", Severity::Low, type_name, "Protect it")
}

pub(super) fn finding(control: &Control, compliance: ComplianceType, uid: &str, place: (&str, &str)) -> Finding {
    let region: Region = place.1.parse().unwrap();
    let resource = ResourceRef {
        uid: ResourceUid(uid.to_owned()),
        type_name: control.resource_type.clone(),
        account: account(place.0),
        region,
    };
    let unseen = compliance == ComplianceType::InsufficientData;
    Finding {
        id: Finding::stable_id(&control.id, &resource),
        control: control.id.clone(),
        severity: control.severity,
        compliance,
        resource: resource.into(),
        evidence: BTreeMap::new(),
        gaps: if unseen { vec!["access denied to s3:GetBucketPolicy".to_owned()] } else { Vec::new() },
        exception: None,
        owner: None,
        lifecycle: None,
    }
}

pub(super) fn changed(mut finding: Finding, change: Change, last_known: Option<ComplianceType>) -> Finding {
    let new = change == Change::New;
    finding.lifecycle = Some(Lifecycle {
        change,
        first_observed_at: if new { STARTED } else { BEFORE }.to_owned(),
        last_observed_at: if finding.compliance == ComplianceType::InsufficientData && last_known.is_none() {
            None
        } else {
            Some(if change == Change::NotSeen { BEFORE } else { STARTED }.to_owned())
        },
        last_known,
        was: None,
    });
    finding
}

pub(super) fn with_evidence(mut finding: Finding, evidence: Value) -> Finding {
    finding.evidence = serde_json::from_value(evidence).unwrap();
    finding
}

pub(super) fn pipeline(place: (&str, &str), name: &str) -> String {
    format!("arn:aws:codepipeline:{}:{}:{name}", place.1, place.0)
}

pub(super) fn exception() -> ExceptionRef {
    ExceptionRef {
        id: "legacy-stays".to_owned(),
        owner: "web@example.com".to_owned(),
        ticket: "SEC-481".to_owned(),
        reason: "retired in January".to_owned(),
        expires: "2027-01-31".to_owned(),
    }
}

/// One finding for each way in which it can stand; its name is its way.
pub(super) fn mixed() -> Fixture {
    use ComplianceType::{Compliant, InsufficientData, NonCompliant, NotApplicable};
    let mut fixture = Fixture::empty();
    let approval = approval();
    let on = |compliance, name: &str| finding(&approval, compliance, &pipeline(PAYMENTS, name), PAYMENTS);
    let ungated =
        json!({"deploysToProduction": true, "unapprovedProductionActions": ["Deploy/Prod", "Deploy/Migrate"]});
    let mut new = with_evidence(changed(on(NonCompliant, "new"), Change::New, None), ungated.clone());
    new.owner =
        Some(Owner { name: "team-payments".to_owned(), source: OwnerSource::ResourceTag { key: "owner".to_owned() } });
    fixture.add(new);
    fixture.add(with_evidence(changed(on(NonCompliant, "known"), Change::Unchanged, None), ungated.clone()));
    fixture.add(with_evidence(on(NonCompliant, "never-compared"), ungated));
    let mut excepted = changed(on(NonCompliant, "excepted"), Change::Improved, None);
    excepted.exception = Some(exception());
    fixture.add(excepted);
    fixture.add(changed(on(InsufficientData, "lost-sight"), Change::NotSeen, Some(NonCompliant)));
    fixture.add(changed(on(InsufficientData, "never-seen"), Change::Unchanged, None));
    fixture.add(changed(on(Compliant, "good"), Change::Unchanged, None));
    fixture.add(changed(on(Compliant, "mended"), Change::Resolved, None));
    fixture.add(changed(on(NotApplicable, "staging"), Change::Unchanged, None));
    fixture.add(changed(on(NotApplicable, "became-staging"), Change::Resolved, None));
    fixture.add_gone(changed(on(NonCompliant, "deleted"), Change::Resolved, None), "the resource is gone");
    fixture.add_gone(changed(on(NonCompliant, "hidden"), Change::NotSeen, None), "the account could not be entered");
    fixture.add_gone(changed(on(NotApplicable, "deleted-staging"), Change::Resolved, None), "the resource is gone");
    fixture.add(finding(&encryption(), InsufficientData, "arn:aws:iam::555555555555:root", LOST));
    fixture.add(finding(&frozen(), NonCompliant, "https://github.com/acme/web/refs/heads/main", TOOLING));
    fixture.add(finding(&encryption(), NonCompliant, "arn:aws:s3:::tooling-artifacts", TOOLING));
    fixture
}

/// Everything that is too long, too many, or not what it seems.
pub(super) fn hostile() -> Fixture {
    let mut fixture = Fixture::empty();
    let mut control = approval();
    control.title = format!("<script>alert(1)</script>\r\n{}\u{0}\u{1b}[2J\u{fffe}", "t".repeat(400));
    control.remediation = "\"'&<>]]>\u{202e}\u{b}".repeat(200);
    control.frameworks = (0..40).map(|number| format!("OWASP-CICD-SEC-{number}-{}", "r".repeat(70))).collect();
    for (place, name) in ["a\nb", "]]><x/>", "\u{1f600}\u{ffff}\u{1}", "\"quoted\\\"", " "].into_iter().enumerate() {
        let mut one = finding(&control, ComplianceType::NonCompliant, name, TOOLING);
        one.id = format!("{place:032x}");
        one.evidence = (0..80).map(|fact| (format!("fact{fact}"), json!("\u{1f600}\"\\\u{7}".repeat(900)))).collect();
        one.owner = Some(Owner {
            name: "=cmd|'/c calc'!A0\n".repeat(90),
            source: OwnerSource::AccountTag { key: "o\u{202e}wner".to_owned() },
        });
        fixture.add(changed(one, Change::New, None));
    }
    let long = format!("arn:aws:codepipeline:eu-west-1:111111111111:{}", "n".repeat(10_000));
    let mut unseen = finding(&control, ComplianceType::InsufficientData, &long, TOOLING);
    unseen.gaps = (0..30).map(|gap| format!("gap {gap}\u{1b}[31m {}", "\u{1f600}".repeat(3000))).collect();
    fixture.add(unseen);
    let mut excepted = finding(&control, ComplianceType::NonCompliant, "excepted", TOOLING);
    let mut by = exception();
    by.reason = "\u{9b}31m<b>".repeat(500);
    excepted.exception = Some(by);
    fixture.add(excepted);
    fixture.controls[0] = control;
    fixture
}
