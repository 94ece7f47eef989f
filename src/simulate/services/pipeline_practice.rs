//! How a pipeline is run, rendered into its stages and tags.
//!
//! In: the stages that follow from a pipeline's own knobs. Out: the same with approvals that tell somebody, scans,
//! conditions and further actions, as the knobs of its practice have them.

use serde_json::{Value, json};

use super::super::estate::{PipelineSpec, PracticeSpec, ProjectSpec, Reach, Scan, Staging, Tests, Window};
use super::super::world::World;

/// Adds what the practice has, in place. `main` is the name of the first production stage, or of the only deploying one.
pub(super) fn apply(world: &World, spec: &PipelineSpec, main: &str, stages: &mut Vec<Value>) {
    let practice = PracticeSpec::of(world, spec);
    for action in
        stages.iter_mut().filter_map(|stage| stage.get_mut("actions")).filter_map(Value::as_array_mut).flatten()
    {
        if action.pointer("/actionTypeId/category") == Some(&json!("Approval")) {
            notify(world, spec, &practice, action);
        }
    }
    if practice.fan_out {
        fan_out(main, stages);
    }
    if practice.rebuild {
        take_rebuilt(main, stages);
    }
    if practice.window == Window::Rule {
        stages.iter_mut().filter(|stage| name_of(stage).starts_with(main)).for_each(hold);
    }
    let first = 1 + usize::from(spec.self_mutation) + usize::from(matches!(spec.tests, Tests::Build | Tests::TestOnly));
    let mut before = Vec::new();
    match practice.scan {
        Scan::Absent | Scan::Late => {}
        Scan::Inspector { limited } => before.push(stage("Inspection", inspector("Inspect", limited))),
        Scan::Commands { stops } => before.push(stage("Analysis", semgrep(stops))),
        Scan::Named => before.push(stage("Assurance", build(world, spec, "SecurityScan", "Test", false))),
    }
    if let (Some(upstream), true) = (practice.upstream, practice.asks_upstream) {
        let parameters = json!({ "after": upstream }).to_string();
        before.push(stage("Upstream", function("ReportUpstream", "report-upstream", &parameters)));
    }
    let at = first.min(stages.len());
    stages.splice(at..at, before);
    if let (Staging::First, Some(staging)) = (spec.staging, stages.iter().position(|stage| name_of(stage) == "Staging"))
    {
        let mut between = Vec::new();
        if practice.integration {
            between.push(stage("Integration", build(world, spec, "IntegrationTest", "Test", false)));
        }
        if practice.rebuild {
            between.push(stage("Rebuild", build(world, spec, "BuildRelease", "Build", true)));
        }
        stages.splice((staging + 1)..=staging, between);
    }
    if practice.window == Window::Function
        && let Some(at) = stages.iter().position(|stage| name_of(stage) == main)
    {
        stages.insert(at, stage("Calendar", function("CheckChangeWindow", "check-change-window", "{}")));
    }
    if practice.scan == Scan::Late {
        stages.push(stage("Aftercare", inspector("Inspect", true)));
    }
}

/// The tags that the practice adds.
pub(super) fn tags(world: &World, spec: &PipelineSpec) -> Vec<Value> {
    let practice = PracticeSpec::of(world, spec);
    let environment =
        world.member(spec.account).environment.filter(|_| practice.environment && spec.reach != Reach::Tag);
    let stack = practice.stack.then(|| format!("pipelines-{}", spec.name()));
    let tags = [
        ("aws:cloudformation:stack-name", stack.as_deref()),
        ("environment", environment),
        ("tier", practice.critical.then_some("critical")),
        ("template", practice.template.then_some("delivery-factory")),
    ];
    tags.into_iter().filter_map(|(key, value)| value.map(|value| json!({ "key": key, "value": value }))).collect()
}

fn name_of(stage: &Value) -> &str {
    stage.get("name").and_then(Value::as_str).unwrap_or_default()
}

#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
fn stage(name: &str, action: Value) -> Value {
    json!({ "name": name, "actions": [action] })
}

fn kind(category: &str, provider: &str) -> Value {
    json!({ "category": category, "owner": "AWS", "provider": provider, "version": "1" })
}

