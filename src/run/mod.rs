//! The run directory: evidence, not only output.
//!
//! In: inventories, findings and a report, as they become complete. Out: one folder per run, in which every file appears
//! whole or not at all, and a manifest written last that names the hash of every file and of the run before. It exists
//! so that a killed run goes on where it stopped, and so that nobody has to believe a report that can be checked.
//!
//! ```text
//! <out>/runs/<run-id>/
//!   plan.json                                      what was asked; written first
//!   inventory/organization.jsonl.gz
//!   inventory/account=<id>/inventory.jsonl.gz      written when the account is complete
//!   inventory/account=<id>/referenced.jsonl.gz
//!   findings.spool.jsonl.gz                        all findings in order; every format is made from it
//!   gone.spool.jsonl.gz                            what the run before had and this one has not, and why
//!   report.jsonl.gz                                what else a report is made of: controls, accounts, calls, gaps
//!   findings.csv, findings.json, summary.txt, …
//!   coverage.csv, coverage.json
//!   manifest.json                                  written last: without it the run is unfinished
//!   manifest.signature.json                        where a key is configured
//!   failed.txt                                     instead of it, where a run ended without a verdict
//! <out>/pruned/<run-id>.manifest.json              what is left of a run that was pruned: its link of the chain
//! ```
//!
//! No module here reads a clock: times come in with the [`Plan`], so that a resumed run writes the bytes that an unbroken
//! one would have written.

mod against;
mod among;
mod broadcast;
mod comparison;
mod difference;
mod directory;
mod error;
mod gone;
mod id;
mod last_words;
mod listing;
mod lock;
mod manifest;
mod pending_folder;
mod plan;
mod pruning;
mod sight;
mod signature;
mod spool;
mod store;
mod stored_report;
#[cfg(test)]
mod test_runs;
mod verify;

pub use comparison::CARRIED_FOR_DAYS;
pub use difference::difference;
pub use directory::{FAILED, INVENTORY, ORGANIZATION, REFERENCED, RunDirectory};
pub use error::RunError;
pub use gone::GONE;
pub use id::RunId;
pub use last_words::{LastWords, Word, write_words};
pub use listing::{ListedRun, RunState, find_run, list, run_folder};
pub use lock::lock;
pub use manifest::{FileEntry, MANIFEST, Manifest, PreviousRun};
pub use plan::{PLAN, Plan};
pub use pruning::{Keeping, PRUNED, Pruned, prune};
pub use sight::{Asked, Finder, Finders};
pub use signature::{PublicKey, SIGNATURE, Signature, SignatureError, SigningAlgorithm};
pub use spool::{FindingSpool, FindingSpoolWriter, SPOOL};
pub use store::{Objects, Sent, Store, StoreAddress, StoreError};
pub use stored_report::{STORED_REPORT, StoredReport};
pub use verify::{Link, Signed, Verified, VerifyError, leads_back_to, link_of, verify};

/// Version of the shape of `plan.json`, `manifest.json` and the spool.
pub const SCHEMA_VERSION: u32 = 1;
