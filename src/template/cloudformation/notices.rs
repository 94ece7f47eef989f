//! What is odd about a template.
//!
//! In: a template. Out: sentences with places: macros that may change what was checked, parts that lie elsewhere and
//! were not looked at, functions and names that do not exist, values that are not allowed. It exists because such a
//! template is judged all the same, and silence would be taken for understanding.

use std::collections::{BTreeMap, BTreeSet};

use super::Template;
use super::choices::is_delivery;
use super::condition::{as_flag, named};
use super::for_each;
use super::function::{LOOP, Piece, TRUTHS, VALUES, adds_more, attribute, call, pieces};
use crate::inventory::Span;
use crate::template::node::{Entry, Node};

/// More than these help nobody.
const MOST: usize = 100;

/// Characters of a path that a sentence names.
const LONGEST_PATH: usize = 120;

/// Macros whose work is known here.
const KNOWN_MACROS: &[&str] = &[
    "AWS::Serverless-2016-10-31",
    "AWS::LanguageExtensions",
    "AWS::CodeDeployBlueGreen",
    "AWS::SecretsManager-2020-07-23",
    "AWS::SecretsManager-2024-09-16",
];

const PSEUDO: &[&str] = &[
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::NotificationARNs",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

/// All oddities in the order of the file; `root` has no loops any more, unless they could not be unrolled.
pub(super) fn notices(template: &Template, root: &Node, complete: bool) -> Vec<(Span, String)> {
    let macros = macros(&template.root);
    let has = |name: &str| macros.iter().any(|(one, _)| one == name);
    let mut noticed = Noticed {
        found: BTreeSet::new(),
        names: names(template, root),
        mappings: keys(root, "Mappings"),
        conditions: keys(root, "Conditions")
            .into_iter()
            .flat_map(|name| as_flag(&name).map(str::to_owned).into_iter().chain([name.clone()]).collect::<Vec<_>>())
            .collect(),
        // What makes resources makes names, too.
        closed: macros.iter().all(|(name, _)| name == "AWS::LanguageExtensions")
            && !resources(root).iter().any(|entry| entry.key.starts_with("Fn::")),
    };
    for (name, span) in &macros {
        if name == "AWS::Include" {
            noticed.add(*span, "`AWS::Include` inserts a file that was not read; what it adds was not checked".into());
        } else if !KNOWN_MACROS.contains(&name.as_str()) {
            noticed.add(*span, format!("the macro `{name}` may change what was checked; check its output as well"));
        }
    }
    if let Some(span) = for_each::first(&template.root).filter(|_| !has("AWS::LanguageExtensions")) {
        noticed.add(span, "`Fn::ForEach` works only with `Transform: AWS::LanguageExtensions`".into());
    }
    if let Some(span) = for_each::first(&template.root).filter(|_| !complete) {
        noticed.add(span, "the loops make more values than are followed; not all of them were checked".into());
    }
    // `AWS::CodeDeploy::BlueGreen`: a release of Amazon ECS that no deployment group says anything about.
    for entry in root.get("Hooks").map(Node::entries).unwrap_or_default() {
        let kind = entry.value.text_at(&["Type"]).unwrap_or("no type");
        noticed.add(
            entry.key_span,
            format!("the hook `{}` ({kind}) was not looked at, so nobody checked how it releases", entry.key),
        );
    }
    for entry in resources(root) {
        noticed.resource(entry);
    }
    for entry in root.get("Conditions").map(Node::entries).unwrap_or_default() {
        noticed.walk(&entry.value, true);
    }
    for (name, parameter) in &template.parameters {
        let refused = template.given.get(name).filter(|given| !parameter.is_path() && !parameter.allows(given));
        if let Some(given) = refused {
            let said = if parameter.hidden { "the value given".to_owned() } else { format!("`{given}`") };
            let allowed = parameter.allowed.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
            noticed.add(parameter.span, format!("{said} is not an allowed value of `{name}`; give one of {allowed}"));
        }
    }
    noticed.found.into_iter().take(MOST).collect()
}

/// What a resource of a type deploys without saying it here: modules
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/modules.html>) and stack sets.
fn unseen(logical_id: &str, type_name: &str) -> Option<String> {
    if type_name.ends_with("::MODULE") {
        let message = format!("`{logical_id}` is the module {type_name}, of which nothing was looked at");
        return Some(format!("{message}; check the template as CloudFormation processes it"));
    }
    let message = || format!("the template of stack set {logical_id} was not looked at; check that template too");
    (type_name == "AWS::CloudFormation::StackSet").then(message)
}

/// The stacks and applications nested in a template that stands alone: no assembly says where their templates are.
pub(super) fn nested(root: &Node) -> Vec<(Span, String)> {
    let stacks = resources(root).iter().filter_map(|entry| {
        let property = match entry.value.text_at(&["Type"])? {
            "AWS::CloudFormation::Stack" => "TemplateURL",
            "AWS::Serverless::Application" => "Location",
            _ => return None,
        };
        let id = &entry.key;
        let at = entry.value.text_at(&["Properties", property]).filter(|_| is_plain(entry, property));
        let at = at.map(|at| format!(" ({})", at.chars().take(LONGEST_PATH).collect::<String>())).unwrap_or_default();
        let message = format!(
            "the template of nested stack {id}{at} was not looked at with what it is given here; \
             check that template too, with --parameters"
        );
        Some((entry.key_span, message))
    });
    stacks.take(MOST).collect()
}

/// Whether a property is written as a value.
fn is_plain(entry: &Entry, property: &str) -> bool {
    entry.value.at(&["Properties", property]).is_some_and(|value| value.tag.is_none())
}

fn resources(root: &Node) -> &[Entry] {
    root.get("Resources").map(Node::entries).unwrap_or_default()
}

