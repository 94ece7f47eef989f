//! Who asked for what: the calls that a trail records, told by the same stories as the executions.
//!
//! In: an account and Region. Out: [`Act`]s by time. An act that breaks a rule carries the code of that rule, so that
//! what is planted and what is recorded cannot fall apart.

use time::{Duration, OffsetDateTime};

use super::history::{Begun, Run, Status, Story};
use super::history_cast::{Caller, DEVELOPERS, OPERATORS, uuid};
use super::history_deploy::{Asked, Deployed, deployed};
use super::history_plot::{Plant, Scene};
use super::{AlarmName, GroupSpec, Hosting, PipelineSpec, Source, SourceSpec, Tests, trails_of};
use crate::simulate::organization::Part;
use crate::simulate::world::World;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    Start {
        pipeline: usize,
        execution: String,
        pinned: Option<String>,
    },
    Approve {
        pipeline: usize,
        approved: bool,
        summary: &'static str,
    },
    Retry {
        pipeline: usize,
        execution: String,
    },
    RollBack {
        pipeline: usize,
        target: String,
        execution: String,
    },
    Override {
        pipeline: usize,
        execution: String,
    },
    Stop {
        pipeline: usize,
        execution: String,
        abandon: bool,
    },
    Hold {
        pipeline: usize,
    },
    Release {
        pipeline: usize,
    },
    /// The pipeline's version after it; whether it has an approval that it has not today; whether the record leaves it out.
    Update {
        pipeline: usize,
        version: u32,
        approval: bool,
        omitted: bool,
    },
    Deploy {
        pipeline: usize,
        deployment: String,
        head: usize,
        restart: bool,
    },
    StopDeployment {
        deployment: String,
        back: bool,
    },
    UpdateGroup {
        group: usize,
        rollback: bool,
    },
    AnswerHook {
        deployment: String,
    },
    Build {
        project: usize,
        build: String,
        overridden: bool,
    },
    /// Recorded twice.
    Push {
        pipeline: usize,
        commit: String,
        branch: String,
    },
    Merge {
        pipeline: usize,
        commit: String,
        request: usize,
    },
    OverrideRules {
        request: usize,
    },
    DeleteRule {
        request: usize,
    },
    SwitchAlarm {
        slot: usize,
        on: bool,
    },
    Versioning {
        slot: usize,
        on: bool,
    },
    BucketPolicy {
        slot: usize,
    },
    DeleteKey {
        slot: usize,
    },
    Logging {
        trail: String,
        on: bool,
    },
    UpdateTrail {
        trail: String,
    },
}

/// A call.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub(crate) id: String,
    /// Of the second record, where there are two.
    pub(crate) second: String,
    pub(crate) time: OffsetDateTime,
    pub(crate) caller: Caller,
    pub(crate) deed: Deed,
    /// Whether it was not allowed.
    pub(crate) refused: bool,
    /// The rules that it breaks.
    pub(crate) breaks: Vec<&'static str>,
    /// The pipeline that it is about; `None`: the account.
    pub(crate) pipeline: Option<usize>,
}

/// All acts of an account in a Region, by time.
pub(crate) fn acts(world: &World, account: usize, region: usize) -> Vec<Act> {
    let mut all = account_acts(world, account, region);
    for spec in PipelineSpec::all(world, account, region) {
        all.extend(story_acts(world, &Story::of(world, &spec)));
    }
    all.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    all
}

/// When the pipeline became what it is, and when it became what it was before.
pub(crate) fn updates(world: &World, story: &Story) -> (OffsetDateTime, OffsetDateTime) {
    let now = world.options.now;
    let minutes = i64::try_from(story.spec.number % 1440).unwrap_or(0);
    let last = now - Duration::days(20) - Duration::minutes(minutes);
    let wanted = Scene::Approves(Plant::EditorApproves);
    let edited = story.runs.iter().find(|run| run.scene == wanted && run.gate.is_some());
    let edited = edited.map(|run| run.started - Duration::hours(2)).filter(|at| *at < last - Duration::days(1));
    (edited.unwrap_or(now - Duration::days(75)), last)
}

struct Ledger<'a> {
    world: &'a World,
    place: (usize, usize),
    pipeline: Option<usize>,
    acts: Vec<Act>,
}

