//! `pipewarden hook`: the organization-wide gate, as the function of a CloudFormation Lambda Hook.
//!
//! In: invocations, from the runtime API inside Lambda, or one from stdin anywhere else. Out: pass or fail in the words
//! that Hooks expect. It is the same check as in a pull request, at a place that no repository can skip.
//!
//! Contract: <https://docs.aws.amazon.com/cloudformation-cli/latest/hooks-userguide/lambda-hooks-create-lambda-function.html>

mod answer;
mod gate;
mod invocation;
mod payloads;

use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;
use time::OffsetDateTime;

use super::Exit;
use super::failure::Failure;
use super::lambda::Runtime;
use super::options::{PolicyOptions, Threshold, print, threshold};
use super::policies;
use crate::config::Config;
use crate::evaluate::Policies;
use answer::{Answer, Status};
use invocation::{Invocation, Subject};
use payloads::Payloads;

/// Where the runtime API answers, inside Lambda.
pub(super) const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// Options of `hook`. Inside Lambda there is no command line to write them on, so each can be given in the environment.
#[derive(Debug, Args)]
pub(super) struct HookArgs {
    /// Configuration file; without it, the defaults
    #[arg(long, value_name = "FILE", env = "PIPEWARDEN_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    policies: PolicyOptions,
    /// Fail an operation with a violation at or above this severity; `none` never does
    #[arg(long, value_name = "SEVERITY", env = "PIPEWARDEN_FAIL_ON", default_value = "high", value_parser = threshold)]
    fail_on: Threshold,
    /// Fail an operation also for what cannot be decided before it is deployed
    #[arg(long, env = "PIPEWARDEN_FAIL_ON_GAPS")]
    fail_on_gaps: bool,
}

/// What is the same for all invocations.
pub(super) struct Gate {
    config: Config,
    policies: Policies,
    fail_on: Threshold,
    fail_on_gaps: bool,
}

impl HookArgs {
    /// Reads configuration and policies.
    pub(super) fn gate(&self) -> Result<Gate, Failure> {
        let config = Config::read(self.config.as_deref()).map_err(Failure::usage)?;
        let policies = policies::load_for(&config, &self.policies, OffsetDateTime::now_utc(), None)?;
        Ok(Gate { config, policies, fail_on: self.fail_on, fail_on_gaps: self.fail_on_gaps })
    }

    /// The same, with these folders of policies besides.
    pub(super) fn with_policies(mut self, folders: &[PathBuf]) -> Self {
        self.policies.policies.extend(folders.iter().cloned());
        self
    }
}

/// The answer to one invocation.
pub(super) async fn answer(gate: &Gate, text: &str) -> Result<Value, Failure> {
    let answer = answered(gate, text, &Payloads::new().map_err(Failure::because)?).await;
    serde_json::to_value(&answer).map_err(|error| Failure::failed(&error))
}

pub(super) fn run(args: &HookArgs) -> Result<Exit, Failure> {
    let gate = args.gate()?;
    let executor =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| Failure::failed(&error))?;
    if let Some(address) = std::env::var(RUNTIME_API).ok().filter(|address| !address.is_empty()) {
        return executor.block_on(serve(&gate, &address));
    }
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text).map_err(|error| {
        Failure::usage(format!("the invocation on stdin cannot be read: {error}; outside of Lambda, give one as JSON"))
    })?;
    let answer = executor.block_on(answered(&gate, &text, &Payloads::new().map_err(Failure::because)?));
    let written = serde_json::to_string_pretty(&answer).map_err(|error| Failure::failed(&error))?;
    print(&|out| writeln!(out, "{written}"))?;
    Ok(match answer.hook_status {
        Status::Success => Exit::Compliant,
        Status::Failed if answer.error_code == Some(answer::ErrorCode::NonCompliant) => Exit::NonCompliant,
        Status::Failed => Exit::Failed,
    })
}

/// Answers invocations until Lambda ends the process.
async fn serve(gate: &Gate, address: &str) -> Result<Exit, Failure> {
    let runtime = Runtime::new(address).map_err(Failure::because)?;
    let payloads = Payloads::new().map_err(Failure::because)?;
    loop {
        let invocation = runtime.next().await.map_err(Failure::because)?;
        let answer = answered(gate, &invocation.event, &payloads).await;
        runtime.respond(&invocation.id, &answer).await.map_err(Failure::because)?;
    }
}

/// One invocation → one answer. Whatever goes wrong is an answer too: an operation that could not be looked at fails.
async fn answered(gate: &Gate, text: &str, payloads: &Payloads) -> Answer {
    let event: Value = match serde_json::from_str(text) {
        Ok(event) => event,
        Err(error) => return Answer::broken("", format!("the invocation is no JSON: {error}")),
    };
    let token = event.get("clientRequestToken").and_then(Value::as_str).unwrap_or_default().to_owned();
    let invocation = match Invocation::read(&event) {
        Ok(invocation) => invocation,
        Err(problem) => return Answer::broken(&token, problem),
    };
    let documents = match &invocation.subject {
        Subject::Nothing(why) => return Answer::success(&token, why),
        Subject::Resource(documents) => documents.clone(),
        Subject::Payload(url) => match payloads.fetch(url).await.and_then(|body| invocation::documents(&body)) {
            Ok(documents) => documents,
            Err(problem) => {
                return Answer::broken(&token, format!("the template of the operation cannot be read: {problem}"));
            }
        },
    };
    match gate.judge(&invocation, &documents) {
        Ok(judged) => Answer::of(&token, &judged, gate),
        Err(problem) => Answer::broken(&token, problem),
    }
}
