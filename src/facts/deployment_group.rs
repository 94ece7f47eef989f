//! `AWS::CodeDeploy::DeploymentGroup`: how a release reaches its hosts, functions or tasks, and how it comes back.
//!
//! In: a group, its configuration, its alarms, and the pipelines that deploy to it. Out: its facts.

use std::collections::BTreeSet;

use serde_json::Value;

use super::deployment_config;
use super::joins::{Joins, place};
use super::production::Environment;
use super::seen::{Found, Seen, at, flag, list_at, name, number, property, tags, text, text_at, text_or};
use super::{Facts, ResourceKind};
use crate::inventory::{Resource, TypeName};

/// Deployment groups.
pub struct DeploymentGroup;

impl ResourceKind for DeploymentGroup {
    fn type_name(&self) -> TypeName {
        TypeName::DEPLOYMENT_GROUP
    }

    fn action(&self) -> &'static str {
        "Deploy"
    }

    fn index(&self, resource: &Resource, joins: &mut Joins) {
        let bucket = property(resource, "Deployment")
            .map(|deployment| text_at(deployment, &["Revision", "S3Location", "Bucket"]));
        match bucket {
            Ok("") => {}
            Ok(bucket) => {
                let label = format!("{}/{}", resource.account, target_name(resource));
                let user = super::bucket::BucketUser { label, production: None };
                joins.bucket_users.entry(bucket.to_owned()).or_default().push(user);
            }
            Err(sentences) => joins.hidden_stores.entry(resource.account.clone()).or_default().extend(sentences),
        }
    }

    fn facts(&self, resource: &Resource, joins: &Joins) -> Facts {
        let mut facts = Facts::default();
        facts.know("name", name(resource, "DeploymentGroupName"));
        facts.know("applicationName", application(resource));
        facts.put_tags(resource);
        let platform = compute_platform(resource, joins);
        let environment = environment(resource, joins);
        facts.put("production", environment.as_ref().map(Environment::is_production).map_err(Clone::clone));
        facts.put("productionClassification", environment.map(Environment::into_words));
        put_rollback(&mut facts, resource);
        put_alarms(&mut facts, resource, joins);
        put_style(&mut facts, resource);
        put_configuration(&mut facts, resource, &platform, joins);
        facts.put("computePlatform", platform);
        facts.put("outdatedInstancesStrategy", text_or(resource, "OutdatedInstancesStrategy", "UPDATE"));
        facts.put("triggerEvents", trigger_events(resource));
        facts.put("unheardTriggers", super::trigger::unheard(resource, joins));
        facts.put("targetRevision", target_revision(resource));
        facts
    }
}

/// `application/group`, as actions of pipelines name it.
fn target_name(resource: &Resource) -> String {
    format!(
        "{}/{}",
        application(resource),
        name(resource, "DeploymentGroupName").rsplit('/').next().unwrap_or_default()
    )
}

fn application(resource: &Resource) -> &str {
    let named = resource.properties.get("ApplicationName").and_then(Value::as_str);
    named.unwrap_or_else(|| resource.uid.short_name().split('/').next().unwrap_or_default())
}

/// Server, Lambda or ECS; the application says so where the group does not.
fn compute_platform(resource: &Resource, joins: &Joins) -> Seen<String> {
    if let Some(platform) = text(resource, "ComputePlatform")? {
        return Ok(platform.to_owned());
    }
    let here = joins.compute_platforms.get(&place(resource));
    if let Some(platform) = here.and_then(|applications| applications.get(application(resource))) {
        return Ok(platform.clone());
    }
    let sentences = joins.gaps.over(&resource.account, Some(&resource.region), &TypeName::APPLICATION);
    if sentences.is_empty() { Ok("Server".to_owned()) } else { Err(sentences) }
}

/// The account decides, then tags, then names, then whether a pipeline deploys here as production. What could not be
/// seen is passed over as long as something below it decides.
pub(super) fn environment(resource: &Resource, joins: &Joins) -> Seen<Environment> {
    let rules = &joins.classifier;
    let target = target_name(resource);
    let group = target.rsplit('/').next().unwrap_or_default();
    let named = rules.by_names([("deployment group", group), ("application name", application(resource))]);
    let mut doubts = Vec::new();
    let tagged = tags(resource).map(|tags| rules.by_tags(tags, "deployment group"));
    for answer in [joins.environment_of(&resource.account), tagged, Ok(named)] {
        match answer {
            Ok(Environment::Undecided) => {}
            Ok(decided) => return Ok(decided),
            Err(sentences) => doubts.extend(sentences),
        }
    }
    if let Some(targeted) = joins.targeted_groups.get(&place(resource)).and_then(|groups| groups.get(&target)) {
        if let Some(pipeline) = targeted.by.first() {
            return Ok(Environment::Production(format!("production pipeline {pipeline}")));
        }
        doubts.extend(targeted.doubts.iter().cloned());
    }
    // Only pipelines beside the group are asked for: a gap anywhere would leave every group in doubt.
    doubts.extend(joins.gaps.over(&resource.account, None, &TypeName::PIPELINE));
    doubts.extend(joins.hidden_stages.get(&resource.account).into_iter().flatten().cloned());
    if doubts.is_empty() { Ok(Environment::Undecided) } else { Err(doubts) }
}

