//! A run → objects in a bucket, in the layout of the run directory.
//!
//! In: the files of a sealed run. Out: `<prefix>runs/<run-id>/…`, the manifest last, so that whoever finds a manifest finds
//! the whole run. S3 verifies the SHA-256 that the manifest has. Nothing is ever overwritten: an object that is there with
//! the same SHA-256 is not sent again, and one with another is refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::receiver::settings;
use super::refusals::Refusals;
use super::s3_upload::{Bucket, Sent};
use super::{Delivered, Delivery, DeliveryError, Grant, Kind, Memory, Package, Preview, PreviewLine, Receiver, Way};
use crate::collect::Scope;
use crate::inventory::{AccountId, Arn, Partition, Region};
use crate::report::{FORMATS, ReportFormat};
use crate::run::{FileEntry, MANIFEST, PLAN, RunError, SIGNATURE};

/// Name of the format that is the page.
const PAGE: &str = "html";
/// The page that it has a link to, in runs with a history.
const DELIVERY_PAGE: &str = "dora/dora.html";
/// Files on their way at once.
const FILES_AT_ONCE: usize = 6;

/// `[[deliveries.s3]]`
#[derive(Debug)]
pub(super) struct S3;

/// How objects are retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum LockMode {
    Governance,
    Compliance,
}

/// The table's keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// Name of the bucket.
    pub bucket: String,
    /// Before `runs/`; ends with `/` unless it is empty.
    #[serde(default)]
    pub prefix: String,
    /// Region of the bucket; the home Region if none is given.
    #[serde(default)]
    pub region: Option<String>,
    /// Key of SSE-KMS; without it, what the bucket does by itself.
    #[serde(default)]
    pub kms_key: Option<String>,
    /// Retention of every object, together with `object_lock_days`.
    #[serde(default)]
    pub object_lock_mode: Option<LockMode>,
    /// Days from the delivery on.
    #[serde(default)]
    pub object_lock_days: Option<u32>,
    /// The account that the bucket must belong to.
    #[serde(default)]
    pub expected_bucket_owner: Option<AccountId>,
    /// Names of formats whose files are sent; none: every file of the run.
    #[serde(default)]
    pub formats: Vec<String>,
}

impl Settings {
    fn region(&self) -> Result<Option<Region>, String> {
        let region = self.region.as_deref().map(str::parse::<Region>).transpose();
        region.map_err(|error| format!("`region`: {error}"))
    }

    fn check(&self) -> Result<(), String> {
        let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        if !(3..=63).contains(&self.bucket.len()) || !self.bucket.bytes().all(named) {
            return Err(format!("`bucket`: `{}` is no name of a bucket", self.bucket));
        }
        if self.prefix.starts_with('/') || (!self.prefix.is_empty() && !self.prefix.ends_with('/')) {
            return Err(format!("`prefix`: `{}` must not begin with `/`, and must end with it", self.prefix));
        }
        if self.object_lock_mode.is_some() != self.object_lock_days.is_some() {
            return Err("`object_lock_mode` and `object_lock_days` are given together or not at all".to_owned());
        }
        // S3 takes 100 years at most.
        if self.object_lock_days.is_some_and(|days| !(1..=36_500).contains(&days)) {
            return Err("`object_lock_days`: 1 to 36500".to_owned());
        }
        if let Some(unknown) = self.formats.iter().find(|name| !FORMATS.iter().any(|format| format.name() == *name)) {
            let known: Vec<&str> = FORMATS.iter().map(|format| format.name()).collect();
            return Err(format!("`formats`: there is no format `{unknown}`; known are {}", known.join(", ")));
        }
        self.region().map(drop)
    }

    /// Whether a file of a run is sent.
    fn wants(&self, path: &str) -> bool {
        if self.formats.is_empty() || path == PLAN {
            return true;
        }
        // The page on findings has a link to the page on delivery.
        if path == DELIVERY_PAGE && self.formats.iter().any(|name| name == PAGE) {
            return true;
        }
        let asked = |format: &&&dyn ReportFormat| self.formats.iter().any(|name| name == format.name());
        FORMATS.iter().filter(asked).any(|format| is_of(path, format.name(), format.file_name()))
    }
}

/// Whether a file is one of a format's: the file itself, `findings-2.sarif` of one that is split, or one in a folder of the
/// format's name.
fn is_of(path: &str, format: &str, file_name: &str) -> bool {
    let (stem, extension) = file_name.split_once('.').unwrap_or((file_name, ""));
    let number = path
        .strip_prefix(stem)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|rest| rest.strip_suffix(extension))
        .and_then(|rest| rest.strip_suffix('.'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    path == file_name
        || number.is_some_and(is_number)
        || path.strip_prefix(format).is_some_and(|rest| rest.starts_with('/'))
}

impl Kind for S3 {
    fn table(&self) -> &'static str {
        "s3"
    }

    fn about(&self) -> &'static str {
        "every file of the run in a bucket: checksums, SSE-KMS, Object Lock, the manifest last"
    }

    fn actions(&self) -> &'static [&'static str] {
        &[
            "kms:Decrypt",
            "kms:GenerateDataKey",
            "s3:AbortMultipartUpload",
            "s3:GetObject",
            "s3:ListBucket",
            "s3:PutObject",
            "s3:PutObjectRetention",
        ]
    }

    fn read(&self, name: &str, table: Value) -> Result<Arc<dyn Receiver>, String> {
        let settings: Settings = settings(table)?;
        settings.check()?;
        Ok(Arc::new(Configured { name: name.to_owned(), settings }))
    }
}

