//! What is measured: the options that all of `dora` shares, and the measurements that they ask for.

use std::path::{Path, PathBuf};

use clap::Args;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::deliveries;
use super::super::failure::Failure;
use super::super::kept::{Kept, StoreOptions};
use super::digest_keys::digest_keys;
use crate::audit;
use crate::config::Config;
use crate::dora::{Estate, Measurements, Options, assemble, metrics};
use crate::history::archive::{ArchiveFolder, ArchiveSelection, read_archive};
use crate::history::{AnswerPlace, History, HistoryStore, Period, read_answer_file, read_event_file};
use crate::run::RunDirectory;

/// What is measured.
#[derive(Debug, Clone, Args)]
pub(super) struct MeasureOptions {
    /// Configuration file; without it, the defaults
    #[arg(long, value_name = "FILE", env = "PIPEWARDEN_CONFIG")]
    config: Option<PathBuf>,
    /// Folder that keeps the runs and their histories, or `s3://BUCKET/PREFIX`
    #[arg(long, value_name = "DIR", env = "PIPEWARDEN_OUT", default_value = "pipewarden-out")]
    out: PathBuf,
    #[command(flatten)]
    store: StoreOptions,
    /// Length of the window, e.g. `90d`, `12w` [default: as configured, else 90d]
    #[arg(long, value_name = "LENGTH")]
    window: Option<String>,
    /// The moment that the window ends at, RFC 3339 [default: the newest run's start, else now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    as_of: Option<OffsetDateTime>,
    /// Time zone of days and weeks: an IANA name or an offset [default: as configured, else UTC]
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// Group by this tag's values as well; may be given several times
    #[arg(long, value_name = "TAG")]
    group_by: Vec<String>,
    /// Folder with the log files of a trail; may be given several times
    #[arg(long, value_name = "DIR")]
    archive: Vec<PathBuf>,
    /// Verify the digests in `--archive` with these public keys, as `aws cloudtrail list-public-keys` prints them
    #[arg(long, value_name = "FILE", requires = "archive")]
    verify_digests: Option<PathBuf>,
    /// File of events: output of `aws cloudtrail lookup-events` or of Athena; may be given several times
    #[arg(long, value_name = "FILE")]
    events: Vec<PathBuf>,
    /// Saved output of `aws codepipeline list-pipeline-executions` or `list-action-executions` (PLACE: the pipeline's
    /// ARN), or of `aws deploy batch-get-deployments` (PLACE: ACCOUNT/REGION); may be given several times
    #[arg(long, value_name = "PLACE=FILE", value_parser = answers)]
    answers: Vec<(AnswerPlace, PathBuf)>,
    /// File of incidents, CSV or JSON; may be given several times
    #[arg(long, value_name = "FILE")]
    incidents: Vec<PathBuf>,
}

fn moment(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "write a time such as 2026-06-29T00:00:00Z".to_owned())
}

fn answers(text: &str) -> Result<(AnswerPlace, PathBuf), String> {
    let (place, file) = text.split_once('=').ok_or_else(|| "write PLACE=FILE".to_owned())?;
    Ok((place.parse()?, PathBuf::from(file)))
}

impl MeasureOptions {
    /// Reads the configuration.
    pub(super) fn config(&self) -> Result<Config, Failure> {
        self.store.configuration(self.config.as_deref(), None)
    }

    /// Reads the histories and measures.
    pub(super) fn measure(&self) -> Result<Measurements, Failure> {
        let config = self.config()?;
        let kept = Kept::open(&self.out, &self.store, None)?;
        kept.fetch(async |store| store.fetch_folder("history/", &|_| true).await)?;
        kept.fetch_named(None, &[])?;
        let run = RunDirectory::newest(kept.folder()).map_err(|error| Failure::failed(&error))?;
        let options = self.options(&config, run.as_ref())?;
        let estate = match &run {
            Some(run) => audit::estate_of(run).map_err(|error| Failure::failed(&error))?,
            None => Estate::default(),
        };
        let history = self.history(kept.folder(), &config, &options, run.as_ref())?;
        Ok(metrics::measure(&assemble::assemble(&history, &estate, &options), &options))
    }

    fn options(&self, config: &Config, run: Option<&RunDirectory>) -> Result<Options, Failure> {
        let as_of = match (self.as_of, run) {
            (Some(as_of), _) => as_of,
            (None, Some(run)) => deliveries::moment_of(run)?,
            (None, None) => OffsetDateTime::now_utc(),
        };
        let mut options = deliveries::options(config, as_of, self.window.as_deref(), self.tz.as_deref())?;
        for tag in &self.group_by {
            if !options.group_by_tags.contains(tag) {
                options.group_by_tags.push(tag.clone());
            }
        }
        Ok(options)
    }

    fn history(
        &self,
        out: &Path,
        config: &Config,
        options: &Options,
        run: Option<&RunDirectory>,
    ) -> Result<History, Failure> {
        let period = Period { from: options.earliest(), to: options.as_of };
        let store = HistoryStore::of(out);
        let (mut history, _) = store.read(&|_| true, period).map_err(|error| Failure::failed(&error))?;
        let verify = self.verify_digests.as_deref().map(digest_keys).transpose()?;
        for folder in &self.archive {
            if !folder.is_dir() {
                let problem = "is no folder; give the one that holds `AWSLogs`, or any with log files in it";
                return Err(Failure::usage(format!("{} {problem}", folder.display())));
            }
            let objects = ArchiveFolder::new(folder);
            let selection =
                ArchiveSelection { accounts: Vec::new(), regions: Vec::new(), period, verify: verify.clone() };
            history.absorb(read_archive(&objects, &selection));
        }
        for file in &self.events {
            history.absorb(read_event_file(file).map_err(Failure::usage)?);
        }
        for (place, file) in &self.answers {
            history.absorb(read_answer_file(place, file).map_err(Failure::usage)?);
        }
        let written = &config.written.history;
        let files: Vec<PathBuf> = config.incidents.iter().chain(&self.incidents).cloned().collect();
        if history == History::default() {
            return Err(Failure::usage(format!(
                "there is no history in {}; make one with `pipewarden audit --history` or `pipewarden demo --history`",
                self.out.display()
            )));
        }
        if let Some(run) = run {
            let sources = config.account_sources().map_err(Failure::usage)?;
            let closed = audit::closed_accounts(run, &sources, period).map_err(|error| Failure::failed(&error))?;
            history.coverage.gaps.extend(closed);
        }
        deliveries::add_incidents(&mut history, &files, &written.incident_alarms, period)?;
        Ok(history)
    }
}
