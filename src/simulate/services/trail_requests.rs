//! What a trail records of each act: source, name, request and response.
//!
//! Names of members are those of the API models; times in responses are texts of a locale, as AWS writes them.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::super::estate::{
    Act, AlarmSpec, BucketRef, Deed, GroupSpec, KeyRef, PipelineSpec, ProjectSpec, SourceSpec, Story, application_name,
};
use super::super::world::World;
use super::codedeploy::rollback;
use super::codepipeline::definition;
use super::pipeline_stages::{main_stage, stages};
use super::trail_events::local;

/// What is said of a call.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorded {
    pub(super) request: Value,
    pub(super) response: Value,
    pub(super) additional: Option<Value>,
    /// Type and ARN of what it is about.
    pub(super) resource: Option<(&'static str, String)>,
}

/// Source and name.
pub(super) fn title(deed: &Deed) -> (&'static str, &'static str) {
    const PIPELINE: &str = "codepipeline.amazonaws.com";
    const DEPLOY: &str = "codedeploy.amazonaws.com";
    const COMMIT: &str = "codecommit.amazonaws.com";
    match deed {
        Deed::Start { .. } => (PIPELINE, "StartPipelineExecution"),
        Deed::Approve { .. } => (PIPELINE, "PutApprovalResult"),
        Deed::Retry { .. } => (PIPELINE, "RetryStageExecution"),
        Deed::RollBack { .. } => (PIPELINE, "RollbackStage"),
        Deed::Override { .. } => (PIPELINE, "OverrideStageCondition"),
        Deed::Stop { .. } => (PIPELINE, "StopPipelineExecution"),
        Deed::Hold { .. } => (PIPELINE, "DisableStageTransition"),
        Deed::Release { .. } => (PIPELINE, "EnableStageTransition"),
        Deed::Update { .. } => (PIPELINE, "UpdatePipeline"),
        Deed::Deploy { .. } => (DEPLOY, "CreateDeployment"),
        Deed::StopDeployment { .. } => (DEPLOY, "StopDeployment"),
        Deed::UpdateGroup { .. } => (DEPLOY, "UpdateDeploymentGroup"),
        Deed::AnswerHook { .. } => (DEPLOY, "PutLifecycleEventHookExecutionStatus"),
        Deed::Build { .. } => ("codebuild.amazonaws.com", "StartBuild"),
        Deed::Push { .. } => (COMMIT, "GitPush"),
        Deed::Merge { request, .. } => match request % 3 {
            0 => (COMMIT, "MergePullRequestBySquash"),
            1 => (COMMIT, "MergePullRequestByThreeWay"),
            _ => (COMMIT, "MergePullRequestByFastForward"),
        },
        Deed::OverrideRules { .. } => (COMMIT, "OverridePullRequestApprovalRules"),
        Deed::DeleteRule { .. } => (COMMIT, "DeletePullRequestApprovalRule"),
        Deed::SwitchAlarm { on: true, .. } => ("monitoring.amazonaws.com", "EnableAlarmActions"),
        Deed::SwitchAlarm { on: false, .. } => ("monitoring.amazonaws.com", "DisableAlarmActions"),
        Deed::Versioning { .. } => ("s3.amazonaws.com", "PutBucketVersioning"),
        Deed::BucketPolicy { .. } => ("s3.amazonaws.com", "PutBucketPolicy"),
        Deed::DeleteKey { .. } => ("kms.amazonaws.com", "ScheduleKeyDeletion"),
        Deed::Logging { on: true, .. } => ("cloudtrail.amazonaws.com", "StartLogging"),
        Deed::Logging { on: false, .. } => ("cloudtrail.amazonaws.com", "StopLogging"),
        Deed::UpdateTrail { .. } => ("cloudtrail.amazonaws.com", "UpdateTrail"),
    }
}

struct Writer<'a> {
    world: &'a World,
    account: usize,
    region: usize,
    time: OffsetDateTime,
}

