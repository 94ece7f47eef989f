//! Which actions of a pipeline change a target, and which target is production.
//!
//! In: a pipeline's definition, then what other accounts say. Out: [`Candidate`]s, small enough to keep until every
//! inventory is indexed, and a [`Judged`] for each. It stands apart because a deploy is not the same as
//! `Category == Deploy`: most production deployments of public pipelines run in `CodeBuild` or Lambda.

use serde_json::Value;

use super::deploying_name::{Said, StageWords, has_other_word, is_named_otherwise, said, says_other_work};
use super::environment_name;
use super::joins::Joins;
use super::pipeline_definition::{Action, Definition};
use super::production::Environment;
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
    /// Whether a project whose specification nobody sees may deploy here.
    may_deploy: bool,
    /// Whether a script does its work, which may act anywhere.
    runs_script: bool,
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

/// What the build specification of a project says of deploying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BuildSpec {
    /// It runs a deploy command.
    Deploys,
    /// It runs none.
    DeploysNothing,
    /// It lies with the source, where nobody looked.
    Elsewhere,
}

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
            // A test of a deployment is a test; what deploys in order to test says so by its commands.
            Said::Deploy if action.category == "Test" && has_other_word(name) => otherwise = true,
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

/// The actions of a pipeline that change a target, or may.
pub(super) fn candidates(
    resource: &Resource,
    definition: &Definition<'_>,
    stack: Option<&str>,
    joins: &Joins,
) -> Vec<Candidate> {
    let mut found = Vec::new();
    let pipeline = name(resource, "Name");
    let stage_words = StageWords::read(definition, &joins.classifier);
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
        let said_of_itself = stage.chain(own_names(action)).filter(|(_, name)| !stage_words.is_habit(name));
        let names = said_of_itself.chain(targets).chain([("role name", role)]);
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
            may_deploy: may_deploy(action, definition),
            runs_script: action.category != "Deploy",
            named: environment,
            group: (!group.is_empty()).then(|| format!("{application}/{group}")),
        });
    }
    found
}

/// Whether an action may deploy although only a specification that nobody sees could say so: it is no test, nothing in its
/// names says building or looking, and nothing that it makes is taken by a later action.
fn may_deploy(action: &Action<'_>, definition: &Definition<'_>) -> bool {
    let otherwise = action.category == "Test"
        || is_named_otherwise(action.stage_name, action.name)
        || own_names(action).any(|(_, name)| said(name) == Said::Other || says_other_work(name))
        || says_other_work(action.stage_name);
    let is_taken = |made: &str| {
        let mut later = definition.actions.iter().filter(|later| action.precedes(later));
        later.any(|later| later.artifacts("InputArtifacts").any(|taken| taken == made))
    };
    !otherwise && !action.artifacts("OutputArtifacts").any(is_taken)
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
        return match known {
            Ok(BuildSpec::Elsewhere) if candidate.may_deploy => {
                Err(vec![format!("the build specification of project {project} is not part of it")])
            }
            Ok(specification) => Ok(*specification == BuildSpec::Deploys),
            Err(sentences) => Err(sentences.clone()),
        };
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
///
/// A script runs in the account of the pipeline and may release to another one: there a tag that names no environment
/// (`environment=tooling`) says nothing of the target before names do.
fn environment(candidate: &Candidate, tagged: &Seen<Environment>, joins: &Joins) -> Seen<Environment> {
    let mut doubts = Vec::new();
    let (account, named) = (joins.environment_of(&candidate.account), Ok(candidate.named.clone()));
    let names_none = |environment: &Environment| {
        matches!(environment, Environment::NonProduction(_))
            && environment_name::name(environment, std::iter::empty()).is_err()
    };
    let yields = candidate.runs_script && !candidate.elsewhere && account.as_ref().is_ok_and(names_none);
    let tagged = tagged.clone();
    for answer in if yields { [tagged, named, account] } else { [account, tagged, named] } {
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
            may_deploy: true,
            runs_script: true,
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
