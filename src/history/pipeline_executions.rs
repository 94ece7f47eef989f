//! Executions of pipelines, of their actions and of their stage conditions' rules, which `CodePipeline` keeps for twelve
//! months.
//!
//! In: the pipelines of an account and Region. Out: their executions, newest first and only as far back as they are not
//! known yet; what had not ended when it was last seen, or moved since because a stage was retried, is asked for again.
//! One pipeline that is refused leaves a gap and stops no other.
//!
//! <https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ListPipelineExecutions.html>,
//! <https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ListActionExecutions.html>,
//! <https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ListRuleExecutions.html>

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_codepipeline::Client;
use aws_sdk_codepipeline::types::{ActionExecutionDetail, PipelineExecutionSummary, RuleExecutionDetail};
use time::{Duration, OffsetDateTime};

use super::aws_time::moment;
use super::look::{Look, ReadBack, floor, read_back, split};
use super::pipeline_records::{Of, unplanned};
use super::{AccountHistory, History, HistorySource, Period, Question};
use crate::collect::{CallError, Scope, in_order};
use crate::inventory::{Resource, TypeName};

/// Reads executions of pipelines.
#[derive(Debug, Clone, Copy)]
pub struct PipelineExecutions;

const LIST_EXECUTIONS: &str = "codepipeline:ListPipelineExecutions";
const LIST_ACTIONS: &str = "codepipeline:ListActionExecutions";
const LIST_RULES: &str = "codepipeline:ListRuleExecutions";

/// The most that one page holds.
const PER_PAGE: i32 = 100;
/// "The pipeline execution history is limited to the most recent 12 months, based on pipeline execution start times."
const KEPT: Duration = Duration::days(365);

#[async_trait]
impl AccountHistory for PipelineExecutions {
    fn source(&self) -> HistorySource {
        HistorySource::PipelineExecutions
    }

    fn actions(&self) -> &'static [&'static str] {
        &[LIST_EXECUTIONS, LIST_ACTIONS, LIST_RULES]
    }

    async fn collect(&self, scope: &Scope, question: Question<'_>) -> History {
        let reader = Reader { scope, client: Client::new(scope.config()), question };
        let pipelines = question.resources.iter().filter(|resource| resource.type_name == TypeName::PIPELINE);
        let jobs = pipelines.map(|pipeline| reader.pipeline(pipeline)).collect();
        let mut history = History::default();
        for found in in_order(jobs).await {
            history.absorb(found);
        }
        history
    }
}

struct Reader<'a> {
    scope: &'a Scope,
    client: Client,
    question: Question<'a>,
}

/// What was under way when it was last seen: since when, and which executions.
#[derive(Debug, Default)]
struct Open {
    actions: Option<OffsetDateTime>,
    rules: Option<OffsetDateTime>,
    executions: BTreeSet<String>,
}

