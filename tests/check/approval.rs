//! The twelve ways in which pipelines stand, or seem to stand, behind an approval, written as templates.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use pipewarden::check::Check;
use pipewarden::evaluate::{Policies, Settings};
use pipewarden::facts::Rules;
use pipewarden::finding::{ComplianceType, TemplateFinding};
use pipewarden::template::{Document, Files, Limits, Place, Reading, format_of};
use time::OffsetDateTime;

use ComplianceType::{Compliant, InsufficientData, NonCompliant, NotApplicable};

const CONTROL: &str = "codepipeline-production-approval-required";

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        Err(format!("{path} is not there"))
    }

    fn list(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

fn policies() -> &'static Policies {
    static POLICIES: OnceLock<Policies> = OnceLock::new();
    POLICIES.get_or_init(|| Policies::load(&Policies::embedded(), &BTreeSet::new()).unwrap())
}

/// The findings of the control by logical id.
fn judged(template: &str, given: &[(&str, &str)]) -> BTreeMap<String, TemplateFinding> {
    let place = Place::new(None, None);
    let parameters = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let reading = Reading { files: &NoFiles, parameters: &parameters, place: &place, limits: Limits::default() };
    let document = Document::read("t.yaml", template.as_bytes(), &reading.limits).expect(template);
    let parsed = format_of(&document).expect("a template").read(document, &reading);
    assert!(parsed.notices.is_empty(), "{:?}", parsed.notices);
    let rules = Rules::default();
    let now = OffsetDateTime::UNIX_EPOCH;
    let check = Check::new(policies(), &Settings::default(), &rules, now, None, &place).unwrap();
    let findings = parsed.groups.iter().flat_map(|group| check.judge(group).unwrap().findings);
    let of_control = findings.filter(|found| found.finding.control == CONTROL);
    of_control.map(|found| (found.logical_id.clone(), found)).collect()
}

fn verdict(template: &str) -> ComplianceType {
    judged(template, &[])["Pipeline"].finding.compliance
}

/// A pipeline of these stages, each a line of flow style YAML, under a head of parameters and conditions.
fn pipeline_with(head: &str, stages: &[&str]) -> String {
    let stages: String = stages.iter().map(|stage| format!("        - {stage}\n")).collect();
    format!(
        "{head}
Resources:
  Role: {{Type: 'AWS::IAM::Role', Properties: {{AssumeRolePolicyDocument: {{}}}}}}
  Store: {{Type: 'AWS::S3::Bucket'}}
  Pipeline:
    Type: AWS::CodePipeline::Pipeline
    Properties:
      RoleArn: !GetAtt Role.Arn
      ArtifactStore: {{Type: S3, Location: !Ref Store}}
      Stages:
        - {{Name: Source, Actions: [{{Name: Source, ActionTypeId: {{Category: Source, Owner: AWS, Provider: CodeCommit, Version: '1'}}}}]}}
{stages}"
    )
}

fn pipeline(stages: &[&str]) -> String {
    pipeline_with("", stages)
}

const GATE: &str = "{Name: Gate, Actions: [{Name: Approve, ActionTypeId: {Category: Approval, Owner: AWS, Provider: Manual, Version: '1'}}]}";
const PROD: &str = "{Name: Prod, Actions: [{Name: Deploy, ActionTypeId: {Category: Deploy, Owner: AWS, Provider: ECS, Version: '1'}}]}";

/// An action of a stage.
fn action(name: &str, category: &str, provider: &str, more: &str) -> String {
    format!(
        "{{Name: {name}, ActionTypeId: {{Category: {category}, Owner: AWS, Provider: {provider}, Version: '1'}}{more}}}"
    )
}

fn stage(name: &str, actions: &[String]) -> String {
    format!("{{Name: {name}, Actions: [{}]}}", actions.join(", "))
}

fn approve(more: &str) -> String {
    action("Approve", "Approval", "Manual", more)
}

/// What is said under each choice, the default's first.
fn said(found: &TemplateFinding) -> Vec<(&str, ComplianceType, bool)> {
    found.alternatives.iter().map(|line| (line.when.as_str(), line.compliance, line.default)).collect()
}

