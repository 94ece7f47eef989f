//! Inventories → findings → reports, from the files of a run.
//!
//! In: a run directory with all its parts, the policies. Out: the spool of findings and, through [`Judged`], what the
//! reports show. Every part is read twice: once for the joins between accounts, once to be judged; in memory are the
//! joins and one account.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;

use super::collection::{UNOWNED, listed_accounts};
use super::deliveries::{DELIVERIES, HISTORY};
use super::finders::finders;
use super::trails::TRAIL;
use crate::evaluate::{Asking, EvaluateError, Policies, Principal, Settings, exception_controls};
use crate::facts::{self, Joins, Rules};
use crate::finding::{Finding, ResourceRef};
use crate::inventory::{
    AccountId, Affects, Arn, Coverage, Gap, GapCause, Inventory, Region, Resource, ResourceUid, Tags, TypeName,
};
use crate::owners::{Owned, Owners};
use crate::report::{AccountInfo, OverTime, Report};
use crate::run::{FindingSpool, INVENTORY, ORGANIZATION, REFERENCED, RunDirectory, RunError};

/// An evaluation that could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// The run directory failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A policy failed.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// The start time of the run is no time.
    #[error("the run started at `{0}`, which is not an RFC 3339 time; its plan.json is damaged")]
    Time(String),
}

/// How to judge.
#[derive(Debug)]
pub struct Evaluation<'a> {
    /// The controls and exceptions.
    pub policies: &'a Policies,
    /// Thresholds.
    pub settings: Settings,
    /// What counts as production.
    pub rules: Rules,
    /// Who answers for what.
    pub owners: &'a Owners,
}

/// A run read once.
pub(super) struct Joined {
    pub(super) organization: Inventory,
    /// The accounts with an inventory, and those that were to get one.
    pub(super) collected: Vec<AccountId>,
    pub(super) joins: Joins,
}

/// A judged run: everything a report shows, with the findings on disk.
#[derive(Debug)]
pub struct Judged {
    pub(super) spool: FindingSpool,
    pub(super) accounts: BTreeMap<AccountId, AccountInfo>,
    pub(super) coverage: Coverage,
    pub(super) gaps: Vec<Gap>,
    pub(super) organization: String,
    pub(super) over_time: OverTime,
    /// Accounts from inside of which at least one call was answered.
    pub visible_accounts: usize,
}

