//! `pipewarden.toml`: as written → as resolved.
//!
//! In: the text of the file. Out: [`Config`], in which every value has been read into the type that the stages take.
//! Unknown keys are errors: a misspelt filter would otherwise audit the wrong accounts in silence.

mod delivery;
mod owners;
mod rules;
mod written;

pub use delivery::{Archive, Athena, Dora, History, Lake, WrittenFreeze, WrittenService};
pub use owners::WrittenOwners;
pub use written::{
    Accounts, Approvals, Builds, Caps, Exceptions, Expired, Hop, Organization, Policies, Production, Regions, Role,
    Runs, Secrets, Signing, Sources, Stages, Templates, Tiers, Written,
};

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::audit::{AuditOptions, RegionChoice};
use crate::collect::Concurrency;
use crate::collect::git_hosts::{self, HostError, SourceHosts};
use crate::evaluate::Settings;
use crate::facts::Rules;
use crate::inventory::Region;
use crate::organization::{AccountFilter, RoleHop, SessionOptions};
use crate::owners::Owners;

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
    /// Where finished runs are delivered.
    pub deliveries: crate::deliver::Deliveries,
    /// Who answers for what.
    pub owners: Owners,
    /// Files of incidents.
    pub incidents: Vec<PathBuf>,
    /// As written, for the manifest.
    pub written: Written,
    /// What holds the files that it names, where they were fetched for it.
    pub held: Option<std::sync::Arc<dyn std::fmt::Debug + Send + Sync>>,
    /// Path of the file, for messages.
    pub file: String,
    /// The folder that relative paths in the file lead into; empty: the one that the program was started in.
    pub folder: PathBuf,
}

impl Config {
    /// Reads a file; defaults if there is none. Relative paths in it lead into its folder, wherever the program was
    /// started.
    ///
    /// # Errors
    /// [`ConfigError`] if it cannot be read, parsed or used.
    pub fn read(path: Option<&Path>) -> Result<Self, ConfigError> {
        let (written, file) = Written::read(path)?;
        written.resolve_in(&file, path.and_then(Path::parent).unwrap_or(Path::new("")))
    }

