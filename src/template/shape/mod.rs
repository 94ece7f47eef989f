//! Declared resources → the shape of the inventory.
//!
//! In: [`Raw`] resources of one group, whatever format declared them. Out: [`DeclaredResource`]s as the collectors would
//! have brought them: companions folded into what they belong to (a bucket policy into its bucket), scripts reduced to
//! what they do, secrets redacted, and what only a deployed resource knows marked as unseen. One type or family is one
//! file, and one line of `SHAPES`.

use std::collections::BTreeMap;

use super::hole::{Holes, whole};
use super::identity;
use super::node::{Node, Tree};
use super::source::{DeclaredResource, Raw};
use crate::inventory::{Affects, Gap, GapCause, Origin, Resource, ResourceUid, TypeName};
use conversion::Conversion;
use form::Form;

mod alarm;
mod bucket;
mod codebuild;
mod codedeploy;
mod config;
mod connection;
mod conversion;
mod form;
mod image_repository;
mod key;
mod pipeline;
mod reach;
mod repository;
mod role;
mod sam;
mod script;
mod secret;
mod secret_text;
mod tags;
mod topic;
mod trail;

pub use sam::with_globals;

/// What is done to the declared resources of a type.
struct Shape {
    /// CloudFormation's name of the type.
    type_name: &'static str,
    /// The inventory's name of it.
    becomes: TypeName,
    /// The properties that the inventory keeps, as the API has them.
    form: Form,
    /// What the form alone cannot do; it comes first.
    convert: fn(&mut Conversion<'_>),
    /// Properties that no template can say, and whose absence would say something wrong.
    only_deployed: &'static [&'static str],
}

/// All types that matter.
const SHAPES: &[Shape] = &[
    alarm::ALARM,
    alarm::COMPOSITE_ALARM,
    bucket::BUCKET,
    codebuild::PROJECT,
    codebuild::REPORT_GROUP,
    codebuild::SOURCE_CREDENTIAL,
    codedeploy::APPLICATION,
    codedeploy::DEPLOYMENT_CONFIG,
    codedeploy::DEPLOYMENT_GROUP,
    config::CONFIG_RULE,
    config::DELIVERY_CHANNEL,
    config::RECORDER,
    connection::CONNECTION,
    connection::CODESTAR_CONNECTION,
    image_repository::IMAGE_REPOSITORY,
    key::KEY,
    key::REPLICA_KEY,
    pipeline::NOTIFICATION_RULE,
    pipeline::PIPELINE,
    pipeline::WEBHOOK,
    repository::REPOSITORY,
    role::ROLE,
    secret::SECRET,
    topic::TOPIC,
    trail::TRAIL,
];

/// Types that are part of others in the inventory.
const COMPANIONS: &[&str] = &[
    "AWS::CodeConnections::Host",
    "AWS::ECR::RegistryScanningConfiguration",
    "AWS::ECR::SigningConfiguration",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::RolePolicy",
    "AWS::KMS::Alias",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SecretsManager::RotationSchedule",
    "AWS::Serverless::Function",
];

/// The inventory's name of a type that is judged.
#[must_use]
pub fn judged_as(type_name: &str) -> Option<TypeName> {
    SHAPES.iter().find(|shape| shape.type_name == type_name).map(|shape| shape.becomes.clone())
}

/// Whether resources of a type are judged, or say something about those that are.
#[must_use]
pub fn matters(type_name: &str) -> bool {
    SHAPES.iter().any(|shape| shape.type_name == type_name) || COMPANIONS.contains(&type_name)
}

/// The name that a declared resource sets, holes included.
#[must_use]
pub fn name_of(resource: &Resource) -> Option<&str> {
    let property = identity::naming_property(resource.type_name.as_str())?;
    resource.properties.get(property)?.as_str().filter(|name| !name.is_empty())
}

/// The inventory's view of all resources that matter, in the order of the file: those that deliver, and what they name.
#[must_use]
pub fn declared(raws: &[Raw], holes: &Holes) -> Vec<DeclaredResource> {
    let generated = sam::generated(raws);
    let all: Vec<Raw> = raws.iter().filter(|raw| matters(&raw.type_name)).cloned().chain(generated).collect();
    let shaped = all.iter().filter_map(|raw| {
        let shape = SHAPES.iter().find(|shape| shape.type_name == raw.type_name)?;
        Some(shaped(raw, shape, &all, holes))
    });
    reach::reached(shaped.collect())
}

