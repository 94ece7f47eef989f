//! Many policy files → one validated set, partitioned by resource type.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::{
    EntityId, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Guidance;
use super::cases;
use super::condition::Condition;
use super::control::{self, Applicability, LoadedControl, stripped};
use super::error::{PolicyError, PolicyErrors, SourceText};
use super::exception::{Checking, Exception, ExceptionRules, Exceptions};
use super::frameworks;
use super::vocabulary::Vocabulary;
use crate::facts;
use crate::finding::{Control, Framework, hex};
use crate::inventory::TypeName;

/// One file of policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySource {
    /// A control; replaces an earlier one with the same id.
    Control(SourceText),
    /// One or more exceptions.
    Exceptions(SourceText),
    /// A framework; replaces an earlier one with the same id.
    Framework(SourceText),
    /// The cases of one control, in `<id>.tests.json`.
    Cases(SourceText),
    /// A control of this version as written, and in the JSON form that its validated text had.
    Compiled(SourceText, &'static str),
    /// A control of this version that nothing is asked of: it is part of the hash alone.
    Unasked(SourceText),
}

/// What is loaded, and how strictly.
#[derive(Debug, Clone, Default)]
pub struct Loading {
    /// The controls that come with this version, in [`Policies::embedded`].
    pub built_in: Vec<PolicySource>,
    /// What users add: each control needs cases, and an id stands for one of them only.
    pub yours: Vec<PolicySource>,
    /// Ids of controls that are left out.
    pub disabled: BTreeSet<String>,
    /// What is asked of exceptions.
    pub exceptions: ExceptionRules,
}

impl PolicySource {
    /// Whether the tests of this version have validated it.
    fn is_valid(&self) -> bool {
        !matches!(self, Self::Control(_) | Self::Exceptions(_))
    }
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
    /// What each policy of the set answers.
    pub(super) slots: HashMap<PolicyId, Slot>,
    /// How many applicability policies there are.
    pub(super) applicabilities: usize,
}

/// What a policy of a partition answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// Whether the control of this number is violated.
    Control(usize),
    /// Whether the controls that share this number apply.
    Applicability(usize),
}

/// One control within a partition.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) control: Control,
    /// Cedar's JSON form, for explanations.
    pub(super) json: Value,
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
    /// These facts.
    Where(Condition),
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
    cases: BTreeMap<String, SourceText>,
    yours: BTreeSet<String>,
    vocabulary: Vocabulary,
    hash: String,
}

impl Policies {
    /// Reads and validates all sources; later controls replace earlier ones with the same id, `disabled` ones are left
    /// out. Controls need no cases here; [`Self::load_all`] asks for those of users.
    ///
    /// # Errors
    /// Everything that is wrong with any of them, with its place.
    pub fn load(sources: &[PolicySource], disabled: &BTreeSet<String>) -> Result<Self, PolicyErrors> {
        let built_in = sources.to_vec();
        Self::load_all(&Loading { built_in, disabled: disabled.clone(), ..Loading::default() })
    }

    /// Reads and validates all sources.
    ///
    /// # Errors
    /// Everything that is wrong with any of them, with its place.
    pub fn load_all(loading: &Loading) -> Result<Self, PolicyErrors> {
        let schema_text = Self::embedded_schema();
        let sources = || loading.built_in.iter().chain(&loading.yours);
        let validator = if sources().all(PolicySource::is_valid) {
            None
        } else {
            let (schema, _) = Schema::from_cedarschema_str(&schema_text.text).map_err(|error| PolicyError::Schema {
                source_text: Box::new(schema_text.clone()),
                error: Box::new(error),
            })?;
            Some(Validator::new(schema))
        };
        let vocabulary = Vocabulary::of(&schema_text.text);
        let mut read = Read::default();
        read.controls(&loading.built_in, false, validator.as_ref());
        read.controls(&loading.yours, true, validator.as_ref());
        read.leave_out(&loading.disabled);
        let controls = read.loaded.iter().map(|(id, control)| (id.clone(), control.control.clone())).collect();
        let mut exceptions = Exceptions::default();
        let mut frameworks = BTreeMap::new();
        let checking = validator.as_ref().map(|validator| Checking {
            validator,
            vocabulary: &vocabulary,
            controls: &controls,
            disabled: &loading.disabled,
            rules: &loading.exceptions,
        });
        for source in sources() {
            if let (PolicySource::Exceptions(text), Some(checking)) = (source, &checking) {
                exceptions.load(text, checking, &mut read.errors);
            } else if let PolicySource::Framework(text) = source {
                read.errors.extend(frameworks::load(text, &mut frameworks).err());
            }
        }
        read.check_cases();
        if !read.errors.is_empty() {
            return Err(PolicyErrors(read.errors));
        }
        let hash = hash(&schema_text, &read, &exceptions);
        let loaded = read.loaded;
        let texts = loaded
            .iter()
            .map(|(id, control)| (id.clone(), (control.guidance.clone(), control.source.clone())))
            .collect();
        let mut reads_of_account = exceptions.reads_of_account.clone();
        reads_of_account.extend(loaded.values().flat_map(|control| control.reads_of_account.iter().cloned()));
        let looks_at_account = exceptions.looks_at_account || loaded.values().any(|control| control.looks_at_account);
        let partitions = partition(loaded, &exceptions.reads)?;
        let (cases, yours) = (read.cases, read.yours);
        Ok(Self {
            partitions,
            exceptions,
            reads_of_account,
            looks_at_account,
            controls,
            texts,
            frameworks,
            cases,
            yours,
            vocabulary,
            hash,
        })
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
        self.asked(control).map(|asked| asked.reads.clone()).unwrap_or_default()
    }

