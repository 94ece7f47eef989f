//! What the AWS CLI prints and takes: pipelines, deployment groups and build projects as the API describes them.
//!
//! In: `get-pipeline`, `get-deployment-group`, `batch-get-deployment-groups`, `batch-get-projects`, and the inputs of the
//! calls that create and update them, as JSON or YAML. Out: resources in CloudFormation's words. It exists because people
//! keep such definitions in repositories and apply them, and because the state before a change can be had in this form.

mod deployment_group;
mod pipeline;
mod project;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::hole::Holes;
use super::node::Node;
use super::source::{Assignment, Choice, Group, Parsed, Place, Raw, Reading, Source};
use super::{Document, TemplateFormat};
use crate::inventory::{AccountId, Arn, Region};

/// Answers and inputs of the API, by their fields.
pub struct ApiJson;

/// One description in a document: what is found in it, and how it is read.
type Kind = (fn(&Node) -> Vec<&Node>, fn(&Node, &Node, &Surrounding<'_>) -> Option<Described>);

/// All that are known.
const KINDS: &[Kind] = &[
    (pipeline::found, pipeline::described),
    (deployment_group::found, deployment_group::described),
    (project::found, project::described),
];

/// What a description does not say itself.
struct Surrounding<'a> {
    file: &'a Arc<str>,
    place: &'a Place,
}

/// A resource and what its description leaves out.
#[derive(Debug)]
struct Described {
    raw: Raw,
    hidden: &'static [Hidden],
}

/// A property that a call does not show: another call would.
#[derive(Debug)]
struct Hidden {
    property: &'static str,
    /// As a person names it: `tags`.
    what: &'static str,
    /// Where it is, as a sentence.
    message: &'static str,
}

impl TemplateFormat for ApiJson {
    fn name(&self) -> &'static str {
        "AWS CLI"
    }

    fn recognises(&self, document: &Document) -> bool {
        answers(&document.root).into_iter().any(|answer| KINDS.iter().any(|(found, _)| !found(answer).is_empty()))
    }

    fn read(&self, document: Document, reading: &Reading<'_>) -> Parsed {
        let file = Arc::clone(&document.file);
        let surrounding = Surrounding { file: &file, place: reading.place };
        let mut described: Vec<Described> = Vec::new();
        for answer in answers(&document.root) {
            for (found, describe) in KINDS {
                let of_kind = found(answer).into_iter().filter_map(|node| describe(answer, node, &surrounding));
                described.extend(of_kind);
            }
        }
        told_apart(&mut described);
        let source = Box::new(Descriptions(described));
        Parsed {
            groups: vec![Group { format: self.name(), file: Arc::clone(&file), source, before: None }],
            notices: document.notices.iter().map(|(span, text)| (Arc::clone(&file), *span, text.clone())).collect(),
            documents: vec![document],
            ..Parsed::default()
        }
    }
}

/// The answers in a document: itself, each of several in a list, and what a recording keeps under `data`.
fn answers(root: &Node) -> Vec<&Node> {
    let listed = root.elements().iter();
    std::iter::once(root).chain(listed).chain(root.get("data")).filter(|answer| answer.is_map()).collect()
}

/// The same thing described twice stays two: the later ones are numbered.
fn told_apart(described: &mut [Described]) {
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    for one in described {
        let key = (one.raw.type_name.clone(), one.raw.logical_id.clone());
        let number = seen.entry(key).or_default();
        *number += 1;
        if *number > 1 {
            one.raw.logical_id = format!("{}#{number}", one.raw.logical_id);
        }
    }
}

/// All descriptions of a document: nothing can be chosen in them.
#[derive(Debug)]
struct Descriptions(Vec<Described>);

impl Source for Descriptions {
    fn choices(&self) -> Vec<Choice> {
        Vec::new()
    }

    fn declare(&self, _: &Assignment, holes: &mut Holes) -> Vec<Raw> {
        let declared = self.0.iter().map(|described| {
            let mut raw = described.raw.clone();
            for hidden in described.hidden {
                let expression = format!("{} of {}", hidden.what, raw.logical_id);
                let token = holes.elsewhere(&expression, &raw.file, raw.span, hidden.message);
                raw.set(hidden.property, Node::text(token, raw.span));
            }
            raw
        });
        declared.collect()
    }
}

impl Surrounding<'_> {
    /// Where a resource stands: its own ARN says it, else the command line, else the account of its role, which is always
    /// the account of whatever runs under it.
    fn place_of(&self, arn: Option<&str>, role: Option<&str>) -> Place {
        let arn = arn.and_then(|arn| Arn::parse(arn).ok());
        let told = self.place.account_known.then(|| self.place.account.clone());
        let of_role = || -> Option<AccountId> { Arn::parse(role?).ok()?.account_id() };
        let account = arn.as_ref().and_then(Arn::account_id).or(told).or_else(of_role);
        let region: Option<Region> = arn.and_then(|arn| arn.region.parse().ok());
        let told = self.place.region_known.then(|| self.place.region.clone());
        Place::new(account, region.or(told))
    }

    fn raw(&self, type_name: &str, logical_id: String, name: &Node, place: Place, properties: Node) -> Raw {
        Raw {
            type_name: type_name.to_owned(),
            logical_id,
            name: name.scalar().unwrap_or_default(),
            file: Arc::clone(self.file),
            // The line of the name is the one that a person recognises.
            span: name.span,
            construct_path: None,
            place,
            stack: None,
            properties,
            more: None,
        }
    }
}

/// Maps with all of these keys.
fn with_keys<'n>(node: &'n Node, keys: &[&str]) -> Option<&'n Node> {
    keys.iter().all(|key| node.get(key).is_some_and(|value| !value.is_null())).then_some(node)
}

#[cfg(test)]
mod tests;
