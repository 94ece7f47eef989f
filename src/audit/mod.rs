//! The nightly audit: discover → enter every account → collect → judge → report.
//!
//! In: [`AuditOptions`], credentials, a run directory. Out: a finished run. It exists as a module of its own because it
//! is the one place that knows the order of the stages; each stage knows only its neighbours' types, and runs alone from
//! the files that the stage before left.

mod collection;
mod deliveries;
mod evaluation;
mod explanation;
mod finders;
mod lookup;
mod missing;
mod ownership;
mod recheck;
mod regions;
mod trails;

pub use collection::{AccountPart, Collection, CollectionError, Progress, Silent, listed_accounts, to_ask};
pub use deliveries::{
    DELIVERIES, Deliveries, DeliveriesError, HISTORY, HistoryCollection, closed_accounts, deliveries, estate_of,
    history_of, keep_facts,
};
pub use evaluation::{Evaluation, EvaluationError, Judged};
pub use explanation::{ExplainError, Explained, FactOrigin};
pub use finders::finders;
pub use lookup::{LookupError, Wanted, homes, look_up};
pub use missing::{Left, left_nothing};
pub use recheck::{BESIDE_FOR, Beside, Recheck, RecheckError, Rechecked, Target};
pub use regions::RegionChoice;
pub use trails::{TRAIL, TrailBucket, TrailSources};

use crate::collect::Concurrency;
use crate::organization::{AccountFilter, SessionOptions};

/// What is collected, of whom, and how.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// Which accounts.
    pub filter: AccountFilter,
    /// How they are entered.
    pub sessions: SessionOptions,
    /// Which Regions.
    pub regions: RegionChoice,
    /// Caps.
    pub concurrency: Concurrency,
    /// Audit only the account whose credentials are used, without asking Organizations.
    pub single_account: bool,
}

/// The parts of a run that are written per account.
pub const PARTS: [&str; 5] = [crate::run::INVENTORY, crate::run::REFERENCED, collection::UNOWNED, HISTORY, DELIVERIES];

/// IAM actions that the audit calls in every account besides those of the collectors.
pub const ACCOUNT_ACTIONS: &[&str] = &["account:ListRegions"];
