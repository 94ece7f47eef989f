//! What a right audit finds in the world, said by the knobs alone.
//!
//! In: the world. Out: one expected result for every control on every resource that an audit can know of. It reads
//! specifications and refusals, never an answer of the API, and shares no code with the audit: where the two differ,
//! one of them is wrong.

mod deployment;
mod pipeline;
mod storage;
mod trail;

use std::collections::{BTreeMap, BTreeSet};

use super::estate::{
    AlarmName, BucketRef, Encryption, GroupSpec, KeyRef, KeyUse, PipelineSpec, ProjectSpec, TrailSpec, Watch,
    application_count, trails_of,
};
use super::organization::State;
use super::world::World;
pub use crate::finding::ComplianceType as Expected;
use crate::inventory::AccountId;

/// Control id, resource uid, account, Region (`global` for accounts).
pub type FindingKey = (String, String, String, String);

/// All expected findings, and the accounts without any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// Every control on every resource that an audit can know of.
    pub findings: BTreeMap<FindingKey, Expected>,
    /// Accounts that are left out because of their state.
    pub skipped_accounts: BTreeSet<AccountId>,
    /// Accounts whose audit role cannot be assumed.
    pub denied_accounts: BTreeSet<AccountId>,
}

/// A statement that may be unknown.
type Known = Option<bool>;

/// All hold: one that does not decides, even if another is unknown.
fn all(statements: impl IntoIterator<Item = Known>) -> Known {
    let mut sum = Some(true);
    for next in statements {
        sum = match (sum, next) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
    }
    sum
}

/// One holds: one that does decides, even if another is unknown.
fn any(statements: impl IntoIterator<Item = Known>) -> Known {
    all(statements.into_iter().map(|statement| statement.map(|holds| !holds))).map(|none| !none)
}

/// The result of a control that applies where `applies` holds and is met where `good` holds.
fn judged(applies: Known, good: Known) -> Expected {
    match (applies, good) {
        (Some(false), _) => Expected::NotApplicable,
        (None, _) | (Some(true), None) => Expected::InsufficientData,
        (Some(true), Some(true)) => Expected::Compliant,
        (Some(true), Some(false)) => Expected::NonCompliant,
    }
}

/// A control's id and its result.
type Verdict = (&'static str, Expected);

/// Everything that visible things name; only what is named is looked at.
#[derive(Debug, Default)]
struct Named {
    /// Artifact buckets, and whether a production pipeline names them; a bucket of a production account counts anyway.
    buckets: BTreeMap<BucketRef, bool>,
    trail_buckets: BTreeSet<BucketRef>,
    keys: BTreeSet<KeyRef>,
    /// Account, Region, slot.
    alarms: BTreeSet<(usize, usize, usize)>,
    /// Accounts and Regions in which somebody names an alarm, existing or not.
    alarm_places: BTreeSet<(usize, usize)>,
}

struct Writer<'a> {
    world: &'a World,
    truth: Truth,
    named: Named,
}

/// Everything that a right audit finds.
pub(super) fn truth(world: &World) -> Truth {
    let mut writer = Writer { world, truth: Truth::default(), named: Named::default() };
    for account in 0..world.members().len() {
        writer.account(account);
    }
    writer.named_things();
    writer.truth
}

