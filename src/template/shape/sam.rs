//! SAM: the deployment groups that `DeploymentPreference` makes.
//!
//! In: `AWS::Serverless::Function` resources, and the `Globals` of their template. Out: the CodeDeploy application, the
//! groups and the role that the transform adds, because a template that shifts traffic gradually, or all at once, says so
//! nowhere else. What is added follows `samtranslator/model/preferences/deployment_preference_collection.py` of
//! <https://github.com/aws/serverless-application-model>.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::super::hole::whole;
use super::super::identity;
use super::super::node::{Entry, Node, Tree};
use super::super::source::Raw;
use super::form::map;

const FUNCTION: &str = "AWS::Serverless::Function";
const APPLICATION: &str = "ServerlessDeploymentApplication";
const SERVICE_ROLE: &str = "CodeDeployServiceRole";

/// Properties of a function that decide what is deployed how.
const INHERITED: &[&str] = &["AutoPublishAlias", "DeploymentPreference"];

/// The names of CodeDeploy's own configurations for functions, as SAM shortens them.
const PREDEFINED: &[&str] = &[
    "AllAtOnce",
    "Canary10Percent10Minutes",
    "Canary10Percent15Minutes",
    "Canary10Percent30Minutes",
    "Canary10Percent5Minutes",
    "Linear10PercentEvery10Minutes",
    "Linear10PercentEvery1Minute",
    "Linear10PercentEvery2Minutes",
    "Linear10PercentEvery3Minutes",
];

/// The properties of a function together with what the template's `Globals` say of all functions. `root` is the template,
/// nothing in it resolved yet.
#[must_use]
pub fn with_globals(root: &Node, type_name: &str, properties: Node) -> Node {
    let globals = root.at(&["Globals", "Function"]).filter(|_| type_name == FUNCTION);
    let Some(globals) = globals else { return properties };
    let entries = globals.entries().iter().filter(|entry| INHERITED.contains(&entry.key.as_str()));
    let inherited = Node::new(Tree::Map(entries.cloned().collect()), globals.span);
    if inherited.entries().is_empty() { properties } else { merged(&inherited, properties) }
}

/// Mappings are merged and lists joined; everything else a function says itself.
fn merged(global: &Node, own: Node) -> Node {
    match (&global.tree, own.tree) {
        (Tree::Map(general), Tree::Map(mut entries)) => {
            for entry in general {
                match entries.iter_mut().rev().find(|own| own.key == entry.key) {
                    Some(Entry { value, .. }) => {
                        let said = std::mem::replace(value, Node::new(Tree::Null, entry.key_span));
                        *value = merged(&entry.value, said);
                    }
                    None => entries.push(entry.clone()),
                }
            }
            Node { tree: Tree::Map(entries), span: own.span, tag: own.tag }
        }
        (Tree::List(general), Tree::List(items)) => {
            let tree = Tree::List(general.iter().cloned().chain(items).collect());
            Node { tree, span: own.span, tag: own.tag }
        }
        (_, tree) => Node { tree, span: own.span, tag: own.tag },
    }
}

/// What the transform adds to these resources.
pub(super) fn generated(raws: &[Raw]) -> Vec<Raw> {
    let mut added = Vec::new();
    let mut applications: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut roles: BTreeSet<Arc<str>> = BTreeSet::new();
    for function in raws.iter().filter(|raw| raw.type_name == FUNCTION) {
        let Some(preference) = function.property("DeploymentPreference").filter(|written| is_enabled(written)) else {
            continue;
        };
        if applications.insert(Arc::clone(&function.file)) {
            added.push(beside(
                function,
                preference,
                "AWS::CodeDeploy::Application",
                APPLICATION,
                application(preference),
            ));
        }
        let role = preference.get("Role").filter(|role| !role.is_null());
        if role.is_none() && preference.is_map() && roles.insert(Arc::clone(&function.file)) {
            added.push(beside(
                function,
                preference,
                "AWS::IAM::Role",
                SERVICE_ROLE,
                service_role(function, preference),
            ));
        }
        let role = role.cloned().unwrap_or_else(|| {
            Node::text(identity::uid("AWS::IAM::Role", SERVICE_ROLE, &function.place), preference.span)
        });
        let logical_id = format!("{}DeploymentGroup", function.logical_id);
        let properties = group(preference, role);
        let mut group = beside(function, preference, "AWS::CodeDeploy::DeploymentGroup", &logical_id, properties);
        group.more = open(preference).map(str::to_owned);
        added.push(group);
    }
    // What a template declares itself under such a name is its own.
    added.retain(|raw| !raws.iter().any(|known| known.logical_id == raw.logical_id && known.file == raw.file));
    added
}

