//! `AWS::CodeStarNotifications::NotificationRule`: what a pipeline tells, and whom.
//!
//! In: notification rules. Out: per pipeline, its rules, and whether anybody hears each. They are not judged themselves;
//! the pipeline that they are about is.

use std::collections::BTreeSet;

use serde_json::Value;

use super::deploying;
use super::joins::{Joins, place};
use super::seen::{Seen, list_at, name, property, text_at};
use super::topic;
use crate::inventory::{Resource, TypeName};

/// A rule of one pipeline.
#[derive(Debug)]
pub(super) struct NotificationRuleEntry {
    pub(super) name: String,
    enabled: bool,
    events: BTreeSet<String>,
    targets: Vec<Target>,
}

#[derive(Debug)]
struct Target {
    kind: String,
    address: String,
    status: String,
}

/// Events that say that a release went wrong.
pub(super) const FAILURES: &[&str] = &[
    "codepipeline-pipeline-pipeline-execution-failed",
    "codepipeline-pipeline-stage-execution-failed",
    "codepipeline-pipeline-action-execution-failed",
];

/// The event that somebody is waited for.
pub(super) const APPROVAL_NEEDED: &[&str] = &["codepipeline-pipeline-manual-approval-needed"];

pub(super) fn index(resource: &Resource, joins: &mut Joins) {
    let about = match property(resource, "Resource") {
        Ok(about) => about.and_then(Value::as_str).unwrap_or_default().to_owned(),
        Err(sentences) => {
            joins.hidden_notification_rules.entry(place(resource)).or_default().extend(sentences);
            return;
        }
    };
    let list = |name: &str| list_at(resource.properties.get(name), &[]).iter();
    let text = |name: &str| text_at(resource.properties.get(name), &[]);
    let targets = list("Targets").map(|target| {
        let field = |name: &str| text_at(Some(target), &[name]).to_owned();
        Target { kind: field("TargetType"), address: field("TargetAddress"), status: field("TargetStatus") }
    });
    let entry = NotificationRuleEntry {
        name: name(resource, "Name").to_owned(),
        enabled: text("Status") != "DISABLED",
        events: list("EventTypeIds").filter_map(Value::as_str).map(str::to_owned).collect(),
        targets: targets.collect(),
    };
    joins.notification_rules.entry(about).or_default().push(entry);
}

/// The rules about a pipeline, and why there may be more.
pub(super) fn of_pipeline<'a>(resource: &Resource, joins: &'a Joins) -> (&'a [NotificationRuleEntry], Vec<String>) {
    let rules = joins.notification_rules.get(resource.uid.as_str()).map_or(&[][..], Vec::as_slice);
    let mut doubts = joins.gaps.over(&resource.account, Some(&resource.region), &TypeName::NOTIFICATION_RULE);
    doubts.extend(joins.hidden_notification_rules.get(&place(resource)).into_iter().flatten().cloned());
    (rules, doubts)
}

impl NotificationRuleEntry {
    /// Whether the rule is about one of these events.
    pub(super) fn is_about(&self, events: &[&str]) -> bool {
        events.iter().any(|event| self.events.contains(*event))
    }

    /// The topics that the rule tells.
    pub(super) fn topics(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().filter(|target| target.kind == "SNS").map(|target| target.address.as_str())
    }

    /// Why nobody hears the rule; `None` where somebody does.
    pub(super) fn unheard(&self, joins: &Joins) -> Seen<Option<String>> {
        if !self.enabled {
            return Ok(Some("disabled".to_owned()));
        }
        let mut reasons = BTreeSet::new();
        let heard = self.targets.iter().map(|target| {
            let reason = target.unheard(joins)?;
            let heard = reason.is_none();
            reasons.extend(reason);
            Ok(heard)
        });
        let heard = deploying::any(heard)?;
        if reasons.is_empty() {
            reasons.insert("no target".to_owned());
        }
        Ok((!heard).then(|| reasons.into_iter().collect::<Vec<_>>().join(", ")))
    }
}

impl Target {
    fn unheard(&self, joins: &Joins) -> Seen<Option<String>> {
        if matches!(self.status.as_str(), "UNREACHABLE" | "INACTIVE" | "DEACTIVATED" | "PENDING") {
            return Ok(Some(format!("{} target is {}", self.kind, self.status)));
        }
        if self.kind == "SNS" { topic::unheard(&self.address, joins) } else { Ok(None) }
    }
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::*;

    const ARN: &str = "arn:aws:sns:eu-west-1:111111111111:releases";

    fn heard(status: &str, targets: Value) -> Option<String> {
        let pipeline = resource(TypeName::PIPELINE, "web", json!({"Name": "web"}));
        let rule = resource(
            TypeName::NOTIFICATION_RULE,
            "rule",
            json!({"Name": "rule", "Resource": pipeline.uid.as_str(), "Status": status, "EventTypeIds": FAILURES, "Targets": targets}),
        );
        let mut topic = resource(TypeName::TOPIC, "t", json!({"Subscription": [{"Confirmed": true}]}));
        topic.uid = crate::inventory::ResourceUid(ARN.to_owned());
        let joins = joins(&[pipeline.clone(), rule, topic], &[]);
        let (rules, doubts) = of_pipeline(&pipeline, &joins);
        assert_eq!((rules.len(), doubts.len()), (1, 0));
        assert!(rules[0].is_about(FAILURES) && !rules[0].is_about(APPROVAL_NEEDED));
        rules[0].unheard(&joins).unwrap()
    }

    #[test]
    fn a_rule_is_heard_where_one_target_is() {
        let sns = |status: &str| json!({"TargetType": "SNS", "TargetAddress": ARN, "TargetStatus": status});
        let chat =
            json!({"TargetType": "AWSChatbotSlack", "TargetAddress": "arn:aws:chatbot::1:x", "TargetStatus": "ACTIVE"});
        let gone = json!({"TargetType": "SNS", "TargetAddress": format!("{ARN}-gone"), "TargetStatus": "ACTIVE"});
        assert_eq!(heard("ENABLED", json!([sns("ACTIVE")])), None);
        assert_eq!(heard("ENABLED", json!([chat])), None);
        assert_eq!(heard("ENABLED", json!([gone, sns("ACTIVE")])), None);
        assert_eq!(heard("DISABLED", json!([sns("ACTIVE")])).as_deref(), Some("disabled"));
        assert_eq!(heard("ENABLED", json!([])).as_deref(), Some("no target"));
        assert!(heard("ENABLED", json!([sns("UNREACHABLE")])).unwrap().contains("UNREACHABLE"));
        assert!(heard("ENABLED", json!([gone])).unwrap().contains("does not exist"));
    }

    #[test]
    fn a_rule_that_could_not_be_read_may_be_about_anything_beside_it() {
        let pipeline = resource(TypeName::PIPELINE, "web", json!({"Name": "web"}));
        let mut rule = resource(TypeName::NOTIFICATION_RULE, "rule", json!({}));
        rule.unseen.insert("*".to_owned(), denied("codestar-notifications:DescribeNotificationRule"));
        let joins = joins(&[pipeline.clone(), rule], &[]);
        assert_eq!(of_pipeline(&pipeline, &joins).1.len(), 1);
    }
}
