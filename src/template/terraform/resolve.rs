//! References of the configuration → what they will be.
//!
//! In: an expression, as `configuration` lists it: the references in it, not what it does with them. Out: a known value, the
//! name or ARN of a resource of the plan, "not set", or "open". References go through variables, outputs and other
//! resources' attributes over any number of modules; steps and depth are bounded, because a hostile plan may lead in
//! circles, and what is not reached within them is open.

use std::cell::Cell;

use super::super::identity;
use super::super::node::{Node, Tree};
use super::address::{ModulePath, Part, longest, names, parts};
use super::places::Locals;
use super::plan::{Instance, Plan, marked};
use super::services::{self, Kind};
use super::whereabouts::Whereabouts;

/// From which module, and as which instance, something is looked at.
#[derive(Debug, Clone)]
pub(super) struct Scope<'p> {
    pub(super) module: ModulePath,
    /// `each.key` or `count.index`.
    pub(super) key: Option<String>,
    /// The expression of `for_each`.
    pub(super) for_each: Option<&'p Node>,
}

/// What an expression comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Meaning {
    /// A value that is known.
    Value(Node),
    /// Known to Terraform, and not worked out here.
    Known,
    /// Null, or a resource that there is no instance of.
    Unset,
    /// The name or ARN of a resource of this type.
    Identity { text: String, type_name: String },
    /// The values of a data source that is read when the plan is applied, by its number.
    Document(usize),
    /// Known after apply.
    Open,
}

/// How deep references are followed.
const DEPTH: usize = 64;
/// How many steps are made over all; one step is about one entry that is looked at.
const STEPS: usize = 20_000_000;
/// More references of one expression are not followed.
const REFERENCES: usize = 64;

pub(super) struct Resolver<'p> {
    pub(super) plan: &'p Plan<'p>,
    pub(super) whereabouts: &'p Whereabouts,
    pub(super) locals: &'p Locals,
    steps: Cell<usize>,
}

impl<'p> Scope<'p> {
    /// As a resource sees it.
    pub(super) fn of(instance: &Instance<'p>) -> Self {
        Self {
            module: instance.module.clone(),
            key: instance.key.clone(),
            for_each: instance.configuration.and_then(|block| block.get("for_each_expression")),
        }
    }
}

impl<'p> Resolver<'p> {
    pub(super) fn new(plan: &'p Plan<'p>, whereabouts: &'p Whereabouts, locals: &'p Locals) -> Self {
        Self { plan, whereabouts, locals, steps: Cell::new(0) }
    }

    fn spend(&self, steps: usize) -> bool {
        self.steps.set(self.steps.get().saturating_add(steps));
        self.steps.get() <= STEPS
    }

    /// What an expression comes to. `wanted` is the attribute that it is for: it tells which of several references a
    /// value is.
    pub(super) fn expression(&self, expression: &'p Node, scope: &Scope<'p>, wanted: &str, depth: usize) -> Meaning {
        if let Some(constant) = expression.get("constant_value") {
            return value(constant);
        }
        let references = references(expression);
        if references.is_empty() {
            return Meaning::Open;
        }
        let meanings = references.iter().map(|reference| self.reference(reference, scope, wanted, depth + 1)).collect();
        one_of(meanings, wanted)
    }

    /// Everything in an expression that is a resource of the plan; `None` if something else in it is open.
    pub(super) fn identities(&self, expression: &'p Node, scope: &Scope<'p>, wanted: &str) -> Option<Vec<String>> {
        let mut found = Vec::new();
        for reference in references(expression) {
            match self.reference(reference, scope, wanted, 0) {
                Meaning::Identity { text, .. } if !found.contains(&text) => found.push(text),
                Meaning::Open | Meaning::Document(_) => return None,
                _ => {}
            }
        }
        Some(found)
    }

