//! A loopback endpoint that answers what a test tells it to, in each service's own protocol.
//!
//! In: answers per operation (JSON, or XML for S3). Out: a [`Scope`] to collect from, and the calls that were made.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::{CallGate, Collected, Collector, Concurrency, Scope};
use crate::inventory::{Partition, Reference, TypeName};

/// The account of every test.
pub(crate) const ACCOUNT: &str = "111122223333";
/// The Region of every test's scope.
pub(crate) const REGION: &str = "eu-west-1";

/// What an operation answers.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A JSON document, written as CBOR where the client speaks CBOR.
    Json(Value),
    /// S3's XML; empty where S3 answers with headers only.
    Xml(&'static str),
    /// An error code with a status.
    Error(u16, &'static str),
    /// A redirect that names a Region.
    Elsewhere(&'static str),
}

/// Answers for one operation: by the whole request, so that pages and names can be told apart.
pub(crate) type Answers = Arc<dyn Fn(&str, &Value) -> Answer + Send + Sync>;

/// The endpoint.
pub(crate) struct Endpoint {
    pub(crate) scope: Scope,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    /// Operations that were called, in order.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

/// Starts an endpoint; `denied` holds IAM actions that it refuses.
pub(crate) async fn endpoint(answers: Answers, denied: &[&'static str]) -> Endpoint {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let calls = Arc::new(Mutex::new(Vec::new()));
    let denied: Arc<BTreeSet<&'static str>> = Arc::new(denied.iter().copied().collect());
    let log = Arc::clone(&calls);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (answers, denied, log) = (Arc::clone(&answers), Arc::clone(&denied), Arc::clone(&log));
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(request, answers.clone(), denied.clone(), log.clone()));
                // The client closing its connection is the normal end.
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    let config = SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("AKID", "SECRET", None, None, "test")))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .endpoint_url(url)
        .build();
    let gate = CallGate::new(Concurrency::default()).with_pace(1000.0);
    let scope = Scope::new(ACCOUNT.parse().unwrap(), Partition::Aws, REGION.parse().unwrap(), &config, gate);
    Endpoint { scope, calls }
}

/// Answers by operation; an operation without one is unknown to the endpoint.
pub(crate) fn by_operation(answers: &[(&'static str, Answer)]) -> Answers {
    let answers: BTreeMap<&'static str, Answer> = answers.iter().cloned().collect();
    Arc::new(move |operation, _| {
        answers.get(operation).cloned().unwrap_or(Answer::Error(400, "UnknownOperationException"))
    })
}

/// A reference from the test's scope.
pub(crate) fn reference(type_name: TypeName, name: &str) -> Reference {
    let (account, region) = (ACCOUNT.parse().unwrap(), REGION.parse().unwrap());
    Reference { type_name, name: name.to_owned(), account, region }
}

/// Collects once with nothing refused, and once with each of `actions` refused: every refusal must leave a gap that
/// names its action. `replaced` lists actions whose refusal other calls make good, with those.
pub(crate) async fn every_refusal_leaves_a_gap(
    collector: &dyn Collector,
    actions: &[&'static str],
    wanted: &[Reference],
    answers: Answers,
    replaced: &[(&'static str, &'static str)],
) -> Collected {
    let clean = endpoint(Arc::clone(&answers), &[]).await;
    let collected = collector.collect(&clean.scope, wanted).await;
    assert_eq!(gaps(&collected), BTreeSet::new(), "nothing was refused");
    for action in actions {
        let mut denied = vec![*action];
        let by = replaced.iter().find(|(refused, _)| refused == action).map(|(_, by)| *by);
        if let Some(by) = by {
            let made_good = endpoint(Arc::clone(&answers), &denied).await;
            let same = collector.collect(&made_good.scope, wanted).await;
            assert_eq!(same.resources, collected.resources, "{action} is made good by {by}");
            let refused: u64 = made_good.scope.take_coverage().rows().map(|(_, counts)| counts.denied).sum();
            assert!(refused > 0, "the ledger knows that {action} was refused");
            denied.push(by);
        }
        // A call that only stands in for another is made where the other is refused.
        denied.extend(replaced.iter().filter(|(_, by)| by == action).map(|(refused, _)| *refused));
        let endpoint = endpoint(Arc::clone(&answers), &denied).await;
        let found = gaps(&collector.collect(&endpoint.scope, wanted).await);
        let expected = by.unwrap_or(action);
        assert!(found.contains(expected), "{action} refused, but the gaps name only {found:?}");
    }
    collected
}

/// Actions that some gap names.
pub(crate) fn gaps(collected: &Collected) -> BTreeSet<String> {
    let unseen = collected.resources.iter().flat_map(|resource| resource.unseen.values());
    collected.gaps.iter().chain(unseen).map(|gap| gap.action.clone()).collect()
}

async fn answer(
    request: Request<Incoming>,
    answers: Answers,
    denied: Arc<BTreeSet<&'static str>>,
    log: Arc<Mutex<Vec<String>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let target = head.headers.get("x-amz-target").map(|value| value.to_str().unwrap().to_owned());
    let path = head.uri.path().to_owned();
    let (operation, input, protocol) = if let Some(target) = target {
        let operation = target.rsplit('.').next().unwrap().to_owned();
        (operation, serde_json::from_slice(&body).unwrap(), Protocol::Json)
    } else if let Some((_, operation)) = path.split_once("/operation/") {
        let input = ciborium::from_reader::<ciborium::Value, _>(body.as_ref()).unwrap();
        (operation.to_owned(), untagged(input).deserialized().unwrap(), Protocol::Cbor)
    } else if head.headers.get("content-type").is_some_and(|kind| kind == "application/x-www-form-urlencoded") {
        let form = String::from_utf8_lossy(&body).into_owned();
        let mut fields: BTreeMap<&str, &str> = form.split('&').filter_map(|pair| pair.split_once('=')).collect();
        fields.insert("Body", &form);
        (fields["Action"].to_owned(), json!(fields), Protocol::Query)
    } else if head.method == Method::POST && path.len() > 1 {
        (rest_operation(&path), serde_json::from_slice(&body).unwrap_or_default(), Protocol::Json)
    } else {
        let query = head.uri.query().unwrap_or_default();
        (s3_operation(&head.method, query).to_owned(), json!({"Path": path, "Query": query}), Protocol::Xml)
    };
    log.lock().unwrap().push(operation.clone());
    let refused = denied.iter().any(|action| action.ends_with(&format!(":{}", action_of(&operation))));
    let answer = if refused { Answer::Error(403, "AccessDeniedException") } else { answers(&operation, &input) };
    Ok(written(answer, protocol, head.method == Method::HEAD))
}

/// The operation behind a path of one word, as `restJson1` services have them: `/listRules`.
fn rest_operation(path: &str) -> String {
    let word = path.trim_start_matches('/');
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}

#[derive(Clone, Copy, PartialEq)]
enum Protocol {
    Query,
    Json,
    Cbor,
    Xml,
}

fn written(answer: Answer, protocol: Protocol, head: bool) -> Response<Full<Bytes>> {
    let mut response = Response::builder();
    response = match protocol {
        Protocol::Json => response.header("content-type", "application/x-amz-json-1.1"),
        Protocol::Cbor => response.header("content-type", "application/cbor").header("smithy-protocol", "rpc-v2-cbor"),
        Protocol::Xml => response.header("content-type", "application/xml"),
        Protocol::Query => response.header("content-type", "text/xml"),
    };
    let (status, body) = match answer {
        Answer::Json(value) => (200, encoded(&value, protocol)),
        Answer::Xml(text) => (200, text.as_bytes().to_vec()),
        Answer::Elsewhere(region) => {
            response = response.header("x-amz-bucket-region", region);
            (301, Vec::new())
        }
        Answer::Error(status, code) if protocol == Protocol::Query => {
            let error = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
            (status, format!("<ErrorResponse>{error}</ErrorResponse>").into_bytes())
        }
        Answer::Error(status, code) if protocol == Protocol::Xml => {
            (status, format!("<Error><Code>{code}</Code><Message>no</Message></Error>").into_bytes())
        }
        Answer::Error(status, code) => (status, encoded(&json!({"__type": code, "message": "no"}), protocol)),
    };
    let body = if head { Vec::new() } else { body };
    response.status(status).body(Full::new(Bytes::from(body))).unwrap()
}

fn encoded(value: &Value, protocol: Protocol) -> Vec<u8> {
    if protocol != Protocol::Cbor {
        return value.to_string().into_bytes();
    }
    let mut bytes = Vec::new();
    ciborium::into_writer(&cbor(value), &mut bytes).unwrap();
    bytes
}

/// Without tags: a time is its seconds.
fn untagged(value: ciborium::Value) -> ciborium::Value {
    match value {
        ciborium::Value::Tag(_, inner) => untagged(*inner),
        ciborium::Value::Map(members) => {
            ciborium::Value::Map(members.into_iter().map(|(name, member)| (name, untagged(member))).collect())
        }
        ciborium::Value::Array(items) => ciborium::Value::Array(items.into_iter().map(untagged).collect()),
        other => other,
    }
}

/// As CBOR; times are seconds under a name that ends in `Timestamp`, as AWS tags them.
fn cbor(value: &Value) -> ciborium::Value {
    match value {
        Value::Object(members) => ciborium::Value::Map(
            members
                .iter()
                .map(|(name, member)| {
                    let time = name.ends_with("Timestamp").then(|| ciborium::Value::Tag(1, Box::new(cbor(member))));
                    (ciborium::Value::Text(name.clone()), time.unwrap_or_else(|| cbor(member)))
                })
                .collect(),
        ),
        Value::Array(items) => ciborium::Value::Array(items.iter().map(cbor).collect()),
        other => ciborium::Value::serialized(other).unwrap(),
    }
}

fn s3_operation(method: &Method, query: &str) -> &'static str {
    let operations = [
        ("encryption", "GetBucketEncryption"),
        ("object-lock", "GetObjectLockConfiguration"),
        ("versioning", "GetBucketVersioning"),
        ("publicAccessBlock", "GetPublicAccessBlock"),
        ("ownershipControls", "GetBucketOwnershipControls"),
        ("policy", "GetBucketPolicy"),
        ("logging", "GetBucketLogging"),
        ("lifecycle", "GetBucketLifecycleConfiguration"),
        ("tagging", "GetBucketTagging"),
        ("replication", "GetBucketReplication"),
    ];
    if *method == Method::HEAD {
        return "HeadBucket";
    }
    operations.iter().find(|(word, _)| query.starts_with(word)).map_or("ListBuckets", |(_, operation)| operation)
}

/// The IAM action behind an operation, where S3 names them differently.
fn action_of(operation: &str) -> &str {
    match operation {
        "HeadBucket" => "ListBucket",
        "ListBuckets" => "ListAllMyBuckets",
        "GetBucketEncryption" => "GetEncryptionConfiguration",
        "GetObjectLockConfiguration" => "GetBucketObjectLockConfiguration",
        "GetPublicAccessBlock" => "GetBucketPublicAccessBlock",
        "GetBucketLifecycleConfiguration" => "GetLifecycleConfiguration",
        "GetBucketReplication" => "GetReplicationConfiguration",
        other => other,
    }
}