impl Reader<'_> {
    async fn pipeline(&self, pipeline: &Resource) -> History {
        let arn = pipeline.uid.as_str();
        let name = name_of(pipeline);
        let look = Look { scope: self.scope, source: HistorySource::PipelineExecutions, subject: Some(arn) };
        let floor = floor(self.question.asked, KEPT);
        let (expired, missing) = split(look.missing(&self.question), floor);
        let mut history = History::default();
        let gaps = expired.into_iter().map(|period| {
            look.expired(LIST_EXECUTIONS, period, "CodePipeline keeps the executions of the last twelve months")
        });
        history.coverage.gaps.extend(gaps);
        let open = self.open(arn, floor);
        let first = missing.first().map(|period| period.from);
        // Where everything is known and has ended, there is nothing to ask.
        let ended = open.actions.is_none() && open.rules.is_none() && open.executions.is_empty();
        if first.is_none() && ended {
            return history;
        }
        let from = first.unwrap_or(self.question.period.to);
        let wanted = |since: Option<OffsetDateTime>| Period {
            from: since.map_or(from, |since| since.min(from)).max(floor),
            to: self.question.period.to,
        };
        let (of_actions, of_rules) = (wanted(open.actions), wanted(open.rules));
        let (actions, rules) =
            futures_util::future::join(self.actions(name, of_actions), self.rules(name, of_rules)).await;
        // A retry moves an execution that began before: whatever acted is looked at again.
        let mut acted = open.executions;
        acted.extend(actions.items.iter().filter_map(|detail| detail.pipeline_execution_id()).map(str::to_owned));
        let of_executions = wanted(None);
        let executions = self.executions(name, of_executions, floor, &acted).await;

        let reached = executions.reached.max(actions.reached);
        let seen = missing.into_iter().map(|part| Period { from: part.from.max(reached), to: part.to });
        history.coverage.spans.extend(seen.filter(|part| part.from < part.to).map(|part| look.span(part)));
        let failed = [
            (executions.error.clone(), of_executions, executions.reached),
            (actions.error.clone(), of_actions, actions.reached),
            (rules.error.clone(), of_rules, rules.reached),
        ];
        for (error, asked, reached) in failed {
            let unseen = Period { from: asked.from, to: reached };
            history.coverage.gaps.extend(error.map(|error| look.gap(error, unseen)));
        }
        self.record(&look, &mut history, &executions.items, &actions.items, &rules.items);
        history
    }

    /// Writes down what came; what lacks its id or begin is a gap.
    fn record(
        &self,
        look: &Look<'_>,
        history: &mut History,
        executions: &[PipelineExecutionSummary],
        actions: &[ActionExecutionDetail],
        rules: &[RuleExecutionDetail],
    ) {
        let pipeline = look.subject.unwrap_or_default();
        let of = Of { pipeline, account: &self.scope.account, region: &self.scope.region };
        let flags: BTreeMap<&str, bool> = actions
            .iter()
            .filter_map(|detail| Some((detail.pipeline_execution_id()?, unplanned(detail.input()?)?)))
            .collect();
        let mut incomplete = BTreeSet::new();
        for summary in executions {
            match of.execution(summary) {
                Some(mut execution) => {
                    execution.unplanned = flags.get(execution.id.as_str()).copied();
                    history.executions.push(execution);
                }
                None => _ = incomplete.insert(LIST_EXECUTIONS),
            }
        }
        for detail in actions {
            match of.action(detail) {
                Some(action) => history.actions.push(action),
                None => _ = incomplete.insert(LIST_ACTIONS),
            }
        }
        for detail in rules {
            match of.rule(detail) {
                Some(rule) => history.rules.push(rule),
                None => _ = incomplete.insert(LIST_RULES),
            }
        }
        // What came later than what was asked about belongs to a later question.
        let to = self.question.period.to;
        history.executions.retain(|execution| execution.started < to);
        history.actions.retain(|action| action.started < to);
        history.rules.retain(|rule| rule.started < to);
        for action in incomplete {
            let error = CallError::malformed(action, "an execution without its id, status or begin");
            history.coverage.gaps.push(look.gap(error, self.question.period));
        }
    }

    /// What had not ended, and rules that could not be seen, when it was last looked.
    fn open(&self, pipeline: &str, floor: OffsetDateTime) -> Open {
        let so_far = self.question.so_far;
        let actions = so_far.actions.iter().filter(|a| a.pipeline == pipeline && a.status == "InProgress");
        let rules = so_far.rules.iter().filter(|r| r.pipeline == pipeline && r.status == "InProgress");
        let executions = so_far.executions.iter().filter(|e| {
            e.pipeline == pipeline && e.started >= floor && matches!(e.status.as_str(), "InProgress" | "Stopping")
        });
        // Executions count as seen without their rules, so the gap alone remembers them.
        let refused = self.question.known.gaps.iter().filter(|gap| {
            gap.source == HistorySource::PipelineExecutions
                && gap.subject.as_deref() == Some(pipeline)
                && gap.gap.action == LIST_RULES
        });
        let kept = |since: &OffsetDateTime| *since >= floor;
        Open {
            actions: actions.map(|action| action.started).filter(kept).min(),
            rules: rules.map(|rule| rule.started).chain(refused.filter_map(|gap| gap.from)).filter(kept).min(),
            executions: executions.map(|execution| execution.id.clone()).collect(),
        }
    }

    async fn executions(
        &self,
        name: &str,
        wanted: Period,
        floor: OffsetDateTime,
        acted: &BTreeSet<String>,
    ) -> ReadBack<PipelineExecutionSummary> {
        let ask = |token: Option<String>| async move {
            let ask = || {
                let list = self.client.list_pipeline_executions().pipeline_name(name);
                list.max_results(PER_PAGE).set_next_token(token.clone()).send()
            };
            let page = self.scope.call(LIST_EXECUTIONS, ask).await?;
            Ok((page.pipeline_execution_summaries.unwrap_or_default(), page.next_token))
        };
        let time_of = |summary: &PipelineExecutionSummary| summary.start_time().and_then(moment);
        read_back(LIST_EXECUTIONS, wanted, time_of, ask, |items| {
            let came: BTreeSet<&str> = items.iter().filter_map(|item| item.pipeline_execution_id()).collect();
            let kept = items.last().and_then(time_of).is_none_or(|oldest| oldest >= floor);
            kept && acted.iter().any(|id| !came.contains(id.as_str()))
        })
        .await
    }

    async fn actions(&self, name: &str, wanted: Period) -> ReadBack<ActionExecutionDetail> {
        let ask = |token: Option<String>| async move {
            let ask = || {
                let list = self.client.list_action_executions().pipeline_name(name);
                list.max_results(PER_PAGE).set_next_token(token.clone()).send()
            };
            let page = self.scope.call(LIST_ACTIONS, ask).await?;
            Ok((page.action_execution_details.unwrap_or_default(), page.next_token))
        };
        read_back(LIST_ACTIONS, wanted, |detail| detail.start_time().and_then(moment), ask, |_| false).await
    }

    async fn rules(&self, name: &str, wanted: Period) -> ReadBack<RuleExecutionDetail> {
        let ask = |token: Option<String>| async move {
            let ask = || {
                let list = self.client.list_rule_executions().pipeline_name(name);
                list.max_results(PER_PAGE).set_next_token(token.clone()).send()
            };
            let page = self.scope.call(LIST_RULES, ask).await?;
            Ok((page.rule_execution_details.unwrap_or_default(), page.next_token))
        };
        read_back(LIST_RULES, wanted, |detail| detail.start_time().and_then(moment), ask, |_| false).await
    }
}

/// The pipeline's name, which is also the last part of its ARN.
fn name_of(pipeline: &Resource) -> &str {
    let name = pipeline.properties.get("Name").and_then(serde_json::Value::as_str);
    name.unwrap_or_else(|| pipeline.uid.as_str().rsplit(':').next().unwrap_or_default())
}
