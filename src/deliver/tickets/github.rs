//! `[[deliveries.github]]`: tickets as issues of GitHub repositories.
//!
//! In: the table. Out: a receiver whose tracker is GitHub. A token or a GitHub App is named as for source hosts, and
//! stands in no configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

use super::access::{Access, Place, address};
use super::github_tracker::ToGitHub;
use super::http::{Http, LONGEST_WAIT};
use super::to_tracker::ToTracker;
use super::{Rules, Tracker as _};
use crate::collect::git_hosts::Misplaced;
use crate::deliver::receiver::settings;
use crate::deliver::{Delivery, DeliveryError, Grant, Kind, Receiver, Way};
use crate::inventory::Partition;

/// `[[deliveries.github]]`
#[derive(Debug)]
pub(in crate::deliver) struct GitHub;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// `org/repository`, for owners that are not named.
    repository: String,
    #[serde(default = "github_com")]
    api: String,
    #[serde(default)]
    token: Option<Misplaced>,
    #[serde(default)]
    token_env: Option<String>,
    #[serde(default)]
    token_file: Option<PathBuf>,
    #[serde(default)]
    app_id: Option<u64>,
    #[serde(default)]
    installation_id: Option<u64>,
    #[serde(default)]
    private_key_file: Option<PathBuf>,
    /// Told from other issues by it.
    #[serde(default = "own_label")]
    label: String,
    /// Further labels.
    #[serde(default)]
    labels: BTreeSet<String>,
    /// Logins.
    #[serde(default)]
    assignees: BTreeSet<String>,
    /// Owner → repository, or more.
    #[serde(default)]
    owners: BTreeMap<String, OwnersPlace>,
    /// Seconds that GitHub may ask to wait.
    #[serde(default)]
    longest_wait_seconds: Option<u64>,
}

fn github_com() -> String {
    "https://api.github.com".to_owned()
}

fn own_label() -> String {
    "pipewarden".to_owned()
}

/// Where an owner's issues go.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum OwnersPlace {
    Repository(String),
    More(OwnersTable),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnersTable {
    #[serde(default)]
    repository: Option<String>,
    #[serde(default)]
    labels: BTreeSet<String>,
    #[serde(default)]
    assignees: BTreeSet<String>,
}

/// Where issues go, and with what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Destination {
    /// `org/repository`
    pub(super) repository: String,
    pub(super) labels: BTreeSet<String>,
    pub(super) assignees: BTreeSet<String>,
}

/// All destinations.
#[derive(Debug, Clone, Default)]
pub(super) struct Destinations {
    pub(super) label: String,
    pub(super) default: Destination,
    pub(super) owners: BTreeMap<String, Destination>,
}

impl Kind for GitHub {
    fn table(&self) -> &'static str {
        "github"
    }

    fn about(&self) -> &'static str {
        "issues of GitHub repositories, by owner, for violations; closed when all in them was seen to be over"
    }

    fn actions(&self) -> &'static [&'static str] {
        &[]
    }

    fn takes_one_by_one(&self) -> bool {
        true
    }

    fn read(&self, name: &str, mut table: Value) -> Result<Arc<dyn Receiver>, String> {
        let rules = Rules::take(&mut table)?;
        let settings: Settings = settings(table)?;
        let secret = Secret::of(&settings)?;
        let base = address("api", &settings.api)?;
        Ok(Arc::new(Configured {
            name: name.to_owned(),
            rules,
            base,
            secret,
            destinations: destinations(&settings)?,
            longest_wait: settings.longest_wait_seconds.map_or(LONGEST_WAIT, Duration::from_secs),
        }))
    }
}

/// Where the secret is.
#[derive(Debug, Clone)]
enum Secret {
    Token(Place),
    App { app: u64, installation: u64, file: PathBuf },
}

impl Secret {
    fn of(settings: &Settings) -> Result<Self, String> {
        if settings.token.is_some() {
            return Err("`token`: a token has no place in this file; put it into an environment variable, write the \
                        variable's name as `token_env`, and take this token for known to others"
                .to_owned());
        }
        let place = Place::of(settings.token_env.as_ref(), settings.token_file.as_ref())?;
        match (place, settings.app_id, settings.installation_id, &settings.private_key_file) {
            (Some(place), None, None, None) => Ok(Self::Token(place)),
            (Some(_), ..) => Err("`token_env`: give either a token or a GitHub App, not both".to_owned()),
            (None, Some(app), Some(installation), Some(file)) => {
                Ok(Self::App { app, installation, file: file.clone() })
            }
            (None, None, None, None) => {
                Err("`token_env`: no secret is named: give the name of an environment variable \
                                             that holds a token, `token_file`, or `app_id`, `installation_id` and \
                                             `private_key_file` of a GitHub App"
                    .to_owned())
            }
            _ => {
                Err("`app_id`: a GitHub App needs all of `app_id`, `installation_id` and `private_key_file`".to_owned())
            }
        }
    }
}

fn check_repository(key: &str, repository: &str) -> Result<(), String> {
    let plain = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    match repository.split_once('/') {
        Some((owner, name)) if plain(owner) && plain(name) => Ok(()),
        _ => Err(format!("`{key}`: `{repository}` is no repository; write it as `organization/repository`")),
    }
}

