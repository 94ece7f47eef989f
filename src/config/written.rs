//! The tables of `pipewarden.toml`, as written.
//!
//! In: nothing. Out: one struct per table, with its defaults. Unknown keys are errors. What the values mean is decided in
//! the modules beside this one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::delivery::{Dora, History};
use super::owners::WrittenOwners;
use crate::collect::Concurrency;
use crate::collect::git_hosts::HostEntry;
use crate::run::Keeping;

/// The file as written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Written {
    /// Which accounts.
    pub accounts: Accounts,
    /// How they are entered.
    pub role: Role,
    /// Which Regions.
    pub regions: Regions,
    /// What counts as production.
    pub production: Production,
    /// Where sources may come from.
    pub sources: Sources,
    /// What is expected of the organization.
    pub organization: Organization,
    /// What builds may do that most may not.
    pub builds: Builds,
    /// Branches that may reach an environment, and those before it: environment → patterns, `*` stands for anything.
    pub branches: BTreeMap<String, Vec<String>>,
    /// What marks a check, and which checks come before production.
    pub stages: Stages,
    /// Checks by the tier that a tag gives a pipeline.
    pub tiers: Tiers,
    /// Approved templates of pipelines.
    pub templates: Templates,
    /// Pipelines, and the pipelines that deploy before them.
    pub services: BTreeMap<String, BTreeSet<String>>,
    /// Source hosts whose branch protection is read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostEntry>,
    /// Who may approve.
    pub approvals: Approvals,
    /// Thresholds that policies read as `context.settings`.
    pub settings: BTreeMap<String, i64>,
    /// Caps.
    pub concurrency: Caps,
    /// Controls and exceptions.
    pub policies: Policies,
    /// What is asked of exceptions.
    pub exceptions: Exceptions,
    /// Who answers for what.
    #[serde(skip_serializing_if = "WrittenOwners::is_default")]
    pub owners: WrittenOwners,
    /// How secrets are taken out.
    #[serde(skip_serializing_if = "Secrets::is_default")]
    pub secrets: Secrets,
    /// Who signs runs.
    #[serde(skip_serializing_if = "Signing::is_default")]
    pub signing: Signing,
    /// Which histories are read.
    #[serde(skip_serializing_if = "History::is_default")]
    pub history: History,
    /// How deployments are measured.
    #[serde(skip_serializing_if = "Dora::is_default")]
    pub dora: Dora,
    /// Where finished runs are delivered, by table; each kind reads its own. It decides nothing that a run says, so it is
    /// no part of a run.
    #[serde(skip_serializing)]
    pub deliveries: BTreeMap<String, serde_json::Value>,
    /// Which runs are kept. It decides no answer, so it is no part of the question that a run is continued for.
    #[serde(skip_serializing)]
    pub runs: Runs,
}

/// `[runs]`: a run beyond any of the limits is pruned when an audit has ended; nothing is pruned without the table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Runs {
    /// How many finished runs stay, the newest first.
    pub keep: Option<usize>,
    /// How old a run may become.
    pub keep_days: Option<u32>,
}

impl Runs {
    /// The limits, if there are any.
    #[must_use]
    pub fn keeping(self) -> Option<Keeping> {
        (self != Self::default()).then_some(Keeping { runs: self.keep, days: self.keep_days })
    }
}

/// `[accounts]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Accounts {
    /// Ids, OU paths, OU ids, `tag:key=value`, `state:…`.
    pub include: Vec<String>,
    /// The same; wins over `include`.
    pub exclude: Vec<String>,
}

/// `[role]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Role {
    /// Role name or ARN pattern of the account's audit role.
    pub name: String,
    /// External id of that role.
    pub external_id: Option<String>,
    /// Roles to assume before, in order.
    pub chain: Vec<Hop>,
    /// Session name.
    pub session_name: String,
    /// Seconds.
    pub duration_seconds: u64,
    /// Session tags.
    pub session_tags: BTreeMap<String, String>,
    /// Source identity.
    pub source_identity: Option<String>,
    /// Whether the audit account itself is entered through the role too.
    pub in_own_account: bool,
}

impl Default for Role {
    fn default() -> Self {
        Self {
            name: "PipewardenAudit".to_owned(),
            external_id: None,
            chain: Vec::new(),
            session_name: "pipewarden".to_owned(),
            duration_seconds: 3600,
            session_tags: BTreeMap::new(),
            source_identity: None,
            in_own_account: false,
        }
    }
}

