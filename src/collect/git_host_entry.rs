//! `[[hosts]]` as written: which source hosts may be asked, and where their secrets are.
//!
//! In: an entry of the configuration, and a way to read what it names. Out: an address and a credential, or the key that
//! is wrong and how to mend it. Entries hold no secrets, and no message quotes one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use octocrab::auth::{AppAuth, EncodingKey};
use octocrab::models::AppId;
use reqwest::Url;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use super::call::CallError;
use super::scope::RecordedCall;

/// Whose API a host speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostProvider {
    /// github.com, or GitHub Enterprise.
    GitHub,
    /// gitlab.com, or GitLab Self-Managed.
    GitLab,
    /// Bitbucket Cloud.
    Bitbucket,
}

impl HostProvider {
    pub(super) fn service(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Bitbucket => "bitbucket",
        }
    }

    /// What its API wants to be told with every call.
    pub(super) fn headers(self) -> HeaderMap {
        let (accept, version) = match self {
            Self::GitHub => ("application/vnd.github+json", Some("2022-11-28")),
            Self::GitLab | Self::Bitbucket => ("application/json", None),
        };
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
        if let Some(version) = version {
            headers.insert(HeaderName::from_static("x-github-api-version"), HeaderValue::from_static(version));
        }
        headers
    }

    fn of_host(host: &str) -> Option<Self> {
        let known = [
            ("github", Self::GitHub),
            ("ghe.com", Self::GitHub),
            ("gitlab", Self::GitLab),
            ("bitbucket.org", Self::Bitbucket),
        ];
        known.into_iter().find(|(word, _)| host.contains(word)).map(|(_, provider)| provider)
    }

    fn api(self, host: &str) -> Option<String> {
        match self {
            Self::GitHub if host == "github.com" || host.ends_with(".ghe.com") => Some(format!("https://api.{host}")),
            Self::GitHub => Some(format!("https://{host}/api/v3")),
            Self::GitLab => Some(format!("https://{host}/api/v4")),
            Self::Bitbucket => (host == "bitbucket.org").then(|| "https://api.bitbucket.org/2.0".to_owned()),
        }
    }
}

/// One entry of `[[hosts]]`, as written: it names secrets and holds none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostEntry {
    /// As in the address of a repository: `github.com`.
    pub host: String,
    /// Whose API it speaks; by default the host's name says it.
    #[serde(default)]
    pub provider: Option<HostProvider>,
    /// Address of the API; by default the provider's own.
    #[serde(default)]
    pub api: Option<String>,
    /// Only so that a token which was written here by mistake is not quoted in an error.
    #[serde(default, skip_serializing)]
    pub token: Option<Misplaced>,
    /// Name of the environment variable that holds a token.
    #[serde(default)]
    pub token_env: Option<String>,
    /// Id of a GitHub App.
    #[serde(default)]
    pub app_id: Option<u64>,
    /// Id of the App's installation in the organization.
    #[serde(default)]
    pub installation_id: Option<u64>,
    /// PEM file with the App's private key.
    #[serde(default)]
    pub private_key_file: Option<PathBuf>,
    /// Longest wait, in seconds, that a rate limit may ask for; beyond it, what was asked for is a gap.
    #[serde(default)]
    pub longest_wait_seconds: Option<u64>,
}

/// A value that is read over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misplaced;

impl<'de> Deserialize<'de> for Misplaced {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// An entry that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`hosts` ({host}): `{key}`: {problem}")]
pub struct HostError {
    /// The host, as written.
    pub host: String,
    /// The key.
    pub key: &'static str,
    /// What is wrong and how to mend it.
    pub problem: String,
}

/// A secret that no output shows.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// What is shown to a host.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each host")]
pub(super) enum Credential {
    Token(Secret),
    App { auth: AppAuth, installation: String, token: tokio::sync::Mutex<Option<InstallationToken>> },
}

/// A token of an App's installation, or why there is none, for a while.
#[derive(Debug, Clone)]
pub(super) struct InstallationToken {
    pub(super) token: Result<Secret, CallError>,
    /// The calls that brought it, which stand in the ledger of every account that it is used for.
    pub(super) calls: Vec<RecordedCall>,
    pub(super) until: Instant,
}

impl HostEntry {
    /// A host whose token is in the variable of the host's own name, with its API at an address of its own.
    #[must_use]
    pub fn with_token(host: &str, api: &str) -> Self {
        Self {
            host: host.to_owned(),
            provider: None,
            api: Some(api.to_owned()),
            token: None,
            token_env: Some(host.to_owned()),
            app_id: None,
            installation_id: None,
            private_key_file: None,
            longest_wait_seconds: None,
        }
    }

