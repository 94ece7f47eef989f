//! The part of the AWS Security Finding Format that is written, and its limits.
//!
//! In: nothing. Out: the shape of a finding in the format's own names, version 2018-10-08
//! (<https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_AwsSecurityFinding.html>).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::inventory::{AccountId, Region};

/// Findings that one call of `BatchImportFindings` takes.
pub const BATCH_FINDINGS: usize = 100;
/// Bytes of JSON that one call takes ("6 MB").
pub const BATCH_BYTES: usize = 6_000_000;
/// Bytes of JSON that one finding may have ("240 Kb").
pub const FINDING_BYTES: usize = 240_000;

/// One finding as `BatchImportFindings` takes it. What an analyst decides (`Note`, `Workflow`, `UserDefinedFields`,
/// `VerificationState`) is never written; severity and types stand in `FindingProviderFields`, so that an import does not
/// undo what a person changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AsffFinding {
    /// `2018-10-08`
    pub schema_version: &'static str,
    /// `<Region>/<account>/<stable id>`: the same in every run.
    pub id: String,
    /// The account's own default product in the finding's Region.
    pub product_arn: String,
    /// `pipewarden`
    pub product_name: &'static str,
    /// `pipewarden`
    pub company_name: &'static str,
    /// The control's id.
    pub generator_id: String,
    /// Whose finding it is; only this account may import it.
    pub aws_account_id: AccountId,
    /// Where it is imported: the resource's Region, or the home Region where it has none. No field of an import.
    #[serde(skip)]
    pub region: Region,
    /// RFC 3339: since when it stands as it does.
    pub created_at: String,
    /// RFC 3339: start of the run.
    pub updated_at: String,
    /// RFC 3339: the first run that saw it.
    pub first_observed_at: String,
    /// RFC 3339: the newest run that could look; absent where none ever could.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_observed_at: Option<String>,
    /// At most 256 characters.
    pub title: String,
    /// At most 1,024 characters.
    pub description: String,
    /// What to do about a violation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediation: Option<Remediation>,
    /// At most 50, keys of at most 128 and values of at most 2,048 characters.
    pub product_fields: BTreeMap<String, String>,
    /// One.
    pub resources: Vec<AsffResource>,
    /// What the check said.
    pub compliance: Compliance,
    /// Severity and types, as the provider sees them.
    pub finding_provider_fields: FindingProviderFields,
    /// `ACTIVE`, or `ARCHIVED` for what was looked at and is over.
    pub record_state: &'static str,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Remediation {
    /// The advice.
    pub recommendation: Recommendation,
}

/// One piece of advice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Recommendation {
    /// At most 512 characters.
    pub text: String,
}

/// What was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AsffResource {
    /// A resource type of the format; `Other` for all that it does not name.
    pub r#type: &'static str,
    /// The ARN, at most 512 characters.
    pub id: String,
    /// `aws`, `aws-cn`, `aws-us-gov`
    pub partition: &'static str,
    /// Where it lies; the home Region where it has none.
    pub region: Region,
    /// What the format has no name for.
    pub details: Details,
}

/// Details of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Details {
    /// `ResourceType` (`CloudFormation`'s), `ResourceName`.
    pub other: BTreeMap<&'static str, String>,
}

/// What the check said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Compliance {
    /// `PASSED`, `FAILED`, `WARNING` or `NOT_AVAILABLE`
    pub status: &'static str,
    /// At most 32 of at most 64 characters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related_requirements: Vec<String>,
    /// Why it is neither passed nor plainly failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub status_reasons: Vec<StatusReason>,
}

/// Why a status is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StatusReason {
    /// `INSUFFICIENT_DATA`, `EXCEPTED`, `NOT_APPLICABLE`
    pub reason_code: &'static str,
    /// One sentence.
    pub description: String,
}

/// What a provider says, beside what an analyst decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FindingProviderFields {
    /// How bad it is.
    pub severity: AsffSeverity,
    /// `namespace/category/classifier`
    pub types: [&'static str; 1],
}

/// How bad a finding is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AsffSeverity {
    /// `INFORMATIONAL`, `LOW`, `MEDIUM`, `HIGH` or `CRITICAL`
    pub label: &'static str,
    /// The control's own.
    pub original: &'static str,
}
