//! The part of OCSF 1.6.0's Compliance Finding that is written.
//!
//! In: nothing. Out: the shape of an event, in the schema's own names and numbers
//! (<https://schema.ocsf.io/1.6.0/classes/compliance_finding>, profile `cloud`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// Version of the schema.
pub(super) const VERSION: &str = "1.6.0";
/// `Findings`
pub(super) const CATEGORY: u32 = 2;
/// `Compliance Finding`
pub(super) const CLASS: u32 = 2003;

/// A number of the schema with its caption; both are written side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Named(pub(super) u32, pub(super) &'static str);

/// What the event does to the finding.
pub(super) mod activity {
    use super::Named;

    pub(in crate::report) const CREATE: Named = Named(1, "Create");
    pub(in crate::report) const UPDATE: Named = Named(2, "Update");
    pub(in crate::report) const CLOSE: Named = Named(3, "Close");
}

/// How the finding stands.
pub(super) mod status {
    use super::Named;

    pub(in crate::report) const NEW: Named = Named(1, "New");
    pub(in crate::report) const IN_PROGRESS: Named = Named(2, "In Progress");
    pub(in crate::report) const SUPPRESSED: Named = Named(3, "Suppressed");
    pub(in crate::report) const RESOLVED: Named = Named(4, "Resolved");
}

/// What the check said.
pub(super) mod result {
    use super::Named;

    pub(in crate::report) const UNKNOWN: Named = Named(0, "Unknown");
    pub(in crate::report) const PASS: Named = Named(1, "Pass");
    /// "The compliance check did not yield a result due to missing information."
    pub(in crate::report) const WARNING: Named = Named(2, "Warning");
    pub(in crate::report) const FAIL: Named = Named(3, "Fail");
    /// The caption of `Other` is the source's own.
    pub(in crate::report) const NOT_APPLICABLE: Named = Named(99, "Not Applicable");
}

#[derive(Debug, Serialize)]
pub(super) struct Event<'a> {
    pub(super) activity_id: u32,
    pub(super) activity_name: &'static str,
    pub(super) category_uid: u32,
    pub(super) category_name: &'static str,
    pub(super) class_uid: u32,
    pub(super) class_name: &'static str,
    pub(super) type_uid: u32,
    pub(super) type_name: String,
    pub(super) time: i64,
    pub(super) severity_id: u32,
    pub(super) severity: &'static str,
    pub(super) status_id: u32,
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status_detail: Option<String>,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
    pub(super) metadata: Metadata<'a>,
    pub(super) cloud: Cloud<'a>,
    pub(super) finding_info: FindingInfo<'a>,
    pub(super) compliance: Compliance<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remediation: Option<Remediation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) resources: Vec<ResourceDetails<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) evidences: Vec<Evidences<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vendor_attributes: Option<VendorAttributes>,
    pub(super) unmapped: Unmapped<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct Metadata<'a> {
    pub(super) version: &'static str,
    pub(super) product: Product<'a>,
    pub(super) profiles: [&'static str; 1],
    /// The event's own: a finding has one a run.
    pub(super) uid: String,
    /// The run.
    pub(super) correlation_uid: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) tenant_uid: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct Product<'a> {
    pub(super) name: &'static str,
    pub(super) vendor_name: &'static str,
    pub(super) version: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct Cloud<'a> {
    pub(super) provider: &'static str,
    #[serde(rename = "cloud_partition")]
    pub(super) partition: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<Account<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) org: Option<Organization<'a>>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Account<'a> {
    pub(super) uid: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) name: &'a str,
    pub(super) type_id: u32,
    pub(super) r#type: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Organization<'a> {
    pub(super) uid: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) ou_name: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct FindingInfo<'a> {
    pub(super) uid: &'a str,
    pub(super) title: &'a str,
    pub(super) desc: String,
    pub(super) types: [&'static str; 1],
    pub(super) created_time: i64,
    pub(super) first_seen_time: i64,
    /// Absent where nobody could ever look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_seen_time: Option<i64>,
    pub(super) modified_time: i64,
    pub(super) analytic: Analytic<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct Analytic<'a> {
    pub(super) type_id: u32,
    pub(super) r#type: &'static str,
    pub(super) uid: &'a str,
    pub(super) name: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct Compliance<'a> {
    pub(super) control: &'a str,
    pub(super) desc: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) standards: Vec<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) requirements: &'a [String],
    pub(super) status_id: u32,
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) status_details: Vec<Cow<'a, str>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Remediation {
    pub(super) desc: String,
}

#[derive(Debug, Serialize)]
pub(super) struct ResourceDetails<'a> {
    pub(super) uid: &'a str,
    pub(super) name: &'a str,
    pub(super) r#type: &'a str,
    pub(super) region: &'a str,
    pub(super) cloud_partition: &'static str,
    pub(super) role_id: u32,
    pub(super) role: &'static str,
    pub(super) owner: User<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct User<'a> {
    pub(super) account: Account<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub(super) struct Evidences<'a> {
    pub(super) name: &'static str,
    pub(super) data: &'a BTreeMap<String, Value>,
}

#[derive(Debug, Serialize)]
pub(super) struct VendorAttributes {
    pub(super) severity_id: u32,
    pub(super) severity: &'static str,
}

/// What the schema has no place for.
#[derive(Debug, Serialize)]
pub(super) struct Unmapped<'a> {
    pub(super) policy_hash: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exception: Option<&'a crate::finding::ExceptionRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owner_source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_known: Option<&'static str>,
}
