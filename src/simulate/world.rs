//! The world: who has which id, who refuses what, and the source of every random choice.
//!
//! In: the options. Out: ids, ARNs and seeded generators. It holds one small record per account and nothing of what is
//! in them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::SimulationOptions;
use super::estate::Act;
use super::memo::Memo;
use super::organization::{self, FIRST_WORKLOAD, Member, Part, State};
use super::services::archive::Folder;
use crate::inventory::{AccountId, Partition, Region};

/// How a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The role lacks the action.
    Denied,
    /// The endpoint does not know the operation.
    Unknown,
}

/// The organization and the seed of everything in it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) options: SimulationOptions,
    pub(crate) partition: Partition,
    members: Vec<Member>,
    ids: Vec<AccountId>,
    positions: BTreeMap<AccountId, usize>,
    made: AtomicU64,
    /// Queries of Athena, by their id.
    queries: Mutex<BTreeMap<String, String>>,
    /// What was done in an account and Region.
    pub(crate) acts: Memo<(usize, usize), Vec<Act>>,
    /// Objects of a folder of the trail's archive.
    pub(crate) archive: Memo<Folder, Vec<(String, Vec<u8>)>>,
}

const SPREAD: u64 = 432_989_012_347;
const IDS: u64 = 700_000_000_003;
const FIRST_ID: u64 = 200_000_000_000;

impl World {
    pub(crate) fn new(options: SimulationOptions) -> Self {
        let partition = options.regions.first().map_or(Partition::Aws, Partition::of_region);
        let members = organization::members(&options);
        let offset = mix(options.seed, 0, 0, 0) % IDS;
        let ids: Vec<AccountId> = (0..members.len())
            .filter_map(|index| (FIRST_ID + (offset + SPREAD * index as u64) % IDS).to_string().parse().ok())
            .collect();
        let positions = ids.iter().cloned().enumerate().map(|(index, id)| (id, index)).collect();
        Self {
            options,
            partition,
            members,
            ids,
            positions,
            made: AtomicU64::new(0),
            queries: Mutex::default(),
            acts: Memo::new(64),
            archive: Memo::new(512),
        }
    }

    /// All accounts by position.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// One account; beyond the last, a management account that owns nothing.
    pub(crate) fn member(&self, account: usize) -> Member {
        self.members.get(account).copied().unwrap_or(Member {
            part: Part::Management,
            unit: 0,
            environment: None,
            state: State::Active,
            role_denied: false,
            denied_action: None,
        })
    }

    /// The twelve digits of an account.
    pub(crate) fn account_id(&self, account: usize) -> AccountId {
        self.ids.get(account).or_else(|| self.ids.first()).cloned().unwrap_or_else(nobody)
    }

    /// The position of an account.
    pub(crate) fn position(&self, id: &AccountId) -> Option<usize> {
        self.positions.get(id).copied()
    }

    /// The position of an account by its twelve digits.
    pub(crate) fn position_of(&self, id: &str) -> Option<usize> {
        id.parse().ok().and_then(|id| self.position(&id))
    }

    /// All enabled Regions.
    pub(crate) fn regions(&self) -> &[Region] {
        &self.options.regions
    }

    /// Name of an enabled Region.
    pub(crate) fn region_name(&self, region: usize) -> &str {
        self.options.regions.get(region).map_or("us-east-1", Region::as_str)
    }

    /// Position of an enabled Region.
    pub(crate) fn region_position(&self, name: &str) -> Option<usize> {
        self.options.regions.iter().position(|region| region.as_str() == name)
    }

    /// `arn:partition:service:region:account:resource`
    pub(crate) fn arn(&self, service: &str, region: usize, account: usize, resource: &str) -> String {
        let (region, account) = (self.region_name(region), self.account_id(account));
        format!("arn:{}:{service}:{region}:{account}:{resource}", self.partition)
    }

