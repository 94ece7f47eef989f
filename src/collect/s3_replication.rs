//! What S3 answers → CloudFormation's replication of a bucket.
//!
//! In: the output of S3's call. Out: the property as in `docs/resources.md` (`None` where nothing is set), and the
//! buckets that copies go to.

use aws_sdk_s3::operation::get_bucket_replication::GetBucketReplicationOutput;
use aws_sdk_s3::types::{ReplicationRule, ReplicationRuleFilter, Tag};
use serde_json::Value;

use super::arn;
use super::fields::Fields;

pub(super) fn replication(answer: &GetBucketReplicationOutput) -> Option<Value> {
    let configuration = answer.replication_configuration()?;
    let fields = Fields::new().text("Role", Some(configuration.role()));
    fields.list("Rules", configuration.rules(), rule).unless_empty()
}

fn rule(rule: &ReplicationRule) -> Value {
    let destination = rule.destination().map(|destination| {
        let fields = Fields::new().text("Bucket", Some(destination.bucket()));
        fields.text("Account", destination.account()).value()
    });
    let encrypted = rule.source_selection_criteria().and_then(|criteria| criteria.sse_kms_encrypted_objects());
    let criteria = encrypted.map(|objects| {
        let status = Fields::new().text("Status", Some(objects.status())).value();
        Fields::new().put("SseKmsEncryptedObjects", Some(status)).value()
    });
    Fields::new()
        .text("Id", rule.id())
        .text("Status", Some(rule.status()))
        .text("Prefix", of_first_generation(rule))
        .put("Filter", rule.filter().and_then(filter))
        .put("SourceSelectionCriteria", criteria)
        .put("Destination", destination)
        .value()
}

/// Tags of an `And` stand beside the prefix here: what counts is that the rule is restricted.
fn filter(filter: &ReplicationRuleFilter) -> Option<Value> {
    let both = filter.and();
    let tags: Vec<&Tag> = filter
        .tag()
        .into_iter()
        .chain(both.into_iter().flat_map(aws_sdk_s3::types::ReplicationRuleAndOperator::tags))
        .collect();
    Fields::new()
        .text("Prefix", filter.prefix().or_else(|| both.and_then(|both| both.prefix())))
        .list("TagFilters", &tags, |tag| {
            Fields::new().text("Key", Some(tag.key())).text("Value", Some(tag.value())).value()
        })
        .unless_empty()
}

/// Old configurations still have the prefix beside the filter's place.
#[expect(deprecated, reason = "AWS still answers with it where a rule was written that way")]
fn of_first_generation(rule: &ReplicationRule) -> Option<&str> {
    rule.prefix()
}

/// Names of the buckets that a replication copies to.
pub(super) fn replica_names(replication: Option<&Value>) -> Vec<&str> {
    let rules = replication.and_then(|value| value.get("Rules")).and_then(Value::as_array).into_iter().flatten();
    rules.filter_map(|rule| rule.get("Destination")?.get("Bucket")?.as_str()).map(arn::bucket_name).collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{Destination, ReplicationRuleAndOperator, ReplicationRuleStatus};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_restricts_a_rule_is_kept() {
        let tag = Tag::builder().key("kind").value("release").build().unwrap();
        let both = ReplicationRuleAndOperator::builder().prefix("web/").tags(tag).build();
        let written = ReplicationRule::builder()
            .status(ReplicationRuleStatus::Disabled)
            .filter(ReplicationRuleFilter::builder().and(both).build())
            .destination(Destination::builder().bucket("arn:aws:s3:::copies").account("111122223333").build().unwrap())
            .build()
            .unwrap();
        let expected = json!({
            "Status": "Disabled", "Destination": {"Bucket": "arn:aws:s3:::copies", "Account": "111122223333"},
            "Filter": {"Prefix": "web/", "TagFilters": [{"Key": "kind", "Value": "release"}]},
        });
        assert_eq!(rule(&written), expected);
        assert_eq!(replica_names(Some(&json!({"Rules": [expected]}))), ["copies"]);
    }
}
