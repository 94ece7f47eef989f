//! `aws_kms_key`, its alias and its policy.

use super::{Joining, Kind, Split, kind};
use crate::template::terraform::mapping::{Attribute, json, positive, same, tags};

const KEY: &[Attribute] = &[
    same("description", "Description"),
    json("policy", "KeyPolicy"),
    same("enable_key_rotation", "EnableKeyRotation"),
    positive("rotation_period_in_days", "RotationPeriodInDays"),
    same("is_enabled", "Enabled"),
    same("key_usage", "KeyUsage"),
    same("customer_master_key_spec", "KeySpec"),
    same("multi_region", "MultiRegion"),
    positive("deletion_window_in_days", "PendingWindowInDays"),
    tags("tags", "Tags"),
    tags("tags_all", "Tags"),
];
const ALIAS: &[Attribute] = &[same("name", "AliasName"), same("target_key_id", "TargetKeyId")];

pub(super) const KINDS: &[Kind] =
    &[kind("aws_kms_key", "AWS::KMS::Key", "key_id", KEY), kind("aws_kms_alias", "AWS::KMS::Alias", "name", ALIAS)];

pub(super) const SPLITS: &[Split] = &[Split {
    terraform: "aws_kms_key_policy",
    owner: "AWS::KMS::Key",
    by: "key_id",
    property: "KeyPolicy",
    inline: "policy",
    joining: Joining::Set,
    attributes: &[json("policy", "KeyPolicy")],
}];
