//! `pipewarden deliver`, and the deliveries at the end of `audit`.
//!
//! In: a finished run and `[deliveries]` of the configuration. Out: a table of what came of each delivery, and the record
//! beside the runs. Only what is already sealed is delivered, so nothing here can lose a report.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clap::Args;
use time::OffsetDateTime;
use tokio::runtime::Runtime;

use super::Exit;
use super::aws::{self, AwsOptions};
use super::failure::Failure;
use super::kept::{Kept, StoreOptions};
use super::options::{named_run, print, say};
use super::recheck::RECHECKS;
use super::secrets::Secrets;
use crate::collect::git_hosts::{self, SourceHosts};
use crate::config::Config;
use crate::deliver::{
    FailedRun, Notice, Outcome, Pace, Package, PreviewLine, Status, Target, Way, deliver_all, notify_failure, open_all,
    preview_all, table, write_record,
};
use crate::inventory::Redaction;
use crate::organization::Sessions;
use crate::report::visible;
use crate::run::{RunDirectory, list};

/// Options of `deliver`.
#[derive(Debug, Args)]
pub(super) struct DeliverArgs {
    /// The run, by its folder or id [default: the newest in --out]
    run: Option<PathBuf>,
    /// Folder that keeps the runs, or `s3://BUCKET/PREFIX`
    #[arg(long, value_name = "DIR", env = "PIPEWARDEN_OUT", default_value = "pipewarden-out")]
    out: PathBuf,
    #[command(flatten)]
    store: StoreOptions,
    /// Configuration file with `[deliveries]`
    #[arg(long, value_name = "FILE", env = "PIPEWARDEN_CONFIG")]
    config: Option<PathBuf>,
    /// Only the delivery of this name; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Say what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Profile of the AWS configuration to use
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Send all calls here instead of to AWS
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
}

/// Whether a run is delivered when it is finished.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(super) struct DeliverOptions {
    /// Do not deliver the run, although `[deliveries]` is configured
    #[arg(long)]
    no_deliver: bool,
    /// Exit with 4 if the run is compliant, but could not be delivered as a whole
    #[arg(long)]
    fail_on_delivery: bool,
}

pub(super) fn run(args: &DeliverArgs) -> Result<Exit, Failure> {
    let profile = args.profile.as_deref();
    let options =
        AwsOptions { profile: args.profile.clone(), endpoint_url: args.endpoint_url.clone(), single_account: false };
    let secrets = Secrets::open(&options)?;
    let mut config = args.store.configuration(args.config.as_deref(), profile)?;
    let kept = Kept::open(&args.out, &args.store, profile)?;
    kept.tell_place(&mut config);
    let targets = chosen(&config, &args.only)?;
    kept.fetch(async |store| {
        store.fetch_former(None).await?;
        store.fetch_folder("deliveries/", &|_| true).await
    })?;
    if args.run.is_some() {
        kept.fetch_named(args.run.as_deref(), &[])?;
    }
    let run = match &args.run {
        Some(_) => named_run(args.run.as_deref(), kept.folder())?,
        None => newest_look(kept.folder())?,
    };
    kept.fetch(async |store| store.fetch_run(&run.plan().run_id).await)?;
    let out = folder_of_runs(&run).unwrap_or_else(|| kept.folder().to_owned());
    let runtime = aws::runtime()?;
    let exit = runtime.block_on(async {
        let sdk = aws::from_environment(&options, config.home_region.as_ref()).await;
        let sessions = aws::sessions(sdk, &config, SourceHosts::default(), Redaction::default()).await?;
        let way = Ready { config: &config, sessions: &sessions, secrets: &secrets, out: &out, targets };
        if args.dry_run {
            return way.preview(&run).await;
        }
        let outcomes = way.deliver(&run).await?;
        if outcomes.is_empty() {
            return Err(unheard(&run));
        }
        Ok(if is_complete(&outcomes) { Exit::Compliant } else { Exit::Undelivered })
    });
    if !args.dry_run {
        kept.send_beside()?;
    }
    exit
}

/// The run that looked last; the newest may be one that judged an earlier run's inventories again.
fn newest_look(out: &Path) -> Result<RunDirectory, Failure> {
    let newest = named_run(None, out)?;
    let listed = list(out).map_err(|error| Failure::failed(&error))?;
    let others = listed.iter().filter_map(|run| RunDirectory::open(&run.path).ok());
    let look = |run: &RunDirectory| (run.observed_at(), run.plan().run_id.clone());
    let last = others.filter(|run| look(run) > look(&newest)).max_by_key(look);
    Ok(last.unwrap_or(newest))
}

