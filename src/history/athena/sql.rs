//! The SQL: one question in two dialects.
//!
//! In: a table and what is wanted of it. Out: statements of Athena (Trino) or CloudTrail Lake (Presto), which follow from
//! [`EVENTS`]. Every name and text that goes in is quoted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use time::{Duration, OffsetDateTime};

use super::{AthenaTable, TableSelection};
use crate::history::EVENTS;

/// Columns of an answer with events, in both dialects.
pub(super) const EVENT_COLUMNS: &[&str] = &[
    "eventid",
    "eventtime",
    "eventsource",
    "eventname",
    "awsregion",
    "recipientaccountid",
    "useridentity",
    "sourceipaddress",
    "useragent",
    "errorcode",
    "requestid",
    "readonly",
    "requestparameters",
    "responseelements",
    "additionaleventdata",
];

/// Members of an identity that Lake is asked for: its table is AWS's own and has them all.
const LAKE_IDENTITY: &[&str] = &[
    "type",
    "principalid",
    "arn",
    "accountid",
    "username",
    "invokedby",
    "onbehalfof.userid",
    "sessioncontext.sourceidentity",
    "sessioncontext.sessionissuer.arn",
];

/// Which SQL is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Athena: `eventtime` is text as CloudTrail writes it; parameters are JSON in a text; a struct becomes a JSON
    /// object by a cast (engine version 3).
    Athena,
    /// Lake: `eventtime` is a timestamp; parameters are maps of texts.
    Lake,
}

/// What a statement reads from: the name as quoted, and what its partitions say of the selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    dialect: Dialect,
    name: String,
    conditions: Vec<String>,
}

impl Source {
    /// A table of Athena.
    pub(super) fn table(table: &AthenaTable, wanted: &TableSelection) -> Self {
        let columns = &table.partitions;
        let column =
            |name: Option<&String>, plain: &str| name.map_or_else(|| plain.to_owned(), |name| identifier(name));
        let mut conditions = of_places(
            wanted,
            &column(columns.account.as_ref(), "recipientaccountid"),
            &column(columns.region.as_ref(), "awsregion"),
        );
        if let Some(name) = &columns.day {
            let separator = columns.day_separator.as_str();
            // Partitions are days of delivery, and a file holds events of any time before.
            let (from, to) = (day(wanted.period.from, separator), day(wanted.period.to + Duration::DAY, separator));
            conditions.push(format!("{} BETWEEN {} AND {}", identifier(name), literal(&from), literal(&to)));
        }
        let name = format!("{}.{}", identifier(&table.database), identifier(&table.table));
        Self { dialect: Dialect::Athena, name, conditions }
    }

    /// An event data store, by an id that is known to be one.
    pub(super) fn store(id: &str, wanted: &TableSelection) -> Self {
        let conditions = of_places(wanted, "recipientaccountid", "awsregion");
        Self { dialect: Dialect::Lake, name: id.to_owned(), conditions }
    }

    /// Asks for the events that are read.
    pub(super) fn events(&self, wanted: &TableSelection) -> String {
        let columns: Vec<String> = EVENT_COLUMNS.iter().map(|column| self.column(column)).collect();
        let mut conditions = self.conditions(wanted);
        let mut names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for event in EVENTS {
            names.entry(event.source).or_default().push(literal(event.name));
        }
        let names: Vec<String> = names
            .iter()
            .map(|(source, names)| format!("eventsource = {} AND eventname IN ({})", literal(source), names.join(", ")))
            .collect();
        conditions.push(format!("(({}))", names.join(") OR (")));
        format!("SELECT {} FROM {} WHERE {}", columns.join(", "), self.name, conditions.join(" AND "))
    }

    /// Asks of which accounts and Regions anything at all came, when first and last, and on which days: one row a place,
    /// however long the time is.
    pub(super) fn presence(&self, wanted: &TableSelection) -> String {
        let day = match self.dialect {
            Dialect::Athena => "substr(eventtime, 1, 10)",
            Dialect::Lake => "date_format(eventtime, '%Y-%m-%d')",
        };
        format!(
            "SELECT recipientaccountid, awsregion, min(eventtime) AS first, max(eventtime) AS last, \
             array_join(array_sort(array_agg(DISTINCT {day})), ',') AS days FROM {} WHERE {} \
             GROUP BY recipientaccountid, awsregion",
            self.name,
            self.conditions(wanted).join(" AND ")
        )
    }

    fn column(&self, column: &str) -> String {
        match (self.dialect, column) {
            (Dialect::Athena, "useridentity") => format!("json_format(CAST({column} AS JSON)) AS {column}"),
            (Dialect::Lake, "useridentity") => {
                // A cast of the struct itself would lose the names of its members in Presto.
                let names: Vec<String> = LAKE_IDENTITY.iter().map(|name| literal(name)).collect();
                let values: Vec<String> = LAKE_IDENTITY.iter().map(|name| format!("{column}.{name}")).collect();
                let map = format!("MAP(ARRAY[{}], ARRAY[{}])", names.join(", "), values.join(", "));
                format!("json_format(CAST({map} AS JSON)) AS {column}")
            }
            (Dialect::Lake, "requestparameters" | "responseelements" | "additionaleventdata") => {
                format!("json_format(CAST({column} AS JSON)) AS {column}")
            }
            _ => column.to_owned(),
        }
    }

    fn conditions(&self, wanted: &TableSelection) -> Vec<String> {
        let mut conditions = self.conditions.clone();
        // A begun second counts: what lies outside of the period is left out afterwards.
        let to = wanted.period.to + Duration::nanoseconds(999_999_999);
        for (sign, time) in [(">=", wanted.period.from), ("<", to)] {
            conditions.push(format!("eventtime {sign} {}", literal(&self.moment(time))));
        }
        conditions
    }

    fn moment(&self, time: OffsetDateTime) -> String {
        let time = time.to_offset(time::UtcOffset::UTC);
        let (hour, minute, second) = time.to_hms();
        let (between, end) = if self.dialect == Dialect::Athena { ("T", "Z") } else { (" ", "") };
        format!("{}{between}{hour:02}:{minute:02}:{second:02}{end}", day(time, "-"))
    }
}

fn of_places(wanted: &TableSelection, account: &str, region: &str) -> Vec<String> {
    let one_of = |column: &str, values: Vec<String>| {
        (!values.is_empty()).then(|| format!("{column} IN ({})", values.join(", ")))
    };
    let accounts = one_of(account, wanted.accounts.iter().map(|id| literal(id.as_str())).collect());
    let regions = one_of(region, wanted.regions.iter().map(|name| literal(name.as_str())).collect());
    accounts.into_iter().chain(regions).collect()
}

/// `2026/06/01`, in UTC.
fn day(time: OffsetDateTime, separator: &str) -> String {
    let date = time.to_offset(time::UtcOffset::UTC).date();
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write!(text, "{:04}{separator}{:02}{separator}{:02}", date.year(), u8::from(date.month()), date.day());
    text
}

/// A text in SQL.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name in SQL.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