    /// Checks everything that can be checked without the secrets.
    ///
    /// # Errors
    /// [`HostError`] for the first key that cannot be used.
    pub fn check(&self) -> Result<(), HostError> {
        if self.token.is_some() {
            return Err(self.wrong(
                "token",
                "a token has no place in this file; put it into an environment variable, write the variable's name as \
                 `token_env`, and take this token for known to others",
            ));
        }
        self.base().map(|_| ())?;
        let app = [self.app_id.is_some(), self.installation_id.is_some(), self.private_key_file.is_some()];
        let some_of_app = app.contains(&true);
        match (&self.token_env, some_of_app) {
            (Some(_), true) => Err(self.wrong("token_env", "give either a token or a GitHub App, not both")),
            (None, false) => Err(self.wrong(
                "token_env",
                "no secret is named: give the name of an environment variable that holds a token, or `app_id`, \
                 `installation_id` and `private_key_file` of a GitHub App",
            )),
            (None, true) if app.contains(&false) => {
                Err(self
                    .wrong("app_id", "a GitHub App needs all of `app_id`, `installation_id` and `private_key_file`"))
            }
            (None, true) if self.kind()? != HostProvider::GitHub => {
                Err(self.wrong("app_id", "only GitHub has Apps; give `token_env`"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn wrong(&self, key: &'static str, problem: impl Into<String>) -> HostError {
        HostError { host: self.host.clone(), key, problem: problem.into() }
    }

    pub(super) fn name(&self) -> Result<String, HostError> {
        let name = self.host.to_ascii_lowercase();
        let letters = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
        if name.is_empty() || !name.chars().all(letters) {
            return Err(self.wrong("host", "write the host as in a repository's address, such as `github.com`"));
        }
        Ok(name)
    }

    pub(super) fn kind(&self) -> Result<HostProvider, HostError> {
        let by_name = || HostProvider::of_host(&self.host.to_ascii_lowercase());
        self.provider.or_else(by_name).ok_or_else(|| {
            self.wrong("provider", "the name does not say whose API it speaks; write `github`, `gitlab` or `bitbucket`")
        })
    }

    pub(super) fn base(&self) -> Result<Url, HostError> {
        let (name, kind) = (self.name()?, self.kind()?);
        let text = match (&self.api, kind.api(&name)) {
            (Some(api), _) => api.clone(),
            (None, Some(api)) => api,
            (None, None) => {
                return Err(self.wrong("api", "only Bitbucket Cloud (bitbucket.org) has a known address; give it here"));
            }
        };
        let url = Url::parse(&text).map_err(|error| self.wrong("api", format!("`{text}` is no address: {error}")))?;
        let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        let loopback = match url.host_str() {
            Some("localhost" | "[::1]") => true,
            Some(host) => host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
            None => false,
        };
        match url.scheme() {
            _ if !plain || url.fragment().is_some() => {
                Err(self.wrong("api", "the address must hold no user, password, query or fragment"))
            }
            "https" => Ok(url),
            "http" if loopback => Ok(url),
            _ => {
                Err(self.wrong("api", "the address must begin with `https://`: a token would be sent for all to read"))
            }
        }
    }

    pub(super) fn credential(&self, secrets: &Secrets<'_>) -> Result<Credential, HostError> {
        self.check()?;
        if let Some(name) = &self.token_env {
            let value = secrets.variable.value(name).map_err(|problem| self.wrong("token_env", problem))?;
            let token = value.unwrap_or_default().trim().to_owned();
            if token.is_empty() {
                let problem =
                    format!("the environment variable `{name}` is not set; set it to a token, or remove the host");
                return Err(self.wrong("token_env", problem));
            }
            if !token.chars().all(|c| c.is_ascii_graphic()) {
                let problem = format!("the environment variable `{name}` holds characters that no token has");
                return Err(self.wrong("token_env", problem));
            }
            return Ok(Credential::Token(Secret(token)));
        }
        let (Some(app), Some(installation), Some(file)) = (self.app_id, self.installation_id, &self.private_key_file)
        else {
            return Err(
                self.wrong("app_id", "a GitHub App needs all of `app_id`, `installation_id` and `private_key_file`")
            );
        };
        let place = file.display();
        let pem = (secrets.file)(file)
            .map_err(|error| self.wrong("private_key_file", format!("{place} cannot be read: {error}")))?;
        // The parser's own words could quote the key.
        let key = EncodingKey::from_rsa_pem(&pem)
            .map_err(|_| self.wrong("private_key_file", format!("{place} is no RSA private key in PEM form")))?;
        let auth = AppAuth { app_id: AppId(app), key };
        Ok(Credential::App { auth, installation: installation.to_string(), token: tokio::sync::Mutex::default() })
    }
}

/// How the secrets that entries name are read.
pub struct Secrets<'a> {
    /// Values of environment variables.
    pub variable: &'a dyn Variables,
    /// The content of a file.
    pub file: &'a dyn Fn(&Path) -> std::io::Result<Vec<u8>>,
}

/// Values by the names of environment variables, wherever they are.
pub trait Variables {
    /// The value, if there is one.
    ///
    /// # Errors
    /// Why it cannot be had although something was named for it, and how to mend that, without a word of the value.
    fn value(&self, name: &str) -> Result<Option<String>, String>;
}

impl<F: Fn(&str) -> Option<String>> Variables for F {
    fn value(&self, name: &str) -> Result<Option<String>, String> {
        Ok(self(name))
    }
}

impl fmt::Debug for Secrets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

#[cfg(test)]
mod tests {
    use super::super::git_hosts::SourceHosts;
    use super::*;

    const SECRET: &str = "ghp_hunter2hunter2";

    fn entry(toml: &str) -> HostEntry {
        toml::from_str(toml).unwrap()
    }

    fn open(toml: &str) -> Result<SourceHosts, HostError> {
        let variable = |name: &str| match name {
            "TOKEN" => Some(format!("{SECRET}\n")),
            "EMPTY" => Some(String::new()),
            "STRANGE" => Some("a b".to_owned()),
            _ => None,
        };
        let file = |path: &Path| match path.to_str() {
            Some("app.pem") => Ok(format!("-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n").into_bytes()),
            _ => Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
        };
        SourceHosts::open(&[entry(toml)], &Secrets { variable: &variable, file: &file })
    }

    #[test]
    fn hosts_know_their_provider_and_api_by_name() {
        for (toml, provider, api) in [
            ("host = \"github.com\"", HostProvider::GitHub, "https://api.github.com/"),
            ("host = \"GitHub.example.com\"", HostProvider::GitHub, "https://github.example.com/api/v3"),
            ("host = \"acme.ghe.com\"", HostProvider::GitHub, "https://api.acme.ghe.com/"),
            ("host = \"gitlab.com\"", HostProvider::GitLab, "https://gitlab.com/api/v4"),
            (
                "host = \"code.acme.example\"\nprovider = \"gitlab\"",
                HostProvider::GitLab,
                "https://code.acme.example/api/v4",
            ),
            ("host = \"bitbucket.org\"", HostProvider::Bitbucket, "https://api.bitbucket.org/2.0"),
            ("host = \"github.com\"\napi = \"http://127.0.0.1:99/x\"", HostProvider::GitHub, "http://127.0.0.1:99/x"),
        ] {
            let entry = entry(toml);
            assert_eq!((entry.kind().unwrap(), entry.base().unwrap().as_str()), (provider, api), "{toml}");
        }
    }

    #[test]
    fn every_mistake_is_named_with_its_key() {
        for (toml, key, needle) in [
            ("host = \"https://github.com\"\ntoken_env = \"TOKEN\"", "host", "such as `github.com`"),
            ("host = \"code.acme.example\"\ntoken_env = \"TOKEN\"", "provider", "`bitbucket`"),
            ("host = \"x.example\"\nprovider = \"bitbucket\"\ntoken_env = \"TOKEN\"", "api", "Bitbucket Cloud"),
            ("host = \"github.com\"\napi = \"http://api.github.com\"\ntoken_env = \"TOKEN\"", "api", "https://"),
            ("host = \"github.com\"\napi = \"https://a:b@github.com\"\ntoken_env = \"TOKEN\"", "api", "no user"),
            ("host = \"github.com\"", "token_env", "no secret is named"),
            ("host = \"github.com\"\ntoken = \"hunter2\"", "token", "no place in this file"),
            ("host = \"github.com\"\ntoken_env = \"TOKEN\"\napp_id = 1", "token_env", "not both"),
            ("host = \"github.com\"\napp_id = 1", "app_id", "all of"),
            (
                "host = \"gitlab.com\"\napp_id = 1\ninstallation_id = 2\nprivate_key_file = \"app.pem\"",
                "app_id",
                "only GitHub",
            ),
            ("host = \"github.com\"\ntoken_env = \"NOTHING\"", "token_env", "`NOTHING` is not set"),
            ("host = \"github.com\"\ntoken_env = \"EMPTY\"", "token_env", "`EMPTY` is not set"),
            ("host = \"github.com\"\ntoken_env = \"STRANGE\"", "token_env", "no token has"),
            (
                "host = \"github.com\"\napp_id = 1\ninstallation_id = 2\nprivate_key_file = \"none.pem\"",
                "private_key_file",
                "cannot be read",
            ),
            (
                "host = \"github.com\"\napp_id = 1\ninstallation_id = 2\nprivate_key_file = \"app.pem\"",
                "private_key_file",
                "no RSA private key",
            ),
        ] {
            let error = open(toml).expect_err(toml);
            assert_eq!(error.key, key, "{toml}: {error}");
            let text = error.to_string();
            assert!(text.contains(needle), "{toml}: {text}");
            assert!(!format!("{text}{error:?}").contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn secrets_are_not_shown_by_anything_that_holds_them() {
        let hosts = open("host = \"github.com\"\ntoken_env = \"TOKEN\"").unwrap();
        let shown = format!("{hosts:?}");
        assert!(shown.contains("Secret(redacted)") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_host_stands_once() {
        let one = entry("host = \"github.com\"\ntoken_env = \"TOKEN\"");
        let same = entry("host = \"GITHUB.com\"\ntoken_env = \"TOKEN\"");
        let variable = |_: &str| Some(SECRET.to_owned());
        let file = |_: &Path| Ok(Vec::new());
        let error = SourceHosts::open(&[one, same], &Secrets { variable: &variable, file: &file }).unwrap_err();
        assert!(error.to_string().contains("another entry"), "{error}");
    }
}
