//! Values of a template → values without functions.
//!
//! In: a template, a choice of its parameters. Out: trees in which every function has its value, or a hole where nothing
//! before a deployment has one. Every value keeps the place of the expression that it came from. Templates are hostile:
//! depth, produced text and the number of holes are bounded, and what refers to itself ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Template;
use super::condition::as_flag;
use super::function::{Call, adds_more, call, long};
use super::parameter::{ANYTHING_ELSE, HIDDEN_DEFAULT, Parameter};
use super::wording::Ordinals;
use crate::inventory::Span;
use crate::template::hole::{has_holes, whole};
use crate::template::identity;
use crate::template::node::{Entry, Node, Tree};
use crate::template::{Assignment, Holes, Place};

/// Expressions inside each other, over all references that are followed. Documents end earlier.
const DEEPEST: usize = 220;

/// Bytes of text that functions may produce in one template, and in one value.
const MOST_TEXT: usize = 16 << 20;
const LONGEST_TEXT: usize = 2 << 20;

/// Different holes of one template.
const MOST_HOLES: usize = 2_000;

pub(super) const ONLY_AFTER: &str = "it is known only after deployment; write the value itself where it is used";

/// Where a name leads.
#[derive(Clone, Copy)]
struct Named<'r> {
    type_name: &'r str,
    properties: Option<&'r Node>,
}

/// Resolves one template under one choice.
pub(super) struct Resolver<'r> {
    pub(super) template: &'r Template,
    pub(super) assignment: &'r Assignment,
    pub(super) imports: &'r BTreeMap<String, Node>,
    pub(super) holes: &'r mut Holes,
    /// What was said of holes already.
    pub(super) ordinals: Ordinals,
    pub(super) place: Place,
    /// Whether a parameter that nobody gave has its default.
    pub(super) defaults: bool,
    /// Above zero while a condition or the key of a mapping is looked at: then a stand-in is no value.
    pub(super) deciding: usize,
    /// Whether it is looked at by a condition, which may read what must not be shown.
    pub(super) comparing: bool,
    /// Whether what a function is applied to is put into words: then nothing may stand for a value that it is not.
    pub(super) wording: bool,
    /// Above zero inside variables, where a dynamic reference is to be seen as one.
    verbatim: usize,
    depth: usize,
    produced: usize,
    resources: BTreeMap<&'r str, Named<'r>>,
    pub(super) mappings: BTreeMap<&'r str, &'r Node>,
    pub(super) conditions: BTreeMap<&'r str, &'r Node>,
    /// Truth of conditions that were looked at; what is being looked at is unknown.
    pub(super) truths: BTreeMap<String, Option<bool>>,
    /// Names of resources; what is being looked at has its logical id.
    names: BTreeMap<String, String>,
}

/// A condition that is called `On` goes by `true` where YAML reads its name as a flag.
fn with_flags<'r>(mut conditions: BTreeMap<&'r str, &'r Node>) -> BTreeMap<&'r str, &'r Node> {
    let flags: Vec<(&str, &Node)> =
        conditions.iter().filter_map(|(name, node)| Some((as_flag(name)?, *node))).collect();
    for (flag, node) in flags {
        conditions.entry(flag).or_insert(node);
    }
    conditions
}

impl<'r> Resolver<'r> {
    pub(super) fn new(
        template: &'r Template,
        root: &'r Node,
        assignment: &'r Assignment,
        imports: &'r BTreeMap<String, Node>,
        holes: &'r mut Holes,
    ) -> Self {
        let section = |name: &str| root.get(name).map(Node::entries).unwrap_or_default().iter();
        let resources = section("Resources").map(|entry| {
            let type_name = entry.value.text_at(&["Type"]).unwrap_or_default();
            (entry.key.as_str(), Named { type_name, properties: entry.value.get("Properties") })
        });
        let listed = |name: &str| section(name).map(|entry| (entry.key.as_str(), &entry.value)).collect();
        Self {
            template,
            assignment,
            imports,
            holes,
            ordinals: Ordinals::default(),
            place: placed(&template.place, assignment),
            defaults: true,
            deciding: 0,
            comparing: false,
            wording: false,
            verbatim: 0,
            depth: 0,
            produced: 0,
            resources: resources.collect(),
            mappings: listed("Mappings"),
            conditions: with_flags(listed("Conditions")),
            truths: BTreeMap::new(),
            names: BTreeMap::new(),
        }
    }

