//! `AWS::CodeDeploy::DeploymentGroup`, its application and its configuration.
//!
//! In: groups as a template writes them. Out: groups as `BatchGetDeploymentGroups` answers them. What a template does not
//! say of a group is what its application says, which may be declared with it.

use super::super::hole::has_holes;
use super::super::node::Node;
use super::Shape;
use super::conversion::{Conversion, as_declared, elsewhere};
use super::form::{Form, TEXT_LIST};
use crate::inventory::TypeName;

const LISTENERS: Form = Form::Map(&[("ListenerArns", TEXT_LIST)]);

/// Deployment groups.
pub(super) const DEPLOYMENT_GROUP: Shape = Shape {
    type_name: GROUP,
    becomes: TypeName::DEPLOYMENT_GROUP,
    form: Form::Map(&[
        ("ApplicationName", Form::Text),
        ("DeploymentGroupName", Form::Text),
        ("ComputePlatform", Form::Text),
        ("ServiceRoleArn", Form::Text),
        ("DeploymentConfigName", Form::Text),
        ("AutoRollbackConfiguration", Form::Map(&[("Enabled", Form::Flag), ("Events", TEXT_LIST)])),
        (
            "AlarmConfiguration",
            Form::Map(&[
                ("Enabled", Form::Flag),
                ("IgnorePollAlarmFailure", Form::Flag),
                ("Alarms", Form::List(&Form::Map(&[("Name", Form::Text)]))),
            ]),
        ),
        ("DeploymentStyle", Form::Map(&[("DeploymentType", Form::Text), ("DeploymentOption", Form::Text)])),
        (
            "BlueGreenDeploymentConfiguration",
            Form::Map(&[
                (
                    "TerminateBlueInstancesOnDeploymentSuccess",
                    Form::Map(&[("Action", Form::Text), ("TerminationWaitTimeInMinutes", Form::Number)]),
                ),
                (
                    "DeploymentReadyOption",
                    Form::Map(&[("ActionOnTimeout", Form::Text), ("WaitTimeInMinutes", Form::Number)]),
                ),
                ("GreenFleetProvisioningOption", Form::Map(&[("Action", Form::Text)])),
            ]),
        ),
        (
            "TriggerConfigurations",
            Form::List(&Form::Map(&[
                ("TriggerName", Form::Text),
                ("TriggerTargetArn", Form::Text),
                ("TriggerEvents", TEXT_LIST),
            ])),
        ),
        ("OutdatedInstancesStrategy", Form::Text),
        ("ECSServices", Form::List(&Form::Map(&[("ClusterName", Form::Text), ("ServiceName", Form::Text)]))),
        (
            "Deployment",
            Form::Map(&[(
                "Revision",
                Form::Map(&[
                    ("RevisionType", Form::Text),
                    (
                        "S3Location",
                        Form::Map(&[
                            ("Bucket", Form::Text),
                            ("Key", Form::Text),
                            ("ETag", Form::Text),
                            ("Version", Form::Text),
                        ]),
                    ),
                    ("GitHubLocation", Form::Map(&[("Repository", Form::Text), ("CommitId", Form::Text)])),
                ]),
            )]),
        ),
        (
            "LoadBalancerInfo",
            Form::Map(&[(
                "TargetGroupPairInfoList",
                Form::List(&Form::Map(&[("ProdTrafficRoute", LISTENERS), ("TestTrafficRoute", LISTENERS)])),
            )]),
        ),
    ]),
    convert: group,
    only_deployed: &[],
};

const GROUP: &str = "AWS::CodeDeploy::DeploymentGroup";
const APPLICATION_TYPE: &str = "AWS::CodeDeploy::Application";

fn group(conversion: &mut Conversion<'_>) {
    // An empty balancer says nothing, as an absent one.
    let pairs = conversion.property("LoadBalancerInfo").is_some_and(|balancer| {
        balancer.as_str().is_some() || balancer.get("TargetGroupPairInfoList").is_some_and(|pairs| !pairs.is_null())
    });
    if !pairs {
        conversion.take("LoadBalancerInfo");
    }
    let application = conversion.text("ApplicationName").unwrap_or_default().to_owned();
    if let Some(declared) = conversion.named(APPLICATION_TYPE, &application) {
        let server = Node::text("Server", declared.span);
        conversion.set("ComputePlatform", declared.property("ComputePlatform").cloned().unwrap_or(server));
    } else if conversion.property("ComputePlatform").is_none() {
        // The API says it of a group; in CloudFormation only an application has one.
        undeclared_platform(conversion, &application);
    }
}

