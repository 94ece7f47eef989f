//! What names say about deploying.
//!
//! In: names of stages, actions, projects, functions. Out: whether they say that something is deployed, or something else.
//! It exists because more than half of the deployments in public pipelines are scripts, and the name is all that a
//! definition says of them.

use super::pipeline_definition::Definition;
use super::production::{Classifier, Environment, is_one_of};
use super::seen::text_at;
use super::words::words;

/// Words that name a deployment.
const DEPLOY_WORDS: &[&str] = &[
    "deploy",
    "deploys",
    "deploying",
    "deployment",
    "deployments",
    "deployer",
    "release",
    "apply",
    "promote",
    "promotion",
    "rollout",
];

/// Words that name something that only looks, or only makes.
const OTHER_WORDS: &[&str] = &[
    "test",
    "tests",
    "testing",
    "validate",
    "validation",
    "verify",
    "verification",
    "check",
    "checks",
    "plan",
    "smoke",
    "build",
    "package",
    "packaging",
    "lint",
    "scan",
    "synth",
    "diff",
    "notify",
    "notification",
    "report",
];

/// Last words of names that only look at a deployment. `test` alone may be the environment.
const LOOKING_WORDS: &[&str] =
    &["tests", "testing", "validate", "validation", "verify", "verification", "check", "checks"];

/// Last words that say so where the deploying word is a noun or something stands before it: `GetDeployStatus` looks, and
/// `DeployNotifications` deploys a service.
const TELLING_WORDS: &[&str] = &["test", "status", "notes", "notification", "notifications", "report"];

/// Words that name other work than deploying, beside [`OTHER_WORDS`]: what builds make, where sources come from, what is
/// looked at, who is asked. Beside a deploying word they say nothing.
const WORK_WORDS: &[&str] = &[
    "compile",
    "ci",
    "docker",
    "dockerize",
    "image",
    "images",
    "container",
    "containers",
    "assets",
    "artifact",
    "artifacts",
    "source",
    "checkout",
    "fetch",
    "clone",
    "unit",
    "integration",
    "quality",
    "coverage",
    "sonar",
    "security",
    "sast",
    "dast",
    "audit",
    "review",
    "approve",
    "approval",
    "gate",
];

/// Whether a name has a word for building, testing or looking.
pub(super) fn has_other_word(name: &str) -> bool {
    words(name).into_iter().any(|word| is_one_of(word, OTHER_WORDS))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Deploy,
    Other,
    Nothing,
}

/// What a name says is done. In `TestDeployment` and `PlanRelease` the first word rules; `PlanApply`, `TestAndDeploy`
/// and `DeployToTest` do deploy; a `ReleaseBuild` is a build.
pub(super) fn said(name: &str) -> Said {
    let words = words(name);
    let other = words.iter().position(|word| is_one_of(word, OTHER_WORDS));
    let Some(deploy) = words.iter().position(|word| is_one_of(word, DEPLOY_WORDS)) else {
        return if other.is_some() { Said::Other } else { Said::Nothing };
    };
    let has = |list: &[&str]| words.iter().any(|word| is_one_of(word, list));
    if has(&["smoke"]) || looks_at_a_deployment(&words, deploy) {
        return Said::Other;
    }
    if has(&["and"]) {
        return Said::Deploy;
    }
    let making = has(&["build", "package", "packaging"]);
    let only_release = !words.iter().any(|word| is_one_of(word, DEPLOY_WORDS) && !word.eq_ignore_ascii_case("release"));
    if making {
        return if only_release { Said::Other } else { Said::Deploy };
    }
    if other.is_some_and(|other| other < deploy) && !has(&["apply"]) { Said::Other } else { Said::Deploy }
}

/// Whether a name ends in looking at what its deploying word names: `PostDeployTest`, `GetDeployStatus`, `ReleaseNotes`.
/// `DeployTest` and `DeployToTest` deploy to an environment.
fn looks_at_a_deployment(words: &[&str], deploy: usize) -> bool {
    let Some((last, before)) = words.split_last().filter(|(_, before)| before.len() > deploy) else { return false };
    let joined = before.iter().skip(deploy).any(|word| is_one_of(word, &["to", "and", "in", "into", "for", "on"]));
    let is_noun = words.get(deploy).is_some_and(|word| is_one_of(word, &["deployment", "deployments", "release"]));
    let tells = is_one_of(last, TELLING_WORDS) && (is_noun || deploy > 0);
    (is_one_of(last, LOOKING_WORDS) || tells) && !joined
}

/// Whether a name has a word for other work than deploying.
pub(super) fn says_other_work(name: &str) -> bool {
    words(name).into_iter().any(|word| is_one_of(word, WORK_WORDS))
}

