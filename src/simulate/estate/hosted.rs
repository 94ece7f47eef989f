//! Repositories on source hosts: their knobs, keyed like pipelines by (account, Region, number).
//!
//! In: the seed. Out: a [`HostedSpec`], whose repository's name carries its key, so that asking by name makes only that
//! repository. The knobs say what holds for its branch; how a host writes it is `hosted`'s business.

use super::{PipelineSpec, Source, choose, word};
use crate::simulate::world::World;

/// Whose repository it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hoster {
    GitHub,
    GitHubEnterprise,
    GitLab,
    Bitbucket,
}

impl Hoster {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::GitHub, Self::GitHubEnterprise, Self::GitLab, Self::Bitbucket];

    /// As in a repository's address.
    pub(crate) fn host(self) -> &'static str {
        match self {
            Self::GitHub => "github.com",
            Self::GitHubEnterprise => "github.example.com",
            Self::GitLab => "gitlab.com",
            Self::Bitbucket => "bitbucket.org",
        }
    }

    /// As a connection says it.
    pub(crate) fn provider(self) -> &'static str {
        match self {
            Self::GitHub => "GitHub",
            Self::GitHubEnterprise => "GitHubEnterpriseServer",
            Self::GitLab => "GitLab",
            Self::Bitbucket => "Bitbucket",
        }
    }

    /// Whether it is one of the two that speak GitHub's API.
    pub(crate) fn is_github(self) -> bool {
        matches!(self, Self::GitHub | Self::GitHubEnterprise)
    }
}

/// What the rules of the branch are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layers {
    /// There are none.
    Nothing,
    /// A ruleset that is only tried out.
    Evaluated,
    /// Branch protection; an exact name elsewhere.
    Classic,
    /// A ruleset of the repository; a wildcard elsewhere.
    Ruleset,
    /// A ruleset of the organization; a branching model at Bitbucket.
    Organization,
    /// A ruleset and branch protection, each with a part of the rules.
    Both,
}

/// Who need not keep to the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bypass {
    Nobody,
    Administrators,
    Team,
    App,
}

/// What the token may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Full,
    /// The code, but not the settings.
    ReadOnly,
}

/// What is wrong with asking for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    Nothing,
    /// It is not there, or the token may not know of it.
    Missing,
    /// It is there, the branch is not.
    NoBranch,
    /// It goes by another name today.
    Renamed,
    /// The first question is too fast, the next a second later is not.
    Waits,
    /// Every question is too fast, for an hour.
    Limited,
}

/// Whom it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// An organization that is set up well.
    Strict,
    /// An organization that is not.
    Loose,
    /// An organization that the token's owner has no say in.
    Foreign,
    /// No organization.
    Person,
}

impl Owner {
    /// Its name.
    pub(crate) fn login(self) -> &'static str {
        match self {
            Self::Strict => "example",
            Self::Loose => "example-labs",
            Self::Foreign => "example-partners",
            Self::Person => "mona",
        }
    }

    /// How many administer it.
    pub(crate) fn administrators(self) -> usize {
        match self {
            Self::Loose => 7,
            _ => 2,
        }
    }
}

/// What holds for the branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "knobs that turn independently")]
pub(crate) struct Rules {
    pub(crate) pull_request: bool,
    pub(crate) reviews: u8,
    pub(crate) dismisses_stale: bool,
    pub(crate) code_owners: bool,
    pub(crate) last_push: bool,
    pub(crate) checks: bool,
    pub(crate) strict_checks: bool,
    pub(crate) no_force_pushes: bool,
    pub(crate) no_deletions: bool,
    pub(crate) signatures: bool,
    pub(crate) bypass: Bypass,
}

impl Rules {
    /// Nothing is asked for.
    pub(crate) const NONE: Self = Self {
        pull_request: false,
        reviews: 0,
        dismisses_stale: false,
        code_owners: false,
        last_push: false,
        checks: false,
        strict_checks: false,
        no_force_pushes: false,
        no_deletions: false,
        signatures: false,
        bypass: Bypass::Nobody,
    };
}

/// A repository on a source host, and the branch of it that is built.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "knobs that turn independently")]
pub(crate) struct HostedSpec {
    pub(crate) account: usize,
    pub(crate) region: usize,
    pub(crate) number: usize,
    pub(crate) hoster: Hoster,
    pub(crate) layers: Layers,
    pub(crate) rules: Rules,
    pub(crate) access: Access,
    pub(crate) trouble: Trouble,
    pub(crate) owner: Owner,
    pub(crate) default_branch: bool,
    pub(crate) owners_file: bool,
    pub(crate) visibility: &'static str,
    pub(crate) scanning: bool,
    pub(crate) push_protection: bool,
    pub(crate) alerts: bool,
}

