//! The window, cut into days and weeks of a time zone.
//!
//! In: options. Out: calendar days and ISO weeks that the window touches, empty ones too. A day has 23 or 25 hours where
//! the clocks change; a day or week that the window cuts says so, and no median per week counts it.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use time::OffsetDateTime;

use super::intervals::Intervals;
use super::statistics::seconds;
use crate::dora::Options;

/// A calendar day or ISO week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    /// Its first day in the time zone.
    pub(super) day: String,
    /// When it begins.
    pub(super) from: OffsetDateTime,
    /// When it ends, exclusive.
    pub(super) to: OffsetDateTime,
    /// Whether the window cuts it.
    pub(super) is_partial: bool,
}

/// The window that is measured.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// Begin, inclusive.
    pub(super) from: OffsetDateTime,
    /// End, exclusive: the moment that "now" is.
    pub(super) to: OffsetDateTime,
    /// Days that it touches.
    pub(super) days: Vec<Cell>,
    /// ISO weeks that it touches.
    pub(super) weeks: Vec<Cell>,
}

impl Window {
    /// The window of `options`.
    pub(super) fn of(options: &Options) -> Self {
        let (from, to) = (options.from(), options.as_of);
        let zone = &options.time_zone;
        Self { from, to, days: cells(from, to, zone, 1), weeks: cells(from, to, zone, 7) }
    }

    /// Whether a moment lies in it.
    pub(super) fn contains(&self, moment: OffsetDateTime) -> bool {
        self.from <= moment && moment < self.to
    }

    /// Its length in days of 24 hours.
    pub(super) fn length_in_days(&self) -> f64 {
        seconds(self.from, self.to) / 86_400.0
    }

    /// As intervals.
    pub(super) fn whole(&self) -> Intervals {
        Intervals::one(self.from, self.to)
    }

    /// The part of a cell that lies in the window.
    pub(super) fn cut(&self, cell: &Cell) -> (OffsetDateTime, OffsetDateTime) {
        (cell.from.max(self.from), cell.to.min(self.to))
    }
}

/// Index of the cell that a moment lies in.
pub(super) fn index_in(cells: &[Cell], moment: OffsetDateTime) -> Option<usize> {
    let index = cells.partition_point(|cell| cell.from <= moment).checked_sub(1)?;
    cells.get(index).filter(|cell| moment < cell.to).map(|_| index)
}

fn cells(from: OffsetDateTime, to: OffsetDateTime, zone: &TimeZone, days: i64) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut day = first_day(from, zone, days);
    while let Some(this) = day {
        let next = this.checked_add(days.days()).ok();
        let bounds = begin(this, zone).zip(next.and_then(|next| begin(next, zone)));
        let Some((begins, ends)) = bounds else { break };
        if begins >= to {
            break;
        }
        // A day that a zone left out (Samoa, 30 December 2011) has no length.
        if begins < ends && from < ends {
            let is_partial = begins < from || to < ends;
            cells.push(Cell { day: this.to_string(), from: begins, to: ends, is_partial });
        }
        day = next;
    }
    cells
}

fn first_day(from: OffsetDateTime, zone: &TimeZone, days: i64) -> Option<Date> {
    let timestamp = Timestamp::from_nanosecond(from.unix_timestamp_nanos()).ok()?;
    let day = zone.to_datetime(timestamp).date();
    let back = if days == 7 { i64::from(day.weekday().to_monday_zero_offset()) } else { 0 };
    day.checked_sub(back.days()).ok()
}

/// The first moment of a day; behind the gap where the clocks jump at midnight.
fn begin(day: Date, zone: &TimeZone) -> Option<OffsetDateTime> {
    let timestamp = zone.to_timestamp(DateTime::from_parts(day, Time::midnight())).ok()?;
    OffsetDateTime::from_unix_timestamp_nanos(timestamp.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    fn window(as_of: OffsetDateTime, length: &str, zone: &str) -> Window {
        Window::of(&Options::at(as_of).with_window(length).unwrap().with_time_zone(zone).unwrap())
    }

    #[test]
    fn four_weeks_from_monday_are_four_whole_weeks() {
        let window = window(datetime!(2026-06-29 0:00 UTC), "28d", "UTC");
        assert_eq!(window.days.len(), 28);
        assert_eq!(window.weeks.len(), 4);
        assert!(window.days.iter().chain(&window.weeks).all(|cell| !cell.is_partial));
        assert_eq!(window.weeks.first().unwrap().day, "2026-06-01");
    }

    #[test]
    fn a_window_that_begins_within_a_day_cuts_the_first_and_last_cells() {
        let window = window(datetime!(2026-06-29 0:00 UTC), "28d", "+09:00");
        assert_eq!(window.days.len(), 29);
        assert_eq!(window.weeks.len(), 5);
        let partial = |cells: &[Cell]| cells.iter().map(|cell| cell.is_partial).collect::<Vec<_>>();
        assert_eq!(partial(&window.weeks), [true, false, false, false, true]);
        assert_eq!(partial(&window.days).iter().filter(|is| **is).count(), 2);
        assert_eq!(window.days.first().unwrap().from, datetime!(2026-05-31 15:00 UTC));
    }

    #[test]
    fn days_have_twenty_three_and_twenty_five_hours_where_the_clocks_change() {
        let hours = |window: &Window, day: &str| {
            let cell = window.days.iter().find(|cell| cell.day == day).unwrap();
            (cell.to - cell.from).whole_hours()
        };
        let spring = window(datetime!(2026-04-10 0:00 UTC), "20d", "Europe/Berlin");
        assert_eq!(hours(&spring, "2026-03-28"), 24);
        assert_eq!(hours(&spring, "2026-03-29"), 23);
        let autumn = window(datetime!(2026-11-05 0:00 UTC), "20d", "Europe/Berlin");
        assert_eq!(hours(&autumn, "2026-10-25"), 25);
        // Where the clocks jump at midnight, the day begins at one.
        let beirut = window(datetime!(2026-04-05 0:00 UTC), "10d", "Asia/Beirut");
        assert_eq!(hours(&beirut, "2026-03-29"), 23);
    }

    #[test]
    fn a_day_that_never_was_is_no_bucket() {
        let samoa = window(datetime!(2012-01-03 0:00 UTC), "7d", "Pacific/Apia");
        assert!(samoa.days.iter().all(|cell| cell.day != "2011-12-30"));
        assert!(samoa.days.windows(2).all(|pair| pair[0].to == pair[1].from));
    }

    proptest! {
        #[test]
        fn every_moment_of_the_window_is_in_exactly_one_day_and_week(
            start in 1_500_000_000i64..1_900_000_000, hours in 1u64..3_000, part in 0u64..1_000_000,
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "-11:00", "Australia/Lord_Howe"]),
        ) {
            let as_of = OffsetDateTime::from_unix_timestamp(start).unwrap();
            let window = window(as_of, &format!("{hours}h"), zone);
            let offset = i64::try_from(part % (hours * 3600)).unwrap();
            let moment = window.from + time::Duration::seconds(offset);
            for cells in [&window.days, &window.weeks] {
                let holding = cells.iter().filter(|cell| cell.from <= moment && moment < cell.to).count();
                prop_assert_eq!(holding, 1);
                prop_assert!(index_in(cells, moment).is_some());
                prop_assert!(cells.windows(2).all(|pair| pair[0].to == pair[1].from));
            }
            prop_assert!(window.days.iter().skip(1).rev().skip(1).all(|cell| !cell.is_partial));
        }
    }
}
