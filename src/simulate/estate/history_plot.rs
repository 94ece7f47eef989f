//! Which scenes a pipeline's story has, in which order, and which of its people break a rule.
//!
//! In: a pipeline. Out: one scene for every slot of time. Every third pipeline has every scene that it can have; the
//! others are ordinary.

use super::history::{has_commits, supersedes};
use super::{Approval, PipelineSpec, Tests, Version, choose, has_approval};
use crate::simulate::world::World;

/// A broken rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Plant {
    /// The author of the newest commit approves it.
    ApprovesOwn,
    /// A build approves.
    MachineApproves,
    RootApproves,
    /// After nine seconds, without a word.
    QuickApproval,
    /// Whoever changed the pipeline hours before approves.
    EditorApproves,
    /// Started by hand, with a commit of their choice.
    PinnedStart,
    /// Deployed past the pipeline, by hand.
    DirectDeployment,
    /// A build of the pipeline's project with instructions of somebody's own.
    OverriddenBuild,
    ConditionOverridden,
    /// A transition that one person disabled is enabled by another.
    TransitionEnabled,
    RollbackSwitchedOff,
    AlarmSilenced,
    ApprovalRemoved,
    /// A change of the pipeline that is too large to be recorded.
    UpdateOmitted,
    RulesOverridden,
    DirectPush,
    /// Stopped in production without waiting for what runs.
    Abandoned,
    HookAnswered,
}

impl Plant {
    /// All of them.
    pub(crate) const ALL: [Self; 18] = [
        Self::ApprovesOwn,
        Self::MachineApproves,
        Self::RootApproves,
        Self::QuickApproval,
        Self::EditorApproves,
        Self::PinnedStart,
        Self::DirectDeployment,
        Self::OverriddenBuild,
        Self::ConditionOverridden,
        Self::TransitionEnabled,
        Self::RollbackSwitchedOff,
        Self::AlarmSilenced,
        Self::ApprovalRemoved,
        Self::UpdateOmitted,
        Self::RulesOverridden,
        Self::DirectPush,
        Self::Abandoned,
        Self::HookAnswered,
    ];

    /// Whether it can be broken at a pipeline.
    fn fits(self, world: &World, spec: &PipelineSpec) -> bool {
        use super::{Hosting, SourceSpec};
        let gated = has_approval(spec) && matches!(spec.approval, Approval::EarlierStage | Approval::SameStage);
        let own = || SourceSpec::of(world, spec).is_some_and(|s| matches!(s.hosting, Hosting::CodeCommit(_)));
        match self {
            Self::ApprovesOwn => gated && has_commits(spec),
            Self::MachineApproves | Self::RootApproves | Self::QuickApproval | Self::EditorApproves => gated,
            Self::PinnedStart => spec.version == Version::V2 && has_commits(spec),
            Self::DirectDeployment | Self::RollbackSwitchedOff | Self::AlarmSilenced | Self::HookAnswered => {
                spec.uses_group()
            }
            Self::OverriddenBuild => matches!(spec.tests, Tests::Build | Tests::TestOnly),
            Self::ConditionOverridden => spec.version == Version::V2,
            Self::ApprovalRemoved => !has_approval(spec),
            Self::RulesOverridden | Self::DirectPush => own(),
            Self::TransitionEnabled | Self::UpdateOmitted | Self::Abandoned => true,
        }
    }
}

/// The rules that are broken at a pipeline; only at such as deploy to production.
pub(super) fn plants(world: &World, spec: &PipelineSpec) -> Vec<Plant> {
    if !spec.production() {
        return Vec::new();
    }
    // What removes the approval is recorded, or it is not.
    let clash = |plant: Plant, all: &[Plant]| plant == Plant::UpdateOmitted && all.contains(&Plant::ApprovalRemoved);
    let mut chosen = Vec::new();
    for (turn, plant) in Plant::ALL.into_iter().enumerate() {
        let place = spec.account + 2 * spec.region + 3 * spec.number;
        if (place + turn * 5).is_multiple_of(4) && plant.fits(world, spec) && !clash(plant, &chosen) {
            chosen.push(plant);
        }
    }
    chosen
}

