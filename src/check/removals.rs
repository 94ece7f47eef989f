//! Which property a fact comes from.
//!
//! In: the declared resources of a group under one choice. Out: whether facts of one of them change when a property of it
//! is taken away. It exists so that no table has to say which property stands behind which fact: the facts answer
//! themselves, for every control there is and will be.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::surroundings::Surroundings;
use crate::facts::{Fact, Facts, Joins, subject};
use crate::inventory::Resource;
use crate::template::{DeclaredResource, Holes, Spans};

/// Properties that are taken away of one group under one choice, at most.
const MOST: usize = 512;

/// Values that are copied for it, at most: a large resource is tried less often.
const MOST_VALUES: usize = 500_000;

/// What taking a property away does to facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effect {
    /// They are others then, and no worse: the property may be what is wrong.
    Changes,
    /// More is wrong then: the property protects, but not enough.
    Protects,
}

/// Resources, and what is left of them without one property.
pub(super) struct Removals<'a> {
    declared: &'a [DeclaredResource],
    holes: &'a Holes,
    surroundings: &'a Surroundings<'a>,
    around: OnceCell<(Vec<Resource>, Joins)>,
    whole: RefCell<BTreeMap<usize, Option<Facts>>>,
    without: RefCell<BTreeMap<(usize, String), Option<Facts>>>,
    tried: Cell<usize>,
    copied: Cell<usize>,
}

impl<'a> Removals<'a> {
    pub(super) fn new(declared: &'a [DeclaredResource], holes: &'a Holes, surroundings: &'a Surroundings<'a>) -> Self {
        Self {
            declared,
            holes,
            surroundings,
            around: OnceCell::new(),
            whole: RefCell::default(),
            without: RefCell::default(),
            tried: Cell::new(0),
            copied: Cell::new(0),
        }
    }

    /// What happens to facts when a property goes; `None` if nothing does. `wrong` are the sets that have to be empty.
    pub(super) fn effect(
        &self,
        nth: usize,
        pointer: &str,
        facts: &BTreeSet<String>,
        wrong: &BTreeSet<&str>,
    ) -> Option<Effect> {
        self.derive(nth, pointer);
        let (whole, without) = (self.whole.borrow(), self.without.borrow());
        let before = whole.get(&nth)?.as_ref()?;
        let after = without.get(&(nth, pointer.to_owned()))?.as_ref()?;
        let changed: Vec<&str> = facts.iter().map(String::as_str).filter(|fact| differs(before, after, fact)).collect();
        if changed.is_empty() {
            return None;
        }
        let all_grow = changed.iter().all(|fact| wrong.contains(fact) && grows(before, after, fact));
        Some(if all_grow { Effect::Protects } else { Effect::Changes })
    }

    fn derive(&self, nth: usize, pointer: &str) {
        let key = (nth, pointer.to_owned());
        if self.without.borrow().contains_key(&key) {
            return;
        }
        let (resources, joins) = self.around.get_or_init(|| {
            let resources: Vec<Resource> = self.declared.iter().map(|one| self.spoken(&one.resource)).collect();
            let joins = self.surroundings.joins(&resources);
            (resources, joins)
        });
        let Some(resource) = resources.get(nth) else { return };
        let facts = |resource: &Resource| subject(resource, joins).map(|subject| subject.facts);
        self.whole.borrow_mut().entry(nth).or_insert_with(|| facts(resource));
        let size = self.declared.get(nth).map_or(1, |one| one.spans.len().max(1));
        let affordable = self.tried.get() < MOST && self.copied.get().saturating_add(size) < MOST_VALUES;
        let found = if affordable {
            self.tried.set(self.tried.get() + 1);
            self.copied.set(self.copied.get().saturating_add(size));
            without(resource, pointer).as_ref().and_then(facts)
        } else {
            None
        };
        self.without.borrow_mut().insert(key, found);
    }