#[test]
fn case_01_a_gate_stands_in_an_earlier_stage_or_strictly_before_in_the_same() {
    assert_eq!(verdict(&pipeline(&[GATE, PROD])), Compliant);
    assert_eq!(verdict(&pipeline(&[PROD])), NonCompliant);
    for (gate, deploy, expected) in [
        (", RunOrder: 1", ", RunOrder: 2", Compliant),
        (", RunOrder: '1'", ", RunOrder: '2'", Compliant),
        ("", ", RunOrder: 2", Compliant),
        (", RunOrder: !Ref First", ", RunOrder: !Ref Second", Compliant),
        (", RunOrder: 1", "", NonCompliant),
        ("", "", NonCompliant),
        (", RunOrder: 2", ", RunOrder: 1", NonCompliant),
    ] {
        let orders = "Parameters:\n  First: {Type: Number, Default: 1}\n  Second: {Type: Number, Default: 2}";
        let both = stage("Prod", &[action("Deploy", "Deploy", "ECS", deploy), approve(gate)]);
        assert_eq!(verdict(&pipeline_with(orders, &[&both])), expected, "{gate} {deploy}");
    }
}

#[test]
fn case_02_an_approval_last_in_the_stage_before() {
    let dev = stage("Dev", &[action("Deploy", "Deploy", "ECS", ", RunOrder: 1"), approve(", RunOrder: 2")]);
    assert_eq!(verdict(&pipeline(&[&dev, PROD])), Compliant);
}

#[test]
fn case_03_an_approval_after_the_deploy_or_before_a_teardown_gates_nothing() {
    let after = stage("Prod", &[action("Deploy", "Deploy", "ECS", ", RunOrder: 1"), approve(", RunOrder: 2")]);
    assert_eq!(verdict(&pipeline(&[&after])), NonCompliant);
    let teardown =
        action("Delete", "Deploy", "CloudFormation", ", Configuration: {ActionMode: DELETE_ONLY, StackName: web-prod}");
    assert_eq!(verdict(&pipeline(&[PROD, GATE, &stage("End", &[teardown])])), NonCompliant);
}

#[test]
fn case_04_making_a_change_set_is_harmless_executing_it_is_the_deploy() {
    let change = |mode: &str, order: u32| {
        let more = format!(", RunOrder: {order}, Configuration: {{ActionMode: {mode}, StackName: web-prod}}");
        action(mode, "Deploy", "CloudFormation", &more)
    };
    let prod =
        stage("Prod", &[change("CHANGE_SET_REPLACE", 1), approve(", RunOrder: 2"), change("CHANGE_SET_EXECUTE", 3)]);
    assert_eq!(verdict(&pipeline(&[&prod])), Compliant);
    let executed = stage("Prod", &[change("CHANGE_SET_EXECUTE", 1), approve(", RunOrder: 2")]);
    assert_eq!(verdict(&pipeline(&[&executed])), NonCompliant);
    // The stack that the pipeline itself is part of.
    let own = action(
        "Update",
        "Deploy",
        "CloudFormation",
        ", Configuration: {ActionMode: CREATE_UPDATE, StackName: !Ref 'AWS::StackName'}",
    );
    assert_eq!(verdict(&pipeline(&[&stage("Prod", &[own])])), NotApplicable);
}

#[test]
fn case_05_deployments_that_are_not_of_category_deploy() {
    for (category, provider, more) in [
        ("Build", "CodeBuild", ", Configuration: {ProjectName: terraform-apply}"),
        ("Invoke", "Lambda", ", Configuration: {FunctionName: deploy-web}"),
        (
            "Invoke",
            "StepFunctions",
            ", Configuration: {StateMachineArn: 'arn:aws:states:eu-west-1:111122223333:stateMachine:release'}",
        ),
    ] {
        let prod = stage("Prod", &[action("Run", category, provider, more)]);
        assert_eq!(verdict(&pipeline(&[&prod])), NonCompliant, "{provider}");
        assert_eq!(verdict(&pipeline(&[GATE, &prod])), Compliant, "{provider}");
    }
}

const SWITCH: &str = "Parameters:
  PipelineApprovalStage: {Type: String, Default: 'No', AllowedValues: ['Yes', 'No']}
Conditions:
  IsOn: !Equals [!Ref PipelineApprovalStage, 'Yes']
  IsOff: !Not [!Condition IsOn]";

