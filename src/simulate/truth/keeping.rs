//! Expected results of the controls on how buckets keep artifacts, who administers keys, and image repositories.

use super::storage::{NamedBucket, customer, described, retention};
use super::{Judgement, Known, all, judged, when};
use crate::simulate::estate::{
    Administration, BucketRef, Duty, Encryption, Expiry, ImageEncryption, Keeping, KeyRef, Mutability, Outsiders,
    PipelineSpec, PutDeny, RepositoryRef, RoleRef, Scanning, Signing, administration, is_bootstrap, registry,
};
use crate::simulate::world::{Refusal, World};

/// The controls on an artifact bucket.
pub(super) const BUCKET_CONTROLS: &[Judgement<NamedBucket>] = &[
    ("s3-artifact-bucket-deletion-guarded", |world, named| {
        let locked = retention(world, *named).map(|lock| lock.is_some());
        let factor = named.seen(world, "s3:GetBucketVersioning").then_some(keeping(world, named.bucket).mfa_delete);
        let guarded = match factor {
            Some(false) => locked,
            known => known,
        };
        judged(named.artifact, guarded)
    }),
    ("s3-artifact-bucket-other-encryption-denied", |world, named| {
        let denied = matches!(keeping(world, named.bucket).puts, PutDeny::Strict | PutDeny::Both);
        judged(named.artifact, named.seen(world, "s3:GetBucketPolicy").then_some(denied))
    }),
    ("s3-artifact-bucket-lifecycle-after-retention", |world, named| {
        let lock = retention(world, *named);
        let taken = taken(world, *named);
        let applies = in_order([named.artifact, lock.map(|lock| lock.is_some()), taken.any]);
        let days = lock.flatten().map_or(0, |(_, days)| days);
        judged(applies, taken.after.map(|after| after >= days))
    }),
    ("s3-artifact-bucket-one-trust-level", |_, named| judged(named.production, named.shared.map(|shared| !shared))),
    ("s3-artifact-bucket-name-not-derivable", |_, named| judged(named.artifact, Some(!is_bootstrap(named.bucket)))),
    ("s3-artifact-bucket-growth-bounded", |world, named| {
        let taken = taken(world, *named);
        let late = taken.after.map(|after| after >= WINDOW_DAYS);
        judged(named.artifact, in_order([taken.bounded, late]))
    }),
    ("s3-production-artifact-bucket-replicated", |world, named| judged(named.production, replicated(world, *named))),
];

/// The controls on a key.
pub(super) const KEY_CONTROLS: &[Judgement<KeyRef>] =
    &[("kms-key-policy-deployers-do-not-administer", |world, key| {
        let seen = world.refusal(key.account, "kms:GetKeyPolicy").is_none();
        let separate = if seen { separate(world, *key) } else { None };
        judged(customer(world, *key), separate)
    })];

/// The controls on an image repository.
pub(super) const REPOSITORY_CONTROLS: &[Judgement<RepositoryRef>] = &[
    ("ecr-repository-release-tags-immutable", |world, repository| {
        let mutability = repository.spec(world).mutability;
        let stay = matches!(mutability, Mutability::Immutable | Mutability::WorkingTags);
        judged(Some(true), listed(world, *repository).then_some(stay))
    }),
    ("ecr-repository-scanned-on-push", |world, repository| {
        let seen = asked(world, *repository, "ecr:GetRegistryScanningConfiguration");
        let scanned = match registry(world, repository.account, repository.region).scanning {
            Scanning::ByRepository => repository.spec(world).scan_on_push,
            Scanning::BasicAll | Scanning::EnhancedAll => true,
            Scanning::BasicTools | Scanning::EnhancedTools => repository.is_tool(),
        };
        judged(Some(true), seen.then_some(scanned))
    }),
    ("ecr-repository-customer-key", |world, repository| {
        let known = match repository.spec(world).encryption {
            ImageEncryption::Aes => Some(false),
            ImageEncryption::AwsManaged(key) => described(world, key.account).then_some(false),
            ImageEncryption::Customer(key) => described(world, key.account).then_some(true),
        };
        judged(Some(true), if listed(world, *repository) { known } else { None })
    }),
    ("ecr-repository-images-signed", |world, repository| {
        let seen = asked(world, *repository, "ecr:GetSigningConfiguration");
        let signed = match registry(world, repository.account, repository.region).signing {
            Signing::Nothing => false,
            Signing::Everything => true,
            Signing::Tools => repository.is_tool(),
        };
        judged(Some(true), seen.then_some(signed))
    }),
    ("ecr-repository-known-principals", |world, repository| {
        let seen = asked(world, *repository, "ecr:GetRepositoryPolicy");
        let known = matches!(repository.spec(world).readers, Outsiders::None | Outsiders::OrganizationOnly);
        if seen { when(true, known) } else { judged(Some(true), None) }
    }),
];

/// Days for which an earlier artifact must still be there.
const WINDOW_DAYS: u32 = 30;

