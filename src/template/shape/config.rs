//! AWS Config: recorders, delivery channels and rules.
//!
//! In: what a template declares of them. Out: the same without what only a running recorder knows.

use super::Shape;
use super::conversion::as_declared;
use super::form::{Form, TEXT_LIST};
use crate::inventory::TypeName;

/// Recorders.
pub(super) const RECORDER: Shape = Shape {
    type_name: "AWS::Config::ConfigurationRecorder",
    becomes: TypeName::RECORDER,
    form: Form::Map(&[
        ("Name", Form::Text),
        ("RoleARN", Form::Text),
        (
            "RecordingGroup",
            Form::Map(&[
                ("AllSupported", Form::Flag),
                ("IncludeGlobalResourceTypes", Form::Flag),
                ("ResourceTypes", TEXT_LIST),
            ]),
        ),
    ]),
    convert: as_declared,
    only_deployed: &["LastStatus", "Recording"],
};

/// Delivery channels.
pub(super) const DELIVERY_CHANNEL: Shape = Shape {
    type_name: "AWS::Config::DeliveryChannel",
    becomes: TypeName::DELIVERY_CHANNEL,
    form: Form::Map(&[
        ("Name", Form::Text),
        ("S3BucketName", Form::Text),
        ("S3KmsKeyArn", Form::Text),
        ("SnsTopicARN", Form::Text),
    ]),
    convert: as_declared,
    only_deployed: &[],
};

/// Rules.
pub(super) const CONFIG_RULE: Shape = Shape {
    type_name: "AWS::Config::ConfigRule",
    becomes: TypeName::CONFIG_RULE,
    form: Form::Map(&[
        ("ConfigRuleName", Form::Text),
        ("Source", Form::Map(&[("Owner", Form::Text), ("SourceIdentifier", Form::Text)])),
    ]),
    convert: as_declared,
    only_deployed: &["ComplianceType", "ConfigRuleState"],
};

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::*;

    #[test]
    fn whether_a_recorder_records_only_it_knows() {
        let recorder = raw("AWS::Config::ConfigurationRecorder", "Rec", json!({"RoleARN": "r", "RecordingMode": {}}));
        assert_eq!(properties(std::slice::from_ref(&recorder), "Rec")["Name"], "Rec");
        assert_eq!(unseen(&[recorder], "Rec"), ["LastStatus", "Recording"].map(|name| (name.to_owned(), 'd')));
        let rule = json!({"Source": {"Owner": "AWS", "SourceIdentifier": "CODEBUILD_X", "SourceDetails": []}});
        let found = one(&[raw("AWS::Config::ConfigRule", "Rule", rule)], "Rule").resource;
        assert_eq!(found.properties["Source"], json!({"Owner": "AWS", "SourceIdentifier": "CODEBUILD_X"}));
    }
}
