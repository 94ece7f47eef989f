//! What a pipeline releases, and what stands in the way: everything that follows from its stages.
//!
//! In: a definition and the judgement of its deploying actions. Out: the facts about approval, tests, order, rollback
//! and artifacts. Sets name the actions that break a rule, so that a finding explains itself.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Facts;
use super::deploying::{self, Candidate, Effect, Judged};
use super::joins::Joins;
use super::pipeline_definition::{Action, Definition};
use super::production::Environment;
use super::seen::{Found, Seen, list_at, text_at};

/// One deploying action with everything known of it.
struct Deploying<'a> {
    action: &'a Action<'a>,
    label: String,
    judged: &'a Judged,
    in_production: Seen<bool>,
    gated: bool,
}

/// All facts that [`put`] adds; they are unknown together if the stages could not be seen.
pub(super) const FACTS: &[&str] = &[
    "approvalExpected",
    "deployingActions",
    "deploys",
    "deploysToProduction",
    "hasBuildArtifact",
    "productionActions",
    "productionActionsWithoutPreproduction",
    "productionClassification",
    "productionStages",
    "productionStagesWithoutAlarmCondition",
    "productionStagesWithoutRollback",
    "refetchedDeployingActions",
    "selfMutatesBeforeApproval",
    "skippableApprovals",
    "unapprovedDeployingActions",
    "unapprovedProductionActions",
    "untestedDeployingActions",
];

/// Adds the facts about deploying.
pub(super) fn put(
    facts: &mut Facts,
    definition: &Definition<'_>,
    candidates: &[Candidate],
    judged: &[Judged],
    stack: Option<&str>,
    joins: &Joins,
) {
    let deploying: Vec<Deploying<'_>> = candidates
        .iter()
        .zip(judged)
        .filter_map(|(candidate, judged)| {
            let action = definition.actions.get(candidate.action)?;
            let (label, gated) = (action.label(), definition.is_gated(action));
            Some(Deploying { action, label, judged, in_production: judged.in_production(), gated })
        })
        .filter(|deploying| deploying.judged.deploys != Ok(false))
        .collect();
    let set = |holds: &dyn Fn(&Deploying<'_>) -> Seen<bool>| {
        let mut found = Found::default();
        for one in &deploying {
            found.add_if(&one.label, &holds(one));
        }
        found
    };

    facts.put("deploys", deploying::any(deploying.iter().map(|one| one.judged.deploys.clone())));
    facts.put("deployingActions", set(&|one| one.judged.deploys.clone()).exact());
    facts.put("unapprovedDeployingActions", set(&|one| and(!one.gated, &one.judged.deploys)).decided());
    facts.put("untestedDeployingActions", set(&|one| untested(one, definition, &deploying)).decided());
    let refetched = set(&|one| and(takes_source(one.action, definition), &one.judged.deploys));
    facts.put("refetchedDeployingActions", refetched.decided());

    let in_production = deploying::any(deploying.iter().map(|one| one.in_production.clone()));
    facts.put("productionClassification", in_production.clone().map(|_| classification(&deploying)));
    facts.put("deploysToProduction", in_production);
    facts.put("productionActions", set(&|one| one.in_production.clone()).exact());
    let (expected, unapproved) = approval(&deploying);
    facts.put("approvalExpected", expected);
    facts.put("unapprovedProductionActions", unapproved);
    let without = set(&|one| without_preproduction(one, &deploying));
    facts.put("productionActionsWithoutPreproduction", without.decided());

    put_stages(facts, definition, &deploying);
    facts.know("skippableApprovals", skippable_approvals(definition));
    facts.know("hasBuildArtifact", has_build_artifact(definition));
    facts.know("selfMutatesBeforeApproval", self_mutates_before_approval(definition, stack, joins));
}

/// `sure && seen`, where the sure half decides alone if it can.
fn and(sure: bool, seen: &Seen<bool>) -> Seen<bool> {
    if sure { seen.clone() } else { Ok(false) }
}

