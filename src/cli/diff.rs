//! `pipewarden diff`: what changed between two finished runs.

use std::cell::{Cell, RefCell};
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Exit;
use super::failure::Failure;
use super::kept::{Kept, StoreOptions};
use super::options::{Threshold, is_colorful, is_news, print, threshold, width};
use crate::audit::finders;
use crate::report::{DifferenceJson, DifferencePage, Differing, RunInfo, visible};
use crate::run::{ListedRun, RunDirectory, RunError, RunId, difference, find_run, list};

/// Options of `diff`.
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The earlier run, by its folder or id [default: the one before NEW]
    old: Option<PathBuf>,
    /// The later run, by its folder or id [default: the finished one that looked last]
    new: Option<PathBuf>,
    /// Folder that keeps the runs, or `s3://BUCKET/PREFIX`
    #[arg(long, value_name = "DIR", env = "PIPEWARDEN_OUT", default_value = "pipewarden-out")]
    out: PathBuf,
    #[command(flatten)]
    store: StoreOptions,
    /// How it is written
    #[arg(long, value_name = "NAME", value_enum, default_value_t = Form::Terminal)]
    format: Form,
    /// Exit with 1 if a violation at or above this severity is new or worse
    #[arg(long, value_name = "SEVERITY", value_parser = threshold)]
    fail_on_new: Option<Threshold>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// The worst first, for reading
    Terminal,
    /// Everything in one versioned document, for programs
    Json,
    /// The worst first, for a ticket
    Markdown,
}

pub(super) fn run(args: &DiffArgs) -> Result<Exit, Failure> {
    let kept = Kept::open(&args.out, &args.store, None)?;
    let (old, new) = at_hand(args, &kept)?;
    let (earlier, later) = (manifest_of(&old)?.run, manifest_of(&new)?.run);
    if earlier.organization != later.organization {
        let of = |run: &RunInfo| match run.organization.as_str() {
            "" => format!("run {} is of a single account", run.run_id),
            organization => format!("run {} is of organization {}", run.run_id, visible(organization)),
        };
        return Err(Failure::usage(format!(
            "{}, but {}: nothing of the one became of the other; name two runs of one organization",
            of(&earlier),
            of(&later)
        )));
    }
    if earlier.run_id >= later.run_id {
        return Err(Failure::usage(format!(
            "run {} did not start before run {}; name the earlier run first",
            earlier.run_id, later.run_id
        )));
    }
    let from = args.fail_on_new.and_then(|threshold| threshold.0);
    let fails = Cell::new(false);
    let heed = |differing: &Differing| {
        let finding = &differing.finding;
        if from.is_some_and(|from| is_news(finding) && finding.fails(from)) {
            fails.set(true);
        }
    };
    let finders = finders();
    match args.format {
        Form::Json => print(&|out| {
            let mut document = DifferenceJson::start(&earlier, &later, out)?;
            let all = difference(&old, &new, &finders, &mut |differing| {
                heed(&differing);
                Ok(document.add(&differing)?)
            });
            document.end(&all.map_err(in_writing)?)
        })?,
        form => {
            let page = RefCell::new(DifferencePage::default());
            let all = difference(&old, &new, &finders, &mut |differing| {
                heed(&differing);
                page.borrow_mut().add(differing);
                Ok(())
            });
            let all = all.map_err(|error| Failure::failed(&error))?;
            print(&|out| match form {
                Form::Markdown => page.borrow().write_markdown(&all, out),
                _ => page.borrow().write_terminal(&all, width(), is_colorful(), out),
            })?;
        }
    }
    Ok(if fails.get() { Exit::NonCompliant } else { Exit::Compliant })
}

/// A reader that has gone away must stay one.
fn in_writing(error: RunError) -> io::Error {
    match error {
        RunError::Findings(error) => error,
        other => io::Error::other(other),
    }
}

fn manifest_of(run: &RunDirectory) -> Result<crate::run::Manifest, Failure> {
    run.manifest().map_err(|error| Failure::failed(&error))
}

/// The two runs, with everything that is read of them.
fn at_hand(args: &DiffArgs, kept: &Kept) -> Result<(RunDirectory, RunDirectory), Failure> {
    let named = [&args.old, &args.new];
    let named: Vec<RunId> = named.into_iter().flatten().filter_map(|name| name.to_str()?.parse().ok()).collect();
    kept.fetch(async |store| {
        if args.new.is_none() {
            store.fetch_former(None).await?;
        }
        for run_id in &named {
            store.fetch_compared(run_id).await?;
        }
        Ok(())
    })?;
    let (old, new) = chosen(args, kept.folder())?;
    kept.fetch(async |store| {
        for run in [&old, &new] {
            store.fetch_compared(&run.plan().run_id).await?;
        }
        Ok(())
    })?;
    Ok((old, new))
}

fn chosen(args: &DiffArgs, out: &Path) -> Result<(RunDirectory, RunDirectory), Failure> {
    let named = |name: &Path| find_run(name, out).map_err(|error| Failure::failed(&error));
    if let (Some(old), Some(new)) = (&args.old, &args.new) {
        return Ok((named(old)?, named(new)?));
    }
    let listed = list(out).map_err(|error| Failure::failed(&error))?;
    let mut finished: Vec<&ListedRun> = listed.iter().filter(|run| run.manifest().is_some()).collect();
    // By when they looked: a run that judged older inventories again is no news of today.
    finished.sort_by_cached_key(|run| RunDirectory::open(&run.path).map(|run| run.observed_at()).unwrap_or_default());
    let mut finished = finished.into_iter().rev();
    let too_few = || {
        Failure::usage(format!(
            "there are no two finished runs of one organization in {} to compare; name them, or run `pipewarden audit` again",
            args.out.display()
        ))
    };
    let newest = finished.next().ok_or_else(too_few)?;
    let old = if let Some(old) = &args.old {
        named(old)?
    } else {
        let organization = |run: &ListedRun| run.manifest().map(|manifest| manifest.run.organization.clone());
        let before = |run: &&ListedRun| run.run_id < newest.run_id && organization(run) == organization(newest);
        let before = finished.find(before).ok_or_else(too_few)?;
        named(&before.path)?
    };
    Ok((old, named(&newest.path)?))
}
