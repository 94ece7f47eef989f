//! What is deployed and what is declared have one shape: everything that the audit collects of the simulated organization
//! is written down as a template would declare it, shaped, and compared.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use aws_smithy_types::retry::RetryConfig;
use pipewarden::audit::{Collection, Silent};
use pipewarden::collect::CallGate;
use pipewarden::config::{Config, Written};
use pipewarden::facts::{Joins, Subject, subjects};
use pipewarden::inventory::{Inventory, Partition, Resource, Span, TypeName};
use pipewarden::organization::Sessions;
use pipewarden::run::{Plan, RunDirectory, RunId};
use pipewarden::simulate::{CONFIGURATION, Simulation, SimulationOptions, SimulationServer};
use pipewarden::template::{Holes, Node, Place, Raw, identity, shape};
use serde_json::{Map, Value, json};

use crate::{hosts, loopback};

/// Types that a template declares, each with the properties that only a deployed resource has.
const TYPES: &[(TypeName, &[&str])] = &[
    (TypeName::ALARM, &["StateValue", "StateUpdatedTimestamp", "StateTransitionedTimestamp"]),
    (TypeName::APPLICATION, &[]),
    (TypeName::BUCKET, &[]),
    (TypeName::COMPOSITE_ALARM, &["StateValue", "StateUpdatedTimestamp", "StateTransitionedTimestamp"]),
    (TypeName::DEPLOYMENT_CONFIG, &[]),
    (TypeName::DEPLOYMENT_GROUP, &[]),
    (TypeName::IMAGE_REPOSITORY, &["RegistryScanningConfiguration", "SigningConfiguration"]),
    (TypeName::KEY, &[]),
    (TypeName::NOTIFICATION_RULE, &[]),
    (TypeName::PIPELINE, &["Version"]),
    (TypeName::PROJECT, &["Created", "LastBuildStartTime", "LastBuildStatus", "LastBuildReportArns"]),
    (TypeName::ROLE, &[]),
    (TypeName::TRAIL, &[]),
    (TypeName::WEBHOOK, &[]),
];

async fn collect(simulation: &Simulation, config: &Config, run: &RunDirectory) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = SimulationServer::start(Arc::new(simulation.clone()), address).await.unwrap();
    let sdk = loopback::config(&server.endpoint_url(), loopback::credentials(), "us-east-1", RetryConfig::standard());
    let home = Partition::Aws.default_region();
    let gate = CallGate::new(config.audit.concurrency).with_hosts(hosts::open(&server.hosts(), |_| {}));
    let sessions =
        Sessions::new(sdk, simulation.management_account(), Partition::Aws, home, config.audit.sessions.clone(), gate);
    let collection = Collection { sessions: &sessions, options: &config.audit, run, progress: &Silent };
    collection.complete().await.unwrap();
    server.stop().await;
}

/// Everything of the types above that the audit collects, by account.
fn collected(config: &Config) -> Vec<Vec<Resource>> {
    let options = SimulationOptions { accounts: 6, denials: false, limits: false, ..SimulationOptions::default() };
    let simulation = Simulation::new(options.clone());
    let directory = tempfile::tempdir().unwrap();
    let plan = Plan::new(RunId::at(options.now).unwrap(), json!({}), options.seed);
    let run = RunDirectory::create(directory.path(), plan).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(collect(&simulation, config, &run));
    let accounts = run.accounts().unwrap().into_iter().map(|account| {
        let mut inventory = run.read_inventory(Some(&account), "inventory").unwrap();
        if run.has_account(&account, "referenced") {
            inventory.absorb(run.read_inventory(Some(&account), "referenced").unwrap());
        }
        inventory.normalise();
        let own = |resource: &Resource| resource.account == account && resource.unseen.is_empty();
        let declared = |resource: &Resource| {
            let is = |name: &str, value: &str| resource.properties.get(name).is_some_and(|said| said == value);
            let is_declarable = !is("KeyManager", "AWS") && !is("KeyState", "PendingDeletion");
            is_declarable && TYPES.iter().any(|(name, _)| *name == resource.type_name)
        };
        inventory.resources.into_iter().filter(|resource| own(resource) && declared(resource)).collect()
    });
    accounts.collect()
}

/// The scripts that an inventory has dropped, as far as it still says what they do.
fn script(commands: &Value, checks: &Value) -> Vec<String> {
    let deploys = commands.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let checks = checks.as_array().into_iter().flatten().map(|check| {
        let name = check["Name"].as_str().unwrap();
        match check.get("Stops") {
            Some(Value::Bool(false)) => format!("{name} || true"),
            // What makes the programs fail that do not by themselves.
            _ => format!("{name} --error --exit-code 1 --fail"),
        }
    });
    deploys.chain(checks).collect()
}

