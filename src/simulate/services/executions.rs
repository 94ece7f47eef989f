//! `CodePipeline`'s history: executions, and the executions of their actions.
//!
//! In: a pipeline's story and its definition. Out: what `ListPipelineExecutions` and `ListActionExecutions` answer,
//! newest first. The story says when production was reached; the definition says by which actions.

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::super::estate::{
    Begun, Caller, Ending, PipelineSpec, ProjectSpec, Run, Source, SourceSpec, Status, Story, build_id, uuid,
};
use super::super::protocol::{ApiError, timestamp};
use super::super::world::World;
use super::codepipeline::{BAD_TOKEN, mode, named};
use super::pages::{page, with_token};
use super::pipeline_stages::{SOURCE_ACTION, main_stage, stages};
use super::trail_events::arn_of;
use super::{Answer, Call};

/// An execution of an action.
pub(super) struct ActionRun {
    pub(super) stage: String,
    pub(super) action: Value,
    pub(super) started: OffsetDateTime,
    pub(super) ended: OffsetDateTime,
    pub(super) status: &'static str,
    by: Option<Caller>,
    summary: &'static str,
    external: Option<String>,
}

pub(super) fn story(call: &Call<'_>) -> Result<Story, ApiError> {
    Ok(Story::of(call.world, &named(call, "pipelineName")?))
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Succeeded => "Succeeded",
        Status::Failed => "Failed",
        Status::Superseded => "Superseded",
        Status::Stopped => "Stopped",
        Status::InProgress => "InProgress",
    }
}

pub(super) fn list_pipeline_executions(call: &Call<'_>) -> Answer {
    let story = story(call)?;
    let stage = call.input.pointer("/filter/succeededInStage/stageName").and_then(Value::as_str);
    let floor = call.world.options.now - Duration::days(365);
    let production = main_stage(call.world, &story.spec);
    let kept = |run: &&Run| {
        let in_stage = stage.is_none_or(|stage| if stage == production { run.arrived() } else { !run.failed_early });
        run.started >= floor && in_stage
    };
    let mut runs: Vec<&Run> = story.runs.iter().filter(kept).collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.started));
    let (range, next) = page(runs.len(), call.text("nextToken"), call.number("maxResults"), 100, BAD_TOKEN)?;
    let listed: Vec<Value> =
        runs.get(range).unwrap_or_default().iter().map(|run| summary(call.world, &story, run)).collect();
    Ok(with_token(json!({ "pipelineExecutionSummaries": listed }), "nextToken", next))
}

fn summary(world: &World, story: &Story, run: &Run) -> Value {
    let (kind, detail) = trigger(world, story, run);
    let mut trigger = json!({ "triggerType": kind });
    let mut shown = json!({
        "pipelineExecutionId": run.id, "status": status(run.status), "startTime": timestamp(run.started),
        "lastUpdateTime": timestamp(run.updated), "sourceRevisions": [revision(world, story, run)],
        "executionMode": mode(&story.spec)
    });
    let Some(fields) = shown.as_object_mut() else { return shown };
    if let (Some(detail), Some(trigger)) = (detail, trigger.as_object_mut()) {
        trigger.insert("triggerDetail".to_owned(), json!(detail));
    }
    fields.insert("trigger".to_owned(), trigger);
    if run.status == Status::Stopped {
        fields.insert("stopTrigger".to_owned(), json!({ "reason": "not now" }));
    }
    let target = match run.begun {
        Begun::RolledBack { target, .. } | Begun::WentBack { target } => story.runs.get(target),
        _ => None,
    };
    fields.insert("executionType".to_owned(), json!(if target.is_some() { "ROLLBACK" } else { "STANDARD" }));
    if let Some(target) = target {
        fields.insert("rollbackMetadata".to_owned(), json!({ "rollbackTargetPipelineExecutionId": target.id }));
    }
    shown
}

fn trigger(world: &World, story: &Story, run: &Run) -> (&'static str, Option<String>) {
    let spec = &story.spec;
    let rule = || world.arn("events", spec.region, spec.account, &format!("rule/start-{}", spec.name()));
    match run.begun {
        Begun::By { caller, .. } => ("StartPipelineExecution", Some(arn_of(world, spec.account, caller, run.started))),
        Begun::RolledBack { by, .. } => ("ManualRollback", Some(arn_of(world, spec.account, by, run.started))),
        Begun::WentBack { target } => ("AutomatedRollback", story.runs.get(target).map(|target| target.id.clone())),
        Begun::Change => match spec.source {
            Source::Connection => {
                let connection = SourceSpec::of(world, spec).and_then(|source| source.connection);
                ("WebhookV2", connection.map(|connection| connection.arn(world)))
            }
            Source::CodeCommitEvents | Source::S3Events | Source::Ecr => ("CloudWatchEvent", Some(rule())),
            Source::GitHubToken { polling: false } => ("Webhook", None),
            Source::CodeCommitDefault | Source::S3Polling | Source::GitHubToken { polling: true } => {
                ("PollForSourceChanges", None)
            }
        },
    }
}

