//! Lambda's runtime API: the next event, its answer, and what went wrong.
//!
//! In: the address that Lambda names. Out: [`Invocation`]s; answers and errors go back. The runtime API is four HTTP calls,
//! so it is asked directly: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>, docs/decisions/0014.

use std::time::Duration;

use reqwest::{Client, Response, redirect};
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;

/// Bytes of an answer that Lambda takes at most: 6 MB.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub(in crate::cli) const LARGEST_ANSWER: usize = 6 * 1024 * 1024;

/// One event.
#[derive(Debug)]
pub(in crate::cli) struct Invocation {
    /// Its request id.
    pub(in crate::cli) id: String,
    /// As it came.
    pub(in crate::cli) event: String,
    /// When Lambda ends the process if there is no answer.
    pub(in crate::cli) deadline: Option<OffsetDateTime>,
}

/// What is told of an event that has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Problem {
    /// `Pipewarden.Failed`; Step Functions catches and retries by it.
    pub(in crate::cli) kind: &'static str,
    /// For the person who must act.
    pub(in crate::cli) message: String,
}

/// Lambda's side.
pub(in crate::cli) struct Runtime {
    client: Client,
    base: String,
}

impl Runtime {
    pub(in crate::cli) fn new(address: &str) -> Result<Self, String> {
        // Waiting for the next event takes as long as it takes.
        let client = plain_client(None)?;
        Ok(Self { client, base: format!("http://{address}/2018-06-01/runtime") })
    }

    /// The next event.
    pub(in crate::cli) async fn next(&self) -> Result<Invocation, String> {
        let answer = self.client.get(format!("{}/invocation/next", self.base)).send().await;
        let answer = answer.map_err(|error| format!("the runtime API does not answer: {error}"))?;
        if !answer.status().is_success() {
            return Err(format!("the runtime API has no next event: it answered {}", answer.status()));
        }
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let id = header("lambda-runtime-aws-request-id");
        let id = id.ok_or("the runtime API gave an event without a request id")?.to_owned();
        let milliseconds = header("lambda-runtime-deadline-ms").and_then(|text| text.parse::<i128>().ok());
        let deadline = milliseconds
            .and_then(|milliseconds| milliseconds.checked_mul(1_000_000))
            .and_then(|nanoseconds| OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok());
        let event = answer.text().await.map_err(|error| format!("the event cannot be read: {error}"))?;
        Ok(Invocation { id, event, deadline })
    }

    /// Hands the answer over; one that Lambda would not take is told as a problem.
    pub(in crate::cli) async fn respond(&self, id: &str, answer: &impl Serialize) -> Result<(), String> {
        match fitting(answer) {
            Err(problem) => self.fail(id, &problem).await,
            Ok(body) => {
                let sent = self.client.post(format!("{}/invocation/{id}/response", self.base)).body(body).send().await;
                taken(sent, &format!("the answer to {id}"))
            }
        }
    }

    /// Says that an event has no answer, so that whoever sent it may retry or raise an alarm.
    pub(in crate::cli) async fn fail(&self, id: &str, problem: &Problem) -> Result<(), String> {
        self.tell(&format!("invocation/{id}/error"), problem).await
    }

    /// Says that no event can be answered at all.
    pub(in crate::cli) async fn fail_to_start(&self, problem: &Problem) -> Result<(), String> {
        self.tell("init/error", problem).await
    }

    async fn tell(&self, path: &str, problem: &Problem) -> Result<(), String> {
        let body = json!({"errorMessage": problem.message, "errorType": problem.kind, "stackTrace": []}).to_string();
        let post = self.client.post(format!("{}/{path}", self.base));
        let sent = post.header("Lambda-Runtime-Function-Error-Type", problem.kind).body(body).send().await;
        taken(sent, &format!("the error `{}`", problem.kind))
    }
}

fn fitting(answer: &impl Serialize) -> Result<Vec<u8>, Problem> {
    let body = serde_json::to_vec(answer).map_err(|error| Problem {
        kind: "Pipewarden.Failed",
        message: format!("the answer cannot be written: {error}"),
    })?;
    if body.len() > LARGEST_ANSWER {
        let message = format!("the answer has {} bytes, and Lambda takes {LARGEST_ANSWER}", body.len());
        return Err(Problem { kind: "Pipewarden.AnswerTooLarge", message });
    }
    Ok(body)
}

fn taken(sent: Result<Response, reqwest::Error>, what: &str) -> Result<(), String> {
    let sent = sent.map_err(|error| format!("the runtime API does not take {what}: {error}"))?;
    if sent.status().is_success() {
        return Ok(());
    }
    Err(format!("the runtime API refused {what} with {}", sent.status()))
}

/// A client that never leaves this machine's network, without proxies or certificates.
pub(in crate::cli) fn plain_client(patience: Option<Duration>) -> Result<Client, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_lambda_would_not_take_is_an_error_and_not_cut() {
        assert!(fitting(&json!({"a": "x".repeat(LARGEST_ANSWER - 8)})).is_ok());
        let problem = fitting(&json!({"a": "x".repeat(LARGEST_ANSWER)})).unwrap_err();
        assert_eq!(problem.kind, "Pipewarden.AnswerTooLarge");
    }
}