impl Ledger<'_> {
    fn add(&mut self, time: OffsetDateTime, caller: Caller, deed: Deed, breaks: &[&'static str]) {
        let kind = self.pipeline.map_or_else(|| "act-account".to_owned(), |number| format!("act-{number}"));
        let number = self.acts.len();
        self.acts.push(Act {
            id: uuid(self.world, self.place, &kind, number),
            second: uuid(self.world, self.place, &format!("second-{kind}"), number),
            time,
            caller,
            deed,
            refused: false,
            breaks: breaks.to_vec(),
            pipeline: self.pipeline,
        });
    }

    fn refuse(&mut self) {
        if let Some(last) = self.acts.last_mut() {
            last.refused = true;
        }
    }
}

/// The acts around one pipeline.
pub(crate) fn story_acts(world: &World, story: &Story) -> Vec<Act> {
    let spec = story.spec;
    let mut ledger = Ledger { world, place: story.place(), pipeline: Some(spec.number), acts: Vec::new() };
    update(&mut ledger, story);
    let own = SourceSpec::of(world, &spec).filter(|source| matches!(source.hosting, Hosting::CodeCommit(_)));
    for (position, run) in story.runs.iter().enumerate() {
        if let (Some(source), true) = (&own, run.forward()) {
            code(&mut ledger, story, position, run, source.branch());
        }
        begin(&mut ledger, story, run);
        middle(&mut ledger, story, run);
    }
    let deployments = deployed(world, story);
    for one in &deployments {
        deploy(&mut ledger, spec.number, one);
    }
    planted(&mut ledger, story, &deployments);
    ledger.acts
}

