//! Where a finding points.
//!
//! In: a finding and the resource it is about. Out: the place of what is wrong: an action that the evidence names, the
//! expression that has no value, the property that decides, or, where something is missing, the resource itself.
//!
//! Two paths come with it. The property path names the place for people (`Stages/Prod/Deploy`), with names instead of
//! positions. The fingerprint keeps only its first name (`Stages`): there is one finding of a control on a resource,
//! whatever number of actions it names, so a second ungated action is the same finding, grown worse, and not another one.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::removals::{Effect, Removals, members, properties, unescaped, value_at};
use super::stages::{Step, steps};
use crate::evaluate::{Deciding, Policies};
use crate::finding::{ComplianceType, Finding, Related, SourcePlace};
use crate::inventory::{Affects, Position, Span};
use crate::template::{DeclaredResource, Holes};

/// Where to look.
#[derive(Debug, PartialEq)]
pub(super) struct Pointed {
    pub(super) place: SourcePlace,
    /// `Stages/Prod/Deploy`; empty for the resource itself.
    pub(super) property_path: String,
    pub(super) related: Vec<Related>,
}

impl Pointed {
    /// The part of the path that stays when the finding grows or shrinks.
    pub(super) fn stable_path(&self) -> &str {
        self.property_path.split('/').next().unwrap_or_default()
    }
}

/// Everything that places are found with, under one choice.
pub(super) struct Pointing<'a> {
    pub(super) policies: &'a Policies,
    pub(super) declared: &'a [DeclaredResource],
    pub(super) holes: &'a Holes,
    pub(super) removals: Removals<'a>,
}

/// Elements of one set that are looked for as actions, at most.
const MOST_NAMED: usize = 50;

/// How far below a property its members are tried.
const DEEPEST: usize = 6;

