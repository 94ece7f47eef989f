//! Calls that nothing before a deployment answers, in words.
//!
//! In: macros, functions that only AWS computes, and functions whose argument has no value. Out: holes whose expression
//! says the function and all that it is applied to. It exists because the same expression is taken for the same value:
//! two calls with different arguments must never read alike.

use sha2::{Digest, Sha256};

use super::function::Call;
use super::resolver::{ONLY_AFTER, Resolver};
use crate::inventory::{Span, hex};
use crate::template::hole;
use crate::template::node::{Entry, Node, Tree};

/// Characters of what a function is applied to that stand in an expression.
const SAID: usize = 200;

pub(super) const AFTER_THE_MACRO: &str = "check the template as it is after the macro ran";

impl Resolver<'_> {
    /// What stands for all that an entry adds to a mapping.
    pub(super) fn unknown_entry(&mut self, entry: &Entry) -> String {
        let said = entry.value.text_at(&["Name"]).map(|name| format!("{} {name}", entry.key));
        let expression = said.unwrap_or_else(|| entry.key.clone());
        self.token(&expression, entry.key_span, AFTER_THE_MACRO)
    }

    /// A mapping to which `adding` adds nobody knows what. The same is added to another mapping, or other things to the
    /// same one: all that is written tells the value.
    pub(super) fn grown(&mut self, entries: &[Entry], adding: &Entry) -> Node {
        let said = self.macro_call(&adding.key, &adding.value, |this| this.resolve(&adding.value));
        let beside = self.worded(|this| {
            let others = entries.iter().filter(|entry| !std::ptr::eq(*entry, adding));
            let others = others.filter_map(|entry| {
                let value = this.resolve(&entry.value)?;
                Some(Entry { key: entry.key.clone(), key_span: entry.key_span, value })
            });
            Some(Node::new(Tree::Map(others.collect()), adding.key_span))
        });
        self.hole(&format!("{said} beside {beside}"), adding.key_span, AFTER_THE_MACRO)
    }

    /// A macro with what it is given; `argument` resolves all of it.
    pub(super) fn macro_call(
        &mut self,
        key: &str,
        written: &Node,
        argument: impl FnOnce(&mut Self) -> Option<Node>,
    ) -> String {
        let (name, given) = match written.text_at(&["Name"]) {
            _ if key != "Fn::Transform" => ("", self.worded(argument)),
            Some(name) => {
                let parameters = written.get("Parameters");
                (name, self.worded(|this| parameters.and_then(|parameters| this.resolve(parameters))))
            }
            None => ("a macro", self.worded(argument)),
        };
        [key, name, given.as_str()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// A call that nothing before a deployment answers: applied to something else, it has another value.
    pub(super) fn unanswered(&mut self, call: &Call<'_>, span: Span, hint: &str) -> Node {
        let said = self.worded(|this| this.argument(call));
        self.hole(format!("Fn::{} {said}", call.function).trim_end(), span, hint)
    }

    /// What a function is applied to, in words. Nothing hidden is among them, and no stand-in.
    fn worded(&mut self, what: impl FnOnce(&mut Self) -> Option<Node>) -> String {
        let before = (std::mem::replace(&mut self.comparing, false), std::mem::replace(&mut self.wording, true));
        let value = what(self);
        (self.comparing, self.wording) = before;
        value.map(|value| self.said(&value)).unwrap_or_default()
    }

    /// A value in words: the same words are the same value.
    pub(super) fn said(&self, value: &Node) -> String {
        let written = match &value.tree {
            Tree::List(_) | Tree::Map(_) => value.to_value().to_string(),
            // A text that looks like something else.
            Tree::String(text) if text.starts_with(['[', '{', '"']) => value.to_value().to_string(),
            _ => value.scalar().unwrap_or_default(),
        };
        let said = self.holes.spoken(&written);
        let short: String = said.chars().take(SAID).collect();
        if short.len() == said.len() {
            return said;
        }
        let hash = hex(&Sha256::digest(said.as_bytes()));
        format!("{short}… #{}", hash.get(..16).unwrap_or_default())
    }

    /// A hole for a function whose argument has one: it is told by what is missing there.
    pub(super) fn hole_over(&mut self, function: &str, of: &Node, span: Span) -> Node {
        let inner = of.as_str().and_then(|text| {
            hole::pieces(text).find_map(|piece| match piece {
                hole::Piece::Hole(number) => Some(number),
                hole::Piece::Text(_) => None,
            })
        });
        let hint = inner.and_then(|number| self.holes.get(number)).map(|hole| hole.hint.clone());
        let hint = hint.unwrap_or_else(|| ONLY_AFTER.to_owned());
        let said = self.said(of);
        self.hole(format!("Fn::{function} {said}").trim_end(), span, &hint)
    }
}
