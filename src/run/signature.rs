//! A signature on a manifest, by an asymmetric key of KMS.
//!
//! In: the bytes of a manifest, and what KMS signed. Out: a small file beside the manifest, and the answer whether it is
//! the signature of that manifest by a given public key. The manifest names the hash of every file and of the manifest
//! before, so one signature holds a run and all runs before it. It is checked without AWS: the public key is a file.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature as ring_signature;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::plan::read_versioned;
use super::{MANIFEST, RunDirectory, RunError, SCHEMA_VERSION};
use crate::finding::hex;
use crate::inventory::json_lines::PendingFile;
use crate::report::visible;

/// Name of the file.
pub const SIGNATURE: &str = "manifest.signature.json";

/// How KMS signs; the names are its own `SigningAlgorithmSpec`. Those of other curves are not among them, because
/// nothing here could check them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256.
    #[serde(rename = "ECDSA_SHA_256")]
    EcdsaSha256,
    /// ECDSA on P-384.
    #[serde(rename = "ECDSA_SHA_384")]
    EcdsaSha384,
    /// RSA with PSS.
    #[serde(rename = "RSASSA_PSS_SHA_256")]
    RsassaPssSha256,
    /// RSA with PSS.
    #[serde(rename = "RSASSA_PSS_SHA_384")]
    RsassaPssSha384,
    /// RSA with PSS.
    #[serde(rename = "RSASSA_PSS_SHA_512")]
    RsassaPssSha512,
    /// RSA with PKCS #1 version 1.5.
    #[serde(rename = "RSASSA_PKCS1_V1_5_SHA_256")]
    RsassaPkcs1V15Sha256,
    /// RSA with PKCS #1 version 1.5.
    #[serde(rename = "RSASSA_PKCS1_V1_5_SHA_384")]
    RsassaPkcs1V15Sha384,
    /// RSA with PKCS #1 version 1.5.
    #[serde(rename = "RSASSA_PKCS1_V1_5_SHA_512")]
    RsassaPkcs1V15Sha512,
}

impl SigningAlgorithm {
    /// All, in the order in which they are chosen.
    pub const ALL: [Self; 8] = [
        Self::EcdsaSha256,
        Self::EcdsaSha384,
        Self::RsassaPssSha256,
        Self::RsassaPssSha384,
        Self::RsassaPssSha512,
        Self::RsassaPkcs1V15Sha256,
        Self::RsassaPkcs1V15Sha384,
        Self::RsassaPkcs1V15Sha512,
    ];

    /// As KMS writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaSha256 => "ECDSA_SHA_256",
            Self::EcdsaSha384 => "ECDSA_SHA_384",
            Self::RsassaPssSha256 => "RSASSA_PSS_SHA_256",
            Self::RsassaPssSha384 => "RSASSA_PSS_SHA_384",
            Self::RsassaPssSha512 => "RSASSA_PSS_SHA_512",
            Self::RsassaPkcs1V15Sha256 => "RSASSA_PKCS1_V1_5_SHA_256",
            Self::RsassaPkcs1V15Sha384 => "RSASSA_PKCS1_V1_5_SHA_384",
            Self::RsassaPkcs1V15Sha512 => "RSASSA_PKCS1_V1_5_SHA_512",
        }
    }

    /// What KMS signs: the digest of the manifest, which itself is too long to be sent.
    #[must_use]
    pub fn digest(self, manifest: &[u8]) -> Vec<u8> {
        match self {
            Self::EcdsaSha256 | Self::RsassaPssSha256 | Self::RsassaPkcs1V15Sha256 => Sha256::digest(manifest).to_vec(),
            Self::EcdsaSha384 | Self::RsassaPssSha384 | Self::RsassaPkcs1V15Sha384 => Sha384::digest(manifest).to_vec(),
            Self::RsassaPssSha512 | Self::RsassaPkcs1V15Sha512 => Sha512::digest(manifest).to_vec(),
        }
    }

    fn ring(self) -> &'static dyn ring_signature::VerificationAlgorithm {
        match self {
            Self::EcdsaSha256 => &ring_signature::ECDSA_P256_SHA256_ASN1,
            Self::EcdsaSha384 => &ring_signature::ECDSA_P384_SHA384_ASN1,
            Self::RsassaPssSha256 => &ring_signature::RSA_PSS_2048_8192_SHA256,
            Self::RsassaPssSha384 => &ring_signature::RSA_PSS_2048_8192_SHA384,
            Self::RsassaPssSha512 => &ring_signature::RSA_PSS_2048_8192_SHA512,
            Self::RsassaPkcs1V15Sha256 => &ring_signature::RSA_PKCS1_2048_8192_SHA256,
            Self::RsassaPkcs1V15Sha384 => &ring_signature::RSA_PKCS1_2048_8192_SHA384,
            Self::RsassaPkcs1V15Sha512 => &ring_signature::RSA_PKCS1_2048_8192_SHA512,
        }
    }
}

