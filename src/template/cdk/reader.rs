//! Manifests and templates of an assembly → everything that is alive in it.
//!
//! In: the outermost manifest, and [`Files`](super::super::Files). Out: stacks with their templates, nested ones
//! included. No path leaves the folder of the manifest that names it, and what is read is bounded in number and size.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::node::Node;
use super::super::source::Reading;
use super::super::{Document, Unreadable, cloudformation};
use super::additions::without_additions;
use super::manifest::{self, StackArtifact};
use super::nested;
use crate::inventory::Span;

/// Assemblies inside each other, and stacks inside each other.
const DEEPEST: usize = 8;

/// Templates of one assembly.
const MOST_TEMPLATES: usize = 2_000;

/// All templates together may be this many times as large as one file.
const FILES_WORTH: usize = 4;

/// How many stale templates a notice names.
const NAMED: usize = 5;

/// What `cdk synth` calls its folder. Everything in it is written by it.
const OUTPUT_FOLDER: &str = "cdk.out";

/// A stack and where its template is.
#[derive(Debug)]
pub(super) struct Stack {
    /// The manifest that names it, and its id there.
    pub(super) id: (String, String),
    /// What is deployed before it, in the same words.
    pub(super) dependencies: Vec<(String, String)>,
    pub(super) name: String,
    pub(super) template: String,
    pub(super) place: super::super::source::Place,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
}

/// A template of the assembly.
#[derive(Debug)]
pub(super) struct Template {
    /// Without what CDK adds for itself.
    pub(super) document: Document,
    /// Templates of nested stacks by the logical id of the stack.
    pub(super) nested: BTreeMap<String, String>,
}

/// All of an assembly.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) stacks: Vec<Stack>,
    /// By path.
    pub(super) templates: BTreeMap<String, Template>,
    pub(super) documents: Vec<Document>,
    pub(super) claimed: BTreeSet<String>,
    pub(super) unreadable: Vec<Unreadable>,
    pub(super) notices: Vec<(Arc<str>, Span, String)>,
}

/// Reads everything that a manifest names.
pub(super) fn read(manifest: Document, reading: &Reading<'_>) -> Read {
    let mut reader = Reader { reading, read: Read::default(), manifests: BTreeSet::new(), bytes: 0, full: false };
    let outermost = folder_of(&manifest.file).to_owned();
    if outermost.rsplit('/').next() == Some(OUTPUT_FOLDER) {
        reader.read.claimed.insert(format!("{outermost}/"));
    }
    reader.manifests.insert(manifest.file.to_string());
    reader.assembly(manifest, 0);
    reader.read
}

