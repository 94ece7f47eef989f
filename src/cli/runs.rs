//! `pipewarden runs`: the runs in a folder, how they went, and which of them are kept.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::Exit;
use super::failure::Failure;
use super::kept::{Kept, StoreOptions};
use super::options::{print, say};
use crate::config::Config;
use crate::finding::{Change, ComplianceType, Severity};
use crate::report::{Comparison, Counts, Remediation, visible};
use crate::run::{Keeping, Link, ListedRun, Pruned, RunDirectory, RunState, STORED_REPORT, link_of, list, prune};

/// Options of `runs`.
#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    /// Folder that keeps the runs, or `s3://BUCKET/PREFIX`
    #[arg(long, value_name = "DIR", env = "PIPEWARDEN_OUT", default_value = "pipewarden-out")]
    out: PathBuf,
    #[command(flatten)]
    store: StoreOptions,
    /// Configuration file with `[runs]`; without it, the defaults
    #[arg(long, value_name = "FILE", env = "PIPEWARDEN_CONFIG")]
    config: Option<PathBuf>,
    /// How the list is written
    #[arg(long, value_name = "NAME", value_enum, default_value_t = Form::Terminal)]
    format: Form,
    /// Only the newest N runs: of the list, the trend and the time to remediate
    #[arg(long, value_name = "N", conflicts_with = "prune", value_parser = clap::value_parser!(u32).range(1..))]
    last: Option<u32>,
    /// Remove the runs beyond the limits of `[runs]` [default: 90 runs, 400 days]
    #[arg(long)]
    prune: bool,
    /// Only say what would be removed
    #[arg(long, requires = "prune")]
    dry_run: bool,
    /// Bring the runs of this folder to the bucket of --out: what a command left behind that could not do it
    #[arg(long, value_name = "DIR", conflicts_with = "prune")]
    push: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A table, and the trend
    Terminal,
    /// One object with a list
    Json,
    /// One row per run
    Csv,
}

pub(super) fn run(args: &RunsArgs) -> Result<Exit, Failure> {
    let kept = Kept::open(&args.out, &args.store, None)?;
    if let Some(folder) = &args.push {
        let lines = kept.push(folder)?;
        return print(&|out| lines.iter().try_for_each(|line| writeln!(out, "{line}"))).map(|()| Exit::Compliant);
    }
    if args.prune {
        if kept.is_bucket() {
            return Err(Failure::usage(format!("{}: {IN_A_BUCKET}", args.out.display())));
        }
        let config = args.store.configuration(args.config.as_deref(), None)?;
        let keeping = config.written.runs.keeping().unwrap_or_default();
        let now = time::OffsetDateTime::now_utc();
        let pruned = prune(&args.out, keeping, now, None, args.dry_run).map_err(|error| Failure::failed(&error))?;
        return print(&|out| write_pruned(&pruned, args.dry_run, out)).map(|()| Exit::Compliant);
    }
    kept.fetch(async |store| store.fetch_standing(&[STORED_REPORT]).await)?;
    let listed = list(kept.folder()).map_err(|error| Failure::failed(&error))?;
    let wanted = args.last.and_then(|last| usize::try_from(last).ok()).unwrap_or(usize::MAX);
    let rows: Vec<Row> = listed.iter().skip(listed.len().saturating_sub(wanted)).map(Row::of).collect();
    print(&|out| match args.format {
        Form::Terminal => write_table(&rows, &args.out, out),
        Form::Json => write_json(&rows, out),
        Form::Csv => write_csv(&rows, out),
    })?;
    Ok(Exit::Compliant)
}

/// Who prunes in a bucket.
const IN_A_BUCKET: &str = "runs in a bucket are not pruned by pipewarden, which may not delete them; give the bucket a lifecycle rule that ends objects under runs/, and keep at least the newest run";

/// Says that nothing was pruned, if the configuration wants something pruned.
pub(super) fn not_pruned(config: &Config) {
    if config.written.runs.keeping().is_some() {
        say(&format!("note: [runs] of the configuration: {IN_A_BUCKET}"));
    }
}

