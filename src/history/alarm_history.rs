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
pub(super) struct AlarmHistory;

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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::testing::*;
    use super::*;
    use crate::collect::test_support::{Answer, Answers};

    const ERRORS: &str = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:errors";

    fn answers() -> Answers {
        let item = |day_of_june: u8, from: &str, to: &str| {
            json!({"AlarmName": "errors", "Timestamp": epoch(day(day_of_june)), "HistoryItemType": "StateUpdate",
                "HistoryData": json!({"oldState": {"stateValue": from}, "newState": {"stateValue": to}}).to_string()})
        };
        let summary = json!({"AlarmName": "errors", "Timestamp": epoch(day(18)), "HistoryItemType": "StateUpdate",
            "HistorySummary": "Alarm updated from OK to ALARM"});
        let mut contributor = item(19, "OK", "ALARM");
        contributor["AlarmContributorId"] = json!("c");
        let items = json!([item(21, "ALARM", "OK"), contributor, summary]);
        Arc::new(move |_, input| {
            assert_eq!(input["AlarmName"], "errors");
            assert_eq!(input["AlarmTypes"], json!(["MetricAlarm", "CompositeAlarm"]));
            assert_eq!(input["HistoryItemType"], "StateUpdate");
            Answer::Json(json!({"AlarmHistoryItems": items}))
        })
    }

    #[tokio::test]
    async fn transitions_are_read_and_what_expired_is_a_gap() {
        let mut asked = Asked::of(vec![resource(TypeName::ALARM, ERRORS, json!({"AlarmName": "errors"}))]);
        asked.period.from = day(17);
        let history = every_refusal_leaves_a_gap(&AlarmHistory, &asked, answers()).await;
        let seen: Vec<_> = history.transitions.iter().map(|t| (t.time, t.from, t.to)).collect();
        let (ok, alarm) = (AlarmState::Ok, AlarmState::Alarm);
        assert_eq!(seen, [(day(18), Some(ok), alarm), (day(21), Some(alarm), ok)]);
        asked.period.from = FROM;
        let (history, _) = collect(&AlarmHistory, &asked, answers(), &[]).await;
        let [gap] = history.coverage.gaps.as_slice() else { panic!("{:?}", history.coverage) };
        assert_eq!((gap.from, gap.to), (Some(FROM), Some(day(16))));
        assert_eq!(history.coverage.spans[0].from, day(16));
    }

    #[tokio::test]
    async fn a_change_that_says_nothing_is_a_gap() {
        let answers: Answers = Arc::new(|_, _| {
            Answer::Json(json!({"AlarmHistoryItems": [{"Timestamp": epoch(day(20)), "HistoryData": "{}"}]}))
        });
        let mut asked = Asked::of(vec![resource(TypeName::ALARM, ERRORS, json!({}))]);
        asked.period.from = day(17);
        let (history, _) = collect(&AlarmHistory, &asked, answers, &[]).await;
        assert_eq!((history.transitions.len(), history.coverage.gaps.len()), (0, 1));
    }

    #[test]
    fn alarms_of_services_are_incidents_from_alarm_to_ok() {
        let change = |alarm: &str, day_of_june: u8, to| AlarmTransition {
            alarm: alarm.to_owned(),
            time: day(day_of_june),
            from: None,
            to,
        };
        let (ok, alarm, nothing) = (AlarmState::Ok, AlarmState::Alarm, AlarmState::InsufficientData);
        let mut transitions = vec![
            change("a", 1, ok),
            change("a", 2, alarm),
            change("a", 3, nothing),
            change("a", 4, alarm),
            change("a", 5, ok),
            change("a", 6, alarm),
            change("other", 2, alarm),
        ];
        let services = BTreeMap::from([("a".to_owned(), "web".to_owned()), ("quiet".to_owned(), "web".to_owned())]);
        let incidents = incidents_of_alarms(&transitions, &services);
        let spans: Vec<_> = incidents.iter().map(|incident| (incident.started, incident.resolved)).collect();
        assert_eq!(spans, [(day(2), Some(day(5))), (day(6), None)]);
        assert_eq!((incidents[0].service.as_str(), incidents[0].source.as_str()), ("web", "a"));
        assert_ne!(incidents[0].id, incidents[1].id);
        transitions.reverse();
        transitions.extend_from_within(..);
        assert_eq!(incidents_of_alarms(&transitions, &services), incidents, "order and repeats change nothing");
    }
}
