//! A pipeline's stages and actions with their places.
//!
//! In: `Stages` as declared. Out: every stage and action with its label and JSON pointer, so that evidence, which names
//! them by label, finds the lines they are written in.

use serde_json::Value;

use crate::template::Holes;

/// A stage, or an action of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// `Prod`, `Prod/Deploy`
    pub(super) label: String,
    /// `/Stages/2/Actions/0`
    pub(super) pointer: String,
    /// Position of the stage.
    pub(super) stage: usize,
    /// Position of the action in the list; `None` for the stage itself.
    pub(super) action: Option<usize>,
    run_order: i64,
    /// Whether a person gives it.
    pub(super) is_approval: bool,
}

impl Step {
    /// Stage and run order: what decides which one runs first.
    pub(super) fn order(&self) -> (usize, i64) {
        (self.stage, self.run_order)
    }

    /// Where it is written.
    pub(super) fn position(&self) -> (usize, i64, Option<usize>) {
        (self.stage, self.run_order, self.action)
    }

    /// Whether it is over before the other one starts.
    pub(super) fn precedes(&self, other: &Self) -> bool {
        self.order() < other.order()
    }

    /// The step that an element of a fact names: at its beginning (`Prod/Deploy (why)`) or after a word (`SAST before
    /// Prod/Deploy`). Stages are meant only by facts about stages.
    pub(super) fn named_by<'s>(steps: &'s [Self], element: &str, of_stages: bool) -> Option<&'s Self> {
        let candidates = || steps.iter().filter(|step| step.action.is_some() || of_stages);
        let begins = candidates().filter(|step| ends_there(element.strip_prefix(step.label.as_str())));
        let longest = begins.max_by_key(|step| (step.label.len(), step.action.is_some()));
        longest.or_else(|| {
            let inside = candidates().filter(|step| {
                element.split_once(&format!(" {}", step.label)).is_some_and(|(_, rest)| ends_there(Some(rest)))
            });
            inside.filter(|step| step.action.is_some()).max_by_key(|step| step.label.len())
        })
    }

    /// What an element says behind the label.
    pub(super) fn rest_of<'e>(&self, element: &'e str) -> &'e str {
        element.strip_prefix(self.label.as_str()).unwrap_or_default()
    }
}

/// Whether a label is over where the rest begins.
fn ends_there(rest: Option<&str>) -> bool {
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '/', ':', ',']))
}

/// All stages and actions, in the order of the list.
pub(super) fn steps(stages: &Value, holes: &Holes) -> Vec<Step> {
    let mut steps = Vec::new();
    for (stage, value) in stages.as_array().into_iter().flatten().enumerate() {
        let text = |value: &Value, key: &str| {
            value.get(key).and_then(Value::as_str).map(|text| holes.spoken(text)).unwrap_or_default()
        };
        let name = text(value, "Name");
        let pointer = format!("/Stages/{stage}");
        let actions = value.get("Actions").and_then(Value::as_array).into_iter().flatten();
        for (action, value) in actions.enumerate() {
            let of_type = |key: &str| value.get("ActionTypeId").map(|one| text(one, key)).unwrap_or_default();
            steps.push(Step {
                label: format!("{name}/{}", text(value, "Name")),
                pointer: format!("{pointer}/Actions/{action}"),
                stage,
                action: Some(action),
                run_order: value.get("RunOrder").and_then(number).unwrap_or(1),
                is_approval: of_type("Category") == "Approval" && of_type("Provider") == "Manual",
            });
        }
        steps.push(Step { label: name, pointer, stage, action: None, run_order: 0, is_approval: false });
    }
    steps
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}
