//! CloudTrail's event history: `LookupEvents`, which every account has without a trail.
//!
//! In: an account and a Region, a time, and what is known already. Out: the events of [`EVENTS`] in that time, one span
//! per event name, and gaps. A name is asked for by itself, because `LookupEvents` takes one attribute, and asking by
//! source would page through every read of a console. So a lookup that was interrupted goes on with the names that are
//! missing, and a later one asks only for what is new.
//!
//! What it costs: AWS lets two calls pass per second, account and Region, and a call brings 50 events. All names
//! therefore take about 50 seconds per account and Region, and half a second more for every 50 further events.
//! Accounts and Regions do not wait for each other. What is older than 90 days is not there.
//!
//! The management account does not see the history of member accounts, so each account is asked for itself. Events of
//! global services (IAM) are in one Region of the partition only, `us-east-1` in `aws`: where nothing is delivered there,
//! only their names are asked for in it.
//!
//! <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::types::{Event as Found, LookupAttribute, LookupAttributeKey};
use futures_util::stream::{self, StreamExt};
use time::Duration;

use super::aws_time::{moment, sdk_time};
use super::look::{EXPIRED, Look, split, unseen};
use super::{
    AccountHistory, EVENTS, Event, History, HistoryCoverage, HistoryGap, HistorySource, Period, Question, is_global,
    is_wanted,
};
use crate::collect::{CallError, Scope, all_pages};
use crate::inventory::GapCause;

/// Asks `LookupEvents`.
#[derive(Debug, Clone, Copy)]
pub(super) struct LookupEvents;

const LOOKUP_EVENTS: &str = "cloudtrail:LookupEvents";

/// How long AWS keeps event history.
const KEPT: Duration = Duration::days(90);

/// Events appear within minutes, now and then later: what was looked at last is looked at again from this long before.
const LATE: Duration = Duration::minutes(15);

/// Events on one page; AWS's own maximum.
const PER_PAGE: i32 = 50;

/// Names asked for at once: enough that the rate is what limits.
const AT_ONCE: usize = 4;

/// Names that may fail one after the other before the rest is given up.
const FAILURES: usize = 3;

#[async_trait]
impl AccountHistory for LookupEvents {
    fn source(&self) -> HistorySource {
        HistorySource::LookupEvents
    }

    fn actions(&self) -> &'static [&'static str] {
        &[LOOKUP_EVENTS]
    }

    async fn collect(&self, scope: &Scope, question: Question<'_>) -> History {
        look_up(scope, question, &names()).await
    }

    async fn collect_global(&self, scope: &Scope, question: Question<'_>) -> History {
        let names: Vec<&'static str> = names().into_iter().filter(|name| is_global(name)).collect();
        let mut history = look_up(scope, question, &names).await;
        // Nobody asked for anything else here, so nothing else is missing.
        let gaps = std::mem::take(&mut history.coverage.gaps);
        history.coverage.gaps = gaps
            .into_iter()
            .flat_map(|gap| match &gap.subject {
                Some(_) => vec![gap],
                None => {
                    names.iter().map(|name| HistoryGap { subject: Some((*name).to_owned()), ..gap.clone() }).collect()
                }
            })
            .collect();
        history.normalise();
        history
    }
}

/// The distinct names of [`EVENTS`], in order.
fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = EVENTS.iter().map(|event| event.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// One name in one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ask {
    name: &'static str,
    period: Period,
}

