//! What is open in a template never leads to a wrong answer.
//!
//! Real resources of a simulated organization lose one value at a time, as a parameter without a value would take it. A
//! fact that is still known must be the one that the real value gives.

use std::collections::{BTreeMap, BTreeSet};

use pipewarden::check::Check;
use pipewarden::evaluate::Policies;
use pipewarden::facts::{Fact, Subject};
use pipewarden::inventory::{AccountId, Inventory, Position, Resource, Span, TypeName};
use pipewarden::run::{INVENTORY, Plan, REFERENCED, RunDirectory, RunId};
use pipewarden::simulate::{Simulation, SimulationOptions};
use pipewarden::template::{DeclaredResource, Holes, Place};
use serde_json::{Value, json};

use crate::audit::{collect, configuration};

/// The expression of the hole: it names an environment, so that words in names count.
const EXPRESSION: &str = "EnvName";

fn accounts() -> Vec<(AccountId, Vec<Resource>)> {
    let options = SimulationOptions { accounts: 9, denials: false, limits: false, ..SimulationOptions::default() };
    let directory = tempfile::tempdir().unwrap();
    let plan = Plan::new(RunId::at(options.now).unwrap(), json!({}), options.seed);
    let run = RunDirectory::create(directory.path(), plan).unwrap();
    let simulation = Simulation::new(options);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(collect(&simulation, &configuration(), &run));
    let mut found = Vec::new();
    for account in run.accounts().unwrap() {
        let mut inventory: Inventory = run.read_inventory(Some(&account), INVENTORY).unwrap();
        if run.has_part(Some(&account), REFERENCED) {
            inventory.absorb(run.read_inventory(Some(&account), REFERENCED).unwrap());
        }
        inventory.resources.retain(|resource| resource.account == account && resource.type_name != TypeName::POLICY);
        found.push((account, inventory.resources));
    }
    found
}

fn declared(resources: &[Resource]) -> Vec<DeclaredResource> {
    let at = Position { line: 1, column: 1 };
    let one = |resource: &Resource| DeclaredResource {
        resource: resource.clone(),
        id: resource.uid.clone(),
        file: "template.yaml".into(),
        logical_id: "Thing".to_owned(),
        construct_path: None,
        span: Span { start: at, end: at },
        spans: pipewarden::template::Spans::default(),
    };
    resources.iter().map(one).collect()
}

/// Every leaf of a value below the first level: pointers, the key path and the text.
fn leaves(value: &Value, pointer: &str, path: &str, found: &mut Vec<(String, String, Value)>) {
    match value {
        Value::Array(items) => {
            for (nth, item) in items.iter().enumerate() {
                leaves(item, &format!("{pointer}/{nth}"), path, found);
            }
        }
        Value::Object(fields) => {
            for (key, item) in fields {
                let key = key.replace('~', "~0").replace('/', "~1");
                leaves(item, &format!("{pointer}/{key}"), &format!("{path}/{key}"), found);
            }
        }
        leaf => found.push((pointer.to_owned(), path.to_owned(), leaf.clone())),
    }
}

/// Replaces a text everywhere in a value, as a whole or as the name in an ARN.
fn mask(value: &mut Value, real: &str, token: &str) {
    match value {
        Value::String(text) if text == real => token.clone_into(text),
        Value::String(text) if real.len() > 12 && text.contains(real) => *text = text.replace(real, token),
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, real, token)),
        Value::Object(fields) => fields.values_mut().for_each(|item| mask(item, real, token)),
        _ => {}
    }
}

/// A name in an inventory is one thing wherever it stands.
fn is_name(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap();
    ["Name", "Arn", "ARN", "Id", "Location", "Bucket", "Role", "Key", "Address", "KMSMasterKeyID", "Repo"]
        .iter()
        .any(|end| last.ends_with(end))
}

/// Who uses a thing is what the template says: an open name is taken for the name of something else.
const USERS: &[&str] = &["builtBy", "productionPipelines", "releasesToProduction", "usedBy"];

/// The name itself, and the part of an ARN that people say.
fn spoken(text: &str, real: &str) -> String {
    let open = format!("${{{EXPRESSION}}}");
    let text = text.replace(real, &open);
    let short = real.rsplit([':', '/']).next().unwrap();
    if short.len() > 6 && short != real { text.replace(short, &open) } else { text }
}

/// A fact, with an open name in the place of the real one.
fn text(fact: &Fact, real: Option<&str>) -> BTreeSet<String> {
    let told = |text: &String| real.filter(|real| !real.is_empty()).map_or(text.clone(), |real| spoken(text, real));
    match fact {
        Fact::Set(set) => set.iter().map(told).collect(),
        Fact::Text(text) => BTreeSet::from([told(text)]),
        other => BTreeSet::from([format!("{other:?}")]),
    }
}

struct Masked {
    violations: Vec<String>,
    tried: usize,
    unknown: usize,
}

