//! CloudWatch: the alarms that deployment groups and stage conditions name.
//!
//! In: a scope and references to alarms of its account and Region. Out: `AWS::CloudWatch::Alarm` and
//! `AWS::CloudWatch::CompositeAlarm`. An alarm that is named and does not exist brings nothing: absence without a gap is
//! what "missing" means.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{AlarmType, CompositeAlarm, MetricAlarm};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::Value;

use super::fields::Fields;
use super::pages::all_pages;
use super::{CallError, Collected, Collector, Reach, Scope, arn};
use crate::inventory::{Properties, Reference, Resource, TypeName, alarms_in_rule};

/// Reads CloudWatch.
#[derive(Debug, Clone, Copy)]
pub struct CloudWatch;

const DESCRIBE_ALARMS: &str = "cloudwatch:DescribeAlarms";

/// Names that one call takes.
const NAMES_PER_CALL: usize = 100;
const ALARMS_PER_PAGE: i32 = 100;

#[async_trait]
impl Collector for CloudWatch {
    fn service(&self) -> &'static str {
        "cloudwatch"
    }

    fn actions(&self) -> &'static [&'static str] {
        &[DESCRIBE_ALARMS]
    }

    fn types(&self) -> &'static [TypeName] {
        const { &[TypeName::ALARM, TypeName::COMPOSITE_ALARM] }
    }

    fn reach(&self) -> Reach {
        Reach::Referenced
    }

    async fn collect(&self, scope: &Scope, wanted: &[Reference]) -> Collected {
        let client = Client::new(scope.config());
        let mut collected = Collected::default();
        let names: BTreeSet<&str> = wanted.iter().map(|reference| arn::alarm_name(&reference.name)).collect();
        let names: Vec<&str> = names.into_iter().collect();
        for names in names.chunks(NAMES_PER_CALL) {
            describe(scope, &client, names, &mut collected).await;
        }
        collected
    }
}

/// What one page holds.
enum Described {
    Metric(Box<MetricAlarm>),
    Composite(Box<CompositeAlarm>),
}

async fn describe(scope: &Scope, client: &Client, names: &[&str], collected: &mut Collected) {
    let listed = all_pages(DESCRIBE_ALARMS, |token| async move {
        let ask = || {
            names
                .iter()
                .fold(client.describe_alarms(), |call, name| call.alarm_names(*name))
                .alarm_types(AlarmType::MetricAlarm)
                .alarm_types(AlarmType::CompositeAlarm)
                .max_records(ALARMS_PER_PAGE)
                .set_next_token(token.clone())
                .send()
        };
        let page = scope.call(DESCRIBE_ALARMS, ask).await?;
        let metric = page.metric_alarms.unwrap_or_default().into_iter().map(|alarm| Described::Metric(Box::new(alarm)));
        let composite =
            page.composite_alarms.unwrap_or_default().into_iter().map(|alarm| Described::Composite(Box::new(alarm)));
        Ok((metric.chain(composite).collect(), page.next_token))
    })
    .await;
    for alarm in &listed.items {
        let (type_name, uid, properties) = match alarm {
            Described::Metric(alarm) => (TypeName::ALARM, alarm.alarm_arn(), metric_properties(alarm)),
            Described::Composite(alarm) => (TypeName::COMPOSITE_ALARM, alarm.alarm_arn(), composite_properties(alarm)),
        };
        match uid {
            Some(uid) if !uid.is_empty() => {
                let mut resource =
                    Resource::live(type_name, uid.to_owned(), scope.account.clone(), scope.region.clone());
                resource.properties = properties;
                let children = resource.properties.get("AlarmsInRule").and_then(Value::as_array).into_iter().flatten();
                let children = children.filter_map(Value::as_str);
                collected.references.extend(children.filter_map(|name| arn::reference(scope, TypeName::ALARM, name)));
                collected.resources.push(resource);
            }
            _ => {
                let error = CallError::malformed(DESCRIBE_ALARMS, "an alarm without an ARN");
                collected.gaps.push(error.unlisted(scope, &[type_name]));
            }
        }
    }
    if let Some(error) = listed.error {
        collected.gaps.push(error.unlisted(scope, &[TypeName::ALARM, TypeName::COMPOSITE_ALARM]));
    }
}

