//! How soon a bad rollout is noticed, and how it comes back.
//!
//! In: a deployment group with its configuration, the alarms that it watches and the bucket of its revision. Out: the
//! facts about time: how long traffic waits, which alarms are slower than that, and what stands in the way back.

use std::collections::BTreeSet;

use super::deployment_config::ConfigurationEntry;
use super::joins::{Joins, Place, place};
use super::seen::{Found, Seen, at, flag, list_at, number, property, text_at};
use super::{Facts, words};
use crate::inventory::{Resource, TypeName};

/// How long an alarm takes from the first bad minute to its state `ALARM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Evaluation {
    /// Its period, as often as it looks.
    Seconds(i64),
    /// As long as the slowest of these alarms of the same place.
    Of(BTreeSet<String>),
}

/// How deep composite alarms may stand on each other before it is taken for a circle.
const DEPTH: usize = 8;

/// How long the alarm takes.
pub(super) fn evaluation(resource: &Resource) -> Seen<Evaluation> {
    if resource.type_name == TypeName::COMPOSITE_ALARM {
        let children = list_at(property(resource, "AlarmsInRule")?, &[]).iter();
        let children = children.filter_map(|name| name.as_str().map(str::to_owned)).collect();
        return Ok(Evaluation::Of(children));
    }
    let own = property(resource, "Period")?.and_then(number);
    let metrics = list_at(property(resource, "Metrics")?, &[]).iter();
    // An alarm on an expression has the periods of what it is made of.
    let periods = metrics.filter_map(|query| {
        let own = at(Some(query), &["Period"]);
        own.or_else(|| at(Some(query), &["MetricStat", "Period"])).and_then(number)
    });
    let period = own.or_else(|| periods.max());
    let times = property(resource, "EvaluationPeriods")?.and_then(number);
    match (period, times) {
        (Some(period), Some(times)) => Ok(Evaluation::Seconds(period.saturating_mul(times))),
        _ => Err(vec![format!("alarm {}: its period or how often it is evaluated was not answered", resource.uid)]),
    }
}

/// Adds the facts about the time of a rollout.
pub(super) fn put(
    facts: &mut Facts,
    resource: &Resource,
    platform: &Seen<String>,
    configuration: &Seen<ConfigurationEntry>,
    joins: &Joins,
) {
    let interval = configuration.clone().and_then(|entry| entry.interval_minutes);
    let slow = interval.clone().and_then(|minutes| slow_alarms(resource, minutes, joins).decided());
    facts.put("slowAlarms", slow);
    facts.put("trafficIntervalMinutes", interval);
    facts.put("rollbackObstacles", obstacles(resource, platform, configuration, joins).decided());
}

/// The alarms that may fire only after traffic has moved on, each with its time. One that does not exist never fires.
fn slow_alarms(resource: &Resource, minutes: i64, joins: &Joins) -> Found {
    let mut slow = Found::default();
    if minutes == 0 {
        return slow;
    }
    let configuration = match property(resource, "AlarmConfiguration") {
        Ok(configuration) => configuration,
        Err(sentences) => {
            slow.doubt(&sentences);
            return slow;
        }
    };
    let enabled = at(configuration, &["Enabled"]).and_then(flag).unwrap_or(false);
    if !enabled {
        return slow;
    }
    for alarm in list_at(configuration, &["Alarms"]) {
        let name = text_at(Some(alarm), &["Name"]);
        match seconds(name, &place(resource), joins, DEPTH) {
            Ok(None) => slow.add(format!("{name} (does not exist)")),
            Ok(Some(seconds)) if seconds > minutes.saturating_mul(60) => {
                slow.add(format!("{name} ({seconds} seconds)"));
            }
            Ok(Some(_)) => {}
            Err(sentences) => slow.doubt(&sentences),
        }
    }
    slow
}

/// How long the alarm of that name takes; `None` if it does not exist.
fn seconds(name: &str, place: &Place, joins: &Joins, depth: usize) -> Seen<Option<i64>> {
    let Some(alarm) = joins.alarms.get(place).and_then(|alarms| alarms.get(name)) else {
        let mut gaps = joins.gaps.over(&place.0, Some(&place.1), &TypeName::ALARM);
        gaps.extend(joins.gaps.over(&place.0, Some(&place.1), &TypeName::COMPOSITE_ALARM));
        return if gaps.is_empty() { Ok(None) } else { Err(gaps) };
    };
    let children = match alarm.evaluation.clone()? {
        Evaluation::Seconds(seconds) => return Ok(Some(seconds)),
        Evaluation::Of(children) => children,
    };
    let Some(depth) = depth.checked_sub(1).filter(|_| !children.is_empty()) else {
        return Err(vec![format!("alarm {name}: its rule names no alarm that says how long it takes")]);
    };
    let mut slowest = 0;
    for child in &children {
        match seconds(child, place, joins, depth)? {
            Some(seconds) => slowest = slowest.max(seconds),
            None => return Ok(None),
        }
    }
    Ok(Some(slowest))
}

