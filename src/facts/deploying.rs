//! Which actions of a pipeline change a target, and which target is production.
//!
//! In: a pipeline's definition, then what other accounts say. Out: [`Candidate`]s, small enough to keep until every
//! inventory is indexed, and a [`Judged`] for each. It stands apart because a deploy is not the same as
//! `Category == Deploy`: most production deployments of public pipelines run in `CodeBuild` or Lambda.

use serde_json::Value;

use super::joins::Joins;
use super::pipeline_definition::{Action, Definition};
use super::production::{Environment, is_one_of};
use super::seen::{Seen, name};
use super::words::words;
use crate::inventory::{AccountId, Arn, Region, Resource, TypeName, deploy_commands};

/// An action that changes a target, or may.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Index into [`Definition::actions`].
    pub(super) action: usize,
    pub(super) stage: usize,
    /// Where it acts.
    pub(super) account: AccountId,
    pub(super) region: Region,
    /// Whether it acts through a role of another account.
    elsewhere: bool,
    /// A build project whose own specification has to say whether this is a deployment; `None` if that is certain.
    project: Option<String>,
    /// What its names say.
    named: Environment,
    /// `application/group`, if it deploys through `CodeDeploy`.
    pub(super) group: Option<String>,
}

/// What is known of a candidate once everything is indexed.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    /// Whether it changes a target.
    pub(super) deploys: Seen<bool>,
    /// What the target is.
    pub(super) environment: Seen<Environment>,
}

impl Judged {
    /// Whether it changes a production target.
    pub(super) fn in_production(&self) -> Seen<bool> {
        match (&self.deploys, &self.environment) {
            (Ok(false), _) => Ok(false),
            (_, Ok(environment)) if !environment.is_production() => Ok(false),
            (Ok(true), Ok(_)) => Ok(true),
            (Err(sentences), _) | (_, Err(sentences)) => Err(sentences.clone()),
        }
    }
}

/// Whether any of them holds: one that does decides, whatever the others are.
pub(super) fn any(answers: impl Iterator<Item = Seen<bool>>) -> Seen<bool> {
    let mut doubts = Vec::new();
    for answer in answers {
        match answer {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(sentences) => doubts.extend(sentences),
        }
    }
    if doubts.is_empty() { Ok(false) } else { Err(doubts) }
}

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

/// Settings that name what an action runs.
const RUNS: &[(&str, &str)] = &[
    ("project name", "ProjectName"),
    ("function name", "FunctionName"),
    ("state machine", "StateMachineArn"),
    ("pipeline name", "PipelineName"),
];

/// Settings that name what an action deploys to.
const TARGETS: &[(&str, &str)] = &[
    ("stack name", "StackName"),
    ("stack set name", "StackSetName"),
    ("deployment group", "DeploymentGroupName"),
    ("application name", "ApplicationName"),
    ("environment name", "EnvironmentName"),
    ("cluster name", "ClusterName"),
    ("service name", "ServiceName"),
];

/// What an action does to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect<'a> {
    /// Changes one.
    Deploys,
    /// Changes one if the build project's own specification says so.
    DeploysIfProjectDoes(&'a str),
    /// Replaces the pipeline that it belongs to.
    UpdatesItself,
    /// Nothing.
    None,
}

/// What the action does; `stack` is the stack that made the pipeline.
pub(super) fn effect<'a>(action: &Action<'a>, stack: Option<&str>, joins: &Joins) -> Effect<'a> {
    let changes_a_stack = action.provider == "CloudFormation";
    if changes_a_stack && matches!(action.setting("ActionMode"), "CHANGE_SET_REPLACE" | "DELETE_ONLY") {
        return Effect::None;
    }
    let runs_something = matches!(action.category, "Build" | "Test" | "Invoke" | "Compute");
    if (action.category == "Deploy" || runs_something) && updates_itself(action, stack) {
        return Effect::UpdatesItself;
    }
    match action.category {
        "Deploy" => Effect::Deploys,
        _ if !runs_something || matches!(action.provider, "InspectorScan" | "ECRBuildAndPublish") => Effect::None,
        _ if runs_deploy_commands(action) || is_named_a_deployment(action, joins) => Effect::Deploys,
        _ if action.provider == "CodeBuild" => Effect::DeploysIfProjectDoes(action.setting("ProjectName")),
        _ => Effect::None,
    }
}

/// Whether the action replaces its own pipeline: CDK's self-mutation, or the stack that the pipeline is part of.
fn updates_itself(action: &Action<'_>, stack: Option<&str>) -> bool {
    let configured = action.configuration().and_then(|settings| settings.get("StackName"));
    let own_stack = match configured {
        Some(Value::String(name)) => stack == Some(name.as_str()),
        Some(Value::Object(reference)) => reference.get("Ref").and_then(Value::as_str) == Some("AWS::StackName"),
        _ => false,
    };
    own_stack || [action.stage_name, action.name].iter().any(|name| says_self_update(name))
}

