//! `pipewarden check`: judge pipelines before they exist.

mod base;
mod candidate;
mod formats;
mod git;
mod inputs;
mod inventory;
mod parameters;
mod walk;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Parser as _};
use time::OffsetDateTime;

use super::Exit;
use super::failure::Failure;
use super::options::{PolicyOptions, Threshold, threshold};
use super::policies;
use crate::check::{Check, CheckError, Checked, types_of};
use formats::FormatOptions;

use crate::config::Config;
use crate::evaluate::Policies;
use crate::finding::{SourcePlace, TemplateFinding};
use crate::inventory::{AccountId, Position, Region, Span};
use crate::report::check::{CheckReport, CheckedFile, Fix, Notice, UnreadableFile};
use crate::template::{Limits, Place};
use base::{BaseOptions, Now};

/// Options of `check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Files, folders (searched through) or patterns; `-` is stdin [default: .]
    paths: Vec<String>,
    /// Configuration file; without it, the defaults
    #[arg(long, value_name = "FILE", env = "PIPEWARDEN_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    policies: PolicyOptions,
    #[command(flatten)]
    parameters: parameters::ParameterArgs,
    /// Account that it will be deployed to
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Region that it will be deployed to
    #[arg(long, value_name = "NAME")]
    region: Option<Region>,
    #[command(flatten)]
    inventory: inventory::InventoryArgs,
    #[command(flatten)]
    base: BaseOptions,
    #[command(flatten)]
    formats: FormatOptions,
    /// Exit with 1 if something is non-compliant at or above this severity; `none` never does
    #[arg(long, value_name = "SEVERITY", default_value = "low", value_parser = threshold)]
    fail_on: Threshold,
    /// Exit with 2 if a value or resource that the verdict needs was not given
    #[arg(long)]
    fail_on_gaps: bool,
}

pub(super) fn run(args: &CheckArgs) -> Result<Exit, Failure> {
    let outputs = args.formats.resolve()?;
    let config = Config::read(args.config.as_deref()).map_err(Failure::usage)?;
    let now = OffsetDateTime::now_utc();
    let run = args.inventory.open()?;
    let mut place = Place::new(args.account.clone(), args.region.clone());
    let parameters = args.parameters.values()?;
    let limits = Limits::default();
    let mut read = inputs::read(&args.paths, &parameters, &place, limits)?;
    if let Some(home) = run.as_ref().map(|run| inventory::home(run, &read.groups, &place)).transpose()?.flatten() {
        // Stdin can be read only once; what comes from there needs to be told its account.
        if !args.paths.iter().any(|path| path == "-") {
            place = home;
            read = inputs::read(&args.paths, &parameters, &place, limits)?;
        }
    }
    for name in args.parameters.unknown(&read.documents) {
        tracing::warn!("`--parameter {name}=…`: no template that was checked has a parameter of this name");
    }
    let policies = policies::load_for(&config, &args.policies, now, types_of(&read.groups).as_ref())?;
    let audited = run.as_ref().map(|run| inventory::look_up(run, &read.groups)).transpose()?;
    let failed = |error: CheckError| Failure::failed(&error);
    let check =
        Check::new(&policies, &config.settings, &config.rules, now, audited.as_deref(), &place).map_err(failed)?;
    let mut report = empty(&policies, args);
    report.ignored = read.ignored;
    let mut all = Checked::default();
    let start = Position { line: 1, column: 1 };
    let beginning = Span { start, end: start };
    for group in &read.groups {
        let mut checked = check.judge(group).map_err(failed)?;
        if let Some(message) = checked.left_out.take() {
            read.notices.push((Arc::clone(&group.file), beginning, message));
        }
        report.files.push(CheckedFile {
            file: Arc::clone(&group.file),
            format: group.format.to_owned(),
            resources: checked.resources,
        });
        all.add(checked);
    }
    let given = Now { paths: &args.paths, inputs: &read, parameters: &parameters, place: &place, limits };
    let compared = args.base.compare(&check, &policies, &given, &mut all)?;
    report.findings = all.findings;
    (report.removed, report.resolved) = (compared.removed, compared.resolved);
    report.findings.sort_by(|a, b| a.order().cmp(&b.order()));
    report.files.sort();
    report.sources = read
        .documents
        .iter()
        .chain(&compared.documents)
        .map(|one| (Arc::clone(&one.file), Arc::clone(&one.text)))
        .collect();
    report.unreadable = read
        .unreadable
        .into_iter()
        .map(|one| UnreadableFile { file: one.file, at: one.at, message: one.message })
        .collect();
    report.unreadable.sort();
    report.notices = read
        .notices
        .into_iter()
        .chain(compared.notices)
        .map(|(file, span, message)| Notice { place: SourcePlace { file, span }, message })
        .collect();
    report.notices.sort();
    outputs.write(&report)?;
    Ok(exit(&report))
}

/// Writes what is open today in a folder into a file, so that only what is new or worse blocks.
pub(super) fn write_baseline(folder: &Path, file: &Path) -> Result<(), Failure> {
    #[derive(clap::Parser)]
    struct Alone {
        #[command(flatten)]
        check: CheckArgs,
    }
    let nothing = [OsStr::new("check"), OsStr::new("--fail-on"), OsStr::new("none"), OsStr::new("--write-baseline")];
    let words = nothing.into_iter().chain([file.as_os_str(), OsStr::new("--"), folder.as_os_str()]);
    let args = Alone::try_parse_from(words).map_err(Failure::usage)?.check;
    match run(&args)? {
        Exit::Failed => {
            Err(Failure::because("a file that speaks of the delivery path cannot be read, so it has no baseline"))
        }
        _ => Ok(()),
    }
}

fn empty(policies: &Policies, args: &CheckArgs) -> CheckReport {
    let fix = |id: &String| {
        let guidance = policies.guidance(id).cloned().unwrap_or_default();
        let (rationale, cloudformation) = (guidance.rationale, guidance.cloudformation);
        (id.clone(), Fix { rationale, cloudformation, terraform: guidance.terraform })
    };
    CheckReport {
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        policy_hash: policies.hash().to_owned(),
        controls: policies.controls().clone(),
        frameworks: policies.frameworks().clone(),
        fixes: policies.controls().keys().map(fix).collect(),
        findings: Vec::new(),
        files: Vec::new(),
        ignored: 0,
        unreadable: Vec::new(),
        notices: Vec::new(),
        removed: Vec::new(),
        resolved: Vec::new(),
        sources: BTreeMap::new(),
        fail_on: args.fail_on.0,
        fail_on_gaps: args.fail_on_gaps,
        compared: args.base.compares(),
        roots: formats::roots(),
    }
}

/// What could not be read has no verdict, which outweighs every verdict on the rest.
fn exit(report: &CheckReport) -> Exit {
    if !report.unreadable.is_empty() {
        Exit::Failed
    } else if report.blocking().next().is_some() {
        Exit::NonCompliant
    } else if report.fail_on_gaps && report.gaps().any(TemplateFinding::is_new_gap) {
        Exit::Gaps
    } else {
        Exit::Compliant
    }
}
