//! AWS Config's recorders and rules.

use serde_json::{Value, json};

use super::super::estate::{ConfigRuleSpec, RuleCompliance, organization_trail, records};
use super::super::protocol::{ApiError, timestamp};
use super::pages::{page, with_token};
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
        Operation { name: "DescribeConfigRules", action: "config:DescribeConfigRules", answer: describe_config_rules },
        Operation {
            name: "DescribeComplianceByConfigRule",
            action: "config:DescribeComplianceByConfigRule",
            answer: describe_compliance_by_config_rule,
        },
    ],
};

/// Whether there is a recorder here, and whether it records; asking for one that is not there is an error.
fn recorder(call: &Call<'_>, member: &str, code: &'static str) -> Result<Option<bool>, ApiError> {
    let found = call.region.and_then(|region| records(call.account, region));
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

/// The rules of the caller's account and Region, only those that are named if any are.
fn rules(call: &Call<'_>) -> Result<Vec<ConfigRuleSpec>, ApiError> {
    let all = call.region.map_or_else(Vec::new, |region| ConfigRuleSpec::all(call.world, call.account, region));
    let wanted = call.texts("ConfigRuleNames");
    if let Some(missing) = wanted.iter().find(|name| !all.iter().any(|rule| rule.name() == **name)) {
        let message = format!("The ConfigRule '{missing}' provided in the request is invalid.");
        return Err(ApiError::new(400, "NoSuchConfigRuleException", message));
    }
    Ok(all.into_iter().filter(|rule| wanted.is_empty() || wanted.contains(&rule.name().as_str())).collect())
}

/// Two rules on a page, so that there is more than one page.
const RULES: usize = 2;

fn describe_config_rules(call: &Call<'_>) -> Answer {
    let rules = rules(call)?;
    let (range, next) = page(rules.len(), call.text("NextToken"), None, RULES, "InvalidNextTokenException")?;
    let page = rules.get(range).unwrap_or_default().iter().map(|rule| {
        json!({
            "ConfigRuleName": rule.name(), "ConfigRuleArn": rule.arn(call.world),
            "ConfigRuleId": format!("config-rule-{:04}", rule.number), "ConfigRuleState": "ACTIVE",
            "Source": { "Owner": "AWS", "SourceIdentifier": rule.identifier }
        })
    });
    let page: Vec<Value> = page.collect();
    Ok(with_token(json!({ "ConfigRules": page }), "NextToken", next))
}

fn describe_compliance_by_config_rule(call: &Call<'_>) -> Answer {
    let found: Vec<Value> = rules(call)?
        .iter()
        .map(|rule| {
            let compliance = match rule.compliance {
                RuleCompliance::Compliant => "COMPLIANT",
                RuleCompliance::NonCompliant => "NON_COMPLIANT",
                RuleCompliance::NotApplicable => "NOT_APPLICABLE",
            };
            json!({ "ConfigRuleName": rule.name(), "Compliance": { "ComplianceType": compliance } })
        })
        .collect();
    Ok(json!({ "ComplianceByConfigRules": found }))
}
