//! Pipelines: how their knobs are drawn, and which of them go together.

use super::knobs::{
    Approval, Artifact, CrossRegion, Mode, PipelineSpec, Reach, Secret, Source, StageRollback, Staging, Step, Store,
    Tests, Version, Watch, Webhook,
};
use super::recipes::{self, Recipe, Target};
use super::storage::denies_key_descriptions;
use super::{ARTIFACT_SLOTS, BucketRef, KEY_SLOTS, KeyForm, KeyRef, KeyUse, choose, name, number_in};
use crate::simulate::organization::{FIRST_WORKLOAD, Part};
use crate::simulate::world::World;

impl PipelineSpec {
    /// The pipeline of that number.
    pub(crate) fn new(world: &World, account: usize, region: usize, number: usize) -> Self {
        let mut rng = world.generator(account, region, "pipeline", number);
        let recipe = pick(world, account, region, number);
        let reach = reach(world, recipe.target, number);
        let mut spec = Self {
            account,
            region,
            number,
            version: if rng.u8(..4) == 0 { Version::V1 } else { Version::V2 },
            mode: choose(&mut rng, &[Mode::Superseded, Mode::Superseded, Mode::Queued, Mode::Parallel], Mode::Queued),
            reach,
            step: recipe.step,
            approval: recipe.approval,
            tests: recipe.tests,
            staging: recipe.staging,
            two_stages: rng.u8(..4) == 0,
            self_mutation: rng.u8(..6) == 0,
            rollback: choose(
                &mut rng,
                &[
                    StageRollback::Missing,
                    StageRollback::Result,
                    StageRollback::Result,
                    StageRollback::Condition,
                    StageRollback::Retry,
                    StageRollback::FirstOfTwo,
                ],
                StageRollback::Missing,
            ),
            watch: watch(&mut rng),
            source: source(&mut rng),
            pull_requests: rng.u8(..4) == 0,
            webhook: choose(
                &mut rng,
                &[Webhook::Hmac, Webhook::Hmac, Webhook::Unauthenticated, Webhook::Range, Webhook::OpenRange].map(Some),
                None,
            ),
            secret: choose(
                &mut rng,
                &[
                    Secret::NoVariables,
                    Secret::Referenced,
                    Secret::Referenced,
                    Secret::Harmless,
                    Secret::PlantedByName,
                    Secret::PlantedByForm,
                ],
                Secret::NoVariables,
            ),
            artifact: if rng.u8(..4) == 0 { Artifact::Source } else { Artifact::Built },
            store: Store { bucket: BucketRef { account, region, slot: 0 }, key: KeyUse::None },
            cross_region: None,
        };
        spec.store = spec.own_store(world, &mut rng);
        spec.cross_region = spec.other_store(world, &mut rng);
        spec.settle(world);
        spec
    }

    /// Knobs that exclude each other: AWS would not accept them together, or the truth would be in doubt.
    fn settle(&mut self, world: &World) {
        if self.step == Step::CommandsApply {
            self.version = Version::V2;
        }
        if self.reach == Reach::Nothing {
            self.approval = Approval::Missing;
        }
        // A staging deployment must itself be clearly staging: by its account, or by its name where no tag overrules it.
        let staged_elsewhere = world.staging_account().is_some();
        let by_name = matches!(self.reach, Reach::Name(_));
        let by_account = matches!(self.reach, Reach::OwnAccount | Reach::CrossAccount(_)) && staged_elsewhere;
        if !(by_name || by_account) {
            self.staging = Staging::Absent;
        }
        if self.approval == Approval::StagingOnly && self.staging != Staging::After {
            self.approval = Approval::Missing;
        }
        let one_stage =
            matches!(self.approval, Approval::StagingOnly | Approval::BeforeTeardown | Approval::PartOfStage);
        // Where nothing says what production is, it is the last stage only.
        let one_stage = one_stage || self.reach == Reach::Assumed;
        if one_stage || !self.production() || !matches!(self.step, Step::Stack | Step::Ecs | Step::S3) {
            self.two_stages = false;
        }
        if self.version == Version::V1 {
            self.mode = Mode::Superseded;
            self.rollback = StageRollback::Missing;
            self.watch = Watch::Missing;
            self.pull_requests = false;
        }
        if !self.production() {
            self.rollback = StageRollback::Missing;
            self.watch = Watch::Missing;
        }
        if self.mode == Mode::Parallel {
            self.rollback = StageRollback::Missing;
        }
        if self.rollback == StageRollback::FirstOfTwo && !self.two_stages {
            self.rollback = StageRollback::Retry;
        }
        if self.source != Source::Connection {
            self.pull_requests = false;
        }
        if !matches!(self.source, Source::GitHubToken { .. }) {
            self.webhook = None;
        }
        if self.tests != Tests::Build {
            self.self_mutation = false;
        }
        if self.tests == Tests::Missing && self.step != Step::CodeBuildApply {
            self.secret = Secret::NoVariables;
        }
        // Executing a change set takes no artifact.
        if self.step == Step::ChangeSet {
            self.artifact = Artifact::Built;
        }
        if !matches!(self.step, Step::Stack | Step::Ecs) || self.reach == Reach::Nothing {
            self.cross_region = None;
        }
    }

