//! What a right audit finds in the world, said by the knobs alone.
//!
//! In: the world. Out: one expected result for every control on every resource that an audit can know of. It reads
//! specifications and refusals, never an answer of the API, and shares no code with the audit: where the two differ,
//! one of them is wrong.

mod abroad;
mod build;
mod delivery;
mod deployment;
mod guardrail;
mod hosted;
mod keeping;
mod pipeline;
mod practice;
mod role;
mod rollout;
mod source;
mod storage;
mod trail;

use std::collections::{BTreeMap, BTreeSet};

use super::estate::{
    AlarmName, AlarmSpec, BucketRef, ConnectionSpec, Encryption, GroupSpec, KeyRef, KeyUse, PipelineSpec, ProjectSpec,
    RepositoryRef, RoleRef, SecretRef, SourceSpec, TrailSpec, Watch, application_count, trails_of,
};
use super::organization::State;
use super::world::World;

pub(super) use self::delivery::delivery_truth;
pub use self::delivery::{ChangeTruth, DeliveryTruth, DeploymentTruth, PipelineTruth, PlantedFact, WindowTruth};
pub(super) use self::hosted::hosted_branches;
pub use self::hosted::{HostedBranch, Seen};
use self::storage::NamedBucket;
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

/// [`judged`], where nothing is hidden.
fn when(applies: bool, good: bool) -> Expected {
    judged(Some(applies), Some(good))
}

/// A control's id, and what a right audit finds of it on one thing.
type Judgement<S> = (&'static str, fn(&World, &S) -> Expected);

/// Everything that is judged of one kind of thing; a subject is a file with a slice of its own.
type Judgements<S> = &'static [&'static [Judgement<S>]];

const ACCOUNT: Judgements<usize> = &[trail::ACCOUNT_CONTROLS, guardrail::ACCOUNT_CONTROLS];
const PIPELINE: Judgements<PipelineSpec> = &[
    pipeline::CONTROLS,
    pipeline::WITHOUT_DEFINITION,
    guardrail::PIPELINE_CONTROLS,
    practice::CONTROLS,
    practice::WITHOUT_DEFINITION,
    source::PIPELINE_CONTROLS,
    role::PIPELINE_CONTROLS,
];
const DEPLOYMENT_GROUP: Judgements<GroupSpec> =
    &[deployment::GROUP_CONTROLS, practice::GROUP_CONTROLS, rollout::GROUP_CONTROLS];
const BRANCH: Judgements<SourceSpec> = &[source::BRANCH_CONTROLS];
const REPOSITORY: Judgements<SourceSpec> = &[source::REPOSITORY_CONTROLS];
const CONNECTION: Judgements<ConnectionSpec> = &[source::CONNECTION_CONTROLS];
const TRAIL: Judgements<TrailSpec> = &[trail::TRAIL_CONTROLS];
const ALARM: Judgements<AlarmSpec> = &[deployment::ALARM_CONTROLS];
const BUCKET: Judgements<NamedBucket> = &[storage::BUCKET_CONTROLS, keeping::BUCKET_CONTROLS];
const KEY: Judgements<KeyRef> = &[storage::KEY_CONTROLS, role::KEY_CONTROLS, keeping::KEY_CONTROLS];
const PROJECT: Judgements<ProjectSpec> = &[build::PROJECT_CONTROLS];
const SOURCE_CREDENTIAL: Judgements<&str> = &[build::SOURCE_CREDENTIAL_CONTROLS];
const REPORT_GROUP: Judgements<ProjectSpec> = &[build::REPORT_GROUP_CONTROLS];
const SECRET: Judgements<SecretRef> = &[build::SECRET_CONTROLS];
const ROLE: Judgements<RoleRef> = &[role::ROLE_CONTROLS];
const IMAGE_REPOSITORY: Judgements<RepositoryRef> = &[keeping::REPOSITORY_CONTROLS];

/// Ids of the controls on a kind of thing.
fn ids<S>(judgements: Judgements<S>) -> Vec<&'static str> {
    judgements.iter().flat_map(|subject| subject.iter()).map(|(id, _)| *id).collect()
}

