//! Values that a template leaves open.
//!
//! In: expressions that nothing before a deployment resolves. Out: tokens that stand in the properties in their place,
//! alone or inside a longer text, and the table that says what each one is. It exists so that an unknown value can travel
//! through plain JSON without ever being taken for a value.

use std::sync::Arc;

use serde_json::Value;

use crate::inventory::{AccountId, Affects, Gap, GapCause, Region, Span};

/// Unicode noncharacters: no text that is exchanged may hold them, so [`super::Document`] replaces them on reading.
const OPEN: char = '\u{FDD0}';
const CLOSE: char = '\u{FDD1}';

/// The noncharacters that only tokens may contain.
pub(super) const RESERVED: [char; 2] = [OPEN, CLOSE];

/// One expression without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// As a person would write it in short: `ArtifactBucketName`, `AWS::StackName`, `Fn::ImportValue shared-bucket`.
    pub expression: String,
    /// The file it is written in.
    pub file: Arc<str>,
    /// Where, the first time.
    pub span: Span,
    /// What to give, so that it resolves, as an order: `pass it with --parameters`.
    pub hint: String,
    /// Whether no expression stands there, because it is said somewhere else: `hint` is a whole sentence then.
    pub elsewhere: bool,
}

/// All values that are left open in what is judged together. The same expression of the same file is the same hole,
/// because it will have the same value.
#[derive(Debug, Clone, Default)]
pub struct Holes(Vec<Hole>);

/// A piece of a text with holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Plain text.
    Text(&'a str),
    /// The hole of that number.
    Hole(usize),
}

impl Holes {
    /// The token that stands for an expression.
    pub fn token(&mut self, expression: &str, file: &Arc<str>, span: Span, hint: &str) -> String {
        self.numbered(expression, file, span, hint, false)
    }

    /// The token that stands for what this kind of document never says. `message` says where it is said.
    pub fn elsewhere(&mut self, what: &str, file: &Arc<str>, span: Span, message: &str) -> String {
        self.numbered(what, file, span, message, true)
    }

    fn numbered(&mut self, expression: &str, file: &Arc<str>, span: Span, hint: &str, elsewhere: bool) -> String {
        // What a person reads must not hold the token of another hole.
        let (expression, hint) = (self.spoken(expression), self.spoken(hint));
        let known = self.0.iter().position(|hole| hole.expression == expression && hole.file == *file);
        let number = known.unwrap_or_else(|| {
            self.0.push(Hole { expression, file: Arc::clone(file), span, hint, elsewhere });
            self.0.len() - 1
        });
        token(number)
    }

    /// The hole of a number.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&Hole> {
        self.0.get(number)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether everything has a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Hole)> {
        self.0.iter().enumerate()
    }

    /// The text with every hole replaced.
    #[must_use]
    pub fn fill(text: &str, with: &dyn Fn(usize) -> String) -> String {
        if !has_holes(text) {
            return text.to_owned();
        }
        pieces(text)
            .map(|piece| match piece {
                Piece::Text(text) => text.to_owned(),
                Piece::Hole(number) => with(number),
            })
            .collect()
    }

    /// The text as a person reads it: `${ArtifactBucketName}` in the place of every hole.
    #[must_use]
    pub fn spoken(&self, text: &str) -> String {
        Self::fill(text, &|number| {
            let expression = self.get(number).map_or("?", |hole| hole.expression.as_str());
            format!("${{{expression}}}")
        })
    }

    /// The gap that a hole leaves.
    #[must_use]
    pub fn gap(&self, number: usize, account: &AccountId, region: &Region, affects: Affects) -> Option<Gap> {
        let hole = self.get(number)?;
        let unresolved = || GapCause::Unresolved {
            expression: hole.expression.clone(),
            place: format!("{}:{}:{}", hole.file, hole.span.start.line, hole.span.start.column),
            hint: hole.hint.clone(),
        };
        let cause = if hole.elsewhere { GapCause::Elsewhere { message: hole.hint.clone() } } else { unresolved() };
        Some(Gap {
            account: account.clone(),
            region: region.clone(),
            service: "cloudformation".to_owned(),
            action: String::new(),
            cause,
            affects,
        })
    }
}

/// The token of a hole, by its number.
pub(super) fn token(number: usize) -> String {
    format!("{OPEN}{number}{CLOSE}")
}

/// Whether a text has any holes.
#[must_use]
pub fn has_holes(text: &str) -> bool {
    text.contains(OPEN)
}

/// The number of the hole, if the text is one hole and nothing else.
#[must_use]
pub fn whole(text: &str) -> Option<usize> {
    text.strip_prefix(OPEN)?.strip_suffix(CLOSE)?.parse().ok()
}

/// The pieces of a text, in order.
pub fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((number, after)) = rest.strip_prefix(OPEN).and_then(|inner| inner.split_once(CLOSE))
            && let Ok(number) = number.parse()
        {
            rest = after;
            return Some(Piece::Hole(number));
        }
        // A stray mark is text of its own; everything else runs to the next mark.
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let end = rest.get(first..).and_then(|tail| tail.find(OPEN)).map_or(rest.len(), |found| first + found);
        let (text, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(Piece::Text(text))
    })
}

/// The numbers of all holes anywhere in a value, with the path of keys to each; list positions are not part of it.
pub fn visit<'v>(value: &'v Value, visitor: &mut dyn FnMut(&[&'v str], &'v str)) {
    fn walk<'v>(value: &'v Value, path: &mut Vec<&'v str>, visitor: &mut dyn FnMut(&[&'v str], &'v str)) {
        match value {
            Value::String(text) if has_holes(text) => visitor(path, text),
            Value::Array(items) => items.iter().for_each(|item| walk(item, path, visitor)),
            Value::Object(fields) => {
                for (key, value) in fields {
                    path.push(key);
                    walk(value, path, visitor);
                    path.pop();
                }
            }
            _ => {}
        }
    }
    walk(value, &mut Vec::new(), visitor);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_one_per_expression_and_can_be_taken_apart() {
        let (mut holes, file) = (Holes::default(), Arc::from("a.yaml"));
        let stage = holes.token("Stage", &file, Span::default(), "pass it");
        assert_eq!(holes.token("Stage", &file, Span::default(), "pass it"), stage);
        let other = holes.token("Other", &file, Span::default(), "pass it");
        assert_eq!((whole(&stage), whole(&other), holes.len()), (Some(0), Some(1), 2));
        let text = format!("web-{stage}/{other}-x");
        assert_eq!(whole(&text), None);
        let expected = [Piece::Text("web-"), Piece::Hole(0), Piece::Text("/"), Piece::Hole(1), Piece::Text("-x")];
        assert_eq!(pieces(&text).collect::<Vec<_>>(), expected);
        assert_eq!(holes.spoken(&text), "web-${Stage}/${Other}-x");
    }

    #[test]
    fn stray_marks_end() {
        for text in ["\u{FDD0}", "\u{FDD0}\u{FDD0}", "a\u{FDD1}b", "\u{FDD0}x\u{FDD1}"] {
            assert_eq!(
                pieces(text).map(|piece| if let Piece::Text(text) = piece { text } else { "" }).collect::<String>(),
                text
            );
        }
    }
}
