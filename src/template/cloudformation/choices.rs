//! What can still be chosen in a template.
//!
//! In: a template. Out: the open parameters that decide something about its delivery path, each with the values worth
//! trying. It exists to keep that set small: a condition that no resource of the delivery path depends on is no choice.

use std::collections::{BTreeMap, BTreeSet};

use super::Template;
use super::condition::{self, chosen_name, named};
use super::function::{Piece, call, pieces};
use super::parameter::{ANYTHING_ELSE, HIDDEN_DEFAULT, Parameter};
use super::resolver::{Resolver, is_open};
use crate::template::identity;
use crate::template::node::Node;
use crate::template::{Assignment, Choice, Holes, shape};

/// More allowed values than these are not all tried.
const MOST_ALLOWED: usize = 8;

/// More values of one choice than these are not tried.
const MOST_VALUES: usize = 16;

/// More conditions than these are not chosen themselves.
const MOST_CHOSEN: usize = 64;

/// Types that say something about a delivery path, beside those that are judged.
const PREFIXES: &[&str] = &[
    "AWS::Code",
    "AWS::Serverless::",
    "AWS::S3::Bucket",
    "AWS::KMS::",
    "AWS::SNS::Topic",
    "AWS::ECR::",
    "AWS::IAM::",
    "AWS::CloudTrail::",
    "AWS::Config::",
    "AWS::SecretsManager::",
    "AWS::CloudWatch::",
];

/// Whether resources of a type belong to a delivery path.
pub(super) fn is_delivery(type_name: &str) -> bool {
    shape::matters(type_name) || PREFIXES.iter().any(|prefix| type_name.starts_with(prefix))
}

/// The choices of a template; `root` has no loops any more.
pub(super) fn choices(template: &Template, root: &Node) -> Vec<Choice> {
    let mut uses = Uses::of(root);
    uses.collect();
    let (nothing, imports, mut holes) = (Assignment::new(), BTreeMap::new(), Holes::default());
    let mut open = Resolver::new(template, root, &nothing, &imports, &mut holes);
    open.defaults = false;
    let mut candidates: BTreeMap<String, Candidate> = BTreeMap::new();
    for condition in &uses.conditions {
        // What is decided already is no choice, and what it reads decides nothing.
        if open.condition(condition).is_some() {
            continue;
        }
        let Some(node) = open.conditions.get(condition.as_str()).copied() else { continue };
        for (one, other) in comparisons(node) {
            for (side, against) in [(one, other), (other, one)] {
                let mut read = Mentions::default();
                read.walk(side, root, 0);
                open.deciding += 1;
                let against = open.resolve(against).filter(|value| !is_open(value)).and_then(|value| value.scalar());
                open.deciding -= 1;
                for name in read.names.iter().filter(|name| template.is_open(name)) {
                    let candidate = candidates.entry(name.clone()).or_default();
                    candidate.compared = true;
                    candidate.add(against.clone());
                    read.keys.get(name).into_iter().flatten().for_each(|key| candidate.add(Some(key.clone())));
                }
            }
        }
    }
    for name in uses.read.names.iter().filter(|name| template.is_open(name)) {
        let keys = uses.read.keys.get(name).cloned().unwrap_or_default();
        let Some(parameter) = template.parameters.get(name) else { continue };
        let few = (1..=MOST_ALLOWED).contains(&parameter.allowed.len());
        let keyed = (1..=MOST_ALLOWED).contains(&keys.len()) && parameter.default_value().is_none();
        if few || keyed {
            let candidate = candidates.entry(name.clone()).or_default();
            candidate.lands = true;
            keys.into_iter().filter(|_| keyed).for_each(|key| candidate.add(Some(key)));
        }
    }
    for name in uses.read.names.iter().filter(|name| template.is_open(name)) {
        let Some(parameter) = template.parameters.get(name).filter(|one| one.names_an_environment(name)) else {
            continue;
        };
        // A parameter that is looked up has one of the keys, or the stack cannot be made.
        if !uses.read.keys.contains_key(name) {
            candidates.entry(name.clone()).or_default().may_be_production(parameter);
        }
    }
    if let Some(region) = candidates.get_mut("AWS::Region") {
        uses.regions.iter().for_each(|name| region.add(Some(name.clone())));
    }
    let mut found: Vec<Choice> = candidates
        .into_iter()
        .filter_map(|(name, candidate)| candidate.choice(&name, template.parameters.get(&name)))
        .collect();
    found.extend(undecidable(template, root, &uses.conditions, &found));
    found
}

