//! `CodeDeploy`.

use serde_json::{Map, Value, json};

use super::super::estate::{
    AlarmName, AlarmSpec, Blue, CONFIGS, Config, Fleet, GroupSpec, Notification, Platform, Ready, Rollback,
    RolloutSpec, application_count, application_name, number_in, platform,
};
use super::super::protocol::{ApiError, timestamp};
use super::super::world::mix;
use super::pages::{page, with_token};
use super::{Answer, Call, Operation, Service, days_ago};

pub(super) const SERVICE: Service = Service {
    prefix: "codedeploy",
    target: "CodeDeploy_20141006",
    operations: &[
        Operation { name: "ListApplications", action: "codedeploy:ListApplications", answer: list_applications },
        Operation {
            name: "BatchGetApplications",
            action: "codedeploy:BatchGetApplications",
            answer: batch_get_applications,
        },
        Operation { name: "GetApplication", action: "codedeploy:GetApplication", answer: get_application },
        Operation {
            name: "ListDeploymentGroups",
            action: "codedeploy:ListDeploymentGroups",
            answer: list_deployment_groups,
        },
        Operation {
            name: "BatchGetDeploymentGroups",
            action: "codedeploy:BatchGetDeploymentGroups",
            answer: batch_get_deployment_groups,
        },
        Operation { name: "GetDeploymentGroup", action: "codedeploy:GetDeploymentGroup", answer: get_deployment_group },
        Operation {
            name: "GetDeploymentConfig",
            action: "codedeploy:GetDeploymentConfig",
            answer: get_deployment_config,
        },
        Operation { name: "ListTagsForResource", action: "codedeploy:ListTagsForResource", answer: list_tags },
        Operation {
            name: "ListDeployments",
            action: "codedeploy:ListDeployments",
            answer: super::deployments::list_deployments,
        },
        Operation {
            name: "BatchGetDeployments",
            action: "codedeploy:BatchGetDeployments",
            answer: super::deployments::batch_get_deployments,
        },
        Operation {
            name: "GetDeployment",
            action: "codedeploy:GetDeployment",
            answer: super::deployments::get_deployment,
        },
    ],
};

pub(super) const BAD_TOKEN: &str = "InvalidNextTokenException";

pub(super) fn platform_name(platform: Platform) -> &'static str {
    match platform {
        Platform::Server => "Server",
        Platform::Lambda => "Lambda",
        Platform::Ecs => "ECS",
    }
}

fn count(call: &Call<'_>) -> usize {
    call.region.map_or(0, |region| application_count(call.world, call.account, region))
}

/// Region and number of an application.
fn application(call: &Call<'_>, name: &str) -> Result<(usize, usize), ApiError> {
    let number = number_in(call.account, "app", name, count(call));
    call.region.zip(number).ok_or_else(|| {
        ApiError::new(400, "ApplicationDoesNotExistException", format!("No application found for name: {name}"))
    })
}

fn application_info(call: &Call<'_>, region: usize, number: usize) -> Value {
    json!({
        "applicationId": identifier(call, "application", region, number),
        "applicationName": application_name(call.account, number),
        "createTime": timestamp(days_ago(call.world, 500, number)), "linkedToGitHub": false,
        "computePlatform": platform_name(platform(call.world, call.account, region, number))
    })
}

fn identifier(call: &Call<'_>, kind: &str, region: usize, number: usize) -> String {
    let place = ((call.account as u64) << 16) | region as u64;
    let value = mix(call.world.options.seed, place, kind.len() as u64, number as u64);
    format!("{:08x}-{:04x}-4000-8000-{:012x}", value >> 32, value & 0xffff, value & 0xffff_ffff_ffff)
}

fn list_applications(call: &Call<'_>) -> Answer {
    let (range, next) = page(count(call), call.text("nextToken"), None, 100, BAD_TOKEN)?;
    let names: Vec<String> = range.map(|number| application_name(call.account, number)).collect();
    Ok(with_token(json!({ "applications": names }), "nextToken", next))
}

fn batch_get_applications(call: &Call<'_>) -> Answer {
    let names = call.texts("applicationNames");
    if names.len() > 100 {
        return Err(batch_limit());
    }
    let found: Result<Vec<Value>, ApiError> = names
        .into_iter()
        .map(|name| application(call, name).map(|(region, number)| application_info(call, region, number)))
        .collect();
    Ok(json!({ "applicationsInfo": found? }))
}

fn batch_limit() -> ApiError {
    ApiError::new(
        400,
        "BatchLimitExceededException",
        "The number of elements in the batch is limited to 100".to_owned(),
    )
}

fn get_application(call: &Call<'_>) -> Answer {
    let (region, number) = application(call, call.required("applicationName")?)?;
    Ok(json!({ "application": application_info(call, region, number) }))
}

