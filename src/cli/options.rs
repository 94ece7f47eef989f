//! Options that several subcommands share.

use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{ArgPredicate, PossibleValuesParser};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::Exit;
use super::failure::Failure;
use super::kept::{Kept, StoreOptions};
use crate::audit::{Evaluation, EvaluationError, Judged};
use crate::config::Config;
use crate::evaluate::Policies;
use crate::finding::{Change, Finding, Severity};
use crate::report::{FORMATS, Report, ReportFormat, Terminal};
use crate::run::{Plan, RunDirectory, RunError, RunId, find_run};

/// What is audited, and where the run goes.
#[derive(Debug, Clone, Args)]
pub(super) struct RunOptions {
    /// Configuration file; without it, the defaults
    #[arg(long, value_name = "FILE", env = "PIPEWARDEN_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Folder that keeps the runs, or `s3://BUCKET/PREFIX`
    #[arg(long, value_name = "DIR", env = "PIPEWARDEN_OUT", default_value = "pipewarden-out")]
    pub(super) out: PathBuf,
    #[command(flatten)]
    pub(super) store: StoreOptions,
    /// Begin a new run even if the last one was left unfinished
    #[arg(long)]
    pub(super) fresh: bool,
}

/// When a run is said to have begun.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(super) struct BeginOptions {
    /// When the run is said to have begun, RFC 3339, for orchestrators: whoever repeats it goes on with the same run
    /// [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(super) at: Option<OffsetDateTime>,
}

/// Reads a moment.
pub(super) fn moment(text: &str) -> Result<OffsetDateTime, String> {
    let format = time::format_description::well_known::Rfc3339;
    OffsetDateTime::parse(text, &format).map_err(|_| format!("`{text}` is no time such as 2026-11-21T01:00:00Z"))
}

/// How long ago an orchestrator may have begun what it repeats now.
const LONGEST_AGO: time::Duration = time::Duration::days(7);
/// What clocks may differ.
const CLOCKS_DIFFER: time::Duration = time::Duration::minutes(5);

/// Reports say when a run began, and what they say must be so.
pub(super) fn begin_at(at: OffsetDateTime, now: OffsetDateTime) -> Result<OffsetDateTime, String> {
    if at > now + CLOCKS_DIFFER {
        return Err(format!("a run cannot have begun at {at}, which is in the future; give a time that has passed"));
    }
    if at < now - LONGEST_AGO {
        return Err(format!(
            "a run that goes on now cannot have begun at {at}, more than seven days ago; begin a new one"
        ));
    }
    Ok(at)
}

impl BeginOptions {
    /// The run that is said to have begun then, or, without a time, the unfinished one or a new one.
    pub(super) fn run_directory(
        self,
        run: &RunOptions,
        question: &Value,
        now: OffsetDateTime,
    ) -> Result<RunDirectory, Failure> {
        let Some(at) = self.at else { return run.run_directory(question, 0, now) };
        let at = begin_at(at, now).map_err(Failure::usage)?;
        let run = run.run_at(question, 0, at)?;
        if run.is_finished() || run.failure().is_some() {
            let run_id = &run.plan().run_id;
            return Err(Failure::usage(format!("run {run_id} has ended already; begin at another time")));
        }
        Ok(run)
    }
}

/// Which policies.
#[derive(Debug, Clone, Args)]
pub(super) struct PolicyOptions {
    /// Folder with `controls/` and `exceptions/` of your own; may be given several times
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) policies: Vec<PathBuf>,
    /// Report exceptions that have ended as findings, instead of not starting
    #[arg(long, global = true)]
    pub(super) allow_expired_exceptions: bool,
}

/// What is written, and what decides the exit code.
#[derive(Debug, Clone, Args)]
pub(super) struct ReportOptions {
    /// Formats to write into the run directory [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = PossibleValuesParser::new(FORMATS.iter().map(|f| f.name())))]
    pub(super) format: Vec<String>,
    /// Exit with 1 if something is non-compliant at or above this severity; `none` never does, and is the default with
    /// `--fail-on-new`
    #[arg(long, value_name = "SEVERITY", default_value = "low", value_parser = threshold)]
    #[arg(default_value_if("fail_on_new", ArgPredicate::IsPresent, "none"))]
    pub(super) fail_on: Threshold,
    /// Exit with 1 if a violation at or above this severity is new or worse since the run before; on a first run all are
    #[arg(long, value_name = "SEVERITY", value_parser = threshold)]
    pub(super) fail_on_new: Option<Threshold>,
    /// Exit with 2 if something could not be seen
    #[arg(long)]
    pub(super) fail_on_gaps: bool,
}

/// From which severity on a violation fails the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Threshold(pub(super) Option<Severity>);

/// Reads a severity, or `none`.
pub(super) fn threshold(text: &str) -> Result<Threshold, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Threshold(None));
    }
    text.parse().map(|severity| Threshold(Some(severity))).map_err(|error| format!("{error}, or `none`"))
}

impl RunOptions {
    /// Reads the configuration.
    pub(super) fn resolve(&self) -> Result<Config, Failure> {
        self.resolve_as(None)
    }