    /// Where a path leads that the file names.
    #[must_use]
    pub fn within(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// Reads a file that the file names.
    ///
    /// # Errors
    /// What the system says, with the place where it was looked for, if that is not what is written.
    pub fn read_named(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        let there = self.within(path);
        std::fs::read(&there).map_err(|error| {
            if there == path {
                return error;
            }
            std::io::Error::new(error.kind(), format!("{}: {error}", there.display()))
        })
    }

    /// How deployments are measured at a moment.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first value that cannot be used.
    pub fn dora(&self, as_of: time::OffsetDateTime) -> Result<crate::dora::Options, ConfigError> {
        self.written.dora.options(&self.file, as_of, self.rules.production.clone())
    }

    /// Where the organization's events are.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first value that cannot be used.
    pub fn trails(&self) -> Result<crate::audit::TrailSources, ConfigError> {
        self.written.trails(&self.file)
    }

    /// The sources of history that are asked per account and Region.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for a name that is none.
    pub fn account_sources(&self) -> Result<std::collections::BTreeSet<crate::history::HistorySource>, ConfigError> {
        self.written.account_sources(&self.file)
    }

    /// The source hosts with their secrets, which only a collection needs.
    ///
    /// # Errors
    /// [`HostError`] for the first secret that is missing or cannot be used.
    pub fn source_hosts(&self, secrets: &git_hosts::Secrets<'_>) -> Result<SourceHosts, HostError> {
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

    /// As [`Self::resolve_in`], in the folder that the program was started in.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first that cannot be used.
    pub fn resolve(self, file: &str) -> Result<Config, ConfigError> {
        self.resolve_in(file, Path::new(""))
    }

    /// Reads every value into the type that the stages take; relative paths lead into `folder`. What is written stays as it
    /// is: two machines that keep the same file in other places ask the same.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first that cannot be used.
    pub fn resolve_in(self, file: &str, folder: &Path) -> Result<Config, ConfigError> {
        let wrong =
            |key: &str, problem: String| ConfigError::Value { file: file.to_owned(), key: key.to_owned(), problem };
        if let Some(key) = &self.signing.kms_key
            && !crate::inventory::Arn::parse(key).is_ok_and(|arn| arn.service == "kms" && !arn.region.is_empty())
        {
            let problem = format!("`{key}` is no ARN of a KMS key, such as `arn:aws:kms:eu-west-1:111122223333:key/…`");
            return Err(wrong("signing.kms_key", problem));
        }
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
        if self.runs.keep == Some(0) || self.runs.keep_days == Some(0) {
            return Err(wrong("runs", "a limit must be at least 1; leave it out for no limit".to_owned()));
        }
        if self.secrets.fingerprint_key_env.is_some() && self.secrets.fingerprint_key_file.is_some() {
            let problem =
                "a key comes from one place; leave out either `secrets.fingerprint_key_env` or this".to_owned();
            return Err(wrong("secrets.fingerprint_key_file", problem));
        }
        for entry in &self.hosts {
            entry.check().map_err(|error| {
                wrong(&format!("hosts.{}", error.key), format!("{}: {}", error.host, error.problem))
            })?;
        }
        // Read once more when the moment is known; a mistake must not wait until the accounts are collected.
        self.dora.options(file, time::OffsetDateTime::UNIX_EPOCH, crate::facts::ProductionRules::default())?;
        self.account_sources(file)?;
        self.trails(file)?;
        let contacts = crate::deliver::Contacts::read(&self.owners.contacts)
            .map_err(|problem| wrong("owners.contacts", problem))?;
        let deliveries = crate::deliver::Deliveries::read_with(&self.deliveries, &contacts)
            .map_err(|misconfigured| wrong(&misconfigured.key, misconfigured.problem))?;
        let within = |paths: &[PathBuf]| paths.iter().map(|path| folder.join(path)).collect();
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
            policies: Policies { folders: within(&self.policies.folders), ..self.policies.clone() },
            exceptions: self.exceptions.clone(),
            deliveries,
            owners: self.owners(file, folder)?,
            file: file.to_owned(),
            folder: folder.to_owned(),
            held: None,
            incidents: within(&self.history.incidents),
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
    fn relative_paths_lead_into_the_folder_of_the_file_and_the_question_stays() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("OWNERS"), "* platform\n").unwrap();
        let file = folder.path().join("pipewarden.toml");
        let text = "[owners]\nfile = \"OWNERS\"\n[policies]\nfolders = [\"ours\", \"/abs\"]\n[history]\nincidents = [\"i.csv\"]\n";
        std::fs::write(&file, text).unwrap();
        let config = Config::read(Some(&file)).unwrap();
        assert_eq!(config.policies.folders, [folder.path().join("ours"), PathBuf::from("/abs")]);
        assert_eq!(config.incidents, [folder.path().join("i.csv")]);
        assert!(config.owners.mapping != crate::owners::Mapping::default());
        assert_eq!(config.within(Path::new("app.pem")), folder.path().join("app.pem"));
        assert_eq!(config.within(Path::new("/run/secrets/app.pem")), Path::new("/run/secrets/app.pem"));
        // Wherever it lies, it asks the same.
        assert_eq!(config.written, toml::from_str::<Written>(text).unwrap());
        assert_eq!(Config::read(None).unwrap().within(Path::new("x")), Path::new("x"));
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
            ("[runs]\nkeep = 0", "leave it out"),
            ("[runs]\nkeep_weeks = 3", "unknown field `keep_weeks`"),
            ("[stages]\nbefore_production = [\"dance\"]", "stages.before_production"),
            ("[stages.markers]\ndance = [\"x\"]", "known are unit"),
            ("[tiers.checks]\ncritical = [\"dance\"]", "tiers.checks.critical"),
            ("[tiers]\ndefault = \"gold\"", "tiers.default"),
            ("[services]\na = [\"b\"]\nb = [\"a\"]", "a → b → a"),
            ("[templates]\nstack = []", "unknown field `stack`"),
            ("[[hosts]]\nhost = \"github.com\"", "hosts.token_env"),
            ("[[hosts]]\nhost = \"github.com\"\ntoken = \"x\"", "no place in this file"),
            ("[signing]\nkms_key = \"alias/x\"", "signing.kms_key"),
            ("[secrets]\nfingerprint_key = \"x\"", "unknown field `fingerprint_key`"),
            (
                "[secrets]\nfingerprint_key_env = \"A\"\nfingerprint_key_file = \"b\"",
                "`secrets.fingerprint_key_file`: a key comes from one place",
            ),
            ("[owners]\ntags = []", "unknown field `tags`"),
            ("[owners]\nfile = \"no/such/file\"", "owners.file"),
            ("[exceptions]\nexpired = \"ignore\"", "`error` or `report`"),
            ("[[deliveries.s3]]\nbukcet = \"x\"", "deliveries.s3.s3"),
            ("[deliveries.pigeon]", "no such delivery"),
            ("[owners.contacts]\nx = [\"y\"]", "owners.contacts"),
            ("[owners.contacts]\nx = []", "owners.contacts"),
        ] {
            let error = resolve(text).err().unwrap_or_default();
            assert!(error.contains(needle), "{text}: {error}");
        }
    }
}
