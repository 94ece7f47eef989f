//! Could a run have seen what it does not show any more?
//!
//! In: what a run looked at: accounts, controls, the ledger of calls, gaps, what was left out. Out: for a finding that an
//! earlier run had and this one has not, whether this run looked where it would be, and saw that it is gone, or why
//! nobody can say. In doubt nobody can say: a gap must never make a violation look mended.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Control, Finding, ResourceRef};
use crate::inventory::{AccountId, Affects, Coverage, Gap, GapCause, Region, ResourceUid, Skip, TypeName};
use crate::report::{AccountInfo, Report};

/// How a run comes to know of things of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finder {
    /// A service lists them.
    Listed {
        /// Its IAM prefix, as in the ledger of calls.
        service: &'static str,
        /// Whether it is asked in every Region; otherwise once per account.
        in_every_region: bool,
    },
    /// Something else names them, in whatever account.
    Named,
    /// A history tells of them.
    Told,
    /// The policies of the run hold them, so they are always known in full.
    Written,
}

/// How things of each type are found.
#[derive(Debug, Clone, Default)]
pub struct Finders(pub BTreeMap<TypeName, Finder>);

impl Finders {
    /// Whether things of a type are [`Finder::Written`].
    pub(super) fn is_written(&self, type_name: &TypeName) -> bool {
        self.of(type_name) == Some(Finder::Written)
    }

    fn of(&self, type_name: &TypeName) -> Option<Finder> {
        self.0.get(type_name).copied()
    }

    fn lists(&self, service: &str) -> bool {
        self.0.values().any(|finder| matches!(finder, Finder::Listed { service: listing, .. } if *listing == service))
    }
}

/// What an earlier run could see, as far as it says whether a later one sees less.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    places: BTreeSet<(AccountId, Region)>,
    refused: BTreeSet<Refused>,
}

/// A gap that is the same each time somebody looks.
type Refused = (AccountId, Region, String, Affects);

impl Seen {
    /// Of a run with this ledger and these gaps.
    pub(super) fn of(coverage: &Coverage, gaps: &[Gap], finders: &Finders) -> Self {
        let places = coverage
            .rows()
            .filter(|(key, counts)| counts.ok > 0 && finders.lists(&key.service))
            .map(|(key, _)| (key.account.clone(), key.region.clone()))
            .collect();
        Self { places, refused: gaps.iter().filter_map(refused).collect() }
    }
}

/// A call that was refused hides the same things each time; one that broke off somewhere may hide others.
fn refused(gap: &Gap) -> Option<Refused> {
    let stays = matches!(
        gap.cause,
        GapCause::AccessDenied { .. }
            | GapCause::RoleNotAssumed { .. }
            | GapCause::Unsupported { .. }
            | GapCause::NotConfigured { .. }
            | GapCause::OutsideOrganization { .. }
    );
    stays.then(|| (gap.account.clone(), gap.region.clone(), gap.action.clone(), gap.affects.clone()))
}

/// What a run says of something that it does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// It looked, and it is gone: one sentence.
    Gone(String),
    /// It could not look: one sentence.
    Hidden(String),
    /// It shows the same thing in another place.
    Moved,
}

/// Answers with what the run could see that started at an RFC 3339 time.
pub(super) type SeenAt<'a> = dyn Fn(&str) -> Option<Seen> + 'a;

/// What a run looked at.
pub(super) struct Sight<'a> {
    controls: &'a BTreeMap<String, Control>,
    accounts: &'a BTreeMap<AccountId, AccountInfo>,
    finders: &'a Finders,
    gaps: &'a [Gap],
    skips_of: BTreeMap<&'a AccountId, Vec<&'a Skip>>,
    gaps_of: BTreeMap<&'a AccountId, Vec<&'a Gap>>,
    answered: BTreeSet<(&'a AccountId, &'a Region, &'a str)>,
    /// The same without Regions.
    asked_of: BTreeSet<(&'a AccountId, &'a str)>,
    /// Things of [`Finder::Written`] that the run shows.
    written: BTreeSet<ResourceUid>,
    seen_at: &'a SeenAt<'a>,
    /// By the start of an earlier run: why names that it saw may be hidden from this one.
    hidden_names: RefCell<BTreeMap<String, Option<String>>>,
}

impl<'a> Sight<'a> {
    pub(super) fn of(report: &'a Report<'_>, finders: &'a Finders, seen_at: &'a SeenAt<'a>) -> Self {
        let mut gaps_of: BTreeMap<&AccountId, Vec<&Gap>> = BTreeMap::new();
        for gap in report.gaps {
            gaps_of.entry(&gap.account).or_default().push(gap);
        }
        let mut skips_of: BTreeMap<&AccountId, Vec<&Skip>> = BTreeMap::new();
        for skip in &report.coverage.skipped {
            skips_of.entry(&skip.account).or_default().push(skip);
        }
        let answered: BTreeSet<(&AccountId, &Region, &str)> = report
            .coverage
            .rows()
            .filter(|(key, counts)| counts.ok > 0 && finders.lists(&key.service))
            .map(|(key, _)| (&key.account, &key.region, key.service.as_str()))
            .collect();
        Self {
            controls: &report.controls,
            accounts: &report.accounts,
            finders,
            gaps: report.gaps,
            skips_of,
            gaps_of,
            asked_of: answered.iter().map(|(account, _, service)| (*account, *service)).collect(),
            answered,
            written: BTreeSet::new(),
            seen_at,
            hidden_names: RefCell::default(),
        }
    }

