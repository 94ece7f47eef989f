//! `AWS::CodePipeline::Pipeline`, its webhooks, and the rules that tell of it.
//!
//! In: the definition as a template writes it, with numbers and mappings where the API has text. Out: the definition as
//! `GetPipeline` answers it, without scripts and without secrets.

use serde_json::Value;

use super::super::node::{Node, Tree};
use super::Shape;
use super::conversion::{Conversion, as_declared};
use super::form::{Form, TEXT_LIST, with};
use super::{script, secret_text};
use crate::inventory::{Arn, GapCause, TypeName};

const NAMED: Form = Form::List(&Form::Map(&[("Name", Form::Text)]));

const STORE: Form = Form::Map(&[
    ("Type", Form::Text),
    ("Location", Form::Text),
    ("EncryptionKey", Form::Map(&[("Id", Form::Text), ("Type", Form::Text)])),
]);

const TYPE_ID: Form =
    Form::Map(&[("Category", Form::Text), ("Owner", Form::Text), ("Provider", Form::Text), ("Version", Form::Text)]);

const ACTION: Form = Form::Map(&[
    ("Name", Form::Text),
    ("ActionTypeId", TYPE_ID),
    ("RunOrder", Form::Number),
    ("Configuration", Form::Texts),
    ("Commands", Form::Any),
    ("CheckCommands", Form::Any),
    (
        "EnvironmentVariables",
        Form::List(&Form::Map(&[("Name", Form::Text), ("Value", Form::Text), ("Type", Form::Text)])),
    ),
    ("InputArtifacts", NAMED),
    ("OutputArtifacts", NAMED),
    ("RoleArn", Form::Text),
    ("Region", Form::Text),
    ("Namespace", Form::Text),
    ("TimeoutInMinutes", Form::Number),
]);

const RULE: Form = Form::Map(&[
    ("Name", Form::Text),
    ("RuleTypeId", TYPE_ID),
    ("Configuration", Form::Texts),
    ("RoleArn", Form::Text),
    ("Region", Form::Text),
]);

const CONDITIONS: Form = Form::List(&Form::Map(&[("Result", Form::Text), ("Rules", Form::List(&RULE))]));

const STAGE: Form = Form::Map(&[
    ("Name", Form::Text),
    ("Actions", Form::List(&ACTION)),
    ("BeforeEntry", Form::Map(&[("Conditions", CONDITIONS)])),
    ("OnSuccess", Form::Map(&[("Conditions", CONDITIONS)])),
    (
        "OnFailure",
        Form::Map(&[
            ("Result", Form::Text),
            ("Conditions", CONDITIONS),
            ("RetryConfiguration", Form::Map(&[("RetryMode", Form::Text)])),
        ]),
    ),
]);

const GLOBS: Form = Form::Map(&[("Includes", TEXT_LIST), ("Excludes", TEXT_LIST)]);

const TRIGGER: Form = Form::Map(&[
    ("ProviderType", Form::Text),
    (
        "GitConfiguration",
        Form::Map(&[
            ("SourceActionName", Form::Text),
            ("Push", Form::List(&Form::Map(&[("Branches", GLOBS), ("Tags", GLOBS), ("FilePaths", GLOBS)]))),
            (
                "PullRequest",
                Form::List(&Form::Map(&[("Events", TEXT_LIST), ("Branches", GLOBS), ("FilePaths", GLOBS)])),
            ),
        ]),
    ),
]);

/// Pipelines. What a person holds back by hand (`DisableInboundStageTransitions`) may be declared, so its absence says
/// that the deployment holds back nothing.
pub(super) const PIPELINE: Shape = Shape {
    type_name: "AWS::CodePipeline::Pipeline",
    becomes: TypeName::PIPELINE,
    form: Form::Map(&[
        ("Name", Form::Text),
        ("RoleArn", Form::Text),
        ("PipelineType", Form::Text),
        ("ExecutionMode", Form::Text),
        ("ArtifactStore", STORE),
        ("ArtifactStores", Form::List(&Form::Map(&[("Region", Form::Text), ("ArtifactStore", STORE)]))),
        ("Stages", Form::List(&STAGE)),
        ("Triggers", Form::List(&TRIGGER)),
        ("Variables", NAMED),
        (
            "DisableInboundStageTransitions",
            Form::List(&Form::Map(&[("StageName", Form::Text), ("Reason", Form::Text)])),
        ),
        // Never a property; unseen where a description leaves them out.
        ("Webhooks", Form::Flag),
    ]),
    convert: pipeline,
    only_deployed: &[],
};