impl Evaluation<'_> {
    /// Judges all parts of a run, in the order of accounts, and writes the spool.
    ///
    /// # Errors
    /// [`EvaluationError`] if a part is damaged, a policy is broken or the spool cannot be written.
    pub fn judge(&self, run: &RunDirectory) -> Result<Judged, EvaluationError> {
        let started = run.plan().started_at.clone();
        let Joined { organization, collected, joins } = self.joined(run, &started)?;
        let mut by_account = group_by_account(&organization, &collected);
        let principals = principals(&by_account, &joins);
        let asking = Asking::new(self.policies, &started, "live", &self.settings, &principals)?;
        // A dark account has no ARN of its own to read the partition from; the organization's accounts have.
        let partition = organization.resources.iter().find_map(|r| Arn::parse(r.uid.as_str()).ok());
        let partition = partition.map_or("aws", |arn| arn.partition).to_owned();
        let mut coverage = organization.coverage.clone();
        let mut gaps = organization.gaps.clone();
        gaps.extend(organization.resources.iter().flat_map(|resource| resource.unseen.values().cloned()));
        let mut visible_accounts = 0;
        let mut spool = run.spool()?;
        for account in &collected {
            let mut inventory = own_parts(run, account)?;
            // What Organizations refused is a finding of the account that asked.
            inventory.gaps.extend(organization.gaps.iter().filter(|gap| gap.account == *account).cloned());
            visible_accounts += usize::from(was_seen(&inventory));
            // The account itself is judged with what is in it.
            if let (Some(resource), false) = (by_account.remove(account), is_dark(&inventory)) {
                inventory.resources.push(resource);
            }
            inventory.normalise();
            coverage.absorb(&inventory.coverage);
            gaps.extend(inventory.gaps.iter().cloned());
            gaps.extend(inventory.resources.iter().flat_map(|resource| resource.unseen.values().cloned()));
            spool.append(self.findings(&asking, account, &inventory, &joins, &partition)?)?;
        }
        gaps.sort();
        gaps.dedup();
        let mut judged = Judged {
            spool: spool.finish()?,
            accounts: infos(&organization),
            coverage,
            gaps,
            organization: organization_id(&organization),
            visible_accounts,
            over_time: OverTime::default(),
        };
        // Whether an exception is needed is known only when everything is judged, and so is what became of findings
        // that are not there any more.
        let more = match auditing_account(&organization, &collected) {
            Some(account) if !self.policies.exceptions().is_empty() => asking.exceptions(&account),
            _ => Vec::new(),
        };
        let placed = run.put_among_runs(&judged.report(run, self.policies), more, &finders())?;
        (judged.spool, judged.over_time) = placed;
        Ok(judged)
    }

    /// Everything that one resource's facts may need to know of others.
    pub(super) fn joined(&self, run: &RunDirectory, started: &str) -> Result<Joined, EvaluationError> {
        let mut joins = self.fresh_joins(started)?;
        let mut organization = run.read_inventory(None, ORGANIZATION)?;
        if run.has_part(None, TRAIL) {
            organization.absorb(run.read_inventory(None, TRAIL)?);
        }
        let collected = expected_accounts(run, &organization)?;
        joins.index(&organization);
        for account in &collected {
            joins.index(&own_parts(run, account)?);
        }
        joins.finish();
        Ok(Joined { organization, collected, joins })
    }

    /// Joins that have seen nothing yet.
    pub(super) fn fresh_joins(&self, started: &str) -> Result<Joins, EvaluationError> {
        let now = time::OffsetDateTime::parse(started, &time::format_description::well_known::Rfc3339)
            .map_err(|_| EvaluationError::Time(started.to_owned()))?;
        let stale_days = self.settings.0.get("alarmWithoutDataDays").copied().unwrap_or(7);
        Ok(Joins::new(self.rules.clone(), now, stale_days))
    }

    pub(super) fn findings(
        &self,
        asking: &Asking<'_>,
        account: &AccountId,
        inventory: &Inventory,
        joins: &Joins,
        partition: &str,
    ) -> Result<Vec<Finding>, EvaluateError> {
        let entry = joins.account(account);
        let no_tags = Tags::new();
        let unseen = untold_tags(inventory);
        let owner = |resource: &ResourceRef, tags: &Tags| {
            self.owners.owner_of(&Owned {
                uid: &resource.uid,
                type_name: &resource.type_name,
                tags,
                tags_seen: !unseen.contains(&(&resource.account, &resource.uid)),
                account: &resource.account,
                account_name: entry.map_or("", |entry| &entry.name),
                organizational_unit_path: entry.map_or("", |entry| &entry.organizational_unit_path),
                account_tags: entry.map_or(&no_tags, |entry| &entry.tags),
                region: &resource.region,
            })
        };
        let owned = |mut findings: Vec<Finding>, tags: &Tags| {
            let first = findings.first().map(|finding| Arc::clone(&finding.resource));
            let owner = first.and_then(|resource| owner(&resource, tags));
            for finding in &mut findings {
                finding.owner.clone_from(&owner);
            }
            findings
        };
        let subjects = facts::subjects(inventory, joins);
        let judged: Result<Vec<Vec<Finding>>, EvaluateError> =
            subjects.par_iter().map(|subject| Ok(owned(asking.judge(subject)?, &subject.tags))).collect();
        let mut findings: Vec<Finding> = judged?.into_iter().flatten().collect();
        for finding in asking.unlisted(partition, &inventory.gaps) {
            findings.extend(owned(vec![finding], &no_tags));
        }
        findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        Ok(findings)
    }
}

impl Judged {
    /// What the reports show.
    #[must_use]
    pub fn report<'a>(&'a self, run: &RunDirectory, policies: &Policies) -> Report<'a> {
        let mut controls = policies.controls().clone();
        if !policies.exceptions().is_empty() {
            controls.extend(exception_controls().map(|control| (control.id.clone(), control)));
        }
        Report {
            run: run.plan().run_info(&self.organization, policies.hash()),
            controls,
            frameworks: policies.frameworks().clone(),
            accounts: self.accounts.clone(),
            counts: self.spool.counts().clone(),
            coverage: &self.coverage,
            gaps: &self.gaps,
            findings: &self.spool,
            calls: self.coverage.totals(),
            over_time: self.over_time.clone(),
        }
    }

    /// How many things could not be seen.
    #[must_use]
    pub fn gaps(&self) -> usize {
        self.gaps.len()
    }
}

/// The resources that may have tags which nobody saw.
fn untold_tags(inventory: &Inventory) -> BTreeSet<(&AccountId, &ResourceUid)> {
    let untold = |resource: &&Resource| {
        (resource.tags.is_empty() || resource.unseen.contains_key("Tags")) && resource.gap_over("Tags").is_some()
    };
    inventory.resources.iter().filter(untold).map(|resource| (&resource.account, &resource.uid)).collect()
}

/// The accounts with an inventory, and those that were to get one: a collection that ended early leaves them out.
fn expected_accounts(run: &RunDirectory, organization: &Inventory) -> Result<Vec<AccountId>, RunError> {
    let all: BTreeSet<AccountId> = run.accounts()?.into_iter().chain(listed_accounts(organization)).collect();
    Ok(all.into_iter().collect())
}

