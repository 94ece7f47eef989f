//! Expected results of the controls on branches, repositories, connections and the sources of pipelines.

use serde_json::Value;

use super::hosted::{Seen, hosted};
use super::{Expected, Judgement, Known, all, any, judged, when};
use crate::simulate::estate::{
    ConnectionSpec, Files, HostedSpec, Hoster, Hosting, Owner, PipelineSpec, SourceSpec, Templates,
};
use crate::simulate::organization::SUSPENDED;
use crate::simulate::world::World;

/// The controls on a branch.
pub(super) const BRANCH_CONTROLS: &[Judgement<SourceSpec>] = &[
    ("git-branch-approvals-required", |world, source| {
        let branch = branch(world, source);
        let needed = if source.production { 2 } else { 1 };
        judged(Some(true), then(branch.closed, branch.approvals.map(|approvals| approvals >= needed)))
    }),
    ("git-branch-stale-approvals-dismissed", |world, source| {
        let branch = branch(world, source);
        judged(all([branch.has("staleApprovals"), branch.approvals.map(|n| n > 0)]), branch.dismisses_stale)
    }),
    ("git-branch-code-owners-review", |world, source| {
        let branch = branch(world, source);
        judged(branch.has("codeOwners"), branch.code_owners)
    }),
    ("git-branch-status-checks-required", |world, source| {
        let branch = branch(world, source);
        judged(branch.has("statusChecks"), branch.checks)
    }),
    ("git-branch-history-kept", |world, source| judged(Some(true), branch(world, source).history_kept)),
    ("git-branch-rules-bind-everyone", |world, source| {
        let branch = branch(world, source);
        judged(branch.rules, branch.binds_everyone)
    }),
    ("git-branch-signed-commits", |world, source| {
        let branch = branch(world, source);
        judged(branch.has("signatures"), branch.signatures)
    }),
    ("git-branch-last-push-approved", |world, source| {
        let branch = branch(world, source);
        judged(all([branch.has("lastPushApproval"), branch.approvals.map(|n| n > 0)]), branch.last_push)
    }),
];

/// The controls on a repository.
pub(super) const REPOSITORY_CONTROLS: &[Judgement<SourceSpec>] = &[
    ("git-repository-owner-two-factor-required", |world, source| {
        let repository = repository(world, source);
        judged(repository.has("twoFactor"), repository.two_factor)
    }),
    ("git-repository-owner-base-permission-limited", |world, source| {
        let repository = repository(world, source);
        judged(repository.has("basePermission"), repository.base_permission_limited)
    }),
    ("git-repository-owner-administrators-limited", |world, source| {
        let repository = repository(world, source);
        judged(repository.has("administrators"), repository.few_administrators)
    }),
    ("git-repository-secret-scanning", |world, source| {
        let repository = repository(world, source);
        judged(repository.has("secretScanning"), repository.secret_scanning)
    }),
    ("git-repository-dependency-alerts", |world, source| {
        let repository = repository(world, source);
        judged(repository.has("dependencyAlerts"), repository.alerts)
    }),
    ("git-repository-no-secret-files", |world, source| {
        let repository = repository(world, source);
        judged(repository.has("secretFiles"), repository.no_secret_files)
    }),
    ("git-repository-not-public", |world, source| {
        let repository = repository(world, source);
        judged(repository.has("visibility"), repository.not_public)
    }),
];

/// The controls on a connection.
pub(super) const CONNECTION_CONTROLS: &[Judgement<ConnectionSpec>] =
    &[("codeconnections-connection-available", |world, connection| {
        judged(Some(true), connection_seen(world, *connection).then_some(connection.status == "AVAILABLE"))
    })];

/// The controls on where a pipeline's source comes from.
pub(super) const PIPELINE_CONTROLS: &[Judgement<PipelineSpec>] = &[
    ("codepipeline-production-source-branch-protected", |world, spec| {
        let Some(source) = SourceSpec::of(world, spec) else { return Expected::NotApplicable };
        let branch = branch(world, &source);
        judged(Some(spec.production()), all([branch.approvals.map(|approvals| approvals > 0), branch.closed]))
    }),
    // The configuration that audits are compared under allows `example` and nobody else.
    ("codepipeline-source-owner-allowed", |world, spec| match SourceSpec::of(world, spec) {
        Some(SourceSpec { hosting: Hosting::Hosted(hosted), .. }) => when(true, hosted.owner == Owner::Strict),
        _ => Expected::NotApplicable,
    }),
];

