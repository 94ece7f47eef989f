//! `[deliveries]` → receivers that can be opened.
//!
//! In: the tables of the configuration, one per kind. Out: [`Target`]s, each read strictly by its kind: an unknown table or
//! key is an error. No secret stands in them; a receiver that needs one names an environment variable or a file, which is
//! read when it is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Contacts, Delivery, DeliveryError, KINDS, Pace};
use crate::collect::git_hosts::Secrets;
use crate::inventory::Partition;
use crate::organization::Sessions;

/// Key of the address of reports, beside the tables.
const REPORT_URL: &str = "report_url";

/// A kind of receiver: one file, one line in [`KINDS`].
pub trait Kind: Sync {
    /// Name of its table under `[deliveries]`: `security_hub`.
    fn table(&self) -> &'static str;

    /// One line for the documents.
    fn about(&self) -> &'static str;

    /// IAM actions that it calls as the identity that delivers.
    fn actions(&self) -> &'static [&'static str];

    /// IAM actions that it calls through a role in the accounts of findings.
    fn member_actions(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether it takes things one by one and slowly, so that others are told first.
    fn takes_one_by_one(&self) -> bool {
        false
    }

    /// Reads one table, without `name`.
    ///
    /// # Errors
    /// What is wrong, and how to mend it.
    fn read(&self, name: &str, table: Value) -> Result<Arc<dyn Receiver>, String>;

    /// The same, for kinds that reach owners by `[owners.contacts]`.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn read_with(&self, name: &str, table: Value, _contacts: &Contacts) -> Result<Arc<dyn Receiver>, String> {
        self.read(name, table)
    }
}

/// What the configuration says of one receiver, read and checked.
pub trait Receiver: Debug + Send + Sync {
    /// What the identity that delivers must be allowed, on which resources; those that name no Region are in `partition`.
    fn grants(&self, partition: Partition) -> Vec<Grant>;

    /// Makes it ready; secrets are read now.
    ///
    /// # Errors
    /// [`DeliveryError`] if a secret is missing.
    fn open(&self, way: &Way<'_>) -> Result<Box<dyn Delivery>, DeliveryError>;
}

/// Actions on resources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// IAM actions.
    pub actions: Vec<&'static str>,
    /// ARNs, or `*`.
    pub resources: Vec<String>,
}

/// The way out: what receivers are opened with.
pub struct Way<'a> {
    /// Into AWS accounts.
    pub sessions: &'a Sessions,
    /// Where secrets are.
    pub secrets: &'a Secrets<'a>,
    /// Waiting between tries, for receivers that are not AWS.
    pub pace: Arc<dyn Pace>,
}

/// One configured receiver.
#[derive(Debug, Clone)]
pub struct Target {
    /// Unique among all; `a-z`, `0-9` and `-`.
    pub name: String,
    /// [`Kind::table`]
    pub kind: &'static str,
    /// Its settings.
    pub receiver: Arc<dyn Receiver>,
}

impl Target {
    /// [`Kind::takes_one_by_one`]
    #[must_use]
    pub fn takes_one_by_one(&self) -> bool {
        KINDS.iter().any(|kind| kind.table() == self.kind && kind.takes_one_by_one())
    }
}

/// All configured receivers.
#[derive(Debug, Clone, Default)]
pub struct Deliveries {
    /// Where people find a run's report; `{run}` stands for its id.
    pub report_url: Option<String>,
    /// In order of name.
    pub targets: Vec<Target>,
}

/// A table that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misconfigured {
    /// The key: `deliveries.s3.archive`.
    pub key: String,
    /// What is wrong, and how to mend it.
    pub problem: String,
}

impl Deliveries {
    /// Reads the tables under `[deliveries]`: table → one table, or a list of them.
    ///
    /// # Errors
    /// [`Misconfigured`] for the first table or key that cannot be used.
    pub fn read(tables: &BTreeMap<String, Value>) -> Result<Self, Misconfigured> {
        Self::read_with(tables, &Contacts::default())
    }

