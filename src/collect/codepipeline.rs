//! CodePipeline: pipelines with their stages, disabled transitions and tags; webhooks.
//!
//! In: a scope. Out: `AWS::CodePipeline::Pipeline` and `AWS::CodePipeline::Webhook`, and references to the artifact
//! buckets, their keys, the roles of pipelines and actions, the alarms that stage conditions watch, the topics that
//! approvals tell, and the branches that source actions take.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_codepipeline::Client;
use aws_sdk_codepipeline::types::{
    ArtifactStore, ListWebhookItem, PipelineDeclaration, PipelineTriggerDeclaration, StageState,
};
use serde_json::Value;

use super::codepipeline_sources::branches;
use super::codepipeline_stages::{notified_topics, stage, watched_alarms};
use super::fields::Fields;
use super::pages::{all_pages, in_order};
use super::{CallError, Collected, Collector, Reach, Scope, arn};
use crate::inventory::{Properties, Redaction, Reference, Region, Resource, TypeName};

/// Reads CodePipeline.
#[derive(Debug, Clone, Copy)]
pub struct CodePipeline;

const LIST_PIPELINES: &str = "codepipeline:ListPipelines";
const GET_PIPELINE: &str = "codepipeline:GetPipeline";
const GET_PIPELINE_STATE: &str = "codepipeline:GetPipelineState";
const LIST_TAGS: &str = "codepipeline:ListTagsForResource";
const LIST_WEBHOOKS: &str = "codepipeline:ListWebhooks";

#[async_trait]
impl Collector for CodePipeline {
    fn service(&self) -> &'static str {
        "codepipeline"
    }

    fn actions(&self) -> &'static [&'static str] {
        &[LIST_PIPELINES, GET_PIPELINE, GET_PIPELINE_STATE, LIST_TAGS, LIST_WEBHOOKS]
    }

    fn types(&self) -> &'static [TypeName] {
        const { &[TypeName::PIPELINE, TypeName::WEBHOOK] }
    }

    fn reach(&self) -> Reach {
        Reach::EveryRegion
    }

    async fn collect(&self, scope: &Scope, _wanted: &[Reference]) -> Collected {
        let client = Client::new(scope.config());
        let mut collected = Collected::default();
        let names = list_pipelines(scope, &client, &mut collected).await;
        if names.is_empty() {
            return collected;
        }
        let jobs = names.iter().map(|name| read_pipeline(scope, &client, name)).collect();
        for pipeline in in_order(jobs).await {
            collected.absorb(pipeline);
        }
        collected.absorb(list_webhooks(scope, &client).await);
        collected
    }
}

async fn list_pipelines(scope: &Scope, client: &Client, collected: &mut Collected) -> Vec<String> {
    let listed = all_pages(LIST_PIPELINES, |token| async move {
        let page = scope.call(LIST_PIPELINES, || client.list_pipelines().set_next_token(token.clone()).send()).await?;
        Ok((page.pipelines.unwrap_or_default(), page.next_token))
    })
    .await;
    let mut errors: Vec<CallError> = listed.error.into_iter().collect();
    let mut names = Vec::new();
    for pipeline in listed.items {
        match pipeline.name {
            Some(name) if !name.is_empty() => names.push(name),
            _ => errors.push(CallError::malformed(LIST_PIPELINES, "a pipeline without a name")),
        }
    }
    // Without a pipeline the webhooks are not asked for, so they are unlisted as well.
    let both = [TypeName::PIPELINE, TypeName::WEBHOOK];
    let types = if names.is_empty() { both.as_slice() } else { &[TypeName::PIPELINE] };
    collected.gaps.extend(errors.into_iter().map(|error| error.unlisted(scope, types)));
    names.sort();
    names.dedup();
    names
}

