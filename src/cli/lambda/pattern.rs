//! The EventBridge patterns of the calls that make a recheck, from the list that reads them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::changes_table::EVENTS;

/// A rule's pattern may have so many characters: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>
const LONGEST: usize = 2_048;

/// For `EventPattern` of as many rules. A service is matched with its own calls only.
pub(super) fn patterns() -> Vec<Value> {
    let mut by_source: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for calls in EVENTS {
        by_source.entry(calls.source).or_default().extend(calls.names);
    }
    let mut parts: Vec<Vec<Value>> = Vec::new();
    for (source, names) in by_source {
        let calls = json!({"eventSource": [format!("{source}.amazonaws.com")], "eventName": names});
        let fits = parts.last().is_some_and(|part| {
            let longer: Vec<Value> = part.iter().chain([&calls]).cloned().collect();
            of(&longer).to_string().len() <= LONGEST
        });
        match parts.last_mut() {
            Some(part) if fits => part.push(calls),
            _ => parts.push(vec![calls]),
        }
    }
    parts.iter().map(|part| of(part)).collect()
}

/// Nobody but AWS may send a source that begins so. A call that was refused has changed nothing.
fn of(calls: &[Value]) -> Value {
    json!({
        "source": [{"prefix": "aws."}],
        "detail-type": ["AWS API Call via CloudTrail"],
        "detail": {"errorCode": [{"exists": false}], "$or": calls},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pattern_is_within_the_limit_of_a_rule_and_together_they_have_every_source() {
        let mut sources = BTreeSet::new();
        for pattern in patterns() {
            let text = pattern.to_string();
            assert!(text.len() <= LONGEST, "{}: {text}", text.len());
            for calls in pattern["detail"]["$or"].as_array().unwrap() {
                let source = calls["eventSource"][0].as_str().unwrap().to_owned();
                assert!(sources.insert(source.clone()), "{source} stands twice");
            }
        }
        let known: BTreeSet<String> = EVENTS.iter().map(|calls| format!("{}.amazonaws.com", calls.source)).collect();
        assert!(sources == known && known.len() > 10, "{sources:?}");
    }
}
