//! Terraform plans and states: what `terraform show -json` (or `tofu show -json`) prints.
//!
//! In: a document with `planned_values`, `resource_changes` and `configuration`, or with the `values` of a state. Out: a
//! [`Source`] of what will be there after the plan is applied, and one of what is there before it. Nothing can be chosen in
//! a plan: it is made for values that were given.
//!
//! ```text
//!  after + after_unknown + configuration ─► values in Terraform's names ─► tables of services ─► Raw
//!          (plan)            (resolve)            (values)                   (mapping)        (declare)
//! ```

mod address;
mod declare;
mod excerpt;
mod hcl;
mod mapping;
mod places;
mod plan;
mod policy;
mod resolve;
mod services;
mod values;
mod whereabouts;

use std::sync::Arc;

use super::hole::{Holes, has_holes};
use super::node::{Node, Tree};
use super::source::{Assignment, Choice, Group, Parsed, Raw, Reading, Source};
use super::{Document, TemplateFormat};
use declare::{Declared, declared};
use places::Places;
use plan::{Plan, Side};
use whereabouts::Whereabouts;

/// Plans and states, by their sections.
pub struct Terraform;

impl TemplateFormat for Terraform {
    fn name(&self) -> &'static str {
        "Terraform plan"
    }

    fn recognises(&self, document: &Document) -> bool {
        let root = &document.root;
        let has = |path: &[&str]| root.at(path).is_some_and(Node::is_map);
        let of_a_plan = has(&["planned_values"]) || root.get("resource_changes").is_some() || has(&["configuration"]);
        root.get("format_version").is_some() && (of_a_plan || has(&["values", "root_module"]))
    }

    fn read(&self, document: Document, reading: &Reading<'_>) -> Parsed {
        let file = Arc::clone(&document.file);
        let root = &document.root;
        let of_a_plan = root.get("resource_changes").is_some() || root.get("planned_values").is_some();
        let places = Places::read(&file, root, reading.files);
        let (after, before) = (Plan::of(root, Side::After), Plan::of(root, Side::Before));
        let whereabouts = Whereabouts::of(&[&before, &after], reading.place);
        let earlier = declared(&before, &whereabouts, &Places::default(), &file, None);
        let now = declared(&after, &whereabouts, &places, &file, Some(&earlier.parts));
        let mut notices = document.notices.clone();
        notices.extend(oddities(root, &now));
        let notices = notices.into_iter().map(|(span, text)| (Arc::clone(&file), span, text)).collect();
        let group = Group {
            format: if of_a_plan { self.name() } else { "Terraform state" },
            file,
            source: Box::new(Fixed::of(now)),
            before: of_a_plan.then(|| Box::new(Fixed::of(earlier)) as Box<dyn Source>),
        };
        let claimed = places.documents.iter().map(|one| one.file.to_string()).collect();
        let mut documents = vec![excerpt::without_secrets(document)];
        documents.extend(places.documents);
        Parsed { groups: vec![group], documents, claimed, notices, ..Parsed::default() }
    }
}

/// What a reader should know of the plan itself.
fn oddities(root: &Node, now: &Declared) -> Vec<(crate::inventory::Span, String)> {
    let flagged = |name: &str, value: bool| root.get(name).filter(|node| node.tree == Tree::Bool(value));
    let mut said = Vec::new();
    if let Some(node) = flagged("errored", true) {
        let text = "planning failed, so the plan is not complete: what it does not hold was not checked";
        said.push((node.span, text.to_owned()));
    }
    if let Some(node) = root.get("deferred_changes").filter(|node| !node.elements().is_empty()) {
        let text = "the plan defers changes to a later one: they were not checked";
        said.push((node.span, text.to_owned()));
    }
    for type_name in &now.unknown_types {
        said.push((
            root.span,
            format!("resources of type `{type_name}` are not read; use the aws provider's, or check the template"),
        ));
    }
    said
}

/// Resources without any choice.
#[derive(Debug)]
struct Fixed {
    raws: Vec<Raw>,
    holes: Holes,
}

impl Fixed {
    fn of(declared: Declared) -> Self {
        Self { raws: declared.raws, holes: declared.holes }
    }
}

impl Source for Fixed {
    fn choices(&self) -> Vec<Choice> {
        Vec::new()
    }

    /// Its own holes get the numbers that they have in `holes`.
    fn declare(&self, _: &Assignment, holes: &mut Holes) -> Vec<Raw> {
        let tokens: Vec<String> = self
            .holes
            .iter()
            .map(|(_, hole)| holes.token(&hole.expression, &hole.file, hole.span, &hole.hint))
            .collect();
        let mut raws = self.raws.clone();
        if !tokens.is_empty() {
            for raw in &mut raws {
                renumber(&mut raw.properties, &tokens);
            }
        }
        raws
    }
}

fn renumber(node: &mut Node, tokens: &[String]) {
    match &mut node.tree {
        Tree::String(text) if has_holes(text) => {
            *text = Holes::fill(text, &|number| tokens.get(number).cloned().unwrap_or_default());
        }
        Tree::List(items) => items.iter_mut().for_each(|item| renumber(item, tokens)),
        Tree::Map(entries) => entries.iter_mut().for_each(|entry| renumber(&mut entry.value, tokens)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
