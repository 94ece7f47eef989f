//! What a pipeline checks before production: security scans, and the checks that the organization asks for.
//!
//! In: a pipeline, and what its actions check. Out: production deployments without a scan before them, scans whose
//! findings stop nothing, and checks that are asked for but missing.

use std::collections::BTreeSet;

use super::Facts;
use super::check::{Checks, of_action};
use super::deploying;
use super::pipeline_definition::Action;
use super::pipeline_view::{Deployment, View, lacks};
use super::seen::{Found, Seen, tags};
use crate::inventory::{CheckKind, Resource};

/// Facts that are unknown if the stages could not be seen.
pub(super) const FACTS: &[&str] =
    &["missingScans", "missingStages", "securityScans", "toothlessScans", "unscannedProductionActions"];

/// Actions that check something, or may.
struct Checking<'a> {
    action: &'a Action<'a>,
    label: String,
    checks: Checks,
}

/// Adds the facts that need no definition.
pub(super) fn put_required(facts: &mut Facts, resource: &Resource, joins: &super::Joins) {
    let scans = &joins.rules.practice.before_production;
    facts.know("requiredScans", scans.iter().map(ToString::to_string).collect::<BTreeSet<_>>());
    let stages = required_stages(resource, joins);
    facts.put("requiredStages", stages.map(|kinds| kinds.iter().map(ToString::to_string).collect::<BTreeSet<_>>()));
}

/// What the pipeline's tier asks for; nothing where no tiers are configured.
fn required_stages(resource: &Resource, joins: &super::Joins) -> Seen<BTreeSet<CheckKind>> {
    let practice = &joins.rules.practice;
    if practice.tiers.is_empty() {
        return Ok(BTreeSet::new());
    }
    let tag = &practice.tier_tag;
    let tagged = tags(resource)?.iter().find(|(key, _)| key.eq_ignore_ascii_case(tag)).map(|(_, value)| value);
    let tier = tagged.or(practice.default_tier.as_ref());
    let Some(tier) = tier else { return Ok(BTreeSet::new()) };
    let found = practice.tiers.iter().find(|(name, _)| name.eq_ignore_ascii_case(tier)).map(|(_, kinds)| kinds.clone());
    found.ok_or_else(|| vec![format!("tag {tag}={tier} names no tier of the configuration")])
}

/// Adds the facts.
pub(super) fn put(facts: &mut Facts, view: &View<'_>) {
    let deployments = view.deployments();
    let deploys = |action: &Action<'_>| {
        deployments.iter().any(|one| std::ptr::eq(one.action, action) && one.judged.deploys == Ok(true))
    };
    let actions = view.definition.actions.iter().filter(|action| !deploys(action));
    let all: Vec<Checking<'_>> =
        actions.map(|action| Checking { action, label: action.label(), checks: of_action(action, view) }).collect();
    put_scans(facts, view, &all, &deployments);

    let mut missing = Found::default();
    for kind in &view.joins.rules.practice.before_production {
        for one in &deployments {
            let before = all.iter().filter(|checking| checking.action.precedes(one.action));
            missing.add_if(format!("{kind} before {}", one.label), &lacks(is_there(*kind, before), &one.in_production));
        }
    }
    facts.put("missingScans", missing.decided());

    let stages = required_stages(view.resource, view.joins).and_then(|kinds| {
        let mut missing = Found::default();
        for kind in kinds {
            missing.add_if(kind.as_str(), &is_there(kind, all.iter()).map(|there| !there));
        }
        missing.decided()
    });
    facts.put("missingStages", stages);
}

/// Whether one of the actions checks for that. A scan of no particular kind may be of any.
fn is_there<'a>(kind: CheckKind, actions: impl Iterator<Item = &'a Checking<'a>>) -> Seen<bool> {
    deploying::any(actions.map(|checking| {
        let found = &checking.checks.found;
        if found.iter().any(|check| check.kind == kind || kind == CheckKind::Security && check.kind.is_security()) {
            return Ok(true);
        }
        let mut doubts = checking.checks.hidden.clone();
        if kind.is_security() && found.iter().any(|check| check.kind == CheckKind::Security) {
            doubts.push(format!("{} is a scan, but nothing says of which kind", checking.label));
        }
        if doubts.is_empty() { Ok(false) } else { Err(doubts) }
    }))
}

