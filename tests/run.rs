//! The run directory: written whole or not at all, continued after a kill, and checked afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pipewarden::finding::{ComplianceType, Control, Finding, ResourceRef, Severity};
use pipewarden::inventory::{
    AccountId, Coverage, CoverageKey, Gap, Inventory, Outcome, Region, Resource, ResourceUid, TypeName,
};
use pipewarden::report::{AccountInfo, FORMATS, FindingPass, FindingSource, OverTime, Report, ReportFormat};
use pipewarden::run::{
    FindingSpool, INVENTORY, Link, MANIFEST, Manifest, ORGANIZATION, PLAN, Plan, REFERENCED, RunDirectory, RunError,
    SPOOL, STORED_REPORT, VerifyError, verify,
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

const NO_GAPS: &[Gap] = &[];
const ACCOUNTS: [&str; 3] = ["111111111111", "222222222222", "333333333333"];
const FIRST: &str = "20261121T020000Z";
const SECOND: &str = "20261122T020000Z";
/// When somebody goes on with the first.
const LATER: OffsetDateTime = datetime!(2026-11-21 13:59 UTC);

fn account(id: &str) -> AccountId {
    id.parse().unwrap()
}

fn plan(run_id: &str) -> Plan {
    Plan::new(run_id.parse().unwrap(), json!({"accounts": ACCOUNTS}), 42)
}

fn inventory(id: &str) -> Inventory {
    let region: Region = "eu-central-1".parse().unwrap();
    let mut inventory = Inventory::default();
    for name in ["api", "web"] {
        let uid = format!("arn:aws:codepipeline:eu-central-1:{id}:{name}");
        inventory.resources.push(Resource::live(TypeName::PIPELINE, uid, account(id), region.clone()));
    }
    let key = CoverageKey {
        account: account(id),
        region,
        service: "codepipeline".to_owned(),
        action: "ListPipelines".to_owned(),
    };
    inventory.coverage.record(key, Outcome::Ok);
    inventory
}

fn finding_on(resource: &Resource) -> Finding {
    let resource = ResourceRef {
        uid: resource.uid.clone(),
        type_name: resource.type_name.clone(),
        account: resource.account.clone(),
        region: resource.region.clone(),
    };
    Finding {
        id: Finding::stable_id("codepipeline-type-v2", &resource),
        control: "codepipeline-type-v2".to_owned(),
        severity: Severity::Low,
        compliance: ComplianceType::NonCompliant,
        resource: resource.into(),
        evidence: BTreeMap::new(),
        gaps: Vec::new(),
        exception: None,
        owner: None,
        lifecycle: None,
    }
}

/// What `collect` does: every account that is not there yet. Answers how many were collected.
fn collect(run: &RunDirectory, ids: &[&str]) -> usize {
    let missing: Vec<&&str> = ids.iter().filter(|id| !run.has_account(&account(id), INVENTORY)).collect();
    for id in &missing {
        run.write_inventory(Some(&account(id)), INVENTORY, &inventory(id)).unwrap();
    }
    missing.len()
}

/// What `evaluate` does.
fn evaluate(run: &RunDirectory) -> FindingSpool {
    let mut spool = run.spool().unwrap();
    for id in run.accounts().unwrap() {
        let inventory = run.read_inventory(Some(&id), INVENTORY).unwrap();
        spool.append(inventory.resources.iter().map(finding_on)).unwrap();
    }
    spool.finish().unwrap()
}

fn coverage_of(run: &RunDirectory) -> Coverage {
    let mut coverage = Coverage::default();
    for id in run.accounts().unwrap() {
        coverage.absorb(&run.read_inventory(Some(&id), INVENTORY).unwrap().coverage);
    }
    coverage
}

fn report<'a>(
    run: &RunDirectory,
    coverage: &'a Coverage,
    spool: &FindingSpool,
    source: &'a dyn FindingSource,
) -> Report<'a> {
    let control = Control {
        id: "codepipeline-type-v2".to_owned(),
        title: "Pipelines are of type V2".to_owned(),
        severity: Severity::Low,
        resource_type: TypeName::PIPELINE,
        remediation: "Set PipelineType to V2".to_owned(),
        frameworks: Vec::new(),
    };
    let named = |id: &AccountId| AccountInfo {
        id: id.clone(),
        name: format!("account {id}"),
        organizational_unit_path: "/".to_owned(),
    };
    Report {
        run: run.plan().run_info("o-exampleorg1", &"cd".repeat(32)),
        controls: BTreeMap::from([(control.id.clone(), control)]),
        frameworks: BTreeMap::new(),
        accounts: run.accounts().unwrap().iter().map(|id| (id.clone(), named(id))).collect(),
        counts: spool.counts().clone(),
        coverage,
        gaps: NO_GAPS,
        findings: source,
        calls: coverage.totals(),
        over_time: OverTime::default(),
    }
}