/// What was delivered: a commit, or what stands in its place.
fn revision(world: &World, story: &Story, run: &Run) -> Value {
    let spec = &story.spec;
    let commit = story.commits.get(run.head);
    let (id, message) = commit.map_or((String::new(), ""), |commit| (commit.id.clone(), commit.message.as_str()));
    let mut revision = json!({ "actionName": SOURCE_ACTION, "revisionId": id });
    let Some(fields) = revision.as_object_mut() else { return revision };
    match spec.source {
        Source::S3Events | Source::S3Polling => {
            fields.insert("revisionId".to_owned(), json!(id.chars().take(32).collect::<String>()));
            fields.insert("revisionSummary".to_owned(), json!("Amazon S3 version id: ".to_owned() + &id));
        }
        Source::Ecr => {
            let digest = format!("sha256:{id}{}", id.chars().take(24).collect::<String>());
            fields.insert("revisionId".to_owned(), json!(digest));
        }
        Source::Connection => {
            // As a connection writes it: JSON in the text.
            let text = json!({ "ProviderType": "GitHub", "CommitMessage": message }).to_string();
            fields.insert("revisionSummary".to_owned(), json!(text));
            let source = SourceSpec::of(world, spec);
            let path = source.map(|source| source.repository()).unwrap_or_default();
            let arn = format!(
                "https://{}.console.aws.amazon.com/codesuite/settings/connections/redirect",
                region(world, spec)
            );
            let url = format!("{arn}?connectionArn=x&referenceType=COMMIT&FullRepositoryId={path}&Commit={id}");
            fields.insert("revisionUrl".to_owned(), json!(url));
        }
        _ => {
            fields.insert("revisionSummary".to_owned(), json!(message));
            let url =
                format!("https://{}.console.aws.amazon.com/codesuite/codecommit/commit/{id}", region(world, spec));
            fields.insert("revisionUrl".to_owned(), json!(url));
        }
    }
    revision
}

fn region<'a>(world: &'a World, spec: &PipelineSpec) -> &'a str {
    world.region_name(spec.region)
}

/// Actions that start together: stage, run order, actions.
struct Group {
    stage: String,
    actions: Vec<Value>,
    production: bool,
    approves: bool,
}

fn groups(world: &World, spec: &PipelineSpec) -> Vec<Group> {
    let main = main_stage(world, spec);
    let second = format!("{main}-Second");
    let mut groups = Vec::new();
    for stage in stages(world, spec) {
        let name = stage.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let actions = stage.get("actions").and_then(Value::as_array).cloned().unwrap_or_default();
        let order = |action: &Value| action.get("runOrder").and_then(Value::as_u64).unwrap_or(1);
        let mut orders: Vec<u64> = actions.iter().map(order).collect();
        orders.sort_unstable();
        orders.dedup();
        for wanted in orders {
            let together: Vec<Value> = actions.iter().filter(|action| order(action) == wanted).cloned().collect();
            let deploys = |action: &Value| {
                let name = text(action, "/name");
                !approves(action) && name != "CreateChangeSet" && name != "DeployStaging"
            };
            let production = spec.production() && (name == main || name == second) && together.iter().any(deploys);
            let approves = together.iter().all(approves);
            groups.push(Group { stage: name.clone(), actions: together, production, approves });
        }
    }
    groups
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn approves(action: &Value) -> bool {
    text(action, "/actionTypeId/category") == "Approval"
}

/// The part of a time that the `at`th of `count` takes, to the second.
fn part(from: OffsetDateTime, to: OffsetDateTime, at: usize, count: usize) -> (OffsetDateTime, OffsetDateTime) {
    let whole = (to - from).whole_seconds().max(0);
    let count = i64::try_from(count.max(1)).unwrap_or(1);
    let at = i64::try_from(at).unwrap_or(0);
    (from + Duration::seconds(whole * at / count), from + Duration::seconds(whole * (at + 1) / count))
}

struct Walker<'a> {
    run: &'a Run,
    done: Vec<ActionRun>,
}

