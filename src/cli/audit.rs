//! `pipewarden audit`: collect, judge, report.

use clap::Args;

use super::Exit;
use super::aws::{self, AwsOptions};
use super::collect;
use super::deliver::{DeliverOptions, Ended};
use super::deliveries::{self, HistoryArgs};
use super::failure::Failure;
use super::fingerprint;
use super::kept::Kept;
use super::options::{BeginOptions, PolicyOptions, ReportOptions, RunOptions, judge, question};
use super::policies;
use super::recheck;
use super::runs;
use super::secrets::Secrets;
use super::sign;
use crate::inventory::AccountId;
use crate::run::RunDirectory;

/// Options of `audit`.
#[derive(Debug, Clone, Args)]
pub(super) struct AuditArgs {
    /// Look at this resource again, and at what names it, and at nothing else; may be given several times
    #[arg(long, value_name = "ARN")]
    pub(super) resource: Vec<String>,
    /// The account that holds the resource, where its ARN does not say it (a bucket that no full run knows)
    #[arg(long, value_name = "ID", requires = "resource")]
    pub(super) account: Option<AccountId>,
    /// For how many hours a full run says what other accounts hold, when a resource is looked at again; 0 trusts none
    #[arg(long, value_name = "N", requires = "resource")]
    pub(super) full_run_hours: Option<i64>,
    #[command(flatten)]
    pub(super) run: RunOptions,
    #[command(flatten)]
    pub(super) policies: PolicyOptions,
    #[command(flatten)]
    pub(super) aws: AwsOptions,
    #[command(flatten)]
    pub(super) history: HistoryArgs,
    #[command(flatten)]
    pub(super) begin: BeginOptions,
    #[command(flatten)]
    pub(super) report: ReportOptions,
    #[command(flatten)]
    pub(super) deliver: DeliverOptions,
}

pub(super) fn run(args: &AuditArgs) -> Result<Exit, Failure> {
    if args.resource.is_empty() { audited(args).map(|audited| audited.exit) } else { recheck::run(args) }
}

/// An audit that ended with a verdict.
pub(super) struct Audited {
    /// The run.
    pub(super) run: RunDirectory,
    /// How the program ends.
    pub(super) exit: Exit,
    /// Where the run is kept; while this is held, its files are at hand.
    pub(super) kept: Kept,
}

/// Audits everything.
pub(super) fn audited(args: &AuditArgs) -> Result<Audited, Failure> {
    let profile = args.aws.profile.as_deref();
    let secrets = Secrets::open(&args.aws)?;
    let mut config = args.run.resolve_as(profile)?;
    config.audit.single_account = args.aws.single_account;
    let policies = policies::load(&config, &args.policies, time::OffsetDateTime::now_utc())?;
    let hosts = aws::source_hosts(&config, &secrets)?;
    let kept = args.run.open(profile)?;
    kept.tell_place(&mut config);
    kept.fingerprint_key(&config)?;
    kept.fetch_for_run(args.begin, args.history.history)?;
    kept.fetch(async |store| store.fetch_memories().await)?;
    let folder = args.run.within(&kept);
    let redaction = fingerprint::redaction(&config, &folder.out, &secrets)?;
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
    let is_kept = sent.is_ok();
    let concluded = concluded.and_then(|exit| sent.map(|()| exit));
    let (out, secrets) = (&folder.out, &secrets);
    let ended = Ended { concluded, is_kept, run: &run, out, config: &config, sessions: &sessions, secrets };
    let exit = args.deliver.deliver(&runtime, &kept, ended)?;
    if kept.is_bucket() {
        runs::not_pruned(&config);
    } else {
        runs::prune_after(&run, &folder.out, &config);
    }
    Ok(Audited { run, exit, kept })
}
