//! `AWS::CodePipeline::Pipeline`: the way to production.
//!
//! In: a pipeline, and what other accounts say of its targets, keys, projects and webhooks. Out: its facts; those that
//! follow from its stages are derived in `release`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::delivery_path::PipelinePath;
use super::deploying;
use super::joins::{Joins, PipelineEntry};
use super::pipeline_definition::{Action, Definition};
use super::pipeline_practice;
use super::pipeline_roles;
use super::pipeline_source;
use super::pipeline_view::View;
use super::production::Environment;
use super::project::bucket_name;
use super::release;
use super::seen::{Found, Seen, flag, list_at, name, property, tags, text_at, text_or};
use super::webhook;
use super::{Facts, ResourceKind};
use crate::inventory::{Region, Resource, is_redacted, is_redacted_secret, looks_secret};

use crate::inventory::TypeName;

/// Pipelines.
pub struct Pipeline;

impl ResourceKind for Pipeline {
    fn type_name(&self) -> TypeName {
        TypeName::PIPELINE
    }

    fn action(&self) -> &'static str {
        "Release"
    }

    fn index(&self, resource: &Resource, joins: &mut Joins) {
        let buckets = match stores(resource) {
            Ok(stores) => stores.iter().map(|store| bucket_name(text_at(Some(store.value), &["Location"]))).collect(),
            Err(sentences) => {
                joins.hidden_releases.entry(resource.account.clone()).or_default().extend(sentences.iter().cloned());
                joins.hidden_stores.entry(resource.account.clone()).or_default().extend(sentences);
                BTreeSet::new()
            }
        };
        let candidates = property(resource, "Stages")
            .map(|stages| deploying::candidates(resource, &Definition::read(stages), stack(resource), joins));
        if let Err(sentences) = &candidates {
            joins.hidden_stages.entry(resource.account.clone()).or_default().extend(sentences.iter().cloned());
        }
        pipeline_practice::index(resource, joins);
        let entry = PipelineEntry {
            label: format!("{}/{}", resource.account, name(resource, "Name")),
            tagged: tagged(resource, joins),
            candidates,
            buckets: buckets.into_iter().filter(|bucket| !bucket.is_empty()).map(str::to_owned).collect(),
            projects: super::project_use::of_pipeline(resource),
            sources: pipeline_source::branches(resource),
            path: PipelinePath::of(resource),
        };
        joins.pipelines.push(entry);
    }

    fn facts(&self, resource: &Resource, joins: &Joins) -> Facts {
        let name = name(resource, "Name");
        let mut facts = Facts::default();
        facts.know("name", name);
        facts.put_tags(resource);
        facts.put("pipelineType", text_or(resource, "PipelineType", "V1"));
        facts.put("executionMode", text_or(resource, "ExecutionMode", "SUPERSEDED"));
        put_stores(&mut facts, resource, joins);
        facts.put("pullRequestTriggers", pull_request_triggers(resource));
        facts.put("heldStages", held_stages(resource));
        pipeline_source::put(&mut facts, resource, joins);
        let (webhooks, unauthenticated) = webhook::of_pipeline(resource, name, joins);
        facts.put("webhooks", webhooks.decided());
        facts.put("unauthenticatedWebhooks", unauthenticated.decided());
        super::pipeline_guardrails::put(&mut facts, resource, joins);
        pipeline_practice::put(&mut facts, resource, joins);
        match property(resource, "Stages") {
            Ok(stages) => {
                let (definition, stack) = (Definition::read(stages), stack(resource));
                let candidates = deploying::candidates(resource, &definition, stack, joins);
                let judged = deploying::judge(&candidates, &tagged(resource, joins), joins);
                release::put(&mut facts, &definition, &candidates, &judged, stack, joins);
                let view = View { resource, definition: &definition, candidates: &candidates, judged: &judged, joins };
                pipeline_practice::put_stages(&mut facts, &view);
                put_sources(&mut facts, &definition);
                let of_actions: Vec<_> = candidates.iter().map(|candidate| candidate.action).zip(&judged).collect();
                pipeline_roles::put(&mut facts, resource, &definition, &of_actions, stack, joins);
                facts.put("plaintextSecretVariables", plaintext_secrets(&definition).decided());
            }
            Err(sentences) => {
                let of_stages = release::FACTS.iter().chain(OF_ACTIONS).chain(pipeline_practice::of_stages());
                for fact in of_stages.chain(pipeline_roles::FACTS) {
                    facts.put::<bool>(fact, Err(sentences.clone()));
                }
            }
        }
        facts
    }
}

