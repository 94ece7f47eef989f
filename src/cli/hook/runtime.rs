//! The two things that a hook talks to: Lambda's runtime API, and the place where a template waits.
//!
//! In: addresses from Lambda and from CloudFormation. Out: events and bytes. The runtime API is four HTTP calls, so it is
//! asked directly: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

use std::time::Duration;

use reqwest::{Client, Response, Url, redirect};

use super::answer::Answer;

/// Bytes of a payload that are read at most: a template may have one megabyte, and a payload holds two of them, escaped.
const LARGEST_PAYLOAD: usize = 16 << 20;

/// How long a template may take to come; the hook has 30 seconds in all.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lambda's side.
pub(super) struct Runtime {
    client: Client,
    base: String,
}

impl Runtime {
    pub(super) fn new(address: &str) -> Result<Self, String> {
        // Waiting for the next event takes as long as it takes.
        let client = plain_client(None)?;
        Ok(Self { client, base: format!("http://{address}/2018-06-01/runtime/invocation") })
    }

    /// The next event and its id.
    pub(super) async fn next(&self) -> Result<(String, String), String> {
        let answer = self.client.get(format!("{}/next", self.base)).send().await;
        let answer = answer.map_err(|error| format!("the runtime API does not answer: {error}"))?;
        let id = answer.headers().get("lambda-runtime-aws-request-id").and_then(|id| id.to_str().ok());
        let id = id.ok_or("the runtime API gave an event without a request id")?.to_owned();
        let event = answer.text().await.map_err(|error| format!("the event cannot be read: {error}"))?;
        Ok((id, event))
    }

    /// Hands the answer over.
    pub(super) async fn respond(&self, id: &str, answer: &Answer) -> Result<(), String> {
        let body = serde_json::to_vec(answer).map_err(|error| format!("the answer cannot be written: {error}"))?;
        let sent = self.client.post(format!("{}/{id}/response", self.base)).body(body).send().await;
        let sent = sent.map_err(|error| format!("the runtime API does not take the answer: {error}"))?;
        if sent.status().is_success() {
            return Ok(());
        }
        Err(format!("the runtime API refused the answer to {id} with {}", sent.status()))
    }
}

/// The place where templates wait.
pub(super) struct Payloads {
    outside: Client,
    loopback: Client,
}

impl Payloads {
    pub(super) fn new() -> Result<Self, String> {
        let loopback = plain_client(Some(PATIENCE))?;
        let outside = Client::builder().redirect(redirect::Policy::none()).timeout(PATIENCE).https_only(true).build();
        let outside = outside.map_err(|error| format!("no HTTPS client: {error}"))?;
        Ok(Self { outside, loopback })
    }

    /// The payload behind a presigned address. The address itself is a secret and stays out of every message.
    pub(super) async fn fetch(&self, url: &str) -> Result<Vec<u8>, String> {
        let url: Url = url.parse().map_err(|_| "its address is no URL".to_owned())?;
        let loopback = url.scheme() == "http" && matches!(url.host_str(), Some("127.0.0.1" | "localhost"));
        let client = if loopback { &self.loopback } else { &self.outside };
        let host = url.host_str().unwrap_or_default().to_owned();
        let answer = client.get(url).send().await.map_err(|error| format!("{host}: {}", error.without_url()))?;
        if !answer.status().is_success() {
            return Err(format!("{host} answered {}", answer.status()));
        }
        read(answer).await.map_err(|problem| format!("{host}: {problem}"))
    }
}

async fn read(mut answer: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| error.without_url().to_string())? {
        if body.len() + chunk.len() > LARGEST_PAYLOAD {
            return Err(format!("the payload has more than {LARGEST_PAYLOAD} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A client that never leaves this machine's network, without proxies or certificates.
fn plain_client(patience: Option<Duration>) -> Result<Client, String> {
    // Somebody may have installed a provider before; any will do, here and for the client that goes outside.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let roots = rustls::RootCertStore::empty();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let builder = Client::builder().redirect(redirect::Policy::none()).no_proxy().tls_backend_preconfigured(config);
    let builder = match patience {
        Some(patience) => builder.timeout(patience),
        None => builder,
    };
    builder.build().map_err(|error| format!("no HTTP client: {error}"))
}