fn pipeline(conversion: &mut Conversion<'_>) {
    conversion.change(&["Stages", "*", "Actions", "*"], action);
    for when in ["BeforeEntry", "OnSuccess", "OnFailure"] {
        let path = ["Stages", "*", when, "Conditions", "*", "Rules", "*", "Configuration"];
        conversion.change(&path, secret_text::redact_configuration);
    }
    find_own_store(conversion);
}

fn action(action: &mut Node) {
    super::form::change(action, &["Configuration"], &mut secret_text::redact_configuration);
    super::form::change(action, &["EnvironmentVariables"], &mut secret_text::redact_variables);
    let Some(commands) = action.get("Commands").filter(|commands| !commands.is_null()).cloned() else { return };
    let lines: Vec<String> = match &commands.tree {
        Tree::List(lines) => lines.iter().filter_map(Node::scalar).collect(),
        _ => commands.scalar().into_iter().collect(),
    };
    let read = script::read(&lines.join("\n"), &commands);
    let changed = with(action.clone(), "Commands", read.deploys);
    *action = with(changed, "CheckCommands", read.checks);
}

/// Which of several stores is that of the pipeline's own Region, where nobody told that Region: the one that no action in
/// another Region needs.
fn find_own_store(conversion: &mut Conversion<'_>) {
    let own = conversion.raw().place.region.to_string();
    if conversion.raw().place.region_known || conversion.property("ArtifactStores").is_none() {
        return;
    }
    let stores = conversion.property("ArtifactStores").map(Node::elements).unwrap_or_default();
    let regions: Vec<String> =
        stores.iter().filter_map(|store| store.text_at(&["Region"])).map(str::to_owned).collect();
    let elsewhere: Vec<&str> = conversion
        .property("Stages")
        .map(Node::elements)
        .unwrap_or_default()
        .iter()
        .flat_map(|stage| stage.get("Actions").map(Node::elements).unwrap_or_default())
        .filter_map(|action| action.text_at(&["Region"]))
        .collect();
    let open = regions.iter().find(|region| conversion.is_open(region, "AWS::Region") || **region == own);
    let mut unneeded = regions.iter().filter(|region| !elsewhere.contains(&region.as_str()));
    let found = match (open, unneeded.next(), unneeded.next()) {
        (Some(region), ..) | (None, Some(region), None) => Some(region.clone()),
        _ => None,
    };
    let found = found.or_else(|| regions.first().filter(|_| regions.len() == 1).cloned());
    match found {
        Some(found) => conversion.change(&["ArtifactStores", "*", "Region"], |region| {
            if region.as_str() == Some(&found) {
                *region = Node::text(own.as_str(), region.span);
            }
        }),
        None if !regions.is_empty() => {
            let raw = conversion.raw();
            let at = raw.property("ArtifactStores").map_or(raw.span, |stores| stores.span).start;
            let cause = GapCause::Unresolved {
                expression: "AWS::Region".to_owned(),
                place: format!("{}:{}:{}", raw.file, at.line, at.column),
                hint: "say with --region which of the artifact stores is the pipeline's own".to_owned(),
            };
            conversion.hide("ArtifactStores", cause);
        }
        None => {}
    }
}

/// Webhooks, never with their token.
pub(super) const WEBHOOK: Shape = Shape {
    type_name: "AWS::CodePipeline::Webhook",
    becomes: TypeName::WEBHOOK,
    form: Form::Map(&[
        ("Name", Form::Text),
        ("Authentication", Form::Text),
        ("AuthenticationConfiguration", Form::Map(&[("AllowedIPRange", Form::Text)])),
        ("TargetPipeline", Form::Text),
        ("TargetAction", Form::Text),
        ("Filters", Form::List(&Form::Map(&[("JsonPath", Form::Text), ("MatchEquals", Form::Text)]))),
    ]),
    convert: as_declared,
    only_deployed: &[],
};

/// Notification rules. A target that is declared is active until somebody unsubscribes it.
pub(super) const NOTIFICATION_RULE: Shape = Shape {
    type_name: "AWS::CodeStarNotifications::NotificationRule",
    becomes: TypeName::NOTIFICATION_RULE,
    form: Form::Map(&[
        ("Name", Form::Text),
        ("Resource", Form::Text),
        ("EventTypeIds", TEXT_LIST),
        ("Status", Form::Text),
        ("DetailType", Form::Text),
        ("Targets", Form::List(&Form::Map(&[("TargetType", Form::Text), ("TargetAddress", Form::Text)]))),
    ]),
    convert: notification_rule,
    only_deployed: &[],
};

