//! Cedar policies × facts → findings.
//!
//! In: [`Policies`] (controls and exceptions, validated against the schema) and [`Subject`](crate::facts::Subject)s.
//! Out: one [`Finding`](crate::finding::Finding) per control and resource, with one of four results. It exists so that
//! no other module needs to know Cedar, and in particular that Cedar skips a policy that errs: asking for the decision
//! alone would turn an unknown fact into a pass.

mod cases;
mod condition;
mod control;
mod deciding;
mod embedded;
mod engine;
mod error;
mod exception;
mod explain;
mod frameworks;
mod guidance;
mod handbook;
mod place;
mod policy_set;
mod usage;
mod vocabulary;

pub use cases::{Case, CaseFailure, CorpusRow, corpus, run_cases};
pub use deciding::Deciding;
pub use engine::{Asking, Principal, Settings, unlisted};
pub use error::{EvaluateError, PolicyError, PolicyErrors, SourceText};
pub use exception::{Exception, ExceptionRules};
pub use explain::{Clause, Considered, Explanation, Outcome, Step};
pub use guidance::Guidance;
pub use handbook::handbook;
pub use policy_set::{Loading, Policies, PolicySource};
pub use usage::{EXCEPTION, exception_controls};
pub use vocabulary::{FactWord, Vocabulary};
