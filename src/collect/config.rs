//! AWS Config: recorders with their state, delivery channels, and rules about the delivery path with their compliance,
//! of Regions where something is delivered.
//!
//! In: a scope. Out: `AWS::Config::ConfigurationRecorder`, `AWS::Config::DeliveryChannel` and `AWS::Config::ConfigRule`.

use super::config_rules::{self, DESCRIBE_COMPLIANCE, DESCRIBE_RULES};
use super::fields::Fields;
use super::{CallError, Collected, Collector, Reach, Scope, arn};
use crate::inventory::{Properties, Reference, Resource, TypeName};
use async_trait::async_trait;
use aws_sdk_config::Client;
use aws_sdk_config::types::{ConfigurationRecorder, ConfigurationRecorderStatus, DeliveryChannel};

/// Reads AWS Config.
#[derive(Debug, Clone, Copy)]
pub struct Config;

const DESCRIBE_RECORDERS: &str = "config:DescribeConfigurationRecorders";
const DESCRIBE_STATUS: &str = "config:DescribeConfigurationRecorderStatus";
const DESCRIBE_CHANNELS: &str = "config:DescribeDeliveryChannels";

#[async_trait]
impl Collector for Config {
    fn service(&self) -> &'static str {
        "config"
    }

    fn actions(&self) -> &'static [&'static str] {
        &[DESCRIBE_RECORDERS, DESCRIBE_STATUS, DESCRIBE_CHANNELS, DESCRIBE_RULES, DESCRIBE_COMPLIANCE]
    }

    fn types(&self) -> &'static [TypeName] {
        const { &[TypeName::RECORDER, TypeName::DELIVERY_CHANNEL, TypeName::CONFIG_RULE] }
    }

    fn reach(&self) -> Reach {
        Reach::OccupiedRegion
    }

    async fn collect(&self, scope: &Scope, _wanted: &[Reference]) -> Collected {
        let client = Client::new(scope.config());
        let (mut collected, channels, rules) = tokio::join!(
            recorders(scope, &client),
            scope.call(DESCRIBE_CHANNELS, || client.describe_delivery_channels().send()),
            config_rules::read(scope, &client),
        );
        collected.absorb(rules);
        match channels {
            Ok(answer) => {
                for channel in answer.delivery_channels() {
                    let resource = named(scope, TypeName::DELIVERY_CHANNEL, "delivery-channel", channel.name());
                    if let Some(mut resource) = resource {
                        resource.properties = channel_properties(channel);
                        collected.resources.push(resource);
                    } else {
                        let error = CallError::malformed(DESCRIBE_CHANNELS, "a delivery channel without a name");
                        collected.gaps.push(error.unlisted(scope, &[TypeName::DELIVERY_CHANNEL]));
                    }
                }
            }
            Err(error) => collected.gaps.push(error.unlisted(scope, &[TypeName::DELIVERY_CHANNEL])),
        }
        collected
    }
}

async fn recorders(scope: &Scope, client: &Client) -> Collected {
    let mut collected = Collected::default();
    let (listed, status) = tokio::join!(
        scope.call(DESCRIBE_RECORDERS, || client.describe_configuration_recorders().send()),
        scope.call(DESCRIBE_STATUS, || client.describe_configuration_recorder_status().send()),
    );
    let listed = match listed {
        Ok(listed) => listed,
        Err(error) => {
            collected.gaps.push(error.unlisted(scope, &[TypeName::RECORDER]));
            return collected;
        }
    };
    let status = status.map(|answer| answer.configuration_recorders_status.unwrap_or_default());
    for recorder in listed.configuration_recorders() {
        let Some(mut resource) = named(scope, TypeName::RECORDER, "configuration-recorder", recorder.name()) else {
            let error = CallError::malformed(DESCRIBE_RECORDERS, "a configuration recorder without a name");
            collected.gaps.push(error.unlisted(scope, &[TypeName::RECORDER]));
            continue;
        };
        resource.properties = recorder_properties(recorder);
        let own = status.as_ref().map_err(CallError::clone).and_then(|statuses| {
            let missing = || CallError::malformed(DESCRIBE_STATUS, "no status of a recorder that exists");
            statuses.iter().find(|status| status.name() == recorder.name()).ok_or_else(missing)
        });
        match own {
            Ok(status) => resource.properties.extend(status_properties(status)),
            Err(error) => error.hides(scope, &mut resource, &["Recording", "LastStatus"]),
        }
        collected.resources.push(resource);
    }
    collected
}

