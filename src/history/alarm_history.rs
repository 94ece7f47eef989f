//! Changes of alarms' states, and the incidents that they amount to.
//!
//! In: the alarms of an account and Region. Out: their transitions of the last two weeks, which is what `CloudWatch`
//! keeps. Real transitions are no API calls, so no trail has them.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmHistory.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{AlarmHistoryItem, AlarmType, HistoryItemType, ScanBy};
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::aws_time::{moment, sdk_time};
use super::look::{Look, floor, read_back, split};
use super::{AccountHistory, AlarmState, AlarmTransition, History, HistorySource, Incident, Period, Question};
use crate::collect::{CallError, Scope, in_order};
use crate::inventory::{Resource, TypeName, alarm_name};

/// Reads the history of alarms.
#[derive(Debug, Clone, Copy)]
pub struct AlarmHistory;

const DESCRIBE: &str = "cloudwatch:DescribeAlarmHistory";

/// The most that one page holds.
const PER_PAGE: i32 = 100;
/// How long `CloudWatch` keeps an alarm's history.
const KEPT: Duration = Duration::weeks(2);

#[async_trait]
impl AccountHistory for AlarmHistory {
    fn source(&self) -> HistorySource {
        HistorySource::AlarmHistory
    }

    fn actions(&self) -> &'static [&'static str] {
        &[DESCRIBE]
    }

    async fn collect(&self, scope: &Scope, question: Question<'_>) -> History {
        let client = Client::new(scope.config());
        let types = [TypeName::ALARM, TypeName::COMPOSITE_ALARM];
        let alarms = question.resources.iter().filter(|resource| types.contains(&resource.type_name));
        let jobs = alarms.map(|alarm| read_alarm(scope, &client, alarm, question)).collect();
        let mut history = History::default();
        for found in in_order(jobs).await {
            history.absorb(found);
        }
        history
    }
}

async fn read_alarm(scope: &Scope, client: &Client, alarm: &Resource, question: Question<'_>) -> History {
    let arn = alarm.uid.as_str();
    let look = Look { scope, source: HistorySource::AlarmHistory, subject: Some(arn) };
    let (expired, missing) = split(look.missing(&question), floor(question.asked, KEPT));
    let mut history = History::default();
    let gaps = expired
        .into_iter()
        .map(|period| look.expired(DESCRIBE, period, "CloudWatch keeps the history of alarms for two weeks"));
    history.coverage.gaps.extend(gaps);
    for period in missing {
        let ask = |token: Option<String>| async move {
            let ask = || {
                client
                    .describe_alarm_history()
                    .alarm_name(alarm_name(arn))
                    .alarm_types(AlarmType::MetricAlarm)
                    .alarm_types(AlarmType::CompositeAlarm)
                    .history_item_type(HistoryItemType::StateUpdate)
                    .start_date(sdk_time(period.from))
                    .end_date(sdk_time(period.to + Duration::SECOND))
                    .scan_by(ScanBy::TimestampDescending)
                    .max_records(PER_PAGE)
                    .set_next_token(token.clone())
                    .send()
            };
            let page = scope.call(DESCRIBE, ask).await?;
            Ok((page.alarm_history_items.unwrap_or_default(), page.next_token))
        };
        let read = read_back(DESCRIBE, period, |item| item.timestamp().and_then(moment), ask, |_| false).await;
        let seen = Period { from: read.reached, to: period.to };
        if seen.from < seen.to {
            history.coverage.spans.push(look.span(seen));
        }
        let unseen = Period { from: period.from, to: read.reached };
        history.coverage.gaps.extend(read.error.map(|error| look.gap(error, unseen)));
        // Contributors of an alarm change their states on their own; the alarm's state is another item.
        for item in read.items.iter().filter(|item| item.alarm_contributor_id().is_none()) {
            match transition(arn, item) {
                Some(transition) if period.contains(transition.time) => history.transitions.push(transition),
                Some(_) => {}
                None => {
                    let error = CallError::malformed(DESCRIBE, "a change of state that does not say to which, or when");
                    history.coverage.gaps.push(look.gap(error, period));
                }
            }
        }
    }
    history
}

/// A change of an alarm's state, from the item's data or, where AWS left that out, its summary.
fn transition(arn: &str, item: &AlarmHistoryItem) -> Option<AlarmTransition> {
    let time = item.timestamp().and_then(moment)?;
    let data: Value = item.history_data().and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
    let in_data = |path: &str| data.pointer(path).and_then(Value::as_str).and_then(state);
    let words = item.history_summary().and_then(|text| text.strip_prefix("Alarm updated from "));
    let words = words.and_then(|words| words.split_once(" to "));
    Some(AlarmTransition {
        alarm: arn.to_owned(),
        time,
        from: in_data("/oldState/stateValue").or_else(|| words.and_then(|(from, _)| state(from))),
        to: in_data("/newState/stateValue").or_else(|| words.and_then(|(_, to)| state(to)))?,
    })
}

fn state(word: &str) -> Option<AlarmState> {
    match word.trim() {
        "OK" => Some(AlarmState::Ok),
        "ALARM" => Some(AlarmState::Alarm),
        "INSUFFICIENT_DATA" => Some(AlarmState::InsufficientData),
        _ => None,
    }
}

/// The incidents that alarms tell of: from `ALARM` to the next `OK`. `services` says, by the alarm's ARN, which service an
/// alarm speaks for; other alarms are no incidents. Missing data in between ends nothing. An alarm that had begun before
/// it was first seen is no incident, because nobody knows when it began.
#[must_use]
pub fn incidents_of_alarms(transitions: &[AlarmTransition], services: &BTreeMap<String, String>) -> Vec<Incident> {
    let mut by_alarm: BTreeMap<&str, Vec<(OffsetDateTime, AlarmState)>> = BTreeMap::new();
    for transition in transitions {
        by_alarm.entry(&transition.alarm).or_default().push((transition.time, transition.to));
    }
    let mut incidents = Vec::new();
    for (alarm, mut states) in by_alarm {
        let Some(service) = services.get(alarm) else { continue };
        states.sort_unstable();
        let mut began = None;
        let incident = |started: OffsetDateTime, resolved| Incident {
            id: format!("{alarm}@{}", started.format(&Rfc3339).unwrap_or_default()),
            service: service.clone(),
            started,
            resolved,
            caused_by: None,
            source: alarm.to_owned(),
        };
        for (time, state) in states {
            match (began, state) {
                (None, AlarmState::Alarm) => began = Some(time),
                (Some(started), AlarmState::Ok) => {
                    incidents.push(incident(started, Some(time)));
                    began = None;
                }
                _ => {}
            }
        }
        incidents.extend(began.map(|started| incident(started, None)));
    }
    incidents
}
