//! How alarms changed: two weeks of it, ending in the state that they have.

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::super::estate::{ALARM_SLOTS, AlarmSpec, AlarmState, alarm_slot_of};
use super::super::protocol::timestamp;
use super::deployments::moment;
use super::pages::{page, with_token};
use super::{Answer, Call, days_ago};

const OK: &str = "OK";
const ALARM: &str = "ALARM";

/// Changes of an alarm: when, from, to; oldest first.
fn changes(call: &Call<'_>, alarm: AlarmSpec) -> Vec<(OffsetDateTime, &'static str, &'static str)> {
    let now = call.world.options.now;
    let mut changes = Vec::new();
    let mut disturbed = |since: OffsetDateTime, minutes: i64| {
        changes.push((since, OK, ALARM));
        changes.push((since + Duration::minutes(minutes), ALARM, OK));
    };
    let spread = i64::try_from(call.account * 17 + alarm.slot * 29).unwrap_or(0) % 600;
    match alarm.state {
        AlarmState::Ok => {
            disturbed(now - Duration::days(12) + Duration::minutes(spread), 35);
            disturbed(days_ago(call.world, 3, alarm.slot) - Duration::minutes(50), 50);
        }
        AlarmState::Alarm => {
            disturbed(now - Duration::days(9) + Duration::minutes(spread), 80);
            changes.push((days_ago(call.world, 1, alarm.slot), OK, ALARM));
        }
        AlarmState::Insufficient { days } => {
            changes.push((days_ago(call.world, days, alarm.slot), OK, "INSUFFICIENT_DATA"));
        }
    }
    changes.retain(|(time, ..)| *time >= now - Duration::days(14));
    changes
}

pub(super) fn describe_alarm_history(call: &Call<'_>) -> Answer {
    let populated = call.region.is_some_and(|region| call.world.pipeline_count(call.account, region) > 0);
    let types = call.texts("AlarmTypes");
    let kind = |alarm: AlarmSpec| if alarm.composite { "CompositeAlarm" } else { "MetricAlarm" };
    let wanted = |alarm: AlarmSpec| if types.is_empty() { !alarm.composite } else { types.contains(&kind(alarm)) };
    let named = call.text("AlarmName").map(alarm_slot_of);
    let alarms = (0..ALARM_SLOTS)
        .filter(|slot| populated && named.is_none_or(|named| named == Some(*slot)))
        .map(AlarmSpec::new)
        .filter(|alarm| wanted(*alarm));
    let (from, to) = (moment(call.input, "/StartDate"), moment(call.input, "/EndDate"));
    let updates = call.text("HistoryItemType").is_none_or(|kind| kind == "StateUpdate");
    let mut items: Vec<(OffsetDateTime, AlarmSpec, &str, &str)> = alarms
        .flat_map(|alarm| changes(call, alarm).into_iter().map(move |(time, old, new)| (time, alarm, old, new)))
        .filter(|(time, ..)| updates && from.is_none_or(|from| from <= *time) && to.is_none_or(|to| *time <= to))
        .collect();
    items.sort_by_key(|(time, alarm, ..)| (*time, alarm.slot));
    if call.text("ScanBy") != Some("TimestampAscending") {
        items.reverse();
    }
    let limit = call.number("MaxRecords");
    let (range, next) = page(items.len(), call.text("NextToken"), limit, 100, "InvalidNextToken")?;
    let listed: Vec<Value> = items
        .get(range)
        .unwrap_or_default()
        .iter()
        .map(|(time, alarm, old, new)| {
            let state = |value: &str| json!({ "stateValue": value, "stateReason": "simulated" });
            let data = json!({ "version": "1.0", "oldState": state(old), "newState": state(new) });
            json!({
                "AlarmName": alarm.name(), "AlarmType": kind(*alarm), "Timestamp": timestamp(*time),
                "HistoryItemType": "StateUpdate", "HistorySummary": format!("Alarm updated from {old} to {new}"),
                "HistoryData": data.to_string()
            })
        })
        .collect();
    Ok(with_token(json!({ "AlarmHistoryItems": listed }), "NextToken", next))
}
