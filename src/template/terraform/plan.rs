//! A plan or a state as something to look things up in.
//!
//! In: the document's tree. Out: the instances of all resources after or before the change, and the configuration by
//! module. Every look-up is by a sorted table, so that large plans cost no more than their size.

use std::collections::{BTreeMap, BTreeSet};

use super::super::node::{Node, Tree};
use super::address::{ModulePath, Part, names, parts, split_modules, written};
use crate::inventory::Span;

/// One instance of a resource or data source.
#[derive(Debug, Clone)]
pub(super) struct Instance<'p> {
    /// Its place in [`Plan::instances`].
    pub(super) number: usize,
    pub(super) address: &'p str,
    pub(super) module: ModulePath,
    pub(super) type_name: &'p str,
    pub(super) name: &'p str,
    pub(super) key: Option<String>,
    pub(super) data: bool,
    pub(super) values: &'p Node,
    pub(super) unknown: Option<&'p Node>,
    pub(super) sensitive: Option<&'p Node>,
    /// Its entry in the file.
    pub(super) span: Span,
    /// Its block in the configuration.
    pub(super) configuration: Option<&'p Node>,
    /// Whether it is there already.
    pub(super) exists: bool,
}

/// A module of the configuration.
#[derive(Debug, Default)]
pub(super) struct Module<'p> {
    pub(super) resources: BTreeMap<&'p str, &'p Node>,
    pub(super) calls: BTreeMap<&'p str, &'p Node>,
    pub(super) outputs: BTreeMap<&'p str, &'p Node>,
    pub(super) variables: BTreeMap<&'p str, &'p Node>,
}

/// Which side of the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    After,
    Before,
}

/// Everything of one side.
#[derive(Debug)]
pub(super) struct Plan<'p> {
    pub(super) root: &'p Node,
    pub(super) instances: Vec<Instance<'p>>,
    /// Numbers of instances by module and `type.name` (`data.type.name` for data sources).
    by_name: BTreeMap<(String, String), Vec<usize>>,
    /// Keys of the instances of a module, by the address without its own key.
    module_keys: BTreeMap<String, BTreeSet<Option<String>>>,
    /// The configuration by names of modules.
    modules: BTreeMap<String, Module<'p>>,
}

/// A mapping's entries, sorted; the last of repeated keys.
fn table(node: Option<&Node>) -> BTreeMap<&str, &Node> {
    node.map(Node::entries).unwrap_or_default().iter().map(|entry| (entry.key.as_str(), &entry.value)).collect()
}

fn read_modules<'p>(module: &'p Node, path: &str, modules: &mut BTreeMap<String, Module<'p>>) {
    let resources = module.get("resources").map(Node::elements).unwrap_or_default();
    let known = Module {
        resources: resources.iter().filter_map(|one| Some((one.text_at(&["address"])?, one))).collect(),
        calls: table(module.get("module_calls")),
        outputs: table(module.get("outputs")),
        variables: table(module.get("variables")),
    };
    for (name, call) in &known.calls {
        if let Some(inner) = call.get("module") {
            let path = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
            read_modules(inner, &path, modules);
        }
    }
    modules.insert(path.to_owned(), known);
}

/// A resource's entry of `planned_values`, `values` or `resource_changes`, without what it holds.
fn instance<'p>(entry: &'p Node, values: &'p Node) -> Option<Instance<'p>> {
    let address = entry.text_at(&["address"])?;
    let (module, rest) = split_modules(parts(address));
    let written_key = rest.last().and_then(|part| part.key.clone());
    Some(Instance {
        number: 0,
        address,
        module,
        type_name: entry.text_at(&["type"])?,
        name: entry.text_at(&["name"])?,
        key: entry.get("index").and_then(Node::scalar).or(written_key),
        data: entry.text_at(&["mode"]) == Some("data"),
        values,
        unknown: None,
        sensitive: entry.get("sensitive_values"),
        span: entry.span,
        configuration: None,
        exists: false,
    })
}

/// All resources of a module and those in it. Documents are only so deep, so this is too.
fn resources<'p>(module: Option<&'p Node>, found: &mut Vec<&'p Node>) {
    let Some(module) = module else { return };
    found.extend(module.get("resources").map(Node::elements).unwrap_or_default());
    for child in module.get("child_modules").map(Node::elements).unwrap_or_default() {
        resources(Some(child), found);
    }
}

fn is_map(node: Option<&Node>) -> bool {
    node.is_some_and(Node::is_map)
}

