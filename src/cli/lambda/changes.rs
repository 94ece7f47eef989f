//! A call that CloudTrail tells of → the resources that it changed.
//!
//! In: an EventBridge event of `detail-type` "AWS API Call via CloudTrail". Out: ARNs with their account, or why there is
//! nothing to look at. <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>

use serde_json::Value;

use super::changes_table::EVENTS;
use super::event::Event;
use crate::audit::Target;
use crate::inventory::{AccountId, Partition, Region};

/// Calls of one service that say what they change in the same way.
pub(super) struct Calls {
    /// `eventSource` before `.amazonaws.com`.
    pub(super) source: &'static str,
    /// `eventName`.
    pub(super) names: &'static [&'static str],
    pub(super) subject: Subject,
}

/// Where a call says what it changes; pointers lead into `requestParameters`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject {
    /// A name, a list of names, or an ARN; `prefix` stands before a name in the resource's ARN.
    Named {
        prefix: &'static str,
        at: &'static [&'static str],
    },
    /// A pipeline by its name.
    Pipeline(&'static str),
    Bucket,
    /// Application and group; an update may name the group anew.
    DeploymentGroup,
}

impl Calls {
    fn is(&self, source: &str, name: &str) -> bool {
        self.source == source && self.names.contains(&name)
    }
}

/// What the event asks for.
pub(super) fn read(event: &Value) -> Result<Event, String> {
    let detail = event.get("detail").ok_or("the event has no `detail`")?;
    let text = |name: &str| {
        detail
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .ok_or(format!("`detail` has no `{name}`"))
    };
    let (source, name) = (text("eventSource")?, text("eventName")?);
    if let Some(code) = detail.get("errorCode").and_then(Value::as_str) {
        return Ok(Event::Ignored(format!("{source} {name} failed with {code}, so nothing changed")));
    }
    let service = source.strip_suffix(".amazonaws.com").unwrap_or(source);
    let Some(calls) = EVENTS.iter().find(|calls| calls.is(service, name)) else {
        return Err(format!(
            "nobody knows what {source} {name} changes; `pipewarden lambda --event-pattern` prints the calls that are known"
        ));
    };
    let account =
        text("recipientAccountId").or_else(|problem| event.get("account").and_then(Value::as_str).ok_or(problem))?;
    let account: AccountId = account.parse().map_err(|error| format!("`recipientAccountId`: {error}"))?;
    let region: Region = text("awsRegion")?.parse().map_err(|error| format!("`awsRegion`: {error}"))?;
    let parameters = detail.get("requestParameters").filter(|parameters| parameters.is_object());
    let parameters = parameters.ok_or_else(|| format!("{source} {name} has no `requestParameters`"))?;
    let place = Place { account: &account, region: &region, service };
    let arns = place.arns(calls.subject, parameters).map_err(|problem| format!("{source} {name}: {problem}"))?;
    let targets: Result<Vec<Target>, _> = arns.iter().map(|arn| Target::new(arn, Some(account.clone()))).collect();
    targets.map(Event::Changed).map_err(|error| format!("{source} {name}: {error}"))
}

struct Place<'a> {
    account: &'a AccountId,
    region: &'a Region,
    service: &'a str,
}

/// The names at a pointer: one, or a list of them.
fn names<'a>(parameters: &'a Value, at: &str) -> Result<Vec<&'a str>, String> {
    let missing = || format!("`requestParameters` has nothing to go by at `{at}`");
    let one = |value: &'a Value| value.as_str().filter(|name| !name.is_empty()).ok_or_else(missing);
    match parameters.pointer(at) {
        Some(Value::Array(all)) if !all.is_empty() => all.iter().map(one).collect(),
        Some(value) => Ok(vec![one(value)?]),
        None => Err(missing()),
    }
}