fn named(scope: &Scope, type_name: TypeName, kind: &str, name: Option<&str>) -> Option<Resource> {
    let name = name.filter(|name| !name.is_empty())?;
    let uid = arn::in_scope(scope, "config", &format!("{kind}/{name}"));
    Some(Resource::live(type_name, uid, scope.account.clone(), scope.region.clone()))
}

fn recorder_properties(recorder: &ConfigurationRecorder) -> Properties {
    let group = recorder.recording_group().map(|group| {
        Fields::new()
            .put("AllSupported", Some(group.all_supported()))
            .put("IncludeGlobalResourceTypes", Some(group.include_global_resource_types()))
            .texts("ResourceTypes", group.resource_types())
            .value()
    });
    Fields::new()
        .text("Name", recorder.name())
        .text("RoleARN", recorder.role_arn())
        .put("RecordingGroup", group)
        .properties()
}

fn status_properties(status: &ConfigurationRecorderStatus) -> Properties {
    Fields::new().put("Recording", Some(status.recording())).text("LastStatus", status.last_status()).properties()
}

fn channel_properties(channel: &DeliveryChannel) -> Properties {
    Fields::new()
        .text("Name", channel.name())
        .text("S3BucketName", channel.s3_bucket_name())
        .text("S3KmsKeyArn", channel.s3_kms_key_arn())
        .text("SnsTopicARN", channel.sns_topic_arn())
        .properties()
}

#[cfg(test)]
mod tests {
    use aws_sdk_config::types::{RecorderStatus, RecordingGroup, ResourceType};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_recorder_and_its_status() {
        let group = RecordingGroup::builder().all_supported(false).resource_types(ResourceType::Bucket).build();
        let recorder = ConfigurationRecorder::builder().name("default").recording_group(group).build();
        let mut properties = recorder_properties(&recorder);
        let status =
            ConfigurationRecorderStatus::builder().recording(true).last_status(RecorderStatus::Failure).build();
        properties.extend(status_properties(&status));
        assert_eq!(
            Value::Object(properties),
            json!({
                "Name": "default", "Recording": true, "LastStatus": "Failure",
                "RecordingGroup":
                    {"AllSupported": false, "IncludeGlobalResourceTypes": false, "ResourceTypes": ["AWS::S3::Bucket"]},
            })
        );
    }

    #[tokio::test]
    async fn recorders_and_channels_are_brought_and_no_refusal_is_lost() {
        use super::super::test_support::{Answer, by_operation, every_refusal_leaves_a_gap};
        let answers = by_operation(&[
            (
                "DescribeConfigurationRecorders",
                Answer::Json(json!({"ConfigurationRecorders": [{"name": "default", "roleARN": "r"}]})),
            ),
            (
                "DescribeConfigurationRecorderStatus",
                Answer::Json(json!({"ConfigurationRecordersStatus": [{"name": "default", "recording": true}]})),
            ),
            (
                "DescribeDeliveryChannels",
                Answer::Json(json!({"DeliveryChannels": [{"name": "default", "s3BucketName": "logs"}]})),
            ),
            (
                "DescribeConfigRules",
                Answer::Json(json!({"ConfigRules": [
                    {"ConfigRuleName": "keys", "ConfigRuleArn": "arn:aws:config:eu-west-1:111122223333:config-rule/config-rule-1",
                     "Source": {"Owner": "AWS", "SourceIdentifier": "CODEBUILD_PROJECT_ARTIFACT_ENCRYPTION"}},
                    {"ConfigRuleName": "other", "ConfigRuleArn": "arn:aws:config:eu-west-1:111122223333:config-rule/config-rule-2",
                     "Source": {"Owner": "AWS", "SourceIdentifier": "EC2_EBS_ENCRYPTION_BY_DEFAULT"}},
                ]})),
            ),
            (
                "DescribeComplianceByConfigRule",
                Answer::Json(json!({"ComplianceByConfigRules": [
                    {"ConfigRuleName": "keys", "Compliance": {"ComplianceType": "NON_COMPLIANT"}},
                ]})),
            ),
        ]);
        let found = every_refusal_leaves_a_gap(&Config, Config.actions(), &[], answers, &[]).await;
        let uids: Vec<_> = found.resources.iter().map(|resource| resource.uid.as_str()).collect();
        assert_eq!(
            uids,
            [
                "arn:aws:config:eu-west-1:111122223333:configuration-recorder/default",
                "arn:aws:config:eu-west-1:111122223333:config-rule/config-rule-1",
                "arn:aws:config:eu-west-1:111122223333:delivery-channel/default",
            ]
        );
        assert_eq!(found.resources.first().unwrap().properties.get("Recording"), Some(&Value::from(true)));
    }
}
