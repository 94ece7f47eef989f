//! What a tracker is shown: a token, a user with a token, or a GitHub App's installation.
//!
//! In: the keys of a table that name a variable or a file, and a way to read them. Out: an [`Access`], which prints
//! nothing of what it holds. The same kinds of secrets are named as for source hosts.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use octocrab::auth::{AppAuth, EncodingKey};
use octocrab::models::AppId;
use reqwest::{Method, Url};
use serde_json::Value;
use tokio::sync::Mutex;

use super::http::{Ask, Does, Http, Refusal};
use crate::collect::git_hosts::Secrets;
use crate::deliver::DeliveryError;
use crate::deliver::receiver::is_variable;

/// A header's value that no output shows.
#[derive(Clone)]
pub(super) struct Header(String);

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Header(redacted)")
    }
}

/// What is shown to a tracker.
pub(super) enum Access {
    Header(Header),
    App(Box<App>),
}

/// An App's installation, and the token that it has now.
pub(super) struct App {
    auth: AppAuth,
    installation: String,
    header: Mutex<Option<Header>>,
}

/// Where a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Variable(String),
    File(PathBuf),
}

impl Place {
    /// Of `token_env` and `token_file`.
    pub(super) fn of(variable: Option<&String>, file: Option<&PathBuf>) -> Result<Option<Self>, String> {
        match (variable, file) {
            (Some(_), Some(_)) => Err("`token_file`: give it or `token_env`, not both".to_owned()),
            // Whoever writes the token itself here must not read it again in every sentence that names the variable.
            (Some(name), None) if !is_variable(name) => {
                Err("`token_env`: write the name of an environment variable (A-Z, 0-9 and _), not the token".to_owned())
            }
            (Some(name), None) => Ok(Some(Self::Variable(name.clone()))),
            (None, Some(file)) => Ok(Some(Self::File(file.clone()))),
            (None, None) => Ok(None),
        }
    }
}

/// A secret that cannot be used, without a word of what it is.
fn missing(receiver: &str, problem: String, hint: &str) -> DeliveryError {
    DeliveryError::Receiver { receiver: receiver.to_owned(), problem, hint: hint.to_owned() }
}

/// The token that is there.
fn token(receiver: &str, place: &Place, secrets: &Secrets<'_>) -> Result<String, DeliveryError> {
    let (token, named) = match place {
        Place::Variable(name) => {
            let value = secrets.variable.value(name);
            let value = value.map_err(|problem| missing(receiver, problem, "then deliver the run again"))?;
            (value.unwrap_or_default(), format!("the environment variable `{name}`"))
        }
        Place::File(path) => {
            let named = path.display().to_string();
            let bytes = (secrets.file)(path)
                .map_err(|error| missing(receiver, format!("{named} cannot be read: {error}"), "mend `token_file`"))?;
            (String::from_utf8_lossy(&bytes).into_owned(), named)
        }
    };
    let token = token.trim();
    if token.is_empty() {
        return Err(missing(receiver, format!("{named} holds no token"), "put a token there"));
    }
    if !token.chars().all(|c| c.is_ascii_graphic()) {
        return Err(missing(receiver, format!("{named} holds signs that no token has"), "put a token there"));
    }
    Ok(token.to_owned())
}

impl Access {
    /// `Bearer …`, or `Basic …` of a user and a token.
    pub(super) fn with_token(
        receiver: &str,
        user: Option<&str>,
        place: &Place,
        secrets: &Secrets<'_>,
    ) -> Result<Self, DeliveryError> {
        let token = token(receiver, place, secrets)?;
        let header = match user {
            None => format!("Bearer {token}"),
            Some(user) => format!("Basic {}", STANDARD.encode(format!("{user}:{token}"))),
        };
        Ok(Self::Header(Header(header)))
    }

    /// A GitHub App's installation.
    pub(super) fn of_app(
        receiver: &str,
        (app, installation): (u64, u64),
        file: &Path,
        secrets: &Secrets<'_>,
    ) -> Result<Self, DeliveryError> {
        let place = file.display();
        let pem = (secrets.file)(file).map_err(|error| {
            missing(receiver, format!("{place} cannot be read: {error}"), "mend `private_key_file`")
        })?;
        // The parser's own words could quote the key.
        let key = EncodingKey::from_rsa_pem(&pem).map_err(|_| {
            missing(receiver, format!("{place} is no RSA private key in PEM form"), "mend `private_key_file`")
        })?;
        let auth = AppAuth { app_id: AppId(app), key };
        let (installation, header) = (installation.to_string(), Mutex::default());
        Ok(Self::App(Box::new(App { auth, installation, header })))
    }

