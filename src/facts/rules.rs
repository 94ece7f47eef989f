//! What the configuration says about the organization, as far as facts depend on it.
//!
//! In: nothing. Out: [`Rules`], one struct for everything that a user may write about production, sources, approvers and
//! stages, so that a new kind of rule is one more field. Numbers that policies compare with are not here but in the
//! context of every question.

use std::collections::{BTreeMap, BTreeSet};

use super::{PracticeRules, ProductionRules};
use crate::inventory::AccountId;

/// Everything that the configuration says about the organization.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// What counts as production.
    pub production: ProductionRules,
    /// Owners of source repositories that pipelines and projects may build from: the first part of `acme/web`, letter
    /// case ignored. Empty: nobody has said, and controls on it do not apply.
    pub allowed_source_owners: BTreeSet<String>,
    /// Accounts that may administer a service for the whole organization. Empty: nobody has said, which is unknown.
    pub delegated_administrators: BTreeSet<AccountId>,
    /// Tags that every account has to carry.
    pub required_account_tags: RequiredTags,
    /// What builds may do that most may not.
    pub builds: BuildRules,
    /// How the organization releases.
    pub practice: PracticeRules,
    /// Patterns of the ARNs of those who may approve a release (`arn:aws:iam::*:role/ReleaseManager*`). Empty: nobody has
    /// said, and controls on it do not apply.
    pub release_managers: BTreeSet<String>,
}

/// Keys of tags that have to be there; letter case is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredTags(pub BTreeSet<String>);

impl Default for RequiredTags {
    fn default() -> Self {
        Self(["environment", "owner"].map(str::to_owned).into())
    }
}

/// Builds that may run in privileged mode, because they build images. Nobody may unless it is said here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildRules {
    /// Tags of a project that allow it, by key; without values, any value does. Letter case is ignored.
    pub privileged_tags: BTreeMap<String, BTreeSet<String>>,
    /// Projects that may, as `123456789012/name`.
    pub privileged_projects: BTreeSet<String>,
}
