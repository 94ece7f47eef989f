//! Expected results of the controls on buckets and keys.

use super::{Known, Verdict, all, any, judged, trails_over};
use crate::simulate::estate::{
    AWS_MANAGED_SLOT, BucketRef, DataEvents, Encryption, KeyRef, KeyState, Lock, Outsiders, TlsDeny, TrailSpec,
};
use crate::simulate::world::World;

/// Every control on an artifact bucket.
pub(super) const BUCKET_CONTROLS: &[&str] = &[
    "s3-artifact-bucket-object-lock-retention",
    "s3-artifact-bucket-compliance-mode",
    "s3-artifact-bucket-versioning",
    "s3-artifact-bucket-customer-key",
    "s3-artifact-bucket-tls-only",
    "s3-artifact-bucket-public-access-blocked",
    "s3-artifact-bucket-acls-disabled",
    "s3-artifact-bucket-known-writers",
    "s3-artifact-bucket-access-logged",
];

/// Every control on a key.
pub(super) const KEY_CONTROLS: &[&str] =
    &["kms-key-rotation-enabled", "kms-key-usable", "kms-key-policy-known-principals"];

/// The shortest retention that production artifacts need.
const RETENTION_DAYS: u32 = 30;

/// Whether keys of the account can be described.
pub(super) fn described(world: &World, account: usize) -> bool {
    world.visible(account) && world.refusal(account, "kms:DescribeKey").is_none()
}

/// All verdicts on a bucket that is named; `production` is `None` for a bucket that only a trail names.
pub(super) fn bucket_verdicts(world: &World, bucket: BucketRef, production: Option<bool>) -> Vec<Verdict> {
    let spec = bucket.spec(world);
    let seen = |action: &str| world.refusal(bucket.account, action).is_none();
    let artifact = production.is_some();
    let production = production == Some(true);
    let lock = seen("s3:GetBucketObjectLockConfiguration");
    let (retained, compliance) = match spec.lock {
        Lock::Off | Lock::NoRetention => (None, false),
        Lock::Days { compliance, days } => (Some(days), compliance),
        Lock::Years { compliance, years } => (Some(years * 365), compliance),
    };
    let has_retention = if production { lock.then_some(retained.is_some()) } else { Some(false) };
    let encryption = seen("s3:GetEncryptionConfiguration");
    let policy = seen("s3:GetBucketPolicy");
    let always = Some(artifact);
    let results = [
        judged(Some(production), lock.then_some(retained.is_some_and(|days| days >= RETENTION_DAYS))),
        judged(has_retention, lock.then_some(compliance)),
        judged(always, seen("s3:GetBucketVersioning").then_some(spec.versioning == Some(true))),
        judged(always, if encryption { customer_key(world, spec.encryption, bucket) } else { None }),
        judged(always, policy.then_some(spec.tls == TlsDeny::All)),
        judged(always, public_access_blocked(world, bucket)),
        judged(always, seen("s3:GetBucketOwnershipControls").then_some(spec.ownership == Some("BucketOwnerEnforced"))),
        judged(always, policy.then_some(matches!(spec.writers, Outsiders::None | Outsiders::OrganizationOnly))),
        judged(always, any([seen("s3:GetBucketLogging").then_some(spec.logged), data_events(world, bucket)])),
    ];
    BUCKET_CONTROLS.iter().copied().zip(results).collect()
}

fn public_access_blocked(world: &World, bucket: BucketRef) -> Known {
    let seen = world.refusal(bucket.account, "s3:GetBucketPublicAccessBlock").is_none();
    seen.then_some(bucket.spec(world).public_access_block == Some([true; 4]))
}

fn customer_key(world: &World, encryption: Encryption, bucket: BucketRef) -> Known {
    match encryption {
        Encryption::S3 | Encryption::KmsUnnamed => Some(false),
        Encryption::KmsAws => described(world, bucket.account).then_some(false),
        Encryption::Customer(key) | Encryption::CustomerDouble(key) => described(world, key.account).then_some(true),
    }
}

/// Whether some trail over the bucket's account records what happens to its objects.
fn data_events(world: &World, bucket: BucketRef) -> Known {
    let trails = trails_over(world, bucket.account);
    if !super::trail::listed(world, bucket.account) {
        return None;
    }
    any(trails.iter().map(|trail| {
        let seen = world.refusal(trail.account, "cloudtrail:GetEventSelectors").is_none();
        seen.then_some(trail.logging && records(trail, bucket))
    }))
}

fn records(trail: &TrailSpec, bucket: BucketRef) -> bool {
    let here = trail.multi_region() || trail.region == bucket.region;
    here && match trail.events {
        DataEvents::None | DataEvents::Functions => false,
        DataEvents::AllBuckets | DataEvents::AllBucketsColons | DataEvents::AllBucketsAdvanced => true,
        DataEvents::OneBucket(one) | DataEvents::OneBucketAdvanced(one) => one == bucket,
    }
}

/// Whether a trail's bucket keeps what it gets: nothing public, every version, a default retention.
pub(super) fn protected(world: &World, bucket: BucketRef) -> Known {
    if !world.visible(bucket.account) {
        return None;
    }
    let spec = bucket.spec(world);
    let seen = |action: &str| world.refusal(bucket.account, action).is_none();
    all([
        public_access_blocked(world, bucket),
        seen("s3:GetBucketVersioning").then_some(spec.versioning == Some(true)),
        seen("s3:GetBucketObjectLockConfiguration")
            .then_some(matches!(spec.lock, Lock::Days { .. } | Lock::Years { .. })),
    ])
}

/// All verdicts on a key that is named.
pub(super) fn key_verdicts(world: &World, key: KeyRef) -> Vec<Verdict> {
    let spec = key.spec(world);
    let described = described(world, key.account);
    let customer = described.then_some(key.slot != AWS_MANAGED_SLOT);
    let seen = |action: &str| world.refusal(key.account, action).is_none();
    let known = matches!(spec.principals, Outsiders::None | Outsiders::OrganizationOnly);
    let results = [
        judged(customer, seen("kms:GetKeyRotationStatus").then_some(spec.rotation)),
        judged(Some(true), described.then_some(spec.state == KeyState::Enabled)),
        judged(customer, seen("kms:GetKeyPolicy").then_some(known)),
    ];
    KEY_CONTROLS.iter().copied().zip(results).collect()
}
