//! Many policy files → one validated set, partitioned by resource type.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    EntityId, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator,
};
use sha2::{Digest, Sha256};

use super::Guidance;
use super::control::{self, Applicability, LoadedControl};
use super::error::{PolicyError, SourceText};
use super::exception::{self, Exceptions};
use super::frameworks;
use crate::facts;
use crate::finding::{Control, Framework, hex};
use crate::inventory::TypeName;

include!(concat!(env!("OUT_DIR"), "/embedded_policies.rs"));

/// One file of policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySource {
    /// A control; replaces an earlier one with the same id.
    Control(SourceText),
    /// One or more exceptions.
    Exceptions(SourceText),
    /// A framework; replaces an earlier one with the same id.
    Framework(SourceText),
}

/// Which controls can be asked of a type, with the policies that answer.
#[derive(Debug)]
pub(super) struct Partition {
    /// The controls and the distinct applicability policies.
    pub(super) policies: PolicySet,
    pub(super) controls: Vec<Asked>,
    /// The type and the action of every question, read once.
    pub(super) entity_type: EntityTypeName,
    pub(super) action: EntityUid,
    /// The facts that any policy reads of such a resource; an entity needs no others.
    pub(super) attributes: BTreeSet<String>,
    /// Ids of the applicability policies.
    pub(super) applicability: BTreeMap<PolicyId, usize>,
}

/// One control within a partition.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) control: Control,
    pub(super) id: PolicyId,
    pub(super) reads: BTreeSet<String>,
    /// Facts that the policy reads of the account.
    pub(super) reads_of_account: BTreeSet<String>,
    /// Facts that are shown beside those it reads.
    pub(super) shows: BTreeSet<String>,
    pub(super) applies: Applies,
}

/// What says whether a control applies.
#[derive(Debug)]
pub(super) enum Applies {
    /// Nothing has to be asked.
    Always,
    /// This fact.
    Where(String),
    /// The applicability policy of this number.
    If(usize),
}

/// All controls and exceptions, validated; the only way to a finding.
#[derive(Debug)]
pub struct Policies {
    pub(super) partitions: BTreeMap<TypeName, Partition>,
    pub(super) exceptions: Exceptions,
    /// The facts that any policy reads of the account that owns a resource.
    pub(super) reads_of_account: BTreeSet<String>,
    /// Whether any policy looks at the account at all.
    pub(super) looks_at_account: bool,
    controls: BTreeMap<String, Control>,
    texts: BTreeMap<String, (Guidance, SourceText)>,
    frameworks: BTreeMap<String, Framework>,
    hash: String,
}

impl Policies {
    /// Sources of the controls and frameworks that come with this version.
    #[must_use]
    pub fn embedded() -> Vec<PolicySource> {
        let controls = EMBEDDED_CONTROLS.iter().map(|(file, text)| PolicySource::Control(source(file, text)));
        let frameworks = EMBEDDED_FRAMEWORKS.iter().map(|(file, text)| PolicySource::Framework(source(file, text)));
        controls.chain(frameworks).collect()
    }

    /// The schema that comes with this version.
    #[must_use]
    pub fn embedded_schema() -> SourceText {
        source("policies/schema.cedarschema", EMBEDDED_SCHEMA)
    }

    /// Reads and validates all sources; later controls replace earlier ones with the same id, `disabled` ones are left
    /// out.
    ///
    /// # Errors
    /// The first thing that is wrong with any of them, with its place.
    pub fn load(sources: &[PolicySource], disabled: &BTreeSet<String>) -> Result<Self, PolicyError> {
        let schema_text = Self::embedded_schema();
        let (schema, _) = Schema::from_cedarschema_str(&schema_text.text).map_err(|error| PolicyError::Schema {
            source_text: Box::new(schema_text.clone()),
            error: Box::new(error),
        })?;
        let validator = Validator::new(schema);
        let mut loaded: BTreeMap<String, LoadedControl> = BTreeMap::new();
        let mut exceptions = Exceptions::default();
        let mut frameworks = BTreeMap::new();
        for source in sources {
            match source {
                PolicySource::Control(text) => {
                    let control = control::load(text)?;
                    validate(&validator, &control.policy, text)?;
                    loaded.insert(control.control.id.clone(), control);
                }
                PolicySource::Exceptions(text) => exception::load(text, &validator, &mut exceptions)?,
                PolicySource::Framework(text) => frameworks::load(text, &mut frameworks)?,
            }
        }
        for id in disabled {
            if loaded.remove(id).is_none() {
                return Err(PolicyError::form(
                    "configuration",
                    format!("there is no control `{id}` to disable"),
                    "`pipewarden controls list` shows all ids",
                ));
            }
        }
        exceptions.check_controls(|id| loaded.contains_key(id))?;
        let hash = hash(&schema_text, &loaded, &exceptions);
        let controls = loaded.iter().map(|(id, control)| (id.clone(), control.control.clone())).collect();
        let texts = loaded
            .iter()
            .map(|(id, control)| (id.clone(), (control.guidance.clone(), control.source.clone())))
            .collect();
        let mut reads_of_account = exceptions.reads_of_account.clone();
        reads_of_account.extend(loaded.values().flat_map(|control| control.reads_of_account.iter().cloned()));
        let looks_at_account = exceptions.looks_at_account || loaded.values().any(|control| control.looks_at_account);
        let partitions = partition(loaded, &exceptions.reads)?;
        Ok(Self { partitions, exceptions, reads_of_account, looks_at_account, controls, texts, frameworks, hash })
    }

    /// All controls by id.
    #[must_use]
    pub fn controls(&self) -> &BTreeMap<String, Control> {
        &self.controls
    }