/// Prunes when an audit has ended, if the configuration says so. The run stands whatever comes of it.
pub(super) fn prune_after(run: &RunDirectory, out: &Path, config: &Config) {
    let Some(keeping) = config.written.runs.keeping() else { return };
    match prune_held(run, out, keeping) {
        Ok(pruned) if pruned.is_empty() => {}
        Ok(pruned) => say(&format!("pruned: {}", names(&pruned))),
        Err(error) => say(&format!("warning: runs were not pruned: {error}")),
    }
}

fn prune_held(run: &RunDirectory, out: &Path, keeping: Keeping) -> Result<Vec<Pruned>, crate::run::RunError> {
    // Ages are counted from the run's own start, so that the demonstration's clock, which stands still, keeps its runs.
    let format = time::format_description::well_known::Rfc3339;
    let now = time::OffsetDateTime::parse(&run.plan().started_at, &format)
        .unwrap_or_else(|_| time::OffsetDateTime::now_utc());
    prune(out, keeping, now, Some(run), false)
}

fn names(pruned: &[Pruned]) -> String {
    pruned.iter().map(|run| run.run_id.to_string()).collect::<Vec<_>>().join(", ")
}

fn write_pruned(pruned: &[Pruned], dry_run: bool, out: &mut dyn Write) -> io::Result<()> {
    if pruned.is_empty() {
        return writeln!(out, "every run is within the limits");
    }
    for run in pruned {
        let verb = if dry_run { "would be removed" } else { "removed" };
        let left = if run.finished { "its manifest stays in pruned/" } else { "it was never finished" };
        writeln!(out, "{} {verb}: {}; {left}", run.run_id, run.reason)?;
    }
    Ok(())
}

/// One run as a program reads it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    run_id: String,
    started_at: String,
    /// `finished`, `failed`, `unfinished` or `unreadable`.
    state: &'static str,
    /// Why it failed or cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Counts>,
    accounts: u64,
    gaps: u64,
    /// `first`, `holds`, `gone` or `broken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared_with: Option<String>,
    /// Violations by what changed since that run.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    violations: BTreeMap<Change, u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    remediation: BTreeMap<Severity, Remediation>,
    /// The run whose inventories it judged again: it shows AWS as that one does, and is no point of a trend.
    #[serde(skip_serializing_if = "Option::is_none")]
    inventories_of: Option<String>,
    /// Id of the organization; empty for a single account without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<String>,
}

impl Row {
    fn of(run: &ListedRun) -> Self {
        let (state, problem) = match &run.state {
            RunState::Finished(_) => ("finished", None),
            RunState::Failed(why) => ("failed", Some(why.clone())),
            RunState::Unfinished => ("unfinished", None),
            RunState::Unreadable(why) => ("unreadable", Some(why.clone())),
        };
        let manifest = run.manifest();
        let comparison = run.over_time().and_then(|over_time| over_time.comparison);
        Self {
            run_id: run.run_id.to_string(),
            started_at: run.run_id.started_at(),
            state,
            problem,
            verdict: manifest.map(|manifest| {
                verdict(&manifest.counts, manifest.gaps, comparison.as_ref().map_or(0, Comparison::hidden))
            }),
            counts: manifest.map(|manifest| manifest.counts.clone()),
            accounts: manifest.map_or(0, |manifest| manifest.accounts),
            gaps: manifest.map_or(0, |manifest| manifest.gaps),
            chain: manifest.map(|manifest| chain(&run.path, manifest)),
            compared_with: comparison.as_ref().map(|comparison| comparison.previous.run_id.clone()),
            violations: comparison.as_ref().map(|comparison| comparison.violations.clone()).unwrap_or_default(),
            remediation: comparison.map(|comparison| comparison.remediation).unwrap_or_default(),
            inventories_of: manifest.and_then(crate::run::Manifest::inventories_of).map(|run| run.to_string()),
            organization: manifest.map(|manifest| manifest.run.organization.clone()),
        }
    }

    fn of_severity(&self, severity: Severity) -> u64 {
        self.counts.as_ref().and_then(|counts| counts.violations.get(&severity)).copied().unwrap_or(0)
    }

    fn all_violations(&self) -> u64 {
        Severity::ALL.into_iter().map(|severity| self.of_severity(severity)).sum()
    }

