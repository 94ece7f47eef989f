//! What the configuration says about the organization, as far as facts depend on it.
//!
//! In: nothing. Out: [`Rules`], one struct for everything that a user may write about production, sources, approvers and
//! stages, so that a new kind of rule is one more field. Numbers that policies compare with are not here but in the
//! context of every question.

use std::collections::BTreeSet;

use super::ProductionRules;

/// Everything that the configuration says about the organization.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// What counts as production.
    pub production: ProductionRules,
    /// Owners of source repositories that pipelines and projects may build from: the first part of `acme/web`, letter
    /// case ignored. Empty: nobody has said, and controls on it do not apply.
    pub allowed_source_owners: BTreeSet<String>,
    /// Patterns of the ARNs of those who may approve a release (`arn:aws:iam::*:role/ReleaseManager*`). Empty: nobody has
    /// said, and controls on it do not apply.
    pub release_managers: BTreeSet<String>,
}
