//! Expected results of the controls on deployment groups and alarms.

use super::{Expected, Known, Verdict, judged};
use crate::simulate::estate::{
    AlarmName, AlarmSpec, AlarmState, Blue, Fleet, GroupSpec, Naming, Notification, PipelineSpec, Platform, Rollback,
};
use crate::simulate::world::World;

/// Every control on a deployment group.
pub(super) const GROUP_CONTROLS: &[&str] = &[
    "codedeploy-rollback-on-failure",
    "codedeploy-rollback-on-alarm",
    "codedeploy-alarm-polling-failure-stops",
    "codedeploy-alarms-effective",
    "codedeploy-production-blue-green",
    "codedeploy-lambda-gradual-traffic",
    "codedeploy-ecs-production-gradual-traffic",
    "codedeploy-minimum-healthy-hosts",
    "codedeploy-outdated-instances-updated",
    "codedeploy-blue-fleet-kept",
    "codedeploy-failure-notified",
];

/// Every control on an alarm, composite or not.
pub(super) const ALARM_CONTROLS: &[&str] =
    &["cloudwatch-alarm-actions-enabled", "cloudwatch-alarm-has-data", "cloudwatch-alarm-missing-data-safe"];

/// An alarm without data for longer than this watches nothing.
const DAYS_WITHOUT_DATA: i64 = 7;

/// All verdicts on a group that was seen.
pub(super) fn group_verdicts(world: &World, spec: &GroupSpec) -> Vec<Verdict> {
    let production = production(world, spec);
    let watched = spec.alarms_enabled && !spec.alarms.is_empty();
    let server = spec.platform == Platform::Server;
    let ecs = spec.platform == Platform::Ecs;
    let configured = world.refusal(spec.account, "codedeploy:GetDeploymentConfig").is_none();
    let gradual = configured.then(|| spec.config.traffic.is_some_and(|(kind, _, _)| kind != "AllAtOnce"));
    let healthy = configured.then(|| spec.config.healthy_hosts.is_some_and(|(_, value)| value > 0));
    let (fleet, kept) = match spec.blue {
        Blue::InPlace | Blue::NoFleet => (false, true),
        Blue::Terminate { minutes } => (true, minutes >= 5),
        Blue::KeepAlive => (true, true),
    };
    let results = [
        when(true, matches!(spec.rollback, Rollback::Failure | Rollback::Both)),
        when(true, matches!(spec.rollback, Rollback::Alarm | Rollback::Both) && watched),
        when(watched, !spec.ignore_polling),
        judged(Some(watched), effective(world, spec)),
        when(production && (server || ecs), spec.blue != Blue::InPlace),
        judged(Some(spec.platform == Platform::Lambda), gradual),
        judged(Some(ecs && production), gradual),
        judged(Some(server), healthy),
        when(server, spec.outdated != Fleet::Ignore),
        when(fleet, kept),
        when(true, spec.notification == Notification::Failure),
    ];
    GROUP_CONTROLS.iter().copied().zip(results).collect()
}

fn when(applies: bool, good: bool) -> Expected {
    judged(Some(applies), Some(good))
}

/// Account tag, own tag, name, or a pipeline that was seen to deploy to production with it.
fn production(world: &World, spec: &GroupSpec) -> bool {
    let seen = ["codepipeline:ListPipelines", "codepipeline:GetPipeline"]
        .iter()
        .all(|action| world.refusal(spec.account, action).is_none());
    world.member(spec.account).environment == Some("prod")
        || spec.tagged_production
        || spec.naming == Naming::Production
        || seen && super::pipeline::production_group(&PipelineSpec::new(world, spec.account, spec.region, spec.number))
}

fn effective(world: &World, spec: &GroupSpec) -> Known {
    if world.refusal(spec.account, "cloudwatch:DescribeAlarms").is_some() {
        return None;
    }
    Some(spec.alarms.iter().all(|alarm| match alarm {
        AlarmName::Ghost => false,
        AlarmName::Slot(slot) => {
            let alarm = AlarmSpec::new(*slot);
            alarm.actions_enabled && has_data(alarm)
        }
    }))
}

fn has_data(alarm: AlarmSpec) -> bool {
    match alarm.state {
        AlarmState::Ok | AlarmState::Alarm => true,
        AlarmState::Insufficient { days } => days <= DAYS_WITHOUT_DATA,
    }
}

/// All verdicts on an alarm that was seen.
pub(super) fn alarm_verdicts(alarm: AlarmSpec) -> Vec<Verdict> {
    let safe = matches!(alarm.missing_data, None | Some("missing" | "breaching"));
    let results = [when(true, alarm.actions_enabled), when(true, has_data(alarm)), when(!alarm.composite, safe)];
    ALARM_CONTROLS.iter().copied().zip(results).collect()
}
