//! Expected results of the controls on build projects, and on what their builds fetch, report and are given.

use super::{Judgement, Known, Writer, all, any, ids, judged, when};
use crate::simulate::estate::{
    Activity, Approval, BuildKey, BuildSpec, Buildspec, Cache, Export, Hook, Host, Image, KeyRef, Logs, Network,
    PipelineSpec, PracticeSpec, ProjectSpec, Reach, Rotation, Scan, Secret, SecretRef, Step, Tests, Visibility,
    build_image, foreign_image, source_credential,
};
use crate::simulate::world::World;

/// The controls on a project.
pub(super) const PROJECT_CONTROLS: &[Judgement<ProjectSpec>] = &[
    ("codebuild-source-no-credentials", |world, project| {
        judged(Some(true), seen(world, project, |build| !build.credentials))
    }),
    ("codebuild-no-plaintext-secrets", |world, project| judged(Some(true), seen(world, project, |_| !project.secret))),
    ("codebuild-s3-logs-encrypted", |world, project| {
        let logs = seen(world, project, |build| build.logs);
        judged(
            logs.map(|logs| matches!(logs, Logs::Bucket { .. })),
            logs.map(|logs| logs == Logs::Bucket { encrypted: true }),
        )
    }),
    ("codebuild-logging-enabled", |world, project| {
        judged(Some(true), seen(world, project, |build| build.logs != Logs::Off))
    }),
    ("codebuild-privileged-mode-off", |world, project| {
        judged(Some(true), seen(world, project, |_| !project.privileged))
    }),
    ("codebuild-artifacts-encrypted", |world, project| {
        let own = seen(world, project, |_| project.bucket.is_some());
        judged(own, seen(world, project, |build| !build.plain_artifacts))
    }),
    ("codebuild-artifacts-customer-key", |world, project| {
        let own = seen(world, project, |_| project.bucket.is_some());
        let key = seen(world, project, |build| match build.key {
            BuildKey::Unset | BuildKey::Aws => Some(false),
            BuildKey::Customer(key) => super::storage::described(world, key.account).then_some(true),
        });
        judged(own, key.flatten())
    }),
    ("codebuild-project-private", |world, project| {
        judged(Some(true), seen(world, project, |build| build.visibility == Visibility::Private))
    }),
    ("codebuild-buildspec-not-author-controlled", |world, project| {
        let within = seen(world, project, |build| project.privileged || project.secret || build.secret.is_some());
        let safe = seen(world, project, |build| matches!(build.buildspec, Buildspec::Inline | Buildspec::Bucket));
        judged(any([within, production(world, project)]), safe)
    }),
    ("codebuild-webhook-filters-anchored", |world, project| {
        let hook = seen(world, project, |build| build.hook);
        let loose = hook.map(|hook| matches!(hook, Some(Hook::LooseBranch | Hook::LooseActors)));
        judged(hook.map(|hook| hook.is_some()), loose.map(|loose| !loose))
    }),
    ("codebuild-webhook-actors-filtered", |world, project| {
        let hook = seen(world, project, |build| build.hook);
        let good = hook.map(|hook| matches!(hook, Some(Hook::NamedActors | Hook::ForksApproved)));
        judged(hook.map(|hook| hook.is_some_and(takes_pull_requests)), good)
    }),
    ("codebuild-fork-pull-requests-approved", |world, project| {
        let hook = seen(world, project, |build| build.hook);
        judged(
            hook.map(|hook| hook.is_some_and(takes_pull_requests)),
            hook.map(|hook| hook == Some(Hook::ForksApproved)),
        )
    }),
    ("codebuild-source-owner-allowed", |world, project| {
        judged(seen(world, project, |_| project.has_repository()), seen(world, project, |build| !build.stranger))
    }),
    ("codebuild-source-tls-verified", |world, project| {
        judged(Some(true), seen(world, project, |build| build.host != Host::Enterprise { checked: false }))
    }),
    ("codebuild-production-in-vpc", |world, project| {
        judged(production(world, project), seen(world, project, |build| build.network == Network::Vpc))
    }),
    ("codebuild-production-image-trusted", |world, project| {
        let trusted = seen(world, project, |build| matches!(build.image, Image::Managed | Image::Own { pinned: true }));
        judged(production(world, project), trusted)
    }),
    ("codebuild-cache-not-shared-across-trust", |world, project| {
        judged(
            seen(world, project, |build| build.cache != Cache::Off),
            seen(world, project, |build| cache_kept_apart(world, project, &build)).flatten(),
        )
    }),
    ("codebuild-project-in-use", |world, project| {
        let days = seen_build(world, project, |build| match build.activity {
            Activity::Built { days, .. } | Activity::Never { days } => days,
        });
        judged(Some(true), days.map(|days| days <= UNUSED_DAYS))
    }),
    ("codebuild-build-limits-set", |world, project| {
        judged(Some(true), seen(world, project, |build| build.timeout <= LONGEST_BUILD && build.limit.is_some()))
    }),
    ("codebuild-test-reports-published", |world, project| {
        let built = seen_build(world, project, |build| matches!(build.activity, Activity::Built { .. }));
        let tests = pipeline(world, project).map(|pipeline| tests_with(world, &pipeline));
        // Whether it tests is asked first, and decides alone where it can.
        let applies = tests.and_then(|tests| if tests { built } else { Some(false) });
        judged(applies, seen_build(world, project, |build| build.reports.is_some()))
    }),
];

