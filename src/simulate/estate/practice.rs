//! How a pipeline is run: who hears of it, what it checks, what holds it, and what its tags say.
//!
//! In: a pipeline's knobs. Out: further knobs of the same pipeline, drawn on their own, so that nothing that was drawn
//! before changes. They add actions only where these leave everything else that is said of the pipeline as it is.

use super::choose;
use super::knobs::{Approval, PipelineSpec, Reach, Staging, Step, Tests, Version};
use crate::simulate::world::World;

/// What the people of the organization would write into `pipewarden.toml`.
pub(crate) const CONFIGURATION: &str = r#"
[sources]
allowed_owners = ["example"]

[approvals]
release_managers = ["arn:aws:iam::*:role/ReleaseManager*"]

[branches]
production = ["main"]
development = ["*"]

[stages]
before_production = ["dependencies"]

[tiers.checks]
critical = ["unit", "security"]

[templates]
tags = { template = ["delivery-factory"] }

[services]
"orders-release-00" = ["billing-release-01"]
"catalog-release-00" = ["identity-release-01"]
"billing-release-00" = ["search-release-01"]
"search-release-00" = ["ledger-release-01"]
"#;

/// The pipelines that wait for another, and that other: as in [`CONFIGURATION`].
const UPSTREAM: &[(&str, &str)] = &[
    ("orders-release-00", "billing-release-01"),
    ("catalog-release-00", "identity-release-01"),
    ("billing-release-00", "search-release-01"),
    ("search-release-00", "ledger-release-01"),
];

/// A topic of an account and Region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// Encrypted, with a confirmed subscription.
    Releases,
    /// Encrypted, but nobody has confirmed.
    Unconfirmed,
    /// Confirmed, but in the clear.
    Clear,
    /// It does not exist.
    Vanished,
}

impl Topic {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Releases => "releases",
            Self::Unconfirmed => "unconfirmed",
            Self::Clear => "announcements",
            Self::Vanished => "vanished",
        }
    }

    /// Its ARN.
    pub(crate) fn arn(self, world: &World, account: usize, region: usize) -> String {
        world.arn("sns", region, account, self.name())
    }
}

/// What a notification rule is about, and whom it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    Missing,
    Failures(Topic),
    /// Of failures, in a chat.
    Chat,
    /// Of failures, but switched off.
    Disabled,
    /// Of approvals only.
    Approvals(Topic),
    /// Of successes only.
    Successes,
}

/// A security scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scan {
    Absent,
    /// Amazon Inspector over the source, before everything is deployed.
    Inspector {
        limited: bool,
    },
    /// Semgrep in a Commands action.
    Commands {
        stops: bool,
    },
    /// A build project that is called so.
    Named,
    /// Amazon Inspector, after everything was deployed.
    Late,
}

/// What keeps production to a time window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Window {
    Missing,
    /// An entry condition.
    Rule,
    /// A function in a stage before.
    Function,
}

/// How a pipeline is run.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "knobs that turn independently")]
pub(crate) struct PracticeSpec {
    /// The topic that approvals name.
    pub(crate) approvers: Option<Topic>,
    /// Whether approvals say what is to be looked at.
    pub(crate) explained: bool,
    /// How long approvals are waited for, if it is set.
    pub(crate) wait_minutes: Option<u32>,
    pub(crate) rule: Rule,
    pub(crate) scan: Scan,
    pub(crate) window: Window,
    /// Tests between staging and production.
    pub(crate) integration: bool,
    /// A second build between staging and production, which production takes.
    pub(crate) rebuild: bool,
    /// The first deployment goes to the pipeline's own Region as well.
    pub(crate) fan_out: bool,
    /// Tagged with the stack that made it.
    pub(crate) stack: bool,
    /// Tagged with its environment, where that says nothing new.
    pub(crate) environment: bool,
    /// Tagged as critical.
    pub(crate) critical: bool,
    /// Tagged with the approved template.
    pub(crate) template: bool,
    /// The pipeline that has to be through before.
    pub(crate) upstream: Option<&'static str>,
    /// Whether that is asked for.
    pub(crate) asks_upstream: bool,
}

