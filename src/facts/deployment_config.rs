//! `AWS::CodeDeploy::DeploymentConfig` and `AWS::CodeDeploy::Application`: how a group's deployments move.
//!
//! In: configurations of an account, applications, and the names of those that AWS predefines. Out: traffic routing and
//! minimum healthy hosts by name. Neither is judged itself; the groups that use them are.
//!
//! Predefined: <https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html>

use super::joins::{Joins, Place, place};
use super::seen::{Seen, at, name, number, property, text, text_at};
use crate::inventory::{Resource, TypeName};

/// How deployments under a configuration move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConfigurationEntry {
    /// `AllAtOnce`, `TimeBasedCanary`, `TimeBasedLinear`; empty for servers.
    pub(super) traffic_routing: Seen<String>,
    /// Type and value; empty and 0 where no hosts are involved.
    pub(super) minimum_healthy_hosts: Seen<(String, i64)>,
    /// Minutes between two steps of traffic; 0 where traffic does not move step by step.
    pub(super) interval_minutes: Seen<i64>,
}

/// The predefined configurations for servers, with their minimum healthy hosts as the API answers them.
const SERVER: &[(&str, &str, i64)] =
    &[("AllAtOnce", "HOST_COUNT", 0), ("HalfAtATime", "FLEET_PERCENT", 50), ("OneAtATime", "MOST_CONCURRENCY", 1)];

pub(super) fn index(resource: &Resource, joins: &mut Joins) {
    let entry = ConfigurationEntry {
        traffic_routing: traffic_routing(resource),
        minimum_healthy_hosts: minimum_healthy_hosts(resource),
        interval_minutes: interval_minutes(resource),
    };
    let name = name(resource, "DeploymentConfigName").to_owned();
    joins.configurations.entry(place(resource)).or_default().insert(name, entry);
}

pub(super) fn index_application(resource: &Resource, joins: &mut Joins) {
    if let Ok(platform) = text(resource, "ComputePlatform") {
        let name = name(resource, "ApplicationName").to_owned();
        let platform = platform.unwrap_or("Server").to_owned();
        joins.compute_platforms.entry(place(resource)).or_default().insert(name, platform);
    }
}

/// What the configuration of that name does, in a place.
pub(super) fn of_name(name: &str, place: &Place, joins: &Joins) -> Seen<ConfigurationEntry> {
    if let Some(entry) = joins.configurations.get(place).and_then(|here| here.get(name)) {
        return Ok(entry.clone());
    }
    if let Some(entry) = name.strip_prefix("CodeDeployDefault.").and_then(predefined) {
        return Ok(entry);
    }
    let mut sentences = joins.gaps.over(&place.0, Some(&place.1), &TypeName::DEPLOYMENT_CONFIG);
    if sentences.is_empty() {
        sentences.push(format!("deployment configuration {name} was not looked at"));
    }
    Err(sentences)
}

/// AWS writes each predefined configuration's behaviour into its name.
fn predefined(name: &str) -> Option<ConfigurationEntry> {
    if let Some((_, kind, value)) = SERVER.iter().find(|(server, ..)| *server == name) {
        let minimum_healthy_hosts = Ok(((*kind).to_owned(), *value));
        return Some(ConfigurationEntry {
            traffic_routing: Ok(String::new()),
            minimum_healthy_hosts,
            interval_minutes: Ok(0),
        });
    }
    let behaviour = name.strip_prefix("Lambda").or_else(|| name.strip_prefix("ECS"))?;
    let routing = if behaviour == "AllAtOnce" {
        "AllAtOnce"
    } else if behaviour.starts_with("Canary") {
        "TimeBasedCanary"
    } else if behaviour.starts_with("Linear") {
        "TimeBasedLinear"
    } else {
        return None;
    };
    let interval_minutes = Ok(super::rollout::minutes_in_name(behaviour).unwrap_or(0));
    let minimum_healthy_hosts = Ok((String::new(), 0));
    Some(ConfigurationEntry { traffic_routing: Ok(routing.to_owned()), minimum_healthy_hosts, interval_minutes })
}

