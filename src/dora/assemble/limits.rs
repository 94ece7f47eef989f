//! What limits what can be said of a service.
//!
//! In: services, and from when to when each source was looked at. Out: [`Limit`]s, each one sentence for the person who
//! must act. A service whose executions nobody could see has no numbers at all; one of which a part was seen has numbers
//! that say from when on. Who did it is no metric: a missing trail limits nothing here.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::index::Index;
use super::members::Draft;
use super::services::Landscape;
use crate::dora::{Limit, MetricName, Options, Service, ServiceKey};
use crate::history::{ActionExecution, HistoryCoverage, HistoryGap, HistorySource, Period, PipelineExecution};
use crate::inventory::{AccountId, Arn, Partition, Region};

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
        let mut own = Vec::new();
        for arn in &service.pipelines {
            own.extend(of_pipeline(arn, &service.key, landscape, index, &seen));
        }
        own.extend(of_groups(service, landscape, drafts, &seen));
        let parts = service.pipelines.len() + service.deployment_groups.len();
        let blind: BTreeSet<&str> = own.iter().filter(|(_, it)| it.blocks).map(|(part, _)| part.as_str()).collect();
        let is_blind = blind.len() == parts;
        if is_blind {
            let only_requests = own.iter().find(|(_, it)| it.blocks && it.reason.starts_with(ONLY_REQUESTS));
            if let Some((_, limit)) = only_requests {
                service.not_measurable = Some(limit.reason.clone());
            }
        }
        // Where another part of the service was seen, there is less to say, and not nothing.
        limits.extend(own.into_iter().map(|(_, it)| Limit { blocks: it.blocks && is_blind, ..it }));
    }
    limits.into_iter().collect()
}

/// How a sentence begins that tells of requests without outcomes.
const ONLY_REQUESTS: &str = "only requests are known";