async fn look_up(scope: &Scope, question: Question<'_>, names: &[&'static str]) -> History {
    let (asks, forgotten) = plan(scope, question, names);
    let mut history =
        History { coverage: HistoryCoverage { spans: Vec::new(), gaps: forgotten }, ..History::default() };
    let client = &Client::new(scope.config());
    // The first alone: where it is refused, all others would be.
    let (first, rest) = asks.split_at(asks.len().min(1));
    let one = |ask: &Ask| {
        let ask = *ask;
        async move { (ask, ask_for(scope, client, ask).await) }
    };
    let answers =
        stream::iter(first.iter().map(one)).buffered(1).chain(stream::iter(rest.iter().map(one)).buffered(AT_ONCE));
    let mut answers = std::pin::pin!(answers);
    let (mut done, mut seen, mut in_a_row) = (0, 0, 0);
    while let Some((ask, answer)) = answers.next().await {
        done += 1;
        for found in answer.items {
            read(scope, ask, &found, &mut history);
        }
        let Some(error) = answer.error else {
            (seen, in_a_row) = (seen + 1, 0);
            history.coverage.spans.push(look(scope, Some(ask.name)).span(ask.period));
            continue;
        };
        in_a_row += 1;
        if is_final(&error.cause) || in_a_row >= FAILURES {
            let unasked = asks.get(done - 1..).unwrap_or_default();
            history.coverage.gaps.extend(given_up(scope, unasked, seen == 0, &error));
            break;
        }
        history.coverage.gaps.push(look(scope, Some(ask.name)).gap(error, ask.period));
    }
    history.normalise();
    history
}

/// What is to be asked for, and what AWS no longer has.
fn plan(scope: &Scope, question: Question<'_>, names: &[&'static str]) -> (Vec<Ask>, Vec<HistoryGap>) {
    let floor = question.asked - KEPT;
    let mut asks = Vec::new();
    let mut forgotten: BTreeMap<Period, Vec<&str>> = BTreeMap::new();
    for name in names {
        let (old, kept) = split(look(scope, Some(name)).missing(&question), floor);
        for part in old {
            forgotten.entry(part).or_default().push(name);
        }
        let begin = question.period.from.max(floor);
        let parts = kept.into_iter().map(|part| Period {
            from: (part.from - LATE).max(begin),
            // Nobody can look at what has not happened yet.
            to: part.to.min(question.asked),
        });
        asks.extend(parts.filter(|part| part.from < part.to).map(|period| Ask { name, period }));
    }
    let gaps = forgotten.into_iter().flat_map(|(part, of)| {
        let subjects = if of.len() == names.len() { vec![None] } else { of.into_iter().map(Some).collect() };
        subjects.into_iter().map(move |subject| {
            let message = "CloudTrail keeps event history for 90 days; for what is older, give the archive of a trail, \
                           a table of Athena, or a file of events";
            look(scope, subject).gap(unseen(LOOKUP_EVENTS, EXPIRED, message), part)
        })
    });
    (asks, gaps.collect())
}

fn look<'a>(scope: &'a Scope, subject: Option<&'a str>) -> Look<'a> {
    Look { scope, source: HistorySource::LookupEvents, subject }
}

async fn ask_for(scope: &Scope, client: &Client, ask: Ask) -> crate::collect::Listed<Found> {
    let by_name = &LookupAttribute::builder()
        .attribute_key(LookupAttributeKey::EventName)
        .attribute_value(ask.name)
        .build()
        .map_err(|error| CallError::malformed(LOOKUP_EVENTS, error.to_string()));
    // Both ends are whole seconds and inclusive; what lies outside of the period is left out afterwards.
    let (from, to) = (sdk_time(ask.period.from), sdk_time(ask.period.to));
    all_pages(LOOKUP_EVENTS, |token| async move {
        let by_name = by_name.clone()?;
        let ask = || {
            client
                .lookup_events()
                .lookup_attributes(by_name.clone())
                .start_time(from)
                .end_time(to)
                .max_results(PER_PAGE)
                .set_next_token(token.clone())
                .send()
        };
        let page = scope.call(LOOKUP_EVENTS, ask).await?;
        Ok((page.events.unwrap_or_default(), page.next_token))
    })
    .await
}

