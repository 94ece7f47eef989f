//! The cases beside each control: facts of one resource and the result that must come out.
//!
//! In: a `<control>.tests.json`. Out: the cases that come out differently. A fact that a case leaves out is unknown.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::engine::{Asking, Settings};
use super::error::{EvaluateError, PolicyError, SourceText};
use super::policy_set::Policies;
use crate::facts::{Fact, Facts, Subject};
use crate::finding::ComplianceType;
use crate::inventory::{Region, ResourceUid, Tags};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    cases: Vec<Case>,
}

/// One case as written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Facts of the resource; what is left out is unknown.
    pub facts: BTreeMap<String, Value>,
    /// Settings that differ from the defaults.
    #[serde(default)]
    pub context: BTreeMap<String, i64>,
    /// What must come out.
    pub expect: ComplianceType,
}

/// A case that came out differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFailure {
    /// Its name.
    pub case: String,
    /// What it asks for.
    pub expected: ComplianceType,
    /// What came out: a result, or why there is none.
    pub actual: Result<ComplianceType, String>,
}

const ACCOUNT: &str = "111122223333";
const NOW: &str = "2026-01-01T00:00:00Z";

/// Runs the cases of one control.
///
/// # Errors
/// [`PolicyError::Cases`] if the file cannot be read or names a control that does not exist.
pub fn run_cases(
    policies: &Policies,
    control: &str,
    file: &SourceText,
) -> Result<(Vec<Case>, Vec<CaseFailure>), PolicyError> {
    let wrong = |problem: String| PolicyError::Cases { file: file.file.clone(), problem };
    let parsed: CaseFile = serde_json::from_str(&file.text).map_err(|error| wrong(error.to_string()))?;
    let known = policies.controls().get(control).ok_or_else(|| wrong(format!("there is no control `{control}`")))?;
    let reads = policies.facts_read_by(control);
    let mut failures = Vec::new();
    for case in &parsed.cases {
        let actual = run(policies, control, &reads, case, known.resource_type.clone());
        if actual.as_ref() != Ok(&case.expect) {
            failures.push(CaseFailure { case: case.name.clone(), expected: case.expect, actual });
        }
    }
    Ok((parsed.cases, failures))
}

fn run(
    policies: &Policies,
    control: &str,
    reads: &BTreeSet<String>,
    case: &Case,
    type_name: crate::inventory::TypeName,
) -> Result<ComplianceType, String> {
    let account: crate::inventory::AccountId =
        ACCOUNT.parse().map_err(|e: crate::inventory::IdentityError| e.to_string())?;
    let facts = facts(&policies.facts_of_type(&type_name), reads, case)?;
    let subject = Subject {
        uid: ResourceUid(format!("arn:aws:test:eu-west-1:{ACCOUNT}:case")),
        type_name,
        account,
        region: Region::GLOBAL,
        tags: Tags::new(),
        facts,
    };
    let mut settings = Settings::default();
    settings.0.extend(case.context.clone());
    let accounts = BTreeMap::new();
    let asking = Asking::new(policies, NOW, "live", &settings, &accounts).map_err(|e: EvaluateError| e.to_string())?;
    let findings = asking.judge(&subject).map_err(|e| e.to_string())?;
    findings
        .into_iter()
        .find(|f| f.control == control)
        .map(|f| f.compliance)
        .ok_or_else(|| "the control was not asked".to_owned())
}

/// Facts given are known; whatever else the controls of the type read is unknown.
fn facts(of_type: &BTreeSet<String>, reads: &BTreeSet<String>, case: &Case) -> Result<Facts, String> {
    let mut facts = Facts::default();
    for name in of_type {
        match case.facts.get(name) {
            Some(value) => {
                facts.known.insert(name.clone().into(), fact(value)?);
            }
            None => {
                facts.unknown.insert(name.clone().into(), vec![format!("`{name}` is left out of the case")]);
            }
        }
    }
    match case.facts.keys().find(|name| !reads.contains(*name)) {
        Some(unread) => Err(format!("the control does not read `{unread}`; leave it out of the case")),
        None => Ok(facts),
    }
}

fn fact(value: &Value) -> Result<Fact, String> {
    match value {
        Value::Bool(value) => Ok(Fact::Bool(*value)),
        Value::Number(number) => {
            number.as_i64().map(Fact::Long).ok_or_else(|| format!("{number} is not a whole number"))
        }
        Value::String(text) if looks_like_time(text) => Ok(Fact::Datetime(text.clone())),
        Value::String(text) => Ok(Fact::Text(text.clone())),
        Value::Array(items) => {
            let items = items
                .iter()
                .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| format!("{item} is not a string")));
            Ok(Fact::Set(items.collect::<Result<_, _>>()?))
        }
        other => Err(format!("{other} is not a fact: expected a boolean, whole number, string or list of strings")),
    }
}

fn looks_like_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20 && bytes.get(4) == Some(&b'-') && bytes.get(10) == Some(&b'T') && text.ends_with('Z')
}