    /// The same, which shows these things of [`Finder::Written`].
    pub(super) fn with_written(self, written: BTreeSet<ResourceUid>) -> Self {
        Self { written, ..self }
    }

    /// What became of a finding that this run does not have; `last_observed_at` is the start of the run that saw it last.
    pub(super) fn look(&self, finding: &Finding, last_observed_at: &str) -> Look {
        let resource = &finding.resource;
        let finder = self.finders.of(&resource.type_name);
        if finder == Some(Finder::Written) {
            // What is written belongs to the account that audits, and another may audit the next time.
            if self.written.contains(&resource.uid) {
                return Look::Moved;
            }
            return Look::Gone("it was taken out of the policies".to_owned());
        }
        if !self.controls.contains_key(&finding.control) {
            return Look::Hidden(format!("control `{}` was not asked in this run", finding.control));
        }
        if let Some(why) = self.out_of_sight(resource, finder) {
            return Look::Hidden(why);
        }
        match finder {
            Some(Finder::Listed { service, in_every_region }) => {
                let place = (&resource.account, &resource.region);
                if self.was_asked(place, service, in_every_region) {
                    Look::Gone("the resource is gone".to_owned())
                } else {
                    let (account, region) = place;
                    Look::Hidden(format!("{service} was not asked in {account} {region} in this run"))
                }
            }
            Some(Finder::Named) => match self.hides_names(last_observed_at) {
                None => Look::Gone("nothing that this run saw names it any more".to_owned()),
                Some(why) => Look::Hidden(why),
            },
            Some(Finder::Told) => Look::Hidden("the history that this run read does not tell of it".to_owned()),
            Some(Finder::Written) | None => {
                Look::Hidden(format!("this run did not look for {} in the account", resource.type_name))
            }
        }
    }

    /// Why nobody looked where the resource would be, if it is known beforehand.
    fn out_of_sight(&self, resource: &ResourceRef, finder: Option<Finder>) -> Option<String> {
        let ResourceRef { account, region, .. } = resource;
        if !self.accounts.contains_key(account) {
            return Some(format!("account {account} is not among the accounts of the organization any more"));
        }
        for skip in self.skips_of.get(account).into_iter().flatten() {
            if skip.region == Region::GLOBAL {
                return Some(format!("account {account} was left out: {}", skip.reason));
            }
            if skip.region == *region {
                return Some(format!("{account} {region} was left out: {}", skip.reason));
            }
        }
        let gaps = self.gaps_of.get(account).map(Vec::as_slice).unwrap_or_default();
        let hiding = gaps.iter().find(|gap| hides(gap, resource, finder))?;
        Some(format!("it could not be looked at: {}", hiding.sentence()))
    }

    fn was_asked(&self, (account, region): (&AccountId, &Region), service: &str, in_every_region: bool) -> bool {
        if in_every_region && *region != Region::GLOBAL {
            return self.answered.contains(&(account, region, service));
        }
        self.asked_of.contains(&(account, service))
    }

    /// Why something that names it may be hidden from this run, though it was not from the one that saw it last.
    fn hides_names(&self, last_observed_at: &str) -> Option<String> {
        if let Some(known) = self.hidden_names.borrow().get(last_observed_at) {
            return known.clone();
        }
        let why = match (self.seen_at)(last_observed_at) {
            None => Some("the run that saw it last is no longer kept, so nobody can say what named it".to_owned()),
            Some(then) => self.sees_less_than(&then),
        };
        self.hidden_names.borrow_mut().insert(last_observed_at.to_owned(), why.clone());
        why
    }

    fn sees_less_than(&self, then: &Seen) -> Option<String> {
        let excused = |gap: &&Gap| refused(gap).is_some_and(|refused| then.refused.contains(&refused));
        if let Some(gap) = self.gaps.iter().find(|gap| !excused(gap)) {
            return Some(format!("what names it may be hidden: {}", gap.sentence()));
        }
        let places: BTreeSet<(&AccountId, &Region)> =
            self.answered.iter().map(|(account, region, _)| (*account, *region)).collect();
        let missing = then.places.iter().find(|(account, region)| !places.contains(&(account, region)))?;
        let (account, region) = missing;
        Some(format!("what names it may be hidden: nobody looked into {account} {region} in this run"))
    }
}

/// Whether a gap in the resource's own account may be why it is not there.
fn hides(gap: &Gap, resource: &ResourceRef, finder: Option<Finder>) -> bool {
    let here = gap.region == resource.region || gap.region == Region::GLOBAL || resource.region == Region::GLOBAL;
    match &gap.affects {
        Affects::Account => true,
        Affects::Types { types } => here && types.contains(&resource.type_name),
        Affects::Property { resource: of, .. } => *of == resource.uid,
        Affects::Details => here && matches!(finder, Some(Finder::Listed { service, .. }) if service == gap.service),
    }
}
