//! What is measured: the options that all of `dora` shares, and the measurements that they ask for.

use std::path::PathBuf;

use clap::Args;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::deliveries;
use super::super::failure::Failure;
use crate::audit;
use crate::config::{Config, Written};
use crate::dora::{Estate, Measurements, Options, assemble, metrics};
use crate::history::{History, HistoryStore, Period};
use crate::run::RunDirectory;

/// What is measured.
#[derive(Debug, Clone, Args)]
pub(super) struct MeasureOptions {
    /// Configuration file; without it, the defaults
    #[arg(long, value_name = "FILE", env = "PIPEWARDEN_CONFIG")]
    config: Option<PathBuf>,
    /// Folder that keeps the runs and their histories
    #[arg(long, value_name = "DIR", default_value = "pipewarden-out")]
    out: PathBuf,
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
}

fn moment(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "write a time such as 2026-06-29T00:00:00Z".to_owned())
}

impl MeasureOptions {
    /// Reads the configuration.
    pub(super) fn config(&self) -> Result<Config, Failure> {
        let (written, file) = Written::read(self.config.as_deref()).map_err(Failure::usage)?;
        written.resolve(&file).map_err(Failure::usage)
    }

    /// Reads the histories and measures.
    pub(super) fn measure(&self) -> Result<Measurements, Failure> {
        let config = self.config()?;
        let run = RunDirectory::newest(&self.out).map_err(|error| Failure::failed(&error))?;
        let options = self.options(&config, run.as_ref())?;
        let estate = match &run {
            Some(run) => audit::estate_of(run).map_err(|error| Failure::failed(&error))?,
            None => Estate::default(),
        };
        let history = self.history(&options)?;
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

    fn history(&self, options: &Options) -> Result<History, Failure> {
        let period = Period { from: options.earliest(), to: options.as_of };
        let store = HistoryStore::of(&self.out);
        let (history, _) = store.read(&|_| true, period).map_err(|error| Failure::failed(&error))?;
        if history == History::default() {
            return Err(Failure::usage(format!(
                "there is no history in {}; make one with `pipewarden audit --history` or `pipewarden demo --history`",
                self.out.display()
            )));
        }
        Ok(history)
    }
}
