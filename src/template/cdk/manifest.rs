//! What a manifest says.
//!
//! In: the tree of a `manifest.json`. Out: its stacks and nested assemblies in their order, as it words them. Fields:
//! `AssemblyManifest` and `AwsCloudFormationStackProperties` of `@aws-cdk/cloud-assembly-schema`.

use std::collections::BTreeMap;

use super::super::node::Node;
use super::super::source::Place;
use crate::inventory::Span;

const STACK: &str = "aws:cloudformation:stack";

/// As the schema spells it, and as some tools do.
const NESTED: &[&str] = &["cdk:cloud-assembly", "aws:cdk:cloud-assembly"];

/// A stack of an assembly.
pub(super) struct StackArtifact {
    pub(super) id: String,
    /// Name of the stack.
    pub(super) name: String,
    /// Relative to the folder of the manifest.
    pub(super) template: String,
    pub(super) span: Span,
    pub(super) place: Place,
    /// Values of parameters that `cdk deploy` passes.
    pub(super) parameters: BTreeMap<String, String>,
    /// Tags that `cdk deploy` puts on the stack, and CloudFormation on everything in it.
    pub(super) tags: BTreeMap<String, String>,
    /// Ids of artifacts that are deployed before.
    pub(super) dependencies: Vec<String>,
}

/// An assembly inside an assembly.
pub(super) struct NestedAssembly {
    /// Relative to the folder of the manifest.
    pub(super) folder: String,
    pub(super) span: Span,
}

/// Whether a document is the manifest of a cloud assembly.
pub(super) fn is_manifest(root: &Node) -> bool {
    let known = |artifact: &Node| {
        artifact.text_at(&["type"]).is_some_and(|name| name.starts_with("cdk:") || name.starts_with("aws:"))
    };
    let artifacts = root.get("artifacts").map(Node::entries).unwrap_or_default();
    root.text_at(&["version"]).is_some() && artifacts.iter().any(|entry| known(&entry.value))
}

/// The stacks of a manifest. `told` is the place that the command line names.
pub(super) fn stacks(root: &Node, told: &Place) -> Vec<StackArtifact> {
    let artifacts = root.get("artifacts").map(Node::entries).unwrap_or_default();
    let stacks = artifacts.iter().filter(|entry| entry.value.text_at(&["type"]) == Some(STACK));
    stacks
        .filter_map(|entry| {
            let artifact = &entry.value;
            let name = artifact.text_at(&["properties", "stackName"]).unwrap_or(&entry.key);
            let dependencies = artifact.get("dependencies").map(Node::elements).unwrap_or_default();
            Some(StackArtifact {
                id: entry.key.clone(),
                name: name.to_owned(),
                template: artifact.text_at(&["properties", "templateFile"])?.to_owned(),
                span: entry.key_span,
                place: place(artifact.text_at(&["environment"]), told),
                parameters: texts(artifact.at(&["properties", "parameters"])),
                tags: texts(artifact.at(&["properties", "tags"])),
                dependencies: dependencies.iter().filter_map(Node::as_str).map(str::to_owned).collect(),
            })
        })
        .collect()
}

/// The assemblies that a manifest nests.
pub(super) fn nested(root: &Node) -> Vec<NestedAssembly> {
    let artifacts = root.get("artifacts").map(Node::entries).unwrap_or_default();
    let nested = artifacts
        .iter()
        .filter(|entry| entry.value.text_at(&["type"]).is_some_and(|name| NESTED.contains(&name)))
        .filter_map(|entry| {
            let folder = entry.value.text_at(&["properties", "directoryName"])?.to_owned();
            Some(NestedAssembly { folder, span: entry.key_span })
        });
    nested.collect()
}

/// `aws://ACCOUNT/REGION`, of which both may be unknown.
fn place(environment: Option<&str>, told: &Place) -> Place {
    let (account, region) =
        environment.and_then(|text| text.strip_prefix("aws://")?.split_once('/')).unwrap_or_default();
    let account = account.parse().ok().or_else(|| told.account_known.then(|| told.account.clone()));
    let region = (region != "unknown-region").then(|| region.parse().ok()).flatten();
    Place::new(account, region.or_else(|| told.region_known.then(|| told.region.clone())))
}

fn texts(map: Option<&Node>) -> BTreeMap<String, String> {
    let entries = map.map(Node::entries).unwrap_or_default();
    entries.iter().filter_map(|entry| Some((entry.key.clone(), entry.value.scalar()?))).collect()
}
