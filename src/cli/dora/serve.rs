//! `pipewarden dora serve`: the numbers of this moment, for a scrape and for a browser.
//!
//! In: an address, and a function that reads the measurement again. Out: `/metrics` (`OpenMetrics`, or the older text format
//! for who asks for it), `/` (the page), `/healthz`, and nothing else, until somebody interrupts it. Every request reads
//! anew, one after the other, so that numbers are never older than the files and many requests cost no more than a few.
//! A measurement that cannot be read is an error 503, never the numbers of yesterday.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

use crate::cli::failure::Failure;
use crate::cli::options::say;
use crate::dora::Measurements;
use crate::report::dora::{
    DoraFormat, DoraHtml, OPENMETRICS_CONTENT_TYPE, OpenMetrics, PROMETHEUS_CONTENT_TYPE, PrometheusText,
    content_security_policy,
};

/// Connections at a time; Prometheus keeps one.
const CONNECTIONS: usize = 64;
const HEADERS_WITHIN: Duration = Duration::from_secs(10);

/// Reads the measurement.
trait Source: Fn() -> Result<Measurements, Failure> + Send + Sync + 'static {}
impl<F: Fn() -> Result<Measurements, Failure> + Send + Sync + 'static> Source for F {}

struct Served<S> {
    measurements: S,
    /// One reading at a time.
    reading: Mutex<()>,
    is_loopback: bool,
}

/// Serves until it is interrupted.
///
/// # Errors
/// If the address cannot be listened on.
pub(super) async fn serve(
    listen: SocketAddr,
    measurements: impl Fn() -> Result<Measurements, Failure> + Send + Sync + 'static,
) -> Result<(), Failure> {
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        Failure::because(format!("cannot listen on {listen}: {error}; choose another address with `--listen`"))
    })?;
    let address = listener.local_addr().map_err(|error| Failure::failed(&error))?;
    say(&format!("listening on http://{address}/ (the page) and http://{address}/metrics (for Prometheus)"));
    if !address.ip().is_loopback() {
        say("everybody who reaches this address can read it: names, people and commits stand on the page");
    }
    tokio::select! {
        () = accept(listener, measurements) => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(|error| Failure::failed(&error)),
    }
}

