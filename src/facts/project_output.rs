//! What a build leaves behind: logs, artifacts, reports, and its last trace.
//!
//! In: the settings of a project, and its last build. Out: whether what is left is protected, and whether anything has
//! been left lately.

use std::collections::BTreeSet;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Facts;
use super::joins::Joins;
use super::seen::{Found, Seen, at, flag, list_at, property, text, text_at, text_or};
use crate::inventory::Resource;

pub(super) fn put(facts: &mut Facts, resource: &Resource, joins: &Joins) {
    facts.put("visibility", text_or(resource, "Visibility", "PRIVATE"));
    let logs = property(resource, "LogsConfig");
    facts.put("logDestinations", logs.clone().map(log_destinations));
    facts.put("s3LogsEnabled", logs.clone().map(s3_logs_enabled));
    facts.put("s3LogsEncrypted", logs.map(|logs| !unencrypted(at(logs, &["S3Logs"]))));
    let (artifacts, doubts) = s3_artifacts(resource);
    let labels = |holds: &dyn Fn(&Value) -> bool| Found {
        certain: artifacts.iter().filter(|(_, artifacts)| holds(artifacts)).map(|(label, _)| label.clone()).collect(),
        doubts: doubts.clone(),
    };
    facts.put("s3Artifacts", labels(&|_| true).decided());
    facts.put("unencryptedArtifacts", labels(&|artifacts| unencrypted(Some(artifacts))).decided());
    facts.put("artifactKey", artifact_key(resource, joins));
    facts.put("idleDays", idle_days(resource, joins.now));
    facts.put("built", text(resource, "LastBuildStartTime").map(|built| built.is_some()));
    facts.put("publishesReports", publishes_reports(resource));
}

/// Where logs go. Without any setting they go to `CloudWatch` Logs; where some are set, only those count.
fn log_destinations(logs: Option<&Value>) -> BTreeSet<String> {
    let Some(logs) = logs.filter(|logs| logs.as_object().is_some_and(|logs| !logs.is_empty())) else {
        return BTreeSet::from(["CloudWatchLogs".to_owned()]);
    };
    let enabled = |name: &&str| text_at(Some(logs), &[name, "Status"]) == "ENABLED";
    ["CloudWatchLogs", "S3Logs"].into_iter().filter(enabled).map(str::to_owned).collect()
}

fn s3_logs_enabled(logs: Option<&Value>) -> bool {
    text_at(logs, &["S3Logs", "Status"]) == "ENABLED"
}

fn unencrypted(stored: Option<&Value>) -> bool {
    at(stored, &["EncryptionDisabled"]).and_then(flag).unwrap_or(false)
}

/// Artifacts that the project itself keeps in S3, by what they are called, and why there may be more. In a pipeline the
/// pipeline's own store and key count.
fn s3_artifacts(resource: &Resource) -> (Vec<(String, &Value)>, Vec<String>) {
    let mut doubts = Vec::new();
    let mut seen = |name: &str| {
        property(resource, name).unwrap_or_else(|sentences| {
            doubts.extend(sentences);
            None
        })
    };
    let primary = seen("Artifacts").map(|artifacts| ("primary".to_owned(), artifacts));
    let others = list_at(seen("SecondaryArtifacts"), &[]).iter();
    let others = others.map(|artifacts| (text_at(Some(artifacts), &["ArtifactIdentifier"]).to_owned(), artifacts));
    let all = primary.into_iter().chain(others);
    (all.filter(|(_, artifacts)| text_at(Some(artifacts), &["Type"]) == "S3").collect(), doubts)
}

/// Whose key the project's own artifacts are encrypted with: `customer`, or `aws`, which is also the default.
fn artifact_key(resource: &Resource, joins: &Joins) -> Seen<&'static str> {
    let key = text(resource, "EncryptionKey")?.unwrap_or_default();
    if key.is_empty() {
        return Ok("aws");
    }
    let manager = joins.key_manager(key, &resource.account, &resource.region)?;
    Ok(if manager == "CUSTOMER" { "customer" } else { "aws" })
}

fn moment(resource: &Resource, name: &str) -> Seen<Option<OffsetDateTime>> {
    let Some(written) = text(resource, name)? else { return Ok(None) };
    let moment = OffsetDateTime::parse(written, &Rfc3339);
    moment.map(Some).map_err(|_| vec![format!("project {}: `{written}` is not a time", resource.uid)])
}

