//! Buckets and keys: where artifacts and trails are kept.

use super::choose;
use crate::simulate::organization::Part;
use crate::simulate::world::{World, mix};

/// Artifact buckets in every account and Region have the slots below this; the tooling account's are shared.
pub(crate) const ARTIFACT_SLOTS: usize = 3;
/// The slot of the bucket that a trail writes to.
pub(crate) const TRAIL_SLOT: usize = 9;
/// Customer keys in every account and Region have the slots below this.
pub(crate) const KEY_SLOTS: usize = 3;
/// The slot of the key that AWS manages for S3.
pub(crate) const AWS_MANAGED_SLOT: usize = 9;

/// Begins the name that the CDK's bootstrap gives a bucket in every account and Region.
const BOOTSTRAP: &str = "cdk-hnb659fds-assets-";

/// Which bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BucketRef {
    pub(crate) account: usize,
    pub(crate) region: usize,
    pub(crate) slot: usize,
}

/// Which key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyRef {
    pub(crate) account: usize,
    pub(crate) region: usize,
    pub(crate) slot: usize,
}

/// How somebody names a customer key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyForm {
    Arn,
    Id,
    AliasArn,
}

/// The key that an artifact store names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyUse {
    None,
    AwsManaged,
    Customer(KeyRef, KeyForm),
}

/// A bucket's Object Lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    Off,
    NoRetention,
    Days { compliance: bool, days: u32 },
    Years { compliance: bool, years: u32 },
}

/// A bucket's default encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encryption {
    S3,
    /// `aws:kms` without a key's name.
    KmsUnnamed,
    /// `aws:kms` with the name of the key that AWS manages.
    KmsAws,
    Customer(KeyRef),
    /// Two layers.
    CustomerDouble(KeyRef),
}

/// What a bucket policy says of plain HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsDeny {
    All,
    Missing,
    ObjectsOnly,
    PutOnly,
}

/// Whom a bucket or key policy lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outsiders {
    /// The own account only.
    None,
    /// Everybody, under the condition that the caller is of the organization.
    OrganizationOnly,
    /// An account that is no member.
    Account,
    /// Everybody.
    Everybody,
}

/// A bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BucketSpec {
    pub(crate) lock: Lock,
    /// `None`: never set; `Some(false)`: suspended.
    pub(crate) versioning: Option<bool>,
    pub(crate) encryption: Encryption,
    pub(crate) tls: TlsDeny,
    /// The four flags in the API's order; `None`: no configuration.
    pub(crate) public_access_block: Option<[bool; 4]>,
    pub(crate) ownership: Option<&'static str>,
    pub(crate) writers: Outsiders,
    pub(crate) logged: bool,
    pub(crate) lifecycle: bool,
}

/// A key's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyState {
    Enabled,
    Disabled,
    PendingDeletion,
}

/// A customer key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeySpec {
    pub(crate) rotation: bool,
    pub(crate) state: KeyState,
    pub(crate) principals: Outsiders,
}

impl BucketRef {
    /// The bucket's name, which says where it is.
    pub(crate) fn name(self, world: &World) -> String {
        let kind = if self.slot == TRAIL_SLOT { "trail" } else { "artifacts" };
        let (account, region) = (world.account_id(self.account), world.region_name(self.region));
        if super::is_bootstrap(self) {
            return format!("{BOOTSTRAP}{account}-{region}");
        }
        format!("{kind}-{account}-{region}-{}", self.slot)
    }

    /// `arn:partition:s3:::name`
    pub(crate) fn arn(self, world: &World) -> String {
        format!("arn:{}:s3:::{}", world.partition, self.name(world))
    }

    /// The bucket of that name, if it exists.
    pub(crate) fn named(world: &World, name: &str) -> Option<Self> {
        if let Some((account, region)) = name.strip_prefix(BOOTSTRAP).and_then(|rest| rest.split_once('-')) {
            let (account, region) = (world.position_of(account)?, world.region_position(region)?);
            let found = Self { account, region, slot: 2 };
            return (found.exists(world) && found.name(world) == name).then_some(found);
        }
        let (_, rest) = name.split_once('-')?;
        let (account, rest) = rest.split_once('-')?;
        let (region, slot) = rest.rsplit_once('-')?;
        let found = Self {
            account: world.position_of(account)?,
            region: world.region_position(region)?,
            slot: slot.parse().ok()?,
        };
        (found.exists(world) && found.name(world) == name).then_some(found)
    }