impl Walker<'_> {
    fn add(&mut self, group: &Group, action: &Value, time: (OffsetDateTime, OffsetDateTime), status: &'static str) {
        self.done.push(ActionRun {
            stage: group.stage.clone(),
            action: action.clone(),
            started: time.0,
            ended: time.1,
            status,
            by: None,
            summary: "",
            external: None,
        });
    }

    fn approve(&mut self, group: &Group, action: &Value) {
        let Some(gate) = self.run.gate else { return };
        let status = match (gate.answered, gate.approved) {
            (None, _) => "InProgress",
            (Some(_), true) => "Succeeded",
            (Some(_), false) => "Failed",
        };
        self.add(group, action, (gate.asked, gate.answered.unwrap_or(gate.asked)), status);
        if let Some(last) = self.done.last_mut() {
            last.by = gate.answered.map(|_| gate.approver);
            last.summary = gate.summary;
        }
    }

    /// Spreads groups over a time, one after the other.
    fn spread(&mut self, groups: &[&Group], from: OffsetDateTime, to: OffsetDateTime) {
        for (at, group) in groups.iter().enumerate() {
            for action in &group.actions {
                if approves(action) {
                    self.approve(group, action);
                } else {
                    self.add(group, action, part(from, to, at, groups.len()), "Succeeded");
                }
            }
        }
    }

    fn production(&mut self, groups: &[&Group]) {
        for attempt in &self.run.attempts {
            let mark = self.done.len();
            if attempt.ending == Ending::Succeeded {
                self.spread(groups, attempt.started, attempt.ended);
            } else if let Some(group) = groups.first() {
                let status = if attempt.ending == Ending::Failed { "Failed" } else { "Abandoned" };
                if let Some(action) = group.actions.iter().find(|action| !approves(action)) {
                    self.add(group, action, (attempt.started, attempt.ended), status);
                }
            }
            for one in self.done.iter_mut().skip(mark) {
                one.external.clone_from(&attempt.deployment);
            }
        }
    }
}

/// Every execution of an action in a run, in the order of time.
pub(super) fn actions(world: &World, story: &Story, run: &Run) -> Vec<ActionRun> {
    let groups = groups(world, &story.spec);
    let first = groups.iter().position(|group| group.production).unwrap_or(groups.len());
    let last = groups.iter().rposition(|group| group.production).map_or(first, |last| last + 1);
    let asks = groups.iter().position(|group| group.approves);
    let early = asks.map_or(first, |asks| asks.min(first));
    let of = |from: usize, to: usize| groups.get(from..to).unwrap_or_default().iter().collect::<Vec<&Group>>();
    let mut walker = Walker { run, done: Vec::new() };
    if !run.forward() {
        let stage = groups.get(first).map(|group| group.stage.clone()).unwrap_or_default();
        let all: Vec<&Group> = of(first, last).into_iter().filter(|g| g.stage == stage && g.production).collect();
        walker.production(&all);
        return walker.done;
    }
    let before = of(0, early);
    if run.failed_early {
        let builds = |group: &&Group| group.actions.iter().any(|a| text(a, "/actionTypeId/provider") == "CodeBuild");
        let end = before.iter().position(builds).map_or(before.len(), |at| at + 1);
        walker.spread(before.get(..end).unwrap_or_default(), run.started, run.ready);
        if let Some(failed) = walker.done.last_mut() {
            failed.status = "Failed";
        }
        return walker.done;
    }
    walker.spread(&before, run.started, run.ready);
    let answered = run.gate.and_then(|gate| gate.answered.filter(|_| gate.approved));
    if asks.is_some_and(|asks| asks < first) {
        let between = of(early, first);
        let (asking, after): (Vec<&Group>, Vec<&Group>) = between.into_iter().partition(|group| group.approves);
        walker.spread(&asking, run.ready, run.ready);
        let Some(answered) = answered else { return walker.done };
        let until =
            run.attempts.first().map_or(run.updated, |attempt| attempt.started.min(answered + Duration::minutes(2)));
        walker.spread(&after, answered, until);
    }
    walker.production(&of(first, last));
    let done = run.status == Status::Succeeded;
    if done {
        let from = run.production().map_or(run.ready, |(_, end)| end);
        let (asking, after): (Vec<&Group>, Vec<&Group>) = of(last, groups.len()).into_iter().partition(|g| g.approves);
        walker.spread(&asking, from, from);
        walker.spread(&after, answered.map_or(from, |answered| answered.max(from)), run.updated);
    }
    walker.done
}

