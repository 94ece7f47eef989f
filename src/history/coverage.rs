//! How far a history is known: from when to when each source was looked at, and where it could not be.
//!
//! A number without this is a guess: no deployment in a month that nobody looked at is not "no deployments".

use std::fmt;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::Period;
use crate::inventory::{AccountId, Gap, GapCause, Region};

/// What happened so shortly before now may not have been written down yet: CloudTrail delivers events within about a
/// quarter of an hour, and the digest that proves an hour silent up to an hour after its end
/// (<https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html>).
/// Nobody asks for it, so the next run has to.
pub const NOT_YET: Duration = Duration::hours(2);

/// Where records come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HistorySource {
    /// CloudTrail's event history (`LookupEvents`): 90 days.
    LookupEvents,
    /// Log files of a trail, from S3 or a folder.
    TrailArchive,
    /// Athena over a trail's log files.
    Athena,
    /// CloudTrail Lake.
    CloudTrailLake,
    /// A file with the output of `lookup-events` or of Athena.
    EventFile,
    /// `ListPipelineExecutions`, `ListActionExecutions`, `ListRuleExecutions`: 12 months.
    PipelineExecutions,
    /// `ListDeployments`, `BatchGetDeployments`.
    Deployments,
    /// `ListBuildsForProject`, `BatchGetBuilds`.
    Builds,
    /// `BatchGetReports`: 30 days.
    TestReports,
    /// `CodeCommit`'s commits.
    CodeCommit,
    /// Commits and pull requests of a source host.
    SourceHost,
    /// A file of incidents.
    IncidentFile,
    /// CloudWatch's alarm history: about two weeks.
    AlarmHistory,
}

impl HistorySource {
    /// Whether it tells of API calls, with who made them.
    #[must_use]
    pub fn tells_events(self) -> bool {
        matches!(self, Self::LookupEvents | Self::TrailArchive | Self::Athena | Self::CloudTrailLake | Self::EventFile)
    }

    /// As written in files and on the command line: `lookup-events`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LookupEvents => "lookup-events",
            Self::TrailArchive => "trail-archive",
            Self::Athena => "athena",
            Self::CloudTrailLake => "cloud-trail-lake",
            Self::EventFile => "event-file",
            Self::PipelineExecutions => "pipeline-executions",
            Self::Deployments => "deployments",
            Self::Builds => "builds",
            Self::TestReports => "test-reports",
            Self::CodeCommit => "code-commit",
            Self::SourceHost => "source-host",
            Self::IncidentFile => "incident-file",
            Self::AlarmHistory => "alarm-history",
        }
    }
}

impl fmt::Display for HistorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One source, looked at in one place, from when to when. What is not in a span was not looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// The source.
    pub source: HistorySource,
    /// The account; none for a source that belongs to none (a file of incidents).
    pub account: Option<AccountId>,
    /// The Region.
    pub region: Option<Region>,
    /// The one thing that was looked at, where it is not the whole Region: a pipeline's ARN, a project, a repository.
    pub subject: Option<String>,
    /// From, inclusive.
    #[serde(with = "time::serde::rfc3339")]
    pub from: OffsetDateTime,
    /// To, exclusive.
    #[serde(with = "time::serde::rfc3339")]
    pub to: OffsetDateTime,
}

/// A part of a history that could not be seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryGap {
    /// The source.
    pub source: HistorySource,
    /// As in [`Span::subject`]; for an archive, the file.
    pub subject: Option<String>,
    /// From, inclusive, if it is known.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub from: Option<OffsetDateTime>,
    /// To, exclusive, if it is known.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub to: Option<OffsetDateTime>,
    /// Who was asked what, and why it could not be seen.
    pub gap: Gap,
}

impl HistoryGap {
    /// The code of a gap over what AWS no longer keeps.
    pub(crate) const EXPIRED: &str = "HistoryExpired";

    /// The code of a gap over time of which a table holds no event of any kind.
    pub(crate) const SILENT: &str = "NoEvents";