    /// Reads the configuration; one in a bucket with this profile.
    pub(super) fn resolve_as(&self, profile: Option<&str>) -> Result<Config, Failure> {
        self.store.configuration(self.config.as_deref(), profile)
    }

    /// The folder that `--out` names, or a working folder for the bucket that it names.
    pub(super) fn open(&self, profile: Option<&str>) -> Result<Kept, Failure> {
        Kept::open(&self.out, &self.store, profile)
    }

    /// The same, in the folder that stands for `--out`.
    pub(super) fn within(&self, kept: &Kept) -> Self {
        Self { out: kept.folder().to_owned(), ..self.clone() }
    }

    /// The run that is said to have begun at a moment, whether it is there or not: whoever repeats a beginning goes on
    /// with it. One that asked something else is never touched.
    pub(super) fn run_at(&self, question: &Value, seed: u64, at: OffsetDateTime) -> Result<RunDirectory, Failure> {
        let plan = Plan::new(RunId::at(at).map_err(|e| Failure::failed(&e))?, question.clone(), seed);
        let (run_id, asked) = (plan.run_id.clone(), plan.question.clone());
        let run = match RunDirectory::create(&self.out, plan) {
            Err(RunError::Exists { path, .. }) => RunDirectory::open(&path),
            created => created,
        };
        let run = run.map_err(|e| Failure::failed(&e))?;
        if run.plan().question == asked {
            return Ok(run);
        }
        Err(Failure::usage(format!(
            "run {run_id} is there already, and was begun with another configuration, other policies or another version of pipewarden ({}); begin at another time",
            run.plan().tool_version
        )))
    }

    /// The unfinished run that asked the same question, or a new one.
    pub(super) fn run_directory(
        &self,
        question: &Value,
        seed: u64,
        now: OffsetDateTime,
    ) -> Result<RunDirectory, Failure> {
        let mut at = now;
        loop {
            let plan = Plan::new(RunId::at(at).map_err(|e| Failure::failed(&e))?, question.clone(), seed);
            if !self.fresh {
                let unfinished =
                    RunDirectory::unfinished(&self.out, &plan.question, at).map_err(|e| Failure::failed(&e))?;
                if let Some(run) = unfinished {
                    tracing::info!(run = %run.plan().run_id, "going on with an unfinished run");
                    return Ok(run);
                }
            }
            match RunDirectory::create(&self.out, plan) {
                // A run's id is a second; the demonstration's clock stands still, so its next run takes the next one.
                Err(RunError::Exists { .. }) => at += time::Duration::SECOND,
                created => return created.map_err(|e| Failure::failed(&e)),
            }
        }
    }
}

/// What decides the answer of a run, for its plan.
pub(super) fn question(config: &Config, policies: &Policies, more: &Value) -> Value {
    json!({"config": config.written, "policies": policies.hash(), "options": more})
}

/// Judges a collected run and writes its reports.
pub(super) fn judge(run: &RunDirectory, config: &Config, policies: &Policies) -> Result<Judged, Failure> {
    let evaluation =
        Evaluation { policies, settings: config.settings.clone(), rules: config.rules.clone(), owners: &config.owners };
    evaluation.judge(run).map_err(|error: EvaluationError| Failure::failed(&error))
}

/// Why a run that saw nothing has no verdict.
const NO_ACCOUNT: &str = "no account could be entered, so nothing was judged; the first lines under \"could not be seen\" say which role was refused and why";

impl Default for ReportOptions {
    fn default() -> Self {
        Self { format: Vec::new(), fail_on: Threshold(Some(Severity::Low)), fail_on_new: None, fail_on_gaps: false }
    }
}

impl ReportOptions {
    fn formats(&self) -> Vec<&'static dyn ReportFormat> {
        FORMATS
            .iter()
            .copied()
            .filter(|format| self.format.is_empty() || self.format.iter().any(|name| name == format.name()))
            .collect()
    }

    /// Writes the reports, prints the summary, and says how the program ends.
    pub(super) fn conclude(&self, run: &RunDirectory, judged: &Judged, policies: &Policies) -> Result<Exit, Failure> {
        let exit = self.show(run, judged, policies)?;
        say(&format!("reports: {}", run.path().display()));
        Ok(exit)
    }

    /// As [`Self::conclude`], for a run whose place is said by whoever knows it.
    pub(super) fn show(&self, run: &RunDirectory, judged: &Judged, policies: &Policies) -> Result<Exit, Failure> {
        self.seal(run, judged, policies, &|report| print(&|out| terminal().write(report, out)))
    }

    /// As [`Self::conclude`], with something else in the place of the summary.
    pub(super) fn seal(
        &self,
        run: &RunDirectory,
        judged: &Judged,
        policies: &Policies,
        show: &dyn Fn(&Report<'_>) -> Result<(), Failure>,
    ) -> Result<Exit, Failure> {
        let mut report = judged.report(run, policies);
        report.over_time.delivery = super::deliveries::brief_of(run)?;
        let nobody = judged.visible_accounts == 0;
        let ended = if nobody {
            run.fail(&report, &self.formats(), NO_ACCOUNT)
        } else {
            run.finish(&report, &self.formats()).map(|_| ())
        };
        ended.map_err(|error| Failure::failed(&error))?;
        show(&report)?;
        if nobody {
            return Err(Failure::because(NO_ACCOUNT));
        }
        self.exit(&report, judged.gaps())
    }

    /// How the program ends with this report.
    pub(super) fn exit(&self, report: &Report<'_>, gaps: usize) -> Result<Exit, Failure> {
        let fails = report
            .counts
            .violations
            .iter()
            .any(|(severity, count)| *count > 0 && self.fail_on.0.is_some_and(|from| *severity >= from));
        let fails = fails || self.has_news(report)?;
        // A violation that is out of sight leaves no gap behind where nobody was to look.
        let unseen = gaps > 0 || report.over_time.hidden() > 0;
        Ok(match (fails, self.fail_on_gaps && unseen) {
            (true, _) => Exit::NonCompliant,
            (false, true) => Exit::Gaps,
            (false, false) => Exit::Compliant,
        })
    }
}

