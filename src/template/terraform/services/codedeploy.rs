//! `aws_codedeploy_app`, `aws_codedeploy_deployment_group`, `aws_codedeploy_deployment_config`.

use super::{Kind, kind};
use crate::template::terraform::mapping::{Attribute, many, named, one, same, tags};

const APPLICATION: &[Attribute] = &[
    same("name", "ApplicationName"),
    same("compute_platform", "ComputePlatform"),
    tags("tags", "Tags"),
    tags("tags_all", "Tags"),
];
const ALARMS: &[Attribute] = &[
    same("enabled", "Enabled"),
    same("ignore_poll_alarm_failure", "IgnorePollAlarmFailure"),
    named("alarms", "Alarms"),
];
const ROLLBACK: &[Attribute] = &[same("enabled", "Enabled"), same("events", "Events")];
const STYLE: &[Attribute] = &[same("deployment_option", "DeploymentOption"), same("deployment_type", "DeploymentType")];
const BLUE_GREEN: &[Attribute] = &[
    one(
        "deployment_ready_option",
        "DeploymentReadyOption",
        &[same("action_on_timeout", "ActionOnTimeout"), same("wait_time_in_minutes", "WaitTimeInMinutes")],
    ),
    one("green_fleet_provisioning_option", "GreenFleetProvisioningOption", &[same("action", "Action")]),
    one(
        "terminate_blue_instances_on_deployment_success",
        "TerminateBlueInstancesOnDeploymentSuccess",
        &[same("action", "Action"), same("termination_wait_time_in_minutes", "TerminationWaitTimeInMinutes")],
    ),
];
const ROUTE: &[Attribute] = &[same("listener_arns", "ListenerArns")];
const LOAD_BALANCER: &[Attribute] = &[
    many("elb_info", "ElbInfoList", &[same("name", "Name")]),
    many("target_group_info", "TargetGroupInfoList", &[same("name", "Name")]),
    many(
        "target_group_pair_info",
        "TargetGroupPairInfoList",
        &[
            one("prod_traffic_route", "ProdTrafficRoute", ROUTE),
            one("test_traffic_route", "TestTrafficRoute", ROUTE),
            many("target_group", "TargetGroups", &[same("name", "Name")]),
        ],
    ),
];
const GROUP: &[Attribute] = &[
    same("app_name", "ApplicationName"),
    same("deployment_group_name", "DeploymentGroupName"),
    same("service_role_arn", "ServiceRoleArn"),
    same("deployment_config_name", "DeploymentConfigName"),
    one("alarm_configuration", "AlarmConfiguration", ALARMS),
    one("auto_rollback_configuration", "AutoRollbackConfiguration", ROLLBACK),
    one("deployment_style", "DeploymentStyle", STYLE),
    one("blue_green_deployment_config", "BlueGreenDeploymentConfiguration", BLUE_GREEN),
    many(
        "trigger_configuration",
        "TriggerConfigurations",
        &[
            same("trigger_name", "TriggerName"),
            same("trigger_target_arn", "TriggerTargetArn"),
            same("trigger_events", "TriggerEvents"),
        ],
    ),
    same("outdated_instances_strategy", "OutdatedInstancesStrategy"),
    many("ecs_service", "ECSServices", &[same("cluster_name", "ClusterName"), same("service_name", "ServiceName")]),
    one("load_balancer_info", "LoadBalancerInfo", LOAD_BALANCER),
    same("autoscaling_groups", "AutoScalingGroups"),
    tags("tags", "Tags"),
    tags("tags_all", "Tags"),
];
const CONFIG: &[Attribute] = &[
    same("deployment_config_name", "DeploymentConfigName"),
    same("compute_platform", "ComputePlatform"),
    one("minimum_healthy_hosts", "MinimumHealthyHosts", &[same("type", "Type"), same("value", "Value")]),
    one(
        "traffic_routing_config",
        "TrafficRoutingConfig",
        &[
            same("type", "Type"),
            one(
                "time_based_canary",
                "TimeBasedCanary",
                &[same("interval", "CanaryInterval"), same("percentage", "CanaryPercentage")],
            ),
            one(
                "time_based_linear",
                "TimeBasedLinear",
                &[same("interval", "LinearInterval"), same("percentage", "LinearPercentage")],
            ),
        ],
    ),
];

pub(super) const KINDS: &[Kind] = &[
    kind("aws_codedeploy_app", "AWS::CodeDeploy::Application", "name", APPLICATION),
    kind("aws_codedeploy_deployment_group", "AWS::CodeDeploy::DeploymentGroup", "deployment_group_name", GROUP),
    kind("aws_codedeploy_deployment_config", "AWS::CodeDeploy::DeploymentConfig", "deployment_config_name", CONFIG),
];
