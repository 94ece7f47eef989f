//! An account and a Region with everything a collector needs to ask AWS: session, limits, ledger.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::SdkConfig;
use tokio::sync::Semaphore;

use super::call::CallError;
use super::git_hosts::SourceHosts;
use super::limiter::{Limiter, Rate};
use crate::inventory::{AccountId, Coverage, CoverageKey, GapCause, Outcome, Partition, Redaction, Region};

/// How much may be under way at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concurrency {
    /// Accounts at once.
    pub accounts: usize,
    /// Calls in flight at once, over all accounts.
    pub calls: usize,
    /// Calls in flight at once per account, Region and service.
    pub calls_per_service: usize,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { accounts: 64, calls: 256, calls_per_service: 8 }
    }
}

/// What every scope of a run shares: the cap on calls in flight, and the source hosts that may be asked.
#[derive(Debug, Clone)]
pub struct CallGate {
    in_flight: Arc<Semaphore>,
    per_service: usize,
    hosts: Arc<SourceHosts>,
    redaction: Redaction,
    pace: f64,
}

impl CallGate {
    /// A gate for one run.
    #[must_use]
    pub fn new(concurrency: Concurrency) -> Self {
        Self {
            in_flight: Arc::new(Semaphore::new(concurrency.calls.max(1))),
            per_service: concurrency.calls_per_service.max(1),
            hosts: Arc::default(),
            redaction: Redaction::default(),
            pace: 1.0,
        }
    }

    /// The same gate for an endpoint that is not AWS's: actions that AWS limits by themselves are called so many times
    /// faster.
    #[must_use]
    pub fn with_pace(self, pace: f64) -> Self {
        Self { pace: pace.max(f64::MIN_POSITIVE), ..self }
    }

    /// The same gate, with source hosts that may be asked.
    #[must_use]
    pub fn with_hosts(self, hosts: SourceHosts) -> Self {
        Self { hosts: Arc::new(hosts), ..self }
    }

    /// The same gate, with fingerprints in the place of values that are taken out.
    #[must_use]
    pub fn with_redaction(self, redaction: Redaction) -> Self {
        Self { redaction, ..self }
    }
}

#[derive(Debug)]
struct Lane {
    limiter: Limiter,
    in_flight: Semaphore,
}

/// What the scopes of one account share: its lanes and its ledger.
#[derive(Debug, Default)]
struct AccountCalls {
    lanes: Mutex<BTreeMap<(Region, String), Arc<Lane>>>,
    ledger: Mutex<Coverage>,
    /// Calls made for several accounts that already stand in the ledger.
    shared: Mutex<BTreeSet<u64>>,
}

/// An account and a Region, ready to be asked.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The account.
    pub account: AccountId,
    /// Its partition.
    pub partition: Partition,
    /// The Region.
    pub region: Region,
    config: SdkConfig,
    path_style: bool,
    gate: CallGate,
    calls: Arc<AccountCalls>,
}

/// A call to something that is not AWS, and how it ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordedCall {
    serial: u64,
    action: &'static str,
    outcome: Outcome,
}

/// Tells calls apart, so that a ledger counts none of them twice.
static SERIAL: AtomicU64 = AtomicU64::new(0);

tokio::task_local! {
    static ASIDE: RefCell<Vec<RecordedCall>>;
}

/// Tries after the SDK's own, for a call that is still throttled.
const THROTTLED_TRIES: u32 = 6;

impl Scope {
    /// A scope in the account's first Region. `config` carries credentials, HTTP client, retry and endpoint.
    #[must_use]
    pub fn new(account: AccountId, partition: Partition, region: Region, config: &SdkConfig, gate: CallGate) -> Self {
        let path_style = config.endpoint_url().is_some();
        let config = in_region(config, &region);
        Self { account, partition, region, config, path_style, gate, calls: Arc::default() }
    }

    /// How secrets are taken out of what AWS answers.
    #[must_use]
    pub fn redaction(&self) -> &Redaction {
        &self.gate.redaction
    }

    /// The same account in another Region; session, lanes and ledger are shared.
    #[must_use]
    pub fn in_region(&self, region: &Region) -> Self {
        Self { region: region.clone(), config: in_region(&self.config, region), ..self.clone() }
    }

    /// The same account and ledger with another session.
    #[must_use]
    pub fn with_config(&self, config: SdkConfig) -> Self {
        Self { config, ..self.clone() }
    }

    /// For `Client::new`.
    #[must_use]
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// Whether S3 must be asked with the bucket in the path, because the endpoint is not AWS's own.
    #[must_use]
    pub fn path_style(&self) -> bool {
        self.path_style
    }

    /// The source hosts that may be asked.
    pub(super) fn hosts(&self) -> &SourceHosts {
        &self.gate.hosts
    }

    /// Writes a call to something that is not AWS into the ledger: `github:GetRepository`. Inside of
    /// [`Self::set_aside`] it is kept for whoever the answer is for.
    pub(super) fn record_call(&self, action: &'static str, outcome: Outcome) {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        self.share(&[RecordedCall { serial, action, outcome }]);
    }

