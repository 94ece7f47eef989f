//! Facts of resources with holes.
//!
//! In: declared resources with holes in them. Out: the facts of each, where a fact that depends on an open value is
//! unknown and says which one. It tries: holes are filled with possible values, the facts are derived as they are for
//! live resources, and what differs between two tries depends on a hole. First every hole is filled alone, which also
//! says whose fault a difference is; then several at once, for what only two together decide.
//!
//! A name that is open keeps its identity through all of this: it is written between two marks that no document holds,
//! and told by its expression again in the facts.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::possible::{self, Filler, Spot};
use super::surroundings::Surroundings;
use crate::facts::{Fact, Facts, Rules, Subject, subject};
use crate::inventory::{Affects, Resource};
use crate::template::hole::{Piece, has_holes, pieces, whole};
use crate::template::{DeclaredResource, Holes};

/// Tries with one hole filled, at most, over all worlds: a hostile template must not cost more.
const ALONE: usize = 1_600;
/// Fewer are not worth it in any world.
const LEAST: usize = 24;
/// Tries with all holes filled, each drawn from its values.
const DRAWN: usize = 12;

/// Noncharacters around an open name; no text that is exchanged may hold them.
const NAME_OPENS: char = '\u{FDD2}';
const NAME_SAYS: char = '\u{FDD4}';
const NAME_CLOSES: char = '\u{FDD3}';

/// What each hole is filled with; the ones that are missing stand for themselves.
type Filling<'a> = BTreeMap<usize, &'a Filler>;

/// A fact of a declared resource.
type Place = (usize, Cow<'static, str>);

/// The subjects of a group, each with the number of its declared resource.
pub(super) fn subjects(
    declared: &[DeclaredResource],
    holes: &Holes,
    surroundings: &Surroundings<'_>,
    worlds: usize,
) -> Vec<(usize, Subject)> {
    let trying = Trying { declared, holes, surroundings };
    let itself = trying.subjects(&Filling::new());
    let possible = possible_values(declared, holes, surroundings);
    if possible.is_empty() {
        return itself;
    }
    let mut blamed: BTreeMap<Place, BTreeSet<usize>> = BTreeMap::new();
    let every: BTreeSet<usize> = possible.keys().copied().collect();
    let affordable = possible.values().map(Vec::len).sum::<usize>() <= (ALONE / worlds.max(1)).max(LEAST);
    if affordable {
        for (hole, filler) in possible.iter().flat_map(|(hole, all)| all.iter().map(move |one| (*hole, one))) {
            for place in differences(&itself, &trying.subjects(&Filling::from([(hole, filler)]))) {
                blamed.entry(place).or_default().insert(hole);
            }
        }
    }
    let together = if affordable { Vec::new() } else { in_step(&possible) };
    for filling in together.into_iter().chain(drawn(&possible)) {
        for place in differences(&itself, &trying.subjects(&filling)) {
            blamed.entry(place).or_insert_with(|| every.clone());
        }
    }
    let mut merged = itself;
    for (number, subject) in &mut merged {
        let Some(one) = declared.get(*number) else { continue };
        let from = (*number, Cow::Borrowed(""));
        for ((_, fact), culprits) in blamed.range(from..).take_while(|((of, _), _)| of == number) {
            let gap = |hole: &usize| {
                let resource = &one.resource;
                Some(holes.gap(*hole, &resource.account, &resource.region, Affects::Details)?.sentence())
            };
            subject.facts.known.remove(fact);
            let sentences = subject.facts.unknown.entry(fact.clone()).or_default();
            sentences.extend(culprits.iter().filter_map(gap));
            sentences.sort();
            sentences.dedup();
        }
    }
    merged
}

/// The possible values of every hole for which there is more than its identity.
fn possible_values(
    declared: &[DeclaredResource],
    holes: &Holes,
    surroundings: &Surroundings<'_>,
) -> BTreeMap<usize, Vec<Filler>> {
    let mut possible: BTreeMap<usize, Vec<Filler>> = BTreeMap::new();
    if holes.is_empty() {
        return possible;
    }
    let mut add = |hole: usize, values: Vec<Filler>| {
        let known = possible.entry(hole).or_default();
        for value in values {
            if !known.contains(&value) {
                known.push(value);
            }
        }
    };
    for one in declared {
        let (account, region) = (one.resource.account.as_str(), one.resource.region.as_str());
        let mut see = |path: &[&str], text: &str| {
            let spot = |hole: usize| Spot {
                path,
                expression: holes.get(hole).map_or("", |hole| hole.expression.as_str()),
                account,
                region,
                rules: surroundings.rules,
            };
            if let Some(hole) = whole(text) {
                return add(hole, possible::whole(&spot(hole)));
            }
            for piece in pieces(text) {
                if let Piece::Hole(hole) = piece {
                    add(hole, possible::embedded(&spot(hole)));
                }
            }
        };
        for (name, value) in &one.resource.properties {
            crate::template::hole::visit(value, &mut |path, text| {
                let path: Vec<&str> = std::iter::once(name.as_str()).chain(path.iter().copied()).collect();
                see(&path, text);
            });
        }
        for (key, value) in &one.resource.tags {
            let decides = surroundings.rules.production.tags.keys().any(|rule| rule.eq_ignore_ascii_case(key));
            for piece in pieces(value) {
                if let Piece::Hole(hole) = piece
                    && decides
                {
                    add(hole, vec![Filler::Value(Value::from("prod")), Filler::Value(Value::from("dev"))]);
                }
            }
        }
    }
    possible.retain(|_, values| !values.is_empty());
    possible
}

/// Fillings of all holes at once, each value of each hole in one of them at least.
fn in_step(possible: &BTreeMap<usize, Vec<Filler>>) -> Vec<Filling<'_>> {
    let longest = possible.values().map(Vec::len).max().unwrap_or(0);
    let nth = |nth: usize| {
        let value = move |values: &'_ Vec<Filler>| nth % values.len().max(1);
        possible.iter().filter_map(|(hole, values)| Some((*hole, values.get(value(values))?))).collect()
    };
    (0..longest).map(nth).collect()
}