/// What is recorded of an act.
pub(super) fn recorded(world: &World, place: (usize, usize), act: &Act) -> Recorded {
    let writer = Writer { world, account: place.0, region: place.1, time: act.time };
    let mut said = match &act.deed {
        Deed::Start { .. }
        | Deed::Approve { .. }
        | Deed::Retry { .. }
        | Deed::RollBack { .. }
        | Deed::Override { .. }
        | Deed::Stop { .. }
        | Deed::Hold { .. }
        | Deed::Release { .. } => writer.execution(&act.deed),
        Deed::Update { pipeline, version, approval, omitted } => {
            writer.update(*pipeline, *version, *approval, *omitted)
        }
        Deed::Deploy { .. } | Deed::StopDeployment { .. } | Deed::UpdateGroup { .. } | Deed::AnswerHook { .. } => {
            writer.deployment(&act.deed)
        }
        Deed::Build { project, build, overridden } => writer.build(*project, build, *overridden),
        Deed::Push { .. } | Deed::Merge { .. } | Deed::OverrideRules { .. } | Deed::DeleteRule { .. } => {
            writer.code(act)
        }
        _ => writer.evidence(&act.deed),
    };
    let about = if title(&act.deed).0 == "codepipeline.amazonaws.com" { act.pipeline } else { None };
    said.resource = about.map(|number| ("AWS::CodePipeline::Pipeline", writer.pipeline(number).arn(world)));
    said
}

fn plain(request: Value, response: Value) -> Recorded {
    Recorded { request, response, additional: None, resource: None }
}

