//! Expected results of the controls on roles, of those on pipelines that depend on roles, and of keys that pipelines
//! share.

use std::collections::BTreeSet;

use super::{Expected, Judgement, Known, Writer, any, ids, judged};
use crate::simulate::estate::{
    AWS_MANAGED_SLOT, Duty, Grants, KeyRef, KeyUse, PipelineSpec, RoleRef, Trusts, Workflows,
};
use crate::simulate::organization::{SUSPENDED, UNITS};
use crate::simulate::world::{Refusal, World};

/// The controls on a role.
pub(super) const ROLE_CONTROLS: &[Judgement<RoleRef>] = &[
    ("iam-delivery-role-not-administrator", |world, role| {
        judged(Some(true), documents(world, *role).then_some(!administrator(role.spec(world).grants)))
    }),
    ("iam-delivery-role-no-privilege-escalation", |world, role| {
        let grants = role.spec(world).grants;
        let escalates = administrator(grants) || matches!(grants, Grants::PassesAnyRole | Grants::WritesPolicies);
        judged(Some(true), documents(world, *role).then_some(!escalates))
    }),
    ("iam-service-role-trust-limited", |world, role| {
        let serves = match role.duty {
            Duty::Action { .. } => (!hidden(world, role.account)).then_some(false),
            _ => Some(true),
        };
        let guarded =
            matches!(role.duty, Duty::Shared | Duty::Own { .. }) || role.spec(world).trusts != Trusts::UsersOtherwise;
        judged(serves, readable(world, role.account).then_some(trusts_users(world, *role) && guarded))
    }),
    ("iam-cross-account-role-trust-limited", |world, role| {
        let abroad = matches!(role.duty, Duty::Action { .. });
        let abroad = if abroad || !super::abroad::role(world, *role) { Some(abroad) } else { None };
        judged(abroad, readable(world, role.account).then_some(trusts_users(world, *role)))
    }),
    ("iam-role-not-shared-across-trust", shared),
    ("iam-github-oidc-subject-exact", |world, role| {
        let seen = readable(world, role.account);
        let workflows = role.spec(world).workflows;
        let exact = workflows.is_none_or(|workflows| workflows == Workflows::Exact);
        judged(seen.then_some(workflows.is_some()), seen.then_some(exact))
    }),
];

/// The controls on who may do what to a pipeline.
pub(super) const PIPELINE_CONTROLS: &[Judgement<PipelineSpec>] = &[
    ("codepipeline-machines-do-not-approve", |world, spec| {
        let approves = any(path(world, spec).into_iter().map(|role| role.and_then(|role| may_approve(world, role))));
        judged(Some(spec.asks_a_person()), approves.map(|approves| !approves))
    }),
    ("codepipeline-production-gates-not-bypassable", |world, spec| {
        let roles = roles_of(world, spec.account).into_iter();
        let bypasses = any(roles.map(|role| role.and_then(|role| may_bypass(world, role, spec))));
        judged(Some(spec.production()), bypasses.map(|bypasses| !bypasses))
    }),
    (APPROVERS, |world, spec| {
        let roles = roles_of(world, spec.account).into_iter();
        let others = any(roles.map(|role| role.and_then(|role| may_approve(world, role))));
        // Without a policy above the account nobody can know who else may.
        let good = if in_production_unit(world, spec.account) {
            Some(true)
        } else if others == Some(true) {
            Some(false)
        } else {
            None
        };
        judged(Some(spec.asks_a_person()), good)
    }),
];

/// The control that is only ever met where a policy of the organization says so.
pub(super) const APPROVERS: &str = "codepipeline-only-release-managers-approve";

/// The control on what a key is used for.
pub(super) const KEY_CONTROLS: &[Judgement<KeyRef>] = &[("kms-key-not-shared-across-trust", |world, key| {
    let uses = key_uses(world, *key);
    let production = any(uses.iter().copied());
    let other = any(uses.into_iter().map(|production| production.map(|production| !production)));
    let customer = super::storage::described(world, key.account).then_some(key.slot != AWS_MANAGED_SLOT);
    let applies = if production == Some(true) { customer } else { production };
    judged(applies, other.map(|other| !other))
})];

const IAM: [&str; 6] = [
    "iam:GetRole",
    "iam:ListRolePolicies",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
];

