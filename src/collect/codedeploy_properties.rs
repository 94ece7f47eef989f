//! What CodeDeploy answers → CloudFormation's properties.
//!
//! In: SDK structures of applications, deployment groups and deployment configurations. Out: properties as in
//! `docs/resources.md`.

use aws_sdk_codedeploy::types::{
    AlarmConfiguration, ApplicationInfo, BlueGreenDeploymentConfiguration, DeploymentConfigInfo, DeploymentGroupInfo,
    LoadBalancerInfo, RevisionLocation, TrafficRoutingConfig,
};
use serde_json::Value;

use super::fields::Fields;
use crate::inventory::Properties;

pub(super) fn application_properties(name: &str, info: &ApplicationInfo) -> Properties {
    let fields = Fields::new().text("ApplicationName", Some(name));
    fields.text("ComputePlatform", info.compute_platform()).properties()
}

pub(super) fn group_properties(application: &str, name: &str, info: &DeploymentGroupInfo) -> Properties {
    let rollback = info.auto_rollback_configuration().map(|rollback| {
        Fields::new().put("Enabled", Some(rollback.enabled())).texts("Events", rollback.events()).value()
    });
    let style = info.deployment_style().map(|style| {
        let fields = Fields::new().text("DeploymentType", style.deployment_type());
        fields.text("DeploymentOption", style.deployment_option()).value()
    });
    let revision = info.target_revision().map(|target| Fields::new().put("Revision", Some(revision(target))).value());
    Fields::new()
        .text("ApplicationName", Some(application))
        .text("DeploymentGroupName", Some(name))
        .text("ComputePlatform", info.compute_platform())
        .text("ServiceRoleArn", info.service_role_arn())
        .text("DeploymentConfigName", info.deployment_config_name())
        .put("AutoRollbackConfiguration", rollback)
        .put("AlarmConfiguration", info.alarm_configuration().map(alarms))
        .put("DeploymentStyle", style)
        .put("BlueGreenDeploymentConfiguration", info.blue_green_deployment_configuration().map(blue_green))
        .list("TriggerConfigurations", info.trigger_configurations(), |trigger| {
            Fields::new()
                .text("TriggerName", trigger.trigger_name())
                .text("TriggerTargetArn", trigger.trigger_target_arn())
                .texts("TriggerEvents", trigger.trigger_events())
                .value()
        })
        .text("OutdatedInstancesStrategy", info.outdated_instances_strategy())
        .list("ECSServices", info.ecs_services(), |service| {
            let fields = Fields::new().text("ClusterName", service.cluster_name());
            fields.text("ServiceName", service.service_name()).value()
        })
        .put("Deployment", revision)
        .put("LoadBalancerInfo", info.load_balancer_info().and_then(load_balancer))
        .properties()
}