/// Adds an event, if it is one that is read.
fn read(scope: &Scope, ask: Ask, found: &Found, history: &mut History) {
    // Services share names of events: Launch Wizard creates deployments too.
    if found.event_source().is_some_and(|source| !is_wanted(source, ask.name)) {
        return;
    }
    match found.cloud_trail_event().unwrap_or_default() {
        "" => Err("it comes without its record".to_owned()),
        record => Event::from_json(record.as_bytes()).map_err(|error| error.to_string()),
    }
    .map_or_else(
        |problem| {
            let id = found.event_id().unwrap_or("without an id");
            let error =
                CallError::malformed(LOOKUP_EVENTS, format!("event {id} of {} cannot be read: {problem}", ask.name));
            let at = found.event_time().and_then(moment);
            let period = at.map_or(ask.period, |at| Period { from: at, to: at + Duration::SECOND });
            history.coverage.gaps.push(look(scope, Some(ask.name)).gap(error, period));
        },
        |event| {
            if ask.period.contains(event.time) && is_wanted(&event.source, &event.name) {
                history.events.push(event);
            }
        },
    );
}

/// Whether asking for another name would end the same way.
fn is_final(cause: &GapCause) -> bool {
    matches!(cause, GapCause::AccessDenied { .. } | GapCause::RoleNotAssumed { .. } | GapCause::Unsupported { .. })
}

