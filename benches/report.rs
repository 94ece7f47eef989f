//! What writing costs: 200,000 findings in all formats at once, and in each alone; wall time, CPU time, peak memory, bytes.
//!
//! The floor reads the spool once and does nothing with the findings. `cargo bench --bench report`; nothing here can fail a
//! test. `FINDINGS=20000` makes it smaller, `OUT=folder` keeps the files for whoever wants to compare them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a benchmark prints figures and stops where it cannot go on"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use pipewarden::evaluate::Policies;
use pipewarden::finding::{
    Change, ComplianceType, Control, ExceptionRef, Finding, Framework, Lifecycle, Owner, OwnerSource, ResourceRef,
};
use pipewarden::inventory::{
    AccountId, Affects, Coverage, CoverageKey, Gap, GapCause, Outcome, Region, ResourceUid, TypeName,
};
use pipewarden::report::{AccountInfo, FORMATS, FindingSource, OverTime, Report, ReportFolder};
use pipewarden::run::{FindingSpool, Plan, RunDirectory};
use serde_json::{Value, json};

const FINDINGS: usize = 200_000;
const ACCOUNTS: usize = 500;
const RUN: &str = "20261121T020000Z";
const REGIONS: [&str; 4] = ["eu-central-1", "eu-west-1", "us-east-1", "us-west-2"];
/// CPU ticks a second, as Linux reports them.
const TICKS: f64 = 100.0;

/// The same numbers on every machine.
struct Seeded(u64);

impl Seeded {
    /// Below `end`, by `SplitMix64`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }
}

struct Estate {
    accounts: Vec<AccountInfo>,
    controls: Vec<Control>,
    coverage: Coverage,
    gaps: Vec<Gap>,
    frameworks: BTreeMap<String, Framework>,
}

fn estate() -> Estate {
    let policies = Policies::load(&Policies::embedded(), &BTreeSet::new()).unwrap();
    let controls: Vec<Control> = policies.controls().values().cloned().collect();
    let accounts: Vec<AccountInfo> = (0..ACCOUNTS)
        .map(|number| AccountInfo {
            id: format!("{:012}", 100_000_000_000_u64 + number as u64 * 1_234_567).parse().unwrap(),
            name: format!("{}-{}", ["payments", "web", "data", "platform"][number % 4], number),
            organizational_unit_path: format!("/Workloads/{}/Team{}", ["Prod", "Dev"][number % 2], number % 40),
        })
        .collect();
    let mut coverage = Coverage::default();
    let mut gaps = Vec::new();
    for (number, account) in accounts.iter().enumerate() {
        for region in REGIONS {
            for (service, action) in
                [("codepipeline", "ListPipelines"), ("codebuild", "BatchGetProjects"), ("s3", "GetBucketPolicy")]
            {
                let outcome = if number % 50 == 7 && service == "s3" { Outcome::Denied } else { Outcome::Ok };
                let key = CoverageKey {
                    account: account.id.clone(),
                    region: region.parse().unwrap(),
                    service: service.to_owned(),
                    action: action.to_owned(),
                };
                coverage.record(key, outcome);
                if outcome == Outcome::Denied {
                    gaps.push(gap(&account.id, region));
                }
            }
        }
    }
    gaps.sort();
    Estate { accounts, controls, coverage, gaps, frameworks: policies.frameworks().clone() }
}

fn gap(account: &AccountId, region: &str) -> Gap {
    Gap {
        account: account.clone(),
        region: region.parse().unwrap(),
        service: "s3".to_owned(),
        action: "s3:GetBucketPolicy".to_owned(),
        cause: GapCause::AccessDenied { message: "not authorized to perform: s3:GetBucketPolicy".to_owned() },
        affects: Affects::Types { types: vec![TypeName::BUCKET] },
    }
}

