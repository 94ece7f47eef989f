//! One bucket: what is there, and one more object.
//!
//! In: files of a run with their SHA-256. Out: objects whose SHA-256 S3 has verified, with encryption and retention as
//! configured. Large files go in parts; the upload's id is remembered, so that a killed delivery leaves no parts behind.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart, ObjectLockMode, ServerSideEncryption,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::s3::{LockMode, Settings};
use super::{DeliveryError, Memory};
use crate::collect::{CallError, Scope};
use crate::finding::hex;
use crate::run::{FileEntry, RunError};

/// Files up to this size go in one piece, larger ones in parts of it. Of ten thousand parts at most, as S3 takes them,
/// a file may have 80 GiB.
pub(super) const PART: u64 = 8 * 1024 * 1024;
const FIRST_OF_ALL: &str = "*";

/// What came of one file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    New,
    Same,
    /// Why, one sentence.
    Refused(String),
}

pub(super) struct Bucket<'a, 'm> {
    settings: &'a Settings,
    scope: &'a Scope,
    client: Client,
    retain_until: Option<DateTime>,
    memory: &'a Mutex<&'m mut Memory>,
}

/// The SHA-256 of a file as S3 knows it: of the whole in one piece, or of the parts' digests and their number.
#[derive(Debug, Default, PartialEq, Eq)]
struct Checksums {
    whole: String,
    parts: String,
}

impl<'a, 'm> Bucket<'a, 'm> {
    pub(super) fn new(
        settings: &'a Settings,
        scope: &'a Scope,
        retain_until: Option<OffsetDateTime>,
        memory: &'a Mutex<&'m mut Memory>,
    ) -> Self {
        let config = aws_sdk_s3::config::Builder::from(scope.config()).force_path_style(scope.path_style()).build();
        let retain_until = retain_until.map(|until| DateTime::from_secs(until.unix_timestamp()));
        Self { settings, scope, client: Client::from_conf(config), retain_until, memory }
    }

    fn owner(&self) -> Option<String> {
        self.settings.expected_bucket_owner.as_ref().map(ToString::to_string)
    }

    fn encryption(&self) -> Option<ServerSideEncryption> {
        self.settings.kms_key.as_ref().map(|_| ServerSideEncryption::AwsKms)
    }

    /// Data keys of the bucket instead of one per object: a run has many objects.
    fn bucket_key(&self) -> Option<bool> {
        self.settings.kms_key.as_ref().map(|_| true)
    }

    fn lock_mode(&self) -> Option<ObjectLockMode> {
        self.settings.object_lock_mode.map(|mode| match mode {
            LockMode::Governance => ObjectLockMode::Governance,
            LockMode::Compliance => ObjectLockMode::Compliance,
        })
    }

