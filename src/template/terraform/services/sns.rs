//! `aws_sns_topic`, its policy and its subscriptions.

use super::{Kind, kind};
use crate::template::terraform::mapping::{Attribute, How, json, same, tags};

const TOPIC: &[Attribute] = &[
    same("name", "TopicName"),
    same("kms_master_key_id", "KmsMasterKeyId"),
    tags("tags", "Tags"),
    tags("tags_all", "Tags"),
];
const POLICY: &[Attribute] =
    &[Attribute { from: "arn", to: "Topics", how: How::Same }, json("policy", "PolicyDocument")];
const SUBSCRIPTION: &[Attribute] = &[same("topic_arn", "TopicArn"), same("protocol", "Protocol")];

pub(super) const KINDS: &[Kind] = &[
    kind("aws_sns_topic", "AWS::SNS::Topic", "name", TOPIC).with_arn_as_id(),
    kind("aws_sns_topic_policy", "AWS::SNS::TopicPolicy", "", POLICY),
    kind("aws_sns_topic_subscription", "AWS::SNS::Subscription", "", SUBSCRIPTION).with_arn_as_id(),
];
