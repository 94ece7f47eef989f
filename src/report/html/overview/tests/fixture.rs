//! Reports of runs of every kind.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::finding::{
    Change, ComplianceType, Control, ExceptionRef, Finding, Framework, Gone, Lifecycle, Owner, OwnerSource,
    Requirement, ResourceRef, Severity,
};
use crate::inventory::{
    AccountId, Affects, CallCounts, Coverage, CoverageKey, Gap, GapCause, Outcome, Region, ResourceUid, Skip, TypeName,
};
use crate::report::{
    AccountInfo, Comparison, Counts, FindingPass, FindingSource, GonePass, OverTime, Remediation, Report, RunInfo,
    TrendPoint,
};

pub(super) struct Fixture {
    pub(super) run: RunInfo,
    pub(super) controls: Vec<Control>,
    pub(super) frameworks: Vec<Framework>,
    pub(super) accounts: Vec<AccountInfo>,
    pub(super) coverage: Coverage,
    pub(super) gaps: Vec<Gap>,
    pub(super) findings: Vec<Finding>,
    pub(super) gone: Vec<Gone>,
    pub(super) over_time: OverTime,
}

impl Default for Fixture {
    fn default() -> Self {
        Self {
            run: run("2026-11-21"),
            controls: Vec::new(),
            frameworks: Vec::new(),
            accounts: Vec::new(),
            coverage: Coverage::default(),
            gaps: Vec::new(),
            findings: Vec::new(),
            gone: Vec::new(),
            over_time: OverTime::default(),
        }
    }
}

impl FindingSource for Fixture {
    fn findings(&self) -> io::Result<FindingPass<'_>> {
        Ok(Box::new(self.findings.iter().map(|finding| Ok(Arc::new(finding.clone())))))
    }

    fn gone(&self) -> io::Result<GonePass<'_>> {
        Ok(Box::new(self.gone.iter().map(|gone| Ok(gone.clone()))))
    }
}

fn run(day: &str) -> RunInfo {
    RunInfo {
        run_id: format!("{}T020000Z", day.replace('-', "")),
        started_at: format!("{day}T02:00:00Z"),
        tool_version: "0.1.0".to_owned(),
        organization: "o-exampleorg1".to_owned(),
        policy_hash: "ab".repeat(32),
    }
}

fn account_id(id: &str) -> AccountId {
    id.parse().unwrap()
}

fn control(id: &str, title: &str, severity: Severity, type_name: TypeName, remediation: &str) -> Control {
    Control {
        id: id.to_owned(),
        title: title.to_owned(),
        severity,
        resource_type: type_name,
        remediation: remediation.to_owned(),
        frameworks: vec!["OWASP-CICD-SEC-1".to_owned()],
    }
}

fn controls() -> Vec<Control> {
    vec![
        control(
            "codepipeline-production-approval-required",
            "A manual approval precedes every production deploy action",
            Severity::Critical,
            TypeName::PIPELINE,
            "Add an action of category Approval before: {unapprovedProductionActions}",
        ),
        control(
            "s3-bucket-artifacts-encrypted-with-customer-key",
            "Artifact buckets are encrypted with a customer managed key",
            Severity::High,
            TypeName::BUCKET,
            "Set default encryption to aws:kms with a key of your own, and bucket keys on",
        ),
        control(
            "cloudtrail-trail-multi-region",
            "A trail records every Region",
            Severity::Medium,
            TypeName::TRAIL,
            "Turn IsMultiRegionTrail on",
        ),
        control(
            "codepipeline-type-v2",
            "Pipelines are of type V2",
            Severity::Low,
            TypeName::PIPELINE,
            "Set PipelineType to V2",
        ),
    ]
}

fn owasp() -> Framework {
    let requirement =
        |number: u8, title: &str| Requirement { id: format!("OWASP-CICD-SEC-{number}"), title: title.to_owned() };
    Framework {
        id: "OWASP-CICD-SEC".to_owned(),
        name: "OWASP Top 10 CI/CD Security Risks".to_owned(),
        version: "2022".to_owned(),
        source: "https://owasp.org".to_owned(),
        note: "Two of the ten.".to_owned(),
        requirements: vec![
            requirement(1, "Insufficient flow control mechanisms"),
            requirement(10, "Insufficient logging"),
        ],
    }
}

fn lifecycle(change: Change, since: &str) -> Lifecycle {
    Lifecycle {
        change,
        first_observed_at: format!("{since}T02:00:00Z"),
        last_observed_at: Some("2026-11-21T02:00:00Z".to_owned()),
        last_known: None,
        was: None,
    }
}

