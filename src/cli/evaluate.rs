//! `pipewarden evaluate`: judge a run's inventories again, with today's policies, into a run of its own.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::Exit;
use super::aws::AwsOptions;
use super::deliver::DeliverOptions;
use super::failure::Failure;
use super::options::{PolicyOptions, ReportOptions, RunOptions, judge, named_run, print, question};
use super::policies;
use super::stage::{self, Stage, StageOptions};
use crate::run::RunDirectory;

/// Options of `evaluate`.
#[derive(Debug, Args)]
pub(super) struct EvaluateArgs {
    /// The run whose inventories are judged, by its folder or id [default: the newest in --out]
    run_directory: Option<PathBuf>,
    #[command(flatten)]
    run: RunOptions,
    #[command(flatten)]
    policies: PolicyOptions,
    #[command(flatten)]
    report: ReportOptions,
    /// The run was collected in stages: make it whole, judge it, report, sign and deliver
    #[arg(long, requires = "run_directory")]
    conclude: bool,
    #[command(flatten)]
    aws: AwsOptions,
    #[command(flatten)]
    deliver: DeliverOptions,
}

/// The last stage of a run that many workers shared.
fn conclude(args: &EvaluateArgs) -> Result<Exit, Failure> {
    let named = args.run_directory.as_deref().and_then(|name| name.to_str()).unwrap_or_default();
    let run_id = named.parse().map_err(|error: crate::run::RunError| Failure::usage(error))?;
    let options = StageOptions {
        run: args.run.clone(),
        policies: args.policies.clone(),
        aws: args.aws.clone(),
        report: args.report.clone(),
        deliver: args.deliver,
    };
    let answer = stage::run(&Stage::Conclude { run_id }, &options)?;
    print(&|out| writeln!(out, "{answer}"))?;
    let code = answer.get("exitCode").and_then(serde_json::Value::as_u64);
    let ends = [Exit::NonCompliant, Exit::Gaps, Exit::Undelivered];
    Ok(ends.into_iter().find(|exit| code == Some(u64::from(*exit as u8))).unwrap_or(Exit::Compliant))
}

pub(super) fn run(args: &EvaluateArgs) -> Result<Exit, Failure> {
    if args.conclude {
        return conclude(args);
    }
    let profile = args.aws.profile.as_deref();
    let config = args.run.resolve_as(profile)?;
    let policies = policies::load(&config, &args.policies, time::OffsetDateTime::now_utc())?;
    let kept = args.run.open(profile)?;
    kept.fetch(async |store| {
        store.fetch_former(None).await?;
        store.fetch_unfinished(time::OffsetDateTime::now_utc()).await
    })?;
    if let Some(run_id) = kept.named(args.run_directory.as_deref())? {
        kept.fetch(async |store| {
            store.fetch_run(&run_id).await?;
            store.fetch_former(Some(&run_id)).await
        })?;
    }
    let folder = args.run.within(&kept);
    let collected = named_run(args.run_directory.as_deref(), &folder.out)?;
    if kept.is_bucket() && !collected.is_finished() {
        let id = &collected.plan().run_id;
        return Err(Failure::usage(format!(
            "run {id} is not finished, and others may be at work on it; name a finished run, or end it with `pipewarden evaluate {id} --conclude`"
        )));
    }
    let run = if collected.is_finished() {
        // A finished run is evidence and stays as it is.
        let source = collected.plan().run_id.to_string();
        let asked = question(&config, &policies, &json!({"inventoriesOf": source}));
        let again = folder.run_directory(&asked, 0, time::OffsetDateTime::now_utc())?;
        copy_inventories(&collected, &again)?;
        again
    } else {
        collected
    };
    let judged = judge(&run, &config, &policies)?;
    let exit = args.report.show(&run, &judged, &policies);
    let sent = kept.send_run(&run);
    let exit = exit?;
    sent?;
    kept.say_place(&run);
    Ok(exit)
}

fn copy_inventories(from: &RunDirectory, to: &RunDirectory) -> Result<(), Failure> {
    let accounts = from.accounts().map_err(|error| Failure::failed(&error))?;
    let whole = [(None, crate::run::ORGANIZATION), (None, crate::audit::TRAIL)].into_iter();
    let parts = accounts.iter().flat_map(|account| crate::audit::PARTS.map(|part| (Some(account), part)));
    for (account, part) in whole.chain(parts) {
        if from.has_part(account, part) && !to.has_part(account, part) {
            let inventory = from.read_inventory(account, part).map_err(|error| Failure::failed(&error))?;
            to.write_inventory(account, part, &inventory).map_err(|error| Failure::failed(&error))?;
        }
    }
    Ok(())
}
