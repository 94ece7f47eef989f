//! `aws_codestarconnections_connection`, `aws_codeconnections_connection`, `aws_codestarnotifications_notification_rule`.

use super::{Kind, kind};
use crate::template::terraform::mapping::{Attribute, many, same, tags};

const CONNECTION: &[Attribute] = &[
    same("name", "ConnectionName"),
    same("provider_type", "ProviderType"),
    same("host_arn", "HostArn"),
    tags("tags", "Tags"),
    tags("tags_all", "Tags"),
];
const RULE: &[Attribute] = &[
    same("name", "Name"),
    same("detail_type", "DetailType"),
    same("event_type_ids", "EventTypeIds"),
    same("resource", "Resource"),
    same("status", "Status"),
    many("target", "Targets", &[same("address", "TargetAddress"), same("type", "TargetType")]),
    // The only tags that CloudFormation takes as a mapping.
    same("tags", "Tags"),
    same("tags_all", "Tags"),
];

pub(super) const KINDS: &[Kind] = &[
    kind("aws_codestarconnections_connection", "AWS::CodeStarConnections::Connection", "name", CONNECTION)
        .with_arn_as_id()
        .named_by_arn(),
    kind("aws_codeconnections_connection", "AWS::CodeConnections::Connection", "name", CONNECTION)
        .with_arn_as_id()
        .named_by_arn(),
    kind("aws_codestarnotifications_notification_rule", "AWS::CodeStarNotifications::NotificationRule", "name", RULE)
        .with_arn_as_id()
        .named_by_arn(),
];
