//! What a right reader sees of branches on source hosts, said by the knobs alone.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::simulate::estate::{Access, Bypass, HostedSpec, Hoster, Layers, Owner, Trouble};
use crate::simulate::world::World;

/// A branch that a pipeline could build, and what is to be seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostedBranch {
    /// As a connection says it: `GitHub`.
    pub provider: String,
    /// As in the repository's address: `github.com`.
    pub host: String,
    /// As pipelines write it: `example/web`.
    pub repository: String,
    /// Its name.
    pub branch: String,
    /// What is seen of the branch.
    pub of_branch: Seen,
    /// What is seen of the repository.
    pub of_repository: Seen,
}

/// Properties that are seen, and those that are not; `*` stands for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// By name.
    pub properties: Map<String, Value>,
    /// Their names.
    pub unseen: BTreeSet<String>,
}

impl Seen {
    fn nothing() -> Self {
        Self { properties: Map::new(), unseen: BTreeSet::from(["*".to_owned()]) }
    }

    fn put(&mut self, name: &str, value: Option<Value>) {
        match value {
            Some(value) => {
                self.properties.insert(name.to_owned(), value);
            }
            None => {
                self.unseen.insert(name.to_owned());
            }
        }
    }
}

/// All branches on source hosts.
pub(in crate::simulate) fn hosted_branches(world: &World) -> Vec<HostedBranch> {
    HostedSpec::all(world).map(|spec| hosted(&spec)).collect()
}

pub(super) fn hosted(spec: &HostedSpec) -> HostedBranch {
    let blind = matches!(spec.trouble, Trouble::Missing | Trouble::Limited);
    let of_branch = match spec.hoster {
        _ if blind || spec.trouble == Trouble::NoBranch => Seen::nothing(),
        Hoster::GitHub | Hoster::GitHubEnterprise => github_branch(spec),
        Hoster::GitLab => gitlab_branch(spec),
        Hoster::Bitbucket => bitbucket_branch(spec),
    };
    HostedBranch {
        provider: spec.hoster.provider().to_owned(),
        host: spec.hoster.host().to_owned(),
        repository: spec.asked_path(),
        branch: spec.branch().to_owned(),
        of_branch,
        of_repository: if blind { Seen::nothing() } else { repository(spec) },
    }
}

fn github_branch(spec: &HostedSpec) -> Seen {
    let rules = spec.rules;
    let full = spec.access == Access::Full;
    let classic = matches!(spec.layers, Layers::Classic | Layers::Both);
    let by_ruleset = matches!(spec.layers, Layers::Ruleset | Layers::Organization | Layers::Both);
    // Only whoever sees the branch protection knows that there is nothing else in it.
    let whole = full || !classic;
    let known = |holds: bool, in_ruleset: bool| match (whole, by_ruleset && in_ruleset && holds) {
        (true, _) => Some(holds),
        (false, true) => Some(true),
        (false, false) => None,
    };
    // Where both kinds are used, these are left to the branch protection.
    let of_classic = spec.layers != Layers::Both;
    let mut seen = Seen::default();
    let mut put = |name: &str, value: Option<bool>| seen.put(name, value.map(Value::from));
    put("RequiresPullRequest", known(rules.pull_request, true));
    put("DismissesStaleReviews", known(rules.dismisses_stale, true));
    put("RequiresCodeOwnerReview", known(rules.code_owners, of_classic));
    put("RequiresLastPushApproval", known(rules.last_push, of_classic));
    put("StrictStatusChecks", known(rules.strict_checks, of_classic));
    put("RequiresSignatures", known(rules.signatures, of_classic));
    put("AllowsForcePushes", known(rules.no_force_pushes, true).map(|forbidden| !forbidden));
    put("AllowsDeletions", known(rules.no_deletions, true).map(|forbidden| !forbidden));
    put("DefaultBranch", Some(spec.default_branch));
    put("CodeOwnersFile", Some(spec.owners_file));
    seen.put("RequiredApprovingReviewCount", whole.then(|| rules.reviews.into()));
    seen.put("RequiredStatusChecks", whole.then(|| if rules.checks { json!(["build", "test"]) } else { json!([]) }));
    let ruleset = by_ruleset
        && (rules.pull_request
            || rules.checks
            || rules.no_force_pushes
            || rules.no_deletions
            || rules.signatures && of_classic);
    let bypass = match (rules.bypass, classic) {
        (Bypass::Nobody, _) => json!([]),
        (Bypass::Administrators, true) => json!(["administrators"]),
        (Bypass::Administrators, false) => json!(["role:admin"]),
        (Bypass::Team, true) => json!(["team:release"]),
        (Bypass::Team, false) => json!(["team:17"]),
        (Bypass::App, true) => json!(["app:renovate"]),
        (Bypass::App, false) => json!(["app:2740"]),
    };
    seen.put("BypassActors", (whole && (full || !ruleset)).then_some(bypass));
    let mut by = Vec::new();
    if classic {
        by.push("branch protection".to_owned());
    }
    if ruleset && spec.layers == Layers::Organization {
        by.push(format!("ruleset 7 \"main\" of {}", spec.owner.login()));
    } else if ruleset {
        by.push(format!("ruleset {} \"main\" of {}", 1_000 + spec.id(), spec.path()));
    }
    seen.put("ProtectedBy", whole.then(|| by.into()));
    seen
}

