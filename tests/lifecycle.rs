//! Findings over runs: the simulated organization audited again and again while it changes, against the known truth.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use pipewarden::audit::{Evaluation, Judged, finders};
use pipewarden::config::Config;
use pipewarden::evaluate::Policies;
use pipewarden::finding::{Change, ComplianceType, Finding, Gone};
use pipewarden::report::{FORMATS, FindingSource};
use pipewarden::run::{
    INVENTORY, Keeping, Link, Plan, RunDirectory, RunId, RunState, StoredReport, difference, find_run, list, prune,
    verify,
};
use pipewarden::simulate::{Simulation, SimulationOptions};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::audit::{collect, configuration};
use crate::cli::pipewarden;

type Key = (String, String, String, String);

fn world() -> SimulationOptions {
    SimulationOptions {
        accounts: 6,
        pipelines_per_account_region: 2,
        denials: false,
        limits: false,
        ..SimulationOptions::default()
    }
}

fn policies(disabled: &[&str]) -> Policies {
    let disabled: BTreeSet<String> = disabled.iter().map(|id| (*id).to_owned()).collect();
    Policies::load(&Policies::embedded(), &disabled).unwrap()
}

fn day(number: i64) -> OffsetDateTime {
    world().now + Duration::days(number)
}

fn judge(run: &RunDirectory, config: &Config, policies: &Policies) -> Judged {
    let evaluation =
        Evaluation { policies, settings: config.settings.clone(), rules: config.rules.clone(), owners: &config.owners };
    evaluation.judge(run).unwrap()
}

/// One audit of a series into the same folder.
struct Night<'a> {
    options: SimulationOptions,
    config: Config,
    disabled: &'a [&'a str],
    /// Done to the inventories before they are judged: what somebody changed in AWS.
    change: &'a dyn Fn(&RunDirectory),
}

impl Default for Night<'_> {
    fn default() -> Self {
        let simulation = Simulation::new(world());
        let mut config = configuration();
        config.rules.delegated_administrators.extend(simulation.trusted_administrators());
        Self { options: world(), config, disabled: &[], change: &|_| {} }
    }
}

impl Night<'_> {
    fn begin(&self, out: &Path, number: i64) -> RunDirectory {
        let plan = Plan::new(RunId::at(day(number)).unwrap(), json!({}), self.options.seed);
        let run = RunDirectory::create(out, plan).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(collect(&Simulation::new(self.options.clone()), &self.config, &run));
        (self.change)(&run);
        run
    }

    fn end(&self, run: &RunDirectory) {
        let policies = policies(self.disabled);
        let judged = judge(run, &self.config, &policies);
        run.finish(&judged.report(run, &policies), FORMATS).unwrap();
    }

    fn pass(&self, out: &Path, number: i64) -> Morning {
        let run = self.begin(out, number);
        self.end(&run);
        verify(run.path(), None).unwrap();
        Morning::of(&run)
    }
}

/// What a run says when it is over.
struct Morning {
    stored: StoredReport,
    findings: Vec<Finding>,
    gone: Vec<Gone>,
}

fn key(finding: &Finding) -> Key {
    let resource = &finding.resource;
    (finding.control.clone(), resource.uid.to_string(), resource.account.to_string(), resource.region.to_string())
}

fn change(finding: &Finding) -> Change {
    finding.lifecycle.as_ref().unwrap().change
}

impl Morning {
    fn of(run: &RunDirectory) -> Self {
        let spool = run.findings().unwrap();
        Self {
            stored: run.stored_report().unwrap(),
            findings: spool.findings().unwrap().map(|finding| Finding::clone(&finding.unwrap())).collect(),
            gone: spool.gone().unwrap().map(Result::unwrap).collect(),
        }
    }

    fn violations(&self) -> BTreeMap<Key, &Finding> {
        let bad = self.findings.iter().filter(|finding| finding.compliance == ComplianceType::NonCompliant);
        bad.map(|finding| (key(finding), finding)).collect()
    }