/// A kind of thing: its controls, and who writes their results in one account.
struct Kind {
    controls: fn() -> Vec<&'static str>,
    write: fn(&mut Writer<'_>, usize),
}

/// All kinds that an account is searched for, in an order in which what names comes before what is named.
const KINDS: &[Kind] = &[
    Kind { controls: || ids(ACCOUNT), write: |writer, account| writer.itself(account) },
    Kind { controls: || ids(PIPELINE), write: |writer, account| writer.pipelines(account) },
    Kind { controls: || ids(DEPLOYMENT_GROUP), write: |writer, account| writer.groups(account) },
    Kind { controls: || ids(PROJECT), write: |writer, account| writer.projects(account) },
    Kind { controls: || ids(SOURCE_CREDENTIAL), write: |writer, account| writer.source_credentials(account) },
    Kind { controls: || ids(REPORT_GROUP), write: |writer, account| writer.report_groups(account) },
    Kind { controls: || ids(TRAIL), write: |writer, account| writer.trails(account) },
    Kind { controls: || ids(ALARM), write: |writer, account| writer.alarm_placeholders(account) },
];

/// All kinds that are found only where something names them, after every account was searched; a bucket names its key.
const NAMED: &[Kind] = &[
    Kind { controls: || ids(BUCKET), write: |writer, account| writer.buckets(account) },
    Kind { controls: || ids(IMAGE_REPOSITORY), write: |writer, account| writer.image_repositories(account) },
    Kind { controls: || ids(KEY), write: |writer, account| writer.keys(account) },
    Kind { controls: || ids(SECRET), write: |writer, account| writer.secrets(account) },
    Kind { controls: Vec::new, write: |writer, account| writer.alarms(account) },
    Kind { controls: || ids(BRANCH), write: |writer, account| writer.branches(account) },
    Kind { controls: || ids(REPOSITORY), write: |writer, account| writer.repositories(account) },
    Kind { controls: || ids(CONNECTION), write: |writer, account| writer.connections(account) },
    Kind { controls: || ids(ROLE), write: |writer, account| writer.roles(account) },
];

/// Everything that visible things name; only what is named is looked at.
#[derive(Debug, Default)]
struct Named {
    /// Artifact buckets, and whether a production pipeline names them; a bucket of a production account counts anyway.
    buckets: BTreeMap<BucketRef, bool>,
    trail_buckets: BTreeSet<BucketRef>,
    /// Artifact buckets that a pipeline names which does not deploy to production.
    shared_buckets: BTreeSet<BucketRef>,
    /// Artifact buckets that a project or a deployment group names.
    overwritten_buckets: BTreeSet<BucketRef>,
    repositories: BTreeSet<RepositoryRef>,
    keys: BTreeSet<KeyRef>,
    secrets: BTreeSet<SecretRef>,
    /// Account, Region, slot.
    alarms: BTreeSet<(usize, usize, usize)>,
    /// Accounts and Regions in which somebody names an alarm, existing or not.
    alarm_places: BTreeSet<(usize, usize)>,
    /// Branches that pipelines take, in their order.
    sources: Vec<SourceSpec>,
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
    for kind in NAMED {
        for account in 0..world.members().len() {
            (kind.write)(&mut writer, account);
        }
    }
    writer.truth
}

impl Writer<'_> {
    fn expect(&mut self, uid: &str, account: usize, region: &str, control: &str, expected: Expected) {
        let account = self.world.account_id(account).to_string();
        let key = (control.to_owned(), uid.to_owned(), account, region.to_owned());
        self.truth.findings.insert(key, expected);
    }

    /// Every control on a thing that was seen.
    fn put<S>(&mut self, uid: &str, account: usize, region: &str, judgements: Judgements<S>, spec: &S) {
        for (control, judge) in judgements.iter().flat_map(|subject| subject.iter()) {
            let expected = judge(self.world, spec);
            self.expect(uid, account, region, control, expected);
        }
    }

