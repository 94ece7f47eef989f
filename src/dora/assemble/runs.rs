//! Runs of pipelines: where their time went.
//!
//! In: executions and the attempts of their actions, and requests that disable and enable transitions. Out: a [`Run`] for
//! every execution but rollbacks, which run one stage only and are no way through the pipeline. Time in which something
//! ran, time in which only a person was waited for, time between a failure and its retry, and gaps.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use super::index::{Attempts, Index};
use super::intervals::Intervals;
use super::releases::is_rollback;
use super::services::{Landscape, PipelineEntry};
use crate::dora::{Run, RunOutcome};
use crate::history::{History, HistoryCoverage, PipelineExecution};

/// All runs, by begin and id.
pub(super) fn of(
    landscape: &Landscape,
    executions: &BTreeMap<String, Vec<PipelineExecution>>,
    index: &Index<'_>,
    coverage: &HistoryCoverage,
    as_of: OffsetDateTime,
) -> Vec<Run> {
    let transitions = Transitions::of(index.history, as_of);
    let mut runs = Vec::new();
    for (arn, pipeline) in &landscape.pipelines {
        for execution in executions.get(arn).into_iter().flatten().filter(|it| !is_rollback(it)) {
            runs.push(run(execution, pipeline, index, coverage, &transitions));
        }
    }
    runs.sort_by(|a, b| (a.started, &a.pipeline, &a.execution).cmp(&(b.started, &b.pipeline, &b.execution)));
    runs
}

fn outcome(status: &str) -> RunOutcome {
    match status {
        "Succeeded" => RunOutcome::Succeeded,
        "Failed" => RunOutcome::Failed,
        "Stopped" => RunOutcome::Stopped,
        "Superseded" => RunOutcome::Superseded,
        "Cancelled" => RunOutcome::Cancelled,
        _ => RunOutcome::InProgress,
    }
}

fn run(
    execution: &PipelineExecution,
    pipeline: &PipelineEntry,
    index: &Index<'_>,
    coverage: &HistoryCoverage,
    transitions: &Transitions,
) -> Run {
    let actions = index.actions(&execution.pipeline, &execution.id);
    let outcome = outcome(&execution.status);
    let begin = actions.iter().filter_map(|it| it.tries.first()).map(|it| it.started).min();
    let mut run = Run {
        service: pipeline.service.clone(),
        pipeline: execution.pipeline.clone(),
        execution: execution.id.clone(),
        outcome,
        started: begin.unwrap_or(execution.started),
        finished: None,
        active_seconds: None,
        approval_wait_seconds: None,
        gap_seconds: None,
        transition_disabled_seconds: None,
        retry_idle_seconds: None,
        category_seconds: BTreeMap::new(),
        retried_actions: u32::try_from(actions.iter().filter(|it| it.tries.len() > 1).count()).unwrap_or(u32::MAX),
    };
    let end = actions.iter().flat_map(|it| &it.tries).map(|it| it.updated.map(|end| end.max(it.started)));
    // One action whose end is not known leaves the end of the run unknown.
    let end = end.collect::<Option<Vec<_>>>().and_then(|ends| ends.into_iter().max());
    let (false, Some(end)) = (outcome == RunOutcome::InProgress, end) else { return run };
    run.finished = Some(end);
    run.category_seconds = by_category(actions);
    let parts = Parts::of(actions, run.started, end);
    run.active_seconds = Some(parts.active.seconds());
    run.approval_wait_seconds = Some(parts.approval.seconds());
    run.retry_idle_seconds = Some(parts.retry.seconds());
    run.gap_seconds = Some(parts.gap.seconds());
    // Whether a transition was disabled is known only where requests were looked at.
    let looked_at = |time| {
        coverage.spans.iter().any(|span| {
            span.source.tells_events()
                && span.account.as_ref().is_none_or(|id| *id == pipeline.account)
                && span.region.as_ref().is_none_or(|name| *name == pipeline.region)
                && span.from <= time
                && time <= span.to
        })
    };
    if looked_at(run.started) && looked_at(end) {
        // A run that never stood still was held up by nothing.
        let is_known = parts.gap.seconds() == 0 || !transitions.is_open_before(run.started, pipeline);
        run.transition_disabled_seconds =
            is_known.then(|| transitions.covered(&parts.gap, actions, pipeline).seconds());
    }
    run
}