async fn read_pipeline(scope: &Scope, client: &Client, name: &str) -> Collected {
    let uid = arn::in_scope(scope, "codepipeline", name);
    let mut resource = Resource::live(TypeName::PIPELINE, uid, scope.account.clone(), scope.region.clone());
    resource.properties.insert("Name".to_owned(), Value::from(name));
    let answer = scope.call(GET_PIPELINE, || client.get_pipeline().name(name).send()).await;
    let declaration = answer.and_then(|answer| {
        answer.pipeline.ok_or_else(|| CallError::malformed(GET_PIPELINE, "the answer holds no pipeline"))
    });
    let declaration = match declaration {
        Ok(declaration) => declaration,
        Err(error) => {
            error.hides(scope, &mut resource, &["*"]);
            return Collected { resources: vec![resource], ..Collected::default() };
        }
    };
    resource.properties = pipeline_properties(scope.redaction(), name, &declaration);
    match scope.call(GET_PIPELINE_STATE, || client.get_pipeline_state().name(name).send()).await {
        Ok(state) => {
            let transitions = disabled_transitions(state.stage_states());
            if !transitions.is_empty() {
                resource.properties.insert("DisableInboundStageTransitions".to_owned(), transitions.into());
            }
        }
        Err(error) => error.hides(scope, &mut resource, &["DisableInboundStageTransitions"]),
    }
    read_tags(scope, client, &mut resource).await;
    let mut references = references(scope, &declaration);
    references.extend(super::secret_reference::named_by_pipeline(scope, &resource.properties));
    Collected { resources: vec![resource], references, ..Collected::default() }
}

async fn read_tags(scope: &Scope, client: &Client, resource: &mut Resource) {
    let uid = resource.uid.as_str().to_owned();
    let listed = all_pages(LIST_TAGS, |token| {
        let uid = uid.as_str();
        async move {
            let ask = || client.list_tags_for_resource().resource_arn(uid).set_next_token(token.clone()).send();
            let page = scope.call(LIST_TAGS, ask).await?;
            Ok((page.tags.unwrap_or_default(), page.next_token))
        }
    })
    .await;
    resource.tags = listed.items.into_iter().map(|tag| (tag.key, tag.value)).collect();
    if let Some(error) = listed.error {
        error.hides(scope, resource, &["Tags"]);
    }
}

async fn list_webhooks(scope: &Scope, client: &Client) -> Collected {
    let listed = all_pages(LIST_WEBHOOKS, |token| async move {
        let page = scope.call(LIST_WEBHOOKS, || client.list_webhooks().set_next_token(token.clone()).send()).await?;
        Ok((page.webhooks.unwrap_or_default(), page.next_token))
    })
    .await;
    let mut collected = Collected::default();
    let mut errors: Vec<CallError> = listed.error.into_iter().collect();
    for webhook in &listed.items {
        match webhook_resource(scope, webhook) {
            Ok(resource) => collected.resources.push(resource),
            Err(error) => errors.push(error),
        }
    }
    collected.resources.sort_by(|a, b| a.uid.cmp(&b.uid));
    collected.gaps = errors.into_iter().map(|error| error.unlisted(scope, &[TypeName::WEBHOOK])).collect();
    collected
}

fn webhook_resource(scope: &Scope, webhook: &ListWebhookItem) -> Result<Resource, CallError> {
    let missing = |what: &str| CallError::malformed(LIST_WEBHOOKS, format!("a webhook without {what}"));
    let uid = webhook.arn().filter(|arn| !arn.is_empty()).ok_or_else(|| missing("an ARN"))?;
    let mut resource = Resource::live(TypeName::WEBHOOK, uid.to_owned(), scope.account.clone(), scope.region.clone());
    resource.tags = webhook.tags().iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect();
    let Some(definition) = webhook.definition() else {
        missing("a definition").hides(scope, &mut resource, &["*"]);
        return Ok(resource);
    };
    // The secret token is never read.
    let authentication = definition
        .authentication_configuration()
        .map(|settings| Fields::new().text("AllowedIPRange", settings.allowed_ip_range()).value());
    resource.properties = Fields::new()
        .text("Name", Some(definition.name()))
        .text("Authentication", Some(definition.authentication()))
        .put("AuthenticationConfiguration", authentication)
        .text("TargetPipeline", Some(definition.target_pipeline()))
        .text("TargetAction", Some(definition.target_action()))
        .list("Filters", definition.filters(), |filter| {
            let fields = Fields::new().text("JsonPath", Some(filter.json_path()));
            fields.text("MatchEquals", filter.match_equals()).value()
        })
        .properties();
    Ok(resource)
}

