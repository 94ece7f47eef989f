//! What policies read: facts derived from properties, and the joins between resources of many accounts.
//!
//! In: resources in CloudFormation's words. Out: a [`Subject`] per resource with camelCase facts. It exists because
//! Cedar has no quantifier over records: order of stages, any/all over actions and everything that joins two resources
//! is decided here, and kept as a set that explains itself. Pure: no clock, environment, network or file.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

mod account;
mod account_governance;
mod alarm;
mod branch;
mod bucket;
mod bucket_upkeep;
mod check;
mod check_name;
mod config_rule;
mod connection;
mod delivery_account;
mod delivery_path;
mod delivery_role;
mod delivery_service;
mod deploying;
mod deploying_name;
mod deployment_config;
mod deployment_group;
mod environment_name;
mod escalation;
mod event_selector;
mod guardrail;
mod image_repository;
mod joins;
mod key;
mod key_administration;
mod let_in;
mod notification_rule;
mod permissions;
mod pipeline;
mod pipeline_checks;
mod pipeline_definition;
mod pipeline_entry;
mod pipeline_guardrails;
mod pipeline_notification;
mod pipeline_practice;
mod pipeline_promotion;
mod pipeline_provenance;
mod pipeline_roles;
mod pipeline_source;
mod pipeline_view;
mod policy_condition;
mod policy_document;
mod practice_rules;
mod principal_denials;
mod production;
mod production_actions;
mod project;
mod project_cache;
mod project_environment;
mod project_output;
mod project_source;
mod project_use;
mod project_webhook;
mod push_denial;
mod release;
mod report_group;
mod repository;
mod role;
mod rollout;
mod rules;
mod scope_gap;
mod secret;
mod seen;
mod source_credential;
#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod testing;
mod topic;
mod trail;
mod trigger;
mod trust;
mod webhook;
mod webhook_pattern;
mod words;

pub use account::Account;
pub use alarm::Alarm;
pub use branch::Branch;
pub use bucket::Bucket;
pub use connection::Connection;
pub use delivery_account::DeliveryAccount;
pub use delivery_service::DeliveryService;
pub(crate) use deploying_name::{is_called_a_deployment, is_named_otherwise};
pub use deployment_group::DeploymentGroup;
pub use image_repository::ImageRepository;
pub use joins::{AccountEntry, Joins};
pub use key::Key;
pub use pipeline::Pipeline;
pub(crate) use policy_document::matches_pattern;
pub use practice_rules::PracticeRules;
pub use production::ProductionRules;
pub(crate) use production_actions::{Deploying, ProductionJudge, Verdict};
pub use project::Project;
pub use report_group::ReportGroup;
pub use repository::Repository;
pub use role::Role;
pub use rules::{BuildRules, RequiredTags, Rules};
pub use secret::Secret;
pub use source_credential::SourceCredential;
pub use trail::Trail;

use crate::inventory::{AccountId, Inventory, Region, Resource, ResourceUid, Tags, TypeName};

/// A kind of resource that is judged: how to derive its facts, and what other resources need to know of it.
pub trait ResourceKind: Sync {
    /// CloudFormation type name, which is the Cedar entity type too.
    fn type_name(&self) -> TypeName;
    /// Name of the Cedar action, in the namespace `Pipewarden`, that asks about it.
    fn action(&self) -> &'static str;
    /// Leaves in `joins` what other resources' facts need.
    fn index(&self, resource: &Resource, joins: &mut Joins) {
        let _ = (resource, joins);
    }
    /// The facts of one resource; every attribute of the schema's entity type is either known or unknown.
    fn facts(&self, resource: &Resource, joins: &Joins) -> Facts;
}

/// All kinds that are judged.
pub const KINDS: &[&dyn ResourceKind] = &[
    &Account,
    &Trail,
    &Alarm,
    &DeploymentGroup,
    &Pipeline,
    &Key,
    &Bucket,
    &Project,
    &SourceCredential,
    &ReportGroup,
    &Secret,
    &Branch,
    &Repository,
    &Connection,
    &Role,
    &ImageRepository,
    &DeliveryService,
    &DeliveryAccount,
];

