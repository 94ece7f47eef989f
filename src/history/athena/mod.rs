//! A trail's log files asked with SQL: Athena, and CloudTrail Lake for those who have it.
//!
//! In: the name of a table that exists and how it is partitioned, which accounts and Regions, and a time. Out: the
//! events of [`EVENTS`](super::EVENTS) in it, how many bytes were scanned, and spans and gaps. It exists for archives
//! that are too large to be read from here: the query runs where the files are.
//!
//! A table does not tell silence from a hole: an account that the trail does not record answers like one in which
//! nothing happened. So a second query asks what came of each account and Region at all, delivery or not, and on which days
//! ([`AthenaTable::proves_coverage`]); only what it finds becomes a span. Log files are JSON, of which Athena always
//! reads the whole, so it doubles the bytes that are scanned.

mod coverage;
mod lake;
mod queries;
mod rows;
mod sql;

pub use lake::{CLOUD_TRAIL_LAKE_ACTIONS, EventDataStore, query_lake};
pub use queries::{ATHENA_ACTIONS, query_athena};

use super::{History, Period};
use crate::inventory::{AccountId, Region};

/// A table over a trail's log files, with the columns that AWS documents.
///
/// <https://docs.aws.amazon.com/athena/latest/ug/create-cloudtrail-table-org-wide-trail.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AthenaTable {
    /// The data catalog; none for `AwsDataCatalog`.
    pub catalog: Option<String>,
    /// The database.
    pub database: String,
    /// The table.
    pub table: String,
    /// The workgroup; none for `primary`.
    pub workgroup: Option<String>,
    /// Where Athena puts results, `s3://bucket/prefix/`; none where the workgroup says it.
    pub output_location: Option<String>,
    /// How it is partitioned.
    pub partitions: PartitionColumns,
    /// Whether a second query asks what the table holds of each account and Region at all.
    pub proves_coverage: bool,
}

/// The columns that a table is partitioned by; none where it is not. Without them every query reads the whole archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionColumns {
    /// The column with the account id.
    pub account: Option<String>,
    /// The column with the Region.
    pub region: Option<String>,
    /// The column with the day of delivery, `2026/06/01`.
    pub day: Option<String>,
    /// What stands between year, month and day; a slash where AWS's own layout is projected.
    pub day_separator: DaySeparator,
}

/// How a partition's day is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DaySeparator {
    /// `2026/06/01`.
    #[default]
    Slash,
    /// `2026-06-01`.
    Hyphen,
}

impl DaySeparator {
    fn as_str(self) -> &'static str {
        match self {
            Self::Slash => "/",
            Self::Hyphen => "-",
        }
    }
}

impl PartitionColumns {
    /// As partition projection is usually set up for the trail of an organization: `account`, `region`, `timestamp`.
    #[must_use]
    pub fn projected() -> Self {
        Self {
            account: Some("account".to_owned()),
            region: Some("region".to_owned()),
            day: Some("timestamp".to_owned()),
            day_separator: DaySeparator::Slash,
        }
    }
}

/// What is wanted of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSelection {
    /// The accounts; empty for all that the table holds.
    pub accounts: Vec<AccountId>,
    /// The Regions; empty for all that the table holds.
    pub regions: Vec<Region>,
    /// The time, by `eventTime`.
    pub period: Period,
}

/// What a table answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableAnswer {
    /// The events, spans and gaps.
    pub history: History,
    /// Bytes that AWS says it scanned, which is what it charges for; of all queries together.
    pub bytes_scanned: u64,
    /// Ids of the queries, as they stand in AWS's own list of queries.
    pub queries: Vec<String>,
}

#[cfg(test)]
mod tests;
