//! What a report says about a control: its words, not its policy.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::inventory::TypeName;

/// How bad a violation is; ordered, `Low` first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// Worth doing.
    Low,
    /// Weakens a defence.
    Medium,
    /// Opens a way to production.
    High,
    /// Open now.
    Critical,
}

impl Severity {
    /// All four, worst first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    /// As policies and reports write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "CRITICAL",
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("`{text}` is not a severity: expected CRITICAL, HIGH, MEDIUM or LOW"))
    }
}

/// A control as reports show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Control {
    /// Kebab-case, never renamed, never reused.
    pub id: String,
    /// What must hold, as one sentence.
    pub title: String,
    /// How bad a violation is.
    pub severity: Severity,
    /// The CloudFormation type it judges.
    pub resource_type: TypeName,
    /// What to do; `{fact}` stands for a fact's value on the resource.
    pub remediation: String,
    /// Requirements it helps to meet, e.g. `OWASP-CICD-SEC-1`.
    pub frameworks: Vec<String>,
}

impl Control {
    /// The remediation with every `{fact}` replaced by its value in `evidence`.
    #[must_use]
    pub fn remediation_for(&self, evidence: &std::collections::BTreeMap<String, serde_json::Value>) -> String {
        evidence.iter().fold(self.remediation.clone(), |text, (fact, value)| {
            let placeholder = format!("{{{fact}}}");
            if text.contains(&placeholder) { text.replace(&placeholder, &spoken(value)) } else { text }
        })
    }
}

/// A fact's value as a person would read it: sets as a comma-separated list.
#[must_use]
pub fn spoken(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) if items.is_empty() => "none".to_owned(),
        serde_json::Value::Array(items) => items.iter().map(spoken).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
