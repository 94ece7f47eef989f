//! Expected results of the controls on deployment groups and alarms.

use super::{Expected, Judgement, Known, judged, when};
use crate::simulate::estate::{
    AlarmName, AlarmSpec, AlarmState, Blue, Fleet, GroupSpec, Naming, Notification, PipelineSpec, Platform, Rollback,
};
use crate::simulate::world::World;

/// The controls on a deployment group.
pub(super) const GROUP_CONTROLS: &[Judgement<GroupSpec>] = &[
    ("codedeploy-rollback-on-failure", |_, spec| {
        when(true, matches!(spec.rollback, Rollback::Failure | Rollback::Both))
    }),
    ("codedeploy-rollback-on-alarm", |_, spec| {
        when(true, matches!(spec.rollback, Rollback::Alarm | Rollback::Both) && watched(spec))
    }),
    ("codedeploy-alarm-polling-failure-stops", |_, spec| when(watched(spec), !spec.ignore_polling)),
    ("codedeploy-alarms-effective", |world, spec| judged(Some(watched(spec)), effective(world, spec))),
    ("codedeploy-production-blue-green", |world, spec| {
        let balanced = matches!(spec.platform, Platform::Server | Platform::Ecs);
        when(production(world, spec) && balanced, spec.blue != Blue::InPlace)
    }),
    ("codedeploy-lambda-gradual-traffic", |world, spec| {
        judged(Some(spec.platform == Platform::Lambda), gradual(world, spec))
    }),
    ("codedeploy-ecs-production-gradual-traffic", |world, spec| {
        judged(Some(spec.platform == Platform::Ecs && production(world, spec)), gradual(world, spec))
    }),
    ("codedeploy-minimum-healthy-hosts", |world, spec| {
        let healthy = spec.config.healthy_hosts.is_some_and(|(_, value)| value > 0);
        judged(Some(spec.platform == Platform::Server), configured(world, spec).then_some(healthy))
    }),
    ("codedeploy-outdated-instances-updated", |_, spec| {
        when(spec.platform == Platform::Server, spec.outdated != Fleet::Ignore)
    }),
    ("codedeploy-blue-fleet-kept", |_, spec| match spec.blue {
        Blue::InPlace | Blue::NoFleet => Expected::NotApplicable,
        Blue::Terminate { minutes } => when(true, minutes >= 5),
        Blue::KeepAlive => when(true, true),
    }),
    ("codedeploy-failure-notified", |_, spec| when(true, spec.notification == Notification::Failure)),
];

/// The controls on an alarm, composite or not.
pub(super) const ALARM_CONTROLS: &[Judgement<AlarmSpec>] = &[
    ("cloudwatch-alarm-actions-enabled", |_, alarm| when(true, alarm.actions_enabled)),
    ("cloudwatch-alarm-has-data", |_, alarm| when(true, has_data(*alarm))),
    ("cloudwatch-alarm-missing-data-safe", |_, alarm| {
        when(!alarm.composite, matches!(alarm.missing_data, None | Some("missing" | "breaching")))
    }),
];

/// An alarm without data for longer than this watches nothing.
const DAYS_WITHOUT_DATA: i64 = 7;

pub(super) fn watched(spec: &GroupSpec) -> bool {
    spec.alarms_enabled && !spec.alarms.is_empty()
}

pub(super) fn configured(world: &World, spec: &GroupSpec) -> bool {
    world.refusal(spec.account, "codedeploy:GetDeploymentConfig").is_none()
}

fn gradual(world: &World, spec: &GroupSpec) -> Known {
    configured(world, spec).then(|| spec.config.traffic.is_some_and(|(kind, _, _)| kind != "AllAtOnce"))
}

/// Account tag, own tag, name, or a pipeline that was seen to deploy to production with it.
pub(super) fn production(world: &World, spec: &GroupSpec) -> bool {
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
