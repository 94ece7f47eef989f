//! JSON → tree.
//!
//! In: the text of one JSON document. Out: its tree. It reads with `jsonc-parser` in its strict form, because that keeps
//! byte ranges and repeated keys, and because YAML parsers fail on JSON's surrogate pairs.

use jsonc_parser::ast::Value;
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::Number;

use super::document::{Limits, Read, SyntaxError};
use super::node::{Entry, Node, Tree};
use crate::inventory::{Position, Span};

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Reads one document.
pub(super) fn read(text: &str, limits: &Limits) -> Read {
    let lines = Lines::of(text);
    let parsed = parse_to_ast(text, &CollectOptions::default(), &STRICT).map_err(|error| SyntaxError {
        at: Some(lines.position(error.range().start)),
        message: error.kind().to_string(),
    })?;
    let mut builder = Builder { lines, limits, nodes: 0, notices: Vec::new() };
    let root = match &parsed.value {
        Some(value) => builder.node(value, 0)?,
        None => Node::new(Tree::Null, Span::default()),
    };
    Ok((root, builder.notices))
}

/// Where lines begin.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(after).collect() }
    }

    fn position(&self, at: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= at).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let column = self.text.get(start..at).map_or(at - start, |before| before.chars().count());
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).saturating_add(1);
        Position { line: count(line), column: count(column) }
    }

    fn span(&self, range: Range) -> Span {
        Span { start: self.position(range.start), end: self.position(range.end) }
    }
}

struct Builder<'t> {
    lines: Lines<'t>,
    limits: &'t Limits,
    nodes: usize,
    notices: Vec<(Span, String)>,
}

impl Builder<'_> {
    fn node(&mut self, value: &Value<'_>, depth: usize) -> Result<Node, SyntaxError> {
        let span = self.lines.span(value.range());
        self.nodes += 1;
        let refused = |message: String| Err(SyntaxError { at: Some(span.start), message });
        if self.nodes > self.limits.nodes {
            return refused(format!("the document has more than {} values", self.limits.nodes));
        }
        if depth > self.limits.depth {
            return refused(format!("values are nested more than {} deep", self.limits.depth));
        }
        let tree = match value {
            Value::NullKeyword(_) => Tree::Null,
            Value::BooleanLit(flag) => Tree::Bool(flag.value),
            Value::NumberLit(number) => number_of(number.value),
            Value::StringLit(text) => Tree::String(text.value.to_string()),
            Value::Array(array) => {
                Tree::List(array.elements.iter().map(|item| self.node(item, depth + 1)).collect::<Result<_, _>>()?)
            }
            Value::Object(object) => {
                let mut entries: Vec<Entry> = Vec::with_capacity(object.properties.len());
                for property in &object.properties {
                    let key = property.name.as_str().to_owned();
                    let key_span = self.lines.span(property.name.range());
                    let value = self.node(&property.value, depth + 1)?;
                    entries.push(Entry { key, key_span, value });
                }
                self.repeated(&entries);
                Tree::Map(entries)
            }
        };
        Ok(Node::new(tree, span))
    }

    fn repeated(&mut self, entries: &[Entry]) {
        let mut first = std::collections::BTreeMap::new();
        for entry in entries {
            let line = *first.entry(entry.key.as_str()).or_insert(entry.key_span.start.line);
            if !std::ptr::eq(entry.key.as_str(), *first.get_key_value(entry.key.as_str()).map_or(&"", |(key, _)| key)) {
                let message =
                    format!("the key `{}` stands here again, after line {line}; the last one counts", entry.key);
                self.notices.push((entry.key_span, message));
            }
        }
    }
}

fn number_of(text: &str) -> Tree {
    let whole = text.parse::<i64>().ok().map(Number::from).or_else(|| text.parse::<u64>().ok().map(Number::from));
    let number = whole.or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64));
    number.map_or_else(|| Tree::String(text.to_owned()), Tree::Number)
}
