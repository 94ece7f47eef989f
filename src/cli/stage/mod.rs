//! The stages of one run that many workers share, each alone: begin, accounts, references, referenced, conclude.
//!
//! In: a stage, as an event says it or the command line, and the folder that keeps the runs. Out: the stage's parts of the
//! run, and one JSON object that says what came next. Every stage is idempotent: a part that is there is not made again. A
//! stage that never came leaves no part, and `conclude` makes a gap of it; it collects nothing itself. It exists so that
//! AWS's own engine can fan a run out, and its result is the one of `audit`, byte for byte.

mod collecting;
mod concluding;
mod items;

use std::path::Path;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::aws::AwsOptions;
use super::collect;
use super::deliver::DeliverOptions;
use super::deliveries::HistoryArgs;
use super::failure::Failure;
use super::options::{PolicyOptions, ReportOptions, RunOptions, question};
use super::policies;
use super::secrets::Secrets;
use crate::config::Config;
use crate::evaluate::Policies;
use crate::inventory::AccountId;
use crate::run::{RunDirectory, RunId, find_run};

/// One stage, as an event says it: `{"stage":"account","runId":"20261121T010000Z","account":"111122223333"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Stage {
    /// Discover the organization, and say which accounts are to be collected.
    Begin {
        /// When the run is said to have begun, RFC 3339; a repeated stage with the same time goes on with the same run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<String>,
    },
    /// Collect one account.
    Account {
        /// The run.
        run_id: RunId,
        /// The account.
        account: AccountId,
    },
    /// Say which accounts are to be asked for what others name.
    References {
        /// The run.
        run_id: RunId,
    },
    /// Ask one account for what others name of it.
    Referenced {
        /// The run.
        run_id: RunId,
        /// The account.
        account: AccountId,
    },
    /// Judge, report, sign and deliver.
    Conclude {
        /// The run.
        run_id: RunId,
    },
}

/// What every stage of one run has to be told alike.
#[derive(Debug, Clone, Args)]
pub(super) struct StageOptions {
    #[command(flatten)]
    pub(super) run: RunOptions,
    #[command(flatten)]
    pub(super) policies: PolicyOptions,
    #[command(flatten)]
    pub(super) aws: AwsOptions,
    #[command(flatten)]
    pub(super) report: ReportOptions,
    #[command(flatten)]
    pub(super) deliver: DeliverOptions,
}

/// Does one stage, and answers what comes next.
pub(super) fn run(stage: &Stage, options: &StageOptions) -> Result<Value, Failure> {
    match stage {
        Stage::Begin { at } => collecting::begin(at.as_deref(), options),
        Stage::Account { run_id, account } => collecting::account(run_id, account, options),
        Stage::References { run_id } => collecting::references(run_id, options),
        Stage::Referenced { run_id, account } => collecting::referenced(run_id, account, options),
        Stage::Conclude { run_id } => concluding::conclude(run_id, options),
    }
}

/// The configuration, the policies, what they ask, and the secrets that it takes.
struct Asked {
    config: Config,
    policies: Policies,
    question: Value,
    secrets: Secrets,
}

impl Asked {
    fn of(options: &StageOptions) -> Result<Self, Failure> {
        let secrets = Secrets::open(&options.aws)?;
        let mut config = options.run.resolve_as(options.aws.profile.as_deref())?;
        config.audit.single_account = options.aws.single_account;
        let policies = policies::load_undated(&config, &options.policies)?;
        let history = HistoryArgs { history: false };
        let question = question(&config, &policies, &history.question(collect::of_aws(&options.aws)));
        Ok(Self { config, policies, question, secrets })
    }

    /// The run that this stage belongs to; it must ask what the run was begun for.
    fn run(&self, run_id: &RunId, out: &Path) -> Result<RunDirectory, Failure> {
        let run = find_run(Path::new(run_id.as_str()), out).map_err(|error| Failure::failed(&error))?;
        let asked = crate::run::Plan::new(run_id.clone(), self.question.clone(), 0);
        if run.plan().question != asked.question {
            return Err(Failure::usage(format!(
                "run {run_id} was begun with another configuration, other policies or another version of pipewarden ({}); give every stage of a run the same",
                run.plan().tool_version
            )));
        }
        Ok(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn stages_are_what_events_and_items_of_a_map_say() {
        let run_id: RunId = "20261121T010000Z".parse().unwrap();
        let account: AccountId = "111122223333".parse().unwrap();
        let said = [
            (json!({"stage": "begin"}), Stage::Begin { at: None }),
            (
                json!({"stage": "begin", "at": "2026-11-21T01:00:00Z"}),
                Stage::Begin { at: Some("2026-11-21T01:00:00Z".to_owned()) },
            ),
            (
                json!({"stage": "account", "runId": "20261121T010000Z", "account": "111122223333"}),
                Stage::Account { run_id: run_id.clone(), account: account.clone() },
            ),
            (json!({"stage": "references", "runId": "20261121T010000Z"}), Stage::References { run_id: run_id.clone() }),
            (
                json!({"stage": "referenced", "runId": "20261121T010000Z", "account": "111122223333"}),
                Stage::Referenced { run_id: run_id.clone(), account },
            ),
            (json!({"stage": "conclude", "runId": "20261121T010000Z"}), Stage::Conclude { run_id }),
        ];
        for (event, stage) in said {
            assert_eq!(serde_json::from_value::<Stage>(event.clone()).unwrap(), stage);
            assert_eq!(serde_json::to_value(&stage).unwrap(), event);
        }
        for wrong in [
            json!({"stage": "dance"}),
            json!({"stage": "account", "runId": "../x", "account": "111122223333"}),
            json!({"stage": "account", "runId": "20261121T010000Z", "account": "12"}),
        ] {
            assert!(serde_json::from_value::<Stage>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
