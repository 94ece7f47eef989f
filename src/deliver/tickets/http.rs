//! A small client for the JSON APIs of trackers, which writes as well as reads.
//!
//! In: a call and a secret. Out: JSON, or a [`Refusal`] in the tracker's own words. Limits are honoured: a tracker that
//! asks for patience gets it, up to a bound, and writes are a second apart. Redirects are not followed, because whatever
//! answers is shown the secret. What may have been done is never done again by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, DATE, HeaderMap, HeaderValue, LINK};
use reqwest::{Client, Method, Url, redirect};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::deliver::{Failed, Pace, Retry};

/// Bytes of an answer that are read at most.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
/// Between two writes, as GitHub asks for:
/// <https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api>
const BETWEEN_WRITES: Duration = Duration::from_secs(1);
/// How long to wait where a tracker says that it is too fast, but not until when.
const UNSAID_WAIT: Duration = Duration::from_mins(1);
/// The longest wait that is granted by default.
pub(super) const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// Longest words of a tracker that are repeated.
const WORDS: usize = 600;

/// What a call does, which decides whether it may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// It reads.
    Read,
    /// It writes, and done twice it is as if done once.
    Set,
    /// It makes something new each time.
    Make,
}

/// A call.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    pub(super) does: Does,
    pub(super) method: Method,
    /// Parts of the path below the base; each is escaped, slashes included.
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) body: Option<&'a Value>,
}

/// One answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    /// `null` where there is no body.
    pub(super) value: Value,
    /// What asks the same path for the next page, as a link of the answer has it.
    pub(super) next_query: Option<Vec<(String, String)>>,
}

/// A call that came to nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Refusal {
    /// 0 where there was no answer.
    pub(super) status: u16,
    /// On one line, without the secret.
    pub(super) said: String,
    /// The answer's body, where it is JSON; it may quote what was sent.
    pub(super) value: Value,
    /// Whether the tracker asks for more patience than is granted.
    pub(super) is_limit: bool,
    /// Whether it may have been done all the same.
    pub(super) is_unsure: bool,
}

/// The client of one tracker.
pub(super) struct Http {
    client: Client,
    base: Url,
    headers: HeaderMap,
    pace: Arc<dyn Pace>,
    longest_wait: Duration,
    has_written: AtomicBool,
}

impl Http {
    pub(super) fn new(
        base: Url,
        headers: HeaderMap,
        pace: Arc<dyn Pace>,
        longest_wait: Duration,
    ) -> Result<Self, String> {
        // Somebody may have installed a provider before; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent("pipewarden")
            .redirect(redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_mins(1));
        if base.scheme() == "http" {
            // Only loopback is asked without TLS: neither a proxy nor this machine's certificates have a part in it.
            let roots = rustls::RootCertStore::empty();
            let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
            builder = builder.no_proxy().tls_backend_preconfigured(config);
        }
        let client = builder.build().map_err(|error| chain(&error))?;
        Ok(Self { client, base, headers, pace, longest_wait, has_written: AtomicBool::new(false) })
    }

    /// Asks until there is an answer, a refusal, or no point in going on. `authorization` is the header's value.
    pub(super) async fn ask(&self, authorization: &str, ask: &Ask<'_>) -> Result<Answer, Refusal> {
        let url = self.url(ask)?;
        if ask.does != Does::Read && self.has_written.swap(true, Ordering::Relaxed) {
            self.pace.pause(BETWEEN_WRITES).await;
        }
        let retry = Retry { longest_pause: self.longest_wait, ..Retry::default() };
        let mut answer = retry.run(&*self.pace, || self.attempt(authorization, ask, url.clone())).await;
        if let Err(refusal) = &mut answer {
            let secrets = secrets(authorization);
            refusal.said = clean(&refusal.said, &secrets);
            scrub(&mut refusal.value, &secrets);
        }
        answer
    }

