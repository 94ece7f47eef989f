//! One look at one place: what a source asked there, from when to when, and what kept it from seeing more.
//!
//! In: a scope, a source and a subject. Out: spans and gaps that name them, and lists that AWS answers newest first, read
//! back only as far as they are wanted. It exists so that all sources say what they saw in the same way.

use std::future::Future;

use time::{Duration, OffsetDateTime};

use super::{HistoryGap, HistorySource, Period, Question, Span};
use crate::collect::{CallError, Scope, pages_until};
use crate::inventory::{Affects, GapCause};

/// The code of the gap over what AWS no longer keeps.
pub(super) const EXPIRED: &str = HistoryGap::EXPIRED;

/// Where a source looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) scope: &'a Scope,
    pub(super) source: HistorySource,
    /// As in [`Span::subject`].
    pub(super) subject: Option<&'a str>,
}

impl Look<'_> {
    /// What is still unknown here.
    pub(super) fn missing(&self, question: &Question<'_>) -> Vec<Period> {
        let Self { scope, source, subject } = self;
        question.known.missing(*source, &scope.account, &scope.region, *subject, question.period)
    }

    /// That this period was looked at.
    pub(super) fn span(&self, period: Period) -> Span {
        Span {
            source: self.source,
            account: Some(self.scope.account.clone()),
            region: Some(self.scope.region.clone()),
            subject: self.subject.map(str::to_owned),
            from: period.from,
            to: period.to,
        }
    }

    /// That a call kept this period from being seen.
    pub(super) fn gap(&self, error: CallError, period: Period) -> HistoryGap {
        HistoryGap {
            source: self.source,
            subject: self.subject.map(str::to_owned),
            from: Some(period.from),
            to: Some(period.to),
            gap: error.gap(self.scope, Affects::Details),
        }
    }

    /// That AWS no longer keeps this period. `kept` says how long it does, and what it is.
    pub(super) fn expired(&self, action: &'static str, period: Period, kept: &str) -> HistoryGap {
        self.gap(unseen(action, EXPIRED, format!("{kept}; what is older can only come from an earlier run")), period)
    }
}

/// An answer of AWS in this tool's words: nothing was refused, but something was not to be seen.
pub(super) fn unseen(action: &'static str, code: &str, message: impl Into<String>) -> CallError {
    let cause = GapCause::Service { code: code.to_owned(), message: message.into() };
    CallError { action, code: code.to_owned(), cause }
}

/// Periods before `floor`, and periods from it on.
pub(super) fn split(periods: Vec<Period>, floor: OffsetDateTime) -> (Vec<Period>, Vec<Period>) {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for Period { from, to } in periods {
        if from < floor {
            before.push(Period { from, to: to.min(floor) });
        }
        if to > floor {
            after.push(Period { from: from.max(floor), to });
        }
    }
    (before, after)
}

/// The floor of what AWS keeps for `kept`, on a whole day so that gaps of one day are the same gap.
pub(super) fn floor(asked: OffsetDateTime, kept: Duration) -> OffsetDateTime {
    // Nobody asks in the first year of the calendar; then nothing has expired.
    let floor = asked.checked_sub(kept).unwrap_or(asked);
    let day = floor.replace_time(time::Time::MIDNIGHT);
    day.checked_add(Duration::DAY).unwrap_or(floor)
}

/// A list that AWS answers newest first, as far back as it was read.
#[derive(Debug)]
pub(super) struct ReadBack<T> {
    pub(super) items: Vec<T>,
    /// Everything from here on was seen.
    pub(super) reached: OffsetDateTime,
    /// Why it was not read further back.
    pub(super) error: Option<CallError>,
}

