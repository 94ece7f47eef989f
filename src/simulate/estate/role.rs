//! Roles on the delivery path: what each may do, and whom it trusts.

use super::choose;
use super::knobs::{Approval, PipelineSpec, Reach, Staging, Step, Tests};
use crate::simulate::world::World;

/// What a role is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Duty {
    /// The service role of several pipelines.
    Shared,
    /// The service role of one pipeline.
    Own { region: usize, number: usize },
    /// The service role of all build projects.
    Build,
    /// The service role of all deployment groups.
    Deploy,
    /// What pipelines of another account deploy with.
    Action { from: usize },
}

/// Which role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RoleRef {
    pub(crate) account: usize,
    pub(crate) duty: Duty,
}

/// What a role may do beside its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grants {
    Nothing,
    /// AWS's own `AdministratorAccess`.
    AdministratorAttached,
    /// Every action on everything, in a policy of its own.
    AdministratorInline,
    /// The same behind a permissions boundary.
    AdministratorBounded,
    PassesAnyRole,
    PassesToServices,
    WritesPolicies,
    Approves,
    /// Allowed, and denied.
    ApprovesDenied,
    Updates,
    Transitions,
    Overrides,
}

/// Whom a role trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trusts {
    /// Those that use it; services with their source, pipelines by account.
    Users,
    /// Those that use it; services for anybody, pipelines by their roles.
    UsersOtherwise,
    /// An account that is no member, as well.
    Stranger,
    /// The management account, as well.
    Management,
}

/// How a role names workflows of GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workflows {
    Exact,
    Pattern,
    NoAudience,
}

/// A role.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoleSpec {
    pub(crate) grants: Grants,
    pub(crate) trusts: Trusts,
    pub(crate) workflows: Option<Workflows>,
}

impl RoleRef {
    /// The service role of a pipeline; every third shares one.
    pub(crate) fn of_pipeline(spec: &PipelineSpec) -> Self {
        let own = (spec.region + spec.number) % 3 != 2;
        let duty = if own { Duty::Own { region: spec.region, number: spec.number } } else { Duty::Shared };
        Self { account: spec.account, duty }
    }

    /// The role in `target` that pipelines of `from` deploy with.
    pub(crate) fn of_action(target: usize, from: usize) -> Self {
        Self { account: target, duty: Duty::Action { from } }
    }

    /// Its name.
    pub(crate) fn name(self, world: &World) -> String {
        match self.duty {
            Duty::Shared => "PipelineService".to_owned(),
            Duty::Own { region, number } => format!("PipelineService-{region}-{number:02}"),
            Duty::Build => "CodeBuildService".to_owned(),
            Duty::Deploy => "CodeDeployService".to_owned(),
            Duty::Action { from } => format!("PipelineDeployment-{}", world.account_id(from)),
        }
    }

    /// Its ARN.
    pub(crate) fn arn(self, world: &World) -> String {
        world.role_arn(self.account, &self.name(world))
    }

    /// The role of that name.
    pub(crate) fn named(world: &World, account: usize, name: &str) -> Option<Self> {
        let (kind, rest) = name.split_once('-').unwrap_or((name, ""));
        let duty = match kind {
            "PipelineService" if rest.is_empty() => Duty::Shared,
            "PipelineService" => {
                let (region, number) = rest.split_once('-')?;
                Duty::Own { region: region.parse().ok()?, number: number.parse().ok()? }
            }
            "CodeBuildService" => Duty::Build,
            "CodeDeployService" => Duty::Deploy,
            "PipelineDeployment" => Duty::Action { from: world.position_of(rest)? },
            _ => return None,
        };
        let found = Self { account, duty };
        (found.name(world) == name).then_some(found)
    }

