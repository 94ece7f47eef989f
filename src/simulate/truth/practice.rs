//! Expected results of the controls on how pipelines are run.

use super::{Expected, Judgement, Known, all, any, judged, when};
use crate::simulate::estate::{
    Approval, BuildSpec, Buildspec, GroupSpec, Notification, PipelineSpec, PracticeSpec, ProjectSpec, Reach, Rule,
    Scan, Source, SourceSpec, Staging, Tests, Topic, Watch, Window, has_approval, trigger_heard,
};
use crate::simulate::world::World;

/// The controls that may stay unknown although nothing was refused: what a build runs may lie in its repository, and
/// what a name says may not be enough to tell an environment.
#[cfg(test)]
pub(super) const MAY_STAY_UNKNOWN: [&str; 6] = [
    "codepipeline-branch-matches-environment",
    "codepipeline-required-scans-before-production",
    "codepipeline-security-scan-before-production",
    "codepipeline-security-scans-stop",
    "codepipeline-tests-between-environments",
    "codepipeline-tier-checks-present",
];

/// The controls that need the definition or the tags.
pub(super) const CONTROLS: &[Judgement<PipelineSpec>] = &[
    ("codepipeline-approval-notified", |world, spec| {
        let practice = PracticeSpec::of(world, spec);
        let by_topic = practice.approvers.map_or(Some(false), |topic| heard(world, spec, topic));
        judged(Some(has_approval(spec)), any([by_topic, told(world, spec, true)]))
    }),
    ("codepipeline-approval-wait-bounded", |world, spec| {
        let wait = PracticeSpec::of(world, spec).wait_minutes.unwrap_or(10_080);
        when(has_approval(spec), wait <= 10_080)
    }),
    ("codepipeline-approval-explained", |world, spec| {
        when(has_approval(spec), PracticeSpec::of(world, spec).explained)
    }),
    ("codepipeline-notification-topics-encrypted", |world, spec| {
        let practice = PracticeSpec::of(world, spec);
        let approvers = practice.approvers.filter(|_| has_approval(spec));
        let told = match practice.rule {
            Rule::Failures(topic) | Rule::Approvals(topic) => Some(topic),
            Rule::Disabled | Rule::Successes => Some(Topic::Releases),
            Rule::Missing | Rule::Chat => None,
        };
        let mut topics = approvers.into_iter().chain(told).peekable();
        when(topics.peek().is_some(), topics.all(|topic| topic != Topic::Clear))
    }),
    ("codepipeline-security-scan-before-production", |world, spec| {
        judged(Some(spec.production()), scanned(world, spec))
    }),
    ("codepipeline-security-scans-stop", |world, spec| match PracticeSpec::of(world, spec).scan {
        Scan::Absent => judged(if hides(world, spec) { None } else { Some(false) }, Some(true)),
        Scan::Inspector { limited } => when(true, limited),
        Scan::Commands { stops } => when(true, stops),
        Scan::Named => Expected::InsufficientData,
        Scan::Late => when(true, true),
    }),
    ("codepipeline-required-scans-before-production", |world, spec| {
        let there = match PracticeSpec::of(world, spec).scan {
            Scan::Inspector { .. } => Some(true),
            Scan::Named => None,
            Scan::Absent | Scan::Commands { .. } | Scan::Late => unless_hidden(hides_before(world, spec)),
        };
        judged(Some(spec.production()), there)
    }),
    ("codepipeline-tier-checks-present", |world, spec| {
        let practice = PracticeSpec::of(world, spec);
        let missing = unless_hidden(hides(world, spec));
        let unit = if spec.tests == Tests::TestOnly { Some(true) } else { missing };
        let security = if practice.scan == Scan::Absent { missing } else { Some(true) };
        judged(Some(practice.critical), all([unit, security]))
    }),
    ("codepipeline-production-deployment-window", |world, spec| {
        when(spec.production(), PracticeSpec::of(world, spec).window != Window::Missing)
    }),
    ("codepipeline-production-entry-alarm", |_, spec| {
        when(spec.production(), matches!(spec.watch, Watch::Entry { .. }))
    }),
    ("codepipeline-region-fan-out", |world, spec| {
        // Staging stands in one Region, and three times as many may follow.
        let first = spec.staging == Staging::First && spec.production();
        when(spec.deploys(), first || !several_regions(world, spec))
    }),
    ("codepipeline-branch-matches-environment", branches),
    ("codepipeline-promotion-order", |_, spec| when(spec.production(), spec.staging != Staging::After)),
    ("codepipeline-tests-between-environments", |world, spec| {
        let practice = PracticeSpec::of(world, spec);
        let may_test = (spec.approval == Approval::CalledSo || practice.rebuild) && in_repository(world, spec);
        let tested = if practice.integration { Some(true) } else { unless_hidden(may_test) };
        judged(Some(rehearsed(spec)), tested)
    }),
    ("codepipeline-build-once", |world, spec| when(rehearsed(spec), !PracticeSpec::of(world, spec).rebuild)),
    ("codepipeline-managed-as-code", |world, spec| when(true, PracticeSpec::of(world, spec).stack)),
    ("codepipeline-tagged", |world, spec| {
        when(true, spec.reach == Reach::Tag || PracticeSpec::of(world, spec).environment)
    }),
    ("codepipeline-approved-template", |world, spec| when(true, PracticeSpec::of(world, spec).template)),
];

