//! `AWS::SNS::Topic`: whether what is told to a topic reaches anybody.
//!
//! In: topics. Out: per ARN, whether somebody has confirmed a subscription and whether messages are encrypted at rest.
//! They are not judged themselves; the pipelines and deployment groups that tell them are.

use serde_json::Value;

use super::joins::Joins;
use super::seen::{Seen, at, flag, list_at, number, property, text_at};
use crate::inventory::{Arn, Region, Resource, TypeName};

/// What those that tell a topic need to know of it.
#[derive(Debug)]
pub(super) struct TopicEntry {
    confirmed: Seen<bool>,
    encrypted: Seen<bool>,
}

pub(super) fn index(resource: &Resource, joins: &mut Joins) {
    let encrypted = property(resource, "KmsMasterKeyId").map(|key| key.is_some());
    let entry = TopicEntry { confirmed: confirmed(resource), encrypted };
    joins.topics.insert(resource.uid.as_str().to_owned(), entry);
}

/// The list says it; where it could not be seen, the topic's own count does.
fn confirmed(resource: &Resource) -> Seen<bool> {
    let listed = property(resource, "Subscription").map(|subscriptions| {
        let mut confirmed = list_at(subscriptions, &[]).iter().filter_map(|one| at(Some(one), &["Confirmed"]));
        confirmed.any(|confirmed| flag(confirmed) == Some(true))
    });
    match (listed, property(resource, "SubscriptionsConfirmed")) {
        (Err(_), Ok(Some(count))) => Ok(number(count).is_some_and(|count| count > 0)),
        (listed, _) => listed,
    }
}

/// What is wrong with telling a topic, if anything: `None` where somebody hears it.
pub(super) fn unheard(arn: &str, joins: &Joins) -> Seen<Option<String>> {
    let name = arn.rsplit(':').next().unwrap_or(arn);
    match joins.topics.get(arn) {
        Some(topic) => match &topic.confirmed {
            Ok(true) => Ok(None),
            Ok(false) => Ok(Some(format!("topic {name} has no confirmed subscription"))),
            Err(sentences) => Err(sentences.clone()),
        },
        None => missing(arn, joins).map(|()| Some(format!("topic {name} does not exist"))),
    }
}

/// Whether a topic's messages are encrypted at rest; `None` where there is no such topic.
pub(super) fn is_encrypted(arn: &str, joins: &Joins) -> Seen<Option<bool>> {
    match joins.topics.get(arn) {
        Some(topic) => topic.encrypted.clone().map(Some),
        None => missing(arn, joins).map(|()| None),
    }
}

/// Whether it is certain that there is no such topic.
fn missing(arn: &str, joins: &Joins) -> Seen<()> {
    let mut sentences = joins.gaps.over_resource(arn);
    match Arn::parse(arn).ok().and_then(|parsed| Some((parsed.account_id()?, parsed.region.parse::<Region>().ok()?))) {
        Some((account, region)) => sentences.extend(joins.why_unseen(&account, Some(&region), &TypeName::TOPIC)),
        None => sentences.push(format!("`{arn}` is no ARN of a topic")),
    }
    if sentences.is_empty() { Ok(()) } else { Err(sentences) }
}

/// The topic that a setting names; a template may name it by reference.
pub(super) fn named(setting: Option<&Value>) -> Seen<Option<&str>> {
    match setting {
        Some(Value::String(arn)) if !arn.is_empty() => Ok(Some(arn)),
        None | Some(Value::Null | Value::String(_)) => Ok(None),
        Some(other) => {
            let reference = text_at(Some(other), &["Ref"]);
            Err(vec![format!("the topic is named by reference {reference}, which only a deployment resolves")])
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::*;

    const ARN: &str = "arn:aws:sns:eu-west-1:111111111111:releases";

    fn topic(properties: Value) -> Resource {
        let mut topic = resource(TypeName::TOPIC, "releases", properties);
        topic.uid = crate::inventory::ResourceUid(ARN.to_owned());
        topic
    }

    #[test]
    fn a_topic_is_heard_once_somebody_has_confirmed() {
        let subscription = |confirmed: bool| json!({"Subscription": [{"Protocol": "email", "Confirmed": confirmed}]});
        assert_eq!(unheard(ARN, &joins(&[topic(subscription(true))], &[])), Ok(None));
        let pending = unheard(ARN, &joins(&[topic(subscription(false))], &[])).unwrap().unwrap();
        assert!(pending.contains("no confirmed subscription"), "{pending}");
        assert!(unheard(ARN, &joins(&[topic(json!({}))], &[])).unwrap().is_some());
    }

    #[test]
    fn the_count_stands_in_for_a_list_that_was_refused() {
        let mut hidden = topic(json!({"SubscriptionsConfirmed": 2}));
        hidden.unseen.insert("Subscription".to_owned(), denied("sns:ListSubscriptionsByTopic"));
        assert_eq!(unheard(ARN, &joins(std::slice::from_ref(&hidden), &[])), Ok(None));
        hidden.properties.clear();
        hidden.unseen.insert("*".to_owned(), denied("sns:GetTopicAttributes"));
        let joins = joins(&[hidden], &[]);
        assert!(unheard(ARN, &joins).is_err() && is_encrypted(ARN, &joins).is_err());
    }

    #[test]
    fn a_topic_that_was_not_found_is_missing_only_where_somebody_looked() {
        let here = resource(TypeName::PIPELINE, "web", json!({}));
        let looked = joins(std::slice::from_ref(&here), &[]);
        assert!(unheard(ARN, &looked).unwrap().unwrap().contains("does not exist"));
        assert_eq!(is_encrypted(ARN, &looked), Ok(None));
        assert!(unheard("arn:aws:sns:eu-west-1:222222222222:releases", &looked).is_err());
        let gap = denied_types("sns:GetTopicAttributes", &[TypeName::TOPIC]);
        assert!(unheard(ARN, &joins(&[here], &[gap])).is_err());
        assert!(unheard("releases", &looked).is_err());
    }

    #[test]
    fn a_setting_may_be_absent_or_a_reference() {
        assert_eq!(named(None), Ok(None));
        assert_eq!(named(Some(&json!(""))), Ok(None));
        assert_eq!(named(Some(&json!(ARN))), Ok(Some(ARN)));
        assert!(named(Some(&json!({"Ref": "Topic"}))).is_err());
    }

    #[test]
    fn encryption_is_what_the_topic_names() {
        let encrypted = |properties| is_encrypted(ARN, &joins(&[topic(properties)], &[]));
        assert_eq!(encrypted(json!({"KmsMasterKeyId": "alias/topics"})), Ok(Some(true)));
        assert_eq!(encrypted(json!({})), Ok(Some(false)));
    }
}
