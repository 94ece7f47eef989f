//! `Delivery::Account`: what history says of an account and Region: who touched what keeps evidence.
//!
//! In: observations per rule, and the gaps over them. Out: sets that explain themselves, as of a service.

use super::delivery_service::{observed, told};
use super::joins::Joins;
use super::seen::{name, number};
use super::{Facts, ResourceKind};
use crate::inventory::{Resource, TypeName};

/// Accounts and Regions, as their history shows them.
pub struct DeliveryAccount;

/// Properties that hold observations, and the facts that they become.
const OBSERVATIONS: &[(&str, &str)] = &[
    ("StoppedTrails", "stoppedTrails"),
    ("ChangedTrails", "changedTrails"),
    ("WeakenedBuckets", "weakenedBuckets"),
    ("ChangedBuckets", "changedBuckets"),
    ("WeakenedKeys", "weakenedKeys"),
    ("ChangedApprovalTemplates", "changedApprovalTemplates"),
    ("UnreadableUpdates", "unreadableUpdates"),
    ("RefusedAttempts", "refusedAttempts"),
];

impl ResourceKind for DeliveryAccount {
    fn type_name(&self) -> TypeName {
        TypeName::DELIVERY_ACCOUNT
    }

    fn action(&self) -> &'static str {
        "KeepEvidence"
    }

    fn facts(&self, resource: &Resource, _joins: &Joins) -> Facts {
        let mut facts = Facts::default();
        facts.know("name", name(resource, "Name"));
        facts.put_tags(resource);
        facts.put("windowDays", told(resource, "WindowDays", number));
        for (from, fact) in OBSERVATIONS {
            facts.put(fact, observed(resource, from));
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Fact;
    use super::super::testing::*;
    use super::*;

    #[test]
    fn a_trail_that_was_stopped_stays_stopped_behind_a_gap() {
        let stop = json!([{"Time": "2026-06-10T10:55:03Z", "Actor": "mallory", "What": "StopLogging of trail all", "Records": ["event e"]}]);
        let mut place = resource(TypeName::DELIVERY_ACCOUNT, "a", json!({"StoppedTrails": stop, "ChangedTrails": []}));
        for property in ["StoppedTrails", "ChangedTrails"] {
            place.unseen.insert(property.to_owned(), denied("cloudtrail:LookupEvents"));
        }
        let facts = DeliveryAccount.facts(&place, &joins(&[], &[]));
        assert!(matches!(&facts.known["stoppedTrails"], Fact::Set(set) if set.len() == 1));
        assert!(facts.unknown.contains_key("changedTrails"));
    }
}
