//! Tags, in both ways that CloudFormation writes them.
//!
//! In: the property `Tags`, a list of `{Key, Value}` or a mapping, and the name of the stack. Out: tags as the inventory
//! has them. They stand apart because they are no property there.

use super::super::hole::whole;
use super::super::node::{Node, Tree};
use super::conversion::Conversion;
use crate::inventory::Tags;

/// Takes the tags out of the properties; the hole that may hold others.
pub(super) fn taken(conversion: &mut Conversion<'_>) -> (Tags, Option<usize>) {
    let mut tags = Tags::new();
    let mut open = None;
    if let Some(written) = conversion.take("Tags") {
        match &written.tree {
            Tree::List(items) => {
                for item in items {
                    match (item.get("Key").and_then(Node::scalar), item.get("Value").and_then(Node::scalar)) {
                        (Some(key), Some(value)) => {
                            tags.insert(key, value);
                        }
                        (Some(key), None) => {
                            tags.insert(key, String::new());
                        }
                        _ => open = open.or_else(|| item.as_str().and_then(whole)),
                    }
                }
            }
            Tree::Map(entries) => {
                tags.extend(entries.iter().filter_map(|entry| Some((entry.key.clone(), entry.value.scalar()?))));
            }
            Tree::String(text) => open = whole(text),
            _ => {}
        }
    }
    if let Some(stack) = &conversion.raw().stack {
        tags.insert("aws:cloudformation:stack-name".to_owned(), stack.clone());
    }
    (tags, open)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::*;

    #[test]
    fn both_forms_and_the_stack() {
        for tags in [json!([{"Key": "env", "Value": "prod"}]), json!({"env": "prod"})] {
            let mut pipeline = raw("AWS::CodePipeline::Pipeline", "P", json!({"Tags": tags}));
            pipeline.stack = Some("delivery".to_owned());
            let found = one(&[pipeline], "P").resource;
            let expected = [("aws:cloudformation:stack-name", "delivery"), ("env", "prod")];
            assert_eq!(found.tags, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
            assert!(!found.properties.contains_key("Tags"));
        }
    }
}
