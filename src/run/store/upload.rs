//! One file into the bucket, in one piece or in parts.
//!
//! In: a file, and on what condition it may stand there. Out: whether it does. S3 verifies the SHA-256 of every piece; an
//! upload in parts that fails is given up, so that nobody pays for its parts.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::StoreError;
use super::objects::{Objects, refused};

/// Files up to this size go in one piece, larger ones in parts of it: ten thousand at most, so 80 GiB.
const PART: u64 = 8 * 1024 * 1024;
/// How often a key is tried on which another writer is at work in this moment.
const BUSY_TRIES: u32 = 5;

/// When a file may stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// If there is none of the name.
    First,
    /// If the one there is the one that is known.
    InPlaceOf(String),
    /// Whatever is there.
    Always,
}

impl Condition {
    fn if_none_match(&self) -> Option<String> {
        matches!(self, Self::First).then(|| "*".to_owned())
    }

    fn if_match(&self) -> Option<String> {
        match self {
            Self::InPlaceOf(e_tag) => Some(e_tag.clone()),
            _ => None,
        }
    }
}

/// What a conditional write answers that came too late.
enum Answer {
    Written,
    Taken,
    Busy,
}

impl Objects {
    /// Brings a file there. False: the condition does not hold.
    pub(super) async fn put(&self, name: &str, path: &Path, condition: &Condition) -> Result<bool, StoreError> {
        let size = std::fs::metadata(path).map_err(StoreError::io(path))?.len();
        for nth in 0..BUSY_TRIES {
            let answer = if size > PART {
                self.put_parts(name, path, condition).await?
            } else {
                self.put_whole(name, path, condition).await?
            };
            match answer {
                Answer::Written => return Ok(true),
                Answer::Taken => return Ok(false),
                Answer::Busy => tokio::time::sleep(Duration::from_millis(200 << nth)).await,
            }
        }
        Ok(false)
    }

    async fn put_whole(&self, name: &str, path: &Path, condition: &Condition) -> Result<Answer, StoreError> {
        let bytes = std::fs::read(path).map_err(StoreError::io(path))?;
        let asked = self
            .client
            .put_object()
            .bucket(self.address.bucket())
            .key(self.address.key(name))
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(STANDARD.encode(Sha256::digest(&bytes)))
            .set_if_none_match(condition.if_none_match())
            .set_if_match(condition.if_match())
            .content_type(content_type(name))
            .body(ByteStream::from(bytes))
            .send()
            .await;
        match asked {
            Ok(_) => Ok(Answer::Written),
            Err(error) => self.came_too_late(name, &error),
        }
    }

    fn came_too_late<E>(&self, name: &str, error: &SdkError<E, HttpResponse>) -> Result<Answer, StoreError>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        match error.code() {
            // Where the object that was to be replaced is gone, the condition is answered with that.
            Some("PreconditionFailed" | "NoSuchKey") => Ok(Answer::Taken),
            Some("ConditionalRequestConflict") => Ok(Answer::Busy),
            _ => Err(refused(&self.place(name), "s3:PutObject", error)),
        }
    }

    async fn put_parts(&self, name: &str, path: &Path, condition: &Condition) -> Result<Answer, StoreError> {
        let created = self
            .client
            .create_multipart_upload()
            .bucket(self.address.bucket())
            .key(self.address.key(name))
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .content_type(content_type(name))
            .send()
            .await
            .map_err(|error| refused(&self.place(name), "s3:PutObject", &error))?;
        let upload = created.upload_id().unwrap_or_default().to_owned();
        let sent = self.send_parts(name, path, condition, &upload).await;
        if !matches!(sent, Ok(Answer::Written)) {
            let given_up = self
                .client
                .abort_multipart_upload()
                .bucket(self.address.bucket())
                .key(self.address.key(name))
                .upload_id(&upload)
                .send()
                .await;
            if let Err(error) = given_up {
                let left = refused(&self.place(name), "s3:AbortMultipartUpload", &error);
                tracing::warn!(%left, "parts are left behind; a lifecycle rule of the bucket removes them");
            }
        }
        sent
    }

    async fn send_parts(
        &self,
        name: &str,
        path: &Path,
        condition: &Condition,
        upload: &str,
    ) -> Result<Answer, StoreError> {
        let mut file = File::open(path).map_err(StoreError::io(path))?;
        let mut parts = Vec::new();
        loop {
            let mut bytes = Vec::new();
            file.by_ref().take(PART).read_to_end(&mut bytes).map_err(StoreError::io(path))?;
            if bytes.is_empty() {
                break;
            }
            let number = i32::try_from(parts.len() + 1).unwrap_or(i32::MAX);
            let checksum = STANDARD.encode(Sha256::digest(&bytes));
            let answer = self
                .client
                .upload_part()
                .bucket(self.address.bucket())
                .key(self.address.key(name))
                .upload_id(upload)
                .part_number(number)
                .checksum_algorithm(ChecksumAlgorithm::Sha256)
                .checksum_sha256(&checksum)
                .body(ByteStream::from(bytes))
                .send()
                .await
                .map_err(|error| refused(&self.place(name), "s3:PutObject", &error))?;
            let part = CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag).checksum_sha256(checksum);
            parts.push(part.build());
        }
        let asked = self
            .client
            .complete_multipart_upload()
            .bucket(self.address.bucket())
            .key(self.address.key(name))
            .upload_id(upload)
            .set_if_none_match(condition.if_none_match())
            .set_if_match(condition.if_match())
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .send()
            .await;
        match asked {
            Ok(_) => Ok(Answer::Written),
            Err(error) => self.came_too_late(name, &error),
        }
    }
}

/// What a browser or a query engine is told.
fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
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