impl Writer<'_> {
    fn put(&mut self, uid: &str, account: usize, region: &str, verdicts: impl IntoIterator<Item = Verdict>) {
        let account = self.world.account_id(account).to_string();
        for (control, expected) in verdicts {
            let key = (control.to_owned(), uid.to_owned(), account.clone(), region.to_owned());
            self.truth.findings.insert(key, expected);
        }
    }

    fn unseen(&mut self, uid: &str, account: usize, region: &str, controls: &[&[&'static str]]) {
        let verdicts: Vec<Verdict> =
            controls.iter().flat_map(|ids| ids.iter()).map(|id| (*id, Expected::InsufficientData)).collect();
        self.put(uid, account, region, verdicts);
    }

    fn refused(&self, account: usize, action: &str) -> bool {
        self.world.refusal(account, action) == Some(super::world::Refusal::Denied)
    }

    /// Whether some of what may name a bucket in an account could not be seen.
    fn users_hidden(&self, account: usize) -> bool {
        let listings = [
            "codepipeline:ListPipelines",
            "codepipeline:GetPipeline",
            "codebuild:ListProjects",
            "codebuild:BatchGetProjects",
            "codedeploy:ListApplications",
            "codedeploy:ListDeploymentGroups",
            "codedeploy:GetDeploymentGroup",
        ];
        listings.iter().any(|action| self.refused(account, action))
    }

    /// What stands for the things of a type that could not even be listed.
    fn placeholder(&self, service: &str, account: usize, region: usize) -> String {
        self.world.arn(service, region, account, "*")
    }

    fn account(&mut self, account: usize) {
        let world = self.world;
        let uid = world.account_arn(account);
        if world.member(account).state != State::Active {
            self.truth.skipped_accounts.insert(world.account_id(account));
            return;
        }
        if world.role_denied(account) {
            self.truth.denied_accounts.insert(world.account_id(account));
            let root = format!("arn:{}:iam::{}:root", world.partition, world.account_id(account));
            let controls = [
                pipeline::CONTROLS,
                deployment::GROUP_CONTROLS,
                storage::BUCKET_CONTROLS,
                storage::KEY_CONTROLS,
                deployment::ALARM_CONTROLS,
                trail::TRAIL_CONTROLS,
                &[trail::ACCOUNT],
            ];
            self.unseen(&root, account, "global", &controls);
            return;
        }
        let verdict = trail::account_verdict(world, account);
        self.put(&uid, account, "global", [verdict]);
        for region in 0..world.regions().len() {
            self.pipelines(account, region);
            self.groups(account, region);
            self.projects(account, region);
            self.alarm_placeholder(account, region);
        }
        self.trails(account);
    }

    fn pipelines(&mut self, account: usize, region: usize) {
        let world = self.world;
        let region_name = world.region_name(region).to_owned();
        if self.refused(account, "codepipeline:ListPipelines") {
            let uid = self.placeholder("codepipeline", account, region);
            self.unseen(&uid, account, &region_name, &[pipeline::CONTROLS]);
            return;
        }
        let hidden = self.refused(account, "codepipeline:GetPipeline");
        for spec in PipelineSpec::all(world, account, region) {
            let uid = spec.arn(world);
            let verdicts = pipeline::verdicts(world, &spec);
            if hidden {
                self.unseen(&uid, account, &region_name, &[pipeline::CONTROLS]);
                // Webhooks are listed on their own and name their pipeline.
                self.put(
                    &uid,
                    account,
                    &region_name,
                    verdicts.into_iter().filter(|(id, _)| *id == "codepipeline-webhooks-authenticated"),
                );
                continue;
            }
            self.put(&uid, account, &region_name, verdicts);
            for store in spec.stores() {
                *self.named.buckets.entry(store.bucket).or_default() |= spec.production();
                match store.key {
                    KeyUse::None => {}
                    KeyUse::AwsManaged => {
                        let slot = super::estate::AWS_MANAGED_SLOT;
                        self.named.keys.insert(KeyRef { account, region: store.bucket.region, slot });
                    }
                    KeyUse::Customer(key, _) => {
                        self.named.keys.insert(key);
                    }
                }
            }
            if let Watch::Success { alarm, .. } | Watch::Entry { alarm } = spec.watch {
                self.named.alarms.insert((account, region, alarm));
                self.named.alarm_places.insert((account, region));
            }
        }
    }

    fn groups(&mut self, account: usize, region: usize) {
        let world = self.world;
        let region_name = world.region_name(region).to_owned();
        let unlisted = self.refused(account, "codedeploy:ListApplications")
            || self.refused(account, "codedeploy:ListDeploymentGroups")
                && application_count(world, account, region) > 0;
        if unlisted {
            let uid = self.placeholder("codedeploy", account, region);
            self.unseen(&uid, account, &region_name, &[deployment::GROUP_CONTROLS]);
            return;
        }
        for spec in GroupSpec::all(world, account, region) {
            let verdicts = deployment::group_verdicts(world, &spec);
            self.put(&spec.arn(world), account, &region_name, verdicts);
            if let Some(bucket) = spec.revision {
                self.named.buckets.entry(bucket).or_default();
            }
            for alarm in &spec.alarms {
                self.named.alarm_places.insert((account, region));
                if let AlarmName::Slot(slot) = alarm {
                    self.named.alarms.insert((account, region, *slot));
                }
            }
        }
    }

    fn projects(&mut self, account: usize, region: usize) {
        let hidden =
            self.refused(account, "codebuild:ListProjects") || self.refused(account, "codebuild:BatchGetProjects");
        if !hidden {
            for bucket in ProjectSpec::all(self.world, account, region).filter_map(|project| project.bucket) {
                self.named.buckets.entry(bucket).or_default();
            }
        }
    }

    fn alarm_placeholder(&mut self, account: usize, region: usize) {
        let named = self.named.alarm_places.contains(&(account, region));
        if named && self.refused(account, "cloudwatch:DescribeAlarms") {
            let uid = self.placeholder("cloudwatch", account, region);
            let region_name = self.world.region_name(region).to_owned();
            self.unseen(&uid, account, &region_name, &[deployment::ALARM_CONTROLS]);
        }
    }

    fn trails(&mut self, account: usize) {
        if !trail::listed(self.world, account) {
            for region in 0..self.world.regions().len() {
                let uid = self.placeholder("cloudtrail", account, region);
                let region_name = self.world.region_name(region).to_owned();
                self.unseen(&uid, account, &region_name, &[trail::TRAIL_CONTROLS]);
            }
            return;
        }
        for spec in trails_of(self.world, account) {
            let region_name = self.world.region_name(spec.region).to_owned();
            let verdicts = trail::verdicts(self.world, &spec);
            self.put(&spec.arn(self.world), account, &region_name, verdicts);
            self.named.trail_buckets.insert(spec.bucket);
            self.named.keys.extend(spec.key);
        }
    }

    /// Buckets, keys and alarms that something names, in the accounts that own them.
    fn named_things(&mut self) {
        let world = self.world;
        let named = std::mem::take(&mut self.named);
        let mut keys = named.keys;
        for bucket in named.buckets.keys().chain(&named.trail_buckets) {
            if !world.visible(bucket.account) {
                continue;
            }
            let in_production = world.member(bucket.account).environment == Some("prod");
            let production = named.buckets.get(bucket).map(|by_pipeline| *by_pipeline || in_production);
            let verdicts = if production.is_none() && self.users_hidden(bucket.account) {
                // Whatever is hidden there may store its artifacts here.
                storage::BUCKET_CONTROLS.iter().map(|id| (*id, Expected::InsufficientData)).collect()
            } else {
                storage::bucket_verdicts(world, *bucket, production)
            };
            let region = world.region_name(bucket.region).to_owned();
            self.put(&bucket.arn(world), bucket.account, &region, verdicts);
            if !self.refused(bucket.account, "s3:GetEncryptionConfiguration") {
                keys.extend(key_of(world, *bucket));
            }
        }
        for key in keys.into_iter().filter(|key| world.visible(key.account)) {
            let region = world.region_name(key.region).to_owned();
            let verdicts = storage::key_verdicts(world, key);
            self.put(&key.arn(world), key.account, &region, verdicts);
        }
        for (account, region, slot) in named.alarms {
            if !self.refused(account, "cloudwatch:DescribeAlarms") {
                let alarm = super::estate::AlarmSpec::new(slot);
                let region_name = world.region_name(region).to_owned();
                let verdicts = deployment::alarm_verdicts(alarm);
                self.put(&alarm.arn(world, account, region), account, &region_name, verdicts);
            }
        }
    }
}

/// The key that a bucket's default encryption names.
fn key_of(world: &World, bucket: BucketRef) -> Option<KeyRef> {
    match bucket.spec(world).encryption {
        Encryption::S3 | Encryption::KmsUnnamed => None,
        Encryption::KmsAws => {
            let slot = super::estate::AWS_MANAGED_SLOT;
            Some(KeyRef { account: bucket.account, region: bucket.region, slot })
        }
        Encryption::Customer(key) | Encryption::CustomerDouble(key) => Some(key),
    }
}

/// All trails that record in an account: its own, and the organization's.
fn trails_over(world: &World, account: usize) -> Vec<TrailSpec> {
    let mut trails = trails_of(world, account);
    if account != 0 {
        trails.push(super::estate::organization_trail(world));
    }
    trails
}

#[cfg(test)]
mod tests;
