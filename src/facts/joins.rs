//! What one resource's facts need to know of others, across accounts and Regions.
//!
//! In: every inventory of a run, one after the other, in any order. Out: small indexes and the lookups over them. It
//! exists so that the joined evaluation holds a few words per resource in memory, not its properties, and so that every
//! lookup that finds nothing says whether there is nothing or nothing could be seen.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use super::alarm::AlarmEntry;
use super::branch::{BranchEntry, SourceUser};
use super::bucket::{BucketEntry, BucketUser};
use super::check::ProjectScript;
use super::config_rule::Configured;
use super::delivery_path::{self, DeliveryPaths, PipelinePath};
use super::delivery_role::{self, DeliveryRoles};
use super::deploying::{self, Candidate};
use super::deployment_config::ConfigurationEntry;
use super::guardrail::Guardrails;
use super::notification_rule::NotificationRuleEntry;
use super::production::{Classifier, Environment};
use super::project_cache::CacheUser;
use super::project_use::{self, ProjectUse, UsedProject};
use super::push_denial::{AttachedPolicies, DenyingPolicy};
use super::rules::Rules;
use super::scope_gap::ScopeGaps;
use super::seen::{Found, Seen};
use super::topic::TopicEntry;
use super::trail::TrailEntry;
use super::webhook::WebhookEntry;
use super::{INDEXED, kind_of};
use crate::inventory::{AccountId, Arn, Inventory, Partition, Region, Resource, Tags, TypeName};

/// An account and a Region of it.
pub(super) type Place = (AccountId, Region);

/// Things by the place they live in, then by name.
pub(super) type ByPlace<T> = BTreeMap<Place, BTreeMap<String, T>>;

/// An account as policies and reports need it, without its inventory.
#[derive(Debug, Clone)]
pub struct AccountEntry {
    /// As Organizations names it.
    pub name: String,
    /// `ACTIVE`, `SUSPENDED` …
    pub state: String,
    /// Ids of the root and the organizational units above it, root first; none where nobody saw them.
    pub unit_ids: Vec<String>,
    /// `/Workloads/Prod`; empty where nobody saw it.
    pub organizational_unit_path: String,
    /// Its tags.
    pub tags: Tags,
    pub(super) environment: Seen<Environment>,
}

/// A pipeline between [`Joins::index`] and [`Joins::finish`].
#[derive(Debug)]
pub(super) struct PipelineEntry {
    /// `123456789012/web`
    pub(super) label: String,
    pub(super) tagged: Seen<Environment>,
    pub(super) candidates: Seen<Vec<Candidate>>,
    pub(super) buckets: Vec<String>,
    pub(super) projects: Vec<UsedProject>,
    /// Branches that it takes, by the names it gives them.
    pub(super) sources: Vec<String>,
    pub(super) path: Seen<PipelinePath>,
}

/// Which pipelines deploy to a deployment group as production.
#[derive(Debug, Default)]
pub(super) struct Targeted {
    pub(super) by: BTreeSet<String>,
    pub(super) doubts: Vec<String>,
}

