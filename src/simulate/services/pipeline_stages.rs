//! The stages of a pipeline, rendered from its knobs.

use serde_json::{Map, Value, json};

use super::super::PLANTED_SECRET;
use super::super::estate::{
    AlarmSpec, Approval, Artifact, GroupSpec, Naming, PipelineSpec, Platform, ProjectSpec, Reach, RoleRef, Secret,
    Source, SourceSpec, StageRollback, Staging, Step, Tests, Watch, application_name, word,
};
use super::super::world::World;

/// All stages in order.
pub(super) fn stages(world: &World, spec: &PipelineSpec) -> Vec<Value> {
    let writer = Writer { world, spec };
    let mut stages = vec![stage("Source", vec![writer.source()])];
    if spec.self_mutation {
        stages.push(stage("UpdatePipeline", vec![writer.build("SelfMutate", "Build", false)]));
    }
    match spec.tests {
        Tests::Build => stages.push(stage("Build", vec![writer.build("Build", "Build", true)])),
        Tests::TestOnly => stages.push(stage("Test", vec![writer.build("UnitTest", "Test", false)])),
        Tests::Missing | Tests::Late => {}
    }
    match spec.reach {
        Reach::Nothing => {}
        Reach::LooksLikeProduction => {
            // The one that says that it is not production comes last, so that nothing is left to be assumed.
            stages.push(stage("Delivery", vec![writer.deployment("DeployProductCatalog", "catalog", 1, None)]));
            stages.push(stage("NonProd", vec![writer.deployment("Deploy-PreProd", "preprod", 1, None)]));
        }
        _ => writer.deployments(&mut stages),
    }
    if spec.tests == Tests::Late || spec.reach == Reach::Nothing && stages.len() < 2 {
        stages.push(stage("Verify", vec![writer.build("IntegrationTest", "Test", false)]));
    }
    super::pipeline_practice::apply(world, spec, writer.names().0, &mut stages);
    stages
}

/// The name of the (first) production stage, or of the only deploying one.
pub(super) fn main_stage(world: &World, spec: &PipelineSpec) -> &'static str {
    Writer { world, spec }.names().0
}

/// Name of the source action.
pub(super) const SOURCE_ACTION: &str = "Checkout";

struct Writer<'a> {
    world: &'a World,
    spec: &'a PipelineSpec,
}

fn stage(name: &str, actions: Vec<Value>) -> Value {
    json!({ "name": name, "actions": Value::Array(actions) })
}

fn kind(category: &str, owner: &str, provider: &str, version: &str) -> Value {
    json!({ "category": category, "owner": owner, "provider": provider, "version": version })
}

fn approval(run_order: u32) -> Value {
    json!({
        "name": "Approve", "actionTypeId": kind("Approval", "AWS", "Manual", "1"), "runOrder": run_order,
        "configuration": { "CustomData": "Look at the change before it goes on" },
        "inputArtifacts": [], "outputArtifacts": []
    })
}

fn artifacts(names: &[&str]) -> Value {
    names.iter().map(|name| json!({ "name": name })).collect()
}

