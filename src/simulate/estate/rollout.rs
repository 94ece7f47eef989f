//! What stands between a new fleet and traffic, and how exactly a revision is named.

use super::{GroupSpec, Platform, choose};
use crate::simulate::world::World;

/// What a blue/green deployment does before traffic moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready {
    /// It goes on by itself.
    GoesOn,
    /// It waits for somebody, and stops if nobody comes.
    Waits,
    /// New tasks can be tried behind a listener of their own (ECS).
    TestListener,
}

/// How a deployment group rolls out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RolloutSpec {
    pub(crate) ready: Ready,
    /// Whether its revision has a version and an entity tag.
    pub(crate) pinned: bool,
}

impl RolloutSpec {
    /// How that group rolls out.
    pub(crate) fn of(world: &World, group: &GroupSpec) -> Self {
        let mut rng = world.generator(group.account, group.region, "group-rollout", group.number);
        let choices = match group.platform {
            Platform::Ecs => [Ready::GoesOn, Ready::Waits, Ready::TestListener, Ready::TestListener],
            _ => [Ready::GoesOn, Ready::GoesOn, Ready::Waits, Ready::Waits],
        };
        Self { ready: choose(&mut rng, &choices, Ready::GoesOn), pinned: rng.u8(..3) > 0 }
    }
}
