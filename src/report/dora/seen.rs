//! How much of the window each source has seen.
//!
//! In: the coverage of a history. Out: one [`Seen`] per source: at how many places (account, Region, subject) it was asked,
//! which share of the window it saw there, and how many gaps it has. A place of which there is only a gap counts as not
//! seen at all.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use super::numbers::float;
use crate::dora::Measurements;
use crate::history::{HistoryGap, HistorySource};
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
    /// Gaps, without those over what AWS no longer keeps.
    pub(super) gaps: u64,
    /// Gaps over what AWS no longer keeps.
    pub(super) expired: u64,
    /// When the first thing that it saw began, not before the window.
    pub(super) from: Option<OffsetDateTime>,
}

impl Seen {
    /// Whether somebody should look why it has not seen more.
    pub(super) fn is_worrying(&self) -> bool {
        self.gaps > 0 || self.share < 0.995 && self.expired == 0
    }
}

type Place<'a> = (&'a str, &'a str, &'a str);

#[derive(Default)]
struct Places<'a> {
    spans: BTreeMap<Place<'a>, Vec<(OffsetDateTime, OffsetDateTime)>>,
    gaps: u64,
    expired: u64,
}

/// Gaps that tell the same of several places.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shared<'a> {
    /// The source.
    pub(super) source: HistorySource,
    /// What was asked, where, and why it could not be seen: `… in 22 places: access denied`.
    pub(super) sentence: String,
    /// From when on, if all of them say.
    pub(super) from: Option<OffsetDateTime>,
    /// Until when, if all of them say.
    pub(super) to: Option<OffsetDateTime>,
    /// What each of them is about; none: everything there.
    pub(super) subjects: BTreeSet<Option<&'a str>>,
}

/// Gaps of one source, action and cause as one, in the order in which they come first.
pub(super) fn together<'a>(gaps: impl Iterator<Item = &'a HistoryGap>) -> Vec<Shared<'a>> {
    let mut order: BTreeMap<(HistorySource, &str, String), usize> = BTreeMap::new();
    let mut same: Vec<(String, Vec<&HistoryGap>)> = Vec::new();
    for gap in gaps {
        let subject = gap.subject.as_deref().unwrap_or_default();
        let cause = blurred(&gap.gap.cause.to_string(), &gap.gap.account, &[subject]);
        let place = *order.entry((gap.source, &gap.gap.action, cause.clone())).or_insert(same.len());
        match same.get_mut(place) {
            Some((_, gaps)) => gaps.push(gap),
            None => same.push((cause, vec![gap])),
        }
    }
    same.into_iter().filter_map(|(cause, gaps)| shared(&cause, &gaps)).collect()
}

fn shared<'a>(cause: &str, gaps: &[&'a HistoryGap]) -> Option<Shared<'a>> {
    let first = gaps.first()?;
    let places: BTreeSet<_> = gaps.iter().map(|gap| (&gap.gap.account, &gap.gap.region)).collect();
    let sentence = match places.len() {
        1 if gaps.len() == 1 => first.gap.sentence(),
        1 => format!("{} ({} times)", first.gap.sentence(), gaps.len()),
        count => format!("{} in {count} places: {cause}", first.gap.action),
    };
    let from: Option<Vec<_>> = gaps.iter().map(|gap| gap.from).collect();
    let to: Option<Vec<_>> = gaps.iter().map(|gap| gap.to).collect();
    Some(Shared {
        source: first.source,
        sentence,
        from: from.and_then(|times| times.into_iter().min()),
        to: to.and_then(|times| times.into_iter().max()),
        subjects: gaps.iter().map(|gap| gap.subject.as_deref()).collect(),
    })
}

/// A text without what differs from place to place: the account, and names of things.
pub(super) fn blurred(text: &str, account: &AccountId, names: &[&str]) -> String {
    let mut blurred = text.to_owned();
    // Short names are parts of words.
    for name in names.iter().filter(|name| name.len() > 3) {
        blurred = blurred.replace(*name, "…");
    }
    blurred.replace(account.as_str(), "…")
}

/// What could not be seen, and is no matter of what AWS keeps: that is told by the shares.
pub(super) fn gaps(measurements: &Measurements) -> Vec<String> {
    let gaps = together(measurements.coverage.gaps.iter().filter(|gap| !gap.is_expired()));
    gaps.into_iter().map(|gap| format!("{}: {}", gap.source, gap.sentence)).collect()
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
        if gap.is_expired() {
            source.expired += 1;
        } else {
            source.gaps += 1;
        }
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
    let share = float(seconds) / float(whole);
    Seen { source, places: count, share, gaps: places.gaps, expired: places.expired, from: first }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Affects, Gap, GapCause};

    fn gap(account: &str, subject: &str) -> HistoryGap {
        let account: AccountId = account.parse().unwrap();
        HistoryGap {
            source: HistorySource::PipelineExecutions,
            subject: Some(subject.to_owned()),
            from: None,
            to: None,
            gap: Gap {
                region: Region::try_from("eu-west-1".to_owned()).unwrap(),
                service: "codepipeline".to_owned(),
                action: "codepipeline:ListRuleExecutions".to_owned(),
                cause: GapCause::AccessDenied { message: format!("arn:aws:sts::{account}:role on {subject}") },
                affects: Affects::Details,
                account,
            },
        }
    }

    #[test]
    fn the_same_gap_of_many_places_is_one() {
        let gaps = [gap("111122223333", "checkout"), gap("444455556666", "payments"), gap("444455556666", "billing")];
        let all = together(gaps.iter());
        let [one] = all.as_slice() else { panic!("{all:?}") };
        let cause = "access denied: arn:aws:sts::…:role on …";
        assert_eq!(one.sentence, format!("codepipeline:ListRuleExecutions in 2 places: {cause}"));
        let alone = together(gaps.iter().take(1));
        assert_eq!(alone[0].sentence, gaps[0].gap.sentence());
    }

    #[test]
    fn what_aws_no_longer_keeps_worries_nobody() {
        let seen = |gaps, expired| Seen {
            source: HistorySource::TestReports,
            places: 1,
            share: 0.3,
            gaps,
            expired,
            from: None,
        };
        assert!(!seen(0, 4).is_worrying() && seen(1, 4).is_worrying() && seen(0, 0).is_worrying());
    }
}
