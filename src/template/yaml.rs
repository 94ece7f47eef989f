//! YAML → tree.
//!
//! In: the text of one YAML document. Out: its tree, tags kept. It drives `saphyr-parser`'s events itself, because no
//! YAML value type keeps tags and places both.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span as Marked, Tag};
use serde_json::Number;

use super::document::{Limits, Read, SyntaxError};
use super::node::{Entry, Node, Tree};
use crate::inventory::{Position, Span};

/// Reads one document.
pub(super) fn read(text: &str, limits: &Limits) -> Read {
    let mut builder = Builder {
        limits,
        stack: Vec::new(),
        root: None,
        anchors: BTreeMap::new(),
        nodes: 0,
        documents: 0,
        notices: Vec::new(),
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event
            .map_err(|error| SyntaxError { at: Some(position(*error.marker())), message: error.info().to_owned() })?;
        if matches!(event, Event::StreamEnd) {
            break;
        }
        builder.take(event, span_of(span))?;
    }
    let nothing = Node::new(Tree::Null, Span::default());
    Ok((builder.root.unwrap_or(nothing), builder.notices))
}

fn position(marker: Marker) -> Position {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Position { line: count(marker.line()), column: count(marker.col()).saturating_add(1) }
}

fn span_of(span: Marked) -> Span {
    Span { start: position(span.start), end: position(span.end) }
}

/// A mapping or sequence that is not closed yet.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<(String, Span)>,
}

struct Builder<'l> {
    limits: &'l Limits,
    stack: Vec<Open>,
    root: Option<Node>,
    /// Anchored values with the number of values in each.
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
    documents: usize,
    notices: Vec<(Span, String)>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), SyntaxError> {
        let error = |message: String| SyntaxError { at: Some(span.start), message };
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(error("a second YAML document begins here; give each its own file".to_owned()));
                }
            }
            Event::Scalar(value, style, anchor, tag) => {
                self.count(1, span)?;
                let tag = short(tag);
                let tree = if tag.is_some() || style != ScalarStyle::Plain {
                    Tree::String(value.into_owned())
                } else {
                    plain(&value)
                };
                self.put(Node { tree, span, tag }, anchor, 1)?;
            }
            Event::SequenceStart(anchor, tag) => self.open(Tree::List(Vec::new()), span, anchor, tag)?,
            Event::MappingStart(anchor, tag) => self.open(Tree::Map(Vec::new()), span, anchor, tag)?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(mut open) = self.stack.pop() {
                    open.node.span.end = span.end;
                    let size = if open.anchor == 0 { 0 } else { size(&open.node) };
                    self.put(open.node, open.anchor, size)?;
                }
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    return Err(error("the alias names an anchor that is not complete yet".to_owned()));
                };
                self.count(size, span)?;
                self.put(Node { span, ..node }, 0, size)?;
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn count(&mut self, more: usize, span: Span) -> Result<(), SyntaxError> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > self.limits.nodes {
            let message = format!("the document has more than {} values, aliases expanded", self.limits.nodes);
            return Err(SyntaxError { at: Some(span.start), message });
        }
        Ok(())
    }

    fn open(&mut self, tree: Tree, span: Span, anchor: usize, tag: Option<Cow<'_, Tag>>) -> Result<(), SyntaxError> {
        self.count(1, span)?;
        if self.stack.len() >= self.limits.depth {
            let message = format!("values are nested more than {} deep", self.limits.depth);
            return Err(SyntaxError { at: Some(span.start), message });
        }
        self.stack.push(Open { node: Node { tree, span, tag: short(tag) }, anchor, key: None });
        Ok(())
    }

    fn put(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), SyntaxError> {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut open.node.tree, open.key.take()) {
            (Tree::Map(entries), Some((key, key_span))) => {
                if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                    let line = first.key_span.start.line;
                    self.notices.push((
                        key_span,
                        format!("the key `{key}` stands here again, after line {line}; the last one counts"),
                    ));
                }
                entries.push(Entry { key, key_span, value: node });
            }
            (Tree::Map(_), None) => {
                let Some(key) = node.scalar().or_else(|| node.is_null().then(String::new)) else {
                    let message = "a mapping or list cannot be a key here".to_owned();
                    return Err(SyntaxError { at: Some(node.span.start), message });
                };
                open.key = Some((key, node.span));
            }
            (Tree::List(items), _) => items.push(node),
            _ => {}
        }
        Ok(())
    }
}

fn size(node: &Node) -> usize {
    let below: usize = match &node.tree {
        Tree::List(items) => items.iter().map(size).sum(),
        Tree::Map(entries) => entries.iter().map(|entry| 1 + size(&entry.value)).sum(),
        _ => 0,
    };
    1 + below
}

/// `!GetAtt` → `GetAtt`; YAML's own types (`!!str`) say nothing here.
fn short(tag: Option<Cow<'_, Tag>>) -> Option<Box<str>> {
    let tag = tag?;
    (tag.handle == "!" && !tag.suffix.is_empty()).then(|| tag.suffix.as_str().into())
}

/// A plain scalar by the rules that CloudFormation's YAML 1.1 has for flags and numbers. Dates and octal numbers stay
/// text: account ids begin with zeros.
fn plain(text: &str) -> Tree {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Tree::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Tree::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Tree::Bool(false),
        _ => number(text).map_or_else(|| Tree::String(text.to_owned()), Tree::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.starts_with(|first: char| first.is_ascii_digit())
        || digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.")
    {
        return None;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse::<i64>().ok().map(Number::from);
    }
    let decimal = digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    decimal.then(|| text.parse::<f64>().ok()).flatten().and_then(Number::from_f64)
}
