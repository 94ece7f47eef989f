//! What happened to a pipeline in the last four months: its executions, and the commits that they delivered.
//!
//! In: a pipeline. Out: its [`Story`], oldest first. Every second slot of time is an ordinary delivery, so that what is
//! told between them (a failure, a rollback, a stop) always has an undisputed predecessor and successor. Nothing here
//! says how an API writes it, or what a metric makes of it.

use time::{Duration, OffsetDateTime};

use super::history_cast::{Caller, DEVELOPERS, MANAGERS, OPERATORS, deployment_id, sha, uuid};
use super::history_plot::{Plant, Scene, plants, scenes};
use super::{Approval, Mode, PipelineSpec, Source, StageRollback, has_approval};
use crate::simulate::world::World;

/// A commit on the branch that the pipeline takes.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) id: String,
    pub(crate) authored: OffsetDateTime,
    pub(crate) committed: OffsetDateTime,
    pub(crate) author: Caller,
    pub(crate) message: String,
    /// Whether it only joins two branches.
    pub(crate) merge: bool,
}

/// What began an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    /// A change of the source.
    Change,
    /// Somebody; with a commit that they named themselves, or not.
    By { caller: Caller, pinned: bool },
    /// Somebody went back to the execution of that position.
    RolledBack { by: Caller, target: usize },
    /// The pipeline went back by itself.
    WentBack { target: usize },
}

/// How an execution ended, in the API's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Succeeded,
    Failed,
    Superseded,
    Stopped,
    InProgress,
}

/// How one try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Succeeded,
    Failed,
    /// Stopped, while the provider went on.
    Abandoned,
}

/// One try to deploy to production.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) started: OffsetDateTime,
    pub(crate) ended: OffsetDateTime,
    pub(crate) ending: Ending,
    /// `CodeDeploy`'s deployment, if that is what deploys.
    pub(crate) deployment: Option<String>,
}

/// An approval that was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gate {
    pub(crate) asked: OffsetDateTime,
    /// `None`: nobody has answered.
    pub(crate) answered: Option<OffsetDateTime>,
    pub(crate) approver: Caller,
    pub(crate) approved: bool,
    pub(crate) summary: &'static str,
}

/// An execution.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) begun: Begun,
    pub(crate) status: Status,
    pub(crate) started: OffsetDateTime,
    /// When everything before production was done, or failed.
    pub(crate) ready: OffsetDateTime,
    pub(crate) failed_early: bool,
    pub(crate) gate: Option<Gate>,
    /// Since when a transition was disabled, and until when.
    pub(crate) held: Option<(OffsetDateTime, OffsetDateTime)>,
    pub(crate) attempts: Vec<Attempt>,
    /// The last change of its state.
    pub(crate) updated: OffsetDateTime,
    /// Position of its newest commit.
    pub(crate) head: usize,
    /// Position of the first commit that no earlier execution had.
    pub(crate) first: usize,
    pub(crate) scene: Scene,
    /// Whether it begins a scene; the others of a scene follow from it.
    pub(crate) leads: bool,
}

impl Run {
    /// When production was reached and left; `None` if it was not.
    pub(crate) fn production(&self) -> Option<(OffsetDateTime, OffsetDateTime)> {
        Some((self.attempts.first()?.started, self.attempts.last()?.ended))
    }

    /// Whether it brought a new version, rather than going back.
    pub(crate) fn forward(&self) -> bool {
        matches!(self.begun, Begun::Change | Begun::By { .. })
    }

    /// Whether what it brought arrived.
    pub(crate) fn arrived(&self) -> bool {
        self.attempts.last().is_some_and(|attempt| attempt.ending == Ending::Succeeded)
    }
}

/// Everything that happened to a pipeline.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) spec: PipelineSpec,
    pub(crate) runs: Vec<Run>,
    pub(crate) commits: Vec<Commit>,
    pub(crate) plants: Vec<Plant>,
}

/// How long ago stories begin, in days.
pub(crate) const STORY_DAYS: i64 = 118;

impl Story {
    /// The story of a pipeline.
    pub(crate) fn of(world: &World, spec: &PipelineSpec) -> Self {
        let plants = plants(world, spec);
        let scenes = scenes(world, spec, &plants);
        let rng = world.generator(spec.account, spec.region, "story", spec.number);
        let story = Self { spec: *spec, runs: Vec::new(), commits: Vec::new(), plants };
        let mut teller = Teller { world, story, rng };
        let now = world.options.now;
        let count = i32::try_from(scenes.len().max(1)).unwrap_or(1);
        let step = Duration::days(STORY_DAYS - 2) / count;
        for (slot, scene) in (0_i32..).zip(&scenes) {
            let late = Duration::seconds(teller.rng.i64(0..6 * 3600));
            teller.tell(*scene, now - Duration::days(STORY_DAYS) + step * slot + late);
        }
        if spec.number.is_multiple_of(2) {
            teller.tell(Scene::Underway, now - Duration::minutes(95));
        }
        teller.story
    }

