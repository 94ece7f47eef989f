//! Calls that nothing before a deployment answers, in words.
//!
//! In: macros, functions that only AWS computes, and functions whose argument has no value. Out: holes whose expression
//! says the function and no more. It exists because the same expression is taken for the same value, and because what
//! functions are applied to may be secrets or scripts, which no report may hold: two calls with different arguments get
//! different ordinals, and nothing of the arguments is said.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::function::Call;
use super::resolver::{ONLY_AFTER, Resolver};
use crate::inventory::{Span, hex};
use crate::template::hole;
use crate::template::node::{Entry, Node, Tree};

/// Characters of an expression, without its ordinal.
const LONGEST: usize = 200;

const AFTER_THE_MACRO: &str = "check the template as it is after the macro ran";

/// What was said of open values, so that those of which the same is to be said are told apart. One table belongs to one
/// table of holes.
#[derive(Debug, Default)]
pub struct Ordinals {
    /// Expressions by file and by a hash of all that makes the value.
    said: BTreeMap<(Arc<str>, String), String>,
    /// Expressions of a file, each with the last ordinal that another one got behind it.
    taken: BTreeMap<(Arc<str>, String), usize>,
}

impl Ordinals {
    /// The expression of a value; `short` is what to say where no other value is called so.
    fn expression(&mut self, file: &Arc<str>, hash: String, short: &str) -> String {
        let expression = self.free(file, short);
        self.taken.insert((Arc::clone(file), expression.clone()), 1);
        self.said.insert((Arc::clone(file), hash), expression.clone());
        expression
    }

    fn free(&mut self, file: &Arc<str>, short: &str) -> String {
        let form = (Arc::clone(file), short.to_owned());
        let Some(mut number) = self.taken.get(&form).copied() else { return form.1 };
        loop {
            number += 1;
            let numbered = (Arc::clone(file), format!("{short} ({number})"));
            if !self.taken.contains_key(&numbered) {
                self.taken.insert(form, number);
                return numbered.1;
            }
        }
    }
}