/// The account that answers for the policies: the management account, or whoever asked, or the only one there is.
fn auditing_account(organization: &Inventory, collected: &[AccountId]) -> Option<AccountId> {
    let is_management = |resource: &&Resource| {
        resource.properties.get("ManagementAccount").and_then(serde_json::Value::as_bool) == Some(true)
    };
    let management = organization.resources.iter().find(is_management).map(|resource| resource.account.clone());
    let asked = || organization.coverage.rows().map(|(key, _)| key.account.clone()).next();
    management.or_else(asked).or_else(|| collected.first().cloned())
}

fn never_collected(account: &AccountId) -> Gap {
    let message = "the collection ended before this account; run it again to go on".to_owned();
    Gap {
        account: account.clone(),
        region: Region::GLOBAL,
        service: "sts".to_owned(),
        action: "sts:AssumeRole".to_owned(),
        cause: GapCause::Service { code: "NotCollected".to_owned(), message },
        affects: Affects::Account,
    }
}

/// Everything that is written of one account.
pub(super) fn own_parts(run: &RunDirectory, account: &AccountId) -> Result<Inventory, RunError> {
    if !run.has_part(Some(account), INVENTORY) {
        return Ok(Inventory { gaps: vec![never_collected(account)], ..Inventory::default() });
    }
    let mut inventory = run.read_inventory(Some(account), INVENTORY)?;
    for part in [REFERENCED, UNOWNED, HISTORY, DELIVERIES] {
        if run.has_part(Some(account), part) {
            inventory.absorb(run.read_inventory(Some(account), part)?);
        }
    }
    Ok(inventory)
}

/// Whether anything at all was answered from inside the account.
pub(super) fn was_seen(inventory: &Inventory) -> bool {
    let outside = ["sts", "organizations"];
    inventory.coverage.rows().any(|(key, counts)| counts.ok > 0 && !outside.contains(&key.service.as_str()))
}

pub(super) fn is_dark(inventory: &Inventory) -> bool {
    inventory.gaps.iter().any(|gap| gap.affects == Affects::Account)
}

pub(super) fn group_by_account(organization: &Inventory, collected: &[AccountId]) -> BTreeMap<AccountId, Resource> {
    let collected: BTreeSet<&AccountId> = collected.iter().collect();
    let accounts =
        organization.resources.iter().filter(|r| r.type_name == TypeName::ACCOUNT && collected.contains(&r.account));
    accounts.map(|resource| (resource.account.clone(), resource.clone())).collect()
}

pub(super) fn principals(accounts: &BTreeMap<AccountId, Resource>, joins: &Joins) -> BTreeMap<AccountId, Principal> {
    let inventory = Inventory { resources: accounts.values().cloned().collect(), ..Inventory::default() };
    facts::subjects(&inventory, joins)
        .into_iter()
        .map(|subject| {
            let units = joins.account(&subject.account).map(|entry| entry.unit_ids.clone()).unwrap_or_default();
            (subject.account, Principal { facts: subject.facts, units })
        })
        .collect()
}

pub(super) fn infos(organization: &Inventory) -> BTreeMap<AccountId, AccountInfo> {
    let text = |resource: &Resource, name: &str| {
        resource.properties.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_owned()
    };
    organization
        .resources
        .iter()
        .filter(|resource| resource.type_name == TypeName::ACCOUNT)
        .map(|resource| {
            let info = AccountInfo {
                id: resource.account.clone(),
                name: text(resource, "AccountName"),
                organizational_unit_path: text(resource, "OrganizationalUnitPath"),
            };
            (resource.account.clone(), info)
        })
        .collect()
}

