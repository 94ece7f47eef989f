//! What `CodeDeploy` did for a pipeline, and what somebody had it do past the pipeline.
//!
//! In: a [`Story`]. Out: its deployments, oldest first. A rollback of `CodeDeploy` is a deployment of its own.

use time::{Duration, OffsetDateTime};

use super::history::{Begun, Ending, Story};
use super::history_cast::{Caller, DEVELOPERS, OPERATORS, deployment_id};
use super::history_plot::{Extra, Scene};
use super::{GroupSpec, Rollback};
use crate::simulate::world::World;

/// How a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    Succeeded,
    /// With a code, and whether any instance was touched.
    Failed {
        code: &'static str,
        touched: bool,
    },
    Stopped,
}

/// Who asked for a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The pipeline, in the run of that position.
    Pipeline(usize),
    By(Caller, Extra),
    Scaling,
    /// The service, because that deployment failed.
    Rollback,
}

/// A deployment.
#[derive(Debug, Clone)]
pub(crate) struct Deployed {
    pub(crate) id: String,
    pub(crate) created: OffsetDateTime,
    pub(crate) started: OffsetDateTime,
    pub(crate) completed: OffsetDateTime,
    pub(crate) finish: Finish,
    pub(crate) asked: Asked,
    /// Position of the commit that it deploys.
    pub(crate) head: usize,
    /// The deployment that this one undoes.
    pub(crate) undoes: Option<String>,
    /// The deployment that undoes this one.
    pub(crate) undone_by: Option<String>,
}

impl Deployed {
    /// Whether no new version was meant to arrive.
    pub(crate) fn restarts(&self) -> bool {
        matches!(self.asked, Asked::By(_, Extra::Restart))
    }
}

/// All deployments to the group of a pipeline; none if something else deploys.
pub(crate) fn deployed(world: &World, story: &Story) -> Vec<Deployed> {
    let spec = story.spec;
    if !spec.uses_group() {
        return Vec::new();
    }
    let group = GroupSpec::new(world, spec.account, spec.region, spec.number);
    let undoes = matches!(group.rollback, Rollback::Failure | Rollback::Both);
    let mut all = Vec::new();
    for (position, run) in story.runs.iter().enumerate() {
        let goes_back = story.runs.get(position + 1).is_some_and(|next| matches!(next.begun, Begun::WentBack { .. }));
        let last = run.attempts.len().saturating_sub(1);
        for (order, attempt) in run.attempts.iter().enumerate() {
            let Some(id) = attempt.deployment.clone() else { continue };
            let finish = match attempt.ending {
                Ending::Succeeded => Finish::Succeeded,
                Ending::Abandoned => Finish::Stopped,
                // What is tried again has touched nothing.
                Ending::Failed if order < last => Finish::Failed { code: "THROTTLED", touched: false },
                Ending::Failed => Finish::Failed { code: "HEALTH_CONSTRAINTS", touched: true },
            };
            let completed = attempt.ended - Duration::seconds(5);
            let mut one = Deployed {
                id,
                created: attempt.started + Duration::seconds(2),
                started: attempt.started + Duration::seconds(9),
                completed,
                finish,
                asked: Asked::Pipeline(position),
                head: run.head,
                undoes: None,
                undone_by: None,
            };
            let undo = matches!(finish, Finish::Failed { touched: true, .. }) && undoes && !goes_back;
            if let (true, Some(old)) =
                (undo, story.arrived_before(position).and_then(|at| story.runs.get(at)).map(|run| run.head))
            {
                let kind = format!("undo-{}", spec.number);
                let back = deployment_id(world, story.place(), &kind, position);
                one.undone_by = Some(back.clone());
                all.push(Deployed {
                    id: back,
                    created: completed + Duration::seconds(4),
                    started: completed + Duration::seconds(6),
                    completed: completed + Duration::minutes(11),
                    finish: Finish::Succeeded,
                    asked: Asked::Rollback,
                    head: old,
                    undoes: Some(one.id.clone()),
                    undone_by: None,
                });
            }
            all.push(one);
        }
        if let Scene::Direct(extra) = run.scene {
            all.push(past(world, story, position, extra));
        }
    }
    all.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
    all
}

/// The deployment that somebody adds after a run.
fn past(world: &World, story: &Story, position: usize, extra: Extra) -> Deployed {
    let (head, after) = story.runs.get(position).map_or((0, world.options.now), |run| (run.head, run.updated));
    let created = after + Duration::minutes(47);
    let kind = format!("past-{}", story.spec.number);
    let asked = match extra {
        Extra::Scaling => Asked::Scaling,
        Extra::Same => Asked::By(DEVELOPERS[0], extra),
        Extra::Restart | Extra::NoImpact => Asked::By(OPERATORS[0], extra),
    };
    let finish = match extra {
        Extra::NoImpact => Finish::Failed { code: "IAM_ROLE_MISSING", touched: false },
        _ => Finish::Succeeded,
    };
    Deployed {
        id: deployment_id(world, story.place(), &kind, position),
        created,
        started: created + Duration::seconds(4),
        completed: created + Duration::minutes(6),
        finish,
        asked,
        head,
        undoes: None,
        undone_by: None,
    }
}