/// The controls on what sources are fetched with: the account and the Region that keep it.
pub(super) const SOURCE_CREDENTIAL_CONTROLS: &[Judgement<&'static str>] =
    &[("codebuild-source-credential-not-stored", |_, kind| {
        when(true, matches!(*kind, "CODECONNECTIONS" | "SECRETS_MANAGER"))
    })];

/// The controls on the report group of a project.
pub(super) const REPORT_GROUP_CONTROLS: &[Judgement<ProjectSpec>] =
    &[("codebuild-report-export-encrypted", |world, project| {
        let seen = world.refusal(project.account, "codebuild:BatchGetReportGroups").is_none();
        let export = seen.then(|| BuildSpec::of(world, project).reports.unwrap_or(Export::Nowhere));
        judged(
            export.map(|export| export != Export::Nowhere),
            export.map(|export| export == Export::Bucket { encrypted: true }),
        )
    })];

/// The controls on a secret that something names.
pub(super) const SECRET_CONTROLS: &[Judgement<SecretRef>] = &[("secretsmanager-secret-rotates", |world, secret| {
    when(
        true,
        match secret.rotation(world) {
            Rotation::Off => false,
            Rotation::Days { every, since } | Rotation::Calendar { every, since } => every <= 30 && since <= 30,
        },
    )
})];

/// A project that was not built for longer than this is not used.
const UNUSED_DAYS: i64 = 90;

/// Minutes that a build may take.
const LONGEST_BUILD: u32 = 120;

/// A knob of a project that could be described.
fn seen<T>(world: &World, project: &ProjectSpec, read: impl FnOnce(BuildSpec) -> T) -> Option<T> {
    let described = world.refusal(project.account, "codebuild:BatchGetProjects").is_none();
    described.then(|| read(BuildSpec::of(world, project)))
}

/// A knob of a project whose last build could be described too.
fn seen_build<T>(world: &World, project: &ProjectSpec, read: impl FnOnce(BuildSpec) -> T) -> Option<T> {
    let actions = ["codebuild:ListBuildsForProject", "codebuild:BatchGetBuilds"];
    let described = actions.iter().all(|action| world.refusal(project.account, action).is_none());
    if described { seen(world, project, read) } else { None }
}

fn takes_pull_requests(hook: Hook) -> bool {
    !matches!(hook, Hook::Push | Hook::LooseBranch)
}

fn takes_pushes(hook: Hook) -> bool {
    matches!(hook, Hook::Push | Hook::LooseBranch | Hook::NamedActors | Hook::NoFilters)
}

/// The pipeline of a project's number, if pipelines of the account can be seen.
fn pipeline(world: &World, project: &ProjectSpec) -> Option<PipelineSpec> {
    let seen = ["codepipeline:ListPipelines", "codepipeline:GetPipeline"]
        .iter()
        .all(|action| world.refusal(project.account, action).is_none());
    seen.then(|| PipelineSpec::new(world, project.account, project.region, project.number))
}

/// Whether the pipeline runs its project at all.
fn runs(world: &World, pipeline: &PipelineSpec) -> bool {
    let deploys_with_it = pipeline.deploys() && pipeline.step == Step::CodeBuildApply;
    pipeline.tests != Tests::Missing
        || pipeline.self_mutation
        || pipeline.approval == Approval::CalledSo
        || pipeline.reach == Reach::Nothing
        || tests_besides(world, pipeline)
        || PracticeSpec::of(world, pipeline).rebuild
        || deploys_with_it
}

/// Whether what a pipeline does beyond its stages tests with its project.
fn tests_besides(world: &World, pipeline: &PipelineSpec) -> bool {
    let practice = PracticeSpec::of(world, pipeline);
    practice.integration || practice.scan == Scan::Named
}

/// Whether the pipeline tests with its project.
fn tests_with(world: &World, pipeline: &PipelineSpec) -> bool {
    match pipeline.tests {
        Tests::TestOnly | Tests::Late => true,
        Tests::Build => tests_besides(world, pipeline),
        // Every pipeline has a second stage; without anything else it is a test.
        Tests::Missing => {
            let last = pipeline.reach == Reach::Nothing && !pipeline.self_mutation;
            last || tests_besides(world, pipeline)
        }
    }
}

/// A production pipeline that runs it, or its account's tag.
fn production(world: &World, project: &ProjectSpec) -> Known {
    let environment = world.member(project.account).environment;
    if environment == Some("prod") {
        return Some(true);
    }
    let pipeline = pipeline(world, project)?;
    if pipeline.production() && runs(world, &pipeline) {
        return Some(true);
    }
    // Without a word of the account, the project's own tags could say it.
    let described = world.refusal(project.account, "codebuild:BatchGetProjects").is_none();
    (environment.is_some() || described).then_some(false)
}

fn cache_kept_apart(world: &World, project: &ProjectSpec, build: &BuildSpec) -> Known {
    let pull_requests = build.hook.is_some_and(takes_pull_requests);
    let own = any([
        Some(build.hook.is_some_and(takes_pushes)),
        pipeline(world, project).map(|pipeline| runs(world, &pipeline)),
    ]);
    let mixed = all([Some(pull_requests), own]);
    let here = ProjectSpec::all(world, project.account, project.region);
    let others = here.filter(|other| build.cache == Cache::Shared && other.number != project.number);
    let shared = others.map(|other| {
        let of_other = BuildSpec::of(world, &other);
        if of_other.cache != Cache::Shared {
            return Some(false);
        }
        let (ours, theirs) = (production(world, project), production(world, &other));
        let differ = ours.zip(theirs).map(|(ours, theirs)| ours != theirs);
        any([Some(of_other.hook.is_some_and(takes_pull_requests) != pull_requests), differ])
    });
    any(std::iter::once(mixed).chain(shared)).map(|shared| !shared)
}

impl Writer<'_> {
    pub(super) fn projects(&mut self, account: usize) {
        for region in 0..self.world.regions().len() {
            if self.projects_unlisted(account, region, &ids(super::PROJECT)) {
                continue;
            }
            let region_name = self.world.region_name(region).to_owned();
            let described = !self.refused(account, "codebuild:BatchGetProjects");
            for project in ProjectSpec::all(self.world, account, region) {
                self.put(&project.arn(self.world), account, &region_name, super::PROJECT, &project);
                if !described {
                    continue;
                }
                if let Some(bucket) = project.bucket {
                    self.named.buckets.entry(bucket).or_default();
                    self.named.overwritten_buckets.insert(bucket);
                }
                let build = BuildSpec::of(self.world, &project);
                self.named.keys.extend(customer_key(&build));
                self.named.repositories.extend(build_image(self.world, &project));
                if build.image == Image::Foreign {
                    // Nobody in the organization owns it, so it stands where it is named.
                    let uid = foreign_image(self.world, &project);
                    self.unseen(&uid, account, &region_name, &ids(super::IMAGE_REPOSITORY));
                }
                self.named.secrets.extend(build.secret.map(|(secret, _)| secret));
            }
        }
    }

    pub(super) fn source_credentials(&mut self, account: usize) {
        for region in 0..self.world.regions().len() {
            let controls = ids(super::SOURCE_CREDENTIAL);
            if self.projects_unlisted(account, region, &controls) || self.world.pipeline_count(account, region) == 0 {
                continue;
            }
            let region_name = self.world.region_name(region).to_owned();
            if self.refused(account, "codebuild:ListSourceCredentials") {
                let uid = self.placeholder("codebuild", account, region);
                self.unseen(&uid, account, &region_name, &controls);
            } else if let Some(kind) = source_credential(self.world, account, region) {
                let uid = self.world.arn("codebuild", region, account, "token/github");
                self.put(&uid, account, &region_name, super::SOURCE_CREDENTIAL, &kind);
            }
        }
    }

    pub(super) fn report_groups(&mut self, account: usize) {
        for region in 0..self.world.regions().len() {
            let controls = ids(super::REPORT_GROUP);
            if self.projects_unlisted(account, region, &controls) || self.world.pipeline_count(account, region) == 0 {
                continue;
            }
            let region_name = self.world.region_name(region).to_owned();
            if self.refused(account, "codebuild:ListReportGroups") {
                let uid = self.placeholder("codebuild", account, region);
                self.unseen(&uid, account, &region_name, &controls);
                continue;
            }
            for project in ProjectSpec::all(self.world, account, region) {
                if BuildSpec::of(self.world, &project).reports.is_some() {
                    let uid = project.report_group(self.world);
                    self.put(&uid, account, &region_name, super::REPORT_GROUP, &project);
                }
            }
        }
    }

    /// Writes what stands for things of a Region whose projects could not be listed.
    fn projects_unlisted(&mut self, account: usize, region: usize, controls: &[&'static str]) -> bool {
        let unlisted = self.refused(account, "codebuild:ListProjects");
        if unlisted {
            let uid = self.placeholder("codebuild", account, region);
            let region_name = self.world.region_name(region).to_owned();
            self.unseen(&uid, account, &region_name, controls);
        }
        unlisted
    }

    pub(super) fn secrets(&mut self, account: usize) {
        let world = self.world;
        let named: Vec<SecretRef> =
            self.named.secrets.iter().filter(|secret| secret.account == account).copied().collect();
        for secret in named.into_iter().filter(|_| world.visible(account)) {
            self.put(&secret.arn(world), account, world.region_name(secret.region), super::SECRET, &secret);
        }
    }
}

fn customer_key(build: &BuildSpec) -> Option<KeyRef> {
    match build.key {
        BuildKey::Customer(key) => Some(key),
        BuildKey::Unset | BuildKey::Aws => None,
    }
}

/// The secret that the actions of a pipeline name.
pub(super) fn named_by(world: &World, pipeline: &PipelineSpec) -> Option<SecretRef> {
    let (account, region) = (pipeline.account, pipeline.region);
    let slot = crate::simulate::estate::DATABASE_SLOT;
    (pipeline.secret == Secret::Referenced && runs(world, pipeline)).then_some(SecretRef { account, region, slot })
}