/// `arn:…:account/o-…/…` → `o-…`.
pub(super) fn organization_id(organization: &Inventory) -> String {
    let account = organization.resources.iter().find(|resource| resource.type_name == TypeName::ACCOUNT);
    let id = account.and_then(|account| account.uid.as_str().split('/').nth(1)).unwrap_or_default();
    if id.starts_with("o-") { id.to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::ComplianceType;
    use crate::report::FindingSource;
    use crate::run::Plan;

    #[test]
    fn an_account_that_was_never_collected_is_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan::new("20261121T020000Z".parse().unwrap(), serde_json::json!({}), 7);
        let run = RunDirectory::create(folder.path(), plan).unwrap();
        let ids: [AccountId; 2] = ["111111111111", "222222222222"].map(|id| id.parse().unwrap());
        let resources = ids
            .iter()
            .map(|id| {
                let uid = format!("arn:aws:organizations::111111111111:account/o-own/{id}");
                Resource::live(TypeName::ACCOUNT, uid, id.clone(), Region::GLOBAL)
            })
            .collect();
        let organization = Inventory { resources, ..Inventory::default() };
        run.write_inventory(None, ORGANIZATION, &organization).unwrap();
        let mut answered = Inventory::default();
        let key = crate::inventory::CoverageKey {
            account: ids.first().unwrap().clone(),
            region: "eu-west-1".parse().unwrap(),
            service: "codepipeline".to_owned(),
            action: "ListPipelines".to_owned(),
        };
        answered.coverage.record(key, crate::inventory::Outcome::Ok);
        run.write_inventory(ids.first(), INVENTORY, &answered).unwrap();
        let policies = Policies::load(&Policies::embedded(), &BTreeSet::new()).unwrap();
        let written = crate::config::Written::default().resolve("test").unwrap();
        let evaluation = Evaluation {
            policies: &policies,
            settings: written.settings,
            rules: written.rules,
            owners: &written.owners,
        };
        let judged = evaluation.judge(&run).unwrap();
        let missing = ids.last().unwrap();
        let findings: Vec<Finding> =
            judged.spool.findings().unwrap().map(|finding| Finding::clone(&finding.unwrap())).collect();
        let of_missing: Vec<&Finding> = findings.iter().filter(|f| f.resource.account == *missing).collect();
        let of_what_is = policies.controls().values().filter(|control| !control.resource_type.is_of_history());
        assert_eq!(of_missing.len(), of_what_is.count());
        assert!(of_missing.iter().all(|f| f.compliance == ComplianceType::InsufficientData));
        assert!(judged.gaps.iter().any(|gap| gap.account == *missing));
        assert_eq!(judged.visible_accounts, 1);
    }

    #[test]
    fn a_resource_whose_tags_were_not_seen_does_not_change_hands_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan::new("20261121T020000Z".parse().unwrap(), serde_json::json!({}), 7);
        let run = RunDirectory::create(folder.path(), plan).unwrap();
        let id: AccountId = "111111111111".parse().unwrap();
        let account = "arn:aws:organizations::111111111111:account/o-own/111111111111".to_owned();
        let account = Resource::live(TypeName::ACCOUNT, account, id.clone(), Region::GLOBAL);
        run.write_inventory(None, ORGANIZATION, &Inventory { resources: vec![account], ..Inventory::default() })
            .unwrap();
        let gap = Gap {
            account: id.clone(),
            region: "eu-west-1".parse().unwrap(),
            service: "codepipeline".to_owned(),
            action: "codepipeline:ListTagsForResource".to_owned(),
            cause: GapCause::AccessDenied { message: "no".to_owned() },
            affects: Affects::Details,
        };
        let pipeline = |name: &str, unseen: &[&str], tags: &[(&str, &str)]| {
            let uid = format!("arn:aws:codepipeline:eu-west-1:111111111111:{name}");
            let mut resource = Resource::live(TypeName::PIPELINE, uid, id.clone(), "eu-west-1".parse().unwrap());
            resource.unseen.extend(unseen.iter().map(|property| ((*property).to_owned(), gap.clone())));
            resource.tags.extend(tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
            resource
        };
        let resources = vec![
            pipeline("denied", &["Tags"], &[]),
            pipeline("listed-only", &["*"], &[]),
            pipeline("seen", &[], &[]),
            pipeline("tagged", &["*"], &[("owner", "payments")]),
            pipeline("tagged-otherwise", &["*"], &[("stage", "prod")]),
        ];
        run.write_inventory(Some(&id), INVENTORY, &Inventory { resources, ..Inventory::default() }).unwrap();
        let policies = Policies::load(&Policies::embedded(), &BTreeSet::new()).unwrap();
        let written = crate::config::Written::default().resolve("test").unwrap();
        let owners = Owners { mapping: "* platform".parse().unwrap(), ..written.owners };
        let evaluation =
            Evaluation { policies: &policies, settings: written.settings, rules: written.rules, owners: &owners };
        let judged = evaluation.judge(&run).unwrap();
        let mut said: BTreeMap<String, String> = BTreeMap::new();
        for finding in judged.spool.findings().unwrap().map(Result::unwrap) {
            let name = finding.resource.uid.as_str().rsplit(':').next().unwrap().to_owned();
            let owner = finding.owner.as_ref().unwrap();
            let of_finding = format!("{}: {}", owner.name, owner.source);
            if finding.resource.type_name == TypeName::PIPELINE {
                assert_eq!(said.entry(name).or_insert_with(|| of_finding.clone()), &of_finding);
            }
        }
        let (line, not_seen) = ("platform: line 1 of the owners file", " (tags of the resource were not seen)");
        assert_eq!(said["denied"], format!("{line}{not_seen}"));
        assert_eq!(said["listed-only"], format!("{line}{not_seen}"));
        assert_eq!(said["seen"], line);
        assert_eq!(said["tagged"], "payments: tag owner of the resource");
        assert_eq!(said["tagged-otherwise"], line);
    }
}