pub(super) fn list_action_executions(call: &Call<'_>) -> Answer {
    let story = story(call)?;
    let filter = |name: &str| call.input.pointer(name).and_then(Value::as_str);
    let wanted = filter("/filter/pipelineExecutionId")
        .or_else(|| filter("/filter/latestInPipelineExecution/pipelineExecutionId"));
    if let Some(id) = wanted
        && story.run(id).is_none()
    {
        return Err(ApiError::new(400, "PipelineExecutionNotFoundException", format!("there is no execution {id}")));
    }
    let floor = call.world.options.now - Duration::days(365);
    let mut all: Vec<(&Run, usize, ActionRun)> = Vec::new();
    for run in story.runs.iter().filter(|run| wanted.is_none_or(|id| run.id == id)) {
        let numbered = actions(call.world, &story, run).into_iter().enumerate();
        all.extend(numbered.filter(|(_, one)| one.started >= floor).map(|(number, one)| (run, number, one)));
    }
    all.sort_by_key(|(_, number, one)| std::cmp::Reverse((one.started, *number)));
    let (range, next) = page(all.len(), call.text("nextToken"), call.number("maxResults"), 100, BAD_TOKEN)?;
    let listed: Vec<Value> = all
        .get(range)
        .unwrap_or_default()
        .iter()
        .map(|(run, number, one)| detail(call.world, &story, run, *number, one))
        .collect();
    Ok(with_token(json!({ "actionExecutionDetails": listed }), "nextToken", next))
}

/// The version that the pipeline had.
pub(super) fn version(world: &World, story: &Story, time: OffsetDateTime) -> u32 {
    let (before, last) = super::super::estate::updates(world, story);
    1 + u32::from(time >= before) + u32::from(time >= last)
}

fn detail(world: &World, story: &Story, run: &Run, number: usize, one: &ActionRun) -> Value {
    let spec = &story.spec;
    let position = story.runs.iter().position(|other| other.id == run.id).unwrap_or_default();
    let id = uuid(world, story.place(), &format!("action-{}", spec.number), position * 64 + number);
    let mut input = json!({
        "actionTypeId": one.action.get("actionTypeId"), "configuration": one.action.get("configuration"),
        "resolvedConfiguration": one.action.get("configuration"),
        "region": one.action.get("region").cloned().unwrap_or_else(|| json!(region(world, spec))),
        "inputArtifacts": one.action.get("inputArtifacts")
    });
    if let (Some(role), Some(fields)) = (one.action.get("roleArn"), input.as_object_mut()) {
        fields.insert("roleArn".to_owned(), role.clone());
    }
    let mut result = json!({ "externalExecutionId": external(world, story, run, number, one) });
    if let Some(fields) = result.as_object_mut() {
        if one.status == "Failed" {
            let error = json!({ "code": "JobFailed", "message": "it did not go well" });
            fields.insert("errorDetails".to_owned(), error);
        }
        let summary = if text(&one.action, "/actionTypeId/category") == "Source" {
            story.commits.get(run.head).map(|commit| commit.message.clone())
        } else {
            (!one.summary.is_empty()).then(|| one.summary.to_owned())
        };
        fields.extend(summary.map(|text| ("externalExecutionSummary".to_owned(), json!(text))));
    }
    let mut shown = json!({
        "pipelineExecutionId": run.id, "actionExecutionId": id,
        "pipelineVersion": version(world, story, run.started), "stageName": one.stage,
        "actionName": one.action.get("name"), "startTime": timestamp(one.started),
        "lastUpdateTime": timestamp(one.ended), "status": one.status, "input": input,
        "output": { "outputArtifacts": one.action.get("outputArtifacts"), "executionResult": result }
    });
    if let (Some(by), Some(fields)) = (one.by, shown.as_object_mut()) {
        fields.insert("updatedBy".to_owned(), json!(arn_of(world, spec.account, by, one.ended)));
    }
    shown
}

/// What the provider calls it.
pub(super) fn external(world: &World, story: &Story, run: &Run, number: usize, one: &ActionRun) -> Value {
    let spec = &story.spec;
    match text(&one.action, "/actionTypeId/provider") {
        "CodeDeploy" | "CodeDeployToECS" => json!(one.external),
        "CodeBuild" => {
            let project = ProjectSpec::new(world, spec.account, spec.region, spec.number).name();
            let first = matches!(text(&one.action, "/name"), "Build" | "UnitTest");
            let id = if first {
                build_id(world, story, &run.id)
            } else {
                uuid(world, story.place(), &format!("other-build-{}-{}", spec.number, run.id), number)
            };
            json!(format!("{project}:{id}"))
        }
        "Manual" => Value::Null,
        provider => json!(uuid(world, story.place(), &format!("{provider}-{}-{}", spec.number, run.id), number)),
    }
}
