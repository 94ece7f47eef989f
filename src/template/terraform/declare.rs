//! One side of a plan → resources in CloudFormation's words.
//!
//! In: the instances of a side. Out: [`Raw`]s. Split resources are put into what they belong to; what CloudFormation keeps
//! apart (a bucket's policy) becomes a resource of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::hole::{Holes, whole};
use super::super::identity;
use super::super::node::{Entry, Node, Tree};
use super::super::source::Raw;
use super::address::names;
use super::mapping::{json, mapped};
use super::places::{self, Places};
use super::plan::{Instance, Plan};
use super::resolve::Resolver;
use super::services::{self, Joining, Kind, Split};
use super::values::Values;
use super::whereabouts::Whereabouts;

/// What split resources were there before, as (what they belong to, property): what a bucket itself says of these is
/// only what they made of it.
pub(super) type Parts = BTreeSet<(String, &'static str)>;

/// Everything of one side.
#[derive(Debug, Default)]
pub(super) struct Declared {
    pub(super) raws: Vec<Raw>,
    pub(super) holes: Holes,
    pub(super) parts: Parts,
    /// Types of the delivery path that no table knows.
    pub(super) unknown_types: BTreeSet<String>,
}

/// Properties in attributes of the owner that are a resource of their own in CloudFormation.
const INLINE: &[(&str, &str, &str, &str)] = &[
    ("aws_s3_bucket", "policy", "AWS::S3::BucketPolicy", "Bucket"),
    ("aws_sns_topic", "policy", "AWS::SNS::TopicPolicy", "Topics"),
];

/// What a bucket has after a split resource is deleted.
const LEFT: &[(&str, &str)] = &[
    (
        "PublicAccessBlockConfiguration",
        r#"{"BlockPublicAcls": false, "BlockPublicPolicy": false, "IgnorePublicAcls": false, "RestrictPublicBuckets": false}"#,
    ),
    ("OwnershipControls", r#"{"Rules": [{"ObjectOwnership": "ObjectWriter"}]}"#),
];

struct Part {
    split: &'static Split,
    owners: Vec<String>,
    file: Arc<str>,
    properties: Node,
}

/// Declares one side. `earlier` are the parts that the other side had.
pub(super) fn declared(
    plan: &Plan<'_>,
    whereabouts: &Whereabouts,
    places: &Places,
    file: &Arc<str>,
    earlier: Option<&Parts>,
) -> Declared {
    let resolver = Resolver::new(plan, whereabouts, &places.locals);
    let values = Values { resolver: &resolver, file: Arc::clone(file), holes: std::cell::RefCell::default() };
    let mut made = Declared::default();
    let mut parts: Vec<Part> = Vec::new();
    for instance in plan.instances.iter().filter(|instance| !instance.data) {
        if let Some(kind) = services::kind_of(instance.type_name) {
            resource(instance, kind, &values, places, earlier, &mut made.raws);
        } else if let Some(split) = services::split_of(instance.type_name) {
            parts.push(part(instance, split, &values, places));
        } else if is_of_delivery(instance.type_name) {
            made.unknown_types.insert(instance.type_name.to_owned());
        }
    }
    join(parts, &mut made);
    made.holes = values.holes.into_inner();
    made
}

/// Whether a type that no table knows decides about pipelines.
fn is_of_delivery(type_name: &str) -> bool {
    const WORDS: &[&str] =
        &["awscc_codepipeline", "awscc_codebuild", "awscc_codedeploy", "awscc_s3_bucket", "awscc_kms_key"];
    WORDS.iter().any(|word| type_name.starts_with(word))
}

/// The values of an instance and the file that their places are in.
fn read<'p, 'n>(
    instance: &Instance<'p>,
    names_of: impl Iterator<Item = &'n str>,
    values: &Values<'_, 'p>,
    places: &Places,
) -> (Node, Arc<str>) {
    let mut read = values.attributes(instance, names_of);
    let plain = format!("{}.{}", instance.type_name, instance.name);
    match places.of(names(&instance.module), plain) {
        Some((file, block)) => {
            places::moved(&mut read, block);
            (read, Arc::clone(file))
        }
        None => (read, Arc::clone(&values.file)),
    }
}

fn configures(instance: &Instance<'_>, attribute: &str) -> bool {
    !attribute.is_empty() && instance.configuration.and_then(|block| block.at(&["expressions", attribute])).is_some()
}

fn resource<'p>(
    instance: &Instance<'p>,
    kind: &'static Kind,
    values: &Values<'_, 'p>,
    places: &Places,
    earlier: Option<&Parts>,
    raws: &mut Vec<Raw>,
) {
    let inline = INLINE.iter().find(|(type_name, ..)| *type_name == instance.type_name);
    let wanted = kind.attributes.iter().map(|attribute| attribute.from).chain(inline.map(|(_, from, ..)| *from));
    let (read, file) = read(instance, wanted, values, places);
    let plan = values.resolver.plan;
    let name = values.resolver.whereabouts.name(plan, instance, kind);
    let mut place = values.resolver.whereabouts.place(plan, instance);
    // A connection keeps the service that it was made with, whatever it is called today.
    let newer = instance.values.text_at(&["arn"]).is_some_and(|arn| arn.contains(":codeconnections:"));
    let type_name = match kind.cloudformation {
        "AWS::CodeStarConnections::Connection" if newer => "AWS::CodeConnections::Connection",
        other => other,
    };
    if type_name.starts_with("AWS::IAM::") && !place.region_known {
        place.region = crate::inventory::Region::GLOBAL;
    }
    let mut raw = Raw {
        type_name: type_name.to_owned(),
        logical_id: instance.address.to_owned(),
        name: name.clone(),
        file,
        span: read.span,
        construct_path: None,
        place,
        stack: None,
        properties: mapped(&read, kind.attributes),
        more: None,
    };
    finish(&mut raw, &read);
    let own = |raw: &Raw| [name.clone(), identity::uid(&raw.type_name, &raw.name, &raw.place)];
    for split in all_splits(kind.cloudformation) {
        let stale =
            earlier.is_some_and(|parts| own(&raw).iter().any(|owner| parts.contains(&(owner.clone(), split.property))));
        if stale && !configures(instance, split.inline) {
            remove(&mut raw.properties, split.property);
            // Without them a bucket has not what new buckets have, but nothing.
            if let Some((_, left)) = LEFT.iter().find(|(property, _)| *property == split.property) {
                let left = serde_json::from_str(left).unwrap_or_default();
                raw.set(split.property, Node::from_value(&left, raw.span));
            }
        }
    }
    let reference = identity::reference(&raw.type_name, &raw.name, &raw.place);
    let companion = inline.and_then(|(_, from, type_name, by)| {
        let stale = earlier.is_some_and(|parts| parts.contains(&(reference.clone(), type_name)));
        if stale && !configures(instance, from) {
            return None;
        }
        let mut properties = mapped(&read, &[json("policy", "PolicyDocument")]);
        properties.get("PolicyDocument")?;
        let owner = Node::text(reference.as_str(), read.span);
        let owner = if *by == "Topics" { Node::new(Tree::List(vec![owner]), read.span) } else { owner };
        super::mapping::put(&mut properties, &[by], read.span, owner);
        let logical_id = format!("{}.{from}", instance.address);
        Some(Raw {
            type_name: (*type_name).to_owned(),
            name: logical_id.clone(),
            logical_id,
            properties,
            ..raw.clone()
        })
    });
    raws.push(raw);
    raws.extend(companion);
}

fn all_splits(owner: &str) -> impl Iterator<Item = &'static Split> {
    services::splits().filter(move |split| split.owner == owner)
}