#[test]
fn case_06_an_approval_that_a_parameter_switches_is_undecided_and_both_answers_are_given() {
    let gate = format!("!If [IsOn, {GATE}, !Ref 'AWS::NoValue']");
    let template = pipeline_with(SWITCH, &[&gate, PROD]);
    let found = &judged(&template, &[])["Pipeline"];
    assert_eq!(found.finding.compliance, InsufficientData);
    let expected = [("PipelineApprovalStage=No", NonCompliant, true), ("PipelineApprovalStage=Yes", Compliant, false)];
    assert_eq!(said(found), expected);
    for (value, expected) in [("Yes", Compliant), ("No", NonCompliant)] {
        let found = judged(&template, &[("PipelineApprovalStage", value)]);
        assert_eq!(found["Pipeline"].finding.compliance, expected);
        assert!(found["Pipeline"].alternatives.is_empty());
    }
}

#[test]
fn case_06_long_forms_say_the_same() {
    let head = "Parameters:
  PipelineApprovalStage: {Type: String, Default: 'No'}
Conditions:
  IsOn: {'Fn::Equals': [{Ref: PipelineApprovalStage}, 'Yes']}";
    let gate = format!("{{'Fn::If': [IsOn, {GATE}, {{Ref: 'AWS::NoValue'}}]}}");
    let found = &judged(&pipeline_with(head, &[&gate, PROD]), &[])["Pipeline"];
    assert_eq!(found.finding.compliance, InsufficientData);
    assert_eq!(said(found).len(), 2, "{:?}", found.alternatives);
}

#[test]
fn case_06_whatever_part_of_the_gate_is_conditional() {
    let manual = "{Category: Approval, Owner: AWS, Provider: Manual, Version: '1'}";
    let lambda = "{Category: Invoke, Owner: AWS, Provider: Lambda, Version: '1'}";
    let deploy = action("Deploy", "Deploy", "ECS", ", RunOrder: 2");
    for gate in [
        format!("!If [IsOn, {}, !Ref 'AWS::NoValue']", approve("")),
        format!("{{Name: Approve, ActionTypeId: !If [IsOn, {manual}, {lambda}]}}"),
        format!("!If [IsOff, !Ref 'AWS::NoValue', {}]", approve("")),
    ] {
        let prod = stage("Prod", &[gate.clone(), deploy.clone()]);
        let found = &judged(&pipeline_with(SWITCH, &[&prod]), &[])["Pipeline"];
        assert_eq!(found.finding.compliance, InsufficientData, "{gate}");
        let expected =
            [("PipelineApprovalStage=No", NonCompliant, true), ("PipelineApprovalStage=Yes", Compliant, false)];
        assert_eq!(said(found), expected, "{gate}");
    }
}

#[test]
fn case_06_whatever_part_of_the_deployment_is_conditional() {
    let target = "{Category: Deploy, Owner: AWS, Provider: !If [IsOn, ECS, CodeDeploy], Version: '1'}";
    let provider = format!("{{Name: Prod, Actions: [{{Name: Deploy, ActionTypeId: {target}}}]}}");
    // Both providers deploy, so that the parameter decides nothing.
    assert_eq!(verdict(&pipeline_with(SWITCH, &[&provider])), NonCompliant);
    assert_eq!(verdict(&pipeline_with(SWITCH, &[GATE, &provider])), Compliant);
    let mode = |rest: &str| {
        let more = format!(", Configuration: {{StackName: web-prod, ActionMode: !If [IsOn, DELETE_ONLY, {rest}]}}");
        stage("Prod", &[action("Stack", "Deploy", "CloudFormation", &more)])
    };
    // Wherever it deploys at all, it deploys without approval.
    assert_eq!(verdict(&pipeline_with(SWITCH, &[&mode("CREATE_UPDATE")])), NonCompliant);
    assert_eq!(verdict(&pipeline_with(SWITCH, &[&mode("CHANGE_SET_REPLACE")])), NotApplicable);
    let configuration =
        "!If [IsOn, {ActionMode: DELETE_ONLY, StackName: a}, {ActionMode: CREATE_UPDATE, StackName: a}]";
    let whole =
        stage("Prod", &[action("Stack", "Deploy", "CloudFormation", &format!(", Configuration: {configuration}"))]);
    assert_eq!(verdict(&pipeline_with(SWITCH, &[&whole])), NonCompliant);
    assert_eq!(verdict(&pipeline_with(SWITCH, &[GATE, &whole])), Compliant);
}

