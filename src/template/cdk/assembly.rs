//! All stacks of an assembly as one source.
//!
//! In: stacks with their templates. Out: what they declare together. Values flow between stacks in four ways, and each
//! is followed: exports to imports, parameters and outputs of nested stacks, outputs that other stacks ask for (weak
//! references of the CDK), and the parameters through which CDK passes values to another Region. Literal names need
//! nothing: they meet by value.

use std::collections::{BTreeMap, BTreeSet};

use super::super::cloudformation::{Ordinals, Resolved, Template, stack_output};
use super::super::hole::Holes;
use super::super::node::{Entry, Node, Tree};
use super::super::source::{Assignment, Choice, Place, Raw, Source};
use super::names::Names;
use super::nested;
use super::reader::{self, Stack, mentions};

/// What CDK writes into the other Region, and reads there.
const WRITER: &str = "Custom::CrossRegionExportWriter";
const READER: &str = "Custom::CrossRegionExportReader";

/// How often one declaration may resolve templates: an assembly that does not settle is not worth more.
const MOST_RESOLVED: usize = 4_000;

/// Choices that all stacks share, because all are deployed from one place.
const SHARED: &[&str] = &["AWS::Region", "AWS::AccountId", "AWS::Partition", "AWS::URLSuffix"];

/// Types whose tags are a list of `Key` and `Value`, and that controls know tags of.
const TAGGED: &[&str] = &[
    "AWS::CodePipeline::Pipeline",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::CodeBuild::Project",
    "AWS::S3::Bucket",
    "AWS::KMS::Key",
    "AWS::IAM::Role",
    "AWS::ECR::Repository",
    "AWS::CodeCommit::Repository",
    "AWS::SecretsManager::Secret",
];

/// A cloud assembly.
#[derive(Debug)]
pub(super) struct Assembly {
    /// In an order in which every stack comes after those that it depends on.
    stacks: Vec<Deployed>,
    templates: BTreeMap<String, reader::Template>,
    choices: Vec<Choice>,
    names: Names,
    /// Whether any template asks for outputs of other stacks.
    asks: bool,
}

/// A stack, ready to be resolved.
#[derive(Debug)]
struct Deployed {
    id: String,
    stack: Stack,
    template: Template,
    /// Whether values of other stacks come in.
    imports: bool,
    /// Names of its choices as the assembly words them, by its own names.
    worded: BTreeMap<String, String>,
}

/// Values that stacks give to others.
#[derive(Debug, Default, PartialEq)]
struct Given {
    /// Exports by account and Region.
    exports: BTreeMap<(String, String), BTreeMap<String, Node>>,
    /// Outputs, exported or not, by [`stack_output`].
    outputs: BTreeMap<String, Node>,
    /// Values that were written into another Region, by the name of the parameter.
    written: BTreeMap<String, Node>,
}

/// What one declaration has spent, and said.
struct Spending {
    resolved: usize,
    ordinals: Ordinals,
}

impl Assembly {
    /// `parameters` are values from outside: `Name=…` for every stack that has it, `Stack:Name=…` for one.
    pub(super) fn new(
        stacks: Vec<Stack>,
        templates: BTreeMap<String, reader::Template>,
        parameters: &BTreeMap<String, String>,
    ) -> Self {
        let mut names = Names::default();
        let asks = templates
            .values()
            .any(|template| mentions(&template.document.root, "Fn::GetStackOutput", "GetStackOutput"));
        let stacks = in_order(stacks).into_iter().enumerate().filter_map(|(number, stack)| {
            let document = &templates.get(&stack.template)?.document;
            let mut given = stack.parameters.clone();
            given.extend(parameters.iter().map(owned));
            let own = parameters.iter().filter_map(|(name, value)| {
                let name = name.strip_prefix(stack.name.as_str())?.strip_prefix(':')?;
                Some((name.to_owned(), value.clone()))
            });
            given.extend(own);
            let id = number.to_string();
            names.take(&id, &stack.name, &stack.template, &templates, &mut Vec::new());
            let template = Template::of(document, &given, &stack.place, Some(stack.name.clone()));
            let template = template.told_apart(names.prefixes(&id));
            let imports = mentions(&document.root, "Fn::ImportValue", "ImportValue");
            let reads = document.root.get("Resources").map(Node::entries).unwrap_or_default();
            let reads = reads.iter().any(|entry| entry.value.text_at(&["Type"]) == Some(READER));
            Some(Deployed { id, stack, template, imports: imports || reads || asks, worded: BTreeMap::new() })
        });
        let stacks = stacks.collect();
        let mut assembly = Self { stacks, templates, choices: Vec::new(), names, asks };
        assembly.word_choices();
        assembly
    }

