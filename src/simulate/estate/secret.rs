//! Secrets that builds are given.

use super::choose;
use crate::simulate::world::{World, letters, mix};

/// Secrets in every account and Region have the slots below this.
pub(crate) const SECRET_SLOTS: usize = 3;

/// The slot of the secret that pipelines name.
pub(crate) const DATABASE_SLOT: usize = 0;

/// Which secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SecretRef {
    pub(crate) account: usize,
    pub(crate) region: usize,
    pub(crate) slot: usize,
}

/// How somebody names a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecretForm {
    Name,
    /// With the key of one of its values.
    NameWithKey,
    Arn,
    ArnWithKey,
}

/// How a secret is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotation {
    Off,
    /// Every so many days; the last time so many days ago.
    Days {
        every: i64,
        since: i64,
    },
    /// By a schedule that names no number of days, but has a last and a next time.
    Calendar {
        every: i64,
        since: i64,
    },
}

impl SecretRef {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self.slot {
            DATABASE_SLOT => "delivery/database",
            1 => "delivery/registry",
            _ => "delivery/signing",
        }
    }

    /// Its ARN, with the six characters that AWS adds.
    pub(crate) fn arn(self, world: &World) -> String {
        let place = ((self.account as u64) << 16) | self.region as u64;
        let suffix = letters(mix(world.options.seed, place, self.slot as u64, 7), 6);
        world.arn("secretsmanager", self.region, self.account, &format!("secret:{}-{suffix}", self.name()))
    }

    /// As the value of a variable.
    pub(crate) fn written(self, world: &World, form: SecretForm) -> String {
        match form {
            SecretForm::Name => self.name().to_owned(),
            SecretForm::NameWithKey => format!("{}:password", self.name()),
            SecretForm::Arn => self.arn(world),
            SecretForm::ArnWithKey => format!("{}:password:AWSCURRENT:", self.arn(world)),
        }
    }

    /// The secret of that name or ARN.
    pub(crate) fn named(world: &World, account: usize, region: usize, id: &str) -> Option<Self> {
        let mut all = (0..SECRET_SLOTS).map(|slot| Self { account, region, slot });
        all.find(|secret| secret.name() == id || secret.arn(world) == id)
    }

    /// Its knob.
    pub(crate) fn rotation(self, world: &World) -> Rotation {
        let rng = &mut world.generator(self.account, self.region, "secret", self.slot);
        let rotations = [
            Rotation::Off,
            Rotation::Days { every: 30, since: 12 },
            Rotation::Days { every: 7, since: 3 },
            Rotation::Days { every: 90, since: 20 },
            Rotation::Days { every: 30, since: 200 },
            Rotation::Calendar { every: 28, since: 6 },
            Rotation::Calendar { every: 91, since: 6 },
        ];
        choose(rng, &rotations, Rotation::Off)
    }
}
