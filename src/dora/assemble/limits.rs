//! What limits what can be said of a service.
//!
//! In: services, and from when to when each source was looked at. Out: [`Limit`]s, each one sentence for the person who
//! must act. A service whose executions nobody could see has no numbers at all; one of which a part was seen has numbers
//! that say from when on. Who did it is no metric: a missing trail limits nothing here.

use std::collections::BTreeSet;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::index::Index;
use super::members::Draft;
use super::services::Landscape;
use crate::dora::{Limit, MetricName, Options, Service, ServiceKey};
use crate::history::{HistoryCoverage, HistoryGap, HistorySource, Period, PipelineExecution};
use crate::inventory::{AccountId, Region};

/// Metrics that need the deployments of `CodeDeploy` beside the executions of pipelines.
const OF_DEPLOYMENTS: &[MetricName] = &[
    MetricName::DeploymentFrequency,
    MetricName::ChangeFailRate,
    MetricName::FailedDeploymentRecoveryTime,
    MetricName::DeploymentReworkRate,
];

/// The limits of all services, sorted. A service of which only requests are known is told so.
pub(super) fn of(
    services: &mut [Service],
    landscape: &Landscape,
    drafts: &[Draft<'_>],
    index: &Index<'_>,
    options: &Options,
) -> Vec<Limit> {
    let seen = Seen { coverage: &index.history.coverage, window: Period { from: options.from(), to: options.as_of } };
    let mut limits = BTreeSet::new();
    for service in services.iter_mut() {
        for arn in &service.pipelines {
            let Some(pipeline) = landscape.pipelines.get(arn) else { continue };
            let place = (&pipeline.account, &pipeline.region);
            let executions = seen.part(HistorySource::PipelineExecutions, place, arn, "its executions");
            let ran = index.executions(arn);
            let with_actions = index.executions_with_actions(arn).count();
            let has_requests = index.is_requested(&pipeline.account, &pipeline.region, &pipeline.name);
            if executions.is_blind && ran.is_empty() && with_actions == 0 {
                let mut reasons = executions.reasons;
                if has_requests {
                    let reason = format!(
                        "only requests are known of {arn}, not how they ended: let the audit role call \
                         codepipeline:ListPipelineExecutions and codepipeline:ListActionExecutions"
                    );
                    service.not_measurable = Some(reason.clone());
                    reasons = vec![reason];
                }
                limits.extend(reasons.into_iter().map(|reason| limit(&service.key, &[], true, None, reason)));
                continue;
            }
            let blind_to_actions = with_actions == 0
                && (ran.iter().any(|it| needs_actions(it)) || executions.names_actions && !ran.is_empty())
                || with_actions == 0 && executions.names_actions;
            if blind_to_actions {
                let of_actions = executions.reasons.iter().filter(|it| it.contains("ListActionExecutions"));
                let mut reasons: Vec<String> = of_actions.cloned().collect();
                if reasons.is_empty() {
                    reasons.push(format!(
                        "the executions of {arn} are known, but not their actions, so nobody can tell what reached \
                         production: let the audit role call codepipeline:ListActionExecutions"
                    ));
                }
                limits.extend(reasons.into_iter().map(|reason| limit(&service.key, &[], true, None, reason)));
                continue;
            }
            limits.extend(
                executions
                    .reasons
                    .iter()
                    .map(|reason| limit(&service.key, &[], false, executions.observed_from, reason.clone())),
            );
            limits.extend(
                without_actions(arn, ran, index, &seen).map(|reason| limit(&service.key, &[], false, None, reason)),
            );
            limits.extend(of_tests(arn, &service.key, place, index, &seen));
        }
        limits.extend(of_groups(service, landscape, drafts, &seen));
    }
    limits.into_iter().collect()
}

fn limit(
    service: &ServiceKey,
    metrics: &[MetricName],
    blocks: bool,
    observed_from: Option<OffsetDateTime>,
    reason: String,
) -> Limit {
    Limit { service: Some(service.clone()), metrics: metrics.to_vec(), blocks, observed_from, reason }
}

/// Executions that ran something; a superseded or cancelled one may have run nothing.
fn needs_actions(execution: &PipelineExecution) -> bool {
    matches!(execution.status.as_str(), "Succeeded" | "Failed" | "Stopped")
}

/// Executions of the window whose actions are not known, while those of others are.
fn without_actions(
    arn: &str,
    ran: &[&PipelineExecution],
    index: &Index<'_>,
    seen: &Seen<'_>,
) -> impl Iterator<Item = String> {
    let lacking = ran
        .iter()
        .filter(|it| needs_actions(it) && seen.window.contains(it.started) && index.actions(arn, &it.id).is_empty())
        .count();
    (lacking > 0).then(|| format!("the actions of {lacking} executions of {arn} are not known")).into_iter()
}

/// `CodeDeploy`'s side: all of a group's own deployments, and what a pipeline's deployments did on their targets.
fn of_groups(service: &Service, landscape: &Landscape, drafts: &[Draft<'_>], seen: &Seen<'_>) -> Vec<Limit> {
    let mut limits = Vec::new();
    for ((account, region, _), group) in &landscape.groups {
        if group.service != service.key || !group.is_production {
            continue;
        }
        let part = seen.part(HistorySource::Deployments, (account, region), &group.arn, "its deployments");
        let is_own = group.pipeline.is_none();
        let has_any = drafts.iter().any(|it| it.lane == group.arn);
        let (metrics, blocks): (&[MetricName], bool) =
            if is_own { (&[], part.is_blind && !has_any) } else { (OF_DEPLOYMENTS, false) };
        limits.extend(part.reasons.into_iter().map(|reason| {
            // A pipeline's executions are known from earlier on than what its deployments did.
            limit(&service.key, metrics, blocks, part.observed_from, reason)
        }));
    }
    limits
}

/// What limits the tests of a pipeline that has any: builds tell faults from failures, reports are kept for 30 days.
fn of_tests(
    arn: &str,
    service: &ServiceKey,
    place: (&AccountId, &Region),
    index: &Index<'_>,
    seen: &Seen<'_>,
) -> Vec<Limit> {
    let mut projects: BTreeSet<&str> = BTreeSet::new();
    for (_, actions) in index.executions_with_actions(arn) {
        let tests =
            actions.iter().flat_map(|it| &it.tries).filter(|it| it.category == "Test" && it.provider == "CodeBuild");
        projects.extend(tests.filter_map(|it| it.configuration.get("ProjectName").map(String::as_str)));
    }
    let mut limits = Vec::new();
    for project in projects {
        for (source, what) in [(HistorySource::Builds, "its builds"), (HistorySource::TestReports, "its test reports")]
        {
            let gaps = seen.gaps(source, place, project);
            let looked = seen.coverage.spans.iter().any(|it| it.source == source);
            // Where nobody asked for reports, there is nothing to be partial about.
            let reasons = if looked { seen.part(source, place, project, what).reasons } else { gaps };
            limits.extend(
                reasons.into_iter().map(|reason| limit(service, &[MetricName::TestPassRate], false, None, reason)),
            );
        }
    }
    limits
}

/// How much of the window was looked at in one place.
struct Part {
    /// Whether nothing was.
    is_blind: bool,
    /// From when on, if not from the window's begin.
    observed_from: Option<OffsetDateTime>,
    /// Whether a gap is about actions.
    names_actions: bool,
    /// One sentence each.
    reasons: Vec<String>,
}

struct Seen<'a> {
    coverage: &'a HistoryCoverage,
    window: Period,
}

impl Seen<'_> {
    /// Sentences of the gaps over a source, a place and a subject that fall into the window, sorted.
    fn gaps(&self, source: HistorySource, place: (&AccountId, &Region), subject: &str) -> Vec<String> {
        let sentences: BTreeSet<String> = self.gaps_of(source, place, subject).map(|it| it.gap.sentence()).collect();
        sentences.into_iter().collect()
    }

    fn gaps_of(
        &self,
        source: HistorySource,
        (account, region): (&AccountId, &Region),
        subject: &str,
    ) -> impl Iterator<Item = &HistoryGap> {
        let name = subject.rsplit([':', '/']).next().unwrap_or_default();
        self.coverage.gaps.iter().filter(move |it| {
            it.source == source
                && it.gap.account == *account
                && (it.gap.region == *region || it.gap.region == Region::GLOBAL)
                && it.subject.as_deref().is_none_or(|it| it == subject || it == name)
                && it.from.is_none_or(|from| from < self.window.to)
                && it.to.is_none_or(|to| to > self.window.from)
        })
    }

    fn part(&self, source: HistorySource, place: (&AccountId, &Region), subject: &str, what: &str) -> Part {
        let missing = self.coverage.missing(source, place.0, place.1, Some(subject), self.window);
        let mut reasons = self.gaps(source, place, subject);
        let names_actions =
            self.gaps_of(source, place, subject).any(|it| it.gap.action == "codepipeline:ListActionExecutions");
        let is_blind = missing == [self.window];
        let mut observed_from = None;
        for hole in &missing {
            if is_blind {
                if reasons.is_empty() {
                    reasons.push(format!("{what} were not looked at ({subject}): history comes from {source}"));
                }
            } else if hole.from == self.window.from {
                observed_from = Some(hole.to);
                reasons.push(format!("{what} are known from {} on ({subject})", text(hole.to)));
            } else {
                let (from, to) = (text(hole.from), text(hole.to));
                reasons.push(format!("{what} were not looked at from {from} to {to} ({subject})"));
            }
        }
        Part { is_blind, observed_from, names_actions, reasons }
    }
}

fn text(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_else(|_| time.to_string())
}
