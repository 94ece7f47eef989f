//! Deployment groups and the configurations they deploy with.

use super::knobs::{PipelineSpec, Reach, Step};
use super::{BucketRef, choose, name, word};
use crate::simulate::world::World;

/// An application's compute platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    Server,
    Lambda,
    Ecs,
}

/// What a group's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    Neutral,
    Production,
    NonProduction,
}

/// Automatic rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rollback {
    Off,
    /// Events are listed, but it is not enabled.
    ListedOnly,
    Failure,
    Alarm,
    Both,
}

/// An alarm that a group names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AlarmName {
    Slot(usize),
    /// No alarm has this name.
    Ghost,
}

/// In place, or blue/green with what happens to the blue fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blue {
    InPlace,
    Terminate {
        minutes: u32,
    },
    KeepAlive,
    /// Traffic shifts and there is no fleet (Lambda).
    NoFleet,
}

/// What is done with instances that a deployment missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fleet {
    Unset,
    Update,
    Ignore,
}

/// What a trigger tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notification {
    Missing,
    SuccessOnly,
    Failure,
}

/// A deployment configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) name: &'static str,
    pub(crate) platform: Platform,
    /// Type and value.
    pub(crate) healthy_hosts: Option<(&'static str, u32)>,
    /// Type, percentage and interval.
    pub(crate) traffic: Option<(&'static str, u32, u32)>,
}

const fn hosts(name: &'static str, kind: &'static str, value: u32) -> Config {
    Config { name, platform: Platform::Server, healthy_hosts: Some((kind, value)), traffic: None }
}

const fn shift(name: &'static str, platform: Platform, kind: &'static str, percentage: u32, minutes: u32) -> Config {
    Config { name, platform, healthy_hosts: None, traffic: Some((kind, percentage, minutes)) }
}

const CANARY: &str = "TimeBasedCanary";
const LINEAR: &str = "TimeBasedLinear";
const ALL: &str = "AllAtOnce";

/// The configurations that exist in every account; AWS's own begin with `CodeDeployDefault.`.
pub(crate) const CONFIGS: &[Config] = &[
    hosts("CodeDeployDefault.OneAtATime", "HOST_COUNT", 1),
    hosts("CodeDeployDefault.HalfAtATime", "FLEET_PERCENT", 50),
    hosts("CodeDeployDefault.AllAtOnce", "HOST_COUNT", 0),
    hosts("three-quarters-healthy", "FLEET_PERCENT", 75),
    hosts("none-healthy", "FLEET_PERCENT", 0),
    shift("CodeDeployDefault.LambdaCanary10Percent5Minutes", Platform::Lambda, CANARY, 10, 5),
    shift("CodeDeployDefault.LambdaLinear10PercentEvery1Minute", Platform::Lambda, LINEAR, 10, 1),
    shift("CodeDeployDefault.LambdaAllAtOnce", Platform::Lambda, ALL, 0, 0),
    shift("function-canary-5-percent", Platform::Lambda, CANARY, 5, 15),
    shift("function-at-once", Platform::Lambda, ALL, 0, 0),
    shift("CodeDeployDefault.ECSCanary10Percent5Minutes", Platform::Ecs, CANARY, 10, 5),
    shift("CodeDeployDefault.ECSLinear10PercentEvery1Minutes", Platform::Ecs, LINEAR, 10, 1),
    shift("CodeDeployDefault.ECSAllAtOnce", Platform::Ecs, ALL, 0, 0),
    shift("service-linear-20-percent", Platform::Ecs, LINEAR, 20, 2),
];

/// A deployment group.
#[derive(Debug, Clone)]
pub(crate) struct GroupSpec {
    pub(crate) account: usize,
    pub(crate) region: usize,
    pub(crate) number: usize,
    pub(crate) platform: Platform,
    pub(crate) naming: Naming,
    /// Tagged `environment=prod`.
    pub(crate) tagged_production: bool,
    pub(crate) rollback: Rollback,
    pub(crate) alarms_enabled: bool,
    pub(crate) ignore_polling: bool,
    pub(crate) alarms: Vec<AlarmName>,
    pub(crate) blue: Blue,
    pub(crate) config: Config,
    pub(crate) outdated: Fleet,
    pub(crate) notification: Notification,
    pub(crate) revision: Option<BucketRef>,
}

impl GroupSpec {
    /// The group of that number.
    pub(crate) fn new(world: &World, account: usize, region: usize, number: usize) -> Self {
        let mut rng = world.generator(account, region, "group", number);
        let pipeline = PipelineSpec::new(world, account, region, number);
        let platform = platform(world, account, region, number / 2);
        let (naming, tagged_production) = naming(world, &mut rng, &pipeline);
        let configs: Vec<Config> = CONFIGS.iter().filter(|config| config.platform == platform).copied().collect();
        let first = configs.first().copied().unwrap_or(hosts("CodeDeployDefault.OneAtATime", "HOST_COUNT", 1));
        let sets: [&[AlarmName]; 9] = [
            &[],
            &[AlarmName::Slot(0)],
            &[AlarmName::Slot(0), AlarmName::Slot(4)],
            &[AlarmName::Slot(1)],
            &[AlarmName::Slot(2)],
            &[AlarmName::Slot(3)],
            &[AlarmName::Slot(5), AlarmName::Slot(6)],
            &[AlarmName::Slot(0), AlarmName::Ghost],
            &[AlarmName::Ghost],
        ];
        let rollbacks = [
            Rollback::Off,
            Rollback::ListedOnly,
            Rollback::Failure,
            Rollback::Alarm,
            Rollback::Both,
            Rollback::Both,
            Rollback::Both,
        ];
        Self {
            account,
            region,
            number,
            platform,
            naming,
            tagged_production,
            rollback: choose(&mut rng, &rollbacks, Rollback::Off),
            alarms_enabled: rng.u8(..5) > 0,
            ignore_polling: rng.u8(..4) == 0,
            alarms: choose(&mut rng, &sets, &[]).to_vec(),
            blue: blue(&mut rng, platform),
            config: choose(&mut rng, &configs, first),
            outdated: choose(&mut rng, &[Fleet::Unset, Fleet::Update, Fleet::Update, Fleet::Ignore], Fleet::Unset),
            notification: choose(
                &mut rng,
                &[Notification::Missing, Notification::SuccessOnly, Notification::Failure, Notification::Failure],
                Notification::Missing,
            ),
            revision: (platform == Platform::Server && rng.bool()).then_some(BucketRef { account, region, slot: 2 }),
        }
    }

    /// All groups of an account in a Region.
    pub(crate) fn all(world: &World, account: usize, region: usize) -> impl Iterator<Item = Self> {
        (0..world.group_count(account, region)).map(move |number| Self::new(world, account, region, number))
    }

    /// The groups of one application.
    pub(crate) fn of(world: &World, account: usize, region: usize, application: usize) -> impl Iterator<Item = Self> {
        let end = (2 * application + 2).min(world.group_count(account, region));
        (2 * application..end).map(move |number| Self::new(world, account, region, number))
    }

    /// Its application's number.
    pub(crate) fn application(&self) -> usize {
        self.number / 2
    }

    /// Its name.
    pub(crate) fn name(&self) -> String {
        let suffix = match self.naming {
            Naming::Neutral => "fleet",
            Naming::Production => {
                if self.number.is_multiple_of(2) {
                    "prod"
                } else {
                    "live"
                }
            }
            Naming::NonProduction => {
                if self.number.is_multiple_of(2) {
                    "staging"
                } else {
                    "nonprod"
                }
            }
        };
        format!("{}-{suffix}-{:02}", word(self.account, self.number), self.number)
    }

    /// Its ARN.
    pub(crate) fn arn(&self, world: &World) -> String {
        let application = application_name(self.account, self.application());
        let resource = format!("deploymentgroup:{application}/{}", self.name());
        world.arn("codedeploy", self.region, self.account, &resource)
    }
}

/// How many applications an account has in a Region.
pub(crate) fn application_count(world: &World, account: usize, region: usize) -> usize {
    world.group_count(account, region).div_ceil(2)
}

/// Name of an application.
pub(crate) fn application_name(account: usize, application: usize) -> String {
    name(account, "app", application)
}

/// Compute platform of an application.
pub(crate) fn platform(world: &World, account: usize, region: usize, application: usize) -> Platform {
    let mut rng = world.generator(account, region, "application", application);
    choose(&mut rng, &[Platform::Server, Platform::Server, Platform::Lambda, Platform::Ecs], Platform::Server)
}

/// A group's name and tag agree with the pipeline that deploys to it.
fn naming(world: &World, rng: &mut fastrand::Rng, pipeline: &PipelineSpec) -> (Naming, bool) {
    let targeted = pipeline.step == Step::CodeDeploy && pipeline.deploys();
    match world.member(pipeline.account).environment {
        Some("prod") => (choose(rng, &[Naming::Neutral, Naming::Production], Naming::Neutral), false),
        Some(_) => (Naming::NonProduction, false),
        None if targeted => match pipeline.reach {
            Reach::Name(_) => (choose(rng, &[Naming::Neutral, Naming::Production], Naming::Production), false),
            _ => (Naming::NonProduction, false),
        },
        None => {
            let naming =
                choose(rng, &[Naming::Neutral, Naming::Production, Naming::NonProduction], Naming::NonProduction);
            (naming, naming == Naming::Neutral && rng.u8(..3) == 0)
        }
    }
}

fn blue(rng: &mut fastrand::Rng, platform: Platform) -> Blue {
    let terminations =
        [Blue::Terminate { minutes: 0 }, Blue::Terminate { minutes: 60 }, Blue::Terminate { minutes: 5 }];
    match platform {
        Platform::Lambda => Blue::NoFleet,
        Platform::Ecs => choose(rng, &terminations, Blue::Terminate { minutes: 60 }),
        Platform::Server => {
            let [short, long, least] = terminations;
            choose(rng, &[Blue::InPlace, Blue::InPlace, short, long, least, Blue::KeepAlive], Blue::InPlace)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::SimulationOptions;

    #[test]
    fn groups_use_configurations_of_their_platform_and_all_occur() {
        let options = SimulationOptions { accounts: 80, pipelines_per_account_region: 6, ..Default::default() };
        let world = World::new(options);
        let groups: Vec<GroupSpec> = (0..80).flat_map(|account| GroupSpec::all(&world, account, 0)).collect();
        for config in CONFIGS {
            assert!(groups.iter().any(|group| group.config == *config), "{}", config.name);
        }
        assert!(groups.iter().all(|group| group.config.platform == group.platform));
        assert!(groups.iter().all(|group| (group.platform == Platform::Lambda) == (group.blue == Blue::NoFleet)));
    }

    #[test]
    fn an_application_lists_only_its_own_groups() {
        let world = World::new(SimulationOptions::default());
        assert_eq!(application_count(&world, 3, 0), 2);
        assert_eq!(GroupSpec::of(&world, 3, 0, 0).count(), 2);
        assert_eq!(GroupSpec::of(&world, 3, 0, 1).count(), 1);
        assert_eq!(GroupSpec::of(&world, 3, 0, 9).count(), 0);
    }
}
