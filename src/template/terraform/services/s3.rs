//! `aws_s3_bucket`, with the blocks of old providers and the split resources of newer ones.

use super::{Joining, Kind, Split, kind};
use crate::template::terraform::mapping::{Attribute, json, many, one, positive, same, tags, words};

const ENCRYPTION: &[Attribute] = &[
    one(
        "apply_server_side_encryption_by_default",
        "ServerSideEncryptionByDefault",
        &[same("sse_algorithm", "SSEAlgorithm"), same("kms_master_key_id", "KMSMasterKeyID")],
    ),
    same("bucket_key_enabled", "BucketKeyEnabled"),
];
const RETENTION: &[Attribute] = &[one(
    "default_retention",
    "DefaultRetention",
    &[same("mode", "Mode"), positive("days", "Days"), positive("years", "Years")],
)];
const LOCK: &[Attribute] = &[same("object_lock_enabled", "ObjectLockEnabled"), one("rule", "Rule", RETENTION)];
/// Words for the lists that a bucket may be made with.
const LISTS: &[(&str, &str)] = &[
    ("private", "Private"),
    ("public-read", "PublicRead"),
    ("public-read-write", "PublicReadWrite"),
    ("authenticated-read", "AuthenticatedRead"),
    ("aws-exec-read", "AwsExecRead"),
    ("bucket-owner-read", "BucketOwnerRead"),
    ("bucket-owner-full-control", "BucketOwnerFullControl"),
    ("log-delivery-write", "LogDeliveryWrite"),
];
const LOGGING: &[Attribute] = &[same("target_bucket", "DestinationBucketName"), same("target_prefix", "LogFilePrefix")];
const OLD_RULE: &[Attribute] = &[
    same("id", "Id"),
    words("enabled", "Status", &[("true", "Enabled"), ("false", "Disabled")]),
    same("prefix", "Prefix"),
    tags("tags", "TagFilters"),
    one("expiration", "", EXPIRATION),
    one("noncurrent_version_expiration", "NoncurrentVersionExpiration", &[positive("days", "NoncurrentDays")]),
];
const EXPIRATION: &[Attribute] = &[
    positive("days", "ExpirationInDays"),
    same("date", "ExpirationDate"),
    same("expired_object_delete_marker", "ExpiredObjectDeleteMarker"),
];
const SIZES_AND_PREFIX: &[Attribute] = &[
    same("prefix", "Prefix"),
    positive("object_size_greater_than", "ObjectSizeGreaterThan"),
    positive("object_size_less_than", "ObjectSizeLessThan"),
    tags("tags", "TagFilters"),
];
const TAG: &[Attribute] = &[same("key", "Key"), same("value", "Value")];
const FILTER: &[Attribute] = &[
    same("prefix", "Prefix"),
    positive("object_size_greater_than", "ObjectSizeGreaterThan"),
    positive("object_size_less_than", "ObjectSizeLessThan"),
    many("tag", "TagFilters", TAG),
    one("and", "", SIZES_AND_PREFIX),
];
const RULE: &[Attribute] = &[
    same("id", "Id"),
    same("status", "Status"),
    same("prefix", "Prefix"),
    one("filter", "", FILTER),
    one("expiration", "", EXPIRATION),
    one(
        "noncurrent_version_expiration",
        "NoncurrentVersionExpiration",
        &[
            positive("noncurrent_days", "NoncurrentDays"),
            positive("newer_noncurrent_versions", "NewerNoncurrentVersions"),
        ],
    ),
];
const DESTINATION: &[Attribute] =
    &[same("bucket", "Bucket"), same("account", "Account"), same("account_id", "Account")];
