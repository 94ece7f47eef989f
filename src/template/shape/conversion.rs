//! One resource on its way into the inventory's shape.
//!
//! In: a declared resource and everything that is declared with it. Out: the same with changed properties, and what
//! became of those that cannot be known. It exists so that the files of the types say only what is special about them.

use super::super::hole::{Holes, whole};
use super::super::identity;
use super::super::node::{Node, Tree};
use super::super::source::Raw;
use super::form::change;
use crate::inventory::GapCause;

/// A resource being converted.
pub(super) struct Conversion<'a> {
    raw: Raw,
    all: &'a [Raw],
    holes: &'a Holes,
    hidden: Vec<(String, GapCause)>,
}

/// Leaves everything to the form.
pub(super) fn as_declared(_: &mut Conversion<'_>) {}

impl<'a> Conversion<'a> {
    pub(super) fn new(raw: &Raw, all: &'a [Raw], holes: &'a Holes) -> Self {
        Self { raw: raw.clone(), all, holes, hidden: Vec::new() }
    }

    /// The resource, and properties that are unseen with the reason.
    pub(super) fn finish(self) -> (Raw, Vec<(String, GapCause)>) {
        (self.raw, self.hidden)
    }

    pub(super) fn raw(&self) -> &Raw {
        &self.raw
    }

    pub(super) fn property(&self, name: &str) -> Option<&Node> {
        self.raw.property(name)
    }

    /// The text of a property.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.property(name).and_then(Node::as_str)
    }

    pub(super) fn set(&mut self, name: &str, value: Node) {
        self.raw.set(name, value);
    }

    /// Sets a text of the resource's own place.
    pub(super) fn set_text(&mut self, name: &str, value: impl Into<String>) {
        let value = Node::text(value, self.raw.span);
        self.raw.set(name, value);
    }

    /// Sets what AWS sets where nothing is said.
    pub(super) fn set_default(&mut self, name: &str, value: &serde_json::Value) {
        if self.property(name).is_none() {
            self.raw.set(name, Node::from_value(value, self.raw.span));
        }
    }

    /// Takes a property away.
    pub(super) fn take(&mut self, name: &str) -> Option<Node> {
        let value = self.raw.property(name).cloned();
        if let Tree::Map(entries) = &mut self.raw.properties.tree {
            entries.retain(|entry| entry.key != name);
        }
        value
    }

    /// Changes all values under a path.
    pub(super) fn change(&mut self, path: &[&str], mut with: impl FnMut(&mut Node)) {
        change(&mut self.raw.properties, path, &mut with);
    }

    /// Marks a property as unseen.
    pub(super) fn hide(&mut self, property: &str, cause: GapCause) {
        self.hidden.push((property.to_owned(), cause));
    }

    /// The resources of a type that are declared with this one.
    pub(super) fn all(&self, type_name: &'static str) -> impl Iterator<Item = &'a Raw> + use<'a> {
        self.all.iter().filter(move |raw| raw.type_name == type_name)
    }

    /// The first one of a type that a text names.
    pub(super) fn named(&self, type_name: &'static str, text: &str) -> Option<&'a Raw> {
        self.all(type_name).find(|raw| names(text, raw))
    }

    /// Whether a text names this resource.
    pub(super) fn is_named(&self, text: &str) -> bool {
        names(text, &self.raw)
    }

    /// Why the value of a text is not known: the hole that it is, else that it is defined elsewhere.
    pub(super) fn why(&self, text: &str, message: impl FnOnce(&str) -> String) -> GapCause {
        match whole(text).and_then(|hole| self.unresolved(hole)) {
            Some(cause) => cause,
            None => GapCause::Elsewhere { message: message(&self.holes.spoken(text)) },
        }
    }

    fn unresolved(&self, hole: usize) -> Option<GapCause> {
        let place = &self.raw.place;
        let affects = crate::inventory::Affects::Details;
        self.holes.gap(hole, &place.account, &place.region, affects).map(|gap| gap.cause)
    }

    /// Whether a text is nothing but a pseudo parameter or a parameter of that name.
    pub(super) fn is_open(&self, text: &str, expression: &str) -> bool {
        let hole = whole(text).and_then(|hole| self.holes.get(hole));
        hole.is_some_and(|hole| hole.expression == expression)
    }
}

/// Whether a text names a resource: by its name, or by its ARN.
pub(super) fn names(text: &str, raw: &Raw) -> bool {
    text == raw.name || text == identity::uid_of(raw)
}

/// The sentence about something that is not defined in what was given.
pub(super) fn elsewhere(what: &str) -> String {
    format!("{what} is not defined here; give the last audit with --inventory")
}