    /// Where it plays.
    pub(crate) fn place(&self) -> (usize, usize) {
        (self.spec.account, self.spec.region)
    }

    /// The run of that id.
    pub(crate) fn run(&self, id: &str) -> Option<&Run> {
        self.runs.iter().find(|run| run.id == id)
    }

    /// The last run before a position that arrived in production with something new.
    pub(crate) fn arrived_before(&self, position: usize) -> Option<usize> {
        (0..position.min(self.runs.len()))
            .rev()
            .find(|at| self.runs.get(*at).is_some_and(|run| run.forward() && run.arrived()))
    }
}

struct Teller<'a> {
    world: &'a World,
    story: Story,
    rng: fastrand::Rng,
}

impl Teller<'_> {
    fn minutes(&mut self, from: i64, to: i64) -> Duration {
        Duration::seconds(self.rng.i64(from * 60..to * 60))
    }

    fn key(&self) -> String {
        format!("run-{}", self.story.spec.number)
    }

    /// Adds one to three commits, all older than `before`, and answers the positions of the first and the last.
    fn commit(&mut self, before: OffsetDateTime, words: &str) -> (usize, usize) {
        let spec = self.story.spec;
        let first = self.story.commits.len();
        let count = self.rng.usize(1..=3);
        for left in (0..count).rev() {
            let number = self.story.commits.len();
            let merge = count == 3 && left == 1;
            let back = Duration::minutes(20 + i64::try_from(left).unwrap_or(0) * 90) + self.minutes(0, 60);
            let committed = before - back;
            let author = super::choose(&mut self.rng, &DEVELOPERS, Caller::Automation);
            let message = match (left, merge) {
                (0, _) => format!("{words} ({number})"),
                (_, true) => "Merge branch 'main' into feature".to_owned(),
                _ => format!("feat: prepare {number}"),
            };
            let authored = committed - self.minutes(5, 600);
            self.story.commits.push(Commit {
                id: sha(self.world, self.story.place(), &format!("commit-{}", spec.number), number),
                authored,
                committed,
                author,
                message,
                merge,
            });
        }
        (first, self.story.commits.len().saturating_sub(1))
    }

    fn run(&mut self, scene: Scene, started: OffsetDateTime, words: &str) -> Run {
        let (first, head) = self.commit(started, words);
        let ready = started + self.minutes(9, 40);
        let number = self.story.runs.len();
        Run {
            id: uuid(self.world, self.story.place(), &self.key(), number),
            begun: Begun::Change,
            status: Status::Succeeded,
            started,
            ready,
            failed_early: false,
            gate: None,
            held: None,
            attempts: Vec::new(),
            updated: ready,
            head,
            first,
            scene,
            leads: true,
        }
    }

    fn deploys(&self) -> bool {
        self.story.spec.production()
    }

    fn attempt(&mut self, started: OffsetDateTime, ending: Ending, order: usize) -> Attempt {
        let spec = self.story.spec;
        let number = self.story.runs.len() * 4 + order;
        let ended = started + self.minutes(4, 22);
        let kind = format!("deployment-{}", spec.number);
        let deployment = spec.uses_group().then(|| deployment_id(self.world, self.story.place(), &kind, number));
        Attempt { started, ended, ending, deployment }
    }

    /// An approval before production, if there is one.
    fn ask(&mut self, run: &mut Run) -> OffsetDateTime {
        let spec = self.story.spec;
        if !matches!(spec.approval, Approval::EarlierStage | Approval::SameStage) || !has_approval(&spec) {
            return run.ready + Duration::minutes(1);
        }
        let author = self.story.commits.get(run.head).map_or(Caller::Automation, |commit| commit.author);
        let manager = super::choose(&mut self.rng, &MANAGERS, Caller::Automation);
        let (approver, wait, summary) = match run.scene {
            Scene::Approves(Plant::ApprovesOwn) => (author.as_manager(), self.minutes(20, 90), "looks good"),
            Scene::Approves(Plant::MachineApproves) => (Caller::Build, self.minutes(6, 9), "checks passed"),
            Scene::Approves(Plant::RootApproves) => (Caller::Root, self.minutes(20, 90), "emergency"),
            Scene::Approves(Plant::QuickApproval) => (manager, Duration::seconds(9), ""),
            _ => (manager, self.minutes(8, 240), "reviewed, tested on staging"),
        };
        let answered = run.ready + wait;
        run.gate = Some(Gate { asked: run.ready, answered: Some(answered), approver, approved: true, summary });
        answered + Duration::minutes(2)
    }

    /// An approval in or after production.
    fn ask_late(&mut self, run: &mut Run) {
        let spec = self.story.spec;
        let Some(last) = run.attempts.last() else { return };
        if !has_approval(&spec) || last.ending != Ending::Succeeded {
            return;
        }
        let (from, to) = (last.started, last.ended);
        let (asked, answered) = match spec.approval {
            Approval::EqualRunOrder => (from, from + (to - from) / 2),
            Approval::PartOfStage => (from + (to - from) / 3, from + (to - from) * 2 / 3),
            Approval::AfterDeploy | Approval::StagingOnly | Approval::BeforeTeardown => {
                (to, to + Duration::minutes(11 + i64::from(spec.number.is_multiple_of(2))))
            }
            _ => return,
        };
        let whole = |time: OffsetDateTime| time.replace_nanosecond(0).unwrap_or(time);
        let approver = super::choose(&mut self.rng, &MANAGERS, Caller::Automation);
        let (asked, answered) = (whole(asked), Some(whole(answered)));
        run.gate = Some(Gate { asked, answered, approver, approved: true, summary: "done" });
    }

    /// To production and to the end.
    fn deliver(&mut self, mut run: Run, endings: &[Ending]) -> Run {
        if !self.deploys() {
            // What comes after, if anything does, takes a few minutes.
            let wait = self.minutes(8, 60);
            run.updated = run.ready + Duration::minutes(4);
            if has_approval(&self.story.spec) {
                let approver = super::choose(&mut self.rng, &MANAGERS, Caller::Automation);
                let answered = Some(run.ready + wait);
                run.gate = Some(Gate { asked: run.ready, answered, approver, approved: true, summary: "done" });
                run.updated += wait;
            }
            return run;
        }
        let mut at = self.ask(&mut run);
        if run.scene == Scene::Held || matches!(run.scene, Scene::Releases(_)) {
            let until = at + self.minutes(150, 300);
            run.held = Some((run.started - Duration::minutes(50), until - Duration::minutes(1)));
            at = until;
        }
        self.attempt_all(&mut run, at, endings);
        run
    }

    fn attempt_all(&mut self, run: &mut Run, mut at: OffsetDateTime, endings: &[Ending]) {
        for (order, ending) in endings.iter().enumerate() {
            let attempt = self.attempt(at, *ending, order);
            at = attempt.ended + self.minutes(10, 40);
            run.attempts.push(attempt);
        }
        if run.forward() {
            self.ask_late(run);
        }
        let answered = run.gate.and_then(|gate| gate.answered);
        let last = run.attempts.last().map_or(run.ready, |attempt| attempt.ended);
        let last = answered.map_or(last, |answered| answered.max(last));
        (run.status, run.updated) = match run.attempts.last().map(|attempt| attempt.ending) {
            Some(Ending::Failed) => (Status::Failed, last),
            Some(Ending::Abandoned) => (Status::Stopped, last),
            _ => (Status::Succeeded, last + Duration::minutes(4)),
        };
    }

    /// An execution that goes back to the last that arrived before `bad`.
    fn back(&mut self, bad: usize, at: OffsetDateTime, by: Option<Caller>) {
        let Some(target) = self.story.arrived_before(bad) else { return };
        let Some(old) = self.story.runs.get(target) else { return };
        let (first, head, scene) = (old.first, old.head, old.scene);
        let begun = by.map_or(Begun::WentBack { target }, |by| Begun::RolledBack { by, target });
        let number = self.story.runs.len();
        let mut run = Run {
            id: uuid(self.world, self.story.place(), &self.key(), number),
            begun,
            status: Status::Succeeded,
            started: at,
            ready: at,
            failed_early: false,
            gate: None,
            held: None,
            attempts: Vec::new(),
            updated: at,
            head,
            first,
            scene,
            leads: false,
        };
        self.attempt_all(&mut run, at + Duration::seconds(20), &[Ending::Succeeded]);
        self.story.runs.push(run);
    }

    fn tell(&mut self, scene: Scene, at: OffsetDateTime) {
        match scene {
            Scene::FailsEarly => {
                let mut run = self.run(scene, at, "feat: try another way");
                (run.failed_early, run.status) = (true, Status::Failed);
                self.story.runs.push(run);
            }
            Scene::FailsInProduction => self.fail(scene, at),
            Scene::Retried => {
                let run = self.run(scene, at, "feat: larger pages");
                let run = self.deliver(run, &[Ending::Failed, Ending::Succeeded]);
                self.story.runs.push(run);
            }
            Scene::RolledBack => {
                let run = self.run(scene, at, "feat: new cache");
                let run = self.deliver(run, &[Ending::Succeeded]);
                let (bad, end) = (self.story.runs.len(), run.updated);
                self.story.runs.push(run);
                let after = end + self.minutes(20, 70);
                self.back(bad, after, Some(OPERATORS[0]));
            }
            Scene::Superseded => {
                let mut first = self.run(scene, at, "feat: first half");
                first.status = Status::Superseded;
                let place = self.story.runs.len();
                self.story.runs.push(first);
                let second = self.run(scene, at + Duration::minutes(18), "feat: second half");
                let ready = second.ready;
                let mut second = self.deliver(second, &[Ending::Succeeded]);
                second.leads = false;
                if let Some(first) = self.story.runs.get_mut(place) {
                    first.updated = ready.max(first.ready);
                }
                self.story.runs.push(second);
            }
            Scene::Hotfix => {
                let run = self.run(scene, at, "feat: new totals");
                let run = self.deliver(run, &[Ending::Succeeded]);
                let after = run.updated + self.minutes(60, 150);
                self.story.runs.push(run);
                let mut fix = self.run(scene, after, "hotfix: totals of empty orders");
                fix.leads = false;
                let fix = self.deliver(fix, &[Ending::Succeeded]);
                self.story.runs.push(fix);
            }
            Scene::StoppedEarly => {
                let mut run = self.run(scene, at, "feat: not yet");
                (run.status, run.updated) = (Status::Stopped, run.ready + Duration::minutes(3));
                self.story.runs.push(run);
            }
            Scene::Abandoned => {
                let run = self.run(scene, at, "feat: long migration");
                let run = self.deliver(run, &[Ending::Abandoned]);
                self.story.runs.push(run);
            }
            Scene::Rejected => self.reject(scene, at),
            Scene::Underway => {
                let mut run = self.run(scene, at, "feat: on its way");
                run.ready = at + Duration::minutes(8);
                (run.status, run.updated) = (Status::InProgress, run.ready);
                if matches!(self.story.spec.approval, Approval::EarlierStage | Approval::SameStage)
                    && has_approval(&self.story.spec)
                {
                    let approver = Caller::Automation;
                    run.gate = Some(Gate { asked: run.ready, answered: None, approver, approved: false, summary: "" });
                }
                self.story.runs.push(run);
            }
            Scene::Started { pinned } => {
                let mut run = self.run(scene, at, "feat: on request");
                run.begun = Begun::By { caller: OPERATORS[1], pinned };
                let run = self.deliver(run, &[Ending::Succeeded]);
                self.story.runs.push(run);
            }
            Scene::Ordinary | Scene::Held | Scene::Approves(_) | Scene::Releases(_) | Scene::Direct(_) => {
                let run = self.run(scene, at, "feat: next step");
                let run = self.deliver(run, &[Ending::Succeeded]);
                self.story.runs.push(run);
            }
        }
    }

    fn fail(&mut self, scene: Scene, at: OffsetDateTime) {
        let spec = self.story.spec;
        let run = self.run(scene, at, "feat: new driver");
        let run = self.deliver(run, &[Ending::Failed]);
        let (bad, end) = (self.story.runs.len(), run.updated);
        self.story.runs.push(run);
        if matches!(spec.rollback, StageRollback::Result | StageRollback::Condition) && self.deploys() {
            self.back(bad, end + Duration::seconds(45), None);
        }
    }

    fn reject(&mut self, scene: Scene, at: OffsetDateTime) {
        let mut run = self.run(scene, at, "feat: half done");
        self.ask(&mut run);
        if let Some(gate) = &mut run.gate {
            gate.approved = false;
            gate.summary = "the release notes are missing";
            run.status = Status::Failed;
            run.updated = gate.answered.unwrap_or(run.ready);
        } else {
            run = self.deliver(run, &[Ending::Succeeded]);
        }
        self.story.runs.push(run);
    }
}

/// Whether executions of a pipeline can be superseded.
pub(crate) fn supersedes(spec: &PipelineSpec) -> bool {
    spec.mode == Mode::Superseded
}

/// Whether a pipeline's revisions are commits.
pub(crate) fn has_commits(spec: &PipelineSpec) -> bool {
    !matches!(spec.source, Source::S3Events | Source::S3Polling | Source::Ecr)
}
