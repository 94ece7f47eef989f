//! Digest files: which log files were delivered in an hour, with their hashes, and who says so.
//!
//! In: a digest file and its signature. Out: the hour, its log files, and whether it is CloudTrail's own word. A digest
//! comes each hour, also when nothing was delivered: so it tells silence from a hole.
//!
//! Shapes: <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html>,
//! what is signed: <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-custom-validation.html>.

use std::io::Read;

use ring::digest::{SHA256, digest};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde::Deserialize;
use time::OffsetDateTime;

use super::file::inflated;
use super::keys::DigestKeys;
use super::layout::file_name;
use super::objects::ArchiveObjects;
use crate::history::Period;
use crate::inventory::GapCause;
use crate::inventory::hex;

/// The most of a digest that is read; one of 10,000 log files is about 5 MB.
const LARGEST: u64 = 64 << 20;

/// The one algorithm that CloudTrail signs with.
const ALGORITHM: &str = "SHA256withRSA";

/// A digest file's content, as far as it is used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    digest_start_time: String,
    digest_end_time: String,
    #[serde(default)]
    digest_s3_bucket: String,
    #[serde(default)]
    digest_s3_object: String,
    #[serde(default)]
    digest_public_key_fingerprint: String,
    #[serde(default)]
    digest_signature_algorithm: Option<String>,
    #[serde(default)]
    previous_digest_s3_object: Option<String>,
    #[serde(default)]
    previous_digest_hash_value: Option<String>,
    #[serde(default)]
    previous_digest_signature: Option<String>,
    #[serde(default)]
    log_files: Vec<Listed>,
}

/// A log file that a digest lists.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    #[serde(rename = "s3Object")]
    object: String,
    #[serde(rename = "hashValue", default)]
    pub(super) hash: String,
}

impl Listed {
    /// The file's name, which is unique: the folders above it change when an archive is copied.
    pub(super) fn name(&self) -> &str {
        file_name(&self.object)
    }
}

/// A digest file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) key: String,
    /// The hour.
    pub(super) period: Period,
    pub(super) log_files: Vec<Listed>,
    content: Content,
    /// SHA-256 of the file's inflated bytes.
    hash: String,
    signature: Option<String>,
}

impl Digest {
    /// Reads a digest file.
    pub(super) fn read(objects: &dyn ArchiveObjects, key: &str) -> Result<Self, GapCause> {
        let opened = objects.open(key)?;
        let mut bytes = Vec::new();
        inflated(opened.body)
            .take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| GapCause::Endpoint { message: format!("reading failed: {error}") })?;
        if bytes.len() as u64 > LARGEST {
            return Err(malformed(format!("the digest inflates to more than {LARGEST} bytes")));
        }
        Self::of(key, &bytes, opened.signature)
    }

    /// Reads a digest file's inflated bytes.
    fn of(key: &str, bytes: &[u8], signature: Option<String>) -> Result<Self, GapCause> {
        let mut content: Content =
            serde_json::from_slice(bytes).map_err(|error| malformed(format!("no digest file: {error}")))?;
        let time = |text: &str| {
            OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
                .map_err(|error| malformed(format!("no digest file: `{text}`: {error}")))
        };
        let period = Period { from: time(&content.digest_start_time)?, to: time(&content.digest_end_time)? };
        if period.from >= period.to {
            return Err(malformed("no digest file: it ends before it begins".to_owned()));
        }
        let log_files = std::mem::take(&mut content.log_files);
        let hash = hex(digest(&SHA256, bytes).as_ref());
        Ok(Self { key: key.to_owned(), period, log_files, content, hash, signature })
    }

    /// Why it cannot be taken as CloudTrail's word; nothing if it can.
    pub(super) fn objection(&self, keys: &DigestKeys) -> Option<String> {
        let content = &self.content;
        let Some(signature) = &self.signature else {
            return Some(
                "it has no signature: S3 keeps it in the object's metadata; beside a copied file it stands in \
                 `<file>.signature`"
                    .to_owned(),
            );
        };
        if let Some(other) = content.digest_signature_algorithm.as_deref().filter(|name| *name != ALGORITHM) {
            return Some(format!("it is signed with `{other}`, expected `{ALGORITHM}`"));
        }
        if file_name(&content.digest_s3_object) != file_name(&self.key) {
            return Some(format!("it was delivered as `{}`: it was moved or exchanged", content.digest_s3_object));
        }
        let fingerprint = &content.digest_public_key_fingerprint;
        let Some(key) = keys.find(fingerprint, self.period.to) else {
            return Some(format!("no public key with fingerprint `{fingerprint}` was valid then"));
        };
        let Some(signature) = bytes_of(signature) else {
            return Some("its signature is not hexadecimal".to_owned());
        };
        let signed = self.string_to_sign();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key.der)
            .verify(signed.as_bytes(), &signature)
            .is_err()
            .then(|| "its signature is not CloudTrail's: the digest was changed".to_owned())
    }

    /// What CloudTrail signs. The first digest of a chain has no signature before it, which is written `null`.
    fn string_to_sign(&self) -> String {
        let content = &self.content;
        format!(
            "{}\n{}/{}\n{}\n{}",
            content.digest_end_time,
            content.digest_s3_bucket,
            content.digest_s3_object,
            self.hash,
            content.previous_digest_signature.as_deref().unwrap_or("null")
        )
    }

    /// The name of the digest before, if the chain does not begin here.
    pub(super) fn previous(&self) -> Option<&str> {
        self.content.previous_digest_s3_object.as_deref().map(file_name)
    }

    /// Whether `before` is the digest that this one was made after. An unsigned `before` is told by its hash.
    pub(super) fn continues(&self, before: &Self) -> bool {
        let content = &self.content;
        content.previous_digest_hash_value.as_deref().is_some_and(|hash| hash.eq_ignore_ascii_case(&before.hash))
            && before.signature.as_deref().is_none_or(|signature| {
                content.previous_digest_signature.as_deref().is_some_and(|told| told.eq_ignore_ascii_case(signature))
            })
    }
}

fn malformed(message: String) -> GapCause {
    GapCause::Malformed { message }
}

/// The bytes of hexadecimal digits.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok())).collect();
    let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests;
