//! Pipewarden audits the software delivery path of a whole AWS Organization against Cedar policies.
//!
//! One sentence: everything becomes an [`inventory`] of resources in CloudFormation's own words; Cedar policies judge
//! it; findings are written from it.
//!
//! ```text
//!  organization ─► collect ─► inventory ─► facts ─► evaluate ─► finding ─► report
//!  accounts, OUs,  one file    resources    Rust     Cedar       verdicts    one file
//!  roles           a service   + gaps                                        a format
//! ```
//!
//! What happened takes a second road to the same policies: [`history`] holds events and executions, [`dora`] makes
//! deployments, metrics and delivery facts of them, and the facts are resources like all others.
//!
//! Each arrow's payload is serialisable and versioned, so every stage also runs alone from files; [`run`] keeps them.
//! [`audit`] is the one place that knows the order of the stages, [`cli`] the one that prints, and [`simulate`] stands
//! in for AWS. `tests/architecture.rs` holds the walls between them.

pub mod organization;

pub mod collect;

pub mod inventory;

pub mod template;

pub mod facts;

pub mod evaluate;

pub mod finding;

pub mod owners;

pub mod history;

pub mod dora;

pub mod report;

pub mod run;

pub mod audit;

pub mod deliver;

pub mod check;

pub mod config;

pub mod cli;

pub mod simulate;