/// Small derived indexes over all inventories of a run.
#[derive(Debug)]
pub struct Joins {
    pub(super) classifier: Classifier,
    pub(super) rules: Rules,
    pub(super) now: OffsetDateTime,
    pub(super) stale_alarm_days: i64,
    pub(super) gaps: ScopeGaps,
    pub(super) accounts: BTreeMap<AccountId, AccountEntry>,
    pub(super) organization: Option<String>,
    looked_at: BTreeSet<AccountId>,
    /// Where every collector of every Region was asked: all of them are asked in the same Regions.
    regions_looked_at: BTreeMap<AccountId, BTreeSet<Region>>,
    pub(super) key_managers: BTreeMap<String, Seen<String>>,
    pub(super) key_aliases: ByPlace<String>,
    pub(super) buckets: BTreeMap<String, BucketEntry>,
    pub(super) bucket_users: BTreeMap<String, Vec<BucketUser>>,
    /// Why the artifact store of something in the account is not known.
    pub(super) hidden_stores: BTreeMap<AccountId, Vec<String>>,
    /// Why pipelines of an account may name buckets that nobody saw; only pipelines release to production.
    pub(super) hidden_releases: BTreeMap<AccountId, Vec<String>>,
    /// Why it is not known what some pipeline of an account deploys to.
    pub(super) hidden_stages: BTreeMap<AccountId, Vec<String>>,
    pub(super) alarms: ByPlace<AlarmEntry>,
    pub(super) configurations: ByPlace<ConfigurationEntry>,
    pub(super) compute_platforms: ByPlace<String>,
    /// Whether a build project's own specification deploys.
    pub(super) projects: ByPlace<Seen<deploying::BuildSpec>>,
    /// What pipelines do with build projects.
    pub(super) project_uses: ByPlace<ProjectUse>,
    /// Who keeps a cache in a place, `bucket/prefix`.
    pub(super) caches: BTreeMap<String, Vec<CacheUser>>,
    /// Why the cache of something in the account is not known.
    pub(super) hidden_caches: BTreeMap<AccountId, Vec<String>>,
    /// What a build project's own specification checks.
    pub(super) project_scripts: ByPlace<Seen<ProjectScript>>,
    /// By ARN.
    pub(super) topics: BTreeMap<String, TopicEntry>,
    /// By the ARN of what they are about.
    pub(super) notification_rules: BTreeMap<String, Vec<NotificationRuleEntry>>,
    /// Why there may be notification rules about anything in a place.
    pub(super) hidden_notification_rules: BTreeMap<Place, Vec<String>>,
    /// Names of pipelines of an account that are started by an action of others, with the names of those.
    pub(super) started_pipelines: BTreeMap<AccountId, BTreeMap<String, BTreeSet<String>>>,
    pub(super) targeted_groups: ByPlace<Targeted>,
    pub(super) trails: BTreeMap<String, TrailEntry>,
    pub(super) trails_seen_from: BTreeMap<AccountId, BTreeSet<String>>,
    pub(super) webhooks: ByPlace<Vec<WebhookEntry>>,
    /// Roles that delivery runs under.
    pub(super) delivery_roles: DeliveryRoles,
    pub(super) pipelines: Vec<PipelineEntry>,
    /// What the organization's policies keep accounts from doing.
    pub(super) guardrails: Guardrails,
    /// What AWS Config records and finds.
    pub(super) configured: Configured,
    /// Branches by every name that they were asked for under, then by the account that they stand in.
    pub(super) branches: BTreeMap<String, BTreeMap<AccountId, BranchEntry>>,
    /// Pipelines by the names of the branches that they take.
    pub(super) source_users: BTreeMap<String, Vec<SourceUser>>,
    /// Service control policies by id, as far as they deny pushes.
    pub(super) denying_policies: BTreeMap<String, DenyingPolicy>,
    pub(super) attached_policies: BTreeMap<AccountId, AttachedPolicies>,
    pub(super) delivery: DeliveryPaths,
    /// Accounts in which something may use buckets, keys or roles that nobody saw it use.
    pub(super) not_seen_whole: BTreeSet<AccountId>,
}

impl Joins {
    /// No inventory yet. `now` is the moment of the judgement; an alarm without data for more than `stale_alarm_days`
    /// days protects nothing.
    #[must_use]
    pub fn new(rules: Rules, now: OffsetDateTime, stale_alarm_days: i64) -> Self {
        Self {
            classifier: Classifier::new(rules.production.clone()),
            rules,
            now,
            stale_alarm_days,
            gaps: ScopeGaps::default(),
            accounts: BTreeMap::new(),
            organization: None,
            looked_at: BTreeSet::new(),
            regions_looked_at: BTreeMap::new(),
            key_managers: BTreeMap::new(),
            key_aliases: BTreeMap::new(),
            buckets: BTreeMap::new(),
            bucket_users: BTreeMap::new(),
            hidden_stores: BTreeMap::new(),
            hidden_releases: BTreeMap::new(),
            hidden_stages: BTreeMap::new(),
            alarms: BTreeMap::new(),
            configurations: BTreeMap::new(),
            compute_platforms: BTreeMap::new(),
            projects: BTreeMap::new(),
            project_uses: BTreeMap::new(),
            caches: BTreeMap::new(),
            hidden_caches: BTreeMap::new(),
            project_scripts: BTreeMap::new(),
            topics: BTreeMap::new(),
            notification_rules: BTreeMap::new(),
            hidden_notification_rules: BTreeMap::new(),
            started_pipelines: BTreeMap::new(),
            targeted_groups: BTreeMap::new(),
            trails: BTreeMap::new(),
            trails_seen_from: BTreeMap::new(),
            webhooks: BTreeMap::new(),
            delivery_roles: DeliveryRoles::default(),
            pipelines: Vec::new(),
            guardrails: Guardrails::default(),
            configured: Configured::default(),
            branches: BTreeMap::new(),
            source_users: BTreeMap::new(),
            denying_policies: BTreeMap::new(),
            attached_policies: BTreeMap::new(),
            delivery: DeliveryPaths::default(),
            not_seen_whole: BTreeSet::new(),
        }
    }

