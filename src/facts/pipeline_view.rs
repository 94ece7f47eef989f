//! A pipeline as the facts about its practice look at it.
//!
//! In: a resource, its definition and the judgement of its deploying actions. Out: the deployments with their places and
//! environments, so that every fact about order, environments and checks asks the same question in the same words.

use super::deploying::{Candidate, Judged};
use super::joins::{Joins, Place};
use super::pipeline_definition::{Action, Definition};
use super::seen::Seen;
use crate::inventory::{Arn, Region, Resource};

/// Everything that is known of one pipeline.
pub(super) struct View<'a> {
    pub(super) resource: &'a Resource,
    pub(super) definition: &'a Definition<'a>,
    pub(super) candidates: &'a [Candidate],
    pub(super) judged: &'a [Judged],
    pub(super) joins: &'a Joins,
}

/// An action that changes a target, or may.
pub(super) struct Deployment<'a> {
    pub(super) action: &'a Action<'a>,
    pub(super) label: String,
    pub(super) region: &'a Region,
    pub(super) judged: &'a Judged,
    pub(super) in_production: Seen<bool>,
}

impl<'a> View<'a> {
    /// All deployments, in the order of the definition.
    pub(super) fn deployments(&self) -> Vec<Deployment<'a>> {
        let judged = self.candidates.iter().zip(self.judged).filter(|(_, judged)| judged.deploys != Ok(false));
        let found = judged.filter_map(|(candidate, judged)| {
            let action = self.definition.actions.get(candidate.action)?;
            let in_production = judged.in_production();
            Some(Deployment { action, label: action.label(), region: &candidate.region, judged, in_production })
        });
        found.collect()
    }

    /// The account and Region that an action acts in.
    pub(super) fn place(&self, action: &Action<'_>) -> Place {
        let role = Arn::parse(action.text("RoleArn")).ok().and_then(|arn| arn.account_id());
        let region = action.text("Region").parse().unwrap_or_else(|_| self.resource.region.clone());
        (role.unwrap_or_else(|| self.resource.account.clone()), region)
    }
}

/// Whether a production deployment lacks something: what was sure to be there or sure to be missing decides, whatever
/// else could not be seen.
pub(super) fn lacks(there: Seen<bool>, in_production: &Seen<bool>) -> Seen<bool> {
    match (there, in_production) {
        (Ok(true), _) | (_, Ok(false)) => Ok(false),
        (Ok(false), production) => production.clone(),
        (Err(sentences), _) => Err(sentences),
    }
}