#[derive(Debug, Clone)]
struct Configured {
    name: String,
    settings: Settings,
}

impl Receiver for Configured {
    fn grants(&self, partition: Partition) -> Vec<Grant> {
        let region = self.settings.region().ok().flatten();
        let partition = region.as_ref().map_or(partition, Partition::of_region);
        let bucket = format!("arn:{partition}:s3:::{}", self.settings.bucket);
        let mut on_objects = vec!["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"];
        if self.settings.object_lock_mode.is_some() {
            on_objects.push("s3:PutObjectRetention");
        }
        let objects = ["", "rechecks/"].map(|apart| format!("{bucket}/{}{apart}runs/*", self.settings.prefix));
        let mut grants = vec![
            Grant { actions: vec!["s3:ListBucket"], resources: vec![bucket] },
            Grant { actions: on_objects, resources: objects.to_vec() },
        ];
        if let Some(key) = &self.settings.kms_key {
            // An alias or a bare id is no resource of a policy.
            let is_key = Arn::parse(key).is_ok_and(|arn| arn.resource.starts_with("key/"));
            let resource = if is_key { key.clone() } else { "*".to_owned() };
            grants.push(Grant { actions: vec!["kms:Decrypt", "kms:GenerateDataKey"], resources: vec![resource] });
        }
        grants
    }

    fn open(&self, way: &Way<'_>) -> Result<Box<dyn Delivery>, DeliveryError> {
        let own = way.sessions.own_scope();
        let region = self.settings.region().ok().flatten();
        let scope = region.map_or_else(|| own.clone(), |region| own.in_region(&region));
        Ok(Box::new(ToBucket { name: self.name.clone(), settings: self.settings.clone(), scope }))
    }
}

struct ToBucket {
    name: String,
    settings: Settings,
    scope: Scope,
}

impl ToBucket {
    fn folder(&self, package: &Package<'_>) -> String {
        // Rechecks stand apart, so that tables over the full runs count nothing twice.
        let apart = if package.report.over_time.recheck.is_some() { "rechecks/" } else { "" };
        format!("{}{apart}runs/{}/", self.settings.prefix, package.manifest.run.run_id)
    }

    fn contents(&self, package: &Package<'_>) -> Result<Contents, DeliveryError> {
        let listed = package.manifest.files.iter().filter(|file| self.settings.wants(&file.path)).cloned();
        let signature = beside(package, SIGNATURE)?;
        let folder = package.run.path().to_owned();
        let manifest = beside(package, MANIFEST)?.ok_or(RunError::NotARun { path: folder, missing: MANIFEST })?;
        let mark = json!({
            "receiver": self.receiver(),
            "manifestSha256": manifest.sha256,
            "signatureSha256": signature.as_ref().map(|file| &file.sha256),
            "formats": self.settings.formats,
        });
        Ok(Contents { files: listed.chain(signature).collect(), manifest, mark })
    }

    fn retain_until(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        self.settings.object_lock_days.map(|days| now + Duration::days(days.into()))
    }
}

fn key_of(run: &str) -> String {
    format!("run/{run}")
}

/// A file that the manifest does not name: itself, and the signature on it, if there is one.
fn beside(package: &Package<'_>, name: &str) -> Result<Option<FileEntry>, DeliveryError> {
    let path = package.run.path().join(name);
    match super::s3_upload::hash_of(&path) {
        Ok((bytes, sha256)) => Ok(Some(FileEntry { path: name.to_owned(), bytes, sha256 })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DeliveryError::unreadable(&path)(error)),
    }
}

/// What is sent of a run.
struct Contents {
    /// All but the manifest.
    files: Vec<FileEntry>,
    manifest: FileEntry,
    /// What is remembered when it is there as a whole.
    mark: Value,
}

impl Contents {
    fn count(&self) -> u64 {
        self.files.len() as u64 + 1
    }
}

/// What came of all files.
struct Tally {
    delivered: Delivered,
    refusals: Refusals,
    is_complete: bool,
}

impl Default for Tally {
    fn default() -> Self {
        Self { delivered: Delivered::default(), refusals: Refusals::default(), is_complete: true }
    }
}

impl Tally {
    fn take(&mut self, sent: Sent) {
        match sent {
            Sent::New => self.delivered.sent += 1,
            Sent::Same => self.delivered.unchanged += 1,
            Sent::Refused(sentence) => {
                self.is_complete = false;
                self.refusals.add(sentence);
            }
        }
    }

