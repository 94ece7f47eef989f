//! A simulated AWS organization: an HTTP server on loopback that AWS's SDKs and its command line talk to.
//!
//! In: a seed and sizes ([`SimulationOptions`]). Out: a world that always answers the same ([`Simulation`]), a server
//! in front of it ([`SimulationServer`]), and what a right audit finds in it ([`Truth`]). It exists so that the whole
//! tool can be tried, tested and loaded without an AWS account.
//!
//! Every simulated thing is a few explicit knobs (`estate`) made on demand from (seed, account, Region, number);
//! `services` renders the knobs to API answers, `truth` to expected results, and neither reads the other. The
//! module knows nothing of facts, policies or collectors, so that it can contradict them. It shares this project's
//! reading of AWS's documentation, though: no answer here was recorded from AWS.

mod dispatch;
mod estate;
mod hosted;
mod limiter;
mod memo;
mod organization;
mod planting;
mod protocol;
pub mod rates;
mod server;
mod services;
mod statistics;
mod truth;
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use time::macros::datetime;

use crate::inventory::{AccountId, Region};

pub use hosted::HostAccess;
pub use server::SimulationServer;
pub use truth::{
    ChangeTruth, DeliveryTruth, DeploymentTruth, Expected, FindingKey, HostedBranch, PipelineTruth, PlantedFact, Seen,
    Truth, WindowTruth,
};

use limiter::Limiter;
use statistics::Statistics;
use world::World;

/// Begins every secret that is hidden in the world, so that a test can search outputs for leaks.
pub const PLANTED_SECRET: &str = "PLANTED-SECRET-";

/// What the people of the organization would write into `pipewarden.toml`; [`Simulation::truth`] holds with it.
pub const CONFIGURATION: &str = estate::CONFIGURATION;

/// How large the simulated organization is, and how it behaves.
#[derive(Debug, Clone)]
pub struct SimulationOptions {
    /// Same seed and options, same world.
    pub seed: u64,
    /// All accounts, the management account included; at least one.
    pub accounts: usize,
    /// Pipelines in every account and Region that is not left empty.
    pub pipelines_per_account_region: usize,
    /// The Regions that are enabled in every account.
    pub regions: Vec<Region>,
    /// How many of them, from the first on, pipelines stand in; the others are enabled and empty, as most Regions of most
    /// accounts are. All by default.
    pub regions_in_use: Option<usize>,
    /// Added to every answer.
    pub latency: Duration,
    /// Whether calls above AWS's rates ([`rates`]) are throttled.
    pub limits: bool,
    /// Whether some accounts refuse the audit role or single calls.
    pub denials: bool,
    /// An IAM action, e.g. `codepipeline:GetPipeline`, that is refused everywhere.
    pub deny_action: Option<String>,
    /// What the trust policy of every audit role asks of a caller; nothing by default.
    pub trust: Trust,
    /// How long sessions last, whatever was asked for.
    pub session: Option<Duration>,
    /// Whether secrets stand in descriptions, comments, tags, settings, plaintext variables and errors, in several
    /// shapes; every control but those on plaintext secrets is meant to find what it finds without them.
    pub secrets_in_texts: bool,
    /// The time at which the world stands still.
    pub now: OffsetDateTime,
}

/// Conditions in the trust policy of the audit roles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// `sts:ExternalId`.
    pub external_id: Option<String>,
    /// `sts:SourceIdentity`.
    pub source_identity: Option<String>,
    /// `aws:RequestTag`, key and value.
    pub session_tag: Option<(String, String)>,
}

impl Default for SimulationOptions {
    fn default() -> Self {
        let regions = ["eu-central-1", "us-east-1"];
        Self {
            seed: 1,
            accounts: 12,
            pipelines_per_account_region: 3,
            regions: regions.into_iter().filter_map(|name| name.parse().ok()).collect(),
            regions_in_use: None,
            latency: Duration::ZERO,
            limits: true,
            denials: true,
            deny_action: None,
            trust: Trust::default(),
            session: None,
            secrets_in_texts: false,
            now: datetime!(2026-11-21 00:00 UTC),
        }
    }
}

/// A simulated organization. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Simulation {
    world: Arc<World>,
    limiter: Arc<Limiter>,
    statistics: Arc<Statistics>,
    asked: Arc<hosted::Asked>,
}

impl Simulation {
    /// Makes the organization; what is in the accounts is made when it is asked for.
    #[must_use]
    pub fn new(options: SimulationOptions) -> Self {
        let limiter = Limiter::new(options.limits);
        Self {
            world: Arc::new(World::new(options)),
            limiter: Arc::new(limiter),
            statistics: Arc::new(Statistics::default()),
            asked: Arc::default(),
        }
    }

    /// What a right audit finds: every control on every resource that the audit can know of.
    #[must_use]
    pub fn truth(&self) -> Truth {
        truth::truth(&self.world)
    }

    /// What really happened in the last four months: deployments, changes, broken rules.
    #[must_use]
    pub fn delivery_truth(&self) -> DeliveryTruth {
        truth::delivery_truth(&self.world)
    }

    /// The bucket that the organization's trail delivers to.
    #[must_use]
    pub fn trail_bucket(&self) -> String {
        services::archive::bucket(&self.world)
    }

    /// Writes the organization trail's archive of some accounts (by position), Regions and days before now into a
    /// folder, under the same keys as in its bucket, and answers how many files that were.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write_archive(
        &self,
        folder: &Path,
        accounts: &[AccountId],
        regions: &[Region],
        days: u16,
    ) -> std::io::Result<usize> {
        let first = self.world.options.now.date().saturating_sub(time::Duration::days(i64::from(days)));
        let mut written = 0;
        for part in services::archive::Folder::all(&self.world) {
            let (account, region) = (self.world.account_id(part.account), self.world.region_name(part.region));
            if part.day < first || !accounts.contains(&account) || !regions.iter().any(|r| r.as_str() == region) {
                continue;
            }
            for (key, bytes) in part.objects(&self.world) {
                let path = folder.join(key);
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent)?;
                }
                std::fs::write(path, bytes)?;
                written += 1;
            }
        }
        Ok(written)
    }

    /// What a right reader sees of every branch on a source host that a pipeline could build.
    #[must_use]
    pub fn hosted_branches(&self) -> Vec<HostedBranch> {
        truth::hosted_branches(&self.world)
    }

    /// The account whose credentials every unknown access key stands for.
    #[must_use]
    pub fn management_account(&self) -> AccountId {
        self.world.account_id(0)
    }

    /// The accounts that the organization trusts to administer services for all others.
    #[must_use]
    pub fn trusted_administrators(&self) -> Vec<AccountId> {
        vec![self.world.account_id(1)]
    }

    /// The one role that can be assumed, in every account.
    #[must_use]
    pub fn audit_role_name() -> &'static str {
        services::AUDIT_ROLE
    }

    /// Calls so far by IAM action; `throttled` counts those of them that were throttled.
    #[must_use]
    pub fn statistics(&self) -> BTreeMap<String, u64> {
        self.statistics.counts()
    }
}

#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod tests;
