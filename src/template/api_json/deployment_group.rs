//! Deployment groups as `get-deployment-group` and `batch-get-deployment-groups` print them, and as
//! `create-deployment-group` takes them.
//!
//! In: `{"deploymentGroupInfo": …}`, `{"deploymentGroupsInfo": […]}`, or the input alone. Out:
//! `AWS::CodeDeploy::DeploymentGroup`. Fields: `DeploymentGroupInfo` of the API reference.

use super::super::node::{Entry, Node, Tree};
use super::words::{Words, replace};
use super::{Described, Hidden, Surrounding, with_keys};

const WORDS: Words = Words {
    renamed: &[("ecsServices", "ECSServices")],
    kept: &[],
    left_out: &[
        "deploymentGroupId",
        "lastSuccessfulDeployment",
        "lastAttemptedDeployment",
        // Revisions given as text may hold anything.
        "string",
        "appSpecContent",
    ],
};

const HIDDEN: &[Hidden] = &[Hidden {
    property: "Tags",
    what: "tags",
    message: "get-deployment-group does not print tags (list-tags-for-resource does); \
              give the last audit with --inventory, or check the template that creates the group",
}];

const NAMES: &[&str] = &["applicationName", "deploymentGroupName"];

pub(super) fn found(root: &Node) -> Vec<&Node> {
    let one = root.get("deploymentGroupInfo").and_then(|node| with_keys(node, NAMES));
    let many = root.get("deploymentGroupsInfo").map(Node::elements).unwrap_or_default();
    let found: Vec<&Node> = one.into_iter().chain(many.iter().filter_map(|node| with_keys(node, NAMES))).collect();
    if found.is_empty() { input(root).into_iter().collect() } else { found }
}

/// The input of `create-deployment-group`: unlike a deployment's, it names the role.
fn input(root: &Node) -> Option<&Node> {
    with_keys(with_keys(root, NAMES)?, &["serviceRoleArn"])
}

pub(super) fn described(root: &Node, node: &Node, surrounding: &Surrounding<'_>) -> Option<Described> {
    let (application, group) = (node.get("applicationName")?.scalar()?, node.get("deploymentGroupName")?);
    let place = surrounding.place_of(None, node.text_at(&["serviceRoleArn"]));
    let mut properties = WORDS.translate(node);
    replace(&mut properties, "AutoScalingGroups", |groups| Some(("AutoScalingGroups".to_owned(), names_of(groups))));
    replace(&mut properties, "TargetRevision", |revision| {
        let entry = Entry { key: "Revision".to_owned(), key_span: revision.span, value: revision.clone() };
        Some(("Deployment".to_owned(), Node::new(Tree::Map(vec![entry]), revision.span)))
    });
    let id = format!("{application}/{}", group.scalar()?);
    let raw = surrounding.raw("AWS::CodeDeploy::DeploymentGroup", id, group, place, properties);
    // What creates a group says all of its tags.
    let hidden = if input(root).is_some() { &[] } else { HIDDEN };
    Some(Described { raw, hidden })
}

/// The API describes each Auto Scaling group where CloudFormation has names.
fn names_of(groups: &Node) -> Node {
    let names = groups.elements().iter().map(|group| group.get("Name").unwrap_or(group).clone());
    Node::new(Tree::List(names.collect()), groups.span)
}