/// The signature of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signature {
    /// Shape of the file.
    pub schema_version: u32,
    /// ARN of the key. Whoever could write this file could write any ARN: only the public key proves who signed.
    pub key_arn: String,
    /// How it was signed.
    pub algorithm: SigningAlgorithm,
    /// SHA-256 of the manifest, hex, so that a mismatch can be told from a wrong key.
    pub manifest_sha256: String,
    /// Base64 of what KMS answered.
    pub signature: String,
}

impl Signature {
    /// What KMS answered on a manifest.
    #[must_use]
    pub fn new(key_arn: &str, algorithm: SigningAlgorithm, manifest: &[u8], signature: &[u8]) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            key_arn: key_arn.to_owned(),
            algorithm,
            manifest_sha256: hex(&Sha256::digest(manifest)),
            signature: STANDARD.encode(signature),
        }
    }

    /// Whether the holder of the key signed this manifest.
    ///
    /// # Errors
    /// [`SignatureError`] that says what does not fit.
    pub fn check(&self, manifest: &[u8], key: &PublicKey) -> Result<(), SignatureError> {
        let found = hex(&Sha256::digest(manifest));
        if found != self.manifest_sha256 {
            return Err(SignatureError::OtherManifest { signed: self.manifest_sha256.clone(), found });
        }
        let signature = STANDARD.decode(&self.signature).map_err(|_| SignatureError::Damaged)?;
        let key = ring_signature::UnparsedPublicKey::new(self.algorithm.ring(), &key.material);
        key.verify(manifest, &signature).map_err(|_| SignatureError::OtherKey { key_arn: self.key_arn.clone() })
    }
}

/// A signature that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It belongs to other bytes.
    #[error(
        "{SIGNATURE} signs a manifest with SHA-256 {}, but {MANIFEST} has {found}: one of them was changed",
        visible(signed)
    )]
    OtherManifest {
        /// By the signature.
        signed: String,
        /// By the disk.
        found: String,
    },
    /// No signature at all.
    #[error("{SIGNATURE} holds no base64: it is damaged, or was not written by pipewarden")]
    Damaged,
    /// Not by this key.
    #[error(
        "{SIGNATURE} was not made with the private part of the given public key; it says it is of {}: \
         get that key's public part with `aws kms get-public-key`, or distrust the run",
        visible(key_arn)
    )]
    OtherKey {
        /// By the signature.
        key_arn: String,
    },
    /// A file that holds no public key.
    #[error("no public key: expected what `aws kms get-public-key` answers as DER or PEM, of RSA, P-256 or P-384")]
    NoKey,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// In the form that ring takes.
    material: Vec<u8>,
    sha256: String,
}

