//! A pipeline's stages and actions, and which stands before which.
//!
//! In: the `Stages` of a pipeline. Out: the same, borrowed, with the order that `CodePipeline` runs them in. Everything
//! that asks about order asks here, because the order of the list is not the order of the run.

use serde_json::{Map, Value};

use super::seen::{at, list_at, number, object_at, text_at};

/// Stages and all their actions.
#[derive(Debug)]
pub(super) struct Definition<'a> {
    pub(super) stages: &'a [Value],
    pub(super) actions: Vec<Action<'a>>,
}

/// One action where it stands.
#[derive(Debug)]
pub(super) struct Action<'a> {
    /// Position of its stage.
    pub(super) stage: usize,
    pub(super) stage_name: &'a str,
    pub(super) name: &'a str,
    pub(super) category: &'a str,
    pub(super) owner: &'a str,
    pub(super) provider: &'a str,
    /// Actions of a stage with the same number run at the same time.
    pub(super) run_order: i64,
    value: &'a Value,
}

impl<'a> Definition<'a> {
    pub(super) fn read(stages: Option<&'a Value>) -> Self {
        let stages = list_at(stages, &[]);
        let mut actions = Vec::new();
        for (index, stage) in stages.iter().enumerate() {
            let stage_name = text_at(Some(stage), &["Name"]);
            for value in list_at(Some(stage), &["Actions"]) {
                let of_type = |field| text_at(Some(value), &["ActionTypeId", field]);
                actions.push(Action {
                    stage: index,
                    stage_name,
                    name: text_at(Some(value), &["Name"]),
                    category: of_type("Category"),
                    owner: of_type("Owner"),
                    provider: of_type("Provider"),
                    run_order: at(Some(value), &["RunOrder"]).and_then(number).unwrap_or(1),
                    value,
                });
            }
        }
        Self { stages, actions }
    }

    /// The human gates: approvals that a person gives.
    pub(super) fn gates(&self) -> impl Iterator<Item = &Action<'a>> {
        self.actions.iter().filter(|action| action.category == "Approval" && action.provider == "Manual")
    }

    /// Whether a human gate stands before the action, and cannot be passed over: a gate whose stage may be skipped holds
    /// only what is skipped with it.
    pub(super) fn is_gated(&self, action: &Action<'_>) -> bool {
        let holds = |gate: &Action<'_>| gate.stage == action.stage || self.may_be_passed_over(gate.stage).is_none();
        self.gates().any(|gate| gate.precedes(action) && holds(gate))
    }

    /// Why what stands in a stage does not hold the stages after it: a condition of its entry may skip it, or a failure (a
    /// rejected approval is one) does not stop the pipeline.
    ///
    /// <https://docs.aws.amazon.com/codepipeline/latest/userguide/concepts-how-it-works-conditions.html>
    pub(super) fn may_be_passed_over(&self, stage: usize) -> Option<&'static str> {
        let stage = self.stages.get(stage);
        let skips = |on: &str| {
            let conditions = list_at(stage, &[on, "Conditions"]);
            conditions.iter().any(|condition| text_at(Some(condition), &["Result"]) == "SKIP")
        };
        if matches!(text_at(stage, &["OnFailure", "Result"]), "SKIP" | "IGNORE") || skips("OnFailure") {
            return Some("its stage goes on after a failure");
        }
        skips("BeforeEntry").then_some("a condition may skip its stage")
    }
}

impl<'a> Action<'a> {
    /// Whether this action is over before the other one starts: in an earlier stage, or in the same stage with a
    /// strictly smaller run order.
    pub(super) fn precedes(&self, other: &Action<'_>) -> bool {
        (self.stage, self.run_order) < (other.stage, other.run_order)
    }

    /// `Stage/Action`
    pub(super) fn label(&self) -> String {
        format!("{}/{}", self.stage_name, self.name)
    }

