//! Source hosts that may be asked, and with what: a token, or a GitHub App.
//!
//! In: `[[hosts]]` of the configuration, and a way to read the secrets that it names. Out: [`SourceHosts`], which every
//! [`Scope`] of a run shares, so that a branch that many accounts name is asked for once. A host that is not configured
//! is never asked without a secret: its branches are gaps.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use octocrab::auth::{AppAuth, EncodingKey};
use octocrab::models::AppId;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::CallError;
use super::git_http::{Answer, Ask, Http, Refusal, Scheme, never};
use super::git_sheet::{Once, Sheet, Told};
use super::git_source::{Provider, Source, SourceSeen};
use super::{Scope, git_bitbucket, git_github, git_gitlab};
use crate::inventory::{GapCause, Resource};

/// Every call to source hosts, as the ledger writes it. None of them is an IAM action.
pub const ACTIONS: &[&[&str]] = &[git_github::ACTIONS, git_gitlab::ACTIONS, git_bitbucket::ACTIONS];

/// Longest wait that a host may ask for, unless the configuration says otherwise.
const LONGEST_WAIT_SECONDS: u64 = 120;
/// Calls in flight at once per host; all of them ask GitHub not to be asked in parallel by many.
const TURNS: usize = 8;
/// How long a token of an App's installation is used; GitHub makes them for an hour.
const INSTALLATION_TOKEN_LIFE: Duration = Duration::from_secs(50 * 60);
/// How long a refused token is not asked for again.
const REFUSED_TOKEN_LIFE: Duration = Duration::from_secs(60);

const CREATE_INSTALLATION_TOKEN: &str = git_github::CREATE_INSTALLATION_TOKEN;

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
    fn service(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Bitbucket => "bitbucket",
        }
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
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

#[derive(Debug)]
enum Credential {
    Token(Secret),
    App { auth: AppAuth, installation: String, token: tokio::sync::Mutex<Option<InstallationToken>> },
}

#[derive(Debug, Clone)]
struct InstallationToken {
    token: Result<Secret, CallError>,
    until: Instant,
}

/// A repository as its host describes it, with its owner.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Repository {
    pub(super) sheet: Sheet,
    /// The parts of its name today; it may be asked for under an older one.
    pub(super) path: Vec<String>,
    pub(super) default_branch: Option<String>,
    /// Settings that decide what its branches' rules mean.
    pub(super) settings: Value,
}

/// A host, ready to be asked.
#[derive(Debug)]
pub(super) struct Host {
    provider: HostProvider,
    http: Http,
    credential: Credential,
    /// What the host said when it did not know the token; asking on with it would only get it locked.
    unknown_token: Mutex<Option<CallError>>,
    told: Once<Arc<Told>>,
    pub(super) repositories: Once<Result<Arc<Repository>, CallError>>,
    pub(super) owners: Once<Arc<Sheet>>,
}

/// All hosts of a run.
#[derive(Debug, Default)]
pub struct SourceHosts(BTreeMap<String, Arc<Host>>);

