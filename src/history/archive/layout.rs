//! Which file of an archive holds what, told from its key.
//!
//! `[o-…/]<account>/CloudTrail/<region>/YYYY/MM/DD/<account>_CloudTrail_<region>_YYYYMMDDTHHmmZ_<16 characters>.json.gz`,
//! and digests `<account>_CloudTrail-Digest_<region>_<trail>_<home region>_YYYYMMDDTHHmmssZ.json.gz`. The time in a log
//! file's name is when it was delivered: its events happened at any time before.

use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime, PrimitiveDateTime};

use crate::history::Period;
use crate::inventory::{AccountId, Region};

/// Where a file comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) account: AccountId,
    pub(super) region: Region,
}

/// A file that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filed {
    pub(super) key: String,
    /// None where the file was renamed.
    pub(super) place: Option<Place>,
    /// When it was delivered, by its name.
    pub(super) delivered: Option<OffsetDateTime>,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Log(Filed),
    Digest(Filed),
    /// Insights, signatures, anything else.
    Other,
}

/// The name without folders.
pub(super) fn file_name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

impl Kind {
    /// Of a key. A name that CloudTrail does not give is a log file of an unknown place if it may be one at all.
    pub(super) fn of(key: &str) -> Self {
        let name = file_name(key);
        let Some(stem) = name.strip_suffix(".gz").unwrap_or(name).strip_suffix(".json") else { return Self::Other };
        let parts: Vec<&str> = stem.split('_').collect();
        let filed = |region: &str, time: Option<OffsetDateTime>| {
            let account = parts.first().and_then(|account| account.parse().ok());
            let place = account.zip(region.parse().ok()).map(|(account, region)| Place { account, region });
            Filed { key: key.to_owned(), place, delivered: time }
        };
        match parts.as_slice() {
            [_, "CloudTrail", region, time, ..] => Self::Log(filed(region, minute(time))),
            [_, "CloudTrail-Digest", region, .., time, "backfill"] | [_, "CloudTrail-Digest", region, .., time] => {
                Self::Digest(filed(region, second(time)))
            }
            [_, other, ..] if other.starts_with("CloudTrail-") => Self::Other,
            _ => Self::Log(Filed { key: key.to_owned(), place: None, delivered: None }),
        }
    }
}

fn minute(text: &str) -> Option<OffsetDateTime> {
    let form = format_description!("[year][month][day]T[hour][minute]Z");
    PrimitiveDateTime::parse(text, form).ok().map(PrimitiveDateTime::assume_utc)
}

fn second(text: &str) -> Option<OffsetDateTime> {
    let form = format_description!("[year][month][day]T[hour][minute][second]Z");
    PrimitiveDateTime::parse(text, form).ok().map(PrimitiveDateTime::assume_utc)
}

/// The days whose folders may hold events of a period: its own and one more, because files come after their events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Days {
    first: Date,
    /// Not read any more.
    end: Date,
}

impl Days {
    pub(super) fn of(period: Period) -> Self {
        let last = period.to.checked_sub(Duration::SECOND).unwrap_or(period.to).date();
        let end = last.checked_add(Duration::days(2)).unwrap_or(Date::MAX);
        Self { first: period.from.date(), end }
    }

    /// When the first of these days begins.
    pub(super) fn begin(self) -> OffsetDateTime {
        self.first.midnight().assume_utc()
    }

    pub(super) fn contain(self, time: OffsetDateTime) -> bool {
        self.first <= time.date() && time.date() < self.end
    }

    /// Bounds of the keys under a prefix: larger than the first, smaller than the second.
    pub(super) fn bounds(self, prefix: &str) -> (String, String) {
        let day = |date: Date| format!("{prefix}{:04}/{:02}/{:02}", date.year(), u8::from(date.month()), date.day());
        (day(self.first), day(self.end))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn names_say_what_a_file_is() {
        let log = "AWSLogs/o-1/111122223333/CloudTrail/eu-west-1/2026/06/10/111122223333_CloudTrail_eu-west-1_20260610T1055Z_Aa0123456789bcde.json.gz";
        let Kind::Log(filed) = Kind::of(log) else { panic!("{log}") };
        assert_eq!(filed.place.unwrap().region.as_str(), "eu-west-1");
        assert_eq!(filed.delivered, Some(datetime!(2026-06-10 10:55 UTC)));
        let digest = "x/111122223333_CloudTrail-Digest_eu-west-1_my_trail_us-east-1_20260610T110131Z.json.gz";
        let Kind::Digest(filed) = Kind::of(digest) else { panic!("{digest}") };
        assert_eq!(filed.delivered, Some(datetime!(2026-06-10 11:01:31 UTC)));
        for other in [
            "x/111122223333_CloudTrail-Insight_eu-west-1_20260610T1055Z_Aa0123456789bcde.json.gz",
            "x/README.md",
            "x/111122223333_CloudTrail-Digest_eu-west-1_t_us-east-1_20260610T110131Z.json.gz.signature",
        ] {
            assert_eq!(Kind::of(other), Kind::Other, "{other}");
        }
        assert!(matches!(Kind::of("events.json"), Kind::Log(Filed { place: None, delivered: None, .. })));
    }

    #[test]
    fn the_day_after_the_window_is_read_too() {
        let days = Days::of(Period { from: datetime!(2026-05-30 12:00 UTC), to: datetime!(2026-06-01 0:00 UTC) });
        assert_eq!(days.bounds("p/"), ("p/2026/05/30".to_owned(), "p/2026/06/02".to_owned()));
        assert!(days.contain(datetime!(2026-06-01 23:59 UTC)) && !days.contain(datetime!(2026-06-02 0:00 UTC)));
    }
}
