//! What is remembered of tickets, and which findings are in them.
//!
//! In: the memory of a delivery. Out: [`Known`], and the entries to remember. One line per ticket, and one per finding in
//! it, so that a ticket of thousands of findings is not written anew when one of them changes.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::decision::Said;
use super::{Content, Remote};
use crate::deliver::{DeliveryError, Memory};
use crate::finding::Severity;

/// Tickets, by key.
const TICKET: &str = "ticket/";
/// Findings in tickets, by the ticket's key and the finding's id.
const IN: &str = "in/";
/// Tickets that are being opened, by key: whoever finds this asks twice before opening another.
const OPENING: &str = "opening/";
/// Start of the first run that was delivered, RFC 3339.
const BASELINE: &str = "baseline";

/// A ticket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    /// [`Remote::id`]
    pub(super) id: String,
    /// Hash over what its page shows.
    #[serde(default)]
    pub(super) content: String,
    /// Whether all findings in it are known.
    #[serde(default)]
    pub(super) whole: bool,
    /// What was said in it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) said: Option<Said>,
    /// The mark of a comment that is being made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) saying: Option<String>,
    /// Whether it was closed by pipewarden, and nothing was violated since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) over: bool,
}

/// Everything that is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) entries: BTreeMap<String, Entry>,
    /// Finding → tickets that it is in, with its severity when it was told.
    pub(super) findings: BTreeMap<String, BTreeMap<String, Severity>>,
    /// Ticket → findings in it.
    by_ticket: BTreeMap<String, BTreeSet<String>>,
}

impl Known {
    pub(super) fn of(memory: &Memory) -> Self {
        let mut known = Self::default();
        for key in memory.keys(TICKET) {
            let entry = memory.get(key).and_then(|value| serde_json::from_value(value.clone()).ok());
            if let (Some(key), Some(entry)) = (key.strip_prefix(TICKET), entry) {
                known.entries.insert(key.to_owned(), entry);
            }
        }
        for key in memory.keys(IN) {
            let severity = memory.get(key).and_then(Value::as_str).and_then(|text| Severity::from_str(text).ok());
            let place = key.strip_prefix(IN).and_then(|rest| rest.split_once('/'));
            if let (Some((key, finding)), Some(severity)) = (place, severity) {
                known.put(key, finding, severity);
            }
        }
        known
    }

    fn put(&mut self, key: &str, finding: &str, severity: Severity) {
        self.findings.entry(finding.to_owned()).or_default().insert(key.to_owned(), severity);
        self.by_ticket.entry(key.to_owned()).or_default().insert(finding.to_owned());
    }

    /// A ticket that the tracker has and nobody remembers.
    pub(super) fn adopt(&mut self, key: &str, remote: &Remote, content: Option<Content>) -> Vec<(String, Value)> {
        let content = content.unwrap_or_default();
        let worst = content.worst.unwrap_or(Severity::Critical);
        let entry = Entry { id: remote.id.clone(), whole: content.whole, ..Entry::default() };
        let mut lines: Vec<(String, Value)> = Vec::new();
        for finding in content.findings {
            lines.push((format!("{IN}{key}/{finding}"), json!(worst)));
            self.put(key, &finding, worst);
        }
        lines.push(line(key, &entry));
        self.entries.insert(key.to_owned(), entry);
        lines
    }

    /// Forgets a ticket that is not there any more.
    pub(super) fn forget(&mut self, key: &str) -> Vec<(String, Value)> {
        let mut lines: Vec<(String, Value)> = Vec::new();
        for finding in self.by_ticket.remove(key).unwrap_or_default() {
            lines.push((format!("{IN}{key}/{finding}"), Value::Null));
            if let Some(tickets) = self.findings.get_mut(&finding) {
                tickets.remove(key);
                if tickets.is_empty() {
                    self.findings.remove(&finding);
                }
            }
        }
        self.entries.remove(key);
        lines.push((format!("{TICKET}{key}"), Value::Null));
        lines
    }

    /// The findings in a ticket.
    pub(super) fn findings_of(&self, key: &str) -> BTreeMap<String, Severity> {
        let findings = self.by_ticket.get(key).into_iter().flatten();
        findings.filter_map(|id| Some((id.clone(), *self.findings.get(id)?.get(key)?))).collect()
    }
}

/// What is remembered of a ticket.
pub(super) fn line(key: &str, entry: &Entry) -> (String, Value) {
    (format!("{TICKET}{key}"), json!(entry))
}

/// What is remembered of the findings in a ticket, where it differs from what is remembered already.
pub(super) fn lines_of_findings(
    key: &str,
    before: &BTreeMap<String, Severity>,
    after: &BTreeMap<String, Severity>,
) -> Vec<(String, Value)> {
    let gone = before.keys().filter(|id| !after.contains_key(*id)).map(|id| (format!("{IN}{key}/{id}"), Value::Null));
    let there = after.iter().filter(|(id, severity)| before.get(*id) != Some(severity));
    gone.chain(there.map(|(id, severity)| (format!("{IN}{key}/{id}"), json!(severity)))).collect()
}

/// Before a ticket is opened.
pub(super) fn opening(key: &str, run: &str) -> (String, Value) {
    (format!("{OPENING}{key}"), json!(run))
}

/// After it was opened, or surely was not.
pub(super) fn opened(key: &str) -> (String, Value) {
    (format!("{OPENING}{key}"), Value::Null)
}

/// Tickets of which nobody knows whether they were opened.
pub(super) fn being_opened(memory: &Memory) -> BTreeSet<String> {
    memory.keys(OPENING).filter_map(|key| key.strip_prefix(OPENING)).map(str::to_owned).collect()
}

/// Whether nothing was ever delivered, or what is known of it was lost.
pub(super) fn is_fresh(memory: &Memory) -> bool {
    memory.get(BASELINE).is_none()
}

/// Since when a violation counts as new; `now` where nothing was delivered before.
pub(super) fn baseline(memory: &Memory, now: &str) -> String {
    memory.get(BASELINE).and_then(Value::as_str).unwrap_or(now).to_owned()
}

pub(super) fn put_baseline(memory: &mut Memory, baseline: &str) -> Result<(), DeliveryError> {
    if is_fresh(memory) { memory.put(BASELINE, json!(baseline)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn what_is_remembered_is_known_again() {
        let out = tempfile::tempdir().unwrap();
        let mut memory = Memory::open(out.path(), "t").unwrap();
        let content =
            Content { findings: ["a".to_owned(), "b".to_owned()].into(), worst: Some(Severity::Low), whole: true };
        let remote = Remote { id: "SEC-1".to_owned(), status: Status::Open, number: 1, content: None };
        let mut known = Known::default();
        memory.put_all(known.adopt("k", &remote, Some(content))).unwrap();
        let before = known.findings_of("k");
        let after = BTreeMap::from([("b".to_owned(), Severity::High), ("c".to_owned(), Severity::Low)]);
        memory.put_all(lines_of_findings("k", &before, &after)).unwrap();
        let mut known = Known::of(&memory);
        assert_eq!(known.findings_of("k"), after);
        assert!(known.entries["k"].whole && known.entries["k"].id == "SEC-1");
        memory.put_all(known.forget("k")).unwrap();
        let known = Known::of(&memory);
        assert!(known.entries.is_empty() && known.findings.is_empty());
    }

    #[test]
    fn a_ticket_that_says_nothing_of_itself_is_never_whole() {
        let remote = Remote { id: "SEC-1".to_owned(), status: Status::Open, number: 1, content: None };
        let mut known = Known::default();
        known.adopt("k", &remote, None);
        assert!(!known.entries["k"].whole);
    }
}