fn update(ledger: &mut Ledger<'_>, story: &Story) {
    let number = story.spec.number;
    let (before, last) = updates(ledger.world, story);
    let has = |plant: Plant| story.plants.contains(&plant);
    let removed = has(Plant::ApprovalRemoved);
    let edited = story.runs.iter().find(|run| run.scene == Scene::Approves(Plant::EditorApproves));
    let editor = edited.and_then(|run| run.gate).map_or(Caller::Automation, |gate| gate.approver);
    let first = Deed::Update { pipeline: number, version: 2, approval: removed, omitted: false };
    ledger.add(before, editor, first, &[]);
    let omitted = has(Plant::UpdateOmitted);
    let (caller, breaks): (Caller, &[&'static str]) =
        if removed || omitted { (DEVELOPERS[2], &["G8"]) } else { (Caller::Automation, &[]) };
    ledger.add(last, caller, Deed::Update { pipeline: number, version: 3, approval: false, omitted }, breaks);
    if !story.plants.is_empty() {
        // Somebody tried, and may not: nothing happened.
        let tried = Deed::Update { pipeline: number, version: 4, approval: false, omitted: false };
        ledger.add(last + Duration::days(3), DEVELOPERS[4], tried, &[]);
        ledger.refuse();
    }
}

fn code(ledger: &mut Ledger<'_>, story: &Story, position: usize, run: &Run, branch: &str) {
    let pipeline = story.spec.number;
    let Some(head) = story.commits.get(run.head) else { return };
    let (request, commit, at) = (100 + position, head.id.clone(), head.committed);
    if story.plants.contains(&Plant::DirectPush) && position % 9 == 4 {
        let branch = branch.to_owned();
        ledger.add(at + Duration::minutes(1), head.author, Deed::Push { pipeline, commit, branch }, &["G9"]);
        return;
    }
    let feature = format!("feature/{request}");
    let pushed = Deed::Push { pipeline, commit: commit.clone(), branch: feature };
    ledger.add(at + Duration::minutes(1), head.author, pushed, &[]);
    if story.plants.contains(&Plant::RulesOverridden) && position % 9 == 6 {
        let deed =
            if position.is_multiple_of(2) { Deed::OverrideRules { request } } else { Deed::DeleteRule { request } };
        ledger.add(at + Duration::minutes(8), head.author, deed, &["G9"]);
    }
    ledger.add(at + Duration::minutes(12), head.author, Deed::Merge { pipeline, commit, request }, &[]);
}

fn begin(ledger: &mut Ledger<'_>, story: &Story, run: &Run) {
    let pipeline = story.spec.number;
    let execution = run.id.clone();
    match run.begun {
        Begun::Change => {
            let events = matches!(story.spec.source, Source::CodeCommitEvents | Source::S3Events | Source::Ecr);
            if events {
                ledger.add(run.started, Caller::Events, Deed::Start { pipeline, execution, pinned: None }, &[]);
            }
        }
        Begun::By { caller, pinned } => {
            let pinned = pinned.then(|| story.commits.get(run.head).map(|commit| commit.id.clone())).flatten();
            ledger.add(run.started, caller, Deed::Start { pipeline, execution, pinned }, &["G4"]);
        }
        Begun::RolledBack { by, target } => {
            let target = story.runs.get(target).map(|run| run.id.clone()).unwrap_or_default();
            ledger.add(run.started, by, Deed::RollBack { pipeline, target, execution }, &[]);
        }
        Begun::WentBack { .. } => {}
    }
    let builds = matches!(story.spec.tests, Tests::Build | Tests::TestOnly) && run.forward();
    if builds {
        let build = build_id(ledger.world, story, &run.id);
        let deed = Deed::Build { project: pipeline, build, overridden: false };
        ledger.add(run.started + Duration::minutes(1), Caller::Pipeline(pipeline), deed, &[]);
    }
}

/// The id of the first build of a run, without the project.
pub(crate) fn build_id(world: &World, story: &Story, execution: &str) -> String {
    let position = story.runs.iter().position(|run| run.id == execution).unwrap_or_default();
    uuid(world, story.place(), &format!("build-{}", story.spec.number), position)
}

fn middle(ledger: &mut Ledger<'_>, story: &Story, run: &Run) {
    let pipeline = story.spec.number;
    if let Some((gate, answered)) = run.gate.and_then(|gate| Some((gate, gate.answered?))) {
        let mut breaks = Vec::new();
        match run.scene {
            Scene::Approves(Plant::ApprovesOwn) => breaks.push("G1"),
            Scene::Approves(Plant::MachineApproves | Plant::RootApproves | Plant::QuickApproval) => breaks.push("G2"),
            _ => {}
        }
        let (from, to) = updates(ledger.world, story);
        let edited = story.runs.iter().find(|run| run.scene == Scene::Approves(Plant::EditorApproves));
        let editor = edited.and_then(|run| run.gate).map(|gate| gate.approver);
        if editor == Some(gate.approver) && from < answered && answered < to {
            breaks.push("G3");
        }
        let deed = Deed::Approve { pipeline, approved: gate.approved, summary: gate.summary };
        ledger.add(answered, gate.approver, deed, &breaks);
    }
    if let Some((from, to)) = run.held {
        ledger.add(from, OPERATORS[0], Deed::Hold { pipeline }, &[]);
        let (caller, breaks): (Caller, &[&'static str]) =
            if run.scene == Scene::Held { (OPERATORS[0], &[]) } else { (DEVELOPERS[1], &["G6"]) };
        ledger.add(to, caller, Deed::Release { pipeline }, breaks);
    }
    for retry in run.attempts.iter().skip(1) {
        ledger.add(retry.started, OPERATORS[1], Deed::Retry { pipeline, execution: run.id.clone() }, &[]);
    }
    if run.status == Status::Stopped {
        let abandon = run.scene == Scene::Abandoned;
        let deed = Deed::Stop { pipeline, execution: run.id.clone(), abandon };
        let breaks: &[&'static str] = if abandon { &["G12"] } else { &[] };
        ledger.add(run.updated, OPERATORS[0], deed, breaks);
    }
}

fn deploy(ledger: &mut Ledger<'_>, pipeline: usize, one: &Deployed) {
    let (deployment, head, restart) = (one.id.clone(), one.head, one.restarts());
    let deed = Deed::Deploy { pipeline, deployment: deployment.clone(), head, restart };
    match one.asked {
        Asked::Pipeline(_) => ledger.add(one.created, Caller::Pipeline(pipeline), deed, &[]),
        Asked::By(caller, _) => ledger.add(one.created, caller, deed, &["G5"]),
        Asked::Scaling | Asked::Rollback => {}
    }
    if one.finish == super::history_deploy::Finish::Stopped {
        let stop = Deed::StopDeployment { deployment, back: false };
        ledger.add(one.completed - Duration::seconds(1), OPERATORS[0], stop, &["G7"]);
    }
}

/// What is planted beside the runs: around the last ordinary one that is neither too old nor too young.
fn planted(ledger: &mut Ledger<'_>, story: &Story, deployments: &[Deployed]) {
    let (world, spec) = (ledger.world, story.spec);
    let number = spec.number;
    let settled = world.options.now - Duration::days(5);
    let usual = |run: &&Run| run.scene == Scene::Ordinary && run.leads && run.updated < settled;
    let Some(run) = story.runs.iter().rev().find(usual) else { return };
    let started = run.attempts.first().map_or(run.ready, |attempt| attempt.started);
    let group = || GroupSpec::new(world, spec.account, spec.region, number);
    for plant in &story.plants {
        match plant {
            Plant::OverriddenBuild => {
                let build = uuid(world, story.place(), "own-build", number);
                let deed = Deed::Build { project: number, build, overridden: true };
                ledger.add(run.updated + Duration::hours(3), DEVELOPERS[3], deed, &["G5"]);
            }
            Plant::ConditionOverridden => {
                let deed = Deed::Override { pipeline: number, execution: run.id.clone() };
                ledger.add(started - Duration::seconds(30), OPERATORS[1], deed, &["G6"]);
            }
            Plant::RollbackSwitchedOff => {
                let off = Deed::UpdateGroup { group: number, rollback: false };
                ledger.add(started - Duration::minutes(15), OPERATORS[0], off, &["G7"]);
                let on = Deed::UpdateGroup { group: number, rollback: true };
                ledger.add(started + Duration::hours(2), OPERATORS[0], on, &[]);
            }
            Plant::AlarmSilenced => {
                let slot = group().alarms.iter().find_map(|alarm| match alarm {
                    AlarmName::Slot(slot) => Some(*slot),
                    AlarmName::Ghost => None,
                });
                if let Some(slot) = slot {
                    let deed = |on| Deed::SwitchAlarm { slot, on };
                    ledger.add(started - Duration::minutes(10), OPERATORS[0], deed(false), &["G7"]);
                    ledger.add(started + Duration::hours(1), OPERATORS[0], deed(true), &[]);
                }
            }
            Plant::HookAnswered => {
                let own = run.attempts.first().and_then(|attempt| attempt.deployment.as_deref());
                if let Some(one) = deployments.iter().find(|one| Some(one.id.as_str()) == own) {
                    let deed = Deed::AnswerHook { deployment: one.id.clone() };
                    ledger.add(one.started + Duration::minutes(1), DEVELOPERS[3], deed, &["G13"]);
                }
            }
            _ => {}
        }
    }
}

/// What is done to the places where evidence is kept.
fn account_acts(world: &World, account: usize, region: usize) -> Vec<Act> {
    let mut ledger = Ledger { world, place: (account, region), pipeline: None, acts: Vec::new() };
    let now = world.options.now;
    let delivers = world.pipeline_count(account, region) > 0;
    if delivers && world.member(account).part == Part::Workload {
        match (account + region) % 4 {
            0 => {
                let off = Deed::Versioning { slot: 0, on: false };
                ledger.add(now - Duration::days(28), OPERATORS[0], off, &["G10"]);
            }
            1 => ledger.add(now - Duration::days(31), OPERATORS[1], Deed::DeleteKey { slot: 2 }, &["G10"]),
            2 => ledger.add(now - Duration::days(17), OPERATORS[0], Deed::BucketPolicy { slot: 0 }, &["G10"]),
            _ => {}
        }
    }
    for trail in trails_of(world, account).iter().filter(|trail| trail.region == region) {
        let name = trail.arn(world);
        if world.member(account).part == Part::Management {
            let deed = Deed::UpdateTrail { trail: name };
            ledger.add(now - Duration::days(40), Caller::User("carol"), deed, &["G10"]);
        } else {
            let deed = |on| Deed::Logging { trail: name.clone(), on };
            ledger.add(now - Duration::days(12), OPERATORS[0], deed(false), &["G10"]);
            ledger.add(now - Duration::days(12) + Duration::minutes(40), OPERATORS[0], deed(true), &[]);
            ledger.add(now - Duration::days(9), DEVELOPERS[4], deed(false), &[]);
            ledger.refuse();
        }
    }
    ledger.acts
}
