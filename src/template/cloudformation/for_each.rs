//! Loops of the language extensions.
//!
//! In: a template with `Fn::ForEach`. Out: the template without: the body once for every element of the collection. A loop
//! over a list that nobody knows is unrolled once, for an element that is a hole, where it makes resources; elsewhere it
//! stays, and whoever resolves the mapping around it knows that there may be more in it.

use super::function::LOOP;
use super::resolver::Resolver;
use crate::inventory::Span;
use crate::template::hole::has_holes;
use crate::template::node::{Entry, Node, Tree};

/// Values that all loops of a template may make. A template of CloudFormation's largest size has fewer.
const MOST: usize = 200_000;

/// Sections whose entries a loop may make.
const SECTIONS: &[&str] = &["Resources", "Outputs", "Conditions"];

/// Whether there are any loops.
pub(super) fn any(node: &Node) -> bool {
    match &node.tree {
        Tree::List(items) => items.iter().any(any),
        Tree::Map(entries) => entries.iter().any(|entry| entry.key.starts_with(LOOP) || any(&entry.value)),
        _ => false,
    }
}

/// The template without loops, and whether all of them could be unrolled to their end.
pub(super) fn unrolled(root: &Node, resolver: &mut Resolver<'_>) -> (Node, bool) {
    let mut loops = Loops { resolver, left: MOST };
    let entries = root.entries().iter().map(|entry| {
        let value = if SECTIONS.contains(&entry.key.as_str()) {
            loops.mapping(&entry.value, true)
        } else {
            entry.value.clone()
        };
        Entry { key: entry.key.clone(), key_span: entry.key_span, value }
    });
    let unrolled = Node { tree: Tree::Map(entries.collect()), span: root.span, tag: root.tag.clone() };
    (unrolled, loops.left > 0)
}

struct Loops<'a, 'r> {
    resolver: &'a mut Resolver<'r>,
    left: usize,
}

impl Loops<'_, '_> {
    fn any(&mut self, node: &Node) -> Node {
        match &node.tree {
            Tree::List(items) => {
                let tree = Tree::List(items.iter().map(|item| self.any(item)).collect());
                Node { tree, span: node.span, tag: node.tag.clone() }
            }
            Tree::Map(_) => self.mapping(node, false),
            _ => node.clone(),
        }
    }

    fn mapping(&mut self, node: &Node, section: bool) -> Node {
        if !node.is_map() {
            return self.any_scalar(node);
        }
        let mut entries = Vec::new();
        for entry in node.entries() {
            let made = if entry.key.starts_with(LOOP) { self.made(entry, section) } else { None };
            match made {
                Some(made) => entries.extend(made),
                None => entries.push(Entry {
                    key: entry.key.clone(),
                    key_span: entry.key_span,
                    value: if entry.key.starts_with(LOOP) { entry.value.clone() } else { self.any(&entry.value) },
                }),
            }
        }
        Node { tree: Tree::Map(entries), span: node.span, tag: node.tag.clone() }
    }

    fn any_scalar(&mut self, node: &Node) -> Node {
        if matches!(node.tree, Tree::List(_)) { self.any(node) } else { node.clone() }
    }

    /// What a loop makes; `None` if nobody can say.
    fn made(&mut self, entry: &Entry, section: bool) -> Option<Vec<Entry>> {
        let [identifier, collection, body] = entry.value.elements() else { return None };
        let identifier = identifier.as_str()?;
        let values: Vec<String> = match self.resolver.resolve(collection)? {
            Node { tree: Tree::List(elements), .. } => elements.iter().filter_map(Node::scalar).collect(),
            open if section => vec![open.scalar()?],
            _ => return None,
        };
        let mut made = Vec::new();
        for value in values {
            let key = if has_holes(&value) { self.resolver.holes.spoken(&value) } else { value.clone() };
            let mut replacing = Replacing { identifier, value: &value, key: &key, left: &mut self.left };
            let body = replacing.any(body)?;
            made.extend(match self.mapping(&body, section).tree {
                Tree::Map(entries) => entries,
                _ => return None,
            });
        }
        Some(made)
    }
}

/// One turn of a loop.
struct Replacing<'a> {
    identifier: &'a str,
    value: &'a str,
    /// The value as part of a key.
    key: &'a str,
    left: &'a mut usize,
}

impl Replacing<'_> {
    /// The body with the identifier replaced; `None` if that would be too much.
    fn any(&mut self, node: &Node) -> Option<Node> {
        *self.left = self.left.checked_sub(1)?;
        if self.is_reference(node) {
            return Some(Node::text(self.value, node.span));
        }
        let tree = match &node.tree {
            Tree::List(items) => Tree::List(items.iter().map(|item| self.any(item)).collect::<Option<_>>()?),
            Tree::Map(entries) => {
                let replaced = entries.iter().map(|entry| {
                    let key = self.within(&entry.key, self.key);
                    Some(Entry { key, key_span: entry.key_span, value: self.any(&entry.value)? })
                });
                Tree::Map(replaced.collect::<Option<_>>()?)
            }
            Tree::String(text) => Tree::String(self.within(text, self.value)),
            other => other.clone(),
        };
        // A large text in many turns costs as much as many values.
        if let Tree::String(text) = &tree {
            *self.left = self.left.checked_sub(text.len() / 256)?;
        }
        Some(Node { tree, span: node.span, tag: node.tag.clone() })
    }

    fn is_reference(&self, node: &Node) -> bool {
        match node.tag.as_deref() {
            Some("Ref") => node.as_str() == Some(self.identifier),
            Some(_) => false,
            None => matches!(node.entries(), [entry]
                if entry.key == "Ref" && entry.value.tag.is_none() && entry.value.as_str() == Some(self.identifier)),
        }
    }

    /// `${Name}` is the value, `&{Name}` its letters and digits.
    fn within(&self, text: &str, value: &str) -> String {
        if !text.contains('{') {
            return text.to_owned();
        }
        let (whole, letters) = (format!("${{{}}}", self.identifier), format!("&{{{}}}", self.identifier));
        let replaced = text.replace(&whole, value);
        if !replaced.contains(&letters) {
            return replaced;
        }
        let alphanumeric: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
        replaced.replace(&letters, if has_holes(value) { value } else { &alphanumeric })
    }
}

/// Where loops stand, for those who must know that they could not be unrolled.
pub(super) fn first(node: &Node) -> Option<Span> {
    match &node.tree {
        Tree::List(items) => items.iter().find_map(first),
        Tree::Map(entries) => entries
            .iter()
            .find_map(|entry| if entry.key.starts_with(LOOP) { Some(entry.key_span) } else { first(&entry.value) }),
        _ => None,
    }
}