pub(super) fn refused(world: &World, account: usize, action: &str) -> bool {
    world.refusal(account, action) == Some(Refusal::Denied)
}

fn readable(world: &World, account: usize) -> bool {
    world.visible(account) && !refused(world, account, "iam:GetRole")
}

/// Whether everything that says what a role may do can be read.
fn documents(world: &World, role: RoleRef) -> bool {
    world.visible(role.account) && IAM.iter().all(|action| !refused(world, role.account, action))
}

fn administrator(grants: Grants) -> bool {
    matches!(grants, Grants::AdministratorAttached | Grants::AdministratorInline)
}

fn trusts_users(world: &World, role: RoleRef) -> bool {
    let spec = role.spec(world);
    matches!(spec.trusts, Trusts::Users | Trusts::UsersOtherwise) && spec.workflows.is_none()
}

fn pipelines_seen(world: &World, account: usize) -> bool {
    let calls = ["codepipeline:ListPipelines", "codepipeline:GetPipeline"];
    world.visible(account) && calls.iter().all(|action| !refused(world, account, action))
}

fn projects_seen(world: &World, account: usize) -> bool {
    let calls = ["codebuild:ListProjects", "codebuild:BatchGetProjects"];
    world.visible(account) && calls.iter().all(|action| !refused(world, account, action))
}

fn groups_seen(world: &World, account: usize) -> bool {
    let calls = ["codedeploy:ListApplications", "codedeploy:ListDeploymentGroups", "codedeploy:GetDeploymentGroup"];
    world.visible(account) && calls.iter().all(|action| !refused(world, account, action))
}

/// Whether something in the account may use roles that nobody saw it use.
fn hidden(world: &World, account: usize) -> bool {
    !(pipelines_seen(world, account) && projects_seen(world, account) && groups_seen(world, account))
}

fn pipelines(world: &World, account: usize) -> Vec<PipelineSpec> {
    if !pipelines_seen(world, account) {
        return Vec::new();
    }
    (0..world.regions().len()).flat_map(|region| PipelineSpec::all(world, account, region)).collect()
}

/// Roles of the account that something on a delivery path was seen to use; `None` stands for those that were not.
fn roles_of(world: &World, account: usize) -> Vec<Option<RoleRef>> {
    let mut roles: BTreeSet<RoleRef> = pipelines(world, account).iter().map(RoleRef::of_pipeline).collect();
    let regions = || 0..world.regions().len();
    let works = |count: fn(&World, usize, usize) -> usize| regions().any(|region| count(world, account, region) > 0);
    if projects_seen(world, account) && works(World::pipeline_count) {
        roles.insert(RoleRef { account, duty: Duty::Build });
    }
    if groups_seen(world, account) && works(World::group_count) {
        roles.insert(RoleRef { account, duty: Duty::Deploy });
    }
    if is_target(world, account) {
        for from in 0..world.members().len() {
            let named = pipelines(world, from).into_iter().flat_map(|spec| spec.action_roles(world));
            roles.extend(named.map(|(role, _)| role).filter(|role| role.account == account));
        }
    }
    let mut roles: Vec<Option<RoleRef>> = roles.into_iter().map(Some).collect();
    if hidden(world, account) {
        roles.push(None);
    }
    roles
}

fn is_target(world: &World, account: usize) -> bool {
    [world.production_account(), world.staging_account()].contains(&Some(account))
}

/// The roles of its own account that a pipeline works with; `None` for one that was not seen.
fn path(world: &World, spec: &PipelineSpec) -> Vec<Option<RoleRef>> {
    let account = spec.account;
    let mut roles = vec![Some(RoleRef::of_pipeline(spec))];
    if spec.builds() {
        roles.push(projects_seen(world, account).then_some(RoleRef { account, duty: Duty::Build }));
    }
    if spec.uses_group() {
        roles.push(groups_seen(world, account).then_some(RoleRef { account, duty: Duty::Deploy }));
    }
    roles
}

/// Whether the policies on the unit of production accounts hold for the account.
fn in_production_unit(world: &World, account: usize) -> bool {
    let mut unit = Some(world.member(account).unit);
    while let Some(position) = unit {
        let Some(here) = UNITS.get(position) else { return false };
        if here.name == "Prod" {
            return true;
        }
        unit = here.parent;
    }
    false
}