    /// Violations that are known, though this run could not see them.
    fn unseen(&self) -> BTreeSet<Key> {
        let known = |finding: &&Finding| {
            let lifecycle = finding.lifecycle.as_ref().unwrap();
            lifecycle.change == Change::NotSeen && lifecycle.last_known == Some(ComplianceType::NonCompliant)
        };
        let gone = self.gone.iter().map(|gone| &gone.finding);
        self.findings.iter().chain(gone).filter(known).map(key).collect()
    }

    fn resolved(&self) -> BTreeSet<Key> {
        let was_bad = |finding: &&Finding| change(finding) == Change::Resolved;
        let gone = self.gone.iter().map(|gone| &gone.finding);
        self.findings.iter().chain(gone).filter(was_bad).map(key).collect()
    }

    fn counted(&self, change: Change) -> u64 {
        let comparison = self.stored.report().over_time.comparison.unwrap();
        comparison.violations.get(&change).copied().unwrap_or(0)
    }
}

/// A pipeline of type V1 becomes one of type V2, or the other way round, in the account that has the first of them.
fn retype(run: &RunDirectory, from: &str, to: &str) -> Option<String> {
    for account in run.accounts().unwrap() {
        let mut inventory = run.read_inventory(Some(&account), INVENTORY).unwrap();
        let one = inventory
            .resources
            .iter_mut()
            .find(|resource| resource.properties.get("PipelineType").and_then(Value::as_str) == Some(from));
        if let Some(pipeline) = one {
            pipeline.properties.insert("PipelineType".to_owned(), json!(to));
            let uid = pipeline.uid.to_string();
            run.write_inventory(Some(&account), INVENTORY, &inventory).unwrap();
            return Some(uid);
        }
    }
    None
}

/// Every kind of change, one night each, against what really changed.
#[test]
fn a_changing_organization_is_followed_and_a_gap_never_mends_anything() {
    let out = tempfile::tempdir().unwrap();
    let out = out.path();
    let first = Night::default().pass(out, 0);
    assert!(first.stored.report().over_time.comparison.is_none() && first.gone.is_empty());
    assert!(first.findings.iter().all(|finding| change(finding) == Change::New));
    let all = first.violations();
    assert!(all.len() > 50, "{}", all.len());

    // Nothing happens.
    let same = Night::default().pass(out, 1);
    assert!(same.gone.is_empty() && same.resolved().is_empty() && same.unseen().is_empty());
    assert_eq!(same.counted(Change::Unchanged), all.len() as u64);
    for finding in same.violations().values() {
        let lifecycle = finding.lifecycle.as_ref().unwrap();
        assert_eq!(lifecycle.first_observed_at, "2026-11-21T00:00:00Z");
        assert_eq!(lifecycle.last_observed_at.as_deref(), Some("2026-11-22T00:00:00Z"));
    }

    // Somebody mends one pipeline.
    let mended = std::cell::RefCell::new(None);
    let mend = |run: &RunDirectory| {
        mended.replace(retype(run, "V1", "V2"));
    };
    let better = Night { change: &mend, ..Night::default() }.pass(out, 2);
    let mended = mended.into_inner().expect("no pipeline of type V1 in this world");
    let resolved = better.resolved();
    assert!(!resolved.is_empty() && resolved.iter().all(|key| key.1 == mended), "{resolved:?}");
    assert!(resolved.iter().any(|key| key.0 == "codepipeline-type-v2"));
    assert!(better.unseen().is_empty());
    let remediation = better.stored.report().over_time.comparison.unwrap().remediation;
    assert_eq!(remediation.values().map(|one| one.resolved).sum::<u64>(), resolved.len() as u64);
    assert!(remediation.values().all(|one| one.mean_hours() == Some(48.0)), "{remediation:?}");
    let in_its_trend =
        |morning: &Morning, night: usize| morning.stored.report().over_time.trend[night].remediation.clone();
    assert_eq!(in_its_trend(&better, 0), None, "the first run was compared with none");
    assert_eq!(in_its_trend(&better, 2).as_ref(), Some(&remediation));

    // It is undone: that is new, with a new beginning; everything else is as old as it was.
    let undone = Night::default().pass(out, 3);
    let news: BTreeSet<Key> = undone
        .violations()
        .into_iter()
        .filter(|(_, finding)| change(finding) == Change::New)
        .map(|(key, _)| key)
        .collect();
    assert_eq!(news, resolved);

    // The pipelines cannot be listed: what is known of them, and of all that only they name, is not seen.
    let options = SimulationOptions { deny_action: Some("codepipeline:ListPipelines".to_owned()), ..world() };
    let blind = Night { options, ..Night::default() }.pass(out, 4);
    assert!(blind.resolved().is_empty(), "{:?}", blind.resolved());
    let hidden = blind.unseen();
    let seen: BTreeSet<Key> = blind.violations().into_keys().collect();
    let expected: BTreeSet<Key> = all.keys().filter(|key| !seen.contains(*key)).cloned().collect();
    assert!(expected.iter().any(|key| key.1.contains(":codepipeline:")));
    assert!(expected.is_subset(&hidden), "a violation went without a word");
    assert_eq!(blind.counted(Change::NotSeen), hidden.len() as u64);
    let reason = &blind.gone.iter().find(|gone| gone.finding.resource.uid.as_str() == mended).unwrap().reason;
    assert!(reason.contains("codepipeline:ListPipelines"), "{reason}");

    // Still blind: carried on. Then they can be listed again: nothing is new, and nothing has lost its age.
    let options = SimulationOptions { deny_action: Some("codepipeline:ListPipelines".to_owned()), ..world() };
    assert_eq!(Night { options, ..Night::default() }.pass(out, 5).unseen(), hidden);
    let again = Night::default().pass(out, 6);
    for (key, finding) in again.violations() {
        assert_ne!(change(finding), Change::New, "{key:?}");
        let began = if resolved.contains(&key) { "2026-11-24T00:00:00Z" } else { "2026-11-21T00:00:00Z" };
        assert_eq!(finding.lifecycle.as_ref().unwrap().first_observed_at, began, "{key:?}");
    }
    assert!(again.unseen().is_empty());
    assert_eq!(in_its_trend(&again, 2), Some(remediation), "later runs know what it resolved");
    assert_eq!(again.violations().len(), all.len());

    assert_losses(out, &all);
}

