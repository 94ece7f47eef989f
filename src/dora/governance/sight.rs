//! Whether what was not seen can be said not to have happened.
//!
//! In: the coverage of a history, and the window. Out: for a place and what would have shown it, nothing where the whole
//! window was looked at, else the gap. It exists because silence is evidence only where somebody listened.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::Options;
use crate::history::{EVENTS, HistoryCoverage, HistoryGap, HistorySource, NOT_YET, Period, Span};
use crate::inventory::{AccountId, Affects, Gap, GapCause, Region};

/// What was looked at in the window.
pub(super) struct Sight<'a> {
    /// By account; those of none count for all.
    spans: BTreeMap<Option<&'a AccountId>, Vec<&'a Span>>,
    gaps: BTreeMap<AccountId, Vec<(Region, &'a HistoryGap)>>,
    /// The window.
    pub(super) window: Period,
}

impl<'a> Sight<'a> {
    pub(super) fn new(coverage: &'a HistoryCoverage, options: &Options) -> Self {
        let mut sight = Self {
            spans: BTreeMap::new(),
            gaps: BTreeMap::new(),
            window: Period { from: options.from(), to: options.as_of },
        };
        for span in &coverage.spans {
            sight.spans.entry(span.account.as_ref()).or_default().push(span);
        }
        for gap in &coverage.gaps {
            let (account, region) = place_of(gap);
            sight.gaps.entry(account).or_default().push((region, gap));
        }
        sight
    }

    /// Why calls of these names may have been missed in an account and Region.
    pub(super) fn calls(&self, account: &AccountId, region: &Region, names: &[&str]) -> Option<Gap> {
        names.iter().find_map(|name| {
            self.blind(account, region, |source, subject| {
                // A file that somebody handed over says what is in it, and nothing of what is not.
                source.tells_events()
                    && source != HistorySource::EventFile
                    && subject.is_none_or(|subject| !is_event_name(subject) || is_of(subject, name))
            })
            .map(|missing| self.gap(account, region, "cloudtrail:LookupEvents", "CloudTrail's events", missing))
        })
    }

    /// Why records of a source may have been missed: executions of a pipeline, deployments of a group.
    pub(super) fn records(
        &self,
        source: HistorySource,
        account: &AccountId,
        region: &Region,
        subject: &str,
    ) -> Option<Gap> {
        let missing = self
            .blind(account, region, |of, about| of == source && about.is_none_or(|about| about.ends_with(subject)))?;
        let (action, what) = match source {
            HistorySource::PipelineExecutions => ("codepipeline:ListActionExecutions", "executions"),
            HistorySource::Deployments => ("codedeploy:BatchGetDeployments", "deployments"),
            _ => ("history:Read", source.name()),
        };
        Some(self.gap(account, region, action, what, missing))
    }

    /// The first part of the window that no source of those covers without a gap of its own.
    fn blind(
        &self,
        account: &AccountId,
        region: &Region,
        counts: impl Fn(HistorySource, Option<&str>) -> bool,
    ) -> Option<(Period, Option<&'a Gap>)> {
        let mut covered: BTreeMap<HistorySource, Vec<Period>> = BTreeMap::new();
        for span in [None, Some(account)].iter().filter_map(|key| self.spans.get(key)).flatten() {
            let here = span.region.as_ref().is_none_or(|it| it == region || *it == Region::GLOBAL);
            if here && counts(span.source, span.subject.as_deref()) {
                covered.entry(span.source).or_default().push(Period { from: span.from, to: span.to });
            }
        }
        let about = |gap: &HistoryGap| counts(gap.source, gap.subject.as_deref().filter(|it| !is_a_file(it)));
        let here = self.gaps.get(account).into_iter().flatten();
        let gaps: Vec<&'a HistoryGap> = here
            .filter(|(of, gap)| (of == region || *of == Region::GLOBAL) && about(gap))
            .map(|(_, gap)| *gap)
            .collect();
        let mut seen = Vec::new();
        for (source, spans) in covered {
            let holes: Vec<Period> =
                gaps.iter().filter(|gap| gap.source == source).map(|gap| self.extent(gap)).collect();
            seen.extend(spans.into_iter().flat_map(|span| without(span, &holes)));
        }
        seen.sort();
        let end = self.window.to - NOT_YET;
        let mut from = self.window.from;
        for span in seen {
            if span.from > from {
                break;
            }
            from = from.max(span.to);
        }
        if from >= end {
            return None;
        }
        let missing = Period { from, to: end };
        let why = gaps.iter().find(|gap| {
            let extent = self.extent(gap);
            extent.from < missing.to && missing.from < extent.to
        });
        Some((missing, why.map(|gap| &gap.gap)))
    }

