//! Stacks inside a stack.
//!
//! In: templates and resolved resources. Out: which templates the nested stacks of a template have, the values that they
//! are given, and what they give back.

use std::collections::BTreeMap;

use super::super::node::Node;
use super::super::source::Raw;
use crate::inventory::Span;

pub(super) const STACK: &str = "AWS::CloudFormation::Stack";

/// A nested stack in a template.
pub(super) struct Nested {
    pub(super) logical_id: String,
    pub(super) span: Span,
    /// Its template, relative to the folder of the template that it is in; `None` if it is no asset of the assembly.
    pub(super) asset: Option<String>,
}

/// The nested stacks of a template.
pub(super) fn stacks(root: &Node) -> Vec<Nested> {
    let resources = root.get("Resources").map(Node::entries).unwrap_or_default();
    let stacks = resources.iter().filter(|entry| entry.value.text_at(&["Type"]) == Some(STACK));
    stacks
        .map(|entry| {
            let asset = |key: &str| entry.value.text_at(&["Metadata", key]);
            let is_template = asset("aws:asset:property").is_none_or(|property| property == "TemplateURL");
            Nested {
                logical_id: entry.key.clone(),
                span: entry.key_span,
                asset: asset("aws:asset:path").filter(|_| is_template).map(str::to_owned),
            }
        })
        .collect()
}

/// What a nested stack is given: lists as CloudFormation passes them, joined by commas.
pub(super) fn parameters(stack: &Raw) -> BTreeMap<String, String> {
    let given = stack.property("Parameters").map(Node::entries).unwrap_or_default();
    let joined = |list: &Node| {
        let items: Option<Vec<String>> = list.elements().iter().map(Node::scalar).collect();
        items.filter(|items| !items.is_empty()).map(|items| items.join(","))
    };
    let value = |node: &Node| node.scalar().or_else(|| joined(node));
    given.iter().filter_map(|entry| Some((entry.key.clone(), value(&entry.value)?))).collect()
}

/// What `Fn::GetAtt` finds of a nested stack: outputs by `LogicalId.Outputs.Name`. No export can have such a name,
/// because a full stop is not allowed in one; so these can travel with the imports.
pub(super) fn attributes(logical_id: &str, outputs: &BTreeMap<String, Node>) -> BTreeMap<String, Node> {
    outputs.iter().map(|(name, value)| (format!("{logical_id}.Outputs.{name}"), value.clone())).collect()
}