    /// A text of the action's own, such as `RoleArn` or `Region`; empty where unset.
    pub(super) fn text(&self, field: &str) -> &'a str {
        text_at(Some(self.value), &[field])
    }

    /// Anything of the action's own, such as `TimeoutInMinutes`.
    pub(super) fn property(&self, field: &str) -> Option<&'a Value> {
        at(Some(self.value), &[field])
    }

    /// A list of the action's own, such as `Commands` or `InputArtifacts`.
    pub(super) fn list(&self, field: &str) -> &'a [Value] {
        list_at(Some(self.value), &[field])
    }

    /// One setting; empty where unset.
    pub(super) fn setting(&self, key: &str) -> &'a str {
        text_at(Some(self.value), &["Configuration", key])
    }

    pub(super) fn configuration(&self) -> Option<&'a Map<String, Value>> {
        object_at(Some(self.value), &["Configuration"])
    }

    /// Names of artifacts in `InputArtifacts` or `OutputArtifacts`.
    pub(super) fn artifacts(&self, field: &str) -> impl Iterator<Item = &'a str> {
        self.list(field).iter().map(|artifact| text_at(Some(artifact), &["Name"])).filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn order_is_by_stage_then_strictly_by_run_order() {
        let stages = json!([
            {"Name": "A", "Actions": [{"Name": "late", "RunOrder": "2"}, {"Name": "early"}, {"Name": "same", "RunOrder": 1}]},
            {"Name": "B", "Actions": [{"Name": "next"}]},
        ]);
        let definition = Definition::read(Some(&stages));
        let action = |name: &str| definition.actions.iter().find(|action| action.name == name).unwrap();
        assert!(action("early").precedes(action("late")));
        assert!(!action("late").precedes(action("early")));
        assert!(!action("early").precedes(action("same")) && !action("same").precedes(action("early")));
        assert!(action("late").precedes(action("next")));
        assert_eq!(action("next").label(), "B/next");
    }

    #[test]
    fn a_gate_in_a_stage_that_may_be_skipped_holds_that_stage_alone() {
        let gated = |extra: serde_json::Value| {
            let approval = json!({"Category": "Approval", "Owner": "AWS", "Provider": "Manual"});
            let mut stage = json!({"Name": "Gate", "Actions": [
                {"Name": "Human", "ActionTypeId": approval}, {"Name": "within", "RunOrder": 2},
            ]});
            stage.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let stages = json!([stage, {"Name": "Prod", "Actions": [{"Name": "after"}]}]);
            let definition = Definition::read(Some(&stages));
            let is_gated = |name| definition.is_gated(definition.actions.iter().find(|one| one.name == name).unwrap());
            (is_gated("within"), is_gated("after"))
        };
        let condition =
            |result: &str| json!({"Conditions": [{"Result": result, "Rules": [{"Name": "VariableCheck"}]}]});
        assert_eq!(gated(json!({})), (true, true));
        assert_eq!(gated(json!({"BeforeEntry": condition("FAIL")})), (true, true));
        assert_eq!(gated(json!({"BeforeEntry": condition("SKIP")})), (true, false));
        assert_eq!(gated(json!({"OnFailure": {"Result": "ROLLBACK"}})), (true, true));
        assert_eq!(gated(json!({"OnFailure": {"Result": "SKIP"}})), (true, false));
        assert_eq!(gated(json!({"OnFailure": condition("SKIP")})), (true, false));
    }

    #[test]
    fn only_a_manual_approval_is_a_human_gate() {
        let stages = json!([{"Name": "Gate", "Actions": [
            {"Name": "ApproveRelease", "ActionTypeId": {"Category": "Invoke", "Provider": "Lambda"}},
            {"Name": "Other", "ActionTypeId": {"Category": "Approval", "Provider": "Ticket"}},
            {"Name": "Human", "ActionTypeId": {"Category": "Approval", "Owner": "AWS", "Provider": "Manual"}},
        ]}]);
        let definition = Definition::read(Some(&stages));
        assert_eq!(definition.gates().map(|gate| gate.name).collect::<Vec<_>>(), ["Human"]);
    }
}
