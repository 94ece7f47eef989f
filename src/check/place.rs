//! Where a finding points.
//!
//! In: a finding and the resource it is about. Out: the place of what is wrong: an action that the evidence names, a
//! property, or, where something is missing, the resource itself.

use std::sync::Arc;

use crate::finding::{Finding, Related, SourcePlace};
use crate::template::DeclaredResource;

/// Where to look.
pub(super) struct Pointed {
    pub(super) place: SourcePlace,
    /// `Stages/Prod/Deploy`; empty for the resource itself.
    pub(super) property_path: String,
    pub(super) related: Vec<Related>,
}

/// The place of a finding.
pub(super) fn of(declared: &DeclaredResource, _finding: &Finding) -> Pointed {
    let place = SourcePlace { file: Arc::clone(&declared.file), span: declared.span };
    Pointed { place, property_path: String::new(), related: Vec::new() }
}
