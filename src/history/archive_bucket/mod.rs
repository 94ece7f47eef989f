//! The bucket of a trail, read where it is.
//!
//! In: a bucket, and the trail's prefix in it. Out: [`ArchiveObjects`] over `ListObjectsV2` and `GetObject`, and the
//! public keys of digests. Bodies are streamed; one that breaks off is asked for again from there on, and never mixed
//! with another version of the object. Reading an archive is mostly waiting for many small objects, so it is read on
//! more threads than there are cores ([`ArchiveBucket::read`]).
//!
//! The caller needs `s3:ListBucket` and `s3:GetObject` on the bucket and, where the trail encrypts with a key of its
//! own, `kms:Decrypt` on that.

use std::io::{self, Read};
use std::sync::OnceLock;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_smithy_types::byte_stream::ByteStream;
use tokio::runtime::Handle;

use super::archive::{ArchiveObjects, ArchiveSelection, DigestKey, DigestKeys, KeyRange, Opened, read_archive};
use super::aws_time::{moment, sdk_time};
use super::{History, Period};
use crate::collect::{CallError, Scope, all_pages};
use crate::inventory::{AccountId, GapCause, Region};

const LIST: &str = "s3:ListBucket";
const GET: &str = "s3:GetObject";
const LIST_PUBLIC_KEYS: &str = "cloudtrail:ListPublicKeys";

/// IAM actions that reading a trail's bucket calls; the last only to verify digests.
pub const ARCHIVE_ACTIONS: &[&str] = &[LIST, GET, LIST_PUBLIC_KEYS];

/// Objects read at once.
const READERS: usize = 32;

/// How often one object is asked for again after its body broke off.
const REOPENED: u32 = 3;

/// A trail's bucket. It may be used on any thread that does not drive the runtime: calls block.
#[derive(Debug, Clone)]
pub struct ArchiveBucket {
    scope: Scope,
    client: Client,
    bucket: String,
    /// The trail's own prefix, empty or with a slash at its end.
    prefix: String,
    owner: Option<AccountId>,
    runtime: Handle,
}

impl ArchiveBucket {
    /// Finds the bucket's Region, whichever `scope` is in. `prefix` is the trail's `S3KeyPrefix`, before `AWSLogs/`;
    /// `owner` is the account that the bucket must belong to, if that is known.
    ///
    /// # Errors
    /// [`CallError`] if the bucket does not exist or may not be asked.
    pub async fn find(
        scope: &Scope,
        bucket: &str,
        prefix: Option<&str>,
        owner: Option<&AccountId>,
    ) -> Result<Self, CallError> {
        let client = client(scope);
        // AWS names the bucket's Region even where it refuses or redirects.
        let said: OnceLock<Region> = OnceLock::new();
        let said = &said;
        let ask = || {
            let owner = owner.map(|owner| owner.as_str().to_owned());
            let request = client.head_bucket().bucket(bucket).set_expected_bucket_owner(owner).send();
            async move {
                let answer = request.await;
                let region = match &answer {
                    Ok(answer) => answer.bucket_region(),
                    Err(error) => {
                        error.raw_response().and_then(|response| response.headers().get("x-amz-bucket-region"))
                    }
                };
                if let Some(region) = region.and_then(|region| region.parse().ok()) {
                    said.get_or_init(|| region);
                }
                let elsewhere = said.get().is_some_and(|region| *region != scope.region);
                match answer {
                    Err(error)
                        if elsewhere
                            && error
                                .raw_response()
                                .is_some_and(|answer| matches!(answer.status().as_u16(), 301 | 307 | 308 | 400)) =>
                    {
                        Ok(())
                    }
                    answer => answer.map(|_| ()),
                }
            }
        };
        scope.call(LIST, ask).await?;
        let scope = said.get().map_or_else(|| scope.clone(), |region| scope.in_region(region));
        let prefix = prefix.map(|prefix| prefix.trim_matches('/')).filter(|prefix| !prefix.is_empty());
        Ok(Self {
            client: self::client(&scope),
            scope,
            bucket: bucket.to_owned(),
            prefix: prefix.map(|prefix| format!("{prefix}/")).unwrap_or_default(),
            owner: owner.cloned(),
            runtime: Handle::current(),
        })
    }

