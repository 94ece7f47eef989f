//! `pipewarden collect`: the first stage alone.

use clap::Args;
use serde_json::{Value, json};

use super::Exit;
use super::aws::{self, AwsOptions};
use super::deliveries::{self, HistoryArgs};
use super::failure::Failure;
use super::fingerprint;
use super::options::{PolicyOptions, RunOptions, question, say};
use super::policies;
use super::progress::Shown;
use crate::audit::{Collection, CollectionError};
use crate::config::Config;
use crate::organization::Sessions;
use crate::run::RunDirectory;

/// Options of `collect`.
#[derive(Debug, Args)]
pub(super) struct CollectArgs {
    #[command(flatten)]
    pub(super) run: RunOptions,
    #[command(flatten)]
    pub(super) policies: PolicyOptions,
    #[command(flatten)]
    pub(super) aws: AwsOptions,
    #[command(flatten)]
    history: HistoryArgs,
}

pub(super) fn run(args: &CollectArgs) -> Result<Exit, Failure> {
    let mut config = args.run.resolve()?;
    config.audit.single_account = args.aws.single_account;
    let policies = policies::load_undated(&config, &args.policies)?;
    let hosts = aws::source_hosts(&config)?;
    let redaction = fingerprint::redaction(&config, &args.run.out)?;
    let runtime = aws::runtime()?;
    let run = runtime.block_on(async {
        let sdk = aws::from_environment(&args.aws, config.home_region.as_ref()).await;
        let sessions = aws::sessions(sdk, &config, hosts, redaction).await?;
        let run = args.run.run_directory(
            &question(&config, &policies, &args.history.question(of_aws(&args.aws))),
            0,
            time::OffsetDateTime::now_utc(),
        )?;
        into(&run, &sessions, &config).await?;
        if args.history.history {
            deliveries::collect(&run, &args.run.out, &sessions, &config).await?;
        }
        Ok::<_, Failure>(run)
    })?;
    if args.history.history {
        deliveries::settle(&run, &args.run.out, &config)?;
    }
    say(&format!("collected: {}", run.path().display()));
    Ok(Exit::Compliant)
}

/// What of the AWS options decides the answer.
pub(super) fn of_aws(options: &AwsOptions) -> Value {
    json!({"endpointUrl": options.endpoint_url, "profile": options.profile, "singleAccount": options.single_account})
}

/// Collects into a run directory.
pub(super) async fn into(run: &RunDirectory, sessions: &Sessions, config: &Config) -> Result<(), Failure> {
    let progress = Shown::default();
    let collection = Collection { sessions, options: &config.audit, run, progress: &progress };
    collection.complete().await.map_err(|error| match error {
        CollectionError::NothingSelected { .. } => Failure::usage(error),
        other => Failure::failed(&other),
    })
}