fn put_rollback(facts: &mut Facts, resource: &Resource) {
    let rollback = property(resource, "AutoRollbackConfiguration");
    let enabled = |rollback| at(rollback, &["Enabled"]).and_then(flag).unwrap_or(false);
    facts.put("rollbackEnabled", rollback.clone().map(enabled));
    facts.put("rollbackEvents", rollback.map(|rollback| texts(list_at(rollback, &["Events"]))));
}

fn texts(list: &[Value]) -> BTreeSet<String> {
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn put_alarms(facts: &mut Facts, resource: &Resource, joins: &Joins) {
    let configuration = match property(resource, "AlarmConfiguration") {
        Ok(configuration) => configuration,
        Err(sentences) => {
            for fact in OF_ALARMS {
                facts.put::<bool>(fact, Err(sentences.clone()));
            }
            return;
        }
    };
    let is = |field| at(configuration, &[field]).and_then(flag).unwrap_or(false);
    let alarms = list_at(configuration, &["Alarms"]).iter();
    let names: BTreeSet<String> = alarms.map(|alarm| text_at(Some(alarm), &["Name"]).to_owned()).collect();
    let (mut missing, mut disabled, mut stale) = (Found::default(), Found::default(), Found::default());
    let mut ineffective = Found::default();
    let here = joins.alarms.get(&place(resource));
    let mut gaps = joins.gaps.over(&resource.account, Some(&resource.region), &TypeName::ALARM);
    gaps.extend(joins.gaps.over(&resource.account, Some(&resource.region), &TypeName::COMPOSITE_ALARM));
    for name in &names {
        match here.and_then(|alarms| alarms.get(name)) {
            None if gaps.is_empty() => {
                missing.add(name);
                ineffective.add(format!("{name} (does not exist)"));
            }
            None => {
                for found in [&mut missing, &mut disabled, &mut stale, &mut ineffective] {
                    found.doubt(&gaps);
                }
            }
            Some(alarm) => {
                let off = alarm.actions_enabled.clone().map(|enabled| !enabled);
                let old = alarm.days_without_data.clone().map(|days| days > joins.stale_alarm_days);
                disabled.add_if(name, &off);
                stale.add_if(name, &old);
                ineffective.add_if(format!("{name} (actions disabled)"), &off);
                let days = alarm.days_without_data.as_ref().copied().unwrap_or_default();
                ineffective.add_if(format!("{name} (no data for {days} days)"), &old);
            }
        }
    }
    facts.know("alarmsEnabled", is("Enabled"));
    facts.know("pollFailureIgnored", is("IgnorePollAlarmFailure"));
    facts.know("alarmNames", names);
    facts.put("missingAlarms", missing.decided());
    facts.put("disabledAlarms", disabled.decided());
    facts.put("staleAlarms", stale.decided());
    facts.put("ineffectiveAlarms", ineffective.decided());
}

/// Facts about alarms, unknown together if the configuration could not be seen.
const OF_ALARMS: &[&str] = &[
    "alarmNames",
    "alarmsEnabled",
    "disabledAlarms",
    "ineffectiveAlarms",
    "missingAlarms",
    "pollFailureIgnored",
    "staleAlarms",
];

/// What becomes of the old fleet.
const BLUE: &str = "TerminateBlueInstancesOnDeploymentSuccess";

fn put_style(facts: &mut Facts, resource: &Resource) {
    let style = property(resource, "DeploymentStyle");
    let of_style = |field: &str, default: &str| {
        let text = style.clone().map(|style| text_at(style, &[field]));
        text.map(|text| if text.is_empty() { default.to_owned() } else { text.to_owned() })
    };
    facts.put("deploymentType", of_style("DeploymentType", "IN_PLACE"));
    facts.put("deploymentOption", of_style("DeploymentOption", "WITHOUT_TRAFFIC_CONTROL"));
    let fleet = property(resource, "BlueGreenDeploymentConfiguration");
    facts.put("blueTermination", fleet.clone().map(|fleet| text_at(fleet, &[BLUE, "Action"])));
    let minutes = |fleet| at(fleet, &[BLUE, "TerminationWaitTimeInMinutes"]).and_then(number).unwrap_or(0);
    facts.put("blueTerminationWaitMinutes", fleet.clone().map(minutes));
    let waits = fleet.map(|fleet| text_at(fleet, &["DeploymentReadyOption", "ActionOnTimeout"]) == "STOP_DEPLOYMENT");
    let pairs = property(resource, "LoadBalancerInfo").map(|balancer| {
        let pairs = list_at(balancer, &["TargetGroupPairInfoList"]);
        pairs.iter().any(|pair| !list_at(Some(pair), &["TestTrafficRoute", "ListenerArns"]).is_empty())
    });
    facts.put("greenValidated", super::deploying::any([waits, pairs].into_iter()));
}

/// How deployments move, from the configuration that the group names or the platform's own default.
fn put_configuration(facts: &mut Facts, resource: &Resource, platform: &Seen<String>, joins: &Joins) {
    let default = || match platform.as_deref() {
        Ok("Lambda") => Ok("CodeDeployDefault.LambdaAllAtOnce".to_owned()),
        Ok("ECS") => Ok("CodeDeployDefault.ECSAllAtOnce".to_owned()),
        Ok(_) => Ok("CodeDeployDefault.OneAtATime".to_owned()),
        Err(sentences) => Err(sentences.clone()),
    };
    let declared = text(resource, "DeploymentConfigName");
    let name = declared.and_then(|name| name.map_or_else(default, |name| Ok(name.to_owned())));
    let configuration = name.clone().and_then(|name| deployment_config::of_name(&name, &place(resource), joins));
    facts.put("deploymentConfigName", name);
    facts.put("trafficRouting", configuration.clone().and_then(|entry| entry.traffic_routing));
    super::rollout::put(facts, resource, platform, &configuration, joins);
    let hosts = configuration.and_then(|entry| entry.minimum_healthy_hosts);
    facts.put("minimumHealthyHostsType", hosts.clone().map(|(kind, _)| kind));
    facts.put("minimumHealthyHosts", hosts.map(|(_, value)| value));
}

fn trigger_events(resource: &Resource) -> Seen<BTreeSet<String>> {
    let triggers = list_at(property(resource, "TriggerConfigurations")?, &[]).iter();
    Ok(triggers.flat_map(|trigger| texts(list_at(Some(trigger), &["TriggerEvents"]))).collect())
}

/// Whether the revision that the group would deploy can still change: `none`, `inline` (part of the group itself),
/// `pinned` or `movable`.
fn target_revision(resource: &Resource) -> Seen<&'static str> {
    let deployment = property(resource, "Deployment")?;
    let Some(revision) = at(deployment, &["Revision"]) else { return Ok("none") };
    if matches!(text_at(Some(revision), &["RevisionType"]), "String" | "AppSpecContent") {
        return Ok("inline");
    }
    let commit = text_at(Some(revision), &["GitHubLocation", "CommitId"]);
    let fixed = ["Version", "ETag"].iter().any(|field| !text_at(Some(revision), &["S3Location", field]).is_empty())
        || commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    Ok(if fixed { "pinned" } else { "movable" })
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::Fact;
    use super::super::testing::*;
    use super::*;
    use crate::inventory::{AccountId, Gap};

    fn group_in(account: AccountId, name: &str, extra: Value) -> Resource {
        let mut properties =
            json!({"ApplicationName": "web", "DeploymentGroupName": name, "ComputePlatform": "Server"});
        properties.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        resource_in(TypeName::DEPLOYMENT_GROUP, account, &format!("web/{name}"), properties)
    }

    fn group(extra: Value) -> Resource {
        group_in(account(), "fleet", extra)
    }

    fn facts(extra: Value) -> Facts {
        DeploymentGroup.facts(&group(extra), &joins(&[], &[]))
    }

    fn set(facts: &Facts, name: &str) -> Vec<String> {
        match facts.known.get(name) {
            Some(Fact::Set(set)) => set.iter().cloned().collect(),
            other => panic!("{name}: {other:?}, unknown {:?}", facts.unknown),
        }
    }

    fn watching(name: &str) -> Value {
        json!({"AlarmConfiguration": {"Enabled": "true", "Alarms": [{"Name": name}]}})
    }

    fn alarm(name: &str, extra: Value) -> Resource {
        let mut properties =
            json!({"AlarmName": name, "StateValue": "OK", "StateUpdatedTimestamp": "2026-11-20T00:00:00Z"});
        properties.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        resource(TypeName::ALARM, name, properties)
    }

    #[test]
    fn an_event_without_alarms_can_never_trigger() {
        let facts =
            facts(json!({"AutoRollbackConfiguration": {"Enabled": true, "Events": ["DEPLOYMENT_STOP_ON_ALARM"]}}));
        assert_eq!(facts.known["rollbackEnabled"], Fact::Bool(true));
        assert_eq!(facts.known["alarmsEnabled"], Fact::Bool(false));
        assert!(set(&facts, "alarmNames").is_empty());
    }

    #[test]
    fn alarms_that_protect_nothing() {
        let ineffective = |alarms: &[Resource]| {
            set(&DeploymentGroup.facts(&group(watching("errors")), &joins(alarms, &[])), "ineffectiveAlarms")
        };
        assert_eq!(ineffective(&[alarm("errors", json!({}))]), Vec::<String>::new());
        assert_eq!(ineffective(&[]), ["errors (does not exist)"]);
        assert_eq!(ineffective(&[alarm("errors", json!({"ActionsEnabled": false}))]), ["errors (actions disabled)"]);
        let stuck = json!({"StateValue": "INSUFFICIENT_DATA", "StateTransitionedTimestamp": "2026-11-01T00:00:00Z"});
        assert_eq!(ineffective(&[alarm("errors", stuck)]), ["errors (no data for 20 days)"]);
        let composite = Resource { type_name: TypeName::COMPOSITE_ALARM, ..alarm("errors", json!({})) };
        assert_eq!(ineffective(&[composite]), Vec::<String>::new());
        let elsewhere = Resource { region: "us-east-1".parse().unwrap(), ..alarm("errors", json!({})) };
        assert_eq!(ineffective(&[elsewhere]), ["errors (does not exist)"]);
    }

    #[test]
    fn an_alarm_behind_a_gap_is_not_missing() {
        let gap = denied_types("cloudwatch:DescribeAlarms", &[TypeName::ALARM, TypeName::COMPOSITE_ALARM]);
        let facts = DeploymentGroup.facts(&group(watching("errors")), &joins(&[], std::slice::from_ref(&gap)));
        for fact in ["missingAlarms", "disabledAlarms", "staleAlarms", "ineffectiveAlarms"] {
            assert_eq!(facts.unknown[fact], [gap.sentence()], "{fact}");
        }
        let both = json!({"AlarmConfiguration": {"Enabled": true, "Alarms": [{"Name": "errors"}, {"Name": "off"}]}});
        let off = alarm("off", json!({"ActionsEnabled": false}));
        let facts = DeploymentGroup.facts(&group(both), &joins(&[off], &[gap]));
        assert_eq!(set(&facts, "ineffectiveAlarms"), ["off (actions disabled)"]);
    }

    #[test]
    fn what_makes_a_group_production() {
        let production = |name: &str, others: &[Resource], gaps: &[Gap]| {
            let facts = DeploymentGroup.facts(&group_in(account(), name, json!({})), &joins(others, gaps));
            match facts.known.get("productionClassification") {
                Some(Fact::Text(why)) => Some((facts.known["production"] == Fact::Bool(true), why.clone())),
                _ => None,
            }
        };
        let known = |is: bool, why: &str| Some((is, why.to_owned()));
        assert_eq!(production("fleet", &[], &[]), known(false, ""));
        assert_eq!(production("fleet-prod", &[], &[]), known(true, "deployment group fleet-prod"));
        let tagged = member("111111111111", Some(("environment", "dev")));
        assert_eq!(
            production("fleet-prod", &[tagged], &[]),
            known(false, "not production: account 111111111111 tagged environment=dev")
        );
        let pipeline = |stage: &str| {
            let mut pipeline = resource_in(
                TypeName::PIPELINE,
                "222222222222".parse().unwrap(),
                "ship",
                json!({
                    "Name": "ship", "Stages": [{"Name": stage, "Actions": [{
                        "Name": "A", "RoleArn": "arn:aws:iam::111111111111:role/x",
                        "ActionTypeId": {"Category": "Deploy", "Owner": "AWS", "Provider": "CodeDeploy", "Version": "1"},
                        "Configuration": {"ApplicationName": "web", "DeploymentGroupName": "fleet"},
                    }]}],
                }),
            );
            pipeline.region = region();
            pipeline
        };
        assert_eq!(production("fleet", &[pipeline("Live")], &[]), known(true, "production pipeline 222222222222/ship"));
        assert_eq!(production("fleet", &[pipeline("Dev")], &[]), known(false, ""));
        let gap = denied_types("codepipeline:ListPipelines", &[TypeName::PIPELINE]);
        assert_eq!(production("fleet", &[], std::slice::from_ref(&gap)), None);
        assert_eq!(production("fleet-prod", &[], &[gap]), known(true, "deployment group fleet-prod"));
    }

    #[test]
    fn a_pipeline_that_could_not_be_read_leaves_its_groups_unknown() {
        let mut pipeline = resource(TypeName::PIPELINE, "web", json!({"Name": "web"}));
        pipeline.unseen.insert("*".to_owned(), denied("codepipeline:GetPipeline"));
        let joins = joins(&[pipeline], &[]);
        let facts = DeploymentGroup.facts(&group(json!({})), &joins);
        assert!(facts.unknown["production"].join("").contains("codepipeline:GetPipeline"), "{:?}", facts.known);
        let live = resource(TypeName::DEPLOYMENT_GROUP, "web/live", json!({"DeploymentGroupName": "live"}));
        assert_eq!(DeploymentGroup.facts(&live, &joins).known["production"], Fact::Bool(true));
    }

    #[test]
    fn defaults_of_a_bare_group() {
        let known = facts(json!({})).known;
        for (fact, value) in [
            ("deploymentType", "IN_PLACE"),
            ("deploymentOption", "WITHOUT_TRAFFIC_CONTROL"),
            ("deploymentConfigName", "CodeDeployDefault.OneAtATime"),
            ("trafficRouting", ""),
            ("outdatedInstancesStrategy", "UPDATE"),
            ("blueTermination", ""),
            ("targetRevision", "none"),
        ] {
            assert_eq!(known[fact], Fact::Text(value.to_owned()), "{fact}");
        }
        assert_eq!(known["minimumHealthyHosts"], Fact::Long(1));
        let lambda = facts(json!({"ComputePlatform": "Lambda"})).known;
        assert_eq!(lambda["trafficRouting"], Fact::Text("AllAtOnce".to_owned()));
    }

    #[test]
    fn revisions_that_can_and_cannot_change() {
        let revision = |revision: Value| match &facts(json!({"Deployment": {"Revision": revision}})).known["targetRevision"]
        {
            Fact::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(revision(json!({"S3Location": {"Bucket": "b", "Key": "k"}})), "movable");
        assert_eq!(revision(json!({"S3Location": {"Bucket": "b", "Key": "k", "ETag": "x"}})), "pinned");
        assert_eq!(revision(json!({"GitHubLocation": {"CommitId": "a".repeat(40)}})), "pinned");
        assert_eq!(revision(json!({"GitHubLocation": {"CommitId": "main"}})), "movable");
        assert_eq!(revision(json!({"RevisionType": "AppSpecContent"})), "inline");
    }

    #[test]
    fn each_unseen_property_leaves_its_facts_unknown() {
        for (property, expected) in [
            ("AutoRollbackConfiguration", vec!["rollbackEnabled", "rollbackEvents"]),
            ("AlarmConfiguration", OF_ALARMS.to_vec()),
            ("Deployment", vec!["targetRevision"]),
            ("LoadBalancerInfo", vec!["greenValidated"]),
            ("DeploymentStyle", vec!["deploymentOption", "deploymentType", "rollbackObstacles"]),
            (
                "BlueGreenDeploymentConfiguration",
                vec!["blueTermination", "blueTerminationWaitMinutes", "greenValidated"],
            ),
            (
                "DeploymentConfigName",
                vec![
                    "deploymentConfigName",
                    "minimumHealthyHosts",
                    "minimumHealthyHostsType",
                    "slowAlarms",
                    "trafficIntervalMinutes",
                    "trafficRouting",
                ],
            ),
            ("TriggerConfigurations", vec!["triggerEvents", "unheardTriggers"]),
            ("OutdatedInstancesStrategy", vec!["outdatedInstancesStrategy"]),
            (
                "ComputePlatform",
                vec![
                    "computePlatform",
                    "deploymentConfigName",
                    "minimumHealthyHosts",
                    "minimumHealthyHostsType",
                    "rollbackObstacles",
                    "slowAlarms",
                    "trafficIntervalMinutes",
                    "trafficRouting",
                ],
            ),
            ("Tags", vec!["production", "productionClassification", "tagKeys", "tags"]),
        ] {
            let mut hidden = group(json!({}));
            hidden.properties.remove(property);
            hidden.unseen.insert(property.to_owned(), denied("codedeploy:X"));
            let facts = DeploymentGroup.facts(&hidden, &joins(&[], &[]));
            assert_eq!(facts.unknown.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), expected, "{property}");
        }
    }
}
