//! Expected results of the controls on how an account is governed, and on who may change a pipeline.
//!
//! What each policy does is said here once more, by unit, without reading its content.

use super::{Expected, Judgement, Known, all, any, judged, when};
use crate::simulate::estate::{ConfigRuleSpec, PipelineSpec, RuleCompliance, records};
use crate::simulate::organization::{
    PAYMENTS, PROD, Part, SANDBOX, SECURITY, SUSPENDED, State, UNITS, WORKLOADS, delegated_services, says_paths,
};
use crate::simulate::world::World;

/// The controls on an account, by its position.
pub(super) const ACCOUNT_CONTROLS: &[Judgement<usize>] = &[
    ("organizations-account-active", |world, account| when(true, world.member(*account).state == State::Active)),
    ("organizations-account-tagged", |world, account| {
        let tagged = world.refusal(0, "organizations:ListTagsForResource").is_none();
        let good = tagged.then_some(world.member(*account).environment.is_some());
        judged(Some(world.member(*account).state == State::Active), good)
    }),
    ("organizations-trail-guarded", |world, account| guarded(world, *account, trails_guarded)),
    ("organizations-artifact-lock-guarded", |world, account| guarded(world, *account, locks_guarded)),
    ("organizations-key-guarded", |world, account| guarded(world, *account, keys_guarded)),
    ("organizations-pipeline-change-guarded", |world, account| {
        guarded(world, *account, |unit| definitions_guarded(unit) && stages_guarded(unit))
    }),
    ("organizations-guardrails-reach-production", |world, account| {
        let production = world.member(*account).environment == Some("prod");
        let unit = world.member(*account).unit;
        let reached = [trails_guarded, locks_guarded, keys_guarded, definitions_guarded, stages_guarded];
        let good = reached.iter().all(|guarded| guarded(unit));
        let read = read(world, *account);
        judged(all([Some(production), read.then_some(true)]), read.then_some(good))
    }),
    ("organizations-regions-restricted", |world, account| {
        guarded(world, *account, |unit| under(unit, WORKLOADS) || under(unit, SECURITY) || under(unit, SUSPENDED))
    }),
    ("organizations-delegated-administrator-trusted", |world, account| {
        let listed = world.refusal(0, "organizations:ListDelegatedAdministrators").is_none();
        let administers = !delegated_services(*account).is_empty();
        // Whether it administers anything is said by the first list, what by the second.
        let told = world.refusal(0, "organizations:ListDelegatedServicesForAccount").is_none() || !administers;
        judged((listed && told).then_some(administers), Some(world.member(*account).part == Part::Tooling))
    }),
    ("organizations-config-recorder-on", recorded),
    ("config-delivery-rules-compliant", rules_met),
];

/// The controls on a pipeline that do not hang on its stages alone.
pub(super) const PIPELINE_CONTROLS: &[Judgement<PipelineSpec>] = &[
    ("codepipeline-definition-change-guarded", |world, spec| {
        let member = world.member(spec.account);
        let good = member.part == Part::Management || definitions_guarded(member.unit);
        let known = member.part == Part::Management || read(world, spec.account);
        judged(production(world, spec), known.then_some(good && member.part != Part::Management))
    }),
    ("codepipeline-self-mutation-approved", |world, spec| {
        let known = world.refusal(spec.account, "codepipeline:GetPipeline").is_none();
        judged(production(world, spec), known.then_some(!spec.self_mutation))
    }),
];

fn production(world: &World, spec: &PipelineSpec) -> Known {
    world.refusal(spec.account, "codepipeline:GetPipeline").is_none().then(|| spec.production())
}

/// Whether a unit is, or stands below, another.
fn under(unit: usize, above: usize) -> bool {
    let mut at = Some(unit);
    while let Some(unit) = at {
        if unit == above {
            return true;
        }
        at = UNITS.get(unit).and_then(|unit| unit.parent);
    }
    false
}

fn trails_guarded(unit: usize) -> bool {
    under(unit, WORKLOADS) || under(unit, SUSPENDED)
}

fn locks_guarded(unit: usize) -> bool {
    under(unit, PAYMENTS) || under(unit, SUSPENDED)
}