    /// The value of the header; an App's token is asked for once, and again where `stale` says that it has ended.
    pub(super) async fn authorization(&self, http: &Http, stale: bool) -> Result<String, Refusal> {
        match self {
            Self::Header(header) => Ok(header.0.clone()),
            Self::App(app) => {
                let mut kept = app.header.lock().await;
                if let Some(header) = kept.as_ref().filter(|_| !stale) {
                    return Ok(header.0.clone());
                }
                let header = Self::installation_token(http, &app.auth, &app.installation).await?;
                *kept = Some(Header(header.clone()));
                Ok(header)
            }
        }
    }

    /// Whether a refused header may be exchanged for a fresh one.
    pub(super) fn can_be_renewed(&self) -> bool {
        matches!(self, Self::App(_))
    }

    async fn installation_token(http: &Http, auth: &AppAuth, installation: &str) -> Result<String, Refusal> {
        let refused = |said: &str| Refusal { said: said.to_owned(), ..Refusal::default() };
        // The signer's own words could quote the key.
        let signature = auth
            .generate_bearer_token()
            .map_err(|_| refused("the App's private key could not sign the question for a token"))?;
        let path = ["app", "installations", installation, "access_tokens"];
        // A token more or less does no harm.
        let ask = Ask { does: Does::Read, method: Method::POST, path: &path, query: &[], body: None };
        let answer = http.ask(&format!("Bearer {signature}"), &ask).await?;
        let token = answer.value.get("token").and_then(Value::as_str).unwrap_or_default();
        if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(refused("the answer holds no token of the App's installation"));
        }
        Ok(format!("Bearer {token}"))
    }
}

/// The address of an API: HTTPS, or this machine itself.
pub(super) fn address(key: &str, text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("`{key}`: `{text}` is no address: {error}"))?;
    let plain = url.username().is_empty() && url.password().is_none();
    if !plain || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("`{key}`: the address must hold no user, password, query or fragment"));
    }
    let is_loopback = match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback => Ok(url),
        _ => Err(format!("`{key}`: the address must begin with `https://`: a token would be sent for all to read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "hunter2hunter2";

    #[test]
    fn secrets_are_read_from_where_they_are_named_and_shown_nowhere() {
        let variable = |name: &str| match name {
            "TOKEN" => Some(format!("{SECRET}\n")),
            "STRANGE" => Some(format!("{SECRET} {SECRET}")),
            _ => None,
        };
        let file = |path: &Path| match path.to_str() {
            Some("token") => Ok(SECRET.as_bytes().to_vec()),
            _ => Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
        };
        let secrets = Secrets { variable: &variable, file: &file };
        let open = |place: Place| Access::with_token("x", Some("me"), &place, &secrets);
        for place in [Place::Variable("TOKEN".to_owned()), Place::File("token".into())] {
            let Ok(Access::Header(header)) = open(place) else { panic!() };
            assert_eq!(header.0, format!("Basic {}", STANDARD.encode(format!("me:{SECRET}"))));
            assert!(!format!("{header:?}").contains("Basic"));
        }
        for (place, needle) in [
            (Place::Variable("NOTHING".to_owned()), "`NOTHING` holds no token"),
            (Place::Variable("STRANGE".to_owned()), "signs that no token has"),
            (Place::File("nowhere".into()), "cannot be read"),
        ] {
            let error = open(place).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(needle) && !error.contains(SECRET), "{error}");
        }
        let error = Access::of_app("x", (1, 2), Path::new("token"), &secrets).err().unwrap().to_string();
        assert!(error.contains("no RSA private key") && !error.contains(SECRET), "{error}");
        assert!(Place::of(Some(&String::new()), Some(&PathBuf::new())).is_err());
        for pasted in ["", SECRET, "ghp_0123456789abcdefghijABCDEFGHIJ012345", "A TOKEN", "A=B"] {
            let error = Place::of(Some(&pasted.to_owned()), None).err().unwrap_or_default();
            assert!(error.contains("not the token") && (pasted.is_empty() || !error.contains(pasted)), "{error}");
        }
        assert_eq!(Place::of(Some(&"A_1".to_owned()), None), Ok(Some(Place::Variable("A_1".to_owned()))));
    }

    #[test]
    fn a_token_is_sent_to_nobody_in_the_open() {
        assert!(address("api", "https://github.example.com/api/v3").is_ok());
        assert!(address("api", "http://127.0.0.1:99").is_ok());
        for wrong in ["http://github.com", "https://a:b@github.com", "https://github.com?x", "github.com", "ftp://x"] {
            assert!(address("api", wrong).is_err(), "{wrong}");
        }
    }
}