fn pipeline_properties(redaction: &Redaction, name: &str, pipeline: &PipelineDeclaration) -> Properties {
    let stores = stores_by_region(pipeline);
    Fields::new()
        .text("Name", Some(name))
        .text("RoleArn", Some(pipeline.role_arn()))
        .text("PipelineType", pipeline.pipeline_type())
        .text("ExecutionMode", pipeline.execution_mode())
        .put("ArtifactStore", pipeline.artifact_store().map(artifact_store))
        .list("ArtifactStores", &stores, |(region, store)| {
            Fields::new().text("Region", Some(*region)).put("ArtifactStore", Some(artifact_store(store))).value()
        })
        .list("Stages", pipeline.stages(), |declared| stage(redaction, declared))
        .list("Triggers", pipeline.triggers(), trigger)
        // A default value may be a secret, and no control reads it.
        .list("Variables", pipeline.variables(), |variable| Fields::new().text("Name", Some(variable.name())).value())
        .put("Version", pipeline.version())
        .properties()
}

fn stores_by_region(pipeline: &PipelineDeclaration) -> Vec<(&str, &ArtifactStore)> {
    let stores: BTreeMap<&str, &ArtifactStore> =
        pipeline.artifact_stores().into_iter().flatten().map(|(region, store)| (region.as_str(), store)).collect();
    stores.into_iter().collect()
}

