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
        /// The IAM actions that are called for it, with prefix. Others of the same service say nothing of it: a history
        /// is read with some.
        actions: &'static [&'static str],
        /// Where it is asked.
        asked: Asked,
    },
    /// Something else names them, in whatever account.
    Named,
    /// A history tells of them.
    Told,
    /// The policies of the run hold them, so they are always known in full.
    Written,
}

/// Where a service is asked for what it lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// In every Region.
    EveryRegion,
    /// In Regions where one that is asked in every Region has something, or did not answer.
    OccupiedRegion,
    /// Once per account, for all Regions.
    Account,
}

/// How things of each type are found.
#[derive(Debug, Clone, Default)]
pub struct Finders {
    /// By type.
    pub of_type: BTreeMap<TypeName, Finder>,
    /// IAM actions, with prefix, that only histories are read with: they tell what happened, and name nothing that a
    /// delivery path stands on.
    pub of_history: BTreeSet<&'static str>,
}

impl Finders {
    /// Whether things of a type are [`Finder::Written`].
    pub(super) fn is_written(&self, type_name: &TypeName) -> bool {
        self.of(type_name) == Some(Finder::Written)
    }

    fn of(&self, type_name: &TypeName) -> Option<Finder> {
        self.of_type.get(type_name).copied()
    }

    /// Services that list something, each with the actions that are called for it, as the ledger of calls names both.
    fn listings(&self) -> BTreeSet<(&'static str, &'static str)> {
        let mut listings = BTreeSet::new();
        for finder in self.of_type.values() {
            if let Finder::Listed { service, actions, .. } = finder {
                listings.extend(actions.iter().map(|action| (*service, without_prefix(action))));
            }
        }
        listings
    }

    /// Services that are asked in every Region.
    fn everywhere(&self) -> BTreeSet<&'static str> {
        let of = |finder: &Finder| match finder {
            Finder::Listed { service, asked: Asked::EveryRegion, .. } => Some(*service),
            _ => None,
        };
        self.of_type.values().filter_map(of).collect()
    }

    /// Whether something that names others may be hidden by the gap. What only histories would have told is not of that
    /// kind, nor is what was seen and decides nothing.
    fn may_hide_names(&self, gap: &Gap) -> bool {
        match &gap.affects {
            Affects::Account | Affects::Types { .. } => true,
            Affects::Property { resource, .. } if resource.is_of_history() => false,
            Affects::Property { .. } | Affects::Details => {
                !matches!(gap.cause, GapCause::Undecided { .. }) && !self.of_history.contains(gap.action.as_str())
            }
        }
    }
}

