//! `pipewarden.toml`: as written → as resolved.
//!
//! In: the text of the file. Out: [`Config`], in which every value has been read into the type that the stages take.
//! Unknown keys are errors: a misspelt filter would otherwise audit the wrong accounts in silence.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::audit::{AuditOptions, RegionChoice};
use crate::collect::Concurrency;
use crate::collect::git_hosts::{HostEntry, HostError, Secrets, SourceHosts};
use crate::evaluate::Settings;
use crate::facts::{BuildRules, PracticeRules, ProductionRules, RequiredTags, Rules};
use crate::inventory::{AccountId, CheckKind, Region};
use crate::organization::{AccountFilter, RoleHop, SessionOptions};

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not TOML, or a key or value that is not known.
    #[error("{file}: {message}")]
    Syntax {
        /// Path as given.
        file: String,
        /// The parser's message with line, column and the text around.
        message: String,
    },
    /// A value that says nothing.
    #[error("{file}: `{key}`: {problem}")]
    Value {
        /// Path as given.
        file: String,
        /// Key with its table.
        key: String,
        /// What is wrong and how to mend it.
        problem: String,
    },
    /// The file cannot be read.
    #[error("{file} cannot be read: {problem}; give an existing file with `--config`, or none to use the defaults")]
    Unreadable {
        /// Path as given.
        file: String,
        /// The system's words.
        problem: String,
    },
}

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

/// The file as resolved.
#[derive(Debug, Clone)]
pub struct Config {
    /// For the collection.
    pub audit: AuditOptions,
    /// The Region for global services, if set.
    pub home_region: Option<Region>,
    /// For the facts.
    pub rules: Rules,
    /// For the policies.
    pub settings: Settings,
    /// Folders and switched-off controls.
    pub policies: Policies,
    /// What is asked of exceptions.
    pub exceptions: Exceptions,
    /// As written, for the manifest.
    pub written: Written,
}

impl Config {
    /// The source hosts with their secrets, which only a collection needs.
    ///
    /// # Errors
    /// [`HostError`] for the first secret that is missing or cannot be used.
    pub fn source_hosts(&self, secrets: &Secrets<'_>) -> Result<SourceHosts, HostError> {
        SourceHosts::open(&self.written.hosts, secrets)
    }
}

