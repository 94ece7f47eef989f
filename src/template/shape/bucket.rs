//! `AWS::S3::Bucket`, with the policy that stands beside it.
//!
//! In: a bucket as a template writes it, and `AWS::S3::BucketPolicy`. Out: the bucket as S3 answers it, AWS's defaults for
//! new buckets included.
//!
//! Since April 2023 a bucket that is created, by CloudFormation too, blocks public access in all four ways and has no
//! access control lists; since January 2023 it is encrypted with SSE-S3. A template that says nothing of them declares
//! exactly that. What an older bucket of the same template has, the audit sees.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html>

use serde_json::json;

use super::super::node::{Node, Tree};
use super::Shape;
use super::conversion::Conversion;
use super::form::{Form, change, map, with};
use crate::inventory::TypeName;

const TAG_FILTERS: Form = Form::List(&Form::Map(&[("Key", Form::Text), ("Value", Form::Text)]));

const LIFECYCLE_RULE: Form = Form::Map(&[
    ("Id", Form::Text),
    ("Status", Form::Text),
    ("Prefix", Form::Text),
    ("TagFilters", TAG_FILTERS),
    ("ObjectSizeGreaterThan", Form::Number),
    ("ObjectSizeLessThan", Form::Number),
    ("ExpirationInDays", Form::Number),
    ("ExpirationDate", Form::Text),
    ("ExpiredObjectDeleteMarker", Form::Flag),
    (
        "NoncurrentVersionExpiration",
        Form::Map(&[("NoncurrentDays", Form::Number), ("NewerNoncurrentVersions", Form::Number)]),
    ),
]);

const REPLICATION_RULE: Form = Form::Map(&[
    ("Id", Form::Text),
    ("Status", Form::Text),
    ("Prefix", Form::Text),
    ("Filter", Form::Map(&[("Prefix", Form::Text), ("TagFilters", TAG_FILTERS)])),
    ("SourceSelectionCriteria", Form::Map(&[("SseKmsEncryptedObjects", Form::Map(&[("Status", Form::Text)]))])),
    ("Destination", Form::Map(&[("Bucket", Form::Text), ("Account", Form::Text)])),
]);

/// Buckets.
pub(super) const BUCKET: Shape = Shape {
    type_name: "AWS::S3::Bucket",
    becomes: TypeName::BUCKET,
    form: Form::Map(&[
        ("BucketName", Form::Text),
        (
            "BucketEncryption",
            Form::Map(&[(
                "ServerSideEncryptionConfiguration",
                Form::List(&Form::Map(&[
                    ("BucketKeyEnabled", Form::Flag),
                    (
                        "ServerSideEncryptionByDefault",
                        Form::Map(&[("SSEAlgorithm", Form::Text), ("KMSMasterKeyID", Form::Text)]),
                    ),
                ])),
            )]),
        ),
        ("ObjectLockEnabled", Form::Flag),
        (
            "ObjectLockConfiguration",
            Form::Map(&[
                ("ObjectLockEnabled", Form::Text),
                (
                    "Rule",
                    Form::Map(&[(
                        "DefaultRetention",
                        Form::Map(&[("Mode", Form::Text), ("Days", Form::Number), ("Years", Form::Number)]),
                    )]),
                ),
            ]),
        ),
        ("VersioningConfiguration", Form::Map(&[("Status", Form::Text), ("MFADelete", Form::Text)])),
        (
            "PublicAccessBlockConfiguration",
            Form::Map(&[
                ("BlockPublicAcls", Form::Flag),
                ("IgnorePublicAcls", Form::Flag),
                ("BlockPublicPolicy", Form::Flag),
                ("RestrictPublicBuckets", Form::Flag),
            ]),
        ),
        ("OwnershipControls", Form::Map(&[("Rules", Form::List(&Form::Map(&[("ObjectOwnership", Form::Text)])))])),
        ("PolicyDocument", Form::Policy),
        ("LoggingConfiguration", Form::Map(&[("DestinationBucketName", Form::Text), ("LogFilePrefix", Form::Text)])),
        ("LifecycleConfiguration", Form::Map(&[("Rules", Form::List(&LIFECYCLE_RULE))])),
        ("ReplicationConfiguration", Form::Map(&[("Role", Form::Text), ("Rules", Form::List(&REPLICATION_RULE))])),
    ]),
    convert: bucket,
    only_deployed: &[],
};