/// The deliveries of these names, or all.
fn chosen<'a>(config: &'a Config, only: &[String]) -> Result<Vec<&'a Target>, Failure> {
    let targets = &config.deliveries.targets;
    if targets.is_empty() {
        return Err(Failure::usage(format!(
            "{}: there is no delivery; write a table such as `[[deliveries.s3]]`, docs/deliveries.md has them all",
            config.file
        )));
    }
    let known: BTreeSet<&str> = targets.iter().map(|target| target.name.as_str()).collect();
    if let Some(unknown) = only.iter().find(|name| !known.contains(name.as_str())) {
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Failure::usage(format!("there is no delivery `{unknown}`; known are {known}")));
    }
    Ok(targets.iter().filter(|target| only.is_empty() || only.contains(&target.name)).collect())
}

/// `<out>` of `<out>/runs/<run-id>`: memories belong to the folder that keeps the runs, wherever the run was named.
fn folder_of_runs(run: &RunDirectory) -> Option<PathBuf> {
    let path = std::path::absolute(run.path()).ok()?;
    let folder = path.parent()?.parent()?;
    // Rechecks stand in a folder of their own, and receivers remember them with all other runs.
    let is_recheck = folder.file_name().is_some_and(|name| name == RECHECKS);
    (if is_recheck { folder.parent()? } else { folder }).to_owned().into()
}

fn is_complete(outcomes: &[Outcome]) -> bool {
    outcomes.iter().all(|outcome| outcome.status == Status::Delivered)
}

impl DeliverOptions {
    /// Delivers what has just ended, brings what receivers remember to where it is kept, and says how the program ends.
    pub(super) fn deliver(self, runtime: &Runtime, kept: &Kept, ended: Ended<'_>) -> Result<Exit, Failure> {
        let Ended { mut concluded, is_kept, run, out, config, sessions, secrets } = ended;
        if self.no_deliver || config.deliveries.is_empty() {
            kept.send_beside()?;
            return concluded;
        }
        // A run that could not be brought to where runs are kept is none that anybody could look up.
        let is_over = is_kept && (run.is_finished() || run.failure().is_some());
        // Trackers are written to once a second. What was said to all others is remembered before that begins: a process
        // that is ended in the middle of it would say it again.
        for slow in [false, true] {
            let targets: Vec<&Target> =
                config.deliveries.targets.iter().filter(|target| target.takes_one_by_one() == slow).collect();
            if !targets.is_empty() {
                let ready = Ready { config, sessions, secrets, out, targets };
                concluded = runtime.block_on(self.after(concluded, is_over, run, &ready));
            }
            kept.send_beside()?;
        }
        concluded
    }

    async fn after(
        self,
        concluded: Result<Exit, Failure>,
        is_over: bool,
        run: &RunDirectory,
        ready: &Ready<'_>,
    ) -> Result<Exit, Failure> {
        let delivered = match &concluded {
            Err(failure) if !is_over => ready.tell_failure(run, &failure.in_brief()).await,
            _ => ready.deliver(run).await,
        };
        let complete = match delivered {
            Ok(outcomes) => is_complete(&outcomes),
            Err(failure) => {
                // The report is written and stands: what went wrong behind it is said, and nothing else.
                let _ = failure.print();
                false
            }
        };
        let exit = concluded?;
        Ok(if exit == Exit::Compliant && self.fail_on_delivery && !complete { Exit::Undelivered } else { exit })
    }
}

/// A run that has just ended, one way or another.
pub(super) struct Ended<'a> {
    /// How.
    pub(super) concluded: Result<Exit, Failure>,
    /// Whether it is where runs are kept.
    pub(super) is_kept: bool,
    /// The run.
    pub(super) run: &'a RunDirectory,
    /// The folder that keeps the runs.
    pub(super) out: &'a Path,
    /// What is delivered to whom.
    pub(super) config: &'a Config,
    /// The way to them.
    pub(super) sessions: &'a Sessions,
    /// What they are shown.
    pub(super) secrets: &'a Secrets,
}

/// Everything that a delivery needs.
struct Ready<'a> {
    config: &'a Config,
    sessions: &'a Sessions,
    secrets: &'a Secrets,
    out: &'a Path,
    targets: Vec<&'a Target>,
}