/// Whether an approval is expected, and which production actions lack it.
///
/// Where it could not be seen which actions are production, it may not matter: if a person approves all of them, the
/// rule is kept; if nobody approves any deployment at all, it is broken. Only a mixed pipeline stays unknown.
fn approval(deploying: &[Deploying<'_>]) -> (Seen<bool>, Seen<BTreeSet<String>>) {
    let labels = |holds: &dyn Fn(&Deploying<'_>) -> bool| -> BTreeSet<String> {
        deploying.iter().filter(|one| holds(one)).map(|one| one.label.clone()).collect()
    };
    let sure = labels(&|one| one.in_production == Ok(true) && !one.gated);
    if !sure.is_empty() {
        return (Ok(true), Ok(sure));
    }
    let doubtful: Vec<&Deploying<'_>> = deploying.iter().filter(|one| one.in_production.is_err()).collect();
    if doubtful.iter().all(|one| one.gated) {
        let production = deploying.iter().any(|one| one.in_production == Ok(true));
        return (Ok(production || !doubtful.is_empty()), Ok(sure));
    }
    let nobody_approves = deploying.iter().all(|one| !one.gated);
    let nothing_decided = deploying.iter().all(|one| {
        one.judged.deploys.is_err() || !matches!(&one.judged.environment, Ok(e) if *e != Environment::Undecided)
    });
    let all = labels(&|one| one.in_production.is_err() && one.judged.deploys == Ok(true));
    if nobody_approves && nothing_decided && !all.is_empty() {
        return (Ok(true), Ok(all));
    }
    let doubts: Vec<String> =
        doubtful.iter().filter_map(|one| one.in_production.as_ref().err()).flatten().cloned().collect();
    (Err(doubts.clone()), Err(doubts))
}

/// Whether nothing tests or builds before the action, without being a deployment itself.
fn untested(one: &Deploying<'_>, definition: &Definition<'_>, deploying: &[Deploying<'_>]) -> Seen<bool> {
    let mut doubts = Vec::new();
    for before in &definition.actions {
        if !matches!(before.category, "Test" | "Build") || !before.precedes(one.action) {
            continue;
        }
        match deploying.iter().find(|other| std::ptr::eq(other.action, before)).map(|other| &other.judged.deploys) {
            None => return Ok(false),
            Some(Ok(_)) => {}
            Some(Err(sentences)) => doubts.extend_from_slice(sentences),
        }
    }
    if doubts.is_empty() { one.judged.deploys.clone() } else { Err(doubts) }
}

/// Whether a production action has no deployment elsewhere before it.
fn without_preproduction(one: &Deploying<'_>, deploying: &[Deploying<'_>]) -> Seen<bool> {
    let rehearsals = deploying.iter().filter(|before| before.action.precedes(one.action)).map(|before| {
        match (&before.judged.deploys, &before.in_production) {
            (Ok(true), Ok(production)) => Ok(!production),
            (Ok(false), _) | (_, Ok(true)) => Ok(false),
            (Err(sentences), _) | (_, Err(sentences)) => Err(sentences.clone()),
        }
    });
    match (deploying::any(rehearsals), &one.in_production) {
        (Ok(true), _) | (_, Ok(false)) => Ok(false),
        (Ok(false), production) => production.clone(),
        (Err(sentences), _) => Err(sentences),
    }
}

/// Whether the action deploys what a source brought, and nothing that a build made of it. A task definition or a template
/// from the source beside an image or parameters from the build is what `CodeDeployToECS` and `CloudFormation` expect.
fn takes_source(action: &Action<'_>, definition: &Definition<'_>) -> bool {
    let takes_of = |category: &str| {
        let mut makers = definition.actions.iter().filter(|maker| maker.category == category);
        makers.any(|maker| {
            maker.artifacts("OutputArtifacts").any(|made| action.artifacts("InputArtifacts").any(|taken| taken == made))
        })
    };
    takes_of("Source") && !takes_of("Build")
}

fn has_build_artifact(definition: &Definition<'_>) -> bool {
    let mut builds = definition.actions.iter().filter(|action| action.category == "Build");
    builds.any(|build| build.artifacts("OutputArtifacts").next().is_some())
}

/// The rules that decided, in words; every one of them once.
fn classification(deploying: &[Deploying<'_>]) -> String {
    let mut production = BTreeSet::new();
    let mut other = BTreeSet::new();
    for one in deploying {
        match &one.judged.environment {
            Ok(Environment::Production(why)) if one.judged.deploys == Ok(true) => production.insert(why.as_str()),
            Ok(Environment::NonProduction(why)) => other.insert(why.as_str()),
            _ => false,
        };
    }
    let joined = |reasons: BTreeSet<&str>| reasons.into_iter().collect::<Vec<_>>().join("; ");
    if !production.is_empty() {
        joined(production)
    } else if other.is_empty() {
        String::new()
    } else {
        format!("not production: {}", joined(other))
    }
}

/// What stages with a production deployment do when it goes wrong.
fn put_stages(facts: &mut Facts, definition: &Definition<'_>, deploying: &[Deploying<'_>]) {
    let mut production = Found::default();
    let mut without_rollback = Found::default();
    let mut without_alarm = Found::default();
    for (index, stage) in definition.stages.iter().enumerate() {
        let here = deploying.iter().filter(|one| one.action.stage == index).map(|one| one.in_production.clone());
        let in_production = deploying::any(here);
        let name = text_at(Some(stage), &["Name"]);
        production.add_if(name, &in_production);
        without_rollback.add_if(name, &and(!rolls_back_on_failure(stage), &in_production));
        without_alarm.add_if(name, &and(!watches_alarm_on_success(stage), &in_production));
    }
    facts.put("productionStages", production.exact());
    facts.put("productionStagesWithoutRollback", without_rollback.decided());
    facts.put("productionStagesWithoutAlarmCondition", without_alarm.decided());
}

fn rolls_back_on_failure(stage: &Value) -> bool {
    let conditions = list_at(Some(stage), &["OnFailure", "Conditions"]);
    text_at(Some(stage), &["OnFailure", "Result"]) == "ROLLBACK"
        || conditions.iter().any(|condition| text_at(Some(condition), &["Result"]) == "ROLLBACK")
}

fn watches_alarm_on_success(stage: &Value) -> bool {
    list_at(Some(stage), &["OnSuccess", "Conditions"]).iter().any(|condition| {
        let rules = list_at(Some(condition), &["Rules"]);
        matches!(text_at(Some(condition), &["Result"]), "ROLLBACK" | "FAIL")
            && rules.iter().any(|rule| text_at(Some(rule), &["RuleTypeId", "Provider"]) == "CloudWatchAlarm")
    })
}

/// The approvals that do not hold what comes after their stage, and why.
fn skippable_approvals(definition: &Definition<'_>) -> BTreeSet<String> {
    let skippable =
        |gate: &Action<'_>| definition.may_be_passed_over(gate.stage).map(|why| format!("{}: {why}", gate.label()));
    definition.gates().filter_map(skippable).collect()
}

/// Whether the pipeline can rewrite its own gate before anyone approved anything.
fn self_mutates_before_approval(definition: &Definition<'_>, stack: Option<&str>, joins: &Joins) -> bool {
    let mut updates =
        definition.actions.iter().filter(|action| deploying::effect(action, stack, joins) == Effect::UpdatesItself);
    updates.any(|update| !definition.is_gated(update))
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::super::{Fact, Pipeline, ProductionRules, ResourceKind};
    use super::*;
    use crate::inventory::{Gap, Resource, TypeName};

    fn action(name: &str, category: &str, provider: &str, settings: Value) -> Value {
        let mut action = json!({
            "Name": name, "Configuration": settings,
            "ActionTypeId": {"Category": category, "Owner": "AWS", "Provider": provider, "Version": "1"},
        });
        for field in ["RunOrder", "RoleArn", "Commands", "InputArtifacts", "OutputArtifacts"] {
            if let Some(value) = settings.get(field) {
                action[field] = value.clone();
            }
        }
        action
    }

    fn deploy(name: &str) -> Value {
        action(name, "Deploy", "ECS", json!({}))
    }

    fn approve(order: Value) -> Value {
        action("Approve", "Approval", "Manual", json!({ "RunOrder": order }))
    }

    fn stage(name: &str, actions: &[Value]) -> Value {
        json!({"Name": name, "Actions": actions})
    }

    fn named(name: &str, stages: &[Value]) -> Resource {
        let source = stage(
            "Source",
            &[action("Code", "Source", "CodeStarSourceConnection", json!({"OutputArtifacts": [{"Name": "code"}]}))],
        );
        let stages: Vec<Value> = std::iter::once(source).chain(stages.iter().cloned()).collect();
        resource(TypeName::PIPELINE, name, json!({"Name": name, "Stages": stages}))
    }

    fn facts_with(pipeline: &Resource, others: &[Resource], gaps: &[Gap]) -> Facts {
        let all: Vec<Resource> = others.iter().cloned().chain([pipeline.clone()]).collect();
        Pipeline.facts(pipeline, &joins(&all, gaps))
    }

    fn facts(stages: &[Value]) -> Facts {
        facts_with(&named("web", stages), &[], &[])
    }

    fn set(facts: &Facts, name: &str) -> Vec<String> {
        match facts.known.get(name) {
            Some(Fact::Set(set)) => set.iter().cloned().collect(),
            other => panic!("{name}: {other:?}, unknown: {:?}", facts.unknown),
        }
    }

    fn flag(facts: &Facts, name: &str) -> bool {
        match facts.known.get(name) {
            Some(Fact::Bool(flag)) => *flag,
            other => panic!("{name}: {other:?}, unknown: {:?}", facts.unknown),
        }
    }

    fn text(facts: &Facts, name: &str) -> String {
        match facts.known.get(name) {
            Some(Fact::Text(text)) => text.clone(),
            other => panic!("{name}: {other:?}, unknown: {:?}", facts.unknown),
        }
    }

    fn unapproved(stages: &[Value]) -> Vec<String> {
        let facts = facts(stages);
        assert!(flag(&facts, "approvalExpected"));
        set(&facts, "unapprovedProductionActions")
    }

    // Twelve ways in which public pipelines stand, or seem to stand, behind an approval.

    #[test]
    fn case_01_a_gate_stands_in_an_earlier_stage_or_strictly_before_in_the_same() {
        let in_order = |gate: Value, deploy_order: Value| {
            let deploy = action("Deploy", "Deploy", "ECS", json!({ "RunOrder": deploy_order }));
            unapproved(&[stage("Prod", &[deploy, approve(gate)])])
        };
        assert!(unapproved(&[stage("Gate", &[approve(json!(1))]), stage("Prod", &[deploy("Deploy")])]).is_empty());
        assert!(in_order(json!(1), json!(2)).is_empty());
        assert!(in_order(json!("1"), json!("2")).is_empty());
        assert!(in_order(json!(null), json!(2)).is_empty());
        assert_eq!(in_order(json!(1), json!(1)), ["Prod/Deploy"]);
        assert_eq!(in_order(json!(null), json!(null)), ["Prod/Deploy"]);
        assert_eq!(in_order(json!(2), json!(1)), ["Prod/Deploy"]);
    }

    #[test]
    fn case_02_an_approval_last_in_the_stage_before() {
        let facts = facts(&[stage("Dev", &[deploy("Deploy"), approve(json!(2))]), stage("Prod", &[deploy("Deploy")])]);
        assert!(set(&facts, "unapprovedProductionActions").is_empty());
        assert_eq!(set(&facts, "unapprovedDeployingActions"), ["Dev/Deploy"]);
    }

    #[test]
    fn case_03_an_approval_after_the_deploy_or_before_a_teardown_gates_nothing() {
        assert_eq!(unapproved(&[stage("Prod", &[deploy("Deploy"), approve(json!(2))])]), ["Prod/Deploy"]);
        let teardown =
            action("Delete", "Deploy", "CloudFormation", json!({"ActionMode": "DELETE_ONLY", "StackName": "prod"}));
        let facts = facts(&[
            stage("Prod", &[deploy("Deploy")]),
            stage("Clean", &[approve(json!(1))]),
            stage("End", &[teardown]),
        ]);
        assert_eq!(set(&facts, "unapprovedProductionActions"), ["Prod/Deploy"]);
        assert_eq!(set(&facts, "deployingActions"), ["Prod/Deploy"]);
    }

    #[test]
    fn case_04_making_a_change_set_is_harmless_executing_it_is_the_deploy() {
        let change = |name: &str, mode: &str, order: i64| {
            action(name, "Deploy", "CloudFormation", json!({"ActionMode": mode, "StackName": "web", "RunOrder": order}))
        };
        let stages = [stage(
            "Prod",
            &[
                change("Prepare", "CHANGE_SET_REPLACE", 1),
                approve(json!(2)),
                change("Execute", "CHANGE_SET_EXECUTE", 3),
            ],
        )];
        let facts = facts(&stages);
        assert_eq!(set(&facts, "deployingActions"), ["Prod/Execute"]);
        assert!(set(&facts, "unapprovedProductionActions").is_empty());
        for mode in ["CREATE_UPDATE", "REPLACE_ON_FAILURE"] {
            assert_eq!(unapproved(&[stage("Prod", &[change("Stack", mode, 1)])]), ["Prod/Stack"]);
        }
        let mut own = named(
            "web",
            &[stage(
                "Self",
                &[action(
                    "Stack",
                    "Deploy",
                    "CloudFormation",
                    json!({"ActionMode": "CREATE_UPDATE", "StackName": "web-pipeline"}),
                )],
            )],
        );
        own.tags.insert("aws:cloudformation:stack-name".to_owned(), "web-pipeline".to_owned());
        assert!(!flag(&facts_with(&own, &[], &[]), "deploys"));
    }

    #[test]
    fn case_05_deployments_that_are_not_of_category_deploy() {
        for deploying in [
            action("TerraformApply", "Build", "CodeBuild", json!({"ProjectName": "infra"})),
            action("Run", "Build", "CodeBuild", json!({"ProjectName": "deploy-web"})),
            action("Run", "Test", "CodeBuild", json!({"ProjectName": "deploy-web"})),
            action("Promote", "Invoke", "Lambda", json!({"FunctionName": "switch"})),
            action("Run", "Invoke", "Lambda", json!({"FunctionName": "prod-switch"})),
            action(
                "Run",
                "Invoke",
                "StepFunctions",
                json!({"StateMachineArn": "arn:aws:states:eu-west-1:111111111111:stateMachine:rollout"}),
            ),
            action("Run", "Compute", "Commands", json!({"Commands": ["cd infra", "terraform apply -auto-approve"]})),
        ] {
            assert_eq!(unapproved(&[stage("Production", std::slice::from_ref(&deploying))]).len(), 1, "{deploying}");
        }
        for other in [
            action("UnitTests", "Test", "CodeBuild", json!({"ProjectName": "tests"})),
            action("Integration", "Test", "CodeBuild", json!({"ProjectName": "suite"})),
            action("Smoke", "Invoke", "Lambda", json!({"FunctionName": "smoke"})),
            action("Plan", "Build", "CodeBuild", json!({"ProjectName": "infra"})),
            action("Run", "Compute", "Commands", json!({"Commands": ["terraform plan"]})),
        ] {
            let facts = facts(&[stage("Deploy", &[deploy("Deploy"), other.clone()])]);
            let expected = if other["Name"] == "Run" { 2 } else { 1 };
            assert_eq!(set(&facts, "deployingActions").len(), expected, "{other}");
        }
    }

    #[test]
    fn case_05_a_project_whose_specification_deploys() {
        let pipeline =
            named("web", &[stage("Ship", &[action("Run", "Build", "CodeBuild", json!({"ProjectName": "infra"}))])]);
        let project = |commands: Value| {
            resource(TypeName::PROJECT, "infra", json!({"Name": "infra", "DeployCommands": commands}))
        };
        let deploys =
            |others: &[Resource], gaps: &[Gap]| facts_with(&pipeline, others, gaps).known.get("deploys").cloned();
        assert_eq!(deploys(&[project(json!(["terraform apply"]))], &[]), Some(Fact::Bool(true)));
        assert_eq!(deploys(&[project(json!([]))], &[]), Some(Fact::Bool(false)));
        assert_eq!(deploys(&[], &[]), Some(Fact::Bool(false)));
        let gap = denied_types("codebuild:BatchGetProjects", &[TypeName::PROJECT]);
        assert_eq!(deploys(&[], std::slice::from_ref(&gap)), None);
        let facts = facts_with(&pipeline, &[], std::slice::from_ref(&gap));
        for fact in ["deployingActions", "deploysToProduction", "approvalExpected", "unapprovedProductionActions"] {
            assert_eq!(facts.unknown[fact], [gap.sentence()], "{fact}");
        }
    }

    #[test]
    fn case_05_a_project_whose_specification_lies_with_its_source() {
        let project = resource(TypeName::PROJECT, "infra", json!({"Name": "infra", "Source": {"BuildSpec": ""}}));
        let deploys = |stage_name: &str, name: &str, rest: Value, later: &[Value]| {
            let mut settings = json!({"ProjectName": "infra"});
            settings.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            let run = action(name, "Build", "CodeBuild", settings);
            let pipeline = named("web", &[stage(stage_name, &[run]), stage("Later", later)]);
            facts_with(&pipeline, std::slice::from_ref(&project), &[])
        };
        let facts = deploys("Production", "Run", json!({}), &[]);
        for fact in ["deploys", "deploysToProduction", "approvalExpected", "unapprovedProductionActions"] {
            assert!(facts.unknown[fact].join("").contains("build specification of project infra"), "{fact}");
        }
        assert!(deploys("Terraform", "Terraform", json!({}), &[]).unknown.contains_key("deploys"));
        for (stage_name, name) in
            [("Build", "Web"), ("Production", "UnitTests"), ("CI", "Run"), ("Pack", "DockerImage")]
        {
            assert!(!flag(&deploys(stage_name, name, json!({}), &[]), "deploys"), "{stage_name}/{name}");
        }
        // What a later action takes was made here.
        let makes = json!({"OutputArtifacts": [{"Name": "app"}]});
        let takes = action("Look", "Invoke", "Lambda", json!({"InputArtifacts": [{"Name": "app"}]}));
        assert!(!flag(&deploys("Web", "Web", makes, &[takes]), "deploys"));
    }

    #[test]
    fn case_06_stages_that_a_condition_decides_are_unknown() {
        let mut conditional = named("web", &[]);
        conditional.unseen.insert("Stages".to_owned(), denied("unresolved Fn::If"));
        let facts = facts_with(&conditional, &[], &[]);
        assert!(facts.unknown.contains_key("approvalExpected") && facts.unknown.contains_key("deploys"));
    }

    #[test]
    fn case_07_production_in_one_name_only() {
        let role = json!({"RoleArn": "arn:aws:iam::222222222222:role/prod-deployer"});
        for (deploying, why) in [
            (action("DeployProd", "Deploy", "ECS", json!({})), "action name DeployProd"),
            (action("Run", "Deploy", "CloudFormation", json!({"StackName": "web-prd"})), "stack name web-prd"),
            (
                action("Run", "Deploy", "CodeDeploy", json!({"ApplicationName": "web", "DeploymentGroupName": "Live"})),
                "deployment group Live",
            ),
            (action("Deploy", "Build", "CodeBuild", json!({"ProjectName": "production"})), "project name production"),
            (action("Run", "Deploy", "ECS", role), "role name prod-deployer"),
        ] {
            assert_eq!(text(&facts(&[stage("Deploy", &[deploying])]), "productionClassification"), why);
        }
        let facts = facts_with(&named("web-prod", &[stage("Deploy", &[deploy("Deploy")])]), &[], &[]);
        assert_eq!(text(&facts, "productionClassification"), "pipeline name web-prod");
    }

    #[test]
    fn case_08_something_called_approve_is_no_approval() {
        let lambda = action("ManualApproval", "Invoke", "Lambda", json!({"FunctionName": "approve"}));
        assert_eq!(unapproved(&[stage("Approve", &[lambda]), stage("Prod", &[deploy("Deploy")])]), ["Prod/Deploy"]);
    }

    #[test]
    fn case_09_the_twin_that_is_not_production() {
        for pipeline in [
            named("web-nonprod", &[stage("Deploy", &[deploy("Deploy")])]),
            named("web", &[stage("Deploy-NonProd", &[deploy("Deploy")])]),
        ] {
            let facts = facts_with(&pipeline, &[], &[]);
            assert!(!flag(&facts, "approvalExpected") && !flag(&facts, "deploysToProduction"));
            assert!(text(&facts, "productionClassification").starts_with("not production: "));
        }
        // `delivery` is not `live`, and a source is no deployment.
        let source = stage("More", &[action("SourceProd", "Source", "S3", json!({}))]);
        let facts = facts(&[
            source,
            stage("DeliveryBuild", &[action("Build", "Build", "CodeBuild", json!({}))]),
            stage("Dev", &[deploy("Deploy")]),
        ]);
        assert!(!flag(&facts, "deploysToProduction"));
    }

    #[test]
    fn case_10_nothing_is_deployed() {
        let facts = facts(&[stage("Build", &[action("Build", "Build", "CodeBuild", json!({"ProjectName": "web"}))])]);
        assert!(!flag(&facts, "deploys") && !flag(&facts, "approvalExpected"));
        assert_eq!(text(&facts, "productionClassification"), "");
    }

    #[test]
    fn case_11_automated_gates_are_not_a_person() {
        let mut prod = stage("Prod", &[deploy("Deploy")]);
        prod["BeforeEntry"] = json!({"Conditions": [{"Result": "FAIL", "Rules": [{"Name": "w", "RuleTypeId": {"Provider": "DeploymentWindow"}}]}]});
        let mut pipeline = named("web", &[prod]);
        pipeline
            .properties
            .insert("DisableInboundStageTransitions".to_owned(), json!([{"StageName": "Prod", "Reason": "x"}]));
        let facts = facts_with(&pipeline, &[], &[]);
        assert_eq!(set(&facts, "unapprovedProductionActions"), ["Prod/Deploy"]);
        assert_eq!(set(&facts, "heldStages"), ["Prod"]);
    }

    #[test]
    fn case_12_a_pipeline_that_rewrites_itself_before_the_gate() {
        let mutate =
            stage("UpdatePipeline", &[action("SelfMutate", "Build", "CodeBuild", json!({"ProjectName": "mutate"}))]);
        let rest = [stage("Gate", &[approve(json!(1))]), stage("Prod", &[deploy("Deploy")])];
        let before = facts(&[std::slice::from_ref(&mutate), &rest[..]].concat());
        assert!(flag(&before, "selfMutatesBeforeApproval"));
        assert_eq!(set(&before, "deployingActions"), ["Prod/Deploy"]);
        let after = facts(&[rest[0].clone(), mutate, rest[1].clone()]);
        assert!(!flag(&after, "selfMutatesBeforeApproval"));
    }

    #[test]
    fn the_target_account_decides_before_every_name() {
        let elsewhere = |account: &str| {
            action("Deploy", "Deploy", "ECS", json!({"RoleArn": format!("arn:aws:iam::{account}:role/x")}))
        };
        let accounts = [
            member("111111111111", Some(("environment", "tooling"))),
            member("222222222222", Some(("environment", "prod"))),
            member("333333333333", Some(("environment", "staging"))),
        ];
        let facts = facts_with(&named("web", &[stage("Anything", &[elsewhere("222222222222")])]), &accounts, &[]);
        assert_eq!(text(&facts, "productionClassification"), "target account 222222222222 tagged environment=prod");
        let facts = facts_with(&named("web-prod", &[stage("Prod", &[elsewhere("333333333333")])]), &accounts, &[]);
        assert_eq!(
            text(&facts, "productionClassification"),
            "not production: target account 333333333333 tagged environment=staging"
        );
        let facts = facts_with(&named("web-prod", &[stage("Prod", &[deploy("Deploy")])]), &accounts, &[]);
        assert!(!flag(&facts, "deploysToProduction"));
    }

    #[test]
    fn a_tooling_account_says_nothing_of_what_its_scripts_deploy_to() {
        let accounts = |value: &str| [member("111111111111", Some(("environment", value)))];
        let classified = |value: &str, kind: (&str, &str), stage_name: &str| {
            let run = action("Apply", kind.0, kind.1, json!({"ProjectName": "infra"}));
            text(
                &facts_with(&named("web", &[stage(stage_name, &[run])]), &accounts(value), &[]),
                "productionClassification",
            )
        };
        let (script, service) = (("Build", "CodeBuild"), ("Deploy", "ECS"));
        assert_eq!(classified("tooling", script, "Production"), "stage name Production");
        let by_account = |value: &str| format!("not production: account 111111111111 tagged environment={value}");
        assert_eq!(classified("tooling", script, "Rollout"), by_account("tooling"));
        assert_eq!(classified("dev", script, "Production"), by_account("dev"));
        assert_eq!(classified("tooling", service, "Production"), by_account("tooling"));
    }

    #[test]
    fn the_word_stage_is_staging_only_where_stages_are_told_apart_by_it() {
        let classified = |stages: &[&str]| {
            let stages: Vec<Value> = stages.iter().map(|name| stage(name, &[deploy("Deploy")])).collect();
            facts(&stages)
        };
        for name in ["deploy-stage", "DEPLOY_STAGE", "Deploy stage", "Deploy_stage", "Deploy-Stage", "DeployStage"] {
            let facts = classified(&[name]);
            assert_eq!(text(&facts, "productionClassification"), "assumed: last deploying stage", "{name}");
        }
        let habit = facts(&[
            stage("Build-Stage", &[action("Build", "Build", "CodeBuild", json!({"ProjectName": "web"}))]),
            stage("Deploy-Stage", &[deploy("deploy-stage")]),
        ]);
        assert_eq!(set(&habit, "unapprovedProductionActions"), ["Deploy-Stage/deploy-stage"]);
        let apart = classified(&["deploy-dev", "deploy-stage", "deploy-prod"]);
        assert_eq!(set(&apart, "productionStages"), ["deploy-prod"]);
        let neighbours = classified(&["deploy-dev", "deploy-stage", "test-stage"]);
        assert!(!set(&neighbours, "productionStages").contains(&"deploy-stage".to_owned()));
        let run = action("Run", "Build", "CodeBuild", json!({"ProjectName": "infra"}));
        let project = resource(TypeName::PROJECT, "infra", json!({"Name": "infra"}));
        for first in ["deploy-stage", "Deploy"] {
            let gate = stage("Approve", &[approve(json!(1))]);
            let stages = [stage(first, &[deploy("Web")]), gate, stage("Prod", std::slice::from_ref(&run))];
            let facts = facts_with(&named("web", &stages), std::slice::from_ref(&project), &[]);
            let unapproved = facts.known.get("unapprovedProductionActions");
            assert!(unapproved.is_none_or(|set| *set == Fact::Set(BTreeSet::new())), "{first}: {unapproved:?}");
        }
        let web = classified(&["web-stage"]);
        assert_eq!(text(&web, "productionClassification"), "not production: stage name web-stage");
    }

    #[test]
    fn looking_at_a_deployment_is_none() {
        let look = |name: &str, category: &str| action(name, category, "CodeBuild", json!({"ProjectName": "x"}));
        for name in ["PostDeployTest", "DeploymentTest", "GetDeployStatus", "ReleaseNotes"] {
            let facts = facts(&[stage("Deploy", &[deploy("Web")]), stage("After", &[look(name, "Build")])]);
            assert_eq!(set(&facts, "unapprovedProductionActions"), ["Deploy/Web"], "{name}");
        }
        let facts = facts(&[stage("Deploy", &[deploy("Web")]), stage("After", &[look("DeployTest", "Test")])]);
        assert_eq!(set(&facts, "unapprovedProductionActions"), ["Deploy/Web"]);
    }

    #[test]
    fn tags_of_the_pipeline_decide_before_names() {
        let mut pipeline = named("web", &[stage("Prod", &[deploy("Deploy")])]);
        pipeline.tags.insert("env".to_owned(), "dev".to_owned());
        assert!(!flag(&facts_with(&pipeline, &[], &[]), "deploysToProduction"));
    }

    #[test]
    fn the_last_deploying_stage_is_assumed_where_no_rule_finds_production() {
        let facts_of = facts(&[stage("One", &[deploy("Deploy")]), stage("Two", &[deploy("Deploy")])]);
        assert_eq!(set(&facts_of, "productionActions"), ["Two/Deploy"]);
        assert_eq!(text(&facts_of, "productionClassification"), "assumed: last deploying stage");
        let after_staging = facts(&[stage("Staging", &[deploy("Deploy")]), stage("Rollout", &[deploy("Deploy")])]);
        assert_eq!(set(&after_staging, "productionActions"), ["Rollout/Deploy"]);
        for explicit in [vec!["Dev"], vec!["Rollout", "Staging"]] {
            let stages: Vec<Value> = explicit.iter().map(|name| stage(name, &[deploy("Deploy")])).collect();
            assert!(!flag(&facts(&stages), "deploysToProduction"), "{explicit:?}");
        }
        let named = facts(&[stage("Prod", &[deploy("Deploy")]), stage("Rollout", &[deploy("Deploy")])]);
        assert_eq!(set(&named, "productionActions"), ["Prod/Deploy"]);
    }

    fn hidden_tags() -> Resource {
        let mut account = member("111111111111", None);
        account.unseen.insert("Tags".to_owned(), denied("organizations:ListTagsForResource"));
        account
    }

    #[test]
    fn without_the_tags_only_a_mixed_pipeline_is_unknown() {
        let accounts = [hidden_tags()];
        let facts = |stages: &[Value]| facts_with(&named("web", stages), &accounts, &[]);
        let gate = stage("Gate", &[approve(json!(1))]);
        let (one, two) = (stage("One", &[deploy("Deploy")]), stage("Two", &[deploy("Deploy")]));
        let gated = facts(&[gate.clone(), one.clone(), two.clone()]);
        assert!(gated.unknown.contains_key("deploysToProduction"));
        assert!(flag(&gated, "approvalExpected") && set(&gated, "unapprovedProductionActions").is_empty());
        let ungated = facts(&[one.clone(), two.clone()]);
        assert_eq!(set(&ungated, "unapprovedProductionActions"), ["One/Deploy", "Two/Deploy"]);
        let mixed = facts(&[one, gate, two]);
        assert!(mixed.unknown["approvalExpected"].join("").contains("organizations:ListTagsForResource"));
        assert!(mixed.unknown.contains_key("unapprovedProductionActions"));
        // Where a name decides, the tags are not needed.
        let named = facts(&[stage("Prod", &[deploy("Deploy")])]);
        assert_eq!(set(&named, "unapprovedProductionActions"), ["Prod/Deploy"]);
    }

    #[test]
    fn an_account_that_was_not_listed_cannot_be_judged() {
        let role = action("Deploy", "Deploy", "ECS", json!({"RoleArn": "arn:aws:iam::444444444444:role/x"}));
        let facts = facts_with(&named("web", &[stage("Ship", &[role])]), &[member("111111111111", None)], &[]);
        assert!(facts.unknown["deploysToProduction"].join("").contains("444444444444"));
    }

    #[test]
    fn tests_come_before_every_deployment() {
        let test = |order: i64| action("UnitTests", "Test", "CodeBuild", json!({"RunOrder": order}));
        let ship = |order: i64| action("Ship", "Deploy", "ECS", json!({"RunOrder": order}));
        let untested = |stages: &[Value]| set(&facts(stages), "untestedDeployingActions");
        assert!(untested(&[stage("Test", &[test(1)]), stage("Prod", &[ship(1)])]).is_empty());
        assert!(untested(&[stage("Prod", &[test(1), ship(2)])]).is_empty());
        assert_eq!(untested(&[stage("Prod", &[test(1), ship(1)])]), ["Prod/Ship"]);
        // A deployment by CodeBuild is no test of the next deployment.
        let apply = action("TerraformApply", "Build", "CodeBuild", json!({"ProjectName": "infra"}));
        assert_eq!(
            untested(&[stage("Infra", &[apply]), stage("Prod", &[ship(1)])]),
            ["Infra/TerraformApply", "Prod/Ship"]
        );
    }

    #[test]
    fn preproduction_comes_first() {
        let without = |stages: &[Value]| set(&facts(stages), "productionActionsWithoutPreproduction");
        assert!(without(&[stage("Staging", &[deploy("Deploy")]), stage("Prod", &[deploy("Deploy")])]).is_empty());
        assert!(without(&[stage("Beta", &[deploy("Deploy")]), stage("Prod", &[deploy("Deploy")])]).is_empty());
        assert_eq!(without(&[stage("Prod", &[deploy("Deploy")])]), ["Prod/Deploy"]);
        assert_eq!(
            without(&[stage("Prod", &[deploy("Deploy")]), stage("Staging", &[deploy("Deploy")])]),
            ["Prod/Deploy"]
        );
    }

    #[test]
    fn stages_roll_back_and_watch_alarms() {
        let with = |field: &str, value: Value| {
            let mut prod = stage("Prod", &[deploy("Deploy")]);
            prod[field] = value;
            let facts = facts(&[prod]);
            (
                set(&facts, "productionStagesWithoutRollback").is_empty(),
                set(&facts, "productionStagesWithoutAlarmCondition").is_empty(),
            )
        };
        let alarm = |result: &str| json!({"Conditions": [{"Result": result, "Rules": [{"Name": "a", "RuleTypeId": {"Category": "Rule", "Provider": "CloudWatchAlarm"}}]}]});
        assert_eq!(with("OnFailure", json!({"Result": "ROLLBACK"})), (true, false));
        assert_eq!(with("OnFailure", json!({"Conditions": [{"Result": "ROLLBACK"}]})), (true, false));
        assert_eq!(with("OnFailure", json!({"Result": "RETRY"})), (false, false));
        assert_eq!(with("OnSuccess", alarm("ROLLBACK")), (false, true));
        assert_eq!(with("OnSuccess", alarm("FAIL")), (false, true));
        assert_eq!(with("OnSuccess", alarm("SKIP")), (false, false));
        assert_eq!(with("BeforeEntry", alarm("FAIL")), (false, false));
    }

    #[test]
    fn what_is_deployed_was_built() {
        let build = action(
            "Build",
            "Build",
            "CodeBuild",
            json!({"InputArtifacts": [{"Name": "code"}], "OutputArtifacts": [{"Name": "app"}]}),
        );
        let ship = |artifact: &str| action("Ship", "Deploy", "ECS", json!({"InputArtifacts": [{"Name": artifact}]}));
        let good = facts(&[stage("Build", std::slice::from_ref(&build)), stage("Prod", &[ship("app")])]);
        assert!(flag(&good, "hasBuildArtifact") && set(&good, "refetchedDeployingActions").is_empty());
        let both = json!({"InputArtifacts": [{"Name": "app"}, {"Name": "code"}]});
        let both = action("Ship", "Deploy", "CodeDeployToECS", both);
        let with_task_definition = facts(&[stage("Build", std::slice::from_ref(&build)), stage("Prod", &[both])]);
        assert!(set(&with_task_definition, "refetchedDeployingActions").is_empty());
        let bad = facts(&[stage("Build", &[build]), stage("Prod", &[ship("code")])]);
        assert_eq!(set(&bad, "refetchedDeployingActions"), ["Prod/Ship"]);
        assert!(!flag(&facts(&[stage("Prod", &[ship("code")])]), "hasBuildArtifact"));
    }

    #[test]
    fn a_hidden_project_after_the_last_deployment_leaves_open_which_stage_is_last() {
        let gap = denied_types("codebuild:BatchGetProjects", &[TypeName::PROJECT]);
        let run = action("Run", "Build", "CodeBuild", json!({"ProjectName": "infra"}));
        let ship = || stage("Ship", &[deploy("Ship")]);
        let later = named("web", &[ship(), stage("Later", std::slice::from_ref(&run))]);
        let facts = facts_with(&later, &[], std::slice::from_ref(&gap));
        assert!(facts.unknown.contains_key("productionStages"));
        let earlier = named("web", &[stage("Earlier", &[run]), ship()]);
        let facts = facts_with(&earlier, &[], &[gap]);
        assert_eq!(set(&facts, "productionStages"), ["Ship"]);
    }

    #[test]
    fn configured_names_replace_the_defaults() {
        let rules = ProductionRules { names: vec!["gamma".to_owned()], ..ProductionRules::default() };
        let pipeline = named("web", &[stage("Alpha", &[deploy("Deploy")]), stage("Gamma", &[deploy("Deploy")])]);
        let joins = joins_under(rules, std::slice::from_ref(&pipeline), &[]);
        assert_eq!(set(&Pipeline.facts(&pipeline, &joins), "productionActions"), ["Gamma/Deploy"]);
    }
}
