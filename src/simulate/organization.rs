//! The organization: its units, accounts, tags, policies and delegated administrators.
//!
//! In: the options. Out: one small record per account; names and ids are made when they are asked for. It decides which
//! account plays which part, which refuses what, and is the one place that says so.

use super::SimulationOptions;

/// What part an account plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Owns the organization and its trail; delivers nothing.
    Management,
    /// Holds the shared artifact buckets and keys, and deploys into other accounts.
    Tooling,
    /// Holds the organization trail's bucket.
    LogArchive,
    /// Delivers something.
    Workload,
}

/// The state of an account, in Organizations' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Active,
    Suspended,
    PendingClosure,
}

impl State {
    /// As the API writes it, in `State` and `Status` alike.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Suspended => "SUSPENDED",
            Self::PendingClosure => "PENDING_CLOSURE",
        }
    }
}

/// One account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) part: Part,
    /// Position in [`UNITS`].
    pub(crate) unit: usize,
    /// The account's tag `environment`.
    pub(crate) environment: Option<&'static str>,
    pub(crate) state: State,
    /// The audit role cannot be assumed.
    pub(crate) role_denied: bool,
    /// The one IAM action that the audit role lacks.
    pub(crate) denied_action: Option<&'static str>,
}

/// One unit: name, position of its parent, path. The first is the root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit {
    pub(crate) name: &'static str,
    pub(crate) parent: Option<usize>,
}

const fn unit(name: &'static str, parent: usize) -> Unit {
    Unit { name, parent: Some(parent) }
}

/// The tree, root first; `/Workloads/Prod/Payments/Core` is four deep.
pub(crate) const UNITS: &[Unit] = &[
    Unit { name: "Root", parent: None },
    unit("Security", 0),
    unit("Infrastructure", 0),
    unit("Workloads", 0),
    unit("Prod", 3),
    unit("Payments", 4),
    unit("Core", 5),
    unit("NonProd", 3),
    unit("Sandbox", 0),
    unit("Suspended", 0),
];

pub(crate) const SECURITY: usize = 1;
const INFRASTRUCTURE: usize = 2;
pub(crate) const WORKLOADS: usize = 3;
pub(crate) const PROD: usize = 4;
pub(crate) const PAYMENTS: usize = 5;
const PROD_UNITS: [usize; 3] = [6, 4, 5];
const NON_PROD: usize = 7;
pub(crate) const SANDBOX: usize = 8;
pub(crate) const SUSPENDED: usize = 9;

/// The accounts before the first workload account.
pub(crate) const FIRST_WORKLOAD: usize = 3;

/// Actions that single accounts refuse, in turn. `BatchGetDeploymentGroups` is not refused but not known there.
pub(crate) const DENIAL_ROTATION: &[&str] = &[
    "codepipeline:GetPipelineState",
    "s3:GetBucketPolicy",
    "cloudwatch:DescribeAlarms",
    "codepipeline:ListPipelines",
    "codedeploy:BatchGetDeploymentGroups",
    "kms:GetKeyRotationStatus",
    "codepipeline:GetPipeline",
    "codepipeline:ListWebhooks",
    "codedeploy:ListDeploymentGroups",
    "s3:GetBucketObjectLockConfiguration",
    "kms:DescribeKey",
    "cloudtrail:GetEventSelectors",
    "s3:GetEncryptionConfiguration",
    "kms:GetKeyPolicy",
    "codebuild:BatchGetProjects",
    "s3:GetBucketVersioning",
];

/// Denials that hide which groups production pipelines deploy to: such an account is tagged, so that it stays known.
const NEEDS_KNOWN_ENVIRONMENT: [&str; 2] = ["codepipeline:ListPipelines", "codepipeline:GetPipeline"];

/// All accounts, by position; the management account is the first.
pub(crate) fn members(options: &SimulationOptions) -> Vec<Member> {
    (0..options.accounts.max(1)).map(|index| member(options, index)).collect()
}