    fn extent(&self, gap: &HistoryGap) -> Period {
        Period { from: gap.from.unwrap_or(self.window.from), to: gap.to.unwrap_or(self.window.to) }
    }

    fn gap(
        &self,
        account: &AccountId,
        region: &Region,
        action: &str,
        what: &str,
        (missing, why): (Period, Option<&Gap>),
    ) -> Gap {
        if let Some(gap) = why {
            return gap.clone();
        }
        let place = || format!("{what} were not looked at from {} on", written(missing.from));
        let message = if missing.from == self.window.from {
            format!(
                "{}, where the window begins; `[history]` names sources, and a shorter --window needs less",
                place()
            )
        } else {
            format!("{}; `[history]` names sources", place())
        };
        Gap {
            account: account.clone(),
            region: region.clone(),
            service: action.split(':').next().unwrap_or_default().to_owned(),
            action: action.to_owned(),
            cause: GapCause::NotConfigured { message },
            affects: Affects::Details,
        }
    }
}

/// The place that a gap is about. One of an archive names the file, whose path says whose it is.
fn place_of(gap: &HistoryGap) -> (AccountId, Region) {
    let of_path = gap.subject.as_deref().and_then(|subject| {
        let (before, after) = subject.split_once("/CloudTrail/")?;
        let account = before.rsplit('/').next()?.parse().ok()?;
        Some((account, after.split('/').next()?.parse().ok()?))
    });
    of_path.unwrap_or_else(|| (gap.gap.account.clone(), gap.gap.region.clone()))
}

fn is_a_file(subject: &str) -> bool {
    subject.contains("/CloudTrail/")
}

fn is_event_name(subject: &str) -> bool {
    EVENTS.iter().any(|event| is_of(subject, event.name))
}

/// `PutApprovalResult`, or the same behind its source.
fn is_of(subject: &str, name: &str) -> bool {
    subject.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with(['/', ':', '.']))
}

fn without(span: Period, holes: &[Period]) -> Vec<Period> {
    let mut parts = vec![span];
    for hole in holes {
        parts = parts
            .into_iter()
            .flat_map(|part| {
                [
                    Period { from: part.from, to: part.to.min(hole.from) },
                    Period { from: part.from.max(hole.to), to: part.to },
                ]
            })
            .filter(|part| part.from < part.to)
            .collect();
    }
    parts.sort();
    parts.dedup();
    parts
}

