//! `AWS::SNS::Topic`, with the policies and subscriptions that stand beside it.
//!
//! In: a topic as a template writes it, `AWS::SNS::TopicPolicy` and `AWS::SNS::Subscription`. Out: the topic as SNS answers
//! it, without endpoints. Services of AWS confirm a subscription by themselves; whether a person did, or whether somebody
//! has subscribed by hand, only the deployed topic shows.

use super::super::node::{Node, Tree};
use super::Shape;
use super::conversion::Conversion;
use super::form::{Form, map};
use crate::inventory::{GapCause, TypeName};

/// Topics.
pub(super) const TOPIC: Shape = Shape {
    type_name: "AWS::SNS::Topic",
    becomes: TypeName::TOPIC,
    form: Form::Map(&[
        ("TopicName", Form::Text),
        ("KmsMasterKeyId", Form::Text),
        ("PolicyDocument", Form::Policy),
        ("Subscription", Form::List(&Form::Map(&[("Protocol", Form::Text), ("Confirmed", Form::Flag)]))),
    ]),
    convert: topic,
    only_deployed: &["SubscriptionsConfirmed", "SubscriptionsPending"],
};

/// Protocols whose subscriptions nobody has to confirm.
const CONFIRMED: &[&str] = &["application", "firehose", "lambda", "sms", "sqs"];

fn topic(conversion: &mut Conversion<'_>) {
    let names_this = |raw: &&super::Raw, property: &str| {
        let named = raw.property(property);
        let several = named.map(Node::elements).unwrap_or_default().iter();
        several.chain(named).filter_map(Node::as_str).any(|topic| conversion.is_named(topic, raw))
    };
    let policies = conversion.all("AWS::SNS::TopicPolicy").filter(|policy| names_this(policy, "Topics"));
    let document = policies.filter_map(|policy| policy.property("PolicyDocument")).last().cloned();
    let own = conversion.property("Subscription").map(Node::elements).unwrap_or_default().iter();
    let beside = conversion.all("AWS::SNS::Subscription").filter(|one| names_this(one, "TopicArn"));
    let found: Vec<Node> = own.chain(beside.map(|one| &one.properties)).filter_map(subscription).collect();
    let heard = found.iter().any(|one| matches!(one.get("Confirmed").map(|said| &said.tree), Some(Tree::Bool(true))));
    let span = conversion.raw().span;
    conversion.take("Subscription");
    conversion.set("Subscription", Node::new(Tree::List(found), span));
    if !heard {
        let what = format!("whether somebody has confirmed a subscription to topic {}", conversion.raw().logical_id);
        conversion.hide("Subscription", GapCause::OnlyDeployed { what });
    }
    if let Some(document) = document {
        conversion.set("PolicyDocument", document);
    }
}

fn subscription(written: &Node) -> Option<Node> {
    let protocol = written.get("Protocol")?.clone();
    let confirmed = protocol.as_str().is_some_and(|protocol| CONFIRMED.contains(&protocol));
    let confirmed = Node::new(Tree::Bool(confirmed), protocol.span);
    let at = protocol.clone();
    Some(map(vec![("Protocol", protocol), ("Confirmed", confirmed)], &at))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::*;
    use crate::inventory::Resource;
    use crate::template::Raw;

    const ARN: &str = "arn:aws:sns:eu-west-1:111122223333:Ops";

    fn found(topic: Value, others: Vec<Raw>) -> Resource {
        let trigger = json!({"TriggerConfigurations": [{"TriggerTargetArn": ARN}]});
        let mut all =
            vec![raw("AWS::CodeDeploy::DeploymentGroup", "Group", trigger), raw("AWS::SNS::Topic", "Ops", topic)];
        all.extend(others);
        one(&all, "Ops").resource
    }

    #[test]
    fn a_service_that_listens_is_heard_and_no_endpoint_is_kept() {
        let policy = json!({"Topics": [ARN], "PolicyDocument": {"Statement": []}});
        let beside = json!({"TopicArn": ARN, "Protocol": "lambda", "Endpoint": "arn:aws:lambda:x"});
        let topic = found(
            json!({"KmsMasterKeyId": "alias/x", "DisplayName": "x", "Subscription": [{"Protocol": "email", "Endpoint": "me@acme.example"}]}),
            vec![raw("AWS::SNS::TopicPolicy", "Policy", policy), raw("AWS::SNS::Subscription", "Sub", beside)],
        );
        assert_eq!(
            Value::Object(topic.properties.clone()),
            json!({"TopicName": "Ops", "KmsMasterKeyId": "alias/x", "PolicyDocument": {"Statement": []},
                   "Subscription": [{"Protocol": "email", "Confirmed": false}, {"Protocol": "lambda", "Confirmed": true}]})
        );
        assert!(!topic.unseen.contains_key("Subscription"));
    }

    #[test]
    fn whether_a_person_listens_only_the_deployed_topic_shows() {
        for topic in [json!({}), json!({"Subscription": [{"Protocol": "email", "Endpoint": "me@acme.example"}]})] {
            assert!(found(topic, Vec::new()).unseen.contains_key("Subscription"));
        }
    }
}