impl Ready<'_> {
    fn open(&self) -> Vec<crate::deliver::Opened<'_>> {
        let file = |path: &Path| self.config.read_named(path);
        let secrets = git_hosts::Secrets { variable: self.secrets, file: &file };
        let way = Way { sessions: self.sessions, secrets: &secrets, pace: Arc::new(Patience) };
        open_all(&self.targets, &way)
    }

    fn location(&self, run: &RunDirectory) -> String {
        let id = run.plan().run_id.as_str();
        self.config
            .deliveries
            .report_url
            .as_ref()
            .map_or_else(|| run.path().display().to_string(), |url| url.replace("{run}", id))
    }

    async fn deliver(&self, run: &RunDirectory) -> Result<Vec<Outcome>, Failure> {
        let now = OffsetDateTime::now_utc();
        let outcomes = if run.is_finished() {
            let manifest = run.manifest().map_err(|error| Failure::failed(&error))?;
            let stored = run.stored_report().map_err(|error| Failure::failed(&error))?;
            let report = stored.report();
            let report_location = self.location(run);
            let package = Package { run, manifest: &manifest, report: &report, now, report_location };
            deliver_all(&package, self.open(), self.out).await
        } else if let Some(why) = run.failure() {
            return self.tell_failure(run, &why).await;
        } else {
            return Err(unfinished(run));
        };
        self.record(run, outcomes)
    }

    /// Says to receivers of messages that the run has no verdict. It may have ended anywhere, so nothing but its plan is
    /// sure to be there.
    async fn tell_failure(&self, run: &RunDirectory, why: &str) -> Result<Vec<Outcome>, Failure> {
        let now = OffsetDateTime::now_utc();
        let info = run.stored_report().map_or_else(|_| run.plan().run_info("", ""), |stored| stored.report().run);
        let notice = Notice::of_failure(info, why, self.location(run));
        let outcomes = notify_failure(&FailedRun { run, notice, now }, self.open(), self.out).await;
        self.record(run, outcomes)
    }

    fn record(&self, run: &RunDirectory, outcomes: Vec<Outcome>) -> Result<Vec<Outcome>, Failure> {
        if !outcomes.is_empty() {
            say(table(&outcomes).trim_end());
            let record = write_record(self.out, run.plan().run_id.as_str(), &outcomes);
            let path = record.map_err(|error| Failure::failed(&error))?;
            say(&format!("deliveries: {}", path.display()));
        }
        Ok(outcomes)
    }

    async fn preview(&self, run: &RunDirectory) -> Result<Exit, Failure> {
        if !run.is_finished() {
            return Err(unfinished(run));
        }
        let manifest = run.manifest().map_err(|error| Failure::failed(&error))?;
        let stored = run.stored_report().map_err(|error| Failure::failed(&error))?;
        let report = stored.report();
        let (now, report_location) = (OffsetDateTime::now_utc(), self.location(run));
        let package = Package { run, manifest: &manifest, report: &report, now, report_location };
        let previews = preview_all(&package, self.open(), self.out).await;
        let mut exit = Exit::Compliant;
        let mut lines = Vec::new();
        for (name, preview) in previews {
            match preview {
                Err(error) => {
                    exit = Exit::Undelivered;
                    lines.push(format!("{name}: {}", visible(&error.to_string())));
                }
                Ok((receiver, preview)) => {
                    lines.push(format!("{name}: {}", visible(&receiver)));
                    for PreviewLine { what, count, bytes } in &preview.things {
                        let what = visible(what);
                        lines.push(match count {
                            0 => format!("    {what}"),
                            _ => format!("    {count:>9} {what} ({bytes} bytes)"),
                        });
                    }
                    if preview.things.is_empty() {
                        lines.push("    nothing to send".to_owned());
                    }
                    if preview.unchanged > 0 {
                        lines.push(format!("    {:>9} there already", preview.unchanged));
                    }
                }
            }
        }
        print(&|out| lines.iter().try_for_each(|line| writeln!(out, "{line}")))?;
        say("nothing was sent: this was a dry run");
        Ok(exit)
    }
}

fn unfinished(run: &RunDirectory) -> Failure {
    Failure::because(match run.failure() {
        Some(why) => format!("{} has no verdict, so there is nothing to deliver: {why}", run.path().display()),
        None => format!("{} is unfinished; only finished runs are delivered", run.path().display()),
    })
}

/// A run without a verdict, of which no chosen receiver is told.
fn unheard(run: &RunDirectory) -> Failure {
    let why = run.failure().unwrap_or_default();
    Failure::because(format!(
        "{} has no verdict ({why}), and none of these deliveries takes messages, so nobody was told; audit again, name a \
         finished run, or configure a receiver of messages such as `[[deliveries.sns]]`",
        run.path().display()
    ))
}

/// Real waiting, with real chance.
struct Patience;

#[async_trait]
impl Pace for Patience {
    fn chance(&self) -> f64 {
        // The state of a hasher that the system has seeded is chance enough to spread retries.
        use std::hash::{BuildHasher, Hasher};
        let seed = std::collections::hash_map::RandomState::new().build_hasher().finish();
        f64::from(u32::try_from(seed >> 32).unwrap_or(0)) / f64::from(u32::MAX)
    }

    async fn pause(&self, length: Duration) {
        tokio::time::sleep(length).await;
    }
}