fn keys(root: &Node, section: &str) -> BTreeSet<String> {
    root.get(section).map(Node::entries).unwrap_or_default().iter().map(|entry| entry.key.clone()).collect()
}

fn names(template: &Template, root: &Node) -> BTreeSet<String> {
    let pseudo = PSEUDO.iter().map(|name| (*name).to_owned());
    keys(root, "Resources").into_iter().chain(template.parameters.keys().cloned()).chain(pseudo).collect()
}

/// The macros of a whole template.
fn macros(root: &Node) -> BTreeMap<String, Span> {
    let Some(transform) = root.get("Transform") else { return BTreeMap::new() };
    let one = std::slice::from_ref(transform);
    let listed = if transform.elements().is_empty() { one } else { transform.elements() };
    listed
        .iter()
        .filter_map(|item| Some((item.as_str().or_else(|| item.text_at(&["Name"]))?.to_owned(), item.span)))
        .collect()
}

struct Noticed {
    found: BTreeSet<(Span, String)>,
    names: BTreeSet<String>,
    mappings: BTreeSet<String>,
    conditions: BTreeSet<String>,
    /// Whether nothing but the template itself makes names.
    closed: bool,
}

impl Noticed {
    fn add(&mut self, span: Span, text: String) {
        if self.found.len() < MOST * 10 {
            self.found.insert((span, text));
        }
    }

    fn resource(&mut self, entry: &Entry) {
        if entry.key.starts_with("Fn::") {
            let text = format!("`{}` adds resources that are not in the template; they were not checked", entry.key);
            return self.add(entry.key_span, text);
        }
        let type_name = entry.value.text_at(&["Type"]);
        if type_name.is_none() {
            let text = match entry.value.tag.as_deref() {
                Some(tag) => format!("`{}` is what `!{tag}` makes of it, and that was not looked at", entry.key),
                None => format!("`{}` has no `Type`, so that it was not checked", entry.key),
            };
            return self.add(entry.key_span, text);
        }
        if let Some(text) = type_name.and_then(|type_name| unseen(&entry.key, type_name)) {
            return self.add(entry.key_span, text);
        }
        if !type_name.is_some_and(is_delivery) {
            return;
        }
        if let Some(condition) = entry.value.get("Condition") {
            self.condition(condition);
        }
        for part in entry.value.entries() {
            match part.key.as_str() {
                "Properties" => self.walk(&part.value, false),
                key if key.starts_with("Fn::") => {
                    self.add(part.key_span, format!("`{key}` changes `{}` in a way that was not checked", entry.key));
                }
                _ => {}
            }
        }
    }

    fn condition(&mut self, node: &Node) {
        let Some(name) = node.scalar() else { return };
        let declared = |name: &str| self.conditions.contains(name);
        let of_flag = |flag: &str| self.conditions.iter().any(|declared| as_flag(declared) == Some(flag));
        if !declared(&name) && !as_flag(&name).is_some_and(of_flag) {
            self.missing(node.span, "condition", &name);
        }
    }

    fn missing(&mut self, span: Span, what: &str, name: &str) {
        if self.closed {
            self.add(span, format!("no {what} of the template is called `{name}`; correct the name"));
        }
    }

    fn name(&mut self, span: Span, name: &str) {
        if !self.names.contains(name) {
            self.missing(span, "parameter or resource", name);
        }
    }

    fn walk(&mut self, node: &Node, deciding: bool) {
        if let Some(name) = named(node).filter(|_| deciding) {
            return self.condition(&Node::text(name, node.span));
        }
        if let Some(call) = call(node) {
            self.call(call.function, call.argument, node.span);
        } else if let Some(entry) = adds_more(node.entries()) {
            let key = &entry.key;
            if key.starts_with(LOOP) {
                self.add(
                    entry.key_span,
                    format!("the list of `{key}` is not known, so that what it makes was not checked"),
                );
            } else if key == "Fn::Transform" {
                self.add(entry.key_span, "the macro may add properties that were not checked".into());
            } else {
                self.add(entry.key_span, format!("`{key}` must stand alone in its mapping"));
            }
        }
        node.elements().iter().for_each(|element| self.walk(element, deciding));
        node.entries().iter().for_each(|entry| self.walk(&entry.value, deciding));
    }

    fn call(&mut self, function: &str, argument: &Node, span: Span) {
        match function {
            "Ref" => {
                if let Some(name) = argument.scalar() {
                    self.name(span, &name);
                }
            }
            "GetAtt" => match attribute(argument) {
                Some((resource, _)) => self.name(span, resource),
                None => self.add(span, "`Fn::GetAtt` needs a resource and an attribute".into()),
            },
            "Sub" => {
                let text = argument.elements().first().unwrap_or(argument).scalar().unwrap_or_default();
                let own = argument.elements().get(1).map(Node::entries).unwrap_or_default();
                for piece in pieces(&text) {
                    if let Piece::Variable(variable) = piece
                        && own.iter().all(|entry| entry.key != variable)
                    {
                        self.name(span, variable.split_once('.').map_or(variable, |(resource, _)| resource));
                    }
                }
            }
            "If" => {
                if let Some(condition) = argument.elements().first().filter(|node| node.tag.is_none()) {
                    self.condition(condition);
                }
            }
            "FindInMap" => {
                let map = argument.elements().first().filter(|map| map.tag.is_none()).and_then(Node::as_str);
                let has_default = argument.elements().len() > 3;
                if let Some(map) = map.filter(|map| !has_default && !self.mappings.contains(*map)) {
                    self.missing(span, "mapping", map);
                }
            }
            known if VALUES.contains(&known) || TRUTHS.contains(&known) => {}
            unknown => self.add(span, format!("`{unknown}` is no function of CloudFormation; correct its name")),
        }
    }
}