impl Pointing<'_> {
    /// The place of a finding on the resource of that number.
    pub(super) fn of(&self, nth: usize, finding: &Finding) -> Option<Pointed> {
        let declared = self.declared.get(nth)?;
        let undecided = finding.compliance == ComplianceType::InsufficientData;
        if !undecided && finding.compliance != ComplianceType::NonCompliant {
            return Some(at_resource(declared));
        }
        let deciding = self.policies.deciding(&finding.control);
        let failing = deciding.failing(&finding.evidence);
        let mut pointed = self
            .at_actions(declared, finding, &deciding, &failing)
            .or_else(|| self.at_property(nth, declared, &failing, &deciding.must_be_empty()))
            .unwrap_or_else(|| at_resource(declared));
        if undecided && let Some(place) = self.open_value(&finding.gaps) {
            pointed.place = place;
            pointed.related.clear();
        } else {
            pointed.related.extend(self.beside(nth, finding, &deciding, &failing));
            pointed.related.dedup();
        }
        Some(pointed)
    }

    /// The expression that the first gap is about.
    fn open_value(&self, gaps: &[String]) -> Option<SourcePlace> {
        let resource = &self.declared.first()?.resource;
        gaps.iter().find_map(|gap| {
            let hole = self.holes.iter().find(|(number, hole)| {
                let sentence = self.holes.gap(*number, &resource.account, &resource.region, Affects::Details);
                sentence.is_some_and(|sentence| sentence.sentence() == *gap)
                    || gap.starts_with(&format!("{}:{}:{}: ", hole.file, hole.span.start.line, hole.span.start.column))
            });
            let (_, hole) = hole.filter(|(_, hole)| hole.span.start.line > 0)?;
            Some(SourcePlace { file: Arc::clone(&hole.file), span: hole.span })
        })
    }

    /// The actions and stages that the evidence names.
    fn at_actions(
        &self,
        declared: &DeclaredResource,
        finding: &Finding,
        deciding: &Deciding,
        failing: &BTreeSet<String>,
    ) -> Option<Pointed> {
        let stages = declared.resource.properties.get("Stages")?;
        let steps = steps(stages, self.holes);
        let wrong = deciding.must_be_empty();
        let mut named: Vec<(&Step, String)> = Vec::new();
        let mut approval = false;
        for fact in failing.iter().filter(|fact| wrong.contains(fact.as_str())) {
            let of_stages = fact.contains("Stages") || fact.contains("stages");
            approval |= fact.starts_with("unapproved");
            let elements = finding.evidence.get(fact).and_then(Value::as_array).into_iter().flatten();
            for element in elements.filter_map(Value::as_str).take(MOST_NAMED) {
                if let Some(step) = Step::named_by(&steps, element, of_stages)
                    && named.iter().all(|(known, _)| known.pointer != step.pointer)
                {
                    named.push((step, step.rest_of(element).to_owned()));
                }
            }
        }
        named.sort_by_key(|(step, _)| step.position());
        let (first, rest) = named.first()?;
        let inner = variable(declared, first, rest);
        let pointer = inner.as_deref().unwrap_or(&first.pointer);
        let mut pointed = self.at(declared, pointer)?;
        if approval {
            pointed.related.extend(nearest_approval(declared, first, &steps));
        }
        for (step, _) in named.iter().skip(1) {
            let place = place_of(declared, &step.pointer)?;
            pointed.related.push(Related { place, message: format!("{} too", step.label) });
        }
        Some(pointed)
    }

    /// The deepest property without which the facts would be others.
    fn at_property(
        &self,
        nth: usize,
        declared: &DeclaredResource,
        failing: &BTreeSet<String>,
        wrong: &BTreeSet<&str>,
    ) -> Option<Pointed> {
        let effects = |pointers: Vec<String>| -> Vec<(String, Effect)> {
            let found = pointers.into_iter().filter_map(|pointer| {
                let effect = self.removals.effect(nth, &pointer, failing, wrong)?;
                Some((pointer, effect))
            });
            found.collect()
        };
        let top = effects(properties(declared));
        let mut at = top.iter().min_by_key(|(_, effect)| *effect).map(|(pointer, _)| pointer.clone())?;
        for _ in 0..DEEPEST {
            let below = effects(members(declared, &at));
            let of_list = value_at(declared, &at).is_some_and(Value::is_array);
            let mut culprits = below.into_iter().filter(|(_, effect)| *effect == Effect::Changes);
            match (culprits.next(), culprits.next()) {
                (Some((pointer, _)), None) => at = pointer,
                // Any element of a list is one of those that are wrong; of two members, neither alone is.
                (Some((pointer, _)), Some(_)) if of_list => at = pointer,
                _ => break,
            }
        }
        self.at(declared, &at)
    }

    fn at(&self, declared: &DeclaredResource, pointer: &str) -> Option<Pointed> {
        let property_path = self.holes.spoken(&path(declared, pointer));
        Some(Pointed { place: place_of(declared, pointer)?, property_path, related: Vec::new() })
    }

    /// Other resources of the group that the evidence names.
    fn beside(&self, nth: usize, finding: &Finding, deciding: &Deciding, failing: &BTreeSet<String>) -> Vec<Related> {
        let wrong = deciding.must_be_empty();
        let facts = failing.iter().filter(|fact| wrong.contains(fact.as_str()));
        let elements = facts.filter_map(|fact| finding.evidence.get(fact)).filter_map(Value::as_array).flatten();
        let names = elements.filter_map(Value::as_str).take(MOST_NAMED);
        let found = names.filter_map(|element| {
            let name = element.split_once(" (").map_or(element, |(name, _)| name);
            let mut others = self.declared.iter().enumerate().filter(|(number, _)| *number != nth);
            let (_, other) = others.find(|(_, other)| is_called(other, name, self.holes))?;
            let place = SourcePlace { file: Arc::clone(&other.file), span: other.span };
            Some(Related { place, message: format!("{name} is defined here") })
        });
        found.collect()
    }
}

/// Whether a resource is the one that a name or ARN means.
fn is_called(declared: &DeclaredResource, name: &str, holes: &Holes) -> bool {
    if name.is_empty() {
        return false;
    }
    let uid = holes.spoken(declared.resource.uid.as_str());
    uid == name || uid.strip_suffix(name).is_some_and(|before| before.ends_with([':', '/']))
}

fn at_resource(declared: &DeclaredResource) -> Pointed {
    let place = SourcePlace { file: Arc::clone(&declared.file), span: declared.span };
    Pointed { place, property_path: String::new(), related: Vec::new() }
}

