//! `pipewarden collect`: the first stage alone.

use clap::Args;
use serde_json::{Value, json};

use super::Exit;
use super::aws::{self, AwsOptions};
use super::deliver::DeliverOptions;
use super::deliveries::{self, HistoryArgs};
use super::failure::Failure;
use super::fingerprint;
use super::options::{BeginOptions, PolicyOptions, ReportOptions, RunOptions, print, question, say};
use super::policies;
use super::progress::Shown;
use super::secrets::Secrets;
use super::stage::{self, Stage, StageOptions};
use crate::audit::{Collection, CollectionError};
use crate::config::Config;
use crate::inventory::AccountId;
use crate::organization::Sessions;
use crate::run::{RunDirectory, RunId};

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
    #[command(flatten)]
    begin: BeginOptions,
    #[command(flatten)]
    part: PartOptions,
}

/// A part of the first stage, for a run that many workers share.
#[derive(Debug, Args)]
struct PartOptions {
    /// Only begin: discover the organization, and say which accounts are to be collected
    #[arg(long = "begin", conflicts_with_all = ["of_run", "fan_account", "references", "referenced"])]
    only_begin: bool,
    /// The run that was begun, by its id
    #[arg(long = "run", value_name = "RUN", conflicts_with_all = ["at", "fresh"])]
    of_run: Option<RunId>,
    /// Collect this account of the run
    #[arg(id = "fan_account", long = "account", value_name = "ID", requires = "of_run")]
    account: Option<AccountId>,
    /// Say which accounts of the run are to be asked for what others name
    #[arg(long, requires = "of_run", conflicts_with = "fan_account")]
    references: bool,
    /// Ask the account only for what others name of it
    #[arg(long, requires = "fan_account")]
    referenced: bool,
}

impl PartOptions {
    /// The stage that is asked for, if it is one.
    fn stage(&self, begin: BeginOptions) -> Result<Option<Stage>, Failure> {
        let Some(run_id) = self.of_run.clone() else {
            let at = begin.at.map(|at| at.format(&time::format_description::well_known::Rfc3339)).transpose();
            let at = at.map_err(Failure::usage)?;
            return Ok(self.only_begin.then_some(Stage::Begin { at }));
        };
        match (self.account.clone(), self.references, self.referenced) {
            (Some(account), _, true) => Ok(Some(Stage::Referenced { run_id, account })),
            (Some(account), ..) => Ok(Some(Stage::Account { run_id, account })),
            (None, true, _) => Ok(Some(Stage::References { run_id })),
            (None, false, _) => Err(Failure::usage(
                "`--run` names a run that was begun; say with it what to collect: `--account ID`, or `--references`",
            )),
        }
    }
}

pub(super) fn run(args: &CollectArgs) -> Result<Exit, Failure> {
    if let Some(stage) = args.part.stage(args.begin)? {
        return part(&stage, args);
    }
    let profile = args.aws.profile.as_deref();
    let secrets = Secrets::open(&args.aws)?;
    let mut config = args.run.resolve_as(profile)?;
    config.audit.single_account = args.aws.single_account;
    let policies = policies::load_undated(&config, &args.policies)?;
    let hosts = aws::source_hosts(&config, &secrets)?;
    let kept = args.run.open(profile)?;
    kept.fingerprint_key(&config)?;
    kept.fetch_for_run(args.begin, args.history.history)?;
    let folder = args.run.within(&kept);
    let redaction = fingerprint::redaction(&config, &folder.out, &secrets)?;
    let runtime = aws::runtime()?;
    let run = runtime.block_on(async {
        let sdk = aws::from_environment(&args.aws, config.home_region.as_ref()).await;
        let sessions = aws::sessions(sdk, &config, hosts, redaction).await?;
        let asked = question(&config, &policies, &args.history.question(of_aws(&args.aws)));
        let run = args.begin.run_directory(&folder, &asked, time::OffsetDateTime::now_utc())?;
        into(&run, &sessions, &config).await?;
        if args.history.history {
            deliveries::collect(&run, &folder.out, &sessions, &config).await?;
        }
        Ok::<_, Failure>(run)
    })?;
    if args.history.history {
        deliveries::settle(&run, &folder.out, &config)?;
    }
    kept.send_run(&run)?;
    kept.send_beside()?;
    say(&format!("collected: {}", kept.place(&run)));
    Ok(Exit::Compliant)
}

fn part(stage: &Stage, args: &CollectArgs) -> Result<Exit, Failure> {
    if args.history.history {
        return Err(Failure::usage(
            "`--history` is not collected by stages: histories build on those at hand, so one process reads them; use `audit --history` or `collect --history`",
        ));
    }
    let options = StageOptions {
        run: args.run.clone(),
        policies: args.policies.clone(),
        aws: args.aws.clone(),
        report: ReportOptions::default(),
        deliver: DeliverOptions::default(),
    };
    let answer = stage::run(stage, &options)?;
    print(&|out| writeln!(out, "{answer}"))?;
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
    collection.complete().await.map_err(failure)
}

/// How a collection that could not be finished ends the program.
pub(super) fn failure(error: CollectionError) -> Failure {
    match error {
        CollectionError::NothingSelected { .. } => Failure::usage(error),
        other => Failure::failed(&other),
    }
}
