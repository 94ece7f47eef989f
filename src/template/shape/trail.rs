//! `AWS::CloudTrail::Trail`.
//!
//! In: a trail as a template writes it. Out: the trail as its owner is told of it.

use serde_json::json;

use super::Shape;
use super::conversion::Conversion;
use super::form::{Form, TEXT_LIST};
use crate::inventory::TypeName;

/// Trails.
pub(super) const TRAIL: Shape = Shape {
    type_name: "AWS::CloudTrail::Trail",
    becomes: TypeName::TRAIL,
    form: Form::Map(&[
        ("TrailName", Form::Text),
        ("S3BucketName", Form::Text),
        ("IsMultiRegionTrail", Form::Flag),
        ("IsOrganizationTrail", Form::Flag),
        ("EnableLogFileValidation", Form::Flag),
        ("KMSKeyId", Form::Text),
        ("CloudWatchLogsLogGroupArn", Form::Text),
        ("IncludeGlobalServiceEvents", Form::Flag),
        ("HomeRegion", Form::Text),
        ("IsLogging", Form::Flag),
        (
            "EventSelectors",
            Form::List(&Form::Map(&[
                ("ReadWriteType", Form::Text),
                ("IncludeManagementEvents", Form::Flag),
                ("DataResources", Form::List(&Form::Map(&[("Type", Form::Text), ("Values", TEXT_LIST)]))),
            ])),
        ),
        (
            "AdvancedEventSelectors",
            Form::List(&Form::Map(&[
                ("Name", Form::Text),
                (
                    "FieldSelectors",
                    Form::List(&Form::Map(&[
                        ("Field", Form::Text),
                        ("Equals", TEXT_LIST),
                        ("StartsWith", TEXT_LIST),
                        ("EndsWith", TEXT_LIST),
                        ("NotEquals", TEXT_LIST),
                        ("NotStartsWith", TEXT_LIST),
                        ("NotEndsWith", TEXT_LIST),
                    ])),
                ),
            ])),
        ),
    ]),
    convert: trail,
    only_deployed: &[],
};

fn trail(conversion: &mut Conversion<'_>) {
    for property in ["EnableLogFileValidation", "IsMultiRegionTrail", "IsOrganizationTrail"] {
        conversion.set_default(property, &json!(false));
    }
    let home = conversion.raw().place.region.to_string();
    conversion.set_text("HomeRegion", home);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::*;

    #[test]
    fn a_trail_is_what_its_owner_is_told() {
        let selectors =
            json!([{"ReadWriteType": "All", "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}]}]);
        let trail =
            json!({"S3BucketName": "logs", "IsLogging": "true", "EventSelectors": selectors, "SnsTopicName": "x"});
        assert_eq!(
            Value::Object(properties(&[raw("AWS::CloudTrail::Trail", "Trail", trail)], "Trail")),
            json!({"TrailName": "Trail", "S3BucketName": "logs", "IsLogging": true, "EventSelectors": selectors, "HomeRegion": "eu-west-1",
                   "EnableLogFileValidation": false, "IsMultiRegionTrail": false, "IsOrganizationTrail": false})
        );
    }
}