    /// The facts that findings of a control show: those it reads, and those it names in `@evidence`.
    #[must_use]
    pub fn facts_shown_by(&self, control: &str) -> BTreeSet<String> {
        self.asked(control).map(|asked| asked.reads.union(&asked.shows).cloned().collect()).unwrap_or_default()
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

    /// The cases beside a control, if it has any.
    #[must_use]
    pub fn cases(&self, control: &str) -> Option<&SourceText> {
        self.cases.get(control)
    }

    /// Whether a control is one of the user's, new or in place of a built-in one.
    #[must_use]
    pub fn is_yours(&self, control: &str) -> bool {
        self.yours.contains(control)
    }

    /// All exceptions, in the order of their files.
    #[must_use]
    pub fn exceptions(&self) -> &[Exception] {
        &self.exceptions.all
    }

    /// What the schema says of every fact.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Where a control applies, in one form for all; equal for controls that apply to the same resources.
    #[must_use]
    pub fn applicability(&self, control: &str) -> Option<String> {
        let asked = self.asked(control)?;
        let when = asked.json.get("conditions").and_then(Value::as_array).filter(|clauses| clauses.len() > 1);
        Some(format!("{:?} {:?}", asked.json.get("principal"), when.and_then(|clauses| clauses.first())))
    }

    pub(super) fn asked(&self, control: &str) -> Option<&Asked> {
        self.partitions.values().flat_map(|p| &p.controls).find(|asked| asked.control.id == control)
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
fn validate(validator: &Validator, policy: &Policy, text: &SourceText, errors: &mut Vec<PolicyError>) {
    let set = match PolicySet::from_policies([policy.clone()]) {
        Ok(set) => set,
        Err(error) => return errors.push(PolicyError::cedar(error)),
    };
    let result = validator.validate(&set, ValidationMode::Strict);
    let before = errors.len();
    let source = || Box::new(text.clone());
    errors.extend(
        result
            .validation_errors()
            .map(|error| PolicyError::Invalid { source_text: source(), error: Box::new(error.clone()) }),
    );
    if errors.len() == before {
        errors.extend(
            result
                .validation_warnings()
                .map(|warning| PolicyError::Warned { source_text: source(), warning: Box::new(warning.clone()) }),
        );
    }
}

/// What has been read so far, and what is wrong with it.
#[derive(Default)]
struct Read {
    loaded: BTreeMap<String, LoadedControl>,
    cases: BTreeMap<String, SourceText>,
    /// Controls that are part of the hash alone.
    unasked: Vec<SourceText>,
    /// Ids of users' controls.
    yours: BTreeSet<String>,
    /// Users' files that could not be read as controls; their cases are not blamed for it.
    unread: bool,
    errors: Vec<PolicyError>,
}

impl Read {
    fn controls(&mut self, sources: &[PolicySource], yours: bool, validator: Option<&Validator>) {
        for source in sources {
            let (text, loaded) = match source {
                PolicySource::Control(text) => (text, control::load(text)),
                PolicySource::Compiled(text, json) => (text, control::compiled(text, json)),
                PolicySource::Unasked(text) => {
                    self.unasked.push(text.clone());
                    continue;
                }
                PolicySource::Exceptions(_) | PolicySource::Framework(_) | PolicySource::Cases(_) => continue,
            };
            match loaded {
                Ok(control) => {
                    if let (PolicySource::Control(_), Some(validator)) = (source, validator) {
                        validate(validator, &control.policy, text, &mut self.errors);
                    }
                    let id = control.control.id.clone();
                    if yours && !self.yours.insert(id.clone()) {
                        let first = self.loaded.get(&id).map(|first| first.source.file.clone()).unwrap_or_default();
                        let problem = format!("the id `{id}` is used twice; first in {first}");
                        let hint = "give each control its own `@id`; only built-in ones are replaced";
                        self.errors.push(PolicyError::form(text, control.place_of("id"), problem, hint));
                        continue;
                    }
                    if yours {
                        // The cases of a control that is replaced go with it.
                        self.cases.remove(&id);
                    }
                    self.loaded.insert(id, control);
                }
                Err(errors) => {
                    self.unread |= yours;
                    self.errors.extend(errors);
                }
            }
        }
        for source in sources {
            let PolicySource::Cases(text) = source else { continue };
            let id = cases::control_of(&text.file);
            let known = self.loaded.contains_key(id) && (!yours || self.yours.contains(id));
            if !known && !self.unread {
                let problem = format!("there is no control `{id}` beside these cases");
                let hint = "name the file after the `@id` of its control: `<id>.tests.json`";
                self.errors.push(PolicyError::form(text, 0..0, problem, hint));
            }
            self.cases.insert(id.to_owned(), text.clone());
        }
        if yours {
            for control in self.yours.iter().filter_map(|id| self.loaded.get(id)) {
                let id = &control.control.id;
                if !self.cases.contains_key(id) {
                    let problem = format!("the control `{id}` has no cases");
                    let hint = format!("write {id}.tests.json beside it; `pipewarden controls new` shows its form");
                    self.errors.push(PolicyError::form(&control.source, control.place_of("id"), problem, hint));
                }
            }
        }
    }

    fn leave_out(&mut self, disabled: &BTreeSet<String>) {
        for id in disabled {
            if self.loaded.remove(id).is_none() {
                let problem = format!("`[policies] disabled`: there is no control `{id}`");
                let hint = "`pipewarden controls list` shows all ids".to_owned();
                self.errors.push(PolicyError::Configuration { problem, hint });
            }
            self.cases.remove(id);
        }
    }

    /// The form of every file of cases; whether they come out as written is for `controls test`.
    fn check_cases(&mut self) {
        for (id, text) in &self.cases {
            let Some(control) = self.loaded.get(id) else { continue };
            self.errors.extend(cases::check(text, &control.reads).err());
        }
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
    let mut slots = HashMap::new();
    let mut attributes = read_by_exceptions.clone();
    let mut asked = Vec::with_capacity(controls.len());
    let mut add = |id: PolicyId, json: Value, slot: Slot| -> Result<(), PolicyError> {
        let policy = Policy::from_json(Some(id.clone()), json).map_err(PolicyError::cedar)?;
        slots.insert(id, slot);
        policies.add(policy).map_err(PolicyError::cedar)
    };
    for control in controls {
        let applies = match control.applicability {
            Applicability::Always => Applies::Always,
            Applicability::When(condition) => Applies::Where(condition),
            Applicability::Policy(json) => {
                let next = distinct.len();
                let index = *distinct.entry(json.to_string()).or_insert(next);
                if index == next {
                    add(PolicyId::new(format!("applicability {index}")), json, Slot::Applicability(index))?;
                }
                Applies::If(index)
            }
        };
        attributes.extend(control.reads.iter().cloned());
        add(control.policy.id().clone(), stripped(&control.json), Slot::Control(asked.len()))?;
        asked.push(Asked {
            control: control.control,
            json: control.json,
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
    let applicabilities = distinct.len();
    Ok(Partition { policies, controls: asked, entity_type, action, attributes, slots, applicabilities })
}

fn hash(schema: &SourceText, read: &Read, exceptions: &Exceptions) -> String {
    let mut hash = Sha256::new();
    hash.update(schema.text.as_bytes());
    let mut texts: Vec<&SourceText> =
        read.loaded.values().map(|control| &control.source).chain(&read.unasked).collect();
    // By the name of the file alone: where a folder stands changes no answer.
    texts.sort_by_key(|text| (text.file.rsplit('/').next().unwrap_or_default().to_owned(), &text.text));
    for text in texts {
        hash.update([0]);
        hash.update(text.text.as_bytes());
    }
    for text in exceptions.texts() {
        hash.update([1]);
        hash.update(text.as_bytes());
    }
    hex(&hash.finalize())
}