fn finish(run: &RunDirectory) -> Manifest {
    let spool = evaluate(run);
    let coverage = coverage_of(run);
    run.finish(&report(run, &coverage, &spool, &spool), FORMATS).unwrap()
}

fn unbroken(out: &Path, run_id: &str) -> RunDirectory {
    let run = RunDirectory::create(out, plan(run_id)).unwrap();
    run.write_inventory(None, ORGANIZATION, &Inventory::default()).unwrap();
    collect(&run, &ACCOUNTS);
    finish(&run);
    run
}

/// Every file below `folder` with its bytes.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_finished_run_has_everything_at_its_place_and_holds() {
    let out = tempfile::tempdir().unwrap();
    let run = unbroken(out.path(), FIRST);
    assert_eq!(run.path(), out.path().join("runs").join(FIRST));
    for file in ["inventory/organization.jsonl.gz", "inventory/account=222222222222/inventory.jsonl.gz", SPOOL, PLAN] {
        assert!(run.path().join(file).is_file(), "{file}");
    }
    for format in FORMATS {
        assert!(run.path().join(format.file_name()).is_file(), "{}", format.file_name());
    }
    let verified = verify(run.path(), None).unwrap();
    assert_eq!(verified.previous, Link::First);
    assert_eq!(verified.manifest, run.manifest().unwrap());
    assert_eq!(verified.manifest.files.len() + 1, snapshot(run.path()).len());
    assert_eq!(verified.manifest.counts.of(ComplianceType::NonCompliant), 6);
    assert_eq!(verified.manifest.run.started_at, "2026-11-21T02:00:00Z");
    assert_eq!(verified.manifest.accounts, 3);
}

#[test]
fn the_manifest_follows_its_schema() {
    let out = tempfile::tempdir().unwrap();
    unbroken(out.path(), FIRST);
    let run = unbroken(out.path(), SECOND);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/schema/manifest.v1.schema.json");
    let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for id in [FIRST, SECOND] {
        let path = run.path().with_file_name(id).join(MANIFEST);
        let mut manifest: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&manifest).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        manifest["files"][0]["sha256"] = json!("not a hash");
        assert!(!validator.is_valid(&manifest));
    }
}

/// Leaves a run as a kill would leave it.
type Kill = fn(&RunDirectory);

