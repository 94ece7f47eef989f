//! A finished run → those who have to know of it. One target is one file.
//!
//! In: a finished run and its report. Out: objects, findings, messages and issues elsewhere, and a record of what was
//! sent beside the runs. A delivery starts after the manifest is written, so none that fails can lose a report; it is
//! repeated by delivering the same run again, which sends nothing twice.

mod asff;
mod attachment;
mod contacts;
mod email;
mod estate_in_sight;
mod every;
mod memory;
mod messenger;
mod notice;
mod outcome;
mod owner_notice;
mod receiver;
mod refusals;
mod retry;
mod s3;
mod s3_upload;
mod security_hub;
mod security_hub_ended;
mod security_hub_import;
mod security_hub_tally;
mod sns;
mod tickets;
mod webhook;
mod when;

pub use contacts::Contacts;
pub use every::{FailedRun, Opened, deliver_all, notify_failure, open_all, preview_all};
pub use memory::Memory;
pub use notice::{Notice, NoticeFinding, Verdict};
pub use outcome::{Outcome, Status, read_record, table, write_record};
pub use receiver::{Deliveries, Grant, Kind, Misconfigured, Receiver, Target, Way};
pub use retry::{Failed, Pace, Retry};
pub use when::When;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::collect::CallError;
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
    /// Where a person finds the report: an address, or the run's folder.
    pub report_location: String,
}

/// What a delivery would send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// Things by what they are: `files`, `findings`, `message`.
    pub things: Vec<PreviewLine>,
    /// Things that the receiver has already, as far as the memory knows.
    pub unchanged: u64,
}

impl Preview {
    /// Of a delivery that would refuse the run.
    fn refused(why: &str) -> Self {
        let line = PreviewLine { what: format!("nothing would be sent: {why}"), count: 0, bytes: 0 };
        Self { things: vec![line], unchanged: 0 }
    }
}

/// Things of one sort that would be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewLine {
    /// What they are, with the place where it matters: `findings to 111122223333 in eu-west-1`.
    pub what: String,
    /// How many; none: a sentence on what would not be sent.
    pub count: u64,
    /// Their size.
    pub bytes: u64,
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
    /// Another process delivers the same.
    #[error(
        "another pipewarden delivers `{name}` (it holds {path}); wait until it has ended, then deliver the run again"
    )]
    Busy {
        /// What the configuration calls the delivery.
        name: String,
        /// The memory that it holds.
        path: String,
    },
}

impl DeliveryError {
    /// A call to AWS that came to nothing.
    pub(crate) fn of_call(receiver: &str, error: &CallError, hint: impl Into<String>) -> Self {
        Self::Receiver {
            receiver: receiver.to_owned(),
            problem: format!("{}: {}", error.action, error.cause),
            hint: hint.into(),
        }
    }

    /// A file or the findings of the run that cannot be read.
    pub(crate) fn unreadable(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Run(crate::run::RunError::Io { action: "read", path, source })
    }
}

/// One configured receiver.
#[async_trait]
pub trait Delivery: Send + Sync {
    /// What the configuration calls it; unique among all deliveries, `a-z`, `0-9` and `-`.
    fn name(&self) -> &str;

    /// Where it goes, for the table of outcomes; never a secret: `s3://bucket/prefix`.
    fn receiver(&self) -> String;

    /// What [`Self::deliver`] would send; nothing is asked and nothing is sent.
    async fn preview(&self, package: &Package<'_>, memory: &Memory) -> Result<Preview, DeliveryError>;

    /// Delivers; what `memory` says was delivered is not sent again.
    async fn deliver(&self, package: &Package<'_>, memory: &mut Memory) -> Result<Delivered, DeliveryError>;

    /// Says that a run ended without a verdict; `None` where the receiver takes no messages.
    async fn deliver_failure(
        &self,
        _failed: &FailedRun<'_>,
        _memory: &mut Memory,
    ) -> Result<Option<Delivered>, DeliveryError> {
        Ok(None)
    }
}

/// All kinds of receivers. The tables under `[deliveries]`, `pipewarden role --deliveries` and the tests follow from the
/// slice.
pub const KINDS: &[&dyn Kind] = &[
    &s3::S3,
    &security_hub::SecurityHub,
    &sns::Sns,
    &webhook::Webhook,
    &email::Email,
    &tickets::GitHub,
    &tickets::Jira,
];