    fn own_store(&self, world: &World, rng: &mut fastrand::Rng) -> Store {
        let tooling = world.member(1).part == Part::Tooling && world.visible(1);
        let undescribed = denies_key_descriptions(world, self.account);
        if tooling && !undescribed && self.account >= FIRST_WORKLOAD && (self.account + self.number) % 4 == 3 {
            let bucket = BucketRef { account: 1, region: self.region, slot: 0 };
            let key = KeyRef { account: 1, region: self.region, slot: 0 };
            return Store { bucket, key: KeyUse::Customer(key, KeyForm::Arn) };
        }
        let slot = if self.production() { usize::from(rng.u8(..6) == 0) } else { 1 };
        self.store_in(world, rng, self.region, slot)
    }

    fn store_in(&self, world: &World, rng: &mut fastrand::Rng, region: usize, slot: usize) -> Store {
        let undescribed = denies_key_descriptions(world, self.account);
        let key = KeyRef { account: self.account, region, slot: rng.usize(..KEY_SLOTS) };
        let forms = if region == self.region {
            [KeyForm::Arn, KeyForm::Id, KeyForm::AliasArn]
        } else {
            [KeyForm::Arn, KeyForm::Arn, KeyForm::AliasArn]
        };
        let form = if undescribed { KeyForm::Arn } else { choose(rng, &forms, KeyForm::Arn) };
        let customer = KeyUse::Customer(key, form);
        let aws = if undescribed { KeyUse::None } else { KeyUse::AwsManaged };
        let key = choose(rng, &[KeyUse::None, aws, customer, customer, customer], KeyUse::None);
        Store { bucket: BucketRef { account: self.account, region, slot: slot % ARTIFACT_SLOTS }, key }
    }

    fn other_store(&self, world: &World, rng: &mut fastrand::Rng) -> Option<CrossRegion> {
        let regions = world.regions().len();
        let wanted = rng.u8(..4) == 0;
        if regions < 2 || !wanted {
            return None;
        }
        let region = (self.region + 1) % regions;
        Some(CrossRegion { region, store: self.store_in(world, rng, region, usize::from(!self.production())) })
    }

    /// The pipeline of that name.
    pub(crate) fn named(world: &World, account: usize, region: usize, text: &str) -> Option<Self> {
        let number = number_in(account, "release", text, world.pipeline_count(account, region))?;
        Some(Self::new(world, account, region, number))
    }

    /// All pipelines of an account in a Region.
    pub(crate) fn all(world: &World, account: usize, region: usize) -> impl Iterator<Item = Self> {
        (0..world.pipeline_count(account, region)).map(move |number| Self::new(world, account, region, number))
    }

    /// Its name.
    pub(crate) fn name(&self) -> String {
        name(self.account, "release", self.number)
    }

    /// Its ARN.
    pub(crate) fn arn(&self, world: &World) -> String {
        world.arn("codepipeline", self.region, self.account, &self.name())
    }

    /// Whether it deploys anything.
    pub(crate) fn deploys(&self) -> bool {
        self.reach != Reach::Nothing
    }

    /// Whether it deploys to production.
    pub(crate) fn production(&self) -> bool {
        !matches!(self.reach, Reach::Nothing | Reach::NonProduction | Reach::LooksLikeProduction)
    }

    /// The stores it names, its own Region's first.
    pub(crate) fn stores(&self) -> impl Iterator<Item = Store> {
        [Some(self.store), self.cross_region.map(|other| other.store)].into_iter().flatten()
    }
}

