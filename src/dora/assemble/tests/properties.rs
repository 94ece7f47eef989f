//! What holds for every history.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::history::{HistoryGap, HistorySource};
use crate::inventory::{Affects, Gap, GapCause};

/// Mixes and repeats, in a way that a seed decides.
fn mix<T: Clone>(records: &mut Vec<T>, mut seed: u64) {
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap()
    };
    for position in (1..records.len()).rev() {
        records.swap(position, next() % (position + 1));
    }
    let again: Vec<T> = records.iter().filter(|_| next() % 3 == 0).cloned().collect();
    records.extend(again);
}

const SOURCES: [HistorySource; 5] = [
    HistorySource::LookupEvents,
    HistorySource::PipelineExecutions,
    HistorySource::Deployments,
    HistorySource::Builds,
    HistorySource::SourceHost,
];

/// The golden history as it would be if these sources had not been looked at.
fn without(sources: u8) -> History {
    let mut history = golden::history();
    for (bit, source) in SOURCES.into_iter().enumerate().filter(|(bit, _)| sources & (1 << bit) != 0) {
        history.coverage.spans.retain(|span| span.source != source);
        match bit {
            0 => history.events.clear(),
            1 => {
                history.executions.clear();
                history.actions.clear();
            }
            2 => history.deployments.clear(),
            3 => history.builds.clear(),
            _ => history.commits.clear(),
        }
    }
    history
}

/// Services of which nothing can be said.
fn blind(delivery: &Delivery) -> BTreeSet<String> {
    let blocked = delivery.limits.iter().filter(|it| it.blocks).filter_map(|it| it.service.as_ref());
    let unmeasurable = delivery.services.iter().filter(|it| it.not_measurable.is_some()).map(|it| &it.key);
    blocked.chain(unmeasurable).map(|key| key.0.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn order_and_repeats_change_nothing(seed in any::<u64>()) {
        let mut history = golden::history();
        mix(&mut history.events, seed);
        mix(&mut history.executions, seed ^ 1);
        mix(&mut history.actions, seed ^ 2);
        mix(&mut history.deployments, seed ^ 3);
        mix(&mut history.commits, seed ^ 4);
        mix(&mut history.coverage.spans, seed ^ 5);
        prop_assert_eq!(assemble(&history, &golden::estate(), &golden::options()), golden());
    }

    #[test]
    fn what_could_not_be_seen_never_becomes_known_by_seeing_less(fewer in 0_u8..32, more in 0_u8..32) {
        let estate = golden::estate();
        let before = assemble(&without(fewer), &estate, &golden::options());
        let after = assemble(&without(fewer | more), &estate, &golden::options());
        prop_assert!(blind(&before).is_subset(&blind(&after)), "{:?} {:?}", before.limits, after.limits);
        // Where nobody can say anything there is no number to be misread.
        let executions = |delivery: &Delivery| -> BTreeSet<String> {
            delivery.deployments.iter().filter_map(|it| it.execution.clone()).collect()
        };
        prop_assert!(executions(&after).is_subset(&executions(&before)));
        for run in &after.runs {
            let seen = before.runs.iter().find(|it| it.execution == run.execution);
            prop_assert!(seen.is_some_and(|it| it.active_seconds.is_some() || run.active_seconds.is_none()));
            let was_told = seen.is_some_and(|it| it.transition_disabled_seconds.is_some());
            prop_assert!(was_told || run.transition_disabled_seconds.is_none());
        }
        for change in after.changes.iter().filter(|it| it.fate == ChangeFate::Deployed) {
            let seen = before.changes.iter().find(|it| it.commit == change.commit);
            prop_assert!(seen.is_some_and(|it| it.fate == ChangeFate::Deployed), "{change:?} {seen:?}");
        }
    }

    #[test]
    fn a_gap_changes_no_record_and_lifts_no_limit(fewer in 0_u8..32, source in 0_usize..5, timed in any::<bool>(), named in any::<bool>()) {
        let mut history = without(fewer);
        let before = assemble(&history, &golden::estate(), &golden::options());
        history.coverage.gaps.push(HistoryGap {
            source: SOURCES[source],
            subject: named.then(|| PIPELINE.to_owned()),
            from: timed.then_some(datetime!(2026-06-10 0:00 UTC)),
            to: timed.then_some(datetime!(2026-06-11 0:00 UTC)),
            gap: Gap {
                account: golden::account(),
                region: golden::region(),
                service: "codepipeline".to_owned(),
                action: "codepipeline:ListActionExecutions".to_owned(),
                cause: GapCause::Throttled { attempts: 5 },
                affects: Affects::Details,
            },
        });
        let after = assemble(&history, &golden::estate(), &golden::options());
        prop_assert_eq!(&before.deployments, &after.deployments);
        prop_assert_eq!(&before.changes, &after.changes);
        prop_assert!(blind(&before).is_subset(&blind(&after)));
    }
}
