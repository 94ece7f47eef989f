//! AWS Config's recorders.

use serde_json::{Value, json};

use super::super::estate::organization_trail;
use super::super::protocol::{ApiError, timestamp};
use super::{Answer, Call, Operation, Service, days_ago};

pub(super) const SERVICE: Service = Service {
    prefix: "config",
    target: "StarlingDoveService",
    operations: &[
        Operation {
            name: "DescribeConfigurationRecorders",
            action: "config:DescribeConfigurationRecorders",
            answer: describe_configuration_recorders,
        },
        Operation {
            name: "DescribeConfigurationRecorderStatus",
            action: "config:DescribeConfigurationRecorderStatus",
            answer: describe_configuration_recorder_status,
        },
        Operation {
            name: "DescribeDeliveryChannels",
            action: "config:DescribeDeliveryChannels",
            answer: describe_delivery_channels,
        },
    ],
};

/// Whether there is a recorder here, and whether it records; asking for one that is not there is an error.
fn recorder(call: &Call<'_>, member: &str, code: &'static str) -> Result<Option<bool>, ApiError> {
    let found =
        call.region.filter(|region| (call.account + region) % 6 != 4).map(|region| (call.account + region) % 9 != 5);
    match call.texts(member).iter().find(|name| **name != "default" || found.is_none()) {
        Some(name) => Err(ApiError::new(400, code, format!("Cannot find {name}"))),
        None => Ok(found),
    }
}

const NO_RECORDER: &str = "NoSuchConfigurationRecorderException";

fn describe_configuration_recorders(call: &Call<'_>) -> Answer {
    let recorders: Vec<Value> = recorder(call, "ConfigurationRecorderNames", NO_RECORDER)?
        .into_iter()
        .map(|_| {
            json!({
                "name": "default", "roleARN": call.world.role_arn(call.account, "ConfigRecorder"),
                "recordingGroup": {
                    "allSupported": true, "includeGlobalResourceTypes": call.region == Some(0), "resourceTypes": []
                }
            })
        })
        .collect();
    Ok(json!({ "ConfigurationRecorders": recorders }))
}

fn describe_configuration_recorder_status(call: &Call<'_>) -> Answer {
    let statuses: Vec<Value> = recorder(call, "ConfigurationRecorderNames", NO_RECORDER)?
        .into_iter()
        .map(|recording| {
            json!({
                "name": "default", "recording": recording, "lastStatus": if recording { "SUCCESS" } else { "PENDING" },
                "lastStartTime": timestamp(days_ago(call.world, 300, call.account))
            })
        })
        .collect();
    Ok(json!({ "ConfigurationRecordersStatus": statuses }))
}

fn describe_delivery_channels(call: &Call<'_>) -> Answer {
    let channels: Vec<Value> = recorder(call, "DeliveryChannelNames", "NoSuchDeliveryChannelException")?
        .into_iter()
        .map(|_| {
            let bucket = organization_trail(call.world).bucket.name(call.world);
            json!({ "name": "default", "s3BucketName": bucket })
        })
        .collect();
    Ok(json!({ "DeliveryChannels": channels }))
}
