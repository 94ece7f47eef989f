//! How a run comes to know of things of each type.
//!
//! In: the collectors. Out: what a comparison of two runs asks before it calls something gone.

use std::collections::BTreeSet;

use crate::collect::{COLLECTORS, Reach};
use crate::evaluate::EXCEPTION;
use crate::history::athena::{ATHENA_ACTIONS, CLOUD_TRAIL_LAKE_ACTIONS};
use crate::history::{ACCOUNT_SOURCES, ARCHIVE_ACTIONS};
use crate::inventory::TypeName;
use crate::run::{Asked, Finder, Finders};

/// For every type that a control can be about.
#[must_use]
pub fn finders() -> Finders {
    let mut finders = Finders::default();
    for collector in COLLECTORS {
        let listed = |asked| Finder::Listed { service: collector.service(), actions: collector.actions(), asked };
        let finder = match collector.reach() {
            Reach::EveryRegion => listed(Asked::EveryRegion),
            Reach::OccupiedRegion => listed(Asked::OccupiedRegion),
            Reach::Account => listed(Asked::Account),
            Reach::Referenced => Finder::Named,
        };
        for type_name in collector.types() {
            // What one collector lists and another is asked for by name may be there without being listed.
            let known = finders.of_type.entry(type_name.clone()).or_insert(finder);
            if finder == Finder::Named {
                *known = finder;
            }
        }
    }
    for type_name in [TypeName::DELIVERY_SERVICE, TypeName::DELIVERY_ACCOUNT] {
        finders.of_type.insert(type_name, Finder::Told);
    }
    finders.of_type.insert(EXCEPTION, Finder::Written);
    let collecting: BTreeSet<&str> = COLLECTORS.iter().flat_map(|collector| collector.actions()).copied().collect();
    let of_trails = [ARCHIVE_ACTIONS, ATHENA_ACTIONS, CLOUD_TRAIL_LAKE_ACTIONS].into_iter().flatten();
    let telling = ACCOUNT_SOURCES.iter().flat_map(|source| source.actions()).chain(of_trails);
    finders.of_history = telling.copied().filter(|action| !collecting.contains(action)).collect();
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
            .filter(|control| !finders.of_type.contains_key(&control.resource_type))
            .map(|control| control.resource_type.to_string())
            .collect();
        assert_eq!(without.into_iter().collect::<Vec<_>>(), ["AWS::Organizations::Account"]);
        assert_eq!(finders.of_type.get(&TypeName::BUCKET), Some(&Finder::Named));
        let asked = |type_name: &TypeName| match finders.of_type.get(type_name) {
            Some(Finder::Listed { service, actions, asked }) => {
                assert!(actions.iter().any(|action| action.starts_with(&format!("{service}:"))));
                Some((*service, *asked))
            }
            _ => None,
        };
        assert_eq!(asked(&TypeName::PIPELINE), Some(("codepipeline", Asked::EveryRegion)));
        assert_eq!(asked(&TypeName::RECORDER), Some(("config", Asked::OccupiedRegion)));
        assert_eq!(asked(&TypeName::TRAIL), Some(("cloudtrail", Asked::Account)));
    }

    #[test]
    fn what_a_collector_is_told_counts_though_a_history_asks_it_too() {
        let finders = finders();
        assert!(finders.of_history.contains("cloudtrail:LookupEvents"), "{:?}", finders.of_history);
        let shared = COLLECTORS.iter().flat_map(|collector| collector.actions());
        assert!(!shared.into_iter().any(|action| finders.of_history.contains(action)));
    }
}
