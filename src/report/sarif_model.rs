//! The parts of SARIF 2.1.0 that are written here, under the standard's own names.
//!
//! In: what the formats on templates and on live findings have to say. Out: structs that serialise as the standard wants
//! them, and what both formats must say alike: levels, scores, limits of the receiver.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::finding::Severity;

/// Of `$schema`.
pub(super) const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
pub(super) const VERSION: &str = "2.1.0";

/// Results of a run that code scanning stores; it takes up to 25,000 and leaves the rest out.
/// <https://docs.github.com/en/code-security/reference/code-scanning/sarif-files/sarif-support>
pub(super) const STORED_RESULTS: usize = 5_000;
/// Runs of a file that code scanning takes.
pub(super) const RUNS: usize = 20;

/// Where the project is published, if it is.
pub(super) fn repository() -> Option<&'static str> {
    Some(env!("CARGO_PKG_REPOSITORY")).filter(|address| !address.is_empty())
}

pub(super) fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// On the scale of CVSS, in the middle of the band that GitHub gives the same name.
pub(super) fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.5",
    }
}

/// Brackets would make a link of text in SARIF's own small markup.
pub(super) fn without_links(text: &str) -> String {
    text.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]")
}

/// The id of a control's rule. What could not be decided has a rule of its own: GitHub takes the severity of an alert from
/// its rule, and an open question is not as bad as a violation.
pub(super) fn rule_id(control: &str, undecided: bool) -> String {
    if undecided { format!("{control}/undecided") } else { control.to_owned() }
}

#[derive(Serialize)]
pub(super) struct Log<'a> {
    #[serde(rename = "$schema")]
    pub(super) schema: &'static str,
    pub(super) version: &'static str,
    pub(super) runs: Vec<Run<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Run<'a> {
    pub(super) tool: Tool<'a>,
    pub(super) automation_details: AutomationDetails,
    pub(super) invocations: Vec<Invocation>,
    pub(super) column_kind: &'static str,
    pub(super) original_uri_base_ids: BTreeMap<&'static str, UriBase>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) properties: Option<RunProperties<'a>>,
    /// The last field, so that results can be streamed behind all others.
    pub(super) results: Vec<Result<'a>>,
}

/// What a run of live accounts was, and how all of its results came out: those that are no results of the log too.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunProperties<'a> {
    pub(super) run_id: &'a str,
    pub(super) organization: &'a str,
    pub(super) by_compliance: BTreeMap<&'static str, u64>,
    pub(super) excepted: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) previous_run_id: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct AutomationDetails {
    pub(super) id: String,
}

#[derive(Serialize)]
pub(super) struct UriBase {
    pub(super) description: Message,
}

#[derive(Serialize)]
pub(super) struct Tool<'a> {
    pub(super) driver: Driver<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Driver<'a> {
    pub(super) name: &'static str,
    pub(super) version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) information_uri: Option<&'static str>,
    pub(super) rules: Vec<Rule>,
    pub(super) properties: BTreeMap<&'static str, &'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) short_description: Text,
    pub(super) full_description: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) help_uri: Option<String>,
    pub(super) help: Message,
    pub(super) default_configuration: Configuration,
    pub(super) properties: RuleProperties,
}

#[derive(Serialize)]
pub(super) struct Configuration {
    pub(super) level: &'static str,
}

#[derive(Serialize)]
pub(super) struct RuleProperties {
    pub(super) tags: Vec<String>,
    /// Requirements of frameworks that the receiver's limit has no room for.
    #[serde(rename = "tagsLeftOut", skip_serializing_if = "Option::is_none")]
    pub(super) tags_left_out: Option<usize>,
    #[serde(rename = "security-severity", skip_serializing_if = "Option::is_none")]
    pub(super) security_severity: Option<&'static str>,
}

impl RuleProperties {
    /// `room`: how many tags the receiver takes.
    pub(super) fn of(mut tags: Vec<String>, room: usize, security_severity: Option<&'static str>) -> Self {
        let left_out = tags.len().saturating_sub(room);
        tags.truncate(room);
        Self { tags, tags_left_out: (left_out > 0).then_some(left_out), security_severity }
    }
}

#[derive(Serialize)]
pub(super) struct Text {
    pub(super) text: String,
}

#[derive(Serialize)]
pub(super) struct Message {
    pub(super) text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) markdown: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Result<'a> {
    pub(super) rule_id: Cow<'a, str>,
    /// None of a control that the report does not describe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rule_index: Option<usize>,
    pub(super) kind: &'static str,
    /// Only of failures: the standard allows no level beside any other kind, and the rule's own then counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) level: Option<&'static str>,
    pub(super) message: Message,
    pub(super) locations: Vec<Location>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) related_locations: Vec<Location>,
    pub(super) partial_fingerprints: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) suppressions: Vec<Suppression>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) baseline_state: Option<&'static str>,
    pub(super) properties: Properties<'a>,
}

/// What the standard has no field for; in the order of the alphabet.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Properties<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) change: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) compliance: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) evidence: Option<&'a BTreeMap<String, serde_json::Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_observed_at: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) gaps: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_known: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_observed_at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) organizational_unit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owner_source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) property_path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resource_type: Option<&'a str>,
    pub(super) severity: &'static str,
}

#[derive(Serialize)]
pub(super) struct Suppression {
    pub(super) kind: &'static str,
    pub(super) status: &'static str,
    pub(super) justification: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<usize>,
    #[serde(rename = "physicalLocation")]
    pub(super) physical: PhysicalLocation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) logical_locations: Vec<LogicalLocation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PhysicalLocation {
    pub(super) artifact_location: ArtifactLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) region: Option<Region>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ArtifactLocation {
    pub(super) uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uri_base_id: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Region {
    pub(super) start_line: u32,
    pub(super) start_column: u32,
    pub(super) end_line: u32,
    pub(super) end_column: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogicalLocation {
    pub(super) name: String,
    pub(super) fully_qualified_name: String,
    pub(super) kind: &'static str,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Invocation {
    pub(super) execution_successful: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) start_time_utc: Option<String>,
    pub(super) tool_execution_notifications: Vec<Notification>,
}

impl Invocation {
    /// The same end, without saying it all again.
    pub(super) fn quiet(other: &Self) -> Self {
        Self { tool_execution_notifications: Vec::new(), ..other.clone() }
    }
}

#[derive(Clone, Serialize)]
pub(super) struct Notification {
    pub(super) level: &'static str,
    pub(super) message: NotificationText,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) locations: Vec<NotificationLocation>,
}

#[derive(Clone, Serialize)]
pub(super) struct NotificationText {
    pub(super) text: String,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NotificationLocation {
    pub(super) physical_location: std::rc::Rc<PhysicalLocation>,
}