/// Days since the last build, or since the project was made where it was never built.
fn idle_days(resource: &Resource, now: OffsetDateTime) -> Seen<i64> {
    let since = match moment(resource, "LastBuildStartTime")? {
        Some(built) => Some(built),
        None => moment(resource, "Created")?,
    };
    let since = since.ok_or_else(|| {
        vec![format!("project {} has no build, and it is not known since when it exists", resource.uid)]
    })?;
    Ok((now - since).whole_days().max(0))
}

/// Whether the last build published test reports. A build that failed before it could says nothing.
fn publishes_reports(resource: &Resource) -> Seen<bool> {
    if !list_at(property(resource, "LastBuildReportArns")?, &[]).is_empty() {
        return Ok(true);
    }
    if text(resource, "LastBuildStartTime")?.is_none() {
        return Ok(false);
    }
    match text(resource, "LastBuildStatus")?.unwrap_or_default() {
        "SUCCEEDED" => Ok(false),
        status => Err(vec![format!(
            "the last build of project {} published no report, but it ended as `{status}` and may not have come so far",
            resource.uid
        )]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::super::{Fact, Project, ResourceKind};
    use super::*;
    use crate::inventory::TypeName;

    fn facts(properties: Value) -> Facts {
        Project.facts(&resource(TypeName::PROJECT, "web", properties), &joins(&[], &[]))
    }

    fn set(facts: &Facts, name: &str) -> Vec<String> {
        match &facts.known[name] {
            Fact::Set(set) => set.iter().cloned().collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn logs_go_to_cloudwatch_unless_something_is_set() {
        let to = |logs: Value| set(&facts(json!({ "LogsConfig": logs })), "logDestinations");
        assert_eq!(to(json!(null)), ["CloudWatchLogs"]);
        assert_eq!(to(json!({})), ["CloudWatchLogs"]);
        assert_eq!(to(json!({"S3Logs": {"Status": "ENABLED"}})), ["S3Logs"]);
        assert!(to(json!({"CloudWatchLogs": {"Status": "DISABLED"}, "S3Logs": {"Status": "DISABLED"}})).is_empty());
        assert!(to(json!({"S3Logs": {"Status": "DISABLED"}})).is_empty());
    }

    #[test]
    fn only_artifacts_in_s3_are_the_projects_own() {
        let facts = facts(json!({
            "Artifacts": {"Type": "CODEPIPELINE", "EncryptionDisabled": true},
            "SecondaryArtifacts": [
                {"Type": "S3", "ArtifactIdentifier": "site", "EncryptionDisabled": true},
                {"Type": "S3", "ArtifactIdentifier": "docs"},
            ],
        }));
        assert_eq!(set(&facts, "s3Artifacts"), ["docs", "site"]);
        assert_eq!(set(&facts, "unencryptedArtifacts"), ["site"]);
        assert_eq!(facts.known["artifactKey"], Fact::Text("aws".to_owned()));
    }

    #[test]
    fn a_project_without_a_build_is_as_old_as_it_is() {
        let idle = |properties: Value| facts(properties).known.get("idleDays").cloned();
        assert_eq!(
            idle(json!({"Created": "2020-01-01T00:00:00Z", "LastBuildStartTime": "2026-11-11T02:00:00Z"})),
            Some(Fact::Long(10))
        );
        assert_eq!(idle(json!({"Created": "2026-11-16T02:00:00Z"})), Some(Fact::Long(5)));
        assert_eq!(idle(json!({})), None);
        assert_eq!(idle(json!({"Created": "yesterday"})), None);
    }

    #[test]
    fn a_build_that_ended_early_says_nothing_of_reports() {
        let publishes = |properties: Value| facts(properties).known.get("publishesReports").cloned();
        let built = |status: &str, reports: Value| {
            publishes(json!({
                "LastBuildStartTime": "2026-11-11T02:00:00Z", "LastBuildStatus": status, "LastBuildReportArns": reports,
            }))
        };
        assert_eq!(built("SUCCEEDED", json!(["r"])), Some(Fact::Bool(true)));
        assert_eq!(built("FAILED", json!(["r"])), Some(Fact::Bool(true)));
        assert_eq!(built("SUCCEEDED", json!(null)), Some(Fact::Bool(false)));
        assert_eq!(built("FAILED", json!(null)), None);
        assert_eq!(publishes(json!({})), Some(Fact::Bool(false)));
        assert_eq!(facts(json!({})).known["built"], Fact::Bool(false));
    }
}
