//! A finding over runs: what changed since the run before, and since when it is so.
//!
//! In: nothing; two runs are compared in `run`. Out: the words that every report uses for it. A violation that cannot be
//! seen this time is [`Change::NotSeen`], never [`Change::Resolved`].

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ComplianceType, Finding, Severity};

/// What changed since the run before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Change {
    /// The run before had no such finding, or had seen it to be no violation.
    New,
    /// Still a violation, and a worse one: a higher severity, or its exception has ended.
    Worsened,
    /// Still a violation, and a lesser one: a lower severity, or under an exception now.
    Improved,
    /// As in the run before.
    Unchanged,
    /// It was a violation; it was looked at, and it is none any more, or its resource is gone.
    Resolved,
    /// It was known; it could not be looked at this time.
    NotSeen,
}

impl Change {
    /// All, in the order of reports.
    pub const ALL: [Self; 6] =
        [Self::New, Self::Worsened, Self::Improved, Self::Unchanged, Self::Resolved, Self::NotSeen];

    /// As machine formats write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Worsened => "Worsened",
            Self::Improved => "Improved",
            Self::Unchanged => "Unchanged",
            Self::Resolved => "Resolved",
            Self::NotSeen => "NotSeen",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A finding over runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lifecycle {
    /// Since the run before.
    pub change: Change,
    /// RFC 3339 start of the run that first saw what is so now: for a violation (also one that is not seen this time) the
    /// first run of those that saw it without a run between that saw it gone; otherwise the first run with this result.
    pub first_observed_at: String,
    /// RFC 3339 start of the newest run that could look; none where no run ever could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_observed_at: Option<String>,
    /// What that run saw, where this one could not look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_known: Option<ComplianceType>,
    /// What the run before had, of a violation that is [`Change::Worsened`] or [`Change::Improved`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Was>,
}

/// How bad a violation was in the run before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Was {
    /// The control's severity then.
    pub severity: Severity,
    /// Id of the exception that covered it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
}

/// A finding of the run before that this run has no more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gone {
    /// As it was last seen, with [`Change::Resolved`] or [`Change::NotSeen`] in its lifecycle.
    pub finding: Finding,
    /// One sentence: why it is not there any more.
    pub reason: String,
}
