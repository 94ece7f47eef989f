//! What a control demands, fact by fact.
//!
//! In: the `unless` of a control. Out: which facts keep it from holding, which of them name what is wrong, and whether
//! one state is worse than another. It exists because a place in a file and a comparison with an earlier state both need
//! to know which of the facts that a control reads made the verdict, and in which direction they are good.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::condition::Condition;
use super::control::collect_reads;
use super::policy_set::Policies;
use crate::facts::{Fact, Facts};

/// The demands of one control.
#[derive(Debug, Clone, Default)]
pub struct Deciding {
    /// What is joined by `&&`: each part has to hold.
    parts: Vec<Part>,
    /// Every fact that the control reads, its `when` included.
    reads: BTreeSet<String>,
    wishes: Vec<Wish>,
}

#[derive(Debug, Clone)]
struct Part {
    condition: Option<Condition>,
    facts: BTreeSet<String>,
}

/// In which direction a fact is good.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    Empty(String),
    NotEmpty(String),
    Contains(String, String),
    Is(String, bool),
    AtLeast(String),
    AtMost(String),
}

/// The facts of a finding with their values.
type Evidence = BTreeMap<String, Value>;

impl Policies {
    /// What a control demands; nothing for a control that does not exist.
    #[must_use]
    pub fn deciding(&self, control: &str) -> Deciding {
        let Some(asked) = self.asked(control) else { return Deciding::default() };
        let conditions = asked.json.get("conditions").and_then(Value::as_array);
        let unless = conditions.and_then(|clauses| clauses.last()).and_then(|clause| clause.get("body"));
        let mut deciding = Deciding { reads: asked.reads.clone(), ..Deciding::default() };
        if let Some(body) = unless {
            deciding.read(body);
        }
        deciding
    }
}

impl Deciding {
    fn read(&mut self, body: &Value) {
        if let Some(both) = body.get("&&") {
            for side in ["left", "right"] {
                if let Some(part) = both.get(side) {
                    self.read(part);
                }
            }
            return;
        }
        let mut facts = BTreeSet::new();
        collect_reads(body, "resource", &mut facts);
        wishes(body, true, &mut self.wishes);
        self.parts.push(Part { condition: Condition::read(body), facts });
    }

    /// The facts that made the verdict: those that could not be seen, else those of the parts that do not hold.
    #[must_use]
    pub fn failing(&self, evidence: &Evidence) -> BTreeSet<String> {
        let unseen: BTreeSet<String> =
            self.reads.iter().filter(|fact| !evidence.contains_key(*fact)).cloned().collect();
        if !unseen.is_empty() {
            return unseen;
        }
        let facts = facts(evidence);
        let of = |wanted: Option<bool>| -> BTreeSet<String> {
            let parts = self.parts.iter();
            let wrong = parts.filter(|part| part.condition.as_ref().and_then(|one| one.holds(&facts)) == wanted);
            wrong.flat_map(|part| part.facts.iter().cloned()).collect()
        };
        let (sure, maybe) = (of(Some(false)), of(None));
        if sure.is_empty() { maybe } else { sure }
    }

    /// The sets that have to be empty: their elements are what is wrong.
    #[must_use]
    pub fn must_be_empty(&self) -> BTreeSet<&str> {
        let empty = self.wishes.iter().filter_map(|wish| if let Wish::Empty(fact) = wish { Some(fact) } else { None });
        empty.map(String::as_str).collect()
    }

    /// The part of the evidence that the verdict is about.
    #[must_use]
    pub fn of_evidence(&self, evidence: &Evidence) -> Evidence {
        let facts: BTreeSet<&String> = self.parts.iter().flat_map(|part| &part.facts).collect();
        evidence.iter().filter(|(fact, _)| facts.contains(fact)).map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// Whether more is wrong now than before, by a fact that is known of both.
    #[must_use]
    pub fn is_worse(&self, before: &Evidence, now: &Evidence) -> bool {
        self.wishes.iter().any(|wish| {
            let both = |fact: &str| Some((before.get(fact)?, now.get(fact)?));
            match wish {
                Wish::Empty(fact) => both(fact).is_some_and(|(old, new)| !elements(new).is_subset(&elements(old))),
                Wish::NotEmpty(fact) => {
                    both(fact).is_some_and(|(old, new)| elements(new).is_empty() && !elements(old).is_empty())
                }
                Wish::Contains(fact, wanted) => both(fact).is_some_and(|(old, new)| {
                    elements(old).contains(wanted.as_str()) && !elements(new).contains(wanted.as_str())
                }),
                Wish::Is(fact, wanted) => both(fact).is_some_and(|(old, new)| {
                    old.as_bool() == Some(*wanted) && new.as_bool().is_some_and(|new| new != *wanted)
                }),
                Wish::AtLeast(fact) => both(fact).is_some_and(|(old, new)| new.as_i64() < old.as_i64()),
                Wish::AtMost(fact) => both(fact).is_some_and(|(old, new)| new.as_i64() > old.as_i64()),
            }
        })
    }
}

/// Elements by what they are about: not by the reason behind it, nor by the account, which one side may not know.
fn elements(value: &Value) -> BTreeSet<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(subject_of).collect()
}

/// `arn:aws:iam::111122223333:role/x (why)` → `role/x`
fn subject_of(element: &str) -> &str {
    let named = element.split_once(" (").map_or(element, |(named, _)| named);
    if named.starts_with("arn:") {
        return named.splitn(6, ':').nth(5).unwrap_or(named);
    }
    match named.split_once('/') {
        Some((account, rest)) if account.len() == 12 && account.bytes().all(|digit| digit.is_ascii_digit()) => rest,
        _ => named,
    }
}

