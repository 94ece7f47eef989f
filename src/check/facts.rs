//! Facts of resources with holes.
//!
//! In: declared resources with holes in them. Out: the facts of each, where a fact that depends on an open value is
//! unknown and says which one. It tries: all holes are filled with one possible value each, the facts are derived as they
//! are for live resources, and what differs between two tries depends on a hole. Which one is found by filling only that
//! one differently.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::possible;
use super::surroundings::Surroundings;
use crate::facts::{Joins, Subject, subject};
use crate::inventory::{Affects, Resource};
use crate::template::hole::{Piece, has_holes, pieces, whole};
use crate::template::{DeclaredResource, Holes};

/// Tries with every hole at another of its values, and then with values drawn so that holes differ from each other.
const TOGETHER: usize = 8;
const DRAWN: usize = 8;

/// What each hole is filled with; the ones that are missing stand for themselves.
type Filling = BTreeMap<usize, Value>;

/// The subjects of a group, each with the number of its declared resource.
pub(super) fn subjects(
    declared: &[DeclaredResource],
    holes: &Holes,
    surroundings: &Surroundings<'_>,
) -> Vec<(usize, Subject)> {
    let possible = possible_values(declared, holes);
    let itself = tried(declared, holes, &Filling::new(), surroundings);
    if possible.is_empty() {
        return itself;
    }
    let mut merged = itself.clone();
    let mut unsure: BTreeSet<(usize, std::borrow::Cow<'static, str>)> = BTreeSet::new();
    for filling in fillings(&possible) {
        let other = tried(declared, holes, &filling, surroundings);
        collect_differences(&itself, &other, &mut unsure);
    }
    if unsure.is_empty() {
        return itself;
    }
    let blamed = blame(declared, holes, &possible, &itself, &unsure, surroundings);
    for (number, subject) in &mut merged {
        for (of, fact) in &unsure {
            if of != number {
                continue;
            }
            subject.facts.known.remove(fact);
            let sentences = blamed.get(&(*of, fact.clone())).cloned().unwrap_or_default();
            let place = subject.facts.unknown.entry(fact.clone()).or_default();
            place.extend(sentences);
            place.sort();
            place.dedup();
        }
    }
    merged
}

/// The possible values of every hole for which there is more than its identity.
fn possible_values(declared: &[DeclaredResource], holes: &Holes) -> BTreeMap<usize, Vec<Value>> {
    let mut possible: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
    let mut add = |hole: usize, values: Vec<Value>| {
        let known = possible.entry(hole).or_default();
        for value in values {
            if !known.contains(&value) {
                known.push(value);
            }
        }
    };
    let expression = |hole: usize| holes.get(hole).map_or("", |hole| hole.expression.as_str());
    for one in declared {
        for (name, value) in &one.resource.properties {
            crate::template::hole::visit(value, &mut |path, text| {
                let path: Vec<&str> = std::iter::once(name.as_str()).chain(path.iter().copied()).collect();
                if let Some(hole) = whole(text) {
                    add(hole, possible::whole(&path, expression(hole)));
                } else {
                    for piece in pieces(text) {
                        if let Piece::Hole(hole) = piece {
                            add(
                                hole,
                                possible::embedded(&path, expression(hole)).into_iter().map(Value::from).collect(),
                            );
                        }
                    }
                }
            });
        }
    }
    possible.retain(|_, values| !values.is_empty());
    possible
}

/// The fillings to try, in a fixed order.
fn fillings(possible: &BTreeMap<usize, Vec<Value>>) -> Vec<Filling> {
    let longest = possible.values().map(Vec::len).max().unwrap_or(0);
    let together = (0..longest.min(TOGETHER)).map(|nth| {
        let value = |values: &Vec<Value>| values.get(nth % values.len().max(1)).cloned();
        possible.iter().filter_map(|(hole, values)| Some((*hole, value(values)?))).collect::<Filling>()
    });
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = move |below: usize| {
        // Numbers that look random and are the same on every machine: xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % (below.max(1) as u64)).unwrap_or(0)
    };
    let drawn: Vec<Filling> = (0..if possible.len() > 1 { DRAWN } else { 0 })
        .map(|_| {
            possible
                .iter()
                .filter_map(|(hole, values)| Some((*hole, values.get(draw(values.len()))?.clone())))
                .collect()
        })
        .collect();
    together.chain(drawn).collect()
}

/// The facts under one filling.
fn tried(
    declared: &[DeclaredResource],
    holes: &Holes,
    filling: &Filling,
    surroundings: &Surroundings<'_>,
) -> Vec<(usize, Subject)> {
    let resources: Vec<Resource> = declared.iter().map(|one| filled(&one.resource, holes, filling)).collect();
    let joins: Joins = surroundings.joins(&resources);
    resources.iter().enumerate().filter_map(|(number, resource)| Some((number, subject(resource, &joins)?))).collect()
}

fn filled(resource: &Resource, holes: &Holes, filling: &Filling) -> Resource {
    let mut resource = resource.clone();
    resource.uid.0 = fill_text(&resource.uid.0, holes, filling);
    for value in resource.properties.values_mut() {
        fill(value, holes, filling);
    }
    resource.tags = resource.tags.iter().map(|(key, value)| (key.clone(), fill_text(value, holes, filling))).collect();
    resource
}

fn fill(value: &mut Value, holes: &Holes, filling: &Filling) {
    match value {
        Value::String(text) if has_holes(text) => {
            *value = match whole(text).and_then(|hole| filling.get(&hole)) {
                Some(filled) => filled.clone(),
                None => Value::String(fill_text(text, holes, filling)),
            };
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, holes, filling)),
        Value::Object(fields) => fields.values_mut().for_each(|value| fill(value, holes, filling)),
        _ => {}
    }
}

