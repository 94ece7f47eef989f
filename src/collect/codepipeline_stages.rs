//! Stages of a pipeline: actions and conditions → CloudFormation's properties, without secrets.
//!
//! In: stage declarations of `GetPipeline`. Out: entries of the property `Stages`, and the alarms that rules watch.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_codepipeline::types::{
    ActionCategory, ActionDeclaration, BeforeEntryConditions, Condition, FailureConditions, RuleDeclaration,
    StageDeclaration, SuccessConditions,
};
use serde_json::Value;

use super::checks::checks;
use super::fields::Fields;
use crate::inventory::{Arn, Redaction, deploy_commands};

/// One stage.
pub(super) fn stage(redaction: &Redaction, stage: &StageDeclaration) -> Value {
    let condition = |declared: &Condition| condition(redaction, declared);
    let entry =
        stage.before_entry().map(|entry| Fields::new().list("Conditions", entry.conditions(), condition).value());
    let success =
        stage.on_success().map(|success| Fields::new().list("Conditions", success.conditions(), condition).value());
    let failure = stage.on_failure().map(|failure| {
        let retry =
            failure.retry_configuration().map(|retry| Fields::new().text("RetryMode", retry.retry_mode()).value());
        Fields::new()
            .text("Result", failure.result())
            .list("Conditions", failure.conditions(), condition)
            .put("RetryConfiguration", retry)
            .value()
    });
    Fields::new()
        .text("Name", Some(stage.name()))
        .list("Actions", stage.actions(), |declared| action(redaction, declared))
        .put("BeforeEntry", entry)
        .put("OnSuccess", success)
        .put("OnFailure", failure)
        .value()
}

/// Names of the alarms that the stage's conditions watch, with the rule's Region if it has one of its own.
pub(super) fn watched_alarms(stage: &StageDeclaration) -> Vec<(Option<&str>, &str)> {
    let entry = stage.before_entry().into_iter().flat_map(BeforeEntryConditions::conditions);
    let success = stage.on_success().into_iter().flat_map(SuccessConditions::conditions);
    let failure = stage.on_failure().into_iter().flat_map(FailureConditions::conditions);
    let rules = entry.chain(success).chain(failure).flat_map(Condition::rules);
    let alarms = rules.filter_map(|rule| {
        let watches = rule.rule_type_id().is_some_and(|id| id.provider() == "CloudWatchAlarm");
        let name = rule.configuration().filter(|_| watches)?.get("AlarmName")?;
        Some((rule.region(), name.as_str()))
    });
    alarms.collect()
}

/// The topics that approvals of the stage tell.
pub(super) fn notified_topics(stage: &StageDeclaration) -> impl Iterator<Item = &str> {
    let approvals = stage
        .actions()
        .iter()
        .filter(|action| action.action_type_id().is_some_and(|id| *id.category() == ActionCategory::Approval));
    let topics = approvals.filter_map(|action| action.configuration()?.get("NotificationArn"));
    topics.map(String::as_str).filter(|topic| Arn::parse(topic).is_ok_and(|arn| arn.service == "sns"))
}

fn action(redaction: &Redaction, action: &ActionDeclaration) -> Value {
    let id = action.action_type_id().map(|id| {
        Fields::new()
            .text("Category", Some(id.category()))
            .text("Owner", Some(id.owner()))
            .text("Provider", Some(id.provider()))
            .text("Version", Some(id.version()))
            .value()
    });
    // Which commands deploy is judged now, because the script itself may hold secrets and is not kept.
    let commands: Vec<String> = deploy_commands(&action.commands().join("\n")).into_iter().collect();
    Fields::new()
        .text("Name", Some(action.name()))
        .put("ActionTypeId", id)
        .put("RunOrder", action.run_order())
        .put("Configuration", configuration(redaction, action.configuration()))
        .put("Commands", action.commands.is_some().then_some(commands))
        .put("CheckCommands", action.commands.is_some().then(|| checks(&action.commands().join("\n"))))
        .list("EnvironmentVariables", action.environment_variables(), |variable| {
            let type_name = variable.r#type().map(AsRef::as_ref);
            let value = redaction.variable_value(variable.name(), type_name, variable.value());
            let fields = Fields::new().text("Name", Some(variable.name())).text("Value", Some(&value));
            fields.text("Type", type_name).value()
        })
        .list("InputArtifacts", action.input_artifacts(), |artifact| named(artifact.name()))
        .list("OutputArtifacts", action.output_artifacts(), |artifact| named(artifact.name()))
        .text("RoleArn", action.role_arn())
        .text("Region", action.region())
        .text("Namespace", action.namespace())
        .put("TimeoutInMinutes", action.timeout_in_minutes())
        .value()
}

fn condition(redaction: &Redaction, condition: &Condition) -> Value {
    let rules = |declared: &RuleDeclaration| rule(redaction, declared);
    Fields::new().text("Result", condition.result()).list("Rules", condition.rules(), rules).value()
}

fn rule(redaction: &Redaction, rule: &RuleDeclaration) -> Value {
    let id = rule.rule_type_id().map(|id| {
        Fields::new()
            .text("Category", Some(id.category()))
            .text("Owner", id.owner())
            .text("Provider", Some(id.provider()))
            .text("Version", id.version())
            .value()
    });
    Fields::new()
        .text("Name", Some(rule.name()))
        .put("RuleTypeId", id)
        .put("Configuration", configuration(redaction, rule.configuration()))
        .text("RoleArn", rule.role_arn())
        .text("Region", rule.region())
        .value()
}