impl Written {
    /// Reads a file; defaults if there is none.
    ///
    /// # Errors
    /// [`ConfigError`] if it cannot be read or parsed.
    pub fn read(path: Option<&Path>) -> Result<(Self, String), ConfigError> {
        let Some(path) = path else { return Ok((Self::default(), "defaults".to_owned())) };
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { file: file.clone(), problem: error.to_string() })?;
        let written = toml::from_str(&text)
            .map_err(|error| ConfigError::Syntax { file: file.clone(), message: error.to_string() })?;
        Ok((written, file))
    }

    /// Reads every value into the type that the stages take.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first that cannot be used.
    pub fn resolve(self, file: &str) -> Result<Config, ConfigError> {
        let wrong =
            |key: &str, problem: String| ConfigError::Value { file: file.to_owned(), key: key.to_owned(), problem };
        let filter = AccountFilter::new(&self.accounts.include, &self.accounts.exclude)
            .map_err(|e| wrong("accounts", e.to_string()))?;
        let regions = parse_all::<Region>(&self.regions.only).map_err(|problem| wrong("regions.only", problem))?;
        let home_region = self
            .regions
            .home
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|e: crate::inventory::IdentityError| wrong("regions.home", e.to_string()))?;
        let settings = self.settings(file)?;
        let caps = &self.concurrency;
        if caps.accounts == 0 || caps.calls == 0 || caps.calls_per_service == 0 {
            return Err(wrong("concurrency", "every cap must be at least 1".to_owned()));
        }
        for entry in &self.hosts {
            entry.check().map_err(|error| wrong(&format!("hosts.{}", error.key), error.to_string()))?;
        }
        let audit = AuditOptions {
            filter,
            sessions: self.sessions(file)?,
            regions: if regions.is_empty() { RegionChoice::Enabled } else { RegionChoice::Listed(regions) },
            concurrency: Concurrency {
                accounts: caps.accounts,
                calls: caps.calls,
                calls_per_service: caps.calls_per_service,
            },
            single_account: false,
        };
        Ok(Config {
            audit,
            home_region,
            rules: self.rules(file)?,
            settings,
            policies: self.policies.clone(),
            exceptions: self.exceptions.clone(),
            written: self,
        })
    }

    fn settings(&self, file: &str) -> Result<Settings, ConfigError> {
        let mut settings = Settings::default();
        for (name, value) in &self.settings {
            if !settings.0.contains_key(name) {
                let known = settings.0.keys().cloned().collect::<Vec<_>>().join(", ");
                let problem = format!("there is no such setting; known are {known}");
                return Err(ConfigError::Value { file: file.to_owned(), key: format!("settings.{name}"), problem });
            }
            if *value < 0 {
                let problem = format!("{value} is negative; write a whole number from 0 on");
                return Err(ConfigError::Value { file: file.to_owned(), key: format!("settings.{name}"), problem });
            }
            settings.0.insert(name.clone(), *value);
        }
        Ok(settings)
    }

    fn sessions(&self, file: &str) -> Result<SessionOptions, ConfigError> {
        let role = &self.role;
        let wrong =
            |key: &str, problem: String| ConfigError::Value { file: file.to_owned(), key: key.to_owned(), problem };
        let hop = |key: &str, name: &str, external_id: &Option<String>| {
            let role =
                name.parse().map_err(|error: crate::organization::RolePatternError| wrong(key, error.to_string()))?;
            Ok(RoleHop { role, external_id: external_id.clone() })
        };
        let mut hops = role
            .chain
            .iter()
            .map(|h| hop("role.chain", &h.role, &h.external_id))
            .collect::<Result<Vec<_>, ConfigError>>()?;
        hops.push(hop("role.name", &role.name, &role.external_id)?);
        if !(900..=43_200).contains(&role.duration_seconds) {
            return Err(wrong(
                "role.duration_seconds",
                format!("{} is outside what STS takes: 900 to 43200", role.duration_seconds),
            ));
        }
        let named = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        if !(2..=64).contains(&role.session_name.len()) || !role.session_name.chars().all(named) {
            return Err(wrong(
                "role.session_name",
                format!("`{}` is no session name: 2 to 64 letters, digits or any of `_+=,.@-`", role.session_name),
            ));
        }
        Ok(SessionOptions {
            hops,
            session_name: role.session_name.clone(),
            duration: Duration::from_secs(role.duration_seconds),
            tags: role.session_tags.clone(),
            source_identity: role.source_identity.clone(),
            role_in_own_account: role.in_own_account,
        })
    }

    fn rules(&self, file: &str) -> Result<Rules, ConfigError> {
        Ok(Rules {
            production: self.production(file)?,
            allowed_source_owners: self.sources.allowed_owners.iter().map(|owner| owner.to_lowercase()).collect(),
            delegated_administrators: self.delegated_administrators(file)?,
            required_account_tags: self
                .organization
                .required_account_tags
                .clone()
                .map_or_else(RequiredTags::default, RequiredTags),
            builds: self.build_rules(file)?,
            practice: self.practice(file)?,
            release_managers: self.release_managers(file)?,
        })
    }

    fn build_rules(&self, file: &str) -> Result<BuildRules, ConfigError> {
        for project in &self.builds.privileged_projects {
            let account = project.split_once('/').map(|(account, _)| account);
            if account.is_none_or(|account| account.parse::<AccountId>().is_err()) {
                return Err(ConfigError::Value {
                    file: file.to_owned(),
                    key: "builds.privileged_projects".to_owned(),
                    problem: format!("`{project}` names no project; write `account/name`, such as `123456789012/web`"),
                });
            }
        }
        Ok(BuildRules {
            privileged_tags: self.builds.privileged_tags.clone(),
            privileged_projects: self.builds.privileged_projects.clone(),
        })
    }

    fn delegated_administrators(&self, file: &str) -> Result<BTreeSet<AccountId>, ConfigError> {
        let key = "organization.delegated_administrators";
        let accounts = parse_all::<AccountId>(&self.organization.delegated_administrators);
        let wrong = |problem| ConfigError::Value { file: file.to_owned(), key: key.to_owned(), problem };
        Ok(accounts.map_err(wrong)?.into_iter().collect())
    }

    fn practice(&self, file: &str) -> Result<PracticeRules, ConfigError> {
        let wrong = |key: String, problem: String| ConfigError::Value { file: file.to_owned(), key, problem };
        let kinds = |key: &str, written: &BTreeSet<String>| {
            let read = written.iter().map(|kind| kind.parse::<CheckKind>());
            read.collect::<Result<BTreeSet<_>, _>>().map_err(|problem| wrong(key.to_owned(), problem))
        };
        let mut rules = PracticeRules {
            before_production: kinds("stages.before_production", &self.stages.before_production)?,
            tier_tag: self.tiers.tag.clone(),
            default_tier: self.tiers.default.clone(),
            branches: self.branches.clone(),
            template_tags: self.templates.tags.clone(),
            template_stacks: self.templates.stacks.clone(),
            services: self.services.clone(),
            ..PracticeRules::default()
        };
        for (kind, words) in &self.stages.markers {
            let kind = kind.parse().map_err(|problem| wrong("stages.markers".to_owned(), problem))?;
            rules.markers.insert(kind, words.clone());
        }
        for (tier, written) in &self.tiers.checks {
            rules.tiers.insert(tier.clone(), kinds(&format!("tiers.checks.{tier}"), written)?);
        }
        if let Some(tier) = rules.default_tier.as_ref().filter(|tier| !rules.tiers.contains_key(*tier)) {
            let problem = format!("`{tier}` is none of the tiers under `[tiers.checks]`");
            return Err(wrong("tiers.default".to_owned(), problem));
        }
        if let Some(circle) = rules.service_cycle() {
            let problem = format!("{} wait for each other, so none can be the first", circle.join(" → "));
            return Err(wrong("services".to_owned(), problem));
        }
        Ok(rules)
    }

    fn release_managers(&self, file: &str) -> Result<BTreeSet<String>, ConfigError> {
        let patterns = &self.approvals.release_managers;
        match patterns.iter().find(|pattern| !pattern.starts_with("arn:") || !pattern.contains(":iam::")) {
            None => Ok(patterns.clone()),
            Some(pattern) => Err(ConfigError::Value {
                file: file.to_owned(),
                key: "approvals.release_managers".to_owned(),
                problem: format!(
                    "`{pattern}` is no ARN of a role or user: write one as `arn:aws:iam::*:role/ReleaseManager*`"
                ),
            }),
        }
    }

    fn production(&self, file: &str) -> Result<ProductionRules, ConfigError> {
        let mut rules = ProductionRules::default();
        let written = &self.production;
        if let Some(accounts) = &written.accounts {
            rules.accounts = parse_all::<AccountId>(accounts)
                .map_err(|problem| ConfigError::Value {
                    file: file.to_owned(),
                    key: "production.accounts".to_owned(),
                    problem,
                })?
                .into_iter()
                .collect();
        }
        if let Some(units) = &written.organizational_units {
            rules.organizational_unit_paths.clone_from(units);
        }
        if let Some(tags) = &written.tags {
            rules.tags.clone_from(tags);
        }
        if let Some(names) = &written.names {
            rules.names.clone_from(names);
        }
        Ok(rules)
    }
}