/// Reads a list back to the beginning of `wanted`. `more` says of all items that came whether older ones are wanted all
/// the same. AWS documents no order for most of these lists: one that turns out to have another is read to its end.
pub(super) async fn read_back<T, A, F, M>(
    action: &'static str,
    wanted: Period,
    time_of: fn(&T) -> Option<OffsetDateTime>,
    ask: A,
    more: M,
) -> ReadBack<T>
where
    A: Fn(Option<String>) -> F,
    F: Future<Output = Result<(Vec<T>, Option<String>), CallError>>,
    M: Fn(&[T]) -> bool,
{
    let listed = pages_until(action, ask, |items| {
        oldest(items, time_of).is_some_and(|oldest| oldest < wanted.from) && !more(items)
    })
    .await;
    let reached = match (&listed.error, oldest(&listed.items, time_of)) {
        (None, _) => wanted.from,
        (Some(_), Some(oldest)) => oldest.clamp(wanted.from, wanted.to),
        (Some(_), None) => wanted.to,
    };
    ReadBack { items: listed.items, reached, error: listed.error }
}

/// The time of the last item, if the items come newest first.
fn oldest<T>(items: &[T], time_of: fn(&T) -> Option<OffsetDateTime>) -> Option<OffsetDateTime> {
    let mut last = None;
    for time in items.iter().filter_map(time_of) {
        if last.is_some_and(|last| time > last) {
            return None;
        }
        last = Some(time);
    }
    last
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use time::macros::datetime;

    use super::*;

    fn day(day: i64) -> OffsetDateTime {
        datetime!(2026-06-01 0:00 UTC) + Duration::days(day - 1)
    }

    async fn read(pages: &[&[i64]], fails_at: Option<usize>) -> (ReadBack<i64>, usize) {
        let asked = AtomicUsize::new(0);
        let ask = |token: Option<String>| {
            let nth: usize = token.map_or(0, |token| token.parse().unwrap());
            asked.fetch_add(1, Ordering::SeqCst);
            let next = (nth + 1 < pages.len()).then(|| (nth + 1).to_string());
            let page = if fails_at == Some(nth) {
                Err(CallError::malformed("codepipeline:ListPipelineExecutions", "x"))
            } else {
                Ok((pages[nth].to_vec(), next))
            };
            async move { page }
        };
        let wanted = Period { from: day(10), to: day(30) };
        let read = read_back("codepipeline:ListPipelineExecutions", wanted, |n| Some(day(*n)), ask, |_| false).await;
        (read, asked.into_inner())
    }

    #[tokio::test]
    async fn a_list_is_read_only_as_far_back_as_it_is_wanted() {
        let (read_to, asked) = read(&[&[28, 20], &[12, 9], &[8, 7]], None).await;
        assert_eq!((read_to.items.len(), read_to.reached, asked), (4, day(10), 2));
        let (disordered, asked) = read(&[&[9, 20], &[8, 7], &[25]], None).await;
        assert_eq!((disordered.items.len(), disordered.reached, asked), (5, day(10), 3));
    }

    #[tokio::test]
    async fn an_error_says_how_far_it_was_seen() {
        let (broken, _) = read(&[&[28, 20], &[12, 9]], Some(1)).await;
        assert_eq!((broken.reached, broken.error.is_some()), (day(20), true));
        let (never, _) = read(&[&[28, 20]], Some(0)).await;
        assert_eq!(never.reached, day(30));
        let (disordered, _) = read(&[&[20, 28], &[1]], Some(1)).await;
        assert_eq!(disordered.reached, day(30));
    }

    #[test]
    fn what_expired_is_split_off() {
        let periods = vec![Period { from: day(1), to: day(3) }, Period { from: day(4), to: day(9) }];
        let (before, after) = split(periods, day(5));
        assert_eq!(before, [Period { from: day(1), to: day(3) }, Period { from: day(4), to: day(5) }]);
        assert_eq!(after, [Period { from: day(5), to: day(9) }]);
        assert_eq!(floor(datetime!(2026-06-20 13:07 UTC), Duration::days(14)), day(7));
    }
}