fn is_enabled(preference: &Node) -> bool {
    let enabled = preference.get("Enabled").and_then(Node::scalar);
    let known = preference.is_map() || preference.as_str().is_some_and(|text| whole(text).is_some());
    known && !enabled.is_some_and(|enabled| enabled.eq_ignore_ascii_case("false"))
}

/// The hole that stands for all of a preference, or for whether it counts.
fn open(preference: &Node) -> Option<&str> {
    let decides = if preference.is_map() { preference.get("Enabled")? } else { preference };
    decides.as_str().filter(|text| whole(text).is_some())
}

fn beside(function: &Raw, preference: &Node, type_name: &str, logical_id: &str, properties: Node) -> Raw {
    Raw {
        type_name: type_name.to_owned(),
        logical_id: logical_id.to_owned(),
        name: logical_id.to_owned(),
        span: preference.span,
        properties,
        more: None,
        ..function.clone()
    }
}

fn application(preference: &Node) -> Node {
    Node::from_value(&json!({"ComputePlatform": "Lambda"}), preference.span)
}

fn service_role(function: &Raw, preference: &Node) -> Node {
    let partition = function.place.partition().as_str();
    let policy = format!("arn:{partition}:iam::aws:policy/service-role/AWSCodeDeployRoleForLambda");
    let statement = json!({"Action": ["sts:AssumeRole"], "Effect": "Allow",
                           "Principal": {"Service": ["codedeploy.amazonaws.com"]}});
    let role = json!({"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
                      "ManagedPolicyArns": [policy]});
    Node::from_value(&role, preference.span)
}

fn group(preference: &Node, role: Node) -> Node {
    let text = |text: &str| Node::text(text, preference.span);
    let value = |value: serde_json::Value| Node::from_value(&value, preference.span);
    let mut fields = vec![
        ("ApplicationName", text(APPLICATION)),
        ("ServiceRoleArn", role),
        (
            "AutoRollbackConfiguration",
            value(json!({"Enabled": true,
                         "Events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"]})),
        ),
        ("DeploymentStyle", value(json!({"DeploymentType": "BLUE_GREEN", "DeploymentOption": "WITH_TRAFFIC_CONTROL"}))),
    ];
    if open(preference).is_some() || !preference.is_map() {
        // Only what the transform adds to every group is certain, if there is one.
        return map(fields, preference);
    }
    fields.push(("AlarmConfiguration", alarms(preference)));
    if let Some(kind) = preference.get("Type").filter(|kind| !kind.is_null()) {
        let short = kind.as_str().filter(|name| PREDEFINED.contains(name));
        let name = short.map(|name| Node::text(format!("CodeDeployDefault.Lambda{name}"), kind.span));
        fields.push(("DeploymentConfigName", name.unwrap_or_else(|| kind.clone())));
    }
    if let Some(triggers) = preference.get("TriggerConfigurations").filter(|triggers| !triggers.is_null()) {
        fields.push(("TriggerConfigurations", triggers.clone()));
    }
    map(fields, preference)
}

