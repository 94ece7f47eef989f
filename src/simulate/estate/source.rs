//! Where pipelines take their source from: repositories of `CodeCommit`, and connections to those hosted elsewhere.
//!
//! In: the pipeline. Out: a [`SourceSpec`] if its source is a branch. A repository belongs to one pipeline and has its
//! number, so that asking by name makes only that repository.

use super::{HostedSpec, PipelineSpec, Source, choose, name, number_in};
use crate::simulate::world::World;

/// An approval rule template; every account and Region has them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) name: &'static str,
    pub(crate) approvals: u32,
    /// Branches that it is for; empty: all.
    pub(crate) branches: &'static [&'static str],
}

/// All templates.
pub(crate) const TEMPLATES: &[Template] = &[
    Template { name: "one-approval", approvals: 1, branches: &[] },
    Template { name: "two-approvals", approvals: 2, branches: &["main", "release"] },
    Template { name: "three-approvals-elsewhere", approvals: 3, branches: &["develop"] },
];

/// Which templates are associated with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Templates {
    None,
    One,
    Two,
    /// Only the one that is for another branch.
    Elsewhere,
    All,
}

impl Templates {
    /// The templates.
    pub(crate) fn list(self) -> Vec<Template> {
        let wanted: &[usize] = match self {
            Self::None => &[],
            Self::One => &[0],
            Self::Two => &[1],
            Self::Elsewhere => &[2],
            Self::All => &[0, 1, 2],
        };
        wanted.iter().filter_map(|index| TEMPLATES.get(*index)).copied().collect()
    }
}

/// What lies on the default branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Files {
    /// Nothing that is secret, though some names come near.
    Harmless,
    /// Variables in the root.
    Variables,
    /// A private key two folders down.
    Key,
}

/// A repository of `CodeCommit`. Its default branch is `main`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CodeCommitSpec {
    /// Whether the pipeline takes `main`, not `release`.
    pub(crate) main: bool,
    pub(crate) templates: Templates,
    pub(crate) files: Files,
}

/// A connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionSpec {
    pub(crate) account: usize,
    pub(crate) region: usize,
    pub(crate) number: usize,
    /// Made before the service was renamed.
    pub(crate) old: bool,
    pub(crate) provider: &'static str,
    /// `AVAILABLE`, `PENDING`, `ERROR`
    pub(crate) status: &'static str,
}

impl ConnectionSpec {
    fn new(world: &World, account: usize, region: usize, number: usize, provider: &'static str) -> Self {
        let mut rng = world.generator(account, region, "connection", number);
        let states = ["AVAILABLE", "AVAILABLE", "AVAILABLE", "PENDING", "ERROR"];
        let status = choose(&mut rng, &states, "AVAILABLE");
        Self { account, region, number, old: !number.is_multiple_of(2), provider, status }
    }

    /// Its name.
    pub(crate) fn name(&self) -> String {
        name(self.account, "connection", self.number)
    }

    /// Its ARN, under the name that the service had when it was made.
    pub(crate) fn arn(&self, world: &World) -> String {
        let resource = format!("connection/{:08x}-0000-4000-8000-{:012x}", self.account, self.number);
        world.arn(self.service(), self.region, self.account, &resource)
    }

    /// The ARN of its host, if customers run the provider themselves.
    pub(crate) fn host_arn(&self, world: &World) -> Option<String> {
        let resource = format!("host/{}", self.name());
        (self.provider == "GitHubEnterpriseServer")
            .then(|| world.arn(self.service(), self.region, self.account, &resource))
    }

    fn service(&self) -> &'static str {
        if self.old { "codestar-connections" } else { "codeconnections" }
    }
}

/// Who hosts the repository.
#[derive(Debug, Clone)]
pub(crate) enum Hosting {
    CodeCommit(CodeCommitSpec),
    Hosted(HostedSpec),
}

/// The branch that a pipeline takes.
#[derive(Debug, Clone)]
pub(crate) struct SourceSpec {
    pub(crate) account: usize,
    pub(crate) region: usize,
    pub(crate) number: usize,
    pub(crate) production: bool,
    pub(crate) hosting: Hosting,
    pub(crate) connection: Option<ConnectionSpec>,
}

