//! CloudFormation templates, YAML and JSON.
//!
//! In: a document with `Resources`. Out: a [`Template`], which resolves its intrinsic functions and conditions for any
//! choice of parameter values.

mod choices;
mod condition;
mod for_each;
mod function;
mod lookup;
mod notices;
mod parameter;
mod resolver;
mod text;
mod wording;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use self::parameter::{ANYTHING_ELSE, Parameter};
use self::resolver::Resolver;
pub use self::wording::Ordinals;
use super::hole::has_holes;
use super::node::{Entry, Node, Tree};
use super::source::{Assignment, Choice, Group, Parsed, Place, Raw, Reading, Source};
use super::{Document, Holes, TemplateFormat};
use crate::inventory::Span;

/// CloudFormation, by its `Resources`.
pub struct CloudFormation;

impl TemplateFormat for CloudFormation {
    fn name(&self) -> &'static str {
        "CloudFormation"
    }

    fn recognises(&self, document: &Document) -> bool {
        let resources = document.root.get("Resources").map(Node::entries).unwrap_or_default();
        resources.iter().any(|entry| entry.value.get("Type").is_some() || entry.key.starts_with(function::LOOP))
    }

    fn read(&self, document: Document, reading: &Reading<'_>) -> Parsed {
        let file = Arc::clone(&document.file);
        // A template of the CDK may come without its assembly.
        let quiet = Document { root: super::cdk::without_additions(&document.root), ..document.clone() };
        let template = Template::of(&quiet, reading.parameters, reading.place, None);
        let odd = document.notices.iter().cloned().chain(template.notices()).chain(notices::nested(&quiet.root));
        let notices = odd.map(|(span, text)| (Arc::clone(&file), span, text)).collect();
        Parsed {
            groups: vec![Group { format: self.name(), file, source: Box::new(template), before: None }],
            notices,
            documents: vec![document],
            ..Parsed::default()
        }
    }
}

/// A template, ready to be resolved.
#[derive(Debug)]
pub struct Template {
    file: Arc<str>,
    root: Arc<Node>,
    parameters: BTreeMap<String, Parameter>,
    /// Values that were given, by the name of a parameter or by the expression of any hole.
    given: BTreeMap<String, String>,
    place: Place,
    /// Name of the stack, if it is known.
    stack: Option<String>,
    /// What stands before the names of some resources, by their logical ids, because another stack that is judged
    /// together with this one has such names too.
    prefixes: BTreeMap<String, String>,
    /// Whether it has loops.
    loops: bool,
    /// Found once: they are the same for every choice.
    choices: OnceLock<Vec<Choice>>,
}

/// Under what the output of another stack is found among imports. No export can be called so: its name has no spaces.
#[must_use]
pub fn stack_output(account: &str, region: &str, stack: &str, output: &str) -> String {
    format!("Fn::GetStackOutput {account} {region} {stack} {output}")
}

/// What a template comes to under a choice.
#[derive(Debug, Default)]
pub struct Resolved {
    /// All resources whose condition holds.
    pub raws: Vec<Raw>,
    /// Values of `Outputs` by their `Export` name.
    pub exports: BTreeMap<String, Node>,
    /// Values of `Outputs` by their logical id, for nested stacks.
    pub outputs: BTreeMap<String, Node>,
}

impl Template {
    /// The template in a document. `stack` is the name of its stack, where that is known.
    #[must_use]
    pub fn of(
        document: &Document,
        parameters: &BTreeMap<String, String>,
        place: &Place,
        stack: Option<String>,
    ) -> Self {
        Self {
            file: Arc::clone(&document.file),
            root: Arc::clone(&document.root),
            parameters: parameter::parameters(&document.root),
            given: parameters.clone(),
            place: place.clone(),
            stack,
            prefixes: BTreeMap::new(),
            loops: for_each::any(&document.root),
            choices: OnceLock::new(),
        }
    }

    /// The same template with something before the names that its resources get from their logical ids.
    #[must_use]
    pub fn told_apart(self, prefixes: BTreeMap<String, String>) -> Self {
        Self { prefixes, ..self }
    }

    /// Resolves everything. `imports` are the values that `Fn::ImportValue` finds, under `Stack.Outputs.Name` those
    /// that `Fn::GetAtt` finds in nested stacks, and under [`stack_output`] those that `Fn::GetStackOutput` finds.
    /// `ordinals` are those of the holes.
    pub fn resolve(
        &self,
        assignment: &Assignment,
        imports: &BTreeMap<String, Node>,
        holes: &mut Holes,
        ordinals: &mut Ordinals,
    ) -> Resolved {
        let (unrolled, _) = self.unrolled(assignment, holes, ordinals);
        let root = unrolled.as_ref().unwrap_or(&self.root);
        let mut resolver = Resolver::new(self, root, assignment, imports, holes);
        resolver.ordinals = std::mem::take(ordinals);
        let resources = root.get("Resources").map(Node::entries).unwrap_or_default();
        let mut resolved = Resolved::default();
        resolved.raws.extend(resources.iter().filter_map(|entry| declared(root, entry, &mut resolver)));
        for entry in root.get("Outputs").map(Node::entries).unwrap_or_default() {
            let condition = entry.value.text_at(&["Condition"]);
            if condition.and_then(|name| resolver.condition(name)) == Some(false) {
                continue;
            }
            let Some(value) = entry.value.get("Value").and_then(|value| resolver.resolve(value)) else { continue };
            let export = entry.value.at(&["Export", "Name"]).and_then(|name| resolver.resolve(name));
            if let Some(name) = export.and_then(|name| name.scalar()) {
                resolved.exports.insert(name, value.clone());
            }
            resolved.outputs.insert(entry.key.clone(), value);
        }
        *ordinals = resolver.ordinals;
        resolved
    }