fn list_deployment_groups(call: &Call<'_>) -> Answer {
    let name = call.required("applicationName")?;
    let (region, number) = application(call, name)?;
    let names: Vec<String> =
        GroupSpec::of(call.world, call.account, region, number).map(|group| group.name()).collect();
    let (range, next) = page(names.len(), call.text("nextToken"), None, 100, BAD_TOKEN)?;
    let listed = names.get(range).unwrap_or_default();
    Ok(with_token(json!({ "applicationName": name, "deploymentGroups": listed }), "nextToken", next))
}

fn group(call: &Call<'_>, name: &str) -> Result<GroupSpec, ApiError> {
    let (region, number) = application(call, call.required("applicationName")?)?;
    GroupSpec::of(call.world, call.account, region, number).find(|group| group.name() == name).ok_or_else(|| {
        let message = format!("No Deployment Group found for name: {name}");
        ApiError::new(400, "DeploymentGroupDoesNotExistException", message)
    })
}

fn batch_get_deployment_groups(call: &Call<'_>) -> Answer {
    let names = call.texts("deploymentGroupNames");
    if names.len() > 100 {
        return Err(batch_limit());
    }
    let found: Result<Vec<Value>, ApiError> =
        names.into_iter().map(|name| group(call, name).map(|group| group_info(call, &group))).collect();
    Ok(json!({ "deploymentGroupsInfo": found? }))
}

fn get_deployment_group(call: &Call<'_>) -> Answer {
    let group = group(call, call.required("deploymentGroupName")?)?;
    Ok(json!({ "deploymentGroupInfo": group_info(call, &group) }))
}

fn group_info(call: &Call<'_>, group: &GroupSpec) -> Value {
    let mut info = Map::new();
    let mut put = |name: &str, value: Value| {
        info.insert(name.to_owned(), value);
    };
    put("applicationName", json!(application_name(group.account, group.application())));
    put("deploymentGroupId", json!(identifier(call, "group", group.region, group.number)));
    put("deploymentGroupName", json!(group.name()));
    put("deploymentConfigName", json!(group.config.name));
    put("serviceRoleArn", json!(call.world.role_arn(group.account, "CodeDeployService")));
    put("computePlatform", json!(platform_name(group.platform)));
    put("alarmConfiguration", alarms(group));
    put("autoRollbackConfiguration", rollback(group.rollback));
    put("triggerConfigurations", triggers(call, group));
    let blue = group.blue != Blue::InPlace;
    let style = if blue {
        json!({ "deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL" })
    } else {
        json!({ "deploymentType": "IN_PLACE", "deploymentOption": "WITHOUT_TRAFFIC_CONTROL" })
    };
    put("deploymentStyle", style);
    let rollout = RolloutSpec::of(call.world, group);
    if let Some(fleet) = blue_green(group, rollout.ready) {
        put("blueGreenDeploymentConfiguration", fleet);
    }
    match group.platform {
        Platform::Server => {
            put("autoScalingGroups", json!([{ "name": format!("{}-asg", group.name()), "hook": "codedeploy" }]));
            match group.outdated {
                Fleet::Unset => {}
                Fleet::Update => put("outdatedInstancesStrategy", json!("UPDATE")),
                Fleet::Ignore => put("outdatedInstancesStrategy", json!("IGNORE")),
            }
        }
        Platform::Ecs => {
            put("ecsServices", json!([{ "clusterName": "services", "serviceName": group.name() }]));
            put("loadBalancerInfo", json!({ "targetGroupPairInfoList": [target_groups(call, group, rollout.ready)] }));
        }
        Platform::Lambda => {}
    }
    if let Some(bucket) = group.revision {
        let mut location = json!({
            "bucket": bucket.name(call.world), "key": format!("{}/revision.zip", group.name()), "bundleType": "zip"
        });
        if let (true, Some(fields)) = (rollout.pinned, location.as_object_mut()) {
            fields.insert("version".to_owned(), json!("3sL4kqtJlcpXroDTDmJ"));
            fields.insert("eTag".to_owned(), json!("9b2cf535f27731c974343645a3985328"));
        }
        put("targetRevision", json!({ "revisionType": "S3", "s3Location": location }));
    }
    Value::Object(info)
}

fn alarms(group: &GroupSpec) -> Value {
    let names: Vec<Value> = group
        .alarms
        .iter()
        .map(|alarm| match alarm {
            AlarmName::Slot(slot) => json!({ "name": AlarmSpec::new(*slot).name() }),
            AlarmName::Ghost => json!({ "name": "vanished-alarm" }),
        })
        .collect();
    json!({ "enabled": group.alarms_enabled, "ignorePollAlarmFailure": group.ignore_polling, "alarms": names })
}

pub(super) fn rollback(rollback: Rollback) -> Value {
    let failure = "DEPLOYMENT_FAILURE";
    let alarm = "DEPLOYMENT_STOP_ON_ALARM";
    match rollback {
        Rollback::Off => json!({ "enabled": false, "events": [] }),
        Rollback::ListedOnly => json!({ "enabled": false, "events": [failure, alarm] }),
        Rollback::Failure => json!({ "enabled": true, "events": [failure] }),
        Rollback::Alarm => json!({ "enabled": true, "events": [alarm] }),
        Rollback::Both => json!({ "enabled": true, "events": [failure, alarm] }),
    }
}

