//! What keeps production from being entered at the wrong moment.
//!
//! In: the entry conditions of a pipeline's stages, and functions that are asked before production. Out: production
//! stages that nothing keeps to a time window, and those that an alarm does not hold.

use serde_json::Value;

use super::Facts;
use super::deploying;
use super::pipeline_definition::Action;
use super::pipeline_view::{View, lacks};
use super::production::is_one_of;
use super::seen::{Found, Seen, list_at, text_at};
use super::words::words;

/// Facts that are unknown if the stages could not be seen.
pub(super) const FACTS: &[&str] = &["productionStagesWithoutEntryAlarm", "productionStagesWithoutWindow"];

/// What is asked before a stage is entered.
#[derive(Clone, Copy)]
struct Gate {
    /// The rule of `CodePipeline` that asks it.
    rule: &'static str,
    /// Words in the name of a function that asks it.
    words: &'static [&'static str],
}

const WINDOW: Gate = Gate {
    rule: "DeploymentWindow",
    words: &["window", "windows", "freeze", "blackout", "calendar", "schedule", "businesshours"],
};
const ALARM: Gate = Gate {
    rule: "CloudWatchAlarm",
    words: &["alarm", "alarms", "health", "healthy", "healthcheck", "incident", "incidents"],
};

/// Words that say that a function only asks something.
const ASKS: &[&str] = &["check", "checks", "guard", "gate", "verify", "validate", "precheck", "preflight"];

/// Adds the facts.
pub(super) fn put(facts: &mut Facts, view: &View<'_>) {
    let deployments = view.deployments();
    let mut unguarded = [WINDOW, ALARM].map(|gate| (gate, Found::default()));
    for (index, stage) in view.definition.stages.iter().enumerate() {
        let here = || deployments.iter().filter(|one| one.action.stage == index);
        let in_production = deploying::any(here().map(|one| one.in_production.clone()));
        for (gate, found) in &mut unguarded {
            let by_rule = by_rule(stage, *gate);
            // A function counts where it is asked before every production deployment of the stage.
            let open = here().map(|one| lacks(by_function(one.action, view, *gate), &one.in_production));
            let there = deploying::any([by_rule, deploying::any(open).map(|open| !open)].into_iter());
            found.add_if(text_at(Some(stage), &["Name"]), &lacks(there, &in_production));
        }
    }
    let [(_, window), (_, alarm)] = unguarded;
    facts.put("productionStagesWithoutWindow", window.decided());
    facts.put("productionStagesWithoutEntryAlarm", alarm.decided());
}

/// Whether an entry condition asks; one that only a function knows the meaning of may.
fn by_rule(stage: &Value, gate: Gate) -> Seen<bool> {
    let conditions = list_at(Some(stage), &["BeforeEntry", "Conditions"]).iter();
    let holding = conditions.filter(|one| matches!(text_at(Some(one), &["Result"]), "FAIL" | "SKIP"));
    deploying::any(holding.flat_map(|condition| list_at(Some(condition), &["Rules"])).map(|rule| {
        let provider = text_at(Some(rule), &["RuleTypeId", "Provider"]);
        if provider == gate.rule {
            return Ok(!always_open(text_at(Some(rule), &["Configuration", "Cron"])));
        }
        if provider != "LambdaInvoke" {
            return Ok(false);
        }
        let names = [text_at(Some(rule), &["Name"]), text_at(Some(rule), &["Configuration", "FunctionName"])];
        let function = names.iter().rev().find(|name| !name.is_empty()).unwrap_or(&"");
        meaning(&names, gate).unwrap_or_else(|| Err(vec![format!("what the function {function} asks cannot be seen")]))
    }))
}

/// Whether a window is open all the time: every field of its expression stands for anything.
fn always_open(cron: &str) -> bool {
    !cron.is_empty() && cron.split_whitespace().all(|field| matches!(field, "*" | "?"))
}

