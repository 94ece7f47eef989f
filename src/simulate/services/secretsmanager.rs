//! Secrets Manager, without any secret.

use serde_json::{Value, json};

use super::super::estate::{Rotation, SecretRef};
use super::super::protocol::{ApiError, timestamp};
use super::{Answer, Call, Operation, Service, days_ago};

pub(super) const SERVICE: Service = Service {
    prefix: "secretsmanager",
    target: "secretsmanager",
    operations: &[Operation {
        name: "DescribeSecret",
        action: "secretsmanager:DescribeSecret",
        answer: describe_secret,
    }],
};

fn describe_secret(call: &Call<'_>) -> Answer {
    let id = call.required("SecretId")?;
    let found = call.region.and_then(|region| SecretRef::named(call.world, call.account, region, id));
    let secret = found.ok_or_else(|| {
        let message = "Secrets Manager can't find the specified secret.".to_owned();
        ApiError::new(400, "ResourceNotFoundException", message)
    })?;
    let moment = |days: i64| timestamp(days_ago(call.world, days, secret.slot));
    let mut answer = json!({
        "ARN": secret.arn(call.world), "Name": secret.name(), "CreatedDate": moment(700), "LastChangedDate": moment(2),
        "Tags": [{ "Key": "team", "Value": "delivery" }]
    });
    let rotation = match secret.rotation(call.world) {
        Rotation::Off => json!({}),
        Rotation::Days { every, since } => json!({
            "RotationEnabled": true, "RotationRules": { "AutomaticallyAfterDays": every },
            "LastRotatedDate": moment(since), "NextRotationDate": moment(since - every)
        }),
        Rotation::Calendar { every, since } => json!({
            "RotationEnabled": true, "RotationRules": { "ScheduleExpression": "cron(0 4 ? * SUN *)" },
            "LastRotatedDate": moment(since), "NextRotationDate": moment(since - every)
        }),
    };
    if let (Some(fields), Value::Object(rotation)) = (answer.as_object_mut(), rotation) {
        fields.extend(rotation);
    }
    Ok(answer)
}