pub(super) fn config_properties(name: &str, info: &DeploymentConfigInfo) -> Properties {
    let healthy = info
        .minimum_healthy_hosts()
        .map(|hosts| Fields::new().text("Type", hosts.r#type()).put("Value", Some(hosts.value())).value());
    Fields::new()
        .text("DeploymentConfigName", Some(name))
        .text("ComputePlatform", info.compute_platform())
        .put("MinimumHealthyHosts", healthy)
        .put("TrafficRoutingConfig", info.traffic_routing_config().map(traffic))
        .properties()
}

fn alarms(alarms: &AlarmConfiguration) -> Value {
    Fields::new()
        .put("Enabled", Some(alarms.enabled()))
        .put("IgnorePollAlarmFailure", Some(alarms.ignore_poll_alarm_failure()))
        .list("Alarms", alarms.alarms(), |alarm| Fields::new().text("Name", alarm.name()).value())
        .value()
}

fn blue_green(settings: &BlueGreenDeploymentConfiguration) -> Value {
    let terminate = settings.terminate_blue_instances_on_deployment_success().map(|option| {
        let wait = option.termination_wait_time_in_minutes();
        let fields = Fields::new().text("Action", option.action());
        fields.put("TerminationWaitTimeInMinutes", Some(wait)).value()
    });
    let ready = settings.deployment_ready_option().map(|option| {
        let fields = Fields::new().text("ActionOnTimeout", option.action_on_timeout());
        fields.put("WaitTimeInMinutes", Some(option.wait_time_in_minutes())).value()
    });
    let green =
        settings.green_fleet_provisioning_option().map(|option| Fields::new().text("Action", option.action()).value());
    Fields::new()
        .put("TerminateBlueInstancesOnDeploymentSuccess", terminate)
        .put("DeploymentReadyOption", ready)
        .put("GreenFleetProvisioningOption", green)
        .value()
}

/// Only the pairs of target groups: their listeners say whether new tasks can be tried before traffic moves.
fn load_balancer(balancer: &LoadBalancerInfo) -> Option<Value> {
    let fields = Fields::new().list("TargetGroupPairInfoList", balancer.target_group_pair_info_list(), |pair| {
        let route = |route: &aws_sdk_codedeploy::types::TrafficRoute| {
            Fields::new().texts("ListenerArns", route.listener_arns()).value()
        };
        let fields = Fields::new().put("ProdTrafficRoute", pair.prod_traffic_route().map(route));
        fields.put("TestTrafficRoute", pair.test_traffic_route().map(route)).value()
    });
    fields.unless_empty()
}

fn revision(revision: &RevisionLocation) -> Value {
    let s3 = revision.s3_location().map(|location| {
        Fields::new()
            .text("Bucket", location.bucket())
            .text("Key", location.key())
            .text("ETag", location.e_tag())
            .text("Version", location.version())
            .value()
    });
    let github = revision.git_hub_location().map(|location| {
        Fields::new().text("Repository", location.repository()).text("CommitId", location.commit_id()).value()
    });
    Fields::new()
        .text("RevisionType", revision.revision_type())
        .put("S3Location", s3)
        .put("GitHubLocation", github)
        .value()
}

fn traffic(traffic: &TrafficRoutingConfig) -> Value {
    let canary = traffic.time_based_canary().map(|canary| {
        let fields = Fields::new().put("CanaryPercentage", Some(canary.canary_percentage()));
        fields.put("CanaryInterval", Some(canary.canary_interval())).value()
    });
    let linear = traffic.time_based_linear().map(|linear| {
        let fields = Fields::new().put("LinearPercentage", Some(linear.linear_percentage()));
        fields.put("LinearInterval", Some(linear.linear_interval())).value()
    });
    Fields::new().text("Type", traffic.r#type()).put("TimeBasedCanary", canary).put("TimeBasedLinear", linear).value()
}

#[cfg(test)]
mod tests {
    use aws_sdk_codedeploy::types::{
        Alarm, AutoRollbackConfiguration, AutoRollbackEvent, BlueInstanceTerminationOption, ComputePlatform,
        DeploymentOption, DeploymentStyle, DeploymentType, InstanceAction, MinimumHealthyHosts,
        MinimumHealthyHostsType, RevisionLocationType, S3Location, TargetGroupPairInfo, TimeBasedCanary, TrafficRoute,
        TrafficRoutingType,
    };
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deployment_group() {
        let rollback = AutoRollbackConfiguration::builder().enabled(true);
        let alarm = Alarm::builder().name("errors").build();
        let style = DeploymentStyle::builder().deployment_type(DeploymentType::BlueGreen);
        let terminate = BlueInstanceTerminationOption::builder().action(InstanceAction::Terminate);
        let terminate = terminate.termination_wait_time_in_minutes(60).build();
        let location = S3Location::builder().bucket("artifacts").key("web.zip").e_tag("e").version("v").build();
        let target = RevisionLocation::builder().revision_type(RevisionLocationType::S3).s3_location(location);
        let listener = TrafficRoute::builder().listener_arns("listener").build();
        let pair = TargetGroupPairInfo::builder().test_traffic_route(listener).build();
        let info = DeploymentGroupInfo::builder()
            .compute_platform(ComputePlatform::Ecs)
            .deployment_config_name("CodeDeployDefault.ECSAllAtOnce")
            .auto_rollback_configuration(rollback.events(AutoRollbackEvent::DeploymentFailure).build())
            .alarm_configuration(AlarmConfiguration::builder().enabled(true).alarms(alarm).build())
            .deployment_style(style.deployment_option(DeploymentOption::WithTrafficControl).build())
            .blue_green_deployment_configuration(
                BlueGreenDeploymentConfiguration::builder()
                    .terminate_blue_instances_on_deployment_success(terminate)
                    .build(),
            )
            .target_revision(target.build())
            .load_balancer_info(LoadBalancerInfo::builder().target_group_pair_info_list(pair).build())
            .build();
        assert_eq!(
            Value::Object(group_properties("web", "prod", &info)),
            json!({
                "ApplicationName": "web", "DeploymentGroupName": "prod", "ComputePlatform": "ECS",
                "DeploymentConfigName": "CodeDeployDefault.ECSAllAtOnce",
                "AutoRollbackConfiguration": {"Enabled": true, "Events": ["DEPLOYMENT_FAILURE"]},
                "AlarmConfiguration": {"Enabled": true, "IgnorePollAlarmFailure": false, "Alarms": [{"Name": "errors"}]},
                "DeploymentStyle": {"DeploymentType": "BLUE_GREEN", "DeploymentOption": "WITH_TRAFFIC_CONTROL"},
                "BlueGreenDeploymentConfiguration": {"TerminateBlueInstancesOnDeploymentSuccess":
                    {"Action": "TERMINATE", "TerminationWaitTimeInMinutes": 60}},
                "Deployment": {"Revision": {"RevisionType": "S3",
                    "S3Location": {"Bucket": "artifacts", "Key": "web.zip", "ETag": "e", "Version": "v"}}},
                "LoadBalancerInfo": {"TargetGroupPairInfoList": [{"TestTrafficRoute": {"ListenerArns": ["listener"]}}]},
            })
        );
    }

    #[test]
    fn a_deployment_configuration() {
        let canary = TimeBasedCanary::builder().canary_percentage(10).canary_interval(5).build();
        let traffic = TrafficRoutingConfig::builder().r#type(TrafficRoutingType::TimeBasedCanary);
        let hosts = MinimumHealthyHosts::builder().r#type(MinimumHealthyHostsType::FleetPercent).value(66).build();
        let info = DeploymentConfigInfo::builder()
            .compute_platform(ComputePlatform::Lambda)
            .minimum_healthy_hosts(hosts)
            .traffic_routing_config(traffic.time_based_canary(canary).build())
            .build();
        assert_eq!(
            Value::Object(config_properties("Careful", &info)),
            json!({
                "DeploymentConfigName": "Careful", "ComputePlatform": "Lambda",
                "MinimumHealthyHosts": {"Type": "FLEET_PERCENT", "Value": 66},
                "TrafficRoutingConfig": {"Type": "TimeBasedCanary",
                    "TimeBasedCanary": {"CanaryPercentage": 10, "CanaryInterval": 5}},
            })
        );
    }
}
