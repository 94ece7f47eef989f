//! How a member and a deployment ended.
//!
//! In: statuses and error codes of actions and of `CodeDeploy`. Out: an [`Outcome`], and whether a target was touched.
//! A deployment that failed before it touched anything hurt nobody; one that touched some targets is a failed change,
//! however many succeeded.

use crate::dora::{Member, Outcome};
use crate::history::{ActionExecution, CodeDeployment};

/// Error codes of `CodeDeploy` with which a deployment fails before it begins.
///
/// <https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_ErrorInformation.html>
const NEVER_BEGAN: &[&str] = &[
    "APPLICATION_MISSING",
    "AUTOSCALING_VALIDATION_ERROR",
    "AUTO_SCALING_CONFIGURATION",
    "AUTO_SCALING_IAM_ROLE_PERMISSIONS",
    "CODEDEPLOY_RESOURCE_CANNOT_BE_FOUND",
    "DEPLOYMENT_GROUP_MISSING",
    "ELASTIC_LOAD_BALANCING_INVALID",
    "ELB_INVALID_INSTANCE",
    "HEALTH_CONSTRAINTS_INVALID",
    "IAM_ROLE_MISSING",
    "IAM_ROLE_PERMISSIONS",
    "INVALID_ECS_SERVICE",
    "INVALID_LAMBDA_CONFIGURATION",
    "INVALID_LAMBDA_FUNCTION",
    "INVALID_REVISION",
    "MISSING_BLUE_GREEN_DEPLOYMENT_CONFIGURATION",
    "MISSING_ELB_INFORMATION",
    "MISSING_GITHUB_TOKEN",
    "NO_EC2_SUBSCRIPTION",
    "NO_INSTANCES",
    "OVER_MAX_INSTANCES",
    "RESOURCE_LIMIT_EXCEEDED",
    "REVISION_MISSING",
    "THROTTLED",
];

/// Error codes of actions that were refused before the provider was asked.
const NEVER_ASKED: &[&str] = &["ConfigurationError", "PermissionError", "RevisionOutOfSync", "RevisionUnavailable"];

/// Error codes that say that what was deployed is not well.
const UNWELL: &[&str] =
    &["ALARM_ACTIVE", "CUSTOMER_APPLICATION_UNHEALTHY", "HEALTH_CONSTRAINTS", "HOOK_EXECUTION_FAILURE"];

/// Whether the service itself said that what was deployed is not well.
pub(super) fn is_unwell(error_code: Option<&str>) -> bool {
    error_code.is_some_and(|code| UNWELL.contains(&code))
}

/// How a deployment of `CodeDeploy` ended.
pub(super) fn of_code_deployment(deployment: &CodeDeployment) -> Outcome {
    let untouched = deployment.counts.is_some_and(|counts| !counts.touched());
    match deployment.status.as_str() {
        "Succeeded" => Outcome::Succeeded,
        "Failed" => {
            let never_began = deployment.error_code.as_deref().is_some_and(|code| NEVER_BEGAN.contains(&code));
            if never_began && untouched { Outcome::ErrorNoImpact } else { Outcome::Failed }
        }
        // Stopped before the first target was begun, it changed nothing.
        "Stopped" if untouched => Outcome::ErrorNoImpact,
        "Stopped" => Outcome::Stopped,
        "Created" | "Queued" | "InProgress" | "Baking" | "Ready" => Outcome::InProgress,
        _ => Outcome::Unknown,
    }
}

/// How one attempt of an action ended; `code` is the deployment that it asked for.
pub(super) fn of_action(action: &ActionExecution, code: Option<&CodeDeployment>, execution_status: &str) -> Outcome {
    match action.status.as_str() {
        "Succeeded" => Outcome::Succeeded,
        "Failed" => match code.map(of_code_deployment) {
            Some(outcome @ (Outcome::ErrorNoImpact | Outcome::Stopped)) => outcome,
            Some(_) => Outcome::Failed,
            None => {
                let refused = action.error_code.as_deref().is_some_and(|code| NEVER_ASKED.contains(&code));
                if refused && action.external_execution_id.is_none() { Outcome::ErrorNoImpact } else { Outcome::Failed }
            }
        },
        "Abandoned" => Outcome::Stopped,
        "InProgress" => match code.map(of_code_deployment) {
            Some(outcome) if outcome != Outcome::InProgress => outcome,
            _ if matches!(execution_status, "Stopped" | "Stopping") => Outcome::Stopped,
            _ => Outcome::InProgress,
        },
        _ => Outcome::Unknown,
    }
}

/// How all members together ended; `is_whole` says whether every member that production has was there, and
/// `execution_status` how the execution ended.
pub(super) fn of_members(members: &[Member], is_whole: bool, execution_status: &str) -> Outcome {
    let any = |outcome: Outcome| members.iter().any(|member| member.outcome == outcome);
    let all = |outcome: Outcome| members.iter().all(|member| member.outcome == outcome);
    if any(Outcome::InProgress) {
        Outcome::InProgress
    } else if any(Outcome::Failed) {
        Outcome::Failed
    } else if any(Outcome::Stopped) {
        Outcome::Stopped
    } else if members.is_empty() || any(Outcome::Unknown) {
        Outcome::Unknown
    } else if all(Outcome::ErrorNoImpact) {
        Outcome::ErrorNoImpact
    } else if any(Outcome::ErrorNoImpact) {
        // Others had arrived: a release in half of its places.
        Outcome::Failed
    } else if is_whole {
        Outcome::Succeeded
    } else {
        match execution_status {
            "InProgress" => Outcome::InProgress,
            "Stopped" | "Stopping" => Outcome::Stopped,
            // A check between two waves said no.
            "Failed" => Outcome::Failed,
            _ => Outcome::Succeeded,
        }
    }
}
