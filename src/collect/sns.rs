//! SNS: the topics that approvals, deployment groups and notification rules tell.
//!
//! In: a scope and references to topics of its account and Region, by ARN. Out: `AWS::SNS::Topic`, without endpoints:
//! an e-mail address or a URL with a token is nobody's business. A topic that is named and does not exist brings
//! nothing: absence without a gap is what "missing" means.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::types::Subscription;
use serde_json::Value;

use super::fields::{Fields, document};
use super::pages::{all_pages, in_order};
use super::{CallError, Collected, Collector, Reach, Scope};
use crate::inventory::{Arn, Reference, Resource, TypeName};

/// Reads SNS.
#[derive(Debug, Clone, Copy)]
pub struct Sns;

const GET_ATTRIBUTES: &str = "sns:GetTopicAttributes";
const LIST_SUBSCRIPTIONS: &str = "sns:ListSubscriptionsByTopic";

/// What SNS answers for a topic that does not exist, as its code and as its exception are called.
const NOT_FOUND: &[&str] = &["NotFound", "NotFoundException"];

/// Subscription ARNs that are no ARN: nobody confirmed, or somebody has left.
const UNCONFIRMED: &[&str] = &["PendingConfirmation", "Deleted"];

#[async_trait]
impl Collector for Sns {
    fn service(&self) -> &'static str {
        "sns"
    }

    fn actions(&self) -> &'static [&'static str] {
        &[GET_ATTRIBUTES, LIST_SUBSCRIPTIONS]
    }

    fn types(&self) -> &'static [TypeName] {
        const { &[TypeName::TOPIC] }
    }

    fn reach(&self) -> Reach {
        Reach::Referenced
    }

    async fn collect(&self, scope: &Scope, wanted: &[Reference]) -> Collected {
        let client = Client::new(scope.config());
        let names: BTreeSet<&str> = wanted.iter().map(|reference| reference.name.as_str()).collect();
        let topics = in_order(names.iter().map(|arn| read_topic(scope, &client, arn)).collect()).await;
        Collected { resources: topics.into_iter().flatten().collect(), ..Collected::default() }
    }
}

async fn read_topic(scope: &Scope, client: &Client, arn: &str) -> Option<Resource> {
    let mut resource = Resource::live(TypeName::TOPIC, arn.to_owned(), scope.account.clone(), scope.region.clone());
    let name = Arn::parse(arn).map_or(arn, |arn| arn.resource).to_owned();
    resource.properties = Fields::new().text("TopicName", Some(&name)).properties();
    let ask = || client.get_topic_attributes().topic_arn(arn).send();
    let answer = match scope.call_or_unset(GET_ATTRIBUTES, NOT_FOUND, ask).await {
        Ok(Some(answer)) => answer,
        Ok(None) => return None,
        Err(error) => {
            error.hides(scope, &mut resource, &["*"]);
            return Some(resource);
        }
    };
    let attributes = answer.attributes.unwrap_or_default();
    let text = |name: &str| attributes.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let number = |name: &str| text(name).and_then(|text| text.parse::<i64>().ok());
    let fields = Fields::new()
        .text("KmsMasterKeyId", text("KmsMasterKeyId"))
        .put("SubscriptionsConfirmed", number("SubscriptionsConfirmed"))
        .put("SubscriptionsPending", number("SubscriptionsPending"));
    resource.properties.extend(fields.properties());
    match text("Policy").map(document).transpose() {
        Ok(Some(policy)) => {
            resource.properties.insert("PolicyDocument".to_owned(), policy);
        }
        Ok(None) => {}
        Err(problem) => {
            CallError::malformed(GET_ATTRIBUTES, problem).hides(scope, &mut resource, &["PolicyDocument"]);
        }
    }
    read_subscriptions(scope, client, arn, &mut resource).await;
    Some(resource)
}

async fn read_subscriptions(scope: &Scope, client: &Client, arn: &str, resource: &mut Resource) {
    let listed = all_pages(LIST_SUBSCRIPTIONS, |token| async move {
        let ask = || client.list_subscriptions_by_topic().topic_arn(arn).set_next_token(token.clone()).send();
        let page = scope.call(LIST_SUBSCRIPTIONS, ask).await?;
        Ok((page.subscriptions.unwrap_or_default(), page.next_token))
    })
    .await;
    if let Some(error) = listed.error {
        error.hides(scope, resource, &["Subscription"]);
        return;
    }
    let subscriptions: Vec<Value> = listed.items.iter().map(subscription).collect();
    if !subscriptions.is_empty() {
        resource.properties.insert("Subscription".to_owned(), subscriptions.into());
    }
}

fn subscription(subscription: &Subscription) -> Value {
    let confirmed = subscription.subscription_arn().is_some_and(|arn| !UNCONFIRMED.contains(&arn));
    Fields::new().text("Protocol", subscription.protocol()).put("Confirmed", Some(confirmed)).value()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::test_support::{Answer, by_operation, endpoint, every_refusal_leaves_a_gap, reference};
    use super::*;

    const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:releases";

    const ATTRIBUTES: &str = "<GetTopicAttributesResponse><GetTopicAttributesResult><Attributes>\
        <entry><key>KmsMasterKeyId</key><value>alias/topics</value></entry>\
        <entry><key>SubscriptionsConfirmed</key><value>1</value></entry>\
        <entry><key>SubscriptionsPending</key><value>1</value></entry>\
        <entry><key>Policy</key><value>{\"Statement\":[]}</value></entry>\
        </Attributes></GetTopicAttributesResult></GetTopicAttributesResponse>";

    const SUBSCRIPTIONS: &str = "<ListSubscriptionsByTopicResponse><ListSubscriptionsByTopicResult><Subscriptions>\
        <member><Protocol>email</Protocol><Endpoint>a.person@example.com</Endpoint>\
        <SubscriptionArn>arn:aws:sns:eu-west-1:111122223333:releases:1</SubscriptionArn></member>\
        <member><Protocol>https</Protocol><Endpoint>https://example.com/?token=x</Endpoint>\
        <SubscriptionArn>PendingConfirmation</SubscriptionArn></member>\
        </Subscriptions></ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>";

    #[tokio::test]
    async fn topics_come_without_addresses_and_no_refusal_is_lost() {
        let answers = by_operation(&[
            ("GetTopicAttributes", Answer::Xml(ATTRIBUTES)),
            ("ListSubscriptionsByTopic", Answer::Xml(SUBSCRIPTIONS)),
        ]);
        let wanted = [reference(TypeName::TOPIC, TOPIC)];
        let found = every_refusal_leaves_a_gap(&Sns, Sns.actions(), &wanted, Arc::clone(&answers), &[]).await;
        let topic = found.resources.first().unwrap();
        assert_eq!(
            Value::Object(topic.properties.clone()),
            json!({
                "TopicName": "releases", "KmsMasterKeyId": "alias/topics", "PolicyDocument": {"Statement": []},
                "SubscriptionsConfirmed": 1, "SubscriptionsPending": 1,
                "Subscription": [
                    {"Protocol": "email", "Confirmed": true}, {"Protocol": "https", "Confirmed": false},
                ],
            })
        );
    }

    #[tokio::test]
    async fn a_topic_that_does_not_exist_brings_nothing() {
        let answers = by_operation(&[("GetTopicAttributes", Answer::Error(404, "NotFound"))]);
        let endpoint = endpoint(answers, &[]).await;
        let found = Sns.collect(&endpoint.scope, &[reference(TypeName::TOPIC, TOPIC)]).await;
        assert_eq!((found.resources, found.gaps), (Vec::new(), Vec::new()));
    }
}