impl PracticeSpec {
    /// How that pipeline is run.
    pub(crate) fn of(world: &World, pipeline: &PipelineSpec) -> Self {
        let mut rng = world.generator(pipeline.account, pipeline.region, "practice", pipeline.number);
        let topics =
            [Topic::Releases, Topic::Releases, Topic::Releases, Topic::Unconfirmed, Topic::Clear, Topic::Vanished];
        let heard = choose(&mut rng, &topics, Topic::Releases);
        let approvers = choose(&mut rng, &[None, Some(heard), Some(heard), Some(Topic::Releases)], None);
        let told = choose(&mut rng, &topics, Topic::Releases);
        let name = pipeline.name();
        let mut spec = Self {
            approvers,
            explained: rng.u8(..4) > 0,
            wait_minutes: choose(&mut rng, &[None, Some(1440), Some(43_200)], None),
            rule: choose(
                &mut rng,
                &[
                    Rule::Missing,
                    Rule::Failures(told),
                    Rule::Failures(Topic::Releases),
                    Rule::Chat,
                    Rule::Disabled,
                    Rule::Approvals(told),
                    Rule::Successes,
                ],
                Rule::Missing,
            ),
            scan: choose(
                &mut rng,
                &[
                    Scan::Absent,
                    Scan::Inspector { limited: true },
                    Scan::Inspector { limited: false },
                    Scan::Commands { stops: true },
                    Scan::Commands { stops: false },
                    Scan::Named,
                    Scan::Late,
                ],
                Scan::Absent,
            ),
            window: choose(&mut rng, &[Window::Missing, Window::Rule, Window::Function], Window::Missing),
            integration: rng.bool(),
            rebuild: rng.u8(..3) == 0,
            fan_out: rng.bool(),
            stack: rng.bool(),
            environment: rng.bool(),
            critical: rng.bool(),
            template: rng.bool(),
            upstream: UPSTREAM.iter().find(|(waiting, _)| *waiting == name).map(|(_, upstream)| *upstream),
            asks_upstream: rng.bool(),
        };
        spec.settle(pipeline);
        spec
    }

    /// What AWS would not accept, and what would change something else that is said of the pipeline.
    fn settle(&mut self, pipeline: &PipelineSpec) {
        let tested = matches!(pipeline.tests, Tests::Build | Tests::TestOnly);
        if pipeline.version == Version::V1 {
            if self.scan != Scan::Named {
                self.scan = Scan::Absent;
            }
            if self.window == Window::Rule {
                self.window = Window::Missing;
            }
        }
        // A build action that is called a scan is still a build action before the deployment.
        if self.scan == Scan::Named && !tested {
            self.scan = Scan::Absent;
        }
        if !pipeline.production() {
            self.window = Window::Missing;
        }
        let staged = pipeline.production() && pipeline.staging == Staging::First;
        self.integration &= staged;
        self.rebuild &= staged && pipeline.tests == Tests::Build && pipeline.step != Step::ChangeSet;
        self.fan_out &= pipeline.cross_region.is_some() && pipeline.reach != Reach::LooksLikeProduction;
        self.environment &= matches!(pipeline.reach, Reach::OwnAccount | Reach::NonProduction);
    }
}

/// Whether the pipeline has a manual approval anywhere.
pub(crate) fn has_approval(pipeline: &PipelineSpec) -> bool {
    let rendered = pipeline.deploys() && pipeline.reach != Reach::LooksLikeProduction;
    rendered && !matches!(pipeline.approval, Approval::Missing | Approval::CalledSo)
}

/// Whether somebody has confirmed a subscription of the topic that a deployment group's trigger names.
pub(crate) fn trigger_heard(group: usize) -> bool {
    group % 3 != 2
}

/// The topic that a deployment group's trigger names.
pub(crate) fn trigger_topic(world: &World, account: usize, region: usize, group: usize) -> String {
    let topic = if trigger_heard(group) { "deployments" } else { Topic::Unconfirmed.name() };
    world.arn("sns", region, account, topic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::SimulationOptions;

    #[test]
    fn every_knob_turns_up_and_goes_with_its_pipeline() {
        let options =
            SimulationOptions { accounts: 80, pipelines_per_account_region: 6, ..SimulationOptions::default() };
        let world = World::new(options);
        let all: Vec<(PipelineSpec, PracticeSpec)> = (0..80)
            .flat_map(|account| PipelineSpec::all(&world, account, 0).collect::<Vec<_>>())
            .map(|pipeline| (pipeline, PracticeSpec::of(&world, &pipeline)))
            .collect();
        for scan in [Scan::Named, Scan::Late, Scan::Commands { stops: false }, Scan::Inspector { limited: true }] {
            assert!(all.iter().any(|(_, practice)| practice.scan == scan), "{scan:?}");
        }
        for window in [Window::Missing, Window::Rule, Window::Function] {
            assert!(all.iter().any(|(pipeline, practice)| pipeline.production() && practice.window == window));
        }
        assert!(all.iter().any(|(_, practice)| practice.rebuild) && all.iter().any(|(_, practice)| practice.fan_out));
        assert!(all.iter().any(|(_, practice)| practice.upstream.is_some() && practice.asks_upstream));
        for (pipeline, practice) in all.iter().filter(|(pipeline, _)| pipeline.version == Version::V1) {
            assert!(matches!(practice.scan, Scan::Absent | Scan::Named), "{}", pipeline.number);
            assert_ne!(practice.window, Window::Rule);
        }
    }
}