fn triggers(call: &Call<'_>, group: &GroupSpec) -> Value {
    let events = match group.notification {
        Notification::Missing => return json!([]),
        Notification::SuccessOnly => json!(["DeploymentSuccess"]),
        Notification::Failure => json!(["DeploymentFailure", "DeploymentRollback"]),
    };
    let topic = super::super::estate::trigger_topic(call.world, group.account, group.region, group.number);
    json!([{ "triggerName": "notify", "triggerTargetArn": topic, "triggerEvents": events }])
}

/// The pair of target groups that traffic of an ECS service moves between.
fn target_groups(call: &Call<'_>, group: &GroupSpec, ready: Ready) -> Value {
    let listener = |name: &str| {
        let arn = call.world.arn("elasticloadbalancing", group.region, group.account, &format!("listener/app/{name}"));
        json!({ "listenerArns": [arn] })
    };
    let mut pair =
        json!({ "targetGroups": [{ "name": "blue" }, { "name": "green" }], "prodTrafficRoute": listener("main") });
    if let (Ready::TestListener, Some(fields)) = (ready, pair.as_object_mut()) {
        fields.insert("testTrafficRoute".to_owned(), listener("test"));
    }
    pair
}

fn blue_green(group: &GroupSpec, ready: Ready) -> Option<Value> {
    let termination = match group.blue {
        Blue::InPlace | Blue::NoFleet => return None,
        Blue::Terminate { minutes } => json!({ "action": "TERMINATE", "terminationWaitTimeInMinutes": minutes }),
        Blue::KeepAlive => json!({ "action": "KEEP_ALIVE" }),
    };
    let waiting = match ready {
        Ready::Waits => json!({ "actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": 60 }),
        Ready::GoesOn | Ready::TestListener => {
            json!({ "actionOnTimeout": "CONTINUE_DEPLOYMENT", "waitTimeInMinutes": 0 })
        }
    };
    let mut fleet = json!({
        "terminateBlueInstancesOnDeploymentSuccess": termination, "deploymentReadyOption": waiting
    });
    if let (Platform::Server, Some(fields)) = (group.platform, fleet.as_object_mut()) {
        fields.insert("greenFleetProvisioningOption".to_owned(), json!({ "action": "COPY_AUTO_SCALING_GROUP" }));
    }
    Some(fleet)
}

fn get_deployment_config(call: &Call<'_>) -> Answer {
    let name = call.required("deploymentConfigName")?;
    let config = CONFIGS.iter().find(|config| config.name == name).ok_or_else(|| {
        let message = format!("No deployment configuration found for name: {name}");
        ApiError::new(400, "DeploymentConfigDoesNotExistException", message)
    })?;
    Ok(json!({ "deploymentConfigInfo": config_info(call, config) }))
}

fn config_info(call: &Call<'_>, config: &Config) -> Value {
    let mut info = json!({
        "deploymentConfigId": identifier(call, "configuration", 0, config.name.len()),
        "deploymentConfigName": config.name, "computePlatform": platform_name(config.platform),
        "createTime": timestamp(days_ago(call.world, 900, 0))
    });
    let Some(fields) = info.as_object_mut() else { return info };
    if let Some((kind, value)) = config.healthy_hosts {
        fields.insert("minimumHealthyHosts".to_owned(), json!({ "type": kind, "value": value }));
    }
    if let Some((kind, percentage, minutes)) = config.traffic {
        let routing = match kind {
            "TimeBasedCanary" => json!({
                "type": kind, "timeBasedCanary": { "canaryPercentage": percentage, "canaryInterval": minutes }
            }),
            "TimeBasedLinear" => json!({
                "type": kind, "timeBasedLinear": { "linearPercentage": percentage, "linearInterval": minutes }
            }),
            _ => json!({ "type": kind }),
        };
        fields.insert("trafficRoutingConfig".to_owned(), routing);
    }
    info
}

fn list_tags(call: &Call<'_>) -> Answer {
    let arn = call.required("ResourceArn")?;
    let region = call.region.unwrap_or_default();
    let group = GroupSpec::all(call.world, call.account, region).find(|group| group.arn(call.world) == arn);
    let application = (0..count(call)).any(|number| {
        let resource = format!("application:{}", application_name(call.account, number));
        call.world.arn("codedeploy", region, call.account, &resource) == arn
    });
    if group.is_none() && !application {
        return Err(ApiError::new(400, "ArnNotSupportedException", format!("there is no resource {arn}")));
    }
    let mut tags = vec![json!({ "Key": "team", "Value": "delivery" })];
    if group.is_some_and(|group| group.tagged_production) {
        tags.push(json!({ "Key": "environment", "Value": "prod" }));
    }
    Ok(json!({ "Tags": tags }))
}
