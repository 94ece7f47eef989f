//! Public keys that CloudTrail signs its digests with.

use time::OffsetDateTime;

use crate::history::Period;

/// A public key as `ListPublicKeys` gives it. Each Region has keys of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestKey {
    /// `Fingerprint`: which key signed is said in the digest by this.
    pub fingerprint: String,
    /// `Value`: the key, DER, PKCS #1.
    pub der: Vec<u8>,
    /// From `ValidityStartTime` to `ValidityEndTime`.
    pub valid: Period,
}

/// Every public key that may have signed a digest of the period.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DigestKeys {
    /// The keys, in any order.
    pub keys: Vec<DigestKey>,
}

impl DigestKeys {
    /// The key of a fingerprint that was valid at a time.
    pub(super) fn find(&self, fingerprint: &str, at: OffsetDateTime) -> Option<&DigestKey> {
        self.keys.iter().find(|key| key.fingerprint == fingerprint && key.valid.contains(at))
    }
}