/// What is left out, switched off or gone, each against the night before.
fn assert_losses(out: &Path, all: &BTreeMap<Key, &Finding>) {
    // A control is switched off.
    let off = Night { disabled: &["codepipeline-type-v2"], ..Night::default() }.pass(out, 7);
    assert!(off.resolved().is_empty());
    assert!(!off.gone.is_empty());
    assert!(off.gone.iter().all(|gone| gone.reason == "control `codepipeline-type-v2` was not asked in this run"));
    assert!(off.stored.report().over_time.trend.last().unwrap().other_policies);
    let unsure = off.stored.report().over_time;
    assert_eq!((unsure.hidden(), unsure.comparison.unwrap().set_aside), (off.gone.len() as u64, 0));

    // It stays off: that was told, so the violations are carried on and leave the verdict alone.
    let stays_off = Night { disabled: &["codepipeline-type-v2"], ..Night::default() }.pass(out, 8);
    let keys = |morning: &Morning| morning.gone.iter().map(|gone| key(&gone.finding)).collect::<BTreeSet<_>>();
    assert_eq!(keys(&stays_off), keys(&off));
    let told = stays_off.stored.report().over_time;
    assert_eq!((told.hidden(), told.comparison.unwrap().set_aside), (0, off.gone.len() as u64));
    assert!(stays_off.gone.iter().all(|gone| stays_off.stored.report().is_set_aside(gone)));

    // An account leaves the organization.
    let options = SimulationOptions { accounts: 5, ..world() };
    let left = Simulation::new(world()).truth().findings.into_keys().map(|key| key.2).collect::<BTreeSet<_>>();
    let truth = Simulation::new(options.clone()).truth();
    let stays = truth.findings.keys().map(|key| key.2.clone()).collect();
    let left: BTreeSet<&String> = left.difference(&stays).collect();
    let smaller = Night { options, ..Night::default() }.pass(out, 9);
    let of_left = |key: &&Key| left.contains(&key.2);
    // Who left had its part in what others do, so some of that is mended too.
    let resolved_without = smaller.resolved();
    assert!(!resolved_without.iter().any(|key| left.contains(&key.2)), "{resolved_without:?}");
    for key in &resolved_without {
        let now = truth.findings.get(key).map(|expected| expected.as_str());
        assert_ne!(now, Some("NonCompliant"), "{key:?} is still there");
    }
    let unseen = smaller.unseen();
    for key in all.keys().filter(of_left) {
        assert!(unseen.contains(key), "{key:?} went without a word");
    }
    assert!(smaller.gone.iter().any(|gone| gone.reason.contains("not among the accounts")));

    // It comes back with fewer pipelines: those that are not there any more are resolved, and nothing else is gone.
    let options = SimulationOptions { pipelines_per_account_region: 1, ..world() };
    let truth: BTreeMap<Key, &str> = Simulation::new(options.clone())
        .truth()
        .findings
        .iter()
        .map(|(key, expected)| (key.clone(), expected.as_str()))
        .collect();
    let fewer = Night { options, ..Night::default() }.pass(out, 10);
    let resolved = fewer.resolved();
    let of_pipelines = |key: &&Key| key.0.starts_with("codepipeline-") && key.1.contains(":codepipeline:");
    let expected: BTreeSet<Key> =
        all.keys().filter(of_pipelines).filter(|key| !truth.contains_key(*key)).cloned().collect();
    assert!(!expected.is_empty());
    for key in &expected {
        let told = resolved.contains(key) || resolved_without.contains(key);
        assert!(told, "{key:?} is gone, and everybody could see that");
    }
    for key in &resolved {
        assert!(truth.get(key).is_none_or(|truth| *truth != "NonCompliant"), "{key:?} is still there");
    }
}

