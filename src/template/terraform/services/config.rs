//! `aws_config_config_rule`, the recorder and where it delivers to.

use super::{Joining, Kind, Split, kind};
use crate::template::terraform::mapping::{Attribute, one, same, tags};

const RULE: &[Attribute] = &[
    same("name", "ConfigRuleName"),
    one("source", "Source", &[same("owner", "Owner"), same("source_identifier", "SourceIdentifier")]),
    tags("tags", "Tags"),
    tags("tags_all", "Tags"),
];
const RECORDER: &[Attribute] = &[
    same("name", "Name"),
    same("role_arn", "RoleARN"),
    one(
        "recording_group",
        "RecordingGroup",
        &[
            same("all_supported", "AllSupported"),
            same("include_global_resource_types", "IncludeGlobalResourceTypes"),
            same("resource_types", "ResourceTypes"),
        ],
    ),
];
const CHANNEL: &[Attribute] = &[
    same("name", "Name"),
    same("s3_bucket_name", "S3BucketName"),
    same("s3_kms_key_arn", "S3KmsKeyArn"),
    same("sns_topic_arn", "SnsTopicARN"),
];

pub(super) const KINDS: &[Kind] = &[
    kind("aws_config_config_rule", "AWS::Config::ConfigRule", "name", RULE),
    kind("aws_config_configuration_recorder", "AWS::Config::ConfigurationRecorder", "name", RECORDER),
    kind("aws_config_delivery_channel", "AWS::Config::DeliveryChannel", "name", CHANNEL),
];

pub(super) const SPLITS: &[Split] = &[Split {
    terraform: "aws_config_configuration_recorder_status",
    owner: "AWS::Config::ConfigurationRecorder",
    by: "name",
    property: "Recording",
    inline: "",
    joining: Joining::Set,
    attributes: &[same("is_enabled", "Recording")],
}];