fn may_approve(world: &World, role: RoleRef) -> Known {
    let grants = role.spec(world).grants;
    let allowed = administrator(grants) || grants == Grants::Approves;
    // There, a policy leaves approvals to release managers.
    let kept = in_production_unit(world, role.account) || quarantined(world, role.account);
    documents(world, role).then_some(allowed && !kept)
}

/// Whether a policy stops everything in the account but the audit.
fn quarantined(world: &World, account: usize) -> bool {
    world.member(account).unit == SUSPENDED
}

fn may_bypass(world: &World, role: RoleRef, spec: &PipelineSpec) -> Known {
    let grants = role.spec(world).grants;
    let its_own = role == RoleRef::of_pipeline(spec) || role.duty == Duty::Build;
    let allowed = match grants {
        _ if quarantined(world, role.account) => false,
        // An administrator can always open and close transitions.
        _ if administrator(grants) => true,
        Grants::Transitions => true,
        // There, a policy keeps everybody from the other two.
        Grants::Overrides => !in_production_unit(world, role.account),
        Grants::Updates => !(in_production_unit(world, role.account) || spec.self_mutation && its_own),
        _ => false,
    };
    documents(world, role).then_some(allowed)
}

/// Whether the role works for production, use by use; `None` for a use that may be.
fn uses(world: &World, role: RoleRef) -> Vec<Known> {
    let from = if let Duty::Action { from } = role.duty { from } else { role.account };
    let mut uses: Vec<Known> = Vec::new();
    for spec in pipelines(world, from) {
        match role.duty {
            Duty::Shared | Duty::Own { .. } if RoleRef::of_pipeline(&spec) == role => {
                uses.push(Some(spec.production()));
            }
            Duty::Build if spec.builds() => uses.push(Some(spec.production())),
            Duty::Action { .. } => {
                let named = spec.action_roles(world).into_iter().filter(|(named, _)| *named == role);
                uses.extend(named.map(|(_, production)| Some(production)));
            }
            _ => {}
        }
    }
    if hidden(world, role.account) || super::abroad::role(world, role) {
        uses.push(None);
    }
    uses
}

fn shared(world: &World, role: &RoleRef) -> Expected {
    let uses = uses(world, *role);
    let other = any(uses.iter().map(|production| production.map(|production| !production)));
    judged(any(uses), other.map(|other| !other))
}

/// Whether the key serves production, pipeline by pipeline; `None` for one that was not seen.
fn key_uses(world: &World, key: KeyRef) -> Vec<Known> {
    // Only the tooling account's keys are used from elsewhere.
    let accounts = if key.account == 1 { 0..world.members().len() } else { key.account..key.account + 1 };
    let mut uses = Vec::new();
    for spec in accounts.flat_map(|account| pipelines(world, account)) {
        let names = spec.stores().any(|store| match store.key {
            KeyUse::None => false,
            KeyUse::AwsManaged => {
                key == KeyRef { account: spec.account, region: store.bucket.region, slot: AWS_MANAGED_SLOT }
            }
            KeyUse::Customer(used, _) => used == key,
        });
        if names {
            uses.push(Some(spec.production()));
        }
    }
    if !pipelines_seen(world, key.account) || super::abroad::key(world, key) {
        uses.push(None);
    }
    uses
}

impl Writer<'_> {
    /// The roles of an account that something names.
    pub(super) fn roles(&mut self, account: usize) {
        let world = self.world;
        let region = world.partition.default_region();
        if !world.visible(account) {
            return;
        }
        for role in roles_of(world, account).into_iter().flatten() {
            self.put(&role.arn(world), account, region.as_str(), super::ROLE, &role);
        }
        // A role in an account that cannot be entered stands where it is named.
        let abroad = pipelines(world, account).into_iter().flat_map(|spec| {
            let roles = spec.action_roles(world);
            roles.into_iter().map(move |(role, _)| (role, spec.region))
        });
        let unseen: BTreeSet<(RoleRef, String)> = abroad
            .filter(|(role, _)| !world.visible(role.account))
            .map(|(role, region)| (role, world.region_name(region).to_owned()))
            .collect();
        let mut written = BTreeSet::new();
        for (role, region) in unseen {
            if written.insert(role) {
                self.unseen(&role.arn(world), account, &region, &ids(super::ROLE));
            }
        }
    }
}
