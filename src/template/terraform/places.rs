//! Lines of `.tf` files for the resources of a plan.
//!
//! In: the files beside the plan and in the local modules that its configuration calls. Out: the block of each resource,
//! the places of its attributes and blocks, and the references in locals, which plans leave out. How much is read is
//! bounded; without any file, findings point into the plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::node::{Node, Tree};
use super::super::source::Files;
use super::super::{Document, encoding};
use super::hcl::{Block, Body};
use crate::inventory::Span;

/// References in locals, by the names of the modules and the local's own.
pub(super) type Locals = BTreeMap<(String, String), Vec<String>>;

const FOLDERS: usize = 200;
const FILES: usize = 400;
const BYTES: usize = 1 << 20;

/// What the files say.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Blocks by module and `type.name`.
    blocks: BTreeMap<(String, String), (Arc<str>, Block)>,
    pub(super) locals: Locals,
    /// All files that were read, with their text.
    pub(super) documents: Vec<Document>,
}

impl Places {
    /// Reads the files of a plan.
    pub(super) fn read(file: &str, root: &Node, files: &dyn Files) -> Self {
        let mut places = Self::default();
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let Some(module) = root.at(&["configuration", "root_module"]) else { return places };
        let mut waiting = vec![(String::new(), folder.to_owned(), module)];
        let mut read: BTreeMap<String, Vec<(Arc<str>, Body)>> = BTreeMap::new();
        while let Some((path, folder, module)) = waiting.pop() {
            if !read.contains_key(&folder) {
                if read.len() >= FOLDERS {
                    continue;
                }
                let bodies = places.folder(&folder, files);
                read.insert(folder.clone(), bodies);
            }
            if let Some(bodies) = read.get(&folder) {
                places.take(&path, bodies);
            }
            for call in module.get("module_calls").map(Node::entries).unwrap_or_default() {
                let source = call.value.text_at(&["source"]).filter(|source| source.starts_with('.'));
                if let (Some(source), Some(inner)) = (source, call.value.get("module"))
                    && let Some(below) = joined(&folder, source)
                {
                    let path = if path.is_empty() { call.key.clone() } else { format!("{path}.{}", call.key) };
                    waiting.push((path, below, inner));
                }
            }
        }
        places
    }

    fn folder(&mut self, folder: &str, files: &dyn Files) -> Vec<(Arc<str>, Body)> {
        let listed = files.list(if folder.is_empty() { "." } else { folder });
        let mut bodies = Vec::new();
        for path in listed.into_iter().filter(|path| matches!(path.rsplit('.').next(), Some("tf" | "tofu"))) {
            if self.documents.len() >= FILES {
                break;
            }
            let Ok(bytes) = files.read(&path) else { continue };
            let Some(text) =
                Some(bytes).filter(|bytes| bytes.len() <= BYTES).and_then(|bytes| encoding::decode(&bytes).ok())
            else {
                continue;
            };
            let file: Arc<str> = path.as_str().into();
            bodies.push((Arc::clone(&file), Body::read(&text)));
            let root = Node::new(Tree::Null, Span::default());
            self.documents.push(Document { file, text: text.into(), root: root.into(), notices: Vec::new() });
        }
        bodies
    }

    fn take(&mut self, path: &str, bodies: &[(Arc<str>, Body)]) {
        for (file, body) in bodies {
            for block in &body.blocks {
                match (block.kind.as_str(), block.labels.as_slice()) {
                    ("resource", [type_name, name]) => {
                        let key = (path.to_owned(), format!("{type_name}.{name}"));
                        self.blocks.entry(key).or_insert_with(|| (Arc::clone(file), block.clone()));
                    }
                    ("locals", []) => {
                        for attribute in &block.body.attributes {
                            self.locals.insert((path.to_owned(), attribute.name.clone()), attribute.references());
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// The file and the block of a resource.
    pub(super) fn of(&self, module: String, plain: String) -> Option<(&Arc<str>, &Block)> {
        self.blocks.get(&(module, plain)).map(|(file, block)| (file, block))
    }
}

/// A folder named from another one; `None` if it leaves the folder that everything is in.
fn joined(folder: &str, source: &str) -> Option<String> {
    let absolute = folder.starts_with('/');
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    for step in source.split('/').filter(|step| !step.is_empty() && *step != ".") {
        match step {
            ".." => {
                parts.pop()?;
            }
            step => parts.push(step),
        }
    }
    let path = parts.join("/");
    Some(if absolute { format!("/{path}") } else { path })
}

/// Gives everything in a resource's values the place where the block says it, and the header's where it does not.
pub(super) fn moved(values: &mut Node, block: &Block) {
    into(values, &block.body, block.span, 0);
}

fn into(values: &mut Node, body: &Body, header: Span, depth: usize) {
    values.span = header;
    let Tree::Map(entries) = &mut values.tree else { return };
    for entry in entries {
        if let Some(written) = body.attribute(&entry.key) {
            entry.key_span = written.span;
            all(&mut entry.value, written.span);
            continue;
        }
        let blocks = body.blocks_of(&entry.key);
        entry.key_span = blocks.first().map_or(header, |(_, span, _)| *span);
        all(&mut entry.value, entry.key_span);
        let Tree::List(items) = &mut entry.value.tree else { continue };
        // Each comparison is with few blocks that a person wrote; a hostile plan gets none.
        if depth > 16 || blocks.is_empty() || items.len().saturating_mul(blocks.len()) > 100_000 {
            continue;
        }
        let in_order = items.len() == blocks.len();
        for (index, item) in items.iter_mut().enumerate() {
            let name = item.text_at(&["name"]).map(str::to_owned);
            let said = |body: &Body| body.attribute("name").and_then(|name| name.literal().map(str::to_owned));
            let named = blocks.iter().find(|(_, _, body)| name.is_some() && said(body) == name);
            let by_order = || blocks.get(index).filter(|_| in_order);
            let dynamic = || blocks.iter().find(|(dynamic, _, _)| *dynamic);
            if let Some((_, span, body)) = named.or_else(by_order).or_else(dynamic).or_else(|| blocks.first()) {
                into(item, body, *span, depth + 1);
            }
        }
    }
}

fn all(node: &mut Node, span: Span) {
    node.span = span;
    match &mut node.tree {
        Tree::List(items) => items.iter_mut().for_each(|item| all(item, span)),
        Tree::Map(entries) => {
            for entry in entries {
                entry.key_span = span;
                all(&mut entry.value, span);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_looked_for_within_the_folder_of_everything() {
        assert_eq!(joined("infra/prod", "../modules/x").as_deref(), Some("infra/modules/x"));
        assert_eq!(joined("", "./m").as_deref(), Some("m"));
        assert_eq!(joined("/a/b", "../c").as_deref(), Some("/a/c"));
        assert_eq!(joined("infra", "../../etc"), None);
    }
}
