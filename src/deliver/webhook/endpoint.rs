//! One address that takes messages by HTTPS.
//!
//! In: an address, which is a secret, and a body. Out: the body is there, or why not: without the address, of which only the
//! host is ever named. Nothing is followed elsewhere; what may pass is tried again, what the receiver refuses is not.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::deliver::{DeliveryError, Failed, Pace, Retry};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of an answer that are looked at.
const ANSWER: usize = 4 << 10;

/// An address, ready to be used.
pub(super) struct Endpoint {
    client: Client,
    url: Url,
    host: String,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Why a try failed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trouble {
    problem: String,
    hint: String,
}

impl Endpoint {
    /// Reads an address; what is said of a wrong one does not contain it.
    pub(super) fn open(address: &str) -> Result<Self, String> {
        let url: Url = address.trim().parse().map_err(|_| "it holds no address".to_owned())?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let is_loopback = matches!(host.as_str(), "127.0.0.1" | "localhost");
        if !(url.scheme() == "https" || (url.scheme() == "http" && is_loopback)) || host.is_empty() {
            return Err("it holds an address that does not begin with https://".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it holds an address with a user or password, which is not sent; use one without".to_owned());
        }
        let client = client(url.scheme() == "http")?;
        Ok(Self { client, url, host })
    }

    /// The only part of the address that is no secret.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Hands a body over, once.
    pub(super) async fn post(
        &self,
        receiver: &str,
        headers: &[(&'static str, String)],
        body: &str,
        pace: &dyn Pace,
    ) -> Result<(), DeliveryError> {
        let mut map = HeaderMap::new();
        map.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                map.insert(HeaderName::from_static(name), value);
            }
        }
        let retry = Retry::default();
        let sent = retry.run(pace, || self.attempt(map.clone(), body.to_owned(), retry.longest_pause)).await;
        sent.map_err(|Trouble { problem, hint }| DeliveryError::Receiver {
            receiver: receiver.to_owned(),
            problem,
            hint,
        })
    }

    async fn attempt(&self, headers: HeaderMap, body: String, longest: Duration) -> Result<(), Failed<Trouble>> {
        match self.client.post(self.url.clone()).headers(headers).body(body).send().await {
            Ok(answer) => self.judge(answer, longest).await,
            Err(error) => Err(self.unanswered(&error)),
        }
    }

    fn unanswered(&self, error: &reqwest::Error) -> Failed<Trouble> {
        if error.is_connect() {
            let cause = self.cause(error);
            let problem = format!("{} cannot be reached{cause}", self.host);
            return Failed::ForNow(
                Trouble { problem, hint: "check the name, the proxy (`HTTPS_PROXY`) and the way out".to_owned() },
                None,
            );
        }
        // The message may be there: sending it again by itself could show it twice.
        let problem = if error.is_timeout() {
            format!("{} gave no answer for {} seconds", self.host, PATIENCE.as_secs())
        } else {
            format!("{} broke off before it answered{}", self.host, self.cause(error))
        };
        let hint = "it may have the message: look there, then deliver the run again if it has not".to_owned();
        Failed::ForGood(Trouble { problem, hint })
    }

    /// The innermost cause in words, unless it names the address.
    fn cause(&self, error: &reqwest::Error) -> String {
        let mut cause = error.source();
        while let Some(inner) = cause.and_then(std::error::Error::source) {
            cause = Some(inner);
        }
        let text = cause.map(ToString::to_string).unwrap_or_default();
        if text.is_empty() || self.gives_away(&text) { String::new() } else { format!(": {text}") }
    }

    /// Whether a text has a part of the address that is secret.
    fn gives_away(&self, text: &str) -> bool {
        let secret = |part: &str| part.len() > 3 && text.contains(part);
        self.url.path_segments().into_iter().flatten().any(secret)
            || self.url.query_pairs().any(|(name, value)| secret(&name) || secret(&value))
            || self.url.query().is_some_and(secret)
    }

    async fn judge(&self, answer: Response, longest: Duration) -> Result<(), Failed<Trouble>> {
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let asked = retry_after(answer.headers());
        let code = self.code(answer).await;
        let problem = format!("{} answered {status}{code}", self.host);
        let may_pass = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
        if let Some(asked) = asked.filter(|asked| may_pass && *asked > longest) {
            // Knocking earlier than asked only makes it worse.
            let hint = format!("it asks to be left alone for {} seconds; deliver the run again then", asked.as_secs());
            return Err(Failed::ForGood(Trouble { problem, hint }));
        }
        let hint = hint_of(status).to_owned();
        let trouble = Trouble { problem, hint };
        Err(if may_pass { Failed::ForNow(trouble, asked) } else { Failed::ForGood(trouble) })
    }

    /// The receiver's own word for what is wrong, such as `invalid_blocks`. A sentence of it may repeat anything, also the
    /// address, and stays out.
    async fn code(&self, mut answer: Response) -> String {
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = answer.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER {
                return String::new();
            }
        }
        let text = String::from_utf8_lossy(&body);
        let told: Option<serde_json::Value> = serde_json::from_str(&text).ok();
        let code = told
            .as_ref()
            .and_then(|told| told.pointer("/error/code").or_else(|| told.get("error")))
            .and_then(serde_json::Value::as_str)
            .unwrap_or(text.trim());
        let is_word = (1..=40).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
        if is_word && !self.gives_away(code) { format!(" ({code})") } else { String::new() }
    }
}

fn hint_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        300..=399 => "redirections are not followed: write the address that it leads to",
        401 | 403 | 404 | 410 => "the address may be withdrawn: make a new one and put it where this one is",
        413 => "the message is too long for it",
        400..=428 | 430..=499 => "it does not take what is sent: `format` has to be the one that it wants",
        _ => "deliver the run again later",
    }
}

