//! `CodePipeline`'s history of stage conditions.

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::super::estate::{Run, Status, Story, uuid};
use super::super::protocol::timestamp;
use super::super::world::World;
use super::codepipeline::BAD_TOKEN;
use super::executions::{story, version};
use super::pages::{page, with_token};
use super::pipeline_stages::{main_stage, stages};
use super::{Answer, Call};

struct RuleRun {
    rule: Value,
    started: OffsetDateTime,
    status: &'static str,
}

/// The rules of the first production stage, at entry and at success.
fn rules(world: &World, story: &Story, run: &Run) -> Vec<RuleRun> {
    let Some((started, ended)) = run.production() else { return Vec::new() };
    let main = main_stage(world, &story.spec);
    let all = stages(world, &story.spec);
    let stage = all.iter().find(|stage| stage.get("name").and_then(Value::as_str) == Some(main));
    let Some(stage) = stage else { return Vec::new() };
    let of = |place: &str| -> Vec<Value> {
        let conditions = stage.pointer(place).and_then(Value::as_array).into_iter().flatten();
        conditions.filter_map(|condition| condition.get("rules")?.as_array()).flatten().cloned().collect()
    };
    let mut runs: Vec<RuleRun> = Vec::new();
    let at = |rule: Value, started: OffsetDateTime, status| RuleRun { rule, started, status };
    let before = started - Duration::seconds(40);
    runs.extend(of("/beforeEntry/conditions").into_iter().map(|rule| at(rule, before, "Succeeded")));
    if run.status == Status::Succeeded {
        runs.extend(of("/onSuccess/conditions").into_iter().map(|rule| at(rule, ended, "Succeeded")));
    }
    if run.status == Status::Failed {
        runs.extend(of("/onFailure/conditions").into_iter().map(|rule| at(rule, ended, "Failed")));
    }
    runs
}

pub(super) fn list_rule_executions(call: &Call<'_>) -> Answer {
    let story = story(call)?;
    let wanted = ["/filter/pipelineExecutionId", "/filter/latestInPipelineExecution/pipelineExecutionId"];
    let wanted = wanted.into_iter().find_map(|name| call.input.pointer(name).and_then(Value::as_str));
    let mut all: Vec<(usize, usize, &Run, RuleRun)> = Vec::new();
    for (position, run) in story.runs.iter().enumerate().filter(|(_, run)| wanted.is_none_or(|id| run.id == id)) {
        let rules = rules(call.world, &story, run).into_iter().enumerate();
        all.extend(rules.map(|(number, rule)| (position, number, run, rule)));
    }
    all.sort_by_key(|(position, number, _, rule)| std::cmp::Reverse((rule.started, *position, *number)));
    let (range, next) = page(all.len(), call.text("nextToken"), call.number("maxResults"), 100, BAD_TOKEN)?;
    let spec = &story.spec;
    let listed: Vec<Value> = all
        .get(range)
        .unwrap_or_default()
        .iter()
        .map(|(position, number, run, one)| {
            let id = uuid(call.world, story.place(), &format!("rule-{}", spec.number), position * 16 + number);
            json!({
                "pipelineExecutionId": run.id, "ruleExecutionId": id,
                "pipelineVersion": version(call.world, &story, run.started),
                "stageName": main_stage(call.world, spec), "ruleName": one.rule.get("name"),
                "startTime": timestamp(one.started), "lastUpdateTime": timestamp(one.started + Duration::seconds(20)),
                "status": one.status,
                "input": {
                    "ruleTypeId": one.rule.get("ruleTypeId"), "configuration": one.rule.get("configuration"),
                    "resolvedConfiguration": one.rule.get("configuration")
                },
                "output": { "executionResult": {} }
            })
        })
        .collect();
    Ok(with_token(json!({ "ruleExecutionDetails": listed }), "nextToken", next))
}
