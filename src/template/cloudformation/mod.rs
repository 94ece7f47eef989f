//! CloudFormation templates, YAML and JSON.
//!
//! In: a document with `Resources`. Out: a [`Template`], which resolves its intrinsic functions and conditions for any
//! choice of parameter values.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::hole::Holes;
use super::identity;
use super::node::{Node, Tree};
use super::source::{Assignment, Choice, Group, Parsed, Place, Raw, Reading, Source};
use super::{Document, TemplateFormat};

/// CloudFormation, by its `Resources`.
pub struct CloudFormation;

impl TemplateFormat for CloudFormation {
    fn name(&self) -> &'static str {
        "CloudFormation"
    }

    fn recognises(&self, document: &Document) -> bool {
        let resources = document.root.get("Resources").map(Node::entries).unwrap_or_default();
        resources.iter().any(|entry| entry.value.get("Type").is_some())
    }

    fn read(&self, document: Document, reading: &Reading<'_>) -> Parsed {
        let file = Arc::clone(&document.file);
        let template = Template::of(&document, reading.parameters, reading.place, None);
        Parsed {
            groups: vec![Group { format: self.name(), file, source: Box::new(template), before: None }],
            notices: document
                .notices
                .iter()
                .map(|(span, text)| (Arc::clone(&document.file), *span, text.clone()))
                .collect(),
            documents: vec![document],
            ..Parsed::default()
        }
    }
}

/// A template, ready to be resolved.
#[derive(Debug)]
pub struct Template {
    file: Arc<str>,
    root: Node,
    /// Values of parameters that were given.
    parameters: BTreeMap<String, String>,
    place: Place,
    /// Name of the stack, if it is known.
    stack: Option<String>,
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
            root: document.root.clone(),
            parameters: parameters.clone(),
            place: place.clone(),
            stack,
        }
    }

    /// Resolves everything. `imports` are the values that `Fn::ImportValue` finds.
    pub fn resolve(&self, _assignment: &Assignment, _imports: &BTreeMap<String, Node>, _holes: &mut Holes) -> Resolved {
        let resources = self.root.get("Resources").map(Node::entries).unwrap_or_default();
        let raws = resources.iter().filter_map(|entry| {
            let type_name = entry.value.text_at(&["Type"])?;
            let properties = entry.value.get("Properties").cloned();
            let properties = properties.unwrap_or_else(|| Node::new(Tree::Map(Vec::new()), entry.key_span));
            let properties = super::shape::with_globals(&self.root, type_name, properties);
            let named = identity::naming_property(type_name).and_then(|property| properties.text_at(&[property]));
            Some(Raw {
                type_name: type_name.to_owned(),
                logical_id: entry.key.clone(),
                name: identity::name(&entry.key, named),
                file: Arc::clone(&self.file),
                span: entry.key_span,
                construct_path: entry.value.text_at(&["Metadata", "aws:cdk:path"]).map(str::to_owned),
                place: self.place.clone(),
                stack: self.stack.clone(),
                properties,
                more: None,
            })
        });
        let _ = &self.parameters;
        Resolved { raws: raws.collect(), ..Resolved::default() }
    }
}

impl Source for Template {
    fn choices(&self) -> Vec<Choice> {
        Vec::new()
    }

    fn declare(&self, assignment: &Assignment, holes: &mut Holes) -> Vec<Raw> {
        self.resolve(assignment, &BTreeMap::new(), holes).raws
    }
}