    /// The value of an expression; `None` where it is `AWS::NoValue`.
    pub(super) fn resolve(&mut self, node: &Node) -> Option<Node> {
        match call(node) {
            Some(call) => self.deeper(node.span, |this| this.apply(&call, node.span)),
            None => self.plain(node),
        }
    }

    /// The argument of a call as a value.
    pub(super) fn argument(&mut self, call: &Call<'_>) -> Option<Node> {
        if !call.short {
            return self.resolve(call.argument);
        }
        match long(call.argument) {
            Some(inner) => self.deeper(call.argument.span, |this| this.apply(&inner, call.argument.span)),
            None => self.plain(call.argument),
        }
    }

    /// Properties of a resource, and a hole if there may be more of them.
    pub(super) fn properties(&mut self, node: &Node) -> (Node, Option<String>) {
        let nothing = Node::new(Tree::Map(Vec::new()), node.span);
        if call(node).is_some() {
            return match self.resolve(node) {
                Some(node) if node.is_map() => (node, None),
                Some(node) => (nothing, node.as_str().filter(|text| whole(text).is_some()).map(str::to_owned)),
                None => (nothing, None),
            };
        }
        let more = adds_more(node.entries()).map(|entry| self.unknown_entry(entry));
        let known: Vec<Entry> = node.entries().iter().filter_map(|entry| self.entry(entry)).collect();
        (Node::new(Tree::Map(known), node.span), more)
    }

    fn deeper(&mut self, span: Span, what: impl FnOnce(&mut Self) -> Option<Node>) -> Option<Node> {
        if self.depth >= DEEPEST {
            return Some(self.hole("references deeper than are followed", span, "make the template simpler"));
        }
        self.depth += 1;
        let value = what(self);
        self.depth -= 1;
        value
    }

    fn plain(&mut self, node: &Node) -> Option<Node> {
        let tree = match &node.tree {
            Tree::List(items) => {
                let list = |this: &mut Self| {
                    let items = items.iter().filter_map(|item| this.resolve(item)).collect();
                    Some(Node::new(Tree::List(items), node.span))
                };
                return self.deeper(node.span, list);
            }
            Tree::Map(entries) => {
                if let Some(entry) = adds_more(entries) {
                    return self.deeper(node.span, |this| Some(Node { span: node.span, ..this.grown(entries, entry) }));
                }
                let map = |this: &mut Self| {
                    let entries = entries.iter().filter_map(|entry| this.entry(entry)).collect();
                    Some(Node::new(Tree::Map(entries), node.span))
                };
                return self.deeper(node.span, map);
            }
            Tree::String(text) if text.contains("{{resolve:") => return Some(self.text(text.clone(), node.span)),
            other => other.clone(),
        };
        Some(Node::new(tree, node.span))
    }

    fn entry(&mut self, entry: &Entry) -> Option<Entry> {
        if adds_more(std::slice::from_ref(entry)).is_some() {
            return None;
        }
        let variables = usize::from(entry.key == "EnvironmentVariables");
        self.verbatim += variables;
        let value = self.resolve(&entry.value);
        self.verbatim -= variables;
        Some(Entry { key: entry.key.clone(), key_span: entry.key_span, value: value? })
    }