    /// Whether it exists.
    pub(crate) fn exists(self, world: &World) -> bool {
        match world.member(self.account).part {
            Part::Tooling | Part::Workload => self.slot < ARTIFACT_SLOTS || self.slot == TRAIL_SLOT,
            Part::LogArchive | Part::Management => self.slot == TRAIL_SLOT,
        }
    }

    /// All buckets of an account, by Region.
    pub(crate) fn all(world: &World, account: usize) -> Vec<Self> {
        let slots = (0..ARTIFACT_SLOTS).chain([TRAIL_SLOT]);
        let regions = 0..world.regions().len();
        regions
            .flat_map(|region| slots.clone().map(move |slot| Self { account, region, slot }))
            .filter(|bucket| bucket.exists(world))
            .collect()
    }

    /// Its knobs.
    pub(crate) fn spec(self, world: &World) -> BucketSpec {
        let mut generator = world.generator(self.account, self.region, "bucket", self.slot);
        let shared = world.member(self.account).part == Part::Tooling;
        let key_slot = if shared { 0 } else { generator.usize(..KEY_SLOTS) };
        let key = KeyRef { account: self.account, region: self.region, slot: key_slot };
        let sound = BucketSpec {
            lock: Lock::Days { compliance: true, days: 90 },
            versioning: Some(true),
            encryption: Encryption::Customer(key),
            tls: TlsDeny::All,
            public_access_block: Some([true; 4]),
            ownership: Some("BucketOwnerEnforced"),
            writers: if shared { Outsiders::OrganizationOnly } else { Outsiders::None },
            logged: true,
            lifecycle: true,
        };
        if generator.u8(..10) < 3 { sound } else { self.flawed(world, &mut generator, sound, key) }
    }

    fn flawed(self, world: &World, rng: &mut fastrand::Rng, sound: BucketSpec, key: KeyRef) -> BucketSpec {
        let lock = choose(
            rng,
            &[
                Lock::Off,
                Lock::Off,
                Lock::NoRetention,
                Lock::Days { compliance: false, days: 90 },
                Lock::Days { compliance: true, days: 7 },
                Lock::Years { compliance: true, years: 1 },
                Lock::Years { compliance: false, years: 1 },
            ],
            Lock::Off,
        );
        let versioning = choose(rng, &[Some(true), Some(true), Some(false), None], None);
        let named_aws_key =
            if denies_key_descriptions(world, self.account) { Encryption::KmsUnnamed } else { Encryption::KmsAws };
        BucketSpec {
            lock,
            versioning: if lock == Lock::Off { versioning } else { Some(true) },
            encryption: choose(
                rng,
                &[
                    Encryption::S3,
                    Encryption::KmsUnnamed,
                    named_aws_key,
                    Encryption::Customer(key),
                    Encryption::CustomerDouble(key),
                ],
                Encryption::S3,
            ),
            tls: choose(
                rng,
                &[TlsDeny::All, TlsDeny::All, TlsDeny::Missing, TlsDeny::ObjectsOnly, TlsDeny::PutOnly],
                TlsDeny::Missing,
            ),
            public_access_block: choose(
                rng,
                &[
                    Some([true; 4]),
                    Some([true; 4]),
                    Some([true, true, false, true]),
                    Some([true, false, true, true]),
                    None,
                ],
                None,
            ),
            ownership: choose(
                rng,
                &[Some("BucketOwnerEnforced"), Some("BucketOwnerEnforced"), Some("ObjectWriter"), None],
                None,
            ),
            writers: choose(
                rng,
                &[sound.writers, sound.writers, Outsiders::OrganizationOnly, Outsiders::Account, Outsiders::Everybody],
                Outsiders::None,
            ),
            logged: rng.bool(),
            lifecycle: rng.bool(),
        }
    }
}

