//! `aws_cloudtrail`.

use super::{Kind, kind};
use crate::template::terraform::mapping::{Attribute, many, same, tags};

const TRAIL: &[Attribute] = &[
    same("name", "TrailName"),
    same("s3_bucket_name", "S3BucketName"),
    same("is_multi_region_trail", "IsMultiRegionTrail"),
    same("is_organization_trail", "IsOrganizationTrail"),
    same("enable_log_file_validation", "EnableLogFileValidation"),
    same("enable_logging", "IsLogging"),
    same("kms_key_id", "KMSKeyId"),
    same("cloud_watch_logs_group_arn", "CloudWatchLogsLogGroupArn"),
    same("include_global_service_events", "IncludeGlobalServiceEvents"),
    many(
        "event_selector",
        "EventSelectors",
        &[
            same("read_write_type", "ReadWriteType"),
            same("include_management_events", "IncludeManagementEvents"),
            many("data_resource", "DataResources", &[same("type", "Type"), same("values", "Values")]),
        ],
    ),
    many(
        "advanced_event_selector",
        "AdvancedEventSelectors",
        &[
            same("name", "Name"),
            many(
                "field_selector",
                "FieldSelectors",
                &[
                    same("field", "Field"),
                    same("equals", "Equals"),
                    same("starts_with", "StartsWith"),
                    same("ends_with", "EndsWith"),
                    same("not_equals", "NotEquals"),
                    same("not_starts_with", "NotStartsWith"),
                    same("not_ends_with", "NotEndsWith"),
                ],
            ),
        ],
    ),
    tags("tags", "Tags"),
    tags("tags_all", "Tags"),
];

pub(super) const KINDS: &[Kind] = &[kind("aws_cloudtrail", "AWS::CloudTrail::Trail", "name", TRAIL)];