fn without_prefix(action: &'static str) -> &'static str {
    action.split_once(':').map_or(action, |(_, name)| name)
}

/// Accounts and Regions in which a service that lists something answered.
fn answered<'a>(
    coverage: &'a Coverage,
    finders: &Finders,
) -> impl Iterator<Item = (&'a AccountId, &'a Region, &'a str)> {
    let listings = finders.listings();
    let counts = coverage.rows().filter(|(_, counts)| counts.ok > 0);
    let own = counts.filter(move |(key, _)| listings.contains(&(key.service.as_str(), key.action.as_str())));
    own.map(|(key, _)| (&key.account, &key.region, key.service.as_str()))
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
        let places =
            answered(coverage, finders).map(|(account, region, _)| (account.clone(), region.clone())).collect();
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
        let answered: BTreeSet<(&AccountId, &Region, &str)> = answered(report.coverage, finders).collect();
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
            Some(Finder::Listed { service, asked, .. }) => {
                let place = (&resource.account, &resource.region);
                if self.was_asked(place, service, asked) {
                    Look::Gone("the resource is gone".to_owned())
                } else if asked == Asked::OccupiedRegion && self.is_empty(place) {
                    Look::Gone("nothing of the delivery path is left in its Region".to_owned())
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
            let mut gaps = self.gaps_of.values().flatten();
            if let Some(gap) = gaps.find(|gap| gap.hides_type(&TypeName::ACCOUNT)) {
                return Some(format!("it could not be looked at: {}", gap.sentence()));
            }
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

    fn was_asked(&self, (account, region): (&AccountId, &Region), service: &str, asked: Asked) -> bool {
        if asked != Asked::Account && *region != Region::GLOBAL {
            return self.answered.contains(&(account, region, service));
        }
        self.asked_of.contains(&(account, service))
    }

    /// Whether every service that is asked in every Region answered there. Asked of a Region that was not looked at any
    /// closer, and that is only one in which they all had nothing.
    fn is_empty(&self, (account, region): (&AccountId, &Region)) -> bool {
        let gaps = self.gaps_of.get(account).map(Vec::as_slice).unwrap_or_default();
        let here = |gap: &&&Gap| gap.region == *region || gap.region == Region::GLOBAL;
        let everywhere = self.finders.everywhere();
        !everywhere.is_empty()
            && everywhere.iter().all(|service| self.answered.contains(&(account, region, *service)))
            && !gaps.iter().filter(here).any(|gap| everywhere.contains(gap.service.as_str()))
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
        let mut hiding = self.gaps.iter().filter(|gap| self.finders.may_hide_names(gap));
        if let Some(gap) = hiding.find(|gap| !excused(gap)) {
            return Some(format!("what names it may be hidden: {}", gap.sentence()));
        }
        let places: BTreeSet<(&AccountId, &Region)> =
            self.answered.iter().map(|(account, region, _)| (*account, *region)).collect();
        let missing = then.places.iter().find(|(account, region)| !places.contains(&(account, region)))?;
        let (account, region) = missing;
        Some(format!("what names it may be hidden: nobody looked into {account} {region} in this run"))
    }
}

const NOTHING: &[&str] = &[];

/// Whether a gap in the resource's own account may be why it is not there.
fn hides(gap: &Gap, resource: &ResourceRef, finder: Option<Finder>) -> bool {
    let (of_account, actions) = match finder {
        Some(Finder::Listed { actions, asked, .. }) => (asked == Asked::Account, actions),
        _ => (false, NOTHING),
    };
    // What is listed for all Regions at once is hidden in all of them, whichever was asked.
    let here = of_account
        || gap.region == resource.region
        || gap.region == Region::GLOBAL
        || resource.region == Region::GLOBAL;
    match &gap.affects {
        Affects::Account => true,
        Affects::Types { types } => here && types.contains(&resource.type_name),
        Affects::Property { resource: of, .. } => *of == resource.uid,
        Affects::Details => here && actions.contains(&gap.action.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{ComplianceType, Severity};
    use crate::inventory::{CoverageKey, Outcome};
    use crate::report::{Counts, OverTime, RunInfo};

    const ACCOUNT: &str = "111111111111";
    const HOME: &str = "us-east-1";
    const ELSEWHERE: &str = "eu-west-1";
    const THEN: &str = "2026-11-20T02:00:00Z";

    fn finders() -> Finders {
        let listed = |service, actions, asked| Finder::Listed { service, actions, asked };
        Finders {
            of_type: BTreeMap::from([
                (TypeName::PIPELINE, listed("codepipeline", &["codepipeline:ListPipelines"], Asked::EveryRegion)),
                (TypeName::PROJECT, listed("codebuild", &["codebuild:ListProjects"], Asked::EveryRegion)),
                (
                    TypeName::RECORDER,
                    listed("config", &["config:DescribeConfigurationRecorders"], Asked::OccupiedRegion),
                ),
                (
                    TypeName::TRAIL,
                    listed("cloudtrail", &["cloudtrail:ListTrails", "cloudtrail:DescribeTrails"], Asked::Account),
                ),
                (TypeName::BUCKET, Finder::Named),
            ]),
            of_history: BTreeSet::from(["cloudtrail:LookupEvents"]),
        }
    }

    fn covered(calls: &[(&str, &str)]) -> Coverage {
        let mut coverage = Coverage::default();
        for (region, action) in calls {
            let (service, action) = action.split_once(':').unwrap();
            let key = CoverageKey {
                account: ACCOUNT.parse().unwrap(),
                region: region.parse().unwrap(),
                service: service.to_owned(),
                action: action.to_owned(),
            };
            coverage.record(key, Outcome::Ok);
        }
        coverage
    }

    fn gap(region: &str, action: &str, cause: GapCause, affects: Affects) -> Gap {
        Gap {
            account: ACCOUNT.parse().unwrap(),
            region: region.parse().unwrap(),
            service: action.split(':').next().unwrap().to_owned(),
            action: action.to_owned(),
            cause,
            affects,
        }
    }

    fn throttled() -> GapCause {
        GapCause::Throttled { attempts: 3 }
    }

    /// What a run with these calls and gaps says of a violation of something that it does not show, if the run before
    /// had the same calls and no gaps.
    fn look(type_name: TypeName, region: &str, calls: &[(&str, &str)], gaps: &[Gap]) -> Look {
        let finders = finders();
        let coverage = covered(calls);
        let id: AccountId = ACCOUNT.parse().unwrap();
        let resource = ResourceRef {
            uid: ResourceUid("arn:aws:x:::gone".to_owned()),
            type_name: type_name.clone(),
            account: id.clone(),
            region: region.parse().unwrap(),
        };
        let control = Control {
            id: "x".to_owned(),
            title: String::new(),
            severity: Severity::High,
            resource_type: type_name,
            remediation: String::new(),
            frameworks: Vec::new(),
        };
        let finding = Finding {
            id: Finding::stable_id("x", &resource),
            control: "x".to_owned(),
            severity: Severity::High,
            compliance: ComplianceType::NonCompliant,
            resource: resource.into(),
            evidence: BTreeMap::new(),
            gaps: Vec::new(),
            exception: None,
            owner: None,
            lifecycle: None,
        };
        let info = AccountInfo { id: id.clone(), name: String::new(), organizational_unit_path: String::new() };
        let none: Vec<Finding> = Vec::new();
        let report = Report {
            run: RunInfo {
                run_id: String::new(),
                started_at: String::new(),
                tool_version: String::new(),
                organization: String::new(),
                policy_hash: String::new(),
            },
            controls: BTreeMap::from([("x".to_owned(), control)]),
            frameworks: BTreeMap::new(),
            accounts: BTreeMap::from([(id, info)]),
            counts: Counts::default(),
            coverage: &coverage,
            gaps,
            findings: &none,
            calls: coverage.totals(),
            over_time: OverTime::default(),
        };
        let seen_at = |_: &str| Some(Seen::of(&coverage, &[], &finders));
        Sight::of(&report, &finders, &seen_at).look(&finding, THEN)
    }

    fn is_gone(look: &Look) -> bool {
        matches!(look, Look::Gone(_))
    }

    #[test]
    fn what_is_listed_once_for_all_regions_is_hidden_in_all_of_them() {
        let types = || Affects::Types { types: vec![TypeName::TRAIL] };
        let history = (ELSEWHERE, "cloudtrail:LookupEvents");
        let listed = [(HOME, "cloudtrail:ListTrails"), (HOME, "cloudtrail:DescribeTrails"), history];
        let trail = |calls: &[(&str, &str)], gaps: &[Gap]| look(TypeName::TRAIL, ELSEWHERE, calls, gaps);
        assert!(is_gone(&trail(&listed, &[])));
        let denied = GapCause::AccessDenied { message: String::new() };
        let unlisted = gap(HOME, "cloudtrail:ListTrails", denied, types());
        let seen = trail(&[(HOME, "cloudtrail:DescribeTrails"), history], &[unlisted]);
        assert!(matches!(&seen, Look::Hidden(why) if why.contains("cloudtrail:ListTrails")), "{seen:?}");
        // A history that was read from the same service lists no trails, nor does one that was not hide any.
        let seen = trail(&[history], &[]);
        assert!(matches!(&seen, Look::Hidden(why) if why.contains("was not asked")), "{seen:?}");
        let unread = gap(HOME, "cloudtrail:LookupEvents", throttled(), Affects::Details);
        assert!(is_gone(&trail(&listed, &[unread])));
        let details = gap(HOME, "cloudtrail:DescribeTrails", throttled(), Affects::Details);
        assert!(!is_gone(&trail(&listed, &[details])));
    }

    #[test]
    fn what_only_histories_tell_hides_no_names() {
        let calls = [(HOME, "codepipeline:ListPipelines")];
        let bucket = |gap: Gap| look(TypeName::BUCKET, "global", &calls, &[gap]);
        let of = |uid: &str| Affects::Property { resource: ResourceUid(uid.to_owned()), property: "X".to_owned() };
        let pipeline = "arn:aws:codepipeline:us-east-1:111111111111:web";
        let undecided = GapCause::Undecided { message: "two approvals fit".to_owned() };
        let harmless = [
            gap(HOME, "history:Read", undecided, of(&format!("{pipeline}/deliveries"))),
            gap(HOME, "cloudtrail:LookupEvents", throttled(), Affects::Details),
            gap(HOME, "codepipeline:GetPipeline", throttled(), of(&format!("{pipeline}/deliveries"))),
            gap(HOME, "codepipeline:GetPipeline", throttled(), of("delivery://web")),
            gap(
                HOME,
                "codedeploy:GetDeployment",
                throttled(),
                of("arn:aws:codedeploy:us-east-1:111111111111:deploymentgroup:app/group/deliveries"),
            ),
            gap(
                HOME,
                "cloudtrail:DescribeTrails",
                throttled(),
                of("arn:aws:cloudtrail:us-east-1:111111111111:deliveries"),
            ),
        ];
        for harmless in harmless {
            let seen = bucket(harmless.clone());
            assert!(is_gone(&seen), "{harmless:?}: {seen:?}");
        }
        let hiding = [
            gap(HOME, "codepipeline:GetPipeline", throttled(), of(pipeline)),
            gap(
                HOME,
                "ecr:DescribeImages",
                throttled(),
                of("arn:aws:ecr:us-east-1:111111111111:repository/deliveries"),
            ),
            gap(
                HOME,
                "codedeploy:GetDeploymentGroup",
                throttled(),
                of("arn:aws:codedeploy:us-east-1:111111111111:deploymentgroup:app/deliveries"),
            ),
            gap(HOME, "codepipeline:ListPipelines", throttled(), Affects::Types { types: vec![TypeName::PIPELINE] }),
        ];
        for hiding in hiding {
            assert!(!is_gone(&bucket(hiding.clone())), "{hiding:?}");
        }
    }

    #[test]
    fn a_region_that_was_found_empty_was_looked_at() {
        let probes = [(HOME, "codepipeline:ListPipelines"), (HOME, "codebuild:ListProjects")];
        let recorder = |calls: &[(&str, &str)], gaps: &[Gap]| look(TypeName::RECORDER, HOME, calls, gaps);
        assert!(is_gone(&recorder(&probes, &[])));
        assert!(!is_gone(&recorder(&probes[..1], &[])), "one service did not answer there");
        let types = Affects::Types { types: vec![TypeName::PIPELINE] };
        let broken = gap(HOME, "codepipeline:ListPipelines", throttled(), types);
        assert!(!is_gone(&recorder(&probes, &[broken])), "one service broke off");
        assert!(!is_gone(&look(TypeName::RECORDER, ELSEWHERE, &probes, &[])));
        assert!(!is_gone(&look(TypeName::PIPELINE, ELSEWHERE, &probes, &[])));
    }
}