    fn unknown(&self) -> u64 {
        self.counts.as_ref().map_or(0, |counts| counts.of(ComplianceType::InsufficientData))
    }

    fn changed(&self, change: Change) -> u64 {
        self.violations.get(&change).copied().unwrap_or(0)
    }
}

/// What was not seen is never called good.
fn verdict(counts: &Counts, gaps: u64, hidden: u64) -> &'static str {
    let of = |compliance| counts.of(compliance) > 0;
    let is_judged = of(ComplianceType::Compliant) || counts.excepted > 0;
    if counts.violations.values().any(|count| *count > 0) {
        "not compliant"
    } else if counts.by_compliance.values().all(|count| *count == 0) {
        "nothing was judged"
    } else if of(ComplianceType::InsufficientData) || hidden > 0 {
        "not known"
    } else if !is_judged {
        "nothing to judge"
    } else if gaps > 0 {
        "compliant where seen"
    } else {
        "compliant"
    }
}

fn chain(path: &Path, manifest: &crate::run::Manifest) -> &'static str {
    let link = std::path::absolute(path).ok().map(|folder| link_of(&folder, manifest));
    match link {
        Some(Ok(Link::First)) => "first",
        Some(Ok(Link::Holds(_))) => "holds",
        Some(Ok(Link::Gone(_))) => "gone",
        Some(Err(_)) | None => "broken",
    }
}

fn write_table(rows: &[Row], folder: &Path, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "there is no run in {}", folder.display());
    }
    writeln!(
        out,
        "{:<17} {:<20} {:>8} {:>6} {:>6} {:>6} {:>8} {:>5} {:>8}  {:>5} {:>8} {:>8}  chain",
        "run",
        "verdict",
        "critical",
        "high",
        "medium",
        "low",
        "unknown",
        "gaps",
        "accounts",
        "new",
        "resolved",
        "not seen"
    )?;
    for row in rows {
        let Some(verdict) = row.verdict else {
            let problem = row.problem.as_deref().map_or_else(String::new, |why| format!(": {}", visible(why)));
            writeln!(out, "{:<17} {}{problem}", row.run_id, row.state)?;
            continue;
        };
        let changed = |change| {
            if row.compared_with.is_some() { row.changed(change).to_string() } else { "–".to_owned() }
        };
        writeln!(
            out,
            "{:<17} {verdict:<20} {:>8} {:>6} {:>6} {:>6} {:>8} {:>5} {:>8}  {:>5} {:>8} {:>8}  {}",
            row.run_id,
            row.of_severity(Severity::Critical),
            row.of_severity(Severity::High),
            row.of_severity(Severity::Medium),
            row.of_severity(Severity::Low),
            row.unknown(),
            row.gaps,
            row.accounts,
            changed(Change::New),
            changed(Change::Resolved),
            changed(Change::NotSeen),
            row.chain.unwrap_or_default()
        )?;
    }
    let all = trends(rows);
    for (organization, trend) in &all {
        write_trend(organization, trend, all.len() > 1, out)?;
    }
    Ok(())
}

/// The runs of each organization that looked at AWS, oldest first: one folder may keep several organizations, whose numbers
/// say nothing of each other.
fn trends(rows: &[Row]) -> BTreeMap<&str, Vec<&Row>> {
    let mut trends: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.verdict.is_some() && row.inventories_of.is_none()) {
        trends.entry(row.organization.as_deref().unwrap_or_default()).or_default().push(row);
    }
    trends
}

fn write_trend(organization: &str, trend: &[&Row], among_others: bool, out: &mut dyn Write) -> io::Result<()> {
    let remediated = remediated(trend);
    if trend.len() > 1 || !remediated.is_empty() {
        writeln!(out)?;
        match organization {
            _ if !among_others => {}
            "" => writeln!(out, "a single account")?,
            id => writeln!(out, "organization {}", visible(id))?,
        }
    }
    if trend.len() > 1 {
        let line = |name: &str, of: &dyn Fn(&Row) -> u64, out: &mut dyn Write| {
            let numbers: Vec<u64> = trend.iter().map(|row| of(row)).collect();
            let (first, last) = (numbers.first().copied().unwrap_or(0), numbers.last().copied().unwrap_or(0));
            writeln!(out, "{name:<12} {}  {first} → {last}", sparkline(&numbers))
        };
        line("violations", &Row::all_violations, out)?;
        line("unknown", &Row::unknown, out)?;
    }
    for (severity, remediation) in remediated.iter().rev() {
        let Some(mean) = remediation.mean_hours() else { continue };
        let (days, resolved) = (mean / 24.0, remediation.resolved);
        writeln!(out, "time to remediate {severity}: {days:.1} days on average over {resolved} resolved")?;
    }
    Ok(())
}