/// Gaps for what is not asked for any more: one, if nothing was seen at all.
fn given_up(scope: &Scope, unasked: &[Ask], all: bool, error: &CallError) -> Vec<HistoryGap> {
    if !all {
        return unasked.iter().map(|ask| look(scope, Some(ask.name)).gap(error.clone(), ask.period)).collect();
    }
    let from = unasked.iter().map(|ask| ask.period.from).min();
    let to = unasked.iter().map(|ask| ask.period.to).max();
    let period = from.zip(to).map(|(from, to)| Period { from, to });
    period.map(|period| look(scope, None).gap(error.clone(), period)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};
    use time::OffsetDateTime;
    use time::macros::datetime;

    use super::*;
    use crate::collect::test_support::{Answer, Answers, endpoint};

    const NOW: OffsetDateTime = datetime!(2026-06-30 00:00 UTC);
    const NAMES: &[&str] = &["CreateDeployment", "PutApprovalResult", "StopLogging"];

    fn found(source: &str, name: &str, id: &str, time: OffsetDateTime) -> Value {
        let text = time.format(&time::format_description::well_known::Rfc3339).unwrap();
        let record = json!({"eventID": id, "eventTime": text, "eventSource": source, "eventName": name,
            "awsRegion": "eu-west-1", "recipientAccountId": "111122223333",
            "userIdentity": {"type": "IAMUser", "userName": "carol", "accountId": "111122223333"}});
        json!({"EventId": id, "EventName": name, "EventSource": source, "EventTime": time.unix_timestamp(),
            "CloudTrailEvent": record.to_string()})
    }

    fn name_of(input: &Value) -> String {
        input["LookupAttributes"][0]["AttributeValue"].as_str().unwrap().to_owned()
    }

    static NOTHING: std::sync::LazyLock<History> = std::sync::LazyLock::new(History::default);

    fn question(known: &HistoryCoverage) -> Question<'_> {
        let period = Period { from: datetime!(2026-06-01 0:00 UTC), to: NOW };
        Question { period, resources: &[], known, so_far: &NOTHING, asked: NOW }
    }

    fn two_pages() -> Answers {
        Arc::new(|operation, input| {
            assert_eq!(operation, "LookupEvents");
            assert_eq!(input["MaxResults"], 50);
            let at = datetime!(2026-06-10 10:00 UTC);
            Answer::Json(match (name_of(input).as_str(), input["NextToken"].as_str()) {
                ("CreateDeployment", None) => json!({"NextToken": "2", "Events": [
                    found("codedeploy.amazonaws.com", "CreateDeployment", "a", at),
                    found("launchwizard.amazonaws.com", "CreateDeployment", "foreign", at),
                    found("codedeploy.amazonaws.com", "CreateDeployment", "too early", datetime!(2026-05-31 23:59:59 UTC)),
                    {"EventId": "torn", "EventSource": "codedeploy.amazonaws.com", "CloudTrailEvent": "{\"eventID\":"},
                ]}),
                ("CreateDeployment", Some("2")) => {
                    json!({"Events": [found("codedeploy.amazonaws.com", "CreateDeployment", "b", at), {
                        "EventId": "bare", "EventSource": "codedeploy.amazonaws.com"}]})
                }
                _ => json!({}),
            })
        })
    }

    #[tokio::test]
    async fn every_page_of_every_name_is_read_and_what_cannot_be_read_is_named() {
        let endpoint = endpoint(two_pages(), &[]).await;
        let known = HistoryCoverage::default();
        let history = look_up(&endpoint.scope, question(&known), NAMES).await;
        assert_eq!(history.events.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(history.coverage.spans.len(), 3);
        let gaps: Vec<String> = history.coverage.gaps.iter().map(|gap| gap.gap.sentence()).collect();
        assert_eq!(gaps.len(), 2, "{gaps:?}");
        assert!(gaps.iter().any(|gap| gap.contains("event torn of CreateDeployment")), "{gaps:?}");
        assert!(gaps.iter().any(|gap| gap.contains("event bare")), "{gaps:?}");
        assert_eq!(endpoint.calls().len(), 4);
    }

    #[tokio::test]
    async fn what_is_known_is_not_asked_for_again_but_for_the_late() {
        let asked: Arc<std::sync::Mutex<Vec<(String, i64)>>> = Arc::default();
        let log = Arc::clone(&asked);
        let answers: Answers = Arc::new(move |_, input| {
            log.lock().unwrap().push((name_of(input), input["StartTime"].as_i64().unwrap()));
            Answer::Json(json!({}))
        });
        let endpoint = endpoint(answers, &[]).await;
        let first = look_up(&endpoint.scope, question(&HistoryCoverage::default()), NAMES).await;
        let mut known = first.coverage;
        known.spans.retain(|span| span.subject.as_deref() != Some("StopLogging"));
        asked.lock().unwrap().clear();
        let second = look_up(&endpoint.scope, question(&known), NAMES).await;
        assert_eq!(
            *asked.lock().unwrap(),
            [("StopLogging".to_owned(), datetime!(2026-06-01 0:00 UTC).unix_timestamp())]
        );
        known.absorb(second.coverage);
        known.normalise();
        asked.lock().unwrap().clear();
        let later = Period { from: datetime!(2026-06-01 0:00 UTC), to: datetime!(2026-06-30 12:00 UTC) };
        let asked_at = datetime!(2026-06-30 06:00 UTC);
        let question = Question { period: later, asked: asked_at, ..question(&known) };
        let third = look_up(&endpoint.scope, question, NAMES).await;
        let from: Vec<i64> = asked.lock().unwrap().iter().map(|(_, from)| *from).collect();
        assert_eq!(from, vec![datetime!(2026-06-29 23:45 UTC).unix_timestamp(); 3]);
        // Nobody has looked at what has not happened yet.
        assert!(third.coverage.spans.iter().all(|span| span.to == asked_at));
    }

    #[tokio::test]
    async fn where_nothing_is_delivered_only_global_services_are_asked_about() {
        let asked: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&asked);
        let answers: Answers = Arc::new(move |_, input| {
            log.lock().unwrap().push(name_of(input));
            Answer::Json(json!({}))
        });
        let clean = endpoint(answers, &[]).await;
        let known = HistoryCoverage::default();
        let history = LookupEvents.collect_global(&clean.scope, question(&known)).await;
        let asked = asked.lock().unwrap().clone();
        assert!(asked.iter().any(|name| name == "PutRolePolicy") && asked.iter().all(|name| is_global(name)));
        assert_eq!(history.coverage.spans.len(), asked.len());
        let denied = endpoint(two_pages(), &[LOOKUP_EVENTS]).await;
        let gaps = LookupEvents.collect_global(&denied.scope, question(&known)).await.coverage.gaps;
        assert_eq!(gaps.len(), asked.len());
        assert!(gaps.iter().all(|gap| gap.subject.as_deref().is_some_and(is_global)), "{gaps:?}");
    }

    #[tokio::test]
    async fn a_refused_first_call_is_one_gap_and_the_last_call() {
        let endpoint = endpoint(two_pages(), &[LOOKUP_EVENTS]).await;
        let history = look_up(&endpoint.scope, question(&HistoryCoverage::default()), NAMES).await;
        assert_eq!(endpoint.calls().len(), 1);
        let [gap] = history.coverage.gaps.as_slice() else { panic!("{:?}", history.coverage.gaps) };
        assert_eq!((gap.subject.as_ref(), gap.gap.cause.word()), (None, "denied"));
        assert_eq!((gap.from, gap.to), (Some(datetime!(2026-06-01 0:00 UTC)), Some(NOW)));
        assert!(history.coverage.spans.is_empty());
    }

    #[tokio::test]
    async fn what_succeeded_before_a_refusal_stays_known() {
        let answers: Answers = Arc::new(|_, input| match name_of(input).as_str() {
            "CreateDeployment" => Answer::Json(json!({})),
            _ => Answer::Error(403, "AccessDeniedException"),
        });
        let endpoint = endpoint(answers, &[]).await;
        let history = look_up(&endpoint.scope, question(&HistoryCoverage::default()), NAMES).await;
        let subjects = |subjects: Vec<Option<&String>>| subjects.into_iter().flatten().cloned().collect::<Vec<_>>();
        let spans = subjects(history.coverage.spans.iter().map(|span| span.subject.as_ref()).collect());
        let gaps = subjects(history.coverage.gaps.iter().map(|gap| gap.subject.as_ref()).collect());
        assert_eq!(
            (spans, gaps),
            (vec!["CreateDeployment".to_owned()], vec!["PutApprovalResult".to_owned(), "StopLogging".to_owned()])
        );
    }

    #[tokio::test]
    async fn one_name_that_fails_leaves_a_gap_and_the_others_spans() {
        let answers: Answers = Arc::new(|_, input| match name_of(input).as_str() {
            "PutApprovalResult" => Answer::Error(400, "InvalidTimeRangeException"),
            _ => Answer::Json(json!({})),
        });
        let endpoint = endpoint(answers, &[]).await;
        let history = look_up(&endpoint.scope, question(&HistoryCoverage::default()), NAMES).await;
        assert_eq!(history.coverage.spans.len(), 2);
        let [gap] = history.coverage.gaps.as_slice() else { panic!("{:?}", history.coverage.gaps) };
        assert_eq!(gap.subject.as_deref(), Some("PutApprovalResult"));
    }

    #[tokio::test]
    async fn what_aws_has_forgotten_is_a_gap_unless_it_is_known() {
        let endpoint = endpoint(Arc::new(|_, _| Answer::Json(json!({}))), &[]).await;
        let period = Period { from: datetime!(2026-03-01 0:00 UTC), to: NOW };
        let mut known = HistoryCoverage::default();
        let history = look_up(&endpoint.scope, Question { period, ..question(&known) }, NAMES).await;
        let floor = datetime!(2026-04-01 0:00 UTC);
        let [gap] = history.coverage.gaps.as_slice() else { panic!("{:?}", history.coverage.gaps) };
        assert_eq!((gap.from, gap.to, gap.subject.as_ref()), (Some(period.from), Some(floor), None));
        assert!(gap.gap.sentence().contains("90 days"));
        assert!(history.coverage.spans.iter().all(|span| span.from == floor));
        // The store remembers what AWS does not.
        let mut spans = history.coverage.spans;
        for span in &mut spans {
            span.from = period.from;
        }
        known.spans = spans;
        let history = look_up(&endpoint.scope, Question { period, ..question(&known) }, NAMES).await;
        assert_eq!(history.coverage, HistoryCoverage::default());
    }

    #[test]
    fn names_are_asked_for_once() {
        let names = names();
        assert!(names.windows(2).all(|two| two[0] < two[1]));
        assert!(names.contains(&"CreateConnection") && names.len() > 80, "{}", names.len());
    }
}
