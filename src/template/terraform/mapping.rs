//! Terraform's attributes → CloudFormation's properties, by table.
//!
//! In: the values of a resource in Terraform's names, and a table. Out: a mapping in CloudFormation's names. What is null
//! or empty is left out, because providers write every attribute whether it is set or not; an open value takes the place
//! of whatever it stands for.

use serde_json::Value;

use super::super::hole::has_holes;
use super::super::node::{Entry, Node, Tree};
use crate::inventory::Span;

/// How one attribute becomes a property.
pub(super) struct Attribute {
    /// Terraform's name.
    pub(super) from: &'static str,
    /// CloudFormation's name; a path with `/` where it is nested deeper there. Empty: everything lands in the parent.
    pub(super) to: &'static str,
    pub(super) how: How,
}

/// What is done to the value.
pub(super) enum How {
    /// Nothing.
    Same,
    /// A number that means nothing when it is 0.
    Positive,
    /// JSON in a text.
    Json,
    /// A block that stands once.
    One(&'static [Attribute]),
    /// A block that may repeat.
    Many(&'static [Attribute]),
    /// `["a"]` → `[{"Name": "a"}]`
    Named,
    /// `{"a": "b"}` → `[{"Key": "a", "Value": "b"}]`
    Tags,
    /// Words instead of other ones; the rest stays.
    Words(&'static [(&'static str, &'static str)]),
    /// The list in a block of a list, without the block: `filter_group { filter {} }`.
    Lists(&'static str, &'static [Attribute]),
}

pub(super) const fn same(from: &'static str, to: &'static str) -> Attribute {
    Attribute { from, to, how: How::Same }
}

pub(super) const fn one(from: &'static str, to: &'static str, inner: &'static [Attribute]) -> Attribute {
    Attribute { from, to, how: How::One(inner) }
}

pub(super) const fn many(from: &'static str, to: &'static str, inner: &'static [Attribute]) -> Attribute {
    Attribute { from, to, how: How::Many(inner) }
}

pub(super) const fn json(from: &'static str, to: &'static str) -> Attribute {
    Attribute { from, to, how: How::Json }
}

pub(super) const fn named(from: &'static str, to: &'static str) -> Attribute {
    Attribute { from, to, how: How::Named }
}

pub(super) const fn positive(from: &'static str, to: &'static str) -> Attribute {
    Attribute { from, to, how: How::Positive }
}

pub(super) const fn tags(from: &'static str, to: &'static str) -> Attribute {
    Attribute { from, to, how: How::Tags }
}

pub(super) const fn words(
    from: &'static str,
    to: &'static str,
    words: &'static [(&'static str, &'static str)],
) -> Attribute {
    Attribute { from, to, how: How::Words(words) }
}

/// The properties that a table makes of values.
pub(super) fn mapped(values: &Node, table: &[Attribute]) -> Node {
    let mut properties = Node::new(Tree::Map(Vec::new()), values.span);
    fill(&mut properties, values, table);
    properties
}

fn fill(properties: &mut Node, values: &Node, table: &[Attribute]) {
    for attribute in table {
        let Some(entry) = values.entry(attribute.from) else { continue };
        let Some(value) = made(&entry.value, &attribute.how) else { continue };
        if attribute.to.is_empty() && value.is_map() {
            if let Tree::Map(entries) = value.tree {
                for entry in entries {
                    put(properties, &[entry.key.as_str()], entry.key_span, entry.value);
                }
            }
        } else if !attribute.to.is_empty() {
            let path: Vec<&str> = attribute.to.split('/').collect();
            put(properties, &path, entry.key_span, value);
        }
    }
}

/// Sets a value at a path; what is on the way is made.
pub(super) fn put(node: &mut Node, path: &[&str], key_span: Span, value: Node) {
    let Some((key, rest)) = path.split_first() else { return };
    let Tree::Map(entries) = &mut node.tree else { return };
    if rest.is_empty() {
        entries.retain(|entry| entry.key != *key);
        entries.push(Entry { key: (*key).to_owned(), key_span, value });
        return;
    }
    if !entries.iter().any(|entry| entry.key == *key) {
        let span = key_span.to(value.span);
        let value = Node::new(Tree::Map(Vec::new()), span);
        entries.push(Entry { key: (*key).to_owned(), key_span, value });
    }
    if let Some(entry) = entries.iter_mut().find(|entry| entry.key == *key) {
        put(&mut entry.value, rest, key_span, value);
    }
}

fn made(value: &Node, how: &How) -> Option<Node> {
    if value.as_str().is_some_and(has_holes) && !matches!(how, How::Json) {
        return Some(value.clone());
    }
    match how {
        How::Same => kept(value),
        How::Positive => kept(value).filter(|value| value.scalar().is_none_or(|number| number != "0")),
        How::Json => text_of_json(value),
        How::One(inner) => {
            let block = if value.is_map() { value } else { value.elements().first()? };
            if block.as_str().is_some_and(has_holes) {
                return Some(block.clone());
            }
            block.is_map().then(|| mapped(block, inner))
        }
        How::Many(inner) => {
            let blocks = if value.is_map() { std::slice::from_ref(value) } else { value.elements() };
            list(value, blocks.iter().filter_map(|block| element(block, |block| mapped(block, inner))))
        }
        How::Named => list(
            value,
            value.elements().iter().filter_map(kept).map(|name| {
                let (key_span, span) = (name.span, name.span);
                Node::new(Tree::Map(vec![Entry { key: "Name".to_owned(), key_span, value: name }]), span)
            }),
        ),
        How::Tags => list(
            value,
            value.entries().iter().map(|entry| {
                let pair = |key: &str, value: Node| Entry { key: key.to_owned(), key_span: entry.key_span, value };
                let key = pair("Key", Node::text(entry.key.as_str(), entry.key_span));
                let value = pair("Value", kept(&entry.value).unwrap_or_else(|| Node::text("", entry.value.span)));
                Node::new(Tree::Map(vec![key, value]), entry.span())
            }),
        ),
        How::Words(words) => {
            let said = value.scalar()?;
            let word = words.iter().find(|(from, _)| *from == said).map_or(said.as_str(), |(_, to)| to);
            (!word.is_empty()).then(|| Node::text(word, value.span))
        }
        How::Lists(block, inner) => list(
            value,
            value.elements().iter().filter_map(|outer| {
                element(outer, |outer| {
                    let blocks = outer.get(block).map(Node::elements).unwrap_or_default();
                    let inner = blocks.iter().filter_map(|one| element(one, |one| mapped(one, inner))).collect();
                    Node::new(Tree::List(inner), outer.span)
                })
            }),
        ),
    }
}

fn element(block: &Node, make: impl Fn(&Node) -> Node) -> Option<Node> {
    if block.as_str().is_some_and(has_holes) {
        return Some(block.clone());
    }
    block.is_map().then(|| make(block))
}

fn list(whole: &Node, items: impl Iterator<Item = Node>) -> Option<Node> {
    let items: Vec<Node> = items.collect();
    (!items.is_empty()).then(|| Node::new(Tree::List(items), whole.span))
}

/// A value without what is null or empty.
fn kept(value: &Node) -> Option<Node> {
    let tree = match &value.tree {
        Tree::Null => return None,
        Tree::String(text) if text.is_empty() => return None,
        Tree::List(items) => {
            let items: Vec<Node> = items.iter().filter_map(kept).collect();
            if items.is_empty() {
                return None;
            }
            Tree::List(items)
        }
        Tree::Map(entries) => {
            let entries: Vec<Entry> = entries
                .iter()
                .filter_map(|entry| {
                    Some(Entry { key: entry.key.clone(), key_span: entry.key_span, value: kept(&entry.value)? })
                })
                .collect();
            if entries.is_empty() {
                return None;
            }
            Tree::Map(entries)
        }
        other => other.clone(),
    };
    Some(Node::new(tree, value.span))
}

/// Policies are JSON in a text; a text that is none is left as it is, for whoever reads it to refuse.
fn text_of_json(value: &Node) -> Option<Node> {
    match value.as_str() {
        Some(text) => {
            let parsed: Result<Value, _> = serde_json::from_str(text);
            let made = parsed.map_or_else(|_| value.clone(), |parsed| Node::from_value(&parsed, value.span));
            kept(&made)
        }
        None => kept(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_providers_write_for_nothing_is_left_out() {
        const INNER: &[Attribute] = &[same("mode", "Mode"), positive("days", "Days")];
        const TABLE: &[Attribute] = &[
            same("name", "Name"),
            same("empty", "Empty"),
            json("policy", "PolicyDocument"),
            one("retention", "Rule/DefaultRetention", INNER),
            named("alarms", "Alarms"),
            tags("tags_all", "Tags"),
        ];
        let values = json!({
            "name": "x", "empty": "", "policy": "{\"Statement\":[]}", "retention": [{"mode": "GOVERNANCE", "days": 0}],
            "alarms": ["a"], "tags_all": {"env": "prod"},
        });
        let made = mapped(&Node::from_value(&values, Span::default()), TABLE).to_value();
        assert_eq!(
            made,
            json!({"Name": "x", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE"}}, "Alarms": [{"Name": "a"}],
                   "Tags": [{"Key": "env", "Value": "prod"}]})
        );
        for wrong in [json!(1), json!([1, "x", null]), json!({"mode": {"a": 1}}), json!("x"), json!(null)] {
            let values =
                json!({"name": wrong, "retention": wrong, "alarms": wrong, "tags_all": wrong, "policy": wrong});
            let _ = mapped(&Node::from_value(&values, Span::default()), TABLE);
        }
    }
}
