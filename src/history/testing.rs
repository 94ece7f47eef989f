//! A loopback endpoint for sources: what they are asked, what they bring, and what a refusal leaves.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

use super::{AccountHistory, History, HistoryCoverage, Period, Question};
use crate::collect::git_hosts::{HostEntry, Secrets, SourceHosts};
use crate::collect::test_support::{ACCOUNT, Answers, REGION, endpoint};
use crate::collect::{CallGate, Concurrency, Scope};
use crate::inventory::{Partition, Resource, TypeName};

pub(super) const FROM: OffsetDateTime = datetime!(2026-06-01 0:00 UTC);
pub(super) const TO: OffsetDateTime = datetime!(2026-06-29 0:00 UTC);

/// A day of June 2026.
pub(super) fn day(day: u8) -> OffsetDateTime {
    FROM.replace_day(day).unwrap()
}

/// A time as AWS writes it.
pub(super) fn epoch(at: OffsetDateTime) -> Value {
    json!(at.unix_timestamp())
}

/// A full id of a commit.
pub(super) fn sha(n: u32) -> String {
    format!("{n:040x}")
}

pub(super) fn resource(type_name: TypeName, uid: &str, properties: Value) -> Resource {
    let mut resource = Resource::live(type_name, uid.to_owned(), ACCOUNT.parse().unwrap(), REGION.parse().unwrap());
    let Value::Object(properties) = properties else { panic!("{properties}") };
    resource.properties = properties;
    resource
}

/// What a source is asked.
pub(super) struct Asked {
    pub(super) period: Period,
    pub(super) resources: Vec<Resource>,
    pub(super) known: HistoryCoverage,
    pub(super) so_far: History,
}

impl Asked {
    pub(super) fn of(resources: Vec<Resource>) -> Self {
        let (known, so_far) = (HistoryCoverage::default(), History::default());
        Self { period: Period { from: FROM, to: TO }, resources, known, so_far }
    }

    pub(super) fn question(&self) -> Question<'_> {
        let Self { period, resources, known, so_far } = self;
        Question { period: *period, resources, known, so_far, asked: TO }
    }
}

/// Collects once, with the operations that were called.
pub(super) async fn collect(
    source: &dyn AccountHistory,
    asked: &Asked,
    answers: Answers,
    denied: &[&'static str],
) -> (History, Vec<String>) {
    let endpoint = endpoint(answers, denied).await;
    let mut history = source.collect(&endpoint.scope, asked.question()).await;
    history.normalise();
    (history, endpoint.calls())
}

/// Collects with nothing refused, which must leave no gap, bring a span and call exactly what is declared; and once with
/// each action refused, which must leave a gap of that action, with its place.
pub(super) async fn every_refusal_leaves_a_gap(
    source: &dyn AccountHistory,
    asked: &Asked,
    answers: Answers,
) -> History {
    let (clean, calls) = collect(source, asked, Arc::clone(&answers), &[]).await;
    assert_eq!(clean.coverage.gaps, [], "nothing was refused");
    assert!(clean.coverage.spans.iter().any(|span| span.source == source.source()));
    let declared: BTreeSet<&str> = source.actions().iter().map(|action| action.split_once(':').unwrap().1).collect();
    let called: BTreeSet<&str> = calls.iter().map(String::as_str).collect();
    assert_eq!(called, declared, "declared is what is called");
    for action in source.actions() {
        let (refused, _) = collect(source, asked, Arc::clone(&answers), &[*action]).await;
        let gap = refused.coverage.gaps.iter().find(|gap| gap.gap.action == *action);
        let gap = gap.unwrap_or_else(|| panic!("{action} refused, but the gaps are {:?}", refused.coverage.gaps));
        assert_eq!((gap.gap.account.as_str(), gap.gap.region.as_str()), (ACCOUNT, REGION));
        assert_eq!(gap.gap.cause.word(), "denied");
        assert!(gap.from.unwrap() < gap.to.unwrap(), "{gap:?}");
    }
    clean
}

/// What a simulated host answers to a path with its query.
pub(super) type HostAnswers = Arc<dyn Fn(&str) -> (u16, Value) + Send + Sync>;

/// A scope that may ask one host, `github.com` or `gitlab.com`, and the paths that are asked for.
pub(super) async fn host(name: &str, answers: HostAnswers) -> (Scope, Arc<Mutex<Vec<String>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (answers, log) = (Arc::clone(&answers), Arc::clone(&log));
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    assert_eq!(request.headers()["authorization"], "Bearer not-a-token");
                    let path = request.uri().path_and_query().unwrap().to_string();
                    log.lock().unwrap().push(path.clone());
                    let (status, body) = answers(&path);
                    let body = Full::new(Bytes::from(body.to_string()));
                    let response = Response::builder().status(status).body(body).unwrap();
                    async move { Ok::<_, Infallible>(response) }
                });
                // The client closing its connection is the normal end.
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    let variable = |_: &str| Some("not-a-token".to_owned());
    let file = |_: &std::path::Path| Ok(Vec::new());
    let hosts =
        SourceHosts::open(&[HostEntry::with_token(name, &url)], &Secrets { variable: &variable, file: &file }).unwrap();
    (scope(hosts), asked)
}

/// A scope with these hosts, in which nothing of AWS can be asked.
pub(super) fn scope(hosts: SourceHosts) -> Scope {
    let config = aws_types::SdkConfig::builder().build();
    let gate = CallGate::new(Concurrency::default()).with_hosts(hosts);
    Scope::new(ACCOUNT.parse().unwrap(), Partition::Aws, REGION.parse().unwrap(), &config, gate)
}
