//! One verdict of a run, taken apart: the clauses, every fact, and where each fact came from.
//!
//! In: a run directory, a control, a resource. Out: [`Explained`]. Where a fact came from is not written down anywhere; it
//! is found by asking again with one property hidden at a time, and with no other resource to join: whatever then comes
//! out differently depends on what was hidden. So it cannot differ from what the code does.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::evaluation::{Evaluation, EvaluationError, Joined, group_by_account, is_dark, own_parts, principals};
use crate::evaluate::{Asking, Explanation};
use crate::facts::{self, Fact, Facts, Joins, Subject};
use crate::inventory::{Affects, Gap, GapCause, Inventory, Resource, TypeName};
use crate::run::RunDirectory;

/// A verdict that cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The run cannot be read or judged.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// There is no such control.
    #[error("there is no control `{0}`; `pipewarden controls list` shows all ids")]
    NoControl(String),
    /// The resource is not in the run.
    #[error("`{resource}` is not among the resources of type {type_name} in the run; {hint}")]
    NoResource {
        /// As asked for.
        resource: String,
        /// What the control judges.
        type_name: TypeName,
        /// What there is, or why there is nothing.
        hint: String,
    },
    /// The name is that of several resources.
    #[error("several resources of type {type_name} are called `{resource}`; give the ARN of one: {}", all.join(", "))]
    SeveralResources {
        /// As asked for.
        resource: String,
        /// What the control judges.
        type_name: TypeName,
        /// Their ids.
        all: Vec<String>,
    },
}

/// A verdict with everything that led to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The resource.
    pub resource: String,
    /// Its type.
    pub resource_type: TypeName,
    /// The verdict, and the clause that decided.
    pub explanation: Explanation,
    /// Every fact that the control reads or shows.
    pub facts: Vec<FactOrigin>,
}

/// One fact of a resource.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FactOrigin {
    /// As policies write it.
    pub name: String,
    /// Its value, if it is known.
    pub value: Option<Value>,
    /// Why it is not known, one sentence per gap.
    pub unknown: Vec<String>,
    /// Properties of the resource that it depends on; `Tags` stands for the tags.
    pub properties: BTreeSet<String>,
    /// Whether properties that are unset decide as well.
    pub unset: bool,
    /// Whether other resources or the account decide as well.
    pub joined: bool,
}

impl Evaluation<'_> {
    /// Takes the verdict of one control on one resource of a run apart. `resource` is an ARN, or its last part where that
    /// is enough to tell.
    ///
    /// # Errors
    /// [`ExplainError`] if there is no such control or resource, or the run cannot be read.
    pub fn explain(&self, run: &RunDirectory, control: &str, resource: &str) -> Result<Explained, ExplainError> {
        let asked = self.policies.controls().get(control).ok_or_else(|| ExplainError::NoControl(control.to_owned()))?;
        let started = run.plan().started_at.clone();
        let Joined { organization, collected, joins } = self.joined(run, &started)?;
        let mut accounts = group_by_account(&organization, &collected);
        let principals = principals(&accounts, &joins);
        let asking =
            Asking::new(self.policies, &started, "live", &self.settings, &principals).map_err(EvaluationError::from)?;
        let mut others = Vec::new();
        let mut gaps = BTreeSet::new();
        let mut found: Vec<(Resource, Subject)> = Vec::new();
        for account in &collected {
            let mut inventory = own_parts(run, account).map_err(EvaluationError::from)?;
            if let (Some(own), false) = (accounts.remove(account), is_dark(&inventory)) {
                inventory.resources.push(own);
            }
            inventory.normalise();
            gaps.extend(inventory.gaps.iter().filter(|gap| hides(gap, &asked.resource_type)).map(Gap::sentence));
            for candidate in inventory.resources {
                let Some(subject) = alone(candidate.clone(), &joins) else { continue };
                if subject.type_name != asked.resource_type {
                    continue;
                }
                if subject.uid.as_str() == resource {
                    found.insert(0, (candidate, subject));
                } else if subject.uid.short_name() == resource {
                    found.push((candidate, subject));
                } else {
                    others.push(subject.uid.to_string());
                }
            }
        }
        let exact = found.iter().filter(|(_, subject)| subject.uid.as_str() == resource).count();
        let (Some((raw, subject)), true) = (found.first(), exact > 0 || found.len() == 1) else {
            let (resource, type_name) = (resource.to_owned(), asked.resource_type.clone());
            if !found.is_empty() {
                let all = found.iter().map(|(_, subject)| subject.uid.to_string()).collect();
                return Err(ExplainError::SeveralResources { resource, type_name, all });
            }
            let hint = if resource.ends_with(":root") {
                "a finding on an account says that what is there could not be seen, and its gaps in findings.csv say why"
                    .to_owned()
            } else {
                hint(others, &gaps)
            };
            return Err(ExplainError::NoResource { resource, type_name, hint });
        };
        let explanation = asking.explain(control, subject).map_err(EvaluationError::from)?;
        let mut names = self.policies.facts_read_by(control);
        names.extend(explanation.evidence.keys().cloned());
        let origins = Probes::of(raw, &joins, self.fresh_joins(&started)?);
        let facts = names.iter().map(|name| origins.origin(name, &subject.facts)).collect();
        let (resource, resource_type) = (subject.uid.to_string(), subject.type_name.clone());
        Ok(Explained { resource, resource_type, explanation, facts })
    }
}

