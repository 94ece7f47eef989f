//! One bucket through the SDK: what is there, one object down, one object away. Sending is in the file beside this one.
//!
//! In: names in the folder that the address stands for. Out: files, and S3's refusals in words that say what to mend.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_bucket::HeadBucketError;
use aws_sdk_s3::types::ChecksumMode;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_types::SdkConfig;
use aws_types::region::Region;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::{StoreAddress, StoreError};
use crate::finding::hex;
use crate::inventory::json_lines::{CompleteFile, PendingFile};

/// A run has thousands of small objects; a bucket that is busy for a moment must not end it.
const TRIES: u32 = 8;
/// The SDK tries again only until the head of an answer has come. One connection that breaks among ten thousand bodies
/// must not end a night either.
const BODIES: u32 = 4;
/// Before a body is asked for the second time; every pause is twice the one before.
const PAUSE: Duration = Duration::from_millis(500);

/// One object as a list has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Name in the folder.
    pub(super) name: String,
    pub(super) e_tag: Option<String>,
}

/// What arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) bytes: u64,
    pub(super) sha256: String,
    pub(super) e_tag: Option<String>,
}

/// A bucket, asked in its own Region.
#[derive(Debug, Clone)]
pub struct Objects {
    pub(super) client: Client,
    pub(super) address: StoreAddress,
}

impl Objects {
    /// Finds the bucket and its Region.
    ///
    /// # Errors
    /// [`StoreError::Call`] if there is no such bucket, or it must not be asked.
    pub async fn open(sdk: &SdkConfig, address: StoreAddress) -> Result<Self, StoreError> {
        let own_server = sdk.endpoint_url().is_some();
        let client = |region: Option<Region>| {
            let retries = RetryConfig::standard().with_max_attempts(TRIES);
            let mut config = aws_sdk_s3::config::Builder::from(sdk).force_path_style(own_server).retry_config(retries);
            if let Some(region) = region.or_else(|| sdk.region().is_none().then(|| Region::new("us-east-1"))) {
                config = config.region(region);
            }
            Client::from_conf(config.build())
        };
        let asked = client(None);
        let told = match asked.head_bucket().bucket(address.bucket()).send().await {
            Ok(answer) => answer.bucket_region().map(str::to_owned),
            Err(error) => match region_of(&error) {
                Some(region) if sdk.region().is_none_or(|own| own.as_ref() != region) => Some(region),
                _ => return Err(refused(&address.to_string(), "s3:ListBucket", &error)),
            },
        };
        let elsewhere = told.filter(|told| sdk.region().is_none_or(|own| own.as_ref() != told) && !own_server);
        let client = if elsewhere.is_some() { client(elsewhere.map(Region::new)) } else { asked };
        Ok(Self { client, address })
    }

    /// Where the folder is.
    #[must_use]
    pub fn address(&self) -> &StoreAddress {
        &self.address
    }

    pub(super) fn place(&self, name: &str) -> String {
        format!("s3://{}/{}", self.address.bucket(), self.address.key(name))
    }

    /// All objects under a folder, and the folders in it where `flat`.
    pub(super) async fn page_through(
        &self,
        folder: &str,
        flat: bool,
    ) -> Result<(Vec<Listed>, Vec<String>), StoreError> {
        let (mut objects, mut folders) = (Vec::new(), Vec::new());
        let mut token: Option<String> = None;
        loop {
            let answer = self
                .client
                .list_objects_v2()
                .bucket(self.address.bucket())
                .prefix(self.address.key(folder))
                .set_delimiter(flat.then(|| "/".to_owned()))
                .set_continuation_token(token.clone())
                .send()
                .await
                .map_err(|error| refused(&self.place(folder), "s3:ListBucket", &error))?;
            for object in answer.contents() {
                let name = object.key().and_then(|key| self.address.name_of(key));
                let e_tag = object.e_tag().map(str::to_owned);
                objects.extend(name.filter(|name| is_plain(name)).map(|name| Listed { name: name.to_owned(), e_tag }));
            }
            let found = answer.common_prefixes().iter().filter_map(|common| self.address.name_of(common.prefix()?));
            folders.extend(found.filter_map(|name| Some(name.strip_prefix(folder)?.trim_end_matches('/').to_owned())));
            let next = answer.next_continuation_token().map(str::to_owned);
            if next.is_none() || next == token {
                return Ok((objects, folders));
            }
            token = next;
        }
    }

    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Listed>, StoreError> {
        self.page_through(folder, false).await.map(|(objects, _)| objects)
    }

    pub(super) async fn folders(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        self.page_through(folder, true).await.map(|(_, folders)| folders)
    }

    /// Whether an object is there.
    ///
    /// # Errors
    /// [`StoreError::Call`] if S3 does not say.
    pub async fn has(&self, name: &str) -> Result<bool, StoreError> {
        let asked = self.client.head_object().bucket(self.address.bucket()).key(self.address.key(name)).send().await;
        match asked {
            Ok(_) => Ok(true),
            Err(error) if status_of(&error) == Some(404) => Ok(false),
            Err(error) => Err(refused(&self.place(name), "s3:GetObject", &error)),
        }
    }