/// What holds for a branch, as far as an audit can see it.
#[derive(Default)]
struct Branch {
    /// What the provider can enforce; `None`: it is not known who the provider is.
    enforceable: Option<&'static [&'static str]>,
    approvals: Option<u32>,
    /// Nobody can push directly but those who are left out.
    closed: Known,
    dismisses_stale: Known,
    code_owners: Known,
    checks: Known,
    history_kept: Known,
    /// There are rules at all.
    rules: Known,
    binds_everyone: Known,
    signatures: Known,
    last_push: Known,
}

/// What holds for a repository and its owner, as far as an audit can see it.
#[derive(Default)]
struct Repository {
    enforceable: Option<&'static [&'static str]>,
    two_factor: Known,
    base_permission_limited: Known,
    few_administrators: Known,
    secret_scanning: Known,
    alerts: Known,
    no_secret_files: Known,
    not_public: Known,
}

impl Branch {
    fn has(&self, feature: &str) -> Known {
        self.enforceable.map(|features| features.contains(&feature))
    }
}

impl Repository {
    fn has(&self, feature: &str) -> Known {
        self.enforceable.map(|features| features.contains(&feature))
    }
}

/// What each host can be asked about a branch, and about a repository.
fn askable(hoster: Hoster) -> [&'static [&'static str]; 2] {
    const OF_BRANCH: &[&str] =
        &["staleApprovals", "codeOwners", "statusChecks", "strictStatusChecks", "signatures", "lastPushApproval"];
    match hoster {
        Hoster::GitHub | Hoster::GitHubEnterprise => [
            OF_BRANCH,
            &["twoFactor", "basePermission", "administrators", "secretScanning", "dependencyAlerts", "visibility"],
        ],
        Hoster::GitLab => [OF_BRANCH, &["twoFactor", "administrators", "visibility"]],
        Hoster::Bitbucket => [&["staleApprovals", "statusChecks"], &["visibility"]],
    }
}

/// A property that is seen.
fn flag(seen: &Seen, name: &str) -> Known {
    seen.properties.get(name)?.as_bool()
}

fn filled(seen: &Seen, name: &str) -> Known {
    Some(!seen.properties.get(name)?.as_array()?.is_empty())
}

/// The second statement is only asked for where the first holds.
fn then(first: Known, second: Known) -> Known {
    if first == Some(true) { second } else { first }
}

fn not(statement: Known) -> Known {
    statement.map(|holds| !holds)
}

fn hosted_branch(spec: &HostedSpec) -> Branch {
    let seen = hosted(spec).of_branch;
    let [of_branch, _] = askable(spec.hoster);
    let strict = if of_branch.contains(&"strictStatusChecks") { flag(&seen, "StrictStatusChecks") } else { Some(true) };
    let approvals = seen.properties.get("RequiredApprovingReviewCount").and_then(Value::as_u64);
    Branch {
        enforceable: Some(of_branch),
        approvals: approvals.and_then(|approvals| u32::try_from(approvals).ok()),
        closed: flag(&seen, "RequiresPullRequest"),
        dismisses_stale: flag(&seen, "DismissesStaleReviews"),
        code_owners: then(flag(&seen, "RequiresCodeOwnerReview"), flag(&seen, "CodeOwnersFile")),
        checks: then(filled(&seen, "RequiredStatusChecks"), strict),
        history_kept: then(not(flag(&seen, "AllowsForcePushes")), not(flag(&seen, "AllowsDeletions"))),
        rules: filled(&seen, "ProtectedBy"),
        binds_everyone: not(filled(&seen, "BypassActors")),
        signatures: flag(&seen, "RequiresSignatures"),
        last_push: flag(&seen, "RequiresLastPushApproval"),
    }
}

fn hosted_repository(spec: &HostedSpec) -> Repository {
    let seen = hosted(spec).of_repository;
    let [_, of_repository] = askable(spec.hoster);
    let word = |name: &str| seen.properties.get(name).and_then(Value::as_str);
    Repository {
        enforceable: Some(of_repository),
        two_factor: flag(&seen, "OwnerTwoFactorRequired"),
        base_permission_limited: word("OwnerDefaultPermission").map(|permission| permission == "read"),
        few_administrators: seen.properties.get("OwnerAdministrators").and_then(Value::as_u64).map(|n| n <= 5),
        secret_scanning: flag(&seen, "SecretScanning"),
        alerts: flag(&seen, "DependencyAlerts"),
        no_secret_files: None,
        not_public: word("Visibility").map(|visibility| visibility != "public"),
    }
}