fn snapshot(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(run).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            files.insert(path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap());
        }
    }
    files
}

#[test]
fn a_run_killed_while_it_was_compared_ends_with_the_same_bytes() {
    let options = SimulationOptions { accounts: 4, ..world() };
    let night = Night { options, ..Night::default() };
    let (unbroken, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let blind = SimulationOptions { deny_action: Some("codebuild:ListProjects".to_owned()), ..night.options.clone() };
    let blind = Night { options: blind, ..Night::default() };
    for out in [unbroken.path(), broken.path()] {
        night.pass(out, 0);
    }
    let whole = blind.begin(unbroken.path(), 1);
    blind.end(&whole);
    let killed = blind.begin(broken.path(), 1);
    judge(&killed, &blind.config, &policies(&[]));
    let path = killed.path().to_owned();
    drop(killed);
    // Between the two: findings without their lifecycle, and what was gone of an attempt before.
    fs::write(path.join(".findings.spool.jsonl.gz.partial"), b"half").unwrap();
    fs::write(path.join("gone.spool.jsonl.gz"), b"of another attempt").unwrap();
    let resumed = RunDirectory::unfinished(broken.path(), &whole.plan().question, day(1)).unwrap().unwrap();
    blind.end(&resumed);
    let (expected, got) = (snapshot(whole.path()), snapshot(resumed.path()));
    assert_eq!(got.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (file, bytes) in &expected {
        assert!(got.get(file) == Some(bytes), "{file} differs");
    }

    // Two finished runs, compared by hand, give what the second of them says itself.
    let first = find_run(Path::new("20261121T000000Z"), unbroken.path()).unwrap();
    let mut seen: BTreeMap<Change, u64> = BTreeMap::new();
    let by_hand = difference(&first, &whole, &finders(), &mut |differing| {
        *seen.entry(change(&differing.finding)).or_default() += 1;
        Ok(())
    })
    .unwrap();
    let own = whole.stored_report().unwrap().report().over_time.comparison.unwrap();
    assert_eq!(by_hand.comparison, own);
    let mut counted = own.violations.clone();
    counted.remove(&Change::Unchanged);
    assert_eq!(seen, counted);
    assert!(counted.get(&Change::NotSeen).is_some_and(|count| *count > 0));
}

fn text(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_command_line_compares_lists_and_prunes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let demo = |more: &[&str]| {
        let mut args = vec!["demo", "--accounts", "3", "--pipelines", "1", "--no-limits", "--no-denials"];
        args.extend(more);
        pipewarden(&args, folder)
    };
    let run = |args: &[&str]| pipewarden(args, folder);
    assert_eq!(run(&["diff"]).status.code(), Some(64));
    assert!(text(&run(&["runs"])).contains("there is no run in"));
    assert_eq!(demo(&["--fail-on-new", "low"]).status.code(), Some(1), "on a first run everything is new");
    let second = demo(&["--fail-on-new", "low"]);
    assert_eq!(second.status.code(), Some(0), "{}", text(&second));
    assert!(text(&second).contains("since run 20261121T000000Z: 0 new, 0 worsened, 0 resolved"), "{}", text(&second));
    assert_eq!(demo(&["--deny", "codepipeline:ListPipelines"]).status.code(), Some(0));

    let page = text(&run(&["diff"]));
    assert!(page.contains("run 20261121T000001Z → run 20261121T000002Z"), "{page}");
    assert!(page.contains("Not seen this time") && page.contains("allow codepipeline:ListPipelines"), "{page}");
    let ticket = text(&run(&["diff", "--format", "markdown"]));
    assert!(ticket.contains("## Not seen this time"), "{ticket}");
    let json = run(&["diff", "20261121T000000Z", "20261121T000002Z", "--format", "json"]);
    let document: Value = serde_json::from_slice(&json.stdout).unwrap_or_else(|_| panic!("{}", text(&json)));
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/schema/diff.v1.schema.json");
    let schema: Value = serde_json::from_slice(&fs::read(schema).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let mut wrong = document.clone();
    wrong["changes"][0]["change"] = json!("Mended");
    assert!(!validator.is_valid(&wrong));
    assert_eq!(document["violations"]["Resolved"], 0);
    let not_seen = document["changes"].as_array().unwrap().iter().filter(|row| row["change"] == "NotSeen");
    assert_eq!(json!(not_seen.count()), document["violations"]["NotSeen"]);
    let backwards = run(&["diff", "20261121T000002Z", "20261121T000000Z"]);
    assert_eq!(backwards.status.code(), Some(64), "{}", text(&backwards));
    // In the other direction of time everything comes back, and none of it is new.
    assert_eq!(demo(&[]).status.code(), Some(0));
    assert_eq!(run(&["diff", "--fail-on-new", "low"]).status.code(), Some(0), "{}", text(&run(&["diff"])));

    let table = text(&run(&["runs"]));
    assert!(table.contains("20261121T000003Z  not compliant") && table.contains("holds"), "{table}");
    let rows: Value = serde_json::from_slice(&run(&["runs", "--format", "json"]).stdout).unwrap();
    assert_eq!(rows["runs"].as_array().unwrap().len(), 4);
    assert_eq!(rows["runs"][0]["chain"], "first");
    assert_eq!(text(&run(&["runs", "--format", "csv"])).lines().count(), 5);
    let newest = text(&run(&["runs", "--format", "csv", "--last", "1"]));
    assert_eq!(newest.lines().count(), 2, "{newest}");
    assert!(newest.contains(rows["runs"][3]["runId"].as_str().unwrap()), "{newest}");

    fs::write(folder.join("keep.toml"), "[runs]\nkeep = 2\n").unwrap();
    let dry = text(&run(&["runs", "--prune", "--dry-run", "--config", "keep.toml"]));
    assert!(dry.contains("20261121T000001Z would be removed: beyond the newest 2 runs"), "{dry}");
    assert_eq!(list(&folder.join("pipewarden-out")).unwrap().len(), 4);
    // An audit prunes when it has ended.
    let pruned = demo(&["--config", "keep.toml", "--fresh"]);
    assert!(
        text(&pruned).contains("pruned: 20261121T000000Z, 20261121T000001Z, 20261121T000002Z"),
        "{}",
        text(&pruned)
    );
    let left = list(&folder.join("pipewarden-out")).unwrap();
    assert_eq!(left.len(), 2);
    // A run that judges older inventories again is no news of today.
    let again = run(&["evaluate", "20261121T000003Z", "--fail-on", "none"]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again));
    let page = text(&run(&["diff"]));
    assert!(page.contains("run 20261121T000003Z → run 20261121T000004Z"), "{page}");
    // The chain still holds, because the manifest of what was pruned is kept, and shows when it was changed.
    let oldest = &left[0].path;
    let before: RunId = "20261121T000002Z".parse().unwrap();
    assert_eq!(verify(oldest, None).unwrap().previous, Link::Holds(before));
    let kept = folder.join("pipewarden-out/pruned/20261121T000002Z.manifest.json");
    let mut bytes = fs::read(&kept).unwrap();
    bytes.push(b' ');
    fs::write(&kept, bytes).unwrap();
    assert!(verify(oldest, None).unwrap_err().to_string().contains("the chain is broken"));
}

/// Finishes a run of an organization, in which nothing was found.
fn finish_empty(run: &RunDirectory, organization: &str) {
    let coverage = pipewarden::inventory::Coverage::default();
    let spool = run.spool().unwrap().finish().unwrap();
    let report = pipewarden::report::Report {
        run: run.plan().run_info(organization, ""),
        controls: BTreeMap::new(),
        frameworks: BTreeMap::new(),
        accounts: BTreeMap::new(),
        counts: spool.counts().clone(),
        coverage: &coverage,
        gaps: &[],
        findings: &spool,
        calls: coverage.totals(),
        over_time: pipewarden::report::OverTime::default(),
    };
    run.finish(&report, &[]).unwrap();
}

#[test]
fn runs_of_two_organizations_are_not_compared() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let id = |number| RunId::at(day(number)).unwrap();
    for (number, organization) in [(0, "o-exampleorg1"), (1, "o-exampleorg2"), (2, "")] {
        let plan = Plan::new(id(number), json!({}), 1);
        finish_empty(&RunDirectory::create(&folder.join("pipewarden-out"), plan).unwrap(), organization);
    }
    let (first, second) = (id(0).to_string(), id(1).to_string());
    let refused = pipewarden(&["diff", &first, &second], folder);
    assert_eq!(refused.status.code(), Some(64), "{}", text(&refused));
    let words = text(&refused).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&format!("run {first} is of organization o-exampleorg1, but run {second}")), "{words}");
    let refused = pipewarden(&["diff", &second], folder);
    assert_eq!(refused.status.code(), Some(64), "{}", text(&refused));
    assert!(text(&refused).contains("is of a single account"), "{}", text(&refused));
}