/// The limits of one pipeline, with its ARN.
fn of_pipeline(
    arn: &str,
    service: &ServiceKey,
    landscape: &Landscape,
    index: &Index<'_>,
    seen: &Seen<'_>,
) -> Vec<(String, Limit)> {
    let Some(pipeline) = landscape.pipelines.get(arn) else { return Vec::new() };
    let place = (&pipeline.account, &pipeline.region);
    let part = seen.part(HistorySource::PipelineExecutions, place, arn, "its executions");
    let ran = index.executions(arn);
    let has_actions = index.executions_with_actions(arn).next().is_some();
    let all = |blocks, from, reasons: Vec<String>| {
        let limits = reasons.into_iter().map(move |reason| limit(service, &[], blocks, from, reason));
        limits.map(|it| (arn.to_owned(), it)).collect::<Vec<_>>()
    };
    if part.is_blind && ran.is_empty() && !has_actions {
        if !index.requested().any(|it| (it.0, it.1) == place && it.2 == pipeline.name) {
            return all(true, None, part.reasons);
        }
        let mut reasons = seen.gaps(HistorySource::PipelineExecutions, place, arn);
        reasons.push(format!(
            "{ONLY_REQUESTS} of {arn}, not how they ended: let the audit role call codepipeline:ListPipelineExecutions \
             and codepipeline:ListActionExecutions"
        ));
        return all(true, None, reasons);
    }
    if !has_actions && (part.names_actions || ran.iter().any(|it| needs_actions(it))) {
        let mut reasons = part.reasons;
        reasons.retain(|it| it.contains("ListActionExecutions"));
        if reasons.is_empty() {
            reasons.push(format!(
                "the executions of {arn} are known, but not their actions, so nobody can tell what reached production: \
                 let the audit role call codepipeline:ListActionExecutions"
            ));
        }
        return all(true, None, reasons);
    }
    let mut limits = all(false, part.observed_from, part.reasons);
    limits.extend(all(false, None, without_actions(arn, ran, index, seen).collect()));
    let partial = |(metric, reason)| (arn.to_owned(), limit(service, &[metric], false, None, reason));
    limits.extend(of_tests(arn, place, index, seen).into_iter().map(|it| partial((MetricName::TestPassRate, it))));
    limits.extend(of_sources(arn, place, index, seen).into_iter().map(|it| partial((MetricName::ChangeLeadTime, it))));
    limits
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
fn of_groups(service: &Service, landscape: &Landscape, drafts: &[Draft<'_>], seen: &Seen<'_>) -> Vec<(String, Limit)> {
    let mut limits = Vec::new();
    for ((account, region, _), group) in &landscape.groups {
        if group.service != service.key || !group.is_production {
            continue;
        }
        let part = seen.part(HistorySource::Deployments, (account, region), &group.arn, "its deployments");
        let is_own = group.pipeline.is_none();
        let has_any = || drafts.iter().any(|it| it.lane == group.arn);
        let (metrics, blocks): (&[MetricName], bool) =
            if is_own { (&[], part.is_blind && !has_any()) } else { (OF_DEPLOYMENTS, false) };
        limits.extend(part.reasons.into_iter().map(|reason| {
            // A pipeline's executions are known from earlier on than what its deployments did.
            (group.arn.clone(), limit(&service.key, metrics, blocks, part.observed_from, reason))
        }));
    }
    limits
}

/// What limits the tests of a pipeline that has any: builds tell faults from failures, reports are kept for 30 days.
fn of_tests(arn: &str, place: (&AccountId, &Region), index: &Index<'_>, seen: &Seen<'_>) -> BTreeSet<String> {
    // Projects by account, Region and ARN, as spans and gaps carry them; and whether they make reports.
    let mut projects: BTreeMap<(AccountId, Region, String), bool> = BTreeMap::new();
    let tries = index.executions_with_actions(arn).flat_map(|(_, actions)| actions).flat_map(|it| &it.tries);
    for test in tries.filter(|it| it.category == "Test" && it.provider == "CodeBuild") {
        let Some(name) = test.configuration.get("ProjectName") else { continue };
        let (account, region) = place_of(test, place);
        let partition = Partition::of_region(&region);
        let project = format!("arn:{partition}:codebuild:{region}:{account}:project/{name}");
        let build = test.external_execution_id.as_deref().and_then(|id| index.build(id));
        *projects.entry((account, region, project)).or_default() |= build.is_some_and(|it| !it.report_arns.is_empty());
    }
    let mut reasons = BTreeSet::new();
    for ((account, region, project), has_reports) in &projects {
        let place = (account, region);
        for (source, what) in [(HistorySource::Builds, "its builds"), (HistorySource::TestReports, "its test reports")]
        {
            if source == HistorySource::TestReports && !has_reports {
                continue;
            }
            let looked = seen.coverage.spans.iter().any(|it| it.source == source);
            // Where nobody asked, there is nothing to be partial about.
            let own = if looked {
                seen.part(source, place, project, what).reasons
            } else {
                seen.gaps(source, place, project)
            };
            reasons.extend(own);
        }
    }
    reasons
}

/// Where an action ran: the Region that it names, and the account of the role that it runs under.
fn place_of(action: &ActionExecution, (account, region): (&AccountId, &Region)) -> (AccountId, Region) {
    let role = action.role_arn.as_deref().and_then(|role| Arn::parse(role).ok());
    let of_role = role.and_then(|role| AccountId::try_from(role.account.to_owned()).ok());
    (of_role.unwrap_or_else(|| account.clone()), action.region.clone().unwrap_or_else(|| region.clone()))
}

/// What limits the commits of a pipeline: gaps over the repositories that its source actions name, and no others.
fn of_sources(arn: &str, place: (&AccountId, &Region), index: &Index<'_>, seen: &Seen<'_>) -> BTreeSet<String> {
    let mut repositories: BTreeSet<(HistorySource, AccountId, &str)> = BTreeSet::new();
    let tries = index.executions_with_actions(arn).flat_map(|(_, actions)| actions).flat_map(|it| &it.tries);
    for source in tries.filter(|it| it.category == "Source") {
        let named = |setting: &str| source.configuration.get(setting).map(String::as_str);
        let (account, _) = place_of(source, place);
        match source.provider.as_str() {
            "CodeCommit" => {
                repositories.extend(named("RepositoryName").map(|name| (HistorySource::CodeCommit, account, name)));
            }
            // The gap of a connection that leads nowhere names the connection, all others the repository.
            "CodeStarSourceConnection" => repositories.extend(
                [named("FullRepositoryId"), named("ConnectionArn")]
                    .into_iter()
                    .flatten()
                    .map(|name| (HistorySource::SourceHost, account.clone(), name)),
            ),
            _ => {}
        }
    }
    let mut reasons = BTreeSet::new();
    for (source, owner, name) in &repositories {
        let ours = seen.coverage.gaps.iter().filter(|it| {
            it.source == *source
                && (it.gap.account == *owner || it.gap.account == *place.0)
                && it.subject.as_deref().is_none_or(|subject| names(subject, name))
                && seen.is_within(it)
        });
        reasons.extend(ours.map(|it| format!("commits of {name} could not all be seen: {}", it.gap.sentence())));
    }
    reasons
}

/// Whether a gap's subject, an address or ARN, is a repository of that name.
fn names(subject: &str, repository: &str) -> bool {
    let rest = subject.strip_suffix(repository);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with(['/', ':']))
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
                // Rules of stage conditions tell who was let through; no number is made of them.
                && it.gap.action != "codepipeline:ListRuleExecutions"
                && it.gap.account == *account
                && (it.gap.region == *region || it.gap.region == Region::GLOBAL)
                && it.subject.as_deref().is_none_or(|it| it == subject || it == name)
                && self.is_within(it)
        })
    }

    /// Whether a gap is about a part of the window.
    fn is_within(&self, gap: &HistoryGap) -> bool {
        gap.from.is_none_or(|from| from < self.window.to) && gap.to.is_none_or(|to| to > self.window.from)
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