/// Over the runs of an organization: what each resolved since the run before it.
fn remediated(trend: &[&Row]) -> BTreeMap<Severity, Remediation> {
    let mut sums: BTreeMap<Severity, Remediation> = BTreeMap::new();
    for (severity, one) in trend.iter().flat_map(|row| &row.remediation) {
        let sum = sums.entry(*severity).or_default();
        *sum = sum.and(*one);
    }
    sums
}

/// One block per number, as high as its part of the largest.
fn sparkline(numbers: &[u64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let largest = numbers.iter().copied().max().unwrap_or(0).max(1);
    let block = |number: u64| {
        let step = u128::from(number) * 7 / u128::from(largest);
        usize::try_from(step).ok().and_then(|step| BLOCKS.get(step)).copied().unwrap_or('█')
    };
    numbers.iter().map(|number| block(*number)).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema_version: u32,
    runs: &'a [Row],
    /// Over the runs of each organization, by its id; empty for a single account without one.
    remediation: BTreeMap<&'a str, BTreeMap<Severity, Remediation>>,
}

fn write_json(rows: &[Row], out: &mut dyn Write) -> io::Result<()> {
    let of_each = trends(rows).into_iter().map(|(organization, trend)| (organization, remediated(&trend)));
    let remediation = of_each.filter(|(_, remediation)| !remediation.is_empty()).collect();
    serde_json::to_writer_pretty(
        &mut *out,
        &Document { schema_version: crate::report::SCHEMA_VERSION, runs: rows, remediation },
    )?;
    writeln!(out)
}

/// An id as AWS gives it; anything else in its place was put there by hand, and may not run in a spreadsheet.
fn plain(id: &str) -> String {
    let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') && !id.starts_with('-');
    if is_plain { id.to_owned() } else { "unreadable".to_owned() }
}

/// Only ids, words of our own and numbers, so nothing has to be quoted.
fn write_csv(rows: &[Row], out: &mut dyn Write) -> io::Result<()> {
    write!(
        out,
        "run_id,started_at,state,verdict,critical,high,medium,low,excepted,unknown,gaps,accounts,compared_with,new,\
         worsened,improved,unchanged,resolved,not_seen,chain,inventories_of,organization\r\n"
    )?;
    for row in rows {
        let mut cells = vec![
            row.run_id.clone(),
            row.started_at.clone(),
            row.state.to_owned(),
            row.verdict.unwrap_or_default().to_owned(),
        ];
        let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
        cells.extend(severities.map(|severity| row.of_severity(severity).to_string()));
        cells.push(row.counts.as_ref().map_or(0, |counts| counts.excepted).to_string());
        cells.extend([row.unknown(), row.gaps, row.accounts].map(|number| number.to_string()));
        cells.push(row.compared_with.clone().unwrap_or_default());
        let changes =
            [Change::New, Change::Worsened, Change::Improved, Change::Unchanged, Change::Resolved, Change::NotSeen];
        // No number where no runs were compared: zero would say that nothing changed.
        cells.extend(
            changes.map(
                |change| {
                    if row.compared_with.is_some() { row.changed(change).to_string() } else { String::new() }
                },
            ),
        );
        cells.push(row.chain.unwrap_or_default().to_owned());
        cells.push(row.inventories_of.clone().unwrap_or_default());
        cells.push(row.organization.as_deref().map_or_else(String::new, plain));
        write!(out, "{}\r\n", cells.join(","))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trend_is_as_high_as_its_numbers() {
        assert_eq!(sparkline(&[0, 7, 14]), "▁▄█");
        assert_eq!(sparkline(&[0, 0]), "▁▁");
        assert_eq!(sparkline(&[u64::MAX]), "█");
    }

    #[test]
    fn what_was_not_seen_is_never_called_good() {
        let counts = |compliance, number| Counts {
            by_compliance: BTreeMap::from([(ComplianceType::Compliant, 3), (compliance, number)]),
            ..Counts::default()
        };
        let good = counts(ComplianceType::NotApplicable, 1);
        assert_eq!(verdict(&counts(ComplianceType::InsufficientData, 1), 0, 0), "not known");
        assert_eq!(verdict(&good, 0, 0), "compliant");
        assert_eq!(verdict(&good, 1, 0), "compliant where seen");
        assert_eq!(verdict(&good, 0, 1), "not known");
        assert_eq!(verdict(&Counts::default(), 0, 0), "nothing was judged");
    }

    /// A finished run of an organization, with violations that were resolved in it.
    fn row(day: u8, organization: &str, violations: u64, resolved: u64) -> Row {
        let counts = Counts { violations: BTreeMap::from([(Severity::High, violations)]), ..Counts::default() };
        let remediation = Remediation { resolved, total_hours: 48.0 };
        Row {
            run_id: format!("202611{day:02}T020000Z"),
            started_at: format!("2026-11-{day:02}T02:00:00Z"),
            state: "finished",
            problem: None,
            verdict: Some("not compliant"),
            counts: Some(counts),
            accounts: 1,
            gaps: 0,
            chain: Some("holds"),
            compared_with: None,
            violations: BTreeMap::new(),
            remediation: (resolved > 0).then_some((Severity::High, remediation)).into_iter().collect(),
            inventories_of: None,
            organization: Some(organization.to_owned()),
        }
    }

    fn table(rows: &[Row]) -> String {
        let mut out = Vec::new();
        write_table(rows, Path::new("pipewarden-out"), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_trend_is_of_one_organization_and_of_runs_that_looked() {
        let mut rows = vec![row(1, "o-exampleorg1", 4, 0), row(2, "o-exampleorg2", 900, 0)];
        rows.extend([row(3, "o-exampleorg1", 2, 1), row(4, "", 7, 0), row(5, "o-exampleorg2", 450, 4)]);
        rows.push(Row { inventories_of: Some(rows[2].run_id.clone()), ..row(6, "o-exampleorg1", 50, 0) });
        let said = table(&rows);
        assert_eq!(said.lines().filter(|line| line.starts_with("202611")).count(), 6, "all are listed: {said}");
        let (_, trends) = said.split_once("\n\n").unwrap();
        assert_eq!(
            trends,
            "organization o-exampleorg1\nviolations   █▄  4 → 2\nunknown      ▁▁  0 → 0\n\
             time to remediate HIGH: 2.0 days on average over 1 resolved\n\n\
             organization o-exampleorg2\nviolations   █▄  900 → 450\nunknown      ▁▁  0 → 0\n\
             time to remediate HIGH: 0.5 days on average over 4 resolved\n"
        );
        let mut json = Vec::new();
        write_json(&rows, &mut json).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["remediation"]["o-exampleorg1"]["HIGH"]["resolved"], 1);
        assert_eq!(json["remediation"].as_object().unwrap().len(), 2);
        assert_eq!(
            (&json["runs"][3]["organization"], &json["runs"][5]["inventoriesOf"]),
            (&"".into(), &"20261103T020000Z".into())
        );
        assert!(!table(&rows[..1]).contains("organization"), "of one organization nothing has to be said");
    }

    #[test]
    fn the_csv_ends_with_the_organization_and_has_no_formula() {
        let mut out = Vec::new();
        write_csv(&[row(1, "o-exampleorg1", 4, 0), row(2, "=cmd|' /C calc'!A0", 1, 0), row(3, "", 1, 0)], &mut out)
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        let last: Vec<&str> = text.lines().map(|line| line.rsplit(',').next().unwrap()).collect();
        assert_eq!(last, ["organization", "o-exampleorg1", "unreadable", ""]);
        assert!(text.lines().all(|line| line.split(',').count() == 22), "{text}");
    }
}