    fn url(&self, ask: &Ask<'_>) -> Result<Url, Refusal> {
        let mut url = self.base.clone();
        // A part that is empty or leads upwards would end at another address than the one it was meant for.
        let strange = ask.path.iter().any(|part| matches!(*part, "" | "." | ".."));
        match url.path_segments_mut() {
            Ok(mut segments) if !strange => {
                segments.pop_if_empty().extend(ask.path);
            }
            _ => {
                let said = format!("`{}` cannot be asked for", ask.path.join("/"));
                return Err(Refusal { said, ..Refusal::default() });
            }
        }
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(ask.query);
        }
        Ok(url)
    }

    async fn attempt(&self, authorization: &str, ask: &Ask<'_>, url: Url) -> Result<Answer, Failed<Refusal>> {
        let mut header = HeaderValue::from_str(authorization).map_err(|_| {
            let said = "the secret holds signs that no header has".to_owned();
            Failed::ForGood(Refusal { said, ..Refusal::default() })
        })?;
        header.set_sensitive(true);
        let request = self.client.request(ask.method.clone(), url).headers(self.headers.clone());
        let mut request = request.header(AUTHORIZATION, header);
        if let Some(body) = ask.body {
            request = request.json(body);
        }
        let unsure = |said: String| {
            let refusal = Refusal { said, is_unsure: ask.does == Does::Make, ..Refusal::default() };
            if ask.does == Does::Make { Failed::ForGood(refusal) } else { Failed::ForNow(refusal, None) }
        };
        let mut response = request.send().await.map_err(|error| {
            let never_went = error.is_connect();
            let said = chain(&error.without_url());
            if never_went { Failed::ForNow(Refusal { said, ..Refusal::default() }, None) } else { unsure(said) }
        })?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unsure(chain(&error.without_url())))? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                let said = format!("the answer is larger than {LARGEST_ANSWER} bytes");
                return Err(Failed::ForGood(Refusal { status, said, ..Refusal::default() }));
            }
            body.extend_from_slice(&chunk);
        }
        self.judged(ask, status, &headers, &body)
    }

    fn judged(&self, ask: &Ask<'_>, status: u16, headers: &HeaderMap, body: &[u8]) -> Result<Answer, Failed<Refusal>> {
        let value: Option<Value> = if body.is_empty() { Some(Value::Null) } else { serde_json::from_slice(body).ok() };
        if (200..300).contains(&status) {
            return match value {
                Some(value) => Ok(Answer { value, next_query: next_query(headers) }),
                None => Err(Failed::ForGood(Refusal {
                    status,
                    said: "the answer is no JSON; is this the address of the API?".to_owned(),
                    is_unsure: ask.does == Does::Make,
                    ..Refusal::default()
                })),
            };
        }
        let value = value.unwrap_or_default();
        let said = value.get("message").and_then(Value::as_str).unwrap_or("no reason was given").to_owned();
        let mut refusal = Refusal { status, said, value, ..Refusal::default() };
        if let Some(wait) = told_to_wait(status, headers, &refusal.said) {
            if wait > self.longest_wait {
                refusal.said = format!("it wants no calls for {} seconds: {}", wait.as_secs(), refusal.said);
                refusal.is_limit = true;
                return Err(Failed::ForGood(refusal));
            }
            refusal.is_limit = true;
            return Err(Failed::ForNow(refusal, Some(wait.max(Duration::from_secs(1)))));
        }
        if (300..400).contains(&status) {
            refusal.said = format!("it answers with a redirect ({status}), which is not followed");
        }
        if status >= 500 {
            refusal.is_unsure = ask.does == Does::Make;
            return Err(if refusal.is_unsure { Failed::ForGood(refusal) } else { Failed::ForNow(refusal, None) });
        }
        Err(Failed::ForGood(refusal))
    }
}

impl Refusal {
    /// What it amounts to wherever it is said; `None` where the tracker's own words decide.
    pub(super) fn stops(&self) -> Option<super::Trouble> {
        let (said, hint) = (self.said.clone(), "deliver the run again later; it goes on where it broke off");
        if self.is_limit {
            return Some(super::Trouble::Stop(said, hint.to_owned()));
        }
        if self.is_unsure {
            let hint = "deliver the run again; what may have been written all the same is looked for first";
            return Some(super::Trouble::Stop(said, hint.to_owned()));
        }
        (self.status == 0).then(|| super::Trouble::Stop(said, hint.to_owned()))
    }
}

/// How long to wait, if the tracker says that it is asked too fast.
fn told_to_wait(status: u16, headers: &HeaderMap, said: &str) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok());
    let spent = number("x-ratelimit-remaining") == Some(0);
    let after = number("retry-after").map(Duration::from_secs);
    let limited = match status {
        429 => true,
        // GitHub says it with 403, which it also says of missing permissions.
        403 => spent || after.is_some() || said.to_lowercase().contains("rate limit"),
        503 => after.is_some(),
        _ => false,
    };
    if !limited {
        return None;
    }
    // The tracker's own clock: this machine's may differ.
    let now = text(DATE.as_str()).and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok());
    let reset = number("x-ratelimit-reset").and_then(|at| i64::try_from(at).ok()).filter(|_| spent);
    let until = now.zip(reset).map(|(now, at)| {
        let seconds = at.saturating_sub(now.unix_timestamp());
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    });
    Some(after.or(until).unwrap_or(UNSAID_WAIT))
}

