//! A bucket on the loopback interface: two keys on a page, ranges, and bodies that break off.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use time::macros::datetime;

use super::*;
use crate::collect::test_support::{Answer, endpoint};
use crate::collect::{CallGate, Concurrency};
use crate::inventory::Partition;

#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Vec<u8>>,
    /// How often a body breaks off in its middle.
    breaks: Mutex<BTreeMap<String, u32>>,
    denied: Vec<&'static str>,
    calls: Mutex<Vec<String>>,
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

fn plain(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            let code = std::str::from_utf8(&rest[..2]).unwrap();
            bytes.push(u8::from_str_radix(code, 16).unwrap());
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn listed(bucket: &Bucket, query: &BTreeMap<String, String>) -> String {
    let get = |name: &str| query.get(name).cloned().unwrap_or_default();
    let (prefix, delimiter) = (get("prefix"), get("delimiter"));
    let after = get("start-after").max(get("continuation-token"));
    let mut entries: Vec<(String, bool)> = Vec::new();
    for key in bucket.objects.keys().filter(|key| key.starts_with(&prefix)) {
        let rest = key.strip_prefix(&prefix).unwrap();
        let folder = rest.split_once('/').filter(|_| !delimiter.is_empty());
        let entry = folder.map_or((key.clone(), false), |(name, _)| (format!("{prefix}{name}/"), true));
        if entry.0 > after && !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    let next = if entries.len() > 2 {
        format!("<NextContinuationToken>{}</NextContinuationToken>", entries[1].0)
    } else {
        String::new()
    };
    let entries = entries.iter().take(2).map(|(name, folder)| {
        if *folder {
            format!("<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>")
        } else {
            format!("<Contents><Key>{name}</Key></Contents>")
        }
    });
    format!("<ListBucketResult>{}{next}</ListBucketResult>", entries.collect::<String>())
}

fn object(bucket: &Bucket, key: &str, range: Option<&str>) -> Response<Body> {
    let Some(bytes) = bucket.objects.get(key) else {
        let error = "<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>";
        return Response::builder().status(404).body(whole(error)).unwrap();
    };
    let from = range.map_or(0, |range| range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap());
    let part = bytes[from..].to_vec();
    let response = Response::builder()
        .status(if from > 0 { 206 } else { 200 })
        .header("etag", "\"v1\"")
        .header("content-length", part.len())
        .header("x-amz-meta-signature", "abcd");
    let mut breaks = bucket.breaks.lock().unwrap();
    match breaks.get_mut(key).filter(|left| **left > 0) {
        Some(left) => {
            *left -= 1;
            let half = part[..part.len() / 2].to_vec();
            let frames = vec![Ok(Frame::data(Bytes::from(half))), Err(io::Error::other("broken"))];
            // The first half has to leave before the connection does.
            let frames = stream::iter(frames).then(|frame| async {
                if frame.is_err() {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
                frame
            });
            response.body(BodyExt::boxed_unsync(StreamBody::new(frames))).unwrap()
        }
        None => response.body(whole(part)).unwrap(),
    }
}

#[expect(clippy::unused_async, reason = "a server's answer is a future")]
async fn answer(request: Request<Incoming>, bucket: Arc<Bucket>) -> Result<Response<Body>, Infallible> {
    let path = plain(request.uri().path());
    let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key).to_owned();
    let query = request.uri().query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let query: BTreeMap<String, String> = query.map(|(name, value)| (name.to_owned(), plain(value))).collect();
    let operation = match (request.method() == Method::HEAD, key.is_empty()) {
        (true, _) => "HeadBucket",
        (_, true) => "ListObjectsV2",
        _ => "GetObject",
    };
    bucket.calls.lock().unwrap().push(format!("{operation} {key}"));
    if bucket.denied.contains(&operation) {
        let error = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";
        return Ok(Response::builder().status(403).body(whole(error)).unwrap());
    }
    let range = request.headers().get("range").map(|range| range.to_str().unwrap().to_owned());
    Ok(match operation {
        "HeadBucket" => Response::builder().header("x-amz-bucket-region", "eu-central-1").body(whole("")).unwrap(),
        "ListObjectsV2" => Response::new(whole(listed(&bucket, &query))),
        _ => object(&bucket, &key, range.as_deref()),
    })
}

async fn scope_of(bucket: Arc<Bucket>) -> Scope {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let bucket = Arc::clone(&bucket);
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(request, bucket.clone()));
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
    let gate = CallGate::new(Concurrency::default());
    Scope::new("111122223333".parse().unwrap(), Partition::Aws, "eu-west-1".parse().unwrap(), &config, gate)
}

fn filled() -> Bucket {
    let keys = ["a", "b/1", "b/2", "b/3", "c d/1", "e/1"];
    let objects = keys.iter().map(|key| (format!("org/AWSLogs/{key}"), vec![b'x'; 100_000])).collect();
    Bucket { objects, ..Bucket::default() }
}

async fn found(bucket: &Arc<Bucket>) -> ArchiveBucket {
    let scope = scope_of(Arc::clone(bucket)).await;
    ArchiveBucket::find(&scope, "logs", Some("/org/"), None).await.unwrap()
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_is_listed_page_by_page_without_the_trails_prefix() {
    let bucket = Arc::new(filled());
    let archive = found(&bucket).await;
    assert_eq!((archive.region().as_str(), archive.place()), ("eu-central-1", "s3://logs/org".to_owned()));
    blocking(move || {
        assert_eq!(archive.folders("").unwrap(), ["AWSLogs"]);
        assert_eq!(archive.folders("AWSLogs/").unwrap(), ["b", "c d", "e"]);
        assert!(archive.folders("nothing/").unwrap().is_empty());
        let range = KeyRange { prefix: "AWSLogs/", after: "AWSLogs/a", before: "AWSLogs/c" };
        assert_eq!(archive.keys(range).unwrap(), ["AWSLogs/b/1", "AWSLogs/b/2", "AWSLogs/b/3"]);
        let all = KeyRange { prefix: "AWSLogs/", after: "", before: "" };
        assert_eq!(archive.keys(all).unwrap().len(), 6);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_ends_where_nothing_more_is_wanted() {
    let mut bucket = filled();
    bucket.objects.extend((0..50).map(|nth| (format!("org/AWSLogs/z/{nth:02}"), Vec::new())));
    let bucket = Arc::new(bucket);
    let archive = found(&bucket).await;
    blocking(move || archive.keys(KeyRange { prefix: "AWSLogs/", after: "", before: "AWSLogs/c" }).unwrap()).await;
    assert!(bucket.calls.lock().unwrap().len() < 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_breaks_off_is_read_on_from_there() {
    let mut bucket = filled();
    let bytes: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    bucket.objects.insert("org/AWSLogs/b/1".to_owned(), bytes.clone());
    bucket.breaks = Mutex::new(BTreeMap::from([("org/AWSLogs/b/1".to_owned(), 2), ("org/AWSLogs/b/2".to_owned(), 9)]));
    let bucket = Arc::new(bucket);
    let archive = found(&bucket).await;
    let read = blocking(move || {
        let mut opened = archive.open("AWSLogs/b/1").unwrap();
        assert_eq!(opened.signature.as_deref(), Some("abcd"));
        let mut read = Vec::new();
        opened.body.read_to_end(&mut read).unwrap();
        // What breaks off again and again is an error, and what came before it was read.
        let mut torn = Vec::new();
        assert!(archive.open("AWSLogs/b/2").unwrap().body.read_to_end(&mut torn).is_err());
        assert!(!torn.is_empty());
        read
    })
    .await;
    assert!(read == bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_read_or_is_gone_says_so() {
    let bucket = Arc::new(Bucket { denied: vec!["GetObject"], ..filled() });
    let archive = found(&bucket).await;
    let denied = blocking(move || archive.open("AWSLogs/a").err().unwrap()).await;
    assert_eq!(denied.word(), "denied");
    let bucket = Arc::new(Bucket { denied: vec!["ListObjectsV2"], ..filled() });
    let archive = found(&bucket).await;
    let (gone, listed) = blocking(move || {
        let range = KeyRange { prefix: "AWSLogs/", after: "", before: "" };
        (archive.open("AWSLogs/no").err().unwrap(), archive.keys(range).err().unwrap())
    })
    .await;
    assert!(gone.to_string().contains("NoSuchKey"), "{gone}");
    assert_eq!(listed.word(), "denied");
    let refused = Arc::new(Bucket { denied: vec!["HeadBucket"], ..filled() });
    let scope = scope_of(refused).await;
    assert!(ArchiveBucket::find(&scope, "logs", None, None).await.is_err());
}

#[tokio::test]
async fn public_keys_come_with_their_time() {
    let answers: crate::collect::test_support::Answers = Arc::new(|_, _| {
        Answer::Json(serde_json::json!({"PublicKeyList": [{"Value": "MIIB", "Fingerprint": "f1",
            "ValidityStartTime": 1_780_000_000, "ValidityEndTime": 1_790_000_000}]}))
    });
    let period = Period { from: datetime!(2026-06-01 0:00 UTC), to: datetime!(2026-06-29 0:00 UTC) };
    let clean = endpoint(answers.clone(), &[]).await;
    let keys = list_public_keys(&clean.scope, period).await.unwrap().keys;
    assert_eq!((keys[0].fingerprint.as_str(), keys[0].der.as_slice()), ("f1", &[0x30, 0x82, 0x01][..]));
    assert!(keys[0].valid.contains(period.from));
    let denied = endpoint(answers, &[LIST_PUBLIC_KEYS]).await;
    assert_eq!(list_public_keys(&denied.scope, period).await.unwrap_err().cause.word(), "denied");
}
