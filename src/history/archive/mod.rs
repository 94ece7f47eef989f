//! A trail's log files, read fast and within bounded memory.
//!
//! In: a bucket or folder ([`ArchiveObjects`]), and which accounts, Regions and time are wanted. Out: a [`History`] with
//! the events of [`EVENTS`](super::EVENTS), and spans and gaps that say what was read.
//!
//! ```text
//!  ArchiveObjects ─► listing ─► file: inflate ─► scan: names, brackets ─► Event
//!                         └───► digest: hours, hashes, signatures ─► silence: spans and gaps
//! ```
//!
//! Files are read on all cores; memory is one window per core and the events, whatever the size of files and archive. A
//! file that cannot be read to its end is a gap that names it; what could be read of it counts.

mod digest;
mod file;
mod folder;
mod keys;
mod layout;
mod listing;
mod objects;
mod scan;
mod silence;
mod structure;
mod sweep;
mod wanted;

pub use folder::ArchiveFolder;
pub use keys::{DigestKey, DigestKeys};
pub use objects::{ArchiveObjects, KeyRange, Opened};

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use time::Duration;

use self::digest::Digest;
use self::file::{LogFile, Reader};
use self::layout::{Days, Filed, Place, file_name};
use self::listing::{Listing, selects};
use super::{Event, History, HistoryCoverage, HistoryGap, HistorySource, Period, Span};
use crate::inventory::{AccountId, Affects, Gap, GapCause, Region};

/// How long before its delivery a file's events happened at most, as a rule: CloudTrail says about five minutes on
/// average, and promises nothing. It bounds the time that an unreadable file leaves unknown.
const USUAL_DELAY: Duration = Duration::HOUR;

/// What is wanted of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveSelection {
    /// The accounts; empty for all that the archive holds.
    pub accounts: Vec<AccountId>,
    /// The Regions; empty for all that the archive holds.
    pub regions: Vec<Region>,
    /// The time, by `eventTime`.
    pub period: Period,
    /// Keys to verify digests and log files with (`--verify-digests`); none to take them as they are.
    pub verify: Option<DigestKeys>,
}

/// Reads an archive. It cannot fail as a whole: what goes wrong is a gap.
///
/// Spans are per account and Region. With digests (log file validation), an hour that has one is known; without, what
/// lies between files is: from the day of the first to the last, except where no file came for more than a day.
#[must_use]
pub fn read_archive(objects: &dyn ArchiveObjects, selection: &ArchiveSelection) -> History {
    let listing = Listing::of(objects, selection);
    let reader =
        Reader { objects, wanted: file::wanted(), limits: scan::Limits::default(), hashes: selection.verify.is_some() };
    let keep = |event: &Event| {
        selection.period.contains(event.time)
            && selects(&selection.accounts, &event.account)
            && (event.region == Region::GLOBAL || selects(&selection.regions, &event.region))
    };
    let mut files: Vec<LogFile> =
        listing.logs.par_iter().map_init(Vec::new, |buffer, filed| reader.read(&filed.key, buffer, &keep)).collect();
    let digests: Vec<Result<Digest, GapCause>> =
        listing.digests.par_iter().map(|filed| Digest::read(objects, &filed.key)).collect();

    let mut telling = Telling { selection, gaps: Vec::new(), spans: Vec::new() };
    let mut history = History::default();
    for file in &mut files {
        history.events.append(&mut file.events);
    }
    telling.unlisted(&listing);
    telling.files(&listing, &files);
    telling.places(&listing, &files, &digests);
    history.coverage = HistoryCoverage { spans: telling.spans, gaps: telling.gaps };
    history.normalise();
    history
}

/// Writes down what was read and what was not.
struct Telling<'a> {
    selection: &'a ArchiveSelection,
    spans: Vec<Span>,
    gaps: Vec<HistoryGap>,
}

