//! `[[deliveries.jira]]` as written, and as checked.
//!
//! In: the table. Out: [`JiraOptions`], or the key that is wrong and how to mend it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::access::{Place, address};
use crate::collect::git_hosts::Misplaced;
use crate::deliver::receiver::settings;
use crate::finding::Severity;

/// Which Jira.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Deployment {
    /// REST API version 3, documents, account ids.
    Cloud,
    /// REST API version 2, wiki text, user names.
    DataCenter,
}

impl Deployment {
    /// Version of its REST API.
    pub(super) fn version(self) -> &'static str {
        match self {
            Self::Cloud => "3",
            Self::DataCenter => "2",
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    site: String,
    #[serde(default)]
    deployment: Option<Deployment>,
    project: String,
    #[serde(default = "task")]
    issue_type: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    token: Option<Misplaced>,
    #[serde(default)]
    token_env: Option<String>,
    #[serde(default)]
    token_file: Option<PathBuf>,
    #[serde(default)]
    priority: BTreeMap<Severity, String>,
    #[serde(default)]
    labels: BTreeSet<String>,
    #[serde(default)]
    component: Option<String>,
    #[serde(default)]
    assignee: Option<String>,
    #[serde(default)]
    fields: Map<String, Value>,
    #[serde(default)]
    close_transition: Option<String>,
    #[serde(default)]
    reopen_transition: Option<String>,
    #[serde(default)]
    close_resolution: Option<String>,
    #[serde(default = "declined")]
    declined_resolutions: BTreeSet<String>,
    #[serde(default)]
    owners: BTreeMap<String, OwnersPlace>,
    #[serde(default)]
    longest_wait_seconds: Option<u64>,
}

fn task() -> String {
    "Task".to_owned()
}

/// What Jira's own workflows call it.
fn declined() -> BTreeSet<String> {
    ["Won't Do", "Won't Fix", "Declined", "Duplicate", "Cannot Reproduce", "Known Error"]
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum OwnersPlace {
    Project(String),
    More(OwnersTable),
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnersTable {
    #[serde(default)]
    project: Option<String>,
    #[serde(default)]
    component: Option<String>,
    #[serde(default)]
    assignee: Option<String>,
    #[serde(default)]
    labels: BTreeSet<String>,
}

/// Where an owner's issues go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Destination {
    /// Key of the project.
    pub(super) project: String,
    pub(super) component: Option<String>,
    /// Account id (Cloud) or user name (Data Center).
    pub(super) assignee: Option<String>,
    pub(super) labels: BTreeSet<String>,
}

/// Everything that a tracker is told.
#[derive(Debug, Clone)]
pub(super) struct JiraOptions {
    pub(super) site: Url,
    pub(super) deployment: Deployment,
    pub(super) issue_type: String,
    /// With a user, a token is a password; without one, it is a bearer's.
    pub(super) email: Option<String>,
    pub(super) secret: Place,
    pub(super) priority: BTreeMap<Severity, String>,
    /// Further fields of new issues, as Jira takes them.
    pub(super) fields: Map<String, Value>,
    pub(super) close_transition: Option<String>,
    pub(super) reopen_transition: Option<String>,
    pub(super) close_resolution: Option<String>,
    /// In lower case.
    pub(super) declined_resolutions: BTreeSet<String>,
    pub(super) default: Destination,
    pub(super) owners: BTreeMap<String, Destination>,
    pub(super) longest_wait_seconds: Option<u64>,
}

/// Fields of an issue that have keys of their own here, or that pipewarden writes.
const OWN_FIELDS: [&str; 9] =
    ["project", "issuetype", "summary", "description", "labels", "priority", "assignee", "components", "resolution"];

impl JiraOptions {
    pub(super) fn read(table: Value) -> Result<Self, String> {
        let settings: Settings = settings(table)?;
        if settings.token.is_some() {
            return Err("`token`: a token has no place in this file; put it into an environment variable, write the \
                        variable's name as `token_env`, and take this token for known to others"
                .to_owned());
        }
        let secret = Place::of(settings.token_env.as_ref(), settings.token_file.as_ref())?.ok_or_else(|| {
            "`token_env`: no secret is named: give the name of an environment variable that holds an API token, or `token_file`"
                .to_owned()
        })?;
        if settings.email.as_ref().is_some_and(|email| email.is_empty() || email.contains(':')) {
            return Err("`email`: give the address of the account that the API token belongs to".to_owned());
        }
        let site = address("site", settings.site.trim_end_matches('/'))?;
        let is_cloud =
            site.host_str().is_some_and(|host| host.ends_with(".atlassian.net") || host == "api.atlassian.com");
        let deployment =
            settings.deployment.unwrap_or(if is_cloud { Deployment::Cloud } else { Deployment::DataCenter });
        if let Some(own) = OWN_FIELDS.iter().find(|name| settings.fields.contains_key(**name)) {
            return Err(format!("`fields`: `{own}` has a key of its own in this table, or is written by pipewarden"));
        }
        let (default, owners) = destinations(&settings)?;
        Ok(Self {
            site,
            deployment,
            issue_type: settings.issue_type,
            email: settings.email,
            secret,
            priority: settings.priority,
            fields: settings.fields,
            close_transition: settings.close_transition,
            reopen_transition: settings.reopen_transition,
            close_resolution: settings.close_resolution,
            declined_resolutions: settings.declined_resolutions.iter().map(|name| name.to_lowercase()).collect(),
            default,
            owners,
            longest_wait_seconds: settings.longest_wait_seconds,
        })
    }
}

fn destinations(settings: &Settings) -> Result<(Destination, BTreeMap<String, Destination>), String> {
    check_project("project", &settings.project)?;
    check_labels("labels", &settings.labels)?;
    let default = Destination {
        project: settings.project.clone(),
        component: settings.component.clone(),
        assignee: settings.assignee.clone(),
        labels: settings.labels.clone(),
    };
    let mut owners = BTreeMap::new();
    for (owner, place) in &settings.owners {
        let table = match place {
            OwnersPlace::Project(project) => OwnersTable { project: Some(project.clone()), ..OwnersTable::default() },
            OwnersPlace::More(table) => table.clone(),
        };
        // Components belong to a project.
        let same_project = table.project.as_ref().is_none_or(|project| *project == settings.project);
        let project = table.project.unwrap_or_else(|| settings.project.clone());
        check_project(&format!("owners.{owner}.project"), &project)?;
        check_labels(&format!("owners.{owner}.labels"), &table.labels)?;
        let mut destination = Destination {
            project,
            component: table.component.or_else(|| default.component.clone().filter(|_| same_project)),
            assignee: table.assignee.or_else(|| default.assignee.clone().filter(|_| same_project)),
            labels: default.labels.clone(),
        };
        destination.labels.extend(table.labels);
        owners.insert(owner.clone(), destination);
    }
    Ok((default, owners))
}

fn check_project(key: &str, project: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if project.is_empty() || !project.bytes().all(plain) {
        return Err(format!("`{key}`: `{project}` is no key of a project, such as `SEC`"));
    }
    Ok(())
}

fn check_labels(key: &str, labels: &BTreeSet<String>) -> Result<(), String> {
    match labels.iter().find(|label| label.is_empty() || label.contains(char::is_whitespace)) {
        Some(label) => Err(format!("`{key}`: `{label}` is no label: Jira's have no spaces")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(change: impl FnOnce(&mut Value)) -> Result<JiraOptions, String> {
        let mut table = json!({
            "site": "https://acme.atlassian.net", "project": "SEC", "email": "bot@acme.example", "token_env": "TOKEN",
        });
        change(&mut table);
        JiraOptions::read(table)
    }

    #[test]
    fn every_mistake_is_named_with_its_key() {
        for (key, value, needle) in [
            ("site", json!("http://acme.atlassian.net"), "`site`"),
            ("project", json!("sec"), "`project`"),
            ("token", json!("hunter2"), "no place in this file"),
            ("token_env", Value::Null, "no secret is named"),
            ("token_file", json!("x"), "not both"),
            ("email", json!("a:b"), "`email`"),
            ("labels", json!(["a b"]), "no spaces"),
            ("fields", json!({"summary": "x"}), "`summary` has a key of its own"),
            ("owners", json!({"a": {"project": "a-b"}}), "`owners.a.project`"),
            ("priority", json!({"HUGE": "x"}), "unknown variant `HUGE`"),
            ("deployment", json!("server"), "unknown variant `server`"),
            ("bukcet", json!(1), "unknown field `bukcet`"),
        ] {
            let error = read(|table| table[key] = value.clone()).err().unwrap_or_default();
            assert!(error.contains(needle) && !error.contains("hunter2"), "{key}: {error}");
        }
    }

    #[test]
    fn the_site_says_which_jira_it_is() {
        assert_eq!(read(|_| {}).unwrap().deployment, Deployment::Cloud);
        let own = read(|table| table["site"] = json!("https://jira.acme.example/jira/")).unwrap();
        assert_eq!(own.deployment, Deployment::DataCenter);
        let api = read(|table| table["site"] = json!("https://api.atlassian.com/ex/jira/1")).unwrap();
        assert_eq!(api.deployment, Deployment::Cloud);
    }

    #[test]
    fn another_project_has_not_the_components_of_the_default_one() {
        let options = read(|table| {
            table["component"] = json!("Pipelines");
            table["assignee"] = json!("1");
            table["owners"] = json!({"a": "PAY", "b": {"assignee": "2", "labels": ["b"]}});
        })
        .unwrap();
        let (a, b) = (&options.owners["a"], &options.owners["b"]);
        assert_eq!((a.project.as_str(), &a.component, &a.assignee), ("PAY", &None, &None));
        assert_eq!((b.project.as_str(), b.component.as_deref()), ("SEC", Some("Pipelines")));
        assert_eq!(b.assignee.as_deref(), Some("2"));
    }
}