/// Fillings of all holes at once, in a fixed order: what two holes decide only together shows in some of them.
fn drawn(possible: &BTreeMap<usize, Vec<Filler>>) -> Vec<Filling<'_>> {
    if possible.len() < 2 {
        return Vec::new();
    }
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = move |below: usize| {
        // Numbers that look random and are the same on every machine: xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % (below.max(1) as u64)).unwrap_or(0)
    };
    (0..DRAWN)
        .map(|_| possible.iter().filter_map(|(hole, values)| Some((*hole, values.get(draw(values.len()))?))).collect())
        .collect()
}

/// Everything that is the same for all tries.
struct Trying<'a> {
    declared: &'a [DeclaredResource],
    holes: &'a Holes,
    surroundings: &'a Surroundings<'a>,
}

impl Trying<'_> {
    /// The facts under one filling.
    fn subjects(&self, filling: &Filling<'_>) -> Vec<(usize, Subject)> {
        let resources: Vec<Resource> = self.declared.iter().map(|one| self.filled(&one.resource, filling)).collect();
        let joins = self.surroundings.joins(&resources);
        let told = |number: usize, resource: &Resource| {
            let mut subject = subject(resource, &joins)?;
            self.tell(&mut subject);
            Some((number, subject))
        };
        resources.iter().enumerate().filter_map(|(number, resource)| told(number, resource)).collect()
    }

    fn filled(&self, resource: &Resource, filling: &Filling<'_>) -> Resource {
        if self.holes.is_empty() {
            return resource.clone();
        }
        let mut resource = resource.clone();
        let (account, region) = (resource.account.as_str().to_owned(), resource.region.as_str().to_owned());
        let fill =
            Fill { holes: self.holes, filling, account: &account, region: &region, rules: self.surroundings.rules };
        resource.uid.0 = fill.text(&resource.uid.0);
        resource.properties.values_mut().for_each(|value| fill.value(value));
        resource.tags.values_mut().for_each(|value| *value = fill.text(value));
        resource
    }

    /// Open names are told by their expressions again.
    fn tell(&self, subject: &mut Subject) {
        if self.holes.is_empty() {
            return;
        }
        subject.tags.values_mut().for_each(|value| *value = self.told(value));
        let Facts { known, unknown } = &mut subject.facts;
        for fact in known.values_mut() {
            match fact {
                Fact::Text(text) => *text = self.told(text),
                Fact::Set(set) if set.iter().any(|text| text.contains(NAME_OPENS)) => {
                    *set = set.iter().map(|text| self.told(text)).collect();
                }
                Fact::Set(_) | Fact::Bool(_) | Fact::Long(_) | Fact::Datetime(_) => {}
            }
        }
        for sentences in unknown.values_mut() {
            for sentence in sentences {
                *sentence = self.told(sentence);
            }
        }
    }

    fn told(&self, text: &str) -> String {
        let mut told = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(NAME_OPENS) {
            told.push_str(before);
            let named = after.split_once(NAME_CLOSES).and_then(|(name, after)| {
                let (number, _) = name.split_once(NAME_SAYS)?;
                Some((self.holes.get(number.parse().ok()?)?, after))
            });
            if let Some((hole, after)) = named {
                told.push_str("${");
                told.push_str(&hole.expression);
                told.push('}');
                rest = after;
            } else {
                rest = after;
            }
        }
        told.push_str(rest);
        told
    }
}