impl<'p> Plan<'p> {
    /// One side of a document.
    pub(super) fn of(root: &'p Node, side: Side) -> Self {
        let mut modules = BTreeMap::new();
        if let Some(module) = root.at(&["configuration", "root_module"]) {
            read_modules(module, "", &mut modules);
        }
        let instances = match side {
            Side::After => after(root),
            Side::Before => before(root),
        };
        let mut plan =
            Self { root, instances: Vec::new(), by_name: BTreeMap::new(), module_keys: BTreeMap::new(), modules };
        for instance in instances {
            plan.add(instance);
        }
        plan
    }

    fn add(&mut self, mut instance: Instance<'p>) {
        let plain = if instance.data { "data." } else { "" };
        let plain = format!("{plain}{}.{}", instance.type_name, instance.name);
        let module = self.modules.get(&names(&instance.module));
        instance.configuration = module.and_then(|module| module.resources.get(plain.as_str()).copied());
        for depth in 0..instance.module.len() {
            let (before, part) = (instance.module.get(..depth), instance.module.get(depth));
            if let (Some(before), Some(part)) = (before, part) {
                let keys = self.module_keys.entry(format!("{}/{}", written(before), part.name)).or_default();
                keys.insert(part.key.clone());
            }
        }
        instance.number = self.instances.len();
        let key = (written(&instance.module), plain);
        self.by_name.entry(key).or_default().push(self.instances.len());
        self.instances.push(instance);
    }

    /// The configuration of a module.
    pub(super) fn module(&self, path: &[Part]) -> Option<&Module<'p>> {
        self.modules.get(&names(path))
    }

    /// All instances of a resource in a module; `plain` is `type.name`, or `data.type.name`.
    pub(super) fn instances_of(&self, module: &[Part], plain: &str) -> impl Iterator<Item = &Instance<'p>> {
        let numbers = self.by_name.get(&(written(module), plain.to_owned())).map_or(&[][..], Vec::as_slice);
        numbers.iter().filter_map(|number| self.instances.get(*number))
    }

    /// Keys of the instances of a module that a module calls.
    pub(super) fn keys_of(&self, caller: &[Part], name: &str) -> Option<&BTreeSet<Option<String>>> {
        self.module_keys.get(&format!("{}/{name}", written(caller)))
    }
}

fn after(root: &Node) -> Vec<Instance<'_>> {
    let mut changes: BTreeMap<&str, &Node> = BTreeMap::new();
    for change in root.get("resource_changes").map(Node::elements).unwrap_or_default() {
        // What is left over of an interrupted replacement has the address of what replaced it.
        if let (Some(address), None) = (change.text_at(&["address"]), change.text_at(&["deposed"])) {
            changes.insert(address, change);
        }
    }
    let mut entries = Vec::new();
    resources(root.at(&["planned_values", "root_module"]), &mut entries);
    resources(root.at(&["values", "root_module"]), &mut entries);
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for entry in entries {
        let Some(mut one) = entry.get("values").and_then(|values| instance(entry, values)) else { continue };
        if !seen.insert(one.address) {
            continue;
        }
        if let Some(change) = changes.get(one.address).and_then(|change| change.get("change")) {
            one.unknown = change.get("after_unknown");
            one.sensitive = change.get("after_sensitive").or(one.sensitive);
            one.exists = is_map(change.get("before"));
        }
        found.push(one);
    }
    for (address, entry) in &changes {
        let Some(change) = entry.get("change").filter(|change| is_map(change.get("after"))) else { continue };
        let Some(values) = change.get("after").filter(|_| !seen.contains(address)) else { continue };
        if let Some(mut one) = instance(entry, values) {
            seen.insert(one.address);
            one.unknown = change.get("after_unknown");
            one.sensitive = change.get("after_sensitive");
            one.exists = is_map(change.get("before"));
            found.push(one);
        }
    }
    // Data that was read while planning stands nowhere else.
    let mut prior = Vec::new();
    resources(root.at(&["prior_state", "values", "root_module"]), &mut prior);
    for entry in prior {
        let Some(one) = entry.get("values").and_then(|values| instance(entry, values)) else { continue };
        if one.data && seen.insert(one.address) {
            found.push(one);
        }
    }
    found
}

fn before(root: &Node) -> Vec<Instance<'_>> {
    let changes = root.get("resource_changes").map(Node::elements).unwrap_or_default();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for entry in changes.iter().filter(|entry| entry.text_at(&["deposed"]).is_none()) {
        let Some(values) = entry.at(&["change", "before"]).filter(|values| values.is_map()) else { continue };
        if let Some(mut one) = instance(entry, values)
            && seen.insert(one.address)
        {
            one.sensitive = entry.at(&["change", "before_sensitive"]);
            one.exists = true;
            found.push(one);
        }
    }
    found
}

/// Whether a mark of `after_unknown` or `after_sensitive` is over the whole value.
pub(super) fn marked(mark: Option<&Node>) -> bool {
    matches!(mark.map(|mark| &mark.tree), Some(Tree::Bool(true)))
}
