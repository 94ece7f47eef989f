//! `aws_cloudwatch_metric_alarm`, `aws_cloudwatch_composite_alarm`.

use super::{Kind, kind};
use crate::template::terraform::mapping::{Attribute, many, one, positive, same, tags};

const METRIC: &[Attribute] = &[
    same("namespace", "Metric/Namespace"),
    same("metric_name", "Metric/MetricName"),
    same("period", "Period"),
    same("stat", "Stat"),
];
const ALARM: &[Attribute] = &[
    same("alarm_name", "AlarmName"),
    same("actions_enabled", "ActionsEnabled"),
    same("alarm_actions", "AlarmActions"),
    same("ok_actions", "OKActions"),
    same("namespace", "Namespace"),
    same("metric_name", "MetricName"),
    same("comparison_operator", "ComparisonOperator"),
    same("statistic", "Statistic"),
    same("threshold", "Threshold"),
    positive("period", "Period"),
    positive("evaluation_periods", "EvaluationPeriods"),
    positive("datapoints_to_alarm", "DatapointsToAlarm"),
    many(
        "metric_query",
        "Metrics",
        &[
            same("id", "Id"),
            same("expression", "Expression"),
            positive("period", "Period"),
            one("metric", "MetricStat", METRIC),
        ],
    ),
    same("treat_missing_data", "TreatMissingData"),
    tags("tags", "Tags"),
    tags("tags_all", "Tags"),
];
const COMPOSITE: &[Attribute] = &[
    same("alarm_name", "AlarmName"),
    same("alarm_rule", "AlarmRule"),
    same("actions_enabled", "ActionsEnabled"),
    same("alarm_actions", "AlarmActions"),
    tags("tags", "Tags"),
    tags("tags_all", "Tags"),
];

pub(super) const KINDS: &[Kind] = &[
    kind("aws_cloudwatch_metric_alarm", "AWS::CloudWatch::Alarm", "alarm_name", ALARM),
    kind("aws_cloudwatch_composite_alarm", "AWS::CloudWatch::CompositeAlarm", "alarm_name", COMPOSITE),
];
