//! What S3 answers → CloudFormation's properties of a bucket.
//!
//! In: outputs of S3's calls. Out: property values as in `docs/resources.md`; `None` where nothing is set.

use aws_sdk_s3::operation::get_bucket_encryption::GetBucketEncryptionOutput;
use aws_sdk_s3::operation::get_bucket_logging::GetBucketLoggingOutput;
use aws_sdk_s3::operation::get_bucket_ownership_controls::GetBucketOwnershipControlsOutput;
use aws_sdk_s3::operation::get_bucket_versioning::GetBucketVersioningOutput;
use aws_sdk_s3::operation::get_object_lock_configuration::GetObjectLockConfigurationOutput;
use aws_sdk_s3::operation::get_public_access_block::GetPublicAccessBlockOutput;
use aws_sdk_s3::types::ObjectLockEnabled;
use serde_json::Value;

use super::fields::Fields;

pub(super) fn encryption(answer: &GetBucketEncryptionOutput) -> Option<Value> {
    let rules = answer.server_side_encryption_configuration()?.rules();
    let fields = Fields::new().list("ServerSideEncryptionConfiguration", rules, |rule| {
        let default = rule.apply_server_side_encryption_by_default().map(|default| {
            let fields = Fields::new().text("SSEAlgorithm", Some(default.sse_algorithm()));
            fields.text("KMSMasterKeyID", default.kms_master_key_id()).value()
        });
        let fields = Fields::new().put("BucketKeyEnabled", rule.bucket_key_enabled());
        fields.put("ServerSideEncryptionByDefault", default).value()
    });
    fields.unless_empty()
}

/// The keys that a bucket's default encryption names.
pub(super) fn key_names(encryption: Option<&Value>) -> Vec<&str> {
    let rules = encryption.and_then(|value| value.get("ServerSideEncryptionConfiguration")).and_then(Value::as_array);
    let keys = rules
        .into_iter()
        .flatten()
        .filter_map(|rule| rule.get("ServerSideEncryptionByDefault")?.get("KMSMasterKeyID")?.as_str());
    keys.collect()
}

/// Whether Object Lock is on, and its configuration. `None` is AWS's answer for a bucket without it.
pub(super) fn object_lock(answer: Option<&GetObjectLockConfigurationOutput>) -> (bool, Option<Value>) {
    let Some(configuration) = answer.and_then(GetObjectLockConfigurationOutput::object_lock_configuration) else {
        return (false, None);
    };
    let enabled = configuration.object_lock_enabled() == Some(&ObjectLockEnabled::Enabled);
    let rule = configuration.rule().map(|rule| {
        let retention = rule.default_retention().map(|retention| {
            Fields::new()
                .text("Mode", retention.mode())
                .put("Days", retention.days())
                .put("Years", retention.years())
                .value()
        });
        Fields::new().put("DefaultRetention", retention).value()
    });
    let fields = Fields::new().text("ObjectLockEnabled", configuration.object_lock_enabled()).put("Rule", rule);
    (enabled, fields.unless_empty())
}

pub(super) fn versioning(answer: &GetBucketVersioningOutput) -> Option<Value> {
    Fields::new().text("Status", answer.status()).text("MFADelete", answer.mfa_delete()).unless_empty()
}

pub(super) fn public_access(answer: &GetPublicAccessBlockOutput) -> Option<Value> {
    let block = answer.public_access_block_configuration()?;
    Fields::new()
        .put("BlockPublicAcls", block.block_public_acls())
        .put("IgnorePublicAcls", block.ignore_public_acls())
        .put("BlockPublicPolicy", block.block_public_policy())
        .put("RestrictPublicBuckets", block.restrict_public_buckets())
        .unless_empty()
}

pub(super) fn ownership(answer: &GetBucketOwnershipControlsOutput) -> Option<Value> {
    let rules = answer.ownership_controls()?.rules();
    let fields = Fields::new()
        .list("Rules", rules, |rule| Fields::new().text("ObjectOwnership", Some(rule.object_ownership())).value());
    fields.unless_empty()
}

pub(super) fn logging(answer: &GetBucketLoggingOutput) -> Option<Value> {
    let target = answer.logging_enabled()?;
    let fields = Fields::new().text("DestinationBucketName", Some(target.target_bucket()));
    fields.text("LogFilePrefix", Some(target.target_prefix())).unless_empty()
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{
        DefaultRetention, ObjectLockConfiguration, ObjectLockRetentionMode, ObjectLockRule, ServerSideEncryption,
        ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
    };
    use serde_json::json;

    use super::*;

    #[test]
    fn object_lock_with_and_without_a_rule() {
        assert_eq!(object_lock(None), (false, None));
        let retention = DefaultRetention::builder().mode(ObjectLockRetentionMode::Compliance).days(30).build();
        let configuration = ObjectLockConfiguration::builder()
            .object_lock_enabled(ObjectLockEnabled::Enabled)
            .rule(ObjectLockRule::builder().default_retention(retention).build());
        let answer =
            GetObjectLockConfigurationOutput::builder().object_lock_configuration(configuration.build()).build();
        let rule = json!({"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 30}});
        let expected = json!({"ObjectLockEnabled": "Enabled", "Rule": rule});
        assert_eq!(object_lock(Some(&answer)), (true, Some(expected)));
    }

    #[test]
    fn the_key_of_the_default_encryption_is_found_again() {
        let default = ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::AwsKms);
        let rule = ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(default.kms_master_key_id("alias/artifacts").build().unwrap())
            .bucket_key_enabled(true)
            .build();
        let configuration = ServerSideEncryptionConfiguration::builder().rules(rule).build().unwrap();
        let answer = GetBucketEncryptionOutput::builder().server_side_encryption_configuration(configuration).build();
        let value = encryption(&answer);
        assert_eq!(
            value,
            Some(json!({"ServerSideEncryptionConfiguration": [{
                "BucketKeyEnabled": true,
                "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/artifacts"},
            }]}))
        );
        assert_eq!(key_names(value.as_ref()), ["alias/artifacts"]);
    }

    #[test]
    fn an_empty_answer_is_unset() {
        assert_eq!(versioning(&GetBucketVersioningOutput::builder().build()), None);
        assert_eq!(public_access(&GetPublicAccessBlockOutput::builder().build()), None);
    }
}
