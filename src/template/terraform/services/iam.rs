//! `aws_iam_role`, its policies, and managed policies.

use super::{Joining, Kind, Split, kind};
use crate::template::terraform::mapping::{Attribute, json, many, same, tags};

const POLICY: &[Attribute] = &[same("name", "PolicyName"), json("policy", "PolicyDocument")];
const ROLE: &[Attribute] = &[
    same("name", "RoleName"),
    same("path", "Path"),
    json("assume_role_policy", "AssumeRolePolicyDocument"),
    many("inline_policy", "Policies", POLICY),
    same("managed_policy_arns", "ManagedPolicyArns"),
    same("permissions_boundary", "PermissionsBoundary"),
    tags("tags", "Tags"),
    tags("tags_all", "Tags"),
];
const MANAGED: &[Attribute] =
    &[same("name", "ManagedPolicyName"), same("path", "Path"), json("policy", "PolicyDocument")];

pub(super) const KINDS: &[Kind] = &[
    kind("aws_iam_role", "AWS::IAM::Role", "name", ROLE).named_by_arn(),
    kind("aws_iam_policy", "AWS::IAM::ManagedPolicy", "name", MANAGED).with_arn_as_id().named_by_arn(),
];

const fn of_role(
    terraform: &'static str,
    by: &'static str,
    property: &'static str,
    inline: &'static str,
    attributes: &'static [Attribute],
) -> Split {
    Split { terraform, owner: "AWS::IAM::Role", by, property, inline, joining: Joining::Append, attributes }
}

pub(super) const SPLITS: &[Split] = &[
    of_role("aws_iam_role_policy", "role", "Policies", "inline_policy", POLICY),
    of_role(
        "aws_iam_role_policy_attachment",
        "role",
        "ManagedPolicyArns",
        "managed_policy_arns",
        &[same("policy_arn", "Arn")],
    ),
    of_role(
        "aws_iam_policy_attachment",
        "roles",
        "ManagedPolicyArns",
        "managed_policy_arns",
        &[same("policy_arn", "Arn")],
    ),
];
