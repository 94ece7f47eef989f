//! `CodePipeline`.

use serde_json::{Map, Value, json};

use super::super::PLANTED_SECRET;
use super::super::estate::{
    KeyForm, KeyRef, KeyUse, Mode, PipelineSpec, Reach, RoleRef, Source, SourceSpec, Store, Version, Webhook,
};
use super::super::protocol::{ApiError, timestamp};
use super::super::world::World;
use super::pages::{page, with_token};
use super::pipeline_stages::{SOURCE_ACTION, main_stage, stages};
use super::{Answer, Call, Operation, Service, days_ago};

pub(super) const SERVICE: Service = Service {
    prefix: "codepipeline",
    target: "CodePipeline_20150709",
    operations: &[
        Operation { name: "ListPipelines", action: "codepipeline:ListPipelines", answer: list_pipelines },
        Operation { name: "GetPipeline", action: "codepipeline:GetPipeline", answer: get_pipeline },
        Operation { name: "GetPipelineState", action: "codepipeline:GetPipelineState", answer: get_pipeline_state },
        Operation { name: "ListTagsForResource", action: "codepipeline:ListTagsForResource", answer: list_tags },
        Operation { name: "ListWebhooks", action: "codepipeline:ListWebhooks", answer: list_webhooks },
        Operation {
            name: "ListPipelineExecutions",
            action: "codepipeline:ListPipelineExecutions",
            answer: super::executions::list_pipeline_executions,
        },
        Operation {
            name: "ListActionExecutions",
            action: "codepipeline:ListActionExecutions",
            answer: super::executions::list_action_executions,
        },
        Operation {
            name: "ListRuleExecutions",
            action: "codepipeline:ListRuleExecutions",
            answer: super::rules::list_rule_executions,
        },
    ],
};

pub(super) const BAD_TOKEN: &str = "InvalidNextTokenException";

fn pipelines(call: &Call<'_>) -> Vec<PipelineSpec> {
    call.region.map(|region| PipelineSpec::all(call.world, call.account, region).collect()).unwrap_or_default()
}

pub(super) fn named(call: &Call<'_>, member: &str) -> Result<PipelineSpec, ApiError> {
    let name = call.required(member)?;
    call.region.and_then(|region| PipelineSpec::named(call.world, call.account, region, name)).ok_or_else(|| {
        let message = format!("Account {} has no pipeline named {name}", call.world.account_id(call.account));
        ApiError::new(400, "PipelineNotFoundException", message)
    })
}

fn version(spec: &PipelineSpec) -> &'static str {
    match spec.version {
        Version::V1 => "V1",
        Version::V2 => "V2",
    }
}

pub(super) fn mode(spec: &PipelineSpec) -> &'static str {
    match spec.mode {
        Mode::Superseded => "SUPERSEDED",
        Mode::Queued => "QUEUED",
        Mode::Parallel => "PARALLEL",
    }
}

fn list_pipelines(call: &Call<'_>) -> Answer {
    let count = call.region.map_or(0, |region| call.world.pipeline_count(call.account, region));
    let (range, next) = page(count, call.text("nextToken"), call.number("maxResults"), 1000, BAD_TOKEN)?;
    let summaries: Vec<Value> = call
        .region
        .into_iter()
        .flat_map(|region| range.clone().map(move |number| (region, number)))
        .map(|(region, number)| {
            let spec = PipelineSpec::new(call.world, call.account, region, number);
            json!({
                "name": spec.name(), "version": 3, "pipelineType": version(&spec), "executionMode": mode(&spec),
                "created": timestamp(days_ago(call.world, 400, number)),
                "updated": timestamp(days_ago(call.world, 20, number))
            })
        })
        .collect();
    Ok(with_token(json!({ "pipelines": summaries }), "nextToken", next))
}

fn get_pipeline(call: &Call<'_>) -> Answer {
    let spec = named(call, "name")?;
    let world = call.world;
    let pipeline = definition(world, &spec);
    let metadata = json!({
        "pipelineArn": spec.arn(world),
        "created": timestamp(days_ago(world, 400, spec.number)), "updated": timestamp(days_ago(world, 20, spec.number))
    });
    Ok(json!({ "pipeline": pipeline, "metadata": metadata }))
}

/// A pipeline as `GetPipeline` and a trail have it.
pub(super) fn definition(world: &World, spec: &PipelineSpec) -> Map<String, Value> {
    let mut pipeline = Map::new();
    pipeline.insert("name".to_owned(), json!(spec.name()));
    pipeline.insert("roleArn".to_owned(), json!(RoleRef::of_pipeline(spec).arn(world)));
    pipeline.insert("pipelineType".to_owned(), json!(version(spec)));
    pipeline.insert("executionMode".to_owned(), json!(mode(spec)));
    pipeline.insert("version".to_owned(), json!(3));
    pipeline.insert("stages".to_owned(), Value::Array(stages(world, spec)));
    match spec.cross_region {
        None => {
            pipeline.insert("artifactStore".to_owned(), store(world, spec, spec.store));
        }
        Some(other) => {
            let mut stores = Map::new();
            stores.insert(world.region_name(spec.region).to_owned(), store(world, spec, spec.store));
            stores.insert(world.region_name(other.region).to_owned(), store(world, spec, other.store));
            pipeline.insert("artifactStores".to_owned(), Value::Object(stores));
        }
    }
    if let Some(triggers) = triggers(world, spec) {
        pipeline.insert("triggers".to_owned(), triggers);
    }
    if spec.version == Version::V2 {
        pipeline.insert("variables".to_owned(), json!([{ "name": "reason", "defaultValue": "release" }]));
    }
    pipeline
}

