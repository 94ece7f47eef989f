//! How buckets keep what lies in them, and who administers keys.

use super::{ARTIFACT_SLOTS, BucketRef, BucketSpec, KeyRef, choose};
use crate::simulate::world::World;

/// What the lifecycle of a bucket deletes, if it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// Old versions after so many days.
    OldVersions { days: u32 },
    /// Objects after so many days, and so many days later what is left of them.
    Both { days: u32, old: u32 },
    /// Objects after so many days.
    Objects { days: u32 },
    /// Objects under a prefix after so many days.
    Part { days: u32 },
    /// Only what was never uploaded to its end.
    Uploads,
}

/// What a bucket policy says of uploads that name an encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PutDeny {
    Missing,
    /// Every other key, and uploads that name none.
    Strict,
    /// Every other key where one is named, and every other algorithm where one is named.
    Both,
    /// Every other key where one is named.
    KeyOnly,
    /// Every other algorithm.
    AlgorithmOnly,
    /// As strict, but for one role only.
    OneRole,
}

/// The bucket that another is copied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Replica {
    pub(crate) to: BucketRef,
    pub(crate) enabled: bool,
    /// Whether objects under keys are copied too.
    pub(crate) encrypted: bool,
    /// Whether only objects under a prefix are copied.
    pub(crate) part: bool,
}

/// How a bucket keeps what lies in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keeping {
    pub(crate) mfa_delete: bool,
    /// Counts only where the bucket has a lifecycle.
    pub(crate) expiry: Expiry,
    pub(crate) puts: PutDeny,
    pub(crate) replica: Option<Replica>,
}

impl Keeping {
    /// How that bucket keeps what lies in it.
    pub(crate) fn of(world: &World, bucket: BucketRef, spec: &BucketSpec) -> Self {
        let mut rng = world.generator(bucket.account, bucket.region, "bucket-keeping", bucket.slot);
        let versioned = spec.versioning == Some(true);
        let expiries = [
            Expiry::Both { days: 400, old: 180 },
            Expiry::Both { days: 400, old: 1 },
            Expiry::OldVersions { days: 10 },
            Expiry::Objects { days: 400 },
            Expiry::Part { days: 7 },
            Expiry::Uploads,
        ];
        let puts = [
            PutDeny::Missing,
            PutDeny::Strict,
            PutDeny::Both,
            PutDeny::KeyOnly,
            PutDeny::AlgorithmOnly,
            PutDeny::OneRole,
        ];
        Self {
            mfa_delete: rng.u8(..4) == 0 && versioned,
            expiry: choose(&mut rng, &expiries, Expiry::Uploads),
            puts: choose(&mut rng, &puts, PutDeny::Missing),
            replica: replica(world, bucket, &mut rng).filter(|_| versioned && bucket.slot < ARTIFACT_SLOTS),
        }
    }
}

fn replica(world: &World, bucket: BucketRef, rng: &mut fastrand::Rng) -> Option<Replica> {
    let regions = world.regions().len();
    let there = BucketRef { region: (bucket.region + 1) % regions.max(1), ..bucket };
    let here = BucketRef { slot: (bucket.slot + 1) % ARTIFACT_SLOTS, ..bucket };
    let whole = Replica { to: there, enabled: true, encrypted: true, part: false };
    let choices = [
        None,
        None,
        Some(whole),
        Some(whole),
        Some(Replica { encrypted: false, ..whole }),
        Some(Replica { part: true, ..whole }),
        Some(Replica { enabled: false, ..whole }),
        Some(Replica { to: here, ..whole }),
    ];
    choose(rng, &choices, None).filter(|_| regions > 1)
}

/// Whom a key's policy makes its administrator, besides the account's root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Administration {
    RootOnly,
    /// A role that nothing delivers with.
    Administrators,
    /// The role of the account's pipelines, which may end the key.
    Deployers,
    /// The same, taken back by a statement that denies it.
    DeployersDenied,
}

/// The role that [`Administration::Administrators`] names.
pub(crate) const ADMINISTRATORS: &str = "KeyAdministrators";
/// The role that [`Administration::Deployers`] names: every pipeline of an account runs under it.
pub(crate) const DEPLOYERS: &str = "PipelineService";

/// Who administers a customer key.
pub(crate) fn administration(world: &World, key: KeyRef) -> Administration {
    let mut rng = world.generator(key.account, key.region, "key-administration", key.slot);
    let choices = [
        Administration::RootOnly,
        Administration::Administrators,
        Administration::Deployers,
        Administration::DeployersDenied,
    ];
    choose(&mut rng, &choices, Administration::RootOnly)
}

/// Whether the bucket is called what tools call it in every account and Region.
pub(crate) fn is_bootstrap(bucket: BucketRef) -> bool {
    bucket.slot == 2 && bucket.account % 4 == 1
}
