//! `pipewarden audit`: collect, judge, report.

use clap::Args;

use super::Exit;
use super::aws::{self, AwsOptions};
use super::collect;
use super::deliver::DeliverOptions;
use super::deliveries::{self, HistoryArgs};
use super::failure::Failure;
use super::fingerprint;
use super::options::{BeginOptions, PolicyOptions, ReportOptions, RunOptions, judge, question};
use super::policies;
use super::runs;
use super::sign;

/// Options of `audit`.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    #[command(flatten)]
    run: RunOptions,
    #[command(flatten)]
    policies: PolicyOptions,
    #[command(flatten)]
    aws: AwsOptions,
    #[command(flatten)]
    history: HistoryArgs,
    #[command(flatten)]
    begin: BeginOptions,
    #[command(flatten)]
    report: ReportOptions,
    #[command(flatten)]
    deliver: DeliverOptions,
}

pub(super) fn run(args: &AuditArgs) -> Result<Exit, Failure> {
    let profile = args.aws.profile.as_deref();
    let mut config = args.run.resolve_as(profile)?;
    config.audit.single_account = args.aws.single_account;
    let policies = policies::load(&config, &args.policies, time::OffsetDateTime::now_utc())?;
    let hosts = aws::source_hosts(&config)?;
    let kept = args.run.open(profile)?;
    kept.tell_place(&mut config);
    kept.fingerprint_key(&config)?;
    kept.fetch_for_run(args.begin, args.history.history)?;
    kept.fetch(async |store| store.fetch_folder("deliveries/", &|_| true).await)?;
    let folder = args.run.within(&kept);
    let redaction = fingerprint::redaction(&config, &folder.out)?;
    let runtime = aws::runtime()?;
    let sdk = runtime.block_on(aws::from_environment(&args.aws, config.home_region.as_ref()));
    let (run, sessions) = runtime.block_on(async {
        let sessions = aws::sessions(sdk.clone(), &config, hosts, redaction).await?;
        let asked = question(&config, &policies, &args.history.question(collect::of_aws(&args.aws)));
        let run = args.begin.run_directory(&folder, &asked, time::OffsetDateTime::now_utc())?;
        Ok::<_, Failure>((run, sessions))
    })?;
    let concluded = || {
        runtime.block_on(async {
            collect::into(&run, &sessions, &config).await?;
            if args.history.history {
                deliveries::collect(&run, &folder.out, &sessions, &config).await?;
            }
            Ok::<_, Failure>(())
        })?;
        if args.history.history {
            deliveries::settle(&run, &folder.out, &config)?;
        }
        let judged = judge(&run, &config, &policies)?;
        let exit = args.report.show(&run, &judged, &policies)?;
        kept.say_place(&run);
        // A run that could not be signed is finished all the same.
        runtime.block_on(sign::sign(&run, &config, &sdk)).map(|()| exit)
    };
    // Whatever a run ends with, those who wait for it hear of it.
    let concluded = concluded();
    // What is there goes to the bucket in any case: a run that was broken off is gone on with.
    let sent = kept.send_run(&run);
    let concluded = concluded.and_then(|exit| sent.map(|()| exit));
    let delivered = runtime.block_on(args.deliver.after(concluded, &run, &folder.out, &config, &sessions));
    kept.send_beside()?;
    let delivered = delivered?;
    if kept.is_bucket() {
        runs::not_pruned(&config);
    } else {
        runs::prune_after(&run, &folder.out, &config);
    }
    Ok(delivered)
}
