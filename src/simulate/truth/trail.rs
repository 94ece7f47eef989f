//! Expected results of the controls on trails and on accounts.

use super::{Expected, Judgement, all, any, judged, trails_over, when};
use crate::simulate::estate::{DataEvents, TrailSpec};
use crate::simulate::organization::State;
use crate::simulate::world::World;

/// The controls on a trail, judged on its owner's copy.
pub(super) const TRAIL_CONTROLS: &[Judgement<TrailSpec>] = &[
    ("cloudtrail-log-file-validation", |_, spec| when(true, spec.validation)),
    ("cloudtrail-customer-key", |_, spec| when(true, spec.key.is_some())),
    ("cloudtrail-cloudwatch-logs", |_, spec| when(true, spec.cloudwatch)),
    ("cloudtrail-bucket-protected", |world, spec| judged(Some(true), super::storage::protected(world, spec.bucket))),
    ("cloudtrail-artifact-bucket-data-events", |world, spec| {
        let selectors = world.refusal(spec.account, "cloudtrail:GetEventSelectors").is_none();
        let everything = matches!(
            spec.events,
            DataEvents::AllBuckets | DataEvents::AllBucketsColons | DataEvents::AllBucketsAdvanced
        );
        judged(Some(spec.multi_region()), selectors.then_some(everything))
    }),
];

/// The controls on what records an account, by its position.
pub(super) const ACCOUNT_CONTROLS: &[Judgement<usize>] = &[("organizations-account-trail-logging", recorded)];

/// Whether the account's trails can be listed at all.
pub(super) fn listed(world: &World, account: usize) -> bool {
    ["cloudtrail:ListTrails", "cloudtrail:DescribeTrails"].iter().all(|action| world.refusal(account, action).is_none())
}

/// Whether a trail that the account sees records in every Region and is running; all of them record management events.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "as every judgement")]
fn recorded(world: &World, account: &usize) -> Expected {
    if world.member(*account).state != State::Active {
        return Expected::NotApplicable;
    }
    if !listed(world, *account) {
        return Expected::InsufficientData;
    }
    let covered = any(trails_over(world, *account).iter().map(|trail| {
        let status = world.refusal(trail.account, "cloudtrail:GetTrailStatus").is_none();
        let selectors = world.refusal(trail.account, "cloudtrail:GetEventSelectors").is_none();
        all([Some(trail.multi_region()), status.then_some(trail.logging), selectors.then_some(true)])
    }));
    judged(Some(true), covered)
}