/// The folder that a file is in; empty for the working directory.
fn folder_of(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A path below a folder, if it stays below.
fn below(folder: &str, relative: &str) -> Result<String, String> {
    let leaves = |part: &str| part == ".." || part.contains(['\\', '\0', ':']);
    if relative.is_empty() || relative.starts_with('/') || relative.split('/').any(leaves) {
        return Err(format!("`{relative}` is not a path inside the assembly, so it is not followed"));
    }
    let parts: Vec<&str> = relative.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let inside = parts.join("/");
    Ok(if folder.is_empty() { inside } else { format!("{folder}/{inside}") })
}

struct Reader<'a, 'r> {
    reading: &'a Reading<'r>,
    read: Read,
    /// Manifests that were read: each counts once.
    manifests: BTreeSet<String>,
    bytes: usize,
    full: bool,
}

impl Reader<'_, '_> {
    fn assembly(&mut self, manifest: Document, depth: usize) {
        let file = Arc::clone(&manifest.file);
        self.read.claimed.insert(file.to_string());
        for stack in manifest::stacks(&manifest.root, self.reading.place) {
            self.stack(&file, stack);
        }
        let nested = manifest::nested(&manifest.root);
        self.stale(&file, manifest.root.get("artifacts").map_or(manifest.root.span, |node| node.span));
        self.keep(manifest);
        for assembly in nested {
            let path = match below(folder_of(&file), &format!("{}/manifest.json", assembly.folder)) {
                Ok(path) => path,
                Err(message) => {
                    self.refuse(&file, assembly.span, message);
                    continue;
                }
            };
            if !self.manifests.insert(path.clone()) {
                continue;
            }
            if depth + 1 >= DEEPEST {
                let message = format!("more than {DEEPEST} assemblies are nested; give {path} on its own");
                self.refuse(&file, assembly.span, message);
            } else if let Some(document) = self.document(&path, &file, assembly.span) {
                if manifest::is_manifest(&document.root) || document.root.get("artifacts").is_some() {
                    self.assembly(document, depth + 1);
                } else {
                    let message = format!("{path} is not the manifest of a cloud assembly; run `cdk synth` again");
                    self.refuse(&file, assembly.span, message);
                }
            }
        }
    }

    fn stack(&mut self, manifest: &Arc<str>, stack: StackArtifact) {
        let path = match below(folder_of(manifest), &stack.template) {
            Ok(path) => path,
            Err(message) => return self.refuse(manifest, stack.span, message),
        };
        if !self.template(&path, manifest, stack.span, 0) {
            return;
        }
        let of_manifest = |id: String| (manifest.to_string(), id);
        self.read.stacks.push(Stack {
            id: of_manifest(stack.id),
            dependencies: stack.dependencies.into_iter().map(of_manifest).collect(),
            name: stack.name,
            template: path,
            place: stack.place,
            parameters: stack.parameters,
            tags: stack.tags,
        });
    }

    /// Reads a template and those of the stacks nested in it; whether it can be used. `by` names it.
    fn template(&mut self, path: &str, by: &Arc<str>, at: Span, depth: usize) -> bool {
        if self.read.templates.contains_key(path) {
            return true;
        }
        self.read.claimed.insert(path.to_owned());
        let Some(document) = self.document(path, by, at) else { return false };
        let found = nested::stacks(&document.root);
        let file = Arc::clone(&document.file);
        let quiet = Document { root: without_additions(&document.root), ..document.clone() };
        let odd = cloudformation::Template::of(&quiet, self.reading.parameters, self.reading.place, None).notices();
        let odd = document.notices.iter().cloned().chain(odd);
        self.read.notices.extend(odd.map(|(span, text)| (Arc::clone(&file), span, text)));
        self.keep(document);
        let entry = Template { document: quiet, nested: BTreeMap::new() };
        self.read.templates.insert(path.to_owned(), entry);
        let mut links = BTreeMap::new();
        for stack in found {
            let Some(asset) = stack.asset else {
                let message = format!(
                    "the template of nested stack {} is no asset of this assembly, so nothing in it was looked at; \
                     check that template too",
                    stack.logical_id
                );
                self.read.notices.push((Arc::clone(&file), stack.span, message));
                continue;
            };
            if depth + 1 >= DEEPEST {
                self.refuse(&file, stack.span, format!("more than {DEEPEST} stacks are nested in each other"));
                continue;
            }
            match below(folder_of(path), &asset) {
                Ok(child) => {
                    if self.template(&child, &file, stack.span, depth + 1) {
                        links.insert(stack.logical_id, child);
                    }
                }
                Err(message) => self.refuse(&file, stack.span, message),
            }
        }
        if let Some(template) = self.read.templates.get_mut(path) {
            template.nested = links;
        }
        true
    }

    /// Reads a file that another one names.
    fn document(&mut self, path: &str, by: &Arc<str>, at: Span) -> Option<Document> {
        let limit = self.reading.limits.bytes.saturating_mul(FILES_WORTH);
        if self.read.documents.len() >= MOST_TEMPLATES || self.bytes >= limit {
            if !self.full {
                self.full = true;
                let message = format!(
                    "the assembly has more than {MOST_TEMPLATES} templates or {limit} bytes; check its parts one by one"
                );
                self.refuse(by, at, message);
            }
            return None;
        }
        let bytes = match self.reading.files.read(path) {
            Ok(bytes) => bytes,
            Err(message) => {
                let message = format!("{path} is named here and cannot be read ({message}); run `cdk synth` again");
                self.refuse(by, at, message);
                return None;
            }
        };
        self.bytes = self.bytes.saturating_add(bytes.len());
        Document::read(path, &bytes, &self.reading.limits)
            .map_err(|unreadable| self.read.unreadable.push(unreadable))
            .ok()
    }

    fn keep(&mut self, document: Document) {
        self.read.documents.push(document);
    }

    fn refuse(&mut self, file: &Arc<str>, at: Span, message: String) {
        self.read.unreadable.push(Unreadable { file: Arc::clone(file), at: Some(at.start), message });
    }

    /// Templates beside a manifest that it does not name: an earlier synthesis left them.
    fn stale(&mut self, manifest: &Arc<str>, at: Span) {
        let folder = folder_of(manifest);
        let listed = self.reading.files.list(if folder.is_empty() { "." } else { folder });
        let is_template = |file: &String| file.ends_with(".template.json") || file.ends_with(".template.yaml");
        let stale: Vec<String> =
            listed.into_iter().filter(is_template).filter(|file| !self.read.claimed.contains(file)).collect();
        if stale.is_empty() {
            return;
        }
        let names: Vec<&str> = stale.iter().take(NAMED).map(|file| file.rsplit('/').next().unwrap_or(file)).collect();
        let more = stale.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let message = format!(
            "{}{more} are named by no manifest, so they were left by an earlier `cdk synth` and were not looked at",
            names.join(", ")
        );
        self.read.notices.push((Arc::clone(manifest), at, message));
        self.read.claimed.extend(stale);
    }
}

/// Whether a value mentions an intrinsic function anywhere.
pub(super) fn mentions(node: &Node, function: &str, tag: &str) -> bool {
    node.tag.as_deref() == Some(tag)
        || node.entries().iter().any(|entry| entry.key == function || mentions(&entry.value, function, tag))
        || node.elements().iter().any(|item| mentions(item, function, tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_manifest() {
        assert_eq!(below("cdk.out", "A.template.json").unwrap(), "cdk.out/A.template.json");
        assert_eq!(below("", "./assembly-X//manifest.json").unwrap(), "assembly-X/manifest.json");
        for outside in ["../A", "a/../../b", "/etc/passwd", "", "..\\a", "C:/a", "a\0b"] {
            assert!(below("cdk.out", outside).is_err(), "{outside:?}");
        }
    }
}