    fn apply(&mut self, call: &Call<'_>, span: Span) -> Option<Node> {
        match call.function {
            "Ref" => self.reference(call, span),
            "If" => self.either(call, span),
            "GetAtt" => Some(self.get_att(call, span)),
            "Sub" => Some(self.sub(call, span)),
            "Join" => Some(self.join(call, span)),
            "Select" => self.select(call, span),
            "Split" => Some(self.split(call, span)),
            "FindInMap" => self.find_in_map(call, span),
            "ImportValue" => Some(self.import_value(call, span)),
            "GetStackOutput" => Some(self.stack_output(call, span)),
            "Base64" => Some(self.base64(call, span)),
            "Length" => Some(self.length(call, span)),
            "ToJsonString" => Some(self.json_string(call, span)),
            "GetAZs" | "Cidr" => Some(self.unanswered(call, span, ONLY_AFTER)),
            "Transform" => Some(self.transformed(call, span)),
            _ => Some(self.unanswered(call, span, "correct the name of the function")),
        }
    }

    /// A value that nothing gives, unless it was given by its very expression.
    pub(super) fn hole(&mut self, expression: &str, span: Span, hint: &str) -> Node {
        self.hole_for(expression, "", span, hint)
    }

    /// The same where the expression does not say all that makes the value: `wording` tells it apart, and is not said.
    pub(super) fn hole_for(&mut self, expression: &str, wording: &str, span: Span, hint: &str) -> Node {
        let told = self.told(expression, wording);
        self.hole_told(&told, span, hint)
    }

    /// The same for an expression from [`Self::told`].
    pub(super) fn hole_told(&mut self, told: &str, span: Span, hint: &str) -> Node {
        match self.template.given.get(told) {
            Some(given) => Node::text(given.clone(), span),
            None => Node::text(self.numbered(told, span, hint), span),
        }
    }

    pub(super) fn token(&mut self, expression: &str, span: Span, hint: &str) -> String {
        let told = self.told(expression, "");
        self.numbered(&told, span, hint)
    }

    /// Whether no more holes are told apart.
    pub(super) fn is_full(&self) -> bool {
        self.holes.len() >= MOST_HOLES
    }

    fn numbered(&mut self, told: &str, span: Span, hint: &str) -> String {
        let file = Arc::clone(&self.template.file);
        if !self.is_full() {
            return self.holes.token(told, &file, span, hint);
        }
        self.holes.token("more open values than are told apart", &file, span, "pass values with --parameters FILE")
    }

    /// Text that a function made.
    pub(super) fn text(&mut self, text: String, span: Span) -> Node {
        let text = if text.contains("{{resolve:") { self.dynamic(&text, span) } else { text };
        if self.spend(text.len()) {
            return Node::text(text, span);
        }
        self.hole("more text than is followed", span, "make the template smaller")
    }

    /// Whether so much more may be produced.
    pub(super) fn spend(&mut self, length: usize) -> bool {
        self.produced = self.produced.saturating_add(length);
        length <= LONGEST_TEXT && self.produced <= MOST_TEXT
    }

