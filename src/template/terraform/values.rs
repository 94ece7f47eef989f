//! What a resource will be: its known values, and for the rest what the configuration says.
//!
//! In: an instance with `after`, `after_unknown`, `after_sensitive` and its block of the configuration. Out: one attribute
//! at a time as a tree in Terraform's names, in which references are names and ARNs, and what nobody can know is a hole.
//!
//! An attribute that is unknown and not configured is one that the provider may compute: nobody set it. Blocks made by
//! `dynamic` do not stand in the configuration of a plan, so nothing is concluded from their absence there.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::hole::Holes;
use super::super::node::{Entry, Node, Tree};
use super::address::longest;
use super::plan::{Instance, marked};
use super::policy;
use super::resolve::{Meaning, Resolver, Scope};
use crate::inventory::{REDACTED_SECRET, Span, looks_secret};

/// What the configuration says of a value.
#[derive(Debug, Clone, Copy)]
enum Configured<'p> {
    /// It cannot be told: a dynamic block, or a plan without configuration.
    Hidden,
    /// Nothing: it is not set.
    Not,
    /// By this expression.
    By(&'p Node),
    /// By blocks.
    Blocks(&'p Node),
}

/// Attributes inside of blocks that providers compute where nobody sets them.
const COMPUTED: &[&str] = &["run_order", "region", "namespace", "version", "timeout_in_minutes", "artifact_identifier"];

/// Attributes that are lists, where a whole one is unknown.
const LISTS: &[&str] = &[
    "alarms",
    "alarm_actions",
    "resources",
    "not_resources",
    "identifiers",
    "managed_policy_arns",
    "listener_arns",
    "subnets",
    "security_group_ids",
    "roles",
    "values",
    "event_type_ids",
    "actions",
];

/// More comparisons than these are not made to find the block of the configuration that a value comes from.
const COMPARISONS: usize = 250_000;

const APPLY: &str = "it is known after apply: apply it once and plan again, or give the last audit with --inventory";
const LOCAL: &str = "plans do not hold locals: keep the plan beside its .tf files, or write the reference itself";
const SENSITIVE: &str = "the plan marks it as sensitive, so it is not read; unmark it if it is no secret";

pub(super) struct Values<'r, 'p> {
    pub(super) resolver: &'r Resolver<'p>,
    pub(super) file: Arc<str>,
    pub(super) holes: RefCell<Holes>,
}

struct At<'r, 'p> {
    instance: &'r Instance<'p>,
    scope: Scope<'p>,
    /// The document sources that are being put together, against circles.
    depth: usize,
}

impl<'p> Values<'_, 'p> {
    /// A mapping of some attributes of an instance.
    pub(super) fn attributes<'n>(&self, instance: &Instance<'p>, names: impl Iterator<Item = &'n str>) -> Node {
        self.attributes_at(instance, names, 0)
    }

    pub(super) fn attributes_at<'n>(
        &self,
        instance: &Instance<'p>,
        names: impl Iterator<Item = &'n str>,
        depth: usize,
    ) -> Node {
        let at = At { instance, scope: Scope::of(instance), depth };
        let expressions = instance.configuration.and_then(|block| block.get("expressions"));
        let mut entries: Vec<Entry> = Vec::new();
        for name in names {
            if entries.iter().any(|entry| entry.key == name) {
                continue;
            }
            let mark = |marks: Option<&'p Node>| {
                marks.and_then(|marks| if marked(Some(marks)) { Some(marks) } else { marks.get(name) })
            };
            let entry = instance.values.entry(name);
            let configured = match (instance.configuration, expressions.and_then(|all| all.get(name))) {
                (None, _) => Configured::Hidden,
                (Some(_), Some(one)) if one.elements().is_empty() => Configured::By(one),
                (Some(_), Some(blocks)) => Configured::Blocks(blocks),
                (Some(_), None) => Configured::Not,
            };
            let value = entry.map(|entry| &entry.value);
            // A block that is there and not in the configuration was made by `dynamic`.
            let configured = match configured {
                Configured::Not if value.is_some_and(|value| !value.elements().is_empty()) => Configured::Hidden,
                other => other,
            };
            let sensitive = mark(instance.sensitive);
            let made = self.value(value, mark(instance.unknown), sensitive, configured, &at, name, instance.span);
            if let Some(value) = made {
                let key_span = entry.map_or(instance.span, |entry| entry.key_span);
                entries.push(Entry { key: name.to_owned(), key_span, value });
            }
        }
        Node::new(Tree::Map(entries), instance.span)
    }

    #[expect(clippy::too_many_arguments, reason = "four trees that are walked side by side, and where they stand")]
    fn value(
        &self,
        value: Option<&'p Node>,
        unknown: Option<&'p Node>,
        sensitive: Option<&'p Node>,
        configured: Configured<'p>,
        at: &At<'_, 'p>,
        name: &str,
        near: Span,
    ) -> Option<Node> {
        if marked(unknown) {
            return self.open(configured, at, name, near);
        }
        let value = value?;
        if marked(sensitive) && !value.is_null() {
            return Some(self.sensitive(value, at, name));
        }
        match &value.tree {
            Tree::Map(entries) => {
                let unknown: BTreeMap<&str, &Node> = table(unknown);
                let sensitive = table(sensitive);
                let block = match configured {
                    Configured::Blocks(block) => Some(table(Some(block))),
                    _ => None,
                };
                let below = |key: &str| match (&block, configured) {
                    (Some(block), _) => match block.get(key) {
                        None => Configured::Not,
                        Some(one) if one.elements().is_empty() => Configured::By(one),
                        Some(blocks) => Configured::Blocks(blocks),
                    },
                    (None, other) => other,
                };
                let mut made = Vec::new();
                for entry in entries {
                    let key = entry.key.as_str();
                    let (unknown, sensitive) = (unknown.get(key).copied(), sensitive.get(key).copied());
                    let below = match below(key) {
                        Configured::Not if !entry.value.elements().is_empty() => Configured::Hidden,
                        other => other,
                    };
                    let value = self.value(Some(&entry.value), unknown, sensitive, below, at, key, entry.value.span);
                    made.extend(value.map(|value| Entry { key: entry.key.clone(), key_span: entry.key_span, value }));
                }
                let there: std::collections::BTreeSet<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
                for (key, mark) in unknown.iter().filter(|(key, _)| !there.contains(**key)) {
                    let made_of_mark = self.value(None, Some(mark), None, below(key), at, key, value.span);
                    made.extend(made_of_mark.map(|node| Entry {
                        key: (*key).to_owned(),
                        key_span: value.span,
                        value: node,
                    }));
                }
                Some(Node::new(Tree::Map(made), value.span))
            }
            Tree::List(items) => {
                let made = self.items(items, unknown, sensitive, configured, at, name);
                Some(Node::new(Tree::List(made), value.span))
            }
            _ => Some(value.clone()),
        }
    }

    fn items(
        &self,
        items: &'p [Node],
        unknown: Option<&'p Node>,
        sensitive: Option<&'p Node>,
        configured: Configured<'p>,
        at: &At<'_, 'p>,
        name: &str,
    ) -> Vec<Node> {
        let unknowns = unknown.map(Node::elements).unwrap_or_default();
        let sensitives = sensitive.map(Node::elements).unwrap_or_default();
        let open = unknowns.iter().filter(|mark| marked(Some(mark))).count();
        // The elements of a list of values share one expression.
        let mut identities = match configured {
            Configured::By(expression) if open > 0 => {
                let found = self.resolver.identities(expression, &at.scope, name).unwrap_or_default();
                policy::spread(found, open, name)
            }
            _ => Vec::new(),
        }
        .into_iter();
        let blocks = match configured {
            Configured::Blocks(blocks) => aligned(items, blocks.elements()),
            other => vec![other; items.len()],
        };
        let mut made = Vec::with_capacity(items.len());
        for (index, (item, block)) in items.iter().zip(blocks).enumerate() {
            let mark = unknowns.get(index);
            if marked(mark)
                && let Some(text) = identities.next()
            {
                made.push(Node::text(text, item.span));
                continue;
            }
            made.extend(if marked(mark) {
                self.open_one(block, at, name, item.span)
            } else {
                self.value(Some(item), mark, sensitives.get(index), block, at, name, item.span)
            });
        }
        made
    }

    /// A value that is known after apply.
    fn open(&self, configured: Configured<'p>, at: &At<'_, 'p>, name: &str, near: Span) -> Option<Node> {
        let expression = match configured {
            Configured::Not => return None,
            Configured::Hidden if COMPUTED.contains(&name) => return None,
            Configured::Hidden | Configured::Blocks(_) => return Some(self.hole(None, at, name, near)),
            Configured::By(expression) => expression,
        };
        let listed = LISTS.contains(&name).then(|| self.resolver.identities(expression, &at.scope, name)).flatten();
        // A policy may name a bucket, what is in it, or both.
        let sure = |found: &Vec<String>| !found.is_empty() && !found.iter().any(|text| text.contains(":s3:::"));
        if let Some(found) = listed.filter(sure) {
            let items = found.into_iter().map(|text| Node::text(text, near)).collect();
            return Some(Node::new(Tree::List(items), near));
        }
        self.open_one(configured, at, name, near)
    }

    /// A single value that is known after apply.
    fn open_one(&self, configured: Configured<'p>, at: &At<'_, 'p>, name: &str, near: Span) -> Option<Node> {
        let Configured::By(expression) = configured else { return Some(self.hole(None, at, name, near)) };
        match self.resolver.expression(expression, &at.scope, name, 0) {
            Meaning::Value(node) => Some(moved(node, near)),
            Meaning::Identity { text, .. } => Some(Node::text(text, near)),
            Meaning::Document(number) => {
                let source = self.resolver.plan.instances.get(number);
                let made = source.filter(|_| at.depth < 8).map(|source| policy::document(self, source, at.depth + 1));
                Some(made.map_or_else(|| self.hole(Some(expression), at, name, near), |made| moved(made, near)))
            }
            // Terraform knows everything that it depends on, and still not the value: it is null, for the provider to fill.
            Meaning::Known | Meaning::Unset => None,
            Meaning::Open => Some(self.hole(Some(expression), at, name, near)),
        }
    }

    fn hole(&self, expression: Option<&Node>, at: &At<'_, 'p>, name: &str, near: Span) -> Node {
        let listed = expression.and_then(|one| one.get("references")).map(Node::elements).unwrap_or_default();
        let texts: Vec<&str> = listed.iter().filter_map(Node::as_str).take(64).collect();
        let longest = longest(&texts);
        let module = super::address::written(&at.instance.module);
        let spoken = match longest.as_slice() {
            [one] if module.is_empty() => (*one).to_owned(),
            [one] => format!("{module}.{one}"),
            [] => format!("{}.{name}", at.instance.address),
            several => format!("{}.{name} of {}", at.instance.address, several.join(" and ")),
        };
        let of_local = longest.iter().any(|one| one.starts_with("local."));
        self.token(&spoken, near, if of_local { LOCAL } else { APPLY })
    }

    fn token(&self, spoken: &str, near: Span, hint: &str) -> Node {
        let token = self.holes.borrow_mut().token(spoken, &self.file, near, hint);
        Node::text(token, near)
    }

    /// A value that must not be shown: the word for a secret where one is, else an open value.
    fn sensitive(&self, value: &Node, at: &At<'_, 'p>, name: &str) -> Node {
        if name == "value" || looks_secret(name, "secret") {
            return Node::text(REDACTED_SECRET, value.span);
        }
        self.token(&format!("{}.{name}", at.instance.address), value.span, SENSITIVE)
    }
}