/// A value as somebody might have written it before it was redacted.
fn unredacted(value: &mut Value) {
    match value {
        Value::String(text) if text == "redacted" => "plain".clone_into(text),
        Value::String(text) if text == "redacted:secret-like" => "AKIAIOSFODNN7EXAMPLE".clone_into(text),
        Value::String(text) => *text = text.replace("\"redacted:secret-like\"", "\"AKIAIOSFODNN7EXAMPLE\""),
        Value::Array(items) => items.iter_mut().for_each(unredacted),
        Value::Object(fields) => fields.values_mut().for_each(unredacted),
        _ => {}
    }
}

/// What a template would declare so that this resource is deployed.
fn declaration(resource: &Resource, number: usize) -> Vec<Raw> {
    let mut properties = resource.properties.clone();
    let mut companions: Vec<(&str, Value)> = Vec::new();
    let type_name = resource.type_name.as_str();
    let uid = resource.uid.as_str();
    if type_name == "AWS::S3::Bucket"
        && let Some(document) = properties.remove("PolicyDocument")
    {
        let policy = json!({"Bucket": properties["BucketName"], "PolicyDocument": document.to_string()});
        companions.push(("AWS::S3::BucketPolicy", policy));
    }
    if type_name == "AWS::S3::Bucket"
        && ["OwnershipControls", "PublicAccessBlockConfiguration"].iter().any(|name| !properties.contains_key(*name))
    {
        // A bucket from before AWS closed new ones; a list for others keeps the shape from closing it.
        properties.insert("AccessControl".to_owned(), json!("LogDeliveryWrite"));
    }
    if type_name == "AWS::KMS::Key" {
        for alias in properties.remove("Aliases").and_then(|list| list.as_array().cloned()).unwrap_or_default() {
            companions.push(("AWS::KMS::Alias", json!({"AliasName": alias, "TargetKeyId": uid})));
        }
        properties.remove("KeyManager");
        let enabled = properties.remove("KeyState").is_none_or(|state| state != "Disabled");
        properties.insert("Enabled".to_owned(), json!(enabled));
    }
    if type_name == "AWS::IAM::Role" {
        for policy in
            properties.remove("AttachedPolicies").and_then(|list| list.as_array().cloned()).unwrap_or_default()
        {
            let name = policy["PolicyArn"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            let managed = json!({"ManagedPolicyName": name, "PolicyDocument": policy["PolicyDocument"]});
            companions.push(("AWS::IAM::ManagedPolicy", managed));
        }
        properties.remove("PermissionsBoundaryDocument");
    }
    if type_name == "AWS::CodeBuild::Project" {
        let lines = script(
            &properties.remove("DeployCommands").unwrap_or_default(),
            &properties.remove("CheckCommands").unwrap_or_default(),
        );
        let source = properties.get_mut("Source");
        if let Some(source) = source.filter(|source| source["BuildSpec"] == "inline") {
            let lines: Vec<String> = lines.iter().map(|line| format!("      - {line}\n")).collect();
            source["BuildSpec"] = json!(format!("version: 0.2\nphases:\n  build:\n    commands:\n{}", lines.concat()));
        }
        properties.remove("LocationUserInfo");
    }
    if type_name == "AWS::CodePipeline::Pipeline" {
        let stages = properties.get_mut("Stages").and_then(Value::as_array_mut).into_iter().flatten();
        let actions = stages.filter_map(|stage| stage.get_mut("Actions")?.as_array_mut()).flatten();
        for action in actions.filter_map(Value::as_object_mut) {
            if let (Some(commands), Some(checks)) = (action.remove("Commands"), action.remove("CheckCommands")) {
                action.insert("Commands".to_owned(), json!(script(&commands, &checks)));
            }
            // Templates write numbers as text, and text as numbers.
            if let Some(order) = action.get_mut("RunOrder") {
                *order = json!(order.to_string());
            }
        }
    }
    let mut properties = Value::Object(properties);
    unredacted(&mut properties);
    let tags: Vec<Value> = resource.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    properties["Tags"] = json!(tags);
    let raw = |type_name: &str, logical_id: String, properties: Value| {
        let named = identity::naming_property(type_name).and_then(|name| properties.get(name)).and_then(Value::as_str);
        Raw {
            type_name: type_name.to_owned(),
            name: identity::name(&logical_id, named),
            logical_id,
            file: "template.yaml".into(),
            span: Span::default(),
            construct_path: None,
            place: Place::new(Some(resource.account.clone()), Some(resource.region.clone())),
            stack: None,
            properties: Node::from_value(&properties, Span::default()),
            more: None,
        }
    };
    let mut own = raw(type_name, format!("R{number}"), properties);
    // Their ARNs hold an id and not the name.
    if ["AWS::KMS::Key", "AWS::CodeStarNotifications::NotificationRule"].contains(&type_name) {
        uid.rsplit('/').next().unwrap().clone_into(&mut own.name);
    }
    let beside = companions
        .into_iter()
        .enumerate()
        .map(|(nth, (type_name, properties))| raw(type_name, format!("R{number}C{nth}"), properties));
    std::iter::once(own).chain(beside).collect()
}

fn without(properties: &Map<String, Value>, names: &BTreeSet<&str>) -> BTreeMap<String, Value> {
    let kept = properties.iter().filter(|(name, _)| !names.contains(name.as_str()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn facts(resources: &[Resource], config: &Config) -> BTreeMap<String, Subject> {
    let now = SimulationOptions::default().now;
    let mut joins = Joins::new(config.rules.clone(), now, 7);
    let inventory = Inventory { resources: resources.to_vec(), ..Inventory::default() };
    joins.index(&inventory);
    joins.finish();
    subjects(&inventory, &joins).into_iter().map(|subject| (subject.uid.to_string(), subject)).collect()
}

#[test]
fn live_and_declared_give_the_same_properties_and_facts() {
    let config = toml::from_str::<Written>(CONFIGURATION).unwrap().resolve("test").unwrap();
    let mut compared: BTreeMap<String, usize> = BTreeMap::new();
    let mut facts_compared = 0;
    let mut differences = BTreeSet::new();
    for live in collected(&config) {
        let raws: Vec<Raw> =
            live.iter().enumerate().flat_map(|(number, resource)| declaration(resource, number)).collect();
        let declared = shape::declared(&raws, &Holes::default());
        let by_uid: BTreeMap<&str, &Resource> =
            declared.iter().map(|one| (one.resource.uid.as_str(), &one.resource)).collect();
        let mut pairs = Vec::new();
        for resource in &live {
            let type_name = resource.type_name.as_str();
            let Some(found) = by_uid.get(resource.uid.as_str()) else {
                // Other accounts name it, and their templates would declare what names it.
                continue;
            };
            let state = TYPES.iter().find(|(name, _)| *name == resource.type_name).map(|(_, state)| *state);
            let mut ignored: BTreeSet<&str> = state.into_iter().flatten().copied().collect();
            ignored.extend(found.unseen.keys().map(String::as_str));
            let mut live = resource.properties.clone();
            live.get_mut("Triggers").and_then(Value::as_object_mut).map(|triggers| triggers.remove("ManualCreation"));
            for target in live.get_mut("Targets").and_then(Value::as_array_mut).into_iter().flatten() {
                target.as_object_mut().and_then(|target| target.remove("TargetStatus"));
            }
            let (is, should) = (without(&found.properties, &ignored), without(&live, &ignored));
            for name in is.keys().chain(should.keys()).collect::<BTreeSet<_>>() {
                if is.get(name) != should.get(name) {
                    let said = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
                    differences.insert(format!(
                        "{type_name} {name}: live {}, declared {}",
                        said(should.get(name)),
                        said(is.get(name))
                    ));
                }
            }
            assert_eq!(found.tags.len(), resource.tags.len(), "{}", resource.uid);
            *compared.entry(type_name.to_owned()).or_default() += 1;
            pairs.push(((*found).clone(), resource.clone()));
        }
        let (declared, live): (Vec<Resource>, Vec<Resource>) = pairs.into_iter().unzip();
        let (declared, live) = (facts(&declared, &config), facts(&live, &config));
        for (uid, subject) in &live {
            // Where a pipeline comes from is what differs.
            for (name, value) in subject.facts.known.iter().filter(|(name, _)| *name != "provenance") {
                let Some(found) = declared[uid].facts.known.get(name) else { continue };
                facts_compared += 1;
                if found != value {
                    differences.insert(format!("{uid} {name}: live {value:?}, declared {found:?}"));
                }
            }
        }
    }
    let few: Vec<&String> = differences.iter().take(40).collect();
    assert!(few.is_empty(), "{} differences: {few:#?}", differences.len());
    for (type_name, _) in TYPES {
        assert!(compared.contains_key(type_name.as_str()), "no {type_name} was compared: {compared:?}");
    }
    assert!(facts_compared > 1_000, "{facts_compared}");
}