fn hides(gap: &Gap, type_name: &TypeName) -> bool {
    match &gap.affects {
        Affects::Account => true,
        Affects::Types { types } => types.contains(type_name),
        Affects::Property { .. } | Affects::Details => false,
    }
}

fn hint(mut like: Vec<String>, gaps: &BTreeSet<String>) -> String {
    like.truncate(5);
    if !like.is_empty() {
        return format!("there is, for example: {}", like.join(", "));
    }
    match gaps.first() {
        Some(gap) => format!("none could be seen ({gap})"),
        None => "there is none".to_owned(),
    }
}

/// One resource as it is judged; nothing if it is not.
fn alone(resource: Resource, joins: &Joins) -> Option<Subject> {
    facts::subjects(&Inventory { resources: vec![resource], ..Inventory::default() }, joins).pop()
}

/// The facts that come out with something hidden.
struct Probes {
    by_property: BTreeMap<String, Facts>,
    without_unset: Facts,
    without_others: Facts,
}

impl Probes {
    fn of(resource: &Resource, joins: &Joins, mut nothing_else: Joins) -> Self {
        let hide = |property: &str| {
            let mut hidden = resource.clone();
            hidden.properties.remove(property);
            if property == "Tags" {
                hidden.tags.clear();
            }
            hidden.unseen.insert(property.to_owned(), hidden_by(resource, property));
            alone(hidden, joins).map(|subject| subject.facts).unwrap_or_default()
        };
        let names = resource.properties.keys().chain(resource.unseen.keys()).map(String::as_str).chain(["Tags"]);
        let names: BTreeSet<&str> = names.filter(|name| *name != "*").collect();
        nothing_else.index(&Inventory { resources: vec![resource.clone()], ..Inventory::default() });
        nothing_else.finish();
        Self {
            by_property: names.into_iter().map(|name| (name.to_owned(), hide(name))).collect(),
            without_unset: hide("*"),
            without_others: alone(resource.clone(), &nothing_else).map(|subject| subject.facts).unwrap_or_default(),
        }
    }

    fn origin(&self, name: &str, facts: &Facts) -> FactOrigin {
        let value = |facts: &Facts| (facts.known.get(name).cloned(), facts.unknown.get(name).cloned());
        let here = value(facts);
        let properties: BTreeSet<String> = self
            .by_property
            .iter()
            .filter(|(_, hidden)| value(hidden) != here)
            .map(|(property, _)| property.clone())
            .collect();
        FactOrigin {
            name: name.to_owned(),
            value: here.0.as_ref().map(as_json),
            unknown: here.1.clone().unwrap_or_default(),
            unset: value(&self.without_unset) != here,
            joined: value(&self.without_others) != here,
            properties,
        }
    }
}

fn as_json(fact: &Fact) -> Value {
    match fact {
        Fact::Bool(value) => Value::Bool(*value),
        Fact::Long(value) => Value::from(*value),
        Fact::Text(text) | Fact::Datetime(text) => Value::String(text.clone()),
        Fact::Set(items) => items.iter().cloned().map(Value::String).collect(),
    }
}

fn hidden_by(resource: &Resource, property: &str) -> Gap {
    Gap {
        account: resource.account.clone(),
        region: resource.region.clone(),
        service: "pipewarden".to_owned(),
        action: "pipewarden:Explain".to_owned(),
        cause: GapCause::AccessDenied { message: format!("{property} was hidden to see what depends on it") },
        affects: Affects::Property { resource: resource.uid.clone(), property: property.to_owned() },
    }
}