    /// Fetches an object into a file, which appears when it is complete; nothing if there is no such object. A body that
    /// breaks off or arrives damaged is asked for anew, from its beginning.
    pub(super) async fn get(&self, name: &str, to: &Path) -> Result<Option<Arrived>, StoreError> {
        let (mut pause, mut left) = (PAUSE, BODIES);
        loop {
            left -= 1;
            match self.get_once(name, to).await {
                Err(error @ (StoreError::BrokeOff { .. } | StoreError::Damaged { .. })) if left > 0 => {
                    tracing::warn!("asked for again: {error}");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                answered => return answered,
            }
        }
    }

    async fn get_once(&self, name: &str, to: &Path) -> Result<Option<Arrived>, StoreError> {
        let asked = self
            .client
            .get_object()
            .bucket(self.address.bucket())
            .key(self.address.key(name))
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await;
        let mut answer = match asked {
            Ok(answer) => answer,
            Err(error) if status_of(&error) == Some(404) && error.code() != Some("NoSuchBucket") => return Ok(None),
            Err(error) => return Err(refused(&self.place(name), "s3:GetObject", &error)),
        };
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder).map_err(StoreError::io(folder))?;
        }
        let mut file = PendingFile::create(to).map_err(StoreError::io(to))?;
        let (mut hash, mut bytes) = (Sha256::new(), 0_u64);
        loop {
            let chunk = answer.body.try_next().await.map_err(|error| StoreError::BrokeOff {
                place: self.place(name),
                problem: DisplayErrorContext(&error).to_string(),
            })?;
            let Some(chunk) = chunk else { break };
            hash.update(&chunk);
            bytes += chunk.len() as u64;
            file.write_all(&chunk).map_err(StoreError::io(to))?;
        }
        let digest = hash.finalize();
        // Of an object in parts S3 has the hash of hashes, which says nothing of the whole.
        if let Some(expected) = answer.checksum_sha256.filter(|sum| !sum.contains('-')) {
            let found = STANDARD.encode(digest);
            if expected != found {
                return Err(StoreError::Damaged { place: self.place(name), expected, found });
            }
        }
        // The working folder is thrown away, so nothing has to reach the disk itself.
        file.complete().and_then(CompleteFile::keep).map_err(StoreError::io(to))?;
        Ok(Some(Arrived { bytes, sha256: hex(&digest), e_tag: answer.e_tag }))
    }

    /// Takes an object away; it may be gone already.
    pub(super) async fn remove(&self, name: &str) -> Result<(), StoreError> {
        let asked = self.client.delete_object().bucket(self.address.bucket()).key(self.address.key(name)).send().await;
        asked.map(drop).map_err(|error| refused(&self.place(name), "s3:DeleteObject", &error))
    }
}

/// What lies outside the folder when it is a path on this machine is no name.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.contains('\\')
        && name.split('/').all(|part| !part.is_empty() && ![".", ".."].contains(&part))
}

pub(super) fn status_of<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// S3 says a bucket's Region with whatever it answers.
fn region_of(error: &SdkError<HeadBucketError, HttpResponse>) -> Option<String> {
    let status = status_of(error)?;
    let region = error.raw_response()?.headers().get("x-amz-bucket-region")?;
    [301, 307, 400].contains(&status).then(|| region.to_owned())
}

/// A refusal in words that say what to mend.
pub(super) fn refused<E>(place: &str, action: &'static str, error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let status = status_of(error);
    let code = error.code().unwrap_or(match status {
        Some(403) => "AccessDenied",
        Some(404) => "NoSuchBucket",
        Some(301) => "PermanentRedirect",
        _ => "",
    });
    let hint = match code {
        "NoSuchBucket" | "NotFound" => "create the bucket, or mend the address after --out or --config",
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => {
            "allow the identity that runs pipewarden this action there; the policies of the bucket and of its key have to allow it too"
        }
        "KMS.DisabledException" | "KMS.NotFoundException" | "KMS.KMSInvalidStateException" => "mend the bucket's key",
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
            "the bucket is in another Region, which its answer did not name; set AWS_REGION to it"
        }
        "ExpiredToken" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" => "renew the credentials",
        _ if status.is_none() => "check credentials (AWS_PROFILE, --profile, the attached role) and the way to S3",
        _ => "try again, and look into the bucket's settings if it stays so",
    };
    let problem = match (code, error.message()) {
        ("", _) => DisplayErrorContext(error).to_string(),
        (code, None) => code.to_owned(),
        (code, Some(message)) => format!("{code}: {message}"),
    };
    StoreError::Call { place: place.to_owned(), action, problem, hint }
}

/// SHA-256 of a file, hex, and its size.
pub(super) fn hash_of(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut hash, mut bytes) = (Sha256::new(), 0_u64);
    let mut buffer = vec![0_u8; 256 * 1024];
    loop {
        let read = io::Read::read(&mut file, &mut buffer)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
        hash.update(part);
        bytes += part.len() as u64;
    }
    Ok((bytes, hex(&hash.finalize())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_leads_out_of_the_folder_is_no_name() {
        for name in ["runs/x/plan.json", "fingerprint.key"] {
            assert!(is_plain(name), "{name}");
        }
        for name in ["", "../x", "runs/../../x", "/etc/passwd", "runs//x", "runs/x/", "runs\\x"] {
            assert!(!is_plain(name), "{name}");
        }
    }
}
