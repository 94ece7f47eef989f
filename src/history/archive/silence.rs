//! From when to when an account and Region is known.
//!
//! In: when log files were delivered, and the digests. Out: spans and gaps. An hour with a digest is known, whether log
//! files came in it or not. Without digests, silence and a hole look alike; then it is known from the day of the first
//! file to the last file, except where no file came for longer than [`LONGEST_SILENCE`].

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::digest::Digest;
use super::layout::Days;
use crate::history::{NOT_YET, Period};
use crate::inventory::GapCause;

/// How long no file may come before it is taken for a hole where no digest tells. A Region in use delivers every few
/// minutes; one that is not, hardly ever, and then nothing proves that its trail was on.
const LONGEST_SILENCE: Duration = Duration::DAY;

/// What is known of an account and Region.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Sorted, apart from each other, within the period.
    pub(super) spans: Vec<Period>,
    pub(super) gaps: Vec<(Period, GapCause)>,
}

impl Known {
    /// Of the period. `delivered` are the times of log files, `digests` those that can be believed.
    pub(super) fn of(period: Period, delivered: &[OffsetDateTime], digests: &[&Digest]) -> Self {
        let mut hours: Vec<Period> = digests.iter().map(|digest| digest.period).collect();
        hours.sort();
        let mut delivered = delivered.to_vec();
        delivered.sort();
        let mut spans = joined(&hours);
        let bounds = spans.first().map(|first| first.from).zip(spans.last().map(|last| last.to));
        if let Some((begin, end)) = bounds {
            // Between digests only digests count. Before the first and after the last, as if there were none.
            let mut head: Vec<OffsetDateTime> = delivered.iter().copied().filter(|time| *time < begin).collect();
            if let Some(first) = head.first().copied() {
                head.push(begin);
                spans.extend(stretches(&head, first.date().midnight().assume_utc()));
            }
            let tail: Vec<OffsetDateTime> =
                std::iter::once(end).chain(delivered.iter().copied().filter(|time| *time >= end)).collect();
            spans.extend(stretches(&tail, end));
        } else if let Some(first) = delivered.first() {
            spans.extend(stretches(&delivered, first.date().midnight().assume_utc()));
        }
        spans.sort();
        let spans: Vec<Period> = joined(&spans)
            .into_iter()
            .map(|span| Period { from: span.from.max(period.from), to: span.to.min(period.to) })
            .filter(|span| span.from < span.to)
            .collect();
        let gaps = holes(period, &spans)
            .into_iter()
            .map(|hole| (hole, cause(hole, !hours.is_empty(), delivered.is_empty())))
            .collect();
        Self { spans, gaps }
    }
}

/// Files that came within [`LONGEST_SILENCE`] of each other; the first stretch begins earlier.
fn stretches(delivered: &[OffsetDateTime], begin: OffsetDateTime) -> Vec<Period> {
    let mut stretches: Vec<Period> = Vec::new();
    for time in delivered {
        match stretches.last_mut() {
            Some(last) if *time - last.to <= LONGEST_SILENCE => last.to = *time,
            Some(_) => stretches.push(Period { from: *time, to: *time }),
            None => stretches.push(Period { from: begin, to: *time }),
        }
    }
    stretches
}

/// Sorted periods, those made one that touch.
fn joined(sorted: &[Period]) -> Vec<Period> {
    let mut joined: Vec<Period> = Vec::new();
    for period in sorted {
        match joined.last_mut() {
            Some(last) if period.from <= last.to => last.to = last.to.max(period.to),
            _ => joined.push(*period),
        }
    }
    joined
}

/// The parts of a period that no span covers.
fn holes(period: Period, spans: &[Period]) -> Vec<Period> {
    let mut holes = Vec::new();
    let mut from = period.from;
    for span in spans {
        if span.from > from {
            holes.push(Period { from, to: span.from });
        }
        from = from.max(span.to);
    }
    // The end of the period is not a hole yet where there was something up to shortly before it.
    if from < period.to && (spans.is_empty() || period.to - from > NOT_YET) {
        holes.push(Period { from, to: period.to });
    }
    holes
}

fn cause(hole: Period, digests: bool, empty: bool) -> GapCause {
    let [from, to] = [hole.from, hole.to].map(|time| time.format(&Rfc3339).unwrap_or_default());
    if digests {
        return GapCause::OutsideOrganization {
            message: format!(
                "the archive has no digest and no log file from {from} to {to}: logging was off, or files are missing"
            ),
        };
    }
    let what = if empty { "no log file" } else { "no log file for more than a day or at an end" };
    GapCause::NotConfigured {
        message: format!(
            "the archive has {what} from {from} to {to} and no digest that proves silence; switch on log file \
             validation of the trail (EnableLogFileValidation), or copy `CloudTrail-Digest/` too"
        ),
    }
}

/// The days that are listed hold every log file of a digest that begins in them.
pub(super) fn is_listed_whole(digest: &Digest, days: Days) -> bool {
    digest.period.from >= days.begin() && days.contain(digest.period.to)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const PERIOD: Period = Period { from: datetime!(2026-06-01 0:00 UTC), to: datetime!(2026-06-11 0:00 UTC) };

    #[test]
    fn without_digests_only_what_lies_between_files_is_known() {
        let delivered = [
            datetime!(2026-06-02 10:00 UTC),
            datetime!(2026-06-03 09:00 UTC),
            datetime!(2026-06-06 09:00 UTC),
            datetime!(2026-06-06 10:00 UTC),
        ];
        let known = Known::of(PERIOD, &delivered, &[]);
        assert_eq!(
            known.spans,
            [
                Period { from: datetime!(2026-06-02 0:00 UTC), to: datetime!(2026-06-03 09:00 UTC) },
                Period { from: datetime!(2026-06-06 09:00 UTC), to: datetime!(2026-06-06 10:00 UTC) },
            ]
        );
        assert_eq!(known.gaps.len(), 3);
    }

    #[test]
    fn an_archive_without_files_knows_nothing() {
        let known = Known::of(PERIOD, &[], &[]);
        assert_eq!((known.spans.len(), known.gaps.len()), (0, 1));
        assert_eq!(known.gaps[0].0, PERIOD);
    }
}
