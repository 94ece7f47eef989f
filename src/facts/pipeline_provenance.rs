//! Where a pipeline's definition comes from, who owns it, and what has to be released before it.
//!
//! In: tags, the configuration, and what other pipelines start. Out: the facts about provenance and about the order of
//! services. Drift of a stack from its template is not visible here: only what made the pipeline is.

use std::collections::BTreeSet;

use super::pipeline_definition::Action;
use super::pipeline_view::View;
use super::practice_rules::fits;
use super::seen::{Found, Seen, list_at, name, tags, text_at};
use super::words::words;
use super::{Facts, Joins};
use crate::inventory::{Arn, Origin, Resource};

/// Facts that are unknown if the stages could not be seen.
pub(super) const FACTS: &[&str] = &["uncheckedUpstreams"];

/// Tags that tools leave behind, and their values; no value: any.
const MADE_BY: &[(&str, &[&str])] = &[
    ("aws:cloudformation:stack-id", &[]),
    ("aws:cloudformation:stack-name", &[]),
    ("managed-by", TOOLS),
    ("managed_by", TOOLS),
    ("managedby", TOOLS),
    ("provisioner", TOOLS),
    ("terraform", &["true", "yes", "1"]),
    ("pulumi:stack", &[]),
];
const TOOLS: &[&str] =
    &["terraform", "opentofu", "terragrunt", "pulumi", "cdk", "cloudformation", "crossplane", "ansible"];

const STACK: &str = "aws:cloudformation:stack-name";
const OWNER_KEYS: &[&str] = &["owner", "team", "contact", "maintainer", "service-owner", "serviceowner"];

/// Adds the facts that need no definition.
pub(super) fn put_tags(facts: &mut Facts, resource: &Resource, joins: &Joins) {
    facts.put("provenance", provenance(resource));
    facts.put("missingTags", missing_tags(resource, joins));
    let practice = &joins.rules.practice;
    let expected = !practice.template_tags.is_empty() || !practice.template_stacks.is_empty();
    facts.know("templateExpected", expected);
    facts.put("approvedTemplate", approved_template(resource, joins));
    facts.know("upstreamServices", upstream(resource, joins).clone());
}

/// What made the pipeline, as a tag says it; empty where nothing does.
fn provenance(resource: &Resource) -> Seen<String> {
    if let Origin::Template { file, .. } = &resource.origin {
        return Ok(format!("template {file}"));
    }
    let found = tags(resource)?.iter().find(|(key, value)| {
        MADE_BY.iter().any(|(known, values)| {
            known.eq_ignore_ascii_case(key)
                && (values.is_empty() || values.iter().any(|known| known.eq_ignore_ascii_case(value)))
        })
    });
    Ok(found.map(|(key, value)| format!("{key}={value}")).unwrap_or_default())
}

fn missing_tags(resource: &Resource, joins: &Joins) -> Seen<BTreeSet<String>> {
    let tags = tags(resource)?;
    let has = |known: &str| tags.iter().any(|(key, value)| known.eq_ignore_ascii_case(key) && !value.trim().is_empty());
    let mut missing = BTreeSet::new();
    if !OWNER_KEYS.iter().any(|key| has(key)) {
        missing.insert("owner".to_owned());
    }
    if !joins.rules.production.tags.keys().any(|key| has(key)) {
        missing.insert("environment".to_owned());
    }
    Ok(missing)
}

/// The approved template that the pipeline comes from; empty where it comes from none.
fn approved_template(resource: &Resource, joins: &Joins) -> Seen<String> {
    let practice = &joins.rules.practice;
    if practice.template_tags.is_empty() && practice.template_stacks.is_empty() {
        return Ok(String::new());
    }
    let tags = tags(resource)?;
    let by_tag = tags.iter().find(|(key, value)| {
        practice.template_tags.iter().any(|(known, values)| known.eq_ignore_ascii_case(key) && values.contains(*value))
    });
    let stack = tags.get(STACK).filter(|stack| practice.template_stacks.iter().any(|known| fits(known, stack)));
    let by_stack = stack.map(|stack| format!("stack {stack}"));
    Ok(by_tag.map(|(key, value)| format!("tag {key}={value}")).or(by_stack).unwrap_or_default())
}

/// The pipelines that deploy before this one, as the configuration says.
fn upstream<'a>(resource: &Resource, joins: &'a Joins) -> &'a BTreeSet<String> {
    const NONE: &BTreeSet<String> = &BTreeSet::new();
    joins.rules.practice.services.get(name(resource, "Name")).unwrap_or(NONE)
}

/// Leaves in the joins which pipelines this one starts.
pub(super) fn index(resource: &Resource, joins: &mut Joins) {
    if !joins.rules.practice.services.is_empty() {
        for stage in list_at(resource.properties.get("Stages"), &[]) {
            for action in list_at(Some(stage), &["Actions"]) {
                let started = text_at(Some(action), &["Configuration", "PipelineName"]);
                if text_at(Some(action), &["ActionTypeId", "Provider"]) == "CodePipeline" && !started.is_empty() {
                    let role = Arn::parse(text_at(Some(action), &["RoleArn"])).ok().and_then(|arn| arn.account_id());
                    let account = role.unwrap_or_else(|| resource.account.clone());
                    let here = joins.started_pipelines.entry(account).or_default();
                    here.entry(started.to_owned()).or_default().insert(name(resource, "Name").to_owned());
                }
            }
        }
    }
}

