//! A `when` that needs no second question: read from Cedar's JSON form, answered from the facts.
//!
//! In: the body of a `when`. Out: whether it holds on facts that Cedar has already read without an error. It exists
//! because most `when`s are a few facts joined by `&&`, and asking Cedar again for each costs as much as the control
//! itself. Whatever it does not understand, Cedar answers.

use serde_json::Value;

use crate::facts::{Fact, Facts};

/// The part of Cedar that `when`s are made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// A boolean fact.
    Fact(String),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    /// `resource.fact == literal`
    Equals(String, Fact),
    /// `resource.fact.isEmpty()`
    IsEmpty(String),
    /// `resource.fact.contains("literal")`
    Contains(String, String),
    /// `["a", "b"].contains(resource.fact)`
    OneOf(Vec<String>, String),
}

impl Condition {
    /// `None` for whatever is not made of these.
    pub(super) fn read(node: &Value) -> Option<Self> {
        let (operator, operands) = node.as_object().filter(|fields| fields.len() == 1)?.iter().next()?;
        let side = |name: &str| operands.get(name);
        let both = || Some((Box::new(Self::read(side("left")?)?), Box::new(Self::read(side("right")?)?)));
        match operator.as_str() {
            "." => fact_of(node).map(Self::Fact),
            "!" => Some(Self::Not(Box::new(Self::read(side("arg")?)?))),
            "&&" => both().map(|(left, right)| Self::And(left, right)),
            "||" => both().map(|(left, right)| Self::Or(left, right)),
            "==" => equals(side("left")?, side("right")?),
            "!=" => Some(Self::Not(Box::new(equals(side("left")?, side("right")?)?))),
            "isEmpty" => fact_of(side("arg")?).map(Self::IsEmpty),
            "contains" => contains(side("left")?, side("right")?),
            _ => None,
        }
    }

    /// Whether it holds, in Cedar's order; `None` where a fact is unknown or of another type.
    pub(super) fn holds(&self, facts: &Facts) -> Option<bool> {
        let known = |name: &str| facts.known.get(name);
        let set = |name: &str| match known(name) {
            Some(Fact::Set(items)) => Some(items),
            _ => None,
        };
        match self {
            Self::Fact(name) => match known(name) {
                Some(Fact::Bool(value)) => Some(*value),
                _ => None,
            },
            Self::Not(inner) => inner.holds(facts).map(|holds| !holds),
            Self::And(left, right) => {
                if left.holds(facts)? {
                    right.holds(facts)
                } else {
                    Some(false)
                }
            }
            Self::Or(left, right) => {
                if left.holds(facts)? {
                    Some(true)
                } else {
                    right.holds(facts)
                }
            }
            Self::Equals(name, literal) => known(name).map(|fact| fact == literal),
            Self::IsEmpty(name) => set(name).map(std::collections::BTreeSet::is_empty),
            Self::Contains(name, literal) => set(name).map(|items| items.contains(literal)),
            Self::OneOf(literals, name) => match known(name) {
                Some(Fact::Text(text)) => Some(literals.contains(text)),
                _ => None,
            },
        }
    }
}

fn equals(left: &Value, right: &Value) -> Option<Condition> {
    let (fact, literal) = match (fact_of(left), fact_of(right)) {
        (Some(fact), None) => (fact, right),
        (None, Some(fact)) => (fact, left),
        _ => return None,
    };
    let literal = match literal.get("Value")? {
        Value::Bool(value) => Fact::Bool(*value),
        Value::Number(number) => Fact::Long(number.as_i64()?),
        Value::String(text) => Fact::Text(text.clone()),
        _ => return None,
    };
    Some(Condition::Equals(fact, literal))
}

fn contains(left: &Value, right: &Value) -> Option<Condition> {
    if let (Some(fact), Some(literal)) = (fact_of(left), text_of(right)) {
        return Some(Condition::Contains(fact, literal));
    }
    let literals = left.get("Set")?.as_array()?.iter().map(text_of).collect::<Option<Vec<String>>>()?;
    Some(Condition::OneOf(literals, fact_of(right)?))
}