    /// `arn:partition:iam::account:role/name`
    pub(crate) fn role_arn(&self, account: usize, name: &str) -> String {
        format!("arn:{}:iam::{}:role/{name}", self.partition, self.account_id(account))
    }

    /// `arn:partition:organizations::management:kind/rest`
    pub(crate) fn organizations_arn(&self, resource: &str) -> String {
        format!("arn:{}:organizations::{}:{resource}", self.partition, self.account_id(0))
    }

    /// The ARN that Organizations gives an account.
    pub(crate) fn account_arn(&self, account: usize) -> String {
        self.organizations_arn(&format!("account/{}/{}", self.organization_id(), self.account_id(account)))
    }

    /// `o-` and ten letters.
    pub(crate) fn organization_id(&self) -> String {
        format!("o-{}", letters(mix(self.options.seed, 1, 0, 0), 10))
    }

    /// Id of a unit; the first is the root.
    pub(crate) fn unit_id(&self, unit: usize) -> String {
        let root = letters(mix(self.options.seed, 2, 0, 0), 4);
        if unit == 0 {
            format!("r-{root}")
        } else {
            format!("ou-{root}-{}", letters(mix(self.options.seed, 2, unit as u64, 0), 8))
        }
    }

    /// Whether and how `account` refuses an IAM action.
    pub(crate) fn refusal(&self, account: usize, action: &str) -> Option<Refusal> {
        if self.options.deny_action.as_deref() == Some(action) {
            Some(Refusal::Denied)
        } else if self.member(account).denied_action == Some(action) {
            let unknown = action == "codedeploy:BatchGetDeploymentGroups";
            Some(if unknown { Refusal::Unknown } else { Refusal::Denied })
        } else if self.options.denials && organization::hides_history(account, action) {
            Some(Refusal::Denied)
        } else {
            None
        }
    }

    /// Whether the audit role of `account` cannot be assumed.
    pub(crate) fn role_denied(&self, account: usize) -> bool {
        self.member(account).role_denied
            || account != 0 && self.options.deny_action.as_deref() == Some("sts:AssumeRole")
    }

    /// Whether an audit sees into the account at all: an account that is about to be closed still answers.
    pub(crate) fn visible(&self, account: usize) -> bool {
        account < self.members.len() && self.member(account).state != State::Suspended && !self.role_denied(account)
    }

    /// How many pipelines an account has in a Region.
    pub(crate) fn pipeline_count(&self, account: usize, region: usize) -> usize {
        let delivers = matches!(self.member(account).part, Part::Tooling | Part::Workload);
        let empty = region > 0 && (account + region) % 7 == 3;
        let in_use = self.options.regions_in_use.unwrap_or(usize::MAX).min(self.options.regions.len());
        if account < self.members.len() && region < in_use && delivers && !empty {
            self.options.pipelines_per_account_region
        } else {
            0
        }
    }

    /// How many deployment groups an account has in a Region.
    pub(crate) fn group_count(&self, account: usize, region: usize) -> usize {
        if self.member(account).part == Part::Workload { self.pipeline_count(account, region) } else { 0 }
    }

    /// The first account that is tagged `environment=prod`.
    pub(crate) fn production_account(&self) -> Option<usize> {
        self.tagged("prod", FIRST_WORKLOAD)
    }

    /// The first account that is tagged `environment=staging`.
    pub(crate) fn staging_account(&self) -> Option<usize> {
        self.tagged("staging", FIRST_WORKLOAD + 2)
    }

    fn tagged(&self, environment: &str, account: usize) -> Option<usize> {
        let member = self.members.get(account)?;
        (member.environment == Some(environment) && member.state == State::Active).then_some(account)
    }

