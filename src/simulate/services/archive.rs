//! The archive of the organization's trail: log files and digests, made when they are asked for.
//!
//! In: account, Region and day. Out: keys as a trail writes them, and what is behind them. As in AWS, a file carries the
//! time of its delivery, which comes after the hour that it tells of; some records are delivered a day late, some twice;
//! and in one hour of one account nothing was delivered, digest included.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime, Time};

use super::super::estate::{STORY_DAYS, organization_trail};
use super::super::world::{World, letters, mix};
use super::trail_events::{Record, records, rfc3339, written};
use crate::inventory::hex;

const FOLDER: &[BorrowedFormatItem<'_>] = format_description!("[year]/[month]/[day]");
const MINUTE: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]T[hour][minute]Z");
const SECOND: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second]Z");
const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]");

/// Whether log files or digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Kind {
    // In the order of their keys.
    Digests,
    Logs,
}

/// The folder of an account, Region and day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Folder {
    pub(in super::super) account: usize,
    pub(in super::super) region: usize,
    pub(in super::super) kind: Kind,
    pub(in super::super) day: Date,
}

/// A log file: when it was delivered, and what is in it.
struct File {
    delivered: OffsetDateTime,
    records: Vec<Record>,
}

/// The bucket that it is in.
pub(in super::super) fn bucket(world: &World) -> String {
    organization_trail(world).bucket.name(world)
}

/// So long ago the trail's validation of log files was switched on; before that it wrote no digests.
const VALIDATED_FOR: Duration = Duration::days(10);

/// The position and the day of the hour that is missing.
const HOLE: (usize, usize) = (4, 0);

/// The hour that is missing, by its begin.
pub(in super::super) fn hole(world: &World) -> (usize, usize, OffsetDateTime) {
    (HOLE.0, HOLE.1, world.options.now - Duration::days(6) + Duration::hours(9))
}

fn is_hole(world: &World, folder: &Folder, delivered: OffsetDateTime) -> bool {
    let (account, region, from) = hole(world);
    (folder.account, folder.region) == (account, region)
        && from + Duration::minutes(30) < delivered
        && delivered <= from + Duration::minutes(65)
}

impl Folder {
    /// The key's part up to the files, with a slash at the end.
    pub(in super::super) fn prefix(&self, world: &World) -> String {
        let kind = if self.kind == Kind::Logs { "CloudTrail" } else { "CloudTrail-Digest" };
        let (organization, account) = (world.organization_id(), world.account_id(self.account));
        let day = self.day.format(FOLDER).unwrap_or_default();
        format!("AWSLogs/{organization}/{account}/{kind}/{}/{day}/", world.region_name(self.region))
    }

    /// All folders, in the order of their keys.
    pub(in super::super) fn all(world: &World) -> Vec<Self> {
        let last = world.options.now.date();
        let days: Vec<Date> =
            (0..=STORY_DAYS).rev().filter_map(|back| last.checked_sub(Duration::days(back))).collect();
        let mut accounts: Vec<usize> = (0..world.members().len()).collect();
        accounts.sort_by_key(|account| world.account_id(*account));
        let mut regions: Vec<usize> = (0..world.regions().len()).collect();
        regions.sort_by_key(|region| world.region_name(*region));
        let mut all = Vec::new();
        for account in accounts {
            for kind in [Kind::Digests, Kind::Logs] {
                for region in &regions {
                    all.extend(days.iter().map(|day| Self { account, region: *region, kind, day: *day }));
                }
            }
        }
        all
    }

    /// The folder of a key.
    fn of(world: &World, key: &str) -> Option<Self> {
        let parts: Vec<&str> = key.split('/').collect();
        let [_, _, account, kind, region, year, month, day, _] = parts.as_slice() else { return None };
        let day = Date::parse(&format!("{year}{month}{day}"), DAY).ok()?;
        let kind = if *kind == "CloudTrail" { Kind::Logs } else { Kind::Digests };
        let (account, region) = (world.position_of(account)?, world.region_position(region)?);
        Some(Self { account, region, kind, day })
    }

    fn begin(&self) -> OffsetDateTime {
        self.day.with_time(Time::MIDNIGHT).assume_utc()
    }

