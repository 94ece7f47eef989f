//! How a run comes to know of things of each type.
//!
//! In: the collectors. Out: what a comparison of two runs asks before it calls something gone.

use crate::collect::{COLLECTORS, Reach};
use crate::evaluate::EXCEPTION;
use crate::inventory::TypeName;
use crate::run::{Finder, Finders};

/// For every type that a control can be about.
#[must_use]
pub fn finders() -> Finders {
    let mut finders = Finders::default();
    for collector in COLLECTORS {
        let finder = match collector.reach() {
            Reach::EveryRegion | Reach::OccupiedRegion => {
                Finder::Listed { service: collector.service(), in_every_region: true }
            }
            Reach::Account => Finder::Listed { service: collector.service(), in_every_region: false },
            Reach::Referenced => Finder::Named,
        };
        for type_name in collector.types() {
            // What one collector lists and another is asked for by name may be there without being listed.
            let known = finders.0.entry(type_name.clone()).or_insert(finder);
            if finder == Finder::Named {
                *known = finder;
            }
        }
    }
    for type_name in [TypeName::DELIVERY_SERVICE, TypeName::DELIVERY_ACCOUNT] {
        finders.0.insert(type_name, Finder::Told);
    }
    finders.0.insert(EXCEPTION, Finder::Written);
    finders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_judged_type_has_a_finder_but_those_that_organizations_tells_of() {
        let policies =
            crate::evaluate::Policies::load(&crate::evaluate::Policies::embedded(), &std::collections::BTreeSet::new());
        let finders = finders();
        let without: std::collections::BTreeSet<String> = policies
            .unwrap()
            .controls()
            .values()
            .filter(|control| !finders.0.contains_key(&control.resource_type))
            .map(|control| control.resource_type.to_string())
            .collect();
        assert_eq!(without.into_iter().collect::<Vec<_>>(), ["AWS::Organizations::Account"]);
        assert_eq!(finders.0.get(&TypeName::BUCKET), Some(&Finder::Named));
        assert_eq!(
            finders.0.get(&TypeName::PIPELINE),
            Some(&Finder::Listed { service: "codepipeline", in_every_region: true })
        );
    }
}