impl Writer<'_> {
    fn deployments(&self, stages: &mut Vec<Value>) {
        let spec = self.spec;
        let (stage_name, action, stack) = self.names();
        let role = match spec.reach {
            Reach::CrossAccount(account) => Some(account),
            _ => None,
        };
        if spec.staging == Staging::First {
            stages.push(stage("Staging", vec![self.staging(1)]));
        }
        if spec.step == Step::ChangeSet && spec.approval == Approval::EarlierStage {
            stages.push(stage("Prepare", vec![self.change_set(stack, 1, role)]));
        }
        match spec.approval {
            Approval::EarlierStage => stages.push(stage("Approve", vec![approval(1)])),
            Approval::CalledSo => {
                stages.push(stage("Approve", vec![self.build("ManualApproval", "Build", false)]));
            }
            _ => {}
        }
        let actions = match spec.approval {
            Approval::SameStage if spec.step == Step::ChangeSet => {
                vec![self.change_set(stack, 1, role), approval(2), self.deployment(action, stack, 3, role)]
            }
            Approval::SameStage => vec![approval(1), self.deployment(action, stack, 2, role)],
            Approval::AfterDeploy => vec![self.deployment(action, stack, 1, role), approval(2)],
            Approval::EqualRunOrder => vec![approval(1), self.deployment(action, stack, 1, role)],
            Approval::StagingOnly => vec![self.deployment(action, stack, 1, role), approval(2), self.staging(3)],
            Approval::PartOfStage => vec![
                self.deployment(action, stack, 1, role),
                approval(2),
                self.deployment(&format!("{action}-Second"), &format!("{stack}-second"), 3, role),
            ],
            Approval::Missing | Approval::EarlierStage | Approval::BeforeTeardown | Approval::CalledSo => {
                vec![self.deployment(action, stack, 1, role)]
            }
        };
        stages.push(self.guarded(stage(stage_name, actions), true));
        if spec.two_stages {
            let second = self.deployment(action, &format!("{stack}-second"), 1, role);
            stages.push(self.guarded(stage(&format!("{stage_name}-Second"), vec![second]), false));
        }
        if spec.approval == Approval::BeforeTeardown {
            stages.push(stage("Teardown", vec![approval(1), self.teardown(2)]));
        }
    }

    /// Stage, action and suffix of the stack that production (or the only deployment) has.
    fn names(&self) -> (&'static str, &'static str, &'static str) {
        let spec = self.spec;
        let neutral_action = match spec.step {
            Step::Lambda => "DeployFunction",
            Step::StateMachine => "DeployWithStateMachine",
            Step::CodeBuildApply | Step::CommandsApply => "terraform-apply",
            _ => "Deploy",
        };
        let staging = self.world.member(spec.account).environment == Some("staging");
        match spec.reach {
            Reach::NonProduction if staging => ("Staging", neutral_action, "staging"),
            Reach::NonProduction => ("Dev", neutral_action, "dev"),
            Reach::Name(variant) => self.production_names(variant, neutral_action),
            _ => ("Rollout", neutral_action, "app"),
        }
    }

    fn production_names(
        &self,
        variant: usize,
        neutral_action: &'static str,
    ) -> (&'static str, &'static str, &'static str) {
        let spec = self.spec;
        if spec.approval == Approval::StagingOnly {
            return ("Rollout", "DeployProd", "app");
        }
        match (spec.step, variant % 5) {
            (Step::CodeBuildApply | Step::CommandsApply, _) => ("Infrastructure", "terraform-apply-prod", "app"),
            (Step::Lambda, 1 | 3) => ("Release", "DeployFunctionProd", "app"),
            (Step::CodeDeploy, _) if self.group().naming == Naming::Production && variant.is_multiple_of(2) => {
                ("Rollout", "Deploy", "app")
            }
            (Step::Stack | Step::ChangeSet, 4) => ("Release", "Deploy", "prod"),
            (Step::Stack | Step::ChangeSet | Step::Ecs | Step::S3, 1) => ("Release", "DeployLive", "app"),
            (Step::Stack | Step::ChangeSet | Step::Ecs, 2) => ("Rollout", "deploy-prd-stack", "app"),
            (_, 3) => ("Production", neutral_action, "app"),
            _ => ("Prod", neutral_action, "app"),
        }
    }

    fn group(&self) -> GroupSpec {
        GroupSpec::new(self.world, self.spec.account, self.spec.region, self.spec.number)
    }

    fn stack(&self, suffix: &str) -> String {
        format!("{}-{suffix}", word(self.spec.account, self.spec.number))
    }

    fn input(&self) -> Value {
        match (self.spec.artifact, self.spec.tests) {
            (Artifact::Built, Tests::Build) => artifacts(&["BuildOutput"]),
            _ => artifacts(&["SourceOutput"]),
        }
    }

    fn staging(&self, run_order: u32) -> Value {
        let by_account = matches!(self.spec.reach, Reach::OwnAccount | Reach::CrossAccount(_));
        let role = if by_account { self.world.staging_account() } else { None };
        self.cloudformation("DeployStaging", "CREATE_UPDATE", &self.stack("staging"), run_order, role)
    }

    fn change_set(&self, stack: &str, run_order: u32, role: Option<usize>) -> Value {
        let mut action =
            self.cloudformation("CreateChangeSet", "CHANGE_SET_REPLACE", &self.stack(stack), run_order, role);
        set(&mut action, "configuration", "ChangeSetName", "release");
        action
    }

    fn teardown(&self, run_order: u32) -> Value {
        let mut action = self.cloudformation("DeleteStack", "DELETE_ONLY", &self.stack("ephemeral"), run_order, None);
        if let Some(action) = action.as_object_mut() {
            action.insert("inputArtifacts".to_owned(), json!([]));
        }
        action
    }

    fn cloudformation(&self, name: &str, mode: &str, stack: &str, run_order: u32, role: Option<usize>) -> Value {
        let world = self.world;
        let account = role.unwrap_or(self.spec.account);
        let mut action = json!({
            "name": name, "actionTypeId": kind("Deploy", "AWS", "CloudFormation", "1"), "runOrder": run_order,
            "configuration": {
                "ActionMode": mode, "StackName": stack,
                "RoleArn": world.role_arn(account, "CloudFormationExecution"),
                "Capabilities": "CAPABILITY_IAM", "TemplatePath": "BuildOutput::template.yaml"
            },
            "inputArtifacts": self.input(), "outputArtifacts": []
        });
        self.assume(&mut action, role);
        action
    }

    fn assume(&self, action: &mut Value, role: Option<usize>) {
        if let (Some(account), Some(action)) = (role, action.as_object_mut()) {
            action.insert("roleArn".to_owned(), json!(RoleRef::of_action(account, self.spec.account).arn(self.world)));
        }
    }

    /// The deployment itself.
    fn deployment(&self, name: &str, stack: &str, run_order: u32, role: Option<usize>) -> Value {
        let spec = self.spec;
        let mut action = match spec.step {
            Step::Stack => self.cloudformation(name, "CREATE_UPDATE", &self.stack(stack), run_order, role),
            Step::ChangeSet => self.execution(name, stack, run_order, role),
            Step::CodeBuildApply => {
                let mut action = self.build(name, "Build", false);
                if let Some(action) = action.as_object_mut() {
                    action.insert("runOrder".to_owned(), json!(run_order));
                    action.insert("inputArtifacts".to_owned(), self.input());
                }
                action
            }
            Step::CommandsApply => json!({
                "name": name, "actionTypeId": kind("Compute", "AWS", "Commands", "1"), "runOrder": run_order,
                "commands": ["terraform init", "terraform apply -auto-approve"],
                "inputArtifacts": self.input(), "outputArtifacts": []
            }),
            _ => self.simple_deployment(name, run_order),
        };
        self.assume(&mut action, role);
        if let (Some(other), Some(action)) = (spec.cross_region, action.as_object_mut()) {
            action.insert("region".to_owned(), json!(self.world.region_name(other.region)));
        }
        action
    }

    fn execution(&self, name: &str, stack: &str, run_order: u32, role: Option<usize>) -> Value {
        let mut action = self.cloudformation(name, "CHANGE_SET_EXECUTE", &self.stack(stack), run_order, role);
        set(&mut action, "configuration", "ChangeSetName", "release");
        if let Some(action) = action.as_object_mut() {
            action.insert("inputArtifacts".to_owned(), json!([]));
        }
        action
    }

    fn simple_deployment(&self, name: &str, run_order: u32) -> Value {
        let spec = self.spec;
        let word = word(spec.account, spec.number);
        let (kind, configuration) = match spec.step {
            Step::Ecs => (
                kind("Deploy", "AWS", "ECS", "1"),
                json!({ "ClusterName": "services", "ServiceName": word, "FileName": "imagedefinitions.json" }),
            ),
            Step::Lambda => (
                kind("Invoke", "AWS", "Lambda", "1"),
                json!({ "FunctionName": format!("deploy-{word}"), "UserParameters": "{}" }),
            ),
            Step::StateMachine => {
                let machine = format!("stateMachine:deploy-{word}");
                let arn = self.world.arn("states", spec.region, spec.account, &machine);
                (kind("Invoke", "AWS", "StepFunctions", "1"), json!({ "StateMachineArn": arn }))
            }
            Step::CodeDeploy => {
                let group = self.group();
                let ecs = group.platform == Platform::Ecs;
                let provider = if ecs { "CodeDeployToECS" } else { "CodeDeploy" };
                let application = application_name(spec.account, group.application());
                (
                    kind("Deploy", "AWS", provider, "1"),
                    json!({ "ApplicationName": application, "DeploymentGroupName": group.name() }),
                )
            }
            _ => (
                kind("Deploy", "AWS", "S3", "1"),
                json!({ "BucketName": format!("website-{word}"), "Extract": "true" }),
            ),
        };
        json!({
            "name": name, "actionTypeId": kind, "runOrder": run_order, "configuration": configuration,
            "inputArtifacts": self.input(), "outputArtifacts": []
        })
    }

    fn build(&self, name: &str, category: &str, with_output: bool) -> Value {
        let spec = self.spec;
        let project = ProjectSpec::new(self.world, spec.account, spec.region, spec.number);
        let mut configuration = Map::new();
        configuration.insert("ProjectName".to_owned(), json!(project.name()));
        if let Some(variables) = self.variables() {
            configuration.insert("EnvironmentVariables".to_owned(), json!(variables));
        }
        let outputs = if with_output { artifacts(&["BuildOutput"]) } else { json!([]) };
        json!({
            "name": name, "actionTypeId": kind(category, "AWS", "CodeBuild", "1"), "runOrder": 1,
            "configuration": configuration, "inputArtifacts": artifacts(&["SourceOutput"]), "outputArtifacts": outputs
        })
    }

    /// As the API has them: a JSON text inside the configuration.
    fn variables(&self) -> Option<String> {
        let planted = format!("{PLANTED_SECRET}{}-{}", self.spec.account, self.spec.number);
        let stage = json!({ "name": "STAGE", "value": "all", "type": "PLAINTEXT" });
        let variables = match self.spec.secret {
            Secret::NoVariables => return None,
            Secret::Referenced => {
                json!([stage, { "name": "DB_PASSWORD", "value": "delivery/database:password", "type": "SECRETS_MANAGER" }])
            }
            Secret::Harmless => json!([stage]),
            Secret::PlantedByName => json!([stage, { "name": "DB_PASSWORD", "value": planted, "type": "PLAINTEXT" }]),
            Secret::PlantedByForm => {
                json!([stage, { "name": "REGISTRY", "value": format!("ghp_{planted}"), "type": "PLAINTEXT" }])
            }
        };
        Some(variables.to_string())
    }

    fn source(&self) -> Value {
        let word = word(self.spec.account, self.spec.number);
        let bucket = format!("sources-{word}");
        let source = SourceSpec::of(self.world, self.spec);
        let (repository, branch) = source.as_ref().map_or((String::new(), ""), |s| (s.repository(), s.branch()));
        let (kind, configuration) = match self.spec.source {
            Source::Connection => {
                let arn = source.and_then(|source| source.connection).map(|connection| connection.arn(self.world));
                (
                    kind("Source", "AWS", "CodeStarSourceConnection", "1"),
                    json!({ "ConnectionArn": arn, "FullRepositoryId": repository, "BranchName": branch }),
                )
            }
            Source::CodeCommitEvents => (
                kind("Source", "AWS", "CodeCommit", "1"),
                json!({ "RepositoryName": repository, "BranchName": branch, "PollForSourceChanges": "false" }),
            ),
            Source::CodeCommitDefault => (
                kind("Source", "AWS", "CodeCommit", "1"),
                json!({ "RepositoryName": repository, "BranchName": branch }),
            ),
            Source::S3Events => (
                kind("Source", "AWS", "S3", "1"),
                json!({ "S3Bucket": bucket, "S3ObjectKey": "source.zip", "PollForSourceChanges": "false" }),
            ),
            Source::S3Polling => (
                kind("Source", "AWS", "S3", "1"),
                json!({ "S3Bucket": bucket, "S3ObjectKey": "source.zip", "PollForSourceChanges": "true" }),
            ),
            Source::GitHubToken { polling } => {
                let (owner, name) = repository.split_once('/').unwrap_or_default();
                (
                    kind("Source", "ThirdParty", "GitHub", "1"),
                    json!({
                        "Owner": owner, "Repo": name, "Branch": branch, "OAuthToken": "****",
                        "PollForSourceChanges": polling.to_string()
                    }),
                )
            }
            Source::Ecr => (kind("Source", "AWS", "ECR", "1"), json!({ "RepositoryName": word, "ImageTag": "latest" })),
        };
        json!({
            "name": SOURCE_ACTION, "actionTypeId": kind, "runOrder": 1, "configuration": configuration,
            "inputArtifacts": [], "outputArtifacts": artifacts(&["SourceOutput"])
        })
    }

    /// Adds the conditions of a production stage.
    fn guarded(&self, mut stage: Value, first: bool) -> Value {
        let Some(fields) = stage.as_object_mut() else { return stage };
        match self.spec.rollback {
            StageRollback::Result => {
                fields.insert("onFailure".to_owned(), json!({ "result": "ROLLBACK" }));
            }
            StageRollback::FirstOfTwo if first => {
                fields.insert("onFailure".to_owned(), json!({ "result": "ROLLBACK" }));
            }
            StageRollback::Condition => {
                let rule = json!({
                    "name": "CheckHealth", "ruleTypeId": kind("Rule", "AWS", "LambdaInvoke", "1"),
                    "configuration": { "FunctionName": "check-health" }, "inputArtifacts": []
                });
                let conditions = json!({ "conditions": [{ "result": "ROLLBACK", "rules": [rule] }] });
                fields.insert("onFailure".to_owned(), conditions);
            }
            StageRollback::Retry => {
                let retry = json!({ "result": "RETRY", "retryConfiguration": { "retryMode": "FAILED_ACTIONS" } });
                fields.insert("onFailure".to_owned(), retry);
            }
            StageRollback::Missing | StageRollback::FirstOfTwo => {}
        }
        match self.spec.watch {
            Watch::Missing => {}
            Watch::Success { alarm, rollback } => {
                let result = if rollback { "ROLLBACK" } else { "FAIL" };
                fields.insert("onSuccess".to_owned(), alarm_condition(&self.alarm(alarm), result));
            }
            Watch::Entry { alarm } => {
                fields.insert("beforeEntry".to_owned(), alarm_condition(&self.alarm(alarm), "FAIL"));
            }
        }
        stage
    }

    /// How a rule names an alarm: some by name, some by ARN.
    fn alarm(&self, slot: usize) -> String {
        let (alarm, spec) = (AlarmSpec::new(slot), self.spec);
        if spec.number % 3 == 1 { alarm.arn(self.world, spec.account, spec.region) } else { alarm.name() }
    }
}

fn alarm_condition(alarm: &str, result: &str) -> Value {
    let rule = json!({
        "name": "WatchAlarm", "ruleTypeId": kind("Rule", "AWS", "CloudWatchAlarm", "1"),
        "configuration": { "AlarmName": alarm, "AlarmStates": "ALARM", "WaitTime": "5" },
        "inputArtifacts": []
    });
    json!({ "conditions": [{ "result": result, "rules": [rule] }] })
}

fn set(action: &mut Value, map: &str, key: &str, value: &str) {
    if let Some(fields) = action.get_mut(map).and_then(Value::as_object_mut) {
        fields.insert(key.to_owned(), json!(value));
    }
}
