//! The form of a property, as the API would have it.
//!
//! In: a value as somebody wrote it: numbers as text, a single value where a list belongs, policies as text. Out: the
//! value as AWS answers it, without what the inventory does not keep. It exists because templates may write one thing in
//! many ways, and facts know only one; what is not named here never reaches a report.

use serde_json::Number;

use super::super::hole::{has_holes, whole};
use super::super::node::{Entry, Node, Tree};

/// What a value is made of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// Whatever it is; its fields are judged by nobody or by all.
    Any,
    /// Text; numbers and truth values are written as text.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// Text under whatever keys.
    Texts,
    /// A policy: a mapping, or the same as JSON text.
    Policy,
    /// A mapping of these keys.
    Map(&'static [(&'static str, Form)]),
    /// A list; a single value counts as a list of it.
    List(&'static Form),
}

/// A list of text.
pub(super) const TEXT_LIST: Form = Form::List(&Form::Text);

impl Form {
    /// The value in this form; `None` for what counts as not set. A hole stays what it is, whatever belongs there.
    pub(super) fn of(&self, node: &Node) -> Option<Node> {
        if node.is_null() {
            return None;
        }
        if node.as_str().is_some_and(|text| whole(text).is_some()) {
            return Some(node.clone());
        }
        let tree = match self {
            Self::Any => node.tree.clone(),
            Self::Text => Tree::String(node.scalar().filter(|text| !text.is_empty())?),
            Self::Flag => flag(node)?,
            Self::Number => number(node)?,
            Self::Texts => {
                let entries = node.entries().iter().filter_map(|entry| {
                    let value = Self::Text.of(&entry.value)?;
                    Some(Entry { value, ..entry.clone() })
                });
                Tree::Map(entries.collect())
            }
            Self::Policy => return Some(policy(node)),
            Self::Map(fields) => {
                if !node.is_map() {
                    return None;
                }
                let entries = fields.iter().filter_map(|(name, form)| {
                    let entry = node.entry(name)?;
                    Some(Entry { value: form.of(&entry.value)?, ..entry.clone() })
                });
                Tree::Map(entries.collect())
            }
            Self::List(form) => {
                let one = [node.clone()];
                let items = if matches!(node.tree, Tree::List(_)) { node.elements() } else { &one };
                let items: Vec<Node> = items.iter().filter_map(|item| form.of(item)).collect();
                if items.is_empty() {
                    return None;
                }
                Tree::List(items)
            }
        };
        Some(Node::new(tree, node.span))
    }
}

fn flag(node: &Node) -> Option<Tree> {
    match &node.tree {
        Tree::Bool(flag) => Some(Tree::Bool(*flag)),
        Tree::String(text) if text.eq_ignore_ascii_case("true") => Some(Tree::Bool(true)),
        Tree::String(text) if text.eq_ignore_ascii_case("false") => Some(Tree::Bool(false)),
        Tree::String(text) if has_holes(text) => Some(node.tree.clone()),
        _ => None,
    }
}

fn number(node: &Node) -> Option<Tree> {
    match &node.tree {
        Tree::Number(_) => Some(node.tree.clone()),
        Tree::String(text) if has_holes(text) => Some(node.tree.clone()),
        Tree::String(text) => text.trim().parse::<i64>().ok().map(|number| Tree::Number(Number::from(number))),
        _ => None,
    }
}

/// A document that stands as text is read as AWS reads it.
fn policy(node: &Node) -> Node {
    let parsed = node.as_str().and_then(|text| serde_json::from_str(text).ok());
    parsed.map_or_else(|| node.clone(), |value| Node::from_value(&value, node.span))
}

/// A mapping, all of it at one place.
pub(super) fn map(fields: Vec<(&str, Node)>, at: &Node) -> Node {
    let entries =
        fields.into_iter().map(|(key, value)| Entry { key: key.to_owned(), key_span: value.span, value }).collect();
    Node::new(Tree::Map(entries), at.span)
}

/// The node with a field set or replaced, if it is a mapping.
pub(super) fn with(mut node: Node, key: &str, value: Node) -> Node {
    if let Tree::Map(entries) = &mut node.tree {
        entries.retain(|entry| entry.key != key);
        entries.push(Entry { key: key.to_owned(), key_span: value.span, value });
    }
    node
}

/// The node with every value under one of these keys changed, at any depth of lists and mappings that the path names.
/// `*` stands for every element of a list.
pub(super) fn change(node: &mut Node, path: &[&str], with: &mut dyn FnMut(&mut Node)) {
    let Some((step, rest)) = path.split_first() else {
        with(node);
        return;
    };
    match &mut node.tree {
        Tree::List(items) if *step == "*" => items.iter_mut().for_each(|item| change(item, rest, with)),
        // A single value where a list belongs.
        Tree::Map(_) if *step == "*" => change(node, rest, with),
        Tree::Map(entries) => {
            for entry in entries.iter_mut().filter(|entry| entry.key == *step) {
                change(&mut entry.value, rest, with);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::inventory::Span;

    fn of(form: &Form, value: &Value) -> Option<Value> {
        form.of(&Node::from_value(value, Span::default())).map(|node| node.to_value())
    }

    #[test]
    fn values_come_out_as_the_api_has_them() {
        const FORM: Form = Form::Map(&[
            ("Order", Form::Number),
            ("Enabled", Form::Flag),
            ("Version", Form::Text),
            ("Events", TEXT_LIST),
            ("Settings", Form::Texts),
        ]);
        let written = json!({"Order": "2", "Enabled": "TRUE", "Version": 1, "Events": "A", "Other": "secret",
                             "Settings": {"Flag": true, "Count": 3, "Nothing": null}});
        let expected = json!({"Order": 2, "Enabled": true, "Version": "1", "Events": ["A"],
                              "Settings": {"Flag": "true", "Count": "3"}});
        assert_eq!(of(&FORM, &written), Some(expected));
        assert_eq!(of(&FORM, &json!({"Version": "", "Events": []})), Some(json!({})));
    }

    #[test]
    fn a_hole_stays_whatever_belongs_there() {
        let hole = json!("\u{FDD0}0\u{FDD1}");
        for form in [Form::Number, Form::Flag, Form::Map(&[]), Form::List(&Form::Map(&[])), Form::Policy, Form::Texts] {
            assert_eq!(of(&form, &hole), Some(hole.clone()), "{form:?}");
        }
    }

    #[test]
    fn policies_in_text_are_read() {
        assert_eq!(of(&Form::Policy, &json!(r#"{"Statement": []}"#)), Some(json!({"Statement": []})));
        assert_eq!(of(&Form::Policy, &json!({"Statement": []})), Some(json!({"Statement": []})));
    }

    #[test]
    fn values_deep_inside_are_changed_in_place() {
        let written = json!({"Stages": [{"Actions": [{"Name": "a"}, {"Name": "b"}]}, {"Actions": {"Name": "c"}}]});
        let mut node = Node::from_value(&written, Span::default());
        change(&mut node, &["Stages", "*", "Actions", "*", "Name"], &mut |name| {
            *name = Node::text(format!("{}!", name.as_str().unwrap_or_default()), name.span);
        });
        let expected = json!({"Stages": [{"Actions": [{"Name": "a!"}, {"Name": "b!"}]}, {"Actions": {"Name": "c!"}}]});
        assert_eq!(node.to_value(), expected);
    }
}
