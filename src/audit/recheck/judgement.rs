//! Judges what a recheck looked at.
//!
//! In: the organization as the recheck knows it. Out: findings on the resources that were asked for and on what names them,
//! told against the newest full run. Facts, policies and joins are those of a full run.

use std::collections::{BTreeMap, BTreeSet};

use super::super::collection::listed_accounts;
use super::super::evaluation::{
    Evaluation, Judged, group_by_account, infos, is_dark, organization_id, principals, was_seen,
};
use super::super::{EvaluationError, TRAIL, finders};
use super::dependents::dependents;
use super::estate::Estate;
use super::{Places, Recheck, RecheckError};
use crate::evaluate::Asking;
use crate::finding::{ComplianceType, Finding, ResourceRef};
use crate::inventory::{AccountId, Arn, Coverage, Gap, Inventory, Region, ResourceUid};
use crate::report::{OverTime, RecheckOf};
use crate::run::{ORGANIZATION, RunDirectory};

/// A judged recheck.
#[derive(Debug)]
pub struct Rechecked {
    /// What the reports show.
    pub judged: Judged,
    /// ARNs that the full run knew, and that are there no more.
    pub gone: Vec<String>,
    /// ARNs that neither the full run nor this one found in the delivery path: nothing is said of them.
    pub strangers: Vec<String>,
}