/// The controls that can be judged although the definition is hidden.
pub(super) const WITHOUT_DEFINITION: &[Judgement<PipelineSpec>] = &[
    ("codepipeline-failure-notified", |world, spec| judged(Some(true), told(world, spec, false))),
    ("codepipeline-upstream-checked", |world, spec| {
        let practice = PracticeSpec::of(world, spec);
        let seen = world.refusal(spec.account, "codepipeline:GetPipeline").is_none();
        judged(Some(practice.upstream.is_some()), seen.then_some(practice.asks_upstream || !spec.deploys()))
    }),
];

/// The control on whom a deployment group tells.
pub(super) const GROUP_CONTROLS: &[Judgement<GroupSpec>] = &[("codedeploy-triggers-heard", |world, spec| {
    let seen = world.refusal(spec.account, "sns:GetTopicAttributes").is_none();
    judged(Some(spec.notification != Notification::Missing), seen.then_some(trigger_heard(spec.number)))
})];

/// Whether somebody hears a topic.
fn heard(world: &World, spec: &PipelineSpec, topic: Topic) -> Known {
    let seen = world.refusal(spec.account, "sns:GetTopicAttributes").is_none();
    seen.then_some(matches!(topic, Topic::Releases | Topic::Clear))
}

/// Whether a notification rule tells somebody of approvals, or of failures.
fn told(world: &World, spec: &PipelineSpec, approvals: bool) -> Known {
    let actions = ["codestar-notifications:ListNotificationRules", "codestar-notifications:DescribeNotificationRule"];
    if actions.iter().any(|action| world.refusal(spec.account, action).is_some()) {
        return None;
    }
    match PracticeSpec::of(world, spec).rule {
        Rule::Failures(topic) if !approvals => heard(world, spec, topic),
        Rule::Approvals(topic) if approvals => heard(world, spec, topic),
        Rule::Chat => Some(!approvals),
        Rule::Missing | Rule::Disabled | Rule::Successes | Rule::Failures(_) | Rule::Approvals(_) => Some(false),
    }
}

/// Some build projects hold their build specification themselves, and nothing in it looks for anything.
fn in_repository(world: &World, spec: &PipelineSpec) -> bool {
    let project = ProjectSpec::new(world, spec.account, spec.region, spec.number);
    BuildSpec::of(world, &project).buildspec != Buildspec::Inline
}

/// Missing, unless it may be hidden.
fn unless_hidden(hidden: bool) -> Known {
    if hidden { None } else { Some(false) }
}

/// Whether a build before production may hold anything.
fn hides_before(world: &World, spec: &PipelineSpec) -> bool {
    let practice = PracticeSpec::of(world, spec);
    let builds = matches!(spec.tests, Tests::Build | Tests::TestOnly)
        || spec.approval == Approval::CalledSo
        || practice.integration
        || practice.rebuild;
    builds && in_repository(world, spec)
}

/// Whether any build of the pipeline may.
fn hides(world: &World, spec: &PipelineSpec) -> bool {
    let late = spec.tests == Tests::Late || !spec.deploys() && spec.tests == Tests::Missing;
    hides_before(world, spec) || late && in_repository(world, spec)
}

fn scanned(world: &World, spec: &PipelineSpec) -> Known {
    match PracticeSpec::of(world, spec).scan {
        Scan::Inspector { .. } | Scan::Commands { .. } | Scan::Named => Some(true),
        Scan::Absent | Scan::Late => unless_hidden(hides_before(world, spec)),
    }
}

/// Whether the stage of the main deployment changes more than one Region.
fn several_regions(world: &World, spec: &PipelineSpec) -> bool {
    let staging_beside = spec.approval == Approval::StagingOnly;
    spec.cross_region.is_some() && (PracticeSpec::of(world, spec).fan_out || staging_beside)
}

fn rehearsed(spec: &PipelineSpec) -> bool {
    spec.production() && spec.staging == Staging::First
}

/// `main` may go anywhere, a pull request only to development.
fn branches(world: &World, spec: &PipelineSpec) -> Expected {
    let branch = !matches!(spec.source, Source::S3Events | Source::S3Polling | Source::Ecr);
    if !branch || !spec.deploys() {
        return Expected::NotApplicable;
    }
    if spec.reach == Reach::LooksLikeProduction {
        // Nothing says which environments these are.
        return Expected::InsufficientData;
    }
    let development = spec.reach == Reach::NonProduction && world.member(spec.account).environment == Some("dev");
    let main = SourceSpec::of(world, spec).is_some_and(|source| source.branch() == "main");
    when(true, main && !spec.pull_requests || development)
}
