//! What a build project is told to do, who may start it, and what it leaves behind.

use super::{KEY_SLOTS, KeyRef, ProjectSpec, SECRET_SLOTS, SecretForm, SecretRef, choose};
use crate::simulate::world::World;

/// Where the instructions of the build come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Buildspec {
    /// Nothing is given: the file in the root of the source.
    Empty,
    /// A file of the source.
    Path,
    Inline,
    /// An object in a bucket.
    Bucket,
}

/// What starts builds of a project with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    /// Pushes to one branch.
    Push,
    /// Pushes to branches whose name holds another's.
    LooseBranch,
    /// Pull requests of anyone.
    Strangers,
    /// Pushes, and pull requests of named accounts.
    NamedActors,
    /// Pull requests of accounts whose id holds another's.
    LooseActors,
    /// Pull requests; those of forks after approval.
    ForksApproved,
    /// Pull requests after approval, which readers may give too.
    ReadersApprove,
    /// Everything.
    NoFilters,
}

/// Where logs go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logs {
    /// Nothing is said.
    Unset,
    CloudWatch,
    Bucket {
        encrypted: bool,
    },
    /// Both are switched off.
    Off,
}

/// The key of the project's own artifacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuildKey {
    Unset,
    /// Named, and managed by AWS.
    Aws,
    Customer(KeyRef),
}

/// The image that builds run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Image {
    Managed,
    /// In a registry of the account, by digest or by tag.
    Own {
        pinned: bool,
    },
    /// In a registry of an account outside.
    Foreign,
    /// In a public registry, by tag.
    Public,
}

/// Where builds keep what the next one needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cache {
    Off,
    /// In a place of the project's own.
    Own,
    /// In one place for all projects of the Region that do so.
    Shared,
    /// On the host.
    Local,
}

/// When it was last built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    Built {
        days: i64,
        succeeded: bool,
    },
    /// Never, since that many days.
    Never {
        days: i64,
    },
}

/// Where the repository of a source is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    GitHub,
    /// Self-managed; whether its certificate is checked.
    Enterprise {
        checked: bool,
    },
}

/// Who sees builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visibility {
    Private,
    Public,
}

/// Where builds run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    Internet,
    Vpc,
}

/// Where test reports go besides the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Export {
    Nowhere,
    Bucket { encrypted: bool },
}

/// A build project beyond what its pipeline needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BuildSpec {
    /// Only for projects with a source of their own, as the next two.
    pub(crate) host: Host,
    /// A password in its address.
    pub(crate) credentials: bool,
    /// Owned by somebody outside.
    pub(crate) stranger: bool,
    pub(crate) buildspec: Buildspec,
    pub(crate) hook: Option<Hook>,
    pub(crate) visibility: Visibility,
    pub(crate) logs: Logs,
    pub(crate) plain_artifacts: bool,
    pub(crate) key: BuildKey,
    pub(crate) network: Network,
    pub(crate) image: Image,
    pub(crate) cache: Cache,
    pub(crate) activity: Activity,
    /// Where its test reports go; `None`: it publishes none.
    pub(crate) reports: Option<Export>,
    pub(crate) timeout: u32,
    pub(crate) limit: Option<u32>,
    /// A secret among its variables, and how it is named.
    pub(crate) secret: Option<(SecretRef, SecretForm)>,
}

