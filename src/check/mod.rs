//! The gate in a pull request: files → findings with file and line.
//!
//! In: groups of declared resources, the policies of the nightly audit. Out: a
//! [`TemplateFinding`](crate::finding::TemplateFinding) per control and resource. It exists as a module of its own because
//! it is the one place that knows how open values are tried: the facts and the policies are the audit's, unchanged, so that
//! both can never disagree.
//!
//! A template leaves values open in two ways, and each is answered by trying:
//!
//! * A **choice** ([`crate::template::Choice`]) decides what is declared. Every choice is made each way; a verdict that
//!   flips is reported with both answers (`worlds`).
//! * A **hole** ([`crate::template::Hole`]) is a value somewhere in a property. Facts are derived with everything that the
//!   value could be (`possible`); a fact that comes out the same is known, one that does not is unknown (`facts`).

mod baseline;
mod causes;
mod change;
mod facts;
mod judge;
mod named;
mod place;
mod possible;
mod protection;
mod removals;
mod samples;
mod stages;
mod surroundings;
#[cfg(test)]
pub(crate) mod testing;
mod verdict;
mod worlds;

pub use baseline::{BASELINE_SCHEMA_VERSION, Baseline, BaselineError};
pub use change::{Comparison, Matching};
pub use judge::{Check, CheckError, Checked, Looked, types_of};