    fn failed(&self, error: &CallError) -> DeliveryError {
        let hint = match error.code.as_str() {
            "NoSuchBucket" => "create the bucket, or mend `bucket`",
            "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
                "give the Region of the bucket as `region`"
            }
            "InvalidRequest" if self.settings.object_lock_mode.is_some() => {
                "Object Lock must be switched on for the bucket, or `object_lock_mode` and `object_lock_days` taken away"
            }
            _ => {
                "`pipewarden role --for audit --deliveries --config FILE` prints what must be allowed; the policies of bucket and key have to allow it too"
            }
        };
        DeliveryError::of_call(&format!("s3://{}/{}", self.settings.bucket, self.settings.prefix), error, hint)
    }

    /// Keys and sizes of the objects in a folder.
    pub(super) async fn list(&self, folder: &str) -> Result<BTreeMap<String, u64>, DeliveryError> {
        let mut there = BTreeMap::new();
        let mut token: Option<String> = None;
        loop {
            let answer = self
                .scope
                .call("s3:ListBucket", || {
                    self.client
                        .list_objects_v2()
                        .bucket(&self.settings.bucket)
                        .prefix(folder)
                        .set_continuation_token(token.clone())
                        .set_expected_bucket_owner(self.owner())
                        .send()
                })
                .await
                .map_err(|error| self.failed(&error))?;
            for object in answer.contents() {
                let size = object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
                there.extend(object.key().map(|key| (key.to_owned(), size)));
            }
            let next = answer.next_continuation_token().map(str::to_owned);
            if next.is_none() || next == token {
                return Ok(there);
            }
            token = next;
        }
    }

    /// Gives up uploads in parts that a killed delivery left.
    pub(super) async fn abort_leftovers(&self, folder: &str) -> Result<(), DeliveryError> {
        let prefix = memory_key(folder);
        let left: Vec<(String, String)> = {
            let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            let id = |key: &str| memory.get(key).and_then(|upload| upload.get("uploadId")).and_then(Value::as_str);
            memory.keys(&prefix).filter_map(|key| Some((key.to_owned(), id(key)?.to_owned()))).collect()
        };
        for (remembered, upload) in left {
            let key = remembered.strip_prefix(UPLOADS).unwrap_or_default().to_owned();
            self.abort(&key, &upload).await?;
        }
        Ok(())
    }

    async fn abort(&self, key: &str, upload: &str) -> Result<(), DeliveryError> {
        self.scope
            .call_or_unset("s3:AbortMultipartUpload", &["NoSuchUpload"], || {
                self.client
                    .abort_multipart_upload()
                    .bucket(&self.settings.bucket)
                    .key(key)
                    .upload_id(upload)
                    .set_expected_bucket_owner(self.owner())
                    .send()
            })
            .await
            .map_err(|error| self.failed(&error))?;
        self.remember(key, Value::Null)
    }

    fn remember(&self, key: &str, value: Value) -> Result<(), DeliveryError> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).put(&memory_key(key), value)
    }

    /// Brings one file there, if it is not.
    pub(super) async fn upload(
        &self,
        run: &Path,
        folder: &str,
        file: &FileEntry,
        there: &BTreeMap<String, u64>,
    ) -> Result<Sent, DeliveryError> {
        let key = format!("{folder}{}", file.path);
        let path = run.join(&file.path);
        if let Some(size) = there.get(&key) {
            if *size != file.bytes {
                return Ok(Sent::Refused(another(&key)));
            }
            return self.compare(&path, &key, file).await;
        }
        let sent = if file.bytes > PART {
            self.put_parts(&path, &key, file).await?
        } else {
            self.put(&path, &key, file).await?
        };
        // Somebody was faster, or the answer to a try that worked was lost.
        if sent { Ok(Sent::New) } else { self.compare(&path, &key, file).await }
    }

    /// Whether the object that is there is the file.
    async fn compare(&self, path: &Path, key: &str, file: &FileEntry) -> Result<Sent, DeliveryError> {
        let object = self
            .scope
            .call("s3:GetObject", || {
                self.client
                    .head_object()
                    .bucket(&self.settings.bucket)
                    .key(key)
                    .checksum_mode(ChecksumMode::Enabled)
                    .set_expected_bucket_owner(self.owner())
                    .send()
            })
            .await
            .map_err(|error| self.failed(&error))?;
        let checksums = checksums_of(path, file)?;
        let same = object.checksum_sha256().is_some_and(|sum| sum == checksums.whole || sum == checksums.parts);
        Ok(if same { Sent::Same } else { Sent::Refused(another(key)) })
    }

    /// False: there is an object of that key already.
    async fn put(&self, path: &Path, key: &str, file: &FileEntry) -> Result<bool, DeliveryError> {
        let bytes = std::fs::read(path).map_err(DeliveryError::unreadable(path))?;
        let digest = Sha256::digest(&bytes);
        if hex(&digest) != file.sha256 {
            return Err(changed(path));
        }
        let checksum = STANDARD.encode(digest);
        let answer = self
            .scope
            .call_or_unset("s3:PutObject", TAKEN, || {
                self.client
                    .put_object()
                    .bucket(&self.settings.bucket)
                    .key(key)
                    .body(ByteStream::from(bytes.clone()))
                    .checksum_sha256(&checksum)
                    .if_none_match(FIRST_OF_ALL)
                    .content_type(content_type(key))
                    .set_server_side_encryption(self.encryption())
                    .set_ssekms_key_id(self.settings.kms_key.clone())
                    .set_bucket_key_enabled(self.bucket_key())
                    .set_object_lock_mode(self.lock_mode())
                    .set_object_lock_retain_until_date(self.retain_until)
                    .set_expected_bucket_owner(self.owner())
                    .send()
            })
            .await
            .map_err(|error| self.failed(&error))?;
        Ok(answer.is_some())
    }

    async fn put_parts(&self, path: &Path, key: &str, file: &FileEntry) -> Result<bool, DeliveryError> {
        let created = self
            .scope
            .call("s3:PutObject", || {
                self.client
                    .create_multipart_upload()
                    .bucket(&self.settings.bucket)
                    .key(key)
                    .checksum_algorithm(ChecksumAlgorithm::Sha256)
                    .content_type(content_type(key))
                    .set_server_side_encryption(self.encryption())
                    .set_ssekms_key_id(self.settings.kms_key.clone())
                    .set_bucket_key_enabled(self.bucket_key())
                    .set_object_lock_mode(self.lock_mode())
                    .set_object_lock_retain_until_date(self.retain_until)
                    .set_expected_bucket_owner(self.owner())
                    .send()
            })
            .await
            .map_err(|error| self.failed(&error))?;
        let upload = created.upload_id().unwrap_or_default().to_owned();
        self.remember(key, json!({"uploadId": upload}))?;
        let done = self.send_parts(path, key, file, &upload).await;
        match done {
            Ok(true) => self.remember(key, Value::Null).map(|()| true),
            // Its parts would be stored, and paid for, for ever.
            Ok(false) => self.abort(key, &upload).await.map(|()| false),
            Err(error) => {
                if let Err(left) = self.abort(key, &upload).await {
                    tracing::warn!(key, %left, "an upload in parts is left behind; the next delivery gives it up");
                }
                Err(error)
            }
        }
    }

    async fn send_parts(&self, path: &Path, key: &str, file: &FileEntry, upload: &str) -> Result<bool, DeliveryError> {
        let mut parts = PartsOf::open(path).map_err(DeliveryError::unreadable(path))?;
        let mut taken = Vec::new();
        while let Some(bytes) = parts.next().map_err(DeliveryError::unreadable(path))? {
            let number = i32::try_from(taken.len() + 1).unwrap_or(i32::MAX);
            let checksum = STANDARD.encode(Sha256::digest(&bytes));
            let answer = self
                .scope
                .call("s3:PutObject", || {
                    self.client
                        .upload_part()
                        .bucket(&self.settings.bucket)
                        .key(key)
                        .upload_id(upload)
                        .part_number(number)
                        .body(ByteStream::from(bytes.clone()))
                        .checksum_sha256(&checksum)
                        .set_expected_bucket_owner(self.owner())
                        .send()
                })
                .await
                .map_err(|error| self.failed(&error))?;
            let part = CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag).checksum_sha256(checksum);
            taken.push(part.build());
        }
        if parts.sha256() != file.sha256 {
            return Err(changed(path));
        }
        let answer = self
            .scope
            .call_or_unset("s3:PutObject", TAKEN, || {
                self.client
                    .complete_multipart_upload()
                    .bucket(&self.settings.bucket)
                    .key(key)
                    .upload_id(upload)
                    .if_none_match(FIRST_OF_ALL)
                    .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(taken.clone())).build())
                    .set_expected_bucket_owner(self.owner())
                    .send()
            })
            .await
            .map_err(|error| self.failed(&error))?;
        Ok(answer.is_some())
    }
}

