//! How a pipeline is run: everything beside what it releases and what stands in the way.
//!
//! In: a pipeline. Out: the facts of the files that it calls, one per subject; it exists so that the pipeline's own file
//! names them once.

use super::pipeline_view::View;
use super::{
    Facts, Joins, pipeline_checks, pipeline_entry, pipeline_notification, pipeline_promotion, pipeline_provenance,
};
use crate::inventory::Resource;

/// Facts that are unknown together if the stages could not be seen.
pub(super) fn of_stages() -> impl Iterator<Item = &'static &'static str> {
    let subjects = [
        pipeline_checks::FACTS,
        pipeline_entry::FACTS,
        pipeline_notification::FACTS,
        pipeline_promotion::FACTS,
        pipeline_provenance::FACTS,
    ];
    subjects.into_iter().flatten()
}

/// Leaves in the joins what other pipelines need to know.
pub(super) fn index(resource: &Resource, joins: &mut Joins) {
    pipeline_provenance::index(resource, joins);
}

/// Adds the facts that need no definition.
pub(super) fn put(facts: &mut Facts, resource: &Resource, joins: &Joins) {
    pipeline_checks::put_required(facts, resource, joins);
    pipeline_notification::put_rules(facts, resource, joins);
    pipeline_provenance::put_tags(facts, resource, joins);
}

/// Adds the facts that follow from the stages.
pub(super) fn put_stages(facts: &mut Facts, view: &View<'_>) {
    pipeline_checks::put(facts, view);
    pipeline_entry::put(facts, view);
    pipeline_notification::put(facts, view);
    pipeline_promotion::put(facts, view);
    pipeline_provenance::put(facts, view);
}