fn sweep(check: &Check<'_>, resources: &[Resource], seen: &mut BTreeMap<String, usize>, out: &mut Masked) {
    let plain = declared(resources);
    let real: BTreeMap<usize, Subject> = check.facts(&plain, &Holes::default()).into_iter().collect();
    for (number, resource) in resources.iter().enumerate() {
        let mut found = Vec::new();
        for (property, value) in &resource.properties {
            let (pointer, path) = (format!("/{property}"), format!("{}/{property}", resource.type_name));
            if value.is_array() || value.is_object() {
                leaves(value, &pointer, &path, &mut found);
            }
        }
        for (pointer, path, value) in found {
            let key = format!("{path}={value}");
            let times = seen.entry(if is_name(&path) { path.clone() } else { key }).or_default();
            *times += 1;
            // Git has no templates, aliases are what others call a thing, and what an open name of a function or project
            // says, its expression says.
            let runs = ["ProjectName", "FunctionName", "StateMachineArn"].iter().any(|key| path.ends_with(key));
            // A value is a secret if its expression says so.
            let secret = path.ends_with("EnvironmentVariables/Value");
            if *times > 2 || secret || runs || path.starts_with("Git::") || path.ends_with("/Aliases") {
                continue;
            }
            let mut holes = Holes::default();
            let at = Position { line: 3, column: 7 };
            let token = holes.token(EXPRESSION, &"template.yaml".into(), Span { start: at, end: at }, "pass it");
            let mut open = plain.clone();
            let text_of = value.as_str().map(str::to_owned);
            if let (true, Some(name)) = (is_name(&path), &text_of) {
                for one in &mut open {
                    one.resource.properties.values_mut().for_each(|value| mask(value, name, &token));
                    if one.resource.uid.as_str() == name {
                        one.resource.uid.0.clone_from(&token);
                    }
                }
            } else {
                let mut all = Value::Object(open[number].resource.properties.clone());
                *all.pointer_mut(&pointer).unwrap() = Value::String(token.clone());
                open[number].resource.properties.clone_from(all.as_object().unwrap());
            }
            out.tried += 1;
            for (which, subject) in check.facts(&open, &holes) {
                let truth = &real[&which].facts;
                out.unknown += subject.facts.unknown.len().saturating_sub(truth.unknown.len());
                for (fact, value) in &subject.facts.known {
                    let Some(known) = truth.known.get(fact) else { continue };
                    // Regions that only other actions name are not tried: the chain tells which stores stand there.
                    let chain = path.ends_with("ArtifactStores/Region") && *fact == "deliveryChain";
                    if chain
                        || USERS.contains(&fact.as_ref()) && (is_name(&path) || path.ends_with("Configuration/Owner"))
                    {
                        continue;
                    }
                    let name = text_of.as_deref().filter(|_| is_name(&path));
                    if text(value, name) != text(known, name) {
                        out.violations.push(format!(
                            "{path} = {} masked: {} {fact} is {value:?}, really {known:?}",
                            text_of.as_deref().unwrap_or("(no text)"),
                            real[&which].type_name
                        ));
                    }
                }
            }
        }
    }
}

#[test]
fn a_masked_value_never_changes_a_fact_that_stays_known() {
    let policies = Policies::load(&Policies::embedded(), &BTreeSet::new()).unwrap();
    let config = configuration();
    let mut out = Masked { violations: Vec::new(), tried: 0, unknown: 0 };
    let mut seen = BTreeMap::new();
    for (account, resources) in accounts() {
        let place = Place::new(Some(account), None);
        let now = SimulationOptions::default().now;
        let check = Check::new(&policies, &config.settings, &config.rules, now, None, &place).unwrap();
        sweep(&check, &resources, &mut seen, &mut out);
    }
    out.violations.sort();
    out.violations.dedup();
    assert!(out.tried > 300, "only {} values were masked", out.tried);
    assert!(
        out.violations.is_empty(),
        "{} of {} masked values ({} facts unknown):\n{}",
        out.violations.len(),
        out.tried,
        out.unknown,
        out.violations.join("\n")
    );
}

/// A masked value that nothing reads leaves everything known, and so does a name that is only a name.
#[test]
fn an_open_value_that_decides_nothing_leaves_every_fact_known() {
    let policies = Policies::load(&Policies::embedded(), &BTreeSet::new()).unwrap();
    let config = configuration();
    let (account, resources) = accounts().into_iter().max_by_key(|(_, resources)| resources.len()).unwrap();
    let place = Place::new(Some(account), None);
    let now = SimulationOptions::default().now;
    let check = Check::new(&policies, &config.settings, &config.rules, now, None, &place).unwrap();
    let plain = declared(&resources);
    let real: BTreeMap<usize, Subject> = check.facts(&plain, &Holes::default()).into_iter().collect();
    let mut holes = Holes::default();
    let at = Position { line: 3, column: 7 };
    let mut open = plain.clone();
    for (number, one) in open.iter_mut().enumerate() {
        let expression = format!("Project{number}");
        let token = holes.token(&expression, &"template.yaml".into(), Span { start: at, end: at }, "pass it");
        one.resource.properties.insert("Comment".to_owned(), json!({"Anything": token}));
        if let Some(stages) = one.resource.properties.get_mut("Stages").and_then(Value::as_array_mut) {
            for action in stages.iter_mut().filter_map(|stage| stage["Actions"].as_array_mut()).flatten() {
                if let Some(name) = action.pointer_mut("/Configuration/TemplatePath") {
                    *name = Value::String(token.clone());
                }
            }
        }
    }
    let facts = check.facts(&open, &holes);
    let mut lost = Vec::new();
    for (which, subject) in facts {
        let known = &real[&which].facts.known;
        lost.extend(
            known
                .keys()
                .filter(|fact| !subject.facts.known.contains_key(*fact))
                .map(|fact| format!("{} {fact}: {:?}", subject.type_name, subject.facts.unknown.get(fact))),
        );
    }
    assert!(lost.is_empty(), "{} resources:\n{}", resources.len(), lost.join("\n"));
}
