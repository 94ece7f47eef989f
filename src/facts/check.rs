//! What an action of a pipeline checks, and whether a finding stops the pipeline.
//!
//! In: an action, and the build project that it runs. Out: [`Checks`]: what is sure to be looked for, and why there may
//! be more. A build specification in a repository is neither a scan nor the absence of one; a name or a recognised
//! command is evidence.

use serde_json::Value;

use super::check_name::kinds;
use super::joins::{Joins, place};
use super::pipeline_definition::Action;
use super::pipeline_view::View;
use super::seen::{Seen, flag, list_at, name, property, text_at};
use crate::inventory::{CheckKind, Resource, TypeName, check_commands};

/// What one action looks for.
#[derive(Debug, Default)]
pub(super) struct Checks {
    pub(super) found: Vec<Check>,
    /// Why the action may look for more.
    pub(super) hidden: Vec<String>,
}

/// One check.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) kind: CheckKind,
    /// Why a finding does not stop the action; `None` where it does.
    pub(super) toothless: Seen<Option<String>>,
}

/// What a project runs, as far as it is part of the project.
#[derive(Debug, Clone)]
pub(super) struct ProjectScript {
    checks: Vec<(CheckKind, String, Option<bool>)>,
    /// Whether the build specification lies elsewhere.
    elsewhere: bool,
}

/// Leaves in the joins what the project's own specification checks.
pub(super) fn index_project(resource: &Resource, joins: &mut Joins) {
    let script = property(resource, "Source").map(|source| {
        let specification = text_at(source, &["BuildSpec"]);
        let inline = specification == "inline" || is_text(specification);
        let kept = resource.properties.get("CheckCommands");
        let mut checks = read(list_at(kept, &[]));
        checks.extend(recognised(specification));
        ProjectScript { checks, elsewhere: !(is_text(specification) || inline && kept.is_some()) }
    });
    let here = joins.project_scripts.entry(place(resource)).or_default();
    here.insert(name(resource, "Name").to_owned(), script);
}

/// As in `CodeBuild`: what is neither one line nor free of YAML's and JSON's marks is text, not a path.
fn is_text(specification: &str) -> bool {
    !specification.starts_with("arn:") && specification.trim().contains(['\n', ':', '{'])
}

fn read(list: &[Value]) -> Vec<(CheckKind, String, Option<bool>)> {
    let one = |value: &Value| {
        let kind = text_at(Some(value), &["Kind"]).parse().ok()?;
        Some((kind, text_at(Some(value), &["Name"]).to_owned(), value.get("Stops").and_then(flag)))
    };
    list.iter().filter_map(one).collect()
}

fn recognised(text: &str) -> Vec<(CheckKind, String, Option<bool>)> {
    check_commands(text).into_iter().map(|command| (command.kind, command.name, command.stops)).collect()
}

/// What the action checks. An action that only deploys, approves or fetches checks nothing.
pub(super) fn of_action(action: &Action<'_>, view: &View<'_>) -> Checks {
    let mut checks = Checks::default();
    if !matches!(action.category, "Build" | "Test" | "Invoke" | "Compute") {
        return checks;
    }
    match action.provider {
        "InspectorScan" => {
            checks.found.push(inspector(action));
            return checks;
        }
        // They do one thing, and it is no check.
        "ECRBuildAndPublish" | "DeviceFarm" | "CodePipeline" => return checks,
        _ => {}
    }
    let commands = commands(action, view, &mut checks);
    let said = named(action, view);
    for (kind, command, stops) in commands {
        let toothless = match stops {
            Some(true) => Ok(None),
            Some(false) => Ok(Some(format!("`{command}` reports and goes on"))),
            None => Err(vec![format!("whether `{command}` in {} stops on a finding cannot be told", action.label())]),
        };
        checks.found.push(Check { kind, toothless });
    }
    // A name says what is checked, not what follows from it.
    for kind in said {
        if !checks
            .found
            .iter()
            .any(|check| check.kind == kind || kind == CheckKind::Security && check.kind.is_security())
        {
            let doubt = format!("what {} does with a finding is not part of the pipeline", action.label());
            checks.found.push(Check { kind, toothless: Err(vec![doubt]) });
        }
    }
    checks
}

