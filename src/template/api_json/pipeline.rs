//! Pipelines as `get-pipeline` prints them and `create-pipeline` and `update-pipeline` take them.
//!
//! In: `{"pipeline": …, "metadata": …}`, or the pipeline alone. Out: `AWS::CodePipeline::Pipeline`. Fields:
//! `PipelineDeclaration` of the API reference.

use super::super::node::{Entry, Node, Tree};
use super::words::{Words, replace};
use super::{Described, Hidden, Surrounding, with_keys};

const WORDS: Words = Words { renamed: &[], kept: &["configuration"], left_out: &[] };

/// What only `list-tags-for-resource` and `get-pipeline-state` show.
const HIDDEN: &[Hidden] = &[
    Hidden {
        property: "Tags",
        what: "tags",
        message: "a pipeline's definition does not hold its tags (list-tags-for-resource prints them); \
                  give the last audit with --inventory, or check the template that creates the pipeline",
    },
    TRANSITIONS,
    WEBHOOKS,
];

/// `create-pipeline` takes tags beside the pipeline.
const HIDDEN_WITH_TAGS: &[Hidden] = &[TRANSITIONS, WEBHOOKS];

const TRANSITIONS: Hidden = Hidden {
    property: "DisableInboundStageTransitions",
    what: "disabled transitions",
    message: "a pipeline's definition does not hold which transitions between stages are disabled \
              (get-pipeline-state prints them); give the last audit with --inventory",
};

const WEBHOOKS: Hidden = Hidden {
    property: "Webhooks",
    what: "webhooks",
    message: "a pipeline's definition does not hold its webhooks (list-webhooks prints them); \
              give the last audit with --inventory",
};

pub(super) fn found(root: &Node) -> Vec<&Node> {
    let wrapped = root.get("pipeline").and_then(is_pipeline);
    wrapped.or_else(|| is_pipeline(root)).into_iter().collect()
}

fn is_pipeline(node: &Node) -> Option<&Node> {
    let node = with_keys(node, &["name", "stages"])?;
    let acts = |stage: &Node| {
        let actions = stage.get("actions").map(Node::elements).unwrap_or_default();
        actions.iter().any(|action| action.get("actionTypeId").is_some())
    };
    let stages = node.get("stages").map(Node::elements).unwrap_or_default();
    (node.get("roleArn").is_some() || stages.iter().any(acts)).then_some(node)
}

pub(super) fn described(root: &Node, node: &Node, surrounding: &Surrounding<'_>) -> Option<Described> {
    let name = node.get("name")?;
    let place = surrounding.place_of(root.text_at(&["metadata", "pipelineArn"]), node.text_at(&["roleArn"]));
    let mut properties = WORDS.translate(node);
    replace(&mut properties, "ArtifactStores", |stores| Some(("ArtifactStores".to_owned(), by_region(stores))));
    let mut raw = surrounding.raw("AWS::CodePipeline::Pipeline", name.scalar()?, name, place, properties);
    let tags = root.get("tags").map(|tags| WORDS.translate(tags));
    let hidden = if tags.is_some() { HIDDEN_WITH_TAGS } else { HIDDEN };
    if let Some(tags) = tags {
        raw.set("Tags", tags);
    }
    Some(Described { raw, hidden })
}

/// The API has a map by Region where CloudFormation has a list.
fn by_region(stores: &Node) -> Node {
    let mut entries: Vec<&Entry> = stores.entries().iter().collect();
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    let listed = entries.into_iter().map(|entry| {
        let at = |key: &str, value: Node| Entry { key: key.to_owned(), key_span: entry.key_span, value };
        // The name of a Region is a key of people: its first letter became a capital with the others.
        let region = Node::text(entry.key.to_ascii_lowercase(), entry.key_span);
        Node::new(
            Tree::Map(vec![at("Region", region), at("ArtifactStore", entry.value.clone())]),
            entry.key_span.to(entry.value.span),
        )
    });
    Node::new(Tree::List(listed.collect()), stores.span)
}