impl BuildSpec {
    /// Of a project.
    pub(crate) fn of(world: &World, project: &ProjectSpec) -> Self {
        let (account, region) = (project.account, project.region);
        let rng = &mut world.generator(account, region, "build", project.number);
        let customer = BuildKey::Customer(KeyRef { account, region, slot: rng.usize(..KEY_SLOTS) });
        let secret = SecretRef { account, region, slot: rng.usize(..SECRET_SLOTS) };
        let forms = [SecretForm::Name, SecretForm::NameWithKey, SecretForm::Arn, SecretForm::ArnWithKey];
        let form = choose(rng, &forms, SecretForm::Name);
        let mut spec = Self {
            host: choose(
                rng,
                &[Host::GitHub, Host::GitHub, Host::Enterprise { checked: true }, Host::Enterprise { checked: false }],
                Host::GitHub,
            ),
            credentials: rng.u8(..3) == 0,
            stranger: rng.u8(..4) == 0,
            buildspec: choose(
                rng,
                &[Buildspec::Empty, Buildspec::Path, Buildspec::Inline, Buildspec::Bucket],
                Buildspec::Empty,
            ),
            hook: choose(rng, HOOKS, None),
            visibility: if rng.u8(..6) == 0 { Visibility::Public } else { Visibility::Private },
            logs: choose(
                rng,
                &[
                    Logs::Unset,
                    Logs::CloudWatch,
                    Logs::Bucket { encrypted: true },
                    Logs::Bucket { encrypted: false },
                    Logs::Off,
                ],
                Logs::Unset,
            ),
            plain_artifacts: rng.u8(..3) == 0,
            key: choose(rng, &[BuildKey::Unset, BuildKey::Aws, customer, customer], BuildKey::Unset),
            network: if rng.bool() { Network::Vpc } else { Network::Internet },
            image: choose(
                rng,
                &[
                    Image::Managed,
                    Image::Managed,
                    Image::Own { pinned: true },
                    Image::Own { pinned: false },
                    Image::Foreign,
                    Image::Public,
                ],
                Image::Managed,
            ),
            cache: choose(rng, &[Cache::Off, Cache::Own, Cache::Shared, Cache::Shared, Cache::Local], Cache::Off),
            activity: choose(
                rng,
                &[
                    Activity::Built { days: 1, succeeded: true },
                    Activity::Built { days: 20, succeeded: true },
                    Activity::Built { days: 5, succeeded: false },
                    Activity::Built { days: 200, succeeded: true },
                    Activity::Never { days: 450 },
                    Activity::Never { days: 20 },
                ],
                Activity::Never { days: 450 },
            ),
            reports: choose(
                rng,
                &[
                    None,
                    None,
                    Some(Export::Nowhere),
                    Some(Export::Bucket { encrypted: true }),
                    Some(Export::Bucket { encrypted: false }),
                ],
                None,
            ),
            timeout: choose(rng, &[60, 60, 480], 60),
            limit: choose(rng, &[None, Some(5), Some(5)], None),
            secret: rng.bool().then_some((secret, form)),
        };
        spec.settle(project);
        spec
    }

    /// Knobs that exclude each other.
    fn settle(&mut self, project: &ProjectSpec) {
        // Only a project with a source of its own has an address and a webhook.
        if !project.has_repository() {
            self.credentials = false;
            self.stranger = false;
            self.host = Host::GitHub;
            self.hook = None;
        }
        match self.activity {
            Activity::Never { .. } => self.reports = None,
            // A build that failed without a report may only not have come so far.
            Activity::Built { succeeded: false, .. } => self.reports = self.reports.or(Some(Export::Nowhere)),
            Activity::Built { succeeded: true, .. } => {}
        }
    }
}

const HOOKS: &[Option<Hook>] = &[
    None,
    Some(Hook::Push),
    Some(Hook::LooseBranch),
    Some(Hook::Strangers),
    Some(Hook::NamedActors),
    Some(Hook::LooseActors),
    Some(Hook::ForksApproved),
    Some(Hook::ReadersApprove),
    Some(Hook::NoFilters),
];

/// What the builds of an account and Region fetch their sources with, in the API's word; `None`: nothing is kept.
pub(crate) fn source_credential(world: &World, account: usize, region: usize) -> Option<&'static str> {
    let rng = &mut world.generator(account, region, "source-credential", 0);
    let kinds = ["CODECONNECTIONS", "SECRETS_MANAGER", "PERSONAL_ACCESS_TOKEN", "OAUTH"].map(Some);
    let [connection, secret, token, oauth] = kinds;
    choose(rng, &[None, connection, connection, secret, token, oauth], None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::SimulationOptions;

    #[test]
    fn only_projects_with_a_repository_have_what_needs_one() {
        let options = SimulationOptions { accounts: 60, pipelines_per_account_region: 6, ..Default::default() };
        let world = World::new(options);
        let projects = (1..50).flat_map(|account| ProjectSpec::all(&world, account, 0).collect::<Vec<_>>());
        let all: Vec<(bool, BuildSpec)> =
            projects.map(|project| (project.has_repository(), BuildSpec::of(&world, &project))).collect();
        for (_, spec) in all.iter().filter(|(repository, _)| !repository) {
            assert!(!spec.credentials && !spec.stranger && spec.host == Host::GitHub && spec.hook.is_none());
        }
        for hook in HOOKS {
            assert!(all.iter().any(|(repository, spec)| *repository && spec.hook == *hook), "{hook:?}");
        }
        assert!(all.iter().any(|(_, spec)| spec.reports == Some(Export::Bucket { encrypted: false })));
    }
}