#[test]
fn pruning_keeps_the_newest_run_and_what_an_unfinished_one_builds_on() {
    let out = tempfile::tempdir().unwrap();
    let out = out.path();
    let at = |number: i64| RunId::at(day(number)).unwrap();
    let put = |number: i64, config: Value, finished: bool| {
        let run = RunDirectory::create(out, Plan::new(at(number), config, 1)).unwrap();
        if finished {
            finish_empty(&run, "o-exampleorg1");
        }
    };
    for number in 0..4 {
        put(number, json!({}), true);
    }
    put(4, json!({"options": {"inventoriesOf": at(1).to_string()}}), false);
    let names = |pruned: Vec<pipewarden::run::Pruned>| pruned.into_iter().map(|one| one.run_id).collect::<Vec<_>>();
    let strict = Keeping { runs: Some(1), days: Some(1) };
    let would = prune(out, strict, day(100), None, true).unwrap();
    assert_eq!(names(would), [at(0), at(2)], "day 3 is its link, day 1 its source, and day 4 may go on");
    assert_eq!(names(prune(out, strict, day(100), None, false).unwrap()), [at(0), at(2)]);
    assert_eq!(names(prune(out, strict, day(100), None, false).unwrap()), []);
    // It is finished, so what it built on may go; the unfinished one of before is nobody's base.
    put(5, json!({}), true);
    assert_eq!(names(prune(out, strict, day(100), None, false).unwrap()), [at(4)].into_iter().collect::<Vec<_>>());
    assert_eq!(names(prune(out, strict, day(100), None, false).unwrap()), [at(1), at(3)]);
    let left = list(out).unwrap();
    assert!(left.len() == 1 && matches!(left[0].state, RunState::Finished(_)));
    assert_eq!(verify(&left[0].path, None).unwrap().previous, Link::Holds(at(3)));
    assert_eq!(fs::read_dir(out.join("pruned")).unwrap().count(), 4);
}
