//! A small client for the JSON APIs of source hosts: GET, pages, rate limits, and nothing that leaves the host.
//!
//! In: a call (action, path, query) and a secret. Out: JSON, or the [`CallError`] it amounts to; every call is in the
//! ledger. Redirects and next pages are followed on the configured host alone, because whatever answers is believed and
//! is shown the secret. That is why GitHub is read with this client too: octocrab's own follows redirects to any host.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{HeaderMap, LINK, LOCATION};
use reqwest::{Client, Method, RequestBuilder, Url, redirect};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::Scope;
use super::call::{CallError, chain};
use crate::inventory::{GapCause, Outcome};

/// Bytes of an answer that are read at most.
const LARGEST_ANSWER: usize = 8 * 1024 * 1024;
/// Redirects of one call that are followed at most.
const REDIRECTS: usize = 5;
/// Pages of one listing that are read at most.
const PAGES: usize = 200;
/// Tries of a call that gets no answer, or a server's error.
const TRIES: u32 = 3;
/// Tries of a call that is told to come back later.
const LIMITED_TRIES: u32 = 6;
/// How long to wait where a host says that it is too fast, but not until when.
const UNSAID_WAIT: Duration = Duration::from_mins(1);

/// How a secret is shown to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// `Bearer …`
    Bearer,
    /// `Basic …` of `user:secret`.
    Basic,
}

/// A call: what the ledger calls it, and where it goes below the API's base.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) action: &'static str,
    /// Parts of the path; each is escaped, slashes included.
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
}

/// A refusal, as far as a reader may take it for an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal<'a> {
    pub(super) status: u16,
    pub(super) message: &'a str,
}

/// Nothing that is refused is an answer.
pub(super) fn never(_: Refusal<'_>) -> bool {
    false
}

/// "It is not there" is the answer.
pub(super) fn not_found(refusal: Refusal<'_>) -> bool {
    refusal.status == 404
}

/// One answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    /// `null` where there is no body.
    pub(super) value: Value,
    next: Option<Url>,
}

/// The client of one host.
#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    base: Url,
    longest_wait: Duration,
    turns: Semaphore,
}

/// An answer as it came.
struct Reply {
    status: u16,
    headers: HeaderMap,
    url: Url,
    body: Vec<u8>,
}

impl Http {
    /// A client for the API at `base` that sends `headers` with every call, and has at most `turns` calls at once.
    pub(super) fn new(base: Url, headers: HeaderMap, longest_wait: Duration, turns: usize) -> Result<Self, String> {
        // Somebody may have installed a provider before; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent("pipewarden")
            .default_headers(headers)
            .redirect(redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(30));
        if base.scheme() == "http" {
            // Only loopback is asked without TLS: neither a proxy nor this machine's certificates have a part in it.
            let roots = rustls::RootCertStore::empty();
            let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
            builder = builder.no_proxy().tls_backend_preconfigured(config);
        }
        let client = builder.build().map_err(|error| chain(&error))?;
        Ok(Self { client, base, longest_wait, turns: Semaphore::new(turns.max(1)) })
    }