    /// SHA-256 over the schema and every policy in force, hex: two runs with the same hash asked the same questions.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The facts that a control reads.
    #[must_use]
    pub fn facts_read_by(&self, control: &str) -> BTreeSet<String> {
        let asked = self.partitions.values().flat_map(|p| &p.controls).find(|asked| asked.control.id == control);
        asked.map(|asked| asked.reads.clone()).unwrap_or_default()
    }

    /// All frameworks by id.
    #[must_use]
    pub fn frameworks(&self) -> &BTreeMap<String, Framework> {
        &self.frameworks
    }

    /// What a control says to the person who has to act.
    #[must_use]
    pub fn guidance(&self, control: &str) -> Option<&Guidance> {
        self.texts.get(control).map(|(guidance, _)| guidance)
    }

    /// A control as written, with the file it stands in.
    #[must_use]
    pub fn text(&self, control: &str) -> Option<&SourceText> {
        self.texts.get(control).map(|(_, text)| text)
    }

    /// The facts that any control of a type reads.
    pub(super) fn facts_of_type(&self, type_name: &TypeName) -> BTreeSet<String> {
        let controls =
            self.partitions.get(type_name).map(|partition| partition.controls.as_slice()).unwrap_or_default();
        controls.iter().flat_map(|asked| asked.reads.iter().chain(&asked.shows)).cloned().collect()
    }
}

/// An entity's id; `type_name` is read by Cedar's parser, so this is not for every resource.
pub(super) fn entity_uid(type_name: &str, id: &str) -> Result<EntityUid, Box<cedar_policy::ParseErrors>> {
    Ok(EntityUid::from_type_name_and_id(type_name.parse().map_err(Box::new)?, EntityId::new(id)))
}

pub(super) fn source(file: &str, text: &str) -> SourceText {
    SourceText { file: file.to_owned(), text: text.to_owned() }
}

/// Strict validation; a warning (such as "this policy can never apply") is an error here, because a control that never
/// applies is a pass that nobody looked for.
pub(super) fn validate(validator: &Validator, policy: &Policy, text: &SourceText) -> Result<(), PolicyError> {
    let set = PolicySet::from_policies([policy.clone()]).map_err(PolicyError::cedar)?;
    let result = validator.validate(&set, ValidationMode::Strict);
    if let Some(error) = result.validation_errors().next() {
        return Err(PolicyError::Invalid { source_text: Box::new(text.clone()), error: Box::new(error.clone()) });
    }
    match result.validation_warnings().next() {
        Some(warning) => {
            Err(PolicyError::form(&text.file, warning, "change the policy so that Cedar has no warning about it"))
        }
        None => Ok(()),
    }
}

fn partition(
    loaded: BTreeMap<String, LoadedControl>,
    read_by_exceptions: &BTreeSet<String>,
) -> Result<BTreeMap<TypeName, Partition>, PolicyError> {
    let mut by_type: BTreeMap<TypeName, Vec<LoadedControl>> = BTreeMap::new();
    for control in loaded.into_values() {
        by_type.entry(control.control.resource_type.clone()).or_default().push(control);
    }
    by_type
        .into_iter()
        .map(|(type_name, controls)| Ok((type_name.clone(), one_partition(&type_name, controls, read_by_exceptions)?)))
        .collect()
}

fn one_partition(
    type_name: &TypeName,
    controls: Vec<LoadedControl>,
    read_by_exceptions: &BTreeSet<String>,
) -> Result<Partition, PolicyError> {
    let mut policies = PolicySet::new();
    let mut distinct: BTreeMap<String, usize> = BTreeMap::new();
    let mut applicability = BTreeMap::new();
    let mut attributes = read_by_exceptions.clone();
    let mut asked = Vec::with_capacity(controls.len());
    for control in controls {
        let applies = match control.applicability {
            Applicability::Always => Applies::Always,
            Applicability::Fact(name) => Applies::Where(name),
            Applicability::Policy(json) => {
                let next = distinct.len();
                let index = *distinct.entry(json.to_string()).or_insert(next);
                if index == next {
                    let id = PolicyId::new(format!("applicability {index}"));
                    let policy = Policy::from_json(Some(id.clone()), json).map_err(PolicyError::cedar)?;
                    policies.add(policy).map_err(PolicyError::cedar)?;
                    applicability.insert(id, index);
                }
                Applies::If(index)
            }
        };
        attributes.extend(control.reads.iter().cloned());
        policies.add(control.policy.clone()).map_err(PolicyError::cedar)?;
        asked.push(Asked {
            id: control.policy.id().clone(),
            control: control.control,
            reads: control.reads,
            reads_of_account: control.reads_of_account,
            shows: control.shows,
            applies,
        });
    }
    let entity_type = type_name.as_str().parse().map_err(PolicyError::cedar)?;
    // A type without facts has no control that validates; the fallback only keeps this total.
    let action = entity_uid("Pipewarden::Action", facts::action_of(type_name).unwrap_or("Govern"))
        .map_err(PolicyError::cedar)?;
    Ok(Partition { policies, controls: asked, entity_type, action, attributes, applicability })
}

fn hash(schema: &SourceText, controls: &BTreeMap<String, LoadedControl>, exceptions: &Exceptions) -> String {
    let mut hash = Sha256::new();
    hash.update(schema.text.as_bytes());
    for control in controls.values() {
        hash.update([0]);
        hash.update(control.source.text.as_bytes());
    }
    for text in exceptions.texts() {
        hash.update([1]);
        hash.update(text.as_bytes());
    }
    hex(&hash.finalize())
}