    /// Takes in one inventory.
    pub fn index(&mut self, inventory: &Inventory) {
        for gap in &inventory.gaps {
            self.gaps.index(gap);
        }
        for skip in &inventory.coverage.skipped {
            self.gaps.leave_out(&skip.account, &skip.region, &skip.reason);
        }
        for (key, _) in inventory.coverage.rows() {
            if !matches!(key.service.as_str(), "organizations" | "sts") {
                self.look_at(&key.account);
            }
            if key.service == "config" {
                self.configured.ask(&key.account, &key.region);
            }
            if key.service == "codebuild" {
                self.regions_looked_at.entry(key.account.clone()).or_default().insert(key.region.clone());
            }
        }
        for resource in &inventory.resources {
            self.configured.see(resource);
            if resource.type_name != TypeName::ACCOUNT && resource.type_name != TypeName::POLICY {
                self.look_at(&resource.account);
            }
            delivery_path::index(resource, self);
            delivery_role::index(resource, self);
            if let Some(kind) = kind_of(&resource.type_name) {
                kind.index(resource, self);
            }
            for (_, index) in INDEXED.iter().filter(|(name, _)| *name == resource.type_name) {
                index(resource, self);
            }
        }
    }

    fn look_at(&mut self, account: &AccountId) {
        if !self.looked_at.contains(account) {
            self.looked_at.insert(account.clone());
        }
    }

    /// Answers the questions that need everything indexed: which pipelines deploy to production, and so which groups
    /// and buckets are production. Call it once, after the last [`Self::index`].
    pub fn finish(&mut self) {
        self.not_seen_whole = self.find_not_seen_whole();
        for sentences in self
            .hidden_stores
            .values_mut()
            .chain(self.hidden_releases.values_mut())
            .chain(self.hidden_stages.values_mut())
            .chain(self.hidden_caches.values_mut())
        {
            sentences.sort();
            sentences.dedup();
        }
        for pipeline in std::mem::take(&mut self.pipelines) {
            let judged = match &pipeline.candidates {
                Ok(candidates) => Ok(deploying::judge(candidates, &pipeline.tagged, self)),
                Err(sentences) => Err(sentences.clone()),
            };
            let production = match &judged {
                Ok(judged) => deploying::any(judged.iter().map(deploying::Judged::in_production)),
                Err(sentences) => Err(sentences.clone()),
            };
            project_use::finish(&mut self.project_uses, &pipeline.label, &pipeline.projects, &production);
            if let Ok(path) = &pipeline.path {
                let actions = pipeline.candidates.iter().flatten().map(|candidate| candidate.action);
                let in_production = judged.iter().flatten().map(deploying::Judged::in_production);
                let in_production = actions.zip(in_production).collect();
                delivery_path::join(path, &pipeline.label, &production, &in_production, self);
            }
            for bucket in pipeline.buckets {
                let user = BucketUser { label: pipeline.label.clone(), production: Some(production.clone()) };
                self.bucket_users.entry(bucket).or_default().push(user);
            }
            for source in pipeline.sources {
                let user = SourceUser { label: pipeline.label.clone(), production: production.clone() };
                self.source_users.entry(source).or_default().push(user);
            }
            for (candidate, judged) in pipeline.candidates.iter().flatten().zip(judged.iter().flatten()) {
                let Some(group) = &candidate.group else { continue };
                let place = (candidate.account.clone(), candidate.region.clone());
                let target = self.targeted_groups.entry(place).or_default().entry(group.clone()).or_default();
                match judged.in_production() {
                    Ok(true) => {
                        target.by.insert(pipeline.label.clone());
                    }
                    Ok(false) => {}
                    Err(sentences) => target.doubts.extend(sentences),
                }
            }
        }
    }

    /// Nothing runs in an account that is closed, shut by AWS, or not begun.
    fn find_not_seen_whole(&self) -> BTreeSet<AccountId> {
        let kinds = [TypeName::PIPELINE, TypeName::PROJECT, TypeName::DEPLOYMENT_GROUP];
        let hidden = self.hidden_stores.keys().chain(self.hidden_releases.keys()).chain(self.delivery.hiding());
        let closed = |account: &AccountId| {
            let state = self.accounts.get(account).map(|entry| entry.state.as_str());
            matches!(state, Some("SUSPENDED" | "CLOSED" | "PENDING_ACTIVATION"))
        };
        self.gaps.accounts_over(&kinds).chain(hidden).filter(|account| !closed(account)).cloned().collect()
    }

    /// The account's entry, if Organizations listed it.
    #[must_use]
    pub fn account(&self, id: &AccountId) -> Option<&AccountEntry> {
        self.accounts.get(id)
    }

