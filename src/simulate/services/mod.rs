//! What each operation answers: knobs rendered in the API's own words.
//!
//! In: a [`Call`], its input as JSON in the API's member names. Out: the answer in the same form; [`super::protocol`]
//! writes it as the caller's protocol wants it. One service is one file, and an operation is one function.

mod account;
mod alarm_history;
pub(super) mod archive;
mod athena;
mod builds;
mod cloudtrail;
mod cloudwatch;
mod codebuild;
mod codebuild_project;
mod codecommit;
mod codeconnections;
mod codedeploy;
mod codepipeline;
mod codestar_notifications;
mod commits;
mod config;
mod deployments;
mod ecr;
mod executions;
mod iam;
mod kms;
mod organizations;
mod pages;
mod pipeline_practice;
mod pipeline_stages;
mod rules;
pub(super) mod s3;
mod secretsmanager;
mod sns;
mod sts;
pub(super) mod trail_events;
mod trail_requests;

use serde_json::Value;
use time::OffsetDateTime;

use super::protocol::ApiError;
use super::world::World;

pub(super) use sts::{ACCESS_KEY_PREFIX, AUDIT_ROLE};

/// What an operation answers.
pub(super) type Answer = Result<Value, ApiError>;

/// One call, after the caller was identified.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) world: &'a World,
    /// Position of the calling account.
    pub(super) account: usize,
    /// Position of the Region, if it is enabled.
    pub(super) region: Option<usize>,
    pub(super) input: &'a Value,
}

impl Call<'_> {
    /// A text of the input.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.input.get(name).and_then(Value::as_str)
    }

    /// A text of the input that has to be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name).ok_or_else(|| ApiError::invalid(format!("the member `{name}` is required")))
    }

    /// A list of texts of the input.
    pub(super) fn texts(&self, name: &str) -> Vec<&str> {
        self.input.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// A whole number of the input; a query string has it as text.
    pub(super) fn number(&self, name: &str) -> Option<usize> {
        let value = self.input.get(name)?;
        let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()))?;
        usize::try_from(number).ok()
    }

    /// A boolean of the input.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        let value = self.input.get(name)?;
        value.as_bool().or_else(|| value.as_str().map(|text| text == "true"))
    }
}

/// An operation: how it is called, the IAM action it needs, and who answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    /// `service:Action` as IAM writes it.
    pub(super) action: &'static str,
    pub(super) answer: fn(&Call<'_>) -> Answer,
}

/// A service: its IAM prefix, its shape name in targets and paths, and its operations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service {
    pub(super) prefix: &'static str,
    pub(super) target: &'static str,
    pub(super) operations: &'static [Operation],
}

/// All services that speak an RPC protocol. S3 has its own door, [`s3::answer`].
pub(super) const SERVICES: &[Service] = &[
    organizations::SERVICE,
    sts::SERVICE,
    account::SERVICE,
    codepipeline::SERVICE,
    codedeploy::SERVICE,
    codebuild::SERVICE,
    kms::SERVICE,
    cloudwatch::SERVICE,
    cloudtrail::SERVICE,
    config::SERVICE,
    secretsmanager::SERVICE,
    codestar_notifications::SERVICE,
    sns::SERVICE,
    codecommit::SERVICE,
    codeconnections::SERVICE,
    iam::SERVICE,
    ecr::SERVICE,
    athena::SERVICE,
];

/// The IAM action that a call needs: the one of its operation, except where what it asks for has an older name.
pub(super) fn action_of(operation: &Operation, input: &Value) -> &'static str {
    codeconnections::older_action(operation, input).unwrap_or(operation.action)
}

/// A moment some days before the world's now, spread by a number so that not everything is of the same second.
pub(super) fn days_ago(world: &World, days: i64, spread: usize) -> OffsetDateTime {
    let minutes = i64::try_from(spread % 1440).unwrap_or(0);
    world.options.now - time::Duration::days(days) - time::Duration::minutes(minutes)
}
