//! History → deployments: retries folded in, waves joined, rollbacks told from releases.
//!
//! In: a history, what the inventory says, options. Out: a [`Delivery`].
//!
//! ```text
//!  history as it was at the moment ─► services with their production
//!      ─► one deployment per execution that reaches production, one per deployment past the pipelines
//!      ─► kind ─► who ─► unplanned ─► evidence ─► changes ─► incidents
//!  runs, tests, and what limits all of it beside
//! ```

use std::collections::BTreeMap;

use super::{Delivery, Estate, Options};
use crate::history::{History, PipelineExecution};

mod actors;
mod changes;
mod evidence;
mod incidents;
mod index;
mod intervals;
mod kind;
mod limits;
mod members;
mod moment;
mod outcome;
mod production;
mod releases;
mod runs;
mod services;
mod test_runs;
#[cfg(test)]
mod tests;
mod unplanned;
mod version;

use index::Index;
use members::Draft;
use services::Landscape;

/// Puts a history in order by service. `history` may hold repeats and be in any order.
///
/// Only what was known at [`Options::as_of`] counts; deployments before [`Options::earliest`] are left out.
#[must_use]
pub fn assemble(history: &History, estate: &Estate, options: &Options) -> Delivery {
    let history = moment::at(history, options.as_of);
    let index = Index::new(&history);
    let landscape = Landscape::of(&index, estate, options);
    let executions: BTreeMap<String, Vec<PipelineExecution>> = landscape
        .pipelines
        .iter()
        .map(|(arn, pipeline)| (arn.clone(), releases::executions(arn, pipeline, &index)))
        .collect();
    let mut drafts = releases::drafts(&landscape, &executions, &index);
    drafts.retain(|draft| draft.time() >= options.earliest());
    let mut drafts = in_lanes(drafts, |lane| {
        kind::decide(lane);
        for draft in lane.iter_mut() {
            actors::name(draft, &landscape, &index, &history.coverage);
            unplanned::decide(draft, &index);
        }
        evidence::gather(lane, &index, options);
    });
    let changes = changes::of(&drafts, &executions, &index);
    let mut services = landscape.services.clone();
    let mut limits = incidents::attribute(&history.incidents, &mut drafts, &changes, &services, options);
    limits.extend(limits::of(&mut services, &landscape, &drafts, &index, options));
    limits.sort();
    limits.dedup();
    let runs = runs::of(&landscape, &executions, &index, &history.coverage, options.as_of);
    let deployments = drafts.into_iter().map(|mut draft| {
        draft.deployment.evidence.sort();
        draft.deployment.evidence.dedup();
        draft.deployment
    });
    Delivery {
        deployments: deployments.collect(),
        changes,
        runs,
        tests: test_runs::of(&landscape, &index),
        services,
        limits,
        coverage: history.coverage.clone(),
    }
}

/// Works on the drafts of each lane by itself, in the order of time, and gives all of them back in that order.
fn in_lanes<'a>(drafts: Vec<Draft<'a>>, mut work: impl FnMut(&mut Vec<Draft<'a>>)) -> Vec<Draft<'a>> {
    let mut lanes: BTreeMap<String, Vec<Draft<'a>>> = BTreeMap::new();
    for draft in drafts {
        lanes.entry(draft.lane.clone()).or_default().push(draft);
    }
    let mut all = Vec::new();
    for mut lane in lanes.into_values() {
        work(&mut lane);
        all.append(&mut lane);
    }
    releases::sort(&mut all);
    all
}
