//! The name of a run: its UTC start time, so that names sort as time does.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime, UtcOffset};

use super::RunError;

const FORMAT: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second]Z");

/// `20261121T020000Z`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

impl RunId {
    /// The id of a run that starts at `start`.
    ///
    /// # Errors
    /// [`RunError::RunId`] if the year has more than four digits.
    pub fn at(start: OffsetDateTime) -> Result<Self, RunError> {
        let start = start.to_offset(UtcOffset::UTC);
        start
            .format(FORMAT)
            .ok()
            .filter(|text| text.len() == 16)
            .map(Self)
            .ok_or_else(|| RunError::RunId(start.to_string()))
    }

    /// As it names the folder.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it started more than `age` before `now`.
    pub(crate) fn is_older_than(&self, age: Duration, now: OffsetDateTime) -> bool {
        parse(&self.0).is_none_or(|start| now - start > age)
    }

    /// The start as RFC 3339.
    #[must_use]
    pub fn started_at(&self) -> String {
        // INVARIANT: every id was parsed or formatted with `FORMAT`, so the fallback is never reached.
        parse(&self.0).and_then(|start| start.format(&Rfc3339).ok()).unwrap_or_else(|| self.0.clone())
    }
}

fn parse(text: &str) -> Option<OffsetDateTime> {
    PrimitiveDateTime::parse(text, FORMAT).ok().map(PrimitiveDateTime::assume_utc)
}

impl TryFrom<String> for RunId {
    type Error = RunError;
    fn try_from(text: String) -> Result<Self, RunError> {
        if text.len() == 16 && parse(&text).is_some() { Ok(Self(text)) } else { Err(RunError::RunId(text)) }
    }
}

impl FromStr for RunId {
    type Err = RunError;
    fn from_str(text: &str) -> Result<Self, RunError> {
        Self::try_from(text.to_owned())
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn ids_are_utc_and_sort_as_time_does() {
        let id = RunId::at(datetime!(2026-11-21 03:00:00.9 +1)).unwrap();
        assert_eq!(id.as_str(), "20261121T020000Z");
        assert_eq!(id.started_at(), "2026-11-21T02:00:00Z");
        assert!(RunId::at(datetime!(2026-11-21 02:00:01 UTC)).unwrap() > id);
    }

    #[test]
    fn only_times_are_ids() {
        assert!("20261121T020000Z".parse::<RunId>().is_ok());
        for wrong in ["", "latest", "20261321T020000Z", "20261121T020000", "../20261121T0200", "20261121t020000Z"] {
            assert!(wrong.parse::<RunId>().is_err(), "{wrong}");
        }
    }
}
