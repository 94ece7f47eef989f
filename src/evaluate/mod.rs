//! Cedar policies × facts → findings.
//!
//! In: [`Policies`] (controls and exceptions, validated against the schema) and [`Subject`](crate::facts::Subject)s.
//! Out: one [`Finding`](crate::finding::Finding) per control and resource, with one of four results. It exists so that
//! no other module needs to know Cedar, and in particular that Cedar skips a policy that errs: asking for the decision
//! alone would turn an unknown fact into a pass.

mod cases;
mod control;
mod engine;
mod error;
mod exception;
mod frameworks;
mod guidance;
mod handbook;
mod policy_set;

pub use cases::{Case, CaseFailure, run_cases};
pub use engine::{Asking, Principal, Settings, unlisted};
pub use error::{EvaluateError, PolicyError, SourceText};
pub use exception::Exception;
pub use guidance::Guidance;
pub use handbook::handbook;
pub use policy_set::{Policies, PolicySource};