impl Recheck<'_> {
    /// Judges what was collected.
    ///
    /// # Errors
    /// [`RecheckError`] if a part is damaged, a policy is broken or the spool cannot be written.
    pub fn judge(&self, evaluation: &Evaluation<'_>) -> Result<Rechecked, RecheckError> {
        let started = self.run.plan().started_at.clone();
        let full = self.beside.inventories();
        let mut organization = self.run.read_inventory(None, ORGANIZATION)?;
        let listed = listed_accounts(&organization);
        let survey = self.survey()?;
        let places = self.places(&listed, &survey)?;
        if let Some(full) = full.filter(|full| full.has_part(None, TRAIL)) {
            organization.absorb(full.read_inventory(None, TRAIL)?);
        }
        let known = full.map(RunDirectory::accounts).transpose()?.unwrap_or_default();
        let accounts: BTreeSet<AccountId> = listed.into_iter().chain(known).collect();
        let estate = Estate::of(self.run, full, &places, self.targets, &accounts)?;
        let mut joins = evaluation.fresh_joins(&started)?;
        joins.index(&organization);
        for account in &accounts {
            joins.index(&estate.inventory(account)?);
        }
        joins.finish();
        let looked: Vec<AccountId> = places.keys().cloned().collect();
        let mut by_account = group_by_account(&organization, &looked);
        let principals = principals(&by_account, &joins);
        let asking = Asking::new(evaluation.policies, &started, "live", &evaluation.settings, &principals)
            .map_err(EvaluationError::from)?;
        let partition = organization.resources.iter().find_map(|r| Arn::parse(r.uid.as_str()).ok());
        let partition = partition.map_or("aws", |arn| arn.partition).to_owned();
        let mut seen = Looked::default();
        let mut spool = self.run.spool()?;
        let mut chosen: BTreeSet<ResourceUid> = BTreeSet::new();
        let mut found = BTreeSet::new();
        for account in &looked {
            let mut inventory = estate.inventory(account)?;
            inventory.gaps.extend(organization.gaps.iter().filter(|gap| gap.account == *account).cloned());
            if let (Some(resource), false) = (by_account.remove(account), is_dark(&inventory)) {
                inventory.resources.push(resource);
            }
            inventory.normalise();
            let own = dependents(&inventory, &estate, self.targets, &survey.about);
            self.find(&inventory, &estate, &mut found);
            inventory.resources.retain(|resource| own.contains(&resource.uid));
            chosen.extend(own);
            let judged = evaluation.findings(&asking, account, &inventory, &joins, &partition);
            let mut findings = judged.map_err(EvaluationError::from)?;
            findings.retain(|finding| self.is_asked(finding, &chosen, &places, &mut found));
            if full.is_none() {
                findings.iter_mut().for_each(doubt);
            }
            spool.append(findings)?;
        }
        for account in &accounts {
            seen.add(&estate.fresh(account)?);
        }
        seen.gaps.sort();
        seen.gaps.dedup();
        seen.coverage.skipped.sort();
        let mut infos = infos(&organization);
        infos.retain(|id, _| places.contains_key(id));
        let visible: Result<Vec<bool>, _> =
            looked.iter().map(|account| estate.fresh(account).map(|fresh| was_seen(&fresh))).collect();
        let mut judged = Judged {
            spool: spool.finish()?,
            accounts: infos,
            coverage: seen.coverage,
            gaps: seen.gaps,
            organization: organization_id(&organization),
            visible_accounts: visible?.into_iter().filter(|was_seen| *was_seen).count(),
            over_time: OverTime::default(),
        };
        let is_about = |resource: &ResourceRef| {
            chosen.contains(&resource.uid) || self.targets.iter().any(|target| target.is_uid(&resource.uid))
        };
        let report = judged.report(self.run, evaluation.policies);
        let placed = self.run.put_against(self.beside.newest.as_ref(), &report, &is_about, &finders())?;
        (judged.spool, judged.over_time) = placed;
        judged.over_time.recheck = Some(self.about());
        let missing = |is_known: bool| {
            let all = self.targets.iter().enumerate().filter(|(number, _)| !found.contains(number));
            let of = all.filter(|(number, _)| survey.known.contains(number) == is_known);
            of.map(|(_, target)| target.arn.clone()).collect()
        };
        Ok(Rechecked { judged, gone: missing(true), strangers: missing(false) })
    }

    fn about(&self) -> RecheckOf {
        let resources: BTreeSet<String> = self.targets.iter().map(|target| target.arn.clone()).collect();
        let beside_run = self.beside.inventories().map(|run| run.plan().run_id.to_string());
        RecheckOf { resources: resources.into_iter().collect(), beside_run }
    }

    /// Which targets are there, or are named by something that is.
    fn find(&self, inventory: &Inventory, estate: &Estate<'_>, found: &mut BTreeSet<usize>) {
        for (number, target) in self.targets.iter().enumerate() {
            let is_there =
                inventory.resources.iter().filter(|resource| estate.was_looked_at(resource)).any(|resource| {
                    let mut names = super::super::Wanted::default();
                    let is_policy = target.type_name().is_none();
                    if is_policy {
                        names.see(resource);
                    }
                    target.is(resource) || is_policy && names.names.contains(&target.arn)
                });
            if is_there {
                found.insert(number);
            }
        }
    }

    /// Whether a finding is one of those that were asked for: on what was chosen, or on all things of a target's type where
    /// they could not even be listed.
    fn is_asked(
        &self,
        finding: &Finding,
        chosen: &BTreeSet<ResourceUid>,
        places: &Places,
        found: &mut BTreeSet<usize>,
    ) -> bool {
        let resource = &finding.resource;
        if chosen.contains(&resource.uid) {
            return true;
        }
        let regions = places.get(&resource.account).and_then(Option::as_ref);
        let here =
            resource.region == Region::GLOBAL || regions.is_none_or(|regions| regions.contains(&resource.region));
        let mut asked = false;
        for (number, target) in self.targets.iter().enumerate() {
            let in_account = target.said_account().is_none_or(|account| account == resource.account);
            if here && in_account && target.may_be_of(&resource.type_name) {
                asked = true;
                found.insert(number);
            }
        }
        asked
    }
}

/// Takes a good result back where nobody knows the rest of the organization: a role, a recorder or a pipeline of a Region
/// that was not looked at may be what violates the control. What was seen to violate it does so all the same.
fn doubt(finding: &mut Finding) {
    if matches!(finding.compliance, ComplianceType::Compliant | ComplianceType::NotApplicable) {
        finding.compliance = ComplianceType::InsufficientData;
        finding.gaps = vec![
            "this run looked at single resources, and no full run is young enough to say what other accounts and Regions hold"
                .to_owned(),
        ];
    }
}

/// What a recheck looked at itself.
#[derive(Default)]
struct Looked {
    coverage: Coverage,
    gaps: Vec<Gap>,
}

impl Looked {
    fn add(&mut self, fresh: &Inventory) {
        self.coverage.absorb(&fresh.coverage);
        self.gaps.extend(fresh.gaps.iter().cloned());
        let unseen: BTreeMap<_, _> = fresh.resources.iter().map(|resource| (&resource.uid, &resource.unseen)).collect();
        self.gaps.extend(unseen.values().flat_map(|unseen| unseen.values().cloned()));
    }
}
