//! The place where the template of an operation waits.
//!
//! In: a presigned address from CloudFormation. Out: bytes, bounded; the address is a secret and stays out of every message.

use std::time::Duration;

use reqwest::{Client, Response, Url, redirect};

use super::super::lambda::plain_client;

/// Bytes of a payload that are read at most: a template may have one megabyte, and a payload holds two of them, escaped.
const LARGEST_PAYLOAD: usize = 16 << 20;

/// How long a template may take to come; the hook has 30 seconds in all.
const PATIENCE: Duration = Duration::from_secs(10);

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