fn says_self_update(name: &str) -> bool {
    let words: Vec<String> = words(name).into_iter().map(str::to_ascii_lowercase).collect();
    let joined = words.concat();
    ["selfmutat", "selfupdat", "updatepipeline", "pipelineupdate"].iter().any(|said| joined.contains(said))
}

fn runs_deploy_commands(action: &Action<'_>) -> bool {
    let inline = action.setting("BuildspecOverride");
    let commands = action.list("Commands").iter().filter_map(Value::as_str);
    commands.chain(Some(inline).filter(|text| !text.is_empty())).any(|text| !deploy_commands(text).is_empty())
}

/// The names that say what an action runs, its own first.
fn own_names<'a>(action: &Action<'a>) -> impl Iterator<Item = (&'static str, &'a str)> {
    let runs = RUNS.iter().map(|(kind, key)| (*kind, action.setting(key)));
    let machine = |(kind, name): (&'static str, &'a str)| (kind, name.rsplit(':').next().unwrap_or(name));
    std::iter::once(("action name", action.name)).chain(runs.map(machine)).filter(|(_, name)| !name.is_empty())
}

fn is_named_a_deployment(action: &Action<'_>, joins: &Joins) -> bool {
    let mut otherwise = false;
    for (_, name) in own_names(action) {
        match said(name) {
            Said::Deploy => return true,
            Said::Other => otherwise = true,
            Said::Nothing => {}
        }
    }
    // In a stage called Deploy, tests stay tests.
    if otherwise || action.category == "Test" {
        return false;
    }
    if said(action.stage_name) == Said::Deploy {
        return true;
    }
    action.category == "Invoke"
        && own_names(action)
            .chain([("stage name", action.stage_name)])
            .any(|(kind, name)| joins.classifier.by_name(kind, name).is_production())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Deploy,
    Other,
    Nothing,
}