    /// A generator for one thing: the same thing always gets the same numbers.
    pub(crate) fn generator(&self, account: usize, region: usize, kind: &str, number: usize) -> fastrand::Rng {
        self.made.fetch_add(1, Ordering::Relaxed);
        let kind = kind.bytes().fold(17_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let place = ((account as u64) << 16) | region as u64;
        fastrand::Rng::with_seed(mix(self.options.seed, place, kind, number as u64))
    }

    /// Keeps a query, and answers its id: the same for the same text.
    pub(crate) fn remember_query(&self, sql: &str) -> String {
        let number = sql.bytes().fold(5_u64, |sum, byte| sum.wrapping_mul(131).wrapping_add(u64::from(byte)));
        let (high, low) = (mix(self.options.seed, number, 0, 9), mix(self.options.seed, number, 1, 9));
        let id = format!("{:08x}-0000-4000-8000-{:012x}", high >> 32, low >> 16);
        self.queries.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), sql.to_owned());
        id
    }

    /// The query of that id.
    pub(crate) fn query(&self, id: &str) -> Option<String> {
        self.queries.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// How many things were made so far.
    #[cfg(test)]
    pub(crate) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }
}

/// An id that no account has.
#[expect(clippy::expect_used, reason = "twelve zeros are an account id")]
fn nobody() -> AccountId {
    "000000000000".parse().expect("twelve zeros are an account id")
}

/// Four numbers to one, well mixed (the finaliser of `SplitMix64`).
pub(crate) fn mix(seed: u64, account: u64, region: u64, number: u64) -> u64 {
    [seed, account, region, number].into_iter().fold(0x9e37_79b9_7f4a_7c15, |state: u64, part| {
        let mut z = state.wrapping_add(part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// `length` lower-case letters and digits out of a number.
pub(crate) fn letters(number: u64, length: usize) -> String {
    let mut generator = fastrand::Rng::with_seed(number);
    (0..length).map(|_| if generator.u8(..4) == 0 { generator.digit(10) } else { generator.lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_accounts_have_a_thousand_ids_and_nothing_else_is_made() {
        let world = World::new(SimulationOptions { accounts: 1000, ..SimulationOptions::default() });
        assert_eq!(world.positions.len(), 1000);
        assert_eq!(world.made(), 0);
        assert_eq!(world.position(&world.account_id(777)), Some(777));
    }

    #[test]
    fn seeds_make_different_worlds_and_the_same_seed_the_same() {
        let world = |seed| World::new(SimulationOptions { seed, ..SimulationOptions::default() });
        assert_eq!(world(1).organization_id(), world(1).organization_id());
        assert_ne!(world(1).organization_id(), world(2).organization_id());
        assert_ne!(world(1).account_id(3), world(2).account_id(3));
        assert_eq!(world(1).generator(3, 1, "key", 2).u64(..), world(1).generator(3, 1, "key", 2).u64(..));
        assert_ne!(world(1).generator(3, 1, "key", 2).u64(..), world(1).generator(3, 1, "key", 1).u64(..));
    }

    #[test]
    fn pipelines_stand_in_no_more_regions_than_are_in_use() {
        let regions: Vec<Region> = ["eu-central-1", "us-east-1", "eu-west-1"].map(|name| name.parse().unwrap()).into();
        let counted = |regions_in_use| {
            let options =
                SimulationOptions { accounts: 40, regions: regions.clone(), regions_in_use, ..Default::default() };
            let world = World::new(options);
            [0, 1, 2].map(|region| (0..40).map(|account| world.pipeline_count(account, region)).sum::<usize>())
        };
        let [all, some] = [counted(None), counted(Some(2))];
        assert!(all.iter().all(|pipelines| *pipelines > 0), "{all:?}");
        assert_eq!(some, [all[0], all[1], 0]);
        assert_eq!(counted(Some(9)), all);
    }

    #[test]
    fn a_denied_action_is_refused_everywhere() {
        let options = SimulationOptions { deny_action: Some("kms:GetKeyPolicy".to_owned()), ..Default::default() };
        let world = World::new(options);
        assert!((0..12).all(|account| world.refusal(account, "kms:GetKeyPolicy") == Some(Refusal::Denied)));
        assert_eq!(world.refusal(1, "kms:DescribeKey"), None);
    }
}
