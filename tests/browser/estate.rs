//! Organizations of any size, made up as they are read, with the controls that pipewarden has.
//!
//! In: how many accounts and findings, and how things are called. Out: reports. Nothing here is random: the same estate is
//! always the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use pipewarden::evaluate::Policies;
use pipewarden::finding::{
    Change, ComplianceType, Control, ExceptionRef, Finding, Framework, Gone, Lifecycle, Owner, OwnerSource,
    ResourceRef, Severity, StableIds, Was,
};
use pipewarden::inventory::{
    AccountId, Affects, CallCounts, Coverage, CoverageKey, Gap, GapCause, Region, ResourceUid, Skip, TypeName,
};
use pipewarden::report::{
    AccountInfo, Comparison, Counts, DeliveryInBrief, FindingPass, FindingSource, GonePass, MetricInBrief, OverTime,
    Remediation, Report, RunInfo, TrendPoint,
};
use serde_json::{Value, json};

/// How things are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    Plain,
    /// As somebody would call them who wants to be executed.
    Hostile,
}

const HOSTILE: [&str; 11] = [
    "<img src=x onerror=\"window.__pwned=1\">",
    "</script><script>window.__pwned=1</script>",
    "\"><svg onload=window.__pwned=1>",
    "javascript:window.__pwned=1",
    "' onmouseover='window.__pwned=1",
    "=HYPERLINK(\"https://evil.example\",\"click\")",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "\t=1+1",
    "\u{202e}gpj.exe\u{0}\u{1b}[2J\u{2028}",
];

impl Names {
    /// `plain`, or what somebody hostile would write there.
    fn of(self, plain: &str, number: u64) -> String {
        match self {
            Self::Plain => plain.to_owned(),
            Self::Hostile => HOSTILE[usize::try_from(number).unwrap() % HOSTILE.len()].to_owned(),
        }
    }
}

const TYPES: [&str; 4] =
    ["AWS::CodeBuild::Project", "AWS::CodeDeploy::DeploymentGroup", "AWS::CodePipeline::Pipeline", "AWS::S3::Bucket"];
const REGIONS: [&str; 2] = ["eu-central-1", "us-east-1"];
const UNITS: [&str; 7] = [
    "/Infrastructure",
    "/Sandbox",
    "/Security",
    "/Workloads/Dev",
    "/Workloads/Prod/EU",
    "/Workloads/Prod/US",
    "/Workloads/Test",
];
const TEAMS: [&str; 9] =
    ["payments", "checkout", "search", "platform", "identity", "mobile", "data-lake", "billing", "storefront"];

pub(super) struct Estate {
    names: Names,
    limit: usize,
    is_compared: bool,
    controls: BTreeMap<String, Control>,
    by_type: Vec<(TypeName, Vec<Control>)>,
    frameworks: BTreeMap<String, Framework>,
    accounts: Vec<AccountInfo>,
    coverage: Coverage,
    gaps: Vec<Gap>,
    dark: BTreeSet<AccountId>,
}