const REPLICATION_FILTER: &[Attribute] = &[
    same("prefix", "Prefix"),
    tags("tags", "TagFilters"),
    many("tag", "TagFilters", TAG),
    one("and", "", &[same("prefix", "Prefix"), tags("tags", "TagFilters")]),
];
const REPLICATED: &[Attribute] = &[
    same("id", "Id"),
    same("status", "Status"),
    same("prefix", "Prefix"),
    one("filter", "Filter", REPLICATION_FILTER),
    one(
        "source_selection_criteria",
        "SourceSelectionCriteria",
        &[one(
            "sse_kms_encrypted_objects",
            "SseKmsEncryptedObjects",
            &[same("status", "Status"), words("enabled", "Status", &[("true", "Enabled"), ("false", "Disabled")])],
        )],
    ),
    one("destination", "Destination", DESTINATION),
];
const BUCKET: &[Attribute] = &[
    same("bucket", "BucketName"),
    same("object_lock_enabled", "ObjectLockEnabled"),
    one(
        "versioning",
        "VersioningConfiguration",
        &[
            words("enabled", "Status", &[("true", "Enabled"), ("false", "Suspended")]),
            words("mfa_delete", "MFADelete", &[("true", "Enabled"), ("false", "Disabled")]),
        ],
    ),
    one(
        "server_side_encryption_configuration",
        "BucketEncryption",
        &[many("rule", "ServerSideEncryptionConfiguration", ENCRYPTION)],
    ),
    one("object_lock_configuration", "ObjectLockConfiguration", LOCK),
    one("logging", "LoggingConfiguration", LOGGING),
    words("acl", "AccessControl", LISTS),
    many("lifecycle_rule", "LifecycleConfiguration/Rules", OLD_RULE),
    one(
        "replication_configuration",
        "ReplicationConfiguration",
        &[same("role", "Role"), many("rules", "Rules", REPLICATED)],
    ),
    tags("tags", "Tags"),
    tags("tags_all", "Tags"),
];
const POLICY: &[Attribute] = &[same("bucket", "Bucket"), json("policy", "PolicyDocument")];

pub(super) const KINDS: &[Kind] = &[
    kind("aws_s3_bucket", "AWS::S3::Bucket", "bucket", BUCKET),
    kind("aws_s3_bucket_policy", "AWS::S3::BucketPolicy", "", POLICY),
];

const fn of_bucket(
    terraform: &'static str,
    property: &'static str,
    inline: &'static str,
    attributes: &'static [Attribute],
) -> Split {
    Split { terraform, owner: "AWS::S3::Bucket", by: "bucket", property, inline, joining: Joining::Set, attributes }
}

pub(super) const SPLITS: &[Split] = &[
    of_bucket(
        "aws_s3_bucket_versioning",
        "VersioningConfiguration",
        "versioning",
        &[one(
            "versioning_configuration",
            "VersioningConfiguration",
            &[same("status", "Status"), same("mfa_delete", "MFADelete")],
        )],
    ),
    of_bucket(
        "aws_s3_bucket_server_side_encryption_configuration",
        "BucketEncryption",
        "server_side_encryption_configuration",
        &[many("rule", "BucketEncryption/ServerSideEncryptionConfiguration", ENCRYPTION)],
    ),
    of_bucket(
        "aws_s3_bucket_public_access_block",
        "PublicAccessBlockConfiguration",
        "",
        &[
            same("block_public_acls", "PublicAccessBlockConfiguration/BlockPublicAcls"),
            same("block_public_policy", "PublicAccessBlockConfiguration/BlockPublicPolicy"),
            same("ignore_public_acls", "PublicAccessBlockConfiguration/IgnorePublicAcls"),
            same("restrict_public_buckets", "PublicAccessBlockConfiguration/RestrictPublicBuckets"),
        ],
    ),
    of_bucket("aws_s3_bucket_acl", "AccessControl", "acl", &[words("acl", "AccessControl", LISTS)]),
    of_bucket(
        "aws_s3_bucket_ownership_controls",
        "OwnershipControls",
        "",
        &[many("rule", "OwnershipControls/Rules", &[same("object_ownership", "ObjectOwnership")])],
    ),
    of_bucket(
        "aws_s3_bucket_logging",
        "LoggingConfiguration",
        "logging",
        &[
            same("target_bucket", "LoggingConfiguration/DestinationBucketName"),
            same("target_prefix", "LoggingConfiguration/LogFilePrefix"),
        ],
    ),
    of_bucket(
        "aws_s3_bucket_lifecycle_configuration",
        "LifecycleConfiguration",
        "lifecycle_rule",
        &[many("rule", "LifecycleConfiguration/Rules", RULE)],
    ),
    of_bucket(
        "aws_s3_bucket_object_lock_configuration",
        "ObjectLockConfiguration",
        "object_lock_configuration",
        &[
            same("object_lock_enabled", "ObjectLockConfiguration/ObjectLockEnabled"),
            one("rule", "ObjectLockConfiguration/Rule", RETENTION),
        ],
    ),
    of_bucket(
        "aws_s3_bucket_replication_configuration",
        "ReplicationConfiguration",
        "replication_configuration",
        &[same("role", "ReplicationConfiguration/Role"), many("rule", "ReplicationConfiguration/Rules", REPLICATED)],
    ),
];