/// Conditions in the order in which a policy reads them: the first that is not met, or not known, decides.
pub(super) fn in_order(conditions: impl IntoIterator<Item = Known>) -> Known {
    conditions.into_iter().find(|condition| *condition != Some(true)).unwrap_or(Some(true))
}

fn keeping(world: &World, bucket: BucketRef) -> Keeping {
    Keeping::of(world, bucket, &bucket.spec(world))
}

/// What the lifecycle takes of the artifacts.
struct Taken {
    /// Whether it takes any.
    any: Known,
    /// Whether everything goes in the end.
    bounded: Known,
    /// The days after which the first is out of reach.
    after: Option<u32>,
}

fn taken(world: &World, named: NamedBucket) -> Taken {
    if !named.seen(world, "s3:GetLifecycleConfiguration") {
        return Taken { any: None, bounded: None, after: None };
    }
    let spec = named.bucket.spec(world);
    let nothing = Taken { any: Some(false), bounded: Some(false), after: Some(0) };
    if !spec.lifecycle {
        return nothing;
    }
    let versioned = named.seen(world, "s3:GetBucketVersioning").then_some(spec.versioning.is_some());
    // Only then an artifact becomes an old version without expiring.
    let replaced = all([versioned, named.overwritten]);
    match keeping(world, named.bucket).expiry {
        Expiry::OldVersions { days } => {
            let after = replaced.map(|replaced| if replaced { days } else { 0 });
            Taken { any: replaced, bounded: Some(false), after }
        }
        Expiry::Both { days, old } => {
            let after = replaced.map(|replaced| if replaced { old.min(days) } else { days });
            Taken { any: Some(true), bounded: Some(true), after }
        }
        // With versions, a delete marker hides it, and what it hides stays.
        Expiry::Objects { days } => {
            Taken { any: Some(true), bounded: versioned.map(|versioned| !versioned), after: Some(days) }
        }
        Expiry::Part { days } => Taken { any: Some(true), bounded: Some(false), after: Some(days) },
        Expiry::Uploads => nothing,
    }
}

fn replicated(world: &World, named: NamedBucket) -> Known {
    if !named.seen(world, "s3:GetReplicationConfiguration") {
        return None;
    }
    let Some(replica) = keeping(world, named.bucket).replica else { return Some(false) };
    if !replica.enabled || replica.part || replica.to.region == named.bucket.region {
        return Some(false);
    }
    if replica.encrypted {
        return Some(true);
    }
    let plain = named.bucket.spec(world).encryption == Encryption::S3;
    named.seen(world, "s3:GetEncryptionConfiguration").then_some(plain)
}

/// The bucket that a bucket is seen to be copied to.
pub(super) fn replica_of(world: &World, bucket: BucketRef) -> Option<BucketRef> {
    let seen = world.refusal(bucket.account, "s3:GetReplicationConfiguration").is_none();
    keeping(world, bucket).replica.filter(|_| seen).map(|replica| replica.to)
}

/// Whether no role that delivers may end the key by the key's own policy.
fn separate(world: &World, key: KeyRef) -> Known {
    let refused = |action: &str| world.refusal(key.account, action) == Some(Refusal::Denied);
    let hidden = [
        "codepipeline:ListPipelines",
        "codepipeline:GetPipeline",
        "codebuild:ListProjects",
        "codebuild:BatchGetProjects",
        "codedeploy:ListApplications",
        "codedeploy:ListDeploymentGroups",
        "codedeploy:GetDeploymentGroup",
    ];
    let hidden = hidden.into_iter().any(refused);
    let no_other = (!hidden).then_some(true);
    match administration(world, key) {
        Administration::RootOnly | Administration::DeployersDenied => Some(true),
        Administration::Administrators => no_other,
        Administration::Deployers => {
            // The policy names the role that some pipelines of the account share.
            let mut pipelines =
                (0..world.regions().len()).flat_map(|region| PipelineSpec::all(world, key.account, region));
            let delivers = pipelines.any(|pipeline| RoleRef::of_pipeline(&pipeline).duty == Duty::Shared);
            let seen = !refused("codepipeline:ListPipelines") && !refused("codepipeline:GetPipeline");
            if delivers && seen { Some(false) } else { no_other }
        }
    }
}

fn listed(world: &World, repository: RepositoryRef) -> bool {
    world.refusal(repository.account, "ecr:DescribeRepositories").is_none()
}

fn asked(world: &World, repository: RepositoryRef, action: &str) -> bool {
    listed(world, repository) && world.refusal(repository.account, action).is_none()
}

/// The key that a repository is seen to be encrypted with.
pub(super) fn image_key(world: &World, repository: RepositoryRef) -> Option<KeyRef> {
    match repository.spec(world).encryption {
        ImageEncryption::AwsManaged(key) | ImageEncryption::Customer(key) if listed(world, repository) => Some(key),
        _ => None,
    }
}
