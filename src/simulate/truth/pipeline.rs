//! Expected results of the pipeline controls.

use super::{Expected, Known, Verdict, judged};
use crate::simulate::estate::{
    Approval, Artifact, KeyUse, Mode, PipelineSpec, Reach, Secret, Source, StageRollback, Staging, Step, Store, Tests,
    Version, Watch, Webhook,
};
use crate::simulate::world::World;

/// Every control on a pipeline.
pub(super) const CONTROLS: &[&str] = &[
    "codepipeline-production-approval-required",
    "codepipeline-tests-before-deploy",
    "codepipeline-preproduction-before-production",
    "codepipeline-production-stage-rollback-on-failure",
    "codepipeline-production-alarm-watched",
    "codepipeline-artifact-store-customer-key",
    "codepipeline-cross-region-artifact-stores-customer-key",
    "codepipeline-type-v2",
    "codepipeline-production-execution-mode-ordered",
    "codepipeline-source-no-oauth-token",
    "codepipeline-source-change-events",
    "codepipeline-pull-requests-do-not-deploy",
    "codepipeline-webhooks-authenticated",
    "codepipeline-actions-no-plaintext-secrets",
    "codepipeline-deploys-built-artifact",
];

/// All verdicts on a pipeline that was seen.
pub(super) fn verdicts(world: &World, spec: &PipelineSpec) -> Vec<Verdict> {
    let deploys = spec.deploys();
    let production = spec.production();
    let other_store = spec.cross_region.map(|other| other.store);
    let results = [
        when(production, gated(spec.approval)),
        when(deploys, tested(spec)),
        when(production, spec.staging == Staging::First),
        when(production, matches!(spec.rollback, StageRollback::Result | StageRollback::Condition)),
        when(production, matches!(spec.watch, Watch::Success { .. })),
        judged(Some(true), customer_key(world, spec.store)),
        judged(Some(other_store.is_some()), other_store.map_or(Some(true), |store| customer_key(world, store))),
        when(true, spec.version == Version::V2),
        when(production, spec.mode != Mode::Parallel),
        when(true, !matches!(spec.source, Source::GitHubToken { .. })),
        when(true, !polls(spec.source)),
        when(deploys, !spec.pull_requests),
        webhooks(world, spec),
        when(true, !matches!(spec.secret, Secret::PlantedByName | Secret::PlantedByForm)),
        when(deploys && spec.tests == Tests::Build, spec.artifact == Artifact::Built),
    ];
    CONTROLS.iter().copied().zip(results).collect()
}

fn when(applies: bool, good: bool) -> Expected {
    judged(Some(applies), Some(good))
}

fn gated(approval: Approval) -> bool {
    match approval {
        Approval::EarlierStage | Approval::SameStage => true,
        Approval::Missing
        | Approval::AfterDeploy
        | Approval::EqualRunOrder
        | Approval::StagingOnly
        | Approval::BeforeTeardown
        | Approval::CalledSo
        | Approval::PartOfStage => false,
    }
}

/// A build action that only pretends to be an approval is still a build action before the deployment.
fn tested(spec: &PipelineSpec) -> bool {
    match spec.tests {
        Tests::Build | Tests::TestOnly => true,
        Tests::Missing | Tests::Late => spec.approval == Approval::CalledSo,
    }
}

fn polls(source: Source) -> bool {
    match source {
        Source::CodeCommitDefault | Source::S3Polling | Source::GitHubToken { polling: true } => true,
        Source::Connection
        | Source::CodeCommitEvents
        | Source::S3Events
        | Source::Ecr
        | Source::GitHubToken { polling: false } => false,
    }
}

fn customer_key(world: &World, store: Store) -> Known {
    match store.key {
        KeyUse::None => Some(false),
        KeyUse::AwsManaged => super::storage::described(world, store.bucket.account).then_some(false),
        KeyUse::Customer(key, _) => super::storage::described(world, key.account).then_some(true),
    }
}

fn webhooks(world: &World, spec: &PipelineSpec) -> Expected {
    if world.refusal(spec.account, "codepipeline:ListWebhooks").is_some() {
        return Expected::InsufficientData;
    }
    match spec.webhook {
        None => Expected::NotApplicable,
        Some(Webhook::Hmac | Webhook::Range) => Expected::Compliant,
        Some(Webhook::Unauthenticated | Webhook::OpenRange) => Expected::NonCompliant,
    }
}

/// Whether a production pipeline deploys with the deployment group of its number.
pub(super) fn production_group(spec: &PipelineSpec) -> bool {
    spec.production() && spec.step == Step::CodeDeploy && !matches!(spec.reach, Reach::Assumed)
}
