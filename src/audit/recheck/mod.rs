//! A few resources, looked at again between two full runs.
//!
//! In: ARNs, the way into accounts, a run directory of their own, and the newest full run. Out: a judged run with findings
//! on these resources and on those of the same Regions that name them, and on nothing else. The account and the Regions of
//! a resource are asked as a full run asks them, and so is every account about what is named there; what other accounts
//! and Regions hold besides is taken from the full run, or is unknown where there is none that is young enough.
//!
//! Nothing here can turn into a pass what a full run would not pass: accounts that nobody looked at are gaps over all that
//! they may hold, and the facts are the same code.

mod collection;
mod dependents;
mod estate;
mod judgement;
mod survey;
mod target;

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

pub use judgement::Rechecked;
pub use target::Target;

use super::{AuditOptions, CollectionError, EvaluationError};
use crate::inventory::AccountId;
use crate::organization::Sessions;
use crate::run::{MANIFEST, ORGANIZATION, RunDirectory, RunError};
use survey::Survey;

/// For how long after its start a full run says what other accounts hold: a night's run, and the time it may take.
pub const BESIDE_FOR: Duration = Duration::hours(26);

/// A recheck that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RecheckError {
    /// The organization or an account could not be collected.
    #[error(transparent)]
    Collection(#[from] CollectionError),
    /// A run directory failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// It could not be judged.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// No ARN.
    #[error("`{0}` is no ARN; write one such as `arn:aws:codepipeline:eu-west-1:111122223333:web`")]
    NoArn(String),
    /// Nobody says where it is.
    #[error(
        "{arn} does not say in which account it is, and no full run knows it; name the account with `--account`, or audit \
         everything once"
    )]
    NoAccount {
        /// The resource.
        arn: String,
    },
    /// Its account is in nothing that is known of the organization.
    #[error("{arn}: account {account} is not in what is known of the organization; audit everything once")]
    NewAccount {
        /// The resource.
        arn: String,
        /// Its account.
        account: AccountId,
    },
    /// Nobody audits it.
    #[error("{arn}: {why}; the configuration decides what is audited")]
    LeftOut {
        /// The resource.
        arn: String,
        /// `account 111122223333 is not among the accounts that are audited`
        why: String,
    },
}

/// The full run that stands beside a recheck.
#[derive(Debug, Default)]
pub struct Beside {
    /// The full run that looked last: lifecycle is told against it.
    pub newest: Option<RunDirectory>,
    /// Whether it is young enough to say what other accounts hold.
    pub is_young: bool,
}

impl Beside {
    /// The finished full run in a folder that looked last before `now`; it is young for `hours`, or for [`BESIDE_FOR`].
    /// Only one that is `alike`, because it looked at the same organization, accounts and Regions, says what is not looked
    /// at again; without one, any is compared with.
    ///
    /// # Errors
    /// [`RunError`] if the folder cannot be read; a run that cannot be read is passed over.
    pub fn find(
        out: &std::path::Path,
        now: OffsetDateTime,
        hours: Option<i64>,
        alike: &dyn Fn(&RunDirectory) -> bool,
    ) -> Result<Self, RunError> {
        let listed = crate::run::list(out)?;
        let opened = listed.iter().filter_map(|run| RunDirectory::open(&run.path).ok());
        let whole = opened.filter(|run| {
            run.path().join(MANIFEST).is_file() && run.has_part(None, ORGANIZATION) && run.manifest().is_ok()
        });
        let newest = whole.max_by_key(|run| (alike(run), run.observed_at(), run.plan().run_id.clone()));
        let age = newest.as_ref().and_then(|run| OffsetDateTime::parse(&run.observed_at(), &Rfc3339).ok());
        let young_for = hours.map_or(BESIDE_FOR, Duration::hours);
        let is_alike = newest.as_ref().is_some_and(alike);
        Ok(Self { is_young: is_alike && age.is_some_and(|looked| now - looked < young_for), newest })
    }

    /// The run that says what other accounts hold.
    #[must_use]
    pub fn inventories(&self) -> Option<&RunDirectory> {
        self.newest.as_ref().filter(|_| self.is_young)
    }
}

/// A recheck into one run directory.
#[derive(Clone, Copy)]
pub struct Recheck<'a> {
    /// The way into accounts.
    pub sessions: &'a Sessions,
    /// What a full run collects, and of whom.
    pub options: &'a AuditOptions,
    /// Where to; never the folder of full runs.
    pub run: &'a RunDirectory,
    /// The newest full run.
    pub beside: &'a Beside,
    /// What is looked at.
    pub targets: &'a [Target],
}

/// Accounts that are looked into, each with its Regions; without any, all that the configuration names.
pub(super) type Places =
    std::collections::BTreeMap<AccountId, Option<std::collections::BTreeSet<crate::inventory::Region>>>;

impl Recheck<'_> {
    fn survey(&self) -> Result<Survey, RunError> {
        Survey::of(self.beside.inventories(), self.targets)
    }
}