fn interval_minutes(resource: &Resource) -> Seen<i64> {
    let routing = property(resource, "TrafficRoutingConfig")?;
    let canary = at(routing, &["TimeBasedCanary", "CanaryInterval"]);
    let linear = at(routing, &["TimeBasedLinear", "LinearInterval"]);
    Ok(canary.or(linear).and_then(number).unwrap_or(0))
}

fn traffic_routing(resource: &Resource) -> Seen<String> {
    let declared = text_at(property(resource, "TrafficRoutingConfig")?, &["Type"]);
    let platform = text(resource, "ComputePlatform")?.unwrap_or("Server");
    // Without a routing of its own, a configuration for Lambda or ECS shifts everything at once.
    Ok(if declared.is_empty() && platform != "Server" { "AllAtOnce" } else { declared }.to_owned())
}

fn minimum_healthy_hosts(resource: &Resource) -> Seen<(String, i64)> {
    let hosts = property(resource, "MinimumHealthyHosts")?;
    Ok((text_at(hosts, &["Type"]).to_owned(), at(hosts, &["Value"]).and_then(number).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::*;

    fn here() -> Place {
        (account(), region())
    }

    #[test]
    fn predefined_configurations_are_known_by_name() {
        let joins = joins(&[], &[]);
        for (name, routing, value) in [
            ("CodeDeployDefault.AllAtOnce", "", 0),
            ("CodeDeployDefault.HalfAtATime", "", 50),
            ("CodeDeployDefault.OneAtATime", "", 1),
            ("CodeDeployDefault.LambdaAllAtOnce", "AllAtOnce", 0),
            ("CodeDeployDefault.LambdaCanary10Percent5Minutes", "TimeBasedCanary", 0),
            ("CodeDeployDefault.LambdaLinear10PercentEvery1Minute", "TimeBasedLinear", 0),
            ("CodeDeployDefault.ECSAllAtOnce", "AllAtOnce", 0),
            ("CodeDeployDefault.ECSCanary10Percent15Minutes", "TimeBasedCanary", 0),
            ("CodeDeployDefault.ECSLinear10PercentEvery3Minutes", "TimeBasedLinear", 0),
        ] {
            let entry = of_name(name, &here(), &joins).unwrap();
            assert_eq!(
                (entry.traffic_routing.unwrap().as_str(), entry.minimum_healthy_hosts.unwrap().1),
                (routing, value),
                "{name}"
            );
        }
        assert!(of_name("CodeDeployDefault.Sideways", &here(), &joins).is_err());
    }

    #[test]
    fn an_own_configuration_is_looked_up_or_unknown() {
        let mut own = resource(
            TypeName::DEPLOYMENT_CONFIG,
            "own",
            json!({"DeploymentConfigName": "own", "ComputePlatform": "Server", "MinimumHealthyHosts": {"Type": "HOST_COUNT", "Value": "2"}}),
        );
        let known = of_name("own", &here(), &joins(std::slice::from_ref(&own), &[])).unwrap();
        assert_eq!(known.minimum_healthy_hosts, Ok(("HOST_COUNT".to_owned(), 2)));
        assert_eq!(
            of_name("own", &here(), &joins(&[], &[])),
            Err(vec!["deployment configuration own was not looked at".to_owned()])
        );
        let gap = denied_types("codedeploy:GetDeploymentConfig", &[TypeName::DEPLOYMENT_CONFIG]);
        assert_eq!(of_name("own", &here(), &joins(&[], std::slice::from_ref(&gap))), Err(vec![gap.sentence()]));
        own.properties.remove("MinimumHealthyHosts");
        own.unseen.insert("MinimumHealthyHosts".to_owned(), denied("codedeploy:GetDeploymentConfig"));
        assert!(of_name("own", &here(), &joins(&[own], &[])).unwrap().minimum_healthy_hosts.is_err());
    }
}