    /// What is odd about it, with places.
    #[must_use]
    pub fn notices(&self) -> Vec<(Span, String)> {
        let (unrolled, complete) = self.unrolled(&Assignment::new(), &mut Holes::default(), &mut Ordinals::default());
        notices::notices(self, unrolled.as_ref().unwrap_or(&self.root), complete)
    }

    /// The template without loops, if it has any, and whether they all came to their end.
    fn unrolled(&self, assignment: &Assignment, holes: &mut Holes, ordinals: &mut Ordinals) -> (Option<Node>, bool) {
        if !self.loops {
            return (None, true);
        }
        let imports = BTreeMap::new();
        let mut resolver = Resolver::new(self, &self.root, assignment, &imports, holes);
        resolver.ordinals = std::mem::take(ordinals);
        let (root, complete) = for_each::unrolled(&self.root, &mut resolver);
        *ordinals = resolver.ordinals;
        (Some(root), complete)
    }

    /// Whether nobody gave a value of a parameter or pseudo parameter.
    fn is_open(&self, name: &str) -> bool {
        match name {
            "AWS::Region" | "AWS::Partition" => !self.place.region_known,
            "AWS::AccountId" => !self.place.account_known,
            _ => self.parameters.contains_key(name) && !self.given.contains_key(name),
        }
    }

    /// Whether production is one of the values that a choice compares with, so that anything else is not production.
    fn excludes_production(&self, name: &str) -> bool {
        let choice = self.choices_once().iter().find(|choice| choice.name == name);
        let values = choice.map(|choice| choice.values.as_slice()).unwrap_or_default();
        values.iter().filter(|value| *value != ANYTHING_ELSE).any(|value| choices::says_production(value))
    }

    fn choices_once(&self) -> &[Choice] {
        self.choices.get_or_init(|| {
            let (unrolled, _) = self.unrolled(&Assignment::new(), &mut Holes::default(), &mut Ordinals::default());
            choices::choices(self, unrolled.as_ref().unwrap_or(&self.root))
        })
    }
}

/// Whether anybody reads the properties of a type: those that are judged, those that become others, and those that carry
/// values between stacks.
fn says_something(type_name: &str) -> bool {
    let carries = ["AWS::CloudFormation::", "AWS::Serverless::"].iter().any(|prefix| type_name.starts_with(prefix));
    super::shape::matters(type_name) || carries || !type_name.starts_with("AWS::")
}

fn declared(root: &Node, entry: &Entry, resolver: &mut Resolver<'_>) -> Option<Raw> {
    let type_name = entry.value.text_at(&["Type"])?;
    let condition = entry.value.get("Condition").and_then(Node::scalar);
    if condition.and_then(|name| resolver.condition(&name)) == Some(false) {
        return None;
    }
    let nothing = Node::new(Tree::Map(Vec::new()), entry.key_span);
    let written = entry.value.get("Properties").filter(|_| says_something(type_name)).unwrap_or(&nothing);
    let (properties, more) = if type_name.starts_with("AWS::Serverless::") {
        resolver.properties(&super::shape::with_globals(root, type_name, written.clone()))
    } else {
        resolver.properties(written)
    };
    let more = more.or_else(|| {
        let added = function::adds_more(entry.value.entries())?;
        Some(resolver.token(&added.key, added.key_span, "check the template as it is after the macro ran"))
    });
    let stack = resolver.stack(entry.key_span);
    Some(Raw {
        type_name: type_name.to_owned(),
        logical_id: entry.key.clone(),
        name: resolver.name(&entry.key),
        file: Arc::clone(&resolver.template.file),
        span: entry.key_span,
        construct_path: entry.value.text_at(&["Metadata", "aws:cdk:path"]).map(str::to_owned),
        place: resolver.place.clone(),
        stack: Some(stack).filter(|stack| !stack.is_empty()),
        properties,
        more: more.filter(|more| has_holes(more)),
    })
}

impl Source for Template {
    fn choices(&self) -> Vec<Choice> {
        self.choices_once().to_vec()
    }

    fn declare(&self, assignment: &Assignment, holes: &mut Holes) -> Vec<Raw> {
        self.resolve(assignment, &BTreeMap::new(), holes, &mut Ordinals::default()).raws
    }
}

#[cfg(test)]
mod tests;
