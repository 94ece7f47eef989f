//! SNS topics.

use serde_json::{Value, json};

use super::super::estate::Topic;
use super::super::protocol::ApiError;
use super::pages::{page, with_token};
use super::{Answer, Call, Operation, Service};
use crate::simulate::PLANTED_SECRET;

pub(super) const SERVICE: Service = Service {
    prefix: "sns",
    target: "AmazonSimpleNotificationService",
    operations: &[
        Operation { name: "GetTopicAttributes", action: "sns:GetTopicAttributes", answer: get_topic_attributes },
        Operation {
            name: "ListSubscriptionsByTopic",
            action: "sns:ListSubscriptionsByTopic",
            answer: list_subscriptions_by_topic,
        },
    ],
};

/// The topic that deployment groups tell; everything is well with it.
const DEPLOYMENTS: &str = "deployments";

/// What is known of a topic, as its name has it.
struct Found<'a> {
    arn: &'a str,
    confirmed: bool,
    encrypted: bool,
}

fn topic<'a>(call: &'a Call<'_>) -> Result<Found<'a>, ApiError> {
    let arn = call.required("TopicArn")?;
    let missing = || ApiError::new(404, "NotFound", "Topic does not exist".to_owned());
    let region = call.region.ok_or_else(missing)?;
    let name = arn.rsplit(':').next().unwrap_or_default();
    if arn != call.world.arn("sns", region, call.account, name) {
        return Err(missing());
    }
    let known = |topic: Topic| topic.name() == name;
    if known(Topic::Releases) || name == DEPLOYMENTS {
        Ok(Found { arn, confirmed: true, encrypted: true })
    } else if known(Topic::Unconfirmed) {
        Ok(Found { arn, confirmed: false, encrypted: true })
    } else if known(Topic::Clear) {
        Ok(Found { arn, confirmed: true, encrypted: false })
    } else {
        Err(missing())
    }
}

fn get_topic_attributes(call: &Call<'_>) -> Answer {
    let topic = topic(call)?;
    let policy = json!({ "Version": "2012-10-17", "Statement": [] }).to_string();
    let mut attributes = vec![
        ("TopicArn", topic.arn.to_owned()),
        ("Policy", policy),
        ("SubscriptionsConfirmed", u8::from(topic.confirmed).to_string()),
        ("SubscriptionsPending", "1".to_owned()),
    ];
    if topic.encrypted {
        attributes.push(("KmsMasterKeyId", "alias/notifications".to_owned()));
    }
    let entries: Vec<Value> =
        attributes.into_iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    Ok(json!({ "Attributes": { "entry": entries } }))
}

fn list_subscriptions_by_topic(call: &Call<'_>) -> Answer {
    let topic = topic(call)?;
    let owner = call.world.account_id(call.account).to_string();
    let subscription = |protocol: &str, endpoint: String, arn: String| {
        json!({
            "TopicArn": topic.arn, "Protocol": protocol, "Owner": owner, "Endpoint": endpoint, "SubscriptionArn": arn
        })
    };
    let pending = format!("https://hooks.example.com/{PLANTED_SECRET}hook");
    let mut all = vec![subscription("https", pending, "PendingConfirmation".to_owned())];
    if topic.confirmed {
        let address = format!("{PLANTED_SECRET}somebody@example.com");
        all.push(subscription("email", address, format!("{}:00000000-0000-4000-8000-000000000001", topic.arn)));
    }
    let (range, next) = page(all.len(), call.text("NextToken"), None, 100, "InvalidParameter")?;
    let subscriptions = all.get(range).unwrap_or_default();
    Ok(with_token(json!({ "Subscriptions": subscriptions }), "NextToken", next))
}