/// What a name says is done. In `TestDeployment` and `PlanRelease` the first word rules; `PlanApply`, `TestAndDeploy`
/// and `DeployToTest` do deploy; a `ReleaseBuild` is a build.
fn said(name: &str) -> Said {
    let words = words(name);
    let other = words.iter().position(|word| is_one_of(word, OTHER_WORDS));
    let Some(deploy) = words.iter().position(|word| is_one_of(word, DEPLOY_WORDS)) else {
        return if other.is_some() { Said::Other } else { Said::Nothing };
    };
    let has = |list: &[&str]| words.iter().any(|word| is_one_of(word, list));
    if has(&["smoke"]) {
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

/// The actions of a pipeline that change a target, or may.
pub(super) fn candidates(
    resource: &Resource,
    definition: &Definition<'_>,
    stack: Option<&str>,
    joins: &Joins,
) -> Vec<Candidate> {
    let mut found = Vec::new();
    let pipeline = name(resource, "Name");
    for (index, action) in definition.actions.iter().enumerate() {
        let project = match effect(action, stack, joins) {
            Effect::Deploys => None,
            Effect::DeploysIfProjectDoes(project) => Some(project.to_owned()),
            Effect::UpdatesItself | Effect::None => continue,
        };
        let role_account = Arn::parse(action.text("RoleArn")).ok().and_then(|arn| arn.account_id());
        let account = role_account.unwrap_or_else(|| resource.account.clone());
        let region = action.text("Region").parse().unwrap_or_else(|_| resource.region.clone());
        let targets = TARGETS.iter().map(|(kind, key)| (*kind, action.setting(key)));
        let stage = std::iter::once(("stage name", action.stage_name));
        let role = action.text("RoleArn").rsplit('/').next().unwrap_or_default();
        let names = stage.chain(own_names(action)).chain(targets).chain([("role name", role)]);
        // A pipeline named for an environment says so of every action that does not say otherwise.
        let environment =
            joins.classifier.by_names(names).or_else(|| joins.classifier.by_name("pipeline name", pipeline));
        let (application, group) = (action.setting("ApplicationName"), action.setting("DeploymentGroupName"));
        found.push(Candidate {
            action: index,
            stage: action.stage,
            elsewhere: account != resource.account,
            account,
            region,
            project,
            named: environment,
            group: (!group.is_empty()).then(|| format!("{application}/{group}")),
        });
    }
    found
}

/// Judges every candidate of a pipeline, whose own tags say `tagged`.
pub(super) fn judge(candidates: &[Candidate], tagged: &Seen<Environment>, joins: &Joins) -> Vec<Judged> {
    let mut judged: Vec<Judged> = candidates
        .iter()
        .map(|candidate| Judged {
            deploys: deploys(candidate, joins),
            environment: environment(candidate, tagged, joins),
        })
        .collect();
    assume(candidates, &mut judged);
    judged
}

fn deploys(candidate: &Candidate, joins: &Joins) -> Seen<bool> {
    let Some(project) = &candidate.project else { return Ok(true) };
    let place = (candidate.account.clone(), candidate.region.clone());
    if let Some(known) = joins.projects.get(&place).and_then(|projects| projects.get(project)) {
        return known.clone();
    }
    let mut sentences = if candidate.elsewhere {
        joins.why_unseen(&place.0, Some(&place.1), &TypeName::PROJECT)
    } else {
        joins.gaps.over(&place.0, Some(&place.1), &TypeName::PROJECT)
    };
    sentences.extend(joins.why_region_not_looked_at(&place));
    if sentences.is_empty() { Ok(false) } else { Err(sentences) }
}

/// The target's account decides, then the pipeline's tags, then names. What could not be seen is passed over as long as
/// something below it decides.
fn environment(candidate: &Candidate, tagged: &Seen<Environment>, joins: &Joins) -> Seen<Environment> {
    let mut doubts = Vec::new();
    for answer in [joins.environment_of(&candidate.account), tagged.clone(), Ok(candidate.named.clone())] {
        match answer {
            Ok(Environment::Undecided) => {}
            Ok(decided) if candidate.elsewhere => return Ok(at_target(decided)),
            Ok(decided) => return Ok(decided),
            Err(sentences) => doubts.extend(sentences),
        }
    }
    if doubts.is_empty() { Ok(Environment::Undecided) } else { Err(doubts) }
}

fn at_target(environment: Environment) -> Environment {
    let target = |why: String| if why.starts_with("account ") { format!("target {why}") } else { why };
    match environment {
        Environment::Production(why) => Environment::Production(target(why)),
        Environment::NonProduction(why) => Environment::NonProduction(target(why)),
        Environment::Undecided => Environment::Undecided,
    }
}

/// Where no rule finds production, what the last deploying stage deploys is taken for production, unless a rule says that
/// it is not: after "Staging", a stage that is only called "Deploy" is where the release ends.
fn assume(candidates: &[Candidate], judged: &mut [Judged]) {
    let sure = |judged: &Judged| judged.deploys == Ok(true);
    let decided = |judged: &Judged| matches!(&judged.environment, Ok(decided) if *decided != Environment::Undecided);
    let production = |judged: &Judged| matches!(&judged.environment, Ok(Environment::Production(_)));
    if judged.iter().any(|judged| sure(judged) && production(judged)) {
        return;
    }
    let stages = candidates.iter().zip(judged.iter()).filter(|(_, judged)| sure(judged)).map(|(c, _)| c.stage);
    let last = stages.max();
    let mut doubts: Vec<String> = Vec::new();
    for (candidate, judged) in candidates.iter().zip(judged.iter()) {
        match (&judged.deploys, &judged.environment) {
            (Ok(true), Err(sentences)) => doubts.extend_from_slice(sentences),
            // It may deploy after the last sure stage, or to a place that a rule decides.
            (Err(sentences), _) if decided(judged) || last.is_none_or(|last| candidate.stage > last) => {
                doubts.extend_from_slice(sentences);
            }
            _ => {}
        }
    }
    for (candidate, judged) in candidates.iter().zip(judged.iter_mut()) {
        let in_last = last.is_none_or(|last| candidate.stage >= last) && judged.deploys != Ok(false);
        if in_last && judged.environment == Ok(Environment::Undecided) {
            judged.environment = if doubts.is_empty() {
                Ok(Environment::Production("assumed: last deploying stage".to_owned()))
            } else {
                Err(doubts.clone())
            };
        }
    }
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

    #[test]
    fn a_project_in_a_region_that_was_not_asked_is_unknown() {
        use crate::facts::testing;
        use crate::inventory::{Coverage, CoverageKey, Inventory, Outcome};
        let mut coverage = Coverage::default();
        let (service, action) = ("codebuild".to_owned(), "ListProjects".to_owned());
        let key = CoverageKey { account: testing::account(), region: testing::region(), service, action };
        coverage.record(key, Outcome::Ok);
        let mut joins = Joins::new(crate::facts::Rules::default(), testing::NOW, 7);
        joins.index(&Inventory { coverage, ..Inventory::default() });
        let project_in = |region: Region| Candidate {
            action: 0,
            stage: 0,
            account: testing::account(),
            region,
            elsewhere: false,
            project: Some("web".to_owned()),
            named: Environment::Undecided,
            group: None,
        };
        assert_eq!(deploys(&project_in(testing::region()), &joins), Ok(false));
        assert!(deploys(&project_in("us-east-1".parse().unwrap()), &joins).is_err());
    }

    #[test]
    fn self_updates_by_name() {
        for name in ["UpdatePipeline", "SelfMutate", "self-mutation", "Pipeline_Update", "SelfUpdate"] {
            assert!(says_self_update(name), "{name}");
        }
        assert!(!says_self_update("UpdateStack"));
    }

    #[test]
    fn one_that_holds_decides() {
        let doubt = || Err(vec!["why".to_owned()]);
        assert_eq!(any([doubt(), Ok(true)].into_iter()), Ok(true));
        assert_eq!(any([doubt(), Ok(false)].into_iter()), doubt());
        assert_eq!(any(std::iter::empty()), Ok(false));
    }
}