/// Seconds in which actions of each category ran.
fn by_category(actions: &[Attempts<'_>]) -> BTreeMap<String, u64> {
    let mut times: BTreeMap<&str, Vec<(OffsetDateTime, OffsetDateTime)>> = BTreeMap::new();
    for action in actions.iter().flat_map(|it| &it.tries).filter(|it| !it.category.is_empty()) {
        let ran = action.updated.map(|end| (action.started, end.max(action.started)));
        times.entry(&action.category).or_default().extend(ran);
    }
    times.into_iter().map(|(category, times)| (category.to_owned(), Intervals::of(times).seconds())).collect()
}

/// Where the time of a run went; the parts do not overlap and make up the whole.
struct Parts {
    active: Intervals,
    approval: Intervals,
    retry: Intervals,
    gap: Intervals,
}

impl Parts {
    fn of(actions: &[Attempts<'_>], started: OffsetDateTime, end: OffsetDateTime) -> Self {
        let tries = |approvals: bool| {
            let tries =
                actions.iter().flat_map(|it| &it.tries).filter(move |it| (it.category == "Approval") == approvals);
            Intervals::of(tries.filter_map(|it| Some((it.started, it.updated?.max(it.started)))))
        };
        let active = tries(false);
        let approval = tries(true).without(&active);
        let busy = active.clone().union(approval.clone());
        let idle = actions.iter().flat_map(|it| it.tries.iter().zip(it.tries.iter().skip(1)));
        let idle = idle.filter_map(|(failed, again)| Some((failed.updated?, again.started)));
        let retry = Intervals::of(idle).without(&busy);
        let gap = Intervals::of([(started, end)]).without(&busy).without(&retry);
        Self { active, approval, retry, gap }
    }
}

/// When transitions of stages were disabled.
struct Transitions {
    /// By account, Region, name of the pipeline, stage and kind (`Inbound`, `Outbound`).
    disabled: BTreeMap<(String, String, String, String, String), Intervals>,
    /// By account, Region and name of the pipeline: until when a transition may have been disabled since before anybody
    /// looked, because the first that is known of it is that it was enabled.
    unsure: BTreeMap<(String, String, String), OffsetDateTime>,
}

impl Transitions {
    fn of(history: &History, as_of: OffsetDateTime) -> Self {
        type Key = (String, String, String, String, String);
        let mut open: BTreeMap<Key, OffsetDateTime> = BTreeMap::new();
        let mut closed: BTreeMap<Key, Vec<(OffsetDateTime, OffsetDateTime)>> = BTreeMap::new();
        let mut unsure: BTreeMap<(String, String, String), OffsetDateTime> = BTreeMap::new();
        let mut known: BTreeSet<Key> = BTreeSet::new();
        // Events are sorted by time.
        for event in history.events.iter().filter(|it| it.succeeded()) {
            let disables = event.is("codepipeline", "DisableStageTransition");
            if !disables && !event.is("codepipeline", "EnableStageTransition") {
                continue;
            }
            let text = |name| event.request.text(&[name]);
            let (Some(name), Some(stage)) = (text("pipelineName"), text("stageName")) else { continue };
            let kind = text("transitionType").unwrap_or_else(|| "Inbound".to_owned());
            let key = (event.account.to_string(), event.region.to_string(), name, stage, kind);
            let is_first = known.insert(key.clone());
            if disables {
                open.entry(key).or_insert(event.time);
            } else if let Some(from) = open.remove(&key) {
                closed.entry(key).or_default().push((from, event.time));
            } else if is_first {
                let (account, region, name, ..) = key;
                unsure.insert((account, region, name), event.time);
            }
        }
        for (key, from) in open {
            closed.entry(key).or_default().push((from, as_of));
        }
        Self { disabled: closed.into_iter().map(|(key, times)| (key, Intervals::of(times))).collect(), unsure }
    }

    /// Whether at that time a transition of the pipeline may have been disabled without anybody knowing.
    fn is_open_before(&self, time: OffsetDateTime, pipeline: &PipelineEntry) -> bool {
        let key = (pipeline.account.to_string(), pipeline.region.to_string(), pipeline.name.clone());
        self.unsure.get(&key).is_some_and(|until| time < *until)
    }

    /// The part of the gaps in which the way into the next stage, or out of the last one, was disabled.
    fn covered(&self, gap: &Intervals, actions: &[Attempts<'_>], pipeline: &PipelineEntry) -> Intervals {
        let of = |stage: &str, kind: &str| {
            let (account, region) = (pipeline.account.to_string(), pipeline.region.to_string());
            self.disabled.get(&(account, region, pipeline.name.clone(), stage.to_owned(), kind.to_owned()))
        };
        let mut covered = Intervals::default();
        for (from, to) in gap.each() {
            let tries = || actions.iter().flat_map(|it| it.tries.iter().map(move |action| (it.stage, action)));
            let next = tries().filter(|(_, it)| it.started.unix_timestamp() == to);
            let last = tries().filter(|(_, it)| it.updated.is_some_and(|end| end.unix_timestamp() == from));
            let ways = next
                .filter_map(|(stage, _)| of(stage, "Inbound"))
                .chain(last.filter_map(|(stage, _)| of(stage, "Outbound")));
            for way in ways {
                covered = covered.union(gap.within(way).within(&Intervals::single(from, to)));
            }
        }
        covered
    }
}