    /// What the account's own rules say. An account that is not listed, while others are, cannot be judged.
    pub(super) fn environment_of(&self, id: &AccountId) -> Seen<Environment> {
        if let Some(entry) = self.accounts.get(id) {
            return entry.environment.clone();
        }
        if self.classifier.names_account(id) {
            return Ok(Environment::Production(format!("account {id} named in the configuration")));
        }
        let sentences = self.gaps.over_type(&TypeName::ACCOUNT);
        if !sentences.is_empty() {
            Err(sentences)
        } else if self.accounts.is_empty() {
            Ok(Environment::Undecided)
        } else {
            Err(vec![format!("account {id} is not among the accounts that were listed")])
        }
    }

    /// Whether an account belongs to the organization.
    pub(super) fn is_own_account(&self, id: &AccountId) -> Seen<bool> {
        if self.accounts.contains_key(id) {
            return Ok(true);
        }
        let sentences = self.gaps.over_type(&TypeName::ACCOUNT);
        if !sentences.is_empty() {
            Err(sentences)
        } else if self.accounts.is_empty() {
            Err(vec![format!(
                "account {id} cannot be told from strangers: the organization's accounts were not listed"
            )])
        } else {
            Ok(false)
        }
    }

    /// Why things of a type may be missing from an account; empty means that what was not found is not there.
    pub(super) fn why_unseen(&self, account: &AccountId, region: Option<&Region>, name: &TypeName) -> Vec<String> {
        let sentences = self.gaps.over(account, region, name);
        if sentences.is_empty() && !self.looked_at.contains(account) {
            return vec![format!("account {account} was not looked at")];
        }
        sentences
    }

    /// Why a build project or a deployment group may be missing although nothing was refused: its Region is not among
    /// those of the run.
    pub(super) fn why_region_not_looked_at(&self, (account, region): &Place) -> Option<String> {
        let asked = self.regions_looked_at.get(account)?;
        (!asked.contains(region)).then(|| format!("Region {region} of account {account} was not looked at"))
    }

    /// Who manages the key that `id` names from an account and Region: `CUSTOMER` or `AWS`.
    pub(super) fn key_manager(&self, id: &str, account: &AccountId, region: &Region) -> Seen<String> {
        let arn = Arn::parse(id).ok();
        let resource = arn.map_or(id, |arn| arn.resource);
        if resource.starts_with("alias/aws/") {
            return Ok("AWS".to_owned());
        }
        let owner = arn.and_then(|arn| arn.account_id()).unwrap_or_else(|| account.clone());
        let region = arn.and_then(|arn| arn.region.parse().ok()).unwrap_or_else(|| region.clone());
        let full = if resource.starts_with("alias/") {
            let aliases = self.key_aliases.get(&(owner.clone(), region.clone()));
            aliases.and_then(|aliases| aliases.get(resource)).cloned()
        } else if arn.is_some() {
            Some(id.to_owned())
        } else {
            Some(format!("arn:{}:kms:{region}:{owner}:key/{id}", Partition::of_region(&region)))
        };
        if let Some(manager) = full.as_ref().and_then(|arn| self.key_managers.get(arn)) {
            return manager.clone();
        }
        let mut sentences = self.gaps.over_resource(full.as_deref().unwrap_or(id));
        sentences.extend(self.gaps.over(&owner, Some(&region), &TypeName::KEY));
        if sentences.is_empty() {
            sentences.push(format!("KMS key {id} was not looked at"));
        }
        Err(sentences)
    }

    /// What is weak about the bucket of that name, which something in `account` names.
    pub(super) fn bucket_weaknesses(&self, bucket: &str, account: &AccountId) -> Found {
        if let Some(entry) = self.buckets.get(bucket) {
            return entry.weaknesses.clone();
        }
        let mut doubts: Vec<String> = ["aws", "aws-cn", "aws-us-gov"]
            .iter()
            .flat_map(|p| self.gaps.over_resource(&format!("arn:{p}:s3:::{bucket}")))
            .collect();
        doubts.extend(self.gaps.over(account, None, &TypeName::BUCKET));
        if doubts.is_empty() {
            doubts.push(format!("bucket {bucket} was not looked at"));
        }
        Found { doubts, ..Found::default() }
    }

    /// The trails seen from an account, and why there may be more.
    pub(super) fn trails_of(&self, account: &AccountId) -> (impl Iterator<Item = (&String, &TrailEntry)>, Vec<String>) {
        let seen = self.trails_seen_from.get(account).into_iter().flatten();
        let trails = seen.filter_map(|arn| self.trails.get_key_value(arn));
        let seen_any = self.trails_seen_from.contains_key(account);
        let gaps = self.gaps.over(account, None, &TypeName::TRAIL);
        let doubts = if seen_any || !gaps.is_empty() { gaps } else { self.why_unseen(account, None, &TypeName::TRAIL) };
        (trails, doubts)
    }
}

/// The place a resource lives in.
pub(super) fn place(resource: &Resource) -> Place {
    (resource.account.clone(), resource.region.clone())
}