impl Place<'_> {
    fn arns(&self, subject: Subject, parameters: &Value) -> Result<Vec<String>, String> {
        let mut arns = Vec::new();
        match subject {
            Subject::Pipeline(at) => arns.extend(names(parameters, at)?.into_iter().map(|name| self.arn("", name))),
            Subject::Bucket => {
                let partition = Partition::of_region(self.region);
                arns.extend(
                    names(parameters, "/bucketName")?.iter().map(|name| format!("arn:{partition}:s3:::{name}")),
                );
            }
            Subject::Named { prefix, at } => {
                for at in at {
                    arns.extend(names(parameters, at)?.into_iter().map(|name| self.arn(prefix, name)));
                }
            }
            Subject::DeploymentGroup => {
                let application = names(parameters, "/applicationName")?;
                let application = application.first().copied().unwrap_or_default();
                let at = ["/deploymentGroupName", "/currentDeploymentGroupName", "/newDeploymentGroupName"];
                let given: Vec<&&str> =
                    at.iter().filter(|at| parameters.pointer(at).is_some_and(Value::is_string)).collect();
                if given.is_empty() {
                    return Err("`requestParameters` names no deployment group".to_owned());
                }
                for at in given {
                    let groups = names(parameters, at)?;
                    let group = groups.first().copied().unwrap_or_default();
                    arns.push(self.arn("deploymentgroup:", &format!("{application}/{group}")));
                }
            }
        }
        arns.sort();
        arns.dedup();
        Ok(arns)
    }

    fn arn(&self, prefix: &str, name: &str) -> String {
        if name.starts_with("arn:") {
            return name.to_owned();
        }
        let Self { account, region, service } = self;
        let partition = Partition::of_region(region);
        // An alias of a key is no id of one.
        let prefix = if *service == "kms" && name.starts_with("alias/") { "" } else { prefix };
        match *service {
            "iam" => format!("arn:{partition}:iam::{account}:{prefix}{name}"),
            "monitoring" => format!("arn:{partition}:cloudwatch:{region}:{account}:{prefix}{name}"),
            service => format!("arn:{partition}:{service}:{region}:{account}:{prefix}{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(source: &str, name: &str, parameters: &Value) -> Value {
        json!({
            "version": "0", "id": "e", "detail-type": "AWS API Call via CloudTrail", "source": format!("aws.{source}"),
            "account": "111122223333", "region": "eu-west-1",
            "detail": {
                "eventVersion": "1.09", "eventSource": format!("{source}.amazonaws.com"), "eventName": name,
                "awsRegion": "eu-west-1", "recipientAccountId": "111122223333", "requestParameters": parameters,
            },
        })
    }

    fn arns(source: &str, name: &str, parameters: &Value) -> Vec<String> {
        match read(&event(source, name, parameters)) {
            Ok(Event::Changed(targets)) => targets.into_iter().map(|target| target.arn).collect(),
            other => panic!("{source} {name}: {other:?}"),
        }
    }

    #[test]
    fn each_call_says_what_it_changed() {
        let here = |service: &str, resource: &str| format!("arn:aws:{service}:eu-west-1:111122223333:{resource}");
        let cases = [
            ("codepipeline", "UpdatePipeline", json!({"pipeline": {"name": "web"}}), vec![here("codepipeline", "web")]),
            ("codepipeline", "DeletePipeline", json!({"name": "web"}), vec![here("codepipeline", "web")]),
            (
                "codepipeline",
                "DisableStageTransition",
                json!({"pipelineName": "web", "stageName": "Approve"}),
                vec![here("codepipeline", "web")],
            ),
            (
                "codedeploy",
                "UpdateDeploymentGroup",
                json!({"applicationName": "web", "currentDeploymentGroupName": "prod", "newDeploymentGroupName": "live"}),
                vec![here("codedeploy", "deploymentgroup:web/live"), here("codedeploy", "deploymentgroup:web/prod")],
            ),
            (
                "codedeploy",
                "DeleteDeploymentGroup",
                json!({"applicationName": "web", "deploymentGroupName": "prod"}),
                vec![here("codedeploy", "deploymentgroup:web/prod")],
            ),
            ("codebuild", "UpdateProject", json!({"name": "unit"}), vec![here("codebuild", "project/unit")]),
            (
                "codebuild",
                "UpdateProjectVisibility",
                json!({"projectArn": here("codebuild", "project/unit")}),
                vec![here("codebuild", "project/unit")],
            ),
            ("s3", "PutBucketPolicy", json!({"bucketName": "b"}), vec!["arn:aws:s3:::b".to_owned()]),
            ("kms", "DisableKey", json!({"keyId": "1-2"}), vec![here("kms", "key/1-2")]),
            ("kms", "PutKeyPolicy", json!({"keyId": here("kms", "key/1-2")}), vec![here("kms", "key/1-2")]),
            ("kms", "DeleteAlias", json!({"aliasName": "alias/x"}), vec![here("kms", "alias/x")]),
            ("cloudtrail", "StopLogging", json!({"name": "org"}), vec![here("cloudtrail", "trail/org")]),
            (
                "iam",
                "PutRolePolicy",
                json!({"roleName": "deploy", "policyName": "p"}),
                vec!["arn:aws:iam::111122223333:role/deploy".to_owned()],
            ),
            (
                "monitoring",
                "DeleteAlarms",
                json!({"alarmNames": ["b", "a"]}),
                vec![here("cloudwatch", "alarm:a"), here("cloudwatch", "alarm:b")],
            ),
            (
                "codecommit",
                "BatchDisassociateApprovalRuleTemplateFromRepositories",
                json!({"approvalRuleTemplateName": "two", "repositoryNames": ["web", "api"]}),
                vec![here("codecommit", "api"), here("codecommit", "web")],
            ),
            ("ecr", "PutImageTagMutability", json!({"repositoryName": "a/b"}), vec![here("ecr", "repository/a/b")]),
        ];
        for (source, name, parameters, expected) in cases {
            assert_eq!(arns(source, name, &parameters), expected, "{source} {name}");
        }
    }

    #[test]
    fn a_call_that_failed_changed_nothing_and_what_is_not_known_is_an_error() {
        let mut failed = event("s3", "PutBucketPolicy", &json!({"bucketName": "b"}));
        failed["detail"]["errorCode"] = json!("AccessDenied");
        assert!(matches!(read(&failed), Ok(Event::Ignored(why)) if why.contains("AccessDenied")));
        assert!(
            read(&event("ec2", "RunInstances", &json!({}))).unwrap_err().contains("ec2.amazonaws.com RunInstances")
        );
        assert!(read(&event("s3", "PutBucketPolicy", &json!({}))).unwrap_err().contains("/bucketName"));
        assert!(read(&event("s3", "PutBucketPolicy", &json!(null))).unwrap_err().contains("requestParameters"));
        assert!(read(&event("monitoring", "DeleteAlarms", &json!({"alarmNames": []}))).is_err());
        assert!(read(&event("monitoring", "DeleteAlarms", &json!({"alarmNames": [1]}))).is_err());
        assert!(read(&json!({"detail-type": "AWS API Call via CloudTrail"})).is_err());
        let mut nowhere = event("s3", "PutBucketPolicy", &json!({"bucketName": "b"}));
        nowhere["detail"]["awsRegion"] = json!("../..");
        assert!(read(&nowhere).is_err());
    }

    #[test]
    fn every_call_stands_in_the_list_once() {
        let mut all: Vec<(&str, &str)> =
            EVENTS.iter().flat_map(|calls| calls.names.iter().map(|name| (calls.source, *name))).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