    /// The same, for an organization whose owners can be reached.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_with(tables: &BTreeMap<String, Value>, contacts: &Contacts) -> Result<Self, Misconfigured> {
        let wrong = |key: &str, problem: String| Misconfigured { key: format!("deliveries.{key}"), problem };
        let mut read = Self::default();
        let mut names = BTreeSet::new();
        for (table, value) in tables {
            if table == REPORT_URL {
                let url = value.as_str().filter(|url| url.starts_with("https://") || url.starts_with("s3://"));
                let url = url.ok_or_else(|| {
                    let problem =
                        "write an address that begins with https:// or s3://; `{run}` stands for the run's id";
                    wrong(table, problem.to_owned())
                })?;
                read.report_url = Some(url.to_owned());
                continue;
            }
            let kind = KINDS.iter().find(|kind| kind.table() == table).ok_or_else(|| {
                let known: Vec<&str> = KINDS.iter().map(|kind| kind.table()).collect();
                wrong(table, format!("there is no such delivery; known are {}", known.join(", ")))
            })?;
            let entries = match value {
                Value::Array(entries) => entries.clone(),
                one => vec![one.clone()],
            };
            for (nth, entry) in entries.into_iter().enumerate() {
                let at = format!("{table}[{nth}]");
                let Value::Object(mut entry) = entry else {
                    return Err(wrong(&at, format!("is no table; write `[[deliveries.{table}]]`")));
                };
                let name = match entry.remove("name") {
                    None => table.replace('_', "-"),
                    Some(Value::String(name)) => name,
                    Some(_) => return Err(wrong(&at, "`name` is no text".to_owned())),
                };
                check_name(&name).map_err(|problem| wrong(&at, problem))?;
                if !names.insert(name.clone()) {
                    return Err(wrong(
                        &at,
                        format!("there are two deliveries of the name `{name}`; give each its own"),
                    ));
                }
                let receiver = kind
                    .read_with(&name, Value::Object(entry), contacts)
                    .map_err(|problem| wrong(&format!("{table}.{name}"), problem))?;
                read.targets.push(Target { name, kind: kind.table(), receiver });
            }
        }
        read.targets.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(read)
    }

    /// Whether nothing is delivered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }
}

/// A name is part of a file name, and runs' records lie beside it.
fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        return Err(format!("`{name}` is no name: 1 to 64 of a-z, 0-9 and `-`"));
    }
    Ok(())
}

/// Whether this can be the name of an environment variable. Secrets have other signs, nearly all of them: one that is
/// written where a name belongs is refused unread, before a sentence names it.
pub(super) fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Reads a table into its settings; unknown keys are errors where the type says so.
pub(super) fn settings<T: DeserializeOwned>(table: Value) -> Result<T, String> {
    serde_json::from_value(table).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(tables: Value) -> Result<Deliveries, String> {
        let tables: BTreeMap<String, Value> = serde_json::from_value(tables).unwrap();
        Deliveries::read(&tables).map_err(|wrong| format!("{}: {}", wrong.key, wrong.problem))
    }

    #[test]
    fn one_table_or_a_list_of_them_is_read_in_order_of_name() {
        let read = read(json!({
            "report_url": "https://reports.example.com/{run}/",
            "s3": [{"name": "vault", "bucket": "vault"}, {"name": "archive", "bucket": "archive"}],
            "sns": {"topic_arn": "arn:aws:sns:eu-west-1:111122223333:security"},
        }))
        .unwrap();
        let names: Vec<(&str, &str)> = read.targets.iter().map(|t| (t.name.as_str(), t.kind)).collect();
        assert_eq!(names, [("archive", "s3"), ("sns", "sns"), ("vault", "s3")]);
        assert!(read.report_url.is_some());
        assert!(Deliveries::read(&BTreeMap::new()).unwrap().is_empty());
    }

    #[test]
    fn every_mistake_is_named_with_its_key() {
        for (tables, needle) in [
            (json!({"s4": []}), "deliveries.s4: there is no such delivery; known are s3"),
            (json!({"s3": ["x"]}), "deliveries.s3[0]: is no table"),
            (json!({"s3": {"bucket": "bbb", "bukcet": "c"}}), "deliveries.s3.s3: unknown field `bukcet`"),
            (json!({"s3": {"name": "A", "bucket": "b"}}), "`A` is no name"),
            (json!({"s3": {"name": 3, "bucket": "b"}}), "`name` is no text"),
            (json!({"s3": [{"bucket": "bbb"}, {"bucket": "ccc"}]}), "two deliveries of the name `s3`"),
            (
                json!({"s3": {"name": "sns", "bucket": "bbb"}, "sns": {"topic_arn": "arn:aws:sns:eu-west-1:111122223333:t"}}),
                "two deliveries",
            ),
            (json!({"report_url": "javascript:alert(1)"}), "deliveries.report_url"),
            (
                json!({"github": {"repository": "acme/web", "token_env": "ghp_pasted"}}),
                "deliveries.github.github: `token_env`: write the name of an environment variable",
            ),
        ] {
            let error = read(tables.clone()).err().unwrap_or_default();
            assert!(error.contains(needle) && !error.contains("pasted"), "{tables}: {error}");
        }
    }

    #[test]
    fn kinds_have_tables_and_actions_of_their_own() {
        let tables: BTreeSet<&str> = KINDS.iter().map(|kind| kind.table()).collect();
        assert_eq!(tables.len(), KINDS.len());
        for kind in KINDS {
            assert!(!kind.about().is_empty() && kind.table() != REPORT_URL);
            for action in kind.actions().iter().chain(kind.member_actions()) {
                assert!(action.contains(':'), "{action}");
            }
        }
    }
}