    /// Dynamic references to parameters of Systems Manager are holes. Those to secrets stay: it is what they are that is
    /// judged, never what they hold.
    fn dynamic(&mut self, text: &str, span: Span) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{resolve:") {
            let Some((reference, behind)) = after.split_once("}}") else { break };
            out.push_str(before);
            if reference.starts_with("ssm:") && self.verbatim == 0 {
                let told = self.told(&format!("{{{{resolve:{reference}}}}}"), "");
                let hint = format!("pass it with --parameter '{told}=VALUE'");
                let value = self.hole_told(&told, span, &hint);
                out.push_str(value.as_str().unwrap_or_default());
            } else {
                out.push_str(&["{{resolve:", reference, "}}"].concat());
            }
            rest = behind;
        }
        out.push_str(rest);
        out
    }

    fn reference(&mut self, call: &Call<'_>, span: Span) -> Option<Node> {
        let target = if call.short { call.argument.scalar() } else { self.argument(call)?.scalar() };
        let target = target.unwrap_or_default();
        if target == "AWS::NoValue" {
            return None;
        }
        Some(self.refer(&target, span))
    }

    /// What `Ref` of a name gives.
    pub(super) fn refer(&mut self, target: &str, span: Span) -> Node {
        let template = self.template;
        if target.starts_with("AWS::") {
            return self.pseudo(target, span);
        }
        if let Some(parameter) = template.parameters.get(target) {
            return self.parameter(target, parameter, span);
        }
        let Some(named) = self.resources.get(target).copied() else {
            return self.hole(target, span, "nothing in the template has this name; correct it");
        };
        if self.deciding > 0 || self.wording {
            return self.hole(target, span, ONLY_AFTER);
        }
        let name = self.name(target);
        let text = identity::reference(named.type_name, &name, &self.place);
        self.text(text, span)
    }

    /// The name of a resource: what its naming property says, else its logical id.
    pub(super) fn name(&mut self, logical_id: &str) -> String {
        if let Some(name) = self.names.get(logical_id) {
            return name.clone();
        }
        // Whoever asks for it meanwhile refers to itself.
        self.names.insert(logical_id.to_owned(), logical_id.to_owned());
        let property = self.resources.get(logical_id).and_then(|named| {
            let property = identity::naming_property(named.type_name)?;
            named.properties?.get(property)
        });
        let (deciding, verbatim) = (std::mem::take(&mut self.deciding), std::mem::take(&mut self.verbatim));
        let named = property.and_then(|property| self.resolve(property)).and_then(|value| value.scalar());
        (self.deciding, self.verbatim) = (deciding, verbatim);
        let prefix = self.template.prefixes.get(logical_id).map(String::as_str).unwrap_or_default();
        let name = identity::name(&format!("{prefix}{logical_id}"), named.as_deref());
        self.names.insert(logical_id.to_owned(), name.clone());
        name
    }

    pub(super) fn attribute_of(&mut self, resource: &str, attribute: &str, span: Span) -> Node {
        let expression = format!("{resource}.{attribute}");
        let imports = self.imports;
        if let Some(value) = imports.get(&expression) {
            return self.imported(value, span);
        }
        let Some(named) = self.resources.get(resource).copied() else {
            return self.hole(&expression, span, "nothing in the template has this name; correct it");
        };
        let names = self.deciding == 0 && !self.wording;
        if names && identity::attribute(named.type_name, "", attribute, &self.place).is_some() {
            let name = self.name(resource);
            if let Some(text) = identity::attribute(named.type_name, &name, attribute, &self.place) {
                return self.text(text, span);
            }
        }
        self.hole(&expression, span, ONLY_AFTER)
    }

    fn parameter(&mut self, name: &str, parameter: &Parameter, span: Span) -> Node {
        let given = self.template.given.get(name);
        let chosen = self.assignment.get(name).filter(|_| given.is_none());
        let default = if self.defaults { parameter.default.as_ref() } else { None };
        if parameter.hidden && !self.comparing {
            let hint = "its value is hidden (NoEcho); give it another type if the verdict needs it";
            return Node::text(self.token(name, span, hint), span);
        }
        let value = if parameter.is_path() {
            let path = given.or(default);
            let written = path.map(|path| format!("{{{{resolve:ssm:{path}}}}}"));
            let looked_up = written.as_ref().and_then(|written| self.template.given.get(written));
            if looked_up.is_none() && (chosen.is_none() || self.deciding == 0) {
                let written = written.unwrap_or_else(|| "{{resolve:ssm:PATH}}".to_owned());
                let hint = format!("it stands in Systems Manager; pass it with --parameter '{written}=VALUE'");
                return Node::text(self.token(name, span, &hint), span);
            }
            looked_up.or(chosen)
        } else {
            given.or(chosen).or(default)
        };
        let Some(value) = value else { return self.open(name, span) };
        let value = match value.as_str() {
            ANYTHING_ELSE if chosen.is_some() && (self.deciding == 0 || self.wording) => {
                if self.wording || !self.template.excludes_production(name) {
                    return self.open(name, span);
                }
                "other"
            }
            HIDDEN_DEFAULT if chosen.is_some() => parameter.default.as_deref().unwrap_or_default(),
            value => value,
        };
        if parameter.is_list() {
            if !self.spend(value.len()) {
                return self.hole("more text than is followed", span, "make the template smaller");
            }
            let elements = value.split(',').map(|element| Node::text(element.trim(), span));
            let elements = if value.trim().is_empty() { Vec::new() } else { elements.collect() };
            return Node::new(Tree::List(elements), span);
        }
        self.text(value.to_owned(), span)
    }

    fn open(&mut self, name: &str, span: Span) -> Node {
        let hint = format!("pass it with --parameter {name}=VALUE or --parameters FILE");
        Node::text(self.token(name, span, &hint), span)
    }

    fn pseudo(&mut self, name: &str, span: Span) -> Node {
        let told = self.assignment.contains_key(name);
        let deciding = self.deciding > 0 || self.wording;
        let (region, account) = (self.place.region_known, self.place.account_known);
        let text = match name {
            "AWS::Region" | "AWS::AccountId" | "AWS::Partition" if deciding && told => self.assigned(name),
            // A stand-in is good enough where it becomes part of a name: both sides of a reference have the same.
            "AWS::Region" if region || !deciding => self.place.region.as_str().to_owned(),
            "AWS::AccountId" if account || !deciding => self.place.account.as_str().to_owned(),
            "AWS::Partition" if region || !deciding => self.partition().to_owned(),
            "AWS::URLSuffix" if self.partition() == "aws-cn" => "amazonaws.com.cn".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            "AWS::StackName" => return Node::text(self.stack(span), span),
            "AWS::StackId" => {
                let stack = self.stack(span);
                let id = self.token("AWS::StackId", span, ONLY_AFTER);
                let (partition, region) = (self.partition(), self.place.region.as_str());
                let account = self.place.account.as_str();
                format!("arn:{partition}:cloudformation:{region}:{account}:stack/{stack}/{id}")
            }
            "AWS::Region" => return self.hole(name, span, "pass it with --region NAME"),
            "AWS::AccountId" => return self.hole(name, span, "pass it with --account ID"),
            "AWS::Partition" => return self.hole(name, span, "pass the Region with --region NAME"),
            _ => return self.hole(name, span, ONLY_AFTER),
        };
        Node::text(text, span)
    }

    fn assigned(&self, name: &str) -> String {
        self.assignment.get(name).cloned().unwrap_or_default()
    }

    fn partition(&self) -> &str {
        match self.assignment.get("AWS::Partition").map(String::as_str) {
            Some(partition) if partition != ANYTHING_ELSE && !self.place.region_known => partition,
            _ => self.place.partition().as_str(),
        }
    }

    /// The name of the stack, or the hole that stands for it.
    pub(super) fn stack(&mut self, span: Span) -> String {
        if let Some(name) = &self.template.stack {
            return name.clone();
        }
        let node = self.hole("AWS::StackName", span, "pass it with --parameter AWS::StackName=NAME");
        node.scalar().unwrap_or_default()
    }
}

/// The place under a choice.
fn placed(place: &Place, assignment: &Assignment) -> Place {
    let chosen = |name: &str| assignment.get(name).map(String::as_str).unwrap_or_default();
    let mut placed = place.clone();
    if !place.region_known
        && let Ok(region) = chosen("AWS::Region").parse()
    {
        placed.region = region;
    }
    if !place.account_known
        && let Ok(account) = chosen("AWS::AccountId").parse()
    {
        placed.account = account;
    }
    placed
}

/// Whether a value has a hole anywhere.
pub(super) fn is_open(node: &Node) -> bool {
    match &node.tree {
        Tree::String(text) => has_holes(text),
        Tree::List(items) => items.iter().any(is_open),
        Tree::Map(entries) => entries.iter().any(|entry| is_open(&entry.value)),
        _ => false,
    }
}