/// What keeps a group from going back at once, each as a sentence's end.
fn obstacles(
    resource: &Resource,
    platform: &Seen<String>,
    configuration: &Seen<ConfigurationEntry>,
    joins: &Joins,
) -> Found {
    let mut found = Found::default();
    let platform = match platform {
        Ok(platform) => platform.as_str(),
        Err(sentences) => {
            found.doubt(sentences);
            return found;
        }
    };
    if platform != "Server" {
        let routing = configuration.clone().and_then(|entry| entry.traffic_routing);
        found.add_if("traffic moves all at once", &routing.map(|routing| routing == "AllAtOnce"));
        return found;
    }
    let hosts = configuration.clone().and_then(|entry| entry.minimum_healthy_hosts);
    found.add_if("no host has to stay healthy", &hosts.map(|(_, value)| value == 0));
    let style = property(resource, "DeploymentStyle").map(|style| text_at(style, &["DeploymentType"]) != "BLUE_GREEN");
    found.add_if("it deploys in place, so that going back is a deployment of its own", &style);
    match property(resource, "Deployment") {
        Ok(deployment) => {
            let bucket = text_at(deployment, &["Revision", "S3Location", "Bucket"]);
            if !bucket.is_empty() {
                let versioned = match joins.buckets.get(bucket) {
                    Some(entry) => entry.versioned.clone(),
                    None => Err(vec![format!("bucket {bucket} was not looked at")]),
                };
                found.add_if(
                    format!("bucket {bucket} keeps no earlier revision"),
                    &versioned.map(|versioned| !versioned),
                );
            }
        }
        Err(sentences) => found.doubt(&sentences),
    }
    found
}