    /// What one reference comes to.
    pub(super) fn reference(&self, reference: &str, scope: &Scope<'p>, wanted: &str, depth: usize) -> Meaning {
        if depth > DEPTH || !self.spend(1 + reference.len() / 16) {
            return Meaning::Open;
        }
        let parts = parts(reference);
        let name = |at: usize| parts.get(at).map_or("", |part| part.name.as_str());
        match name(0) {
            "var" => self.variable(name(1), parts.get(2..).unwrap_or_default(), scope, wanted, depth),
            "local" => self.local(name(1), scope, wanted, depth),
            "module" => self.output(&parts, scope, wanted, depth),
            "each" | "count" if matches!(name(1), "key" | "index") => Meaning::Known,
            "each" => self.each(parts.get(2..).unwrap_or_default(), scope, wanted, depth),
            "path" | "terraform" => Meaning::Known,
            "data" => self.resource(parts.get(1..).unwrap_or_default(), true, scope, wanted, depth),
            _ => self.resource(&parts, false, scope, wanted, depth),
        }
    }

    fn variable(&self, name: &str, rest: &[Part], scope: &Scope<'p>, wanted: &str, depth: usize) -> Meaning {
        let Some(module) = self.plan.module(&scope.module) else { return Meaning::Open };
        let declared = module.variables.get(name);
        if declared.and_then(|variable| variable.get("sensitive")).is_some_and(|flag| marked(Some(flag))) {
            return Meaning::Open;
        }
        let default = || match declared.map(|variable| variable.get("default")) {
            Some(Some(default)) => within(default, rest),
            Some(None) => Meaning::Unset,
            None => Meaning::Open,
        };
        let Some((last, callers)) = scope.module.split_last() else {
            let given = self.plan.root.at(&["variables", name]).and_then(|variable| variable.get("value"));
            return given.map_or_else(default, |given| within(given, rest));
        };
        let call = self.plan.module(callers).and_then(|module| module.calls.get(last.name.as_str()).copied());
        let Some(expression) = call.and_then(|call| call.at(&["expressions", name])) else { return default() };
        if let Some(constant) = expression.get("constant_value") {
            return within(constant, rest);
        }
        let caller = Scope {
            module: callers.to_vec(),
            key: last.key.clone(),
            for_each: call.and_then(|call| call.get("for_each_expression")),
        };
        self.expression(expression, &caller, wanted, depth)
    }

    /// Plans do not hold locals; the files beside them do.
    fn local(&self, name: &str, scope: &Scope<'p>, wanted: &str, depth: usize) -> Meaning {
        let Some(references) = self.locals.get(&(names(&scope.module), name.to_owned())) else { return Meaning::Open };
        if references.is_empty() {
            return Meaning::Known;
        }
        let references: Vec<&str> = references.iter().map(String::as_str).take(REFERENCES).collect();
        let meanings =
            longest(&references).into_iter().map(|one| self.reference(one, scope, wanted, depth + 1)).collect();
        one_of(meanings, wanted)
    }

    fn output(&self, parts: &[Part], scope: &Scope<'p>, wanted: &str, depth: usize) -> Meaning {
        let (Some(called), Some(output)) = (parts.get(1), parts.get(2)) else { return Meaning::Open };
        let keys = self.plan.keys_of(&scope.module, &called.name);
        let one = || keys.filter(|keys| keys.len() == 1).and_then(|keys| keys.first().cloned());
        let same = || Some(scope.key.clone()).filter(|key| keys.is_some_and(|keys| keys.contains(key)));
        let key = match &called.key {
            Some(key) => Some(Some(key.clone())),
            None if keys.is_none_or(|keys| keys.contains(&None)) => Some(None),
            None => same().or_else(one),
        };
        let Some(key) = key else { return Meaning::Open };
        let mut module = scope.module.clone();
        module.push(Part { name: called.name.clone(), key });
        let expression = self.plan.module(&module).and_then(|module| module.outputs.get(output.name.as_str()).copied());
        let Some(expression) = expression.and_then(|output| output.get("expression")) else { return Meaning::Open };
        self.expression(expression, &Scope { module, key: None, for_each: None }, wanted, depth)
    }

