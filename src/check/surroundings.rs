//! What is around the resources of a template.
//!
//! In: the rules, the moment, and what an earlier audit saw. Out: finished joins for any set of declared resources. What
//! neither the template nor an audit shows is a gap here, so that nothing that is only absent counts as missing.

use time::OffsetDateTime;

use crate::facts::{Joins, Rules};
use crate::inventory::{Affects, Gap, GapCause, Inventory, Resource, TypeName};
use crate::template::Place;

/// What does not change between two tries.
pub(super) struct Surroundings<'a> {
    pub(super) rules: &'a Rules,
    pub(super) now: OffsetDateTime,
    pub(super) stale_alarm_days: i64,
    /// What the last audit saw, if it was given.
    pub(super) audited: Option<&'a [Inventory]>,
    pub(super) place: &'a Place,
}

/// Types of which others may exist outside of the template, with what a person calls them.
const ELSEWHERE: &[(TypeName, &str)] = &[
    (TypeName::ALARM, "an alarm"),
    (TypeName::COMPOSITE_ALARM, "an alarm"),
    (TypeName::TRAIL, "a trail"),
    (TypeName::ROLE, "a role"),
    (TypeName::KEY, "a key"),
];

impl Surroundings<'_> {
    /// Joins over these resources and everything that is known around them.
    pub(super) fn joins(&self, resources: &[Resource]) -> Joins {
        let mut joins = Joins::new(self.rules.clone(), self.now, self.stale_alarm_days);
        for inventory in self.audited.unwrap_or_default() {
            joins.index(inventory);
        }
        let gaps = ELSEWHERE.iter().map(|(name, said)| self.elsewhere(name, said)).collect();
        joins.index(&Inventory { resources: resources.to_vec(), gaps, ..Inventory::default() });
        joins.finish();
        joins
    }

    fn elsewhere(&self, name: &TypeName, said: &str) -> Gap {
        Gap {
            account: self.place.account.clone(),
            region: self.place.region.clone(),
            service: "cloudformation".to_owned(),
            action: String::new(),
            cause: GapCause::Elsewhere {
                message: format!(
                    "{said} that is not defined here may exist elsewhere; give the last audit with --inventory"
                ),
            },
            affects: Affects::Types { types: vec![name.clone()] },
        }
    }
}
