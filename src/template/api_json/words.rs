//! The API's words → CloudFormation's.
//!
//! In: a value with camelCase keys. Out: the same value with `PascalCase` keys, each at its place. What people named
//! themselves (keys of a configuration) stays as it is, and what is empty counts as not there, as it does live.

use super::super::node::{Entry, Node, Tree};

/// How one service's words become CloudFormation's.
pub(super) struct Words {
    /// Keys that are more than their first letter away.
    pub(super) renamed: &'static [(&'static str, &'static str)],
    /// Keys whose values hold keys of people.
    pub(super) kept: &'static [&'static str],
    /// Keys that CloudFormation has no property for, or that nobody may read.
    pub(super) left_out: &'static [&'static str],
}

impl Words {
    /// The value in CloudFormation's words.
    pub(super) fn translate(&self, node: &Node) -> Node {
        let tree = match &node.tree {
            Tree::Map(entries) => Tree::Map(entries.iter().filter_map(|entry| self.entry(entry)).collect()),
            Tree::List(items) => Tree::List(items.iter().map(|item| self.translate(item)).collect()),
            scalar => scalar.clone(),
        };
        Node::new(tree, node.span)
    }

    fn entry(&self, entry: &Entry) -> Option<Entry> {
        let key = entry.key.as_str();
        if self.left_out.contains(&key) {
            return None;
        }
        let value = if self.kept.contains(&key) { entry.value.clone() } else { self.translate(&entry.value) };
        let empty = match &value.tree {
            Tree::Null => true,
            Tree::String(text) => text.is_empty(),
            Tree::List(items) => items.is_empty(),
            Tree::Map(entries) => entries.is_empty(),
            Tree::Bool(_) | Tree::Number(_) => false,
        };
        let renamed = self.renamed.iter().find(|(from, _)| *from == key).map(|(_, to)| (*to).to_owned());
        let key = renamed.unwrap_or_else(|| capitalised(key));
        (!empty).then_some(Entry { key, key_span: entry.key_span, value })
    }
}

fn capitalised(key: &str) -> String {
    let mut letters = key.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// Replaces the value of a key by what is made of it, or takes it away.
pub(super) fn replace(node: &mut Node, key: &str, with: impl FnOnce(&Node) -> Option<(String, Node)>) {
    let Some(entry) = node.entry(key).cloned() else { return };
    if let Tree::Map(entries) = &mut node.tree {
        entries.retain(|entry| entry.key != key);
        let made = with(&entry.value);
        entries.extend(made.map(|(key, value)| Entry { key, key_span: entry.key_span, value }));
    }
}
