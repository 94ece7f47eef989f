//! The short message on a run → an address that takes it: Slack, Teams, or any program.
//!
//! In: a [`Notice`]. Out: one `POST` per run, and one per owner who has an address of their own. Addresses are secrets: they
//! are read from the environment or a file, and only their host is ever named. A message has the same id whenever it is sent
//! again, in the headers of <https://www.standardwebhooks.com>, which can also be signed.

mod endpoint;
#[cfg(test)]
mod samples;
mod slack;
mod teams;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde::Deserialize;
use serde_json::{Value, json};

use super::messenger::{Channel, Letter, Messenger};
use super::receiver::{is_variable, settings};
use super::{Delivery, DeliveryError, Grant, Kind, Notice, Pace, Receiver, Way, When};
use crate::collect::git_hosts::Secrets;
use crate::inventory::Partition;
use endpoint::Endpoint;

/// Bytes of a secret that signs, at least.
const SHORTEST_SECRET: usize = 24;

/// `[[deliveries.webhook]]`
#[derive(Debug)]
pub(super) struct Webhook;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// Blocks, and a text.
    Slack,
    /// An Adaptive Card.
    Teams,
    /// [`Notice::json`]
    Json,
}

impl Format {
    fn body(self, notice: &Notice) -> String {
        match self {
            Self::Slack => slack::message(notice),
            Self::Teams => teams::message(notice),
            Self::Json => notice.json(),
        }
        .to_string()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Environment variable with the address.
    url_env: Option<String>,
    /// File with the address.
    url_file: Option<PathBuf>,
    format: Format,
    /// Environment variable with the secret that signs.
    secret_env: Option<String>,
    /// File with it.
    secret_file: Option<PathBuf>,
    /// `always`, `changed` or `violations`.
    #[serde(default)]
    when: When,
    /// Owner → environment variable with the address of theirs.
    #[serde(default)]
    owners: BTreeMap<String, String>,
}

impl Settings {
    fn check(&self) -> Result<(), String> {
        if self.url_env.is_some() == self.url_file.is_some() {
            return Err(
                "name the address by `url_env` (a variable) or `url_file` (a file), one of them; it is a secret and never stands here"
                    .to_owned(),
            );
        }
        if self.secret_env.is_some() && self.secret_file.is_some() {
            return Err("`secret_env` and `secret_file` are two places for one secret; keep one".to_owned());
        }
        let is_signed = self.secret_env.is_some() || self.secret_file.is_some();
        if is_signed && self.format != Format::Json {
            return Err("`secret_env` and `secret_file` sign messages of `format = \"json\"` only".to_owned());
        }
        let of_owners = self.owners.iter().map(|(owner, variable)| {
            // Where the two sides changed places, the owner is the address.
            let key = if owner.contains("://") { "`owners`".to_owned() } else { format!("`owners`, {owner}") };
            (key, "an address", variable)
        });
        let own = [("`url_env`", "an address", &self.url_env), ("`secret_env`", "the secret", &self.secret_env)];
        let own = own.into_iter().filter_map(|(key, what, variable)| Some((key.to_owned(), what, variable.as_ref()?)));
        for (key, what, variable) in own.chain(of_owners) {
            if !is_variable(variable) {
                return Err(format!("{key}: write the name of an environment variable (A-Z, 0-9 and _), not {what}"));
            }
        }
        Ok(())
    }
}

impl Kind for Webhook {
    fn table(&self) -> &'static str {
        "webhook"
    }

    fn about(&self) -> &'static str {
        "the short message to Slack, Teams or a program, and to owners what is theirs"
    }

    fn actions(&self) -> &'static [&'static str] {
        &[]
    }

    fn read(&self, name: &str, table: Value) -> Result<Arc<dyn Receiver>, String> {
        // What serde says of a wrong value may repeat it, and somebody may have written the address itself.
        let settings: Settings = settings(table).map_err(|problem| {
            let hint =
                "an address stands where none may: it is a secret; put it into a variable or a file and name that";
            if problem.contains("://") { hint.to_owned() } else { problem }
        })?;
        settings.check()?;
        Ok(Arc::new(Configured { name: name.to_owned(), settings }))
    }
}

#[derive(Debug, Clone)]
struct Configured {
    name: String,
    settings: Settings,
}