fn shaped(raw: &Raw, shape: &Shape, all: &[Raw], holes: &Holes) -> DeclaredResource {
    let mut conversion = Conversion::new(raw, all, holes);
    if let Some(property) = identity::naming_property(&raw.type_name)
        && conversion.property(property).is_none()
    {
        let name = Node::text(raw.name.as_str(), raw.span);
        conversion.set(property, name);
    }
    let (tags, open_tags) = tags::taken(&mut conversion);
    (shape.convert)(&mut conversion);
    let (raw, mut hidden) = conversion.finish();
    let properties = form_of(&raw, &shape.form);
    for property in shape.only_deployed {
        let what = format!("{property} of {} {}", raw.type_name, raw.logical_id);
        hidden.push(((*property).to_owned(), GapCause::OnlyDeployed { what }));
    }
    let (value, spans) = properties.into_value_with_spans();
    let id = ResourceUid(format!("{}#{}", raw.file, raw.logical_id));
    let mut resource = Resource {
        uid: ResourceUid(identity::uid_of(&raw)),
        type_name: shape.becomes.clone(),
        account: raw.place.account.clone(),
        region: raw.place.region.clone(),
        origin: Origin::Template { file: raw.file.to_string(), line: raw.span.start.line },
        tags,
        properties: value.as_object().cloned().unwrap_or_default(),
        unseen: BTreeMap::new(),
    };
    let affects = |property: &str| Affects::Property { resource: id.clone(), property: property.to_owned() };
    let naming = identity::naming_property(&raw.type_name);
    let mut open: Vec<(String, usize)> = resource
        .properties
        .iter()
        .filter(|(name, _)| Some(name.as_str()) != naming)
        .filter_map(|(name, value)| Some((name.clone(), whole(value.as_str()?)?)))
        .collect();
    for (name, _) in &open {
        resource.properties.remove(name);
    }
    open.extend(open_tags.map(|hole| ("Tags".to_owned(), hole)));
    open.extend(raw.more.as_deref().and_then(whole).map(|hole| ("*".to_owned(), hole)));
    for (name, hole) in open {
        let unseen = holes.gap(hole, &raw.place.account, &raw.place.region, affects(&name));
        resource.unseen.extend(unseen.map(|gap| (name, gap)));
    }
    for (property, cause) in hidden {
        let gap = Gap {
            account: raw.place.account.clone(),
            region: raw.place.region.clone(),
            service: "cloudformation".to_owned(),
            action: String::new(),
            cause,
            affects: affects(&property),
        };
        resource.unseen.entry(property).or_insert(gap);
    }
    DeclaredResource {
        resource,
        id,
        file: raw.file.clone(),
        logical_id: raw.logical_id.clone(),
        construct_path: raw.construct_path.clone(),
        span: raw.span,
        spans,
    }
}

fn form_of(raw: &Raw, form: &Form) -> Node {
    let nothing = || Node::new(Tree::Map(Vec::new()), raw.properties.span);
    form.of(&raw.properties).filter(Node::is_map).unwrap_or_else(nothing)
}

#[cfg(test)]
pub(super) mod testing;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::testing::*;
    use super::*;

    #[test]
    fn types_that_say_nothing_of_the_delivery_path_are_left_out() {
        assert!(matters("AWS::S3::BucketPolicy") && matters("AWS::CodePipeline::Pipeline"));
        assert!(!matters("AWS::Events::Rule") && !matters("Custom::Thing"));
        assert!(shape(&[raw("AWS::Events::Rule", "Rule", json!({}))]).is_empty());
    }

    #[test]
    fn a_whole_property_without_a_value_is_unseen_and_its_name_is_not() {
        let mut holes = Holes::default();
        let token = holes.token("Settings", &"t.yaml".into(), crate::inventory::Span::default(), "pass it");
        let raws = [raw(
            "AWS::CodeDeploy::DeploymentGroup",
            "Group",
            json!({"DeploymentGroupName": token, "AlarmConfiguration": token, "ApplicationName": "web"}),
        )];
        let found = declared(&raws, &holes);
        let resource = &found[0].resource;
        assert_eq!(resource.properties["DeploymentGroupName"], json!(token));
        assert!(matches!(resource.unseen["AlarmConfiguration"].cause, GapCause::Unresolved { .. }));
        assert!(!resource.properties.contains_key("AlarmConfiguration"));
        assert!(resource.uid.as_str().ends_with(&format!("deploymentgroup:web/{token}")));
    }

    #[test]
    fn what_a_macro_may_add_leaves_everything_else_in_doubt() {
        let mut holes = Holes::default();
        let token = holes.token("Transform Boto3", &"t.yaml".into(), crate::inventory::Span::default(), "expand it");
        let mut pipeline = raw("AWS::CodePipeline::Pipeline", "P", json!({}));
        pipeline.more = Some(token);
        assert!(declared(&[pipeline], &holes)[0].resource.gap_over("Stages").is_some());
    }

    #[test]
    fn places_travel_with_values() {
        let pipeline = raw("AWS::CodePipeline::Pipeline", "P", json!({"Stages": [{"Name": "Prod"}]}));
        let found = &shape(&[pipeline])[0];
        assert_eq!(found.id.as_str(), "t.yaml#P");
        assert!(found.spans.contains("/Stages/0/Name"));
    }
}
