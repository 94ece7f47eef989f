//! Incidents, which nothing in AWS's delivery services knows: from a file, or made from an alarm's time outside of OK.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Degraded service that needed a remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// Id in its own system, unique within the file.
    pub id: String,
    /// The service: a service's key, a pipeline's ARN or name, or a name of the mapping file.
    pub service: String,
    /// When the degradation began, as far as known.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// When service was restored; none while it is open.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub resolved: Option<OffsetDateTime>,
    /// The deployment, pipeline execution or commit that caused it, if the file says so.
    #[serde(default)]
    pub caused_by: Option<String>,
    /// Where it comes from: the file's name, or an alarm's ARN.
    pub source: String,
}
