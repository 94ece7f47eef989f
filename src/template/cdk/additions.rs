//! What CDK adds to every template for itself.
//!
//! In: a template. Out: the template without the usage report (`CDKMetadata` and its condition on the Region) and without
//! the check of the bootstrap version (a parameter and a rule). They declare nothing that is judged, but their condition
//! and their parameter would be choices that nobody has.

use std::sync::Arc;

use super::super::node::{Entry, Node, Tree};

const METADATA: &str = "AWS::CDK::Metadata";
const CONDITION: &str = "CDKMetadataAvailable";
const PARAMETER: &str = "BootstrapVersion";
const RULE: &str = "CheckBootstrapVersion";

/// The template without them. What anything else refers to stays.
#[must_use]
pub(in super::super) fn without_additions(root: &Arc<Node>) -> Arc<Node> {
    let has = |section: &str, names: &[&str]| {
        let entries = root.get(section).map(Node::entries).unwrap_or_default();
        entries
            .iter()
            .any(|entry| names.contains(&entry.key.as_str()) || entry.value.text_at(&["Type"]) == Some(METADATA))
    };
    let sections = [("Resources", ""), ("Conditions", CONDITION), ("Parameters", PARAMETER), ("Rules", RULE)];
    if !sections.iter().any(|(section, name)| has(section, &[name])) {
        return Arc::clone(root);
    }
    let mut root = Node::clone(root);
    let is_metadata = |entry: &Entry| entry.value.text_at(&["Type"]) == Some(METADATA);
    retain(&mut root, "Resources", |entry| !is_metadata(entry));
    let is_ssm = |entry: &Entry| entry.value.text_at(&["Type"]).is_some_and(|name| name.starts_with("AWS::SSM::"));
    retain(&mut root, "Rules", |entry| entry.key != RULE);
    for (section, name) in [("Conditions", CONDITION), ("Parameters", PARAMETER)] {
        let elsewhere = root.entries().iter().filter(|entry| entry.key != section);
        if !elsewhere.into_iter().any(|entry| says(&entry.value, name)) {
            let own = |entry: &Entry| entry.key == name && (section == "Conditions" || is_ssm(entry));
            retain(&mut root, section, |entry| !own(entry));
        }
    }
    Arc::new(root)
}

fn retain(root: &mut Node, section: &str, keep: impl Fn(&Entry) -> bool) {
    let Tree::Map(sections) = &mut root.tree else { return };
    for entry in sections.iter_mut().filter(|entry| entry.key == section) {
        if let Tree::Map(entries) = &mut entry.value.tree {
            entries.retain(|entry| keep(entry));
        }
    }
}

/// Whether a text anywhere in a value holds a name.
fn says(node: &Node, name: &str) -> bool {
    node.as_str().is_some_and(|text| text.contains(name))
        || node.entries().iter().any(|entry| says(&entry.value, name))
        || node.elements().iter().any(|item| says(item, name))
}

#[cfg(test)]
mod tests {
    use super::super::super::{Document, Limits};
    use super::*;

    fn read(text: &str) -> Arc<Node> {
        Document::read("t", text.as_bytes(), &Limits::default()).unwrap().root
    }

    #[test]
    fn the_additions_go_and_nothing_else() {
        let template = r#"{
            "Resources": {"CDKMetadata": {"Type": "AWS::CDK::Metadata", "Condition": "CDKMetadataAvailable"},
                          "Bucket": {"Type": "AWS::S3::Bucket"}},
            "Conditions": {"CDKMetadataAvailable": {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]}},
            "Parameters": {"BootstrapVersion": {"Type": "AWS::SSM::Parameter::Value<String>"}, "Stage": {"Type": "String"}},
            "Rules": {"CheckBootstrapVersion": {"Assertions": [{"Assert": {"Ref": "BootstrapVersion"}}]}}
        }"#;
        let left = without_additions(&read(template)).to_value();
        let expected = serde_json::json!({
            "Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}, "Conditions": {},
            "Parameters": {"Stage": {"Type": "String"}}, "Rules": {},
        });
        assert_eq!(left, expected);
    }

    #[test]
    fn what_is_used_stays() {
        let template = r#"{
            "Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Condition": "CDKMetadataAvailable",
                                     "Properties": {"BucketName": {"Ref": "BootstrapVersion"}}}},
            "Conditions": {"CDKMetadataAvailable": {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]}},
            "Parameters": {"BootstrapVersion": {"Type": "AWS::SSM::Parameter::Value<String>"}}
        }"#;
        assert_eq!(without_additions(&read(template)).to_value(), read(template).to_value());
    }
}
