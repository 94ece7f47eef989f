//! How much of the window each source has seen.
//!
//! In: the coverage of a history. Out: one [`Seen`] per source: at how many places (account, Region, subject) it was asked,
//! which share of the window it saw there, and how many gaps it has. A place of which there is only a gap counts as not
//! seen at all.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::numbers::float;
use crate::dora::Measurements;
use crate::history::HistorySource;
use crate::inventory::{AccountId, Region};

/// What a source has seen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    /// The source.
    pub(super) source: HistorySource,
    /// Places that it was asked at.
    pub(super) places: u64,
    /// Share of the window times places that it saw, 0 to 1.
    pub(super) share: f64,
    /// Gaps.
    pub(super) gaps: u64,
    /// When the first thing that it saw began, not before the window.
    pub(super) from: Option<OffsetDateTime>,
}

type Place<'a> = (&'a str, &'a str, &'a str);

#[derive(Default)]
struct Places<'a> {
    spans: BTreeMap<Place<'a>, Vec<(OffsetDateTime, OffsetDateTime)>>,
    gaps: u64,
}

/// What could not be seen, each sentence once, with how often. What AWS no longer keeps is told by the shares.
pub(super) fn gaps(measurements: &Measurements) -> Vec<(String, usize)> {
    let mut sentences: Vec<(String, usize)> = Vec::new();
    for gap in measurements.coverage.gaps.iter().filter(|gap| !gap.is_expired()) {
        let sentence = format!("{}: {}", gap.source, gap.gap.sentence());
        match sentences.iter_mut().find(|(other, _)| *other == sentence) {
            Some((_, count)) => *count += 1,
            None => sentences.push((sentence, 1)),
        }
    }
    sentences
}

/// Of every source that was asked, in the order of [`HistorySource`].
pub(super) fn by_source(measurements: &Measurements) -> Vec<Seen> {
    let (from, to) = (measurements.from, measurements.as_of);
    let mut sources: BTreeMap<HistorySource, Places<'_>> = BTreeMap::new();
    for span in &measurements.coverage.spans {
        let place = (
            span.account.as_ref().map_or("", AccountId::as_str),
            span.region.as_ref().map_or("", Region::as_str),
            span.subject.as_deref().unwrap_or_default(),
        );
        let spans = sources.entry(span.source).or_default().spans.entry(place).or_default();
        let (begin, end) = (span.from.max(from), span.to.min(to));
        if begin < end {
            spans.push((begin, end));
        }
    }
    for gap in &measurements.coverage.gaps {
        let source = sources.entry(gap.source).or_default();
        source.gaps += 1;
        let place = (gap.gap.account.as_str(), gap.gap.region.as_str(), gap.subject.as_deref().unwrap_or_default());
        source.spans.entry(place).or_default();
    }
    sources.into_iter().map(|(source, places)| seen(source, places, measurements)).collect()
}

fn seen(source: HistorySource, places: Places<'_>, measurements: &Measurements) -> Seen {
    let window = (measurements.as_of - measurements.from).whole_seconds().max(1).unsigned_abs();
    let count = u64::try_from(places.spans.len()).unwrap_or(u64::MAX);
    let mut seconds = 0_u64;
    let mut first = None;
    for mut spans in places.spans.into_values() {
        spans.sort_unstable();
        let mut reached = measurements.from;
        for (begin, end) in spans {
            first = Some(first.map_or(begin, |first: OffsetDateTime| first.min(begin)));
            let begin = begin.max(reached);
            if begin < end {
                seconds = seconds.saturating_add((end - begin).whole_seconds().unsigned_abs());
                reached = end;
            }
        }
    }
    let whole = window.saturating_mul(count.max(1));
    Seen { source, places: count, share: float(seconds) / float(whole), gaps: places.gaps, from: first }
}