impl Writer<'_> {
    fn pipeline(&self, number: usize) -> PipelineSpec {
        PipelineSpec::new(self.world, self.account, self.region, number)
    }

    fn group(&self, number: usize) -> GroupSpec {
        GroupSpec::new(self.world, self.account, self.region, number)
    }

    /// Stage and name of the approval.
    fn approval(&self, spec: &PipelineSpec) -> (Value, Value) {
        for stage in stages(self.world, spec) {
            let actions = stage.get("actions").and_then(Value::as_array).into_iter().flatten();
            let approval = |action: &&Value| action.pointer("/actionTypeId/category") == Some(&json!("Approval"));
            if let Some(action) = actions.into_iter().find(approval) {
                return (json!(stage.get("name")), json!(action.get("name")));
            }
        }
        (json!("Approve"), json!("Approve"))
    }

    fn execution(&self, deed: &Deed) -> Recorded {
        let named = |number: usize| {
            let spec = self.pipeline(number);
            (spec.name(), main_stage(self.world, &spec))
        };
        match deed {
            Deed::Start { pipeline, execution, pinned } => {
                let mut request = json!({ "name": named(*pipeline).0 });
                if let (Some(commit), Some(fields)) = (pinned, request.as_object_mut()) {
                    let revision = json!({
                        "actionName": super::pipeline_stages::SOURCE_ACTION, "revisionType": "COMMIT_ID",
                        "revisionValue": commit
                    });
                    fields.insert("sourceRevisions".to_owned(), json!([revision]));
                }
                plain(request, json!({ "pipelineExecutionId": execution }))
            }
            Deed::Approve { pipeline, approved, summary } => {
                let (stage, action) = self.approval(&self.pipeline(*pipeline));
                let status = if *approved { "Approved" } else { "Rejected" };
                let request = json!({
                    "pipelineName": named(*pipeline).0, "stageName": stage, "actionName": action,
                    "result": { "summary": summary, "status": status }, "token": "5f0c1d2e-0000-4000-8000-00000000beef"
                });
                plain(request, json!({ "approvedAt": local(self.time) }))
            }
            Deed::Retry { pipeline, execution } => {
                let (name, stage) = named(*pipeline);
                let request = json!({
                    "pipelineName": name, "stageName": stage, "pipelineExecutionId": execution,
                    "retryMode": "FAILED_ACTIONS"
                });
                plain(request, json!({ "pipelineExecutionId": execution }))
            }
            Deed::RollBack { pipeline, target, execution } => {
                let (name, stage) = named(*pipeline);
                let request = json!({ "pipelineName": name, "stageName": stage, "targetPipelineExecutionId": target });
                plain(request, json!({ "pipelineExecutionId": execution }))
            }
            Deed::Override { pipeline, execution } => {
                let (name, stage) = named(*pipeline);
                let request = json!({
                    "pipelineName": name, "stageName": stage, "pipelineExecutionId": execution,
                    "conditionType": "BEFORE_ENTRY"
                });
                plain(request, Value::Null)
            }
            Deed::Stop { pipeline, execution, abandon } => {
                let request = json!({
                    "pipelineName": named(*pipeline).0, "pipelineExecutionId": execution, "abandon": abandon,
                    "reason": "not now"
                });
                plain(request, json!({ "pipelineExecutionId": execution }))
            }
            Deed::Hold { pipeline } => {
                let (name, stage) = named(*pipeline);
                let request = json!({
                    "pipelineName": name, "stageName": stage, "transitionType": "Inbound", "reason": "stock taking"
                });
                plain(request, Value::Null)
            }
            Deed::Release { pipeline } => {
                let (name, stage) = named(*pipeline);
                plain(json!({ "pipelineName": name, "stageName": stage, "transitionType": "Inbound" }), Value::Null)
            }
            _ => Recorded::default(),
        }
    }

    fn update(&self, pipeline: usize, version: u32, approval: bool, omitted: bool) -> Recorded {
        if omitted {
            let note = |what: &str| json!({ "reason": format!("{what} too large"), "omitted": true, "originalSize": "149893" });
            return plain(note("requestParameters"), note("responseElements"));
        }
        let spec = self.pipeline(pipeline);
        let mut after = definition(self.world, &spec);
        if let (true, Some(stages)) = (approval, after.get_mut("stages").and_then(Value::as_array_mut)) {
            let main = main_stage(self.world, &spec);
            let at = stages.iter().position(|stage| stage.get("name").and_then(Value::as_str) == Some(main));
            let kind = json!({ "category": "Approval", "owner": "AWS", "provider": "Manual", "version": "1" });
            let action = json!({
                "name": "Approve", "actionTypeId": kind, "runOrder": 1, "configuration": {}, "inputArtifacts": [],
                "outputArtifacts": []
            });
            stages.insert(at.unwrap_or(stages.len()), json!({ "name": "Approve", "actions": [action] }));
        }
        let mut before = after.clone();
        before.insert("version".to_owned(), json!(version.saturating_sub(1)));
        after.insert("version".to_owned(), json!(version));
        plain(json!({ "pipeline": before }), json!({ "pipeline": after }))
    }

    fn deployment(&self, deed: &Deed) -> Recorded {
        match deed {
            Deed::Deploy { pipeline, deployment, head, restart } => {
                let group = self.group(*pipeline);
                let story = Story::of(self.world, &self.pipeline(*pipeline));
                let mut request = json!({
                    "applicationName": application_name(self.account, group.application()),
                    "deploymentGroupName": group.name(),
                    "revision": super::deployments::revision(self.world, &story, &group, *head),
                    "ignoreApplicationStopFailures": false
                });
                if let (true, Some(fields)) = (*restart, request.as_object_mut()) {
                    fields.insert("deploymentMode".to_owned(), json!("RESTART"));
                }
                plain(request, json!({ "deploymentId": deployment }))
            }
            Deed::StopDeployment { deployment, back } => {
                let request = json!({ "deploymentId": deployment, "autoRollbackEnabled": back });
                plain(request, json!({ "status": "Pending", "statusMessage": "Stopping" }))
            }
            Deed::UpdateGroup { group, rollback: on } => {
                let spec = self.group(*group);
                let rollback = if *on { rollback(spec.rollback) } else { json!({ "enabled": false, "events": [] }) };
                let request = json!({
                    "applicationName": application_name(self.account, spec.application()),
                    "currentDeploymentGroupName": spec.name(), "autoRollbackConfiguration": rollback
                });
                plain(request, json!({ "hooksNotCleanedUp": [] }))
            }
            Deed::AnswerHook { deployment } => {
                let request = json!({
                    "deploymentId": deployment, "lifecycleEventHookExecutionId": "eyJlbmNyeXB0ZWREYXRhIjoi",
                    "status": "Succeeded"
                });
                plain(request, json!({ "lifecycleEventHookExecutionId": "eyJlbmNyeXB0ZWREYXRhIjoi" }))
            }
            _ => Recorded::default(),
        }
    }

    fn build(&self, project: usize, build: &str, overridden: bool) -> Recorded {
        let spec = ProjectSpec::new(self.world, self.account, self.region, project);
        let id = format!("{}:{build}", spec.name());
        let mut request = json!({ "projectName": spec.name() });
        let Some(fields) = request.as_object_mut() else { return Recorded::default() };
        let initiator = if overridden {
            fields.insert(
                "buildspecOverride".to_owned(),
                json!("version: 0.2\nphases:\n  build:\n    commands: [env]\n"),
            );
            fields.insert("privilegedModeOverride".to_owned(), json!(true));
            "AWSReservedSSO_Developer_3f0c2a9b8d7e6f51/fay@example.com".to_owned()
        } else {
            // A pipeline always says itself where the source comes from.
            fields.insert("sourceTypeOverride".to_owned(), json!("CODEPIPELINE"));
            fields.insert("artifactsOverride".to_owned(), json!({ "type": "CODEPIPELINE" }));
            format!("codepipeline/{}", self.pipeline(project).name())
        };
        let arn = self.world.arn("codebuild", self.region, self.account, &format!("build/{id}"));
        let response = json!({ "build": {
            "id": id, "arn": arn, "projectName": spec.name(), "buildStatus": "IN_PROGRESS", "initiator": initiator,
            "startTime": local(self.time)
        } });
        plain(request, response)
    }

    fn repository(&self, pipeline: usize) -> String {
        let source = SourceSpec::of(self.world, &self.pipeline(pipeline));
        source.map(|source| source.repository()).unwrap_or_default()
    }

    fn code(&self, act: &Act) -> Recorded {
        let branch = |pipeline: usize| {
            let source = SourceSpec::of(self.world, &self.pipeline(pipeline));
            source.map(|source| source.branch()).unwrap_or_default()
        };
        match &act.deed {
            Deed::Push { pipeline, commit, branch } => {
                let repository = self.repository(*pipeline);
                let additional = json!({
                    "protocol": "HTTP", "dataTransferred": true, "repositoryName": repository,
                    "repositoryId": format!("id-of-{repository}"), "capabilities": ["report-status", "side-band-64k"]
                });
                let reference = json!({ "commit": commit, "ref": format!("refs/heads/{branch}") });
                Recorded { additional: Some(additional), ..plain(json!({ "references": [reference] }), Value::Null) }
            }
            Deed::Merge { pipeline, commit, request } => {
                let repository = self.repository(*pipeline);
                let target = json!({
                    "repositoryName": repository, "sourceReference": format!("refs/heads/feature/{request}"),
                    "destinationReference": format!("refs/heads/{}", branch(*pipeline)), "sourceCommit": commit,
                    "mergeMetadata": { "isMerged": true, "mergeCommitId": commit }
                });
                let pull = json!({
                    "pullRequestId": request.to_string(), "pullRequestStatus": "CLOSED",
                    "authorArn": format!("arn:{}:iam::{}:user/{}", self.world.partition,
                        self.world.account_id(self.account), act.caller.address()),
                    "lastActivityDate": local(self.time), "pullRequestTargets": [target]
                });
                let asked = json!({
                    "pullRequestId": request.to_string(), "repositoryName": repository, "sourceCommitId": commit
                });
                plain(asked, json!({ "pullRequest": pull }))
            }
            Deed::OverrideRules { request } => plain(
                json!({ "pullRequestId": request.to_string(), "revisionId": "r1", "overrideStatus": "OVERRIDE" }),
                Value::Null,
            ),
            Deed::DeleteRule { request } => plain(
                json!({ "pullRequestId": request.to_string(), "approvalRuleName": "two-approvals" }),
                json!({ "approvalRuleId": "rule-1" }),
            ),
            _ => Recorded::default(),
        }
    }

    fn evidence(&self, deed: &Deed) -> Recorded {
        let bucket = |slot: usize| BucketRef { account: self.account, region: self.region, slot }.name(self.world);
        let request = match deed {
            Deed::SwitchAlarm { slot, .. } => json!({ "alarmNames": [AlarmSpec::new(*slot).name()] }),
            Deed::Versioning { slot, on } => json!({
                "bucketName": bucket(*slot), "Host": "s3.amazonaws.com", "versioning": "",
                "VersioningConfiguration": {
                    "Status": if *on { "Enabled" } else { "Suspended" },
                    "xmlns": "http://s3.amazonaws.com/doc/2006-03-01/"
                }
            }),
            Deed::BucketPolicy { slot } => json!({
                "bucketName": bucket(*slot), "Host": "s3.amazonaws.com", "policy": "",
                "bucketPolicy": { "Version": "2012-10-17", "Statement": [] }
            }),
            Deed::DeleteKey { slot } => {
                let key = KeyRef { account: self.account, region: self.region, slot: *slot };
                let response = json!({ "keyId": key.arn(self.world), "deletionDate": local(self.time) });
                return plain(json!({ "keyId": key.id(self.world), "pendingWindowInDays": 7 }), response);
            }
            Deed::Logging { trail, .. } => json!({ "name": trail }),
            Deed::UpdateTrail { trail } => {
                let request = json!({ "name": trail, "enableLogFileValidation": false });
                return plain(request, json!({ "name": "organization-trail", "trailARN": trail }));
            }
            _ => Value::Null,
        };
        plain(request, Value::Null)
    }
}
