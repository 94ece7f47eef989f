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
pub(super) struct PipelineExecutions;

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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};
    use time::macros::datetime;

    use super::super::testing::*;
    use super::super::{HistoryGap, PipelineExecution, Principal, Span};
    use super::*;
    use crate::collect::test_support::{Answer, Answers};
    use crate::inventory::REDACTED_SECRET;

    const WEB: &str = "arn:aws:codepipeline:eu-west-1:111122223333:web";
    const API: &str = "arn:aws:codepipeline:eu-west-1:111122223333:api";

    fn pipeline(arn: &str) -> Resource {
        resource(TypeName::PIPELINE, arn, json!({"Name": arn.rsplit(':').next().unwrap()}))
    }

    fn execution(id: &str, status: &str, day_of_june: u8) -> Value {
        json!({"pipelineExecutionId": id, "status": status, "startTime": epoch(day(day_of_june)),
            "lastUpdateTime": epoch(day(day_of_june)) })
    }

    fn action(execution: &str, id: &str, status: &str, day_of_june: u8) -> Value {
        json!({"pipelineExecutionId": execution, "actionExecutionId": id, "stageName": "Prod", "actionName": "Deploy",
            "status": status, "startTime": epoch(day(day_of_june))})
    }

    fn rule(execution: &str, id: &str, day_of_june: u8) -> Value {
        json!({"pipelineExecutionId": execution, "ruleExecutionId": id, "stageName": "Prod", "ruleName": "Alarms",
            "status": "Succeeded", "startTime": epoch(day(day_of_june))})
    }

    /// One page for each operation.
    fn one_page(executions: Value, actions: Value, rules: Value) -> Answers {
        Arc::new(move |operation, _| {
            Answer::Json(match operation {
                "ListPipelineExecutions" => json!({"pipelineExecutionSummaries": executions}),
                "ListActionExecutions" => json!({"actionExecutionDetails": actions}),
                "ListRuleExecutions" => json!({"ruleExecutionDetails": rules}),
                _ => return Answer::Error(400, "UnknownOperationException"),
            })
        })
    }

    fn small() -> Answers {
        one_page(
            json!([execution("e2", "Succeeded", 9)]),
            json!([action("e2", "a1", "Succeeded", 9)]),
            json!([rule("e2", "r1", 9)]),
        )
    }

    #[tokio::test]
    async fn every_refusal_is_a_gap_and_stops_no_other_pipeline() {
        let asked = Asked::of(vec![pipeline(API), pipeline(WEB)]);
        let clean = every_refusal_leaves_a_gap(&PipelineExecutions, &asked, small()).await;
        assert_eq!((clean.executions.len(), clean.actions.len(), clean.rules.len()), (2, 2, 2));
        let spans: Vec<_> =
            clean.coverage.spans.iter().map(|span| (span.subject.as_deref(), span.from, span.to)).collect();
        assert_eq!(spans, [(Some(API), FROM, TO), (Some(WEB), FROM, TO)]);

        let small = small();
        let answers: Answers = Arc::new(move |operation, input| match input["pipelineName"].as_str() {
            Some("api") => Answer::Error(403, "AccessDeniedException"),
            _ => small(operation, input),
        });
        let (history, _) = collect(&PipelineExecutions, &asked, answers, &[]).await;
        assert_eq!(history.executions.len(), 1);
        assert!(history.coverage.gaps.iter().all(|gap| gap.subject.as_deref() == Some(API)));
        assert_eq!(history.coverage.gaps.len(), 3);
        assert!(history.coverage.spans.iter().all(|span| span.subject.as_deref() == Some(WEB)));
    }

    #[tokio::test]
    async fn records_hold_what_matters_and_no_secret() {
        let key = "AKIAIOSFODNN7EXAMPLE";
        let executions = json!([{
            "pipelineExecutionId": "e2", "status": "Succeeded", "startTime": 1_780_304_400.123,
            "lastUpdateTime": epoch(day(2)), "executionMode": "QUEUED", "executionType": "ROLLBACK",
            "rollbackMetadata": {"rollbackTargetPipelineExecutionId": "e1"},
            "trigger": {"triggerType": "ManualRollback", "triggerDetail": "arn:aws:sts::111122223333:assumed-role/R/ann"},
            "sourceRevisions": [
                {"actionName": "Code", "revisionId": "c1", "revisionUrl": "https://u:p@example.com/c/c1?token=1",
                 "revisionSummary": "{\"ProviderType\":\"GitHub\",\"CommitMessage\":\"fix: x\\n\\nlong\"}"},
                {"actionName": "Config", "revisionId": "v1", "revisionSummary": format!("key {key}")},
                {"actionName": "Nothing"},
            ],
        }]);
        let deploy = json!({
            "pipelineExecutionId": "e2", "actionExecutionId": "a1", "stageName": "Prod", "actionName": "Deploy",
            "status": "Failed", "startTime": epoch(day(1)), "lastUpdateTime": epoch(day(2)), "pipelineVersion": 7,
            "updatedBy": "arn:aws:sts::111122223333:assumed-role/R/ann",
            "input": {
                "actionTypeId": {"category": "Build", "owner": "AWS", "provider": "CodeBuild", "version": "1"},
                "region": "us-east-1", "roleArn": "arn:aws:iam::444455556666:role/deploy",
                "configuration": {"ProjectName": "web", "Note": "unplanned: #{variables.unplanned}"},
                "resolvedConfiguration": {
                    "ProjectName": "web", "Note": "unplanned: TRUE", "Password": "hunter2",
                    "EnvironmentVariables": "[{\"name\":\"STAGE\",\"value\":\"hunter2\"}]",
                },
            },
            "output": {"executionResult": {
                "externalExecutionId": "web:1", "externalExecutionSummary": format!("looks good\n{key}"),
                "errorDetails": {"code": "JobFailed", "message": "hunter2"},
            }},
        });
        let asked = Asked::of(vec![pipeline(WEB)]);
        let answers = one_page(executions, json!([deploy]), json!([]));
        let (history, _) = collect(&PipelineExecutions, &asked, answers, &[]).await;
        let [execution] = history.executions.as_slice() else { panic!("{history:?}") };
        assert_eq!(execution.started, datetime!(2026-06-01 09:00:00.123 UTC));
        assert_eq!(execution.rollback_target.as_deref(), Some("e1"));
        assert_eq!(
            (execution.mode.as_deref(), execution.execution_type.as_deref()),
            (Some("QUEUED"), Some("ROLLBACK"))
        );
        let [code, config] = execution.revisions.as_slice() else { panic!("{execution:?}") };
        assert_eq!((code.summary.as_deref(), code.url.as_deref()), (Some("fix: x"), Some("https://example.com/c/c1")));
        assert_eq!(config.summary.as_deref(), Some(REDACTED_SECRET));
        assert_eq!(execution.unplanned, Some(true));
        let trigger = execution.trigger.as_ref().unwrap();
        assert_eq!(Principal::of_arn(trigger.detail.as_deref().unwrap()).person().as_deref(), Some("ann"));
        let [deploy] = history.actions.as_slice() else { panic!("{history:?}") };
        assert_eq!((deploy.category.as_str(), deploy.provider.as_str()), ("Build", "CodeBuild"));
        assert_eq!(deploy.external_execution_id.as_deref(), Some("web:1"));
        assert_eq!(deploy.region.as_ref().map(crate::inventory::Region::as_str), Some("us-east-1"));
        assert_eq!((deploy.pipeline_version, deploy.error_code.as_deref()), (Some(7), Some("JobFailed")));
        assert_eq!(deploy.summary.as_deref(), Some("looks good"));
        assert_eq!(deploy.configuration["ProjectName"], "web");
        let text = serde_json::to_string(&history).unwrap();
        assert!(!text.contains("hunter2") && !text.contains(key) && !text.contains("u:p"), "{text}");
    }

    /// Pages of executions, one a day from the 28th back to the first; `asked_pages` counts them.
    fn daily(retried: Option<u8>) -> Answers {
        Arc::new(move |operation, input| {
            Answer::Json(match operation {
                "ListPipelineExecutions" => {
                    let newest: u8 = input["nextToken"].as_str().map_or(28, |token| token.parse().unwrap());
                    let page: Vec<Value> =
                        (0..4).map(|n| newest - n).map(|d| execution(&format!("e{d}"), "Succeeded", d)).collect();
                    json!({"pipelineExecutionSummaries": page, "nextToken": (newest > 4).then(|| (newest - 4).to_string())})
                }
                "ListActionExecutions" => {
                    let retry = retried.map(|of| action(&format!("e{of}"), "again", "Succeeded", 27));
                    json!({"actionExecutionDetails": retry.into_iter().collect::<Vec<_>>()})
                }
                _ => json!({"ruleExecutionDetails": []}),
            })
        })
    }

    fn seen_until(to: OffsetDateTime) -> Span {
        Span {
            source: HistorySource::PipelineExecutions,
            account: Some("111122223333".parse().unwrap()),
            region: Some("eu-west-1".parse().unwrap()),
            subject: Some(WEB.to_owned()),
            from: FROM,
            to,
        }
    }

    fn lists(calls: &[String], operation: &str) -> usize {
        calls.iter().filter(|call| *call == operation).count()
    }

    #[tokio::test]
    async fn only_what_is_new_open_or_retried_is_asked_for() {
        let mut asked = Asked::of(vec![pipeline(WEB)]);
        let (all, calls) = collect(&PipelineExecutions, &asked, daily(None), &[]).await;
        assert_eq!((all.executions.len(), lists(&calls, "ListPipelineExecutions")), (28, 7));

        asked.known.spans = vec![seen_until(day(26))];
        let (new, calls) = collect(&PipelineExecutions, &asked, daily(None), &[]).await;
        assert_eq!(lists(&calls, "ListPipelineExecutions"), 1);
        assert_eq!((new.coverage.spans.len(), new.coverage.spans[0].from), (1, day(26)));

        let (_, calls) = collect(&PipelineExecutions, &asked, daily(Some(15)), &[]).await;
        assert_eq!(
            lists(&calls, "ListPipelineExecutions"),
            4,
            "an action of the 27th belongs to an execution of the 15th"
        );

        let (account, region) = ("111122223333".parse().unwrap(), "eu-west-1".parse().unwrap());
        asked.so_far.executions = vec![PipelineExecution::new(WEB, account, region, "e19", "InProgress", day(19))];
        let (open, calls) = collect(&PipelineExecutions, &asked, daily(None), &[]).await;
        assert_eq!(lists(&calls, "ListPipelineExecutions"), 3);
        assert!(open.executions.iter().any(|execution| execution.id == "e19" && execution.status == "Succeeded"));

        asked.so_far.executions.clear();
        asked.known.spans = vec![seen_until(TO)];
        let (nothing, calls) = collect(&PipelineExecutions, &asked, daily(None), &[]).await;
        assert_eq!((nothing, calls), (History::default(), Vec::new()));
    }

    #[tokio::test]
    async fn rules_that_were_refused_are_asked_for_again() {
        let mut asked = Asked::of(vec![pipeline(WEB)]);
        let (refused, _) = collect(&PipelineExecutions, &asked, small(), &[LIST_RULES]).await;
        assert_eq!(refused.coverage.spans, [seen_until(TO)], "executions were seen");
        asked.known = refused.coverage;
        let (again, _) = collect(&PipelineExecutions, &asked, small(), &[]).await;
        assert_eq!(again.rules.len(), 1);
    }

    #[tokio::test]
    async fn an_error_midway_leaves_a_span_over_what_came() {
        let whole = daily(None);
        let answers: Answers = Arc::new(move |operation, input| match input["nextToken"].as_str() {
            Some("20") => Answer::Error(400, "InvalidNextTokenException"),
            _ => whole(operation, input),
        });
        let (history, _) = collect(&PipelineExecutions, &Asked::of(vec![pipeline(WEB)]), answers, &[]).await;
        assert_eq!(history.coverage.spans, [Span { from: day(21), ..seen_until(TO) }]);
        let [HistoryGap { from, to, .. }] = history.coverage.gaps.as_slice() else { panic!("{history:?}") };
        assert_eq!((*from, *to), (Some(FROM), Some(day(21))));
    }

    #[tokio::test]
    async fn what_is_older_than_twelve_months_is_a_gap() {
        let mut asked = Asked::of(vec![pipeline(WEB)]);
        asked.period.from = datetime!(2025-01-01 0:00 UTC);
        let (history, _) = collect(&PipelineExecutions, &asked, small(), &[]).await;
        let floor = datetime!(2025-06-30 0:00 UTC);
        let [gap] = history.coverage.gaps.as_slice() else { panic!("{history:?}") };
        assert_eq!((gap.from, gap.to), (Some(asked.period.from), Some(floor)));
        assert!(gap.gap.sentence().contains("twelve months"), "{}", gap.gap.sentence());
        assert_eq!(history.coverage.spans, [Span { from: floor, ..seen_until(TO) }]);
    }

    #[tokio::test]
    async fn an_execution_without_its_begin_is_a_gap() {
        let answers = one_page(json!([{"pipelineExecutionId": "e1", "status": "Succeeded"}]), json!([{}]), json!([]));
        let (history, _) = collect(&PipelineExecutions, &Asked::of(vec![pipeline(WEB)]), answers, &[]).await;
        let actions: Vec<&str> = history.coverage.gaps.iter().map(|gap| gap.gap.action.as_str()).collect();
        assert_eq!(actions, [LIST_ACTIONS, LIST_EXECUTIONS]);
    }
}