/// Lists that leave a bucket to its owner, as having none does.
const PRIVATE_LISTS: &[&str] = &["BucketOwnerFullControl", "BucketOwnerRead", "Private"];

fn bucket(conversion: &mut Conversion<'_>) {
    put_defaults(conversion);
    put_lock(conversion);
    conversion.change(&["LifecycleConfiguration", "Rules", "*"], lifecycle_rule);
    conversion.change(&["ReplicationConfiguration", "Rules", "*", "Filter"], replication_filter);
    // Where no other bucket is named, a bucket logs into itself.
    let own = conversion.property("BucketName").cloned();
    conversion.change(&["LoggingConfiguration"], |logging| {
        if let (Tree::Map(_), None, Some(own)) = (&logging.tree, logging.get("DestinationBucketName"), &own) {
            *logging = with(logging.clone(), "DestinationBucketName", own.clone());
        }
    });
    let policies = conversion.all("AWS::S3::BucketPolicy");
    let own = policies.filter(|policy| {
        policy.property("Bucket").and_then(Node::as_str).is_some_and(|bucket| conversion.is_named(bucket))
    });
    if let Some(document) = own.filter_map(|policy| policy.property("PolicyDocument")).last() {
        conversion.set("PolicyDocument", document.clone());
    }
}

fn put_defaults(conversion: &mut Conversion<'_>) {
    let rule = json!({"BucketKeyEnabled": false, "ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}});
    conversion.set_default("BucketEncryption", &json!({"ServerSideEncryptionConfiguration": [rule]}));
    // A list for others can stand only on a bucket that has lists, whatever new buckets have.
    let listed = conversion
        .property("AccessControl")
        .is_some_and(|list| list.as_str().is_none_or(|list| !PRIVATE_LISTS.contains(&list)));
    if listed {
        return;
    }
    conversion.set_default("OwnershipControls", &json!({"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}));
    conversion.set_default(
        "PublicAccessBlockConfiguration",
        &json!({"BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true, "RestrictPublicBuckets": true}),
    );
}

/// Object Lock turns versioning on, and cannot be without it.
fn put_lock(conversion: &mut Conversion<'_>) {
    conversion.set_default("ObjectLockEnabled", &json!(false));
    let locked = conversion.property("ObjectLockEnabled").and_then(Node::scalar);
    if locked.is_some_and(|locked| locked.eq_ignore_ascii_case("true")) {
        conversion.set_default("VersioningConfiguration", &json!({"Status": "Enabled"}));
        conversion.set_default("ObjectLockConfiguration", &json!({"ObjectLockEnabled": "Enabled"}));
    }
}

/// Two older ways to say how long old versions stay.
fn lifecycle_rule(rule: &mut Node) {
    if rule.get("NoncurrentVersionExpiration").is_none()
        && let Some(days) = rule.get("NoncurrentVersionExpirationInDays").cloned()
    {
        let expiration = map(vec![("NoncurrentDays", days.clone())], &days);
        *rule = with(rule.clone(), "NoncurrentVersionExpiration", expiration);
    }
}

/// Tags of an `And` stand beside the prefix: what counts is that the rule is restricted.
fn replication_filter(filter: &mut Node) {
    let both = filter.get("And").cloned();
    let mut flat = filter.clone();
    if let Some(both) = both {
        for name in ["Prefix", "TagFilters"] {
            if let Some(value) = both.get(name) {
                flat = with(flat, name, value.clone());
            }
        }
    }
    if let Some(tag) = filter.get("TagFilter").cloned() {
        let tags = Node::new(Tree::List(vec![tag.clone()]), tag.span);
        flat = with(flat, "TagFilters", tags);
    }
    // An empty prefix restricts nothing.
    change(&mut flat, &["Prefix"], &mut |prefix| {
        if prefix.as_str() == Some("") {
            prefix.tree = Tree::Null;
        }
    });
    *filter = flat;
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::*;
    use crate::inventory::Properties;
    use crate::template::Raw;

    fn found(bucket: Value, others: Vec<Raw>) -> Properties {
        let mut all = vec![naming("role", "Store", ""), raw("AWS::S3::Bucket", "Store", bucket)];
        all.extend(others);
        properties(&all, "Store")
    }

    #[test]
    fn a_bucket_of_which_nothing_is_said_is_a_new_one() {
        assert_eq!(
            Value::Object(found(json!({}), Vec::new())),
            json!({
                "BucketName": "Store",
                "BucketEncryption": {"ServerSideEncryptionConfiguration": [
                    {"BucketKeyEnabled": false, "ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]},
                "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                "PublicAccessBlockConfiguration": {"BlockPublicAcls": true, "IgnorePublicAcls": true,
                                                   "BlockPublicPolicy": true, "RestrictPublicBuckets": true},
                "ObjectLockEnabled": false,
            })
        );
    }

    #[test]
    fn what_is_declared_is_not_completed() {
        let found = found(json!({"PublicAccessBlockConfiguration": {"BlockPublicAcls": "true"}}), Vec::new());
        assert_eq!(found["PublicAccessBlockConfiguration"], json!({"BlockPublicAcls": true}));
    }

    #[test]
    fn a_list_for_others_is_no_bucket_without_lists() {
        let public = found(json!({"AccessControl": "PublicRead"}), Vec::new());
        assert!(!public.contains_key("OwnershipControls") && !public.contains_key("PublicAccessBlockConfiguration"));
        assert!(found(json!({"AccessControl": "Private"}), Vec::new()).contains_key("OwnershipControls"));
    }

    #[test]
    fn object_lock_brings_versioning() {
        let locked = found(json!({"ObjectLockEnabled": "true"}), Vec::new());
        assert_eq!(locked["ObjectLockEnabled"], true);
        assert_eq!(locked["VersioningConfiguration"], json!({"Status": "Enabled"}));
        assert_eq!(locked["ObjectLockConfiguration"], json!({"ObjectLockEnabled": "Enabled"}));
    }

    #[test]
    fn policies_beside_a_bucket_are_part_of_it() {
        let document = json!({"Statement": [{"Effect": "Deny"}]});
        let policy = |bucket: &str, document: Value| {
            raw("AWS::S3::BucketPolicy", "Policy", json!({"Bucket": bucket, "PolicyDocument": document}))
        };
        let own = found(json!({}), vec![policy("Store", document.clone()), policy("Other", json!({}))]);
        assert_eq!(own["PolicyDocument"], document);
        let text = found(json!({}), vec![policy("Store", json!(document.to_string()))]);
        assert_eq!(text["PolicyDocument"], document);
        assert!(!found(json!({}), vec![policy("Other", document)]).contains_key("PolicyDocument"));
    }

    #[test]
    fn older_ways_of_writing_are_the_newer_ones() {
        let bucket = json!({
            "LifecycleConfiguration": {"Rules": [{"Id": "old", "Status": "Enabled", "NoncurrentVersionExpirationInDays": "30", "Transitions": []}]},
            "ReplicationConfiguration": {"Role": "r", "Rules": [{"Status": "Enabled", "Priority": 1, "DeleteMarkerReplication": {},
                "Filter": {"And": {"Prefix": "a/", "TagFilters": [{"Key": "k", "Value": "v"}]}}, "Destination": {"Bucket": "arn:aws:s3:::copy"}}]},
            "LoggingConfiguration": {"LogFilePrefix": "log/"},
        });
        let found = found(bucket, Vec::new());
        assert_eq!(
            found["LifecycleConfiguration"]["Rules"],
            json!([{"Id": "old", "Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 30}}])
        );
        assert_eq!(
            found["ReplicationConfiguration"]["Rules"],
            json!([{"Status": "Enabled", "Filter": {"Prefix": "a/", "TagFilters": [{"Key": "k", "Value": "v"}]},
                    "Destination": {"Bucket": "arn:aws:s3:::copy"}}])
        );
        assert_eq!(found["LoggingConfiguration"], json!({"LogFilePrefix": "log/", "DestinationBucketName": "Store"}));
    }
}