fn keys_guarded(unit: usize) -> bool {
    under(unit, PROD) || under(unit, SANDBOX) || under(unit, SUSPENDED)
}

fn definitions_guarded(unit: usize) -> bool {
    under(unit, PROD) || under(unit, SUSPENDED)
}

fn stages_guarded(unit: usize) -> bool {
    under(unit, PAYMENTS) || under(unit, SUSPENDED)
}

/// Whether the policies, their content and the place of the account could be read.
fn read(world: &World, account: usize) -> bool {
    let allowed = |call: &str| world.refusal(0, &format!("organizations:{call}")).is_none();
    let policies = ["DescribePolicy", "ListPolicies", "ListTargetsForPolicy"];
    let walk = ["ListAccountsForParent", "ListOrganizationalUnitsForParent", "ListRoots"];
    // Policies are attached to ids, and ids are what the flat list has.
    let placed = walk.into_iter().all(allowed) || says_paths(account);
    placed && policies.into_iter().all(allowed)
}

/// A control on every active account but the management account.
fn guarded(world: &World, account: usize, good: impl Fn(usize) -> bool) -> Expected {
    let member = world.member(account);
    let applies = member.part != Part::Management && member.state == State::Active;
    judged(Some(applies), read(world, account).then(|| good(member.unit)))
}

/// Where something is delivered, and where something may be but could not be listed.
struct Deliveries {
    certain: Vec<usize>,
    hidden: Vec<usize>,
    /// More Regions may be enabled than were looked at.
    elsewhere: bool,
}

fn deliveries(world: &World, account: usize) -> Deliveries {
    let probes = ["codepipeline:ListPipelines", "codedeploy:ListApplications", "codebuild:ListProjects"];
    let refused = probes.iter().any(|action| world.refusal(account, action).is_some());
    let (certain, empty): (Vec<usize>, Vec<usize>) =
        (0..world.regions().len()).partition(|region| world.pipeline_count(account, *region) > 0);
    let elsewhere = world.refusal(account, "account:ListRegions").is_some();
    Deliveries { certain, hidden: if refused || elsewhere { empty } else { Vec::new() }, elsewhere }
}

impl Deliveries {
    fn any(&self) -> Known {
        let doubtful = self.elsewhere || !self.hidden.is_empty();
        any([Some(!self.certain.is_empty()), (!doubtful).then_some(false)])
    }

    /// Whether something holds in every Region in which something is delivered.
    fn hold(&self, holds: impl Fn(usize) -> Known) -> Known {
        let certain = self.certain.iter().map(|region| holds(*region));
        // Where nothing may be delivered at all, what does not hold may not matter.
        let hidden = self.hidden.iter().map(|region| holds(*region).filter(|holds| *holds));
        all(certain.chain(hidden).chain([(!self.elsewhere).then_some(true)]))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as every judgement")]
fn recorded(world: &World, account: &usize) -> Expected {
    let deliveries = deliveries(world, *account);
    let allowed = |action| world.refusal(*account, action).is_none();
    let records = |region| match records(*account, region) {
        _ if !allowed("config:DescribeConfigurationRecorders") => None,
        None => Some(false),
        Some(records) => allowed("config:DescribeConfigurationRecorderStatus").then_some(records),
    };
    judged(deliveries.any(), deliveries.hold(records))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as every judgement")]
fn rules_met(world: &World, account: &usize) -> Expected {
    let deliveries = deliveries(world, *account);
    let listed = world.refusal(*account, "config:DescribeConfigRules").is_none();
    let told = world.refusal(*account, "config:DescribeComplianceByConfigRule").is_none();
    let about = |region| {
        let rules = ConfigRuleSpec::all(world, *account, region);
        rules.into_iter().filter(ConfigRuleSpec::about_delivery).collect::<Vec<_>>()
    };
    let none = |region| listed.then(|| about(region).is_empty());
    let met = |region| {
        let met = |rule: &ConfigRuleSpec| told.then_some(rule.compliance != RuleCompliance::NonCompliant);
        if listed { all(about(region).iter().map(met)) } else { None }
    };
    judged(deliveries.hold(none).map(|none| !none), deliveries.hold(met))
}
