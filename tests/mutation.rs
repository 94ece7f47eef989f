//! Whether the cases of every control would notice if it said nothing: each mutant must make one of them fail.
//!
//! What must hold is replaced by "always" and by "never", where the control applies by "everywhere", and each operand of
//! its `&&`s and `||`s by what leaves the decision to the others.

use std::fs;

use cedar_policy::{Policy, PolicyId};
use serde_json::{Value, json};

use crate::policies::{Control, controls, judge, of_json};

/// The clause of a kind, where there is one.
fn clause<'a>(json: &'a mut Value, kind: &str) -> Option<&'a mut Value> {
    json["conditions"].as_array_mut()?.iter_mut().find(|condition| condition["kind"] == kind)
}

fn replaced(control: &Control, kind: &str, value: bool) -> Option<Control> {
    let mut json = control.json.clone();
    clause(&mut json, kind)?["body"] = json!({"Value": value});
    Some(mutant(control, json))
}

fn mutant(control: &Control, json: Value) -> Control {
    let policy = Policy::from_json(Some(PolicyId::new("control")), json.clone()).unwrap();
    Control { path: control.path.clone(), policy, json }
}

/// Every way to drop one operand of a `&&` or `||`, by the path to it.
fn dropped(control: &Control) -> Vec<(String, Control)> {
    fn paths(node: &Value, path: &str, found: &mut Vec<(String, bool)>) {
        for (operator, neutral) in [("&&", true), ("||", false)] {
            if let Some(operands) = node.get(operator) {
                for side in ["left", "right"] {
                    let here = format!("{path}/{operator}/{side}");
                    paths(&operands[side], &here, found);
                    // An operand that is an operator itself is dropped in its parts.
                    if operands[side].get(operator).is_none() {
                        found.push((here, neutral));
                    }
                }
            }
        }
        if let Some(inner) = node.get("!") {
            paths(&inner["arg"], &format!("{path}/!/arg"), found);
        }
    }
    let mut found = Vec::new();
    for (nth, condition) in control.json["conditions"].as_array().unwrap().iter().enumerate() {
        paths(&condition["body"], &format!("/conditions/{nth}/body"), &mut found);
    }
    found
        .into_iter()
        .map(|(path, neutral)| {
            let mut json = control.json.clone();
            *json.pointer_mut(&path).unwrap() = json!({"Value": neutral});
            (format!("without {path}"), mutant(control, json))
        })
        .collect()
}

fn survives(mutant: &Control, cases: &[Value]) -> bool {
    cases.iter().all(|case| {
        let facts = case["facts"].as_object().unwrap();
        let attributes = facts.iter().map(|(name, value)| (name.clone(), of_json(value))).collect();
        case["expect"] == judge(mutant, attributes, case["context"].as_object())
    })
}

fn survivors(of: impl Fn(&Control) -> Vec<(String, Control)>) -> (usize, Vec<String>) {
    let mut survivors = Vec::new();
    let mut mutants = 0;
    for control in controls() {
        let text = fs::read_to_string(control.path.with_extension("tests.json")).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        let cases = file["cases"].as_array().unwrap();
        assert!(survives(&control, cases), "{}: its own cases fail", control.id());
        for (name, mutant) in of(&control) {
            mutants += 1;
            if survives(&mutant, cases) {
                survivors.push(format!("{}: {name}", control.id()));
            }
        }
    }
    (mutants, survivors)
}

fn assert_none((mutants, survivors): (usize, Vec<String>), at_least: usize) {
    assert!(mutants >= at_least, "only {mutants} mutants");
    assert!(
        survivors.is_empty(),
        "{} of {mutants} mutants fail no case; add one to the .tests.json of each:\n{}",
        survivors.len(),
        survivors.join("\n")
    );
}

#[test]
fn a_control_that_said_nothing_would_fail_a_case() {
    let whole = [("unless", false), ("unless", true), ("when", true)];
    let mutants = |control: &Control| {
        let named = |(kind, value)| Some((format!("{kind} {{ {value} }}"), replaced(control, kind, value)?));
        whole.into_iter().filter_map(named).collect()
    };
    assert_none(survivors(mutants), 100);
}

#[test]
fn a_condition_that_lost_a_part_would_fail_a_case() {
    assert_none(survivors(dropped), 20);
}