async fn accept(listener: TcpListener, measurements: impl Source) {
    let is_loopback = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
    let served = Arc::new(Served { measurements, reading: Mutex::new(()), is_loopback });
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    // Dropping the set ends every connection.
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let served = Arc::clone(&served);
                connections.spawn(async move {
                    connection(stream, served).await;
                    drop(permit);
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: give the others time to end.
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, served: Arc<Served<impl Source>>) {
    let service = service_fn(move |request| {
        let served = Arc::clone(&served);
        async move { Ok::<_, Infallible>(answer(&request, served).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        // A client may hang up whenever it likes.
        tracing::trace!(%error, "a connection ended early");
    }
}

type Answer = Response<Full<Bytes>>;

async fn answer(request: &Request<Incoming>, served: Arc<Served<impl Source>>) -> Answer {
    if served.is_loopback && !is_local(request.headers()) {
        return plain(StatusCode::MISDIRECTED_REQUEST, "this server is asked by its address or as localhost\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    match request.uri().path() {
        "/healthz" => plain(StatusCode::OK, "ok\n"),
        "/metrics" if wants_text(request.headers()) => read(served, &PrometheusText, PROMETHEUS_CONTENT_TYPE).await,
        "/metrics" => read(served, &OpenMetrics, OPENMETRICS_CONTENT_TYPE).await,
        "/" => {
            let mut answer = read(served, &DoraHtml, "text/html; charset=utf-8").await;
            if let Ok(policy) = HeaderValue::from_str(&content_security_policy()) {
                answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            }
            answer
        }
        _ => plain(StatusCode::NOT_FOUND, "there are / and /metrics and /healthz\n"),
    }
}

/// Reads and writes on a thread that may block.
async fn read(served: Arc<Served<impl Source>>, format: &'static dyn DoraFormat, content_type: &'static str) -> Answer {
    let written = {
        let _reading = served.reading.lock().await;
        let served = Arc::clone(&served);
        tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            let measurements = (served.measurements)()?;
            format.write(&measurements, &mut bytes).map_err(|error| Failure::failed(&error))?;
            Ok::<Vec<u8>, Failure>(bytes)
        })
        .await
    };
    match written {
        Ok(Ok(bytes)) => with_headers(StatusCode::OK, bytes, content_type),
        Ok(Err(failure)) => {
            // The reason may name files of this machine: it is for who started the server.
            failure.print();
            plain(StatusCode::SERVICE_UNAVAILABLE, "the measurement cannot be read; the server's own output says why\n")
        }
        Err(error) => {
            tracing::error!(%error, "a reading did not end well");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "the reading did not end well\n")
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    with_headers(status, text.as_bytes().to_vec(), "text/plain; charset=utf-8")
}

fn with_headers(status: StatusCode, bytes: Vec<u8>, content_type: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(bytes)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    let fixed: [(HeaderName, &'static str); 5] = [
        (CONTENT_TYPE, content_type),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (VARY, "accept"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// A page elsewhere cannot reach a server on loopback by giving its own name the address of loopback.
fn is_local(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else { return true };
    let without_port = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((inside, _)) => inside,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    without_port.eq_ignore_ascii_case("localhost") || without_port.parse::<IpAddr>().is_ok()
}

/// Whether the older text format is wanted more than `OpenMetrics`. Who says nothing gets `OpenMetrics`.
fn wants_text(headers: &HeaderMap) -> bool {
    let (mut text, mut open) = (0.0_f32, 0.0_f32);
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for part in values.flat_map(|value| value.split(',')) {
        let mut parameters = part.split(';').map(str::trim);
        let kind = parameters.next().unwrap_or_default();
        let weight = parameters
            .find_map(|parameter| parameter.strip_prefix("q="))
            .map_or(1.0, |weight| weight.trim().parse::<f32>().unwrap_or(0.0));
        if kind.eq_ignore_ascii_case("text/plain") {
            text = text.max(weight);
        } else if kind.eq_ignore_ascii_case("application/openmetrics-text") {
            open = open.max(weight);
        }
    }
    text > open
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use time::macros::datetime;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::dora::metrics::measure;
    use crate::dora::{Delivery, Options};

    fn measured() -> Measurements {
        measure(&Delivery::default(), &Options::at(datetime!(2026-06-29 0:00 UTC)))
    }

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(address: SocketAddr, path: &str, more: &str) -> String {
        ask(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n")).await
    }

    async fn started(measurements: impl Source) -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (address, tokio::spawn(accept(listener, measurements)))
    }

    #[tokio::test]
    async fn a_scrape_gets_openmetrics_and_the_older_text_only_if_it_asks() {
        let (address, server) = started(|| Ok(measured())).await;
        let of_prometheus = "Accept: application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n";
        for accept in ["", of_prometheus, "Accept: */*\r\n"] {
            let answer = get(address, "/metrics", accept).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            assert!(answer.contains(&format!("content-type: {OPENMETRICS_CONTENT_TYPE}\r\n")), "{answer}");
            assert!(answer.contains("pipewarden_as_of_timestamp_seconds") && answer.ends_with("# EOF\n"), "{answer}");
        }
        let answer = get(address, "/metrics", "Accept: text/plain;version=0.0.4, */*;q=0.1\r\n").await;
        assert!(answer.contains(&format!("content-type: {PROMETHEUS_CONTENT_TYPE}\r\n")), "{answer}");
        assert!(!answer.contains("# EOF"), "{answer}");
        server.abort();
    }

    #[tokio::test]
    async fn there_is_the_page_and_nothing_else() {
        let (address, server) = started(|| Ok(measured())).await;
        let page = get(address, "/", "").await;
        assert!(page.contains("content-type: text/html") && page.contains("<!DOCTYPE html>"), "{page}");
        assert!(page.contains("content-security-policy: default-src 'none'; style-src 'sha256-"), "{page}");
        assert!(get(address, "/healthz", "").await.ends_with("ok\n"));
        for path in ["/dora.json", "/metrics/", "/../etc/passwd", "/index.html", "//"] {
            assert!(get(address, path, "").await.starts_with("HTTP/1.1 404"), "{path}");
        }
        let request = |method: &str, host: &str| {
            format!("{method} /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        };
        assert!(ask(address, &request("POST", "localhost")).await.starts_with("HTTP/1.1 405"));
        assert!(ask(address, &request("GET", "evil.example")).await.starts_with("HTTP/1.1 421"));
        for host in ["127.0.0.1:9464", "[::1]:9464", "LOCALHOST"] {
            assert!(ask(address, &request("GET", host)).await.starts_with("HTTP/1.1 200"), "{host}");
        }
        let head = ask(address, &request("HEAD", "localhost")).await;
        assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
        server.abort();
    }

    #[tokio::test]
    async fn every_request_reads_anew_and_a_failure_is_no_old_number() {
        static BROKEN: AtomicBool = AtomicBool::new(false);
        let (address, server) = started(|| {
            if BROKEN.load(Ordering::SeqCst) { Err(Failure::because("/secret/place is gone")) } else { Ok(measured()) }
        })
        .await;
        assert!(get(address, "/metrics", "").await.starts_with("HTTP/1.1 200"));
        BROKEN.store(true, Ordering::SeqCst);
        let answer = get(address, "/metrics", "").await;
        assert!(answer.starts_with("HTTP/1.1 503") && !answer.contains("secret"), "{answer}");
        BROKEN.store(false, Ordering::SeqCst);
        assert!(get(address, "/metrics", "").await.starts_with("HTTP/1.1 200"));
        server.abort();
    }
}