/// `<https://…?page=2>; rel="next", …` → `page=2`. The rest of the address is not believed.
fn next_query(headers: &HeaderMap) -> Option<Vec<(String, String)>> {
    let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    links.filter_map(|link| link.split_once(';')).find_map(|(address, relation)| {
        let is_next = relation.split(';').any(|part| matches!(part.trim(), r#"rel="next""# | "rel=next"));
        let address = address.trim().strip_prefix('<')?.strip_suffix('>')?;
        is_next.then_some(())?;
        let url = Url::parse(address).ok()?;
        Some(url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    })
}

/// What no words of a tracker may repeat.
fn secrets(authorization: &str) -> Vec<String> {
    let Some((scheme, shown)) = authorization.split_once(' ') else { return Vec::new() };
    let mut secrets = vec![shown.to_owned()];
    if scheme == "Basic" {
        let plain = STANDARD.decode(shown).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        secrets.extend(plain.and_then(|plain| Some(plain.split_once(':')?.1.to_owned())));
    }
    secrets.retain(|secret| !secret.is_empty());
    secrets
}

/// A tracker's words on one short line, without what it was shown.
pub(super) fn clean(said: &str, secrets: &[String]) -> String {
    let said = secrets.iter().fold(said.to_owned(), |said, secret| said.replace(secret.as_str(), "…"));
    said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS).collect()
}

/// The same, in every text of an answer.
fn scrub(value: &mut Value, secrets: &[String]) {
    match value {
        Value::String(text) => *text = clean(text, secrets),
        Value::Array(items) => items.iter_mut().for_each(|item| scrub(item, secrets)),
        Value::Object(fields) => {
            let taken = std::mem::take(fields);
            for (name, mut field) in taken {
                scrub(&mut field, secrets);
                fields.insert(clean(&name, secrets), field);
            }
        }
        _ => {}
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderName;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn trackers_say_in_several_ways_to_come_back_later() {
        let wait = |status, pairs: &[(&'static str, &str)], said: &str| {
            told_to_wait(status, &headers(pairs), said).map(|wait| wait.as_secs())
        };
        let (spent, date) = (("x-ratelimit-remaining", "0"), ("date", "Sat, 21 Nov 2026 02:00:00 GMT"));
        assert_eq!(wait(429, &[("retry-after", "7")], ""), Some(7));
        assert_eq!(wait(403, &[spent, date, ("x-ratelimit-reset", "1795226490")], ""), Some(90));
        assert_eq!(wait(403, &[spent, date, ("x-ratelimit-reset", "10")], ""), Some(0));
        assert_eq!(wait(403, &[], "You have exceeded a secondary rate limit."), Some(60));
        assert_eq!(wait(403, &[("x-ratelimit-remaining", "4999")], "Resource not accessible"), None);
        assert_eq!(wait(404, &[spent], ""), None);
        assert_eq!(wait(503, &[], ""), None);
    }

    #[test]
    fn the_next_page_is_read_as_a_query_and_never_as_an_address() {
        let link =
            r#"<https://x/a?page=1>; rel="prev", <https://elsewhere/a?state=all&after=Y3%3D&page=3>; rel="next""#;
        let next = next_query(&headers(&[("link", link)])).unwrap();
        let next: Vec<(&str, &str)> = next.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(next, [("state", "all"), ("after", "Y3="), ("page", "3")]);
        assert_eq!(next_query(&headers(&[])), None);
    }

    #[test]
    fn words_of_trackers_hold_no_secret() {
        let basic = format!("Basic {}", STANDARD.encode("me:hunter2"));
        for (authorization, said) in [("Bearer hunter2", "hunter2"), (basic.as_str(), "hunter2"), (&basic, &basic)] {
            let secrets = secrets(authorization);
            let mut value = serde_json::json!({"errors": {said: [format!("no {said}")]}});
            scrub(&mut value, &secrets);
            let told = format!("{}{value}", clean(&format!("no\nuse for {said}"), &secrets));
            assert!(told.contains("no use for") && !told.contains("hunter2"), "{told}");
            assert!(!told.contains(basic.trim_start_matches("Basic ")), "{told}");
        }
        assert_eq!(clean(&"x".repeat(1_000), &[]).len(), WORDS);
    }
}