    /// The union of all choices. Parameters of one name in several stacks are different ones, so each gets the name of its
    /// stack, as `cdk deploy --parameters` takes it.
    fn word_choices(&mut self) {
        let of_stacks: Vec<Vec<Choice>> = self.stacks.iter().map(|deployed| deployed.template.choices()).collect();
        let mut used: BTreeMap<&str, usize> = BTreeMap::new();
        for choice in of_stacks.iter().flatten() {
            *used.entry(choice.name.as_str()).or_default() += 1;
        }
        let mut all: Vec<Choice> = Vec::new();
        for (deployed, choices) in self.stacks.iter_mut().zip(&of_stacks) {
            for choice in choices {
                let shared = SHARED.contains(&choice.name.as_str());
                let alone = used.get(choice.name.as_str()).is_none_or(|count| *count < 2);
                let name = if shared || alone {
                    choice.name.clone()
                } else {
                    format!("{}:{}", deployed.stack.name, choice.name)
                };
                deployed.worded.insert(choice.name.clone(), name.clone());
                match all.iter_mut().find(|known| known.name == name) {
                    Some(known) => {
                        let more = choice.values.iter().filter(|value| !known.values.contains(value));
                        let more: Vec<String> = more.cloned().collect();
                        known.values.extend(more);
                    }
                    None => all.push(Choice { name, ..choice.clone() }),
                }
            }
        }
        self.choices = all;
    }
}

