//! CDK output: the cloud assembly that `cdk synth` writes.
//!
//! In: `cdk.out/manifest.json`, and through it the templates that it names, in nested assemblies too. Out: one group, in
//! which all stacks of the assembly are judged together, because a pipeline of one names the buckets and keys of others.
//! It exists as a format of its own because only the manifest says which templates are alive: what an earlier synthesis
//! left behind lies beside them.

mod additions;
mod assembly;
mod manifest;
mod names;
mod nested;
mod reader;

use std::sync::Arc;

use super::source::{Group, Parsed, Reading};
use super::{Document, TemplateFormat};

pub(super) use additions::without_additions;

/// Cloud assemblies, by their manifest.
pub struct Cdk;

impl TemplateFormat for Cdk {
    fn name(&self) -> &'static str {
        "CDK"
    }

    fn recognises(&self, document: &Document) -> bool {
        manifest::is_manifest(&document.root)
    }

    fn read(&self, document: Document, reading: &Reading<'_>) -> Parsed {
        let file = Arc::clone(&document.file);
        let read = reader::read(document, reading);
        let assembly = assembly::Assembly::new(read.stacks, read.templates, reading.parameters);
        Parsed {
            groups: vec![Group { format: self.name(), file, source: Box::new(assembly), before: None }],
            documents: read.documents,
            claimed: read.claimed.into_iter().collect(),
            unreadable: read.unreadable,
            notices: read.notices,
        }
    }
}

#[cfg(test)]
mod tests;