impl Receiver for Configured {
    fn grants(&self, _partition: Partition) -> Vec<Grant> {
        Vec::new()
    }

    fn open(&self, way: &Way<'_>) -> Result<Box<dyn Delivery>, DeliveryError> {
        let missing = |problem: String| DeliveryError::Receiver {
            receiver: format!("webhook `{}`", self.name),
            problem,
            hint: "set it for the process that delivers, or name a secret for it in PIPEWARDEN_SECRETS".to_owned(),
        };
        let Settings { url_env, url_file, secret_env, secret_file, .. } = &self.settings;
        let opened = |(what, address): (String, String)| {
            Endpoint::open(&address).map_err(|problem| format!("{what}: {problem}"))
        };
        let endpoint = secret(way.secrets, url_env.as_deref(), url_file.as_ref()).and_then(opened).map_err(missing)?;
        let key = if secret_env.is_some() || secret_file.is_some() {
            let (what, text) = secret(way.secrets, secret_env.as_deref(), secret_file.as_ref()).map_err(missing)?;
            Some(key_of(&text).map_err(|problem| missing(format!("{what}: {problem}")))?)
        } else {
            None
        };
        // An owner without an address keeps nobody else from being told.
        let of_owner = |variable: &String| secret(way.secrets, Some(variable.as_str()), None).and_then(opened);
        let owners = self.settings.owners.iter().map(|(owner, variable)| (owner.clone(), of_owner(variable)));
        Ok(Box::new(Messenger(Sender {
            name: self.name.clone(),
            format: self.settings.format,
            when: self.settings.when,
            endpoint,
            key,
            owners: owners.collect(),
            pace: Arc::clone(&way.pace),
        })))
    }
}

/// The secret, and what it was read from in words.
fn secret(secrets: &Secrets<'_>, variable: Option<&str>, file: Option<&PathBuf>) -> Result<(String, String), String> {
    let (what, text) = match (variable, file) {
        (Some(variable), _) => {
            let value = secrets.variable.value(variable)?;
            (format!("the variable {variable}"), value.ok_or_else(|| format!("the variable {variable} is not set"))?)
        }
        (None, Some(file)) => {
            let shown = file.display();
            let bytes = (secrets.file)(file).map_err(|error| format!("the file {shown} cannot be read: {error}"))?;
            let text = String::from_utf8(bytes).map_err(|_| format!("the file {shown} is no text"))?;
            (format!("the file {shown}"), text)
        }
        (None, None) => return Err("no place is named for it".to_owned()),
    };
    let text = text.trim().to_owned();
    if text.is_empty() { Err(format!("{what} is empty")) } else { Ok((what, text)) }
}

