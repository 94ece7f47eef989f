//! Members of a deployment: attempts folded in, `CodeDeploy`'s deployments joined.
//!
//! In: attempts of production actions, and what `CodeDeploy` says of the deployments that they asked for. Out:
//! [`Member`]s, and a [`Draft`] of the deployment that knows its records.

use time::OffsetDateTime;

use super::index::{Attempts, Index};
use super::outcome;
use crate::dora::{Deployment, Member, Outcome, Target};
use crate::history::{ActionExecution, CodeDeployment, PipelineExecution};
use crate::inventory::Arn;

/// A deployment with the records that it was made of.
pub(super) struct Draft<'a> {
    pub(super) deployment: Deployment,
    /// Where versions follow one another: the pipeline, or the deployment group that no pipeline deploys to.
    pub(super) lane: String,
    pub(super) execution: Option<&'a PipelineExecution>,
    /// Deployments of `CodeDeploy` that it is made of, by begin.
    pub(super) code: Vec<&'a CodeDeployment>,
    /// Whether any target was touched; none if nothing says so.
    pub(super) touched: Option<bool>,
}

impl Draft<'_> {
    /// When it ended, else when it began.
    pub(super) fn time(&self) -> OffsetDateTime {
        self.deployment.finished.unwrap_or(self.deployment.started)
    }

    pub(super) fn has_succeeded(&self) -> bool {
        self.deployment.outcome == Outcome::Succeeded
    }
}

/// A member, with the records that it was made of.
pub(super) struct Folded<'a> {
    pub(super) member: Member,
    pub(super) code: Vec<&'a CodeDeployment>,
    /// Whether the first attempt failed; none if it has not ended.
    pub(super) first_failed: Option<bool>,
    /// When it first arrived.
    pub(super) arrived: Option<OffsetDateTime>,
}

/// Folds the attempts of an action into one member.
pub(super) fn of_attempts<'a>(
    attempts: &Attempts<'a>,
    execution: &PipelineExecution,
    index: &Index<'a>,
) -> Option<Folded<'a>> {
    let (first, last) = (attempts.tries.first()?, attempts.tries.last()?);
    let code_of = |action: &ActionExecution| {
        let region = action.region.as_ref().unwrap_or(&execution.region);
        index.deployment(action.external_execution_id.as_deref()?, region)
    };
    let ended = |action: &ActionExecution| {
        let outcome = outcome::of_action(action, code_of(action), &execution.status);
        let ended = match action.status.as_str() {
            "InProgress" => code_of(action).and_then(|code| code.completed),
            _ => action.updated,
        };
        let is_over = outcome != Outcome::InProgress;
        // Clocks differ between services.
        (outcome, ended.filter(|_| is_over).map(|ended| ended.max(action.started)))
    };
    let (outcome, finished) = ended(last);
    let code: Vec<&CodeDeployment> = attempts.tries.iter().filter_map(|action| code_of(action)).collect();
    let failed = attempts.tries.iter().rev().find(|action| action.status == "Failed");
    let error_code = failed.and_then(|action| {
        code_of(action).and_then(|code| code.error_code.clone()).or_else(|| action.error_code.clone())
    });
    let role_account = last.role_arn.as_deref().and_then(|role| Arn::parse(role).ok()).and_then(|arn| arn.account_id());
    let account = code.last().map(|code| code.account.clone()).or(role_account);
    let region = code.last().map(|code| code.region.clone()).or_else(|| last.region.clone());
    let target = Target {
        account: account.unwrap_or_else(|| execution.account.clone()),
        region: region.unwrap_or_else(|| execution.region.clone()),
        provider: last.provider.clone(),
    };
    let first_failed = match ended(first).0 {
        Outcome::Succeeded | Outcome::Stopped => Some(false),
        Outcome::Failed | Outcome::ErrorNoImpact => Some(true),
        Outcome::InProgress | Outcome::Unknown => None,
    };
    let arrived = attempts.tries.iter().map(|action| ended(action)).find(|(outcome, _)| *outcome == Outcome::Succeeded);
    Some(Folded {
        member: Member {
            name: attempts.label(),
            target,
            attempts: u32::try_from(attempts.tries.len()).unwrap_or(u32::MAX),
            started: first.started,
            finished,
            outcome,
            code_deployments: code.iter().map(|code| code.id.clone()).collect(),
            error_code,
        },
        code,
        first_failed,
        arrived: arrived.and_then(|(_, time)| time),
    })
}

/// A deployment of `CodeDeploy` as a member.
pub(super) fn of_code_deployment(code: &CodeDeployment) -> Folded<'_> {
    let outcome = outcome::of_code_deployment(code);
    let started = code.started.unwrap_or(code.created);
    // `startTime` may lie after `completeTime`: then the time of the request says more.
    let started = if code.completed.is_some_and(|completed| completed < started) { code.created } else { started };
    let finished = code.completed.map(|completed| completed.max(started));
    let member = Member {
        name: code.group.clone().unwrap_or_else(|| code.application.clone()),
        target: Target {
            account: code.account.clone(),
            region: code.region.clone(),
            provider: "CodeDeploy".to_owned(),
        },
        attempts: 1,
        started,
        finished: finished.filter(|_| outcome != Outcome::InProgress),
        outcome,
        code_deployments: vec![code.id.clone()],
        error_code: code.error_code.clone(),
    };
    let first_failed = match outcome {
        Outcome::Succeeded | Outcome::Stopped => Some(false),
        Outcome::Failed | Outcome::ErrorNoImpact => Some(true),
        Outcome::InProgress | Outcome::Unknown => None,
    };
    let arrived = member.finished.filter(|_| outcome == Outcome::Succeeded);
    Folded { member, code: vec![code], first_failed, arrived }
}

/// Whether any target was touched, as the members' last deployments say; none if one of them does not say.
pub(super) fn touched(members: &[Folded<'_>]) -> Option<bool> {
    let mut all_known = true;
    for folded in members {
        let counts = folded.code.last().and_then(|code| code.counts);
        match (folded.member.outcome, counts) {
            (Outcome::Succeeded, _) => return Some(true),
            (_, Some(counts)) if counts.touched() => return Some(true),
            (Outcome::ErrorNoImpact, _) | (_, Some(_)) => {}
            (_, None) => all_known = false,
        }
    }
    all_known.then_some(false)
}