/// Leaves in the joins what other resources need.
type Index = fn(&Resource, &mut Joins);

/// What is joined to the kinds that are judged, beside what these leave of themselves.
const INDEXED: &[(TypeName, Index)] = &[
    (TypeName::APPLICATION, deployment_config::index_application),
    (TypeName::CONFIG_RULE, config_rule::index),
    (TypeName::POLICY, guardrail::index_policy),
    (TypeName::RECORDER, config_rule::index_recorder),
    (TypeName::DEPLOYMENT_CONFIG, deployment_config::index),
    (TypeName::WEBHOOK, webhook::index),
    (TypeName::NOTIFICATION_RULE, notification_rule::index),
    (TypeName::TOPIC, topic::index),
    (TypeName::POLICY, push_denial::index_policy),
    (TypeName::ACCOUNT, push_denial::index_account),
];

/// The kind that judges resources of a type. Composite alarms are alarms.
fn kind_of(name: &TypeName) -> Option<&'static dyn ResourceKind> {
    let name = if *name == TypeName::COMPOSITE_ALARM { &TypeName::ALARM } else { name };
    KINDS.iter().copied().find(|kind| kind.type_name() == *name)
}

/// Name of the Cedar action that asks about resources of a type; `None` for types that are not judged.
#[must_use]
pub fn action_of(name: &TypeName) -> Option<&'static str> {
    kind_of(name).map(ResourceKind::action)
}

/// The resources of an inventory that are judged, with their facts, sorted by type, id and account.
///
/// `joins` must hold every inventory of the run and be finished.
#[must_use]
pub fn subjects(inventory: &Inventory, joins: &Joins) -> Vec<Subject> {
    let mut subjects: Vec<Subject> =
        inventory.resources.iter().filter_map(|resource| subject(resource, joins)).collect();
    subjects.sort_by(|a, b| (&a.type_name, &a.uid, &a.account).cmp(&(&b.type_name, &b.uid, &b.account)));
    subjects
}

/// One resource with its facts, if its kind is judged. `joins` must be finished.
#[must_use]
pub fn subject(resource: &Resource, joins: &Joins) -> Option<Subject> {
    let kind = kind_of(&resource.type_name)?;
    if resource.type_name == TypeName::TRAIL && !trail::is_the_judged_copy(resource, joins) {
        return None;
    }
    Some(Subject {
        uid: resource.uid.clone(),
        type_name: kind.type_name(),
        account: resource.account.clone(),
        region: resource.region.clone(),
        tags: resource.tags.clone(),
        facts: kind.facts(resource, joins),
    })
}

/// The value of a fact, as far as Cedar needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Cedar `Bool`.
    Bool(bool),
    /// Cedar `Long`.
    Long(i64),
    /// Cedar `String`.
    Text(String),
    /// Cedar `Set<String>`; elements say what they are about (`Deploy/ProdCluster`).
    Set(BTreeSet<String>),
    /// Cedar `datetime`, RFC 3339 in UTC with milliseconds.
    Datetime(String),
}

/// The facts of one resource. A fact is in exactly one of the two maps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What is known.
    pub known: BTreeMap<Cow<'static, str>, Fact>,
    /// What is not known, and one sentence per gap that says why.
    pub unknown: BTreeMap<Cow<'static, str>, Vec<String>>,
}

/// One resource, ready to be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// ARN or template id.
    pub uid: ResourceUid,
    /// CloudFormation type name, which is the Cedar entity type too.
    pub type_name: TypeName,
    /// Owning account: the Cedar principal.
    pub account: AccountId,
    /// Region, or global.
    pub region: Region,
    /// Tags, for exceptions and ownership.
    pub tags: Tags,
    /// Facts.
    pub facts: Facts,
}