    /// The log files that were delivered on the day.
    fn files(&self, world: &World) -> Vec<File> {
        let (from, to) = (self.begin(), self.begin() + Duration::days(1));
        let mut files: Vec<File> = Vec::new();
        let mut deliver = |delivered: OffsetDateTime, record: &Record| {
            if delivered < from || delivered >= to || delivered > world.options.now || is_hole(world, self, delivered) {
                return;
            }
            match files.iter_mut().find(|file| file.delivered == delivered) {
                Some(file) => file.records.push(record.clone()),
                None => files.push(File { delivered, records: vec![record.clone()] }),
            }
        };
        for record in records(world, self.account, self.region, from - Duration::hours(28), to) {
            let hour = record.time.unix_timestamp().div_euclid(3600) + 1;
            let Ok(hour) = OffsetDateTime::from_unix_timestamp(hour * 3600) else { continue };
            let late = record.id.ends_with("c3");
            let delivered = hour + Duration::minutes(5) + if late { Duration::days(1) } else { Duration::ZERO };
            deliver(delivered, &record);
            if record.id.ends_with('7') {
                deliver(delivered + Duration::hours(1), &record);
            }
        }
        files.sort_by_key(|file| file.delivered);
        files
    }

    fn file_key(&self, world: &World, delivered: OffsetDateTime) -> String {
        let (account, region) = (world.account_id(self.account), world.region_name(self.region));
        let place = ((self.account as u64) << 16) | self.region as u64;
        let number = u64::try_from(delivered.unix_timestamp()).unwrap_or(0);
        let ending = letters(mix(world.options.seed, place, 77, number), 16);
        let logs = Self { kind: Kind::Logs, day: delivered.date(), ..*self };
        let time = delivered.format(MINUTE).unwrap_or_default();
        format!("{}{account}_CloudTrail_{region}_{time}_{ending}.json.gz", logs.prefix(world))
    }

    fn digest_key(&self, world: &World, end: OffsetDateTime) -> String {
        let (account, region) = (world.account_id(self.account), world.region_name(self.region));
        let trail = organization_trail(world);
        let (home, time) = (world.region_name(trail.region), end.format(SECOND).unwrap_or_default());
        let digests = Self { kind: Kind::Digests, day: end.date(), ..*self };
        let name = trail.name();
        format!("{}{account}_CloudTrail-Digest_{region}_{name}_{home}_{time}.json.gz", digests.prefix(world))
    }

    /// The ends of the hours that have a digest.
    fn digests(&self, world: &World) -> Vec<OffsetDateTime> {
        let hours = (0..24).map(|hour| self.begin() + Duration::hours(hour) + Duration::minutes(35));
        let (account, region, from) = hole(world);
        let missing = |end: OffsetDateTime| {
            (self.account, self.region) == (account, region)
                && from + Duration::minutes(60) < end
                && end <= from + Duration::minutes(130)
        };
        let validated = world.options.now - VALIDATED_FOR;
        hours.filter(|end| validated < *end && *end <= world.options.now && !missing(*end)).collect()
    }

    /// Everything in the folder: keys and compressed bytes.
    pub(in super::super) fn objects(&self, world: &World) -> Vec<(String, Vec<u8>)> {
        match self.kind {
            Kind::Logs => {
                let files = self.files(world).into_iter();
                files.map(|file| (self.file_key(world, file.delivered), zipped(&self.text(world, &file)))).collect()
            }
            Kind::Digests => {
                let chain = self.chain(world).into_iter();
                chain.map(|(end, text)| (self.digest_key(world, end), zipped(&text))).collect()
            }
        }
    }

    /// Keys in the folder, in order.
    pub(in super::super) fn keys(&self, world: &World) -> Vec<String> {
        let mut keys: Vec<String> = match self.kind {
            Kind::Logs => self.files(world).iter().map(|file| self.file_key(world, file.delivered)).collect(),
            Kind::Digests => self.digests(world).into_iter().map(|end| self.digest_key(world, end)).collect(),
        };
        keys.sort();
        keys
    }

    /// The text of a log file.
    fn text(&self, world: &World, file: &File) -> Vec<u8> {
        let place = (self.account, self.region);
        let records: Vec<Value> = file.records.iter().map(|record| written(world, place, record)).collect();
        json!({ "Records": records }).to_string().into_bytes()
    }

