//! Alarms and trails: who would notice.

use super::choose;
use super::storage::{BucketRef, KeyRef, TRAIL_SLOT};
use crate::simulate::organization::{FIRST_WORKLOAD, Part, State};
use crate::simulate::world::World;

/// Alarms in every account and Region.
pub(crate) const ALARM_SLOTS: usize = 7;

/// An alarm's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AlarmState {
    Ok,
    Alarm,
    /// Without data for that many days.
    Insufficient {
        days: i64,
    },
}

/// An alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AlarmSpec {
    pub(crate) slot: usize,
    pub(crate) composite: bool,
    pub(crate) actions_enabled: bool,
    pub(crate) state: AlarmState,
    /// As set; `None`: the default, `missing`.
    pub(crate) missing_data: Option<&'static str>,
}

impl AlarmSpec {
    /// The alarm of that slot; every account and Region has the same kinds.
    pub(crate) fn new(slot: usize) -> Self {
        let sound = Self {
            slot,
            composite: false,
            actions_enabled: true,
            state: AlarmState::Ok,
            missing_data: Some("breaching"),
        };
        match slot {
            1 => Self { actions_enabled: false, missing_data: None, ..sound },
            2 => Self { state: AlarmState::Insufficient { days: 30 }, missing_data: Some("missing"), ..sound },
            3 => Self { state: AlarmState::Insufficient { days: 2 }, missing_data: None, ..sound },
            4 => Self { composite: true, ..sound },
            5 => Self { state: AlarmState::Alarm, missing_data: Some("notBreaching"), ..sound },
            6 => Self { composite: true, actions_enabled: false, ..sound },
            _ => sound,
        }
    }

    /// Its name.
    pub(crate) fn name(self) -> String {
        format!("delivery-errors-{}", self.slot)
    }

    /// Its ARN.
    pub(crate) fn arn(self, world: &World, account: usize, region: usize) -> String {
        world.arn("cloudwatch", region, account, &format!("alarm:{}", self.name()))
    }
}

/// The slot of the alarm of that name.
pub(crate) fn alarm_slot_of(name: &str) -> Option<usize> {
    let slot: usize = name.strip_prefix("delivery-errors-")?.parse().ok()?;
    (slot < ALARM_SLOTS).then_some(slot)
}

/// How much a trail covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Organization,
    MultiRegion,
    SingleRegion,
}

/// Which data events a trail records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataEvents {
    None,
    /// Basic selector with `arn:aws:s3`.
    AllBuckets,
    /// Basic selector with `arn:aws:s3:::`.
    AllBucketsColons,
    /// Advanced selector without an ARN.
    AllBucketsAdvanced,
    /// Basic selector with one bucket.
    OneBucket(BucketRef),
    /// Advanced selector that the ARN of one bucket narrows.
    OneBucketAdvanced(BucketRef),
    /// Lambda only.
    Functions,
}

/// A trail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrailSpec {
    pub(crate) account: usize,
    pub(crate) region: usize,
    pub(crate) scope: Scope,
    pub(crate) logging: bool,
    pub(crate) validation: bool,
    pub(crate) cloudwatch: bool,
    pub(crate) key: Option<KeyRef>,
    pub(crate) bucket: BucketRef,
    pub(crate) events: DataEvents,
}

impl TrailSpec {
    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        if self.scope == Scope::Organization { "organization-trail" } else { "account-trail" }
    }

    /// Its ARN, which names the owner.
    pub(crate) fn arn(&self, world: &World) -> String {
        world.arn("cloudtrail", self.region, self.account, &format!("trail/{}", self.name()))
    }

    /// Whether it records in every Region.
    pub(crate) fn multi_region(&self) -> bool {
        self.scope != Scope::SingleRegion
    }
}

/// The organization's trail: every fourth seed has it stopped, every fourth lets it record all objects.
pub(crate) fn organization_trail(world: &World) -> TrailSpec {
    let mut rng = world.generator(0, 0, "trail", 0);
    let archive = if world.member(2).part == Part::LogArchive { 2 } else { 0 };
    let stopped = world.options.seed % 4 == 3;
    let everything = world.options.seed.is_multiple_of(4) && world.options.seed > 0;
    TrailSpec {
        account: 0,
        region: 0,
        scope: Scope::Organization,
        logging: !stopped,
        validation: true,
        cloudwatch: rng.bool(),
        key: Some(KeyRef { account: archive, region: 0, slot: 0 }),
        bucket: BucketRef { account: archive, region: 0, slot: TRAIL_SLOT },
        events: if everything && !stopped { DataEvents::AllBucketsAdvanced } else { DataEvents::None },
    }
}

/// The trails that an account owns itself.
pub(crate) fn trails_of(world: &World, account: usize) -> Vec<TrailSpec> {
    let member = world.member(account);
    match member.part {
        Part::Management => return vec![organization_trail(world)],
        Part::Tooling | Part::LogArchive => return Vec::new(),
        Part::Workload => {}
    }
    let wanted = account % 3 == FIRST_WORKLOAD % 3 || member.denied_action == Some("cloudtrail:GetEventSelectors");
    if !wanted || member.state != State::Active {
        return Vec::new();
    }
    let mut rng = world.generator(account, 0, "trail", 1);
    let key = KeyRef { account, region: 0, slot: 0 };
    let artifacts = BucketRef { account, region: 0, slot: 0 };
    let choices = [
        DataEvents::None,
        DataEvents::AllBuckets,
        DataEvents::AllBucketsColons,
        DataEvents::AllBucketsAdvanced,
        DataEvents::OneBucket(artifacts),
        DataEvents::OneBucketAdvanced(artifacts),
        DataEvents::Functions,
    ];
    let events = choose(&mut rng, &choices, DataEvents::None);
    let silent = matches!(events, DataEvents::None | DataEvents::Functions);
    vec![TrailSpec {
        account,
        region: 0,
        scope: choose(&mut rng, &[Scope::MultiRegion, Scope::SingleRegion], Scope::SingleRegion),
        logging: !silent || rng.bool(),
        validation: rng.bool(),
        cloudwatch: rng.bool(),
        key: rng.bool().then_some(key),
        bucket: BucketRef { account, region: 0, slot: TRAIL_SLOT },
        events,
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::SimulationOptions;

    #[test]
    fn alarms_are_found_by_name() {
        for slot in 0..ALARM_SLOTS {
            assert_eq!(alarm_slot_of(&AlarmSpec::new(slot).name()), Some(slot));
        }
        assert_eq!(alarm_slot_of("delivery-errors-7"), None);
        assert_eq!(alarm_slot_of("vanished-alarm"), None);
    }

    #[test]
    fn trails_differ_and_the_organization_has_one() {
        let world = World::new(SimulationOptions { accounts: 120, ..SimulationOptions::default() });
        let trails: Vec<TrailSpec> = (0..120).flat_map(|account| trails_of(&world, account)).collect();
        assert_eq!(trails.iter().filter(|t| t.scope == Scope::Organization).count(), 1);
        assert!(trails.iter().any(|t| !t.logging) && trails.iter().any(|t| !t.validation && t.logging));
        assert!(trails.iter().any(|t| matches!(t.events, DataEvents::OneBucketAdvanced(_))));
        let stopped = World::new(SimulationOptions { seed: 3, ..SimulationOptions::default() });
        assert!(!organization_trail(&stopped).logging);
    }
}
