//! What CloudFormation asks a hook.
//!
//! In: the event of a Lambda Hook, for a stack, a change set, a resource or Cloud Control. Out: what there is to judge.

use serde_json::{Value, json};

use crate::facts;
use crate::inventory::{AccountId, Arn, Region, TypeName};
use crate::template::mentions_delivery;

/// A question, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invocation {
    pub(super) account: Option<AccountId>,
    pub(super) region: Option<Region>,
    pub(super) subject: Subject,
}

/// What the question is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Nothing that could violate anything, and why.
    Nothing(String),
    /// One resource, before and after the operation, each as a template of its own.
    Resource(Documents),
    /// Whole templates behind this address.
    Payload(String),
}

/// The template of an operation, and the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Documents {
    pub(super) template: String,
    pub(super) previous: Option<String>,
}

impl Invocation {
    pub(super) fn read(event: &Value) -> Result<Self, String> {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let point = text("/actionInvocationPoint").ok_or(
            "there is no actionInvocationPoint; `pipewarden hook` answers invocations of CloudFormation Lambda Hooks",
        )?;
        let region = text("/stackId").and_then(|id| Arn::parse(id).ok()).and_then(|arn| arn.region.parse().ok());
        let account = text("/awsAccountId").and_then(|id| id.parse().ok());
        let target = text("/requestData/targetName").unwrap_or_default();
        let subject = if point.starts_with("DELETE") {
            Subject::Nothing(format!("{point} creates nothing that could be judged"))
        } else if let Some(properties) = event.pointer("/requestData/targetModel/resourceProperties") {
            let type_name = text("/requestData/targetType").unwrap_or(target);
            let judged = facts::action_of(&TypeName::from(type_name.to_owned())).is_some();
            if judged || mentions_delivery(type_name) {
                let id = text("/requestData/targetLogicalId").unwrap_or("Resource");
                let alone = |properties: &Value| {
                    json!({"Resources": {id: {"Type": type_name, "Properties": properties}}}).to_string()
                };
                let previous = event.pointer("/requestData/targetModel/previousResourceProperties");
                let previous = previous.filter(|properties| properties.is_object()).map(alone);
                Subject::Resource(Documents { template: alone(properties), previous })
            } else {
                Subject::Nothing(format!("no control judges {type_name}"))
            }
        } else if let Some(url) = text("/requestData/payload") {
            Subject::Payload(url.to_owned())
        } else {
            return Err(format!("the invocation for `{target}` has neither a payload nor a targetModel"));
        };
        Ok(Self { account, region, subject })
    }
}

/// The templates in the payload of a stack or change set operation.
pub(super) fn documents(body: &[u8]) -> Result<Documents, String> {
    let payload: Value = serde_json::from_slice(body).map_err(|error| format!("the payload is no JSON: {error}"))?;
    // A template in JSON may come as an object rather than as its text.
    let template = |name: &str| match payload.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(value @ Value::Object(_)) => Some(value.to_string()),
        _ => None,
    };
    let current = template("template").ok_or("the payload has no `template`")?;
    Ok(Documents { template: current, previous: template("previousTemplate") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(point: &str, data: &Value) -> Value {
        json!({
            "clientRequestToken": "t", "awsAccountId": "111122223333", "actionInvocationPoint": point,
            "stackId": "arn:aws:cloudformation:eu-west-1:111122223333:stack/web/1", "requestData": data,
        })
    }

    #[test]
    fn a_stack_brings_the_address_of_its_template() {
        let data = json!({"targetName": "STACK", "targetType": "STACK", "payload": "https://example.com/x"});
        let read = Invocation::read(&event("CREATE_PRE_PROVISION", &data)).unwrap();
        assert_eq!(read.subject, Subject::Payload("https://example.com/x".to_owned()));
        assert_eq!(read.region.unwrap().as_str(), "eu-west-1");
        let body = json!({"template": "Resources: {}", "previousTemplate": {"Resources": {}}}).to_string();
        let found = documents(body.as_bytes()).unwrap();
        assert_eq!(found.template, "Resources: {}");
        assert_eq!(found.previous.as_deref(), Some("{\"Resources\":{}}"));
        assert!(documents(b"{}").unwrap_err().contains("template"));
    }

    #[test]
    fn a_resource_is_a_template_of_its_own() {
        let data = json!({
            "targetName": "AWS::CodePipeline::Pipeline", "targetType": "AWS::CodePipeline::Pipeline",
            "targetLogicalId": "Web", "targetModel": {"resourceProperties": {"Name": "web"}},
        });
        let Subject::Resource(found) = Invocation::read(&event("UPDATE_PRE_PROVISION", &data)).unwrap().subject else {
            panic!("no resource");
        };
        assert!(found.template.contains("\"Web\"") && found.previous.is_none());
    }

    #[test]
    fn what_no_control_judges_and_what_is_deleted_passes() {
        let data = json!({"targetType": "AWS::EC2::Instance", "targetModel": {"resourceProperties": {}}});
        for event in [event("CREATE_PRE_PROVISION", &data), event("DELETE_PRE_PROVISION", &json!({}))] {
            assert!(matches!(Invocation::read(&event).unwrap().subject, Subject::Nothing(_)));
        }
        assert!(Invocation::read(&json!({"source": "aws.s3"})).unwrap_err().contains("Lambda Hooks"));
    }
}