fn parse_all<T>(texts: &[String]) -> Result<Vec<T>, String>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    texts.iter().map(|text| text.parse().map_err(|error: T::Err| error.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<Config, String> {
        toml::from_str::<Written>(text)
            .map_err(|e| e.to_string())?
            .resolve("pipewarden.toml")
            .map_err(|e| e.to_string())
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        let config = resolve("").unwrap();
        assert_eq!(config.audit.sessions.hops.len(), 1);
        assert_eq!(config.audit.regions, RegionChoice::Enabled);
        assert_eq!(config.settings, Settings::default());
    }

    #[test]
    fn every_mistake_is_named_with_its_key() {
        for (text, needle) in [
            ("[rol]\nname = \"x\"", "unknown field `rol`"),
            ("[role]\nnmae = \"x\"", "unknown field `nmae`"),
            ("[role]\nname = \"a b\"", "role.name"),
            ("[role]\nduration_seconds = 60", "900 to 43200"),
            ("[role]\nsession_name = \"a b\"", "role.session_name"),
            ("[[role.chain]]\nrole = \"arn:aws:s3:::x\"", "role.chain"),
            ("[regions]\nonly = [\"europe\"]", "regions.only"),
            ("[accounts]\ninclude = [\"Prod\"]", "accounts"),
            ("[production]\naccounts = [\"12\"]", "production.accounts"),
            ("[organization]\ndelegated_administrators = [\"12\"]", "organization.delegated_administrators"),
            ("[organization]\ndelegates = []", "unknown field `delegates`"),
            ("[builds]\nprivileged_projects = [\"web\"]", "builds.privileged_projects"),
            ("[approvals]\nrelease_managers = [\"ReleaseManager\"]", "approvals.release_managers"),
            ("[settings]\nretention = 3", "known are alarmWithoutDataDays"),
            ("[settings]\nobjectLockRetentionDays = -1", "negative"),
            ("[concurrency]\ncalls = 0", "at least 1"),
            ("[stages]\nbefore_production = [\"dance\"]", "stages.before_production"),
            ("[stages.markers]\ndance = [\"x\"]", "known are unit"),
            ("[tiers.checks]\ncritical = [\"dance\"]", "tiers.checks.critical"),
            ("[tiers]\ndefault = \"gold\"", "tiers.default"),
            ("[services]\na = [\"b\"]\nb = [\"a\"]", "a → b → a"),
            ("[templates]\nstack = []", "unknown field `stack`"),
            ("[[hosts]]\nhost = \"github.com\"", "hosts.token_env"),
            ("[[hosts]]\nhost = \"github.com\"\ntoken = \"x\"", "no place in this file"),
            ("[exceptions]\nexpired = \"ignore\"", "`error` or `report`"),
        ] {
            let error = resolve(text).err().unwrap_or_default();
            assert!(error.contains(needle), "{text}: {error}");
        }
    }
}
