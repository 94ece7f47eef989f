//! Which function a value calls.
//!
//! In: a value of a template. Out: the function and its argument, whether it was written `!Sub x` or `{Fn::Sub: x}`. It
//! exists so that nothing else needs to know that there are two forms.

use crate::template::node::{Entry, Node};

/// A call of an intrinsic function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'n> {
    /// Its name without `Fn::`.
    pub(super) function: &'n str,
    /// What it is applied to. In the short form that is the value itself, tag included.
    pub(super) argument: &'n Node,
    /// Whether it is the short form.
    pub(super) short: bool,
}

/// Keys that would be functions if they stood alone.
const PREFIX: &str = "Fn::";

/// A loop of the language extensions: `Fn::ForEach::Name`.
pub(super) const LOOP: &str = "Fn::ForEach::";

/// The call, if the value is one.
pub(super) fn call(node: &Node) -> Option<Call<'_>> {
    if let Some(tag) = node.tag.as_deref() {
        let function = tag.strip_prefix(PREFIX).unwrap_or(tag);
        return Some(Call { function, argument: node, short: true });
    }
    long(node)
}

/// The call in a mapping, whatever its tag: `!ImportValue {Fn::Sub: x}` has both.
pub(super) fn long(node: &Node) -> Option<Call<'_>> {
    let [entry] = node.entries() else { return None };
    let function = if entry.key == "Ref" { "Ref" } else { entry.key.strip_prefix(PREFIX)? };
    (!entry.key.starts_with(LOOP)).then_some(Call { function, argument: &entry.value, short: false })
}

/// An entry of a mapping that adds nobody knows what to it: a macro, a loop that cannot be unrolled, a function that does
/// not stand alone.
pub(super) fn adds_more(entries: &[Entry]) -> Option<&Entry> {
    entries.iter().find(|entry| entry.key.starts_with(PREFIX))
}

/// Functions that give a value.
pub(super) const VALUES: &[&str] = &[
    "Ref",
    "GetAtt",
    "Sub",
    "Join",
    "Select",
    "Split",
    "FindInMap",
    "If",
    "ImportValue",
    "GetStackOutput",
    "Base64",
    "Cidr",
    "GetAZs",
    "Length",
    "ToJsonString",
    "Transform",
];

/// Functions that give true or false.
pub(super) const TRUTHS: &[&str] = &["And", "Or", "Not", "Equals", "Condition"];

/// `Resource.Attribute`, however it is written; the attribute may have an expression of its own.
pub(super) fn attribute(argument: &Node) -> Option<(&str, Attribute<'_>)> {
    if let Some(text) = argument.as_str() {
        let (resource, attribute) = text.split_once('.')?;
        return Some((resource, Attribute::Text(attribute)));
    }
    let (resource, rest) = argument.elements().split_first()?;
    let attribute = rest.first()?;
    // `!GetAtt [Stack, Outputs, Name]` is accepted as well.
    let text = attribute.as_str().filter(|_| attribute.tag.is_none());
    Some((resource.as_str()?, text.map_or(Attribute::Expression(attribute), Attribute::Text)))
}

/// The attribute of a `Fn::GetAtt`.
pub(super) enum Attribute<'n> {
    Text(&'n str),
    Expression(&'n Node),
}

/// A piece of the text of a `Fn::Sub`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    Text(&'t str),
    /// `${Name}` or `${Resource.Attribute}`.
    Variable(&'t str),
    /// `${!Name}`, which becomes `${Name}`.
    Literal(&'t str),
}

/// The pieces of a text, in order. What looks like a variable but cannot be one, as `${HOME:-/root}`, is text.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inside, behind)) = after.split_once('}') else { break };
        let piece = match inside.strip_prefix('!') {
            Some(literal) => Piece::Literal(literal),
            None if is_variable(inside.trim()) => Piece::Variable(inside.trim()),
            None => {
                // Text up to and with the mark; what follows may hold another variable.
                let length = before.len() + 2;
                let Some((mark, more)) = rest.split_at_checked(length) else { break };
                found.push(Piece::Text(mark));
                rest = more;
                continue;
            }
        };
        if !before.is_empty() {
            found.push(Piece::Text(before));
        }
        found.push(piece);
        rest = behind;
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
    found
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '.' | ':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_apart_at_variables_only() {
        use Piece::{Literal, Text, Variable};
        let cases: [(&str, Vec<Piece<'_>>); 5] = [
            ("a-${B}-${C.Arn}", vec![Text("a-"), Variable("B"), Text("-"), Variable("C.Arn")]),
            ("${!HOME}/x", vec![Literal("HOME"), Text("/x")]),
            ("${HOME:-/root} ${A}", vec![Text("${"), Text("HOME:-/root} "), Variable("A")]),
            ("${open", vec![Text("${open")]),
            ("", vec![]),
        ];
        for (text, expected) in cases {
            assert_eq!(pieces(text), expected, "{text}");
        }
    }
}
