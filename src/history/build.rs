//! Builds and test reports of `CodeBuild` (`BatchGetBuilds`, `BatchGetReports`; reports expire after 30 days).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::inventory::{AccountId, Region};

/// A build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Build {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
    /// `project:uuid`, which is an action's `externalExecutionId`.
    pub id: String,
    /// Name of the project.
    pub project: String,
    /// `codepipeline/<name>`, or a user.
    pub initiator: Option<String>,
    /// The commit that was built.
    pub resolved_source_version: Option<String>,
    /// `SUCCEEDED`, `FAILED`, `FAULT`, `TIMED_OUT`, `IN_PROGRESS` or `STOPPED`.
    pub status: String,
    /// Begin.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// End.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub ended: Option<OffsetDateTime>,
    /// ARNs of its test reports.
    #[serde(default)]
    pub report_arns: Vec<String>,
}

/// A test report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestReport {
    /// ARN.
    pub arn: String,
    /// ARN of the report group.
    pub group: String,
    /// The build, `project:uuid`, if it is known.
    pub build: Option<String>,
    /// `GENERATING`, `SUCCEEDED`, `FAILED`, `INCOMPLETE` or `DELETING`.
    pub status: String,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// All test cases, the ones that the list of cases leaves out included.
    pub total: u64,
    /// Test cases by status: `SUCCEEDED`, `FAILED`, `ERROR`, `SKIPPED`, `UNKNOWN`.
    pub status_counts: BTreeMap<String, u64>,
    /// Duration of the tests, if the report has a summary.
    pub duration_nanoseconds: Option<u64>,
}