fn artifact_store(store: &ArtifactStore) -> Value {
    let key = store
        .encryption_key()
        .map(|key| Fields::new().text("Id", Some(key.id())).text("Type", Some(key.r#type())).value());
    Fields::new()
        .text("Type", Some(store.r#type()))
        .text("Location", Some(store.location()))
        .put("EncryptionKey", key)
        .value()
}

fn trigger(trigger: &PipelineTriggerDeclaration) -> Value {
    let globs = |includes: &[String], excludes: &[String]| {
        Fields::new().texts("Includes", includes).texts("Excludes", excludes).value()
    };
    let git = trigger.git_configuration().map(|git| {
        Fields::new()
            .text("SourceActionName", Some(git.source_action_name()))
            .list("Push", git.push(), |push| {
                Fields::new()
                    .put("Branches", push.branches().map(|filter| globs(filter.includes(), filter.excludes())))
                    .put("Tags", push.tags().map(|filter| globs(filter.includes(), filter.excludes())))
                    .put("FilePaths", push.file_paths().map(|filter| globs(filter.includes(), filter.excludes())))
                    .value()
            })
            .list("PullRequest", git.pull_request(), |request| {
                Fields::new()
                    .texts("Events", request.events())
                    .put("Branches", request.branches().map(|filter| globs(filter.includes(), filter.excludes())))
                    .put("FilePaths", request.file_paths().map(|filter| globs(filter.includes(), filter.excludes())))
                    .value()
            })
            .value()
    });
    Fields::new().text("ProviderType", Some(trigger.provider_type())).put("GitConfiguration", git).value()
}

fn disabled_transitions(stages: &[StageState]) -> Vec<Value> {
    let disabled = stages.iter().filter_map(|stage| {
        let transition = stage.inbound_transition_state().filter(|transition| !transition.enabled())?;
        let fields = Fields::new().text("StageName", stage.stage_name());
        Some(fields.text("Reason", transition.disabled_reason()).value())
    });
    disabled.collect()
}

fn references(scope: &Scope, pipeline: &PipelineDeclaration) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut add = |region: Option<&str>, type_name: TypeName, name: &str| {
        // A name that belongs to another Region must be looked for there.
        let region = region.and_then(|name| name.parse::<Region>().ok()).unwrap_or_else(|| scope.region.clone());
        let reference = arn::reference(scope, type_name, name);
        found.extend(reference.map(|reference| Reference { region, ..reference }));
    };
    let stores = stores_by_region(pipeline).into_iter().map(|(region, store)| (Some(region), store));
    for (region, store) in pipeline.artifact_store().map(|store| (None, store)).into_iter().chain(stores) {
        add(region, TypeName::BUCKET, store.location());
        if let Some(key) = store.encryption_key() {
            add(region, TypeName::KEY, key.id());
        }
    }
    add(None, TypeName::ROLE, pipeline.role_arn());
    for action in pipeline.stages().iter().flat_map(aws_sdk_codepipeline::types::StageDeclaration::actions) {
        add(None, TypeName::ROLE, action.role_arn().unwrap_or_default());
    }
    for stage in pipeline.stages() {
        for (region, alarm) in watched_alarms(stage) {
            // An ARN says its account and Region itself, and the alarm is looked for there.
            add(region, TypeName::ALARM, alarm);
        }
        for topic in notified_topics(stage) {
            add(None, TypeName::TOPIC, topic);
        }
    }
    found.extend(branches(scope, pipeline));
    found.extend(super::image_name::of_pipeline(scope, pipeline));
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::test_support::{Answer, Answers, by_operation, endpoint, every_refusal_leaves_a_gap, gaps};
    use super::*;

    fn answers(listed: Value) -> Answers {
        let id = |category: &str, provider: &str| json!({"category": category, "owner": "AWS", "provider": provider, "version": "1"});
        let store = |location: &str, key: &str| json!({"type": "S3", "location": location, "encryptionKey": {"id": key, "type": "KMS"}});
        let rule = json!({"name": "Watch", "ruleTypeId": id("Rule", "CloudWatchAlarm"), "configuration": {"AlarmName": "errors"}});
        let pipeline = json!({
            "name": "web", "roleArn": "arn:aws:iam::111122223333:role/pipeline", "version": 3, "pipelineType": "V2",
            "executionMode": "QUEUED",
            "artifactStores": {"us-east-1": store("far", "alias/far"), "eu-west-1": store("near", "alias/near")},
            "stages": [{
                "name": "Prod", "actions": [{"name": "Deploy", "actionTypeId": id("Deploy", "S3"), "configuration": {"BucketName": "site"}}],
                "onSuccess": {"conditions": [{"result": "ROLLBACK", "rules": [rule]}]},
            }],
            "triggers": [{"providerType": "CodeStarSourceConnection", "gitConfiguration": {
                "sourceActionName": "Source", "push": [{"branches": {"includes": ["main"]}}],
                "pullRequest": [{"events": ["OPEN"], "branches": {"excludes": ["wip/*"]}}],
            }}],
            "variables": [{"name": "Level", "defaultValue": "hunter2"}],
        });
        let stage =
            json!({"stageName": "Prod", "inboundTransitionState": {"enabled": false, "disabledReason": "freeze"}});
        let definition = json!({
            "name": "hook", "targetPipeline": "web", "targetAction": "Source", "filters": [{"jsonPath": "$.ref", "matchEquals": "x"}],
            "authentication": "GITHUB_HMAC", "authenticationConfiguration": {"SecretToken": "hunter3"},
        });
        let hook = json!({"definition": definition, "url": "https://x?t=hunter4", "arn": "arn:aws:codepipeline:eu-west-1:111122223333:webhook:hook"});
        by_operation(&[
            ("ListPipelines", Answer::Json(listed)),
            ("GetPipeline", Answer::Json(json!({"pipeline": pipeline}))),
            ("GetPipelineState", Answer::Json(json!({"stageStates": [stage]}))),
            ("ListTagsForResource", Answer::Json(json!({"tags": [{"key": "env", "value": "prod"}]}))),
            ("ListWebhooks", Answer::Json(json!({"webhooks": [hook]}))),
        ])
    }

    #[tokio::test]
    async fn a_pipeline_of_type_v2_and_its_webhook() {
        let listed = json!({"pipelines": [{"name": "web"}]});
        let actions = CodePipeline.actions();
        let found = every_refusal_leaves_a_gap(&CodePipeline, actions, &[], answers(listed), &[]).await;
        let [pipeline, hook] = found.resources.as_slice() else { panic!("{:?}", found.resources) };
        assert_eq!(pipeline.uid.as_str(), "arn:aws:codepipeline:eu-west-1:111122223333:web");
        assert_eq!(pipeline.tags.get("env").map(String::as_str), Some("prod"));
        let properties = Value::Object(pipeline.properties.clone());
        assert_eq!(properties["PipelineType"], "V2");
        assert_eq!(properties["Version"], 3);
        assert_eq!(
            properties["ArtifactStores"][1]["ArtifactStore"]["EncryptionKey"],
            json!({"Id": "alias/far", "Type": "KMS"})
        );
        assert_eq!(properties["Variables"], json!([{"Name": "Level"}]));
        assert_eq!(properties["DisableInboundStageTransitions"], json!([{"StageName": "Prod", "Reason": "freeze"}]));
        assert_eq!(
            properties["Triggers"][0]["GitConfiguration"],
            json!({
                "SourceActionName": "Source", "Push": [{"Branches": {"Includes": ["main"]}}],
                "PullRequest": [{"Events": ["OPEN"], "Branches": {"Excludes": ["wip/*"]}}],
            })
        );
        assert_eq!(
            Value::Object(hook.properties.clone()),
            json!({
                "Name": "hook", "Authentication": "GITHUB_HMAC", "AuthenticationConfiguration": {},
                "TargetPipeline": "web", "TargetAction": "Source", "Filters": [{"JsonPath": "$.ref", "MatchEquals": "x"}],
            })
        );
        assert!(!serde_json::to_string(&found.resources).unwrap().contains("hunter"));
        let named: Vec<_> = found.references.iter().map(|to| (to.name.as_str(), to.region.as_str())).collect();
        let expected = [
            ("errors", "eu-west-1"),
            ("arn:aws:iam::111122223333:role/pipeline", "eu-west-1"),
            ("alias/far", "us-east-1"),
            ("alias/near", "eu-west-1"),
            ("far", "us-east-1"),
            ("near", "eu-west-1"),
        ];
        assert_eq!(named, expected);
    }

    #[test]
    fn an_alarm_that_is_named_by_arn_is_looked_for_where_it_points() {
        use aws_sdk_codepipeline::types::{
            Condition, RuleCategory, RuleDeclaration, RuleTypeId, StageDeclaration, SuccessConditions,
        };
        let far = "arn:aws:cloudwatch:us-east-1:999999999999:alarm:errors";
        let id = RuleTypeId::builder().category(RuleCategory::Rule).provider("CloudWatchAlarm").build().unwrap();
        let rule = RuleDeclaration::builder().name("Watch").rule_type_id(id).configuration("AlarmName", far);
        let condition = Condition::builder().rules(rule.build().unwrap()).build();
        let success = SuccessConditions::builder().conditions(condition).build().unwrap();
        let stage = StageDeclaration::builder().name("Prod").set_actions(Some(Vec::new())).on_success(success);
        let pipeline = PipelineDeclaration::builder().name("web").role_arn("r").stages(stage.build().unwrap());
        let config = aws_types::SdkConfig::builder().build();
        let gate = super::super::CallGate::new(super::super::Concurrency::default());
        let partition = crate::inventory::Partition::Aws;
        let account = "111122223333".parse().unwrap();
        let scope = Scope::new(account, partition, "eu-west-1".parse().unwrap(), &config, gate);
        let named = references(&scope, &pipeline.build().unwrap());
        let alarms = named.iter().filter(|to| to.type_name == TypeName::ALARM);
        assert_eq!(alarms.map(|to| to.name.as_str()).collect::<Vec<_>>(), [far]);
    }

    #[tokio::test]
    async fn an_empty_region_costs_one_call() {
        let endpoint = endpoint(answers(json!({"pipelines": []})), &[]).await;
        assert_eq!(CodePipeline.collect(&endpoint.scope, &[]).await, Collected::default());
        assert_eq!(endpoint.calls(), ["ListPipelines"]);
    }

    #[tokio::test]
    async fn what_cannot_be_described_keeps_its_name() {
        let denied = [GET_PIPELINE];
        let endpoint = endpoint(answers(json!({"pipelines": [{"name": "web"}]})), &denied).await;
        let found = CodePipeline.collect(&endpoint.scope, &[]).await;
        let pipeline = found.resources.first().unwrap();
        assert_eq!(pipeline.uid.as_str(), "arn:aws:codepipeline:eu-west-1:111122223333:web");
        assert_eq!(pipeline.gap_over("Stages").unwrap().action, GET_PIPELINE);
    }

    #[tokio::test]
    async fn a_list_without_names_is_a_gap_over_both_types() {
        let endpoint = endpoint(answers(json!({"pipelines": [{"version": 1}]})), &[]).await;
        let found = CodePipeline.collect(&endpoint.scope, &[]).await;
        assert_eq!(gaps(&found), [LIST_PIPELINES.to_owned()].into());
        let types = vec![TypeName::PIPELINE, TypeName::WEBHOOK];
        assert_eq!(found.gaps.first().unwrap().affects, crate::inventory::Affects::Types { types });
    }
}
