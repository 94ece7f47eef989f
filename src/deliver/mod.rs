//! A finished run → those who have to know of it. One target is one file.
//!
//! In: a finished run and its report. Out: objects, findings, messages and issues elsewhere, and a record of what was
//! sent beside the runs. A delivery starts after the manifest is written, so none that fails can lose a report; it is
//! repeated by delivering the same run again, which sends nothing twice.

mod memory;

pub use memory::Memory;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::report::Report;
use crate::run::{Manifest, RunDirectory};

/// What is delivered.
pub struct Package<'a> {
    /// The finished run.
    pub run: &'a RunDirectory,
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// Its report; findings are streamed from the run.
    pub report: &'a Report<'a>,
    /// When it is delivered, for receivers that ask.
    pub now: OffsetDateTime,
}

/// What came of a delivery.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Things that the receiver took: objects, findings, messages, issues.
    pub sent: u64,
    /// Things that the receiver had already.
    pub unchanged: u64,
    /// Things that the receiver refused, one sentence each; the rest was delivered.
    pub refused: Vec<String>,
}

/// A delivery that came to nothing, or broke off; delivering again goes on with it.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The run cannot be read.
    #[error(transparent)]
    Run(#[from] crate::run::RunError),
    /// The receiver cannot be reached or refuses.
    #[error("{receiver}: {problem}; {hint}")]
    Receiver {
        /// Who: `s3://bucket/prefix`, `Security Hub of 111122223333 in eu-west-1`.
        receiver: String,
        /// What it said.
        problem: String,
        /// How to mend it.
        hint: String,
    },
    /// The memory of earlier deliveries cannot be read or written.
    #[error("cannot {action} {path}: {source}")]
    Memory {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// One configured receiver.
#[async_trait]
pub trait Delivery: Send + Sync {
    /// What the configuration calls it; unique among all deliveries, `a-z`, `0-9` and `-`.
    fn name(&self) -> &str;

    /// Delivers; what `memory` says was delivered is not sent again.
    async fn deliver(&self, package: &Package<'_>, memory: &mut Memory) -> Result<Delivered, DeliveryError>;
}
