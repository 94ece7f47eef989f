//! The cases beside each control: facts of one resource and the result that must come out.
//!
//! In: a `<control>.tests.json`. Out: the cases that come out differently. A fact that a case leaves out is unknown.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::engine::{Asking, Settings};
use super::error::{EvaluateError, PolicyError, SourceText};
use super::explain::Explanation;
use super::place;
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
#[derive(Debug, Clone, PartialEq)]
pub struct CaseFailure {
    /// The case as written.
    pub case: Case,
    /// What came out, with the clause that decided; or why nothing did.
    pub actual: Result<Explanation, String>,
}

impl CaseFailure {
    /// Facts that the control reads and the case leaves out.
    #[must_use]
    pub fn left_out(&self, policies: &Policies, control: &str) -> Vec<String> {
        let reads = policies.facts_read_by(control);
        reads.into_iter().filter(|name| !self.case.facts.contains_key(name)).collect()
    }
}

const ACCOUNT: &str = "111122223333";
const NOW: &str = "2026-01-01T00:00:00Z";

/// `…/codepipeline-type-v2.tests.json` → `codepipeline-type-v2`.
pub(super) fn control_of(file: &str) -> &str {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    name.strip_suffix(".tests.json").unwrap_or(name)
}

fn parse(file: &SourceText) -> Result<Vec<Case>, PolicyError> {
    let parsed: CaseFile = serde_json::from_str(&file.text).map_err(|error| {
        let at = place::offset(&file.text, error.line(), error.column());
        let hint = "cases look like {\"cases\": [{\"name\": \"…\", \"facts\": {…}, \"expect\": \"NonCompliant\"}]}";
        PolicyError::form(file, at..at, format!("the cases cannot be read: {error}"), hint)
    })?;
    Ok(parsed.cases)
}

/// Whether a file of cases has the form and gives only what its control reads.
pub(super) fn check(file: &SourceText, reads: &BTreeSet<String>) -> Result<(), PolicyError> {
    let cases = parse(file)?;
    if cases.is_empty() {
        return Err(PolicyError::form(file, 0..0, "there is no case in the file", "write at least one violation"));
    }
    for case in &cases {
        let Some(unread) = case.facts.keys().find(|name| !reads.contains(*name)) else { continue };
        let problem = format!("the control does not read `{unread}`");
        let hint = format!("leave it out of the case \"{}\"; the control reads: {}", case.name, listed(reads));
        return Err(PolicyError::form(file, place::anywhere(&file.text, &format!("\"{unread}\"")), problem, hint));
    }
    Ok(())
}

fn listed(names: &BTreeSet<String>) -> String {
    names.iter().cloned().collect::<Vec<_>>().join(", ")
}

/// Runs the cases of one control.
///
/// # Errors
/// [`PolicyError::Form`] if the file cannot be read, [`PolicyError::Configuration`] if there is no such control.
pub fn run_cases(
    policies: &Policies,
    control: &str,
    file: &SourceText,
) -> Result<(Vec<Case>, Vec<CaseFailure>), PolicyError> {
    let cases = parse(file)?;
    let known = policies.controls().get(control).ok_or_else(|| PolicyError::Configuration {
        problem: format!("`{}` has cases of `{control}`, but there is no such control", file.file),
        hint: "name the file after the `@id` of its control; `pipewarden controls list` shows all ids".to_owned(),
    })?;
    let mut failures = Vec::new();
    for case in &cases {
        let actual = judge(policies, control, case, known.resource_type.clone());
        if actual.as_ref().map(|explanation| explanation.compliance).ok() != Some(case.expect) {
            failures.push(CaseFailure { case: case.clone(), actual });
        }
    }
    Ok((cases, failures))
}

/// What comes out of a case, under its own control and under every other of the type that reads no more than it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorpusRow {
    /// The control that the case stands beside.
    pub control: String,
    /// Results by control.
    pub answers: BTreeMap<String, ComplianceType>,
}

/// Every case of every control, asked of every control that it can be asked of.
///
/// # Errors
/// As [`run_cases`].
pub fn corpus(policies: &Policies) -> Result<Vec<CorpusRow>, PolicyError> {
    let mut found = Vec::new();
    for (id, control) in policies.controls() {
        let Some(file) = policies.cases(id) else { continue };
        let alike: Vec<&String> = policies
            .controls()
            .values()
            .filter(|other| other.resource_type == control.resource_type)
            .map(|other| &other.id)
            .collect();
        for case in parse(file)? {
            let given: BTreeSet<&String> = case.facts.keys().collect();
            let answers = alike
                .iter()
                .filter(|other| **other == id || policies.facts_read_by(other).iter().all(|fact| given.contains(fact)))
                .filter_map(|other| {
                    let judged = judge(policies, other, &case, control.resource_type.clone()).ok()?;
                    Some(((*other).clone(), judged.compliance))
                })
                .collect();
            found.push(CorpusRow { control: id.clone(), answers });
        }
    }
    Ok(found)
}

fn judge(
    policies: &Policies,
    control: &str,
    case: &Case,
    type_name: crate::inventory::TypeName,
) -> Result<Explanation, String> {
    let account: crate::inventory::AccountId =
        ACCOUNT.parse().map_err(|e: crate::inventory::IdentityError| e.to_string())?;
    let facts = facts(&policies.facts_of_type(&type_name), case)?;
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
    asking.explain(control, &subject).map_err(|e| e.to_string())
}

/// Facts given are known; whatever else the controls of the type read is unknown.
fn facts(of_type: &BTreeSet<String>, case: &Case) -> Result<Facts, String> {
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
    Ok(facts)
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