    /// The resource with every hole as a person reads it.
    fn spoken(&self, resource: &Resource) -> Resource {
        let mut resource = resource.clone();
        resource.uid.0 = self.holes.spoken(&resource.uid.0);
        resource.properties.values_mut().for_each(|value| self.speak(value));
        resource.tags.values_mut().for_each(|value| *value = self.holes.spoken(value));
        resource
    }

    fn speak(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                let spoken = self.holes.spoken(text);
                if spoken != *text {
                    *text = spoken;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.speak(item)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.speak(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

fn differs(before: &Facts, after: &Facts, fact: &str) -> bool {
    before.known.get(fact) != after.known.get(fact) || before.unknown.get(fact) != after.unknown.get(fact)
}

fn grows(before: &Facts, after: &Facts, fact: &str) -> bool {
    match (before.known.get(fact), after.known.get(fact)) {
        (Some(Fact::Set(before)), Some(Fact::Set(after))) => before.is_subset(after),
        _ => false,
    }
}

/// The top-level properties that are written somewhere, in the order of the file.
pub(super) fn properties(declared: &DeclaredResource) -> Vec<String> {
    let resource = &declared.resource;
    let names = resource.properties.keys().chain(resource.unseen.keys()).map(String::as_str);
    let tags = (!resource.tags.is_empty()).then_some("Tags");
    let pointers: BTreeSet<String> = names.chain(tags).map(|name| format!("/{}", escaped(name))).collect();
    in_order(pointers.into_iter(), &declared.spans)
}

/// The members of a property that are written somewhere, in the order of the file.
pub(super) fn members(declared: &DeclaredResource, pointer: &str) -> Vec<String> {
    let below: Vec<String> = match value_at(declared, pointer) {
        Some(Value::Array(items)) => (0..items.len()).map(|index| format!("{pointer}/{index}")).collect(),
        Some(Value::Object(fields)) => fields.keys().map(|name| format!("{pointer}/{}", escaped(name))).collect(),
        _ => Vec::new(),
    };
    in_order(below.into_iter(), &declared.spans)
}

fn in_order(pointers: impl Iterator<Item = String>, spans: &Spans) -> Vec<String> {
    let mut placed: Vec<_> = pointers.filter_map(|pointer| Some((spans.get(&pointer)?.start, pointer))).collect();
    placed.sort_by_key(|(start, _)| *start);
    placed.into_iter().filter(|(start, _)| start.line > 0).map(|(_, pointer)| pointer).collect()
}

/// The value that a JSON pointer into the properties names.
pub(super) fn value_at<'d>(declared: &'d DeclaredResource, pointer: &str) -> Option<&'d Value> {
    let (first, rest) = first_of(pointer)?;
    let value = declared.resource.properties.get(&first)?;
    if rest.is_empty() { Some(value) } else { value.pointer(rest) }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

pub(super) fn unescaped(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

/// The name of the top-level property, and the pointer below it.
fn first_of(pointer: &str) -> Option<(String, &str)> {
    let inner = pointer.strip_prefix('/')?;
    let end = inner.find('/').unwrap_or(inner.len());
    Some((unescaped(inner.get(..end)?), inner.get(end..)?))
}

fn without(resource: &Resource, pointer: &str) -> Option<Resource> {
    let (first, rest) = first_of(pointer)?;
    let mut resource = resource.clone();
    if rest.is_empty() {
        if first == "Tags" {
            resource.tags.clear();
        }
        resource.properties.remove(&first);
        resource.unseen.remove(&first);
        return Some(resource);
    }
    let (parent, last) = rest.rsplit_once('/')?;
    let value = resource.properties.get_mut(&first)?;
    let holder = if parent.is_empty() { value } else { value.pointer_mut(parent)? };
    match holder {
        Value::Object(fields) => {
            fields.remove(&unescaped(last));
        }
        Value::Array(items) => {
            let index: usize = last.parse().ok()?;
            if index >= items.len() {
                return None;
            }
            items.remove(index);
        }
        _ => return None,
    }
    Some(resource)
}