/// Conditions that no parameter decides: they are chosen themselves.
fn undecidable(template: &Template, root: &Node, conditions: &BTreeSet<String>, choices: &[Choice]) -> Vec<Choice> {
    let base = |more: &BTreeSet<String>| -> Assignment {
        let first = choices.iter().filter_map(|choice| Some((choice.name.clone(), choice.values.first()?.clone())));
        first.chain(more.iter().map(|name| (chosen_name(name), "true".to_owned()))).collect()
    };
    let (nothing, imports, mut holes) = (Assignment::new(), BTreeMap::new(), Holes::default());
    let mut open = Resolver::new(template, root, &nothing, &imports, &mut holes);
    open.defaults = false;
    let undecided: Vec<&String> = conditions.iter().filter(|name| open.condition(name).is_none()).collect();
    let mut chosen = BTreeSet::new();
    // First those that compare what has no value, then those that are unknown even so: circles, and names of nothing.
    for directly in [true, false] {
        let mut rest = undecided.as_slice();
        while chosen.len() < MOST_CHOSEN {
            let assignment = base(&chosen);
            let mut resolver = Resolver::new(template, root, &assignment, &imports, &mut holes);
            let found = rest.iter().position(|condition| {
                if directly {
                    let node = resolver.conditions.get(condition.as_str()).copied();
                    return node.is_some_and(|node| atoms(node).iter().any(|atom| resolver.truth(atom).is_none()));
                }
                resolver.condition(condition).is_none()
            });
            let Some((before, after)) = found.and_then(|at| rest.split_at_checked(at + 1)) else { break };
            chosen.extend(before.last().map(|name| (*name).clone()));
            rest = after;
        }
    }
    let choice = |name: &String| Choice {
        name: chosen_name(name),
        default: None,
        values: vec!["true".to_owned(), "false".to_owned()],
    };
    chosen.iter().map(choice).collect()
}

/// What is known about a choice while it is found.
#[derive(Default)]
struct Candidate {
    literals: Vec<String>,
    /// Whether a condition compares it.
    compared: bool,
    /// Whether its text becomes part of a property.
    lands: bool,
}

impl Candidate {
    fn add(&mut self, literal: Option<String>) {
        if let Some(literal) = literal.filter(|literal| !self.literals.contains(literal))
            && self.literals.len() < MOST_VALUES
        {
            self.literals.push(literal);
        }
    }

    /// A name of an environment that anybody may give is given for production some day. Where the template says itself
    /// what production is called, nobody calls it otherwise.
    fn may_be_production(&mut self, parameter: &Parameter) {
        let default = parameter.default_value().filter(|default| !default.is_empty());
        if self.literals.iter().map(String::as_str).chain(default).any(says_production) {
            return;
        }
        self.add(Some("prod".to_owned()));
        if default.is_none() {
            self.add(Some("dev".to_owned()));
        }
    }

    fn choice(self, name: &str, parameter: Option<&Parameter>) -> Option<Choice> {
        let allowed = parameter.map(|parameter| parameter.allowed.as_slice()).unwrap_or_default();
        let mut default = parameter.and_then(Parameter::default_value).map(str::to_owned);
        if parameter.is_some_and(|parameter| parameter.hidden)
            && default.as_ref().is_some_and(|default| !self.literals.contains(default))
        {
            default = Some(HIDDEN_DEFAULT.to_owned());
        }
        let mut values: Vec<String> = default.iter().cloned().collect();
        let mut add = |value: &String| {
            if !values.contains(value) && values.len() < MOST_VALUES {
                values.push(value.clone());
            }
        };
        let permitted = |value: &&String| parameter.is_none_or(|parameter| parameter.allows(value));
        self.literals.iter().filter(permitted).for_each(&mut add);
        if self.lands && allowed.len() <= MOST_ALLOWED {
            allowed.iter().for_each(&mut add);
        } else if self.compared {
            let other = allowed.iter().find(|value| !self.literals.contains(value)).cloned();
            let fixed = name == "AWS::Partition";
            match other {
                Some(other) => add(&other),
                None if allowed.is_empty() && !fixed => add(&ANYTHING_ELSE.to_owned()),
                None => {}
            }
        }
        if name == "AWS::Partition" {
            for value in ["aws", "aws-cn", "aws-us-gov"] {
                add(&value.to_owned());
            }
            values.sort();
        }
        (values.len() > 1).then(|| Choice { name: name.to_owned(), default, values })
    }
}

/// Whether production is part of a value.
pub(super) fn says_production(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    ["prod", "prd", "live"].iter().any(|word| lower.contains(word))
}

/// What resources of the delivery path read.
struct Uses<'r> {
    root: &'r Node,
    /// Conditions, those behind others included.
    conditions: BTreeSet<String>,
    read: Mentions,
    /// Regions of artifact stores.
    regions: BTreeSet<String>,
}

impl<'r> Uses<'r> {
    fn of(root: &'r Node) -> Self {
        Self { root, conditions: BTreeSet::new(), read: Mentions::default(), regions: BTreeSet::new() }
    }