/// A number that looks like chance (splitmix64, <https://prng.di.unimi.it/splitmix64.c>).
fn chance(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn day(before: u64) -> String {
    let date = time::macros::date!(2026 - 11 - 21) - time::Duration::days(i64::try_from(before).unwrap());
    format!("{date}T02:00:00Z")
}

fn run_info(before: u64, organization: &str) -> RunInfo {
    let started_at = day(before);
    RunInfo {
        run_id: started_at.replace(['-', ':'], ""),
        started_at,
        tool_version: "0.1.0".to_owned(),
        organization: organization.to_owned(),
        policy_hash: "ab".repeat(32),
    }
}

impl Estate {
    pub(super) fn new(accounts: u64, findings: u64, names: Names) -> Self {
        let policies = Policies::load(&Policies::embedded(), &BTreeSet::new()).unwrap();
        let (mut controls, mut frameworks) = (policies.controls().clone(), policies.frameworks().clone());
        if names == Names::Hostile {
            for (control, number) in controls.values_mut().zip(0..) {
                (control.title, control.remediation) = (names.of("", number), names.of("", number + 1));
                control.frameworks.push(names.of("", number));
            }
            for (framework, number) in frameworks.values_mut().zip(0..) {
                (framework.name, framework.version) = (names.of("", number), names.of("", number + 1));
                framework.note = names.of("", number + 2);
            }
        }
        let by_type = TYPES.into_iter().map(|name| {
            let of_type = controls.values().filter(|control| control.resource_type.as_str() == name).cloned().collect();
            (serde_json::from_value(json!(name)).unwrap(), of_type)
        });
        let mut estate = Self {
            names,
            limit: usize::try_from(findings).unwrap(),
            is_compared: false,
            by_type: by_type.collect(),
            controls,
            frameworks,
            accounts: Vec::new(),
            coverage: Coverage::default(),
            gaps: Vec::new(),
            dark: BTreeSet::new(),
        };
        for number in 0..accounts {
            estate.add_account(number);
        }
        estate.gaps.sort();
        estate
    }

    fn add_account(&mut self, number: u64) {
        let id: AccountId = format!("{:012}", 110_000_000_000 + number * 7_919).parse().unwrap();
        let place = usize::try_from(number).unwrap();
        let plain = format!("{}-{}", TEAMS[place % TEAMS.len()], ["prod", "dev", "test"][place % 3]);
        let unit = self.names.of(UNITS[place % UNITS.len()], number);
        let organizational_unit_path = if unit.starts_with('/') { unit } else { format!("/{unit}") };
        self.accounts.push(AccountInfo {
            id: id.clone(),
            name: self.names.of(&plain, number + 3),
            organizational_unit_path,
        });
        if number % 11 == 5 {
            let reason = self.names.of("account is SUSPENDED", number);
            self.coverage.skipped.push(Skip { account: id, region: Region::GLOBAL, reason });
            return;
        }
        if number % 9 == 7 {
            self.lock(&id);
            return;
        }
        for (region, service) in REGIONS.into_iter().flat_map(|region| {
            ["codebuild", "codedeploy", "codepipeline", "s3"].into_iter().map(move |service| (region, service))
        }) {
            let counts = CallCounts { ok: 9 + number % 7, ..CallCounts::default() };
            self.coverage.add(key(&id, region, service, "List"), counts);
        }
        if number % 4 == 1 {
            let cause = GapCause::AccessDenied { message: self.names.of("not authorized to perform this", number) };
            self.miss(&id, REGIONS[0], "s3", "s3:GetEncryptionConfiguration", cause);
        }
        if number % 6 == 2 {
            self.miss(&id, REGIONS[1], "codepipeline", "codepipeline:GetPipeline", GapCause::Throttled { attempts: 5 });
        }
    }

    fn lock(&mut self, id: &AccountId) {
        let cause = GapCause::RoleNotAssumed {
            role: format!("arn:aws:iam::{id}:role/pipewarden-audit"),
            message: self.names.of("not authorized to perform sts:AssumeRole", 0),
        };
        self.miss(id, "global", "sts", "sts:AssumeRole", cause);
        self.dark.insert(id.clone());
    }

    fn miss(&mut self, id: &AccountId, region: &str, service: &str, action: &str, cause: GapCause) {
        let counts = match cause {
            GapCause::Throttled { .. } => CallCounts { throttled: 1, ..CallCounts::default() },
            _ => CallCounts { denied: 1, ..CallCounts::default() },
        };
        self.coverage.add(key(id, region, service, action.rsplit(':').next().unwrap()), counts);
        self.gaps.push(Gap {
            account: id.clone(),
            region: region.parse().unwrap(),
            service: service.to_owned(),
            action: action.to_owned(),
            cause,
            affects: Affects::Details,
        });
    }

    /// As if the run before had been compared with this one.
    pub(super) fn compared(mut self) -> Self {
        self.is_compared = true;
        self
    }

    /// As if no account could be entered.
    pub(super) fn unreachable(mut self) -> Self {
        (self.coverage, self.gaps, self.dark) = (Coverage::default(), Vec::new(), BTreeSet::new());
        for id in self.accounts.iter().map(|account| account.id.clone()).collect::<Vec<_>>() {
            self.lock(&id);
        }
        self.gaps.sort();
        self
    }

    pub(super) fn report(&self) -> Report<'_> {
        let mut counts = Counts::default();
        self.all_findings().for_each(|finding| counts.add(&finding));
        let over_time = if self.is_compared { self.over_time(&counts) } else { OverTime::default() };
        Report {
            run: run_info(0, &self.names.of("o-exampleorg1", 0)),
            controls: self.controls.clone(),
            frameworks: self.frameworks.clone(),
            accounts: self.accounts.iter().map(|account| (account.id.clone(), account.clone())).collect(),
            counts,
            coverage: &self.coverage,
            gaps: &self.gaps,
            findings: self,
            calls: self.coverage.totals(),
            over_time,
        }
    }

    fn over_time(&self, counts: &Counts) -> OverTime {
        let mut violations: BTreeMap<Change, u64> = BTreeMap::new();
        let mut remediation: BTreeMap<Severity, Remediation> = BTreeMap::new();
        for finding in self.all_findings().chain(self.all_gone().map(|gone| gone.finding)) {
            let lifecycle = finding.lifecycle.as_ref().unwrap();
            let last = lifecycle.last_known.unwrap_or(finding.compliance);
            if last == ComplianceType::NonCompliant || lifecycle.change == Change::Resolved {
                *violations.entry(lifecycle.change).or_default() += 1;
            }
            if lifecycle.change == Change::Resolved {
                let of_severity = remediation.entry(finding.severity).or_default();
                of_severity.resolved += 1;
                of_severity.total_hours += 100.0;
            }
        }
        let trend = (0..30).rev().map(|before| self.trend_point(before, counts)).collect();
        let previous = run_info(1, &self.names.of("o-exampleorg1", 0));
        let delivery = DeliveryInBrief {
            frame: "90 days until 2026-11-21 02:00 UTC · days and weeks in Etc/UTC".to_owned(),
            services: "31 services (24 complete, 4 in part, 3 not collected)".to_owned(),
            metrics: [
                ("Deployment frequency", ["0.4 a week", "2 a week", "9 a week"]),
                ("Change lead time", ["3 h", "1 d 2 h", "6 d"]),
                ("Change fail rate", ["2 %", "6.5 %", "14 %"]),
                ("Failed deployment recovery time", ["25 min", "2 h 10 min", "1 d 4 h"]),
                ("Deployment rework rate", ["–", "–", "–"]),
            ]
            .map(|(title, quartiles)| MetricInBrief {
                title: title.to_owned(),
                quartiles: quartiles.map(str::to_owned),
                with: if quartiles[0] == "–" { 0 } else { 28 },
                without: if quartiles[0] == "–" { 31 } else { 3 },
            })
            .into(),
        };
        OverTime {
            comparison: Some(Comparison { previous, observed_at: None, violations, remediation, set_aside: 0 }),
            trend,
            delivery: Some(delivery),
            recheck: None,
        }
    }

    fn trend_point(&self, before: u64, counts: &Counts) -> TrendPoint {
        let info = run_info(before, "");
        let mut counts = counts.clone();
        for (severity, count) in &mut counts.violations {
            *count += *count * before / 40 + chance(before * 5 + u64::from(*severity as u8)) % 7;
            if before > 11 && *severity == Severity::Low {
                *count /= 2;
            }
        }
        *counts.by_compliance.entry(ComplianceType::InsufficientData).or_default() += (chance(before) % 5) * 9;
        TrendPoint {
            run_id: info.run_id,
            started_at: info.started_at,
            counts,
            accounts: self.accounts.len() as u64,
            gaps: self.gaps.len() as u64 + chance(before) % 5,
            calls: self.coverage.totals(),
            other_policies: before == 11,
            remediation: Some(BTreeMap::from([(Severity::Critical, Remediation { resolved: 1, total_hours: 30.0 })])),
        }
    }

    fn all_findings(&self) -> impl Iterator<Item = Finding> + Send + '_ {
        let skipped: BTreeSet<&AccountId> = self.coverage.skipped.iter().map(|skip| &skip.account).collect();
        let open = self.accounts.len().saturating_sub(skipped.len() + self.dark.len());
        let seen = self.accounts.iter().enumerate().filter(move |(_, account)| !skipped.contains(&account.id));
        let per_account = self.limit / open.max(1);
        seen.flat_map(move |(number, account)| self.of_account(number as u64, account).take(per_account + 1))
            .take(self.limit)
    }

    fn of_account<'a>(
        &'a self,
        number: u64,
        account: &'a AccountInfo,
    ) -> Box<dyn Iterator<Item = Finding> + Send + 'a> {
        let is_dark = self.dark.contains(&account.id);
        let regions = if is_dark { &["global"][..] } else { &REGIONS[..] };
        // In larger organizations accounts have more of everything.
        let most = if is_dark { 1 } else { 3 + self.limit as u64 / 20_000 + number % 3 };
        Box::new(regions.iter().enumerate().flat_map(move |(region_number, region)| {
            self.by_type.iter().enumerate().flat_map(move |(type_number, (type_name, controls))| {
                (0..most).flat_map(move |place| {
                    let seed = ((number * 2 + region_number as u64) * 4 + type_number as u64) * 64 + place;
                    let name = if is_dark { "*".to_owned() } else { self.resource_name(seed, place) };
                    let service = type_name.as_str().split("::").nth(1).unwrap().to_lowercase();
                    let resource = Arc::new(ResourceRef {
                        uid: ResourceUid(format!("arn:aws:{service}:{region}:{}:{name}", account.id)),
                        type_name: type_name.clone(),
                        account: account.id.clone(),
                        region: region.parse().unwrap(),
                    });
                    let ids = StableIds::of(&resource);
                    controls.iter().zip(0..).map(move |(control, control_number)| {
                        self.finding(control, &resource, ids.id(&control.id), seed * 64 + control_number)
                    })
                })
            })
        }))
    }

    fn resource_name(&self, seed: u64, place: u64) -> String {
        let plain = format!(
            "{}-{}",
            TEAMS[usize::try_from(seed).unwrap() % TEAMS.len()],
            ["release", "artifacts", "deploy"][usize::try_from(seed / 3).unwrap() % 3]
        );
        format!("{place:03}-{}", self.names.of(&plain, seed))
    }

    fn finding(&self, control: &Control, resource: &Arc<ResourceRef>, id: String, seed: u64) -> Finding {
        let is_dark = self.dark.contains(&resource.account);
        let compliance = match chance(seed) % 100 {
            _ if is_dark => ComplianceType::InsufficientData,
            0..6 => ComplianceType::NonCompliant,
            6..10 => ComplianceType::InsufficientData,
            10..75 => ComplianceType::Compliant,
            _ => ComplianceType::NotApplicable,
        };
        let is_violation = compliance == ComplianceType::NonCompliant;
        let is_unknown = compliance == ComplianceType::InsufficientData;
        let gap = self.gaps.iter().find(|gap| gap.account == resource.account);
        let gaps = match gap {
            Some(gap) if is_unknown => vec![gap.sentence()],
            None if is_unknown => vec![self.names.of("the tags of the resource were not collected", seed)],
            _ => Vec::new(),
        };
        let evidence = json!({
            "deploysToProduction": seed.is_multiple_of(3),
            "unapprovedProductionActions": [self.names.of("Deploy/Prod", seed), format!("Release/{}", seed % 90)],
            "encryptionKind": self.names.of("none declared", seed + 1),
        });
        Finding {
            id,
            control: control.id.clone(),
            severity: control.severity,
            compliance,
            resource: Arc::clone(resource),
            evidence: if is_unknown || compliance == ComplianceType::NotApplicable {
                BTreeMap::new()
            } else {
                serde_json::from_value(evidence).unwrap()
            },
            gaps,
            exception: (is_violation && seed.is_multiple_of(13)).then(|| self.exception(seed)),
            owner: self.owner(chance(seed / 64)),
            lifecycle: self.is_compared.then(|| lifecycle(compliance, chance(seed + 1))),
        }
    }

    fn exception(&self, seed: u64) -> ExceptionRef {
        let number = seed % 5;
        ExceptionRef {
            id: self.names.of(&format!("accepted-{number}"), number),
            owner: self.names.of("risk@example.com", number + 1),
            ticket: self.names.of(&format!("SEC-{}", 400 + number), number + 2),
            reason: self.names.of("Retired with the old shop in winter.", number + 3),
            expires: format!("2026-12-{:02}", 4 + number * 6),
        }
    }

    fn owner(&self, seed: u64) -> Option<Owner> {
        let team = TEAMS.get(usize::try_from(seed % 11).unwrap())?;
        let source = match seed % 3 {
            0 => OwnerSource::AccountTag { key: self.names.of("owner", seed) },
            1 => OwnerSource::ResourceTag { key: "team".to_owned() },
            _ => OwnerSource::MappingFile { line: 12 },
        };
        Some(Owner { name: self.names.of(&format!("team-{team}"), seed), source })
    }

    fn all_gone(&self) -> impl Iterator<Item = Gone> + Send + '_ {
        let count = if self.is_compared { 3 + self.limit / 200 } else { 0 };
        // Things that had other names than those that are there.
        self.all_findings().take(count).zip(0..).map(move |(mut finding, number)| {
            let mut resource = (*finding.resource).clone();
            resource.uid = ResourceUid(format!("{}-{}", resource.uid.as_str(), self.names.of("gone", number)));
            finding.id = Finding::stable_id(&finding.control, &resource);
            finding.resource = Arc::new(resource);
            finding.compliance = ComplianceType::NonCompliant;
            finding.exception = None;
            let change = if number % 4 == 3 { Change::NotSeen } else { Change::Resolved };
            finding.lifecycle = Some(Lifecycle {
                change,
                first_observed_at: day(20),
                last_observed_at: Some(day(u64::from(change != Change::Resolved))),
                was: None,
                last_known: (change == Change::NotSeen).then_some(ComplianceType::NonCompliant),
            });
            Gone { finding, reason: self.names.of("the resource is there no more", number) }
        })
    }

    /// Findings, also those that are there no more.
    pub(super) fn all(&self) -> u64 {
        (self.all_findings().count() + self.all_gone().count()) as u64
    }

    /// Resources, each once.
    pub(super) fn resources(&self) -> usize {
        let all = self.all_findings().chain(self.all_gone().map(|gone| gone.finding));
        all.map(|finding| finding.resource.uid.as_str().to_owned()).collect::<BTreeSet<String>>().len()
    }

    /// Findings that are not seen this time: those that were violations, and all.
    fn not_seen(&self) -> (usize, usize) {
        let all = self.all_findings().chain(self.all_gone().map(|gone| gone.finding));
        let lifecycles = all.filter_map(|finding| finding.lifecycle).filter(|it| it.change == Change::NotSeen);
        let known: Vec<_> = lifecycles.map(|lifecycle| lifecycle.last_known).collect();
        (known.iter().filter(|known| **known == Some(ComplianceType::NonCompliant)).count(), known.len())
    }

    pub(super) fn first_account(&self) -> &str {
        self.accounts.first().map_or("", |account| account.id.as_str())
    }

    /// Ids of a few findings of each result, with exceptions among them, and of what is gone.
    pub(super) fn some_of_each_result(&self) -> Vec<String> {
        let mut kept: BTreeMap<(ComplianceType, bool), Vec<String>> = BTreeMap::new();
        for finding in self.all_findings() {
            let ids = kept.entry((finding.compliance, finding.exception.is_some())).or_default();
            if ids.len() < HOSTILE.len() {
                ids.push(finding.id);
            }
        }
        kept.into_values().flatten().chain(self.all_gone().take(4).map(|gone| gone.finding.id)).collect()
    }

    /// What a browser should find.
    pub(super) fn expected(&self) -> Value {
        let of = |severity| {
            self.all_findings()
                .filter(|one| one.compliance == ComplianceType::NonCompliant && one.severity == severity)
                .count()
        };
        let is_worst =
            |one: &Finding| one.compliance == ComplianceType::NonCompliant && one.severity == Severity::Critical;
        let worst = self.all_findings().find(is_worst).expect("something is critical");
        let search = worst.resource.uid.as_str().rsplit(':').next().unwrap().to_owned();
        let found = self
            .all_findings()
            .chain(self.all_gone().map(|gone| gone.finding))
            .filter(|one| one.resource.uid.as_str().contains(&search))
            .count();
        let (not_seen, all_not_seen) = self.not_seen();
        assert!(not_seen > 0 && not_seen < all_not_seen, "{not_seen} of {all_not_seen} were violations");
        json!({
            "all": self.all(),
            "notSeen": not_seen,
            "allNotSeen": all_not_seen,
            "critical": of(Severity::Critical),
            "high": of(Severity::High),
            "search": search,
            "found": found,
            "worst": {
                "id": worst.id,
                "remediation": self.controls[&worst.control].remediation_for(&worst.evidence),
                "resource": worst.resource.uid.short_name(),
            },
        })
    }
}

