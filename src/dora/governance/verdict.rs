//! What a rule found: observations, each with who, when, what and the records behind it, and why there may be more.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::sight::written;
use crate::history::Event;
use crate::inventory::{Affects, Gap, GapCause, Resource};

/// A record behind an observation. Ids alone do not tell where to look them up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Record {
    /// An event of CloudTrail.
    Event(String),
    /// An execution of a pipeline.
    Execution(String),
    /// An execution of an action.
    Action(String),
    /// A deployment of `CodeDeploy`.
    Deployment(String),
    /// A commit.
    Commit(String),
    /// A pull request: `owner/name#7`.
    PullRequest(String),
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, id) = match self {
            Self::Event(id) => ("event", id),
            Self::Execution(id) => ("execution", id),
            Self::Action(id) => ("action", id),
            Self::Deployment(id) => ("deployment", id),
            Self::Commit(id) => ("commit", id),
            Self::PullRequest(id) => ("pull request", id),
        };
        write!(f, "{kind} {id}")
    }
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Observation {
    /// When.
    pub(super) time: OffsetDateTime,
    /// Who, as a report names it.
    pub(super) actor: String,
    /// What the actor did, as the rest of a sentence.
    pub(super) what: String,
    /// What shows it.
    pub(super) records: BTreeSet<Record>,
}

impl Observation {
    /// What an event itself shows.
    pub(super) fn of(event: &Event, what: impl Into<String>) -> Self {
        Self {
            time: event.time,
            actor: event.principal.shown(),
            what: what.into(),
            records: BTreeSet::from([Record::Event(event.id.clone())]),
        }
    }

    fn properties(&self) -> Value {
        let records: Vec<String> = self.records.iter().map(ToString::to_string).collect();
        json!({"Time": written(self.time), "Actor": self.actor, "What": self.what, "Records": records})
    }
}

/// The most doubts that a gap names one by one.
const NAMED: usize = 5;

/// What a rule found.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) found: BTreeSet<Observation>,
    gaps: BTreeSet<Gap>,
    doubts: BTreeSet<String>,
}

impl Verdict {
    /// This was seen.
    pub(super) fn see(&mut self, observation: Observation) {
        self.found.insert(observation);
    }

    /// Something may have been, and what is known does not decide it.
    pub(super) fn doubt(&mut self, message: impl Into<String>) {
        self.doubts.insert(message.into());
    }

    /// Something may have been that nobody looked at.
    pub(super) fn blind(&mut self, gap: Option<Gap>) {
        self.gaps.extend(gap);
    }

    /// As a property of the resource: the list of observations, and a gap over it where there may be more.
    pub(super) fn write(self, resource: &mut Resource, property: &str) {
        let list = self.found.iter().map(Observation::properties).collect();
        resource.properties.insert(property.to_owned(), Value::Array(list));
        let gap = self.gaps.into_iter().next().or_else(|| {
            let named: Vec<&str> = self.doubts.iter().take(NAMED).map(String::as_str).collect();
            let more = self.doubts.len().saturating_sub(NAMED);
            let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
            (!named.is_empty()).then(|| undecided(resource, format!("{}{rest}", named.join("; "))))
        });
        if let Some(gap) = gap {
            hide(resource, property, gap);
        }
    }
}

/// A gap that what was seen leaves.
pub(super) fn undecided(resource: &Resource, message: String) -> Gap {
    Gap {
        account: resource.account.clone(),
        region: resource.region.clone(),
        service: "history".to_owned(),
        action: "history:Read".to_owned(),
        cause: GapCause::Undecided { message },
        affects: Affects::Details,
    }
}

/// Lays a gap over a property.
pub(super) fn hide(resource: &mut Resource, property: &str, gap: Gap) {
    let affects = Affects::Property { resource: resource.uid.clone(), property: property.to_owned() };
    resource.unseen.insert(property.to_owned(), Gap { affects, ..gap });
}