#[test]
fn a_run_killed_at_any_step_ends_with_the_same_bytes() {
    let whole = tempfile::tempdir().unwrap();
    let expected = snapshot(unbroken(whole.path(), FIRST).path());
    let kills: [(&str, usize, Kill); 6] = [
        ("before anything", 3, |_| {}),
        ("after one account", 2, |run| {
            collect(run, &ACCOUNTS[..1]);
        }),
        ("while an account was written", 2, |run| {
            collect(run, &ACCOUNTS[..1]);
            let folder = run.path().join("inventory/account=222222222222");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(".inventory.jsonl.gz.partial"), b"half").unwrap();
        }),
        ("while findings were spooled", 0, |run| {
            collect(run, &ACCOUNTS);
            fs::write(run.path().join(".findings.spool.jsonl.gz.partial"), b"half").unwrap();
        }),
        ("after some reports had their names", 0, |run| {
            collect(run, &ACCOUNTS);
            evaluate(run);
            fs::write(run.path().join("findings.csv"), b"whole, but of the attempt before").unwrap();
            fs::write(run.path().join(".findings.json.partial"), b"half").unwrap();
        }),
        ("while the manifest was written", 0, |run| {
            collect(run, &ACCOUNTS);
            finish(run);
            fs::rename(run.path().join(MANIFEST), run.path().join(".manifest.json.partial")).unwrap();
        }),
    ];
    for (when, left, kill) in kills {
        let out = tempfile::tempdir().unwrap();
        let killed = RunDirectory::create(out.path(), plan(FIRST)).unwrap();
        killed.write_inventory(None, ORGANIZATION, &Inventory::default()).unwrap();
        kill(&killed);
        drop(killed);
        // The second start is at another time; the run it continues keeps its own.
        let run = RunDirectory::unfinished(out.path(), &plan(SECOND).question, LATER).unwrap().expect(when);
        assert_eq!(run.plan(), &plan(FIRST), "{when}");
        assert!(run.has_part(None, ORGANIZATION));
        assert_eq!(collect(&run, &ACCOUNTS), left, "{when}");
        finish(&run);
        let got = snapshot(run.path());
        assert_eq!(got.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{when}");
        for (file, bytes) in &expected {
            assert!(got.get(file) == Some(bytes), "{} differs, killed {when}", file.display());
        }
        verify(run.path(), None).unwrap();
    }
}

#[test]
fn only_the_newest_run_of_the_same_question_is_continued() {
    let out = tempfile::tempdir().unwrap();
    let question = plan(FIRST).question;
    assert!(RunDirectory::unfinished(out.path(), &question, LATER).unwrap().is_none());
    drop(RunDirectory::create(out.path(), plan(FIRST)).unwrap());
    assert!(RunDirectory::unfinished(out.path(), "another question", LATER).unwrap().is_none());
    assert!(RunDirectory::unfinished(out.path(), &question, LATER).unwrap().is_some());
    unbroken(out.path(), SECOND);
    assert!(RunDirectory::unfinished(out.path(), &question, LATER).unwrap().is_none(), "yesterday's truth");
    assert_eq!(RunDirectory::newest(out.path()).unwrap().unwrap().plan().run_id.as_str(), SECOND);
}

#[test]
fn a_run_of_the_night_before_is_not_gone_on_with() {
    let out = tempfile::tempdir().unwrap();
    let run = RunDirectory::create(out.path(), plan(FIRST)).unwrap();
    collect(&run, &ACCOUNTS);
    drop(run);
    let question = plan(FIRST).question;
    let goes_on = |now| RunDirectory::unfinished(out.path(), &question, now).unwrap().is_some();
    assert!(goes_on(datetime!(2026-11-21 14:00 UTC)));
    assert!(!goes_on(datetime!(2026-11-21 14:01 UTC)));
    assert!(!goes_on(datetime!(2026-11-22 02:00 UTC)), "what was seen a night ago is no verdict of this one");
}

#[test]
fn a_plan_of_another_version_is_not_continued_and_not_opened() {
    let out = tempfile::tempdir().unwrap();
    let run = RunDirectory::create(out.path(), plan(FIRST)).unwrap();
    let path = run.path().to_owned();
    drop(run);
    fs::write(path.join(PLAN), json!({"schemaVersion": 9}).to_string()).unwrap();
    assert!(RunDirectory::unfinished(out.path(), &plan(FIRST).question, LATER).unwrap().is_none());
    let error = RunDirectory::open(&path).unwrap_err().to_string();
    assert!(error.contains("plan.json has schema version 9") && error.contains("start a new run"), "{error}");
}