fn notify(world: &World, spec: &PipelineSpec, practice: &PracticeSpec, action: &mut Value) {
    let Some(fields) = action.as_object_mut() else { return };
    if let Some(minutes) = practice.wait_minutes {
        fields.insert("timeoutInMinutes".to_owned(), json!(minutes));
    }
    let Some(settings) = fields.get_mut("configuration").and_then(Value::as_object_mut) else { return };
    if !practice.explained {
        settings.remove("CustomData");
    }
    if let Some(topic) = practice.approvers {
        settings.insert("NotificationArn".to_owned(), json!(topic.arn(world, spec.account, spec.region)));
    }
}

/// Doubles the first deployment that has a Region of its own, in the pipeline's Region.
fn fan_out(main: &str, stages: &mut [Value]) {
    let Some(stage) = stages.iter_mut().find(|stage| name_of(stage) == main) else { return };
    let Some(actions) = stage.get_mut("actions").and_then(Value::as_array_mut) else { return };
    let Some(mut twin) = actions.iter().find(|action| action.get("region").is_some()).cloned() else { return };
    let name = format!("{}-Home", name_of(&twin));
    if let Some(fields) = twin.as_object_mut() {
        fields.remove("region");
        fields.insert("name".to_owned(), json!(name));
    }
    actions.push(twin);
}

fn take_rebuilt(main: &str, stages: &mut [Value]) {
    for stage in stages.iter_mut().filter(|stage| name_of(stage).starts_with(main)) {
        let actions = stage.get_mut("actions").and_then(Value::as_array_mut).into_iter().flatten();
        for inputs in actions.filter_map(|action| action.get_mut("inputArtifacts")) {
            if inputs.as_array().is_some_and(|inputs| !inputs.is_empty()) {
                *inputs = json!([{ "name": "ReleaseOutput" }]);
            }
        }
    }
}

/// Adds a time window to the conditions of entry.
fn hold(stage: &mut Value) {
    let rule = json!({
        "name": "OfficeHours", "ruleTypeId": kind("Rule", "DeploymentWindow"),
        "configuration": { "Cron": "* * 9-16 ? * MON-THU *", "TimeZone": "Europe/Berlin" }, "inputArtifacts": []
    });
    let condition = json!({ "result": "FAIL", "rules": [rule] });
    match stage.pointer_mut("/beforeEntry/conditions").and_then(Value::as_array_mut) {
        Some(conditions) => conditions.push(condition),
        None => {
            if let Some(fields) = stage.as_object_mut() {
                fields.insert("beforeEntry".to_owned(), json!({ "conditions": [condition] }));
            }
        }
    }
}

fn inspector(name: &str, limited: bool) -> Value {
    let mut settings = json!({ "InspectorRunMode": "SourceCodeScan" });
    if let (true, Some(fields)) = (limited, settings.as_object_mut()) {
        fields.insert("CriticalThreshold".to_owned(), json!("0"));
    }
    json!({
        "name": name, "actionTypeId": kind("Invoke", "InspectorScan"), "runOrder": 1, "configuration": settings,
        "inputArtifacts": [{ "name": "SourceOutput" }], "outputArtifacts": []
    })
}

fn semgrep(stops: bool) -> Value {
    let command = if stops { "semgrep scan --error" } else { "semgrep scan --error || true" };
    json!({
        "name": "StaticAnalysis", "actionTypeId": kind("Compute", "Commands"), "runOrder": 1,
        "commands": ["pip install semgrep", command],
        "inputArtifacts": [{ "name": "SourceOutput" }], "outputArtifacts": []
    })
}

fn function(name: &str, function: &str, parameters: &str) -> Value {
    json!({
        "name": name, "actionTypeId": kind("Invoke", "Lambda"), "runOrder": 1,
        "configuration": { "FunctionName": function, "UserParameters": parameters },
        "inputArtifacts": [], "outputArtifacts": []
    })
}

fn build(world: &World, spec: &PipelineSpec, name: &str, category: &str, with_output: bool) -> Value {
    let project = ProjectSpec::new(world, spec.account, spec.region, spec.number);
    let outputs = if with_output { json!([{ "name": "ReleaseOutput" }]) } else { json!([]) };
    json!({
        "name": name, "actionTypeId": kind(category, "CodeBuild"), "runOrder": 1,
        "configuration": { "ProjectName": project.name() },
        "inputArtifacts": [{ "name": "SourceOutput" }], "outputArtifacts": outputs
    })
}