fn alarms(preference: &Node) -> Node {
    let written = preference.get("Alarms").filter(|alarms| !alarms.is_null());
    let enabled = |enabled: bool, at: &Node| Node::new(Tree::Bool(enabled), at.span);
    let named = match written {
        Some(list @ Node { tree: Tree::List(items), .. }) => {
            let items = items.iter().filter(|alarm| !alarm.is_null());
            let items: Vec<Node> = items.map(|alarm| map(vec![("Name", alarm.clone())], alarm)).collect();
            Node::new(Tree::List(items), list.span)
        }
        // A hole may be any list.
        Some(open) => open.clone(),
        None => Node::new(Tree::List(Vec::new()), preference.span),
    };
    let watches = named.as_str().is_some() || !named.elements().is_empty();
    map(vec![("Enabled", enabled(watches, &named)), ("Alarms", named.clone())], &named)
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::Value;

    use super::super::testing::*;
    use super::*;
    use crate::inventory::Span;

    fn function(preference: Value) -> Raw {
        raw(FUNCTION, "Api", json!({"AutoPublishAlias": "live", "DeploymentPreference": preference}))
    }

    #[test]
    fn a_preference_makes_a_group_an_application_and_a_role() {
        let all = [function(
            json!({"Type": "Canary10Percent5Minutes", "Alarms": ["Errors"], "Hooks": {"PreTraffic": "x"},
                                   "TriggerConfigurations": [{"TriggerTargetArn": "t", "TriggerEvents": ["DeploymentFailure"]}]}),
        )];
        let group = one(&all, "ApiDeploymentGroup").resource;
        assert_eq!(
            Value::Object(group.properties),
            json!({
                "ApplicationName": "ServerlessDeploymentApplication", "DeploymentGroupName": "ApiDeploymentGroup",
                "ComputePlatform": "Lambda", "ServiceRoleArn": "arn:aws:iam::111122223333:role/CodeDeployServiceRole",
                "AutoRollbackConfiguration": {"Enabled": true,
                    "Events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"]},
                "AlarmConfiguration": {"Enabled": true, "Alarms": [{"Name": "Errors"}]},
                "DeploymentConfigName": "CodeDeployDefault.LambdaCanary10Percent5Minutes",
                "DeploymentStyle": {"DeploymentType": "BLUE_GREEN", "DeploymentOption": "WITH_TRAFFIC_CONTROL"},
                "TriggerConfigurations": [{"TriggerTargetArn": "t", "TriggerEvents": ["DeploymentFailure"]}],
            })
        );
        let ids: Vec<String> = shape(&all).into_iter().map(|found| found.logical_id).collect();
        assert_eq!(ids, ["ServerlessDeploymentApplication", "CodeDeployServiceRole", "ApiDeploymentGroup"]);
    }

    #[test]
    fn without_alarms_or_with_a_role_of_its_own() {
        let all = [function(json!({"Type": "Mine", "Role": "arn:role", "Alarms": []}))];
        let group = properties(&all, "ApiDeploymentGroup");
        assert_eq!(group["AlarmConfiguration"], json!({"Enabled": false}));
        assert_eq!((&group["DeploymentConfigName"], &group["ServiceRoleArn"]), (&json!("Mine"), &json!("arn:role")));
        assert_eq!(shape(&all).len(), 2);
    }

    #[test]
    fn a_function_without_a_preference_makes_nothing() {
        for preference in [json!(null), json!({"Enabled": false, "Type": "AllAtOnce"}), json!({"Enabled": "False"})] {
            assert!(shape(&[function(preference)]).is_empty());
        }
    }

    #[test]
    fn a_preference_that_may_be_switched_off_says_nothing_certain() {
        let mut holes = crate::template::Holes::default();
        let token = holes.token("Gradual", &"t.yaml".into(), Span::default(), "pass it");
        let all = [function(json!({"Enabled": token, "Type": "AllAtOnce"}))];
        let found = super::super::declared(&all, &holes);
        let group = &found.iter().find(|one| one.logical_id == "ApiDeploymentGroup").unwrap().resource;
        assert!(group.unseen.contains_key("*"), "{:?}", group.unseen);
        for property in ["AlarmConfiguration", "DeploymentConfigName"] {
            assert!(!group.properties.contains_key(property), "{:?}", group.properties);
        }
    }

    #[test]
    fn globals_hold_for_every_function() {
        let of = |value: &Value| Node::from_value(value, Span::default());
        let root = of(&json!({"Globals": {"Function": {"Runtime": "x", "AutoPublishAlias": "live",
                              "DeploymentPreference": {"Type": "AllAtOnce", "Alarms": ["A"]}}}}));
        let own = of(&json!({"DeploymentPreference": {"Type": "Linear10PercentEvery1Minute", "Alarms": ["B"]}}));
        assert_eq!(
            with_globals(&root, FUNCTION, own.clone()).to_value(),
            json!({"DeploymentPreference": {"Type": "Linear10PercentEvery1Minute", "Alarms": ["A", "B"]}, "AutoPublishAlias": "live"})
        );
        assert_eq!(with_globals(&root, "AWS::S3::Bucket", own.clone()), own);
        assert_eq!(with_globals(&of(&json!({})), FUNCTION, own.clone()), own);
    }
}