#[test]
fn two_processes_do_not_work_on_the_same_folder() {
    let out = tempfile::tempdir().unwrap();
    let run = RunDirectory::create(out.path(), plan(FIRST)).unwrap();
    let error = RunDirectory::create(out.path(), plan(SECOND)).unwrap_err();
    assert!(matches!(error, RunError::Locked { .. }), "{error}");
    assert!(!out.path().join("runs").join(SECOND).exists());
    assert!(matches!(RunDirectory::unfinished(out.path(), &run.plan().question, LATER), Err(RunError::Locked { .. })));
    // A worker of the same run writes its accounts and finishes nothing.
    let worker = RunDirectory::open(run.path()).unwrap();
    collect(&worker, &ACCOUNTS);
    assert!(matches!(worker.spool(), Err(RunError::Locked { .. })));
    drop(run);
    finish(&worker);
}

#[test]
fn a_run_is_never_made_twice_and_never_written_after_its_end() {
    let out = tempfile::tempdir().unwrap();
    let run = unbroken(out.path(), FIRST);
    let before = snapshot(run.path());
    let id = account(ACCOUNTS[0]);
    assert!(matches!(
        run.write_inventory(Some(&id), INVENTORY, &inventory(ACCOUNTS[0])),
        Err(RunError::Finished { .. })
    ));
    assert!(matches!(run.spool(), Err(RunError::Finished { .. })));
    let spool = run.findings().unwrap();
    let coverage = coverage_of(&run);
    let again = run.finish(&report(&run, &coverage, &spool, &spool), FORMATS);
    assert!(matches!(again, Err(RunError::Finished { .. })));
    drop(run);
    let error = RunDirectory::create(out.path(), plan(FIRST)).unwrap_err();
    assert!(matches!(error, RunError::Exists { .. }), "{error}");
    assert_eq!(snapshot(&out.path().join("runs").join(FIRST)), before);
}