/// `SubjectPublicKeyInfo` of P-256 and of P-384 up to the point (RFC 5480); both have one length only.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const P384: [u8; 23] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00,
    0x22, 0x03, 0x62, 0x00,
];
/// `AlgorithmIdentifier` of RSA (RFC 3279).
const RSA: [u8; 15] = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo` (RFC 5280), as DER, PEM or bare base64.
    ///
    /// # Errors
    /// [`SignatureError::NoKey`] if it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, SignatureError> {
        let der = match std::str::from_utf8(bytes) {
            Ok(text) => {
                let body: String = text.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
                STANDARD.decode(body).map_err(|_| SignatureError::NoKey)?
            }
            Err(_) => bytes.to_vec(),
        };
        let key = |material: &[u8]| Self { material: material.to_vec(), sha256: hex(&Sha256::digest(&der)) };
        for (prefix, length) in [(P256.as_slice(), 65), (P384.as_slice(), 97)] {
            if let Some(point) = der.strip_prefix(prefix).filter(|point| point.len() == length) {
                return Ok(key(point));
            }
        }
        let inner = element(0x30, &der).and_then(|inner| inner.strip_prefix(RSA.as_slice()));
        let bits = inner.and_then(|rest| element(0x03, rest)).and_then(|bits| bits.strip_prefix(&[0]));
        bits.map(key).ok_or(SignatureError::NoKey)
    }

    /// SHA-256 of the key as `SubjectPublicKeyInfo` in DER, hex: what `sha256sum` says of the file that KMS's answer
    /// makes.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

/// The content of the one DER element that `bytes` are.
fn element(tag: u8, bytes: &[u8]) -> Option<&[u8]> {
    let (&length, rest) = bytes.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = if length < 0x80 {
        (usize::from(length), rest)
    } else {
        let (length, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
        if length.len() > 4 {
            return None;
        }
        (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
    };
    (rest.len() == length).then_some(rest)
}

impl RunDirectory {
    /// The bytes of the manifest, as they are signed.
    ///
    /// # Errors
    /// [`RunError`] if the run is unfinished.
    pub fn manifest_bytes(&self) -> Result<Vec<u8>, RunError> {
        if !self.is_finished() {
            return Err(RunError::NotARun { path: self.path().to_owned(), missing: MANIFEST });
        }
        let path = self.path().join(MANIFEST);
        fs::read(&path).map_err(RunError::io("read", &path))
    }

    /// The signature of a finished run, if it has one.
    ///
    /// # Errors
    /// [`RunError`] if there is one that cannot be read.
    pub fn signature(&self) -> Result<Option<Signature>, RunError> {
        read(self.path())
    }

    /// Puts the signature beside the manifest.
    ///
    /// # Errors
    /// [`RunError`] if the run has one already or the disk refuses.
    pub fn sign(&self, signature: &Signature) -> Result<(), RunError> {
        let path = self.path().join(SIGNATURE);
        if path.exists() {
            return Err(RunError::Finished { run_id: self.plan().run_id.clone() });
        }
        let write = || {
            let mut file = PendingFile::create(&path)?;
            serde_json::to_writer_pretty(&mut file, signature)?;
            file.write_all(b"\n")?;
            file.keep()
        };
        write().map_err(RunError::io("write", &path))
    }
}

/// The signature in a run's folder.
pub(super) fn read(run: &Path) -> Result<Option<Signature>, RunError> {
    let path = run.join(SIGNATURE);
    match fs::read(&path) {
        Ok(bytes) => read_versioned(&path, &bytes).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RunError::io("read", &path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

    fn key(algorithm: &'static ring_signature::EcdsaSigningAlgorithm) -> EcdsaKeyPair {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap()
    }

    fn public(prefix: &[u8], key: &EcdsaKeyPair) -> Vec<u8> {
        [prefix, key.public_key().as_ref()].concat()
    }

    #[test]
    fn a_signature_holds_for_its_manifest_and_key_only() {
        let manifest = b"{\"schemaVersion\": 1}";
        for (signing, prefix, algorithm) in [
            (&ECDSA_P256_SHA256_ASN1_SIGNING, P256.as_slice(), SigningAlgorithm::EcdsaSha256),
            (&ECDSA_P384_SHA384_ASN1_SIGNING, P384.as_slice(), SigningAlgorithm::EcdsaSha384),
        ] {
            let pair = key(signing);
            let signed = pair.sign(&SystemRandom::new(), manifest).unwrap();
            let signature = Signature::new("arn:aws:kms:x", algorithm, manifest, signed.as_ref());
            let der = public(prefix, &pair);
            let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&der));
            for bytes in [der.clone(), pem.into_bytes(), STANDARD.encode(&der).into_bytes()] {
                signature.check(manifest, &PublicKey::read(&bytes).unwrap()).unwrap();
            }
            let ours = PublicKey::read(&der).unwrap();
            assert_eq!(ours.sha256(), hex(&Sha256::digest(&der)));
            let other = PublicKey::read(&public(prefix, &key(signing))).unwrap();
            assert!(matches!(signature.check(manifest, &other), Err(SignatureError::OtherKey { .. })));
            assert!(matches!(signature.check(b"{}", &ours), Err(SignatureError::OtherManifest { .. })));
            // Whoever changes the manifest can change the hash in the file too, but not the signature.
            let forged = Signature { manifest_sha256: hex(&Sha256::digest(b"{}")), ..signature.clone() };
            assert!(matches!(forged.check(b"{}", &ours), Err(SignatureError::OtherKey { .. })));
            // It is nobody's word but the file's, and it must not steer a terminal.
            let loud = Signature { key_arn: "arn\u{1b}[2J".to_owned(), ..signature.clone() };
            let error = loud.check(manifest, &other).unwrap_err().to_string();
            assert!(error.contains("it says it is of arn\\u{1b}[2J") && !error.contains('\u{1b}'), "{error}");
            let damaged = Signature { signature: "%".to_owned(), ..signature };
            assert_eq!(damaged.check(manifest, &ours), Err(SignatureError::Damaged));
        }
    }

    #[test]
    fn keys_of_rsa_are_found_in_their_wrapping_and_rubbish_is_none() {
        let mut der = vec![0x30, 0x82, 0x01, 0x22];
        der.extend(RSA);
        der.extend([0x03, 0x82, 0x01, 0x0f, 0x00]);
        der.extend([7; 0x10e]);
        let key = PublicKey::read(&der).unwrap();
        assert_eq!(key.material, [7; 0x10e]);
        assert_eq!(key.sha256(), hex(&Sha256::digest(&der)));
        for bytes in [&der[..der.len() - 1], b"", b"hello", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &P256] {
            assert_eq!(PublicKey::read(bytes), Err(SignatureError::NoKey));
        }
    }
}
