//! Expected results of the controls on how a rollout is watched and how it comes back.

use super::deployment::{configured, production, watched};
use super::{Expected, Judgement, Known, all, judged, when};
use crate::simulate::estate::{AlarmName, Blue, GroupSpec, Platform, Ready, RolloutSpec};
use crate::simulate::world::World;

/// The controls on a deployment group.
pub(super) const GROUP_CONTROLS: &[Judgement<GroupSpec>] = &[
    ("codedeploy-green-fleet-validated", |world, spec| {
        let fleet = !matches!(spec.blue, Blue::InPlace | Blue::NoFleet);
        when(fleet, RolloutSpec::of(world, spec).ready != Ready::GoesOn)
    }),
    ("codedeploy-revision-pinned", |world, spec| when(spec.revision.is_some(), RolloutSpec::of(world, spec).pinned)),
    ("codedeploy-alarms-faster-than-traffic", alarms_in_time),
    ("codedeploy-production-rollback-ready", |world, spec| {
        judged(Some(production(world, spec)), ready_to_go_back(world, spec))
    }),
];

/// Every metric alarm looks three times at a minute; the composite ones stand on one of them.
const SECONDS: u32 = 180;

fn alarms_in_time(world: &World, spec: &GroupSpec) -> Expected {
    if !watched(spec) {
        return Expected::NotApplicable;
    }
    if !configured(world, spec) {
        return Expected::InsufficientData;
    }
    let minutes = spec.config.traffic.map_or(0, |(_, _, minutes)| minutes);
    let seen = world.refusal(spec.account, "cloudwatch:DescribeAlarms").is_none();
    let in_time = !spec.alarms.contains(&AlarmName::Ghost) && SECONDS <= minutes * 60;
    judged(Some(minutes > 0), seen.then_some(in_time))
}

/// Whether the old version can take over at once, and for at least five minutes.
fn ready_to_go_back(world: &World, spec: &GroupSpec) -> Known {
    let seen = configured(world, spec);
    let clear = match spec.platform {
        Platform::Lambda | Platform::Ecs => {
            seen.then_some(spec.config.traffic.is_some_and(|(kind, _, _)| kind != "AllAtOnce"))
        }
        Platform::Server => {
            let healthy = seen.then_some(spec.config.healthy_hosts.is_some_and(|(_, value)| value > 0));
            let kept = spec.revision.map_or(Some(true), |bucket| {
                let seen = world.refusal(bucket.account, "s3:GetBucketVersioning").is_none();
                seen.then_some(bucket.spec(world).versioning == Some(true))
            });
            all([healthy, Some(spec.blue != Blue::InPlace), kept])
        }
    };
    let fleet = match spec.blue {
        Blue::NoFleet | Blue::KeepAlive => true,
        Blue::InPlace => false,
        Blue::Terminate { minutes } => minutes >= 5,
    };
    clear.map(|clear| clear && fleet)
}
