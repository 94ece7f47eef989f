//! Notification rules of the developer tools: who is told when a pipeline fails or waits for an approval.
//!
//! In: a scope that holds something. Out: `AWS::CodeStarNotifications::NotificationRule`, and references to the topics
//! that the rules tell.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_codestarnotifications::Client;
use aws_sdk_codestarnotifications::operation::describe_notification_rule::DescribeNotificationRuleOutput;

use super::fields::Fields;
use super::pages::{all_pages, in_order};
use super::{CallError, Collected, Collector, Reach, Scope, arn};
use crate::inventory::{Arn, Properties, Reference, Resource, TypeName};

/// Reads notification rules.
#[derive(Debug, Clone, Copy)]
pub struct CodeStarNotifications;

const LIST_RULES: &str = "codestar-notifications:ListNotificationRules";
const DESCRIBE_RULE: &str = "codestar-notifications:DescribeNotificationRule";

#[async_trait]
impl Collector for CodeStarNotifications {
    fn service(&self) -> &'static str {
        "codestar-notifications"
    }

    fn actions(&self) -> &'static [&'static str] {
        &[LIST_RULES, DESCRIBE_RULE]
    }

    fn types(&self) -> &'static [TypeName] {
        const { &[TypeName::NOTIFICATION_RULE] }
    }

    fn reach(&self) -> Reach {
        Reach::OccupiedRegion
    }

    async fn collect(&self, scope: &Scope, _wanted: &[Reference]) -> Collected {
        let client = &Client::new(scope.config());
        let listed = all_pages(LIST_RULES, |token| async move {
            let ask = || client.list_notification_rules().max_results(100).set_next_token(token.clone()).send();
            let page = scope.call(LIST_RULES, ask).await?;
            Ok((page.notification_rules.unwrap_or_default(), page.next_token))
        })
        .await;
        let mut collected = Collected::default();
        let mut errors: Vec<CallError> = listed.error.into_iter().collect();
        let mut names = Vec::new();
        for rule in listed.items {
            match rule.arn {
                Some(arn) if !arn.is_empty() => names.push(arn),
                _ => errors.push(CallError::malformed(LIST_RULES, "a notification rule without an ARN")),
            }
        }
        names.sort();
        names.dedup();
        collected.gaps.extend(errors.into_iter().map(|error| error.unlisted(scope, &[TypeName::NOTIFICATION_RULE])));
        for rule in in_order(names.iter().map(|arn| read_rule(scope, client, arn)).collect()).await {
            collected.absorb(rule);
        }
        collected
    }
}

async fn read_rule(scope: &Scope, client: &Client, uid: &str) -> Collected {
    let mut resource =
        Resource::live(TypeName::NOTIFICATION_RULE, uid.to_owned(), scope.account.clone(), scope.region.clone());
    let mut references = Vec::new();
    match scope.call(DESCRIBE_RULE, || client.describe_notification_rule().arn(uid).send()).await {
        Ok(rule) => {
            let tags: BTreeMap<String, String> = rule.tags().cloned().unwrap_or_default().into_iter().collect();
            resource.tags = tags;
            resource.properties = properties(&rule);
            let topics = rule.targets().iter().filter_map(|target| target.target_address());
            let topics = topics.filter(|address| Arn::parse(address).is_ok_and(|arn| arn.service == "sns"));
            references = topics.filter_map(|topic| arn::reference(scope, TypeName::TOPIC, topic)).collect();
            references.sort();
            references.dedup();
        }
        Err(error) => error.hides(scope, &mut resource, &["*"]),
    }
    Collected { resources: vec![resource], references, ..Collected::default() }
}

fn properties(rule: &DescribeNotificationRuleOutput) -> Properties {
    let mut events: Vec<&str> = rule.event_types().iter().filter_map(|event| event.event_type_id()).collect();
    events.sort_unstable();
    Fields::new()
        .text("Name", rule.name())
        .text("Resource", rule.resource())
        .texts("EventTypeIds", &events)
        .text("Status", rule.status())
        .text("DetailType", rule.detail_type())
        .list("Targets", rule.targets(), |target| {
            // An address that is no ARN may be somebody's: only what can be joined is kept.
            let address = target.target_address().filter(|address| Arn::parse(address).is_ok());
            let fields = Fields::new().text("TargetType", target.target_type()).text("TargetAddress", address);
            fields.text("TargetStatus", target.target_status()).value()
        })
        .properties()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::test_support::{Answer, by_operation, every_refusal_leaves_a_gap};
    use super::*;

    #[tokio::test]
    async fn rules_are_brought_and_no_refusal_is_lost() {
        let uid = "arn:aws:codestar-notifications:eu-west-1:111122223333:notificationrule/1";
        let topic = "arn:aws:sns:eu-west-1:111122223333:releases";
        let answers = by_operation(&[
            ("ListNotificationRules", Answer::Json(json!({"NotificationRules": [{"Id": "1", "Arn": uid}]}))),
            (
                "DescribeNotificationRule",
                Answer::Json(json!({
                    "Arn": uid, "Name": "failures", "Resource": "arn:aws:codepipeline:eu-west-1:111122223333:web",
                    "EventTypes": [{"EventTypeId": "codepipeline-pipeline-pipeline-execution-failed"}],
                    "Status": "ENABLED", "DetailType": "FULL", "Tags": {"team": "delivery"},
                    "Targets": [
                        {"TargetAddress": topic, "TargetType": "SNS", "TargetStatus": "ACTIVE"},
                        {"TargetAddress": "somebody@example.com", "TargetType": "Odd", "TargetStatus": "PENDING"},
                    ],
                })),
            ),
        ]);
        let collector = CodeStarNotifications;
        let found = every_refusal_leaves_a_gap(&collector, collector.actions(), &[], answers, &[]).await;
        let rule = found.resources.first().unwrap();
        assert_eq!(rule.uid.as_str(), uid);
        assert_eq!(
            Value::Object(rule.properties.clone()),
            json!({
                "Name": "failures", "Resource": "arn:aws:codepipeline:eu-west-1:111122223333:web",
                "EventTypeIds": ["codepipeline-pipeline-pipeline-execution-failed"],
                "Status": "ENABLED", "DetailType": "FULL",
                "Targets": [
                    {"TargetType": "SNS", "TargetAddress": topic, "TargetStatus": "ACTIVE"},
                    {"TargetType": "Odd", "TargetStatus": "PENDING"},
                ],
            })
        );
        assert_eq!(found.references.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), [topic]);
    }
}
