//! Source hosts that may be asked, and with what: a token, or a GitHub App.
//!
//! In: `[[hosts]]` of the configuration, and a way to read the secrets that it names. Out: [`SourceHosts`], which every
//! [`Scope`] of a run shares, so that a branch that many accounts name is asked for once. A host that is not configured
//! is never asked without a secret: its branches are gaps.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use octocrab::auth::AppAuth;
use serde_json::Value;

use super::call::CallError;
use super::git_history::{HostedMerge, HostedRange, Review};
use super::git_host_entry::{Credential, InstallationToken, Secret};
pub use super::git_host_entry::{HostEntry, HostError, HostProvider, Misplaced, Secrets, Variables};
use super::git_http::{Answer, Ask, Http, Refusal, Scheme, never};
use super::git_sheet::{Once, Sheet, Told};
use super::git_source::{Provider, Source, SourceSeen};
use super::{Scope, git_bitbucket, git_github, git_gitlab};
use crate::inventory::{GapCause, Resource};

/// Every call to source hosts, as the ledger writes it. None of them is an IAM action.
pub const ACTIONS: &[&[&str]] = &[git_github::ACTIONS, git_gitlab::ACTIONS, git_bitbucket::ACTIONS];

/// Longest wait that a host may ask for, unless the configuration says otherwise.
const LONGEST_WAIT_SECONDS: u64 = 120;
/// Calls in flight at once per host; GitHub asks its clients not to send many in parallel.
const TURNS: usize = 8;
/// How long a token of an App's installation is used; GitHub makes them for an hour.
const INSTALLATION_TOKEN_LIFE: Duration = Duration::from_mins(50);
/// How long a refused token is not asked for again.
const REFUSED_TOKEN_LIFE: Duration = Duration::from_mins(1);

const CREATE_INSTALLATION_TOKEN: &str = git_github::CREATE_INSTALLATION_TOKEN;

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
    pub(super) ranges: Once<HostedRange>,
    pub(super) merges: Once<Result<Vec<HostedMerge>, CallError>>,
    pub(super) reviews: Once<Result<Review, CallError>>,
}

/// All hosts of a run.
#[derive(Debug, Default)]
pub struct SourceHosts(BTreeMap<String, Arc<Host>>);

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
            let http = Http::new(entry.base()?, entry.kind()?.headers(), wait, TURNS)
                .map_err(|problem| entry.wrong("api", problem))?;
            let host = Host {
                provider: entry.kind()?,
                http,
                credential,
                unknown_token: Mutex::default(),
                told: Once::default(),
                repositories: Once::default(),
                owners: Once::default(),
                ranges: Once::default(),
                merges: Once::default(),
                reviews: Once::default(),
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
                    let asking = Box::pin(self.installation_token(scope, auth, installation));
                    let (token, calls) = Scope::set_aside(asking).await;
                    let life = if token.is_ok() { INSTALLATION_TOKEN_LIFE } else { REFUSED_TOKEN_LIFE };
                    *kept = Some(InstallationToken { token, calls, until: Instant::now() + life });
                }
                let Some(kept) = kept.as_ref() else {
                    return Err(CallError::malformed(action, "there is no token of the App's installation"));
                };
                // Everything that is asked with the token rests on them, whoever came first.
                scope.share(&kept.calls);
                Ok((Scheme::Bearer, kept.token.clone()?))
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

/// The configured host of that name, or that nobody may ask it.
pub(super) fn configured(
    scope: &Scope,
    host: &str,
    provider: HostProvider,
    probe: &'static str,
) -> Result<Arc<Host>, CallError> {
    let unconfigured = |message: String| {
        Err(CallError { action: probe, code: String::new(), cause: GapCause::NotConfigured { message } })
    };
    let Some(entry) = scope.hosts().0.get(&host.to_ascii_lowercase()) else {
        return unconfigured(format!(
            "no token or GitHub App for {host}; add a `[[hosts]]` entry for it to the configuration"
        ));
    };
    if entry.provider != provider {
        return unconfigured(format!(
            "{host} is configured as a {} host, but its connection says {}; mend `provider` of its `[[hosts]]` entry",
            entry.provider.service(),
            provider.service()
        ));
    }
    Ok(Arc::clone(entry))
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
    let host = match configured(scope, &source.host, provider, probe) {
        Ok(host) => host,
        Err(error) => return Told::hidden(&error).seen(scope, source),
    };
    let key = format!("{}#{}", source.repository, source.branch);
    let told = host.told.get(scope, key, || async { Arc::new(look(Arc::clone(&host)).await) }).await;
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