    /// The digests of the day with their texts; each names the one before it, the first of a day none.
    fn chain(&self, world: &World) -> Vec<(OffsetDateTime, Vec<u8>)> {
        let logs = Self { kind: Kind::Logs, ..*self };
        let mut files = logs.files(world);
        if let Some(day) = self.day.previous_day() {
            files.extend(Self { day, ..logs }.files(world));
        }
        files.sort_by_key(|file| file.delivered);
        let mut chain: Vec<(OffsetDateTime, Vec<u8>)> = Vec::new();
        for end in self.digests(world) {
            let own = files.iter().filter(|file| end - Duration::hours(1) < file.delivered && file.delivered <= end);
            let previous = chain.last().map(|(end, text)| (self.digest_key(world, *end), hash(text)));
            let text = self.digest(world, end, &own.collect::<Vec<_>>(), previous);
            chain.push((end, text));
        }
        chain
    }

    /// The text of a digest.
    fn digest(
        &self,
        world: &World,
        end: OffsetDateTime,
        files: &[&File],
        previous: Option<(String, String)>,
    ) -> Vec<u8> {
        let bucket = bucket(world);
        let times = || files.iter().flat_map(|file| &file.records).map(|record| record.time);
        let listed: Vec<Value> = files
            .iter()
            .map(|file| {
                let own = || file.records.iter().map(|record| record.time);
                json!({
                    "s3Bucket": bucket, "s3Object": self.file_key(world, file.delivered),
                    "hashValue": hash(&self.text(world, file)), "hashAlgorithm": "SHA-256",
                    "newestEventTime": own().max().map(rfc3339), "oldestEventTime": own().min().map(rfc3339)
                })
            })
            .collect();
        let (object, before) = previous.unzip();
        json!({
            "awsAccountId": world.account_id(self.account), "digestStartTime": rfc3339(end - Duration::hours(1)),
            "digestEndTime": rfc3339(end), "digestS3Bucket": bucket, "digestS3Object": self.digest_key(world, end),
            "digestPublicKeyFingerprint": "31e8b5433410dfb61a9dc45cc65b22ff",
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": times().max().map(rfc3339), "oldestEventTime": times().min().map(rfc3339),
            "previousDigestS3Bucket": object.as_ref().map(|_| &bucket), "previousDigestS3Object": object,
            "previousDigestHashValue": before, "previousDigestHashAlgorithm": before.as_ref().map(|_| "SHA-256"),
            "previousDigestSignature": null, "logFiles": listed
        })
        .to_string()
        .into_bytes()
    }
}

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// What is behind a key, compressed.
pub(in super::super) fn object(world: &World, key: &str) -> Option<Vec<u8>> {
    let folder = Folder::of(world, key)?;
    let objects = world.archive.get(folder, || folder.objects(world));
    objects.iter().find(|(other, _)| other == key).map(|(_, bytes)| bytes.clone())
}

/// A page of keys: keys, folders in between, and the key to go on after.
pub(in super::super) struct Listing {
    pub(in super::super) keys: Vec<String>,
    pub(in super::super) prefixes: Vec<String>,
    pub(in super::super) next: Option<String>,
}

/// Lists keys after a key.
pub(in super::super) fn list(world: &World, prefix: &str, delimiter: &str, after: &str, limit: usize) -> Listing {
    let mut listing = Listing { keys: Vec::new(), prefixes: Vec::new(), next: None };
    let mut last = String::new();
    let fold = |key: &str| {
        let rest = key.strip_prefix(prefix)?;
        let end = rest.find(delimiter).filter(|_| !delimiter.is_empty())?;
        Some(format!("{prefix}{}{delimiter}", rest.get(..end)?))
    };
    for folder in Folder::all(world) {
        let own = folder.prefix(world);
        if !own.starts_with(prefix) && !prefix.starts_with(&own) || own.as_str() < after && !after.starts_with(&own) {
            continue;
        }
        // A folder that is folded away need not be made.
        let keys = if own.starts_with(prefix) && fold(&own).is_some() { vec![own] } else { folder.keys(world) };
        for key in keys.into_iter().filter(|key| key.starts_with(prefix)) {
            let shown = fold(&key).unwrap_or_else(|| key.clone());
            if shown.as_str() <= after || listing.prefixes.last() == Some(&shown) {
                continue;
            }
            if listing.keys.len() + listing.prefixes.len() == limit {
                listing.next = Some(last);
                return listing;
            }
            last.clone_from(&shown);
            if shown == key { listing.keys.push(key) } else { listing.prefixes.push(shown) }
        }
    }
    listing
}
