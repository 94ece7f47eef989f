//! The EventBridge pattern of the calls that make a recheck, from the list that reads them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::changes_table::EVENTS;

/// For `EventPattern` of a rule. A service is matched with its own calls only.
pub(super) fn pattern() -> Value {
    let mut by_source: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for calls in EVENTS {
        by_source.entry(calls.source).or_default().extend(calls.names);
    }
    let calls: Vec<Value> = by_source
        .into_iter()
        .map(|(source, names)| json!({"eventSource": [format!("{source}.amazonaws.com")], "eventName": names}))
        .collect();
    json!({"detail-type": ["AWS API Call via CloudTrail"], "detail": {"$or": calls}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_is_within_the_limits_of_a_rule() {
        let pattern = pattern();
        // <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>
        assert!(pattern.to_string().len() <= 4096, "{}", pattern.to_string().len());
        let combinations = pattern["detail"]["$or"].as_array().unwrap().len();
        assert!(combinations > 10 && combinations < 1000);
    }
}