    /// Whether a table was asked and holds nothing of that time.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(&self.gap.cause, GapCause::Service { code, .. } if code == Self::SILENT)
    }

    /// What is left of it after a later look.
    fn rest(self, newer: &[Span], within: Period) -> Vec<Self> {
        let from = self.from.map_or(within.from, |at| at.max(within.from));
        let to = self.to.map_or(within.to, |at| at.min(within.to));
        // A bucket that could not be read has the account that asked; what was read later, the accounts in it.
        let whole_bucket = self.source == HistorySource::TrailArchive
            && self.subject.as_deref().is_some_and(|subject| subject.starts_with("s3://"));
        let here = |span: &&Span| {
            let place = span.account.as_ref().is_none_or(|account| *account == self.gap.account)
                && span.region.as_ref().is_none_or(|region| *region == self.gap.region);
            // A source that gave up as a whole names no subject; what is still unseen has a newer gap of its own.
            let subject = span.subject.is_none() || self.subject.is_none() || span.subject == self.subject;
            span.source == self.source && (whole_bucket || place && subject) && span.from < to && from < span.to
        };
        let mut seen: Vec<(OffsetDateTime, OffsetDateTime)> =
            newer.iter().filter(here).map(|span| (span.from, span.to)).collect();
        if seen.is_empty() {
            return vec![self];
        }
        seen.sort_unstable();
        let (mut at, mut rest) = (from, Vec::new());
        for (begin, end) in seen {
            if at < begin {
                rest.push((at, begin));
            }
            at = at.max(end);
        }
        if at < to {
            rest.push((at, to));
        }
        rest.into_iter().map(|(from, to)| Self { from: Some(from), to: Some(to), ..self.clone() }).collect()
    }

    /// Whether nobody refused it, but AWS no longer keeps it.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        matches!(&self.gap.cause, GapCause::Service { code, .. } if code == Self::EXPIRED)
    }
}

/// How far a history is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HistoryCoverage {
    /// What was looked at, sorted; spans of one source and place that touch are one.
    pub spans: Vec<Span>,
    /// What could not be seen, sorted.
    pub gaps: Vec<HistoryGap>,
}

impl HistoryCoverage {
    /// Adds everything of `other`.
    pub fn absorb(&mut self, other: Self) {
        self.spans.extend(other.spans);
        self.gaps.extend(other.gaps);
    }

    /// Cuts out of the gaps what somebody has seen since: what lies within spans of `newer`, of the same source and place.
    /// Outside of `within` nothing is looked at.
    pub fn heal(&mut self, newer: &[Span], within: Period) {
        self.gaps = std::mem::take(&mut self.gaps).into_iter().flat_map(|gap| gap.rest(newer, within)).collect();
    }

    /// Sorts, joins spans that touch, and drops repeats.
    pub fn normalise(&mut self) {
        self.spans.retain(|span| span.from < span.to);
        self.spans.sort();
        self.spans.dedup_by(|later, kept| {
            let one = later.source == kept.source
                && later.account == kept.account
                && later.region == kept.region
                && later.subject == kept.subject
                && later.from <= kept.to;
            if one {
                kept.to = kept.to.max(later.to);
            }
            one
        });
        self.gaps.sort_by(|a, b| {
            (a.source, &a.subject, &a.gap, a.from, a.to).cmp(&(b.source, &b.subject, &b.gap, b.from, b.to))
        });
        self.gaps.dedup_by(|later, kept| {
            let same = later.source == kept.source && later.subject == kept.subject && later.gap == kept.gap;
            // The same refusal on the next night goes on where it was.
            let touches = kept.to.is_none() || later.from.is_none() || later.from <= kept.to;
            if same && touches {
                kept.from = kept.from.zip(later.from).map(|(a, b)| a.min(b));
                kept.to = kept.to.zip(later.to).map(|(a, b)| a.max(b));
            }
            same && touches
        });
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn spans_that_touch_are_one_and_a_hole_stays() {
        let span = |from, to| Span {
            source: HistorySource::LookupEvents,
            account: None,
            region: None,
            subject: None,
            from,
            to,
        };
        let (a, b, c, d) = (
            datetime!(2026-06-01 0:00 UTC),
            datetime!(2026-06-02 0:00 UTC),
            datetime!(2026-06-03 0:00 UTC),
            datetime!(2026-06-04 0:00 UTC),
        );
        let mut coverage = HistoryCoverage { spans: vec![span(b, c), span(a, b), span(a, b)], gaps: vec![] };
        coverage.normalise();
        assert_eq!(coverage.spans, [span(a, c)]);
        let mut coverage = HistoryCoverage { spans: vec![span(c, d), span(a, b)], gaps: vec![] };
        coverage.normalise();
        assert_eq!(coverage.spans, [span(a, b), span(c, d)]);
    }
}