#[test]
fn case_06_a_conditional_production_stage() {
    let prod = format!("!If [IsOn, {PROD}, !Ref 'AWS::NoValue']");
    let dev = stage("Dev", &[action("Deploy", "Deploy", "ECS", "")]);
    // Ungated wherever it exists; without it, the stage before is the last that deploys.
    assert_eq!(verdict(&pipeline_with(SWITCH, &[&prod])), NonCompliant);
    assert_eq!(verdict(&pipeline_with(SWITCH, &[GATE, &dev, &prod])), Compliant);
}

#[test]
fn case_06_a_conditional_pipeline() {
    let template = pipeline_with(SWITCH, &[PROD]).replace(
        "    Type: AWS::CodePipeline::Pipeline\n",
        "    Type: AWS::CodePipeline::Pipeline\n    Condition: IsOn\n",
    );
    assert_eq!(verdict(&template), NonCompliant);
    assert_eq!(judged(&template, &[("PipelineApprovalStage", "Yes")])["Pipeline"].finding.compliance, NonCompliant);
    assert!(judged(&template, &[("PipelineApprovalStage", "No")]).is_empty());
}

#[test]
fn case_06_a_condition_that_no_parameter_decides_is_tried_both_ways() {
    let head = "Conditions:\n  IsOn: !Equals [!ImportValue gates, 'on']";
    let gate = format!("!If [IsOn, {GATE}, !Ref 'AWS::NoValue']");
    let found = &judged(&pipeline_with(head, &[&gate, PROD]), &[])["Pipeline"];
    assert_eq!(found.finding.compliance, InsufficientData);
    let expected = [("Condition IsOn=true", Compliant, false), ("Condition IsOn=false", NonCompliant, false)];
    assert_eq!(said(found), expected);
}

#[test]
fn case_07_production_in_one_name_only() {
    let two = |more: &str, name: &str| {
        let [first, second] = ["One", "Two"].map(|stage_name| {
            let more = if stage_name == "Two" { more } else { "" };
            let name = if stage_name == "Two" { name } else { "DeployDev" };
            stage(stage_name, &[action(name, "Deploy", "CloudFormation", more)])
        });
        // The approval stands before the other one.
        pipeline(&[&second, GATE, &first])
    };
    assert_eq!(verdict(&two("", "DeployPrd")), NonCompliant);
    assert_eq!(
        verdict(
            &two(", Configuration: {ActionMode: CREATE_UPDATE, StackName: !Sub 'web-${Suffix}'}", "Deploy")
                .replace("\nResources:", "Parameters: {Suffix: {Type: String, Default: production}}\nResources:")
        ),
        NonCompliant
    );
    assert_eq!(verdict(&two("", "DeployTest")), NotApplicable);
}

#[test]
fn an_environment_that_anybody_may_give_is_production_some_day() {
    let deploy = action("Deploy", "Deploy", "ECS", "");
    let named = stage("!Sub 'Deploy-${Environment}'", &[deploy]);
    for head in ["", ", Default: dev"] {
        let head = format!("Parameters:\n  Environment: {{Type: String{head}}}");
        let found = &judged(&pipeline_with(&head, &[&named]), &[])["Pipeline"];
        assert_eq!(found.finding.compliance, NonCompliant, "{head}");
        assert!(said(found).iter().any(|(when, ..)| *when == "Environment=prod"), "{:?}", found.alternatives);
        assert_eq!(judged(&pipeline_with(&head, &[GATE, &named]), &[])["Pipeline"].finding.compliance, Compliant);
        let given = judged(&pipeline_with(&head, &[&named]), &[("Environment", "dev")]);
        assert_eq!(given["Pipeline"].finding.compliance, NotApplicable);
    }
}

#[test]
fn what_is_named_after_its_stack_or_repository_may_be_called_anything() {
    let build = |name: &str| action(name, "Build", "CodeBuild", ", Configuration: {ProjectName: !Ref Project}");
    let head = "Parameters:\n  GitHubRepoName: {Type: String}\n  Project: {Type: String}";
    for name in ["!Ref GitHubRepoName", "!Ref AWS::StackName", "Web"] {
        let template = pipeline_with(head, &[&stage("Build", &[build(name)])]);
        assert_eq!(verdict(&template), NotApplicable, "{name}");
        let template = pipeline_with(head, &[&stage("Build", &[build(name)]), PROD]);
        assert_eq!(verdict(&template), NonCompliant, "{name}");
    }
    // Nothing says what these do.
    let called = pipeline_with(head, &[&stage("Build", &[build("Web")])])
        .replace("      RoleArn:", "      Name: web-deploy\n      RoleArn:");
    assert_eq!(verdict(&called), InsufficientData);
    assert_eq!(verdict(&pipeline_with(head, &[&stage("Ship", &[build("Web")])])), InsufficientData);
    assert_eq!(verdict(&pipeline_with(head, &[&stage("Ship", &[build("DestroyStacks")])])), NotApplicable);
}