/// What no table can say.
fn finish(raw: &mut Raw, read: &Node) {
    match raw.type_name.as_str() {
        "AWS::CodePipeline::Pipeline" => {
            let stores = read.get("artifact_store").map_or(0, |stores| stores.elements().len());
            remove(&mut raw.properties, if stores > 1 { "ArtifactStore" } else { "ArtifactStores" });
        }
        "AWS::SNS::TopicPolicy" => {
            if let Some(topic) = raw.property("Topics").cloned() {
                let span = topic.span;
                raw.set("Topics", Node::new(Tree::List(vec![topic]), span));
            }
        }
        _ => {}
    }
}

fn remove(properties: &mut Node, property: &str) {
    if let Tree::Map(entries) = &mut properties.tree {
        entries.retain(|entry| entry.key != property);
    }
}

fn part<'p>(instance: &Instance<'p>, split: &'static Split, values: &Values<'_, 'p>, places: &Places) -> Part {
    let wanted = split.attributes.iter().map(|attribute| attribute.from).chain([split.by]);
    let (read, file) = read(instance, wanted, values, places);
    let owner = read.get(split.by);
    let owners = match owner.map(Node::elements) {
        Some(several) if !several.is_empty() => {
            several.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
        }
        _ => owner.and_then(Node::as_str).map(str::to_owned).into_iter().collect(),
    };
    let mut properties = mapped(&read, split.attributes);
    if split.terraform == "aws_codebuild_webhook" {
        super::mapping::put(
            &mut properties,
            &["Triggers", "Webhook"],
            read.span,
            Node::new(Tree::Bool(true), read.span),
        );
    }
    if let (Joining::Append, "ManagedPolicyArns") = (&split.joining, split.property) {
        let arn = properties.get("Arn").cloned().into_iter().collect();
        properties = Node::new(Tree::Map(Vec::new()), read.span);
        super::mapping::put(&mut properties, &["ManagedPolicyArns"], read.span, Node::new(Tree::List(arn), read.span));
    } else if matches!(split.joining, Joining::Append) {
        let one = properties;
        properties = Node::new(Tree::Map(Vec::new()), read.span);
        super::mapping::put(&mut properties, &[split.property], read.span, Node::new(Tree::List(vec![one]), read.span));
    }
    Part { split, owners, file, properties }
}

