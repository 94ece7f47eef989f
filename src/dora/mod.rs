//! Deployments and the metrics of DORA.
//!
//! In: a [`History`](crate::history::History), an [`Estate`] (what the inventory says of the same things), and
//! [`Options`]. Out: a [`Delivery`] (services, deployments, changes, runs), [`Measurements`] made of it, and the
//! delivery facts that policies judge. Pure: no clock, environment, network or file, so that the same history gives the
//! same numbers.
//!
//! ```text
//!  History + Estate ─► assemble ─► Delivery ─┬─► metrics ─► Measurements ─► report
//!                                            └─► governance ─► resources ─► facts ─► Cedar
//! ```
//!
//! What is not known is `None` with a reason, never zero: a service without data has no change fail rate, not a perfect
//! one. The metrics are those of DORA's guide (<https://dora.dev/guides/dora-metrics/>), five since 2024.

pub mod assemble;
mod delivery;
mod deployment;
mod estate;
#[cfg(test)]
pub(crate) mod golden;
pub mod governance;
mod measurement;
pub mod metrics;
mod options;
mod service;

pub use delivery::{Change, ChangeFate, Delivery, Limit, Run, RunOutcome, TestRun};
pub use deployment::{
    Confidence, Deployment, DeploymentKind, Evidence, EvidenceCode, Member, Outcome, Target, TriggerKind,
};
pub use estate::Estate;
pub use measurement::{
    Basis, Bucket, BucketLength, Distribution, Group, GroupKind, GroupMeasurements, LeadTime, Measure, MeasureStatus,
    Measurements, MetricName, QuickCheck, Statistic, Tier, Unit, Value,
};
pub use options::{FreezeWindow, Options, OptionsError, ServiceRule};
pub use service::{Service, ServiceKey};