fn owned((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}

impl Source for Assembly {
    fn choices(&self) -> Vec<Choice> {
        self.choices.clone()
    }

    fn declare(&self, assignment: &Assignment, holes: &mut Holes) -> Vec<Raw> {
        let mut spending = Spending { resolved: 0, ordinals: Ordinals::default() };
        let mut given = Given::default();
        let mut resolved: Vec<Resolved> = Vec::new();
        for deployed in &self.stacks {
            let one = self.deployed(deployed, assignment, &given, holes, &mut spending);
            given.take(deployed, &one);
            resolved.push(one);
        }
        // In the order of dependencies once is enough; where the order is not told, imports catch up.
        for _ in 0..self.stacks.len() {
            let mut changed = false;
            for (deployed, known) in self.stacks.iter().zip(resolved.iter_mut()).filter(|(one, _)| one.imports) {
                let again = self.deployed(deployed, assignment, &given, holes, &mut spending);
                if again.raws != known.raws || again.exports != known.exports || again.outputs != known.outputs {
                    given.take(deployed, &again);
                    *known = again;
                    changed = true;
                }
            }
            if !changed || spending.resolved >= MOST_RESOLVED {
                break;
            }
        }
        let mut raws = Vec::new();
        for (deployed, resolved) in self.stacks.iter().zip(resolved) {
            let tagged = |mut raw: Raw| {
                tag(&mut raw, &deployed.stack.tags);
                raw
            };
            raws.extend(resolved.raws.into_iter().map(tagged));
        }
        told_apart(&mut raws);
        raws
    }
}

impl Assembly {
    fn deployed(
        &self,
        deployed: &Deployed,
        assignment: &Assignment,
        given: &Given,
        holes: &mut Holes,
        spending: &mut Spending,
    ) -> Resolved {
        let named = |(own, worded): (&String, &String)| Some((own.clone(), assignment.get(worded)?.clone()));
        let mut own: Assignment = deployed.worded.iter().filter_map(named).collect();
        // A nested stack may ask for what its parent does not.
        for name in SHARED {
            if let Some(value) = assignment.get(*name) {
                own.entry((*name).to_owned()).or_insert_with(|| value.clone());
            }
        }
        let mut imports = given.imports(&deployed.stack.place);
        if self.asks {
            imports.extend(given.outputs.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        let values = Values { assignment: &own, imports: &imports, given };
        let stack = Instance {
            id: &deployed.id,
            path: &deployed.stack.template,
            template: &deployed.template,
            place: &deployed.stack.place,
            name: &deployed.stack.name,
        };
        self.instance(&stack, &values, holes, &mut Vec::new(), spending)
    }

    /// Resolves a stack and everything nested in it, until their values have met.
    fn instance(
        &self,
        stack: &Instance<'_>,
        values: &Values<'_>,
        holes: &mut Holes,
        above: &mut Vec<String>,
        spending: &mut Spending,
    ) -> Resolved {
        spending.resolved += 1;
        let mut resolved = stack.template.resolve(values.assignment, values.imports, holes, &mut spending.ordinals);
        let links = self.templates.get(stack.path).map(|template| &template.nested);
        let links: BTreeMap<&str, &str> =
            links.into_iter().flatten().map(|(id, path)| (id.as_str(), path.as_str())).collect();
        if links.is_empty() && values.given.read_by(&resolved.raws).is_empty() {
            return resolved;
        }
        let mut known: BTreeMap<String, Node> = BTreeMap::new();
        let mut children: Vec<Resolved> = Vec::new();
        above.push(stack.path.to_owned());
        // Each round, values come one nested stack further.
        for _ in 0..links.len() + 2 {
            children.clear();
            let mut found = values.given.read_by(&resolved.raws);
            for raw in resolved.raws.iter().filter(|raw| raw.type_name == nested::STACK) {
                let Some(path) = links.get(raw.logical_id.as_str()).copied() else { continue };
                let Some(template) = self.templates.get(path) else { continue };
                if spending.resolved >= MOST_RESOLVED || above.iter().any(|known| known == path) {
                    continue;
                }
                let name = format!("{}-{}", stack.name, raw.logical_id);
                let passed = nested::parameters(raw);
                let id = format!("{}/{}", stack.id, raw.logical_id);
                let child = Template::of(&template.document, &passed, stack.place, Some(name.clone()));
                let child = child.told_apart(self.names.prefixes(&id));
                let child = Instance { id: &id, path, template: &child, place: stack.place, name: &name };
                let child = self.instance(&child, values, holes, above, spending);
                found.extend(nested::attributes(&raw.logical_id, &child.outputs));
                children.push(child);
            }
            if found == known || spending.resolved >= MOST_RESOLVED {
                break;
            }
            let mut imports = values.imports.clone();
            imports.extend(found.iter().map(|(name, value)| (name.clone(), value.clone())));
            known = found;
            spending.resolved += 1;
            resolved = stack.template.resolve(values.assignment, &imports, holes, &mut spending.ordinals);
        }
        above.pop();
        for child in children {
            resolved.raws.extend(child.raws);
            resolved.exports.extend(child.exports);
        }
        resolved
    }
}

/// What comes into a stack from outside.
struct Values<'a> {
    assignment: &'a Assignment,
    imports: &'a BTreeMap<String, Node>,
    given: &'a Given,
}

/// A template as one stack deploys it.
struct Instance<'a> {
    id: &'a str,
    path: &'a str,
    template: &'a Template,
    place: &'a Place,
    name: &'a str,
}

impl Given {
    fn key(place: &Place) -> (String, String) {
        (place.account.as_str().to_owned(), place.region.as_str().to_owned())
    }

    fn take(&mut self, deployed: &Deployed, resolved: &Resolved) {
        let exports = self.exports.entry(Self::key(&deployed.stack.place)).or_default();
        exports.extend(resolved.exports.iter().map(|(name, value)| (name.clone(), value.clone())));
        let (place, stack) = (&deployed.stack.place, deployed.stack.name.as_str());
        let of_stack = |name: &str| stack_output(place.account.as_str(), place.region.as_str(), stack, name);
        self.outputs.extend(resolved.outputs.iter().map(|(name, value)| (of_stack(name), value.clone())));
        for writer in resolved.raws.iter().filter(|raw| raw.type_name == WRITER) {
            let written = writer.properties.at(&["WriterProps", "exports"]).map(Node::entries).unwrap_or_default();
            self.written.extend(written.iter().map(|entry| (entry.key.clone(), entry.value.clone())));
        }
    }

    /// What a stack in that place can import.
    fn imports(&self, place: &Place) -> BTreeMap<String, Node> {
        self.exports.get(&Self::key(place)).cloned().unwrap_or_default()
    }

    /// What `Fn::GetAtt` finds of the readers among these resources: values written for them elsewhere.
    fn read_by(&self, raws: &[Raw]) -> BTreeMap<String, Node> {
        let readers = raws.iter().filter(|raw| raw.type_name == READER);
        readers
            .flat_map(|raw| {
                let named = |(name, value): (&String, &Node)| (format!("{}.{name}", raw.logical_id), value.clone());
                self.written.iter().map(named)
            })
            .collect()
    }
}

/// Every stack after those that it depends on; the order of the manifest otherwise. A circle stays in that order.
fn in_order(stacks: Vec<Stack>) -> Vec<Stack> {
    let mut waiting = stacks;
    let mut ordered: Vec<Stack> = Vec::new();
    while !waiting.is_empty() {
        let open: BTreeSet<(String, String)> = waiting.iter().map(|stack| stack.id.clone()).collect();
        let free = |stack: &Stack| stack.dependencies.iter().all(|id| *id == stack.id || !open.contains(id));
        let (ready, rest): (Vec<Stack>, Vec<Stack>) = waiting.into_iter().partition(free);
        waiting = rest;
        if ready.is_empty() {
            ordered.append(&mut waiting);
        } else {
            ordered.extend(ready);
        }
    }
    ordered
}

/// Gives a resource the tags of its stack that it has not got itself.
fn tag(raw: &mut Raw, tags: &BTreeMap<String, String>) {
    if tags.is_empty() || !TAGGED.contains(&raw.type_name.as_str()) {
        return;
    }
    let own = raw.property("Tags").cloned().unwrap_or_else(|| Node::new(Tree::List(Vec::new()), raw.span));
    let Tree::List(mut listed) = own.tree else { return };
    let missing: Vec<(&String, &String)> =
        tags.iter().filter(|(key, _)| !listed.iter().any(|tag| tag.text_at(&["Key"]) == Some(key.as_str()))).collect();
    for (key, value) in missing {
        let field = |name: &str, text: &str| Entry {
            key: name.to_owned(),
            key_span: raw.span,
            value: Node::text(text, raw.span),
        };
        listed.push(Node::new(Tree::Map(vec![field("Key", key), field("Value", value)]), raw.span));
    }
    raw.set("Tags", Node::new(Tree::List(listed), own.span));
}

/// A template that is deployed several times declares the same ids each time: the later ones are named after their stack.
fn told_apart(raws: &mut [Raw]) {
    let mut seen: BTreeSet<(std::sync::Arc<str>, String)> = BTreeSet::new();
    for raw in raws {
        let mut id = raw.logical_id.clone();
        if !seen.insert((raw.file.clone(), id.clone())) {
            id = format!("{}/{id}", raw.stack.as_deref().unwrap_or_default());
            let mut number = 2_usize;
            while !seen.insert((raw.file.clone(), id.clone())) {
                id = format!("{}#{number}", raw.logical_id);
                number += 1;
            }
            raw.logical_id = id;
        }
    }
}
