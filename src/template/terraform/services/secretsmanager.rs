//! `aws_secretsmanager_secret`, `aws_secretsmanager_secret_rotation`.

use super::{Kind, kind};
use crate::template::terraform::mapping::{Attribute, one, positive, same, tags};

const SECRET: &[Attribute] =
    &[same("name", "Name"), same("kms_key_id", "KmsKeyId"), tags("tags", "Tags"), tags("tags_all", "Tags")];
const ROTATION: &[Attribute] = &[
    same("secret_id", "SecretId"),
    same("rotation_lambda_arn", "RotationLambdaARN"),
    one(
        "rotation_rules",
        "RotationRules",
        &[
            positive("automatically_after_days", "AutomaticallyAfterDays"),
            same("schedule_expression", "ScheduleExpression"),
            same("duration", "Duration"),
        ],
    ),
];

pub(super) const KINDS: &[Kind] = &[
    kind("aws_secretsmanager_secret", "AWS::SecretsManager::Secret", "name", SECRET).with_arn_as_id().named_by_arn(),
    kind("aws_secretsmanager_secret_rotation", "AWS::SecretsManager::RotationSchedule", "", ROTATION),
];