fn metric_properties(alarm: &MetricAlarm) -> Properties {
    Fields::new()
        .text("AlarmName", alarm.alarm_name())
        .put("ActionsEnabled", alarm.actions_enabled())
        .texts("AlarmActions", alarm.alarm_actions())
        .text("Namespace", alarm.namespace())
        .text("MetricName", alarm.metric_name())
        .put("Period", alarm.period())
        .put("EvaluationPeriods", alarm.evaluation_periods())
        .list("Metrics", alarm.metrics(), |query| {
            let stat = query.metric_stat().map(|stat| Fields::new().put("Period", stat.period()).value());
            Fields::new().text("Id", query.id()).put("Period", query.period()).put("MetricStat", stat).value()
        })
        .put("DatapointsToAlarm", alarm.datapoints_to_alarm())
        .text("TreatMissingData", alarm.treat_missing_data())
        .text("StateValue", alarm.state_value())
        .put("StateUpdatedTimestamp", time(alarm.state_updated_timestamp()))
        .put("StateTransitionedTimestamp", time(alarm.state_transitioned_timestamp()))
        .properties()
}

fn composite_properties(alarm: &CompositeAlarm) -> Properties {
    let children: Vec<&str> = alarms_in_rule(alarm.alarm_rule().unwrap_or_default()).into_iter().collect();
    Fields::new()
        .texts("AlarmsInRule", &children)
        .text("AlarmName", alarm.alarm_name())
        .put("ActionsEnabled", alarm.actions_enabled())
        .texts("AlarmActions", alarm.alarm_actions())
        .text("StateValue", alarm.state_value())
        .put("StateUpdatedTimestamp", time(alarm.state_updated_timestamp()))
        .put("StateTransitionedTimestamp", time(alarm.state_transitioned_timestamp()))
        .properties()
}

fn time(at: Option<&DateTime>) -> Option<Value> {
    at.and_then(|at| at.fmt(Format::DateTime).ok()).map(Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_keeps_what_controls_read() {
        let alarm = MetricAlarm::builder()
            .alarm_name("errors")
            .actions_enabled(true)
            .treat_missing_data("breaching")
            .state_value(aws_sdk_cloudwatch::types::StateValue::InsufficientData)
            .state_transitioned_timestamp(DateTime::from_secs(0))
            .build();
        let properties = metric_properties(&alarm);
        assert_eq!(properties.get("StateValue"), Some(&Value::from("INSUFFICIENT_DATA")));
        assert_eq!(properties.get("StateTransitionedTimestamp"), Some(&Value::from("1970-01-01T00:00:00Z")));
        assert_eq!(properties.get("ActionsEnabled"), Some(&Value::from(true)));
        assert!(!properties.contains_key("Period"));
    }

    #[test]
    fn a_composite_alarm_names_others() {
        let names = |rule| alarms_in_rule(rule).into_iter().collect::<Vec<_>>();
        assert_eq!(
            names(
                "ALARM(\"errors (5xx)\") OR (ALARM(latency) AND NOT OK( arn:aws:cloudwatch:eu-west-1:111122223333:alarm:up ))"
            ),
            ["errors (5xx)", "latency", "up"]
        );
        assert_eq!(names("TRUE"), Vec::<&str>::new());
        assert_eq!(names("NOT (FALSE) OR INSUFFICIENT_DATA(\"a\")"), ["a"]);
    }

    #[tokio::test]
    async fn both_kinds_of_alarm_a_hundred_names_a_call() {
        use super::super::test_support::{Answer, Answers, endpoint, every_refusal_leaves_a_gap, reference};
        use serde_json::json;
        let arn = |name: &str| format!("arn:aws:cloudwatch:eu-west-1:111122223333:alarm:{name}");
        let (metric, composite) = (arn("errors"), arn("any"));
        let answers: Answers = std::sync::Arc::new(move |_, input| {
            assert!(input["AlarmNames"].as_array().unwrap().len() <= NAMES_PER_CALL);
            assert_eq!(input["AlarmTypes"].as_array().unwrap().len(), 2);
            let state =
                json!({"AlarmName": "errors", "AlarmArn": metric, "StateValue": "OK", "StateUpdatedTimestamp": 0});
            Answer::Json(
                json!({"MetricAlarms": [state], "CompositeAlarms": [{"AlarmName": "any", "AlarmArn": composite}]}),
            )
        });
        let wanted = [reference(TypeName::ALARM, "errors"), reference(TypeName::ALARM, &arn("any"))];
        let actions = CloudWatch.actions();
        let found = every_refusal_leaves_a_gap(&CloudWatch, actions, &wanted, answers.clone(), &[]).await;
        let types: Vec<_> = found.resources.iter().map(|resource| resource.type_name.clone()).collect();
        assert_eq!(types, [TypeName::ALARM, TypeName::COMPOSITE_ALARM]);
        let state = found.resources.first().unwrap().properties.get("StateUpdatedTimestamp");
        assert_eq!(state, Some(&Value::from("1970-01-01T00:00:00Z")));
        let endpoint = endpoint(answers, &[]).await;
        let many: Vec<_> = (0..101).map(|n| reference(TypeName::ALARM, &format!("a{n}"))).collect();
        CloudWatch.collect(&endpoint.scope, &many).await;
        assert_eq!(endpoint.calls().len(), 2);
    }
}