fn gitlab_branch(spec: &HostedSpec) -> Seen {
    let rules = spec.rules;
    let full = spec.access == Access::Full;
    let protected = !matches!(spec.layers, Layers::Nothing | Layers::Evaluated);
    let mut seen = Seen::default();
    let mut put = |name: &str, holds: bool| seen.put(name, full.then(|| holds.into()));
    // Maintainers who may push are no exception to a rule, but the lack of one.
    put("RequiresPullRequest", rules.pull_request && rules.bypass != Bypass::Administrators);
    put("DismissesStaleReviews", rules.dismisses_stale);
    put("RequiresCodeOwnerReview", rules.code_owners);
    put("RequiresLastPushApproval", rules.last_push);
    put("RequiresSignatures", rules.signatures);
    put("AllowsForcePushes", !rules.no_force_pushes);
    // The default branch cannot be deleted, whoever may see its rules.
    let deletable = !protected && !spec.default_branch;
    seen.put("AllowsDeletions", (full || spec.default_branch).then(|| deletable.into()));
    seen.put("DefaultBranch", Some(spec.default_branch.into()));
    seen.put("CodeOwnersFile", Some(spec.owners_file.into()));
    seen.put("StrictStatusChecks", Some(rules.strict_checks.into()));
    seen.put("RequiredStatusChecks", Some(if rules.checks { json!(["pipeline"]) } else { json!([]) }));
    seen.put("RequiredApprovingReviewCount", full.then(|| rules.reviews.into()));
    let bypass = match rules.bypass {
        Bypass::Nobody | Bypass::Administrators => json!([]),
        Bypass::Team => json!(["group:17"]),
        Bypass::App => json!(["deploy-key:5"]),
    };
    seen.put("BypassActors", full.then_some(bypass));
    let pattern = if spec.default_branch { "ma*" } else { "release/*" };
    let names = match spec.layers {
        Layers::Nothing | Layers::Evaluated => Vec::new(),
        Layers::Classic => vec![spec.branch()],
        Layers::Ruleset | Layers::Organization => vec![pattern],
        Layers::Both => vec!["*", spec.branch()],
    };
    let approvals = (rules.reviews > 0).then(|| "approval rule two eyes".to_owned());
    let by: BTreeSet<String> = names.iter().map(|name| format!("protected branch {name}")).chain(approvals).collect();
    seen.put("ProtectedBy", full.then(|| by.into_iter().collect()));
    seen
}

fn bitbucket_branch(spec: &HostedSpec) -> Seen {
    let rules = spec.rules;
    let full = spec.access == Access::Full;
    // Without the plan that enforces them, merge checks are advice.
    let enforced = spec.layers != Layers::Both;
    let mut seen = Seen::default();
    let mut put = |name: &str, value: Value| seen.put(name, full.then_some(value));
    put("RequiresPullRequest", rules.pull_request.into());
    put("DismissesStaleReviews", rules.dismisses_stale.into());
    put("AllowsForcePushes", (!rules.no_force_pushes).into());
    put("AllowsDeletions", (!rules.no_deletions).into());
    put("RequiredApprovingReviewCount", if enforced { rules.reviews.into() } else { 0.into() });
    put("RequiredStatusChecks", if enforced && rules.checks { json!(["builds (1)"]) } else { json!([]) });
    let bypass = match rules.bypass {
        Bypass::Nobody | Bypass::Administrators => json!([]),
        Bypass::Team => json!(["group:release"]),
        Bypass::App => json!(["user:renovate"]),
    };
    put("BypassActors", bypass);
    let any = rules.pull_request || rules.no_force_pushes || rules.no_deletions || rules.checks || enforced;
    let by = match spec.layers {
        Layers::Nothing | Layers::Evaluated => json!([]),
        _ if !any => json!([]),
        Layers::Classic => json!([format!("branch restriction on {}", spec.branch())]),
        Layers::Organization if spec.default_branch => json!(["branch restriction on development branches"]),
        Layers::Organization => json!(["branch restriction on release branches"]),
        Layers::Ruleset | Layers::Both if spec.default_branch => json!(["branch restriction on ma*"]),
        Layers::Ruleset | Layers::Both => json!(["branch restriction on release/*"]),
    };
    put("ProtectedBy", by);
    seen.put("DefaultBranch", Some(spec.default_branch.into()));
    seen
}

fn repository(spec: &HostedSpec) -> Seen {
    let full = spec.access == Access::Full;
    let mut seen = Seen::default();
    seen.put("DefaultBranch", Some("main".into()));
    let path = spec.path();
    seen.put("Owner", path.rsplit_once('/').map(|(owner, _)| owner.into()));
    seen.put("Visibility", Some(spec.visibility.into()));
    if spec.hoster.is_github() {
        seen.put("SecretScanning", full.then(|| spec.scanning.into()));
        seen.put("SecretScanningPushProtection", full.then(|| spec.push_protection.into()));
        seen.put("DependencyAlerts", full.then(|| spec.alerts.into()));
    }
    if spec.hoster == Hoster::GitLab {
        seen.put("SecretScanningPushProtection", Some(spec.push_protection.into()));
    }
    if spec.hoster != Hoster::Bitbucket && spec.owner != Owner::Person {
        let ours = spec.owner != Owner::Foreign;
        seen.put("OwnerTwoFactorRequired", ours.then(|| (spec.owner == Owner::Strict).into()));
        // GitLab counts its members for anybody who may see the group.
        let counted = ours || spec.hoster == Hoster::GitLab;
        seen.put("OwnerAdministrators", counted.then(|| spec.owner.administrators().into()));
    }
    if spec.hoster.is_github() && spec.owner != Owner::Person {
        let permission = if spec.owner == Owner::Strict { "read" } else { "write" };
        seen.put("OwnerDefaultPermission", (spec.owner != Owner::Foreign).then(|| permission.into()));
    }
    seen
}