    fn collect(&mut self) {
        let resources = self.root.get("Resources").map(Node::entries).unwrap_or_default();
        let by_id: BTreeMap<&str, &Node> = resources.iter().map(|entry| (entry.key.as_str(), &entry.value)).collect();
        let type_of = |node: &Node| node.text_at(&["Type"]).unwrap_or_default().to_owned();
        for entry in resources.iter().filter(|entry| is_delivery(&type_of(&entry.value))) {
            if let Some(condition) = entry.value.text_at(&["Condition"]) {
                self.read.conditions.insert(condition.to_owned());
            }
            let Some(properties) = entry.value.get("Properties") else { continue };
            self.read.walk(properties, self.root, 0);
            let stores = properties.get("ArtifactStores").map(Node::elements).unwrap_or_default();
            let regions = stores.iter().filter_map(|store| store.text_at(&["Region"]));
            self.regions.extend(regions.filter(|name| name.contains('-')).map(str::to_owned));
        }
        if let Some(globals) = self.root.get("Globals") {
            self.read.walk(globals, self.root, 0);
        }
        // A reference to a resource of any type reads its name.
        let mut followed = BTreeSet::new();
        loop {
            let next: Vec<String> = self.read.names.iter().filter(|name| !followed.contains(*name)).cloned().collect();
            if next.is_empty() {
                break;
            }
            for name in next {
                if let Some(node) = by_id.get(name.as_str())
                    && let Some(property) = identity::naming_property(&type_of(node))
                    && let Some(value) = node.at(&["Properties", property])
                {
                    self.read.walk(value, self.root, 0);
                }
                followed.insert(name);
            }
        }
        let conditions = self.root.get("Conditions").map(Node::entries).unwrap_or_default();
        let conditions: BTreeMap<&str, &Node> = conditions.iter().map(|one| (one.key.as_str(), &one.value)).collect();
        let mut left: Vec<String> = self.read.conditions.iter().cloned().collect();
        while let Some(name) = left.pop() {
            if let Some(node) = condition::by_name(&conditions, &name) {
                left.extend(behind(node).into_iter().filter(|name| !self.conditions.contains(name)));
            }
            self.conditions.insert(name);
        }
    }
}

/// What an expression reads.
#[derive(Default)]
struct Mentions {
    /// Parameters, pseudo parameters and resources.
    names: BTreeSet<String>,
    conditions: BTreeSet<String>,
    /// Keys of the mapping in which a name is looked up.
    keys: BTreeMap<String, BTreeSet<String>>,
}

impl Mentions {
    fn walk(&mut self, node: &Node, root: &Node, depth: usize) {
        if depth > 250 {
            return;
        }
        if let Some(call) = call(node) {
            let argument = call.argument;
            match call.function {
                "Ref" => self.names.extend(argument.scalar()),
                "GetAtt" => {
                    self.names.extend(super::function::attribute(argument).map(|(resource, _)| resource.to_owned()));
                }
                "If" => {
                    self.conditions.extend(argument.elements().first().and_then(Node::scalar));
                }
                "Sub" => {
                    let text = argument.elements().first().unwrap_or(argument).scalar().unwrap_or_default();
                    for piece in pieces(&text) {
                        if let Piece::Variable(name) = piece {
                            let resource = name.split_once('.').map_or(name, |(resource, _)| resource);
                            self.names.insert(resource.to_owned());
                        }
                    }
                }
                "FindInMap" => self.keys_of(argument, root),
                _ => {}
            }
        }
        node.elements().iter().for_each(|element| self.walk(element, root, depth + 1));
        node.entries().iter().for_each(|entry| self.walk(&entry.value, root, depth + 1));
    }

    fn keys_of(&mut self, argument: &Node, root: &Node) {
        let [map, top, second, ..] = argument.elements() else { return };
        let mapping = map.as_str().and_then(|name| root.at(&["Mappings", name]));
        let tops = mapping.map(Node::entries).unwrap_or_default();
        let named =
            |key: &Node| call(key).filter(|call| call.function == "Ref").and_then(|call| call.argument.scalar());
        if let Some(name) = named(top).filter(|name| !name.starts_with("AWS::")) {
            self.keys.entry(name).or_default().extend(tops.iter().map(|entry| entry.key.clone()));
        }
        if let Some(name) = named(second).filter(|name| !name.starts_with("AWS::")) {
            let keys = tops.iter().flat_map(|entry| entry.value.entries()).map(|entry| entry.key.clone());
            self.keys.entry(name).or_default().extend(keys);
        }
    }
}

/// The functions of a condition that are neither logic nor other conditions.
fn atoms(node: &Node) -> Vec<&Node> {
    if named(node).is_some() {
        return Vec::new();
    }
    match call(node).map(|call| (call.function, call.argument)) {
        Some(("And" | "Or" | "Not", argument)) => argument.elements().iter().flat_map(atoms).collect(),
        _ => vec![node],
    }
}

/// What a condition compares with what.
fn comparisons(node: &Node) -> Vec<(&Node, &Node)> {
    let equals = atoms(node).into_iter().filter(|atom| call(atom).is_some_and(|call| call.function == "Equals"));
    equals
        .filter_map(|atom| match call(atom)?.argument.elements() {
            [one, other] => Some((one, other)),
            _ => None,
        })
        .collect()
}

/// The conditions that a condition names.
fn behind(node: &Node) -> Vec<String> {
    if let Some(name) = named(node) {
        return vec![name.to_owned()];
    }
    match call(node) {
        Some(call) => call.argument.elements().iter().flat_map(behind).collect(),
        None => Vec::new(),
    }
}