fn lifecycle(compliance: ComplianceType, chance: u64) -> Lifecycle {
    let change = match (compliance, chance % 100) {
        (ComplianceType::NonCompliant, 0..6) => Change::New,
        (ComplianceType::NonCompliant, 6..8) => Change::Worsened,
        (ComplianceType::NonCompliant, 8..10) => Change::Improved,
        (ComplianceType::Compliant, 0..1) => Change::Resolved,
        (ComplianceType::InsufficientData, 0..8) => Change::NotSeen,
        _ => Change::Unchanged,
    };
    Lifecycle {
        change,
        first_observed_at: day(if change == Change::New { 0 } else { chance / 100 % 150 }),
        // What is unknown and was never known was never observed.
        last_observed_at: (compliance != ComplianceType::InsufficientData || change == Change::NotSeen)
            .then(|| day(u64::from(change == Change::NotSeen))),
        was: matches!(change, Change::Worsened | Change::Improved)
            .then(|| Was { severity: Severity::Medium, exception: None }),
        // Every third was good before.
        last_known: (change == Change::NotSeen).then_some(if chance.is_multiple_of(3) {
            ComplianceType::Compliant
        } else {
            ComplianceType::NonCompliant
        }),
    }
}

fn key(account: &AccountId, region: &str, service: &str, action: &str) -> CoverageKey {
    CoverageKey {
        account: account.clone(),
        region: region.parse().unwrap(),
        service: service.to_owned(),
        action: action.to_owned(),
    }
}

impl FindingSource for Estate {
    fn findings(&self) -> io::Result<FindingPass<'_>> {
        Ok(Box::new(self.all_findings().map(|finding| Ok(Arc::new(finding)))))
    }

    fn gone(&self) -> io::Result<GonePass<'_>> {
        Ok(Box::new(self.all_gone().map(Ok)))
    }
}
