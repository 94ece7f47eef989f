//! What really happened: deployments, changes and broken rules, said by the stories alone.
//!
//! In: the world. Out: a [`DeliveryTruth`]. It reads stories and acts, never an answer of the API, so that metrics and
//! delivery facts can be compared with it from end to end.

use std::collections::BTreeSet;

use time::{Duration, OffsetDateTime};

use crate::inventory::AccountId;
use crate::simulate::estate::{
    Act, Asked, Begun, Ending, Extra, Finish, PipelineSpec, Reach, Run, Status, Step, Story, acts, deployed,
    has_commits,
};
use crate::simulate::organization::HISTORY_DENIALS;
use crate::simulate::world::World;

/// Everything that happened in the organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryTruth {
    /// Pipelines, by ARN; those of accounts that cannot be seen are here too.
    pub pipelines: Vec<PipelineTruth>,
    /// Broken rules, by account, Region and time.
    pub facts: Vec<PlantedFact>,
    /// What accounts refuse of their history: account and IAM action.
    pub denied: BTreeSet<(AccountId, String)>,
    /// Begin of the window that [`PipelineTruth::window`] counts.
    pub from: OffsetDateTime,
    /// End of it, which is the world's now.
    pub to: OffsetDateTime,
}

/// What happened to one pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct PipelineTruth {
    /// Its ARN.
    pub arn: String,
    /// Its account.
    pub account: AccountId,
    /// Its Region.
    pub region: String,
    /// Whether an audit can see the account.
    pub visible: bool,
    /// Whether it deploys to production.
    pub production: bool,
    /// Whether nothing says so, and the last deploying stage is taken for production.
    pub assumed: bool,
    /// Whether an action of the Deploy category deploys, and not a build, a function or a command.
    pub deploy_action: bool,
    /// Whether `CodeDeploy` deploys.
    pub code_deploy: bool,
    /// Whether its revisions are commits.
    pub commits: bool,
    /// All its executions: id and status, oldest first.
    pub executions: Vec<(String, &'static str)>,
    /// Its production deployments, by finish.
    pub deployments: Vec<DeploymentTruth>,
    /// Commits that arrived, at their first succeeded deployment.
    pub changes: Vec<ChangeTruth>,
    /// What the 90 days before now hold.
    pub window: WindowTruth,
}

/// One arrival in production, or an attempt at one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentTruth {
    /// The pipeline's execution, or the deployment of `CodeDeploy` that no execution asked for.
    pub id: String,
    /// `forward`, `rollback`, `redeploy_same`, `restart` or `scaling`.
    pub kind: &'static str,
    /// `succeeded`, `failed`, `stopped` or `error_no_impact`.
    pub outcome: &'static str,
    /// Begin of the first attempt.
    pub started: OffsetDateTime,
    /// End of the last attempt.
    pub finished: OffsetDateTime,
    /// How often it was tried.
    pub attempts: usize,
    /// Why it is a failed change: the codes E1 to E4; empty: it is none.
    pub failed_by: Vec<&'static str>,
    /// Whether a commit's message calls it a hotfix.
    pub hotfix: bool,
}

/// A commit that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeTruth {
    /// Its id.
    pub commit: String,
    /// The committer's time.
    pub committed: OffsetDateTime,
    /// [`DeploymentTruth::id`] of the deployment that brought it.
    pub deployment: String,
    /// When that finished.
    pub deployed: OffsetDateTime,
    /// Whether it was the newest of an execution (what is known without the repository).
    pub head: bool,
    /// Whether it joins two branches.
    pub merge: bool,
    /// Whether an earlier deployment is known.
    pub has_predecessor: bool,
}

