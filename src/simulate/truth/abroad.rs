//! What of other accounts leaves the uses of a thing in doubt.
//!
//! In: the knobs of buckets, keys and roles, and what the world refuses. Out: whether somebody whom the thing's policy
//! lets in could not be seen. It exists because "nothing else uses it" is right only where everybody who may was looked at.

use super::role::refused;
use crate::simulate::estate::{AWS_MANAGED_SLOT, BucketRef, KeyRef, Outsiders, RoleRef, Trusts, application_count};
use crate::simulate::organization::State;
use crate::simulate::world::World;

fn dark(world: &World, account: usize) -> bool {
    world.member(account).state != State::Suspended && world.role_denied(account)
}

fn in_some_region(world: &World, holds: impl Fn(usize) -> bool) -> bool {
    (0..world.regions().len()).any(holds)
}

/// Whether pipelines of the account, or what they name, could not be seen.
pub(super) fn hides_pipelines(world: &World, account: usize) -> bool {
    let has_some = || in_some_region(world, |region| world.pipeline_count(account, region) > 0);
    dark(world, account)
        || refused(world, account, "codepipeline:ListPipelines") && world.visible(account)
        || refused(world, account, "codepipeline:GetPipeline") && world.visible(account) && has_some()
}

/// Whether anything of the account that may name a bucket could not be seen.
pub(super) fn hides_users(world: &World, account: usize) -> bool {
    let refuses = |action: &str| world.visible(account) && refused(world, account, action);
    let builds = || in_some_region(world, |region| world.pipeline_count(account, region) > 0);
    let deploys = || in_some_region(world, |region| application_count(world, account, region) > 0);
    hides_pipelines(world, account)
        || refuses("codebuild:ListProjects")
        || refuses("codebuild:BatchGetProjects") && builds()
        || refuses("codedeploy:ListApplications")
        || refuses("codedeploy:ListDeploymentGroups") && deploys()
        || refuses("codedeploy:GetDeploymentGroup")
            && refused(world, account, "codedeploy:BatchGetDeploymentGroups")
            && deploys()
}

fn anyone(world: &World, home: usize, hides: impl Fn(&World, usize) -> bool) -> bool {
    (0..world.members().len()).any(|account| account != home && hides(world, account))
}

/// Whether something in another account may use the bucket unseen.
pub(super) fn bucket(world: &World, bucket: BucketRef, hides: impl Fn(&World, usize) -> bool) -> bool {
    let policy_seen = world.refusal(bucket.account, "s3:GetBucketPolicy").is_none();
    let open = matches!(bucket.spec(world).writers, Outsiders::OrganizationOnly | Outsiders::Everybody);
    (open || !policy_seen) && anyone(world, bucket.account, hides)
}

/// Whether a pipeline of another account may encrypt with the key unseen; one that AWS manages serves its account only.
pub(super) fn key(world: &World, key: KeyRef) -> bool {
    let described = super::storage::described(world, key.account);
    if described && key.slot == AWS_MANAGED_SLOT {
        return false;
    }
    let policy_seen = described && world.refusal(key.account, "kms:GetKeyPolicy").is_none();
    let open = matches!(key.spec(world).principals, Outsiders::OrganizationOnly | Outsiders::Everybody);
    (open || !policy_seen) && anyone(world, key.account, hides_pipelines)
}

/// Whether a pipeline of another account may work with the role unseen.
pub(super) fn role(world: &World, role: RoleRef) -> bool {
    if refused(world, role.account, "iam:GetRole") {
        return anyone(world, role.account, hides_pipelines);
    }
    let managed = role.spec(world).trusts == Trusts::Management && role.account != 0 && hides_pipelines(world, 0);
    let from = match role.duty {
        crate::simulate::estate::Duty::Action { from } => from != role.account && hides_pipelines(world, from),
        _ => false,
    };
    managed || from
}