/// What S3 answers where `If-None-Match: *` finds an object.
const TAKEN: &[&str] = &["PreconditionFailed"];
const UPLOADS: &str = "upload/";

fn memory_key(key: &str) -> String {
    format!("{UPLOADS}{key}")
}

fn another(key: &str) -> String {
    format!("{key} is there with other content, and nothing is ever overwritten")
}

fn changed(path: &Path) -> DeliveryError {
    DeliveryError::Run(RunError::Invalid {
        path: path.to_owned(),
        problem: "was changed after its manifest was written".to_owned(),
        hint: "such a run is no evidence any more; restore it, or make a new one",
    })
}

/// A file in pieces of [`PART`].
struct PartsOf {
    file: File,
    whole: Sha256,
}

impl PartsOf {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, whole: Sha256::new() })
    }

    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        self.file.by_ref().take(PART).read_to_end(&mut bytes)?;
        self.whole.update(&bytes);
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    fn sha256(&self) -> String {
        hex(&self.whole.clone().finalize())
    }
}

/// Size and SHA-256 of a file, hex.
pub(super) fn hash_of(path: &Path) -> io::Result<(u64, String)> {
    let mut parts = PartsOf::open(path)?;
    let mut size = 0;
    while let Some(bytes) = parts.next()? {
        size += bytes.len() as u64;
    }
    Ok((size, parts.sha256()))
}

fn checksums_of(path: &Path, file: &FileEntry) -> Result<Checksums, DeliveryError> {
    let read = || -> io::Result<(String, String, String)> {
        let mut parts = PartsOf::open(path)?;
        let (mut count, mut of_parts) = (0_u64, Sha256::new());
        while let Some(bytes) = parts.next()? {
            of_parts.update(Sha256::digest(&bytes));
            count += 1;
        }
        let whole = parts.whole.clone().finalize();
        Ok((hex(&whole), STANDARD.encode(whole), format!("{}-{count}", STANDARD.encode(of_parts.finalize()))))
    };
    let (found, whole, parts) = read().map_err(DeliveryError::unreadable(path))?;
    if found == file.sha256 { Ok(Checksums { whole, parts }) } else { Err(changed(path)) }
}

/// What a browser or a query engine is told.
fn content_type(key: &str) -> &'static str {
    match key.rsplit('.').next().unwrap_or_default() {
        "json" | "sarif" => "application/json",
        "csv" => "text/csv; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "md" => "text/markdown; charset=utf-8",
        "txt" | "prom" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        "gz" => "application/gzip",
        "parquet" => "application/vnd.apache.parquet",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_parts_is_over_their_digests() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        let size = usize::try_from(PART).unwrap() + 1;
        let bytes = vec![7_u8; size];
        std::fs::write(&path, &bytes).unwrap();
        let (length, sha256) = hash_of(&path).unwrap();
        assert_eq!(length, PART + 1);
        let file = FileEntry { path: "large".to_owned(), bytes: length, sha256 };
        let sums = checksums_of(&path, &file).unwrap();
        assert_eq!(sums.whole, STANDARD.encode(Sha256::digest(&bytes)));
        let digests =
            [Sha256::digest(&bytes[..size - 1]).to_vec(), Sha256::digest(&bytes[size - 1..]).to_vec()].concat();
        assert_eq!(sums.parts, format!("{}-2", STANDARD.encode(Sha256::digest(digests))));
        std::fs::write(&path, b"other").unwrap();
        assert!(checksums_of(&path, &file).unwrap_err().to_string().contains("was changed"));
    }
}