impl HostedSpec {
    /// The repository of that number.
    pub(crate) fn new(world: &World, account: usize, region: usize, number: usize) -> Self {
        use Hoster::{Bitbucket, GitHub, GitHubEnterprise, GitLab};
        use Layers::{Both, Classic, Evaluated, Nothing, Organization, Ruleset};
        let mut rng = world.generator(account, region, "hosted", number);
        let hosters = [GitHub, GitHub, GitHub, GitHub, GitHubEnterprise, GitLab, GitLab, Bitbucket, Bitbucket];
        let layers = [Nothing, Evaluated, Classic, Classic, Ruleset, Ruleset, Organization, Organization, Both, Both];
        let owners = [Owner::Strict, Owner::Strict, Owner::Strict, Owner::Loose, Owner::Foreign, Owner::Person];
        let troubles = [
            Trouble::Missing,
            Trouble::NoBranch,
            Trouble::Renamed,
            Trouble::Waits,
            Trouble::Limited,
            Trouble::Nothing,
            Trouble::Nothing,
            Trouble::Nothing,
            Trouble::Nothing,
            Trouble::Nothing,
            Trouble::Nothing,
            Trouble::Nothing,
            Trouble::Nothing,
            Trouble::Nothing,
        ];
        let bypasses = [Bypass::Nobody, Bypass::Nobody, Bypass::Administrators, Bypass::Team, Bypass::App];
        let mostly = |rng: &mut fastrand::Rng| rng.u8(..4) > 0;
        let mut spec = Self {
            account,
            region,
            number,
            hoster: hoster(world, account, region, number, choose(&mut rng, &hosters, GitHub)),
            layers: choose(&mut rng, &layers, Classic),
            rules: Rules {
                pull_request: mostly(&mut rng),
                reviews: choose(&mut rng, &[0, 1, 1, 2, 2, 2], 1),
                dismisses_stale: mostly(&mut rng),
                code_owners: mostly(&mut rng),
                last_push: rng.bool(),
                checks: mostly(&mut rng),
                strict_checks: mostly(&mut rng),
                no_force_pushes: mostly(&mut rng),
                no_deletions: mostly(&mut rng),
                signatures: rng.bool(),
                bypass: choose(&mut rng, &bypasses, Bypass::Nobody),
            },
            access: if rng.u8(..6) == 0 { Access::ReadOnly } else { Access::Full },
            trouble: choose(&mut rng, &troubles, Trouble::Nothing),
            owner: choose(&mut rng, &owners, Owner::Strict),
            default_branch: rng.u8(..5) > 0,
            owners_file: mostly(&mut rng),
            visibility: choose(&mut rng, &["private", "private", "private", "internal", "public"], "private"),
            scanning: mostly(&mut rng),
            push_protection: mostly(&mut rng),
            alerts: mostly(&mut rng),
        };
        spec.settle(world);
        spec
    }

    /// Knobs that exclude each other, and those that this world does not have.
    fn settle(&mut self, world: &World) {
        if !world.options.denials {
            self.access = Access::Full;
            if matches!(self.trouble, Trouble::Missing | Trouble::NoBranch | Trouble::Limited) {
                self.trouble = Trouble::Nothing;
            }
            if self.owner == Owner::Foreign {
                self.owner = Owner::Strict;
            }
        }
        if !world.options.limits && self.trouble == Trouble::Waits {
            self.trouble = Trouble::Nothing;
        }
        if !self.hoster.is_github() && matches!(self.trouble, Trouble::Renamed | Trouble::NoBranch) {
            self.trouble = Trouble::Nothing;
        }
        if matches!(self.layers, Layers::Nothing | Layers::Evaluated) {
            self.rules = Rules::NONE;
        }
        let rules = &mut self.rules;
        if !rules.pull_request {
            rules.reviews = 0;
            (rules.dismisses_stale, rules.code_owners, rules.last_push) = (false, false, false);
            rules.bypass = Bypass::Nobody;
        }
        rules.strict_checks &= rules.checks;
        if self.hoster == Hoster::Bitbucket && self.visibility == "internal" {
            self.visibility = "private";
        }
    }

