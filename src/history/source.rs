//! Sources that are asked per account and Region. One source is one file; all of them stand in [`ACCOUNT_SOURCES`].
//!
//! In: a [`Scope`], the resources that the inventory holds of that account and Region, a [`Period`], and what is known
//! already. Out: a [`History`] whose coverage says what was really looked at. A source cannot fail as a whole: what goes
//! wrong is a gap.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{History, HistoryCoverage, HistorySource};
use crate::collect::Scope;
use crate::inventory::{AccountId, Region, Resource};

/// A time that is asked about: from, inclusive, to, exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    /// From, inclusive.
    pub from: OffsetDateTime,
    /// To, exclusive.
    pub to: OffsetDateTime,
}

impl Period {
    /// Whether a moment lies in it.
    #[must_use]
    pub fn contains(&self, time: OffsetDateTime) -> bool {
        self.from <= time && time < self.to
    }
}

/// What an account source is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The time that is wanted.
    pub period: Period,
    /// The account's resources in the Region: pipelines, deployment groups, projects, branches, alarms.
    pub resources: &'a [Resource],
    /// What is known already: a source asks only for the rest ([`HistoryCoverage::missing`]).
    pub known: &'a HistoryCoverage,
    /// The records that the store and this run hold already: what had not ended is asked for again, and executions name
    /// the commits that are read. Sources run in the order of [`ACCOUNT_SOURCES`].
    pub so_far: &'a History,
    /// When this run asks: what AWS keeps counts back from here.
    pub asked: OffsetDateTime,
}

/// Reads one kind of history of an account and Region.
#[async_trait]
pub trait AccountHistory: Send + Sync {
    /// What it is.
    fn source(&self) -> HistorySource;
    /// Every IAM action that it may call, with prefix. The audit role allows these where history is switched on.
    fn actions(&self) -> &'static [&'static str];
    /// Collects.
    async fn collect(&self, scope: &Scope, question: Question<'_>) -> History;
    /// Collects what global services say in the Region in which they keep their record. Asked only where nothing is
    /// delivered there; most sources know nothing of the kind.
    async fn collect_global(&self, _scope: &Scope, _question: Question<'_>) -> History {
        History::default()
    }
}

/// All account sources.
pub const ACCOUNT_SOURCES: &[&dyn AccountHistory] = &[
    &super::pipeline_executions::PipelineExecutions,
    &super::code_deployments::CodeDeployments,
    &super::builds::Builds,
    &super::alarm_history::AlarmHistory,
    &super::code_commit::CodeCommit,
    &super::source_host::SourceHost,
    &super::lookup_events::LookupEvents,
];

impl HistoryCoverage {
    /// The parts of `period` that no span of this source and place covers, in order.
    #[must_use]
    pub fn missing(
        &self,
        source: HistorySource,
        account: &AccountId,
        region: &Region,
        subject: Option<&str>,
        period: Period,
    ) -> Vec<Period> {
        let mut spans: Vec<Period> = self
            .spans
            .iter()
            .filter(|span| {
                span.source == source
                    && span.account.as_ref().is_none_or(|id| id == account)
                    && span.region.as_ref().is_none_or(|name| name == region)
                    && (span.subject.is_none() || span.subject.as_deref() == subject)
            })
            .map(|span| Period { from: span.from, to: span.to })
            .collect();
        spans.sort();
        let mut missing = Vec::new();
        let mut from = period.from;
        for span in spans {
            if span.from > from && from < period.to {
                missing.push(Period { from, to: span.from.min(period.to) });
            }
            from = from.max(span.to);
        }
        if from < period.to {
            missing.push(Period { from, to: period.to });
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::super::Span;
    use super::*;

    #[test]
    fn what_is_missing_is_what_no_span_covers() {
        let (account, region): (AccountId, Region) = ("111122223333".parse().unwrap(), "eu-west-1".parse().unwrap());
        let span = |from, to| Span {
            source: HistorySource::LookupEvents,
            account: Some(account.clone()),
            region: Some(region.clone()),
            subject: None,
            from,
            to,
        };
        let day = |day: u8| datetime!(2026-06-01 0:00 UTC).replace_day(day).unwrap();
        let known = HistoryCoverage { spans: vec![span(day(10), day(12)), span(day(3), day(5))], gaps: vec![] };
        let period = Period { from: day(1), to: day(11) };
        assert_eq!(
            known.missing(HistorySource::LookupEvents, &account, &region, Some("x"), period),
            [Period { from: day(1), to: day(3) }, Period { from: day(5), to: day(10) }]
        );
        assert_eq!(known.missing(HistorySource::Builds, &account, &region, None, period), [period]);
    }
}