impl Resolver<'_> {
    /// What is said of an open value: `printed`, cut where it is long, and an ordinal where the same was said of another
    /// value. `wording` is what makes the value and must not be said.
    pub(super) fn told(&mut self, printed: &str, wording: &str) -> String {
        let file = Arc::clone(&self.template.file);
        // With the numbers of holes in it: two holes may be spoken alike.
        let hash = hex(&Sha256::digest(format!("{printed}\0{wording}").as_bytes()));
        if let Some(said) = self.ordinals.said.get(&(Arc::clone(&file), hash.clone())) {
            return said.clone();
        }
        let short = self.shortly(printed);
        if self.is_full() { short } else { self.ordinals.expression(&file, hash, &short) }
    }

    /// A text as a person reads it, cut where it is long: expressions hold those of other holes, and would double.
    fn shortly(&self, text: &str) -> String {
        let mut said = String::new();
        for piece in hole::pieces(text) {
            match piece {
                hole::Piece::Text(text) => said.extend(text.chars().take(LONGEST + 1)),
                hole::Piece::Hole(number) => {
                    let expression = self.holes.get(number).map_or("?", |hole| hole.expression.as_str());
                    said.extend(["${", expression, "}"]);
                }
            }
            if said.chars().nth(LONGEST).is_some() {
                return said.chars().take(LONGEST).chain(['…']).collect();
            }
        }
        said
    }

    /// What stands for all that an entry adds to a mapping.
    pub(super) fn unknown_entry(&mut self, entry: &Entry) -> String {
        self.token(&form(&entry.key, &entry.value), entry.key_span, AFTER_THE_MACRO)
    }

    /// A mapping to which `adding` adds nobody knows what. The same is added to another mapping, or other things to the
    /// same one: all that is written tells the value.
    pub(super) fn grown(&mut self, entries: &[Entry], adding: &Entry) -> Node {
        let given = self.worded(|this| this.resolve(&adding.value));
        let beside = self.worded(|this| {
            let others = entries.iter().filter(|entry| !std::ptr::eq(*entry, adding));
            let others = others.filter_map(|entry| {
                let value = this.resolve(&entry.value)?;
                Some(Entry { key: entry.key.clone(), key_span: entry.key_span, value })
            });
            Some(Node::new(Tree::Map(others.collect()), adding.key_span))
        });
        let printed = form(&adding.key, &adding.value);
        self.hole_for(&printed, &format!("{given}\0beside {beside}"), adding.key_span, AFTER_THE_MACRO)
    }

    /// What a macro makes of what it is given.
    pub(super) fn transformed(&mut self, call: &Call<'_>, span: Span) -> Node {
        let name = call.argument.text_at(&["Name"]).unwrap_or("a macro");
        let given = self.worded(|this| this.argument(call));
        self.hole_for(&format!("Fn::Transform {name}"), &given, span, AFTER_THE_MACRO)
    }

    /// A call that nothing before a deployment answers: applied to something else, it has another value.
    pub(super) fn unanswered(&mut self, call: &Call<'_>, span: Span, hint: &str) -> Node {
        let given = self.worded(|this| this.argument(call));
        self.hole_for(&format!("Fn::{}", call.function), &given, span, hint)
    }

    /// What a function is applied to, in words. Nothing hidden is among them, and no stand-in.
    pub(super) fn worded(&mut self, what: impl FnOnce(&mut Self) -> Option<Node>) -> String {
        let before = (std::mem::replace(&mut self.comparing, false), std::mem::replace(&mut self.wording, true));
        let value = what(self);
        (self.comparing, self.wording) = before;
        value.map_or_else(|| "\0".to_owned(), |value| said(&value))
    }

    /// A hole for a function whose argument has one: it is told by what is missing there. `wording` is what else the
    /// function is applied to.
    pub(super) fn hole_over(&mut self, function: &str, of: &Node, wording: &str, span: Span) -> Node {
        let mut printed = format!("Fn::{function}");
        for number in open(of).take(LONGEST) {
            printed.extend([" ", hole::token(number).as_str()]);
        }
        let hint = self.hint_over(of);
        self.hole_for(&printed, &format!("{wording}\0{}", said(of)), span, &hint)
    }

    /// What to do about a value in which something is missing.
    pub(super) fn hint_over(&self, of: &Node) -> String {
        let inner = open(of).next().and_then(|number| self.holes.get(number));
        inner.map_or_else(|| ONLY_AFTER.to_owned(), |hole| hole.hint.clone())
    }
}

/// What is said of a macro, or of another key that adds to a mapping.
fn form(key: &str, written: &Node) -> String {
    written.text_at(&["Name"]).map_or_else(|| key.to_owned(), |name| format!("{key} {name}"))
}

/// The holes in a text.
fn open(of: &Node) -> impl Iterator<Item = usize> {
    hole::pieces(of.as_str().unwrap_or_default()).filter_map(|piece| match piece {
        hole::Piece::Hole(number) => Some(number),
        hole::Piece::Text(_) => None,
    })
}

/// A value in words: the same words are the same value. They are for telling values apart, and never for a report.
pub(super) fn said(value: &Node) -> String {
    match &value.tree {
        Tree::List(_) | Tree::Map(_) | Tree::Null => value.to_value().to_string(),
        // A text that looks like something else.
        Tree::String(text) if text.starts_with(['[', '{', '"']) => value.to_value().to_string(),
        _ => value.scalar().unwrap_or_default(),
    }
}

/// An expression as it is written, short forms of functions included; nothing in it is resolved. For telling values
/// apart, and never for a report.
pub(super) fn written(node: &Node) -> String {
    fn write(node: &Node, out: &mut String) {
        if let Some(tag) = node.tag.as_deref() {
            out.extend(["!", tag, " "]);
        }
        match &node.tree {
            Tree::List(items) => {
                out.push('[');
                for item in items {
                    write(item, out);
                    out.push(',');
                }
                out.push(']');
            }
            Tree::Map(entries) => {
                out.push('{');
                for entry in entries {
                    out.push_str(&Value::from(entry.key.as_str()).to_string());
                    out.push(':');
                    write(&entry.value, out);
                    out.push(',');
                }
                out.push('}');
            }
            _ => out.push_str(&node.to_value().to_string()),
        }
    }
    let mut out = String::new();
    write(node, &mut out);
    out
}
