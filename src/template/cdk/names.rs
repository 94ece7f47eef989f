//! Names of resources that have none of their own.
//!
//! In: the stacks of an assembly, nested ones included. Out: what to put before a name that two of them would have. A
//! resource without a name is called by its logical id here, which two stacks of one assembly may both use: the same
//! application deployed twice. AWS puts the name of the stack before it, and so does this, where it matters.

use std::collections::{BTreeMap, BTreeSet};

use super::super::node::Node;
use super::reader::Template;

/// Stacks that are looked through; the others keep plain names.
const MOST: usize = 2_000;

/// Which names are taken, and what the others are told apart by.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Type and logical id.
    taken: BTreeSet<(String, String)>,
    /// Names of stacks that are used as a prefix.
    stacks: BTreeSet<String>,
    /// By stack, then by logical id.
    prefixes: BTreeMap<String, BTreeMap<String, String>>,
    looked_through: usize,
}

impl Names {
    /// Takes the names of a stack and of those nested in it. `id` is what it is asked for under, `above` are the templates
    /// that it is nested in.
    pub(super) fn take(
        &mut self,
        id: &str,
        stack: &str,
        path: &str,
        templates: &BTreeMap<String, Template>,
        above: &mut Vec<String>,
    ) {
        let Some(template) = templates.get(path) else { return };
        if self.looked_through >= MOST || above.iter().any(|known| known == path) {
            return;
        }
        self.looked_through += 1;
        let resources = template.document.root.get("Resources").map(Node::entries).unwrap_or_default();
        let mut twice: Vec<&str> = Vec::new();
        for entry in resources {
            let Some(type_name) = entry.value.text_at(&["Type"]) else { continue };
            if !self.taken.insert((type_name.to_owned(), entry.key.clone())) {
                twice.push(&entry.key);
            }
        }
        if !twice.is_empty() {
            // The same stack in two Regions has one name.
            let mut prefix = format!("{stack}-");
            let mut number = 2_usize;
            while !self.stacks.insert(prefix.clone()) {
                prefix = format!("{stack}-{number}-");
                number += 1;
            }
            let prefixes = twice.into_iter().map(|logical_id| (logical_id.to_owned(), prefix.clone())).collect();
            self.prefixes.insert(id.to_owned(), prefixes);
        }
        above.push(path.to_owned());
        for (logical_id, child) in &template.nested {
            self.take(&format!("{id}/{logical_id}"), &format!("{stack}-{logical_id}"), child, templates, above);
        }
        above.pop();
    }

    /// What stands before the names of a stack's resources, by logical id.
    pub(super) fn prefixes(&self, id: &str) -> BTreeMap<String, String> {
        self.prefixes.get(id).cloned().unwrap_or_default()
    }
}