/// Counts of the 90 days before now, by finish.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowTruth {
    /// Succeeded forward deployments.
    pub forward_succeeded: usize,
    /// Forward deployments that succeeded, failed or were stopped, and are a day old.
    pub completed_changes: usize,
    /// Those of them that failed by evidence E1 to E4.
    pub failed_changes: usize,
    /// Rollbacks.
    pub rollbacks: usize,
    /// Deployments of what was there already, restarts and scaling.
    pub others: usize,
    /// Forward deployments whose commit calls itself a hotfix.
    pub hotfixes: usize,
}

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlantedFact {
    /// `G1` to `G13`.
    pub code: &'static str,
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: String,
    /// ARN of the pipeline; none for the account itself.
    pub pipeline: Option<String>,
    /// When.
    pub time: OffsetDateTime,
    /// `eventID` of the record that shows it.
    pub event: String,
}

/// What happened in the world.
pub(in super::super) fn delivery_truth(world: &World) -> DeliveryTruth {
    let to = world.options.now;
    let mut truth = DeliveryTruth { from: to - Duration::days(90), to, ..DeliveryTruth::empty(to) };
    for account in 0..world.members().len() {
        let refused = HISTORY_DENIALS.iter().filter(|(_, action)| world.refusal(account, action).is_some());
        truth.denied.extend(refused.map(|(_, action)| (world.account_id(account), (*action).to_owned())));
        for region in 0..world.regions().len() {
            for spec in PipelineSpec::all(world, account, region) {
                truth.pipelines.push(pipeline(world, &spec, truth.from));
            }
            truth.facts.extend(acts(world, account, region).iter().flat_map(|act| facts(world, account, region, act)));
        }
    }
    truth.pipelines.sort_by(|a, b| a.arn.cmp(&b.arn));
    truth
        .facts
        .sort_by(|a, b| (&a.account, &a.region, a.time, &a.event).cmp(&(&b.account, &b.region, b.time, &b.event)));
    truth
}

impl DeliveryTruth {
    fn empty(to: OffsetDateTime) -> Self {
        Self { pipelines: Vec::new(), facts: Vec::new(), denied: BTreeSet::new(), from: to, to }
    }
}

fn facts(world: &World, account: usize, region: usize, act: &Act) -> Vec<PlantedFact> {
    let arn = act.pipeline.map(|number| PipelineSpec::new(world, account, region, number).arn(world));
    let fact = |code: &&'static str| PlantedFact {
        code,
        account: world.account_id(account),
        region: world.region_name(region).to_owned(),
        pipeline: arn.clone(),
        time: act.time,
        event: act.id.clone(),
    };
    act.breaks.iter().map(fact).collect()
}

fn pipeline(world: &World, spec: &PipelineSpec, from: OffsetDateTime) -> PipelineTruth {
    let story = Story::of(world, spec);
    let deployments = deployments(world, &story);
    let window = window(&deployments, from, world.options.now);
    let name = |status: Status| match status {
        Status::Succeeded => "Succeeded",
        Status::Failed => "Failed",
        Status::Superseded => "Superseded",
        Status::Stopped => "Stopped",
        Status::InProgress => "InProgress",
    };
    PipelineTruth {
        arn: spec.arn(world),
        account: world.account_id(spec.account),
        region: world.region_name(spec.region).to_owned(),
        visible: world.visible(spec.account),
        production: spec.production(),
        assumed: spec.reach == Reach::Assumed,
        deploy_action: matches!(spec.step, Step::Stack | Step::ChangeSet | Step::CodeDeploy | Step::Ecs | Step::S3),
        code_deploy: spec.uses_group(),
        commits: has_commits(spec),
        executions: story.runs.iter().map(|run| (run.id.clone(), name(run.status))).collect(),
        changes: changes(&story),
        deployments,
        window,
    }
}