    /// The branch that is built.
    pub(crate) fn branch(&self) -> &'static str {
        if self.default_branch { "main" } else { "release/1" }
    }

    /// Owner and name today.
    pub(crate) fn path(&self) -> String {
        let nested = self.hoster == Hoster::GitLab && self.owner == Owner::Strict;
        let group = if nested { "/platform" } else { "" };
        format!("{}{group}/{}", self.owner.login(), self.name())
    }

    /// Owner and name as pipelines write it.
    pub(crate) fn asked_path(&self) -> String {
        match self.trouble {
            Trouble::Renamed => format!("{}/old-{}", self.owner.login(), self.name()),
            _ => self.path(),
        }
    }

    fn name(&self) -> String {
        format!("{}-{}-{}-{}", word(self.account, self.number), self.account, self.region, self.number)
    }

    /// A number that no other repository has.
    pub(crate) fn id(&self) -> usize {
        (self.account * 100 + self.region) * 1_000 + self.number
    }

    /// The repository with that number.
    pub(crate) fn by_id(world: &World, hoster: Hoster, id: usize) -> Option<Self> {
        let (place, number) = (id / 1_000, id % 1_000);
        Self::existing(world, place / 100, place % 100, number).filter(|spec| spec.hoster == hoster)
    }

    /// The repository of that name, today's or the one that pipelines write.
    pub(crate) fn named(world: &World, hoster: Hoster, path: &str) -> Option<Self> {
        let mut parts = path.rsplitn(4, '-').map(str::parse);
        let (number, region, account) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
        Self::existing(world, account, region, number)
            .filter(|spec| spec.hoster == hoster && (spec.path() == path || spec.asked_path() == path))
    }

    fn existing(world: &World, account: usize, region: usize, number: usize) -> Option<Self> {
        (number < world.pipeline_count(account, region)).then(|| Self::new(world, account, region, number))
    }

    /// All repositories of a world, one for each pipeline that there could be.
    pub(crate) fn all(world: &World) -> impl Iterator<Item = Self> {
        let places = (0..world.members().len())
            .flat_map(|account| (0..world.regions().len()).map(move |region| (account, region)));
        places.flat_map(move |(account, region)| {
            (0..world.pipeline_count(account, region)).map(move |number| Self::new(world, account, region, number))
        })
    }
}

/// Whoever takes a source with a token of their own takes it from GitHub; every third place has a host of its own.
fn hoster(world: &World, account: usize, region: usize, number: usize, drawn: Hoster) -> Hoster {
    let source = PipelineSpec::new(world, account, region, number).source;
    match (source, (account + region + number) % 3) {
        (Source::GitHubToken { .. }, _) => Hoster::GitHub,
        (_, 1) => Hoster::GitHubEnterprise,
        (_, _) => drawn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::SimulationOptions;

    #[test]
    fn names_and_numbers_lead_back_to_the_repository() {
        let world = World::new(SimulationOptions { accounts: 24, ..SimulationOptions::default() });
        let mut met = 0;
        for spec in HostedSpec::all(&world) {
            for path in [spec.path(), spec.asked_path()] {
                let found = HostedSpec::named(&world, spec.hoster, &path).unwrap();
                assert_eq!(found.id(), spec.id());
            }
            assert_eq!(HostedSpec::by_id(&world, spec.hoster, spec.id()).unwrap().path(), spec.path());
            met += 1;
        }
        assert!(met > 50);
        assert!(HostedSpec::named(&world, Hoster::GitHub, "example/web").is_none());
    }

    #[test]
    fn a_large_world_has_every_knob() {
        let world = World::new(SimulationOptions { accounts: 120, ..SimulationOptions::default() });
        let specs: Vec<HostedSpec> = HostedSpec::all(&world).collect();
        for hoster in Hoster::ALL {
            for layers in [Layers::Nothing, Layers::Classic, Layers::Ruleset, Layers::Organization, Layers::Both] {
                assert!(specs.iter().any(|s| s.hoster == hoster && s.layers == layers), "{hoster:?} {layers:?}");
            }
        }
        for trouble in [Trouble::Missing, Trouble::NoBranch, Trouble::Renamed, Trouble::Waits, Trouble::Limited] {
            assert!(specs.iter().any(|s| s.trouble == trouble), "{trouble:?}");
        }
        for access in [Access::Full, Access::ReadOnly] {
            let seen =
                |s: &&HostedSpec| s.access == access && s.layers == Layers::Both && s.trouble == Trouble::Nothing;
            assert!(specs.iter().any(|s| seen(&s) && s.hoster == Hoster::GitHub), "{access:?}");
        }
    }
}