/// Whether a name says that something is deployed.
pub(crate) fn is_called_a_deployment(name: &str) -> bool {
    said(name) == Said::Deploy
}

/// Whether an action, or the stage that it is in, is named for building, testing, looking or tearing down, and not for a
/// deployment.
pub(crate) fn is_named_otherwise(stage: &str, action: &str) -> bool {
    let tears_down = |name: &str| {
        let words = words(name);
        words.iter().any(|word| is_one_of(word, &["destroy", "teardown", "cleanup"]))
    };
    match (said(action), said(stage)) {
        (Said::Other, _) => true,
        (Said::Deploy, _) => false,
        (Said::Nothing, stage_says) => stage_says == Said::Other || tears_down(action) || tears_down(stage),
    }
}

/// How the stages of a pipeline use the word: in `Deploy-Stage` it may be staging, or only what it is.
pub(super) struct StageWords<'a> {
    classifier: &'a Classifier,
    /// Whether the word cannot tell stages apart: no other stage is called by an environment, and others that deploy nothing
    /// end in it too, or none of them acts on anything.
    tells_nothing: bool,
}

impl<'a> StageWords<'a> {
    pub(super) fn read(definition: &Definition<'_>, classifier: &'a Classifier) -> Self {
        let deploying = |name: &str| without_stage(name).map_or_else(|| said(name), said) == Said::Deploy;
        let names = || definition.stages.iter().map(|stage| text_at(Some(stage), &["Name"]));
        let is_environment = |name: &str| {
            let plain = without_stage(name).unwrap_or(name);
            said(plain) != Said::Other && classifier.by_name("stage name", plain) != Environment::Undecided
        };
        let others_end_in_it = names().any(|name| without_stage(name).is_some() && !deploying(name));
        let deploys = |stage: usize| definition.actions.iter().any(|a| a.stage == stage && a.category == "Deploy");
        let deploying_stages = names().enumerate().filter(|(stage, name)| deploying(name) || deploys(*stage)).count();
        let tells_nothing = !names().any(is_environment) && (others_end_in_it || deploying_stages == 1);
        Self { classifier, tells_nothing }
    }

    /// Whether a name is a deploying word and `stage`, where that is no environment.
    pub(super) fn is_habit(&self, name: &str) -> bool {
        let is_deploying = |rest: &str| said(rest) == Said::Deploy && words(rest).len() == 1;
        self.tells_nothing
            && without_stage(name).is_some_and(is_deploying)
            && !self.classifier.by_name("stage name", name).is_production()
    }
}

/// A name without its last word, if that is `stage`.
fn without_stage(name: &str) -> Option<&str> {
    let last = words(name).pop().filter(|last| last.eq_ignore_ascii_case("stage"))?;
    let rest = name.strip_suffix(last)?.trim_end_matches(|character: char| !character.is_alphanumeric());
    (!rest.is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_deployment() {
        for name in [
            "Deploy",
            "TerraformApply",
            "promote-to-prod",
            "rollout",
            "BuildAndDeploy",
            "PlanApply",
            "DeployToTest",
            "TestAndDeploy",
            "deploy-build",
            "Release",
            "DeployTest",
            "deploy_and_verify",
            "DeployNotifications",
            "DeployReport",
            "Deploy-order-status",
        ] {
            assert_eq!(said(name), Said::Deploy, "{name}");
        }
        for name in [
            "Build",
            "UnitTests",
            "TestDeployment",
            "ValidateRelease",
            "TerraformPlan",
            "deploy-smoke-test",
            "ReleaseBuild",
            "PackageRelease",
            "PlanRelease",
            "PostDeployTest",
            "DeploymentTest",
            "DeployTests",
            "GetDeployStatus",
            "ReleaseNotes",
        ] {
            assert_eq!(said(name), Said::Other, "{name}");
        }
        for name in ["Notarise", "Migrate", "employ", "applyable"] {
            assert_eq!(said(name), Said::Nothing, "{name}");
        }
    }

    #[test]
    fn what_an_action_does_is_said_by_its_own_name_first() {
        for (stage, action) in [("Build", "Web"), ("Deploy", "UnitTests"), ("Ship", "Build"), ("End", "DestroyStacks")]
        {
            assert!(is_named_otherwise(stage, action), "{stage}/{action}");
        }
        for (stage, action) in [("Build", "Deploy"), ("Ship", "Web"), ("Build", "TerraformApply"), ("Deploy", "Web")] {
            assert!(!is_named_otherwise(stage, action), "{stage}/{action}");
        }
    }
}
