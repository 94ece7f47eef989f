//! The way into an account: `AssumeRole`, over several hops if need be, renewed before it expires.
//!
//! In: the audit account's own credentials and the configured hops. Out: a [`Scope`] whose clients sign with the
//! account's audit role. The first hop is tried at once, so that an account that cannot be entered is a gap right away.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::types::Tag;
use aws_types::SdkConfig;

use super::role::RoleHop;
use crate::collect::{CallError, CallGate, Scope};
use crate::inventory::{AccountId, Affects, Gap, GapCause, Partition, Region, Tags};

/// How accounts are entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOptions {
    /// Roles to assume, in order; the last one is the account's audit role.
    pub hops: Vec<RoleHop>,
    /// Name of the session, as `CloudTrail` will show it.
    pub session_name: String,
    /// 15 minutes to 12 hours; AWS allows one hour at most where roles are chained.
    pub duration: Duration,
    /// Session tags.
    pub tags: Tags,
    /// Source identity.
    pub source_identity: Option<String>,
    /// Whether the audit account itself is entered through a role too.
    pub role_in_own_account: bool,
}

/// Opens accounts.
#[derive(Debug, Clone)]
pub struct Sessions {
    own: SdkConfig,
    own_account: AccountId,
    partition: Partition,
    home_region: Region,
    options: Arc<SessionOptions>,
    gate: CallGate,
}

/// Sessions are renewed this long before they expire, so that no call leaves with a session that dies on the way.
const RENEW_BEFORE: Duration = Duration::from_mins(5);

impl Sessions {
    /// Sessions that start from the credentials in `own`.
    #[must_use]
    pub fn new(
        own: SdkConfig,
        own_account: AccountId,
        partition: Partition,
        home_region: Region,
        options: SessionOptions,
        gate: CallGate,
    ) -> Self {
        Self { own, own_account, partition, home_region, options: Arc::new(options), gate }
    }

    /// A scope in the audit account itself, with its own credentials.
    #[must_use]
    pub fn own_scope(&self) -> Scope {
        Scope::new(self.own_account.clone(), self.partition, self.home_region.clone(), &self.own, self.gate.clone())
    }

    /// The same way into accounts, through another role at its end.
    #[must_use]
    pub fn through(&self, last: RoleHop) -> Self {
        let mut options = SessionOptions::clone(&self.options);
        options.hops.pop();
        options.hops.push(last);
        Self { options: Arc::new(options), ..self.clone() }
    }

    /// Enters an account. The scope comes back in any case, because its ledger holds the tries.
    pub async fn open(&self, account: &AccountId) -> (Scope, Result<(), Gap>) {
        let outside =
            Scope::new(account.clone(), self.partition, self.home_region.clone(), &self.own, self.gate.clone());
        if *account == self.own_account && !self.options.role_in_own_account {
            return (outside, Ok(()));
        }
        let mut scope = outside;
        for (nth, hop) in self.options.hops.iter().enumerate() {
            let role = AssumedRole {
                caller: scope.clone(),
                arn: hop.role.arn(self.partition, account),
                external_id: hop.external_id.clone(),
                options: Arc::clone(&self.options),
                // AWS caps a session that was assumed with another session's credentials at one hour.
                duration: if nth == 0 {
                    self.options.duration
                } else {
                    self.options.duration.min(Duration::from_hours(1))
                },
                first: Mutex::new(None),
            };
            match role.assume().await {
                Ok(credentials) => *role.first.lock().unwrap_or_else(PoisonError::into_inner) = Some(credentials),
                Err(error) => return (scope.clone(), Err(not_assumed(&scope, &role.arn, error))),
            }
            let config = scope
                .config()
                .to_builder()
                .credentials_provider(SharedCredentialsProvider::new(role))
                .identity_cache(IdentityCache::lazy().buffer_time(RENEW_BEFORE).build())
                .build();
            scope = scope.with_config(config);
        }
        (scope, Ok(()))
    }
}

fn not_assumed(scope: &Scope, role: &str, error: CallError) -> Gap {
    let message = match &error.cause {
        GapCause::AccessDenied { message } => message.clone(),
        other => other.to_string(),
    };
    let mut gap = error.gap(scope, Affects::Account);
    gap.region = Region::GLOBAL;
    gap.cause = GapCause::RoleNotAssumed { role: role.to_owned(), message };
    gap
}

/// Credentials of one hop; asked again by the SDK's cache shortly before they expire.
#[derive(Debug)]
struct AssumedRole {
    caller: Scope,
    arn: String,
    external_id: Option<String>,
    options: Arc<SessionOptions>,
    duration: Duration,
    /// The session of the first try, handed out once.
    first: Mutex<Option<Credentials>>,
}

impl AssumedRole {
    async fn assume(&self) -> Result<Credentials, CallError> {
        const ACTION: &str = "sts:AssumeRole";
        let client = aws_sdk_sts::Client::new(self.caller.config());
        let tags: Vec<Tag> = self
            .options
            .tags
            .iter()
            .filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok())
            .collect();
        let seconds = i32::try_from(self.duration.as_secs()).unwrap_or(3600);
        let answer = self
            .caller
            .call(ACTION, || {
                client
                    .assume_role()
                    .role_arn(&self.arn)
                    .role_session_name(&self.options.session_name)
                    .duration_seconds(seconds)
                    .set_external_id(self.external_id.clone())
                    .set_source_identity(self.options.source_identity.clone())
                    .set_tags((!tags.is_empty()).then(|| tags.clone()))
                    .send()
            })
            .await?;
        let session =
            answer.credentials.ok_or_else(|| CallError::malformed(ACTION, "an answer without credentials"))?;
        let expires = std::time::SystemTime::try_from(session.expiration)
            .map_err(|error| CallError::malformed(ACTION, format!("an expiry that is no time: {error}")))?;
        Ok(Credentials::new(
            session.access_key_id,
            session.secret_access_key,
            Some(session.session_token),
            Some(expires),
            "AssumeRole",
        ))
    }
}

impl ProvideCredentials for AssumedRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
            match first {
                Some(credentials) => Ok(credentials),
                None => self.assume().await.map_err(|error| CredentialsError::provider_error(error.cause.to_string())),
            }
        })
    }
}
