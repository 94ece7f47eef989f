//! Image repositories, and what their registry says of all of them.

use super::{BuildSpec, Image, KEY_SLOTS, KeyRef, Outsiders, ProjectSpec, WORDS, choose};
use crate::simulate::world::World;

/// The repository of images that projects build in; the numbers below it are those of the words.
const TOOLS: usize = WORDS.len();

/// Which repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RepositoryRef {
    pub(crate) account: usize,
    pub(crate) region: usize,
    number: usize,
}

/// Which tags can be pushed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutability {
    Immutable,
    Mutable,
    /// All but working tags stay.
    WorkingTags,
    /// Exclusions that releases fall under.
    ReleaseTags,
}

/// A repository's encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImageEncryption {
    Aes,
    AwsManaged(KeyRef),
    Customer(KeyRef),
}

/// A repository.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RepositorySpec {
    pub(crate) mutability: Mutability,
    pub(crate) scan_on_push: bool,
    pub(crate) encryption: ImageEncryption,
    pub(crate) readers: Outsiders,
}

/// What the registry scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scanning {
    /// Basic, and every repository by its own setting.
    ByRepository,
    BasicAll,
    /// Basic, with a rule for some repositories.
    BasicTools,
    EnhancedAll,
    /// Enhanced, with a rule for some repositories.
    EnhancedTools,
}

/// What the registry signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signing {
    Nothing,
    Everything,
    Tools,
}

/// The registry of an account and Region.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RegistrySpec {
    pub(crate) scanning: Scanning,
    pub(crate) signing: Signing,
}

/// The filter of rules for some repositories.
pub(crate) const TOOLS_FILTER: &str = "tools/*";

impl RepositoryRef {
    /// The repository of that name, if it exists.
    pub(crate) fn named(world: &World, account: usize, region: usize, name: &str) -> Option<Self> {
        let number = (0..=TOOLS).find(|number| Self { account, region, number: *number }.name() == name)?;
        (world.pipeline_count(account, region) > 0).then_some(Self { account, region, number })
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        WORDS.get(self.number).copied().unwrap_or("tools/build")
    }

    /// Whether rules for some repositories are about it.
    pub(crate) fn is_tool(self) -> bool {
        self.number == TOOLS
    }

    /// Its ARN.
    pub(crate) fn arn(self, world: &World) -> String {
        world.arn("ecr", self.region, self.account, &format!("repository/{}", self.name()))
    }

    /// Its knobs.
    pub(crate) fn spec(self, world: &World) -> RepositorySpec {
        let mut rng = world.generator(self.account, self.region, "image-repository", self.number);
        let key = |slot| KeyRef { account: self.account, region: self.region, slot };
        let customer = ImageEncryption::Customer(key(rng.usize(..KEY_SLOTS)));
        let managed = ImageEncryption::AwsManaged(key(super::AWS_MANAGED_SLOT));
        let mutabilities = [
            Mutability::Immutable,
            Mutability::Immutable,
            Mutability::WorkingTags,
            Mutability::Mutable,
            Mutability::ReleaseTags,
        ];
        let readers =
            [Outsiders::None, Outsiders::None, Outsiders::OrganizationOnly, Outsiders::Account, Outsiders::Everybody];
        RepositorySpec {
            mutability: choose(&mut rng, &mutabilities, Mutability::Mutable),
            scan_on_push: rng.bool(),
            encryption: choose(&mut rng, &[ImageEncryption::Aes, managed, customer, customer], ImageEncryption::Aes),
            readers: choose(&mut rng, &readers, Outsiders::None),
        }
    }
}

/// The registry of an account and Region.
pub(crate) fn registry(world: &World, account: usize, region: usize) -> RegistrySpec {
    let mut rng = world.generator(account, region, "image-registry", 0);
    let scanning = [
        Scanning::ByRepository,
        Scanning::BasicAll,
        Scanning::BasicTools,
        Scanning::EnhancedAll,
        Scanning::EnhancedTools,
    ];
    RegistrySpec {
        scanning: choose(&mut rng, &scanning, Scanning::ByRepository),
        signing: choose(&mut rng, &[Signing::Nothing, Signing::Everything, Signing::Tools], Signing::Nothing),
    }
}

/// The repository of the account's own image that a project builds in, if it builds in one.
pub(crate) fn build_image(world: &World, project: &ProjectSpec) -> Option<RepositoryRef> {
    let own = matches!(BuildSpec::of(world, project).image, Image::Own { .. });
    own.then_some(RepositoryRef { account: project.account, region: project.region, number: TOOLS })
}

/// An account outside the organization.
pub(crate) const OUTSIDE_ACCOUNT: &str = "111122223333";

/// The ARN of the repository outside the organization that a project may build in; every account names one of its own.
pub(crate) fn foreign_image(world: &World, project: &ProjectSpec) -> String {
    let region = world.region_name(project.region);
    format!("arn:{}:ecr:{region}:{OUTSIDE_ACCOUNT}:repository/builder-{}", world.partition, project.account)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::SimulationOptions;

    #[test]
    fn names_lead_back_to_the_repository() {
        let world = World::new(SimulationOptions::default());
        for name in WORDS.iter().copied().chain(["tools/build"]) {
            let found = RepositoryRef::named(&world, 3, 0, name).unwrap();
            assert_eq!((found.name(), found.is_tool()), (name, name.starts_with("tools")));
        }
        assert_eq!(RepositoryRef::named(&world, 3, 0, "unknown"), None);
        assert_eq!(RepositoryRef::named(&world, 0, 0, "orders"), None);
    }
}