    /// Its knobs.
    pub(crate) fn spec(self, world: &World) -> RoleSpec {
        let (region, number) = match self.duty {
            Duty::Shared => (100, 0),
            Duty::Own { region, number } => (region, number),
            Duty::Build => (100, 1),
            Duty::Deploy => (100, 2),
            Duty::Action { from } => (101, from),
        };
        let mut rng = world.generator(self.account, region, "role", number);
        let flawed = [
            Grants::AdministratorAttached,
            Grants::AdministratorInline,
            Grants::AdministratorBounded,
            Grants::PassesAnyRole,
            Grants::PassesToServices,
            Grants::WritesPolicies,
            Grants::Approves,
            Grants::ApprovesDenied,
            Grants::Updates,
            Grants::Transitions,
            Grants::Overrides,
        ];
        let scoped = rng.u8(..3) > 0;
        let grants = choose(&mut rng, &flawed, Grants::Nothing);
        let trusts = [
            Trusts::Users,
            Trusts::Users,
            Trusts::Users,
            Trusts::UsersOtherwise,
            Trusts::UsersOtherwise,
            Trusts::Stranger,
            Trusts::Management,
        ];
        let trusts = choose(&mut rng, &trusts, Trusts::Users);
        let workflows = [Workflows::Exact, Workflows::Exact, Workflows::Pattern, Workflows::NoAudience];
        let workflows = choose(&mut rng, &workflows, Workflows::Exact);
        let lets_github_in = rng.u8(..6) == 0;
        RoleSpec {
            grants: if scoped { Grants::Nothing } else { grants },
            trusts,
            workflows: lets_github_in.then_some(workflows),
        }
    }

    /// The pipelines that become the role of an action; those of the accounts that it is not for never do.
    pub(crate) fn pipelines(self, world: &World) -> Vec<PipelineSpec> {
        let Duty::Action { from } = self.duty else { return Vec::new() };
        let regions = 0..world.regions().len();
        let all = regions.flat_map(|region| PipelineSpec::all(world, from, region));
        all.filter(|spec| spec.action_roles(world).iter().any(|(role, _)| *role == self)).collect()
    }
}

impl PipelineSpec {
    /// The roles of other accounts that its actions use, and whether for production.
    pub(crate) fn action_roles(&self, world: &World) -> Vec<(RoleRef, bool)> {
        let mut roles = Vec::new();
        if let Reach::CrossAccount(target) = self.reach {
            roles.push((RoleRef::of_action(target, self.account), true));
        }
        let by_account = matches!(self.reach, Reach::OwnAccount | Reach::CrossAccount(_));
        if let (Staging::First, true, Some(target)) = (self.staging, by_account, world.staging_account()) {
            roles.push((RoleRef::of_action(target, self.account), false));
        }
        roles
    }

    /// Whether a person has to approve something, wherever.
    pub(crate) fn asks_a_person(&self) -> bool {
        !matches!(self.approval, Approval::Missing | Approval::CalledSo)
            && !matches!(self.reach, Reach::Nothing | Reach::LooksLikeProduction)
    }

    /// Whether it runs its build project.
    pub(crate) fn builds(&self) -> bool {
        self.tests != Tests::Missing
            || self.self_mutation
            || self.approval == Approval::CalledSo
            || self.step == Step::CodeBuildApply
            || self.reach == Reach::Nothing
    }

    /// Whether it deploys with its deployment group.
    pub(crate) fn uses_group(&self) -> bool {
        self.step == Step::CodeDeploy && self.deploys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::SimulationOptions;

    #[test]
    fn names_of_roles_lead_back_to_them() {
        let world = World::new(SimulationOptions::default());
        for duty in
            [Duty::Shared, Duty::Own { region: 1, number: 2 }, Duty::Build, Duty::Deploy, Duty::Action { from: 1 }]
        {
            let role = RoleRef { account: 3, duty };
            assert_eq!(RoleRef::named(&world, 3, &role.name(&world)), Some(role));
        }
        assert_eq!(RoleRef::named(&world, 3, "Operator"), None);
    }

    #[test]
    fn the_tooling_account_deploys_with_a_role_of_the_target() {
        let world = World::new(SimulationOptions::default());
        let target = world.production_account().unwrap();
        assert!(!RoleRef::of_action(target, 1).pipelines(&world).is_empty());
        assert!(RoleRef::of_action(target, 2).pipelines(&world).is_empty());
    }
}
