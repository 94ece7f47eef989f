//! A document as a tree in which every value knows where it stands.
//!
//! In: what the YAML and JSON parsers read. Out: [`Node`]s for the formats to interpret, and plain JSON values with a
//! table of places. It exists because findings point at lines, and every ordinary value type forgets them.

use std::sync::Arc;

use serde_json::{Map, Number, Value};

use crate::inventory::Span;

/// One value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub tree: Tree,
    /// Where it is written.
    pub span: Span,
    /// YAML's own tag without the exclamation mark (`GetAtt` of `!GetAtt`), where one is written.
    pub tag: Option<Box<str>>,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number; integers beyond 64 bits and numbers with a leading zero are strings.
    Number(Number),
    /// Text.
    String(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the file. Keys may repeat; the last one counts.
    Map(Vec<Entry>),
}

/// One entry of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key as text, whatever type it was written in.
    pub key: String,
    /// Where the key is written.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Entry {
    /// From the key to the end of the value.
    #[must_use]
    pub fn span(&self) -> Span {
        self.key_span.to(self.value.span)
    }
}

/// Where the values of a tree are written, by JSON pointer (`/Stages/0/Name`). Few of them are ever asked for, so the tree
/// itself is kept, and nothing is made of the others.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spans(Option<Arc<Node>>);

impl Spans {
    /// The place of a value; an entry of a mapping has the place of key and value.
    #[must_use]
    pub fn get(&self, pointer: &str) -> Option<Span> {
        let mut node = self.0.as_deref()?;
        let mut span = node.span;
        for segment in pointer.split('/').skip(1) {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            if let Some(entry) = node.entry(&segment) {
                (node, span) = (&entry.value, entry.span());
            } else {
                node = node.elements().get(segment.parse::<usize>().ok()?)?;
                span = node.span;
            }
        }
        Some(span)
    }

    /// Whether a value is written somewhere.
    #[must_use]
    pub fn contains(&self, pointer: &str) -> bool {
        self.get(pointer).is_some()
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        fn count(node: &Node) -> usize {
            let below: usize = node.elements().iter().map(count).sum();
            1 + below + node.entries().iter().map(|entry| count(&entry.value)).sum::<usize>()
        }
        self.0.as_deref().map_or(0, count)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl Node {
    /// A value without a tag.
    #[must_use]
    pub fn new(tree: Tree, span: Span) -> Self {
        Self { tree, span, tag: None }
    }

    /// Text at a place.
    #[must_use]
    pub fn text(text: impl Into<String>, span: Span) -> Self {
        Self::new(Tree::String(text.into()), span)
    }

    /// The entries of a mapping.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        if let Tree::Map(entries) = &self.tree { entries } else { &[] }
    }

    /// The elements of a sequence.
    #[must_use]
    pub fn elements(&self) -> &[Node] {
        if let Tree::List(elements) = &self.tree { elements } else { &[] }
    }

    /// Whether it is a mapping.
    #[must_use]
    pub fn is_map(&self) -> bool {
        matches!(self.tree, Tree::Map(_))
    }

    /// Whether it is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.tree, Tree::Null)
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Tree::String(text) = &self.tree { Some(text) } else { None }
    }

    /// A scalar as text, whatever its type.
    #[must_use]
    pub fn scalar(&self) -> Option<String> {
        match &self.tree {
            Tree::String(text) => Some(text.clone()),
            Tree::Bool(flag) => Some(flag.to_string()),
            Tree::Number(number) => Some(number.to_string()),
            Tree::Null | Tree::List(_) | Tree::Map(_) => None,
        }
    }

    /// The entry of a key; the last one if it repeats.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().rev().find(|entry| entry.key == key)
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The value below, step by step.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text of a value below.
    #[must_use]
    pub fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).and_then(Self::as_str)
    }

    /// A plain value, without places or tags.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.tree {
            Tree::Null => Value::Null,
            Tree::Bool(flag) => Value::Bool(*flag),
            Tree::Number(number) => Value::Number(number.clone()),
            Tree::String(text) => Value::String(text.clone()),
            Tree::List(items) => items.iter().map(Self::to_value).collect(),
            Tree::Map(entries) => {
                let fields = entries.iter().map(|entry| (entry.key.clone(), entry.value.to_value()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    /// A plain value, and the places of everything in it.
    #[must_use]
    pub fn into_value_with_spans(self) -> (Value, Spans) {
        (self.to_value(), Spans(Some(Arc::new(self))))
    }

    /// A tree from a plain value, all of it at one place.
    #[must_use]
    pub fn from_value(value: &Value, span: Span) -> Self {
        let tree = match value {
            Value::Null => Tree::Null,
            Value::Bool(flag) => Tree::Bool(*flag),
            Value::Number(number) => Tree::Number(number.clone()),
            Value::String(text) => Tree::String(text.clone()),
            Value::Array(items) => Tree::List(items.iter().map(|item| Self::from_value(item, span)).collect()),
            Value::Object(fields) => Tree::Map(
                fields
                    .iter()
                    .map(|(key, value)| Entry {
                        key: key.clone(),
                        key_span: span,
                        value: Self::from_value(value, span),
                    })
                    .collect(),
            ),
        };
        Self::new(tree, span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Position;

    fn at(line: u32) -> Span {
        let position = Position { line, column: 1 };
        Span { start: position, end: position }
    }

    #[test]
    fn values_keep_their_places_and_the_last_of_repeated_keys() {
        let entry = |key: &str, line: u32, tree: Tree| Entry {
            key: key.to_owned(),
            key_span: at(line),
            value: Node::new(tree, at(line + 1)),
        };
        let node = Node::new(
            Tree::Map(vec![
                entry("a/b", 1, Tree::Bool(true)),
                entry("list", 3, Tree::List(vec![Node::text("x", at(5))])),
                entry("list", 6, Tree::List(vec![Node::text("y", at(8))])),
            ]),
            at(1),
        );
        let (value, spans) = node.clone().into_value_with_spans();
        assert_eq!(value, serde_json::json!({"a/b": true, "list": ["y"]}));
        assert_eq!(spans.get("/a~1b").unwrap().start.line, 1);
        assert_eq!(spans.get("/list").unwrap().start.line, 6);
        assert_eq!(node.get("list").and_then(|list| list.elements().first()).and_then(Node::as_str), Some("y"));
        assert_eq!(Node::from_value(&value, at(1)).to_value(), value);
    }
}
