//! How far the history of one service is known, and what limits it.
//!
//! In: a service, the coverage and the limits of a delivery. Out: for every metric, the stretches of the window that were
//! looked at, why it is less than all, and whether anything can be said at all. It exists because a number of a time that
//! nobody looked at would be a guess.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use super::Metric;
use super::intervals::Intervals;
use super::window::Window;
use crate::dora::{Delivery, Limit, MeasureStatus, Service};
use crate::history::{HistoryGap, HistorySource, NOT_YET, Span};
use crate::inventory::{AccountId, Arn, Region};

/// How a service's executions were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// From when to when is known.
    Spans,
    /// There are records with outcomes, but nothing says from when to when.
    Records,
    /// Only who asked for what; not how it ended.
    Requests,
    /// Not at all.
    Nothing,
}

/// What the records of a service tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Records {
    /// How something of it ended.
    Outcomes,
    /// That something was asked for, and not how it ended.
    Requests,
    /// Nothing.
    Nothing,
}

/// What was looked at of one service.
#[derive(Debug, Clone)]
pub(super) struct Observation<'a> {
    /// How.
    pub(super) seen: Seen,
    /// Stretches of the window in which its executions were looked at.
    base: Intervals,
    /// Spans of its account, and of none.
    spans: Vec<&'a Span>,
    /// Gaps of its account and Region, and those over its incidents.
    gaps: Vec<&'a HistoryGap>,
    /// Limits of it and of all.
    limits: Vec<&'a Limit>,
    service: &'a Service,
}

/// What was looked at for one metric.
#[derive(Debug, Clone, Default)]
pub(super) struct Observed {
    /// Stretches of the window.
    pub(super) intervals: Intervals,
    /// Why it is less than everything, a sentence each.
    pub(super) less: Vec<String>,
}

/// Coverage and limits by what they are looked up with.
#[derive(Debug, Default)]
pub(super) struct Register<'a> {
    spans: BTreeMap<Option<&'a AccountId>, Vec<&'a Span>>,
    gaps: BTreeMap<&'a AccountId, Vec<&'a HistoryGap>>,
    /// Gaps over incidents, wherever they come from, by the service that they are about; none: all of them.
    incidents: BTreeMap<Option<&'a str>, Vec<&'a HistoryGap>>,
    limits: BTreeMap<Option<&'a str>, Vec<&'a Limit>>,
}

impl<'a> Register<'a> {
    /// Of a delivery.
    pub(super) fn of(delivery: &'a Delivery) -> Self {
        let mut register = Self::default();
        for span in &delivery.coverage.spans {
            register.spans.entry(span.account.as_ref()).or_default().push(span);
        }
        for gap in &delivery.coverage.gaps {
            if gap.source != HistorySource::IncidentFile {
                register.gaps.entry(&gap.gap.account).or_default().push(gap);
                continue;
            }
            // An alarm stands where it stands, and speaks for the service that it is named for.
            let named = gap.subject.as_deref().map(|name| Service::named(name, &delivery.services));
            let keys: Vec<Option<&str>> = match named {
                // Of a name that no service has, nobody knows whose incidents are missing.
                None => vec![None],
                Some(services) if services.is_empty() => vec![None],
                Some(services) => services.into_iter().map(|service| Some(service.key.0.as_str())).collect(),
            };
            for key in keys {
                register.incidents.entry(key).or_default().push(gap);
            }
        }
        for limit in &delivery.limits {
            let service = limit.service.as_ref().map(|key| key.0.as_str());
            register.limits.entry(service).or_default().push(limit);
        }
        register
    }