    /// The Region that the bucket is in.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.scope.region
    }

    /// Reads the archive in it, many objects at once. As [`read_archive`], it cannot fail as a whole.
    pub async fn read(self, selection: ArchiveSelection) -> History {
        let reading = move || match rayon::ThreadPoolBuilder::new().num_threads(READERS).build() {
            Ok(pool) => pool.install(|| read_archive(&self, &selection)),
            Err(error) => {
                tracing::warn!(%error, "no threads to read the archive with, so one reads it");
                read_archive(&self, &selection)
            }
        };
        match tokio::task::spawn_blocking(reading).await {
            Ok(history) => history,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is going down, and nobody will look at the answer.
                Err(_) => History::default(),
            },
        }
    }

    fn owner(&self) -> Option<String> {
        self.owner.as_ref().map(|owner| owner.as_str().to_owned())
    }

    /// A page of a listing: keys, folders, and the next token.
    async fn page(&self, asked: &Listing<'_>, token: Option<String>) -> Result<Page, CallError> {
        let ask = || {
            self.client
                .list_objects_v2()
                .bucket(&self.bucket)
                .prefix(&asked.prefix)
                .set_start_after(asked.after.clone())
                .set_delimiter(asked.delimiter.map(str::to_owned))
                .set_expected_bucket_owner(self.owner())
                .set_continuation_token(token.clone())
                .send()
        };
        let page = self.scope.call(LIST, ask).await?;
        let keys = page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key).collect();
        let folders = page.common_prefixes.unwrap_or_default().into_iter().filter_map(|folder| folder.prefix).collect();
        Ok(Page { keys, folders, next: page.next_continuation_token.filter(|next| !next.is_empty()) })
    }

    async fn list(&self, asked: Listing<'_>) -> Result<(Vec<String>, Vec<String>), CallError> {
        let (mut keys, mut folders) = (Vec::new(), Vec::new());
        let mut token = None;
        loop {
            let page = self.page(&asked, token.clone()).await?;
            // S3 lists in the order of bytes, so nothing after this page can be wanted.
            let past = page.keys.last().is_some_and(|last| asked.before.as_ref().is_some_and(|before| last >= before));
            keys.extend(page.keys);
            folders.extend(page.folders);
            if page.next.is_some() && page.next == token {
                return Err(CallError::malformed(LIST, "a page token came twice, so the list has no end"));
            }
            token = page.next.filter(|_| !past);
            if token.is_none() {
                return Ok((keys, folders));
            }
        }
    }

    async fn get(&self, key: &str, from: u64, version: Option<&str>) -> Result<GetObjectOutput, CallError> {
        let ask = || {
            self.client
                .get_object()
                .bucket(&self.bucket)
                .key(key)
                .set_range((from > 0).then(|| format!("bytes={from}-")))
                .set_if_match(version.map(str::to_owned))
                .set_expected_bucket_owner(self.owner())
                .send()
        };
        self.scope.call(GET, ask).await
    }

    /// A key as the trail knows it, without the trail's own prefix.
    fn relative(&self, key: &str) -> Option<String> {
        key.strip_prefix(&self.prefix).map(str::to_owned)
    }
}

/// What is listed.
struct Listing<'a> {
    prefix: String,
    after: Option<String>,
    before: Option<String>,
    delimiter: Option<&'a str>,
}

struct Page {
    keys: Vec<String>,
    folders: Vec<String>,
    next: Option<String>,
}

impl ArchiveObjects for ArchiveBucket {
    fn place(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix).trim_end_matches('/').to_owned()
    }

    fn folders(&self, prefix: &str) -> Result<Vec<String>, GapCause> {
        let prefix = format!("{}{prefix}", self.prefix);
        let asked = Listing { prefix: prefix.clone(), after: None, before: None, delimiter: Some("/") };
        let (_, folders) = self.runtime.block_on(self.list(asked)).map_err(|error| error.cause)?;
        let names = folders.iter().filter_map(|folder| folder.strip_prefix(&prefix));
        Ok(names.map(|name| name.trim_end_matches('/').to_owned()).filter(|name| !name.is_empty()).collect())
    }

    fn keys(&self, range: KeyRange<'_>) -> Result<Vec<String>, GapCause> {
        let whole = |part: &str| (!part.is_empty()).then(|| format!("{}{part}", self.prefix));
        let asked = Listing {
            prefix: format!("{}{}", self.prefix, range.prefix),
            after: whole(range.after),
            before: whole(range.before),
            delimiter: None,
        };
        let (keys, _) = self.runtime.block_on(self.list(asked)).map_err(|error| error.cause)?;
        Ok(keys.iter().filter_map(|key| self.relative(key)).filter(|key| range.contains(key)).collect())
    }

    fn open(&self, key: &str) -> Result<Opened, GapCause> {
        let key = format!("{}{key}", self.prefix);
        let answer = self.runtime.block_on(self.get(&key, 0, None)).map_err(|error| error.cause)?;
        let signature = answer.metadata().and_then(|metadata| metadata.get("signature")).cloned();
        let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
        let version = answer.e_tag().map(str::to_owned);
        let body = Body {
            bucket: self.clone(),
            key,
            version,
            length,
            stream: answer.body,
            chunk: Vec::new(),
            taken: 0,
            read: 0,
            reopened: 0,
        };
        Ok(Opened { body: Box::new(body), signature })
    }
}