/// Minutes between two steps, as AWS writes them into the names of its own configurations:
/// `Canary10Percent5Minutes`, `Linear10PercentEvery1Minute`.
pub(super) fn minutes_in_name(behaviour: &str) -> Option<i64> {
    let (_, interval) = behaviour.split_once("Percent")?;
    words::words(interval).into_iter().find_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::*;
    use super::super::{DeploymentGroup, Fact, ResourceKind};
    use super::*;

    fn group(platform: &str, configuration: &str, alarms: &[&str], extra: &Value) -> Resource {
        let alarms: Vec<Value> = alarms.iter().map(|name| json!({"Name": name})).collect();
        let mut properties = json!({
            "ApplicationName": "web", "DeploymentGroupName": "fleet", "ComputePlatform": platform,
            "DeploymentConfigName": configuration, "AlarmConfiguration": {"Enabled": true, "Alarms": alarms},
        });
        properties.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        resource(TypeName::DEPLOYMENT_GROUP, "web/fleet", properties)
    }

    fn alarm(name: &str, period: i64, times: i64) -> Resource {
        let properties = json!({"AlarmName": name, "StateValue": "OK", "StateUpdatedTimestamp": "2026-11-20T00:00:00Z",
            "Period": period, "EvaluationPeriods": times});
        resource(TypeName::ALARM, name, properties)
    }

    fn composite(name: &str, children: &[&str]) -> Resource {
        let properties = json!({"AlarmName": name, "StateValue": "OK", "AlarmsInRule": children,
            "StateUpdatedTimestamp": "2026-11-20T00:00:00Z"});
        resource(TypeName::COMPOSITE_ALARM, name, properties)
    }

    fn slow(names: &[&str], alarms: &[Resource]) -> Result<Vec<String>, String> {
        let group = group("Lambda", "CodeDeployDefault.LambdaCanary10Percent5Minutes", names, &json!({}));
        let facts = DeploymentGroup.facts(&group, &joins(alarms, &[]));
        match facts.known.get("slowAlarms") {
            Some(Fact::Set(set)) => Ok(set.iter().cloned().collect()),
            _ => Err(facts.unknown["slowAlarms"].join("")),
        }
    }

    #[test]
    fn an_alarm_must_be_through_before_traffic_moves_on() {
        assert_eq!(slow(&["a"], &[alarm("a", 60, 5)]), Ok(vec![]));
        assert_eq!(slow(&["a"], &[alarm("a", 60, 6)]), Ok(vec!["a (360 seconds)".to_owned()]));
        assert_eq!(slow(&["a"], &[]), Ok(vec!["a (does not exist)".to_owned()]));
        let mut bare = alarm("a", 60, 1);
        bare.properties.remove("Period");
        assert!(slow(&["a"], &[bare.clone()]).unwrap_err().contains("period"));
        bare.properties.insert("Metrics".to_owned(), json!([{"MetricStat": {"Period": 60}}, {"Period": 600}]));
        assert_eq!(slow(&["a"], &[bare]), Ok(vec!["a (600 seconds)".to_owned()]));
    }

    #[test]
    fn a_composite_alarm_is_as_slow_as_what_it_stands_on() {
        let both = composite("both", &["a", "b"]);
        assert_eq!(slow(&["both"], &[both.clone(), alarm("a", 60, 1), alarm("b", 60, 3)]), Ok(vec![]));
        let found = slow(&["both"], &[both.clone(), alarm("a", 60, 1), alarm("b", 300, 3)]);
        assert_eq!(found, Ok(vec!["both (900 seconds)".to_owned()]));
        assert_eq!(slow(&["both"], &[both, alarm("a", 60, 1)]), Ok(vec!["both (does not exist)".to_owned()]));
        assert!(slow(&["round"], &[composite("round", &["round"])]).is_err());
        assert!(slow(&["none"], &[composite("none", &[])]).is_err());
    }

    #[test]
    fn intervals_of_configurations() {
        for (name, minutes) in [
            ("CodeDeployDefault.LambdaCanary10Percent5Minutes", 5),
            ("CodeDeployDefault.LambdaLinear10PercentEvery1Minute", 1),
            ("CodeDeployDefault.LambdaAllAtOnce", 0),
        ] {
            let facts = DeploymentGroup.facts(&group("Lambda", name, &[], &json!({})), &joins(&[], &[]));
            assert_eq!(facts.known["trafficIntervalMinutes"], Fact::Long(minutes), "{name}");
        }
        let own = resource(
            TypeName::DEPLOYMENT_CONFIG,
            "own",
            json!({"DeploymentConfigName": "own", "ComputePlatform": "ECS",
                "TrafficRoutingConfig": {"Type": "TimeBasedLinear", "TimeBasedLinear": {"LinearInterval": 7}}}),
        );
        let facts = DeploymentGroup.facts(&group("ECS", "own", &[], &json!({})), &joins(&[own], &[]));
        assert_eq!(facts.known["trafficIntervalMinutes"], Fact::Long(7));
    }

    #[test]
    fn what_stands_in_the_way_back() {
        let obstacles = |group: &Resource, others: &[Resource]| {
            let facts = DeploymentGroup.facts(group, &joins(others, &[]));
            match facts.known.get("rollbackObstacles") {
                Some(Fact::Set(set)) => Ok(set.len()),
                _ => Err(facts.unknown["rollbackObstacles"].join("")),
            }
        };
        assert_eq!(obstacles(&group("Lambda", "CodeDeployDefault.LambdaAllAtOnce", &[], &json!({})), &[]), Ok(1));
        assert_eq!(
            obstacles(&group("ECS", "CodeDeployDefault.ECSCanary10Percent5Minutes", &[], &json!({})), &[]),
            Ok(0)
        );
        let in_place = group("Server", "CodeDeployDefault.AllAtOnce", &[], &json!({}));
        assert_eq!(obstacles(&in_place, &[]), Ok(2));
        let revision = json!({"DeploymentStyle": {"DeploymentType": "BLUE_GREEN"},
            "Deployment": {"Revision": {"S3Location": {"Bucket": "b", "Key": "k"}}}});
        let green = group("Server", "CodeDeployDefault.OneAtATime", &[], &revision);
        let bucket = |status: &str| {
            resource(TypeName::BUCKET, "b", json!({"BucketName": "b", "VersioningConfiguration": {"Status": status}}))
        };
        assert_eq!(obstacles(&green, &[bucket("Enabled")]), Ok(0));
        assert_eq!(obstacles(&green, &[bucket("Suspended")]), Ok(1));
        assert_eq!(obstacles(&green, &[]), Err("bucket b was not looked at".to_owned()));
    }
}
