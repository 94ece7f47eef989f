//! Triggers of a deployment group: whether anybody hears of its deployments.
//!
//! In: a deployment group, and the topics that its triggers name. Out: the triggers that tell nobody, each with its
//! reason.

use std::collections::BTreeSet;

use super::joins::Joins;
use super::seen::{Found, Seen, list_at, property, text_at};
use super::topic;
use crate::inventory::Resource;

/// The triggers that nobody hears.
pub(super) fn unheard(resource: &Resource, joins: &Joins) -> Seen<BTreeSet<String>> {
    let mut found = Found::default();
    for trigger in list_at(property(resource, "TriggerConfigurations")?, &[]) {
        let name = text_at(Some(trigger), &["TriggerName"]);
        let unheard = match topic::named(trigger.get("TriggerTargetArn")) {
            Ok(Some(arn)) => topic::unheard(arn, joins),
            Ok(None) => Ok(Some("names no topic".to_owned())),
            Err(sentences) => Err(sentences),
        };
        match unheard {
            Ok(Some(reason)) => found.add(format!("{name} ({reason})")),
            Ok(None) => {}
            Err(sentences) => found.doubt(&sentences),
        }
    }
    found.decided()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::*;
    use crate::inventory::{ResourceUid, TypeName};

    #[test]
    fn a_trigger_is_heard_where_its_topic_is() {
        let arn = "arn:aws:sns:eu-west-1:111111111111:deployments";
        let trigger = json!({"TriggerName": "notify", "TriggerTargetArn": arn, "TriggerEvents": ["DeploymentFailure"]});
        let group = resource(TypeName::DEPLOYMENT_GROUP, "web", json!({"TriggerConfigurations": [trigger]}));
        let mut topic = resource(TypeName::TOPIC, "deployments", json!({"Subscription": [{"Confirmed": true}]}));
        topic.uid = ResourceUid(arn.to_owned());
        assert_eq!(unheard(&group, &joins(&[group.clone(), topic.clone()], &[])), Ok(BTreeSet::new()));
        let missing = unheard(&group, &joins(std::slice::from_ref(&group), &[])).unwrap();
        assert!(missing.iter().all(|words| words.contains("does not exist")) && missing.len() == 1);
        topic.properties.clear();
        topic.unseen.insert("*".to_owned(), denied("sns:GetTopicAttributes"));
        assert!(unheard(&group, &joins(&[group.clone(), topic], &[])).is_err());
    }
}
