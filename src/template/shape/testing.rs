//! Resources of a template that was never written, for the tests of the shapes.

#![expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]

use serde_json::Value;

use super::super::{DeclaredResource, Holes, Node, Place, Raw, identity};
use super::declared;
use crate::inventory::{GapCause, Properties, Span};

/// A resource in an account and a Region that are known.
pub(in crate::template) fn raw(type_name: &str, logical_id: &str, properties: Value) -> Raw {
    let named = identity::naming_property(type_name).and_then(|name| properties.get(name)).and_then(Value::as_str);
    Raw {
        type_name: type_name.to_owned(),
        logical_id: logical_id.to_owned(),
        name: identity::name(logical_id, named),
        file: "t.yaml".into(),
        span: Span::default(),
        construct_path: None,
        place: Place::new("111122223333".parse().ok(), "eu-west-1".parse().ok()),
        stack: None,
        properties: Node::from_value(&properties, Span::default()),
        more: None,
    }
}

pub(super) fn shape(raws: &[Raw]) -> Vec<DeclaredResource> {
    declared(raws, &Holes::default())
}

/// The properties of the resource of that logical id.
pub(super) fn properties(raws: &[Raw], logical_id: &str) -> Properties {
    one(raws, logical_id).resource.properties
}

pub(super) fn one(raws: &[Raw], logical_id: &str) -> DeclaredResource {
    let found = shape(raws).into_iter().find(|found| found.logical_id == logical_id);
    found.unwrap_or_else(|| panic!("{logical_id} is not among the resources"))
}

/// The names of properties that are unseen, each with the first letter of why.
pub(super) fn unseen(raws: &[Raw], logical_id: &str) -> Vec<(String, char)> {
    let why = |cause: &GapCause| match cause {
        GapCause::OnlyDeployed { .. } => 'd',
        GapCause::Elsewhere { .. } => 'e',
        _ => 'u',
    };
    one(raws, logical_id).resource.unseen.iter().map(|(name, gap)| (name.clone(), why(&gap.cause))).collect()
}

/// A pipeline that names all of these, so that they are part of the delivery path.
pub(super) fn naming(role: &str, bucket: &str, key: &str) -> Raw {
    raw(
        "AWS::CodePipeline::Pipeline",
        "Naming",
        serde_json::json!({"RoleArn": role, "ArtifactStore": {"Location": bucket, "EncryptionKey": {"Id": key}}}),
    )
}