/// Puts all parts into what they belong to. A part of nobody knows what is a doubt over all of its kind.
fn join(parts: Vec<Part>, made: &mut Declared) {
    let mut known: BTreeMap<(&'static str, String), usize> = BTreeMap::new();
    for (number, raw) in made.raws.iter().enumerate() {
        let Some(owner) = services::splits().map(|split| split.owner).find(|owner| *owner == raw.type_name) else {
            continue;
        };
        let uid = identity::uid(&raw.type_name, &raw.name, &raw.place);
        let named = identity::naming_property(&raw.type_name).and_then(|name| raw.properties.text_at(&[name]));
        let others = [Some(uid), named.map(str::to_owned), Some(raw.name.clone())];
        for name in others.into_iter().flatten() {
            known.insert((owner, name), number);
        }
    }
    let mut doubts: BTreeMap<&'static str, (&'static Split, String)> = BTreeMap::new();
    for part in parts {
        for owner in &part.owners {
            made.parts.insert((owner.clone(), part.split.property));
            if let Some(raw) =
                known.get(&(part.split.owner, owner.clone())).and_then(|number| made.raws.get_mut(*number))
            {
                put(raw, &part);
            } else if whole(owner).is_some() {
                doubts.entry(part.split.terraform).or_insert_with(|| (part.split, owner.clone()));
            }
        }
    }
    for raw in &made.raws {
        let owner = match raw.type_name.as_str() {
            "AWS::S3::BucketPolicy" => raw.properties.text_at(&["Bucket"]).map(str::to_owned),
            "AWS::SNS::TopicPolicy" => raw.properties.get("Topics").and_then(|all| all.elements().first()?.scalar()),
            _ => None,
        };
        let property =
            if raw.type_name == "AWS::S3::BucketPolicy" { "AWS::S3::BucketPolicy" } else { "AWS::SNS::TopicPolicy" };
        made.parts.extend(owner.map(|owner| (owner, property)));
    }
    for (split, hole) in doubts.into_values() {
        for raw in made.raws.iter_mut().filter(|raw| raw.type_name == split.owner) {
            if raw.property(split.property).is_none() {
                raw.set(split.property, Node::text(hole.as_str(), raw.span));
            }
        }
    }
}

fn put(raw: &mut Raw, part: &Part) {
    let Some(entry) = part.properties.entry(part.split.property) else { return };
    let mut value = entry.value.clone();
    let mut key_span = entry.key_span;
    if raw.file != part.file {
        value = super::values::moved(value, raw.span);
        key_span = raw.span;
    }
    match part.split.joining {
        Joining::Set => {
            super::mapping::put(&mut raw.properties, &[part.split.property], key_span, value);
        }
        Joining::Append => append(raw, part.split.property, value, key_span),
    }
}

/// Adds to a list; the same policy in both is there once.
fn append(raw: &mut Raw, property: &str, value: Node, key_span: crate::inventory::Span) {
    let Tree::Map(entries) = &mut raw.properties.tree else { return };
    let Some(entry) = entries.iter_mut().find(|entry| entry.key == property) else {
        entries.push(Entry { key: property.to_owned(), key_span, value });
        return;
    };
    let (Tree::List(known), Tree::List(more)) = (&mut entry.value.tree, value.tree) else { return };
    for one in more {
        let name = one.text_at(&["PolicyName"]).map(str::to_owned);
        known.retain(|other| match &name {
            Some(name) => other.text_at(&["PolicyName"]) != Some(name),
            None => other.tree != one.tree,
        });
        known.push(one);
    }
}