    /// Of one service, with what its records tell.
    pub(super) fn observe(&self, service: &'a Service, records: Records, window: &Window) -> Observation<'a> {
        let accounts = places(service).into_iter().map(|(account, _)| account);
        let mut spans: Vec<&Span> = self.spans.get(&None).into_iter().flatten().copied().collect();
        let mut gaps: Vec<&HistoryGap> = Vec::new();
        let mut before: Vec<AccountId> = Vec::new();
        for account in accounts {
            if !before.contains(&account) {
                spans.extend(self.spans.get(&Some(&account)).into_iter().flatten());
                gaps.extend(self.gaps.get(&account).into_iter().flatten());
                before.push(account);
            }
        }
        let keys = [None, Some(service.key.0.as_str())];
        gaps.extend(keys.iter().filter_map(|key| self.incidents.get(key)).flatten());
        let limits = keys.iter().filter_map(|key| self.limits.get(key)).flatten().copied().collect();
        let base = looked_at(service, &spans, window);
        let (seen, base) = match (base, records) {
            (Some(base), _) => (Seen::Spans, base),
            (None, Records::Outcomes) => (Seen::Records, window.whole()),
            (None, Records::Requests) => (Seen::Requests, Intervals::default()),
            (None, Records::Nothing) => (Seen::Nothing, Intervals::default()),
        };
        Observation { seen, base, spans, gaps, limits, service }
    }
}

impl Observation<'_> {
    /// What was looked at for a metric.
    pub(super) fn observed(&self, metric: &dyn Metric, window: &Window) -> Observed {
        let mut observed = Observed { intervals: self.base.clone(), less: Vec::new() };
        if self.seen == Seen::Records {
            observed.less.push("nothing says from when to when executions were looked at".to_owned());
        }
        for limit in self.limits_of(metric).filter(|limit| !limit.blocks) {
            match limit.observed_from {
                Some(from) if from <= window.from => continue,
                Some(from) => observed.intervals = observed.intervals.without(window.from, from),
                None => {}
            }
            observed.less.push(plain(&limit.reason));
        }
        // Spans say what was seen, so a gap takes nothing away from them: it says that something is missing all the same.
        for gap in self.gaps.iter().filter(|gap| self.matters(gap, metric)) {
            let sentence = gap.gap.sentence();
            let (from, to) = (gap.from.unwrap_or(window.from), gap.to.unwrap_or(window.to));
            let is_said = observed.less.iter().any(|reason| reason.contains(plain(&sentence).as_str()));
            if from < window.to && window.from < to && !is_said {
                observed.less.push(format!("{} could not be seen: {}", gap.source, plain(&sentence)));
            }
        }
        if observed.less.is_empty() && !observed.intervals.cover(window.from, window.to) {
            observed.less.push("a part of the window was not looked at".to_owned());
        }
        observed
    }

    /// Why nothing can be said of a metric, if so.
    pub(super) fn blocked(&self, metric: &dyn Metric, window: &Window) -> Option<(MeasureStatus, String)> {
        let status = match self.seen {
            Seen::Nothing if self.service.not_measurable.is_none() => MeasureStatus::NotCollected,
            _ => MeasureStatus::NotMeasurable,
        };
        let limits = self.limits_of(metric).filter(|limit| limit.blocks).map(|limit| plain(&limit.reason));
        let mut reasons: Vec<String> = self.service.not_measurable.as_deref().map(plain).into_iter().collect();
        reasons.extend(limits);
        if reasons.is_empty() {
            reasons.push(match self.seen {
                Seen::Requests => {
                    "only requests are known, from CloudTrail, and not how they ended; collect execution \
                                   history too"
                        .to_owned()
                }
                Seen::Nothing => self.unseen(metric),
                Seen::Spans | Seen::Records if self.observed(metric, window).intervals.is_empty() => {
                    let less = self.observed(metric, window).less.into_iter().next();
                    let reason = less.unwrap_or_else(|| "no part of the window was looked at".to_owned());
                    return Some((MeasureStatus::NotCollected, reason));
                }
                Seen::Spans | Seen::Records => return None,
            });
        }
        let mut before = BTreeSet::new();
        reasons.retain(|reason| before.insert(reason.clone()));
        Some((status, reasons.join("; ")))
    }