impl SourceSpec {
    /// What a pipeline takes, if that is a branch.
    pub(crate) fn of(world: &World, pipeline: &PipelineSpec) -> Option<Self> {
        let PipelineSpec { account, region, number, .. } = *pipeline;
        let (hosting, connection) = match pipeline.source {
            Source::Connection => {
                let hosted = HostedSpec::new(world, account, region, number);
                let provider = hosted.hoster.provider();
                let connection = ConnectionSpec::new(world, account, region, number, provider);
                (Hosting::Hosted(hosted), Some(connection))
            }
            Source::GitHubToken { .. } => (Hosting::Hosted(HostedSpec::new(world, account, region, number)), None),
            Source::CodeCommitEvents | Source::CodeCommitDefault => {
                (Hosting::CodeCommit(code_commit(world, account, region, number)), None)
            }
            Source::S3Events | Source::S3Polling | Source::Ecr => return None,
        };
        Some(Self { account, region, number, production: pipeline.production(), hosting, connection })
    }

    /// All branches that pipelines of an account take in a Region.
    pub(crate) fn all(world: &World, account: usize, region: usize) -> impl Iterator<Item = Self> {
        PipelineSpec::all(world, account, region).filter_map(move |pipeline| Self::of(world, &pipeline))
    }

    /// The repository of `CodeCommit` of that name.
    pub(crate) fn code_commit(world: &World, account: usize, region: usize, text: &str) -> Option<CodeCommitSpec> {
        let number = number_in(account, "source", text, world.pipeline_count(account, region))?;
        let source = Self::of(world, &PipelineSpec::new(world, account, region, number))?;
        match source.hosting {
            Hosting::CodeCommit(spec) => Some(spec),
            Hosting::Hosted(_) => None,
        }
    }

    /// Its name as a pipeline writes it.
    pub(crate) fn repository(&self) -> String {
        match &self.hosting {
            Hosting::CodeCommit(_) => name(self.account, "source", self.number),
            Hosting::Hosted(hosted) => hosted.asked_path(),
        }
    }

    /// The branch.
    pub(crate) fn branch(&self) -> &'static str {
        match &self.hosting {
            Hosting::CodeCommit(spec) if spec.main => "main",
            Hosting::CodeCommit(_) => "release",
            Hosting::Hosted(hosted) => hosted.branch(),
        }
    }
}

fn code_commit(world: &World, account: usize, region: usize, number: usize) -> CodeCommitSpec {
    let mut rng = world.generator(account, region, "codecommit", number);
    let templates =
        [Templates::None, Templates::One, Templates::Two, Templates::Two, Templates::Elsewhere, Templates::All];
    CodeCommitSpec {
        main: rng.u8(..5) > 0,
        templates: choose(&mut rng, &templates, Templates::Two),
        files: choose(&mut rng, &[Files::Harmless, Files::Harmless, Files::Variables, Files::Key], Files::Harmless),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::SimulationOptions;

    #[test]
    fn a_small_world_has_sources_of_every_kind() {
        let options =
            SimulationOptions { accounts: 5, pipelines_per_account_region: 2, denials: false, ..Default::default() };
        let world = World::new(options);
        let all: Vec<SourceSpec> = (0..5)
            .flat_map(|account| (0..2).map(move |region| (account, region)))
            .flat_map(|(account, region)| SourceSpec::all(&world, account, region).collect::<Vec<_>>())
            .collect();
        let connections: Vec<ConnectionSpec> = all.iter().filter_map(|source| source.connection).collect();
        for old in [false, true] {
            assert!(connections.iter().any(|connection| connection.old == old), "{old} of {connections:?}");
            let hosted = connections.iter().any(|c| c.old == old && c.host_arn(&world).is_some());
            assert!(hosted, "a host with the old name {old} of {connections:?}");
        }
        let own = |source: &&SourceSpec| matches!(source.hosting, Hosting::CodeCommit(_));
        assert!(all.iter().any(|source| own(&source)), "{all:?}");
    }

    #[test]
    fn repositories_are_found_by_name() {
        let world = World::new(SimulationOptions { accounts: 24, ..SimulationOptions::default() });
        let mut met = 0;
        for source in (0..24).flat_map(|account| SourceSpec::all(&world, account, 0).collect::<Vec<_>>()) {
            if matches!(source.hosting, Hosting::CodeCommit(_)) {
                let found = SourceSpec::code_commit(&world, source.account, 0, &source.repository()).unwrap();
                assert_eq!(found.main, source.branch() == "main");
                met += 1;
            }
        }
        assert!(met > 3, "{met}");
        assert!(SourceSpec::code_commit(&world, 3, 0, "something").is_none());
    }
}