impl ReportOptions {
    /// Whether `--fail-on-new` fails the run.
    fn has_news(&self, report: &Report<'_>) -> Result<bool, Failure> {
        let Some(from) = self.fail_on_new.and_then(|threshold| threshold.0) else { return Ok(false) };
        for finding in report.findings.findings().map_err(|error| Failure::failed(&error))? {
            let finding = finding.map_err(|error| Failure::failed(&error))?;
            if is_news(&finding) && finding.fails(from) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a finding is new or worse since the run before.
pub(super) fn is_news(finding: &Finding) -> bool {
    finding.lifecycle.as_ref().is_none_or(|lifecycle| matches!(lifecycle.change, Change::New | Change::Worsened))
}

/// The terminal format as wide and colourful as the terminal at hand.
fn terminal() -> Terminal {
    Terminal::new(width(), is_colorful())
}

/// Whether stdout shows colours.
pub(super) fn is_colorful() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Columns of the terminal at hand.
pub(super) fn width() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    told.or_else(terminal_width).unwrap_or(100).max(40)
}

fn terminal_width() -> Option<usize> {
    let stdout = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    let size = stdout.or_else(|| rustix::termios::tcgetwinsize(std::io::stderr()).ok())?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Writes data to stdout; a reader that has gone away is not an error.
pub(super) fn print(write: &dyn Fn(&mut dyn std::io::Write) -> std::io::Result<()>) -> Result<(), Failure> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::failed(&error)),
        _ => Ok(()),
    }
}

/// A line for the person at the terminal.
pub(super) fn say(line: &str) {
    // With stderr gone there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A run named on the command line by its folder or id, or the newest one.
pub(super) fn named_run(run: Option<&Path>, out: &Path) -> Result<RunDirectory, Failure> {
    match run {
        Some(name) => find_run(name, out).map_err(|error| Failure::failed(&error)),
        None => RunDirectory::newest(out).map_err(|error| Failure::failed(&error))?.ok_or_else(|| {
            Failure::usage(format!(
                "there is no run in {}; make one with `pipewarden audit` or `pipewarden demo`",
                out.display()
            ))
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::finding::Change;
    use crate::inventory::Coverage;
    use crate::report::{Comparison, Counts, OverTime, RunInfo};

    #[test]
    fn a_violation_out_of_sight_is_something_that_could_not_be_seen() {
        let run = || RunInfo {
            run_id: String::new(),
            started_at: String::new(),
            tool_version: String::new(),
            organization: String::new(),
            policy_hash: String::new(),
        };
        let coverage = Coverage::default();
        let exit = |not_seen: u64, set_aside: u64, gaps: usize, fail_on_gaps: bool| {
            let comparison = Comparison {
                previous: run(),
                observed_at: None,
                violations: BTreeMap::from([(Change::NotSeen, not_seen), (Change::Unchanged, 3)]),
                remediation: BTreeMap::new(),
                set_aside,
            };
            let report = Report {
                run: run(),
                controls: BTreeMap::new(),
                frameworks: BTreeMap::new(),
                accounts: BTreeMap::new(),
                counts: Counts::default(),
                coverage: &coverage,
                gaps: &[],
                findings: &Vec::<Finding>::new(),
                calls: coverage.totals(),
                over_time: OverTime { comparison: Some(comparison), ..OverTime::default() },
            };
            ReportOptions { fail_on_gaps, ..ReportOptions::default() }.exit(&report, gaps).unwrap()
        };
        assert_eq!(exit(0, 0, 0, true), Exit::Compliant);
        assert_eq!(exit(0, 0, 1, true), Exit::Gaps);
        assert_eq!(exit(1, 0, 0, true), Exit::Gaps);
        assert_eq!(exit(1, 0, 0, false), Exit::Compliant);
        assert_eq!(exit(2, 2, 0, true), Exit::Compliant, "an earlier run told of both, and nobody asks for them");
        assert_eq!(exit(2, 1, 0, true), Exit::Gaps);
    }
}