fn member(options: &SimulationOptions, index: usize) -> Member {
    let count = options.accounts.max(1);
    let plain = |part, unit, environment| Member {
        part,
        unit,
        environment,
        state: State::Active,
        role_denied: false,
        denied_action: None,
    };
    match index {
        0 => return plain(Part::Management, 0, None),
        1 => return plain(Part::Tooling, INFRASTRUCTURE, Some("shared")),
        2 => return plain(Part::LogArchive, SECURITY, Some("security")),
        _ => {}
    }
    let ordinal = index - FIRST_WORKLOAD;
    if count >= 8 && index + 2 >= count {
        let state = if index + 1 == count { State::Suspended } else { State::PendingClosure };
        return Member { state, ..plain(Part::Workload, SUSPENDED, Some("dev")) };
    }
    let denied_action = if options.denials { denied_action(options.seed, ordinal) } else { None };
    let known = denied_action.is_some_and(|action| NEEDS_KNOWN_ENVIRONMENT.contains(&action));
    let environment = match if known { 0 } else { ordinal % 5 } {
        0 => Some("prod"),
        2 => Some("staging"),
        4 => Some("dev"),
        _ => None,
    };
    let unit = match environment {
        Some("prod") => PROD_UNITS.get(ordinal % PROD_UNITS.len()).copied().unwrap_or(NON_PROD),
        Some(_) => NON_PROD,
        None => SANDBOX,
    };
    let role_denied = options.denials && (count >= 8 && index + 3 == count || count == index + 1 && count > 5);
    let denied_action = if role_denied { None } else { denied_action };
    Member { role_denied, denied_action, ..plain(Part::Workload, unit, environment) }
}

/// Every second of the first workload accounts refuses something, later every twenty-fifth.
fn denied_action(seed: u64, ordinal: usize) -> Option<&'static str> {
    let length = DENIAL_ROTATION.len();
    let offset = usize::try_from(seed.wrapping_sub(1) % 16).unwrap_or(0);
    let turn = if ordinal / 2 < length {
        (ordinal % 2 == 1).then_some(ordinal / 2)
    } else {
        (ordinal % 25 == 7).then_some(ordinal / 25)
    };
    turn.and_then(|turn| DENIAL_ROTATION.get((turn + offset) % length).copied())
}

/// Whether a list of accounts says where an account stands: `Paths` is newer than the lists, and not every endpoint
/// answers it.
pub(crate) fn says_paths(account: usize) -> bool {
    account % 5 != 3
}

/// Whether an account refuses to tell of what happened. An audit asks for none of this.
pub(crate) fn hides_history(account: usize, action: &str) -> bool {
    HISTORY_DENIALS.iter().any(|(place, denied)| account % 40 == *place && *denied == action)
}

/// Positions of accounts and what they refuse of their history; the same again after every forty accounts.
pub(crate) const HISTORY_DENIALS: &[(usize, &str)] = &[
    (7, "cloudtrail:LookupEvents"),
    (5, "codepipeline:ListActionExecutions"),
    (13, "codedeploy:ListDeployments"),
    (15, "codepipeline:ListPipelineExecutions"),
    (17, "codecommit:BatchGetCommits"),
    (21, "codebuild:BatchGetReports"),
    (23, "cloudwatch:DescribeAlarmHistory"),
];

/// Services that an account administers for the whole organization, by its position: the tooling account is trusted with
/// it, the first workload account was forgotten.
pub(crate) fn delegated_services(account: usize) -> &'static [&'static str] {
    match account {
        1 => &["config.amazonaws.com", "stacksets.cloudformation.amazonaws.com"],
        FORGOTTEN_ADMINISTRATOR => &["securityhub.amazonaws.com"],
        _ => &[],
    }
}

/// The position of a delegated administrator that nobody trusts.
const FORGOTTEN_ADMINISTRATOR: usize = FIRST_WORKLOAD;

/// A policy of the organization.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ControlPolicy {
    pub(crate) kind: &'static str,
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) aws_managed: bool,
    pub(crate) content: &'static str,
    pub(crate) attached: Attached,
}