/// `resource.name`
fn fact_of(node: &Value) -> Option<String> {
    let access = node.get(".")?;
    let of_resource = access.pointer("/left/Var").and_then(Value::as_str) == Some("resource");
    access.get("attr").and_then(Value::as_str).filter(|_| of_resource).map(str::to_owned)
}

fn text_of(node: &Value) -> Option<String> {
    node.get("Value").and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use cedar_policy::{
        Authorizer, Context, Entities, Entity, EntityId, EntityUid, Policy, PolicySet, Request, RestrictedExpression,
    };
    use proptest::prelude::*;

    use super::*;

    fn body(text: &str) -> Value {
        let policy = Policy::parse(None, format!("permit (principal, action, resource) when {{ {text} }};")).unwrap();
        policy.to_json().unwrap()["conditions"][0]["body"].clone()
    }

    /// Cedar's answer; `None` if it errs.
    fn cedar(text: &str, facts: &Facts) -> Option<bool> {
        let policy = Policy::parse(None, format!("permit (principal, action, resource) when {{ {text} }};")).unwrap();
        let uid = |id: &str| EntityUid::from_type_name_and_id("T".parse().unwrap(), EntityId::new(id));
        let attributes = facts.known.iter().map(|(name, fact)| {
            let value = match fact {
                Fact::Bool(value) => RestrictedExpression::new_bool(*value),
                Fact::Text(text) => RestrictedExpression::new_string(text.clone()),
                Fact::Set(items) => {
                    RestrictedExpression::new_set(items.iter().cloned().map(RestrictedExpression::new_string))
                }
                other => panic!("{other:?}"),
            };
            (name.to_string(), value)
        });
        let entity = Entity::new(uid("r"), attributes.collect(), HashSet::new()).unwrap();
        let request = Request::new(uid("p"), uid("a"), uid("r"), Context::empty(), None).unwrap();
        let entities = Entities::from_entities([entity], None).unwrap();
        let response =
            Authorizer::new().is_authorized(&request, &PolicySet::from_policies([policy]).unwrap(), &entities);
        let erred = response.diagnostics().errors().next().is_some();
        (!erred).then(|| response.diagnostics().reason().next().is_some())
    }

    #[test]
    fn what_it_does_not_understand_is_left_to_cedar() {
        for text in [
            "principal.production",
            "resource.a < 3",
            "resource has a",
            "context.mode == \"live\"",
            "resource.a == resource.b",
            "if resource.a then resource.b else resource.c",
            "resource.a.containsAny([\"x\"])",
        ] {
            assert_eq!(Condition::read(&body(text)), None, "{text}");
        }
    }

    fn expression() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("resource.flag".to_owned()),
            Just("resource.other".to_owned()),
            Just("resource.text == \"x\"".to_owned()),
            Just("resource.text != \"x\"".to_owned()),
            Just("resource.set.isEmpty()".to_owned()),
            Just("resource.set.contains(\"x\")".to_owned()),
            Just("[\"x\", \"y\"].contains(resource.text)".to_owned()),
        ];
        leaf.prop_recursive(4, 16, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
                inner.prop_map(|a| format!("!({a})")),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_answers_as_cedar_does(
            text in expression(),
            flag in any::<Option<bool>>(),
            other in any::<Option<bool>>(),
            word in proptest::option::of("[xyz]"),
            set in proptest::option::of(proptest::collection::btree_set("[xyz]", 0..3)),
        ) {
            let mut facts = Facts::default();
            let known = [("flag", flag.map(Fact::Bool)), ("other", other.map(Fact::Bool)), ("text", word.map(Fact::Text)), ("set", set.map(Fact::Set))];
            for (name, fact) in known {
                if let Some(fact) = fact {
                    facts.known.insert(name.into(), fact);
                }
            }
            let condition = Condition::read(&body(&text)).unwrap();
            prop_assert_eq!(condition.holds(&facts), cedar(&text, &facts), "{}", text);
        }
    }
}