/// Adds the upstream pipelines of which nothing in the definition takes notice.
pub(super) fn put(facts: &mut Facts, view: &View<'_>) {
    let own = name(view.resource, "Name");
    let deployments = view.deployments();
    // A pipeline that could not be seen may start this one.
    let account = &view.resource.account;
    let doubts = view.joins.hidden_pipelines(account);
    let starters = view.joins.started_pipelines.get(account).and_then(|here| here.get(own));
    let mut unchecked = Found::default();
    for upstream in upstream(view.resource, view.joins) {
        let started = starters.is_some_and(|by| by.contains(upstream));
        if started {
            continue;
        }
        for one in deployments.iter().filter(|one| !is_asked_for(upstream, one.action, view)) {
            match &one.judged.deploys {
                Ok(_) if doubts.is_empty() => unchecked.add(upstream),
                Ok(_) => unchecked.doubt(&doubts),
                Err(sentences) => unchecked.doubt(sentences),
            }
        }
    }
    facts.put("uncheckedUpstreams", unchecked.decided());
}

/// Whether something before a deployment takes notice of the upstream pipeline.
fn is_asked_for(upstream: &str, deployment: &Action<'_>, view: &View<'_>) -> bool {
    view.definition.actions.iter().any(|action| action.precedes(deployment) && asks_for(action, upstream))
        || entry_asks_for(view, deployment.stage, upstream)
}

/// Whether an action names the upstream pipeline: a check, or the source of its artifact.
fn asks_for(action: &Action<'_>, upstream: &str) -> bool {
    if action.category == "Approval" || action.provider == "CodePipeline" {
        return false;
    }
    let settings = action.configuration();
    let named = settings.into_iter().flat_map(|settings| settings.values()).filter_map(serde_json::Value::as_str);
    std::iter::once(action.name).chain(named).any(|text| names(text, upstream))
}

fn entry_asks_for(view: &View<'_>, stage: usize, upstream: &str) -> bool {
    let conditions = list_at(view.definition.stages.get(stage), &["BeforeEntry", "Conditions"]).iter();
    conditions.flat_map(|condition| list_at(Some(condition), &["Rules"])).any(|rule| {
        let settings = rule.get("Configuration").and_then(serde_json::Value::as_object);
        let values = settings.into_iter().flat_map(|settings| settings.values()).filter_map(serde_json::Value::as_str);
        std::iter::once(text_at(Some(rule), &["Name"])).chain(values).any(|text| names(text, upstream))
    })
}

