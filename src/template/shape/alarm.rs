//! `AWS::CloudWatch::Alarm` and `AWS::CloudWatch::CompositeAlarm`.
//!
//! In: alarms as a template writes them. Out: alarms as `DescribeAlarms` answers them, without their state: whether an
//! alarm has data only its deployment shows.

use super::super::hole::{Piece, has_holes, pieces, token, whole};
use super::super::node::{Node, Tree};
use super::Shape;
use super::conversion::Conversion;
use super::form::{Form, TEXT_LIST};
use crate::inventory::{TypeName, alarms_in_rule};
use serde_json::json;

const STATE: &[&str] = &["StateTransitionedTimestamp", "StateUpdatedTimestamp", "StateValue"];

/// Alarms on metrics.
pub(super) const ALARM: Shape = Shape {
    type_name: "AWS::CloudWatch::Alarm",
    becomes: TypeName::ALARM,
    form: Form::Map(&[
        ("AlarmName", Form::Text),
        ("ActionsEnabled", Form::Flag),
        ("AlarmActions", TEXT_LIST),
        ("Namespace", Form::Text),
        ("MetricName", Form::Text),
        ("Period", Form::Number),
        ("EvaluationPeriods", Form::Number),
        ("DatapointsToAlarm", Form::Number),
        (
            "Metrics",
            Form::List(&Form::Map(&[
                ("Id", Form::Text),
                ("Period", Form::Number),
                ("MetricStat", Form::Map(&[("Period", Form::Number)])),
            ])),
        ),
        ("TreatMissingData", Form::Text),
    ]),
    convert: |conversion| conversion.set_default("ActionsEnabled", &json!(true)),
    only_deployed: STATE,
};

/// Alarms on other alarms.
pub(super) const COMPOSITE_ALARM: Shape = Shape {
    type_name: "AWS::CloudWatch::CompositeAlarm",
    becomes: TypeName::COMPOSITE_ALARM,
    form: Form::Map(&[
        ("AlarmName", Form::Text),
        ("ActionsEnabled", Form::Flag),
        ("AlarmActions", TEXT_LIST),
        ("AlarmsInRule", TEXT_LIST),
    ]),
    convert: composite,
    only_deployed: STATE,
};

fn composite(conversion: &mut Conversion<'_>) {
    conversion.set_default("ActionsEnabled", &json!(true));
    let Some(rule) = conversion.property("AlarmRule").cloned() else { return };
    let text = rule.as_str().unwrap_or_default();
    let named = if let Some(hole) = open_part(text) {
        Node::text(hole, rule.span)
    } else {
        let names = alarms_in_rule(text).into_iter().map(|name| Node::text(name, rule.span));
        Node::new(Tree::List(names.collect()), rule.span)
    };
    conversion.set("AlarmsInRule", named);
}

/// A hole that may name alarms itself: one that stands where no alarm's name belongs.
fn open_part(rule: &str) -> Option<String> {
    if whole(rule).is_some() {
        return Some(rule.to_owned());
    }
    let names: String = alarms_in_rule(rule).into_iter().collect();
    let named: Vec<usize> = holes(&names).collect();
    let open = holes(rule).find(|hole| !named.contains(hole))?;
    Some(token(open))
}

fn holes(text: &str) -> impl Iterator<Item = usize> {
    pieces(text).filter(|_| has_holes(text)).filter_map(|piece| match piece {
        Piece::Hole(hole) => Some(hole),
        Piece::Text(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::testing::*;
    use super::*;
    use crate::template::Raw;

    fn watching(name: &str) -> Raw {
        let alarms = json!({"Enabled": true, "Alarms": [{"Name": name}]});
        raw("AWS::CodeDeploy::DeploymentGroup", "Group", json!({"AlarmConfiguration": alarms}))
    }

    #[test]
    fn an_alarm_is_what_cloudwatch_answers_but_for_its_state() {
        let alarm = json!({
            "AlarmDescription": "x", "Namespace": "AWS/Lambda", "MetricName": "Errors", "Period": "60", "EvaluationPeriods": 1,
            "Threshold": 1, "TreatMissingData": "notBreaching", "AlarmActions": ["topic"], "OKActions": [],
            "Metrics": [{"Id": "m", "MetricStat": {"Stat": "Sum", "Period": 60}}],
        });
        let all = [watching("Errors"), raw("AWS::CloudWatch::Alarm", "Errors", alarm)];
        assert_eq!(
            Value::Object(properties(&all, "Errors")),
            json!({"AlarmName": "Errors", "ActionsEnabled": true, "AlarmActions": ["topic"], "Namespace": "AWS/Lambda",
                   "MetricName": "Errors", "Period": 60, "EvaluationPeriods": 1, "TreatMissingData": "notBreaching",
                   "Metrics": [{"Id": "m", "MetricStat": {"Period": 60}}]})
        );
        assert_eq!(unseen(&all, "Errors"), STATE.iter().map(|name| ((*name).to_owned(), 'd')).collect::<Vec<_>>());
    }

    #[test]
    fn a_composite_alarm_names_others() {
        let of = |rule: String| {
            let all = [watching("All"), raw("AWS::CloudWatch::CompositeAlarm", "All", json!({"AlarmRule": rule}))];
            one(&all, "All").resource
        };
        let hole = "\u{FDD0}0\u{FDD1}";
        let named = of(format!("ALARM(\"errors\") OR ALARM({hole})"));
        assert_eq!(named.properties["AlarmsInRule"], json!(["errors", hole]));
        assert!(!of(format!("ALARM(errors) OR {hole}")).properties.contains_key("AlarmsInRule"));
    }
}
