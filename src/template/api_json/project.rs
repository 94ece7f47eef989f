//! Build projects as `batch-get-projects` prints them and `create-project` takes them.
//!
//! In: `{"projects": […]}`, or the input alone. Out: `AWS::CodeBuild::Project`. Fields: `Project` of the API reference.

use super::super::node::{Entry, Node, Tree};
use super::words::{Words, replace};
use super::{Described, Surrounding, with_keys};

const WORDS: Words = Words {
    renamed: &[("buildspec", "BuildSpec"), ("projectVisibility", "Visibility"), ("webhook", "Triggers")],
    kept: &[],
    left_out: &[
        "arn",
        "created",
        "lastModified",
        "publicProjectAlias",
        // Of a webhook: its address and its secret are nobody's to read.
        "url",
        "payloadUrl",
        "secret",
        "lastModifiedSecret",
    ],
};

const PARTS: &[&str] = &["name", "source", "environment", "serviceRole"];

pub(super) fn found(root: &Node) -> Vec<&Node> {
    let listed = root.get("projects").map(Node::elements).unwrap_or_default();
    let found: Vec<&Node> = listed.iter().filter_map(is_project).collect();
    if found.is_empty() { is_project(root).into_iter().collect() } else { found }
}

fn is_project(node: &Node) -> Option<&Node> {
    let built = |node: &Node| node.at(&["environment", "image"]).is_some() && node.at(&["source", "type"]).is_some();
    with_keys(node, PARTS).filter(|node| built(node))
}

pub(super) fn described(_: &Node, node: &Node, surrounding: &Surrounding<'_>) -> Option<Described> {
    let name = node.get("name")?;
    let place = surrounding.place_of(node.text_at(&["arn"]), node.text_at(&["serviceRole"]));
    let mut properties = WORDS.translate(node);
    replace(&mut properties, "Triggers", |webhook| {
        let mut webhook = webhook.clone();
        let exists = Node::new(Tree::Bool(true), webhook.span);
        if let Tree::Map(entries) = &mut webhook.tree {
            entries.insert(0, Entry { key: "Webhook".to_owned(), key_span: exists.span, value: exists });
        }
        Some(("Triggers".to_owned(), webhook))
    });
    replace(&mut properties, "Badge", |badge| Some(("BadgeEnabled".to_owned(), badge.get("BadgeEnabled")?.clone())));
    let raw = surrounding.raw("AWS::CodeBuild::Project", name.scalar()?, name, place, properties);
    Some(Described { raw, hidden: &[] })
}