fn branch(world: &World, source: &SourceSpec) -> Branch {
    let spec = match &source.hosting {
        Hosting::Hosted(_) if !resolved(world, source) => return Branch::default(),
        Hosting::Hosted(spec) => return hosted_branch(spec),
        Hosting::CodeCommit(spec) => spec,
    };
    let seen = |action: &str| world.refusal(source.account, action).is_none();
    if !seen("codecommit:GetBranch") {
        // The default branch and the templates are asked for apart from the branch.
        return Branch { enforceable: Some(&[]), ..Branch::default() };
    }
    let branch = source.branch();
    let applying: Vec<u32> = spec
        .templates
        .list()
        .iter()
        .filter(|template| template.branches.is_empty() || template.branches.contains(&branch))
        .map(|template| template.approvals)
        .collect();
    let listed = seen("codecommit:ListAssociatedApprovalRuleTemplatesForRepository")
        && (spec.templates == Templates::None || seen("codecommit:GetApprovalRuleTemplate"));
    let approvals = listed.then(|| applying.iter().copied().max().unwrap_or(0));
    // Policies speak of `main` only.
    let pushes = match world.member(source.account).unit {
        // Everything is denied there, on every branch, and to all but the audit.
        SUSPENDED => Pushes::ClosedButToOne,
        _ if spec.main => pushes(world, source.account),
        _ => Pushes::Open,
    };
    let closed = matches!(pushes, Pushes::Closed | Pushes::ClosedButToOne);
    Branch {
        enforceable: Some(&[]),
        approvals,
        closed: Some(closed),
        // `main` is the default branch and cannot be deleted; any other could be.
        history_kept: Some(pushes != Pushes::Open),
        rules: any([Some(closed), listed.then_some(!applying.is_empty())]),
        binds_everyone: Some(pushes == Pushes::Closed),
        ..Branch::default()
    }
}

fn repository(world: &World, source: &SourceSpec) -> Repository {
    let spec = match &source.hosting {
        Hosting::Hosted(_) if !resolved(world, source) => return Repository::default(),
        Hosting::Hosted(spec) => return hosted_repository(spec),
        Hosting::CodeCommit(spec) => spec,
    };
    let seen = |action: &str| world.refusal(source.account, action).is_none();
    let files = seen("codecommit:GetRepository") && seen("codecommit:GetFolder");
    Repository {
        enforceable: Some(&["secretFiles"]),
        no_secret_files: files.then_some(spec.files == Files::Harmless),
        ..Repository::default()
    }
}

/// Who may push to `main` in an account: its unit's policies say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pushes {
    Open,
    /// Git may not, but the console may.
    OnlyGitClosed,
    ClosedButToOne,
    Closed,
}

fn pushes(world: &World, account: usize) -> Pushes {
    match world.member(account).unit {
        2 => Pushes::OnlyGitClosed,
        4..=6 => Pushes::Closed,
        7 => Pushes::ClosedButToOne,
        _ => Pushes::Open,
    }
}

fn connection_seen(world: &World, connection: ConnectionSpec) -> bool {
    let action = if connection.old { "codestar-connections:GetConnection" } else { "codeconnections:GetConnection" };
    world.refusal(connection.account, action).is_none()
}

/// Whether an audit finds out where a source is.
fn resolved(world: &World, source: &SourceSpec) -> bool {
    source.connection.is_none_or(|connection| {
        let action = if connection.old { "codestar-connections:GetHost" } else { "codeconnections:GetHost" };
        let host = connection.host_arn(world).is_none() || world.refusal(connection.account, action).is_none();
        connection_seen(world, connection) && host
    })
}

/// What a finding names: the branch and the repository. Where it cannot be seen where they are, their names stand for
/// them.
pub(super) fn uids(world: &World, source: &SourceSpec) -> [String; 2] {
    let name = source.repository();
    let repository = match (&source.hosting, &source.connection) {
        (Hosting::CodeCommit(_), _) => world.arn("codecommit", source.region, source.account, &name),
        (Hosting::Hosted(_), Some(connection)) if !resolved(world, source) => {
            format!("{}/{name}", connection.arn(world))
        }
        (Hosting::Hosted(hosted), _) => format!("https://{}/{name}", hosted.hoster.host()),
    };
    [format!("{repository}/refs/heads/{}", source.branch()), repository]
}