/// `whsec_` and base64, or any text.
fn key_of(secret: &str) -> Result<hmac::Key, String> {
    let bytes = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| "what follows whsec_ is no base64".to_owned())?,
        None => secret.as_bytes().to_vec(),
    };
    if bytes.len() < SHORTEST_SECRET {
        return Err(format!("a secret that signs has at least {SHORTEST_SECRET} bytes"));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

struct Sender {
    name: String,
    format: Format,
    when: When,
    endpoint: Endpoint,
    key: Option<hmac::Key>,
    owners: BTreeMap<String, Result<Endpoint, String>>,
    pace: Arc<dyn Pace>,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("name", &self.name).field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Sender {
    fn headers(&self, letter: &Letter<'_>, body: &str) -> Vec<(&'static str, String)> {
        let at = letter.at.unix_timestamp();
        let mut headers = vec![
            ("webhook-id", letter.id.clone()),
            ("webhook-timestamp", at.to_string()),
            ("x-pipewarden-run", letter.notice.run.run_id.clone()),
        ];
        if let Some(key) = &self.key {
            let signed = hmac::sign(key, format!("{}.{at}.{body}", letter.id).as_bytes());
            headers.push(("webhook-signature", format!("v1,{}", STANDARD.encode(signed.as_ref()))));
        }
        headers
    }

    fn named(&self, endpoint: &Endpoint) -> String {
        let format = match self.format {
            Format::Slack => "Slack",
            Format::Teams => "Teams",
            Format::Json => "JSON",
        };
        format!("{format} webhook at {}", endpoint.host())
    }
}

#[async_trait]
impl Channel for Sender {
    fn name(&self) -> &str {
        &self.name
    }

    fn receiver(&self) -> String {
        self.named(&self.endpoint)
    }

    fn when(&self) -> When {
        self.when
    }

    fn tells_owners(&self) -> bool {
        !self.owners.is_empty()
    }

    fn reaches(&self, owner: &str) -> Result<bool, String> {
        match self.owners.get(owner) {
            None => Ok(false),
            Some(Ok(_)) => Ok(true),
            Some(Err(problem)) => Err(format!("{problem}; set it for the process that delivers")),
        }
    }

    fn patience(&self) -> usize {
        // Each has an address of its own: what is wrong with one says nothing of the next.
        usize::MAX
    }

    fn size(&self, letter: &Letter<'_>) -> u64 {
        self.format.body(letter.notice).len() as u64
    }

    async fn send(&self, letter: &Letter<'_>) -> Result<Value, DeliveryError> {
        let endpoint = match letter.owner.and_then(|owner| self.owners.get(owner)) {
            Some(Ok(endpoint)) => endpoint,
            // An owner is never told by way of everybody's address.
            _ if letter.owner.is_some() => {
                return Err(DeliveryError::Receiver {
                    receiver: self.receiver(),
                    problem: "this owner has no address".to_owned(),
                    hint: "name a variable for them under `owners`".to_owned(),
                });
            }
            _ => &self.endpoint,
        };
        let body = self.format.body(letter.notice);
        let headers = self.headers(letter, &body);
        endpoint.post(&self.named(endpoint), &headers, &body, self.pace.as_ref()).await?;
        Ok(json!({"id": letter.id}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(table: Value) -> Result<(), String> {
        Webhook.read("chat", table).map(drop)
    }

    #[test]
    fn every_mistake_is_named_and_no_address_is_repeated() {
        for (table, needle) in [
            (json!({"format": "slack"}), "`url_env`"),
            (json!({"format": "slack", "url_env": "A", "url_file": "b"}), "one of them"),
            (json!({"format": "pigeon", "url_env": "A"}), "unknown variant `pigeon`"),
            (json!({"url_env": "A"}), "missing field `format`"),
            (json!({"format": "slack", "url": "https://hooks.example.com/secret"}), "unknown field `url`"),
            (json!({"format": "slack", "url_env": "https://hooks.example.com/secret"}), "not an address"),
            (json!({"format": "https://hooks.example.com/secret", "url_env": "A"}), "stands where none may"),
            (
                json!({"format": "slack", "url_env": "A", "owners": {"x": "https://h.example.com/secret"}}),
                "not an address",
            ),
            (
                json!({"format": "slack", "url_env": "A", "owners": "https://h.example.com/secret"}),
                "stands where none may",
            ),
            (json!({"format": "slack", "url_env": "A", "secret_env": "B"}), "only"),
            (json!({"format": "json", "url_env": "hooks_secret\""}), "not an address"),
            (json!({"format": "json", "url_env": "A", "secret_env": "whsec_secret\""}), "not the secret"),
            (
                json!({"format": "slack", "url_env": "A", "owners": {"https://h.example.com/secret": "x"}}),
                "`owners`: write the name",
            ),
            (json!({"format": "json", "url_env": "A", "secret_env": "B", "secret_file": "c"}), "keep one"),
        ] {
            let error = read(table.clone()).err().unwrap_or_default();
            assert!(
                error.contains(needle) && !error.contains("secret\"") && !error.contains("/secret"),
                "{table}: {error}"
            );
        }
        assert_eq!(
            read(json!({"format": "json", "url_env": "A", "secret_file": "/run/secret", "when": "always"})),
            Ok(())
        );
    }

    #[test]
    fn a_secret_that_signs_is_long_enough() {
        assert!(key_of("short").is_err() && key_of("whsec_!!").is_err() && key_of("whsec_c2hvcnQ=").is_err());
        let encoded = format!("whsec_{}", STANDARD.encode([7; 24]));
        let key = key_of(&encoded).unwrap();
        assert_eq!(
            hmac::sign(&key, b"x").as_ref(),
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[7; 24]), b"x").as_ref()
        );
    }
}
