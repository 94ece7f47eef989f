//! Statements, and queries against a loopback endpoint.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

use super::sql::{EVENT_COLUMNS, Source};
use super::*;
use crate::collect::test_support::{Answer, Answers, endpoint};
use crate::history::{EVENTS, HistorySource};

const FROM: OffsetDateTime = datetime!(2026-06-01 0:00 UTC);
const TO: OffsetDateTime = datetime!(2026-06-29 0:00 UTC);

fn table() -> AthenaTable {
    AthenaTable {
        catalog: None,
        database: "logs".to_owned(),
        table: "cloudtrail".to_owned(),
        workgroup: Some("audit".to_owned()),
        output_location: Some("s3://results/".to_owned()),
        partitions: PartitionColumns::projected(),
        proves_coverage: true,
    }
}

fn selection(accounts: &[&str], regions: &[&str]) -> TableSelection {
    TableSelection {
        accounts: accounts.iter().map(|id| id.parse().unwrap()).collect(),
        regions: regions.iter().map(|name| name.parse().unwrap()).collect(),
        period: Period { from: FROM, to: TO },
    }
}

#[test]
fn the_statement_names_every_event_and_only_the_partitions_that_can_hold_it() {
    let wanted = selection(&["111122223333", "444455556666"], &["eu-west-1"]);
    let sql = Source::table(&table(), &wanted).events(&wanted);
    assert!(sql.starts_with("SELECT eventid, eventtime, "), "{sql}");
    for part in [
        "json_format(CAST(useridentity AS JSON)) AS useridentity",
        " FROM \"logs\".\"cloudtrail\" WHERE ",
        "\"account\" IN ('111122223333', '444455556666') AND \"region\" IN ('eu-west-1')",
        "\"timestamp\" BETWEEN '2026/06/01' AND '2026/06/30'",
        "eventtime >= '2026-06-01T00:00:00Z' AND eventtime < '2026-06-29T00:00:00Z'",
        "(eventsource = 'codeconnections.amazonaws.com' AND eventname IN ('CreateConnection', 'DeleteConnection'))",
    ] {
        assert!(sql.contains(part), "{part}: {sql}");
    }
    for event in EVENTS {
        assert!(sql.contains(&format!("'{}'", event.name)) && sql.contains(&format!("'{}'", event.source)));
    }
    // Athena takes statements of 256 KiB.
    assert!(sql.len() < 16 * 1024);
}

#[test]
fn a_table_without_partitions_is_asked_by_its_columns() {
    let plain = AthenaTable { partitions: PartitionColumns::default(), ..table() };
    let wanted = selection(&["111122223333"], &[]);
    let sql = Source::table(&plain, &wanted).presence(&wanted);
    assert!(sql.contains("recipientaccountid IN ('111122223333') AND eventtime >="), "{sql}");
    assert!(!sql.contains("timestamp") && !sql.contains("awsregion IN"), "{sql}");
    assert!(sql.contains("array_agg(DISTINCT substr(eventtime, 1, 10))"), "{sql}");
    let by_day = PartitionColumns {
        day: Some("dt".to_owned()),
        day_separator: DaySeparator::Hyphen,
        ..PartitionColumns::default()
    };
    let sql = Source::table(&AthenaTable { partitions: by_day, ..table() }, &wanted).events(&wanted);
    assert!(sql.contains("\"dt\" BETWEEN '2026-06-01' AND '2026-06-30'"), "{sql}");
}

#[test]
fn nothing_gets_out_of_its_quotes() {
    assert_eq!(super::sql::literal("it's"), "'it''s'");
    let evil = AthenaTable { table: "t\" WHERE 1=1 --".to_owned(), ..table() };
    let wanted = selection(&[], &[]);
    let sql = Source::table(&evil, &wanted).events(&wanted);
    assert!(sql.contains("FROM \"logs\".\"t\"\" WHERE 1=1 --\" WHERE"), "{sql}");
    assert_eq!(EventDataStore::named("a; DROP TABLE x", true), None);
    let id = "0123abcd-4567-89ab-cdef-0123456789ab";
    let arn = format!("arn:aws:cloudtrail:eu-west-1:111122223333:eventdatastore/{id}");
    assert_eq!(EventDataStore::named(&arn, true), EventDataStore::named(id, true));
    assert!(EventDataStore::named(id, true).is_some());
}

