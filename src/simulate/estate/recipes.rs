//! The lists that pipelines are drawn from: what is deployed, how, and what stands before it.
//!
//! One list for each kind of account, so that what counts as production is never in doubt: an account tagged `prod`
//! deploys to production whatever names say, one tagged otherwise never does, and names decide only where there is no
//! tag. An `environment` tag other than `prod` never meets a production name.

use super::knobs::{Approval, Staging, Step, Tests};
use Approval::{
    AfterDeploy, BeforeTeardown, CalledSo, EarlierStage, EqualRunOrder, Missing, PartOfStage, SameStage, StagingOnly,
};
use Staging::{Absent, After, First};
use Step::{ChangeSet, CodeBuildApply, CodeDeploy, CommandsApply, Ecs, Lambda, S3, Stack, StateMachine};
use Target::{Assumed, CrossAccount, LooksLikeProduction, Name, NonProduction, Nothing, OwnAccount, Tag};
use Tests::{Build, Late, TestOnly};

/// Where a recipe deploys to, before the accounts are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Nothing is deployed.
    Nothing,
    /// The pipeline's own account, which its tag says is not production.
    NonProduction,
    /// Names that only look like production.
    LooksLikeProduction,
    /// The pipeline's own account, tagged `prod`.
    OwnAccount,
    /// Stage or action are named like production.
    Name,
    /// The pipeline is tagged `environment=prod`.
    Tag,
    /// A role in an account tagged `prod`.
    CrossAccount,
    /// Nothing says; the last deploying stage is taken for production.
    Assumed,
}

/// One line of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe {
    pub(super) target: Target,
    pub(super) step: Step,
    pub(super) approval: Approval,
    pub(super) tests: Tests,
    pub(super) staging: Staging,
}

const fn recipe(target: Target, step: Step, approval: Approval, tests: Tests, staging: Staging) -> Recipe {
    Recipe { target, step, approval, tests, staging }
}

/// Accounts without an `environment` tag: names decide.
pub(super) const OPEN: &[Recipe] = &[
    recipe(Name, Stack, EarlierStage, Build, First),
    recipe(Name, CodeDeploy, SameStage, Build, First),
    recipe(Name, Ecs, AfterDeploy, Build, Absent),
    recipe(Name, CodeBuildApply, Missing, Build, First),
    recipe(CrossAccount, Stack, EarlierStage, Build, First),
    recipe(Nothing, Stack, Missing, Build, Absent),
    recipe(Assumed, Stack, EarlierStage, Build, Absent),
    recipe(Name, ChangeSet, EarlierStage, Build, First),
    recipe(LooksLikeProduction, Stack, Missing, Build, Absent),
    recipe(Name, CodeDeploy, Missing, TestOnly, Absent),
    recipe(Name, Stack, StagingOnly, Build, After),
    recipe(Name, Stack, EqualRunOrder, TestOnly, First),
    recipe(Name, Lambda, EarlierStage, TestOnly, Absent),
    recipe(Tag, Stack, SameStage, Build, Absent),
    recipe(Name, Stack, BeforeTeardown, Build, Absent),
    recipe(Assumed, Ecs, Missing, Late, Absent),
    recipe(Name, S3, Missing, Tests::Missing, Absent),
    recipe(CrossAccount, Ecs, Missing, Build, Absent),
    recipe(Name, Stack, CalledSo, Build, First),
    recipe(Name, CommandsApply, EarlierStage, Build, Absent),
    recipe(Name, Stack, PartOfStage, Build, First),
    recipe(Name, CodeDeploy, EarlierStage, Build, First),
    recipe(Name, StateMachine, Missing, Build, Absent),
];

/// Accounts tagged `environment=prod`: every deployment into them is one to production.
pub(super) const PRODUCTION: &[Recipe] = &[
    recipe(OwnAccount, Stack, EarlierStage, Build, First),
    recipe(OwnAccount, CodeDeploy, Missing, Build, Absent),
    recipe(OwnAccount, Ecs, SameStage, Build, First),
    recipe(OwnAccount, CodeDeploy, EarlierStage, Build, First),
    recipe(OwnAccount, S3, AfterDeploy, Tests::Missing, Absent),
    recipe(Nothing, Stack, Missing, TestOnly, Absent),
    recipe(OwnAccount, CodeBuildApply, EarlierStage, TestOnly, Absent),
    recipe(OwnAccount, ChangeSet, SameStage, Build, First),
    recipe(OwnAccount, Lambda, Missing, Late, Absent),
    recipe(OwnAccount, Stack, EqualRunOrder, Build, Absent),
    recipe(OwnAccount, CodeDeploy, SameStage, Build, First),
];

/// Accounts tagged with another `environment`: nothing in them is production.
pub(super) const OTHER: &[Recipe] = &[
    recipe(NonProduction, Stack, Missing, Build, Absent),
    recipe(NonProduction, CodeDeploy, EarlierStage, Build, Absent),
    recipe(NonProduction, Ecs, Missing, Tests::Missing, Absent),
    recipe(NonProduction, S3, Missing, TestOnly, Absent),
    recipe(Nothing, Stack, Missing, Build, Absent),
    recipe(NonProduction, CodeDeploy, Missing, Late, Absent),
    recipe(NonProduction, Lambda, AfterDeploy, Build, Absent),
    recipe(NonProduction, CodeBuildApply, Missing, Build, Absent),
];

/// The tooling account: deploys into other accounts.
pub(super) const TOOLING: &[Recipe] = &[
    recipe(CrossAccount, Stack, EarlierStage, Build, First),
    recipe(CrossAccount, Ecs, Missing, Build, Absent),
    recipe(Nothing, Stack, Missing, Build, Absent),
    recipe(CrossAccount, ChangeSet, EarlierStage, Build, First),
    recipe(CrossAccount, Stack, SameStage, TestOnly, First),
    recipe(CrossAccount, Lambda, AfterDeploy, Build, First),
];
