//! Expected results of the controls on buckets and keys.

use super::{Judgement, Known, all, any, judged, trails_over};
use crate::simulate::estate::{
    AWS_MANAGED_SLOT, BucketRef, DataEvents, Encryption, KeyRef, KeyState, Lock, Outsiders, TlsDeny, TrailSpec,
};
use crate::simulate::world::World;

/// A bucket that something names.
#[derive(Debug, Clone, Copy)]
pub(super) struct NamedBucket {
    pub(super) bucket: BucketRef,
    /// Whether anything but a trail names it; `None`: some that may could not be seen.
    pub(super) artifact: Known,
    /// Whether production artifacts lie in it.
    pub(super) production: Known,
    /// Whether a pipeline names it that does not deploy to production; `None`: some could not be seen.
    pub(super) shared: Known,
    /// Whether anything but pipelines and trails names it, and so may store under a key that is taken.
    pub(super) overwritten: Known,
}

impl NamedBucket {
    pub(super) fn seen(self, world: &World, action: &str) -> bool {
        world.refusal(self.bucket.account, action).is_none()
    }
}

/// The controls on an artifact bucket.
pub(super) const BUCKET_CONTROLS: &[Judgement<NamedBucket>] = &[
    ("s3-artifact-bucket-object-lock-retention", |world, named| {
        let long = retention(world, *named).map(|lock| lock.is_some_and(|(_, days)| days >= RETENTION_DAYS));
        judged(named.production, long)
    }),
    ("s3-artifact-bucket-compliance-mode", |world, named| {
        let lock = retention(world, *named);
        let applies = super::keeping::in_order([named.production, lock.map(|lock| lock.is_some())]);
        judged(applies, lock.map(|lock| lock.is_some_and(|(compliance, _)| compliance)))
    }),
    ("s3-artifact-bucket-versioning", |world, named| {
        let seen = named.seen(world, "s3:GetBucketVersioning");
        judged(named.artifact, seen.then_some(named.bucket.spec(world).versioning == Some(true)))
    }),
    ("s3-artifact-bucket-customer-key", |world, named| {
        let seen = named.seen(world, "s3:GetEncryptionConfiguration");
        let key = seen.then(|| customer_key(world, named.bucket.spec(world).encryption, named.bucket));
        judged(named.artifact, key.flatten())
    }),
    ("s3-artifact-bucket-tls-only", |world, named| {
        let seen = named.seen(world, "s3:GetBucketPolicy");
        judged(named.artifact, seen.then_some(named.bucket.spec(world).tls == TlsDeny::All))
    }),
    ("s3-artifact-bucket-public-access-blocked", |world, named| {
        judged(named.artifact, public_access_blocked(world, named.bucket))
    }),
    ("s3-artifact-bucket-acls-disabled", |world, named| {
        let seen = named.seen(world, "s3:GetBucketOwnershipControls");
        judged(named.artifact, seen.then_some(named.bucket.spec(world).ownership == Some("BucketOwnerEnforced")))
    }),
    ("s3-artifact-bucket-known-writers", |world, named| {
        let known = matches!(named.bucket.spec(world).writers, Outsiders::None | Outsiders::OrganizationOnly);
        judged(named.artifact, named.seen(world, "s3:GetBucketPolicy").then_some(known))
    }),
    ("s3-artifact-bucket-access-logged", |world, named| {
        let logged = named.seen(world, "s3:GetBucketLogging").then_some(named.bucket.spec(world).logged);
        judged(named.artifact, any([logged, data_events(world, named.bucket)]))
    }),
];

/// The controls on a key.
pub(super) const KEY_CONTROLS: &[Judgement<KeyRef>] = &[
    ("kms-key-rotation-enabled", |world, key| {
        let seen = world.refusal(key.account, "kms:GetKeyRotationStatus").is_none();
        judged(customer(world, *key), seen.then_some(key.spec(world).rotation))
    }),
    ("kms-key-usable", |world, key| {
        judged(Some(true), described(world, key.account).then_some(key.spec(world).state == KeyState::Enabled))
    }),
    ("kms-key-policy-known-principals", |world, key| {
        let seen = world.refusal(key.account, "kms:GetKeyPolicy").is_none();
        let known = matches!(key.spec(world).principals, Outsiders::None | Outsiders::OrganizationOnly);
        judged(customer(world, *key), seen.then_some(known))
    }),
];

/// The shortest retention that production artifacts need.
const RETENTION_DAYS: u32 = 30;

/// Whether keys of the account can be described.
pub(super) fn described(world: &World, account: usize) -> bool {
    world.visible(account) && world.refusal(account, "kms:DescribeKey").is_none()
}

/// The default retention of a bucket, if it has one: whether it is `COMPLIANCE`, and its days; unknown where the lock
/// could not be seen.
#[expect(clippy::option_option, reason = "unknown, none, or one")]
pub(super) fn retention(world: &World, named: NamedBucket) -> Option<Option<(bool, u32)>> {
    let lock = match named.bucket.spec(world).lock {
        Lock::Off | Lock::NoRetention => None,
        Lock::Days { compliance, days } => Some((compliance, days)),
        Lock::Years { compliance, years } => Some((compliance, years * 365)),
    };
    named.seen(world, "s3:GetBucketObjectLockConfiguration").then_some(lock)
}

/// Whether a key is the customer's own.
pub(super) fn customer(world: &World, key: KeyRef) -> Known {
    described(world, key.account).then_some(key.slot != AWS_MANAGED_SLOT)
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