fn put_scans(facts: &mut Facts, view: &View<'_>, all: &[Checking<'_>], deployments: &[Deployment<'_>]) {
    let mut scans = Found::default();
    let mut toothless = Found::default();
    for checking in all {
        scans.doubt(&checking.checks.hidden);
        for check in checking.checks.found.iter().filter(|check| check.kind.is_security()) {
            let label = format!("{} ({})", checking.label, check.kind);
            match (view.definition.may_be_passed_over(checking.action.stage), &check.toothless) {
                (Some(why), _) => toothless.add(format!("{label}: {why}")),
                (None, Ok(Some(why))) => toothless.add(format!("{label}: {why}")),
                (None, Ok(None)) => {}
                (None, Err(sentences)) => toothless.doubt(sentences),
            }
            scans.add(label);
        }
    }
    facts.put("securityScans", scans.decided());
    facts.put("toothlessScans", toothless.decided());
    let mut unscanned = Found::default();
    for one in deployments {
        let before = all.iter().filter(|checking| checking.action.precedes(one.action));
        unscanned.add_if(&one.label, &lacks(is_there(CheckKind::Security, before), &one.in_production));
    }
    facts.put("unscannedProductionActions", unscanned.decided());
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::*;
    use super::super::{Fact, Joins, Pipeline, ResourceKind, Rules};
    use super::*;
    use crate::inventory::{Inventory, TypeName};

    fn action(name: &str, category: &str, provider: &str, rest: Value) -> Value {
        let kind = json!({"Category": category, "Owner": "AWS", "Provider": provider, "Version": "1"});
        let mut action = json!({"Name": name, "ActionTypeId": kind});
        action.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        action
    }

    fn build(name: &str, project: &str) -> Value {
        action(name, "Build", "CodeBuild", json!({"Configuration": {"ProjectName": project}}))
    }

    fn commands(found: Value) -> Value {
        action("Look", "Compute", "Commands", json!({"Commands": [], "CheckCommands": found}))
    }

    fn project(name: &str, buildspec: Option<&str>, checks: Option<Value>) -> Resource {
        let mut properties = json!({"Name": name, "Source": {"Type": "CODEPIPELINE"}});
        if let Some(buildspec) = buildspec {
            properties["Source"]["BuildSpec"] = json!(buildspec);
        }
        if let Some(checks) = checks {
            properties["CheckCommands"] = checks;
        }
        resource(TypeName::PROJECT, name, properties)
    }

    fn pipeline(before: Vec<Value>) -> Resource {
        let deploy = action("Deploy", "Deploy", "ECS", json!({}));
        let stages = json!([{"Name": "Checks", "Actions": before}, {"Name": "Prod", "Actions": [deploy]}]);
        resource(TypeName::PIPELINE, "web", json!({"Name": "web", "Stages": stages}))
    }

    fn facts_with(rules: Rules, pipeline: &Resource, others: &[Resource]) -> Facts {
        let resources = others.iter().cloned().chain([pipeline.clone()]).collect();
        let mut joins = Joins::new(rules, NOW, 7);
        joins.index(&Inventory { resources, ..Inventory::default() });
        joins.finish();
        Pipeline.facts(pipeline, &joins)
    }

    fn facts(before: Vec<Value>, others: &[Resource]) -> Facts {
        facts_with(Rules::default(), &pipeline(before), others)
    }

    fn set(facts: &Facts, name: &str) -> Option<Vec<String>> {
        match facts.known.get(name) {
            Some(Fact::Set(set)) => Some(set.iter().cloned().collect()),
            Some(other) => panic!("{other:?}"),
            None => None,
        }
    }

    fn inspector(settings: Value) -> Value {
        action("Inspect", "Invoke", "InspectorScan", json!({"Configuration": settings}))
    }

    #[test]
    fn inspector_is_a_scan_that_stops_only_with_a_threshold() {
        let bare = facts(vec![inspector(json!({"InspectorRunMode": "SourceCodeScan"}))], &[]);
        assert_eq!(set(&bare, "unscannedProductionActions").unwrap(), Vec::<String>::new());
        assert_eq!(set(&bare, "securityScans").unwrap(), ["Checks/Inspect (dependencies)"]);
        assert!(set(&bare, "toothlessScans").unwrap()[0].contains("without a threshold"));
        let limited = json!({"InspectorRunMode": "ECRImageScan", "CriticalThreshold": "0"});
        let limited = facts(vec![inspector(limited)], &[]);
        assert_eq!(set(&limited, "toothlessScans").unwrap(), Vec::<String>::new());
        assert_eq!(set(&limited, "securityScans").unwrap(), ["Checks/Inspect (image)"]);
    }

    #[test]
    fn a_specification_in_the_repository_is_neither_a_scan_nor_its_absence() {
        let hidden = facts(vec![build("Build", "web")], &[project("web", Some("ci/build.yml"), None)]);
        assert!(hidden.unknown["unscannedProductionActions"].join("").contains("not part of it"));
        assert!(hidden.unknown.contains_key("securityScans"));
        let by_default = facts(vec![build("Build", "web")], &[project("web", None, None)]);
        assert!(by_default.unknown.contains_key("unscannedProductionActions"));
        let inline = facts(vec![build("Build", "web")], &[project("web", Some("inline"), Some(json!([])))]);
        assert_eq!(set(&inline, "unscannedProductionActions").unwrap(), ["Prod/Deploy"]);
        let older = facts(vec![build("Build", "web")], &[project("web", Some("inline"), None)]);
        assert!(older.unknown.contains_key("unscannedProductionActions"));
        let unfound = facts(vec![build("Build", "web")], &[]);
        assert!(unfound.unknown.contains_key("unscannedProductionActions"));
        let other = facts(vec![action("Build", "Build", "Jenkins", json!({}))], &[]);
        assert!(other.unknown.contains_key("unscannedProductionActions"));
    }

    #[test]
    fn a_name_is_evidence_of_a_scan_but_not_of_its_teeth() {
        let named = facts(vec![build("SecurityScan", "web")], &[project("web", None, None)]);
        assert_eq!(set(&named, "unscannedProductionActions").unwrap(), Vec::<String>::new());
        assert!(named.unknown.contains_key("toothlessScans"));
        let by_project = facts(vec![build("Build", "web-semgrep")], &[project("web-semgrep", None, None)]);
        assert_eq!(set(&by_project, "securityScans").unwrap(), ["Checks/Build (sast)"]);
        let stage = json!([
            {"Name": "SecurityScan", "Actions": [build("Run", "web")]},
            {"Name": "Prod", "Actions": [action("Deploy", "Deploy", "ECS", json!({}))]},
        ]);
        let stage = resource(TypeName::PIPELINE, "web", json!({"Name": "web", "Stages": stage}));
        assert_eq!(
            set(&facts_with(Rules::default(), &stage, &[]), "securityScans").unwrap(),
            ["SecurityScan/Run (security)"]
        );
    }

    #[test]
    fn commands_say_what_they_stop() {
        let scan = |stops: Value| {
            let mut command = json!({"Name": "trivy image", "Kind": "image"});
            if !stops.is_null() {
                command["Stops"] = stops;
            }
            facts(vec![commands(json!([command]))], &[])
        };
        assert_eq!(set(&scan(json!(true)), "toothlessScans").unwrap(), Vec::<String>::new());
        assert!(set(&scan(json!(false)), "toothlessScans").unwrap()[0].contains("trivy image"));
        assert!(scan(json!(null)).unknown.contains_key("toothlessScans"));
        let inline = project("web", Some("inline"), Some(json!([{"Name": "checkov", "Kind": "iac", "Stops": false}])));
        let inline = facts(vec![build("Build", "web")], &[inline]);
        assert_eq!(set(&inline, "securityScans").unwrap(), ["Checks/Build (iac)"]);
        assert_eq!(set(&inline, "toothlessScans").unwrap().len(), 1);
        let text =
            facts(vec![build("Build", "web")], &[project("web", Some("version: 0.2\nx:\n  - npm audit\n"), None)]);
        assert_eq!(set(&text, "securityScans").unwrap(), ["Checks/Build (dependencies)"]);
    }

    #[test]
    fn a_stage_that_goes_on_or_may_be_skipped_takes_the_teeth() {
        let limited = inspector(json!({"InspectorRunMode": "SourceCodeScan", "HighThreshold": "0"}));
        let with = |extra: Value| {
            let mut stage = json!({"Name": "Checks", "Actions": [limited]});
            stage.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let deploy = action("Deploy", "Deploy", "ECS", json!({}));
            let stages = json!([stage, {"Name": "Prod", "Actions": [deploy]}]);
            let pipeline = resource(TypeName::PIPELINE, "web", json!({"Name": "web", "Stages": stages}));
            set(&facts_with(Rules::default(), &pipeline, &[]), "toothlessScans").unwrap().len()
        };
        assert_eq!(with(json!({})), 0);
        assert_eq!(with(json!({"OnFailure": {"Result": "RETRY"}})), 0);
        assert_eq!(with(json!({"OnFailure": {"Result": "SKIP"}})), 1);
        assert_eq!(with(json!({"BeforeEntry": {"Conditions": [{"Result": "SKIP", "Rules": []}]}})), 1);
    }

    #[test]
    fn a_scan_after_or_beside_production_comes_too_late() {
        let deploy = action("Deploy", "Deploy", "ECS", json!({}));
        let scan = inspector(json!({"InspectorRunMode": "SourceCodeScan"}));
        let stages = json!([{"Name": "Prod", "Actions": [deploy, scan]}]);
        let pipeline = resource(TypeName::PIPELINE, "web", json!({"Name": "web", "Stages": stages}));
        let facts = facts_with(Rules::default(), &pipeline, &[]);
        assert_eq!(set(&facts, "unscannedProductionActions").unwrap(), ["Prod/Deploy"]);
    }

    #[test]
    fn scans_that_are_asked_for_are_missed_by_kind() {
        let mut rules = Rules::default();
        rules.practice.before_production = BTreeSet::from([CheckKind::Dependencies, CheckKind::Sast]);
        let scan = inspector(json!({"InspectorRunMode": "SourceCodeScan"}));
        let seen = facts_with(rules.clone(), &pipeline(vec![scan]), &[]);
        assert_eq!(set(&seen, "requiredScans").unwrap(), ["dependencies", "sast"]);
        assert_eq!(set(&seen, "missingScans").unwrap(), ["sast before Prod/Deploy"]);
        let named = facts_with(rules, &pipeline(vec![action("SecurityScan", "Invoke", "Lambda", json!({}))]), &[]);
        assert!(named.unknown["missingScans"].join("").contains("of which kind"));
    }

    #[test]
    fn tiers_ask_for_stages() {
        let mut rules = Rules::default();
        rules.practice.tier_tag = "tier".to_owned();
        let wanted = BTreeSet::from([CheckKind::Unit, CheckKind::Security]);
        rules.practice.tiers.insert("critical".to_owned(), wanted);
        let mut tagged = pipeline(vec![action("UnitTest", "Invoke", "Lambda", json!({}))]);
        assert_eq!(set(&facts_with(rules.clone(), &tagged, &[]), "requiredStages").unwrap(), Vec::<String>::new());
        tagged.tags.insert("Tier".to_owned(), "critical".to_owned());
        let facts = facts_with(rules.clone(), &tagged, &[]);
        assert_eq!(set(&facts, "requiredStages").unwrap(), ["security", "unit"]);
        assert_eq!(set(&facts, "missingStages").unwrap(), ["security"]);
        tagged.tags.insert("Tier".to_owned(), "other".to_owned());
        assert!(facts_with(rules.clone(), &tagged, &[]).unknown.contains_key("requiredStages"));
        tagged.tags.clear();
        rules.practice.default_tier = Some("critical".to_owned());
        assert_eq!(set(&facts_with(rules, &tagged, &[]), "missingStages").unwrap(), ["security"]);
    }
}
