//! Who hears of a pipeline: approvals that somebody is told of, and failures that somebody notices.
//!
//! In: the approvals of a pipeline, its notification rules and the topics of both. Out: the facts about them. A topic
//! without a confirmed subscription, or one that does not exist, tells nobody.

use std::collections::BTreeSet;

use super::Facts;
use super::deploying;
use super::notification_rule::{APPROVAL_NEEDED, FAILURES, of_pipeline};
use super::pipeline_definition::Action;
use super::pipeline_view::View;
use super::seen::{Found, Seen, number};
use super::topic;

/// Facts that are unknown if the stages could not be seen.
pub(super) const FACTS: &[&str] = &[
    "approvals",
    "longestApprovalWaitMinutes",
    "notificationTopics",
    "unencryptedNotificationTopics",
    "unexplainedApprovals",
    "unnotifiedApprovals",
];

/// What `CodePipeline` waits for an approval where nothing is set: seven days.
const DEFAULT_WAIT_MINUTES: i64 = 7 * 24 * 60;

/// Adds the facts that need no definition.
pub(super) fn put_rules(facts: &mut Facts, resource: &crate::inventory::Resource, joins: &super::Joins) {
    let (rules, doubts) = of_pipeline(resource, joins);
    let mut heard = Found { doubts: doubts.clone(), ..Found::default() };
    let mut silent = Found { doubts, ..Found::default() };
    for rule in rules {
        let unheard = rule.unheard(joins);
        if rule.is_about(FAILURES) {
            heard.add_if(&rule.name, &unheard.clone().map(|reason| reason.is_none()));
        }
        match unheard {
            Ok(Some(reason)) => silent.add(format!("{} ({reason})", rule.name)),
            Ok(None) => {}
            Err(sentences) => silent.doubt(&sentences),
        }
    }
    facts.put("failureNotifications", heard.decided());
    facts.put("silentNotificationRules", silent.decided());
}

/// Adds the facts about approvals and topics.
pub(super) fn put(facts: &mut Facts, view: &View<'_>) {
    let approvals: Vec<&Action<'_>> = view.definition.gates().collect();
    facts.know("approvals", approvals.iter().map(|approval| approval.label()).collect::<BTreeSet<_>>());
    let longest = approvals.iter().map(|approval| wait(approval)).max();
    facts.know("longestApprovalWaitMinutes", longest.unwrap_or(0));
    let unexplained = approvals.iter().filter(|approval| !explains(approval)).map(|approval| approval.label());
    facts.know("unexplainedApprovals", unexplained.collect::<BTreeSet<_>>());

    let by_rule = told_by_rule(view);
    let mut unnotified = Found::default();
    for approval in &approvals {
        match (&own_topic_unheard(approval, view), &by_rule) {
            (Ok(None), _) | (_, Ok(true)) => {}
            (Ok(Some(reason)), Ok(false)) => unnotified.add(format!("{} ({reason})", approval.label())),
            (Err(sentences), _) | (_, Err(sentences)) => unnotified.doubt(sentences),
        }
    }
    facts.put("unnotifiedApprovals", unnotified.decided());
    put_topics(facts, view, &approvals);
}

fn wait(approval: &Action<'_>) -> i64 {
    approval.property("TimeoutInMinutes").and_then(number).unwrap_or(DEFAULT_WAIT_MINUTES)
}

/// Whether the approval says what is to be looked at.
fn explains(approval: &Action<'_>) -> bool {
    let settings = approval.configuration();
    ["CustomData", "ExternalEntityLink"].iter().any(|key| {
        settings
            .and_then(|settings| settings.get(*key))
            .is_some_and(|value| value.as_str().is_none_or(|text| !text.trim().is_empty()))
    })
}

fn named_topic<'a>(approval: &Action<'a>) -> Seen<Option<&'a str>> {
    topic::named(approval.configuration().and_then(|settings| settings.get("NotificationArn")))
}

fn own_topic_unheard(approval: &Action<'_>, view: &View<'_>) -> Seen<Option<String>> {
    match named_topic(approval)? {
        None => Ok(Some("names no topic".to_owned())),
        Some(arn) => topic::unheard(arn, view.joins),
    }
}