    /// `each.value` of a `for_each` over resources is one of them.
    fn each(&self, rest: &[Part], scope: &Scope<'p>, wanted: &str, depth: usize) -> Meaning {
        let Some(expression) = scope.for_each else { return Meaning::Open };
        if expression.get("constant_value").is_some() {
            return Meaning::Known;
        }
        let meanings: Vec<Meaning> = references(expression)
            .into_iter()
            .map(|over| {
                let mut parts = parts(over);
                if parts.len() == 2
                    && !matches!(parts.first(), Some(part) if part.name == "var" || part.name == "local")
                {
                    if let Some(last) = parts.last_mut() {
                        last.key = last.key.take().or_else(|| scope.key.clone());
                    }
                    parts.extend_from_slice(rest);
                    return self.resource(&parts, false, scope, wanted, depth + 1);
                }
                self.reference(over, scope, wanted, depth + 1)
            })
            .collect();
        one_of(meanings, wanted)
    }

    fn resource(&self, parts: &[Part], data: bool, scope: &Scope<'p>, wanted: &str, depth: usize) -> Meaning {
        let (Some(type_name), Some(named)) = (parts.first(), parts.get(1)) else { return Meaning::Open };
        let plain = format!("{}{}.{}", if data { "data." } else { "" }, type_name.name, named.name);
        let mut found = self.plan.instances_of(&scope.module, &plain);
        let instance = if let Some(key) = &named.key {
            found.find(|one| one.key.as_ref() == Some(key))
        } else {
            let all: Vec<&Instance<'p>> = found.collect();
            let of_key = |key: Option<&String>| all.iter().copied().find(|one| one.key.as_ref() == key);
            match (of_key(None), of_key(scope.key.as_ref()), all.as_slice()) {
                (Some(one), _, _) | (None, Some(one), _) | (None, None, &[one]) => Some(one),
                (None, None, []) => None,
                (None, None, _) => return Meaning::Open,
            }
        };
        let Some(instance) = instance else {
            let declared =
                self.plan.module(&scope.module).is_some_and(|module| module.resources.contains_key(plain.as_str()));
            return if declared && !data { Meaning::Unset } else { Meaning::Open };
        };
        let attribute = parts.get(2).map(|part| part.name.as_str());
        self.attribute(instance, attribute, parts.get(3..).unwrap_or_default(), wanted, depth)
    }

    fn attribute(
        &self,
        instance: &Instance<'p>,
        attribute: Option<&str>,
        rest: &[Part],
        wanted: &str,
        depth: usize,
    ) -> Meaning {
        if !self.spend(instance.values.entries().len()) {
            return Meaning::Open;
        }
        let kind = services::kind_of(instance.type_name).filter(|_| !instance.data);
        let attribute = attribute.unwrap_or_else(|| kind.map_or("", |kind| meant(kind, wanted)));
        let unknown = instance.unknown.and_then(|unknown| unknown.get(attribute));
        if instance.sensitive.is_some_and(|marks| marked(marks.get(attribute)) || marked(Some(marks))) {
            return Meaning::Open;
        }
        if let Some(known) = instance.values.get(attribute).filter(|value| !value.is_null() && !marked(unknown)) {
            if let (Some(_), Some(text)) = (kind, known.as_str()) {
                return Meaning::Identity { text: text.to_owned(), type_name: instance.type_name.to_owned() };
            }
            return within(known, rest);
        }
        if instance.data
            && instance.type_name == "aws_iam_policy_document"
            && matches!(attribute, "json" | "minified_json")
        {
            return Meaning::Document(instance.number);
        }
        if let Some(text) = kind.and_then(|kind| self.identity(instance, kind, attribute)) {
            return Meaning::Identity { text, type_name: instance.type_name.to_owned() };
        }
        // The attribute may be set from another resource's: `bucket` of a bucket's versioning.
        let owner = services::owner_attribute(instance.type_name);
        let through = match attribute {
            "id" => owner.unwrap_or(attribute),
            "target_key_arn" => "target_key_id",
            other => other,
        };
        let expression = instance.configuration.and_then(|block| block.get("expressions")?.get(through));
        match expression {
            Some(expression) => self.expression(expression, &Scope::of(instance), wanted, depth + 1),
            None => Meaning::Open,
        }
    }

