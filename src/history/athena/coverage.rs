//! What of a table was looked at, and what it cannot tell.
//!
//! In: the selection, and of which accounts and Regions anything came, on which days. Out: spans for what is there, gaps
//! for what is not: an account without any event is one that the trail does not record, and a day without any, between
//! others, one whose log files are missing. A table has no digests, so nothing in it proves that a day was silent; where
//! another source saw that day, it is known from there.

use std::collections::{BTreeMap, BTreeSet};

use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime};

use super::TableSelection;
use crate::collect::{CallError, Scope};
use crate::history::{HistoryCoverage, HistoryGap, HistorySource, Period, Span};
use crate::inventory::{AccountId, Affects, GapCause, Region};

/// A place in which nothing happens for so long is not believed: AWS's own services call every day.
const SILENCE: Duration = Duration::hours(24);

/// When events of a place came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    first: OffsetDateTime,
    last: OffsetDateTime,
    /// The days, in UTC, on which any came.
    days: BTreeSet<Date>,
}

impl Seen {
    /// The days within a period on which nothing came; those that follow each other as one.
    fn silent(&self, within: Period) -> Vec<Period> {
        let mut silent: Vec<Period> = Vec::new();
        let mut date = Some(within.from.date());
        while let Some(day) = date.filter(|day| day.midnight().assume_utc() < within.to) {
            let from = day.midnight().assume_utc();
            let to = from.saturating_add(Duration::DAY);
            if from >= within.from && to <= within.to && !self.days.contains(&day) {
                match silent.last_mut() {
                    Some(last) if last.to == from => last.to = to,
                    _ => silent.push(Period { from, to }),
                }
            }
            date = day.next_day();
        }
        silent
    }
}

/// When events came, by account and Region.
pub(super) type Presence = BTreeMap<(AccountId, Region), Seen>;

/// A table that is asked: whose spans and gaps these are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) scope: &'a Scope,
    pub(super) source: HistorySource,
    /// The table, for gaps.
    pub(super) table: &'a str,
    pub(super) wanted: &'a TableSelection,
}

impl Asked<'_> {
    /// A gap over the whole period.
    pub(super) fn gap(&self, error: CallError) -> HistoryGap {
        self.gap_over(error, self.wanted.period)
    }

    fn gap_over(&self, error: CallError, period: Period) -> HistoryGap {
        HistoryGap {
            source: self.source,
            subject: Some(self.table.to_owned()),
            from: Some(period.from),
            to: Some(period.to),
            gap: error.gap(self.scope, Affects::Details),
        }
    }

    /// Spans for everything that was asked for, because nobody wants to know better.
    pub(super) fn assumed(&self) -> HistoryCoverage {
        let accounts: Vec<Option<&AccountId>> = or_none(&self.wanted.accounts);
        let regions: Vec<Option<&Region>> = or_none(&self.wanted.regions);
        let period = self.wanted.period;
        let places = accounts.iter().flat_map(|account| regions.iter().map(move |region| (*account, *region)));
        let spans = places.map(|(account, region)| self.span(account, region, period)).collect();
        HistoryCoverage { spans, gaps: Vec::new() }
    }

    /// Spans for what is there, and gaps for what was asked for and is not.
    pub(super) fn proven(&self, presence: &Presence, action: &'static str) -> HistoryCoverage {
        let mut coverage = HistoryCoverage::default();
        let Period { from, to } = self.wanted.period;
        let silent = |account: &AccountId, region: &Region, period: Period| {
            let message = format!(
                "the table holds no event of {account} in {region} in this time, of no kind; check that the trail \
                 records them, that the partitions reach there, and that no log files are missing"
            );
            let cause = GapCause::Service { code: HistoryGap::SILENT.to_owned(), message };
            let mut gap = self.gap_over(CallError { action, code: String::new(), cause }, period);
            gap.gap.account = account.clone();
            gap.gap.region = region.clone();
            gap
        };
        for ((account, region), seen) in presence {
            let begin = if seen.first - from > SILENCE { seen.first } else { from };
            let end = if to - seen.last > SILENCE { seen.last + Duration::SECOND } else { to };
            let mut holes = vec![Period { from, to: begin }];
            holes.extend(seen.silent(Period { from: begin, to: end }));
            holes.push(Period { from: end, to });
            for (before, after) in holes.iter().zip(holes.iter().skip(1)) {
                let known = Period { from: before.to, to: after.from };
                coverage.spans.push(self.span(Some(account), Some(region), known));
            }
            let holes = holes.into_iter().filter(|hole| hole.from < hole.to);
            coverage.gaps.extend(holes.map(|hole| silent(account, region, hole)));
        }
        for account in &self.wanted.accounts {
            let regions = self
                .wanted
                .regions
                .iter()
                .filter(|region| !presence.contains_key(&(account.clone(), (*region).clone())));
            coverage.gaps.extend(regions.map(|region| silent(account, region, Period { from, to })));
            let anywhere = presence.keys().any(|(of, _)| of == account);
            if self.wanted.regions.is_empty() && !anywhere {
                coverage.gaps.push(silent(account, &Region::GLOBAL, Period { from, to }));
            }
        }
        coverage
    }

    fn span(&self, account: Option<&AccountId>, region: Option<&Region>, period: Period) -> Span {
        Span {
            source: self.source,
            account: account.cloned(),
            region: region.cloned(),
            subject: None,
            from: period.from,
            to: period.to,
        }
    }
}

fn or_none<T>(items: &[T]) -> Vec<Option<&T>> {
    if items.is_empty() { vec![None] } else { items.iter().map(Some).collect() }
}

/// A row of the query for presence; `None` for one that cannot be read.
pub(super) fn presence_row(row: &[Option<&str>]) -> Option<((AccountId, Region), Seen)> {
    let [Some(account), region, Some(first), Some(last), Some(days)] = row else { return None };
    let region = region.and_then(|name| name.parse().ok()).unwrap_or(Region::GLOBAL);
    let day = |text: &str| Date::parse(text, format_description!("[year]-[month]-[day]")).ok();
    let days = days.split(',').map(day).collect::<Option<_>>()?;
    Some(((account.parse().ok()?, region), Seen { first: moment(first)?, last: moment(last)?, days }))
}

fn moment(text: &str) -> Option<OffsetDateTime> {
    let text = crate::history::event_columns::time(text);
    OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339).ok()
}