    fn finish(self) -> Delivered {
        Delivered { refused: self.refusals.into_sentences(), ..self.delivered }
    }
}

#[async_trait]
impl Delivery for ToBucket {
    fn name(&self) -> &str {
        &self.name
    }

    fn receiver(&self) -> String {
        format!("s3://{}/{}", self.settings.bucket, self.settings.prefix)
    }

    async fn preview(&self, package: &Package<'_>, memory: &Memory) -> Result<Preview, DeliveryError> {
        let contents = self.contents(package)?;
        let count = contents.count();
        if memory.get(&key_of(&package.manifest.run.run_id)) == Some(&contents.mark) {
            return Ok(Preview { things: Vec::new(), unchanged: count });
        }
        let bytes = contents.files.iter().chain([&contents.manifest]).map(|file| file.bytes).sum();
        let what = format!("files to s3://{}/{}", self.settings.bucket, self.folder(package));
        Ok(Preview { things: vec![PreviewLine { what, count, bytes }], unchanged: 0 })
    }

    async fn deliver(&self, package: &Package<'_>, memory: &mut Memory) -> Result<Delivered, DeliveryError> {
        let run = package.manifest.run.run_id.clone();
        let contents = self.contents(package)?;
        if memory.get(&key_of(&run)) == Some(&contents.mark) {
            return Ok(Delivered { unchanged: contents.count(), ..Delivered::default() });
        }
        let folder = self.folder(package);
        let memory = Mutex::new(memory);
        let bucket = Bucket::new(&self.settings, &self.scope, self.retain_until(package.now), &memory);
        bucket.abort_leftovers(&folder).await?;
        let there: BTreeMap<String, u64> = bucket.list(&folder).await?;
        let mut tally = Tally::default();
        let mut left = contents.files.iter();
        let mut under_way = FuturesUnordered::new();
        let mut failed = None;
        loop {
            while failed.is_none() && under_way.len() < FILES_AT_ONCE {
                let Some(file) = left.next() else { break };
                under_way.push(bucket.upload(package.run.path(), &folder, file, &there));
            }
            // What is under way is brought to its end, so that no upload in parts is left behind.
            match under_way.next().await {
                Some(Ok(sent)) => tally.take(sent),
                Some(Err(error)) => {
                    failed.get_or_insert(error);
                }
                None => break,
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        drop(under_way);
        if tally.is_complete {
            tally.take(bucket.upload(package.run.path(), &folder, &contents.manifest, &there).await?);
        } else {
            tally.refusals.add(format!(
                "{folder}{MANIFEST} was not sent, because what is there is not this run; keep runs of different origin under different prefixes"
            ));
        }
        let delivered = tally.finish();
        if delivered.refused.is_empty() {
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.put(&key_of(&run), contents.mark)?;
        }
        Ok(delivered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_has_all_its_files() {
        for (path, expected) in [
            ("findings.sarif", true),
            ("findings-2.sarif", true),
            ("sarif/x", true),
            ("findings-2.csv", false),
            ("findings-x.sarif", false),
            ("findings.json", false),
        ] {
            assert_eq!(is_of(path, "sarif", "findings.sarif"), expected, "{path}");
        }
    }

    #[test]
    fn the_page_takes_the_one_that_it_links_with_it() {
        let of = |formats: &[&str]| {
            let settings: Settings = serde_json::from_value(json!({"bucket": "archive", "formats": formats})).unwrap();
            ["report.html", "dora/dora.html", "dora/metrics.csv", "findings.json", "plan.json"]
                .map(|path| settings.wants(path))
        };
        assert_eq!(of(&["html"]), [true, true, false, false, true]);
        assert_eq!(of(&["json"]), [false, false, false, true, true]);
        assert_eq!(of(&[]), [true; 5]);
        assert!(FORMATS.iter().any(|format| format.name() == PAGE));
    }

    #[test]
    fn a_table_that_says_nothing_is_refused() {
        for (table, needle) in [
            (json!({"bucket": "Not A Bucket"}), "`bucket`"),
            (json!({"bucket": "archive", "prefix": "/x"}), "`prefix`"),
            (json!({"bucket": "archive", "prefix": "x"}), "`prefix`"),
            (json!({"bucket": "archive", "object_lock_mode": "COMPLIANCE"}), "together or not at all"),
            (json!({"bucket": "archive", "object_lock_mode": "FOREVER", "object_lock_days": 1}), "FOREVER"),
            (json!({"bucket": "archive", "object_lock_mode": "GOVERNANCE", "object_lock_days": 0}), "1 to 36500"),
            (json!({"bucket": "archive", "formats": ["stone"]}), "no format `stone`"),
            (json!({"bucket": "archive", "region": "europe"}), "`region`"),
            (json!({"bucket": "archive", "expected_bucket_owner": "12"}), "12"),
            (json!({"bucket": "archive", "secret_key": "x"}), "unknown field `secret_key`"),
        ] {
            let error = S3.read("s3", table.clone()).err().unwrap_or_default();
            assert!(error.contains(needle), "{table}: {error}");
        }
    }
}