fn store(world: &World, spec: &PipelineSpec, store: Store) -> Value {
    let mut rendered = json!({ "type": "S3", "location": store.bucket.name(world) });
    let id = match store.key {
        KeyUse::None => return rendered,
        KeyUse::AwsManaged => {
            let slot = super::super::estate::AWS_MANAGED_SLOT;
            KeyRef { account: spec.account, region: store.bucket.region, slot }.alias_arn(world)
        }
        KeyUse::Customer(key, KeyForm::Arn) => key.arn(world),
        KeyUse::Customer(key, KeyForm::Id) => key.id(world),
        KeyUse::Customer(key, KeyForm::AliasArn) => key.alias_arn(world),
    };
    if let Some(fields) = rendered.as_object_mut() {
        fields.insert("encryptionKey".to_owned(), json!({ "id": id, "type": "KMS" }));
    }
    rendered
}

fn triggers(world: &World, spec: &PipelineSpec) -> Option<Value> {
    if spec.source != Source::Connection || spec.version == Version::V1 {
        return None;
    }
    let source = SourceSpec::of(world, spec)?;
    let mut git = json!({
        "sourceActionName": SOURCE_ACTION, "push": [{ "branches": { "includes": [source.branch()] } }]
    });
    if let (true, Some(fields)) = (spec.pull_requests, git.as_object_mut()) {
        fields.insert(
            "pullRequest".to_owned(),
            json!([{ "events": ["OPEN", "UPDATED"], "branches": { "includes": ["main"] } }]),
        );
    }
    Some(json!([{ "providerType": "CodeStarSourceConnection", "gitConfiguration": git }]))
}

fn get_pipeline_state(call: &Call<'_>) -> Answer {
    let spec = named(call, "name")?;
    let held = if (spec.account + spec.number) % 8 == 5 { main_stage(call.world, &spec) } else { "" };
    let states: Vec<Value> = stages(call.world, &spec)
        .iter()
        .map(|stage| {
            let name = stage.get("name").and_then(Value::as_str).unwrap_or_default();
            let mut transition = json!({ "enabled": name != held });
            if let (true, Some(fields)) = (name == held, transition.as_object_mut()) {
                fields.insert("disabledReason".to_owned(), json!("change freeze"));
                fields.insert("lastChangedBy".to_owned(), json!(call.world.role_arn(spec.account, "Operator")));
                fields.insert("lastChangedAt".to_owned(), timestamp(days_ago(call.world, 1, spec.number)));
            }
            let actions: Vec<Value> = stage
                .get("actions")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(|action| json!({ "actionName": action.get("name") }))
                .collect();
            json!({ "stageName": name, "inboundTransitionState": transition, "actionStates": actions })
        })
        .collect();
    Ok(json!({
        "pipelineName": spec.name(), "pipelineVersion": 3, "stageStates": states,
        "created": timestamp(days_ago(call.world, 400, spec.number)),
        "updated": timestamp(days_ago(call.world, 20, spec.number))
    }))
}

fn list_tags(call: &Call<'_>) -> Answer {
    let arn = call.required("resourceArn")?;
    let name = arn.rsplit(':').next().unwrap_or_default();
    let found = call.region.and_then(|region| PipelineSpec::named(call.world, call.account, region, name));
    let spec = found
        .filter(|spec| spec.arn(call.world) == arn)
        .ok_or_else(|| ApiError::new(400, "ResourceNotFoundException", format!("there is no resource {arn}")))?;
    let mut tags = vec![json!({ "key": "team", "value": format!("team-{}", spec.number % 4) })];
    if spec.reach == Reach::Tag {
        tags.push(json!({ "key": "environment", "value": "prod" }));
    }
    tags.extend(super::pipeline_practice::tags(call.world, &spec));
    Ok(json!({ "tags": tags }))
}

fn list_webhooks(call: &Call<'_>) -> Answer {
    let targets: Vec<(PipelineSpec, Webhook)> =
        pipelines(call).into_iter().filter_map(|spec| spec.webhook.map(|webhook| (spec, webhook))).collect();
    let (range, next) = page(targets.len(), call.text("NextToken"), call.number("MaxResults"), 100, BAD_TOKEN)?;
    let webhooks: Vec<Value> = targets
        .iter()
        .skip(range.start)
        .take(range.len())
        .map(|(spec, webhook)| {
            let name = format!("{}-hook", spec.name());
            let (authentication, configuration) = match webhook {
                Webhook::Hmac => {
                    ("GITHUB_HMAC", json!({ "SecretToken": format!("{PLANTED_SECRET}webhook-{}", spec.number) }))
                }
                Webhook::Unauthenticated => ("UNAUTHENTICATED", json!({})),
                Webhook::Range => ("IP", json!({ "AllowedIPRange": "192.0.2.0/24" })),
                Webhook::OpenRange => ("IP", json!({ "AllowedIPRange": "0.0.0.0/0" })),
            };
            json!({
                "definition": {
                    "name": name, "targetPipeline": spec.name(), "targetAction": SOURCE_ACTION,
                    "filters": [{ "jsonPath": "$.ref", "matchEquals": "refs/heads/{Branch}" }],
                    "authentication": authentication, "authenticationConfiguration": configuration
                },
                "url": format!("https://webhooks.example.com/trigger/{name}"),
                "arn": call.world.arn("codepipeline", spec.region, spec.account, &format!("webhook:{name}")),
                "lastTriggered": timestamp(days_ago(call.world, 2, spec.number)), "tags": []
            })
        })
        .collect();
    Ok(with_token(json!({ "webhooks": webhooks }), "NextToken", next))
}