/// RFC 3339 in UTC, to the second: executions have fractions that events of the same moment lack.
pub(super) fn written(time: OffsetDateTime) -> String {
    let time = time.to_offset(time::UtcOffset::UTC);
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    fn place() -> (AccountId, Region) {
        ("111122223333".parse().unwrap(), "eu-west-1".parse().unwrap())
    }

    fn options() -> Options {
        Options::at(datetime!(2026-06-29 0:00 UTC)).with_window("28d").unwrap()
    }

    fn span(source: HistorySource, subject: Option<&str>, from: OffsetDateTime, to: OffsetDateTime) -> Span {
        let (account, region) = place();
        Span { source, account: Some(account), region: Some(region), subject: subject.map(str::to_owned), from, to }
    }

    fn looked_at(spans: Vec<Span>, gaps: Vec<HistoryGap>) -> Option<Gap> {
        let coverage = HistoryCoverage { spans, gaps };
        let (account, region) = place();
        Sight::new(&coverage, &options()).calls(&account, &region, &["PutApprovalResult", "UpdatePipeline"])
    }

    const BEGIN: OffsetDateTime = datetime!(2026-06-01 0:00 UTC);
    const MIDDLE: OffsetDateTime = datetime!(2026-06-12 0:00 UTC);
    const END: OffsetDateTime = datetime!(2026-06-28 23:50 UTC);

    #[test]
    fn two_sources_that_touch_are_one_look_and_a_hole_is_none() {
        use HistorySource::{LookupEvents, PipelineExecutions, TrailArchive};
        assert!(looked_at(vec![span(LookupEvents, None, BEGIN, END)], vec![]).is_none());
        let two = vec![span(LookupEvents, None, MIDDLE, END), span(TrailArchive, None, BEGIN, MIDDLE)];
        assert!(looked_at(two, vec![]).is_none());
        let late = looked_at(vec![span(LookupEvents, None, MIDDLE, END)], vec![]).unwrap();
        assert!(late.sentence().contains("2026-06-01T00:00:00Z"), "{}", late.sentence());
        assert!(looked_at(vec![span(PipelineExecutions, None, BEGIN, END)], vec![]).is_some());
        assert!(looked_at(vec![], vec![]).is_some());
    }

    #[test]
    fn a_file_of_events_says_nothing_of_what_is_not_in_it() {
        use HistorySource::{EventFile, LookupEvents};
        let file = || span(EventFile, None, BEGIN, END);
        assert!(looked_at(vec![file()], vec![]).is_some());
        assert!(looked_at(vec![file(), span(LookupEvents, None, MIDDLE, END)], vec![]).is_some());
        assert!(looked_at(vec![file(), span(LookupEvents, None, BEGIN, END)], vec![]).is_none());
    }

    #[test]
    fn what_is_written_has_no_fractions() {
        assert_eq!(written(datetime!(2026-06-12 1:02:03.456 +2)), "2026-06-11T23:02:03Z");
    }

    #[test]
    fn every_name_must_have_been_asked_for() {
        use HistorySource::LookupEvents;
        let asked = |name| span(LookupEvents, Some(name), BEGIN, END);
        assert!(looked_at(vec![asked("PutApprovalResult")], vec![]).is_some());
        assert!(looked_at(vec![asked("PutApprovalResult"), asked("UpdatePipeline")], vec![]).is_none());
    }

    #[test]
    fn a_gap_of_the_same_source_takes_its_time_out_and_names_itself() {
        use HistorySource::{LookupEvents, TrailArchive};
        let (account, region) = place();
        let hole = HistoryGap {
            source: TrailArchive,
            subject: Some("AWSLogs/111122223333/CloudTrail/eu-west-1/2026/06/12/x.json.gz".to_owned()),
            from: Some(MIDDLE),
            to: Some(MIDDLE + Duration::hours(1)),
            gap: Gap {
                account,
                region,
                service: "s3".to_owned(),
                action: "s3:GetObject".to_owned(),
                cause: GapCause::Malformed { message: "truncated".to_owned() },
                affects: Affects::Details,
            },
        };
        let archive = span(TrailArchive, None, BEGIN, END);
        let gap = looked_at(vec![archive.clone()], vec![hole.clone()]).unwrap();
        assert!(gap.sentence().contains("truncated"));
        let elsewhere = HistoryGap {
            subject: Some("AWSLogs/111122223333/CloudTrail/us-east-1/2026/06/12/x.json.gz".to_owned()),
            ..hole.clone()
        };
        assert!(looked_at(vec![archive.clone()], vec![elsewhere]).is_none());
        assert!(looked_at(vec![archive, span(LookupEvents, None, BEGIN, END)], vec![hole]).is_none());
    }
}
