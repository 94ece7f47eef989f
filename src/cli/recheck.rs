//! `pipewarden audit --resource`: a few resources, looked at again between two full runs.
//!
//! In: ARNs, and what `audit` takes. Out: a run under `<out>/rechecks`, with reports and deliveries of its own; the full
//! runs, their chain, their trend and what they are compared with stay as they are.

use serde_json::json;
use time::OffsetDateTime;

use super::Exit;
use super::audit::AuditArgs;
use super::aws;
use super::collect::of_aws;
use super::deliver::Ended;
use super::failure::Failure;
use super::fingerprint;
use super::kept::Kept;
use super::options::{RunOptions, question, say};
use super::policies;
use super::runs;
use super::secrets::Secrets;
use super::sign;
use crate::audit::{Beside, Evaluation, Recheck, RecheckError, Rechecked, Target};
use crate::config::Config;
use crate::evaluate::Policies;
use crate::report::visible;
use crate::run::RunDirectory;

/// Folder of rechecks, beside the full runs.
pub(super) const RECHECKS: &str = "rechecks";

/// What of a run's question says which organization, accounts and Regions it was about.
const ESTATE: &[&str] = &["/config/accounts", "/config/regions", "/options/singleAccount", "/options/endpointUrl"];

/// The same, as names of files in a bucket begin.
const ROOT: &str = "rechecks/";

/// What came of it.
pub(super) enum Outcome {
    /// A run.
    Concluded(Box<Concluded>),
    /// The configuration leaves it out: why. Nothing was looked at, and nothing is kept.
    LeftOut(String),
    /// Nothing of the delivery path goes by any of the names: nothing was judged, and nothing is kept.
    NothingToJudge(Vec<String>),
}

/// A recheck that ended with a verdict.
pub(super) struct Concluded {
    /// The run.
    pub(super) run: RunDirectory,
    /// How the program ends.
    pub(super) exit: Exit,
    /// While this is held, its files are at hand.
    kept: Kept,
}

impl Concluded {
    /// Where a person finds it.
    pub(super) fn place(&self) -> String {
        self.kept.place_under(ROOT, &self.run)
    }
}

pub(super) fn run(args: &AuditArgs) -> Result<Exit, Failure> {
    let targets = args.resource.iter().map(|arn| Target::new(arn, args.account.clone()));
    let targets = targets.collect::<Result<Vec<_>, _>>().map_err(Failure::usage)?;
    match rechecked(args, &targets)? {
        Outcome::Concluded(concluded) => Ok(concluded.exit),
        Outcome::LeftOut(why) => Err(Failure::usage(why)),
        Outcome::NothingToJudge(strangers) => Err(Failure::because(format!(
            "{}; nothing was judged, so there is no verdict",
            strangers.iter().map(|arn| stranger(arn)).collect::<Vec<_>>().join("\n")
        ))),
    }
}

fn stranger(arn: &str) -> String {
    let arn = visible(arn);
    format!("{arn}: neither this run nor a full run found it, or anything that names it, in the delivery path")
}