/// Facts about single actions, unknown together if the stages could not be seen.
const OF_ACTIONS: &[&str] = &["oauthSourceActions", "plaintextSecretVariables", "pollingSourceActions"];

/// The stack that made the pipeline, as its tag says.
pub(super) fn stack(resource: &Resource) -> Option<&str> {
    resource.tags.get("aws:cloudformation:stack-name").map(String::as_str)
}

pub(super) fn tagged(resource: &Resource, joins: &Joins) -> Seen<Environment> {
    Ok(joins.classifier.by_tags(tags(resource)?, "pipeline"))
}

/// An artifact store and the Region that it serves.
struct Store<'a> {
    region: Region,
    value: &'a Value,
}

fn stores(resource: &Resource) -> Seen<Vec<Store<'_>>> {
    let own = property(resource, "ArtifactStore")?.map(|value| Store { region: resource.region.clone(), value });
    let several = list_at(property(resource, "ArtifactStores")?, &[]).iter().filter_map(|entry| {
        let region = text_at(Some(entry), &["Region"]).parse().ok()?;
        Some(Store { region, value: entry.get("ArtifactStore")? })
    });
    Ok(own.into_iter().chain(several).collect())
}

/// Whose key a store is encrypted with: `customer`, `aws`, or `none` where it names none.
fn store_key(store: &Store<'_>, resource: &Resource, joins: &Joins) -> Seen<&'static str> {
    let key = text_at(Some(store.value), &["EncryptionKey", "Id"]);
    if key.is_empty() {
        return Ok("none");
    }
    let manager = joins.key_manager(key, &resource.account, &store.region)?;
    Ok(if manager == "CUSTOMER" { "customer" } else { "aws" })
}

fn put_stores(facts: &mut Facts, resource: &Resource, joins: &Joins) {
    let stores = match stores(resource) {
        Ok(stores) => stores,
        Err(sentences) => {
            for fact in ["artifactStoreKey", "crossRegionStores", "crossRegionStoresWithoutCustomerKey"] {
                facts.put::<bool>(fact, Err(sentences.clone()));
            }
            return;
        }
    };
    let own = stores.iter().find(|store| store.region == resource.region);
    facts.put("artifactStoreKey", own.map_or(Ok("none"), |store| store_key(store, resource, joins)));
    let mut others = BTreeSet::new();
    let mut without = Found::default();
    for store in stores.iter().filter(|store| store.region != resource.region) {
        others.insert(store.region.to_string());
        without.add_if(store.region.as_str(), &store_key(store, resource, joins).map(|key| key != "customer"));
    }
    facts.know("crossRegionStores", others);
    facts.put("crossRegionStoresWithoutCustomerKey", without.decided());
}

/// The source actions whose pull requests start the pipeline.
fn pull_request_triggers(resource: &Resource) -> Seen<BTreeSet<String>> {
    let triggers = list_at(property(resource, "Triggers")?, &[]).iter();
    let started = triggers.filter(|trigger| !list_at(Some(trigger), &["GitConfiguration", "PullRequest"]).is_empty());
    Ok(started.map(|trigger| text_at(Some(trigger), &["GitConfiguration", "SourceActionName"]).to_owned()).collect())
}

/// The stages that somebody holds back by hand.
fn held_stages(resource: &Resource) -> Seen<BTreeSet<String>> {
    let held = list_at(property(resource, "DisableInboundStageTransitions")?, &[]).iter();
    Ok(held.map(|transition| text_at(Some(transition), &["StageName"]).to_owned()).collect())
}

fn put_sources(facts: &mut Facts, definition: &Definition<'_>) {
    let labels = |holds: &dyn Fn(&Action<'_>) -> bool| -> BTreeSet<String> {
        definition.actions.iter().filter(|action| holds(action)).map(Action::label).collect()
    };
    facts.know("oauthSourceActions", labels(&uses_oauth));
    facts.know("pollingSourceActions", labels(&polls));
}

/// GitHub's first source action knows only personal tokens, kept in the definition.
fn uses_oauth(action: &Action<'_>) -> bool {
    is_first_github(action) || action.configuration().is_some_and(|settings| settings.contains_key("OAuthToken"))
}

fn is_first_github(action: &Action<'_>) -> bool {
    action.category == "Source" && action.owner == "ThirdParty" && action.provider == "GitHub"
}

/// Three providers poll unless told not to.
fn polls(action: &Action<'_>) -> bool {
    let told = action.configuration().and_then(|settings| settings.get("PollForSourceChanges")).and_then(flag);
    let by_default = matches!(action.provider, "CodeCommit" | "S3") || is_first_github(action);
    action.category == "Source" && told.unwrap_or(by_default)
}

/// `Stage/Action/NAME` of plaintext variables that look like secrets.
fn plaintext_secrets(definition: &Definition<'_>) -> Found {
    let mut found = Found::default();
    for action in &definition.actions {
        let mut judge = |variable: &Value, names: [&str; 3]| {
            let [name, value, kind] = names.map(|field| text_at(Some(variable), &[field]));
            if matches!(kind, "" | "PLAINTEXT") && is_plaintext_secret(name, value) {
                found.add(format!("{}/{name}", action.label()));
            }
        };
        for variable in action.list("EnvironmentVariables") {
            judge(variable, ["Name", "Value", "Type"]);
        }
        let embedded = action.setting("EnvironmentVariables");
        if embedded.is_empty() {
            continue;
        }
        match serde_json::from_str::<Vec<Value>>(embedded) {
            Ok(variables) => variables.iter().for_each(|variable| judge(variable, ["name", "value", "type"])),
            Err(_) => found.doubt(&[format!("environment variables of {} are not a JSON list", action.label())]),
        }
    }
    found
}

/// Collectors leave a word in the value's place; templates may still hold the value.
fn is_plaintext_secret(name: &str, value: &str) -> bool {
    is_redacted_secret(value) || !is_redacted(value) && looks_secret(name, value)
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::Fact;
    use super::super::testing::*;
    use super::*;

    fn facts(properties: Value) -> Facts {
        Pipeline.facts(&resource(TypeName::PIPELINE, "web", properties), &joins(&[], &[]))
    }

    fn set(facts: &Facts, name: &str) -> Vec<String> {
        match &facts.known[name] {
            Fact::Set(set) => set.iter().cloned().collect(),
            other => panic!("{other:?}"),
        }
    }

    fn one_action(action: Value) -> Value {
        json!({"Stages": [{"Name": "S", "Actions": [action]}]})
    }

    #[test]
    fn stores_of_the_own_and_of_other_regions() {
        let store = |region: &str, key: Value| json!({"Region": region, "ArtifactStore": {"Type": "S3", "Location": region, "EncryptionKey": key}});
        let properties = json!({"ArtifactStores": [
            store("eu-west-1", json!({"Id": "k1", "Type": "KMS"})),
            store("us-east-1", json!(null)),
            store("eu-central-1", json!({"Id": "arn:aws:kms:eu-west-1:111111111111:key/k1", "Type": "KMS"})),
        ]});
        let key = resource(TypeName::KEY, "k1", json!({"KeyManager": "CUSTOMER"}));
        let pipeline = resource(TypeName::PIPELINE, "web", properties);
        let facts = Pipeline.facts(&pipeline, &joins(std::slice::from_ref(&key), &[]));
        assert_eq!(facts.known["artifactStoreKey"], Fact::Text("customer".to_owned()));
        assert_eq!(set(&facts, "crossRegionStores"), ["eu-central-1", "us-east-1"]);
        assert_eq!(set(&facts, "crossRegionStoresWithoutCustomerKey"), ["us-east-1"]);
        let unseen = Pipeline.facts(&pipeline, &joins(&[], &[]));
        assert!(unseen.unknown.contains_key("artifactStoreKey"));
        assert_eq!(set(&unseen, "crossRegionStoresWithoutCustomerKey"), ["us-east-1"]);
    }

    #[test]
    fn a_key_behind_a_gap_is_unknown_with_its_reason() {
        let properties = json!({"ArtifactStore": {"Type": "S3", "Location": "b", "EncryptionKey": {"Id": "alias/a"}}});
        let gap = denied_types("kms:DescribeKey", &[TypeName::KEY]);
        let pipeline = resource(TypeName::PIPELINE, "web", properties);
        let facts = Pipeline.facts(&pipeline, &joins(&[], std::slice::from_ref(&gap)));
        assert_eq!(facts.unknown["artifactStoreKey"], [gap.sentence()]);
    }

    #[test]
    fn sources_that_poll_or_hold_a_token() {
        let source = |owner: &str, provider: &str, settings: Value| {
            let kind = json!({"Category": "Source", "Owner": owner, "Provider": provider, "Version": "1"});
            let facts = facts(one_action(json!({"Name": "A", "ActionTypeId": kind, "Configuration": settings})));
            (!set(&facts, "pollingSourceActions").is_empty(), !set(&facts, "oauthSourceActions").is_empty())
        };
        assert_eq!(source("AWS", "CodeCommit", json!({})), (true, false));
        assert_eq!(source("AWS", "CodeCommit", json!({"PollForSourceChanges": "false"})), (false, false));
        assert_eq!(source("AWS", "S3", json!({"PollForSourceChanges": "true"})), (true, false));
        assert_eq!(source("AWS", "CodeStarSourceConnection", json!({})), (false, false));
        assert_eq!(source("AWS", "ECR", json!({})), (false, false));
        assert_eq!(
            source("ThirdParty", "GitHub", json!({"PollForSourceChanges": "false", "OAuthToken": "redacted"})),
            (false, true)
        );
        assert_eq!(source("ThirdParty", "GitHub", json!({})), (true, true));
    }

    #[test]
    fn secrets_in_variables_of_both_kinds() {
        let embedded = r#"[{"name":"DB_PASSWORD","value":"redacted:secret-like","type":"PLAINTEXT"},
            {"name":"API_TOKEN","value":"/x/token","type":"PARAMETER_STORE"},{"name":"STAGE","value":"redacted"}]"#;
        let facts = facts(one_action(json!({
            "Name": "A", "ActionTypeId": {"Category": "Build", "Provider": "CodeBuild"},
            "Configuration": {"EnvironmentVariables": embedded},
            "EnvironmentVariables": [{"Name": "TOKEN", "Value": "redacted:secret-like", "Type": "PLAINTEXT"}],
        })));
        assert_eq!(set(&facts, "plaintextSecretVariables"), ["S/A/DB_PASSWORD", "S/A/TOKEN"]);
    }

    #[test]
    fn pull_requests_held_stages_and_defaults() {
        let facts = facts(json!({
            "Triggers": [
                {"GitConfiguration": {"SourceActionName": "Main", "Push": [{}]}},
                {"GitConfiguration": {"SourceActionName": "Code", "PullRequest": [{"Events": ["OPEN"]}]}},
            ],
            "DisableInboundStageTransitions": [{"StageName": "Prod", "Reason": "freeze"}],
        }));
        assert_eq!(set(&facts, "pullRequestTriggers"), ["Code"]);
        assert_eq!(set(&facts, "heldStages"), ["Prod"]);
        assert_eq!(facts.known["pipelineType"], Fact::Text("V1".to_owned()));
        assert_eq!(facts.known["executionMode"], Fact::Text("SUPERSEDED".to_owned()));
    }

    #[test]
    fn hidden_webhooks_are_unknown_and_open_ones_decide_anyway() {
        let gap = denied_types("codepipeline:ListWebhooks", &[TypeName::WEBHOOK]);
        let pipeline = resource(TypeName::PIPELINE, "web", json!({"Name": "web"}));
        let facts = Pipeline.facts(&pipeline, &joins(&[], std::slice::from_ref(&gap)));
        assert!(facts.unknown.contains_key("webhooks") && facts.unknown.contains_key("unauthenticatedWebhooks"));
        let open = resource(
            TypeName::WEBHOOK,
            "w",
            json!({"Name": "w", "Authentication": "UNAUTHENTICATED", "TargetPipeline": "web"}),
        );
        let facts = Pipeline.facts(&pipeline, &joins(&[open], &[gap]));
        assert_eq!(set(&facts, "unauthenticatedWebhooks"), ["w"]);
    }

    #[test]
    fn each_unseen_property_leaves_its_facts_unknown() {
        let of_stages = release::FACTS.iter().chain(OF_ACTIONS).chain(pipeline_practice::of_stages());
        let of_stages = of_stages.chain(pipeline_source::FACTS).chain(pipeline_roles::FACTS);
        let of_stages: Vec<&str> = of_stages.copied().collect();
        let of_stores = vec!["artifactStoreKey", "crossRegionStores", "crossRegionStoresWithoutCustomerKey"];
        for (property, mut expected) in [
            ("Stages", of_stages),
            ("ArtifactStore", of_stores),
            ("Triggers", vec!["pullRequestTriggers"]),
            ("DisableInboundStageTransitions", vec!["heldStages"]),
            ("PipelineType", vec!["pipelineType"]),
            ("ExecutionMode", vec!["executionMode"]),
            ("Tags", vec!["missingTags", "provenance", "tagKeys", "tags"]),
        ] {
            let mut hidden = resource(TypeName::PIPELINE, "web", json!({"Name": "web"}));
            hidden.unseen.insert(property.to_owned(), denied("codepipeline:GetPipeline"));
            let facts = Pipeline.facts(&hidden, &joins(&[member("111111111111", None)], &[]));
            expected.sort_unstable();
            assert_eq!(facts.unknown.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), expected, "{property}");
        }
    }
}