fn undeclared_platform(conversion: &mut Conversion<'_>, application: &str) {
    if let Some(platform) = said_by_the_group(conversion) {
        conversion.set_text("ComputePlatform", platform);
    } else {
        let cause = conversion.why(application, |name| elsewhere(&format!("the application {name} of this group")));
        conversion.hide("ComputePlatform", cause);
    }
}

/// What the group itself gives away.
fn said_by_the_group(conversion: &Conversion<'_>) -> Option<&'static str> {
    let is_set =
        |name: &str| conversion.property(name).is_some_and(|value| !value.elements().is_empty() || value.is_map());
    let configuration = conversion.text("DeploymentConfigName").unwrap_or_default();
    let predefined = configuration.strip_prefix("CodeDeployDefault.").filter(|name| !has_holes(name));
    match predefined {
        Some(name) if name.starts_with("ECS") => Some("ECS"),
        Some(name) if name.starts_with("Lambda") => Some("Lambda"),
        Some(_) => Some("Server"),
        None if is_set("ECSServices") || is_set("LoadBalancerInfo") => Some("ECS"),
        None => {
            let hosts =
                ["AutoScalingGroups", "Ec2TagFilters", "Ec2TagSet", "OnPremisesInstanceTagFilters", "OnPremisesTagSet"];
            hosts.iter().any(|name| is_set(name)).then_some("Server")
        }
    }
}

/// Applications. Their tags are not read, as of deployed ones.
pub(super) const APPLICATION: Shape = Shape {
    type_name: APPLICATION_TYPE,
    becomes: TypeName::APPLICATION,
    form: Form::Map(&[("ApplicationName", Form::Text), ("ComputePlatform", Form::Text)]),
    convert: |conversion| conversion.set_default("ComputePlatform", &serde_json::json!("Server")),
    only_deployed: &[],
};

/// Deployment configurations.
pub(super) const DEPLOYMENT_CONFIG: Shape = Shape {
    type_name: "AWS::CodeDeploy::DeploymentConfig",
    becomes: TypeName::DEPLOYMENT_CONFIG,
    form: Form::Map(&[
        ("DeploymentConfigName", Form::Text),
        ("ComputePlatform", Form::Text),
        ("MinimumHealthyHosts", Form::Map(&[("Type", Form::Text), ("Value", Form::Number)])),
        (
            "TrafficRoutingConfig",
            Form::Map(&[
                ("Type", Form::Text),
                ("TimeBasedCanary", Form::Map(&[("CanaryPercentage", Form::Number), ("CanaryInterval", Form::Number)])),
                ("TimeBasedLinear", Form::Map(&[("LinearPercentage", Form::Number), ("LinearInterval", Form::Number)])),
            ]),
        ),
    ]),
    convert: as_declared,
    only_deployed: &[],
};

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::*;

    const GROUP: &str = "AWS::CodeDeploy::DeploymentGroup";
    const APPLICATION: &str = "AWS::CodeDeploy::Application";

    #[test]
    fn a_group_is_what_the_api_answers() {
        let group = json!({
            "ApplicationName": "App", "DeploymentGroupName": "prod", "ServiceRoleArn": "role",
            "AutoRollbackConfiguration": {"Enabled": "true", "Events": ["DEPLOYMENT_FAILURE"]},
            "AlarmConfiguration": {"Enabled": true, "Alarms": [{"Name": "errors"}]},
            "Ec2TagFilters": [{"Key": "x"}], "LoadBalancerInfo": {"TargetGroupInfoList": [{"Name": "t"}]},
            "BlueGreenDeploymentConfiguration": {"TerminateBlueInstancesOnDeploymentSuccess": {"Action": "TERMINATE", "TerminationWaitTimeInMinutes": "60"}},
            "Deployment": {"Description": "d", "Revision": {"RevisionType": "S3", "S3Location": {"Bucket": "b", "BundleType": "zip", "Key": "k"}}},
        });
        let all = [raw(APPLICATION, "App", json!({})), raw(GROUP, "Group", group)];
        let found = one(&all, "Group").resource;
        assert_eq!(found.uid.as_str(), "arn:aws:codedeploy:eu-west-1:111122223333:deploymentgroup:App/prod");
        assert!(found.unseen.is_empty());
        assert_eq!(
            Value::Object(found.properties),
            json!({
                "ApplicationName": "App", "DeploymentGroupName": "prod", "ServiceRoleArn": "role", "ComputePlatform": "Server",
                "AutoRollbackConfiguration": {"Enabled": true, "Events": ["DEPLOYMENT_FAILURE"]},
                "AlarmConfiguration": {"Enabled": true, "Alarms": [{"Name": "errors"}]},
                "BlueGreenDeploymentConfiguration": {"TerminateBlueInstancesOnDeploymentSuccess": {"Action": "TERMINATE", "TerminationWaitTimeInMinutes": 60}},
                "Deployment": {"Revision": {"RevisionType": "S3", "S3Location": {"Bucket": "b", "Key": "k"}}},
            })
        );
    }

    #[test]
    fn the_platform_comes_from_the_application_then_from_the_group_itself() {
        let platform = |all: &[_]| one(all, "Group").resource.properties.get("ComputePlatform").cloned();
        let of = |group: Value| raw(GROUP, "Group", group);
        let lambda = raw(APPLICATION, "App", json!({"ApplicationName": "web", "ComputePlatform": "Lambda"}));
        assert_eq!(platform(&[lambda, of(json!({"ApplicationName": "web"}))]), Some(json!("Lambda")));
        for (group, expected) in [
            (json!({"ECSServices": [{"ServiceName": "s"}]}), "ECS"),
            (json!({"AutoScalingGroups": ["a"]}), "Server"),
            (json!({"DeploymentConfigName": "CodeDeployDefault.LambdaAllAtOnce"}), "Lambda"),
            (json!({"DeploymentConfigName": "CodeDeployDefault.OneAtATime"}), "Server"),
        ] {
            assert_eq!(platform(&[of(group)]), Some(json!(expected)));
        }
        let told = json!({"ApplicationName": "far", "ComputePlatform": "Lambda", "DeploymentConfigName": "MyCanary"});
        assert_eq!(platform(&[of(told.clone())]), Some(json!("Lambda")));
        assert!(unseen(&[of(told)], "Group").is_empty());
        let unknown = [of(json!({"ApplicationName": "far"}))];
        assert_eq!(unseen(&unknown, "Group"), [("ComputePlatform".to_owned(), 'e')]);
    }

    #[test]
    fn an_application_of_that_name_in_another_region_is_another_one() {
        let mut far = raw(APPLICATION, "Far", json!({"ApplicationName": "web", "ComputePlatform": "Lambda"}));
        far.place = crate::template::Place::new("111122223333".parse().ok(), "us-east-1".parse().ok());
        let near = raw(APPLICATION, "Near", json!({"ApplicationName": "web", "ComputePlatform": "ECS"}));
        let all = [far, near, raw(GROUP, "Group", json!({"ApplicationName": "web"}))];
        assert_eq!(properties(&all, "Group")["ComputePlatform"], "ECS");
    }

    #[test]
    fn a_configuration_keeps_its_steps() {
        let routing =
            json!({"Type": "TimeBasedCanary", "TimeBasedCanary": {"CanaryPercentage": "10", "CanaryInterval": 5}});
        let found = properties(
            &[raw(
                "AWS::CodeDeploy::DeploymentConfig",
                "Careful",
                json!({"ComputePlatform": "Lambda", "TrafficRoutingConfig": routing, "ZonalConfig": {}}),
            )],
            "Careful",
        );
        assert_eq!(
            Value::Object(found),
            json!({"DeploymentConfigName": "Careful", "ComputePlatform": "Lambda",
                   "TrafficRoutingConfig": {"Type": "TimeBasedCanary", "TimeBasedCanary": {"CanaryPercentage": 10, "CanaryInterval": 5}}})
        );
    }
}