/// Looks, judges, reports and delivers.
pub(super) fn rechecked(args: &AuditArgs, targets: &[Target]) -> Result<Outcome, Failure> {
    let profile = args.aws.profile.as_deref();
    let secrets = Secrets::open(&args.aws)?;
    let mut config = args.run.resolve_as(profile)?;
    config.audit.single_account = args.aws.single_account;
    let now = OffsetDateTime::now_utc();
    let policies = policies::load(&config, &args.policies, now)?;
    let hosts = aws::source_hosts(&config, &secrets)?;
    let kept = args.run.open(profile)?;
    kept.tell_place_under(ROOT, &mut config);
    kept.fingerprint_key(&config)?;
    let mut asked = of_aws(&args.aws);
    let whole = question(&config, &policies, &asked);
    let alike = |run: &RunDirectory| {
        let same = |place: &&str| run.plan().config.pointer(place) == whole.pointer(place);
        ESTATE.iter().all(same)
    };
    kept.fetch(async |store| {
        store.fetch_for_recheck(ROOT, &alike).await?;
        store.fetch_memories().await
    })?;
    let out = kept.folder();
    let redaction = fingerprint::redaction(&config, out, &secrets)?;
    let beside = Beside::find(out, now, args.full_run_hours, &alike).map_err(|error| Failure::failed(&error))?;
    let runtime = aws::runtime()?;
    let sdk = runtime.block_on(aws::from_environment(&args.aws, config.home_region.as_ref()));
    let sessions = runtime.block_on(aws::sessions(sdk.clone(), &config, hosts, redaction))?;
    if let Some(members) = asked.as_object_mut() {
        let resources: Vec<&str> = targets.iter().map(|target| target.arn.as_str()).collect();
        let full = beside.inventories().map(|run| run.plan().run_id.to_string());
        members.insert("recheck".to_owned(), json!({"resources": resources, "besideRun": full}));
    }
    // It is asked for because something changed, so what an earlier recheck saw is never gone on with.
    let rechecks = RunOptions { out: out.join(RECHECKS), fresh: true, ..args.run.clone() };
    let asked = question(&config, &policies, &asked);
    let mut at = now;
    // Several rechecks may begin in one second on several machines, and a run's id is a second.
    let run = loop {
        let run = rechecks.run_directory(&asked, 0, at)?;
        if kept.claims(&format!("{ROOT}claims/{}", run.plan().run_id))? {
            break run;
        }
        discard(&run)?;
        at += time::Duration::SECOND;
    };
    let recheck = Recheck { sessions: &sessions, options: &config.audit, run: &run, beside: &beside, targets };
    let collected = runtime.block_on(recheck.collect());
    match collected {
        Err(error @ RecheckError::LeftOut { .. }) => {
            discard(&run)?;
            return Ok(Outcome::LeftOut(error.to_string()));
        }
        Err(error @ (RecheckError::NoAccount { .. } | RecheckError::NewAccount { .. })) => {
            discard(&run)?;
            return Err(failed(error));
        }
        _ => {}
    }
    let judged = collected.map_err(failed).and_then(|()| judge(recheck, &config, &policies));
    let concluded = match judged {
        Err(failure) => Err(failure),
        Ok(judged) if judged.strangers.len() == targets.len() => {
            discard(&run)?;
            return Ok(Outcome::NothingToJudge(judged.strangers));
        }
        Ok(judged) => {
            for arn in &judged.strangers {
                say(&stranger(arn));
            }
            for arn in &judged.gone {
                say(&format!("{}: it is not there any more", visible(arn)));
            }
            let exit = args.report.show(&run, &judged.judged, &policies);
            kept.say_place_under(ROOT, &run);
            // A run that could not be signed is finished all the same.
            exit.and_then(|exit| runtime.block_on(sign::sign(&run, &config, &sdk)).map(|()| exit))
        }
    };
    let sent = kept.send_run_under(ROOT, &run);
    let is_kept = sent.is_ok();
    let concluded = concluded.and_then(|exit| sent.map(|()| exit));
    let secrets = &secrets;
    let ended = Ended { concluded, is_kept, run: &run, out, config: &config, sessions: &sessions, secrets };
    let exit = args.deliver.deliver(&runtime, &kept, ended)?;
    if kept.is_bucket() {
        runs::not_pruned(&config);
    } else {
        runs::prune_after(&run, &rechecks.out, &config);
    }
    Ok(Outcome::Concluded(Box::new(Concluded { run, exit, kept })))
}

/// Takes away a run in which nothing was looked at that anybody could want to know of.
fn discard(run: &RunDirectory) -> Result<(), Failure> {
    let path = run.path();
    std::fs::remove_dir_all(path)
        .map_err(|error| Failure::because(format!("cannot remove {}: {error}; remove it by hand", path.display())))
}

fn judge(recheck: Recheck<'_>, config: &Config, policies: &Policies) -> Result<Rechecked, Failure> {
    let evaluation =
        Evaluation { policies, settings: config.settings.clone(), rules: config.rules.clone(), owners: &config.owners };
    recheck.judge(&evaluation).map_err(failed)
}

fn failed(error: RecheckError) -> Failure {
    match error {
        RecheckError::NoArn(_)
        | RecheckError::NoAccount { .. }
        | RecheckError::NewAccount { .. }
        | RecheckError::LeftOut { .. } => Failure::usage(error),
        other => Failure::failed(&other),
    }
}