/// Where a property begins: the line that names it, not all of what it holds.
pub(super) fn place_of(declared: &DeclaredResource, pointer: &str) -> Option<SourcePlace> {
    let named = ["Name", "Sid", "Id"].iter().map(|key| format!("{pointer}/{key}"));
    let is_element = pointer.rsplit('/').next().is_some_and(|last| last.parse::<usize>().is_ok());
    let named = named.filter(|_| is_element).find_map(|inner| declared.spans.get(&inner));
    let span = named.or_else(|| declared.spans.get(pointer)).filter(|span| span.start.line > 0)?;
    let key = pointer.rsplit('/').next().filter(|_| !is_element).map_or(1, |key| unescaped(key).chars().count());
    Some(SourcePlace { file: Arc::clone(&declared.file), span: first_line(*span, key) })
}

fn first_line(span: Span, length: usize) -> Span {
    if span.start.line == span.end.line {
        return span;
    }
    let column = span.start.column.saturating_add(u32::try_from(length).unwrap_or(1));
    Span { start: span.start, end: Position { line: span.start.line, column } }
}

/// Keys that tell one element of a list from the others.
const NAMES: &[&str] =
    &["Name", "Id", "Sid", "Key", "TriggerName", "PolicyName", "Region", "StageName", "ArtifactIdentifier"];

/// The names on the way to a property: `Stages/Prod/Deploy`.
fn path(declared: &DeclaredResource, pointer: &str) -> String {
    let mut names: Vec<String> = Vec::new();
    let mut so_far = String::new();
    for segment in pointer.split('/').skip(1) {
        so_far.push('/');
        so_far.push_str(segment);
        let is_element = segment.parse::<usize>().is_ok();
        let named = || {
            let element = value_at(declared, &so_far)?;
            let mut keys = NAMES.iter().filter_map(|key| element.get(*key)?.as_str());
            keys.next().map(str::to_owned)
        };
        let in_stage = segment == "Actions" && names.len() == 2 && names.first().is_some_and(|top| top == "Stages");
        if in_stage {
            continue;
        }
        let name = if is_element { named() } else { None };
        names.push(name.unwrap_or_else(|| unescaped(segment)));
    }
    names.join("/")
}

/// The variable of an action that the evidence goes on to name.
fn variable(declared: &DeclaredResource, step: &Step, rest: &str) -> Option<String> {
    let name = rest.strip_prefix('/').filter(|name| !name.is_empty())?;
    let listed = format!("{}/EnvironmentVariables", step.pointer);
    let of_list = value_at(declared, &listed).and_then(Value::as_array).and_then(|variables| {
        let index = variables.iter().position(|one| one.get("Name").and_then(Value::as_str) == Some(name))?;
        Some(format!("{listed}/{index}"))
    });
    let configured = format!("{}/Configuration/EnvironmentVariables", step.pointer);
    let found = of_list.or_else(|| declared.spans.contains_key(&configured).then_some(configured));
    found.filter(|pointer| declared.spans.contains_key(pointer))
}

/// The approval that comes too late, or where one would have to stand.
fn nearest_approval(declared: &DeclaredResource, ungated: &Step, steps: &[Step]) -> Option<Related> {
    let actions = || steps.iter().filter(|step| step.action.is_some());
    let after = actions()
        .filter(|step| step.is_approval && step.pointer != ungated.pointer && !step.precedes(ungated))
        .min_by_key(|step| (step.order(), step.position()));
    let (pointer, message) = if let Some(gate) = after {
        let message = if gate.order() == ungated.order() {
            format!("the nearest approval, {}, runs at the same time", gate.label)
        } else {
            format!("the nearest approval, {}, comes after it", gate.label)
        };
        (&gate.pointer, message)
    } else {
        let stages = steps.iter().filter(|step| step.action.is_none() && step.stage < ungated.stage);
        let last = stages.max_by_key(|step| step.stage)?;
        (&last.pointer, format!("{} is the last stage before it; no approval follows", last.label))
    };
    Some(Related { place: place_of(declared, pointer)?, message })
}