    /// Every control on a thing that was not.
    fn unseen(&mut self, uid: &str, account: usize, region: &str, controls: &[&'static str]) {
        for control in controls {
            self.expect(uid, account, region, control, Expected::InsufficientData);
        }
    }

    fn refused(&self, account: usize, action: &str) -> bool {
        self.world.refusal(account, action) == Some(super::world::Refusal::Denied)
    }

    /// What stands for the things of a type that could not even be listed.
    fn placeholder(&self, service: &str, account: usize, region: usize) -> String {
        self.world.arn(service, region, account, "*")
    }

    fn account(&mut self, account: usize) {
        let world = self.world;
        if world.member(account).state == State::Suspended {
            self.truth.skipped_accounts.insert(world.account_id(account));
            return;
        }
        if world.role_denied(account) {
            self.truth.denied_accounts.insert(world.account_id(account));
            let root = format!("arn:{}:iam::{}:root", world.partition, world.account_id(account));
            for kind in KINDS.iter().chain(NAMED) {
                self.unseen(&root, account, "global", &(kind.controls)());
            }
            return;
        }
        for kind in KINDS {
            (kind.write)(self, account);
        }
    }

    fn itself(&mut self, account: usize) {
        let uid = self.world.account_arn(account);
        self.put(&uid, account, "global", ACCOUNT, &account);
    }

    fn pipelines(&mut self, account: usize) {
        for region in 0..self.world.regions().len() {
            self.pipelines_of(account, region);
        }
    }

    fn pipelines_of(&mut self, account: usize, region: usize) {
        let world = self.world;
        let region_name = world.region_name(region).to_owned();
        if self.refused(account, "codepipeline:ListPipelines") {
            let uid = self.placeholder("codepipeline", account, region);
            self.unseen(&uid, account, &region_name, &ids(PIPELINE));
            return;
        }
        let hidden = self.refused(account, "codepipeline:GetPipeline");
        for spec in PipelineSpec::all(world, account, region) {
            let uid = spec.arn(world);
            self.put(&uid, account, &region_name, PIPELINE, &spec);
            if hidden {
                self.unseen(&uid, account, &region_name, &ids(&[pipeline::CONTROLS]));
                self.unseen(
                    &uid,
                    account,
                    &region_name,
                    &ids(&[practice::CONTROLS, source::PIPELINE_CONTROLS, role::PIPELINE_CONTROLS]),
                );
                continue;
            }
            self.named.secrets.extend(build::named_by(world, &spec));
            self.named.sources.extend(SourceSpec::of(world, &spec));
            for store in spec.stores() {
                *self.named.buckets.entry(store.bucket).or_default() |= spec.production();
                if !spec.production() {
                    self.named.shared_buckets.insert(store.bucket);
                }
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
            if spec.source == super::estate::Source::Ecr {
                let word = super::estate::word(account, spec.number);
                self.named.repositories.extend(RepositoryRef::named(world, account, region, word));
            }
            if let Watch::Success { alarm, .. } | Watch::Entry { alarm } = spec.watch {
                self.named.alarms.insert((account, region, alarm));
                self.named.alarm_places.insert((account, region));
            }
        }
    }

    fn groups(&mut self, account: usize) {
        for region in 0..self.world.regions().len() {
            self.groups_of(account, region);
        }
    }

    fn groups_of(&mut self, account: usize, region: usize) {
        let world = self.world;
        let region_name = world.region_name(region).to_owned();
        let unlisted = self.refused(account, "codedeploy:ListApplications")
            || self.refused(account, "codedeploy:ListDeploymentGroups")
                && application_count(world, account, region) > 0;
        if unlisted {
            let uid = self.placeholder("codedeploy", account, region);
            self.unseen(&uid, account, &region_name, &ids(DEPLOYMENT_GROUP));
            return;
        }
        for spec in GroupSpec::all(world, account, region) {
            self.put(&spec.arn(world), account, &region_name, DEPLOYMENT_GROUP, &spec);
            if let Some(bucket) = spec.revision {
                self.named.buckets.entry(bucket).or_default();
                self.named.overwritten_buckets.insert(bucket);
            }
            for alarm in &spec.alarms {
                self.named.alarm_places.insert((account, region));
                if let AlarmName::Slot(slot) = alarm {
                    self.named.alarms.insert((account, region, *slot));
                }
            }
        }
    }

    fn alarm_placeholders(&mut self, account: usize) {
        for region in 0..self.world.regions().len() {
            let named = self.named.alarm_places.contains(&(account, region));
            if named && self.refused(account, "cloudwatch:DescribeAlarms") {
                let uid = self.placeholder("cloudwatch", account, region);
                let region_name = self.world.region_name(region).to_owned();
                self.unseen(&uid, account, &region_name, &ids(ALARM));
            }
        }
    }

    fn trails(&mut self, account: usize) {
        if !trail::listed(self.world, account) {
            for region in 0..self.world.regions().len() {
                let uid = self.placeholder("cloudtrail", account, region);
                let region_name = self.world.region_name(region).to_owned();
                self.unseen(&uid, account, &region_name, &ids(TRAIL));
            }
            return;
        }
        for spec in trails_of(self.world, account) {
            let region_name = self.world.region_name(spec.region).to_owned();
            self.put(&spec.arn(self.world), account, &region_name, TRAIL, &spec);
            self.named.trail_buckets.insert(spec.bucket);
            self.named.keys.extend(spec.key);
        }
    }

    fn buckets(&mut self, account: usize) {
        let world = self.world;
        let named: BTreeSet<BucketRef> = self.named.buckets.keys().chain(&self.named.trail_buckets).copied().collect();
        let named = self.with_replicas(named, account);
        let in_production = world.member(account).environment == Some("prod");
        for bucket in named.into_iter().filter(|bucket| bucket.account == account && world.visible(account)) {
            let by_pipeline = self.named.buckets.get(&bucket).copied();
            let unless_hidden = |seen: bool, hides: fn(&World, usize) -> bool| {
                let hidden = hides(world, account) || abroad::bucket(world, bucket, hides);
                if seen || !hidden { Some(seen) } else { None }
            };
            let artifact = unless_hidden(by_pipeline.is_some(), abroad::hides_users);
            let production = unless_hidden(by_pipeline == Some(true) || in_production, abroad::hides_pipelines);
            let shared = unless_hidden(self.named.shared_buckets.contains(&bucket), abroad::hides_pipelines);
            let overwritten = unless_hidden(self.named.overwritten_buckets.contains(&bucket), abroad::hides_users);
            let region = world.region_name(bucket.region).to_owned();
            // Policies ask for the one before the other.
            let production = artifact.and_then(|artifact| if artifact { production } else { Some(false) });
            let named = NamedBucket { bucket, artifact, production, shared, overwritten };
            self.put(&bucket.arn(world), account, &region, BUCKET, &named);
            if !self.refused(account, "s3:GetEncryptionConfiguration") {
                self.named.keys.extend(key_of(world, bucket));
            }
        }
    }

    /// These buckets, and those of the account that they are copied to.
    fn with_replicas(&self, mut named: BTreeSet<BucketRef>, account: usize) -> BTreeSet<BucketRef> {
        let mut pending: Vec<BucketRef> = named.iter().filter(|bucket| bucket.account == account).copied().collect();
        while let Some(bucket) = pending.pop() {
            if let Some(replica) = keeping::replica_of(self.world, bucket).filter(|replica| named.insert(*replica)) {
                pending.push(replica);
            }
        }
        named
    }

    fn image_repositories(&mut self, account: usize) {
        let world = self.world;
        let named: Vec<RepositoryRef> =
            self.named.repositories.iter().filter(|repository| repository.account == account).copied().collect();
        for repository in named {
            let region = world.region_name(repository.region);
            self.put(&repository.arn(world), account, region, IMAGE_REPOSITORY, &repository);
            self.named.keys.extend(keeping::image_key(world, repository));
        }
    }

    fn keys(&mut self, account: usize) {
        let world = self.world;
        let named: Vec<KeyRef> = self.named.keys.iter().filter(|key| key.account == account).copied().collect();
        for key in named.into_iter().filter(|_| world.visible(account)) {
            self.put(&key.arn(world), account, world.region_name(key.region), KEY, &key);
        }
    }

    fn sources_of(&self, account: usize) -> Vec<SourceSpec> {
        self.named.sources.iter().filter(|source| source.account == account).cloned().collect()
    }

    fn branches(&mut self, account: usize) {
        let world = self.world;
        for source in self.sources_of(account) {
            let [branch, _] = source::uids(world, &source);
            self.put(&branch, account, world.region_name(source.region), BRANCH, &source);
        }
    }

    fn repositories(&mut self, account: usize) {
        let world = self.world;
        for source in self.sources_of(account) {
            let [_, repository] = source::uids(world, &source);
            self.put(&repository, account, world.region_name(source.region), REPOSITORY, &source);
        }
    }

    fn connections(&mut self, account: usize) {
        let world = self.world;
        for connection in self.sources_of(account).into_iter().filter_map(|source| source.connection) {
            let region = world.region_name(connection.region);
            self.put(&connection.arn(world), account, region, CONNECTION, &connection);
        }
    }

    fn alarms(&mut self, account: usize) {
        let world = self.world;
        if self.refused(account, "cloudwatch:DescribeAlarms") {
            return;
        }
        let mut named: BTreeSet<_> = self.named.alarms.iter().filter(|alarm| alarm.0 == account).copied().collect();
        // A composite alarm names the one that it stands on.
        let composite = named.iter().filter(|(.., slot)| AlarmSpec::new(*slot).composite);
        let below: Vec<_> = composite.map(|(account, region, _)| (*account, *region, 0)).collect();
        named.extend(below);
        for (_, region, slot) in named {
            let alarm = AlarmSpec::new(slot);
            self.put(&alarm.arn(world, account, region), account, world.region_name(region), ALARM, &alarm);
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
