//! What an open value could be.
//!
//! In: where a hole stands and what its expression says. Out: the values to try. A hole that can only be a name or an
//! ARN is tried once, as itself: whatever its text will be, nothing depends on its letters. A test holds that no value
//! that a real resource has there leads to another answer than the ones that were tried.

use serde_json::{Value, json};

/// Values to try for a whole value under a property; empty if only its identity matters.
pub(super) fn whole(path: &[&str], expression: &str) -> Vec<Value> {
    let key = path.last().copied().unwrap_or_default();
    if let Some((_, values)) = TEXTS.iter().find(|(known, _)| *known == key) {
        return values.iter().map(|value| Value::from(*value)).collect();
    }
    if FLAGS.contains(&key) {
        return vec![json!("true"), json!("false")];
    }
    if NUMBERS.contains(&key) {
        return [0, 1, 2, 7, 45, 400, 1_000_000].map(Value::from).to_vec();
    }
    if LISTS.contains(&key) {
        return vec![json!([]), json!(["opaque"])];
    }
    embedded(path, expression).into_iter().map(Value::from).collect()
}

/// Texts to try for a hole inside a longer text; empty if only its identity matters.
pub(super) fn embedded(_path: &[&str], expression: &str) -> Vec<&'static str> {
    // `${Environment}` in a name may make it production or not; `${ProjectName}` is only a name.
    let lower = expression.to_ascii_lowercase();
    let names_environment = ["env", "stage", "tier", "account"].iter().any(|word| lower.contains(word));
    if names_environment && !lower.starts_with("aws::") { vec!["prod", "dev"] } else { Vec::new() }
}

/// Properties of few words.
const TEXTS: &[(&str, &[&str])] = &[
    ("Status", &["Enabled", "Suspended", "Disabled"]),
    ("Mode", &["COMPLIANCE", "GOVERNANCE"]),
    ("SSEAlgorithm", &["AES256", "aws:kms", "aws:kms:dsse"]),
    ("ActionMode", &["CREATE_UPDATE", "CHANGE_SET_REPLACE", "CHANGE_SET_EXECUTE", "DELETE_ONLY"]),
    ("Category", &["Source", "Build", "Test", "Deploy", "Approval", "Invoke", "Compute"]),
    ("Provider", &["Manual", "CodeBuild", "CodeDeploy", "CloudFormation", "S3", "Lambda"]),
    ("Owner", &["AWS", "ThirdParty", "Custom"]),
    ("Result", &["ROLLBACK", "FAIL", "RETRY", "SKIP"]),
    ("ObjectOwnership", &["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"]),
];

/// Properties that are true or false.
const FLAGS: &[&str] = &[
    "Enabled",
    "PollForSourceChanges",
    "PrivilegedMode",
    "BlockPublicAcls",
    "BlockPublicPolicy",
    "IgnorePublicAcls",
    "RestrictPublicBuckets",
    "ActionsEnabled",
    "ObjectLockEnabled",
];

/// Properties that are numbers.
const NUMBERS: &[&str] = &["RunOrder", "Days", "Years", "TimeoutInMinutes"];

/// Properties that are lists.
const LISTS: &[&str] = &["Alarms", "Events", "Actions", "Stages", "Rules"];