impl Telling<'_> {
    fn gap(&mut self, place: Option<&Place>, key: Option<&str>, period: Option<Period>, cause: GapCause) {
        let account = place.map(|place| place.account.clone()).or_else(|| self.selection.accounts.first().cloned());
        // A gap names an account; where none is known, none has this number.
        let Some(account) = account.or_else(|| "000000000000".parse().ok()) else { return };
        self.gaps.push(HistoryGap {
            source: HistorySource::TrailArchive,
            subject: key.map(str::to_owned),
            from: period.map(|period| period.from),
            to: period.map(|period| period.to),
            gap: Gap {
                account,
                region: place.map_or(Region::GLOBAL, |place| place.region.clone()),
                service: "s3".to_owned(),
                action: if key.is_some_and(|key| !key.ends_with('/')) { "s3:GetObject" } else { "s3:ListBucket" }
                    .to_owned(),
                cause,
                affects: Affects::Details,
            },
        });
    }

    fn unlisted(&mut self, listing: &Listing) {
        for missed in &listing.unlisted {
            let region = missed.region.clone().unwrap_or(Region::GLOBAL);
            let place = missed.account.clone().map(|account| Place { account, region });
            self.gap(place.as_ref(), Some(&missed.prefix), Some(self.selection.period), missed.cause.clone());
        }
    }

    fn files(&mut self, listing: &Listing, files: &[LogFile]) {
        for (filed, file) in listing.logs.iter().zip(files) {
            for cause in &file.problems {
                self.gap(filed.place.as_ref(), Some(&filed.key), time_of(filed), cause.clone());
            }
        }
        let unnamed: Vec<&Filed> =
            listing.logs.iter().filter(|filed| filed.place.is_none() || filed.delivered.is_none()).collect();
        if let Some(first) = unnamed.first() {
            let message = format!(
                "{} files do not have the names that CloudTrail gave them, the first is `{}`: their events count, but \
                 from when to when they tell everything is not known",
                unnamed.len(),
                first.key
            );
            self.gap(None, None, Some(self.selection.period), GapCause::NotConfigured { message });
        }
    }

    /// What is known of each account and Region.
    fn places(&mut self, listing: &Listing, files: &[LogFile], digests: &[Result<Digest, GapCause>]) {
        for place in &listing.places {
            let here = |filed: &Filed| filed.place.as_ref() == Some(place);
            let logs: BTreeMap<&str, (&Filed, &LogFile)> = (listing.logs.iter().zip(files))
                .filter(|(filed, _)| here(filed))
                .map(|(filed, file)| (file_name(&filed.key), (filed, file)))
                .collect();
            let mut read = Vec::new();
            for (filed, digest) in listing.digests.iter().zip(digests).filter(|(filed, _)| here(filed)) {
                match digest {
                    Ok(digest) => read.push(digest),
                    Err(cause) => self.gap(Some(place), Some(&filed.key), hour_before(filed), cause.clone()),
                }
            }
            let believed = self.believed(place, &read, &logs);
            let delivered: Vec<_> = logs.values().filter_map(|(filed, _)| filed.delivered).collect();
            let known = silence::Known::of(self.selection.period, &delivered, &believed);
            for (hole, cause) in known.gaps {
                self.gap(Some(place), None, Some(hole), cause);
            }
            self.spans.extend(known.spans.into_iter().map(|span| Span {
                source: HistorySource::TrailArchive,
                account: Some(place.account.clone()),
                region: Some(place.region.clone()),
                subject: None,
                from: span.from,
                to: span.to,
            }));
        }
    }

    /// The digests that prove an hour: all of whose log files are there, and that are CloudTrail's if that is verified.
    fn believed<'d>(
        &mut self,
        place: &Place,
        digests: &[&'d Digest],
        logs: &BTreeMap<&str, (&Filed, &LogFile)>,
    ) -> Vec<&'d Digest> {
        let days = Days::of(self.selection.period);
        let by_name: BTreeMap<&str, &Digest> = digests.iter().map(|digest| (file_name(&digest.key), *digest)).collect();
        let mut believed = Vec::new();
        for digest in digests {
            let mut whole = true;
            let mut objections = self.selection.verify.as_ref().map_or(Vec::new(), |keys| {
                let before = digest.previous().and_then(|name| by_name.get(name));
                let chain = before.is_some_and(|before| !digest.continues(before)).then(|| {
                    "the digest before it is not the one that it was made after: one of them was changed".to_owned()
                });
                digest.objection(keys).into_iter().chain(chain).collect()
            });
            for listed in &digest.log_files {
                match logs.get(listed.name()) {
                    Some((_, file))
                        if file.hash.as_ref().is_some_and(|hash| !hash.eq_ignore_ascii_case(&listed.hash)) =>
                    {
                        objections
                            .push(format!("log file `{}` is not as it was delivered: its hash differs", listed.name()));
                    }
                    None if silence::is_listed_whole(digest, days) => {
                        whole = false;
                        objections.push(format!("log file `{}`, which it lists, is not in the archive", listed.name()));
                    }
                    _ => {}
                }
            }
            if whole && objections.is_empty() {
                believed.push(*digest);
            }
            for message in objections {
                self.gap(Some(place), Some(&digest.key), Some(digest.period), GapCause::Malformed { message });
            }
        }
        if self.selection.verify.is_some() {
            self.unvouched(place, digests, logs);
        }
        believed
    }

    /// Log files that were delivered while digests were written, but that none of them lists.
    fn unvouched(&mut self, place: &Place, digests: &[&Digest], logs: &BTreeMap<&str, (&Filed, &LogFile)>) {
        let listed: BTreeSet<&str> =
            digests.iter().flat_map(|digest| digest.log_files.iter().map(digest::Listed::name)).collect();
        for (name, (filed, _)) in logs {
            // Names tell the minute: at the edges of what digests cover, either side may list the file.
            let near = |time| digests.iter().any(|digest| digest.period.contains(time));
            let covered = filed
                .delivered
                .is_some_and(|time| near(time - Duration::minutes(5)) && near(time + Duration::minutes(5)));
            if covered && !listed.contains(name) {
                let message = "no digest lists this log file: somebody else may have put it there".to_owned();
                self.gap(Some(place), Some(&filed.key), time_of(filed), GapCause::Malformed { message });
            }
        }
        if digests.is_empty() {
            let message = "there is no digest to verify log files with; switch on log file validation of the trail \
                           (EnableLogFileValidation), or copy `CloudTrail-Digest/` too";
            let cause = GapCause::NotConfigured { message: message.to_owned() };
            self.gap(Some(place), None, Some(self.selection.period), cause);
        }
    }
}

/// When the events of a log file happened, as a rule.
fn time_of(filed: &Filed) -> Option<Period> {
    // The name tells the minute, so the file was delivered within the one that begins then.
    filed.delivered.map(|time| Period { from: time - USUAL_DELAY, to: time + Duration::MINUTE })
}

/// The hour of a digest that cannot be read, by its name.
fn hour_before(filed: &Filed) -> Option<Period> {
    filed.delivered.map(|time| Period { from: time - Duration::HOUR, to: time })
}

#[cfg(test)]
mod tests;