fn configuration(redaction: &Redaction, configuration: Option<&HashMap<String, String>>) -> Option<Value> {
    let sorted: BTreeMap<&String, &String> = configuration?.iter().collect();
    let fields = sorted.into_iter().fold(Fields::new(), |fields, (name, value)| {
        fields.put(name, Some(redaction.configuration_value(name, value)))
    });
    fields.unless_empty()
}

fn named(name: &str) -> Value {
    Fields::new().text("Name", Some(name)).value()
}

#[cfg(test)]
mod tests {
    use aws_sdk_codepipeline::types::{
        ActionOwner, ActionTypeId, EnvironmentVariable, EnvironmentVariableType, InputArtifact, Result as StageResult,
        RetryConfiguration, RuleCategory, RuleOwner, RuleTypeId, StageRetryMode,
    };
    use serde_json::json;

    use super::*;

    fn action_of(
        category: ActionCategory,
        provider: &str,
    ) -> aws_sdk_codepipeline::types::builders::ActionDeclarationBuilder {
        let id = ActionTypeId::builder().category(category).owner(ActionOwner::Aws).provider(provider).version("1");
        ActionDeclaration::builder().name("Act").action_type_id(id.build().unwrap())
    }

    fn alarm_rule(region: Option<&str>) -> RuleDeclaration {
        let id = RuleTypeId::builder().category(RuleCategory::Rule).owner(RuleOwner::Aws).provider("CloudWatchAlarm");
        RuleDeclaration::builder()
            .name("Watch")
            .rule_type_id(id.version("1").build().unwrap())
            .configuration("AlarmName", "errors")
            .set_region(region.map(str::to_owned))
            .build()
            .unwrap()
    }

    #[test]
    fn an_action_of_a_v1_pipeline() {
        let input = InputArtifact::builder().name("Built").build().unwrap();
        let declared = action_of(ActionCategory::Deploy, "CodeDeploy")
            .run_order(2)
            .configuration("ApplicationName", "web")
            .configuration("OAuthToken", "ghp_aaaaaaaaaaaaaaaaaaaa")
            .input_artifacts(input)
            .role_arn("arn:aws:iam::123456789012:role/deploy")
            .build()
            .unwrap();
        assert_eq!(
            action(&Redaction::default(), &declared),
            json!({
                "Name": "Act",
                "ActionTypeId": {"Category": "Deploy", "Owner": "AWS", "Provider": "CodeDeploy", "Version": "1"},
                "RunOrder": 2,
                "Configuration": {"ApplicationName": "web", "OAuthToken": "redacted:secret-like"},
                "InputArtifacts": [{"Name": "Built"}],
                "RoleArn": "arn:aws:iam::123456789012:role/deploy",
            })
        );
    }

    #[test]
    fn commands_are_reduced_to_what_deploys_and_variables_lose_values() {
        let variable = |name: &str, type_name: Option<EnvironmentVariableType>| {
            EnvironmentVariable::builder().name(name).value("v").set_type(type_name).build().unwrap()
        };
        let declared = action_of(ActionCategory::Compute, "Commands")
            .commands("export TOKEN=hunter2")
            .commands("terraform apply -auto-approve")
            .environment_variables(variable("STAGE", None))
            .environment_variables(variable("API_TOKEN", Some(EnvironmentVariableType::Plaintext)))
            .environment_variables(variable("DB", Some(EnvironmentVariableType::SecretsManager)))
            .build()
            .unwrap();
        let value = action(&Redaction::default(), &declared);
        assert_eq!(value["Commands"], json!(["terraform apply"]));
        assert_eq!(
            value["EnvironmentVariables"],
            json!([
                {"Name": "STAGE", "Value": "redacted"},
                {"Name": "API_TOKEN", "Value": "redacted:secret-like", "Type": "PLAINTEXT"},
                {"Name": "DB", "Value": "v", "Type": "SECRETS_MANAGER"},
            ])
        );
        assert!(!value.to_string().contains("hunter2"));
    }

    #[test]
    fn conditions_of_a_v2_stage() {
        let condition = |region| Condition::builder().result(StageResult::Rollback).rules(alarm_rule(region)).build();
        let retry = RetryConfiguration::builder().retry_mode(StageRetryMode::FailedActions).build();
        let failure = FailureConditions::builder().result(StageResult::Rollback).retry_configuration(retry);
        let declared = StageDeclaration::builder()
            .name("Prod")
            .actions(action_of(ActionCategory::Approval, "Manual").build().unwrap())
            .on_success(SuccessConditions::builder().conditions(condition(Some("eu-west-1"))).build().unwrap())
            .on_failure(failure.conditions(condition(None)).build())
            .build()
            .unwrap();
        let value = stage(&Redaction::default(), &declared);
        assert_eq!(
            value["OnSuccess"]["Conditions"][0],
            json!({"Result": "ROLLBACK", "Rules": [{
                "Name": "Watch", "Region": "eu-west-1", "Configuration": {"AlarmName": "errors"},
                "RuleTypeId": {"Category": "Rule", "Owner": "AWS", "Provider": "CloudWatchAlarm", "Version": "1"},
            }]})
        );
        assert_eq!(value["OnFailure"]["RetryConfiguration"]["RetryMode"], "FAILED_ACTIONS");
        assert_eq!(value.get("BeforeEntry"), None);
        assert_eq!(watched_alarms(&declared), [(Some("eu-west-1"), "errors"), (None, "errors")]);
    }
}