    /// Asks once; where `unset` says so of a refusal, that there is nothing is the answer.
    pub(super) async fn get(
        &self,
        scope: &Scope,
        secret: (Scheme, &str),
        ask: Ask<'_>,
        unset: fn(Refusal<'_>) -> bool,
    ) -> Result<Option<Answer>, CallError> {
        let url = self.url(&ask)?;
        self.recorded(scope, Method::GET, url, secret, ask.action, unset).await
    }

    /// As [`Self::get`], for what is made by asking: a token.
    pub(super) async fn post(
        &self,
        scope: &Scope,
        secret: (Scheme, &str),
        ask: Ask<'_>,
    ) -> Result<Option<Answer>, CallError> {
        let url = self.url(&ask)?;
        self.recorded(scope, Method::POST, url, secret, ask.action, never).await
    }

    /// All items of a listing.
    pub(super) async fn list(
        &self,
        scope: &Scope,
        secret: (Scheme, &str),
        ask: Ask<'_>,
        unset: fn(Refusal<'_>) -> bool,
    ) -> Result<Option<Vec<Value>>, CallError> {
        let mut items = Vec::new();
        let mut next = Some(self.url(&ask)?);
        let mut pages = 0;
        while let Some(url) = next {
            pages += 1;
            if pages > PAGES {
                return Err(CallError::malformed(ask.action, format!("the listing has more than {PAGES} pages")));
            }
            let Some(answer) = self.recorded(scope, Method::GET, url, secret, ask.action, unset).await? else {
                return Ok(None);
            };
            next = answer.next;
            match answer.value {
                Value::Array(page) => items.extend(page),
                Value::Object(mut page) => match page.remove("values") {
                    Some(Value::Array(page)) => items.extend(page),
                    _ => return Err(CallError::malformed(ask.action, "the answer is no list")),
                },
                _ => return Err(CallError::malformed(ask.action, "the answer is no list")),
            }
        }
        Ok(Some(items))
    }

    fn url(&self, ask: &Ask<'_>) -> Result<Url, CallError> {
        let mut url = self.base.clone();
        // A part that is empty or leads upwards would end at another address than the one it was meant for.
        let strange = ask.path.iter().any(|part| part.is_empty() || part.split('/').any(|p| p == "." || p == ".."));
        match url.path_segments_mut() {
            Ok(mut segments) if !strange => {
                segments.pop_if_empty().extend(ask.path);
            }
            _ => {
                let message = format!("`{}` cannot be asked for", ask.path.join("/"));
                return Err(CallError::malformed(ask.action, message));
            }
        }
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(ask.query);
        }
        Ok(url)
    }

    async fn recorded(
        &self,
        scope: &Scope,
        method: Method,
        url: Url,
        secret: (Scheme, &str),
        action: &'static str,
        unset: fn(Refusal<'_>) -> bool,
    ) -> Result<Option<Answer>, CallError> {
        // A closed semaphore cannot happen; going on without a turn would only be less polite.
        let _turn = self.turns.acquire().await.ok();
        let answer = self.answered(method, url, secret, action, unset).await;
        scope.record_call(action, answer.as_ref().map_or_else(CallError::outcome, |_| Outcome::Ok));
        answer
    }

    /// Tries until there is an answer, a refusal, or no point in going on.
    async fn answered(
        &self,
        method: Method,
        url: Url,
        secret: (Scheme, &str),
        action: &'static str,
        unset: fn(Refusal<'_>) -> bool,
    ) -> Result<Option<Answer>, CallError> {
        let mut waited = Duration::ZERO;
        let mut tries = 0;
        loop {
            tries += 1;
            let reply = match self.fetch(&method, url.clone(), secret).await {
                Ok(reply) => reply,
                Err(_) if tries < TRIES => {
                    tokio::time::sleep(Duration::from_millis(100) * tries).await;
                    continue;
                }
                Err(message) => {
                    return Err(failed(action, "", GapCause::Endpoint { message: clean(&message, secret.1) }));
                }
            };
            if (200..300).contains(&reply.status) {
                return self.read(&reply, action).map(Some);
            }
            let message = clean(&reply.message(), secret.1);
            let code = reply.status.to_string();
            if let Some(wait) = reply.told_to_wait(&message, now()) {
                let wait = wait.max(Duration::from_secs(1));
                if tries >= LIMITED_TRIES || waited + wait > self.longest_wait {
                    return Err(failed(action, &code, GapCause::Throttled { attempts: tries }));
                }
                tracing::debug!(action, seconds = wait.as_secs(), "the host asks to come back later, waiting");
                waited += wait;
                tokio::time::sleep(wait).await;
                continue;
            }
            if reply.status >= 500 && tries < TRIES {
                tokio::time::sleep(Duration::from_millis(100) * tries).await;
                continue;
            }
            if unset(Refusal { status: reply.status, message: &message }) {
                return Ok(None);
            }
            let cause = match reply.status {
                // What a token may not see is often said not to exist.
                401 | 403 | 404 | 410 => GapCause::AccessDenied { message: format!("HTTP {code}: {message}") },
                300..=399 => GapCause::Endpoint { message },
                _ => GapCause::Service { code: format!("HTTP {code}"), message },
            };
            return Err(failed(action, &code, cause));
        }
    }

    async fn fetch(&self, method: &Method, mut url: Url, secret: (Scheme, &str)) -> Result<Reply, String> {
        let mut redirects = 0;
        loop {
            let request = self.client.request(method.clone(), url.clone());
            let request = authorized(request, secret);
            let mut response = request.send().await.map_err(|error| chain(&error.without_url()))?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            if (300..400).contains(&status) && redirects < REDIRECTS {
                let target = headers.get(LOCATION).and_then(|to| to.to_str().ok()).and_then(|to| url.join(to).ok());
                if let Some(target) = target {
                    if !self.is_ours(&target) {
                        let body = format!(
                            r#"{{"message": "redirected to {}, which is not asked"}}"#,
                            target.host_str().unwrap_or("another host")
                        );
                        return Ok(Reply { status, headers, url, body: body.into_bytes() });
                    }
                    redirects += 1;
                    url = target;
                    continue;
                }
            }
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| chain(&error.without_url()))? {
                if body.len() + chunk.len() > LARGEST_ANSWER {
                    return Err(format!("the answer is larger than {LARGEST_ANSWER} bytes"));
                }
                body.extend_from_slice(&chunk);
            }
            return Ok(Reply { status, headers, url, body });
        }
    }

    fn read(&self, reply: &Reply, action: &'static str) -> Result<Answer, CallError> {
        if reply.body.is_empty() {
            return Ok(Answer::default());
        }
        let value: Value = serde_json::from_slice(&reply.body)
            .map_err(|error| CallError::malformed(action, format!("the answer is no JSON: {error}")))?;
        let next =
            next_in_link(&reply.headers).or_else(|| value.get("next").and_then(Value::as_str).map(str::to_owned));
        let next = match next.map(|next| reply.url.join(&next)) {
            None => None,
            Some(Ok(next)) if self.is_ours(&next) => Some(next),
            Some(_) => return Err(CallError::malformed(action, "the next page is not on the same host")),
        };
        Ok(Answer { value, next })
    }

    /// Whether an address is on the configured host, by the same way.
    fn is_ours(&self, url: &Url) -> bool {
        url.origin() == self.base.origin() && url.username().is_empty() && url.password().is_none()
    }
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// What the host says of it.
    fn message(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let said =
            [body.get("message"), body.pointer("/error/message"), body.get("error_description"), body.get("error")];
        let said = said.into_iter().flatten().find(|value| !value.is_null());
        match said {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => "no reason was given".to_owned(),
        }
    }

    /// How long to wait, if the host says that it is asked too fast.
    fn told_to_wait(&self, message: &str, now: Duration) -> Option<Duration> {
        let number = |name: &str| self.header(name).and_then(|text| text.trim().parse::<u64>().ok());
        let spent = [number("x-ratelimit-remaining"), number("ratelimit-remaining")].contains(&Some(0));
        let after = number("retry-after").map(Duration::from_secs);
        let limited = match self.status {
            429 => true,
            // GitHub says it with 403, which it also says of missing permissions.
            403 => spent || after.is_some() || message.to_lowercase().contains("rate limit"),
            503 => after.is_some(),
            _ => false,
        };
        if !limited {
            return None;
        }
        let reset = number("x-ratelimit-reset").or_else(|| number("ratelimit-reset")).filter(|_| spent);
        let until = reset.map(|at| Duration::from_secs(at).saturating_sub(now));
        Some(after.or(until).unwrap_or(UNSAID_WAIT))
    }
}

fn authorized(request: RequestBuilder, (scheme, secret): (Scheme, &str)) -> RequestBuilder {
    match (scheme, secret.split_once(':')) {
        (Scheme::Basic, Some((user, password))) => request.basic_auth(user, Some(password)),
        _ => request.bearer_auth(secret),
    }
}

fn failed(action: &'static str, code: &str, cause: GapCause) -> CallError {
    CallError { action, code: code.to_owned(), cause }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A host's words on one short line, without the secret that it was shown.
fn clean(message: &str, secret: &str) -> String {
    const LONGEST: usize = 300;
    let message = if secret.is_empty() { message.to_owned() } else { message.replace(secret, "…") };
    message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}

/// `<https://…?page=2>; rel="next", …`
fn next_in_link(headers: &HeaderMap) -> Option<String> {
    let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    links.filter_map(|link| link.split_once(';')).find_map(|(address, relation)| {
        let next = relation.split(';').any(|part| matches!(part.trim(), r#"rel="next""# | "rel=next"));
        let address = address.trim().strip_prefix('<')?.strip_suffix('>')?;
        next.then(|| address.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn http() -> Http {
        let base = Url::parse("http://127.0.0.1:9/api/v3").unwrap();
        Http::new(base, HeaderMap::new(), Duration::from_mins(2), 4).unwrap()
    }

    fn reply(status: u16, headers: &[(&'static str, &str)], body: &str) -> Reply {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let url = Url::parse("http://127.0.0.1:9/api/v3/x").unwrap();
        Reply { status, headers: map, url, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn parts_of_a_path_are_escaped_and_cannot_lead_elsewhere() {
        let url = |path: &[&str]| http().url(&Ask { action: "github:X", path, query: &[("ref", "a&b")] });
        let whole = url(&["repos", "acme", "web", "branches", "release/1"]).unwrap();
        assert_eq!(whole.as_str(), "http://127.0.0.1:9/api/v3/repos/acme/web/branches/release%2F1?ref=a%26b");
        for strange in [&["repos", ".."][..], &["repos", "", "x"], &["projects", "a/../../b"], &["."]] {
            assert!(url(strange).is_err(), "{strange:?}");
        }
        assert!(url(&["a?b#c"]).unwrap().as_str().contains("a%3Fb%23c"));
    }

    #[test]
    fn hosts_say_in_several_ways_to_come_back_later() {
        let wait = |status, headers: &[(&'static str, &str)], body: &str| {
            let reply = reply(status, headers, body);
            let now = Duration::from_secs(1_000);
            reply.told_to_wait(&reply.message(), now).map(|wait| wait.as_secs())
        };
        let spent = ("x-ratelimit-remaining", "0");
        assert_eq!(wait(429, &[("retry-after", "7")], ""), Some(7));
        assert_eq!(wait(403, &[spent, ("x-ratelimit-reset", "1090")], ""), Some(90));
        assert_eq!(wait(403, &[spent, ("x-ratelimit-reset", "10")], ""), Some(0));
        assert_eq!(wait(429, &[("ratelimit-remaining", "0"), ("ratelimit-reset", "1005")], ""), Some(5));
        assert_eq!(wait(429, &[], ""), Some(60));
        assert_eq!(wait(403, &[], r#"{"message": "You have exceeded a secondary rate limit."}"#), Some(60));
        assert_eq!(wait(403, &[("x-ratelimit-remaining", "4999")], r#"{"message": "Resource not accessible"}"#), None);
        assert_eq!(wait(404, &[spent], ""), None);
    }

    #[test]
    fn words_of_hosts_are_short_and_hold_no_secret() {
        assert_eq!(reply(404, &[], r#"{"message": "404 Project Not Found"}"#).message(), "404 Project Not Found");
        assert_eq!(reply(403, &[], r#"{"type": "error", "error": {"message": "no"}}"#).message(), "no");
        assert_eq!(reply(403, &[], r#"{"error": "insufficient_scope"}"#).message(), "insufficient_scope");
        assert_eq!(reply(500, &[], "<html>").message(), "no reason was given");
        assert_eq!(clean("no\nuse for hunter2 here", "hunter2"), "no use for … here");
        assert_eq!(clean(&"x".repeat(1_000), "").len(), 300);
    }

    #[test]
    fn next_pages_are_read_from_header_or_body_and_stay_on_the_host() {
        let next = |headers: &[(&'static str, &str)], body: &str| {
            http().read(&reply(200, headers, body), "github:X").map(|answer| answer.next.map(String::from))
        };
        let link = r#"<http://127.0.0.1:9/a?page=1>; rel="prev", <http://127.0.0.1:9/a?page=3>; rel="next""#;
        assert_eq!(next(&[("link", link)], "[]").unwrap().unwrap(), "http://127.0.0.1:9/a?page=3");
        assert_eq!(
            next(&[], r#"{"values": [], "next": "/b?page=2"}"#).unwrap().unwrap(),
            "http://127.0.0.1:9/b?page=2"
        );
        assert_eq!(next(&[], "[]").unwrap(), None);
        assert!(next(&[], r#"{"next": "http://other.example/b"}"#).is_err());
        assert!(next(&[], r#"{"next": "https://127.0.0.1:9/b"}"#).is_err());
        assert!(next(&[], "<html>").is_err());
        assert_eq!(next(&[], "").unwrap(), None);
    }
}