#[test]
fn a_folder_that_cannot_be_written_says_what_and_how_to_mend_it() {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let error = RunDirectory::create(&file, plan(FIRST)).unwrap_err();
    assert!(matches!(error, RunError::NotWritable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("file/runs") && text.contains("name a folder that this user may write"), "{text}");
    assert_eq!(names(out.path()), ["file"]);
}

#[cfg(unix)]
#[test]
fn a_folder_without_permission_keeps_nothing_half_written() {
    use std::os::unix::fs::PermissionsExt;
    let out = tempfile::tempdir().unwrap();
    fs::set_permissions(out.path(), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(out.path().join("probe"), "").is_ok() {
        // A superuser may write everywhere, so there is nothing to see here.
        return;
    }
    let error = RunDirectory::create(out.path(), plan(FIRST)).unwrap_err();
    assert!(matches!(error, RunError::NotWritable { .. }), "{error:?}");
    assert!(names(out.path()).is_empty());
}

/// Findings that fail after the first.
struct Failing(Finding);

impl FindingSource for Failing {
    fn findings(&self) -> io::Result<FindingPass<'_>> {
        Ok(Box::new([Ok(Arc::new(self.0.clone())), Err(io::Error::other("the disk is gone"))].into_iter()))
    }
}

#[test]
fn no_report_appears_if_one_of_them_fails() {
    let out = tempfile::tempdir().unwrap();
    let run = RunDirectory::create(out.path(), plan(FIRST)).unwrap();
    collect(&run, &ACCOUNTS);
    let spool = evaluate(&run);
    let coverage = coverage_of(&run);
    let failing = Failing(finding_on(&inventory(ACCOUNTS[0]).resources[0]));
    // Evidence comes first here and reads no finding: it must not appear either.
    let (mut formats, others): (Vec<&dyn ReportFormat>, Vec<_>) =
        FORMATS.iter().copied().partition(|format| format.is_evidence());
    let cannot = format!("cannot write the {} report", others[0].name());
    formats.extend(others);
    let error = run.finish(&report(&run, &coverage, &spool, &failing), &formats).unwrap_err().to_string();
    assert!(error.contains("the disk is gone") && error.contains(&cannot), "{error}");
    assert_eq!(names(run.path()), [SPOOL, "inventory", PLAN]);
    assert!(!run.is_finished());
    run.finish(&report(&run, &coverage, &spool, &spool), FORMATS).unwrap();
}

#[test]
fn evidence_is_written_whatever_formats_are_asked_for() {
    let out = tempfile::tempdir().unwrap();
    let run = RunDirectory::create(out.path(), plan(FIRST)).unwrap();
    collect(&run, &ACCOUNTS);
    let spool = evaluate(&run);
    let coverage = coverage_of(&run);
    run.finish(&report(&run, &coverage, &spool, &spool), &[]).unwrap();
    assert_eq!(names(run.path()), ["coverage.csv", "coverage.json", SPOOL, "inventory", MANIFEST, PLAN, STORED_REPORT]);
}

#[test]
fn runs_form_a_chain() {
    let out = tempfile::tempdir().unwrap();
    let first = unbroken(out.path(), FIRST).path().to_owned();
    let second = unbroken(out.path(), SECOND).path().to_owned();
    let third = unbroken(out.path(), "20261123T020000Z").path().to_owned();
    let hash = verify(&first, None).unwrap().manifest_sha256;
    assert_eq!(verify(&second, None).unwrap().manifest.previous.unwrap().manifest_sha256, hash);
    assert_eq!(verify(&second, None).unwrap().previous, Link::Holds(FIRST.parse().unwrap()));
    assert_eq!(verify(&third, None).unwrap().previous, Link::Holds(SECOND.parse().unwrap()));

    // A manifest that was rewritten to fit changed files still breaks the link of the run after it.
    let manifest = first.join(MANIFEST);
    let forged = fs::read_to_string(&manifest).unwrap().replace("\"NonCompliant\": 6", "\"NonCompliant\": 0");
    fs::write(&manifest, forged).unwrap();
    assert!(verify(&first, None).is_ok());
    let error = verify(&second, None).unwrap_err();
    assert!(matches!(error, VerifyError::Chain { .. }), "{error}");
    assert!(error.to_string().contains(FIRST) && verify(&third, None).is_ok());
    fs::remove_dir_all(&first).unwrap();
    assert_eq!(verify(&second, None).unwrap().previous, Link::Gone(FIRST.parse().unwrap()));
}

#[test]
fn an_unfinished_run_is_no_link_of_the_chain() {
    let out = tempfile::tempdir().unwrap();
    drop(RunDirectory::create(out.path(), plan(FIRST)).unwrap());
    let run = unbroken(out.path(), SECOND);
    assert_eq!(run.manifest().unwrap().previous, None);
}

#[test]
fn one_flipped_byte_in_any_file_is_found_and_named() {
    let out = tempfile::tempdir().unwrap();
    let run = unbroken(out.path(), FIRST);
    for (relative, bytes) in snapshot(run.path()) {
        if relative == Path::new(MANIFEST) {
            continue;
        }
        let path = run.path().join(&relative);
        let mut damaged = bytes.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        fs::write(&path, damaged).unwrap();
        let error = verify(run.path(), None).unwrap_err();
        assert!(matches!(&error, VerifyError::Changed { path: named, .. } if *named == path), "{error}");
        fs::write(&path, bytes).unwrap();
    }
    verify(run.path(), None).unwrap();
}

#[test]
fn files_that_are_gone_added_or_elsewhere_are_found() {
    let out = tempfile::tempdir().unwrap();
    let path = unbroken(out.path(), FIRST).path().to_owned();
    fs::write(path.join("notes.txt"), "added").unwrap();
    assert!(matches!(verify(&path, None), Err(VerifyError::Unlisted { path }) if path.ends_with("notes.txt")));
    fs::remove_file(path.join("notes.txt")).unwrap();

    let manifest = fs::read_to_string(path.join(MANIFEST)).unwrap();
    fs::write(path.join(MANIFEST), manifest.replace("\"coverage.csv\"", "\"../../../coverage.csv\"")).unwrap();
    assert!(matches!(verify(&path, None), Err(VerifyError::Missing { .. })));
    fs::write(path.join(MANIFEST), manifest.replace("\"schemaVersion\": 1", "\"schemaVersion\": 7")).unwrap();
    let error = verify(&path, None).unwrap_err().to_string();
    assert!(error.contains("manifest.json has schema version 7"), "{error}");
    fs::write(path.join(MANIFEST), &manifest).unwrap();

    let renamed = path.with_file_name(SECOND);
    fs::rename(&path, &renamed).unwrap();
    assert!(matches!(verify(&renamed, None), Err(VerifyError::Renamed { .. })));
    fs::rename(&renamed, &path).unwrap();

    fs::remove_file(path.join("coverage.csv")).unwrap();
    assert!(matches!(verify(&path, None), Err(VerifyError::Missing { path }) if path.ends_with("coverage.csv")));
    let error = verify(out.path(), None).unwrap_err().to_string();
    assert!(error.contains("is not a run: it has no manifest.json"), "{error}");
}

#[test]
fn the_spool_takes_findings_in_order_only() {
    let out = tempfile::tempdir().unwrap();
    let run = RunDirectory::create(out.path(), plan(FIRST)).unwrap();
    let findings: Vec<Finding> = inventory(ACCOUNTS[0]).resources.iter().map(finding_on).collect();
    for wrong in [[1, 0], [0, 0]] {
        let mut spool = run.spool().unwrap();
        spool.push(findings[wrong[0]].clone()).unwrap();
        let error = spool.push(findings[wrong[1]].clone()).unwrap_err();
        assert!(matches!(error, RunError::Order { .. }), "{error}");
    }
    assert_eq!(names(run.path()), [PLAN], "a spool that was not finished leaves nothing");
}

#[test]
fn a_damaged_spool_is_not_read_as_a_smaller_one() {
    let out = tempfile::tempdir().unwrap();
    let run = RunDirectory::create(out.path(), plan(FIRST)).unwrap();
    collect(&run, &ACCOUNTS);
    let spool = evaluate(&run);
    assert_eq!(spool.findings().unwrap().map(Result::unwrap).count(), 6);
    assert_eq!(run.findings().unwrap().counts(), spool.counts());
    let path = run.path().join(SPOOL);
    let bytes = fs::read(&path).unwrap();
    for length in [0, 20, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        let error = run.findings().unwrap_err().to_string();
        assert!(error.contains(SPOOL) && error.contains("evaluate again"), "{error}");
        let midway: io::Result<Vec<Arc<Finding>>> = spool.findings().and_then(Iterator::collect);
        assert!(midway.is_err(), "cut at {length}");
    }
}

#[test]
fn inventories_have_their_places_and_no_others() {
    let out = tempfile::tempdir().unwrap();
    let run = RunDirectory::create(out.path(), plan(FIRST)).unwrap();
    let id = account(ACCOUNTS[1]);
    run.write_inventory(Some(&id), REFERENCED, &inventory(ACCOUNTS[1])).unwrap();
    assert!(run.has_account(&id, REFERENCED) && !run.has_account(&id, INVENTORY));
    assert!(run.accounts().unwrap().is_empty(), "what others name is not the account's own inventory");
    run.write_inventory(Some(&id), INVENTORY, &inventory(ACCOUNTS[1])).unwrap();
    assert_eq!(run.accounts().unwrap(), std::slice::from_ref(&id));
    assert_eq!(run.read_inventory(Some(&id), REFERENCED).unwrap(), inventory(ACCOUNTS[1]));
    for part in ["", "../escape", "a/b", "Part", ".hidden"] {
        assert!(
            matches!(run.write_inventory(Some(&id), part, &inventory(ACCOUNTS[1])), Err(RunError::Part(_))),
            "{part}"
        );
        assert!(!run.has_account(&id, part));
    }
    let error = run.read_inventory(Some(&account(ACCOUNTS[0])), INVENTORY).unwrap_err().to_string();
    assert!(error.contains("cannot read") && error.contains("account=111111111111"), "{error}");
    let uid = ResourceUid("arn:aws:codepipeline:eu-central-1:222222222222:api".to_owned());
    assert_eq!(run.read_inventory(Some(&id), INVENTORY).unwrap().resources[0].uid, uid);
}
