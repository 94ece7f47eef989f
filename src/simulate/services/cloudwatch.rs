//! `CloudWatch` alarms.

use serde_json::{Value, json};

use super::super::estate::{ALARM_SLOTS, AlarmSpec, AlarmState, alarm_slot_of};
use super::super::protocol::{ApiError, timestamp};
use super::pages::{page, with_token};
use super::{Answer, Call, Operation, Service, days_ago};

pub(super) const SERVICE: Service = Service {
    prefix: "cloudwatch",
    target: "GraniteServiceVersion20100801",
    operations: &[
        Operation { name: "DescribeAlarms", action: "cloudwatch:DescribeAlarms", answer: describe_alarms },
        Operation {
            name: "DescribeAlarmHistory",
            action: "cloudwatch:DescribeAlarmHistory",
            answer: super::alarm_history::describe_alarm_history,
        },
    ],
};

fn describe_alarms(call: &Call<'_>) -> Answer {
    let names = call.texts("AlarmNames");
    if names.len() > 100 {
        return Err(ApiError::new(400, "ValidationError", "AlarmNames is limited to 100 names".to_owned()));
    }
    let types = call.texts("AlarmTypes");
    // Without types, AWS answers metric alarms only.
    let wants = |composite: bool| {
        if types.is_empty() {
            !composite
        } else {
            types.contains(&if composite { "CompositeAlarm" } else { "MetricAlarm" })
        }
    };
    let populated = call.region.filter(|region| call.world.pipeline_count(call.account, *region) > 0);
    let slots: Vec<usize> = match populated {
        None => Vec::new(),
        Some(_) if names.is_empty() => (0..ALARM_SLOTS).collect(),
        Some(_) => {
            (0..ALARM_SLOTS).filter(|slot| names.iter().any(|name| alarm_slot_of(name) == Some(*slot))).collect()
        }
    };
    let alarms: Vec<AlarmSpec> = slots.into_iter().map(AlarmSpec::new).filter(|alarm| wants(alarm.composite)).collect();
    let wanted = call.number("MaxRecords");
    let (range, next) = page(alarms.len(), call.text("NextToken"), wanted, 100, "InvalidNextToken")?;
    let (mut metric, mut composite) = (Vec::new(), Vec::new());
    for alarm in alarms.get(range).unwrap_or_default() {
        if alarm.composite {
            composite.push(render(call, *alarm));
        } else {
            metric.push(render(call, *alarm));
        }
    }
    Ok(with_token(json!({ "MetricAlarms": metric, "CompositeAlarms": composite }), "NextToken", next))
}

fn render(call: &Call<'_>, alarm: AlarmSpec) -> Value {
    let region = call.region.unwrap_or_default();
    let (state, days) = match alarm.state {
        AlarmState::Ok => ("OK", 3),
        AlarmState::Alarm => ("ALARM", 1),
        AlarmState::Insufficient { days } => ("INSUFFICIENT_DATA", days),
    };
    let since = timestamp(days_ago(call.world, days, alarm.slot));
    let topic = call.world.arn("sns", region, call.account, "operations");
    let mut rendered = json!({
        "AlarmName": alarm.name(), "AlarmArn": alarm.arn(call.world, call.account, region),
        "ActionsEnabled": alarm.actions_enabled, "AlarmActions": [topic], "OKActions": [],
        "InsufficientDataActions": [], "StateValue": state, "StateReason": "simulated",
        "StateUpdatedTimestamp": since, "StateTransitionedTimestamp": since,
        "AlarmConfigurationUpdatedTimestamp": timestamp(days_ago(call.world, 200, alarm.slot))
    });
    let Some(fields) = rendered.as_object_mut() else { return rendered };
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    if alarm.composite {
        put("AlarmRule", json!("ALARM(\"delivery-errors-0\")"));
    } else {
        put("Namespace", json!("Delivery"));
        put("MetricName", json!("Errors"));
        put("Statistic", json!("Sum"));
        put("Dimensions", json!([]));
        put("Period", json!(60));
        put("EvaluationPeriods", json!(3));
        put("DatapointsToAlarm", json!(2));
        put("Threshold", json!(1.5));
        put("ComparisonOperator", json!("GreaterThanThreshold"));
        if let Some(treatment) = alarm.missing_data {
            put("TreatMissingData", json!(treatment));
        }
    }
    rendered
}
