//! Functions that make texts and lists.
//!
//! In: calls of `Sub`, `Join`, `Select`, `Split`, `Base64`, `Length` and `ToJsonString`. Out: their values. Text around a
//! hole is kept, so that `web-${Stage}` still begins with `web-`.

use super::function::{Call, Piece, pieces};
use super::resolver::{Resolver, is_open};
use super::wording::said;
use crate::inventory::Span;
use crate::template::hole::{self, has_holes, whole};
use crate::template::node::{Node, Tree};

impl Resolver<'_> {
    pub(super) fn sub(&mut self, call: &Call<'_>, span: Span) -> Node {
        let (text, values) = match call.argument.elements() {
            [text, values, ..] => (text, values.entries()),
            [text] => (text, [].as_slice()),
            [] => (call.argument, [].as_slice()),
        };
        let Some(text) = text.scalar() else {
            return self.unanswered(call, span, "give Fn::Sub a text");
        };
        let mut out = String::new();
        for piece in pieces(&text) {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Literal(name) => out.extend(["${", name, "}"]),
                Piece::Variable(name) => {
                    let own = values.iter().rev().find(|entry| entry.key == name);
                    let value = match (own, name.split_once('.')) {
                        (Some(entry), _) => self.resolve(&entry.value),
                        (None, _) if name == "AWS::NoValue" => None,
                        (None, Some((resource, attribute))) => Some(self.attribute_of(resource, attribute, span)),
                        (None, None) => Some(self.refer(name, span)),
                    };
                    if let Some(value) = value {
                        out.push_str(&self.flat(&value));
                    }
                }
            }
            if !self.spend(0) || out.len() > 4 << 20 {
                break;
            }
        }
        self.text(out, span)
    }

    pub(super) fn join(&mut self, call: &Call<'_>, span: Span) -> Node {
        let (Some(delimiter), Some(list)) = (call.argument.elements().first(), call.argument.elements().get(1)) else {
            return self.unanswered(call, span, "give Fn::Join a delimiter and a list");
        };
        let delimiter = self.resolve(delimiter).and_then(|node| node.scalar()).unwrap_or_default();
        let Some(list) = self.resolve(list) else { return Node::text("", span) };
        if !matches!(list.tree, Tree::List(_)) {
            // A list that is one hole: nobody knows how many elements it has.
            return if is_open(&list) {
                self.hole_over("Join", &list, &delimiter, span)
            } else {
                self.text(flat(&list), span)
            };
        }
        let mut out = String::new();
        for (nth, element) in list.elements().iter().enumerate() {
            if nth > 0 {
                out.push_str(&delimiter);
            }
            out.push_str(&self.flat(element));
            if out.len() > 4 << 20 {
                break;
            }
        }
        self.text(out, span)
    }

    pub(super) fn select(&mut self, call: &Call<'_>, span: Span) -> Option<Node> {
        let (Some(index), Some(list)) = (call.argument.elements().first(), call.argument.elements().get(1)) else {
            return Some(self.unanswered(call, span, "give Fn::Select an index and a list"));
        };
        let index = self.resolve(index)?;
        let list = self.resolve(list)?;
        let number = index.scalar().and_then(|text| text.trim().parse::<usize>().ok());
        let (Some(number), Tree::List(elements)) = (number, &list.tree) else {
            let (over, from) = if is_open(&index) { (&index, &list) } else { (&list, &index) };
            let function = number.map_or_else(|| "Select".to_owned(), |number| format!("Select {number}"));
            return Some(self.hole_over(&function, over, &said(from), span));
        };
        match elements.get(number) {
            Some(element) => Some(Node { span, ..element.clone() }),
            None => Some(self.hole(&format!("Fn::Select {number}"), span, "the list has fewer elements; correct it")),
        }
    }

    pub(super) fn split(&mut self, call: &Call<'_>, span: Span) -> Node {
        let (Some(delimiter), Some(text)) = (call.argument.elements().first(), call.argument.elements().get(1)) else {
            return self.unanswered(call, span, "give Fn::Split a delimiter and a text");
        };
        let delimiter = self.resolve(delimiter).and_then(|node| node.scalar()).unwrap_or_default();
        let text = self.resolve(text).unwrap_or_else(|| Node::text("", span));
        let Some(source) = text.scalar().filter(|source| !delimiter.is_empty() && self.may_split(source)) else {
            return self.hole_over("Split", &text, &delimiter, span);
        };
        if !self.spend(source.len()) {
            return self.hole("more text than is followed", span, "make the template smaller");
        }
        let parts = source.split(delimiter.as_str()).map(|part| Node::text(part, span)).collect();
        Node::new(Tree::List(parts), span)
    }

    /// Whether no open value in a text can hold a delimiter: names and ids of stacks have none of those in use.
    fn may_split(&self, text: &str) -> bool {
        hole::pieces(text).all(|piece| match piece {
            hole::Piece::Text(_) => true,
            hole::Piece::Hole(number) => {
                self.holes.get(number).is_some_and(|hole| hole.expression.starts_with("AWS::Stack"))
            }
        })
    }

    pub(super) fn base64(&mut self, call: &Call<'_>, span: Span) -> Node {
        let Some(value) = self.argument(call) else { return self.hole("Fn::Base64", span, "give Fn::Base64 a text") };
        match value.scalar() {
            Some(text) if !has_holes(&text) => self.text(encoded(text.as_bytes()), span),
            _ => {
                let hint = self.hint_over(&value);
                self.hole_for("Fn::Base64", &said(&value), span, &hint)
            }
        }
    }

    pub(super) fn length(&mut self, call: &Call<'_>, span: Span) -> Node {
        match self.argument(call) {
            Some(Node { tree: Tree::List(elements), .. }) => {
                Node::new(Tree::Number(serde_json::Number::from(elements.len())), span)
            }
            Some(other) => self.hole_over("Length", &other, "", span),
            None => self.hole("Fn::Length", span, "give Fn::Length a list"),
        }
    }

    pub(super) fn json_string(&mut self, call: &Call<'_>, span: Span) -> Node {
        match self.argument(call) {
            // Which keys a mapping without a value has, nobody knows.
            Some(value) if value.as_str().is_some_and(|text| whole(text).is_some()) => {
                self.hole_over("ToJsonString", &value, "", span)
            }
            Some(value) => self.text(value.to_value().to_string(), span),
            None => self.hole("Fn::ToJsonString", span, "give Fn::ToJsonString a value"),
        }
    }

    /// A value inside a text.
    fn flat(&mut self, node: &Node) -> String {
        let text = flat(node);
        if self.spend(text.len()) { text } else { String::new() }
    }
}

fn flat(node: &Node) -> String {
    match &node.tree {
        Tree::List(elements) => elements.iter().map(flat).collect::<Vec<_>>().join(","),
        _ => node.scalar().unwrap_or_default(),
    }
}

fn encoded(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |bits: u32| {
        let at = usize::try_from(bits & 63).unwrap_or_default();
        LETTERS.get(at).map_or('=', |byte| char::from(*byte))
    };
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let at = |nth: usize| u32::from(three.get(nth).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        out.push(letter(bits >> 18));
        out.push(letter(bits >> 12));
        out.push(if three.len() > 1 { letter(bits >> 6) } else { '=' });
        out.push(if three.len() > 2 { letter(bits) } else { '=' });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn base64_is_padded() {
        for (plain, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(encoded(plain.as_bytes()), expected);
        }
    }
}