fn table(node: Option<&Node>) -> BTreeMap<&str, &Node> {
    node.map(Node::entries).unwrap_or_default().iter().map(|entry| (entry.key.as_str(), &entry.value)).collect()
}

/// The value at another place, all of it.
pub(super) fn moved(mut node: Node, span: Span) -> Node {
    node.span = span;
    match &mut node.tree {
        Tree::List(items) => {
            for item in items {
                *item = moved(std::mem::replace(item, Node::new(Tree::Null, span)), span);
            }
        }
        Tree::Map(entries) => {
            for entry in entries {
                entry.key_span = span;
                let value = std::mem::replace(&mut entry.value, Node::new(Tree::Null, span));
                entry.value = moved(value, span);
            }
        }
        _ => {}
    }
    node
}

/// The block of the configuration for every value: in order where there are as many, else the next one that does not
/// contradict it. What has none was made by a dynamic block.
fn aligned<'p>(items: &[Node], blocks: &'p [Node]) -> Vec<Configured<'p>> {
    let agrees = |item: &Node, block: &Node| {
        block.entries().iter().all(|entry| {
            let Some(constant) = entry.value.get("constant_value").and_then(Node::scalar) else { return true };
            item.get(&entry.key).and_then(Node::scalar).is_none_or(|value| value == constant)
        })
    };
    if items.len().saturating_mul(blocks.len()) > COMPARISONS {
        return if items.len() == blocks.len() {
            blocks.iter().map(Configured::Blocks).collect()
        } else {
            vec![Configured::Hidden; items.len()]
        };
    }
    let mut used = vec![false; blocks.len()];
    let mut found = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let in_order = blocks.len() == items.len() && blocks.get(index).is_some_and(|block| agrees(item, block));
        let free = |at: &usize| used.get(*at) == Some(&false);
        let at = Some(index).filter(|at| in_order && free(at)).or_else(|| {
            blocks.iter().enumerate().find(|(at, block)| free(at) && agrees(item, block)).map(|(at, _)| at)
        });
        if let Some(used) = at.and_then(|at| used.get_mut(at)) {
            *used = true;
        }
        found.push(at.and_then(|at| blocks.get(at)).map_or(Configured::Hidden, Configured::Blocks));
    }
    found
}