fn notification_rule(conversion: &mut Conversion<'_>) {
    if let Some(event) = conversion.take("EventTypeId") {
        let mut events: Vec<Node> =
            conversion.property("EventTypeIds").map(Node::elements).unwrap_or_default().to_vec();
        let span = event.span;
        events.push(event);
        conversion.set("EventTypeIds", Node::new(Tree::List(events), span));
    }
    conversion.change(&["EventTypeIds"], |events| {
        if let Tree::List(events) = &mut events.tree {
            events.sort_by_key(|event| event.as_str().map(str::to_owned));
        }
    });
    conversion.set_default("Status", &Value::from("ENABLED"));
    // An address that is no ARN may be somebody's: only what can be joined is kept.
    conversion.change(&["Targets", "*", "TargetAddress"], |address| {
        let text = address.as_str().unwrap_or_default();
        if Arn::parse(text).is_err() && !super::super::hole::has_holes(text) {
            address.tree = Tree::Null;
        }
    });
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::json;

    use super::super::testing::*;
    use super::*;
    use crate::template::{Holes, Place};

    #[test]
    fn a_definition_is_what_the_api_answers() {
        let action = json!({
            "Name": "Deploy", "RunOrder": "2", "ActionTypeId": {"Category": "Deploy", "Owner": "AWS", "Provider": "S3", "Version": 1},
            "Configuration": {"BucketName": "site", "Extract": true, "Retries": 3, "OAuthToken": "ghp_secret"},
            "InputArtifacts": [{"Name": "Built"}], "OutputArtifacts": [], "TimeoutInMinutes": "60",
        });
        let script = json!({
            "Name": "Run", "Commands": ["export TOKEN=hunter2", "terraform apply", "npm audit"],
            "EnvironmentVariables": [{"Name": "API_TOKEN", "Value": "hunter3"}],
        });
        let rule = json!({"Name": "Watch", "RuleTypeId": {"Category": "Rule", "Owner": "AWS", "Provider": "CloudWatchAlarm", "Version": "1"},
                          "Configuration": {"AlarmName": "errors", "WaitTime": 5}});
        let condition = json!({"Conditions": [{"Result": "ROLLBACK", "Rules": [rule]}]});
        let pipeline = json!({
            "RoleArn": "role", "PipelineType": "V2", "RestartExecutionOnUpdate": true,
            "Stages": [{"Name": "Prod", "Blockers": [], "Actions": [action, script], "OnSuccess": condition}],
            "Variables": [{"Name": "Level", "DefaultValue": "hunter4"}],
            "DisableInboundStageTransitions": [{"StageName": "Prod", "Reason": "freeze"}],
            "Triggers": [{"ProviderType": "CodeStarSourceConnection",
                          "GitConfiguration": {"SourceActionName": "Source", "Push": [{"Branches": {"Includes": ["main"]}}]}}],
        });
        let found = properties(&[raw("AWS::CodePipeline::Pipeline", "Web", pipeline)], "Web");
        let stage = &found["Stages"][0];
        assert_eq!(found["Name"], "Web");
        assert_eq!(
            stage["Actions"][0],
            json!({
                "Name": "Deploy", "RunOrder": 2, "TimeoutInMinutes": 60, "InputArtifacts": [{"Name": "Built"}],
                "ActionTypeId": {"Category": "Deploy", "Owner": "AWS", "Provider": "S3", "Version": "1"},
                "Configuration": {"BucketName": "site", "Extract": "true", "Retries": "3", "OAuthToken": "redacted:secret-like"},
            })
        );
        assert_eq!(
            stage["Actions"][1],
            json!({
                "Name": "Run", "Commands": ["terraform apply"],
                "CheckCommands": [{"Name": "npm audit", "Kind": "dependencies", "Stops": true}],
                "EnvironmentVariables": [{"Name": "API_TOKEN", "Value": "redacted:secret-like"}],
            })
        );
        assert_eq!(
            stage["OnSuccess"]["Conditions"][0]["Rules"][0]["Configuration"],
            json!({"AlarmName": "errors", "WaitTime": "5"})
        );
        assert_eq!(found["Variables"], json!([{"Name": "Level"}]));
        assert_eq!(found["DisableInboundStageTransitions"], json!([{"StageName": "Prod", "Reason": "freeze"}]));
        assert_eq!(found["Triggers"][0]["GitConfiguration"]["Push"][0]["Branches"]["Includes"], json!(["main"]));
        let text = Value::Object(found).to_string();
        assert!(!text.contains("hunter") && !text.contains("ghp_secret") && !text.contains("Restart"));
    }

    fn with_stores(stores: Value, region: Option<&str>, action_region: Option<&str>) -> crate::inventory::Resource {
        let mut action = json!({"Name": "Deploy"});
        if let Some(region) = action_region {
            action["Region"] = json!(region);
        }
        let mut pipeline = raw(
            "AWS::CodePipeline::Pipeline",
            "Web",
            json!({"ArtifactStores": stores, "Stages": [{"Name": "Prod", "Actions": [action]}]}),
        );
        pipeline.place = Place::new(None, region.and_then(|region| region.parse().ok()));
        one(&[pipeline], "Web").resource
    }

    #[test]
    fn the_own_store_is_found_without_knowing_the_region() {
        let store = |region: &str| json!({"Region": region, "ArtifactStore": {"Type": "S3", "Location": region}});
        let two = json!([store("us-east-1"), store("eu-west-1")]);
        let region = |resource: &crate::inventory::Resource, nth: usize| {
            resource.properties["ArtifactStores"][nth]["Region"].as_str().unwrap().to_owned()
        };
        let found = with_stores(two.clone(), None, Some("us-east-1"));
        assert_eq!((region(&found, 0).as_str(), region(&found, 1).as_str()), ("us-east-1", "global"));
        let found = with_stores(json!([store("us-east-1")]), None, Some("us-east-1"));
        assert_eq!(region(&found, 0), "global");
        let found = with_stores(two.clone(), None, None);
        assert!(found.unseen["ArtifactStores"].sentence().contains("--region"));
        let found = with_stores(two, Some("eu-west-1"), None);
        assert!(found.unseen.is_empty());
    }

    #[test]
    fn the_own_store_may_be_named_by_the_pseudo_parameter() {
        let mut holes = Holes::default();
        let token = holes.token("AWS::Region", &"t.yaml".into(), crate::inventory::Span::default(), "pass it");
        let store = |region: &str| json!({"Region": region, "ArtifactStore": {"Type": "S3", "Location": "a"}});
        let mut pipeline =
            raw("AWS::CodePipeline::Pipeline", "Web", json!({"ArtifactStores": [store("us-east-1"), store(&token)]}));
        pipeline.place = Place::new(None, None);
        let found = super::super::declared(&[pipeline], &holes);
        assert_eq!(found[0].resource.properties["ArtifactStores"][1]["Region"], "global");
    }

    #[test]
    fn a_webhook_keeps_no_token() {
        let hook = json!({"Authentication": "GITHUB_HMAC", "AuthenticationConfiguration": {"SecretToken": "hunter2"},
                          "TargetPipeline": "Web", "TargetAction": "Source", "TargetPipelineVersion": 1,
                          "Filters": [{"JsonPath": "$.ref", "MatchEquals": "x"}], "RegisterWithThirdParty": true});
        let found = properties(&[raw("AWS::CodePipeline::Webhook", "Hook", hook)], "Hook");
        assert_eq!(
            Value::Object(found),
            json!({"Name": "Hook", "Authentication": "GITHUB_HMAC", "AuthenticationConfiguration": {},
                   "TargetPipeline": "Web", "TargetAction": "Source", "Filters": [{"JsonPath": "$.ref", "MatchEquals": "x"}]})
        );
    }

    #[test]
    fn a_notification_rule_keeps_only_addresses_that_can_be_joined() {
        let topic = "arn:aws:sns:eu-west-1:111122223333:ops";
        let rule = json!({"Resource": "arn:aws:codepipeline:eu-west-1:111122223333:web", "EventTypeIds": ["b", "a"],
                          "EventTypeId": "c", "DetailType": "FULL", "Name": "tell", "CreatedBy": "me",
                          "Targets": [{"TargetType": "SNS", "TargetAddress": topic}, {"TargetType": "X", "TargetAddress": "me@acme.example"}]});
        let found = properties(&[raw("AWS::CodeStarNotifications::NotificationRule", "Rule", rule)], "Rule");
        assert_eq!(found["EventTypeIds"], json!(["a", "b", "c"]));
        assert_eq!(found["Status"], "ENABLED");
        assert_eq!(found["Targets"], json!([{"TargetType": "SNS", "TargetAddress": topic}, {"TargetType": "X"}]));
    }
}