fn pick(world: &World, account: usize, region: usize, number: usize) -> Recipe {
    let member = world.member(account);
    let list = match (member.part, member.environment) {
        (Part::Tooling, _) => recipes::TOOLING,
        (_, Some("prod")) => recipes::PRODUCTION,
        (_, Some(_)) => recipes::OTHER,
        (_, None) => recipes::OPEN,
    };
    let each = world.options.pipelines_per_account_region;
    let turn = (account / 2 * world.regions().len() + region) * each + number;
    let offset = usize::try_from(world.options.seed.wrapping_sub(1) % 1024).unwrap_or(0);
    list.get((turn + offset) % list.len()).copied().unwrap_or(Recipe {
        target: Target::Nothing,
        step: Step::Stack,
        approval: Approval::Missing,
        tests: Tests::Build,
        staging: Staging::Absent,
    })
}

fn reach(world: &World, target: Target, number: usize) -> Reach {
    match target {
        Target::Nothing => Reach::Nothing,
        Target::NonProduction => Reach::NonProduction,
        Target::LooksLikeProduction => Reach::LooksLikeProduction,
        Target::OwnAccount => Reach::OwnAccount,
        Target::Name => Reach::Name(number),
        Target::Tag => Reach::Tag,
        Target::CrossAccount => world.production_account().map_or(Reach::Nothing, Reach::CrossAccount),
        Target::Assumed => Reach::Assumed,
    }
}

fn watch(rng: &mut fastrand::Rng) -> Watch {
    let alarm = rng.usize(..super::ALARM_SLOTS);
    let choices = [
        Watch::Missing,
        Watch::Success { alarm, rollback: true },
        Watch::Success { alarm, rollback: false },
        Watch::Entry { alarm },
    ];
    choose(rng, &choices, Watch::Missing)
}

fn source(rng: &mut fastrand::Rng) -> Source {
    let choices = [
        Source::Connection,
        Source::Connection,
        Source::Connection,
        Source::CodeCommitEvents,
        Source::CodeCommitDefault,
        Source::S3Events,
        Source::S3Polling,
        Source::GitHubToken { polling: false },
        Source::GitHubToken { polling: true },
        Source::Ecr,
    ];
    choose(rng, &choices, Source::Connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::SimulationOptions;

    fn all(accounts: usize, each: usize) -> Vec<PipelineSpec> {
        let options = SimulationOptions { accounts, pipelines_per_account_region: each, ..Default::default() };
        let world = World::new(options);
        (0..accounts)
            .flat_map(|account| (0..2).map(move |region| (account, region)))
            .flat_map(|(account, region)| PipelineSpec::all(&world, account, region).collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn the_default_world_has_good_and_bad_of_each() {
        let specs = all(12, 3);
        assert!(specs.len() > 30, "{}", specs.len());
        assert!(specs.iter().any(PipelineSpec::production) && specs.iter().any(|s| !s.production()));
        assert!(specs.iter().any(|s| !s.deploys()));
        assert!(specs.iter().any(|s| s.cross_region.is_some()));
        assert!(specs.iter().any(|s| matches!(s.secret, Secret::PlantedByName | Secret::PlantedByForm)));
    }

    #[test]
    fn a_large_world_has_every_knob() {
        let specs = all(120, 6);
        for approval in [
            Approval::Missing,
            Approval::EarlierStage,
            Approval::SameStage,
            Approval::AfterDeploy,
            Approval::EqualRunOrder,
            Approval::StagingOnly,
            Approval::BeforeTeardown,
            Approval::CalledSo,
            Approval::PartOfStage,
        ] {
            assert!(specs.iter().any(|s| s.approval == approval && s.production()), "{approval:?}");
        }
        for webhook in [Webhook::Hmac, Webhook::Unauthenticated, Webhook::Range, Webhook::OpenRange] {
            assert!(specs.iter().any(|s| s.webhook == Some(webhook)), "{webhook:?}");
        }
        assert!(specs.iter().any(|s| s.rollback == StageRollback::FirstOfTwo));
        assert!(specs.iter().any(|s| s.pull_requests && s.deploys()));
    }

    #[test]
    fn first_versions_have_nothing_that_needs_the_second() {
        for spec in all(60, 6).iter().filter(|s| s.version == Version::V1) {
            assert_eq!(
                (spec.mode, spec.rollback, spec.watch),
                (Mode::Superseded, StageRollback::Missing, Watch::Missing)
            );
            assert!(!spec.pull_requests && spec.step != Step::CommandsApply);
        }
    }
}