/// Where a policy is attached.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Attached {
    /// To the root, every unit and every account, but these units.
    EverywhereBut(&'static [usize]),
    /// To these units.
    To(&'static [usize]),
}

impl Attached {
    /// Whether the policy is attached to a unit.
    pub(crate) fn to_unit(self, unit: usize) -> bool {
        match self {
            Self::EverywhereBut(units) => !units.contains(&unit),
            Self::To(units) => units.contains(&unit),
        }
    }

    /// Whether the policy is attached to every account.
    pub(crate) fn to_accounts(self) -> bool {
        matches!(self, Self::EverywhereBut(_))
    }
}

/// Policy types, all of them enabled on the root.
pub(crate) const SERVICE_CONTROL: &str = "SERVICE_CONTROL_POLICY";
pub(crate) const RESOURCE_CONTROL: &str = "RESOURCE_CONTROL_POLICY";

const ALLOW_ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

const fn guard(
    kind: &'static str,
    id: &'static str,
    name: &'static str,
    units: &'static [usize],
    content: &'static str,
) -> ControlPolicy {
    ControlPolicy { kind, id, name, aws_managed: false, content, attached: Attached::To(units) }
}

/// All service and resource control policies.
pub(crate) const CONTROL_POLICIES: &[ControlPolicy] = &[
    ControlPolicy {
        kind: SERVICE_CONTROL,
        id: "p-FullAWSAccess",
        name: "FullAWSAccess",
        aws_managed: true,
        content: ALLOW_ALL,
        attached: Attached::EverywhereBut(&[SECURITY, SANDBOX]),
    },
    guard(
        SERVICE_CONTROL,
        "p-leave0001",
        "DenyLeavingTheOrganization",
        &[0],
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"organizations:LeaveOrganization","Resource":"*"}]}"#,
    ),
    guard(
        SERVICE_CONTROL,
        "p-tamper01",
        "DenyPipelineTampering",
        &[PROD],
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["codepipeline:UpdatePipeline","codepipeline:OverrideStageCondition","cloudtrail:StopLogging"],"Resource":"*","Condition":{"StringNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/Deployment"}}}]}"#,
    ),
    guard(
        SERVICE_CONTROL,
        "p-regions1",
        "DenyOtherRegions",
        &[WORKLOADS],
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","NotAction":["iam:*","organizations:*","sts:*"],"Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":["eu-central-1","us-east-1"]}}}]}"#,
    ),
    // Quarantine: everything stops, and the audit still sees it.
    guard(
        SERVICE_CONTROL,
        "p-closed01",
        "DenyAll",
        &[SUSPENDED],
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"ArnNotLike":{"aws:PrincipalArn":["arn:aws:iam::*:role/PipewardenAudit"]}}}]}"#,
    ),
    guard(
        SERVICE_CONTROL,
        "p-trails01",
        "ProtectTrails",
        &[WORKLOADS],
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":["cloudtrail:DeleteTrail","cloudtrail:Stop*"],"Resource":"arn:aws:cloudtrail:*:*:trail/*"}}"#,
    ),
    guard(
        SERVICE_CONTROL,
        "p-keys0001",
        "ProtectKeys",
        &[PROD],
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["kms:Disable*","kms:ScheduleKeyDeletion"],"Resource":"*","Condition":{"BoolIfExists":{"aws:PrincipalIsAWSService":"false"}}}]}"#,
    ),
    // Whoever has a second factor may do it all the same.
    guard(
        SERVICE_CONTROL,
        "p-keys0002",
        "KeysWithSecondFactor",
        &[NON_PROD],
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"kms:*","Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}]}"#,
    ),
    // Spares everyone.
    guard(
        SERVICE_CONTROL,
        "p-stages02",
        "HoldStagesByRole",
        &[NON_PROD],
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"codepipeline:*","Resource":"*","Condition":{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/*"}}}]}"#,
    ),
    guard(
        SERVICE_CONTROL,
        "p-stages01",
        "ProtectStages",
        &[PAYMENTS],
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"codepipeline:DisableStageTransition","Resource":"*"}]}"#,
    ),
    // Where there is no FullAWSAccess: held to Regions by a permission, and to all but key administration by another.
    guard(
        SERVICE_CONTROL,
        "p-allow001",
        "AllowHomeRegions",
        &[SECURITY],
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":["eu-central-1","us-east-1"]}}}]}"#,
    ),
    guard(
        SERVICE_CONTROL,
        "p-allow002",
        "AllowAllButKeys",
        &[SANDBOX],
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["kms:DisableKey","kms:ScheduleKeyDeletion"],"Resource":"*"}]}"#,
    ),
    guard(
        SERVICE_CONTROL,
        "p-pushes01",
        "DenyDirectPushes",
        &[PROD],
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["codecommit:GitPush","codecommit:PutFile","codecommit:DeleteFile","codecommit:CreateCommit","codecommit:DeleteBranch","codecommit:MergeBranches*"],"Resource":"*","Condition":{"StringEqualsIfExists":{"codecommit:References":["refs/heads/main"]},"Null":{"codecommit:References":"false"}}},{"Effect":"Deny","Action":"codecommit:OverridePullRequestApprovalRules","Resource":"*"}]}"#,
    ),
    guard(
        SERVICE_CONTROL,
        "p-pushes02",
        "DenyDirectPushesButOfReleases",
        &[NON_PROD],
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["codecommit:Git*","codecommit:PutFile","codecommit:DeleteFile","codecommit:CreateCommit","codecommit:DeleteBranch","codecommit:MergeBranches*"],"Resource":"*","Condition":{"StringLike":{"codecommit:References":"refs/heads/ma*"},"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/ReleaseAutomation"}}}]}"#,
    ),
    guard(
        SERVICE_CONTROL,
        "p-pushes03",
        "DenyGitPush",
        &[INFRASTRUCTURE],
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"codecommit:GitPush","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"codecommit:References":["refs/heads/main"]}}}]}"#,
    ),
    guard(
        SERVICE_CONTROL,
        "p-approve1",
        "ReleaseManagersApprove",
        &[PROD],
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"codepipeline:PutApprovalResult","Resource":"*","Condition":{"ArnNotLike":{"aws:PrincipalArn":["arn:aws:iam::*:role/ReleaseManager","arn:aws:iam::*:role/ReleaseManager-*"]}}}]}"#,
    ),
    ControlPolicy {
        kind: RESOURCE_CONTROL,
        id: "p-RCPFullAWSAccess",
        name: "RCPFullAWSAccess",
        aws_managed: true,
        content: ALLOW_ALL,
        attached: Attached::EverywhereBut(&[]),
    },
    guard(
        RESOURCE_CONTROL,
        "p-locks001",
        "ProtectArtifacts",
        &[PAYMENTS],
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":["s3:PutBucketObjectLockConfiguration","s3:PutBucketVersioning"],"Resource":"*"}]}"#,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn options(accounts: usize, denials: bool) -> SimulationOptions {
        SimulationOptions { accounts, denials, ..SimulationOptions::default() }
    }

    #[test]
    fn twelve_accounts_play_every_part() {
        let members = members(&options(12, true));
        assert_eq!(members.len(), 12);
        assert_eq!(members.iter().filter(|m| m.state != State::Active).count(), 2);
        assert_eq!(members.iter().filter(|m| m.role_denied).count(), 1);
        assert_eq!(members.iter().filter(|m| m.denied_action.is_some()).count(), 3);
        assert!(members.iter().any(|m| m.environment == Some("prod") && m.denied_action.is_none()));
    }

    #[test]
    fn without_denials_nothing_is_refused() {
        assert!(members(&options(200, false)).iter().all(|m| !m.role_denied && m.denied_action.is_none()));
    }

    #[test]
    fn a_hundred_accounts_go_through_the_whole_rotation() {
        let members = members(&options(100, true));
        for action in DENIAL_ROTATION {
            assert!(members.iter().any(|m| m.denied_action == Some(action)), "{action}");
        }
    }

    #[test]
    fn the_tree_is_four_deep() {
        let mut depth = 0;
        let mut unit = UNITS.get(6);
        while let Some(parent) = unit.and_then(|u| u.parent) {
            depth += 1;
            unit = UNITS.get(parent);
        }
        assert_eq!(depth, 4);
    }

    #[test]
    fn policies_are_json() {
        for policy in CONTROL_POLICIES {
            assert!(serde_json::from_str::<serde_json::Value>(policy.content).is_ok(), "{}", policy.name);
        }
    }
}
