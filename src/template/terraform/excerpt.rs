//! The text of a plan as it may be shown.
//!
//! In: the document. Out: the same lines with every value blotted out that the plan marks as sensitive. Plans hold such
//! values in the clear, and reports show lines around a finding. A plan on one endless line is not shown at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::Document;
use super::super::node::{Node, Tree};
use super::plan::marked;
use crate::inventory::Span;

/// Longer lines are for programs.
const LINE: usize = 4096;

/// The document with a text that can be shown.
pub(super) fn without_secrets(mut document: Document) -> Document {
    if document.text.lines().any(|line| line.len() > LINE) {
        document.text = Arc::from("");
        return document;
    }
    let mut spans = Vec::new();
    let root = &document.root;
    for part in ["planned_values", "values", "prior_state"] {
        of_state(root.get(part), &mut spans);
    }
    for entry in root.get("resource_changes").map(Node::elements).unwrap_or_default() {
        let Some(change) = entry.get("change") else { continue };
        sensitive(change.get("before"), change.get("before_sensitive"), &mut spans);
        sensitive(change.get("after"), change.get("after_sensitive"), &mut spans);
    }
    let declared = root.at(&["configuration", "root_module", "variables"]);
    for variable in declared.map(Node::entries).unwrap_or_default() {
        if marked(variable.value.get("sensitive")) {
            spans.extend(root.at(&["variables", &variable.key, "value"]).map(|value| value.span));
            spans.extend(variable.value.get("default").map(|value| value.span));
        }
    }
    for output in root.at(&["planned_values", "outputs"]).map(Node::entries).unwrap_or_default() {
        if marked(output.value.get("sensitive")) {
            spans.extend(output.value.get("value").map(|value| value.span));
        }
    }
    document.text = blotted(&document.text, &spans).into();
    document
}

fn of_state(node: Option<&Node>, spans: &mut Vec<Span>) {
    let Some(node) = node else { return };
    for part in ["values", "root_module"] {
        of_state(
            node.get(part).filter(|inner| {
                inner.get("root_module").is_some()
                    || inner.get("resources").is_some()
                    || inner.get("child_modules").is_some()
            }),
            spans,
        );
    }
    for resource in node.get("resources").map(Node::elements).unwrap_or_default() {
        sensitive(resource.get("values"), resource.get("sensitive_values"), spans);
    }
    for child in node.get("child_modules").map(Node::elements).unwrap_or_default() {
        of_state(Some(child), spans);
    }
}

fn sensitive(value: Option<&Node>, marks: Option<&Node>, spans: &mut Vec<Span>) {
    let (Some(value), Some(marks)) = (value, marks) else { return };
    match &marks.tree {
        Tree::Bool(true) => spans.push(value.span),
        Tree::List(marks) => {
            for (value, mark) in value.elements().iter().zip(marks) {
                sensitive(Some(value), Some(mark), spans);
            }
        }
        Tree::Map(entries) => {
            let values: BTreeMap<&str, &Node> =
                value.entries().iter().map(|entry| (entry.key.as_str(), &entry.value)).collect();
            for entry in entries {
                sensitive(values.get(entry.key.as_str()).copied(), Some(&entry.value), spans);
            }
        }
        _ => {}
    }
}

fn blotted(text: &str, spans: &[Span]) -> String {
    if spans.is_empty() {
        return text.to_owned();
    }
    let mut by_line: BTreeMap<u32, Vec<(u32, u32)>> = BTreeMap::new();
    for span in spans {
        for line in span.start.line..=span.end.line {
            let from = if line == span.start.line { span.start.column } else { 1 };
            let to = if line == span.end.line { span.end.column } else { u32::MAX };
            by_line.entry(line).or_default().push((from, to));
        }
    }
    let mut shown = String::with_capacity(text.len());
    for (line, number) in text.split_inclusive('\n').zip(1_u32..) {
        let Some(ranges) = by_line.get(&number) else {
            shown.push_str(line);
            continue;
        };
        for (character, column) in line.chars().zip(1_u32..) {
            let hidden = ranges.iter().any(|(from, to)| (*from..*to).contains(&column));
            shown.push(if hidden && !matches!(character, '\n' | '\r') { '*' } else { character });
        }
    }
    shown
}