    /// Writes calls that were made once for several accounts into this account's ledger, each at most once.
    pub(super) fn share(&self, calls: &[RecordedCall]) {
        if ASIDE.try_with(|aside| aside.borrow_mut().extend_from_slice(calls)).is_ok() {
            return;
        }
        for call in calls {
            let new = self.calls.shared.lock().unwrap_or_else(PoisonError::into_inner).insert(call.serial);
            if new {
                self.record(call.action, call.outcome);
            }
        }
    }

    /// What `asking` brings, and the calls that it recorded, which stand in no ledger yet.
    pub(super) async fn set_aside<T>(asking: impl Future<Output = T>) -> (T, Vec<RecordedCall>) {
        let keep = async {
            let answer = asking.await;
            (answer, ASIDE.with(RefCell::take))
        };
        ASIDE.scope(RefCell::default(), keep).await
    }

    /// Makes one call: waits for its turn, sends, tries again while it is throttled, and writes the ledger.
    /// `action` is the IAM action with prefix.
    ///
    /// # Errors
    /// [`CallError`] with the reason if no usable answer came.
    pub async fn call<T, E, F, R>(&self, action: &'static str, request: R) -> Result<T, CallError>
    where
        R: Fn() -> F + Send,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let answer = self.send(action, request).await;
        self.record(action, answer.as_ref().map_or_else(CallError::outcome, |_| Outcome::Ok));
        answer
    }

    /// As [`Self::call`], for calls that answer "not set" with an error: any of `codes` is `Ok(None)`.
    ///
    /// # Errors
    /// [`CallError`] for every other error.
    pub async fn call_or_unset<T, E, F, R>(
        &self,
        action: &'static str,
        codes: &[&str],
        request: R,
    ) -> Result<Option<T>, CallError>
    where
        R: Fn() -> F + Send,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let answer = match self.send(action, request).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if codes.contains(&error.code.as_str()) => Ok(None),
            Err(error) => Err(error),
        };
        self.record(action, answer.as_ref().map_or_else(CallError::outcome, |_| Outcome::Ok));
        answer
    }

    /// Takes the ledger of all scopes of this account.
    #[must_use]
    pub fn take_coverage(&self) -> Coverage {
        std::mem::take(&mut *self.calls.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn send<T, E, F, R>(&self, action: &'static str, request: R) -> Result<T, CallError>
    where
        R: Fn() -> F + Send,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let lane = self.lane(action);
        let mut tries = 0;
        loop {
            tries += 1;
            let result = {
                // A session is renewed from inside a call that already holds its permits: waiting for another one here
                // could wait for itself.
                let renews = action == "sts:AssumeRole";
                // A closed semaphore cannot happen; going on without a permit would only be less polite.
                let _turn = if renews { None } else { lane.in_flight.acquire().await.ok() };
                lane.limiter.acquire().await;
                let _place = if renews { None } else { self.gate.in_flight.acquire().await.ok() };
                Box::pin(request()).await
            };
            let error = match result {
                Ok(answer) => return Ok(answer),
                Err(error) => CallError::from_sdk(action, &error, tries),
            };
            if !matches!(error.cause, GapCause::Throttled { .. }) || tries > THROTTLED_TRIES {
                return Err(error);
            }
            tracing::debug!(action, account = %self.account, region = %self.region, tries, "throttled, waiting");
            lane.limiter.throttled(Duration::from_millis(250 << tries.min(5)));
        }
    }

    fn lane(&self, action: &str) -> Arc<Lane> {
        let service = action.split(':').next().unwrap_or_default();
        let mut lanes = self.calls.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        // An action with a rate of its own waits in a lane of its own, so that its service's other calls do not.
        let own = Rate::of_action(action).map(|rate| rate.times(self.gate.pace));
        let name = if own.is_some() { action } else { service };
        let lane = lanes.entry((self.region.clone(), name.to_owned())).or_insert_with(|| {
            // Reading an archive is waiting for many small objects.
            let at_once = if action == "s3:GetObject" { 4 } else { 1 };
            Arc::new(Lane {
                limiter: Limiter::new(own.unwrap_or_else(|| Rate::of_service(service))),
                in_flight: Semaphore::new(self.gate.per_service.saturating_mul(at_once)),
            })
        });
        Arc::clone(lane)
    }

    fn record(&self, action: &str, outcome: Outcome) {
        let (service, operation) = action.split_once(':').unwrap_or(("", action));
        let key = CoverageKey {
            account: self.account.clone(),
            region: self.region.clone(),
            service: service.to_owned(),
            action: operation.to_owned(),
        };
        self.calls.ledger.lock().unwrap_or_else(PoisonError::into_inner).record(key, outcome);
    }
}

fn in_region(config: &SdkConfig, region: &Region) -> SdkConfig {
    config.to_builder().region(aws_types::region::Region::new(region.as_str().to_owned())).build()
}
