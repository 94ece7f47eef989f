//! What S3 answers → CloudFormation's lifecycle rules of a bucket.
//!
//! In: the output of S3's call. Out: the property as in `docs/resources.md`; `None` where nothing is set. It stands apart
//! because a rule is written in three generations of filters, and each restricts what the rule deletes.

use aws_sdk_s3::operation::get_bucket_lifecycle_configuration::GetBucketLifecycleConfigurationOutput;
use aws_sdk_s3::types::{LifecycleRule, Tag};
use aws_smithy_types::date_time::Format;
use serde_json::Value;

use super::fields::Fields;

pub(super) fn lifecycle(answer: &GetBucketLifecycleConfigurationOutput) -> Option<Value> {
    Fields::new().list("Rules", answer.rules(), rule).unless_empty()
}

fn rule(rule: &LifecycleRule) -> Value {
    let expiration = rule.expiration();
    let noncurrent = rule.noncurrent_version_expiration().and_then(|expiration| {
        Fields::new()
            .put("NoncurrentDays", expiration.noncurrent_days())
            .put("NewerNoncurrentVersions", expiration.newer_noncurrent_versions())
            .unless_empty()
    });
    let filter = rule.filter();
    let both = filter.and_then(|filter| filter.and());
    let prefix = filter.and_then(|filter| filter.prefix()).or_else(|| both.and_then(|both| both.prefix()));
    let tags: Vec<&Tag> = filter
        .and_then(|filter| filter.tag())
        .into_iter()
        .chain(both.into_iter().flat_map(aws_sdk_s3::types::LifecycleRuleAndOperator::tags))
        .collect();
    let larger = filter.and_then(aws_sdk_s3::types::LifecycleRuleFilter::object_size_greater_than);
    let smaller = filter.and_then(aws_sdk_s3::types::LifecycleRuleFilter::object_size_less_than);
    Fields::new()
        .text("Id", rule.id())
        .text("Status", Some(rule.status()))
        .text("Prefix", prefix.or_else(|| of_first_generation(rule)))
        .list("TagFilters", &tags, |tag| {
            Fields::new().text("Key", Some(tag.key())).text("Value", Some(tag.value())).value()
        })
        .put(
            "ObjectSizeGreaterThan",
            larger.or_else(|| both.and_then(aws_sdk_s3::types::LifecycleRuleAndOperator::object_size_greater_than)),
        )
        .put(
            "ObjectSizeLessThan",
            smaller.or_else(|| both.and_then(aws_sdk_s3::types::LifecycleRuleAndOperator::object_size_less_than)),
        )
        .put("ExpirationInDays", expiration.and_then(aws_sdk_s3::types::LifecycleExpiration::days))
        .put("ExpirationDate", expiration.and_then(|e| e.date()?.fmt(Format::DateTime).ok()))
        .put(
            "ExpiredObjectDeleteMarker",
            expiration.and_then(aws_sdk_s3::types::LifecycleExpiration::expired_object_delete_marker),
        )
        .put("NoncurrentVersionExpiration", noncurrent)
        .value()
}

/// Old configurations still have the prefix beside the filter's place.
#[expect(deprecated, reason = "AWS still answers with it where a rule was written that way")]
fn of_first_generation(rule: &LifecycleRule) -> Option<&str> {
    rule.prefix()
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{
        ExpirationStatus, LifecycleExpiration, LifecycleRuleAndOperator, LifecycleRuleFilter,
        NoncurrentVersionExpiration,
    };
    use serde_json::json;

    use super::*;

    #[test]
    fn what_restricts_a_rule_is_kept() {
        let tag = Tag::builder().key("kind").value("cache").build().unwrap();
        let both = LifecycleRuleAndOperator::builder().prefix("tmp/").tags(tag).object_size_greater_than(10).build();
        let old = NoncurrentVersionExpiration::builder().noncurrent_days(30).newer_noncurrent_versions(3).build();
        let whole = LifecycleRule::builder()
            .id("tmp")
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().and(both).build())
            .expiration(LifecycleExpiration::builder().days(7).build())
            .noncurrent_version_expiration(old)
            .build()
            .unwrap();
        assert_eq!(
            rule(&whole),
            json!({
                "Id": "tmp", "Status": "Enabled", "Prefix": "tmp/", "TagFilters": [{"Key": "kind", "Value": "cache"}],
                "ObjectSizeGreaterThan": 10, "ExpirationInDays": 7,
                "NoncurrentVersionExpiration": {"NoncurrentDays": 30, "NewerNoncurrentVersions": 3},
            })
        );
    }

    #[test]
    fn an_empty_answer_is_unset() {
        assert_eq!(lifecycle(&GetBucketLifecycleConfigurationOutput::builder().build()), None);
    }
}