impl Fixture {
    pub(super) fn report(&self) -> Report<'_> {
        let mut counts = Counts::default();
        self.findings.iter().for_each(|finding| counts.add(finding));
        Report {
            run: self.run.clone(),
            controls: self.controls.iter().map(|control| (control.id.clone(), control.clone())).collect(),
            frameworks: self.frameworks.iter().map(|one| (one.id.clone(), one.clone())).collect(),
            accounts: self.accounts.iter().map(|account| (account.id.clone(), account.clone())).collect(),
            counts,
            coverage: &self.coverage,
            gaps: &self.gaps,
            findings: self,
            calls: self.coverage.totals(),
            over_time: self.over_time.clone(),
        }
    }

    pub(super) fn page(&self) -> String {
        let mut out = Vec::new();
        super::super::write(&self.report(), &mut out, &mut |_| ()).unwrap();
        String::from_utf8(out).unwrap()
    }

    pub(super) fn account(&mut self, id: &str, name: &str, unit: &str) {
        let (name, organizational_unit_path) = (name.to_owned(), unit.to_owned());
        self.accounts.push(AccountInfo { id: account_id(id), name, organizational_unit_path });
    }

    /// An account all of whose calls were answered.
    fn seen(&mut self, id: &str, name: &str, unit: &str) {
        self.account(id, name, unit);
        for service in ["codepipeline", "s3", "cloudtrail"] {
            let key = CoverageKey {
                account: account_id(id),
                region: "eu-west-1".parse().unwrap(),
                service: service.to_owned(),
                action: "List".to_owned(),
            };
            self.coverage.add(key, CallCounts { ok: 12, ..CallCounts::default() });
        }
    }

    pub(super) fn skip(&mut self, id: &str, reason: &str) {
        self.coverage.skipped.push(Skip { account: account_id(id), region: Region::GLOBAL, reason: reason.to_owned() });
    }

    /// A call that was denied, with its gap.
    pub(super) fn refuse(&mut self, id: &str, region: &str, service: &str, action: &str) {
        let cause = if action == "sts:AssumeRole" {
            GapCause::RoleNotAssumed {
                role: format!("arn:aws:iam::{id}:role/audit"),
                message: "not authorized".to_owned(),
            }
        } else {
            GapCause::AccessDenied { message: "not authorized".to_owned() }
        };
        self.gaps.push(Gap {
            account: account_id(id),
            region: region.parse().unwrap(),
            service: service.to_owned(),
            action: action.to_owned(),
            cause,
            affects: Affects::Details,
        });
        let key = CoverageKey {
            account: account_id(id),
            region: region.parse().unwrap(),
            service: service.to_owned(),
            action: action.rsplit(':').next().unwrap().to_owned(),
        };
        self.coverage.record(key, Outcome::Denied);
    }

    fn add(&mut self, control: usize, compliance: ComplianceType, account: &str, name: &str) -> &mut Finding {
        let control = &self.controls[control];
        let resource = ResourceRef {
            uid: ResourceUid(format!("arn:aws:{}:eu-west-1:{account}:{name}", control.id.split('-').next().unwrap())),
            type_name: control.resource_type.clone(),
            account: account_id(account),
            region: "eu-west-1".parse().unwrap(),
        };
        let finding = Finding {
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
        };
        self.findings.push(finding);
        self.findings.last_mut().unwrap()
    }

    /// A violation of a control that is not asked any more; `was_told` by an earlier run, or the run before saw it.
    pub(super) fn hide(&mut self, reason: &str, was_told: bool) {
        let mut finding = self.findings[0].clone();
        finding.control = "switched-off".to_owned();
        finding.id = Finding::stable_id(&finding.control, &finding.resource);
        finding.compliance = ComplianceType::NonCompliant;
        let last = if was_told { "2026-11-12T02:00:00Z" } else { "2026-11-20T02:00:00Z" };
        let seen = lifecycle(Change::NotSeen, "2026-11-11");
        let last_known = Some(ComplianceType::NonCompliant);
        finding.lifecycle = Some(Lifecycle { last_observed_at: Some(last.to_owned()), last_known, ..seen });
        self.gone.push(Gone { finding, reason: reason.to_owned() });
        self.over_time.comparison = Some(Comparison {
            previous: run("2026-11-20"),
            observed_at: None,
            violations: BTreeMap::from([(Change::NotSeen, 1)]),
            remediation: BTreeMap::new(),
            set_aside: u64::from(was_told),
        });
    }

    fn sorted(mut self) -> Self {
        self.findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        self.gaps.sort();
        self
    }

    /// Two accounts, everything seen and good.
    pub(super) fn good() -> Self {
        let mut fixture = Self { controls: controls(), frameworks: vec![owasp()], ..Self::default() };
        fixture.seen("111111111111", "tooling", "/Infrastructure");
        fixture.seen("222222222222", "payments-prod", "/Workloads/Prod");
        fixture.add(0, ComplianceType::Compliant, "111111111111", "platform");
        fixture.add(1, ComplianceType::Compliant, "222222222222", "artifacts");
        fixture.sorted()
    }

    /// Every result, a dark account, one left out, owners, an exception; not compared.
    pub(super) fn first_run() -> Self {
        let mut fixture = Self { controls: controls(), frameworks: vec![owasp()], ..Self::default() };
        fixture.seen("111111111111", "tooling", "/Infrastructure");
        fixture.seen("222222222222", "payments-prod", "/Workloads/Prod");
        fixture.seen("333333333333", "web-dev", "/Workloads/Dev");
        fixture.account("444444444444", "old-sandbox", "/Suspended");
        fixture.skip("444444444444", "account is SUSPENDED");
        fixture.account("555555555555", "partner-landing", "/Workloads/Prod");
        fixture.refuse("555555555555", "global", "sts", "sts:AssumeRole");
        fixture.refuse("222222222222", "eu-west-1", "s3", "s3:GetEncryptionConfiguration");
        let payments =
            Owner { name: "team-payments".to_owned(), source: OwnerSource::AccountTag { key: "owner".to_owned() } };
        for (name, control) in [("checkout", 0), ("refunds", 0), ("payments-artifacts", 1)] {
            fixture.add(control, ComplianceType::NonCompliant, "222222222222", name).owner = Some(payments.clone());
        }
        fixture.add(0, ComplianceType::NonCompliant, "111111111111", "long-known");
        fixture.add(1, ComplianceType::NonCompliant, "333333333333", "web-artifacts");
        fixture.add(3, ComplianceType::NonCompliant, "333333333333", "preview");
        fixture.add(3, ComplianceType::NonCompliant, "333333333333", "site").exception = Some(ExceptionRef {
            id: "web-preview-stays-v1".to_owned(),
            owner: "web-team@example.com".to_owned(),
            ticket: "SEC-481".to_owned(),
            reason: "Retired with the old shop in winter.".to_owned(),
            expires: "2026-12-01".to_owned(),
        });
        fixture.add(2, ComplianceType::Compliant, "111111111111", "trail");
        fixture.add(0, ComplianceType::NotApplicable, "333333333333", "docs");
        let sentences: Vec<String> = fixture.gaps.iter().map(Gap::sentence).collect();
        for (account, name, sentence) in [("555555555555", "*", 0), ("222222222222", "receipts", 1)] {
            let control = usize::from(sentence == 1);
            fixture.add(control, ComplianceType::InsufficientData, account, name).gaps =
                vec![sentences[sentence].clone()];
        }
        fixture.sorted()
    }

    /// As [`Self::first_run`], compared, with a trend.
    pub(super) fn typical() -> Self {
        let mut fixture = Self::first_run();
        for finding in &mut fixture.findings {
            let uid = finding.resource.uid.as_str();
            let named = |name: &str| uid.ends_with(&format!(":{name}"));
            let change = match finding.compliance {
                ComplianceType::NonCompliant if named("checkout") || named("payments-artifacts") => Change::New,
                ComplianceType::NonCompliant if named("refunds") => Change::Worsened,
                ComplianceType::NonCompliant if named("site") => Change::Improved,
                ComplianceType::InsufficientData if named("*") => Change::NotSeen,
                _ => Change::Unchanged,
            };
            let since = if change == Change::New { "2026-11-21" } else { "2026-10-22" };
            let mut life = lifecycle(change, since);
            life.last_known = (change == Change::NotSeen).then_some(ComplianceType::NonCompliant);
            finding.lifecycle = Some(life);
        }
        let mut resolved = fixture.findings.iter().find(|one| one.severity == Severity::Critical).unwrap().clone();
        resolved.lifecycle = Some(lifecycle(Change::Resolved, "2026-11-18"));
        let gone = |finding: Finding| Gone { finding, reason: "the resource is gone".to_owned() };
        fixture.gone.push(gone(resolved));
        let mut resolved = fixture.findings.iter().find(|one| one.severity == Severity::High).unwrap().clone();
        resolved.lifecycle = Some(lifecycle(Change::Resolved, "2026-11-20"));
        fixture.gone.push(gone(resolved));
        let changes = [
            (Change::New, 2),
            (Change::Worsened, 1),
            (Change::Improved, 1),
            (Change::Unchanged, 3),
            (Change::Resolved, 2),
            (Change::NotSeen, 1),
        ];
        fixture.over_time.comparison = Some(Comparison {
            previous: run("2026-11-20"),
            observed_at: None,
            set_aside: 0,
            violations: changes.into_iter().collect(),
            remediation: BTreeMap::from([
                (Severity::Critical, Remediation { resolved: 1, total_hours: 72.0 }),
                (Severity::High, Remediation { resolved: 1, total_hours: 24.0 }),
            ]),
        });
        fixture.over_time.trend = trend();
        fixture
    }

    /// No account could be entered.
    pub(super) fn dark() -> Self {
        let mut fixture = Self { controls: controls(), ..Self::default() };
        for id in ["111111111111", "222222222222", "333333333333"] {
            fixture.account(id, "unreachable", "/Workloads");
            fixture.refuse(id, "global", "sts", "sts:AssumeRole");
            let sentence = fixture.gaps.last().unwrap().sentence();
            for control in 0..4 {
                fixture.add(control, ComplianceType::InsufficientData, id, "*").gaps = vec![sentence.clone()];
            }
        }
        fixture.sorted()
    }

    /// `name` wherever a report takes text from others.
    pub(super) fn hostile(name: &str) -> Self {
        let mut fixture = Self::typical();
        let text = || name.to_owned();
        fixture.run.organization = text();
        for one in &mut fixture.accounts {
            (one.name, one.organizational_unit_path) = (text(), format!("/{name}"));
        }
        for control in &mut fixture.controls {
            (control.title, control.remediation) = (text(), text());
        }
        for framework in &mut fixture.frameworks {
            (framework.name, framework.version, framework.note) = (text(), text(), text());
        }
        for finding in &mut fixture.findings {
            let mut resource = (*finding.resource).clone();
            resource.uid = ResourceUid(format!("arn:aws:s3:::{name}"));
            finding.resource = resource.into();
            finding.gaps.push(text());
            finding.evidence.insert(text(), serde_json::Value::String(text()));
            if let Some(owner) = &mut finding.owner {
                owner.name = text();
            }
            if let Some(exception) = &mut finding.exception {
                (exception.id, exception.owner, exception.ticket) = (text(), text(), text());
                (exception.reason, exception.expires) = (text(), text());
            }
        }
        for gap in &mut fixture.gaps {
            gap.action = text();
            gap.cause = GapCause::AccessDenied { message: text() };
        }
        fixture.coverage.skipped.iter_mut().for_each(|skip| skip.reason = text());
        fixture
    }

    /// Many accounts in many units with many owners.
    pub(super) fn huge(accounts: u64) -> Self {
        let mut fixture = Self { controls: controls(), frameworks: vec![owasp()], ..Self::default() };
        for number in 0..accounts {
            let id = format!("{:012}", 100_000_000_000 + number);
            let unit = format!("/Workloads/Unit{:03}", number % 200);
            if number % 50 == 49 {
                fixture.account(&id, &format!("account-{number}"), &unit);
                fixture.refuse(&id, "global", "sts", "sts:AssumeRole");
                let sentence = fixture.gaps.last().unwrap().sentence();
                fixture.add(0, ComplianceType::InsufficientData, &id, "*").gaps = vec![sentence];
                continue;
            }
            fixture.seen(&id, &format!("account-{number}"), &unit);
            if number % 10 == 3 {
                fixture.refuse(&id, "eu-west-1", "s3", &format!("s3:GetBucket{}", number % 70));
            }
            let violated = usize::try_from(number % 4).unwrap();
            let name = format!("thing-{number}");
            fixture.add(violated, ComplianceType::NonCompliant, &id, &name).owner =
                Some(Owner { name: format!("team-{:03}", number % 300), source: OwnerSource::MappingFile { line: 3 } });
            fixture.add((violated + 1) % 4, ComplianceType::Compliant, &id, &name);
        }
        fixture.sorted()
    }
}

fn trend() -> Vec<TrendPoint> {
    (8..=21_u64)
        .map(|day| {
            let info = run(&format!("2026-11-{day:02}"));
            let counts = Counts {
                by_compliance: BTreeMap::from([
                    (ComplianceType::InsufficientData, day % 5),
                    (ComplianceType::Compliant, 40),
                ]),
                violations: BTreeMap::from([
                    (Severity::Critical, 5 - (day - 8) / 5),
                    (Severity::High, 3 + day % 3),
                    (Severity::Medium, 6),
                    (Severity::Low, if day < 15 { 9 } else { 14 }),
                ]),
                excepted: 1,
            };
            TrendPoint {
                run_id: info.run_id,
                started_at: info.started_at,
                counts,
                accounts: 5,
                gaps: day % 5,
                calls: CallCounts { ok: 300, denied: day % 5, ..CallCounts::default() },
                other_policies: day == 15,
                // The first was compared with none; every other one mended something.
                remediation: (day > 8).then(|| {
                    BTreeMap::from([(
                        Severity::Critical,
                        Remediation { resolved: day % 2, total_hours: if day % 2 == 1 { 24.0 } else { 0.0 } },
                    )])
                }),
            }
        })
        .collect()
}