impl KeyRef {
    /// The key's id.
    pub(crate) fn id(self, world: &World) -> String {
        let place = ((self.account as u64) << 16) | self.region as u64;
        let high = mix(world.options.seed, place, self.slot as u64, 3);
        let low = mix(world.options.seed, place, self.slot as u64, 4);
        let hex = format!("{high:016x}{low:016x}");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
    }

    /// The key's ARN.
    pub(crate) fn arn(self, world: &World) -> String {
        world.arn("kms", self.region, self.account, &format!("key/{}", self.id(world)))
    }

    /// The key's alias.
    pub(crate) fn alias(self) -> String {
        if self.slot == AWS_MANAGED_SLOT { "alias/aws/s3".to_owned() } else { format!("alias/artifacts-{}", self.slot) }
    }

    /// The ARN of the key's alias.
    pub(crate) fn alias_arn(self, world: &World) -> String {
        world.arn("kms", self.region, self.account, &self.alias())
    }

    /// All keys of an account in a Region.
    pub(crate) fn all(account: usize, region: usize) -> impl Iterator<Item = Self> {
        (0..KEY_SLOTS).chain([AWS_MANAGED_SLOT]).map(move |slot| Self { account, region, slot })
    }

    /// Its knobs; those of a key that AWS manages say nothing.
    pub(crate) fn spec(self, world: &World) -> KeySpec {
        let mut generator = world.generator(self.account, self.region, "key", self.slot);
        let shared = world.member(self.account).part == Part::Tooling;
        let sound = KeySpec {
            rotation: true,
            state: KeyState::Enabled,
            principals: if shared { Outsiders::OrganizationOnly } else { Outsiders::None },
        };
        if shared || self.slot == AWS_MANAGED_SLOT || generator.bool() {
            return sound;
        }
        let states = [KeyState::Enabled, KeyState::Enabled, KeyState::PendingDeletion, KeyState::Disabled];
        let state = choose(&mut generator, &states, KeyState::Enabled);
        let principals = [Outsiders::None, Outsiders::OrganizationOnly, Outsiders::Account, Outsiders::Everybody];
        KeySpec {
            rotation: state != KeyState::PendingDeletion && generator.bool(),
            state,
            principals: choose(&mut generator, &principals, Outsiders::None),
        }
    }
}

/// Whether keys of the account cannot be described: then they are named by ARN only, so that they stay known by name.
pub(crate) fn denies_key_descriptions(world: &World, account: usize) -> bool {
    world.refusal(account, "kms:DescribeKey").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::SimulationOptions;

    #[test]
    fn bucket_names_lead_back_to_the_bucket() {
        let world = World::new(SimulationOptions::default());
        let buckets = BucketRef::all(&world, 4);
        assert_eq!(buckets.len(), 8);
        for bucket in buckets.into_iter().chain(BucketRef::all(&world, 5)) {
            assert_eq!(BucketRef::named(&world, &bucket.name(&world)), Some(bucket));
        }
        assert_eq!(BucketRef::named(&world, "artifacts-000000000000-eu-central-1-0"), None);
        assert_eq!(BucketRef::named(&world, "nothing"), None);
    }

    #[test]
    fn key_ids_are_distinct_and_look_like_ids() {
        let world = World::new(SimulationOptions::default());
        let ids: std::collections::BTreeSet<String> =
            (0..12).flat_map(|account| KeyRef::all(account, 1)).map(|key| key.id(&world)).collect();
        assert_eq!(ids.len(), 48);
        assert!(ids.iter().all(|id| id.len() == 36), "{ids:?}");
    }

    #[test]
    fn good_and_bad_buckets_exist() {
        let world = World::new(SimulationOptions { accounts: 100, ..SimulationOptions::default() });
        let specs: Vec<_> =
            (3..90).flat_map(|account| BucketRef::all(&world, account)).map(|bucket| bucket.spec(&world)).collect();
        assert!(specs.iter().any(|s| s.lock == Lock::Off) && specs.iter().any(|s| s.lock != Lock::Off));
        assert!(specs.iter().all(|s| s.lock == Lock::Off || s.versioning == Some(true)));
        assert!(specs.iter().any(|s| s.writers == Outsiders::Everybody));
        assert!(specs.iter().any(|s| s.public_access_block.is_none()));
    }
}
