//! Notification rules of the developer tools.

use serde_json::{Value, json};

use super::super::estate::{PipelineSpec, PracticeSpec, Rule, Topic};
use super::super::protocol::ApiError;
use super::pages::{page, with_token};
use super::{Answer, Call, Operation, Service, days_ago};

pub(super) const SERVICE: Service = Service {
    prefix: "codestar-notifications",
    target: "CodeStarNotifications_20191015",
    operations: &[
        Operation {
            name: "ListNotificationRules",
            action: "codestar-notifications:ListNotificationRules",
            answer: list,
        },
        Operation {
            name: "DescribeNotificationRule",
            action: "codestar-notifications:DescribeNotificationRule",
            answer: describe,
        },
    ],
};

fn rules(call: &Call<'_>) -> impl Iterator<Item = (PipelineSpec, Rule)> {
    let pipelines = call.region.into_iter().flat_map(|region| PipelineSpec::all(call.world, call.account, region));
    let rules = pipelines.map(|pipeline| (pipeline, PracticeSpec::of(call.world, &pipeline).rule));
    rules.filter(|(_, rule)| *rule != Rule::Missing)
}

fn arn(call: &Call<'_>, pipeline: &PipelineSpec) -> String {
    let resource = format!("notificationrule/{}", pipeline.name());
    call.world.arn("codestar-notifications", pipeline.region, pipeline.account, &resource)
}

fn list(call: &Call<'_>) -> Answer {
    let all: Vec<Value> =
        rules(call).map(|(pipeline, _)| json!({ "Id": pipeline.name(), "Arn": arn(call, &pipeline) })).collect();
    let (range, next) =
        page(all.len(), call.text("NextToken"), call.number("MaxResults"), 100, "InvalidNextTokenException")?;
    Ok(with_token(json!({ "NotificationRules": all.get(range).unwrap_or_default() }), "NextToken", next))
}

fn describe(call: &Call<'_>) -> Answer {
    let wanted = call.required("Arn")?;
    let (pipeline, rule) = rules(call).find(|(pipeline, _)| arn(call, pipeline) == wanted).ok_or_else(|| {
        ApiError::new(404, "ResourceNotFoundException", format!("there is no notification rule {wanted}"))
    })?;
    let failed = "codepipeline-pipeline-pipeline-execution-failed";
    let (event, topic) = match rule {
        Rule::Failures(topic) => (failed, Some(topic)),
        Rule::Approvals(topic) => ("codepipeline-pipeline-manual-approval-needed", Some(topic)),
        Rule::Chat | Rule::Missing => (failed, None),
        Rule::Disabled => (failed, Some(Topic::Releases)),
        Rule::Successes => ("codepipeline-pipeline-pipeline-execution-succeeded", Some(Topic::Releases)),
    };
    let target = if let Some(topic) = topic {
        let address = topic.arn(call.world, pipeline.account, pipeline.region);
        json!({ "TargetAddress": address, "TargetType": "SNS", "TargetStatus": "ACTIVE" })
    } else {
        let chat = format!(
            "arn:aws:chatbot::{}:chat-configuration/slack-channel/releases",
            call.world.account_id(call.account)
        );
        json!({ "TargetAddress": chat, "TargetType": "AWSChatbotSlack", "TargetStatus": "ACTIVE" })
    };
    let event = json!({ "EventTypeId": event, "ServiceName": "CodePipeline", "ResourceType": "Pipeline" });
    Ok(json!({
        "Arn": wanted, "Name": format!("{}-notifications", pipeline.name()), "EventTypes": [event],
        "Resource": pipeline.arn(call.world), "Targets": [target], "DetailType": "FULL",
        "Status": if rule == Rule::Disabled { "DISABLED" } else { "ENABLED" }, "Tags": {},
        "CreatedTimestamp": super::super::protocol::timestamp(days_ago(call.world, 300, pipeline.number))
    }))
}
