//! Findings → tickets of the people who answer for them.
//!
//! In: a sealed run, what is remembered of earlier deliveries, and what the tracker has. Out: tickets that are opened,
//! changed, closed and opened again. What a ticket is, when it is written and when it may be closed is decided here, once
//! for every tracker; a [`Tracker`] only reads and writes.
//!
//! A ticket carries a key that follows from what it is about, so that it is found again even if nothing is remembered. It
//! is closed only if everything in it was looked at and is over: what could not be seen leaves it open.

mod access;
mod adf;
mod decision;
mod ended;
mod github;
mod github_tracker;
mod groups;
mod http;
mod jira;
mod jira_settings;
mod jira_tracker;
mod known;
mod markdown;
mod page;
mod rounds;
mod sheets;
mod to_tracker;
mod wiki;

pub(super) use github::GitHub;
pub(super) use jira::Jira;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::receiver::settings;
use crate::finding::{Finding, Severity, hex};
use page::{Page, Words};

/// What goes into one ticket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum GroupBy {
    /// All violations of one control that have the same owner.
    #[default]
    Control,
    /// All violations on one resource.
    Resource,
    /// One violation.
    Finding,
}

/// Which violations get a ticket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Which {
    /// All of them.
    #[default]
    All,
    /// Those that began, or became worse, with the first run that was delivered or later.
    New,
}

/// What every tracker's table says of the life of a ticket.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rules {
    group_by: GroupBy,
    /// Violations below it open no ticket.
    severity: Severity,
    when: Which,
    /// Whether tickets are closed when all in them is over.
    close: bool,
    /// Whether a ticket is opened again when its violation comes back; otherwise a new one is.
    reopen: bool,
    /// Tickets that one delivery opens at most.
    max_new: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            group_by: GroupBy::Control,
            severity: Severity::High,
            when: Which::All,
            close: true,
            reopen: true,
            max_new: 20,
        }
    }
}

impl Rules {
    const KEYS: [&'static str; 6] = ["group_by", "severity", "when", "close", "reopen", "max_new"];

    /// Takes its keys out of a table, which is then read by the kind.
    fn take(table: &mut Value) -> Result<Self, String> {
        let mut own = Map::new();
        if let Some(fields) = table.as_object_mut() {
            own.extend(Self::KEYS.iter().filter_map(|key| fields.shift_remove_entry(*key)));
        }
        let rules: Self = settings(Value::Object(own))?;
        if rules.max_new == 0 {
            return Err("`max_new`: 0 would open no ticket at all; write how many one delivery may open".to_owned());
        }
        Ok(rules)
    }
}

/// Whose tickets they are: an organization's, by one delivery. Both are part of every key, so that two that share a
/// tracker never touch each other's tickets.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Keys {
    /// 16 hex digits.
    of: String,
}

impl Keys {
    fn of(organization: &str, delivery: &str) -> Self {
        let mut of = digest(&["pipewarden tickets", organization, delivery]);
        of.truncate(16);
        Self { of }
    }

    /// The key of the ticket that a finding belongs to: 32 hex digits.
    fn key(&self, by: GroupBy, finding: &Finding) -> String {
        let resource = &finding.resource;
        match by {
            GroupBy::Control => {
                let owner = finding.owner.as_ref().map_or("", |owner| owner.name.as_str());
                digest(&[&self.of, "control", &finding.control, owner])
            }
            GroupBy::Resource => {
                let place = [resource.account.as_str(), resource.region.as_str()];
                digest(&[&self.of, "resource", resource.uid.as_str(), place[0], place[1]])
            }
            GroupBy::Finding => digest(&[&self.of, "finding", &finding.id]),
        }
    }
}

/// 32 hex digits over parts.
fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hex(hash.finalize().get(..16).unwrap_or_default())
}

/// How a ticket stands at the tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Status {
    Open,
    /// Somebody closed it as done; RFC 3339, where the tracker says when.
    Done(Option<String>),
    /// Somebody closed it because it will not be done.
    Declined,
    /// Somebody took it to another place, where nothing of it can be read or written under its id.
    Moved,
}

/// A ticket that the tracker has.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Remote {
    /// As the tracker names it for people: `acme/web#12`, `SEC-3`.
    id: String,
    status: Status,
    /// Larger for later ones, to tell two of one key apart.
    number: u64,
    /// What it says of its own findings, where the listing tells.
    content: Option<Content>,
}

/// Which findings are in a ticket, as the ticket itself carries it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Content {
    /// [`Finding::id`]
    findings: BTreeSet<String>,
    worst: Option<Severity>,
    /// Whether those are all; there is not room for any number of them.
    whole: bool,
}

/// What a ticket carries besides its page.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    /// [`Keys::of`]
    of: String,
    key: String,
    content: Content,
}

/// A call to a tracker that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trouble {
    /// Nothing else would work either: what it said, and how to mend it.
    Stop(String, String),
    /// Nothing can be written in this place.
    Place(String),
    /// This one ticket.
    Ticket(String),
}

/// What a tracker looks for and finds: keys → tickets.
type Found = BTreeMap<String, Vec<Remote>>;

/// One tracker.
#[async_trait]
trait Tracker: Send + Sync {
    /// Where it goes, for the table of outcomes.
    fn receiver(&self) -> String;

    /// Everywhere that new tickets may go.
    fn places(&self) -> BTreeSet<String>;

    /// Where a new ticket of an owner goes: a repository, a project.
    fn place(&self, owner: Option<&str>) -> String;

    /// The place of a ticket that is there.
    fn place_of(&self, id: &str) -> String;

    /// The page as it would be sent; nothing is asked.
    fn size(&self, page: &Page, mark: &Mark) -> u64;

    /// All tickets of this delivery in these places.
    async fn list(&self, of: &str, places: &BTreeSet<String>) -> (Found, Vec<(String, Trouble)>);

    /// One ticket; none where it was deleted.
    async fn look(&self, id: &str) -> Result<Option<Remote>, Trouble>;

    /// What a ticket says of its own findings; none where it says nothing.
    async fn content(&self, remote: &Remote) -> Result<Option<Content>, Trouble>;

    /// Opens a ticket; answers its id and what the tracker left out of it, in a sentence.
    async fn open(&self, owner: Option<&str>, page: &Page, mark: &Mark) -> Result<(String, Option<String>), Trouble>;

    /// Writes a ticket's page anew.
    async fn write(&self, id: &str, page: &Page, mark: &Mark) -> Result<(), Trouble>;

    /// Adds a comment.
    async fn say(&self, id: &str, words: &Words) -> Result<(), Trouble>;

    /// Whether a comment with [`Words::mark`] is there.
    async fn has_said(&self, id: &str, mark: &str) -> Result<bool, Trouble>;

    /// Closes a ticket as done.
    async fn close(&self, id: &str) -> Result<(), Trouble>;

    /// Opens a closed ticket again.
    async fn reopen(&self, id: &str) -> Result<(), Trouble>;
}