/// An object's bytes as they come.
struct Body {
    bucket: ArchiveBucket,
    key: String,
    /// The object's `ETag`: the rest of a body must be of the same version.
    version: Option<String>,
    length: Option<u64>,
    stream: ByteStream,
    chunk: Vec<u8>,
    /// Bytes of the chunk that were given away.
    taken: usize,
    /// Bytes of the object that have come.
    read: u64,
    reopened: u32,
}

impl Body {
    /// Fetches the next chunk; `false` at the end.
    async fn fetch(&mut self) -> io::Result<bool> {
        loop {
            let problem = match self.stream.next().await {
                Some(Ok(bytes)) if bytes.is_empty() => continue,
                Some(Ok(bytes)) => {
                    self.chunk.clear();
                    self.chunk.extend_from_slice(&bytes);
                    self.taken = 0;
                    self.read += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                    return Ok(true);
                }
                None if self.length.is_none_or(|length| self.read >= length) => return Ok(false),
                None => "the body ends early".to_owned(),
                Some(Err(error)) => error.to_string(),
            };
            self.reopened += 1;
            // Without its version, the rest could be of another object under the same key.
            if self.reopened > REOPENED || self.version.is_none() {
                return Err(io::Error::other(problem));
            }
            tracing::debug!(key = self.key, read = self.read, problem, "a body broke off, asking for the rest");
            let rest = self.bucket.get(&self.key, self.read, self.version.as_deref()).await;
            self.stream = rest.map_err(|error| io::Error::other(format!("{problem}; then: {}", error.cause)))?.body;
        }
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.taken >= self.chunk.len() {
            let runtime = self.bucket.runtime.clone();
            if !runtime.block_on(self.fetch())? {
                return Ok(0);
            }
        }
        let mut rest = self.chunk.get(self.taken..).unwrap_or_default();
        let read = rest.read(buffer)?;
        self.taken += read;
        Ok(read)
    }
}

fn client(scope: &Scope) -> Client {
    let config = aws_sdk_s3::config::Builder::from(scope.config()).force_path_style(scope.path_style()).build();
    Client::from_conf(config)
}

/// The public keys of the scope's Region that may have signed a digest of the period. Digests are signed in the Region
/// whose events they are about, so each Region has to be asked.
///
/// # Errors
/// [`CallError`] if they could not all be had.
pub async fn list_public_keys(scope: &Scope, period: Period) -> Result<DigestKeys, CallError> {
    let client = &aws_sdk_cloudtrail::Client::new(scope.config());
    let (from, to) = (sdk_time(period.from), sdk_time(period.to));
    let listed = all_pages(LIST_PUBLIC_KEYS, |token| async move {
        let ask = || client.list_public_keys().start_time(from).end_time(to).set_next_token(token.clone()).send();
        let page = scope.call(LIST_PUBLIC_KEYS, ask).await?;
        Ok((page.public_key_list.unwrap_or_default(), page.next_token))
    })
    .await;
    let key = |key: aws_sdk_cloudtrail::types::PublicKey| {
        let (from, to) = (moment(&key.validity_start_time?)?, moment(&key.validity_end_time?)?);
        let (fingerprint, der) = (key.fingerprint?, key.value?.into_inner());
        Some(DigestKey { fingerprint, der, valid: Period { from, to } })
    };
    let missing = || CallError::malformed(LIST_PUBLIC_KEYS, "a key without value, fingerprint or validity");
    let keys = listed.whole()?.into_iter().map(|found| key(found).ok_or_else(missing));
    Ok(DigestKeys { keys: keys.collect::<Result<_, _>>()? })
}

#[cfg(test)]
mod tests;
