//! Why a verdict is what it is: the clauses of a control, evaluated step by step.
//!
//! In: a control and a resource. Out: the value of every part of its `when` and `unless`, in Cedar's order, and the
//! clause that decided. The verdict itself is the engine's; this only takes it apart.

use std::collections::BTreeMap;
use std::str::FromStr;

use cedar_policy::{Entities, Expression, Policy, Request, eval_expression};
use serde::Serialize;
use serde_json::{Value, json};

use super::engine::Asking;
use super::error::EvaluateError;
use crate::facts::Subject;
use crate::finding::{ComplianceType, ExceptionRef};

/// A verdict taken apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Control id.
    pub control: String,
    /// The verdict.
    pub compliance: ComplianceType,
    /// The clause that decided: `scope`, `when`, `unless`.
    pub decided_by: &'static str,
    /// The clauses, in order.
    pub clauses: Vec<Clause>,
    /// What could not be seen, if that decided.
    pub gaps: Vec<String>,
    /// Facts that the control reads, with their values on the resource.
    pub evidence: BTreeMap<String, Value>,
    /// Every exception from the control, and what it says about the resource.
    pub exceptions: Vec<Considered>,
}

/// One clause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Clause {
    /// `when` or `unless`.
    pub kind: String,
    /// The whole and its parts, outermost first.
    pub steps: Vec<Step>,
}

/// One part of a clause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// How deep it stands within the clause.
    pub depth: usize,
    /// As Cedar writes it.
    pub text: String,
    /// What came out.
    pub value: Outcome,
}

/// The value of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Cedar's value.
    Known(String),
    /// Cedar could not tell, because a fact is unknown.
    Unknown,
    /// What stands before it decided already.
    NotAsked,
}

/// An exception that was considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Considered {
    /// The exception.
    pub exception: ExceptionRef,
    /// Where it is written.
    pub file: String,
    /// What it says about this resource.
    pub outcome: String,
}

impl Asking<'_> {
    /// Takes the verdict of one control on one resource apart.
    ///
    /// # Errors
    /// [`EvaluateError::NotAsked`] if the control does not judge the resource, otherwise as [`Self::judge`].
    pub fn explain(&self, control: &str, subject: &Subject) -> Result<Explanation, EvaluateError> {
        let not_asked = || EvaluateError::NotAsked { control: control.to_owned(), resource: subject.uid.to_string() };
        let partition = self.policies.partitions.get(&subject.type_name).ok_or_else(not_asked)?;
        let asked = partition.controls.iter().find(|asked| asked.control.id == control).ok_or_else(not_asked)?;
        let finding =
            self.judge(subject)?.into_iter().find(|finding| finding.control == control).ok_or_else(not_asked)?;
        let (request, entities) = self.question(subject, partition)?;
        let parts = Parts { request: &request, entities: &entities };
        let conditions = asked.json.get("conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let in_scope = self.in_scope(&asked.json, &request, &entities);
        let (mut clauses, mut decided_by, mut ask) = (Vec::new(), "scope", in_scope);
        for condition in conditions {
            let kind = condition.get("kind").and_then(Value::as_str).unwrap_or_default();
            let mut steps = Vec::new();
            let value = parts.walk(condition.get("body").unwrap_or(&Value::Null), 0, ask, &mut steps);
            if ask {
                decided_by = if kind == "when" { "when" } else { "unless" };
            }
            ask = ask && value == Outcome::Known("true".to_owned());
            clauses.push(Clause { kind: kind.to_owned(), steps });
        }
        Ok(Explanation {
            control: control.to_owned(),
            compliance: finding.compliance,
            decided_by,
            clauses,
            gaps: finding.gaps,
            evidence: super::engine::evidence(asked, &subject.facts),
            exceptions: self.considered(control, &request, &entities),
        })
    }

    /// Whether a control's scope names the account.
    fn in_scope(&self, control: &Value, request: &Request, entities: &Entities) -> bool {
        let Some(principal) = control.get("principal") else { return true };
        let scope = policy_of(principal, &[]);
        scope.is_none_or(|policy| self.fires(policy, request, entities))
    }
}

struct Parts<'a> {
    request: &'a Request,
    entities: &'a Entities,
}

impl Parts<'_> {
    fn walk(&self, node: &Value, depth: usize, ask: bool, steps: &mut Vec<Step>) -> Outcome {
        let text = text_of(node);
        let value = if ask { self.value(&text) } else { Outcome::NotAsked };
        steps.push(Step { depth, text, value: value.clone() });
        let Some((operator, operands)) = node.as_object().and_then(|fields| fields.iter().next()) else { return value };
        let stops = match operator.as_str() {
            "&&" => Some("false"),
            "||" => Some("true"),
            // Attributes and literals have no parts that say more.
            "." | "has" | "Value" | "Var" | "Set" | "Record" => return value,
            _ => None,
        };
        let mut go_on = ask;
        for part in ["if", "then", "else", "left", "right", "arg"] {
            let Some(child) = operands.get(part).filter(|child| !is_literal(child)) else { continue };
            // The branch that is not taken would be evaluated for nothing.
            let taken = match part {
                "then" => self.value(&text_of(operands.get("if").unwrap_or(&Value::Null))) == known("true"),
                "else" => self.value(&text_of(operands.get("if").unwrap_or(&Value::Null))) == known("false"),
                _ => true,
            };
            let found = self.walk(child, depth + 1, go_on && taken, steps);
            if let Some(stop) = stops {
                go_on = go_on && found != known(stop) && found != Outcome::Unknown;
            }
        }
        value
    }

    fn value(&self, text: &str) -> Outcome {
        let Ok(expression) = Expression::from_str(text) else { return Outcome::Unknown };
        match eval_expression(self.request, self.entities, &expression) {
            Ok(value) => Outcome::Known(value.to_string()),
            Err(_) => Outcome::Unknown,
        }
    }
}

fn known(text: &str) -> Outcome {
    Outcome::Known(text.to_owned())
}

fn is_literal(node: &Value) -> bool {
    let operator = node.as_object().and_then(|fields| fields.iter().next());
    match operator {
        Some((name, _)) if name == "Value" || name == "Var" => true,
        Some((name, items)) if name == "Set" => items.as_array().is_some_and(|items| items.iter().all(is_literal)),
        _ => false,
    }
}

/// A `permit` with this principal and these conditions, in Cedar's JSON form.
fn policy_of(principal: &Value, conditions: &[Value]) -> Option<Policy> {
    let all = json!({"op": "All"});
    let policy =
        json!({"effect": "permit", "principal": principal, "action": all, "resource": all, "conditions": conditions});
    Policy::from_json(None, policy).ok()
}

/// An expression as Cedar writes it.
fn text_of(node: &Value) -> String {
    let condition = json!({"kind": "when", "body": node});
    let text = policy_of(&json!({"op": "All"}), &[condition]).and_then(|policy| policy.to_cedar());
    let text = text.unwrap_or_default();
    let body = text.split_once("when").map_or("", |(_, body)| body).trim();
    let body = body.trim_end_matches(';').trim().strip_prefix('{').and_then(|body| body.strip_suffix('}'));
    body.unwrap_or_default().trim().to_owned()
}