/// How the holes of one resource are filled.
struct Fill<'a> {
    holes: &'a Holes,
    filling: &'a Filling<'a>,
    account: &'a str,
    region: &'a str,
    rules: &'a Rules,
}

impl Fill<'_> {
    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) if has_holes(text) => {
                *value = match whole(text).and_then(|hole| self.filling.get(&hole)) {
                    Some(Filler::Value(filled)) => filled.clone(),
                    _ => Value::String(self.text(text)),
                };
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.value(value)),
            _ => {}
        }
    }

    fn text(&self, text: &str) -> String {
        Holes::fill(text, &|hole| match self.filling.get(&hole) {
            Some(Filler::Value(Value::String(text))) => text.clone(),
            Some(Filler::Value(Value::Null)) => String::new(),
            Some(Filler::Value(other)) => other.to_string(),
            Some(Filler::Word(word)) => name(hole, word),
            None => self.itself(hole),
        })
    }

    /// A hole that stands for itself: a name of which nothing is known but what its expression says. Colons would make
    /// other parts of an ARN of it, and quotation marks end the text of a JSON document that it stands in.
    fn itself(&self, hole: usize) -> String {
        let expression = self.holes.get(hole).map_or("", |hole| hole.expression.as_str());
        let spot = Spot { path: &[], expression, account: self.account, region: self.region, rules: self.rules };
        let plain = || name(hole, &expression.replace([':', '/', '"', '\\', ',', '='], "."));
        spot.fixed().map_or_else(plain, str::to_owned)
    }
}

fn name(hole: usize, said: &str) -> String {
    format!("{NAME_OPENS}{hole}{NAME_SAYS}{said}{NAME_CLOSES}")
}

/// The facts that one try knows otherwise than the other one, or not at all.
fn differences(these: &[(usize, Subject)], those: &[(usize, Subject)]) -> Vec<Place> {
    let others: BTreeMap<usize, &Facts> = those.iter().map(|(number, subject)| (*number, &subject.facts)).collect();
    let mut found = Vec::new();
    for (number, one) in these {
        let other = others.get(number);
        for (fact, value) in &one.facts.known {
            if other.and_then(|other| other.known.get(fact)) != Some(value) {
                found.push((*number, fact.clone()));
            }
        }
    }
    found
}