fn destinations(settings: &Settings) -> Result<Destinations, String> {
    check_repository("repository", &settings.repository)?;
    if settings.label.trim().is_empty() || settings.label.contains(',') {
        return Err("`label`: give one label, which tells these issues from others".to_owned());
    }
    let default = Destination {
        repository: settings.repository.clone(),
        labels: settings.labels.clone(),
        assignees: settings.assignees.clone(),
    };
    let mut owners = BTreeMap::new();
    for (owner, place) in &settings.owners {
        let (repository, labels, assignees) = match place {
            OwnersPlace::Repository(repository) => (Some(repository), None, None),
            OwnersPlace::More(table) => (table.repository.as_ref(), Some(&table.labels), Some(&table.assignees)),
        };
        let repository = repository.unwrap_or(&settings.repository);
        check_repository(&format!("owners.{owner}"), repository)?;
        let mut destination = Destination { repository: repository.clone(), ..default.clone() };
        destination.labels.extend(labels.into_iter().flatten().cloned());
        if let Some(assignees) = assignees {
            destination.assignees.clone_from(assignees);
        }
        owners.insert(owner.clone(), destination);
    }
    Ok(Destinations { label: settings.label.clone(), default, owners })
}

#[derive(Debug, Clone)]
struct Configured {
    name: String,
    rules: Rules,
    base: Url,
    secret: Secret,
    destinations: Destinations,
    longest_wait: Duration,
}

impl Receiver for Configured {
    fn grants(&self, _partition: Partition) -> Vec<Grant> {
        Vec::new()
    }

    fn open(&self, way: &Way<'_>) -> Result<Box<dyn Delivery>, DeliveryError> {
        let receiver = format!("GitHub at {}", self.base.host_str().unwrap_or_default());
        let access = match &self.secret {
            Secret::Token(place) => Access::with_token(&receiver, None, place, way.secrets)?,
            Secret::App { app, installation, file } => {
                Access::of_app(&receiver, (*app, *installation), file, way.secrets)?
            }
        };
        let headers = HeaderMap::from_iter([
            (ACCEPT, HeaderValue::from_static("application/vnd.github+json")),
            (HeaderName::from_static("x-github-api-version"), HeaderValue::from_static("2022-11-28")),
        ]);
        let http = Http::new(self.base.clone(), headers, Arc::clone(&way.pace), self.longest_wait)
            .map_err(|problem| DeliveryError::Receiver { receiver, problem, hint: "mend `api`".to_owned() })?;
        let tracker = ToGitHub::new(http, access, self.destinations.clone());
        let receiver = tracker.receiver();
        Ok(Box::new(ToTracker {
            name: self.name.clone(),
            rules: self.rules.clone(),
            tracker: Box::new(tracker),
            pace: Arc::clone(&way.pace),
            receiver,
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(change: impl FnOnce(&mut Value)) -> Result<Arc<dyn Receiver>, String> {
        let mut table = json!({"repository": "acme/security", "token_env": "TOKEN", "severity": "LOW"});
        change(&mut table);
        GitHub.read("github", table)
    }

    #[test]
    fn every_mistake_is_named_with_its_key() {
        for (key, value, needle) in [
            ("repository", json!("acme"), "organization/repository"),
            ("repository", json!("acme/../x"), "organization/repository"),
            ("token", json!("hunter2"), "no place in this file"),
            ("token_file", json!("x"), "not both"),
            ("app_id", json!(1), "not both"),
            ("token_env", Value::Null, "no secret is named"),
            ("api", json!("http://github.com"), "https://"),
            ("severity", json!("high"), "unknown variant `high`"),
            ("group_by", json!("owner"), "unknown variant `owner`"),
            ("max_new", json!(0), "`max_new`"),
            ("bukcet", json!(1), "unknown field `bukcet`"),
            ("owners", json!({"a": "acme"}), "`owners.a`"),
            ("label", json!("a,b"), "`label`"),
        ] {
            let error = read(|table| table[key] = value.clone()).err().unwrap_or_default();
            assert!(error.contains(needle) && !error.contains("hunter2"), "{key}: {error}");
        }
        assert!(read(|_| {}).is_ok());
        let app = json!({"repository": "a/b", "app_id": 1, "installation_id": 2, "private_key_file": "x.pem"});
        assert!(GitHub.read("github", app.clone()).is_ok());
        let mut half = app;
        half.as_object_mut().unwrap().remove("installation_id");
        assert!(GitHub.read("github", half).err().unwrap_or_default().contains("needs all of"));
    }

    #[test]
    fn owners_have_repositories_labels_and_assignees_of_their_own() {
        let settings: Settings = serde_json::from_value(json!({
            "repository": "acme/security", "labels": ["security"], "assignees": ["lead"],
            "owners": {"a": "acme/a", "b": {"labels": ["b"], "assignees": ["bob"]}},
        }))
        .unwrap();
        let destinations = destinations(&settings).unwrap();
        let (a, b) = (&destinations.owners["a"], &destinations.owners["b"]);
        assert_eq!((a.repository.as_str(), a.assignees.len()), ("acme/a", 1));
        assert_eq!((b.repository.as_str(), b.labels.len()), ("acme/security", 2));
        assert_eq!(b.assignees, ["bob".to_owned()].into());
    }
}
