//! `AWS::CloudWatch::Alarm`, and composite alarms as the same kind.
//!
//! In: alarms as `CloudWatch` describes them. Out: whether they would say anything, and what deployment groups need to
//! know of them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::joins::{Joins, place};
use super::rollout::{Evaluation, evaluation};
use super::seen::{Seen, flag, name, property, text, text_or};
use super::{Fact, Facts, ResourceKind};
use crate::inventory::{Resource, TypeName};

/// Alarms that deployment groups or pipelines watch.
pub struct Alarm;

/// What a deployment group needs to know of an alarm.
#[derive(Debug)]
pub(super) struct AlarmEntry {
    pub(super) actions_enabled: Seen<bool>,
    pub(super) days_without_data: Seen<i64>,
    pub(super) evaluation: Seen<Evaluation>,
}

impl ResourceKind for Alarm {
    fn type_name(&self) -> TypeName {
        TypeName::ALARM
    }

    fn action(&self) -> &'static str {
        "Watch"
    }

    fn index(&self, resource: &Resource, joins: &mut Joins) {
        let entry = AlarmEntry {
            actions_enabled: actions_enabled(resource),
            days_without_data: days_without_data(resource, joins.now),
            evaluation: evaluation(resource),
        };
        joins.alarms.entry(place(resource)).or_default().insert(name(resource, "AlarmName").to_owned(), entry);
    }

    fn facts(&self, resource: &Resource, joins: &Joins) -> Facts {
        let composite = resource.type_name == TypeName::COMPOSITE_ALARM;
        let mut facts = Facts::default();
        facts.know("name", name(resource, "AlarmName"));
        facts.know("composite", composite);
        facts.put("actionsEnabled", actions_enabled(resource));
        facts.put("stateValue", state(resource).map(str::to_owned));
        facts.put("stateSince", state_since(resource).map(written));
        facts.put("withoutDataDays", days_without_data(resource, joins.now));
        let default = if composite { "" } else { "missing" };
        facts.put("treatMissingData", text_or(resource, "TreatMissingData", default));
        facts.put_tags(resource);
        facts
    }
}

fn actions_enabled(resource: &Resource) -> Seen<bool> {
    Ok(property(resource, "ActionsEnabled")?.and_then(flag).unwrap_or(true))
}

fn state(resource: &Resource) -> Seen<&str> {
    text(resource, "StateValue")?.ok_or_else(|| vec![format!("alarm {} has no state yet", resource.uid)])
}

/// When the state last changed. `StateUpdatedTimestamp` moves with every evaluation and only stands in.
fn state_since(resource: &Resource) -> Seen<OffsetDateTime> {
    let changed = match text(resource, "StateTransitionedTimestamp")? {
        Some(changed) => Some(changed),
        None => text(resource, "StateUpdatedTimestamp")?,
    };
    let changed = changed.ok_or_else(|| vec![format!("alarm {} has no state yet", resource.uid)])?;
    OffsetDateTime::parse(changed, &Rfc3339)
        .map_err(|_| vec![format!("alarm {}: `{changed}` is not a time", resource.uid)])
}

/// Whole days in `INSUFFICIENT_DATA`, 0 in any other state.
fn days_without_data(resource: &Resource, now: OffsetDateTime) -> Seen<i64> {
    if state(resource)? != "INSUFFICIENT_DATA" {
        return Ok(0);
    }
    Ok((now - state_since(resource)?).whole_days().max(0))
}

/// As Cedar reads a time: UTC with milliseconds.
fn written(moment: OffsetDateTime) -> Fact {
    let moment = moment.to_offset(time::UtcOffset::UTC);
    let (date, clock) = (moment.date(), moment.time());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    let (hour, minute, second, millisecond) = clock.as_hms_milli();
    Fact::Datetime(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::*;
    use super::*;

    fn facts(properties: Value) -> Facts {
        Alarm.facts(&resource(TypeName::ALARM, "a", properties), &joins(&[], &[]))
    }

    #[test]
    fn days_count_from_the_change_of_state_and_only_without_data() {
        let stuck = facts(json!({
            "StateValue": "INSUFFICIENT_DATA", "StateTransitionedTimestamp": "2026-11-11T01:00:00+01:00",
            "StateUpdatedTimestamp": "2026-11-21T00:00:00Z",
        }));
        assert_eq!(stuck.known["withoutDataDays"], Fact::Long(10));
        assert_eq!(stuck.known["stateSince"], Fact::Datetime("2026-11-11T00:00:00.000Z".to_owned()));
        let fine = facts(json!({"StateValue": "OK", "StateUpdatedTimestamp": "2020-01-01T00:00:00Z"}));
        assert_eq!(fine.known["withoutDataDays"], Fact::Long(0));
    }

    #[test]
    fn defaults_are_the_services_own() {
        let known = facts(json!({"StateValue": "OK"})).known;
        assert_eq!(known["actionsEnabled"], Fact::Bool(true));
        assert_eq!(known["treatMissingData"], Fact::Text("missing".to_owned()));
        assert_eq!(known["composite"], Fact::Bool(false));
    }

    #[test]
    fn a_state_without_a_time_is_unknown() {
        let facts = facts(json!({"StateValue": "INSUFFICIENT_DATA"}));
        assert!(facts.unknown.contains_key("withoutDataDays") && facts.unknown.contains_key("stateSince"));
    }

    #[test]
    fn each_unseen_property_leaves_its_facts_unknown() {
        for (property, expected) in [
            ("ActionsEnabled", vec!["actionsEnabled"]),
            ("StateValue", vec!["stateValue", "withoutDataDays"]),
            ("StateTransitionedTimestamp", vec!["stateSince"]),
            ("TreatMissingData", vec!["treatMissingData"]),
            ("Tags", vec!["tagKeys", "tags"]),
        ] {
            let mut alarm = resource(
                TypeName::ALARM,
                "a",
                json!({"StateValue": "OK", "StateUpdatedTimestamp": "2026-11-20T00:00:00Z"}),
            );
            alarm.unseen.insert(property.to_owned(), denied("cloudwatch:DescribeAlarms"));
            let facts = Alarm.facts(&alarm, &joins(&[], &[]));
            assert_eq!(facts.unknown.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), expected, "{property}");
        }
    }
}