fn fill_text(text: &str, holes: &Holes, filling: &Filling) -> String {
    Holes::fill(text, &|hole| match filling.get(&hole) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => format!("${{{}}}", holes.get(hole).map_or("?", |hole| hole.expression.as_str())),
    })
}

/// A fact is unsure if one try knows another value of it, or does not know it at all.
fn collect_differences(
    these: &[(usize, Subject)],
    those: &[(usize, Subject)],
    unsure: &mut BTreeSet<(usize, std::borrow::Cow<'static, str>)>,
) {
    for ((number, one), (_, other)) in these.iter().zip(those) {
        for (fact, value) in &one.facts.known {
            if other.facts.known.get(fact) != Some(value) {
                unsure.insert((*number, fact.clone()));
            }
        }
    }
}

type Blamed = BTreeMap<(usize, std::borrow::Cow<'static, str>), Vec<String>>;

/// Which holes each unsure fact depends on: those that change it when they alone are filled, else all of them.
fn blame(
    declared: &[DeclaredResource],
    holes: &Holes,
    possible: &BTreeMap<usize, Vec<Value>>,
    itself: &[(usize, Subject)],
    unsure: &BTreeSet<(usize, std::borrow::Cow<'static, str>)>,
    surroundings: &Surroundings<'_>,
) -> Blamed {
    let sentence = |hole: usize| {
        let resource = &declared.first()?.resource;
        Some(holes.gap(hole, &resource.account, &resource.region, Affects::Details)?.sentence())
    };
    let mut blamed = Blamed::new();
    for (hole, values) in possible {
        for value in values {
            let alone = tried(declared, holes, &Filling::from([(*hole, value.clone())]), surroundings);
            let mut differing = BTreeSet::new();
            collect_differences(itself, &alone, &mut differing);
            for found in differing.intersection(unsure) {
                blamed.entry(found.clone()).or_default().extend(sentence(*hole));
            }
        }
    }
    for one in unsure {
        blamed.entry(one.clone()).or_insert_with(|| possible.keys().filter_map(|hole| sentence(*hole)).collect());
    }
    blamed
}