fn inspector(action: &Action<'_>) -> Check {
    let kind = match action.setting("InspectorRunMode") {
        "SourceCodeScan" => CheckKind::Dependencies,
        "ECRImageScan" => CheckKind::Image,
        _ => CheckKind::Security,
    };
    let thresholds = ["CriticalThreshold", "HighThreshold", "MediumThreshold", "LowThreshold"];
    let settings = action.configuration();
    let limited = thresholds.iter().any(|key| {
        settings
            .and_then(|settings| settings.get(*key))
            .is_some_and(|value| value.as_str().is_none_or(|text| !text.is_empty()))
    });
    Check { kind, toothless: Ok((!limited).then(|| "InspectorScan without a threshold".to_owned())) }
}

/// The commands that the action is seen to run; leaves in `checks` why there may be more.
fn commands(action: &Action<'_>, view: &View<'_>, checks: &mut Checks) -> Vec<(CheckKind, String, Option<bool>)> {
    let script: Vec<&str> = action.list("Commands").iter().filter_map(Value::as_str).collect();
    let mut found = read(action.list("CheckCommands"));
    found.extend(recognised(&script.join("\n")));
    let label = action.label();
    match (action.category, action.provider) {
        (_, "Commands")
            if action.property("Commands").is_some()
                && action.property("CheckCommands").is_none()
                && script.is_empty() =>
        {
            checks.hidden.push(format!("the commands of {label} were not looked at for checks"));
        }
        (_, "CodeBuild") => {
            let own = action.setting("BuildspecOverride");
            if is_text(own) {
                found.extend(recognised(own));
            } else if own.is_empty() {
                found.extend(project(action, view, checks));
            } else {
                checks.hidden.push(format!("the build specification of {label} lies in the repository"));
            }
        }
        ("Build" | "Test", provider) => checks.hidden.push(format!("what {provider} runs for {label} cannot be seen")),
        _ => {}
    }
    found
}

fn project(action: &Action<'_>, view: &View<'_>, checks: &mut Checks) -> Vec<(CheckKind, String, Option<bool>)> {
    let (label, project) = (action.label(), action.setting("ProjectName"));
    let place = view.place(action);
    match view.joins.project_scripts.get(&place).and_then(|projects| projects.get(project)) {
        Some(Ok(script)) => {
            if script.elsewhere {
                let why = "its build specification is not part of it";
                checks.hidden.push(format!("what {label} runs cannot be seen in project {project}: {why}"));
            }
            return script.checks.clone();
        }
        Some(Err(sentences)) => checks.hidden.extend_from_slice(sentences),
        None => {
            let mut sentences = view.joins.why_unseen(&place.0, Some(&place.1), &TypeName::PROJECT);
            sentences.extend(view.joins.why_region_not_looked_at(&place));
            if sentences.is_empty() {
                sentences.push(format!("project {project} of {label} was not found"));
            }
            checks.hidden.extend(sentences);
        }
    }
    Vec::new()
}

/// What the action's names say: its own and what it runs; its stage's only where they say nothing.
fn named(action: &Action<'_>, view: &View<'_>) -> Vec<CheckKind> {
    let markers = &view.joins.rules.practice.markers;
    let provider = if action.owner == "AWS" { "" } else { action.provider };
    let machine = action.setting("StateMachineArn").rsplit(':').next().unwrap_or_default();
    let own = [action.name, action.setting("ProjectName"), action.setting("FunctionName"), machine, provider];
    let mut found: Vec<CheckKind> = own.iter().flat_map(|name| kinds(name, markers)).collect();
    if found.is_empty() {
        found.extend(kinds(action.stage_name, markers));
    }
    found.sort();
    found.dedup();
    if found.iter().any(|kind| kind.is_security() && *kind != CheckKind::Security) {
        found.retain(|kind| *kind != CheckKind::Security);
    }
    found
}