    /// What an attribute is that only AWS gives, if it is the resource's name or ARN.
    fn identity(&self, instance: &Instance<'p>, kind: &Kind, attribute: &str) -> Option<String> {
        let place = self.whereabouts.place(self.plan, instance);
        let name = self.whereabouts.name(self.plan, instance, kind);
        let type_name = kind.cloudformation;
        match attribute {
            "arn" => Some(identity::uid(type_name, &name, &place)),
            "id" if kind.id_is_arn => Some(identity::uid(type_name, &name, &place)),
            "id" => Some(name),
            "repository_url" => {
                let (account, region) = (place.account.as_str(), place.region.as_str());
                Some(format!("{account}.dkr.ecr.{region}.amazonaws.com/{name}"))
            }
            other if other == kind.name || matches!(other, "name" | "key_id") => Some(name),
            _ => None,
        }
    }
}

/// The attribute that a reference to a whole resource must mean.
fn meant(kind: &Kind, wanted: &str) -> &'static str {
    if wanted.contains("arn") || wanted.contains("Arn") {
        "arn"
    } else if kind.id_is_arn {
        "id"
    } else {
        kind.name
    }
}

fn references(expression: &Node) -> Vec<&str> {
    let all = expression.get("references").map(Node::elements).unwrap_or_default();
    let texts: Vec<&str> = all.iter().filter_map(Node::as_str).take(REFERENCES).collect();
    longest(&texts)
}

fn value(node: &Node) -> Meaning {
    if node.is_null() { Meaning::Unset } else { Meaning::Value(node.clone()) }
}

/// A value inside a known one.
fn within(node: &Node, rest: &[Part]) -> Meaning {
    let mut at = node;
    for part in rest {
        match at.get(&part.name) {
            Some(inner) => at = inner,
            None => return Meaning::Known,
        }
    }
    match &at.tree {
        Tree::Null => Meaning::Unset,
        _ => Meaning::Value(at.clone()),
    }
}

/// Which one of several meanings a value has: what is known cannot be all of a value that is not.
fn one_of(meanings: Vec<Meaning>, wanted: &str) -> Meaning {
    let single = meanings.len() == 1;
    let mut known = None;
    let mut unset = false;
    let mut open = false;
    let mut documents: Vec<usize> = Vec::new();
    let mut identities: Vec<(String, String)> = Vec::new();
    for meaning in meanings {
        match meaning {
            Meaning::Open => open = true,
            Meaning::Unset => unset = true,
            Meaning::Identity { text, type_name } => {
                if !identities.iter().any(|(known, _)| *known == text) {
                    identities.push((text, type_name));
                }
            }
            Meaning::Document(number) if !documents.contains(&number) => documents.push(number),
            other => known = Some(other),
        }
    }
    if identities.len() > 1 || open {
        identities.retain(|(_, type_name)| services::fits(wanted, type_name));
        if identities.len() != 1 {
            return Meaning::Open;
        }
    }
    match (identities.pop(), documents.pop()) {
        (Some((text, type_name)), None) => Meaning::Identity { text, type_name },
        (None, Some(number)) if documents.is_empty() => Meaning::Document(number),
        (Some(_) | None, Some(_)) => Meaning::Open,
        (None, None) => match known {
            Some(known) if single => known,
            Some(_) => Meaning::Known,
            None if unset => Meaning::Unset,
            None => Meaning::Open,
        },
    }
}
