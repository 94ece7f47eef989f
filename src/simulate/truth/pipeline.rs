//! Expected results of the pipeline controls.

use super::{Expected, Judgement, Known, judged, when};
use crate::simulate::estate::{
    Approval, Artifact, KeyUse, Mode, PipelineSpec, Reach, Secret, Source, StageRollback, Staging, Step, Store, Tests,
    Version, Watch, Webhook,
};
use crate::simulate::world::World;

/// The controls on what a pipeline's definition says.
pub(super) const CONTROLS: &[Judgement<PipelineSpec>] = &[
    ("codepipeline-production-approval-required", |_, spec| when(spec.production(), gated(spec.approval))),
    ("codepipeline-tests-before-deploy", |_, spec| when(spec.deploys(), tested(spec))),
    ("codepipeline-preproduction-before-production", |_, spec| when(spec.production(), spec.staging == Staging::First)),
    ("codepipeline-production-stage-rollback-on-failure", |_, spec| {
        when(spec.production(), matches!(spec.rollback, StageRollback::Result | StageRollback::Condition))
    }),
    ("codepipeline-production-alarm-watched", |_, spec| {
        when(spec.production(), matches!(spec.watch, Watch::Success { .. }))
    }),
    ("codepipeline-artifact-store-customer-key", |world, spec| judged(Some(true), customer_key(world, spec.store))),
    ("codepipeline-cross-region-artifact-stores-customer-key", |world, spec| {
        let store = spec.cross_region.map(|other| other.store);
        judged(Some(store.is_some()), store.map_or(Some(true), |store| customer_key(world, store)))
    }),
    ("codepipeline-type-v2", |_, spec| when(true, spec.version == Version::V2)),
    ("codepipeline-production-execution-mode-ordered", |_, spec| when(spec.production(), spec.mode != Mode::Parallel)),
    ("codepipeline-source-no-oauth-token", |_, spec| when(true, !matches!(spec.source, Source::GitHubToken { .. }))),
    ("codepipeline-source-change-events", |_, spec| when(true, !polls(spec.source))),
    ("codepipeline-pull-requests-do-not-deploy", |_, spec| when(spec.deploys(), !spec.pull_requests)),
    ("codepipeline-actions-no-plaintext-secrets", |_, spec| {
        when(true, !matches!(spec.secret, Secret::PlantedByName | Secret::PlantedByForm))
    }),
    ("codepipeline-deploys-built-artifact", |_, spec| {
        when(spec.deploys() && spec.tests == Tests::Build, spec.artifact == Artifact::Built)
    }),
];

/// The controls that can be judged although the definition is hidden: webhooks are listed on their own and name their
/// pipeline.
pub(super) const WITHOUT_DEFINITION: &[Judgement<PipelineSpec>] = &[("codepipeline-webhooks-authenticated", webhooks)];

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