/// Whether a notification rule tells somebody that an approval is waited for.
fn told_by_rule(view: &View<'_>) -> Seen<bool> {
    let (rules, doubts) = of_pipeline(view.resource, view.joins);
    let told = rules.iter().filter(|rule| rule.is_about(APPROVAL_NEEDED));
    let told = told.map(|rule| rule.unheard(view.joins).map(|reason| reason.is_none()));
    deploying::any(told.chain((!doubts.is_empty()).then_some(Err(doubts))))
}

/// The topics that approvals and rules tell, and those that keep what they are told in the clear.
fn put_topics(facts: &mut Facts, view: &View<'_>, approvals: &[&Action<'_>]) {
    let (rules, doubts) = of_pipeline(view.resource, view.joins);
    let mut topics = Found { doubts: doubts.clone(), ..Found::default() };
    let mut clear = Found { doubts, ..Found::default() };
    for approval in approvals {
        match named_topic(approval) {
            Ok(Some(arn)) => topics.add(arn),
            Ok(None) => {}
            Err(sentences) => {
                topics.doubt(&sentences);
                clear.doubt(&sentences);
            }
        }
    }
    for arn in rules.iter().flat_map(super::notification_rule::NotificationRuleEntry::topics) {
        topics.add(arn);
    }
    for arn in &topics.certain {
        let unencrypted = topic::is_encrypted(arn, view.joins).map(|encrypted| encrypted == Some(false));
        clear.add_if(arn.as_str(), &unencrypted);
    }
    facts.put("notificationTopics", topics.decided());
    facts.put("unencryptedNotificationTopics", clear.decided());
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::*;
    use super::super::{Fact, Pipeline, ResourceKind};
    use super::*;
    use crate::inventory::{Gap, Resource, TypeName};

    const ARN: &str = "arn:aws:sns:eu-west-1:111111111111:releases";

    fn approved(settings: Value, extra: Value) -> Resource {
        let mut action = json!({
            "Name": "Approve", "Configuration": settings,
            "ActionTypeId": {"Category": "Approval", "Owner": "AWS", "Provider": "Manual", "Version": "1"},
        });
        action.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        resource(TypeName::PIPELINE, "web", json!({"Name": "web", "Stages": [{"Name": "Gate", "Actions": [action]}]}))
    }

    fn topic(properties: Value) -> Resource {
        let mut topic = resource(TypeName::TOPIC, "releases", properties);
        topic.uid = crate::inventory::ResourceUid(ARN.to_owned());
        topic
    }

    fn rule(pipeline: &Resource, events: &[&str]) -> Resource {
        let target = json!({"TargetType": "SNS", "TargetAddress": ARN, "TargetStatus": "ACTIVE"});
        let about = pipeline.uid.as_str();
        resource(
            TypeName::NOTIFICATION_RULE,
            "rule",
            json!({"Name": "rule", "Resource": about, "Status": "ENABLED", "EventTypeIds": events, "Targets": [target]}),
        )
    }

    fn facts(pipeline: &Resource, others: &[Resource], gaps: &[Gap]) -> Facts {
        let all: Vec<Resource> = others.iter().cloned().chain([pipeline.clone()]).collect();
        Pipeline.facts(pipeline, &joins(&all, gaps))
    }

    fn set(facts: &Facts, name: &str) -> Vec<String> {
        match facts.known.get(name) {
            Some(Fact::Set(set)) => set.iter().cloned().collect(),
            other => panic!("{name}: {other:?}, unknown: {:?}", facts.unknown),
        }
    }

    fn confirmed() -> Value {
        json!({"Subscription": [{"Protocol": "email", "Confirmed": true}], "KmsMasterKeyId": "alias/k"})
    }

    #[test]
    fn an_approval_is_notified_by_its_topic_or_by_a_rule() {
        let silent = approved(json!({}), json!({}));
        assert_eq!(set(&facts(&silent, &[], &[]), "unnotifiedApprovals"), ["Gate/Approve (names no topic)"]);
        let told = approved(json!({"NotificationArn": ARN}), json!({}));
        assert!(set(&facts(&told, &[topic(confirmed())], &[]), "unnotifiedApprovals").is_empty());
        assert!(set(&facts(&told, &[topic(json!({}))], &[]), "unnotifiedApprovals")[0].contains("no confirmed"));
        assert!(set(&facts(&told, &[], &[]), "unnotifiedApprovals")[0].contains("does not exist"));
        let by_rule = [rule(&silent, APPROVAL_NEEDED), topic(confirmed())];
        assert!(set(&facts(&silent, &by_rule, &[]), "unnotifiedApprovals").is_empty());
        let other_rule = [rule(&silent, FAILURES), topic(confirmed())];
        assert_eq!(set(&facts(&silent, &other_rule, &[]), "unnotifiedApprovals").len(), 1);
    }

    #[test]
    fn rules_that_could_not_be_listed_leave_it_open() {
        let gap = denied_types("codestar-notifications:ListNotificationRules", &[TypeName::NOTIFICATION_RULE]);
        let silent = approved(json!({}), json!({}));
        let hidden = facts(&silent, &[], std::slice::from_ref(&gap));
        for fact in ["unnotifiedApprovals", "failureNotifications", "notificationTopics"] {
            assert!(hidden.unknown.contains_key(fact), "{fact}");
        }
        let told = approved(json!({"NotificationArn": ARN}), json!({}));
        assert!(set(&facts(&told, &[topic(confirmed())], &[gap]), "unnotifiedApprovals").is_empty());
    }

    #[test]
    fn failures_are_heard_through_an_enabled_rule_and_a_confirmed_topic() {
        let pipeline = approved(json!({}), json!({}));
        let failing = rule(&pipeline, FAILURES);
        let heard = facts(&pipeline, &[failing.clone(), topic(confirmed())], &[]);
        assert_eq!(set(&heard, "failureNotifications"), ["rule"]);
        assert!(set(&heard, "silentNotificationRules").is_empty());
        let unheard = facts(&pipeline, &[failing, topic(json!({}))], &[]);
        assert!(set(&unheard, "failureNotifications").is_empty());
        assert!(set(&unheard, "silentNotificationRules")[0].contains("no confirmed"));
    }

    #[test]
    fn what_approvals_wait_for_and_say() {
        let plain = facts(&approved(json!({}), json!({})), &[], &[]);
        assert_eq!(plain.known["longestApprovalWaitMinutes"], Fact::Long(10_080));
        assert_eq!(set(&plain, "unexplainedApprovals"), ["Gate/Approve"]);
        let said = facts(&approved(json!({"CustomData": "Look"}), json!({"TimeoutInMinutes": 60})), &[], &[]);
        assert_eq!(said.known["longestApprovalWaitMinutes"], Fact::Long(60));
        assert!(set(&said, "unexplainedApprovals").is_empty());
        let blank = facts(&approved(json!({"CustomData": " "}), json!({})), &[], &[]);
        assert_eq!(set(&blank, "unexplainedApprovals"), ["Gate/Approve"]);
        let linked = facts(&approved(json!({"ExternalEntityLink": "https://example.com"}), json!({})), &[], &[]);
        assert!(set(&linked, "unexplainedApprovals").is_empty());
    }

    #[test]
    fn topics_in_the_clear_are_named() {
        let told = approved(json!({"NotificationArn": ARN}), json!({}));
        let clear = facts(&told, &[topic(json!({}))], &[]);
        assert_eq!(set(&clear, "notificationTopics"), [ARN]);
        assert_eq!(set(&clear, "unencryptedNotificationTopics"), [ARN]);
        assert!(set(&facts(&told, &[topic(confirmed())], &[]), "unencryptedNotificationTopics").is_empty());
        let mut hidden = topic(json!({}));
        hidden.unseen.insert("*".to_owned(), denied("sns:GetTopicAttributes"));
        assert!(facts(&told, &[hidden], &[]).unknown.contains_key("unencryptedNotificationTopics"));
    }
}