/// Facts as policies read them: three to five, one of them a list.
fn evidence(seeded: &mut Seeded, name: &str) -> BTreeMap<String, Value> {
    let mut facts = BTreeMap::from([
        ("deploysToProduction".to_owned(), json!(seeded.below(2) == 0)),
        ("unapprovedProductionActions".to_owned(), json!([format!("Deploy/{name}"), "Release/Migrate"])),
        ("encryptionKind".to_owned(), json!(["aws:kms", "AES256", "none declared"][seeded.below(3)])),
    ]);
    if seeded.below(2) == 0 {
        facts.insert("timeoutMinutes".to_owned(), json!(seeded.below(10_080)));
        facts.insert("artifactStoreKeys".to_owned(), json!([format!("arn:aws:kms:eu-west-1:111122223333:key/{name}")]));
    }
    facts
}

fn finding(seeded: &mut Seeded, control: &Control, resource: &Arc<ResourceRef>, name: &str) -> Finding {
    // One in five is a violation, one in twenty could not be seen.
    let compliance = match seeded.below(100) {
        0..20 => ComplianceType::NonCompliant,
        20..25 => ComplianceType::InsufficientData,
        25..40 => ComplianceType::NotApplicable,
        _ => ComplianceType::Compliant,
    };
    let unseen = compliance == ComplianceType::InsufficientData;
    let excepted = compliance == ComplianceType::NonCompliant && seeded.below(20) == 0;
    let (change, first) = match seeded.below(20) {
        0 => (Change::New, "2026-11-21T02:00:00Z"),
        1 => (Change::Worsened, "2026-11-01T02:00:00Z"),
        _ => (Change::Unchanged, "2026-08-14T02:00:00Z"),
    };
    Finding {
        id: Finding::stable_id(&control.id, resource),
        control: control.id.clone(),
        severity: control.severity,
        compliance,
        resource: Arc::clone(resource),
        evidence: if compliance == ComplianceType::NotApplicable { BTreeMap::new() } else { evidence(seeded, name) },
        gaps: if unseen { vec![gap(&resource.account, resource.region.as_str()).sentence()] } else { Vec::new() },
        exception: excepted.then(|| ExceptionRef {
            id: format!("accepted-{}", seeded.below(50)),
            owner: "payments@example.com".to_owned(),
            ticket: "SEC-1234".to_owned(),
            reason: "Retired with the old billing in spring.".to_owned(),
            expires: "2027-03-31".to_owned(),
        }),
        owner: (seeded.below(10) < 8).then(|| Owner {
            name: format!("team-{}", seeded.below(40)),
            source: OwnerSource::ResourceTag { key: "owner".to_owned() },
        }),
        lifecycle: Some(Lifecycle {
            change: if unseen { Change::NotSeen } else { change },
            first_observed_at: first.to_owned(),
            last_observed_at: Some(if unseen { "2026-11-20T02:00:00Z" } else { "2026-11-21T02:00:00Z" }.to_owned()),
            last_known: unseen.then_some(ComplianceType::NonCompliant),
            was: None,
        }),
    }
}

/// All findings of one account, in order.
fn findings_of(estate: &Estate, account: &AccountId, count: usize, seeded: &mut Seeded) -> Vec<Finding> {
    let mut by_type: BTreeMap<&TypeName, Vec<&Control>> = BTreeMap::new();
    for control in &estate.controls {
        by_type.entry(&control.resource_type).or_default().push(control);
    }
    let types: Vec<_> = by_type.into_iter().collect();
    let mut findings = Vec::new();
    while findings.len() < count {
        let number = findings.len();
        let (type_name, controls) = &types[seeded.below(types.len())];
        let region: Region = REGIONS[seeded.below(REGIONS.len())].parse().unwrap();
        let service = type_name.as_str().split("::").nth(1).unwrap_or("aws").to_lowercase();
        let name = format!("service-{}-{number}", seeded.below(1_000));
        let resource = Arc::new(ResourceRef {
            uid: ResourceUid(format!("arn:aws:{service}:{region}:{account}:{name}")),
            type_name: (*type_name).clone(),
            account: account.clone(),
            region,
        });
        for control in controls.iter().take(count - findings.len()) {
            findings.push(finding(seeded, control, &resource, &name));
        }
    }
    findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    findings
}