/// What happens in a slot of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scene {
    Ordinary,
    /// In the build or its tests.
    FailsEarly,
    FailsInProduction,
    /// Fails in production, and succeeds when it is tried again.
    Retried,
    RolledBack,
    /// Taken over by the next.
    Superseded,
    /// A delivery, and a fix of it hours later.
    Hotfix,
    StoppedEarly,
    /// Stopped in production, with what runs left behind.
    Abandoned,
    Rejected,
    Underway,
    Started {
        pinned: bool,
    },
    /// A transition is disabled and enabled by the same person.
    Held,
    /// It is approved in a way that it should not be.
    Approves(Plant),
    /// A transition is enabled in a way that it should not be.
    Releases(Plant),
    /// A delivery that somebody's own deployments follow.
    Direct(Extra),
}

/// A deployment of `CodeDeploy` that no pipeline asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extra {
    /// What runs already, by hand.
    Same,
    Restart,
    Scaling,
    /// It fails before anything is touched.
    NoImpact,
}

/// Whether a pipeline has every scene that it can have.
pub(crate) fn is_rich(spec: &PipelineSpec) -> bool {
    (spec.account + spec.number).is_multiple_of(3)
}

fn fits(spec: &PipelineSpec, scene: Scene) -> bool {
    let gated = has_approval(spec) && matches!(spec.approval, Approval::EarlierStage | Approval::SameStage);
    match scene {
        Scene::FailsEarly => matches!(spec.tests, Tests::Build | Tests::TestOnly),
        Scene::Superseded => supersedes(spec),
        Scene::RolledBack => spec.production() && spec.version == Version::V2,
        Scene::Rejected => gated,
        Scene::Direct(_) => spec.production() && spec.uses_group(),
        Scene::FailsInProduction | Scene::Retried | Scene::Held | Scene::Abandoned => spec.production(),
        _ => true,
    }
}

/// The scene of every slot. Those with an even number are ordinary.
pub(super) fn scenes(world: &World, spec: &PipelineSpec, plants: &[Plant]) -> Vec<Scene> {
    let mut rng = world.generator(spec.account, spec.region, "plot", spec.number);
    let mut wanted: Vec<Scene> = plants
        .iter()
        .filter_map(|plant| match plant {
            Plant::ApprovesOwn | Plant::MachineApproves | Plant::RootApproves | Plant::QuickApproval => {
                Some(Scene::Approves(*plant))
            }
            Plant::EditorApproves => Some(Scene::Approves(*plant)),
            Plant::TransitionEnabled => Some(Scene::Releases(*plant)),
            Plant::PinnedStart => Some(Scene::Started { pinned: true }),
            Plant::DirectDeployment => Some(Scene::Direct(Extra::Same)),
            Plant::Abandoned => Some(Scene::Abandoned),
            _ => None,
        })
        .collect();
    let others = [
        Scene::FailsEarly,
        Scene::FailsInProduction,
        Scene::Retried,
        Scene::RolledBack,
        Scene::Superseded,
        Scene::Hotfix,
        Scene::StoppedEarly,
        Scene::Rejected,
        Scene::Started { pinned: false },
        Scene::Held,
        Scene::Direct(Extra::Restart),
        Scene::Direct(Extra::Scaling),
        Scene::Direct(Extra::NoImpact),
    ];
    if is_rich(spec) {
        wanted.extend(others);
        wanted.extend([Scene::FailsInProduction, Scene::RolledBack, Scene::Retried]);
    } else {
        let few = [Scene::FailsEarly, Scene::Retried, Scene::FailsInProduction, Scene::Hotfix, Scene::Ordinary];
        let count = 4 + rng.usize(..4);
        wanted.extend((0..count).map(|_| choose(&mut rng, &few, Scene::Ordinary)));
    }
    wanted.retain(|scene| fits(spec, *scene));
    rng.shuffle(&mut wanted);
    let mut scenes = vec![Scene::Ordinary, Scene::Ordinary];
    for scene in wanted {
        scenes.extend([scene, Scene::Ordinary]);
    }
    scenes
}