fn deployments(world: &World, story: &Story) -> Vec<DeploymentTruth> {
    if !story.spec.production() {
        return Vec::new();
    }
    let past = deployed(world, story);
    let undone = |run: &Run| {
        let own = |id: &str| past.iter().any(|one| one.id == id && one.undone_by.is_some());
        run.attempts.iter().filter_map(|attempt| attempt.deployment.as_deref()).any(own)
    };
    let mut all = Vec::new();
    for (position, run) in story.runs.iter().enumerate() {
        let Some((started, finished)) = run.production() else { continue };
        let rolled_back =
            story.runs.get(position + 1).is_some_and(|next| matches!(next.begun, Begun::RolledBack { .. }));
        let ending = run.attempts.last().map(|attempt| attempt.ending);
        let mut failed_by = Vec::new();
        if run.forward() {
            failed_by.extend(undone(run).then_some("E1"));
            failed_by.extend(rolled_back.then_some("E2"));
            failed_by.extend((ending == Some(Ending::Failed)).then_some("E3"));
        }
        let message = story.commits.get(run.head).map_or("", |commit| commit.message.as_str());
        all.push(DeploymentTruth {
            id: run.id.clone(),
            kind: if run.forward() { "forward" } else { "rollback" },
            outcome: match ending {
                Some(Ending::Failed) => "failed",
                Some(Ending::Abandoned) => "stopped",
                _ => "succeeded",
            },
            started,
            finished,
            attempts: run.attempts.len(),
            failed_by,
            hotfix: run.forward() && message.starts_with("hotfix"),
        });
    }
    for one in past {
        let kind = match one.asked {
            Asked::Pipeline(_) => continue,
            Asked::Rollback => "rollback",
            Asked::Scaling => "scaling",
            Asked::By(_, Extra::Restart) => "restart",
            Asked::By(..) => "redeploy_same",
        };
        all.push(DeploymentTruth {
            id: one.id.clone(),
            kind,
            outcome: match one.finish {
                Finish::Succeeded => "succeeded",
                Finish::Failed { touched: true, .. } => "failed",
                Finish::Failed { touched: false, .. } => "error_no_impact",
                Finish::Stopped => "stopped",
            },
            started: one.started,
            finished: one.completed,
            attempts: 1,
            failed_by: Vec::new(),
            hotfix: false,
        });
    }
    all.sort_by(|a, b| (a.finished, &a.id).cmp(&(b.finished, &b.id)));
    all
}

/// Each commit once, at the first succeeded deployment that has it.
fn changes(story: &Story) -> Vec<ChangeTruth> {
    if !story.spec.production() || !has_commits(&story.spec) {
        return Vec::new();
    }
    let heads: BTreeSet<usize> = story.runs.iter().map(|run| run.head).collect();
    let (mut next, mut has_predecessor, mut changes) = (0, false, Vec::new());
    for run in story.runs.iter().filter(|run| run.forward() && run.arrived()) {
        let Some((_, deployed)) = run.production() else { continue };
        for position in next..=run.head {
            let Some(commit) = story.commits.get(position) else { continue };
            changes.push(ChangeTruth {
                commit: commit.id.clone(),
                committed: commit.committed,
                deployment: run.id.clone(),
                deployed,
                head: heads.contains(&position),
                merge: commit.merge,
                has_predecessor,
            });
        }
        next = run.head + 1;
        has_predecessor = true;
    }
    changes
}

fn window(deployments: &[DeploymentTruth], from: OffsetDateTime, to: OffsetDateTime) -> WindowTruth {
    let mut sum = WindowTruth::default();
    for one in deployments.iter().filter(|one| from <= one.finished && one.finished < to) {
        match one.kind {
            "forward" => {
                sum.forward_succeeded += usize::from(one.outcome == "succeeded");
                sum.hotfixes += usize::from(one.hotfix);
                if one.finished <= to - Duration::days(1) && one.outcome != "error_no_impact" {
                    sum.completed_changes += 1;
                    sum.failed_changes += usize::from(!one.failed_by.is_empty());
                }
            }
            "rollback" => sum.rollbacks += 1,
            _ => sum.others += 1,
        }
    }
    sum
}