/// One entry of `role.chain`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hop {
    /// Role name or ARN pattern.
    pub role: String,
    /// External id of that role.
    #[serde(default)]
    pub external_id: Option<String>,
}

/// `[regions]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Regions {
    /// Exactly these; empty means those that each account has enabled.
    pub only: Vec<String>,
    /// The Region that is asked for global services; by default the partition's first.
    pub home: Option<String>,
}

/// `[production]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Production {
    /// Account ids.
    pub accounts: Option<Vec<String>>,
    /// OU paths or ids.
    pub organizational_units: Option<Vec<String>>,
    /// Tag key → values.
    pub tags: Option<BTreeMap<String, BTreeSet<String>>>,
    /// Words in names.
    pub names: Option<Vec<String>>,
}

/// `[sources]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sources {
    /// Owners (organizations, groups, workspaces) whose repositories may be built.
    pub allowed_owners: BTreeSet<String>,
}

/// `[organization]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Organization {
    /// Ids of accounts that may administer services for the whole organization.
    pub delegated_administrators: Vec<String>,
    /// Keys of tags that every account has to carry.
    pub required_account_tags: Option<BTreeSet<String>>,
}

/// `[builds]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Builds {
    /// Tag key → values of projects that may run in privileged mode; no values: any value.
    pub privileged_tags: BTreeMap<String, BTreeSet<String>>,
    /// Projects that may, as `123456789012/name`.
    pub privileged_projects: BTreeSet<String>,
}

/// `[stages]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stages {
    /// Kinds of checks that come before every production deployment.
    pub before_production: BTreeSet<String>,
    /// Kind of check → words in names of actions, stages and projects that mark it.
    pub markers: BTreeMap<String, Vec<String>>,
}

/// `[tiers]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tiers {
    /// Key of the tag that says a pipeline's tier.
    pub tag: String,
    /// Tier of pipelines without that tag; none: they are not judged.
    pub default: Option<String>,
    /// Tier → kinds of checks.
    pub checks: BTreeMap<String, BTreeSet<String>>,
}

impl Default for Tiers {
    fn default() -> Self {
        Self { tag: "tier".to_owned(), default: None, checks: BTreeMap::new() }
    }
}

/// `[templates]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Templates {
    /// Tag key → values that an approved template leaves.
    pub tags: BTreeMap<String, BTreeSet<String>>,
    /// Names of stacks of approved templates; `*` stands for anything.
    pub stacks: Vec<String>,
}

/// `[approvals]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Approvals {
    /// Patterns of the ARNs of roles and users that may approve a release.
    pub release_managers: BTreeSet<String>,
}

/// `[signing]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Signing {
    /// ARN of an asymmetric KMS key for signing, of RSA, P-256 or P-384.
    pub kms_key: Option<String>,
}

impl Signing {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// `[secrets]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Secrets {
    /// Variable that holds the key of fingerprints; all machines that collect for one run need the same key.
    pub fingerprint_key_env: Option<String>,
    /// File that holds it. Without either, a key is kept beside the runs.
    pub fingerprint_key_file: Option<PathBuf>,
}

impl Secrets {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// `[concurrency]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Caps {
    /// Accounts at once.
    pub accounts: usize,
    /// Calls in flight over all accounts.
    pub calls: usize,
    /// Calls in flight per account, Region and service.
    pub calls_per_service: usize,
}

impl Default for Caps {
    fn default() -> Self {
        let Concurrency { accounts, calls, calls_per_service } = Concurrency::default();
        Self { accounts, calls, calls_per_service }
    }
}

/// `[policies]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policies {
    /// Folders with `controls/` and `exceptions/` of your own.
    pub folders: Vec<PathBuf>,
    /// Ids of controls to leave out.
    pub disabled: BTreeSet<String>,
}

/// `[exceptions]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Exceptions {
    /// What an exception is that has already ended when a run starts.
    pub expired: Expired,
    /// Who may approve exceptions; empty means that nobody has to.
    pub approvers: BTreeSet<String>,
}

/// What an exception is that has already ended when a run starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expired {
    /// An error: the run does not start.
    #[default]
    Error,
    /// A finding; it covers nothing.
    Report,
}