/// Seconds, or a time, which is read against the answer's own.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::trim);
    let asked = text(RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = |text: &str| OffsetDateTime::parse(text, &Rfc2822).ok();
    Duration::try_from(at(asked)? - at(text(DATE)?)?).ok()
}

fn client(is_loopback: bool) -> Result<Client, String> {
    // Somebody may have installed a provider before; any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder().redirect(redirect::Policy::none()).timeout(PATIENCE).user_agent("pipewarden");
    let built = if is_loopback {
        // Never leaves the machine: no proxy, no certificates.
        let roots = rustls::RootCertStore::empty();
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        builder.no_proxy().tls_backend_preconfigured(config).build()
    } else {
        builder.https_only(true).build()
    };
    built.map_err(|error| format!("no HTTPS client can be made: {}", error.without_url()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_is_an_address_and_no_answer_repeats_it() {
        for wrong in [
            "",
            "hooks.example.com/secret-token",
            "http://hooks.example.com/secret-token",
            "ftp://hooks.example.com/secret-token",
            "https://user:secret-token@hooks.example.com/",
            "https:///secret-token",
            "http://127.0.0.1.example.com/secret-token",
        ] {
            let error = match Endpoint::open(wrong) {
                // A name without a path is a host.
                Ok(endpoint) => format!("{wrong}: {}", endpoint.host()),
                Err(error) => error,
            };
            assert!(!error.contains("secret-token") || wrong == "https:///secret-token", "{error}");
        }
        let endpoint = Endpoint::open(" https://hooks.example.com/services/T00/secret-token?sig=hidden\n").unwrap();
        assert_eq!(endpoint.host(), "hooks.example.com");
        assert!(!format!("{endpoint:?}").contains("secret"), "{endpoint:?}");
        assert!(endpoint.gives_away("refused secret-token") && endpoint.gives_away("xhiddenx"));
        assert!(!endpoint.gives_away("connection refused"));
    }

    #[test]
    fn a_receiver_may_ask_for_seconds_or_until_a_time() {
        let of = |retry: &str, date: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, retry.parse().unwrap());
            if let Some(date) = date {
                headers.insert(DATE, date.parse().unwrap());
            }
            retry_after(&headers)
        };
        assert_eq!(of("7", None), Some(Duration::from_secs(7)));
        let date = Some("Sat, 21 Nov 2026 02:00:00 GMT");
        assert_eq!(of("Sat, 21 Nov 2026 02:00:09 GMT", date), Some(Duration::from_secs(9)));
        assert_eq!(of("Sat, 21 Nov 2026 01:00:09 GMT", date), None);
        assert_eq!(of("soon", date), None);
        assert_eq!(of("Sat, 21 Nov 2026 02:00:09 GMT", None), None);
    }
}
