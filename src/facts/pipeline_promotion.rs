//! How a release moves from one environment to the next.
//!
//! In: a pipeline's deployments with their environments. Out: the facts about branches, order, tests between
//! environments, the artifact that is deployed, and how many Regions are changed at once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::check::of_action;
use super::check_name::says_test;
use super::environment_name;
use super::pipeline_definition::Action;
use super::pipeline_view::{Deployment, View};
use super::practice_rules::fits;
use super::seen::{Found, Seen, list_at, property, text_at};
use super::{Facts, deploying};
use crate::inventory::CheckKind;

/// Facts that are unknown if the stages could not be seen.
pub(super) const FACTS: &[&str] = &[
    "disorderedDeployments",
    "firstDeployingStageRegions",
    "mappedBranches",
    "misplacedBranches",
    "rebuiltProductionActions",
    "regionFanOut",
    "rehearsedProductionActions",
    "stageRegions",
    "untestedPromotions",
];

/// Adds the facts.
pub(super) fn put(facts: &mut Facts, view: &View<'_>) {
    let deployments = view.deployments();
    put_regions(facts, &deployments);
    put_order(facts, &deployments);
    put_rehearsed(facts, view, &deployments);
    put_branches(facts, view, &deployments);
}

/// How many Regions each stage changes, and how much more that is than all stages before it.
fn put_regions(facts: &mut Facts, deployments: &[Deployment<'_>]) {
    let mut stages: BTreeMap<usize, (&str, BTreeSet<&str>)> = BTreeMap::new();
    let mut doubts = Vec::new();
    for one in deployments {
        match &one.judged.deploys {
            Ok(_) => {
                let (_, regions) =
                    stages.entry(one.action.stage).or_insert_with(|| (one.action.stage_name, BTreeSet::new()));
                regions.insert(one.region.as_str());
            }
            Err(sentences) => doubts.extend_from_slice(sentences),
        }
    }
    let seen = |value: i64| if doubts.is_empty() { Ok(value) } else { Err(doubts.clone()) };
    let count = |regions: &BTreeSet<&str>| i64::try_from(regions.len()).unwrap_or(i64::MAX);
    let first = stages.values().next().map_or(0, |(_, regions)| count(regions));
    let mut before: BTreeSet<&str> = BTreeSet::new();
    let mut widest = 0;
    for (_, regions) in stages.values() {
        if !before.is_empty() {
            let (here, there) = (count(regions), count(&before));
            widest = widest.max(here.saturating_add(there - 1) / there);
        }
        before.extend(regions);
    }
    let words = stages.values().map(|(name, regions)| {
        let regions = regions.iter().copied().collect::<Vec<_>>().join(", ");
        format!("{name}: {regions}")
    });
    facts.put("firstDeployingStageRegions", seen(first));
    facts.put("regionFanOut", seen(widest));
    let words: BTreeSet<String> = words.collect();
    facts.put("stageRegions", if doubts.is_empty() { Ok(words) } else { Err(doubts) });
}

/// The name of the environment that a deployment reaches.
fn environment(one: &Deployment<'_>, view_names: &BTreeMap<String, Vec<String>>) -> Seen<String> {
    let environment = one.judged.environment.as_ref().map_err(Clone::clone)?;
    environment_name::name(environment, view_names.keys().map(String::as_str))
        .map_err(|sentences| sentences.into_iter().map(|sentence| format!("{}: {sentence}", one.label)).collect())
}

/// Deployments that come after one to a later environment.
fn put_order(facts: &mut Facts, deployments: &[Deployment<'_>]) {
    let none = BTreeMap::new();
    let mut disordered = Found::default();
    for one in deployments {
        for before in deployments.iter().filter(|before| before.action.precedes(one.action)) {
            let sure = one.judged.deploys == Ok(true) && before.judged.deploys == Ok(true);
            let production = matches!((&before.in_production, &one.in_production), (Ok(true), Ok(false)));
            let ranks = |one: &Deployment<'_>| environment(one, &none).map(|name| environment_name::rank(&name));
            match (ranks(before), ranks(one)) {
                _ if production && sure => disordered.add(format!("{} after {}", one.label, before.label)),
                (Ok(Some(earlier)), Ok(Some(later))) => {
                    let holds = if sure {
                        Ok(earlier > later)
                    } else if earlier > later {
                        Err(one
                            .judged
                            .deploys
                            .clone()
                            .err()
                            .into_iter()
                            .chain(before.judged.deploys.clone().err())
                            .flatten()
                            .collect())
                    } else {
                        Ok(false)
                    };
                    disordered.add_if(format!("{} after {}", one.label, before.label), &holds);
                }
                // After a rehearsal of whatever kind, production is in order.
                _ if one.in_production == Ok(true) => {}
                (Ok(_), Ok(_)) => {}
                (first, second) => {
                    for sentences in [first.err(), second.err()].into_iter().flatten() {
                        disordered.doubt(&sentences);
                    }
                }
            }
        }
    }
    facts.put("disorderedDeployments", disordered.decided());
}

/// What happens between a rehearsal and the production deployment that follows it.
fn put_rehearsed(facts: &mut Facts, view: &View<'_>, deployments: &[Deployment<'_>]) {
    let mut rehearsed = Found::default();
    let mut untested = Found::default();
    let mut rebuilt = Found::default();
    for one in deployments {
        let rehearsals: Vec<&Deployment<'_>> = deployments
            .iter()
            .filter(|before| before.action.precedes(one.action) && before.in_production != Ok(true))
            .collect();
        let there = deploying::any(rehearsals.iter().map(|before| {
            before
                .judged
                .deploys
                .clone()
                .and_then(|deploys| before.in_production.clone().map(|production| deploys && !production))
        }));
        let applies = both(there, one.in_production.clone());
        rehearsed.add_if(&one.label, &applies);
        let sure: Vec<&Deployment<'_>> =
            rehearsals.into_iter().filter(|before| before.judged.deploys == Ok(true)).collect();
        let tested = deploying::any(sure.iter().map(|before| tested_between(before, one, view)));
        untested.add_if(&one.label, &both(applies.clone(), tested.map(|tested| !tested)));
        rebuilt.add_if(&one.label, &both(applies, same_artifact(&sure, one, view).map(|same| !same)));
    }
    facts.put("rehearsedProductionActions", rehearsed.decided());
    facts.put("untestedPromotions", untested.decided());
    facts.put("rebuiltProductionActions", rebuilt.decided());
}

/// Both hold: one that is sure not to decides.
fn both(a: Seen<bool>, b: Seen<bool>) -> Seen<bool> {
    match (a, b) {
        (Ok(false), _) | (_, Ok(false)) => Ok(false),
        (Ok(true), Ok(true)) => Ok(true),
        (Err(mut a), Err(b)) => {
            a.extend(b);
            Err(a)
        }
        (Err(sentences), _) | (_, Err(sentences)) => Err(sentences),
    }
}

/// Whether something is tested after the rehearsal and before production.
fn tested_between(rehearsal: &Deployment<'_>, production: &Deployment<'_>, view: &View<'_>) -> Seen<bool> {
    let between = view.definition.actions.iter().filter(|action| {
        rehearsal.action.precedes(action)
            && action.precedes(production.action)
            && matches!(action.category, "Build" | "Test" | "Invoke" | "Compute")
    });
    deploying::any(between.map(|action| {
        let checks = of_action(action, view);
        let kinds: BTreeSet<CheckKind> = checks.found.iter().map(|check| check.kind).collect();
        let tests =
            kinds.iter().any(|kind| matches!(kind, CheckKind::Unit | CheckKind::Integration | CheckKind::Contract));
        let only_scans = !kinds.is_empty() && !tests;
        let names = [action.name, action.setting("ProjectName"), action.setting("FunctionName"), action.stage_name];
        let named = names.iter().any(|name| says_test(name));
        if tests || !only_scans && (action.category == "Test" || named) {
            Ok(true)
        } else if checks.hidden.is_empty() {
            Ok(false)
        } else {
            Err(checks.hidden)
        }
    }))
}

/// Whether production takes what a rehearsal took, and nothing that was made after it.
fn same_artifact(rehearsals: &[&Deployment<'_>], production: &Deployment<'_>, view: &View<'_>) -> Seen<bool> {
    let taken = inputs(production.action, view)?;
    let first = rehearsals.iter().min_by_key(|one| (one.action.stage, one.action.run_order));
    let Some(first) = first else { return Err(vec![format!("{}: no rehearsal is sure", production.label)]) };
    let made_before = |artifact: &str| {
        let mut makers = view
            .definition
            .actions
            .iter()
            .filter(|maker| maker.artifacts("OutputArtifacts").any(|made| made == artifact));
        makers.any(|maker| maker.precedes(first.action))
    };
    if !taken.iter().all(|artifact| made_before(artifact)) {
        return Ok(false);
    }
    deploying::any(
        rehearsals
            .iter()
            .map(|rehearsal| Ok(inputs(rehearsal.action, view)?.iter().any(|artifact| taken.contains(artifact)))),
    )
}

/// The artifacts that a deployment takes; for a change set, those that it was made of.
fn inputs<'a>(action: &Action<'a>, view: &View<'a>) -> Seen<BTreeSet<&'a str>> {
    let own: BTreeSet<&str> = action.artifacts("InputArtifacts").collect();
    if !own.is_empty() {
        return Ok(own);
    }
    let same =
        |other: &Action<'_>, key: &str| !action.setting(key).is_empty() && other.setting(key) == action.setting(key);
    let made: BTreeSet<&str> = view
        .definition
        .actions
        .iter()
        .filter(|other| same(other, "StackName") && same(other, "ChangeSetName") && other.precedes(action))
        .flat_map(|other| other.artifacts("InputArtifacts"))
        .collect();
    if made.is_empty() {
        Err(vec![format!("{} takes no artifact that could be compared", action.label())])
    } else {
        Ok(made)
    }
}

/// Which branches start the pipeline, and which environments they reach.
fn put_branches(facts: &mut Facts, view: &View<'_>, deployments: &[Deployment<'_>]) {
    let rules = &view.joins.rules.practice.branches;
    let mut mapped = Found::default();
    let mut misplaced = Found::default();
    if !rules.is_empty() {
        match branches(view) {
            Ok(branches) => {
                for one in deployments {
                    let reached = one.judged.deploys.clone().and_then(|_| environment(one, rules));
                    for branch in &branches {
                        match &reached {
                            Ok(name) => {
                                let words = format!("{} to {name} ({})", branch.words, one.label);
                                if !may_reach(&branch.pattern, name, rules) {
                                    misplaced.add(words.clone());
                                }
                                mapped.add(words);
                            }
                            Err(sentences) => {
                                mapped.doubt(sentences);
                                misplaced.doubt(sentences);
                            }
                        }
                    }
                }
            }
            Err(sentences) => {
                mapped.doubt(&sentences);
                misplaced.doubt(&sentences);
            }
        }
    }
    facts.put("mappedBranches", mapped.decided());
    facts.put("misplacedBranches", misplaced.decided());
}

/// A branch may reach the environments that name it, and every one before those.
fn may_reach(branch: &str, name: &str, rules: &BTreeMap<String, Vec<String>>) -> bool {
    let reached = environment_name::rank(name);
    rules.iter().any(|(environment, patterns)| {
        let allowed = environment_name::rank(environment);
        // An environment of the organization's own stands before production, and nowhere else that is known.
        let before = reached.or_else(|| environment_name::rank(environment_name::PRODUCTION));
        let late_enough = environment.eq_ignore_ascii_case(name) || allowed.is_some() && allowed >= before;
        late_enough && patterns.iter().any(|pattern| fits(pattern, branch))
    })
}

/// A branch that starts a pipeline, and the action through which it does.
struct Branch {
    /// The branch or pattern itself; empty where it may be any.
    pattern: String,
    /// Action and branch as a finding says them.
    words: String,
}

/// The branches that start the pipeline; a trigger's filter replaces the action's own branch.
fn branches(view: &View<'_>) -> Seen<Vec<Branch>> {
    let triggers = list_at(property(view.resource, "Triggers")?, &[]);
    let mut found = Vec::new();
    for source in view.definition.actions.iter().filter(|action| action.category == "Source") {
        let label = source.label();
        let named = |pattern: &str| Branch { pattern: pattern.to_owned(), words: format!("{label} branch {pattern}") };
        let git = triggers.iter().filter_map(|trigger| trigger.get("GitConfiguration"));
        let mut filtered = false;
        for git in git.filter(|git| text_at(Some(git), &["SourceActionName"]) == source.name) {
            for push in list_at(Some(git), &["Push"]) {
                let includes = list_at(Some(push), &["Branches", "Includes"]).iter().filter_map(Value::as_str);
                let before = found.len();
                found.extend(includes.map(named));
                filtered |= found.len() > before || !list_at(Some(push), &["Tags", "Includes"]).is_empty();
            }
            for _ in list_at(Some(git), &["PullRequest"]) {
                let words = format!("{label} pull requests of any branch");
                found.push(Branch { pattern: String::new(), words });
            }
        }
        let own = ["BranchName", "Branch"].map(|key| source.setting(key)).into_iter().find(|branch| !branch.is_empty());
        found.extend(own.filter(|_| !filtered).map(named));
    }
    Ok(found)
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::super::{Fact, Joins, Pipeline, ResourceKind, Rules};
    use super::*;
    use crate::inventory::{Inventory, Resource, TypeName};

    fn action(name: &str, category: &str, provider: &str, rest: Value) -> Value {
        let kind = json!({"Category": category, "Owner": "AWS", "Provider": provider, "Version": "1"});
        let mut action = json!({"Name": name, "ActionTypeId": kind});
        action.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        action
    }

    fn named(names: &[&str]) -> Value {
        names.iter().map(|name| json!({"Name": name})).collect()
    }

    fn source() -> Value {
        let settings = json!({"BranchName": "main"});
        let stage = action(
            "Code",
            "Source",
            "CodeCommit",
            json!({"Configuration": settings, "OutputArtifacts": named(&["src"])}),
        );
        json!({"Name": "Source", "Actions": [stage]})
    }

    fn build(name: &str, makes: &str) -> Value {
        let action = action(
            name,
            "Compute",
            "Commands",
            json!({"Commands": [], "CheckCommands": [], "OutputArtifacts": named(&[makes])}),
        );
        json!({"Name": name, "Actions": [action]})
    }

    fn deploy(stage: &str, rest: Value) -> Value {
        json!({"Name": stage, "Actions": [action("Deploy", "Deploy", "ECS", rest)]})
    }

    fn takes(artifact: &str) -> Value {
        json!({"InputArtifacts": named(&[artifact])})
    }

    fn pipeline(stages: &[Value], extra: Value) -> Resource {
        let stages: Vec<Value> = std::iter::once(source()).chain(stages.iter().cloned()).collect();
        let mut properties = json!({"Name": "web", "Stages": stages});
        properties.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        resource(TypeName::PIPELINE, "web", properties)
    }

    fn facts_with(rules: Rules, pipeline: &Resource) -> Facts {
        let mut joins = Joins::new(rules, NOW, 7);
        joins.index(&Inventory { resources: vec![pipeline.clone()], ..Inventory::default() });
        joins.finish();
        Pipeline.facts(pipeline, &joins)
    }

    fn facts(stages: &[Value]) -> Facts {
        facts_with(Rules::default(), &pipeline(stages, json!({})))
    }

    fn set(facts: &Facts, name: &str) -> Vec<String> {
        match facts.known.get(name) {
            Some(Fact::Set(set)) => set.iter().cloned().collect(),
            other => panic!("{name}: {other:?}, unknown: {:?}", facts.unknown),
        }
    }

    #[test]
    fn regions_grow_from_stage_to_stage() {
        let wide = |stage: &str, regions: &[&str]| {
            let actions = regions.iter().map(|region| action(region, "Deploy", "ECS", json!({"Region": region})));
            json!({"Name": stage, "Actions": actions.collect::<Vec<_>>()})
        };
        let four = ["us-east-1", "us-east-2", "us-west-1", "us-west-2"];
        let seen = facts(&[wide("One", &["eu-west-1"]), wide("Prod", &four)]);
        assert_eq!(seen.known["firstDeployingStageRegions"], Fact::Long(1));
        assert_eq!(seen.known["regionFanOut"], Fact::Long(4));
        assert_eq!(set(&seen, "stageRegions")[0], "One: eu-west-1");
        let first = facts(&[wide("Prod", &four)]);
        assert_eq!(first.known["firstDeployingStageRegions"], Fact::Long(4));
        assert_eq!(first.known["regionFanOut"], Fact::Long(0));
        let odd = facts(&[wide("One", &four[..2]), wide("Prod", &["eu-west-1", "eu-west-2", "eu-west-3"])]);
        assert_eq!(odd.known["regionFanOut"], Fact::Long(2));
    }

    #[test]
    fn environments_in_and_out_of_order() {
        let in_order = facts(&[deploy("Dev", json!({})), deploy("Staging", json!({})), deploy("Prod", json!({}))]);
        assert!(set(&in_order, "disorderedDeployments").is_empty());
        let late = facts(&[deploy("Prod", json!({})), deploy("Staging", json!({}))]);
        assert_eq!(set(&late, "disorderedDeployments"), ["Staging/Deploy after Prod/Deploy"]);
        let turned = facts(&[deploy("Staging", json!({})), deploy("Dev", json!({})), deploy("Prod", json!({}))]);
        assert_eq!(set(&turned, "disorderedDeployments"), ["Dev/Deploy after Staging/Deploy"]);
        let unsaid = facts(&[deploy("NonProd", json!({})), deploy("Dev", json!({})), deploy("Prod", json!({}))]);
        assert!(unsaid.unknown.contains_key("disorderedDeployments"));
    }

    #[test]
    fn something_is_tested_between_rehearsal_and_production() {
        let test = |name: &str, category: &str, provider: &str| {
            let settings = json!({"ProjectName": "x"});
            json!({"Name": "Between", "Actions": [action(name, category, provider, json!({"Configuration": settings}))]})
        };
        let untested = |between: Value| {
            let facts = facts(&[deploy("Staging", json!({})), between, deploy("Prod", json!({}))]);
            assert_eq!(set(&facts, "rehearsedProductionActions"), ["Prod/Deploy"]);
            facts.known.get("untestedPromotions").map(|_| set(&facts, "untestedPromotions").len())
        };
        assert_eq!(untested(test("Look", "Test", "CodeBuild")), Some(0));
        assert_eq!(untested(test("SmokeTest", "Invoke", "Lambda")), Some(0));
        assert_eq!(untested(test("Notify", "Invoke", "Lambda")), Some(1));
        assert_eq!(untested(test("SecurityScan", "Test", "DeviceFarm")), Some(0));
        assert_eq!(untested(test("ImageScan", "Invoke", "Lambda")), Some(1));
        // What a build project of somebody else's runs may be a test.
        assert_eq!(untested(test("Check", "Build", "CodeBuild")), None);
        let before =
            facts(&[test("Look", "Test", "CodeBuild"), deploy("Staging", json!({})), deploy("Prod", json!({}))]);
        assert_eq!(set(&before, "untestedPromotions"), ["Prod/Deploy"]);
        let alone = facts(&[deploy("Prod", json!({}))]);
        assert!(set(&alone, "rehearsedProductionActions").is_empty() && set(&alone, "untestedPromotions").is_empty());
    }

    #[test]
    fn production_takes_what_was_rehearsed() {
        let rebuilt = |stages: &[Value]| set(&facts(stages), "rebuiltProductionActions").len();
        let (first, second) = (build("Build", "one"), build("Again", "two"));
        assert_eq!(rebuilt(&[first.clone(), deploy("Staging", takes("one")), deploy("Prod", takes("one"))]), 0);
        assert_eq!(
            rebuilt(&[first.clone(), deploy("Staging", takes("one")), second.clone(), deploy("Prod", takes("two"))]),
            1
        );
        assert_eq!(rebuilt(&[first.clone(), second, deploy("Staging", takes("one")), deploy("Prod", takes("two"))]), 1);
        let nothing = facts(&[first, deploy("Staging", takes("one")), deploy("Prod", json!({}))]);
        assert!(nothing.unknown.contains_key("rebuiltProductionActions"));
    }

    #[test]
    fn a_change_set_takes_what_it_was_made_of() {
        let stack = |mode: &str, artifacts: &[&str]| {
            let settings = json!({"ActionMode": mode, "StackName": "web", "ChangeSetName": "release"});
            let rest = json!({"Configuration": settings, "InputArtifacts": named(artifacts)});
            json!({"Name": if mode == "CHANGE_SET_EXECUTE" { "Prod" } else { "Prepare" }, "Actions": [action(mode, "Deploy", "CloudFormation", rest)]})
        };
        let stages = [
            build("Build", "one"),
            deploy("Staging", takes("one")),
            stack("CHANGE_SET_REPLACE", &["one"]),
            stack("CHANGE_SET_EXECUTE", &[]),
        ];
        assert!(set(&facts(&stages), "rebuiltProductionActions").is_empty());
    }

    fn mapping() -> Rules {
        let mut rules = Rules::default();
        for (environment, pattern) in [("production", "main"), ("staging", "release/*"), ("development", "*")] {
            rules.practice.branches.insert(environment.to_owned(), vec![pattern.to_owned()]);
        }
        rules
    }

    fn pushed(includes: &[&str]) -> Value {
        let push = json!([{"Branches": {"Includes": includes}}]);
        json!({"Triggers": [{"GitConfiguration": {"SourceActionName": "Code", "Push": push}}]})
    }

    #[test]
    fn branches_reach_the_environments_that_name_them_and_those_before() {
        let misplaced =
            |stages: &[Value], extra: Value| set(&facts_with(mapping(), &pipeline(stages, extra)), "misplacedBranches");
        let all = [deploy("Dev", json!({})), deploy("Staging", json!({})), deploy("Prod", json!({}))];
        assert!(misplaced(&all, json!({})).is_empty());
        assert_eq!(
            misplaced(&all, pushed(&["release/*"])),
            ["Source/Code branch release/* to production (Prod/Deploy)"]
        );
        assert_eq!(misplaced(&all, pushed(&["feature/*"])).len(), 2);
        assert!(misplaced(&all[..1], pushed(&["feature/*"])).is_empty());
        let asked = json!({"Triggers": [{"GitConfiguration": {"SourceActionName": "Code", "PullRequest": [{"Events": ["OPEN"]}]}}]});
        assert!(misplaced(&all, asked).iter().any(|words| words.contains("pull requests")));
    }

    #[test]
    fn without_a_mapping_nothing_is_mapped() {
        let facts = facts(&[deploy("Prod", json!({}))]);
        assert!(set(&facts, "mappedBranches").is_empty() && set(&facts, "misplacedBranches").is_empty());
        let unsaid = facts_with(mapping(), &pipeline(&[deploy("NonProd", json!({}))], json!({})));
        assert!(unsaid.unknown.contains_key("mappedBranches"));
    }

    #[test]
    fn own_environments_stand_before_production() {
        let mut rules = mapping().practice.branches;
        rules.insert("perf".to_owned(), vec!["perf/*".to_owned()]);
        assert!(may_reach("perf/1", "perf", &rules) && may_reach("main", "perf", &rules));
        assert!(!may_reach("release/1", "perf", &rules) && !may_reach("perf/1", "staging", &rules));
    }
}