fn spool(run: &RunDirectory, estate: &Estate, count: usize) -> FindingSpool {
    let mut seeded = Seeded(42);
    let mut spool = run.spool().unwrap();
    for (number, account) in estate.accounts.iter().enumerate() {
        let share = count * (number + 1) / ACCOUNTS - count * number / ACCOUNTS;
        spool.append(findings_of(estate, &account.id, share, &mut seeded)).unwrap();
    }
    spool.finish().unwrap()
}

/// Seconds that all threads of this process have been on a CPU.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / TICKS
}

/// MiB: now, or the most since it was asked to forget.
fn memory(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim_matches([':', '\t', ' ']).split(' ').next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(f64::NAN)
        / 1024.0
}

fn forget_peak() {
    // Only Linux knows it; elsewhere the figures are of the whole process.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

struct Figures {
    wall: f64,
    cpu: f64,
    peak: f64,
}

fn measured<T>(work: impl FnOnce() -> T) -> (Figures, T) {
    forget_peak();
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let result = work();
    (Figures { wall: start.elapsed().as_secs_f64(), cpu: cpu_seconds() - cpu, peak: memory("VmHWM") }, result)
}

fn line(name: &str, figures: &Figures, bytes: u64) {
    let mib = bytes as f64 / 1_048_576.0;
    println!("{name:<24} {:>8.2} {:>8.2} {:>10.0} {mib:>10.1}", figures.wall, figures.cpu, figures.peak);
}

/// Files that are only written, for a format alone.
struct Files {
    root: PathBuf,
    open: Option<BufWriter<File>>,
}

impl ReportFolder for Files {
    fn create(&mut self, relative: &str) -> io::Result<&mut (dyn Write + Send)> {
        let path = self.root.join(relative);
        fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
        Ok(self.open.insert(BufWriter::new(File::create(path)?)))
    }
}

fn size_of(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return fs::metadata(path).map_or(0, |file| file.len()) };
    entries.map(|entry| size_of(&entry.unwrap().path())).sum()
}

fn main() {
    let count = std::env::var("FINDINGS").ok().and_then(|text| text.parse().ok()).unwrap_or(FINDINGS);
    let temporary = tempfile::tempdir().unwrap();
    let out = std::env::var_os("OUT").map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let estate = estate();
    let run = RunDirectory::create(&out, Plan::new(RUN.parse().unwrap(), Value::Null, 1)).unwrap();
    let spool = spool(&run, &estate, count);
    println!("{count} findings of {} controls in {ACCOUNTS} accounts", estate.controls.len());
    let spool_bytes = size_of(&run.path().join(pipewarden::run::SPOOL));
    println!("{:<24} {:>8} {:>8} {:>10} {:>10}", "", "wall s", "CPU s", "peak MiB", "MiB");
    let (figures, read) = measured(|| spool.findings().unwrap().map(Result::unwrap).count());
    assert_eq!(read, count);
    line("floor: spool read once", &figures, spool_bytes);

    let report = Report {
        run: run.plan().run_info("o-exampleorg1", &"cd".repeat(32)),
        controls: estate.controls.iter().map(|control| (control.id.clone(), control.clone())).collect(),
        frameworks: estate.frameworks.clone(),
        accounts: estate.accounts.iter().map(|account| (account.id.clone(), account.clone())).collect(),
        counts: spool.counts().clone(),
        coverage: &estate.coverage,
        gaps: &estate.gaps,
        findings: &spool,
        calls: estate.coverage.totals(),
        over_time: OverTime::default(),
    };
    let mut alone = 0.0;
    for format in FORMATS {
        let root = temporary.path().join("alone").join(format.name());
        fs::create_dir_all(&root).unwrap();
        let mut folder = Files { root: root.clone(), open: None };
        let (figures, ()) = measured(|| {
            format.write_files(&report, &mut folder).unwrap();
            folder.open.iter_mut().for_each(|file| file.flush().unwrap());
        });
        alone += figures.cpu;
        line(format.name(), &figures, size_of(&root));
    }
    println!("{:<24} {:>8} {alone:>8.2}", "one after the other", "");
    let before: u64 = size_of(run.path());
    let (figures, manifest) = measured(|| run.finish(&report, FORMATS).unwrap());
    line("all, and the manifest", &figures, size_of(run.path()) - before);
    println!("files: {}", manifest.files.len());
}
