//! Declared resources → the shape of the inventory.
//!
//! In: [`Raw`] resources of one group, whatever format declared them. Out: [`DeclaredResource`]s as the collectors would
//! have brought them: companions folded into what they belong to (a bucket policy into its bucket), scripts reduced to
//! what they do, secrets redacted, and what only a deployed resource knows marked as unseen. One type is one file, and
//! one line of [`SHAPES`].

use super::hole::{Holes, whole};
use super::identity;
use super::source::{DeclaredResource, Raw};
use crate::inventory::{Affects, Gap, GapCause, Origin, Resource, ResourceUid, Tags, TypeName};

/// What is done to the declared resources of a type.
pub(super) struct Shape {
    /// CloudFormation's name of the type.
    pub(super) type_name: &'static str,
    /// The inventory's name of it, where that is another one.
    pub(super) becomes: TypeName,
    /// Brings the properties into the inventory's shape; `all` are the resources of the group, for companions.
    pub(super) convert: fn(raw: &mut Raw, all: &[Raw]),
    /// Properties that only a deployed resource has.
    pub(super) only_deployed: &'static [&'static str],
}

/// Leaves everything as it is declared.
fn as_declared(_: &mut Raw, _: &[Raw]) {}

/// All types that matter.
const SHAPES: &[Shape] = &[
    Shape {
        type_name: "AWS::CodePipeline::Pipeline",
        becomes: TypeName::PIPELINE,
        convert: as_declared,
        only_deployed: &[],
    },
    Shape { type_name: "AWS::S3::Bucket", becomes: TypeName::BUCKET, convert: as_declared, only_deployed: &[] },
    Shape { type_name: "AWS::KMS::Key", becomes: TypeName::KEY, convert: as_declared, only_deployed: &["KeyState"] },
    Shape {
        type_name: "AWS::CodeDeploy::DeploymentGroup",
        becomes: TypeName::DEPLOYMENT_GROUP,
        convert: as_declared,
        only_deployed: &[],
    },
];

/// Whether resources of a type are judged, or say something about those that are.
#[must_use]
pub fn matters(type_name: &str) -> bool {
    SHAPES.iter().any(|shape| shape.type_name == type_name)
}

/// The name that a declared resource sets, holes included.
#[must_use]
pub fn name_of(resource: &Resource) -> Option<&str> {
    let property = identity::naming_property(resource.type_name.as_str())?;
    resource.properties.get(property)?.as_str().filter(|name| !name.is_empty())
}

/// The inventory's view of all resources that matter, in the order of the file.
#[must_use]
pub fn declared(raws: &[Raw], holes: &Holes) -> Vec<DeclaredResource> {
    raws.iter()
        .filter_map(|raw| {
            let shape = SHAPES.iter().find(|shape| shape.type_name == raw.type_name)?;
            let mut converted = raw.clone();
            (shape.convert)(&mut converted, raws);
            Some(finished(&converted, shape, holes))
        })
        .collect()
}

fn finished(raw: &Raw, shape: &Shape, holes: &Holes) -> DeclaredResource {
    let (value, spans) = raw.properties.to_value_with_spans();
    let id = ResourceUid(format!("{}#{}", raw.file, raw.logical_id));
    let mut resource = Resource {
        uid: ResourceUid(identity::uid(&raw.type_name, &raw.name, &raw.place)),
        type_name: shape.becomes.clone(),
        account: raw.place.account.clone(),
        region: raw.place.region.clone(),
        origin: Origin::Template { file: raw.file.to_string(), line: raw.span.start.line },
        tags: Tags::new(),
        properties: value.as_object().cloned().unwrap_or_default(),
        unseen: std::collections::BTreeMap::new(),
    };
    let affects = |property: &str| Affects::Property { resource: id.clone(), property: property.to_owned() };
    let gap = |cause: GapCause, property: &str| Gap {
        account: raw.place.account.clone(),
        region: raw.place.region.clone(),
        service: "cloudformation".to_owned(),
        action: String::new(),
        cause,
        affects: affects(property),
    };
    let naming = identity::naming_property(&raw.type_name);
    let open: Vec<(String, usize)> = resource
        .properties
        .iter()
        .filter(|(name, _)| Some(name.as_str()) != naming)
        .filter_map(|(name, value)| Some((name.clone(), whole(value.as_str()?)?)))
        .collect();
    for (name, hole) in open {
        resource.properties.remove(&name);
        let unseen = holes.gap(hole, &raw.place.account, &raw.place.region, affects(&name));
        resource.unseen.extend(unseen.map(|gap| (name, gap)));
    }
    if let Some(hole) = raw.more.as_deref().and_then(whole) {
        let unseen = holes.gap(hole, &raw.place.account, &raw.place.region, affects("*"));
        resource.unseen.extend(unseen.map(|gap| ("*".to_owned(), gap)));
    }
    for property in shape.only_deployed {
        let what = format!("{property} of {} {}", raw.type_name, raw.logical_id);
        resource.unseen.insert((*property).to_owned(), gap(GapCause::OnlyDeployed { what }, property));
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
