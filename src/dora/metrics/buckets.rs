//! Days and weeks: the course of a group over the window.
//!
//! In: pools of a group. Out: one [`Bucket`] for each day and ISO week, empty ones too. What nobody looked at has no
//! numbers, and what was looked at and is empty has zeros.

use std::collections::BTreeMap;

use super::lead_time::lead_time;
use super::pool::{Pool, ended, is_delivery, is_failed_change};
use super::statistics::Sample;
use super::window::{Cell, Window, index_in};
use crate::dora::{Bucket, BucketLength};

/// Pools of the three metrics that buckets show.
#[derive(Debug)]
pub(super) struct Course<'a> {
    /// For deployment frequency.
    deployments: Pool<'a>,
    /// For change fail rate.
    failures: Pool<'a>,
    /// For change lead time; none for the organization, which has no lead time.
    changes: Option<Pool<'a>>,
}

impl<'a> Course<'a> {
    /// Counts are of the services that were seen the whole time, if there are any; lead times are of all that is known.
    pub(super) fn of(deployments: &Pool<'a>, failures: &Pool<'a>, changes: Option<Pool<'a>>) -> Self {
        Self { deployments: deployments.steady(), failures: failures.steady(), changes }
    }
}

/// Days, then weeks.
pub(super) fn buckets(course: &Course<'_>, window: &Window) -> Vec<Bucket> {
    let days = of_length(course, window, BucketLength::Day, &window.days);
    days.into_iter().chain(of_length(course, window, BucketLength::Week, &window.weeks)).collect()
}

fn of_length(course: &Course<'_>, window: &Window, length: BucketLength, cells: &[Cell]) -> Vec<Bucket> {
    let tally = |moments: &mut dyn Iterator<Item = time::OffsetDateTime>| {
        let mut counts: BTreeMap<usize, u64> = BTreeMap::new();
        for index in moments.filter_map(|moment| index_in(cells, moment)) {
            *counts.entry(index).or_default() += 1;
        }
        counts
    };
    let (completed, _) = course.failures.settled_changes();
    let deployed = tally(&mut course.deployments.deployments().filter(|d| is_delivery(d)).map(ended));
    let failing = completed.iter().filter(|deployment| is_failed_change(deployment, course.failures.options));
    let failed = tally(&mut failing.map(|deployment| ended(deployment)));
    let completed = tally(&mut completed.iter().map(|deployment| ended(deployment)));
    let mut leads: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for change in course.changes.iter().flat_map(Pool::observed_changes) {
        if let Some((index, seconds)) = index_in(cells, change.deployed).zip(lead_time(change)) {
            leads.entry(index).or_default().push(seconds);
        }
    }
    let looked_at = |pool: &Pool<'_>, cell: &Cell| {
        let (from, to) = window.cut(cell);
        !pool.measured.is_empty() && pool.shared.cover(from, to)
    };
    let count = |counts: &BTreeMap<usize, u64>, index| counts.get(&index).copied().unwrap_or_default();
    let bucket = |(index, cell): (usize, &Cell)| {
        let is_observed = looked_at(&course.deployments, cell);
        let judged = is_observed && looked_at(&course.failures, cell);
        let leads = leads.get(&index).filter(|_| is_observed);
        Bucket {
            length,
            day: cell.day.clone(),
            from: cell.from,
            to: cell.to,
            is_partial: cell.is_partial,
            is_observed,
            deployments: is_observed.then(|| count(&deployed, index)),
            failed: judged.then(|| count(&failed, index)),
            completed: judged.then(|| count(&completed, index)),
            lead_time_median_seconds: leads.and_then(|leads| leads.iter().copied().collect::<Sample>().median()),
        }
    };
    cells.iter().enumerate().map(bucket).collect()
}