impl HostEntry {
    /// A host whose token is in the variable of the host's own name, with its API at an address of its own.
    #[must_use]
    pub fn with_token(host: &str, api: &str) -> Self {
        Self {
            host: host.to_owned(),
            provider: None,
            api: Some(api.to_owned()),
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

    fn wrong(&self, key: &'static str, problem: impl Into<String>) -> HostError {
        HostError { host: self.host.clone(), key, problem: problem.into() }
    }

    fn name(&self) -> Result<String, HostError> {
        let name = self.host.to_ascii_lowercase();
        let letters = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
        if name.is_empty() || !name.chars().all(letters) {
            return Err(self.wrong("host", "write the host as in a repository's address, such as `github.com`"));
        }
        Ok(name)
    }

    fn kind(&self) -> Result<HostProvider, HostError> {
        let by_name = || HostProvider::of_host(&self.host.to_ascii_lowercase());
        self.provider.or_else(by_name).ok_or_else(|| {
            self.wrong("provider", "the name does not say whose API it speaks; write `github`, `gitlab` or `bitbucket`")
        })
    }

    fn base(&self) -> Result<Url, HostError> {
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

    fn credential(&self, secrets: &Secrets<'_>) -> Result<Credential, HostError> {
        self.check()?;
        if let Some(name) = &self.token_env {
            let token = (secrets.variable)(name).unwrap_or_default().trim().to_owned();
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
    /// The value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The content of a file.
    pub file: &'a dyn Fn(&Path) -> std::io::Result<Vec<u8>>,
}

impl fmt::Debug for Secrets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl SourceHosts {
    /// Reads the secrets of all entries and prepares their clients. Nothing is asked yet.
    ///
    /// # Errors
    /// [`HostError`] for the first entry that cannot be used.
    pub fn open(entries: &[HostEntry], secrets: &Secrets<'_>) -> Result<Self, HostError> {
        let mut hosts = BTreeMap::new();
        for entry in entries {
            let wait = Duration::from_secs(entry.longest_wait_seconds.unwrap_or(LONGEST_WAIT_SECONDS));
            let credential = entry.credential(secrets)?;
            let http = Http::new(entry.base()?, wait, TURNS).map_err(|problem| entry.wrong("api", problem))?;
            let host = Host {
                provider: entry.kind()?,
                http,
                credential,
                unknown_token: Mutex::default(),
                told: Once::default(),
                repositories: Once::default(),
                owners: Once::default(),
            };
            if hosts.insert(entry.name()?, Arc::new(host)).is_some() {
                return Err(entry.wrong("host", "there is another entry for this host; keep one"));
            }
        }
        Ok(Self(hosts))
    }
}

impl Host {
    /// Asks for one thing.
    pub(super) async fn get(&self, scope: &Scope, ask: Ask<'_>) -> Result<Value, CallError> {
        Ok(self.get_or_unset(scope, ask, never).await?.unwrap_or_default())
    }

    /// Asks for one thing that may not be there.
    pub(super) async fn get_or_unset(
        &self,
        scope: &Scope,
        ask: Ask<'_>,
        unset: fn(Refusal<'_>) -> bool,
    ) -> Result<Option<Value>, CallError> {
        let (scheme, secret) = self.secret(scope, ask.action).await?;
        let answer = self.http.get(scope, (scheme, &secret.0), ask, unset).await;
        Ok(self.remembered(answer)?.map(|answer| answer.value))
    }

    /// Asks for a whole listing.
    pub(super) async fn list_or_unset(
        &self,
        scope: &Scope,
        ask: Ask<'_>,
        unset: fn(Refusal<'_>) -> bool,
    ) -> Result<Option<Vec<Value>>, CallError> {
        let (scheme, secret) = self.secret(scope, ask.action).await?;
        let answer = self.http.list(scope, (scheme, &secret.0), ask, unset).await;
        self.remembered(answer)
    }

    fn remembered<T>(&self, answer: Result<T, CallError>) -> Result<T, CallError> {
        if let (Err(error), Credential::Token(_)) = (&answer, &self.credential)
            && error.code == "401"
        {
            *self.unknown_token.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
        answer
    }

    async fn secret(&self, scope: &Scope, action: &'static str) -> Result<(Scheme, Secret), CallError> {
        if let Some(error) = self.unknown_token.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Err(CallError { action, ..error });
        }
        match &self.credential {
            Credential::Token(token) => {
                let basic = self.provider == HostProvider::Bitbucket && token.0.contains(':');
                Ok((if basic { Scheme::Basic } else { Scheme::Bearer }, token.clone()))
            }
            Credential::App { auth, installation, token } => {
                let mut kept = token.lock().await;
                if kept.as_ref().is_none_or(|kept| kept.until <= Instant::now()) {
                    let token = self.installation_token(scope, auth, installation).await;
                    let life = if token.is_ok() { INSTALLATION_TOKEN_LIFE } else { REFUSED_TOKEN_LIFE };
                    *kept = Some(InstallationToken { token, until: Instant::now() + life });
                }
                match kept.as_ref().map(|kept| kept.token.clone()) {
                    Some(token) => Ok((Scheme::Bearer, token?)),
                    None => Err(CallError::malformed(action, "there is no token of the App's installation")),
                }
            }
        }
    }

    /// Exchanges the App's signature for a token that may read what the App was installed for.
    async fn installation_token(&self, scope: &Scope, auth: &AppAuth, installation: &str) -> Result<Secret, CallError> {
        // The signer's own words could quote the key.
        let signature = auth.generate_bearer_token().map_err(|_| {
            CallError::malformed(CREATE_INSTALLATION_TOKEN, "the App's private key could not sign the question")
        })?;
        let path = ["app", "installations", installation, "access_tokens"];
        let ask = Ask { action: CREATE_INSTALLATION_TOKEN, path: &path, query: &[] };
        let answer: Option<Answer> = self.http.post(scope, (Scheme::Bearer, &signature), ask).await?;
        let token = answer.and_then(|answer| answer.value.get("token").and_then(Value::as_str).map(str::to_owned));
        token
            .filter(|token| !token.is_empty() && token.chars().all(|c| c.is_ascii_graphic()))
            .map(Secret)
            .ok_or_else(|| CallError::malformed(CREATE_INSTALLATION_TOKEN, "the answer holds no token"))
    }
}

/// What `look` finds at the configured host of a source, asked for once in a run; a gap where nobody may ask it.
pub(super) async fn ask<F, A>(
    scope: &Scope,
    source: &Source,
    provider: HostProvider,
    probe: &'static str,
    look: A,
) -> SourceSeen
where
    A: FnOnce(Arc<Host>) -> F,
    F: Future<Output = Told>,
{
    let unconfigured = |message: String| {
        let error = CallError { action: probe, code: String::new(), cause: GapCause::NotConfigured { message } };
        Told::hidden(&error).seen(scope, source)
    };
    let Some(host) = scope.hosts().0.get(&source.host.to_ascii_lowercase()) else {
        return unconfigured(format!(
            "no token or GitHub App for {}; add a `[[hosts]]` entry for it to the configuration",
            source.host
        ));
    };
    if host.provider != provider {
        return unconfigured(format!(
            "{} is configured as a {} host, but its connection says {}; mend `provider` of its `[[hosts]]` entry",
            source.host,
            host.provider.service(),
            provider.service()
        ));
    }
    let key = format!("{}#{}", source.repository, source.branch);
    let told = host.told.get(key, || async { Arc::new(look(Arc::clone(host)).await) }).await;
    told.seen(scope, source)
}

/// Asks whichever provider a source has; `None` for those that are not asked over this door.
pub(super) async fn read(scope: &Scope, source: &Source) -> Option<SourceSeen> {
    match source.provider {
        Provider::GitHub | Provider::GitHubEnterpriseServer => Some(git_github::read(scope, source).await),
        Provider::GitLab | Provider::GitLabSelfManaged => Some(git_gitlab::read(scope, source).await),
        Provider::Bitbucket => Some(git_bitbucket::read(scope, source).await),
        Provider::CodeCommit | Provider::AzureDevOps => None,
    }
}

/// A branch and its repository as a host tells them, in that order. `provider` is a word of `CodeConnections`
/// (`GitHub`, `GitHubEnterpriseServer`, `GitLab`, `GitLabSelfManaged`, `Bitbucket`); any other is `None`.
pub async fn read_branch(
    scope: &Scope,
    provider: &str,
    host: &str,
    repository: &str,
    branch: &str,
) -> Option<[Resource; 2]> {
    const PROVIDERS: [Provider; 5] = [
        Provider::GitHub,
        Provider::GitHubEnterpriseServer,
        Provider::GitLab,
        Provider::GitLabSelfManaged,
        Provider::Bitbucket,
    ];
    let provider = PROVIDERS.into_iter().find(|known| known.as_str() == provider)?;
    let mut source = Source {
        provider,
        host: host.to_owned(),
        repository: repository.to_owned(),
        branch: branch.to_owned(),
        alias: String::new(),
    };
    source.alias = source.branch_uid();
    let seen = read(scope, &source).await?;
    Some([seen.branch, seen.repository])
}

#[cfg(test)]
mod tests {
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
