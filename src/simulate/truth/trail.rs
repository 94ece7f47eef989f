//! Expected results of the controls on trails and on accounts.

use super::{Expected, Verdict, all, any, judged, trails_over};
use crate::simulate::estate::{DataEvents, TrailSpec};
use crate::simulate::world::World;

/// Every control on a trail, judged on its owner's copy.
pub(super) const TRAIL_CONTROLS: &[&str] = &[
    "cloudtrail-log-file-validation",
    "cloudtrail-customer-key",
    "cloudtrail-cloudwatch-logs",
    "cloudtrail-bucket-protected",
    "cloudtrail-artifact-bucket-data-events",
];

/// The control on an account.
pub(super) const ACCOUNT: &str = "organizations-account-trail-logging";

/// Whether the account's trails can be listed at all.
pub(super) fn listed(world: &World, account: usize) -> bool {
    ["cloudtrail:ListTrails", "cloudtrail:DescribeTrails"].iter().all(|action| world.refusal(account, action).is_none())
}

/// All verdicts on a trail that was seen.
pub(super) fn verdicts(world: &World, spec: &TrailSpec) -> Vec<Verdict> {
    let selectors = world.refusal(spec.account, "cloudtrail:GetEventSelectors").is_none();
    let everything =
        matches!(spec.events, DataEvents::AllBuckets | DataEvents::AllBucketsColons | DataEvents::AllBucketsAdvanced);
    let good = |holds: bool| judged(Some(true), Some(holds));
    let results = [
        good(spec.validation),
        good(spec.key.is_some()),
        good(spec.cloudwatch),
        judged(Some(true), super::storage::protected(world, spec.bucket)),
        judged(Some(spec.multi_region()), selectors.then_some(everything)),
    ];
    TRAIL_CONTROLS.iter().copied().zip(results).collect()
}

/// Whether a trail that the account sees records in every Region and is running.
pub(super) fn account_verdict(world: &World, account: usize) -> Verdict {
    if !listed(world, account) {
        return (ACCOUNT, Expected::InsufficientData);
    }
    let covered = any(trails_over(world, account).iter().map(|trail| {
        let status = world.refusal(trail.account, "cloudtrail:GetTrailStatus").is_none();
        all([Some(trail.multi_region()), status.then_some(trail.logging)])
    }));
    (ACCOUNT, judged(Some(true), covered))
}
