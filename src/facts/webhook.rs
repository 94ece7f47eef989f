//! `AWS::CodePipeline::Webhook`: doors into a pipeline.
//!
//! In: webhooks. Out: per pipeline, their names and whether anyone may knock. They are not judged themselves; the
//! pipeline that they start is.

use serde_json::Value;

use super::joins::{Joins, place};
use super::seen::{Found, Seen, name, property, text, text_at};
use crate::inventory::{Resource, TypeName};

/// What a pipeline needs to know of a webhook.
#[derive(Debug)]
pub(super) struct WebhookEntry {
    name: String,
    unauthenticated: Seen<bool>,
}

pub(super) fn index(resource: &Resource, joins: &mut Joins) {
    if let Some(pipeline) = resource.properties.get("TargetPipeline").and_then(Value::as_str) {
        let entry =
            WebhookEntry { name: name(resource, "Name").to_owned(), unauthenticated: unauthenticated(resource) };
        joins.webhooks.entry(place(resource)).or_default().entry(pipeline.to_owned()).or_default().push(entry);
    }
}

/// Whether a webhook takes calls from anyone: no authentication, or by address from everywhere.
fn unauthenticated(resource: &Resource) -> Seen<bool> {
    Ok(match text(resource, "Authentication")?.unwrap_or("UNAUTHENTICATED") {
        "UNAUTHENTICATED" => true,
        "IP" => {
            let range = text_at(property(resource, "AuthenticationConfiguration")?, &["AllowedIPRange"]);
            range.is_empty() || range.ends_with("/0")
        }
        _ => false,
    })
}

/// The names of a pipeline's webhooks, and of those that are unauthenticated.
pub(super) fn of_pipeline(resource: &Resource, pipeline: &str, joins: &Joins) -> (Found, Found) {
    let mut doubts = joins.gaps.over(&resource.account, Some(&resource.region), &TypeName::WEBHOOK);
    // A pipeline's own description may come without its webhooks.
    doubts.extend(resource.unseen.get("Webhooks").map(crate::inventory::Gap::sentence));
    let mut all = Found { doubts: doubts.clone(), ..Found::default() };
    let mut open = Found { doubts, ..Found::default() };
    let here = joins.webhooks.get(&place(resource)).and_then(|pipelines| pipelines.get(pipeline));
    for webhook in here.into_iter().flatten() {
        all.add(&webhook.name);
        open.add_if(&webhook.name, &webhook.unauthenticated);
    }
    (all, open)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::*;

    #[test]
    fn who_may_knock() {
        let open = |properties: Value| unauthenticated(&resource(TypeName::WEBHOOK, "w", properties)).unwrap();
        assert!(open(json!({"Authentication": "UNAUTHENTICATED"})));
        assert!(open(json!({"Authentication": "IP"})));
        assert!(open(json!({"Authentication": "IP", "AuthenticationConfiguration": {"AllowedIPRange": "0.0.0.0/0"}})));
        assert!(!open(
            json!({"Authentication": "IP", "AuthenticationConfiguration": {"AllowedIPRange": "192.0.2.0/24"}})
        ));
        assert!(!open(json!({"Authentication": "GITHUB_HMAC"})));
    }

    #[test]
    fn webhooks_belong_to_the_pipeline_of_their_region() {
        let hook =
            resource(TypeName::WEBHOOK, "w", json!({"Name": "w", "Authentication": "IP", "TargetPipeline": "web"}));
        let joins = joins(&[hook], &[]);
        let pipeline = resource(TypeName::PIPELINE, "web", json!({}));
        let (all, open) = of_pipeline(&pipeline, "web", &joins);
        assert_eq!((all.certain.len(), open.certain.len()), (1, 1));
        let mut elsewhere = pipeline;
        elsewhere.region = "us-east-1".parse().unwrap();
        assert!(of_pipeline(&elsewhere, "web", &joins).0.certain.is_empty());
    }
}