    /// The sources that a metric rests on, with the events' if it used them.
    pub(super) fn sources(&self, metric: &dyn Metric, events: bool, window: &Window) -> Vec<HistorySource> {
        let used = |source: HistorySource| metric.sources().contains(&source) || (events && source.tells_events());
        let mut sources: Vec<HistorySource> =
            self.spans.iter().filter(|span| used(span.source) && overlaps(span, window)).map(|s| s.source).collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    /// Whether somebody supplied incidents.
    pub(super) fn knows_incidents(&self, window: &Window) -> bool {
        self.spans.iter().any(|span| span.source == HistorySource::IncidentFile && overlaps(span, window))
    }

    /// Whether somebody looked at calls in its accounts.
    pub(super) fn knows_calls(&self, window: &Window) -> bool {
        self.spans.iter().any(|span| span.source.tells_events() && overlaps(span, window))
    }

    /// Whether the reports of test cases reach back to the window's begin.
    pub(super) fn reports_reach_back(&self, window: &Window) -> bool {
        let reports = self.spans.iter().filter(|span| span.source == HistorySource::TestReports);
        reports.map(|span| (span.from, span.to + NOT_YET)).collect::<Intervals>().cover(window.from, window.to)
    }

    fn unseen(&self, metric: &dyn Metric) -> String {
        let gaps: Vec<String> =
            self.gaps.iter().filter(|gap| self.matters(gap, metric)).map(|gap| gap.gap.sentence()).take(3).collect();
        if gaps.is_empty() { "its executions were not looked at".to_owned() } else { gaps.join("; ") }
    }

    fn limits_of(&self, metric: &dyn Metric) -> impl Iterator<Item = &Limit> {
        let name = metric.name();
        self.limits.iter().copied().filter(move |limit| limit.metrics.is_empty() || limit.metrics.contains(&name))
    }

    fn matters(&self, gap: &HistoryGap, metric: &dyn Metric) -> bool {
        // Rules of stage conditions tell who was let through; no number is made of them.
        if !metric.sources().contains(&gap.source) || gap.gap.action == "codepipeline:ListRuleExecutions" {
            return false;
        }
        if gap.source == HistorySource::IncidentFile {
            return true;
        }
        let here = |region: &Region| gap.gap.region == Region::GLOBAL || gap.gap.region == *region;
        let subject = gap.subject.as_deref();
        let of_pipelines = self.service.pipelines.iter().any(|arn| is_subject(arn, subject));
        let of_groups = self.service.deployment_groups.iter().any(|arn| is_subject(arn, subject));
        let ours = match gap.source {
            HistorySource::PipelineExecutions => of_pipelines,
            // What a pipeline's deployments did is seen as CodeDeploy's; whose group is whose, the delivery's limits say.
            HistorySource::Deployments => of_groups || subject.is_none(),
            // Of one project or repository: whose it is, the delivery's limits say.
            HistorySource::Builds
            | HistorySource::TestReports
            | HistorySource::SourceHost
            | HistorySource::CodeCommit => false,
            _ => true,
        };
        ours && places(self.service).iter().any(|(account, region)| *account == gap.gap.account && here(region))
    }
}

fn overlaps(span: &Span, window: &Window) -> bool {
    span.from < window.to && window.from < span.to
}

/// Stretches of the window in which everything of a service was looked at; none if no span is of it.
fn looked_at(service: &Service, spans: &[&Span], window: &Window) -> Option<Intervals> {
    let pipelines = service.pipelines.iter().map(|arn| (arn.as_str(), HistorySource::PipelineExecutions));
    let groups = service.deployment_groups.iter().map(|arn| (arn.as_str(), HistorySource::Deployments));
    let mut is_known = false;
    let mut all = window.whole();
    for (arn, source) in pipelines.chain(groups) {
        let (account, region) = place(arn, service);
        let of_it: Vec<_> = spans
            .iter()
            .filter(|span| span.source == source)
            .filter(|span| span.account.as_ref().is_none_or(|of| *of == account))
            .filter(|span| span.region.as_ref().is_none_or(|of| *of == region))
            .filter(|span| is_subject(arn, span.subject.as_deref()))
            .collect();
        is_known |= !of_it.is_empty();
        all = all.within(&of_it.iter().map(|span| (span.from, end(span.to, window))).collect());
    }
    is_known.then_some(all)
}

fn end(to: OffsetDateTime, window: &Window) -> OffsetDateTime {
    if to + NOT_YET >= window.to { window.to } else { to }
}

/// Whether a span's or gap's subject is this pipeline or deployment group, by ARN, by name, or by its application.
fn is_subject(arn: &str, subject: Option<&str>) -> bool {
    let Some(subject) = subject else { return true };
    let resource = Arn::parse(arn).map_or(arn, |arn| arn.resource);
    let name = resource.strip_prefix("deploymentgroup:").unwrap_or(resource);
    arn == subject || name == subject || name.split_once('/').is_some_and(|(application, _)| application == subject)
}

fn place(arn: &str, service: &Service) -> (AccountId, Region) {
    let parsed = Arn::parse(arn).ok();
    let account = parsed.as_ref().and_then(|arn| AccountId::try_from(arn.account.to_owned()).ok());
    let region = parsed.as_ref().and_then(|arn| Region::try_from(arn.region.to_owned()).ok());
    (account.unwrap_or_else(|| service.account.clone()), region.unwrap_or_else(|| service.region.clone()))
}

fn places(service: &Service) -> Vec<(AccountId, Region)> {
    let arns = service.pipelines.iter().chain(&service.deployment_groups);
    let mut places = vec![(service.account.clone(), service.region.clone())];
    places.extend(arns.map(|arn| place(arn, service)));
    places.sort();
    places.dedup();
    places
}

/// A reason as part of a sentence: without its full stop.
fn plain(reason: &str) -> String {
    reason.trim().trim_end_matches('.').to_owned()
}