fn facts(evidence: &Evidence) -> Facts {
    let fact = |value: &Value| match value {
        Value::Bool(flag) => Some(Fact::Bool(*flag)),
        Value::Number(number) => number.as_i64().map(Fact::Long),
        Value::String(text) => Some(Fact::Text(text.clone())),
        Value::Array(items) => Some(Fact::Set(items.iter().filter_map(Value::as_str).map(str::to_owned).collect())),
        Value::Null | Value::Object(_) => None,
    };
    let known = evidence.iter().filter_map(|(name, value)| Some((name.clone().into(), fact(value)?)));
    Facts { known: known.collect(), ..Facts::default() }
}

/// `resource.name`
fn fact_of(node: &Value) -> Option<String> {
    let access = node.get(".")?;
    let of_resource = access.pointer("/left/Var").and_then(Value::as_str) == Some("resource");
    access.get("attr").and_then(Value::as_str).filter(|_| of_resource).map(str::to_owned)
}

fn wishes(node: &Value, wanted: bool, found: &mut Vec<Wish>) {
    if let Some(fact) = fact_of(node) {
        found.push(Wish::Is(fact, wanted));
        return;
    }
    let Some((operator, operands)) = node.as_object().and_then(|fields| fields.iter().next()) else { return };
    let side = |name: &str| operands.get(name);
    let fact = |name: &str| side(name).and_then(fact_of);
    let mut compare = |smaller: Option<String>, larger: Option<String>| {
        let (smaller, larger) = if wanted { (smaller, larger) } else { (larger, smaller) };
        found.extend(smaller.map(Wish::AtMost));
        found.extend(larger.map(Wish::AtLeast));
    };
    match operator.as_str() {
        "<" | "<=" => compare(fact("left"), fact("right")),
        ">" | ">=" => compare(fact("right"), fact("left")),
        "isEmpty" => {
            found.extend(fact("arg").map(|fact| if wanted { Wish::Empty(fact) } else { Wish::NotEmpty(fact) }));
        }
        "contains" if wanted => {
            let literal = side("right").and_then(|right| right.get("Value")).and_then(Value::as_str);
            found.extend(fact("left").zip(literal).map(|(fact, literal)| Wish::Contains(fact, literal.to_owned())));
        }
        "!" => {
            if let Some(inner) = side("arg") {
                wishes(inner, !wanted, found);
            }
        }
        "&&" | "||" => {
            for inner in ["left", "right"].into_iter().filter_map(side) {
                wishes(inner, wanted, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deciding(control: &str) -> Deciding {
        Policies::load(&Policies::embedded(), &BTreeSet::new()).unwrap().deciding(control)
    }

    fn evidence(value: &Value) -> Evidence {
        value.as_object().unwrap().clone().into_iter().collect()
    }

    #[test]
    fn the_part_that_does_not_hold_made_the_verdict() {
        let alarm = deciding("codedeploy-rollback-on-alarm");
        let found = json!({
            "rollbackEnabled": true, "rollbackEvents": ["DEPLOYMENT_FAILURE"],
            "alarmsEnabled": true, "alarmNames": ["errors"],
        });
        assert_eq!(alarm.failing(&evidence(&found)), BTreeSet::from(["rollbackEvents".to_owned()]));
        let unseen = json!({"rollbackEnabled": true, "rollbackEvents": [], "alarmsEnabled": true});
        assert_eq!(alarm.failing(&evidence(&unseen)), BTreeSet::from(["alarmNames".to_owned()]));
        let approval = deciding("codepipeline-production-approval-required");
        assert_eq!(approval.must_be_empty(), BTreeSet::from(["unapprovedProductionActions"]));
    }

    #[test]
    fn worse_follows_the_direction_of_the_demand() {
        let worse =
            |control: &str, before: Value, now: Value| deciding(control).is_worse(&evidence(&before), &evidence(&now));
        let approval = "codepipeline-production-approval-required";
        let ungated = |actions: Value| json!({"approvalExpected": true, "unapprovedProductionActions": actions});
        assert!(worse(approval, ungated(json!(["P/A"])), ungated(json!(["P/A", "P/B"]))));
        assert!(!worse(approval, ungated(json!(["P/A", "P/B"])), ungated(json!(["P/B"]))));
        assert!(worse(approval, ungated(json!(["P/A"])), ungated(json!(["P/B"]))), "another action is ungated");
        let lock = "s3-artifact-bucket-object-lock-retention";
        let days = |days: i64| json!({"objectLockEnabled": true, "objectLockRetentionDays": days});
        assert!(worse(lock, days(20), days(10)));
        assert!(!worse(lock, days(10), days(20)));
        let alarms = "codedeploy-alarms-effective";
        let named = |name: &str| json!({"ineffectiveAlarms": [name]});
        assert!(!worse(alarms, named("errors (disabled)"), named("errors (does not exist)")));
        let writers = "s3-artifact-bucket-known-writers";
        let who = |arn: &str| json!({"unknownWriters": [arn]});
        let (here, there) = ("arn:aws:iam::000000000000:role/x", "arn:aws:iam::111122223333:role/x");
        assert!(!worse(writers, who(here), who(there)), "one side does not know the account");
    }
}