/// Whether a function that is invoked before the deployment asks.
fn by_function(deployment: &Action<'_>, view: &View<'_>, gate: Gate) -> Seen<bool> {
    let before = view.definition.actions.iter().filter(|action| {
        action.category == "Invoke"
            && matches!(action.provider, "Lambda" | "StepFunctions")
            && action.precedes(deployment)
    });
    deploying::any(before.map(|action| {
        let names = [action.name, action.setting("FunctionName")];
        let asks = names.iter().flat_map(|name| words(name)).any(|word| is_one_of(word, ASKS));
        match meaning(&names, gate) {
            Some(Ok(true)) => Ok(true),
            None if asks => Err(vec![format!("what {} asks cannot be seen", action.label())]),
            _ => Ok(false),
        }
    }))
}

/// What the names of a function say of the gate; `None` where they say nothing of any gate.
fn meaning(names: &[&str], gate: Gate) -> Option<Seen<bool>> {
    let said: Vec<&str> = names.iter().flat_map(|name| words(name)).collect();
    let says = |gate: Gate| said.iter().any(|word| is_one_of(word, gate.words));
    if says(gate) {
        Some(Ok(true))
    } else if says(WINDOW) || says(ALARM) {
        Some(Ok(false))
    } else {
        None
    }
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::super::{Fact, Pipeline, ResourceKind};
    use super::*;
    use crate::inventory::TypeName;

    fn facts(before: Vec<Value>, entry: Value) -> Facts {
        let deploy = json!({"Name": "Deploy", "ActionTypeId": {"Category": "Deploy", "Provider": "ECS"}});
        let stages = json!([
            {"Name": "Before", "Actions": before},
            {"Name": "Prod", "Actions": [deploy], "BeforeEntry": {"Conditions": entry}},
        ]);
        let pipeline = resource(TypeName::PIPELINE, "web", json!({"Name": "web", "Stages": stages}));
        Pipeline.facts(&pipeline, &joins(std::slice::from_ref(&pipeline), &[]))
    }

    /// Stages without a window and without an alarm; `None` where that is unknown.
    fn without(before: Vec<Value>, entry: Value) -> [Option<usize>; 2] {
        let facts = facts(before, entry);
        ["productionStagesWithoutWindow", "productionStagesWithoutEntryAlarm"].map(|name| match facts.known.get(name) {
            Some(Fact::Set(set)) => Some(set.len()),
            _ => None,
        })
    }

    fn rule(provider: &str, settings: Value, result: &str) -> Value {
        let rule = json!({"Name": "Rule", "RuleTypeId": {"Provider": provider}, "Configuration": settings});
        json!([{"Result": result, "Rules": [rule]}])
    }

    fn function(name: &str) -> Value {
        json!({"Name": name, "ActionTypeId": {"Category": "Invoke", "Provider": "Lambda"}})
    }

    #[test]
    fn rules_that_hold_a_stage() {
        assert_eq!(without(vec![], json!([])), [Some(1), Some(1)]);
        let window = json!({"Cron": "* * 9-16 ? * MON-THU *"});
        assert_eq!(without(vec![], rule("DeploymentWindow", window.clone(), "FAIL")), [Some(0), Some(1)]);
        assert_eq!(without(vec![], rule("DeploymentWindow", window, "")), [Some(1), Some(1)]);
        let open = json!({"Cron": "* * * ? * * *"});
        assert_eq!(without(vec![], rule("DeploymentWindow", open, "FAIL")), [Some(1), Some(1)]);
        assert_eq!(without(vec![], rule("CloudWatchAlarm", json!({"AlarmName": "a"}), "FAIL")), [Some(1), Some(0)]);
        let freeze = json!({"FunctionName": "change-freeze"});
        assert_eq!(without(vec![], rule("LambdaInvoke", freeze, "SKIP")), [Some(0), Some(1)]);
        assert_eq!(without(vec![], rule("LambdaInvoke", json!({"FunctionName": "ask"}), "FAIL")), [None, None]);
    }

    #[test]
    fn functions_that_are_asked_before() {
        assert_eq!(without(vec![function("CheckChangeWindow")], json!([])), [Some(0), Some(1)]);
        assert_eq!(without(vec![function("HealthGate")], json!([])), [Some(1), Some(0)]);
        assert_eq!(without(vec![function("PreflightCheck")], json!([])), [None, None]);
        assert_eq!(without(vec![function("Announce")], json!([])), [Some(1), Some(1)]);
    }
}