/// Whether a text names the pipeline, whole words only.
fn names(text: &str, pipeline: &str) -> bool {
    let (text, wanted) = (words(text), words(pipeline));
    !wanted.is_empty()
        && text.windows(wanted.len()).any(|part| part.iter().zip(&wanted).all(|(a, b)| a.eq_ignore_ascii_case(b)))
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json!() reads best where it is used")]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::*;
    use super::super::{Fact, Pipeline, ResourceKind, Rules};
    use super::*;
    use crate::inventory::{Inventory, TypeName};

    fn facts(rules: Rules, pipeline: &Resource, others: &[Resource]) -> Facts {
        let resources = others.iter().cloned().chain([pipeline.clone()]).collect();
        let mut joins = Joins::new(rules, NOW, 7);
        joins.index(&Inventory { resources, ..Inventory::default() });
        joins.finish();
        Pipeline.facts(pipeline, &joins)
    }

    fn tagged(pairs: &[(&str, &str)]) -> Resource {
        let mut pipeline = resource(TypeName::PIPELINE, "web", json!({"Name": "web"}));
        pipeline.tags = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        pipeline
    }

    fn text(facts: &Facts, name: &str) -> String {
        match facts.known.get(name) {
            Some(Fact::Text(text)) => text.clone(),
            other => panic!("{name}: {other:?}"),
        }
    }

    fn set(facts: &Facts, name: &str) -> Vec<String> {
        match facts.known.get(name) {
            Some(Fact::Set(set)) => set.iter().cloned().collect(),
            other => panic!("{name}: {other:?}, unknown: {:?}", facts.unknown),
        }
    }

    #[test]
    fn tools_leave_their_tags() {
        let made = |pairs: &[(&str, &str)]| text(&facts(Rules::default(), &tagged(pairs), &[]), "provenance");
        assert_eq!(made(&[("aws:cloudformation:stack-name", "web")]), "aws:cloudformation:stack-name=web");
        assert_eq!(made(&[("ManagedBy", "Terraform")]), "ManagedBy=Terraform");
        assert_eq!(made(&[("managed-by", "hand"), ("team", "cdk")]), "");
        let mut template = tagged(&[]);
        template.origin = Origin::Template { file: "web.yaml".to_owned(), line: 1 };
        assert_eq!(text(&facts(Rules::default(), &template, &[]), "provenance"), "template web.yaml");
    }

    #[test]
    fn an_owner_and_an_environment() {
        let missing = |pairs: &[(&str, &str)]| set(&facts(Rules::default(), &tagged(pairs), &[]), "missingTags");
        assert_eq!(missing(&[]), ["environment", "owner"]);
        assert_eq!(missing(&[("Team", "web"), ("env", "")]), ["environment"]);
        assert!(missing(&[("owner", "web"), ("Environment", "dev")]).is_empty());
    }

    #[test]
    fn templates_are_known_by_tag_or_stack() {
        let mut rules = Rules::default();
        assert_eq!(facts(rules.clone(), &tagged(&[]), &[]).known["templateExpected"], Fact::Bool(false));
        rules.practice.template_tags.insert("template".to_owned(), BTreeSet::from(["factory".to_owned()]));
        rules.practice.template_stacks.push("factory-*".to_owned());
        let found = |pairs: &[(&str, &str)]| text(&facts(rules.clone(), &tagged(pairs), &[]), "approvedTemplate");
        assert_eq!(found(&[("Template", "factory")]), "tag Template=factory");
        assert_eq!(found(&[("aws:cloudformation:stack-name", "factory-web")]), "stack factory-web");
        assert_eq!(found(&[("template", "other"), ("aws:cloudformation:stack-name", "web")]), "");
    }

    fn waiting(before: Value) -> Resource {
        let deploy = json!({"Name": "Deploy", "ActionTypeId": {"Category": "Deploy", "Provider": "ECS"}});
        let stages = json!([{"Name": "Before", "Actions": [before]}, {"Name": "Prod", "Actions": [deploy]}]);
        resource(TypeName::PIPELINE, "web", json!({"Name": "web", "Stages": stages}))
    }

    #[test]
    fn an_upstream_is_checked_named_or_starts_the_pipeline() {
        let mut rules = Rules::default();
        rules.practice.services.insert("web".to_owned(), BTreeSet::from(["orders-release".to_owned()]));
        let kind = |provider: &str| json!({"Category": "Invoke", "Provider": provider});
        let with = |action: Value, others: &[Resource]| {
            set(&facts(rules.clone(), &waiting(action), others), "uncheckedUpstreams").len()
        };
        assert_eq!(with(json!({"Name": "Announce", "ActionTypeId": kind("Lambda")}), &[]), 1);
        assert_eq!(with(json!({"Name": "CheckOrdersRelease", "ActionTypeId": kind("Lambda")}), &[]), 0);
        let settings = json!({"UserParameters": "{\"after\":\"orders-release\"}"});
        assert_eq!(with(json!({"Name": "Ask", "ActionTypeId": kind("Lambda"), "Configuration": settings}), &[]), 0);
        let start =
            json!({"Name": "Start", "ActionTypeId": kind("CodePipeline"), "Configuration": {"PipelineName": "web"}});
        let stages = json!([{"Name": "End", "Actions": [start]}]);
        let starter =
            resource(TypeName::PIPELINE, "orders-release", json!({"Name": "orders-release", "Stages": stages}));
        assert_eq!(with(json!({"Name": "Announce", "ActionTypeId": kind("Lambda")}), &[starter]), 0);
        let build = |name: &str, order: i64| {
            let kind = json!({"Category": "Build", "Provider": "CodeBuild"});
            json!({"Name": name, "ActionTypeId": kind, "RunOrder": order, "Configuration": {"ProjectName": "x"}})
        };
        let ask = json!({"Name": "CheckOrdersRelease", "ActionTypeId": kind("Lambda"), "RunOrder": 2});
        let deploy = json!({"Name": "Deploy", "ActionTypeId": {"Category": "Deploy", "Provider": "ECS"}});
        let stages =
            json!([{"Name": "Before", "Actions": [build("Build", 1), ask]}, {"Name": "Prod", "Actions": [deploy]}]);
        let built = resource(TypeName::PIPELINE, "web", json!({"Name": "web", "Stages": stages}));
        assert!(set(&facts(rules.clone(), &built, &[]), "uncheckedUpstreams").is_empty());
        // A build that may be a deployment stands before the check.
        let mut project = resource(TypeName::PROJECT, "x", json!({"Name": "x"}));
        project.unseen.insert("*".to_owned(), denied("codebuild:BatchGetProjects"));
        assert!(facts(rules.clone(), &built, &[project]).unknown.contains_key("uncheckedUpstreams"));
        let mut hidden = resource(TypeName::PIPELINE, "orders-release", json!({"Name": "orders-release"}));
        hidden.unseen.insert("*".to_owned(), denied("codepipeline:GetPipeline"));
        let silent = waiting(json!({"Name": "Announce", "ActionTypeId": kind("Lambda")}));
        assert!(facts(rules.clone(), &silent, &[hidden]).unknown.contains_key("uncheckedUpstreams"));
    }
}
