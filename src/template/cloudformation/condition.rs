//! Conditions, three-valued.
//!
//! In: the `Conditions` section and a choice. Out: true, false, or not known. A condition that refers to itself is not
//! known, and one that was chosen is as it was chosen.

use std::collections::BTreeMap;

use super::function::{Call, call};
use super::parameter::same;
use super::resolver::{Resolver, is_open};
use crate::template::node::{Node, Tree};

/// How a choice is named that decides a condition itself.
pub(super) fn chosen_name(condition: &str) -> String {
    format!("Condition {condition}")
}

impl Resolver<'_> {
    /// Whether a named condition holds.
    pub(super) fn condition(&mut self, name: &str) -> Option<bool> {
        let chosen = chosen_name(name);
        if let Some(value) = self.template.given.get(&chosen).or_else(|| self.assignment.get(&chosen)) {
            return Some(same(value, "true"));
        }
        if let Some(known) = self.truths.get(name) {
            return *known;
        }
        let node = by_name(&self.conditions, name)?;
        if self.truths.len() > 10_000 || self.deciding > 60 {
            return None;
        }
        self.truths.insert(name.to_owned(), None);
        let truth = self.truth(node);
        self.truths.insert(name.to_owned(), truth);
        truth
    }

    /// Whether an expression holds.
    pub(super) fn truth(&mut self, node: &Node) -> Option<bool> {
        let comparing = std::mem::replace(&mut self.comparing, true);
        // What a condition comes to is kept, whoever asks for it first.
        let wording = std::mem::replace(&mut self.wording, false);
        self.deciding += 1;
        let truth = self.decide(node);
        self.deciding -= 1;
        (self.comparing, self.wording) = (comparing, wording);
        truth
    }

    fn decide(&mut self, node: &Node) -> Option<bool> {
        if self.deciding > 200 {
            return None;
        }
        if let Some(name) = named(node) {
            return self.condition(name);
        }
        let Some(call) = call(node) else {
            return match &node.tree {
                Tree::Bool(flag) => Some(*flag),
                Tree::String(text) if same(text, "true") => Some(true),
                Tree::String(text) if same(text, "false") => Some(false),
                _ => None,
            };
        };
        match call.function {
            "And" => self.all(&call, true),
            "Or" => self.all(&call, false),
            "Not" => {
                let inner = call.argument.elements().first().unwrap_or(call.argument);
                if call.short && call.argument.elements().is_empty() {
                    return None;
                }
                self.truth(inner).map(|truth| !truth)
            }
            "Equals" => self.equals(&call),
            _ => {
                let value = self.resolve(node)?;
                value.scalar().filter(|_| !is_open(&value)).and_then(|text| match text.as_str() {
                    "true" => Some(true),
                    "false" => Some(false),
                    _ => None,
                })
            }
        }
    }

    /// `And` if `wanted`, else `Or`: the first that is not as wanted decides, whatever the others are.
    fn all(&mut self, call: &Call<'_>, wanted: bool) -> Option<bool> {
        let mut unknown = call.argument.elements().is_empty();
        for inner in call.argument.elements() {
            match self.truth(inner) {
                Some(truth) if truth != wanted => return Some(!wanted),
                Some(_) => {}
                None => unknown = true,
            }
        }
        (!unknown).then_some(wanted)
    }

    fn equals(&mut self, call: &Call<'_>) -> Option<bool> {
        let [one, other] = call.argument.elements() else { return None };
        let one = self.resolve(one).map(|node| node.to_value());
        let other = self.resolve(other).map(|node| node.to_value());
        let open = |value: &Option<serde_json::Value>| {
            value.as_ref().is_some_and(|value| {
                let mut found = false;
                crate::template::hole::visit(value, &mut |_, _| found = true);
                found
            })
        };
        if one == other {
            return Some(true);
        }
        if open(&one) || open(&other) {
            return None;
        }
        let text = |value: &Option<serde_json::Value>| match value {
            Some(serde_json::Value::String(text)) => Some(text.clone()),
            Some(serde_json::Value::Null) | None => Some(String::new()),
            Some(value @ (serde_json::Value::Bool(_) | serde_json::Value::Number(_))) => Some(value.to_string()),
            Some(_) => None,
        };
        match (text(&one), text(&other)) {
            (Some(one), Some(other)) => Some(same(&one, &other)),
            _ => Some(false),
        }
    }
}

/// The condition of a name. YAML reads `On` as a flag where it stands alone, but not behind a tag or as a key: whatever
/// form of the flag is written, the same condition is meant.
pub(super) fn by_name<'r>(conditions: &BTreeMap<&str, &'r Node>, name: &str) -> Option<&'r Node> {
    let of_flag = || {
        let flag = as_flag(name)?;
        conditions.iter().find(|(key, _)| as_flag(key) == Some(flag)).map(|(_, node)| node)
    };
    conditions.get(name).or_else(of_flag).copied()
}

/// The flag that a name is read as.
pub(super) fn as_flag(name: &str) -> Option<&'static str> {
    ["true", "false"].into_iter().find(|flag| same(flag, name))
}

/// The name in `!Condition X` or `{Condition: X}`.
pub(super) fn named(node: &Node) -> Option<&str> {
    match node.tag.as_deref() {
        Some("Condition") => node.as_str(),
        Some(_) => None,
        None => match node.entries() {
            [entry] if entry.key == "Condition" => entry.value.as_str(),
            _ => None,
        },
    }
}