fn cells(id: &str, identity: &str) -> Vec<Value> {
    let of = |column: &&str| match *column {
        "eventid" => json!(id),
        "eventtime" => json!("2026-06-10T10:55:03Z"),
        "eventsource" => json!("codepipeline.amazonaws.com"),
        "eventname" => json!("PutApprovalResult"),
        "awsregion" => json!("eu-west-1"),
        "recipientaccountid" => json!("111122223333"),
        "useridentity" => json!(identity),
        "readonly" => json!("false"),
        "requestparameters" => json!(r#"{"pipelineName":"web","result":{"status":"Approved","summary":""}}"#),
        _ => Value::Null,
    };
    EVENT_COLUMNS.iter().map(of).collect()
}

const CAROL: &str = r#"{"type":"IAMUser","username":"carol","accountid":"111122223333","invokedby":null}"#;

fn rows(rows: &[Vec<Value>], columns: &[&str]) -> Value {
    let row = |cells: &Vec<Value>| {
        let data: Vec<Value> =
            cells.iter().map(|text| if text.is_null() { json!({}) } else { json!({"VarCharValue": text}) }).collect();
        json!({"Data": data})
    };
    let columns: Vec<Value> = columns.iter().map(|name| json!({"Name": name, "Type": "varchar"})).collect();
    let rows: Vec<Value> = rows.iter().map(row).collect();
    json!({"Rows": rows, "ResultSetMetadata": {"ColumnInfo": columns}})
}

fn header(columns: &[&str]) -> Vec<Value> {
    columns.iter().map(|name| json!(name)).collect()
}

const PRESENCE: &[&str] = &["recipientaccountid", "awsregion", "first", "last", "days"];

/// Days of June.
fn days(first: u8, last: u8, silent: &[u8]) -> String {
    let days = (first..=last).filter(|day| !silent.contains(day)).map(|day| format!("2026-06-{day:02}"));
    days.collect::<Vec<_>>().join(",")
}

fn presence(first: &str, last: &str) -> Value {
    let day = |time: &str| time.get(8..10).unwrap().parse().unwrap();
    present(first, last, &days(day(first), day(last), &[]))
}

fn present(first: &str, last: &str, days: &str) -> Value {
    let row = ["111122223333", "eu-west-1", first, last, days].map(|text| json!(text)).to_vec();
    rows(&[header(PRESENCE), row], PRESENCE)
}

/// Athena with two pages of events: a query is told by its statement, and takes two looks.
fn athena(presence: Value, identity: &'static str) -> Answers {
    let looks: Arc<Mutex<u32>> = Arc::default();
    Arc::new(move |operation, input| {
        Answer::Json(match operation {
            "StartQueryExecution" => {
                assert_eq!(input["WorkGroup"], "audit");
                assert_eq!(input["QueryExecutionContext"]["Database"], "logs");
                assert_eq!(input["ResultConfiguration"]["OutputLocation"], "s3://results/");
                let counts = input["QueryString"].as_str().unwrap().contains("GROUP BY");
                json!({"QueryExecutionId": if counts { "presence" } else { "events" }})
            }
            "GetQueryExecution" => {
                let mut looks = looks.lock().unwrap();
                *looks += 1;
                let state = if *looks == 1 { "RUNNING" } else { "SUCCEEDED" };
                json!({"QueryExecution": {"Status": {"State": state}, "Statistics": {"DataScannedInBytes": 500}}})
            }
            "GetQueryResults" if input["QueryExecutionId"] == "presence" => json!({"ResultSet": presence.clone()}),
            "GetQueryResults" if input["NextToken"].is_null() => {
                let page = rows(&[header(EVENT_COLUMNS), cells("a", identity)], EVENT_COLUMNS);
                json!({"ResultSet": page, "NextToken": "2"})
            }
            _ => {
                let mut torn = cells("torn", identity);
                torn[1] = json!("yesterday");
                json!({"ResultSet": rows(&[cells("b", identity), torn], EVENT_COLUMNS)})
            }
        })
    })
}

#[tokio::test]
async fn every_page_is_read_and_the_scanned_bytes_are_counted() {
    let endpoint = endpoint(athena(presence("2026-06-01T00:03:00Z", "2026-06-28T23:50:00Z"), CAROL), &[]).await;
    let answer = query_athena(&endpoint.scope, &table(), &selection(&["111122223333"], &["eu-west-1"])).await;
    let history = answer.history;
    assert_eq!(history.events.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(history.events[0].principal.person().as_deref(), Some("111122223333/carol"));
    assert_eq!(history.events[0].request.text(&["result", "status"]).as_deref(), Some("Approved"));
    assert_eq!((answer.bytes_scanned, answer.queries.len()), (1000, 2));
    let [span] = history.coverage.spans.as_slice() else { panic!("{:?}", history.coverage) };
    assert_eq!((span.source, span.from, span.to), (HistorySource::Athena, FROM, TO));
    let [gap] = history.coverage.gaps.as_slice() else { panic!("{:?}", history.coverage.gaps) };
    assert!(gap.gap.sentence().contains("event torn cannot be read"), "{}", gap.gap.sentence());
    assert_eq!(gap.subject.as_deref(), Some("logs.cloudtrail"));
}

#[tokio::test]
async fn an_account_that_the_table_does_not_hold_is_a_gap_and_no_silence() {
    let endpoint = endpoint(athena(presence("2026-06-05T00:00:00Z", "2026-06-20T00:00:00Z"), CAROL), &[]).await;
    let wanted = selection(&["111122223333", "444455556666"], &["eu-west-1"]);
    let coverage = query_athena(&endpoint.scope, &table(), &wanted).await.history.coverage;
    let [span] = coverage.spans.as_slice() else { panic!("{coverage:?}") };
    assert_eq!((span.from, span.to), (datetime!(2026-06-05 0:00 UTC), datetime!(2026-06-20 0:00:01 UTC)));
    let holes: Vec<(String, Option<OffsetDateTime>)> = coverage
        .gaps
        .iter()
        .filter(|gap| gap.gap.sentence().contains("holds no event"))
        .map(|gap| (gap.gap.account.to_string(), gap.from))
        .collect();
    assert_eq!(holes.len(), 3, "{holes:?}");
    assert!(holes.contains(&("444455556666".to_owned(), Some(FROM))), "{holes:?}");
    assert!(holes.contains(&("111122223333".to_owned(), Some(span.to))), "{holes:?}");
    // Who does not want to pay for the proof gets spans for what was asked.
    let cheap = AthenaTable { proves_coverage: false, ..table() };
    let answer = query_athena(&endpoint.scope, &cheap, &wanted).await;
    assert_eq!((answer.history.coverage.spans.len(), answer.queries.len()), (2, 1));
}

#[tokio::test]
async fn a_day_without_any_event_between_others_is_a_gap_and_no_silence() {
    let told = present("2026-06-01T00:03:00Z", "2026-06-28T23:50:00Z", &days(1, 28, &[10, 11, 20]));
    let endpoint = endpoint(athena(told, CAROL), &[]).await;
    let wanted = selection(&["111122223333"], &["eu-west-1"]);
    let coverage = query_athena(&endpoint.scope, &table(), &wanted).await.history.coverage;
    let spans: Vec<_> = coverage.spans.iter().map(|span| (span.from, span.to)).collect();
    let day = |day: u8| FROM.replace_day(day).unwrap();
    assert_eq!(spans, [(FROM, day(10)), (day(12), day(20)), (day(21), TO)]);
    let silent = coverage.gaps.iter().filter(|gap| gap.gap.sentence().contains("holds no event"));
    let holes: Vec<_> = silent.map(|gap| (gap.from, gap.to)).collect();
    assert_eq!(holes, [(Some(day(10)), Some(day(12))), (Some(day(20)), Some(day(21)))]);
}

#[tokio::test]
async fn days_that_cannot_be_read_prove_nothing() {
    let told = present("2026-06-01T00:03:00Z", "2026-06-28T23:50:00Z", "2026-06-01,soon");
    let endpoint = endpoint(athena(told, CAROL), &[]).await;
    let wanted = selection(&["111122223333"], &["eu-west-1"]);
    let coverage = query_athena(&endpoint.scope, &table(), &wanted).await.history.coverage;
    assert!(coverage.spans.is_empty(), "{:?}", coverage.spans);
    assert!(coverage.gaps.iter().any(|gap| gap.gap.sentence().contains("holds no event")));
}

#[tokio::test]
async fn identities_without_names_are_said_and_not_silently_nobody() {
    let endpoint =
        endpoint(athena(presence("2026-06-01T00:03:00Z", "2026-06-28T23:50:00Z"), r#"["IAMUser","x"]"#), &[]).await;
    let answer = query_athena(&endpoint.scope, &table(), &selection(&[], &[])).await;
    assert_eq!(answer.history.events.len(), 2);
    assert!(answer.history.coverage.gaps.iter().any(|gap| gap.gap.sentence().contains("version 3 of Athena's engine")));
}

#[tokio::test]
async fn a_query_that_fails_is_a_gap_in_athenas_words_with_what_to_do() {
    let reasons = [
        ("CANCELLED", "Query cancelled! : Bytes scanned limit was exceeded", "raise the workgroup's limit"),
        ("FAILED", "TABLE_NOT_FOUND: line 1:8: Table 'x' does not exist", "check catalog, database and table"),
        ("FAILED", "something new", "something new"),
    ];
    for (state, reason, expected) in reasons {
        let answers: Answers = Arc::new(move |operation, _| {
            Answer::Json(match operation {
                "StartQueryExecution" => json!({"QueryExecutionId": "q"}),
                _ => json!({"QueryExecution": {"Status": {"State": state, "StateChangeReason": reason}}}),
            })
        });
        let endpoint = endpoint(answers, &[]).await;
        let answer = query_athena(&endpoint.scope, &table(), &selection(&[], &[])).await;
        assert!(answer.history.coverage.spans.is_empty());
        let sentence = answer.history.coverage.gaps[0].gap.sentence();
        assert!(sentence.contains(reason) && sentence.contains(expected) && sentence.contains(state), "{sentence}");
    }
}

#[tokio::test]
async fn every_refused_action_is_a_gap_that_names_it() {
    for action in ATHENA_ACTIONS {
        let answers = athena(presence("2026-06-01T00:03:00Z", "2026-06-28T23:50:00Z"), CAROL);
        let endpoint = endpoint(answers, &[action]).await;
        let history = query_athena(&endpoint.scope, &table(), &selection(&[], &[])).await.history;
        assert!(history.coverage.spans.is_empty());
        assert!(history.coverage.gaps.iter().any(|gap| gap.gap.action == *action), "{:?}", history.coverage.gaps);
    }
}

fn lake() -> Answers {
    Arc::new(|operation, input| {
        let row = |cells: Vec<Value>, columns: &[&str]| -> Value {
            let cells = columns.iter().zip(cells).filter(|(_, text)| !text.is_null());
            cells.map(|(name, text)| json!({*name: text})).collect()
        };
        Answer::Json(match operation {
            "StartQuery" => {
                let sql = input["QueryStatement"].as_str().unwrap();
                assert!(sql.contains("FROM 0123abcd-4567-89ab-cdef-0123456789ab WHERE"), "{sql}");
                assert!(sql.contains("eventtime >= '2026-06-01 00:00:00'"), "{sql}");
                json!({"QueryId": if sql.contains("GROUP BY") { "presence" } else { "events" }})
            }
            "DescribeQuery" => json!({"QueryStatus": "FINISHED", "QueryStatistics": {"BytesScanned": 70}}),
            _ if input["QueryId"] == "presence" => {
                let days = days(1, 28, &[]);
                let (first, last) = ("2026-06-01 00:03:00.000", "2026-06-28 23:50:00.000");
                let cells = ["111122223333", "eu-west-1", first, last, days.as_str()];
                json!({"QueryStatus": "FINISHED", "QueryResultRows": [row(cells.map(|text| json!(text)).to_vec(), PRESENCE)]})
            }
            _ => {
                let mut cells = cells(
                    "a",
                    r#"{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/R/alice","invokedby":null,"sessioncontext.sessionissuer.arn":"arn:aws:iam::111122223333:role/R"}"#,
                );
                cells[1] = json!("2026-06-10 10:55:03.000");
                cells[9] = json!("null");
                cells[12] = json!(r#"{"pipelineName":"web","result":"{\"status\":\"Approved\"}"}"#);
                json!({"QueryStatus": "FINISHED", "QueryResultRows": [row(cells, EVENT_COLUMNS)]})
            }
        })
    })
}

#[tokio::test]
async fn lake_answers_the_same_question() {
    let clean = endpoint(lake(), &[]).await;
    let store = EventDataStore::named("0123abcd-4567-89ab-cdef-0123456789ab", true).unwrap();
    let answer = query_lake(&clean.scope, &store, &selection(&["111122223333"], &["eu-west-1"])).await;
    let [event] = answer.history.events.as_slice() else { panic!("{:?}", answer.history) };
    assert_eq!(event.time, datetime!(2026-06-10 10:55:03 UTC));
    assert_eq!((event.principal.person().as_deref(), event.error_code.as_ref()), (Some("alice"), None));
    assert_eq!(event.principal.role.as_deref(), Some("arn:aws:iam::111122223333:role/R"));
    assert_eq!(event.request.text(&["result", "status"]).as_deref(), Some("Approved"));
    assert_eq!((answer.bytes_scanned, answer.history.coverage.spans.len()), (140, 1));
    assert!(answer.history.coverage.gaps.is_empty(), "{:?}", answer.history.coverage.gaps);
    for action in CLOUD_TRAIL_LAKE_ACTIONS {
        let denied = endpoint(lake(), &[action]).await;
        let history = query_lake(&denied.scope, &store, &selection(&[], &[])).await.history;
        assert!(history.coverage.gaps.iter().any(|gap| gap.gap.action == *action));
    }
}