#[test]
fn the_word_stage_is_no_staging() {
    let more = ", Configuration: {ActionMode: CREATE_UPDATE, StackName: AppStage-Web}";
    assert_eq!(
        verdict(&pipeline(&[&stage("AppStage", &[action("Deploy", "Deploy", "CloudFormation", more)])])),
        NonCompliant
    );
}

#[test]
fn commands_that_nobody_knows_may_deploy() {
    let head = "Parameters:\n  Lines: {Type: CommaDelimitedList}";
    let run = action("Run", "Compute", "Commands", ", Commands: !Ref Lines");
    assert_eq!(verdict(&pipeline_with(head, &[&stage("Prod", std::slice::from_ref(&run))])), InsufficientData);
    assert_eq!(verdict(&pipeline_with(head, &[GATE, &stage("Prod", &[run])])), InsufficientData);
}

#[test]
fn case_08_something_called_approve_is_no_approval() {
    let fake = stage("Approve", &[action("Approve", "Invoke", "Lambda", ", Configuration: {FunctionName: approve}")]);
    assert_eq!(verdict(&pipeline(&[&fake, PROD])), NonCompliant);
}

#[test]
fn case_09_several_pipelines_are_judged_each_on_its_own() {
    let other = pipeline(&[GATE, PROD]).split_once("  Pipeline:").unwrap().1.replace("Prod", "Production");
    let template = format!("{}  Gated:{other}", pipeline(&[PROD]));
    let found = judged(&template, &[]);
    assert_eq!(found["Pipeline"].finding.compliance, NonCompliant);
    assert_eq!(found["Gated"].finding.compliance, Compliant);
}

#[test]
fn case_10_nothing_is_deployed() {
    let build = stage("Build", &[action("Build", "Build", "CodeBuild", ", Configuration: {ProjectName: web-build}")]);
    let project = "  Project: {Type: 'AWS::CodeBuild::Project', Properties: {Name: web-build, Source: {Type: CODEPIPELINE, BuildSpec: 'version: 0.2'}}}\n";
    let found = judged(&format!("{}{project}", pipeline(&[&build])), &[]);
    assert!(matches!(found["Pipeline"].finding.compliance, NotApplicable | InsufficientData), "{found:?}");
}

#[test]
fn case_11_automated_gates_are_not_a_person() {
    let rule = "BeforeEntry: {Conditions: [{Result: FAIL, Rules: [{Name: Window, RuleTypeId: {Category: Rule, Owner: AWS, Provider: DeploymentWindow, Version: '1'}}]}]}";
    let guarded = PROD.replacen("Name: Prod", &format!("Name: Prod, {rule}"), 1);
    assert_eq!(verdict(&pipeline(&[&guarded])), NonCompliant);
}

#[test]
fn case_12_a_pipeline_that_rewrites_itself_before_the_gate_is_another_controls_matter() {
    let mutate = stage(
        "UpdatePipeline",
        &[action("SelfMutate", "Build", "CodeBuild", ", Configuration: {ProjectName: mutate}")],
    );
    assert_eq!(verdict(&pipeline(&[&mutate, GATE, PROD])), Compliant);
}

#[test]
fn loops_make_pipelines() {
    let head = "Transform: AWS::LanguageExtensions";
    let one = pipeline_with(head, &[PROD]);
    let (before, body) = one.split_once("  Pipeline:\n").unwrap();
    let indented: String = body.lines().map(|line| format!("        {line}\n")).collect();
    let looped = format!(
        "{before}  'Fn::ForEach::Teams':\n    - Team\n    - [Web, Api]\n    - 'Pipeline${{Team}}':\n{indented}"
    );
    let found = judged(&looped, &[]);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["PipelineApi", "PipelineWeb"]);
    assert!(found.values().all(|found| found.finding.compliance == NonCompliant));
}
